/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nn_pack: a network's input as files have it, [image][channel][row][column] of bytes or IEEE singles, to an activation; quantised on the way,
 * and for a first layer with few channels unfolded along the columns, so that its convolution gets full lanes.
 *
 *   for each image n, row h, output column j, tap kw, channel c:
 *     i = j * stride + kw - pad
 *     y[n][h][j][kw * channels + c] = 0 <= i < in_w ? q(x[n][c][h][i]) : outside
 *   NN_PACK_BYTES: q(v) = lut[c * 256 + v]
 *   NN_PACK_FLOAT: q(v) = clip(rint(v / scale) + zero, 0, 255), NaN gives 0 (ONNX QuantizeLinear; an int8 type is held + 128)
 *   Bytes of a pixel from kernel * channels up to out_channels are 0.
 * Without unfolding: kernel 1, stride 1, pad 0.
 */
#ifndef KERNELS_NN_PACK_H
#define KERNELS_NN_PACK_H

#include "../nn.h"

#define NN_PACK_ROW_BYTES (32u * 1024u) /* on-chip, twice: one input row of all channels, quantised: channels * in_w */
#define NN_PACK_LUT	  (32u * 1024u) /* channels * 256 */
#define NN_PACK_MAX_STEP  65535u	/* kernel, stride and pad are at most this */

#define NN_PACK_BYTES 0u
#define NN_PACK_FLOAT 1u

/*
 * @x: a multiple of NN_LANES; @x_skip bytes behind it the first element: a byte, or a single at any byte position (a file's extents begin where
 * they begin). x_row, x_channel, x_image: bytes from one row, channel, image to the next, any number (x_image as a pair of words: low, high).
 * The card reads whole words of NN_LANES bytes: those that the elements lie in, and no others. x_bytes need not hold all of the last one.
 * @lut: NN_PACK_BYTES: channels * 256 bytes, else not accessed
 * @out_channels: multiple of NN_LANES, at least kernel * channels; @kernel, @stride, @pad, @out_w: along the columns
 */
void nn_pack(const uint8_t *x, uint64_t x_bytes, const uint8_t *lut, uint64_t lut_bytes, uint8_t *y, uint64_t y_bytes,
	     uint32_t *status, uint64_t status_bytes, uint32_t images, uint32_t channels, uint32_t in_h, uint32_t in_w,
	     uint32_t x_skip, uint32_t x_row, uint32_t x_channel, uint32_t x_image_low, uint32_t x_image_high,
	     uint32_t kernel, uint32_t stride, uint32_t pad, uint32_t out_w, uint32_t out_channels, uint32_t y_pitch, uint32_t y_image,
	     uint32_t outside, uint32_t scale, uint32_t zero, uint32_t mode);

#endif
