// SPDX-License-Identifier: BSD-2-Clause
/* nn_conv in plain loops, for any processor and any arguments: a pixel and 16 filters at a time. */
#include <string.h>

#include "../nn_fast.h"
#include "nn_conv_fast.h"

/* 16 filters' sums of @channels bytes at @x. */
static void add_tap(int32_t sum[NN_BLOCK], const uint8_t *x, const int8_t *w, uint32_t channels)
{
	for (uint32_t c = 0; c < channels; c += 4) {
		int16_t pixel[4];

		for (uint32_t i = 0; i < 4; i++)
			pixel[i] = x[c + i];
		for (uint32_t f = 0; f < NN_BLOCK; f++)
			sum[f] += pixel[0] * w[f * 4] + pixel[1] * w[f * 4 + 1] + pixel[2] * w[f * 4 + 2] + pixel[3] * w[f * 4 + 3];
		w += 4 * NN_BLOCK;
	}
}

/* The same where the image ends: all bytes are x_zero. */
static void add_padding(int32_t sum[NN_BLOCK], int32_t x_zero, const int8_t *w, uint32_t channels)
{
	for (uint32_t c = 0; c < channels; c += 4) {
		for (uint32_t f = 0; f < NN_BLOCK; f++)
			sum[f] += x_zero * (w[f * 4] + w[f * 4 + 1] + w[f * 4 + 2] + w[f * 4 + 3]);
		w += 4 * NN_BLOCK;
	}
}

static void pixel_sums(const struct nn_conv_args *a, const uint8_t *x, const int8_t *w, uint64_t row, uint32_t col, int32_t sum[NN_BLOCK])
{
	memset(sum, 0, NN_BLOCK * sizeof(*sum));
	for (uint32_t kh = 0; kh < a->kernel_h; kh++) {
		int64_t ih = (int64_t)(row * a->stride_h + (uint64_t)kh * a->dilation_h) - a->pad_top;

		for (uint32_t kw = 0; kw < a->kernel_w; kw++) {
			int64_t iw = (int64_t)((uint64_t)col * a->stride_w + (uint64_t)kw * a->dilation_w) - a->pad_left;

			if (ih >= 0 && ih < a->in_h && iw >= 0 && iw < a->in_w)
				add_tap(sum, x + ((uint64_t)ih * a->in_w + (uint64_t)iw) * a->x_pitch, w, a->channels);
			else
				add_padding(sum, (int32_t)a->x_zero, w, a->channels);
			w += (size_t)a->channels * NN_BLOCK;
		}
	}
}

static uint8_t clip_round(float v, uint32_t zero, uint32_t clip)
{
	return nn_to_byte(v, (float)(clip & 255) - (float)zero, (float)(clip >> 8) - (float)zero, (int32_t)zero);
}

static uint8_t requantise(const struct nn_conv_args *a, int32_t sum, const uint32_t *coef, const uint8_t *r)
{
	int64_t wide = (int64_t)sum + (int32_t)coef[NN_CONV_COEF_BIAS];
	volatile float p, q; /* no fused multiply-add */
	uint8_t v;

	wide = wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : wide;
	v = clip_round((float)(int32_t)wide * nn_float(coef[NN_CONV_COEF_MULT]), a->zero, a->clip);
	if (!r)
		return v;
	p = (float)((int32_t)v - (int32_t)a->zero) * nn_float(a->v_mult);
	q = (float)((int32_t)*r - (int32_t)a->r_zero) * nn_float(a->r_mult);
	return clip_round(p + q, a->sum_zero, a->sum_clip);
}

void nn_conv_pixel_portable(const struct nn_conv_job *job, uint32_t image, uint32_t group, uint32_t first, uint64_t row, uint32_t col, uint8_t *y,
			    const uint8_t *r)
{
	const struct nn_conv_args *a = &job->a;
	const uint8_t *x = job->x + (uint64_t)image * a->x_image + (uint64_t)group * a->channels;
	const int8_t *w = job->w + ((uint64_t)group * a->filters + first) * a->channels * a->taps;
	const uint32_t *coef = job->coef + nn_conv_coef_at(a, group, first);
	int32_t sum[NN_BLOCK];

	pixel_sums(a, x, w, row, col, sum);
	for (uint32_t i = 0; i < NN_BLOCK; i++)
		y[i] = requantise(a, sum[i], coef + (size_t)i * NN_CONV_COEF_WORDS, r ? r + i : NULL);
}

void nn_conv_rows_portable(const struct nn_conv_job *job, uint32_t image, uint32_t group, uint32_t first, uint32_t count, uint64_t begin,
			   uint64_t end, uint8_t *y, size_t y_pitch, const uint8_t *r)
{
	const struct nn_conv_args *a = &job->a;

	for (uint32_t f = 0; f < count; f += NN_BLOCK) {
		uint8_t *to = y + f;
		const uint8_t *from = r ? r + f : NULL;

		for (uint64_t row = begin; row < end; row++) {
			for (uint32_t col = 0; col < a->out_w; col++) {
				nn_conv_pixel_portable(job, image, group, first + f, row, col, to, from);
				to += y_pitch;
				from = from ? from + a->r_pitch : NULL;
			}
		}
	}
}
