// SPDX-License-Identifier: BSD-2-Clause
/*
 * Card or host for each layer, images over cards: dynamic programming over the layers in order.
 *
 * After some layers, what matters for those behind is a state: where the last layer ran, where each value that is still to be read is valid. A label is a way
 * to get to a state: what it used of each thing that can be the busiest. Of two labels in one state the one that used no less of anything goes (dominance).
 * A label whose completion cannot be as fast as a placement that is known already goes (bound): whatever share a of the card's and (1 - a) of the host's time
 * is looked at, the busier of the two is busy for at least a * card + (1 - a) * host, and each further layer adds at least the smaller of a * its time on the
 * card and (1 - a) * its time on the host.
 * So far all is exact. Balancing two machines is a partition problem, so the labels of a large network can be too many: then those with the lowest bounds are
 * kept (PLAN_LABELS). A network of up to PLAN_EXACT layers has no more labels than are kept. For others *bound says how far from the best the result can be:
 *
 * Give each thing a price, all prices together 1. The busiest is busy for at least what all uses cost at these prices; the cheapest placement is found
 * exactly, one label in each state. Prices that make it most expensive give the best bound (Lagrange); they are approached by steps along the uses of the
 * cheapest placements (Polyak's step length), and these placements are themselves good ones to begin the search with. What is found is made better by single
 * layers, so that it can be said of each why it is where it is.
 */
#include <math.h>

#include "plan_impl.h"

#define PLAN_EXACT  12u
#define PLAN_LABELS 1024u /* for larger networks */
#define PLAN_SHARES 33u	  /* values of a */
#define PLAN_SLOTS  64u	  /* values alive at once; with more only cuts are tried */
#define PLAN_WINDOW 64u	  /* labels that one is compared with */
#define PLAN_PRICES 60	  /* steps towards the best prices */

enum { USE_FLASH, USE_CARD, USE_HOST, USE_LINK, USE_SHARED, USES }; /* seconds of a card; SHARED of the host's link */

struct label {
	double use[USES];
	double latency, bound;
	uint64_t on_host, on_card; /* where values are valid, by slot */
	uint64_t w_from, w_to;	   /* weights on the card */
	uint32_t parent;
	uint8_t place;
};

struct step { /* what is kept of a label */
	uint32_t parent;
	uint8_t place;
};

struct search {
	struct plan_net *net;
	uint32_t cards, limit;
	double best;		/* seconds of a known placement */
	uint8_t *slot;		/* of each value, 255: none */
	double *rest;		/* [layer][share]: the least that layers from this one on add */
	struct label *now, *next;
	uint32_t nr_now, nr_next;
	struct step **steps;	/* of each layer */
	const double *price;	/* one label in each state, the cheapest; NULL: all that may be the best */
};

/* ---- placements that need no search ---- */

static bool fits(const struct plan_net *net, const struct nn_total *t)
{
	return t->card_bytes <= net->machine->card_bytes && isfinite(t->seconds);
}

static void try_places(struct search *s, const uint8_t *place, uint8_t *best_place, struct nn_total *best)
{
	struct plan_use use;
	struct nn_total t;

	plan_use(s->net, place, UINT32_MAX, &use);
	plan_total(s->net, &use, s->cards, false, &t);
	if (!fits(s->net, &t) || (best->seconds > 0 && !plan_better(&t, best)))
		return;
	*best = t;
	memcpy(best_place, place, s->net->nr);
}

/* All on one side; the first layers on the card, the others on the host; the other way round. As far as layers can be there. */
static void try_cuts(struct search *s, uint8_t *place, uint8_t *best_place, struct nn_total *best)
{
	const struct plan_net *net = s->net;

	for (uint32_t way = 0; way < 2; way++)
		for (uint32_t k = 0; k <= net->nr; k++) {
			if (k && (!net->layers[k - 1].can_card || !net->layers[k - 1].can_host))
				continue; /* the same as before */
			for (uint32_t l = 0; l < net->nr; l++) {
				bool card = way ? l >= k : l < k;

				place[l] = net->layers[l].can_card && (card || !net->layers[l].can_host) ? (uint8_t)PLAN_CARD(0) : PLAN_HOST;
			}
			try_places(s, place, best_place, best);
		}
}

/* ---- labels ---- */

