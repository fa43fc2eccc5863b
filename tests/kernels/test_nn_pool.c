// SPDX-License-Identifier: BSD-2-Clause
/* nn_pool: the HLS source, the fast version (AVX2 and portable) and the reference must agree in every bit. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/nn_pool/nn_pool_check.h"
#include "../../kernels/reference/nn_ref.h"
#include "nn_case.h"
#include "random.h"
#include "suite.h"

__typeof__(nn_pool) nn_pool_hls, nn_pool_fast;

#define S(name) (uint32_t)(offsetof(struct nn_pool_run, name) / 4)
#define SCALARS S(taps)

#define AVERAGE_PAD (NN_POOL_AVERAGE | NN_POOL_COUNT_PAD)

static struct nn_pool_run run_of(const struct nn_call *c)
{
	struct nn_pool_run r = { 0 };

	memcpy(&r, c->s, SCALARS * 4);
	return r;
}

static void run(struct nn_call *c, int fast)
{
	const uint32_t *s = c->s;

	(fast ? nn_pool_fast : nn_pool_hls)(c->p[0], c->bytes[0], c->p[1], c->bytes[1], c->status, c->status_bytes, s[0], s[1], s[2], s[3], s[4],
					    s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12], s[13], s[14], s[15], s[16], s[17], s[18], s[19],
					    s[20], s[21], s[22]);
}

static void reference(const struct nn_call *c, uint8_t *y)
{
	struct nn_pool_run r = run_of(c);
	struct ref_nn_window l = { .images = r.images, .in_h = r.in_h, .in_w = r.in_w, .channels = r.channels,
				   .kernel = { r.kernel & 0xffff, r.kernel >> 16 }, .stride = { r.stride & 0xffff, r.stride >> 16 },
				   .dilation = { r.dilation & 0xffff, r.dilation >> 16 }, .pad = { r.pad & 0xffff, r.pad >> 16 },
				   .out_h = r.out_h, .out_w = r.out_w, .first_row = r.first_row, .rows = r.rows,
				   .x = { r.x_pitch, r.x_image }, .y = { r.y_pitch, r.y_image } };
	int32_t clip[2] = { (int32_t)(r.clip & 0xff), (int32_t)(r.clip >> 8) };
	uint32_t end[2] = { r.pad_end & 0xffff, r.pad_end >> 16 };

	if (r.mode == NN_POOL_MAX)
		ref_nn_pool_max(&l, c->p[0], clip, y);
	else
		ref_nn_pool_average(&l, c->p[0], r.mode & NN_POOL_COUNT_PAD ? end : NULL, (int32_t)r.x_zero, nn_float_of(r.mult), (int32_t)r.zero,
				    clip, y);
}

static uint32_t check(const struct nn_call *c, uint32_t *detail)
{
	struct nn_pool_run r = run_of(c);

	return nn_pool_check(&r, c->bytes[0], c->bytes[1], detail);
}

static double work(const struct nn_call *c)
{
	struct nn_pool_run r = run_of(c);

	return (double)r.images * r.rows * r.out_w * r.channels * (r.kernel & 0xffff) * (r.kernel >> 16);
}

static void good(struct nn_call *c);

static const struct nn_kernel kernel = { "nn_pool", SCALARS, 2, run, reference, good, check, work };

static void give(struct nn_call *c, const struct nn_pool_run *r)
{
	memset(c, 0, sizeof(*c));
	c->kernel = &kernel;
	memcpy(c->s, r, SCALARS * 4);
	c->bytes[0] = nn_layout_bytes(r->images, r->in_h, r->in_w, r->channels, r->x_pitch, r->x_image);
	c->bytes[1] = nn_layout_bytes(r->images, r->first_row + r->rows, r->out_w, r->channels, r->y_pitch, r->y_image);
	c->status_bytes = 16;
	c->y_is = -1;
}

static void good(struct nn_call *c)
{
	struct nn_pool_run r = { .images = 2, .in_h = 7, .in_w = 9, .channels = 48, .x_pitch = 64, .x_image = 7 * 9 * 64 + 16,
				 .kernel = NN_PAIR(3, 2), .stride = NN_PAIR(1, 2), .dilation = NN_PAIR(1, 1), .pad = NN_PAIR(1, 1),
				 .pad_end = NN_PAIR(1, 2), .out_h = 7, .out_w = 5, .y_pitch = 48, .y_image = 7 * 5 * 48 + 32, .x_zero = 3,
				 .zero = 100, .clip = 255 << 8, .mult = 0x3f400000, .mode = AVERAGE_PAD, .first_row = 1, .rows = 5,
				 .tile_channels = 32 };

	give(c, &r);
}

static void try_run(struct nn_pool_run *r, const char *what)
{
	static const uint32_t modes[] = { NN_POOL_MAX, NN_POOL_AVERAGE, AVERAGE_PAD };
	struct nn_call c;
	uint32_t detail;

	nn_random_layout(r->in_h, r->in_w, r->channels, &r->x_pitch, &r->x_image);
	nn_random_layout(r->out_h, r->out_w, r->channels, &r->y_pitch, &r->y_image);
	r->x_zero = random_below(256);
	r->zero = random_below(256);
	r->clip = nn_random_clip(r->zero);
	r->mult = nn_random_float(1.0f);
	for (int m = 0; m < 3; m++) {
		r->mode = modes[m];
		give(&c, r);
		EXPECT(check(&c, &detail) == KERNEL_OK, "%s: the test's own call is not lawful: check %u", what, detail);
		nn_call_expect(&c, KERNEL_OK, 0, what);
	}
}

/* images, in, channels, kernel, stride, dilation, pad, pad_end, out */
static const struct nn_pool_run ugly[] = {
	{ 1, 1, 1, 16, 0, 0, NN_PAIR(1, 1), NN_PAIR(1, 1), NN_PAIR(1, 1), 0, 0, 1, 1 },			       /* one pixel */
	{ 2, 1, 1, 32, 0, 0, NN_PAIR(3, 3), NN_PAIR(1, 1), NN_PAIR(1, 1), NN_PAIR(1, 1), NN_PAIR(1, 1), 1, 1 }, /* more padding than image */
	{ 3, 7, 7, 208, 0, 0, NN_PAIR(7, 7), NN_PAIR(1, 1), NN_PAIR(1, 1), 0, 0, 1, 1 },		       /* global, two channel tiles */
	{ 1, 60, 60, 16, 0, 0, NN_PAIR(60, 60), NN_PAIR(1, 1), NN_PAIR(1, 1), 0, 0, 1, 1 },		       /* global, thousands of positions */
	{ 1, 4, 4, 16, 0, 0, NN_PAIR(9, 7), NN_PAIR(1, 1), NN_PAIR(1, 1), NN_PAIR(4, 3), NN_PAIR(4, 3), 4, 4 }, /* larger than the image */
	{ 1, 9, 9, 96, 0, 0, NN_PAIR(2, 2), NN_PAIR(5, 4), NN_PAIR(1, 1), 0, 0, 2, 2 },			       /* stride beyond the kernel */
	{ 1, 5, 6, 112, 0, 0, NN_PAIR(3, 3), NN_PAIR(2, 2), NN_PAIR(1, 1), NN_PAIR(0, 0), NN_PAIR(1, 1), 3, 3 }, /* the last leaves at the end */
	{ 1, 9, 9, 16, 0, 0, NN_PAIR(3, 3), NN_PAIR(1, 1), NN_PAIR(4, 3), NN_PAIR(4, 3), NN_PAIR(4, 3), 9, 9 }, /* dilated */
	{ 1, 1, 40, 176, 0, 0, NN_PAIR(1, 5), NN_PAIR(1, 2), NN_PAIR(1, 1), NN_PAIR(0, 2), 0, 1, 18 },	       /* one row */
	{ 1, 3, 3, 16, 0, 0, NN_PAIR(300, 100), NN_PAIR(1, 1), NN_PAIR(1, 1), NN_PAIR(299, 99), 0xffffffff, 1, 3 }, /* almost nothing but padding */
};

