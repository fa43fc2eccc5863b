// SPDX-License-Identifier: BSD-2-Clause
/*
 * Ranks by Zipf's law, P(k) ~ (k + 1)^-s for k = 0..n-1, and a permutation that spreads them over the rows.
 *
 * Rejection-inversion (W. Hormann, G. Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions", ACM TOMACS 6(3),
 * 1996): with h(x) = x^-s and
 * its integral H, H(k + 1/2) - H(k - 1/2) >= h(k) as h is convex. So draw u evenly from the area under the curve, x = H^-1(u), k = round(x), and
 * keep k when u lies in the part
 * of k's strip that has the area h(k). For k = 1 the strip is made that wide from the beginning. No table.
 *
 * exp() and log() are our own, because the C library's differ between versions, and between machines with and without fused multiply-add, in the
 * last bit; that would be
 * another trace once in many million samples. Additions, multiplications and divisions are exactly defined.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "trace.h"
#include "trace_impl.h"

#define LN2_HIGH 0x1.62e42fee00000p-1 /* has 21 zero bits at its end: k * LN2_HIGH is exact */
#define LN2_LOW	 0x1.a39ef35793c76p-33

/* 2 * atanh(f) for |f| <= 1/3 */
static double twice_atanh(double f)
{
	double f2 = f * f, sum = 0;

	for (int k = 33; k >= 1; k -= 2)
		sum = sum * f2 + 1.0 / k;
	return 2 * f * sum;
}

/* x > 0 and normal */
static double fixed_log(double x)
{
	int k;
	double m = frexp(x, &k); /* [0.5, 1) */

	if (m < 0.70710678118654752) {
		m *= 2;
		k--;
	}
	return k * LN2_HIGH + (twice_atanh((m - 1) / (m + 1)) + k * LN2_LOW);
}

/* (e^t - 1) / t for |t| <= 0.5: sum of t^k / (k + 1)! */
static double series_expm1(double t)
{
	double sum = 1;

	for (int k = 17; k >= 2; k--)
		sum = 1 + sum * t * (1.0 / k);
	return sum;
}

static double fixed_exp(double t)
{
	double k = floor(t * 1.4426950408889634 + 0.5), r = t - k * LN2_HIGH - k * LN2_LOW;

	return ldexp(1 + r * series_expm1(r), (int)k);
}

/* (e^t - 1) / t and log(1 + t) / t, without loss near 0 */
static double expm1_over(double t)
{
	return fabs(t) <= 0.5 ? series_expm1(t) : (fixed_exp(t) - 1) / t;
}

static double log1p_over(double t)
{
	if (t == 0)
		return 1;
	return (fabs(t) <= 0.5 ? twice_atanh(t / (2 + t)) : fixed_log(1 + t)) / t;
}

struct zipf {
	double n, s;
	double first, last; /* H(3/2) - h(1), H(n + 1/2): u is between them */
	double near;	    /* k - x at most this: k without computing anything more */
};

static double h(const struct zipf *z, double x)
{
	return fixed_exp(-z->s * fixed_log(x));
}

/* Integral of h from 1 to x: (x^(1-s) - 1) / (1 - s), log(x) for s = 1 */
static double big_h(const struct zipf *z, double x)
{
	double log_x = fixed_log(x);

	return log_x * expm1_over((1 - z->s) * log_x);
}

static double big_h_inverse(const struct zipf *z, double u)
{
	double t = u * (1 - z->s);

	/* By rounding it could be at or below -1, where the power ends. */
	if (t < -1 + 0x1p-52)
		t = -1 + 0x1p-52;
	return fixed_exp(u * log1p_over(t));
}

int zipf_create(uint64_t n, double exponent, struct zipf **out)
{
	struct zipf *z;

	*out = NULL;
	if (!n || n > 1ull << 48 || !(exponent > 0 && exponent <= ZIPF_MAX_EXPONENT))
		return -EINVAL;
	z = malloc(sizeof(*z));
	if (!z)
		return -ENOMEM;
	z->n = (double)n;
	z->s = exponent;
	z->first = big_h(z, 1.5) - 1;
	z->last = big_h(z, z->n + 0.5);
	z->near = 2 - big_h_inverse(z, big_h(z, 2.5) - h(z, 2));
	*out = z;
	return 0;
}

void zipf_destroy(struct zipf *z)
{
	free(z);
}

uint64_t zipf_sample(const struct zipf *z, uint64_t *state)
{
	for (;;) {
		double u = z->last + (double)(trace_random(state) >> 11) * 0x1p-53 * (z->first - z->last);
		double x = big_h_inverse(z, u), k = floor(x + 0.5);

		k = k < 1 ? 1 : k > z->n ? z->n : k;
		if (k - x <= z->near || u >= big_h(z, k + 0.5) - h(z, k))
			return (uint64_t)k - 1;
	}
}

/*
 * A Feistel network with halves of n's bits, rounds alternating between the halves: a permutation of the next power of two. What it sends beyond n
 * goes through again
 * until it is inside, which walks along a cycle and therefore keeps it a permutation; less than two walks on average.
 */
uint64_t trace_permute(uint64_t n, uint64_t seed, uint64_t i)
{
	unsigned int bits = n > 1 ? 64 - (unsigned int)__builtin_clzll(n - 1) : 0, low = (bits + 1) / 2, high = bits - low;
	uint64_t low_mask = (1ull << low) - 1, high_mask = (1ull << high) - 1;

	if (n <= 1)
		return 0;
	do {
		uint64_t l = i >> low & high_mask, r = i & low_mask, key = seed;

		for (int round = 0; round < 3; round++) {
			key += TRACE_GOLDEN;
			l ^= trace_mix(r + trace_mix(key)) & high_mask;
			key += TRACE_GOLDEN;
			r ^= trace_mix(l + trace_mix(key)) & low_mask;
		}
		i = l << low | r;
	} while (i >= n);
	return i;
}
