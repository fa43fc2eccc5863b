/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a row is in an object (volume.h). Rows are packed so that a read of one touches as few blocks as can be: a row that fits into a block
 * never crosses from one into the next; a longer one begins at a block. Pure.
 */
#ifndef SMARTSSD_STORE_LAYOUT_H
#define SMARTSSD_STORE_LAYOUT_H

#include <stdint.h>

struct layout {
	uint32_t row_bytes;
	uint32_t block;		/* a power of two, 512 to 4096: what the drive reads at least */
	uint32_t rows_per_span; /* block / row_bytes, at least 1 */
	uint32_t span;		/* bytes from one group of rows_per_span rows to the next: a multiple of block */
};

/* -EINVAL: row_bytes 0, or block no power of two within 512..4096. */
int layout_init(struct layout *l, uint32_t row_bytes, uint32_t block);
/* Byte of row @row, from the first row's. The caller has checked row < rows and layout_bytes(). */
uint64_t layout_at(const struct layout *l, uint64_t row);
/* Bytes of @rows rows, whole spans. UINT64_MAX: too many. */
uint64_t layout_bytes(const struct layout *l, uint64_t rows);

/* Which shard has row @row of a table in @shards row-wise shards, and where: row modulo, so that hot neighbours are spread. */
static inline uint32_t layout_shard(uint64_t row, uint32_t shards)
{
	return row % shards;
}

static inline uint64_t layout_shard_row(uint64_t row, uint32_t shards)
{
	return row / shards;
}

static inline uint64_t layout_shard_rows(uint64_t rows, uint32_t shards, uint32_t shard)
{
	return rows / shards + (shard < rows % shards);
}

#endif
