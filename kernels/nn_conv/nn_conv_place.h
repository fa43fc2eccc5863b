/* SPDX-License-Identifier: BSD-2-Clause */
/* The tiles of a run of nn_conv, in the order in which nn_conv.c computes them. Needs checked arguments. */
#ifndef KERNELS_NN_CONV_PLACE_H
#define KERNELS_NN_CONV_PLACE_H

#include "nn_conv_check.h"

/* Where a run stands: the tile, and the halves of the buffers that hold it. */
struct place {
	uint32_t image, group;
	uint32_t row, rows;	    /* output rows, from first_row on */
	uint32_t filter, filters;   /* in the group */
	uint32_t channel, channels; /* in the group */
	uint32_t x_half, w_half;
	uint32_t x_new, w_new; /* not loaded yet */
	struct nn_conv_span conv, in;
};

/* What follows from where the tile begins. */
static inline void settle(const struct nn_conv_args *t, struct place *at)
{
	uint32_t rows = t->rows - at->row, filters = t->filters - at->filter, channels = t->channels - at->channel;

	at->rows = rows < t->tile_rows ? rows : t->tile_rows;
	at->filters = filters < t->tile_filters ? filters : t->tile_filters;
	at->channels = channels < t->tile_channels ? channels : t->tile_channels;
	at->conv = nn_conv_rows(t, (uint64_t)t->first_row + at->row, at->rows);
	at->in = nn_conv_inputs(t, at->conv);
}

/* One more row tile; 1 when there is none and the first one is next. */
static inline uint32_t carry_row(const struct nn_conv_args *t, struct place *at)
{
	if (t->rows - at->row > t->tile_rows) {
		at->row += t->tile_rows;
		return 0;
	}
	at->row = 0;
	return 1;
}

static inline uint32_t carry_filter(const struct nn_conv_args *t, struct place *at)
{
	if (t->filters - at->filter > t->tile_filters) {
		at->filter += t->tile_filters;
		return 0;
	}
	at->filter = 0;
	return 1;
}

static inline uint32_t carry_group(const struct nn_conv_args *t, struct place *at)
{
	at->group = at->group + 1 < t->groups ? at->group + 1 : 0;
	return at->group == 0;
}

static inline uint32_t carry_image(const struct nn_conv_args *t, struct place *at)
{
	at->image = at->image + 1 < t->images ? at->image + 1 : 0;
	return at->image == 0;
}

/* To the next tile; 0 when there is none. */
static inline uint32_t advance(const struct nn_conv_args *t, struct place *at)
{
	struct place old = *at;
	uint32_t end;

	if (t->channels - at->channel > t->tile_channels) {
		at->channel += t->tile_channels;
		end = 0;
	} else {
		at->channel = 0;
		if (t->flags & NN_CONV_W_STATIONARY)
			end = carry_row(t, at) && carry_image(t, at) && carry_filter(t, at) && carry_group(t, at);
		else
			end = carry_filter(t, at) && carry_row(t, at) && carry_group(t, at) && carry_image(t, at);
	}
	if (end)
		return 0;
	settle(t, at);
	at->x_new = at->image != old.image || at->group != old.group || at->row != old.row || at->channel != old.channel;
	at->w_new = at->group != old.group || at->filter != old.filter || at->channel != old.channel;
	at->x_half = old.x_half ^ at->x_new;
	at->w_half = old.w_half ^ at->w_new;
	return 1;
}

#endif
