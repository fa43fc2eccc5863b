// SPDX-License-Identifier: BSD-2-Clause
/*
 * nn_depthwise with AVX-512 VNNI; lanes are channels.
 *
 *   for each chunk of channels:
 *     pack   weights of 4 taps side by side, a channel's in a dword; and the coefficients in the order of these dwords
 *     for each output pixel, 64 channels:
 *       for each 4 taps: interleave their channels the same way, vpdpbusd with the weights: no saturation in between
 *       requantise -> y
 *
 * Interleaving works in 128-bit lanes, and so does packing sums to bytes, which puts channels in order again.
 */
#include "nn_depthwise_fast.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define AVX512	      __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define AVX512_INLINE static inline __attribute__((always_inline, target("avx512f,avx512bw,avx512vl,avx512vnni")))

#define BLOCK	64u /* channels */
#define W_BYTES (BLOCK * (NN_DEPTHWISE_MAX_TAPS + 3) / 4 * 4)

struct chunk {
	const struct nn_depthwise_job *job;
	uint32_t first, channels;
	uint32_t groups; /* of 4 taps */
	int saturate;	 /* a sum with its bias may leave 32 bits */
	__m512 high;	 /* the clip's upper bound less zero */
	__m512i zero, lo, hi; /* zero in words, the clip's bounds in bytes */
	__attribute__((aligned(64))) int8_t w[W_BYTES]; /* [block][group][4][16 channels][4 taps] */
	__attribute__((aligned(64))) int32_t bias[NN_DEPTHWISE_CHANNELS];
	__attribute__((aligned(64))) float mult[NN_DEPTHWISE_CHANNELS];
};

AVX512_INLINE __mmask64 block_mask(const struct chunk *k, uint32_t c)
{
	return k->channels - c < BLOCK ? ~(__mmask64)0 >> (BLOCK - (k->channels - c)) : ~(__mmask64)0;
}

/* Channel 16 * l + 4 * i + e of four taps: dword 4 * l + e of to[i] */
AVX512_INLINE void interleave(const __m512i t[4], __m512i to[4])
{
	__m512i low01 = _mm512_unpacklo_epi8(t[0], t[1]), high01 = _mm512_unpackhi_epi8(t[0], t[1]);
	__m512i low23 = _mm512_unpacklo_epi8(t[2], t[3]), high23 = _mm512_unpackhi_epi8(t[2], t[3]);

	to[0] = _mm512_unpacklo_epi16(low01, low23);
	to[1] = _mm512_unpackhi_epi16(low01, low23);
	to[2] = _mm512_unpacklo_epi16(high01, high23);
	to[3] = _mm512_unpackhi_epi16(high01, high23);
}

static AVX512 void pack_weights(struct chunk *k)
{
	const struct nn_depthwise_run *r = &k->job->r;
	int8_t *to = k->w;

	for (uint32_t c = 0; c < k->channels; c += BLOCK) {
		for (uint32_t g = 0; g < k->groups; g++, to += 4 * BLOCK) {
			__m512i taps[4], w[4];

			for (uint32_t i = 0; i < 4; i++) {
				const int8_t *from = k->job->w + (uint64_t)(4 * g + i) * r->channels + k->first + c;

				taps[i] = 4 * g + i < r->taps ? _mm512_maskz_loadu_epi8(block_mask(k, c), from) : _mm512_setzero_si512();
			}
			interleave(taps, w);
			for (uint32_t i = 0; i < 4; i++)
				_mm512_store_si512(to + BLOCK * i, w[i]);
		}
	}
}

static void pack_coefficients(struct chunk *k)
{
	int64_t room = INT32_MAX - (int64_t)k->job->r.taps * 255 * 128; /* for the bias */

	memset(k->bias, 0, sizeof(k->bias));
	memset(k->mult, 0, sizeof(k->mult));
	k->saturate = 0;
	for (uint32_t c = 0; c < k->channels; c++) {
		const uint32_t *coef = k->job->coef + (uint64_t)(k->first + c) * NN_DEPTHWISE_COEF_WORDS;
		uint32_t to = c / BLOCK * BLOCK + c / 4 % 4 * 16 + c % BLOCK / 16 * 4 + c % 4;

		k->bias[to] = (int32_t)coef[NN_DEPTHWISE_COEF_BIAS];
		k->mult[to] = nn_float(coef[NN_DEPTHWISE_COEF_MULT]);
		k->saturate |= k->bias[to] > room || k->bias[to] < -room;
	}
}

