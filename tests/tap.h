/* SPDX-License-Identifier: BSD-2-Clause */
/* TAP from a plain C program: tap_ok(condition, "what") per result, return tap_done() from main. */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <stdarg.h>
#include <stdio.h>

static int tap_count, tap_failed;

static inline int tap_ok(int good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline int tap_ok(int good, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d ", good ? "" : "not ", ++tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	tap_failed += !good;
	return good;
}

static inline void tap_skip(const char *what, const char *why)
{
	printf("ok %d %s # SKIP %s\n", ++tap_count, what, why);
	fflush(stdout);
}

static inline int tap_done(void)
{
	printf("1..%d\n", tap_count);
	fflush(stdout);
	return tap_failed != 0;
}

#endif
