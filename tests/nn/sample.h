/* SPDX-License-Identifier: BSD-2-Clause */
/* Small models that together use every operator and attribute: what tests change and fuzzers mutate. */
#ifndef TESTS_NN_SAMPLE_H
#define TESTS_NN_SAMPLE_H

#include "../../runtime/nn/graph.h"

#define NN_SAMPLES 6
/* Sample @i before nn_graph_finish(); NULL when something failed, which no test expects. */
struct nn_graph *nn_sample(unsigned i);
/* The same as a file in memory, free(). */
void *nn_sample_bytes(unsigned i, size_t *bytes);

#endif
