/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lowering from inside.
 *
 *   lower_view.c    what a tensor is: which 8-bit tensor it stands for, behind which reshapes, with which scale
 *   lower_match.c   for each 8-bit tensor: the card layer that could produce it (a candidate), from QLinear and QDQ forms
 *   lower_conv.c    the same for convolutions and matrix products
 *   lower_fuse.c    what is really needed; residuals, pools, unfolding and concatenations put into their neighbours
 *   lower_order.c   an order with as few host pieces as possible
 *   lower_emit.c    candidates to layers and values
 *   lower_graph.c   the host's nodes to NN_LAYER_GRAPH pieces
 *   weights.c       weights to bytes
 */
#ifndef SMARTSSD_RUNTIME_NN_LOWER_H
#define SMARTSSD_RUNTIME_NN_LOWER_H

#include "program_impl.h"

#define LOWER_CHAIN 16 /* reshapes in a row that are looked through */

/* Parameters of a quantisation; zero is that of the unsigned byte (an int8 one has 128 added). */
struct lower_quant {
	float scale;
	uint32_t zero;
	enum nn_type type;
};

/* What an operator's input stands for. */
struct lower_view {
	uint32_t base; /* 8-bit tensor */
	struct lower_quant q;
	bool known;    /* q is: a DequantizeLinear or QuantizeLinear said so */
	bool moved;    /* a Transpose lies between */
	bool same;     /* the operator sees the base as it lies on the card */
	uint32_t chain[LOWER_CHAIN], nr_chain; /* reshapes and transposes between, from the operator back to the base */
	struct nn_dims dims; /* as the operator sees it */
};

/* Where weights come from: element (f, i) of filter f, i = (channel, row, column) of the kernel, is data[f * f_step + order[i] * i_step]. */
struct lower_weights {
	const void *data;
	enum nn_type type;
	uint64_t f_step, i_step;
	uint32_t *order;		      /* NULL: i itself. Ours. */
	const float *scale;		      /* of nr_scale filters, 1: of all */
	const void *zero;		      /* NULL: 0 */
	uint32_t nr_scale, nr_zero;
	double *bias;			      /* of all filters, whole numbers in units of x_scale * w_scale; NULL: none. Ours. */
	uint32_t groups, channels, filters;   /* real ones; the latter of a group */
	uint32_t kernel[2];
	uint32_t merge;			      /* so many groups become one on the card */
	/*
	 * A weight less its zero point is up to 255. What does not fit int8 is the sum of two or three that do: the input's channels are there so many times, side
	 * by side. 1: once, nothing is copied.
	 */
	uint32_t times;
	bool unfold;			      /* columns of the kernel became channels */
	float x_scale, y_scale;
	uint32_t x_zero;
};

struct lower_part { /* of a concatenation */
	uint32_t base;
	struct lower_quant q;
	bool placed;
};

/* A candidate. */
struct lower_layer {
	struct nn_layer l;   /* kind and numbers; its indices are those of tensors until lower_emit() */
	bool concat;	     /* no kernel: parts are where they belong, or copied there */
	struct lower_part *parts;
	uint32_t nr_parts;
	struct lower_weights w;
	uint32_t constant;   /* ADD: the second operand is this constant tensor; NN_NOWHERE */
	struct nn_add_layer after; /* rescaled: makes @out of what the kernel gives, which has quantisation @before */
	struct lower_quant before;
	bool rescaled;
	uint32_t main;	     /* node that does the work */
	uint32_t out;	     /* 8-bit tensor */
	struct lower_quant q;
	uint32_t in[2];	     /* 8-bit tensors, NN_NOWHERE */
	uint32_t fused[8], nr_fused; /* nodes */
	uint32_t wide, deep; /* PACK: columns and channels after unfolding; 0: not unfolded */
	bool needed, dead;
};

struct lower_place { /* of a tensor in a concatenation */
	uint32_t whole, at;
};

struct lower {
	const struct nn_graph *g;
	struct nn_program *p;
	struct smartssd_error *err;
	bool no_memory;
	struct lower_layer *layers;
	uint32_t nr_layers, room_layers;
	uint32_t *layer_of;	 /* tensor -> candidate, NN_NOWHERE */
	char **why;		 /* node -> why the card cannot, NULL */
	bool *host;		 /* node: needed on the host */
	bool *card;		 /* tensor: a candidate reads it */
	uint32_t *piece;	 /* node: which host piece, NN_NOWHERE */
	bool *outside;		 /* tensor of a host piece: another piece reads it */
	uint32_t *uses;		 /* tensor: by needed candidates, host nodes and as output */
	struct lower_place *place;
	uint32_t *plain_value, *card_value; /* tensor -> value, NN_NONE_VALUE */
	uint64_t room_weights;
	uint32_t room_values, room_program_layers, room_graphs;
};

