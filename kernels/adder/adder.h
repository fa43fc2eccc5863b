/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * adder: out[i] = in[i] + increment, for i < size, in 32-bit integers that wrap.
 *
 * For host programs that were written for such a kernel: the arguments are those, in that order, without bounds. So nothing keeps it inside its
 * buffers but its caller, and it is in an xclbin of its own, which is no one for several users' data.
 */
#ifndef KERNELS_ADDER_H
#define KERNELS_ADDER_H

#include <stdint.h>

#define ADDER_BURST 1024 /* elements of the on-chip buffer */

/* in and out may be the same buffer. */
void adder(const int32_t *in, int32_t *out, int32_t increment, uint32_t size);

#endif
