// SPDX-License-Identifier: BSD-2-Clause
/*
 * nn_depthwise, the HLS source. nn_depthwise.h says what it computes, nn_depthwise_check.h what it refuses.
 *
 *   for each image, tile of channels, tile of output rows (the next tile loads while this one computes):
 *     load     coef -> bias, mult; weights -> w_buf; the tile's input rows -> x_buf
 *     for each output row (the row before is stored while this one computes):
 *       compute  for each pixel, each STEP_WORDS words of channels:
 *                  a tap per cycle for all channels of the step; meanwhile a slice of the step before is requantised
 *       store    the row -> y
 *
 * The two loops of a load or store are perfectly nested, so that they are flattened into one that moves a word per cycle.
 * Words are NN_LANES channels of a pixel (x_buf: [row][column][word]) or tap (w_buf: [tap][word]); word i of a buffer lies in bank
 * i % STEP_WORDS, so that the words of a step, which follow each other, come from different banks.
 * x_pitch and the like are multiples of NN_LANES: with x, w and y aligned as card memory is handed out, the ports are 128 bits wide. Their
 * indices are written as words * NN_LANES + lane, which shows that a word begins at a multiple of its size.
 */
#include "../nn_quantise.h"
#include "nn_depthwise_check.h"

#define STEP_WORDS 4u
#define STEP	   (STEP_WORDS * NN_LANES)
#define SLICE	   8u		     /* channels that are requantised in a cycle */
#define SLICES	   (STEP / SLICE)    /* a step takes at least so many cycles */
#define X_WORDS	   (NN_DEPTHWISE_X_BYTES / STEP)
#define W_WORDS	   (NN_DEPTHWISE_W_BYTES / STEP)
#define HALVES	   (NN_LANES / SLICE) /* slices of a word */
#define Y_WORDS	   (NN_DEPTHWISE_Y_BYTES / NN_LANES)
#define CHANNELS   NN_DEPTHWISE_CHANNELS

_Static_assert((X_WORDS & (X_WORDS - 1)) == 0 && (W_WORDS & (W_WORDS - 1)) == 0, "addresses are cut by masks");

/* A tile of an image: output rows [row, row + rows), channels [channel, channel + words * NN_LANES); input rows [in_row, in_row + in_rows) */
struct tile {
	uint32_t image, row, rows, channel, words, in_row, in_rows;
};

static uint32_t row_tiles_of(const struct nn_depthwise_run *r)
{
	return (uint32_t)((r->rows + (uint64_t)r->tile_rows - 1) / r->tile_rows);
}

static uint32_t channel_tiles_of(const struct nn_depthwise_run *r)
{
	return (uint32_t)((r->channels + (uint64_t)r->tile_channels - 1) / r->tile_channels);
}

/* Tile @i: row tiles of channel tiles of images. Each process of the DATAFLOW loop finds its own: nothing but buffers goes from one to the next. */
static struct tile tile_of(const struct nn_depthwise_run *r, uint64_t i)
{
	uint32_t row_tiles = row_tiles_of(r), channel_tiles = channel_tiles_of(r), done, left;
	uint64_t column = i / row_tiles, image = column / channel_tiles;
	struct tile t;

	t.image = (uint32_t)image;
	done = (uint32_t)(i - column * row_tiles) * r->tile_rows;
	t.row = r->first_row + done;
	t.rows = r->rows - done < r->tile_rows ? r->rows - done : r->tile_rows;
	t.channel = (uint32_t)(column - image * channel_tiles) * r->tile_channels;
	left = r->channels - t.channel;
	t.words = (left < r->tile_channels ? left : r->tile_channels) / NN_LANES;
	t.in_rows = nn_axis_span(&r->h, t.row, t.rows, &t.in_row);
	return t;
}

