/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nn_conv: convolution layers (and matrix products: a 1x1 kernel, pixels = rows of the matrix) of a network, optionally with a residual
 * addition and max pooling behind it. One run computes rows of a whole layer; it cuts them into on-chip tiles itself, as the tile_ arguments say.
 *
 *   for each image n, group g, filter f, conv row oh, conv column ow:
 *     acc = coef[g][f].bias + sum over kh, kw, c of x'[n][oh*stride_h + kh*dilation_h - pad_top][ow*stride_w + kw*dilation_w - pad_left][g*channels + c]
 *                                                   * w[g][f][kh][kw][c]
 *           x' = the byte of x, or x_zero outside of the image. (Not x - x_zero: whoever makes coef has subtracted x_zero * sum of w from the
 *           bias.) The sum saturates to int32 when the bias is added: saturate(sum + bias).
 *     v = mac_requantise(acc, coef[g][f].mult, zero, lo, hi)
 *     NN_CONV_RESIDUAL:
 *       s = (float)(v - zero) * v_mult + (float)(r[n][oh][ow][g*filters + f] - r_zero) * r_mult       (each operation rounded to IEEE single)
 *       v = clip(rint(s) + sum_zero, sum_lo, sum_hi)                                                  (NaN gives sum_lo)
 *     y[n][oh][ow][g*filters + f] = v
 *   pool != 0: y is the max over pool_h x pool_w windows of v (with pool_stride, pool_pad; positions outside of the conv output take no part),
 *   pool_out_h x pool_out_w of them. A pool excludes a residual.
 *
 * The run computes output rows [first_row, first_row + rows) (pooled rows when there is a pool). Pointers stand for row 0 of image 0.
 */
#ifndef KERNELS_NN_CONV_H
#define KERNELS_NN_CONV_H

#include "../nn.h"

/*
 * On-chip buffers, bytes; each exists twice (one is loaded while the other is used).
 *   x tile: pixels of the input rows that the tile's outputs read (those inside of the image), rounded up to a multiple of 7, * tile_channels
 *   w tile: tile_filters * kernel_h * kernel_w * tile_channels
 */
#define NN_CONV_X_BYTES (7u * 8192u * NN_LANES)			  /* 7 banks of 4 URAM */
#define NN_CONV_W_BYTES (512u * NN_LANES * NN_FILTERS)		  /* 512 steps, all lanes and filters at once */
/*
 * Partial sums when tile_channels < channels: groups of NN_PIXELS output pixels of the tile (a group lies in one row), of NN_FILTERS filters.
 */
#define NN_CONV_ACC_GROUPS 512u
/* Conv rows that a tile with a pool keeps for it, bytes: conv rows of the tile * out_w * NN_FILTERS */
#define NN_CONV_POOL_BYTES (128u * 1024u)

/* flags */
#define NN_CONV_RESIDUAL     1u
#define NN_CONV_W_STATIONARY 2u /* outer loop over filter tiles (weights are loaded once), else over row tiles (x is loaded once) */

/* coef: two 32-bit words per filter */
#define NN_CONV_COEF_BIAS  0
#define NN_CONV_COEF_MULT  1 /* bits of the float */
#define NN_CONV_COEF_WORDS 2

/*
 * @x: images * x_image bytes (the last one without its gap); @w: groups * filters * channels * kernel_h * kernel_w, nn_weight_at() within a group
 * @coef: [groups][filters][NN_CONV_COEF_WORDS]; @r: residual, with r_pitch and r_image, of y's size; not accessed without NN_CONV_RESIDUAL
 * @y: y_pitch, y_image; only the run's filters of each pixel are written
 * @channels, @filters: of one group, multiples of NN_LANES and NN_BLOCK
 * @kernel, @stride, @dilation: NN_PAIR(h, w); @pad: NN_PAIR(top, left); bottom and right follow from out_h, out_w (rows and columns of the convolution)
 * @clip, @sum_clip: lo | hi << 8; @r_mult, @v_mult: bits of floats
 * @tile_rows: output rows of a tile; @tile_filters: multiple of NN_FILTERS, may exceed filters; @tile_channels: multiple of NN_LANES, at most channels
 */
void nn_conv(const uint8_t *x, uint64_t x_bytes, const int8_t *w, uint64_t w_bytes, const uint32_t *coef, uint64_t coef_bytes,
	     const uint8_t *r, uint64_t r_bytes, uint8_t *y, uint64_t y_bytes, uint32_t *status, uint64_t status_bytes,
	     uint32_t images, uint32_t in_h, uint32_t in_w, uint32_t channels, uint32_t x_pitch, uint32_t x_image,
	     uint32_t groups, uint32_t filters, uint32_t kernel, uint32_t stride, uint32_t dilation, uint32_t pad,
	     uint32_t out_h, uint32_t out_w, uint32_t y_pitch, uint32_t y_image, uint32_t x_zero, uint32_t zero, uint32_t clip,
	     uint32_t r_pitch, uint32_t r_image, uint32_t r_zero, uint32_t v_mult, uint32_t r_mult, uint32_t sum_zero, uint32_t sum_clip,
	     uint32_t pool, uint32_t pool_stride, uint32_t pool_pad, uint32_t pool_out_h, uint32_t pool_out_w,
	     uint32_t first_row, uint32_t rows, uint32_t tile_rows, uint32_t tile_filters, uint32_t tile_channels, uint32_t flags);

#endif
