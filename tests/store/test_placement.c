// SPDX-License-Identifier: BSD-2-Clause
/* Placement on small random cases: budgets, hottest rows, loads counted row by row, balance against splitting every table, and, for whole tables, against all assignments. */
#include <math.h>

#include "../runtime/runtime_test.h"
#include "../../runtime/store/layout.h"
#include "../../runtime/store/placement.h"
#include "../../runtime/store/store.h"

enum { TABLES = 4, ROWS = 60, CARDS = 4 };

#define SMALL (9u << 19) /* two of these are room for one shard of a few rows, and not for two */

/* Documentation/store.rst, How to size, with B = 4096 and rows up to that. */
static uint64_t takes(uint32_t row_bytes, uint64_t rows)
{
	uint64_t blocks = (rows + 4096 / row_bytes - 1) / (4096 / row_bytes), crc = (4096 + 4 * rows + 4095) / 4096 * 4096, quarter = (blocks * 1024 + 4095) / 4096 * 4096;

	return 4096 + blocks * 4096 + crc + (quarter > 2048 * 4096 ? quarter : 2048 * 4096);
}

struct random_case {
	struct placement_table t[TABLES];
	uint64_t counts[TABLES][ROWS], order[TABLES][ROWS];
	struct placement_budget b;
	uint32_t nr;
};

static void draw(struct random_case *c)
{
	memset(c, 0, sizeof(*c));
	c->nr = random_in(1, TABLES);
	c->b.cards = random_in(1, CARDS);
	c->b.batch = random_in(0, 1) * random_in(0, 50);
	c->b.card_bytes = random_in(0, 1) ? random_in(0, 4000) : 0;
	c->b.host_bytes = random_in(0, 1) ? random_in(0, 4000) : 0;
	c->b.flash_bytes = random_in(0, 3) ? 1 << 30 : (uint64_t)random_in(2, 12) * SMALL;
	for (uint32_t i = 0; i < c->nr; i++) {
		bool uniform = random_in(0, 2) == 0;

		c->t[i] = (struct placement_table){ .rows = random_in(1, ROWS), .row_bytes = random_in(1, 3) * 64, .lookups = random_in(0, 100) };
		for (uint64_t r = 0; r < c->t[i].rows; r++)
			c->counts[i][r] = random_in(0, 3) ? random_in(0, 5) : random_in(0, 200000);
		c->t[i].row_counts = uniform ? NULL : c->counts[i];
		ck_assert(!placement_hottest(c->t[i].row_counts, c->t[i].rows, c->order[i]));
	}
}

/* Seconds of a row with @rate lookups for each query, read once for a batch; @flash: it is there, else in DDR. */
static double seconds(const struct random_case *c, uint32_t i, double rate, bool flash)
{
	double b = c->b.batch;

	return rate * c->t[i].row_bytes / PLACEMENT_DDR_PER_SECOND + (flash ? (b > 0 ? (1 - exp(-rate * b)) / b : rate) / PLACEMENT_READS_PER_SECOND : 0);
}

static double rate(const struct random_case *c, uint32_t i, uint64_t row)
{
	double sum = 0;

	for (uint64_t r = 0; r < c->t[i].rows; r++)
		sum += (double)c->counts[i][r];
	return c->t[i].row_counts && sum > 0 ? c->t[i].lookups * (double)c->counts[i][row] / sum : c->t[i].lookups / (double)c->t[i].rows;
}

