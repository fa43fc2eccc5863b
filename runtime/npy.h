/* SPDX-License-Identifier: BSD-2-Clause */
/* What reading and writing .npy files share, and what a tool that writes one in a stream needs. Nothing here is exported. */
#ifndef SMARTSSD_RUNTIME_NPY_H
#define SMARTSSD_RUNTIME_NPY_H

#include "private.h"

#define SMARTSSD_NPY_HEADER 512 /* bytes that a header has at most: SMARTSSD_MAX_DIMS numbers of 20 digits are 260 of them */

/* "<f4", ...; @type must be one. */
const char *smartssd_type_descr(uint32_t type);
/* Of all elements, by type and shape: -EOVERFLOW. An array with a dimension of 0 has 0, whatever the others are. */
int smartssd_array_bytes(const struct smartssd_array *array, uint64_t *bytes);
/* The header of version 1.0; its length, a multiple of 64 as NumPy makes it, so that the elements are aligned. */
int smartssd_npy_header(const struct smartssd_array *array, char head[SMARTSSD_NPY_HEADER]);

#endif
