// SPDX-License-Identifier: BSD-2-Clause
/* nn_conv's tiles on a card with the flat shell. */
#define NN_PIXELS	 7u
#define TILE_CONV_COST	 nn_tile_conv_flat_cost
#define TILE_CONV_SEARCH nn_tile_conv_flat_search
#include "tile_conv.h"

_Static_assert(NN_PIXELS == NN_FLAT_PIXELS, "the overlay for the flat shell");
