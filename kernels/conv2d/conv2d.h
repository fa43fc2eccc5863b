/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conv2d: one tile of an int8 convolution with ONNX QLinearConv semantics.
 *
 *   for each filter m of the tile, output row oh, output column ow:
 *     acc = sum over c, kh, kw of (x[c][ih][iw] - x_zero) * (w[m][c][kh][kw] - w_zero[m])      (terms outside of the image: none)
 *           with ih = oh*stride_h + kh*dilation_h - pad_top, iw likewise
 *     acc = saturate_int32(acc + bias[m])
 *     y[m][oh][ow] = clip(rint((float)acc * mult[m]) + y_zero, clip_lo, clip_hi)
 *
 *   mult[m] = (x_scale * w_scale[m]) / y_scale in IEEE single, computed by the host; (float) and rint round to nearest even; the
 *   clip also covers saturation to the output type (clip_lo >= -128 or 0, clip_hi <= 127 or 255). All integer arithmetic is exact: a group's
 *   channels * kernel_h * kernel_w is at most CONV2D_MAX_TERMS, so that the sum fits 32 bits.
 *
 * x_bytes .. status_bytes are bounds that the driver fills in ("<pointer>_bytes"); the kernel checks every access against them.
 */
#ifndef KERNELS_CONV2D_H
#define KERNELS_CONV2D_H

#include <stdint.h>
#include "../status.h"

/* On-chip buffers of the HLS kernel: what a tile must fit. Bytes; the sums against the shell's budget are in Documentation. */
#define CONV2D_X_BYTES	 (256 * 1024) /* input window of one channel: rows * columns that the tile's outputs touch */
#define CONV2D_W_BYTES	 (64 * 1024)  /* one channel's weights of all filters of the tile: filters * kernel_h * kernel_w */
#define CONV2D_ACC_WORDS (128 * 1024) /* int32 accumulators: filters * out_rows * out_cols */
#define CONV2D_FILTERS	 1024	      /* filters of one tile */
#define CONV2D_MAX_TERMS 32768	      /* channels * kernel_h * kernel_w: 32768 * 255 * 255 < 2^31 */

/* flags */
#define CONV2D_X_SIGNED 1u
#define CONV2D_W_SIGNED 2u
#define CONV2D_Y_SIGNED 4u

/* coef: three 32-bit words per filter */
#define CONV2D_COEF_BIAS 0
#define CONV2D_COEF_ZERO 1 /* weight zero point */
#define CONV2D_COEF_MULT 2 /* bits of the float */
#define CONV2D_COEF_WORDS 3

/*
 * @x: input rows band_row .. band_row + band_rows - 1, all in_w columns, of the channels of the tile's groups. The element of channel c
 *	(0 = first channel of the group of first_filter), row r of the band and column i is at
 *	c * x_pitch + ((x_skew + c * x_stride) & x_mask) + r * in_w + i
 *	(contiguous image: x_pitch = in_h * in_w, x_mask = 0; a band read from a file in aligned pieces, one per channel: x_pitch = size of a
 *	piece's slot, x_stride = in_h * in_w, x_skew = file offset of the first element, x_mask = alignment - 1)
 * @w: filters * channels * kernel_h * kernel_w, the tile's filters only
 * @coef: CONV2D_COEF_WORDS per filter of the tile
 * @y: y[f * y_pitch + (oh - out_row) * out_w + ow] for f = 0 .. filters - 1, oh in [out_row, +out_rows), ow in [out_col, +out_cols)
 * @status: KERNEL_STATUS_WORDS words
 * @first_filter: filter 0 of the tile in the whole layer; @group_filters: filters per group; @channels: channels per group
 * @in_h, @in_w: the image; @out_w: columns of the whole output
 * @stride, @dilation: height | width << 16
 */
void conv2d(const uint8_t *x, uint64_t x_bytes, const uint8_t *w, uint64_t w_bytes, const int32_t *coef, uint64_t coef_bytes,
	    uint8_t *y, uint64_t y_bytes, uint32_t *status, uint64_t status_bytes,
	    uint32_t first_filter, uint32_t filters, uint32_t group_filters, uint32_t channels,
	    uint32_t in_h, uint32_t in_w, uint32_t band_row, uint32_t band_rows,
	    uint32_t kernel_h, uint32_t kernel_w, uint32_t stride, uint32_t dilation, uint32_t pad_top, uint32_t pad_left,
	    uint32_t out_w, uint32_t out_row, uint32_t out_rows, uint32_t out_col, uint32_t out_cols,
	    uint32_t x_pitch, uint32_t x_stride, uint32_t x_skew, uint32_t x_mask, uint32_t y_pitch,
	    int32_t x_zero, int32_t y_zero, uint32_t flags, int32_t clip_lo, int32_t clip_hi);

#endif
