// SPDX-License-Identifier: BSD-2-Clause
/*
 * embedding_bag: the HLS source and the fast version (AVX2 and portable) against the reference in double, within the bound
 * that embedding_bag.h states; bad arguments one at a time, and hostile ones. Buffers have exactly the size that the kernel
 * is told.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/embedding_bag/embedding_bag_check.h"
#include "../../kernels/reference/reference.h"
#include "random.h"
#include "suite.h"

typedef __typeof__(embedding_bag) embedding_bag_fn;
embedding_bag_fn embedding_bag_hls, embedding_bag_fast;

#ifdef __SANITIZE_ADDRESS__
#define SCALE(n) ((n) / 8)
#else
#define SCALE(n) (n)
#endif

static const struct {
	const char *name;
	embedding_bag_fn *kernel;
	const char *simd;
} versions[] = { { "HLS", embedding_bag_hls, "avx2" },
		 { "portable", embedding_bag_fast, "portable" },
		 { "avx2", embedding_bag_fast, "avx2" } };

struct call {
	uint8_t *table;
	uint32_t *index, *offset;
	float *weight, *y;
	uint32_t status[4];
	uint64_t table_bytes, index_bytes, offset_bytes, weight_bytes, y_bytes, status_bytes;
	uint32_t format, dim, row_pitch, rows, bags, lookups, mode, flags;
};

static void run(struct call *c, embedding_bag_fn *kernel)
{
	kernel(c->table, c->table_bytes, c->index, c->index_bytes, c->offset, c->offset_bytes, c->weight, c->weight_bytes,
	       c->y, c->y_bytes, c->status, c->status_bytes, c->format, c->dim, c->row_pitch, c->rows, c->bags, c->lookups,
	       c->mode, c->flags);
}

static void free_call(struct call *c)
{
	free(c->table);
	free(c->index);
	free(c->offset);
	free(c->weight);
	free(c->y);
}

/* Numbers of many sizes, subnormal halves and zeros included. */
static void random_row(uint32_t format, uint32_t dim, uint8_t *row)
{
	float scale = random_float(-0.1f, 0.1f), bias = random_below(3) ? random_float(-5, 5) : -128 * scale, value;

	for (uint32_t d = 0; d < dim; d++) {
		if (format == REF_FP32) {
			value = random_below(10) ? random_float(-1, 1) : random_float(-1000, 1000);
			memcpy(row + d * 4, &value, 4);
		} else if (format == REF_FP16) {
			uint16_t half = (uint16_t)random_u64();

			if ((half & 0x7c00) == 0x7c00) /* neither infinities nor NaNs: they have no bound */
				half &= 0x83ff;
			memcpy(row + d * 2, &half, 2);
		} else if (format == REF_INT8 || d % 2 == 0) {
			row[format == REF_INT8 ? d : d / 2] = (uint8_t)random_u64();
		}
	}
	if (format == REF_INT8) {
		memcpy(row + dim, &scale, 4);
		memcpy(row + dim + 4, &bias, 4);
	}
	if (format == REF_INT4)
		for (uint32_t i = 0; i < 2; i++) {
			/* any sign and fraction, from 2^-14 (a subnormal now and then) to 2 */
			uint16_t half = (uint16_t)((random_u64() & 0x83ff) | random_below(17) << 10);

			memcpy(row + (dim + 1) / 2 + i * 2, &half, 2);
		}
}

/*
 * Random bags. A packed table, one with gaps between rows, or rows gathered at any byte with positions as indices. Empty
 * bags, repeated and unordered indices come by themselves.
 */
