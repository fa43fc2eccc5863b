/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What nn_conv checks before it touches memory, and what follows from its arguments. One implementation for the HLS kernel and for the fast
 * version, which so refuses what would not fit the card. Arguments come from whoever submits a run: any value at all, so nothing here may
 * overflow, whatever it is given.
 */
#ifndef KERNELS_NN_CONV_CHECK_H
#define KERNELS_NN_CONV_CHECK_H

#include "../nn_check.h"
#include "nn_conv.h"

/* status[1] of KERNEL_BAD_SHAPE: the first check that failed, in this order; the buffers (KERNEL_BAD_RANGE) come after NN_CONV_CHECK_TILE. */
#define NN_CONV_CHECK_FLAGS    1u  /* unknown flags, or a residual and a pool */
#define NN_CONV_CHECK_TERMS    2u  /* channels is 0 or not a multiple of NN_LANES, the kernel is 0, or their product > NN_MAX_TERMS */
#define NN_CONV_CHECK_FILTERS  3u  /* groups or filters is 0, or filters is not a multiple of NN_BLOCK */
#define NN_CONV_CHECK_STEP     4u  /* a stride or dilation is 0 */
#define NN_CONV_CHECK_IMAGE    5u  /* images, in_h, in_w, out_h or out_w is 0 */
#define NN_CONV_CHECK_POOL     6u  /* a pool size or stride is 0, or the first or last window misses the convolution's output */
#define NN_CONV_CHECK_ROWS     7u  /* no rows, or rows beyond the output */
#define NN_CONV_CHECK_X_PITCH  8u  /* x_pitch or x_image: not a multiple of NN_LANES, or too small */
#define NN_CONV_CHECK_Y_PITCH  9u  /* y_pitch or y_image: likewise */
#define NN_CONV_CHECK_R_PITCH  10u /* r_pitch or r_image: likewise */
#define NN_CONV_CHECK_NUMBERS  11u /* a zero point or clip is not a byte, or lo > hi */
#define NN_CONV_CHECK_TILE     12u /* a tile size is 0 or not the multiple it must be, or tile_channels > channels */
#define NN_CONV_CHECK_W_TILE   13u /* tile_filters * kernel_h * kernel_w * tile_channels > NN_CONV_W_BYTES */
#define NN_CONV_CHECK_X_TILE   14u /* a tile's input, its pixels rounded up to NN_CONV_BANKS, > NN_CONV_X_BYTES */
#define NN_CONV_CHECK_ACC      15u /* tile_channels < channels, and the partial sums are more than NN_CONV_ACC_GROUPS */
#define NN_CONV_CHECK_POOL_ROW 16u /* a tile's rows for the pool > NN_CONV_POOL_BYTES */

/* status[1] of KERNEL_BAD_RANGE: position among the pointer arguments */
#define NN_CONV_BUFFER_X    0u
#define NN_CONV_BUFFER_W    1u
#define NN_CONV_BUFFER_COEF 2u
#define NN_CONV_BUFFER_R    3u
#define NN_CONV_BUFFER_Y    4u

/* The scalar arguments, and below them what nn_conv_check() derives. */
struct nn_conv_args {
	uint32_t images, in_h, in_w, channels, x_pitch, x_image;
	uint32_t groups, filters, kernel, stride, dilation, pad;
	uint32_t out_h, out_w, y_pitch, y_image, x_zero, zero, clip;
	uint32_t r_pitch, r_image, r_zero, v_mult, r_mult, sum_zero, sum_clip;
	uint32_t pool, pool_stride, pool_pad, pool_out_h, pool_out_w;
	uint32_t first_row, rows, tile_rows, tile_filters, tile_channels, flags;

	uint32_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
	uint32_t taps;		/* kernel_h * kernel_w */
	uint32_t pool_h, pool_w; /* 0, 0: no pool */
	uint32_t pool_stride_h, pool_stride_w, pool_top, pool_left;
	uint32_t y_rows, y_cols; /* the whole output: pooled, when there is a pool */
};

