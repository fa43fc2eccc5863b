// SPDX-License-Identifier: BSD-2-Clause
/*
 * The cycle models against the loops that they are made from. The HLS sources are run with loops that count their turns (counted.awk). Of each run:
 *
 *   what the model says is at least what the busiest of the processes that run at the same time takes by itself (turns x initiation interval);
 *   and at most what all of them take one after the other, with a start of everything that is started, and DDR's time.
 *
 * For nn_conv the calls of one such time step are carried out in the opposite order, too: the result must be the reference's all the same.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/nn_add/nn_add_cycles.h"
#include "../../kernels/nn_conv/nn_conv_cycles.h"
#include "../../kernels/nn_depthwise/nn_depthwise_cycles.h"
#include "../../kernels/nn_pack/nn_pack_cycles.h"
#include "../../kernels/nn_pool/nn_pool_cycles.h"
#include "nn_conv_case.h"
#include "nn_count.h"
#include "random.h"
#include "suite.h"

__typeof__(nn_conv) nn_conv_counted;
__typeof__(nn_depthwise) nn_depthwise_counted;
__typeof__(nn_pool) nn_pool_counted;
__typeof__(nn_add) nn_add_counted;
__typeof__(nn_pack) nn_pack_counted;

uint64_t nn_counts[NN_LOOPS];

#define TURNS(loop) (nn_counts[COUNT_##loop])

/* @busiest, @all: clocks; @starts: of bursts and pipelines; @bytes: over DDR, each of them at worst in a burst of its own word */
static void check(uint64_t cycles, uint64_t busiest, uint64_t all, uint64_t starts, uint64_t bytes, const char *what)
{
	uint64_t most = all + starts * NN_START + nn_divide_up(bytes * NN_DDR_BURST / NN_LANES * 5, NN_DDR_BYTES_5) + NN_CALL;

	EXPECT(cycles >= busiest + NN_CALL, "SEED=%llu: %s: %llu cycles modelled, its busiest part takes %llu", (unsigned long long)random_seed(), what,
	       (unsigned long long)cycles, (unsigned long long)busiest);
	EXPECT(cycles <= most, "SEED=%llu: %s: %llu cycles modelled, %llu if nothing overlapped", (unsigned long long)random_seed(), what,
	       (unsigned long long)cycles, (unsigned long long)most);
}

static uint64_t largest(uint64_t a, uint64_t b, uint64_t c)
{
	return nn_larger(a, nn_larger(b, c));
}

/* ---- nn_conv ---- */

static void check_conv(const struct nn_conv_case *c)
{
	struct nn_conv_args a = c->call.a;
	uint8_t *want = nn_conv_case_want(c);
	uint32_t status[KERNEL_STATUS_WORDS];
	struct nn_conv_cost cost;
	uint64_t load, all;
	int64_t at;

	memset(nn_counts, 0, sizeof(nn_counts));
	at = nn_conv_case_run(c, want, nn_conv_counted, status);
	free(want);
	EXPECT(status[0] == KERNEL_OK && at < 0, "SEED=%llu: other order: status %u, byte %lld differs; %s", (unsigned long long)random_seed(), status[0],
	       (long long)at, nn_conv_describe(c));
	EXPECT(!nn_conv_check_shape(&a) && !nn_conv_check_tiles(&a), "a case that the kernel took");
	cost = nn_conv_cost(&a);
	for (a.images = 1; a.images < 7; a.images++) { /* any number of images by the third one */
		struct nn_conv_cost one_by_one = nn_conv_tiles_cost(&a), extended = nn_conv_cost(&a);

		EXPECT(!memcmp(&one_by_one, &extended, sizeof(extended)), "SEED=%llu: %u images; %s", (unsigned long long)random_seed(), a.images, nn_conv_describe(c));
	}
	load = nn_larger(TURNS(LOAD_X), TURNS(LOAD_W) + TURNS(LOAD_COEF)); /* from two ports */
	all = load + TURNS(STEPS) + TURNS(LOAD_R) + TURNS(STORE) + TURNS(POOL);
	check(cost.cycles, largest(load, TURNS(STEPS) + TURNS(CHUNKS) * NN_CONV_DEPTH + TURNS(TILES) * NN_CONV_ADVANCE, largest(TURNS(LOAD_R), TURNS(STORE), TURNS(POOL))),
	      all + nn_divide_up(a.rows, a.tile_rows), 3 * TURNS(TILES) + 4 * TURNS(CHUNKS), cost.loaded + cost.stored, nn_conv_describe(c));
	EXPECT(cost.array <= TURNS(STEPS) && cost.array >= TURNS(STEPS) / (2 * NN_PIXELS) / NN_PIXELS, "array %llu of %llu steps", (unsigned long long)cost.array,
	       (unsigned long long)TURNS(STEPS));
}

