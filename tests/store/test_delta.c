// SPDX-License-Identifier: BSD-2-Clause
/* Deltas against a model; power losses at each place of a write; damage told from them; what lay there before; readers beside a writer. */
#include <pthread.h>

#include "../../runtime/store/delta.h"
#include "../../runtime/store/rowfmt.h"
#include "volume_test.h"

#define ROWS 500

/* Row @row, version @version, in all of its bytes. */
static void fill_row(uint8_t *out, uint32_t bytes, uint64_t row, uint64_t version)
{
	uint64_t state = row * 1000003 + version;

	for (uint32_t i = 0; i < bytes; i++) {
		state = state * 6364136223846793005ull + 1442695040888963407ull;
		out[i] = (uint8_t)(state >> 56);
	}
}

struct model {
	struct volume *v;
	struct volume_object o;
	struct layout layout;
	struct delta *d;
	uint64_t version[ROWS]; /* 0: none */
	uint64_t versions;
};

static struct delta *delta_ok(struct model *m)
{
	struct delta *d;
	int ret = delta_open(&m->o, &m->layout, ROWS, 7, &d, &err);

	ck_assert_msg(!ret, "%d: %s", ret, err.text);
	return d;
}

static void begin(struct model *m, int kind, uint32_t row_bytes, uint32_t block, uint64_t room)
{
	*m = (struct model){ .v = make_volume(kind) };
	ck_assert_int_eq(layout_init(&m->layout, row_bytes, block), 0);
	m->o = create_ok(m->v, "t.1.0.delta", room ? room : delta_room(&m->layout, 2000));
	m->d = delta_ok(m);
}

static void finish(struct model *m)
{
	delta_close(m->d);
	volume_close_object(&m->o);
	volume_close(m->v);
}

/* A new version of @nr random rows in one record. @commit: also in the model. */
static int update(struct model *m, uint32_t nr, bool commit)
{
	uint64_t *rows = calloc(nr, sizeof(*rows));
	uint8_t *data = calloc(nr, m->layout.row_bytes);
	int ret;

	m->versions++;
	for (uint32_t i = 0; i < nr; i++) {
		rows[i] = random_in(0, ROWS - 1);
		fill_row(data + (uint64_t)i * m->layout.row_bytes, m->layout.row_bytes, rows[i], m->versions);
		/* the same row later in the record counts */
		for (uint32_t k = 0; k < i; k++)
			if (rows[k] == rows[i])
				data[(uint64_t)k * m->layout.row_bytes] ^= 1;
	}
	ret = delta_append(m->d, rows, nr, data, &err);
	for (uint32_t i = 0; commit && i < nr; i++)
		m->version[rows[i]] = m->versions;
	free(rows);
	free(data);
	return ret;
}

/* -1: as the model; else the first row that is not. */
static int differs(const struct model *m, const struct delta *d, const uint64_t *version)
{
	uint8_t *want = malloc(m->layout.row_bytes), *have = malloc(m->layout.row_bytes);
	uint64_t count = 0;
	int bad = -1;

	for (uint64_t r = 0; bad < 0 && r < ROWS; r++) {
		uint64_t at = delta_find(d, r);

		count += version[r] != 0;
		if ((at == UINT64_MAX) != !version[r]) {
			bad = (int)r;
		} else if (version[r]) {
			fill_row(want, m->layout.row_bytes, r, version[r]);
			if (volume_pread(&m->o, have, m->layout.row_bytes, at) || memcmp(want, have, m->layout.row_bytes))
				bad = (int)r;
		}
	}
	if (bad < 0 && delta_count(d) != count)
		bad = ROWS;
	free(want);
	free(have);
	return bad;
}

static int count_row(void *ctx, uint64_t row, uint64_t at)
{
	uint64_t *counts = ctx;

	ck_assert(row < ROWS && at != UINT64_MAX);
	return ++counts[row] > 1;
}

static int stop(void *ctx, uint64_t row, uint64_t at)
{
	(void)row;
	(void)at;
	return ++*(int *)ctx == 2 ? -77 : 0;
}

static const uint32_t layouts[][2] = { { 128, 512 }, { 1, 512 }, { 512, 512 }, { 513, 512 }, { 40, 4096 }, { 4100, 4096 }, { 3000, 1024 } };

