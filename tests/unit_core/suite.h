/* SPDX-License-Identifier: BSD-2-Clause */
/* main() of a Check program with one suite. */
#ifndef TESTS_UNIT_CORE_SUITE_H
#define TESTS_UNIT_CORE_SUITE_H

#include <check.h>

/* ck_assert_msg() without its message to the parent process on each success: for loops that check millions of things. */
#define must(condition, ...)                       \
	do {                                       \
		if (!(condition))                  \
			ck_abort_msg(__VA_ARGS__); \
	} while (0)

static inline int suite_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

#endif
