// SPDX-License-Identifier: BSD-2-Clause
/*
 * Replacement policies against Belady's optimum, on independent draws from 1,000,000 rows.
 *
 *   bench_cache              zipf 1.0, cache = 10 % of the rows
 *   bench_cache --all        zipf 1.0, zipf 0.8, uniform; cache = 1, 2, 5, 10, 20 %
 *   bench_cache ... N        N accesses (default 20 million) after as many that warm the cache
 *
 * Hit ratios are of the second half, for Belady's too, and of the whole (from an empty cache). Belady's has to let every miss in; where it may
 * refuse, its figure is in brackets.
 * "oracle" is what the cache with the most popular rows of the distribution itself hits: as draws are independent, no policy that does not see the
 * future can be expected to do better.
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

static void draw(uint64_t *keys, uint64_t nr, double exponent, uint64_t seed)
{
	struct zipf *z = NULL;

	if (exponent > 0 && zipf_create(ROWS, exponent, &z))
		checked(NULL);
	for (uint64_t i = 0; i < nr; i++)
		keys[i] = z ? trace_permute(ROWS, 0, zipf_sample(z, &seed)) : trace_random(&seed) % ROWS;
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

static double table(const uint64_t *keys, uint64_t nr, double exponent, uint32_t percent)
{
	uint32_t slots = ROWS / 100 * percent;
	uint64_t hits, bypass, whole;
	double best = 0;

	if (cache_belady(keys, 2 * nr, slots, false, nr, &hits) || cache_belady(keys, 2 * nr, slots, true, nr, &bypass) ||
	    cache_belady(keys, 2 * nr, slots, false, 0, &whole))
		checked(NULL);
	printf("  cache %u %%: Belady %.4f (%.4f), from empty %.4f; oracle %.4f\n", percent, (double)hits / (double)nr, (double)bypass / (double)nr,
	       (double)whole / (double)(2 * nr), oracle(exponent, slots));
	for (enum cache_policy p = 0; p < CACHE_POLICIES; p++) {
		double ratio = measure(keys, nr, p, slots, (double)hits / (double)nr, (double)whole / (double)(2 * nr));

		best = ratio > best ? ratio : best;
	}
	fflush(stdout);
	return best;
}

int main(int argc, char **argv)
{
	static const double exponents[] = { 1.0, 0.8, 0 };
	static const uint32_t percents[] = { 1, 2, 5, 10, 20 };
	const char *seed = getenv("SEED");
	bool all = false;
	uint64_t nr = 20000000;
	uint64_t *keys;
	double best = 0;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--all"))
			all = true;
		else
			nr = strtoull(argv[i], NULL, 0);
	}
	if (!nr || nr > CACHE_MAX_SLOTS / 2) {
		fprintf(stderr, "usage: bench_cache [--all] [ACCESSES]\n");
		return 2;
	}
	keys = checked(malloc(2 * nr * sizeof(*keys)));
	printf("%u rows, %llu accesses after %llu that warm the cache, SEED=%s\n", ROWS, (unsigned long long)nr, (unsigned long long)nr, seed ? seed : "1");
	for (int e = 0; e < (all ? 3 : 1); e++) {
		draw(keys, 2 * nr, exponents[e], seed ? strtoull(seed, NULL, 0) : 1);
		printf("zipf %.1f%s\n", exponents[e], exponents[e] > 0 ? "" : " (uniform)");
		for (int i = 0; i < 5; i++) {
			double ratio;

			if (!all && percents[i] != 10)
				continue;
			ratio = table(keys, nr, exponents[e], percents[i]);
			if (!e && percents[i] == 10)
				best = ratio;
		}
	}
	printf("%s: best policy at 10 %%, zipf 1.0: %.4f of Belady's hit ratio (promised: 0.95)\n", best >= 0.95 ? "ok" : "NOT OK", best);
	free(keys);
	return best < 0.95;
}
