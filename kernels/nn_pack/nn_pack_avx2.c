// SPDX-License-Identifier: BSD-2-Clause
/* nn_pack with AVX2: quantising singles, looking bytes up, putting three channels' columns side by side, unfolding. */
#include "nn_pack_fast.h"

#if defined(__x86_64__)
#include "../nn_avx2.h"

NN_AVX2_INLINE __m256i eight(const struct nn_clip8 *q, const uint8_t *x, __m256 scale)
{
	return nn_quantise8(q, _mm256_div_ps(_mm256_loadu_ps((const void *)x), scale));
}

/* @count singles at any byte position to bytes; fewer than 8 at the end one by one */
NN_AVX2 static void quantise_row(const struct nn_clip8 *q, const uint8_t *x, __m256 scale, uint32_t count, uint8_t *to)
{
	uint32_t i = 0;

	for (; count - i >= 32; i += 32, x += 128)
		_mm256_storeu_si256((void *)(to + i), nn_bytes32(eight(q, x, scale), eight(q, x + 32, scale), eight(q, x + 64, scale),
								 eight(q, x + 96, scale)));
	for (; i < count; i += 8, x += 32) {
		uint32_t n = count - i < 8 ? count - i : 8;
		uint8_t edge[32] = { 0 }, bytes[16];

		memcpy(edge, x, n * 4);
		_mm_storeu_si128((void *)bytes, nn_bytes16(eight(q, edge, scale), _mm256_setzero_si256()));
		memcpy(to + i, bytes, n);
	}
}

/* Byte i of 48 comes from channel i % 3, column i / 3: for each third, where a channel's 16 columns go (0x80: a zero, from another channel). */
#define Z 0x80
static const uint8_t place3[3][3][16] = {
	{ { 0, Z, Z, 1, Z, Z, 2, Z, Z, 3, Z, Z, 4, Z, Z, 5 },
	  { Z, 0, Z, Z, 1, Z, Z, 2, Z, Z, 3, Z, Z, 4, Z, Z },
	  { Z, Z, 0, Z, Z, 1, Z, Z, 2, Z, Z, 3, Z, Z, 4, Z } },
	{ { Z, Z, 6, Z, Z, 7, Z, Z, 8, Z, Z, 9, Z, Z, 10, Z },
	  { 5, Z, Z, 6, Z, Z, 7, Z, Z, 8, Z, Z, 9, Z, Z, 10 },
	  { Z, 5, Z, Z, 6, Z, Z, 7, Z, Z, 8, Z, Z, 9, Z, Z } },
	{ { Z, 11, Z, Z, 12, Z, Z, 13, Z, Z, 14, Z, Z, 15, Z, Z },
	  { Z, Z, 11, Z, Z, 12, Z, Z, 13, Z, Z, 14, Z, Z, 15, Z },
	  { 10, Z, Z, 11, Z, Z, 12, Z, Z, 13, Z, Z, 14, Z, Z, 15 } },
};
#undef Z

NN_AVX2 static void interleave3(const uint8_t *planes, uint32_t pitch, uint32_t count, uint8_t *to)
{
	uint32_t i = 0;

	for (; count - i >= 16; i += 16, to += 48) {
		__m128i c0 = _mm_loadu_si128((const void *)(planes + i)), c1 = _mm_loadu_si128((const void *)(planes + pitch + i));
		__m128i c2 = _mm_loadu_si128((const void *)(planes + 2 * pitch + i));

#pragma GCC unroll 3
		for (int k = 0; k < 3; k++) {
			__m128i out = _mm_shuffle_epi8(c0, _mm_loadu_si128((const void *)place3[k][0]));

			out = _mm_or_si128(out, _mm_shuffle_epi8(c1, _mm_loadu_si128((const void *)place3[k][1])));
			out = _mm_or_si128(out, _mm_shuffle_epi8(c2, _mm_loadu_si128((const void *)place3[k][2])));
			_mm_storeu_si128((void *)(to + 16 * k), out);
		}
	}
	for (; i < count; i++, to += 3)
		for (uint32_t c = 0; c < 3; c++)
			to[c] = planes[c * pitch + i];
}

