/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * row_copy: move rows within card memory, for example from where a read brought them to their places in a cache.
 *
 *   for each i:   dst[to[i] * unit ...] = src[from[i] * unit ...]      (row_bytes bytes)
 *
 * Rows are copied in the order of i, each whole before the next one is begun: where two have the same place, the later one stays. A row whose source and destination
 * overlap is read before it is written.
 */
#ifndef KERNELS_ROW_COPY_H
#define KERNELS_ROW_COPY_H

#include <stdint.h>
#include "../status.h"

#define ROW_COPY_MAX_BYTES 16384 /* on-chip buffer of the HLS kernel */

/* status[1] of KERNEL_BAD_SHAPE */
#define ROW_COPY_ROW_BYTES 1u /* row_bytes is 0 or > ROW_COPY_MAX_BYTES */
#define ROW_COPY_UNIT	   2u /* unit is 0 */
/* status[1] of KERNEL_BAD_RANGE; of SRC and DST with status[2]: i. Rows before it are copied. */
#define ROW_COPY_SRC  0u
#define ROW_COPY_DST  1u
#define ROW_COPY_FROM 2u
#define ROW_COPY_TO   3u

/* @from, @to: rows entries. @unit: bytes that a step of an entry means. src and dst may be the same buffer. */
void row_copy(const uint8_t *src, uint64_t src_bytes, uint8_t *dst, uint64_t dst_bytes, const uint32_t *from, uint64_t from_bytes, const uint32_t *to, uint64_t to_bytes,
	      uint32_t *status, uint64_t status_bytes, uint32_t rows, uint32_t row_bytes, uint32_t unit);

#endif
