/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What conv2d checks before it touches memory, and what follows from its arguments. One implementation for the HLS kernel
 * and for the fast version. Arguments come from whoever submits a run: any value at all, so nothing here may overflow,
 * whatever it is given.
 */
#ifndef KERNELS_CONV2D_CHECK_H
#define KERNELS_CONV2D_CHECK_H

#include "conv2d.h"

/* status[1] of KERNEL_BAD_SHAPE: the first check that failed, in this order */
#define CONV2D_CHECK_FILTERS 1u	 /* filters or group_filters is 0, or filters > CONV2D_FILTERS */
#define CONV2D_CHECK_TERMS   2u	 /* channels or the kernel is 0, or their product > CONV2D_MAX_TERMS */
#define CONV2D_CHECK_STEP    3u	 /* a stride or dilation is 0 */
#define CONV2D_CHECK_IMAGE   4u	 /* in_h or in_w is 0, or the band is not inside of the image */
#define CONV2D_CHECK_OUT     5u	 /* no outputs, or columns beyond out_w */
#define CONV2D_CHECK_ACC     6u	 /* filters * out_rows * out_cols > CONV2D_ACC_WORDS */
#define CONV2D_CHECK_WEIGHTS 7u	 /* filters * kernel_h * kernel_w > CONV2D_W_BYTES */
#define CONV2D_CHECK_WINDOW  8u	 /* the input window of a channel > CONV2D_X_BYTES */
#define CONV2D_CHECK_BAND    9u	 /* the band lacks rows that the outputs need */
#define CONV2D_CHECK_FLAGS   10u /* unknown flags */
#define CONV2D_CHECK_RANGE   11u /* x_zero, y_zero or the clip leaves the range of its type, or clip_lo > clip_hi */
#define CONV2D_CHECK_Y_PITCH 12u /* filters' outputs would overlap */
#define CONV2D_CHECK_W_ZERO  13u /* a weight zero point leaves the range of its type; status[2]: the filter */

/* status[1] of KERNEL_BAD_RANGE */
#define CONV2D_BUFFER_X	   0u
#define CONV2D_BUFFER_W	   1u
#define CONV2D_BUFFER_COEF 2u
#define CONV2D_BUFFER_Y	   3u

/* The scalar arguments, and below them what conv2d_check() derives. */
struct conv2d_tile {
	uint32_t first_filter, filters, group_filters, channels;
	uint32_t in_h, in_w, band_row, band_rows;
	uint32_t kernel_h, kernel_w, stride, dilation, pad_top, pad_left;
	uint32_t out_w, out_row, out_rows, out_col, out_cols;
	uint32_t x_pitch, x_stride, x_skew, x_mask, y_pitch;
	int32_t x_zero, y_zero;
	uint32_t flags;
	int32_t clip_lo, clip_hi;

	uint32_t stride_h, stride_w, dilation_h, dilation_w;
	uint32_t taps;		 /* kernel_h * kernel_w */
	uint32_t first_in_group; /* position of the tile's first filter in its group */
	uint32_t groups;	 /* groups that the tile's filters belong to */
	/*
	 * The window: smallest rectangle of the image that holds whatever the outputs read from it. Output row r of the
	 * tile reads window rows r * stride_h + kh * dilation_h - lead_rows; those outside of [0, rows) are padding.
	 * Columns likewise.
	 */
	uint32_t rows, cols; /* 0, 0: nothing but padding is read */
	uint64_t lead_rows, lead_cols;
	uint64_t window; /* of the window's first element from the channel's first element in x */
};

/* A tile from the kernel's parameters, which all have the names of the members. */
#define CONV2D_TILE_OF_ARGUMENTS                                                                                         \
	{                                                                                                                \
		first_filter, filters, group_filters, channels, in_h, in_w, band_row, band_rows, kernel_h, kernel_w,     \
			stride, dilation, pad_top, pad_left, out_w, out_row, out_rows, out_col, out_cols, x_pitch,       \
			x_stride, x_skew, x_mask, y_pitch, x_zero, y_zero, flags, clip_lo, clip_hi, 0, 0, 0, 0, 0, 0, 0, \
			0, 0, 0, 0, 0                                                                                    \
	}

