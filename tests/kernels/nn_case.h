/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A call of one of the network kernels nn_depthwise, nn_pool, nn_add, nn_pack, and how it is tested: the HLS source and the fast version
 * (portable, AVX2, AVX-512 where there is one) must say what the test expects, write what the reference writes, and leave every other byte alone. Buffers are as large as
 * the call says, to the byte, so that the sanitizers see each access beyond them.
 */
#ifndef TESTS_KERNELS_NN_CASE_H
#define TESTS_KERNELS_NN_CASE_H

#include <stddef.h>
#include <stdint.h>

#include "../../kernels/status.h"

#define NN_CALL_SCALARS 24
#define NN_CALL_BUFFERS 4

struct nn_call {
	const struct nn_kernel *kernel;
	uint32_t s[NN_CALL_SCALARS]; /* scalar arguments in their order */
	uint64_t bytes[NN_CALL_BUFFERS]; /* of the buffers but status, in their order */
	uint64_t status_bytes;
	int y_is; /* y is this buffer, too; -1: a buffer of its own */
	/* Set by nn_call_buffers(); the last buffer is y. */
	uint8_t *p[NN_CALL_BUFFERS];
	uint32_t *status;
};

struct nn_kernel {
	const char *name;
	uint32_t scalars, buffers;
	void (*run)(struct nn_call *c, int fast);
	void (*reference)(const struct nn_call *c, uint8_t *y);
	void (*good)(struct nn_call *c); /* a small lawful call, buffers as large as it needs */
	uint32_t (*check)(const struct nn_call *c, uint32_t *detail); /* what the kernel's _check.h says */
	double (*work)(const struct nn_call *c);		       /* steps of a lawful call, about */
};

/* One scalar of the good call made wrong. */
struct nn_wrong {
	const char *what;
	uint32_t scalar, value, check;
};

void nn_call_buffers(struct nn_call *c); /* exactly sized, random bytes */
void nn_call_free(struct nn_call *c);

/* Runs all versions on the call's buffers, which exist. */
void nn_call_check(struct nn_call *c, uint32_t code, uint32_t detail, const char *what);

/* The same with buffers of its own. */
void nn_call_expect(struct nn_call *c, uint32_t code, uint32_t detail, const char *what);

void nn_call_wrong(const struct nn_kernel *k, const struct nn_wrong *w);

/* The good call, and each buffer of it a byte too short, and empty. */
void nn_call_short(const struct nn_kernel *k);

/* Without room for the status nothing is written. */
void nn_call_no_status(const struct nn_kernel *k);

/* @rounds calls with arguments as bad as can be */
void nn_call_hostile(const struct nn_kernel *k, int rounds);

/* A pitch and an image for @rows * @cols pixels of @channels, with or without gaps. */
void nn_random_layout(uint32_t rows, uint32_t cols, uint32_t channels, uint32_t *pitch, uint32_t *image);
uint64_t nn_layout_bytes(uint32_t images, uint32_t rows, uint32_t cols, uint32_t channels, uint32_t pitch, uint32_t image);

/* Bits of a multiplier: mostly about @scale, sometimes NaN, an infinity, 0, tiny, huge or negative. */
uint32_t nn_random_float(float scale);
float nn_float_of(uint32_t bits);
uint32_t nn_bits_of(float value);
uint32_t nn_random_clip(uint32_t zero);

#ifdef __SANITIZE_ADDRESS__
#define NN_SCALE(n) ((n) / 10)
#else
#define NN_SCALE(n) (n)
#endif

#endif
