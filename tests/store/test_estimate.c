// SPDX-License-Identifier: BSD-2-Clause
/* The model of real drives against cases worked out by hand. */
#include <math.h>

#include "../runtime/runtime_test.h"
#include "../../runtime/store/estimate.h"

static void near(double got, double want, const char *what)
{
	ck_assert_msg(fabs(got - want) <= 1e-9 * fabs(want), "%s: %.12g, by hand %.12g", what, got, want);
}

/* Every lookup is a read of 4 KiB: no cache, no row twice. */
static struct estimate_work plain(struct engine_counts *c, uint64_t queries, uint64_t tables, uint64_t lookups, uint64_t dim)
{
	uint64_t rows = queries * tables * lookups;

	*c = (struct engine_counts){ .bags = queries * tables, .rows = rows, .card_lookups = rows, .distinct_rows = rows, .rows_read = rows, .flash_reads = rows,
				     .flash_bytes = rows * 4096, .blocks_wanted = rows * 4096, .row_bytes_wanted = rows * dim * 4,
				     .links = { .host_to_card = rows * 4, .card_to_host = queries * tables * dim * 4, .runs = queries } };
	return (struct estimate_work){ .counts = c, .queries = queries, .row_bytes_pooled = rows * dim * 4, .result_bytes = queries * tables * dim * 4 };
}

/* WORKLOADS.md: about 1,200, 200, 3,800 queries/s of a drive at 766k reads/s; here it is 746k. */
START_TEST(models)
{
	static const struct {
		uint64_t tables, lookups, dim;
		double published;
	} model[] = { { 8, 80, 32, 1200 }, { 32, 120, 64, 200 }, { 10, 20, 32, 3800 } };

	for (int i = 0; i < 3; i++) {
		struct engine_counts c;
		struct estimate_work w = plain(&c, 1000, model[i].tables, model[i].lookups, model[i].dim);
		struct estimate e;

		estimate_run(&w, &e);
		near(e.queries_per_second[1], 746e3 / (double)(model[i].tables * model[i].lookups), "one drive");
		ck_assert(fabs(e.queries_per_second[1] / (model[i].published * 746 / 766) - 1) < 0.01);
		ck_assert_str_eq(e.bound[1], "flash reads");
		for (uint32_t n = 2; n <= ESTIMATE_MAX_DRIVES; n++)
			near(e.queries_per_second[n], n * e.queries_per_second[1], "drives");
	}
}
END_TEST

/* Each bound alone, by hand: 100 queries. */
START_TEST(bounds)
{
	struct engine_counts c;
	struct estimate_work w = { .counts = &c, .queries = 100 };
	struct estimate e;
	const char *bound;

	c = (struct engine_counts){ .flash_reads = 10, .flash_bytes = 3100000000 };
	near(estimate_at(&w, 4, &bound), 400, "flash bytes");
	ck_assert_str_eq(bound, "flash bytes");
	/* 100 GB of rows of all lookups, of which cards had half; 10 GB are copied into the cache, read and written */
	c = (struct engine_counts){ .rows = 10, .card_lookups = 5, .row_bytes_wanted = 10000000000 };
	w.row_bytes_pooled = 100000000000;
	near(estimate_at(&w, 2, &bound), 100 / (70e9 / 15.419e9 / 2), "card DDR");
	ck_assert_str_eq(bound, "card DDR");
	w.row_bytes_pooled = 0;
	c = (struct engine_counts){ .links = { .runs = 150790 } };
	near(estimate_at(&w, 3, &bound), 300, "launches");
	ck_assert_str_eq(bound, "launches");
	c = (struct engine_counts){ .links = { .host_to_card = 1000000000, .card_to_host = 2000000000, .bounce_read = 314000000 } };
	near(estimate_at(&w, 2, &bound), 200, "link");
	ck_assert_str_eq(bound, "card's host link");
	near(estimate_at(&w, 24, &bound), 100 * 15.75 / 3.314, "shared link");
	ck_assert_str_eq(bound, "shared host link");
	c = (struct engine_counts){ .plan_ns = 250000000, .host_pool_ns = 250000000 };
	w.host_seconds = 0.5;
	near(estimate_at(&w, 1, &bound), 100, "host, one core");
	near(estimate_at(&w, 24, NULL), 100, "host, one core");
	ck_assert_str_eq(bound, "host, one core");
	/* Measured over less than 10 ms it is no limit, but said. */
	c = (struct engine_counts){ .plan_ns = 4000000, .host_pool_ns = 4000000, .links = { .runs = 1 } };
	w.host_seconds = 0.0019;
	near(estimate_at(&w, 1, &bound), 100 * 150790, "launches, not the host");
	ck_assert_str_eq(bound, "launches");
	estimate_run(&w, &e);
	near(e.host_seconds, 0.0099, "host seconds");
	w.host_seconds = 0.0021;
	near(estimate_at(&w, 1, &bound), 100 / 0.0101, "host, one core");
	ck_assert_str_eq(bound, "host, one core");
	w.host_seconds = 0;
	c = (struct engine_counts){ .bags = 1 };
	ck_assert(isinf(estimate_at(&w, 1, &bound)));
	ck_assert_str_eq(bound, "nothing");
}
END_TEST