static void random_call(struct call *c)
{
	static const uint32_t dims[] = { 1,  2,	 3,  7,	 8,  9,	 15,  16,  24,	31,  32,  33,
					 40, 63, 64, 65, 72, 96, 100, 127, 128, 200, 300, 1000 };
	uint32_t row_bytes, kinds, at;

	memset(c, 0, sizeof(*c));
	c->format = random_below(4);
	c->dim = dims[random_below(sizeof(dims) / sizeof(dims[0]))];
	c->mode = random_below(2);
	c->flags = random_below(2);
	row_bytes = (uint32_t)ref_row_bytes(c->format, c->dim);
	kinds = 1 + random_below(60);
	c->bags = random_below(12) ? random_below(40) : 0;
	if (random_below(3) == 0) { /* gathered */
		uint32_t gap = 1 + random_below(20);

		c->row_pitch = 1;
		c->table_bytes = (uint64_t)kinds * (row_bytes + gap) - gap;
		c->rows = (uint32_t)c->table_bytes;
		c->table = malloc(c->table_bytes);
		for (uint32_t r = 0; r < kinds; r++)
			random_row(c->format, c->dim, c->table + (uint64_t)r * (row_bytes + gap));
		at = row_bytes + gap;
	} else {
		uint32_t gap = random_below(2) ? 0 : random_below(20);

		c->row_pitch = row_bytes + gap;
		c->table_bytes = (uint64_t)kinds * c->row_pitch - gap;
		c->rows = kinds;
		c->table = malloc(c->table_bytes);
		for (uint32_t r = 0; r < kinds; r++)
			random_row(c->format, c->dim, c->table + (uint64_t)r * c->row_pitch);
		at = 1;
	}
	c->offset_bytes = (c->bags + 1) * 4;
	c->offset = malloc(c->offset_bytes);
	c->offset[0] = random_below(2) ? (uint32_t)random_u64() >> 1 : 0; /* a part of a longer list */
	for (uint32_t b = 0; b < c->bags; b++) {
		uint32_t n = random_below(4) == 0 ? 0 : random_below(random_below(8) ? 10 : 200);

		c->offset[b + 1] = c->offset[b] + n;
		c->lookups += n;
	}
	c->index_bytes = c->lookups * 4;
	c->index = malloc(c->index_bytes);
	c->weight_bytes = c->flags & EMB_WEIGHTED ? c->lookups * 4 : 0;
	c->weight = malloc(c->weight_bytes);
	for (uint32_t i = 0; i < c->lookups; i++) {
		c->index[i] = random_below(kinds) * at;
		if (c->flags & EMB_WEIGHTED)
			c->weight[i] = random_below(10) ? random_float(-2, 2) : 0;
	}
	c->y_bytes = (uint64_t)c->bags * c->dim * 4;
	c->y = malloc(c->y_bytes);
	c->status_bytes = 16;
}

/* The reference's view of a call. */
static void reference(const struct call *c, double *y, double *bound)
{
	int64_t *indices = malloc(c->lookups * 8ull), *offsets = malloc((c->bags + 1) * 8ull);
	struct ref_embedding_bag op = { .table = c->table,
					.format = c->format,
					.dim = c->dim,
					.rows = c->rows,
					.row_pitch = c->row_pitch,
					.indices = indices,
					.offsets = offsets,
					.bags = c->bags,
					.per_sample_weights = c->flags & EMB_WEIGHTED ? c->weight : NULL,
					.mean = c->mode == EMB_MEAN };

	for (uint32_t i = 0; i < c->lookups; i++)
		indices[i] = c->index[i];
	for (uint32_t b = 0; b <= c->bags; b++)
		offsets[b] = c->offset[b] - c->offset[0];
	EXPECT(ref_embedding_bag(&op, y, bound) == -1, "the reference refuses");
	free(indices);
	free(offsets);
}

START_TEST(random_bags)
{
	double worst = 0;

	random_start();
	for (int i = 0; i < SCALE(2000); i++) {
		double *want, *bound;
		struct call c;
		size_t n;

		random_call(&c);
		n = (size_t)c.bags * c.dim;
		want = malloc(n * 8);
		bound = malloc(n * 8);
		reference(&c, want, bound);
		for (int v = 0; v < 3; v++) {
			memset(c.y, 0xff, c.y_bytes);
			setenv("SMARTSSD_SIMD", versions[v].simd, 1);
			run(&c, versions[v].kernel);
			EXPECT(c.status[0] == KERNEL_OK, "SEED=%llu round %d %s: status %u %u %u",
			       (unsigned long long)random_seed(), i, versions[v].name, c.status[0], c.status[1],
			       c.status[2]);
			for (size_t k = 0; k < n; k++) {
				double error = fabs(c.y[k] - want[k]);

				EXPECT(error <= bound[k],
				       "SEED=%llu round %d %s: format %u dim %u mode %u flags %u: y[%zu] = %.9g, wanted "
				       "%.9g +- %.3g",
				       (unsigned long long)random_seed(), i, versions[v].name, c.format, c.dim, c.mode,
				       c.flags, k, c.y[k], want[k], bound[k]);
				if (bound[k] > 0 && error / bound[k] > worst)
					worst = error / bound[k];
			}
		}
		free(want);
		free(bound);
		free_call(&c);
	}
	EXPECT(worst > 0.01, "the bound is so wide that it tests nothing: worst %g of it", worst);
}
END_TEST

