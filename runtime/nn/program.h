/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A network as cards run it: values, layers in order, weights. Made from a graph by nn_compile() (lower_*.c: what becomes a layer; weights.c: their
 * bytes; plan.c, tile.c, cost.c: tiles and places), kept in a .ssp file (ssp.c), run by exec.c, recomputed layer by layer by verify.c.
 *
 *   graph --nn_lower()--> layers without tiles --nn_plan()--> places and tiles --nn_ssp_save()--> file --nn_ssp_load()--> --nn_session--> results
 *
 * A value is a tensor that lives in card format (kernels/nn.h: unsigned bytes, [image][row][column][channel]) or, plain, as ONNX has it on the host.
 * A layer on the card is one run of one kernel of the overlay. The same layer may be placed on the host: there the same functions
 * (the kernels' fast versions, linked into the library) work on the same format in host memory, so results are the same bytes.
 * What no kernel can do stays ONNX: a layer of kind NN_LAYER_GRAPH is a piece of the original graph, evaluated on the host by nn_eval().
 *
 * Where the integer arithmetic of a QDQ graph comes from: DequantizeLinear -> op -> QuantizeLinear is what the quantised operator
 * computes: Conv/Gemm/MatMul as QLinearConv (int32 sum, one float multiplier per filter), Add as nn_add, pools as nn_pool. Relu and Clip in front of the QuantizeLinear,
 * or the range of the output type, become clip bounds.
 */
#ifndef SMARTSSD_RUNTIME_NN_PROGRAM_H
#define SMARTSSD_RUNTIME_NN_PROGRAM_H

#include "../../kernels/nn.h"
#include "graph.h"

#define NN_NONE_VALUE UINT32_MAX

struct nn_value {
	char *name;		  /* the ONNX tensor whose value it is */
	bool plain;		  /* ONNX layout, type and shape; lives on the host. Else card format: */
	enum nn_type type;	  /* plain: of the elements; card: NN_U1 or NN_I1, the tensor's type in the model (NN_I1 is held + 128) */
	struct nn_dims dims;	  /* the tensor's shape in the model; dims.d[0] is the batch */
	uint32_t images;	  /* dims.d[0] of the model, usually 1; 1 also for tensors without batch */
	/*
	 * card: rows, columns, channels that mean something. [N, C, H, W] as it says; a matrix [N, C] is h = w = 1; [N, T, C] is h = 1, w = T, c = C. Only the
	 * output of an unfolding NN_LAYER_PACK has others than its dims say (c = kernel * channels, w = columns of the convolution), and has no plain form.
	 */
	uint32_t h, w, c;
	uint32_t channels;	  /* card: c rounded up to NN_LANES; what lies between is defined (repeatable), but means nothing */
	float scale;
	uint32_t zero;		  /* card: zero point of the unsigned byte */
	/* Concatenation without copying: this value is channels [at, at + channels) of value `whole` (same h, w, pitch), NN_NONE_VALUE: of itself. */
	uint32_t whole, at;
};

static inline uint32_t nn_value_pitch(const struct nn_value *values, const struct nn_value *v)
{
	return v->whole == NN_NONE_VALUE ? v->channels : values[v->whole].channels;
}

struct nn_program;
/*
 * What "images" means wherever it is a parameter below: images of the model's first input, a multiple of nn_program_batch() (the batch that the model was exported
 * with, usually 1). All shapes in the model are those of one batch; a value holds images / batch times that.
 */
uint32_t nn_program_batch(const struct nn_program *program);
/* Card-format images that value @v holds then (the kernels' "images"). */
uint32_t nn_value_images(const struct nn_program *program, const struct nn_value *v, uint32_t images);
/* Bytes of one card-format image: h * w * pitch; of a plain value: of one batch of the model. */
uint64_t nn_value_stride(const struct nn_program *program, const struct nn_value *v);
/* Bytes that the value takes for @images images (a part: up to the end of its whole's last image, from the part's own place). */
uint64_t nn_value_bytes(const struct nn_program *program, const struct nn_value *v, uint32_t images);

enum nn_layer_kind { NN_LAYER_PACK, NN_LAYER_CONV, NN_LAYER_DEPTHWISE, NN_LAYER_POOL, NN_LAYER_ADD, NN_LAYER_GRAPH, NN_LAYER_KINDS };
enum nn_place { NN_ON_CARD, NN_ON_HOST };

/* Axis pairs are [0] rows (height, top), [1] columns (width, left). */
struct nn_conv_layer {
	uint32_t groups, channels, filters; /* of a group; channels % NN_LANES == 0, filters % NN_BLOCK == 0 */
	uint32_t kernel[2], stride[2], dilation[2], pad[2];
	uint32_t out[2];		    /* rows and columns of the convolution (before the pool) */
	uint32_t x_zero, zero, lo, hi;	    /* requantisation of the convolution */
	bool residual;			    /* in[1] is added */
	float v_mult, r_mult;
	uint32_t r_zero, sum_zero, sum_lo, sum_hi;
	uint32_t pool[2], pool_stride[2], pool_pad[2], pool_out[2]; /* pool[0] == 0: none */
	uint64_t macs;			    /* real ones, without padding channels, per image */
	/* The planner's choice */
	uint32_t tile_rows, tile_filters, tile_channels;
	bool w_stationary;
};

struct nn_depthwise_layer {
	uint32_t kernel[2], stride[2], dilation[2], pad[2], out[2];
	uint32_t x_zero, zero, lo, hi;
	uint64_t macs;
	uint32_t tile_rows, tile_channels;
};

struct nn_pool_layer {
	bool average, count_pad;
	uint32_t kernel[2], stride[2], dilation[2], pad[2], pad_end[2], out[2];
	uint32_t x_zero, zero, lo, hi;
	float mult;
	uint32_t tile_channels;
};

/*
 * in[1] == NN_NONE_VALUE: requantisation of in[0]; or, with w_bytes, the sum with a constant in the weights: one pixel of in[0]'s channels, or an image of
 * h * w of them without gaps.
 */
struct nn_add_layer {
	uint32_t a_zero, b_zero, zero, lo, hi;
	float a_mult, b_mult;
};

struct nn_pack_layer { /* from a model input (a plain value) to card format */
	bool is_float;		   /* NN_F4 input: quantised with scale and zero, or, in a copy of the layer with is_float false, bytes through the table if it has one (lut_bytes) */
	float scale;
	uint32_t zero, outside;
	uint32_t kernel, stride, pad; /* unfolding along the columns for the first convolution; 1, 1, 0: none */
	/* bytes: weights hold channels * 256 bytes of table at lut_at */
};

struct nn_graph_layer {
	uint32_t graph;		   /* number of the piece in nn_program.graphs */
	uint32_t *in, nr_in, *out, nr_out; /* values, in the order of the piece's inputs and outputs; card format ones are converted */
};

struct nn_layer {
	enum nn_layer_kind kind;
	char *name;	   /* the ONNX node that does the main work */
	char *fused;	   /* names of further nodes that are part of it, separated by ", "; "" */
	char *why_host;	   /* NN_LAYER_GRAPH: what the card lacks, one sentence */
	uint32_t in[2], out; /* values; unused: NN_NONE_VALUE. NN_LAYER_GRAPH: see there */
	union {
		struct nn_conv_layer conv;
		struct nn_depthwise_layer depthwise;
		struct nn_pool_layer pool;
		struct nn_add_layer add;
		struct nn_pack_layer pack;
		struct nn_graph_layer graph;
	};
	/* In the weights: */
	uint64_t w_at, w_bytes, coef_at, coef_bytes, lut_at, lut_bytes; /* multiples of 64; bytes 0: none */
	/* The planner's: */
	enum nn_place place;
	uint32_t card;	   /* of several, when layers are spread over cards */
	char *why;	   /* one sentence */
};

enum nn_shell { NN_SHELL_FLAT, NN_SHELL_DFX };

struct nn_program {
	char *name;		   /* of the model */
	enum nn_shell shell;
	uint32_t cards;		   /* that it was planned for */
	uint32_t spread;	   /* 0: images over cards; 1: layers over cards */
	char *decision;		   /* the planner's sentence on the whole */
	struct nn_value *values;
	uint32_t nr_values;
	struct nn_layer *layers;   /* in order of execution */
	uint32_t nr_layers;
	struct nn_graph **graphs;  /* pieces that the host evaluates */
	uint32_t nr_graphs;
	uint32_t *inputs, nr_inputs, *outputs, nr_outputs; /* values, all plain or card format as their producer leaves them */
	/*
	 * How a file of bytes becomes the model's float input: value = (byte * input_scale - mean[c]) / std[c]; from the model's metadata "smartssd.input"
	 * (written by `smartssd quantize`: "scale=S mean=M0,M1,.. std=D0,D1,..", see quantize.h; one mean stands for all channels), else scale 1, mean 0,
	 * std 1. nr_mean: channels of the input (at most 4); 0 when the input is of an integer type or has more channels: then there are no bytes for it.
	 */
	float input_scale, mean[4], std[4];
	uint32_t nr_mean;
	/* Weights, coefficients and tables of all layers, in the order in which layers use them; in memory after compiling, in the file after loading. */
	uint8_t *weights;
	uint64_t weights_bytes;
	uint64_t weights_offset;   /* in the .ssp file, a multiple of 4096 */
};

void nn_program_free(struct nn_program *program);

/* ---- lower.c ---- */

/*
 * Turn a graph into layers, all of them with place NN_ON_CARD where a kernel can do it; tiles are not chosen yet. Never fails for what only
 * the host can do (that becomes NN_LAYER_GRAPH with why_host); fails for what would overflow (-EFBIG), or lack of memory.
 */
int nn_lower(const struct nn_graph *graph, enum nn_shell shell, struct nn_program **out, struct smartssd_error *err);

/* ---- plan.c ---- */

/* What the planner knows of the world. nn_machine_default() has HARDWARE's figures; derived ones say so. */
struct nn_machine {
	double flash_bytes_s;	/* peer to peer SSD -> card */
	double ddr_bytes_s;
	double host_to_card_bytes_s, card_to_host_bytes_s;
	double clock_hz;
	double run_seconds;	/* launch of a kernel (150,790 empty kernels/s) */
	double submit_seconds;	/* host time for one submit and wait */
	double host_macs_s;	/* of the host's cores together, int8; 0: do not consider the host for what the card can do */
	double host_bytes_s;	/* memory-bound layers on the host */
	double host_read_bytes_s; /* SSD -> host, one drive */
	double host_link_bytes_s; /* what all drives and cards together can move to and from the host */
	uint64_t card_bytes;	/* of DDR */
	uint32_t batch;		/* images of a job, as run --batch; rounded up to what the model takes at once; 0: that */
};
void nn_machine_default(struct nn_machine *machine);

/* Modelled cost of one image through a layer; in a job of several images, its share. */
struct nn_cost {
	double seconds;		/* on its place */
	uint64_t cycles;	/* of the kernel, from its cycle model; 0 on the host */
	uint64_t ddr_bytes;	/* loaded and stored by the kernel */
	uint64_t on_chip;	/* bytes of tile buffers used */
	const char *bound;	/* "compute", "memory", "launch", "host" */
};
int nn_layer_cost(const struct nn_program *program, const struct nn_layer *layer, enum nn_place place, const struct nn_machine *machine, struct nn_cost *out);

/*
 * Choose tiles for all layers, and places: per layer card or host, by dynamic programming over the layers with the cost of moving what is live
 * across each change; for several cards images over cards, or ranges of layers over cards, whichever has the higher modelled throughput.
 * Sets tile_*, place, card, why, spread, decision. -E2BIG (with text) when weights and activations exceed the card's memory and the host is not allowed.
 */
int nn_plan(struct nn_program *program, uint32_t cards, const struct nn_machine *machine, struct smartssd_error *err);

/* ---- memory.c ---- */

/*
 * Where the card-format values lie in an arena for @images images at once; values that are not alive at the same time share memory (@keep:
 * they do not, so that all can be looked at afterwards). offset[v] of plain values and of parts (whole != NN_NONE_VALUE) included: parts point into their whole.
 * Offsets are multiples of 4096. 0, -ENOMEM, -EFBIG.
 */
struct nn_memory {
	uint64_t *offset;
	uint64_t bytes;
	uint64_t card_bytes; /* of it: card-format values lie before, plain ones behind, so that a card needs no memory for those */
};
int nn_memory_plan(const struct nn_program *program, uint32_t images, bool keep, struct nn_memory *out);

/* ---- ssp.c ---- */

/*
 * Save whole or not at all (temporary name, fsync, rename). Format: a header of 4096 bytes (magic "SMARTSSP", version, sizes, SHA-256 of the
 * description), the description as protobuf (ssp.proto), padding, weights from weights_offset on (a multiple of 4096), their SHA-256 in the description.
 */
int nn_ssp_save(const struct nn_program *program, const char *path, struct smartssd_error *err);
/*
 * Load and check a program; everything in it is verified: indices, shapes against each other, layers against the kernels' own checks, sums against file
 * size. The weights stay in the file (weights == NULL) unless @weights. *fd (may be NULL): the open file.
 */
int nn_ssp_load(const char *path, bool weights, struct nn_program **out, int *fd, struct smartssd_error *err);
/* The checks alone: whatever passes can be run without wild accesses. */
int nn_program_check(const struct nn_program *program, struct smartssd_error *err);

/* ---- layer.c: one layer with the arguments its kernel takes ---- */

/*
 * Scalars of a layer's kernel by name of the parameter, in the prototype's order, for @images images, rows [first_row, first_row + rows) of the output.
 * -EINVAL: NN_LAYER_GRAPH, or rows that the layer does not have.
 */
#define NN_MAX_SCALARS 48
struct nn_arguments {
	const char *kernel;	       /* "nn_conv", ... */
	uint32_t nr_pointers;	       /* of the prototype, status last: x, w, coef, r, y, status */
	const char *pointer[6];
	struct nn_pointer {
		enum nn_memory_kind { NN_IN_VALUES, NN_IN_WEIGHTS, NN_IN_STATUS, NN_IN_FILE } in;
		uint64_t offset, bytes; /* in the arena, the weights; NN_IN_FILE: plain input, the caller's business */
	} where[6];
	uint32_t nr_scalars;
	const char *scalar[NN_MAX_SCALARS];
	uint32_t value[NN_MAX_SCALARS];
};
int nn_layer_arguments(const struct nn_program *program, const struct nn_layer *layer, const struct nn_memory *memory, uint32_t images,
		       uint32_t first_row, uint32_t rows, struct nn_arguments *out);
/* Output rows of a layer: what first_row and rows count. */
uint32_t nn_layer_rows(const struct nn_program *program, const struct nn_layer *layer);
/* Do it here: the fast version (reference: the reference) on host memory. @file: start of the plain input for NN_LAYER_PACK. */
int nn_layer_run_host(const struct nn_program *program, const struct nn_layer *layer, const struct nn_memory *memory, uint32_t images, uint8_t *arena,
		      const uint8_t *weights, const void *file, bool reference, struct smartssd_error *err);

/* Plain tensor (ONNX layout, of v->type) <-> card format, of all images; @from and @to point to the value's start (for card format: its place in the arena). */
void nn_value_from_plain(const struct nn_program *program, const struct nn_value *v, uint32_t images, const void *from, uint8_t *to);
void nn_value_to_plain(const struct nn_program *program, const struct nn_value *v, uint32_t images, const uint8_t *from, void *to);

#endif
