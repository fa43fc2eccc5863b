// SPDX-License-Identifier: BSD-2-Clause
/*
 * nn_conv for the emulated card: same prototype, checks, status and result (to the bit) as the HLS kernel, fast on a CPU.
 *
 *   for each image, group, band of conv rows whose input fits the L2 cache:
 *     padding needed: copy the band's input with a border of x_zero; else read it where it is
 *     for each panel of up to 64 filters: nn_conv_panel_*(), which keeps sums in registers from the first tap to the last
 *   pool: conv rows go to a buffer of the rows that its windows still need, and from there to y
 *
 * The tiles of the card play no part here, but those that it has no room for are refused.
 */
#include <stdlib.h>
#include <string.h>

#include "nn_conv_fast.h"
#include "../scratch.h"
#include "../simd.h"

#define BAND_BYTES    (384u << 10) /* what a band's input may take of the L2 cache */
#define POOL_BYTES    (128u << 10) /* and the conv rows in front of a pool */
#define POOL_FILTERS  256u	     /* of them at a time */
#define SCRATCH_LIMIT (64u << 20)  /* more than any sensible layer needs; a run that asks for more is left to the portable loops */

enum isa { PORTABLE, AVX2, AVX512 };

/* How an image's input is read, a band at a time. */
struct bands {
	enum isa isa;
	uint32_t element;    /* bytes of an element: 1, or 2 for AVX2 */
	uint64_t rows, cols; /* input rows between the first and the last of a conv row's kernel; likewise columns of all of a row's outputs */
	uint64_t each;	     /* conv rows of a band */
	int narrow;	     /* all columns are inside of the image */
	size_t *run_at;	     /* taps entries */
	uint8_t *copy;	     /* for a band */
};

/* 0 when there is no memory for it. */
static int plan(const struct nn_conv_args *a, enum isa isa, struct bands *b)
{
	uint64_t row_bytes, most;
	size_t runs = ((size_t)a->taps * sizeof(*b->run_at) + 63) & ~(size_t)63;

	b->isa = isa;
	b->element = isa == AVX2 ? 2 : 1;
	b->rows = (uint64_t)(a->kernel_h - 1) * a->dilation_h + 1;
	b->cols = (uint64_t)(a->out_w - 1) * a->stride_w + (uint64_t)(a->kernel_w - 1) * a->dilation_w + 1;
	b->narrow = a->pad_left == 0 && b->cols <= a->in_w && isa == AVX512;
	if (b->cols > SCRATCH_LIMIT || b->rows > SCRATCH_LIMIT)
		return 0;
	row_bytes = b->cols * a->channels * b->element; /* at most 2^26 * 2^16 */
	if (row_bytes > SCRATCH_LIMIT || row_bytes * b->rows > SCRATCH_LIMIT)
		return 0;
	most = BAND_BYTES / row_bytes;
	b->each = most > b->rows ? (most - b->rows) / a->stride_h + 1 : 1;
	/* Bands overlap by the kernel's rows; they should not be copied again and again. */
	if (b->each * a->stride_h < 2 * b->rows)
		b->each = nn_conv_ceil(2 * b->rows, a->stride_h);
	if (b->each > a->out_h)
		b->each = a->out_h;
	if (row_bytes * (b->rows + (b->each - 1) * a->stride_h) > SCRATCH_LIMIT)
		b->each = 1;
	b->run_at = scratch_get(0, runs + row_bytes * (b->rows + (b->each - 1) * a->stride_h));
	b->copy = (uint8_t *)b->run_at + runs;
	return b->run_at != NULL;
}

static void widen(int16_t *to, const uint8_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = from[i];
}

/* @n elements, given as bytes, or (@from NULL) of x_zero. */
static uint8_t *put(const struct bands *b, uint8_t *to, const uint8_t *from, uint32_t x_zero, size_t n)
{
	if (b->element == 1 && from)
		memcpy(to, from, n);
	else if (b->element == 1)
		memset(to, (int)x_zero, n);
	else if (from)
		widen((int16_t *)(void *)to, from, n);
	else
		for (size_t i = 0; i < n; i++)
			((int16_t *)(void *)to)[i] = (int16_t)x_zero;
	return to + n * b->element;
}