START_TEST(ugly_shapes)
{
	random_start();
	for (int i = 0; i < 4; i++) {
		struct nn_pool_run r = ugly[_i];

		r.rows = r.out_h;
		r.tile_channels = r.channels > 128 ? 112 : r.channels;
		try_run(&r, "ugly shape");
	}
}
END_TEST

/* The largest sums that a window can have, with as many positions as 16 bits can add up (257), some fewer and more */
START_TEST(largest_sums)
{
	random_start();
	for (uint32_t positions = 255; positions <= 259; positions++) {
		struct nn_pool_run r = { .images = 1, .in_h = 3, .in_w = positions, .channels = 64, .x_pitch = 64, .x_image = 3 * positions * 64,
					 .kernel = NN_PAIR(1, positions), .stride = NN_PAIR(1, 1), .dilation = NN_PAIR(1, 1), .out_h = 3, .out_w = 1,
					 .y_pitch = 64, .y_image = 3 * 64, .clip = 255 << 8, .mult = 0x3f800000, .mode = NN_POOL_AVERAGE, .rows = 3,
					 .tile_channels = 16 };
		struct nn_call c;

		for (uint32_t h = 1; h <= 3; h += 2) {
			r.kernel = NN_PAIR(h, positions);
			r.out_h = r.rows = 4 - h;
			give(&c, &r);
			nn_call_buffers(&c);
			memset(c.p[0], 255, c.bytes[0]);
			nn_call_check(&c, KERNEL_OK, 0, "all bytes 255");
			nn_call_free(&c);
		}
	}
}
END_TEST

