// SPDX-License-Identifier: BSD-2-Clause
/*
 * Lookups on embedded cards against kernels/reference: formats, sharding, slices, updates, each cache and its counters, and what goes wrong: bad requests, rows that cannot be
 * read, cards and compute units that fail.
 */
#include "engine_faults.h"

/* ---- right results ---- */

START_TEST(all_formats)
{
	int volumes = _i % 3 + 1;
	struct engine *e;

	random_seed("all_formats");
	make_store(volumes, _i / 3);
	make_tables(3000);
	open_cards(volumes, "emu:ddr=64M");
	e = make_engine((struct engine_options){ 0 });
	for (int round = 0; round < 12; round++)
		random_batch(e, 40, 60, 3000);
	ck_assert_uint_eq(counts(e).host_rows, 0);
	ck_assert_uint_eq(counts(e).row_hits, 0);
	ck_assert_uint_eq(counts(e).flash_bytes, counts(e).blocks_wanted);
	ck_assert_uint_eq(engine_lost(e), 0);
	engine_destroy(e);
	drop_tables();
	remove_store();
	close_cards();
}
END_TEST

/* Bags longer than a slice, more bags than a slice, two slices at a time; several volumes on one card. */
START_TEST(slices)
{
	struct engine_bags b;
	struct engine *e;
	struct engine_counts c;

	random_seed("slices");
	make_store(3, false);
	make_tables(1500);
	open_cards(1, "emu:ddr=64M");
	cards[1] = cards[2] = cards[0];
	e = make_engine((struct engine_options){ .staging = ENGINE_MIN_STAGING, .row_cache = _i ? 100000 : 0 });
	for (int round = 0; round < 2; round++)
		random_batch(e, 20, 200, 1500);
	make_request(&b, &tables[0], 100, 30, 30, 1500, false, false);
	OK(engine_run(e, &b, 1, &err));
	check_request(&b, &tables[0]);
	drop_request(&b);
	c = counts(e);
	ck_assert_uint_gt(c.slices, 20);
	ck_assert_uint_gt(c.overlapped, c.slices / 2); /* each but the first of a batch */
	make_request(&b, &tables[7], 3, 1000, 1000, 1500, false, true);
	OK(engine_run(e, &b, 1, &err));
	check_request(&b, &tables[7]);
	drop_request(&b);
	make_request(&b, &tables[4], 2500, 1, 1, 1500, false, false);
	OK(engine_run(e, &b, 1, &err));
	check_request(&b, &tables[4]);
	drop_request(&b);
	ck_assert_uint_eq(counts(e).host_rows, 0);
	engine_destroy(e);
	drop_tables();
	remove_store();
	cards[1] = cards[2] = NULL;
	close_cards();
}
END_TEST

START_TEST(nothing_asked)
{
	int64_t offsets[3] = { 4, 4, 4 };
	float y[2 * 32];
	struct engine_bags b[3] = { { 0 }, { .offsets = offsets, .bags = 2, .y = y, .mean = 1 }, { .offsets = offsets, .bags = 0 } };
	struct engine *e;

	make_store(1, false);
	make_tables(100);
	open_cards(1, "emu:ddr=64M");
	e = make_engine((struct engine_options){ .row_cache = 4096, .pooled_cache = 10000 });
	for (int i = 0; i < 3; i++)
		b[i].table = tables[0].t;
	memset(y, 0x5a, sizeof(y));
	OK(engine_run(e, b, 3, &err));
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(b[i].status, 0);
	for (uint32_t i = 0; i < ARRAY_SIZE(y); i++)
		ck_assert_float_eq(y[i], 0);
	OK(engine_run(e, NULL, 0, &err));
	ck_assert_uint_eq(counts(e).links.jobs, 0);
	ck_assert_uint_eq(counts(e).row_bags_all, 0);
	ck_assert_uint_eq(counts(e).bags, 2);
	engine_destroy(e);
	drop_tables();
	remove_store();
	close_cards();
}
END_TEST

/* ---- updates and caches ---- */

