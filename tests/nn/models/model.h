/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Known networks in their true shape, with weights drawn from a seed: what tests and benchmarks run when no trained model is at hand. Shapes
 * are those of the papers and of torchvision: 3 x 224 x 224 in, 1000 scores out. Other sides are for tests that have less time.
 *
 * Weights are normal with variance 2 / fan-in (He et al. 2015). Means and variances for batch normalisation are measured over a few drawn pictures, as
 * training would leave them, so that activations stay in range at any depth and the scores differ from picture to picture; networks
 * without batch normalisation (VGG-16, SqueezeNet) get the measured values folded into weights and bias.
 */
#ifndef TESTS_NN_MODEL_H
#define TESTS_NN_MODEL_H

#include "../../../runtime/nn/graph.h"

enum model_form {
	MODEL_FP32,
	MODEL_QDQ,     /* through nn_quantize_graph() */
	MODEL_QLINEAR, /* that with QLinearConv and QLinearMatMul; what has no such operator stays between DequantizeLinear and QuantizeLinear */
};

/* The smallest leaves the last pool of each network a pixel; the largest is a matter of memory. */
#define MODEL_LEAST_SIDE 33u
#define MODEL_MOST_SIDE	 1024u

/* "resnet18", "resnet50", "vgg16", "vgg11_bn", "mobilenetv2", "squeezenet1_1", "stem"; NULL behind the last. */
const char *model_name(unsigned i);
/* 0, -EINVAL for an unknown name or side, or what the graph functions say. The input is float "image" [1][3][side][side], normalised as MODEL_MEAN and MODEL_STD say. */
int model_build(const char *name, uint64_t seed, uint32_t side, enum model_form form, struct nn_graph **out, struct smartssd_error *err);

/* value = (byte / 255 - MODEL_MEAN) / MODEL_STD */
#define MODEL_MEAN 0.5f
#define MODEL_STD  0.25f
/* A picture of blobs, gradients and noise: [3][side][side] bytes. */
void model_picture(uint64_t seed, uint64_t index, uint32_t side, uint8_t *bytes);
void model_input(uint64_t seed, uint64_t index, uint32_t side, float *values);

/* qlinear.c: QDQ -> QLinear form. */
int model_qlinear(const struct nn_graph *qdq, struct nn_graph **out, struct smartssd_error *err);

/* SplitMix64, and a number of mean 0 and variance 1 that is nearly normal (the sum of four uniform ones). */
uint64_t model_random(uint64_t *state);
float model_normal(uint64_t *state);

#endif
