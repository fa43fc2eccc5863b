// SPDX-License-Identifier: BSD-2-Clause
/*
 * Data for a store on two cards, and batches over both of them.
 *
 *   store_batch make FOLDER                  t.npy, a table of small integers, so that sums of its rows are the same in any order; i.npy, o.npy: bags; want.npy: their sums;
 *                                            u.npy, n.npy: rows that are updated, and to what; new.npy: the sums then
 *   store_batch faults STORE A B ROW         TAP, in a guest: tables A on the first volume, B on the second, ROW on both row by row, of t.npy. One batch with bags of all of them, while the
 *                                            first volume's drive answers nothing but errors; then while it does so once
 *   store_batch amplify STORE TABLE          TAP: without caches, each row wanted once or often: no block is read that need not be, none twice
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../../runtime/store/engine.h"
#include "../tap.h"

enum { ROWS = 20000, DIM = 32, BAGS = 600, POOLING = 80, UPDATED = 50, CARDS = 2 };

static struct smartssd_error err;

static float value(uint64_t row, uint32_t d, bool updated)
{
	uint32_t hash = ((uint32_t)row * 2654435761u ^ (d + 1) * 40503u) * 2246822519u;

	return (float)((int)((hash ^ hash >> 15) % 2001) - 1000) + (updated ? 5000.0f : 0);
}

static int64_t updated_row(uint64_t i)
{
	return (int64_t)(i * i * 7 % ROWS);
}

static uint32_t seed = 20260101;

static uint32_t random_below(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed ^ seed >> 15) % n;
}

/* ---- make ---- */

static int save(const char *folder, const char *name, uint32_t type, uint64_t n, uint64_t m, const void *data)
{
	struct smartssd_array a = { .type = type, .ndim = m ? 2 : 1, .shape = { n, m } };
	char path[512];

	snprintf(path, sizeof(path), "%s/%s.npy", folder, name);
	if (!smartssd_npy_save(path, &a, data, &err))
		return 0;
	fprintf(stderr, "store_batch: %s\n", err.text);
	return 1;
}

static int make(const char *folder)
{
	static float table[ROWS][DIM], want[2][BAGS][DIM], new[UPDATED][DIM];
	static int64_t indices[BAGS * POOLING], offsets[BAGS + 1], rows[UPDATED];
	static bool is_updated[ROWS];

	for (uint64_t i = 0; i < UPDATED; i++) {
		rows[i] = updated_row(i);
		is_updated[rows[i]] = true;
		for (uint32_t d = 0; d < DIM; d++)
			new[i][d] = value((uint64_t)rows[i], d, true);
	}
	for (uint64_t r = 0; r < ROWS; r++)
		for (uint32_t d = 0; d < DIM; d++)
			table[r][d] = value(r, d, false);
	for (uint64_t i = 0; i < BAGS * POOLING; i++) {
		/* A tenth of the lookups are for rows that will be updated. */
		indices[i] = random_below(10) ? (int64_t)random_below(ROWS) : rows[random_below(UPDATED)];
		for (uint32_t d = 0; d < DIM; d++) {
			want[0][i / POOLING][d] += value((uint64_t)indices[i], d, false);
			want[1][i / POOLING][d] += value((uint64_t)indices[i], d, is_updated[indices[i]]);
		}
	}
	for (uint64_t b = 0; b <= BAGS; b++)
		offsets[b] = (int64_t)(b * POOLING);
	return save(folder, "t", SMARTSSD_F4, ROWS, DIM, table) | save(folder, "i", SMARTSSD_I8, BAGS * POOLING, 0, indices) | save(folder, "o", SMARTSSD_I8, BAGS + 1, 0, offsets) |
	       save(folder, "want", SMARTSSD_F4, BAGS, DIM, want[0]) | save(folder, "new", SMARTSSD_F4, BAGS, DIM, want[1]) | save(folder, "u", SMARTSSD_I8, UPDATED, 0, rows) |
	       save(folder, "n", SMARTSSD_F4, UPDATED, DIM, new);
}

/* ---- on the cards ---- */

static struct store *store;
static struct smartssd_device *cards[CARDS];
static struct engine *engine;