START_TEST(updates)
{
	struct engine *e;

	random_seed("updates");
	make_store(2, _i & 1);
	make_tables(500);
	open_cards(2, "emu:ddr=64M");
	e = make_engine((struct engine_options){ .row_cache = _i & 2 ? 60000 : 0, .pinned = _i & 2 ? 20000 : 0, .pooled_cache = _i & 2 ? 1 << 20 : 0 });
	for (uint32_t i = 0; i < TABLES && _i & 2; i++) {
		int64_t rows[20];

		for (int r = 0; r < 20; r++)
			rows[r] = random_in(0, 30);
		engine_pin(e, tables[i].t, ENGINE_PIN_CARD, rows, 20, NULL, &err); /* some do not fit */
	}
	for (int round = 0; round < 20; round++) {
		struct known_rows *k = &tables[random_in(0, TABLES - 1)];
		int64_t rows[30];

		for (int r = 0; r < 30; r++)
			rows[r] = random_in(0, round & 1 ? 7 : 499);
		for (int r = 1; r < 30; r++) /* each once: what is kept of two is not what the test is about */
			for (int other = 0; other < r; other++)
				if (rows[r] == rows[other]) {
					rows[r] = rows[other] >= 250 ? rows[other] - 200 : rows[other] + 210;
					other = -1;
				}
		update_rows(k, rows, 30);
		engine_forget(e, k->t, random_in(0, 4) ? rows : NULL, 30);
		random_batch(e, 20, 20, 500);
		random_batch(e, 20, 3, 7);
	}
	if (_i & 2) {
		ck_assert_uint_gt(counts(e).row_hits, counts(e).pinned_hits);
		ck_assert_uint_gt(counts(e).pinned_hits, 0);
		ck_assert_uint_gt(counts(e).pooled_hits, 0);
	}
	ck_assert_uint_eq(counts(e).distinct_rows, counts(e).row_hits + counts(e).rows_read);
	engine_destroy(e);
	drop_tables();
	remove_store();
	close_cards();
}
END_TEST

/* Every policy, a cache that is too small, one that takes all. */
START_TEST(row_cache)
{
	struct engine_counts c, before;
	struct engine_bags b;
	struct engine *e;

	random_seed("row_cache");
	make_store(1, false);
	make_tables(1000);
	open_cards(1, "emu:ddr=64M");
	e = make_engine((struct engine_options){ .row_cache = 40000, .policy = (enum cache_policy)_i, .staging = 100000 });
	for (int round = 0; round < 10; round++)
		random_batch(e, 30, 60, round & 1 ? 1000 : 20);
	c = counts(e);
	ck_assert_uint_gt(c.row_hits, 0);
	ck_assert_uint_lt(c.row_hits, c.distinct_rows);
	ck_assert_uint_eq(c.distinct_rows, c.row_hits + c.rows_read);
	ck_assert_uint_ge(c.lookup_hits, c.row_hits);
	engine_destroy(e);

	e = make_engine((struct engine_options){ .row_cache = 8 << 20, .policy = (enum cache_policy)_i });
	make_request(&b, &tables[0], 50, 5, 20, 1000, false, false);
	OK(engine_run(e, &b, 1, &err));
	check_request(&b, &tables[0]);
	before = counts(e);
	ck_assert_uint_eq(before.row_hits, 0);
	ck_assert_uint_eq(before.row_bags_all, 0);
	OK(engine_run(e, &b, 1, &err));
	check_request(&b, &tables[0]);
	c = counts(e);
	ck_assert_uint_eq(c.row_hits, before.distinct_rows);
	ck_assert_uint_eq(c.lookup_hits, (uint64_t)(b.offsets[50] - b.offsets[0]));
	ck_assert_uint_eq(c.row_bags_all, 50);
	ck_assert_uint_eq(c.flash_bytes, before.flash_bytes);
	ck_assert_uint_eq(c.links.ssd_to_card, before.links.ssd_to_card);
	ck_assert_uint_eq(c.host_rows, 0);
	drop_request(&b);
	engine_destroy(e);
	drop_tables();
	remove_store();
	close_cards();
}
END_TEST

