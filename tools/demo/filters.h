/* SPDX-License-Identifier: BSD-2-Clause */
/* The demo's filter bank: 7x7 filters on RGB, quantised to int8 with one scale per filter. */
#ifndef DEMO_FILTERS_H
#define DEMO_FILTERS_H

#include <stdint.h>

#define FILTER_SIZE   7
#define FILTER_TERMS  (3 * FILTER_SIZE * FILTER_SIZE)
#define FILTERS_MAX   64
#define FILTERS_DEFAULT 8

struct filter_bank {
	unsigned nr;
	int8_t weight[FILTERS_MAX][3][FILTER_SIZE][FILTER_SIZE];
	float scale[FILTERS_MAX];
};

/*
 * The first eight: edges in four directions (odd Gabor functions of the brightness), spots (difference of Gaussians), red against green, blue against
 * yellow, brightness. From the ninth on: Gabor functions in eight directions, with wave length and phase changing every eight. All
 * but brightness have weights that sum to zero, so that an even surface gives the zero point.
 */
void filter_bank_make(struct filter_bank *bank, unsigned nr);
/* What filter @i looks for. */
const char *filter_name(unsigned i);

#endif
