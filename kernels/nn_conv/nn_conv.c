// SPDX-License-Identifier: BSD-2-Clause
/*
 * nn_conv, the HLS source. nn_conv.h says what it computes, nn_conv_check.h what it refuses, nn_conv_cycles.h how long it takes.
 *
 *   for each tile, in the order that NN_CONV_W_STATIONARY says:
 *     load     the next tile's x -> x_buf[other], its weights and coefficients -> w_buf[other]; what is there already stays
 *     for each chunk of the tile (some groups of NN_PIXELS columns; with a pool all of a block of NN_FILTERS filters):
 *       load_r   the residual of the next chunk, be it of this tile or the next -> r_buf[other]
 *       compute  for each group, block of NN_FILTERS filters:
 *                  for each tap, 16 channels:                                      one step per clock
 *                    sums[pixel][filter] += x[pixel][16 channels] * w[filter][16 channels]
 *                  first channels of a sum: keep in acc; last ones: requantise, add the residual, a pixel per clock -> out_buf, or -> pool_buf
 *       store    the chunk before, be it of this tile or the one before: out_buf[other], or the pool's windows of pool_buf[other] -> y
 *
 * What reads and what writes a double buffer touch different halves, and so run at the same time: load beside a tile's chunks; load_r, compute and
 * store beside each other.
 *
 * Pixel P (row * in_w + column) of the x tile lies in lane group P / 7, its channel word c in bank (P % 7 + c) % 7, at P / 7 * words + c. So the
 * columns of a step are in different banks unless the stride is a multiple of 7 (then they are fetched one after the other), and so are the
 * four channel words of 64 bytes that come from DDR in a cycle.
 */
#include "../nn_quantise.h"
#include "nn_conv_place.h"

#define W_STEPS	    (NN_CONV_W_BYTES / NN_LANES / NN_FILTERS)
#define W_FILTERS   (NN_CONV_W_BYTES / NN_LANES)	/* a tile with one tap and 16 channels has as many */
#define OUT_BLOCKS  (W_FILTERS / NN_FILTERS)
#define POOL_PIXELS (NN_CONV_POOL_BYTES / NN_FILTERS)
#define BEAT	    64u /* bytes of a DDR word */
#define BEAT_WORDS  (BEAT / NN_LANES)

static uint8_t x_buf[2][NN_CONV_BANKS][NN_CONV_BANK_WORDS][NN_LANES];
static int8_t w_buf[2][W_STEPS][NN_FILTERS][NN_LANES];
static uint32_t coef_buf[2][OUT_BLOCKS][NN_FILTERS][NN_CONV_COEF_WORDS]; /* of a block's filters at once, as requantise() needs them */
static int32_t acc[NN_CONV_ACC_GROUPS][NN_PIXELS][NN_FILTERS];
static uint8_t r_buf[2][OUT_BLOCKS][NN_PIXELS][NN_FILTERS];
static uint8_t out_buf[2][OUT_BLOCKS][NN_PIXELS][NN_FILTERS];
static uint8_t pool_buf[2][POOL_PIXELS][NN_FILTERS];

/* n / 7 for n below 2^16 + 2^13 (the x tile has 57,344 pixels at most) */
static inline uint32_t seventh(uint32_t n)
{
	return (uint32_t)(((uint64_t)n * 149797u) >> 20);
}

/* The tile's channels of its input rows: a run in DDR per pixel, or one of all pixels when nothing lies between them. A beat per clock. */
static void load_x(const struct nn_conv_args *t, const struct place *at, const uint8_t *x)
{
	uint32_t words = at->channels / NN_LANES, beats = (words + BEAT_WORDS - 1) / BEAT_WORDS;
	uint32_t pixels = (uint32_t)(at->in.end - at->in.begin) * t->in_w;
	uint64_t from = (uint64_t)at->image * t->x_image + at->in.begin * t->in_w * t->x_pitch + (uint64_t)at->group * t->channels + at->channel;
	uint32_t lane = 0, base = 0, c = 0, bank = 0;

LOAD_X:
	for (uint32_t i = 0; i < pixels * beats; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=57344
#pragma HLS PIPELINE II=1
#endif
		uint8_t beat[BEAT_WORDS][NN_LANES];

#ifndef __BAMBU__
#pragma HLS ARRAY_PARTITION variable=beat dim=0 type=complete
#endif
		for (uint32_t k = 0; k < BEAT_WORDS; k++)
			for (uint32_t n = 0; n < NN_LANES; n++)
				beat[k][n] = c + k < words ? x[(from / NN_LANES + c + k) * NN_LANES + n] : 0;
		/* Bank by bank, so that each is seen to be written at most once. */
		for (uint32_t b = 0; b < NN_CONV_BANKS; b++) {
			uint32_t k = b >= bank ? b - bank : b + NN_CONV_BANKS - bank; /* the word that is for this bank */

			if (k < BEAT_WORDS && c + k < words)
				for (uint32_t n = 0; n < NN_LANES; n++)
					x_buf[at->x_half][b][base + c + k][n] = beat[k][n];
		}
		bank = bank + BEAT_WORDS < NN_CONV_BANKS ? bank + BEAT_WORDS : bank + BEAT_WORDS - NN_CONV_BANKS;
		c += BEAT_WORDS;
		if (c >= words) {
			c = 0;
			from += t->x_pitch;
			lane++;
			if (lane == NN_CONV_BANKS) {
				lane = 0;
				base += words;
			}
			bank = lane;
		}
	}
}