START_TEST(conv)
{
	int done = 0;

	random_start();
	while (done < 120) {
		struct nn_conv_sizes s;
		struct nn_conv_case c;
		double work;

		nn_conv_case_random_sizes(&s);
		if (nn_conv_case_make(&c, &s))
			continue;
		work = (double)s.images * s.groups * c.call.a.out_h * c.call.a.out_w * s.filters * s.channels * s.kernel[0] * s.kernel[1];
		for (int i = 0; i < 3 && work < 3e6; i++, done++) {
			check_conv(&c);
			if (nn_conv_case_random_tile(&c))
				break;
		}
		nn_conv_case_free(&c);
	}
}
END_TEST

/* Chunks and tiles in the plenty, which random layers rarely have. */
START_TEST(conv_large)
{
	static const struct nn_conv_sizes sizes[] = {
		{ 1, 56, 56, 1, 16, 64, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 0 }, 1 },
		{ 2, 30, 31, 1, 32, 96, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 0 }, 1 },
		{ 1, 60, 33, 1, 16, 96, { 3, 1 }, { 1, 1 }, { 1, 1 }, { 1, 0, 1, 0 }, 0, { 3, 3 }, { 2, 2 }, { 1, 1, 1, 1 } },
		{ 1, 41, 20, 2, 48, 160, { 1, 1 }, { 2, 2 }, { 1, 1 }, { 0 }, 1 },
		{ 1, 60, 60, 1, 80, 32, { 1, 1 }, { 4, 4 }, { 1, 1 }, { 0 } }, /* loads more than it computes */
	};

	random_start();
	for (int i = 0; i < 4; i++) {
		struct nn_conv_case c;

		ck_assert_int_eq(nn_conv_case_make(&c, &sizes[_i]), 0);
		if (i)
			ck_assert_int_eq(nn_conv_case_random_tile(&c), 0);
		check_conv(&c);
		nn_conv_case_free(&c);
	}
}
END_TEST

/* ---- the small ones: data does not matter ---- */

static uint8_t *bytes_of(uint64_t n)
{
	uint8_t *p = malloc(n);

	ck_assert_ptr_nonnull(p);
	memset(p, 5, n);
	return p;
}

static uint32_t outputs(uint32_t in, uint32_t extent, uint32_t stride)
{
	return in < extent ? 0 : (in - extent) / stride + 1;
}

START_TEST(depthwise)
{
	random_start();
	for (int done = 0; done < 200;) {
		struct nn_depthwise_run r = { .images = 1 + random_below(2), .in_h = 1 + random_below(20), .in_w = 1 + random_below(30), .channels = 16 * (1 + random_below(40)),
					      .zero = 3, .clip = 255 << 8 };
		uint32_t kernel = 1 + random_below(4), stride = 1 + random_below(2), status[KERNEL_STATUS_WORDS], from;
		uint64_t x_bytes, y_bytes, w_bytes, coef_bytes, load, first;
		uint8_t *x, *y, *w, *coef;

		r.kernel = NN_PAIR(kernel, kernel);
		r.stride = NN_PAIR(stride, stride);
		r.dilation = NN_PAIR(1, 1);
		r.x_pitch = r.channels + 16 * random_below(2);
		r.x_image = r.in_h * r.in_w * r.x_pitch;
		r.out_h = outputs(r.in_h, kernel, stride);
		r.out_w = outputs(r.in_w, kernel, stride);
		r.y_pitch = r.channels;
		r.y_image = r.out_h * r.out_w * r.y_pitch;
		r.rows = r.out_h;
		r.tile_rows = 1 + random_below(r.rows + 1);
		r.tile_channels = 16 * (1 + random_below(r.channels / 16));
		if (nn_depthwise_check_shape(&r))
			continue;
		done++;
		x_bytes = (uint64_t)r.images * r.x_image;
		y_bytes = (uint64_t)r.images * r.y_image;
		w_bytes = (uint64_t)r.taps * r.channels;
		coef_bytes = 8ull * r.channels;
		x = bytes_of(x_bytes);
		y = bytes_of(y_bytes);
		w = bytes_of(w_bytes);
		coef = bytes_of(coef_bytes);
		memset(nn_counts, 0, sizeof(nn_counts));
		nn_depthwise_counted(x, x_bytes, (int8_t *)w, w_bytes, (uint32_t *)coef, coef_bytes, y, y_bytes, status, sizeof(status), r.images, r.in_h, r.in_w,
				     r.channels, r.x_pitch, r.x_image, r.kernel, r.stride, r.dilation, r.pad, r.out_h, r.out_w, r.y_pitch, r.y_image, r.x_zero, r.zero,
				     r.clip, r.first_row, r.rows, r.tile_rows, r.tile_channels);
		ck_assert_uint_eq(status[0], KERNEL_OK);
		load = 2 * TURNS(LOAD_COEF) + TURNS(LOAD_W) + TURNS(LOAD_X); /* one process; LOAD_COEF: II=2 */
		/* The model lets a load run beside the last tile, too: one more than there are, where loads take longest. */
		first = nn_depthwise_load_cycles(&r, nn_axis_span(&r.h, r.first_row, r.rows < r.tile_rows ? r.rows : r.tile_rows, &from), r.tile_channels);
		check(nn_depthwise_cycles(&r), largest(load, TURNS(COMPUTE), TURNS(STORE)), load + TURNS(COMPUTE) + TURNS(STORE) + first,
		      4 * TURNS(TILES) + 2 * TURNS(ROWS) + 4, 16 * (TURNS(LOAD_X) + TURNS(LOAD_W) + TURNS(STORE)), "nn_depthwise");
		free(x);
		free(y);
		free(w);
		free(coef);
	}
}
END_TEST

