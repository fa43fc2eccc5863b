/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which instruction set a fast version uses: what the processor has, or what $SMARTSSD_SIMD says ("portable" or "avx2"; a
 * set that the processor lacks is not used). Results are the same; conv2d's to the bit.
 */
#ifndef KERNELS_SIMD_H
#define KERNELS_SIMD_H

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

static inline int simd_avx2(void)
{
#if defined(__x86_64__)
	const char *want = getenv("SMARTSSD_SIMD");
	static int have = -1; /* CPUID is slow in a virtual machine; whoever writes this writes the same */

	if (want && !strcmp(want, "portable"))
		return 0;
	if (have < 0) {
		unsigned int eax, ebx, ecx, edx;

		/* clang has no name for F16C. Its registers are those of AVX2, which is only reported where the system saves them. */
		have = __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C) && __builtin_cpu_supports("avx2") &&
		       __builtin_cpu_supports("fma");
	}
	return have;
#else
	return 0;
#endif
}

#endif
