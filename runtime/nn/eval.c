// SPDX-License-Identifier: BSD-2-Clause
/* Evaluation: one node after the other, each by the function of its operator. */
#include "graph_impl.h"

static int (*const ops[NN_OPS])(const struct nn_call *c) = {
	[NN_ADD] = nn_op_arithmetic,
	[NN_AVERAGE_POOL] = nn_op_average_pool,
	[NN_BATCH_NORM] = nn_op_batch_norm,
	[NN_CAST] = nn_op_cast,
	[NN_CLIP] = nn_op_clip,
	[NN_CONCAT] = nn_op_concat,
	[NN_CONSTANT_OF_SHAPE] = nn_op_constant_of_shape,
	[NN_CONV] = nn_op_conv,
	[NN_CONV_INTEGER] = nn_op_conv_int,
	[NN_DEQUANTIZE] = nn_op_dequantize,
	[NN_DIV] = nn_op_arithmetic,
	[NN_DROPOUT] = nn_op_dropout,
	[NN_FLATTEN] = nn_op_copy,
	[NN_GATHER] = nn_op_gather,
	[NN_GEMM] = nn_op_gemm,
	[NN_GLOBAL_AVERAGE_POOL] = nn_op_global_pool,
	[NN_GLOBAL_MAX_POOL] = nn_op_global_pool,
	[NN_IDENTITY] = nn_op_copy,
	[NN_LOG_SOFTMAX] = nn_op_softmax,
	[NN_MATMUL] = nn_op_matmul,
	[NN_MATMUL_INTEGER] = nn_op_matmul_int,
	[NN_MAX_POOL] = nn_op_max_pool,
	[NN_MUL] = nn_op_arithmetic,
	[NN_PAD] = nn_op_pad,
	[NN_QLINEAR_CONV] = nn_op_conv_int,
	[NN_QLINEAR_MATMUL] = nn_op_matmul_int,
	[NN_QUANTIZE] = nn_op_quantize,
	[NN_REDUCE_MEAN] = nn_op_reduce_mean,
	[NN_RELU] = nn_op_relu,
	[NN_RESHAPE] = nn_op_copy,
	[NN_SHAPE] = nn_op_shape,
	[NN_SLICE] = nn_op_slice,
	[NN_SOFTMAX] = nn_op_softmax,
	[NN_SQUEEZE] = nn_op_copy,
	[NN_SUB] = nn_op_arithmetic,
	[NN_TRANSPOSE] = nn_op_transpose,
	[NN_UNSQUEEZE] = nn_op_copy,
};

int nn_eval_node(const struct nn_graph *graph, const struct nn_node *node, const void *const *in, void *const *out, struct smartssd_error *err)
{
	struct nn_call c = { .graph = graph, .node = node, .a = &node->attrs, .in = in, .out = out, .err = err };
	int ret;

	if (node->op >= NN_OPS || !ops[node->op])
		return nn_node_fail(err, -EOPNOTSUPP, node, "cannot be evaluated");
	for (uint32_t i = 0; i < node->nr_in && i < NN_MAX_IN; i++)
		c.ti[i] = nn_in(graph, node, i);
	for (uint32_t i = 0; i < node->nr_out && i < ARRAY_SIZE(c.to); i++)
		c.to[i] = nn_out(graph, node, i);
	if (!c.to[0])
		return nn_node_fail(err, -EINVAL, node, "its first output is left out");
	c.n = (uint64_t)nn_count(&c.to[0]->dims);
	if (!c.n)
		return 0;
	ret = ops[node->op](&c);
	if (ret == -ENOMEM)
		return nn_node_fail(err, ret, node, "no memory for its evaluation");
	return ret;
}

int nn_values_init(struct nn_values *v, const struct nn_graph *graph, bool keep)
{
	*v = (struct nn_values){ .graph = graph, .keep = keep };
	v->value = calloc(graph->nr_tensors + 1ull, sizeof(*v->value));
	v->owned = calloc(graph->nr_tensors + 1ull, sizeof(*v->owned));
	if (!v->value || !v->owned) {
		nn_values_free(v);
		return -ENOMEM;
	}
	for (uint32_t t = 0; t < graph->nr_tensors; t++)
		v->value[t] = graph->tensors[t].data;
	return 0;
}

static void drop(struct nn_values *v, uint32_t t)
{
	if (v->owned[t]) {
		free(v->value[t]);
		v->value[t] = NULL;
		v->owned[t] = false;
	}
}

