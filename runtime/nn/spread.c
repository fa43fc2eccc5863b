// SPDX-License-Identifier: BSD-2-Clause
/*
 * Layers over cards: ranges of consecutive layers, so that each card keeps its own layers' weights only. What only the host can do stays there, wherever it is.
 *
 * The time of a range is the larger of its computing and of moving across its ends what is alive there (and, in the first one, of reading the input).
 * The best cut into at most N ranges minimises the time of the slowest; by dynamic programming over the end of the last range. Which values
 * move between two ranges does not depend on where other cuts are, but a value that jumps over a whole range is counted at each cut that it crosses, and what
 * layers on the host in mid-range move is not: for chains of layers on cards this is exact, for others near. So totals are made anew by flow.c, which knows,
 * and cuts are shifted as long as that helps.
 */
#include <math.h>

#include "plan_impl.h"

struct ranges {
	struct plan_net *net;
	uint32_t cards, nr; /* nr: layers */
	double *compute;     /* of layers before this one, on cards */
	double *link;	     /* to move across the cut in front of this layer */
	double *out;	     /* to move outputs of layers before this one to the host */
	double flash;
	double *best;	     /* [card][end]: time of the slowest of so many ranges up to there */
	uint32_t *from;	     /* where the last of them begins */
};

/* Seconds to move what is alive across the cut in front of each layer: made by a layer before, read by this one or one behind it. */
static void set_cuts(struct ranges *r)
{
	const struct plan_net *net = r->net;

	for (uint32_t l = 0; l < r->nr; l++) {
		const struct plan_layer *layer = &net->layers[l];

		r->compute[l + 1] = r->compute[l] + (layer->can_card ? layer->card : 0);
		for (uint32_t i = 0; i < layer->nr_out; i++) {
			const struct plan_leaf *leaf = &net->leaves[layer->out[i]];
			double seconds = (double)leaf->bytes / net->machine->host_to_card_bytes_s;

			for (uint32_t k = l + 1; leaf->last != UINT32_MAX && k <= leaf->last; k++)
				r->link[k] += seconds;
			if (leaf->output && layer->can_card)
				r->out[l + 1] += (double)leaf->bytes / net->machine->card_to_host_bytes_s;
		}
		r->out[l + 1] += r->out[l];
	}
	for (uint32_t i = 0; i < net->program->nr_inputs; i++)
		r->flash += (double)net->leaves[net->program->inputs[i]].bytes / net->machine->flash_bytes_s;
}

static double range_time(const struct ranges *r, uint32_t from, uint32_t to)
{
	double compute = r->compute[to] - r->compute[from], link = r->link[from] + r->link[to] + r->out[to] - r->out[from];

	return fmax(fmax(compute, link), from ? 0 : r->flash);
}

/* The best cut into @ranges, of those that fit: as many images are in flight as there are ranges, and one more. */
static void cut(struct ranges *r, uint32_t ranges)
{
	uint64_t slots = (ranges + 1ull) * r->net->slot_bytes, room = r->net->machine->card_bytes;
	uint32_t width = r->nr + 1;

	for (uint32_t i = 0; i < (ranges + 1) * width; i++)
		r->best[i] = INFINITY;
	r->best[0] = 0;
	for (uint32_t from = 0; from < r->nr && slots <= room; from++) {
		uint64_t low = UINT64_MAX, high = 0;

		for (uint32_t to = from + 1; to <= r->nr; to++) {
			const struct plan_layer *last = &r->net->layers[to - 1];
			double time = range_time(r, from, to);

			if (last->can_card && last->w_from != last->w_to) {
				low = min_u64(low, last->w_from);
				high = max_u64(high, last->w_to);
			}
			if (high && high - low > room - slots)
				break; /* nor does a longer one fit */
			for (uint32_t c = 1; c <= ranges; c++) {
				double with = fmax(r->best[(c - 1) * width + from], time);

				if (with < r->best[c * width + to]) {
					r->best[c * width + to] = with;
					r->from[c * width + to] = from;
				}
			}
		}
	}
}

/* ---- the total, with all that moves ---- */

