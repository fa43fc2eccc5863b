// SPDX-License-Identifier: BSD-2-Clause
/* nn_conv: the HLS source, the fast version with each instruction set and the reference must agree in every bit. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn_case.h"
#include "nn_conv_case.h"
#include "random.h"
#include "suite.h"

#ifdef __SANITIZE_ADDRESS__
#define SCALE(n) ((n) / 4)
#define REPEATS	 1
#else
#define SCALE(n) (n)
#define REPEATS	 2
#endif

static void check_kernel(const struct nn_conv_case *c, const uint8_t *want, nn_conv_fn *kernel, const char *name)
{
	uint32_t status[KERNEL_STATUS_WORDS];
	int64_t at = nn_conv_case_run(c, want, kernel, status);

	EXPECT(status[0] == KERNEL_OK, "%s: status %u %u; %s", name, status[0], status[1], nn_conv_describe(c));
	EXPECT(at < 0, "%s: y differs at %lld; %s", name, (long long)at, nn_conv_describe(c));
}

static void check_all(const struct nn_conv_case *c)
{
	static const char *const sets[] = { "portable", "avx2", "avx512" };
	uint8_t *want = nn_conv_case_want(c);

	check_kernel(c, want, nn_conv_hls, "HLS");
	for (int i = 0; i < 3; i++) {
		setenv("SMARTSSD_SIMD", sets[i], 1);
		check_kernel(c, want, nn_conv_fast, sets[i]);
	}
	free(want);
}

/* images, in, groups, channels, filters, kernel, stride, dilation, pad, residual, pool, its stride, its pad. Each the shape of a trap. */
static const struct nn_conv_sizes ugly[] = {
	{ 1, 1, 1, 1, 16, 16, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 0 } },				       /* one pixel */
	{ 1, 1, 1, 1, 512, 80, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 0 } },				       /* a matrix product of one row */
	{ 1, 1, 50, 1, 64, 64, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 0 }, 1 },			       /* of 50 rows, with a residual */
	{ 1, 50, 1, 1, 64, 112, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 0 } },				       /* the same, upright */
	{ 1, 1, 1, 1, 16, 48, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 } },			       /* more padding than image */
	{ 1, 31, 29, 1, 16, 64, { 7, 7 }, { 2, 2 }, { 1, 1 }, { 3, 3, 3, 3 } },			       /* a first layer */
	{ 1, 31, 29, 1, 32, 64, { 7, 1 }, { 2, 1 }, { 1, 1 }, { 3, 0, 3, 0 }, 0, { 3, 3 }, { 2, 2 }, { 1, 1, 1, 1 } }, /* unfolded, with its pool */
	{ 2, 9, 9, 1, 16, 32, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 5, 4, 2, 3 } },			       /* pad > kernel, asymmetric */
	{ 1, 9, 9, 1, 16, 32, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 2, 1, 0, 3 }, 1 },		       /* padding around 1x1 */
	{ 2, 17, 13, 1, 32, 48, { 3, 2 }, { 2, 3 }, { 2, 3 }, { 2, 0, 1, 2 }, 1 },		       /* nothing is symmetric */
	{ 1, 40, 40, 1, 16, 16, { 2, 2 }, { 1, 1 }, { 30, 38 }, { 0 } },			       /* dilation as large as the image */
	{ 1, 16, 16, 1, 48, 96, { 1, 1 }, { 2, 2 }, { 1, 1 }, { 0 } },				       /* 1x1 that skips pixels */
	{ 1, 40, 40, 1, 16, 16, { 3, 3 }, { 40, 40 }, { 1, 1 }, { 0 } },			       /* stride beyond the image */
	{ 1, 20, 40, 1, 32, 32, { 3, 3 }, { 3, 7 }, { 1, 1 }, { 1, 1, 1, 1 } },			       /* columns that all lie in one bank */
	{ 1, 6, 60, 1, 16, 32, { 1, 3 }, { 1, 14 }, { 1, 7 }, { 0, 9, 0, 9 }, 1 },		       /* so do these, and the taps */
	{ 1, 1, 40, 1, 16, 32, { 1, 5 }, { 1, 2 }, { 1, 1 }, { 0, 2, 0, 2 } },			       /* one row */
	{ 1, 40, 1, 1, 16, 32, { 5, 1 }, { 2, 1 }, { 1, 1 }, { 2, 0, 2, 0 } },			       /* one column */
	{ 2, 12, 12, 3, 16, 16, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 }, 1 },		       /* groups, half a block of filters each */
	{ 1, 8, 8, 2, 32, 80, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 }, 0, { 2, 2 }, { 2, 2 }, { 0 } }, /* groups and a pool */
	{ 1, 7, 7, 1, 512, 64, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 } },			       /* deep */
	{ 1, 3, 200, 1, 16, 32, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 } },			       /* wide */
	{ 1, 130, 130, 1, 32, 16, { 3, 2 }, { 2, 2 }, { 1, 1 }, { 1, 1, 1, 1 } },		       /* several bands of rows, copied */
	{ 1, 130, 130, 1, 32, 16, { 3, 2 }, { 2, 2 }, { 1, 1 }, { 0 } },			       /* and read where they are */
	{ 1, 100, 40, 1, 16, 64, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 0 }, 0, { 3, 3 }, { 2, 2 }, { 1, 1, 1, 1 } },  /* more rows than the pool keeps */
	{ 1, 131, 40, 1, 16, 64, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 0 }, 0, { 2, 3 }, { 5, 2 }, { 0 } },	       /* and some that it skips */
	/* a pool of single pixels at the edge */
	{ 1, 10, 11, 1, 16, 32, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 }, 0, { 5, 4 }, { 1, 1 }, { 4, 3, 4, 3 } },
	{ 1, 10, 11, 1, 16, 32, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 0 }, 0, { 1, 2 }, { 4, 5 }, { 0 } },   /* a pool that skips rows */
	{ 1, 2, 3, 1, 16, 16, { 2, 2 }, { 1, 1 }, { 1, 1 }, { 40, 9, 41, 50 } },		       /* rows of nothing but padding */
};

