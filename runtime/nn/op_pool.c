// SPDX-License-Identifier: BSD-2-Clause
/* MaxPool, AveragePool of 1 to 3 spatial dimensions, GlobalMaxPool, GlobalAveragePool; and the window that convolutions have, too. */
#include <math.h>

#include "graph_impl.h"

void nn_set_window(struct nn_window *w, const struct nn_attrs *a, const struct nn_dims *x, const struct nn_dims *y)
{
	uint32_t s = x->n - 2;

	for (uint32_t i = 0; i < 3; i++) {
		uint32_t from = i + s - 3; /* the last s of three dimensions */
		bool has = i + s >= 3;

		w->in[i] = has ? x->d[from + 2] : 1;
		w->out[i] = has ? y->d[from + 2] : 1;
		w->k[i] = has ? a->wide[0][from] : 1;
		w->stride[i] = has ? a->wide[1][from] : 1;
		w->dilation[i] = has ? a->wide[2][from] : 1;
		w->begin[i] = has ? a->wide[3][from] : 0;
		w->end[i] = has ? a->wide[3][from + s] : 0;
	}
	w->plane = w->in[0] * w->in[1] * w->in[2];
	w->pixels = w->out[0] * w->out[1] * w->out[2];
}

/* Of kernel positions 0 .. k - 1 along dimension i those from *lo to *hi - 1 lie inside of the image. */
static int64_t inside(const struct nn_window *w, int i, int64_t o, int64_t *lo, int64_t *hi)
{
	int64_t start = o * w->stride[i] - w->begin[i], d = w->dilation[i];

	*lo = start < 0 ? (-start + d - 1) / d : 0;
	*hi = start >= w->in[i] ? 0 : (w->in[i] - start + d - 1) / d;
	if (*lo > w->k[i])
		*lo = w->k[i];
	if (*hi > w->k[i])
		*hi = w->k[i];
	return start;
}

/* Of kernel positions those inside of the image or its padding: a last window of ceil_mode sticks out of both. */
static int64_t padded(const struct nn_window *w, int i, int64_t o)
{
	int64_t start = o * w->stride[i] - w->begin[i], d = w->dilation[i];
	int64_t n = (w->in[i] + w->end[i] - start + d - 1) / d;

	return n < w->k[i] ? n : w->k[i];
}

/* For each window of one plane: @BODY for each position `at` in it. */
#define FOR_WINDOW(w, p, start, lo, hi)                                                                        \
	for (int64_t rest_ = (p), i_ = 2; i_ >= 0; rest_ /= (w).out[i_], i_--)                                 \
		start[i_] = inside(&(w), (int)i_, rest_ % (w).out[i_], &lo[i_], &hi[i_]);                      \
	for (int64_t z_ = lo[0]; z_ < hi[0]; z_++)                                                             \
		for (int64_t y_ = lo[1]; y_ < hi[1]; y_++)                                                     \
			for (int64_t x_ = lo[2],                                                               \
				     at = ((start[0] + z_ * (w).dilation[0]) * (w).in[1] + start[1] + y_ * (w).dilation[1]) * (w).in[2] + start[2] + \
					  x_ * (w).dilation[2];                                                \
			     x_ < hi[2]; x_++, at += (w).dilation[2])

#define MAX_PLANES(type, lowest)                                                      \
	for (int64_t i = 0; i < planes; i++)                                        \
		for (int64_t p = 0; p < w.pixels; p++) {                              \
			const type *x = (const type *)c->in[0] + i * w.plane;         \
			type best = lowest;                                           \
										      \
			FOR_WINDOW(w, p, start, lo, hi)                               \
				if (x[at] > best || x[at] != x[at])                   \
					best = x[at];                                 \
			((type *)c->out[0])[i * w.pixels + p] = best;                 \
		}

int nn_op_max_pool(const struct nn_call *c)
{
	int64_t start[3], lo[3], hi[3], planes = c->ti[0]->dims.d[0] * c->ti[0]->dims.d[1];
	struct nn_window w;

	nn_set_window(&w, c->a, &c->ti[0]->dims, &c->to[0]->dims);
	if (c->ti[0]->type == NN_F4) {
		MAX_PLANES(float, -INFINITY);
	} else if (c->ti[0]->type == NN_I1) {
		MAX_PLANES(int8_t, INT8_MIN);
	} else {
		MAX_PLANES(uint8_t, 0);
	}
	return 0;
}

int nn_op_average_pool(const struct nn_call *c)
{
	int64_t start[3], lo[3], hi[3], planes = c->ti[0]->dims.d[0] * c->ti[0]->dims.d[1];
	struct nn_window w;

	nn_set_window(&w, c->a, &c->ti[0]->dims, &c->to[0]->dims);
	for (int64_t i = 0; i < planes; i++)
		for (int64_t p = 0; p < w.pixels; p++) {
			const float *x = (const float *)c->in[0] + i * w.plane;
			double sum = 0;
			int64_t n = 0;

			FOR_WINDOW(w, p, start, lo, hi) {
				sum += x[at];
				n++;
			}
			if (c->a->count_include_pad)
				n = padded(&w, 0, p / w.out[2] / w.out[1]) * padded(&w, 1, p / w.out[2] % w.out[1]) * padded(&w, 2, p % w.out[2]);
			((float *)c->out[0])[i * w.pixels + p] = n ? (float)(sum / (double)n) : 0;
		}
	return 0;
}

#define GLOBAL_MAX(type)                                                       \
	for (int64_t i = 0; i < planes; i++) {                                 \
		const type *x = (const type *)c->in[0] + i * plane;            \
		type best = x[0];                                              \
									       \
		for (int64_t p = 1; p < plane; p++)                            \
			if (x[p] > best || x[p] != x[p])                       \
				best = x[p];                                   \
		((type *)c->out[0])[i] = best;                                 \
	}

int nn_op_global_pool(const struct nn_call *c)
{
	const struct nn_dims *d = &c->ti[0]->dims;
	int64_t planes = d->d[0] * d->d[1], plane = 1;

	for (uint32_t i = 2; i < d->n; i++)
		plane *= d->d[i];
	if (c->node->op == NN_GLOBAL_AVERAGE_POOL) {
		for (int64_t i = 0; i < planes; i++) {
			const float *x = (const float *)c->in[0] + i * plane;
			double sum = 0;

			for (int64_t p = 0; p < plane; p++)
				sum += x[p];
			((float *)c->out[0])[i] = (float)(sum / (double)plane);
		}
	} else if (c->ti[0]->type == NN_F4) {
		GLOBAL_MAX(float);
	} else if (c->ti[0]->type == NN_I1) {
		GLOBAL_MAX(int8_t);
	} else {
		GLOBAL_MAX(uint8_t);
	}
	return 0;
}
