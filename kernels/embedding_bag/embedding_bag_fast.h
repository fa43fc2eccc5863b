/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the fast version's parts: checks, bags and portable loops (embedding_bag_fast.c), AVX2 (embedding_bag_avx2.c). */
#ifndef KERNELS_EMBEDDING_BAG_FAST_H
#define KERNELS_EMBEDDING_BAG_FAST_H

#include <string.h>

#include "embedding_bag_check.h"

struct embedding_bag_job {
	const uint8_t *table;
	const uint32_t *index;
	const float *weight; /* NULL: all 1 */
	uint32_t lookups;    /* entries of index (and weight) */
	uint32_t format, dim, row_pitch, row_bytes;
	uint32_t good; /* indices below this one exist and their rows lie inside of the table */
};

/* One load of a value that somebody else may change: what was checked is what is used. */
#define LOAD_ONCE(value) (*(const volatile __typeof__(value) *)&(value))

/*
 * Pool the rows of lookups [begin, end) into out[dim], divided by @divide. Returns end, or the position of the first index
 * that is not good (out is then unchanged) with the index in *bad.
 */
typedef uint32_t embedding_bag_pool(const struct embedding_bag_job *job, uint32_t begin, uint32_t end, float divide,
				    float *out, uint32_t *bad);

embedding_bag_pool embedding_bag_pool_avx2;

#endif
