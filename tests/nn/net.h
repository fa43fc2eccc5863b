/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs built by hand, layer by layer, with random weights: what tests of the session need, without a graph, its lowering or a planner. Checks of the
 * `check` library fail the test when something cannot be made.
 */
#ifndef TESTS_NN_NET_H
#define TESTS_NN_NET_H

#include "../../runtime/nn/program_impl.h"

/* Images that models take at once, as if they were exported with that batch; 1 to begin with. */
extern uint32_t net_batch;

struct nn_program *net_new(const char *name);
void net_free(struct nn_program *p);

/* Model input [1, c, h, w], plain. */
uint32_t net_input(struct nn_program *p, enum nn_type type, uint32_t c, uint32_t h, uint32_t w);
/* A value of card format that no layer makes yet. @whole: it is channels [at, at + c) of that value. */
uint32_t net_value(struct nn_program *p, uint32_t c, uint32_t h, uint32_t w, uint32_t whole, uint32_t at);

/* Layers; each returns its output. */
uint32_t net_pack(struct nn_program *p, uint32_t in);
/* @out: NN_NONE_VALUE makes one. @residual: NN_NONE_VALUE: none */
uint32_t net_conv(struct nn_program *p, uint32_t in, uint32_t filters, uint32_t kernel, uint32_t stride, uint32_t residual, uint32_t out);
uint32_t net_depthwise(struct nn_program *p, uint32_t in, uint32_t stride);
uint32_t net_pool(struct nn_program *p, uint32_t in, uint32_t kernel, uint32_t stride, bool average);
uint32_t net_add(struct nn_program *p, uint32_t a, uint32_t b);
/* DequantizeLinear and Softmax on the host: [1, c] floats; @in must be 1 x 1. */
uint32_t net_softmax(struct nn_program *p, uint32_t in);
void net_output(struct nn_program *p, uint32_t value);

/* Tiles, weights in one piece; the program is complete. */
void net_finish(struct nn_program *p);

/* A small residual network with a concatenation and a depthwise layer; random in its sizes. @float_input; @softmax: a second output */
struct nn_program *net_random(bool float_input, bool softmax);

/* Bytes of output @i for one batch of the model. */
uint64_t net_output_bytes(const struct nn_program *p, uint32_t i);
/* All layers by the reference, one batch of the model after another; outputs as for nn_session_run(). @input: of the model's input type */
void net_reference(const struct nn_program *p, const void *input, uint64_t images, void *const *outputs);

#endif
