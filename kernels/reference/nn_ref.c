// SPDX-License-Identifier: BSD-2-Clause
/* nn_depthwise, nn_pool, nn_add and nn_pack. (nn_conv: nn_conv_ref.c) */
#include <stddef.h>
#include <string.h>

#include "nn_ref.h"

/* clip(rint(value) + zero, lo, hi), NaN gives lo */
static uint8_t quantise(float value, int32_t zero, int32_t lo, int32_t hi)
{
	double y = (double)mac_rint(value) + zero; /* exact wherever it is not clipped anyway */

	if (!(y > lo))
		return (uint8_t)lo;
	return (uint8_t)(y > hi ? hi : (int32_t)y);
}

static const uint8_t *pixel(const uint8_t *x, const struct ref_nn_layout *l, uint64_t image, uint64_t position)
{
	return x + image * l->image + position * l->pitch;
}

/* Where tap (@kh, @kw) of output (@oh, @ow) reads; *inside: in the image? */
static uint64_t position(const struct ref_nn_window *l, uint32_t oh, uint32_t ow, uint32_t kh, uint32_t kw, int64_t at[2], int *inside)
{
	at[0] = (int64_t)oh * l->stride[0] + (int64_t)kh * l->dilation[0] - l->pad[0];
	at[1] = (int64_t)ow * l->stride[1] + (int64_t)kw * l->dilation[1] - l->pad[1];
	*inside = at[0] >= 0 && at[0] < l->in_h && at[1] >= 0 && at[1] < l->in_w;
	return *inside ? (uint64_t)at[0] * l->in_w + (uint64_t)at[1] : 0;
}

static int64_t depthwise_sum(const struct ref_nn_window *l, const uint8_t *x, const int8_t *w, int32_t x_zero, uint32_t n, uint32_t oh, uint32_t ow,
			     uint32_t c)
{
	int64_t sum = 0, at[2];

	for (uint32_t kh = 0; kh < l->kernel[0]; kh++) {
		for (uint32_t kw = 0; kw < l->kernel[1]; kw++) {
			int inside;
			uint64_t p = position(l, oh, ow, kh, kw, at, &inside);

			sum = mac_step(sum, inside ? pixel(x, &l->x, n, p)[c] : x_zero, 0,
				       w[((uint64_t)kh * l->kernel[1] + kw) * l->channels + c], 0);
		}
	}
	return sum;
}

void ref_nn_depthwise(const struct ref_nn_window *l, const uint8_t *x, const int8_t *w, const int32_t *bias, const float *mult, int32_t x_zero,
		      int32_t zero, const int32_t clip[2], uint8_t *y)
{
	for (uint32_t n = 0; n < l->images; n++) {
		for (uint32_t oh = l->first_row; oh < l->first_row + l->rows; oh++) {
			for (uint32_t ow = 0; ow < l->out_w; ow++) {
				uint8_t *out = y + n * l->y.image + ((uint64_t)oh * l->out_w + ow) * l->y.pitch;

				for (uint32_t c = 0; c < l->channels; c++) {
					int32_t acc = mac_saturate(depthwise_sum(l, x, w, x_zero, n, oh, ow, c) + bias[c]);

					out[c] = (uint8_t)mac_requantise(acc, mult[c], zero, clip[0], clip[1]);
				}
			}
		}
	}
}

static uint8_t pool_max(const struct ref_nn_window *l, const uint8_t *x, const int32_t clip[2], uint32_t n, uint32_t oh, uint32_t ow, uint32_t c)
{
	int32_t largest = 0;
	int64_t at[2];

	for (uint32_t kh = 0; kh < l->kernel[0]; kh++) {
		for (uint32_t kw = 0; kw < l->kernel[1]; kw++) {
			int inside;
			uint64_t p = position(l, oh, ow, kh, kw, at, &inside);

			if (inside && pixel(x, &l->x, n, p)[c] > largest)
				largest = pixel(x, &l->x, n, p)[c];
		}
	}
	largest = largest < clip[0] ? clip[0] : largest;
	return (uint8_t)(largest > clip[1] ? clip[1] : largest);
}

void ref_nn_pool_max(const struct ref_nn_window *l, const uint8_t *x, const int32_t clip[2], uint8_t *y)
{
	for (uint32_t n = 0; n < l->images; n++)
		for (uint32_t oh = l->first_row; oh < l->first_row + l->rows; oh++)
			for (uint32_t ow = 0; ow < l->out_w; ow++)
				for (uint32_t c = 0; c < l->channels; c++)
					y[n * l->y.image + ((uint64_t)oh * l->out_w + ow) * l->y.pitch + c] = pool_max(l, x, clip, n, oh, ow, c);
}

