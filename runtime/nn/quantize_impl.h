/* SPDX-License-Identifier: BSD-2-Clause */
/* What the quantize*.c files share. */
#ifndef SMARTSSD_RUNTIME_NN_QUANTIZE_IMPL_H
#define SMARTSSD_RUNTIME_NN_QUANTIZE_IMPL_H

#include "graph_impl.h"
#include "quantize.h"

/* ---- quantize_copy.c ---- */

/* Tensor @t of @from, constants with their data, into @to; map[t] is where it is there, NN_NOWHERE before. NN_NOWHERE: no memory. */
uint32_t nn_copy_tensor(struct nn_graph *to, const struct nn_graph *from, uint32_t *map, uint32_t t);
/* A node as it is, with its tensors; 0 or -ENOMEM. */
int nn_copy_node(struct nn_graph *to, const struct nn_graph *from, uint32_t *map, const struct nn_node *node);

/* Names for new tensors: those of @graph with a suffix, and behind it a tag that makes all of them new (mostly empty). */
struct nn_namer {
	char tag[16];
	char *text; /* free() in the end */
};
/* @suffixes, ended by NULL: all that will be asked for; none the end of another. */
void nn_namer_init(struct nn_namer *namer, const struct nn_graph *graph, const char *const *suffixes);
/* Valid until the next call, so @base is not the result of one; NULL on lack of memory. */
const char *nn_namer_make(struct nn_namer *namer, const char *base, const char *suffix);

/* ---- quantize_fold.c ---- */

/* A new fp32 graph that computes the same with fewer nodes. *folded: batch normalisations that went into the convolution before them. */
int nn_quantize_fold(const struct nn_graph *graph, struct nn_graph **out, uint32_t *folded, struct smartssd_error *err);

/* ---- quantize_plan.c ---- */

/* The node alone that reads @tensor; NN_NOWHERE when there are more, none, or it is an output of the model. */
uint32_t nn_sole_user(const struct nn_graph *graph, uint32_t tensor);

struct nn_range {
	double lo, hi; /* of the values kept, 0 included; lo > hi: none seen */
	double limit;  /* of the histogram: bins over [0, limit), a power of two */
	uint64_t *bins, count; /* of values other than 0 */
};

struct nn_qplan {
	const struct nn_graph *graph;
	/* per node */
	enum nn_qkind { NN_Q_FLOAT, NN_Q_QUANTISED, NN_Q_TAIL } *kind; /* TAIL: Relu or Clip between its producer's result and that one's QuantizeLinear */
	uint32_t *tail; /* of a quantised node, NN_NOWHERE: none */
	/* per tensor */
	bool *bytes;	 /* has a scale */
	uint32_t *group; /* first tensor of those that share scale and zero point */
	struct nn_range *range;
	float *scale;
	uint8_t *zero;
};

int nn_qplan_init(struct nn_qplan *plan, const struct nn_graph *graph, struct smartssd_error *err);
void nn_qplan_free(struct nn_qplan *plan);
/* Is input @i an activation, or a constant in its place: what is bytes on the card? Others are weights, bias, bounds. */
bool nn_is_operand(const struct nn_node *node, uint32_t i);
/* Ranges -> scale and zero point. */
int nn_qplan_scales(struct nn_qplan *plan, double percentile, struct smartssd_error *err);
/* Axis of the output channels of a quantised node's weights; whether the node has weights. */
bool nn_has_weights(const struct nn_node *node);
uint32_t nn_weight_axis(const struct nn_node *node);

/* ---- quantize_range.c ---- */

int nn_calibrate(struct nn_qplan *plan, const struct nn_quantize *how, uint32_t *inputs, struct smartssd_error *err);
/* The absolute value below which @percentile of what was seen (zeros aside) lies, rounded up to a bin; infinite without a histogram. */
double nn_range_cut(const struct nn_range *range, double percentile);
/* Take in @n values; -ERANGE when one is not finite (*at: which), -ENOMEM. */
int nn_range_add(struct nn_range *range, const float *values, uint64_t n, bool histogram, uint64_t *at);

/* ---- quantize_weights.c ---- */

struct nn_qweights {
	int8_t *w;
	int32_t *bias; /* NULL: none */
	float *w_scale, *bias_scale;
	uint32_t channels;
};
int nn_quantize_weights(const struct nn_graph *graph, const struct nn_node *node, float x_scale, struct nn_qweights *out, struct smartssd_error *err);
void nn_qweights_free(struct nn_qweights *weights);

/* ---- quantize_emit.c ---- */

int nn_qplan_emit(const struct nn_qplan *plan, struct nn_graph **out, struct smartssd_error *err);

#endif