START_TEST(pooled)
{
	struct engine_bags b;
	struct engine *e;
	uint64_t jobs, n;
	int64_t *indices, row;

	random_seed("pooled");
	make_store(1, false);
	make_tables(1000);
	open_cards(1, "emu:ddr=64M");
	e = make_engine((struct engine_options){ .pooled_cache = 1 << 20 });
	make_request(&b, &tables[0], 30, 2, 20, 1000, false, false);
	indices = (int64_t *)b.indices;
	OK(engine_run(e, &b, 1, &err));
	check_request(&b, &tables[0]);
	n = counts(e).pooled_hits; /* two bags of the batch may be alike, but then both are computed */
	ck_assert_uint_eq(n, 0);
	jobs = counts(e).links.jobs;
	/* In another order, and as means. */
	for (uint64_t k = 0; k < b.bags; k++) {
		int64_t first = b.offsets[k], last = b.offsets[k + 1] - 1, swap = indices[first];

		indices[first] = indices[last];
		indices[last] = swap;
	}
	for (b.mean = 0; b.mean < 2; b.mean++) {
		OK(engine_run(e, &b, 1, &err));
		check_request(&b, &tables[0]);
		ck_assert_uint_eq(counts(e).pooled_hits - n, 30);
		n = counts(e).pooled_hits;
	}
	b.mean = 0;
	ck_assert_uint_eq(counts(e).links.jobs, jobs);
	ck_assert_uint_eq(counts(e).rows_read, counts(e).distinct_rows);
	row = indices[b.offsets[3]];
	update_rows(&tables[0], &row, 1);
	engine_forget(e, tables[0].t, &row, 1);
	OK(engine_run(e, &b, 1, &err));
	check_request(&b, &tables[0]);
	ck_assert_uint_eq(counts(e).pooled_hits, n);
	/* Weights are not for it. */
	b.weights = calloc((size_t)b.offsets[30] + 1, sizeof(float));
	OK(engine_run(e, &b, 1, &err));
	check_request(&b, &tables[0]);
	ck_assert_uint_eq(counts(e).pooled_hits, n);
	drop_request(&b);
	engine_destroy(e);
	drop_tables();
	remove_store();
	close_cards();
}
END_TEST

/* Every other block of a table is wanted. */
START_TEST(merging)
{
	enum { BLOCKS = 50, EACH = 4 };
	static const struct {
		struct engine_options o;
		uint64_t gap, reads, blocks; /* gap: in blocks, less 1 byte */
	} what[] = {
		{ { 0 }, 0, BLOCKS, BLOCKS },
		{ { 0 }, 1, BLOCKS, BLOCKS },
		{ { 0 }, 2, 1, 2 * BLOCKS - 1 },
		{ { .no_dedup = true, .row_cache = 100000 }, 0, EACH * BLOCKS, EACH * BLOCKS },
	};
	int64_t indices[EACH * BLOCKS], offsets[2] = { 0, EACH * BLOCKS };
	const struct layout *layout;
	struct known_rows k;
	float y[33];
	struct engine_bags b = { .indices = indices, .offsets = offsets, .bags = 1, .y = y };

	random_seed("merging");
	memset(y, 0x5a, sizeof(y));
	make_store(1, _i);
	make_table(&k, "t", SMARTSSD_ROWS_FP32, 2 * BLOCKS * 32, 32, SMARTSSD_SHARD_TABLE);
	open_cards(1, "emu:ddr=64M");
	b.table = k.t;
	layout = &table_info(k.t)->layout;
	for (int i = 0; i < EACH * BLOCKS; i++)
		indices[i] = (i * 37 % BLOCKS) * 2 * (int)layout->rows_per_span + (i / BLOCKS & 1);
	for (uint32_t i = 0; i < ARRAY_SIZE(what); i++) {
		struct engine_options o = what[i].o;
		struct engine_counts c;
		struct engine *e;

		o.gap = what[i].gap ? (uint32_t)(what[i].gap * layout->block - 1) : 0;
		e = make_engine(o);
		OK(engine_run(e, &b, 1, &err));
		check_request(&b, &k);
		c = counts(e);
		ck_assert_uint_eq(c.flash_reads, what[i].reads);
		ck_assert_uint_eq(c.most_reads, what[i].reads);
		ck_assert_uint_eq(c.flash_bytes, what[i].blocks * layout->block);
		ck_assert_uint_eq(c.links.ssd_to_card, what[i].blocks * layout->block);
		ck_assert_uint_eq(c.blocks_wanted, BLOCKS * layout->block);
		ck_assert_uint_eq(c.rows_read, what[i].o.no_dedup ? EACH * BLOCKS : 2 * BLOCKS);
		ck_assert_uint_eq(c.row_bytes_wanted, c.rows_read * 128);
		engine_destroy(e);
	}
	drop_table(&k);
	remove_store();
	close_cards();
}
END_TEST

