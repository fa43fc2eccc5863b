// SPDX-License-Identifier: BSD-2-Clause
/*
 * Changes that fail, at each write and each sync, and changes beside others: imports, updates, compactions and removals leave the old or the new, and
 * what comes next goes on from there. Link with -Wl,--wrap= of each function that is failed here.
 */
#include <stdarg.h>
#include <stdio.h>

#include "store_test.h"

/* ---- the how many-th call fails ---- */

static int countdown, failed; /* 0: none does. All on from that one fail when @for_good. */
static bool for_good;
static int how = EIO;

static bool fails(void)
{
	if (!countdown || (countdown > 1 && countdown--))
		return false;
	if (!for_good)
		countdown = 0;
	failed++;
	errno = how;
	return true;
}

ssize_t __real_pwrite(int fd, const void *data, size_t bytes, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t at);
ssize_t __wrap_write(int fd, const void *data, size_t bytes);
ssize_t __real_write(int fd, const void *data, size_t bytes);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);
int __wrap_fallocate(int fd, int mode, off_t at, off_t bytes);
int __wrap_rename(const char *from, const char *to);
int __real_rename(const char *from, const char *to);
int __wrap_unlinkat(int fd, const char *name, int flags);
int __real_unlinkat(int fd, const char *name, int flags);

ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t at)
{
	if (!fails())
		return __real_pwrite(fd, data, bytes, at);
	/* Half of it arrives. */
	bytes = bytes / 2 & ~(size_t)511;
	if (bytes && __real_pwrite(fd, data, bytes, at) < 0)
		abort();
	errno = how;
	return -1;
}

ssize_t __wrap_write(int fd, const void *data, size_t bytes)
{
	return fails() ? -1 : __real_write(fd, data, bytes);
}

/* Nothing has to be waited for. */
int __wrap_fdatasync(int fd)
{
	(void)fd;
	return fails() ? -1 : 0;
}

int __wrap_fsync(int fd)
{
	(void)fd;
	return fails() ? -1 : 0;
}

/* A hole: that there is room is not for us to test. */
int __wrap_fallocate(int fd, int mode, off_t at, off_t bytes)
{
	return fails() ? -1 : mode ? 0 : ftruncate(fd, at + bytes);
}

int __wrap_rename(const char *from, const char *to)
{
	return fails() ? -1 : __real_rename(from, to);
}

int __wrap_unlinkat(int fd, const char *name, int flags)
{
	return fails() ? -1 : __real_unlinkat(fd, name, flags);
}

/* ---- changes ---- */

enum change { IMPORT, REPLACE, UPDATE, COMPACT, REMOVE, CHANGES };

static const int64_t indices[4] = { 7, 4998, 8, 7 };
static float fresh[4][DIM];

static int change(struct store *s, enum change what)
{
	struct store_import replace = { .name = "t", .format = SMARTSSD_ROWS_INT8, .shard = SMARTSSD_SHARD_ROW, .volume = UINT32_MAX, .replace = true };
	struct table *t;
	int ret;

	switch (what) {
	case IMPORT:
		return import(s, "n", npy, SMARTSSD_ROWS_FP16, SMARTSSD_SHARD_ROW, NULL, NULL);
	case REPLACE:
		OK(store_rows_open(npy, &replace.rows, &err));
		ret = store_import(s, &replace, NULL, NULL, &err);
		store_rows_close(replace.rows);
		return ret;
	case UPDATE:
		OK(table_open(s, "t", &t, &err));
		ret = table_update(t, indices, 4, &fresh[0][0], &err);
		table_close(t);
		return ret;
	case COMPACT:
		return store_compact(s, "t", NULL, &err);
	default:
		return store_remove(s, "t", &err);
	}
}

/* The row is that of the file, or the updated one, as @format has it. */
static bool row_is(struct table *t, uint64_t row, const float *want)
{
	const struct store_table *info = table_info(t);
	uint8_t encoded[DIM * 4];
	float have[DIM], back[DIM];
	uint64_t bad;

	OK(table_read_row(t, row, have, &err));
	OK(rowfmt_encode(info->format, DIM, want, 1, encoded, &bad));
	rowfmt_decode(info->format, DIM, encoded, 1, back);
	return !memcmp(have, back, sizeof(have));
}

