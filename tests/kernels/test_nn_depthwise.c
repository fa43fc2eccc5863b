// SPDX-License-Identifier: BSD-2-Clause
/* nn_depthwise: the HLS source, the fast version (AVX2 and portable) and the reference must agree in every bit. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/nn_depthwise/nn_depthwise_check.h"
#include "../../kernels/reference/nn_ref.h"
#include "nn_case.h"
#include "random.h"
#include "suite.h"

__typeof__(nn_depthwise) nn_depthwise_hls, nn_depthwise_fast;

#define S(name) (uint32_t)(offsetof(struct nn_depthwise_run, name) / 4)
#define SCALARS S(taps)

static struct nn_depthwise_run run_of(const struct nn_call *c)
{
	struct nn_depthwise_run r = { 0 };

	memcpy(&r, c->s, SCALARS * 4);
	return r;
}

static void run(struct nn_call *c, int fast)
{
	const uint32_t *s = c->s;

	(fast ? nn_depthwise_fast : nn_depthwise_hls)(c->p[0], c->bytes[0], (const int8_t *)c->p[1], c->bytes[1], (const uint32_t *)c->p[2],
						      c->bytes[2], c->p[3], c->bytes[3], c->status, c->status_bytes, s[0], s[1], s[2], s[3],
						      s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12], s[13], s[14], s[15], s[16], s[17],
						      s[18], s[19], s[20]);
}

static struct ref_nn_window window_of(const struct nn_depthwise_run *r)
{
	return (struct ref_nn_window){ .images = r->images, .in_h = r->in_h, .in_w = r->in_w, .channels = r->channels,
				       .kernel = { r->kernel & 0xffff, r->kernel >> 16 }, .stride = { r->stride & 0xffff, r->stride >> 16 },
				       .dilation = { r->dilation & 0xffff, r->dilation >> 16 }, .pad = { r->pad & 0xffff, r->pad >> 16 },
				       .out_h = r->out_h, .out_w = r->out_w, .first_row = r->first_row, .rows = r->rows,
				       .x = { r->x_pitch, r->x_image }, .y = { r->y_pitch, r->y_image } };
}

static void reference(const struct nn_call *c, uint8_t *y)
{
	struct nn_depthwise_run r = run_of(c);
	struct ref_nn_window l = window_of(&r);
	int32_t *bias = malloc(r.channels * 4), clip[2] = { (int32_t)(r.clip & 0xff), (int32_t)(r.clip >> 8) };
	float *mult = malloc(r.channels * 4);

	for (uint32_t i = 0; i < r.channels; i++) {
		memcpy(&bias[i], c->p[2] + i * 8, 4);
		memcpy(&mult[i], c->p[2] + i * 8 + 4, 4);
	}
	ref_nn_depthwise(&l, c->p[0], (const int8_t *)c->p[1], bias, mult, (int32_t)r.x_zero, (int32_t)r.zero, clip, y);
	free(bias);
	free(mult);
}

static uint32_t check(const struct nn_call *c, uint32_t *detail)
{
	struct nn_depthwise_run r = run_of(c);

	return nn_depthwise_check(&r, c->bytes[0], c->bytes[1], c->bytes[2], c->bytes[3], detail);
}

static double work(const struct nn_call *c)
{
	struct nn_depthwise_run r = run_of(c);

	return (double)r.images * r.rows * r.out_w * r.channels * (r.kernel & 0xffff) * (r.kernel >> 16);
}

static void good(struct nn_call *c);

static const struct nn_kernel kernel = { "nn_depthwise", SCALARS, 4, run, reference, good, check, work };

/* Sizes of buffers that the scalars ask for. */
static void give(struct nn_call *c, const struct nn_depthwise_run *r)
{
	memset(c, 0, sizeof(*c));
	c->kernel = &kernel;
	memcpy(c->s, r, SCALARS * 4);
	c->bytes[0] = nn_layout_bytes(r->images, r->in_h, r->in_w, r->channels, r->x_pitch, r->x_image);
	c->bytes[1] = (uint64_t)(r->kernel & 0xffff) * (r->kernel >> 16) * r->channels;
	c->bytes[2] = r->channels * 8;
	c->bytes[3] = nn_layout_bytes(r->images, r->first_row + r->rows, r->out_w, r->channels, r->y_pitch, r->y_image);
	c->status_bytes = 16;
	c->y_is = -1;
}

