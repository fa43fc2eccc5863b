// SPDX-License-Identifier: BSD-2-Clause
/* Row formats: bytes against what FBGEMM (through PyTorch 1.13) made of the same rows, decoding against the reference, halves against the compiler's. */
#include <check.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/reference/reference.h"
#include "../../runtime/store/rowfmt.h"
#include "../kernels/random.h"
#include "../kernels/suite.h"

/* torch.ops.quantized.embedding_bag_byte_prepack and embedding_bag_4bit_prepack of these rows */
static const float rows[][8] = {
	{ 0.1f, -0.25f, 3.5f, 0.0f, 1.0f, -1.0f, 2.25f, 0.333f },
	{ 1e-9f, 2e-9f, 0.0f, -3e-9f, 5e-10f, 1e-9f, 0.0f, -1e-9f },
	{ 2.5f, 2.5f, 2.5f, 2.5f, 2.5f, 2.5f, 2.5f, 2.5f },
};
static const uint8_t int8_rows[3][16] = {
	{ 0x3e, 0x2a, 0xff, 0x39, 0x71, 0x00, 0xb8, 0x4c, 0x91, 0x90, 0x90, 0x3c, 0x00, 0x00, 0x80, 0xbf },
	{ 0x44, 0x55, 0x33, 0x00, 0x3c, 0x44, 0x33, 0x22, 0xf0, 0x78, 0xac, 0x2d, 0x8f, 0x28, 0x4e, 0xb1 },
	{ 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x20, 0x40 }
};
static const uint8_t int4_rows[3][8] = {
	{ 0x24, 0x3f, 0x07, 0x4b, 0xcd, 0x34, 0x00, 0xbc },
	{ 0x00, 0x00, 0x00, 0x00, 0x00, 0x3c, 0x00, 0x80 },
	{ 0x00, 0x00, 0x00, 0x00, 0x00, 0x3c, 0x00, 0x41 }
};

START_TEST(fbgemm)
{
	uint8_t out[3 * 16];
	uint64_t bad;

	ck_assert_int_eq(rowfmt_encode(SMARTSSD_ROWS_INT8, 8, &rows[0][0], 3, out, &bad), 0);
	ck_assert_mem_eq(out, int8_rows, sizeof(int8_rows));
	ck_assert_int_eq(rowfmt_encode(SMARTSSD_ROWS_INT4, 8, &rows[0][0], 3, out, &bad), 0);
	ck_assert_mem_eq(out, int4_rows, sizeof(int4_rows));
}
END_TEST

START_TEST(sizes_and_names)
{
	static const struct {
		const char *name;
		uint32_t dim, bytes;
	} want[] = { { "fp32", 33, 132 }, { "fp16", 33, 66 }, { "int8-rowwise", 33, 41 }, { "int4-rowwise", 33, 21 } };
	uint32_t format;

	for (uint32_t f = 0; f < 4; f++) {
		ck_assert_str_eq(rowfmt_name(f), want[f].name);
		ck_assert_int_eq(rowfmt_by_name(want[f].name, &format), 0);
		ck_assert_uint_eq(format, f);
		ck_assert_uint_eq(rowfmt_bytes(f, want[f].dim), want[f].bytes);
		ck_assert_uint_eq(rowfmt_bytes(f, want[f].dim), ref_row_bytes(f, want[f].dim));
		ck_assert_uint_eq(rowfmt_bytes(f, 0), 0);
		ck_assert_uint_eq(rowfmt_bytes(f, ROWFMT_MAX_DIM + 1), 0);
	}
	ck_assert_uint_eq(rowfmt_bytes(4, 8), 0);
	ck_assert_ptr_null(rowfmt_name(4));
	ck_assert_int_eq(rowfmt_by_name("int2", &format), -EINVAL);
}
END_TEST

