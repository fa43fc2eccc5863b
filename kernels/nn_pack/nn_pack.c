// SPDX-License-Identifier: BSD-2-Clause
/*
 * nn_pack, the HLS source. nn_pack.h says what it computes, nn_pack_check.h what it refuses.
 *
 *   load  lut -> lut_buf (NN_PACK_BYTES)
 *   for each image, row (the next row loads while this one is stored):
 *     load   each channel's row, an element after the other, quantised -> row_buf, [column][channel]
 *     store  for each output column: row_buf from column j * stride - pad on, kernel * channels bytes that follow each other -> y
 *
 * x may begin anywhere, so its port is 8 bits wide: a byte per cycle. y_pitch and the like are multiples of NN_LANES: with y aligned as card
 * memory is handed out, its port is 128 bits wide. Byte p of the row lies in bank p % NN_LANES, so that the NN_LANES bytes of a word come from
 * different banks wherever they begin.
 */
#include "../nn_quantise.h"
#include "nn_pack_check.h"

#define BANK_BYTES (NN_PACK_ROW_BYTES / NN_LANES)

_Static_assert((BANK_BYTES & (BANK_BYTES - 1)) == 0, "addresses are cut by a mask");

static uint8_t lut_buf[NN_PACK_LUT];

static void load_lut(const struct nn_pack_run *r, const uint8_t *lut)
{
LOAD_LUT:
	for (uint32_t i = 0; i < r->channels * 256; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=256 max=32768
#pragma HLS PIPELINE II=1
#endif
		lut_buf[i] = lut[i];
	}
}

static void load_bytes(const struct nn_pack_run *r, const uint8_t *x, uint64_t from, uint32_t channel, uint8_t row_buf[NN_LANES][BANK_BYTES])
{
	uint32_t to = channel;

LOAD_BYTES:
	for (uint32_t i = 0; i < r->in_w; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=224
#pragma HLS PIPELINE II=1
#endif
		row_buf[to % NN_LANES][to / NN_LANES] = lut_buf[channel * 256 + x[from + i]];
		to += r->channels;
	}
}

static void load_floats(const struct nn_pack_run *r, const uint8_t *x, uint64_t from, uint32_t channel, uint8_t row_buf[NN_LANES][BANK_BYTES])
{
	float scale = nn_float(r->scale);
	uint32_t to = channel;

LOAD_FLOATS:
	for (uint32_t i = 0; i < r->in_w; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=224
#pragma HLS PIPELINE II=4
#endif
		uint32_t bits = x[from] | (uint32_t)x[from + 1] << 8 | (uint32_t)x[from + 2] << 16 | (uint32_t)x[from + 3] << 24;

		row_buf[to % NN_LANES][to / NN_LANES] = nn_quantise(nn_float(bits) / scale, (int32_t)r->zero, 0, 255);
		to += r->channels;
		from += 4;
	}
}

static void load(const struct nn_pack_run *r, const uint8_t *x, uint64_t from, uint8_t row_buf[NN_LANES][BANK_BYTES])
{
LOAD_CHANNEL:
	for (uint32_t c = 0; c < r->channels; c++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=4
#endif
		if (r->mode == NN_PACK_FLOAT)
			load_floats(r, x, from, c, row_buf);
		else
			load_bytes(r, x, from, c, row_buf);
		from += r->x_channel;
	}
}

static void store(const struct nn_pack_run *r, uint8_t *y, uint64_t to, const uint8_t row_buf[NN_LANES][BANK_BYTES])
{
	int64_t row_bytes = (int64_t)r->in_w * r->channels, step = (int64_t)r->stride * r->channels;
	int64_t first = -(int64_t)r->pad * r->channels; /* where in the row the pixel's bytes begin */

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
			uint32_t begin = (uint32_t)(pixel + at); /* modulo 2^32: only its low bits count */
			uint8_t banks[NN_LANES], word[NN_LANES];

			for (uint32_t b = 0; b < NN_LANES; b++)
				banks[b] = row_buf[b][(begin + ((b - begin) & (NN_LANES - 1))) / NN_LANES & (BANK_BYTES - 1)];
			for (uint32_t lane = 0; lane < NN_LANES; lane++) {
				int64_t position = pixel + at + lane;
				uint8_t byte = banks[(begin + lane) & (NN_LANES - 1)];

				word[lane] = at + lane >= r->used			     ? 0
					     : position >= 0 && position < row_bytes ? byte
										     : (uint8_t)r->outside;
			}
			for (uint32_t lane = 0; lane < NN_LANES; lane++)
				y[to + (uint64_t)j * r->y_pitch + at + lane] = word[lane];
		}
	}
}

/* The buffer exists twice: DATAFLOW lets the next call load while this one stores. */
static void one_row(const struct nn_pack_run *r, const uint8_t *x, uint8_t *y, uint64_t from, uint64_t to)
{
	uint8_t row_buf[NN_LANES][BANK_BYTES];

#ifndef __BAMBU__
#pragma HLS DATAFLOW
#pragma HLS ARRAY_PARTITION variable=row_buf dim=1 complete
#pragma HLS BIND_STORAGE variable=row_buf type=ram_2p impl=bram
#endif
	load(r, x, from, row_buf);
	store(r, y, to, row_buf);
}

static void one_image(const struct nn_pack_run *r, const uint8_t *x, uint8_t *y, uint64_t from, uint64_t to)
{
ROWS:
	for (uint32_t h = 0; h < r->in_h; h++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=224
#endif
		one_row(r, x, y, from, to);
		from += r->x_row;
		to += (uint64_t)r->out_w * r->y_pitch;
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
	     uint32_t x_row, uint32_t x_channel, uint32_t x_image_low, uint32_t x_image_high,
	     uint32_t kernel, uint32_t stride, uint32_t pad, uint32_t out_w, uint32_t out_channels, uint32_t y_pitch, uint32_t y_image,
	     uint32_t outside, uint32_t scale, uint32_t zero, uint32_t mode)
{
#ifndef __BAMBU__
#pragma HLS INTERFACE m_axi port=x offset=slave bundle=gmem0
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
#pragma HLS BIND_STORAGE variable=lut_buf type=ram_2p impl=bram
#endif
	struct nn_pack_run run = NN_PACK_RUN_OF_ARGUMENTS;
	uint64_t x_at = 0, y_at = 0;
	uint32_t code, detail;

	if (status_bytes < KERNEL_STATUS_WORDS * 4)
		return; /* nowhere to report to */
	code = nn_pack_check(&run, x_bytes, lut_bytes, y_bytes, &detail);
	if (code == KERNEL_OK) {
		if (run.mode == NN_PACK_BYTES)
			load_lut(&run, lut);
IMAGES:
		for (uint32_t n = 0; n < run.images; n++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=16
#endif
			one_image(&run, x, y, x_at, y_at);
			x_at += run.x_image;
			y_at += run.y_image;
		}
	}
	status[1] = detail;
	status[2] = 0;
	status[3] = 0;
	status[0] = code;
}
