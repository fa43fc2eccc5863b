// SPDX-License-Identifier: BSD-2-Clause
/*
 * embedding_bag on the embedded card, from files, against kernels/reference: within the stated bound, and every byte as counted. Faults
 * are found and named.
 */
#include "ops_test.h"

struct table {
	struct smartssd_embedding_bag op;
	struct ref_embedding_bag ref;
	uint8_t *rows;
	int64_t *indices, *offsets;
	float *weights;
	float *y;
	double *expected, *bound;
};

static uint16_t random_half(void)
{
	uint16_t h = (uint16_t)(random_u64() >> 40);

	return (h >> 10 & 31) == 31 ? (uint16_t)(h & 0xbfff) : h; /* no infinities */
}

static void make_table(struct table *t, uint32_t format, uint64_t rows, uint32_t dim, uint64_t bags, uint32_t most, bool weighted,
		       bool mean, bool memory)
{
	static const uint32_t types[] = { SMARTSSD_F4, SMARTSSD_F2, SMARTSSD_U1, SMARTSSD_U1 };
	uint64_t pitch = ref_row_bytes(format, dim), shape[2] = { rows, format >= SMARTSSD_ROWS_INT8 ? pitch : dim }, lookups = 0;

	*t = (struct table){ 0 };
	t->rows = malloc(rows * pitch);
	for (uint64_t r = 0; r < rows; r++) {
		uint8_t *row = t->rows + r * pitch;
		float scale[2] = { (float)random_in(1, 1000) * 1e-4f, (float)random_in(0, 2000) * 1e-3f - 1 };

		fill_random(row, pitch);
		for (uint32_t d = 0; d < dim; d++) {
			uint16_t half = random_half();
			float single = (float)random_in(0, 2000000) * 1e-6f - 1;

			if (format == SMARTSSD_ROWS_FP32)
				memcpy(row + d * 4ull, &single, 4);
			else if (format == SMARTSSD_ROWS_FP16)
				memcpy(row + d * 2ull, &half, 2);
		}
		if (format == SMARTSSD_ROWS_INT8)
			memcpy(row + dim, scale, 8);
		for (uint64_t i = 0; format == SMARTSSD_ROWS_INT4 && i < 2; i++) {
			uint16_t half = random_half();

			memcpy(row + pitch - 4 + 2 * i, &half, 2);
		}
	}
	t->offsets = calloc(bags + 1, sizeof(*t->offsets));
	for (uint64_t b = 0; b < bags; b++) {
		lookups += random_in(0, 4) ? random_in(0, most) : 0;
		t->offsets[b + 1] = (int64_t)lookups;
	}
	t->indices = malloc((lookups + 1) * sizeof(*t->indices));
	t->weights = weighted ? malloc((lookups + 1) * sizeof(float)) : NULL;
	for (uint64_t i = 0; i < lookups; i++) {
		t->indices[i] = random_in(0, 3) ? random_in(0, (uint32_t)rows - 1) : random_in(0, (uint32_t)min_u64(rows, 5) - 1);
		if (weighted)
			t->weights[i] = (float)random_in(0, 2000) * 1e-3f - 1;
	}
	t->y = malloc((bags * dim + 1) * sizeof(float));
	t->expected = malloc((bags * dim + 1) * sizeof(double));
	t->bound = malloc((bags * dim + 1) * sizeof(double));
	t->ref = (struct ref_embedding_bag){ t->rows, format, dim, rows, pitch, t->indices, t->offsets, bags, t->weights, mean };
	t->op = (struct smartssd_embedding_bag){ .format = format,
						 .indices = t->indices,
						 .lookups = lookups,
						 .offsets = t->offsets,
						 .bags = bags,
						 .per_sample_weights = t->weights,
						 .mean = mean };
	make_source(&t->op.table, "table", types[format], 2, shape, t->rows, memory);
}

static void free_table(struct table *t)
{
	close_source(&t->op.table);
	free(t->rows);
	free(t->indices);
	free(t->offsets);
	free(t->weights);
	free(t->y);
	free(t->expected);
	free(t->bound);
}

