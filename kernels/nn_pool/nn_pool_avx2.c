// SPDX-License-Identifier: BSD-2-Clause
/* One output pixel of nn_pool with AVX2; lanes are channels. */
#include "nn_pool_fast.h"

#if defined(__x86_64__)
#include "../nn_avx2.h"

/* @n (a constant) times 32 channels */
NN_AVX2_INLINE void max32(const struct nn_pool_window *w, const uint8_t *x, __m256i lo, __m256i hi, uint8_t *y, int n)
{
	__m256i most[4];

	for (int i = 0; i < n; i++)
		most[i] = lo;
	for (uint32_t row = 0; row < w->rows; row++) {
		const uint8_t *at = x + row * w->row_step;

		for (uint32_t col = 0; col < w->cols; col++) {
#pragma GCC unroll 4
			for (int i = 0; i < n; i++)
				most[i] = _mm256_max_epu8(most[i], _mm256_loadu_si256((const void *)(at + i * 32)));
			at += w->col_step;
		}
	}
#pragma GCC unroll 4
	for (int i = 0; i < n; i++)
		_mm256_storeu_si256((void *)(y + i * 32), _mm256_min_epu8(most[i], hi));
}

NN_AVX2_INLINE void max16(const struct nn_pool_window *w, const uint8_t *x, __m128i lo, __m128i hi, uint8_t *y)
{
	for (uint32_t row = 0; row < w->rows; row++) {
		const uint8_t *at = x + row * w->row_step;

		for (uint32_t col = 0; col < w->cols; col++) {
			lo = _mm_max_epu8(lo, _mm_loadu_si128((const void *)at));
			at += w->col_step;
		}
	}
	_mm_storeu_si128((void *)y, _mm_min_epu8(lo, hi));
}

NN_AVX2 static void max_pixel(const struct nn_pool_run *r, const struct nn_pool_window *w, uint8_t *y)
{
	__m256i lo = _mm256_set1_epi8((char)r->clip), hi = _mm256_set1_epi8((char)(r->clip >> 8));
	uint32_t c = 0;

	for (; r->channels - c >= 128; c += 128)
		max32(w, w->x + c, lo, hi, y + c, 4);
	if (r->channels - c >= 64) {
		max32(w, w->x + c, lo, hi, y + c, 2);
		c += 64;
	}
	if (r->channels - c >= 32) {
		max32(w, w->x + c, lo, hi, y + c, 1);
		c += 32;
	}
	if (r->channels - c)
		max16(w, w->x + c, _mm256_castsi256_si128(lo), _mm256_castsi256_si128(hi), y + c);
}

/* Sums of 16 channels over the window's positions; 16-bit sums of up to 256 bytes each are collected in 32 bits. */
NN_AVX2_INLINE void sum16(const struct nn_pool_window *w, const uint8_t *x, __m256i sum[2])
{
	__m256i few = _mm256_setzero_si256();
	uint32_t room = 256;

	sum[0] = sum[1] = _mm256_setzero_si256();
	for (uint32_t row = 0; row < w->rows; row++) {
		const uint8_t *at = x + row * w->row_step;

		for (uint32_t col = 0; col < w->cols; col++) {
			few = _mm256_add_epi16(few, _mm256_cvtepu8_epi16(_mm_loadu_si128((const void *)at)));
			at += w->col_step;
			if (--room == 0) {
				sum[0] = _mm256_add_epi32(sum[0], _mm256_cvtepu16_epi32(_mm256_castsi256_si128(few)));
				sum[1] = _mm256_add_epi32(sum[1], _mm256_cvtepu16_epi32(_mm256_extracti128_si256(few, 1)));
				few = _mm256_setzero_si256();
				room = 256;
			}
		}
	}
	sum[0] = _mm256_add_epi32(sum[0], _mm256_cvtepu16_epi32(_mm256_castsi256_si128(few)));
	sum[1] = _mm256_add_epi32(sum[1], _mm256_cvtepu16_epi32(_mm256_extracti128_si256(few, 1)));
}

NN_AVX2 static void average_pixel(const struct nn_pool_run *r, const struct nn_pool_window *w, uint8_t *y)
{
	struct nn_clip8 q = nn_clip8_of(r->zero, r->clip & 0xff, r->clip >> 8);
	__m256i zeros = _mm256_set1_epi32((int32_t)(w->rows * w->cols * r->x_zero));
	__m256 mult = _mm256_set1_ps(nn_float(r->mult)), count = _mm256_set1_ps((float)w->count);

	for (uint32_t c = 0; c < r->channels; c += 16) {
		__m256i sum[2];

		sum16(w, w->x + c, sum);
		for (int i = 0; i < 2; i++) {
			__m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(sum[i], zeros)), mult);

			sum[i] = nn_quantise8(&q, _mm256_div_ps(v, count));
		}
		_mm_storeu_si128((void *)(y + c), nn_bytes16(sum[0], sum[1]));
	}
}

void nn_pool_pixel_avx2(const struct nn_pool_run *r, const struct nn_pool_window *w, uint8_t *y)
{
	if (r->mode == NN_POOL_MAX)
		max_pixel(r, w, y);
	else
		average_pixel(r, w, y);
}

#endif
