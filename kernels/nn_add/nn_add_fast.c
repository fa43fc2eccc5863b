// SPDX-License-Identifier: BSD-2-Clause
/*
 * nn_add for the emulated card: same prototype, checks, status and result (to the bit) as the HLS kernel, fast on a CPU. This file: dispatch, and
 * plain loops. As in the HLS kernel each byte's term comes from a table, so that no compiler can fuse a product and the sum.
 */
#include "../nn_fast.h"
#include "../simd.h"
#include "nn_add_fast.h"

struct terms {
	float a[256], b[256];
	uint8_t alone[256]; /* a's result when there is no b */
};

static void fill_terms(const struct nn_add_run *r, struct terms *t)
{
	float a_mult = nn_float(r->a_mult), b_mult = nn_float(r->b_mult);
	float low = (float)(r->clip & 0xff) - (float)r->zero, high = (float)(r->clip >> 8) - (float)r->zero;

	for (int32_t v = 0; v < 256; v++) {
		t->a[v] = (float)(v - (int32_t)r->a_zero) * a_mult;
		t->b[v] = r->flags & NN_ADD_B ? (float)(v - (int32_t)r->b_zero) * b_mult : 0.0f; /* without b, b_zero may be anything */
		t->alone[v] = nn_to_byte(t->a[v], low, high, (int32_t)r->zero);
	}
}

static void portable(const struct nn_add_run *r, const struct terms *t, const uint8_t *a, const uint8_t *b, uint8_t *y, size_t count)
{
	float low = (float)(r->clip & 0xff) - (float)r->zero, high = (float)(r->clip >> 8) - (float)r->zero;

	if (r->flags & NN_ADD_B)
		for (size_t i = 0; i < count; i++)
			y[i] = nn_to_byte(t->a[a[i]] + t->b[b[i]], low, high, (int32_t)r->zero);
	else
		for (size_t i = 0; i < count; i++)
			y[i] = t->alone[a[i]];
}

static void add(const struct nn_add_run *r, const uint8_t *a, const uint8_t *b, uint8_t *y)
{
	uint32_t two = r->flags & NN_ADD_B, pixels = r->pixels;
	size_t count = r->channels;
	struct terms terms;
	int avx2 = simd_avx2(), avx512 = simd_avx512();

	if (!avx2 && !avx512)
		fill_terms(r, &terms);
	if (r->a_pitch == r->channels && r->y_pitch == r->channels && (!two || r->b_pitch == r->channels)) { /* no gaps: one run */
		count *= pixels;
		pixels = 1;
	}
	for (uint32_t n = 0; n < r->images; n++) {
		uint64_t a_at = (uint64_t)n * r->a_image, b_at = two ? (uint64_t)n * r->b_image : 0, y_at = (uint64_t)n * r->y_image;

		for (uint32_t p = 0; p < pixels; p++) {
#if defined(__x86_64__)
			if (avx512)
				nn_add_run_avx512(r, a + a_at, b + b_at, y + y_at, count);
			else if (avx2)
				nn_add_run_avx2(r, a + a_at, b + b_at, y + y_at, count);
#endif
			if (!avx2 && !avx512)
				portable(r, &terms, a + a_at, b + b_at, y + y_at, count);
			a_at += r->a_pitch;
			b_at += two ? r->b_pitch : 0;
			y_at += r->y_pitch;
		}
	}
}

void nn_add(const uint8_t *a, uint64_t a_bytes, const uint8_t *b, uint64_t b_bytes, uint8_t *y, uint64_t y_bytes, uint32_t *status,
	    uint64_t status_bytes, uint32_t images, uint32_t pixels, uint32_t channels, uint32_t a_pitch, uint32_t a_image, uint32_t b_pitch,
	    uint32_t b_image, uint32_t y_pitch, uint32_t y_image, uint32_t a_zero, uint32_t a_mult, uint32_t b_zero, uint32_t b_mult, uint32_t zero,
	    uint32_t clip, uint32_t flags)
{
	struct nn_add_run run = NN_ADD_RUN_OF_ARGUMENTS;
	uint32_t code, detail;

	if (status_bytes < KERNEL_STATUS_WORDS * 4)
		return; /* nowhere to report to */
	code = nn_add_check(&run, a_bytes, b_bytes, y_bytes, &detail);
	if (code == KERNEL_OK)
		add(&run, a, b, y);
	status[1] = detail;
	status[2] = 0;
	status[3] = 0;
	status[0] = code;
}