/* 4 rows of 9 halves; bags of 2, 0, 3 and 1 rows. Nothing is larger than it must be. */
static void good_call(struct call *c)
{
	static const uint32_t index[] = { 3, 0, 1, 1, 2, 0 }, offset[] = { 0, 2, 2, 5, 6 };

	memset(c, 0, sizeof(*c));
	c->format = EMB_FP16;
	c->dim = 9;
	c->row_pitch = 18;
	c->rows = 4;
	c->bags = 4;
	c->lookups = 6;
	c->flags = EMB_WEIGHTED;
	c->table_bytes = 4 * 18;
	c->index_bytes = c->weight_bytes = sizeof(index);
	c->offset_bytes = sizeof(offset);
	c->y_bytes = 4 * 9 * 4;
	c->status_bytes = 16;
	c->table = malloc(c->table_bytes);
	for (uint32_t i = 0; i < c->table_bytes; i += 2)
		memcpy(c->table + i, &(uint16_t){ 0x3c00 }, 2); /* 1.0 */
	c->index = memcpy(malloc(c->index_bytes), index, c->index_bytes);
	c->offset = memcpy(malloc(c->offset_bytes), offset, c->offset_bytes);
	c->weight = malloc(c->weight_bytes);
	for (uint32_t i = 0; i < c->lookups; i++)
		c->weight[i] = 1;
	c->y = malloc(c->y_bytes);
}

/* Every version's status, and that it wrote exactly the first @bags of y. Takes the call's buffers. */
static void expect(struct call *c, uint32_t code, uint32_t detail, uint32_t value, uint32_t bags, const char *what)
{
	static const float want[] = { 2, 0, 3, 1 };

	for (int v = 0; v < 3; v++) {
		memset(c->y, 0xff, c->y_bytes);
		memset(c->status, 0, sizeof(c->status));
		setenv("SMARTSSD_SIMD", versions[v].simd, 1);
		run(c, versions[v].kernel);
		EXPECT(c->status[0] == code && c->status[1] == detail && c->status[2] == value && !c->status[3],
		       "%s, %s: status %u %u %u, wanted %u %u %u", what, versions[v].name, c->status[0], c->status[1],
		       c->status[2], code, detail, value);
		for (uint32_t i = 0; i < c->y_bytes / 4; i++) {
			if (i / 9 < bags)
				EXPECT(c->y[i] == want[i / 9], "%s, %s: y[%u] = %g", what, versions[v].name, i, c->y[i]);
			else
				EXPECT(isnan(c->y[i]), "%s, %s: y[%u] written", what, versions[v].name, i);
		}
	}
	free_call(c);
}

START_TEST(accepted)
{
	struct call c;

	good_call(&c);
	expect(&c, KERNEL_OK, 0, 0, 4, "good call");
	good_call(&c);
	for (int i = 0; i < 5; i++)
		c.offset[i] += 0xfffffffc; /* the list's end may be beyond 32 bits; differences count */
	expect(&c, KERNEL_BAD_SHAPE, EMB_CHECK_OFFSETS, 2, 0, "offsets wrap");
	good_call(&c);
	for (int i = 0; i < 5; i++)
		c.offset[i] += 1000;
	expect(&c, KERNEL_OK, 0, 0, 4, "part of a longer list");
	good_call(&c);
	c.flags = 0;
	c.weight_bytes = 0;
	expect(&c, KERNEL_OK, 0, 0, 4, "no weights");
	good_call(&c);
	c.bags = c.lookups = 0;
	c.index_bytes = c.weight_bytes = c.y_bytes = 0;
	expect(&c, KERNEL_OK, 0, 0, 0, "no bags");
	good_call(&c);
	c.row_pitch = 1; /* rows that overlap, the last one at the last place */
	for (int i = 0; i < 6; i++)
		c.index[i] = 54;
	c.rows = 55;
	expect(&c, KERNEL_OK, 0, 0, 4, "gathered");
}
END_TEST

