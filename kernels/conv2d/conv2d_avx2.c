// SPDX-License-Identifier: BSD-2-Clause
/*
 * The filters of one group with AVX2, for any shape.
 *
 *   pack    weights -> for each block of 16 filters, for each pair of terms: 16 x (int16, int16), zero point subtracted
 *   for each chunk of output rows whose input fits the L2 cache:
 *     pack    input window -> band[row][column][channel] of int16, zero point subtracted, padding as zeros
 *     for each block of 16 filters, for each 6 output pixels:
 *       6 x 16 sums in registers: for each pair of terms, broadcast a pixel's pair, vpmaddwd with 16 filters' pairs
 *       requantise -> bytes[pixel][16 filters]
 *     transpose -> y
 *
 * A term is one product of a sum. As a band row holds all channels of a column next to each other, the terms of a kernel
 * row are contiguous (without dilation), so strides, dilation and padding cost nothing in the inner loop: a pixel is a
 * start address, a kernel row a displacement. vpmaddwd is exact: |x - x_zero| and |w - w_zero| are at most 255.
 */
#include "conv2d_fast.h"

#if defined(__x86_64__)
#include "conv2d_simd.h"

#define BLOCK	   16		/* filters of a block */
#define PIXELS	   6		/* pixels of the register block */
#define BAND_BYTES (192 * 1024) /* of a chunk: leaves room for weights in a 512 KiB L2 */
#define NO_TERM	   UINT32_MAX

/* Everything that is the same for all blocks and chunks. */
struct plan {
	const struct conv2d_job *job;
	struct conv2d_group g;
	/* Sum = over runs r, over pairs p: band[pixel + run_at[r] + 2p, +1] * weights */
	uint32_t runs, pairs; /* pairs of each run */
	int32_t *run_at;
	uint32_t *terms;  /* 2 per pair, in run order: position in a filter's weights, or NO_TERM */
	int16_t *weights; /* [block][runs * pairs][BLOCK][2] */
	uint8_t *turned;  /* one block's weights as [term][BLOCK] */
	/* The band: columns and rows packed per output column and row, and which input columns and rows they are. */
	uint32_t cols, col_step, col_pitch, row_step, row_pitch;
	uint32_t chunk_rows; /* output rows */
	int16_t *band;
	uint64_t *channel_at; /* where each channel's window starts in x */
	uint32_t pixels;      /* of a full chunk, rounded up */
	int32_t *pixel_at;
	uint8_t *bytes; /* [pixel][BLOCK] */
	int saturate;	/* the bias can leave int32 */
};

struct block {
	int32_t bias[BLOCK];
	float mult[BLOCK];
	uint32_t first, count; /* filters */
};

/* ---- weights ---- */

static void list_terms(struct plan *p)
{
	const struct conv2d_tile *t = &p->job->t;
	uint32_t merged = p->runs == t->kernel_h; /* a run is a whole kernel row */
	uint32_t at = 0;

	for (uint32_t r = 0; r < p->runs; r++) {
		uint32_t kh = merged ? r : r / t->kernel_w;
		uint32_t first = merged ? 0 : r % t->kernel_w, last = merged ? t->kernel_w - 1 : first;
		uint32_t start = at;

		p->run_at[r] = (int32_t)(((uint64_t)kh * t->dilation_h * p->cols +
					  (merged ? 0 : (uint64_t)first * t->dilation_w)) *
					 t->channels);
		for (uint32_t kw = first; kw <= last; kw++)
			for (uint32_t c = 0; c < t->channels; c++)
				p->terms[at++] = (c * t->kernel_h + kh) * t->kernel_w + kw;
		if (at < start + 2 * p->pairs)
			p->terms[at++] = NO_TERM;
	}
}

