// SPDX-License-Identifier: BSD-2-Clause
/*
 * A panel of nn_conv with AVX-512 VNNI: vpdpbusd adds 4 products of unsigned with signed bytes to each of 16 sums, without saturation in between.
 * 6 pixels x 64 filters are 24 registers of sums; 4 more hold 4 channels of the filters, one is a pixel's 4 channels, broadcast. Packed weights are
 * in just this order. Sums start with the bias and stay in registers until they are bytes. The instruction is written in assembly: from its
 * intrinsic, compilers change the order of loads and products, and then lack registers.
 */
#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#include "nn_conv_fast.h"

#define AVX512	      __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define AVX512_INLINE static inline __attribute__((always_inline, target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define PIXELS	      6
#define NEAREST	      (_MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC) /* with it, a compiler does not fuse the product with an addition */

struct requant;

/* A block of pixels: where each one's first tap, output and residual are. */
struct block {
	const uint8_t *x[PIXELS];
	uint8_t *y[PIXELS];
	const uint8_t *r[PIXELS];
	const int8_t *ahead; /* weights to be fetched meanwhile */
	size_t stride;	     /* bytes of them per 16 channels: 0 or 128 */
	const struct requant *q;
	enum { FROM_MEMORY, PLAIN, RESIDUAL } how; /* finish() after the block; or when all is small, finish_plain() or finish_residual() at its end */
	__m512i sum[PIXELS][4];
};

AVX512_INLINE __m512i add_saturate(__m512i a, __m512i b)
{
	__m512i sum = _mm512_add_epi32(a, b);
	__mmask16 over = _mm512_cmplt_epi32_mask(_mm512_and_si512(_mm512_xor_si512(a, sum), _mm512_xor_si512(b, sum)),
						 _mm512_setzero_si512());

	return _mm512_mask_xor_epi32(sum, over, _mm512_srai_epi32(a, 31), _mm512_set1_epi32(INT32_MAX));
}

/* What turns sums into bytes; of a whole panel, in memory until a block has all of its products: registers are scarce. */
struct requant {
	__m512 lo, hi, sum_hi;
	__m512 v_mult, r_mult;
	__m512i r_zero, zero16, lo8, hi8; /* zero16, lo8, hi8: of the last step, with a residual that of the sum */
	__m512i v_lo, v_hi; /* lo and hi as integers */
	__m512i order;
};

AVX512_INLINE struct requant requant_of(const struct nn_conv_panel *p)
{
	const struct nn_conv_args *a = p->a;
	uint32_t zero = p->r ? a->sum_zero : a->zero, clip = p->r ? a->sum_clip : a->clip;
	struct requant q;

	q.lo = _mm512_set1_ps((float)((int32_t)(a->clip & 255) - (int32_t)a->zero));
	q.hi = _mm512_set1_ps((float)((int32_t)(a->clip >> 8) - (int32_t)a->zero));
	q.v_lo = _mm512_cvtps_epi32(q.lo);
	q.v_hi = _mm512_cvtps_epi32(q.hi);
	q.sum_hi = _mm512_set1_ps((float)((int32_t)(clip >> 8) - (int32_t)zero)); /* without a residual a's are not checked */
	q.v_mult = _mm512_set1_ps(nn_float(a->v_mult));
	q.r_mult = _mm512_set1_ps(nn_float(a->r_mult));
	q.r_zero = _mm512_set1_epi32((int32_t)a->r_zero);
	q.zero16 = _mm512_set1_epi16((int16_t)zero);
	q.lo8 = _mm512_set1_epi8((char)(clip & 255));
	q.hi8 = _mm512_set1_epi8((char)(clip >> 8));
	/* packs work in 128-bit lanes: their dword 4 * i + j holds filters 16 * j + 4 * i and on */
	q.order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
	return q;
}

/*
 * 16 sums to integers that need no more than the zero point and a clip. min gives its second operand for a NaN, which then becomes INT32_MIN, as
 * what is far too small does; and that becomes lo.
 */
AVX512_INLINE __m512i scale(__m512i sum, __m512 mult, __m512 hi)
{
	return _mm512_cvtps_epi32(_mm512_min_ps(hi, _mm512_mul_ps(_mm512_cvtepi32_ps(sum), mult)));
}

