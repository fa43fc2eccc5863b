// SPDX-License-Identifier: BSD-2-Clause
/*
 * conv2d for the emulated card: same prototype, checks, status and result (to the bit) as the HLS kernel, fast on a CPU.
 * This file: dispatch, and plain loops that take any tile and need no memory. conv2d_avx2.c and conv2d_depthwise.c have the
 * AVX2 versions.
 */
#include "conv2d_fast.h"
#include "../scratch.h"
#include "../simd.h"

#define SEGMENT 512 /* output columns that are accumulated at a time */

void *conv2d_scratch(size_t bytes)
{
	return scratch_get(0, bytes);
}

static uint8_t requantise(const struct conv2d_tile *t, int32_t sum, int32_t bias, float mult)
{
	int64_t wide = (int64_t)sum + bias;
	float lo = (float)(t->clip_lo - t->y_zero), hi = (float)(t->clip_hi - t->y_zero);
	float v;

	wide = wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : wide;
	v = (float)(int32_t)wide * mult;
	v = v > lo ? v : lo; /* also for NaN */
	v = v < hi ? v : hi;
	/* |v| <= 511: adding 1.5 * 2^23 leaves no room for fraction bits, so the addition itself rounds to nearest even. */
	v = (v + 12582912.0f) - 12582912.0f;
	return (uint8_t)((int32_t)v + t->y_zero);
}

/* Output columns [*begin, *end) of a segment of @count from @first whose input column first*stride + at is inside of the
 * window. */
static void inside(const struct conv2d_tile *t, uint32_t first, uint32_t count, int64_t at, uint32_t *begin, uint32_t *end)
{
	int64_t start = (int64_t)first * t->stride_w + at;
	int64_t lo = start >= 0 ? 0 : (-start + t->stride_w - 1) / t->stride_w;
	int64_t hi = start >= (int64_t)t->cols ? 0 : ((int64_t)t->cols - 1 - start) / t->stride_w + 1;

	hi = hi > count ? count : hi;
	*begin = (uint32_t)(lo < hi ? lo : hi);
	*end = (uint32_t)hi;
}

/* Adds one tap to the outputs [0, count) of a row. Both factors fit 16 bits, which compilers turn into vector code. */
static void add_tap(int32_t *sum, const uint8_t *x, uint32_t count, uint32_t stride, uint8_t flip, int16_t zero, int16_t weight)
{
	if (stride == 1) {
		for (uint32_t i = 0; i < count; i++)
			sum[i] += (int16_t)((uint8_t)(x[i] ^ flip) - zero) * weight;
	} else {
		for (uint32_t i = 0; i < count; i++)
			sum[i] += (int16_t)((uint8_t)(x[(uint64_t)i * stride] ^ flip) - zero) * weight;
	}
}

/* Output columns [first, first + count) of tile row @oh of filter @f. */
static void segment(const struct conv2d_job *job, const struct conv2d_group *g, uint32_t f, uint32_t oh, uint32_t first,
		    uint32_t count)
{
	const struct conv2d_tile *t = &job->t;
	const uint8_t *w = job->w + (uint64_t)f * t->channels * t->taps;
	/* A signed byte with its top bit flipped is an unsigned one 128 higher: one loop serves both. */
	uint8_t x_flip = t->flags & CONV2D_X_SIGNED ? 0x80 : 0, w_flip = t->flags & CONV2D_W_SIGNED ? 0x80 : 0;
	uint8_t *y = job->y + (uint64_t)f * t->y_pitch + (uint64_t)oh * t->out_w + t->out_col + first;
	int32_t sum[SEGMENT];

	memset(sum, 0, count * sizeof(sum[0]));
	for (uint32_t c = 0; c < t->channels && t->rows; c++) {
		const uint8_t *plane = job->x + conv2d_channel(t, g->channel + c) + t->window;

		for (uint32_t kh = 0; kh < t->kernel_h; kh++) {
			int64_t row = (int64_t)oh * t->stride_h + (int64_t)kh * t->dilation_h - (int64_t)t->lead_rows;

			if (row < 0 || row >= (int64_t)t->rows)
				continue;
			for (uint32_t kw = 0; kw < t->kernel_w; kw++) {
				int32_t weight = (int32_t)(uint8_t)(w[(c * t->kernel_h + kh) * t->kernel_w + kw] ^ w_flip) -
						 w_flip - job->w_zero[f];
				int64_t at = (int64_t)kw * t->dilation_w - (int64_t)t->lead_cols;
				uint32_t begin, end;

				inside(t, first, count, at, &begin, &end);
				if (begin < end)
					add_tap(sum + begin,
						plane + (uint64_t)row * t->in_w +
							(uint64_t)((int64_t)(first + begin) * t->stride_w + at),
						end - begin, t->stride_w, x_flip, t->x_zero + x_flip, weight);
			}
		}
	}
	for (uint32_t i = 0; i < count; i++)
		y[i] = requantise(t, sum[i], job->bias[f], job->mult[f]);
}

