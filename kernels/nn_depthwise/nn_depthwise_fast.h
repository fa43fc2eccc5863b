/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the fast version's parts: dispatch and portable loops (nn_depthwise_fast.c), AVX2, AVX-512. */
#ifndef KERNELS_NN_DEPTHWISE_FAST_H
#define KERNELS_NN_DEPTHWISE_FAST_H

#include <stddef.h>

#include "nn_depthwise_check.h"

/* Taps of a run that nn_depthwise_check() accepts */
#define NN_DEPTHWISE_MAX_TAPS (NN_DEPTHWISE_W_BYTES / NN_LANES)

/* A checked run and its buffers. */
struct nn_depthwise_job {
	struct nn_depthwise_run r;
	const uint8_t *x;
	const int8_t *w;
	const uint32_t *coef;
	uint8_t *y;
	uint8_t outside[NN_DEPTHWISE_CHANNELS]; /* x_zero everywhere: what taps outside of the image read */
};

/*
 * Where the taps of an output read: taps[i], the channels from @channel on of the image that begins at @x; those outside of the image in
 * job->outside. Returns 1 when all lie in the image.
 */
int nn_depthwise_place(const struct nn_depthwise_job *job, const uint8_t *x, uint32_t oh, uint32_t ow, uint32_t channel, const uint8_t **taps);

void nn_depthwise_run_avx2(const struct nn_depthwise_job *job);
void nn_depthwise_run_avx512(const struct nn_depthwise_job *job);

#endif
