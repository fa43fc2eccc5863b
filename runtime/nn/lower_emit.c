// SPDX-License-Identifier: BSD-2-Clause
/* Candidates to layers, tensors to values. */
#include "lower.h"

static uint32_t new_value(struct lower *l, const char *name, enum nn_type type, const struct nn_dims *dims)
{
	struct nn_program *p = l->p;
	struct nn_value *v;

	if (smartssd_grow(&p->values, &l->room_values, (uint64_t)p->nr_values + 1, 64, sizeof(*p->values))) {
		l->no_memory = true;
		return NN_NONE_VALUE;
	}
	v = &p->values[p->nr_values];
	memset(v, 0, sizeof(*v));
	v->name = lower_text(l, "%s", name);
	if (!v->name)
		return NN_NONE_VALUE;
	v->type = type;
	v->dims = *dims;
	v->images = 1;
	v->whole = NN_NONE_VALUE;
	v->scale = 1.0f;
	return p->nr_values++;
}

uint32_t lower_plain_value(struct lower *l, uint32_t t)
{
	uint32_t v = l->plain_value[t];

	if (v != NN_NONE_VALUE)
		return v;
	v = new_value(l, l->g->tensors[t].name, l->g->tensors[t].type, &l->g->tensors[t].dims);
	if (v != NN_NONE_VALUE) {
		l->p->values[v].plain = true;
		if (l->g->tensors[t].dims.n && l->p->nr_inputs && l->g->tensors[t].dims.d[0] == nn_program_batch(l->p))
			l->p->values[v].images = nn_program_batch(l->p);
	}
	return l->plain_value[t] = v;
}

/* Of a byte tensor that no candidate produces. */
static struct lower_quant quant_of(const struct lower *l, uint32_t t)
{
	const struct nn_node *n = lower_producer(l, t);
	struct lower_quant q;

	if (l->layer_of[t] != NN_NOWHERE)
		return l->layers[l->layer_of[t]].q;
	if (n && n->op == NN_QUANTIZE && lower_quant(l, n->in[1], n->nr_in > 2 ? n->in[2] : NN_NOWHERE, l->g->tensors[t].type, &q))
		return q;
	return (struct lower_quant){ 1.0f, l->g->tensors[t].type == NN_I1 ? 128 : 0, l->g->tensors[t].type };
}

/* @whole: it is a part of that value, from channel @at on; NN_NONE_VALUE. */
static uint32_t new_card_value(struct lower *l, const char *name, const struct nn_dims *dims, const struct lower_quant *q, uint32_t whole, uint32_t at)
{
	uint32_t i = new_value(l, name, q->type, dims);
	struct nn_value *v = i == NN_NONE_VALUE ? NULL : &l->p->values[i];

	if (!v)
		return i;
	nn_card_layout(&v->dims, &v->images, &v->h, &v->w, &v->c);
	v->channels = (uint32_t)align_up(v->c, NN_LANES);
	v->scale = q->scale;
	v->zero = q->zero;
	v->whole = whole;
	v->at = at;
	return i;
}

uint32_t lower_card_value(struct lower *l, uint32_t t)
{
	uint32_t v = l->card_value[t], whole = NN_NONE_VALUE;
	struct lower_quant q = quant_of(l, t);

	if (v != NN_NONE_VALUE)
		return v;
	if (l->place[t].whole != NN_NOWHERE) {
		whole = lower_card_value(l, l->place[t].whole);
		if (whole == NN_NONE_VALUE)
			return whole;
	}
	q.type = l->g->tensors[t].type;
	v = new_card_value(l, l->g->tensors[t].name, &l->g->tensors[t].dims, &q, whole, whole == NN_NONE_VALUE ? 0 : l->place[t].at);
	return l->card_value[t] = v;
}

struct nn_layer *lower_new_layer(struct lower *l, enum nn_layer_kind kind, const char *name)
{
	struct nn_program *p = l->p;
	struct nn_layer *layer;

	if (smartssd_grow(&p->layers, &l->room_program_layers, (uint64_t)p->nr_layers + 1, 64, sizeof(*p->layers))) {
		l->no_memory = true;
		return NULL;
	}
	layer = &p->layers[p->nr_layers++];
	memset(layer, 0, sizeof(*layer));
	layer->kind = kind;
	layer->in[0] = layer->in[1] = layer->out = NN_NONE_VALUE;
	layer->place = kind == NN_LAYER_GRAPH ? NN_ON_HOST : NN_ON_CARD;
	layer->name = lower_text(l, "%s", name);
	layer->fused = lower_text(l, "%s", "");
	layer->why = lower_text(l, "%s", "");
	layer->why_host = lower_text(l, "%s", "");
	return l->no_memory ? NULL : layer;
}

static const char *main_name(const struct lower *l, const struct lower_layer *c)
{
	return c->main == NN_NOWHERE ? l->g->tensors[c->out].name : l->g->nodes[c->main].name;
}

static int name_fused(struct lower *l, const struct lower_layer *c, struct nn_layer *layer)
{
	for (uint32_t i = 0; i < c->nr_fused; i++) {
		char *old = layer->fused;

		layer->fused = lower_text(l, "%s%s%s", old, *old ? ", " : "", l->g->nodes[c->fused[i]].name);
		free(old);
		if (!layer->fused)
			return -ENOMEM;
	}
	return 0;
}

static int add_layer(struct lower *l, const char *name, uint32_t in, uint32_t out, const struct nn_add_layer *numbers)
{
	struct nn_layer *layer = lower_new_layer(l, NN_LAYER_ADD, name);

	if (!layer)
		return -ENOMEM;
	layer->in[0] = in;
	layer->out = out;
	layer->add = *numbers;
	return 0;
}

