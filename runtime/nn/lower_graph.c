// SPDX-License-Identifier: BSD-2-Clause
/* What stays on the host: pieces of the original graph, each a graph of its own whose inputs and outputs are values of the program. */
#include <stdio.h>

#include "lower.h"

struct piece {
	struct lower *l;
	struct nn_graph *graph;
	uint32_t number;
	uint32_t *map;	/* tensor of the model -> of the piece, NN_NOWHERE */
	uint32_t *in, nr_in, room_in, *out, nr_out, room_out; /* tensors of the model */
};

static int list(uint32_t **array, uint32_t *nr, uint32_t *room, uint32_t t)
{
	if (smartssd_grow(array, room, (uint64_t)*nr + 1, 8, sizeof(**array)))
		return -ENOMEM;
	(*array)[(*nr)++] = t;
	return 0;
}

static int add_node(struct piece *p, const struct nn_node *n);

static int map_input(struct piece *p, uint32_t t, uint32_t *mapped)
{
	const struct nn_tensor *tensor = lower_tensor(p->l, t);
	const struct nn_node *n = lower_producer(p->l, t);
	int ret = 0;

	*mapped = NN_NOWHERE;
	if (!tensor)
		return 0;
	if (p->map[t] == NN_NOWHERE && tensor->data) {
		p->map[t] = nn_graph_add_constant(p->graph, tensor->name, tensor->type, &tensor->dims, tensor->data);
	} else if (p->map[t] == NN_NOWHERE && n && n->op == NN_DEQUANTIZE) {
		ret = add_node(p, n); /* depth 2: what it reads is a byte tensor or a constant */
	} else if (p->map[t] == NN_NOWHERE) {
		p->map[t] = nn_graph_add_tensor(p->graph, tensor->name, tensor->type, &tensor->dims);
		if (p->map[t] != NN_NOWHERE)
			ret = nn_graph_add_input(p->graph, p->map[t]);
		ret = ret ? ret : list(&p->in, &p->nr_in, &p->room_in, t);
	}
	*mapped = p->map[t];
	return ret ? ret : *mapped == NN_NOWHERE ? -ENOMEM : 0;
}

static int add_node(struct piece *p, const struct nn_node *n)
{
	uint32_t *in = malloc((n->nr_in + n->nr_out + 1ull) * sizeof(*in)), *out = in ? in + n->nr_in : NULL;
	int ret = in ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < n->nr_in && !ret; i++)
		ret = map_input(p, n->in[i], &in[i]);
	for (uint32_t i = 0; i < n->nr_out && !ret; i++) {
		const struct nn_tensor *t = lower_tensor(p->l, n->out[i]);

		out[i] = t ? nn_graph_add_tensor(p->graph, t->name, t->type, &t->dims) : NN_NOWHERE;
		if (t && out[i] == NN_NOWHERE)
			ret = -ENOMEM;
		if (t)
			p->map[n->out[i]] = out[i];
	}
	if (!ret && nn_graph_add_node(p->graph, n->op, n->name, in, n->nr_in, out, n->nr_out, &n->attrs) == NN_NOWHERE)
		ret = -ENOMEM;
	free(in);
	return ret;
}

static int add_outputs(struct piece *p, const uint32_t *nodes, uint32_t nr)
{
	struct lower *l = p->l;
	int ret = 0;

	for (uint32_t i = 0; i < nr; i++) {
		const struct nn_node *n = &l->g->nodes[nodes[i]];

		for (uint32_t k = 0; k < n->nr_out && !ret; k++) {
			uint32_t t = n->out[k];

			if (t == NN_NOWHERE || !(l->g->tensors[t].is_output || l->card[t] || l->outside[t]))
				continue;
			ret = nn_graph_add_output(p->graph, p->map[t]);
			ret = ret ? ret : list(&p->out, &p->nr_out, &p->room_out, t);
		}
	}
	return ret;
}

/* The value through which a tensor goes from layer to layer. */
static uint32_t boundary(struct lower *l, uint32_t t)
{
	const struct nn_tensor *tensor = &l->g->tensors[t];
	bool packed = tensor->producer == NN_NOWHERE;

	if (!packed && (l->card[t] || l->layer_of[t] != NN_NOWHERE))
		return lower_card_value(l, t);
	return lower_plain_value(l, t);
}

/* Of a node that nothing before a QuantizeLinear was tried with. */
static const char *general(const struct lower *l, const struct nn_node *n)
{
	switch (n->op) {
	case NN_ADD:
	case NN_AVERAGE_POOL:
	case NN_CLIP:
	case NN_CONCAT:
	case NN_CONV:
	case NN_GEMM:
	case NN_GLOBAL_AVERAGE_POOL:
	case NN_GLOBAL_MAX_POOL:
	case NN_MATMUL:
	case NN_MAX_POOL:
	case NN_RELU:
		if (n->nr_out && n->out[0] != NN_NOWHERE && l->g->tensors[n->out[0]].type == NN_F4)
			return "it computes in floating point; `smartssd quantize` makes an int8 model";
		return "the card has no kernel for these types";
	default:
		return "the card has no kernel for it";
	}
}