/* @done: the change returned 0. Whatever happened, the store is one of the two. */
static void check(struct store *s, enum change what, bool done)
{
	struct store_table *tables;
	struct table *t;
	uint32_t nr;
	int ret;

	OK(store_list(s, &tables, &nr, &err));
	for (uint32_t i = 0; i < nr; i++)
		OK(store_verify(s, tables[i].name, NULL, &err));
	free(tables);
	ret = table_open(s, "n", &t, &err);
	ck_assert(!ret || (ret == -ENOENT && !(what == IMPORT && done)));
	if (!ret) {
		ck_assert(what == IMPORT && row_is(t, ROWS - 1, rows[ROWS - 1]));
		table_close(t);
	}
	ret = table_open(s, "t", &t, &err);
	ck_assert_msg((!ret && !(what == REMOVE && done)) || (ret == -ENOENT && what == REMOVE), "%d: %s", ret, err.text);
	if (ret)
		return;
	for (int i = 1; i < 4; i++) {
		uint64_t row = (uint64_t)indices[i];
		bool is_old = row_is(t, row, rows[row]), is_new = row_is(t, row, fresh[i]);

		/* There was one update before. A replacement is of the file again. */
		ck_assert_msg(what == UPDATE ? is_new || (is_old && !done) : what == REPLACE ? is_old || (is_new && !done) : is_new, "row %d: %s", (int)row,
			      is_old ? "old" : is_new ? "new" : "neither");
	}
	if (what == REPLACE && done)
		ck_assert_uint_eq(table_info(t)->format, SMARTSSD_ROWS_INT8);
	table_close(t);
}

static void no_leftovers(struct store *s)
{
	for (uint32_t v = 0; v < store_volumes(s); v++) {
		char(*names)[VOLUME_NAME];
		uint32_t nr, want = 0;

		OK(volume_list_objects(store_volume(s, v), &names, &nr, &err));
		free(names);
		for (uint32_t i = 0; i < s->manifest.nr; i++)
			for (uint32_t shard = 0; shard < s->manifest.tables[i].shards; shard++)
				want += shard_volume(s, &s->manifest.tables[i], shard) == v ? PARTS : 0;
		ck_assert_uint_eq(nr, want);
	}
}

/* One that fails at call @k, or with @forever from there on. False: it was over before. */
static bool once(bool raw, enum change what, int k, bool forever, bool reopen)
{
	struct store *s;
	bool was;
	int ret;

	set_up(2, raw);
	for (int i = 0; i < 4; i++)
		for (int d = 0; d < DIM; d++)
			fresh[i][d] = (float)(i * 100 + d);
	memcpy(fresh[0], fresh[3], sizeof(fresh[0]));
	s = open_store(WRITER);
	OK(import(s, "t", npy, SMARTSSD_ROWS_FP32, SMARTSSD_SHARD_ROW, NULL, NULL));
	if (what != UPDATE)
		OK(change(s, UPDATE));
	failed = 0;
	for_good = forever;
	countdown = k;
	ret = change(s, what);
	was = failed;
	countdown = 0;
	if (ret && forever)
		ck_assert_msg(ret == -how || (ret == -EXDEV), "%d: %s", ret, err.text);
	if (ret)
		ck_assert_msg(strlen(err.text) > 10, "change %d, call %d: %s", what, k, err.text);
	/* With the same store, or as the next program finds it. */
	if (reopen) {
		store_close(s);
		s = open_store(WRITER);
	}
	check(s, what, !ret);
	if (ret) {
		ret = change(s, what);
		/* A part of a failed change may be the change: it is there, or away, by now. And a delta that cannot be relied on says so. */
		ck_assert_msg(!ret || (what == IMPORT && ret == -EEXIST) || (what == REMOVE && ret == -ENOENT) || (what == UPDATE && ret == -EIO && !reopen),
			      "change %d, call %d, again: %d, %s", what, k, ret, err.text);
		check(s, what, !ret);
	}
	store_close(s);
	s = open_store(WRITER);
	check(s, what, !ret);
	no_leftovers(s);
	store_close(s);
	tear_down();
	return was;
}

/* _i: kind and change. Each call in turn; which error it is, whether others fail after it and whether the store is opened again, by chance. */
START_TEST(failing)
{
	bool raw = _i & 1;
	enum change what = (enum change)(_i / 2);
	uint64_t chance;
	int k = 0;

	random_seed("failing");
	chance = random_u64();
	do {
		chance = chance * 6364136223846793005ull + 1442695040888963407ull; /* set_up() begins our own anew */
		how = chance >> 61 & 1 ? EIO : ENOSPC;
	} while (once(raw, what, ++k, chance >> 62 & 1, chance >> 63));
	printf("# %s, change %d: %d failures\n", raw ? "raw" : "folder", what, k - 1);
	ck_assert_int_gt(k, 2);
}
END_TEST

