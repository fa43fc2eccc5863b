// SPDX-License-Identifier: BSD-2-Clause
/*
 * nn_pool, the HLS source. nn_pool.h says what it computes, nn_pool_check.h what it refuses.
 *
 *   for each image, tile of channels, output row (the next one's input loads while this one computes and the one before is stored):
 *     load     the input rows that the output row reads -> x_buf
 *     compute  for each pixel, each STEP_WORDS words of channels:
 *                a position of the window per cycle for all channels of the step: largest so far, or sum; meanwhile a slice of the step
 *                before is clipped or requantised
 *     store    the row -> y
 *
 * The two loops of load and store are perfectly nested, so that they are flattened into one that moves a word per cycle.
 * Words are NN_LANES channels of a pixel (x_buf: [row][column][word]); word i of the buffer lies in bank i % STEP_WORDS, so that the words of a
 * step, which follow each other, come from different banks.
 * x_pitch and the like are multiples of NN_LANES: with x and y aligned as card memory is handed out, the ports are 128 bits wide. Their indices
 * are written as words * NN_LANES + lane, which shows that a word begins at a multiple of its size.
 */
#include "../nn_quantise.h"
#include "nn_pool_check.h"

#define STEP_WORDS 4u
#define STEP	   (STEP_WORDS * NN_LANES)
#define SLICE	   8u		  /* channels that are finished in a cycle */
#define SLICES	   (STEP / SLICE) /* a step takes at least so many cycles */
#define X_WORDS	   (NN_POOL_X_BYTES / STEP)
#define HALVES	   (NN_LANES / SLICE) /* slices of a word */
#define Y_WORDS	   (NN_POOL_Y_BYTES / NN_LANES)

_Static_assert((X_WORDS & (X_WORDS - 1)) == 0, "addresses are cut by a mask");

/* Output row @row of channels [channel, channel + words * NN_LANES) of an image; input rows [in_row, in_row + in_rows) */
struct tile {
	uint32_t image, row, channel, words, in_row, in_rows;
};

static uint32_t channel_tiles_of(const struct nn_pool_run *r)
{
	return (uint32_t)((r->channels + (uint64_t)r->tile_channels - 1) / r->tile_channels);
}

/* Tile @i. Each process of the DATAFLOW loop finds its own: nothing but buffers goes from one to the next. */
static struct tile tile_of(const struct nn_pool_run *r, uint64_t i)
{
	uint32_t channel_tiles = channel_tiles_of(r), left;
	uint64_t column = i / r->rows, image = column / channel_tiles;
	struct tile t;

	t.image = (uint32_t)image;
	t.row = r->first_row + (uint32_t)(i - column * r->rows);
	t.channel = (uint32_t)(column - image * channel_tiles) * r->tile_channels;
	left = r->channels - t.channel;
	t.words = (left < r->tile_channels ? left : r->tile_channels) / NN_LANES;
	t.in_rows = nn_axis_span(&r->h, t.row, 1, &t.in_row);
	return t;
}

static void load(const struct nn_pool_run *r, uint64_t index, const uint8_t *x, uint8_t x_buf[STEP_WORDS][X_WORDS][NN_LANES])
{
	struct tile t = tile_of(r, index);
	uint64_t from = (uint64_t)t.image * r->x_image + (uint64_t)t.in_row * r->in_w * r->x_pitch + t.channel;
	uint32_t pixels = t.in_rows * r->in_w, to = 0;

LOAD_PIXEL:
	for (uint32_t p = 0; p < pixels; p++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=4096
#endif
LOAD:
		for (uint32_t i = 0; i < t.words; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=128
#pragma HLS PIPELINE II=1
#endif
			for (uint32_t lane = 0; lane < NN_LANES; lane++)
				x_buf[to % STEP_WORDS][to / STEP_WORDS][lane] = x[((from + (uint64_t)p * r->x_pitch) / NN_LANES + i) * NN_LANES + lane];
			to++;
		}
	}
}

/* Takes a position of the image into the step's largest values or sums; its words are from @x_at in x_buf on. */
static void take(const uint8_t x_buf[STEP_WORDS][X_WORDS][NN_LANES], uint32_t x_at, uint32_t average, int32_t x_zero, int32_t acc[STEP])
{
#ifndef __BAMBU__
#pragma HLS INLINE
#endif
	uint8_t word[STEP_WORDS][NN_LANES];

#ifndef __BAMBU__
#pragma HLS ARRAY_PARTITION variable=word dim=0 complete
#endif
	/* What each bank has of the words; those behind the buffer's end belong to channels that do not exist, and are not used. */
	for (uint32_t b = 0; b < STEP_WORDS; b++) {
		uint32_t row = (x_at + ((b - x_at) & (STEP_WORDS - 1))) / STEP_WORDS & (X_WORDS - 1);

		for (uint32_t lane = 0; lane < NN_LANES; lane++)
			word[b][lane] = x_buf[b][row][lane];
	}
	for (uint32_t i = 0; i < STEP_WORDS; i++) {
		for (uint32_t lane = 0; lane < NN_LANES; lane++) {
			int32_t value = word[(x_at + i) % STEP_WORDS][lane], before = acc[i * NN_LANES + lane];

			acc[i * NN_LANES + lane] = average ? before + value - x_zero : value > before ? value : before;
		}
	}
}

