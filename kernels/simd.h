/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which instruction set a fast version uses: what the processor has, or what $SMARTSSD_SIMD says ("portable" or "avx2"; a
 * set that the processor lacks is not used). Results are the same; conv2d's to the bit.
 */
#ifndef KERNELS_SIMD_H
#define KERNELS_SIMD_H

#include <stdlib.h>
#include <string.h>

static inline int simd_avx2(void)
{
#if defined(__x86_64__)
	const char *want = getenv("SMARTSSD_SIMD");

	if (want && !strcmp(want, "portable"))
		return 0;
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
#else
	return 0;
#endif
}

#endif