/* From the kernel's parameters, which all have the names of the members. */
#define NN_CONV_ARGUMENTS                                                                                                                      \
	{                                                                                                                                      \
		images, in_h, in_w, channels, x_pitch, x_image, groups, filters, kernel, stride, dilation, pad, out_h, out_w, y_pitch,         \
			y_image, x_zero, zero, clip, r_pitch, r_image, r_zero, v_mult, r_mult, sum_zero, sum_clip, pool, pool_stride,          \
			pool_pad, pool_out_h, pool_out_w, first_row, rows, tile_rows, tile_filters, tile_channels, flags, 0, 0, 0, 0, 0, 0, 0, \
			0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                                                          \
	}

/* Columns are spread over so many banks of the x tile. */
#define NN_CONV_BANKS	   7u
#define NN_CONV_BANK_WORDS (NN_CONV_X_BYTES / NN_LANES / NN_CONV_BANKS)

/*
 * Blocks of NN_FILTERS outputs of groups of NN_PIXELS columns that are computed while those before are stored and residuals of those behind are
 * loaded: enough that pipelines rarely drain, and little to wait for at the end of a run.
 */
#define NN_CONV_SLOTS 128u

/* Rows [begin, end). */
struct nn_conv_span {
	uint64_t begin, end;
};

static inline uint64_t nn_conv_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t nn_conv_ceil(uint64_t n, uint32_t unit)
{
	return (n + unit - 1) / unit;
}

/* What [first, first + count) steps of @stride with windows of @extent behind @pad cover of [0, size). Products < 2^48, sums < 2^50. */
static inline struct nn_conv_span nn_conv_cover(uint64_t first, uint64_t count, uint32_t stride, uint64_t extent, uint32_t pad, uint32_t size)
{
	int64_t begin = (int64_t)(first * stride) - (int64_t)pad;
	int64_t end = (int64_t)((first + count - 1) * stride + extent) - (int64_t)pad;
	struct nn_conv_span s;

	begin = begin < 0 ? 0 : begin;
	end = end > (int64_t)size ? (int64_t)size : end;
	if (begin > end) /* nothing but padding */
		begin = end = 0;
	s.begin = (uint64_t)begin;
	s.end = (uint64_t)end;
	return s;
}

/* The convolution's rows behind output rows [first, first + count): the same ones without a pool. */
static inline struct nn_conv_span nn_conv_rows(const struct nn_conv_args *t, uint64_t first, uint64_t count)
{
	struct nn_conv_span s = { first, first + count };

	return t->pool ? nn_conv_cover(first, count, t->pool_stride_h, t->pool_h, t->pool_top, t->out_h) : s;
}

/* The input rows that the convolution's rows @r (at least one) read. */
static inline struct nn_conv_span nn_conv_inputs(const struct nn_conv_args *t, struct nn_conv_span r)
{
	return nn_conv_cover(r.begin, r.end - r.begin, t->stride_h, (uint64_t)(t->kernel_h - 1) * t->dilation_h + 1, t->pad_top, t->in_h);
}

/* As nn_bad_layout(); the channels are those of all groups, which may be more than 32 bits hold. */
static inline uint32_t nn_conv_bad_layout(uint32_t rows, uint32_t cols, uint64_t channels, uint32_t pitch, uint32_t image)
{
	return channels > pitch || nn_bad_layout(rows, cols, (uint32_t)channels, pitch, image);
}

/* 1 when a pool's windows along one axis are lawful: the first and the last (and so all) reach into the @size rows or columns. */
static inline uint32_t nn_conv_pool_axis(uint32_t window, uint32_t stride, uint32_t pad, uint32_t out, uint32_t size)
{
	return window > 0 && stride > 0 && out > 0 && pad < window && (uint64_t)(out - 1) * stride < (uint64_t)size + pad;
}