START_TEST(against_a_model)
{
	uint64_t counts[ROWS] = { 0 };
	struct delta *second;
	struct model m;
	int calls = 0;

	random_seed("delta model");
	if (_i < 4)
		go_to_disk();
	begin(&m, _i % 2, layouts[_i][0], layouts[_i][1], 0);
	ck_assert_uint_eq(delta_find(m.d, 3), UINT64_MAX);
	ck_assert_int_eq(differs(&m, m.d, m.version), -1);
	second = delta_ok(&m);
	ck_assert_int_eq(delta_refresh(second, &err), 0);
	for (int round = 0; round < 60; round++) {
		ck_assert_int_eq(update(&m, random_in(0, 9) ? random_in(1, 6) : random_in(1, 100), true), 0);
		if (round % 9 == 0)
			ck_assert_int_eq(differs(&m, m.d, m.version), -1);
		if (round % 7 == 0) {
			ck_assert_int_eq(delta_refresh(second, &err), 1);
			ck_assert_int_eq(delta_refresh(second, &err), 0);
			ck_assert_int_eq(differs(&m, second, m.version), -1);
		}
		if (round % 20 == 0) {
			delta_close(m.d);
			m.d = delta_ok(&m);
			ck_assert_int_eq(differs(&m, m.d, m.version), -1);
			ck_assert_int_eq(delta_verify(m.d, &err), 0);
		}
	}
	ck_assert_int_eq(delta_verify(second, &err), 0);
	ck_assert_int_eq(differs(&m, second, m.version), -1);
	ck_assert_int_eq(delta_each(second, count_row, counts), 0);
	for (int r = 0; r < ROWS; r++)
		ck_assert_uint_eq(counts[r], m.version[r] != 0);
	ck_assert_int_eq(delta_each(second, stop, &calls), -77);
	ck_assert_int_eq(calls, 2);
	delta_close(second);
	finish(&m);
}
END_TEST

START_TEST(limits)
{
	uint64_t rows[3] = { 1, ROWS, 2 }, at[3] = { 5, 6, 7 };
	uint8_t data[3 * 700] = { 0 };
	struct model m;
	struct layout l;

	random_seed("delta limits");
	layout_init(&l, 128, 512);
	ck_assert_uint_eq(delta_room(&l, 3), 3 * 1024);
	ck_assert_uint_eq(delta_room(&l, UINT64_MAX / 1000), UINT64_MAX);
	layout_init(&l, UINT32_MAX - 4095, 4096);
	ck_assert_uint_eq(delta_room(&l, 1), 4096 + (uint64_t)UINT32_MAX - 4095);
	begin(&m, FOLDER, 700, 512, 8 * 1536);
	ck_assert_int_eq(delta_append(m.d, rows, 3, data, &err), -ERANGE);
	ck_assert_ptr_nonnull(strstr(err.text, "row 500 at position 1"));
	ck_assert_int_eq(delta_append(m.d, rows, 0, NULL, &err), 0);
	ck_assert_int_eq(delta_append(m.d, rows, 1ull << 61, NULL, &err), -ERANGE);
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(update(&m, 1, true), 0);
	ck_assert_int_eq(update(&m, 1, false), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(err.text, "compact"));
	/* What does not fit into an empty one either: 11 rows do, in 2 blocks each, behind one of numbers; 24 blocks are there. */
	ck_assert_int_eq(update(&m, 12, false), -EFBIG);
	ck_assert_ptr_null(strstr(err.text, "compact"));
	ck_assert_ptr_nonnull(strstr(err.text, "at most 11 at a time"));
	ck_assert_int_eq(update(&m, 11, false), -ENOSPC);
	ck_assert_int_eq(differs(&m, m.d, m.version), -1);
	delta_close(m.d);
	m.d = delta_ok(&m);
	ck_assert_int_eq(differs(&m, m.d, m.version), -1);
	delta_find_many(m.d, rows, 3, at);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(at[i], rows[i] < ROWS && m.version[rows[i]] ? delta_find(m.d, rows[i]) : (uint64_t)i + 5);
	finish(&m);
}
END_TEST

