// SPDX-License-Identifier: BSD-2-Clause
/*
 * nn_pack, the HLS source. nn_pack.h says what it computes, nn_pack_check.h what it refuses.
 *
 *   load  lut -> lut_buf (NN_PACK_BYTES), a copy for each lane
 *   for each image, group of rows (the next one loads while this one is stored):
 *     load   each row, channel, nn_pack_lanes() elements per cycle, quantised -> rows_buf, [row][column][channel]
 *     store  for each row, output column: rows_buf from column j * stride - pad on, kernel * channels bytes that follow each other -> y
 *
 * A channel's row begins at any byte of x. Words are read one after the other, at most one per cycle, the last two are kept, and a group of
 * elements is cut out of them: a shift by bytes. x, y_pitch and the like are multiples of NN_LANES: with y aligned as card memory is handed out,
 * both ports are 128 bits wide.
 *
 * Byte p of the rows lies in bank p % NN_LANES, so that the NN_LANES bytes of a word come from different banks wherever they begin; and a bank
 * takes one byte per cycle. Elements of a group go to places that are channels bytes apart: to different banks when nn_pack_lanes() says so.
 */
#include "../nn_quantise.h"
#include "nn_pack_check.h"

#define BANK_BYTES (NN_PACK_ROW_BYTES / NN_LANES)
#define WINDOW	   (2 * NN_LANES)

_Static_assert((BANK_BYTES & (BANK_BYTES - 1)) == 0, "addresses are cut by a mask");
_Static_assert(NN_PACK_STEP * 4 <= NN_LANES, "a group is at most a word, so that it needs at most one new one");

static uint8_t lut_buf[NN_PACK_STEP][NN_PACK_LUT];

static void load_lut(const struct nn_pack_run *r, const uint8_t *lut)
{
LOAD_LUT:
	for (uint32_t i = 0; i < r->channels * 256; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=256 max=32768
#pragma HLS PIPELINE II=1
#endif
		uint8_t byte = lut[i];

		for (uint32_t lane = 0; lane < NN_PACK_STEP; lane++)
			lut_buf[lane][i] = byte;
	}
}

static uint8_t quantised(const struct nn_pack_run *r, const uint8_t *bytes, uint32_t lane, uint32_t channel)
{
	const uint8_t *b = bytes + 4 * lane;
	uint32_t bits = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;

	if (r->mode == NN_PACK_FLOAT)
		return nn_quantise(nn_float(bits) / nn_float(r->scale), (int32_t)r->zero, 0, 255);
	return lut_buf[lane][channel * 256 + bytes[lane]];
}

/* Rows of group @index. */
static inline uint32_t rows_of(const struct nn_pack_run *r, uint32_t most, uint32_t index)
{
	return r->in_h - index * most < most ? r->in_h - index * most : most;
}

/* A loop over rows, channels and groups of elements in one, so that its pipeline runs on from channel to channel. @image: where in x it begins */
static void load(const struct nn_pack_run *r, const uint8_t *x, uint64_t image, uint32_t most, uint32_t index, uint8_t rows_buf[NN_LANES][BANK_BYTES])
{
	uint64_t from = image + (uint64_t)index * most * r->x_row;
	uint32_t rows = rows_of(r, most, index);
	uint32_t lanes = nn_pack_lanes(r), step = lanes * r->x_element, groups = 1 + (r->in_w + lanes - 1) / lanes;
	uint32_t count = rows * r->channels * groups; /* at most 2 * NN_PACK_ROW_BYTES */
	uint32_t group = 0, channel = 0;
	uint32_t column = 0;  /* of the group */
	uint32_t to = 0;      /* its first element's byte of rows_buf */
	uint32_t row_at = 0;  /* the row's */
	uint64_t begin = from, row_from = from; /* of the channel's row, of the row */
	uint64_t have = 0;    /* words that were read: up to here */
	uint64_t at = from;   /* of the group in x */
	uint8_t window[WINDOW];

#ifndef __BAMBU__
#pragma HLS ARRAY_PARTITION variable=window complete
#endif
	for (uint32_t i = 0; i < WINDOW; i++) {
#ifndef __BAMBU__
#pragma HLS UNROLL
#endif
		window[i] = 0;
	}
LOAD:
	for (uint32_t i = 0; i < count; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=2 max=65536
#pragma HLS PIPELINE II=1
#endif
		uint32_t width = r->in_w - column < lanes ? r->in_w - column : lanes; /* elements, behind the row's first word */
		uint64_t last = group == 0 ? begin / NN_LANES : (at + width * r->x_element - 1) / NN_LANES;
		uint8_t bytes[NN_LANES], value[NN_PACK_STEP];

		if (group == 0 || last >= have) {
			for (uint32_t b = 0; b < NN_LANES; b++) {
				window[b] = window[NN_LANES + b];
				window[NN_LANES + b] = x[last * NN_LANES + b];
			}
			have = last + 1;
		}
		/* The window ends with word have - 1; at lies in it or in the one before. */
		for (uint32_t b = 0; b < NN_LANES; b++)
			bytes[b] = window[(at + b - (have - 2) * NN_LANES) & (WINDOW - 1)];
		for (uint32_t lane = 0; lane < NN_PACK_STEP; lane++)
			value[lane] = quantised(r, bytes, lane, channel);
		for (uint32_t b = 0; b < NN_LANES; b++) {
			uint32_t address = 0;
			uint8_t byte = 0, write = 0;

			for (uint32_t lane = 0; lane < NN_PACK_STEP; lane++) {
				uint32_t place = to + lane * r->channels;

				if (lane < width && place % NN_LANES == b) {
					address = place / NN_LANES;
					byte = value[lane];
					write = 1;
				}
			}
			if (write && group > 0)
				rows_buf[b][address & (BANK_BYTES - 1)] = byte;
		}
		if (group > 0) {
			at += step;
			column += lanes;
			to += lanes * r->channels;
		}
		if (++group == groups) {
			group = 0;
			column = 0;
			begin += r->x_channel;
			if (++channel == r->channels) {
				channel = 0;
				row_at += r->in_w * r->channels;
				row_from += r->x_row;
				begin = row_from;
			}
			at = begin;
			to = row_at + channel;
		}
	}
}

