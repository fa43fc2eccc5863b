// SPDX-License-Identifier: BSD-2-Clause
/* nn_pack: the HLS source, the fast version (AVX2 and portable) and the reference must agree in every bit. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/nn_pack/nn_pack_check.h"
#include "../../kernels/reference/nn_ref.h"
#include "nn_case.h"
#include "random.h"
#include "suite.h"

__typeof__(nn_pack) nn_pack_hls, nn_pack_fast;

#define S(name) (uint32_t)(offsetof(struct nn_pack_run, name) / 4)
#define SCALARS (S(mode) + 1)

static struct nn_pack_run run_of(const struct nn_call *c)
{
	struct nn_pack_run r = { 0 };

	memcpy(&r, c->s, SCALARS * 4);
	return r;
}

/* Card memory ends with a whole word, of which the HLS source reads the rest, too: it gets a copy that does, and is no longer. */
static void run(struct nn_call *c, int fast)
{
	const uint32_t *s = c->s;
	uint64_t bytes = c->p[0] && !fast ? (c->bytes[0] + NN_LANES - 1) / NN_LANES * NN_LANES : 0;
	uint8_t *whole = malloc(bytes + !bytes);

	if (bytes) {
		memset(whole + bytes - NN_LANES, 0xa5, NN_LANES);
		memcpy(whole, c->p[0], c->bytes[0]);
	}
	(fast ? nn_pack_fast : nn_pack_hls)(bytes ? whole : c->p[0], c->bytes[0], c->p[1], c->bytes[1], c->p[2], c->bytes[2], c->status, c->status_bytes, s[0],
					    s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12], s[13], s[14], s[15], s[16],
					    s[17], s[18], s[19]);
	free(whole);
}

static uint64_t image_of(const struct nn_pack_run *r)
{
	return (uint64_t)r->x_image_high << 32 | r->x_image_low;
}

static void reference(const struct nn_call *c, uint8_t *y)
{
	struct nn_pack_run r = run_of(c);
	struct ref_nn_pack l = { .images = r.images, .channels = r.channels, .in_h = r.in_h, .in_w = r.in_w, .x_row = r.x_row,
				 .x_channel = r.x_channel, .x_image = image_of(&r), .kernel = r.kernel, .stride = r.stride, .pad = r.pad,
				 .out_w = r.out_w, .out_channels = r.out_channels, .y = { r.y_pitch, r.y_image }, .outside = (uint8_t)r.outside,
				 .lut = r.mode == NN_PACK_BYTES ? c->p[1] : NULL, .scale = nn_float_of(r.scale), .zero = (int32_t)r.zero };

	ref_nn_pack(&l, c->p[0] + r.x_skip, y);
}

static uint32_t check(const struct nn_call *c, uint32_t *detail)
{
	struct nn_pack_run r = run_of(c);

	return nn_pack_check(&r, c->bytes[0], c->bytes[1], c->bytes[2], detail);
}

static double work(const struct nn_call *c)
{
	struct nn_pack_run r = run_of(c);

	return (double)r.images * r.in_h * ((double)r.out_w * r.out_channels + (double)r.channels * r.in_w);
}

static void good(struct nn_call *c);

static const struct nn_kernel kernel = { "nn_pack", SCALARS, 3, run, reference, good, check, work };

static void give(struct nn_call *c, const struct nn_pack_run *r)
{
	memset(c, 0, sizeof(*c));
	c->kernel = &kernel;
	memcpy(c->s, r, SCALARS * 4);
	c->bytes[0] = r->x_skip + (r->images - 1) * image_of(r) + (uint64_t)(r->channels - 1) * r->x_channel + (uint64_t)(r->in_h - 1) * r->x_row +
		      (uint64_t)r->in_w * (r->mode == NN_PACK_FLOAT ? 4 : 1);
	c->bytes[1] = r->mode == NN_PACK_BYTES ? r->channels * 256 : 0;
	c->bytes[2] = nn_layout_bytes(r->images, r->in_h, r->out_w, r->out_channels, r->y_pitch, r->y_image);
	c->status_bytes = 16;
	c->y_is = -1;
}

/* As a file has it, perhaps with gaps: x, rows, channels and images begin at any byte. */
static void random_layout(struct nn_pack_run *r)
{
	uint32_t gap = random_below(2) ? random_below(9) : 0;
	uint64_t image;

	r->x_skip = random_below(3) ? random_below(NN_LANES) : random_below(100);
	r->x_row = r->in_w * (r->mode == NN_PACK_FLOAT ? 4 : 1) + gap;
	r->x_channel = r->in_h * r->x_row + (random_below(2) ? random_below(9) : 0);
	image = (uint64_t)r->channels * r->x_channel + random_below(7);
	r->x_image_low = (uint32_t)image;
	r->x_image_high = (uint32_t)(image >> 32);
	nn_random_layout(r->in_h, r->out_w, r->out_channels, &r->y_pitch, &r->y_image);
}