/*
 * Weights of the tile's filters: per block of 16 filters and tap a run of all the tile's channels; one run when those are all channels. A beat (16
 * filters x 4 channels) per clock. The second half of the last block of NN_FILTERS may not exist: its sums are not stored.
 */
static void load_w(const struct nn_conv_args *t, const struct place *at, const int8_t *w)
{
	uint32_t quads = at->channels / 4, steps = t->taps * (at->channels / NN_LANES), beats = at->filters / NN_BLOCK * t->taps * quads;
	uint64_t from = (uint64_t)at->group * t->filters * t->channels * t->taps +
			nn_weight_at(t->taps, t->channels, at->filter, 0, at->channel);
	uint32_t half = 0, base = 0, to = 0, quad = 0, tap = 0;

LOAD_W:
	for (uint32_t i = 0; i < beats; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=4 max=4096
#pragma HLS PIPELINE II=1
#endif
		for (uint32_t n = 0; n < BEAT; n++)
			w_buf[at->w_half][to][half * NN_BLOCK + n / 4][(quad & 3) * 4 + (n & 3)] = w[(from / BEAT + quad) * BEAT + n];
		quad++;
		if ((quad & 3) == 0)
			to++;
		if (quad == quads) { /* the next tap of this block lies behind all channels of this one; the next block behind the last tap */
			quad = 0;
			from += (uint64_t)t->channels * NN_BLOCK;
			tap++;
			if (tap == t->taps) {
				tap = 0;
				base += half ? steps : 0;
				half ^= 1;
				to = base;
			}
		}
	}
}

static void load_coef(const struct nn_conv_args *t, const struct place *at, const uint32_t *coef)
{
	uint64_t first = ((uint64_t)at->group * t->filters + at->filter) * NN_CONV_COEF_WORDS;

LOAD_COEF:
	for (uint32_t f = 0; f < at->filters; f++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=16 max=16384
#pragma HLS PIPELINE II=1
#endif
		for (uint32_t k = 0; k < NN_CONV_COEF_WORDS; k++)
			coef_buf[at->w_half][f / NN_FILTERS][f % NN_FILTERS][k] = coef[first + (uint64_t)f * NN_CONV_COEF_WORDS + k];
	}
}

static void load(const struct nn_conv_args *t, const struct place *at, const uint8_t *x, const int8_t *w, const uint32_t *coef)
{
	if (at->x_new)
		load_x(t, at, x);
	if (at->w_new) {
		load_w(t, at, w);
		load_coef(t, at, coef);
	}
}

/* What the lanes of a step get: for each bank one address, for each lane the bank that its word comes from. */
static inline void fetch(uint32_t half, const uint32_t lane_bank[NN_PIXELS], const uint32_t lane_word[NN_PIXELS],
			 const uint32_t lane_from[NN_PIXELS], uint8_t x_zero, uint8_t lanes[NN_PIXELS][NN_LANES])
{
	uint32_t address[NN_CONV_BANKS];
	uint8_t word[NN_CONV_BANKS][NN_LANES];

#ifndef __BAMBU__
#pragma HLS INLINE
#pragma HLS ARRAY_PARTITION variable=word dim=0 type=complete
#endif
	for (uint32_t b = 0; b < NN_CONV_BANKS; b++) {
		address[b] = 0;
		for (uint32_t p = 0; p < NN_PIXELS; p++)
			if (lane_from[p] == 1 && lane_bank[p] == b)
				address[b] = lane_word[p];
		for (uint32_t i = 0; i < NN_LANES; i++)
			word[b][i] = x_buf[half][b][address[b]][i];
	}
	for (uint32_t p = 0; p < NN_PIXELS; p++)
		for (uint32_t i = 0; i < NN_LANES; i++)
			lanes[p][i] = lane_from[p] == 1 ? word[lane_bank[p]][i] : lane_from[p] == 2 ? x_zero : 0;
}

