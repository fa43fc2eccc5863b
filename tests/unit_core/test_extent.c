// SPDX-License-Identifier: BSD-2-Clause
/* Extents: where they may lie, alignment, and merging against what the pieces say byte by byte. */
#include "../../driver/core/core.h"
#include "rng.h"
#include "suite.h"

#define BO   65536ull
#define FILE_BYTES 1000000ull

static int check(struct smartssd_extent bad_one, bool write, u32 *bad)
{
	/* The bad one has good ones around it. */
	struct smartssd_extent ext[3] = { { 0, 0, 1 }, bad_one, { 4096, 4096, 4096 } };

	return smartssd_check_extents(ext, 3, BO, FILE_BYTES, write, bad);
}

#define expect(error, write, ...)                                                          \
	do {                                                                               \
		u32 bad_ = 99;                                                             \
		ck_assert_int_eq(check((struct smartssd_extent)__VA_ARGS__, write, &bad_), error); \
		ck_assert_uint_eq(bad_, (error) ? 1 : 99);                                 \
	} while (0)

START_TEST(inside)
{
	expect(0, false, { 0, 0, BO });
	expect(0, true, { FILE_BYTES - BO, 0, BO });
}
END_TEST

START_TEST(empty_piece)
{
	expect(-EINVAL, false, { 0, 0, 0 });
	expect(-EINVAL, true, { 0, 0, 0 });
}
END_TEST

START_TEST(beyond_the_bo)
{
	expect(0, false, { 0, BO - 8, 8 });
	expect(-EINVAL, false, { 0, BO - 8, 9 });
	expect(-EINVAL, true, { 0, BO, 1 });
}
END_TEST

START_TEST(read_past_the_end_of_the_file)
{
	expect(0, false, { FILE_BYTES - 1, 0, 4096 });
	expect(-EINVAL, false, { FILE_BYTES, 0, 1 });
	expect(-EINVAL, false, { FILE_BYTES + 4096, 0, 1 });
}
END_TEST

START_TEST(write_past_the_end_of_the_file)
{
	expect(0, true, { FILE_BYTES - 4096, 0, 4096 });
	expect(-EINVAL, true, { FILE_BYTES - 4095, 0, 4096 });
	expect(-EINVAL, true, { FILE_BYTES, 0, 1 });
}
END_TEST

START_TEST(sums_that_wrap)
{
	expect(-EOVERFLOW, false, { 0, ~0ull, 1 });
	expect(-EOVERFLOW, false, { ~0ull, 0, 1 });
	expect(-EOVERFLOW, true, { 1, 0, ~0ull });
	expect(-EOVERFLOW, true, { 0, 1, ~0ull });
}
END_TEST

START_TEST(first_bad_one_is_named)
{
	struct smartssd_extent ext[4] = { { 0, 0, 1 }, { 0, 0, 1 }, { 0, BO, 1 }, { 0, 0, 0 } };
	u32 bad = 99;

	ck_assert_int_eq(smartssd_check_extents(ext, 4, BO, FILE_BYTES, false, &bad), -EINVAL);
	ck_assert_uint_eq(bad, 2);
}
END_TEST

START_TEST(alignment)
{
	ck_assert(smartssd_extent_aligned(&(struct smartssd_extent){ 512, 516, 1024 }, 512, 4));
	ck_assert(!smartssd_extent_aligned(&(struct smartssd_extent){ 513, 516, 1024 }, 512, 4));
	ck_assert(!smartssd_extent_aligned(&(struct smartssd_extent){ 512, 518, 1024 }, 512, 4));
	ck_assert(!smartssd_extent_aligned(&(struct smartssd_extent){ 512, 516, 1023 }, 512, 4));
	ck_assert(!smartssd_extent_aligned(&(struct smartssd_extent){ 512, 516, 1024 }, 4096, 4));
	ck_assert(smartssd_extent_aligned(&(struct smartssd_extent){ 3ull << 40, 1, 1 }, 1, 1));
	ck_assert(!smartssd_extent_aligned(&(struct smartssd_extent){ (3ull << 40) + 256, 0, 512 }, 512, 4));
}
END_TEST

START_TEST(merge_up_to_the_limit)
{
	struct smartssd_extent ext[] = { { 0, 0, 4 }, { 4, 4, 4 }, { 8, 8, 4 }, { 12, 12, 1 } };
	u32 origin[4];

	ck_assert_uint_eq(smartssd_merge_extents(ext, 4, 8, origin), 2);
	ck_assert_uint_eq(ext[0].bytes, 8);
	ck_assert_uint_eq(ext[1].bytes, 5);
	ck_assert_uint_eq(ext[1].file_offset, 8);
	ck_assert_uint_eq(origin[1], 2);
}
END_TEST