/* RM1's shape: what crosses the host link, and what is read. */
START_TEST(links)
{
	enum { QUERIES = 64, LOOKUPS = 80, DIM = 32, NR = 8 };
	struct known_rows rm[NR];
	struct engine_bags b[NR];
	struct engine_counts c;
	struct engine *e;
	double link, want;
	char name[20];

	random_seed("links");
	make_store(1, false);
	open_cards(1, "emu:ddr=1G"); /* so that it is one slice, with a block of 4096 for each row, too */
	for (int t = 0; t < NR; t++) {
		snprintf(name, sizeof(name), "rm%d", t);
		make_table(&rm[t], name, SMARTSSD_ROWS_FP32, 20000, DIM, SMARTSSD_SHARD_TABLE);
		make_request(&b[t], &rm[t], QUERIES, LOOKUPS, LOOKUPS, 20000, false, false);
	}
	e = make_engine((struct engine_options){ 0 });
	OK(engine_run(e, b, NR, &err));
	c = counts(e);
	link = (double)(c.links.host_to_card + c.links.card_to_host);
	want = NR * QUERIES * (LOOKUPS * 4.0 + DIM * 4.0);
	printf("# host link: %.0f bytes, %.2f %% above indices and results; flash %.4f of the blocks wanted\n", link, 100 * (link / want - 1),
	       (double)c.links.ssd_to_card / (double)c.blocks_wanted);
	ck_assert(link >= want && link <= want * 1.02);
	ck_assert_uint_eq(c.links.ssd_to_card, c.blocks_wanted);
	ck_assert_uint_eq(c.links.jobs, 1);
	ck_assert_uint_eq(c.links.runs, 1);
	for (int t = 0; t < NR; t++) {
		check_request(&b[t], &rm[t]);
		drop_request(&b[t]);
		drop_table(&rm[t]);
	}
	engine_destroy(e);
	remove_store();
	close_cards();
}
END_TEST

/* ---- what goes wrong ---- */

START_TEST(bad_requests)
{
	struct engine_bags good[2], b[2];
	int64_t *indices, *offsets;
	struct engine *e;

	random_seed("bad_requests");
	make_store(1, false);
	make_tables(1000);
	open_cards(1, "emu:ddr=64M");
	e = make_engine((struct engine_options){ .row_cache = 100000 });
	make_request(&good[0], &tables[1], 4, 5, 9, 1000, false, false);
	make_request(&good[1], &tables[6], 4, 5, 9, 1000, false, false);
#define REFUSED(code, change, says)                                               \
	do {                                                                      \
		memcpy(b, good, sizeof(b));                                       \
		indices = malloc(64 * sizeof(*indices));                          \
		offsets = malloc(5 * sizeof(*offsets));                           \
		memcpy(indices, b[0].indices, (size_t)b[0].offsets[4] * 8);       \
		memcpy(offsets, b[0].offsets, 5 * sizeof(*offsets));              \
		b[0].indices = indices;                                           \
		b[0].offsets = offsets;                                           \
		change;                                                           \
		OK(engine_run(e, b, 2, &err));                                    \
		ck_assert_int_eq(b[0].status, code);                              \
		ck_assert_msg(strstr(b[0].err.text, says), "%s", b[0].err.text);  \
		check_request(&b[1], &tables[6]);                                 \
		free(indices);                                                    \
		free(offsets);                                                    \
	} while (0)
	REFUSED(-ERANGE, indices[offsets[2] + 3] = 1000, "table 't1', bag 2, position 3: index 1000; it has 1000 rows");
	REFUSED(-ERANGE, indices[offsets[0]] = -1, "table 't1', bag 0, position 0: index -1");
	REFUSED(-ERANGE, indices[offsets[4] - 1] = INT64_MIN, "bag 3");
	REFUSED(-EINVAL, offsets[2] = offsets[1] - 1, "table 't1': offsets[1] is");
	REFUSED(-EINVAL, offsets[0] = -1, "offsets[0] is -1");
	REFUSED(-EINVAL, b[0].weights = b[0].y; b[0].mean = 1, "weighted mean");
#undef REFUSED
	ck_assert_uint_eq(counts(e).bags, 6 * 4);
	OK(engine_run(e, good, 2, &err));
	check_request(&good[0], &tables[1]);
	drop_request(&good[0]);
	drop_request(&good[1]);
	engine_destroy(e);
	drop_tables();
	remove_store();
	close_cards();
}
END_TEST

