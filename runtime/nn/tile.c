// SPDX-License-Identifier: BSD-2-Clause
/* Tiles of all kernels; nn_conv's are in tile_conv.h. */
#include "../../kernels/nn_budget.h"
#include "tile.h"

union tile_run {
	struct nn_depthwise_run depthwise;
	struct nn_pool_run pool;
	struct nn_add_run add;
	struct nn_pack_run pack;
};

static void load(union tile_run *u, const struct nn_arguments *a)
{
	memset(u, 0, sizeof(*u));
	memcpy(u, a->value, min_u64(a->nr_scalars * sizeof(a->value[0]), sizeof(*u)));
}

/* ---- nn_depthwise ---- */

static uint64_t depthwise_bytes(const struct nn_depthwise_run *r)
{
	uint64_t in_rows = 0, tiles = 0;

	for (uint32_t row = 0; row < r->rows; row += (uint32_t)min_u64(r->tile_rows, r->rows - row), tiles++) {
		uint32_t from;

		in_rows += nn_axis_span(&r->h, r->first_row + row, (uint32_t)min_u64(r->tile_rows, r->rows - row), &from);
	}
	return (uint64_t)r->images * r->channels * (in_rows * r->in_w + tiles * (r->taps + NN_DEPTHWISE_COEF_WORDS * 4) + (uint64_t)r->rows * r->out_w);
}

static uint32_t depthwise_cost(const struct nn_arguments *a, const struct nn_tile *tile, bool cycles, struct nn_tile_cost *out)
{
	union tile_run u;
	struct nn_depthwise_run *r = &u.depthwise;
	uint32_t check;
	uint64_t x;

	load(&u, a);
	r->tile_rows = tile->rows;
	r->tile_channels = tile->channels;
	check = nn_depthwise_check_shape(r);
	if (check)
		return check;
	x = (uint64_t)nn_axis_most(&r->h, r->first_row, r->rows, r->tile_rows) * r->in_w * r->tile_channels;
	*out = (struct nn_tile_cost){ cycles ? nn_depthwise_cycles(r) : 0, depthwise_bytes(r),
				      2 * (x + (uint64_t)r->taps * r->tile_channels + (uint64_t)r->out_w * r->tile_channels),
				      (uint64_t)r->images * r->rows * r->out_w * div_up(r->channels, NN_DEPTHWISE_STEP) *
					      max_u64(r->taps, NN_DEPTHWISE_SLICES) };
	return 0;
}

static bool better(const struct nn_tile_cost *a, const struct nn_tile_cost *b)
{
	return a->cycles < b->cycles || (a->cycles == b->cycles && a->bytes < b->bytes);
}

/* Bytes depend on the rows alone, but channels decide which rows fit: first the fewest bytes, then the fastest of those near. */
static uint32_t depthwise_search(const struct nn_arguments *a, struct nn_tile *out)
{
	uint64_t fewest = UINT64_MAX, limit;
	struct nn_tile_cost cost, best = { .cycles = UINT64_MAX };
	struct nn_depthwise_run r;
	union tile_run u;
	uint32_t words, check;

	load(&u, a);
	r = u.depthwise;
	*out = (struct nn_tile){ 1, 0, NN_LANES, false };
	check = depthwise_cost(a, out, false, &cost);
	if (check) /* a smaller one there is not */
		return check;
	words = (uint32_t)min_u64(r.channels, NN_DEPTHWISE_CHANNELS) / NN_LANES;
	for (int pass = 0; pass < 2; pass++) {
		limit = pass ? fewest + NN_TILE_SLACK(fewest) : 0;
		for (uint32_t rows = r.rows; rows; rows--) {
			if (rows != div_up(r.rows, div_up(r.rows, rows)))
				continue; /* others make as many tiles, larger ones */
			for (uint32_t w = pass ? words : 1; w; w--) {
				struct nn_tile tile = { rows, 0, w * NN_LANES, false };

				if (depthwise_cost(a, &tile, false, &cost))
					continue;
				fewest = min_u64(fewest, cost.bytes);
				if (!pass || cost.bytes > limit)
					break; /* the same for all channels */
				if (w != div_up(words, div_up(words, w)) || depthwise_cost(a, &tile, true, &cost) || !better(&cost, &best))
					continue;
				best = cost;
				*out = tile;
			}
		}
	}
	return 0;
}

/* ---- nn_pool ---- */

static uint32_t pool_cost(const struct nn_arguments *a, const struct nn_tile *tile, struct nn_tile_cost *out)
{
	union tile_run u;
	struct nn_pool_run *r = &u.pool;
	uint64_t in_rows = 0;
	uint32_t check, from;

	load(&u, a);
	r->tile_channels = tile->channels;
	check = nn_pool_check_shape(r);
	if (check)
		return check;
	for (uint32_t i = 0; i < r->rows; i++)
		in_rows += nn_axis_span(&r->h, r->first_row + i, 1, &from);
	*out = (struct nn_tile_cost){ nn_pool_cycles(r), (uint64_t)r->images * r->channels * (in_rows * r->in_w + (uint64_t)r->rows * r->out_w),
				      2ull * r->tile_channels * ((uint64_t)nn_axis_most(&r->h, r->first_row, r->rows, 1) * r->in_w + r->out_w),
				      (uint64_t)r->images * r->rows * r->out_w * div_up(r->channels, NN_POOL_STEP) * max_u64(r->taps, NN_POOL_SLICES) };
	return 0;
}

