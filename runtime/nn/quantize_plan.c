// SPDX-License-Identifier: BSD-2-Clause
/* Which nodes compute on bytes, which tensors share a scale, and the scales. */
#include <math.h>

#include "quantize_impl.h"

uint32_t nn_sole_user(const struct nn_graph *g, uint32_t tensor)
{
	uint32_t user, nr;

	if (tensor == NN_NOWHERE || g->tensors[tensor].is_output)
		return NN_NOWHERE;
	nr = nn_graph_users(g, tensor, &user, 1);
	return nr == 1 ? user : NN_NOWHERE;
}

static bool is_float(const struct nn_graph *g, uint32_t tensor)
{
	return g->tensors[tensor].type == NN_F4;
}

static bool constant(const struct nn_graph *g, uint32_t tensor)
{
	return g->tensors[tensor].data != NULL && is_float(g, tensor);
}

static bool activation(const struct nn_graph *g, uint32_t tensor)
{
	return !g->tensors[tensor].data && is_float(g, tensor) && nn_count(&g->tensors[tensor].dims) > 0;
}

/* One bias for each output channel, or none. */
static bool plain_bias(const struct nn_graph *g, const struct nn_node *n, int64_t channels)
{
	if (n->nr_in < 3 || n->in[2] == NN_NOWHERE)
		return true;
	return constant(g, n->in[2]) && g->tensors[n->in[2]].dims.n == 1 && g->tensors[n->in[2]].dims.d[0] == channels;
}

/* Does it work on bytes by itself, whatever is around it? */
static bool computes(const struct nn_graph *g, const struct nn_node *n)
{
	const struct nn_dims *w;

	if (n->nr_in < 2 || n->in[0] == NN_NOWHERE || n->in[1] == NN_NOWHERE || n->nr_out != 1)
		return false;
	w = &g->tensors[n->in[1]].dims;
	if (n->op == NN_ADD)
		return activation(g, n->in[0]) && activation(g, n->in[1]) && nn_dims_equal(&g->tensors[n->in[0]].dims, w);
	if (!nn_has_weights(n) || !activation(g, n->in[0]) || !constant(g, n->in[1]) || !nn_count(w) || w->d[nn_weight_axis(n)] > UINT32_MAX)
		return false;
	if (n->op == NN_CONV)
		return n->attrs.spatial == 2 && plain_bias(g, n, w->d[0]);
	if (n->op == NN_GEMM)
		return !n->attrs.trans_a && n->attrs.alpha == 1 && n->attrs.beta == 1 && plain_bias(g, n, w->d[nn_weight_axis(n)]);
	return w->n == 2 && g->tensors[n->in[0]].dims.n >= 2;
}

/* The output's bytes are bytes of the inputs. */
static bool passes_on(const struct nn_node *n)
{
	switch (n->op) {
	case NN_MAX_POOL:
	case NN_GLOBAL_MAX_POOL:
	case NN_FLATTEN:
	case NN_RESHAPE:
	case NN_TRANSPOSE:
	case NN_SQUEEZE:
	case NN_UNSQUEEZE:
	case NN_CONCAT:
		return true;
	default:
		return false;
	}
}

/* Numbers beyond are to stand for minus infinity (masks); in a range they would leave nothing of the others. */
#define MAX_OPERAND 1e6f

/*
 * The operand of an Add that is no constant, when the other one is: finite, the same for all images, and no larger than the first. NN_NOWHERE: it is no
 * such Add.
 */
static uint32_t operand_beside_constant(const struct nn_graph *g, const struct nn_node *n)
{
	const struct nn_tensor *x, *c;
	struct nn_dims sum;
	uint32_t at;

	if (n->op != NN_ADD || constant(g, n->in[0]) == constant(g, n->in[1]))
		return NN_NOWHERE;
	at = n->in[constant(g, n->in[0])];
	x = &g->tensors[at];
	c = &g->tensors[n->in[constant(g, n->in[1])]];
	if (nn_broadcast(&x->dims, &c->dims, &sum) || !nn_dims_equal(&x->dims, &sum) || (c->dims.n == x->dims.n && c->dims.n && c->dims.d[0] != 1))
		return NN_NOWHERE;
	for (int64_t i = 0; i < nn_count(&c->dims); i++)
		if (!(fabsf(((const float *)c->data)[i]) <= MAX_OPERAND))
			return NN_NOWHERE;
	return at;
}