static double share(uint32_t k)
{
	return (double)k / (PLAN_SHARES - 1);
}

static void set_rest(struct search *s)
{
	const struct plan_net *net = s->net;

	for (uint32_t k = 0; k < PLAN_SHARES; k++) {
		s->rest[net->nr * PLAN_SHARES + k] = 0;
		for (uint32_t l = net->nr; l-- > 0;) {
			double card = net->layers[l].can_card ? share(k) * net->layers[l].card / s->cards : INFINITY;
			double host = net->layers[l].can_host ? (1 - share(k)) * net->layers[l].host : INFINITY;

			s->rest[l * PLAN_SHARES + k] = s->rest[(l + 1) * PLAN_SHARES + k] + fmin(card, host);
		}
	}
}

/* The busiest, with images over cards. */
static double busiest(const struct search *s, const struct label *a)
{
	double own = fmax(fmax(a->use[USE_FLASH], a->use[USE_CARD]), a->use[USE_LINK]) / s->cards;

	return fmax(own, fmax(a->use[USE_HOST], a->use[USE_SHARED]));
}

static void uses_of(const struct search *s, const struct label *a, double uses[USES])
{
	for (int k = 0; k < USES; k++)
		uses[k] = a->use[k] / (k == USE_HOST || k == USE_SHARED ? 1 : s->cards);
}

static double cost(const struct search *s, const struct label *a)
{
	double uses[USES], sum = 0;

	uses_of(s, a, uses);
	for (int k = 0; k < USES; k++)
		sum += s->price[k] * uses[k];
	return sum;
}

/* The least that a label can come to; @from: layers from this one on are to come. */
static double bound(const struct search *s, const struct label *a, uint32_t from)
{
	double b = busiest(s, a);

	for (uint32_t k = 0; k < PLAN_SHARES; k++)
		b = fmax(b, share(k) * a->use[USE_CARD] / s->cards + (1 - share(k)) * a->use[USE_HOST] + s->rest[from * PLAN_SHARES + k]);
	return b;
}

/* Values get slots when they are made, and lose them behind their last reader. false: too many. */
static bool set_slots(struct search *s)
{
	const struct plan_net *net = s->net;
	uint64_t free_slots = UINT64_MAX;
	const struct nn_program *p = net->program;

	memset(s->slot, 255, net->nr_leaves);
	for (uint32_t i = 0; i < p->nr_inputs; i++)
		s->slot[p->inputs[i]] = 254; /* marked: from flash */
	for (uint32_t l = 0; l <= net->nr; l++) {
		const struct plan_layer *layer = &net->layers[l];
		/* Inputs first, at step 0. */
		uint32_t nr = l ? net->layers[l - 1].nr_out : p->nr_inputs;
		const uint32_t *born = l ? net->layers[l - 1].out : p->inputs;

		for (uint32_t i = 0; i < nr; i++) {
			if (net->leaves[born[i]].last == UINT32_MAX || (l && s->slot[born[i]] < PLAN_SLOTS))
				continue;
			if (!free_slots)
				return false;
			s->slot[born[i]] = (uint8_t)__builtin_ctzll(free_slots);
			free_slots &= free_slots - 1;
		}
		for (uint32_t i = 0; l < net->nr && i < layer->nr_in; i++)
			if (net->leaves[layer->in[i]].last == l && s->slot[layer->in[i]] < PLAN_SLOTS)
				free_slots |= 1ull << s->slot[layer->in[i]];
	}
	return true;
}

static bool is_input(const struct plan_net *net, uint32_t leaf)
{
	return net->leaves[leaf].input;
}

/* As flow.c moves, for one card. */
static void move_to_host(const struct search *s, struct label *a, uint32_t leaf)
{
	const struct nn_machine *m = s->net->machine;
	double b = (double)s->net->leaves[leaf].bytes;

	a->use[USE_SHARED] += b / m->host_link_bytes_s;
	if (is_input(s->net, leaf)) {
		a->use[USE_FLASH] += b / m->host_read_bytes_s;
		a->use[USE_LINK] += b / m->host_read_bytes_s;
	} else {
		a->use[USE_LINK] += b / m->card_to_host_bytes_s;
	}
}

