// SPDX-License-Identifier: BSD-2-Clause
/*
 * nn_add with AVX-512: bytes to singles, multiplied, added, quantised; 64 at a time. Unpacking bytes to words and packing words to bytes both work
 * in 128-bit lanes, so that bytes come back to where they were.
 */
#include "nn_add_fast.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX512	      __attribute__((target("avx512f,avx512bw,avx512vl")))
#define AVX512_INLINE static inline __attribute__((always_inline, target("avx512f,avx512bw,avx512vl")))
#define NEAREST	      (_MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC) /* with it, a compiler does not fuse a product with the addition */

#define LARGE	   8388608.0f /* 2^23: the bits of LARGE + byte are those of LARGE with the byte for the lowest 8 */
#define LARGE_HIGH 0x4b00     /* the high half of its bits */

struct numbers {
	__m512 a_zero, b_zero; /* + LARGE */
	__m512 a_mult, b_mult;
	__m512 low, high;     /* the clip's bounds less zero */
	__m512i zero, lo, hi; /* zero in words, the clip's bounds in bytes */
};

/* 4 x 16 of (float)(byte - zero) * mult; one rounding, as the difference is exact */
AVX512_INLINE void terms(__m512i bytes, __m512 zero, __m512 mult, __m512 t[4])
{
	const __m512i large = _mm512_set1_epi16(LARGE_HIGH), none = _mm512_setzero_si512();
	__m512i low = _mm512_unpacklo_epi8(bytes, none), high = _mm512_unpackhi_epi8(bytes, none);

	t[0] = _mm512_castsi512_ps(_mm512_unpacklo_epi16(low, large));
	t[1] = _mm512_castsi512_ps(_mm512_unpackhi_epi16(low, large));
	t[2] = _mm512_castsi512_ps(_mm512_unpacklo_epi16(high, large));
	t[3] = _mm512_castsi512_ps(_mm512_unpackhi_epi16(high, large));
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++)
		t[i] = _mm512_mul_round_ps(_mm512_sub_ps(t[i], zero), mult, NEAREST);
}

/*
 * @small: no sum is a NaN or beyond 2^31. Else they are clipped first: max gives its second operand for a NaN. Packing saturates to 16 bits,
 * adding the zero point (below 256) and packing again to a byte: all within what the clip does anyway.
 */
AVX512_INLINE __m512i sixty_four(const struct numbers *q, __m512i a, __m512i b, int two, int small)
{
	__m512 s[4], t[4];
	__m512i v[4], bytes;

	terms(a, q->a_zero, q->a_mult, s);
	if (two)
		terms(b, q->b_zero, q->b_mult, t);
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		if (two)
			s[i] = _mm512_add_ps(s[i], t[i]);
		if (!small)
			s[i] = _mm512_min_ps(_mm512_max_ps(s[i], q->low), q->high);
		v[i] = _mm512_cvtps_epi32(s[i]);
	}
	bytes = _mm512_packus_epi16(_mm512_adds_epi16(_mm512_packs_epi32(v[0], v[1]), q->zero),
				    _mm512_adds_epi16(_mm512_packs_epi32(v[2], v[3]), q->zero));
	return _mm512_min_epu8(_mm512_max_epu8(bytes, q->lo), q->hi);
}

AVX512_INLINE void run(const struct numbers *q, const uint8_t *a, const uint8_t *b, uint8_t *y, size_t count, int two, int small)
{
	size_t i = 0;

	for (; i + 64 <= count; i += 64) {
		__m512i second = two ? _mm512_loadu_si512(b + i) : _mm512_setzero_si512();

		_mm512_storeu_si512(y + i, sixty_four(q, _mm512_loadu_si512(a + i), second, two, small));
	}
	if (i < count) {
		__mmask64 mask = ~(__mmask64)0 >> (64 - (count - i));
		__m512i second = two ? _mm512_maskz_loadu_epi8(mask, b + i) : _mm512_setzero_si512();

		_mm512_mask_storeu_epi8(y + i, mask, sixty_four(q, _mm512_maskz_loadu_epi8(mask, a + i), second, two, small));
	}
}

AVX512 void nn_add_run_avx512(const struct nn_add_run *r, const uint8_t *a, const uint8_t *b, uint8_t *y, size_t count)
{
	float a_mult = nn_float(r->a_mult), b_mult = nn_float(r->b_mult);
	/* Products below 2^30 each; a NaN is not below. */
	int two = r->flags & NN_ADD_B, small = __builtin_fabsf(a_mult) < 4194304.0f && (!two || __builtin_fabsf(b_mult) < 4194304.0f);
	struct numbers q;

	q.a_zero = _mm512_set1_ps(LARGE + (float)r->a_zero);
	q.b_zero = _mm512_set1_ps(LARGE + (float)(two ? r->b_zero : 0));
	q.a_mult = _mm512_set1_ps(a_mult);
	q.b_mult = _mm512_set1_ps(b_mult);
	q.low = _mm512_set1_ps((float)(r->clip & 0xff) - (float)r->zero);
	q.high = _mm512_set1_ps((float)(r->clip >> 8) - (float)r->zero);
	q.zero = _mm512_set1_epi16((int16_t)r->zero);
	q.lo = _mm512_set1_epi8((char)r->clip);
	q.hi = _mm512_set1_epi8((char)(r->clip >> 8));
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