START_TEST(bad_engines)
{
	struct engine_options o = { .devices = cards };
	struct engine_bags b;
	struct engine *e;

	random_seed("bad_engines");
	make_store(1, false);
	make_tables(1000);
	open_cards(1, "emu:ddr=16M");
#define REFUSED(code, says, ...)                                                        \
	do {                                                                            \
		o = (struct engine_options){ .devices = cards, __VA_ARGS__ };           \
		ck_assert_int_eq(engine_create(store, &o, &e, &err), code);             \
		ck_assert_ptr_null(e);                                                  \
		ck_assert_msg(strstr(err.text, says), "%s", err.text);                  \
	} while (0)
	REFUSED(-ENOMEM, "16777216 are free", .pinned = 20 << 20);
	REFUSED(-ENOMEM, "for two slices", .staging = 10 << 20);
	REFUSED(-EINVAL, "4 GiB", .pinned = 5ull << 30);
#undef REFUSED
	/* What is left is enough for small slices. */
	e = make_engine((struct engine_options){ .pinned = 15 << 20 });
	random_batch(e, 20, 100, 1000);
	engine_destroy(e);
	/* A gap that no slice has room for. */
	e = make_engine((struct engine_options){ .gap = UINT32_MAX });
	make_request(&b, &tables[0], 1, 1, 1, 1000, false, false);
	OK(engine_run(e, &b, 1, &err));
	ck_assert_int_eq(b.status, -ENOMEM);
	engine_destroy(e);
	close_cards();

	/* A path that is required and not there is said, not done by the host. */
	open_cards(1, "emu:ddr=64M,peer=off");
	e = make_engine((struct engine_options){ .io_flags = SMARTSSD_CMD_PEER_REQUIRE });
	ck_assert_int_eq(engine_run(e, &b, 1, &err), -EREMOTEIO);
	ck_assert_msg(strstr(err.text, "READ"), "%s", err.text);
	ck_assert_uint_eq(counts(e).host_rows, 0);
	engine_destroy(e);
	e = make_engine((struct engine_options){ 0 });
	OK(engine_run(e, &b, 1, &err));
	check_request(&b, &tables[0]);
	ck_assert_uint_eq(counts(e).links.bounce_read, counts(e).flash_bytes);
	engine_destroy(e);
	drop_request(&b);
	drop_tables();
	remove_store();
	close_cards();
	/* Without kernels. */
	make_store(1, false);
	OK(smartssd_open("emu:ddr=64M", &cards[0], &err));
	o = (struct engine_options){ .devices = cards };
	ck_assert_int_eq(engine_create(store, &o, &e, &err), -ENOEXEC);
	remove_store();
	close_cards();
}
END_TEST

