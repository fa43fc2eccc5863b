/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Latencies in a histogram of buckets that are 1/128 wide (relative): percentiles at most 0.8 % too high and never too low, whatever their number; exact below 256 ns. Of several threads:
 * one for each, merged by adding. Pure. A struct of zeros is an empty one; it takes 59 KB.
 */
#ifndef SMARTSSD_STORE_LATENCY_H
#define SMARTSSD_STORE_LATENCY_H

#include <stdint.h>

#define LATENCY_BUCKETS (57 * 128 + 128)

struct latency {
	uint64_t nr, sum_ns, least_ns, most_ns;
	uint64_t bucket[LATENCY_BUCKETS];
};

void latency_add(struct latency *l, uint64_t ns);
void latency_merge(struct latency *to, const struct latency *from);
/* The latency that a share @part (0.99, ...) of them do not exceed: nearest rank, rounded up to its bucket's end or the largest of all; @part 0: the least's bucket. 0 when there are none. */
uint64_t latency_percentile(const struct latency *l, double part);

#endif