/* Records larger than what is read at once, and many that are found by one read. */
START_TEST(large_and_many)
{
	struct model m;
	uint8_t was, is;

	random_seed("delta large");
	begin(&m, FOLDER, 128, 512, 16 << 20);
	ck_assert_int_eq(update(&m, 20000, true), 0);
	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(update(&m, 1, true), 0);
	ck_assert_int_eq(update(&m, 30000, true), 0);
	delta_close(m.d);
	m.d = delta_ok(&m);
	ck_assert_int_eq(differs(&m, m.d, m.version), -1);
	ck_assert_int_eq(delta_verify(m.d, &err), 0);
	delta_close(m.d);
	/* Damage to the first, whose follower is far away. */
	ck_assert_int_eq(volume_pread(&m.o, &was, 1, 300), 0);
	is = was ^ 4;
	ck_assert_int_eq(volume_pwrite(&m.o, &is, 1, 300), 0);
	ck_assert_int_eq(delta_open(&m.o, &m.layout, ROWS, 7, &m.d, &err), -EBADMSG);
	ck_assert_int_eq(volume_pwrite(&m.o, &was, 1, 300), 0);
	m.d = delta_ok(&m);
	finish(&m);
}
END_TEST

/* ---- power losses ---- */

static struct model *lost;
static uint64_t before[ROWS];

static void check_lost(int may_be)
{
	struct delta *d = delta_ok(lost);
	bool is_old = differs(lost, d, before) < 0, is_new = differs(lost, d, lost->version) < 0;

	ck_assert_msg((may_be & 1 && is_old) || (may_be & 2 && is_new), "may be %d, is %s", may_be, is_old ? "old" : is_new ? "new" : "neither");
	delta_close(d);
}

START_TEST(torn_records)
{
	char name[80];
	struct model m;

	random_seed("delta torn");
	begin(&m, _i, 300, 512, 1 << 20);
	/* In blocks that are written as one. */
	delta_close(m.d);
	ck_assert_int_eq(layout_init(&m.layout, 300, volume_block(m.v)), 0);
	m.d = delta_ok(&m);
	snprintf(name, sizeof(name), "%s%s", path, _i == FOLDER ? "/t.1.0.delta.obj" : "");
	lost = &m;
	for (int round = 0; round < 4; round++) {
		struct loss l = { -1, 0, 1, check_lost };

		memcpy(before, m.version, sizeof(before));
		keep_writes = true;
		ck_assert_int_eq(update(&m, round == 1 ? 60 : 3, true), 0);
		keep_writes = false;
		ck_assert_int_eq(nr_written, 1);
		lose_power(name, 0, 1, check_lost);
		/* And at any byte, too. */
		l.fd = open(name, O_RDWR | O_CLOEXEC);
		put(l.fd, written[0].before, written[0].bytes, written[0].at);
		for (int i = 0; i < 40; i++)
			lose_at(&l, 0, random_in(0, i % 2 ? 100 : (uint32_t)written[0].bytes));
		/* Half of it is there, and another goes into the same place. */
		put(l.fd, written[0].data, align_down(written[0].bytes / 2, 512), written[0].at);
		close(l.fd);
		forget_writes();
		delta_close(m.d);
		m.d = delta_ok(&m);
		memcpy(m.version, before, sizeof(before));
		ck_assert_int_eq(differs(&m, m.d, m.version), -1);
		ck_assert_int_eq(update(&m, round == 2 ? 30 : 2, true), 0);
		delta_close(m.d);
		m.d = delta_ok(&m);
		ck_assert_int_eq(differs(&m, m.d, m.version), -1);
	}
	finish(&m);
}
END_TEST

START_TEST(failing_drive)
{
	struct model m;

	random_seed("delta failing");
	begin(&m, _i, 100, 512, 1 << 20);
	for (int round = 0; round < 40; round++) {
		int *fail = round % 2 ? &fail_write : &fail_sync;

		*fail = 1;
		ck_assert_int_eq(update(&m, random_in(1, 40), false), -EIO);
		ck_assert_ptr_nonnull(strstr(err.text, "nothing was changed"));
		ck_assert_int_eq(differs(&m, m.d, m.version), -1);
		if (round % 3 == 0) {
			delta_close(m.d);
			m.d = delta_ok(&m);
			ck_assert_int_eq(differs(&m, m.d, m.version), -1);
		}
		ck_assert_int_eq(update(&m, random_in(1, 10), true), 0);
		ck_assert_int_eq(differs(&m, m.d, m.version), -1);
	}
	finish(&m);
}
END_TEST

static struct delta *beside;

static void look_beside(void)
{
	ck_assert_int_eq(delta_refresh(beside, &err), 1);
}

