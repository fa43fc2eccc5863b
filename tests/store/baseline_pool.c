// SPDX-License-Identifier: BSD-2-Clause
/* Pooling on the host, for the programs that the engine is compared with: a row's parts are in registers until all are added, and rows are fetched ahead. */
#include <string.h>

#include "bench/lookups.h"

#define AHEAD 12 /* rows */

typedef float vector __attribute__((vector_size(64), aligned(4)));

#define POOL(n)                                                                                       \
	static inline __attribute__((always_inline)) void pool_##n(const float *const *rows, uint32_t nr, float *y) \
	{                                                                                             \
		vector sum[n] = { 0 };                                                                \
                                                                                                      \
		for (uint32_t i = 0; i < nr; i++) {                                                   \
			const vector *row = (const vector *)(const void *)rows[i];                    \
                                                                                                      \
			/* Pointers of the next bag lie behind this one's. */                         \
			for (uint32_t k = 0; k < (n); k++) {                                          \
				__builtin_prefetch((const char *)rows[i + AHEAD] + 64 * k);           \
				sum[k] += row[k];                                                     \
			}                                                                             \
		}                                                                                     \
		memcpy(y, sum, sizeof(sum));                                                          \
	}
POOL(2)
POOL(4)

static inline __attribute__((always_inline)) void pool_any(const float *const *rows, uint32_t nr, uint32_t dim, float *y)
{
	if (dim == 32) {
		pool_2(rows, nr, y);
	} else if (dim == 64) {
		pool_4(rows, nr, y);
	} else {
		memset(y, 0, dim * sizeof(*y));
		for (uint32_t i = 0; i < nr; i++)
			for (uint32_t d = 0; d < dim; d++)
				y[d] += rows[i][d];
	}
}

__attribute__((target_clones("arch=x86-64-v4", "avx2", "default"))) void pool_rows(const float *const *rows, uint32_t nr, uint32_t dim, float *y)
{
	pool_any(rows, nr, dim, y);
}
