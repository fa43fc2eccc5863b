/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whole-layer references: plain loops over the definition, no tiles, no bounds but those of the layer. They decide what is
 * right. Used by the tests, by the demo and by whoever wants to verify what a card computed. Needs nothing but the C
 * library.
 */
#ifndef KERNELS_REFERENCE_H
#define KERNELS_REFERENCE_H

#include <stdint.h>

#include "mac.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A convolution with the semantics of ONNX QLinearConv, fused with a clip of the quantised output. */
struct ref_conv2d {
	uint32_t images, channels, in_h, in_w; /* x [images][channels][in_h][in_w] */
	uint32_t filters, kernel_h, kernel_w;  /* w [filters][channels / group][kernel_h][kernel_w] */
	uint32_t stride[2];		       /* H, W */
	uint32_t pad[4];		       /* top, left, bottom, right */
	uint32_t dilation[2];		       /* H, W */
	uint32_t group;			       /* divides channels and filters */
	int x_signed, w_signed, y_signed;      /* elements are int8_t, else uint8_t */
	float x_scale, y_scale;
	int32_t x_zero, y_zero;
	const float *w_scale;  /* w_scales entries */
	uint32_t w_scales;     /* 1 or filters */
	const int32_t *w_zero; /* w_zeros entries; NULL: all 0 */
	uint32_t w_zeros;      /* 1 or filters */
	const int32_t *bias;   /* filters entries, in units of x_scale * w_scale; NULL: all 0 */
	int32_t clip[2];       /* lowest and highest output; within the output type's range */
};

/* Output rows and columns: shape[2]. 0, or -1 when the layer makes no sense (a zero size, a kernel larger than the padded
 * image, ...). */
int ref_conv2d_shape(const struct ref_conv2d *layer, uint32_t shape[2]);

/*
 * y [images][filters][out_h][out_w] = clip(rint((float)saturate_int32(sum + bias) * mult) + y_zero), sum over the group's
 * channels and the taps inside of the image of (x - x_zero) * (w - w_zero), in 64 bits; mult = mac_multiplier(). 0, or -1
 * as ref_conv2d_shape().
 */
int ref_conv2d(const struct ref_conv2d *layer, const void *x, const void *w, void *y);

/* Row formats of an embedding table; the numbers are those of kernels/embedding_bag. */
#define REF_FP32 0u
#define REF_FP16 1u
#define REF_INT8 2u /* dim unsigned bytes, float scale, float bias: row = byte * scale + bias */
#define REF_INT4 3u /* two elements a byte, the first in the low half; scale and bias in binary16 */

/* Bytes of one row of @dim elements. */
uint64_t ref_row_bytes(uint32_t format, uint32_t dim);

/* Element @d of the row at @row, exact (an int8 or int4 row: value * scale + bias in double; *magnitude = |value * scale| + |bias|,
 * else |value|). */
double ref_row_element(uint32_t format, uint32_t dim, const void *row, uint32_t d, double *magnitude);

struct ref_embedding_bag {
	const void *table; /* rows * row_pitch bytes */
	uint32_t format, dim;
	uint64_t rows, row_pitch;
	const int64_t *indices; /* offsets[bags] entries */
	const int64_t *offsets; /* bags + 1 entries from 0, not decreasing */
	uint64_t bags;
	const float *per_sample_weights; /* NULL: all 1 */
	int mean;			 /* divide by the number of rows of the bag; an empty bag is 0 */
};

/*
 * y [bags][dim] in double. @bound (may be NULL), of the same shape: how far a single precision result may be away, after
 * kernels/embedding_bag/embedding_bag.h. Returns -1, or the position of the first index outside of the table (bags before
 * it are written).
 */
int64_t ref_embedding_bag(const struct ref_embedding_bag *op, double *y, double *bound);

#ifdef __cplusplus
}
#endif

#endif