static void move_to_card(const struct search *s, struct label *a, uint32_t leaf)
{
	const struct nn_machine *m = s->net->machine;
	double b = (double)s->net->leaves[leaf].bytes;

	if (is_input(s->net, leaf)) {
		a->use[USE_FLASH] += b / m->flash_bytes_s;
	} else {
		a->use[USE_SHARED] += b / m->host_link_bytes_s;
		a->use[USE_LINK] += b / m->host_to_card_bytes_s;
	}
}

/* @from continued with layer @l on the card or on the host. */
static void extend(const struct search *s, const struct label *from, uint32_t l, bool card, struct label *to)
{
	const struct plan_layer *layer = &s->net->layers[l];
	uint64_t *here, bit;

	*to = *from;
	to->place = card ? PLAN_CARD(0) : PLAN_HOST;
	here = card ? &to->on_card : &to->on_host;
	for (uint32_t i = 0; i < layer->nr_in; i++) {
		uint32_t leaf = layer->in[i];

		bit = s->slot[leaf] < PLAN_SLOTS ? 1ull << s->slot[leaf] : 0;
		if (!(*here & bit)) {
			if (card)
				move_to_card(s, to, leaf);
			else
				move_to_host(s, to, leaf);
			*here |= bit;
		}
	}
	/* What nobody reads later makes no difference. */
	for (uint32_t i = 0; i < layer->nr_in; i++)
		if (s->net->leaves[layer->in[i]].last == l) {
			bit = s->slot[layer->in[i]] < PLAN_SLOTS ? 1ull << s->slot[layer->in[i]] : 0;
			to->on_host &= ~bit;
			to->on_card &= ~bit;
		}
	for (uint32_t i = 0; i < layer->nr_out; i++) {
		bit = s->slot[layer->out[i]] < PLAN_SLOTS ? 1ull << s->slot[layer->out[i]] : 0;
		to->on_host &= ~bit;
		to->on_card &= ~bit;
		*here |= bit;
		if (card && s->net->leaves[layer->out[i]].output) {
			move_to_host(s, to, layer->out[i]);
			to->on_host |= bit;
		}
	}
	if (!card) {
		to->use[USE_HOST] += layer->host;
	} else {
		to->use[USE_CARD] += layer->card;
		if (l == 0 || from->place == PLAN_HOST)
			to->use[USE_HOST] += s->net->machine->submit_seconds / s->net->batch;
		if (layer->w_from != layer->w_to) {
			to->w_from = to->w_from == to->w_to ? layer->w_from : min_u64(to->w_from, layer->w_from);
			to->w_to = max_u64(to->w_to, layer->w_to);
		}
	}
	to->latency = to->use[USE_FLASH] + to->use[USE_CARD] + to->use[USE_HOST] + to->use[USE_LINK];
}

static bool card_full(const struct search *s, const struct label *a)
{
	return a->use[USE_CARD] > 0 && a->w_to - a->w_from + NN_SLOTS * s->net->slot_bytes > s->net->machine->card_bytes;
}

static int by_state(const void *x, const void *y)
{
	const struct label *a = x, *b = y;

	if (a->place != b->place)
		return a->place < b->place ? -1 : 1;
	if (a->on_host != b->on_host)
		return a->on_host < b->on_host ? -1 : 1;
	if (a->on_card != b->on_card)
		return a->on_card < b->on_card ? -1 : 1;
	return a->use[USE_CARD] < b->use[USE_CARD] ? -1 : a->use[USE_CARD] > b->use[USE_CARD];
}

static int by_bound(const void *x, const void *y)
{
	const struct label *a = x, *b = y;

	if (a->bound != b->bound)
		return a->bound < b->bound ? -1 : 1;
	return a->latency < b->latency ? -1 : a->latency > b->latency;
}

static bool same_state(const struct label *a, const struct label *b)
{
	return a->place == b->place && a->on_host == b->on_host && a->on_card == b->on_card;
}

/* Whatever comes, @a ends no worse than @b. */
static bool dominates(const struct label *a, const struct label *b)
{
	for (int k = 0; k < USES; k++)
		if (a->use[k] > b->use[k])
			return false;
	return a->w_from == a->w_to || (b->w_from != b->w_to && a->w_from >= b->w_from && a->w_to <= b->w_to);
}