/* A finished sum or largest value as it goes to y. */
static inline uint8_t finish(const struct nn_pool_run *r, int32_t value, uint32_t count)
{
	int32_t lo = (int32_t)(r->clip & 0xff), hi = (int32_t)(r->clip >> 8);
	float product;

	if (r->mode == NN_POOL_MAX) {
		value = value < lo ? lo : value;
		return (uint8_t)(value > hi ? hi : value);
	}
	product = (float)value * nn_float(r->mult);
	return nn_quantise(product / (float)count, (int32_t)r->zero, lo, hi);
}

/* The output row -> y_buf, [column][channel of the tile] */
static void compute(const struct nn_pool_run *r, uint64_t index, const uint8_t x_buf[STEP_WORDS][X_WORDS][NN_LANES],
		    uint8_t y_buf[Y_WORDS][HALVES][SLICE])
{
	struct tile t = tile_of(r, index);
	uint32_t steps = r->out_w * ((t.words + STEP_WORDS - 1) / STEP_WORDS), period = r->taps > SLICES ? r->taps : SLICES;
	int64_t first_row = nn_axis_start(&r->h, t.row), row = first_row, first_col = -(int64_t)r->w.pad, col = first_col;
	uint32_t step = 0, phase = 0, kw = 0, word = 0, count = 0;		/* of the step whose window is read */
	uint32_t y_at = 0, y_words = 0, y_count = 1, next_y = 0;		/* of the step before: in y_buf, its words, its positions */
	int32_t acc[STEP], done[STEP];

#ifndef __BAMBU__
#pragma HLS ARRAY_PARTITION variable=acc complete
#pragma HLS ARRAY_PARTITION variable=done complete
#endif
	for (uint32_t i = 0; i < STEP; i++)
		acc[i] = done[i] = 0;
COMPUTE:
	for (uint64_t i = 0; i < (uint64_t)(steps + 1) * period; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=16 max=10000
#pragma HLS PIPELINE II=1
#endif
		if (phase < r->taps && step < steps) {
			if (row >= 0 && row < (int64_t)r->in_h && col >= 0 && col < (int64_t)r->in_w)
				take(x_buf, ((uint32_t)(row - t.in_row) * r->in_w + (uint32_t)col) * t.words + word,
				     r->mode & NN_POOL_AVERAGE, (int32_t)r->x_zero, acc);
			if (row >= r->count_h[0] && row < r->count_h[1] && col >= r->count_w[0] && col < r->count_w[1])
				count++;
			col += r->w.dilation;
			if (++kw == r->w.kernel) {
				kw = 0;
				col = first_col;
				row += r->h.dilation;
			}
		}
		if (phase * SLICE < y_words * NN_LANES) {
			for (uint32_t lane = 0; lane < SLICE; lane++)
				y_buf[(y_at + phase) / HALVES][(y_at + phase) % HALVES][lane] = finish(r, done[phase * SLICE + lane], y_count);
		}
		if (++phase == period) {
			for (uint32_t k = 0; k < STEP; k++) {
				done[k] = acc[k];
				acc[k] = 0;
			}
			y_count = count;
			phase = kw = count = 0;
			row = first_row;
			y_at = next_y;
			y_words = t.words - word < STEP_WORDS ? t.words - word : STEP_WORDS;
			next_y += y_words * HALVES;
			word += STEP_WORDS;
			if (word >= t.words) {
				word = 0;
				first_col += r->w.stride;
			}
			col = first_col;
			step++;
		}
	}
}

static void store(const struct nn_pool_run *r, uint64_t index, const uint8_t y_buf[Y_WORDS][HALVES][SLICE], uint8_t *y)
{
	struct tile t = tile_of(r, index);
	uint64_t to = (uint64_t)t.image * r->y_image + (uint64_t)t.row * r->out_w * r->y_pitch + t.channel;
	uint32_t from = 0;

STORE_PIXEL:
	for (uint32_t p = 0; p < r->out_w; p++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=112
#endif
STORE:
		for (uint32_t i = 0; i < t.words; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=128
#pragma HLS PIPELINE II=1
#endif
			for (uint32_t lane = 0; lane < NN_LANES; lane++)
				y[((to + (uint64_t)p * r->y_pitch) / NN_LANES + i) * NN_LANES + lane] = y_buf[from][lane / SLICE][lane % SLICE];
			from++;
		}
	}
}