/*
 * 32 bytes through a table of 256, 16 entries at a time: of x - 16 * i only 0 to 15 keep the top bit clear when 0x70 is added with saturation, and
 * pshufb gives 0 for the others.
 */
NN_AVX2_INLINE __m256i look_up(__m256i x, const uint8_t *lut)
{
	__m256i out = _mm256_setzero_si256();

#pragma GCC unroll 16
	for (int i = 0; i < 16; i++) {
		__m256i part = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)(lut + 16 * i)));
		__m256i index = _mm256_adds_epu8(_mm256_sub_epi8(x, _mm256_set1_epi8((char)(16 * i))), _mm256_set1_epi8(0x70));

		out = _mm256_or_si256(out, _mm256_shuffle_epi8(part, index));
	}
	return out;
}

NN_AVX2 static void look_up_row(const uint8_t *x, const uint8_t *lut, uint32_t count, uint8_t *to)
{
	uint32_t i = 0;

	for (; count - i >= 32; i += 32)
		_mm256_storeu_si256((void *)(to + i), look_up(_mm256_loadu_si256((const void *)(x + i)), lut));
	for (; i < count; i++)
		to[i] = lut[x[i]];
}

NN_AVX2 void nn_pack_row_avx2(const struct nn_pack_run *r, const uint8_t *x, const uint8_t *lut, struct nn_pack_line *line, uint8_t *to)
{
	struct nn_clip8 q = nn_clip8_of(r->zero, 0, 255);
	__m256 scale = _mm256_set1_ps(nn_float(r->scale));

	for (uint32_t c = 0; c < r->channels; c++) {
		const uint8_t *from = x + (uint64_t)c * r->x_channel;
		uint8_t *plane = line->planes + (size_t)c * r->in_w;

		if (r->mode == NN_PACK_BYTES)
			look_up_row(from, lut + c * 256, r->in_w, plane);
		else
			quantise_row(&q, from, scale, r->in_w, plane);
	}
	if (r->channels == 3) {
		interleave3(line->planes, r->in_w, r->in_w, to);
		return;
	}
	for (uint32_t c = 0; c < r->channels; c++)
		for (uint32_t i = 0; i < r->in_w; i++)
			to[(size_t)i * r->channels + c] = line->planes[(size_t)c * r->in_w + i];
}

NN_AVX2 void nn_pack_unfold_avx2(const struct nn_pack_run *r, const uint8_t *from, size_t step, uint32_t count, uint8_t *y)
{
	static const uint8_t ones[64] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
					  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 };
	uint32_t whole = r->used / 16 * 16;
	__m128i last = _mm_loadu_si128((const void *)(ones + 32 - r->used % 16)); /* the first used % 16 bytes */

	if (r->out_channels == 32) {
		__m256i mask = _mm256_loadu_si256((const void *)(ones + 32 - r->used));

		for (uint32_t j = 0; j < count; j++, from += step, y += r->y_pitch)
			_mm256_storeu_si256((void *)y, _mm256_and_si256(_mm256_loadu_si256((const void *)from), mask));
		return;
	}
	for (uint32_t j = 0; j < count; j++, from += step, y += r->y_pitch) {
		uint32_t at = 0;

		for (; at < whole; at += 16)
			_mm_storeu_si128((void *)(y + at), _mm_loadu_si128((const void *)(from + at)));
		if (at < r->used) {
			_mm_storeu_si128((void *)(y + at), _mm_and_si128(_mm_loadu_si128((const void *)(from + at)), last));
			at += 16;
		}
		for (; at < r->out_channels; at += 16)
			_mm_storeu_si128((void *)(y + at), _mm_setzero_si128());
	}
}

#endif
