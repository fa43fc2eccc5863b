// SPDX-License-Identifier: BSD-2-Clause
/* The DDR allocator, also against a model that marks every unit. */
#include "../../driver/core/core.h"
#include "rng.h"
#include "suite.h"

#define MIB (1ull << 20)

static struct smartssd_ddr *create(u64 bytes, u32 align)
{
	struct smartssd_ddr *ddr = NULL;

	ck_assert_int_eq(smartssd_ddr_create(bytes, align, &ddr), 0);
	ck_assert_ptr_nonnull(ddr);
	return ddr;
}

START_TEST(bad_geometry)
{
	struct smartssd_ddr *ddr;

	ck_assert_int_eq(smartssd_ddr_create(MIB, 0, &ddr), -EINVAL);
	ck_assert_int_eq(smartssd_ddr_create(MIB, 3000, &ddr), -EINVAL);
	ck_assert_int_eq(smartssd_ddr_create(4095, 4096, &ddr), -EINVAL);
}
END_TEST

START_TEST(first_fit_and_rounding)
{
	struct smartssd_ddr *ddr = create(MIB + 100, 4096);
	u64 a, b, c, d;

	ck_assert_uint_eq(smartssd_ddr_free_bytes(ddr), MIB);
	ck_assert_int_eq(smartssd_ddr_alloc(ddr, 1, &a), 0);
	ck_assert_int_eq(smartssd_ddr_alloc(ddr, 4097, &b), 0);
	ck_assert_int_eq(smartssd_ddr_alloc(ddr, 4096, &c), 0);
	ck_assert_uint_eq(a, 0);
	ck_assert_uint_eq(b, 4096);
	ck_assert_uint_eq(c, 3 * 4096);
	ck_assert_uint_eq(smartssd_ddr_free_bytes(ddr), MIB - 4 * 4096);
	ck_assert_int_eq(smartssd_ddr_free(ddr, b), 0);
	ck_assert_int_eq(smartssd_ddr_alloc(ddr, 3 * 4096, &d), 0); /* too large for the hole */
	ck_assert_uint_eq(d, 4 * 4096);
	ck_assert_int_eq(smartssd_ddr_alloc(ddr, 4096, &d), 0);
	ck_assert_uint_eq(d, b);
	smartssd_ddr_destroy(ddr);
}
END_TEST

START_TEST(no_bytes)
{
	struct smartssd_ddr *ddr = create(MIB, 4096);
	u64 a;

	ck_assert_int_eq(smartssd_ddr_alloc(ddr, 0, &a), -EINVAL);
	smartssd_ddr_destroy(ddr);
}
END_TEST

START_TEST(no_room)
{
	struct smartssd_ddr *ddr = create(MIB, 4096);
	u64 a, b;

	ck_assert_int_eq(smartssd_ddr_alloc(ddr, MIB + 1, &a), -ENOMEM);
	ck_assert_int_eq(smartssd_ddr_alloc(ddr, MIB, &a), 0);
	ck_assert_int_eq(smartssd_ddr_alloc(ddr, 1, &b), -ENOMEM);
	ck_assert_uint_eq(smartssd_ddr_free_bytes(ddr), 0);
	ck_assert_int_eq(smartssd_ddr_free(ddr, a), 0);
	ck_assert_int_eq(smartssd_ddr_alloc(ddr, 1, &b), 0);
	smartssd_ddr_destroy(ddr);
}
END_TEST

START_TEST(rounding_up_wraps)
{
	struct smartssd_ddr *ddr = create(MIB, 4096);
	u64 a;

	ck_assert_int_eq(smartssd_ddr_alloc(ddr, ~0ull, &a), -EOVERFLOW);
	ck_assert_int_eq(smartssd_ddr_alloc(ddr, ~0ull - 4094, &a), -EOVERFLOW);
	ck_assert_int_eq(smartssd_ddr_alloc(ddr, ~0ull - 4095, &a), -ENOMEM);
	ck_assert_uint_eq(smartssd_ddr_free_bytes(ddr), MIB);
	smartssd_ddr_destroy(ddr);
}
END_TEST

