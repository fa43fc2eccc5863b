/* SPDX-License-Identifier: BSD-2-Clause */
/* What row_copy checks: one implementation for the HLS kernel and for the fast version. Entries are checked where they are used, on the value that is used. */
#ifndef KERNELS_ROW_COPY_CHECK_H
#define KERNELS_ROW_COPY_CHECK_H

#include "row_copy.h"

static inline uint32_t row_copy_check(uint64_t from_bytes, uint64_t to_bytes, uint32_t rows, uint32_t row_bytes, uint32_t unit, uint32_t *detail)
{
	*detail = ROW_COPY_ROW_BYTES;
	if (row_bytes == 0 || row_bytes > ROW_COPY_MAX_BYTES)
		return KERNEL_BAD_SHAPE;
	*detail = ROW_COPY_UNIT;
	if (unit == 0)
		return KERNEL_BAD_SHAPE;
	*detail = ROW_COPY_FROM;
	if ((uint64_t)rows * 4 > from_bytes)
		return KERNEL_BAD_RANGE;
	*detail = ROW_COPY_TO;
	if ((uint64_t)rows * 4 > to_bytes)
		return KERNEL_BAD_RANGE;
	*detail = 0;
	return KERNEL_OK;
}

/* Is the row at entry @entry inside of a buffer? The product stays below 2^64. */
static inline int row_copy_inside(uint32_t entry, uint32_t unit, uint32_t row_bytes, uint64_t bytes)
{
	return row_bytes <= bytes && (uint64_t)entry * unit <= bytes - row_bytes;
}

#endif
