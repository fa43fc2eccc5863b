// SPDX-License-Identifier: BSD-2-Clause
#include <math.h>
#include <stdio.h>

#include "../kernels/random.h"
#include "build_graph.h"

#define DIE(...)                              \
	do {                                  \
		fprintf(stderr, __VA_ARGS__); \
		fputc('\n', stderr);          \
		abort();                      \
	} while (0)

static const char *name(struct build *b, const char *what)
{
	static char text[64];

	snprintf(text, sizeof(text), "%s%u", what, b->serial++);
	return text;
}

static uint32_t must(uint32_t index)
{
	if (index == NN_NOWHERE)
		DIE("a graph cannot be built");
	return index;
}

static const struct nn_dims scalar;

static uint32_t tensor(struct build *b, const char *what, enum nn_type type, const struct nn_dims *dims)
{
	return must(nn_graph_add_tensor(b->g, name(b, what), type, dims));
}

static uint32_t constant(struct build *b, const char *what, enum nn_type type, const struct nn_dims *dims, const void *data)
{
	return must(nn_graph_add_constant(b->g, name(b, what), type, dims, data));
}

static uint32_t constant_float(struct build *b, float v)
{
	return constant(b, "scale", NN_F4, &scalar, &v);
}

static uint32_t constant_zero(struct build *b, enum nn_type type, int32_t v)
{
	uint8_t byte = (uint8_t)v;

	return constant(b, "zero", type, &scalar, &byte);
}

static void node(struct build *b, enum nn_op op, const uint32_t *in, uint32_t nr, uint32_t out, const struct nn_attrs *attrs)
{
	static const struct nn_attrs none;

	must(nn_graph_add_node(b->g, op, name(b, nn_op_name(op)), in, nr, &out, 1, attrs ? attrs : &none));
}

static uint32_t dequantize(struct build *b, struct byte_tensor x)
{
	uint32_t in[3] = { x.t, constant_float(b, x.scale), constant_zero(b, x.type, x.zero) }, y = tensor(b, "dq", NN_F4, &x.dims);

	node(b, NN_DEQUANTIZE, in, 3, y, NULL);
	return y;
}

static void quantize(struct build *b, uint32_t f, struct byte_tensor *y)
{
	uint32_t in[3] = { f, constant_float(b, y->scale), constant_zero(b, y->type, y->zero) };

	y->t = tensor(b, "q", y->type, &y->dims);
	node(b, NN_QUANTIZE, in, 3, y->t, NULL);
}

static uint32_t bounded(struct build *b, uint32_t f, const struct nn_dims *dims, enum build_bound bound)
{
	uint32_t in[3] = { f, NN_NOWHERE, NN_NOWHERE }, y;

	if (bound == BUILD_NO_BOUND)
		return f;
	y = tensor(b, "bounded", NN_F4, dims);
	if (bound == BUILD_CLIP6) {
		in[1] = constant_float(b, 0.0f);
		in[2] = constant_float(b, 6.0f);
	}
	node(b, bound == BUILD_RELU ? NN_RELU : NN_CLIP, in, bound == BUILD_RELU ? 1 : 3, y, NULL);
	return y;
}

static enum nn_type some_type(void)
{
	return random_below(2) ? NN_U1 : NN_I1;
}

static int32_t some_zero(enum nn_type type)
{
	return type == NN_I1 ? random_in(-60, 60) : random_in(60, 190);
}

void build_begin(struct build *b, bool qdq)
{
	memset(b, 0, sizeof(*b));
	b->g = nn_graph_new("built");
	b->qdq = qdq;
	if (!b->g)
		DIE("no memory");
	b->g->opset = 13;
}

struct nn_graph *build_end(struct build *b, const struct byte_tensor *outputs, uint32_t nr)
{
	struct smartssd_error err = { "" };

	for (uint32_t i = 0; i < nr; i++)
		if (nn_graph_add_output(b->g, outputs[i].t))
			DIE("no memory");
	if (nn_graph_finish(b->g, &err))
		DIE("nn_graph_finish: %s", err.text);
	return b->g;
}

struct byte_tensor build_input(struct build *b, enum build_input kind, enum nn_type type, const struct nn_dims *dims)
{
	struct byte_tensor x = { .dims = *dims, .type = type, .scale = random_float(0.01f, 0.05f), .zero = some_zero(type) };
	uint32_t t = tensor(b, "input", kind == BUILD_FLOAT ? NN_F4 : type, dims);

