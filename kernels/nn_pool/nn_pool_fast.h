/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the fast version's parts: dispatch and portable loops (nn_pool_fast.c), AVX2 (nn_pool_avx2.c). */
#ifndef KERNELS_NN_POOL_FAST_H
#define KERNELS_NN_POOL_FAST_H

#include <stddef.h>

#include "nn_pool_check.h"

/* The part of one output's window that lies inside of the image. */
struct nn_pool_window {
	const uint8_t *x;	 /* its first position, channel 0 */
	size_t row_step, col_step; /* bytes from one of its positions to the next */
	uint32_t rows, cols;	 /* at least 1 each */
	uint32_t count;		 /* positions that the average is over */
};

/* All channels of one output pixel. */
void nn_pool_pixel_avx2(const struct nn_pool_run *r, const struct nn_pool_window *w, uint8_t *y);

#endif
