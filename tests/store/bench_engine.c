// SPDX-License-Identifier: BSD-2-Clause
/*
 * Lookups per second of the engine on the embedded card: RM1's tables (8 x 1M x 32 fp32; $ROWS changes the rows), 80 lookups for each, batches of 64 queries,
 * from memory (tmpfs). Uniform and zipf 1.0; without a cache, with a row cache of 10 % (LFU, and SIEVE) and one that takes all, with 1 % and 10 % of the rows
 * pinned in host memory. Of the quickest batch, in ns for each lookup:
 *
 *   batch      all of engine_run()
 *   read       READs, from the first one's beginning to the last one's end
 *   kernel     embedding_bag alone; "floor" is the batch over the greater of these two, with host for the sum of rows in host memory
 *   copy       row_copy: rows that the cache takes
 *   plan       the host's planning, as engine_counts.plan_ns
 *   host       decoding and summing rows in host memory
 */
#include "../../runtime/store/engine.h"
#include "../../runtime/store/store_impl.h"
#include "../../runtime/store/trace.h"

#include <stdio.h>
#include <unistd.h>

enum { TABLES = 8, DIM = 32, LOOKUPS = 80, QUERIES = 64, BATCHES = 48, TIMED = 12 };

/* ---- how long a job's commands take; a batch is one job. Link with --wrap of these ---- */

enum kind { READ = 1, BAG, ROW_COPY };

static uint8_t kinds[4096];
static struct { double read, bag, copy; } job;

void __real_smartssd_list_clear(struct smartssd_list *list);
void __wrap_smartssd_list_clear(struct smartssd_list *list);
int __real_smartssd_list_read(struct smartssd_list *list, uint32_t file, uint32_t bo, const struct smartssd_extent *ext, uint32_t nr, uint32_t flags);
int __wrap_smartssd_list_read(struct smartssd_list *list, uint32_t file, uint32_t bo, const struct smartssd_extent *ext, uint32_t nr, uint32_t flags);
int __real_smartssd_list_run(struct smartssd_list *list, uint64_t cu_mask, const struct smartssd_arg *args, uint32_t nr, uint32_t timeout_ms);
int __wrap_smartssd_list_run(struct smartssd_list *list, uint64_t cu_mask, const struct smartssd_arg *args, uint32_t nr, uint32_t timeout_ms);
int __real_smartssd_wait(struct smartssd_device *dev, uint64_t number, uint64_t deadline_ns, struct smartssd_outcome *out, struct smartssd_result *results, uint32_t nr);
int __wrap_smartssd_wait(struct smartssd_device *dev, uint64_t number, uint64_t deadline_ns, struct smartssd_outcome *out, struct smartssd_result *results, uint32_t nr);

void __wrap_smartssd_list_clear(struct smartssd_list *list)
{
	memset(kinds, 0, sizeof(kinds));
	__real_smartssd_list_clear(list);
}

int __wrap_smartssd_list_read(struct smartssd_list *list, uint32_t file, uint32_t bo, const struct smartssd_extent *ext, uint32_t nr, uint32_t flags)
{
	int cmd = __real_smartssd_list_read(list, file, bo, ext, nr, flags);

	if (cmd >= 0 && cmd < (int)sizeof(kinds))
		kinds[cmd] = READ;
	return cmd;
}

int __wrap_smartssd_list_run(struct smartssd_list *list, uint64_t cu_mask, const struct smartssd_arg *args, uint32_t nr, uint32_t timeout_ms)
{
	int cmd = __real_smartssd_list_run(list, cu_mask, args, nr, timeout_ms);

	if (cmd >= 0 && cmd < (int)sizeof(kinds))
		kinds[cmd] = nr > 10 ? BAG : ROW_COPY; /* 14 arguments, and 8 */
	return cmd;
}

int __wrap_smartssd_wait(struct smartssd_device *dev, uint64_t number, uint64_t deadline_ns, struct smartssd_outcome *out, struct smartssd_result *results, uint32_t nr)
{
	int ret = __real_smartssd_wait(dev, number, deadline_ns, out, results, nr);
	uint64_t first = UINT64_MAX, last = 0;

	for (uint32_t i = 0; i < nr && i < sizeof(kinds) && !ret; i++) {
		double ns = (double)(results[i].end_ns - results[i].start_ns);

		if (kinds[i] == READ) {
			first = min_u64(first, results[i].start_ns);
			last = max_u64(last, results[i].end_ns);
		}
		job.bag += kinds[i] == BAG ? ns : 0;
		job.copy += kinds[i] == ROW_COPY ? ns : 0;
	}
	job.read += last ? (double)(last - first) : 0;
	return ret;
}

static struct smartssd_error err;
static char folder[] = "/dev/shm/smartssd-bench-XXXXXX"; /* files elsewhere are read past the page cache */

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

struct setting {
	const char *name;
	uint32_t cache, pinned; /* in hundredths of all rows */
	enum cache_policy policy;
};

