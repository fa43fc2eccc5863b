/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A network as ONNX describes it, in memory: read from and written to .onnx files, checked, with the shape and type of every tensor known, and
 * evaluated on the host by plain loops that follow the ONNX specification. Everything else in runtime/nn starts from this: quantisation
 * (calibrates with the evaluation), compilation (turns parts of the graph into card layers; what remains a part of the program that the
 * host evaluates), verification.
 *
 * Files: onnx_scan.c, onnx_tensor.c, onnx_attrs.c, onnx.c (protobuf -> graph), onnx_write.c (graph -> protobuf), graph.c (building,
 * sorting), infer*.c (shapes and types), fold.c (constants), eval.c, op_*.c and gemm.c (evaluation).
 */
#ifndef SMARTSSD_RUNTIME_NN_GRAPH_H
#define SMARTSSD_RUNTIME_NN_GRAPH_H

#include "../private.h"

#define NN_MAX_DIMS SMARTSSD_MAX_DIMS
/* Limits on what a model may ask for; beyond them reading fails with -EFBIG and says which. */
#define NN_MAX_NODES  65536u
#define NN_MAX_BYTES  (8ull << 30) /* of one tensor */

/* Element types. NN_F8: while a model is read only, where constants of it are cast to another type; no loaded graph has it. */
enum nn_type { NN_NONE, NN_U1, NN_I1, NN_I4, NN_I8, NN_F4, NN_BOOL, NN_F8 };
uint32_t nn_type_bytes(enum nn_type type);
const char *nn_type_name(enum nn_type type); /* ONNX's: "uint8", "int8", "int32", "int64", "float", "bool", "double" */

/* The operators that are known; nn_op_name() and the table in infer.c have their ONNX names. */
enum nn_op {
	NN_OP_NONE,
	NN_ADD, NN_AVERAGE_POOL, NN_BATCH_NORM, NN_CAST, NN_CLIP, NN_CONCAT, NN_CONSTANT, NN_CONSTANT_OF_SHAPE, NN_CONV, NN_CONV_INTEGER,
	NN_DEQUANTIZE, NN_DIV, NN_DROPOUT, NN_FLATTEN, NN_GATHER, NN_GEMM, NN_GLOBAL_AVERAGE_POOL, NN_GLOBAL_MAX_POOL, NN_IDENTITY, NN_LOG_SOFTMAX,
	NN_MATMUL, NN_MATMUL_INTEGER, NN_MAX_POOL, NN_MUL, NN_PAD, NN_QLINEAR_CONV, NN_QLINEAR_MATMUL, NN_QUANTIZE, NN_REDUCE_MEAN, NN_RELU, NN_RESHAPE,
	NN_SHAPE, NN_SLICE, NN_SOFTMAX, NN_SQUEEZE, NN_SUB, NN_TRANSPOSE, NN_UNSQUEEZE, NN_OPS
};
const char *nn_op_name(enum nn_op op);

struct nn_dims {
	uint32_t n;
	int64_t d[NN_MAX_DIMS];
};
int64_t nn_count(const struct nn_dims *dims); /* elements; 1 for a scalar */
bool nn_dims_equal(const struct nn_dims *a, const struct nn_dims *b);

/* A tensor: model input, initializer, or output of a node. */
struct nn_tensor {
	char *name;
	enum nn_type type;
	struct nn_dims dims;	/* all known after nn_graph_load() */
	void *data;		/* constant: elements, C order, aligned to 64 bytes; else NULL */
	bool owns;		/* data is freed with the tensor */
	uint32_t producer;	/* node, NN_NOWHERE: input or initializer */
	bool is_input, is_output;
};
#define NN_NOWHERE UINT32_MAX

enum nn_auto_pad { NN_PAD_GIVEN, NN_PAD_SAME_UPPER, NN_PAD_SAME_LOWER, NN_PAD_VALID };

/*
 * Attributes, already checked and with ONNX's defaults filled in; which are used depends on op. Whoever builds a node gives what ONNX
 * gives; nn_graph_finish() fills in the rest. For a convolution or pooling from scratch: either kernel, strides, dilations, pads and
 * spatial 0 (2-d), or spatial and wide; a zero in kernel, strides, dilations or group means the default. Alpha, beta, epsilon have no
 * default there. Inputs of a node are always those of opset 13 (older attributes are turned into constant inputs by the reader:
 * Clip's min and max, Squeeze's and Unsqueeze's axes, Pad's pads and value, Slice's starts, ends and axes); lo, hi, axes, padding repeat
 * what these inputs say.
 */
