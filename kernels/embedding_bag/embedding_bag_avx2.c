// SPDX-License-Identifier: BSD-2-Clause
/*
 * Pooling with AVX2, FMA and F16C: up to 64 elements of the sum in registers, over all rows of the bag, in the order of the
 * indices. A row of a large table is a cache miss (and a TLB miss); so that many are under way at a time, the rows of the
 * lookups AHEAD positions further on are prefetched, across bags.
 */
#include "embedding_bag_fast.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AHEAD	  48   /* lookups: 16 would hide a miss, but not one of the TLB, too; see bench_kernels */
#define ROW_AHEAD 1024 /* bytes of a long row: the rest is sequential, which the processor foresees itself */
#define VECTORS	  8    /* of 8 elements */

#define SIMD	    __attribute__((target("avx2,fma,f16c")))
#define SIMD_INLINE static inline __attribute__((always_inline, target("avx2,fma,f16c")))

/* A prefetch of an address that does not exist does nothing, so the index need not be good. Integers, as there need not be
 * an object there. */
SIMD_INLINE void prefetch_row(const struct embedding_bag_job *job, uint32_t position, uint32_t bytes)
{
	if (position < job->lookups) {
		uintptr_t row = (uintptr_t)job->table + (uintptr_t)job->index[position] * job->row_pitch;

		bytes = bytes < ROW_AHEAD ? bytes : ROW_AHEAD;
		for (uintptr_t line = row & ~(uintptr_t)63; line < row + bytes; line += 64)
			_mm_prefetch((const char *)line, _MM_HINT_T0);
	}
}

/* 8 elements from @at, which has at least 8 elements' bytes. */
SIMD_INLINE __m256 load8(uint32_t format, const uint8_t *at, __m256 scale, __m256 bias)
{
	__m128i bytes;

	if (format == EMB_FP32)
		return _mm256_loadu_ps((const void *)at);
	if (format == EMB_FP16)
		return _mm256_cvtph_ps(_mm_loadu_si128((const void *)at));
	if (format == EMB_INT8) {
		bytes = _mm_loadl_epi64((const void *)at);
	} else {
		__m128i pairs = _mm_loadu_si32(at);

		bytes = _mm_and_si128(_mm_unpacklo_epi8(pairs, _mm_srli_epi16(pairs, 4)), _mm_set1_epi8(15));
	}
	return _mm256_fmadd_ps(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)), scale, bias);
}

/* Bytes of @n elements of a row; n is even but at its end. */
SIMD_INLINE uint32_t element_bytes(uint32_t format, uint32_t n)
{
	return format == EMB_FP32 ? n * 4 : format == EMB_FP16 ? n * 2 : format == EMB_INT8 ? n : (n + 1) / 2;
}

/*
 * Elements [d, d + 8 * vectors) of a bag; the last vector has only @tail elements if that is not 0. Everything but begin,
 * end, d and tail is a constant where this is expanded, so each variant becomes a loop of its own.
 */
