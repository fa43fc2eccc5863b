// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>

#include "sample.h"

/* A builder in which the first failure makes everything after it fail. */
struct build {
	struct nn_graph *g;
	uint64_t random;
	bool failed;
	unsigned names;
};

#define DIMS(...) (&(struct nn_dims){ sizeof((int64_t[]){ __VA_ARGS__ }) / 8, { __VA_ARGS__ } })
#define SCALAR	  (&(struct nn_dims){ 0 })

static uint32_t must(struct build *b, uint32_t index)
{
	b->failed |= index == NN_NOWHERE;
	return b->failed ? 0 : index;
}

static const char *name(struct build *b, char text[16])
{
	snprintf(text, 16, "t%u", b->names++);
	return text;
}

static uint32_t input(struct build *b, enum nn_type type, const struct nn_dims *dims)
{
	char text[16];
	uint32_t t = must(b, nn_graph_add_tensor(b->g, name(b, text), type, dims));

	b->failed |= nn_graph_add_input(b->g, t) != 0;
	return t;
}

/* Random elements: floats in -0.5 .. 0.5, int32 small, bytes any. */
static uint32_t weights(struct build *b, enum nn_type type, const struct nn_dims *dims)
{
	int64_t n = nn_count(dims);
	uint8_t *data = calloc((size_t)n + 1, 8);
	char text[16];
	uint32_t t;

	for (int64_t i = 0; i < n && data; i++) {
		b->random = b->random * 6364136223846793005ull + 1442695040888963407ull;
		if (type == NN_F4)
			((float *)data)[i] = (float)(int32_t)(b->random >> 32) / 4294967296.0f;
		else if (type == NN_I4)
			((int32_t *)data)[i] = (int32_t)(b->random >> 32) >> 20;
		else
			data[i] = (uint8_t)(b->random >> 40);
	}
	t = must(b, data ? nn_graph_add_constant(b->g, name(b, text), type, dims, data) : NN_NOWHERE);
	free(data);
	return t;
}

static uint32_t floats(struct build *b, uint32_t n, float first, float step)
{
	float data[64];
	char text[16];

	for (uint32_t i = 0; i < 64; i++)
		data[i] = first + step * (float)i;
	return must(b, nn_graph_add_constant(b->g, name(b, text), NN_F4, n ? DIMS(n) : SCALAR, data));
}

static uint32_t ints(struct build *b, uint32_t n, const int64_t *list)
{
	char text[16];

	return must(b, nn_graph_add_constant(b->g, name(b, text), NN_I8, DIMS(n), list));
}

static uint32_t byte(struct build *b, enum nn_type type, int value)
{
	int8_t v = (int8_t)value;
	char text[16];

	return must(b, nn_graph_add_constant(b->g, name(b, text), type, SCALAR, &v));
}

static uint32_t node_n(struct build *b, enum nn_op op, const uint32_t *in, uint32_t nr, const struct nn_attrs *a)
{
	char text[16];
	uint32_t out = must(b, nn_graph_add_tensor(b->g, name(b, text), NN_NONE, NULL));

	if (!b->failed)
		must(b, nn_graph_add_node(b->g, op, "", in, nr, &out, 1, a));
	return out;
}

#define NODE(b, op, attrs, ...) \
	node_n(b, op, (uint32_t[]){ __VA_ARGS__ }, sizeof((uint32_t[]){ __VA_ARGS__ }) / 4, &(struct nn_attrs){ attrs })
#define NO_ATTRS   .group = 0
#define A(...)	   __VA_ARGS__
#define LIST(...)  (sizeof((int64_t[]){ __VA_ARGS__ }) / 8), (int64_t[]){ __VA_ARGS__ }

static void output(struct build *b, uint32_t t)
{
	b->failed |= b->failed || nn_graph_add_output(b->g, t) != 0;
}