/* Works on bytes where bytes are around it; alone it would gain nothing. */
static bool follows(const struct nn_qplan *p, const struct nn_node *n)
{
	const struct nn_graph *g = p->graph;
	uint32_t first = n->nr_in ? n->in[0] : NN_NOWHERE;

	switch (n->op) {
	case NN_MAX_POOL:
	case NN_AVERAGE_POOL:
	case NN_GLOBAL_AVERAGE_POOL:
	case NN_GLOBAL_MAX_POOL:
		/* Rows and columns: others stay in float. */
		if (g->tensors[n->in[0]].dims.n != 4)
			return false;
		break;
	case NN_RELU:
	case NN_CLIP:
		break;
	case NN_ADD:
		first = operand_beside_constant(g, n);
		if (first == NN_NOWHERE)
			return false;
		break;
	default:
		if (!passes_on(n))
			return false;
	}
	for (uint32_t i = 0; i < (n->op == NN_CONCAT ? n->nr_in : 1); i++) {
		uint32_t t = i ? n->in[i] : first;

		if (!activation(g, t) || !(p->bytes[t] || g->tensors[t].is_input))
			return false;
	}
	for (uint32_t i = 1; i < n->nr_out; i++)
		if (n->out[i] != NN_NOWHERE)
			return false;
	return activation(g, n->out[0]);
}

static uint32_t find(const uint32_t *group, uint32_t t)
{
	while (group[t] != t)
		t = group[t];
	return t;
}

/* The tensor that comes first leads. */
static void unite(uint32_t *group, uint32_t a, uint32_t b)
{
	a = find(group, a);
	b = find(group, b);
	group[a > b ? a : b] = a > b ? b : a;
}

bool nn_is_operand(const struct nn_node *n, uint32_t i)
{
	return !i || n->op == NN_ADD || n->op == NN_CONCAT;
}

/* The range of a constant needs no calibration, which does not see it either. */
static void take_constant(struct nn_qplan *p, uint32_t t)
{
	const float *v = p->graph->tensors[t].data;

	for (int64_t i = 0; v && i < nn_count(&p->graph->tensors[t].dims); i++) {
		p->range[t].lo = fmin(p->range[t].lo, v[i]);
		p->range[t].hi = fmax(p->range[t].hi, v[i]);
	}
}

static void take_node(struct nn_qplan *p, uint32_t at)
{
	const struct nn_graph *g = p->graph;
	const struct nn_node *n = &g->nodes[at];
	uint32_t user = nn_sole_user(g, n->out[0]);
	bool can_tail = nn_has_weights(n) || n->op == NN_ADD;

	p->kind[at] = NN_Q_QUANTISED;
	for (uint32_t i = 0; i < n->nr_in; i++)
		if (nn_is_operand(n, i)) {
			p->bytes[n->in[i]] = true;
			take_constant(p, n->in[i]);
		}
	if (can_tail && user != NN_NOWHERE && (g->nodes[user].op == NN_RELU || g->nodes[user].op == NN_CLIP) && g->nodes[user].in[0] == n->out[0]) {
		p->tail[at] = user;
		p->kind[user] = NN_Q_TAIL;
		n = &g->nodes[user];
	}
	p->bytes[n->out[0]] = true;
	if (passes_on(n))
		for (uint32_t i = 0; i < (n->op == NN_CONCAT ? n->nr_in : 1); i++)
			unite(p->group, n->in[i], n->out[0]);
}