/* Where the array stands within a chunk. */
struct cursor {
	uint64_t row; /* conv row */
	uint32_t col, block, slot, acc_at;
	uint32_t pass, c, turn, kw, w_at; /* turn: c modulo 7 */
	int64_t in_row, in_col;		  /* in the tile, in the image; of the group's first pixel */
};

/* The first step of the block that the cursor stands at. */
static inline void first_step(const struct nn_conv_args *t, const struct place *at, struct cursor *k)
{
	k->pass = 0;
	k->c = 0;
	k->turn = 0;
	k->kw = 0;
	k->w_at = k->block * t->taps * (at->channels / NN_LANES);
	k->in_row = (int64_t)(k->row * t->stride_h) - t->pad_top - (int64_t)at->in.begin;
	k->in_col = (int64_t)((uint64_t)k->col * t->stride_w) - t->pad_left;
}

/*
 * One step: NN_PIXELS x NN_LANES x NN_FILTERS products. With @passes > 1 the lanes get their words one after the other.
 *
 * A DSP48E2 multiplies 27 x 18 bits: a byte of x with the weights of two filters, 18 bits apart, makes both products. Four such are added before they are
 * taken apart: the lower sum is at most 4 * 255 * 128 < 2^17.
 */
static inline void step(const struct nn_conv_args *t, const struct place *at, struct cursor *k, uint32_t passes,
			int32_t sums[NN_PIXELS][NN_FILTERS])
{
	uint32_t words = at->channels / NN_LANES, in_rows = (uint32_t)(at->in.end - at->in.begin);
	uint32_t bank[NN_PIXELS], word[NN_PIXELS], from[NN_PIXELS]; /* from: 0 nothing, 1 the tile, 2 padding */
	uint8_t lanes[NN_PIXELS][NN_LANES];

#ifndef __BAMBU__
#pragma HLS INLINE
#endif
	for (uint32_t p = 0; p < NN_PIXELS; p++) {
		int64_t col = k->in_col + (int64_t)((uint64_t)p * t->stride_w);
		uint32_t inside = k->in_row >= 0 && k->in_row < (int64_t)in_rows && col >= 0 && col < (int64_t)t->in_w;
		uint32_t pixel = inside ? (uint32_t)k->in_row * t->in_w + (uint32_t)col : 0;
		uint32_t group = seventh(pixel), place = pixel - 7 * group + k->turn;

		bank[p] = place < NN_CONV_BANKS ? place : place - NN_CONV_BANKS;
		word[p] = group * words + k->c;
		from[p] = p >= t->out_w - k->col || (passes > 1 && p != k->pass) ? 0 : inside ? 1 : 2;
	}
	fetch(at->x_half, bank, word, from, (uint8_t)t->x_zero, lanes);
	for (uint32_t p = 0; p < NN_PIXELS; p++) {
		for (uint32_t f = 0; f < NN_FILTERS; f += 2) {
			for (uint32_t lane = 0; lane < NN_LANES; lane += 4) {
				int64_t both = 0;
				int32_t lower;

				for (uint32_t i = lane; i < lane + 4; i++)
					both += (int64_t)(w_buf[at->w_half][k->w_at][f + 1][i] * (1 << 18) + w_buf[at->w_half][k->w_at][f][i]) * lanes[p][i];
				lower = (int32_t)((both & 0x3ffff) ^ 0x20000) - 0x20000;
				sums[p][f] += lower;
				sums[p][f + 1] += (int32_t)((both - lower) / (1 << 18));
			}
		}
	}
	/* To the next step: passes, then channels, columns and rows of the kernel, as weights lie. */
	k->pass++;
	if (k->pass == passes) {
		k->pass = 0;
		k->w_at++;
		k->c++;
		k->turn = k->turn + 1 < NN_CONV_BANKS ? k->turn + 1 : 0;
		if (k->c == words) {
			k->c = 0;
			k->turn = 0;
			k->kw++;
			k->in_col += t->dilation_w;
			if (k->kw == t->kernel_w) {
				k->kw = 0;
				k->in_col = (int64_t)((uint64_t)k->col * t->stride_w) - t->pad_left;
				k->in_row += t->dilation_h;
			}
		}
	}
}

