// SPDX-License-Identifier: BSD-2-Clause
/*
 * Lookups per second of the engine on the embedded card: RM1's tables (8 x 1M x 32 fp32; $ROWS changes the rows), 80 lookups for each, batches of 64 queries, from the page cache.
 * Uniform and zipf 1.0; without a cache, with a row cache of 10 % and one that takes all. For each, of the quickest batch: time of a lookup, the host's planning of it; hits of all.
 */
#include "../../runtime/store/engine.h"
#include "../../runtime/store/store_impl.h"
#include "../../runtime/store/trace.h"

#include <stdio.h>
#include <unistd.h>

enum { TABLES = 8, DIM = 32, LOOKUPS = 80, QUERIES = 64, BATCHES = 48, TIMED = 12 };

static struct smartssd_error err;
static char folder[] = "/tmp/smartssd-bench-XXXXXX";

static void must(int ret, const char *what)
{
	if (!ret)
		return;
	fprintf(stderr, "%s: %s: %s\n", what, strerror(-ret), err.text);
	exit(1);
}

static void make_tables(struct store *s, uint64_t rows, struct table **tables)
{
	struct smartssd_array a = { .type = SMARTSSD_F4, .ndim = 2, .shape = { rows, DIM } };
	float *x = malloc(rows * DIM * sizeof(*x));
	char path[80], name[20];

	for (uint64_t i = 0; i < rows * DIM; i++)
		x[i] = (float)(i % 1000);
	snprintf(path, sizeof(path), "%s/t.npy", folder);
	must(smartssd_npy_save(path, &a, x, &err), path);
	free(x);
	for (int t = 0; t < TABLES; t++) {
		struct store_import what = { .name = name, .format = SMARTSSD_ROWS_FP32, .volume = UINT32_MAX };

		snprintf(name, sizeof(name), "t%d", t);
		must(store_rows_open(path, &what.rows, &err), path);
		must(store_import(s, &what, NULL, NULL, &err), name);
		store_rows_close(what.rows);
		must(table_open(s, name, &tables[t], &err), name);
	}
	unlink(path);
}

/* [batch][table][query * lookup] */
static int64_t *make_indices(uint64_t rows, bool zipf)
{
	uint64_t nr = (uint64_t)BATCHES * TABLES * QUERIES * LOOKUPS, state = 42;
	int64_t *x = malloc(nr * sizeof(*x));
	struct zipf *z;

	must(zipf_create(rows, 1.0, &z), "zipf");
	for (uint64_t i = 0; i < nr; i++) {
		state = state * 6364136223846793005ull + 1442695040888963407ull;
		x[i] = zipf ? (int64_t)trace_permute(rows, 7, zipf_sample(z, &state)) : (int64_t)((state >> 33) % rows);
	}
	zipf_destroy(z);
	return x;
}

static void run(struct store *s, struct smartssd_device *dev, struct table **tables, const int64_t *x, uint64_t row_cache, uint64_t all, const char *name)
{
	const uint64_t each = QUERIES * LOOKUPS;
	struct engine_options o = { .devices = &dev, .row_cache = row_cache, .policy = CACHE_SIEVE };
	float *y = malloc((uint64_t)TABLES * QUERIES * DIM * sizeof(*y));
	struct engine_counts before, after, warm = { 0 };
	double best = 1e18, plan = 1e18, reads, hits;
	int64_t offsets[QUERIES + 1];
	struct engine *e;

	for (int q = 0; q <= QUERIES; q++)
		offsets[q] = q * LOOKUPS;
	must(engine_create(s, &o, &e, &err), "engine");
	/* The last ones count; those before them fill the cache. One that takes all has seen them all. */
	for (int i = row_cache == all ? -BATCHES : 0; i < BATCHES; i++) {
		struct engine_bags bags[TABLES];
		uint64_t start;

		for (int t = 0; t < TABLES; t++)
			bags[t] = (struct engine_bags){ .table = tables[t], .indices = x + ((uint64_t)((i + BATCHES) % BATCHES) * TABLES + (uint64_t)t) * each, .offsets = offsets, .bags = QUERIES,
							.y = y + t * QUERIES * DIM };
		engine_counts(e, &before);
		if (i == BATCHES - TIMED)
			warm = before;
		start = smartssd_now();
		must(engine_run(e, bags, TABLES, &err), "lookup");
		if (i >= BATCHES - TIMED && (double)(smartssd_now() - start) < best)
			best = (double)(smartssd_now() - start);
		engine_counts(e, &after);
		if (i >= BATCHES - TIMED && (double)(after.plan_ns - before.plan_ns) < plan)
			plan = (double)(after.plan_ns - before.plan_ns);
	}
	hits = (double)(after.lookup_hits - warm.lookup_hits) / (double)(TIMED * TABLES * each);
	reads = (double)(after.flash_reads - warm.flash_reads) / TIMED;
	printf("%-28s %6.2f M rows/s, %7.0f queries/s; %6.1f ns a lookup, planning %5.1f; hits %5.1f %%, %6.0f reads a batch\n", name, (double)(TABLES * each) * 1e3 / best, QUERIES * 1e9 / best,
	       best / (double)(TABLES * each), plan / (double)(TABLES * each), 100 * hits, reads);
	fflush(stdout);
	engine_destroy(e);
	free(y);
}

int main(void)
{
	uint64_t rows = getenv("ROWS") ? strtoull(getenv("ROWS"), NULL, 0) : 1000000, all = rows * TABLES * DIM * 4;
	struct table *tables[TABLES];
	struct smartssd_device *dev;
	struct store *s;
	char path[4096], command[80];

	setenv("SMARTSSD_LIBDIR", "build", 0);
	must(mkdtemp(folder) ? 0 : -errno, folder);
	must(smartssd_open("emu:ddr=2G", &dev, &err), "card");
	must(smartssd_find_file("kernels.xclbin", path, sizeof(path)), "kernels.xclbin");
	must(smartssd_xclbin_load_file(dev, path, &err), path);
	snprintf(path, sizeof(path), "%s/v", folder);
	must(store_open(path, VOLUME_WRITE | VOLUME_CREATE, &s, &err), path);
	make_tables(s, rows, tables);
	for (int zipf = 0; zipf < 2; zipf++) {
		int64_t *x = make_indices(rows, zipf);

		run(s, dev, tables, x, 0, all, zipf ? "zipf 1.0, no cache" : "uniform, no cache");
		run(s, dev, tables, x, all / 10, all, zipf ? "zipf 1.0, cache 10 %" : "uniform, cache 10 %");
		run(s, dev, tables, x, all, all, zipf ? "zipf 1.0, all in the cache" : "uniform, all in the cache");
		free(x);
	}
	for (int t = 0; t < TABLES; t++)
		table_close(tables[t]);
	store_close(s);
	smartssd_close(dev);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command) != 0;
}