START_TEST(pool)
{
	random_start();
	for (int done = 0; done < 200;) {
		struct nn_pool_run r = { .images = 1 + random_below(2), .in_h = 1 + random_below(20), .in_w = 1 + random_below(30), .channels = 16 * (1 + random_below(40)),
					 .zero = 3, .clip = 255 << 8, .mult = 0x3f800000 };
		uint32_t kernel = 1 + random_below(4), stride = 1 + random_below(2), status[KERNEL_STATUS_WORDS];
		uint64_t x_bytes, y_bytes;
		uint8_t *x, *y;

		r.kernel = NN_PAIR(kernel, kernel);
		r.stride = NN_PAIR(stride, stride);
		r.dilation = NN_PAIR(1, 1);
		r.mode = random_below(2) ? NN_POOL_AVERAGE : NN_POOL_MAX;
		r.x_pitch = r.channels + 16 * random_below(2);
		r.x_image = r.in_h * r.in_w * r.x_pitch;
		r.out_h = outputs(r.in_h, kernel, stride);
		r.out_w = outputs(r.in_w, kernel, stride);
		r.y_pitch = r.channels;
		r.y_image = r.out_h * r.out_w * r.y_pitch;
		r.rows = r.out_h;
		r.tile_channels = 16 * (1 + random_below(r.channels / 16));
		if (nn_pool_check_shape(&r))
			continue;
		done++;
		x_bytes = (uint64_t)r.images * r.x_image;
		y_bytes = (uint64_t)r.images * r.y_image;
		x = bytes_of(x_bytes);
		y = bytes_of(y_bytes);
		memset(nn_counts, 0, sizeof(nn_counts));
		nn_pool_counted(x, x_bytes, y, y_bytes, status, sizeof(status), r.images, r.in_h, r.in_w, r.channels, r.x_pitch, r.x_image, r.kernel, r.stride,
				r.dilation, r.pad, r.pad_end, r.out_h, r.out_w, r.y_pitch, r.y_image, r.x_zero, r.zero, r.clip, r.mult, r.mode, r.first_row, r.rows,
				r.tile_channels);
		ck_assert_uint_eq(status[0], KERNEL_OK);
		check(nn_pool_cycles(&r), largest(TURNS(LOAD), TURNS(COMPUTE), TURNS(STORE)), TURNS(LOAD) + TURNS(COMPUTE) + TURNS(STORE), 3 * TURNS(TILES) + 3,
		      16 * (TURNS(LOAD) + TURNS(STORE)), "nn_pool");
		free(x);
		free(y);
	}
}
END_TEST