int nn_qplan_init(struct nn_qplan *p, const struct nn_graph *g, struct smartssd_error *err)
{
	size_t tensors = g->nr_tensors + 1ull, nodes = g->nr_nodes + 1ull;
	uint32_t main_nodes = 0;

	*p = (struct nn_qplan){ .graph = g, .kind = calloc(nodes, sizeof(*p->kind)), .tail = malloc(nodes * sizeof(*p->tail)),
				.bytes = calloc(tensors, sizeof(*p->bytes)), .group = malloc(tensors * sizeof(*p->group)),
				.range = calloc(tensors, sizeof(*p->range)), .scale = calloc(tensors, sizeof(*p->scale)),
				.zero = calloc(tensors, sizeof(*p->zero)) };
	if (!p->kind || !p->tail || !p->bytes || !p->group || !p->range || !p->scale || !p->zero)
		return nn_fail(err, -ENOMEM, "no memory to quantise %u tensors", g->nr_tensors);
	for (uint32_t t = 0; t < g->nr_tensors; t++) {
		p->group[t] = t;
		p->range[t].lo = INFINITY;
		p->range[t].hi = -INFINITY;
	}
	for (uint32_t i = 0; i < g->nr_nodes; i++)
		p->tail[i] = NN_NOWHERE;
	for (uint32_t i = 0; i < g->nr_nodes; i++) {
		bool main_node = computes(g, &g->nodes[i]);

		if (p->kind[i] == NN_Q_FLOAT && (main_node || follows(p, &g->nodes[i]))) {
			take_node(p, i);
			main_nodes += main_node;
		}
	}
	if (!main_nodes)
		return nn_fail(err, -EINVAL,
			       "the model has nothing to quantise: no 2-d Conv, Gemm or MatMul with constant weights, and no Add of two activations");
	return 0;
}

void nn_qplan_free(struct nn_qplan *p)
{
	for (uint32_t t = 0; p->range && t < p->graph->nr_tensors; t++)
		free(p->range[t].bins);
	free(p->kind);
	free(p->tail);
	free(p->bytes);
	free(p->group);
	free(p->range);
	free(p->scale);
	free(p->zero);
	*p = (struct nn_qplan){ 0 };
}

int nn_qplan_scales(struct nn_qplan *p, double percentile, struct smartssd_error *err)
{
	const struct nn_graph *g = p->graph;
	uint32_t nr = g->nr_tensors;
	double *lo = calloc(nr + 1ull, sizeof(*lo)), *hi = calloc(nr + 1ull, sizeof(*hi));

	if (!lo || !hi) {
		free(lo);
		free(hi);
		return nn_fail(err, -ENOMEM, "no memory to quantise %u tensors", nr);
	}
	/* Zero is always in the range: padding and what ReLU cuts off are then exact. */
	for (uint32_t t = 0; t < nr; t++) {
		const struct nn_range *r = &p->range[t];
		uint32_t of = find(p->group, t);
		double cut;

		if (!p->bytes[t] || r->lo > r->hi)
			continue;
		cut = nn_range_cut(r, percentile);
		lo[of] = fmin(lo[of], fmax(r->lo, -cut));
		hi[of] = fmax(hi[of], fmin(r->hi, cut));
	}
	for (uint32_t t = 0; t < nr; t++) {
		uint32_t of = find(p->group, t);
		double scale = (hi[of] - lo[of]) / 255;

		if (!p->bytes[t])
			continue;
		p->group[t] = of;
		/* Always zero, or less than can matter: any scale is right, this one also for products with others. */
		if (scale < 1e-20)
			scale = 1.0 / 255;
		if (scale > 1e20) {
			nn_fail(err, -ERANGE, "tensor '%.120s' has values up to %g; check how the images are normalised", g->tensors[t].name, fmax(-lo[of], hi[of]));
			free(lo);
			free(hi);
			return -ERANGE;
		}
		p->scale[t] = (float)scale;
		p->zero[t] = (uint8_t)fmin(fmax(rint(-lo[of] / (float)scale), 0), 255);
	}
	free(lo);
	free(hi);
	return 0;
}