static void good(struct nn_call *c)
{
	struct nn_depthwise_run r = { .images = 2, .in_h = 7, .in_w = 9, .channels = 48, .x_pitch = 64, .x_image = 7 * 9 * 64 + 16,
				      .kernel = NN_PAIR(3, 3), .stride = NN_PAIR(1, 2), .dilation = NN_PAIR(1, 1), .pad = NN_PAIR(1, 1),
				      .out_h = 7, .out_w = 5, .y_pitch = 48, .y_image = 7 * 5 * 48 + 32, .x_zero = 3, .zero = 128,
				      .clip = 255 << 8, .first_row = 1, .rows = 5, .tile_rows = 2, .tile_channels = 32 };

	give(c, &r);
}

/* Sums are about 150 * 75 * sqrt(taps); now and then so large a bias that they saturate. */
static void random_coef(struct nn_call *c, uint32_t channels, uint32_t taps)
{
	uint32_t mode = random_below(6);
	float scale = 0.01f;

	for (uint32_t n = 1; n < taps; n *= 4)
		scale /= 2;
	for (uint32_t i = 0; i < channels; i++) {
		int32_t bias = random_in(-20000, 20000);
		uint32_t mult = nn_random_float(mode ? scale : 0x1p-24f);

		if (mode == 0)
			bias = random_below(2) ? INT32_MAX - random_in(0, 50000) : INT32_MIN + random_in(0, 50000);
		memcpy(c->p[2] + i * 8, &bias, 4);
		memcpy(c->p[2] + i * 8 + 4, &mult, 4);
	}
}

static void try_run(struct nn_depthwise_run *r, const char *what)
{
	struct nn_call c;
	uint32_t detail;

	nn_random_layout(r->in_h, r->in_w, r->channels, &r->x_pitch, &r->x_image);
	nn_random_layout(r->out_h, r->out_w, r->channels, &r->y_pitch, &r->y_image);
	r->x_zero = random_below(256);
	r->zero = random_below(256);
	r->clip = nn_random_clip(r->zero);
	give(&c, r);
	EXPECT(check(&c, &detail) == KERNEL_OK, "%s: the test's own call is not lawful: check %u", what, detail);
	nn_call_buffers(&c);
	random_coef(&c, r->channels, (r->kernel & 0xffff) * (r->kernel >> 16));
	nn_call_check(&c, KERNEL_OK, 0, what);
	nn_call_free(&c);
}

/* images, in, channels, kernel, stride, dilation, pad, out */
static const struct nn_depthwise_run ugly[] = {
	{ 1, 1, 1, 16, 0, 0, NN_PAIR(1, 1), NN_PAIR(1, 1), NN_PAIR(1, 1), 0, 1, 1 },			  /* one pixel */
	{ 3, 1, 1, 32, 0, 0, NN_PAIR(3, 3), NN_PAIR(1, 1), NN_PAIR(1, 1), NN_PAIR(1, 1), 1, 1 },	  /* more padding than image */
	{ 1, 4, 4, 16, 0, 0, NN_PAIR(9, 7), NN_PAIR(1, 1), NN_PAIR(1, 1), NN_PAIR(4, 3), 4, 4 },	  /* window larger than the image */
	{ 1, 9, 9, 16, 0, 0, NN_PAIR(2, 2), NN_PAIR(5, 4), NN_PAIR(1, 1), 0, 2, 2 },			  /* stride beyond the kernel */
	{ 1, 9, 9, 16, 0, 0, NN_PAIR(2, 2), NN_PAIR(1, 1), NN_PAIR(30, 30), NN_PAIR(15, 15), 9, 9 },	  /* taps jump over the image */
	{ 1, 3, 3, 16, 0, 0, NN_PAIR(1, 1), NN_PAIR(3, 3), NN_PAIR(1, 1), NN_PAIR(7, 7), 8, 8 },	  /* outputs of nothing but padding */
	{ 2, 6, 5, 528, 0, 0, NN_PAIR(3, 3), NN_PAIR(1, 1), NN_PAIR(1, 1), NN_PAIR(1, 1), 6, 5 },	  /* several chunks of channels */
	{ 1, 2, 30, 16, 0, 0, NN_PAIR(1, 13), NN_PAIR(1, 1), NN_PAIR(1, 2), NN_PAIR(0, 12), 2, 30 },	  /* one row of taps */
	{ 1, 17, 3, 96, 0, 0, NN_PAIR(5, 2), NN_PAIR(2, 1), NN_PAIR(2, 1), NN_PAIR(4, 1), 8, 3 },
	{ 1, 25, 25, 16, 0, 0, NN_PAIR(22, 23), NN_PAIR(1, 1), NN_PAIR(1, 1), 0, 4, 3 },		  /* 506 taps */
	{ 1, 12, 40, 144, 0, 0, NN_PAIR(3, 3), NN_PAIR(2, 2), NN_PAIR(1, 1), NN_PAIR(0, 0), 5, 19 },
};

