/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which instruction set a fast version uses: what the processor has, or what $SMARTSSD_SIMD says ("portable", "avx2" or
 * "avx512"; a set that the processor lacks is not used, the next smaller one is). Results are the same; those of the
 * convolutions to the bit.
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

/* AVX-512 with byte and word instructions, 128 and 256-bit forms, and VNNI. */
static inline int simd_avx512(void)
{
#if defined(__x86_64__)
	const char *want = getenv("SMARTSSD_SIMD");
	static int have = -1; /* as above */

	if (want && (!strcmp(want, "portable") || !strcmp(want, "avx2")))
		return 0;
	if (have < 0) /* each of these is only reported where the system saves the 512-bit registers and the masks */
		have = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
	return have;
#else
	return 0;
#endif
}

#endif
