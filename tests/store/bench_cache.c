// SPDX-License-Identifier: BSD-2-Clause
/*
 * Replacement policies against Belady's optimum, on draws from 1,000,000 rows.
 *
 *   bench_cache              zipf 1.0, cache = 10 % of the rows
 *   bench_cache --drift      zipf 1.0, cache = 10 %, where the rows' popularities are dealt out anew every 1, 4, 16 million accesses
 *   bench_cache --all        zipf 1.0, zipf 0.8, uniform; cache = 1, 2, 5, 10, 20 %
 *   bench_cache ... N        N accesses (default 20 million) after as many that warm the cache
 *
 * Hit ratios are of the second half, for Belady's too, and of the whole (from an empty cache). Belady's has to let every miss in; where it may
 * refuse, its figure is in brackets.
 *
 * Bounds for policies that do not see the future, as draws are independent (without drift):
 *   oracle   hits of a cache that has the most popular rows of the distribution itself: none can be expected to do better
 *   exact    hits of a cache that has the rows that were asked for most often so far, counts of all rows kept: none that has to learn the popularities from
 *            what it saw can be expected to do better with so many accesses to learn from
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../runtime/store/cache.h"
#include "../../runtime/store/trace.h"
#include "../../runtime/store/trace_impl.h"

#define ROWS 1000000u

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *checked(void *p)
{
	if (p)
		return p;
	fprintf(stderr, "bench_cache: no memory\n");
	exit(1);
}

/* @drift: accesses until the ranks are other rows; 0: never. */
static void draw(uint64_t *keys, uint64_t nr, double exponent, uint64_t drift, uint64_t seed)
{
	struct zipf *z = NULL;

	if (exponent > 0 && zipf_create(ROWS, exponent, &z))
		checked(NULL);
	for (uint64_t i = 0; i < nr; i++)
		keys[i] = z ? trace_permute(ROWS, drift ? i / drift : 0, zipf_sample(z, &seed)) : trace_random(&seed) % ROWS;
	zipf_destroy(z);
}

static double oracle(double exponent, uint32_t slots)
{
	double sum = 0, top = 0;

	for (uint32_t k = ROWS; k > 0; k--) {
		sum += pow(k, -exponent);
		if (k == slots + 1)
			top = sum;
	}
	return 1 - top / sum;
}

/* Hits of the second half of 2 * @nr accesses. Rows in the cache are in a queue of the count that they had when they entered it, as in cache_lfu.c. */
static uint64_t exact(const uint64_t *keys, uint64_t nr, uint32_t slots)
{
	uint32_t *count = checked(calloc(ROWS, sizeof(*count))), *next = checked(calloc(ROWS, sizeof(*next)));
	uint32_t *first = checked(malloc((2 * nr + 2) * sizeof(*first))), *last = checked(malloc((2 * nr + 2) * sizeof(*last)));
	bool *in = checked(calloc(ROWS, sizeof(*in)));
	uint32_t used = 0, least = 1;
	uint64_t hits = 0;

	memset(first, 0xff, (2 * nr + 2) * sizeof(*first));
	for (uint64_t i = 0; i < 2 * nr; i++) {
		uint32_t key = (uint32_t)keys[i], c = ++count[key];

		if (in[key]) {
			hits += i >= nr;
			continue;
		}
		while (used == slots) {
			uint32_t row = first[least], now;

			if (row == UINT32_MAX) {
				least++;
				continue;
			}
			now = count[row];
			if (now == least && c <= least)
				break;
			first[least] = next[row];
			if (now == least) {
				in[row] = false;
				used--;
				break;
			}
			next[row] = UINT32_MAX;
			if (first[now] == UINT32_MAX)
				first[now] = row;
			else
				next[last[now]] = row;
			last[now] = row;
		}
		if (used == slots)
			continue;
		in[key] = true;
		used++;
		next[key] = UINT32_MAX;
		if (first[c] == UINT32_MAX)
			first[c] = key;
		else
			next[last[c]] = key;
		last[c] = key;
		least = c < least ? c : least;
	}
	free(count);
	free(next);
	free(first);
	free(last);
	free(in);
	return hits;
}

