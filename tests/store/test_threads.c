// SPDX-License-Identifier: BSD-2-Clause
/* One store and many threads: imports, updates, compactions, removals, verification and readers at once; a reader in another process beside all of them. */
#include <pthread.h>
#include <sched.h>

#include "store_test.h"

enum { TOGETHER = 8, ROUNDS = 10 };

static struct store *shared;
static int over;
static uint32_t stale, busy, updates, refreshed;

static int run_import(const char *name, bool replace, struct smartssd_error *why)
{
	struct store_import what = { .name = name, .format = SMARTSSD_ROWS_FP32, .shard = SMARTSSD_SHARD_ROW, .volume = UINT32_MAX, .replace = replace };
	int ret = store_rows_open(npy, &what.rows, why);

	if (!ret) {
		ret = store_import(shared, &what, NULL, NULL, why);
		store_rows_close(what.rows);
	}
	return ret;
}

static bool ended(void)
{
	return __atomic_load_n(&over, __ATOMIC_SEQ_CST);
}

/* Its own table comes and goes; two of these have the same name. */
static void *importer(void *name)
{
	struct smartssd_error why;

	for (int i = 0; i < ROUNDS; i++) {
		int ret = run_import(name, false, &why);

		if (ret == -EBUSY)
			__atomic_add_fetch(&busy, 1, __ATOMIC_SEQ_CST);
		else
			ck_assert_msg(!ret || ret == -EEXIST, "%s: %d %s", (char *)name, ret, why.text);
		ret = store_verify(shared, name, NULL, &why);
		ck_assert_msg(!ret || ret == -ENOENT, "%d %s", ret, why.text);
		ret = store_remove(shared, name, &why);
		ck_assert_msg(!ret || ret == -ENOENT || ret == -EBUSY, "%d %s", ret, why.text);
	}
	return NULL;
}

/* All of its rows, which are of one shard, get the same number. */
static void *updater(void *ctx)
{
	static float fresh[TOGETHER][DIM];
	struct smartssd_error why;
	int64_t indices[TOGETHER];

	(void)ctx;
	for (uint32_t n = 1; !ended(); n++) {
		struct table *t;
		int ret = table_open(shared, "t", &t, &why);

		ck_assert_msg(!ret, "%d %s", ret, why.text);
		for (int i = 0; i < TOGETHER; i++) {
			indices[i] = i * 2;
			for (int d = 0; d < DIM; d++)
				fresh[i][d] = (float)n;
		}
		ret = table_update(t, indices, TOGETHER, &fresh[0][0], &why);
		ck_assert_msg(!ret || ret == -ESTALE || ret == -ENOSPC, "%d %s", ret, why.text);
		__atomic_add_fetch(ret ? &stale : &updates, 1, __ATOMIC_SEQ_CST);
		table_close(t);
		sched_yield();
	}
	return NULL;
}

static void *compactor(void *ctx)
{
	struct smartssd_error why;

	(void)ctx;
	while (!ended()) {
		int ret = store_compact(shared, "t", NULL, &why);

		ck_assert_msg(!ret, "%d %s", ret, why.text);
		ck_assert_int_eq(store_verify(shared, "t", NULL, &why), 0);
	}
	return NULL;
}

/* Rows of one update are there together or not at all. */
static void look(struct table *t, float *last)
{
	const struct store_table *info = table_info(t);
	uint64_t rows_of[TOGETHER], at[TOGETHER];
	float row[TOGETHER][DIM];

	for (int i = 0; i < TOGETHER; i++)
		rows_of[i] = (uint64_t)i;
	table_where(t, 0, rows_of, TOGETHER, at);
	for (int i = 0; i < TOGETHER; i++) {
		const struct volume_object *o = at[i] & TABLE_IN_DELTA ? table_delta(t, 0) : table_rows(t, 0);

		ck_assert_int_eq(volume_pread(o, row[i], info->layout.row_bytes, at[i] & ~TABLE_IN_DELTA), 0);
		for (int d = 0; d < DIM; d++)
			ck_assert(row[i][d] == row[0][0]);
	}
	ck_assert(row[0][0] >= *last);
	*last = row[0][0];
}

static void *reader(void *ctx)
{
	struct store *s = ctx;
	struct smartssd_error why;
	float last = 0;

	while (!ended()) {
		struct table *t;
		int ret = table_open(s, "t", &t, &why);

		ck_assert_msg(!ret, "%d %s", ret, why.text);
		do {
			look(t, &last);
			ret = table_refresh(t, &why);
			ck_assert_msg(ret >= 0 || ret == -ESTALE, "%d %s", ret, why.text);
			if (ret == 1)
				__atomic_add_fetch(&refreshed, 1, __ATOMIC_SEQ_CST);
			sched_yield();
		} while (ret >= 0 && !ended());
		table_close(t);
	}
	return NULL;
}

START_TEST(all_at_once)
{
	pthread_t importers[4], others[4];
	struct store *second;
	struct table *t;

	set_up(2, _i);
	for (int i = 0; i < TOGETHER * 2; i++)
		memset(rows[i], 0, sizeof(rows[i]));
	OK(smartssd_npy_save(npy, &(struct smartssd_array){ .type = SMARTSSD_F4, .ndim = 2, .shape = { ROWS, DIM } }, rows, &err));
	shared = open_store(WRITER);
	OK(import(shared, "t", npy, SMARTSSD_ROWS_FP32, SMARTSSD_SHARD_ROW, NULL, NULL));
	/* Its locks are those of another process. */
	second = open_store(VOLUME_READ);
	over = 0;
	stale = busy = updates = refreshed = 0;
	pthread_create(&others[0], NULL, updater, NULL);
	pthread_create(&others[1], NULL, compactor, NULL);
	pthread_create(&others[2], NULL, reader, shared);
	pthread_create(&others[3], NULL, reader, second);
	for (int i = 0; i < 4; i++)
		pthread_create(&importers[i], NULL, importer, (void *)(i < 2 ? "same" : i == 2 ? "mine" : "yours"));
	for (int i = 0; i < 4; i++)
		pthread_join(importers[i], NULL);
	__atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 4; i++)
		pthread_join(others[i], NULL);
	printf("# %u updates, %u of a table that was new by then, %u times two at one name, %u refreshed\n", updates, stale, busy, refreshed);
	ck_assert(updates > 3 && refreshed > 3);
	OK(table_open(shared, "t", &t, &err));
	for (uint64_t r = TOGETHER * 2; r < ROWS; r += 7)
		expect_row(t, r, rows[r]);
	table_close(t);
	store_close(second);
	store_close(shared);
	tear_down();
}
END_TEST

static void fill(TCase *t)
{
	tcase_add_loop_test(t, all_at_once, 0, 2);
}

int main(void)
{
	return run_suite("threads", fill);
}