AVX512_INLINE __m512i add_residual(const struct requant *q, __m512i sum, __m512 mult, const uint8_t *r, __mmask16 mask)
{
	__m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), mult), s;
	__m512i ri = _mm512_sub_epi32(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, r)), q->r_zero);

	v = _mm512_min_ps(_mm512_max_ps(v, q->lo), q->hi); /* max gives its second operand for a NaN */
	v = _mm512_cvtepi32_ps(_mm512_cvtps_epi32(v));
	s = _mm512_add_ps(_mm512_mul_round_ps(v, q->v_mult, NEAREST), _mm512_mul_round_ps(_mm512_cvtepi32_ps(ri), q->r_mult, NEAREST));
	return _mm512_cvtps_epi32(_mm512_min_ps(q->sum_hi, s));
}

/* 4 x 16 integers of a pixel's 64 filters to bytes; saturating on the way, which the clip then covers. */
AVX512_INLINE __m512i to_bytes(const struct requant *q, const __m512i v[4])
{
	__m512i low = _mm512_adds_epi16(_mm512_packs_epi32(v[0], v[1]), q->zero16);
	__m512i high = _mm512_adds_epi16(_mm512_packs_epi32(v[2], v[3]), q->zero16);
	__m512i bytes = _mm512_packus_epi16(low, high);

	bytes = _mm512_min_epu8(_mm512_max_epu8(bytes, q->lo8), q->hi8);
	return _mm512_permutexvar_epi32(q->order, bytes);
}

/*
 * Sums in their registers to y: no bias that may saturate, and multipliers so small that no product leaves 32 bits (nn_conv_panel.small). Constants
 * are taken to registers once, which the weights had before: loading them for each sum would take longer than all the rest. In assembly since a
 * compiler would take them out of the loop over pixels, and the sums out of their registers for them.
 */
AVX512_INLINE __m512i constant(const void *from)
{
	__m512i v;

	__asm__ volatile("vmovdqa64 %1, %0" : "=v"(v) : "m"(*(const __m512i *)from));
	return v;
}

/* As to_bytes(), and to y, of @m pixels' integers. */
AVX512_INLINE void store_bytes(const struct requant *q, const struct block *k, __m512i sum[PIXELS][4], const int m, const int n)
{
	const __mmask64 mask = ~(__mmask64)0 >> (64 - 16 * n);
	const __m512i zero = constant(&q->zero16), lo = constant(&q->lo8), hi = constant(&q->hi8), order = constant(&q->order);

#pragma GCC unroll 6
	for (int i = 0; i < m; i++) {
		if (n < 2)
			sum[i][1] = sum[i][0];
		if (n < 3)
			sum[i][2] = sum[i][0];
		if (n < 4)
			sum[i][3] = sum[i][0];
		__asm__ volatile("vpackssdw %2, %0, %0\n"
				 "vpackssdw %3, %1, %1\n"
				 "vpaddsw %4, %0, %0\n"
				 "vpaddsw %4, %1, %1\n"
				 "vpackuswb %1, %0, %0\n"
				 "vpmaxub %5, %0, %0\n"
				 "vpminub %6, %0, %0\n"
				 "vpermd %0, %7, %0"
				 : "+v"(sum[i][0]), "+v"(sum[i][2])
				 : "v"(sum[i][1]), "v"(sum[i][3]), "v"(zero), "v"(lo), "v"(hi), "v"(order));
		if (n == 4)
			_mm512_storeu_si512(k->y[i], sum[i][0]);
		else
			_mm512_mask_storeu_epi8(k->y[i], mask, sum[i][0]);
	}
}

AVX512_INLINE void finish_plain(const struct nn_conv_panel *p, const struct block *k, __m512i sum[PIXELS][4], const int m, const int n)
{
	__m512i mult[4];

#pragma GCC unroll 4
	for (int j = 0; j < n; j++)
		mult[j] = constant(p->mult + 16 * j);
#pragma GCC unroll 6
	for (int i = 0; i < m; i++)
#pragma GCC unroll 4
		for (int j = 0; j < n; j++)
			__asm__ volatile("vcvtdq2ps %0, %0\n"
					 "vmulps %1, %0, %0\n"
					 "vcvtps2dq %0, %0"
					 : "+v"(sum[i][j])
					 : "v"(mult[j]));
	store_bytes(k->q, k, sum, m, n);
}

