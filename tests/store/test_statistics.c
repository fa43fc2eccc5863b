// SPDX-License-Identifier: BSD-2-Clause
/* Counts of a trace's rows against plain counting, and the rows to pin against placement and counts. */
#include "../runtime/runtime_test.h"
#include "../../runtime/store/rowfmt.h"
#include "../../runtime/store/statistics.h"

enum { TABLES = 3, ROWS = 200, QUERIES = 60 };

static void make(struct trace *t, double zipf)
{
	static struct trace_model m;
	struct smartssd_error err = { "" };

	m = (struct trace_model){ .name = "x", .tables = TABLES, .dim = 16, .rows = { ROWS, 1, 77 }, .lookups = 9, .dense = 1, .bottom = { 16 }, .top = { 1 } };
	ck_assert_msg(!trace_make(&(struct trace_make){ .model = &m, .queries = QUERIES, .zipf = zipf, .seed = random_u64() }, t, &err), "%s", err.text);
}

START_TEST(counts)
{
	random_seed("counts");
	for (int round = 0; round < 30; round++) {
		uint64_t first = random_in(0, QUERIES), nr = random_in(0, QUERIES - (uint32_t)first);
		struct smartssd_error err = { "" };
		struct statistics s;
		struct trace t;

		make(&t, round % 2);
		ck_assert(!statistics_make(&t, first, nr, &s, &err));
		ck_assert_uint_eq(s.tables, TABLES);
		ck_assert_uint_eq(s.queries, nr);
		for (uint32_t i = 0; i < TABLES; i++) {
			uint64_t count[ROWS] = { 0 }, distinct = 0, lookups = 0;

			for (uint64_t q = first; q < first + nr; q++)
				for (int64_t k = t.offsets[q * TABLES + i]; k < t.offsets[q * TABLES + i + 1]; k++) {
					count[t.indices[k]]++;
					lookups++;
				}
			for (uint64_t r = 0; r < t.model.rows[i]; r++) {
				ck_assert_uint_eq(s.row_counts[i][r], count[r]);
				distinct += count[r] > 0;
			}
			ck_assert_uint_eq(s.distinct[i], distinct);
			ck_assert_uint_eq(s.lookups[i], lookups);
		}
		statistics_free(&s);
		ck_assert_int_eq(statistics_make(&t, first, QUERIES - first + 1, &s, &err), -EINVAL);
		ck_assert_int_eq(statistics_make(&t, UINT64_MAX, 2, &s, &err), -EINVAL);
		trace_free(&t);
	}
}
END_TEST

/* What statistics_pins() names are the hottest rows, those in card memory before those of the host, each once, as many as were placed. */
START_TEST(pins)
{
	uint64_t some = 0;

	random_seed("pins");
	for (int round = 0; round < 30; round++) {
		struct placement_budget b = { .cards = random_in(1, 5), .card_bytes = random_in(0, 3000), .host_bytes = random_in(0, 3000), .flash_bytes = 1 << 30 };
		struct smartssd_error err = { "" };
		struct placement_result r;
		struct statistics s;
		struct trace t;

		make(&t, 1);
		ck_assert_msg(!statistics_place(&t, SMARTSSD_ROWS_INT8, &b, &r, &s, &err), "%s", err.text);
		for (uint32_t i = 0; i < TABLES; i++) {
			uint64_t before = UINT64_MAX;
			bool seen[ROWS] = { false };
			struct statistics_pins p;

			ck_assert(!statistics_pins(&s, &t.model, &r, i, &p, &err));
			ck_assert_uint_eq(p.nr_card, r.pinned[i]);
			ck_assert_uint_eq(p.nr_host, r.in_host[i]);
			some += p.nr_card && p.nr_host;
			for (uint64_t k = 0; k < p.nr_card + p.nr_host; k++) {
				int64_t row = k < p.nr_card ? p.card[k] : p.host[k - p.nr_card];

				ck_assert(row >= 0 && (uint64_t)row < t.model.rows[i] && !seen[row]);
				seen[row] = true;
				ck_assert_uint_le(s.row_counts[i][row], before);
				before = s.row_counts[i][row];
			}
			for (uint64_t row = 0; row < t.model.rows[i]; row++)
				ck_assert(seen[row] || s.row_counts[i][row] <= before);
			statistics_pins_free(&p);
		}
		placement_free(&r);
		statistics_free(&s);
		b.flash_bytes = 4096;
		ck_assert_int_eq(statistics_place(&t, SMARTSSD_ROWS_INT8, &b, &r, &s, &err), -ENOSPC);
		ck_assert_ptr_null(s.row_counts);
		trace_free(&t);
	}
	ck_assert_uint_gt(some, 5);
}
END_TEST

static void fill(TCase *tests)
{
	tcase_add_test(tests, counts);
	tcase_add_test(tests, pins);
}

int main(void)
{
	return run_suite("statistics", fill);
}
