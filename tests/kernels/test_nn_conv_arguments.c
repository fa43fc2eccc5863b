// SPDX-License-Identifier: BSD-2-Clause
/*
 * nn_conv with bad arguments: each check alone, the rest of the call perfect; then random ones, hostile ones included. Buffers have exactly the size
 * that the kernel is told, so that under the address sanitizer an access outside of them ends the test.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "nn_case.h"
#include "nn_conv_case.h"
#include "random.h"
#include "suite.h"

/* In new memory of exactly the right sizes; @fill: what is in x, w and r. */
static void give_buffers(struct nn_conv_call *c, uint8_t fill)
{
	c->x = malloc(c->x_bytes);
	c->w = malloc(c->w_bytes);
	c->r = malloc(c->r_bytes);
	c->y = malloc(c->y_bytes);
	c->coef = malloc(c->coef_bytes);
	c->status = malloc(c->status_bytes);
	memset(c->x, fill, c->x_bytes);
	memset(c->w, fill + 1, c->w_bytes);
	memset(c->r, fill + 2, c->r_bytes);
	memset(c->y, 0x77, c->y_bytes);
	memset(c->coef, 0, c->coef_bytes);
	memset(c->status, 0, c->status_bytes);
}

static void free_buffers(struct nn_conv_call *c)
{
	free(c->x);
	free(c->w);
	free(c->r);
	free(c->y);
	free(c->coef);
	free(c->status);
}

/* Two images of 7 x 9, two groups of 32 channels and 48 filters, 3x3, rows 1-3 of 7, a residual. Nothing is larger than it must be. */
static void good_call(struct nn_conv_call *c)
{
	memset(c, 0, sizeof(*c));
	c->a = (struct nn_conv_args){ .images = 2,
				      .in_h = 7,
				      .in_w = 9,
				      .channels = 32,
				      .x_pitch = 64,
				      .x_image = 63 * 64,
				      .groups = 2,
				      .filters = 48,
				      .kernel = NN_PAIR(3, 3),
				      .stride = NN_PAIR(1, 1),
				      .dilation = NN_PAIR(1, 1),
				      .pad = NN_PAIR(1, 1),
				      .out_h = 7,
				      .out_w = 9,
				      .y_pitch = 96,
				      .y_image = 63 * 96,
				      .x_zero = 3,
				      .zero = 5,
				      .clip = 2 | 250 << 8,
				      .r_pitch = 112,
				      .r_image = 63 * 112,
				      .r_zero = 7,
				      .v_mult = 0x3f000000,
				      .r_mult = 0x3f000000,
				      .sum_zero = 9,
				      .sum_clip = 255 << 8,
				      .first_row = 1,
				      .rows = 3,
				      .tile_rows = 2,
				      .tile_filters = 64,
				      .tile_channels = 16,
				      .flags = NN_CONV_RESIDUAL };
	c->x_bytes = 2 * 63 * 64;
	c->w_bytes = 2 * 48 * 32 * 9;
	c->coef_bytes = 2 * 48 * 8;
	c->r_bytes = 63 * 112 + 35 * 112 + 96;
	c->y_bytes = 63 * 96 + 36 * 96;
	c->status_bytes = 16;
}

/* The same without a residual, and with a pool of 3 x 3 / 2: rows 1-2 of 4. */
static void good_pool(struct nn_conv_call *c)
{
	good_call(c);
	c->a.flags = 0;
	c->a.pool = NN_PAIR(3, 3);
	c->a.pool_stride = NN_PAIR(2, 2);
	c->a.pool_pad = NN_PAIR(1, 1);
	c->a.pool_out_h = 4;
	c->a.pool_out_w = 5;
	c->a.y_image = 20 * 96;
	c->a.rows = 2;
	c->y_bytes = 20 * 96 + 15 * 96;
	c->r_bytes = 0;
}

