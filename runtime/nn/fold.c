// SPDX-License-Identifier: BSD-2-Clause
/*
 * Constant folding. A node whose inputs are constant is evaluated once, while loading; Shape always is, for shapes are known. What that may
 * cost is limited in relation to the file: broadcasting and padding make gigabytes out of a few bytes otherwise.
 */
#include "graph_impl.h"

static uint64_t times(uint64_t a, uint64_t b)
{
	uint64_t p;

	return __builtin_mul_overflow(a, b, &p) ? UINT64_MAX : p;
}

uint64_t nn_node_work(const struct nn_graph *g, const struct nn_node *node)
{
	const struct nn_attrs *a = &node->attrs;
	uint64_t work = 1, n;

	for (uint32_t i = 0; i < node->nr_out; i++)
		if (nn_out(g, node, i) && !nn_size(NN_U1, &nn_out(g, node, i)->dims, &n, NULL))
			work += n;
	switch (node->op) {
	case NN_CONV:
	case NN_CONV_INTEGER:
	case NN_QLINEAR_CONV: {
		const struct nn_dims *w = &nn_in(g, node, node->op == NN_QLINEAR_CONV ? 3 : 1)->dims;

		for (uint32_t i = 1; i < w->n; i++)
			work = times(work, (uint64_t)w->d[i]);
		break;
	}
	case NN_MAX_POOL:
	case NN_AVERAGE_POOL:
		for (uint32_t i = 0; i < a->spatial; i++)
			work = times(work, (uint64_t)a->wide[0][i]);
		break;
	case NN_GEMM:
	case NN_MATMUL:
	case NN_MATMUL_INTEGER:
	case NN_QLINEAR_MATMUL: {
		const struct nn_dims *d = &nn_in(g, node, 0)->dims;

		work = times(work, (uint64_t)d->d[node->op == NN_GEMM && a->trans_a ? 0 : d->n - 1] + 1);
		break;
	}
	default:
		break;
	}
	for (uint32_t i = 0; i < node->nr_in; i++)
		if (nn_in(g, node, i) && !nn_size(NN_U1, &nn_in(g, node, i)->dims, &n, NULL) && __builtin_add_overflow(work, n, &work))
			work = UINT64_MAX;
	return work;
}

static bool may_fold(const struct nn_graph *g, const struct nn_node *node)
{
	/* The compiler wants to see where integers become floats. */
	if (node->op == NN_DEQUANTIZE)
		return false;
	if (node->op == NN_SHAPE)
		return true;
	for (uint32_t i = 0; i < node->nr_in; i++)
		if (nn_in(g, node, i) && !nn_in(g, node, i)->data)
			return false;
	return true;
}

int nn_fold_node(struct nn_graph *g, const struct nn_node *node, struct nn_fold *fold, bool *done, struct smartssd_error *err)
{
	uint64_t work, bytes = 0, b;
	const void **in;
	void **out;
	int ret = 0;

	*done = false;
	if (!may_fold(g, node))
		return 0;
	for (uint32_t i = 0; i < node->nr_out; i++)
		if (nn_out(g, node, i)) {
			if (nn_size(nn_out(g, node, i)->type, &nn_out(g, node, i)->dims, NULL, &b))
				return 0;
			bytes += b;
		}
	work = node->op == NN_SHAPE ? 1 : nn_node_work(g, node);
	if (work > fold->work || bytes > fold->bytes)
		return 0;
	fold->work -= work;
	fold->bytes -= bytes;

	in = calloc(node->nr_in + 1ull, sizeof(*in));
	out = calloc(node->nr_out + 1ull, sizeof(*out));
	if (!in || !out)
		ret = -ENOMEM;
	for (uint32_t i = 0; i < node->nr_in && !ret; i++)
		in[i] = nn_in(g, node, i) ? nn_in(g, node, i)->data : NULL;
	for (uint32_t i = 0; i < node->nr_out && !ret; i++)
		if (nn_out(g, node, i)) {
			nn_size(nn_out(g, node, i)->type, &nn_out(g, node, i)->dims, NULL, &b);
			out[i] = nn_alloc(b);
			ret = out[i] ? 0 : -ENOMEM;
		}
	if (ret)
		nn_node_fail(err, ret, node, "no memory to fold constants");
	else
		ret = nn_eval_node(g, node, in, out, err);
	for (uint32_t i = 0; i < node->nr_out && out; i++)
		if (out[i] && !ret) {
			nn_out(g, node, i)->data = out[i];
			nn_out(g, node, i)->owns = true;
		} else {
			free(out[i]);
		}
	*done = !ret;
	free(in);
	free(out);
	return ret;
}
