/* SPDX-License-Identifier: BSD-2-Clause */
/* What nn_add takes: cycles at NN_CLOCK_MHZ, after the loops of nn_add.c, and the resources that these loops need. */
#ifndef KERNELS_NN_ADD_CYCLES_H
#define KERNELS_NN_ADD_CYCLES_H

#include "../nn_cycles.h"
#include "nn_add_check.h"

/* 1 multiplication of singles in TERMS, used for a and b in turn; addresses and checks: 6. The 16 additions are made of LUTs (impl=fabric). */
#define NN_ADD_DSP  (1u * 3u + 6u)
/* a_term, b_term and the ports' FIFOs are lutram. */
#define NN_ADD_BRAM 0u
#define NN_ADD_URAM 0u

/* Of a run that nn_add_check_shape() accepted. */
static inline uint64_t nn_add_cycles(const struct nn_add_run *r)
{
	uint64_t terms = 2 * 256 + NN_START;						   /* TERMS: II=2 */
	uint64_t words = (uint64_t)r->pixels * (r->channels / NN_LANES);		   /* PIXELS x WORDS, flattened: II=1 */
	uint64_t a = nn_cycles_pixels(1, r->pixels, r->channels, r->a_pitch, 3 * NN_LANES); /* three ports share DDR: */
	uint64_t b = nn_cycles_pixels(1, r->pixels, r->channels, r->b_pitch, 3 * NN_LANES); /* the sum of what each takes of it */
	uint64_t y = nn_cycles_pixels(1, r->pixels, r->channels, r->y_pitch, 3 * NN_LANES);

	return NN_CALL + terms + r->images * (NN_START + nn_larger(words, a + y + (r->flags & NN_ADD_B ? b : 0)));
}

#endif