/* What each kernel says to a call; and that nothing of y is written when it refuses. */
static void expect(struct nn_conv_call *c, uint32_t code, uint32_t detail, const char *what)
{
	static const struct {
		const char *name;
		nn_conv_fn *kernel;
	} versions[] = { { "HLS", nn_conv_hls }, { "portable", nn_conv_fast }, { "avx2", nn_conv_fast }, { "avx512", nn_conv_fast } };

	for (int v = 0; v < 4; v++) {
		size_t written = 0;

		give_buffers(c, 9);
		setenv("SMARTSSD_SIMD", versions[v].name, 1);
		nn_conv_call(c, versions[v].kernel);
		for (size_t i = 0; i < c->y_bytes; i++)
			written += c->y[i] != 0x77;
		EXPECT(c->status[0] == code && c->status[1] == detail && !c->status[2] && !c->status[3], "%s, %s: status %u %u, wanted %u %u", what,
		       versions[v].name, c->status[0], c->status[1], code, detail);
		EXPECT((code == KERNEL_OK) == (written > 0), "%s, %s: %zu bytes of y written", what, versions[v].name, written);
		free_buffers(c);
	}
}

START_TEST(accepted)
{
	struct nn_conv_call c;

	good_call(&c);
	expect(&c, KERNEL_OK, 0, "good call");
	good_pool(&c);
	expect(&c, KERNEL_OK, 0, "good call with a pool");
	/* What is not used is not looked at. */
	good_call(&c);
	c.a.flags = NN_CONV_W_STATIONARY;
	c.a.r_pitch = c.a.r_image = c.a.r_zero = c.a.sum_zero = c.a.sum_clip = 0xffffffff;
	c.a.pool_stride = c.a.pool_out_h = c.a.pool_out_w = 0;
	c.a.pool_pad = 0xffffffff;
	c.r_bytes = 0;
	expect(&c, KERNEL_OK, 0, "no residual, no pool");
	c.a.tile_rows = c.a.rows + 5;
	c.a.tile_filters = 128;
	c.a.tile_channels = 32;
	expect(&c, KERNEL_OK, 0, "a tile beyond the layer");
}
END_TEST

#define MEMBER(name) (uint32_t)(offsetof(struct nn_conv_args, name) / 4)

