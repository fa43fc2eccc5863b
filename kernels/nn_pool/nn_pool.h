/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nn_pool: max or average pooling of a network's activations; global average pooling is a window of the whole image.
 *
 *   NN_POOL_MAX: y = max over the window's positions inside of the image, clipped to [lo, hi]; x and y have the same scale and zero point
 *   NN_POOL_AVERAGE:
 *     n   = positions of the window inside of the image; NN_POOL_COUNT_PAD: positions inside of the padded image (pad_end given)
 *     sum = sum over the positions inside of the image of (x - x_zero)
 *     y   = clip(rint((float)sum * mult / (float)n) + zero, lo, hi)          (mult = x_scale / y_scale; product and quotient rounded to single; NaN gives lo)
 *   No window may lie outside of the image altogether.
 */
#ifndef KERNELS_NN_POOL_H
#define KERNELS_NN_POOL_H

#include "../nn.h"

/*
 * On-chip, each twice (one is filled while the other is used): the image's rows from the first to the last that one output row reads
 * * in_w * tile_channels; one output row: out_w * tile_channels
 */
#define NN_POOL_X_BYTES (64u * 1024u)
#define NN_POOL_Y_BYTES (16u * 1024u)

#define NN_POOL_MAX	  0u
#define NN_POOL_AVERAGE	  1u
#define NN_POOL_COUNT_PAD 2u /* with NN_POOL_AVERAGE */

/*
 * @kernel, @stride, @dilation, @pad as for nn_conv; @pad_end: NN_PAIR(bottom, right), only used with NN_POOL_COUNT_PAD
 * @mult: bits of the float; @clip: lo | hi << 8; @mode: NN_POOL_*; @channels: multiple of NN_LANES
 * @tile_channels: multiple of NN_LANES, at most channels; the last tile may be smaller
 * The run computes output rows [first_row, first_row + rows). A window has at most NN_MAX_TERMS positions.
 */
void nn_pool(const uint8_t *x, uint64_t x_bytes, uint8_t *y, uint64_t y_bytes, uint32_t *status, uint64_t status_bytes,
	     uint32_t images, uint32_t in_h, uint32_t in_w, uint32_t channels, uint32_t x_pitch, uint32_t x_image,
	     uint32_t kernel, uint32_t stride, uint32_t dilation, uint32_t pad, uint32_t pad_end, uint32_t out_h, uint32_t out_w,
	     uint32_t y_pitch, uint32_t y_image, uint32_t x_zero, uint32_t zero, uint32_t clip, uint32_t mult, uint32_t mode,
	     uint32_t first_row, uint32_t rows, uint32_t tile_channels);

#endif
