/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MAC core: what multiply-accumulate, requantisation, clip and the number formats mean here, bit for bit. Everything
 * that computes (HLS kernels, fast versions, hardware) is compared with these functions; they share no code with it. No
 * libm, no compiler extension: IEEE single arithmetic in the default rounding mode is all that is assumed.
 */
#ifndef KERNELS_REFERENCE_MAC_H
#define KERNELS_REFERENCE_MAC_H

#include <stdint.h>

/* sum + (x - x_zero) * (w - w_zero) */
int64_t mac_step(int64_t sum, int32_t x, int32_t x_zero, int32_t w, int32_t w_zero);

/* Nearest int32. */
int32_t mac_saturate(int64_t sum);

/* (x_scale * w_scale) / y_scale, each operation rounded to IEEE single. */
float mac_multiplier(float x_scale, float w_scale, float y_scale);

/* Nearest integer, ties to even (IEEE rint in the default mode), as a float. NaN and infinities are returned as they are.
 */
float mac_rint(float value);

/*
 * clip(rint((float)acc * mult) + y_zero, lo, hi): the conversion of acc and the product are rounded to IEEE single, the
 * rest is exact. A NaN (mult is one, or 0 * infinity) gives lo.
 */
int32_t mac_requantise(int32_t acc, float mult, int32_t y_zero, int32_t lo, int32_t hi);

/* IEEE binary16. To half: nearest, ties to even, overflow to infinity; a NaN stays a (quiet) NaN. From half: exact. */
float mac_half_to_float(uint16_t half);
uint16_t mac_float_to_half(float value);

#endif
