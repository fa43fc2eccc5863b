// SPDX-License-Identifier: BSD-2-Clause
/*
 * conv2d with bad arguments: each check alone, the rest of the call perfect; then random ones, hostile ones included.
 * Buffers have exactly the size that the kernel is told, so that under the address sanitizer an access outside of them ends
 * the test.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "conv2d_case.h"
#include "random.h"
#include "suite.h"

#define SCALARS 29 /* struct conv2d_tile starts with the kernel's scalar arguments */
_Static_assert(offsetof(struct conv2d_tile, clip_hi) == (SCALARS - 1) * 4, "the scalars of struct conv2d_tile");

struct call {
	union {
		struct conv2d_tile t;
		uint32_t scalar[SCALARS];
	};
	uint8_t *x, *w, *y;
	int32_t *coef;
	uint32_t *status;
	uint64_t x_bytes, w_bytes, coef_bytes, y_bytes, status_bytes;
};

static void run(struct call *c, conv2d_fn *kernel)
{
	const struct conv2d_tile *t = &c->t;

	kernel(c->x, c->x_bytes, c->w, c->w_bytes, c->coef, c->coef_bytes, c->y, c->y_bytes, c->status, c->status_bytes,
	       t->first_filter, t->filters, t->group_filters, t->channels, t->in_h, t->in_w, t->band_row, t->band_rows,
	       t->kernel_h, t->kernel_w, t->stride, t->dilation, t->pad_top, t->pad_left, t->out_w, t->out_row, t->out_rows,
	       t->out_col, t->out_cols, t->x_pitch, t->x_stride, t->x_skew, t->x_mask, t->y_pitch, t->x_zero, t->y_zero,
	       t->flags, t->clip_lo, t->clip_hi);
}

/* The buffers of a call in new memory of exactly their sizes, so that one byte too far is seen; @fill: what is in x and w. */
static void give_buffers(struct call *c, uint8_t fill)
{
	c->x = malloc(c->x_bytes);
	c->w = malloc(c->w_bytes);
	c->y = malloc(c->y_bytes);
	c->coef = malloc(c->coef_bytes);
	c->status = malloc(c->status_bytes);
	memset(c->x, fill, c->x_bytes);
	memset(c->w, fill + 1, c->w_bytes);
	memset(c->y, 0x77, c->y_bytes);
	memset(c->coef, 0, c->coef_bytes);
	memset(c->status, 0, c->status_bytes);
}

static void free_buffers(struct call *c)
{
	free(c->x);
	free(c->w);
	free(c->y);
	free(c->coef);
	free(c->status);
}

/* 6 of 8 filters in 2 groups of 4, 3 channels each, 3x3 on 7x9, output rows 1-3. Nothing is larger than it must be. */
static void good_call(struct call *c)
{
	memset(c, 0, sizeof(*c));
	c->t = (struct conv2d_tile){ .first_filter = 1,
				     .filters = 6,
				     .group_filters = 4,
				     .channels = 3,
				     .in_h = 7,
				     .in_w = 9,
				     .band_row = 0,
				     .band_rows = 5,
				     .kernel_h = 3,
				     .kernel_w = 3,
				     .stride = 1 | 1 << 16,
				     .dilation = 1 | 1 << 16,
				     .pad_top = 1,
				     .pad_left = 1,
				     .out_w = 9,
				     .out_row = 1,
				     .out_rows = 3,
				     .out_cols = 9,
				     .x_pitch = 45,
				     .y_pitch = 27,
				     .x_zero = 3,
				     .y_zero = -5,
				     .flags = CONV2D_W_SIGNED | CONV2D_Y_SIGNED,
				     .clip_lo = -128,
				     .clip_hi = 127 };
	c->x_bytes = 2 * 3 * 45;
	c->w_bytes = 6 * 3 * 9;
	c->coef_bytes = 6 * 12;
	c->y_bytes = 6 * 27;
	c->status_bytes = 16;
}

