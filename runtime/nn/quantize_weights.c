// SPDX-License-Identifier: BSD-2-Clause
/*
 * Weights of a convolution or matrix product: int8 in [-127, 127], one scale for each output channel, zero point 0. Bias: int32 in units of
 * x_scale * w_scale, which is what the integer sum has.
 */
#include <math.h>

#include "quantize_impl.h"

bool nn_has_weights(const struct nn_node *node)
{
	return node->op == NN_CONV || node->op == NN_GEMM || node->op == NN_MATMUL;
}

uint32_t nn_weight_axis(const struct nn_node *node)
{
	return node->op == NN_CONV || (node->op == NN_GEMM && node->attrs.trans_b) ? 0 : 1;
}

/*
 * Scale of one channel. A channel whose weights are tiny beside its bias gets a larger scale than they need, so that the bias
 * stays within 30 bits, and bias plus the largest sum (2^15 terms of 255 * 127) within 32.
 */
static float channel_scale(float top, float bias, float x_scale)
{
	double s = (double)top / 127, least = fabs((double)bias) / x_scale / (1 << 30);

	if (!s && bias)
		s = fabs((double)bias) / x_scale / (1 << 20);
	s = fmax(s, least);
	/* All zero, or less than a float with full precision can say. */
	return s < 1e-30 ? 1.0f : (float)s;
}

int nn_quantize_weights(const struct nn_graph *g, const struct nn_node *node, float x_scale, struct nn_qweights *out, struct smartssd_error *err)
{
	const struct nn_tensor *w = &g->tensors[node->in[1]];
	const struct nn_tensor *b = node->nr_in > 2 && node->in[2] != NN_NOWHERE ? &g->tensors[node->in[2]] : NULL;
	const float *from = w->data, *bias = b ? b->data : NULL;
	uint64_t n = (uint64_t)nn_count(&w->dims);
	uint32_t axis = nn_weight_axis(node), channels = (uint32_t)w->dims.d[axis];
	/* Elements of a channel lie together (axis 0), or every `channels` (axis 1 of a matrix). */
	uint64_t step = axis ? channels : 1, pitch = axis ? 1 : n / channels, count = n / channels;

	*out = (struct nn_qweights){ .w = malloc(n), .bias = b ? malloc(channels * sizeof(int32_t)) : NULL, .channels = channels,
				     .w_scale = malloc(channels * sizeof(float)), .bias_scale = malloc(channels * sizeof(float)) };
	if (!out->w || (b && !out->bias) || !out->w_scale || !out->bias_scale) {
		nn_qweights_free(out);
		return nn_node_fail(err, -ENOMEM, node, "no memory for %llu weights", (unsigned long long)n);
	}
	for (uint32_t c = 0; c < channels; c++) {
		float top = 0;
		double unit;

		for (uint64_t i = 0; i < count; i++) {
			float v = fabsf(from[c * pitch + i * step]);

			if (!isfinite(v) || (bias && !isfinite(bias[c]))) {
				nn_qweights_free(out);
				return nn_node_fail(err, -ERANGE, node, "the weights or the bias of output channel %u are not finite", c);
			}
			top = v > top ? v : top;
		}
		out->w_scale[c] = channel_scale(top, bias ? bias[c] : 0, x_scale);
		/* As other runtimes compute it: the product of two floats. */
		out->bias_scale[c] = x_scale * out->w_scale[c];
		if (!isnormal(out->bias_scale[c])) {
			nn_qweights_free(out);
			return nn_node_fail(err, -ERANGE, node, "output channel %u: input scale %g times weight scale %g is no float with full precision", c,
					    (double)x_scale, (double)out->w_scale[c]);
		}
		for (uint64_t i = 0; i < count; i++) {
			float q = rintf(from[c * pitch + i * step] / out->w_scale[c]);

			out->w[c * pitch + i * step] = (int8_t)(q > 127 ? 127 : q < -127 ? -127 : q);
		}
		unit = out->bias_scale[c];
		if (bias)
			out->bias[c] = (int32_t)fmin(fmax(rint(bias[c] / unit), -(double)(1 << 30)), 1 << 30);
	}
	return 0;
}

void nn_qweights_free(struct nn_qweights *w)
{
	free(w->w);
	free(w->bias);
	free(w->w_scale);
	free(w->bias_scale);
	*w = (struct nn_qweights){ 0 };
}
