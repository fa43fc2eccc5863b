// SPDX-License-Identifier: BSD-2-Clause
#include "reference.h"

static int32_t element(const void *data, uint64_t at, int is_signed)
{
	return is_signed ? ((const int8_t *)data)[at] : ((const uint8_t *)data)[at];
}

/* Outputs along one axis, 0 when there is none. */
static uint64_t outputs(uint32_t in, uint64_t pads, uint32_t kernel, uint32_t stride, uint32_t dilation)
{
	uint64_t padded = in + pads;
	uint64_t extent = (uint64_t)(kernel - 1) * dilation + 1;

	return padded < extent ? 0 : (padded - extent) / stride + 1;
}

int ref_conv2d_shape(const struct ref_conv2d *l, uint32_t shape[2])
{
	uint64_t rows, cols;

	if (!l->images || !l->channels || !l->in_h || !l->in_w || !l->filters || !l->kernel_h || !l->kernel_w ||
	    !l->group || !l->stride[0] || !l->stride[1] || !l->dilation[0] || !l->dilation[1])
		return -1;
	if (l->channels % l->group || l->filters % l->group)
		return -1;
	if ((l->w_scales != 1 && l->w_scales != l->filters) || (l->w_zero && l->w_zeros != 1 && l->w_zeros != l->filters))
		return -1;
	rows = outputs(l->in_h, (uint64_t)l->pad[0] + l->pad[2], l->kernel_h, l->stride[0], l->dilation[0]);
	cols = outputs(l->in_w, (uint64_t)l->pad[1] + l->pad[3], l->kernel_w, l->stride[1], l->dilation[1]);
	if (!rows || !cols || rows > INT32_MAX || cols > INT32_MAX)
		return -1;
	shape[0] = (uint32_t)rows;
	shape[1] = (uint32_t)cols;
	return 0;
}

/* One output's sum before the bias. */
static int64_t output_sum(const struct ref_conv2d *l, const void *x, const void *w, uint32_t image, uint32_t filter,
			  uint32_t oh, uint32_t ow)
{
	uint32_t channels = l->channels / l->group;
	uint32_t first = filter / (l->filters / l->group) * channels; /* the group's first channel */
	int32_t w_zero = l->w_zero ? l->w_zero[l->w_zeros == 1 ? 0 : filter] : 0;
	int64_t sum = 0;

	for (uint32_t c = 0; c < channels; c++) {
		uint64_t x_plane = ((uint64_t)image * l->channels + first + c) * l->in_h;
		uint64_t w_plane = ((uint64_t)filter * channels + c) * l->kernel_h;

		for (uint32_t kh = 0; kh < l->kernel_h; kh++) {
			int64_t ih = (int64_t)oh * l->stride[0] + (int64_t)kh * l->dilation[0] - l->pad[0];

			if (ih < 0 || ih >= l->in_h)
				continue;
			for (uint32_t kw = 0; kw < l->kernel_w; kw++) {
				int64_t iw = (int64_t)ow * l->stride[1] + (int64_t)kw * l->dilation[1] - l->pad[1];

				if (iw < 0 || iw >= l->in_w)
					continue;
				sum = mac_step(
					sum, element(x, (x_plane + (uint64_t)ih) * l->in_w + (uint64_t)iw, l->x_signed),
					l->x_zero, element(w, (w_plane + kh) * l->kernel_w + kw, l->w_signed), w_zero);
			}
		}
	}
	return sum;
}

int ref_conv2d(const struct ref_conv2d *l, const void *x, const void *w, void *y)
{
	uint8_t *out = y; /* a negative int8_t is stored as its two's complement */
	uint32_t shape[2];

	if (ref_conv2d_shape(l, shape))
		return -1;
	for (uint32_t n = 0; n < l->images; n++) {
		for (uint32_t m = 0; m < l->filters; m++) {
			float mult = mac_multiplier(l->x_scale, l->w_scale[l->w_scales == 1 ? 0 : m], l->y_scale);
			int32_t bias = l->bias ? l->bias[m] : 0;

			for (uint32_t oh = 0; oh < shape[0]; oh++) {
				for (uint32_t ow = 0; ow < shape[1]; ow++) {
					int32_t acc = mac_saturate(output_sum(l, x, w, n, m, oh, ow) + bias);

					*out++ = (uint8_t)mac_requantise(acc, mult, l->y_zero, l->clip[0], l->clip[1]);
				}
			}
		}
	}
	return 0;
}
