// SPDX-License-Identifier: BSD-2-Clause
/* row_copy: the HLS source and the fast version against plain memcpy; bad arguments, hostile ones, and buffers that are the same. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/row_copy/row_copy_check.h"
#include "random.h"
#include "suite.h"

typedef __typeof__(row_copy) row_copy_fn;
row_copy_fn row_copy_hls, row_copy_fast;

static row_copy_fn *const versions[] = { row_copy_hls, row_copy_fast };

struct call {
	uint8_t *src, *dst;
	uint32_t *from, *to, status[4];
	uint64_t src_bytes, dst_bytes, from_bytes, to_bytes;
	uint32_t rows, row_bytes, unit;
};

static void run(struct call *c, row_copy_fn *kernel)
{
	memset(c->status, 0xff, sizeof(c->status));
	kernel(c->src, c->src_bytes, c->dst, c->dst_bytes, c->from, c->from_bytes, c->to, c->to_bytes, c->status, sizeof(c->status), c->rows, c->row_bytes, c->unit);
}

static void *noise(uint64_t bytes)
{
	uint8_t *p = malloc(bytes);

	for (uint64_t i = 0; i < bytes; i++)
		p[i] = (uint8_t)random_u64();
	return p;
}

/* Everything inside, buffers no larger than they are said to be. */
static void random_call(struct call *c)
{
	memset(c, 0, sizeof(*c));
	c->row_bytes = 1 + random_below(random_below(20) ? 300 : ROW_COPY_MAX_BYTES);
	c->unit = 1 + random_below(3) * random_below(40);
	c->rows = random_below(200);
	c->src_bytes = c->row_bytes + random_below(20000);
	c->dst_bytes = c->row_bytes + random_below(20000);
	c->from_bytes = c->to_bytes = c->rows * 4;
	c->src = noise(c->src_bytes);
	c->dst = noise(c->dst_bytes);
	c->from = malloc(c->from_bytes);
	c->to = malloc(c->to_bytes);
	for (uint32_t i = 0; i < c->rows; i++) {
		c->from[i] = random_below((c->src_bytes - c->row_bytes) / c->unit + 1);
		c->to[i] = random_below((c->dst_bytes - c->row_bytes) / c->unit + 1);
	}
}

static void free_call(struct call *c)
{
	if (c->dst != c->src)
		free(c->dst);
	free(c->src);
	free(c->from);
	free(c->to);
}

START_TEST(random_rows)
{
	random_start();
	for (int round = 0; round < 400; round++) {
		struct call c;
		uint8_t *before, *want, row[ROW_COPY_MAX_BYTES];

		random_call(&c);
		if (random_below(3) == 0) { /* within one buffer */
			free(c.dst);
			c.dst = c.src;
			c.dst_bytes = c.src_bytes;
			for (uint32_t i = 0; i < c.rows; i++)
				c.to[i] = random_below((c.dst_bytes - c.row_bytes) / c.unit + 1);
		}
		before = memcpy(malloc(c.dst_bytes), c.dst, c.dst_bytes);
		want = memcpy(malloc(c.dst_bytes), c.dst, c.dst_bytes);
		for (uint32_t i = 0; i < c.rows; i++) {
			memcpy(row, (c.dst == c.src ? want : c.src) + (uint64_t)c.from[i] * c.unit, c.row_bytes);
			memcpy(want + (uint64_t)c.to[i] * c.unit, row, c.row_bytes);
		}
		for (int v = 0; v < 2; v++) {
			memcpy(c.dst, before, c.dst_bytes);
			run(&c, versions[v]);
			EXPECT(c.status[0] == KERNEL_OK && !c.status[1] && !c.status[2] && !c.status[3], "SEED=%llu round %d version %d: status %u", (unsigned long long)random_seed(), round, v, c.status[0]);
			EXPECT(!memcmp(c.dst, want, c.dst_bytes), "SEED=%llu round %d version %d: wrong bytes", (unsigned long long)random_seed(), round, v);
		}
		free(before);
		free(want);
		free_call(&c);
	}
}
END_TEST

/* Status, and that exactly the first @done rows were copied. */
static void expect(struct call *c, uint32_t code, uint32_t detail, uint32_t value, uint32_t done, const char *what)
{
	uint8_t *before = memcpy(malloc(c->dst_bytes), c->dst, c->dst_bytes), *want = memcpy(malloc(c->dst_bytes), c->dst, c->dst_bytes);

	for (uint32_t i = 0; i < done; i++)
		memcpy(want + (uint64_t)c->to[i] * c->unit, c->src + (uint64_t)c->from[i] * c->unit, c->row_bytes);
	for (int v = 0; v < 2; v++) {
		memcpy(c->dst, before, c->dst_bytes);
		run(c, versions[v]);
		EXPECT(c->status[0] == code && c->status[1] == detail && c->status[2] == value && !c->status[3], "%s, version %d: status %u %u %u, wanted %u %u %u", what, v, c->status[0], c->status[1],
		       c->status[2], code, detail, value);
		EXPECT(!memcmp(c->dst, want, c->dst_bytes), "%s, version %d: wrong bytes", what, v);
	}
	free(before);
	free(want);
	free_call(c);
}