static void floating(struct build *b)
{
	uint32_t x = input(b, NN_F4, DIMS(1, 3, 9, 9)), y, z;
	struct nn_attrs conv = { .kernel = { 3, 3 }, .strides = { 1, 1 }, .pads = { 1, 1, 1, 1 } };
	struct nn_attrs depthwise = { .kernel = { 3, 3 }, .auto_pad = NN_PAD_SAME_LOWER, .group = 4, .dilations = { 1, 1 } };
	struct nn_attrs pool = { .kernel = { 3, 3 }, .strides = { 2, 2 }, .ceil_mode = true };
	struct nn_attrs average = { .kernel = { 2, 2 }, .pads = { 1, 0, 0, 1 }, .count_include_pad = true };
	struct nn_attrs gemm = { .alpha = 0.5f, .beta = 2, .trans_b = true };

	y = node_n(b, NN_CONV, (uint32_t[]){ x, weights(b, NN_F4, DIMS(4, 3, 3, 3)), weights(b, NN_F4, DIMS(4)) }, 3, &conv);
	y = NODE(b, NN_BATCH_NORM, A(.epsilon = 1e-3f), y, floats(b, 4, 1, 0.1f), floats(b, 4, -1, 0.5f), floats(b, 4, 0, 0.1f), floats(b, 4, 1, 1));
	y = NODE(b, NN_RELU, NO_ATTRS, y);
	y = node_n(b, NN_MAX_POOL, &y, 1, &pool);
	z = node_n(b, NN_CONV, (uint32_t[]){ y, weights(b, NN_F4, DIMS(4, 1, 3, 3)) }, 2, &depthwise);
	z = NODE(b, NN_CLIP, A(NO_ATTRS), z, floats(b, 0, 0, 0), floats(b, 0, 6, 0));
	y = NODE(b, NN_ADD, NO_ATTRS, y, z);
	y = NODE(b, NN_ADD, NO_ATTRS, weights(b, NN_F4, DIMS(4, 1, 1)), y);
	y = NODE(b, NN_PAD, NO_ATTRS, y, ints(b, LIST(0, 0, 0, 1, 0, 0, 1, 0)));
	y = node_n(b, NN_AVERAGE_POOL, &y, 1, &average);
	z = NODE(b, NN_GLOBAL_MAX_POOL, NO_ATTRS, y);
	y = NODE(b, NN_MUL, NO_ATTRS, y, z);
	y = NODE(b, NN_GLOBAL_AVERAGE_POOL, NO_ATTRS, y);
	y = NODE(b, NN_FLATTEN, A(.axis = 1), y);
	y = node_n(b, NN_GEMM, (uint32_t[]){ y, weights(b, NN_F4, DIMS(5, 4)), weights(b, NN_F4, DIMS(5)) }, 3, &gemm);
	output(b, NODE(b, NN_SOFTMAX, A(.axis = -1), y));
	output(b, NODE(b, NN_SOFTMAX, A(.axis = 2, .flatten = true), z));
	output(b, NODE(b, NN_LOG_SOFTMAX, A(.axis = 1), z));
}

static void qdq(struct build *b)
{
	uint32_t x = input(b, NN_F4, DIMS(2, 3, 6, 5)), scale = floats(b, 0, 0.02f, 0), zero = byte(b, NN_U1, 12), w, bias, y;
	struct nn_attrs conv = { .kernel = { 3, 1 }, .pads = { 1, 0, 1, 0 } };

	y = NODE(b, NN_QUANTIZE, A(.axis = 1), x, scale, zero);
	y = NODE(b, NN_DEQUANTIZE, A(.axis = 1), y, scale, zero);
	w = NODE(b, NN_DEQUANTIZE, A(.axis = 0), weights(b, NN_I1, DIMS(4, 3, 3, 1)), floats(b, 4, 0.01f, 0.002f));
	bias = NODE(b, NN_DEQUANTIZE, A(.axis = 0), weights(b, NN_I4, DIMS(4)), floats(b, 4, 1e-4f, 1e-4f));
	y = node_n(b, NN_CONV, (uint32_t[]){ y, w, bias }, 3, &conv);
	y = NODE(b, NN_RELU, NO_ATTRS, y);
	y = NODE(b, NN_QUANTIZE, A(.axis = 1), y, floats(b, 0, 0.5f, 0));
	y = NODE(b, NN_DEQUANTIZE, A(.axis = 1), y, floats(b, 0, 0.5f, 0));
	y = NODE(b, NN_REDUCE_MEAN, A(.axes = { -1, 2 }, .nr_axes = 2, .keepdims = true), y);
	y = NODE(b, NN_RESHAPE, NO_ATTRS, y, ints(b, LIST(0, -1)));
	output(b, NODE(b, NN_MATMUL, NO_ATTRS, y, weights(b, NN_F4, DIMS(4, 7))));
}

