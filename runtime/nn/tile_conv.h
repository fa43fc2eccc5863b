/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nn_conv's tiles. Compiled once for each shell (tile_flat.c, tile_dfx.c), because the kernel's checks and cycle model are made for one NN_PIXELS.
 *
 * The search space is all (tile_rows, tile_filters, tile_channels, stationary or not) that the kernel takes. Bytes depend on little of it: on how rows are
 * cut (overlapping input rows are loaded twice), on the number of filter tiles, on the number of channel tiles. So the search goes through
 * all tile_rows and all numbers of filter and channel tiles, of tiles as even as can be, and computes bytes by a formula; cycles are asked for only where
 * bytes are near the fewest.
 */
#include <stdlib.h>

#include "../../kernels/nn_budget.h"
#include "tile.h"

struct conv_space {
	struct nn_conv_args t;
	uint32_t words; /* channels in words of NN_LANES */
	uint32_t blocks; /* filters in blocks of NN_FILTERS */
	uint64_t sweeps, images; /* as in nn_conv_cost() */
	uint64_t stored; /* output, and the residual: the same for all tiles */
};

/* How tile_rows cuts a layer: what nn_conv_check_tiles() and nn_conv_cost() find out, once for all other choices. */
struct conv_cut {
	uint32_t rows, tiles;
	uint64_t in_rows, in_most, conv_most;
};

struct conv_choice {
	struct nn_tile tile;
	uint64_t bytes, steps; /* steps: what asking for its cycles takes */
};

/* Tiles in the cycle models of all choices for a layer together; only layers of many thousands of rows come near. */
#define TILE_CONV_STEPS 200000u

static void conv_arguments(const uint32_t *scalars, const struct nn_tile *tile, struct nn_conv_args *t)
{
	memset(t, 0, sizeof(*t));
	memcpy(t, scalars, offsetof(struct nn_conv_args, kernel_h));
	t->tile_rows = tile->rows;
	t->tile_filters = tile->filters;
	t->tile_channels = tile->channels;
	t->flags = (t->flags & ~NN_CONV_W_STATIONARY) | (tile->w_stationary ? NN_CONV_W_STATIONARY : 0);
}

static struct conv_cut cut_rows(const struct nn_conv_args *t, uint32_t rows)
{
	struct conv_cut cut = { .rows = rows };

	for (uint64_t row = 0; row < t->rows; row += rows, cut.tiles++) {
		struct nn_conv_span conv = nn_conv_rows(t, t->first_row + row, nn_conv_min(rows, t->rows - row)), in = nn_conv_inputs(t, conv);

		cut.in_rows += in.end - in.begin;
		cut.in_most = max_u64(cut.in_most, in.end - in.begin);
		cut.conv_most = max_u64(cut.conv_most, conv.end - conv.begin);
	}
	return cut;
}

uint32_t TILE_CONV_COST(const uint32_t *scalars, const struct nn_tile *tile, struct nn_tile_cost *out)
{
	struct nn_conv_args t;
	struct nn_conv_cost cost;
	struct conv_cut cut;
	uint32_t check;
	uint64_t x, w, sums, pool;

	conv_arguments(scalars, tile, &t);
	check = nn_conv_check_shape(&t);
	check = check ? check : nn_conv_check_tiles(&t);
	if (check)
		return check;
	cost = nn_conv_cost(&t);
	cut = cut_rows(&t, (uint32_t)min_u64(t.tile_rows, t.rows));
	x = nn_conv_ceil(cut.in_most * t.in_w, NN_CONV_BANKS) * NN_CONV_BANKS * t.tile_channels;
	w = min_u64(t.tile_filters, align_up(t.filters, NN_FILTERS)) * t.taps * t.tile_channels;
	sums = t.tile_channels == t.channels ? 0 : cut.conv_most * nn_conv_ceil(t.out_w, NN_PIXELS) * (t.tile_filters / NN_FILTERS) * NN_PIXELS * NN_FILTERS * 4;
	pool = t.pool ? cut.conv_most * t.out_w * NN_FILTERS : 0;
	*out = (struct nn_tile_cost){ cost.cycles, cost.loaded + cost.stored, 2 * (x + w + pool) + sums, cost.array };
	return 0;
}

/* What nn_conv_check_tiles() finds, for the cut that is known already: words of channels that fit
 * beside these rows and filters; *parts: they may be fewer than all, the partial sums fit */
static uint64_t fit_words(const struct conv_space *s, const struct conv_cut *cut, uint32_t blocks, bool *parts)
{
	const struct nn_conv_args *t = &s->t;
	uint64_t pixels = nn_conv_ceil(cut->in_most * t->in_w, NN_CONV_BANKS);

	*parts = cut->conv_most * nn_conv_ceil(t->out_w, NN_PIXELS) * blocks <= NN_CONV_ACC_GROUPS;
	if (t->pool && cut->conv_most * t->out_w > NN_CONV_POOL_BYTES / NN_FILTERS)
		return 0;
	return min_u64(NN_CONV_W_BYTES / NN_LANES / ((uint64_t)blocks * NN_FILTERS * t->taps), pixels ? NN_CONV_BANK_WORDS / pixels : s->words);
}