static void good(struct nn_call *c)
{
	struct nn_pack_run r = { .images = 2, .channels = 3, .in_h = 5, .in_w = 14, .x_skip = 13, .x_row = 15, .x_channel = 77,
				 .x_image_low = 240, .kernel = 7,
				 .stride = 2, .pad = 3, .out_w = 7, .out_channels = 32, .y_pitch = 48, .y_image = 5 * 7 * 48 + 16, .outside = 9,
				 .scale = 0x3c23d70a, .zero = 114, .mode = NN_PACK_BYTES };

	give(c, &r);
}

/* Singles about the scale, and all the kinds that there are. */
static void random_singles(struct nn_call *c, float scale)
{
	for (uint64_t at = 0; at + 4 <= c->bytes[0]; at += 1 + random_below(4)) {
		uint32_t bits = random_below(6) ? nn_bits_of(random_float(-200.0f * scale, 200.0f * scale)) : nn_random_float(scale);

		if (random_below(5) == 0) /* ties */
			bits = nn_bits_of(((float)random_in(-150, 150) + 0.5f) * scale);
		memcpy(c->p[0] + at, &bits, 4);
		at += 3;
	}
}

static void try_run(struct nn_pack_run *r, const char *what)
{
	for (r->mode = NN_PACK_BYTES; r->mode <= NN_PACK_FLOAT; r->mode++) {
		struct nn_call c;
		uint32_t detail;
		float scale = random_float(0.001f, 0.1f);

		random_layout(r);
		r->outside = random_below(256);
		r->zero = random_below(256);
		r->scale = random_below(10) ? nn_bits_of(scale) : nn_random_float(scale);
		give(&c, r);
		EXPECT(check(&c, &detail) == KERNEL_OK, "%s: the test's own call is not lawful: check %u", what, detail);
		nn_call_buffers(&c);
		if (r->mode == NN_PACK_FLOAT)
			random_singles(&c, scale);
		nn_call_check(&c, KERNEL_OK, 0, what);
		nn_call_free(&c);
	}
}

/* images, channels, in_h, in_w; kernel, stride, pad, out_w, out_channels */
static const struct {
	uint32_t images, channels, in_h, in_w, kernel, stride, pad, out_w, out_channels;
} ugly[] = {
	{ 1, 1, 1, 1, 1, 1, 0, 1, 16 },		/* one pixel */
	{ 1, 3, 4, 224, 7, 2, 3, 112, 32 },	/* ResNet-50's stem */
	{ 3, 3, 3, 31, 1, 1, 0, 31, 16 },	/* not unfolded */
	{ 1, 3, 2, 20, 1, 1, 0, 20, 64 },	/* more padding channels than needed */
	{ 1, 16, 3, 17, 1, 1, 0, 17, 16 },	/* nothing to pad */
	{ 1, 16, 2, 9, 3, 1, 1, 9, 48 },
	{ 1, 17, 2, 9, 3, 2, 1, 5, 64 },
	{ 1, 3, 2, 5, 11, 4, 5, 2, 48 },	/* window larger than the image */
	{ 1, 2, 2, 5, 3, 1, 9, 20, 16 },	/* windows outside of the image on both sides */
	{ 1, 2, 1, 3, 2, 65535, 65535, 3, 16 },
	{ 1, 1, 1, 3, 65535, 1, 65535, 2, 65536 }, /* far outside */
	{ 1, 1, 1, 3, 40000, 30000, 39999, 2, 40000 },
	{ 1, 128, 2, 256, 1, 1, 0, 256, 128 },	/* row_buf and lut_buf full */
	{ 2, 5, 3, 70, 1, 1, 0, 70, 16 },
	{ 1, 3, 20, 40, 3, 2, 1, 20, 16 },	/* more rows than are loaded at once */
	{ 2, 8, 17, 300, 1, 1, 0, 300, 16 },	/* a lane at a time; 13 rows would fit, 8 are taken */
	{ 1, 4, 7, 2000, 1, 1, 0, 2000, 16 },	/* 4 rows fit */
	{ 1, 12, 3, 33, 3, 1, 1, 33, 48 },
};

START_TEST(ugly_shapes)
{
	random_start();
	for (int i = 0; i < 3; i++) {
		struct nn_pack_run r = { .images = ugly[_i].images, .channels = ugly[_i].channels, .in_h = ugly[_i].in_h, .in_w = ugly[_i].in_w,
					 .kernel = ugly[_i].kernel, .stride = ugly[_i].stride, .pad = ugly[_i].pad, .out_w = ugly[_i].out_w,
					 .out_channels = ugly[_i].out_channels };

		try_run(&r, "ugly shape");
	}
}
END_TEST