/* Another process has read a record whose flush failed. It was taken back: he goes on behind it, and what he looks at is not written over. */
START_TEST(seen_and_taken_back)
{
	uint64_t rows[2] = { 1, 2 };
	uint8_t data[2][100], have[100];
	struct model m;

	begin(&m, _i, 100, 512, 1 << 20);
	memset(data, 7, sizeof(data));
	ck_assert_int_eq(delta_append(m.d, rows, 1, data, &err), 0);
	beside = delta_ok(&m);
	memset(data, 8, sizeof(data));
	before_failure = look_beside;
	fail_sync = 1;
	ck_assert_int_eq(delta_append(m.d, rows, 2, data, &err), -EIO);
	before_failure = NULL;
	ck_assert_uint_eq(delta_count(m.d), 1);
	ck_assert_uint_eq(delta_count(beside), 2);
	for (uint64_t row = 10; row < 40; row++) {
		memset(data, (int)row, sizeof(data));
		ck_assert_int_eq(delta_append(m.d, &row, 1, data, &err), 0);
	}
	ck_assert_int_eq(delta_refresh(beside, &err), 1);
	ck_assert_uint_eq(delta_count(beside), 32);
	for (uint64_t row = 2; row < 40; row = row == 2 ? 10 : row + 1) {
		ck_assert_int_eq(volume_pread(&m.o, have, sizeof(have), delta_find(beside, row)), 0);
		for (size_t i = 0; i < sizeof(have); i++)
			ck_assert_uint_eq(have[i], row == 2 ? 8 : row);
	}
	/* Who opens it later does not see it at all. */
	delta_close(beside);
	beside = delta_ok(&m);
	ck_assert_uint_eq(delta_count(beside), 31);
	ck_assert_uint_eq(delta_find(beside, 2), UINT64_MAX);
	ck_assert_int_eq(volume_pread(&m.o, have, sizeof(have), delta_find(beside, 1)), 0);
	ck_assert_uint_eq(have[0], 7);
	ck_assert_int_eq(delta_verify(beside, &err), 0);
	delta_close(beside);
	finish(&m);
}
END_TEST

static void fail_again(void)
{
	fail_sync = 1;
}

/* Nor can it be taken back: nothing more is taken before somebody has looked at the drive again. */
START_TEST(not_taken_back)
{
	uint64_t row = 1;
	uint8_t data[100] = { 1 };
	struct model m;

	begin(&m, _i, 100, 512, 1 << 20);
	before_failure = fail_again;
	fail_sync = 1;
	ck_assert_int_eq(delta_append(m.d, &row, 1, data, &err), -EIO);
	ck_assert_ptr_nonnull(strstr(err.text, "may be there"));
	before_failure = NULL;
	fail_sync = 0;
	ck_assert_int_eq(delta_append(m.d, &row, 1, data, &err), -EIO);
	ck_assert_ptr_nonnull(strstr(err.text, "open the table again"));
	delta_close(m.d);
	m.d = delta_ok(&m);
	ck_assert_int_eq(delta_append(m.d, &row, 1, data, &err), 0);
	ck_assert_uint_eq(delta_count(m.d), 1);
	finish(&m);
}
END_TEST

/* ---- what lay there before ---- */

/* The same room again, with the same rows in the first record: what was behind it then is no part of this one. */
START_TEST(room_used_again)
{
	/* longer than what is zero in a new object */
	uint64_t row[100], other = 100, offset;
	uint8_t data[100 * 100] = { 1 }, same[100] = { 2 };
	struct model m;

	for (uint64_t i = 0; i < 100; i++)
		row[i] = i;
	begin(&m, RAW, 100, 512, 1 << 20);
	offset = m.o.offset;
	for (int life = 0; life < 4; life++) {
		ck_assert_int_eq(delta_append(m.d, row, 100, data, &err), 0);
		delta_close(m.d);
		m.d = delta_ok(&m);
		ck_assert_uint_eq(delta_count(m.d), 100);
		for (int i = 0; i < 3; i++)
			ck_assert_int_eq(delta_append(m.d, &other, 1, same, &err), 0);
		ck_assert_uint_eq(delta_count(m.d), 101);
		delta_close(m.d);
		volume_close_object(&m.o);
		ck_assert_int_eq(volume_remove_object(m.v, "t.1.0.delta", &err), 0);
		m.o = create_ok(m.v, "t.1.0.delta", 1 << 20);
		ck_assert_uint_eq(m.o.offset, offset);
		m.d = delta_ok(&m);
		ck_assert_uint_eq(delta_count(m.d), 0);
	}
	/* Nor are those of another generation. */
	ck_assert_int_eq(delta_append(m.d, row, 1, data, &err), 0);
	delta_close(m.d);
	ck_assert_int_eq(delta_open(&m.o, &m.layout, ROWS, 8, &m.d, &err), 0);
	ck_assert_uint_eq(delta_count(m.d), 0);
	finish(&m);
}
END_TEST

