/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fp32 graph -> int8 graph in QDQ form.
 *
 *   fold batch normalisation into the convolution before it, and a Pad of zeros into the Conv or AveragePool behind it; drop Identity and Dropout
 *   calibrate: evaluate over real inputs, range of each activation (min/max, or a percentile against outliers)
 *   activations: uint8, one scale and zero point per tensor; tensors that one operator only passes on (MaxPool, Reshape, Flatten, Transpose, Concat inputs) share them
 *   weights: int8, symmetric (zero point 0), one scale per output channel; bias: int32 with scale x_scale * w_scale
 *   constants that are added: uint8 behind a DequantizeLinear, one scale and zero point per tensor
 *   QuantizeLinear/DequantizeLinear pairs around Conv, Gemm, MatMul with constant weights, Add, pools, Concat; Softmax and what else is float stays float
 *
 * Files: quantize.c (the steps), quantize_fold.c (fp32 -> simpler fp32), quantize_plan.c (which nodes, which tensors share), quantize_range.c
 * (calibration), quantize_weights.c (weights and bias), quantize_emit.c (the new graph), quantize_copy.c (from one graph to another),
 * quantize_input.c (metadata "smartssd.input").
 */
#ifndef SMARTSSD_RUNTIME_NN_QUANTIZE_H
#define SMARTSSD_RUNTIME_NN_QUANTIZE_H

#include "graph.h"

struct nn_quantize {
	/* Calibration inputs, one after another; each [1 or batch of the graph][...] floats. Return 0, 1: no more, or -errno. */
	int (*next)(void *ctx, float *input, struct smartssd_error *err);
	void *ctx;
	double percentile;     /* of the absolute range that is kept, 100: all (0: the default, 99.99); inputs and outputs of the model keep all */
	float input_scale, mean[4], std[4]; /* what was done to bytes to get the calibration inputs: kept as metadata "smartssd.input"; nr_mean 0: nothing */
	uint32_t nr_mean;      /* 1 (all channels alike) or the channels of the model's input, at most 4 */
	uint64_t expected;     /* how many inputs @next has, for the progress; 0: not known */
	struct smartssd_progress progress;
};

struct nn_quantize_report {
	uint32_t inputs;       /* calibration inputs used */
	uint32_t quantised, left; /* nodes */
	uint32_t folded;       /* batch normalisations */
};

/*
 * @graph is not changed; *out is the caller's (nn_graph_free()). @report may be NULL. Errors, each with a text:
 * -EINVAL the model is quantised already, has nothing to quantise, a wrong percentile, no calibration input, or only zeros; -EOPNOTSUPP more than one input, or one
 * that is not float; -ERANGE infinite or not-a-number values in weights or activations (which one is said); -ECANCELED by
 * progress; -ENOMEM; what @next returns.
 */
int nn_quantize_graph(const struct nn_graph *graph, const struct nn_quantize *how, struct nn_graph **out, struct nn_quantize_report *report, struct smartssd_error *err);

/*
 * Metadata "smartssd.input": how bytes become the model's float input, value = (byte * scale - mean[c]) / std[c], as text
 * "scale=0.00392156886 mean=0.485,0.456,0.406 std=0.229,0.224,0.225" (%.9g, a point whatever the locale; 1 to 4 means and as many stds).
 */
#define NN_INPUT_META "smartssd.input"
int nn_input_meta_print(char *text, size_t room, float scale, const float *mean, const float *std, uint32_t nr_mean); /* -ENOSPC, -EINVAL */
int nn_input_meta_parse(const char *text, float *scale, float mean[4], float std[4], uint32_t *nr_mean);	       /* -EBADMSG */

#endif