static void qlinear(struct build *b)
{
	uint32_t x = input(b, NN_U1, DIMS(1, 4, 8, 8)), xs = floats(b, 0, 0.1f, 0), xz = byte(b, NN_U1, -100), yz = byte(b, NN_I1, -7), y;
	struct nn_attrs conv = { .kernel = { 3, 3 }, .strides = { 2, 1 }, .dilations = { 1, 2 }, .pads = { 0, 2, 1, 1 }, .group = 2 };
	struct nn_attrs pool = { .kernel = { 2, 3 }, .strides = { 1, 2 }, .pads = { 1, 1, 0, 1 } };

	y = node_n(b, NN_QLINEAR_CONV,
		   (uint32_t[]){ x, xs, xz, weights(b, NN_I1, DIMS(6, 2, 3, 3)), floats(b, 6, 0.01f, 0.01f), byte(b, NN_I1, 0), floats(b, 0, 1.5f, 0), yz,
				 weights(b, NN_I4, DIMS(6)) },
		   9, &conv);
	y = node_n(b, NN_MAX_POOL, &y, 1, &pool);
	y = NODE(b, NN_TRANSPOSE, A(.perm = { 0, 2, 3, 1 }, .nr_axes = 4), y);
	y = NODE(b, NN_QLINEAR_MATMUL, NO_ATTRS, y, floats(b, 0, 1.5f, 0), yz, weights(b, NN_U1, DIMS(6, 5)), floats(b, 5, 0.02f, 0.01f),
		 weights(b, NN_U1, DIMS(5)), floats(b, 0, 3, 0), byte(b, NN_U1, 100));
	output(b, y);
}

static void integer(struct build *b)
{
	uint32_t x = input(b, NN_I1, DIMS(1, 2, 5, 5)), y;
	struct nn_attrs conv = { .auto_pad = NN_PAD_SAME_UPPER };

	y = node_n(b, NN_CONV_INTEGER, (uint32_t[]){ x, weights(b, NN_U1, DIMS(3, 2, 2, 2)), byte(b, NN_I1, 3), byte(b, NN_U1, 77) }, 4, &conv);
	y = NODE(b, NN_CAST, A(.to = NN_F4), y);
	y = NODE(b, NN_MUL, NO_ATTRS, y, floats(b, 0, 0.25f, 0));
	y = NODE(b, NN_CAST, A(.to = NN_U1), y);
	output(b, NODE(b, NN_MATMUL_INTEGER, NO_ATTRS, y, weights(b, NN_I1, DIMS(3, 5, 2)), byte(b, NN_U1, 5)));
}

