// SPDX-License-Identifier: BSD-2-Clause
/*
 * A group of one channel and few filters (depthwise convolution) with AVX2: lanes are output columns.
 *
 *   for each chunk of output rows:
 *     pack    the channel's window -> line[row][phase][i] = x[i * stride_w + phase] - x_zero, padding as zeros, so that
 *             the columns that a tap reads for successive outputs are neighbours whatever the stride
 *     for each filter, output row, 16 columns:
 *       for each two taps: interleave their columns, vpmaddwd with the two weights
 *       requantise -> y
 */
#include "conv2d_fast.h"

#if defined(__x86_64__)
#include "conv2d_simd.h"

#define MAX_STRIDE  16u /* beyond that lines are mostly gaps */
#define LINES_BYTES (128 * 1024)

struct depthwise {
	const struct conv2d_job *job;
	uint32_t phase_pitch; /* elements of a phase */
	uint32_t line_pitch;  /* of a line */
	uint32_t chunk_rows;
	uint32_t pairs;
	int16_t *lines;
	uint32_t *tap_at; /* 2 per pair, behind the first line of an output row */
	int32_t *weights; /* a pair of int16 each */
};

/* out[i] = x[i * stride] - zero, bytes of x flipped by @flip */
AVX2 static void pack_phase(int16_t *out, const uint8_t *x, uint64_t count, uint32_t stride, uint8_t flip, int32_t zero)
{
	uint64_t i = 0;

	if (stride == 1 && count >= 16) {
		for (; i < count; i += 16) {
			uint64_t at = i + 16 <= count ? i : count - 16; /* the last 16 overlap */
			__m128i bytes = _mm_xor_si128(_mm_loadu_si128((const void *)(x + at)), _mm_set1_epi8((char)flip));

			_mm256_storeu_si256((void *)(out + at), _mm256_sub_epi16(_mm256_cvtepu8_epi16(bytes),
										 _mm256_set1_epi16((int16_t)zero)));
		}
	}
	for (; i < count; i++)
		out[i] = (int16_t)((uint8_t)(x[i * stride] ^ flip) - zero);
}

static void pack_lines(const struct depthwise *d, uint64_t channel_at, uint32_t first, uint32_t count)
{
	const struct conv2d_tile *t = &d->job->t;
	uint64_t rows = (uint64_t)(count - 1) * t->stride_h + (uint64_t)(t->kernel_h - 1) * t->dilation_h + 1;
	uint8_t flip = t->flags & CONV2D_X_SIGNED ? 0x80 : 0;

	memset(d->lines, 0, rows * d->line_pitch * sizeof(*d->lines));
	for (uint64_t r = 0; r < rows; r++) {
		uint64_t row = (uint64_t)first * t->stride_h + r;
		const uint8_t *x;

		if (row < t->lead_rows || row >= t->lead_rows + t->rows)
			continue;
		x = d->job->x + channel_at + (row - t->lead_rows) * t->in_w;
		for (uint32_t phase = 0; phase < t->stride_w; phase++) {
			int16_t *out = d->lines + r * d->line_pitch + phase * d->phase_pitch;
			/* Elements i with 0 <= i * stride_w + phase - lead_cols < cols */
			uint64_t lo = t->lead_cols > phase ? (t->lead_cols - phase + t->stride_w - 1) / t->stride_w : 0;
			uint64_t hi = t->lead_cols + t->cols > phase
					      ? (t->lead_cols + t->cols - phase + t->stride_w - 1) / t->stride_w
					      : 0;

			hi = hi < d->phase_pitch ? hi : d->phase_pitch;
			if (lo < hi)
				pack_phase(out + lo, x + (lo * t->stride_w + phase - t->lead_cols), hi - lo, t->stride_w,
					   flip, t->x_zero + flip);
		}
	}
}

static void pack_weights(const struct depthwise *d, uint32_t f)
{
	const struct conv2d_tile *t = &d->job->t;
	const uint8_t *w = d->job->w + (uint64_t)f * t->taps;
	uint8_t flip = t->flags & CONV2D_W_SIGNED ? 0x80 : 0;

	for (uint32_t i = 0; i < d->pairs; i++) {
		uint32_t one = (uint16_t)((uint8_t)(w[2 * i] ^ flip) - flip - d->job->w_zero[f]), two = 0;

		if (2 * i + 1 < t->taps)
			two = (uint16_t)((uint8_t)(w[2 * i + 1] ^ flip) - flip - d->job->w_zero[f]);
		d->weights[i] = (int32_t)(one | two << 16);
	}
}