/* Where channel @c (0: first channel of the first filter's group) starts in x. c < 2^25, so the sum stays below 2^58. */
static inline uint64_t conv2d_channel(const struct conv2d_tile *t, uint32_t c)
{
	uint32_t skew = (t->x_skew + c * t->x_stride) & t->x_mask; /* modulo 2^32: the mask has no higher bits */

	return (uint64_t)c * t->x_pitch + skew;
}

static inline int32_t conv2d_lowest(uint32_t is_signed)
{
	return is_signed ? -128 : 0;
}

/*
 * The window along one axis. @first and @last: what the outputs read, counted in the image's coordinates, padding included.
 * Returns how much of it lies in the image of @size; *start: where in the image, *lead: padding before it.
 */
static inline uint64_t conv2d_window(int64_t first, int64_t last, uint32_t size, uint32_t *start, uint64_t *lead)
{
	int64_t lo = first < 0 ? 0 : first;
	int64_t hi = last >= (int64_t)size ? (int64_t)size - 1 : last;

	if (lo > hi)
		return 0;
	*start = (uint32_t)lo;
	*lead = (uint64_t)(lo - first);
	return (uint64_t)(hi - lo) + 1;
}

/* Derive and check the tile. 0, or the CONV2D_CHECK_ that failed. */
static inline uint32_t conv2d_check_shape(struct conv2d_tile *t)
{
	int32_t x_low = conv2d_lowest(t->flags & CONV2D_X_SIGNED), y_low = conv2d_lowest(t->flags & CONV2D_Y_SIGNED);
	uint64_t rows, cols;
	int64_t first_row, first_col;
	uint32_t row = 0, col = 0;

	if (t->filters == 0 || t->filters > CONV2D_FILTERS || t->group_filters == 0)
		return CONV2D_CHECK_FILTERS;
	if (t->channels == 0 || t->kernel_h == 0 || t->kernel_w == 0 || t->channels > CONV2D_MAX_TERMS ||
	    t->kernel_h > CONV2D_MAX_TERMS || t->kernel_w > CONV2D_MAX_TERMS ||
	    (uint64_t)t->channels * t->kernel_h * t->kernel_w > CONV2D_MAX_TERMS)
		return CONV2D_CHECK_TERMS;
	t->stride_h = t->stride & 0xffff;
	t->stride_w = t->stride >> 16;
	t->dilation_h = t->dilation & 0xffff;
	t->dilation_w = t->dilation >> 16;
	if (t->stride_h == 0 || t->stride_w == 0 || t->dilation_h == 0 || t->dilation_w == 0)
		return CONV2D_CHECK_STEP;
	if (t->in_h == 0 || t->in_w == 0 || (uint64_t)t->band_row + t->band_rows > t->in_h)
		return CONV2D_CHECK_IMAGE;
	if (t->out_rows == 0 || t->out_cols == 0 || (uint64_t)t->out_col + t->out_cols > t->out_w)
		return CONV2D_CHECK_OUT;
	if (t->out_rows > CONV2D_ACC_WORDS || t->out_cols > CONV2D_ACC_WORDS ||
	    (uint64_t)t->filters * t->out_rows * t->out_cols > CONV2D_ACC_WORDS)
		return CONV2D_CHECK_ACC;
	t->taps = t->kernel_h * t->kernel_w;
	if (t->filters * t->taps > CONV2D_W_BYTES)
		return CONV2D_CHECK_WEIGHTS;

	t->first_in_group = t->first_filter % t->group_filters;
	t->groups = (uint32_t)(((uint64_t)t->first_in_group + t->filters + t->group_filters - 1) / t->group_filters);

	/* Each product is below 2^48, each sum below 2^50. */
	first_row = (int64_t)t->out_row * t->stride_h - t->pad_top;
	first_col = (int64_t)t->out_col * t->stride_w - t->pad_left;
	rows = conv2d_window(first_row,
			     first_row + (int64_t)(t->out_rows - 1) * t->stride_h +
				     (int64_t)(t->kernel_h - 1) * t->dilation_h,
			     t->in_h, &row, &t->lead_rows);
	cols = conv2d_window(first_col,
			     first_col + (int64_t)(t->out_cols - 1) * t->stride_w +
				     (int64_t)(t->kernel_w - 1) * t->dilation_w,
			     t->in_w, &col, &t->lead_cols);
	if (rows > 0 && cols > 0) {
		if (rows > CONV2D_X_BYTES || cols > CONV2D_X_BYTES || rows * cols > CONV2D_X_BYTES)
			return CONV2D_CHECK_WINDOW;
		if (row < t->band_row || row + rows > (uint64_t)t->band_row + t->band_rows)
			return CONV2D_CHECK_BAND;
		t->rows = (uint32_t)rows;
		t->cols = (uint32_t)cols;
		t->window = (uint64_t)(row - t->band_row) * t->in_w + col; /* at most (2^32 - 1)^2 + 2^32 */
	}

	if (t->flags & ~(CONV2D_X_SIGNED | CONV2D_W_SIGNED | CONV2D_Y_SIGNED))
		return CONV2D_CHECK_FLAGS;
	if (t->x_zero < x_low || t->x_zero > x_low + 255 || t->y_zero < y_low || t->y_zero > y_low + 255 ||
	    t->clip_lo < y_low || t->clip_hi > y_low + 255 || t->clip_lo > t->clip_hi)
		return CONV2D_CHECK_RANGE;
	if (t->filters > 1 && t->y_pitch < (uint64_t)(t->out_rows - 1) * t->out_w + t->out_cols)
		return CONV2D_CHECK_Y_PITCH;
	return 0;
}

