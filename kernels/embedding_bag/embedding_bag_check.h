/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What embedding_bag checks before it touches a buffer; one implementation for the HLS kernel and for the fast version.
 * What is in the offset and index buffers is checked where it is used, on the value that is used: those buffers may change,
 * or overlap y.
 */
#ifndef KERNELS_EMBEDDING_BAG_CHECK_H
#define KERNELS_EMBEDDING_BAG_CHECK_H

#include "embedding_bag.h"

/* status[1] of KERNEL_BAD_SHAPE: the first check that failed, in this order */
#define EMB_CHECK_FORMAT  1u /* unknown format, mode or flags */
#define EMB_CHECK_DIM	  2u /* dim is 0 or > EMB_MAX_DIM */
#define EMB_CHECK_BAGS	  3u /* bags > EMB_MAX_BAGS */
#define EMB_CHECK_OFFSETS 4u /* an offset is smaller than the one before; status[2]: the bag that would end there */
#define EMB_CHECK_LOOKUPS 5u /* offset[bags] - offset[0] is not lookups */

/* status[1] of KERNEL_BAD_RANGE */
#define EMB_BUFFER_TABLE  0u /* status[2]: position of the index whose row leaves the table */
#define EMB_BUFFER_INDEX  1u
#define EMB_BUFFER_OFFSET 2u
#define EMB_BUFFER_WEIGHT 3u
#define EMB_BUFFER_Y	  4u

static inline uint32_t embedding_bag_row_bytes(uint32_t format, uint32_t dim)
{
	switch (format) {
	case EMB_FP32:
		return dim * 4;
	case EMB_FP16:
		return dim * 2;
	case EMB_INT8:
		return dim + 8;
	default:
		return (dim + 1) / 2 + 4;
	}
}

/* KERNEL_OK, or what to report with *detail. */
static inline uint32_t embedding_bag_check(uint64_t index_bytes, uint64_t offset_bytes, uint64_t weight_bytes,
					   uint64_t y_bytes, uint32_t format, uint32_t dim, uint32_t bags, uint32_t lookups,
					   uint32_t mode, uint32_t flags, uint32_t *detail)
{
	*detail = EMB_CHECK_FORMAT;
	if (format > EMB_INT4 || mode > EMB_MEAN || (flags & ~EMB_WEIGHTED))
		return KERNEL_BAD_SHAPE;
	*detail = EMB_CHECK_DIM;
	if (dim == 0 || dim > EMB_MAX_DIM)
		return KERNEL_BAD_SHAPE;
	*detail = EMB_CHECK_BAGS;
	if (bags > EMB_MAX_BAGS)
		return KERNEL_BAD_SHAPE;
	*detail = EMB_BUFFER_INDEX;
	if ((uint64_t)lookups * 4 > index_bytes)
		return KERNEL_BAD_RANGE;
	*detail = EMB_BUFFER_OFFSET;
	if (((uint64_t)bags + 1) * 4 > offset_bytes)
		return KERNEL_BAD_RANGE;
	*detail = EMB_BUFFER_WEIGHT;
	if ((flags & EMB_WEIGHTED) && (uint64_t)lookups * 4 > weight_bytes)
		return KERNEL_BAD_RANGE;
	*detail = EMB_BUFFER_Y;
	if ((uint64_t)bags * dim * 4 > y_bytes)
		return KERNEL_BAD_RANGE;
	*detail = 0;
	return KERNEL_OK;
}

/* KERNEL_OK when row @index exists (KERNEL_BAD_INDEX) and lies inside of the table (KERNEL_BAD_RANGE). Products stay below
 * 2^64. */
static inline uint32_t embedding_bag_check_row(uint32_t index, uint32_t rows, uint32_t row_pitch, uint32_t row_bytes,
					       uint64_t table_bytes)
{
	uint64_t at = (uint64_t)index * row_pitch;

	if (index >= rows)
		return KERNEL_BAD_INDEX;
	if (row_bytes > table_bytes || at > table_bytes - row_bytes)
		return KERNEL_BAD_RANGE;
	return KERNEL_OK;
}

#endif
