/* SPDX-License-Identifier: BSD-2-Clause */
/* What nn_depthwise checks before it touches memory: one implementation for the HLS kernel, the fast version and whoever plans runs. */
#ifndef KERNELS_NN_DEPTHWISE_CHECK_H
#define KERNELS_NN_DEPTHWISE_CHECK_H

#include "../nn_check.h"
#include "nn_depthwise.h"

/* status[1] of KERNEL_BAD_SHAPE: the first check that failed, in this order */
#define NN_DEPTHWISE_CHECK_SIZE	  1u  /* images, in_h, in_w or channels is 0, or channels no multiple of NN_LANES */
#define NN_DEPTHWISE_CHECK_X	  2u  /* x_pitch or x_image */
#define NN_DEPTHWISE_CHECK_KERNEL 3u  /* a kernel size, stride or dilation is 0, or more than NN_MAX_TERMS taps */
#define NN_DEPTHWISE_CHECK_Y	  4u  /* out_h or out_w is 0; y_pitch or y_image */
#define NN_DEPTHWISE_CHECK_ROWS	  5u  /* no rows, or beyond out_h */
#define NN_DEPTHWISE_CHECK_TILE	  6u  /* tile_rows is 0; tile_channels is 0, no multiple of NN_LANES, > channels or > NN_DEPTHWISE_CHANNELS */
#define NN_DEPTHWISE_CHECK_TILE_X 7u  /* a tile's input > NN_DEPTHWISE_X_BYTES */
#define NN_DEPTHWISE_CHECK_TILE_W 8u  /* taps * tile_channels > NN_DEPTHWISE_W_BYTES */
#define NN_DEPTHWISE_CHECK_TILE_Y 9u  /* out_w * tile_channels > NN_DEPTHWISE_Y_BYTES */
#define NN_DEPTHWISE_CHECK_RANGE  10u /* x_zero, zero or clip */

/* status[1] of KERNEL_BAD_RANGE */
#define NN_DEPTHWISE_BUFFER_X	 0u
#define NN_DEPTHWISE_BUFFER_W	 1u
#define NN_DEPTHWISE_BUFFER_COEF 2u
#define NN_DEPTHWISE_BUFFER_Y	 3u

/* The scalar arguments, and below them what nn_depthwise_check_shape() derives. */
struct nn_depthwise_run {
	uint32_t images, in_h, in_w, channels, x_pitch, x_image;
	uint32_t kernel, stride, dilation, pad, out_h, out_w;
	uint32_t y_pitch, y_image, x_zero, zero, clip;
	uint32_t first_row, rows, tile_rows, tile_channels;

	uint32_t taps;
	struct nn_axis h, w;
};

/* A run from the kernel's parameters, which all have the names of the members. */
#define NN_DEPTHWISE_RUN_OF_ARGUMENTS                                                                                                   \
	{                                                                                                                               \
		images, in_h, in_w, channels, x_pitch, x_image, kernel, stride, dilation, pad, out_h, out_w, y_pitch, y_image, x_zero,  \
			zero, clip, first_row, rows, tile_rows, tile_channels, 0, { 0, 0, 0, 0, 0 }, { 0, 0, 0, 0, 0 }                  \
	}

/* 0, or the NN_DEPTHWISE_CHECK_ that failed. */
static inline uint32_t nn_depthwise_check_shape(struct nn_depthwise_run *r)
{
	uint64_t line;

	if (!r->images || !r->in_h || !r->in_w || !r->channels || r->channels % NN_LANES)
		return NN_DEPTHWISE_CHECK_SIZE;
	if (nn_bad_layout(r->in_h, r->in_w, r->channels, r->x_pitch, r->x_image))
		return NN_DEPTHWISE_CHECK_X;
	r->h = nn_axis_of(r->in_h, r->kernel, r->stride, r->dilation, r->pad, 0);
	r->w = nn_axis_of(r->in_w, r->kernel, r->stride, r->dilation, r->pad, 16);
	if (nn_bad_kernel(&r->h, &r->w))
		return NN_DEPTHWISE_CHECK_KERNEL;
	r->taps = r->h.kernel * r->w.kernel;
	if (!r->out_h || !r->out_w || nn_bad_layout(r->out_h, r->out_w, r->channels, r->y_pitch, r->y_image))
		return NN_DEPTHWISE_CHECK_Y;
	if (!r->rows || (uint64_t)r->first_row + r->rows > r->out_h)
		return NN_DEPTHWISE_CHECK_ROWS;
	if (!r->tile_rows || !r->tile_channels || r->tile_channels % NN_LANES || r->tile_channels > r->channels ||
	    r->tile_channels > NN_DEPTHWISE_CHANNELS)
		return NN_DEPTHWISE_CHECK_TILE;
	line = (uint64_t)r->in_w * r->tile_channels; /* below 2^41 */
	if (line > NN_DEPTHWISE_X_BYTES || line * nn_axis_most(&r->h, r->first_row, r->rows, r->tile_rows) > NN_DEPTHWISE_X_BYTES)
		return NN_DEPTHWISE_CHECK_TILE_X;
	if (r->taps * r->tile_channels > NN_DEPTHWISE_W_BYTES) /* at most 2^15 * 2^9 */
		return NN_DEPTHWISE_CHECK_TILE_W;
	if ((uint64_t)r->out_w * r->tile_channels > NN_DEPTHWISE_Y_BYTES)
		return NN_DEPTHWISE_CHECK_TILE_Y;
	if (r->x_zero > 255 || nn_bad_range(r->zero, r->clip))
		return NN_DEPTHWISE_CHECK_RANGE;
	return 0;
}

/* All checks: KERNEL_OK, or what to report with *detail. */
static inline uint32_t nn_depthwise_check(struct nn_depthwise_run *r, uint64_t x_bytes, uint64_t w_bytes, uint64_t coef_bytes,
					  uint64_t y_bytes, uint32_t *detail)
{
	*detail = nn_depthwise_check_shape(r);
	if (*detail)
		return KERNEL_BAD_SHAPE;
	*detail = NN_DEPTHWISE_BUFFER_X;
	if (nn_extent(r->images, r->in_h, r->in_w, r->channels, r->x_pitch, r->x_image) > x_bytes)
		return KERNEL_BAD_RANGE;
	*detail = NN_DEPTHWISE_BUFFER_W;
	if ((uint64_t)r->taps * r->channels > w_bytes)
		return KERNEL_BAD_RANGE;
	*detail = NN_DEPTHWISE_BUFFER_COEF;
	if ((uint64_t)r->channels * NN_DEPTHWISE_COEF_WORDS * 4 > coef_bytes)
		return KERNEL_BAD_RANGE;
	*detail = NN_DEPTHWISE_BUFFER_Y;
	if (nn_extent(r->images, r->first_row + r->rows, r->out_w, r->channels, r->y_pitch, r->y_image) > y_bytes)
		return KERNEL_BAD_RANGE;
	*detail = 0;
	return KERNEL_OK;
}

#endif
