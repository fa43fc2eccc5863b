// SPDX-License-Identifier: BSD-2-Clause
#include "program_impl.h"

char *nn_printable(const char *text)
{
	char *copy = strdup(text);

	for (char *c = copy; c && *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	return copy;
}

void nn_program_free(struct nn_program *program)
{
	if (!program)
		return;
	for (uint32_t i = 0; i < program->nr_values; i++)
		free(program->values[i].name);
	for (uint32_t i = 0; i < program->nr_layers; i++) {
		struct nn_layer *l = &program->layers[i];

		free(l->name);
		free(l->fused);
		free(l->why_host);
		free(l->why);
		if (l->kind == NN_LAYER_GRAPH) {
			free(l->graph.in);
			free(l->graph.out);
		}
	}
	for (uint32_t i = 0; i < program->nr_graphs; i++)
		nn_graph_free(program->graphs[i]);
	free(program->name);
	free(program->decision);
	free(program->values);
	free(program->layers);
	free(program->graphs);
	free(program->inputs);
	free(program->outputs);
	free(program->weights);
	free(program);
}
