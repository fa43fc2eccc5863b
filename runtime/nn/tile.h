/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tiles: how a kernel cuts a layer into pieces that fit its on-chip buffers, and what that costs by the kernels' own cycle models.
 * What is best: the fewest bytes over DDR that any tiles need, and among the tiles that need at most NN_TILE_SLACK more the fewest cycles.
 */
#ifndef SMARTSSD_RUNTIME_NN_TILE_H
#define SMARTSSD_RUNTIME_NN_TILE_H

#include "program_impl.h"

/* Bytes that may be given for cycles: 2 % */
#define NN_TILE_SLACK(bytes) ((bytes) / 50)

struct nn_tile {
	uint32_t rows, filters, channels; /* those that the kernel has */
	bool w_stationary;
};

/* A run of a kernel: of as many images as its arguments say. */
struct nn_tile_cost {
	uint64_t cycles;
	uint64_t bytes;	  /* loaded from and stored to DDR */
	uint64_t on_chip; /* bytes of the tile buffers that it uses, both halves of double ones */
	uint64_t work;	  /* of the cycles: the arithmetic is busy, waits for nothing */
};

/*
 * @a: a run of nn_conv, nn_depthwise, nn_pool, nn_add or nn_pack (nn_layer_arguments()); @tile (NULL for the last two) replaces its tile arguments.
 * 0, or what the kernel's check says (NN_CONV_CHECK_TILE, ...; of the shape alone, buffers are not looked at).
 */
uint32_t nn_tile_cost(enum nn_layer_kind kind, enum nn_shell shell, const struct nn_arguments *a, const struct nn_tile *tile, struct nn_tile_cost *out);

/* The best tile. 0, or what the check says about the smallest one: then none fits. */
uint32_t nn_tile_search(enum nn_layer_kind kind, enum nn_shell shell, const struct nn_arguments *a, struct nn_tile *out);

struct nn_tile nn_layer_tile(const struct nn_layer *layer);
void nn_layer_set_tile(struct nn_layer *layer, const struct nn_tile *tile);

/* nn_conv's part, once for each shell's NN_PIXELS: tile_conv.h */
uint32_t nn_tile_conv_flat_cost(const uint32_t *scalars, const struct nn_tile *tile, struct nn_tile_cost *out);
uint32_t nn_tile_conv_flat_search(const uint32_t *scalars, struct nn_tile *out);
uint32_t nn_tile_conv_dfx_cost(const uint32_t *scalars, const struct nn_tile *tile, struct nn_tile_cost *out);
uint32_t nn_tile_conv_dfx_search(const uint32_t *scalars, struct nn_tile *out);

#endif
