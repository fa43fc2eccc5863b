/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nn_conv's cycle model, after the loops of nn_conv.c (named in capitals), and what it claims of the FPGA. Needs checked arguments. A model: nothing
 * here was measured but DDR's bandwidth (kernels/nn_cycles.h).
 */
#ifndef KERNELS_NN_CONV_CYCLES_H
#define KERNELS_NN_CONV_CYCLES_H

#include "../nn_cycles.h"
#include "nn_conv_check.h"

/*
 * DSP: the array multiplies NN_PIXELS x NN_LANES x NN_FILTERS bytes, two products in a DSP48E2 (step(): a pixel's byte with two filters' weights);
 * requantisation of NN_FILTERS outputs per clock: a single precision product each, medium usage: 1 DSP (the residual's products and sum are made of
 * LUTs: bind_op impl=fabric); addresses of the lanes: seventh() 1 each, and 8 for products of positions and pitches.
 */
#define NN_CONV_DSP(pixels) ((pixels) * NN_LANES * NN_FILTERS / 2 + NN_FILTERS + (pixels) + 8u)
/*
 * BRAM36, of 512 x 72 bits each:
 *   w_buf     2 x 512 words of NN_FILTERS x NN_LANES bytes, of which LOAD_W writes some at a time: byte enables leave 64 of the 72 bits
 *   coef_buf  2 x NN_FILTERS banks of 512 words of 64 bits: all of a block are read in the same clock
 *   acc       512 words of NN_PIXELS x NN_FILTERS sums of 32 bits
 *   r_buf, out_buf    each, per pixel, 2 x 512 words of NN_FILTERS bytes
 *   m_axi     5 data ports (x, w, coef, r, y) with a FIFO of 512 bits x 512
 */
#define NN_CONV_BRAM_WIDTH(bits) (((bits) + 71u) / 72u)
#define NN_CONV_BRAM(pixels)                                                                                                            \
	(2u * NN_FILTERS * NN_LANES * 8u / 64u + 2u * NN_FILTERS + NN_CONV_BRAM_WIDTH((pixels) * NN_FILTERS * 32u) +                      \
	 2u * 2u * (pixels) * NN_CONV_BRAM_WIDTH(NN_FILTERS * 8u) + 5u * NN_CONV_BRAM_WIDTH(512u))
/*
 * URAM, of 4096 x 72 bits each:
 *   x_buf     2 x NN_CONV_BANKS banks of 8192 words of 128 bits: 2 x 2 each
 *   pool_buf  2 x 4096 words of NN_FILTERS bytes: 4 each
 */
#define NN_CONV_URAM (2u * NN_CONV_BANKS * (NN_CONV_BANK_WORDS / 4096u) * 2u + 2u * 4u)

/* What is left of a shell for the other kernels: at least 100 DSP, 80 BRAM36, 8 URAM. */
_Static_assert(NN_CONV_DSP(7u) + 100 <= 1959 && NN_CONV_BRAM(7u) + 80 <= 618 && NN_CONV_URAM + 8 <= 120, "nn_conv fits the flat shell");
_Static_assert(NN_CONV_DSP(4u) + 100 <= 1341 && NN_CONV_BRAM(4u) + 80 <= 646 && NN_CONV_URAM + 8 <= 104, "nn_conv fits the DFX shell");

/* What fills the pipeline of STEPS: address, fetch, product, sum of 16 and of the steps, product with mult, rounding, residual, clip */
#define NN_CONV_DEPTH 48u
/* Between two tiles, when nothing else runs: advance(), settle(), first_chunk(): two divisions of 32 bits and some products, one after the other */
#define NN_CONV_ADVANCE 64u

struct nn_conv_cost {
	uint64_t cycles;
	uint64_t loaded, stored; /* bytes */
	uint64_t array;		 /* cycles in which the array computes; the rest it waits */
};

/* Cycles for which @bytes occupy DDR. */
static inline uint64_t nn_conv_ddr(uint64_t bytes)
{
	return nn_divide_up(bytes * 5, NN_DDR_BYTES_5);
}

/* Bytes that @runs runs of @bytes occupy DDR for. */
static inline uint64_t nn_conv_bus(uint64_t runs, uint64_t bytes)
{
	return runs * nn_larger(bytes, NN_DDR_BURST);
}

/*
 * x: LOAD_X moves a beat of 64 bytes per clock, but a pixel's last one may be short. One run when pixels have no gaps (all channels of one tensor),
 * else one per pixel. Taken for granted, here and for r and y: that beats may begin at any 16 bytes. Pitches are multiples of that; a port of 512 bits
 * that only takes whole words of its own would need one more per run, and a shift.
 */
static inline uint64_t nn_conv_x_cost(const struct nn_conv_args *t, uint64_t in_rows, uint32_t channels, uint64_t *bus)
{
	uint64_t pixels = in_rows * t->in_w;

	*bus = channels == t->x_pitch ? nn_conv_bus(1, pixels * channels) : nn_conv_bus(pixels, channels);
	return pixels * nn_divide_up(channels, 64) + NN_START;
}