/* By state, in each the lowest bound first. */
static int by_cost(const void *x, const void *y)
{
	const struct label *a = x, *b = y;

	return same_state(a, b) ? by_bound(a, b) : by_state(a, b);
}

static void keep_cheapest(struct search *s)
{
	uint32_t n = 0;

	qsort(s->next, s->nr_next, sizeof(*s->next), by_cost);
	for (uint32_t i = 0; i < s->nr_next; i++)
		if (!n || !same_state(&s->next[n - 1], &s->next[i]))
			s->next[n++] = s->next[i];
	s->nr_next = n;
}

static void prune(struct search *s)
{
	uint32_t n = 0, group = 0;

	qsort(s->next, s->nr_next, sizeof(*s->next), by_state);
	for (uint32_t i = 0; i < s->nr_next; i++) {
		bool keep = true;

		if (n && !same_state(&s->next[group], &s->next[i]))
			group = n;
		for (uint32_t k = n; k > group && k + PLAN_WINDOW > n && keep; k--)
			keep = !dominates(&s->next[k - 1], &s->next[i]);
		if (keep)
			s->next[n++] = s->next[i];
	}
	s->nr_next = n;
	if (n <= s->limit)
		return;
	qsort(s->next, n, sizeof(*s->next), by_bound);
	s->nr_next = s->limit;
}

static int step(struct search *s, uint32_t l)
{
	const struct plan_layer *layer = &s->net->layers[l];
	struct step *steps;
	struct label *swap;

	s->nr_next = 0;
	for (uint32_t i = 0; i < s->nr_now; i++)
		for (uint32_t card = 0; card < 2; card++) {
			struct label *to = &s->next[s->nr_next];

			if (!(card ? layer->can_card : layer->can_host))
				continue;
			extend(s, &s->now[i], l, card, to);
			to->parent = i;
			to->bound = s->price ? cost(s, to) : bound(s, to, l + 1);
			if (s->price || (!card_full(s, to) && to->bound <= s->best * (1 + 1e-9)))
				s->nr_next++;
		}
	if (s->price)
		keep_cheapest(s);
	else
		prune(s);
	if (s->nr_next > s->limit) /* with prices: too many states */
		return -E2BIG;
	steps = realloc(s->steps[l], (s->nr_next + 1ull) * sizeof(**s->steps));
	if (!steps)
		return -ENOMEM;
	s->steps[l] = steps;
	for (uint32_t i = 0; i < s->nr_next; i++)
		s->steps[l][i] = (struct step){ s->next[i].parent, s->next[i].place };
	swap = s->now;
	s->now = s->next;
	s->next = swap;
	s->nr_now = s->nr_next;
	return 0;
}

static int all_steps(struct search *s)
{
	int ret = 0;

	s->now[0] = (struct label){ .place = PLAN_HOST };
	s->nr_now = 1;
	for (uint32_t l = 0; l < s->net->nr && !ret; l++)
		ret = step(s, l);
	return ret;
}

static void trace_back(const struct search *s, uint32_t at, uint8_t *place)
{
	for (uint32_t l = s->net->nr; l-- > 0;) {
		place[l] = s->steps[l][at].place;
		at = s->steps[l][at].parent;
	}
}

/* The nearest prices that are not negative and 1 together. */
static void to_prices(double price[USES])
{
	double sorted[USES], sum = 0, less = 0;

	memcpy(sorted, price, sizeof(sorted));
	for (int i = 1; i < USES; i++)
		for (int k = i; k > 0 && sorted[k] > sorted[k - 1]; k--) {
			double swap = sorted[k];

			sorted[k] = sorted[k - 1];
			sorted[k - 1] = swap;
		}
	for (int k = 0; k < USES; k++) {
		sum += sorted[k];
		if (sorted[k] > (sum - 1) / (k + 1))
			less = (sum - 1) / (k + 1);
	}
	for (int k = 0; k < USES; k++)
		price[k] = fmax(price[k] - less, 0);
}

