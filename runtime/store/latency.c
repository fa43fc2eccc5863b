// SPDX-License-Identifier: BSD-2-Clause
/* Below 128 ns a bucket is one number; then each power of two has 128 of them. */
#include <math.h>

#include "latency.h"

#define SUB_BITS 7
#define SUB	 (1u << SUB_BITS)

_Static_assert(LATENCY_BUCKETS == SUB + (64 - SUB_BITS) * SUB, "buckets for all 64-bit numbers");

static uint32_t bucket_of(uint64_t ns)
{
	uint32_t shift;

	if (ns < SUB)
		return (uint32_t)ns;
	shift = 63 - __builtin_clzll(ns) - SUB_BITS;
	return (shift + 1) * SUB + (uint32_t)(ns >> shift) - SUB;
}

/* The largest number of a bucket */
static uint64_t bucket_end(uint32_t bucket)
{
	uint32_t shift;

	if (bucket < SUB)
		return bucket;
	shift = bucket / SUB - 1;
	return ((uint64_t)(SUB + bucket % SUB) << shift) + ((1ull << shift) - 1);
}

void latency_add(struct latency *l, uint64_t ns)
{
	if (!l->nr || ns < l->least_ns)
		l->least_ns = ns;
	if (ns > l->most_ns)
		l->most_ns = ns;
	l->nr++;
	l->sum_ns += ns;
	l->bucket[bucket_of(ns)]++;
}

void latency_merge(struct latency *to, const struct latency *from)
{
	if (!from->nr)
		return;
	if (!to->nr || from->least_ns < to->least_ns)
		to->least_ns = from->least_ns;
	if (from->most_ns > to->most_ns)
		to->most_ns = from->most_ns;
	to->nr += from->nr;
	to->sum_ns += from->sum_ns;
	for (uint32_t i = 0; i < LATENCY_BUCKETS; i++)
		to->bucket[i] += from->bucket[i];
}

uint64_t latency_percentile(const struct latency *l, double part)
{
	/* 0.07 * 100 is a bit more than 7: a rank is not one higher for that. */
	double want = ceil(part * (double)l->nr * (1 - 1e-12));
	uint64_t rank = want >= (double)l->nr ? l->nr : want > 1 ? (uint64_t)want : 1, seen = 0;

	if (!l->nr)
		return 0;
	for (uint32_t i = 0; i < LATENCY_BUCKETS; i++) {
		uint64_t end = bucket_end(i);

		seen += l->bucket[i];
		if (seen >= rank)
			return end < l->most_ns ? (end > l->least_ns ? end : l->least_ns) : l->most_ns;
	}
	return l->most_ns;
}