/* The sum over the window's positions inside of the image, and how many positions count. */
static int32_t pool_sum(const struct ref_nn_window *l, const uint8_t *x, const uint32_t count_pad[2], int32_t x_zero, uint32_t n, uint32_t oh,
			uint32_t ow, uint32_t c, uint32_t *count)
{
	int64_t sum = 0, at[2];

	*count = 0;
	for (uint32_t kh = 0; kh < l->kernel[0]; kh++) {
		for (uint32_t kw = 0; kw < l->kernel[1]; kw++) {
			int inside;
			uint64_t p = position(l, oh, ow, kh, kw, at, &inside);

			if (inside)
				sum = mac_step(sum, pixel(x, &l->x, n, p)[c], x_zero, 1, 0);
			/* No window begins before the padding at the top and to the left. */
			if (inside || (count_pad && at[0] < (int64_t)l->in_h + count_pad[0] && at[1] < (int64_t)l->in_w + count_pad[1]))
				++*count;
		}
	}
	return mac_saturate(sum);
}

void ref_nn_pool_average(const struct ref_nn_window *l, const uint8_t *x, const uint32_t count_pad[2], int32_t x_zero, float mult, int32_t zero,
			 const int32_t clip[2], uint8_t *y)
{
	for (uint32_t n = 0; n < l->images; n++) {
		for (uint32_t oh = l->first_row; oh < l->first_row + l->rows; oh++) {
			for (uint32_t ow = 0; ow < l->out_w; ow++) {
				uint8_t *out = y + n * l->y.image + ((uint64_t)oh * l->out_w + ow) * l->y.pitch;

				for (uint32_t c = 0; c < l->channels; c++) {
					uint32_t count;
					int32_t sum = pool_sum(l, x, count_pad, x_zero, n, oh, ow, c, &count);

					/* sum * mult / count, each operation rounded to single */
					out[c] = quantise(mac_multiplier((float)sum, mult, (float)count), zero, clip[0], clip[1]);
				}
			}
		}
	}
}

void ref_nn_add(const struct ref_nn_add *l, const uint8_t *a, const uint8_t *b, uint8_t *y)
{
	volatile float first, second; /* rounded one by one: no compiler may make a fused multiply-add of them */

	for (uint32_t n = 0; n < l->images; n++) {
		for (uint32_t p = 0; p < l->pixels; p++) {
			for (uint32_t c = 0; c < l->channels; c++) {
				float sum;

				first = (float)(pixel(a, &l->a, n, p)[c] - l->a_zero) * l->a_mult;
				sum = first;
				if (b) {
					second = (float)(pixel(b, &l->b, n, p)[c] - l->b_zero) * l->b_mult;
					sum = first + second;
				}
				y[n * l->y.image + (uint64_t)p * l->y.pitch + c] = quantise(sum, l->zero, l->clip[0], l->clip[1]);
			}
		}
	}
}

static uint8_t pack_element(const struct ref_nn_pack *l, const uint8_t *x, uint32_t n, uint32_t c, uint32_t row, uint32_t col)
{
	const uint8_t *line = x + n * l->x_image + c * l->x_channel + row * l->x_row;
	float value;

	if (l->lut)
		return l->lut[c * 256 + line[col]];
	memcpy(&value, line + (uint64_t)col * sizeof(value), sizeof(value));
	return quantise(value / l->scale, l->zero, 0, 255);
}

void ref_nn_pack(const struct ref_nn_pack *l, const uint8_t *x, uint8_t *y)
{
	for (uint32_t n = 0; n < l->images; n++) {
		for (uint32_t h = 0; h < l->in_h; h++) {
			for (uint32_t j = 0; j < l->out_w; j++) {
				uint8_t *out = y + n * l->y.image + ((uint64_t)h * l->out_w + j) * l->y.pitch;

				memset(out, 0, l->out_channels);
				for (uint32_t kw = 0; kw < l->kernel; kw++) {
					int64_t i = (int64_t)j * l->stride + kw - l->pad;

					for (uint32_t c = 0; c < l->channels; c++)
						out[kw * l->channels + c] = i >= 0 && i < l->in_w ? pack_element(l, x, n, c, h, (uint32_t)i)
												  : l->outside;
				}
			}
		}
	}
}
