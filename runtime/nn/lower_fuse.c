// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which candidates and host nodes are needed, and what becomes part of its neighbour: a sum part of the convolution before it, a MaxPool too, the unfolding of
 * the first convolution part of the input's packing, a concatenation the place where its parts are written.
 */
#include "lower.h"

bool lower_inlined(const struct lower *l, uint32_t node)
{
	const struct nn_node *n = &l->g->nodes[node];

	return n->op == NN_DEQUANTIZE && !l->g->tensors[n->out[0]].is_output;
}

static void want(struct lower *l, bool *wanted, uint32_t t)
{
	l->card[t] = true;
	wanted[t] = true;
}

/* Backwards from the outputs: nodes come after what they read. */
static void demand(struct lower *l, bool *wanted)
{
	const struct nn_graph *g = l->g;

	for (uint32_t i = 0; i < g->nr_outputs; i++)
		wanted[g->outputs[i]] = true;
	for (uint32_t i = g->nr_nodes; i-- > 0;) {
		const struct nn_node *n = &g->nodes[i];

		for (uint32_t o = 0; o < n->nr_out; o++) {
			uint32_t t = n->out[o], candidate;

			if (t == NN_NOWHERE || !wanted[t] || g->tensors[t].data)
				continue;
			candidate = l->layer_of[t];
			if (candidate != NN_NOWHERE) {
				struct lower_layer *c = &l->layers[candidate];

				c->needed = true;
				for (int k = 0; k < 2 && c->l.kind != NN_LAYER_PACK; k++)
					if (c->in[k] != NN_NOWHERE)
						want(l, wanted, c->in[k]);
				for (uint32_t k = 0; k < c->nr_parts; k++)
					want(l, wanted, c->parts[k].base);
			} else {
				l->host[i] = true;
				for (uint32_t k = 0; k < n->nr_in; k++)
					if (n->in[k] != NN_NOWHERE)
						wanted[n->in[k]] = true;
			}
		}
	}
	for (uint32_t i = 0; i < g->nr_inputs; i++) {
		uint32_t t = g->inputs[i];

		if (l->card[t] && l->layer_of[t] != NN_NOWHERE)
			l->layers[l->layer_of[t]].needed = true;
	}
}

static void count_uses(struct lower *l)
{
	const struct nn_graph *g = l->g;

	for (uint32_t i = 0; i < g->nr_outputs; i++)
		l->uses[g->outputs[i]]++;
	for (uint32_t i = 0; i < g->nr_nodes; i++)
		for (uint32_t k = 0; l->host[i] && k < g->nodes[i].nr_in; k++)
			if (g->nodes[i].in[k] != NN_NOWHERE)
				l->uses[g->nodes[i].in[k]]++;
	for (uint32_t i = 0; i < l->nr_layers; i++) {
		const struct lower_layer *c = &l->layers[i];

		for (int k = 0; k < 2 && c->needed && c->l.kind != NN_LAYER_PACK; k++)
			if (c->in[k] != NN_NOWHERE)
				l->uses[c->in[k]]++;
		for (uint32_t k = 0; c->needed && k < c->nr_parts; k++)
			l->uses[c->parts[k].base]++;
	}
}

/* The convolution that alone feeds @t's only reader and has nothing behind it yet; NULL. */
static struct lower_layer *feeder(struct lower *l, uint32_t t)
{
	struct lower_layer *c = l->layer_of[t] == NN_NOWHERE ? NULL : &l->layers[l->layer_of[t]];

	if (!c || c->dead || !c->needed || c->l.kind != NN_LAYER_CONV || c->l.conv.residual || c->l.conv.pool[0] || l->uses[t] != 1)
		return NULL;
	return c;
}

/* @joined, made of convolution @conv and what came behind it, takes the place of @behind. */
static void join(struct lower_layer *joined, struct lower_layer *conv, struct lower_layer *behind)
{
	joined->out = behind->out;
	joined->q = behind->q;
	joined->after = behind->after;
	joined->before = behind->before;
	joined->rescaled = behind->rescaled;
	lower_fused(joined, behind->main);
	for (uint32_t i = 0; i < behind->nr_fused; i++)
		lower_fused(joined, behind->fused[i]);
	conv->dead = true;
	conv->w.order = NULL;
	conv->w.bias = NULL;
	*behind = *joined;
}

static void residual(struct lower *l, struct lower_layer *sum)
{
	/* The later one of two convolutions: the other one's result is there already. */
	int first = sum->in[1] != NN_NOWHERE && l->layer_of[sum->in[1]] != NN_NOWHERE &&
		    (l->layer_of[sum->in[0]] == NN_NOWHERE || l->layer_of[sum->in[1]] > l->layer_of[sum->in[0]]);

	if (sum->in[1] == NN_NOWHERE || sum->in[0] == sum->in[1])
		return;
	for (int i = 0; i < 2; i++) {
		int k = i ? !first : first;
		struct lower_layer *conv = feeder(l, sum->in[k]), joined;
		const struct nn_add_layer *a = &sum->l.add;

		if (!conv || conv->l.conv.zero != (k ? a->b_zero : a->a_zero))
			continue;
		joined = *conv;
		joined.in[1] = sum->in[!k];
		joined.l.conv.residual = true;
		joined.l.conv.v_mult = k ? a->b_mult : a->a_mult;
		joined.l.conv.r_mult = k ? a->a_mult : a->b_mult;
		joined.l.conv.r_zero = k ? a->a_zero : a->b_zero;
		joined.l.conv.sum_zero = a->zero;
		joined.l.conv.sum_lo = a->lo;
		joined.l.conv.sum_hi = a->hi;
		if (!lower_fits_tensors(l, &joined, joined.in[0], sum->out, NULL))
			continue;
		join(&joined, conv, sum);
		return;
	}
}

