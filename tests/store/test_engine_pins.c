// SPDX-License-Identifier: BSD-2-Clause
/*
 * Rows pinned in cards and in host memory: right results beside everything else that an engine does, exact counters, no room, rows that cannot be read.
 */
#include "engine_faults.h"

/* ---- in cards ---- */

START_TEST(in_cards)
{
	struct engine_counts c, before;
	int64_t rows[1000], one = 5;
	struct engine_bags b;
	struct engine *e;
	uint64_t done;

	random_seed("in_cards");
	make_store(2, false);
	make_tables(1000);
	open_cards(2, "emu:ddr=64M");
	e = make_engine((struct engine_options){ .pinned = 64000, .pooled_cache = 100000 }); /* rounded up to 64 KiB */
	for (int i = 0; i < 1000; i++)
		rows[i] = 999 - i;
	rows[1] = rows[0];
	OK(engine_pin(e, tables[0].t, ENGINE_PIN_CARD, rows, 400, &done, &err));
	ck_assert_uint_eq(done, 400);
	OK(engine_pin(e, tables[4].t, ENGINE_PIN_CARD, rows, 1000, &done, &err));
	before = counts(e);
	make_request(&b, &tables[0], 100, 1, 30, 1000, false, true);
	for (int64_t i = b.offsets[0]; i < b.offsets[50]; i++)
		((int64_t *)b.indices)[i] = random_in(601, 997);
	OK(engine_run(e, &b, 1, &err));
	check_request(&b, &tables[0]);
	c = counts(e);
	ck_assert_uint_gt(c.pinned_hits, before.pinned_hits);
	ck_assert_uint_eq(c.row_hits - before.row_hits, c.pinned_hits - before.pinned_hits);
	ck_assert_uint_ge(c.row_bags_all - before.row_bags_all, 50);
	ck_assert_uint_lt(c.row_bags_all - before.row_bags_all, 100);
	drop_request(&b);

	/* Forgotten, it is read anew, once. */
	rows[0] = 700;
	update_rows(&tables[0], rows, 1);
	engine_forget(e, tables[0].t, rows, 1);
	for (int round = 0; round < 3; round++) {
		make_request(&b, &tables[0], 1, 1, 1, 1000, false, false);
		((int64_t *)b.indices)[b.offsets[0]] = 700;
		before = counts(e);
		OK(engine_run(e, &b, 1, &err));
		check_request(&b, &tables[0]);
		ck_assert_uint_eq(counts(e).rows_read - before.rows_read, round == 0);
		engine_forget(e, tables[0].t, &one, 1); /* the kept result */
		drop_request(&b);
	}
	ck_assert_int_eq(engine_pin(e, tables[7].t, ENGINE_PIN_CARD, rows, 1000, &done, &err), -ENOSPC);
	ck_assert_msg(strstr(err.text, "pinned rows"), "%s", err.text);
	ck_assert(done > 0 && done < 1000);
	rows[3] = 1000;
	ck_assert_int_eq(engine_pin(e, tables[1].t, ENGINE_PIN_CARD, rows + 3, 1, &done, &err), -ERANGE);
	ck_assert_msg(strstr(err.text, "'t1', position 0: row 1000"), "%s", err.text);
	for (int round = 0; round < 5; round++)
		random_batch(e, 30, 60, 1000);
	check_counts(e);
	engine_destroy(e);
	drop_tables();
	remove_store();
	close_cards();
}
END_TEST

/* ---- in host memory ---- */

static uint64_t pin(struct engine *e, struct known_rows *k, enum engine_where where, uint64_t nr, uint64_t among)
{
	int64_t *rows = calloc(nr, sizeof(*rows));
	uint64_t done;
	int ret;

	for (uint64_t i = 0; i < nr; i++)
		rows[i] = random_in(0, (uint32_t)among - 1);
	ret = engine_pin(e, k->t, where, rows, nr, &done, &err);
	ck_assert_msg(ret == 0 || ret == -ENOSPC, "%s", err.text);
	ck_assert(ret ? done < nr : done == nr);
	free(rows);
	return done;
}