static void load_coef(const struct tile *t, const uint32_t *coef, int32_t bias[CHANNELS / SLICE][SLICE], float mult[CHANNELS / SLICE][SLICE])
{
	uint64_t from = (uint64_t)t->channel * NN_DEPTHWISE_COEF_WORDS;

LOAD_COEF:
	for (uint32_t c = 0; c < t->words * NN_LANES; c++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=16 max=512
#pragma HLS PIPELINE II=2
#endif
		bias[c / SLICE][c % SLICE] = (int32_t)coef[from + NN_DEPTHWISE_COEF_BIAS];
		mult[c / SLICE][c % SLICE] = nn_float(coef[from + NN_DEPTHWISE_COEF_MULT]);
		from += NN_DEPTHWISE_COEF_WORDS;
	}
}

static void load_w(const struct nn_depthwise_run *r, const struct tile *t, const int8_t *w, int8_t w_buf[STEP_WORDS][W_WORDS][NN_LANES])
{
	uint32_t to = 0;

LOAD_W_TAP:
	for (uint32_t tap = 0; tap < r->taps; tap++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=49
#endif
LOAD_W:
		for (uint32_t i = 0; i < t->words; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=32
#pragma HLS PIPELINE II=1
#endif
			for (uint32_t lane = 0; lane < NN_LANES; lane++)
				w_buf[to % STEP_WORDS][to / STEP_WORDS][lane] = w[((t->channel + (uint64_t)tap * r->channels) / NN_LANES + i) * NN_LANES + lane];
			to++;
		}
	}
}

static void load_x(const struct nn_depthwise_run *r, const struct tile *t, const uint8_t *x, uint8_t x_buf[STEP_WORDS][X_WORDS][NN_LANES])
{
	uint64_t from = (uint64_t)t->image * r->x_image + (uint64_t)t->in_row * r->in_w * r->x_pitch + t->channel;
	uint32_t pixels = t->in_rows * r->in_w, to = 0;

LOAD_X_PIXEL:
	for (uint32_t p = 0; p < pixels; p++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=8192
#endif
LOAD_X:
		for (uint32_t i = 0; i < t->words; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=32
#pragma HLS PIPELINE II=1
#endif
			for (uint32_t lane = 0; lane < NN_LANES; lane++)
				x_buf[to % STEP_WORDS][to / STEP_WORDS][lane] = x[((from + (uint64_t)p * r->x_pitch) / NN_LANES + i) * NN_LANES + lane];
			to++;
		}
	}
}

/* Adds a tap to the sums of a step, whose words are from @x_at in x_buf and from @w_at in w_buf on; @inside: of the image */
static void multiply(const uint8_t x_buf[STEP_WORDS][X_WORDS][NN_LANES], const int8_t w_buf[STEP_WORDS][W_WORDS][NN_LANES], uint32_t x_at,
		     uint32_t w_at, uint32_t inside, uint8_t x_zero, int32_t acc[STEP])
{
#ifndef __BAMBU__
#pragma HLS INLINE
#endif
	uint8_t x_word[STEP_WORDS][NN_LANES];
	int8_t w_word[STEP_WORDS][NN_LANES];

#ifndef __BAMBU__
#pragma HLS ARRAY_PARTITION variable=x_word dim=0 complete
#pragma HLS ARRAY_PARTITION variable=w_word dim=0 complete
#endif
	/* What each bank has of the words; those behind a buffer's end belong to channels that do not exist, and are not used. */
	for (uint32_t b = 0; b < STEP_WORDS; b++) {
		uint32_t x_row = (x_at + ((b - x_at) & (STEP_WORDS - 1))) / STEP_WORDS & (X_WORDS - 1);
		uint32_t w_row = (w_at + ((b - w_at) & (STEP_WORDS - 1))) / STEP_WORDS & (W_WORDS - 1);

		for (uint32_t lane = 0; lane < NN_LANES; lane++) {
			x_word[b][lane] = inside ? x_buf[b][x_row][lane] : x_zero;
			w_word[b][lane] = w_buf[b][w_row][lane];
		}
	}
	for (uint32_t i = 0; i < STEP_WORDS; i++) {
		for (uint32_t lane = 0; lane < NN_LANES; lane++) {
			int32_t product = x_word[(x_at + i) % STEP_WORDS][lane] * w_word[(w_at + i) % STEP_WORDS][lane];

#ifndef __BAMBU__
#pragma HLS BIND_OP variable=product op=mul impl=fabric
#endif
			acc[i * NN_LANES + lane] += product;
		}
	}
}