static inline uint8_t requantise(const struct nn_conv_args *t, int32_t sum, uint32_t bias, float mult, uint8_t r)
{
#ifndef __BAMBU__
#pragma HLS INLINE
#pragma HLS BIND_OP variable=product op=fmul impl=meddsp
#pragma HLS BIND_OP variable=a op=fmul impl=fabric
#pragma HLS BIND_OP variable=b op=fmul impl=fabric
#pragma HLS BIND_OP variable=both op=fadd impl=fabric
#endif
	float product = (float)nn_add_saturate(sum, (int32_t)bias) * mult, a, b, both;
	uint8_t v = nn_quantise(product, (int32_t)t->zero, (int32_t)(t->clip & 255), (int32_t)(t->clip >> 8));

	if (t->flags & NN_CONV_RESIDUAL) {
		a = (float)((int32_t)v - (int32_t)t->zero) * nn_float(t->v_mult);
		b = (float)((int32_t)r - (int32_t)t->r_zero) * nn_float(t->r_mult);
		both = a + b; /* no fused multiply-add: where there is one, build with -ffp-contract=off */
		v = nn_quantise(both, (int32_t)t->sum_zero, (int32_t)(t->sum_clip & 255), (int32_t)(t->sum_clip >> 8));
	}
	return v;
}

/*
 * Some groups of columns, one after the other and on from row to row, each with blocks [block, block + blocks) of filters: what fits NN_CONV_SLOTS of a
 * half of r_buf and out_buf, or one group. Group g's block b is in slot g * blocks + b. With a pool, which has a buffer of its own, all groups of a block.
 */
struct chunk {
	uint64_t row;
	uint32_t col, groups, block, blocks, acc_at;
	uint32_t left; /* groups of the tile behind these */
	uint32_t rows, row_groups; /* of a full chunk: whole rows, and groups beside them */
};

/* What was computed and is not in y yet. */
struct pending {
	struct place at;
	struct chunk chunk;
	uint32_t there; /* 0: nothing, sums of the first channels are not stored */
	uint32_t half;	/* of out_buf or pool_buf; the next chunk takes the other one */
};

static inline uint32_t pixels_of(const struct nn_conv_args *t, uint32_t col)
{
	return t->out_w - col < NN_PIXELS ? t->out_w - col : NN_PIXELS;
}

static inline void next_group(const struct nn_conv_args *t, uint64_t *row, uint32_t *col)
{
	if (t->out_w - *col > NN_PIXELS) {
		*col += NN_PIXELS;
	} else {
		*col = 0;
		*row += 1;
	}
}

/* The first chunk of a tile, or with a pool of its block @block. */
static struct chunk first_chunk(const struct nn_conv_args *t, const struct place *at, uint32_t block)
{
	uint32_t width = (uint32_t)nn_conv_ceil(t->out_w, NN_PIXELS), groups = (uint32_t)(at->conv.end - at->conv.begin) * width, most = groups;
	struct chunk k = { .row = at->conv.begin, .block = block, .blocks = 1 };

	if (!t->pool) {
		k.blocks = (uint32_t)nn_conv_ceil(at->filters, NN_FILTERS);
		most = k.blocks < NN_CONV_SLOTS ? NN_CONV_SLOTS / k.blocks : 1;
	}
	if (t->tile_channels < t->channels)
		k.acc_at = block * groups;
	k.groups = groups < most ? groups : most;
	k.left = groups - k.groups;
	k.rows = most / width;
	k.row_groups = most - k.rows * width;
	return k;
}

/* The chunk behind one that is full. */
static struct chunk next_chunk(const struct nn_conv_args *t, const struct chunk *before)
{
	struct chunk k = *before;
	uint64_t col = before->col + (uint64_t)before->row_groups * NN_PIXELS, width = nn_conv_ceil(t->out_w, NN_PIXELS) * NN_PIXELS;

	k.row += before->rows + (col >= width);
	k.col = (uint32_t)(col >= width ? col - width : col);
	if (t->tile_channels < t->channels)
		k.acc_at += k.groups * k.blocks;
	k.groups = k.left < k.groups ? k.left : k.groups;
	k.left -= k.groups;
	return k;
}

static inline uint32_t last_channels(const struct nn_conv_args *t, const struct place *at)
{
	return t->channels - at->channel == at->channels;
}

/* Of each pixel the tile's filters, which are one run in DDR. Those of a block per clock. */
static void load_r(const struct nn_conv_args *t, const struct place *at, const struct chunk *k, uint32_t half, const uint8_t *r)
{
	uint64_t first = (uint64_t)at->image * t->r_image + (uint64_t)at->group * t->filters + at->filter, row = k->row;
	uint64_t pixel = first + (row * t->out_w + k->col) * t->r_pitch;
	uint32_t col = k->col, slot = 0, p = 0, b = 0;

LOAD_R:
	while (slot < k->groups * k->blocks) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=3584
#pragma HLS PIPELINE II=1
#endif
		for (uint32_t f = 0; f < NN_FILTERS; f++)
			if (b * NN_FILTERS + f < at->filters)
				r_buf[half][slot + b][p][f] = r[pixel + b * NN_FILTERS + f];
		b++;
		if (b == k->blocks) {
			b = 0;
			p++;
			pixel += t->r_pitch;
			if (p == pixels_of(t, col)) {
				p = 0;
				slot += k->blocks;
				next_group(t, &row, &col);
			}
		}
	}
}

