// SPDX-License-Identifier: BSD-2-Clause
/* row_copy for the emulated card: the same checks and status as the HLS kernel. Rows far apart are cache misses: those AHEAD entries further on are prefetched. */
#include <string.h>

#include "row_copy_check.h"

#define AHEAD 16

/* One load of a value that somebody else may change: what was checked is what is used. */
#define LOAD_ONCE(value) (*(const volatile __typeof__(value) *)&(value))

void row_copy(const uint8_t *src, uint64_t src_bytes, uint8_t *dst, uint64_t dst_bytes, const uint32_t *from, uint64_t from_bytes, const uint32_t *to, uint64_t to_bytes,
	      uint32_t *status, uint64_t status_bytes, uint32_t rows, uint32_t row_bytes, uint32_t unit)
{
	uint32_t code, detail = 0, value = 0;

	if (status_bytes < KERNEL_STATUS_WORDS * 4)
		return; /* nowhere to report to */
	code = row_copy_check(from_bytes, to_bytes, rows, row_bytes, unit, &detail);
	for (uint32_t i = 0; i < rows && code == KERNEL_OK; i++) {
		uint32_t source = LOAD_ONCE(from[i]), target = LOAD_ONCE(to[i]);

		if (!row_copy_inside(source, unit, row_bytes, src_bytes)) {
			code = KERNEL_BAD_RANGE;
			detail = ROW_COPY_SRC;
			value = i;
		} else if (!row_copy_inside(target, unit, row_bytes, dst_bytes)) {
			code = KERNEL_BAD_RANGE;
			detail = ROW_COPY_DST;
			value = i;
		} else {
			if (rows - i > AHEAD) { /* an address that does not exist does no harm here */
				__builtin_prefetch((const void *)((uintptr_t)src + (uintptr_t)from[i + AHEAD] * unit));
				__builtin_prefetch((const void *)((uintptr_t)dst + (uintptr_t)to[i + AHEAD] * unit), 1);
			}
			memmove(dst + (uint64_t)target * unit, src + (uint64_t)source * unit, row_bytes);
		}
	}
	status[1] = detail;
	status[2] = value;
	status[3] = 0;
	status[0] = code;
}
