// SPDX-License-Identifier: BSD-2-Clause
#include <string.h>

#include "mac.h"

int64_t mac_step(int64_t sum, int32_t x, int32_t x_zero, int32_t w, int32_t w_zero)
{
	return sum + ((int64_t)x - x_zero) * ((int64_t)w - w_zero);
}

int32_t mac_saturate(int64_t sum)
{
	if (sum > INT32_MAX)
		return INT32_MAX;
	if (sum < INT32_MIN)
		return INT32_MIN;
	return (int32_t)sum;
}

float mac_multiplier(float x_scale, float w_scale, float y_scale)
{
	float product = x_scale * w_scale;

	return product / y_scale;
}

float mac_rint(float value)
{
	int32_t whole;
	float rest;

	/* A single of 2^23 or more has no fraction bits (and need not fit an int); a NaN fails the comparison, too. */
	if (!(value > -8388608.0f && value < 8388608.0f))
		return value;
	whole = (int32_t)value;	     /* towards zero */
	rest = value - (float)whole; /* exact */
	if (rest > 0.5f || (rest == 0.5f && (whole & 1)))
		whole++;
	else if (rest < -0.5f || (rest == -0.5f && (whole & 1)))
		whole--;
	return (float)whole;
}

int32_t mac_requantise(int32_t acc, float mult, int32_t y_zero, int32_t lo, int32_t hi)
{
	float product = (float)acc * mult;
	double y = (double)mac_rint(product) + y_zero; /* exact wherever it is not clipped anyway */

	if (!(y > lo))
		return lo;
	if (y > hi)
		return hi;
	return (int32_t)y;
}

float mac_half_to_float(uint16_t half)
{
	uint32_t sign = (uint32_t)(half >> 15) << 31;
	uint32_t exponent = half >> 10 & 31;
	uint32_t fraction = half & 1023;
	uint32_t bits;
	float value;

	if (exponent == 0) {
		/* zero or subnormal: fraction * 2^-24, which a single holds exactly */
		value = (float)fraction * (1.0f / 16777216.0f);
		return sign ? -value : value;
	}
	if (exponent == 31)
		bits = sign | 0x7f800000u | fraction << 13 | (fraction ? 0x00400000u : 0); /* NaNs become quiet */
	else
		bits = sign | (exponent - 15 + 127) << 23 | fraction << 13;
	memcpy(&value, &bits, sizeof(value));
	return value;
}

uint16_t mac_float_to_half(float value)
{
	uint32_t bits, sign, magnitude, fraction, dropped, half_way, shift;
	int32_t exponent;
	uint16_t half;

	memcpy(&bits, &value, sizeof(bits));
	sign = bits >> 31 << 15;
	magnitude = bits & 0x7fffffffu;
	if (magnitude > 0x7f800000u)
		return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 0x1ffu));
	if (magnitude == 0x7f800000u)
		return (uint16_t)(sign | 0x7c00u);
	exponent = (int32_t)(magnitude >> 23) - 127;
	fraction = magnitude & 0x7fffffu;
	if (exponent > 15)
		return (uint16_t)(sign | 0x7c00u);
	if (exponent < -25) /* below half of the smallest subnormal */
		return (uint16_t)sign;
	if (exponent >= -14) {
		half = (uint16_t)((uint32_t)(exponent + 15) << 10 | fraction >> 13);
		shift = 13;
	} else {
		fraction |= 0x800000u;
		shift = (uint32_t)(-exponent - 1); /* 14 (2^-15 needs one more than 13) to 24 */
		half = (uint16_t)(fraction >> shift);
	}
	dropped = fraction & ((1u << shift) - 1);
	half_way = 1u << (shift - 1);
	/* A carry out of the fraction goes into the exponent, and from the largest number to infinity: just as rounding
	 * should. */
	if (dropped > half_way || (dropped == half_way && (half & 1)))
		half++;
	return (uint16_t)(sign | half);
}