static void check_table(struct table *t, struct smartssd_report *report)
{
	uint64_t elements = t->op.bags * t->ref.dim, i;

	ck_assert_int_eq(ref_embedding_bag(&t->ref, t->expected, t->bound), -1);
	memset(t->y, 0x5a, elements * sizeof(float));
	ck_assert_msg(!smartssd_embedding_bag(dev, &t->op, t->y, report, NULL, &err), "%s", err.text);
	for (i = 0; i < elements && fabs((double)t->y[i] - t->expected[i]) <= t->bound[i]; i++)
		;
	ck_assert_msg(i == elements, "format %u dim %u mean %d: y[%llu] is %.9g, not %.9g +- %.3g", t->op.format, t->ref.dim,
		      t->ref.mean, (unsigned long long)i, (double)t->y[i], t->expected[i], t->bound[i]);
	if (report) {
		ck_assert_uint_eq(report->bytes.card_to_host, elements * 4 + report->tiles * 16ull);
		ck_assert_uint_eq(report->bytes.runs, report->tiles);
		ck_assert_uint_eq(report->peer_reason, SMARTSSD_PEER_OK);
		if (t->op.table.fd >= 0)
			ck_assert_uint_eq(report->host_only_bytes, report->bytes.ssd_to_card);
		else
			ck_assert_uint_eq(report->bytes.ssd_to_card, 0);
	}
}

START_TEST(random_tables)
{
	random_seed("embedding_bag");
	open_card("emu:ddr=64M");
	for (int round = 0; round < 60; round++) {
		uint32_t format = random_in(0, 3), dim = random_in(0, 3) ? random_in(1, 100) : random_in(1, 700);
		bool weighted = !random_in(0, 2);
		struct smartssd_report report;
		struct table t;

		/* Two elements of int4 are one of the array. */
		dim += format == SMARTSSD_ROWS_INT4 ? dim % 2 : 0;
		make_table(&t, format, random_in(1, random_in(0, 1) ? 30 : 4000), dim, random_in(0, 200), random_in(0, 60), weighted,
			   !weighted && random_in(0, 1), !random_in(0, 3));
		check_table(&t, &report);
		free_table(&t);
	}
}
END_TEST

/* Many tiles: several in flight, rows read once per tile. */
START_TEST(many_tiles)
{
	struct smartssd_report report;
	struct table t;

	random_state = 17;
	open_card("emu:ddr=64M");
	make_table(&t, SMARTSSD_ROWS_FP32, 200000, 32, 3000, 30, false, false, false);
	check_table(&t, &report);
	ck_assert_uint_ge(report.tiles, 8);
	ck_assert_uint_le(report.bytes.ssd_to_card, t.op.lookups * 1024);
	ck_assert_uint_lt(report.bytes.ssd_to_card, t.op.table.array.bytes + 4096);
	free_table(&t);
	/* A small table that is wanted often is read once as a whole. */
	make_table(&t, SMARTSSD_ROWS_FP16, 500, 64, 3000, 30, false, true, false);
	check_table(&t, &report);
	ck_assert_uint_le(report.bytes.ssd_to_card, t.op.table.array.bytes + 1024);
	free_table(&t);
}
END_TEST

/* A bag that needs more than a fair part of the card works as long as its rows fit; one that does not is refused by name. */
START_TEST(large_bags)
{
	struct table t;

	random_state = 5;
	open_card("emu:ddr=8M");
	make_table(&t, SMARTSSD_ROWS_FP32, 32000, 64, 3, 0, false, false, false);
	free(t.indices);
	t.op.lookups = 4000;
	t.indices = malloc(t.op.lookups * sizeof(*t.indices));
	for (uint64_t i = 0; i < t.op.lookups; i++)
		t.indices[i] = random_in(0, 29999);
	t.op.indices = t.ref.indices = t.indices;
	t.offsets[0] = 0;
	t.offsets[1] = 10;
	t.offsets[2] = 3990;
	t.offsets[3] = 4000;
	check_table(&t, NULL);

	free(t.indices);
	t.op.lookups = 32000; /* the whole table, 7.8 MiB: no room for offsets and y beside it */
	t.indices = malloc(t.op.lookups * sizeof(*t.indices));
	for (uint64_t i = 0; i < t.op.lookups; i++)
		t.indices[i] = (int64_t)i;
	t.op.indices = t.indices;
	t.offsets[2] = 31990;
	t.offsets[3] = 32000;
	ck_assert_int_eq(smartssd_embedding_bag(dev, &t.op, t.y, NULL, NULL, &err), -ENOMEM);
	ck_assert_msg(strstr(err.text, "bag 1") && strstr(err.text, "31980 rows"), "%s", err.text);
	free_table(&t);
}
END_TEST

