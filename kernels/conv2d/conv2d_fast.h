/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the fast version's parts: dispatch and portable loops (conv2d_fast.c), AVX2 (conv2d_avx2.c, conv2d_depthwise.c).
 */
#ifndef KERNELS_CONV2D_FAST_H
#define KERNELS_CONV2D_FAST_H

#include <stddef.h>

#include "conv2d_check.h"

/* A checked tile and its buffers. */
struct conv2d_job {
	struct conv2d_tile t;
	const uint8_t *x;
	uint64_t x_bytes;
	const uint8_t *w;
	uint8_t *y;
	/* Copied from coef, checked: the buffer may change under a running kernel. */
	int32_t bias[CONV2D_FILTERS];
	int32_t w_zero[CONV2D_FILTERS];
	float mult[CONV2D_FILTERS];
};

/* The filters [first, first + count) of the tile that are of one group, and that group's first channel (counted from the
 * tile's first). */
struct conv2d_group {
	uint32_t first, count, channel;
};

/* 1 when done; 0 when this tile is not for it (it would need unreasonable amounts of memory). Output is then untouched. */
int conv2d_group_avx2(const struct conv2d_job *job, const struct conv2d_group *g);
int conv2d_depthwise_avx2(const struct conv2d_job *job, const struct conv2d_group *g);

/* Memory of this thread, at least @bytes, 64-byte aligned, valid until the next call; NULL when there is none. Contents are
 * undefined. */
void *conv2d_scratch(size_t bytes);

#endif