/* Everything that must hold, row by row. */
static void verify(const struct random_case *c, const struct placement_result *r)
{
	uint64_t ddr[CARDS] = { 0 }, flash[CARDS] = { 0 }, host = 0;
	double load[CARDS] = { 0 }, slowest = 0, mean = 0;

	for (uint32_t i = 0; i < c->nr; i++) {
		const struct placement_table *t = &c->t[i];

		ck_assert_uint_le(r->pinned[i] + r->in_host[i], t->rows);
		ck_assert(r->card[i] != UINT32_MAX || t->rows >= c->b.cards);
		for (uint32_t k = 0; k < c->b.cards; k++)
			if (r->card[i] == UINT32_MAX)
				flash[k] += takes(t->row_bytes, layout_shard_rows(t->rows, c->b.cards, k));
			else if (r->card[i] == k)
				flash[k] += takes(t->row_bytes, t->rows);
		for (uint64_t k = 0; k < t->rows; k++) {
			uint64_t row = c->order[i][k];
			uint32_t card = r->card[i] == UINT32_MAX ? (uint32_t)(row % c->b.cards) : r->card[i];

			/* Nothing colder before something hotter */
			if (k)
				ck_assert(rate(c, i, c->order[i][k - 1]) >= rate(c, i, row));
			ck_assert_uint_lt(card, c->b.cards);
			if (k < r->pinned[i]) {
				ck_assert(rate(c, i, row) > 0);
				ddr[card] += t->row_bytes;
				load[card] += seconds(c, i, rate(c, i, row), false);
			} else if (k < r->pinned[i] + r->in_host[i]) {
				host += t->row_bytes;
			} else {
				load[card] += seconds(c, i, rate(c, i, row), true);
			}
		}
	}
	for (uint32_t k = 0; k < c->b.cards; k++) {
		ck_assert_uint_le(ddr[k], c->b.card_bytes);
		ck_assert_uint_le(flash[k], c->b.flash_bytes);
		ck_assert_msg(fabs(load[k] - r->load[k]) <= 1e-6 * load[k] + 1e-15, "card %u: %g, counted %g", k, r->load[k], load[k]);
		slowest = fmax(slowest, load[k]);
		mean += load[k] / c->b.cards;
	}
	ck_assert_uint_le(host, c->b.host_bytes);
	ck_assert(fabs(slowest - r->slowest) <= 1e-6 * slowest + 1e-15);
	ck_assert(fabs(mean - r->mean) <= 1e-6 * mean + 1e-15);
}

/* Without memory: slowest and mean with all tables row-wise, and whether that is possible, and fits. */
static bool all_split(const struct random_case *c, double *slowest, double *mean)
{
	double load[CARDS] = { 0 };
	uint64_t flash[CARDS] = { 0 };
	bool fits = true;

	*slowest = *mean = 0;
	for (uint32_t i = 0; i < c->nr; i++) {
		fits &= c->t[i].rows >= c->b.cards;
		for (uint64_t row = 0; row < c->t[i].rows; row++)
			load[row % c->b.cards] += seconds(c, i, rate(c, i, row), true);
		for (uint32_t k = 0; k < c->b.cards; k++)
			flash[k] += takes(c->t[i].row_bytes, layout_shard_rows(c->t[i].rows, c->b.cards, k));
	}
	for (uint32_t k = 0; k < c->b.cards; k++) {
		*slowest = fmax(*slowest, load[k]);
		*mean += load[k] / c->b.cards;
		fits &= flash[k] <= c->b.flash_bytes;
	}
	return fits;
}

START_TEST(random_cases)
{
	int planned = 0, refused = 0, balanced = 0;

	random_seed("random_cases");
	for (int round = 0; round < 1500; round++) {
		static struct random_case c;
		struct placement_result r;
		struct smartssd_error err = { "" };
		double slowest, mean;
		bool fits;

		draw(&c);
		fits = all_split(&c, &slowest, &mean);
		if (placement_plan(c.t, c.nr, &c.b, &r, &err)) {
			refused++;
			ck_assert_ptr_nonnull(strstr(err.text, "does not fit"));
			ck_assert(!fits);
			continue;
		}
		planned++;
		verify(&c, &r);
		if (!c.b.card_bytes && !c.b.host_bytes && fits) {
			ck_assert_msg(r.slowest <= 1.1000001 * r.mean || slowest > 1.1 * mean, "row-wise: %g of %g; plan: %g of %g", slowest, mean, r.slowest, r.mean);
			ck_assert(r.slowest <= fmax(slowest, 1.1 * mean) * 1.0000001);
			balanced += r.slowest <= 1.1 * r.mean;
		}
		placement_free(&r);
	}
	ck_assert_int_gt(planned, 200);
	ck_assert_int_gt(refused, 5);
	ck_assert_int_gt(balanced, 50);
}
END_TEST