/* All but the sizes of the tiles' data. 0, or the NN_CONV_CHECK_ that failed. */
static inline uint32_t nn_conv_check_shape(struct nn_conv_args *t)
{
	t->kernel_h = t->kernel & 0xffff;
	t->kernel_w = t->kernel >> 16;
	t->stride_h = t->stride & 0xffff;
	t->stride_w = t->stride >> 16;
	t->dilation_h = t->dilation & 0xffff;
	t->dilation_w = t->dilation >> 16;
	t->pad_top = t->pad & 0xffff;
	t->pad_left = t->pad >> 16;
	t->pool_h = t->pool & 0xffff;
	t->pool_w = t->pool >> 16;
	t->pool_stride_h = t->pool_stride & 0xffff;
	t->pool_stride_w = t->pool_stride >> 16;
	t->pool_top = t->pool_pad & 0xffff;
	t->pool_left = t->pool_pad >> 16;
	t->y_rows = t->pool ? t->pool_out_h : t->out_h;
	t->y_cols = t->pool ? t->pool_out_w : t->out_w;

	if ((t->flags & ~(NN_CONV_RESIDUAL | NN_CONV_W_STATIONARY)) || ((t->flags & NN_CONV_RESIDUAL) && t->pool))
		return NN_CONV_CHECK_FLAGS;
	if (t->channels == 0 || t->channels % NN_LANES || t->channels > NN_MAX_TERMS || t->kernel_h == 0 || t->kernel_w == 0 ||
	    (uint64_t)t->channels * t->kernel_h * t->kernel_w > NN_MAX_TERMS)
		return NN_CONV_CHECK_TERMS;
	t->taps = t->kernel_h * t->kernel_w;
	if (t->groups == 0 || t->filters == 0 || t->filters % NN_BLOCK)
		return NN_CONV_CHECK_FILTERS;
	if (t->stride_h == 0 || t->stride_w == 0 || t->dilation_h == 0 || t->dilation_w == 0)
		return NN_CONV_CHECK_STEP;
	if (t->images == 0 || t->in_h == 0 || t->in_w == 0 || t->out_h == 0 || t->out_w == 0)
		return NN_CONV_CHECK_IMAGE;
	if (t->pool && (!nn_conv_pool_axis(t->pool_h, t->pool_stride_h, t->pool_top, t->pool_out_h, t->out_h) ||
			!nn_conv_pool_axis(t->pool_w, t->pool_stride_w, t->pool_left, t->pool_out_w, t->out_w)))
		return NN_CONV_CHECK_POOL;
	if (t->rows == 0 || (uint64_t)t->first_row + t->rows > t->y_rows)
		return NN_CONV_CHECK_ROWS;
	if (nn_conv_bad_layout(t->in_h, t->in_w, (uint64_t)t->groups * t->channels, t->x_pitch, t->x_image))
		return NN_CONV_CHECK_X_PITCH;
	if (nn_conv_bad_layout(t->y_rows, t->y_cols, (uint64_t)t->groups * t->filters, t->y_pitch, t->y_image))
		return NN_CONV_CHECK_Y_PITCH;
	if ((t->flags & NN_CONV_RESIDUAL) &&
	    nn_conv_bad_layout(t->y_rows, t->y_cols, (uint64_t)t->groups * t->filters, t->r_pitch, t->r_image))
		return NN_CONV_CHECK_R_PITCH;
	if (t->x_zero > 255 || nn_bad_range(t->zero, t->clip) ||
	    ((t->flags & NN_CONV_RESIDUAL) && (t->r_zero > 255 || nn_bad_range(t->sum_zero, t->sum_clip))))
		return NN_CONV_CHECK_NUMBERS;
	if (t->tile_rows == 0 || t->tile_filters == 0 || t->tile_filters % NN_FILTERS || t->tile_channels == 0 ||
	    t->tile_channels % NN_LANES || t->tile_channels > t->channels)
		return NN_CONV_CHECK_TILE;
	return 0;
}