/* A row on a bad block, or behind the end of a file that was cut (in a block, or before it): who wants it fails, and nobody else. */
START_TEST(bad_row)
{
	const struct volume_object *object;
	struct engine_bags b[3];
	struct engine *e;
	uint64_t at, row = 700;
	char want[60];

	random_seed("bad_row");
	make_store(1, false);
	make_tables(1000);
	open_cards(1, "emu:ddr=64M");
	/* In the last round its bag goes in parts, and what comes after it is asked for when it has failed. */
	e = make_engine((struct engine_options){ .row_cache = 1 << 20, .pooled_cache = 1 << 20, .staging = _i == 4 ? ENGINE_MIN_STAGING : 0 });
	for (int i = 0; i < 3; i++)
		make_request(&b[i], &tables[i == 2 ? 5 : 0], 5, _i == 4 ? 200 : 3, _i == 4 ? 300 : 9, 600, false, false);
	((int64_t *)b[1].indices)[b[1].offsets[2] + 1] = (int64_t)row;
	object = table_rows(tables[0].t, 0);
	table_where(tables[0].t, 0, &row, 1, &at);
	if (_i % 4 == 0) {
		bad_reads = true;
		bad_fd = object->fd;
		bad_from = at;
		bad_to = at + 128;
	} else {
		char path[40];

		snprintf(path, sizeof(path), "/proc/self/fd/%d", object->fd);
		ck_assert_int_eq(truncate(path, (off_t)(object->offset + align_down(at, 512) + (_i == 1 ? 4 : 0) - (_i == 2 ? 512 : 0))), 0);
	}
	for (int round = 0; round < 2; round++) {
		OK(engine_run(e, b, 3, &err));
		check_request(&b[0], &tables[0]);
		check_request(&b[2], &tables[5]);
		ck_assert_int_eq(b[1].status, -EIO);
		snprintf(want, sizeof(want), "table 't0', bag 2: row %d cannot be read", (int)row);
		ck_assert_msg(strstr(b[1].err.text, want), "%s", b[1].err.text);
	}
	ck_assert_uint_gt(counts(e).host_rows, 0);
	ck_assert_uint_eq(engine_lost(e), 0);
	/* Healed, nothing of it is left. */
	if (_i % 4 == 0) {
		uint64_t host = counts(e).host_rows;

		bad_reads = false;
		OK(engine_run(e, b, 3, &err));
		check_request(&b[1], &tables[0]);
		ck_assert_uint_eq(counts(e).host_rows, host);
	}
	for (int i = 0; i < 3; i++)
		drop_request(&b[i]);
	engine_destroy(e);
	drop_tables();
	remove_store();
	close_cards();
}
END_TEST

/* The second of two cards fails in its third run: gone for good, or a compute unit that can be reset. */
START_TEST(bad_card)
{
	static const char *const faults[] = { "gone", "crash", "wrong" };
	struct engine *e;
	uint64_t host;
	char uri[60];
	int cu;

	random_seed(faults[_i]);
	make_store(2, false);
	make_tables(1000);
	open_cards(2, "emu:ddr=64M");
	cu = __builtin_ctzll(smartssd_find_kernel(cards[1], "embedding_bag"));
	smartssd_close(cards[1]);
	snprintf(uri, sizeof(uri), "emu:ddr=64M,fault=%s:%d:3", faults[_i], cu);
	cards[1] = open_card(uri);
	e = make_engine((struct engine_options){ .row_cache = 200000, .pinned = 10000, .staging = 200000 });
	for (int round = 0; round < 12; round++)
		random_batch(e, 60, 60, 1000);
	host = counts(e).host_rows;
	ck_assert_uint_gt(host, 0);
	ck_assert_uint_eq(engine_lost(e), _i == 0 ? 2 : 0);
	ck_assert_uint_eq(counts(e).distinct_rows, counts(e).row_hits + counts(e).rows_read);
	random_batch(e, 60, 60, 1000);
	if (_i)
		ck_assert_uint_eq(counts(e).host_rows, host); /* it works again */
	engine_destroy(e);
	drop_tables();
	remove_store();
	close_cards();
}
END_TEST

/* ---- threads ---- */

/* Each row is one number in all of its elements; an update writes a larger one. */
enum { RACE_ROWS = 200, RACE_DIM = 64 };

static struct table *race_table;
static struct engine *race_engine;
static _Atomic int race_told[RACE_ROWS]; /* from here on nobody may see less */
static _Atomic bool race_over;