/* The first ranks of the tables' rows. */
static void pin(struct engine *e, struct table **tables, uint64_t rows, uint64_t nr)
{
	int64_t *hot = malloc((nr + 1) * sizeof(*hot));

	for (uint64_t i = 0; i < nr; i++)
		hot[i] = (int64_t)trace_permute(rows, 7, i);
	for (int t = 0; t < TABLES; t++)
		must(engine_pin(e, tables[t], ENGINE_PIN_HOST, hot, nr, NULL, &err), "pin");
	free(hot);
}

static void run(struct store *s, struct smartssd_device *dev, struct table **tables, const int64_t *x, uint64_t rows, const struct setting *what)
{
	const uint64_t each = QUERIES * LOOKUPS, all = rows * TABLES * DIM * 4;
	const double lookups = (double)(TABLES * each);
	struct engine_options o = { .devices = &dev, .row_cache = all / 100 * what->cache, .policy = what->policy, .pinned_host = all / 100 * what->pinned };
	float *y = malloc((uint64_t)TABLES * QUERIES * DIM * sizeof(*y));
	struct engine_counts before, after, warm = { 0 };
	double best = 1e18, plan = 0, host = 0, part, hits, reads;
	int64_t offsets[QUERIES + 1];
	struct engine *e;

	for (int q = 0; q <= QUERIES; q++)
		offsets[q] = q * LOOKUPS;
	must(engine_create(s, &o, &e, &err), "engine");
	pin(e, tables, rows, rows / 100 * what->pinned);
	memset(&job, 0, sizeof(job));
	/* The last ones count; those before them fill the cache. One that takes all has seen them all. */
	for (int i = what->cache == 100 ? -BATCHES : 0; i < BATCHES; i++) {
		struct engine_bags bags[TABLES];
		double read = job.read, bag = job.bag, copy = job.copy, took;
		static double quickest[3];
		uint64_t start;

		for (int t = 0; t < TABLES; t++)
			bags[t] = (struct engine_bags){ .table = tables[t], .indices = x + ((uint64_t)((i + BATCHES) % BATCHES) * TABLES + (uint64_t)t) * each, .offsets = offsets, .bags = QUERIES,
							.y = y + t * QUERIES * DIM };
		engine_counts(e, &before);
		if (i == BATCHES - TIMED)
			warm = before;
		start = smartssd_now();
		must(engine_run(e, bags, TABLES, &err), "lookup");
		took = (double)(smartssd_now() - start);
		engine_counts(e, &after);
		if (i >= BATCHES - TIMED && took < best) {
			best = took;
			plan = (double)(after.plan_ns - before.plan_ns);
			host = (double)(after.host_pool_ns - before.host_pool_ns);
			quickest[0] = job.read - read;
			quickest[1] = job.bag - bag;
			quickest[2] = job.copy - copy;
		}
		if (i == BATCHES - 1) {
			job.read = quickest[0];
			job.bag = quickest[1];
			job.copy = quickest[2];
		}
	}
	part = job.read > job.bag ? job.read : job.bag;
	part = part > host ? part : host;
	hits = (double)(after.lookup_hits + after.host_pinned_hits - warm.lookup_hits - warm.host_pinned_hits) / (TIMED * lookups);
	reads = (double)(after.flash_reads - warm.flash_reads) / TIMED;
	printf("  %-22s %6.2f M rows/s, %6.0f queries/s; batch %6.1f, read %6.1f, kernel %5.1f, copy %5.1f, plan %5.1f, host %4.1f: %.2f x floor, plan %.1f x kernel; hits %5.1f %%, %5.0f reads\n",
	       what->name, lookups * 1e3 / best, QUERIES * 1e9 / best, best / lookups, job.read / lookups, job.bag / lookups, job.copy / lookups, plan / lookups, host / lookups, best / part,
	       job.bag > 0 ? plan / job.bag : 0, 100 * hits, reads);
	fflush(stdout);
	engine_destroy(e);
	free(y);
}

int main(void)
{
	static const struct setting settings[] = {
		{ "no cache", 0, 0, CACHE_LFU },	   { "cache 10 %, lfu", 10, 0, CACHE_LFU },   { "cache 10 %, sieve", 10, 0, CACHE_SIEVE },
		{ "all in the cache, lfu", 100, 0, CACHE_LFU }, { "1 % in host memory", 0, 1, CACHE_LFU }, { "10 % in host memory", 0, 10, CACHE_LFU },
	};
	uint64_t rows = getenv("ROWS") ? strtoull(getenv("ROWS"), NULL, 0) : 1000000;
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

		printf("%s; ns for each lookup\n", zipf ? "zipf 1.0" : "uniform");
		for (uint32_t i = 0; i < ARRAY_SIZE(settings); i++)
			run(s, dev, tables, x, rows, &settings[i]);
		free(x);
	}
	for (int t = 0; t < TABLES; t++)
		table_close(tables[t]);
	store_close(s);
	smartssd_close(dev);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command) != 0;
}