/* Input rows [first, first + rows) (outside of the image: x_zero) with the columns that the outputs read. @x: the group's first channel */
static void copy_band(const struct nn_conv_args *a, const struct bands *b, const uint8_t *x, int64_t first, uint64_t rows)
{
	uint64_t left = nn_conv_min(a->pad_left, b->cols), inside = nn_conv_min(b->cols - left, a->in_w);
	uint64_t right = b->cols - left - inside;
	uint8_t *to = b->copy;

	for (int64_t row = first; row < first + (int64_t)rows; row++) {
		const uint8_t *from;

		if (row < 0 || row >= (int64_t)a->in_h) {
			to = put(b, to, NULL, a->x_zero, b->cols * a->channels);
			continue;
		}
		from = x + (uint64_t)row * a->in_w * a->x_pitch;
		to = put(b, to, NULL, a->x_zero, left * a->channels);
		if (a->x_pitch == a->channels) {
			to = put(b, to, from, 0, inside * a->channels);
		} else {
			for (uint64_t col = 0; col < inside; col++) {
				to = put(b, to, from, 0, a->channels);
				from += a->x_pitch;
			}
		}
		to = put(b, to, NULL, a->x_zero, right * a->channels);
	}
}

/* Where a band's input is and how its taps lie in it: taps that lie without gaps are one run. */
static void place_band(const struct nn_conv_args *a, const struct bands *b, const uint8_t *x, uint64_t begin, uint64_t end,
		       struct nn_conv_panel *p)
{
	int64_t first = (int64_t)(begin * a->stride_h) - a->pad_top;
	uint64_t rows = (end - begin - 1) * a->stride_h + b->rows;
	size_t pixel, line;
	int joined;

	if (b->narrow && first >= 0 && first + (int64_t)rows <= (int64_t)a->in_h) {
		pixel = a->x_pitch;
		line = pixel * a->in_w;
		p->x = x + (uint64_t)first * line;
	} else {
		copy_band(a, b, x, first, rows);
		pixel = (size_t)a->channels * b->element;
		line = pixel * b->cols;
		p->x = b->copy;
	}
	p->x_row = line * a->stride_h;
	p->x_col = pixel * a->stride_w;
	joined = a->kernel_w == 1 || pixel * a->dilation_w == (size_t)a->channels * b->element;
	p->runs = joined ? a->kernel_h : a->taps;
	p->quads = a->channels / 4 * (joined ? a->kernel_w : 1);
	for (uint32_t kh = 0; kh < a->kernel_h; kh++) {
		if (joined) {
			b->run_at[kh] = kh * a->dilation_h * line;
			continue;
		}
		for (uint32_t kw = 0; kw < a->kernel_w; kw++)
			b->run_at[kh * a->kernel_w + kw] = kh * a->dilation_h * line + kw * a->dilation_w * pixel;
	}
	p->run_at = b->run_at;
}

/* So that sums of two products with differences of bytes stay within 32 bits. Not so a NaN. */
static int is_small(uint32_t mult)
{
	return nn_float(mult) >= -0x1p20f && nn_float(mult) <= 0x1p20f;
}

/* The panel's coefficients, copied once: the buffer may change under a running kernel. */
static void take_coef(const struct nn_conv_job *job, uint32_t group, uint32_t first, struct nn_conv_panel *p)
{
	const uint32_t *coef = job->coef + nn_conv_coef_at(&job->a, group, first);

	p->saturate = 0;
	p->small = !(job->a.flags & NN_CONV_RESIDUAL) || (is_small(job->a.v_mult) && is_small(job->a.r_mult));
	for (uint32_t f = 0; f < p->blocks * NN_BLOCK; f++) {
		p->bias[f] = (int32_t)coef[f * NN_CONV_COEF_WORDS + NN_CONV_COEF_BIAS];
		p->mult[f] = nn_float(coef[f * NN_CONV_COEF_WORDS + NN_CONV_COEF_MULT]);
		p->small &= p->mult[f] >= -0.5f && p->mult[f] <= 0.5f; /* not so a NaN */
		p->saturate |= p->bias[f] > NN_CONV_SMALL_BIAS || p->bias[f] < -NN_CONV_SMALL_BIAS;
	}
}

