// SPDX-License-Identifier: BSD-2-Clause
/*
 * Tables in a store, on a folder and on a raw volume, whole and row-wise: import from .npy and .safetensors, what is read back, updates, compaction,
 * interrupted imports, damage, two processes, hostile manifests.
 */
#include "../../runtime/store/store_impl.h"
#include "../../runtime/store/volume_slot.h"
#include "store_test.h"

/* Every format, whole and row-wise, in one store of three volumes; opened anew by a reader. */
static void formats(bool raw)
{
	static const char *const names[4] = { "fp32", "fp16", "int8", "int4" };
	struct store_table *tables;
	struct store *s;
	char name[20];
	uint32_t nr;

	set_up(3, raw);
	s = open_store(WRITER);
	for (uint32_t f = 0; f < 4; f++)
		for (uint32_t shard = 0; shard < 2; shard++) {
			snprintf(name, sizeof(name), "%s_%u", names[f], shard);
			OK(import(s, name, npy, f, shard, NULL, NULL));
		}
	ck_assert_int_eq(import(s, "fp32_0", npy, 0, 0, NULL, NULL), -EEXIST);
	store_close(s);

	s = open_store(VOLUME_READ);
	OK(store_list(s, &tables, &nr, &err));
	ck_assert_uint_eq(nr, 8);
	for (uint32_t i = 0; i < nr; i++) {
		ck_assert_uint_eq(tables[i].rows, ROWS);
		ck_assert_uint_eq(tables[i].dim, DIM);
		ck_assert(i == 0 || strcmp(tables[i - 1].name, tables[i].name) < 0);
		ck_assert_uint_eq(tables[i].shards, tables[i].name[5] == '1' || tables[i].name[strlen(tables[i].name) - 1] == '1' ? 3 : 1);
		expect_table(s, tables[i].name);
	}
	/* Sharded or not, a table has one checksum. */
	for (uint32_t i = 0; i + 1 < nr; i += 2)
		ck_assert_uint_eq(tables[i].crc, tables[i + 1].crc);
	free(tables);
	ck_assert_int_eq(import(s, "more", npy, 0, 0, NULL, NULL), -EBADF);
	ck_assert_int_eq(store_remove(s, "fp32_0", &err), -EBADF);
	store_close(s);
	tear_down();
}

START_TEST(all_formats)
{
	formats(_i);
}
END_TEST

START_TEST(updates)
{
	int64_t indices[50];
	float fresh[50][DIM], now[ROWS][DIM];
	struct store *s, *reader;
	struct table *t, *seen, *again;
	uint64_t at[2];

	set_up(2, _i & 1);
	s = open_store(WRITER);
	OK(import(s, "t", npy, SMARTSSD_ROWS_FP32, _i >> 1, NULL, NULL));
	reader = open_store(VOLUME_READ);
	OK(table_open(reader, "t", &seen, &err));
	OK(table_open(s, "t", &t, &err));
	memcpy(now, rows, sizeof(now));
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 50; i++) {
			indices[i] = random_in(0, ROWS - 1);
			for (int d = 0; d < DIM; d++)
				fresh[i][d] = (float)random_in(0, 1000);
			memcpy(now[indices[i]], fresh[i], sizeof(fresh[i])); /* the last one counts */
		}
		OK(table_update(t, indices, 50, &fresh[0][0], &err));
		for (int i = 0; i < 50; i++)
			expect_row(t, (uint64_t)indices[i], now[indices[i]]);
		ck_assert_int_eq(table_refresh(seen, &err), 1);
		ck_assert_int_eq(table_refresh(seen, &err), 0);
		for (int i = 0; i < 50; i++)
			expect_row(seen, (uint64_t)indices[i], now[indices[i]]);
	}
	for (int r = 0; r < ROWS; r += 3)
		expect_row(t, (uint64_t)r, now[r]);
	OK(store_verify(s, "t", NULL, &err));
	/* Where a reader of the drive looks. */
	table_where(t, 0, (uint64_t[]){ layout_shard_row((uint64_t)indices[49], table_info(t)->shards), 0 }, 1, at);
	if (layout_shard((uint64_t)indices[49], table_info(t)->shards) == 0)
		ck_assert(at[0] & TABLE_IN_DELTA);

	/* What is wrong changes nothing. */
	indices[7] = ROWS;
	ck_assert_int_eq(table_update(t, indices, 50, &fresh[0][0], &err), -ERANGE);
	ck_assert(strstr(err.text, "position 7"));
	indices[7] = -1;
	ck_assert_int_eq(table_update(t, indices, 50, &fresh[0][0], &err), -ERANGE);
	indices[7] = 3;
	fresh[7][2] = 1.0f / 0.0f;
	ck_assert_int_eq(table_update(t, indices, 50, &fresh[0][0], &err), -EDOM);
	ck_assert_int_eq(table_update(seen, indices, 1, &fresh[0][0], &err), -EBADF);
	expect_row(t, (uint64_t)indices[0], now[indices[0]]);

	/* A new generation; who reads the old one goes on. */
	OK(store_compact(s, "t", NULL, &err));
	ck_assert_int_eq(table_update(t, indices, 1, &fresh[0][0], &err), -ESTALE);
	ck_assert_int_eq(table_refresh(seen, &err), -ESTALE);
	for (int r = 0; r < ROWS; r += 41) {
		expect_row(seen, (uint64_t)r, now[r]);
		expect_row(t, (uint64_t)r, now[r]);
	}
	OK(table_open(s, "t", &again, &err));
	ck_assert_uint_eq(delta_count(again->shards[0].delta), 0);
	for (int r = 0; r < ROWS; r++)
		expect_row(again, (uint64_t)r, now[r]);
	OK(store_verify(s, "t", NULL, &err));
	table_close(again);
	table_close(t);
	table_close(seen);
	store_close(reader);
	store_close(s);

	s = open_store(VOLUME_READ);
	OK(table_open(s, "t", &t, &err));
	for (int r = 0; r < ROWS; r += 17)
		expect_row(t, (uint64_t)r, now[r]);
	table_close(t);
	store_close(s);
	tear_down();
}
END_TEST