void nn_values_free(struct nn_values *v)
{
	for (uint32_t t = 0; v->value && v->owned && t < v->graph->nr_tensors; t++)
		drop(v, t);
	free(v->value);
	free(v->owned);
	v->value = NULL;
	v->owned = NULL;
}

static int give_memory(struct nn_values *v, const struct nn_node *node, uint32_t t, struct smartssd_error *err)
{
	const struct nn_tensor *tensor = &v->graph->tensors[t];
	uint64_t bytes;

	if (nn_size(tensor->type, &tensor->dims, NULL, &bytes))
		return nn_node_fail(err, -EFBIG, node, "output '%.100s' has no sensible size; nn_graph_finish() finds it", tensor->name);
	if (v->value[t] && !v->owned[t])
		return 0; /* the caller wants it there */
	drop(v, t);
	v->value[t] = nn_alloc(bytes);
	if (!v->value[t])
		return nn_node_fail(err, -ENOMEM, node, "no memory for the %llu bytes of its output '%.100s'", (unsigned long long)bytes, tensor->name);
	v->owned[t] = true;
	return 0;
}

/* The graph's node @n; uses[t]: readers of tensor t that are still to come. */
static int eval_one(struct nn_values *v, uint32_t n, uint32_t *uses, const void **in, void **out, struct smartssd_error *err)
{
	const struct nn_graph *g = v->graph;
	const struct nn_node *node = &g->nodes[n];
	int ret;

	for (uint32_t i = 0; i < node->nr_in; i++) {
		uint32_t t = node->in[i];

		in[i] = t == NN_NOWHERE ? NULL : v->value[t];
		if (t != NN_NOWHERE && !in[i])
			return nn_node_fail(err, -EINVAL, node, "its input '%.100s' has no value", g->tensors[t].name);
	}
	for (uint32_t i = 0; i < node->nr_out; i++) {
		out[i] = NULL;
		if (node->out[i] == NN_NOWHERE)
			continue;
		ret = give_memory(v, node, node->out[i], err);
		if (ret)
			return ret;
		out[i] = v->value[node->out[i]];
	}
	ret = nn_eval_node(g, node, in, out, err);
	for (uint32_t i = 0; i < node->nr_in && !ret; i++) {
		uint32_t t = node->in[i];

		if (t != NN_NOWHERE && !--uses[t] && !v->keep && !g->tensors[t].is_output)
			drop(v, t);
	}
	return ret;
}

int nn_eval(struct nn_values *v, int (*watch)(void *ctx, uint32_t tensor, const void *value), void *ctx, struct smartssd_error *err)
{
	const struct nn_graph *g = v->graph;
	uint32_t *uses = calloc(g->nr_tensors + 1ull, sizeof(*uses)), most_in = 1, most_out = 1;
	const void **in;
	void **out;
	int ret = 0;

	for (uint32_t n = 0; n < g->nr_nodes; n++) {
		most_in = g->nodes[n].nr_in > most_in ? g->nodes[n].nr_in : most_in;
		most_out = g->nodes[n].nr_out > most_out ? g->nodes[n].nr_out : most_out;
		for (uint32_t i = 0; i < g->nodes[n].nr_in && uses; i++)
			if (g->nodes[n].in[i] != NN_NOWHERE)
				uses[g->nodes[n].in[i]]++;
	}
	in = malloc(most_in * sizeof(*in));
	out = malloc(most_out * sizeof(*out));
	if (!uses || !in || !out)
		ret = nn_fail(err, -ENOMEM, "no memory to evaluate %u nodes", g->nr_nodes);
	for (uint32_t i = 0; i < g->nr_inputs && !ret; i++) {
		uint32_t t = g->inputs[i];

		if (!v->value[t])
			ret = nn_fail(err, -EINVAL, "the model's input '%.120s' has no value", g->tensors[t].name);
		else if (watch && watch(ctx, t, v->value[t]))
			ret = nn_fail(err, -ECANCELED, "stopped at '%.120s'", g->tensors[t].name);
	}
	for (uint32_t n = 0; n < g->nr_nodes && !ret; n++) {
		const struct nn_node *node = &g->nodes[n];

		ret = eval_one(v, n, uses, in, out, err);
		for (uint32_t i = 0; i < node->nr_out && !ret && watch; i++)
			if (out[i] && watch(ctx, node->out[i], out[i]))
				ret = nn_node_fail(err, -ECANCELED, node, "stopped after it");
	}
	free(uses);
	free(in);
	free(out);
	return ret;
}