static uint32_t outputs(uint32_t in, uint32_t extent, uint32_t stride, uint32_t pads)
{
	return in + pads < extent ? 1 : (in + pads - extent) / stride + 1;
}

START_TEST(random_shapes)
{
	int rounds = NN_SCALE(1200);

	random_start();
	for (int i = 0; i < rounds; i++) {
		uint32_t kh = 1 + random_below(4), kw = 1 + random_below(4), sh = 1 + random_below(3), sw = 1 + random_below(3);
		uint32_t dh = random_below(4) ? 1 : 2, dw = random_below(4) ? 1 : 3, top = random_below(kh), left = random_below(kw);
		uint32_t bottom = random_below(kh), right = random_below(kw);
		struct nn_pool_run r = { .images = 1 + random_below(3), .in_h = 1 + random_below(12), .in_w = 1 + random_below(20),
					 .channels = 16 * (1 + random_below(12)), .kernel = NN_PAIR(kh, kw), .stride = NN_PAIR(sh, sw),
					 .dilation = NN_PAIR(dh, dw), .pad = NN_PAIR(top, left), .pad_end = NN_PAIR(bottom, right) };
		struct nn_axis h = nn_axis_of(r.in_h, r.kernel, r.stride, r.dilation, r.pad, 0);
		struct nn_axis w = nn_axis_of(r.in_w, r.kernel, r.stride, r.dilation, r.pad, 16);

		r.out_h = outputs(r.in_h, (kh - 1) * dh + 1, sh, top + bottom);
		r.out_w = outputs(r.in_w, (kw - 1) * dw + 1, sw, left + right);
		if (!nn_axis_covered(&h, 0, r.out_h) || !nn_axis_covered(&w, 0, r.out_w))
			continue;
		r.first_row = random_below(r.out_h);
		r.rows = 1 + random_below(r.out_h - r.first_row);
		r.tile_channels = 16 * (1 + random_below(r.channels / 16));
		try_run(&r, "random shape");
	}
}
END_TEST