static bool failed(int ret, const char *what)
{
	if (ret)
		tap_ok(0, "%s: %s %s", what, strerror(-ret), err.text);
	return ret != 0;
}

static int open_all(const char *spec, bool no_dedup)
{
	struct engine_options options = { .devices = cards, .no_dedup = no_dedup };

	if (failed(store_open(spec, VOLUME_READ, &store, &err), "the store"))
		return 1;
	for (int i = 0; i < CARDS; i++) {
		char uri[32], path[4096];

		snprintf(uri, sizeof(uri), "/dev/smartssd%d", i);
		if (failed(smartssd_open(uri, &cards[i], &err), uri) || failed(smartssd_find_file("kernels.xclbin", path, sizeof(path)), "kernels.xclbin") ||
		    failed(smartssd_xclbin_load_file(cards[i], path, &err), path))
			return 1;
	}
	return failed(engine_create(store, &options, &engine, &err), "the engine");
}

static void close_all(void)
{
	engine_destroy(engine);
	for (int i = 0; i < CARDS; i++)
		smartssd_close(cards[i]);
	store_close(store);
}

/* One bag of rows first, first + step, ... */
struct bag {
	struct table *table;
	int64_t indices[POOLING], offsets[2];
	float y[DIM];
};

static void fill_bag(struct bag *b, struct table *t, int64_t first, int64_t step)
{
	b->table = t;
	b->offsets[0] = 0;
	b->offsets[1] = POOLING;
	for (int64_t i = 0; i < POOLING; i++)
		b->indices[i] = (first + i * step) % ROWS;
}

static bool is_right(const struct bag *b)
{
	for (uint32_t d = 0; d < DIM; d++) {
		float want = 0;

		for (int i = 0; i < POOLING; i++)
			want += value((uint64_t)b->indices[i], d, false);
		if (b->y[d] != want)
			return false;
	}
	return true;
}

#define BATCH 4

static int run(struct bag *bags, struct engine_bags *requests)
{
	int ret;

	for (int i = 0; i < BATCH; i++)
		requests[i] = (struct engine_bags){ .table = bags[i].table, .indices = bags[i].indices, .offsets = bags[i].offsets, .bags = 1, .y = bags[i].y };
	ret = engine_run(engine, requests, BATCH, &err);
	if (ret)
		printf("# batch: %s %s\n", strerror(-ret), err.text);
	for (int i = 0; !ret && i < BATCH; i++)
		printf("# request %d: %s %s\n", i, requests[i].status ? strerror(-requests[i].status) : is_right(&bags[i]) ? "right" : "wrong", requests[i].err.text);
	return ret;
}

/* ---- a drive that fails ---- */

