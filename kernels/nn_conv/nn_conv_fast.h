/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the fast version's parts: bands and panels (nn_conv_fast.c), plain loops (nn_conv_portable.c), AVX2, AVX-512. */
#ifndef KERNELS_NN_CONV_FAST_H
#define KERNELS_NN_CONV_FAST_H

#include <stddef.h>

#include "nn_conv_check.h"

#define NN_CONV_PANEL 64u /* filters of a panel: four registers of AVX-512 */

/* A checked run and its buffers. */
struct nn_conv_job {
	struct nn_conv_args a;
	const uint8_t *x, *r;
	const int8_t *w;
	const uint32_t *coef;
	uint8_t *y;
};

/*
 * What an instruction set's function computes: @rows x @cols pixels of at most NN_CONV_PANEL filters. The pixel at row i, column j reads, for each
 * of @runs runs, 4 * @quads elements from x + i * x_row + j * x_col + run_at[run] on: nothing is outside of the image any more.
 */
struct nn_conv_panel {
	const struct nn_conv_args *a;
	const uint8_t *x; /* AVX2: of 16-bit elements */
	size_t x_row, x_col;
	const size_t *run_at;
	uint32_t runs, quads;
	uint32_t rows, cols;
	const int8_t *w, *w_end; /* of the first block of 16 filters; behind all of the run's weights */
	size_t w_block;		 /* from block to block */
	uint32_t blocks;
	uint8_t *y;
	size_t y_row, y_pitch;
	const uint8_t *r; /* NULL: no residual */
	size_t r_row, r_pitch;
	int saturate; /* a bias is so large that adding it may leave 32 bits */
	int small;    /* all multipliers are at most 0.5, those of the residual's addition 2^20: nothing that is rounded leaves 32 bits */
	int32_t bias[NN_CONV_PANEL] __attribute__((aligned(64)));
	float mult[NN_CONV_PANEL] __attribute__((aligned(64)));
};

/* As long as biases are not beyond this, no sum with one leaves 32 bits: NN_MAX_TERMS * 255 * 128 < 2^30. */
#define NN_CONV_SMALL_BIAS (1 << 30)

void nn_conv_panel_avx2(const struct nn_conv_panel *p);
void nn_conv_panel_avx512(const struct nn_conv_panel *p);

/*
 * Conv rows [begin, end) of filters [first, first + count) of a group, to @y (of row @begin, column 0, filter @first). @r: the residual at the
 * same place, or NULL. Plain loops that take any arguments and need no memory.
 */
void nn_conv_rows_portable(const struct nn_conv_job *job, uint32_t image, uint32_t group, uint32_t first, uint32_t count, uint64_t begin,
			   uint64_t end, uint8_t *y, size_t y_pitch, const uint8_t *r);

/* The same of 16 filters of one pixel. @r: of that pixel and the first filter */
void nn_conv_pixel_portable(const struct nn_conv_job *job, uint32_t image, uint32_t group, uint32_t first, uint64_t row, uint32_t col, uint8_t *y,
			    const uint8_t *r);

/* Where a filter's coefficients begin in coef. */
static inline size_t nn_conv_coef_at(const struct nn_conv_args *a, uint32_t group, uint32_t filter)
{
	return ((size_t)group * a->filters + filter) * NN_CONV_COEF_WORDS;
}

#endif