/* Whether each window touches the image, against looking at each position. */
START_TEST(covered)
{
	random_start();
	for (int i = 0; i < 100000; i++) {
		struct nn_axis a = { 1 + random_below(12), 1 + random_below(5), 1 + random_below(4), 1 + random_below(15), random_below(30) };
		uint32_t first = random_below(12), count = 1 + random_below(8), all = 1;

		for (uint32_t o = first; o < first + count; o++) {
			uint32_t any = 0;

			for (uint32_t k = 0; k < a.kernel; k++) {
				int64_t at = nn_axis_start(&a, o) + (int64_t)k * a.dilation;

				any |= at >= 0 && at < a.in;
			}
			all &= any;
		}
		EXPECT(nn_axis_covered(&a, first, count) == all, "SEED=%llu: in %u kernel %u stride %u dilation %u pad %u, %u + %u: not %u",
		       (unsigned long long)random_seed(), a.in, a.kernel, a.stride, a.dilation, a.pad, first, count, all);
	}
}
END_TEST

#define K(name) NN_POOL_CHECK_##name

static const struct nn_wrong wrong[] = {
	{ "no images", S(images), 0, K(SIZE) },
	{ "no rows", S(in_h), 0, K(SIZE) },
	{ "no columns", S(in_w), 0, K(SIZE) },
	{ "no channels", S(channels), 0, K(SIZE) },
	{ "channels that are no whole words", S(channels), 40, K(SIZE) },
	{ "x_pitch no multiple", S(x_pitch), 56, K(X) },
	{ "x_pitch below the channels", S(x_pitch), 32, K(X) },
	{ "x_image no multiple", S(x_image), 7 * 9 * 64 + 8, K(X) },
	{ "x_image too small", S(x_image), 7 * 9 * 64 - 16, K(X) },
	{ "rows beyond 32 bits", S(in_h), 0xffffffff, K(X) },
	{ "no kernel rows", S(kernel), NN_PAIR(0, 3), K(KERNEL) },
	{ "no kernel columns", S(kernel), NN_PAIR(3, 0), K(KERNEL) },
	{ "too large a window", S(kernel), NN_PAIR(256, 129), K(KERNEL) },
	{ "vertical stride 0", S(stride), NN_PAIR(0, 1), K(KERNEL) },
	{ "horizontal stride 0", S(stride), NN_PAIR(1, 0), K(KERNEL) },
	{ "vertical dilation 0", S(dilation), NN_PAIR(0, 1), K(KERNEL) },
	{ "horizontal dilation 0", S(dilation), NN_PAIR(1, 0), K(KERNEL) },
	{ "no output rows", S(out_h), 0, K(Y) },
	{ "no output columns", S(out_w), 0, K(Y) },
	{ "y_pitch", S(y_pitch), 32, K(Y) },
	{ "y_image", S(y_image), 7 * 5 * 48 - 16, K(Y) },
	{ "no rows to compute", S(rows), 0, K(ROWS) },
	{ "rows beyond the output", S(rows), 7, K(ROWS) },
	{ "first row beyond 32 bits", S(first_row), 0xffffffff, K(ROWS) },
	{ "window above the image", S(pad), NN_PAIR(4, 1), K(OUTSIDE) },
	{ "window to the left of the image", S(pad), NN_PAIR(1, 2), K(OUTSIDE) },
	{ "window to the right of the image", S(stride), NN_PAIR(1, 3), K(OUTSIDE) },
	{ "window below the image", S(stride), NN_PAIR(2, 2), K(OUTSIDE) },
	{ "tile of no channels", S(tile_channels), 0, K(TILE) },
	{ "tile of half a word", S(tile_channels), 24, K(TILE) },
	{ "tile of more channels than there are", S(tile_channels), 64, K(TILE) },
	{ "padding counted for the largest", S(mode), NN_POOL_COUNT_PAD, K(MODE) },
	{ "unknown mode", S(mode), 4, K(MODE) },
	{ "x_zero", S(x_zero), 256, K(RANGE) },
	{ "zero", S(zero), 256, K(RANGE) },
	{ "clip beyond a byte", S(clip), 0x10000 | 255 << 8, K(RANGE) },
	{ "clip upside down", S(clip), 9 | 8 << 8, K(RANGE) },
};

