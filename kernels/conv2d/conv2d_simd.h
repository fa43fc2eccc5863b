/* SPDX-License-Identifier: BSD-2-Clause */
/* Pieces that both AVX2 files use. */
#ifndef KERNELS_CONV2D_SIMD_H
#define KERNELS_CONV2D_SIMD_H

#include <immintrin.h>
#include <string.h>

#include "conv2d_fast.h"

#define AVX2	    __attribute__((target("avx2")))
#define AVX2_INLINE static inline __attribute__((always_inline, target("avx2")))

/* More than any sensible layer needs; a tile that asks for more is left to the portable loops. */
#define CONV2D_SCRATCH_LIMIT (256u << 20)

/* Cuts scratch memory into parts. */
struct conv2d_arena {
	size_t used;
	uint8_t *base;
};

static inline void *conv2d_take(struct conv2d_arena *a, size_t bytes)
{
	size_t at = a->used;

	a->used += (bytes + 63) & ~(size_t)63;
	return a->base ? a->base + at : NULL;
}

/* How 8 sums become outputs; lanes are filters or columns. */
struct conv2d_requant {
	__m256 lo, hi;
	__m256i y_zero;
};

AVX2_INLINE struct conv2d_requant conv2d_requant_of(const struct conv2d_tile *t)
{
	struct conv2d_requant q;

	q.lo = _mm256_set1_ps((float)(t->clip_lo - t->y_zero));
	q.hi = _mm256_set1_ps((float)(t->clip_hi - t->y_zero));
	q.y_zero = _mm256_set1_epi32(t->y_zero);
	return q;
}

AVX2_INLINE __m256i conv2d_add_saturate(__m256i a, __m256i b)
{
	__m256i sum = _mm256_add_epi32(a, b);
	__m256i over = _mm256_and_si256(_mm256_xor_si256(a, sum), _mm256_xor_si256(b, sum)); /* sign bit: overflow */
	__m256i limit = _mm256_xor_si256(_mm256_srai_epi32(a, 31), _mm256_set1_epi32(INT32_MAX));

	return _mm256_castps_si256(
		_mm256_blendv_ps(_mm256_castsi256_ps(sum), _mm256_castsi256_ps(limit), _mm256_castsi256_ps(over)));
}

/* max_ps gives its second operand for a NaN; cvtps rounds to nearest even: as the reference. */
AVX2_INLINE __m256i conv2d_requant8(const struct conv2d_requant *q, __m256i sum, __m256 mult)
{
	__m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), mult);

	v = _mm256_min_ps(_mm256_max_ps(v, q->lo), q->hi);
	return _mm256_add_epi32(_mm256_cvtps_epi32(v), q->y_zero);
}

/* The low bytes of 16 words. */
AVX2_INLINE __m128i conv2d_bytes16(__m256i first, __m256i second)
{
	__m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(first, second), 0xd8);

	words = _mm256_and_si256(words, _mm256_set1_epi16(0xff));
	return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

/* Transposes 16 rows of 16 bytes: four perfect shuffles of rows i and i + 8. */
#define CONV2D_SHUFFLE(to, from)                                                    \
	do {                                                                        \
		_Pragma("GCC unroll 8") for (int i_ = 0; i_ < 8; i_++)              \
		{                                                                   \
			to[2 * i_] = _mm_unpacklo_epi8(from[i_], from[i_ + 8]);     \
			to[2 * i_ + 1] = _mm_unpackhi_epi8(from[i_], from[i_ + 8]); \
		}                                                                   \
	} while (0)

AVX2_INLINE void conv2d_transpose16(__m128i rows[16])
{
	__m128i other[16];

	CONV2D_SHUFFLE(other, rows);
	CONV2D_SHUFFLE(rows, other);
	CONV2D_SHUFFLE(other, rows);
	CONV2D_SHUFFLE(rows, other);
}

#endif
