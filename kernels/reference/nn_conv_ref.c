// SPDX-License-Identifier: BSD-2-Clause
#include <stddef.h>

#include "nn_ref.h"

static int64_t conv_sum(const struct ref_nn_conv *l, const uint8_t *x, const int8_t *w, uint32_t n, uint32_t g, uint32_t f, uint32_t oh,
			uint32_t ow)
{
	const int8_t *weights = w + ((uint64_t)g * l->filters + f) * l->kernel[0] * l->kernel[1] * l->channels;
	int64_t sum = 0;

	for (uint32_t kh = 0; kh < l->kernel[0]; kh++) {
		for (uint32_t kw = 0; kw < l->kernel[1]; kw++) {
			int64_t ih = (int64_t)oh * l->stride[0] + (int64_t)kh * l->dilation[0] - l->pad[0];
			int64_t iw = (int64_t)ow * l->stride[1] + (int64_t)kw * l->dilation[1] - l->pad[1];
			int inside = ih >= 0 && ih < l->in_h && iw >= 0 && iw < l->in_w;

			for (uint32_t c = 0; c < l->channels; c++) {
				uint64_t at = inside ? (uint64_t)n * l->x_image + ((uint64_t)ih * l->in_w + (uint64_t)iw) * l->x_pitch +
							       (uint64_t)g * l->channels + c
						     : 0;

				sum = mac_step(sum, inside ? x[at] : l->x_zero, 0, *weights++, 0);
			}
		}
	}
	return sum;
}

static int32_t clip_sum(float s, const struct ref_nn_conv *l)
{
	double v = (double)mac_rint(s) + l->sum_zero; /* exact wherever it is not clipped anyway */

	if (!(v > l->sum_clip[0]))
		return l->sum_clip[0];
	return v > l->sum_clip[1] ? l->sum_clip[1] : (int32_t)v;
}

/* One output of the convolution, before the pool. */
static int32_t conv_output(const struct ref_nn_conv *l, const uint8_t *x, const int8_t *w, const uint8_t *r, uint32_t n, uint32_t g, uint32_t f,
			   uint32_t oh, uint32_t ow)
{
	uint32_t filter = g * l->filters + f;
	int32_t acc = mac_saturate(conv_sum(l, x, w, n, g, f, oh, ow) + l->bias[filter]);
	int32_t v = mac_requantise(acc, l->mult[filter], l->zero, l->clip[0], l->clip[1]);
	volatile float a, b; /* rounded one by one: no compiler may make a fused multiply-add of them */

	if (!r)
		return v;
	a = (float)(v - l->zero) * l->v_mult;
	b = (float)(r[(uint64_t)n * l->r_image + ((uint64_t)oh * l->out_w + ow) * l->r_pitch + filter] - l->r_zero) * l->r_mult;
	return clip_sum(a + b, l);
}

/* The window of the pool whose output is at @ph, @pw. */
static int32_t pool_output(const struct ref_nn_conv *l, const uint8_t *x, const int8_t *w, uint32_t n, uint32_t g, uint32_t f, uint32_t ph,
			   uint32_t pw)
{
	int32_t largest = 0; /* v is a byte */

	for (uint32_t i = 0; i < l->pool[0]; i++) {
		for (uint32_t j = 0; j < l->pool[1]; j++) {
			int64_t oh = (int64_t)ph * l->pool_stride[0] + i - l->pool_pad[0];
			int64_t ow = (int64_t)pw * l->pool_stride[1] + j - l->pool_pad[1];
			int32_t v;

			if (oh < 0 || oh >= l->out_h || ow < 0 || ow >= l->out_w)
				continue;
			v = conv_output(l, x, w, NULL, n, g, f, (uint32_t)oh, (uint32_t)ow);
			largest = v > largest ? v : largest;
		}
	}
	return largest;
}

void ref_nn_conv(const struct ref_nn_conv *l, const uint8_t *x, const int8_t *w, const uint8_t *r, uint8_t *y)
{
	uint32_t cols = l->pool[0] ? l->pool_out_w : l->out_w;

	for (uint32_t n = 0; n < l->images; n++) {
		for (uint32_t row = l->first_row; row < l->first_row + l->rows; row++) {
			for (uint32_t col = 0; col < cols; col++) {
				uint8_t *pixel = y + (uint64_t)n * l->y_image + ((uint64_t)row * cols + col) * l->y_pitch;

				for (uint32_t g = 0; g < l->groups; g++)
					for (uint32_t f = 0; f < l->filters; f++)
						*pixel++ = (uint8_t)(l->pool[0] ? pool_output(l, x, w, n, g, f, row, col)
										: conv_output(l, x, w, r, n, g, f, row, col));
			}
		}
	}
}