START_TEST(random_shapes)
{
	int rounds = NN_SCALE(3000);

	random_start();
	for (int i = 0; i < rounds; i++) {
		struct nn_pack_run r = { .images = 1 + random_below(3), .channels = random_below(3) ? 1 + random_below(20) : 3,
					 .in_h = 1 + random_below(4), .in_w = 1 + random_below(60), .kernel = 1 + random_below(8),
					 .stride = 1 + random_below(4), .pad = random_below(9) };

		if (random_below(3) == 0) {
			r.kernel = r.stride = 1;
			r.pad = 0;
		}
		r.out_w = 1 + random_below(r.in_w + 8);
		r.out_channels = (r.kernel * r.channels + 15) / 16 * 16 + 16 * (random_below(3) == 0);
		try_run(&r, "random shape");
	}
}
END_TEST

/* Images further apart than 32 bits can say, without a buffer that large: all are the same one. */
START_TEST(same_image)
{
	struct nn_call c;

	random_start();
	good(&c);
	c.s[S(x_image_low)] = 0;
	nn_call_expect(&c, KERNEL_OK, 0, "images at the same place");
	c.s[S(x_image_high)] = 1;
	nn_call_expect(&c, KERNEL_BAD_RANGE, NN_PACK_BUFFER_X, "images 4 GiB apart");
	c.s[S(images)] = 1;
	nn_call_expect(&c, KERNEL_OK, 0, "one image, the next 4 GiB away");
}
END_TEST

#define K(name) NN_PACK_CHECK_##name

static const struct nn_wrong wrong[] = {
	{ "unknown mode", S(mode), 2, K(MODE) },
	{ "no images", S(images), 0, K(SIZE) },
	{ "no channels", S(channels), 0, K(SIZE) },
	{ "no rows", S(in_h), 0, K(SIZE) },
	{ "no columns", S(in_w), 0, K(SIZE) },
	{ "row too long", S(in_w), NN_PACK_ROW_BYTES / 3 + 1, K(ROW) },
	{ "row beyond 32 bits", S(in_w), 0xffffffff, K(ROW) },
	{ "too many channels", S(channels), NN_PACK_LUT / 256 + 1, K(LUT) },
	{ "no kernel", S(kernel), 0, K(KERNEL) },
	{ "no stride", S(stride), 0, K(KERNEL) },
	{ "kernel too large", S(kernel), 65536, K(KERNEL) },
	{ "stride too large", S(stride), 65536, K(KERNEL) },
	{ "pad too large", S(pad), 65536, K(KERNEL) },
	{ "no output columns", S(out_w), 0, K(Y) },
	{ "output channels that are no whole words", S(out_channels), 40, K(Y) },
	{ "too few output channels", S(out_channels), 16, K(Y) },
	{ "y_pitch below the channels", S(y_pitch), 16, K(Y) },
	{ "y_pitch no multiple", S(y_pitch), 40, K(Y) },
	{ "y_image too small", S(y_image), 5 * 7 * 48 - 16, K(Y) },
	{ "columns beyond 32 bits", S(out_w), 0xffffffff, K(Y) },
	{ "outside", S(outside), 256, K(RANGE) },
	{ "zero", S(zero), 256, K(RANGE) },
};

START_TEST(bad_shape)
{
	random_start();
	nn_call_wrong(&kernel, &wrong[_i]);
}
END_TEST

START_TEST(bad_range)
{
	struct nn_call c;

	random_start();
	nn_call_short(&kernel);
	nn_call_no_status(&kernel);
	good(&c);
	c.s[S(x_channel)] = 0xffffffff;
	nn_call_expect(&c, KERNEL_BAD_RANGE, NN_PACK_BUFFER_X, "channels beyond the buffer");
	good(&c);
	c.s[S(x_row)] = 0xffffffff;
	nn_call_expect(&c, KERNEL_BAD_RANGE, NN_PACK_BUFFER_X, "rows beyond the buffer");
	good(&c);
	c.s[S(x_skip)]++;
	nn_call_expect(&c, KERNEL_BAD_RANGE, NN_PACK_BUFFER_X, "a first element that begins later");
	c.s[S(x_skip)] = 0xffffffff;
	nn_call_expect(&c, KERNEL_BAD_RANGE, NN_PACK_BUFFER_X, "a first element beyond the buffer");
	good(&c);
	c.s[S(images)] = 0xffffffff;
	c.s[S(x_image_high)] = 0xffffffff;
	nn_call_expect(&c, KERNEL_BAD_RANGE, NN_PACK_BUFFER_X, "images beyond 64 bits");
	good(&c);
	c.s[S(mode)] = NN_PACK_FLOAT;
	nn_call_expect(&c, KERNEL_BAD_RANGE, NN_PACK_BUFFER_X, "singles where there is room for bytes");
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
	tcase_add_test(t, same_image);
	tcase_add_loop_test(t, bad_shape, 0, sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(t, bad_range);
	tcase_add_test(t, hostile_calls);
}

int main(void)
{
	return suite_main("nn_pack", add);
}
