/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fuzz target is one file: LLVMFuzzerTestOneInput() and fuzz_seeds(). It is built twice: with driver.c, which mutates the seeds by
 * itself (part of `make check`), and with clang's libFuzzer, which follows coverage (`make fuzz`).
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Call @add for each seed: good inputs, from which mutations start. */
void fuzz_seeds(void (*add)(const void *data, size_t bytes));
/* Words of the format, which mutations insert; ends with NULL. */
extern const char *const fuzz_words[];

/*
 * What became of the input, told to the driver: an error's number and words. Inputs with an outcome never seen before become seeds
 * too; so the words of the error messages stand in for coverage.
 */
void fuzz_outcome(int err, const char *words);

/* Something that must hold after any input. */
#define fuzz_check(condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#endif
