/* SPDX-License-Identifier: BSD-2-Clause */
/* How often the labelled loops of the network kernels' HLS sources turn. counted.mk puts NN_COUNT() into each of them. */
#ifndef TESTS_KERNELS_NN_COUNT_H
#define TESTS_KERNELS_NN_COUNT_H

#include <stdint.h>

enum nn_loop {
	COUNT_LOAD_X, COUNT_LOAD_W, COUNT_LOAD_COEF, COUNT_LOAD_R, COUNT_STEPS, COUNT_STORE, COUNT_POOL, COUNT_CHUNKS, COUNT_TILES, /* nn_conv, some in others, too */
	COUNT_LOAD_W_TAP, COUNT_LOAD_X_PIXEL, COUNT_COMPUTE, COUNT_STORE_PIXEL, COUNT_ROWS, COUNT_IMAGES,
	COUNT_LOAD, COUNT_LOAD_PIXEL,			     /* nn_pool */
	COUNT_LOAD_LUT, COUNT_STORE_ROW,		     /* nn_pack */
	COUNT_TERMS, COUNT_PIXELS, COUNT_WORDS,		     /* nn_add */
	NN_LOOPS
};

extern uint64_t nn_counts[NN_LOOPS];

#define NN_COUNT(loop) (nn_counts[COUNT_##loop]++)

#endif