/* ---- lower_view.c ---- */
const struct nn_tensor *lower_tensor(const struct lower *l, uint32_t t); /* NULL for NN_NOWHERE */
const struct nn_node *lower_producer(const struct lower *l, uint32_t t); /* NULL */
bool lower_is_byte(const struct lower *l, uint32_t t);
/* Quantisation that scale and zero point tensors describe; false: not constant, not of one element, no usable scale. */
bool lower_quant(const struct lower *l, uint32_t scale, uint32_t zero, enum nn_type type, struct lower_quant *q);
bool lower_quant_equal(const struct lower_quant *a, const struct lower_quant *b);
/* Q(@real), as ONNX rounds it, in [0, 255]. */
uint32_t lower_quantise(const struct lower_quant *q, float real);
bool lower_view(struct lower *l, uint32_t t, struct lower_view *v);
/*
 * For an operator that sees [N, K]: element k of the operator's row is element inverse[...]: order[i] = k for element i of the base's image in the order [C][H][W].
 * NULL: the order is the same, or (*ret) it cannot be told: -EINVAL, -ENOMEM.
 */
uint32_t *lower_view_order(struct lower *l, const struct lower_view *v, int *ret);
/* Why node @n stays on the host. Returns false. */
bool lower_no(struct lower *l, uint32_t n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Copy of a formatted text; NULL sets no_memory. */
char *lower_text(struct lower *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- lower_match.c ---- */
void lower_match(struct lower *l);
/*
 * Would the kernel take it, with input and output of these rows, columns and channels? Sets tiles. PACK: @x is not looked at, the tensor in[0] is. Text in @why.
 */
bool lower_fits(struct lower *l, struct lower_layer *c, const uint32_t x[3], const uint32_t y[3], struct smartssd_error *why);
/* The same for shapes of tensors. */
bool lower_fits_tensors(struct lower *l, struct lower_layer *c, uint32_t x, uint32_t y, struct smartssd_error *why);
/*
 * One number for each channel of an output with @out dimensions, or one for all? @channel: the axis that counts channels. Shapes broadcast as ONNX says: aligned at
 * the right.
 */
bool lower_per_channel(const struct nn_dims *dims, const struct nn_dims *out, uint32_t channel);
static inline uint32_t lower_channel_axis(const struct nn_dims *dims)
{
	return dims->n == 4 ? 1 : dims->n - 1;
}
/* The constant that input @t is, or that a DequantizeLinear makes it of; NN_NOWHERE */
uint32_t lower_constant(const struct lower *l, uint32_t t);
/* The 8-bit tensor behind input @t of @node, of which the card can have a value; @known: with its quantisation. */
bool lower_operand(struct lower *l, uint32_t node, uint32_t t, bool known, struct lower_view *v);
/* Take over the bounds of Relu and Clip nodes between @t and its producer; *t becomes what is behind them. */
void lower_bounds(struct lower *l, struct lower_layer *c, uint32_t *t, uint32_t *lo, uint32_t *hi);
void lower_fused(struct lower_layer *c, uint32_t node);

/* ---- lower_conv.c ---- */
/* Conv, Gemm, MatMul in float between DequantizeLinear and QuantizeLinear; @more: constant that an Add behind it adds, NN_NOWHERE. */
bool lower_conv(struct lower *l, struct lower_layer *c, uint32_t node, uint32_t more, uint32_t lo, uint32_t hi);
bool lower_qlinear(struct lower *l, struct lower_layer *c, uint32_t node);

/* ---- lower_fuse.c ---- */
int lower_fuse(struct lower *l);

/* ---- lower_order.c ---- */
int lower_order(struct lower *l);
/* A DequantizeLinear that is evaluated wherever it is needed, instead of once. */
bool lower_inlined(const struct lower *l, uint32_t node);

/* ---- lower_emit.c ---- */
int lower_emit(struct lower *l, struct lower_layer *c);
uint32_t lower_plain_value(struct lower *l, uint32_t t); /* NN_NONE_VALUE: no memory */
uint32_t lower_card_value(struct lower *l, uint32_t t);
struct nn_layer *lower_new_layer(struct lower *l, enum nn_layer_kind kind, const char *name);

/* ---- lower_graph.c ---- */
/* Nodes [0, nr) of @nodes, in order, as one piece. */
int lower_piece(struct lower *l, const uint32_t *nodes, uint32_t nr);
/* Outputs that are constants. */
int lower_constants(struct lower *l);

/* ---- weights.c ---- */
/* 64-aligned room in the program's weights, zero; UINT64_MAX: no memory. */
uint64_t lower_room(struct lower *l, uint64_t bytes);
/* Every sum and every bias fits int32? Text in @why. Sets w->times. */
bool lower_weights_fit(struct lower_weights *w, struct smartssd_error *why);
static inline float lower_weight_scale(const struct lower_weights *w, uint32_t filter)
{
	return w->scale[w->nr_scale > 1 ? filter : 0];
}
/* Channels and filters of a group on the card. */
uint32_t lower_weights_channels(const struct lower_weights *w);
uint32_t lower_weights_filters(const struct lower_weights *w);
int lower_weights_conv(struct lower *l, const struct lower_layer *c, struct nn_layer *layer);
int lower_weights_depthwise(struct lower *l, const struct lower_layer *c, struct nn_layer *layer);
int lower_weights_lut(struct lower *l, const struct lower_layer *c, struct nn_layer *layer, uint32_t channels);
/* An addition's constant operand, in card format; the layer's output has its shape. */
int lower_weights_constant(struct lower *l, const struct lower_layer *c, struct nn_layer *layer);

#endif
