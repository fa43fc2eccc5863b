/* SPDX-License-Identifier: BSD-2-Clause */
/* What nn_pack takes: cycles at NN_CLOCK_MHZ, after the loops of nn_pack.c, and the resources that these loops need. */
#ifndef KERNELS_NN_PACK_CYCLES_H
#define KERNELS_NN_PACK_CYCLES_H

#include "../nn_cycles.h"
#include "nn_pack_check.h"

/* Addresses and checks; the division of singles needs no DSP. */
#define NN_PACK_DSP  6u
/* row_buf: 16 banks of 2 x 2 KiB, a BRAM36 (4,096 x 9) each; lut_buf: 32 KiB, 4 KiB in a BRAM36 (4,096 x 9). The ports' FIFOs are lutram. */
#define NN_PACK_BRAM (16u + 8u)
#define NN_PACK_URAM 0u

/* Of a run that nn_pack_check_shape() accepted. */
static inline uint64_t nn_pack_cycles(const struct nn_pack_run *r)
{
	/* LOAD_CHANNEL x (LOAD_BYTES: II=1, LOAD_FLOATS: II=4): the port moves a byte per cycle; each channel's row is a loop of its own. */
	uint64_t load = r->channels * (NN_START + (uint64_t)r->in_w * r->x_element);
	/* STORE_PIXEL x STORE, flattened: II=1 */
	uint64_t store = NN_START + nn_cycles_pixels(1, r->out_w, r->out_channels, r->y_pitch, NN_LANES);
	uint64_t lut = r->mode == NN_PACK_BYTES ? NN_START + r->channels * 256ull : 0; /* LOAD_LUT: II=1 */

	/* Behind the last row's load its store */
	return lut + (uint64_t)r->images * r->in_h * nn_larger(load, store) + store;
}

#endif