static void store(const struct nn_pack_run *r, uint8_t *y, uint64_t image, uint32_t most, uint32_t index,
		  const uint8_t rows_buf[NN_LANES][BANK_BYTES])
{
	uint64_t to = image + (uint64_t)index * most * r->out_w * r->y_pitch;
	uint32_t rows = rows_of(r, most, index);
	int64_t row_bytes = (int64_t)r->in_w * r->channels, step = (int64_t)r->stride * r->channels;
	int64_t first = -(int64_t)r->pad * r->channels; /* where in the row the pixel's bytes begin */

STORE_ROW:
	for (uint32_t h = 0; h < rows; h++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=8
#endif
STORE_PIXEL:
		for (uint32_t j = 0; j < r->out_w; j++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=224
#endif
STORE:
			for (uint32_t at = 0; at < r->out_channels; at += NN_LANES) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=4
#pragma HLS PIPELINE II=1
#endif
				int64_t pixel = first + j * step;
				uint32_t begin = (uint32_t)(h * row_bytes + pixel + at); /* modulo 2^32: only its low bits count */
				uint64_t word_at = (to + ((uint64_t)h * r->out_w + j) * r->y_pitch + at) / NN_LANES;
				uint8_t banks[NN_LANES], word[NN_LANES];

#ifndef __BAMBU__
#pragma HLS ARRAY_PARTITION variable=banks complete
#endif
				for (uint32_t b = 0; b < NN_LANES; b++)
					banks[b] = rows_buf[b][(begin + ((b - begin) & (NN_LANES - 1))) / NN_LANES & (BANK_BYTES - 1)];
				for (uint32_t lane = 0; lane < NN_LANES; lane++) {
					int64_t position = pixel + at + lane;
					uint8_t byte = banks[(begin + lane) & (NN_LANES - 1)];

					word[lane] = at + lane >= r->used			     ? 0
						     : position >= 0 && position < row_bytes ? byte
											     : (uint8_t)r->outside;
				}
				for (uint32_t lane = 0; lane < NN_LANES; lane++)
					y[word_at * NN_LANES + lane] = word[lane];
			}
		}
	}
}

/* The buffer exists twice: DATAFLOW in a loop lets the next group load while this one is stored. (In a function that a loop calls it would not.) */
static void one_image(const struct nn_pack_run *r, const uint8_t *x, uint8_t *y, uint64_t from, uint64_t to, uint32_t most, uint32_t groups)
{
ROWS:
	for (uint32_t i = 0; i < groups; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=28
#pragma HLS DATAFLOW
#endif
		uint8_t rows_buf[NN_LANES][BANK_BYTES];

#ifndef __BAMBU__
#pragma HLS ARRAY_PARTITION variable=rows_buf dim=1 complete
#pragma HLS BIND_STORAGE variable=rows_buf type=ram_2p impl=bram
#endif
		load(r, x, from, most, i, rows_buf);
		store(r, y, to, most, i, rows_buf);
	}
}

