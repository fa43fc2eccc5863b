// SPDX-License-Identifier: BSD-2-Clause
/*
 * What we write, for others to judge: resave FOLDER [MODEL.onnx...]
 * Writes the samples as FOLDER/sample-N.onnx, and each model that can be loaded as FOLDER/N.onnx; says how many could not.
 */
#include <stdio.h>

#include "sample.h"

int main(int argc, char **argv)
{
	struct smartssd_error err = { "" };
	int refused = 0;
	char path[4096];

	if (argc < 2)
		return 2;
	for (unsigned i = 0; i < NN_SAMPLES; i++) {
		struct nn_graph *g = nn_sample(i);

		snprintf(path, sizeof(path), "%s/sample-%u.onnx", argv[1], i);
		if (!g || nn_graph_finish(g, &err) || nn_graph_save(g, path, &err)) {
			fprintf(stderr, "sample %u: %s\n", i, err.text);
			return 1;
		}
		nn_graph_free(g);
	}
	for (int i = 2; i < argc; i++) {
		struct nn_graph *g;

		snprintf(path, sizeof(path), "%s/%d.onnx", argv[1], i);
		if (nn_graph_load(argv[i], 0, &g, &err)) {
			refused++;
			continue;
		}
		if (nn_graph_save(g, path, &err)) {
			fprintf(stderr, "%s: %s\n", argv[i], err.text);
			return 1;
		}
		nn_graph_free(g);
	}
	printf("%d of %d models are not for us\n", refused, argc - 2);
	return 0;
}