static void whole(struct nn_depthwise_run *r)
{
	r->first_row = 0;
	r->rows = r->out_h;
	r->tile_rows = 1;
	r->tile_channels = 16;
}

START_TEST(ugly_shapes)
{
	random_start();
	for (int i = 0; i < 3; i++) {
		struct nn_depthwise_run r = ugly[_i];

		whole(&r);
		try_run(&r, "ugly shape");
	}
}
END_TEST

static uint32_t outputs(uint32_t in, uint32_t extent, uint32_t stride, uint32_t pads)
{
	return in + pads < extent ? 1 : (in + pads - extent) / stride + 1;
}

START_TEST(random_shapes)
{
	int rounds = NN_SCALE(1500);

	random_start();
	for (int i = 0; i < rounds; i++) {
		uint32_t kh = 1 + random_below(4), kw = 1 + random_below(4), sh = 1 + random_below(3), sw = 1 + random_below(3);
		uint32_t dh = 1 + random_below(2), dw = 1 + random_below(3), top = random_below(kh + 1), left = random_below(kw + 1);
		struct nn_depthwise_run r = { .images = 1 + random_below(3), .in_h = 1 + random_below(12), .in_w = 1 + random_below(20),
					      .channels = 16 * (1 + random_below(7)), .kernel = NN_PAIR(kh, kw), .stride = NN_PAIR(sh, sw),
					      .dilation = NN_PAIR(dh, dw), .pad = NN_PAIR(top, left) };

		r.out_h = outputs(r.in_h, (kh - 1) * dh + 1, sh, top + random_below(kh + 1));
		r.out_w = outputs(r.in_w, (kw - 1) * dw + 1, sw, left + random_below(kw + 1));
		r.first_row = random_below(r.out_h);
		r.rows = 1 + random_below(r.out_h - r.first_row);
		r.tile_rows = 1 + random_below(r.rows + 1);
		r.tile_channels = 16 * (1 + random_below(r.channels / 16));
		try_run(&r, "random shape");
	}
}
END_TEST

/* The closed form for the largest tile against all tiles. */
START_TEST(largest_tile)
{
	random_start();
	for (int i = 0; i < 100000; i++) {
		struct nn_axis a = { 1 + random_below(30), 1 + random_below(6), 1 + random_below(5), 1 + random_below(4), random_below(20) };
		uint32_t first = random_below(20), count = 1 + random_below(20), tile = 1 + random_below(22), most = 0, from;

		for (uint32_t k = 0; k < count; k += tile) {
			uint32_t n = nn_axis_span(&a, first + k, count - k < tile ? count - k : tile, &from);

			most = n > most ? n : most;
		}
		EXPECT(nn_axis_most(&a, first, count, tile) == most, "SEED=%llu: in %u kernel %u stride %u dilation %u pad %u, %u + %u by %u: %u, not %u",
		       (unsigned long long)random_seed(), a.in, a.kernel, a.stride, a.dilation, a.pad, first, count, tile,
		       nn_axis_most(&a, first, count, tile), most);
	}
}
END_TEST