/* The same way back. */
static void store(const struct nn_conv_args *t, const struct place *at, const struct chunk *k, uint32_t half, uint8_t *y)
{
	uint64_t first = (uint64_t)at->image * t->y_image + (uint64_t)at->group * t->filters + at->filter, row = k->row;
	uint64_t pixel = first + (row * t->out_w + k->col) * t->y_pitch;
	uint32_t col = k->col, slot = 0, p = 0, b = 0;

STORE:
	while (slot < k->groups * k->blocks) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=3584
#pragma HLS PIPELINE II=1
#endif
		for (uint32_t f = 0; f < NN_FILTERS; f++)
			if (b * NN_FILTERS + f < at->filters)
				y[pixel + b * NN_FILTERS + f] = out_buf[half][slot + b][p][f];
		b++;
		if (b == k->blocks) {
			b = 0;
			p++;
			pixel += t->y_pitch;
			if (p == pixels_of(t, col)) {
				p = 0;
				slot += k->blocks;
				next_group(t, &row, &col);
			}
		}
	}
}

/*
 * The array's steps of a chunk, in one loop, so that its pipeline fills once: while a block's steps run, the NN_PIXELS x NN_FILTERS sums of the
 * block before are finished, a pixel per clock. So a block takes at least NN_PIXELS clocks.
 */
static void compute(const struct nn_conv_args *t, const struct place *at, const struct chunk *chunk, uint32_t half)
{
	uint32_t passes = t->stride_w - 7 * (t->stride_w / 7) ? 1 : NN_PIXELS;
	uint32_t steps = t->taps * (at->channels / NN_LANES) * passes, period = steps < NN_PIXELS ? NN_PIXELS : steps;
	uint32_t slots = chunk->groups * chunk->blocks, total = slots * period + NN_PIXELS;
	uint32_t last = last_channels(t, at);
	uint32_t s = 0, q = NN_PIXELS, done_pixels = 0, done_block = 0, done_slot = 0, done_pool = 0;
	struct cursor k = { .row = chunk->row, .col = chunk->col, .block = chunk->block, .acc_at = chunk->acc_at };
	int32_t sums[NN_PIXELS][NN_FILTERS], done[NN_PIXELS][NN_FILTERS];

#ifndef __BAMBU__
#pragma HLS ARRAY_PARTITION variable=sums dim=0 type=complete
#pragma HLS ARRAY_PARTITION variable=done dim=0 type=complete
#endif
	first_step(t, at, &k);
STEPS:
	for (uint32_t i = 0; i < total; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=14 max=262151
#pragma HLS PIPELINE II=1
#pragma HLS DEPENDENCE variable=acc type=inter dependent=false
#endif
		if (q < done_pixels) {
			for (uint32_t f = 0; f < NN_FILTERS; f++) {
				uint32_t bias = coef_buf[at->w_half][done_block][f][NN_CONV_COEF_BIAS];
				uint32_t mult = coef_buf[at->w_half][done_block][f][NN_CONV_COEF_MULT];
				uint8_t v = requantise(t, done[q][f], bias, nn_float(mult), r_buf[half][done_slot][q][f]);

				if (t->pool)
					pool_buf[half][done_pool + q][f] = v;
				else
					out_buf[half][done_slot][q][f] = v;
			}
			q++;
		}
		if (s < steps && k.slot < slots) {
			for (uint32_t p = 0; p < NN_PIXELS; p++)
				for (uint32_t f = 0; f < NN_FILTERS; f++)
					sums[p][f] = s > 0 ? sums[p][f] : at->channel > 0 ? acc[k.acc_at][p][f] : 0;
			step(t, at, &k, passes, sums);
			if (s == steps - 1) {
				for (uint32_t p = 0; p < NN_PIXELS; p++) {
					for (uint32_t f = 0; f < NN_FILTERS; f++) {
						done[p][f] = sums[p][f];
						if (!last)
							acc[k.acc_at][p][f] = sums[p][f];
					}
				}
				q = 0;
				done_pixels = last ? pixels_of(t, k.col) : 0;
				done_block = k.block;
				done_slot = t->pool ? 0 : k.slot;
				done_pool = (uint32_t)(k.row - at->conv.begin) * t->out_w + k.col;
			}
		}
		s++;
		if (s == period) {
			s = 0;
			k.slot++;
			if (t->tile_channels < t->channels)
				k.acc_at++;
			k.block++;
			if (k.block == chunk->block + chunk->blocks) {
				k.block = chunk->block;
				next_group(t, &k.row, &k.col);
			}
			first_step(t, at, &k);
		}
	}
}

