/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs of nn_conv with random data and their reference results. */
#ifndef TESTS_KERNELS_NN_CONV_CASE_H
#define TESTS_KERNELS_NN_CONV_CASE_H

#include <stddef.h>

#include "../../kernels/nn_conv/nn_conv_check.h"
#include "../../kernels/reference/nn_ref.h"

typedef __typeof__(nn_conv) nn_conv_fn;
/* The HLS source and the fast version, compiled under these names so that one program holds both. */
nn_conv_fn nn_conv_hls, nn_conv_fast;

#define NN_CONV_SCALARS 37 /* struct nn_conv_args starts with the kernel's scalar arguments */
_Static_assert(offsetof(struct nn_conv_args, flags) == (NN_CONV_SCALARS - 1) * 4, "the scalars of struct nn_conv_args");

/* Scalars and buffers of a call, the latter with exactly the bytes that the kernel is told. */
struct nn_conv_call {
	union {
		struct nn_conv_args a;
		uint32_t scalar[NN_CONV_SCALARS];
	};
	uint8_t *x, *r, *y;
	int8_t *w;
	uint32_t *coef, *status;
	uint64_t x_bytes, w_bytes, coef_bytes, r_bytes, y_bytes, status_bytes;
};

void nn_conv_call(const struct nn_conv_call *c, nn_conv_fn *kernel);

/* What a case is made from; the rest (data, zero points, multipliers, clip, gaps) is random. Pairs are height, width. */
struct nn_conv_sizes {
	uint32_t images, in_h, in_w, groups, channels, filters;
	uint32_t kernel[2], stride[2], dilation[2], pad[4]; /* top, left, bottom, right */
	uint32_t residual, pool[2], pool_stride[2], pool_pad[4];
};

struct nn_conv_case {
	struct nn_conv_call call; /* y is not set */
	uint8_t *memory[4];	  /* of x, r, w, coef; pointers above are some bytes behind */
	int8_t *weights;	  /* plain order */
	int32_t *bias;
	float *mult;
	struct ref_nn_conv layer;
};

/* 0, or -1 when there is no such layer. The tile is the largest that fits; rows are all. */
int nn_conv_case_make(struct nn_conv_case *c, const struct nn_conv_sizes *s);
void nn_conv_case_free(struct nn_conv_case *c);
void nn_conv_case_random_sizes(struct nn_conv_sizes *s);

/* Another tile and another range of rows. 0, or -1 when the card has no room for any such tile. */
int nn_conv_case_random_tile(struct nn_conv_case *c);
int nn_conv_case_largest_tile(struct nn_conv_case *c);

/* After a change of bias or mult: the words of coef. */
void nn_conv_case_coef(struct nn_conv_case *c);

/* The reference's y, gaps included; whoever calls frees it. */
uint8_t *nn_conv_case_want(const struct nn_conv_case *c);
/* Position of the first byte in which the kernel's y differs from @want, or -1. */
int64_t nn_conv_case_run(const struct nn_conv_case *c, const uint8_t *want, nn_conv_fn *kernel, uint32_t status[KERNEL_STATUS_WORDS]);

const char *nn_conv_describe(const struct nn_conv_case *c);

#endif
