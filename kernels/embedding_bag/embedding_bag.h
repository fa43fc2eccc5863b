/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * embedding_bag: pool rows of an embedding table (PyTorch's EmbeddingBag).
 *
 *   for each bag b:   y[b][d] = sum over i in [offset[b], offset[b+1]) of weight[i] * row(index[i])[d]      (weight = 1 without weights)
 *                     mode mean: divided by the number of rows of the bag; an empty bag is all zeros
 *
 *   Accumulated in IEEE single in the order of the indices; a multiply-add may be fused. Bound against the exact value:
 *   |error| <= (n + 2) * 2^-24 * sum |weight * row|, n = rows in the bag. int8 and int4 rows: row = value * scale + bias, and as these may cancel, the bound is
 *   (n + 4) * 2^-24 * sum |weight| * (|value * scale| + |bias|). mean: the bound is divided by n, too.
 *
 * Row formats, dim elements each (FBGEMM's fused row-wise layouts for int8 and int4):
 *   EMB_FP32  dim * 4 bytes;   EMB_FP16  dim * 2 bytes (IEEE binary16);   EMB_INT8  dim unsigned bytes, then float scale, then float bias
 *   EMB_INT4  (dim + 1) / 2 bytes, element 2i in the low half of byte i, 2i + 1 in its high half, then scale and bias in binary16
 */
#ifndef KERNELS_EMBEDDING_BAG_H
#define KERNELS_EMBEDDING_BAG_H

#include <stdint.h>
#include "../status.h"

#define EMB_FP32 0u
#define EMB_FP16 1u
#define EMB_INT8 2u
#define EMB_INT4 3u

#define EMB_SUM	 0u
#define EMB_MEAN 1u

#define EMB_WEIGHTED 1u /* flags */

/* On-chip buffers of the HLS kernel */
#define EMB_MAX_DIM   4096  /* elements of a row */
#define EMB_ROW_BYTES (EMB_MAX_DIM * 4)
#define EMB_MAX_BAGS  65536 /* of one run */

/*
 * @table: row i is at table + i * row_pitch; a byte address need not be aligned. A gathered table (rows read from flash to wherever
 *	alignment put them) has row_pitch 1 and byte positions as indices
 * @rows: every index must be < rows, else KERNEL_BAD_INDEX with its position (from 0, in this run) and value; every row must end inside of table_bytes
 *	  (KERNEL_BAD_RANGE, detail 0). y then holds the bags before that one
 * @index: lookups entries
 * @offset: bags + 1 entries, not decreasing; offset[0] is that of index[0], so a tile can use a part of a longer list. offset[bags] - offset[0] = lookups, else
 *	    KERNEL_BAD_SHAPE
 * @weight: lookups entries with EMB_WEIGHTED, else not read (may be any buffer)
 * @y: bags * dim floats
 */
void embedding_bag(const uint8_t *table, uint64_t table_bytes, const uint32_t *index, uint64_t index_bytes,
		   const uint32_t *offset, uint64_t offset_bytes, const float *weight, uint64_t weight_bytes,
		   float *y, uint64_t y_bytes, uint32_t *status, uint64_t status_bytes,
		   uint32_t format, uint32_t dim, uint32_t row_pitch, uint32_t rows, uint32_t bags, uint32_t lookups,
		   uint32_t mode, uint32_t flags);

#endif