/* One card: what is pinned is what a brute choice of the hottest rows by time saved for a byte would be. */
START_TEST(hottest_are_pinned)
{
	random_seed("hottest_are_pinned");
	for (int round = 0; round < 300; round++) {
		static struct random_case c;
		struct placement_result r;
		struct smartssd_error err = { "" };
		double worst_in = INFINITY, best_out = 0;

		draw(&c);
		c.b.cards = 1;
		c.b.flash_bytes = 1 << 30;
		c.b.host_bytes = 0;
		c.b.card_bytes = 64 * random_in(1, 60);
		/* All of one size, so that no gap is left */
		for (uint32_t i = 0; i < c.nr; i++)
			c.t[i].row_bytes = 64;
		ck_assert_msg(!placement_plan(c.t, c.nr, &c.b, &r, &err), "%s", err.text);
		verify(&c, &r);
		for (uint32_t i = 0; i < c.nr; i++)
			for (uint64_t k = 0; k < c.t[i].rows; k++) {
				double x = rate(&c, i, c.order[i][k]);

				x = seconds(&c, i, x, true) - seconds(&c, i, x, false);
				if (k < r.pinned[i])
					worst_in = fmin(worst_in, x);
				else
					best_out = fmax(best_out, x);
			}
		ck_assert_msg(worst_in >= best_out * 0.999999, "pinned one saves %g s, one that is not %g s", worst_in, best_out);
		placement_free(&r);
	}
}
END_TEST

START_TEST(models)
{
	/* rm2 on 24 cards: 32 tables of the same size do not go into 24, so some are split. A table of a terabyte is planned at once. */
	struct placement_table t[32];
	struct placement_budget b = { .cards = 24, .flash_bytes = 3840ull * 1000 * 1000 * 1000, .card_bytes = 1 << 30, .host_bytes = 1ull << 40 };
	struct smartssd_error err = { "" };
	struct placement_result r;

	for (int i = 0; i < 32; i++)
		t[i] = (struct placement_table){ .rows = 8ull << 30, .row_bytes = 128, .lookups = 120 };
	ck_assert_msg(!placement_plan(t, 32, &b, &r, &err), "%s", err.text);
	ck_assert_msg(r.slowest <= 1.1 * r.mean, "%s", r.why);
	ck_assert(isfinite(r.queries_per_second) && r.queries_per_second > 0);
	placement_free(&r);
	b.flash_bytes = 1ull << 30;
	ck_assert_int_eq(placement_plan(t, 32, &b, &r, &err), -ENOSPC);
	b.cards = 0;
	ck_assert_int_eq(placement_plan(t, 32, &b, &r, &err), -EINVAL);
	b.cards = 2;
	t[3].row_bytes = 0;
	ck_assert_int_eq(placement_plan(t, 32, &b, &r, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "table 3"));
}
END_TEST

/* ---- against all assignments of whole and row-wise tables ---- */

struct small {
	struct placement_table t[TABLES];
	uint64_t counts[TABLES][ROWS];
	double all[TABLES], part[TABLES][CARDS];
	uint64_t whole_bytes[TABLES], part_bytes[TABLES][CARDS];
	uint32_t where[TABLES];
	struct placement_budget b;
	uint32_t nr;
	double mean;
};

static void draw_small(struct small *s)
{
	memset(s, 0, sizeof(*s));
	s->nr = random_in(1, TABLES);
	s->b = (struct placement_budget){ .cards = random_in(2, CARDS), .flash_bytes = random_in(0, 1) ? 1 << 30 : (uint64_t)random_in(2, 8) * SMALL, .batch = random_in(0, 1) * 16 };
	for (uint32_t i = 0; i < s->nr; i++) {
		double exponent = random_in(0, 2) * 0.6, sum = 0;
		struct placement_table *t = &s->t[i];

		*t = (struct placement_table){ .rows = random_in(1, ROWS), .row_bytes = random_in(1, 3) * 128, .lookups = random_in(1, 100), .row_counts = s->counts[i] };
		for (uint64_t r = 0; r < t->rows; r++) {
			s->counts[i][r] = (uint64_t)(1000 / pow(1 + random_in(0, (uint32_t)t->rows - 1), exponent)) + random_in(0, 3);
			sum += (double)s->counts[i][r];
		}
		for (uint64_t r = 0; r < t->rows; r++) {
			double x = t->lookups * (double)s->counts[i][r] / sum, b = s->b.batch;

			x = x * t->row_bytes / PLACEMENT_DDR_PER_SECOND + (b > 0 ? (1 - exp(-x * b)) / b : x) / PLACEMENT_READS_PER_SECOND;
			s->all[i] += x;
			s->part[i][r % s->b.cards] += x;
		}
		s->mean += s->all[i] / s->b.cards;
		s->whole_bytes[i] = takes(t->row_bytes, t->rows);
		for (uint32_t c = 0; c < s->b.cards; c++)
			s->part_bytes[i][c] = takes(t->row_bytes, layout_shard_rows(t->rows, s->b.cards, c));
		s->where[i] = PLACEMENT_OPEN;
	}
	/* In every other case one or two are stored already, and need no more room. */
	for (uint32_t k = random_in(0, 1) * random_in(1, 2); k; k--) {
		uint32_t i = random_in(0, s->nr - 1);

		s->b.where = s->where;
		s->where[i] = random_in(0, 2) || s->t[i].rows < s->b.cards ? random_in(0, s->b.cards - 1) : UINT32_MAX;
		s->whole_bytes[i] = 0;
		memset(s->part_bytes[i], 0, sizeof(s->part_bytes[i]));
	}
}