/* ---- damage ---- */

/* One bit in a record that is not the last: said, never taken for its end. In the last: known to whoever had it open. */
START_TEST(flipped_bits)
{
	uint64_t ends[21], head, last;
	struct model m;

	random_seed("delta flips");
	begin(&m, FOLDER, 100, 512, 1 << 20);
	ends[0] = 0;
	for (int i = 0; i < 20; i++) {
		struct delta_record r;

		ck_assert_int_eq(update(&m, i == 10 ? 400 : random_in(1, 9), true), 0);
		ck_assert_int_eq(volume_pread(&m.o, &r, sizeof(r), ends[i]), 0);
		ends[i + 1] = ends[i] + r.bytes;
	}
	last = ends[19];
	for (int round = 0; round < 600; round++) {
		struct delta *d;
		uint8_t was, is;
		uint64_t at = random_in(0, (uint32_t)ends[20] - 1);
		int record = 0, ret;

		if (round % 2) {
			head = ends[random_in(0, 19)];
			at = head + random_in(0, sizeof(struct delta_record) - 1);
		}
		while (ends[record + 1] <= at)
			record++;
		/* In the first record's epoch nothing else is known to tell its followers by. */
		if (at >= offsetof(struct delta_record, epoch) && at < offsetof(struct delta_record, count))
			continue;
		ck_assert_int_eq(volume_pread(&m.o, &was, 1, at), 0);
		is = was ^ (uint8_t)(1u << random_in(0, 7));
		ck_assert_int_eq(volume_pwrite(&m.o, &is, 1, at), 0);
		ret = delta_open(&m.o, &m.layout, ROWS, 7, &d, &err);
		ck_assert_msg(ret == (at >= last ? 0 : -EBADMSG), "byte %llu: %d", (unsigned long long)at, ret);
		if (ret) {
			char says[40];

			snprintf(says, sizeof(says), "record %d at byte %llu", record + 1, (unsigned long long)ends[record]);
			ck_assert_msg(strstr(err.text, says), "%s: %s", says, err.text);
		}
		delta_close(d);
		ck_assert_int_eq(delta_verify(m.d, &err), -EBADMSG);
		ck_assert_int_eq(volume_pwrite(&m.o, &was, 1, at), 0);
	}
	ck_assert_int_eq(delta_verify(m.d, &err), 0);
	finish(&m);
}
END_TEST

/* A record with right CRCs and wrong contents. */
static void forge(struct model *m, struct delta_record head, const uint64_t *rows, uint64_t bytes)
{
	uint8_t *body = calloc(1, bytes);

	memcpy(head.magic, "SSDDELTA", 8);
	if (rows)
		memcpy(body, rows, min_u64(head.count, 4) * sizeof(*rows));
	head.body_crc = rowfmt_crc32c(0, body, bytes - sizeof(head));
	head.head_crc = rowfmt_crc32c(0, &head, offsetof(struct delta_record, head_crc));
	ck_assert_int_eq(volume_pwrite(&m->o, body, bytes - sizeof(head), sizeof(head)), 0);
	ck_assert_int_eq(volume_pwrite(&m->o, &head, sizeof(head), 0), 0);
	free(body);
}

