// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>

#include "layout.h"

int layout_init(struct layout *l, uint32_t row_bytes, uint32_t block)
{
	uint64_t span = block;

	if (!row_bytes || block < 512 || block > 4096 || block & (block - 1))
		return -EINVAL;
	if (row_bytes > block)
		span = ((uint64_t)row_bytes + block - 1) / block * block;
	if (span > UINT32_MAX)
		return -EINVAL;
	*l = (struct layout){
		.row_bytes = row_bytes,
		.block = block,
		.rows_per_span = row_bytes > block ? 1 : block / row_bytes,
		.span = (uint32_t)span,
	};
	return 0;
}

uint64_t layout_at(const struct layout *l, uint64_t row)
{
	return row / l->rows_per_span * l->span + row % l->rows_per_span * l->row_bytes;
}

uint64_t layout_bytes(const struct layout *l, uint64_t rows)
{
	uint64_t spans = rows / l->rows_per_span + (rows % l->rows_per_span != 0), bytes;

	return __builtin_mul_overflow(spans, (uint64_t)l->span, &bytes) ? UINT64_MAX : bytes;
}
