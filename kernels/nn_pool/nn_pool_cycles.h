/* SPDX-License-Identifier: BSD-2-Clause */
/* What nn_pool takes: cycles at NN_CLOCK_MHZ, after the loops of nn_pool.c, and the resources that these loops need. */
#ifndef KERNELS_NN_POOL_CYCLES_H
#define KERNELS_NN_POOL_CYCLES_H

#include "../nn_cycles.h"
#include "nn_pool_check.h"

/* 8 multiplications of singles in COMPUTE (a slice), 3 DSP each; addresses and checks: 6. Divisions of singles need no DSP. */
#define NN_POOL_DSP (8u * 3u + 6u)
/* x_buf: 2 x 64 KiB of 128-bit words in 4 banks, 4 KiB in a BRAM36; y_buf: 2 x 16 KiB, 2 banks of 64-bit words each. The ports' FIFOs are lutram. */
#define NN_POOL_BRAM (32u + 8u)
#define NN_POOL_URAM 0u

#define NN_POOL_STEP   64u /* channels of a step */
#define NN_POOL_SLICES 8u  /* cycles that finishing a step takes */

/* ROWS of @channels channels: LOAD, COMPUTE and STORE of three rows overlap. */
static inline uint64_t nn_pool_channels_cycles(const struct nn_pool_run *r, uint32_t channels)
{
	uint64_t steps = r->out_w * nn_divide_up(channels, NN_POOL_STEP), period = nn_larger(r->taps, NN_POOL_SLICES);
	uint64_t compute = NN_START + (steps + 1) * period; /* COMPUTE: II=1 */
	uint64_t store = NN_START + nn_cycles_pixels(1, r->out_w, channels, r->y_pitch, NN_LANES);
	uint64_t cycles = 0;

	for (uint32_t i = 0; i < r->rows; i++) {
		uint32_t from, in_rows = nn_axis_span(&r->h, r->first_row + i, 1, &from);
		uint64_t load = NN_START + nn_cycles_pixels(in_rows, r->in_w, channels, r->x_pitch, NN_LANES);

		cycles += nn_larger(load, nn_larger(compute, store));
	}
	return cycles;
}

/* Of a run that nn_pool_check_shape() accepted. The first load is hidden by nothing, nor are the last row's computing and storing. */
static inline uint64_t nn_pool_cycles(const struct nn_pool_run *r)
{
	uint32_t full = r->channels / r->tile_channels, rest = r->channels % r->tile_channels, from;
	uint32_t last = rest ? rest : r->tile_channels;
	uint64_t image = full * nn_pool_channels_cycles(r, r->tile_channels) + (rest ? nn_pool_channels_cycles(r, rest) : 0);
	uint64_t first_load = NN_START + nn_cycles_pixels(nn_axis_span(&r->h, r->first_row, 1, &from), r->in_w, r->tile_channels, r->x_pitch, NN_LANES);

	return NN_CALL + r->images * image + first_load + (r->out_w * nn_divide_up(last, NN_POOL_STEP) + 1) * nn_larger(r->taps, NN_POOL_SLICES) + NN_START +
	       nn_cycles_pixels(1, r->out_w, last, r->y_pitch, NN_LANES);
}

#endif