/* *@x, @times side by side, takes its place. */
static int repeat(struct lower *l, const struct lower_layer *c, uint32_t times, uint32_t *x)
{
	const struct nn_value *v = &l->p->values[*x];
	struct lower_quant q = { v->scale, v->zero, v->type };
	struct nn_dims dims = v->dims, all = v->dims;
	struct nn_add_layer copy = { .a_zero = q.zero, .a_mult = 1.0f, .zero = q.zero, .hi = 255 };
	const char *name = v->name; /* text stays where it is when values move */
	uint32_t channels = v->channels, whole, part;
	int ret = 0;

	all.d[lower_channel_axis(&all)] = (int64_t)channels * times;
	whole = new_card_value(l, name, &all, &q, NN_NONE_VALUE, 0);
	for (uint32_t i = 0; i < times && !ret; i++) {
		part = whole == NN_NONE_VALUE ? whole : new_card_value(l, name, &dims, &q, whole, i * channels);
		ret = part == NN_NONE_VALUE ? -ENOMEM : add_layer(l, main_name(l, c), *x, part, &copy);
	}
	*x = whole;
	return ret;
}

/* Parts of a concatenation that could not be written where they belong: copied, with the whole's scale. */
static int copy_parts(struct lower *l, const struct lower_layer *c)
{
	uint32_t whole = lower_card_value(l, c->out), root, at, v, from;
	int ret;

	if (whole == NN_NONE_VALUE)
		return -ENOMEM;
	root = nn_value_root(l->p, whole);
	at = l->p->values[whole].at;
	for (uint32_t i = 0; i < c->nr_parts; i++) {
		const struct lower_part *part = &c->parts[i];

		from = lower_card_value(l, part->base);
		if (from == NN_NONE_VALUE)
			return -ENOMEM;
		if (!part->placed) {
			struct nn_add_layer copy = { .a_zero = part->q.zero, .a_mult = part->q.scale / c->q.scale, .zero = c->q.zero, .hi = 255 };

			v = new_card_value(l, l->g->tensors[part->base].name, &l->g->tensors[part->base].dims, &c->q, root, at);
			ret = v == NN_NONE_VALUE ? -ENOMEM : add_layer(l, main_name(l, c), from, v, &copy);
			if (ret)
				return ret;
		}
		at += l->p->values[from].c;
	}
	return 0;
}

static int tables(struct lower *l, const struct lower_layer *c, struct nn_layer *layer)
{
	const struct nn_value *x = &l->p->values[layer->in[0]];
	uint32_t channels = (uint32_t)x->dims.d[1];

	/* Of a float input only the first has bytes that stand for it, and only if its channels are few enough for input_scale, mean and std. */
	if (layer->pack.is_float && (layer->in[0] != l->p->inputs[0] || channels != l->p->nr_mean))
		return 0;
	return lower_weights_lut(l, c, layer, channels);
}

static int weights(struct lower *l, const struct lower_layer *c, struct nn_layer *layer)
{
	switch (c->l.kind) {
	case NN_LAYER_PACK:
		return tables(l, c, layer);
	case NN_LAYER_CONV:
		return lower_weights_conv(l, c, layer);
	case NN_LAYER_DEPTHWISE:
		return lower_weights_depthwise(l, c, layer);
	case NN_LAYER_ADD:
		return c->constant == NN_NOWHERE ? 0 : lower_weights_constant(l, c, layer);
	default:
		return 0;
	}
}

/* The candidate's layer becomes one of the program, with its own values and texts. */
static int emit(struct lower *l, const struct lower_layer *c, const uint32_t in[2], uint32_t out)
{
	struct nn_layer *layer = lower_new_layer(l, c->l.kind, main_name(l, c));
	struct nn_layer own;

	if (!layer)
		return -ENOMEM;
	own = *layer;
	*layer = c->l;
	layer->name = own.name;
	layer->fused = own.fused;
	layer->why = own.why;
	layer->why_host = own.why_host;
	layer->place = own.place;
	layer->in[0] = in[0];
	layer->in[1] = in[1];
	layer->out = out;
	return name_fused(l, c, layer) ? -ENOMEM : weights(l, c, layer);
}

int lower_emit(struct lower *l, struct lower_layer *c)
{
	uint32_t in[2] = { NN_NONE_VALUE, NN_NONE_VALUE }, out, made;
	struct nn_value *v;
	int ret = 0;

	if (c->concat)
		return copy_parts(l, c);
	for (int i = 0; i < 2; i++) {
		if (c->in[i] == NN_NOWHERE)
			continue;
		in[i] = c->l.kind == NN_LAYER_PACK ? lower_plain_value(l, c->in[i]) : lower_card_value(l, c->in[i]);
		if (in[i] == NN_NONE_VALUE)
			return -ENOMEM;
	}
	if (c->l.kind == NN_LAYER_CONV && c->w.times > 1)
		ret = repeat(l, c, c->w.times, &in[0]);
	out = made = ret ? NN_NONE_VALUE : lower_card_value(l, c->out);
	if (out != NN_NONE_VALUE && c->rescaled)
		made = new_card_value(l, l->g->tensors[c->out].name, &l->g->tensors[c->out].dims, &c->before, NN_NONE_VALUE, 0);
	if (out == NN_NONE_VALUE || made == NN_NONE_VALUE)
		return -ENOMEM;
	if (c->wide) {
		v = &l->p->values[out];
		v->w = c->wide;
		v->c = c->deep;
		v->channels = (uint32_t)align_up(c->deep, NN_LANES);
	}
	ret = emit(l, c, in, made);
	return ret || !c->rescaled ? ret : add_layer(l, main_name(l, c), made, out, &c->after);
}