START_TEST(hostile_records)
{
	static const struct {
		uint64_t sequence, generation, epoch, count, bytes, rows[4];
		int ret;
		uint64_t found;
	} tests[] = {
		{ 1, 7, 9, 2, 1024, { 1, 2 }, 0, 2 },
		{ 1, 7, 9, 4, 1024, { 3, 3, 3, 3 }, 0, 1 },
		{ 2, 7, 9, 2, 1024, { 1, 2 }, 0, 0 },
		{ 0, 7, 9, 2, 1024, { 1, 2 }, 0, 0 },
		{ 1, 8, 9, 2, 1024, { 1, 2 }, 0, 0 },
		{ 1, 7, 0, 2, 1024, { 1, 2 }, -EBADMSG, 0 },
		{ 1, 7, 9, 2, 1024, { 1, ROWS }, -EBADMSG, 0 },
		{ 1, 7, 9, 2, 1024, { UINT64_MAX, 1 }, -EBADMSG, 0 },
		{ 1, 7, 9, 0, 512, { 0 }, 0, 0 }, /* taken back */
		{ 1, 7, 9, 0, 0, { 0 }, -EBADMSG, 0 },
		{ 1, 7, 9, 0, 513, { 0 }, -EBADMSG, 0 },
		{ 1, 7, 9, 0, 65536 + 512, { 0 }, -EBADMSG, 0 },
		{ 1, 7, 0, 0, 512, { 0 }, -EBADMSG, 0 },
		{ 1, 7, 9, 2, 1025, { 1, 2 }, -EBADMSG, 0 },
		{ 1, 7, 9, 2, 512, { 1, 2 }, -EBADMSG, 0 },
		{ 1, 7, 9, 2, 0, { 1, 2 }, -EBADMSG, 0 },
		{ 1, 7, 9, 2, UINT64_MAX, { 1, 2 }, -EBADMSG, 0 },
		{ 1, 7, 9, UINT64_MAX, 1024, { 1, 2 }, -EBADMSG, 0 },
		{ 1, 7, 9, UINT64_MAX / 8, 1024, { 1, 2 }, -EBADMSG, 0 },
		{ 1, 7, 9, 1ull << 61, 512, { 1, 2 }, -EBADMSG, 0 },
		{ 1, 7, 9, 100000, 900096 + 12800000, { 1, 2 }, -EBADMSG, 0 },
	};
	struct model m;

	begin(&m, FOLDER, 100, 512, 65536);
	for (uint32_t i = 0; i < ARRAY_SIZE(tests); i++) {
		struct delta_record head = { .sequence = tests[i].sequence, .generation = tests[i].generation, .epoch = tests[i].epoch,
					     .count = tests[i].count, .bytes = tests[i].bytes };
		struct delta *d;
		int ret;

		forge(&m, head, tests[i].rows, 1024);
		ret = delta_open(&m.o, &m.layout, ROWS, 7, &d, &err);
		ck_assert_msg(ret == tests[i].ret, "test %u: %d, %s", i, ret, err.text);
		if (!ret)
			ck_assert_uint_eq(delta_count(d), tests[i].found);
		delta_close(d);
	}
	finish(&m);
}
END_TEST

/* Any bytes at all: never a crash, and no row beyond. */
START_TEST(random_bytes)
{
	struct model m;

	random_seed("delta random");
	begin(&m, FOLDER, 100, 512, 65536);
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(update(&m, random_in(1, 9), true), 0);
	for (int round = 0; round < 400; round++) {
		uint64_t at = random_in(0, 12000), value = random_u64() >> random_in(0, 63), counts[ROWS] = { 0 };
		struct delta_record head;
		struct delta *d;

		if (round % 2) {
			/* a field of a head, its CRC put right */
			at = align_down(at, 512);
			ck_assert_int_eq(volume_pread(&m.o, &head, sizeof(head), at), 0);
			memcpy((uint8_t *)&head + 8 * random_in(1, 5), &value, 8);
			head.head_crc = rowfmt_crc32c(0, &head, offsetof(struct delta_record, head_crc));
			ck_assert_int_eq(volume_pwrite(&m.o, &head, sizeof(head), at), 0);
		} else {
			ck_assert_int_eq(volume_pwrite(&m.o, &value, 8, at), 0);
		}
		if (!delta_open(&m.o, &m.layout, ROWS, 7, &d, NULL))
			delta_each(d, count_row, counts);
		delta_close(d);
	}
	finish(&m);
}
END_TEST

/* ---- at once ---- */

static int half_way;

static void arrive(void)
{
	for (int i = 0; i < nr_written; i++)
		put(half_way, written[i].data, written[i].bytes, written[i].at);
}

