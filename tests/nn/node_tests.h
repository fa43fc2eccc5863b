/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ONNX's own tests (Debian: libonnx-testdata): folders with model.onnx and test_data_set_*\/input_*.pb, output_*.pb, run by whatever engine.
 */
#ifndef TESTS_NN_NODE_TESTS_H
#define TESTS_NN_NODE_TESTS_H

#include "../../runtime/nn/graph.h"

struct nn_engine {
	const char *name;
	/* The engine wants weights, scales and so on constant: all inputs but the first are made so. Else only where a model needs it. */
	bool constants;
	/*
	 * Run @graph: in[i] is the value of graph->inputs[i], out[i] has room for that of graph->outputs[i]. 0; -EOPNOTSUPP with a reason in
	 * @err is a skip; anything else is a failure.
	 */
	int (*run)(void *ctx, const struct nn_graph *graph, const void *const *in, void *const *out, struct smartssd_error *err);
	void *ctx;
	int least; /* of all of Debian 12's tests so many are to be run, not skipped */
	/* NULL, or asked at the end of all tests: one more result, described in @text. */
	bool (*enough)(void *ctx, char text[200]);
};

/*
 * main() of a test program: PROGRAM [FOLDER...], without folders all those of libonnx-testdata. Runs each test whose model uses at least one
 * operator that graph.h has: one TAP line each. A model that also uses others, or something that is not supported, is a skip with the loader's
 * (or engine's) words. $NN_NODE_TEST: only tests with this in their names.
 */
int nn_node_main(int argc, char **argv, const struct nn_engine *engine);

#endif
