/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_XCLBIN_TYPES_H
#define TESTS_XCLBIN_TYPES_H

#include <stdbool.h>
#include <stdint.h>

/* What kernel "types" says that it was given. */
struct types {
	int64_t i64;
	uint64_t u64_;
	double d;
	int32_t i32;
	uint32_t u32_, first;
	float f;
	int16_t i16;
	uint16_t u16_;
	int8_t i8;
	uint8_t u8_, b, helper;
};

#endif