/* What each kernel says to a call; and that nothing of y is written when it refuses. */
static void expect(struct call *c, uint32_t code, uint32_t detail, uint32_t value, const char *what)
{
	static const struct {
		const char *name;
		conv2d_fn *kernel;
		const char *simd;
	} versions[] = { { "HLS", conv2d_hls, "avx2" },
			 { "portable", conv2d_fast, "portable" },
			 { "avx2", conv2d_fast, "avx2" } };

	for (int v = 0; v < 3; v++) {
		size_t written = 0;

		give_buffers(c, 9);
		if (code == KERNEL_BAD_SHAPE && detail == CONV2D_CHECK_W_ZERO)
			c->coef[value * CONV2D_COEF_WORDS + CONV2D_COEF_ZERO] = 128;
		setenv("SMARTSSD_SIMD", versions[v].simd, 1);
		run(c, versions[v].kernel);
		for (size_t i = 0; i < c->y_bytes; i++)
			written += c->y[i] != 0x77;
		EXPECT(c->status[0] == code && c->status[1] == detail && c->status[2] == value && !c->status[3],
		       "%s, %s: status %u %u %u, wanted %u %u %u", what, versions[v].name, c->status[0], c->status[1],
		       c->status[2], code, detail, value);
		EXPECT((code == KERNEL_OK) == (written > 0), "%s, %s: %zu bytes of y written", what, versions[v].name,
		       written);
		free_buffers(c);
	}
}

START_TEST(accepted)
{
	struct call c;

	good_call(&c);
	expect(&c, KERNEL_OK, 0, 0, "good call");
}
END_TEST

#define MEMBER(name) (uint32_t)(offsetof(struct conv2d_tile, name) / 4)

static const struct {
	const char *what;
	uint32_t member, value, check;
} wrong[] = {
	{ "no filters", MEMBER(filters), 0, CONV2D_CHECK_FILTERS },
	{ "too many filters", MEMBER(filters), CONV2D_FILTERS + 1, CONV2D_CHECK_FILTERS },
	{ "empty group", MEMBER(group_filters), 0, CONV2D_CHECK_FILTERS },
	{ "no channels", MEMBER(channels), 0, CONV2D_CHECK_TERMS },
	{ "too many terms", MEMBER(channels), CONV2D_MAX_TERMS / 9 + 1, CONV2D_CHECK_TERMS },
	{ "terms beyond 32 bits", MEMBER(channels), 0xffffffff, CONV2D_CHECK_TERMS },
	{ "no kernel rows", MEMBER(kernel_h), 0, CONV2D_CHECK_TERMS },
	{ "no kernel columns", MEMBER(kernel_w), 0, CONV2D_CHECK_TERMS },
	{ "vertical stride 0", MEMBER(stride), 1u << 16, CONV2D_CHECK_STEP },
	{ "horizontal stride 0", MEMBER(stride), 1, CONV2D_CHECK_STEP },
	{ "vertical dilation 0", MEMBER(dilation), 1u << 16, CONV2D_CHECK_STEP },
	{ "horizontal dilation 0", MEMBER(dilation), 1, CONV2D_CHECK_STEP },
	{ "no image rows", MEMBER(in_h), 0, CONV2D_CHECK_IMAGE },
	{ "no image columns", MEMBER(in_w), 0, CONV2D_CHECK_IMAGE },
	{ "band beyond the image", MEMBER(band_row), 3, CONV2D_CHECK_IMAGE },
	{ "band beyond 32 bits", MEMBER(band_rows), 0xffffffff, CONV2D_CHECK_IMAGE },
	{ "no output rows", MEMBER(out_rows), 0, CONV2D_CHECK_OUT },
	{ "no output columns", MEMBER(out_cols), 0, CONV2D_CHECK_OUT },
	{ "columns beyond the output", MEMBER(out_col), 1, CONV2D_CHECK_OUT },
	{ "columns beyond 32 bits", MEMBER(out_col), 0xfffffff8, CONV2D_CHECK_OUT },
	{ "too many sums", MEMBER(out_rows), CONV2D_ACC_WORDS / 54 + 1, CONV2D_CHECK_ACC },
	{ "sums beyond 64 bits", MEMBER(out_rows), 0xffffffff, CONV2D_CHECK_ACC },
	{ "band too short", MEMBER(band_rows), 4, CONV2D_CHECK_BAND },
	{ "band too low", MEMBER(band_row), 1, CONV2D_CHECK_BAND },
	{ "unknown flag", MEMBER(flags), 8 | CONV2D_Y_SIGNED, CONV2D_CHECK_FLAGS },
	{ "x_zero below its type", MEMBER(x_zero), (uint32_t)-1, CONV2D_CHECK_RANGE },
	{ "x_zero above its type", MEMBER(x_zero), 256, CONV2D_CHECK_RANGE },
	{ "y_zero below its type", MEMBER(y_zero), (uint32_t)-129, CONV2D_CHECK_RANGE },
	{ "y_zero above its type", MEMBER(y_zero), 128, CONV2D_CHECK_RANGE },
	{ "clip_lo below the type", MEMBER(clip_lo), (uint32_t)-129, CONV2D_CHECK_RANGE },
	{ "clip_hi above the type", MEMBER(clip_hi), 128, CONV2D_CHECK_RANGE },
	{ "clip_lo > clip_hi", MEMBER(clip_hi), (uint32_t)-129, CONV2D_CHECK_RANGE },
	{ "planes of y overlap", MEMBER(y_pitch), 26, CONV2D_CHECK_Y_PITCH },
};