/* Row @index of the tile -> y_buf, [column][channel of the tile] */
static void compute(const struct nn_depthwise_run *r, const struct tile *t, uint32_t index, const uint8_t x_buf[STEP_WORDS][X_WORDS][NN_LANES],
		    const int8_t w_buf[STEP_WORDS][W_WORDS][NN_LANES], const int32_t bias[CHANNELS / SLICE][SLICE],
		    const float mult[CHANNELS / SLICE][SLICE], uint8_t y_buf[Y_WORDS][HALVES][SLICE])
{
	uint32_t steps = r->out_w * ((t->words + STEP_WORDS - 1) / STEP_WORDS), period = r->taps > SLICES ? r->taps : SLICES;
	int64_t first_row = nn_axis_start(&r->h, t->row + index), row = first_row, first_col = -(int64_t)r->w.pad, col = first_col;
	uint32_t step = 0, phase = 0, kw = 0, word = 0, w_at = 0;	 /* of the step that is multiplied */
	uint32_t y_at = 0, y_word = 0, y_words = 0, next_y = 0;		 /* of the step before: in y_buf, its first word, its words */
	int32_t acc[STEP], done[STEP];

#ifndef __BAMBU__
#pragma HLS ARRAY_PARTITION variable=acc complete
#pragma HLS ARRAY_PARTITION variable=done complete
#endif
	for (uint32_t i = 0; i < STEP; i++)
		acc[i] = done[i] = 0;
COMPUTE:
	for (uint32_t i = 0; i < (steps + 1) * period; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=16 max=10000
#pragma HLS PIPELINE II=1
#endif
		if (phase < r->taps && step < steps) {
			uint32_t inside = row >= 0 && row < (int64_t)r->in_h && col >= 0 && col < (int64_t)r->in_w;
			uint32_t at = inside ? ((uint32_t)(row - t->in_row) * r->in_w + (uint32_t)col) * t->words + word : 0;

			multiply(x_buf, w_buf, at, w_at + word, inside, (uint8_t)r->x_zero, acc);
			w_at += t->words;
			col += r->w.dilation;
			if (++kw == r->w.kernel) {
				kw = 0;
				col = first_col;
				row += r->h.dilation;
			}
		}
		if (phase * SLICE < y_words * NN_LANES) {
			uint32_t slice = y_word * HALVES + phase, to = y_at + phase;

			for (uint32_t lane = 0; lane < SLICE; lane++) {
				int32_t sum = nn_add_saturate(done[phase * SLICE + lane], bias[slice][lane]);

				y_buf[to / HALVES][to % HALVES][lane] = nn_quantise((float)sum * mult[slice][lane], (int32_t)r->zero,
										    (int32_t)(r->clip & 0xff), (int32_t)(r->clip >> 8));
			}
		}
		if (++phase == period) {
			for (uint32_t k = 0; k < STEP; k++) {
				done[k] = acc[k];
				acc[k] = 0;
			}
			phase = kw = w_at = 0;
			row = first_row;
			y_at = next_y;
			y_word = word;
			y_words = t->words - word < STEP_WORDS ? t->words - word : STEP_WORDS;
			next_y += y_words * HALVES;
			word += STEP_WORDS;
			if (word >= t->words) {
				word = 0;
				first_col += r->w.stride;
			}
			col = first_col;
			step++;
		}
	}
}

static void store(const struct nn_depthwise_run *r, const struct tile *t, uint32_t index, const uint8_t y_buf[Y_WORDS][HALVES][SLICE], uint8_t *y)
{
	uint64_t to = (uint64_t)t->image * r->y_image + (uint64_t)(t->row + index) * r->out_w * r->y_pitch + t->channel;
	uint32_t from = 0;

STORE_PIXEL:
	for (uint32_t p = 0; p < r->out_w; p++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=112
#endif
STORE:
		for (uint32_t i = 0; i < t->words; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=32
#pragma HLS PIPELINE II=1
#endif
			for (uint32_t lane = 0; lane < NN_LANES; lane++)
				y[((to + (uint64_t)p * r->y_pitch) / NN_LANES + i) * NN_LANES + lane] = y_buf[from][lane / SLICE][lane % SLICE];
			from++;
		}
	}
}