/* As nn_conv_rows_portable(), with the instruction set of @b. */
static void conv_rows(const struct nn_conv_job *job, const struct bands *b, uint32_t image, uint32_t group, uint32_t first, uint32_t count,
		      uint64_t begin, uint64_t end, uint8_t *y, size_t y_pitch, const uint8_t *r)
{
	const struct nn_conv_args *a = &job->a;
	const uint8_t *x = job->x + (uint64_t)image * a->x_image + (uint64_t)group * a->channels;
	const int8_t *w = job->w + ((uint64_t)group * a->filters + first) * a->channels * a->taps;
	uint32_t blocks = count / NN_BLOCK;
	struct nn_conv_panel p = { .a = a, .cols = a->out_w, .y_pitch = y_pitch, .r_pitch = a->r_pitch };

	if (b->isa == PORTABLE) {
		nn_conv_rows_portable(job, image, group, first, count, begin, end, y, y_pitch, r);
		return;
	}
	p.y_row = y_pitch * a->out_w;
	p.r_row = (size_t)a->r_pitch * a->out_w;
	p.w_block = (size_t)a->channels * a->taps * NN_BLOCK;
	p.w_end = w + p.w_block * blocks;
	for (uint64_t row = begin; row < end; row += p.rows) {
		uint32_t panels = (uint32_t)nn_conv_ceil(blocks, NN_CONV_PANEL / NN_BLOCK), left = blocks, f = 0;

		p.rows = (uint32_t)nn_conv_min(b->each, end - row);
		place_band(a, b, x, row, row + p.rows, &p);
		for (; panels > 0; panels--) {
			p.blocks = left / panels;
			take_coef(job, group, first + f, &p);
			p.w = w + p.w_block * (f / NN_BLOCK);
			p.y = y + (row - begin) * p.y_row + f;
			p.r = r ? r + (row - begin) * p.r_row + f : NULL;
#if defined(__x86_64__)
			if (b->isa == AVX512)
				nn_conv_panel_avx512(&p);
			else
				nn_conv_panel_avx2(&p);
#endif
			f += p.blocks * NN_BLOCK;
			left -= p.blocks;
		}
	}
}

/* to[i] = max(to[i], from[i]) */
static void maximum(uint8_t *to, const uint8_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = from[i] > to[i] ? from[i] : to[i];
}

/* One pooled row of @count filters from conv rows @rows, of which @first is at @conv. */
static void pool_row(const struct nn_conv_args *a, const uint8_t *conv, uint64_t first, struct nn_conv_span rows, uint32_t count, uint8_t *y)
{
	for (uint32_t col = 0; col < a->pool_out_w; col++) {
		struct nn_conv_span cols = nn_conv_cover(col, 1, a->pool_stride_w, a->pool_w, a->pool_left, a->out_w);

		memset(y, 0, count);
		for (uint64_t i = rows.begin; i < rows.end; i++)
			for (uint64_t j = cols.begin; j < cols.end; j++)
				maximum(y, conv + ((i - first) * a->out_w + j) * count, count);
		y += a->y_pitch;
	}
}

/* The run's pooled rows of some filters. @buffer holds conv rows [have.begin, have.end); each is computed once. */
static void pooled_rows(const struct nn_conv_job *job, const struct bands *b, uint32_t image, uint32_t group, uint32_t first, uint32_t count,
			uint8_t *buffer, uint64_t room, uint8_t *y)
{
	const struct nn_conv_args *a = &job->a;
	size_t line = (size_t)a->out_w * count;
	struct nn_conv_span have = { 0, 0 };

	for (uint64_t row = 0; row < a->rows; row++) {
		struct nn_conv_span need = nn_conv_rows(a, a->first_row + row, 1);

		if (need.end > have.end) {
			uint64_t keep = have.end > need.begin ? have.end - need.begin : 0;
			struct nn_conv_span all = nn_conv_rows(a, a->first_row, a->rows);

			memmove(buffer, buffer + (have.end - keep - have.begin) * line, keep * line);
			have.begin = need.begin;
			have.end = nn_conv_min(need.begin + room, all.end);
			conv_rows(job, b, image, group, first, count, have.begin + keep, have.end, buffer + keep * line, count, NULL);
		}
		pool_row(a, buffer, have.begin, need, count, y + row * a->pool_out_w * a->y_pitch);
	}
}

/* When there is no memory for conv rows: each window's on their own. */
static void pooled_portable(const struct nn_conv_job *job, uint32_t image, uint32_t group, uint32_t first, uint64_t row, uint8_t *y)
{
	const struct nn_conv_args *a = &job->a;
	struct nn_conv_span rows = nn_conv_rows(a, a->first_row + row, 1);
	uint8_t one[NN_BLOCK];

	y += row * a->pool_out_w * a->y_pitch;
	for (uint32_t col = 0; col < a->pool_out_w; col++) {
		struct nn_conv_span cols = nn_conv_cover(col, 1, a->pool_stride_w, a->pool_w, a->pool_left, a->out_w);

		memset(y, 0, NN_BLOCK);
		for (uint64_t i = rows.begin; i < rows.end; i++) {
			for (uint64_t j = cols.begin; j < cols.end; j++) {
				nn_conv_pixel_portable(job, image, group, first, i, (uint32_t)j, one, NULL);
				maximum(y, one, NN_BLOCK);
			}
		}
		y += a->y_pitch;
	}
}