#define K(name) NN_DEPTHWISE_CHECK_##name

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
	{ "rows * columns * pitch beyond 32 bits", S(in_h), 0xffffffff, K(X) },
	{ "a row beyond 32 bits", S(in_w), 0xffffffff, K(X) },
	{ "no kernel rows", S(kernel), NN_PAIR(0, 3), K(KERNEL) },
	{ "no kernel columns", S(kernel), NN_PAIR(3, 0), K(KERNEL) },
	{ "too many taps", S(kernel), NN_PAIR(256, 129), K(KERNEL) },
	{ "taps beyond 32 bits", S(kernel), 0xffffffff, K(KERNEL) },
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
	{ "rows beyond 32 bits", S(first_row), 0xffffffff, K(ROWS) },
	{ "tile of no rows", S(tile_rows), 0, K(TILE) },
	{ "tile of no channels", S(tile_channels), 0, K(TILE) },
	{ "tile of half a word", S(tile_channels), 24, K(TILE) },
	{ "tile of more channels than there are", S(tile_channels), 64, K(TILE) },
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

/* The limits of the on-chip buffers, each met and passed. */
START_TEST(bad_tile)
{
	struct nn_depthwise_run r;
	struct nn_call c;
	uint32_t detail;

	random_start();
	r = (struct nn_depthwise_run){ .images = 1, .in_h = 64, .in_w = 128, .channels = 16, .kernel = NN_PAIR(1, 1), .stride = NN_PAIR(1, 1),
				       .dilation = NN_PAIR(1, 1), .out_h = 64, .out_w = 128, .rows = 64, .tile_rows = 64, .tile_channels = 16 };
	try_run(&r, "x_buf full");
	r.in_h = r.out_h = r.rows = r.tile_rows = 65;
	nn_random_layout(65, 128, 16, &r.x_pitch, &r.x_image);
	r.y_pitch = r.x_pitch;
	r.y_image = r.x_image;
	give(&c, &r);
	nn_call_expect(&c, KERNEL_BAD_SHAPE, K(TILE_X), "x_buf too full");
	c.s[S(in_w)] = 0x8000000;
	c.s[S(in_h)] = 1;
	c.s[S(x_pitch)] = 16;
	c.s[S(x_image)] = 0x80000000;
	nn_call_expect(&c, KERNEL_BAD_SHAPE, K(TILE_X), "x_buf beyond 32 bits");

	r = (struct nn_depthwise_run){ .images = 1, .in_h = 3, .in_w = 4, .channels = 528, .kernel = NN_PAIR(1, 16), .stride = NN_PAIR(1, 1),
				       .dilation = NN_PAIR(1, 1), .pad = NN_PAIR(0, 7), .out_h = 3, .out_w = 3, .rows = 3, .tile_rows = 9,
				       .tile_channels = 512 };
	try_run(&r, "w_buf full");
	r.kernel = NN_PAIR(1, 17);
	give(&c, &r);
	nn_call_expect(&c, KERNEL_BAD_SHAPE, K(TILE_W), "w_buf too full");
	r.tile_channels = 528;
	r.kernel = NN_PAIR(1, 1);
	give(&c, &r);
	nn_call_expect(&c, KERNEL_BAD_SHAPE, K(TILE), "more channels than the coefficients' buffer holds");

	r = (struct nn_depthwise_run){ .images = 1, .in_h = 1, .in_w = 1, .channels = 16, .kernel = NN_PAIR(1, 1), .stride = NN_PAIR(1, 1),
				       .dilation = NN_PAIR(1, 1), .out_h = 1, .out_w = 1024, .rows = 1, .tile_rows = 1, .tile_channels = 16 };
	try_run(&r, "y_buf full");
	r.out_w = 1025;
	r.y_image += r.y_pitch;
	give(&c, &r);
	nn_call_expect(&c, KERNEL_BAD_SHAPE, K(TILE_Y), "y_buf too full");
	c.s[S(x_image)] = 0xfffffff0; /* images are far apart, the buffer ends before */
	c.s[S(out_w)] = 1;
	c.s[S(images)] = 0xffffffff;
	c.s[S(y_image)] = 0xfffffff0;
	ck_assert_uint_eq(check(&c, &detail), KERNEL_BAD_RANGE);
	nn_call_expect(&c, KERNEL_BAD_RANGE, NN_DEPTHWISE_BUFFER_X, "images beyond the buffer");
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
	tcase_add_test(t, random_shapes);
	tcase_add_test(t, largest_tile);
	tcase_add_loop_test(t, bad_shape, 0, sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(t, bad_tile);
	tcase_add_test(t, bad_range);
	tcase_add_test(t, hostile_calls);
}

int main(void)
{
	return suite_main("nn_depthwise", add);
}
