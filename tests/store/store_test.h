/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of stores share: a folder for each test, in it volumes, and rows as an .npy to import. */
#ifndef TESTS_STORE_STORE_TEST_H
#define TESTS_STORE_STORE_TEST_H

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../runtime/store/store_impl.h"
#include "../runtime/runtime_test.h"

enum { ROWS = 5000, DIM = 24 };

static struct smartssd_error err;
static char folder[40], spec[200], npy[80];
static float rows[ROWS][DIM];

#define OK(call)                                                                 \
	do {                                                                     \
		int ret_ = (call);                                               \
		ck_assert_msg(ret_ == 0, "%s: %s: %s", #call, strerror(-ret_), err.text); \
	} while (0)

static inline void make_rows(void)
{
	for (int r = 0; r < ROWS; r++)
		for (int d = 0; d < DIM; d++)
			rows[r][d] = (float)(int)(random_in(0, 2000000) - 1000000) / 997.0f;
}

/* @volumes of @raw or not, in spec; the rows as an .npy. */
static inline void set_up(int volumes, bool raw)
{
	struct smartssd_array a = { .type = SMARTSSD_F4, .ndim = 2, .shape = { ROWS, DIM } };

	random_seed(raw ? "raw" : "folder");
	strcpy(folder, "/dev/shm/smartssd-test-XXXXXX");
	if (!mkdtemp(folder))
		ck_assert_ptr_nonnull(mkdtemp(strcpy(folder, "/tmp/smartssd-test-XXXXXX")));
	make_rows();
	snprintf(npy, sizeof(npy), "%s/t.npy", folder);
	OK(smartssd_npy_save(npy, &a, rows, &err));
	spec[0] = 0;
	for (int v = 0; v < volumes; v++) {
		char path[80];

		snprintf(path, sizeof(path), "%s/v%d", folder, v);
		if (raw) {
			int fd = open(path, O_RDWR | O_CREAT, 0644);

			ck_assert(fd >= 0 && !ftruncate(fd, 128 << 20));
			close(fd);
		}
		strcat(spec, v ? "," : "");
		strcat(spec, path);
	}
}

static inline void tear_down(void)
{
	char command[80];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static inline struct store *open_store(unsigned int flags)
{
	struct store *s;

	OK(store_open(spec, flags, &s, &err));
	return s;
}

#define WRITER (VOLUME_WRITE | VOLUME_CREATE | VOLUME_FORCE)

static inline int import(struct store *s, const char *name, const char *from, uint32_t format, uint32_t shard, const struct smartssd_progress *progress,
			 uint64_t *resumed)
{
	struct store_import what = { .name = name, .format = format, .shard = shard, .volume = UINT32_MAX };
	int ret = store_rows_open(from, &what.rows, &err);

	if (ret)
		return ret;
	ret = store_import(s, &what, progress, resumed, &err);
	store_rows_close(what.rows);
	return ret;
}

/* The rows that @format makes of ours. */
static inline void expect_row(struct table *t, uint64_t row, const float *want)
{
	const struct store_table *info = table_info(t);
	uint8_t encoded[ROWFMT_MAX_DIM * 4];
	float have[ROWFMT_MAX_DIM], back[ROWFMT_MAX_DIM];
	uint64_t bad;

	OK(table_read_row(t, row, have, &err));
	OK(rowfmt_encode(info->format, info->dim, want, 1, encoded, &bad));
	rowfmt_decode(info->format, info->dim, encoded, 1, back);
	ck_assert_msg(!memcmp(have, back, info->dim * sizeof(float)), "%s row %llu", info->name, (unsigned long long)row);
}

static inline void expect_table(struct store *s, const char *name)
{
	struct table *t;

	OK(table_open(s, name, &t, &err));
	for (uint64_t r = 0; r < ROWS; r += 1 + r % 7)
		expect_row(t, r, rows[r]);
	expect_row(t, ROWS - 1, rows[ROWS - 1]);
	table_close(t);
	OK(store_verify(s, name, NULL, &err));
}

#endif
