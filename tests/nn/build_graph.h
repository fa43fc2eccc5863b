/* SPDX-License-Identifier: BSD-2-Clause */
/* Small quantised graphs for tests, made with the nn_graph_add_ functions; random numbers from tests/kernels/random.h. */
#ifndef TESTS_NN_BUILD_GRAPH_H
#define TESTS_NN_BUILD_GRAPH_H

#include "../../runtime/nn/graph.h"

struct build {
	struct nn_graph *g;
	bool qdq; /* DequantizeLinear -> op -> QuantizeLinear; else QLinearConv, QLinearMatMul and operators on bytes */
	uint32_t serial;
};

/* An 8-bit tensor and what it stands for. */
struct byte_tensor {
	uint32_t t;
	struct nn_dims dims;
	enum nn_type type;
	float scale;
	int32_t zero; /* of the type */
};

enum build_input { BUILD_FLOAT, BUILD_BYTE };
enum build_bound { BUILD_NO_BOUND, BUILD_RELU, BUILD_CLIP6 };

struct build_conv {
	uint32_t filters, group; /* 0: 1 */
	uint32_t kernel[2], stride[2], dilation[2], pad[4];
	enum nn_type w_type;	 /* NN_U1: with a zero point */
	bool wide;		 /* any bytes with any zero points: their differences need 9 bits */
	bool per_filter, bias, float_bias;
	struct nn_dims plus;	 /* QDQ: a constant of this shape is added; n 0: none */
	bool plus_bytes;	 /* as bytes behind a DequantizeLinear */
	enum build_bound bound;	 /* QDQ only */
};

void build_begin(struct build *b, bool qdq);
/* The graph, finished, with @outputs (8-bit ones); exits the test with a message when nn_graph_finish() does not like it. */
struct nn_graph *build_end(struct build *b, const struct byte_tensor *outputs, uint32_t nr);

struct byte_tensor build_input(struct build *b, enum build_input kind, enum nn_type type, const struct nn_dims *dims);
struct byte_tensor build_conv(struct build *b, struct byte_tensor x, const struct build_conv *how);
/* x [N, K] or [N, T, K]. @gemm: Gemm with transB (QDQ), else MatMul. */
struct byte_tensor build_product(struct build *b, struct byte_tensor x, uint32_t out, bool gemm, bool bias);
/* QDQ: the same with a constant of shape @plus (not larger than the result) behind a DequantizeLinear (@bytes), or in float: Gemm's C if @gemm, else added. */
struct byte_tensor build_product_plus(struct build *b, struct byte_tensor x, uint32_t out, bool gemm, const struct nn_dims *plus, bool bytes);
/*
 * QDQ: x plus a constant of shape @dims, of bytes (of a scale that is a power of two times x's) or, if not @bytes, one number in float everywhere; the constant comes
 * first if @swapped. y has the scale given.
 */
struct byte_tensor build_add_constant(struct build *b, struct byte_tensor x, const struct nn_dims *dims, bool bytes, bool swapped, enum build_bound bound,
				      float scale);
/* QDQ: MaxPool to another scale, zero point and type. */
struct byte_tensor build_scaled_pool(struct build *b, struct byte_tensor x, uint32_t kernel, uint32_t stride, uint32_t pad, enum build_bound bound, float scale);
struct byte_tensor build_add(struct build *b, struct byte_tensor x, struct byte_tensor y, enum build_bound bound);
struct byte_tensor build_pool(struct build *b, struct byte_tensor x, enum nn_op op, uint32_t kernel, uint32_t stride, uint32_t pad, bool ceil_mode);
struct byte_tensor build_concat(struct build *b, const struct byte_tensor *parts, uint32_t nr);
struct byte_tensor build_flatten(struct build *b, struct byte_tensor x);
/* Transpose to [N, H, W, C], then Flatten. */
struct byte_tensor build_turned_flatten(struct build *b, struct byte_tensor x);
/* QDQ: other scale and zero point. */
struct byte_tensor build_requantise(struct build *b, struct byte_tensor x, float scale, int32_t zero);
/* The float that it stands for becomes an output; through Softmax when @softmax. */
void build_float_output(struct build *b, struct byte_tensor x, bool softmax);

/* A random network: convolutions of all kinds, pools, sums, concatenations, a matrix at the end. @layers: about so many. */
struct nn_graph *build_random(bool qdq, uint32_t layers);

#endif
