/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the cycle models of the small network kernels share. A model counts the iterations of a kernel's pipelined loops (initiation interval 1)
 * and what its DDR accesses take; phases that DATAFLOW overlaps count once, as the slower one.
 */
#ifndef KERNELS_NN_CYCLES_H
#define KERNELS_NN_CYCLES_H

#include <stdint.h>

#define NN_CLOCK_MHZ 300u
/* From the first address to the first word: DDR, interconnect and adapter; and what fills a pipeline and starts a DATAFLOW process. An estimate. */
#define NN_START 100u
/* Once in a call: the arguments are checked before anything is read, and the status is written when everything else is done. An estimate. */
#define NN_CALL (2u * NN_START)
/* What DDR moves at least: a burst of 8 words of 64 bits */
#define NN_DDR_BURST 64u
/* 15,419 MB/s measured / 300 MHz = 51.4 bytes per cycle */
#define NN_DDR_BYTES_5 257u /* in 5 cycles */

static inline uint64_t nn_divide_up(uint64_t a, uint64_t b)
{
	return (a + b - 1) / b;
}

static inline uint64_t nn_larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Cycles to move @runs runs of @bytes through a port of @port bytes: the port, or DDR when runs are short. */
static inline uint64_t nn_cycles_move(uint64_t runs, uint64_t bytes, uint32_t port)
{
	uint64_t ddr = nn_divide_up(runs * nn_larger(bytes, NN_DDR_BURST) * 5, NN_DDR_BYTES_5);

	return nn_larger(runs * nn_divide_up(bytes, port), ddr);
}

/* The same for @pixels pixels in @rows rows: one run per row when pixels have no gaps between them, else one per pixel. */
static inline uint64_t nn_cycles_pixels(uint64_t rows, uint64_t cols, uint64_t channels, uint64_t pitch, uint32_t port)
{
	return channels == pitch ? nn_cycles_move(rows, cols * channels, port) : nn_cycles_move(rows * cols, channels, port);
}

#endif