static const struct {
	const char *what;
	uint32_t pool, member, value, check;
} wrong[] = {
	{ "unknown flag", 0, MEMBER(flags), 4 | NN_CONV_RESIDUAL, NN_CONV_CHECK_FLAGS },
	{ "residual and pool", 1, MEMBER(flags), NN_CONV_RESIDUAL, NN_CONV_CHECK_FLAGS },
	{ "no channels", 0, MEMBER(channels), 0, NN_CONV_CHECK_TERMS },
	{ "channels that are not whole words", 0, MEMBER(channels), 24, NN_CONV_CHECK_TERMS },
	{ "too many terms", 0, MEMBER(channels), 3648, NN_CONV_CHECK_TERMS },
	{ "terms beyond 32 bits", 0, MEMBER(channels), 0xfffffff0, NN_CONV_CHECK_TERMS },
	{ "no kernel rows", 0, MEMBER(kernel), NN_PAIR(0, 3), NN_CONV_CHECK_TERMS },
	{ "no kernel columns", 0, MEMBER(kernel), NN_PAIR(3, 0), NN_CONV_CHECK_TERMS },
	{ "kernel beyond 32 bits", 0, MEMBER(kernel), 0xffffffff, NN_CONV_CHECK_TERMS },
	{ "no groups", 0, MEMBER(groups), 0, NN_CONV_CHECK_FILTERS },
	{ "no filters", 0, MEMBER(filters), 0, NN_CONV_CHECK_FILTERS },
	{ "filters that are not whole blocks", 0, MEMBER(filters), 40, NN_CONV_CHECK_FILTERS },
	{ "vertical stride 0", 0, MEMBER(stride), NN_PAIR(0, 1), NN_CONV_CHECK_STEP },
	{ "horizontal stride 0", 0, MEMBER(stride), NN_PAIR(1, 0), NN_CONV_CHECK_STEP },
	{ "vertical dilation 0", 0, MEMBER(dilation), NN_PAIR(0, 1), NN_CONV_CHECK_STEP },
	{ "horizontal dilation 0", 0, MEMBER(dilation), NN_PAIR(1, 0), NN_CONV_CHECK_STEP },
	{ "no images", 0, MEMBER(images), 0, NN_CONV_CHECK_IMAGE },
	{ "no image rows", 0, MEMBER(in_h), 0, NN_CONV_CHECK_IMAGE },
	{ "no image columns", 0, MEMBER(in_w), 0, NN_CONV_CHECK_IMAGE },
	{ "no output rows", 0, MEMBER(out_h), 0, NN_CONV_CHECK_IMAGE },
	{ "no output columns", 0, MEMBER(out_w), 0, NN_CONV_CHECK_IMAGE },
	{ "no pool rows", 1, MEMBER(pool), NN_PAIR(0, 3), NN_CONV_CHECK_POOL },
	{ "no pool columns", 1, MEMBER(pool), NN_PAIR(3, 0), NN_CONV_CHECK_POOL },
	{ "vertical pool stride 0", 1, MEMBER(pool_stride), NN_PAIR(0, 2), NN_CONV_CHECK_POOL },
	{ "horizontal pool stride 0", 1, MEMBER(pool_stride), NN_PAIR(2, 0), NN_CONV_CHECK_POOL },
	{ "a first pool row of padding", 1, MEMBER(pool_pad), NN_PAIR(3, 1), NN_CONV_CHECK_POOL },
	{ "a first pool column of padding", 1, MEMBER(pool_pad), NN_PAIR(1, 3), NN_CONV_CHECK_POOL },
	{ "a last pool row of padding", 1, MEMBER(pool_out_h), 5, NN_CONV_CHECK_POOL },
	{ "a last pool column of padding", 1, MEMBER(pool_out_w), 6, NN_CONV_CHECK_POOL },
	{ "no pooled rows", 1, MEMBER(pool_out_h), 0, NN_CONV_CHECK_POOL },
	{ "no pooled columns", 1, MEMBER(pool_out_w), 0, NN_CONV_CHECK_POOL },
	{ "pooled rows beyond 32 bits", 1, MEMBER(pool_out_h), 0xffffffff, NN_CONV_CHECK_POOL },
	{ "no rows", 0, MEMBER(rows), 0, NN_CONV_CHECK_ROWS },
	{ "rows beyond the output", 0, MEMBER(first_row), 5, NN_CONV_CHECK_ROWS },
	{ "rows beyond 32 bits", 0, MEMBER(first_row), 0xffffffff, NN_CONV_CHECK_ROWS },
	{ "pooled rows beyond the output", 1, MEMBER(rows), 4, NN_CONV_CHECK_ROWS },
	{ "x_pitch below the channels", 0, MEMBER(x_pitch), 48, NN_CONV_CHECK_X_PITCH },
	{ "x_pitch of no whole words", 0, MEMBER(x_pitch), 63, NN_CONV_CHECK_X_PITCH },
	{ "x_pitch beyond the image", 0, MEMBER(x_pitch), 80, NN_CONV_CHECK_X_PITCH },
	{ "x_image too small", 0, MEMBER(x_image), 63 * 64 - 16, NN_CONV_CHECK_X_PITCH },
	{ "x_image of no whole words", 0, MEMBER(x_image), 63 * 64 + 8, NN_CONV_CHECK_X_PITCH },
	{ "more rows than x_image has", 0, MEMBER(in_h), 8, NN_CONV_CHECK_X_PITCH },
	{ "x of 2^64 bytes", 0, MEMBER(in_w), 0xffffffff, NN_CONV_CHECK_X_PITCH },
	{ "groups beyond 32 bits", 0, MEMBER(groups), 0x08000001, NN_CONV_CHECK_X_PITCH },
	{ "y_pitch below the filters", 0, MEMBER(y_pitch), 80, NN_CONV_CHECK_Y_PITCH },
	{ "y_pitch of no whole words", 0, MEMBER(y_pitch), 95, NN_CONV_CHECK_Y_PITCH },
	{ "y_image too small", 0, MEMBER(y_image), 63 * 96 - 16, NN_CONV_CHECK_Y_PITCH },
	{ "y_image of no whole words", 0, MEMBER(y_image), 63 * 96 + 8, NN_CONV_CHECK_Y_PITCH },
	{ "filters beyond y_pitch", 0, MEMBER(filters), 64, NN_CONV_CHECK_Y_PITCH },
	{ "filters beyond 32 bits", 0, MEMBER(filters), 0x80000010, NN_CONV_CHECK_Y_PITCH },
	{ "more rows than y_image has", 0, MEMBER(out_h), 8, NN_CONV_CHECK_Y_PITCH },
	{ "pooled y_image too small", 1, MEMBER(y_image), 20 * 96 - 16, NN_CONV_CHECK_Y_PITCH },
	{ "r_pitch below the filters", 0, MEMBER(r_pitch), 80, NN_CONV_CHECK_R_PITCH },
	{ "r_pitch of no whole words", 0, MEMBER(r_pitch), 111, NN_CONV_CHECK_R_PITCH },
	{ "r_image too small", 0, MEMBER(r_image), 63 * 112 - 16, NN_CONV_CHECK_R_PITCH },
	{ "r_image of no whole words", 0, MEMBER(r_image), 63 * 112 + 8, NN_CONV_CHECK_R_PITCH },
	{ "x_zero", 0, MEMBER(x_zero), 256, NN_CONV_CHECK_NUMBERS },
	{ "zero", 0, MEMBER(zero), 256, NN_CONV_CHECK_NUMBERS },
	{ "clip beyond bytes", 0, MEMBER(clip), 0x10000 | 250 << 8, NN_CONV_CHECK_NUMBERS },
	{ "clip upside down", 0, MEMBER(clip), 251 | 250 << 8, NN_CONV_CHECK_NUMBERS },
	{ "r_zero", 0, MEMBER(r_zero), 256, NN_CONV_CHECK_NUMBERS },
	{ "sum_zero", 0, MEMBER(sum_zero), 256, NN_CONV_CHECK_NUMBERS },
	{ "sum_clip beyond bytes", 0, MEMBER(sum_clip), 0xffffffff, NN_CONV_CHECK_NUMBERS },
	{ "sum_clip upside down", 0, MEMBER(sum_clip), 1, NN_CONV_CHECK_NUMBERS },
	{ "no tile rows", 0, MEMBER(tile_rows), 0, NN_CONV_CHECK_TILE },
	{ "no tile filters", 0, MEMBER(tile_filters), 0, NN_CONV_CHECK_TILE },
	{ "tile filters of no whole blocks", 0, MEMBER(tile_filters), 48, NN_CONV_CHECK_TILE },
	{ "no tile channels", 0, MEMBER(tile_channels), 0, NN_CONV_CHECK_TILE },
	{ "tile channels of no whole words", 0, MEMBER(tile_channels), 24, NN_CONV_CHECK_TILE },
	{ "tile channels beyond the layer's", 0, MEMBER(tile_channels), 48, NN_CONV_CHECK_TILE },
	{ "w tile too large", 0, MEMBER(tile_filters), 1824, NN_CONV_CHECK_W_TILE },
	{ "w tile beyond 32 bits", 0, MEMBER(tile_filters), 0xffffffe0, NN_CONV_CHECK_W_TILE },
};

