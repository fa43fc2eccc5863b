// SPDX-License-Identifier: BSD-2-Clause
/* Element by element: Add, Sub, Mul, Div, BatchNormalization, Cast, Clip, Relu, QuantizeLinear, DequantizeLinear. */
#include <math.h>

#include "../../kernels/reference/mac.h"
#include "graph_impl.h"

/* Towards zero. ONNX leaves open what a division by 0 gives: here 0; the lowest number by -1 wraps around like other sums. */
static int64_t divide(int64_t a, int64_t b)
{
	return !b ? 0 : b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

#define FLOAT_QUOTIENT(type, a, b) ((a) / (b))
#define WHOLE_QUOTIENT(type, a, b) divide((type)(a), (type)(b))
#define LOOP(type, value)                                                                                        \
	for (int64_t j = 0; j < n; j++)                                                                          \
		y_[j] = (type)(value)

/*
 * One row of a broadcast: y[i] = a[i * sa] op b[i * sb], sa and sb 0 or 1. Integers wrap around, which unsigned types (wide) may; quotients
 * need the type that the elements have (real).
 */
#define ROW(type, wide, real, quotient)                                                                          \
	do {                                                                                                     \
		const type *x_ = (const type *)a + at_a, *z_ = (const type *)b + at_b;                           \
		type *y_ = (type *)y + at;                                                                       \
														 \
		if (c->node->op == NN_ADD)                                                                       \
			LOOP(type, (wide)x_[j * sa] + (wide)z_[j * sb]);                                         \
		else if (c->node->op == NN_SUB)                                                                  \
			LOOP(type, (wide)x_[j * sa] - (wide)z_[j * sb]);                                         \
		else if (c->node->op == NN_MUL)                                                                  \
			LOOP(type, (wide)x_[j * sa] * (wide)z_[j * sb]);                                         \
		else                                                                                             \
			LOOP(type, quotient(real, x_[j * sa], z_[j * sb]));                                      \
	} while (0)

int nn_op_arithmetic(const struct nn_call *c)
{
	const struct nn_dims *da = &c->ti[0]->dims, *db = &c->ti[1]->dims, *dy = &c->to[0]->dims;
	int64_t d[NN_MAX_DIMS + 1], stride_a[NN_MAX_DIMS + 1], stride_b[NN_MAX_DIMS + 1], n, sa = 1, sb = 1, at = 0;
	const void *a = c->in[0], *b = c->in[1];
	uint32_t nr = 0; /* dimensions, the innermost first */
	void *y = c->out[0];

	/* Neighbours in which both run on, or both stand still, become one dimension: the inner loop gets long. */
	for (uint32_t i = dy->n; i-- > 0;) {
		int64_t xa = i + da->n < dy->n ? 1 : da->d[i + da->n - dy->n], xb = i + db->n < dy->n ? 1 : db->d[i + db->n - dy->n];
		int64_t ta = xa == 1 ? 0 : sa, tb = xb == 1 ? 0 : sb;

		sa *= xa;
		sb *= xb;
		if (dy->d[i] == 1)
			continue;
		if (nr && ta == stride_a[nr - 1] * d[nr - 1] && tb == stride_b[nr - 1] * d[nr - 1]) {
			d[nr - 1] *= dy->d[i];
			continue;
		}
		d[nr] = dy->d[i];
		stride_a[nr] = ta;
		stride_b[nr++] = tb;
	}
	if (!nr) {
		d[0] = 1;
		stride_a[0] = stride_b[0] = 0;
		nr = 1;
	}
	n = d[0];
	sa = stride_a[0];
	sb = stride_b[0];
	for (at = 0; at < (int64_t)c->n; at += n) {
		int64_t rest = at / n, at_a = 0, at_b = 0;

		for (uint32_t i = 1; i < nr; i++) {
			at_a += rest % d[i] * stride_a[i];
			at_b += rest % d[i] * stride_b[i];
			rest /= d[i];
		}
		switch (c->to[0]->type) {
		case NN_F4:
			ROW(float, float, float, FLOAT_QUOTIENT);
			break;
		case NN_I8:
			ROW(uint64_t, uint64_t, int64_t, WHOLE_QUOTIENT);
			break;
		case NN_I4:
			ROW(uint32_t, uint32_t, int32_t, WHOLE_QUOTIENT);
			break;
		case NN_I1:
			ROW(uint8_t, uint32_t, int8_t, WHOLE_QUOTIENT);
			break;
		default:
			ROW(uint8_t, uint32_t, uint8_t, WHOLE_QUOTIENT);
			break;
		}
	}
	return 0;
}

int nn_op_batch_norm(const struct nn_call *c)
{
	const struct nn_dims *d = &c->ti[0]->dims;
	const float *x = c->in[0], *scale = c->in[1], *bias = c->in[2], *mean = c->in[3], *var = c->in[4];
	int64_t plane = 1;
	float *y = c->out[0];

	for (uint32_t i = 2; i < d->n; i++)
		plane *= d->d[i];
	for (int64_t i = 0; i < d->d[0] * d->d[1]; i++) {
		int64_t ch = i % d->d[1];
		float mult = scale[ch] / sqrtf(var[ch] + c->a->epsilon);

		for (int64_t p = 0; p < plane; p++)
			y[i * plane + p] = (x[i * plane + p] - mean[ch]) * mult + bias[ch];
	}
	return 0;
}

/* Towards zero; what does not fit becomes the nearest that does, NaN 0. */
static int64_t to_integer(double v)
{
	if (v != v)
		return 0;
	if (v >= 9223372036854775808.0)
		return INT64_MAX;
	if (v < -9223372036854775808.0)
		return INT64_MIN;
	return (int64_t)v;
}

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

int nn_op_cast(const struct nn_call *c)
{
	enum nn_type from = c->ti[0]->type, to = c->to[0]->type;

	for (uint64_t i = 0; i < c->n; i++) {
		bool is_float = from == NN_F4 || from == NN_F8;
		double f = from == NN_F4 ? (double)((const float *)c->in[0])[i] : from == NN_F8 ? ((const double *)c->in[0])[i] : 0;
		int64_t v;

		switch (from) {
		case NN_F4:
		case NN_F8:
			v = to_integer(f);
			break;
		case NN_I8:
			v = ((const int64_t *)c->in[0])[i];
			break;
		case NN_I4:
			v = ((const int32_t *)c->in[0])[i];
			break;
		default:
			v = nn_byte(c->in[0], (int64_t)i, from);
			break;
		}
		/* Integers wrap as in C and NumPy; floats that do not fit are undefined in ONNX. */
		switch (to) {
		case NN_F4:
			((float *)c->out[0])[i] = is_float ? (float)f : (float)v;
			break;
		case NN_I8:
			((int64_t *)c->out[0])[i] = v;
			break;
		case NN_I4:
			((int32_t *)c->out[0])[i] = (int32_t)(is_float ? clamp(v, INT32_MIN, INT32_MAX) : v);
			break;
		case NN_BOOL:
			((uint8_t *)c->out[0])[i] = is_float ? f != 0 : v != 0;
			break;
		case NN_I1:
			((uint8_t *)c->out[0])[i] = (uint8_t)(is_float ? clamp(v, -128, 127) : v);
			break;
		default:
			((uint8_t *)c->out[0])[i] = (uint8_t)(is_float ? clamp(v, 0, 255) : v);
			break;
		}
	}
	return 0;
}

/* min(max(x, lo), hi); NaN stays. */
#define CLIP(type, lo, hi)                                                             \
	for (uint64_t i = 0; i < c->n; i++) {                                          \
		type v = ((const type *)c->in[0])[i];                                  \
										       \
		if (has_lo && v < (lo))                                                \
			v = (type)(lo);                                                \
		if (has_hi && v > (hi))                                                \
			v = (type)(hi);                                                \
		((type *)c->out[0])[i] = v;                                            \
	}

static int clip(const struct nn_call *c, bool has_lo, float lo, bool has_hi, float hi)
{
	double low = lo, high = hi; /* exact also for int32 */

	switch (c->to[0]->type) {
	case NN_F4:
		CLIP(float, lo, hi);
		break;
	case NN_I4:
		CLIP(int32_t, low, high);
		break;
	case NN_I1:
		CLIP(int8_t, lo, hi);
		break;
	default:
		CLIP(uint8_t, lo, hi);
		break;
	}
	return 0;
}

int nn_op_clip(const struct nn_call *c)
{
	return clip(c, c->a->has_lo, c->a->lo, c->a->has_hi, c->a->hi);
}

int nn_op_relu(const struct nn_call *c)
{
	return clip(c, true, 0, false, 0);
}

/* Elements behind one entry of a per-axis scale; all of them for one scale. */
static uint64_t axis_run(const struct nn_call *c, uint64_t *entries)
{
	const struct nn_dims *d = &c->ti[0]->dims;
	uint64_t run = 1;

	*entries = (uint64_t)nn_count(&c->ti[1]->dims);
	if (*entries == 1)
		return c->n;
	for (uint32_t i = (uint32_t)c->a->axis + 1; i < d->n; i++)
		run *= (uint64_t)d->d[i];
	return run;
}

int nn_op_quantize(const struct nn_call *c)
{
	const float *x = c->in[0], *scale = c->in[1];
	uint64_t entries, run = axis_run(c, &entries);
	enum nn_type type = c->to[0]->type;
	int32_t lo, hi;

	nn_range(type, &lo, &hi);
	for (uint64_t i = 0; i < c->n; i += run) {
		uint64_t e = i / run % entries;
		int32_t zero = c->ti[2] ? nn_byte(c->in[2], (int64_t)e, type) : 0;

		for (uint64_t j = i; j < i + run; j++) {
			double v = (double)mac_rint(x[j] / scale[e]) + zero;

			((uint8_t *)c->out[0])[j] = (uint8_t)(!(v > lo) ? lo : v > hi ? hi : (int32_t)v);
		}
	}
	return 0;
}

int nn_op_dequantize(const struct nn_call *c)
{
	const float *scale = c->in[1];
	uint64_t entries, run = axis_run(c, &entries);
	enum nn_type type = c->ti[0]->type;
	float *y = c->out[0];

	for (uint64_t i = 0; i < c->n; i += run) {
		uint64_t e = i / run % entries;
		int64_t zero = !c->ti[2] ? 0 : type == NN_I4 ? ((const int32_t *)c->in[2])[e] : nn_byte(c->in[2], (int64_t)e, type);

		for (uint64_t j = i; j < i + run; j++)
			y[j] = (float)((type == NN_I4 ? ((const int32_t *)c->in[0])[j] : nn_byte(c->in[0], (int64_t)j, type)) - zero) * scale[e];
	}
	return 0;
}
