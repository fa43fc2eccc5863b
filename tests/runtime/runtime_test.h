/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of libsmartssd share. */
#ifndef TESTS_RUNTIME_TEST_H
#define TESTS_RUNTIME_TEST_H

#include <check.h>
#include <stdio.h>
#include <time.h>

#include "../../runtime/private.h"

/* xorshift64*, so that a printed seed repeats a run anywhere */
static uint64_t random_state = 1;

static inline uint64_t random_u64(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 2685821657736338717ull;
}

/* lo .. hi */
static inline uint32_t random_in(uint32_t lo, uint32_t hi)
{
	return lo + (uint32_t)((random_u64() >> 11) % ((uint64_t)hi - lo + 1));
}

/* From $SEED, or the time; printed. */
static inline void random_seed(const char *test)
{
	const char *given = getenv("SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);

	printf("# %s: SEED=%llu\n", test, (unsigned long long)seed);
	fflush(stdout);
	random_state = seed * 0x9e3779b97f4a7c15ull | 1;
}

static inline int run_suite(const char *name, void (*fill)(TCase *))
{
	Suite *suite = suite_create(name);
	TCase *tests = tcase_create(name);
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 120);
	fill(tests);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}

#endif
