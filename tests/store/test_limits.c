// SPDX-License-Identifier: BSD-2-Clause
/*
 * Stores and tables at their limits: the shortest and longest rows, 48 volumes, 4096 tables, the last generation, a file that claims more than there
 * can be. Link with -Wl,--wrap=fallocate.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "store_test.h"

int __wrap_fallocate(int fd, int mode, off_t at, off_t bytes);

/* A hole: there need not be memory for all that is reserved. */
int __wrap_fallocate(int fd, int mode, off_t at, off_t bytes)
{
	return mode ? 0 : ftruncate(fd, at + bytes);
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* All formats of rows of @dim, in one to five times as many rows as volumes, and one more or less: the ends of shards and spans. */
START_TEST(short_and_long_rows)
{
	static const uint32_t dims[] = { 1, 2, 3, 33, 511, 512, 513, 4095, 4096 };
	uint32_t dim = dims[_i], volumes = 3;
	char path[80], name[STORE_NAME];
	struct store *s;

	set_up((int)volumes, false);
	s = open_store(WRITER);
	snprintf(path, sizeof(path), "%s/d.npy", folder);
	for (uint32_t round = 0; round < 8; round++) {
		uint64_t nr = round < 3 ? volumes + round : round < 6 ? volumes * random_in(2, 5) + round - 4 : random_in(volumes, 400);
		struct smartssd_array a = { .type = SMARTSSD_F4, .ndim = 2, .shape = { nr, dim } };
		float *x = malloc(nr * dim * sizeof(float));
		uint32_t format = round % 4, shard = random_in(0, 3) ? SMARTSSD_SHARD_ROW : SMARTSSD_SHARD_TABLE;
		int64_t last[2] = { (int64_t)nr - 1, 0 };
		struct table *t;

		for (uint64_t i = 0; i < nr * dim; i++)
			x[i] = (float)random_in(0, 4000) / 7 - 300;
		OK(smartssd_npy_save(path, &a, x, &err));
		snprintf(name, sizeof(name), "t%u", round);
		OK(import(s, name, path, format, shard, NULL, NULL));
		for (int again = 0; again < 2; again++) {
			OK(store_verify(s, name, NULL, &err));
			OK(table_open(s, name, &t, &err));
			for (uint64_t r = 0; r < nr; r += r + 8 < nr ? 1 + r % 3 : 1)
				expect_row(t, r, x + r * dim);
			memcpy(x, x + dim, dim * sizeof(float));
			memcpy(x + (nr - 1) * dim, x + dim, dim * sizeof(float));
			OK(table_update(t, last, 1, x, &err));
			OK(table_update(t, last + 1, 1, x, &err));
			expect_row(t, 0, x);
			expect_row(t, nr - 1, x);
			table_close(t);
			OK(store_compact(s, name, NULL, &err));
		}
		free(x);
	}
	store_close(s);
	tear_down();
}
END_TEST

START_TEST(many_volumes)
{
	static char text[STORE_MAX_VOLUMES * 80];
	struct store *s;
	struct table *t;
	int64_t all[ROWS];

	set_up(1, false);
	text[0] = 0;
	for (int v = 0; v < STORE_MAX_VOLUMES; v++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s/m%d", v ? "," : "", folder, v);
	OK(store_open(text, WRITER, &s, &err));
	OK(import(s, "t", npy, SMARTSSD_ROWS_INT8, SMARTSSD_SHARD_ROW, NULL, NULL));
	expect_table(s, "t");
	for (int r = 0; r < ROWS; r++) {
		all[r] = ROWS - 1 - r;
		memcpy(rows[r], rows[random_in(0, ROWS - 1)], sizeof(rows[0]));
	}
	OK(table_open(s, "t", &t, &err));
	OK(table_update(t, all, ROWS, &rows[0][0], &err));
	for (int r = 0; r < ROWS; r++)
		expect_row(t, (uint64_t)all[r], rows[r]);
	table_close(t);
	OK(store_compact(s, "t", NULL, &err));
	OK(store_verify(s, "t", NULL, &err));
	store_close(s);
	strcat(text, ",more");
	ck_assert_int_eq(store_open(text, VOLUME_READ, &s, &err), -EINVAL);
	tear_down();
}
END_TEST

/* A manifest of all the tables that there can be: opened in no time, with all their objects; one more is refused before anything is written. */
START_TEST(many_tables)
{
	struct store_table t = { .rows = 1, .dim = 1, .shards = 1 };
	struct store *s;
	char name[VOLUME_NAME], path[160];
	double start;

	set_up(1, false);
	s = open_store(WRITER);
	ck_assert_int_eq(layout_init(&t.layout, 4, volume_block(s->volumes[0])), 0);
	for (uint32_t i = 0; i < STORE_MAX_TABLES; i++) {
		snprintf(t.name, sizeof(t.name), "table-with-a-name-of-39-characters-%04u", i % 10000);
		t.generation = s->manifest.next_generation++;
		OK(manifest_put(&s->manifest, &t, &err));
		for (enum part part = 0; part < PARTS; part++) {
			part_name(&t, 0, part, name);
			snprintf(path, sizeof(path), "%s/v0/%s.obj", folder, name);
			close(open(path, O_WRONLY | O_CREAT, 0644));
		}
	}
	OK(store_commit(s, &err));
	store_close(s);
	start = seconds();
	s = open_store(WRITER);
	printf("# %.3f s to open it\n", seconds() - start);
	ck_assert_double_lt(seconds() - start, 10);
	ck_assert_int_eq(import(s, "one-more", npy, SMARTSSD_ROWS_FP32, 0, NULL, NULL), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(err.text, "4096 tables"));
	OK(store_remove(s, "table-with-a-name-of-39-characters-0007", &err));
	OK(import(s, "one-more", npy, SMARTSSD_ROWS_FP32, 0, NULL, NULL));
	store_close(s);
	ck_assert_int_eq(access(path, F_OK), 0);
	tear_down();
}
END_TEST

/* The names of objects are not cut off, and the number after the last is none. */
START_TEST(last_generation)
{
	static const char longest[STORE_NAME] = "a-name-of-39-characters-is-the-longest1";
	struct store *s;
	struct table *t;

	set_up(2, _i);
	s = open_store(WRITER);
	s->manifest.next_generation = TABLE_MAX_GENERATION - 1;
	OK(import(s, longest, npy, SMARTSSD_ROWS_INT4, SMARTSSD_SHARD_ROW, NULL, NULL));
	OK(import(s, "b", npy, SMARTSSD_ROWS_FP32, SMARTSSD_SHARD_ROW, NULL, NULL));
	ck_assert_int_eq(import(s, "c", npy, SMARTSSD_ROWS_FP32, SMARTSSD_SHARD_ROW, NULL, NULL), -EOVERFLOW);
	ck_assert_int_eq(store_compact(s, "b", NULL, &err), -EOVERFLOW);
	store_close(s);
	s = open_store(WRITER);
	ck_assert_int_eq(store_compact(s, longest, NULL, &err), -EOVERFLOW);
	expect_table(s, longest);
	expect_table(s, "b");
	OK(table_open(s, "b", &t, &err));
	ck_assert_uint_eq(table_info(t)->generation, TABLE_MAX_GENERATION);
	table_close(t);
	store_close(s);
	tear_down();
}
END_TEST

/* A sparse file of more rows than a manifest may have. */
START_TEST(too_many_rows)
{
	static const char header[] = "\x93NUMPY\x01\x00\x76\x00{'descr': '|u1', 'fortran_order': False, 'shape': (562949953421312, 9), }";
	const struct rlimit most = { 64 << 20, 64 << 20 };
	char head[128], path[80];
	struct store *s;
	int fd;

	set_up(1, false);
	memset(head, ' ', sizeof(head));
	memcpy(head, header, sizeof(header) - 1);
	head[127] = '\n';
	snprintf(path, sizeof(path), "%s/huge.npy", folder);
	fd = open(path, O_RDWR | O_CREAT, 0644);
	ck_assert(fd >= 0 && write(fd, head, sizeof(head)) == (ssize_t)sizeof(head));
	if (!ftruncate(fd, 128 + (off_t)9 * (1ll << 49))) {
		/* One that is imported all the same would fill the memory of this machine. */
		signal(SIGXFSZ, SIG_IGN);
		ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &most), 0);
		s = open_store(WRITER);
		ck_assert_int_eq(import(s, "huge", path, SMARTSSD_ROWS_INT8, 0, NULL, NULL), -EINVAL);
		ck_assert_msg(strstr(err.text, "more than a store can have"), "%s", err.text);
		store_close(s);
	}
	close(fd);
	tear_down();
}
END_TEST

