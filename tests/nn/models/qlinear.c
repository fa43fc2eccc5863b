// SPDX-License-Identifier: BSD-2-Clause
/*
 * QDQ form -> QLinear form. DequantizeLinear -> Conv [-> Relu | Clip] -> QuantizeLinear becomes QLinearConv, the same with Gemm becomes QLinearMatMul
 * (and Add of the bias in float, which that operator does not have). A Relu or Clip goes when the bytes' range does its work; otherwise the node stays.
 */
#include <math.h>
#include <stdio.h>

#include "../../../runtime/nn/quantize_impl.h"
#include "model.h"

struct turn {
	const struct nn_graph *from;
	struct nn_graph *to;
	uint32_t *map;
	bool failed;
};

static uint32_t made(struct turn *t, uint32_t index)
{
	t->failed |= index == NN_NOWHERE;
	return index;
}

static uint32_t use(struct turn *t, uint32_t at)
{
	return at == NN_NOWHERE ? at : made(t, nn_copy_tensor(t->to, t->from, t->map, at));
}

static const struct nn_node *producer(const struct turn *t, uint32_t tensor, enum nn_op op)
{
	uint32_t p = tensor == NN_NOWHERE ? NN_NOWHERE : t->from->tensors[tensor].producer;

	return p != NN_NOWHERE && t->from->nodes[p].op == op ? &t->from->nodes[p] : NULL;
}

/* Does clipping to the range of the bytes of @q do what @tail does? */
static bool needless(const struct turn *t, const struct nn_node *tail, const struct nn_node *q)
{
	float scale = *(const float *)t->from->tensors[q->in[1]].data;
	uint8_t zero = *(const uint8_t *)t->from->tensors[q->in[2]].data;

	if (zero || (tail->op == NN_CLIP && tail->attrs.has_lo && tail->attrs.lo != 0))
		return false;
	return tail->op == NN_RELU || (tail->attrs.has_lo && (!tail->attrs.has_hi || 255 * scale <= tail->attrs.hi * 1.001f));
}

static uint32_t constant(struct turn *t, const char *base, const char *part, enum nn_type type, const struct nn_dims *dims, const void *data)
{
	char name[256];

	snprintf(name, sizeof(name), "%s.%s", base, part);
	return made(t, nn_graph_add_constant(t->to, name, type, dims, data));
}

/* Weights [N][K] -> [K][N] */
static uint32_t turned_weights(struct turn *t, const char *base, uint32_t w)
{
	const struct nn_tensor *from = &t->from->tensors[w];
	int64_t n = from->dims.d[0], k = from->dims.d[1];
	struct nn_dims dims = { 2, { k, n } };
	int8_t *data = malloc((size_t)(n * k));
	uint32_t out;

	if (!data)
		abort();
	for (int64_t i = 0; i < n; i++)
		for (int64_t j = 0; j < k; j++)
			data[j * n + i] = ((const int8_t *)from->data)[i * k + j];
	out = constant(t, base, "turned", NN_I1, &dims, data);
	free(data);
	return out;
}

/* Gemm with bias: QLinearMatMul to bytes of a scale that the bias is not yet in, then DequantizeLinear, Add, QuantizeLinear. */
static void gemm(struct turn *t, const struct nn_node *n, const struct nn_node *q, const struct nn_node *x, const struct nn_node *w, const struct nn_node *b)
{
	static const struct nn_dims scalar = { 0 };
	static const struct nn_attrs axis = { .axis = 1 };
	const struct nn_tensor *y = &t->from->tensors[q->out[0]], *bias = b ? &t->from->tensors[b->in[0]] : NULL;
	float scale = *(const float *)t->from->tensors[q->in[1]].data;
	uint8_t zero = *(const uint8_t *)t->from->tensors[q->in[2]].data;
	double lo = -zero * (double)scale, hi = (255 - zero) * (double)scale, least = 0, most = 0;
	uint32_t in[8] = { use(t, x->in[0]), use(t, x->in[1]), use(t, x->in[2]), 0, use(t, w->in[1]), use(t, w->in[2]) }, mid, floats, sum;
	float *plus = NULL;

	in[3] = turned_weights(t, y->name, w->in[0]);
	if (!bias) {
		in[6] = use(t, q->in[1]);
		in[7] = use(t, q->in[2]);
		mid = use(t, q->out[0]);
		made(t, t->failed ? 0 : nn_graph_add_node(t->to, NN_QLINEAR_MATMUL, n->name, in, 8, &mid, 1, NULL));
		return;
	}
	plus = malloc((size_t)bias->dims.d[0] * sizeof(*plus));
	if (!plus)
		abort();
	for (int64_t i = 0; i < bias->dims.d[0]; i++) {
		plus[i] = (float)((const int32_t *)bias->data)[i] * ((const float *)t->from->tensors[b->in[1]].data)[i];
		least = fmin(least, plus[i]);
		most = fmax(most, plus[i]);
	}
	scale = (float)((hi - least - (lo - most)) / 255);
	zero = (uint8_t)fmin(fmax(rint((most - lo) / scale), 0), 255);
	in[6] = constant(t, y->name, "mid_scale", NN_F4, &scalar, &scale);
	in[7] = constant(t, y->name, "mid_zero", NN_U1, &scalar, &zero);
	mid = constant(t, y->name, "plus", NN_F4, &bias->dims, plus);
	free(plus);
	if (t->failed)
		return;
	{
		char name[256];
		uint32_t bytes, dq[3], two[2], last[3] = { 0, use(t, q->in[1]), use(t, q->in[2]) }, out = use(t, q->out[0]);

		snprintf(name, sizeof(name), "%s.mid", y->name);
		bytes = made(t, nn_graph_add_tensor(t->to, name, NN_U1, &y->dims));
		snprintf(name, sizeof(name), "%s.mid_floats", y->name);
		floats = made(t, nn_graph_add_tensor(t->to, name, NN_F4, &y->dims));
		snprintf(name, sizeof(name), "%s.sum", y->name);
		sum = made(t, nn_graph_add_tensor(t->to, name, NN_F4, &y->dims));
		if (t->failed)
			return;
		made(t, nn_graph_add_node(t->to, NN_QLINEAR_MATMUL, n->name, in, 8, &bytes, 1, NULL));
		dq[0] = bytes;
		dq[1] = in[6];
		dq[2] = in[7];
		made(t, nn_graph_add_node(t->to, NN_DEQUANTIZE, NULL, dq, 3, &floats, 1, &axis));
		two[0] = floats;
		two[1] = mid;
		made(t, nn_graph_add_node(t->to, NN_ADD, NULL, two, 2, &sum, 1, NULL));
		last[0] = sum;
		made(t, nn_graph_add_node(t->to, NN_QUANTIZE, NULL, last, 3, &out, 1, &axis));
	}
}