/*
 * The pooled rows of block @block of filters, from half @half of pool_buf: one position of a window per clock. Where windows begin (@down, @right) is
 * added up, not multiplied: after a window of one position the next one's place is needed in the next clock.
 */
static void pool(const struct nn_conv_args *t, const struct place *at, uint32_t block, uint32_t half, uint8_t *y)
{
	uint32_t left = at->filters - block * NN_FILTERS, filters = left < NN_FILTERS ? left : NN_FILTERS;
	uint64_t row = (uint64_t)t->first_row + at->row, end = row + at->rows;
	uint64_t to = (uint64_t)at->image * t->y_image + row * t->pool_out_w * t->y_pitch + (uint64_t)at->group * t->filters + at->filter +
		      (uint64_t)block * NN_FILTERS;
	uint64_t down = row * t->pool_stride_h, right = 0;
	struct nn_conv_span rows = nn_conv_cover(down, 1, 1, t->pool_h, t->pool_top, t->out_h);
	struct nn_conv_span cols = nn_conv_cover(right, 1, 1, t->pool_w, t->pool_left, t->out_w);
	uint64_t i = rows.begin, j = cols.begin;
	uint32_t col = 0;
	uint8_t most[NN_FILTERS];

	for (uint32_t f = 0; f < NN_FILTERS; f++)
		most[f] = 0;
POOL:
	while (row < end) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=28224
#pragma HLS PIPELINE II=1
#endif
		uint32_t from = (uint32_t)(i - at->conv.begin) * t->out_w + (uint32_t)j, last;

		j++;
		if (j == cols.end) {
			j = cols.begin;
			i++;
		}
		last = i == rows.end;
		for (uint32_t f = 0; f < NN_FILTERS; f++) {
			uint8_t v = pool_buf[half][from][f];

			v = v > most[f] ? v : most[f];
			if (last && f < filters)
				y[to + f] = v;
			most[f] = last ? 0 : v;
		}
		if (last) {
			to += t->y_pitch;
			col++;
			right += t->pool_stride_w;
			if (col == t->pool_out_w) {
				col = 0;
				right = 0;
				row++;
				down += t->pool_stride_h;
				rows = nn_conv_cover(down, 1, 1, t->pool_h, t->pool_top, t->out_h);
			}
			cols = nn_conv_cover(right, 1, 1, t->pool_w, t->pool_left, t->out_w);
			i = rows.begin;
			j = cols.begin;
		}
	}
}

static void drain(const struct nn_conv_args *t, const struct pending *done, uint8_t *y)
{
	if (done->there && t->pool)
		pool(t, &done->at, done->chunk.block, done->half, y);
	else if (done->there)
		store(t, &done->at, &done->chunk, done->half, y);
}

/* A tile; @next: the one behind it, when there are @more. The order of blocks and groups gives y long runs, but with a pool all rows of a block. */
static void compute_tile(const struct nn_conv_args *t, const struct place *at, const struct place *next, uint32_t more, struct pending *done,
			 const uint8_t *r, uint8_t *y)
{
	uint32_t blocks = t->pool ? (uint32_t)nn_conv_ceil(at->filters, NN_FILTERS) : 1;
	struct chunk now = first_chunk(t, at, 0), after = now, ahead;

CHUNKS:
	for (uint32_t block = 0; block < blocks; now = after) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=56
#pragma HLS DEPENDENCE variable=r_buf type=intra dependent=false
#pragma HLS DEPENDENCE variable=out_buf type=intra dependent=false
#pragma HLS DEPENDENCE variable=pool_buf type=intra dependent=false
#endif
		uint32_t half = done->half ^ 1, in_tile = now.left > 0;

		if (in_tile)
			after = next_chunk(t, &now);
		else
			after = first_chunk(t, at, ++block);
		/* These three at the same time: */
		if (t->flags & NN_CONV_RESIDUAL) {
			struct place where = in_tile ? *at : *next;

			ahead = in_tile ? after : first_chunk(t, next, 0);
			if ((in_tile || more) && last_channels(t, &where))
				load_r(t, &where, &ahead, half ^ 1, r);
		}
		compute(t, at, &now, half);
		drain(t, done, y);
		done->at = *at;
		done->chunk = now;
		done->there = last_channels(t, at);
		done->half = half;
	}
}

