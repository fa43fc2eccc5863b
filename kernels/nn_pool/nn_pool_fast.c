// SPDX-License-Identifier: BSD-2-Clause
/*
 * nn_pool for the emulated card: same prototype, checks, status and result (to the bit) as the HLS kernel, fast on a CPU. This file: dispatch,
 * what of each window lies inside of the image, and plain loops.
 */
#include <string.h>

#include "../nn_fast.h"
#include "../simd.h"
#include "nn_pool_fast.h"

/* Which taps of output @out lie in [from, to): *begin, how many */
static uint32_t taps_in(const struct nn_axis *a, uint32_t out, int64_t from, int64_t to, uint32_t *begin)
{
	int64_t start = nn_axis_start(a, out), lo = 0, hi = 0;

	if (start < from)
		lo = (from - start + a->dilation - 1) / a->dilation;
	if (start < to)
		hi = (to - start + a->dilation - 1) / a->dilation;
	hi = hi > a->kernel ? a->kernel : hi;
	*begin = (uint32_t)lo;
	return lo < hi ? (uint32_t)(hi - lo) : 0;
}

static void portable_max(const struct nn_pool_run *r, const struct nn_pool_window *w, uint8_t *y)
{
	uint8_t lo = (uint8_t)(r->clip & 0xff), hi = (uint8_t)(r->clip >> 8);

	memset(y, lo, r->channels);
	for (uint32_t row = 0; row < w->rows; row++) {
		for (uint32_t col = 0; col < w->cols; col++) {
			const uint8_t *x = w->x + row * w->row_step + col * w->col_step;

			for (uint32_t c = 0; c < r->channels; c++)
				y[c] = x[c] > y[c] ? x[c] : y[c];
		}
	}
	for (uint32_t c = 0; c < r->channels; c++)
		y[c] = y[c] > hi ? hi : y[c];
}

static void portable_average(const struct nn_pool_run *r, const struct nn_pool_window *w, uint8_t *y)
{
	float low = (float)(r->clip & 0xff) - (float)r->zero, high = (float)(r->clip >> 8) - (float)r->zero;
	float mult = nn_float(r->mult), count = (float)w->count;
	int32_t zeros = (int32_t)(w->rows * w->cols * r->x_zero);

	for (uint32_t first = 0; first < r->channels; first += NN_LANES) {
		int32_t sum[NN_LANES] = { 0 };

		for (uint32_t row = 0; row < w->rows; row++) {
			for (uint32_t col = 0; col < w->cols; col++) {
				const uint8_t *x = w->x + row * w->row_step + col * w->col_step + first;

				for (uint32_t lane = 0; lane < NN_LANES; lane++)
					sum[lane] += x[lane];
			}
		}
		for (uint32_t lane = 0; lane < NN_LANES; lane++)
			y[first + lane] = nn_to_byte((float)(sum[lane] - zeros) * mult / count, low, high, (int32_t)r->zero);
	}
}

static void pixel(const struct nn_pool_run *r, const struct nn_pool_window *w, uint8_t *y, int avx2)
{
#if defined(__x86_64__)
	if (avx2) {
		nn_pool_pixel_avx2(r, w, y);
		return;
	}
#endif
	(void)avx2;
	if (r->mode == NN_POOL_MAX)
		portable_max(r, w, y);
	else
		portable_average(r, w, y);
}

static void output_row(const struct nn_pool_run *r, const uint8_t *x, uint32_t oh, uint8_t *y, int avx2)
{
	uint32_t kh, kw, counted;
	uint32_t rows = taps_in(&r->h, oh, 0, r->in_h, &kh), counted_rows = taps_in(&r->h, oh, r->count_h[0], r->count_h[1], &counted);
	const uint8_t *first = x + (size_t)(nn_axis_start(&r->h, oh) + (int64_t)((uint64_t)kh * r->h.dilation)) * r->in_w * r->x_pitch;
	struct nn_pool_window w = { .rows = rows,
				    .row_step = (size_t)r->h.dilation * r->in_w * r->x_pitch,
				    .col_step = (size_t)r->w.dilation * r->x_pitch };

	for (uint32_t ow = 0; ow < r->out_w; ow++) {
		w.cols = taps_in(&r->w, ow, 0, r->in_w, &kw);
		w.count = counted_rows * taps_in(&r->w, ow, r->count_w[0], r->count_w[1], &counted);
		w.x = first + (size_t)(nn_axis_start(&r->w, ow) + (int64_t)((uint64_t)kw * r->w.dilation)) * r->x_pitch;
		pixel(r, &w, y + (size_t)ow * r->y_pitch, avx2);
	}
}

void nn_pool(const uint8_t *x, uint64_t x_bytes, uint8_t *y, uint64_t y_bytes, uint32_t *status, uint64_t status_bytes, uint32_t images,
	     uint32_t in_h, uint32_t in_w, uint32_t channels, uint32_t x_pitch, uint32_t x_image, uint32_t kernel, uint32_t stride,
	     uint32_t dilation, uint32_t pad, uint32_t pad_end, uint32_t out_h, uint32_t out_w, uint32_t y_pitch, uint32_t y_image,
	     uint32_t x_zero, uint32_t zero, uint32_t clip, uint32_t mult, uint32_t mode, uint32_t first_row, uint32_t rows,
	     uint32_t tile_channels)
{
	struct nn_pool_run run = NN_POOL_RUN_OF_ARGUMENTS;
	uint32_t code, detail;

	if (status_bytes < KERNEL_STATUS_WORDS * 4)
		return; /* nowhere to report to */
	code = nn_pool_check(&run, x_bytes, y_bytes, &detail);
	if (code == KERNEL_OK) {
		int avx2 = simd_avx2();

		for (uint32_t n = 0; n < images; n++)
			for (uint32_t i = 0; i < rows; i++)
				output_row(&run, x + (uint64_t)n * x_image, first_row + i,
					   y + (uint64_t)n * y_image + (uint64_t)(first_row + i) * out_w * y_pitch, avx2);
	}
	status[1] = detail;
	status[2] = 0;
	status[3] = 0;
	status[0] = code;
}
