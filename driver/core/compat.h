/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What driver/core needs from its surroundings, in the kernel and in user space.
 *
 * driver/core is the part of the driver that needs no kernel service. It is compiled into smartssd.ko, into the embedded
 * card and into the unit tests and fuzzers: one implementation.
 */
#ifndef SMARTSSD_CORE_COMPAT_H
#define SMARTSSD_CORE_COMPAT_H

#ifdef __KERNEL__

#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/types.h>

/* What is parsed or checked is a caller's. */
#define core_alloc(bytes) kvzalloc(bytes, GFP_KERNEL_ACCOUNT)
#define core_free(p)	  kvfree(p)

#else /* user space */

#include <errno.h>
#include <linux/types.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

#define core_alloc(bytes)	    calloc(1, bytes)
#define core_free(p)		    free(p)
#define check_add_overflow(a, b, d) __builtin_add_overflow(a, b, d)
#define check_mul_overflow(a, b, d) __builtin_mul_overflow(a, b, d)
#ifndef __printf
#define __printf(a, b) __attribute__((format(printf, a, b)))
#endif

#endif /* __KERNEL__ */

/* All zeros? For reserved fields. */
static inline bool core_is_zero(const void *p, size_t bytes)
{
	const u8 *b = p;

	while (bytes--)
		if (*b++)
			return false;
	return true;
}

#endif
