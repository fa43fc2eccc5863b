// SPDX-License-Identifier: BSD-2-Clause
/*
 * DLRM by plain loops in double, and how far dlrm_forward()'s single precision may be away from it.
 *
 * The bound is linear error analysis. A number that dlrm_forward() computes is off by what it is computed from, and by the roundings of its own sum, with u = 2^-24
 *
 *   layer      e = u * (sum |products| + sum |partial sums|)      partial sums as gemm.c adds them: NN_KC products at a time, then to the bias
 *   dot        e = u * (dim / 8 + 5) * sum |products|
 *   bag        e = slack: given
 *
 * and how much each of them moves the logit is its derivative, which the chain rule gives. So the logit is off by at most E = 2 * sum |derivative * e|, the factor for what is not linear:
 * products of errors, and a relu whose sum is so near 0 that it may be on either side (its derivative counts as 1). Then
 *
 *   bound = what the sigmoid makes of logit +- E, and u * p for the last rounding
 */
#include <math.h>

#include "../nn/graph_impl.h"
#include "dlrm_impl.h"

#define U    0x1p-24
#define TINY 0x1p-149 /* a product below the smallest float is off by no more */
#define KINK 256      /* own roundings of a sum within which it counts as near 0 */

struct sums {
	double *y, *e; /* sums of a layer before relu, their own errors */
};

struct scratch {
	double *all;
	struct sums bottom[TRACE_MAX_LAYERS], top[TRACE_MAX_LAYERS];
	double *z, *e;		/* [interaction]; errors of the dots */
	double *x;		/* input of a layer */
	double *g, *other;	/* derivatives */
	const double **v;	/* the vectors that interact */
};

/* @nr numbers of s->all, or only counted when there is none yet. */
static double *take(const struct scratch *s, uint64_t *at, uint64_t nr)
{
	double *p = s->all ? s->all + *at : NULL;

	*at += nr;
	return p;
}

static uint64_t place(const struct dlrm *d, struct scratch *s)
{
	uint64_t widest = max_u64(d->widest, d->model.dense), at = 0;

	for (uint32_t i = 0; i < d->bottom.nr; i++)
		s->bottom[i] = (struct sums){ take(s, &at, d->bottom.layers[i].out), take(s, &at, d->bottom.layers[i].out) };
	for (uint32_t i = 0; i < d->top.nr; i++)
		s->top[i] = (struct sums){ take(s, &at, d->top.layers[i].out), take(s, &at, d->top.layers[i].out) };
	s->z = take(s, &at, d->interaction);
	s->e = take(s, &at, d->interaction);
	s->x = take(s, &at, widest);
	s->g = take(s, &at, widest);
	s->other = take(s, &at, widest);
	return at;
}

/* ---- forward ---- */

static void layer(const struct dlrm_layer *l, const double *x, struct sums *s)
{
	for (uint32_t j = 0; j < l->out; j++) {
		const float *w = l->weight + (uint64_t)j * l->in;
		double sum = l->bias[j], magnitude = 0;

		for (uint32_t k0 = 0; k0 < l->in; k0 += NN_KC) {
			uint32_t end = l->in - k0 < NN_KC ? l->in : k0 + NN_KC;
			double part = 0;

			for (uint32_t k = k0; k < end; k++) {
				double product = w[k] * x[k];

				part += product;
				magnitude += fabs(product) + fabs(part);
			}
			sum += part;
			magnitude += fabs(sum);
		}
		s->y[j] = sum;
		s->e[j] = U * magnitude + l->in * TINY;
	}
}

static void relu(const double *y, uint32_t nr, double *x)
{
	for (uint32_t i = 0; i < nr; i++)
		x[i] = y[i] < 0 ? 0 : y[i];
}

static void dots(const struct dlrm *d, struct scratch *s)
{
	uint32_t dim = d->model.dim, at = dim;

	for (uint32_t i = 1; i <= d->model.tables; i++)
		for (uint32_t j = 0; j < i; j++, at++) {
			double sum = 0, magnitude = 0;

			for (uint32_t k = 0; k < dim; k++) {
				sum += s->v[i][k] * s->v[j][k];
				magnitude += fabs(s->v[i][k] * s->v[j][k]);
			}
			s->z[at] = sum;
			s->e[at] = U * (dim / 8 + 5) * magnitude + dim * TINY;
		}
}

/* The logit. */
static double forward(const struct dlrm *d, const float *dense, struct scratch *s)
{
	uint32_t dim = d->model.dim;

	for (uint32_t i = 0; i < d->model.dense; i++)
		s->x[i] = dense[i];
	for (uint32_t i = 0; i < d->bottom.nr; i++) {
		layer(&d->bottom.layers[i], s->x, &s->bottom[i]);
		relu(s->bottom[i].y, d->bottom.layers[i].out, s->x);
	}
	memcpy(s->z, s->x, dim * sizeof(double));
	memset(s->e, 0, dim * sizeof(double));
	s->v[0] = s->z;
	dots(d, s);
	memcpy(s->x, s->z, d->interaction * sizeof(double));
	for (uint32_t i = 0; i < d->top.nr; i++) {
		layer(&d->top.layers[i], s->x, &s->top[i]);
		relu(s->top[i].y, d->top.layers[i].out, s->x);
	}
	return s->top[d->top.nr - 1].y[0];
}

