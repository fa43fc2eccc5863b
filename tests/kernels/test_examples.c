// SPDX-License-Identifier: BSD-2-Clause
/* copy, adder and bandwidth against the obvious loops, at sizes around their bursts; not a byte outside is touched. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/adder/adder.h"
#include "../../kernels/bandwidth/bandwidth.h"
#include "../../kernels/copy/copy.h"
#include "random.h"
#include "suite.h"

extern __typeof__(copy) copy_hls;
extern __typeof__(adder) adder_hls;
extern __typeof__(bandwidth) bandwidth_hls;

#define ROOM 3

/* 0, 1, and what is near a multiple of @burst. */
static uint32_t some_size(uint32_t burst, int round)
{
	if (round < 2)
		return (uint32_t)round;
	return burst * (1 + (uint32_t)round % 3) + random_below(5) - 2;
}

START_TEST(copies)
{
	for (int round = 0; round < 40; round++) {
		uint32_t n = some_size(COPY_BURST, round);
		uint8_t *in = malloc(n + 1), *out = malloc(n + ROOM);

		for (uint32_t i = 0; i < n; i++)
			in[i] = (uint8_t)random_u64();
		memset(out, 0xa5, n + ROOM);
		copy_hls(in, out, n);
		ck_assert(!memcmp(in, out, n));
		for (uint32_t i = n; i < n + ROOM; i++)
			ck_assert_uint_eq(out[i], 0xa5);
		free(in);
		free(out);
	}
}
END_TEST

START_TEST(adds)
{
	for (int round = 0; round < 40; round++) {
		uint32_t n = some_size(ADDER_BURST, round), increment = (uint32_t)random_u64();
		int32_t *in = malloc((n + 1) * 4), *out = malloc((n + ROOM) * 4);

		for (uint32_t i = 0; i < n; i++)
			in[i] = (int32_t)random_u64();
		memset(out, 0xa5, (n + ROOM) * 4);
		adder_hls(in, out, (int32_t)increment, n);
		for (uint32_t i = 0; i < n + ROOM; i++)
			ck_assert_uint_eq((uint32_t)out[i], i < n ? (uint32_t)in[i] + increment : 0xa5a5a5a5u);
		adder_hls(in, in, (int32_t)increment, n); /* in place */
		ck_assert(!memcmp(in, out, n * 4));
		free(in);
		free(out);
	}
}
END_TEST

START_TEST(sums)
{
	for (int round = 0; round < 40; round++) {
		uint32_t n = some_size(BANDWIDTH_BURST, round), repeat = (uint32_t)round % 4;
		uint64_t *in = malloc((n + 1) * 8), *out = malloc((n + ROOM) * 8), sum = 77, want = 0;

		for (uint32_t i = 0; i < n; i++) {
			in[i] = random_u64();
			want += in[i] * repeat;
		}
		memset(out, 0xa5, (n + ROOM) * 8);
		bandwidth_hls(in, out, &sum, n, repeat);
		ck_assert_uint_eq(sum, want);
		for (uint32_t i = 0; i < n + ROOM; i++)
			ck_assert_uint_eq(out[i], i < n && repeat ? in[i] : 0xa5a5a5a5a5a5a5a5ull);
		free(in);
		free(out);
	}
}
END_TEST

static void add(TCase *t)
{
	tcase_add_test(t, copies);
	tcase_add_test(t, adds);
	tcase_add_test(t, sums);
}

int main(void)
{
	return suite_main("example_kernels", add);
}