/* 0, or 1 + the NN_CONV_BUFFER_ that is too short. */
static inline uint32_t nn_conv_check_buffers(const struct nn_conv_args *t, uint64_t x_bytes, uint64_t w_bytes, uint64_t coef_bytes,
					     uint64_t r_bytes, uint64_t y_bytes)
{
	uint32_t filters = t->groups * t->filters; /* at most y_pitch */
	uint32_t rows = t->first_row + t->rows;	   /* at most y_rows */

	if (nn_extent(t->images, t->in_h, t->in_w, t->groups * t->channels, t->x_pitch, t->x_image) > x_bytes)
		return 1 + NN_CONV_BUFFER_X;
	if ((uint64_t)filters * (t->channels * t->taps) > w_bytes) /* at most 2^32 * NN_MAX_TERMS */
		return 1 + NN_CONV_BUFFER_W;
	if ((uint64_t)filters * NN_CONV_COEF_WORDS * 4 > coef_bytes)
		return 1 + NN_CONV_BUFFER_COEF;
	if ((t->flags & NN_CONV_RESIDUAL) && nn_extent(t->images, rows, t->y_cols, filters, t->r_pitch, t->r_image) > r_bytes)
		return 1 + NN_CONV_BUFFER_R;
	if (nn_extent(t->images, rows, t->y_cols, filters, t->y_pitch, t->y_image) > y_bytes)
		return 1 + NN_CONV_BUFFER_Y;
	return 0;
}

/* 0, or the NN_CONV_CHECK_ that failed. */
static inline uint32_t nn_conv_check_tiles(const struct nn_conv_args *t)
{
	uint32_t words = t->tile_channels / NN_LANES;
	uint64_t conv_rows = 0, in_rows = 0;

	if (t->tile_filters > NN_CONV_W_BYTES || (uint64_t)t->tile_filters * t->taps * t->tile_channels > NN_CONV_W_BYTES)
		return NN_CONV_CHECK_W_TILE;
	/* At most as many rounds as y has rows, and y was found to lie in its buffer. */
	for (uint64_t row = 0; row < t->rows; row += t->tile_rows) {
#if defined(__SYNTHESIS__) && !defined(__BAMBU__) /* no warnings where this header is only included */
#pragma HLS LOOP_TRIPCOUNT min=1 max=224
#endif
		struct nn_conv_span r = nn_conv_rows(t, t->first_row + row, nn_conv_min(t->tile_rows, t->rows - row));
		struct nn_conv_span in = nn_conv_inputs(t, r);

		if (r.end - r.begin > conv_rows)
			conv_rows = r.end - r.begin;
		if (in.end - in.begin > in_rows)
			in_rows = in.end - in.begin;
	}
	if (nn_conv_ceil(in_rows * t->in_w, NN_CONV_BANKS) * words > NN_CONV_BANK_WORDS) /* x_image limits the pixels to 2^28 */
		return NN_CONV_CHECK_X_TILE;
	if (t->tile_channels < t->channels && /* the first comparison keeps the product small: 2^9 * 2^30 * 2^13 */
	    (conv_rows > NN_CONV_ACC_GROUPS || conv_rows * nn_conv_ceil(t->out_w, NN_PIXELS) * (t->tile_filters / NN_FILTERS) > NN_CONV_ACC_GROUPS))
		return NN_CONV_CHECK_ACC;
	if (t->pool && (conv_rows > NN_CONV_POOL_BYTES || conv_rows * t->out_w > NN_CONV_POOL_BYTES / NN_FILTERS))
		return NN_CONV_CHECK_POOL_ROW;
	return 0;
}

/* All checks: KERNEL_OK, or what to report with *detail. */
static inline uint32_t nn_conv_check(struct nn_conv_args *t, uint64_t x_bytes, uint64_t w_bytes, uint64_t coef_bytes, uint64_t r_bytes,
				     uint64_t y_bytes, uint32_t *detail)
{
	*detail = nn_conv_check_shape(t);
	if (*detail)
		return KERNEL_BAD_SHAPE;
	*detail = nn_conv_check_buffers(t, x_bytes, w_bytes, coef_bytes, r_bytes, y_bytes);
	if (*detail) {
		*detail -= 1;
		return KERNEL_BAD_RANGE;
	}
	*detail = nn_conv_check_tiles(t);
	return *detail ? KERNEL_BAD_SHAPE : KERNEL_OK;
}

#endif