/* Weights of filters [first, first + count), count <= BLOCK, to p->turned; what is missing is zero. */
AVX2 static void turn_weights(const struct plan *p, uint32_t first, uint32_t count)
{
	const struct conv2d_tile *t = &p->job->t;
	uint32_t size = t->channels * t->taps;
	const uint8_t *w = p->job->w + (uint64_t)first * size;
	__m128i flip = _mm_set1_epi8(t->flags & CONV2D_W_SIGNED ? (char)0x80 : 0);

	for (uint32_t k = 0; k < size; k += 16) {
		__m128i rows[16];

		if (count == BLOCK && k + 16 <= size) {
#pragma GCC unroll 16
			for (uint32_t i = 0; i < BLOCK; i++)
				rows[i] = _mm_xor_si128(_mm_loadu_si128((const void *)(w + (uint64_t)i * size + k)), flip);
		} else {
			uint8_t edge[BLOCK][16] = { 0 };
			uint32_t n = size - k < 16 ? size - k : 16;

			for (uint32_t i = 0; i < count; i++) {
				memcpy(edge[i], w + (uint64_t)i * size + k, n);
				_mm_storeu_si128((void *)edge[i],
						 _mm_xor_si128(_mm_loadu_si128((const void *)edge[i]), flip));
			}
			for (uint32_t i = 0; i < BLOCK; i++)
				rows[i] = _mm_loadu_si128((const void *)edge[i]);
		}
		conv2d_transpose16(rows);
#pragma GCC unroll 16
		for (uint32_t i = 0; i < 16; i++)
			_mm_store_si128((void *)(p->turned + (k + i) * BLOCK), rows[i]);
	}
}

AVX2 static void pack_weights(const struct plan *p, uint32_t first, uint32_t count, int16_t *out)
{
	const struct conv2d_tile *t = &p->job->t;
	int16_t zero[2 * BLOCK] = { 0 };
	__m256i zero_lo, zero_hi;

	turn_weights(p, first, count);
	for (uint32_t i = 0; i < count; i++)
		zero[2 * i] = zero[2 * i + 1] =
			(int16_t)(p->job->w_zero[first + i] + (t->flags & CONV2D_W_SIGNED ? 128 : 0));
	zero_lo = _mm256_loadu_si256((const void *)zero);
	zero_hi = _mm256_loadu_si256((const void *)(zero + BLOCK));
	for (uint32_t i = 0; i < p->runs * p->pairs; i++, out += 2 * BLOCK) {
		uint32_t one = p->terms[2 * i], two = p->terms[2 * i + 1];
		__m128i a = _mm_load_si128((const void *)(p->turned + one * BLOCK));
		__m128i b = _mm_load_si128((const void *)(p->turned + (two == NO_TERM ? one : two) * BLOCK));
		__m256i lo = _mm256_sub_epi16(_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b)), zero_lo);
		__m256i hi = _mm256_sub_epi16(_mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b)), zero_hi);

		if (two == NO_TERM) { /* its factor is whatever follows in the band */
			lo = _mm256_and_si256(lo, _mm256_set1_epi32(0xffff));
			hi = _mm256_and_si256(hi, _mm256_set1_epi32(0xffff));
		}
		_mm256_store_si256((void *)out, lo);
		_mm256_store_si256((void *)(out + BLOCK), hi);
	}
}

/* ---- input ---- */

/*
 * 16 channels' columns [at, at + 16) of one row, transposed: rows[i] = column at + i. @channels < 16: the rest is zero.
 * Columns behind the window may hold anything, but nothing is read beyond x.
 */
AVX2_INLINE void load_columns(const struct plan *p, const uint64_t *channel_at, uint32_t channels, uint64_t at, int within,
			      __m128i rows[16])
{
	const uint8_t *x = p->job->x + at;

	if (within && channels == 16) {
#pragma GCC unroll 16
		for (uint32_t i = 0; i < 16; i++)
			rows[i] = _mm_loadu_si128((const void *)(x + channel_at[i]));
	} else {
		for (uint32_t i = 0; i < 16; i++) {
			uint8_t edge[16] = { 0 };

			if (i < channels) {
				uint64_t left = p->job->x_bytes - at - channel_at[i];

				memcpy(edge, x + channel_at[i], left < 16 ? left : 16);
			}
			rows[i] = _mm_loadu_si128((const void *)edge);
		}
	}
	conv2d_transpose16(rows);
}

/*
 * Columns [begin, end) of a band row, 16 channels from @first. @at: input row's start behind a channel's window start. With
 * fewer than 16 channels in all, each store runs over into the next columns, which are written after it.
 */