static void knob(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		tap_ok(0, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

#define FAIL "/sys/kernel/debug/fail_make_request/"

/* The disk of the first volume fails so many requests (-1: all), or again none. */
static void fail_drive(const char *times)
{
	struct stat st;
	char path[128];

	if (stat(volume_path(store_volume(store, 0)), &st)) {
		tap_ok(0, "%s: %s", volume_path(store_volume(store, 0)), strerror(errno));
		return;
	}
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/make-it-fail", major(S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev), minor(S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev));
	knob(FAIL "verbose", "0");
	knob(FAIL "times", times);
	knob(FAIL "probability", strcmp(times, "0") ? "100" : "0");
	knob(path, strcmp(times, "0") ? "1" : "0");
}

static int faults(char **names)
{
	static struct bag bags[BATCH];
	struct engine_bags requests[BATCH];
	struct table *t[3];
	int ret;

	for (int i = 0; i < 3; i++)
		if (failed(table_open(store, names[i], &t[i], &err), names[i]))
			return tap_done();
	/* The first two want the first drive. */
	fill_bag(&bags[0], t[0], 1000, 1);
	fill_bag(&bags[1], t[2], 2000, 2);
	fill_bag(&bags[2], t[2], 3001, 2);
	fill_bag(&bags[3], t[1], 1000, 1);
	ret = run(bags, requests);
	tap_ok(!ret && is_right(&bags[0]) && is_right(&bags[1]) && is_right(&bags[2]) && is_right(&bags[3]), "a batch over two drives: %d %s", ret, err.text);

	for (int i = 0; i < BATCH; i++)
		fill_bag(&bags[i], bags[i].table, bags[i].indices[0] + 5000, bags[i].indices[1] - bags[i].indices[0]);
	fail_drive("-1");
	ret = run(bags, requests);
	fail_drive("0");
	tap_ok(!ret && requests[0].status == -EIO && strstr(requests[0].err.text, "row 6000") && strstr(requests[0].err.text, names[0]), "one drive fails: a query that wants it fails, its row is named");
	tap_ok(requests[1].status == -EIO && strstr(requests[1].err.text, "row 7000") && strstr(requests[1].err.text, names[2]), "so does one with rows of it, by the table's number");
	tap_ok(!requests[2].status && is_right(&bags[2]), "a query of the same table that wants the other drive's rows does not");
	tap_ok(!requests[3].status && is_right(&bags[3]), "nor one of a table on the other drive");

	ret = run(bags, requests);
	tap_ok(!ret && is_right(&bags[0]) && is_right(&bags[1]) && is_right(&bags[2]) && is_right(&bags[3]), "the drive is well again: so are all: %d %s", ret, requests[0].err.text);
	for (int i = 0; i < BATCH; i++)
		fill_bag(&bags[i], bags[i].table, bags[i].indices[0] + 3000, bags[i].indices[1] - bags[i].indices[0]);
	fail_drive("1");
	ret = run(bags, requests);
	fail_drive("0");
	tap_ok(!ret && is_right(&bags[0]) && is_right(&bags[1]) && is_right(&bags[2]) && is_right(&bags[3]), "a drive that fails once: the host reads it, nobody notices: %d", ret);
	tap_ok(engine_lost(engine) == 0, "no card is lost by that");
	for (int i = 0; i < 3; i++)
		table_close(t[i]);
	return tap_done();
}

/* ---- amplification ---- */

static int amplify(const char *name)
{
	static int64_t indices[ROWS / 7], offsets[2];
	static float y[DIM];
	struct engine_counts c;
	struct engine_bags bag = { .indices = indices, .offsets = offsets, .bags = 1, .y = y };
	const struct layout *l;
	uint64_t unique = 0, last = UINT64_MAX, nr = 0;
	int ret;

	if (failed(table_open(store, name, &bag.table, &err), name))
		return tap_done();
	l = &table_info(bag.table)->layout;
	/* A row of each block, ascending: the first of each span of its shard. */
	for (int64_t r = 0; r < ROWS && nr < ROWS / 7; r += l->rows_per_span * table_info(bag.table)->shards)
		indices[nr++] = r;
	for (uint64_t i = 0; i < nr; i++) {
		uint64_t span = layout_at(l, layout_shard_row((uint64_t)indices[i], table_info(bag.table)->shards)) / l->span;

		unique += span != last;
		last = span;
	}
	offsets[1] = (int64_t)nr;
	ret = engine_run(engine, &bag, 1, &err);
	engine_counts(engine, &c);
	tap_ok(!ret && !bag.status && unique == nr && (double)c.flash_bytes <= 1.05 * (double)(unique * l->span) && c.links.bounce_read == 0,
	       "%s: %llu blocks wanted, neither deduplication nor caches: %llu bytes read by the engine's count, %llu by the driver's, %.3f of what is wanted", name, (unsigned long long)unique,
	       (unsigned long long)c.flash_bytes, (unsigned long long)c.links.ssd_to_card, (double)c.flash_bytes / (double)(unique * l->span));
	tap_ok(c.links.ssd_to_card == c.flash_bytes, "%s: the driver counted the same", name);
	table_close(bag.table);
	return tap_done();
}

int main(int argc, char **argv)
{
	int ret;

	if (argc == 3 && !strcmp(argv[1], "make"))
		return make(argv[2]);
	if (!((argc == 6 && !strcmp(argv[1], "faults")) || (argc == 4 && !strcmp(argv[1], "amplify")))) {
		fprintf(stderr, "usage: store_batch make FOLDER | faults STORE A B ROW | amplify STORE TABLE\n");
		return 2;
	}
	if (open_all(argv[2], argc == 4))
		return tap_done();
	ret = argc == 6 ? faults(argv + 3) : amplify(argv[3]);
	close_all();
	return ret;
}