	if (nn_graph_add_input(b->g, t))
		DIE("no memory");
	if (kind == BUILD_FLOAT)
		quantize(b, t, &x);
	else
		x.t = t;
	return x;
}

/* Constant weights with quantisation parameters; *scale: of the first filter. */
static void weights(struct build *b, enum nn_type type, bool wide, const struct nn_dims *dims, uint32_t filters, bool per_filter, uint32_t out[3],
		    float *scales)
{
	int64_t n = nn_count(dims);
	uint8_t *data = malloc((size_t)n);
	uint32_t nr = per_filter ? filters : 1;
	struct nn_dims one = { 1, { nr } };
	uint8_t *zeros = calloc(nr, 1);

	if (!data || !zeros)
		DIE("no memory");
	for (int64_t i = 0; i < n; i++)
		data[i] = (uint8_t)(wide ? random_in(0, 255) : type == NN_I1 ? random_in(-80, 80) : random_in(110, 200));
	for (uint32_t i = 0; i < filters; i++)
		scales[i] = i < nr ? random_float(0.001f, 0.004f) : scales[0];
	for (uint32_t i = 0; i < nr; i++)
		zeros[i] = wide && random_below(4) ? (uint8_t)random_below(256) : type == NN_I1 ? (wide ? 128 : 0) : wide ? 0 : 150;
	out[0] = constant(b, "w", type, dims, data);
	out[1] = constant(b, "w_scale", NN_F4, nr > 1 ? &one : &scalar, scales);
	out[2] = constant(b, "w_zero", type, nr > 1 ? &one : &scalar, zeros);
	free(data);
	free(zeros);
}

/* Float (QDQ: a float constant or DequantizeLinear of int32) or int32. */
static uint32_t bias_tensor(struct build *b, uint32_t filters, const float *scales, float x_scale, bool as_float)
{
	struct nn_dims dims = { 1, { filters } };
	int32_t *whole = malloc(filters * sizeof(*whole));
	float *real = malloc(filters * sizeof(*real));
	uint32_t in[3], y;

	if (!whole || !real)
		DIE("no memory");
	for (uint32_t i = 0; i < filters; i++) {
		whole[i] = random_in(-3000, 3000);
		real[i] = as_float ? (float)whole[i] * x_scale * scales[i] : x_scale * scales[i];
	}
	if (b->qdq && as_float) {
		y = constant(b, "bias", NN_F4, &dims, real);
	} else {
		y = constant(b, "bias", NN_I4, &dims, whole);
		if (b->qdq) {
			static const struct nn_attrs axis0;

			in[0] = y;
			in[1] = constant(b, "b_scale", NN_F4, &dims, real);
			y = tensor(b, "b_dq", NN_F4, &dims);
			node(b, NN_DEQUANTIZE, in, 2, y, &axis0);
		}
	}
	free(whole);
	free(real);
	return y;
}

static struct byte_tensor like(struct byte_tensor x, const struct nn_dims *dims, float scale)
{
	struct byte_tensor y = { .dims = *dims, .type = some_type(), .scale = scale };

	(void)x;
	y.zero = some_zero(y.type);
	return y;
}

/* Random numbers within 100 @unit; with @bytes behind a DequantizeLinear of a type and zero point at random. */
static uint32_t plus(struct build *b, const struct nn_dims *dims, bool bytes, float unit)
{
	struct byte_tensor x = { .dims = *dims, .type = some_type(), .scale = unit };
	int64_t n = nn_count(dims);
	float *real = malloc((size_t)n * sizeof(*real));
	uint8_t *data = malloc((size_t)n);
	uint32_t y;

	if (!real || !data)
		DIE("no memory");
	x.zero = some_zero(x.type);
	for (int64_t i = 0; i < n; i++) {
		data[i] = (uint8_t)random_below(256);
		real[i] = (float)random_in(-100, 100) * unit;
	}
	if (bytes) {
		x.t = constant(b, "plus", x.type, dims, data);
		y = dequantize(b, x);
	} else {
		y = constant(b, "plus", NN_F4, dims, real);
	}
	free(data);
	free(real);
	return y;
}

static uint32_t sum(struct build *b, uint32_t x, uint32_t y, const struct nn_dims *dims)
{
	uint32_t in[2] = { x, y }, out = tensor(b, "sum", NN_F4, dims);

	node(b, NN_ADD, in, 2, out, NULL);
	return out;
}

