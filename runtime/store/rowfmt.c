// SPDX-License-Identifier: BSD-2-Clause
#include "rowfmt.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static const char *const names[] = { "fp32", "fp16", "int8-rowwise", "int4-rowwise" };

const char *rowfmt_name(uint32_t format)
{
	return format <= SMARTSSD_ROWS_INT4 ? names[format] : NULL;
}

int rowfmt_by_name(const char *name, uint32_t *format)
{
	for (*format = 0; *format <= SMARTSSD_ROWS_INT4; (*format)++)
		if (!strcmp(name, names[*format]))
			return 0;
	return -EINVAL;
}

uint32_t rowfmt_bytes(uint32_t format, uint32_t dim)
{
	if (dim == 0 || dim > ROWFMT_MAX_DIM)
		return 0;
	switch (format) {
	case SMARTSSD_ROWS_FP32:
		return dim * 4;
	case SMARTSSD_ROWS_FP16:
		return dim * 2;
	case SMARTSSD_ROWS_INT8:
		return dim + 8;
	case SMARTSSD_ROWS_INT4:
		return (dim + 1) / 2 + 4;
	default:
		return 0;
	}
}

/* IEEE binary32 to binary16, to nearest, ties to even. Too large: infinity. */
static uint16_t half_of_float(float value)
{
	uint32_t bits, sign, fraction, half, rest, shift;
	int exponent;

	memcpy(&bits, &value, sizeof(bits));
	sign = bits >> 16 & 0x8000;
	exponent = (int)(bits >> 23 & 255) - 112;
	fraction = bits & 0x7fffff;
	if (exponent >= 31)
		return (uint16_t)(sign | 0x7c00);
	shift = 13;
	if (exponent <= 0) { /* subnormal: the leading one becomes visible and moves down */
		if (exponent < -10)
			return (uint16_t)sign;
		fraction |= 0x800000;
		shift += (uint32_t)(1 - exponent);
		exponent = 0;
	}
	half = (uint32_t)exponent << 10 | fraction >> shift;
	rest = fraction & ((1u << shift) - 1);
	/* A carry out of the fraction makes the exponent one larger, which is right. */
	half += rest > 1u << (shift - 1) || (rest == 1u << (shift - 1) && (half & 1));
	return (uint16_t)(sign | half);
}

static float float_of_half(uint16_t half)
{
	uint32_t exponent = half >> 10 & 31, fraction = half & 1023, bits;
	float value;

	if (exponent == 0) {
		value = (float)fraction * 0x1p-24f;
		return half & 0x8000 ? -value : value;
	}
	bits = (uint32_t)(half & 0x8000) << 16 | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | fraction << 13;
	memcpy(&value, &bits, sizeof(value));
	return value;
}

static void range_of(const float *x, uint32_t dim, float *min, float *max)
{
	*min = *max = x[0];
	for (uint32_t d = 1; d < dim; d++) {
		*min = x[d] < *min ? x[d] : *min;
		*max = x[d] > *max ? x[d] : *max;
	}
}

static int encode_fp16(uint32_t dim, const float *x, uint8_t *out)
{
	for (uint32_t d = 0; d < dim; d++) {
		uint16_t half = half_of_float(x[d]);

		if ((half & 0x7c00) == 0x7c00)
			return -EDOM;
		memcpy(out + d * 2, &half, sizeof(half));
	}
	return 0;
}

static int encode_int8(uint32_t dim, const float *x, uint8_t *out)
{
	float pair[2], min, max, inverse;

	range_of(x, dim, &min, &max);
	pair[0] = (max - min) / 255.0f;
	pair[1] = min;
	if (!isfinite(pair[0]))
		return -EDOM;
	inverse = 255.0f / (max - min + 1e-8f);
	for (uint32_t d = 0; d < dim; d++)
		out[d] = (uint8_t)lrintf((x[d] - min) * inverse);
	memcpy(out + dim, pair, sizeof(pair));
	return 0;
}

static int encode_int4(uint32_t dim, const float *x, uint8_t *out)
{
	uint32_t values = (dim + 1) / 2;
	float min, max, scale, inverse;
	uint16_t pair[2];

	range_of(x, dim, &min, &max);
	pair[1] = half_of_float(min);
	min = float_of_half(pair[1]);
	pair[0] = half_of_float(max == min ? 1.0f : (max - min) / 15.0f);
	scale = float_of_half(pair[0]);
	if (!isfinite(min) || !isfinite(scale))
		return -EDOM;
	if (scale == 0.0f)
		scale = 1.0f;
	inverse = 1.0f / scale;
	if (isinf(inverse)) {
		scale = 1.0f;
		inverse = 1.0f;
	}
	pair[0] = half_of_float(scale);
	memset(out, 0, values);
	for (uint32_t d = 0; d < dim; d++) {
		long value = lrintf((x[d] - min) * inverse);

		value = value < 0 ? 0 : value > 15 ? 15 : value;
		out[d / 2] |= (uint8_t)(value << (d % 2 * 4));
	}
	memcpy(out + values, pair, sizeof(pair));
	return 0;
}

int rowfmt_encode(uint32_t format, uint32_t dim, const float *x, uint64_t rows, void *out, uint64_t *bad_row)
{
	uint32_t bytes = rowfmt_bytes(format, dim);
	uint8_t *to = out;

	for (uint64_t r = 0; r < rows; r++, x += dim, to += bytes) {
		int ret = 0;

		for (uint32_t d = 0; d < dim && !ret; d++)
			ret = isfinite(x[d]) ? 0 : -EDOM;
		if (!ret && format == SMARTSSD_ROWS_FP32)
			memcpy(to, x, bytes);
		else if (!ret && format == SMARTSSD_ROWS_FP16)
			ret = encode_fp16(dim, x, to);
		else if (!ret && format == SMARTSSD_ROWS_INT8)
			ret = encode_int8(dim, x, to);
		else if (!ret)
			ret = encode_int4(dim, x, to);
		if (ret) {
			*bad_row = r;
			return ret;
		}
	}
	return 0;
}

static void decode_row(uint32_t format, uint32_t dim, const uint8_t *in, float *x)
{
	uint16_t half[2];
	float pair[2];

	switch (format) {
	case SMARTSSD_ROWS_FP32:
		memcpy(x, in, dim * sizeof(float));
		break;
	case SMARTSSD_ROWS_FP16:
		for (uint32_t d = 0; d < dim; d++) {
			memcpy(half, in + d * 2, 2);
			x[d] = float_of_half(half[0]);
		}
		break;
	case SMARTSSD_ROWS_INT8:
		memcpy(pair, in + dim, sizeof(pair));
		for (uint32_t d = 0; d < dim; d++)
			x[d] = (float)in[d] * pair[0] + pair[1];
		break;
	default:
		memcpy(half, in + (dim + 1) / 2, sizeof(half));
		for (uint32_t d = 0; d < dim; d++)
			x[d] = (float)(in[d / 2] >> (d % 2 * 4) & 15) * float_of_half(half[0]) + float_of_half(half[1]);
	}
}

void rowfmt_decode(uint32_t format, uint32_t dim, const void *in, uint64_t rows, float *x)
{
	uint32_t bytes = rowfmt_bytes(format, dim);

	for (uint64_t r = 0; r < rows; r++)
		decode_row(format, dim, (const uint8_t *)in + r * bytes, x + r * dim);
}
