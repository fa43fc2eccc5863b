// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "random.h"

static uint64_t seed, state;

void random_start(void)
{
	const char *given = getenv("SEED");
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = given ? strtoull(given, NULL, 0) : (uint64_t)now.tv_sec * 1000003 + (uint64_t)now.tv_nsec;
	state = seed;
	printf("# SEED=%llu\n", (unsigned long long)seed);
	fflush(stdout);
}

uint64_t random_seed(void)
{
	return seed;
}

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014) */
uint64_t random_u64(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint32_t random_below(uint32_t n)
{
	return (uint32_t)((random_u64() >> 32) * n >> 32);
}

int32_t random_in(int32_t lo, int32_t hi)
{
	return lo + (int32_t)random_below((uint32_t)(hi - lo) + 1);
}

float random_float(float lo, float hi)
{
	return lo + (hi - lo) * ((float)(random_u64() >> 40) * 0x1p-24f);
}

uint32_t random_hostile(void)
{
	switch (random_below(9)) {
	case 0:
		return (uint32_t)random_u64();
	case 1:
		return 1u << random_below(32);
	case 2:
		return (1u << random_below(32)) - 1;
	case 3:
		return (uint32_t)-random_in(0, 300);
	case 4:
		return random_below(300);
	case 5:
		return 16 * random_below(64);
	case 6: /* two halves */
		return random_below(9) | random_below(9) << 16;
	case 7:
		return (uint32_t)random_u64() & 0xffff;
	default:
		return random_below(8);
	}
}