START_TEST(add)
{
	random_start();
	for (int i = 0; i < 100; i++) {
		struct nn_add_run r = { .images = 1 + random_below(3), .pixels = 1 + random_below(900), .channels = 16 * (1 + random_below(20)), .zero = 3, .clip = 255 << 8,
					.a_mult = 0x3f800000, .b_mult = 0x3f800000, .flags = random_below(2) ? NN_ADD_B : 0 };
		uint32_t status[KERNEL_STATUS_WORDS];
		uint64_t bytes;
		uint8_t *a, *y;

		r.a_pitch = r.b_pitch = r.y_pitch = r.channels + 16 * random_below(2);
		r.a_image = r.b_image = r.y_image = r.pixels * r.a_pitch;
		bytes = (uint64_t)r.images * r.a_image;
		ck_assert_uint_eq(nn_add_check_shape(&r), 0);
		a = bytes_of(bytes);
		y = bytes_of(bytes);
		memset(nn_counts, 0, sizeof(nn_counts));
		nn_add_counted(a, bytes, a, bytes, y, bytes, status, sizeof(status), r.images, r.pixels, r.channels, r.a_pitch, r.a_image, r.b_pitch, r.b_image, r.y_pitch,
			       r.y_image, r.a_zero, r.a_mult, r.b_zero, r.b_mult, r.zero, r.clip, r.flags);
		ck_assert_uint_eq(status[0], KERNEL_OK);
		check(nn_add_cycles(&r), 2 * TURNS(TERMS) + TURNS(WORDS), 2 * TURNS(TERMS) + TURNS(WORDS), 1 + r.images, 48 * TURNS(WORDS), "nn_add");
		free(a);
		free(y);
	}
}
END_TEST

START_TEST(pack)
{
	random_start();
	for (int done = 0; done < 100;) {
		struct nn_pack_run r = { .images = 1 + random_below(2), .channels = 1 + random_below(20), .in_h = 1 + random_below(20), .in_w = 1 + random_below(60), .kernel = 1,
					 .stride = 1, .scale = 0x3f800000, .mode = random_below(2) ? NN_PACK_FLOAT : NN_PACK_BYTES };
		uint32_t element = r.mode == NN_PACK_FLOAT ? 4 : 1, status[KERNEL_STATUS_WORDS];
		uint64_t x_bytes, y_bytes, lut_bytes;
		uint8_t *x, *y, *lut;

		if (random_below(2)) { /* unfolded */
			r.channels = 1 + random_below(4);
			r.kernel = 1 + random_below(7);
			r.stride = 1 + random_below(2);
			r.pad = r.kernel / 2;
		}
		r.out_w = (r.in_w + 2 * r.pad) / r.stride;
		r.out_channels = (r.kernel * r.channels + 15) / 16 * 16;
		r.y_pitch = r.out_channels;
		r.y_image = r.in_h * r.out_w * r.y_pitch;
		r.x_row = r.in_w * element;
		r.x_channel = r.x_row * r.in_h;
		r.x_image_low = r.x_channel * r.channels;
		if (nn_pack_check_shape(&r))
			continue;
		done++;
		x_bytes = (uint64_t)r.images * r.x_image_low;
		y_bytes = (uint64_t)r.images * r.y_image;
		lut_bytes = 256ull * r.channels;
		x = bytes_of(x_bytes + NN_LANES); /* the kernel reads whole words of DDR */
		y = bytes_of(y_bytes);
		lut = bytes_of(lut_bytes);
		memset(nn_counts, 0, sizeof(nn_counts));
		nn_pack_counted(x, x_bytes, lut, lut_bytes, y, y_bytes, status, sizeof(status), r.images, r.channels, r.in_h, r.in_w, r.x_skip, r.x_row, r.x_channel,
				r.x_image_low, r.x_image_high, r.kernel, r.stride, r.pad, r.out_w, r.out_channels, r.y_pitch, r.y_image, r.outside, r.scale, r.zero, r.mode);
		ck_assert_uint_eq(status[0], KERNEL_OK);
		check(nn_pack_cycles(&r), TURNS(LOAD_LUT) + nn_larger(TURNS(LOAD), TURNS(STORE)), TURNS(LOAD_LUT) + TURNS(LOAD) + TURNS(STORE), 2 * TURNS(ROWS) + 3,
		      16 * (TURNS(LOAD) + TURNS(STORE)) + TURNS(LOAD_LUT), "nn_pack");
		free(x);
		free(y);
		free(lut);
	}
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, conv);
	tcase_add_loop_test(t, conv_large, 0, 5);
	tcase_add_test(t, depthwise);
	tcase_add_test(t, pool);
	tcase_add_test(t, add);
	tcase_add_test(t, pack);
}

int main(void)
{
	return suite_main("cycle models", add_tests);
}