/*
 * w and coef: LOAD_W a beat of 64 bytes per clock; one run, or one per tap of a block of 16 filters when not all channels are loaded. LOAD_COEF: a
 * filter's per clock.
 */
static inline uint64_t nn_conv_w_cost(const struct nn_conv_args *t, uint32_t filters, uint32_t channels, uint64_t *bus)
{
	uint64_t bytes = (uint64_t)filters * t->taps * channels;
	uint64_t runs = channels == t->channels ? 1 : (uint64_t)filters / NN_BLOCK * t->taps;

	*bus = nn_conv_bus(runs, bytes / runs) + nn_conv_bus(1, (uint64_t)filters * NN_CONV_COEF_WORDS * 4);
	return bytes / 64 + filters + 2 * NN_START;
}

/* STEPS of a chunk of @groups groups of NN_PIXELS columns and @blocks of NN_FILTERS filters. A block takes its steps, but at least NN_PIXELS clocks. */
static inline uint64_t nn_conv_steps_cost(uint64_t groups, uint32_t blocks, uint64_t steps)
{
	return groups * blocks * nn_larger(steps, NN_PIXELS) + NN_PIXELS + NN_CONV_DEPTH;
}

/* Groups of a chunk, without a pool; STORE or LOAD_R of @size groups of a tile's @conv_rows rows: a pixel's block per clock. */
static inline uint64_t nn_conv_chunk_groups(uint32_t blocks)
{
	return nn_larger(NN_CONV_SLOTS / blocks, 1);
}

static inline uint64_t nn_conv_store_cost(const struct nn_conv_args *t, uint64_t conv_rows, uint32_t blocks, uint64_t size)
{
	return nn_divide_up(conv_rows * t->out_w * size, conv_rows * nn_divide_up(t->out_w, NN_PIXELS)) * blocks + NN_START;
}

/*
 * CHUNKS of a tile, without a pool: each is computed while the one before is stored and the residual of the one behind is loaded, so the slowest of the
 * three counts. *pending: clocks that storing what was computed before takes; then, what is left to store.
 */
static inline uint64_t nn_conv_chunks_cost(const struct nn_conv_args *t, uint64_t conv_rows, uint32_t blocks, uint64_t steps, uint32_t last,
					   uint64_t *pending)
{
	uint64_t groups = conv_rows * nn_divide_up(t->out_w, NN_PIXELS), most = nn_conv_chunk_groups(blocks), times, cycles = 0;

	/* The first one, all others that are full, and the last one. */
	for (uint64_t left = groups, size; left > 0; left -= times * size) {
		uint64_t store, compute;

		size = nn_conv_min(left, most);
		times = left == groups || left < most ? 1 : left / most;
		store = last ? nn_conv_store_cost(t, conv_rows, blocks, size) : 0;
		compute = nn_larger(nn_conv_steps_cost(size, blocks, steps), t->flags & NN_CONV_RESIDUAL ? store : 0);
		cycles += nn_larger(compute, *pending) + (times - 1) * nn_larger(compute, store);
		*pending = store;
	}
	return cycles;
}

/*
 * All of a tile but its loads. With a pool a chunk is a block of filters; it is computed while the one before is pooled, a position of a window per clock.
 */
static inline uint64_t nn_conv_compute_cost(const struct nn_conv_args *t, uint64_t conv_rows, uint64_t rows, uint32_t filters, uint32_t channels,
					    uint32_t last, uint64_t *pending, uint64_t *bus, struct nn_conv_cost *sum)
{
	uint32_t blocks = (uint32_t)nn_divide_up(filters, NN_FILTERS);
	uint64_t passes = t->stride_w % NN_CONV_BANKS ? 1 : NN_PIXELS; /* columns that are all in one bank */
	uint64_t steps = t->taps * (channels / NN_LANES) * passes, pixels = rows * t->y_cols, cycles = NN_CONV_ADVANCE;
	uint64_t groups = conv_rows * nn_divide_up(t->out_w, NN_PIXELS);

	*bus = 0;
	sum->array += groups * blocks * steps;
	if (last) { /* of each pixel a run of the tile's filters, with a pool of a block; one run of all pixels when nothing lies between them */
		uint64_t run = t->pool && filters > NN_FILTERS ? NN_FILTERS : filters, runs = pixels * nn_divide_up(filters, run);
		uint64_t y = run == t->y_pitch ? pixels * run : nn_conv_bus(runs, run);

		sum->stored += pixels * filters;
		*bus += y;
		if (t->flags & NN_CONV_RESIDUAL) {
			*bus += run == t->r_pitch ? pixels * run : nn_conv_bus(runs, run);
			sum->loaded += pixels * filters;
		}
	}
	if (!t->pool)
		return cycles + nn_conv_chunks_cost(t, conv_rows, blocks, steps, last, pending);
	for (uint32_t i = 0; i < blocks; i++) {
		cycles += nn_larger(nn_conv_steps_cost(groups, 1, steps), *pending);
		*pending = last ? pixels * t->pool_h * t->pool_w + NN_START : 0;
	}
	return cycles;
}

