// SPDX-License-Identifier: BSD-2-Clause
/*
 * The order of layers, with as few host pieces as possible: in turns everything that the card can do by now, then everything that the host can. Each turn takes
 * all that is ready, so no other order needs fewer turns that begins on the same side; both sides are tried.
 */
#include "lower.h"

#define ITEM_HOST 0x80000000u /* a node, else a candidate */

struct order {
	uint32_t *items, *sorted; /* topological; as they are to run */
	uint32_t nr, pieces;
	bool *plain, *card, *done; /* tensors that are there, for the host, for the card; items that have run */
};

static bool there(const struct lower *l, const struct order *o, uint32_t t)
{
	const struct nn_node *n;

	if (t == NN_NOWHERE || l->g->tensors[t].data || o->plain[t])
		return true;
	n = lower_producer(l, t);
	/* Evaluated wherever it is needed. */
	if (n && n->op == NN_DEQUANTIZE)
		return l->g->tensors[n->in[0]].data || o->plain[n->in[0]];
	return false;
}

static bool ready(const struct lower *l, const struct order *o, uint32_t item)
{
	if (item & ITEM_HOST) {
		const struct nn_node *n = &l->g->nodes[item & ~ITEM_HOST];

		for (uint32_t i = 0; i < n->nr_in; i++)
			if (!there(l, o, n->in[i]))
				return false;
	} else {
		const struct lower_layer *c = &l->layers[item];

		if (c->l.kind == NN_LAYER_PACK)
			return true;
		for (int i = 0; i < 2; i++)
			if (c->in[i] != NN_NOWHERE && !o->card[c->in[i]])
				return false;
		for (uint32_t i = 0; i < c->nr_parts; i++)
			if (!o->card[c->parts[i].base])
				return false;
	}
	return true;
}

static void run(const struct lower *l, struct order *o, uint32_t item)
{
	if (item & ITEM_HOST) {
		const struct nn_node *n = &l->g->nodes[item & ~ITEM_HOST];

		for (uint32_t i = 0; i < n->nr_out; i++)
			if (n->out[i] != NN_NOWHERE)
				o->plain[n->out[i]] = o->card[n->out[i]] = true;
		l->piece[item & ~ITEM_HOST] = o->pieces;
	} else {
		o->plain[l->layers[item].out] = o->card[l->layers[item].out] = true;
	}
}

/* false: something waits for itself, which a sorted graph cannot make happen */
static bool simulate(const struct lower *l, struct order *o, bool host)
{
	uint32_t at = 0, before = UINT32_MAX;

	memset(o->plain, 0, l->g->nr_tensors);
	memset(o->card, 0, l->g->nr_tensors);
	memset(o->done, 0, o->nr);
	o->pieces = 0;
	for (uint32_t i = 0; i < l->g->nr_inputs; i++)
		o->plain[l->g->inputs[i]] = true;
	for (uint32_t idle = 0; at < o->nr && idle < 3; host = !host) {
		before = at;
		for (uint32_t i = 0; i < o->nr; i++)
			if (!o->done[i] && !(o->items[i] & ITEM_HOST) == !host && ready(l, o, o->items[i])) {
				o->done[i] = true;
				o->sorted[at++] = o->items[i];
				run(l, o, o->items[i]);
			}
		idle = at == before ? idle + 1 : 0;
		if (host && at != before)
			o->pieces++;
	}
	return at == o->nr;
}

static void collect(const struct lower *l, struct order *o)
{
	for (uint32_t i = 0; i < l->g->nr_inputs; i++) {
		uint32_t c = l->layer_of[l->g->inputs[i]];

		if (c != NN_NOWHERE && l->layers[c].needed)
			o->items[o->nr++] = c;
	}
	for (uint32_t i = 0; i < l->g->nr_nodes; i++) {
		for (uint32_t k = 0; k < l->g->nodes[i].nr_out; k++) {
			uint32_t t = l->g->nodes[i].out[k], c = t == NN_NOWHERE ? NN_NOWHERE : l->layer_of[t];

			if (c != NN_NOWHERE && l->layers[c].needed && !l->layers[c].dead)
				o->items[o->nr++] = c;
		}
		if (l->host[i] && !lower_inlined(l, i))
			o->items[o->nr++] = i | ITEM_HOST;
	}
}

/* What pieces must hand out because another piece reads it. */
static void mark_outside(struct lower *l)
{
	for (uint32_t i = 0; i < l->g->nr_nodes; i++)
		for (uint32_t k = 0; l->piece[i] != NN_NOWHERE && k < l->g->nodes[i].nr_in; k++) {
			uint32_t t = l->g->nodes[i].in[k], p;
			const struct nn_node *n = lower_producer(l, t);

			if (n && n->op == NN_DEQUANTIZE && l->piece[l->g->tensors[t].producer] != l->piece[i]) {
				t = n->in[0];
				n = lower_producer(l, t);
			}
			p = n ? l->g->tensors[t].producer : NN_NOWHERE;
			if (p != NN_NOWHERE && l->piece[p] != NN_NOWHERE && l->piece[p] != l->piece[i])
				l->outside[t] = true;
		}
}

static int emit(struct lower *l, const struct order *o)
{
	uint32_t *nodes = malloc((o->nr ? o->nr : 1) * sizeof(*nodes));
	int ret = nodes ? 0 : -ENOMEM;

	for (uint32_t i = 0; !ret && i < o->nr;) {
		uint32_t nr = 0, first = o->sorted[i];

		if (!(first & ITEM_HOST)) {
			ret = lower_emit(l, &l->layers[first]);
			i++;
			continue;
		}
		for (; i < o->nr && o->sorted[i] & ITEM_HOST; i++)
			nodes[nr++] = o->sorted[i] & ~ITEM_HOST;
		ret = lower_piece(l, nodes, nr);
	}
	free(nodes);
	return ret;
}

int lower_order(struct lower *l)
{
	uint32_t room = l->nr_layers + l->g->nr_nodes + 1, tensors = l->g->nr_tensors + 1, pieces;
	struct order o = { 0 };
	int ret = -ENOMEM;

	o.items = malloc(room * sizeof(*o.items));
	o.sorted = malloc(room * sizeof(*o.sorted));
	o.plain = malloc(tensors);
	o.card = malloc(tensors);
	o.done = malloc(room);
	if (o.items && o.sorted && o.plain && o.card && o.done) {
		bool ok;

		collect(l, &o);
		ok = simulate(l, &o, true);
		pieces = o.pieces;
		ok = ok && simulate(l, &o, false);
		if (ok && pieces < o.pieces)
			ok = simulate(l, &o, true);
		if (ok) {
			mark_outside(l);
			ret = emit(l, &o);
		} else {
			ret = smartssd_fail(l->err, -EBADMSG, "the model's nodes wait for each other");
		}
	}
	free(o.items);
	free(o.sorted);
	free(o.plain);
	free(o.card);
	free(o.done);
	return ret;
}
