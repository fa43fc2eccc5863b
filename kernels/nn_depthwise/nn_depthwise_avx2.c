// SPDX-License-Identifier: BSD-2-Clause
/*
 * nn_depthwise with AVX2; lanes are channels.
 *
 *   for each chunk of channels:
 *     pack   weights of taps 2i and 2i + 1 side by side as 16-bit words, and the coefficients, in the order in which unpacking leaves channels
 *     for each output pixel (two at a time where all taps lie in the image), 16 channels:
 *       for each two taps: interleave their channels, vpmaddwd with the two weights
 *       requantise -> y
 */
#include "nn_depthwise_fast.h"

#if defined(__x86_64__)
#include "../nn_avx2.h"

#define W_WORDS 16384u /* weights of a chunk */

/* unpacklo and unpackhi of 16 words leave channels 0-3 8-11 and 4-7 12-15; packus_epi32 of the two puts them in order again. */
static const uint8_t unpacked[16] = { 0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15 };

struct chunk {
	const struct nn_depthwise_job *job;
	uint32_t first, channels, pairs;
	int saturate; /* a sum with its bias may leave 32 bits */
	struct nn_clip8 clip;
	__attribute__((aligned(32))) int16_t w[W_WORDS]; /* [16 channels][pair][lo, hi][8 channels][2 taps] */
	__attribute__((aligned(32))) int32_t bias[NN_DEPTHWISE_CHANNELS];
	__attribute__((aligned(32))) float mult[NN_DEPTHWISE_CHANNELS];
};

NN_AVX2 static void pack(struct chunk *k)
{
	const struct nn_depthwise_run *r = &k->job->r;
	int64_t room = INT32_MAX - (int64_t)r->taps * 255 * 128; /* for the bias */
	int16_t *to = k->w;

	for (uint32_t c = 0; c < k->channels; c += 16) {
		const int8_t *w = k->job->w + k->first + c;

		for (uint32_t i = 0; i < r->taps; i += 2) {
			__m256i one = _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)(w + (uint64_t)i * r->channels)));
			__m256i two = _mm256_setzero_si256();

			if (i + 1 < r->taps)
				two = _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)(w + (uint64_t)(i + 1) * r->channels)));
			_mm256_store_si256((void *)to, _mm256_unpacklo_epi16(one, two));
			_mm256_store_si256((void *)(to + 16), _mm256_unpackhi_epi16(one, two));
			to += 32;
		}
	}
	k->saturate = 0;
	for (uint32_t c = 0; c < k->channels; c++) {
		const uint32_t *coef = k->job->coef + (uint64_t)(k->first + c / 16 * 16 + unpacked[c % 16]) * NN_DEPTHWISE_COEF_WORDS;

		k->bias[c] = (int32_t)coef[NN_DEPTHWISE_COEF_BIAS];
		k->mult[c] = nn_float(coef[NN_DEPTHWISE_COEF_MULT]);
		k->saturate |= k->bias[c] > room || k->bias[c] < -room;
	}
}

NN_AVX2_INLINE void multiply(const uint8_t *one, const uint8_t *two, __m256i w_lo, __m256i w_hi, __m256i *lo, __m256i *hi)
{
	__m256i a = _mm256_cvtepu8_epi16(_mm_loadu_si128((const void *)one)), b = _mm256_cvtepu8_epi16(_mm_loadu_si128((const void *)two));

	*lo = _mm256_add_epi32(*lo, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), w_lo));
	*hi = _mm256_add_epi32(*hi, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), w_hi));
}

