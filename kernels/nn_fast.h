/* SPDX-License-Identifier: BSD-2-Clause */
/* Pieces that the network kernels' portable versions share. */
#ifndef KERNELS_NN_FAST_H
#define KERNELS_NN_FAST_H

#include <stdint.h>

/* clip(rint(v) + zero, lo, hi), NaN gives lo; @low = lo - zero, @high = hi - zero */
static inline uint8_t nn_to_byte(float v, float low, float high, int32_t zero)
{
	v = v > low ? v : low; /* also for NaN */
	v = v < high ? v : high;
	/* |v| <= 255: adding 1.5 * 2^23 leaves no room for fraction bits, so the addition itself rounds to nearest even. */
	v = (v + 12582912.0f) - 12582912.0f;
	return (uint8_t)((int32_t)v + zero);
}

#endif