/* Conv rows of the run's largest window: * out_w at most NN_CONV_POOL_BYTES / NN_FILTERS, as was checked. pool_h may be far more: it counts padding. */
static uint64_t largest_window(const struct nn_conv_args *a)
{
	uint64_t most = 0;

	for (uint64_t row = 0; row < a->rows; row++) {
		struct nn_conv_span s = nn_conv_rows(a, a->first_row + row, 1);

		most = s.end - s.begin > most ? s.end - s.begin : most;
	}
	return most;
}

/* The run's pooled rows of a group of an image. */
static void pooled(const struct nn_conv_job *job, const struct bands *b, uint32_t image, uint32_t group, uint8_t *y)
{
	const struct nn_conv_args *a = &job->a;
	uint32_t each = a->filters < POOL_FILTERS ? a->filters : POOL_FILTERS;
	size_t line = (size_t)a->out_w * each;
	uint64_t window = largest_window(a), room = POOL_BYTES / line > window ? POOL_BYTES / line : window;
	uint8_t *buffer = scratch_get(1, room * line);

	for (uint32_t f = 0; f < a->filters; f += each) {
		each = a->filters - f < each ? a->filters - f : each;
		if (buffer) {
			pooled_rows(job, b, image, group, f, each, buffer, room, y + f);
			continue;
		}
		for (uint32_t k = 0; k < each; k += NN_BLOCK)
			for (uint64_t row = 0; row < a->rows; row++)
				pooled_portable(job, image, group, f + k, row, y + f + k);
	}
}

static void convolve(const struct nn_conv_job *job, enum isa isa)
{
	const struct nn_conv_args *a = &job->a;
	struct bands b = { .isa = PORTABLE };

	if (isa != PORTABLE && !plan(a, isa, &b))
		b.isa = PORTABLE;
	for (uint32_t n = 0; n < a->images; n++) {
		for (uint32_t g = 0; g < a->groups; g++) {
			uint64_t begin = a->first_row, pixel = begin * a->y_cols;
			uint8_t *y = job->y + (uint64_t)n * a->y_image + pixel * a->y_pitch + (uint64_t)g * a->filters;
			const uint8_t *r = NULL;

			if (a->flags & NN_CONV_RESIDUAL)
				r = job->r + (uint64_t)n * a->r_image + pixel * a->r_pitch + (uint64_t)g * a->filters;
			if (a->pool)
				pooled(job, &b, n, g, y);
			else
				conv_rows(job, &b, n, g, 0, a->filters, begin, begin + a->rows, y, a->y_pitch, r);
		}
	}
}

void nn_conv(const uint8_t *x, uint64_t x_bytes, const int8_t *w, uint64_t w_bytes, const uint32_t *coef, uint64_t coef_bytes,
	     const uint8_t *r, uint64_t r_bytes, uint8_t *y, uint64_t y_bytes, uint32_t *status, uint64_t status_bytes,
	     uint32_t images, uint32_t in_h, uint32_t in_w, uint32_t channels, uint32_t x_pitch, uint32_t x_image,
	     uint32_t groups, uint32_t filters, uint32_t kernel, uint32_t stride, uint32_t dilation, uint32_t pad,
	     uint32_t out_h, uint32_t out_w, uint32_t y_pitch, uint32_t y_image, uint32_t x_zero, uint32_t zero, uint32_t clip,
	     uint32_t r_pitch, uint32_t r_image, uint32_t r_zero, uint32_t v_mult, uint32_t r_mult, uint32_t sum_zero, uint32_t sum_clip,
	     uint32_t pool, uint32_t pool_stride, uint32_t pool_pad, uint32_t pool_out_h, uint32_t pool_out_w,
	     uint32_t first_row, uint32_t rows, uint32_t tile_rows, uint32_t tile_filters, uint32_t tile_channels, uint32_t flags)
{
	struct nn_conv_job job = { .a = NN_CONV_ARGUMENTS, .x = x, .r = r, .w = w, .coef = coef, .y = y };
	uint32_t code, detail;

	if (status_bytes < KERNEL_STATUS_WORDS * 4)
		return; /* nowhere to report to */
	code = nn_conv_check(&job.a, x_bytes, w_bytes, coef_bytes, r_bytes, y_bytes, &detail);
	if (code == KERNEL_OK)
		convolve(&job, simd_avx512() ? AVX512 : simd_avx2() ? AVX2 : PORTABLE);
	status[1] = detail;
	status[2] = 0;
	status[3] = 0;
	status[0] = code;
}