/* One bag of more pieces than a job may have: the first of them come in a job of their own. The table is a sparse file. */
START_TEST(more_pieces_than_a_job_takes)
{
	enum { DIM = 16, STEP = 16, WANTED = 140000, MARKED = 1000 };
	struct smartssd_array array = { .type = SMARTSSD_F4, .ndim = 2, .shape = { 0, DIM } };
	int64_t *indices = malloc(WANTED * sizeof(*indices)), offsets[2] = { 0, WANTED };
	struct smartssd_embedding_bag op = { .indices = indices, .lookups = WANTED, .offsets = offsets, .bags = 1 };
	struct smartssd_report report;
	float row[DIM], y[DIM];
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/table.npy", folder);
	for (int d = 0; d < DIM; d++)
		row[d] = (float)(d + 1);
	ck_assert_int_eq(smartssd_npy_save(path, &array, row, &err), 0);
	ck_assert_int_eq(smartssd_npy_open(path, &op.table.array, &fd, &err), 0);
	close(fd);
	fd = open(path, O_RDWR);
	ck_assert_int_ge(fd, 0);
	op.table.fd = fd;
	op.table.array.shape[0] = (uint64_t)WANTED * STEP;
	op.table.array.bytes = op.table.array.shape[0] * sizeof(row);
	ck_assert_int_eq(ftruncate(fd, (off_t)(op.table.array.offset + op.table.array.bytes)), 0);
	for (int64_t i = 0; i < WANTED; i++) {
		indices[i] = (WANTED - 1 - i) * STEP;
		if (i % (WANTED / MARKED) == 0)
			ck_assert_int_eq(pwrite(fd, row, sizeof(row),
						(off_t)op.table.array.offset + indices[i] * (off_t)sizeof(row)),
					 sizeof(row));
	}
	open_card("emu:ddr=192M");
	ck_assert_msg(!smartssd_embedding_bag(dev, &op, y, &report, NULL, &err), "%s", err.text);
	for (int d = 0; d < DIM; d++)
		ck_assert_float_eq(y[d], (float)(MARKED * (d + 1))); /* sums of small integers are exact */
	ck_assert_uint_eq(report.jobs, 2);
	ck_assert_uint_eq(report.tiles, 1);
	ck_assert_uint_eq(report.bytes.ssd_to_card, (uint64_t)WANTED * 512);
	close(fd);
	free(indices);
}
END_TEST