/* @nr accesses twice; ratio of the second half to Belady's there. */
static double measure(const uint64_t *keys, uint64_t nr, enum cache_policy p, uint32_t slots, double belady, double belady_whole)
{
	struct cache *c;
	struct cache_counts warm, end;
	uint32_t into;
	double start, seconds, ratio, whole;

	if (cache_create(p, slots, &c))
		checked(NULL);
	for (uint64_t i = 0; i < nr; i++)
		cache_access(c, keys[i], &into);
	cache_counts(c, &warm);
	start = now();
	for (uint64_t i = nr; i < 2 * nr; i++)
		cache_access(c, keys[i], &into);
	seconds = now() - start;
	cache_counts(c, &end);
	cache_destroy(c);
	ratio = (double)(end.hits - warm.hits) / (double)nr;
	whole = (double)end.hits / (double)(2 * nr);
	printf("    %-8s hits %.4f = %.4f of Belady's; from empty %.4f = %.4f; %.0f ns per access\n", cache_policy_name(p), ratio, ratio / belady, whole,
	       whole / belady_whole, seconds / (double)nr * 1e9);
	return ratio / belady;
}

/* The ratio of the chosen policy, LFU. */
static double table(const uint64_t *keys, uint64_t nr, double exponent, uint64_t drift, uint32_t percent)
{
	uint32_t slots = ROWS / 100 * percent;
	uint64_t hits, bypass, whole;
	double chosen = 0, belady;

	if (cache_belady(keys, 2 * nr, slots, false, nr, &hits) || cache_belady(keys, 2 * nr, slots, true, nr, &bypass) ||
	    cache_belady(keys, 2 * nr, slots, false, 0, &whole))
		checked(NULL);
	belady = (double)hits / (double)nr;
	printf("  cache %u %%: Belady %.4f (%.4f), from empty %.4f\n", percent, belady, (double)bypass / (double)nr, (double)whole / (double)(2 * nr));
	if (!drift) {
		double learnt = (double)exact(keys, nr, slots) / (double)nr;

		printf("    oracle   hits %.4f = %.4f of Belady's\n", oracle(exponent, slots), oracle(exponent, slots) / belady);
		printf("    exact    hits %.4f = %.4f of Belady's\n", learnt, learnt / belady);
	}
	for (enum cache_policy p = 0; p < CACHE_POLICIES; p++) {
		double ratio = measure(keys, nr, p, slots, belady, (double)whole / (double)(2 * nr));

		chosen = p == CACHE_LFU ? ratio : chosen;
	}
	fflush(stdout);
	return chosen;
}

int main(int argc, char **argv)
{
	static const double exponents[] = { 1.0, 0.8, 0 };
	static const uint32_t percents[] = { 1, 2, 5, 10, 20 };
	const char *seed = getenv("SEED");
	bool all = false, drift = false;
	uint64_t nr = 20000000, state = seed ? strtoull(seed, NULL, 0) : 1;
	uint64_t *keys;
	double chosen = 0;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--all"))
			all = true;
		else if (!strcmp(argv[i], "--drift"))
			drift = true;
		else
			nr = strtoull(argv[i], NULL, 0);
	}
	if (!nr || nr > CACHE_MAX_SLOTS / 2) {
		fprintf(stderr, "usage: bench_cache [--all | --drift] [ACCESSES]\n");
		return 2;
	}
	keys = checked(malloc(2 * nr * sizeof(*keys)));
	printf("%u rows, %llu accesses after %llu that warm the cache, SEED=%llu\n", ROWS, (unsigned long long)nr, (unsigned long long)nr, (unsigned long long)state);
	for (uint64_t each = 1000000; drift && each <= 16000000; each *= 4) {
		draw(keys, 2 * nr, 1.0, each, state);
		printf("zipf 1.0, other rows every %llu accesses\n", (unsigned long long)each);
		table(keys, nr, 1.0, each, 10);
	}
	for (int e = 0; e < (all ? 3 : 1) && !drift; e++) {
		draw(keys, 2 * nr, exponents[e], 0, state);
		printf("zipf %.1f%s\n", exponents[e], exponents[e] > 0 ? "" : " (uniform)");
		for (int i = 0; i < 5; i++) {
			double ratio;

			if (!all && percents[i] != 10)
				continue;
			ratio = table(keys, nr, exponents[e], 0, percents[i]);
			if (!e && percents[i] == 10)
				chosen = ratio;
		}
	}
	free(keys);
	if (drift)
		return 0;
	printf("%s: lfu at 10 %%, zipf 1.0: %.4f of Belady's hit ratio (promised: 0.95)\n", chosen >= 0.95 ? "ok" : "NOT OK", chosen);
	return chosen < 0.95;
}