/* Until the delta is full: said so, and everything before is there. */
START_TEST(full_delta)
{
	struct store *s;
	struct table *t;
	float row[DIM] = { 0 };
	int64_t index;
	int nr = 0, ret;

	set_up(1, _i);
	s = open_store(WRITER);
	OK(import(s, "t", npy, SMARTSSD_ROWS_FP32, 0, NULL, NULL));
	OK(table_open(s, "t", &t, &err));
	do {
		index = nr % ROWS;
		row[0] = (float)nr;
		ret = table_update(t, &index, 1, row, &err);
		nr += !ret;
	} while (!ret && nr < 100000);
	ck_assert_msg(ret == -ENOSPC, "%d after %d: %s", ret, nr, err.text);
	ck_assert_int_ge(nr, 1024);
	OK(table_read_row(t, (uint64_t)(nr - 1) % ROWS, row, &err));
	ck_assert(row[0] == (float)(nr - 1));
	table_close(t);
	OK(store_compact(s, "t", NULL, &err));
	OK(table_open(s, "t", &t, &err));
	OK(table_read_row(t, (uint64_t)(nr - 1) % ROWS, row, &err));
	ck_assert(row[0] == (float)(nr - 1));
	OK(table_update(t, &index, 1, row, &err));
	table_close(t);
	store_close(s);
	tear_down();
}
END_TEST

/* The full shard is the second one: what the first would take is not written. */
START_TEST(full_second_shard)
{
	float fresh[2][DIM] = { { 7 }, { 7 } };
	int64_t odd = 1, both[2] = { 0, 1 };
	struct store *s;
	struct table *t;
	int nr = 0;

	set_up(2, false);
	s = open_store(WRITER);
	OK(import(s, "t", npy, SMARTSSD_ROWS_FP32, SMARTSSD_SHARD_ROW, NULL, NULL));
	OK(table_open(s, "t", &t, &err));
	while (!table_update(t, &odd, 1, fresh[0], &err) && nr < 100000)
		nr++;
	ck_assert_int_eq(table_update(t, both, 2, &fresh[0][0], &err), -ENOSPC);
	ck_assert_uint_eq(delta_count(t->shards[0].delta), 0);
	expect_row(t, 0, rows[0]);
	table_close(t);
	store_close(s);
	tear_down();
}
END_TEST