AVX512_INLINE __m512i add_saturate(__m512i a, __m512i b)
{
	__m512i sum = _mm512_add_epi32(a, b);
	__mmask16 over = _mm512_cmplt_epi32_mask(_mm512_and_si512(_mm512_xor_si512(a, sum), _mm512_xor_si512(b, sum)), _mm512_setzero_si512());

	return _mm512_mask_xor_epi32(sum, over, _mm512_srai_epi32(a, 31), _mm512_set1_epi32(INT32_MAX));
}

/*
 * 4 x 16 sums to 64 bytes. min gives its second operand for a NaN, which then becomes INT32_MIN, as what is far too small does; and that becomes
 * lo. Packing saturates, which the clip then covers.
 */
AVX512_INLINE __m512i to_bytes(const struct chunk *k, const __m512i sum[4], const __m512 mult[4])
{
	__m512i v[4], bytes;

#pragma GCC unroll 4
	for (int i = 0; i < 4; i++)
		v[i] = _mm512_cvtps_epi32(_mm512_min_ps(k->high, _mm512_mul_ps(_mm512_cvtepi32_ps(sum[i]), mult[i])));
	bytes = _mm512_packus_epi16(_mm512_adds_epi16(_mm512_packs_epi32(v[0], v[1]), k->zero),
				    _mm512_adds_epi16(_mm512_packs_epi32(v[2], v[3]), k->zero));
	return _mm512_min_epu8(_mm512_max_epu8(bytes, k->lo), k->hi);
}

/* One pixel, taps anywhere. Those in job->outside are all the same: any 64 of them will do. */
static AVX512 void one_pixel(const struct chunk *k, const uint8_t *const *taps, uint8_t *y)
{
	const int8_t *w = k->w;

	for (uint32_t c = 0; c < k->channels; c += BLOCK) {
		__mmask64 mask = block_mask(k, c);
		__m512i sum[4], t[4], x[4];
		__m512 mult[4];

		for (int i = 0; i < 4; i++)
			sum[i] = k->saturate ? _mm512_setzero_si512() : _mm512_load_si512(k->bias + c + 16 * i);
		for (uint32_t g = 0; g < k->groups; g++, w += 4 * BLOCK) {
			for (int i = 0; i < 4; i++)
				t[i] = _mm512_maskz_loadu_epi8(mask, taps[4 * g + (uint32_t)i] + c);
			interleave(t, x);
			for (int i = 0; i < 4; i++)
				sum[i] = _mm512_dpbusd_epi32(sum[i], x[i], _mm512_load_si512(w + BLOCK * (uint32_t)i));
		}
		for (int i = 0; i < 4; i++) {
			mult[i] = _mm512_load_ps(k->mult + c + 16 * i);
			if (k->saturate)
				sum[i] = add_saturate(sum[i], _mm512_load_si512(k->bias + c + 16 * i));
		}
		_mm512_mask_storeu_epi8(y + c, mask, to_bytes(k, sum, mult));
	}
}