/* ---- beside others ---- */

/* A table is replaced while a reader, who has read the manifest, has not opened it yet. */
START_TEST(replaced_before_opened)
{
	struct store *s, *reader;
	struct table *t;

	set_up(2, _i);
	s = open_store(WRITER);
	OK(import(s, "t", npy, SMARTSSD_ROWS_FP32, SMARTSSD_SHARD_ROW, NULL, NULL));
	reader = open_store(VOLUME_READ);
	OK(store_compact(s, "t", NULL, &err));
	OK(table_open(reader, "t", &t, &err));
	ck_assert_uint_eq(table_info(t)->generation, 2);
	expect_row(t, 5, rows[5]);
	table_close(t);
	OK(import(s, "later", npy, SMARTSSD_ROWS_FP32, 0, NULL, NULL));
	OK(table_open(reader, "later", &t, &err));
	table_close(t);
	OK(store_remove(s, "t", &err));
	ck_assert_int_eq(table_open(reader, "t", &t, &err), -ENOENT);
	store_close(reader);
	store_close(s);
	tear_down();
}
END_TEST

struct beside {
	struct store *s;
	int remove, forget, compact, import;
};

/* What another thread would meet in the midst of an import. */
static int others(void *ctx, uint64_t done, uint64_t total)
{
	struct beside *b = ctx;

	(void)total;
	if (done && !b->remove) {
		b->remove = store_remove(b->s, "t", &err);
		b->forget = store_forget_import(b->s, "t", &err);
		b->compact = store_compact(b->s, "t", NULL, &err);
		b->import = import(b->s, "t", npy, SMARTSSD_ROWS_FP32, 0, NULL, NULL);
		OK(import(b->s, "other", npy, SMARTSSD_ROWS_FP32, 0, NULL, NULL));
	}
	return 0;
}

START_TEST(one_at_a_time)
{
	struct beside b = { NULL };
	struct smartssd_progress progress = { others, &b };

	set_up(1, _i);
	b.s = open_store(WRITER);
	OK(import(b.s, "t", npy, SMARTSSD_ROWS_FP32, 0, &progress, NULL));
	ck_assert(b.remove == -EBUSY && b.forget == -EBUSY && b.compact == -EBUSY && b.import == -EBUSY);
	expect_table(b.s, "t");
	expect_table(b.s, "other");
	OK(store_remove(b.s, "t", &err));
	store_close(b.s);
	tear_down();
}
END_TEST

/* ---- imports that are not finished ---- */

static int stop(void *ctx, uint64_t done, uint64_t total)
{
	(void)ctx;
	(void)total;
	return done > 0;
}

static void big_npy(char path[80], uint64_t nr, bool bad)
{
	struct smartssd_array a = { .type = SMARTSSD_F4, .ndim = 2, .shape = { nr, 64 } };
	float *big = calloc(nr, 64 * sizeof(float));

	for (uint64_t i = 0; i < nr * 64; i++)
		big[i] = (float)(i % 1021);
	if (bad)
		big[(nr - 1) * 64 + 5] = 0.0f / 0.0f;
	snprintf(path, 80, "%s/big.npy", folder);
	OK(smartssd_npy_save(path, &a, big, &err));
	free(big);
}