/* What an import takes of a raw volume is what a plan counts (store_shard_bytes()); and the volume takes VOLUME_DATA for itself. */
START_TEST(reserved)
{
	uint64_t left[2] = { (128 << 20) - VOLUME_DATA, (128 << 20) - VOLUME_DATA };
	struct store *s;

	set_up(2, true);
	s = open_store(WRITER);
	for (uint32_t k = 0; k < 8; k++) {
		struct store_table t;
		char name[8];

		snprintf(name, sizeof(name), "t%u", k);
		OK(import(s, name, npy, k % 4, k / 4, NULL, NULL));
		t = *manifest_find(&s->manifest, name);
		for (uint32_t shard = 0; shard < t.shards; shard++)
			left[shard_volume(s, &t, shard)] -= store_shard_bytes(&t.layout, layout_shard_rows(ROWS, t.shards, shard));
		for (uint32_t v = 0; v < 2; v++)
			ck_assert_uint_eq(volume_free(store_volume(s, v)), left[v]);
	}
	store_close(s);
	tear_down();
}
END_TEST

static int stop_at(void *ctx, uint64_t done, uint64_t total)
{
	(void)total;
	return done >= *(uint64_t *)ctx;
}

/* A larger table, in several chunks: stopped, gone on with, stopped, started anew, replaced. */
START_TEST(interrupted)
{
	enum { MANY = 60000, WIDE = 64 };
	struct smartssd_array a = { .type = SMARTSSD_F4, .ndim = 2, .shape = { MANY, WIDE } };
	struct store_import what = { .name = "big", .format = SMARTSSD_ROWS_FP32, .shard = SMARTSSD_SHARD_ROW, .volume = UINT32_MAX };
	float *big = malloc((size_t)MANY * WIDE * 4), row[WIDE];
	uint64_t most = 20000, resumed = 99;
	struct smartssd_progress progress = { stop_at, &most };
	struct store *s;
	struct table *t;
	char path[80];

	set_up(2, _i);
	for (int i = 0; i < MANY * WIDE; i++)
		big[i] = (float)(i * 7 % 60013);
	snprintf(path, sizeof(path), "%s/big.npy", folder);
	OK(smartssd_npy_save(path, &a, big, &err));
	s = open_store(WRITER);
	ck_assert_int_eq(import(s, "big", path, SMARTSSD_ROWS_FP32, SMARTSSD_SHARD_ROW, &progress, &resumed), -ECANCELED);
	ck_assert_uint_eq(resumed, 0);
	ck_assert_int_eq(table_open(s, "big", &t, &err), -ENOENT);
	store_close(s);

	s = open_store(WRITER);
	/* Another form is another import. */
	ck_assert_int_eq(import(s, "big", path, SMARTSSD_ROWS_FP16, SMARTSSD_SHARD_ROW, NULL, NULL), -EBUSY);
	ck_assert_int_eq(import(s, "big", npy, SMARTSSD_ROWS_FP32, SMARTSSD_SHARD_ROW, NULL, NULL), -EBUSY);
	OK(import(s, "big", path, SMARTSSD_ROWS_FP32, SMARTSSD_SHARD_ROW, NULL, &resumed));
	ck_assert_uint_ge(resumed, most);
	ck_assert_uint_lt(resumed, MANY);
	OK(table_open(s, "big", &t, &err));
	for (uint64_t r = 0; r < MANY; r += 13) {
		OK(table_read_row(t, r, row, &err));
		ck_assert_mem_eq(row, big + r * WIDE, sizeof(row));
	}
	table_close(t);
	OK(store_verify(s, "big", NULL, &err));

	/* Replacing: the old one is there until the new one is whole. */
	OK(store_rows_open(path, &what.rows, &err));
	what.replace = true;
	what.format = SMARTSSD_ROWS_INT8;
	ck_assert_int_eq(store_import(s, &what, &progress, NULL, &err), -ECANCELED);
	OK(table_open(s, "big", &t, &err));
	ck_assert_uint_eq(table_info(t)->format, SMARTSSD_ROWS_FP32);
	table_close(t);
	what.format = SMARTSSD_ROWS_FP16;
	what.restart = true;
	OK(store_import(s, &what, NULL, &resumed, &err));
	ck_assert_uint_eq(resumed, 0);
	store_rows_close(what.rows);
	OK(table_open(s, "big", &t, &err));
	ck_assert_uint_eq(table_info(t)->format, SMARTSSD_ROWS_FP16);
	table_close(t);
	OK(store_remove(s, "big", &err));
	ck_assert_int_eq(store_remove(s, "big", &err), -ENOENT);
	store_close(s);

	/* Nothing is left behind. */
	s = open_store(WRITER);
	for (uint32_t v = 0; v < 2; v++) {
		char(*names)[VOLUME_NAME];
		uint32_t nr;

		OK(volume_list_objects(store_volume(s, v), &names, &nr, &err));
		ck_assert_uint_eq(nr, 0);
		free(names);
	}
	store_close(s);
	free(big);
	tear_down();
}
END_TEST

