/* SPDX-License-Identifier: BSD-2-Clause */
/* What nn_pack checks before it touches memory: one implementation for the HLS kernel, the fast version and whoever plans runs. */
#ifndef KERNELS_NN_PACK_CHECK_H
#define KERNELS_NN_PACK_CHECK_H

#include "../nn_check.h"
#include "nn_pack.h"

/* status[1] of KERNEL_BAD_SHAPE: the first check that failed, in this order */
#define NN_PACK_CHECK_MODE   1u /* unknown */
#define NN_PACK_CHECK_SIZE   2u /* images, channels, in_h or in_w is 0 */
#define NN_PACK_CHECK_ROW    3u /* channels * in_w > NN_PACK_ROW_BYTES */
#define NN_PACK_CHECK_LUT    4u /* NN_PACK_BYTES: channels * 256 > NN_PACK_LUT */
#define NN_PACK_CHECK_KERNEL 5u /* kernel or stride is 0; kernel, stride or pad > NN_PACK_MAX_STEP */
#define NN_PACK_CHECK_Y	     6u /* out_w is 0, out_channels no multiple of NN_LANES or < kernel * channels; y_pitch or y_image */
#define NN_PACK_CHECK_RANGE  7u /* outside, or zero, is no byte */

/* status[1] of KERNEL_BAD_RANGE */
#define NN_PACK_BUFFER_X   0u
#define NN_PACK_BUFFER_LUT 1u
#define NN_PACK_BUFFER_Y   2u

#define NN_PACK_STEP 4u
#define NN_PACK_ROWS 8u /* at most: before the first ones are loaded nothing is stored */

/* The scalar arguments, and below them what nn_pack_check_shape() derives. */
struct nn_pack_run {
	uint32_t images, channels, in_h, in_w;
	uint32_t x_skip, x_row, x_channel, x_image_low, x_image_high;
	uint32_t kernel, stride, pad, out_w, out_channels, y_pitch, y_image;
	uint32_t outside, scale, zero, mode;

	uint64_t x_image;
	uint32_t x_element; /* bytes of an element of x */
	uint32_t used;	    /* bytes of an output pixel that are not padding: kernel * channels */
};

/* A run from the kernel's parameters, which all have the names of the members. */
#define NN_PACK_RUN_OF_ARGUMENTS                                                                                                   \
	{                                                                                                                          \
		images, channels, in_h, in_w, x_skip, x_row, x_channel, x_image_low, x_image_high, kernel, stride, pad,            \
			out_w, out_channels, y_pitch, y_image, outside, scale, zero, mode, 0, 0, 0                                        \
	}

/*
 * Elements of a channel that the card handles per cycle: a word of singles. They go to different banks of its row buffer, unless 4 columns'
 * places in it are less than 4 banks.
 */
static inline uint32_t nn_pack_lanes(const struct nn_pack_run *r)
{
	return r->channels % 8 ? NN_PACK_STEP : 1;
}

/* Rows that the card loads while it stores as many. */
static inline uint32_t nn_pack_rows(const struct nn_pack_run *r)
{
	uint32_t fit = NN_PACK_ROW_BYTES / (r->channels * r->in_w);

	fit = fit < NN_PACK_ROWS ? fit : NN_PACK_ROWS;
	return fit < r->in_h ? fit : r->in_h;
}

/* 0, or the NN_PACK_CHECK_ that failed. */
static inline uint32_t nn_pack_check_shape(struct nn_pack_run *r)
{
	if (r->mode != NN_PACK_BYTES && r->mode != NN_PACK_FLOAT)
		return NN_PACK_CHECK_MODE;
	if (!r->images || !r->channels || !r->in_h || !r->in_w)
		return NN_PACK_CHECK_SIZE;
	if ((uint64_t)r->channels * r->in_w > NN_PACK_ROW_BYTES)
		return NN_PACK_CHECK_ROW;
	if (r->mode == NN_PACK_BYTES && r->channels * 256 > NN_PACK_LUT) /* channels is at most NN_PACK_ROW_BYTES here */
		return NN_PACK_CHECK_LUT;
	if (!r->kernel || !r->stride || r->kernel > NN_PACK_MAX_STEP || r->stride > NN_PACK_MAX_STEP || r->pad > NN_PACK_MAX_STEP)
		return NN_PACK_CHECK_KERNEL;
	r->used = r->kernel * r->channels; /* below 2^31 */
	if (!r->out_w || r->out_channels % NN_LANES || r->out_channels < r->used ||
	    nn_bad_layout(r->in_h, r->out_w, r->out_channels, r->y_pitch, r->y_image))
		return NN_PACK_CHECK_Y;
	if (r->outside > 255 || r->zero > 255)
		return NN_PACK_CHECK_RANGE;
	r->x_image = (uint64_t)r->x_image_high << 32 | r->x_image_low;
	r->x_element = r->mode == NN_PACK_FLOAT ? 4 : 1;
	return 0;
}

/* 1 when every access to x lies inside of it. Each product of two 32-bit numbers fits 64 bits, their sum need not. */
static inline uint32_t nn_pack_check_x(const struct nn_pack_run *r, uint64_t x_bytes)
{
	uint64_t rest = x_bytes;

	if (r->x_skip > rest)
		return 0;
	rest -= r->x_skip;
	if (r->images > 1 && r->x_image > rest / (r->images - 1))
		return 0;
	rest -= (r->images - 1) * r->x_image;
	if ((uint64_t)(r->channels - 1) * r->x_channel > rest)
		return 0;
	rest -= (uint64_t)(r->channels - 1) * r->x_channel;
	if ((uint64_t)(r->in_h - 1) * r->x_row > rest)
		return 0;
	rest -= (uint64_t)(r->in_h - 1) * r->x_row;
	return (uint64_t)r->in_w * r->x_element <= rest;
}

/* All checks: KERNEL_OK, or what to report with *detail. */
static inline uint32_t nn_pack_check(struct nn_pack_run *r, uint64_t x_bytes, uint64_t lut_bytes, uint64_t y_bytes, uint32_t *detail)
{
	*detail = nn_pack_check_shape(r);
	if (*detail)
		return KERNEL_BAD_SHAPE;
	*detail = NN_PACK_BUFFER_X;
	if (!nn_pack_check_x(r, x_bytes))
		return KERNEL_BAD_RANGE;
	*detail = NN_PACK_BUFFER_LUT;
	if (r->mode == NN_PACK_BYTES && r->channels * 256 > lut_bytes)
		return KERNEL_BAD_RANGE;
	*detail = NN_PACK_BUFFER_Y;
	if (nn_extent(r->images, r->in_h, r->out_w, r->out_channels, r->y_pitch, r->y_image) > y_bytes)
		return KERNEL_BAD_RANGE;
	*detail = 0;
	return KERNEL_OK;
}

#endif
