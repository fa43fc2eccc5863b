// SPDX-License-Identifier: BSD-2-Clause
/* Candidates to layers, tensors to values. */
#include "lower.h"

static uint32_t new_value(struct lower *l, const char *name, const struct nn_tensor *t)
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
	v->type = t->type;
	v->dims = t->dims;
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
	v = new_value(l, l->g->tensors[t].name, &l->g->tensors[t]);
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

static void set_card(struct nn_value *v, const struct lower_quant *q)
{
	nn_card_layout(&v->dims, &v->images, &v->h, &v->w, &v->c);
	v->channels = (uint32_t)align_up(v->c, NN_LANES);
	v->scale = q->scale;
	v->zero = q->zero;
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
	v = new_value(l, l->g->tensors[t].name, &l->g->tensors[t]);
	if (v != NN_NONE_VALUE) {
		set_card(&l->p->values[v], &q);
		l->p->values[v].whole = whole;
		l->p->values[v].at = whole == NN_NONE_VALUE ? 0 : l->place[t].at;
	}
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

/* Parts of a concatenation that could not be written where they belong: copied, with the whole's scale. */
static int copy_parts(struct lower *l, const struct lower_layer *c)
{
	uint32_t whole = lower_card_value(l, c->out), root, at, v, from;
	struct nn_layer *layer;

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
			v = new_value(l, l->g->tensors[part->base].name, &l->g->tensors[part->base]);
			layer = v == NN_NONE_VALUE ? NULL : lower_new_layer(l, NN_LAYER_ADD, main_name(l, c));
			if (!layer)
				return -ENOMEM;
			set_card(&l->p->values[v], &c->q);
			l->p->values[v].type = c->q.type;
			l->p->values[v].whole = root;
			l->p->values[v].at = at;
			layer->in[0] = from;
			layer->out = v;
			layer->add = (struct nn_add_layer){ .a_zero = part->q.zero, .a_mult = part->q.scale / c->q.scale, .zero = c->q.zero, .hi = 255 };
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

int lower_emit(struct lower *l, struct lower_layer *c)
{
	uint32_t in[2] = { NN_NONE_VALUE, NN_NONE_VALUE }, out;
	struct nn_layer *layer, numbers = c->l;
	struct nn_value *v;

	if (c->concat)
		return copy_parts(l, c);
	for (int i = 0; i < 2; i++) {
		if (c->in[i] == NN_NOWHERE)
			continue;
		in[i] = c->l.kind == NN_LAYER_PACK ? lower_plain_value(l, c->in[i]) : lower_card_value(l, c->in[i]);
		if (in[i] == NN_NONE_VALUE)
			return -ENOMEM;
	}
	out = lower_card_value(l, c->out);
	layer = out == NN_NONE_VALUE ? NULL : lower_new_layer(l, c->l.kind, main_name(l, c));
	if (!layer)
		return -ENOMEM;
	if (c->wide) {
		v = &l->p->values[out];
		v->w = c->wide;
		v->c = c->deep;
		v->channels = (uint32_t)align_up(c->deep, NN_LANES);
	}
	switch (c->l.kind) {
	case NN_LAYER_PACK:
		layer->pack = numbers.pack;
		break;
	case NN_LAYER_CONV:
		layer->conv = numbers.conv;
		break;
	case NN_LAYER_DEPTHWISE:
		layer->depthwise = numbers.depthwise;
		break;
	case NN_LAYER_POOL:
		layer->pool = numbers.pool;
		break;
	default:
		layer->add = numbers.add;
	}
	layer->in[0] = in[0];
	layer->in[1] = in[1];
	layer->out = out;
	if (name_fused(l, c, layer))
		return -ENOMEM;
	switch (c->l.kind) {
	case NN_LAYER_PACK:
		return tables(l, c, layer);
	case NN_LAYER_CONV:
		return lower_weights_conv(l, c, layer);
	case NN_LAYER_DEPTHWISE:
		return lower_weights_depthwise(l, c, layer);
	default:
		return 0;
	}
}