static uint32_t weights_float(struct build *b, const uint32_t w[3], const struct nn_dims *dims, int64_t axis)
{
	struct nn_attrs attrs = { .axis = axis };
	uint32_t y = tensor(b, "w_dq", NN_F4, dims);

	node(b, NN_DEQUANTIZE, w, 3, y, &attrs);
	return y;
}

struct byte_tensor build_conv(struct build *b, struct byte_tensor x, const struct build_conv *how)
{
	uint32_t group = how->group ? how->group : 1, w[3], bias = NN_NOWHERE, out;
	struct nn_dims wd = { 4, { how->filters, x.dims.d[1] / group, how->kernel[0], how->kernel[1] } }, yd = { 4, { x.dims.d[0], how->filters } };
	float scales[2048], terms = sqrtf((float)(wd.d[1] * wd.d[2] * wd.d[3]));
	struct nn_attrs attrs = { .group = group };
	struct byte_tensor y;

	for (int i = 0; i < 2; i++) {
		attrs.kernel[i] = how->kernel[i];
		attrs.strides[i] = how->stride[i];
		attrs.dilations[i] = how->dilation[i];
		attrs.pads[i] = how->pad[i];
		attrs.pads[2 + i] = how->pad[2 + i];
		yd.d[2 + i] = (x.dims.d[2 + i] + how->pad[i] + how->pad[2 + i] - (how->kernel[i] - 1) * how->dilation[i] - 1) / how->stride[i] + 1;
	}
	weights(b, how->w_type, how->wide, &wd, how->filters, how->per_filter, w, scales);
	if (how->bias)
		bias = bias_tensor(b, how->filters, scales, x.scale, how->float_bias);
	y = like(x, &yd, x.scale * scales[0] * terms * (how->wide ? 150.0f : 60.0f));
	if (b->qdq) {
		uint32_t in[3] = { dequantize(b, x), weights_float(b, w, &wd, 0), bias };

		out = tensor(b, "conv", NN_F4, &yd);
		node(b, NN_CONV, in, bias == NN_NOWHERE ? 2 : 3, out, &attrs);
		if (how->plus.n)
			out = sum(b, out, plus(b, &how->plus, how->plus_bytes, y.scale), &yd);
		quantize(b, bounded(b, out, &yd, how->bound), &y);
	} else {
		uint32_t in[9] = { x.t,	 constant_float(b, x.scale), constant_zero(b, x.type, x.zero), w[0], w[1],
				   w[2], constant_float(b, y.scale), constant_zero(b, y.type, y.zero), bias };

		y.t = tensor(b, "y", y.type, &yd);
		node(b, NN_QLINEAR_CONV, in, bias == NN_NOWHERE ? 8 : 9, y.t, &attrs);
	}
	return y;
}

static struct byte_tensor product(struct build *b, struct byte_tensor x, uint32_t filters, bool gemm, bool bias, const struct nn_dims *more, bool bytes)
{
	int64_t k = x.dims.d[x.dims.n - 1];
	bool turned = gemm && b->qdq;
	struct nn_dims wd = { 2, { turned ? filters : k, turned ? k : filters } }, yd = x.dims;
	struct nn_attrs attrs = { .alpha = 1.0f, .beta = 1.0f, .trans_b = turned };
	float scales[2048];
	uint32_t w[3], out, with = NN_NOWHERE;
	struct byte_tensor y;

	yd.d[yd.n - 1] = filters;
	weights(b, NN_I1, false, &wd, filters, true, w, scales);
	y = like(x, &yd, x.scale * scales[0] * sqrtf((float)k) * 60.0f);
	if (!b->qdq) {
		uint32_t in[8] = { x.t,	 constant_float(b, x.scale), constant_zero(b, x.type, x.zero), w[0], w[1],
				   w[2], constant_float(b, y.scale), constant_zero(b, y.type, y.zero) };

		y.t = tensor(b, "y", y.type, &yd);
		node(b, NN_QLINEAR_MATMUL, in, 8, y.t, NULL);
		return y;
	}
	if (bias)
		with = more ? plus(b, more, bytes, y.scale) : bias_tensor(b, filters, scales, x.scale, random_below(2));
	uint32_t in[3] = { dequantize(b, x), weights_float(b, w, &wd, turned ? 0 : 1), with };

