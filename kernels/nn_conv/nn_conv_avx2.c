// SPDX-License-Identifier: BSD-2-Clause
/*
 * A panel of nn_conv with AVX2. vpmaddubsw would saturate, so both factors are widened to 16 bits (the input when its band is copied, the weights
 * when they are loaded), and vpmaddwd adds products of two channels exactly: 3 pixels x 16 filters x 2 sums, of channels 0, 1 and of channels 2, 3,
 * are 12 registers.
 */
#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#include "nn_conv_fast.h"

#define AVX2	    __attribute__((target("avx2")))
#define AVX2_INLINE static inline __attribute__((always_inline, target("avx2")))
#define PIXELS	    3

AVX2_INLINE __m256i add_saturate(__m256i a, __m256i b)
{
	__m256i sum = _mm256_add_epi32(a, b);
	__m256i over = _mm256_and_si256(_mm256_xor_si256(a, sum), _mm256_xor_si256(b, sum)); /* sign bit: overflow */
	__m256i limit = _mm256_xor_si256(_mm256_srai_epi32(a, 31), _mm256_set1_epi32(INT32_MAX));

	return _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(sum), _mm256_castsi256_ps(limit), _mm256_castsi256_ps(over)));
}

/* Whole numbers, without the zero point. max gives its second operand for a NaN. */
AVX2_INLINE __m256i clip_round(__m256 v, uint32_t zero, uint32_t clip)
{
	__m256 lo = _mm256_set1_ps((float)((int32_t)(clip & 255) - (int32_t)zero));
	__m256 hi = _mm256_set1_ps((float)((int32_t)(clip >> 8) - (int32_t)zero));

	return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(v, lo), hi));
}

/* 8 sums of filters from @f on to outputs. */
AVX2_INLINE __m256i requantise(const struct nn_conv_panel *p, __m256i sum, uint32_t f, const uint8_t *r)
{
	const struct nn_conv_args *a = p->a;
	__m256 s, t;
	__m256i v;

	sum = add_saturate(sum, _mm256_load_si256((const void *)(p->bias + f)));
	v = clip_round(_mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_load_ps(p->mult + f)), a->zero, a->clip);
	if (!r)
		return _mm256_add_epi32(v, _mm256_set1_epi32((int32_t)a->zero));
	s = _mm256_mul_ps(_mm256_cvtepi32_ps(v), _mm256_set1_ps(nn_float(a->v_mult)));
	v = _mm256_sub_epi32(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)r)), _mm256_set1_epi32((int32_t)a->r_zero));
	t = _mm256_mul_ps(_mm256_cvtepi32_ps(v), _mm256_set1_ps(nn_float(a->r_mult)));
	__asm__("" : "+x"(s), "+x"(t)); /* so that nobody fuses a product with the addition, whatever it is compiled for */
	v = clip_round(_mm256_add_ps(s, t), a->sum_zero, a->sum_clip);
	return _mm256_add_epi32(v, _mm256_set1_epi32((int32_t)a->sum_zero));
}

/* Pairs of sums of filters 0-3 and 4-7 to sums. */
AVX2_INLINE __m256i join(__m256i a, __m256i b)
{
	return _mm256_permute4x64_epi64(_mm256_hadd_epi32(a, b), 0xd8);
}

/* In assembly, as 12 sums, 2 pixels, the weights and a product are all registers there are, and a compiler wants some more. */
AVX2_INLINE void add_products(__m256i *sum, __m256i weights, __m256i pixel)
{
	__m256i product;

	__asm__ volatile("vpmaddwd %2, %3, %1\n"
			 "vpaddd %1, %0, %0"
			 : "+x"(*sum), "=&x"(product)
			 : "x"(weights), "x"(pixel));
}

AVX2_INLINE void add_products_memory(__m256i *sum, __m256i weights, const uint8_t *pixel)
{
	__m256i product;

	__asm__ volatile("vpbroadcastq %3, %1\n"
			 "vpmaddwd %2, %1, %1\n"
			 "vpaddd %1, %0, %0"
			 : "+x"(*sum), "=&x"(product)
			 : "x"(weights), "m"(*(const uint64_t *)(const void *)pixel));
}

/* @m pixels at @at of the 16 filters from @f on. */
AVX2_INLINE void block(const struct nn_conv_panel *p, uint32_t f, const uint8_t *const at[PIXELS], uint8_t *const y[PIXELS],
		       const uint8_t *const r[PIXELS], const int m)
{
	const int8_t *w = p->w + f / NN_BLOCK * p->w_block;
	__m256i sum[PIXELS][4];

#pragma GCC unroll 3
	for (int i = 0; i < m; i++)
#pragma GCC unroll 4
		for (int j = 0; j < 4; j++)
			sum[i][j] = _mm256_setzero_si256();
	for (uint32_t run = 0; run < p->runs; run++) {
		const uint8_t *x[PIXELS];

#pragma GCC unroll 3
		for (int i = 0; i < m; i++)
			x[i] = at[i] + p->run_at[run];
		for (size_t c = 0; c < 8 * (size_t)p->quads; c += 8) {
			__m256i pixel[2];

#pragma GCC unroll 2
			for (int i = 0; i < m && i < 2; i++)
				__asm__ volatile("vpbroadcastq %1, %0" : "=x"(pixel[i]) : "m"(*(const uint64_t *)(const void *)(x[i] + c)));
#pragma GCC unroll 4
			for (int j = 0; j < 4; j++) {
				__m256i weights;

				__asm__ volatile("vpmovsxbw %1, %0" : "=x"(weights) : "m"(*(const __m128i_u *)(w + 16 * j)));
#pragma GCC unroll 2
				for (int i = 0; i < m && i < 2; i++)
					add_products(&sum[i][j], weights, pixel[i]);
				if (m > 2)
					add_products_memory(&sum[2][j], weights, x[2] + c);
			}
			w += 64;
		}
	}
#pragma GCC unroll 3
	for (int i = 0; i < m; i++) {
		__m256i low = requantise(p, join(sum[i][0], sum[i][1]), f, p->r ? r[i] + f : NULL);
		__m256i high = requantise(p, join(sum[i][2], sum[i][3]), f + 8, p->r ? r[i] + f + 8 : NULL);
		__m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);

		_mm_storeu_si128((void *)(y[i] + f), _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
	}
}

AVX2 void nn_conv_panel_avx2(const struct nn_conv_panel *p)
{
	uint64_t pixels = (uint64_t)p->rows * p->cols;

	for (uint32_t f = 0; f < p->blocks * NN_BLOCK; f += NN_BLOCK) {
		uint64_t blocks = (pixels + PIXELS - 1) / PIXELS, left = pixels;
		uint32_t row = 0, col = 0;

		for (; blocks > 0; blocks--) {
			uint32_t m = (uint32_t)(left / blocks);
			const uint8_t *x[PIXELS], *r[PIXELS];
			uint8_t *y[PIXELS];

			for (uint32_t i = 0; i < m; i++) {
				x[i] = p->x + row * p->x_row + col * p->x_col;
				y[i] = p->y + row * p->y_row + col * p->y_pitch;
				r[i] = p->r ? p->r + row * p->r_row + col * p->r_pitch : NULL;
				col++;
				if (col == p->cols) {
					col = 0;
					row++;
				}
			}
			if (m == 3)
				block(p, f, x, y, r, 3);
			else if (m == 2)
				block(p, f, x, y, r, 2);
			else
				block(p, f, x, y, r, 1);
			left -= m;
		}
	}
}

#endif
