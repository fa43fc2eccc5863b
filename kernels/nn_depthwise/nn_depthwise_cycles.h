/* SPDX-License-Identifier: BSD-2-Clause */
/* What nn_depthwise takes: cycles at NN_CLOCK_MHZ, after the loops of nn_depthwise.c, and the resources that these loops need. */
#ifndef KERNELS_NN_DEPTHWISE_CYCLES_H
#define KERNELS_NN_DEPTHWISE_CYCLES_H

#include "../nn_cycles.h"
#include "nn_depthwise_check.h"

/* 8 multiplications of singles in COMPUTE (a slice), 3 DSP each; addresses and checks: 8. The 64 products of bytes are made of LUTs (impl=fabric). */
#define NN_DEPTHWISE_DSP (8u * 3u + 8u)
/* y_buf: 2 x 16 KiB, 2 banks of 64-bit words each, a bank 2 BRAM36. w_buf, bias and mult are lutram, and so are the ports' FIFOs (m_axi_buffer_impl). */
#define NN_DEPTHWISE_BRAM 8u
/* x_buf: 4 banks of 2 x 2,048 words of 128 bits: two URAM side by side hold both halves */
#define NN_DEPTHWISE_URAM 8u

#define NN_DEPTHWISE_STEP   64u /* channels of a step */
#define NN_DEPTHWISE_SLICES 8u	/* cycles that requantising a step takes */

/* LOAD_COEF, LOAD_W, LOAD_X: one after the other in one process */
static inline uint64_t nn_depthwise_load_cycles(const struct nn_depthwise_run *r, uint32_t in_rows, uint32_t channels)
{
	return NN_START + 2ull * channels /* LOAD_COEF: II=2, 8 bytes */
	       + NN_START + nn_cycles_pixels(1, r->taps, channels, r->channels, NN_LANES) + NN_START +
	       nn_cycles_pixels(in_rows, r->in_w, channels, r->x_pitch, NN_LANES);
}

/* ROWS: the row before is stored while one computes; behind the last one a store. */
static inline uint64_t nn_depthwise_rows_cycles(const struct nn_depthwise_run *r, uint32_t rows, uint32_t channels)
{
	uint64_t steps = r->out_w * nn_divide_up(channels, NN_DEPTHWISE_STEP), period = nn_larger(r->taps, NN_DEPTHWISE_SLICES);
	uint64_t compute = NN_START + (steps + 1) * period; /* COMPUTE: II=1 */
	uint64_t store = NN_START + nn_cycles_pixels(1, r->out_w, channels, r->y_pitch, NN_LANES);

	return rows * nn_larger(compute, store) + store;
}

/* All row tiles of @channels channels: the next tile loads while one computes. */
static inline uint64_t nn_depthwise_channels_cycles(const struct nn_depthwise_run *r, uint32_t channels)
{
	uint64_t cycles = 0;

	for (uint32_t done = 0, rows; done < r->rows; done += rows) {
		uint32_t from, in_rows;

		rows = r->rows - done < r->tile_rows ? r->rows - done : r->tile_rows;
		in_rows = nn_axis_span(&r->h, r->first_row + done, rows, &from);
		cycles += nn_larger(nn_depthwise_load_cycles(r, in_rows, channels), nn_depthwise_rows_cycles(r, rows, channels));
	}
	return cycles;
}

/* Of a run that nn_depthwise_check_shape() accepted. CHANNEL_TILES of full size and a last one; the first tile's load is hidden by nothing. */
static inline uint64_t nn_depthwise_cycles(const struct nn_depthwise_run *r)
{
	uint32_t full = r->channels / r->tile_channels, rest = r->channels % r->tile_channels, from;
	uint32_t rows = r->rows < r->tile_rows ? r->rows : r->tile_rows;
	uint64_t image = full * nn_depthwise_channels_cycles(r, r->tile_channels) + (rest ? nn_depthwise_channels_cycles(r, rest) : 0);

	return NN_CALL + r->images * image + nn_depthwise_load_cycles(r, nn_axis_span(&r->h, r->first_row, rows, &from), r->tile_channels);
}

#endif
