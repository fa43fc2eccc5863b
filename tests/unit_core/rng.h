/* SPDX-License-Identifier: BSD-2-Clause */
/* Random numbers that can be repeated: SEED=n in the environment, else from the clock; rng_start() prints it as a TAP comment. */
#ifndef TESTS_UNIT_CORE_RNG_H
#define TESTS_UNIT_CORE_RNG_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t rng_state;

static inline void rng_seed(uint64_t seed)
{
	rng_state = (seed + 1) * 0x9e3779b97f4a7c15ull;
	if (!rng_state)
		rng_state = 1;
}

static inline uint64_t rng_start(void)
{
	const char *text = getenv("SEED");
	struct timespec now;
	uint64_t seed;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = text ? strtoull(text, NULL, 0) : (uint64_t)(now.tv_nsec ^ now.tv_sec) & 0xffffffff;
	rng_seed(seed);
	printf("# SEED=%llu\n", (unsigned long long)seed);
	fflush(stdout);
	return seed;
}

/* xorshift64*: G. Marsaglia, "Xorshift RNGs", 2003; S. Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016 */
static inline uint64_t rng_u64(void)
{
	rng_state ^= rng_state >> 12;
	rng_state ^= rng_state << 25;
	rng_state ^= rng_state >> 27;
	return rng_state * 0x2545f4914f6cdd1dull;
}

/* 0 .. n - 1 */
static inline uint32_t rng_below(uint32_t n)
{
	return (uint32_t)((rng_u64() >> 32) * n >> 32);
}

#endif
