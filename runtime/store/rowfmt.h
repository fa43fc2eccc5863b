/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows of embedding tables as they lie on the drive, byte-compatible with FBGEMM's fused row-wise formats. Pure: no files, no device.
 *
 *   fp32           dim floats
 *   fp16           dim IEEE binary16
 *   int8-rowwise   dim unsigned bytes, then float scale, then float bias:       element = byte * scale + bias
 *   int4-rowwise   (dim + 1) / 2 bytes, element 2i in the low half of byte i, then binary16 scale, then binary16 bias
 *
 * Quantising is FBGEMM's, to the byte (FloatOrHalfToFused8BitRowwiseQuantizedSBFloat, ...FusedNBitRowwise...SBHalf; PyTorch's
 * quantized::embedding_bag_byte_prepack and embedding_bag_4bit_prepack give the same):
 *   int8   bias = min, scale = (max - min) / 255, element = rint((x - min) * (255 / (max - min + 1e-8)))
 *   int4   bias = min in binary16, scale = (max - bias) / 15 in binary16, 1 where that is 0 or has no finite inverse;
 *          element = rint((x - bias) * (1 / scale)), limited to 0..15
 * all in single precision. Numbers that are not finite are refused.
 */
#ifndef SMARTSSD_STORE_ROWFMT_H
#define SMARTSSD_STORE_ROWFMT_H

#include "../libsmartssd.h"

/* @format: SMARTSSD_ROWS_* of libsmartssd.h */
const char *rowfmt_name(uint32_t format); /* "fp32", "fp16", "int8-rowwise", "int4-rowwise"; NULL: no such format */
int rowfmt_by_name(const char *name, uint32_t *format); /* -EINVAL */
/* Bytes of a row; 0: dim is 0 or above ROWFMT_MAX_DIM, or no such format. */
uint32_t rowfmt_bytes(uint32_t format, uint32_t dim);
#define ROWFMT_MAX_DIM 4096u

/* @rows rows of @dim floats into @out (rowfmt_bytes() each, one behind the other). -EDOM: *bad_row has a number that is not finite, or too large for fp16. */
int rowfmt_encode(uint32_t format, uint32_t dim, const float *x, uint64_t rows, void *out, uint64_t *bad_row);
/* The inverse: exactly the values that the kernels compute with. */
void rowfmt_decode(uint32_t format, uint32_t dim, const void *in, uint64_t rows, float *x);

/* CRC-32C (Castagnoli), as iSCSI and ext4 use it: SSE4.2 where there is one. @crc: 0, or that of what came before. */
uint32_t rowfmt_crc32c(uint32_t crc, const void *data, size_t bytes);

#endif
