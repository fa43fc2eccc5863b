// SPDX-License-Identifier: BSD-2-Clause
/* conv2d: the HLS source, the fast version (AVX2 and portable) and the reference must agree in every bit. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conv2d_case.h"
#include "random.h"
#include "suite.h"

#ifdef __SANITIZE_ADDRESS__
#define SCALE(n) ((n) / 8)
#else
#define SCALE(n) (n)
#endif

static void check_kernel(const struct conv2d_case *c, const struct conv2d_part *p, conv2d_fn *kernel, const char *name)
{
	uint32_t status;
	int64_t at = conv2d_part_run(c, p, kernel, &status);

	EXPECT(status == KERNEL_OK, "%s: status %u; %s", name, status, conv2d_describe(c, p));
	EXPECT(at < 0, "%s: y differs at %lld; %s", name, (long long)at, conv2d_describe(c, p));
}

static void check_all(const struct conv2d_case *c, const struct conv2d_part *p)
{
	check_kernel(c, p, conv2d_hls, "HLS");
	setenv("SMARTSSD_SIMD", "portable", 1);
	check_kernel(c, p, conv2d_fast, "portable");
	setenv("SMARTSSD_SIMD", "avx2", 1);
	check_kernel(c, p, conv2d_fast, "avx2");
}

static void whole_layer(struct conv2d_sizes s)
{
	struct conv2d_case c;
	struct conv2d_part p;

	ck_assert_int_eq(conv2d_case_make(&c, &s), 0);
	conv2d_part_whole(&c, &p);
	EXPECT(conv2d_part_fits(&c, &p), "test layer too large: %s", conv2d_describe(&c, &p));
	check_all(&c, &p);
	conv2d_case_free(&c);
}

/* Each the shape of a trap. */
static const struct conv2d_sizes ugly[] = {
	/* channels, in, filters, kernel, stride, pad, dilation, group */
	{ 1, 1, 1, 1, 1, 1, { 1, 1 }, { 0, 0, 0, 0 }, { 1, 1 }, 1 },	    /* one pixel */
	{ 64, 1, 1, 40, 1, 1, { 1, 1 }, { 0, 0, 0, 0 }, { 1, 1 }, 1 },	    /* a matrix product */
	{ 5, 1, 1, 3, 3, 3, { 1, 1 }, { 1, 1, 1, 1 }, { 1, 1 }, 1 },	    /* more padding than image */
	{ 3, 31, 29, 16, 7, 7, { 2, 2 }, { 3, 3, 3, 3 }, { 1, 1 }, 1 },	    /* a first layer */
	{ 1, 20, 20, 8, 7, 7, { 2, 2 }, { 3, 3, 3, 3 }, { 1, 1 }, 1 },	    /* of a grey image: one channel, but not depthwise */
	{ 4, 9, 9, 5, 3, 3, { 1, 1 }, { 5, 4, 2, 3 }, { 1, 1 }, 1 },	    /* pad > kernel, asymmetric */
	{ 4, 9, 9, 5, 1, 1, { 1, 1 }, { 2, 1, 0, 3 }, { 1, 1 }, 1 },	    /* padding around 1x1 */
	{ 6, 17, 13, 7, 3, 2, { 2, 3 }, { 2, 0, 1, 2 }, { 2, 3 }, 1 },	    /* nothing is symmetric */
	{ 2, 40, 40, 3, 2, 2, { 1, 1 }, { 0, 0, 0, 0 }, { 30, 38 }, 1 },    /* dilation as large as the image */
	{ 19, 16, 16, 33, 1, 1, { 2, 2 }, { 0, 0, 0, 0 }, { 1, 1 }, 1 },    /* 1x1 that skips pixels */
	{ 3, 40, 40, 4, 3, 3, { 40, 40 }, { 0, 0, 0, 0 }, { 1, 1 }, 1 },    /* stride beyond the image */
	{ 3, 1, 40, 9, 1, 5, { 1, 2 }, { 0, 2, 0, 2 }, { 1, 1 }, 1 },	    /* one row */
	{ 3, 40, 1, 9, 5, 1, { 2, 1 }, { 2, 0, 2, 0 }, { 1, 1 }, 1 },	    /* one column */
	{ 24, 12, 12, 24, 3, 3, { 1, 1 }, { 1, 1, 1, 1 }, { 1, 1 }, 24 },   /* depthwise */
	{ 5, 23, 21, 15, 5, 3, { 3, 2 }, { 1, 2, 3, 0 }, { 2, 3 }, 5 },	    /* depthwise, 3 filters each, strided, dilated */
	{ 2, 40, 40, 2, 2, 2, { 17, 18 }, { 0, 0, 0, 0 }, { 1, 1 }, 2 },    /* depthwise beyond the AVX2 version's stride */
	{ 12, 10, 10, 20, 3, 3, { 1, 1 }, { 1, 1, 1, 1 }, { 1, 1 }, 4 },    /* groups */
	{ 32, 8, 8, 64, 3, 3, { 1, 1 }, { 1, 1, 1, 1 }, { 1, 1 }, 2 },	    /* groups of whole blocks */
	{ 512, 7, 7, 32, 3, 3, { 1, 1 }, { 1, 1, 1, 1 }, { 1, 1 }, 1 },	    /* deep */
	{ 16, 2, 15, 4, 1, 1, { 1, 1 }, { 0, 0, 0, 0 }, { 1, 1 }, 1 },	    /* the last block of columns ends one byte behind x */
	{ 32, 3, 17, 4, 3, 3, { 1, 1 }, { 1, 1, 1, 1 }, { 1, 1 }, 1 },	    /* and here far behind it */
	{ 3, 6, 200, 5, 3, 3, { 1, 1 }, { 1, 1, 1, 1 }, { 1, 1 }, 1 },	    /* wide */
	{ 32, 60, 60, 20, 3, 3, { 1, 1 }, { 1, 1, 1, 1 }, { 1, 1 }, 1 },    /* several chunks of rows */
	{ 2, 3, 1400, 1, 3, 3, { 1, 1 }, { 1, 1, 1, 1 }, { 1, 1 }, 1 },	    /* several segments of columns */
};