/* Listed; other tables come and go beside it; a replaced table stays when it is forgotten. */
START_TEST(unfinished)
{
	struct smartssd_progress progress = { stop, NULL };
	struct store_unfinished *list;
	struct store *s, *reader;
	uint64_t resumed = 0;
	char path[80];
	uint32_t nr;

	set_up(2, _i);
	big_npy(path, 40000, false);
	s = open_store(WRITER);
	ck_assert_int_eq(import(s, "big", path, SMARTSSD_ROWS_FP32, SMARTSSD_SHARD_ROW, &progress, NULL), -ECANCELED);
	OK(import(s, "small", npy, SMARTSSD_ROWS_FP32, SMARTSSD_SHARD_ROW, NULL, NULL));
	ck_assert_int_eq(store_compact(s, "big", NULL, &err), -ENOENT);
	store_close(s);

	reader = open_store(VOLUME_READ);
	OK(store_list_imports(reader, &list, &nr, &err));
	ck_assert_uint_eq(nr, 1);
	ck_assert_str_eq(list[0].table.name, "big");
	ck_assert_uint_eq(list[0].table.rows, 40000);
	ck_assert(list[0].done > 0 && list[0].done < 40000);
	ck_assert_msg(strstr(list[0].path, "/big.npy") && list[0].path[0] == '/', "'%s'", list[0].path);
	free(list);
	ck_assert_int_eq(store_forget_import(reader, "big", &err), -EBADF);
	store_close(reader);

	s = open_store(WRITER);
	OK(import(s, "big", path, SMARTSSD_ROWS_FP32, SMARTSSD_SHARD_ROW, NULL, &resumed));
	ck_assert_uint_gt(resumed, 0);
	OK(store_verify(s, "big", NULL, &err));
	ck_assert_int_eq(store_forget_import(s, "big", &err), -ENOENT);

	/* A replacement stops; the table is compacted beside it, and it goes on; another one is forgotten. */
	for (int round = 0; round < 2; round++) {
		struct store_import what = { .name = "big", .format = round ? SMARTSSD_ROWS_INT4 : SMARTSSD_ROWS_FP16, .volume = UINT32_MAX, .replace = true };

		OK(store_rows_open(path, &what.rows, &err));
		ck_assert_int_eq(store_import(s, &what, &progress, NULL, &err), -ECANCELED);
		OK(store_compact(s, "big", NULL, &err));
		OK(store_verify(s, "big", NULL, &err));
		if (!round) {
			OK(store_import(s, &what, NULL, &resumed, &err));
			ck_assert_uint_gt(resumed, 0);
		} else {
			OK(store_forget_import(s, "big", &err));
		}
		store_rows_close(what.rows);
		OK(store_verify(s, "big", NULL, &err));
		ck_assert_uint_eq(manifest_find(&s->manifest, "big")->format, SMARTSSD_ROWS_FP16);
		no_leftovers(s);
	}
	store_close(s);
	tear_down();
}
END_TEST

/* A number that is none, far behind what was saved: going on would end there again, so nothing is kept. */
START_TEST(never_whole)
{
	struct smartssd_progress progress = { stop, NULL };
	struct store *s;
	char path[80];

	set_up(2, _i);
	big_npy(path, 40000, true);
	s = open_store(WRITER);
	ck_assert_int_eq(import(s, "big", path, SMARTSSD_ROWS_FP32, SMARTSSD_SHARD_ROW, &progress, NULL), -ECANCELED);
	ck_assert_int_eq(import(s, "big", path, SMARTSSD_ROWS_FP32, SMARTSSD_SHARD_ROW, NULL, NULL), -EDOM);
	ck_assert_msg(strstr(err.text, "row 39999"), "%s", err.text);
	no_leftovers(s);
	big_npy(path, 40000, false);
	OK(import(s, "big", path, SMARTSSD_ROWS_FP32, SMARTSSD_SHARD_ROW, NULL, NULL));
	store_close(s);
	tear_down();
}
END_TEST

static char touched[80];

static int touch(void *ctx, uint64_t done, uint64_t total)
{
	int fd = open(touched, O_RDWR);

	(void)ctx;
	(void)done;
	(void)total;
	ck_assert(fd >= 0 && __real_pwrite(fd, "x", 1, 100000) == 1);
	close(fd);
	return 0;
}

static int shrink(void *ctx, uint64_t done, uint64_t total)
{
	(void)ctx;
	(void)done;
	(void)total;
	return truncate(touched, 5 << 20) ? 1 : 0;
}

/* Somebody writes to the file, or cuts it off. */
START_TEST(changing_file)
{
	struct smartssd_progress progress[2] = { { touch, NULL }, { shrink, NULL } };
	struct store *s;

	for (int i = 0; i < 2; i++) {
		set_up(1, _i);
		big_npy(touched, 40000, false);
		s = open_store(WRITER);
		ck_assert_int_eq(import(s, "big", touched, SMARTSSD_ROWS_FP32, 0, &progress[i], NULL), i ? -EIO : -ESTALE);
		ck_assert_ptr_nonnull(strstr(err.text, "big.npy"));
		no_leftovers(s);
		OK(import(s, "t", npy, SMARTSSD_ROWS_FP32, 0, NULL, NULL));
		store_close(s);
		tear_down();
	}
}
END_TEST