/* Beside rows in cards (some of them the same), caches, updates, slices that a bag goes over, several cards. */
START_TEST(among_others)
{
	int cards_nr = _i % 3 + 1;
	struct engine *e;

	random_seed("among_others");
	make_store(cards_nr, _i & 1);
	make_tables(800);
	open_cards(cards_nr, "emu:ddr=64M");
	e = make_engine((struct engine_options){ .pinned_host = 100000, .row_cache = _i & 1 ? 60000 : 0, .pinned = _i & 1 ? 20000 : 0, .pooled_cache = _i == 3 ? 1 << 20 : 0,
						 .staging = _i & 2 ? ENGINE_MIN_STAGING : 0, .no_dedup = _i == 4 });
	for (uint32_t i = 0; i < TABLES; i++) {
		pin(e, &tables[i], ENGINE_PIN_HOST, 100, i & 1 ? 800 : 60);
		if (_i & 1)
			pin(e, &tables[i], ENGINE_PIN_CARD, 30, 50);
	}
	for (int round = 0; round < 12; round++) {
		struct known_rows *k = &tables[random_in(0, TABLES - 1)];
		int64_t rows[20];

		for (int r = 0; r < 20; r++)
			rows[r] = r * 3 + (int64_t)random_in(0, 2);
		update_rows(k, rows, 20);
		engine_forget(e, k->t, random_in(0, 4) ? rows : NULL, 20);
		random_batch(e, 30, 40, 800);
		random_batch(e, 30, 5, 60);
	}
	ck_assert_uint_gt(counts(e).host_pinned_hits, 0);
	ck_assert_uint_gt(counts(e).card_lookups, 0);
	ck_assert_uint_gt(counts(e).host_pool_ns, 0);
	check_counts(e);
	engine_destroy(e);
	drop_tables();
	remove_store();
	close_cards();
}
END_TEST

/* A bag whose rows are all there needs no card; each row is what rowfmt_decode() gives, to the bit. */
START_TEST(no_card_needed)
{
	enum { ROWS = 300 };
	int64_t rows[ROWS], offsets[ROWS + 1], one = 299;
	float want[300];
	struct engine_counts c, before;
	struct engine *e;
	uint64_t done;

	random_seed("no_card_needed");
	make_store(2, false);
	make_tables(ROWS + 1);
	open_cards(2, "emu:ddr=64M");
	e = make_engine((struct engine_options){ .pinned_host = 10 << 20 });
	for (int i = 0; i <= ROWS; i++)
		offsets[i] = i;
	for (int i = 0; i < ROWS; i++)
		rows[i] = (i * 7) % ROWS;
	for (uint32_t t = 0; t < TABLES; t++) {
		struct known_rows *k = &tables[t];
		float *y = calloc(ROWS * k->dim, sizeof(*y));
		struct engine_bags b = { .table = k->t, .indices = rows, .offsets = offsets, .bags = ROWS, .y = y };

		OK(engine_pin(e, k->t, ENGINE_PIN_HOST, rows, ROWS, &done, &err));
		ck_assert_uint_eq(done, ROWS);
		OK(engine_pin(e, k->t, ENGINE_PIN_HOST, rows, 10, &done, &err)); /* they are */
		ck_assert_uint_eq(done, 10);
		before = counts(e);
		OK(engine_run(e, &b, 1, &err));
		OK(b.status);
		c = counts(e);
		ck_assert_uint_eq(c.host_pinned_hits - before.host_pinned_hits, ROWS);
		ck_assert_uint_eq(c.rows - before.rows, ROWS);
		ck_assert_uint_eq(c.row_bags_all - before.row_bags_all, ROWS);
		ck_assert_uint_eq(c.card_lookups, 0);
		ck_assert_uint_eq(c.links.jobs, 0);
		for (int i = 0; i < ROWS; i++) {
			rowfmt_decode(k->format, k->dim, k->rows + (uint64_t)rows[i] * rowfmt_bytes(k->format, k->dim), 1, want);
			ck_assert(!memcmp(want, y + (uint64_t)i * k->dim, k->dim * sizeof(*want)));
		}
		/* One that is not there is the card's, and only it. */
		rows[0] = ROWS;
		OK(engine_run(e, &b, 1, &err));
		OK(b.status);
		ck_assert_uint_eq(counts(e).card_lookups, 1);
		ck_assert_uint_eq(counts(e).row_bags_all - c.row_bags_all, ROWS - 1);
		rows[0] = 0;
		free(y);
		engine_destroy(e);
		e = make_engine((struct engine_options){ .pinned_host = 10 << 20 });
	}
	/* Forgotten, it is read by the host when it is wanted. */
	OK(engine_pin(e, tables[1].t, ENGINE_PIN_HOST, rows, ROWS, NULL, &err));
	update_rows(&tables[1], &one, 1);
	engine_forget(e, tables[1].t, _i ? &one : NULL, 1);
	for (int round = 0; round < 2; round++) {
		struct engine_bags b;

		make_request(&b, &tables[1], 40, 1, 20, ROWS, true, false);
		((int64_t *)b.indices)[b.offsets[7]] = one;
		OK(engine_run(e, &b, 1, &err));
		check_request(&b, &tables[1]);
		drop_request(&b);
	}
	ck_assert_uint_eq(counts(e).card_lookups, 0);
	engine_destroy(e);
	drop_tables();
	remove_store();
	close_cards();
}
END_TEST

