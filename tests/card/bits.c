// SPDX-License-Identifier: BSD-2-Clause
/*
 * A bitstream for the card's tests: well-behaved kernels and all kinds of the other. Arguments: a (pointer), b
 * (pointer), n (32 bit).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef CONSTRUCTOR_CRASHES
__attribute__((constructor)) static void constructor(void)
{
	*(volatile int *)8 = 1;
}
#endif
#ifdef CONSTRUCTOR_HANGS
__attribute__((constructor)) static void constructor(void)
{
	for (;;)
		pause();
}
#endif

struct args {
	uint64_t a, b;
	uint32_t n;
};

static struct args take(const uint8_t *regs)
{
	struct args r;

	memcpy(&r.a, regs + 0x10, 8);
	memcpy(&r.b, regs + 0x1c, 8);
	memcpy(&r.n, regs + 0x28, 4);
	return r;
}

#define KERNEL(name) int smartssd_cu_##name(uint8_t *ddr, uint64_t bytes, const uint8_t *regs)
#define UNUSED	     (void)ddr, (void)bytes, (void)regs

KERNEL(empty)
{
	UNUSED;
	return 0;
}

/* b[i] = a[i] + 1 */
KERNEL(add)
{
	struct args r = take(regs);
	uint32_t *src, *dst, i;

	if (r.a > bytes || bytes - r.a < r.n * 4ull || r.b > bytes || bytes - r.b < r.n * 4ull)
		return -1;
	src = (uint32_t *)(ddr + r.a);
	dst = (uint32_t *)(ddr + r.b);
	for (i = 0; i < r.n; i++)
		dst[i] = src[i] + 1;
	return 0;
}

/* n: milliseconds */
KERNEL(slow)
{
	struct args r = take(regs);

	UNUSED;
	usleep(r.n * 1000);
	return 0;
}

KERNEL(hang)
{
	UNUSED;
	for (;;)
		;
}

KERNEL(null)
{
	UNUSED;
	*(volatile int *)4 = 1;
	return 0;
}

/* Writes at an address of its choice, before (a = 1) or behind the DDR, n pages away. */
KERNEL(wild)
{
	struct args r = take(regs);

	if (r.a)
		ddr[-4096ll * r.n - 1] = 1;
	else
		ddr[bytes + 4096ull * r.n] = 1;
	return 0;
}

KERNEL(quit)
{
	UNUSED;
	exit(3);
}

KERNEL(outside)
{
	UNUSED;
	return -1;
}

/* What a worker is: descriptors, parent, core limit. 32-bit words at a. */
KERNEL(self)
{
	struct args r = take(regs);
	uint32_t *out = (uint32_t *)(ddr + r.a), fd, n = 0;
	char name[64];

	UNUSED;
	for (fd = 0; fd < 1024; fd++) {
		snprintf(name, sizeof(name), "/proc/self/fd/%u", fd);
		n += !access(name, F_OK);
	}
	out[0] = n;
	out[1] = getpid();
	out[2] = getppid();
	return 0;
}

/* Prints: must not end up in the host program's output. */
KERNEL(noisy)
{
	UNUSED;
	printf("noise on standard output\n");
	fflush(stdout);
	return 0;
}