/* Decoded within half a step of what was encoded; the reference sees the same values. */
START_TEST(there_and_back)
{
	random_start();
	for (int round = 0; round < 3000; round++) {
		uint32_t dim = 1 + random_below(70), format = random_below(4);
		float x[70], back[70], low = INFINITY, high = -INFINITY, scale = expf(random_float(-8, 8)), step;
		uint8_t row[300];
		uint64_t bad;

		for (uint32_t d = 0; d < dim; d++) {
			x[d] = random_float(-1, 1) * scale;
			low = fminf(low, x[d]);
			high = fmaxf(high, x[d]);
		}
		ck_assert_int_eq(rowfmt_encode(format, dim, x, 1, row, &bad), 0);
		rowfmt_decode(format, dim, row, 1, back);
		/* int4 rounds bias and scale to binary16, too */
		step = format == SMARTSSD_ROWS_INT8 ? (high - low) / 255 : format == SMARTSSD_ROWS_INT4 ? (high - low) / 15 + fmaxf(fabsf(low), high - low) * 0x1p-9f + 0x1p-14f : 0;
		for (uint32_t d = 0; d < dim; d++) {
			float most = format == SMARTSSD_ROWS_FP16 ? fabsf(x[d]) * 0x1p-11f + 0x1p-25f : step * 0.51f + fabsf(low) * 1e-6f, size;
			double exact = ref_row_element(format, dim, row, d, &(double){ 0 });

			size = fabsf(back[d] - x[d]);
			EXPECT(size <= (format == SMARTSSD_ROWS_FP32 ? 0 : most), "SEED=%llu round %d: %s, dim %u: %g became %g (at most %g away)", (unsigned long long)random_seed(), round,
			       rowfmt_name(format), dim, x[d], back[d], most);
			EXPECT(fabs(back[d] - exact) <= 1e-6 * (fabs(exact) + fabsf(low) + step), "SEED=%llu round %d: %g, the reference sees %g", (unsigned long long)random_seed(), round, back[d], exact);
		}
	}
}
END_TEST

/* Every binary16, and each float halfway between two of them and next to it. */
START_TEST(halves)
{
	for (uint32_t h = 0; h < 65536; h++) {
		uint16_t half = (uint16_t)h, out;
		float value[3], decoded;
		uint64_t bad;

		if ((h & 0x7c00) == 0x7c00)
			continue;
		rowfmt_decode(SMARTSSD_ROWS_FP16, 1, &half, 1, &decoded);
		value[0] = decoded;
		/* The compiler's conversion is the judge. */
		value[1] = decoded + (decoded >= 0 ? 1 : -1) * fabsf(decoded) * 0x1p-12f;
		value[2] = nextafterf(decoded * (1 + 0x1p-11f), INFINITY);
		for (int i = 0; i < 3; i++) {
			_Float16 want = (_Float16)value[i];

			if (fabsf(value[i]) >= 65520.0f)
				continue;
			ck_assert_int_eq(rowfmt_encode(SMARTSSD_ROWS_FP16, 1, &value[i], 1, &out, &bad), 0);
			EXPECT(!memcmp(&want, &out, 2), "%a: %04x", value[i], out);
		}
	}
}
END_TEST

START_TEST(not_finite)
{
	static const float evil[] = { INFINITY, -INFINITY, NAN };
	uint8_t out[4 * 200];
	uint64_t bad;

	for (uint32_t format = 0; format < 4; format++) {
		for (int k = 0; k < 3; k++) {
			float x[3][5] = { { 0 } };

			x[2][3] = evil[k];
			bad = 99;
			ck_assert_int_eq(rowfmt_encode(format, 5, &x[0][0], 3, out, &bad), -EDOM);
			ck_assert_uint_eq(bad, 2);
		}
	}
	/* finite, but not for the format */
	ck_assert_int_eq(rowfmt_encode(SMARTSSD_ROWS_FP16, 1, &(float){ 65520 }, 1, out, &bad), -EDOM);
	ck_assert_int_eq(rowfmt_encode(SMARTSSD_ROWS_FP16, 1, &(float){ 65519 }, 1, out, &bad), 0);
	ck_assert_int_eq(rowfmt_encode(SMARTSSD_ROWS_INT8, 2, (float[]){ -FLT_MAX, FLT_MAX }, 1, out, &bad), -EDOM);
	ck_assert_int_eq(rowfmt_encode(SMARTSSD_ROWS_INT4, 2, (float[]){ -1e6f, 0 }, 1, out, &bad), -EDOM);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, fbgemm);
	tcase_add_test(t, sizes_and_names);
	tcase_add_test(t, there_and_back);
	tcase_add_test(t, halves);
	tcase_add_test(t, not_finite);
}

int main(void)
{
	return suite_main("rowfmt", add_tests);
}
