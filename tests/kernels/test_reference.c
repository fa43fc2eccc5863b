// SPDX-License-Identifier: BSD-2-Clause
/* The reference itself, against things that are known otherwise: published examples, libm, hand-worked cases. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "../../kernels/empty/empty.h"
#include "../../kernels/reference/reference.h"
#include "random.h"
#include "suite.h"

__typeof__(empty) empty_hls;

#ifdef __SANITIZE_ADDRESS__
#define STEP 7 /* odd: halves of all exponents, odd and even ones */
#else
#define STEP 1
#endif

START_TEST(rint_as_libm)
{
	static const float values[] = { 0.5f,	    1.5f,	2.5f, -0.5f, -1.5f, -2.5f,    0.49999997f, 8388607.5f,
					8388608.0f, 8388609.0f, 3e9f, -3e9f, 1e30f, INFINITY, -INFINITY,   0.0f };

	random_start();
	for (uint32_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		ck_assert_float_eq(mac_rint(values[i]), rintf(values[i]));
	ck_assert(isnan(mac_rint(NAN)));
	for (int i = 0; i < 1000000; i++) {
		uint32_t bits = (uint32_t)random_u64();
		float v;

		memcpy(&v, &bits, 4);
		if (!isnan(v))
			EXPECT(mac_rint(v) == rintf(v), "%a", v);
	}
}
END_TEST

START_TEST(requantise)
{
	ck_assert_int_eq(mac_requantise(5, 0.5f, 0, -128, 127), 2); /* 2.5: to even */
	ck_assert_int_eq(mac_requantise(7, 0.5f, 0, -128, 127), 4);
	ck_assert_int_eq(mac_requantise(-5, 0.5f, 10, -128, 127), 8);
	ck_assert_int_eq(mac_requantise(1000000, 1.0f, 0, 0, 255), 255);
	ck_assert_int_eq(mac_requantise(-1000000, 1.0f, 0, 0, 255), 0);
	ck_assert_int_eq(mac_requantise(1000, 1.0f, 3, 3, 100), 100);
	ck_assert_int_eq(mac_requantise(16777217, 1.0f, -100, -128, 127), 127);
	/* 16777217 is not a single: it becomes 16777216 before it is multiplied */
	ck_assert_int_eq(mac_requantise(16777217, 1.0f / 16777216, 0, -128, 127), 1);
	ck_assert_int_eq(mac_requantise(INT32_MAX, 0x1p-25f, 0, -128, 127), 64);
	ck_assert_int_eq(mac_requantise(INT32_MIN, 0x1p-25f, 0, -128, 127), -64);
	ck_assert_int_eq(mac_requantise(1, NAN, 0, -7, 127), -7);
	ck_assert_int_eq(mac_requantise(0, INFINITY, 0, -7, 127), -7);
	ck_assert_int_eq(mac_requantise(1, INFINITY, 0, -7, 127), 127);
	ck_assert_int_eq(mac_saturate(2147483648), INT32_MAX);
	ck_assert_int_eq(mac_saturate(-2147483649), INT32_MIN);
	ck_assert_int_eq(mac_saturate(-5), -5);
	ck_assert(mac_step(3, -128, 127, 0, 255) == 3 + 255 * 255);
}
END_TEST

/* Every half, there and back; some values known; and rounding against the definition. */
START_TEST(halves)
{
	for (uint32_t h = 0; h < 65536; h += STEP) {
		float v = mac_half_to_float((uint16_t)h);
		int exponent = (int)(h >> 10 & 31);
		double fraction = h & 1023, want;

		if (exponent == 31 && (h & 1023)) {
			EXPECT(mac_float_to_half(v) == (h | 0x200), "half %04x: line %d", h, __LINE__);
			continue;
		}
		want = exponent == 31 ? INFINITY : exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
		EXPECT(v == (h & 0x8000 ? -want : want) && !!signbit(v) == (int)(h >> 15), "half %04x is %a", h, v);
		EXPECT(mac_float_to_half(v) == h, "half %04x: line %d", h, __LINE__);
		/* Between this half and the next one: the middle goes to the even one, beside it to the nearer. */
		if ((h & 0x7fff) < 0x7bff) {
			float next = mac_half_to_float((uint16_t)(h + 1)), middle = (v + next) / 2;

			EXPECT(mac_float_to_half(middle) == (h & 1 ? h + 1 : h), "half %04x: line %d", h, __LINE__);
			EXPECT(mac_float_to_half(nextafterf(middle, v)) == h, "half %04x: line %d", h, __LINE__);
			EXPECT(mac_float_to_half(nextafterf(middle, next)) == h + 1, "half %04x: line %d", h, __LINE__);
		}
	}
	ck_assert_uint_eq(mac_float_to_half(65519.996f), 0x7bff);
	ck_assert_uint_eq(mac_float_to_half(65520.0f), 0x7c00);
	ck_assert_uint_eq(mac_float_to_half(-1e10f), 0xfc00);
	ck_assert_uint_eq(mac_float_to_half(1e-30f), 0);
	ck_assert_uint_eq(mac_float_to_half(-0x1p-149f), 0x8000);
}
END_TEST

/* The example of ONNX' QLinearConv: its numbers make the layer y = 255 - x. */
START_TEST(onnx_example)
{
	float w_scale = 0.00172794575f;
	int32_t w_zero = 255;
	struct ref_conv2d l = { .images = 1,
				.channels = 1,
				.in_h = 16,
				.in_w = 16,
				.filters = 1,
				.kernel_h = 1,
				.kernel_w = 1,
				.stride = { 1, 1 },
				.dilation = { 1, 1 },
				.group = 1,
				.x_scale = 0.00369204697f,
				.x_zero = 132,
				.y_scale = 0.00162681262f,
				.y_zero = 123,
				.w_scale = &w_scale,
				.w_scales = 1,
				.w_zero = &w_zero,
				.w_zeros = 1,
				.clip = { 0, 255 } };
	uint8_t x[256], w = 0, y[256];
	uint32_t shape[2];

	for (int i = 0; i < 256; i++)
		x[i] = (uint8_t)i;
	ck_assert_int_eq(ref_conv2d_shape(&l, shape), 0);
	ck_assert(shape[0] == 16 && shape[1] == 16);
	ck_assert_int_eq(ref_conv2d(&l, x, &w, y), 0);
	for (int i = 0; i < 256; i++)
		ck_assert_int_eq(y[i], 255 - i);
}
END_TEST

/* Two images, two groups, a 2x2 kernel with stride 1,2, dilation 2,1 and uneven padding: sums worked out by hand. */
START_TEST(worked_by_hand)
{
	static const int8_t x[2][2][3][3] = {
		{ { { 1, 2, 3 }, { 4, 5, 6 }, { 7, 8, 9 } }, { { 1, 0, 1 }, { 0, 1, 0 }, { 1, 0, 1 } } },
		{ { { 0, 0, 0 }, { 0, 1, 0 }, { 0, 0, 0 } }, { { 2, 2, 2 }, { 2, 2, 2 }, { 2, 2, 2 } } }
	};
	static const int8_t w[2][1][2][2] = { { { { 1, 2 }, { 3, 4 } } }, { { { -1, 0 }, { 0, 1 } } } };
	/*
	 * Pads T0 L1 B1 R1: padded 4 x 5; the kernel spans 3 rows and 2 columns: 2 x 2 outputs, at columns 0-1 and 2-3 of
	 * the padded image. Image 0, filter 0: row 0: (0,1 / 0,7): 2*1 + 4*7 = 30; (2,3 / 8,9): 2 + 6 + 24 + 36 = 68; row
	 * 1: (0,4 / 0,0): 8; (5,6 / 0,0): 17. Filter 1 on channel 1: row 0: (0,1 / 0,1): 1; (0,1 / 0,1): 1; row 1: (0,0 /
	 * 0,0): 0; (1,0 / 0,0): -1. Bias 10 and -1. Image 1, filter 0: 0, 0, 0, 1 (1 * 1); filter 1: row 0: 2; -2 + 2 = 0;
	 * row 1: 0; -2.
	 */
	static const int8_t want[2][2][2][2] = { { { { 40, 78 }, { 18, 27 } }, { { 0, 0 }, { -1, -2 } } },
						 { { { 10, 10 }, { 10, 11 } }, { { 1, -1 }, { -1, -3 } } } };
	int32_t bias[] = { 10, -1 };
	float one = 1;
	struct ref_conv2d l = { .images = 2,
				.channels = 2,
				.in_h = 3,
				.in_w = 3,
				.filters = 2,
				.kernel_h = 2,
				.kernel_w = 2,
				.stride = { 1, 2 },
				.pad = { 0, 1, 1, 1 },
				.dilation = { 2, 1 },
				.group = 2,
				.x_signed = 1,
				.w_signed = 1,
				.y_signed = 1,
				.x_scale = 1,
				.y_scale = 1,
				.w_scale = &one,
				.w_scales = 1,
				.bias = bias,
				.clip = { -128, 127 } };
	int8_t y[2][2][2][2];
	uint32_t shape[2];

	ck_assert_int_eq(ref_conv2d_shape(&l, shape), 0);
	ck_assert(shape[0] == 2 && shape[1] == 2);
	ck_assert_int_eq(ref_conv2d(&l, x, w, y), 0);
	ck_assert_mem_eq(y, want, sizeof(y));
}
END_TEST

START_TEST(impossible_layers)
{
	float one = 1;
	const struct ref_conv2d good = { .images = 1,
					 .channels = 4,
					 .in_h = 3,
					 .in_w = 3,
					 .filters = 4,
					 .kernel_h = 3,
					 .kernel_w = 3,
					 .stride = { 1, 1 },
					 .dilation = { 1, 1 },
					 .group = 2,
					 .w_scale = &one,
					 .w_scales = 1 };
	struct ref_conv2d l;
	uint32_t shape[2];

	ck_assert_int_eq(ref_conv2d_shape(&good, shape), 0);
	l = good, l.in_h = 2;
	ck_assert_int_eq(ref_conv2d_shape(&l, shape), -1);
	l = good, l.dilation[1] = 2;
	ck_assert_int_eq(ref_conv2d_shape(&l, shape), -1);
	l = good, l.group = 3;
	ck_assert_int_eq(ref_conv2d_shape(&l, shape), -1);
	l = good, l.stride[0] = 0;
	ck_assert_int_eq(ref_conv2d_shape(&l, shape), -1);
	l = good, l.w_scales = 3;
	ck_assert_int_eq(ref_conv2d_shape(&l, shape), -1);
	l = good, l.kernel_w = 0;
	ck_assert_int_eq(ref_conv2d_shape(&l, shape), -1);
}
END_TEST

START_TEST(bags_by_hand)
{
	/* rows: 0 1 2 | 10 11 12 as bytes * 0.5 - 1 */
	struct {
		uint8_t values[3], scale[4], bias[4];
	} table[2] = { { { 0, 1, 2 }, { 0 }, { 0 } }, { { 10, 11, 12 }, { 0 }, { 0 } } };
	const int64_t indices[] = { 1, 0, 1, 1 }, offsets[] = { 0, 3, 3, 4 };
	const float weights[] = { 1, 2, 3, 0.25f };
	struct ref_embedding_bag op = { .table = table,
					.format = REF_INT8,
					.dim = 3,
					.rows = 2,
					.row_pitch = 11,
					.indices = indices,
					.offsets = offsets,
					.bags = 3 };
	double y[9], bound[9];

	for (int i = 0; i < 2; i++) {
		memcpy(table[i].scale, &(float){ 0.5f }, 4);
		memcpy(table[i].bias, &(float){ -1.0f }, 4);
	}
	ck_assert_int_eq(ref_embedding_bag(&op, y, bound), -1);
	ck_assert(y[0] == 4 - 1 + 4 && y[1] == 4.5 - 0.5 + 4.5 && y[2] == 5 + 0 + 5);
	ck_assert(y[3] == 0 && y[5] == 0 && y[6] == 4 && y[8] == 5);
	ck_assert(bound[3] == 0 && bound[0] == 7 * 0x1p-24 * (6 + 1 + 6));
	op.per_sample_weights = weights;
	ck_assert_int_eq(ref_embedding_bag(&op, y, NULL), -1);
	ck_assert(y[0] == 4 - 2 + 12 && y[6] == 1);
	op.mean = 1;
	op.per_sample_weights = NULL;
	ck_assert_int_eq(ref_embedding_bag(&op, y, NULL), -1);
	ck_assert(y[2] == 10.0 / 3 && y[3] == 0 && y[6] == 4);
	op.rows = 1;
	ck_assert_int_eq(ref_embedding_bag(&op, y, NULL), 0);
}
END_TEST

START_TEST(empty_kernel)
{
	uint32_t status[4] = { 0 };

	empty_hls(status, 15);
	ck_assert_uint_eq(status[0], 0);
	empty_hls(status, 16);
	ck_assert_uint_eq(status[0], KERNEL_OK);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, rint_as_libm);
	tcase_add_test(t, requantise);
	tcase_add_test(t, halves);
	tcase_add_test(t, onnx_example);
	tcase_add_test(t, worked_by_hand);
	tcase_add_test(t, impossible_layers);
	tcase_add_test(t, bags_by_hand);
	tcase_add_test(t, empty_kernel);
}

int main(void)
{
	return suite_main("reference", add_tests);
}
