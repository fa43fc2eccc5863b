/* SPDX-License-Identifier: BSD-2-Clause */
/* Random numbers that can be repeated: SEED=n in the environment, else from the clock; printed as a TAP comment. */
#ifndef TESTS_KERNELS_RANDOM_H
#define TESTS_KERNELS_RANDOM_H

#include <stdint.h>

void random_start(void);
uint64_t random_seed(void);
uint64_t random_u64(void);
uint32_t random_below(uint32_t n);	   /* 0 .. n - 1 */
int32_t random_in(int32_t lo, int32_t hi); /* both included */
float random_float(float lo, float hi);
uint32_t random_hostile(void); /* an argument as bad as can be, or a lawful one */

/* For inner loops: Check's own assertions write to a pipe each time, also when they hold. */
#define EXPECT(condition, ...)                     \
	do {                                       \
		if (!(condition))                  \
			ck_abort_msg(__VA_ARGS__); \
	} while (0)

#endif
