// SPDX-License-Identifier: BSD-2-Clause
/* nn_add with AVX2: bytes to singles, multiplied, added, quantised; 32 at a time. */
#include "nn_add_fast.h"

#if defined(__x86_64__)
#include "../nn_avx2.h"

struct numbers {
	__m256i a_zero, b_zero;
	__m256 a_mult, b_mult;
	struct nn_clip8 clip;
	__m256i zero, lo, hi; /* zero in words, the clip's bounds in bytes */
};

/* (float)(byte - zero) * mult; two roundings, as the difference is exact */
NN_AVX2_INLINE __m256 term(const uint8_t *x, __m256i zero, __m256 mult)
{
	__m256i words = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)x));

	return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(words, zero)), mult);
}

NN_AVX2_INLINE __m256i eight(const struct numbers *q, const uint8_t *a, const uint8_t *b, int two)
{
	__m256 sum = term(a, q->a_zero, q->a_mult);

	if (two)
		sum = _mm256_add_ps(sum, term(b, q->b_zero, q->b_mult));
	return nn_quantise8(&q->clip, sum);
}

/* The same before clip and zero; the sum is known to fit 32 bits. */
NN_AVX2_INLINE __m256i eight_small(const struct numbers *q, const uint8_t *a, const uint8_t *b, int two)
{
	__m256 sum = term(a, q->a_zero, q->a_mult);

	if (two)
		sum = _mm256_add_ps(sum, term(b, q->b_zero, q->b_mult));
	return _mm256_cvtps_epi32(sum);
}

/* Packing saturates to 16 bits, adding the zero point (below 256) and packing again to a byte: all within what the clip does anyway. */
NN_AVX2_INLINE __m256i thirty_two_small(const struct numbers *q, const uint8_t *a, const uint8_t *b, int two)
{
	__m256i first = _mm256_packs_epi32(eight_small(q, a, b, two), eight_small(q, a + 8, b + 8, two));
	__m256i second = _mm256_packs_epi32(eight_small(q, a + 16, b + 16, two), eight_small(q, a + 24, b + 24, two));
	__m256i bytes = _mm256_packus_epi16(_mm256_adds_epi16(first, q->zero), _mm256_adds_epi16(second, q->zero));

	bytes = _mm256_min_epu8(_mm256_max_epu8(bytes, q->lo), q->hi);
	return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* @small: no sum is a NaN or beyond 2^31 */
NN_AVX2_INLINE void run(const struct numbers *q, const uint8_t *a, const uint8_t *b, uint8_t *y, size_t count, int two, int small)
{
	size_t i = 0;

	for (; i + 32 <= count; i += 32) {
		const uint8_t *second = two ? b + i : a + i;

		if (small)
			_mm256_storeu_si256((void *)(y + i), thirty_two_small(q, a + i, second, two));
		else
			_mm256_storeu_si256((void *)(y + i), nn_bytes32(eight(q, a + i, second, two), eight(q, a + i + 8, second + 8, two),
								eight(q, a + i + 16, second + 16, two),
								eight(q, a + i + 24, second + 24, two)));
	}
	if (i < count) {
		const uint8_t *second = two ? b + i : a + i;

		_mm_storeu_si128((void *)(y + i), nn_bytes16(eight(q, a + i, second, two), eight(q, a + i + 8, second + 8, two)));
	}
}

NN_AVX2 void nn_add_run_avx2(const struct nn_add_run *r, const uint8_t *a, const uint8_t *b, uint8_t *y, size_t count)
{
	float a_mult = nn_float(r->a_mult), b_mult = nn_float(r->b_mult);
	/* Products below 2^30 each; a NaN is not below. */
	int two = r->flags & NN_ADD_B, small = __builtin_fabsf(a_mult) < 4194304.0f && (!two || __builtin_fabsf(b_mult) < 4194304.0f);
	struct numbers q;

	q.a_zero = _mm256_set1_epi32((int32_t)r->a_zero);
	q.b_zero = _mm256_set1_epi32((int32_t)r->b_zero);
	q.a_mult = _mm256_set1_ps(a_mult);
	q.b_mult = _mm256_set1_ps(b_mult);
	q.clip = nn_clip8_of(r->zero, r->clip & 0xff, r->clip >> 8);
	q.zero = _mm256_set1_epi16((int16_t)r->zero);
	q.lo = _mm256_set1_epi8((char)r->clip);
	q.hi = _mm256_set1_epi8((char)(r->clip >> 8));
	if (two && small)
		run(&q, a, b, y, count, 1, 1);
	else if (two)
		run(&q, a, b, y, count, 1, 0);
	else if (small)
		run(&q, a, b, y, count, 0, 1);
	else
		run(&q, a, b, y, count, 0, 0);
}

#endif
