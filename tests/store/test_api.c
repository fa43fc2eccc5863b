// SPDX-License-Identifier: BSD-2-Clause
/* libsmartssd_store.h as a program sees it: this includes nothing else of the library. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../runtime/libsmartssd_store.h"
#include "../kernels/suite.h"

#define ROWS 1000
#define DIM  8

static struct smartssd_error err;
static char folder[] = "/tmp/smartssd-test-XXXXXX";
static char spec[200], npy[100];
static struct smartssd_store *store;
static struct smartssd_table *table;
static struct smartssd_device *card;
static struct smartssd_lookup *look;

#define OK(call)                                                                          \
	do {                                                                              \
		int ret_ = (call);                                                        \
		ck_assert_msg(ret_ == 0, "%s: %s: %s", #call, strerror(-ret_), err.text); \
	} while (0)
#define REFUSED(code, says, call)                                                                     \
	do {                                                                                          \
		int ret_ = (call);                                                                    \
		ck_assert_msg(ret_ == (code) && strstr(err.text, says), "%s: %d: %s", #call, ret_, err.text); \
	} while (0)

/* Element d of row r: r, but for what was updated. Sums are exact. */
static void set_up(void)
{
	struct smartssd_array a = { .type = SMARTSSD_F4, .ndim = 2, .shape = { ROWS, DIM } };
	float *x = malloc(ROWS * DIM * sizeof(*x));

	strcpy(folder + sizeof(folder) - 7, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(spec, sizeof(spec), "%s/v0,%s/v1", folder, folder);
	snprintf(npy, sizeof(npy), "%s/t.npy", folder);
	for (int i = 0; i < ROWS * DIM; i++)
		x[i] = (float)(i / DIM);
	OK(smartssd_npy_save(npy, &a, x, &err));
	free(x);
	OK(smartssd_store_open(spec, SMARTSSD_STORE_WRITE | SMARTSSD_STORE_CREATE, &store, &err));
	OK(smartssd_store_import(store, "t", npy, &(struct smartssd_import_options){ .row_wise = 1 }, &err));
	OK(smartssd_table_open(store, "t", &table, &err));
}

static void tear_down(void)
{
	char command[64];

	smartssd_lookup_close(look);
	smartssd_close(card);
	smartssd_table_close(table);
	smartssd_store_close(store);
	look = NULL;
	card = NULL;
	table = NULL;
	store = NULL;
	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static void open_card(const char *uri)
{
	char path[4096];

	OK(smartssd_open(uri, &card, &err));
	OK(smartssd_find_file("kernels.xclbin", path, sizeof(path)));
	OK(smartssd_xclbin_load_file(card, path, &err));
}

static void open_lookup(const struct smartssd_lookup_options *options)
{
	if (!card)
		open_card("emu:");
	OK(smartssd_lookup_open(store, &card, 1, options, &look, &err));
}

static float sum_of(const int64_t *rows, uint64_t nr, int expected)
{
	int64_t offsets[2] = { 0, (int64_t)nr };
	float y[DIM];
	struct smartssd_bags bags = { .table = table, .indices = rows, .offsets = offsets, .bags = 1, .y = y, .status = 77 };

	err.text[0] = 0;
	ck_assert_msg(smartssd_lookup_run(look, &bags, 1, &err) == expected && bags.status == expected, "%d, not %d: %s", bags.status, expected, err.text);
	for (int d = 1; d < DIM && !expected; d++)
		ck_assert_float_eq(y[d], y[0]);
	return y[0];
}

START_TEST(tables)
{
	struct smartssd_table_info info, *all;
	float row[DIM];
	uint32_t nr;

	ck_assert_uint_eq(smartssd_store_volumes(store), 2);
	smartssd_table_info(table, &info);
	ck_assert_str_eq(info.name, "t");
	ck_assert(info.rows == ROWS && info.dim == DIM && info.format == SMARTSSD_ROWS_FP32 && info.row_bytes == 32 && info.shards == 2);
	OK(smartssd_store_import(store, "q", npy, &(struct smartssd_import_options){ .format = "int4-rowwise" }, &err));
	REFUSED(-EEXIST, "q", smartssd_store_import(store, "q", npy, NULL, &err));
	OK(smartssd_store_import(store, "q", npy, &(struct smartssd_import_options){ .format = "int8-rowwise", .replace = 1 }, &err));
	REFUSED(-EINVAL, "format 'int7'", smartssd_store_import(store, "r", npy, &(struct smartssd_import_options){ .format = "int7" }, &err));
	REFUSED(-ENOENT, "none.npy", smartssd_store_import(store, "r", "none.npy", NULL, &err));
	OK(smartssd_store_list(store, &all, &nr, &err));
	ck_assert_uint_eq(nr, 2);
	ck_assert_str_eq(all[0].name, "q");
	ck_assert(all[0].format == SMARTSSD_ROWS_INT8 && all[0].row_bytes == DIM + 8 && all[0].shards == 1);
	ck_assert_mem_eq(&all[1], &info, sizeof(info));
	free(all);
	OK(smartssd_table_read(table, 999, row, &err));
	ck_assert_float_eq(row[DIM - 1], 999);
	ck_assert_int_eq(smartssd_table_read(table, ROWS, row, &err), -ERANGE);
	OK(smartssd_store_verify(store, "t", NULL, &err));
	OK(smartssd_store_remove(store, "q", &err));
	REFUSED(-ENOENT, "no table 'q'", smartssd_store_verify(store, "q", NULL, &err));
	OK(smartssd_store_list(store, &all, &nr, NULL));
	ck_assert_uint_eq(nr, 1);
	free(all);
}
END_TEST

START_TEST(stores)
{
	struct smartssd_store *other = (void *)1;
	struct smartssd_table_info *all;
	char path[200];
	uint32_t nr;
	int fd;

	REFUSED(-EBUSY, "", smartssd_store_open(spec, SMARTSSD_STORE_WRITE, &other, &err));
	ck_assert_ptr_null(other);
	snprintf(path, sizeof(path), "%s/none", folder);
	REFUSED(-ENOENT, "none", smartssd_store_open(path, 0, &other, &err));
	REFUSED(-EINVAL, "flags 0x2", smartssd_store_open(path, SMARTSSD_STORE_CREATE, &other, &err));
	REFUSED(-EINVAL, "flags 0x4", smartssd_store_open(path, SMARTSSD_STORE_FORCE, &other, &err));
	REFUSED(-EINVAL, "flags 0xb", smartssd_store_open(path, 8 | SMARTSSD_STORE_CREATE | SMARTSSD_STORE_WRITE, &other, &err));
	OK(smartssd_store_open(path, SMARTSSD_STORE_WRITE | SMARTSSD_STORE_CREATE, &other, &err));
	OK(smartssd_store_list(other, &all, &nr, &err));
	ck_assert(!nr && !all);
	smartssd_store_close(other);
	/* In the place of a namespace */
	snprintf(path, sizeof(path), "%s/raw", folder);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	ck_assert(fd >= 0 && !ftruncate(fd, 64 << 20));
	close(fd);
	REFUSED(-EEXIST, "raw", smartssd_store_open(path, SMARTSSD_STORE_WRITE | SMARTSSD_STORE_CREATE, &other, &err));
	OK(smartssd_store_open(path, SMARTSSD_STORE_WRITE | SMARTSSD_STORE_CREATE | SMARTSSD_STORE_FORCE, &other, &err));
	OK(smartssd_store_import(other, "t", npy, NULL, &err));
	smartssd_store_close(other);
	OK(smartssd_store_open(path, 0, &other, &err));
	OK(smartssd_store_list(other, &all, &nr, &err));
	ck_assert_uint_eq(nr, 1);
	free(all);
	smartssd_store_close(other);
	smartssd_store_close(NULL);
	smartssd_table_close(NULL);
	smartssd_lookup_close(NULL);
}
END_TEST

/* Kept rows and results follow updates of this process, and of others after a refresh. */
START_TEST(updates)
{
	static const struct smartssd_lookup_options options[] = {
		{ .row_cache = 1 << 20, .policy = "lru" }, { .pooled_cache = 1 << 20 }, { .pinned_card = 1 << 20 }, { .pinned_host = 1 << 20 }, { 0 },
	};
	int64_t rows[] = { 3, 4, 3, 999 };
	float news[2 * DIM];
	uint64_t done;

	open_lookup(&options[_i]);
	if (options[_i].pinned_card || options[_i].pinned_host) {
		OK(smartssd_lookup_pin(look, table, options[_i].pinned_host ? SMARTSSD_PIN_HOST : SMARTSSD_PIN_CARD, rows, 4, &done, &err));
		ck_assert_uint_eq(done, 4);
	}
	for (int i = 0; i < 2; i++)
		ck_assert_float_eq(sum_of(rows, 4, 0), 3 + 4 + 3 + 999);
	for (int d = 0; d < DIM; d++)
		news[d] = 5000, news[DIM + d] = 70000;
	OK(smartssd_table_update(table, (int64_t[]){ 3, 999 }, 2, news, &err));
	for (int i = 0; i < 2; i++)
		ck_assert_float_eq(sum_of(rows, 4, 0), 5000 + 4 + 5000 + 70000);
	REFUSED(-ERANGE, "1000", smartssd_table_update(table, (int64_t[]){ 4, 1000 }, 2, news, &err));
	ck_assert_float_eq(sum_of(rows, 4, 0), 5000 + 4 + 5000 + 70000);
	OK(smartssd_table_update(table, NULL, 0, NULL, &err));
}
END_TEST

START_TEST(another_process)
{
	struct smartssd_store *reader;
	struct smartssd_table *seen;
	int64_t offsets[2] = { 0, 1 }, rows[] = { 7 };
	float y[DIM], news[DIM];
	struct smartssd_bags bags = { .indices = rows, .offsets = offsets, .bags = 1, .y = y };

	/* Locks are of open files: another open is as good as another process. */
	OK(smartssd_store_open(spec, 0, &reader, &err));
	OK(smartssd_table_open(reader, "t", &seen, &err));
	open_card("emu:");
	OK(smartssd_lookup_open(reader, &card, 1, &(struct smartssd_lookup_options){ .row_cache = 1 << 20, .pooled_cache = 1 << 20 }, &look, &err));
	bags.table = seen;
	OK(smartssd_lookup_run(look, &bags, 1, &err));
	ck_assert_float_eq(y[0], 7);
	for (int d = 0; d < DIM; d++)
		news[d] = 9;
	OK(smartssd_table_update(table, rows, 1, news, &err));
	ck_assert_int_eq(smartssd_table_refresh(seen, &err), 1);
	ck_assert_int_eq(smartssd_table_refresh(seen, &err), 0);
	OK(smartssd_lookup_run(look, &bags, 1, &err));
	ck_assert_float_eq(y[0], 9);
	REFUSED(-EBADF, "", smartssd_table_update(seen, rows, 1, news, &err));
	OK(smartssd_store_compact(store, "t", NULL, &err));
	ck_assert_int_eq(smartssd_table_refresh(seen, &err), -ESTALE);
	smartssd_table_close(seen);
	OK(smartssd_table_open(reader, "t", &seen, &err));
	bags.table = seen;
	OK(smartssd_lookup_run(look, &bags, 1, &err));
	ck_assert_float_eq(y[0], 9);
	smartssd_table_close(seen);
	smartssd_lookup_close(look);
	look = NULL;
	smartssd_store_close(reader);
}
END_TEST

START_TEST(requests)
{
	int64_t rows[] = { 1, 2, 3, 1000, -1 }, offsets[] = { 0, 2, 2, 3 }, bad[] = { 3, 4 }, down[] = { 2, 1 };
	float y[4][3 * DIM], weights[] = { 1, 10, 100 };
	struct smartssd_bags bags[] = {
		{ .table = table, .indices = rows, .offsets = offsets, .bags = 3, .y = y[0], .weights = weights, .status = 77 },
		{ .table = table, .indices = rows, .offsets = bad, .bags = 1, .y = y[1], .status = 77 },
		{ .table = table, .indices = rows, .offsets = down, .bags = 1, .y = y[2], .status = 77 },
		{ .table = table, .indices = rows, .offsets = offsets, .bags = 3, .y = y[3], .mean = 1, .status = 77 },
	};
	struct smartssd_lookup_counts counts;

	open_lookup(NULL);
	REFUSED(-ERANGE, "table 't', bag 0, position 0: index 1000; it has 1000 rows", smartssd_lookup_run(look, bags, 4, &err));
	ck_assert(bags[0].status == 0 && bags[1].status == -ERANGE && bags[2].status == -EINVAL && bags[3].status == 0);
	ck_assert(y[0][0] == 21 && y[0][DIM] == 0 && y[0][2 * DIM] == 300 && y[3][0] == 1.5f && y[3][2 * DIM - 1] == 0 && y[3][2 * DIM] == 3);
	bags[0].mean = 1;
	REFUSED(-EINVAL, "weights go with sum only", smartssd_lookup_run(look, bags, 1, &err));
	ck_assert_int_eq(smartssd_lookup_run(look, bags, 1, NULL), -EINVAL);
	bags[0].mean = 0;
	OK(smartssd_lookup_try(look, bags, 1, &err));
	OK(smartssd_lookup_run(look, bags, 0, &err));
	smartssd_lookup_counts(look, &counts);
	/* Of 4 calls, two had good requests: 6 bags, 6 lookups, and 3 and 3. */
	ck_assert(counts.requests == 5 && counts.batches == 5 && counts.bags == 9 && counts.lookups == 9 && counts.flash_bytes > 0 && counts.refused == 0);
	ck_assert_uint_eq(smartssd_lookup_lost(look), 0);
}
END_TEST

static void *one_of_many(void *arg)
{
	unsigned state = (unsigned)(uintptr_t)arg;

	for (int q = 0; q < 50; q++) {
		int64_t rows[20], offsets[2] = { 0, 20 };
		struct smartssd_error why = { "" };
		float y[DIM], want = 0;
		struct smartssd_bags bags = { .table = table, .indices = rows, .offsets = offsets, .bags = 1, .y = y };
		int ret;

		for (int i = 0; i < 20; i++) {
			rows[i] = rand_r(&state) % ROWS;
			want += (float)rows[i];
		}
		do
			ret = q % 2 ? smartssd_lookup_run(look, &bags, 1, &why) : smartssd_lookup_try(look, &bags, 1, &why);
		while (ret == -EAGAIN);
		if (ret || y[0] != want || y[DIM - 1] != want)
			return "wrong";
	}
	return NULL;
}

START_TEST(many_threads)
{
	struct smartssd_lookup_counts counts;
	pthread_t threads[8];

	open_lookup(&(struct smartssd_lookup_options){ .row_cache = 1 << 20, .delay_us = 300, .queue_bags = 3, .batch_bags = 4 });
	for (uintptr_t i = 0; i < 8; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, one_of_many, (void *)(i + 1)), 0);
	for (int i = 0; i < 8; i++) {
		void *wrong;

		ck_assert_int_eq(pthread_join(threads[i], &wrong), 0);
		ck_assert_ptr_null(wrong);
	}
	smartssd_lookup_counts(look, &counts);
	ck_assert(counts.requests == 400 && counts.lookups == 8000 && counts.most_waiting <= 3 && counts.card_hits > 0);
	ck_assert_msg(counts.batches < 400, "%llu batches", (unsigned long long)counts.batches);
}
END_TEST

START_TEST(cards)
{
	struct smartssd_lookup *none = (void *)1;
	struct smartssd_device *bare, *two[3];
	int64_t rows[] = { 1, 500, 999 };
	uint64_t done = 77;
	char uri[40];

	OK(smartssd_open("emu:", &bare, &err));
	REFUSED(-ENOEXEC, "embedding_bag", smartssd_lookup_open(store, &bare, 1, NULL, &none, &err));
	ck_assert_ptr_null(none);
	smartssd_close(bare);
	open_card("emu:ddr=64M");
	two[0] = two[1] = two[2] = card;
	REFUSED(-EINVAL, "3 devices for 2 volumes", smartssd_lookup_open(store, two, 3, NULL, &none, &err));
	REFUSED(-EINVAL, "policy 'best'", smartssd_lookup_open(store, two, 2, &(struct smartssd_lookup_options){ .policy = "best" }, &none, &err));
	REFUSED(-ENOMEM, "64", smartssd_lookup_open(store, two, 2, &(struct smartssd_lookup_options){ .pinned_card = 64 << 20 }, &none, &err));
	OK(smartssd_lookup_open(store, two, 2, NULL, &look, &err));
	REFUSED(-ENOSPC, "", smartssd_lookup_pin(look, table, SMARTSSD_PIN_CARD, rows, 3, &done, &err));
	ck_assert_uint_eq(done, 0);
	REFUSED(-EINVAL, "pin where 2", smartssd_lookup_pin(look, table, 2, rows, 3, NULL, &err));
	ck_assert_float_eq(sum_of(rows, 3, 0), 1500);
	smartssd_lookup_close(look);
	snprintf(uri, sizeof(uri), "emu:fault=gone:%u", (unsigned)__builtin_ctzll(smartssd_find_kernel(card, "embedding_bag")));
	smartssd_close(card);

	/* One that is gone: the host does its part. */
	open_card(uri);
	OK(smartssd_lookup_open(store, &card, 1, NULL, &look, &err));
	for (int i = 0; i < 2; i++)
		ck_assert_float_eq(sum_of(rows, 3, 0), 1500);
	ck_assert_uint_eq(smartssd_lookup_lost(look), 3);
}
END_TEST

static int stop(void *ctx, uint64_t done, uint64_t total)
{
	(void)total;
	++*(int *)ctx;
	return done > 0;
}

START_TEST(interrupted)
{
	int steps = 0;
	struct smartssd_import_options options = { .progress = { stop, &steps } };
	struct smartssd_table *none = (void *)1;

	ck_assert_int_eq(smartssd_store_import(store, "u", npy, &options, &err), -ECANCELED);
	ck_assert_int_gt(steps, 0);
	ck_assert_int_eq(smartssd_table_open(store, "u", &none, &err), -ENOENT);
	ck_assert_ptr_null(none);
	OK(smartssd_store_import(store, "u", npy, NULL, &err));
	OK(smartssd_store_verify(store, "u", NULL, &err));
}
END_TEST

static void add(TCase *c)
{
	tcase_add_checked_fixture(c, set_up, tear_down);
	tcase_add_test(c, tables);
	tcase_add_test(c, stores);
	tcase_add_loop_test(c, updates, 0, 5);
	tcase_add_test(c, another_process);
	tcase_add_test(c, requests);
	tcase_add_test(c, many_threads);
	tcase_add_test(c, cards);
	tcase_add_test(c, interrupted);
}

int main(void)
{
	return suite_main("store_api", add);
}
