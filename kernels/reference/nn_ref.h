/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * References of the network overlay's kernels: plain loops over the definitions in kernels/nn_*, no tiles, no packed weights. They decide what is
 * right. Activations are as in kernels/nn.h: unsigned bytes [image][row][column][channel], with bytes from pixel to pixel (pitch) and from image
 * to image. Sizes are not checked: whoever calls has done so. Needs nothing but the C library.
 */
#ifndef KERNELS_NN_REF_H
#define KERNELS_NN_REF_H

#include <stdint.h>

#include "mac.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- nn_conv ---- */

/* Pairs are height, width. @channels and @filters are those of one group. */
struct ref_nn_conv {
	uint32_t images, in_h, in_w, channels;
	uint32_t x_pitch;
	uint64_t x_image;
	uint32_t groups, filters, kernel[2], stride[2], dilation[2];
	uint32_t pad[2]; /* top, left */
	uint32_t out_h, out_w; /* of the convolution */
	uint32_t y_pitch;
	uint64_t y_image;
	const int32_t *bias; /* groups * filters entries, x_zero * sum of the filter's weights already subtracted */
	const float *mult;   /* groups * filters entries */
	int32_t x_zero, zero, clip[2];
	/* with a residual: */
	uint32_t r_pitch;
	uint64_t r_image;
	int32_t r_zero, sum_zero, sum_clip[2];
	float v_mult, r_mult;
	/* with a pool (pool[0] is not 0): */
	uint32_t pool[2], pool_stride[2], pool_pad[2], pool_out_h, pool_out_w;
	uint32_t first_row, rows; /* of the output: pooled, when there is a pool */
};

/* @w: [groups][filters][kernel height][kernel width][channels]; @r: residual, or NULL. Writes groups * filters bytes of each pixel of the rows. */
void ref_nn_conv(const struct ref_nn_conv *layer, const uint8_t *x, const int8_t *w, const uint8_t *r, uint8_t *y);

/* ---- end of nn_conv ---- */

/* ---- nn_depthwise, nn_pool, nn_add, nn_pack ---- */

/* Where an activation lies: bytes from pixel to pixel and from image to image. */
struct ref_nn_layout {
	uint32_t pitch;
	uint64_t image;
};

/* Pairs are height, width. */
struct ref_nn_window {
	uint32_t images, in_h, in_w, channels;
	uint32_t kernel[2], stride[2], dilation[2];
	uint32_t pad[2]; /* top, left */
	uint32_t out_h, out_w;
	uint32_t first_row, rows; /* of the output, those that are computed */
	struct ref_nn_layout x, y;
};

/* @w: [kernel height][kernel width][channels]; @bias (x_zero * sum of the filter's weights already subtracted), @mult: of each channel */
void ref_nn_depthwise(const struct ref_nn_window *layer, const uint8_t *x, const int8_t *w, const int32_t *bias, const float *mult, int32_t x_zero,
		      int32_t zero, const int32_t clip[2], uint8_t *y);

void ref_nn_pool_max(const struct ref_nn_window *layer, const uint8_t *x, const int32_t clip[2], uint8_t *y);

/* @count_pad: NULL, or what lies below and to the right of the image (padding at the top and to the left counts then, too) */
void ref_nn_pool_average(const struct ref_nn_window *layer, const uint8_t *x, const uint32_t count_pad[2], int32_t x_zero, float mult, int32_t zero,
			 const int32_t clip[2], uint8_t *y);

struct ref_nn_add {
	uint32_t images, pixels, channels;
	struct ref_nn_layout a, b, y;
	int32_t a_zero, b_zero, zero, clip[2];
	float a_mult, b_mult;
};

/* @b: may be NULL: a alone, requantised */
void ref_nn_add(const struct ref_nn_add *layer, const uint8_t *a, const uint8_t *b, uint8_t *y);

struct ref_nn_pack {
	uint32_t images, channels, in_h, in_w;
	uint64_t x_row, x_channel, x_image; /* bytes */
	uint32_t kernel, stride, pad, out_w, out_channels;
	struct ref_nn_layout y;
	uint8_t outside;
	const uint8_t *lut; /* x are bytes: [channels][256]; else NULL: x are singles, at any byte position */
	float scale;
	int32_t zero;
};

void ref_nn_pack(const struct ref_nn_pack *layer, const uint8_t *x, uint8_t *y);

/* ---- end of nn_depthwise, nn_pool, nn_add, nn_pack ---- */

#ifdef __cplusplus
}
#endif

#endif