static void *race_read(void *arg)
{
	uint64_t state = (uint64_t)(uintptr_t)arg * 977 + 1;
	float y[50][RACE_DIM];
	int64_t indices[50], offsets[51];
	int least[50];

	while (!race_over) {
		struct engine_bags b = { .table = race_table, .indices = indices, .offsets = offsets, .bags = 50, .y = &y[0][0] };

		for (int i = 0; i < 50; i++) {
			state = state * 6364136223846793005ull + 1442695040888963407ull;
			indices[i] = (int64_t)(state >> 33) % (i & 1 ? 5 : RACE_ROWS);
			offsets[i + 1] = i + 1;
			least[i] = race_told[indices[i]];
		}
		offsets[0] = 0;
		if (engine_run(race_engine, &b, 1, NULL) || b.status)
			return "a lookup failed";
		for (int i = 0; i < 50; i++)
			for (int d = 0; d < RACE_DIM; d++) {
				if (y[i][d] != y[i][0])
					return "half of a row";
				if (y[i][d] < (float)least[i])
					return "an old row";
			}
	}
	return NULL;
}

START_TEST(threads)
{
	pthread_t t[4];
	struct known_rows k;
	float row[RACE_DIM];
	int64_t rows[20];
	void *said;

	race_over = false;
	random_seed("threads");
	make_store(2, false);
	make_table(&k, "race", SMARTSSD_ROWS_FP32, RACE_ROWS, RACE_DIM, SMARTSSD_SHARD_ROW);
	race_table = k.t;
	for (int64_t r = 0; r < RACE_ROWS; r++) {
		for (int d = 0; d < RACE_DIM; d++)
			row[d] = 1;
		race_told[r] = 1;
		OK(table_update(k.t, &r, 1, row, &err));
	}
	for (int i = 0; i < 20; i++)
		rows[i] = i * 3;
	open_cards(2, "emu:ddr=64M");
	race_engine = make_engine((struct engine_options){ .row_cache = 8192, .pinned = 8192, .pinned_host = 8192, .pooled_cache = _i ? 20000 : 0 });
	OK(engine_pin(race_engine, k.t, ENGINE_PIN_CARD, rows, 20, NULL, &err));
	for (int i = 0; i < 20; i++)
		rows[i] = i * 9 + 1;
	OK(engine_pin(race_engine, k.t, ENGINE_PIN_HOST, rows, 20, NULL, &err));
	for (uintptr_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, race_read, (void *)i), 0);
	for (int version = 2; version < 150; version++) {
		int64_t r = random_in(0, version & 1 ? 5 : RACE_ROWS - 1);

		for (int d = 0; d < RACE_DIM; d++)
			row[d] = (float)version;
		OK(table_update(k.t, &r, 1, row, &err));
		engine_forget(race_engine, k.t, version % 10 ? &r : NULL, 1);
		race_told[r] = version;
		usleep(500);
	}
	race_over = true;
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &said);
		ck_assert_msg(!said, "%s", (char *)said);
	}
	ck_assert_uint_gt(counts(race_engine).overlapped, 0);
	ck_assert_uint_gt(counts(race_engine).row_hits, 0);
	ck_assert_uint_gt(counts(race_engine).host_pinned_hits, 0);
	engine_destroy(race_engine);
	drop_table(&k);
	remove_store();
	close_cards();
}
END_TEST

static void fill(TCase *tests)
{
	tcase_add_loop_test(tests, all_formats, 0, 6);
	tcase_add_loop_test(tests, slices, 0, 2);
	tcase_add_test(tests, nothing_asked);
	tcase_add_loop_test(tests, updates, 0, 4);
	tcase_add_loop_test(tests, row_cache, 0, CACHE_POLICIES);
	tcase_add_test(tests, pooled);
	tcase_add_loop_test(tests, merging, 0, 2);
	tcase_add_test(tests, links);
	tcase_add_test(tests, bad_requests);
	tcase_add_test(tests, bad_engines);
	tcase_add_loop_test(tests, bad_row, 0, 5);
	tcase_add_loop_test(tests, bad_card, 0, 3);
	tcase_add_loop_test(tests, threads, 0, 2);
}

int main(void)
{
	setenv("SMARTSSD_LIBDIR", "build", 0);
	return run_in_folder("engine", fill);
}