/* Table @i on card @k, or, when that is their number, on all: is it possible? */
static bool may_be(const struct small *s, uint32_t i, uint32_t k)
{
	if (s->where[i] != PLACEMENT_OPEN)
		return s->where[i] == (k == s->b.cards ? UINT32_MAX : k);
	return k < s->b.cards || s->t[i].rows >= s->b.cards;
}

/* The least that the slowest card can have; infinite: nothing fits. */
static double optimum(const struct small *s)
{
	uint64_t all = 1;
	double best = INFINITY;

	for (uint32_t i = 0; i < s->nr; i++)
		all *= s->b.cards + 1;
	for (uint64_t a = 0; a < all; a++) {
		double load[CARDS] = { 0 }, slowest = 0;
		uint64_t bytes[CARDS] = { 0 }, left = a;

		for (uint32_t i = 0; i < s->nr; i++, left /= s->b.cards + 1) {
			uint32_t k = (uint32_t)(left % (s->b.cards + 1));

			if (!may_be(s, i, k))
				slowest = INFINITY;
			for (uint32_t c = 0; c < s->b.cards; c++)
				if (k == s->b.cards || k == c) {
					load[c] += k == c ? s->all[i] : s->part[i][c];
					bytes[c] += k == c ? s->whole_bytes[i] : s->part_bytes[i][c];
				}
		}
		for (uint32_t c = 0; c < s->b.cards; c++)
			slowest = bytes[c] > s->b.flash_bytes ? INFINITY : fmax(slowest, load[c]);
		best = fmin(best, slowest);
	}
	return best;
}

START_TEST(against_all_assignments)
{
	uint32_t balanced = 0, missed = 0, refused = 0, impossible = 0;

	random_seed("against_all_assignments");
	for (int round = 0; round < 2000; round++) {
		static struct small s;
		struct smartssd_error err = { "" };
		struct placement_result r;
		double best;

		draw_small(&s);
		best = optimum(&s);
		if (placement_plan(s.t, s.nr, &s.b, &r, &err)) {
			refused += isfinite(best);
			impossible += isinf(best);
			continue;
		}
		ck_assert(isfinite(best));
		for (uint32_t i = 0; i < s.nr; i++)
			ck_assert(may_be(&s, i, r.card[i] == UINT32_MAX ? s.b.cards : r.card[i]));
		ck_assert(r.slowest >= best * 0.999999);
		if (r.slowest <= 1.1 * r.mean)
			balanced++;
		else
			missed += best <= 1.1 * s.mean || r.slowest > 1.5 * best;
		ck_assert((r.slowest <= 1.1 * r.mean) == !strstr(r.why, "not below 1.1"));
		placement_free(&r);
	}
	/* It is a heuristic: of what is possible it may miss one in a hundred of these, and of what just fits, too. Without moves it missed one in twenty. */
	ck_assert_uint_gt(balanced, 500);
	ck_assert_uint_gt(impossible, 20);
	ck_assert_msg(missed * 100 <= balanced + 500, "%u of %u that could be balanced are not", missed, missed + balanced);
	ck_assert_msg(refused <= 20, "%u that fit were refused", refused);
}
END_TEST

