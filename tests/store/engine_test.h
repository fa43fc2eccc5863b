/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of the engine and of the service share: embedded cards, a store with tables whose rows are known, requests at random, and what is right for them. */
#ifndef TESTS_STORE_ENGINE_TEST_H
#define TESTS_STORE_ENGINE_TEST_H

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../kernels/reference/reference.h"
#include "../../runtime/store/engine.h"
#include "../../runtime/store/store_impl.h"
#include "../runtime/runtime_test.h"

#define MAX_CARDS 3

static struct smartssd_error err;
static char all[40]; /* main()'s folder: what failed tests leave goes with it, as it may be in memory */
static char folder[60], spec[240];
static struct smartssd_device *cards[MAX_CARDS];
static struct store *store;

#define OK(call)                                                                          \
	do {                                                                              \
		int ret_ = (call);                                                        \
		ck_assert_msg(ret_ == 0, "%s: %s: %s", #call, strerror(-ret_), err.text); \
	} while (0)

static struct smartssd_device *open_card(const char *uri)
{
	struct smartssd_device *dev;
	char path[4096];

	OK(smartssd_open(uri, &dev, &err));
	OK(smartssd_find_file("kernels.xclbin", path, sizeof(path)));
	OK(smartssd_xclbin_load_file(dev, path, &err));
	return dev;
}

static void open_cards(int nr, const char *uri)
{
	for (int i = 0; i < nr; i++)
		cards[i] = open_card(uri);
}

static void close_cards(void)
{
	for (int i = 0; i < MAX_CARDS; i++) {
		smartssd_close(cards[i]);
		cards[i] = NULL;
	}
}

/* An empty store of so many volumes. */
static void make_store(int volumes, bool raw)
{
	snprintf(folder, sizeof(folder), "%s/XXXXXX", all);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	spec[0] = 0;
	for (int v = 0; v < volumes; v++) {
		char path[100];

		snprintf(path, sizeof(path), "%s/v%d", folder, v);
		if (raw) {
			int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

			ck_assert(fd >= 0 && !ftruncate(fd, 256 << 20));
			close(fd);
		}
		strcat(spec, v ? "," : "");
		strcat(spec, path);
	}
	OK(store_open(spec, VOLUME_WRITE | VOLUME_CREATE | VOLUME_FORCE, &store, &err));
}

static void remove_store(void)
{
	char command[80];

	store_close(store);
	store = NULL;
	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static int run_in_folder(const char *name, void (*fill)(TCase *))
{
	char command[64];
	int ret;

	if (!mkdtemp(strcpy(all, "/dev/shm/smartssd-test-XXXXXX")) && !mkdtemp(strcpy(all, "/tmp/smartssd-test-XXXXXX")))
		return 1;
	ret = run_suite(name, fill);
	snprintf(command, sizeof(command), "rm -r %s", all);
	return system(command) ? 1 : ret;
}

/* ---- tables ---- */

struct known_rows {
	struct table *t;
	uint32_t format, dim;
	uint64_t nr;
	uint8_t *rows; /* encoded */
};

/* Small integers: sums of fp32 and fp16 rows are exact. */
static void make_table(struct known_rows *k, const char *name, uint32_t format, uint64_t rows, uint32_t dim, uint32_t shard)
{
	struct smartssd_array a = { .type = SMARTSSD_F4, .ndim = 2, .shape = { rows, dim } };
	struct store_import what = { .name = name, .format = format, .shard = shard, .volume = UINT32_MAX };
	float *x = malloc(rows * dim * sizeof(*x));
	uint64_t bad;
	char path[100];

	*k = (struct known_rows){ .format = format, .dim = dim, .nr = rows, .rows = malloc(rows * rowfmt_bytes(format, dim)) };
	for (uint64_t i = 0; i < rows * dim; i++)
		x[i] = (float)((int)random_in(0, 2000) - 1000);
	OK(rowfmt_encode(format, dim, x, rows, k->rows, &bad));
	snprintf(path, sizeof(path), "%s/import.npy", folder);
	OK(smartssd_npy_save(path, &a, x, &err));
	OK(store_rows_open(path, &what.rows, &err));
	OK(store_import(store, &what, NULL, NULL, &err));
	store_rows_close(what.rows);
	OK(table_open(store, name, &k->t, &err));
	free(x);
}

static void drop_table(struct known_rows *k)
{
	table_close(k->t);
	free(k->rows);
}

/* @nr rows become others; nobody is told. */
static inline void update_rows(struct known_rows *k, const int64_t *rows, uint64_t nr)
{
	float *x = malloc(nr * k->dim * sizeof(*x));
	uint64_t bad;

	for (uint64_t i = 0; i < nr * k->dim; i++)
		x[i] = (float)((int)random_in(0, 2000) - 1000);
	OK(table_update(k->t, rows, nr, x, &err));
	for (uint64_t i = 0; i < nr; i++)
		OK(rowfmt_encode(k->format, k->dim, x + i * k->dim, 1, k->rows + (uint64_t)rows[i] * rowfmt_bytes(k->format, k->dim), &bad));
	free(x);
}

/* ---- requests ---- */

static inline void make_request(struct engine_bags *b, const struct known_rows *k, uint64_t bags, uint32_t least, uint32_t most, uint64_t among, bool weighted, bool mean)
{
	uint64_t first = random_in(0, 5), lookups = first;
	int64_t *offsets = calloc(bags + 1, sizeof(*offsets)), *indices;
	float *weights = NULL;

	for (uint64_t i = 0; i <= bags; i++) {
		offsets[i] = (int64_t)lookups;
		lookups += least || random_in(0, 4) ? random_in(least, most) : 0;
	}
	lookups = (uint64_t)offsets[bags];
	indices = malloc((lookups + 1) * sizeof(*indices));
	for (uint64_t i = 0; i < lookups; i++)
		indices[i] = i < first ? INT64_MIN : (int64_t)random_in(0, (uint32_t)(random_in(0, 3) ? among : min_u64(among, 7)) - 1);
	if (weighted) {
		weights = malloc((lookups + 1) * sizeof(*weights));
		for (uint64_t i = 0; i < lookups; i++)
			weights[i] = (float)random_in(0, 2000) * 1e-3f - 1;
	}
	*b = (struct engine_bags){ .table = k->t, .indices = indices, .offsets = offsets, .bags = bags, .weights = weights, .mean = mean, .status = 77 };
	b->y = malloc((bags * k->dim + 1) * sizeof(*b->y));
	memset(b->y, 0x5a, (bags * k->dim + 1) * sizeof(*b->y));
}

static inline void drop_request(struct engine_bags *b)
{
	free((void *)b->indices);
	free((void *)b->offsets);
	free((void *)b->weights);
	free(b->y);
}

static inline void check_request(const struct engine_bags *b, const struct known_rows *k)
{
	uint64_t elements = b->bags * k->dim, i, pitch = rowfmt_bytes(k->format, k->dim);
	double *want = calloc(elements + 1, sizeof(*want)), *bound = calloc(elements + 1, sizeof(*bound));
	struct ref_embedding_bag ref = { k->rows, k->format, k->dim, k->nr, pitch, b->indices, b->offsets, b->bags, b->weights, (int)b->mean };
	uint32_t mark;

	ck_assert_msg(b->status == 0, "%s: %d %s", table_info(b->table)->name, b->status, b->err.text);
	ck_assert_int_eq(ref_embedding_bag(&ref, want, bound), -1);
	for (i = 0; i < elements; i++) {
		bool exact = k->format <= SMARTSSD_ROWS_FP16 && !b->weights && !b->mean;

		if (!(fabs((double)b->y[i] - want[i]) <= (exact ? 0 : bound[i])))
			break;
	}
	ck_assert_msg(i == elements, "%s dim %u mean %u weights %d: bag %llu, element %llu of %llu bags is %.9g, not %.9g +- %.3g", table_info(b->table)->name, k->dim, b->mean, b->weights != NULL,
		      (unsigned long long)(i / k->dim), (unsigned long long)(i % k->dim), (unsigned long long)b->bags, (double)b->y[i], want[i], bound[i]);
	memcpy(&mark, b->y + elements, sizeof(mark));
	ck_assert_uint_eq(mark, 0x5a5a5a5a); /* nothing behind it was written */
	free(want);
	free(bound);
}

static inline struct engine *make_engine(struct engine_options o)
{
	struct engine *e;

	o.devices = cards;
	OK(engine_create(store, &o, &e, &err));
	return e;
}

static inline struct engine_counts counts(struct engine *e)
{
	struct engine_counts c;

	engine_counts(e, &c);
	return c;
}

/* ---- a table of each kind ---- */

enum { FORMATS = 4, TABLES = 8 };

static struct known_rows tables[TABLES];

/* Each format, whole and row-wise. */
static inline void make_tables(uint64_t rows)
{
	static const uint32_t dims[TABLES] = { 32, 32, 64, 1, 7, 33, 128, 300 };
	char name[20];

	for (uint32_t i = 0; i < TABLES; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		make_table(&tables[i], name, i % FORMATS, rows, dims[i], i / FORMATS);
	}
}

static inline void drop_tables(void)
{
	for (uint32_t i = 0; i < TABLES; i++)
		drop_table(&tables[i]);
}

/* A batch over all tables, some of them twice. */
static inline void random_batch(struct engine *e, uint64_t bags, uint32_t most, uint64_t among)
{
	struct engine_bags b[TABLES + 4];
	const struct known_rows *k[TABLES + 4];
	uint32_t nr = random_in(1, TABLES + 4);

	for (uint32_t i = 0; i < nr; i++) {
		bool weighted = !random_in(0, 3);

		k[i] = &tables[random_in(0, 9) ? i % TABLES : random_in(0, TABLES - 1)];
		make_request(&b[i], k[i], random_in(0, (uint32_t)bags), 0, most, min_u64(among, k[i]->nr), weighted, !weighted && random_in(0, 1));
	}
	OK(engine_run(e, b, nr, &err));
	for (uint32_t i = 0; i < nr; i++) {
		check_request(&b[i], k[i]);
		drop_request(&b[i]);
	}
}

/* What is true of them at any time when no card was lost. */
static inline void check_counts(struct engine *e)
{
	struct engine_counts c = counts(e);

	ck_assert_uint_eq(c.rows, c.pooled_rows + c.host_pinned_hits + c.card_lookups);
	ck_assert_uint_eq(c.distinct_rows, c.row_hits + c.rows_read);
	ck_assert_uint_le(c.pinned_hits, c.row_hits);
	ck_assert_uint_le(c.row_hits, c.lookup_hits);
	ck_assert_uint_le(c.lookup_hits, c.card_lookups);
}

#endif
