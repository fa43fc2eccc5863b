// SPDX-License-Identifier: BSD-2-Clause
/* From one graph into another: tensors and nodes as they are, and names for what is new. */
#include <stdio.h>

#include "quantize_impl.h"

uint32_t nn_copy_tensor(struct nn_graph *to, const struct nn_graph *from, uint32_t *map, uint32_t t)
{
	const struct nn_tensor *x = &from->tensors[t];

	if (map[t] == NN_NOWHERE)
		map[t] = x->data ? nn_graph_add_constant(to, x->name, x->type, &x->dims, x->data) : nn_graph_add_tensor(to, x->name, x->type, &x->dims);
	return map[t];
}

static bool copy_tensors(struct nn_graph *to, const struct nn_graph *from, uint32_t *map, const uint32_t *list, uint32_t nr, uint32_t *out)
{
	for (uint32_t i = 0; i < nr; i++) {
		out[i] = list[i] == NN_NOWHERE ? NN_NOWHERE : nn_copy_tensor(to, from, map, list[i]);
		if (list[i] != NN_NOWHERE && out[i] == NN_NOWHERE)
			return false;
	}
	return true;
}

int nn_copy_node(struct nn_graph *to, const struct nn_graph *from, uint32_t *map, const struct nn_node *n)
{
	uint32_t *in = malloc((n->nr_in + 1ull) * sizeof(*in)), *out = malloc((n->nr_out + 1ull) * sizeof(*out));
	bool ok = in && out && copy_tensors(to, from, map, n->in, n->nr_in, in) && copy_tensors(to, from, map, n->out, n->nr_out, out) &&
		  nn_graph_add_node(to, n->op, n->name, in, n->nr_in, out, n->nr_out, &n->attrs) != NN_NOWHERE;

	free(in);
	free(out);
	return ok ? 0 : -ENOMEM;
}

void nn_namer_init(struct nn_namer *n, const struct nn_graph *g, const char *const *list)
{
	for (unsigned i = 0;; i++) {
		bool taken = false;

		snprintf(n->tag, sizeof(n->tag), i ? "_%u" : "", i + 1);
		for (uint32_t t = 0; t < g->nr_tensors && !taken; t++) {
			size_t length = strlen(g->tensors[t].name), tag = strlen(n->tag);

			for (size_t s = 0; list[s] && !taken; s++) {
				size_t suffix = strlen(list[s]);

				taken = length >= suffix + tag && !strcmp(g->tensors[t].name + length - tag, n->tag) &&
					!memcmp(g->tensors[t].name + length - tag - suffix, list[s], suffix);
			}
		}
		/* There are fewer tensors than tags. */
		if (!taken)
			return;
	}
}

const char *nn_namer_make(struct nn_namer *n, const char *base, const char *suffix)
{
	char *text;

	if (asprintf(&text, "%s%s%s", base, suffix, n->tag) < 0)
		text = NULL;
	free(n->text);
	n->text = text;
	return text;
}