/* ---- what verify and compact look at ---- */

/* CRCs and rows of another table that fit each other: only the manifest's checksum tells. */
START_TEST(other_rows)
{
	uint32_t shards = _i ? 3 : 1;
	struct volume_object from, to;
	static uint8_t all[2 << 20];
	char name[VOLUME_NAME];
	struct store *s;

	set_up(3, false);
	s = open_store(WRITER);
	OK(import(s, "a", npy, SMARTSSD_ROWS_FP32, _i, NULL, NULL));
	make_rows();
	OK(smartssd_npy_save(npy, &(struct smartssd_array){ .type = SMARTSSD_F4, .ndim = 2, .shape = { ROWS, DIM } }, rows, &err));
	OK(import(s, "b", npy, SMARTSSD_ROWS_FP32, _i, NULL, NULL));
	for (enum part part = PART_ROWS; part <= PART_CRC; part++) {
		const struct store_table *a = manifest_find(&s->manifest, "a"), *b = manifest_find(&s->manifest, "b");
		uint32_t shard = shards - 1;

		part_name(a, shard, part, name);
		OK(volume_open_object(s->volumes[shard_volume(s, a, shard)], name, false, &from, &err));
		part_name(b, shard, part, name);
		OK(volume_open_object(s->volumes[shard_volume(s, b, shard)], name, true, &to, &err));
		OK(volume_pread(&from, all, from.bytes - ROWS_HEADER, ROWS_HEADER));
		OK(volume_pwrite(&to, all, to.bytes - ROWS_HEADER, ROWS_HEADER));
		volume_close_object(&from);
		volume_close_object(&to);
	}
	OK(store_verify(s, "a", NULL, &err));
	ck_assert_int_eq(store_verify(s, "b", NULL, &err), -EBADMSG);
	ck_assert_msg(strstr(err.text, "not those of the manifest"), "%s", err.text);
	store_close(s);
	tear_down();
}
END_TEST

/* A bit of an update that is turned while the table is open does not become a row with a right checksum. */
START_TEST(damaged_update)
{
	const struct volume_object *delta;
	uint64_t row = 7 / (_i ? 2 : 1), at;
	struct store *s;
	struct table *t;
	uint8_t byte;
	char path[120], name[VOLUME_NAME];
	int fd;

	set_up(2, false);
	s = open_store(WRITER);
	OK(import(s, "t", npy, SMARTSSD_ROWS_FP32, _i, NULL, NULL));
	OK(change(s, UPDATE));
	OK(table_open(s, "t", &t, &err));
	table_where(t, _i, &row, 1, &at);
	ck_assert(at & TABLE_IN_DELTA);
	delta = table_delta(t, _i);
	part_name(table_info(t), _i, PART_DELTA, name);
	snprintf(path, sizeof(path), "%s/v%d/%s.obj", folder, _i, name);
	fd = open(path, O_RDWR);
	at = (at & ~TABLE_IN_DELTA) + delta->offset;
	ck_assert(fd >= 0 && pread(fd, &byte, 1, (off_t)at) == 1);
	byte ^= 1;
	ck_assert(__real_pwrite(fd, &byte, 1, (off_t)at) == 1);
	ck_assert_int_eq(store_verify(s, "t", NULL, &err), -EBADMSG);
	ck_assert_int_eq(store_compact(s, "t", NULL, &err), -EBADMSG);
	ck_assert_msg(strstr(err.text, "table 't'"), "%s", err.text);
	byte ^= 1;
	ck_assert(__real_pwrite(fd, &byte, 1, (off_t)at) == 1);
	OK(store_compact(s, "t", NULL, &err));
	close(fd);
	table_close(t);
	store_close(s);
	tear_down();
}
END_TEST

static void fill(TCase *t)
{
	tcase_add_loop_test(t, failing, 0, 2 * CHANGES);
	tcase_add_loop_test(t, replaced_before_opened, 0, 2);
	tcase_add_loop_test(t, one_at_a_time, 0, 2);
	tcase_add_loop_test(t, unfinished, 0, 2);
	tcase_add_loop_test(t, never_whole, 0, 2);
	tcase_add_loop_test(t, changing_file, 0, 2);
	tcase_add_loop_test(t, other_rows, 0, 2);
	tcase_add_loop_test(t, damaged_update, 0, 2);
}

int main(void)
{
	return run_suite("changes", fill);
}
