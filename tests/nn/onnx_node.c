// SPDX-License-Identifier: BSD-2-Clause
/* ONNX's own tests through the evaluation on the host: onnx_node [FOLDER...] */
#include "node_tests.h"

static int eval(void *ctx, const struct nn_graph *g, const void *const *in, void *const *out, struct smartssd_error *err)
{
	struct nn_values v;
	int ret = nn_values_init(&v, g, false);

	(void)ctx;
	for (uint32_t i = 0; i < g->nr_inputs && !ret; i++)
		v.value[g->inputs[i]] = (void *)in[i];
	if (!ret)
		ret = nn_eval(&v, NULL, NULL, err);
	for (uint32_t i = 0; i < g->nr_outputs && !ret; i++) {
		const struct nn_tensor *t = &g->tensors[g->outputs[i]];

		memcpy(out[i], v.value[g->outputs[i]], (size_t)nn_count(&t->dims) * nn_type_bytes(t->type));
	}
	nn_values_free(&v);
	return ret;
}

int main(int argc, char **argv)
{
	static const struct nn_engine engine = { "eval", false, eval, NULL, 249, NULL };

	return nn_node_main(argc, argv, &engine);
}