/* Zipf over 1 to 48 cards, in batches. Of 20,000 rows a card of 48 has some 400 for each table, so chance alone makes them differ: nothing can be done about that but to pin the hottest. */
START_TEST(zipf)
{
	enum { MANY = 20000, NR = 5 };
	static uint64_t counts[NR][MANY];
	struct placement_table t[NR];

	random_seed("zipf");
	for (int i = 0; i < NR; i++) {
		struct zipf *z;
		uint64_t state = random_u64();

		ck_assert(!zipf_create(MANY, 1, &z));
		for (int k = 0; k < 400000; k++)
			counts[i][trace_permute(MANY, (uint64_t)i, zipf_sample(z, &state))]++;
		zipf_destroy(z);
		t[i] = (struct placement_table){ .rows = MANY - (uint64_t)i * 1000, .row_bytes = 128, .lookups = 20 + 30 * i, .row_counts = counts[i] };
	}
	for (uint32_t cards = 1; cards <= 48; cards++)
		for (int memory = 0; memory < 2; memory++) {
			struct placement_budget b = { .cards = cards, .flash_bytes = 1ull << 30, .batch = 64, .card_bytes = memory ? 300000 / cards : 0, .host_bytes = memory ? 50000 : 0 };
			struct smartssd_error err = { "" };
			struct placement_result r;
			double sum = 0;

			ck_assert_msg(!placement_plan(t, NR, &b, &r, &err), "%s", err.text);
			ck_assert_msg(r.slowest <= (cards > 16 ? 1.25 : 1.1) * r.mean, "%s", r.why);
			for (uint32_t c = 0; c < cards; c++)
				sum += r.load[c];
			ck_assert(fabs(sum - r.mean * cards) <= 1e-9 * sum);
			placement_free(&r);
		}
}
END_TEST

/* A row that alone is more than a card's share: it says so. Tables that are stored stay where they are. */
START_TEST(reasons)
{
	uint64_t counts[64] = { [0 ... 63] = 1 };
	struct placement_table t[2] = { { .rows = 64, .row_bytes = 128, .lookups = 80, .row_counts = counts }, { .rows = 64, .row_bytes = 128, .lookups = 20, .row_counts = counts } };
	uint32_t where[2] = { 1, UINT32_MAX };
	struct placement_budget b = { .cards = 4, .flash_bytes = 1 << 30 };
	struct smartssd_error err = { "" };
	struct placement_result r;

	counts[7] = 200;
	ck_assert(!placement_plan(t, 2, &b, &r, &err));
	ck_assert(r.slowest > 1.1 * r.mean);
	ck_assert_msg(strstr(r.why, "not below 1.1: single rows are too hot: one of table 0"), "%s", r.why);
	placement_free(&r);
	b.where = where;
	b.card_bytes = 128 * 5;
	ck_assert(!placement_plan(t, 2, &b, &r, &err));
	ck_assert_uint_eq(r.card[0], 1);
	ck_assert_uint_eq(r.card[1], UINT32_MAX);
	ck_assert_uint_gt(r.pinned[0], 0);
	placement_free(&r);
	/* Rows that were seen once stand for those that were not seen; when all were seen, there are none. */
	b.least_count = 2;
	b.card_bytes = 128 * 100;
	ck_assert(!placement_plan(t, 2, &b, &r, &err));
	ck_assert_uint_eq(r.pinned[0], 64);
	placement_free(&r);
	counts[3] = 0;
	ck_assert(!placement_plan(t, 2, &b, &r, &err));
	ck_assert_uint_eq(r.pinned[0], 1);
	placement_free(&r);
	where[0] = 4;
	ck_assert_int_eq(placement_plan(t, 2, &b, &r, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "table 0 is on card 4, of 4"));
}
END_TEST

static void fill(TCase *tests)
{
	tcase_add_test(tests, against_all_assignments);
	tcase_add_test(tests, zipf);
	tcase_add_test(tests, reasons);
	tcase_add_test(tests, random_cases);
	tcase_add_test(tests, hottest_are_pinned);
	tcase_add_test(tests, models);
}

int main(void)
{
	return run_suite("placement", fill);
}
