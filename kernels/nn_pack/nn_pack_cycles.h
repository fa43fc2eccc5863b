/* SPDX-License-Identifier: BSD-2-Clause */
/* What nn_pack takes: cycles at NN_CLOCK_MHZ, after the loops of nn_pack.c, and the resources that these loops need. */
#ifndef KERNELS_NN_PACK_CYCLES_H
#define KERNELS_NN_PACK_CYCLES_H

#include "../nn_cycles.h"
#include "nn_pack_check.h"

/* Addresses and checks: 6; what is cut off by rounding: a subtraction of singles per lane. Their divisions need no DSP. */
#define NN_PACK_DSP  (6u + 2u * NN_PACK_STEP)
/* rows_buf: 16 banks of 2 x 2 KiB, a BRAM36 (4,096 x 9) each; lut_buf: 32 KiB per lane, 4 KiB in a BRAM36. The ports' FIFOs are lutram. */
#define NN_PACK_BRAM (16u + 8u * NN_PACK_STEP)
#define NN_PACK_URAM 0u

/* Of @rows rows. */
static inline uint64_t nn_pack_load_cycles(const struct nn_pack_run *r, uint64_t rows)
{
	/* LOAD: II=1; a channel's row begins with its first word, then a group of elements per cycle */
	uint64_t groups = rows * r->channels * (1 + nn_divide_up(r->in_w, nn_pack_lanes(r)));
	/* The port moves a word per cycle, each on its own: the bytes of a row begin anywhere in its first word. */
	uint64_t words = rows * r->channels * nn_divide_up(NN_LANES - 1 + (uint64_t)r->in_w * r->x_element, NN_LANES);

	return NN_START + nn_larger(groups, nn_cycles_move(words, NN_LANES, NN_LANES));
}

/* STORE_ROW x STORE_PIXEL x STORE, flattened: II=1 */
static inline uint64_t nn_pack_store_cycles(const struct nn_pack_run *r, uint64_t rows)
{
	return NN_START + nn_cycles_pixels(1, rows * r->out_w, r->out_channels, r->y_pitch, NN_LANES);
}

/* Of a run that nn_pack_check_shape() accepted. */
static inline uint64_t nn_pack_cycles(const struct nn_pack_run *r)
{
	uint64_t rows = nn_pack_rows(r), whole = r->in_h / rows, left = r->in_h % rows;
	uint64_t lut = r->mode == NN_PACK_BYTES ? NN_START + r->channels * 256ull : 0; /* LOAD_LUT: II=1 */
	uint64_t image = whole * nn_larger(nn_pack_load_cycles(r, rows), nn_pack_store_cycles(r, rows));

	if (left)
		image += nn_larger(nn_pack_load_cycles(r, left), nn_pack_store_cycles(r, left));
	/* Behind an image's last load its store: the next image is a DATAFLOW region of its own */
	return NN_CALL + lut + r->images * (image + nn_pack_store_cycles(r, left ? left : rows));
}

#endif