/* The buffer exists twice: DATAFLOW in a loop lets the next row be computed while this one is stored. (In a function that a loop calls it would
 * not.) */
static void some_rows(const struct nn_depthwise_run *r, const struct tile *t, uint32_t rows, const uint8_t x_buf[STEP_WORDS][X_WORDS][NN_LANES],
		      const int8_t w_buf[STEP_WORDS][W_WORDS][NN_LANES], const int32_t bias[CHANNELS / SLICE][SLICE],
		      const float mult[CHANNELS / SLICE][SLICE], uint8_t *y)
{
ROWS:
	for (uint32_t i = 0; i < rows; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=112
#pragma HLS DATAFLOW
#endif
		uint8_t y_buf[Y_WORDS][HALVES][SLICE];

#ifndef __BAMBU__
#pragma HLS ARRAY_PARTITION variable=y_buf dim=2 complete
#pragma HLS ARRAY_RESHAPE variable=y_buf dim=3 complete
#pragma HLS BIND_STORAGE variable=y_buf type=ram_2p impl=bram
#endif
		compute(r, t, i, x_buf, w_buf, bias, mult, y_buf);
		store(r, t, i, y_buf, y);
	}
}

static void load(const struct nn_depthwise_run *r, uint64_t index, const uint8_t *x, const int8_t *w, const uint32_t *coef,
		 uint8_t x_buf[STEP_WORDS][X_WORDS][NN_LANES], int8_t w_buf[STEP_WORDS][W_WORDS][NN_LANES], int32_t bias[CHANNELS / SLICE][SLICE],
		 float mult[CHANNELS / SLICE][SLICE])
{
	struct tile t = tile_of(r, index);

	load_coef(&t, coef, bias, mult);
	load_w(r, &t, w, w_buf);
	load_x(r, &t, x, x_buf);
}

static void all_rows(const struct nn_depthwise_run *r, uint64_t index, const uint8_t x_buf[STEP_WORDS][X_WORDS][NN_LANES],
		     const int8_t w_buf[STEP_WORDS][W_WORDS][NN_LANES], const int32_t bias[CHANNELS / SLICE][SLICE],
		     const float mult[CHANNELS / SLICE][SLICE], uint8_t *y)
{
	struct tile t = tile_of(r, index);

	some_rows(r, &t, t.rows, x_buf, w_buf, bias, mult, y);
}

/* Likewise of tiles: the next one is loaded while the rows of this one are computed and stored. */
static void all_tiles(const struct nn_depthwise_run *r, uint64_t tiles, const uint8_t *x, const int8_t *w, const uint32_t *coef, uint8_t *y)
{
TILES:
	for (uint64_t i = 0; i < tiles; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=1680
#pragma HLS DATAFLOW
#endif
		uint8_t x_buf[STEP_WORDS][X_WORDS][NN_LANES];
		int8_t w_buf[STEP_WORDS][W_WORDS][NN_LANES];
		int32_t bias[CHANNELS / SLICE][SLICE];
		float mult[CHANNELS / SLICE][SLICE];

#ifndef __BAMBU__
#pragma HLS ARRAY_PARTITION variable=x_buf dim=1 complete
#pragma HLS ARRAY_RESHAPE variable=x_buf dim=3 complete
#pragma HLS BIND_STORAGE variable=x_buf type=ram_2p impl=uram
#pragma HLS ARRAY_PARTITION variable=w_buf dim=1 complete
#pragma HLS ARRAY_RESHAPE variable=w_buf dim=3 complete
#pragma HLS BIND_STORAGE variable=w_buf type=ram_2p impl=lutram
#pragma HLS ARRAY_PARTITION variable=bias dim=2 complete
#pragma HLS BIND_STORAGE variable=bias type=ram_2p impl=lutram
#pragma HLS ARRAY_PARTITION variable=mult dim=2 complete
#pragma HLS BIND_STORAGE variable=mult type=ram_2p impl=lutram
#endif
		load(r, i, x, w, coef, x_buf, w_buf, bias, mult);
		all_rows(r, i, x_buf, w_buf, bias, mult, y);
	}
}