SIMD_INLINE uint32_t pool_chunk(const struct embedding_bag_job *job, uint32_t format, int weighted, uint32_t vectors,
				uint32_t tail, uint32_t begin, uint32_t end, uint32_t d, float divide, float *out,
				uint32_t *bad)
{
	uint32_t full = tail ? vectors - 1 : vectors;
	__m256 scale = _mm256_setzero_ps(), bias = scale, by = _mm256_set1_ps(divide);
	__m256 sum[VECTORS];
	float edge[8];

#pragma GCC unroll 8
	for (uint32_t v = 0; v < vectors; v++)
		sum[v] = _mm256_setzero_ps();
	for (uint32_t i = begin; i < end; i++) {
		uint32_t index = LOAD_ONCE(job->index[i]);
		const uint8_t *row, *at;
		__m256 weight = scale;

		if (__builtin_expect(index >= job->good, 0)) {
			*bad = index;
			return i;
		}
		if (d == 0) /* the first chunk fetches the whole row */
			prefetch_row(job, i + AHEAD, job->row_bytes);
		row = job->table + (uint64_t)index * job->row_pitch;
		at = row + element_bytes(format, d);
		if (format == EMB_INT8) {
			float pair[2];

			memcpy(pair, row + job->dim, sizeof(pair));
			scale = _mm256_set1_ps(pair[0]);
			bias = _mm256_set1_ps(pair[1]);
		} else if (format == EMB_INT4) {
			__m128 pair = _mm_cvtph_ps(_mm_loadu_si32(row + (job->dim + 1) / 2));

			scale = _mm256_broadcastss_ps(pair);
			bias = _mm256_broadcastss_ps(_mm_movehdup_ps(pair));
		}
		if (weighted)
			weight = _mm256_set1_ps(job->weight[i]);
#pragma GCC unroll 8
		for (uint32_t v = 0; v < vectors; v++) {
			uint8_t bytes[32] = { 0 };
			__m256 value;

			if (v < full) {
				value = load8(format, at + element_bytes(format, v * 8), scale, bias);
			} else {
				memcpy(bytes, at + element_bytes(format, v * 8), element_bytes(format, tail));
				value = load8(format, bytes, scale, bias);
			}
			sum[v] = weighted ? _mm256_fmadd_ps(weight, value, sum[v]) : _mm256_add_ps(sum[v], value);
		}
	}
#pragma GCC unroll 8
	for (uint32_t v = 0; v < vectors; v++) {
		sum[v] = _mm256_div_ps(sum[v], by);
		if (v < full) {
			_mm256_storeu_ps(out + d + v * 8, sum[v]);
		} else {
			_mm256_storeu_ps(edge, sum[v]);
			memcpy(out + d + v * 8, edge, tail * sizeof(float));
		}
	}
	return end;
}

SIMD_INLINE uint32_t pool_all(const struct embedding_bag_job *job, uint32_t format, int weighted, uint32_t begin,
			      uint32_t end, float divide, float *out, uint32_t *bad)
{
	uint32_t d = 0, at = end;

	for (; d + 64 <= job->dim && at == end; d += 64)
		at = pool_chunk(job, format, weighted, 8, 0, begin, end, d, divide, out, bad);
	for (; d + 32 <= job->dim && at == end; d += 32)
		at = pool_chunk(job, format, weighted, 4, 0, begin, end, d, divide, out, bad);
	for (; d + 8 <= job->dim && at == end; d += 8)
		at = pool_chunk(job, format, weighted, 1, 0, begin, end, d, divide, out, bad);
	if (d < job->dim && at == end)
		at = pool_chunk(job, format, weighted, 1, job->dim - d, begin, end, d, divide, out, bad);
	return at;
}

SIMD uint32_t embedding_bag_pool_avx2(const struct embedding_bag_job *job, uint32_t begin, uint32_t end, float divide,
				      float *out, uint32_t *bad)
{
	switch (job->format * 2 + (job->weight ? 1 : 0)) {
	case EMB_FP32 * 2:
		return pool_all(job, EMB_FP32, 0, begin, end, divide, out, bad);
	case EMB_FP32 * 2 + 1:
		return pool_all(job, EMB_FP32, 1, begin, end, divide, out, bad);
	case EMB_FP16 * 2:
		return pool_all(job, EMB_FP16, 0, begin, end, divide, out, bad);
	case EMB_FP16 * 2 + 1:
		return pool_all(job, EMB_FP16, 1, begin, end, divide, out, bad);
	case EMB_INT8 * 2:
		return pool_all(job, EMB_INT8, 0, begin, end, divide, out, bad);
	case EMB_INT8 * 2 + 1:
		return pool_all(job, EMB_INT8, 1, begin, end, divide, out, bad);
	case EMB_INT4 * 2:
		return pool_all(job, EMB_INT4, 0, begin, end, divide, out, bad);
	default:
		return pool_all(job, EMB_INT4, 1, begin, end, divide, out, bad);
	}
}

#endif