/* A damaged row is made good by writing it again: the old bytes are of no use to anybody. The one beside it is as damaged as before. */
START_TEST(damage_healed)
{
	int64_t index[2] = { 1234, 1235 };
	struct store *s;
	struct table *t;
	char object[VOLUME_NAME], path[120];

	set_up(2, false);
	s = open_store(WRITER);
	OK(import(s, "t", npy, SMARTSSD_ROWS_FP32, _i ? SMARTSSD_SHARD_ROW : 0, NULL, NULL));
	OK(table_open(s, "t", &t, &err));
	for (int i = 0; i < 2; i++) {
		uint32_t shards = table_info(t)->shards, shard = (uint32_t)index[i] % shards;
		uint64_t local = (uint64_t)index[i] / shards, at;
		uint8_t byte;
		int fd;

		table_where(t, shard, &local, 1, &at);
		part_name(table_info(t), shard, PART_ROWS, object);
		snprintf(path, sizeof(path), "%s/v%u/%s.obj", folder, shard, object);
		fd = open(path, O_RDWR);
		ck_assert(fd >= 0 && pread(fd, &byte, 1, (off_t)at) == 1);
		byte ^= 16;
		ck_assert(pwrite(fd, &byte, 1, (off_t)at) == 1 && !close(fd));
	}
	OK(table_update(t, index, 1, rows[1234], &err));
	ck_assert_int_eq(store_verify(s, "t", NULL, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.text, "row 1235 on"));
	ck_assert_int_eq(store_compact(s, "t", NULL, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.text, "row 1235 on"));
	OK(table_update(t, index + 1, 1, rows[1235], &err));
	ck_assert_int_eq(store_verify(s, "t", NULL, &err), 1);
	ck_assert_ptr_nonnull(strstr(err.text, "row 1234 on"));
	ck_assert_ptr_nonnull(strstr(err.text, "an update replaced them, as are 1 more: compact"));
	table_close(t);
	OK(store_compact(s, "t", NULL, &err));
	expect_table(s, "t");
	store_close(s);
	tear_down();
}
END_TEST

/* One byte of each kind of object changed: named, never believed. */
START_TEST(damage)
{
	const struct store_table *info;
	struct store *s;
	struct table *t;
	uint64_t row = 1234, at;
	uint8_t byte;
	float out[DIM];
	int fd;
	char object[VOLUME_NAME], path[120];

	set_up(1, false);
	s = open_store(WRITER);
	OK(import(s, "t", npy, SMARTSSD_ROWS_INT8, 0, NULL, NULL));
	OK(table_open(s, "t", &t, &err));
	info = table_info(t);
	table_where(t, 0, &row, 1, &at);
	part_name(info, 0, PART_ROWS, object);
	snprintf(path, sizeof(path), "%s/v0/%s.obj", folder, object);
	fd = open(path, O_RDWR);
	ck_assert(fd >= 0 && pread(fd, &byte, 1, (off_t)at + 3) == 1);
	byte ^= 4;
	ck_assert(pwrite(fd, &byte, 1, (off_t)at + 3) == 1);
	ck_assert_int_eq(table_read_row(t, row, out, &err), -EBADMSG);
	ck_assert(strstr(err.text, "row 1234"));
	OK(table_read_row(t, row + 1, out, &err));
	ck_assert_int_eq(store_verify(s, "t", NULL, &err), -EBADMSG);
	ck_assert(strstr(err.text, "row 1234"));
	/* A damaged row is not made right by being copied. */
	ck_assert_int_eq(store_compact(s, "t", NULL, &err), -EBADMSG);
	byte ^= 4;
	ck_assert(pwrite(fd, &byte, 1, (off_t)at + 3) == 1);
	OK(store_verify(s, "t", NULL, &err));
	OK(store_compact(s, "t", NULL, &err));
	close(fd);
	table_close(t);

	/* The header; a file that was cut short. */
	OK(table_open(s, "t", &t, &err));
	part_name(table_info(t), 0, PART_ROWS, object);
	snprintf(path, sizeof(path), "%s/v0/%s.obj", folder, object);
	table_close(t);
	fd = open(path, O_RDWR);
	ck_assert(pread(fd, &byte, 1, 20) == 1);
	byte ^= 1;
	ck_assert(pwrite(fd, &byte, 1, 20) == 1);
	ck_assert_int_eq(table_open(s, "t", &t, &err), -EBADMSG);
	byte ^= 1;
	ck_assert(pwrite(fd, &byte, 1, 20) == 1);
	ck_assert_int_eq(ftruncate(fd, 50000), 0);
	ck_assert_int_lt(table_open(s, "t", &t, &err), 0);
	close(fd);
	store_close(s);
	tear_down();
}
END_TEST