AVX512_INLINE void finish_residual(const struct nn_conv_panel *p, const struct block *k, __m512i sum[PIXELS][4], const int m, const int n)
{
	const struct requant *q = k->q;
	const __m512i lo = constant(&q->v_lo), hi = constant(&q->v_hi), v_mult = constant(&q->v_mult);
	const __m512i r_mult = constant(&q->r_mult), r_zero = constant(&q->r_zero);

#pragma GCC unroll 4
	for (int j = 0; j < n; j++) {
		const __m512i mult = constant(p->mult + 16 * j);

#pragma GCC unroll 6
		for (int i = 0; i < m; i++) {
			__m512i term;

			__asm__ volatile("vpmovzxbd %[r], %[term]\n"
					 "vcvtdq2ps %[sum], %[sum]\n"
					 "vpsubd %[r_zero], %[term], %[term]\n"
					 "vmulps %[mult], %[sum], %[sum]\n"
					 "vcvtdq2ps %[term], %[term]\n"
					 "vcvtps2dq %[sum], %[sum]\n"
					 "vmulps %[r_mult], %[term], %[term]\n"
					 "vpmaxsd %[lo], %[sum], %[sum]\n"
					 "vpminsd %[hi], %[sum], %[sum]\n"
					 "vcvtdq2ps %[sum], %[sum]\n"
					 "vmulps %[v_mult], %[sum], %[sum]\n"
					 "vaddps %[term], %[sum], %[sum]\n"
					 "vcvtps2dq %[sum], %[sum]"
					 : [sum] "+v"(sum[i][j]), [term] "=&v"(term)
					 : [r] "m"(*(const uint8_t(*)[16])(k->r[i] + 16 * j)), [mult] "v"(mult), [lo] "v"(lo), [hi] "v"(hi),
					   [v_mult] "v"(v_mult), [r_mult] "v"(r_mult), [r_zero] "v"(r_zero));
		}
	}
	store_bytes(q, k, sum, m, n);
}

/* Any sums of @m pixels, from memory, to y. */
static AVX512 void finish(const struct nn_conv_panel *p, const struct block *k, uint32_t m)
{
	const __mmask64 mask = ~(__mmask64)0 >> (64 - 16 * p->blocks);
	const struct requant *q = k->q;

	for (uint32_t i = 0; i < m; i++) {
		__m512i v[4]; /* of filters that do not exist: anything */

#pragma GCC unroll 4
		for (int j = 0; j < 4; j++) {
			__m512i sum = k->sum[i][j];
			__m512 mult = _mm512_load_ps(p->mult + 16 * j);

			if (p->saturate)
				sum = add_saturate(sum, _mm512_load_si512(p->bias + 16 * j));
			if (p->r)
				v[j] = add_residual(q, sum, mult, k->r[i] + 16 * j, mask >> (16 * j));
			else
				v[j] = scale(sum, mult, q->hi);
		}
		_mm512_mask_storeu_epi8(k->y[i], mask, to_bytes(q, v));
	}
}

AVX512_INLINE __m512i broadcast4(const uint8_t *x)
{
	int32_t word;

	memcpy(&word, x, 4);
	return _mm512_set1_epi32(word);
}