static uint32_t clamp(uint32_t v, uint32_t lo, uint32_t hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

static void pool(struct lower *l, struct lower_layer *p)
{
	struct lower_layer *conv = feeder(l, p->in[0]), joined;
	const struct nn_pool_layer *n = &p->l.pool;
	struct nn_conv_layer *v = &joined.l.conv;

	if (!conv || n->average || n->dilation[0] != 1 || n->dilation[1] != 1)
		return;
	joined = *conv;
	for (int i = 0; i < 2; i++) {
		v->pool[i] = n->kernel[i];
		v->pool_stride[i] = n->stride[i];
		v->pool_pad[i] = n->pad[i];
		v->pool_out[i] = n->out[i];
	}
	/* The maximum and a clip may change places. */
	v->lo = clamp(v->lo, n->lo, n->hi);
	v->hi = clamp(v->hi, n->lo, n->hi);
	if (lower_fits_tensors(l, &joined, joined.in[0], p->out, NULL))
		join(&joined, conv, p);
}

/* The only reader of @t, if it is a convolution. */
static struct lower_layer *only_reader(struct lower *l, uint32_t t)
{
	if (l->uses[t] != 1)
		return NULL;
	for (uint32_t i = 0; i < l->nr_layers; i++) {
		struct lower_layer *c = &l->layers[i];

		if (c->needed && !c->dead && c->l.kind == NN_LAYER_CONV && c->in[0] == t)
			return c;
	}
	return NULL;
}

static void unfold(struct lower *l, struct lower_layer *pack)
{
	struct lower_layer *conv = only_reader(l, pack->out), p = *pack, c;
	const struct nn_dims *x = &l->g->tensors[pack->out].dims;
	uint32_t shape[3], y[3], images;

	if (!conv || x->n != 4 || conv->w.groups != 1 || conv->w.order || conv->w.times > 1)
		return;
	c = *conv;
	if (c.w.kernel[1] < 2 || c.w.channels > 4 || c.w.kernel[1] * c.w.channels > 32 || c.l.conv.dilation[0] != 1 || c.l.conv.dilation[1] != 1)
		return;
	p.l.pack.kernel = c.w.kernel[1];
	p.l.pack.stride = c.l.conv.stride[1];
	p.l.pack.pad = c.l.conv.pad[1];
	p.l.pack.outside = c.l.conv.x_zero;
	shape[0] = (uint32_t)x->d[2];
	shape[1] = p.wide = c.l.conv.out[1];
	shape[2] = p.deep = c.w.kernel[1] * c.w.channels;
	c.w.unfold = true;
	c.l.conv.channels = lower_weights_channels(&c.w);
	c.l.conv.kernel[1] = c.l.conv.stride[1] = 1;
	c.l.conv.pad[1] = 0;
	if (!nn_card_layout(&l->g->tensors[c.out].dims, &images, &y[0], &y[1], &y[2]) || !lower_fits(l, &c, shape, y, NULL) ||
	    !lower_fits(l, &p, shape, shape, NULL))
		return;
	*conv = c;
	*pack = p;
}

/* A concatenation of concatenations is copied: whoever follows values through a program needs to know one level of parts only. */
static void concat(struct lower *l, struct lower_layer *c)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < c->nr_parts; i++) {
		struct lower_part *p = &c->parts[i];
		uint32_t images, h, w, channels;

		nn_card_layout(&l->g->tensors[p->base].dims, &images, &h, &w, &channels);
		if (l->place[p->base].whole == NN_NOWHERE && lower_quant_equal(&p->q, &c->q) &&
		    !(l->layer_of[p->base] != NN_NOWHERE && l->layers[l->layer_of[p->base]].concat)) {
			l->place[p->base] = (struct lower_place){ c->out, at };
			p->placed = true;
		}
		at += channels;
	}
}

int lower_fuse(struct lower *l)
{
	bool *wanted = calloc(l->g->nr_tensors ? l->g->nr_tensors : 1, sizeof(*wanted));

	if (!wanted)
		return -ENOMEM;
	demand(l, wanted);
	free(wanted);
	count_uses(l);
	for (uint32_t i = 0; i < l->nr_layers; i++) {
		struct lower_layer *c = &l->layers[i];

		if (c->needed && !c->concat && c->l.kind == NN_LAYER_ADD)
			residual(l, c);
		else if (c->needed && c->l.kind == NN_LAYER_POOL)
			pool(l, c);
	}
	for (uint32_t i = 0; i < l->nr_layers; i++)
		if (l->layers[i].needed && l->layers[i].l.kind == NN_LAYER_PACK)
			unfold(l, &l->layers[i]);
	for (uint32_t i = 0; i < l->nr_layers; i++)
		if (l->layers[i].needed && l->layers[i].concat)
			concat(l, &l->layers[i]);
	return 0;
}