static void set(struct estimate_work *w, struct engine_counts *c, const uint64_t x[8])
{
	*c = (struct engine_counts){ .rows = 1, .card_lookups = 1, .flash_reads = x[0], .flash_bytes = x[1], .plan_ns = x[2], .row_bytes_wanted = x[3],
				     .links = { .host_to_card = x[4], .card_to_host = x[5], .runs = x[6] } };
	w->row_bytes_pooled = x[7];
}

/* More drives are never slower, more work never faster. */
START_TEST(monotone)
{
	random_seed("monotone");
	for (int round = 0; round < 2000; round++) {
		struct engine_counts c = { 0 };
		struct estimate_work w = { .counts = &c, .queries = random_in(1, 1000) };
		uint64_t x[8];
		struct estimate e, more;

		for (int i = 0; i < 8; i++)
			x[i] = random_u64() >> random_in(24, 60);
		set(&w, &c, x);
		estimate_run(&w, &e);
		x[random_in(0, 7)] *= 2;
		set(&w, &c, x);
		estimate_run(&w, &more);
		for (uint32_t n = 1; n <= ESTIMATE_MAX_DRIVES; n++) {
			ck_assert(n == 1 || e.queries_per_second[n] >= e.queries_per_second[n - 1]);
			ck_assert(n == 1 || e.queries_per_second[n] <= (double)n / (n - 1) * e.queries_per_second[n - 1] * (1 + 1e-12));
			ck_assert(more.queries_per_second[n] <= e.queries_per_second[n]);
			near(more.queries_per_second[n], estimate_at(&w, n, NULL), "at");
		}
	}
}
END_TEST

/* RM1 with every row read: a query takes 640 / 746,000 s of a drive. */
START_TEST(energy)
{
	struct engine_counts c;
	struct estimate_work w = plain(&c, 7, 8, 80, 32);
	double t = 640 / 746e3, rows = 640 * 128, results = 8 * 128, flash = 640 * 4096, indices = 640 * 4, pooling = rows / (73e6 * 256), core = 4.375, dram = 240e-12, pcie = 80e-12;
	struct estimate e;

	w.host_seconds = 7 * 1e-4;
	w.table_bytes = 8 * 1000000ull * 128;
	estimate_run(&w, &e);
	ck_assert_str_eq(e.energy[0].name, "DRAM only");
	near(e.energy[0].bytes_part, (rows + results) * dram, "DRAM bytes");
	near(e.energy[0].device_part, t * 0.3725 * 1.024 + (pooling + 1e-4) * core, "DRAM devices");
	near(e.energy[1].bytes_part, flash * (pcie + dram) + (rows + results) * dram, "SSD bytes");
	/* 2.6 MB at 3.253 GB/s take less than 640 reads at 746k/s, so the SSD is never idle */
	near(e.energy[1].device_part, t * 12 + (pooling + 640e-6 + 1e-4) * core, "SSD devices");
	near(e.energy[2].bytes_part, flash * pcie + (flash + rows + 2 * rows + indices + results) * dram + (indices + results) * (pcie + dram), "SmartSSD bytes");
	near(e.energy[2].device_part, t * 25 + 1e-4 * core, "SmartSSD devices");
	for (int i = 0; i < 3; i++)
		near(e.energy[i].joules, e.energy[i].bytes_part + e.energy[i].device_part, "sum");
	/* What DRAM takes grows with the tables: it is the cheapest for small ones, not for a terabyte. */
	ck_assert(e.energy[0].joules < e.energy[2].joules);
	w.table_bytes *= 1000;
	estimate_run(&w, &e);
	ck_assert(e.energy[0].joules > e.energy[2].joules);
	w.table_bytes = 0;
	estimate_run(&w, &e);
	ck_assert(isnan(e.energy[0].joules) && !isnan(e.energy[2].joules));
	/* Bound by the host at twice the time: the SSD is idle for half of it. */
	w.host_seconds = 7 * 2 * t;
	estimate_run(&w, &e);
	near(e.energy[1].device_part, t * 12 + t * 5 + (pooling + 640e-6 + 2 * t) * core, "idle");
	near(e.energy[2].device_part, 2 * t * 25 + 2 * t * core, "twice as long");
}
END_TEST

START_TEST(all_figures_have_a_source)
{
	int nr = 0;

	for (const struct estimate_figure *f = estimate_figures(); f->name; f++, nr++) {
		ck_assert(f->value > 0 && isfinite(f->value));
		ck_assert(f->unit && *f->unit);
		ck_assert(f->source && strlen(f->source) > 10);
	}
	ck_assert_int_gt(nr, 10);
}
END_TEST

static void fill(TCase *tests)
{
	tcase_add_test(tests, models);
	tcase_add_test(tests, bounds);
	tcase_add_test(tests, monotone);
	tcase_add_test(tests, energy);
	tcase_add_test(tests, all_figures_have_a_source);
}

int main(void)
{
	return run_suite("estimate", fill);
}