/* ---- derivatives, backwards, and what each error makes of the logit ---- */

static double weigh(const double *g, const double *e, uint64_t nr)
{
	double sum = 0;

	for (uint64_t i = 0; i < nr; i++)
		sum += fabs(g[i]) * e[i];
	return sum;
}

/* g: of the sums of a layer; becomes those of its input. */
static void layer_back(const struct dlrm_layer *l, struct scratch *s)
{
	double *swap = s->g;

	memset(s->other, 0, l->in * sizeof(double));
	for (uint32_t j = 0; j < l->out; j++)
		for (uint32_t k = 0; k < l->in && s->g[j] != 0; k++)
			s->other[k] += s->g[j] * l->weight[(uint64_t)j * l->in + k];
	s->g = s->other;
	s->other = swap;
}

static void relu_back(const struct sums *y, uint32_t nr, double *g)
{
	for (uint32_t i = 0; i < nr; i++)
		if (y->y[i] < -KINK * y->e[i])
			g[i] = 0;
}

/* g: of z; becomes those of x. What the bags' errors make of the logit. */
static double dots_back(const struct dlrm *d, const double *slack, uint64_t pitch, struct scratch *s)
{
	uint32_t dim = d->model.dim, tables = d->model.tables;
	double sum = 0;

	/* Vector by vector: the dots that it is in. Pair i > j is number i * (i - 1) / 2 + j. */
	for (uint32_t i = 0; i <= tables; i++) {
		for (uint32_t k = 0; k < dim; k++)
			s->other[k] = i ? 0 : s->g[k];
		for (uint32_t j = 0; j <= tables; j++) {
			uint64_t high = i > j ? i : j, low = i > j ? j : i;
			double g = i == j ? 0 : s->g[dim + high * (high - 1) / 2 + low];

			for (uint32_t k = 0; k < dim && g != 0; k++)
				s->other[k] += g * s->v[j][k];
		}
		if (!i)
			memcpy(s->x, s->other, dim * sizeof(double));
		else if (slack)
			sum += weigh(s->other, slack + (i - 1) * pitch, dim);
	}
	memcpy(s->g, s->x, dim * sizeof(double));
	return sum;
}

/* How far the logit may be off. */
static double backward(const struct dlrm *d, const double *slack, uint64_t pitch, struct scratch *s)
{
	double sum = 0;

	s->g[0] = 1;
	for (uint32_t i = d->top.nr; i-- > 0;) {
		if (i + 1 < d->top.nr)
			relu_back(&s->top[i], d->top.layers[i].out, s->g);
		sum += weigh(s->g, s->top[i].e, d->top.layers[i].out);
		layer_back(&d->top.layers[i], s);
	}
	sum += weigh(s->g, s->e, d->interaction);
	sum += dots_back(d, slack, pitch, s);
	for (uint32_t i = d->bottom.nr; i-- > 0;) {
		relu_back(&s->bottom[i], d->bottom.layers[i].out, s->g);
		sum += weigh(s->g, s->bottom[i].e, d->bottom.layers[i].out);
		if (i)
			layer_back(&d->bottom.layers[i], s);
	}
	return 2 * sum;
}

static double sigmoid(double logit)
{
	return 1 / (1 + exp(-logit));
}

int dlrm_reference(const struct dlrm *d, const float *dense, const double *pooled, const double *slack, uint64_t queries, double *p, double *bound)
{
	uint64_t dim = d->model.dim, pitch = queries * dim;
	struct scratch s = { .v = calloc(d->model.tables + 1, sizeof(*s.v)) };

	s.all = malloc(place(d, &s) * sizeof(double));
	if (!s.v || !s.all) {
		free(s.v);
		free(s.all);
		return -ENOMEM;
	}
	place(d, &s);
	for (uint64_t q = 0; q < queries; q++) {
		double logit;

		for (uint32_t t = 0; t < d->model.tables; t++)
			s.v[t + 1] = pooled + t * pitch + q * dim;
		logit = forward(d, dense + q * d->model.dense, &s);
		p[q] = sigmoid(logit);
		if (bound) {
			double off = backward(d, slack ? slack + q * dim : NULL, pitch, &s);

			bound[q] = fmax(sigmoid(logit + off) - p[q], p[q] - sigmoid(logit - off)) + U * p[q] + TINY;
		}
	}
	free(s.v);
	free(s.all);
	return 0;
}