START_TEST(bad_shape)
{
	struct nn_conv_call c;

	if (wrong[_i].pool)
		good_pool(&c);
	else
		good_call(&c);
	c.scalar[wrong[_i].member] = wrong[_i].value;
	expect(&c, KERNEL_BAD_SHAPE, wrong[_i].check, wrong[_i].what);
}
END_TEST

/* A 1x1 layer of @rows x @cols pixels, computed at @out_cols of each row's columns, in one tile. */
static void large_call(struct nn_conv_call *c, uint32_t rows, uint32_t cols, uint32_t out_cols, uint32_t channels, uint32_t filters)
{
	memset(c, 0, sizeof(*c));
	c->a = (struct nn_conv_args){ .images = 1,
				      .in_h = rows,
				      .in_w = cols,
				      .channels = channels,
				      .x_pitch = channels,
				      .x_image = rows * cols * channels,
				      .groups = 1,
				      .filters = filters,
				      .kernel = NN_PAIR(1, 1),
				      .stride = NN_PAIR(1, cols / out_cols),
				      .dilation = NN_PAIR(1, 1),
				      .out_h = rows,
				      .out_w = out_cols,
				      .y_pitch = filters,
				      .y_image = rows * out_cols * filters,
				      .clip = 255 << 8,
				      .rows = rows,
				      .tile_rows = rows,
				      .tile_filters = (filters + 31) / 32 * 32,
				      .tile_channels = channels };
	c->x_bytes = (uint64_t)rows * cols * channels;
	c->w_bytes = channels * filters;
	c->coef_bytes = filters * 8;
	c->y_bytes = (uint64_t)rows * out_cols * filters;
	c->status_bytes = 16;
}

