// SPDX-License-Identifier: BSD-2-Clause
/* nn_conv's tiles on a card with the DFX shell. */
#define NN_PIXELS	 4u
#define TILE_CONV_COST	 nn_tile_conv_dfx_cost
#define TILE_CONV_SEARCH nn_tile_conv_dfx_search
#include "tile_conv.h"

_Static_assert(NN_PIXELS == NN_DFX_PIXELS, "the overlay for the DFX shell");