	out = tensor(b, "product", NN_F4, &yd);
	node(b, gemm ? NN_GEMM : NN_MATMUL, in, gemm && bias ? 3 : 2, out, &attrs);
	if (bias && !gemm)
		out = sum(b, out, with, &yd);
	quantize(b, out, &y);
	return y;
}

struct byte_tensor build_product(struct build *b, struct byte_tensor x, uint32_t filters, bool gemm, bool bias)
{
	return product(b, x, filters, gemm, bias, NULL, false);
}

struct byte_tensor build_product_plus(struct build *b, struct byte_tensor x, uint32_t filters, bool gemm, const struct nn_dims *more, bool bytes)
{
	return product(b, x, filters, gemm, true, more, bytes);
}

struct byte_tensor build_add_constant(struct build *b, struct byte_tensor x, const struct nn_dims *dims, bool bytes, bool swapped, enum build_bound bound,
				      float scale)
{
	uint32_t f = dequantize(b, x), c;
	struct byte_tensor y = like(x, &x.dims, scale);

	if (bytes) {
		c = plus(b, dims, true, ldexpf(x.scale, random_in(-2, 1)));
	} else {
		int64_t n = nn_count(dims);
		float *data = malloc((size_t)n * sizeof(*data));

		if (!data)
			DIE("no memory");
		data[0] = (float)random_in(-100, 100) * x.scale;
		for (int64_t i = 1; i < n; i++)
			data[i] = data[0];
		c = constant(b, "plus", NN_F4, dims, data);
		free(data);
	}
	quantize(b, bounded(b, swapped ? sum(b, c, f, &x.dims) : sum(b, f, c, &x.dims), &x.dims, bound), &y);
	return y;
}

struct byte_tensor build_add(struct build *b, struct byte_tensor x, struct byte_tensor x2, enum build_bound bound)
{
	uint32_t in[2] = { dequantize(b, x), dequantize(b, x2) }, out = tensor(b, "add", NN_F4, &x.dims);
	struct byte_tensor y = like(x, &x.dims, (x.scale + x2.scale) * 0.8f);

	node(b, NN_ADD, in, 2, out, NULL);
	quantize(b, bounded(b, out, &y.dims, bound), &y);
	return y;
}

struct byte_tensor build_pool(struct build *b, struct byte_tensor x, enum nn_op op, uint32_t kernel, uint32_t stride, uint32_t pad, bool ceil_mode)
{
	struct nn_attrs attrs = { .kernel = { kernel, kernel }, .strides = { stride, stride }, .dilations = { 1, 1 }, .pads = { pad, pad, pad, pad },
				  .ceil_mode = ceil_mode, .count_include_pad = op == NN_AVERAGE_POOL && random_below(2) };
	bool global = op == NN_GLOBAL_AVERAGE_POOL;
	struct byte_tensor y = x;
	uint32_t in, out;

	for (int i = 2; i < 4; i++)
		y.dims.d[i] = global ? 1 : (x.dims.d[i] + 2 * pad - kernel + (ceil_mode ? stride - 1 : 0)) / stride + 1;
	/* A window must begin inside of the image or its padding at the top and left. */
	for (int i = 2; i < 4 && ceil_mode && !global; i++)
		if ((y.dims.d[i] - 1) * stride >= x.dims.d[i] + pad)
			y.dims.d[i]--;
	if (!b->qdq) {
		y.t = tensor(b, "pool", y.type, &y.dims);
		node(b, op, &x.t, 1, y.t, &attrs);
		return y;
	}
	if (op != NN_MAX_POOL) {
		y = like(x, &y.dims, x.scale * 0.7f);
	}
	in = dequantize(b, x);
	out = tensor(b, "pool", NN_F4, &y.dims);
	node(b, op, &in, 1, out, &attrs);
	quantize(b, out, &y);
	return y;
}

struct byte_tensor build_scaled_pool(struct build *b, struct byte_tensor x, uint32_t kernel, uint32_t stride, uint32_t pad, enum build_bound bound, float scale)
{
	struct nn_attrs attrs = { .kernel = { kernel, kernel }, .strides = { stride, stride }, .dilations = { 1, 1 }, .pads = { pad, pad, pad, pad } };
	struct nn_dims dims = x.dims;
	uint32_t in = dequantize(b, x), out;
	struct byte_tensor y;