START_TEST(bad_tile)
{
	struct nn_conv_call c;

	/* What the x tile must hold does not depend on how many columns are computed from it: one. */
	large_call(&c, 256, 224, 1, 16, 16); /* 57,344 words */
	expect(&c, KERNEL_OK, 0, "x tile full");
	large_call(&c, 257, 224, 1, 16, 16);
	expect(&c, KERNEL_BAD_SHAPE, NN_CONV_CHECK_X_TILE, "x tile too large");
	c.a.tile_rows = 256;
	expect(&c, KERNEL_OK, 0, "cut into two");
	large_call(&c, 1, 112, 1, 8000, 16); /* 16 pixels of 500 words in each bank */
	expect(&c, KERNEL_OK, 0, "long pixels");
	large_call(&c, 1, 114, 1, 8000, 16); /* 57,000 words, but 17 pixels in some banks */
	expect(&c, KERNEL_BAD_SHAPE, NN_CONV_CHECK_X_TILE, "banks too short");
	large_call(&c, 257, 223, 1, 16, 16);
	expect(&c, KERNEL_OK, 0, "57,311 words");
	large_call(&c, 241, 238, 1, 16, 16); /* 57,358 words */
	expect(&c, KERNEL_BAD_SHAPE, NN_CONV_CHECK_X_TILE, "57,358 words");
	/* A tile that does not begin at the border needs a row more than those that do. */
	large_call(&c, 512, 112, 1, 16, 16);
	c.w_bytes *= 3;
	c.a.kernel = NN_PAIR(3, 1);
	c.a.pad = NN_PAIR(1, 0);
	c.a.tile_rows = 511;
	expect(&c, KERNEL_OK, 0, "512 rows for 511 and for the last one");
	c.a.out_h = 514; /* one row of padding more at the bottom, and two rows more */
	c.a.rows = 514;
	c.a.y_image = 514 * 16;
	c.y_bytes = c.a.y_image;
	expect(&c, KERNEL_OK, 0, "512 rows again");
	large_call(&c, 1024, 56, 56, 32, 16);
	expect(&c, KERNEL_BAD_SHAPE, NN_CONV_CHECK_X_TILE, "twice too large");
	c.a.tile_channels = 16;
	expect(&c, KERNEL_BAD_SHAPE, NN_CONV_CHECK_ACC, "half of the channels, but too many sums");

	large_call(&c, 64, 56, 56, 32, 32);
	c.a.tile_channels = 16;
	c.a.tile_rows = NN_CONV_ACC_GROUPS / ((56 + NN_PIXELS - 1) / NN_PIXELS);
	expect(&c, KERNEL_OK, 0, "partial sums full");
	large_call(&c, 64 + 1, 56, 56, 32, 32);
	c.a.tile_channels = 16;
	c.a.tile_rows = NN_CONV_ACC_GROUPS / ((56 + NN_PIXELS - 1) / NN_PIXELS) + 1;
	expect(&c, KERNEL_BAD_SHAPE, NN_CONV_CHECK_ACC, "too many partial sums");
	c.a.tile_channels = 32;
	expect(&c, KERNEL_OK, 0, "no partial sums");

	large_call(&c, 64, 64, 64, 16, 32);
	c.a.pool = c.a.pool_stride = NN_PAIR(2, 2);
	c.a.pool_out_h = c.a.pool_out_w = c.a.rows = c.a.tile_rows = 32;
	expect(&c, KERNEL_OK, 0, "pool rows full");
	large_call(&c, 65, 64, 64, 16, 32);
	c.a.pool = NN_PAIR(3, 2);
	c.a.pool_stride = NN_PAIR(2, 2);
	c.a.pool_out_h = c.a.pool_out_w = c.a.rows = c.a.tile_rows = 32;
	expect(&c, KERNEL_BAD_SHAPE, NN_CONV_CHECK_POOL_ROW, "too many rows for the pool");
	c.a.tile_rows = 16;
	expect(&c, KERNEL_OK, 0, "pool in two parts");
}
END_TEST