START_TEST(names_and_volumes)
{
	static const char *const bad[] = { "", "-a", "_a", "A", "a.b", "a/b", "a b", "0123456789012345678901234567890123456789" };
	struct store *s;
	char other[300];

	set_up(2, false);
	s = open_store(WRITER);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_int_eq(import(s, bad[i], npy, 0, 0, NULL, NULL), -EINVAL);
	OK(import(s, "0-a_z", npy, 0, 0, NULL, NULL));
	store_close(s);

	/* Fewer, more, in another order */
	snprintf(other, sizeof(other), "%s/v0", folder);
	ck_assert_int_eq(store_open(other, VOLUME_READ, &s, &err), -EXDEV);
	snprintf(other, sizeof(other), "%s/v1,%s/v0", folder, folder);
	ck_assert_int_lt(store_open(other, VOLUME_READ, &s, &err), 0);
	snprintf(other, sizeof(other), "%s/v0,", folder);
	ck_assert_int_lt(store_open(other, VOLUME_READ, &s, &err), 0);
	ck_assert_int_eq(store_open("", VOLUME_READ, &s, &err), -EINVAL);
	snprintf(other, sizeof(other), "%s/none", folder);
	ck_assert_int_eq(store_open(other, VOLUME_READ, &s, &err), -ENOENT);
	tear_down();
}
END_TEST

/* Each text is refused, or is a manifest that prints and parses to the same again. */
START_TEST(hostile_manifests)
{
	struct store *s;
	char *text, *copy, *printed;
	uint64_t generation;
	struct manifest m, n;
	size_t length;
	int taken = 0;

	set_up(2, false);
	s = open_store(WRITER);
	OK(import(s, "a", npy, SMARTSSD_ROWS_INT4, 1, NULL, NULL));
	OK(import(s, "b", npy, SMARTSSD_ROWS_FP32, 0, NULL, NULL));
	OK(volume_load(store_volume(s, 0), &text, &generation, &err));
	store_close(s);
	length = strlen(text);
	for (size_t i = 0; i < length; i++) { /* cut short everywhere */
		copy = strndup(text, i);
		ck_assert_int_eq(manifest_parse(copy, &m, &err), i ? -EBADMSG : 0);
		manifest_free(&m);
		free(copy);
	}
	for (int round = 0; round < 20000; round++) {
		copy = strdup(text);
		for (uint32_t k = random_in(1, 4); k; k--)
			copy[random_in(0, (uint32_t)length - 1)] = random_in(0, 1) ? "0123456789\"{}[],:-"[random_in(0, 17)] : (char)random_in(1, 255);
		if (!manifest_parse(copy, &m, &err)) {
			OK(manifest_print(&m, &printed, &err));
			OK(manifest_parse(printed, &n, &err));
			ck_assert(m.nr == n.nr && m.nr_pending == n.nr_pending && m.volumes == n.volumes && m.next_generation == n.next_generation);
			for (uint32_t i = 0; i < m.nr; i++) {
				ck_assert_str_eq(m.tables[i].name, n.tables[i].name);
				ck_assert(m.tables[i].rows == n.tables[i].rows && m.tables[i].shards >= 1 && m.tables[i].volume < m.volumes);
				for (enum part part = 0; part < PARTS; part++)
					ck_assert_uint_lt(part_bytes(&m.tables[i], 0, part), UINT64_C(1) << 62);
			}
			manifest_free(&n);
			free(printed);
			manifest_free(&m);
			taken++;
		} else {
			ck_assert(strlen(err.text) > 10);
		}
		free(copy);
	}
	printf("# %d of 20000 changed manifests still are ones\n", taken);
	ck_assert_int_gt(taken, 10);
	free(text);
	tear_down();
}
END_TEST