#ifdef __BAMBU__
#pragma HLS interface mode=m_axi port=x offset=direct bundle=gmem0
#pragma HLS interface mode=m_axi port=lut offset=direct bundle=gmem1
#pragma HLS interface mode=m_axi port=y offset=direct bundle=gmem2
#pragma HLS interface mode=m_axi port=status offset=direct bundle=gmem3
#endif
void nn_pack(const uint8_t *x, uint64_t x_bytes, const uint8_t *lut, uint64_t lut_bytes, uint8_t *y, uint64_t y_bytes,
	     uint32_t *status, uint64_t status_bytes, uint32_t images, uint32_t channels, uint32_t in_h, uint32_t in_w,
	     uint32_t x_skip, uint32_t x_row, uint32_t x_channel, uint32_t x_image_low, uint32_t x_image_high,
	     uint32_t kernel, uint32_t stride, uint32_t pad, uint32_t out_w, uint32_t out_channels, uint32_t y_pitch, uint32_t y_image,
	     uint32_t outside, uint32_t scale, uint32_t zero, uint32_t mode)
{
#ifndef __BAMBU__
#pragma HLS INTERFACE m_axi port=x offset=slave bundle=gmem0 max_widen_bitwidth=128
#pragma HLS INTERFACE m_axi port=lut offset=slave bundle=gmem1
#pragma HLS INTERFACE m_axi port=y offset=slave bundle=gmem2 max_widen_bitwidth=128
#pragma HLS INTERFACE m_axi port=status offset=slave bundle=gmem3
#pragma HLS INTERFACE s_axilite port=x
#pragma HLS INTERFACE s_axilite port=x_bytes
#pragma HLS INTERFACE s_axilite port=lut
#pragma HLS INTERFACE s_axilite port=lut_bytes
#pragma HLS INTERFACE s_axilite port=y
#pragma HLS INTERFACE s_axilite port=y_bytes
#pragma HLS INTERFACE s_axilite port=status
#pragma HLS INTERFACE s_axilite port=status_bytes
#pragma HLS INTERFACE s_axilite port=images
#pragma HLS INTERFACE s_axilite port=channels
#pragma HLS INTERFACE s_axilite port=in_h
#pragma HLS INTERFACE s_axilite port=in_w
#pragma HLS INTERFACE s_axilite port=x_skip
#pragma HLS INTERFACE s_axilite port=x_row
#pragma HLS INTERFACE s_axilite port=x_channel
#pragma HLS INTERFACE s_axilite port=x_image_low
#pragma HLS INTERFACE s_axilite port=x_image_high
#pragma HLS INTERFACE s_axilite port=kernel
#pragma HLS INTERFACE s_axilite port=stride
#pragma HLS INTERFACE s_axilite port=pad
#pragma HLS INTERFACE s_axilite port=out_w
#pragma HLS INTERFACE s_axilite port=out_channels
#pragma HLS INTERFACE s_axilite port=y_pitch
#pragma HLS INTERFACE s_axilite port=y_image
#pragma HLS INTERFACE s_axilite port=outside
#pragma HLS INTERFACE s_axilite port=scale
#pragma HLS INTERFACE s_axilite port=zero
#pragma HLS INTERFACE s_axilite port=mode
#pragma HLS INTERFACE s_axilite port=return
#pragma HLS ARRAY_PARTITION variable=lut_buf dim=1 complete
#pragma HLS BIND_STORAGE variable=lut_buf type=ram_2p impl=bram
#endif
	struct nn_pack_run run = NN_PACK_RUN_OF_ARGUMENTS;
	uint64_t x_at = x_skip, y_at = 0;
	uint32_t code, detail;

	if (status_bytes < KERNEL_STATUS_WORDS * 4)
		return; /* nowhere to report to */
	code = nn_pack_check(&run, x_bytes, lut_bytes, y_bytes, &detail);
	if (code == KERNEL_OK) {
		uint32_t most = nn_pack_rows(&run), groups = (run.in_h - 1) / most + 1;

		if (run.mode == NN_PACK_BYTES)
			load_lut(&run, lut);
IMAGES:
		for (uint32_t n = 0; n < run.images; n++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=16
#endif
			one_image(&run, x, y, x_at, y_at, most, groups);
			x_at += run.x_image;
			y_at += run.y_image;
		}
	}
	status[1] = detail;
	status[2] = 0;
	status[3] = 0;
	status[0] = code;
}
