/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nn_depthwise: depthwise convolution (each channel with a filter of its own) of a network's activations.
 *
 *   acc = coef[c].bias + sum over kh, kw of x'[n][oh*stride_h + kh*dilation_h - pad_top][ow*stride_w + kw*dilation_w - pad_left][c] * w[kh][kw][c]
 *   y[n][oh][ow][c] = mac_requantise(saturate(acc), coef[c].mult, zero, lo, hi)
 *   x' = the byte of x, or x_zero outside of the image; the bias has x_zero * sum of w subtracted, as for nn_conv.
 *
 * The run computes output rows [first_row, first_row + rows).
 */
#ifndef KERNELS_NN_DEPTHWISE_H
#define KERNELS_NN_DEPTHWISE_H

#include "../nn.h"

/*
 * On-chip, each twice (one is filled while the other is used): the image's rows from the first to the last that the tile's outputs read
 * * in_w * tile_channels; taps * tile_channels; one output row: out_w * tile_channels. And the most that tile_channels may be.
 */
#define NN_DEPTHWISE_X_BYTES  (128u * 1024u)
#define NN_DEPTHWISE_W_BYTES  (8u * 1024u)
#define NN_DEPTHWISE_Y_BYTES  (16u * 1024u)
#define NN_DEPTHWISE_CHANNELS 512u

#define NN_DEPTHWISE_COEF_BIAS	0
#define NN_DEPTHWISE_COEF_MULT	1
#define NN_DEPTHWISE_COEF_WORDS 2

/*
 * @w: int8 [kernel_h][kernel_w][channels]; @coef: [channels][NN_DEPTHWISE_COEF_WORDS]; @channels: multiple of NN_LANES
 * @tile_rows: output rows of a tile; @tile_channels: multiple of NN_LANES, at most channels; the last tile of either kind may be smaller
 * The rest as for nn_conv.
 */
void nn_depthwise(const uint8_t *x, uint64_t x_bytes, const int8_t *w, uint64_t w_bytes, const uint32_t *coef, uint64_t coef_bytes,
		  uint8_t *y, uint64_t y_bytes, uint32_t *status, uint64_t status_bytes,
		  uint32_t images, uint32_t in_h, uint32_t in_w, uint32_t channels, uint32_t x_pitch, uint32_t x_image,
		  uint32_t kernel, uint32_t stride, uint32_t dilation, uint32_t pad, uint32_t out_h, uint32_t out_w,
		  uint32_t y_pitch, uint32_t y_image, uint32_t x_zero, uint32_t zero, uint32_t clip,
		  uint32_t first_row, uint32_t rows, uint32_t tile_rows, uint32_t tile_channels);

#endif