START_TEST(no_room)
{
	int64_t rows[1000];
	struct engine *e;
	uint64_t done;

	random_seed("no_room");
	make_store(1, false);
	make_tables(1000);
	open_cards(1, "emu:ddr=64M");
	for (int i = 0; i < 1000; i++)
		rows[i] = 999 - i;
	e = make_engine((struct engine_options){ .pinned_host = 50 * 128 + 30 });
	ck_assert_int_eq(engine_pin(e, tables[0].t, ENGINE_PIN_HOST, rows, 1000, &done, &err), -ENOSPC);
	ck_assert_uint_eq(done, 50);
	ck_assert_msg(strstr(err.text, "6400 of 6430 bytes of host memory"), "%s", err.text);
	/* They are there all the same, and one of a smaller table still fits. */
	OK(engine_pin(e, tables[0].t, ENGINE_PIN_HOST, rows, 50, &done, &err));
	ck_assert_int_eq(engine_pin(e, tables[3].t, ENGINE_PIN_HOST, rows, 1000, &done, &err), -ENOSPC);
	ck_assert_uint_eq(done, 30 / rowfmt_bytes(tables[3].format, tables[3].dim));
	for (int round = 0; round < 3; round++)
		random_batch(e, 30, 60, 1000);
	ck_assert_uint_gt(counts(e).host_pinned_hits, 0);
	check_counts(e);
	engine_destroy(e);

	e = make_engine((struct engine_options){ .pinned_host = 1 << 20 });
	rows[5] = 1000;
	ck_assert_int_eq(engine_pin(e, tables[0].t, ENGINE_PIN_HOST, rows, 10, &done, &err), -ERANGE);
	ck_assert_msg(strstr(err.text, "'t0', position 5: row 1000"), "%s", err.text);
	ck_assert_uint_eq(done, 5);
	ck_assert_int_eq(engine_pin(e, tables[0].t, ENGINE_PIN_CARD, rows, 1, &done, &err), -ENOSPC);
	engine_destroy(e);
	e = make_engine((struct engine_options){ .pinned = 1 << 20 });
	ck_assert_int_eq(engine_pin(e, tables[0].t, ENGINE_PIN_HOST, rows, 1, &done, &err), -ENOSPC);
	OK(engine_pin(e, tables[0].t, ENGINE_PIN_HOST, rows, 0, &done, &err));
	engine_destroy(e);
	drop_tables();
	remove_store();
	close_cards();
}
END_TEST