START_TEST(bad_shape)
{
	struct call c;

	good_call(&c);
	c.scalar[wrong[_i].member] = wrong[_i].value;
	expect(&c, KERNEL_BAD_SHAPE, wrong[_i].check, 0, wrong[_i].what);
}
END_TEST

/* The buffers' limits need other calls than the small one. */
START_TEST(bad_tile)
{
	struct call c;

	good_call(&c);
	c.t.kernel_h = c.t.kernel_w = 105; /* 6 * 105 * 105 weights of a channel */
	c.t.channels = 1;
	expect(&c, KERNEL_BAD_SHAPE, CONV2D_CHECK_WEIGHTS, 0, "too many weights");

	good_call(&c);
	c.t.in_h = c.t.band_rows = c.t.in_w = 513;
	c.t.stride = 500 | 500 << 16;
	c.t.pad_top = c.t.pad_left = 0;
	c.t.out_row = 0;
	c.t.out_rows = c.t.out_cols = 2;
	expect(&c, KERNEL_BAD_RANGE, CONV2D_BUFFER_X, 0, "window 503 x 503");
	c.t.dilation = 6 | 6 << 16; /* 513 x 513 */
	expect(&c, KERNEL_BAD_SHAPE, CONV2D_CHECK_WINDOW, 0, "window too large");

	c.t.in_h = c.t.band_rows = c.t.in_w = 65536;
	c.t.stride = 65533 | 65533u << 16;
	c.t.dilation = 1 | 1 << 16;
	expect(&c, KERNEL_BAD_SHAPE, CONV2D_CHECK_WINDOW, 0, "window of 2^32 bytes");

	good_call(&c);
	c.t.band_row = 0xfffffffd;
	expect(&c, KERNEL_BAD_SHAPE, CONV2D_CHECK_IMAGE, 0, "band that ends beyond 32 bits");

	good_call(&c);
	expect(&c, KERNEL_BAD_SHAPE, CONV2D_CHECK_W_ZERO, 4, "weight zero point");
}
END_TEST

START_TEST(bad_range)
{
	struct call c;

	good_call(&c);
	c.x_bytes--;
	expect(&c, KERNEL_BAD_RANGE, CONV2D_BUFFER_X, 0, "x too short");
	good_call(&c);
	c.t.filters = 3; /* one group of one channel: the window itself leaves x */
	c.t.channels = 1;
	c.x_bytes = 44;
	expect(&c, KERNEL_BAD_RANGE, CONV2D_BUFFER_X, 0, "x of one channel too short");
	good_call(&c);
	c.t.band_row = 1; /* from row 2 of the image on; the band starts at row 1 */
	c.t.band_rows = 6;
	c.t.out_row = 3;
	c.t.x_pitch = 54;
	c.x_bytes = 8; /* not even the first row */
	expect(&c, KERNEL_BAD_RANGE, CONV2D_BUFFER_X, 0, "x shorter than the way to the window");
	good_call(&c);
	c.t.x_mask = 1;
	c.t.x_skew = 1;
	expect(&c, KERNEL_BAD_RANGE, CONV2D_BUFFER_X, 0, "x skewed out");
	good_call(&c);
	c.t.x_pitch++;
	expect(&c, KERNEL_BAD_RANGE, CONV2D_BUFFER_X, 0, "x pitch");
	good_call(&c);
	c.t.x_pitch = 0xffffffff;
	expect(&c, KERNEL_BAD_RANGE, CONV2D_BUFFER_X, 0, "huge x pitch");
	good_call(&c);
	c.w_bytes--;
	expect(&c, KERNEL_BAD_RANGE, CONV2D_BUFFER_W, 0, "w too short");
	good_call(&c);
	c.coef_bytes--;
	expect(&c, KERNEL_BAD_RANGE, CONV2D_BUFFER_COEF, 0, "coef too short");
	good_call(&c);
	c.y_bytes--;
	expect(&c, KERNEL_BAD_RANGE, CONV2D_BUFFER_Y, 0, "y too short");
	good_call(&c);
	c.t.out_col = 1;
	c.t.out_cols = 8;
	c.y_bytes--;
	expect(&c, KERNEL_BAD_RANGE, CONV2D_BUFFER_Y, 0, "y too short for the last columns");
	good_call(&c);
	c.t.y_pitch = 0xffffffff;
	expect(&c, KERNEL_BAD_RANGE, CONV2D_BUFFER_Y, 0, "huge y pitch");
}
END_TEST

