// SPDX-License-Identifier: BSD-2-Clause
/*
 * The two kernels through the embedded card, on one core: command list, registers, worker process and all, with the data in card memory.
 * Results are held against the reference. Emulated: a figure of this machine's core, not of an FPGA.
 *
 *   bench_card
 *   bench_card --serve    for tests/store/bench/pooling.py: the seconds of a looked up row, for each format that it asks for
 */
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "../../kernels/conv2d/conv2d.h"
#include "../../kernels/embedding_bag/embedding_bag.h"
#include "../../kernels/reference/reference.h"
#include "../../runtime/libsmartssd.h"
#include "../../runtime/store/rowfmt.h"

static int runs = 10, rounds = 5;

struct buffer {
	struct smartssd_bo bo;
	void *map;
};

struct value {
	const char *name;
	uint32_t bo;
	uint64_t scalar;
};

static unsigned int seed = 1;

static unsigned int random32(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed ^ seed >> 15;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

static void fail(const char *what, const char *text)
{
	fprintf(stderr, "bench_card: %s: %s\n", what, text);
	exit(1);
}

static struct buffer buffer(struct smartssd_device *dev, uint64_t bytes)
{
	struct buffer b;

	if (smartssd_bo_create(dev, bytes, &b.bo) || smartssd_bo_map(dev, &b.bo, &b.map))
		fail("card memory", "not enough");
	return b;
}

/* Fill in the kernel's arguments by name: those missing in @values are 0. */
static uint32_t arguments(struct smartssd_device *dev, uint32_t cu, const struct value *values, struct smartssd_arg *args)
{
	struct smartssd_arg_info info;
	uint32_t i, n = 0;

	for (i = 0; !smartssd_arg_info(dev, cu, i, &info); i++) {
		const struct value *v = values;

		if (info.kind == SMARTSSD_ARG_BOUND)
			continue;
		while (v->name && strcmp(v->name, (const char *)info.name))
			v++;
		args[n++] = (struct smartssd_arg){ .index = i, .bo = v->name ? v->bo : 0, .value = v->name ? v->scalar : 0 };
	}
	return n;
}

/* Seconds of one run of each of the @tiles, best of so many rounds; so many runs of all of them are one submit on one CU. */
static double measure(struct smartssd_device *dev, const char *kernel, const struct value *const *values, uint32_t tiles)
{
	uint64_t mask = smartssd_find_kernel(dev, kernel);
	struct smartssd_arg args[2][SMARTSSD_MAX_ARGS];
	struct smartssd_outcome out;
	struct smartssd_error err;
	struct smartssd_list *list;
	double best = 1e9, start;
	uint32_t nr = 0, tile;
	int i;

	if (!mask || smartssd_list_create(&list))
		fail(kernel, "not in the xclbin");
	mask &= -mask; /* one CU */
	for (tile = 0; tile < tiles; tile++)
		nr = arguments(dev, __builtin_ctzll(mask), values[tile], args[tile]);
	for (i = 0; i < runs; i++)
		for (tile = 0; tile < tiles; tile++)
			if (smartssd_list_run(list, mask, args[tile], nr, 0) < 0)
				fail(kernel, "no memory");
	for (i = 0; i < rounds; i++) {
		start = now();
		if (smartssd_run_list(dev, list, &out, NULL, 0, &err))
			fail(kernel, err.text);
		start = now() - start;
		best = start < best ? start : best;
	}
	smartssd_list_destroy(list);
	return best / runs;
}

static void bench_conv2d(struct smartssd_device *dev)
{
	enum { C = 64, M = 64, H = 56, W = 56 };
	struct buffer x = buffer(dev, C * H * W), w = buffer(dev, M * C * 9), coef = buffer(dev, M * 12), y = buffer(dev, M * H * W),
		      status = buffer(dev, 64);
	/* two tiles: one does not fit the on-chip accumulators */
	struct value values[] = {
		{ "x", x.bo.bo, 0 }, { "w", w.bo.bo, 0 }, { "coef", coef.bo.bo, 0 }, { "y", y.bo.bo, 0 }, { "status", status.bo.bo, 0 },
		{ "filters", 0, M }, { "group_filters", 0, M }, { "channels", 0, C }, { "in_h", 0, H }, { "in_w", 0, W },
		{ "band_rows", 0, H }, { "kernel_h", 0, 3 }, { "kernel_w", 0, 3 }, { "stride", 0, 1 | 1 << 16 }, { "dilation", 0, 1 | 1 << 16 },
		{ "pad_top", 0, 1 }, { "pad_left", 0, 1 }, { "out_w", 0, W }, { "out_row", 0, 0 }, { "out_rows", 0, H / 2 }, { "out_cols", 0, W },
		{ "x_pitch", 0, H * W }, { "y_pitch", 0, H * W }, { "x_zero", 0, 3 }, { "y_zero", 0, 5 },
		{ "flags", 0, CONV2D_X_SIGNED | CONV2D_W_SIGNED | CONV2D_Y_SIGNED }, { "clip_lo", 0, (uint32_t)-128 }, { "clip_hi", 0, 127 },
		{ NULL, 0, 0 },
	};
	struct value second[sizeof(values) / sizeof(values[0])];
	const struct value *const tiles[] = { values, second };
	int32_t *c = coef.map, bias[M], zero = 0;
	float scale[M];
	static int8_t want[M * H * W];
	struct ref_conv2d layer = {
		.images = 1, .channels = C, .in_h = H, .in_w = W, .filters = M, .kernel_h = 3, .kernel_w = 3, .stride = { 1, 1 },
		.pad = { 1, 1, 1, 1 }, .dilation = { 1, 1 }, .group = 1,
		.x_signed = 1, .w_signed = 1, .y_signed = 1, .x_zero = 3, .y_zero = 5, .x_scale = 1, .y_scale = 1, .w_scale = scale,
		.w_scales = M, .w_zero = &zero, .w_zeros = 1, .bias = bias, .clip = { -128, 127 },
	};
	double t;
	int i;

	for (i = 0; i < C * H * W; i++)
		((int8_t *)x.map)[i] = random32();
	for (i = 0; i < M * C * 9; i++)
		((int8_t *)w.map)[i] = random32();
	for (i = 0; i < M; i++) {
		bias[i] = (int32_t)(random32() % 20001) - 10000;
		scale[i] = 1e-4f + i * 1e-6f;
		c[i * CONV2D_COEF_WORDS + CONV2D_COEF_BIAS] = bias[i];
		memcpy(&c[i * CONV2D_COEF_WORDS + CONV2D_COEF_MULT], &scale[i], 4);
	}
	memcpy(second, values, sizeof(second));
	for (i = 0; second[i].name; i++) {
		if (!strcmp(second[i].name, "out_row"))
			second[i].scalar = H / 2;
		if (!strcmp(second[i].name, "y"))
			second[i].scalar = H / 2 * W;
	}
	t = measure(dev, "conv2d", tiles, 2);
	if (((uint32_t *)status.map)[0] != KERNEL_OK)
		fail("conv2d", "did not run");
	if (ref_conv2d(&layer, x.map, w.map, want) || memcmp(want, y.map, sizeof(want)))
		fail("conv2d", "differs from the reference");
	printf("conv2d 3x3 64->64 56x56 through the embedded card, one core: %.1f GMAC/s, bit-exact (wanted: 30)\n",
	       (double)M * C * 9 * H * W / t * 1e-9);
}

/* ---- lookups of a table of 1M x 64, pooling 80 ---- */

enum { ROWS = 1 << 20, DIM = 64, POOL = 80, BAGS = 8192 };

static const struct row_format {
	const char *name;
	uint32_t format, bytes; /* EMB_* and REF_* are the same; of a row */
} row_formats[] = { { "fp32", EMB_FP32, DIM * 4 }, { "int8-rowwise", EMB_INT8, DIM + 8 }, { "int4-rowwise", EMB_INT4, DIM / 2 + 4 } };

struct lookups {
	const struct row_format *format;
	struct buffer table, index, offset, y, status;
	int64_t indices[BAGS * POOL], offsets[BAGS + 1];
};

static struct lookups *make_lookups(struct smartssd_device *dev, const struct row_format *format)
{
	struct lookups *l = malloc(sizeof(*l));
	float row[DIM];
	uint64_t bad;
	long i, k;

	if (!l)
		fail("embedding_bag", "no memory");
	*l = (struct lookups){ .format = format, .table = buffer(dev, (uint64_t)ROWS * format->bytes), .index = buffer(dev, BAGS * POOL * 4), .offset = buffer(dev, (BAGS + 1) * 4),
			       .y = buffer(dev, BAGS * DIM * 4), .status = buffer(dev, 64) };
	for (i = 0; i < ROWS; i++) {
		for (k = 0; k < DIM; k++)
			row[k] = (random32() % 2001) / 1000.0f - 1;
		if (rowfmt_encode(format->format, DIM, row, 1, (char *)l->table.map + i * format->bytes, &bad))
			fail(format->name, "cannot be made");
	}
	for (i = 0; i < BAGS * POOL; i++)
		l->indices[i] = ((uint32_t *)l->index.map)[i] = random32() % ROWS;
	for (i = 0; i <= BAGS; i++)
		l->offsets[i] = ((uint32_t *)l->offset.map)[i] = i * POOL;
	return l;
}

/* Seconds of pooling all bags once. */
static double measure_lookups(struct smartssd_device *dev, const struct lookups *l)
{
	const struct value values[] = {
		{ "table", l->table.bo.bo, 0 }, { "index", l->index.bo.bo, 0 }, { "offset", l->offset.bo.bo, 0 }, { "weight", l->offset.bo.bo, 0 },
		{ "y", l->y.bo.bo, 0 }, { "status", l->status.bo.bo, 0 }, { "format", 0, l->format->format }, { "dim", 0, DIM }, { "row_pitch", 0, l->format->bytes },
		{ "rows", 0, ROWS }, { "bags", 0, BAGS }, { "lookups", 0, BAGS * POOL }, { "mode", 0, EMB_SUM }, { NULL, 0, 0 },
	};

	return measure(dev, "embedding_bag", (const struct value *const[]){ values }, 1);
}

static void check_lookups(const struct lookups *l)
{
	static double want[BAGS * DIM], bound[BAGS * DIM];
	struct ref_embedding_bag op = { .table = l->table.map, .format = l->format->format, .dim = DIM, .rows = ROWS, .row_pitch = l->format->bytes,
					.indices = l->indices, .offsets = l->offsets, .bags = BAGS };

	if (((uint32_t *)l->status.map)[0] != KERNEL_OK || ref_embedding_bag(&op, want, bound) >= 0)
		fail("embedding_bag", "did not run");
	for (long i = 0; i < BAGS * DIM; i++)
		if (!(fabs(((float *)l->y.map)[i] - want[i]) <= bound[i]))
			fail("embedding_bag", "leaves the bound");
}

static void bench_lookup(struct smartssd_device *dev)
{
	struct lookups *l = make_lookups(dev, &row_formats[0]);
	double t = measure_lookups(dev, l);

	check_lookups(l);
	printf("lookup of a 1M x 64 fp32 table in card memory, pooling 80, through the embedded card, one core: %.1f M rows/s (wanted: 20)\n",
	       BAGS * POOL / t * 1e-6);
}

/* "fp32" etc. on stdin, on stdout the seconds of a row; the first time, what came out is checked. */
static void serve(struct smartssd_device *dev)
{
	static struct lookups *known[sizeof(row_formats) / sizeof(row_formats[0])];
	char name[40];
	size_t i;

	printf("%d %d %d %d\n", ROWS, DIM, POOL, BAGS);
	fflush(stdout);
	while (scanf("%39s", name) == 1) {
		for (i = 0; i < sizeof(known) / sizeof(known[0]) && strcmp(name, row_formats[i].name); i++)
			;
		if (i == sizeof(known) / sizeof(known[0]))
			fail(name, "no such format");
		if (!known[i]) {
			known[i] = make_lookups(dev, &row_formats[i]);
			measure_lookups(dev, known[i]);
			check_lookups(known[i]);
		}
		printf("%.6e\n", measure_lookups(dev, known[i]) / (BAGS * POOL));
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	int serving = argc > 1 && !strcmp(argv[1], "--serve");
	struct smartssd_error err = { "" };
	struct smartssd_device *dev;
	char path[4096];
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	if (smartssd_open(serving ? "emu:ddr=1G" : "emu:ddr=512M", &dev, &err))
		fail("open", err.text);
	if (smartssd_find_file("kernels.xclbin", path, sizeof(path)) || smartssd_xclbin_load_file(dev, path, &err))
		fail("kernels.xclbin (SMARTSSD_LIBDIR says where)", err.text);
	if (serving) {
		rounds = 1;
		runs = 2;
		serve(dev);
	} else {
		bench_conv2d(dev);
		bench_lookup(dev);
	}
	smartssd_close(dev);
	return 0;
}