/* int8-rowwise rows of which one stands for numbers that are not finite. */
START_TEST(fused_not_finite)
{
	static const float pairs[][2] = { { 0.0f / 0.0f, 0 }, { 1, 1.0f / 0.0f }, { 3e38f, 1 }, { -3e38f, -1 } };
	struct smartssd_array a = { .type = SMARTSSD_U1, .ndim = 2, .shape = { 10, 12 } };
	uint8_t data[10][12] = { { 0 } };
	struct store *s;
	char path[80];

	set_up(1, false);
	s = open_store(WRITER);
	snprintf(path, sizeof(path), "%s/u.npy", folder);
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		memset(data, 0, sizeof(data));
		memcpy(data[6] + 4, pairs[i], 8);
		OK(smartssd_npy_save(path, &a, data, &err));
		ck_assert_int_eq(import(s, "u", path, SMARTSSD_ROWS_INT8, 0, NULL, NULL), -EDOM);
		ck_assert_msg(strstr(err.text, "row 6"), "%s", err.text);
	}
	store_close(s);
	tear_down();
}
END_TEST

static void fill(TCase *t)
{
	tcase_add_loop_test(t, short_and_long_rows, 0, 9);
	tcase_add_test(t, many_volumes);
	tcase_add_test(t, many_tables);
	tcase_add_loop_test(t, last_generation, 0, 2);
	tcase_add_test(t, too_many_rows);
	tcase_add_test(t, fused_not_finite);
}

int main(void)
{
	return run_suite("limits", fill);
}
