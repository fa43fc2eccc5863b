/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the graph layer share: onnx*.c, graph.c, infer*.c, fold.c, eval.c, gemm.c, op_*.c. */
#ifndef SMARTSSD_RUNTIME_NN_GRAPH_IMPL_H
#define SMARTSSD_RUNTIME_NN_GRAPH_IMPL_H

#include "graph.h"

/* The table of operators, infer.c. */
struct nn_op_info {
	const char *name;
	uint8_t min_in, max_in, max_out; /* max_in 255: any number */
	uint8_t since;			 /* first opset whose meaning is the one implemented here */
	int (*infer)(struct nn_graph *graph, struct nn_node *node, struct smartssd_error *err);
};
extern const struct nn_op_info nn_op_table[NN_OPS];
enum nn_op nn_op_find(const char *name); /* NN_OP_NONE */

/* smartssd_fail() with control characters replaced: names come from untrusted files and go to terminals. */
int nn_fail(struct smartssd_error *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same with "Conv 'name': " before it. */
int nn_node_fail(struct smartssd_error *err, int code, const struct nn_node *node, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Memory aligned to 64 bytes, for free(); NULL on lack of memory. */
void *nn_alloc(uint64_t bytes);
/* Elements and bytes of a shape; -EFBIG beyond NN_MAX_BYTES, -EBADMSG for a negative dimension. Either result may be NULL. */
int nn_size(enum nn_type type, const struct nn_dims *dims, uint64_t *elements, uint64_t *bytes);

/* Sort, drop, infer; with @fold (bytes and work that it may spend) also evaluate what is constant. */
struct nn_fold {
	uint64_t bytes, work;
};
int nn_graph_settle(struct nn_graph *graph, struct nn_fold *fold, struct smartssd_error *err);
int nn_infer_node(struct nn_graph *graph, struct nn_node *node, struct smartssd_error *err);
/* fold.c: *done when the outputs are constants now and the node is to go. */
int nn_fold_node(struct nn_graph *graph, const struct nn_node *node, struct nn_fold *fold, bool *done, struct smartssd_error *err);
/* About how many elementary operations evaluating a node takes; saturates. */
uint64_t nn_node_work(const struct nn_graph *graph, const struct nn_node *node);

/* infer.c, for infer_conv.c: the tensor of an input (NULL: left out) or output. */
struct nn_tensor *nn_in(const struct nn_graph *graph, const struct nn_node *node, uint32_t i);
struct nn_tensor *nn_out(const struct nn_graph *graph, const struct nn_node *node, uint32_t i);
int nn_set_out(struct nn_graph *graph, const struct nn_node *node, uint32_t i, enum nn_type type, const struct nn_dims *dims,
	       struct smartssd_error *err);
int nn_want_type(const struct nn_graph *graph, const struct nn_node *node, uint32_t i, uint32_t types, struct smartssd_error *err);
#define NN_T(type) (1u << (type))
#define NN_T_BYTE  (NN_T(NN_U1) | NN_T(NN_I1))
#define NN_T_ANY   (NN_T_BYTE | NN_T(NN_I4) | NN_T(NN_I8) | NN_T(NN_F4) | NN_T(NN_BOOL))
/* A scale or zero point of one element, or of @n along an axis. */
int nn_want_param(const struct nn_graph *graph, const struct nn_node *node, uint32_t i, int64_t n, struct smartssd_error *err);
int nn_broadcast(const struct nn_dims *a, const struct nn_dims *b, struct nn_dims *out); /* -1: they do not fit */
/* Input @i, at most @room of int64, constant: shapes, axes. Messages call it @what. */
int nn_want_list(const struct nn_graph *graph, const struct nn_node *node, uint32_t i, uint32_t room, const char *what, const int64_t **list,
		 uint32_t *nr, struct smartssd_error *err);
/* -rank .. rank - 1 (@end_too: rank) becomes 0 .. */
int nn_set_axis(const struct nn_node *node, int64_t *axis, int64_t rank, bool end_too, struct smartssd_error *err);
/* attrs.axes from @input, or as they are there: sorted, non-negative, each once. */
int nn_set_axes(const struct nn_graph *graph, struct nn_node *node, uint32_t input, int64_t rank, struct smartssd_error *err);
bool nn_has_axis(const struct nn_attrs *attrs, int64_t axis);
const char *nn_dims_text(const struct nn_dims *dims, char text[160]);

int nn_infer_conv(struct nn_graph *graph, struct nn_node *node, struct smartssd_error *err);
int nn_infer_pool(struct nn_graph *graph, struct nn_node *node, struct smartssd_error *err);
int nn_infer_global_pool(struct nn_graph *graph, struct nn_node *node, struct smartssd_error *err);
int nn_infer_gemm(struct nn_graph *graph, struct nn_node *node, struct smartssd_error *err);
int nn_infer_matmul(struct nn_graph *graph, struct nn_node *node, struct smartssd_error *err);
int nn_infer_concat(struct nn_graph *graph, struct nn_node *node, struct smartssd_error *err); /* from here on infer_move.c */
int nn_infer_constant_of_shape(struct nn_graph *graph, struct nn_node *node, struct smartssd_error *err);
int nn_infer_flatten(struct nn_graph *graph, struct nn_node *node, struct smartssd_error *err);
int nn_infer_gather(struct nn_graph *graph, struct nn_node *node, struct smartssd_error *err);
int nn_infer_pad(struct nn_graph *graph, struct nn_node *node, struct smartssd_error *err);
int nn_infer_reshape(struct nn_graph *graph, struct nn_node *node, struct smartssd_error *err);
int nn_infer_shape(struct nn_graph *graph, struct nn_node *node, struct smartssd_error *err);
int nn_infer_slice(struct nn_graph *graph, struct nn_node *node, struct smartssd_error *err);
int nn_infer_squeeze(struct nn_graph *graph, struct nn_node *node, struct smartssd_error *err);
int nn_infer_transpose(struct nn_graph *graph, struct nn_node *node, struct smartssd_error *err);
int nn_infer_unsqueeze(struct nn_graph *graph, struct nn_node *node, struct smartssd_error *err);

/* One evaluation of one node. */
struct nn_call {
	const struct nn_graph *graph;
	const struct nn_node *node;
	const struct nn_attrs *a;
	const void *const *in;
	void *const *out;
	const struct nn_tensor *ti[NN_MAX_IN], *to[2]; /* the first ones; NULL: left out */
	uint64_t n;				       /* elements of output 0 */
	struct smartssd_error *err;
};
/* What a convolution or pooling looks at, as three spatial dimensions: the first ones are 1 where it has fewer. */
struct nn_window {
	int64_t in[3], out[3], k[3], stride[3], dilation[3], begin[3], end[3];
	int64_t plane, pixels; /* elements of an input's channel, of an output's */
};
void nn_set_window(struct nn_window *w, const struct nn_attrs *a, const struct nn_dims *x, const struct nn_dims *y); /* op_pool.c */
int nn_op_conv(const struct nn_call *c);      /* op_conv.c */
int nn_op_conv_int(const struct nn_call *c);  /* op_conv.c: ConvInteger, QLinearConv */
int nn_op_gemm(const struct nn_call *c);      /* op_matmul.c */
int nn_op_matmul(const struct nn_call *c);
int nn_op_matmul_int(const struct nn_call *c); /* MatMulInteger, QLinearMatMul */
int nn_op_max_pool(const struct nn_call *c);  /* op_pool.c */
int nn_op_average_pool(const struct nn_call *c);
int nn_op_global_pool(const struct nn_call *c);
int nn_op_arithmetic(const struct nn_call *c);   /* op_map.c */
int nn_op_batch_norm(const struct nn_call *c);
int nn_op_cast(const struct nn_call *c);
int nn_op_clip(const struct nn_call *c);
int nn_op_relu(const struct nn_call *c);
int nn_op_quantize(const struct nn_call *c);
int nn_op_dequantize(const struct nn_call *c);
int nn_op_concat(const struct nn_call *c);    /* op_move.c */
int nn_op_copy(const struct nn_call *c);
int nn_op_dropout(const struct nn_call *c);
int nn_op_constant_of_shape(const struct nn_call *c);
int nn_op_gather(const struct nn_call *c);
int nn_op_pad(const struct nn_call *c);
int nn_op_shape(const struct nn_call *c);
int nn_op_slice(const struct nn_call *c);
int nn_op_transpose(const struct nn_call *c);
int nn_op_reduce_mean(const struct nn_call *c); /* op_reduce.c */
int nn_op_softmax(const struct nn_call *c);

/*
 * gemm.c: c[m][n] += sum over k of a[m][k] * b[k][n], b handed over in panels. pack() fills panel[col / NN_PANEL][k - k0][col % NN_PANEL]
 * for rows k0 .. k0 + kc - 1 and columns n0 .. n0 + nc - 1 of b; columns beyond, up to a multiple of NN_PANEL, may stay as they are.
 * Integers: partial sums of at most NN_KC products in 32 bits, which 9-bit operands cannot overflow, then in 64.
 * Return 0 or -ENOMEM.
 */
#define NN_PANEL 16
#define NN_KC	 384
#define NN_NC	 128
typedef void (*nn_pack_f4)(const void *ctx, float *panel, int64_t k0, int64_t kc, int64_t n0, int64_t nc);
typedef void (*nn_pack_i4)(const void *ctx, int32_t *panel, int64_t k0, int64_t kc, int64_t n0, int64_t nc);
int nn_gemm_f4(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, nn_pack_f4 pack, const void *ctx, float *c, int64_t ldc);
/*
 * The same for a b that many products share: packed once, into nn_packed_elements(n, k) floats at a multiple of 64 bytes. Either way an element of c is the same, whatever m is, and on each
 * machine: sums of NN_KC products (no fused multiply-add), each in the order of k, added to c in that order.
 */
uint64_t nn_packed_elements(int64_t n, int64_t k);
void nn_pack_f4_all(int64_t n, int64_t k, nn_pack_f4 pack, const void *ctx, float *packed);
void nn_gemm_f4_packed(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *packed, float *c, int64_t ldc);
/* store() receives finished sums: columns n0 .. n0 + nc - 1 of row m. */
typedef void (*nn_store_i8)(const void *ctx, int64_t m, int64_t n0, int64_t nc, const int64_t *sum);
int nn_gemm_i4(int64_t m, int64_t n, int64_t k, const int32_t *a, int64_t lda, nn_pack_i4 pack, const void *ctx, nn_store_i8 store,
	       const void *store_ctx);

static inline int32_t nn_byte(const void *data, int64_t at, enum nn_type type)
{
	return type == NN_I1 ? ((const int8_t *)data)[at] : ((const uint8_t *)data)[at];
}

static inline void nn_range(enum nn_type type, int32_t *lo, int32_t *hi)
{
	*lo = type == NN_I1 ? -128 : 0;
	*hi = type == NN_I1 ? 127 : 255;
}

#endif