/* @m pixels x @n blocks of 16 filters; both constant where this is inlined. */
AVX512_INLINE void block(const struct nn_conv_panel *p, struct block *k, const int m, const int n)
{
	const int8_t *w = p->w, *ahead = k->ahead;
	const size_t w_block = p->w_block, stride = k->stride;
	__m512i sum[PIXELS][4];

#pragma GCC unroll 6
	for (int i = 0; i < m; i++)
#pragma GCC unroll 4
		for (int j = 0; j < n; j++)
			sum[i][j] = p->saturate ? _mm512_setzero_si512() : _mm512_load_si512(p->bias + 16 * j);
	for (uint32_t run = 0; run < p->runs; run++) {
		const size_t at = p->run_at[run];
		const uint8_t *x[PIXELS];

#pragma GCC unroll 6
		for (int i = 0; i < m; i++)
			x[i] = k->x[i] + at;
		for (size_t c = 0; c < 4 * (size_t)p->quads; c += NN_LANES) {
			_mm_prefetch((const char *)ahead, _MM_HINT_T1);
			_mm_prefetch((const char *)ahead + 64, _MM_HINT_T1);
			ahead += stride;
#pragma GCC unroll 4
			for (int u = 0; u < 4; u++) {
				__m512i weights[4];

#pragma GCC unroll 4
				for (int j = 0; j < n; j++)
					weights[j] = _mm512_loadu_si512(w + (size_t)j * w_block + 64 * u);
#pragma GCC unroll 6
				for (int i = 0; i < m; i++) {
					__m512i pixel = broadcast4(x[i] + c + 4 * u);

#pragma GCC unroll 4
					for (int j = 0; j < n; j++)
						__asm__ volatile("vpdpbusd %2, %1, %0" : "+v"(sum[i][j]) : "v"(pixel), "v"(weights[j]));
				}
			}
			w += 4 * 64;
		}
	}
	if (k->how == PLAIN) {
		finish_plain(p, k, sum, m, n);
	} else if (k->how == RESIDUAL) {
		finish_residual(p, k, sum, m, n);
	} else {
#pragma GCC unroll 6
		for (int i = 0; i < m; i++)
#pragma GCC unroll 4
			for (int j = 0; j < n; j++)
				k->sum[i][j] = sum[i][j];
	}
}

#define BLOCK(n, m)                                                                \
	static AVX512 void block_##n##_##m(const struct nn_conv_panel *p, struct block *k) \
	{                                                                          \
		block(p, k, m, n);                                                 \
	}
#define BLOCKS(n) BLOCK(n, 1) BLOCK(n, 2) BLOCK(n, 3) BLOCK(n, 4) BLOCK(n, 5) BLOCK(n, 6)
BLOCKS(1)
BLOCKS(2)
BLOCKS(3)
BLOCKS(4)

typedef void block_fn(const struct nn_conv_panel *p, struct block *k);
#define ROW(n) { block_##n##_1, block_##n##_2, block_##n##_3, block_##n##_4, block_##n##_5, block_##n##_6 }
static block_fn *const block_fns[4][PIXELS] = { ROW(1), ROW(2), ROW(3), ROW(4) };

/* The panel's pixels in blocks of about the same size, at most PIXELS; meanwhile the next panel's weights come to the L2 cache. */
AVX512 void nn_conv_panel_avx512(const struct nn_conv_panel *p)
{
	uint64_t left = (uint64_t)p->rows * p->cols, blocks = (left + PIXELS - 1) / PIXELS;
	uint32_t small = (uint32_t)(left / blocks), larger = (uint32_t)(left - small * blocks); /* so many have a pixel more */
	const int8_t *ahead = p->w + p->blocks * p->w_block;
	const struct requant q = requant_of(p);
	const uint8_t *x = p->x, *r = p->r;
	uint8_t *y = p->y;
	uint32_t col = 0;
	struct block k;

	k.q = &q;
	k.how = p->saturate || !p->small ? FROM_MEMORY : p->r ? RESIDUAL : PLAIN;
	memset(k.sum, 0, sizeof(k.sum));
	for (uint64_t b = 0; b < blocks; b++) {
		uint32_t m = small + (b < larger);
		block_fn *sums = block_fns[p->blocks - 1][m - 1];

		for (uint32_t i = 0; i < m; i++) {
			k.x[i] = x;
			k.y[i] = y;
			k.r[i] = r;
			x += p->x_col;
			y += p->y_pitch;
			r = r ? r + p->r_pitch : NULL;
			col++;
			if (col == p->cols) { /* rows of y and r lie without gaps */
				x += p->x_row - p->cols * p->x_col;
				col = 0;
			}
		}
		k.stride = ahead < p->w_end ? 128 : 0;
		k.ahead = k.stride ? ahead : p->w;
		sums(p, &k);
		if (k.how == FROM_MEMORY)
			finish(p, &k, m);
		ahead += k.stride * (p->runs * p->quads / 4);
	}
}

#endif
