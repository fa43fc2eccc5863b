/* SPDX-License-Identifier: BSD-2-Clause */
/* Pieces that the network kernels' AVX2 versions share. No file with these is compiled for FMA: a fused multiply-add would round differently. */
#ifndef KERNELS_NN_AVX2_H
#define KERNELS_NN_AVX2_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define NN_AVX2	       __attribute__((target("avx2")))
#define NN_AVX2_INLINE static inline __attribute__((always_inline, target("avx2")))

/* How 8 floats become bytes. */
struct nn_clip8 {
	__m256 lo, hi;
	__m256i zero;
};

NN_AVX2_INLINE struct nn_clip8 nn_clip8_of(uint32_t zero, uint32_t lo, uint32_t hi)
{
	struct nn_clip8 q;

	q.lo = _mm256_set1_ps((float)lo - (float)zero);
	q.hi = _mm256_set1_ps((float)hi - (float)zero);
	q.zero = _mm256_set1_epi32((int32_t)zero);
	return q;
}

/* clip(rint(v) + zero): max_ps gives its second operand for a NaN; cvtps rounds to nearest even. */
NN_AVX2_INLINE __m256i nn_quantise8(const struct nn_clip8 *q, __m256 v)
{
	v = _mm256_min_ps(_mm256_max_ps(v, q->lo), q->hi);
	return _mm256_add_epi32(_mm256_cvtps_epi32(v), q->zero);
}

/* The low bytes of 16 words, each below 256. */
NN_AVX2_INLINE __m128i nn_bytes16(__m256i first, __m256i second)
{
	__m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(first, second), 0xd8);

	return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

/* The low bytes of 32 words, each below 256. */
NN_AVX2_INLINE __m256i nn_bytes32(__m256i a, __m256i b, __m256i c, __m256i d)
{
	__m256i bytes = _mm256_packus_epi16(_mm256_packus_epi32(a, b), _mm256_packus_epi32(c, d));

	return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

NN_AVX2_INLINE __m256i nn_add_saturate8(__m256i a, __m256i b)
{
	__m256i sum = _mm256_add_epi32(a, b);
	__m256i over = _mm256_and_si256(_mm256_xor_si256(a, sum), _mm256_xor_si256(b, sum)); /* sign bit: overflow */
	__m256i limit = _mm256_xor_si256(_mm256_srai_epi32(a, 31), _mm256_set1_epi32(INT32_MAX));

	return _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(sum), _mm256_castsi256_ps(limit), _mm256_castsi256_ps(over)));
}

#endif