AVX2 static void output_row(const struct depthwise *d, uint32_t f, const int16_t *lines, uint8_t *y)
{
	const struct conv2d_tile *t = &d->job->t;
	struct conv2d_requant q = conv2d_requant_of(t);
	__m256i bias = _mm256_set1_epi32(d->job->bias[f]);
	__m256 mult = _mm256_set1_ps(d->job->mult[f]);

	for (uint32_t block = 0; block < t->out_cols; block += 16) {
		__m256i even = _mm256_setzero_si256(), odd = _mm256_setzero_si256();
		/* The last 16 columns overlap those before. */
		uint32_t c = t->out_cols >= 16 && t->out_cols - block < 16 ? t->out_cols - 16 : block;
		__m128i bytes;

		for (uint32_t i = 0; i < d->pairs; i++) {
			__m256i a = _mm256_loadu_si256((const void *)(lines + d->tap_at[2 * i] + c));
			__m256i b = _mm256_loadu_si256((const void *)(lines + d->tap_at[2 * i + 1] + c));
			__m256i w = _mm256_set1_epi32(d->weights[i]);

			even = _mm256_add_epi32(even, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), w));
			odd = _mm256_add_epi32(odd, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), w));
		}
		/* Columns 0-3 8-11 and 4-7 12-15 so far */
		even = conv2d_requant8(&q, conv2d_add_saturate(even, bias), mult);
		odd = conv2d_requant8(&q, conv2d_add_saturate(odd, bias), mult);
		bytes = conv2d_bytes16(_mm256_permute2x128_si256(even, odd, 0x20),
				       _mm256_permute2x128_si256(even, odd, 0x31));
		if (t->out_cols - c >= 16) {
			_mm_storeu_si128((void *)(y + c), bytes);
		} else {
			uint8_t edge[16];

			_mm_storeu_si128((void *)edge, bytes);
			memcpy(y + c, edge, t->out_cols - c);
		}
	}
}

static void plan_memory(struct depthwise *d, struct conv2d_arena *a)
{
	const struct conv2d_tile *t = &d->job->t;
	uint64_t rows = (uint64_t)(d->chunk_rows - 1) * t->stride_h + (uint64_t)(t->kernel_h - 1) * t->dilation_h + 1;

	d->lines = conv2d_take(a, rows * d->line_pitch * sizeof(*d->lines));
	d->tap_at = conv2d_take(a, 2 * (size_t)d->pairs * sizeof(*d->tap_at));
	d->weights = conv2d_take(a, d->pairs * sizeof(*d->weights));
}

/* Where taps find their columns; the missing second of the last pair is the first again, with weight 0. */
static void place_taps(const struct depthwise *d)
{
	const struct conv2d_tile *t = &d->job->t;
	uint32_t n = 0;

	for (uint32_t kh = 0; kh < t->kernel_h; kh++) {
		for (uint32_t kw = 0; kw < t->kernel_w; kw++) {
			uint32_t col = kw * t->dilation_w;

			d->tap_at[n++] =
				kh * t->dilation_h * d->line_pitch + col % t->stride_w * d->phase_pitch + col / t->stride_w;
		}
	}
	if (n & 1)
		d->tap_at[n] = d->tap_at[n - 1];
}

int conv2d_depthwise_avx2(const struct conv2d_job *job, const struct conv2d_group *g)
{
	const struct conv2d_tile *t = &job->t;
	uint64_t kernel_rows = (uint64_t)(t->kernel_h - 1) * t->dilation_h + 1, rows;
	uint64_t reach =
		(uint64_t)(t->kernel_w - 1) * t->dilation_w / t->stride_w; /* how far a tap shifts within a phase */
	struct depthwise d = { .job = job, .pairs = (t->taps + 1) / 2 };
	uint64_t channel_at = conv2d_channel(t, g->channel) + t->window, line_bytes;
	struct conv2d_arena arena = { 0 };

	if (t->stride_w > MAX_STRIDE)
		return 0;
	d.phase_pitch = (uint32_t)(t->out_cols + reach + 32) & ~15u; /* the last 16 columns may run over */
	d.line_pitch = d.phase_pitch * t->stride_w;
	line_bytes = (uint64_t)d.line_pitch * sizeof(*d.lines);
	if (line_bytes * kernel_rows > CONV2D_SCRATCH_LIMIT)
		return 0;
	rows = LINES_BYTES / line_bytes > kernel_rows ? (LINES_BYTES / line_bytes - kernel_rows) / t->stride_h + 1 : 1;
	if (rows < kernel_rows / t->stride_h)
		rows = kernel_rows / t->stride_h;
	if (rows > t->out_rows)
		rows = t->out_rows;
	if (line_bytes * ((rows - 1) * t->stride_h + kernel_rows) > CONV2D_SCRATCH_LIMIT)
		return 0;
	d.chunk_rows = (uint32_t)rows;
	plan_memory(&d, &arena);
	arena.base = conv2d_scratch(arena.used);
	if (!arena.base)
		return 0;
	arena.used = 0;
	plan_memory(&d, &arena);

	place_taps(&d);
	for (uint32_t row = 0; row < t->out_rows; row += d.chunk_rows) {
		uint32_t count = t->out_rows - row < d.chunk_rows ? t->out_rows - row : d.chunk_rows;

		pack_lines(&d, channel_at, row, count);
		for (uint32_t f = g->first; f < g->first + g->count; f++) {
			pack_weights(&d, f);
			for (uint32_t r = 0; r < count; r++)
				output_row(&d, f, d.lines + (size_t)r * t->stride_h * d.line_pitch,
					   job->y + (uint64_t)f * t->y_pitch + (uint64_t)(row + r) * t->out_w + t->out_col);
		}
	}
	return 1;
}

#endif
