/* SPDX-License-Identifier: BSD-2-Clause */
/* From a float to a byte, as the HLS sources of the network kernels do it. */
#ifndef KERNELS_NN_QUANTISE_H
#define KERNELS_NN_QUANTISE_H

#include <stdint.h>

/* clip(rint(v) + zero, lo, hi), NaN gives lo. Clipped before rounding: the bounds are integers, so the result is the same, and what is rounded
 * is small. Ties to even without a library: truncate, then look at what was cut off (exact). */
static inline uint8_t nn_quantise(float v, int32_t zero, int32_t lo, int32_t hi)
{
	float low = (float)(lo - zero), high = (float)(hi - zero), rest;
	int32_t whole;

	v = v > low ? v : low; /* also for NaN */
	v = v < high ? v : high;
	whole = (int32_t)v;
	rest = v - (float)whole;
	if (rest > 0.5f || (rest == 0.5f && (whole & 1)))
		whole++;
	else if (rest < -0.5f || (rest == -0.5f && (whole & 1)))
		whole--;
	return (uint8_t)(whole + zero);
}

static inline int32_t nn_add_saturate(int32_t a, int32_t b)
{
	int64_t sum = (int64_t)a + b;

	return sum > 2147483647 ? 2147483647 : sum < -2147483647 - 1 ? -2147483647 - 1 : (int32_t)sum;
}

#endif
