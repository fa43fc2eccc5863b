// SPDX-License-Identifier: BSD-2-Clause
/*
 * The plan as a graph. Around a quantised node:
 *
 *   t -> QuantizeLinear -> t_bytes -> DequantizeLinear -> t_floats -> node [-> Relu | Clip] -> u -> QuantizeLinear -> u_bytes -> ...
 *   c_bytes (uint8: an Add's constant c) -> DequantizeLinear -> c_floats -> node
 *   t_weights (int8), t_wscales, t_wzeros -> DequantizeLinear -> ...        likewise the bias (int32)
 *
 * A tensor has one pair, shared by all that read it. Outputs keep their names: there the DequantizeLinear's result has it, and what comes before is u_raw.
 */
#include <math.h>

#include "quantize_impl.h"

/* Suffixes of new tensors; none is the end of another. */
static const char *const suffixes[] = { "_bytes",   "_floats", "_raw",	   "_scale",   "_zeropoint", "_weights", "_wscales",
					"_wzeros", "_wfloats", "_bias", "_bscales", "_bfloats", NULL };

struct emitter {
	const struct nn_qplan *p;
	const struct nn_graph *from;
	struct nn_graph *to;
	struct nn_namer namer;
	uint32_t *plain;  /* tensor of from -> float tensor of to, what float nodes read */
	uint32_t *floats; /* the same through bytes, what quantised nodes read */
	uint32_t *scale, *zero; /* constants, of the first tensor of a group */
	bool failed;
};

static uint32_t made(struct emitter *e, uint32_t index)
{
	e->failed |= index == NN_NOWHERE;
	return index;
}

static uint32_t tensor(struct emitter *e, const char *base, const char *suffix, enum nn_type type, const struct nn_dims *dims)
{
	return made(e, nn_graph_add_tensor(e->to, suffix ? nn_namer_make(&e->namer, base, suffix) : base, type, dims));
}

static uint32_t data(struct emitter *e, const char *base, const char *suffix, enum nn_type type, const struct nn_dims *dims, const void *from)
{
	return made(e, nn_graph_add_constant(e->to, nn_namer_make(&e->namer, base, suffix), type, dims, from));
}

static void node(struct emitter *e, enum nn_op op, const char *name, const uint32_t *in, uint32_t nr_in, uint32_t out, const struct nn_attrs *attrs)
{
	if (!e->failed)
		made(e, nn_graph_add_node(e->to, op, name, in, nr_in, &out, 1, attrs));
}

static uint32_t plain(struct emitter *e, uint32_t t)
{
	return t == NN_NOWHERE ? t : made(e, nn_copy_tensor(e->to, e->from, e->plain, t));
}

/* Constant @t of the plan as bytes. */
static uint32_t constant_bytes(struct emitter *e, uint32_t t)
{
	const struct nn_tensor *from = &e->from->tensors[t];
	int64_t n = nn_count(&from->dims);
	uint8_t *bytes = malloc((size_t)n + 1);
	uint32_t made_of;

	if (!bytes)
		return made(e, NN_NOWHERE);
	for (int64_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)fminf(fmaxf(rintf(((const float *)from->data)[i] / e->p->scale[t]) + e->p->zero[t], 0), 255);
	made_of = data(e, from->name, "_bytes", NN_U1, &from->dims, bytes);
	free(bytes);
	return made_of;
}

/* QuantizeLinear and DequantizeLinear behind @raw, which holds tensor @t of the plan; behind a constant's bytes only the latter. */
static void add_pair(struct emitter *e, uint32_t t, uint32_t raw, bool final)
{
	const struct nn_tensor *from = &e->from->tensors[t];
	static const struct nn_attrs attrs = { .axis = 1 };
	static const struct nn_dims scalar = { 0 };
	uint32_t group = e->p->group[t], in[3];

	if (e->scale[group] == NN_NOWHERE) {
		const char *base = e->from->tensors[group].name;

		e->scale[group] = data(e, base, "_scale", NN_F4, &scalar, &e->p->scale[group]);
		e->zero[group] = data(e, base, "_zeropoint", NN_U1, &scalar, &e->p->zero[group]);
	}
	in[0] = raw;
	in[1] = e->scale[group];
	in[2] = e->zero[group];
	if (from->data) {
		in[0] = constant_bytes(e, t);
	} else {
		raw = tensor(e, from->name, "_bytes", NN_U1, &from->dims);
		node(e, NN_QUANTIZE, nn_namer_make(&e->namer, from->name, "_bytes"), in, 3, raw, &attrs);
		in[0] = raw;
	}
	e->floats[t] = tensor(e, from->name, final ? NULL : "_floats", NN_F4, &from->dims);
	node(e, NN_DEQUANTIZE, nn_namer_make(&e->namer, from->name, "_floats"), in, 3, e->floats[t], &attrs);
}

static uint32_t floats(struct emitter *e, uint32_t t)
{
	if (e->floats[t] == NN_NOWHERE)
		add_pair(e, t, e->from->tensors[t].data ? NN_NOWHERE : plain(e, t), false);
	return e->floats[t];
}