#ifdef __BAMBU__
#pragma HLS interface mode=m_axi port=x offset=direct bundle=gmem0
#pragma HLS interface mode=m_axi port=w offset=direct bundle=gmem1
#pragma HLS interface mode=m_axi port=coef offset=direct bundle=gmem2
#pragma HLS interface mode=m_axi port=y offset=direct bundle=gmem3
#pragma HLS interface mode=m_axi port=status offset=direct bundle=gmem4
#endif
void nn_depthwise(const uint8_t *x, uint64_t x_bytes, const int8_t *w, uint64_t w_bytes, const uint32_t *coef, uint64_t coef_bytes,
		  uint8_t *y, uint64_t y_bytes, uint32_t *status, uint64_t status_bytes,
		  uint32_t images, uint32_t in_h, uint32_t in_w, uint32_t channels, uint32_t x_pitch, uint32_t x_image,
		  uint32_t kernel, uint32_t stride, uint32_t dilation, uint32_t pad, uint32_t out_h, uint32_t out_w,
		  uint32_t y_pitch, uint32_t y_image, uint32_t x_zero, uint32_t zero, uint32_t clip,
		  uint32_t first_row, uint32_t rows, uint32_t tile_rows, uint32_t tile_channels)
{
#ifndef __BAMBU__
#pragma HLS INTERFACE m_axi port=x offset=slave bundle=gmem0 max_widen_bitwidth=128
#pragma HLS INTERFACE m_axi port=w offset=slave bundle=gmem1 max_widen_bitwidth=128
#pragma HLS INTERFACE m_axi port=coef offset=slave bundle=gmem2
#pragma HLS INTERFACE m_axi port=y offset=slave bundle=gmem3 max_widen_bitwidth=128
#pragma HLS INTERFACE m_axi port=status offset=slave bundle=gmem4
#pragma HLS INTERFACE s_axilite port=x
#pragma HLS INTERFACE s_axilite port=x_bytes
#pragma HLS INTERFACE s_axilite port=w
#pragma HLS INTERFACE s_axilite port=w_bytes
#pragma HLS INTERFACE s_axilite port=coef
#pragma HLS INTERFACE s_axilite port=coef_bytes
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
#pragma HLS INTERFACE s_axilite port=out_h
#pragma HLS INTERFACE s_axilite port=out_w
#pragma HLS INTERFACE s_axilite port=y_pitch
#pragma HLS INTERFACE s_axilite port=y_image
#pragma HLS INTERFACE s_axilite port=x_zero
#pragma HLS INTERFACE s_axilite port=zero
#pragma HLS INTERFACE s_axilite port=clip
#pragma HLS INTERFACE s_axilite port=first_row
#pragma HLS INTERFACE s_axilite port=rows
#pragma HLS INTERFACE s_axilite port=tile_rows
#pragma HLS INTERFACE s_axilite port=tile_channels
#pragma HLS INTERFACE s_axilite port=return
#endif
	struct nn_depthwise_run run = NN_DEPTHWISE_RUN_OF_ARGUMENTS;
	uint32_t code, detail;

	if (status_bytes < KERNEL_STATUS_WORDS * 4)
		return; /* nowhere to report to */
	code = nn_depthwise_check(&run, x_bytes, w_bytes, coef_bytes, y_bytes, &detail);
	if (code == KERNEL_OK) /* each tile writes to y, so that their number is far from 2^64 */
		all_tiles(&run, (uint64_t)run.images * channel_tiles_of(&run) * row_tiles_of(&run), x, w, coef, y);
	status[1] = detail;
	status[2] = 0;
	status[3] = 0;
	status[0] = code;
}