START_TEST(bad_shape)
{
	random_start();
	nn_call_wrong(&kernel, &wrong[_i]);
}
END_TEST

/* A window whose positions jump over the image */
START_TEST(jump)
{
	struct nn_call c;

	random_start();
	good(&c);
	c.s[S(kernel)] = NN_PAIR(2, 2);
	c.s[S(pad)] = NN_PAIR(4, 1);
	c.s[S(dilation)] = NN_PAIR(12, 1);
	nn_call_expect(&c, KERNEL_BAD_SHAPE, K(OUTSIDE), "positions around the image only");
}
END_TEST

START_TEST(bad_tile)
{
	struct nn_pool_run r = { .images = 1, .in_h = 32, .in_w = 128, .channels = 16, .kernel = NN_PAIR(32, 1), .stride = NN_PAIR(1, 1),
				 .dilation = NN_PAIR(1, 1), .out_h = 1, .out_w = 128, .rows = 1, .tile_channels = 16 };
	struct nn_call c;

	random_start();
	try_run(&r, "x_buf full");
	r.in_h = 33;
	r.kernel = NN_PAIR(33, 1);
	r.x_image += 128 * r.x_pitch;
	give(&c, &r);
	nn_call_expect(&c, KERNEL_BAD_SHAPE, K(TILE_X), "x_buf too full");
	c.s[S(in_w)] = 0x8000000;
	c.s[S(in_h)] = 1;
	c.s[S(kernel)] = NN_PAIR(1, 1);
	c.s[S(x_pitch)] = 16;
	c.s[S(x_image)] = 0x80000000;
	nn_call_expect(&c, KERNEL_BAD_SHAPE, K(TILE_X), "x_buf beyond 32 bits");

	r = (struct nn_pool_run){ .images = 1, .in_h = 1, .in_w = 4, .channels = 16, .kernel = NN_PAIR(1, 1023), .stride = NN_PAIR(1, 1),
				  .dilation = NN_PAIR(1, 1), .pad = NN_PAIR(0, 1022), .out_h = 1, .out_w = 1024, .rows = 1, .tile_channels = 16 };
	try_run(&r, "y_buf full");
	r.kernel = NN_PAIR(1, 1024);
	r.pad = NN_PAIR(0, 1023);
	r.out_w = 1025;
	r.y_image += r.y_pitch;
	give(&c, &r);
	nn_call_expect(&c, KERNEL_BAD_SHAPE, K(TILE_Y), "y_buf too full");

	good(&c);
	c.s[S(images)] = 0xffffffff;
	c.s[S(x_image)] = c.s[S(y_image)] = 0xfffffff0;
	nn_call_expect(&c, KERNEL_BAD_RANGE, NN_POOL_BUFFER_X, "images beyond the buffer");
}
END_TEST

START_TEST(bad_range)
{
	random_start();
	nn_call_short(&kernel);
	nn_call_no_status(&kernel);
}
END_TEST

START_TEST(hostile_calls)
{
	random_start();
	nn_call_hostile(&kernel, NN_SCALE(20000));
}
END_TEST

static void add(struct TCase *t)
{
	tcase_add_loop_test(t, ugly_shapes, 0, sizeof(ugly) / sizeof(ugly[0]));
	tcase_add_test(t, largest_sums);
	tcase_add_test(t, random_shapes);
	tcase_add_test(t, covered);
	tcase_add_loop_test(t, bad_shape, 0, sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(t, jump);
	tcase_add_test(t, bad_tile);
	tcase_add_test(t, bad_range);
	tcase_add_test(t, hostile_calls);
}

int main(void)
{
	return suite_main("nn_pool", add);
}