START_TEST(ugly_shapes)
{
	random_start();
	for (int repeat = 0; repeat < REPEATS; repeat++) {
		struct nn_conv_case c;

		ck_assert_int_eq(nn_conv_case_make(&c, &ugly[_i]), 0);
		check_all(&c);
		for (int i = 0; i < 1 + REPEATS; i++) {
			ck_assert_int_eq(nn_conv_case_random_tile(&c), 0);
			check_all(&c);
		}
		nn_conv_case_free(&c);
	}
}
END_TEST

START_TEST(random_layers)
{
	random_start();
	for (int done = 0; done < SCALE(80);) {
		struct nn_conv_sizes s;
		struct nn_conv_case c;
		double work;

		nn_conv_case_random_sizes(&s);
		if (nn_conv_case_make(&c, &s))
			continue;
		work = (double)s.images * s.groups * c.call.a.out_h * c.call.a.out_w * s.filters * s.channels * s.kernel[0] * s.kernel[1];
		if (work > 2e7) {
			nn_conv_case_free(&c);
			continue;
		}
		check_all(&c);
		for (int i = 0; i < 2; i++) {
			ck_assert_int_eq(nn_conv_case_random_tile(&c), 0);
			check_all(&c);
		}
		nn_conv_case_free(&c);
		done++;
	}
}
END_TEST

/* The largest sum there is: 32768 terms of 255 * -128 or 255 * 127, and a bias beyond int32. */
START_TEST(extreme_sums)
{
	static const int32_t biases[] = { 0, INT32_MAX, INT32_MIN, 1 << 30, -(1 << 30), (1 << 30) + 1, 1500000000, -1500000000 };
	struct nn_conv_sizes s = { 1, 1, 3, 1, NN_MAX_TERMS, 32, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 0 }, 1 };

	random_start();
	for (int i = 0; i < 16; i++) {
		struct nn_conv_case c;

		s.channels = i % 3 ? NN_MAX_TERMS : 4096;
		ck_assert_int_eq(nn_conv_case_make(&c, &s), 0);
		memset(c.call.x, 255, c.call.x_bytes);
		memset(c.weights, i & 1 ? 127 : -128, c.call.w_bytes);
		memset(c.call.w, i & 1 ? 127 : -128, c.call.w_bytes);
		for (uint32_t f = 0; f < s.filters; f++) {
			c.bias[f] = biases[i / 2];
			c.mult[f] = 0x1p-24f;
		}
		nn_conv_case_coef(&c);
		check_all(&c);
		nn_conv_case_free(&c);
	}
}
END_TEST

/* Multipliers that no sane model has still mean the same everywhere. */
START_TEST(odd_multipliers)
{
	static const float values[] = { 0.0f, -0.0f, -0.01f, 1e30f, -1e30f, 1e-30f, 1e-42f, INFINITY, -INFINITY, NAN, 1.0f };
	enum { N = sizeof(values) / sizeof(values[0]) };
	struct nn_conv_sizes s = { 1, 9, 9, 1, 16, 80, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 1, 1, 1, 1 }, 1 };

	random_start();
	for (uint32_t i = 0; i < N * N; i++) {
		struct nn_conv_case c;

		s.residual = i % N != N - 1;
		ck_assert_int_eq(nn_conv_case_make(&c, &s), 0);
		memset(c.call.x, (uint8_t)c.call.a.x_zero, c.call.x_bytes / 2); /* the same sum many times: some are 0, and 0 * infinity is NaN */
		for (uint32_t f = 0; f < s.filters; f++) {
			c.mult[f] = f & 1 ? c.mult[f] : values[i / N];
			if (f % 3 == 0) {
				c.bias[f] = 0;
				for (uint32_t k = 0; k < 9 * s.channels; k++)
					c.call.w[nn_weight_at(9, s.channels, f, k / s.channels, k % s.channels)] = 0;
				memset(c.weights + f * 9 * s.channels, 0, 9 * s.channels);
			}
		}
		memcpy(&c.call.a.v_mult, &values[i % N], 4);
		c.layer.v_mult = values[i % N];
		if (i & 1) {
			memcpy(&c.call.a.r_mult, &values[i / N], 4);
			c.layer.r_mult = values[i / N];
		}
		nn_conv_case_coef(&c);
		check_all(&c);
		nn_conv_case_free(&c);
	}
}
END_TEST

static void add(TCase *t)
{
	tcase_add_loop_test(t, ugly_shapes, 0, sizeof(ugly) / sizeof(ugly[0]));
	tcase_add_test(t, random_layers);
	tcase_add_test(t, extreme_sums);
	tcase_add_test(t, odd_multipliers);
}

int main(void)
{
	return suite_main("nn_conv", add);
}
