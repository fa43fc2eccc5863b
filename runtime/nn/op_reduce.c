// SPDX-License-Identifier: BSD-2-Clause
/* Many elements to one: ReduceMean, Softmax, LogSoftmax. */
#include <math.h>

#include "graph_impl.h"

int nn_op_reduce_mean(const struct nn_call *c)
{
	const struct nn_dims *dx = &c->ti[0]->dims;
	int64_t stride[NN_MAX_DIMS] = { 0 }, s = 1; /* of the output, 0 along reduced dimensions */
	uint64_t total = (uint64_t)nn_count(dx);
	const float *x = c->in[0];
	float *y = c->out[0];
	double *sum = calloc(c->n, sizeof(*sum));

	if (!sum)
		return -ENOMEM;
	for (uint32_t i = dx->n; i-- > 0;) {
		bool reduced = false;

		for (uint32_t a = 0; a < c->a->nr_axes; a++)
			reduced |= c->a->axes[a] == i;
		if (!reduced) {
			stride[i] = s;
			s *= dx->d[i];
		}
	}
	for (uint64_t i = 0; i < total; i++) {
		int64_t at = 0, rest = (int64_t)i;

		for (uint32_t d = dx->n; d-- > 0;) {
			at += rest % dx->d[d] * stride[d];
			rest /= dx->d[d];
		}
		sum[at] += x[i];
	}
	for (uint64_t i = 0; i < c->n; i++)
		y[i] = (float)(sum[i] / ((double)total / (double)c->n));
	free(sum);
	return 0;
}

int nn_op_softmax(const struct nn_call *c)
{
	const struct nn_dims *d = &c->ti[0]->dims;
	int64_t outer = 1, inner = 1, n = 1;
	const float *x = c->in[0];
	bool logarithm = c->node->op == NN_LOG_SOFTMAX;
	float *y = c->out[0];

	for (uint32_t i = 0; i < d->n; i++)
		if (i < (uint32_t)c->a->axis)
			outer *= d->d[i];
		else if (i == (uint32_t)c->a->axis || c->a->flatten)
			n *= d->d[i];
		else
			inner *= d->d[i];
	for (int64_t i = 0; i < outer * inner; i++) {
		int64_t at = i / inner * n * inner + i % inner;
		float max = x[at];
		double sum = 0;

		for (int64_t j = 1; j < n; j++)
			if (x[at + j * inner] > max)
				max = x[at + j * inner];
		for (int64_t j = 0; j < n; j++) {
			y[at + j * inner] = expf(x[at + j * inner] - max);
			sum += y[at + j * inner];
		}
		for (int64_t j = 0; j < n; j++)
			y[at + j * inner] = (float)(logarithm ? x[at + j * inner] - max - log(sum) : y[at + j * inner] / sum);
	}
	return 0;
}