/* A row that cannot be read: pinning says which, the others are pinned; whoever wants it fails, until it can. */
START_TEST(bad_row)
{
	const struct volume_object *object;
	int64_t rows[200], offsets[3] = { 0, 199, 200 };
	struct engine_bags b[2];
	struct engine *e;
	uint64_t at, row = 70, done;
	float y[2 * 32];

	random_seed("bad_row");
	make_store(1, false);
	make_tables(1000);
	open_cards(1, "emu:ddr=64M");
	e = make_engine((struct engine_options){ .pinned_host = 1 << 20 });
	for (int i = 0; i < 200; i++)
		rows[i] = 199 - i;
	object = table_rows(tables[0].t, 0);
	table_where(tables[0].t, 0, &row, 1, &at);
	bad_fd = object->fd;
	bad_from = at;
	bad_to = at + 128;
	bad_reads = true;
	ck_assert_int_eq(engine_pin(e, tables[0].t, ENGINE_PIN_HOST, rows, 200, &done, &err), -EIO);
	ck_assert_uint_eq(done, 200);
	ck_assert_msg(strstr(err.text, "table 't0': row 70 cannot be read from"), "%s", err.text);
	/* 129 others and one; those behind it */
	b[0] = (struct engine_bags){ .table = tables[0].t, .indices = rows + 50, .offsets = (int64_t[]){ 0, 130, 131 }, .bags = 2, .y = y };
	OK(engine_run(e, b, 1, &err));
	ck_assert_int_eq(b[0].status, -EIO);
	ck_assert_msg(strstr(b[0].err.text, "table 't0', bag 0: row 70 cannot be read"), "%s", b[0].err.text);
	make_request(&b[0], &tables[0], 20, 3, 9, 70, false, false);
	make_request(&b[1], &tables[0], 20, 3, 9, 70, true, false);
	OK(engine_run(e, b, 2, &err));
	check_request(&b[0], &tables[0]);
	check_request(&b[1], &tables[0]);
	drop_request(&b[0]);
	drop_request(&b[1]);
	ck_assert_uint_eq(counts(e).card_lookups, 1);
	bad_reads = false;
	b[0] = (struct engine_bags){ .table = tables[0].t, .indices = rows, .offsets = offsets, .bags = 2, .y = y };
	OK(engine_run(e, b, 1, &err));
	OK(b[0].status);
	ck_assert_uint_eq(counts(e).card_lookups, 1);
	engine_destroy(e);
	drop_tables();
	remove_store();
	close_cards();
}
END_TEST

/* Its rows in host memory are the host's, whether the card is there or not. */
START_TEST(lost_card)
{
	struct engine *e;
	char uri[60];
	int cu;

	random_seed("lost_card");
	make_store(2, false);
	make_tables(1000);
	open_cards(2, "emu:ddr=64M");
	cu = __builtin_ctzll(smartssd_find_kernel(cards[1], "embedding_bag"));
	smartssd_close(cards[1]);
	snprintf(uri, sizeof(uri), "emu:ddr=64M,fault=gone:%d:3", cu);
	cards[1] = open_card(uri);
	e = make_engine((struct engine_options){ .row_cache = 200000, .pinned_host = 200000 });
	for (uint32_t i = 0; i < TABLES; i++)
		pin(e, &tables[i], ENGINE_PIN_HOST, 100, 300);
	for (int round = 0; round < 8; round++)
		random_batch(e, 60, 60, 1000);
	ck_assert_uint_eq(engine_lost(e), 2);
	ck_assert_uint_gt(counts(e).host_rows, 0);
	for (uint32_t i = 0; i < TABLES; i++)
		pin(e, &tables[i], ENGINE_PIN_HOST, 100, 1000);
	for (int round = 0; round < 3; round++)
		random_batch(e, 60, 60, 1000);
	ck_assert_uint_lt(counts(e).host_pinned_hits + counts(e).card_lookups, counts(e).rows);
	engine_destroy(e);
	drop_tables();
	remove_store();
	close_cards();
}
END_TEST

static void fill(TCase *tests)
{
	tcase_add_test(tests, in_cards);
	tcase_add_loop_test(tests, among_others, 0, 6);
	tcase_add_loop_test(tests, no_card_needed, 0, 2);
	tcase_add_test(tests, no_room);
	tcase_add_test(tests, bad_row);
	tcase_add_test(tests, lost_card);
}

int main(void)
{
	setenv("SMARTSSD_LIBDIR", "build", 0);
	return run_in_folder("engine_pins", fill);
}
