// SPDX-License-Identifier: BSD-2-Clause
/*
 * Layers over cards: ranges of consecutive layers, so that each card keeps its own layers' weights only. What only the host can do stays there, wherever it is.
 *
 * The time of a range is the larger of its computing and of moving across its ends what is alive there (and, in the first one, of reading the input).
 * The best cut into at most N ranges minimises the time of the slowest; by dynamic programming over the end of the last range. Which values
 * move between two ranges does not depend on where other cuts are, but a value that jumps over a whole range is counted at each cut that it crosses, and what
 * layers on the host in mid-range move is not: for chains of layers on cards this is exact, for others near. The total is made anew by flow.c, which knows.
 */
#include <math.h>

#include "plan_impl.h"

struct ranges {
	struct plan_net *net;
	uint32_t cards, nr;
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

static bool range_fits(const struct ranges *r, uint32_t from, uint32_t to)
{
	uint64_t low = UINT64_MAX, high = 0;

	for (uint32_t l = from; l < to; l++) {
		const struct plan_layer *layer = &r->net->layers[l];

		if (!layer->can_card || layer->w_from == layer->w_to)
			continue;
		low = min_u64(low, layer->w_from);
		high = max_u64(high, layer->w_to);
	}
	high = high ? high - low : 0;
	return high + (r->cards + 1ull) * r->net->slot_bytes <= r->net->machine->card_bytes;
}

static double range_time(const struct ranges *r, uint32_t from, uint32_t to)
{
	double compute = r->compute[to] - r->compute[from], link = r->link[from] + r->link[to] + r->out[to] - r->out[from];

	return fmax(fmax(compute, link), from ? 0 : r->flash);
}

static void cut(struct ranges *r)
{
	uint32_t width = r->nr + 1;

	for (uint32_t end = 0; end <= r->nr; end++)
		r->best[end] = end ? INFINITY : 0;
	for (uint32_t from = 0; from < r->nr; from++)
		for (uint32_t to = from + 1; to <= r->nr; to++) {
			double time;

			if (!range_fits(r, from, to))
				break; /* nor does a longer one */
			time = range_time(r, from, to);
			for (uint32_t c = 1; c <= r->cards; c++) {
				double with = fmax(r->best[(c - 1) * width + from], time);

				if (with < r->best[c * width + to]) {
					r->best[c * width + to] = with;
					r->from[c * width + to] = from;
				}
			}
		}
}

int plan_spread(struct plan_net *net, uint32_t cards, uint8_t *place, struct nn_total *total)
{
	uint32_t width = net->nr + 1, best = 0;
	struct ranges r = { .net = net, .cards = cards, .nr = net->nr };
	struct plan_use use;
	int ret = 0;

	r.compute = calloc(width, sizeof(*r.compute));
	r.link = calloc(width, sizeof(*r.link));
	r.out = calloc(width, sizeof(*r.out));
	r.best = calloc((cards + 1ull) * width, sizeof(*r.best));
	r.from = calloc((cards + 1ull) * width, sizeof(*r.from));
	if (!r.compute || !r.link || !r.out || !r.best || !r.from) {
		ret = -ENOMEM;
		goto out;
	}
	for (uint64_t i = 0; i < (cards + 1ull) * width; i++)
		r.best[i] = INFINITY;
	set_cuts(&r);
	cut(&r);
	for (uint32_t c = 1; c <= cards; c++)
		if (r.best[c * width + net->nr] < (best ? r.best[best * width + net->nr] * (1 - 1e-9) : INFINITY))
			best = c; /* no more cards than help */
	if (!best) {
		ret = -E2BIG;
		goto out;
	}
	for (uint32_t c = best, end = net->nr; c; c--) {
		uint32_t from = r.from[c * width + end];

		for (uint32_t l = from; l < end; l++)
			place[l] = net->layers[l].can_card ? (uint8_t)PLAN_CARD(c - 1) : PLAN_HOST;
		end = from;
	}
	plan_use(net, place, UINT32_MAX, &use);
	plan_total(net, &use, cards, true, total);
	if (total->card_bytes > net->machine->card_bytes)
		ret = -E2BIG;
out:
	free(r.compute);
	free(r.link);
	free(r.out);
	free(r.best);
	free(r.from);
	return ret;
}