/* All tiles move the same bytes. */
static uint32_t pool_search(const struct nn_arguments *a, struct nn_tile *out)
{
	struct nn_tile_cost cost, best = { .cycles = UINT64_MAX };
	union tile_run u;
	uint32_t check, words;

	load(&u, a);
	*out = (struct nn_tile){ 0, 0, NN_LANES, false };
	check = pool_cost(a, out, &cost);
	if (check)
		return check;
	words = u.pool.channels / NN_LANES;
	for (uint32_t w = words; w; w--) {
		struct nn_tile tile = { 0, 0, w * NN_LANES, false };

		if (w != div_up(words, div_up(words, w)) || pool_cost(a, &tile, &cost) || !better(&cost, &best))
			continue;
		best = cost;
		*out = tile;
	}
	return 0;
}

/* ---- without tiles ---- */

static uint32_t add_cost(const struct nn_arguments *a, struct nn_tile_cost *out)
{
	union tile_run u;
	struct nn_add_run *r = &u.add;
	uint32_t check;

	load(&u, a);
	check = nn_add_check_shape(r);
	if (check)
		return check;
	*out = (struct nn_tile_cost){ nn_add_cycles(r), (uint64_t)r->images * r->pixels * r->channels * (r->flags & NN_ADD_B ? 3 : 2), 0,
				      (uint64_t)r->images * r->pixels * (r->channels / NN_LANES) };
	return 0;
}

static uint32_t pack_cost(const struct nn_arguments *a, struct nn_tile_cost *out)
{
	union tile_run u;
	struct nn_pack_run *r = &u.pack;
	uint64_t in, y, groups;
	uint32_t check;

	load(&u, a);
	check = nn_pack_check_shape(r);
	if (check)
		return check;
	in = (uint64_t)r->images * r->in_h * r->in_w * r->channels;
	groups = (uint64_t)r->images * r->in_h * r->channels * div_up(r->in_w, nn_pack_lanes(r));
	y = (uint64_t)r->images * r->in_h * r->out_w * r->out_channels;
	*out = (struct nn_tile_cost){ nn_pack_cycles(r), in * r->x_element + y, 2ull * nn_pack_rows(r) * r->channels * r->in_w,
				      max_u64(groups, y / NN_LANES) };
	return 0;
}

/* ---- all ---- */

uint32_t nn_tile_cost(enum nn_layer_kind kind, enum nn_shell shell, const struct nn_arguments *a, const struct nn_tile *tile, struct nn_tile_cost *out)
{
	switch (kind) {
	case NN_LAYER_CONV:
		return shell == NN_SHELL_DFX ? nn_tile_conv_dfx_cost(a->value, tile, out) : nn_tile_conv_flat_cost(a->value, tile, out);
	case NN_LAYER_DEPTHWISE:
		return depthwise_cost(a, tile, true, out);
	case NN_LAYER_POOL:
		return pool_cost(a, tile, out);
	case NN_LAYER_ADD:
		return add_cost(a, out);
	default:
		return pack_cost(a, out);
	}
}

uint32_t nn_tile_search(enum nn_layer_kind kind, enum nn_shell shell, const struct nn_arguments *a, struct nn_tile *out)
{
	struct nn_tile_cost cost;

	switch (kind) {
	case NN_LAYER_CONV:
		return shell == NN_SHELL_DFX ? nn_tile_conv_dfx_search(a->value, out) : nn_tile_conv_flat_search(a->value, out);
	case NN_LAYER_DEPTHWISE:
		return depthwise_search(a, out);
	case NN_LAYER_POOL:
		return pool_search(a, out);
	default:
		*out = (struct nn_tile){ 0, 0, 0, false };
		return nn_tile_cost(kind, shell, a, out, &cost);
	}
}

struct nn_tile nn_layer_tile(const struct nn_layer *l)
{
	switch (l->kind) {
	case NN_LAYER_CONV:
		return (struct nn_tile){ l->conv.tile_rows, l->conv.tile_filters, l->conv.tile_channels, l->conv.w_stationary };
	case NN_LAYER_DEPTHWISE:
		return (struct nn_tile){ l->depthwise.tile_rows, 0, l->depthwise.tile_channels, false };
	case NN_LAYER_POOL:
		return (struct nn_tile){ 0, 0, l->pool.tile_channels, false };
	default:
		return (struct nn_tile){ 0, 0, 0, false };
	}
}

void nn_layer_set_tile(struct nn_layer *l, const struct nn_tile *tile)
{
	switch (l->kind) {
	case NN_LAYER_CONV:
		l->conv.tile_rows = tile->rows;
		l->conv.tile_filters = tile->filters;
		l->conv.tile_channels = tile->channels;
		l->conv.w_stationary = tile->w_stationary;
		break;
	case NN_LAYER_DEPTHWISE:
		l->depthwise.tile_rows = tile->rows;
		l->depthwise.tile_channels = tile->channels;
		break;
	case NN_LAYER_POOL:
		l->pool.tile_channels = tile->channels;
		break;
	default:
		break;
	}
}