static void portable(const struct conv2d_job *job, const struct conv2d_group *g)
{
	const struct conv2d_tile *t = &job->t;

	for (uint32_t f = g->first; f < g->first + g->count; f++)
		for (uint32_t oh = 0; oh < t->out_rows; oh++)
			for (uint32_t ow = 0; ow < t->out_cols; ow += SEGMENT)
				segment(job, g, f, oh, ow, t->out_cols - ow < SEGMENT ? t->out_cols - ow : SEGMENT);
}

static void convolve(const struct conv2d_job *job)
{
	const struct conv2d_tile *t = &job->t;
	uint32_t room = t->group_filters - t->first_in_group;
	struct conv2d_group g = { 0, 0, 0 };
	int avx2 = simd_avx2();

	for (uint32_t i = 0; i < t->groups; i++) {
		int done = 0;

		g.count = t->filters - g.first < room ? t->filters - g.first : room;
#if defined(__x86_64__)
		if (avx2)
			done = t->channels == 1 && g.count < 8 ? conv2d_depthwise_avx2(job, &g)
							       : conv2d_group_avx2(job, &g);
#endif
		if (!done)
			portable(job, &g);
		g.first += g.count;
		g.channel += t->channels;
		room = t->group_filters;
	}
	(void)avx2;
}

void conv2d(const uint8_t *x, uint64_t x_bytes, const uint8_t *w, uint64_t w_bytes, const int32_t *coef,
	    uint64_t coef_bytes, uint8_t *y, uint64_t y_bytes, uint32_t *status, uint64_t status_bytes,
	    uint32_t first_filter, uint32_t filters, uint32_t group_filters, uint32_t channels, uint32_t in_h,
	    uint32_t in_w, uint32_t band_row, uint32_t band_rows, uint32_t kernel_h, uint32_t kernel_w, uint32_t stride,
	    uint32_t dilation, uint32_t pad_top, uint32_t pad_left, uint32_t out_w, uint32_t out_row, uint32_t out_rows,
	    uint32_t out_col, uint32_t out_cols, uint32_t x_pitch, uint32_t x_stride, uint32_t x_skew, uint32_t x_mask,
	    uint32_t y_pitch, int32_t x_zero, int32_t y_zero, uint32_t flags, int32_t clip_lo, int32_t clip_hi)
{
	struct conv2d_job job = { .t = CONV2D_TILE_OF_ARGUMENTS, .x = x, .x_bytes = x_bytes, .w = w, .y = y };
	uint32_t code, detail, filter = 0;

	if (status_bytes < KERNEL_STATUS_WORDS * 4)
		return; /* nowhere to report to */
	code = conv2d_check(&job.t, x_bytes, w_bytes, coef_bytes, y_bytes, &detail);
	if (code == KERNEL_OK) {
		while (filter < filters) {
			memcpy(&job.bias[filter], &coef[filter * CONV2D_COEF_WORDS + CONV2D_COEF_BIAS], 4);
			memcpy(&job.w_zero[filter], &coef[filter * CONV2D_COEF_WORDS + CONV2D_COEF_ZERO], 4);
			memcpy(&job.mult[filter], &coef[filter * CONV2D_COEF_WORDS + CONV2D_COEF_MULT], 4);
			if (!conv2d_check_zero(&job.t, job.w_zero[filter]))
				break;
			filter++;
		}
		if (filter < filters) {
			code = KERNEL_BAD_SHAPE;
			detail = CONV2D_CHECK_W_ZERO;
		} else {
			filter = 0;
			convolve(&job);
		}
	}
	status[1] = detail;
	status[2] = filter;
	status[3] = 0;
	status[0] = code;
}