START_TEST(bad_range)
{
	static const size_t sizes[] = { offsetof(struct nn_conv_call, x_bytes), offsetof(struct nn_conv_call, w_bytes),
					offsetof(struct nn_conv_call, coef_bytes), offsetof(struct nn_conv_call, r_bytes),
					offsetof(struct nn_conv_call, y_bytes) };
	struct nn_conv_call c;

	for (uint32_t i = 0; i < 5; i++) {
		good_call(&c);
		*(uint64_t *)(void *)((char *)&c + sizes[i]) -= 1;
		expect(&c, KERNEL_BAD_RANGE, i, "a byte too few");
	}
	good_pool(&c);
	c.y_bytes--;
	expect(&c, KERNEL_BAD_RANGE, NN_CONV_BUFFER_Y, "a byte too few behind a pool");
	good_call(&c);
	c.a.images = 0xffffffff;
	c.a.x_image = 0xfffffff0;
	expect(&c, KERNEL_BAD_RANGE, NN_CONV_BUFFER_X, "images beyond 64 bits, nearly");
	good_call(&c);
	c.a.y_image = 0xfffffff0;
	expect(&c, KERNEL_BAD_RANGE, NN_CONV_BUFFER_Y, "y's second image far away");
	good_call(&c);
	c.a.r_image = 0xfffffff0;
	expect(&c, KERNEL_BAD_RANGE, NN_CONV_BUFFER_R, "r's second image far away");
}
END_TEST

/* Without room for the status nothing is written at all. */
START_TEST(no_status)
{
	nn_conv_fn *kernels[] = { nn_conv_hls, nn_conv_fast };

	for (int k = 0; k < 2; k++) {
		struct nn_conv_call c;

		good_call(&c);
		c.status_bytes = 15;
		give_buffers(&c, 1);
		nn_conv_call(&c, kernels[k]);
		for (int i = 0; i < 15; i++)
			ck_assert_int_eq(((uint8_t *)c.status)[i], 0);
		for (size_t i = 0; i < c.y_bytes; i++)
			ck_assert_int_eq(c.y[i], 0x77);
		free_buffers(&c);
	}
}
END_TEST

/* So that a lawful but huge run does not take minutes. */
static double work(const struct nn_conv_args *a)
{
	double taps = (double)(a->kernel & 0xffff) * (a->kernel >> 16);
	double pixels = a->pool ? (double)a->pool_out_h * a->pool_out_w * (a->pool & 0xffff) * (a->pool >> 16) +
					  (double)(a->rows * (double)(a->pool_stride & 0xffff) + (a->pool & 0xffff)) * a->out_w
				: (double)a->rows * a->out_w;

	return (double)a->images * a->groups * a->filters * pixels * a->channels * taps;
}

/* One row, one group, one block of filters of a good call. */
static void make_small(struct nn_conv_call *c)
{
	uint32_t pixels = 2 * (c->a.pool ? c->a.pool_out_w : c->a.out_w);

	c->a.groups = 1;
	c->a.filters = 16;
	c->a.rows = 1;
	c->w_bytes = 16 * 32 * 9;
	c->coef_bytes = 16 * 8;
	c->r_bytes = c->a.pool ? 0 : c->a.r_image + (pixels - 1) * c->a.r_pitch + 16;
	c->y_bytes = c->a.y_image + (pixels - 1) * c->a.y_pitch + 16;
}