/* An index outside of the table is named, with its position; what came before it is there. */
START_TEST(bad_index)
{
	static const uint32_t bags_before[] = { 0, 0, 2, 2, 2, 3 };
	static const uint32_t bad[] = { 4, 5, 0x7fffffff, 0x80000000, 0xffffffff };

	for (uint32_t at = 0; at < 6; at++) {
		for (uint32_t k = 0; k < 5; k++) {
			struct call c;

			good_call(&c);
			c.index[at] = bad[k];
			if (at < 5)
				c.index[5] = 77; /* the first one counts */
			expect(&c, KERNEL_BAD_INDEX, at, bad[k], bags_before[at], "bad index");
		}
	}
}
END_TEST

START_TEST(bad_arguments)
{
	struct call c;

#define BAD(change, code, detail, value, bags)                  \
	do {                                                    \
		good_call(&c);                                  \
		change;                                         \
		expect(&c, code, detail, value, bags, #change); \
	} while (0)
	BAD(c.format = 4, KERNEL_BAD_SHAPE, EMB_CHECK_FORMAT, 0, 0);
	BAD(c.mode = 2, KERNEL_BAD_SHAPE, EMB_CHECK_FORMAT, 0, 0);
	BAD(c.flags = 2, KERNEL_BAD_SHAPE, EMB_CHECK_FORMAT, 0, 0);
	BAD(c.dim = 0, KERNEL_BAD_SHAPE, EMB_CHECK_DIM, 0, 0);
	BAD(c.dim = EMB_MAX_DIM + 1, KERNEL_BAD_SHAPE, EMB_CHECK_DIM, 0, 0);
	BAD(c.dim = 0x80000009, KERNEL_BAD_SHAPE, EMB_CHECK_DIM, 0, 0);
	BAD(c.bags = EMB_MAX_BAGS + 1, KERNEL_BAD_SHAPE, EMB_CHECK_BAGS, 0, 0);
	BAD(c.bags = 0xffffffff, KERNEL_BAD_SHAPE, EMB_CHECK_BAGS, 0, 0);
	BAD(c.lookups = 5, KERNEL_BAD_SHAPE, EMB_CHECK_LOOKUPS, 0, 0);
	BAD(c.offset[4] = 5, KERNEL_BAD_SHAPE, EMB_CHECK_LOOKUPS, 0, 0);
	BAD(c.offset[0] = 1, KERNEL_BAD_SHAPE, EMB_CHECK_LOOKUPS, 0, 0);
	BAD(c.offset[2] = 1, KERNEL_BAD_SHAPE, EMB_CHECK_OFFSETS, 1, 0);
	BAD(c.offset[3] = 7, KERNEL_BAD_SHAPE, EMB_CHECK_OFFSETS, 3, 0);
	BAD(c.index_bytes--, KERNEL_BAD_RANGE, EMB_BUFFER_INDEX, 0, 0);
	BAD(c.lookups = 0xffffffff, KERNEL_BAD_RANGE, EMB_BUFFER_INDEX, 0, 0);
	BAD(c.offset_bytes--, KERNEL_BAD_RANGE, EMB_BUFFER_OFFSET, 0, 0);
	BAD(c.weight_bytes--, KERNEL_BAD_RANGE, EMB_BUFFER_WEIGHT, 0, 0);
	BAD(c.y_bytes--, KERNEL_BAD_RANGE, EMB_BUFFER_Y, 0, 0);
	/* Rows that leave the table: index 3 is the first lookup, 2 the fifth. */
	BAD(c.table_bytes--, KERNEL_BAD_RANGE, EMB_BUFFER_TABLE, 0, 0);
	BAD(c.table_bytes = 53; c.index[0] = 0, KERNEL_BAD_RANGE, EMB_BUFFER_TABLE, 4, 2);
	BAD(c.table_bytes = 17, KERNEL_BAD_RANGE, EMB_BUFFER_TABLE, 0, 0);
	BAD(c.table_bytes = 0, KERNEL_BAD_RANGE, EMB_BUFFER_TABLE, 0, 0);
	BAD(c.row_pitch = 0xffffffff, KERNEL_BAD_RANGE, EMB_BUFFER_TABLE, 0, 0);
	/* A later check does not hide an earlier index. */
	BAD(c.rows = 3, KERNEL_BAD_INDEX, 0, 3, 0);

	good_call(&c);
	c.status_bytes = 15;
	for (int v = 0; v < 3; v++) {
		memset(c.y, 0xff, c.y_bytes);
		memset(c.status, 0, sizeof(c.status));
		run(&c, versions[v].kernel);
		ck_assert_uint_eq(c.status[0] | c.status[1] | c.status[2] | c.status[3], 0);
		ck_assert(isnan(c.y[0]));
	}
	free_call(&c);
}
END_TEST

static uint32_t hostile(void)
{
	switch (random_below(5)) {
	case 0:
		return (uint32_t)random_u64();
	case 1:
		return (1u << random_below(32)) - random_below(2);
	case 2:
		return (uint32_t)-random_in(0, 100);
	default:
		return random_below(12);
	}
}

START_TEST(hostile_calls)
{
	uint32_t seen[5] = { 0 };

	random_start();
	for (int i = 0; i < SCALE(150000); i++) {
		uint32_t *scalars[8], words[4], changes = random_below(4);
		struct call c;
		float *y;

		good_call(&c);
		scalars[0] = &c.format;
		scalars[1] = &c.dim;
		scalars[2] = &c.row_pitch;
		scalars[3] = &c.rows;
		scalars[4] = &c.bags;
		scalars[5] = &c.lookups;
		scalars[6] = &c.mode;
		scalars[7] = &c.flags;
		for (uint32_t k = 0; k < changes; k++)
			*scalars[random_below(8)] = hostile();
		while (random_below(3) == 0)
			c.index[random_below(6)] = hostile();
		while (random_below(3) == 0)
			c.offset[random_below(5)] = hostile();
		setenv("SMARTSSD_SIMD", random_below(2) ? "avx2" : "portable", 1);
		memset(c.y, 0, c.y_bytes);
		run(&c, embedding_bag_hls);
		memcpy(words, c.status, 16);
		y = malloc(c.y_bytes);
		memcpy(y, c.y, c.y_bytes);
		memset(c.y, 0, c.y_bytes);
		run(&c, embedding_bag_fast);
		EXPECT(!memcmp(words, c.status, 16), "SEED=%llu round %d: HLS says %u %u %u, fast %u %u %u",
		       (unsigned long long)random_seed(), i, words[0], words[1], words[2], c.status[0], c.status[1],
		       c.status[2]);
		/* sums of ones: exact */
		for (size_t k = 0; k < c.y_bytes / 4 && c.format == EMB_FP16; k++)
			EXPECT(!memcmp(&y[k], &c.y[k], 4) || isnan(y[k]), "SEED=%llu round %d: y[%zu] %g and %g",
			       (unsigned long long)random_seed(), i, k, y[k], c.y[k]);
		EXPECT(words[0] >= KERNEL_OK && words[0] <= KERNEL_BAD_INDEX, "status %u", words[0]);
		seen[words[0]]++;
		free(y);
		free_call(&c);
	}
	for (int k = KERNEL_OK; k <= (int)KERNEL_BAD_INDEX; k++)
		EXPECT(seen[k] > 100, "status %d only %u times", k, seen[k]);
}
END_TEST

/* offset changes under the running kernel, and y lies on it: never a wild access, whatever comes out. */
START_TEST(overlapping_buffers)
{
	for (int v = 0; v < 3; v++) {
		struct call c;
		float *y;

		good_call(&c);
		y = c.y;
		c.y = realloc(c.y, 4096);
		ck_assert_ptr_nonnull(c.y);
		y = c.y;
		for (int where = 0; where < 3; where++) {
			void *old = where == 0 ? (void *)c.offset : where == 1 ? (void *)c.index : (void *)c.weight;

			memset(y, 0, 4096);
			memcpy(y, old, 24 < c.offset_bytes || where ? 24 : c.offset_bytes);
			if (where == 0)
				c.offset = (void *)y;
			else if (where == 1)
				c.index = (void *)y;
			else
				c.weight = (void *)y;
			setenv("SMARTSSD_SIMD", versions[v].simd, 1);
			run(&c, versions[v].kernel);
			ck_assert_uint_ge(c.status[0], KERNEL_OK);
			if (where == 0)
				c.offset = old;
			else if (where == 1)
				c.index = old;
			else
				c.weight = old;
		}
		free_call(&c);
	}
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, random_bags);
	tcase_add_test(t, accepted);
	tcase_add_test(t, bad_index);
	tcase_add_test(t, bad_arguments);
	tcase_add_test(t, hostile_calls);
	tcase_add_test(t, overlapping_buffers);
}

int main(void)
{
	return suite_main("embedding_bag", add_tests);
}