AVX2 static void pack_columns(const struct plan *p, int16_t *out, uint32_t first, uint32_t begin, uint32_t end, uint64_t at)
{
	const struct conv2d_tile *t = &p->job->t;
	uint32_t channels = t->channels < 16 ? t->channels : 16;
	const uint64_t *channel_at = p->channel_at + first;
	uint8_t flip_byte = t->flags & CONV2D_X_SIGNED ? 0x80 : 0;
	__m128i flip = _mm_set1_epi8((char)flip_byte);
	__m256i zero = _mm256_set1_epi16((int16_t)(t->x_zero + flip_byte));
	uint64_t last = 0;

	for (uint32_t i = 0; i < channels; i++)
		last = channel_at[i] > last ? channel_at[i] : last;
	out += (size_t)begin * t->channels + first;
	for (uint32_t c = begin; c < end;) {
		uint64_t from = at + (uint64_t)c * p->col_pitch - t->lead_cols;
		uint32_t count = p->col_pitch == 1 ? 16 : p->col_pitch >= 16 ? 1 : 15 / p->col_pitch + 1;
		__m128i rows[16];

		load_columns(p, channel_at, channels, from, last + from + 16 <= p->job->x_bytes, rows);
		count = end - c < count ? end - c : count;
		if (count == 16) {
#pragma GCC unroll 16
			for (uint32_t i = 0; i < 16; i++)
				_mm256_storeu_si256(
					(void *)(out + (size_t)i * t->channels),
					_mm256_sub_epi16(_mm256_cvtepu8_epi16(_mm_xor_si128(rows[i], flip)), zero));
			out += (size_t)16 * t->channels;
		} else {
			__m128i kept[16];

			memcpy(kept, rows, sizeof(kept));
			for (uint32_t i = 0; i < count; i++, out += t->channels)
				_mm256_storeu_si256(
					(void *)out,
					_mm256_sub_epi16(_mm256_cvtepu8_epi16(_mm_xor_si128(kept[i * p->col_pitch], flip)),
							 zero));
		}
		c += count;
	}
}

/* Input for output rows [first, first + count) of the tile. */
static void pack_band(const struct plan *p, uint32_t first, uint32_t count)
{
	const struct conv2d_tile *t = &p->job->t;
	uint64_t rows = (uint64_t)(count - 1) * p->row_step + (uint64_t)(t->kernel_h - 1) * t->dilation_h + 1;
	size_t row_elements = (size_t)p->cols * t->channels;
	/* Band columns that lie in the window */
	uint64_t lo = (t->lead_cols + p->col_pitch - 1) / p->col_pitch,
		 hi = (t->lead_cols + t->cols + p->col_pitch - 1) / p->col_pitch;
	uint32_t begin = (uint32_t)(lo < p->cols ? lo : p->cols), end = (uint32_t)(hi < p->cols ? hi : p->cols);
	int16_t *out = p->band;

	for (uint64_t r = 0; r < rows; r++, out += row_elements) {
		uint64_t row = (uint64_t)first * t->stride_h + r * p->row_pitch;
		uint32_t c = 0;

		if (row < t->lead_rows || row >= t->lead_rows + t->rows || begin >= end) {
			memset(out, 0, row_elements * sizeof(*out));
			continue;
		}
		row = (row - t->lead_rows) * t->in_w;
		memset(out, 0, (size_t)begin * t->channels * sizeof(*out));
		for (c = 0; c + 16 <= t->channels; c += 16)
			pack_columns(p, out, c, begin, end, row);
		if (c < t->channels) /* the last 16 again, overlapping; or all there are */
			pack_columns(p, out, t->channels < 16 ? 0 : t->channels - 16, begin, end, row);
		memset(out + (size_t)end * t->channels, 0, (size_t)(p->cols - end) * t->channels * sizeof(*out));
	}
	memset(out, 0, 32 * sizeof(*out)); /* what the last odd term reads */
}

/* ---- compute ---- */

typedef int32_t pair_of_terms __attribute__((may_alias, aligned(2)));

