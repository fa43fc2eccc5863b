/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests of quantisation: small graphs in floating point, made piece by piece, evaluated and quantised. A file that includes it has its own graph g. */
#ifndef TESTS_NN_FLOAT_GRAPH_H
#define TESTS_NN_FLOAT_GRAPH_H

#include <math.h>

#include "../../runtime/nn/quantize_impl.h"
#include "../runtime/runtime_test.h"

static inline float uniform(float lo, float hi)
{
	return lo + (hi - lo) * (float)(random_u64() >> 40) / (1 << 24);
}

/* ---- a graph under construction ---- */

static struct nn_graph *g;
static uint32_t nr_names;

static inline const char *next_name(const char *what)
{
	static char text[64];

	snprintf(text, sizeof(text), "%s%u", what, nr_names++);
	return text;
}

static inline uint32_t weights(uint32_t n, int64_t a, int64_t b, int64_t c, int64_t d, float lo, float hi)
{
	struct nn_dims dims = { n, { a, b, c, d } };
	int64_t count = nn_count(&dims);
	float *data = malloc((size_t)count * sizeof(*data));
	uint32_t t;

	for (int64_t i = 0; i < count; i++)
		data[i] = uniform(lo, hi);
	t = nn_graph_add_constant(g, next_name("w"), NN_F4, &dims, data);
	free(data);
	ck_assert_uint_ne(t, NN_NOWHERE);
	return t;
}

static inline uint32_t add(enum nn_op op, const struct nn_attrs *attrs, uint32_t nr, const uint32_t *in)
{
	uint32_t out = nn_graph_add_tensor(g, next_name("t"), NN_F4, NULL);

	ck_assert_uint_ne(nn_graph_add_node(g, op, next_name("node"), in, nr, &out, 1, attrs), NN_NOWHERE);
	return out;
}
#define ADD(op, attrs, ...) add(op, attrs, sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t), (uint32_t[]){ __VA_ARGS__ })

static inline uint32_t begin(int64_t c, int64_t h, int64_t w)
{
	struct nn_dims dims = { h ? 4 : 2, { 1, c, h, w } };
	uint32_t t;

	g = nn_graph_new("test");
	nr_names = 0;
	t = nn_graph_add_tensor(g, "x", NN_F4, &dims);
	ck_assert_int_eq(nn_graph_add_input(g, t), 0);
	return t;
}

static inline void end(uint32_t out)
{
	struct smartssd_error err = { "" };
	int ret;

	ck_assert_int_eq(nn_graph_add_output(g, out), 0);
	ret = nn_graph_finish(g, &err);
	ck_assert_msg(!ret, "%s", err.text);
}

static inline uint32_t conv(uint32_t x, int64_t channels, int64_t filters, int64_t k, int64_t stride, int64_t groups, bool bias)
{
	struct nn_attrs a = { .kernel = { k, k }, .strides = { stride, stride }, .pads = { k / 2, k / 2, k / 2, k / 2 }, .group = groups };
	float size = sqrtf(3.0f / (float)(channels / groups * k * k));
	uint32_t w = weights(4, filters, channels / groups, k, k, -size, size);

	return bias ? ADD(NN_CONV, &a, x, w, weights(1, filters, 0, 0, 0, -0.3f, 0.3f)) : ADD(NN_CONV, &a, x, w);
}

static inline uint32_t norm(uint32_t x, int64_t c)
{
	struct nn_attrs a = { .epsilon = uniform(1e-5f, 0.1f) };
	/* Gamma of either sign: a negative one turns the order of values. */
	uint32_t gamma = weights(1, c, 0, 0, 0, -1.5f, 1.5f), beta = weights(1, c, 0, 0, 0, -0.5f, 0.5f), mean = weights(1, c, 0, 0, 0, -0.5f, 0.5f);

	return ADD(NN_BATCH_NORM, &a, x, gamma, beta, mean, weights(1, c, 0, 0, 0, 0.3f, 2));
}

static inline uint32_t gemm(uint32_t x, int64_t k, int64_t n, bool turned, float alpha, float beta, bool bias)
{
	struct nn_attrs a = { .trans_b = turned, .alpha = alpha, .beta = beta };
	float size = sqrtf(3.0f / (float)k);
	uint32_t w = weights(2, turned ? n : k, turned ? k : n, 0, 0, -size, size);

	return bias ? ADD(NN_GEMM, &a, x, w, weights(2, 1, n, 0, 0, -1, 1)) : ADD(NN_GEMM, &a, x, w);
}

static inline uint32_t clip(uint32_t x, float lo, float hi)
{
	struct nn_dims scalar = { 0 };
	uint32_t l = nn_graph_add_constant(g, next_name("lo"), NN_F4, &scalar, &lo), h = nn_graph_add_constant(g, next_name("hi"), NN_F4, &scalar, &hi);

	return ADD(NN_CLIP, NULL, x, l, h);
}

static inline uint32_t pool(uint32_t x, enum nn_op op, int64_t k, int64_t stride)
{
	struct nn_attrs a = { .kernel = { k, k }, .strides = { stride, stride } };

	return ADD(op, &a, x);
}

static inline uint32_t along(uint32_t x, enum nn_op op, int64_t axis)
{
	struct nn_attrs a = { .axis = axis };

	return ADD(op, &a, x);
}

static inline float *evaluate(const struct nn_graph *graph, const float *input, int64_t *count)
{
	struct smartssd_error err = { "" };
	struct nn_values v;
	float *out;

	ck_assert_int_eq(nn_values_init(&v, graph, false), 0);
	v.value[graph->inputs[0]] = (void *)input;
	ck_assert_msg(!nn_eval(&v, NULL, NULL, &err), "%s", err.text);
	*count = nn_count(&graph->tensors[graph->outputs[0]].dims);
	out = malloc((size_t)*count * sizeof(*out));
	memcpy(out, v.value[graph->outputs[0]], (size_t)*count * sizeof(*out));
	nn_values_free(&v);
	return out;
}

static inline float *random_input(void)
{
	int64_t n = nn_count(&g->tensors[g->inputs[0]].dims);
	float *x = aligned_alloc(64, ((size_t)n * sizeof(*x) + 63) / 64 * 64);

	for (int64_t i = 0; i < n; i++)
		x[i] = uniform(-2, 2);
	return x;
}

struct inputs {
	int left;
	float value; /* not 0: all elements */
	bool zero;   /* all elements 0 */
	int fails;
};

static inline int next(void *ctx, float *input, struct smartssd_error *err)
{
	struct inputs *in = ctx;
	int64_t n = nn_count(&g->tensors[g->inputs[0]].dims);

	if (in->fails)
		return smartssd_fail(err, in->fails, "the drawer is stuck");
	if (!in->left--)
		return 1;
	for (int64_t i = 0; i < n; i++)
		input[i] = in->value || in->zero ? in->value : uniform(-2, 2);
	return 0;
}

static inline struct nn_graph *quantise(struct nn_quantize_report *report)
{
	/* Enough that what comes later is in the range that these had */
	struct inputs in = { .left = 32 };
	struct nn_quantize how = { .next = next, .ctx = &in, .percentile = 100 };
	struct smartssd_error err = { "" };
	struct nn_graph *q;
	int ret = nn_quantize_graph(g, &how, &q, report, &err);

	ck_assert_msg(!ret, "%s", err.text);
	return q;
}

static inline uint32_t count_ops(const struct nn_graph *graph, enum nn_op op)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < graph->nr_nodes; i++)
		n += graph->nodes[i].op == op;
	return n;
}

#endif