/* The buffers exist twice: DATAFLOW in a loop lets the next tile load while this one computes. (In a function that a loop calls it would not.) */
static void all_tiles(const struct nn_pool_run *r, uint64_t tiles, const uint8_t *x, uint8_t *y)
{
TILES:
	for (uint64_t i = 0; i < tiles; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=7168
#pragma HLS DATAFLOW
#endif
		uint8_t x_buf[STEP_WORDS][X_WORDS][NN_LANES];
		uint8_t y_buf[Y_WORDS][HALVES][SLICE];

#ifndef __BAMBU__
#pragma HLS ARRAY_PARTITION variable=x_buf dim=1 complete
#pragma HLS ARRAY_RESHAPE variable=x_buf dim=3 complete
#pragma HLS BIND_STORAGE variable=x_buf type=ram_2p impl=bram
#pragma HLS ARRAY_PARTITION variable=y_buf dim=2 complete
#pragma HLS ARRAY_RESHAPE variable=y_buf dim=3 complete
#pragma HLS BIND_STORAGE variable=y_buf type=ram_2p impl=bram
#endif
		load(r, i, x, x_buf);
		compute(r, i, x_buf, y_buf);
		store(r, i, y_buf, y);
	}
}

#ifdef __BAMBU__
#pragma HLS interface mode=m_axi port=x offset=direct bundle=gmem0
#pragma HLS interface mode=m_axi port=y offset=direct bundle=gmem1
#pragma HLS interface mode=m_axi port=status offset=direct bundle=gmem2
#endif
void nn_pool(const uint8_t *x, uint64_t x_bytes, uint8_t *y, uint64_t y_bytes, uint32_t *status, uint64_t status_bytes,
	     uint32_t images, uint32_t in_h, uint32_t in_w, uint32_t channels, uint32_t x_pitch, uint32_t x_image,
	     uint32_t kernel, uint32_t stride, uint32_t dilation, uint32_t pad, uint32_t pad_end, uint32_t out_h, uint32_t out_w,
	     uint32_t y_pitch, uint32_t y_image, uint32_t x_zero, uint32_t zero, uint32_t clip, uint32_t mult, uint32_t mode,
	     uint32_t first_row, uint32_t rows, uint32_t tile_channels)
{
#ifndef __BAMBU__
#pragma HLS INTERFACE m_axi port=x offset=slave bundle=gmem0 max_widen_bitwidth=128
#pragma HLS INTERFACE m_axi port=y offset=slave bundle=gmem1 max_widen_bitwidth=128
#pragma HLS INTERFACE m_axi port=status offset=slave bundle=gmem2
#pragma HLS INTERFACE s_axilite port=x
#pragma HLS INTERFACE s_axilite port=x_bytes
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
#pragma HLS INTERFACE s_axilite port=kernel
#pragma HLS INTERFACE s_axilite port=stride
#pragma HLS INTERFACE s_axilite port=dilation
#pragma HLS INTERFACE s_axilite port=pad
#pragma HLS INTERFACE s_axilite port=pad_end
#pragma HLS INTERFACE s_axilite port=out_h
#pragma HLS INTERFACE s_axilite port=out_w
#pragma HLS INTERFACE s_axilite port=y_pitch
#pragma HLS INTERFACE s_axilite port=y_image
#pragma HLS INTERFACE s_axilite port=x_zero
#pragma HLS INTERFACE s_axilite port=zero
#pragma HLS INTERFACE s_axilite port=clip
#pragma HLS INTERFACE s_axilite port=mult
#pragma HLS INTERFACE s_axilite port=mode
#pragma HLS INTERFACE s_axilite port=first_row
#pragma HLS INTERFACE s_axilite port=rows
#pragma HLS INTERFACE s_axilite port=tile_channels
#pragma HLS INTERFACE s_axilite port=return
#endif
	struct nn_pool_run run = NN_POOL_RUN_OF_ARGUMENTS;
	uint32_t code, detail;

	if (status_bytes < KERNEL_STATUS_WORDS * 4)
		return; /* nowhere to report to */
	code = nn_pool_check(&run, x_bytes, y_bytes, &detail);
	if (code == KERNEL_OK) /* each tile writes to y, so that their number is far from 2^64 */
		all_tiles(&run, (uint64_t)run.images * channel_tiles_of(&run) * run.rows, x, y);
	status[1] = detail;
	status[2] = 0;
	status[3] = 0;
	status[0] = code;
}
