// SPDX-License-Identifier: BSD-2-Clause
/* nn_add: the HLS source, the fast version (AVX2 and portable) and the reference must agree in every bit. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/nn_add/nn_add_check.h"
#include "../../kernels/reference/nn_ref.h"
#include "nn_case.h"
#include "random.h"
#include "suite.h"

__typeof__(nn_add) nn_add_hls, nn_add_fast;

#define S(name) (uint32_t)(offsetof(struct nn_add_run, name) / 4)
#define SCALARS (uint32_t)(sizeof(struct nn_add_run) / 4)

static struct nn_add_run run_of(const struct nn_call *c)
{
	struct nn_add_run r;

	memcpy(&r, c->s, SCALARS * 4);
	return r;
}

static void run(struct nn_call *c, int fast)
{
	const uint32_t *s = c->s;

	(fast ? nn_add_fast : nn_add_hls)(c->p[0], c->bytes[0], c->p[1], c->bytes[1], c->p[2], c->bytes[2], c->status, c->status_bytes, s[0], s[1],
					  s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12], s[13], s[14], s[15]);
}

static void reference(const struct nn_call *c, uint8_t *y)
{
	struct nn_add_run r = run_of(c);
	struct ref_nn_add l = { .images = r.images, .pixels = r.pixels, .channels = r.channels, .a = { r.a_pitch, r.a_image },
				.b = { r.b_pitch, r.b_image }, .y = { r.y_pitch, r.y_image }, .a_zero = (int32_t)r.a_zero,
				.b_zero = (int32_t)r.b_zero, .zero = (int32_t)r.zero, .clip = { (int32_t)(r.clip & 0xff), (int32_t)(r.clip >> 8) },
				.a_mult = nn_float_of(r.a_mult), .b_mult = nn_float_of(r.b_mult) };

	ref_nn_add(&l, c->p[0], r.flags & NN_ADD_B ? c->p[1] : NULL, y);
}

static uint32_t check(const struct nn_call *c, uint32_t *detail)
{
	struct nn_add_run r = run_of(c);

	return nn_add_check(&r, c->bytes[0], c->bytes[1], c->bytes[2], detail);
}

static double work(const struct nn_call *c)
{
	struct nn_add_run r = run_of(c);

	return (double)r.images * r.pixels * r.channels;
}

static void good(struct nn_call *c);

static const struct nn_kernel kernel = { "nn_add", SCALARS, 3, run, reference, good, check, work };

static void give(struct nn_call *c, const struct nn_add_run *r)
{
	memset(c, 0, sizeof(*c));
	c->kernel = &kernel;
	memcpy(c->s, r, SCALARS * 4);
	c->bytes[0] = nn_layout_bytes(r->images, 1, r->pixels, r->channels, r->a_pitch, r->a_image);
	c->bytes[1] = r->flags & NN_ADD_B ? nn_layout_bytes(r->images, 1, r->pixels, r->channels, r->b_pitch, r->b_image) : 0;
	c->bytes[2] = nn_layout_bytes(r->images, 1, r->pixels, r->channels, r->y_pitch, r->y_image);
	c->status_bytes = 16;
	c->y_is = -1;
}

static void good(struct nn_call *c)
{
	struct nn_add_run r = { .images = 2, .pixels = 11, .channels = 48, .a_pitch = 64, .a_image = 11 * 64 + 16, .b_pitch = 48,
				.b_image = 11 * 48, .y_pitch = 80, .y_image = 11 * 80 + 32, .a_zero = 100, .a_mult = 0x3f400000, .b_zero = 7,
				.b_mult = 0x3f99999a, .zero = 120, .clip = 255 << 8, .flags = NN_ADD_B };

	give(c, &r);
}

static void random_numbers(struct nn_add_run *r)
{
	nn_random_layout(1, r->pixels, r->channels, &r->a_pitch, &r->a_image);
	nn_random_layout(1, r->pixels, r->channels, &r->b_pitch, &r->b_image);
	nn_random_layout(1, r->pixels, r->channels, &r->y_pitch, &r->y_image);
	if (random_below(3) == 0) { /* no gaps at all */
		r->a_pitch = r->b_pitch = r->y_pitch = r->channels;
		r->a_image = r->b_image = r->y_image = r->pixels * r->channels;
	}
	if (random_below(4) == 0) { /* one image, or one pixel, for all */
		r->b_image = 0;
		r->b_pitch = random_below(2) ? r->b_pitch : 0;
	}
	r->a_zero = random_below(256);
	r->b_zero = random_below(256);
	r->zero = random_below(256);
	r->clip = nn_random_clip(r->zero);
	r->a_mult = nn_random_float(0.7f);
	r->b_mult = nn_random_float(0.7f);
	r->flags = random_below(4) ? NN_ADD_B : 0;
}

/* @in_place: 0, or y is a, or y is b */
static void try_run(struct nn_add_run *r, int in_place, const char *what)
{
	struct nn_call c;
	uint32_t detail;

	if (in_place == 1) {
		r->y_pitch = r->a_pitch;
		r->y_image = r->a_image;
	} else if (in_place == 2 && r->b_image) {
		r->flags = NN_ADD_B;
		r->y_pitch = r->b_pitch;
		r->y_image = r->b_image;
	}
	give(&c, r);
	c.y_is = in_place == 2 && !r->b_image ? -1 : in_place - 1;
	EXPECT(check(&c, &detail) == KERNEL_OK, "%s: the test's own call is not lawful: check %u", what, detail);
	nn_call_expect(&c, KERNEL_OK, 0, what);
}