START_TEST(hostile_calls)
{
	static const char *const sets[] = { "portable", "avx2", "avx512" };
	uint32_t seen[5] = { 0 };
#ifdef __SANITIZE_ADDRESS__
	int rounds = 5000;
#else
	int rounds = 25000;
#endif

	random_start();
	for (int i = 0; i < rounds; i++) {
		uint32_t changes = random_below(20) ? random_below(5) : NN_CONV_SCALARS, words[4];
		struct nn_conv_call c;
		uint8_t *y;

		if (random_below(3))
			good_call(&c);
		else
			good_pool(&c);
		c.a.images = 1 + random_below(2);
		if (random_below(40)) /* else all of it, which takes 20 times as long */
			make_small(&c);
		for (uint32_t k = 0; k < changes; k++)
			c.scalar[changes == NN_CONV_SCALARS ? k : random_below(NN_CONV_SCALARS)] = random_hostile();
		if (random_below(2)) { /* room for shapes that the changes made larger */
			c.x_bytes += random_below(9000);
			c.w_bytes += random_below(9000);
			c.coef_bytes += random_below(900) * 4;
			c.r_bytes += random_below(9000);
			c.y_bytes += random_below(9000);
		} else if (random_below(10) == 0) { /* or too little */
			c.x_bytes -= random_below(2);
			c.w_bytes -= random_below(2);
			c.coef_bytes -= random_below(2) * 4;
			c.y_bytes -= random_below(2);
		}
		if (work(&c.a) > 1e6) {
			struct nn_conv_args a = c.a;
			uint32_t detail;

			/* Only said what it would be, unless it is lawful. */
			if (nn_conv_check(&a, c.x_bytes, c.w_bytes, c.coef_bytes, c.r_bytes, c.y_bytes, &detail) == KERNEL_OK)
				continue;
		}
		give_buffers(&c, (uint8_t)i);
		for (size_t k = 0; k < c.coef_bytes / 4; k++)
			c.coef[k] = random_below(4) ? random_below(128) : random_below(40) ? 0x39000000 : (uint32_t)random_u64();
		setenv("SMARTSSD_SIMD", sets[random_below(3)], 1);
		nn_conv_call(&c, nn_conv_hls);
		memcpy(words, c.status, 16);
		y = malloc(c.y_bytes);
		memcpy(y, c.y, c.y_bytes);
		memset(c.y, 0x77, c.y_bytes);
		nn_conv_call(&c, nn_conv_fast);
		EXPECT(!memcmp(words, c.status, 16), "SEED=%llu round %d: HLS says %u %u, fast %u %u", (unsigned long long)random_seed(), i, words[0],
		       words[1], c.status[0], c.status[1]);
		EXPECT(!memcmp(y, c.y, c.y_bytes), "SEED=%llu round %d: y differs", (unsigned long long)random_seed(), i);
		EXPECT(words[0] >= KERNEL_OK && words[0] <= KERNEL_BAD_RANGE, "status %u", words[0]);
		seen[words[0]]++;
		free(y);
		free_buffers(&c);
	}
	/* The generator must reach all of it. */
	EXPECT(seen[KERNEL_OK] > 100 && seen[KERNEL_BAD_SHAPE] > 100 && seen[KERNEL_BAD_RANGE] > 100, "ok %u shape %u range %u", seen[KERNEL_OK],
	       seen[KERNEL_BAD_SHAPE], seen[KERNEL_BAD_RANGE]);
}
END_TEST

static void add(TCase *t)
{
	tcase_add_test(t, accepted);
	tcase_add_loop_test(t, bad_shape, 0, sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(t, bad_tile);
	tcase_add_test(t, bad_range);
	tcase_add_test(t, no_status);
	tcase_add_test(t, hostile_calls);
}

int main(void)
{
	return suite_main("nn_conv arguments", add);
}