static void moves(struct build *b)
{
	uint32_t x = input(b, NN_F4, DIMS(2, 3, 4)), y, z;

	y = NODE(b, NN_TRANSPOSE, NO_ATTRS, x);
	y = NODE(b, NN_UNSQUEEZE, NO_ATTRS, y, ints(b, LIST(-1, 0)));
	z = NODE(b, NN_IDENTITY, NO_ATTRS, y);
	y = NODE(b, NN_CONCAT, A(.axis = -4), y, z, y);
	y = NODE(b, NN_PAD, NO_ATTRS, y, ints(b, LIST(0, 1, 0, 2, 0, 0, 0, 3, 1, 0)), floats(b, 0, -1, 0));
	y = NODE(b, NN_SQUEEZE, NO_ATTRS, y, ints(b, LIST(0)));
	y = NODE(b, NN_DROPOUT, NO_ATTRS, y);
	y = NODE(b, NN_CLIP, A(.has_lo = true, .lo = -0.5f), y);
	y = NODE(b, NN_SLICE, NO_ATTRS, y, ints(b, LIST(-1, 1)), ints(b, LIST(-9, 9)), ints(b, LIST(-1, 0)), ints(b, LIST(-1, 1)));
	y = NODE(b, NN_GATHER, A(.axis = 1), y, ints(b, LIST(2, 0, -1)));
	y = NODE(b, NN_DIV, NO_ATTRS, NODE(b, NN_SUB, NO_ATTRS, y, floats(b, 0, 0.5f, 0)), floats(b, 0, 0.25f, 0));
	output(b, NODE(b, NN_CONSTANT_OF_SHAPE, A(.to = NN_I4, .element = { 7 }), ints(b, LIST(2, 3))));
	output(b, NODE(b, NN_SHAPE, NO_ATTRS, y));
	z = NODE(b, NN_RESHAPE, NO_ATTRS, NODE(b, NN_FLATTEN, A(.axis = 2), x), ints(b, LIST(2, -1, 4)));
	z = NODE(b, NN_SQUEEZE, NO_ATTRS, NODE(b, NN_REDUCE_MEAN, A(.axes = { 1 }, .nr_axes = 1, .keepdims = true), z));
	output(b, NODE(b, NN_ADD, NO_ATTRS, NODE(b, NN_MUL, NO_ATTRS, x, weights(b, NN_F4, DIMS(3, 1))), weights(b, NN_F4, DIMS(2, 1, 4))));
	output(b, y);
	output(b, z);
}

static void other_dimensions(struct build *b)
{
	uint32_t x = input(b, NN_F4, DIMS(1, 2, 10)), v = input(b, NN_F4, DIMS(1, 1, 4, 5, 6)), y;
	struct nn_attrs conv = { .spatial = 1, .wide = { { 3 }, { 2 }, { 2 }, { 1, 3 } } };
	struct nn_attrs conv3 = { .spatial = 3, .wide = { { 2, 2, 3 }, { 1, 2, 1 }, { 1, 1, 2 }, { 1, 0, 0, 0, 1, 2 } } };
	struct nn_attrs pool = { .spatial = 3, .wide = { { 2, 2, 2 }, { 2, 2, 2 }, { 1, 1, 1 }, { 0, 1, 0, 1, 0, 0 } }, .ceil_mode = true };

	output(b, node_n(b, NN_CONV, (uint32_t[]){ x, weights(b, NN_F4, DIMS(3, 2, 3)) }, 2, &conv));
	y = node_n(b, NN_CONV, (uint32_t[]){ v, weights(b, NN_F4, DIMS(2, 1, 2, 2, 3)) }, 2, &conv3);
	y = node_n(b, NN_AVERAGE_POOL, &y, 1, &pool);
	output(b, node_n(b, NN_MAX_POOL, &y, 1, &(struct nn_attrs){ .spatial = 3, .wide = { { 1, 2, 1 } } }));
}

struct nn_graph *nn_sample(unsigned i)
{
	static void (*const fill[NN_SAMPLES])(struct build *) = { floating, qdq, qlinear, integer, moves, other_dimensions };
	struct build b = { .g = nn_graph_new("sample"), .random = i + 1 };

	if (!b.g || i >= NN_SAMPLES)
		return NULL;
	fill[i](&b);
	if (b.failed || nn_graph_set_meta(b.g, "sample", "yes")) {
		nn_graph_free(b.g);
		return NULL;
	}
	return b.g;
}

void *nn_sample_bytes(unsigned i, size_t *bytes)
{
	struct smartssd_error err = { "" };
	struct nn_graph *g = nn_sample(i);
	void *data = NULL;

	if (!g || nn_graph_finish(g, &err) || nn_graph_serialize(g, &data, bytes, &err)) {
		fprintf(stderr, "sample %u: %s\n", i, err.text);
		data = NULL;
	}
	nn_graph_free(g);
	return data;
}
