/* SPDX-License-Identifier: BSD-2-Clause */
/* A whole layer with random data, its reference result, and tiles of it for a kernel. */
#ifndef TESTS_KERNELS_CONV2D_CASE_H
#define TESTS_KERNELS_CONV2D_CASE_H

#include "../../kernels/conv2d/conv2d_check.h"
#include "../../kernels/reference/reference.h"

typedef __typeof__(conv2d) conv2d_fn;
/* The HLS source and the fast version, compiled under these names so that one program holds both. */
conv2d_fn conv2d_hls, conv2d_fast;

struct conv2d_case {
	struct ref_conv2d layer;
	uint32_t out_h, out_w;
	uint8_t *x, *w, *want; /* one image */
	int32_t *coef;	       /* of all filters, as the kernel takes it */
	float *w_scale;
	int32_t *w_zero, *bias;
};

/* Sizes that a layer is made from; the rest (types, zero points, scales, bias, clip) is random. */
struct conv2d_sizes {
	uint32_t channels, in_h, in_w, filters, kernel_h, kernel_w;
	uint32_t stride[2], pad[4], dilation[2], group;
};

/* 0, or -1 when there is no such layer. */
int conv2d_case_make(struct conv2d_case *c, const struct conv2d_sizes *s);
void conv2d_case_free(struct conv2d_case *c);
void conv2d_case_random_sizes(struct conv2d_sizes *s);

/* A part of the output; and how the input band gets to the kernel: rows around those needed, and like a read in aligned
 * pieces (align > 1). */
struct conv2d_part {
	uint32_t first_filter, filters, out_row, out_rows, out_col, out_cols;
	uint32_t spare_rows; /* band rows beyond those needed, where the image has them */
	uint32_t align;	     /* power of two */
	uint32_t y_spare;    /* bytes between planes */
};

void conv2d_part_whole(const struct conv2d_case *c, struct conv2d_part *p);
void conv2d_part_random(const struct conv2d_case *c, struct conv2d_part *p);
/* Whether the tile fits the on-chip buffers. */
int conv2d_part_fits(const struct conv2d_case *c, const struct conv2d_part *p);

/*
 * Run a kernel on a part, in buffers of exactly the size needed, and compare with the reference: -1 when all is equal and
 * nothing else of y was written, else the position of the first difference in y. *status: status[0].
 */
int64_t conv2d_part_run(const struct conv2d_case *c, const struct conv2d_part *p, conv2d_fn *kernel, uint32_t *status);

/* One line that describes case and part, for a failure. */
const char *conv2d_describe(const struct conv2d_case *c, const struct conv2d_part *p);

#endif
