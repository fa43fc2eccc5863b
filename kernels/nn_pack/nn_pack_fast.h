/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the fast version's parts: dispatch and portable loops (nn_pack_fast.c), AVX2 (nn_pack_avx2.c). */
#ifndef KERNELS_NN_PACK_FAST_H
#define KERNELS_NN_PACK_FAST_H

#include <stddef.h>

#include "nn_pack_check.h"

/*
 * A row as it is unfolded from: [column][channel], quantised, with @margin columns of r->outside before and behind it: as many as a window that
 * touches the image can reach over its edge.
 */
#define NN_PACK_MARGIN_BYTES (32u * 1024u)
#define NN_PACK_LINE_SLACK   32u /* bytes that may be read behind it */

struct nn_pack_line {
	uint32_t margin;
	uint8_t bytes[2 * NN_PACK_MARGIN_BYTES + NN_PACK_ROW_BYTES + NN_PACK_LINE_SLACK];
	uint8_t planes[NN_PACK_ROW_BYTES + 64]; /* of the AVX2 version: [channel][column] */
};

/* One row, from @x, to the line's columns at @to; @lut: not used for singles */
void nn_pack_row_avx2(const struct nn_pack_run *r, const uint8_t *x, const uint8_t *lut, struct nn_pack_line *line, uint8_t *to);

/* @count pixels of y; windows begin at @from and every @step bytes. */
void nn_pack_unfold_avx2(const struct nn_pack_run *r, const uint8_t *from, size_t step, uint32_t count, uint8_t *y);

#endif