struct nn_attrs {
	int64_t kernel[2], strides[2], dilations[2], pads[4]; /* top, left, bottom, right, auto_pad resolved; 1-d and 3-d operators are not card material, see eval */
	uint32_t spatial;	     /* dimensions of a convolution or pooling: 1, 2 or 3; kernel.. above hold the first two, wide[] all */
	int64_t wide[4][6];	     /* kernel, strides, dilations, pads (begins then ends) of `spatial` dimensions */
	int64_t group;
	int64_t axis;		     /* made non-negative */
	int64_t perm[NN_MAX_DIMS];
	int64_t axes[NN_MAX_DIMS];   /* sorted, non-negative; Squeeze: of the input, Unsqueeze: of the output */
	uint32_t nr_axes;	     /* Transpose: entries of perm */
	int64_t padding[2 * NN_MAX_DIMS]; /* of all dimensions: Pad: begins, then ends; Slice: starts, then steps */
	int64_t start, end;	     /* Shape; end only with has_end */
	bool count_include_pad, ceil_mode, trans_a, trans_b, keepdims, has_lo, has_hi, has_end;
	bool no_axes;		     /* ReduceMean, Squeeze: nr_axes 0 means none, not all */
	bool allow_zero;	     /* Reshape */
	bool flatten;		     /* Softmax, LogSoftmax over all dimensions from axis on, as before opset 13 */
	enum nn_auto_pad auto_pad;   /* NN_PAD_GIVEN once shapes are known */
	float alpha, beta, epsilon, lo, hi; /* lo, hi: Clip (attributes or constant inputs); Relu is its own op */
	enum nn_type to;	     /* Cast, ConstantOfShape */
	uint8_t element[8];	     /* ConstantOfShape: one of type `to` */
};

#define NN_MAX_IN 16 /* more only for Concat: inputs are allocated */
struct nn_node {
	enum nn_op op;
	char *name;		/* as in the model; "" becomes "OP_TYPE_<index>" */
	char *op_type;		/* as in the model */
	uint32_t *in;		/* tensors; NN_NOWHERE: optional input left out */
	uint32_t nr_in;
	uint32_t *out;		/* NN_NOWHERE: optional output left out */
	uint32_t nr_out;
	struct nn_attrs attrs;
};

struct nn_graph {
	char *name;
	int64_t opset;
	struct nn_tensor *tensors;
	uint32_t nr_tensors, room_tensors;
	struct nn_node *nodes; /* in an order in which each comes after its producers */
	uint32_t nr_nodes, room_nodes;
	uint32_t *inputs, nr_inputs;   /* without initializers */
	uint32_t *outputs, nr_outputs;
	struct nn_meta { /* metadata_props */
		char *key, *value;
	} *meta;
	uint32_t nr_meta;
};

/*
 * Read a model. A symbolic or unknown (or -1) first dimension of an input becomes @batch (0: 1); any other unknown dimension is an error.
 * Constants are folded: a node whose inputs are all constant is evaluated and its output becomes a constant tensor (so that Shape, Constant,
 * Reshape of weights and the like are gone, and shapes that exporters leave to be computed), except DequantizeLinear of a weight, which the
 * compiler wants to see.
 * Errors, all with a text that names file, node ("Conv 'layer1.0.conv1'") or tensor and says what would be needed:
 * -EBADMSG not a model, truncated or inconsistent; -EOPNOTSUPP operator, attribute, type or opset (10 to 17 are supported; others up to
 * 21 are taken where the operators used did not change) that is not supported; -EFBIG; -ENOMEM; what open and read say. A failure
 * leaves *out NULL. A small model needs little memory and time to load, whatever it says: folding stops at a limit that
 * grows with the file, and what would need more stays a node.
 */
int nn_graph_load(const char *path, uint32_t batch, struct nn_graph **out, struct smartssd_error *err);
int nn_graph_parse(const void *data, size_t bytes, uint32_t batch, struct nn_graph **out, struct smartssd_error *err);
/* The same with inputs named in @fixed made constants (name, type, dims, data are used; copied): what depends on them is folded. */
int nn_graph_parse_fixed(const void *data, size_t bytes, uint32_t batch, const struct nn_tensor *fixed, uint32_t nr_fixed,
			 struct nn_graph **out, struct smartssd_error *err);