/* A read that sees a record before it was there, and the one behind it after: no damage. */
START_TEST(seen_half_way)
{
	struct delta *reader;
	char name[80];
	struct model m;

	random_seed("delta half way");
	begin(&m, FOLDER, 100, 4096, 1 << 20);
	snprintf(name, sizeof(name), "%s/t.1.0.delta.obj", path);
	half_way = open(name, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(update(&m, 1, true), 0);
	keep_writes = true;
	ck_assert_int_eq(update(&m, 3, true), 0);
	ck_assert_int_eq(update(&m, 3, true), 0);
	keep_writes = false;
	ck_assert_int_eq(nr_written, 2);
	put(half_way, written[1].before, written[1].bytes, written[1].at);
	put(half_way, written[0].before + 4096, written[0].bytes - 4096, written[0].at + 4096);
	reader = delta_ok(&m);
	ck_assert_uint_eq(delta_count(reader), 1);
	read_split = written[1].at;
	read_between = arrive;
	ck_assert_int_eq(delta_refresh(reader, &err), 1);
	ck_assert_ptr_null(read_between);
	ck_assert_int_eq(differs(&m, reader, m.version), -1);
	delta_close(reader);
	forget_writes();
	close(half_way);
	finish(&m);
}
END_TEST

static bool done;

/* Rows 2i and 2i + 1 are always written together. */
static void *write_pairs(void *ctx)
{
	struct model *m = ctx;
	uint8_t data[2][64];

	for (uint64_t i = 1; i <= 300; i++) {
		uint64_t rows[2] = { i % 20 * 2, i % 20 * 2 + 1 };

		memset(data, (int)i % 256, sizeof(data));
		if (delta_append(m->d, rows, 2, data, NULL))
			break;
	}
	__atomic_store_n(&done, true, __ATOMIC_RELEASE);
	return NULL;
}

static int look_at_pairs(const struct model *m, const struct delta *d)
{
	uint8_t data[2][64];

	for (uint64_t i = 0; i < 20; i++) {
		uint64_t rows[2] = { 2 * i, 2 * i + 1 }, at[2] = { UINT64_MAX, UINT64_MAX };

		delta_find_many(d, rows, 2, at);
		if ((at[0] == UINT64_MAX) != (at[1] == UINT64_MAX))
			return 1;
		if (at[0] == UINT64_MAX)
			continue;
		if (volume_pread(&m->o, data[0], 64, at[0]) || volume_pread(&m->o, data[1], 64, at[1]) || memcmp(data[0], data[1], 64) ||
		    memcmp(data[0], data[0] + 1, 63))
			return 2;
	}
	return 0;
}

START_TEST(threads_and_processes)
{
	struct model m;
	pthread_t writer;
	int status;
	pid_t pid;

	begin(&m, _i, 64, 512, 1 << 20);
	pid = fork();
	if (!pid) {
		struct volume *v;
		struct model r = m;
		int ret = volume_open(path, VOLUME_READ, &v, NULL) || volume_open_object(v, "t.1.0.delta", false, &r.o, NULL) ||
			  delta_open(&r.o, &r.layout, ROWS, 7, &r.d, NULL);

		while (!ret && delta_count(r.d) < 40) {
			ret = delta_refresh(r.d, &err) < 0 ? 100 : look_at_pairs(&r, r.d);
			if (ret == 100)
				fprintf(stderr, "# %s\n", err.text);
		}
		_exit(ret);
	}
	ck_assert_int_eq(pthread_create(&writer, NULL, write_pairs, &m), 0);
	while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE))
		ck_assert_int_eq(look_at_pairs(&m, m.d), 0);
	pthread_join(writer, NULL);
	ck_assert_uint_eq(delta_count(m.d), 40);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && !WEXITSTATUS(status), "reader: %x", status);
	finish(&m);
}
END_TEST

static void fill(TCase *tests)
{
	tcase_add_checked_fixture(tests, make_folder, remove_folder);
	tcase_add_loop_test(tests, against_a_model, 0, ARRAY_SIZE(layouts));
	tcase_add_test(tests, limits);
	tcase_add_test(tests, large_and_many);
	tcase_add_loop_test(tests, torn_records, 0, KINDS);
	tcase_add_loop_test(tests, failing_drive, 0, KINDS);
	tcase_add_loop_test(tests, seen_and_taken_back, 0, KINDS);
	tcase_add_loop_test(tests, not_taken_back, 0, KINDS);
	tcase_add_test(tests, room_used_again);
	tcase_add_test(tests, flipped_bits);
	tcase_add_test(tests, hostile_records);
	tcase_add_test(tests, random_bytes);
	tcase_add_test(tests, seen_half_way);
	tcase_add_loop_test(tests, threads_and_processes, 0, KINDS);
}

int main(void)
{
	return run_suite("delta", fill);
}
