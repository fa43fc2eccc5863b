/* SPDX-License-Identifier: BSD-2-Clause */
/* The one main() of the tests of kernels: a suite, its tests, 120 s for each. */
#ifndef TESTS_KERNELS_SUITE_H
#define TESTS_KERNELS_SUITE_H

#include <check.h>

/* @add puts the tests into the case. What main() returns. */
int suite_main(const char *name, void (*add)(TCase *t));

#endif