static void convolve(const struct nn_conv_args *t, const uint8_t *x, const int8_t *w, const uint32_t *coef, const uint8_t *r, uint8_t *y)
{
	struct place now = { 0 }, next;
	struct pending done = { .half = 1 };
	struct chunk first;
	uint32_t more = 1;

	now.x_new = 1;
	now.w_new = 1;
	settle(t, &now);
	load(t, &now, x, w, coef);
	first = first_chunk(t, &now, 0);
	if ((t->flags & NN_CONV_RESIDUAL) && last_channels(t, &now))
		load_r(t, &now, &first, 0, r);
TILES:
	while (more) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=256
#pragma HLS DEPENDENCE variable=x_buf type=intra dependent=false
#pragma HLS DEPENDENCE variable=w_buf type=intra dependent=false
#pragma HLS DEPENDENCE variable=coef_buf type=intra dependent=false
#endif
		next = now;
		more = advance(t, &next);
		if (more)
			load(t, &next, x, w, coef); /* the other halves: at the same time as compute_tile() */
		compute_tile(t, &now, &next, more, &done, r, y);
		now = next;
	}
	drain(t, &done, y);
}

#ifdef __BAMBU__
#pragma HLS interface mode=m_axi port=x offset=direct bundle=gmem0
#pragma HLS interface mode=m_axi port=w offset=direct bundle=gmem1
#pragma HLS interface mode=m_axi port=coef offset=direct bundle=gmem2
#pragma HLS interface mode=m_axi port=r offset=direct bundle=gmem3
#pragma HLS interface mode=m_axi port=y offset=direct bundle=gmem4
#pragma HLS interface mode=m_axi port=status offset=direct bundle=gmem5
#endif
void nn_conv(const uint8_t *x, uint64_t x_bytes, const int8_t *w, uint64_t w_bytes, const uint32_t *coef, uint64_t coef_bytes,
	     const uint8_t *r, uint64_t r_bytes, uint8_t *y, uint64_t y_bytes, uint32_t *status, uint64_t status_bytes,
	     uint32_t images, uint32_t in_h, uint32_t in_w, uint32_t channels, uint32_t x_pitch, uint32_t x_image,
	     uint32_t groups, uint32_t filters, uint32_t kernel, uint32_t stride, uint32_t dilation, uint32_t pad,
	     uint32_t out_h, uint32_t out_w, uint32_t y_pitch, uint32_t y_image, uint32_t x_zero, uint32_t zero, uint32_t clip,
	     uint32_t r_pitch, uint32_t r_image, uint32_t r_zero, uint32_t v_mult, uint32_t r_mult, uint32_t sum_zero, uint32_t sum_clip,
	     uint32_t pool, uint32_t pool_stride, uint32_t pool_pad, uint32_t pool_out_h, uint32_t pool_out_w,
	     uint32_t first_row, uint32_t rows, uint32_t tile_rows, uint32_t tile_filters, uint32_t tile_channels, uint32_t flags)
{
#ifndef __BAMBU__
#pragma HLS INTERFACE m_axi port=x offset=slave bundle=gmem0 max_widen_bitwidth=512
#pragma HLS INTERFACE m_axi port=w offset=slave bundle=gmem1 max_widen_bitwidth=512
#pragma HLS INTERFACE m_axi port=coef offset=slave bundle=gmem2 max_widen_bitwidth=512
#pragma HLS INTERFACE m_axi port=r offset=slave bundle=gmem3 max_widen_bitwidth=512
#pragma HLS INTERFACE m_axi port=y offset=slave bundle=gmem4 max_widen_bitwidth=512
#pragma HLS INTERFACE m_axi port=status offset=slave bundle=gmem5
#pragma HLS INTERFACE s_axilite port=x
#pragma HLS INTERFACE s_axilite port=x_bytes
#pragma HLS INTERFACE s_axilite port=w
#pragma HLS INTERFACE s_axilite port=w_bytes
#pragma HLS INTERFACE s_axilite port=coef
#pragma HLS INTERFACE s_axilite port=coef_bytes
#pragma HLS INTERFACE s_axilite port=r
#pragma HLS INTERFACE s_axilite port=r_bytes
#pragma HLS INTERFACE s_axilite port=y
#pragma HLS INTERFACE s_axilite port=y_bytes
#pragma HLS INTERFACE s_axilite port=status
#pragma HLS INTERFACE s_axilite port=status_bytes
#pragma HLS INTERFACE s_axilite port=images
#pragma HLS INTERFACE s_axilite port=in_h
#pragma HLS INTERFACE s_axilite port=in_w
#pragma HLS INTERFACE s_axilite port=channels
#pragma HLS INTERFACE s_axilite port=x_pitch
#pragma HLS INTERFACE s_axilite port=x_image
#pragma HLS INTERFACE s_axilite port=groups
#pragma HLS INTERFACE s_axilite port=filters
#pragma HLS INTERFACE s_axilite port=kernel
#pragma HLS INTERFACE s_axilite port=stride
#pragma HLS INTERFACE s_axilite port=dilation
#pragma HLS INTERFACE s_axilite port=pad
#pragma HLS INTERFACE s_axilite port=out_h
#pragma HLS INTERFACE s_axilite port=out_w
#pragma HLS INTERFACE s_axilite port=y_pitch
#pragma HLS INTERFACE s_axilite port=y_image
#pragma HLS INTERFACE s_axilite port=x_zero
#pragma HLS INTERFACE s_axilite port=zero
#pragma HLS INTERFACE s_axilite port=clip
#pragma HLS INTERFACE s_axilite port=r_pitch
#pragma HLS INTERFACE s_axilite port=r_image
#pragma HLS INTERFACE s_axilite port=r_zero
#pragma HLS INTERFACE s_axilite port=v_mult
#pragma HLS INTERFACE s_axilite port=r_mult
#pragma HLS INTERFACE s_axilite port=sum_zero
#pragma HLS INTERFACE s_axilite port=sum_clip
#pragma HLS INTERFACE s_axilite port=pool
#pragma HLS INTERFACE s_axilite port=pool_stride
#pragma HLS INTERFACE s_axilite port=pool_pad
#pragma HLS INTERFACE s_axilite port=pool_out_h
#pragma HLS INTERFACE s_axilite port=pool_out_w
#pragma HLS INTERFACE s_axilite port=first_row
#pragma HLS INTERFACE s_axilite port=rows
#pragma HLS INTERFACE s_axilite port=tile_rows
#pragma HLS INTERFACE s_axilite port=tile_filters
#pragma HLS INTERFACE s_axilite port=tile_channels
#pragma HLS INTERFACE s_axilite port=flags
#pragma HLS INTERFACE s_axilite port=return
#pragma HLS ARRAY_PARTITION variable=x_buf dim=1 type=complete
#pragma HLS ARRAY_PARTITION variable=x_buf dim=2 type=complete
#pragma HLS ARRAY_RESHAPE variable=x_buf dim=4 type=complete
#pragma HLS BIND_STORAGE variable=x_buf type=ram_s2p impl=uram
#pragma HLS ARRAY_PARTITION variable=w_buf dim=1 type=complete
#pragma HLS ARRAY_RESHAPE variable=w_buf dim=3 type=complete
#pragma HLS ARRAY_RESHAPE variable=w_buf dim=4 type=complete
#pragma HLS BIND_STORAGE variable=w_buf type=ram_s2p impl=bram
#pragma HLS ARRAY_PARTITION variable=coef_buf dim=1 type=complete
#pragma HLS ARRAY_PARTITION variable=coef_buf dim=3 type=complete
#pragma HLS ARRAY_RESHAPE variable=coef_buf dim=4 type=complete
#pragma HLS BIND_STORAGE variable=coef_buf type=ram_s2p impl=bram
#pragma HLS ARRAY_RESHAPE variable=acc dim=2 type=complete
#pragma HLS ARRAY_RESHAPE variable=acc dim=3 type=complete
#pragma HLS BIND_STORAGE variable=acc type=ram_s2p impl=bram
#pragma HLS ARRAY_PARTITION variable=r_buf dim=1 type=complete
#pragma HLS ARRAY_PARTITION variable=r_buf dim=3 type=complete
#pragma HLS ARRAY_RESHAPE variable=r_buf dim=4 type=complete
#pragma HLS BIND_STORAGE variable=r_buf type=ram_s2p impl=bram
#pragma HLS ARRAY_PARTITION variable=out_buf dim=1 type=complete
#pragma HLS ARRAY_PARTITION variable=out_buf dim=3 type=complete
#pragma HLS ARRAY_RESHAPE variable=out_buf dim=4 type=complete
#pragma HLS BIND_STORAGE variable=out_buf type=ram_s2p impl=bram
#pragma HLS ARRAY_PARTITION variable=pool_buf dim=1 type=complete
#pragma HLS ARRAY_RESHAPE variable=pool_buf dim=3 type=complete
#pragma HLS BIND_STORAGE variable=pool_buf type=ram_s2p impl=uram
#endif
	struct nn_conv_args args = NN_CONV_ARGUMENTS;
	uint32_t code, detail;

	if (status_bytes < KERNEL_STATUS_WORDS * 4)
		return; /* nowhere to report to */
	code = nn_conv_check(&args, x_bytes, w_bytes, coef_bytes, r_bytes, y_bytes, &detail);
	if (code == KERNEL_OK)
		convolve(&args, x, w, coef, r, y);
	status[1] = detail;
	status[2] = 0;
	status[3] = 0;
	status[0] = code;
}