static char *reason(struct lower *l, const uint32_t *nodes, uint32_t nr)
{
	uint32_t first = NN_NOWHERE, named = NN_NOWHERE, others = 0;
	char more[64] = "";

	for (uint32_t i = 0; i < nr; i++) {
		if (l->g->nodes[nodes[i]].op == NN_DEQUANTIZE)
			continue;
		others++;
		if (first == NN_NOWHERE)
			first = nodes[i];
		if (named == NN_NOWHERE && l->why[nodes[i]])
			named = nodes[i];
	}
	if (first == NN_NOWHERE)
		return lower_text(l, "the model wants numbers that the card has as bytes: they are converted");
	if (others > 1)
		snprintf(more, sizeof(more), " (and %u more nodes)", others - 1);
	if (named != NN_NOWHERE)
		return lower_text(l, "%s '%s': %s%s", nn_op_name(l->g->nodes[named].op), l->g->nodes[named].name, l->why[named], more);
	return lower_text(l, "%s '%s': %s%s", nn_op_name(l->g->nodes[first].op), l->g->nodes[first].name, general(l, &l->g->nodes[first]), more);
}

static int add_layer(struct piece *p, const uint32_t *nodes, uint32_t nr)
{
	struct lower *l = p->l;
	struct nn_layer *layer = lower_new_layer(l, NN_LAYER_GRAPH, nr ? l->g->nodes[nodes[0]].name : p->graph->name);
	struct nn_graph_layer *g;

	if (!layer)
		return -ENOMEM;
	g = &layer->graph;
	g->graph = p->number;
	g->in = calloc(p->nr_in + 1ull, sizeof(*g->in));
	g->out = calloc(p->nr_out + 1ull, sizeof(*g->out));
	if (!g->in || !g->out)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->nr_in; i++)
		g->in[g->nr_in++] = boundary(l, p->in[i]);
	for (uint32_t i = 0; i < p->nr_out; i++)
		g->out[g->nr_out++] = boundary(l, p->out[i]);
	for (uint32_t i = 1; i < nr && i < 8; i++) {
		char *old = layer->fused;

		layer->fused = lower_text(l, "%s%s%s", old, *old ? ", " : "", i == 7 && nr > 8 ? "..." : l->g->nodes[nodes[i]].name);
		free(old);
	}
	free(layer->why_host);
	layer->why_host = nr ? reason(l, nodes, nr) : lower_text(l, "an output of the model is a constant");
	return l->no_memory ? -ENOMEM : 0;
}

static int begin(struct piece *p, struct lower *l)
{
	char *name = lower_text(l, "piece %u of %s", l->p->nr_graphs, l->g->name ? l->g->name : "the model");

	memset(p, 0, sizeof(*p));
	p->l = l;
	p->number = l->p->nr_graphs;
	p->map = malloc((l->g->nr_tensors + 1ull) * sizeof(*p->map));
	p->graph = name ? nn_graph_new(name) : NULL;
	free(name);
	if (!p->map || !p->graph || smartssd_grow(&l->p->graphs, &l->room_graphs, (uint64_t)p->number + 1, 4, sizeof(*l->p->graphs)))
		return -ENOMEM;
	memset(p->map, 0xff, (l->g->nr_tensors + 1ull) * sizeof(*p->map));
	p->graph->opset = l->g->opset;
	return 0;
}

static int end(struct piece *p, int ret)
{
	struct lower *l = p->l;

	if (!ret)
		ret = nn_graph_finish(p->graph, l->err);
	if (!ret && (p->graph->nr_inputs != p->nr_in || p->graph->nr_outputs != p->nr_out))
		ret = smartssd_fail(l->err, -EBADMSG, "a piece of the model for the host has other inputs or outputs than were asked for");
	if (!ret)
		l->p->graphs[l->p->nr_graphs++] = p->graph;
	else
		nn_graph_free(p->graph);
	free(p->map);
	free(p->in);
	free(p->out);
	return ret;
}

int lower_piece(struct lower *l, const uint32_t *nodes, uint32_t nr)
{
	struct piece p;
	int ret = begin(&p, l);

	for (uint32_t i = 0; i < nr && !ret; i++)
		ret = add_node(&p, &l->g->nodes[nodes[i]]);
	ret = ret ? ret : add_outputs(&p, nodes, nr);
	ret = ret ? ret : add_layer(&p, nodes, nr);
	return end(&p, ret);
}

int lower_constants(struct lower *l)
{
	for (uint32_t i = 0; i < l->g->nr_outputs; i++) {
		uint32_t t = l->g->outputs[i], from, to = NN_NOWHERE;
		const struct nn_tensor *tensor = &l->g->tensors[t];
		static const struct nn_attrs none;
		struct piece p;
		char *name;
		int ret;

		if (!tensor->data || l->plain_value[t] != NN_NONE_VALUE)
			continue;
		ret = begin(&p, l);
		name = lower_text(l, "%s (constant)", tensor->name);
		if (!ret && name) {
			from = nn_graph_add_constant(p.graph, name, tensor->type, &tensor->dims, tensor->data);
			to = nn_graph_add_tensor(p.graph, tensor->name, tensor->type, &tensor->dims);
			if (from == NN_NOWHERE || to == NN_NOWHERE || nn_graph_add_node(p.graph, NN_IDENTITY, tensor->name, &from, 1, &to, 1, &none) == NN_NOWHERE)
				ret = -ENOMEM;
		}
		free(name);
		ret = ret ? ret : nn_graph_add_output(p.graph, to);
		ret = ret ? ret : list(&p.out, &p.nr_out, &p.room_out, t);
		ret = ret ? ret : add_layer(&p, NULL, 0);
		ret = end(&p, ret);
		if (ret)
			return ret;
	}
	return 0;
}