	for (int i = 2; i < 4; i++)
		dims.d[i] = (x.dims.d[i] + 2 * pad - kernel) / stride + 1;
	out = tensor(b, "pool", NN_F4, &dims);
	node(b, NN_MAX_POOL, &in, 1, out, &attrs);
	y = like(x, &dims, scale);
	quantize(b, bounded(b, out, &dims, bound), &y);
	return y;
}

struct byte_tensor build_concat(struct build *b, const struct byte_tensor *parts, uint32_t nr)
{
	struct nn_attrs attrs = { .axis = 1 };
	struct byte_tensor y = parts[0];
	uint32_t in[8], out;

	y.dims.d[1] = 0;
	for (uint32_t i = 0; i < nr; i++) {
		in[i] = b->qdq ? dequantize(b, parts[i]) : parts[i].t;
		y.dims.d[1] += parts[i].dims.d[1];
	}
	if (!b->qdq) {
		y.t = tensor(b, "concat", y.type, &y.dims);
		node(b, NN_CONCAT, in, nr, y.t, &attrs);
		return y;
	}
	out = tensor(b, "concat", NN_F4, &y.dims);
	node(b, NN_CONCAT, in, nr, out, &attrs);
	quantize(b, out, &y);
	return y;
}

static struct byte_tensor flattened(struct build *b, struct byte_tensor x, bool turned)
{
	struct nn_attrs flat = { .axis = 1 }, turn = { .perm = { 0, 2, 3, 1 }, .nr_axes = 4 };
	struct byte_tensor y = x;
	uint32_t in = b->qdq ? dequantize(b, x) : x.t, out;
	enum nn_type type = b->qdq ? NN_F4 : x.type;

	if (turned) {
		struct nn_dims dims = { 4, { x.dims.d[0], x.dims.d[2], x.dims.d[3], x.dims.d[1] } };

		out = tensor(b, "turned", type, &dims);
		node(b, NN_TRANSPOSE, &in, 1, out, &turn);
		in = out;
	}
	y.dims = (struct nn_dims){ 2, { x.dims.d[0], x.dims.d[1] * x.dims.d[2] * x.dims.d[3] } };
	out = tensor(b, "flat", type, &y.dims);
	node(b, NN_FLATTEN, &in, 1, out, &flat);
	y.t = out;
	if (b->qdq)
		quantize(b, out, &y);
	return y;
}

struct byte_tensor build_flatten(struct build *b, struct byte_tensor x)
{
	return flattened(b, x, false);
}

struct byte_tensor build_turned_flatten(struct build *b, struct byte_tensor x)
{
	return flattened(b, x, true);
}

struct byte_tensor build_requantise(struct build *b, struct byte_tensor x, float scale, int32_t zero)
{
	struct byte_tensor y = x;

	y.scale = scale;
	y.zero = zero;
	quantize(b, dequantize(b, x), &y);
	return y;
}

void build_float_output(struct build *b, struct byte_tensor x, bool softmax)
{
	uint32_t f = dequantize(b, x), y = f;
	struct nn_attrs attrs = { .axis = x.dims.n - 1 };

	if (softmax) {
		y = tensor(b, "softmax", NN_F4, &x.dims);
		node(b, NN_SOFTMAX, &f, 1, y, &attrs);
	}
	if (nn_graph_add_output(b->g, y))
		DIE("no memory");
}

/* ---- random networks ---- */

static uint32_t some_channels(void)
{
	static const uint32_t often[] = { 1, 3, 8, 16, 16, 24, 32, 32, 48, 64 };

	return often[random_below(ARRAY_SIZE(often))];
}

static struct byte_tensor random_conv(struct build *b, struct byte_tensor x, uint32_t filters, bool keep_size)
{
	uint32_t c = (uint32_t)x.dims.d[1];
	struct build_conv how = { .filters = filters, .w_type = random_below(4) ? NN_I1 : NN_U1, .per_filter = random_below(2), .bias = random_below(3),
				  .float_bias = random_below(2), .bound = random_below(3), .wide = !random_below(6), .plus_bytes = random_below(2) };

