// SPDX-License-Identifier: BSD-2-Clause
/* The cache of pooled results against a list of everything that was ever kept. */
#include "../runtime/runtime_test.h"
#include "../../runtime/store/pooled.h"

enum { DIM = 4 };

static bool has(struct pooled *p, uint64_t table, uint32_t mean, const int64_t *indices, uint64_t nr, float want)
{
	float y[DIM] = { -1, -1, -1, -1 };
	bool found = pooled_find(p, table, mean, indices, nr, DIM, y);

	for (int i = 0; i < DIM; i++)
		ck_assert_float_eq(y[i], found ? want + (float)i : -1);
	return found;
}

static void keep(struct pooled *p, uint64_t table, uint32_t mean, const int64_t *indices, uint64_t nr, float value)
{
	float y[DIM] = { value, value + 1, value + 2, value + 3 };

	pooled_keep(p, table, mean, indices, nr, DIM, y);
}

START_TEST(what_is_the_same)
{
	static const int64_t bag[] = { 5, 3, 3, 9 }, turned[] = { 9, 3, 5, 3 }, set[] = { 9, 3, 5 }, other[] = { 5, 5, 3, 9 }, far[] = { 5, 3, 3, 8 };
	/* The same sum of indices */
	static const int64_t same_sum[] = { 4, 4, 3, 9 };
	struct pooled_counts counts;
	struct pooled *p;
	float y[8];

	ck_assert_int_eq(pooled_create(1 << 20, &p), 0);
	keep(p, 1, 0, bag, 4, 10);
	ck_assert(has(p, 1, 0, bag, 4, 10));
	ck_assert(has(p, 1, 0, turned, 4, 10));
	ck_assert(!has(p, 1, 0, set, 3, 0));
	ck_assert(!has(p, 1, 0, other, 4, 0));
	ck_assert(!has(p, 1, 0, far, 4, 0));
	ck_assert(!has(p, 1, 0, same_sum, 4, 0));
	ck_assert(!has(p, 1, 0, bag, 3, 0));
	ck_assert(!has(p, 1, 1, bag, 4, 0));
	ck_assert(!has(p, 2, 0, bag, 4, 0));
	ck_assert(!pooled_find(p, 1, 0, bag, 4, 8, y));
	ck_assert(!has(p, 1, 0, bag, 0, 0));
	keep(p, 1, 0, NULL, 0, 70);
	ck_assert(has(p, 1, 0, NULL, 0, 70));
	/* In place of the old one */
	keep(p, 1, 0, turned, 4, 20);
	ck_assert(has(p, 1, 0, bag, 4, 20));
	keep(p, 2, 1, bag, 4, 30);
	pooled_counts(p, &counts);
	ck_assert_uint_eq(counts.kept, 3);
	pooled_forget(p, 1);
	ck_assert(!has(p, 1, 0, bag, 4, 0));
	ck_assert(has(p, 2, 1, bag, 4, 30));
	pooled_counts(p, &counts);
	ck_assert_uint_eq(counts.kept, 1);
	ck_assert_uint_eq(counts.asked, 15);
	ck_assert_uint_eq(counts.hits, 5);
	pooled_destroy(p);
}
END_TEST

START_TEST(lru_by_bytes)
{
	struct pooled_counts counts;
	struct pooled *p;
	int64_t i;

	ck_assert_int_eq(pooled_create(8192, &p), 0);
	for (i = 0; i < 1000; i++) {
		keep(p, 7, 0, &i, 1, (float)i);
		/* Used all the time: stays */
		ck_assert(has(p, 7, 0, &(int64_t){ 0 }, 1, 0));
		pooled_counts(p, &counts);
		ck_assert_uint_le(counts.bytes, 8192);
	}
	ck_assert_uint_gt(counts.kept, 20);
	/* The last ones are there, those before are not. */
	for (i = 1; i < 1000; i++)
		ck_assert_int_eq(has(p, 7, 0, &i, 1, (float)i), i > 1000 - (int64_t)counts.kept);
	pooled_destroy(p);
	for (uint64_t bytes = 0; bytes < 400; bytes++) {
		ck_assert_int_eq(pooled_create(bytes, &p), 0);
		for (i = 0; i < 5; i++)
			keep(p, 7, 0, &i, 1, 1);
		pooled_counts(p, &counts);
		ck_assert(!counts.kept || counts.bytes <= bytes);
		pooled_destroy(p);
	}
}
END_TEST

static int by_value(const void *a, const void *b)
{
	return (*(const int64_t *)a > *(const int64_t *)b) - (*(const int64_t *)a < *(const int64_t *)b);
}

START_TEST(against_list)
{
	enum { MOST = 4000 };
	static struct {
		uint64_t table, nr;
		uint32_t mean;
		int64_t indices[4];
		float value;
		bool forgotten;
	} kept[MOST];
	struct pooled_counts counts;
	struct pooled *p;
	int hits = 0;

	random_seed("against_list");
	ck_assert_int_eq(pooled_create(20000, &p), 0);
	for (int step = 0; step < MOST; step++) {
		uint64_t table = random_in(0, 2), nr = random_in(0, 4);
		uint32_t mean = random_in(0, 1);
		int64_t indices[4] = { 0 }, sorted[4];
		float y[DIM];
		int found = -1;

		for (uint64_t i = 0; i < nr; i++)
			indices[i] = random_in(0, 4);
		memcpy(sorted, indices, sizeof(sorted));
		qsort(sorted, nr, sizeof(*sorted), by_value);
		for (int k = 0; k < step; k++)
			if (kept[k].table == table && kept[k].nr == nr && kept[k].mean == mean && !memcmp(kept[k].indices, sorted, nr * sizeof(*sorted)))
				found = k;
		if (pooled_find(p, table, mean, indices, nr, DIM, y)) {
			hits++;
			ck_assert_int_ge(found, 0);
			ck_assert(!kept[found].forgotten);
			ck_assert_float_eq(y[0], kept[found].value);
		}
		if (random_in(0, 199) == 0) {
			pooled_forget(p, table);
			for (int k = 0; k < step; k++)
				kept[k].forgotten |= kept[k].table == table;
		}
		kept[step].table = table;
		kept[step].nr = nr;
		kept[step].mean = mean;
		memcpy(kept[step].indices, sorted, sizeof(sorted));
		kept[step].value = (float)step;
		kept[step].forgotten = false;
		keep(p, table, mean, indices, nr, (float)step);
		pooled_counts(p, &counts);
		ck_assert_uint_le(counts.bytes, 20000);
	}
	ck_assert_int_gt(hits, 100);
	pooled_destroy(p);
}
END_TEST

static void fill(TCase *tests)
{
	tcase_add_test(tests, what_is_the_same);
	tcase_add_test(tests, lru_by_bytes);
	tcase_add_test(tests, against_list);
}

int main(void)
{
	return run_suite("pooled", fill);
}
