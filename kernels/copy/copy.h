/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * copy: out[i] = in[i], for i < size bytes.
 *
 * For host programs that were written for such a kernel, like kernels/adder: no bounds.
 */
#ifndef KERNELS_COPY_H
#define KERNELS_COPY_H

#include <stdint.h>

#define COPY_BURST 4096 /* bytes of the on-chip buffer */

/* in and out must not overlap. */
void copy(const uint8_t *in, uint8_t *out, uint64_t size);

#endif