/* One pixel's pair of terms for 16 filters; lo and hi are its two accumulators. */
#define PIXEL16(n)                                                                    \
	do {                                                                          \
		__m256i pair = _mm256_set1_epi32(*(const pair_of_terms *)(x##n + i)); \
		lo##n = _mm256_add_epi32(lo##n, _mm256_madd_epi16(pair, w_lo));       \
		hi##n = _mm256_add_epi32(hi##n, _mm256_madd_epi16(pair, w_hi));       \
	} while (0)

#define OUT16(n)                                                                                                         \
	do {                                                                                                             \
		if (p->saturate) {                                                                                       \
			lo##n = conv2d_add_saturate(lo##n, bias_lo);                                                     \
			hi##n = conv2d_add_saturate(hi##n, bias_hi);                                                     \
		}                                                                                                        \
		_mm_store_si128((void *)(out + (n) * BLOCK),                                                               \
				conv2d_bytes16(conv2d_requant8(q, lo##n, mult_lo), conv2d_requant8(q, hi##n, mult_hi))); \
	} while (0)

/* Sums of 6 pixels x 16 filters, requantised, to out[pixel][BLOCK]. */
AVX2 static void six_by_16(const struct plan *p, const struct block *b, const struct conv2d_requant *q, const int16_t *w,
			   const int32_t *pixel_at, uint8_t *out)
{
	__m256i bias_lo = _mm256_loadu_si256((const void *)b->bias),
		bias_hi = _mm256_loadu_si256((const void *)(b->bias + 8));
	__m256i start_lo = p->saturate ? _mm256_setzero_si256() : bias_lo,
		start_hi = p->saturate ? _mm256_setzero_si256() : bias_hi;
	__m256i lo0 = start_lo, lo1 = start_lo, lo2 = start_lo, lo3 = start_lo, lo4 = start_lo, lo5 = start_lo;
	__m256i hi0 = start_hi, hi1 = start_hi, hi2 = start_hi, hi3 = start_hi, hi4 = start_hi, hi5 = start_hi;
	__m256 mult_lo, mult_hi;

	for (uint32_t r = 0; r < p->runs; r++) {
		const int16_t *base = p->band + p->run_at[r];
		const int16_t *x0 = base + pixel_at[0], *x1 = base + pixel_at[1], *x2 = base + pixel_at[2];
		const int16_t *x3 = base + pixel_at[3], *x4 = base + pixel_at[4], *x5 = base + pixel_at[5];

#pragma GCC unroll 2
		for (size_t i = 0; i < 2 * (size_t)p->pairs; i += 2) {
			__m256i w_lo = _mm256_load_si256((const void *)w),
				w_hi = _mm256_load_si256((const void *)(w + BLOCK));

			PIXEL16(0);
			PIXEL16(1);
			PIXEL16(2);
			PIXEL16(3);
			PIXEL16(4);
			PIXEL16(5);
			w += 2 * BLOCK;
		}
	}
	mult_lo = _mm256_loadu_ps(b->mult);
	mult_hi = _mm256_loadu_ps(b->mult + 8);
	OUT16(0);
	OUT16(1);
	OUT16(2);
	OUT16(3);
	OUT16(4);
	OUT16(5);
}

#define PIXEL8(n) \
	lo##n = _mm256_add_epi32(lo##n, _mm256_madd_epi16(_mm256_set1_epi32(*(const pair_of_terms *)(x##n + i)), w_lo))

#define OUT8(n)                                                                           \
	do {                                                                              \
		if (p->saturate)                                                          \
			lo##n = conv2d_add_saturate(lo##n, bias_lo);                      \
		lo##n = conv2d_requant8(q, lo##n, mult_lo);                               \
		_mm_store_si128((void *)(out + (n) * BLOCK), conv2d_bytes16(lo##n, lo##n)); \
	} while (0)

/* The same for a block of which only the first 8 filters exist. */
AVX2 static void six_by_8(const struct plan *p, const struct block *b, const struct conv2d_requant *q, const int16_t *w,
			  const int32_t *pixel_at, uint8_t *out)
{
	__m256i bias_lo = _mm256_loadu_si256((const void *)b->bias);
	__m256i start = p->saturate ? _mm256_setzero_si256() : bias_lo;
	__m256i lo0 = start, lo1 = start, lo2 = start, lo3 = start, lo4 = start, lo5 = start;
	__m256 mult_lo = _mm256_loadu_ps(b->mult);

	for (uint32_t r = 0; r < p->runs; r++) {
		const int16_t *base = p->band + p->run_at[r];
		const int16_t *x0 = base + pixel_at[0], *x1 = base + pixel_at[1], *x2 = base + pixel_at[2];
		const int16_t *x3 = base + pixel_at[3], *x4 = base + pixel_at[4], *x5 = base + pixel_at[5];

		for (size_t i = 0; i < 2 * (size_t)p->pairs; i += 2) {
			__m256i w_lo = _mm256_load_si256((const void *)w);

			PIXEL8(0);
			PIXEL8(1);
			PIXEL8(2);
			PIXEL8(3);
			PIXEL8(4);
			PIXEL8(5);
			w += 2 * BLOCK;
		}
	}
	OUT8(0);
	OUT8(1);
	OUT8(2);
	OUT8(3);
	OUT8(4);
	OUT8(5);
}

/* ---- output ---- */

/* @count bytes that follow each other in a chunk, from pixel @from, to where y has them; a run of pixels may span output
 * rows. */
static void put(const struct conv2d_tile *t, uint8_t *y, uint32_t from, uint32_t count, const uint8_t *bytes)
{
	uint32_t row, col;

	if (t->out_cols == t->out_w) {
		memcpy(y + from, bytes, count);
		return;
	}
	row = from / t->out_cols;
	col = from - row * t->out_cols;
	while (count) {
		uint32_t n = t->out_cols - col < count ? t->out_cols - col : count;

		memcpy(y + (uint64_t)row * t->out_w + col, bytes, n);
		bytes += n;
		count -= n;
		row++;
		col = 0;
	}
}

/* Block @b of the chunk that starts at output row @first and has @pixels. */
AVX2 static void store_block(const struct plan *p, const struct block *b, uint32_t first, uint32_t pixels)
{
	const struct conv2d_tile *t = &p->job->t;
	uint8_t *y = p->job->y + (uint64_t)b->first * t->y_pitch + (uint64_t)first * t->out_w + t->out_col;

	for (uint32_t at = 0; at < pixels; at += 16) {
		uint32_t n = pixels - at < 16 ? pixels - at : 16;
		__m128i rows[16];

#pragma GCC unroll 16
		for (uint32_t i = 0; i < 16; i++)
			rows[i] = _mm_load_si128((const void *)(p->bytes + (at + i) * BLOCK));
		conv2d_transpose16(rows);
		if (n == 16 && t->out_cols == t->out_w) {
			for (uint32_t f = 0; f < b->count; f++)
				_mm_storeu_si128((void *)(y + (uint64_t)f * t->y_pitch + at), rows[f]);
		} else {
			uint8_t bytes[16][16];

			memcpy(bytes, rows, sizeof(bytes));
			for (uint32_t f = 0; f < b->count; f++)
				put(t, y + (uint64_t)f * t->y_pitch, at, n, bytes[f]);
		}
	}
}

static void make_block(const struct plan *p, uint32_t first, uint32_t count, struct block *b)
{
	memset(b, 0, sizeof(*b));
	b->first = first;
	b->count = count;
	memcpy(b->bias, p->job->bias + first, count * sizeof(b->bias[0]));
	memcpy(b->mult, p->job->mult + first, count * sizeof(b->mult[0]));
}

AVX2 static void chunk(const struct plan *p, uint32_t first, uint32_t rows)
{
	const struct conv2d_tile *t = &p->job->t;
	uint32_t pixels = rows * t->out_cols, n = 0;
	struct conv2d_requant q = conv2d_requant_of(t);
	const int16_t *w = p->weights;

	pack_band(p, first, rows);
	for (uint32_t r = 0; r < rows; r++)
		for (uint32_t c = 0; c < t->out_cols; c++)
			p->pixel_at[n++] =
				(int32_t)(((uint64_t)r * p->row_step * p->cols + (uint64_t)c * p->col_step) * t->channels);
	for (uint32_t i = 0; i < PIXELS; i++)
		p->pixel_at[n + i] = 0; /* computed and dropped */
	for (uint32_t f = 0; f < p->g.count; f += BLOCK, w += (size_t)p->runs * p->pairs * 2 * BLOCK) {
		struct block b;

		make_block(p, p->g.first + f, p->g.count - f < BLOCK ? p->g.count - f : BLOCK, &b);
		for (uint32_t i = 0; i < pixels; i += PIXELS) {
			if (b.count > 8)
				six_by_16(p, &b, &q, w, p->pixel_at + i, p->bytes + i * BLOCK);
			else
				six_by_8(p, &b, &q, w, p->pixel_at + i, p->bytes + i * BLOCK);
		}
		store_block(p, &b, first, pixels);
	}
}

/* ---- plan ---- */

/* Columns, rows and runs; the output rows of a chunk. 0 when the band would be too large. */
static int plan_shape(struct plan *p)
{
	const struct conv2d_tile *t = &p->job->t;
	uint64_t cols, kernel_rows = (uint64_t)(t->kernel_h - 1) * t->dilation_h + 1, row_bytes, rows;

	/* A kernel of one column reads only every stride-th: only those are packed. Rows likewise. */
	p->col_pitch = t->kernel_w == 1 ? t->stride_w : 1;
	p->col_step = t->kernel_w == 1 ? 1 : t->stride_w;
	p->row_pitch = t->kernel_h == 1 ? t->stride_h : 1;
	p->row_step = t->kernel_h == 1 ? 1 : t->stride_h;
	cols = (uint64_t)(t->out_cols - 1) * p->col_step + (uint64_t)(t->kernel_w - 1) * t->dilation_w + 1;
	row_bytes = cols * t->channels * sizeof(int16_t); /* below 2^34 * 2^16 */
	if (row_bytes > CONV2D_SCRATCH_LIMIT || row_bytes * kernel_rows > CONV2D_SCRATCH_LIMIT)
		return 0;
	p->cols = (uint32_t)cols;
	/* As many output rows as fill BAND_BYTES, but not so few that most of the band is packed anew for each chunk. */
	rows = BAND_BYTES / row_bytes > kernel_rows ? (BAND_BYTES / row_bytes - kernel_rows) / p->row_step + 1 : 1;
	if (rows < kernel_rows / p->row_step)
		rows = kernel_rows / p->row_step;
	if (rows > t->out_rows)
		rows = t->out_rows;
	rows = (t->out_rows + (t->out_rows + rows - 1) / rows - 1) / ((t->out_rows + rows - 1) / rows); /* of equal size */
	if (row_bytes * ((rows - 1) * p->row_step + kernel_rows) > CONV2D_SCRATCH_LIMIT)
		return 0;
	p->chunk_rows = (uint32_t)rows;
	p->pixels = ((uint32_t)rows * t->out_cols + 2 * BLOCK + PIXELS - 1) / BLOCK * BLOCK;
	if (t->kernel_w == 1 || t->dilation_w == 1) {
		p->runs = t->kernel_h;
		p->pairs = (t->kernel_w * t->channels + 1) / 2;
	} else {
		p->runs = t->taps;
		p->pairs = (t->channels + 1) / 2;
	}
	return 1;
}

/* Called twice: to add up the sizes, and to hand out the parts. */
static void plan_memory(struct plan *p, struct conv2d_arena *a)
{
	const struct conv2d_tile *t = &p->job->t;
	size_t all_pairs = (size_t)p->runs * p->pairs, blocks = (p->g.count + BLOCK - 1) / BLOCK;
	uint64_t rows = (uint64_t)(p->chunk_rows - 1) * p->row_step + (uint64_t)(t->kernel_h - 1) * t->dilation_h + 1;

	p->run_at = conv2d_take(a, p->runs * sizeof(*p->run_at));
	p->terms = conv2d_take(a, all_pairs * 2 * sizeof(*p->terms));
	p->weights = conv2d_take(a, blocks * all_pairs * 2 * BLOCK * sizeof(*p->weights));
	p->turned = conv2d_take(a, ((size_t)t->channels * t->taps + 16) * BLOCK);
	p->band = conv2d_take(a, (rows * p->cols * t->channels + 64) * sizeof(*p->band));
	p->channel_at = conv2d_take(a, t->channels * sizeof(*p->channel_at));
	p->pixel_at = conv2d_take(a, p->pixels * sizeof(*p->pixel_at));
	p->bytes = conv2d_take(a, (size_t)p->pixels * BLOCK);
}

int conv2d_group_avx2(const struct conv2d_job *job, const struct conv2d_group *g)
{
	const struct conv2d_tile *t = &job->t;
	struct plan p = { .job = job, .g = *g };
	struct conv2d_arena arena = { 0 };
	uint32_t blocks = (g->count + BLOCK - 1) / BLOCK;
	int64_t room = INT32_MAX - (int64_t)t->channels * t->taps * 255 * 255; /* for the bias */

	if (!plan_shape(&p))
		return 0;
	plan_memory(&p, &arena);
	if (arena.used > 2 * (size_t)CONV2D_SCRATCH_LIMIT)
		return 0;
	arena.base = conv2d_scratch(arena.used);
	if (!arena.base)
		return 0;
	arena.used = 0;
	plan_memory(&p, &arena);

	for (uint32_t f = g->first; f < g->first + g->count; f++)
		p.saturate |= job->bias[f] > room || job->bias[f] < -room;
	for (uint32_t c = 0; c < t->channels && t->rows; c++)
		p.channel_at[c] = conv2d_channel(t, g->channel + c) + t->window;
	list_terms(&p);
	for (uint32_t b = 0; b < blocks; b++)
		pack_weights(&p, g->first + b * BLOCK, g->count - b * BLOCK < BLOCK ? g->count - b * BLOCK : BLOCK,
			     p.weights + (size_t)b * p.runs * p.pairs * 2 * BLOCK);
	for (uint32_t row = 0; row < t->out_rows; row += p.chunk_rows)
		chunk(&p, row, t->out_rows - row < p.chunk_rows ? t->out_rows - row : p.chunk_rows);
	return 1;
}

#endif