	for (int i = 0; i < 2; i++) {
		uint32_t size = (uint32_t)x.dims.d[2 + i], most = size < 5 ? size : 5;

		how.kernel[i] = keep_size ? (size >= 3 && random_below(2) ? 3 : 1) : 1 + random_below(most);
		how.stride[i] = keep_size ? 1 : 1 + random_below(2);
		how.dilation[i] = !keep_size && how.kernel[i] > 1 && (how.kernel[i] - 1) * 2 < size && !random_below(4) ? 2 : 1;
		how.pad[i] = keep_size ? how.kernel[i] / 2 : random_below(how.kernel[i]);
		how.pad[2 + i] = keep_size ? how.kernel[i] / 2 : random_below(how.kernel[i]);
	}
	switch (random_below(4)) {
	case 0: /* depthwise */
		if (!keep_size || filters == c)
			how.group = how.filters = c;
		break;
	case 1: { /* groups */
		uint32_t g = 1u << (1 + random_below(3));

		if (c % g == 0 && how.filters % g == 0)
			how.group = g;
		break;
	}
	}
	if (!random_below(6))
		how.plus = (struct nn_dims){ 4, { 1, how.filters, 1, 1 } };
	return build_conv(b, x, &how);
}

struct nn_graph *build_random(bool qdq, uint32_t layers)
{
	struct nn_dims dims = { 4, { random_below(4) ? 1 : 2, random_below(2) ? 1 + random_below(4) : some_channels(), random_in(4, 20), random_in(4, 20) } };
	enum nn_type type = some_type();
	struct byte_tensor x, y, outputs[3], parts[3];
	uint32_t nr = 0;
	struct build b;

	build_begin(&b, qdq);
	x = build_input(&b, qdq && random_below(3) ? BUILD_FLOAT : BUILD_BYTE, type, &dims);
	for (uint32_t i = 0; i < layers; i++) {
		bool large = x.dims.d[2] >= 4 && x.dims.d[3] >= 4;

		switch (random_below(qdq ? 8 : 6)) {
		case 0:
		case 1:
		case 2:
			x = random_conv(&b, x, some_channels(), false);
			break;
		case 3:
			if (large && qdq && random_below(2))
				x = build_scaled_pool(&b, x, 2 + random_below(2), 1 + random_below(2), random_below(2), random_below(3), x.scale * 0.8f);
			else if (large)
				x = build_pool(&b, x, NN_MAX_POOL, 2 + random_below(2), 1 + random_below(2), random_below(2), random_below(2));
			break;
		case 4: /* parts of one scale: MaxPool keeps it */
			y = build_pool(&b, x, NN_MAX_POOL, 3, 1, 1, false);
			parts[0] = x;
			parts[1] = y;
			parts[2] = qdq ? random_conv(&b, x, 16 * (1 + random_below(2)), true) : x;
			x = build_concat(&b, parts, qdq ? 3 : 2 + random_below(2));
			break;
		case 5:
			if (nr < 2 && !random_below(3))
				outputs[nr++] = x;
			x = random_conv(&b, x, some_channels(), true);
			break;
		case 6:
			y = random_conv(&b, x, (uint32_t)x.dims.d[1], true);
			if (random_below(2))
				x = random_conv(&b, x, (uint32_t)x.dims.d[1], true);
			x = random_below(2) ? build_add(&b, x, y, random_below(3)) : build_add(&b, y, x, random_below(3));
			break;
		default:
			if (random_below(2)) {
				struct nn_dims add = x.dims;

				add.d[0] = 1;
				if (random_below(2))
					add.d[2] = add.d[3] = 1;
				x = build_add_constant(&b, x, &add, random_below(4), random_below(2), random_below(3), x.scale * 1.5f);
			} else if (large)
				x = build_pool(&b, x, NN_AVERAGE_POOL, 2 + random_below(2), 1 + random_below(2), random_below(2), false);
		}
		if (x.dims.d[1] > 192) /* concatenations of concatenations */
			x = random_conv(&b, x, 32, true);
	}
	switch (random_below(4)) {
	case 0:
		break;
	case 1:
		if (qdq)
			x = build_pool(&b, x, NN_GLOBAL_AVERAGE_POOL, 0, 1, 0, false);
		x = build_flatten(&b, x);
		x = build_product(&b, x, 1 + random_below(40), true, true);
		break;
	case 2:
		x = build_flatten(&b, x);
		x = build_product(&b, x, 1 + random_below(40), random_below(2), random_below(2));
		break;
	default:
		x = build_turned_flatten(&b, x);
		x = build_product(&b, x, 1 + random_below(40), random_below(2), random_below(2));
	}
	outputs[nr++] = x;
	if (qdq && random_below(2))
		build_float_output(&b, x, random_below(2));
	return build_end(&b, outputs, nr);
}