static int find_prices(struct search *s, uint8_t *place, uint8_t *best_place, struct nn_total *best, double *lower)
{
	double price[USES] = { 0.02, 0.45, 0.45, 0.06, 0.02 };
	int ret = 0;

	s->price = price;
	for (int i = 0; i < PLAN_PRICES && !ret; i++) {
		double uses[USES], square = 0, mean = 0, step_length;
		uint32_t at = 0;

		ret = all_steps(s);
		if (ret)
			break;
		for (uint32_t k = 1; k < s->nr_now; k++)
			if (s->now[k].bound < s->now[at].bound)
				at = k;
		*lower = fmax(*lower, s->now[at].bound);
		uses_of(s, &s->now[at], uses);
		trace_back(s, at, place);
		try_places(s, place, best_place, best);
		if (!(best->seconds > 0) || *lower >= best->seconds * (1 - 1e-6))
			break;
		for (int k = 0; k < USES; k++)
			mean += uses[k] / USES;
		for (int k = 0; k < USES; k++)
			square += (uses[k] - mean) * (uses[k] - mean);
		step_length = (best->seconds - s->now[at].bound) / fmax(square, 1e-30) / (1 + i / 10);
		for (int k = 0; k < USES; k++)
			price[k] += step_length * (uses[k] - mean);
		to_prices(price);
	}
	s->price = NULL;
	return ret == -E2BIG ? 0 : ret;
}

static int search(struct search *s, uint8_t *place, uint8_t *best_place, struct nn_total *best)
{
	uint32_t at = 0;
	int ret = all_steps(s);

	if (ret || !s->nr_now)
		return ret;
	for (uint32_t i = 0; i < s->nr_now; i++) {
		double a = busiest(s, &s->now[i]), b = busiest(s, &s->now[at]);

		if (a < b * (1 - 1e-9) || (a <= b * (1 + 1e-9) && s->now[i].latency < s->now[at].latency))
			at = i;
	}
	trace_back(s, at, place);
	try_places(s, place, best_place, best);
	return 0;
}

/* As long as one layer in the other place makes it better. Of a placement that is the best none does. */
static void change_single(struct search *s, uint8_t *work, uint8_t *best_place, struct nn_total *best)
{
	struct nn_total before;

	if (!(best->seconds > 0))
		return;
	do {
		before = *best;
		for (uint32_t l = 0; l < s->net->nr; l++) {
			if (!s->net->layers[l].can_card || !s->net->layers[l].can_host)
				continue;
			memcpy(work, best_place, s->net->nr);
			work[l] = work[l] == PLAN_HOST ? (uint8_t)PLAN_CARD(0) : PLAN_HOST;
			try_places(s, work, best_place, best);
		}
	} while (plan_better(best, &before));
}

int plan_place(struct plan_net *net, uint32_t cards, uint8_t *place, struct nn_total *total, double *lower)
{
	struct search s = { .net = net, .cards = cards, .limit = net->nr <= PLAN_EXACT ? 1u << PLAN_EXACT : PLAN_LABELS };
	struct label start = { .place = PLAN_HOST };
	uint8_t *work = malloc(net->nr + 1ull);
	bool choice = false;
	int ret = 0;

	*total = (struct nn_total){ 0 };
	s.slot = malloc(net->nr_leaves + 1ull);
	s.rest = malloc((net->nr + 1ull) * PLAN_SHARES * sizeof(*s.rest));
	s.now = malloc((2ull * s.limit + 2) * sizeof(*s.now));
	s.next = malloc((2ull * s.limit + 2) * sizeof(*s.next));
	s.steps = calloc(net->nr + 1ull, sizeof(*s.steps));
	if (!work || !s.slot || !s.rest || !s.now || !s.next || !s.steps) {
		ret = -ENOMEM;
		goto out;
	}
	for (uint32_t l = 0; l < net->nr; l++)
		choice |= net->layers[l].can_card && net->layers[l].can_host;
	set_rest(&s);
	*lower = bound(&s, &start, 0);
	try_cuts(&s, work, place, total);
	if (choice && set_slots(&s)) {
		ret = find_prices(&s, work, place, total, lower);
		s.best = total->seconds > 0 ? total->seconds : INFINITY;
		if (!ret)
			ret = search(&s, work, place, total);
	}
	if (!ret)
		change_single(&s, work, place, total);
	if (!ret && !(total->seconds > 0))
		ret = -E2BIG;
out:
	for (uint32_t l = 0; l < net->nr && s.steps; l++)
		free(s.steps[l]);
	free(s.steps);
	free(s.slot);
	free(s.rest);
	free(s.now);
	free(s.next);
	free(work);
	return ret;
}