/* in[1] and in[2] of a node with weights; returns the inputs that there are. */
static uint32_t add_weights(struct emitter *e, const struct nn_node *n, uint32_t *in, struct smartssd_error *err, int *ret)
{
	const char *base = e->from->tensors[n->out[0]].name;
	const struct nn_dims *dims = &e->from->tensors[n->in[1]].dims;
	struct nn_attrs attrs = { .axis = nn_weight_axis(n) };
	struct nn_qweights w;
	uint32_t from[3], nr = 2;
	struct nn_dims vector;
	int8_t *zeros;

	*ret = nn_quantize_weights(e->from, n, e->p->scale[n->in[0]], &w, err);
	if (*ret)
		return 0;
	vector = (struct nn_dims){ 1, { w.channels } };
	zeros = calloc(1, w.channels);
	if (!zeros) {
		e->failed = true;
		goto out;
	}
	from[0] = data(e, base, "_weights", NN_I1, dims, w.w);
	from[1] = data(e, base, "_wscales", NN_F4, &vector, w.w_scale);
	from[2] = data(e, base, "_wzeros", NN_I1, &vector, zeros);
	in[1] = tensor(e, base, "_wfloats", NN_F4, dims);
	node(e, NN_DEQUANTIZE, nn_namer_make(&e->namer, base, "_wfloats"), from, 3, in[1], &attrs);
	if (w.bias) {
		attrs.axis = 0;
		from[0] = data(e, base, "_bias", NN_I4, &vector, w.bias);
		from[1] = data(e, base, "_bscales", NN_F4, &vector, w.bias_scale);
		in[2] = tensor(e, base, "_bfloats", NN_F4, &vector);
		node(e, NN_DEQUANTIZE, nn_namer_make(&e->namer, base, "_bfloats"), from, 2, in[2], &attrs);
		nr = 3;
	}
	free(zeros);
out:
	nn_qweights_free(&w);
	return nr;
}

static int emit_quantised(struct emitter *e, uint32_t at, struct smartssd_error *err)
{
	const struct nn_node *n = &e->from->nodes[at], *tail = e->p->tail[at] == NN_NOWHERE ? NULL : &e->from->nodes[e->p->tail[at]];
	uint32_t *in = malloc((n->nr_in + 1ull) * sizeof(*in)), nr = n->nr_in, result = (tail ? tail : n)->out[0], raw;
	const struct nn_tensor *t = &e->from->tensors[result];
	int ret = 0;

	if (!in) {
		e->failed = true;
		return 0;
	}
	for (uint32_t i = 0; i < nr; i++)
		in[i] = nn_is_operand(n, i) && e->p->bytes[n->in[i]] ? floats(e, n->in[i]) :
			nn_has_weights(n)			     ? NN_NOWHERE :
								       plain(e, n->in[i]);
	if (nn_has_weights(n))
		nr = add_weights(e, n, in, err, &ret);
	raw = ret ? NN_NOWHERE : tensor(e, t->name, t->is_output ? "_raw" : NULL, NN_F4, &t->dims);
	if (!ret && tail) {
		const struct nn_tensor *middle = &e->from->tensors[n->out[0]];
		uint32_t first = tensor(e, middle->name, NULL, NN_F4, &middle->dims), *more = malloc((tail->nr_in + 1ull) * sizeof(*more));

		node(e, n->op, n->name, in, nr, first, &n->attrs);
		e->failed |= !more;
		for (uint32_t i = 0; i < tail->nr_in && !e->failed; i++)
			more[i] = i ? plain(e, tail->in[i]) : first;
		node(e, tail->op, tail->name, more, tail->nr_in, raw, &tail->attrs);
		free(more);
	} else if (!ret) {
		node(e, n->op, n->name, in, nr, raw, &n->attrs);
	}
	if (!ret && !e->failed) {
		add_pair(e, result, raw, t->is_output);
		e->plain[result] = e->floats[result];
	}
	free(in);
	return ret;
}

int nn_qplan_emit(const struct nn_qplan *p, struct nn_graph **out, struct smartssd_error *err)
{
	const struct nn_graph *g = p->graph;
	size_t bytes = (g->nr_tensors + 1ull) * sizeof(uint32_t);
	struct emitter e = { .p = p, .from = g, .to = nn_graph_new(g->name), .plain = malloc(bytes), .floats = malloc(bytes), .scale = malloc(bytes),
			     .zero = malloc(bytes) };
	int ret = 0;

	*out = NULL;
	nn_namer_init(&e.namer, g, suffixes);
	e.failed = !e.to || !e.plain || !e.floats || !e.scale || !e.zero;
	if (!e.failed) {
		memset(e.plain, 255, bytes);
		memset(e.floats, 255, bytes);
		memset(e.scale, 255, bytes);
		memset(e.zero, 255, bytes);
	}
	for (uint32_t i = 0; i < g->nr_inputs && !e.failed; i++)
		e.failed |= plain(&e, g->inputs[i]) == NN_NOWHERE || nn_graph_add_input(e.to, e.plain[g->inputs[i]]);
	for (uint32_t i = 0; i < g->nr_nodes && !e.failed && !ret; i++) {
		if (p->kind[i] == NN_Q_QUANTISED)
			ret = emit_quantised(&e, i, err);
		else if (p->kind[i] == NN_Q_FLOAT)
			e.failed |= nn_copy_node(e.to, g, e.plain, &g->nodes[i]) != 0;
	}
	for (uint32_t i = 0; i < g->nr_outputs && !e.failed && !ret; i++)
		e.failed |= plain(&e, g->outputs[i]) == NN_NOWHERE || nn_graph_add_output(e.to, e.plain[g->outputs[i]]);
	if (!ret && e.failed)
		ret = nn_fail(err, -ENOMEM, "no memory for the quantised model");
	if (!ret)
		ret = nn_graph_finish(e.to, err);
	if (ret)
		nn_graph_free(e.to);
	else
		*out = e.to;
	free(e.namer.text);
	free(e.plain);
	free(e.floats);
	free(e.scale);
	free(e.zero);
	return ret;
}