/*
 * Cycles of a run. TILES: each tile is computed while the next one is loaded, so the slower of the two counts, or DDR, which all of it shares; the
 * first load is waited for, and the last store or pooling. Loads of what is there already are left out, as advance() does. In front of it all the
 * arguments are checked, a row tile per clock; behind it the status is written.
 */
static inline struct nn_conv_cost nn_conv_tiles_cost(const struct nn_conv_args *t)
{
	uint64_t row_tiles = nn_divide_up(t->rows, t->tile_rows), filter_tiles = nn_divide_up(t->filters, t->tile_filters);
	uint64_t channel_tiles = nn_divide_up(t->channels, t->tile_channels), before = 0, before_bus = 0, x_bytes = 0, w_bytes = 0, pending = 0;
	uint32_t stationary = t->flags & NN_CONV_W_STATIONARY, together = stationary || t->groups == 1; /* images in one sweep */
	uint32_t sweeps = together ? t->groups : t->groups * t->images;
	struct nn_conv_cost sum = { 0, 0, 0, 0 };
	uint64_t rows_all = row_tiles * (together ? t->images : 1);
	uint64_t outer = stationary ? filter_tiles : rows_all, inner = stationary ? rows_all : filter_tiles;

	/* One sweep is like all others, but that their first load is not waited for, and their last store runs beside the next: here they are. */
	for (uint64_t o = 0; o < outer; o++) {
		for (uint64_t i = 0; i < inner; i++) {
			uint64_t row = (stationary ? i : o) % row_tiles * t->tile_rows;
			uint64_t filter = (stationary ? o : i) * t->tile_filters;
			uint64_t rows = nn_conv_min(t->tile_rows, t->rows - row);
			uint32_t filters = (uint32_t)nn_conv_min(t->tile_filters, t->filters - filter);
			struct nn_conv_span conv = nn_conv_rows(t, t->first_row + row, rows), in = nn_conv_inputs(t, conv);

			for (uint64_t c = 0; c < channel_tiles; c++) {
				uint32_t channels = (uint32_t)nn_conv_min(t->tile_channels, t->channels - c * t->tile_channels);
				uint32_t x_new = channel_tiles > 1 || (stationary ? inner > 1 || o == 0 : i == 0);
				uint32_t w_new = channel_tiles > 1 || (stationary ? i == 0 : filter_tiles > 1 || o == 0);
				uint64_t load = 0, bus = 0, one;

				if (x_new) {
					load = nn_conv_x_cost(t, in.end - in.begin, channels, &one);
					bus += one;
					x_bytes += (in.end - in.begin) * t->in_w * channels;
				}
				if (w_new) { /* two ports: at the same time as x */
					load = nn_larger(load, nn_conv_w_cost(t, filters, channels, &one));
					bus += one;
					w_bytes += (uint64_t)filters * (t->taps * channels + NN_CONV_COEF_WORDS * 4);
				}
				if (o + i + c == 0 && channel_tiles == 1 && (t->flags & NN_CONV_RESIDUAL)) { /* the first chunk's residual, too */
					uint32_t blocks = (uint32_t)nn_divide_up(filters, NN_FILTERS);
					uint64_t groups = (conv.end - conv.begin) * nn_divide_up(t->out_w, NN_PIXELS);

					one = nn_conv_store_cost(t, conv.end - conv.begin, blocks, nn_conv_min(groups, nn_conv_chunk_groups(blocks)));
					load = nn_larger(load, one);
				}
				/* This load beside the computation of the tile before. */
				sum.cycles += nn_larger(nn_larger(load, before), nn_conv_ddr(bus + before_bus));
				before = nn_conv_compute_cost(t, conv.end - conv.begin, rows, filters, channels, c + 1 == channel_tiles,
							      &pending, &bus, &sum);
				before_bus = bus;
			}
		}
	}
	sum.cycles = (sum.cycles + nn_larger(before + pending, nn_conv_ddr(before_bus))) * sweeps + row_tiles + NN_CALL;
	sum.loaded = (sum.loaded + x_bytes + w_bytes) * sweeps;
	sum.stored *= sweeps;
	sum.array *= sweeps;
	return sum;
}

/* The third image takes what each one behind it takes: so any number of them is counted in no time. */
static inline struct nn_conv_cost nn_conv_cost(const struct nn_conv_args *t)
{
	struct nn_conv_args few = *t;
	struct nn_conv_cost two, three;
	uint64_t more = t->images - nn_conv_min(t->images, 3);

	if (!more)
		return nn_conv_tiles_cost(t);
	few.images = 2;
	two = nn_conv_tiles_cost(&few);
	few.images = 3;
	three = nn_conv_tiles_cost(&few);
	three.cycles += more * (three.cycles - two.cycles);
	three.loaded += more * (three.loaded - two.loaded);
	three.stored += more * (three.stored - two.stored);
	three.array += more * (three.array - two.array);
	return three;
}

#endif