/* A TensorProto (the .pb files of ONNX's tests): name, type, dims and data, which are the caller's: free(name), free(data). */
int nn_tensor_parse(const void *data, size_t bytes, struct nn_tensor *out, struct smartssd_error *err);
void nn_graph_free(struct nn_graph *graph);

/* Write a graph as .onnx (opset 13, or 14 or 15 where a node needs it; IR version 8), whole or not at all. Constants become initializers. */
int nn_graph_save(const struct nn_graph *graph, const char *path, struct smartssd_error *err);
/* The same into memory: *data is the caller's (free()). */
int nn_graph_serialize(const struct nn_graph *graph, void **data, size_t *bytes, struct smartssd_error *err);

/*
 * Building and changing graphs. Indices stay valid until nn_graph_finish(), which drops and renumbers; arrays may move. NN_NOWHERE on
 * lack of memory or a senseless argument.
 */
struct nn_graph *nn_graph_new(const char *name);
uint32_t nn_graph_add_tensor(struct nn_graph *graph, const char *name, enum nn_type type, const struct nn_dims *dims);
/* A constant; @data is copied. */
uint32_t nn_graph_add_constant(struct nn_graph *graph, const char *name, enum nn_type type, const struct nn_dims *dims, const void *data);
/* Appended at the end; name and op_type are copied, arrays too. Sets the outputs' producer. */
uint32_t nn_graph_add_node(struct nn_graph *graph, enum nn_op op, const char *name, const uint32_t *in, uint32_t nr_in, const uint32_t *out,
			   uint32_t nr_out, const struct nn_attrs *attrs);
/* The tensor becomes one more input or output of the graph; 0, -ENOMEM or -EINVAL. */
int nn_graph_add_input(struct nn_graph *graph, uint32_t tensor);
int nn_graph_add_output(struct nn_graph *graph, uint32_t tensor);
/* Sort nodes anew, drop nodes and tensors that no output needs, infer types and shapes; the same errors as loading. */
int nn_graph_finish(struct nn_graph *graph, struct smartssd_error *err);
const char *nn_graph_meta(const struct nn_graph *graph, const char *key); /* NULL */
int nn_graph_set_meta(struct nn_graph *graph, const char *key, const char *value);
uint32_t nn_graph_find(const struct nn_graph *graph, const char *tensor); /* NN_NOWHERE */
/* Nodes that read @tensor, up to @room into @nodes; returns how many there are. */
uint32_t nn_graph_users(const struct nn_graph *graph, uint32_t tensor, uint32_t *nodes, uint32_t room);

/*
 * Values of all tensors of a graph during one evaluation: values[t] points to tensor t's elements, NULL when it has none yet. Constants and
 * inputs are set by nn_values_new() and the caller; the others are allocated by nn_eval() and freed when nobody needs them any more
 * (@keep: or at the end only, so that the caller can look at them).
 */
struct nn_values {
	const struct nn_graph *graph;
	void **value;
	bool *owned;
	bool keep;
};
int nn_values_init(struct nn_values *v, const struct nn_graph *graph, bool keep);
void nn_values_free(struct nn_values *v);

/*
 * Evaluate all nodes. Integer operators exactly (their arithmetic is that of kernels/reference/mac.h: saturation, rounding to nearest even),
 * float operators in single precision: convolutions and matrix products accumulate in single, in the order of a blocked, vectorisable loop
 * (fast enough to calibrate ResNet-50: about a second an image), within the tolerances of the ONNX node tests.
 * @watch (may be NULL) is called with each tensor that got a value: the graph's inputs first, then nodes' outputs (not constants);
 * non-zero stops with -ECANCELED.
 */
int nn_eval(struct nn_values *v, int (*watch)(void *ctx, uint32_t tensor, const void *value), void *ctx, struct smartssd_error *err);
/* One node, its inputs have values; outputs' memory is given. */
int nn_eval_node(const struct nn_graph *graph, const struct nn_node *node, const void *const *in, void *const *out, struct smartssd_error *err);

#endif
