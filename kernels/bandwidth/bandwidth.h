/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bandwidth: reads a buffer over and over, and writes one of the same length, to see how fast card memory is.
 *
 *   repeat times:   out[i] = in[i] for i < words;   sum of all words read -> sum[0]
 *
 * For host programs that were written for such a kernel, like kernels/adder: no bounds.
 */
#ifndef KERNELS_BANDWIDTH_H
#define KERNELS_BANDWIDTH_H

#include <stdint.h>

#define BANDWIDTH_BURST 1024 /* words of the on-chip buffer */

/* @sum: of all words of all rounds, modulo 2^64. in and out must not overlap. */
void bandwidth(const uint64_t *in, uint64_t *out, uint64_t *sum, uint32_t words, uint32_t repeat);

#endif