struct trial {
	struct plan_net *net;
	uint32_t cards;
	uint32_t cut[NN_MAX_CARDS + 1]; /* range c is layers [cut[c], cut[c + 1]) */
	uint32_t nr;			/* of ranges */
};

static bool total_of(const struct trial *t, uint8_t *place, struct nn_total *total)
{
	struct plan_use use;

	for (uint32_t c = 0; c < t->nr; c++)
		for (uint32_t l = t->cut[c]; l < t->cut[c + 1]; l++)
			place[l] = t->net->layers[l].can_card ? (uint8_t)PLAN_CARD(c) : PLAN_HOST;
	plan_use(t->net, place, UINT32_MAX, &use);
	plan_total(t->net, &use, t->cards, true, total);
	return total->card_bytes <= t->net->machine->card_bytes;
}

/* Cuts by one layer to either side, as long as that helps. */
static void shift_cuts(struct trial *t, uint8_t *place, struct nn_total *best)
{
	bool better = true;

	for (uint32_t round = 0; round < 2 * t->net->nr && better; round++) {
		better = false;
		for (uint32_t c = 1; c < t->nr; c++)
			for (int way = -1; way <= 1; way += 2) {
				struct nn_total total;
				uint32_t keep = t->cut[c];

				t->cut[c] += (uint32_t)way;
				if (t->cut[c] > t->cut[c - 1] && t->cut[c] < t->cut[c + 1] && total_of(t, place, &total) && plan_better(&total, best)) {
					*best = total;
					better = true;
				} else {
					t->cut[c] = keep;
				}
			}
	}
}

static bool feasible(const struct ranges *r, uint32_t ranges)
{
	return !isinf(r->best[ranges * (r->nr + 1) + r->nr]);
}

/* Of up to so many ranges the best; no more cards than help. */
static int best_ranges(struct ranges *r, uint8_t *place, struct nn_total *total)
{
	struct trial best = { .net = r->net, .cards = r->cards }, t = best;
	uint32_t width = r->nr + 1;
	struct nn_total now;

	for (t.nr = 1; t.nr <= r->cards; t.nr++) {
		cut(r, t.nr);
		if (!feasible(r, t.nr))
			continue;
		t.cut[t.nr] = r->nr;
		for (uint32_t c = t.nr; c; c--)
			t.cut[c - 1] = r->from[c * width + t.cut[c]];
		if (!total_of(&t, place, &now))
			continue;
		shift_cuts(&t, place, &now);
		if (best.nr && !plan_better(&now, total))
			continue;
		best = t;
		*total = now;
	}
	if (!best.nr)
		return -E2BIG;
	total_of(&best, place, total);
	return 0;
}

static int open_ranges(struct ranges *r, struct plan_net *net, uint32_t cards)
{
	uint32_t width = net->nr + 1;

	*r = (struct ranges){ .net = net, .cards = cards, .nr = net->nr };
	r->compute = calloc(width, sizeof(*r->compute));
	r->link = calloc(width, sizeof(*r->link));
	r->out = calloc(width, sizeof(*r->out));
	r->best = calloc((cards + 1ull) * width, sizeof(*r->best));
	r->from = calloc((cards + 1ull) * width, sizeof(*r->from));
	if (!r->compute || !r->link || !r->out || !r->best || !r->from)
		return -ENOMEM;
	set_cuts(r);
	return 0;
}

static void close_ranges(struct ranges *r)
{
	free(r->compute);
	free(r->link);
	free(r->out);
	free(r->best);
	free(r->from);
}

int plan_spread(struct plan_net *net, uint32_t cards, uint8_t *place, struct nn_total *total)
{
	struct ranges r;
	int ret = open_ranges(&r, net, cards);

	if (!ret)
		ret = best_ranges(&r, place, total);
	close_ranges(&r);
	return ret;
}

uint32_t plan_spread_least(struct plan_net *net)
{
	uint32_t found = 0;
	struct ranges r;

	if (!open_ranges(&r, net, NN_MAX_CARDS))
		for (uint32_t n = 1; n <= NN_MAX_CARDS && !found; n++) {
			cut(&r, n);
			found = feasible(&r, n) ? n : 0;
		}
	close_ranges(&r);
	return found;
}
