// SPDX-License-Identifier: BSD-2-Clause
/* Percentiles against those of the sorted numbers: never lower, at most 1/128 higher. */
#include "../runtime/runtime_test.h"
#include "../../runtime/store/latency.h"

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* 1 .. 64 bits, so that all buckets are met */
static uint64_t draw(void)
{
	return random_u64() >> random_in(0, 63);
}

static void compare(const struct latency *l, const uint64_t *sorted, uint64_t nr, double part, uint64_t rank)
{
	uint64_t exact = sorted[rank - 1], got = latency_percentile(l, part);

	ck_assert_msg(got >= exact && got - exact <= exact / 128, "%g of %llu: %llu, exact %llu", part, (unsigned long long)nr, (unsigned long long)got, (unsigned long long)exact);
}

START_TEST(against_sorting)
{
	static struct latency l, parts[3], sum;
	uint64_t *x = malloc(20000 * sizeof(*x));

	random_seed("against_sorting");
	for (int round = 0; round < 60; round++) {
		uint64_t nr = round < 20 ? (uint64_t)round + 1 : random_in(1, 20000), total = 0;

		memset(&l, 0, sizeof(l));
		memset(parts, 0, sizeof(parts));
		memset(&sum, 0, sizeof(sum));
		for (uint64_t i = 0; i < nr; i++) {
			x[i] = draw();
			total += x[i];
			latency_add(&l, x[i]);
			latency_add(&parts[random_in(0, 2)], x[i]);
		}
		for (int i = 0; i < 3; i++)
			latency_merge(&sum, &parts[i]);
		ck_assert(!memcmp(&sum, &l, sizeof(l)));
		qsort(x, nr, sizeof(*x), by_size);
		ck_assert_uint_eq(l.nr, nr);
		ck_assert_uint_eq(l.sum_ns, total);
		ck_assert_uint_eq(l.least_ns, x[0]);
		ck_assert_uint_eq(l.most_ns, x[nr - 1]);
		compare(&l, x, nr, 0.5, (nr + 1) / 2);
		compare(&l, x, nr, 0.99, (nr * 99 + 99) / 100);
		compare(&l, x, nr, 0.999, (nr * 999 + 999) / 1000);
		compare(&l, x, nr, 0.07, (nr * 7 + 99) / 100);
		compare(&l, x, nr, 0, 1);
		ck_assert_uint_eq(latency_percentile(&l, 1), x[nr - 1]);
	}
	free(x);
}
END_TEST

START_TEST(edges)
{
	static struct latency l;

	ck_assert_uint_eq(latency_percentile(&l, 0.99), 0);
	for (uint64_t i = 0; i < 256; i++)
		latency_add(&l, i);
	/* Exact below 256 */
	for (uint64_t i = 1; i <= 256; i++)
		ck_assert_uint_eq(latency_percentile(&l, (double)i / 256), i - 1);
	memset(&l, 0, sizeof(l));
	latency_add(&l, UINT64_MAX);
	latency_add(&l, 0);
	ck_assert_uint_eq(latency_percentile(&l, 0.5), 0);
	ck_assert_uint_eq(latency_percentile(&l, 1), UINT64_MAX);
	ck_assert_uint_eq(l.bucket[LATENCY_BUCKETS - 1], 1);
}
END_TEST

static void fill(TCase *tests)
{
	tcase_add_test(tests, against_sorting);
	tcase_add_test(tests, edges);
}

int main(void)
{
	return run_suite("latency", fill);
}