/* Without room for the status nothing is written at all. */
START_TEST(no_status)
{
	conv2d_fn *kernels[] = { conv2d_hls, conv2d_fast };

	for (int k = 0; k < 2; k++) {
		struct call c;

		good_call(&c);
		c.status_bytes = 15;
		give_buffers(&c, 1);
		run(&c, kernels[k]);
		for (int i = 0; i < 15; i++)
			ck_assert_int_eq(((uint8_t *)c.status)[i], 0);
		for (size_t i = 0; i < c.y_bytes; i++)
			ck_assert_int_eq(c.y[i], 0x77);
		free_buffers(&c);
	}
}
END_TEST

/* So that a lawful but huge tile does not take minutes. */
static double work(const struct conv2d_tile *t)
{
	return (double)t->filters * t->out_rows * t->out_cols * t->channels * t->kernel_h * t->kernel_w;
}

START_TEST(hostile_calls)
{
	uint32_t seen[5] = { 0 };
#ifdef __SANITIZE_ADDRESS__
	int rounds = 40000;
#else
	int rounds = 150000;
#endif

	random_start();
	for (int i = 0; i < rounds; i++) {
		uint32_t changes = random_below(20) ? random_below(5) : SCALARS, words[4];
		struct call c;
		uint8_t *y;

		good_call(&c);
		for (uint32_t k = 0; k < changes; k++)
			c.scalar[changes == SCALARS ? k : random_below(SCALARS)] = random_hostile();
		if (random_below(2)) { /* room for shapes that the changes made larger */
			c.x_bytes += random_below(3000);
			c.w_bytes += random_below(3000);
			c.coef_bytes += random_below(3000);
			c.y_bytes += random_below(3000);
		}
		if (work(&c.t) > 3e5 && c.t.filters <= CONV2D_FILTERS &&
		    (double)c.t.filters * c.t.out_rows * c.t.out_cols <= CONV2D_ACC_WORDS)
			continue;
		give_buffers(&c, (uint8_t)i);
		for (size_t k = 0; k < c.coef_bytes / 4; k++)
			c.coef[k] = random_below(4)    ? random_in(0, 127)
				    : random_below(40) ? 0x3f000000
						       : (int32_t)random_u64();
		setenv("SMARTSSD_SIMD", random_below(2) ? "avx2" : "portable", 1);
		run(&c, conv2d_hls);
		memcpy(words, c.status, 16);
		y = malloc(c.y_bytes);
		memcpy(y, c.y, c.y_bytes);
		memset(c.y, 0x77, c.y_bytes);
		run(&c, conv2d_fast);
		EXPECT(!memcmp(words, c.status, 16), "SEED=%llu round %d: HLS says %u %u %u, fast %u %u %u",
		       (unsigned long long)random_seed(), i, words[0], words[1], words[2], c.status[0], c.status[1],
		       c.status[2]);
		EXPECT(!memcmp(y, c.y, c.y_bytes), "SEED=%llu round %d: y differs", (unsigned long long)random_seed(), i);
		EXPECT(words[0] >= KERNEL_OK && words[0] <= KERNEL_BAD_RANGE, "status %u", words[0]);
		seen[words[0]]++;
		free(y);
		free_buffers(&c);
	}
	/* The generator must reach all of it. */
	EXPECT(seen[KERNEL_OK] > 100 && seen[KERNEL_BAD_SHAPE] > 100 && seen[KERNEL_BAD_RANGE] > 100,
	       "ok %u shape %u range %u", seen[KERNEL_OK], seen[KERNEL_BAD_SHAPE], seen[KERNEL_BAD_RANGE]);
}
END_TEST

static void add_tests(TCase *t)
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
	return suite_main("conv2d arguments", add_tests);
}