/* 1 when every access to x lies inside of it. */
static inline uint32_t conv2d_check_x(const struct conv2d_tile *t, uint64_t x_bytes)
{
	uint32_t channels = t->groups * t->channels; /* at most 1024 * 32768 */
	uint64_t span;

	if (t->rows == 0)
		return 1;
	if (t->window > x_bytes)
		return 0;
	span = t->window + (uint64_t)(t->rows - 1) * t->in_w + t->cols; /* the second term is below 2^50 */
	if (span < t->window || span > x_bytes)
		return 0;
	for (uint32_t c = 0; c < channels; c++) {
#if defined(__SYNTHESIS__) && !defined(__BAMBU__) /* no warnings where this header is only included */
#pragma HLS LOOP_TRIPCOUNT min=1 max=2048
#endif
		if (conv2d_channel(t, c) > x_bytes - span)
			return 0;
	}
	return 1;
}

/* All checks that need no memory access: KERNEL_OK, or what to report with *detail. */
static inline uint32_t conv2d_check(struct conv2d_tile *t, uint64_t x_bytes, uint64_t w_bytes, uint64_t coef_bytes,
				    uint64_t y_bytes, uint32_t *detail)
{
	*detail = conv2d_check_shape(t);
	if (*detail)
		return KERNEL_BAD_SHAPE;
	*detail = CONV2D_BUFFER_X;
	if (!conv2d_check_x(t, x_bytes))
		return KERNEL_BAD_RANGE;
	*detail = CONV2D_BUFFER_W;
	if ((uint64_t)t->filters * t->channels * t->taps > w_bytes)
		return KERNEL_BAD_RANGE;
	*detail = CONV2D_BUFFER_COEF;
	if ((uint64_t)t->filters * CONV2D_COEF_WORDS * 4 > coef_bytes)
		return KERNEL_BAD_RANGE;
	*detail = CONV2D_BUFFER_Y;
	if ((uint64_t)(t->filters - 1) * t->y_pitch + (uint64_t)(t->out_rows - 1) * t->out_w + t->out_col + t->out_cols >
	    y_bytes)
		return KERNEL_BAD_RANGE;
	*detail = 0;
	return KERNEL_OK;
}

/* 1 when a weight zero point is in its type's range, on which the exactness of the 32-bit sum rests. */
static inline uint32_t conv2d_check_zero(const struct conv2d_tile *t, int32_t w_zero)
{
	int32_t low = conv2d_lowest(t->flags & CONV2D_W_SIGNED);

	return w_zero >= low && w_zero <= low + 255;
}

#endif