static void good_call(struct call *c)
{
	static const uint32_t from[] = { 0, 5, 2, 9 }, to[] = { 3, 0, 9, 1 };

	memset(c, 0, sizeof(*c));
	c->rows = 4;
	c->row_bytes = 24;
	c->unit = 8;
	c->src_bytes = c->dst_bytes = 9 * 8 + 24;
	c->src = noise(c->src_bytes);
	c->dst = noise(c->dst_bytes);
	c->from_bytes = c->to_bytes = sizeof(from);
	c->from = memcpy(malloc(sizeof(from)), from, sizeof(from));
	c->to = memcpy(malloc(sizeof(to)), to, sizeof(to));
}

START_TEST(arguments)
{
	struct call c;

	random_start();
#define CASE(change, code, detail, value, done)                  \
	do {                                                     \
		good_call(&c);                                   \
		change;                                          \
		expect(&c, code, detail, value, done, #change);  \
	} while (0)
	CASE((void)0, KERNEL_OK, 0, 0, 4);
	CASE(c.rows = 0, KERNEL_OK, 0, 0, 0);
	CASE(c.row_bytes = 0, KERNEL_BAD_SHAPE, ROW_COPY_ROW_BYTES, 0, 0);
	CASE(c.row_bytes = ROW_COPY_MAX_BYTES + 1, KERNEL_BAD_SHAPE, ROW_COPY_ROW_BYTES, 0, 0);
	CASE(c.unit = 0, KERNEL_BAD_SHAPE, ROW_COPY_UNIT, 0, 0);
	CASE(c.rows = 5, KERNEL_BAD_RANGE, ROW_COPY_FROM, 0, 0);
	CASE(c.rows = 0xffffffff, KERNEL_BAD_RANGE, ROW_COPY_FROM, 0, 0);
	CASE(c.from_bytes--, KERNEL_BAD_RANGE, ROW_COPY_FROM, 0, 0);
	CASE(c.to_bytes--, KERNEL_BAD_RANGE, ROW_COPY_TO, 0, 0);
	CASE(c.src_bytes--, KERNEL_BAD_RANGE, ROW_COPY_SRC, 3, 3);
	CASE(c.src_bytes = 23, KERNEL_BAD_RANGE, ROW_COPY_SRC, 0, 0);
	CASE(c.src_bytes = 0, KERNEL_BAD_RANGE, ROW_COPY_SRC, 0, 0);
	CASE(c.from[2] = 10, KERNEL_BAD_RANGE, ROW_COPY_SRC, 2, 2);
	CASE(c.from[1] = 0xffffffff, KERNEL_BAD_RANGE, ROW_COPY_SRC, 1, 1);
	CASE(c.from[1] = 0x20000005, KERNEL_BAD_RANGE, ROW_COPY_SRC, 1, 1); /* would be 5 in 32 bits */
	CASE(c.to[2] = 10, KERNEL_BAD_RANGE, ROW_COPY_DST, 2, 2);
	CASE(c.to[0] = 0xffffffff, KERNEL_BAD_RANGE, ROW_COPY_DST, 0, 0);
	CASE(c.dst_bytes = 9 * 8 + 23, KERNEL_BAD_RANGE, ROW_COPY_DST, 2, 2);

	good_call(&c);
	for (int v = 0; v < 2; v++) {
		memset(c.status, 0, sizeof(c.status));
		versions[v](c.src, c.src_bytes, c.dst, c.dst_bytes, c.from, c.from_bytes, c.to, c.to_bytes, c.status, 15, c.rows, c.row_bytes, c.unit);
		ck_assert_uint_eq(c.status[0] | c.status[1] | c.status[2] | c.status[3], 0);
	}
	free_call(&c);
}
END_TEST

/* Both versions say and do the same, whatever they are given. */
START_TEST(hostile_calls)
{
	random_start();
	for (int round = 0; round < 20000; round++) {
		uint32_t *scalars[3], words[4];
		uint8_t *before, *after;
		struct call c;

		good_call(&c);
		scalars[0] = &c.rows;
		scalars[1] = &c.row_bytes;
		scalars[2] = &c.unit;
		if (random_below(3) == 0)
			*scalars[random_below(3)] = random_below(2) ? (uint32_t)random_u64() : random_below(30);
		while (random_below(3) == 0)
			(random_below(2) ? c.from : c.to)[random_below(4)] = random_below(2) ? (uint32_t)random_u64() : random_below(12);
		before = memcpy(malloc(c.dst_bytes), c.dst, c.dst_bytes);
		run(&c, row_copy_hls);
		memcpy(words, c.status, sizeof(words));
		after = memcpy(malloc(c.dst_bytes), c.dst, c.dst_bytes);
		memcpy(c.dst, before, c.dst_bytes);
		run(&c, row_copy_fast);
		EXPECT(!memcmp(words, c.status, sizeof(words)) && !memcmp(after, c.dst, c.dst_bytes), "SEED=%llu round %d: HLS says %u %u %u, fast %u %u %u", (unsigned long long)random_seed(), round,
		       words[0], words[1], words[2], c.status[0], c.status[1], c.status[2]);
		free(before);
		free(after);
		free_call(&c);
	}
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, random_rows);
	tcase_add_test(t, arguments);
	tcase_add_test(t, hostile_calls);
}

int main(void)
{
	return suite_main("row_copy", add_tests);
}
