/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the fast version's parts: dispatch and portable loops (nn_add_fast.c), AVX2, AVX-512. */
#ifndef KERNELS_NN_ADD_FAST_H
#define KERNELS_NN_ADD_FAST_H

#include <stddef.h>

#include "nn_add_check.h"

/* @count (a multiple of NN_LANES) bytes that follow each other; without NN_ADD_B, b is not accessed */
void nn_add_run_avx2(const struct nn_add_run *r, const uint8_t *a, const uint8_t *b, uint8_t *y, size_t count);
void nn_add_run_avx512(const struct nn_add_run *r, const uint8_t *a, const uint8_t *b, uint8_t *y, size_t count);

#endif