START_TEST(calls_that_make_no_sense)
{
	struct smartssd_embedding_bag good, op;
	int64_t offsets[5], indices[400];
	struct table t;

	random_state = 11;
	open_card("emu:");
	make_table(&t, SMARTSSD_ROWS_INT8, 100, 16, 4, 20, false, false, true);
	good = t.op;
#define REFUSED(code, change, says)                                                              \
	do {                                                                                     \
		struct smartssd_counters before, after;                                          \
		op = good;                                                                       \
		memcpy(offsets, t.offsets, sizeof(offsets));                                     \
		memcpy(indices, t.indices, t.op.lookups * sizeof(indices[0]));                   \
		op.offsets = offsets;                                                            \
		op.indices = indices;                                                            \
		change;                                                                          \
		smartssd_counters(dev, SMARTSSD_COUNT_FILE, &before);                            \
		err.text[0] = '\0';                                                              \
		ck_assert_int_eq(smartssd_embedding_bag(dev, &op, t.y, NULL, NULL, &err), code); \
		ck_assert_msg(strstr(err.text, says), "%s: %s", #change, err.text);              \
		smartssd_counters(dev, SMARTSSD_COUNT_FILE, &after);                             \
		ck_assert_mem_eq(&before, &after, sizeof(before)); /* nothing was submitted */   \
	} while (0)
	REFUSED(-ERANGE, indices[3] = 100, "indices[3] is 100; the table has rows 0 to 99");
	REFUSED(-ERANGE, indices[0] = -1, "indices[0] is -1");
	REFUSED(-ERANGE, indices[op.lookups - 1] = INT64_MIN, "is -9223372036854775808");
	REFUSED(-EINVAL, offsets[0] = 1, "offsets[0] is 1");
	REFUSED(-EINVAL, offsets[2] = offsets[1] - 1, "offsets[2]");
	REFUSED(-EINVAL, offsets[4]++, "offsets[4], the last");
	REFUSED(-EINVAL, op.lookups--, "the number of indices");
	REFUSED(-EINVAL, op.offsets = NULL, "no offsets");
	REFUSED(-EINVAL, op.indices = NULL, "no indices");
	REFUSED(-EINVAL, op.mean = 2, "mean is 2");
	REFUSED(-EINVAL, op.mean = 1; op.per_sample_weights = t.y, "sum only");
	REFUSED(-EINVAL, op.format = 4, "row format 4");
	REFUSED(-EINVAL, op.format = SMARTSSD_ROWS_FP32, "holds f4 elements, this one u1");
	REFUSED(-EINVAL, op.table.array.ndim = 1, "1 dimensions");
	REFUSED(-EINVAL, op.table.array.shape[1] = 8, "scale and bias");
	REFUSED(-EINVAL, op.table.array.shape[1] = 4105, "1 to 4096");
	REFUSED(-EINVAL, op.format = SMARTSSD_ROWS_INT4; op.table.array.shape[1] = 4, "4 bytes; an int4-rowwise row has dim / 2 bytes and behind them 4 of scale and bias");
	REFUSED(-EINVAL, op.format = SMARTSSD_ROWS_INT4; op.table.array.shape[1] = 2053, "rows of 4098 elements; 1 to 4096");
	REFUSED(-EINVAL, op.table.array.shape[0] = 101, "not 101 rows");
	REFUSED(-EINVAL, op.io_flags = 1, "io_flags");
	REFUSED(-EINVAL, op.table.data = NULL, "table: neither");
#undef REFUSED
	check_table(&t, NULL);
	free_table(&t);
}
END_TEST

START_TEST(lookup_faults)
{
	uint32_t cu;
	char uri[64], unit[64];
	struct table t;
	int ret;

	random_state = 23;
	open_card("emu:");
	cu = (uint32_t)__builtin_ctzll(smartssd_find_kernel(dev, "embedding_bag"));
	smartssd_close(dev);
	snprintf(uri, sizeof(uri), "emu:fault=%s:%u", _i ? "wrong" : "crash", cu);
	snprintf(unit, sizeof(unit), "compute unit %u ", cu);
	open_card(uri);
	make_table(&t, SMARTSSD_ROWS_FP32, 2000, 64, 100, 20, false, false, false);
	ret = smartssd_embedding_bag(dev, &t.op, t.y, NULL, NULL, &err);
	ck_assert_msg(ret == -EIO && strstr(err.text, "embedding_bag, bags 0-99") && strstr(err.text, unit), "%d %s", ret,
		      err.text);
	ck_assert_ptr_nonnull(strstr(err.text, _i ? "never ran" : "fault"));
	ck_assert_int_eq(smartssd_cu_reset(dev, cu), 0);
	check_table(&t, NULL);
	free_table(&t);
}
END_TEST

static void fill(TCase *tests)
{
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, random_tables);
	tcase_add_test(tests, many_tiles);
	tcase_add_test(tests, large_bags);
	tcase_add_test(tests, more_pieces_than_a_job_takes);
	tcase_add_test(tests, calls_that_make_no_sense);
	tcase_add_loop_test(tests, lookup_faults, 0, 2);
}

int main(void)
{
	setenv("SMARTSSD_LIBDIR", "build", 0);
	return run_suite("embedding_bag", fill);
}
