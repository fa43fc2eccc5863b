/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a convolution layer is cut into jobs, loads and tiles. Pure arithmetic: no device, no memory but what it returns.
 *
 *   layer = jobs;  job = a region: images x filters x output rows, whose input and output fit one arena of card memory
 *   job = a program of steps:
 *     WEIGHTS  filters whose weights must be on the card from here on
 *     LOAD     input rows (of all channels of the region), or several whole images
 *     TILE     one run of the kernel, within its on-chip limits
 *     FLUSH    output rows (of all filters of the region) that are complete and can go to the host
 *
 * A TILE needs every WEIGHTS and LOAD before it in the program and a FLUSH every TILE before it; LOADs need nothing. So loads run ahead
 * of tiles, and within a job no memory is used twice. Two jobs in two arenas are in flight at a time.
 *
 * Where x lies in an arena. A region with all output rows holds its part of the file as it is (flat), so that blocks which neighbouring channels
 * share are read once. A region with a part of the rows has a slot for each channel, because a channel's rows start anywhere
 * within a block (kernels/conv2d/conv2d.h: x_pitch, x_stride, x_skew, x_mask).
 */
#ifndef SMARTSSD_RUNTIME_CONV2D_PLAN_H
#define SMARTSSD_RUNTIME_CONV2D_PLAN_H

#include "private.h"

/* A layer that makes sense: all sizes > 0, products below 2^63, one group's channels * kernel at most CONV2D_MAX_TERMS. */
struct conv2d_layer {
	uint32_t images, channels, in_h, in_w;
	uint32_t filters, group_filters, group_channels; /* filters and channels of one group */
	uint32_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
	uint32_t out_h, out_w;
	uint64_t x_offset; /* of x's first byte in its file */
	uint64_t x_align;  /* blocks of x's file (a power of two), 1: x is in host memory */
};

struct conv2d_limits {
	uint64_t arena_bytes;
	uint32_t cus;
};

struct conv2d_plan {
	struct conv2d_layer layer;
	uint32_t tile_filters, tile_rows, tile_cols;
	uint32_t job_images, job_filters, job_rows;
	uint32_t load_images, load_rows, flush_rows;
	uint64_t jobs;
	uint64_t tiles;	   /* of all jobs */
	uint64_t loaded;   /* bytes of x that all jobs together bring to the card, some of them more than once */
	uint64_t x_bytes;  /* room for x in an arena, ... */
	uint64_t y_bytes;  /* ... for y ... */
	uint32_t job_tiles; /* ... and for so many status words */
};

/* The part of the layer that one job computes. Upper ends are exclusive. */
struct conv2d_region {
	uint32_t image, image_end, filter, filter_end, row, row_end;
	uint32_t channel, channel_end; /* what the filters read ... */
	uint32_t in_row, in_row_end;   /* ... and what the rows read; at least one row */
	bool flat;
	uint64_t file_start; /* flat: file offset, block aligned, of the arena's first byte */
	uint64_t slot;	     /* not flat: bytes from one channel to the next in the arena */
	uint64_t x_bytes, y_bytes;
	uint64_t y_pitch; /* from one filter to the next */
};

#define CONV2D_WEIGHTS 1
#define CONV2D_LOAD    2
#define CONV2D_TILE    3
#define CONV2D_FLUSH   4

struct conv2d_step {
	uint32_t kind;
	uint32_t image, images;	  /* LOAD, FLUSH; TILE: images is 1 */
	uint32_t filter, filters; /* WEIGHTS, TILE */
	uint32_t row, rows;	  /* LOAD: input rows; TILE, FLUSH: output rows */
	uint32_t col, cols;	  /* TILE */
};

struct conv2d_program {
	struct conv2d_step *steps;
	uint32_t nr, room;
	uint32_t tiles;
};

/* -EINVAL: one output's window does not fit the kernel's buffer; -ENOMEM: not even one output row fits an arena. */
int conv2d_plan(const struct conv2d_layer *layer, const struct conv2d_limits *limits, struct conv2d_plan *plan, struct smartssd_error *err);

void conv2d_region(const struct conv2d_plan *plan, uint64_t job, struct conv2d_region *region);

/* The program of a job, into program->steps (grown as needed, freed by the caller). @weights: with WEIGHTS steps. -ENOMEM. */
int conv2d_program(const struct conv2d_plan *plan, const struct conv2d_region *region, bool weights, struct conv2d_program *program);

/*
 * The extents of a LOAD: whole blocks, each only once in a job. @seen: one bit for each block of the arena's x, zero before the job's first LOAD.
 * *ext is grown as needed; returns their number or -ENOMEM. 0 when earlier loads brought everything.
 */
struct conv2d_extents {
	struct smartssd_extent *ext;
	uint32_t nr, room;
};

int conv2d_load_extents(const struct conv2d_plan *plan, const struct conv2d_region *region, const struct conv2d_step *load, uint8_t *seen,
			struct conv2d_extents *out);

/* Where a tile finds x: byte offset in the arena, and the kernel's addressing arguments. */
struct conv2d_x_address {
	uint64_t offset, bytes;
	uint32_t band_row, band_rows, pitch, stride, skew, mask;
};

void conv2d_x_address(const struct conv2d_plan *plan, const struct conv2d_region *region, const struct conv2d_step *tile,
		      struct conv2d_x_address *out);

/* Append the blocks [file_offset, file_offset + bytes) -> bo_offset that @seen does not have yet; offsets and sizes are multiples of @align. */
int conv2d_add_blocks(struct conv2d_extents *out, uint8_t *seen, uint64_t file_offset, uint64_t bo_offset, uint64_t bytes, uint64_t align);

/* Offset of channel @c of image @n, row @row, from x's first byte. */
static inline uint64_t conv2d_x_at(const struct conv2d_layer *l, uint64_t n, uint64_t c, uint64_t row)
{
	return ((n * l->channels + c) * l->in_h + row) * l->in_w;
}

/* Filters that a tile starting at @filter takes: within one group, or whole groups. */
static inline uint32_t conv2d_filters_from(const struct conv2d_layer *l, uint32_t size, uint32_t filter, uint32_t end)
{
	uint32_t room = size < l->group_filters ? l->group_filters - filter % l->group_filters : size;

	return (uint32_t)min_u64(min_u64(size, room), end - filter);
}

#endif