START_TEST(random_shapes)
{
	int rounds = NN_SCALE(6000);

	random_start();
	for (int i = 0; i < rounds; i++) {
		struct nn_add_run r = { .images = 1 + random_below(3), .pixels = 1 + random_below(30), .channels = 16 * (1 + random_below(9)) };

		random_numbers(&r);
		try_run(&r, (int)random_below(3), "random shape");
	}
}
END_TEST

/* Each pair of bytes, with multipliers that make ties, cancel each other, overflow or are none. */
START_TEST(all_pairs)
{
	static const float mults[][2] = { { 0.5f, 0.5f }, { 0.5f, -0.5f }, { 1e30f, -1e30f }, { 3e38f, 3e38f }, { 0.3333333f, 0.6666667f },
					  { 1e-40f, 1.0f }, { 0x1p-24f, 1.0f }, { 0.1f, 0.0f } };
	struct nn_add_run r = { .images = 1, .pixels = 256, .channels = 256, .a_pitch = 256, .a_image = 65536, .b_pitch = 256, .b_image = 65536,
				.y_pitch = 256, .y_image = 65536, .flags = NN_ADD_B };
	struct nn_call c;

	random_start();
	for (size_t m = 0; m < sizeof(mults) / sizeof(mults[0]); m++) {
		for (int i = 0; i < 3; i++) {
			r.a_zero = random_below(256);
			r.b_zero = random_below(256);
			r.zero = random_below(256);
			r.clip = nn_random_clip(r.zero);
			r.a_mult = nn_bits_of(mults[m][0]);
			r.b_mult = nn_bits_of(mults[m][1]);
			give(&c, &r);
			nn_call_buffers(&c);
			for (uint32_t k = 0; k < 65536; k++) {
				c.p[0][k] = (uint8_t)k;
				c.p[1][k] = (uint8_t)(k >> 8);
			}
			nn_call_check(&c, KERNEL_OK, 0, "all pairs of bytes");
			nn_call_free(&c);
		}
	}
}
END_TEST

#define K(name) NN_ADD_CHECK_##name

static const struct nn_wrong wrong[] = {
	{ "unknown flag", S(flags), 2 | NN_ADD_B, K(FLAGS) },
	{ "no images", S(images), 0, K(SIZE) },
	{ "no pixels", S(pixels), 0, K(SIZE) },
	{ "no channels", S(channels), 0, K(SIZE) },
	{ "channels that are no whole words", S(channels), 40, K(SIZE) },
	{ "a_pitch no multiple", S(a_pitch), 56, K(A) },
	{ "a_pitch below the channels", S(a_pitch), 32, K(A) },
	{ "a_image too small", S(a_image), 11 * 64 - 16, K(A) },
	{ "a_image no multiple", S(a_image), 11 * 64 + 8, K(A) },
	{ "pixels beyond 32 bits", S(pixels), 0xffffffff, K(A) },
	{ "b_pitch no multiple", S(b_pitch), 56, K(B) },
	{ "b_pitch below the channels", S(b_pitch), 32, K(B) },
	{ "b_image too small", S(b_image), 11 * 48 - 16, K(B) },
	{ "b_pitch 0 with images", S(b_pitch), 0, K(B) },
	{ "y_pitch below the channels", S(y_pitch), 32, K(Y) },
	{ "y_image too small", S(y_image), 11 * 80 - 16, K(Y) },
	{ "a_zero", S(a_zero), 256, K(RANGE) },
	{ "b_zero", S(b_zero), 0xffffffff, K(RANGE) },
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

/* What describes b means nothing without it, and b is not accessed. */
START_TEST(without_b)
{
	struct nn_call c;

	random_start();
	good(&c);
	c.s[S(flags)] = 0;
	c.s[S(b_pitch)] = 1;
	c.s[S(b_image)] = 3;
	c.s[S(b_zero)] = 0x80000000; /* with which a difference would not fit */
	c.s[S(b_mult)] = 0x7fc00000;
	c.bytes[1] = 0;
	nn_call_expect(&c, KERNEL_OK, 0, "one operand");
}
END_TEST

START_TEST(bad_range)
{
	struct nn_call c;

	random_start();
	nn_call_short(&kernel);
	nn_call_no_status(&kernel);
	good(&c);
	c.s[S(images)] = 0xffffffff;
	c.s[S(a_image)] = c.s[S(b_image)] = c.s[S(y_image)] = 0xfffffff0;
	nn_call_expect(&c, KERNEL_BAD_RANGE, NN_ADD_BUFFER_A, "images beyond the buffer");
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
	tcase_add_test(t, random_shapes);
	tcase_add_test(t, all_pairs);
	tcase_add_loop_test(t, bad_shape, 0, sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(t, without_b);
	tcase_add_test(t, bad_range);
	tcase_add_test(t, hostile_calls);
}

int main(void)
{
	return suite_main("nn_add", add);
}