/* @q: a QuantizeLinear. True when it and what is before it were emitted. */
static bool turn_node(struct turn *t, const struct nn_node *q)
{
	const struct nn_node *tail = producer(t, q->in[0], NN_RELU) ?: producer(t, q->in[0], NN_CLIP), *n, *x, *w, *b = NULL;
	uint32_t at = tail ? tail->in[0] : q->in[0], in[9], out;

	n = producer(t, at, NN_CONV) ?: producer(t, at, NN_GEMM);
	if (!n || nn_sole_user(t->from, at) == NN_NOWHERE || (tail && (nn_sole_user(t->from, q->in[0]) == NN_NOWHERE || !needless(t, tail, q))))
		return false;
	x = producer(t, n->in[0], NN_DEQUANTIZE);
	w = producer(t, n->in[1], NN_DEQUANTIZE);
	if (n->nr_in > 2)
		b = producer(t, n->in[2], NN_DEQUANTIZE);
	if (!x || !w || (n->nr_in > 2 && !b) || (n->op == NN_GEMM && !n->attrs.trans_b))
		return false;
	if (n->op == NN_GEMM) {
		gemm(t, n, q, x, w, b);
		return true;
	}
	for (uint32_t i = 0; i < 3; i++) {
		in[i] = use(t, x->in[i]);
		in[i + 3] = use(t, w->in[i]);
	}
	in[6] = use(t, q->in[1]);
	in[7] = use(t, q->in[2]);
	in[8] = b ? use(t, b->in[0]) : NN_NOWHERE;
	out = use(t, q->out[0]);
	made(t, t->failed ? 0 : nn_graph_add_node(t->to, NN_QLINEAR_CONV, n->name, in, b ? 9 : 8, &out, 1, &n->attrs));
	return true;
}

static void copy_node(struct turn *t, const struct nn_node *n)
{
	uint32_t *in = malloc((n->nr_in + 1ull) * sizeof(*in)), *out = malloc((n->nr_out + 1ull) * sizeof(*out));

	if (!in || !out)
		abort();
	for (uint32_t i = 0; i < n->nr_in; i++)
		in[i] = use(t, n->in[i]);
	for (uint32_t i = 0; i < n->nr_out; i++)
		out[i] = use(t, n->out[i]);
	made(t, t->failed ? 0 : nn_graph_add_node(t->to, n->op, n->name, in, n->nr_in, out, n->nr_out, &n->attrs));
	free(in);
	free(out);
}

int model_qlinear(const struct nn_graph *g, struct nn_graph **out, struct smartssd_error *err)
{
	struct turn t = { .from = g, .to = nn_graph_new(g->name), .map = malloc((g->nr_tensors + 1ull) * sizeof(*t.map)) };
	int ret;

	*out = NULL;
	if (!t.to || !t.map)
		abort();
	memset(t.map, 255, (g->nr_tensors + 1ull) * sizeof(*t.map));
	for (uint32_t i = 0; i < g->nr_inputs; i++)
		t.failed |= use(&t, g->inputs[i]) == NN_NOWHERE || nn_graph_add_input(t.to, t.map[g->inputs[i]]);
	/* What a fused node made superfluous, nn_graph_finish() drops: nothing reads it any more. */
	for (uint32_t i = 0; i < g->nr_nodes && !t.failed; i++)
		if (g->nodes[i].op != NN_QUANTIZE || !turn_node(&t, &g->nodes[i]))
			copy_node(&t, &g->nodes[i]);
	for (uint32_t i = 0; i < g->nr_outputs && !t.failed; i++)
		t.failed |= use(&t, g->outputs[i]) == NN_NOWHERE || nn_graph_add_output(t.to, t.map[g->outputs[i]]);
	for (uint32_t i = 0; i < g->nr_meta && !t.failed; i++)
		t.failed |= nn_graph_set_meta(t.to, g->meta[i].key, g->meta[i].value) != 0;
	ret = t.failed ? smartssd_fail(err, -ENOMEM, "no memory for the model in QLinear form") : nn_graph_finish(t.to, err);
	if (ret)
		nn_graph_free(t.to);
	else
		*out = t.to;
	free(t.map);
	return ret;
}
