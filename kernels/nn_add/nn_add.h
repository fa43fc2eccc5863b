/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nn_add: element-wise sum of two activations, or requantisation of one.
 *
 *   s = (float)(a - a_zero) * a_mult + (float)(b - b_zero) * b_mult         (each operation rounded to IEEE single; without NN_ADD_B: no second term)
 *   y = clip(rint(s) + zero, lo, hi)                                        (NaN gives lo)
 *   a_mult = a_scale / y_scale, b_mult = b_scale / y_scale
 */
#ifndef KERNELS_NN_ADD_H
#define KERNELS_NN_ADD_H

#include "../nn.h"

#define NN_ADD_B 1u /* flags */

/*
 * @pixels: of one image; pixel p of image n is at n * _image + p * _pitch. @channels: multiple of NN_LANES
 * @b_image 0: one image of b is for all of a's; with @b_pitch 0, too: one pixel of b is for all pixels
 * @a_mult, @b_mult: bits of floats; @clip: lo | hi << 8. y may be a, or b unless b_image is 0 (same place exactly), else must not overlap them.
 */
void nn_add(const uint8_t *a, uint64_t a_bytes, const uint8_t *b, uint64_t b_bytes, uint8_t *y, uint64_t y_bytes,
	    uint32_t *status, uint64_t status_bytes, uint32_t images, uint32_t pixels, uint32_t channels,
	    uint32_t a_pitch, uint32_t a_image, uint32_t b_pitch, uint32_t b_image, uint32_t y_pitch, uint32_t y_image,
	    uint32_t a_zero, uint32_t a_mult, uint32_t b_zero, uint32_t b_mult, uint32_t zero, uint32_t clip, uint32_t flags);

#endif
