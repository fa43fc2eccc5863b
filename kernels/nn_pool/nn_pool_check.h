/* SPDX-License-Identifier: BSD-2-Clause */
/* What nn_pool checks before it touches memory: one implementation for the HLS kernel, the fast version and whoever plans runs. */
#ifndef KERNELS_NN_POOL_CHECK_H
#define KERNELS_NN_POOL_CHECK_H

#include "../nn_check.h"
#include "nn_pool.h"

/* status[1] of KERNEL_BAD_SHAPE: the first check that failed, in this order */
#define NN_POOL_CHECK_SIZE    1u  /* images, in_h, in_w or channels is 0, or channels no multiple of NN_LANES */
#define NN_POOL_CHECK_X	      2u  /* x_pitch or x_image */
#define NN_POOL_CHECK_KERNEL  3u  /* a kernel size, stride or dilation is 0, or a window of more than NN_MAX_TERMS positions */
#define NN_POOL_CHECK_Y	      4u  /* out_h or out_w is 0; y_pitch or y_image */
#define NN_POOL_CHECK_ROWS    5u  /* no rows, or beyond out_h */
#define NN_POOL_CHECK_OUTSIDE 6u  /* a window outside of the image altogether */
#define NN_POOL_CHECK_TILE    7u  /* tile_channels is 0, no multiple of NN_LANES or > channels */
#define NN_POOL_CHECK_TILE_X  8u  /* an output row's input > NN_POOL_X_BYTES */
#define NN_POOL_CHECK_TILE_Y  9u  /* out_w * tile_channels > NN_POOL_Y_BYTES */
#define NN_POOL_CHECK_MODE    10u /* unknown, or NN_POOL_COUNT_PAD without NN_POOL_AVERAGE */
#define NN_POOL_CHECK_RANGE   11u /* x_zero, zero or clip */

/* status[1] of KERNEL_BAD_RANGE */
#define NN_POOL_BUFFER_X 0u
#define NN_POOL_BUFFER_Y 1u

/* The scalar arguments, and below them what nn_pool_check_shape() derives. */
struct nn_pool_run {
	uint32_t images, in_h, in_w, channels, x_pitch, x_image;
	uint32_t kernel, stride, dilation, pad, pad_end, out_h, out_w;
	uint32_t y_pitch, y_image, x_zero, zero, clip, mult, mode;
	uint32_t first_row, rows, tile_channels;

	uint32_t taps;
	struct nn_axis h, w;
	/* A window's positions from here to there count: of the image, or with NN_POOL_COUNT_PAD of the padded image. */
	int64_t count_h[2], count_w[2];
};

/* A run from the kernel's parameters, which all have the names of the members. */
#define NN_POOL_RUN_OF_ARGUMENTS                                                                                                        \
	{                                                                                                                               \
		images, in_h, in_w, channels, x_pitch, x_image, kernel, stride, dilation, pad, pad_end, out_h, out_w, y_pitch, y_image, \
			x_zero, zero, clip, mult, mode, first_row, rows, tile_channels, 0, { 0, 0, 0, 0, 0 }, { 0, 0, 0, 0, 0 },        \
			{ 0, 0 }, { 0, 0 }                                                                                              \
	}

/* 0, or the NN_POOL_CHECK_ that failed. */
static inline uint32_t nn_pool_check_shape(struct nn_pool_run *r)
{
	uint64_t line;
	uint32_t pads;

	if (!r->images || !r->in_h || !r->in_w || !r->channels || r->channels % NN_LANES)
		return NN_POOL_CHECK_SIZE;
	if (nn_bad_layout(r->in_h, r->in_w, r->channels, r->x_pitch, r->x_image))
		return NN_POOL_CHECK_X;
	r->h = nn_axis_of(r->in_h, r->kernel, r->stride, r->dilation, r->pad, 0);
	r->w = nn_axis_of(r->in_w, r->kernel, r->stride, r->dilation, r->pad, 16);
	if (nn_bad_kernel(&r->h, &r->w))
		return NN_POOL_CHECK_KERNEL;
	r->taps = r->h.kernel * r->w.kernel;
	if (!r->out_h || !r->out_w || nn_bad_layout(r->out_h, r->out_w, r->channels, r->y_pitch, r->y_image))
		return NN_POOL_CHECK_Y;
	if (!r->rows || (uint64_t)r->first_row + r->rows > r->out_h)
		return NN_POOL_CHECK_ROWS;
	if (!nn_axis_covered(&r->h, r->first_row, r->rows) || !nn_axis_covered(&r->w, 0, r->out_w))
		return NN_POOL_CHECK_OUTSIDE;
	if (!r->tile_channels || r->tile_channels % NN_LANES || r->tile_channels > r->channels)
		return NN_POOL_CHECK_TILE;
	line = (uint64_t)r->in_w * r->tile_channels;
	if (line > NN_POOL_X_BYTES || line * nn_axis_most(&r->h, r->first_row, r->rows, 1) > NN_POOL_X_BYTES)
		return NN_POOL_CHECK_TILE_X;
	if ((uint64_t)r->out_w * r->tile_channels > NN_POOL_Y_BYTES)
		return NN_POOL_CHECK_TILE_Y;
	if (r->mode != NN_POOL_MAX && r->mode != NN_POOL_AVERAGE && r->mode != (NN_POOL_AVERAGE | NN_POOL_COUNT_PAD))
		return NN_POOL_CHECK_MODE;
	if (r->x_zero > 255 || nn_bad_range(r->zero, r->clip))
		return NN_POOL_CHECK_RANGE;
	pads = r->mode & NN_POOL_COUNT_PAD;
	r->count_h[0] = pads ? -(int64_t)r->h.pad : 0;
	r->count_w[0] = pads ? -(int64_t)r->w.pad : 0;
	r->count_h[1] = (int64_t)r->in_h + (pads ? r->pad_end & 0xffff : 0);
	r->count_w[1] = (int64_t)r->in_w + (pads ? r->pad_end >> 16 : 0);
	return 0;
}

/* All checks: KERNEL_OK, or what to report with *detail. */
static inline uint32_t nn_pool_check(struct nn_pool_run *r, uint64_t x_bytes, uint64_t y_bytes, uint32_t *detail)
{
	*detail = nn_pool_check_shape(r);
	if (*detail)
		return KERNEL_BAD_SHAPE;
	*detail = NN_POOL_BUFFER_X;
	if (nn_extent(r->images, r->in_h, r->in_w, r->channels, r->x_pitch, r->x_image) > x_bytes)
		return KERNEL_BAD_RANGE;
	*detail = NN_POOL_BUFFER_Y;
	if (nn_extent(r->images, r->first_row + r->rows, r->out_w, r->channels, r->y_pitch, r->y_image) > y_bytes)
		return KERNEL_BAD_RANGE;
	*detail = 0;
	return KERNEL_OK;
}

#endif
