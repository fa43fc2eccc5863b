// SPDX-License-Identifier: BSD-2-Clause
/* Which blocks a set of rows needs: against a plain model that marks the blocks of a whole file. */
#include "../../runtime/bag_plan.h"
#include "runtime_test.h"

/* Each ck_assert sends a message to the parent process, which is slow in inner loops. */
#define must(expr)                                 \
	do {                                       \
		if (!(expr))                       \
			ck_abort_msg("%s", #expr); \
	} while (0)

static void check_gather(const struct bag_table *t, const int64_t *indices, uint64_t nr, struct bag_gather *g)
{
	uint64_t file_bytes = t->offset + t->rows * t->row_bytes, blocks = file_bytes / t->align + 2, wanted = 0, bo = 0,
		 pieces = 0;
	uint8_t *needed = calloc(1, blocks);

	ck_assert_int_eq(bag_gather(t, indices, nr, g), 0);
	for (uint64_t i = 0; i < nr; i++) {
		uint64_t at = t->offset + (uint64_t)indices[i] * t->row_bytes;

		for (uint64_t b = at / t->align; b <= (at + t->row_bytes - 1) / t->align; b++)
			needed[b] = 1;
	}
	for (uint64_t b = 0; b < blocks; b++) {
		wanted += needed[b];
		pieces += needed[b] && (b == 0 || !needed[b - 1]);
	}
	/* Exactly the blocks that are needed, each once, ascending, packed, and neighbours joined. */
	must(g->bytes == wanted * t->align);
	must(g->nr == pieces);
	for (uint32_t i = 0; i < g->nr; i++) {
		const struct smartssd_extent *e = &g->ext[i];

		must(e->bo_offset == bo);
		must(e->file_offset % t->align == 0);
		must(e->bytes > 0 && e->bytes % t->align == 0);
		for (uint64_t b = e->file_offset / t->align; b < (e->file_offset + e->bytes) / t->align; b++)
			must(needed[b] == 1);
		if (i)
			must(e->file_offset > e[-1].file_offset + e[-1].bytes);
		bo += e->bytes;
	}
	/* Each lookup finds its row's first byte, and the whole row behind it. */
	for (uint64_t i = 0; i < nr; i++) {
		uint64_t at = t->offset + (uint64_t)indices[i] * t->row_bytes;
		uint32_t lo = 0, hi = g->nr;

		while (hi - lo > 1) {
			uint32_t mid = (lo + hi) / 2;

			if (g->ext[mid].bo_offset <= g->position[i])
				lo = mid;
			else
				hi = mid;
		}
		must(g->ext[lo].file_offset + (g->position[i] - g->ext[lo].bo_offset) == at);
		must(g->position[i] + t->row_bytes <= g->ext[lo].bo_offset + g->ext[lo].bytes);
	}
	free(needed);
}

START_TEST(random_rows)
{
	struct bag_gather g = { 0 };

	random_seed("bag");
	for (int round = 0; round < 400; round++) {
		struct bag_table t = {
			.offset = random_in(0, 1) ? 128 : random_in(0, 5000),
			.rows = random_in(1, random_in(0, 1) ? 50 : 5000),
			.row_bytes = random_in(1, random_in(0, 1) ? 300 : 3000),
			.align = random_in(0, 4) ? 512 :
				 random_in(0, 1) ? 1 :
						   4096,
		};
		uint64_t nr = random_in(0, 2000);
		int64_t *indices = malloc((nr + 1) * sizeof(*indices));

		for (uint64_t i = 0; i < nr; i++)
			indices[i] = random_in(0, (uint32_t)t.rows - 1);
		check_gather(&t, indices, nr, &g);
		free(indices);
	}
	bag_gather_free(&g);
}
END_TEST

START_TEST(special_rows)
{
	struct bag_gather g = { 0 };
	struct bag_table t = { .offset = 128, .rows = 1000000, .row_bytes = 256, .align = 512 };
	int64_t same[5] = { 7, 7, 7, 7, 7 }, ends[3] = { 999999, 0, 999999 }, pair[2] = { 1, 2 };

	check_gather(&t, same, 5, &g);
	ck_assert_uint_eq(g.nr, 1);
	check_gather(&t, ends, 3, &g);
	ck_assert_uint_eq(g.nr, 2);
	check_gather(&t, pair, 2, &g); /* bytes 384-639 and 640-895: blocks 0 and 1 */
	ck_assert_uint_eq(g.nr, 1);
	ck_assert_uint_eq(g.bytes, 1024);
	check_gather(&t, NULL, 0, &g);
	ck_assert_uint_eq(g.nr, 0);
	/* A table of 2^40 rows: more digits to sort. */
	t = (struct bag_table){ .offset = 128, .rows = 1ull << 40, .row_bytes = 64, .align = 512 };
	int64_t far[4] = { (1ll << 40) - 1, 5, 1ll << 33, 1ll << 22 };
	ck_assert_int_eq(bag_gather(&t, far, 4, &g), 0);
	ck_assert_uint_eq(g.nr, 4);
	ck_assert_uint_eq(g.ext[3].file_offset, align_down(128 + ((1ull << 40) - 1) * 64, 512));
	ck_assert_uint_eq(g.position[0], 3 * 512 + (128 + ((1ull << 40) - 1) * 64) % 512);
	/* Rows whose place does not fit the kernel's 32-bit index */
	t = (struct bag_table){ .offset = 0, .rows = 10, .row_bytes = 1u << 31, .align = 512 };
	int64_t large[3] = { 1, 3, 5 };
	ck_assert_int_eq(bag_gather(&t, large, 3, &g), -EOVERFLOW);
	ck_assert_int_eq(bag_gather(&t, large, 2, &g), 0);
	bag_gather_free(&g);
}
END_TEST

START_TEST(row_span_is_the_worst_case)
{
	for (uint32_t align = 512; align <= 4096; align *= 8)
		for (uint32_t row = 1; row < 2000; row += 7) {
			struct bag_table t = { .row_bytes = row, .align = align };
			uint64_t worst = 0;

			for (uint64_t at = 0; at < align; at++)
				worst = max_u64(worst, align_up(at + row, align) - align_down(at, align));
			ck_assert_uint_eq(bag_row_span(&t), worst);
		}
	ck_assert_uint_eq(bag_row_span(&(struct bag_table){ .row_bytes = 100, .align = 1 }), 100);
}
END_TEST

START_TEST(tiles_cover_the_bags)
{
	random_seed("tiles");
	for (int round = 0; round < 300; round++) {
		uint64_t bags = random_in(1, 300), end;
		int64_t *offsets = calloc(bags + 1, sizeof(*offsets));
		struct bag_limits l = { .lookups = random_in(1, 200),
					.bags = random_in(1, 100),
					.bytes = random_in(1000, 100000),
					.lookup_bytes = 520,
					.bag_bytes = 260 };

		for (uint64_t b = 0; b < bags; b++)
			offsets[b + 1] = offsets[b] + (random_in(0, 3) ? random_in(0, 20) : random_in(0, 400));
		for (uint64_t bag = 0; bag < bags; bag = end) {
			uint64_t lookups;

			end = bag_tile_end(&l, offsets, bag, bags);
			ck_assert(end > bag && end <= bags);
			lookups = (uint64_t)(offsets[end] - offsets[bag]);
			if (end > bag + 1) {
				ck_assert_uint_le(end - bag, l.bags);
				ck_assert_uint_le(lookups, l.lookups);
				ck_assert_uint_le(bag_tile_bytes(&l, lookups, end - bag), l.bytes);
			}
			/* and one more would not fit */
			if (end < bags && end - bag < l.bags) {
				lookups = (uint64_t)(offsets[end + 1] - offsets[bag]);
				ck_assert(lookups > l.lookups || bag_tile_bytes(&l, lookups, end + 1 - bag) > l.bytes);
			}
		}
		free(offsets);
	}
}
END_TEST

static void fill(TCase *tests)
{
	tcase_add_test(tests, random_rows);
	tcase_add_test(tests, special_rows);
	tcase_add_test(tests, row_span_is_the_worst_case);
	tcase_add_test(tests, tiles_cover_the_bags);
}

int main(void)
{
	return run_suite("bag", fill);
}