START_TEST(free_of_what_is_not_allocated)
{
	struct smartssd_ddr *ddr = create(MIB, 4096);
	u64 a;

	ck_assert_int_eq(smartssd_ddr_alloc(ddr, 8192, &a), 0);
	ck_assert_int_eq(smartssd_ddr_free(ddr, 4096), -EINVAL); /* in the middle */
	ck_assert_int_eq(smartssd_ddr_free(ddr, 8192), -EINVAL); /* free */
	ck_assert_int_eq(smartssd_ddr_free(ddr, MIB), -EINVAL);
	ck_assert_int_eq(smartssd_ddr_free(ddr, ~0ull), -EINVAL);
	ck_assert_uint_eq(smartssd_ddr_free_bytes(ddr), MIB - 8192);
	ck_assert_int_eq(smartssd_ddr_free(ddr, a), 0);
	ck_assert_int_eq(smartssd_ddr_free(ddr, a), -EINVAL); /* twice */
	ck_assert_uint_eq(smartssd_ddr_free_bytes(ddr), MIB);
	smartssd_ddr_destroy(ddr);
}
END_TEST

START_TEST(neighbours_are_joined_in_every_order)
{
	static const int orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

	for (int o = 0; o < 6; o++) {
		struct smartssd_ddr *ddr = create(3 * 4096, 4096);
		u64 a[3], all;

		for (int i = 0; i < 3; i++)
			ck_assert_int_eq(smartssd_ddr_alloc(ddr, 4096, &a[i]), 0);
		for (int i = 0; i < 3; i++)
			ck_assert_int_eq(smartssd_ddr_free(ddr, a[orders[o][i]]), 0);
		ck_assert_int_eq(smartssd_ddr_alloc(ddr, 3 * 4096, &all), 0);
		smartssd_ddr_destroy(ddr);
	}
}
END_TEST

START_TEST(destroy_of_nothing)
{
	smartssd_ddr_destroy(NULL);
}
END_TEST

#define UNITS 200
#define ALIGN 512

START_TEST(random_against_a_map_of_units)
{
	struct smartssd_ddr *ddr = create(UNITS * ALIGN, ALIGN);
	u32 owner[UNITS] = { 0 }; /* 0: free, else number of the allocation */
	u32 next = 1, free_units = UNITS;

	rng_start();
	for (int round = 0; round < 100000; round++) {
		if (rng_below(100) < 52) {
			u64 bytes = rng_below(rng_below(8) ? 12 * ALIGN : 90 * ALIGN) + 1;
			u32 units = (bytes + ALIGN - 1) / ALIGN, run = 0, at = UNITS;
			u64 address = 12345;
			int err = smartssd_ddr_alloc(ddr, bytes, &address);

			for (u32 u = 0; u < UNITS && at == UNITS; u++) {
				run = owner[u] ? 0 : run + 1;
				if (run == units)
					at = u + 1 - units;
			}
			if (at == UNITS) {
				must(err == -ENOMEM && address == 12345, "round %d: %d at %llu", round, err, (unsigned long long)address);
				continue;
			}
			must(!err && address == (u64)at * ALIGN, "round %d: %d at %llu", round, err, (unsigned long long)address);
			for (u32 u = at; u < at + units; u++)
				owner[u] = next;
			next++;
			free_units -= units;
		} else {
			/* Any address: only the first byte of an allocation can be freed. */
			u32 at = rng_below(UNITS + 4);
			u64 address = (u64)at * ALIGN + (rng_below(16) ? 0 : rng_below(ALIGN));
			bool right = at < UNITS && address % ALIGN == 0 && owner[at] && (!at || owner[at - 1] != owner[at]);
			u32 id = right ? owner[at] : 0;

			must(smartssd_ddr_free(ddr, address) == (right ? 0 : -EINVAL), "round %d: free of %llu", round, (unsigned long long)address);
			for (u32 u = at; right && u < UNITS && owner[u] == id; u++) {
				owner[u] = 0;
				free_units++;
			}
		}
		must(smartssd_ddr_free_bytes(ddr) == (u64)free_units * ALIGN, "round %d: free bytes", round);
	}
	smartssd_ddr_destroy(ddr);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ddr");
	TCase *tc = tcase_create("ddr");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, bad_geometry);
	tcase_add_test(tc, first_fit_and_rounding);
	tcase_add_test(tc, no_bytes);
	tcase_add_test(tc, no_room);
	tcase_add_test(tc, rounding_up_wraps);
	tcase_add_test(tc, free_of_what_is_not_allocated);
	tcase_add_test(tc, neighbours_are_joined_in_every_order);
	tcase_add_test(tc, destroy_of_nothing);
	tcase_add_test(tc, random_against_a_map_of_units);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
