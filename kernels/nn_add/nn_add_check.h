/* SPDX-License-Identifier: BSD-2-Clause */
/* What nn_add checks before it touches memory: one implementation for the HLS kernel, the fast version and whoever plans runs. */
#ifndef KERNELS_NN_ADD_CHECK_H
#define KERNELS_NN_ADD_CHECK_H

#include "../nn_check.h"
#include "nn_add.h"

/* status[1] of KERNEL_BAD_SHAPE: the first check that failed, in this order */
#define NN_ADD_CHECK_FLAGS 1u /* unknown flags */
#define NN_ADD_CHECK_SIZE  2u /* images, pixels or channels is 0, or channels no multiple of NN_LANES */
#define NN_ADD_CHECK_A	   3u /* a_pitch or a_image */
#define NN_ADD_CHECK_B	   4u /* b_pitch or b_image, with NN_ADD_B */
#define NN_ADD_CHECK_Y	   5u /* y_pitch or y_image */
#define NN_ADD_CHECK_RANGE 6u /* a_zero, b_zero (with NN_ADD_B), zero or clip */

/* status[1] of KERNEL_BAD_RANGE */
#define NN_ADD_BUFFER_A 0u
#define NN_ADD_BUFFER_B 1u
#define NN_ADD_BUFFER_Y 2u

/* The scalar arguments. */
struct nn_add_run {
	uint32_t images, pixels, channels;
	uint32_t a_pitch, a_image, b_pitch, b_image, y_pitch, y_image;
	uint32_t a_zero, a_mult, b_zero, b_mult, zero, clip, flags;
};

/* A run from the kernel's parameters, which all have the names of the members. */
#define NN_ADD_RUN_OF_ARGUMENTS                                                                                                  \
	{                                                                                                                        \
		images, pixels, channels, a_pitch, a_image, b_pitch, b_image, y_pitch, y_image, a_zero, a_mult, b_zero, b_mult,  \
			zero, clip, flags                                                                                        \
	}

/* As nn_bad_layout(), for an operand that may be there once for all images, or for all pixels. */
static inline uint32_t nn_add_bad_b(const struct nn_add_run *r)
{
	if (r->b_image)
		return nn_bad_layout(1, r->pixels, r->channels, r->b_pitch, r->b_image);
	return r->b_pitch && (r->b_pitch % NN_LANES || r->b_pitch < r->channels);
}

/* 0, or the NN_ADD_CHECK_ that failed. */
static inline uint32_t nn_add_check_shape(const struct nn_add_run *r)
{
	uint32_t two = r->flags & NN_ADD_B;

	if (r->flags & ~NN_ADD_B)
		return NN_ADD_CHECK_FLAGS;
	if (!r->images || !r->pixels || !r->channels || r->channels % NN_LANES)
		return NN_ADD_CHECK_SIZE;
	if (nn_bad_layout(1, r->pixels, r->channels, r->a_pitch, r->a_image))
		return NN_ADD_CHECK_A;
	if (two && nn_add_bad_b(r))
		return NN_ADD_CHECK_B;
	if (nn_bad_layout(1, r->pixels, r->channels, r->y_pitch, r->y_image))
		return NN_ADD_CHECK_Y;
	if (r->a_zero > 255 || (two && r->b_zero > 255) || nn_bad_range(r->zero, r->clip))
		return NN_ADD_CHECK_RANGE;
	return 0;
}

/* All checks: KERNEL_OK, or what to report with *detail. */
static inline uint32_t nn_add_check(const struct nn_add_run *r, uint64_t a_bytes, uint64_t b_bytes, uint64_t y_bytes, uint32_t *detail)
{
	*detail = nn_add_check_shape(r);
	if (*detail)
		return KERNEL_BAD_SHAPE;
	*detail = NN_ADD_BUFFER_A;
	if (nn_extent(r->images, 1, r->pixels, r->channels, r->a_pitch, r->a_image) > a_bytes)
		return KERNEL_BAD_RANGE;
	*detail = NN_ADD_BUFFER_B;
	if ((r->flags & NN_ADD_B) && nn_extent(r->images, 1, r->pixels, r->channels, r->b_pitch, r->b_image) > b_bytes)
		return KERNEL_BAD_RANGE;
	*detail = NN_ADD_BUFFER_Y;
	if (nn_extent(r->images, 1, r->pixels, r->channels, r->y_pitch, r->y_image) > y_bytes)
		return KERNEL_BAD_RANGE;
	*detail = 0;
	return KERNEL_OK;
}

#endif