/* What nn_conv_cost() counts as loaded and stored. */
static uint64_t count_bytes(const struct conv_space *s, const struct conv_cut *cut, const struct nn_tile *tile)
{
	const struct nn_conv_args *t = &s->t;
	uint64_t filter_tiles = div_up(t->filters, tile->filters), channel_tiles = div_up(t->channels, tile->channels);
	bool together = tile->w_stationary || t->groups == 1;
	uint64_t row_tiles = (uint64_t)cut->tiles * (together ? t->images : 1), x_times, w_times;
	uint64_t x = cut->in_rows * (together ? t->images : 1) * t->in_w * t->channels;
	uint64_t w = (uint64_t)t->filters * (t->taps * t->channels + channel_tiles * NN_CONV_COEF_WORDS * 4);

	if (channel_tiles > 1) {
		x_times = filter_tiles;
		w_times = row_tiles;
	} else if (tile->w_stationary) {
		x_times = row_tiles > 1 ? filter_tiles : 1;
		w_times = 1;
	} else {
		x_times = 1;
		w_times = filter_tiles > 1 ? row_tiles : 1;
	}
	return (x * x_times + w * w_times) * (together ? t->groups : (uint64_t)t->groups * t->images) + s->stored;
}

struct conv_found {
	struct conv_choice *choices;
	uint32_t nr, room;
	uint64_t fewest;
};

static int try_choice(const struct conv_space *s, const struct conv_cut *cut, struct conv_choice c, struct conv_found *f)
{
	c.bytes = count_bytes(s, cut, &c.tile);
	f->fewest = min_u64(f->fewest, c.bytes);
	if (c.bytes > f->fewest + NN_TILE_SLACK(f->fewest))
		return 0;
	if (smartssd_grow(&f->choices, &f->room, f->nr + 1ull, 256, sizeof(*f->choices)))
		return -1;
	c.steps = div_up(s->t.rows, cut->rows) * min_u64(s->t.images, 5) * div_up(s->t.filters, c.tile.filters) * div_up(s->t.channels, c.tile.channels);
	f->choices[f->nr++] = c;
	return 0;
}

/* Choices that may be among the best, as far as is known when they are found. Of sizes that make as many tiles the smallest: it fits where the others do. */
static int try_cut(const struct conv_space *s, const struct conv_cut *cut, struct conv_found *f)
{
	for (uint32_t blocks = s->blocks; blocks; blocks--) {
		bool parts;
		uint64_t fit = fit_words(s, cut, blocks, &parts);

		if (blocks != div_up(s->blocks, div_up(s->blocks, blocks)))
			continue;
		for (uint32_t words = (uint32_t)min_u64(fit, s->words); words; words--) {
			if (words != div_up(s->words, div_up(s->words, words)) || (words < s->words && !parts))
				continue;
			for (uint32_t w = 0; w < 2; w++)
				if (try_choice(s, cut, (struct conv_choice){ { cut->rows, blocks * NN_FILTERS, words * NN_LANES, w }, 0, 0 }, f))
					return -1;
		}
	}
	return 0;
}

/* Cycles of a job of several images, in which weights may stay from image to image: only that tells the two orders apart when one tile has all rows. */
static uint64_t cycles_of_more(const uint32_t *scalars, const struct nn_tile *tile)
{
	struct nn_conv_args t;

	conv_arguments(scalars, tile, &t);
	t.images = (uint32_t)min_u64(4ull * t.images, UINT32_MAX);
	return nn_conv_check_shape(&t) || nn_conv_check_tiles(&t) ? UINT64_MAX : nn_conv_cost(&t).cycles;
}

/* Of those that need few enough bytes the fastest. */
static bool fastest(const uint32_t *scalars, const struct conv_found *f, struct nn_tile *out)
{
	struct nn_tile_cost cost, best = { .cycles = UINT64_MAX };
	uint64_t steps = 0;

	for (uint32_t i = 0; i < f->nr; i++) {
		const struct conv_choice *c = &f->choices[i];

		if (c->bytes > f->fewest + NN_TILE_SLACK(f->fewest))
			continue;
		if (best.cycles != UINT64_MAX && steps + c->steps > TILE_CONV_STEPS)
			continue;
		steps += c->steps;
		if (TILE_CONV_COST(scalars, &c->tile, &cost))
			continue;
		if (cost.cycles < best.cycles || (cost.cycles == best.cycles && cost.bytes < best.bytes) ||
		    (cost.cycles == best.cycles && cost.bytes == best.bytes && c->tile.w_stationary &&
		     cycles_of_more(scalars, &c->tile) < cycles_of_more(scalars, out))) {
			best = cost;
			*out = c->tile;
		}
	}
	return best.cycles != UINT64_MAX;
}

uint32_t TILE_CONV_SEARCH(const uint32_t *scalars, struct nn_tile *out)
{
	struct conv_found f = { .fewest = UINT64_MAX };
	struct nn_tile_cost cost;
	struct conv_cut cut, next;
	struct conv_space s;
	uint32_t check;
	bool found;

	*out = (struct nn_tile){ 1, NN_FILTERS, NN_LANES, false };
	conv_arguments(scalars, out, &s.t);
	check = nn_conv_check_shape(&s.t);
	if (check)
		return check;
	s.words = s.t.channels / NN_LANES;
	s.blocks = (uint32_t)div_up(s.t.filters, NN_FILTERS);
	s.stored = (uint64_t)s.t.images * s.t.rows * s.t.y_cols * s.t.groups * s.t.filters * (s.t.flags & NN_CONV_RESIDUAL ? 2 : 1);
	/* Large tiles first: the fewest bytes are soon known. Of sizes that cut the same way the smallest, which fits where the others do. */
	next = cut_rows(&s.t, s.t.rows);
	for (uint32_t rows = s.t.rows; rows; rows--) {
		cut = next;
		if (rows > 1) {
			next = cut_rows(&s.t, rows - 1);
			if (next.tiles == cut.tiles && next.in_rows <= cut.in_rows && next.in_most <= cut.in_most && next.conv_most <= cut.conv_most)
				continue;
		}
		if (try_cut(&s, &cut, &f))
			break;
	}
	found = fastest(scalars, &f, out);
	free(f.choices);
	return found ? 0 : TILE_CONV_COST(scalars, out, &cost);
}
