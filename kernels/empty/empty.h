/* SPDX-License-Identifier: BSD-2-Clause */
/* empty: does nothing but say so. What a launch costs, measured without the work. */
#ifndef KERNELS_EMPTY_H
#define KERNELS_EMPTY_H

#include <stdint.h>
#include "../status.h"

/* @status: KERNEL_STATUS_WORDS words; the first becomes KERNEL_OK */
void empty(uint32_t *status, uint64_t status_bytes);

#endif