NN_AVX2_INLINE void finish(const struct chunk *k, uint32_t c, __m256i lo, __m256i hi, uint8_t *y)
{
	__m256i words;

	if (k->saturate) {
		lo = nn_add_saturate8(lo, _mm256_load_si256((const void *)(k->bias + c)));
		hi = nn_add_saturate8(hi, _mm256_load_si256((const void *)(k->bias + c + 8)));
	}
	lo = nn_quantise8(&k->clip, _mm256_mul_ps(_mm256_cvtepi32_ps(lo), _mm256_load_ps(k->mult + c)));
	hi = nn_quantise8(&k->clip, _mm256_mul_ps(_mm256_cvtepi32_ps(hi), _mm256_load_ps(k->mult + c + 8)));
	words = _mm256_packus_epi32(lo, hi);
	_mm_storeu_si128((void *)y, _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}

NN_AVX2_INLINE __m256i start(const struct chunk *k, uint32_t c)
{
	return k->saturate ? _mm256_setzero_si256() : _mm256_load_si256((const void *)(k->bias + c));
}

/* One pixel, taps anywhere. Those in job->outside are all the same: any 16 of them will do. */
NN_AVX2 static void one_pixel(const struct chunk *k, const uint8_t *const *taps, uint8_t *y)
{
	const int16_t *w = k->w;

	for (uint32_t c = 0; c < k->channels; c += 16) {
		__m256i lo = start(k, c), hi = start(k, c + 8);

		for (uint32_t i = 0; i < k->pairs; i++, w += 32)
			multiply(taps[2 * i] + c, taps[2 * i + 1] + c, _mm256_load_si256((const void *)w),
				 _mm256_load_si256((const void *)(w + 16)), &lo, &hi);
		finish(k, c, lo, hi, y + c);
	}
}

/* Two pixels whose taps are at @at behind x and behind x + @next. */
NN_AVX2_INLINE void two_pixels(const struct chunk *k, const uint8_t *x, size_t next, const size_t *at, uint8_t *y, size_t y_next, uint32_t pairs)
{
	const int16_t *w = k->w;

	for (uint32_t c = 0; c < k->channels; c += 16, x += 16) {
		__m256i lo0 = start(k, c), hi0 = start(k, c + 8), lo1 = lo0, hi1 = hi0;

#pragma GCC unroll 5
		for (uint32_t i = 0; i < pairs; i++, w += 32) {
			__m256i w_lo = _mm256_load_si256((const void *)w), w_hi = _mm256_load_si256((const void *)(w + 16));
			const uint8_t *one = x + at[2 * i], *two = x + at[2 * i + 1];

			multiply(one, two, w_lo, w_hi, &lo0, &hi0);
			multiply(one + next, two + next, w_lo, w_hi, &lo1, &hi1);
		}
		finish(k, c, lo0, hi0, y + c);
		finish(k, c, lo1, hi1, y + y_next + c);
	}
}

NN_AVX2 static void two_pixels_any(const struct chunk *k, const uint8_t *x, size_t next, const size_t *at, uint8_t *y, size_t y_next)
{
	two_pixels(k, x, next, at, y, y_next, k->pairs);
}

/* 3x3, the usual case: the loop over taps is unrolled. */
NN_AVX2 static void two_pixels_9(const struct chunk *k, const uint8_t *x, size_t next, const size_t *at, uint8_t *y, size_t y_next)
{
	two_pixels(k, x, next, at, y, y_next, 5);
}

NN_AVX2 static void output_row(const struct chunk *k, const uint8_t *x, uint32_t oh, uint8_t *y)
{
	const struct nn_depthwise_run *r = &k->job->r;
	const uint8_t *taps[NN_DEPTHWISE_MAX_TAPS + 1];
	size_t at[NN_DEPTHWISE_MAX_TAPS + 1];
	/* From the first position of a window to the last */
	int64_t extent = (int64_t)((uint64_t)(r->w.kernel - 1) * r->w.dilation);

	for (uint32_t ow = 0; ow < r->out_w; ow++) {
		int inside = nn_depthwise_place(k->job, x, oh, ow, k->first, taps);

		size_t next = (size_t)r->w.stride * r->x_pitch, shift = 0;

		taps[r->taps] = taps[r->taps - 1]; /* the missing second of the last pair, with weight 0 */
		if (inside) {
			const uint8_t *first = taps[0];

			for (uint32_t i = 0; i <= r->taps; i++)
				at[i] = (size_t)(taps[i] - taps[0]);
			for (; ow + 1 < r->out_w && nn_axis_start(&r->w, ow + 1) + extent < (int64_t)r->in_w; ow += 2) {
				if (k->pairs == 5)
					two_pixels_9(k, first + shift, next, at, y + (size_t)ow * r->y_pitch, r->y_pitch);
				else
					two_pixels_any(k, first + shift, next, at, y + (size_t)ow * r->y_pitch, r->y_pitch);
				shift += 2 * next;
			}
			if (ow == r->out_w)
				break;
			nn_depthwise_place(k->job, x, oh, ow, k->first, taps);
			taps[r->taps] = taps[r->taps - 1];
		}
		one_pixel(k, taps, y + (size_t)ow * r->y_pitch);
	}
}

NN_AVX2 void nn_depthwise_run_avx2(const struct nn_depthwise_job *job)
{
	const struct nn_depthwise_run *r = &job->r;
	struct chunk k; /* large: not cleared */
	uint32_t most;

	k.job = job;
	k.pairs = (r->taps + 1) / 2;
	most = W_WORDS / (2 * k.pairs) / 16 * 16;
	most = most > NN_DEPTHWISE_CHANNELS ? NN_DEPTHWISE_CHANNELS : most;
	k.clip = nn_clip8_of(r->zero, r->clip & 0xff, r->clip >> 8);
	for (k.first = 0; k.first < r->channels; k.first += k.channels) {
		k.channels = r->channels - k.first < most ? r->channels - k.first : most;
		pack(&k);
		for (uint32_t n = 0; n < r->images; n++)
			for (uint32_t oh = r->first_row; oh < r->first_row + r->rows; oh++)
				output_row(&k, job->x + (uint64_t)n * r->x_image, oh,
					   job->y + (uint64_t)n * r->y_image + (uint64_t)oh * r->out_w * r->y_pitch + k.first);
	}
}

#endif