START_TEST(ugly_shapes)
{
	random_start();
	for (int repeat = 0; repeat < 3; repeat++)
		whole_layer(ugly[_i]);
}
END_TEST

START_TEST(random_layers)
{
	random_start();
	for (int done = 0; done < SCALE(400);) {
		struct conv2d_sizes s;
		struct conv2d_case c;
		struct conv2d_part p;

		conv2d_case_random_sizes(&s);
		if (conv2d_case_make(&c, &s))
			continue;
		conv2d_part_whole(&c, &p);
		if (conv2d_part_fits(&c, &p))
			check_all(&c, &p);
		for (int i = 0; i < 3; i++) {
			conv2d_part_random(&c, &p);
			if (conv2d_part_fits(&c, &p))
				check_all(&c, &p);
		}
		conv2d_case_free(&c);
		done++;
	}
}
END_TEST

/* The largest sum there is: 32768 terms of +-255 * 255, and a bias beyond int32. */
START_TEST(extreme_sums)
{
	static const int32_t biases[] = { 0, INT32_MAX, INT32_MIN, 20000000, -20000000 };
	struct conv2d_sizes s = { 32768, 1, 2, 10, 1, 1, { 1, 1 }, { 0, 0, 0, 0 }, { 1, 1 }, 1 };

	random_start();
	for (int i = 0; i < 10; i++) {
		struct conv2d_case c;
		struct conv2d_part p;
		struct ref_conv2d *l = &c.layer;

		ck_assert_int_eq(conv2d_case_make(&c, &s), 0);
		l->x_signed = l->w_signed = 0;
		l->x_zero = i & 1 ? 0 : 255;
		memset(c.x, i & 1 ? 255 : 0, s.channels * 2);
		memset(c.w, 255, s.channels * s.filters);
		for (uint32_t m = 0; m < s.filters; m++) {
			float mult = 0x1p-25f;

			l->x_scale = l->y_scale = 1;
			c.w_zero[m] = 0;
			c.w_scale[m] = mult;
			c.bias[m] = biases[i / 2];
			c.coef[m * 3 + CONV2D_COEF_BIAS] = c.bias[m];
			c.coef[m * 3 + CONV2D_COEF_ZERO] = 0;
			memcpy(&c.coef[m * 3 + CONV2D_COEF_MULT], &mult, 4);
		}
		ck_assert_int_eq(ref_conv2d(l, c.x, c.w, c.want), 0);
		conv2d_part_whole(&c, &p);
		check_all(&c, &p);
		conv2d_case_free(&c);
	}
}
END_TEST

/* Multipliers that no sane model has still mean the same everywhere. */
START_TEST(odd_multipliers)
{
	static const float values[] = { 0.0f, -0.0f, -0.01f, 1e30f, -1e30f, 1e-30f, 1e-42f, INFINITY, -INFINITY, NAN };
	struct conv2d_sizes s = { 6, 9, 9, 17, 3, 3, { 1, 1 }, { 1, 1, 1, 1 }, { 1, 1 }, 1 };
	struct conv2d_sizes depthwise = { 6, 9, 9, 6, 3, 3, { 1, 1 }, { 1, 1, 1, 1 }, { 1, 1 }, 6 };

	random_start();
	for (uint32_t i = 0; i < 2 * sizeof(values) / sizeof(values[0]); i++) {
		struct conv2d_case c;
		struct conv2d_part p;
		float mult = values[i / 2];

		ck_assert_int_eq(conv2d_case_make(&c, i & 1 ? &s : &depthwise), 0);
		c.layer.x_scale = c.layer.y_scale = 1;
		memset(c.x, (uint8_t)c.layer.x_zero, 9); /* some sums are 0, and 0 * infinity is NaN */
		for (uint32_t m = 0; m < c.layer.filters; m++) {
			c.w_scale[m] = mult;
			memcpy(&c.coef[m * 3 + CONV2D_COEF_MULT], &mult, 4);
		}
		ck_assert_int_eq(ref_conv2d(&c.layer, c.x, c.w, c.want), 0);
		conv2d_part_whole(&c, &p);
		check_all(&c, &p);
		conv2d_case_free(&c);
	}
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_loop_test(t, ugly_shapes, 0, sizeof(ugly) / sizeof(ugly[0]));
	tcase_add_test(t, random_layers);
	tcase_add_test(t, extreme_sums);
	tcase_add_test(t, odd_multipliers);
}

int main(void)
{
	return suite_main("conv2d", add_tests);
}