START_TEST(merge_only_what_continues_in_both)
{
	struct smartssd_extent file_only[] = { { 0, 0, 4 }, { 4, 8, 4 } };
	struct smartssd_extent bo_only[] = { { 0, 0, 4 }, { 8, 4, 4 } };
	struct smartssd_extent backwards[] = { { 4, 4, 4 }, { 0, 0, 4 } };

	ck_assert_uint_eq(smartssd_merge_extents(file_only, 2, ~0ull, NULL), 2);
	ck_assert_uint_eq(smartssd_merge_extents(bo_only, 2, ~0ull, NULL), 2);
	ck_assert_uint_eq(smartssd_merge_extents(backwards, 2, ~0ull, NULL), 2);
}
END_TEST

START_TEST(merge_does_not_wrap)
{
	struct smartssd_extent ends[] = { { ~0ull - 3, 0, 4 }, { 0, 4, 4 } };
	struct smartssd_extent sum[] = { { 0, 0, 1ull << 63 }, { 1ull << 63, 1ull << 63, 1ull << 63 } };

	ck_assert_uint_eq(smartssd_merge_extents(ends, 2, ~0ull, NULL), 2);
	ck_assert_uint_eq(smartssd_merge_extents(sum, 2, ~0ull, NULL), 2);
}
END_TEST

START_TEST(merge_of_nothing)
{
	ck_assert_uint_eq(smartssd_merge_extents(NULL, 0, 4096, NULL), 0);
}
END_TEST

/* The bytes of a list, in order: byte k of the file goes to byte j of the BO. */
static size_t expand(const struct smartssd_extent *ext, u32 nr, u64 (*out)[2])
{
	size_t n = 0;

	for (u32 i = 0; i < nr; i++)
		for (u64 b = 0; b < ext[i].bytes; b++, n++) {
			out[n][0] = ext[i].file_offset + b;
			out[n][1] = ext[i].bo_offset + b;
		}
	return n;
}

START_TEST(merge_against_brute_force)
{
	static u64 before[64 * 8][2], after[64 * 8][2];

	rng_start();
	for (int round = 0; round < 20000; round++) {
		struct smartssd_extent in[64], ext[64];
		u32 origin[64], nr = rng_below(64) + 1, out;
		u64 max = rng_below(24) + 1;
		size_t n;

		for (u32 i = 0; i < nr; i++) {
			in[i].bytes = rng_below(8) + 1;
			in[i].file_offset = rng_below(64);
			in[i].bo_offset = rng_below(64);
			if (i && rng_below(4)) {
				in[i].file_offset = in[i - 1].file_offset + in[i - 1].bytes;
				in[i].bo_offset = in[i - 1].bo_offset + in[i - 1].bytes;
			}
			if (i && !rng_below(8))
				in[i].bo_offset ^= 1;
		}
		memcpy(ext, in, sizeof(in));
		out = smartssd_merge_extents(ext, nr, max, origin);
		n = expand(in, nr, before);
		must(expand(ext, out, after) == n, "round %d: other length", round);
		must(!memcmp(before, after, n * sizeof(before[0])), "round %d moves other bytes", round);
		for (u32 k = 0; k < out; k++) {
			const struct smartssd_extent *e = &ext[k], *first = &in[origin[k]];
			u32 next = k + 1 < out ? origin[k + 1] : nr;

			must(next > origin[k], "round %d: origins", round);
			must(e->file_offset == first->file_offset && e->bo_offset == first->bo_offset, "round %d: origin of %u", round, k);
			must(e->bytes <= max || next == origin[k] + 1, "round %d: %u merged beyond the limit", round, k);
			/* What follows was left apart for a reason. */
			if (next < nr)
				must(in[next].file_offset != e->file_offset + e->bytes ||
						      in[next].bo_offset != e->bo_offset + e->bytes || e->bytes + in[next].bytes > max,
					      "round %d: %u and the next could be one", round, k);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("extent");
	TCase *tc = tcase_create("extent");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, inside);
	tcase_add_test(tc, empty_piece);
	tcase_add_test(tc, beyond_the_bo);
	tcase_add_test(tc, read_past_the_end_of_the_file);
	tcase_add_test(tc, write_past_the_end_of_the_file);
	tcase_add_test(tc, sums_that_wrap);
	tcase_add_test(tc, first_bad_one_is_named);
	tcase_add_test(tc, alignment);
	tcase_add_test(tc, merge_up_to_the_limit);
	tcase_add_test(tc, merge_only_what_continues_in_both);
	tcase_add_test(tc, merge_does_not_wrap);
	tcase_add_test(tc, merge_of_nothing);
	tcase_add_test(tc, merge_against_brute_force);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