/* @count pixels of 9 taps, the usual case, at @taps and then every @next bytes; no sum with its bias leaves 32 bits. Weights stay in registers. */
static AVX512 void nine_taps(const struct chunk *k, const uint8_t *const *taps, size_t next, uint32_t count, uint8_t *y)
{
	for (uint32_t c = 0; c < k->channels; c += BLOCK) {
		const __mmask64 mask = block_mask(k, c);
		const int8_t *w = k->w + (size_t)c * 12;
		const uint8_t *at[9];
		uint8_t *to = y + c;
		__m512i weights[3][4];
		__m512 mult[4];

#pragma GCC unroll 9
		for (int i = 0; i < 9; i++)
			at[i] = taps[i] + c;
#pragma GCC unroll 4
		for (int i = 0; i < 4; i++) {
			mult[i] = _mm512_load_ps(k->mult + c + 16 * i);
#pragma GCC unroll 3
			for (int g = 0; g < 3; g++)
				weights[g][i] = _mm512_load_si512(w + (4 * g + i) * (int)BLOCK);
		}
		for (size_t p = 0, x = 0; p < count; p++, x += next, to += k->job->r.y_pitch) {
			__m512i sum[4], t[4], v[4];

#pragma GCC unroll 4
			for (int i = 0; i < 4; i++)
				sum[i] = _mm512_load_si512(k->bias + c + 16 * i);
#pragma GCC unroll 3
			for (int g = 0; g < 3; g++) {
#pragma GCC unroll 4
				for (int i = 0; i < 4; i++)
					t[i] = g == 2 && i > 0 ? _mm512_setzero_si512() :
								 _mm512_maskz_loadu_epi8(mask, at[g == 2 ? 8 : 4 * g + i] + x);
				interleave(t, v);
#pragma GCC unroll 4
				for (int i = 0; i < 4; i++)
					sum[i] = _mm512_dpbusd_epi32(sum[i], v[i], weights[g][i]);
			}
			_mm512_mask_storeu_epi8(to, mask, to_bytes(k, sum, mult));
		}
	}
}

static AVX512 void output_row(const struct chunk *k, const uint8_t *x, uint32_t oh, uint8_t *y)
{
	const struct nn_depthwise_run *r = &k->job->r;
	const uint8_t *taps[NN_DEPTHWISE_MAX_TAPS + 3];
	/* From the first position of a window to the last */
	int64_t extent = (int64_t)((uint64_t)(r->w.kernel - 1) * r->w.dilation);
	size_t next = (size_t)r->w.stride * r->x_pitch;

	for (uint32_t ow = 0; ow < r->out_w; ow++) {
		int inside = nn_depthwise_place(k->job, x, oh, ow, k->first, taps);
		uint32_t count = 1;

		for (uint32_t i = r->taps; i < 4 * k->groups; i++)
			taps[i] = taps[r->taps - 1]; /* with weight 0 */
		if (inside && r->taps == 9 && !k->saturate) {
			while (ow + count < r->out_w && nn_axis_start(&r->w, ow + count) + extent < (int64_t)r->in_w)
				count++;
			nine_taps(k, taps, next, count, y + (size_t)ow * r->y_pitch);
			ow += count - 1;
		} else {
			one_pixel(k, taps, y + (size_t)ow * r->y_pitch);
		}
	}
}

AVX512 void nn_depthwise_run_avx512(const struct nn_depthwise_job *job)
{
	const struct nn_depthwise_run *r = &job->r;
	struct chunk k; /* large: not cleared */
	uint32_t most;

	k.job = job;
	k.groups = (r->taps + 3) / 4;
	most = W_BYTES / (4 * k.groups) / BLOCK * BLOCK;
	most = most > NN_DEPTHWISE_CHANNELS ? NN_DEPTHWISE_CHANNELS : most;
	k.high = _mm512_set1_ps((float)(r->clip >> 8) - (float)r->zero);
	k.zero = _mm512_set1_epi16((int16_t)r->zero);
	k.lo = _mm512_set1_epi8((char)r->clip);
	k.hi = _mm512_set1_epi8((char)(r->clip >> 8));
	for (k.first = 0; k.first < r->channels; k.first += k.channels) {
		k.channels = r->channels - k.first < most ? r->channels - k.first : most;
		pack_weights(&k);
		pack_coefficients(&k);
		for (uint32_t n = 0; n < r->images; n++)
			for (uint32_t oh = r->first_row; oh < r->first_row + r->rows; oh++)
				output_row(&k, job->x + (uint64_t)n * r->x_image, oh,
					   job->y + (uint64_t)n * r->y_image + (uint64_t)oh * r->out_w * r->y_pitch + k.first);
	}
}

#endif