static void write_file(const char *name, const void *data, size_t bytes, char path[120])
{
	int fd;

	snprintf(path, 120, "%s/%s", folder, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	ck_assert(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes);
	close(fd);
}

/* A .safetensors of this header and @data bytes of noise. */
static void safetensors_file(const char *header, size_t data, char path[120])
{
	size_t length = strlen(header);
	uint8_t *file = calloc(1, 8 + length + data);

	for (int i = 0; i < 8; i++)
		file[i] = (uint8_t)(length >> (8 * i));
	memcpy(file + 8, header, length);
	for (size_t i = 0; i < data; i++)
		file[8 + length + i] = (uint8_t)(i * 13 % 61);
	write_file("t.safetensors", file, 8 + length + data, path);
	free(file);
}

START_TEST(sources)
{
	static const struct {
		const char *header;
		size_t data;
		const char *tensor;
		int ret;
		const char *says;
	} cases[] = {
		{ "{\"w\":{\"dtype\":\"F32\",\"shape\":[4,3],\"data_offsets\":[0,48]}}", 48, "", 0, "" },
		{ "{\"w\":{\"dtype\":\"F16\",\"shape\":[4,3],\"data_offsets\":[0,24]},\"v\":{\"dtype\":\"I64\",\"shape\":[3],\"data_offsets\":[24,48]}}", 48, ":w", 0, "" },
		{ "{\"__metadata__\":{\"x\":\"y\"},\"w\":{\"dtype\":\"BF16\",\"shape\":[2,6],\"data_offsets\":[0,24]}}", 24, "", 0, "" },
		{ "{\"w\":{\"dtype\":\"U8\",\"shape\":[2,12],\"data_offsets\":[0,24]}}", 24, "", 0, "" },
		{ "{\"w\":{\"dtype\":\"F16\",\"shape\":[4,3],\"data_offsets\":[0,24]},\"v\":{\"dtype\":\"I64\",\"shape\":[3],\"data_offsets\":[24,48]}}", 48, "", -ENOENT, "which tensor? Name one of its 2" },
		{ "{\"w\":{\"dtype\":\"F16\",\"shape\":[4,3],\"data_offsets\":[0,24]}}", 24, ":x", -ENOENT, "'w'" },
		{ "{\"w\":{\"dtype\":\"F32\",\"shape\":[4,3],\"data_offsets\":[0,48]}}", 47, "", -EBADMSG, "cut short" },
		{ "{\"w\":{\"dtype\":\"F32\",\"shape\":[4,3],\"data_offsets\":[0,44]}}", 48, "", -EBADMSG, "need 48" },
		{ "{\"w\":{\"dtype\":\"F32\",\"shape\":[4,3],\"data_offsets\":[48,0]}}", 48, "", -EBADMSG, "data_offsets" },
		{ "{\"w\":{\"dtype\":\"F32\",\"shape\":[4,3],\"data_offsets\":[-4,44]}}", 48, "", -EBADMSG, "data_offsets" },
		{ "{\"w\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,48]}}", 48, "", -EBADMSG, "too large" },
		{ "{\"w\":{\"dtype\":\"F32\",\"shape\":[12],\"data_offsets\":[0,48]}}", 48, "", -EINVAL, "two dimensions" },
		{ "{\"w\":{\"dtype\":\"I64\",\"shape\":[2,3],\"data_offsets\":[0,48]}}", 48, "", -EOPNOTSUPP, "I64" },
		{ "{\"w\":{\"dtype\":\"Q9\",\"shape\":[2,3],\"data_offsets\":[0,48]}}", 48, "", -EOPNOTSUPP, "Q9" },
		{ "{\"w\":{\"dtype\":\"F32\",\"shape\":[4,3],\"data_offsets\":[0,48]},\"w\":{}}", 48, "", -EBADMSG, "duplicate" },
		{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[4,3],\"data_offsets\":[0,48]},\"b\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[44,48]}}", 48, ":a", -EBADMSG, "overlap" },
		{ "[1]", 0, "", -EBADMSG, "not an object" },
		{ "{\"w\":", 0, "", -EBADMSG, "line" },
	};
	char path[120], from[140];
	struct store_rows *r;
	float out[24];

	set_up(1, false);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int ret;

		safetensors_file(cases[i].header, cases[i].data, path);
		snprintf(from, sizeof(from), "%s%s", path, cases[i].tensor);
		err.text[0] = 0;
		ret = store_rows_open(from, &r, &err);
		ck_assert_msg(ret == cases[i].ret && strstr(err.text, cases[i].says), "case %zu: %d, %s", i, ret, err.text);
		if (ret)
			continue;
		OK(store_rows_read(r, 1, store_rows_count(r) - 1, out, &err));
		ck_assert_int_eq(store_rows_read(r, 1, store_rows_count(r), out, &err), -ERANGE);
		if (i == 2) { /* bf16: the upper half of a float; row 1 begins at byte 12 */
			uint32_t bits = (uint32_t)(12 * 13 % 61) << 16 | (uint32_t)(13 * 13 % 61) << 24;
			float want;

			memcpy(&want, &bits, 4);
			ck_assert(out[0] == want);
		}
		store_rows_close(r);
	}
	write_file("x.safetensors", "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, path);
	ck_assert_int_eq(store_rows_open(path, &r, &err), -EBADMSG);
	write_file("x.safetensors", "abc", 3, path);
	ck_assert_int_eq(store_rows_open(path, &r, &err), -EBADMSG);
	ck_assert_int_eq(store_rows_open("/nowhere/x.npy", &r, &err), -ENOENT);
	ck_assert_int_eq(store_rows_open("x.bin", &r, &err), -EINVAL);
	tear_down();
}
END_TEST

/* Rows that are int8-rowwise already keep their bytes. */
START_TEST(fused)
{
	struct smartssd_array a = { .type = SMARTSSD_U1, .ndim = 2, .shape = { 100, DIM + 8 } };
	uint8_t data[100][DIM + 8], have[DIM + 8];
	struct store *s;
	struct table *t;
	uint64_t at, row;
	char path[80];

	set_up(1, false);
	for (int r = 0; r < 100; r++) {
		float pair[2] = { 0.5f + (float)r, -3 };

		for (int d = 0; d < DIM; d++)
			data[r][d] = (uint8_t)random_u64();
		memcpy(data[r] + DIM, pair, 8);
	}
	snprintf(path, sizeof(path), "%s/u.npy", folder);
	OK(smartssd_npy_save(path, &a, data, &err));
	s = open_store(WRITER);
	OK(import(s, "u", path, SMARTSSD_ROWS_INT8, 0, NULL, NULL));
	OK(table_open(s, "u", &t, &err));
	ck_assert_uint_eq(table_info(t)->dim, DIM);
	for (row = 0; row < 100; row++) {
		table_where(t, 0, &row, 1, &at);
		OK(volume_pread(table_rows(t, 0), have, sizeof(have), at));
		ck_assert_mem_eq(have, data[row], sizeof(have));
	}
	table_close(t);
	store_close(s);
	tear_down();
}
END_TEST

static void fill(TCase *t)
{
	tcase_add_loop_test(t, all_formats, 0, 2);
	tcase_add_loop_test(t, updates, 0, 4);
	tcase_add_loop_test(t, full_delta, 0, 2);
	tcase_add_test(t, full_second_shard);
	tcase_add_test(t, reserved);
	tcase_add_loop_test(t, interrupted, 0, 2);
	tcase_add_test(t, damage);
	tcase_add_loop_test(t, damage_healed, 0, 2);
	tcase_add_test(t, names_and_volumes);
	tcase_add_test(t, hostile_manifests);
	tcase_add_test(t, sources);
	tcase_add_test(t, fused);
}

int main(void)
{
	return run_suite("store", fill);
}
