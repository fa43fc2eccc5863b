// SPDX-License-Identifier: BSD-2-Clause
/* Quantisation from one end to the other. */
#include <math.h>

#include "quantize_impl.h"

/* Numbers that would make each result nan, found before minutes of calibration and by the name that they have in the model. */
static int check_weights(const struct nn_graph *g, const struct nn_node *n, struct smartssd_error *err)
{
	bool norm = n->op == NN_BATCH_NORM;

	for (uint32_t i = 1; i < n->nr_in && (norm || nn_has_weights(n)); i++) {
		const struct nn_tensor *t = nn_in(g, n, i);
		int64_t nr = t && t->data && t->type == NN_F4 ? nn_count(&t->dims) : 0;

		for (int64_t k = 0; k < nr; k++) {
			float v = ((const float *)t->data)[k];

			if (!isfinite(v))
				return nn_node_fail(err, -ERANGE, n, "element %lld of its input '%.100s' is %s; check the model's weights", (long long)k, t->name,
						    isnan(v) ? "nan" : "infinite");
			if (norm && i == 4 && v + n->attrs.epsilon <= 0)
				return nn_node_fail(err, -ERANGE, n, "its variance '%.100s' has the element %g, which has no square root; check the model's weights",
						    t->name, (double)v);
		}
	}
	return 0;
}

/* A model that the steps below can work on. */
static int check_graph(const struct nn_graph *g, struct smartssd_error *err)
{
	for (uint32_t i = 0; i < g->nr_nodes; i++) {
		const struct nn_node *n = &g->nodes[i];
		int ret = check_weights(g, n, err);

		if (ret)
			return ret;
		switch (n->op) {
		case NN_QUANTIZE:
		case NN_DEQUANTIZE:
		case NN_QLINEAR_CONV:
		case NN_QLINEAR_MATMUL:
		case NN_CONV_INTEGER:
		case NN_MATMUL_INTEGER:
			return nn_node_fail(err, -EINVAL, n, "the model is quantised already; give the fp32 model, or compile this one as it is");
		default:
			break;
		}
	}
	if (g->nr_inputs != 1)
		return nn_fail(err, -EOPNOTSUPP, "the model has %u inputs; calibration feeds models with one input", g->nr_inputs);
	if (g->tensors[g->inputs[0]].type != NN_F4)
		return nn_fail(err, -EOPNOTSUPP, "the model's input '%.120s' is of type %s; calibration feeds float inputs", g->tensors[g->inputs[0]].name,
			       nn_type_name(g->tensors[g->inputs[0]].type));
	if (!nn_count(&g->tensors[g->inputs[0]].dims))
		return nn_fail(err, -EINVAL, "the model's input '%.120s' has no elements", g->tensors[g->inputs[0]].name);
	return 0;
}

static int check_how(const struct nn_graph *g, const struct nn_quantize *how, struct smartssd_error *err)
{
	const struct nn_dims *d = &g->tensors[g->inputs[0]].dims;
	char text[256];

	/* Not a number fails this, too. */
	if (how->percentile && !(how->percentile > 0 && how->percentile <= 100))
		return nn_fail(err, -EINVAL, "percentile %g: it is more than 0 and at most 100", how->percentile);
	if (!how->nr_mean)
		return 0;
	if (how->nr_mean > 1 && (d->n < 2 || d->d[1] != how->nr_mean))
		return nn_fail(err, -EINVAL, "%u means, but the model's input '%.120s' has %lld channels; give one for each, or one for all", how->nr_mean,
			       g->tensors[g->inputs[0]].name, d->n < 2 ? 1ll : (long long)d->d[1]);
	if (nn_input_meta_print(text, sizeof(text), how->input_scale, how->mean, how->std, how->nr_mean))
		return nn_fail(err, -EINVAL, "the input's scale, means and stds are to be 1 to 4 finite numbers, and stds and the scale above 0");
	return 0;
}

static int copy_meta(const struct nn_graph *from, const struct nn_quantize *how, struct nn_graph *to, struct smartssd_error *err)
{
	char text[256];
	int ret = 0;

	for (uint32_t i = 0; i < from->nr_meta && !ret; i++)
		ret = nn_graph_set_meta(to, from->meta[i].key, from->meta[i].value);
	if (!ret && how->nr_mean) {
		ret = nn_input_meta_print(text, sizeof(text), how->input_scale, how->mean, how->std, how->nr_mean);
		if (!ret)
			ret = nn_graph_set_meta(to, NN_INPUT_META, text);
	}
	return ret ? nn_fail(err, ret, "no memory for the model's metadata") : 0;
}

int nn_quantize_graph(const struct nn_graph *graph, const struct nn_quantize *how, struct nn_graph **out, struct nn_quantize_report *report,
		      struct smartssd_error *err)
{
	struct nn_quantize_report r = { 0 };
	struct nn_qplan plan = { 0 };
	struct nn_graph *folded = NULL;
	int ret;

	*out = NULL;
	ret = check_graph(graph, err);
	if (!ret)
		ret = check_how(graph, how, err);
	if (!ret)
		ret = nn_quantize_fold(graph, &folded, &r.folded, err);
	if (!ret)
		ret = nn_qplan_init(&plan, folded, err);
	if (!ret)
		ret = nn_calibrate(&plan, how, &r.inputs, err);
	if (!ret)
		ret = nn_qplan_scales(&plan, how->percentile ? how->percentile : 99.99, err);
	if (!ret)
		ret = nn_qplan_emit(&plan, out, err);
	if (!ret)
		ret = copy_meta(graph, how, *out, err);
	if (!ret) {
		for (uint32_t i = 0; i < folded->nr_nodes; i++)
			*(plan.kind[i] == NN_Q_FLOAT ? &r.left : &r.quantised) += 1;
		if (report)
			*report = r;
	} else {
		nn_graph_free(*out);
		*out = NULL;
	}
	nn_qplan_free(&plan);
	nn_graph_free(folded);
	return ret;
}
