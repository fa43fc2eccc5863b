// SPDX-License-Identifier: BSD-2-Clause
/*
 * Calibration: the range of each activation over real inputs, in one pass. Each tensor has a histogram of absolute values whose limit is a
 * power of two; a larger value doubles the limit, and pairs of bins become one. So counts are exact, and a bin is at most 1/2048 of the largest value wide.
 */
#include <math.h>

#include "quantize_impl.h"

#define BINS 4096u

static void widen(struct nn_range *r, double limit)
{
	double factor = limit / r->limit;

	r->limit = limit;
	if (!r->bins)
		return;
	for (uint32_t i = 1; i < BINS; i++) {
		uint64_t n = r->bins[i];

		r->bins[i] = 0;
		r->bins[factor >= BINS ? 0 : i / (uint32_t)factor] += n;
	}
}

int nn_range_add(struct nn_range *r, const float *v, uint64_t n, bool histogram, uint64_t *at)
{
	float lo = INFINITY, hi = -INFINITY, finite = 0, top, scale;
	uint64_t zeros = 0;
	int exponent;

	if (!n)
		return 0;
	for (uint64_t i = 0; i < n; i++) {
		lo = v[i] < lo ? v[i] : lo;
		hi = v[i] > hi ? v[i] : hi;
		zeros += v[i] == 0;
		finite += v[i] * 0; /* not a number if one is infinite or not a number */
	}
	if (finite != 0) {
		for (*at = 0; isfinite(v[*at]);)
			++*at;
		return -ERANGE;
	}
	r->lo = fmin(r->lo, lo);
	r->hi = fmax(r->hi, hi);
	/* What a ReLU made zero says nothing about where the others end. */
	r->count += n - zeros;
	if (!histogram || zeros == n)
		return 0;
	if (!r->bins) {
		r->bins = calloc(BINS, sizeof(*r->bins));
		if (!r->bins)
			return -ENOMEM;
	}
	top = fmaxf(-lo, hi);
	frexpf(top, &exponent);
	/* Not below 2^-100, where the scale of the next lines would overflow: such values are zero to any quantisation. */
	if (ldexp(1, exponent) > r->limit || !r->limit) {
		double limit = ldexp(1, exponent > -100 ? exponent : -100);

		if (!r->limit)
			r->limit = limit;
		else if (limit > r->limit)
			widen(r, limit);
	}
	scale = (float)(BINS / r->limit);
	for (uint64_t i = 0; i < n; i++)
		r->bins[(uint32_t)(fabsf(v[i]) * scale)]++;
	return 0;
}

double nn_range_cut(const struct nn_range *r, double percentile)
{
	/* 99.9 of 1000 is one, whatever 99.9 is in binary. */
	uint64_t may_go = (uint64_t)((double)r->count * (100 - percentile) / 100 + 1e-6), gone = 0;
	uint32_t bin = BINS;

	if (!r->bins)
		return INFINITY;
	/* The lowest bin, which has the zeros too, stays in any case. */
	while (bin > 1 && gone + r->bins[bin - 1] <= may_go)
		gone += r->bins[--bin];
	return bin * (r->limit / BINS);
}

struct calibration {
	struct nn_qplan *plan;
	bool histogram;
	uint32_t input;
	int ret;
	struct smartssd_error *err;
};

static int look(void *ctx, uint32_t tensor, const void *value)
{
	struct calibration *c = ctx;
	const struct nn_tensor *t = &c->plan->graph->tensors[tensor];
	uint64_t at;

	if (!c->plan->bytes[tensor] || t->type != NN_F4)
		return 0;
	/* A cut-off input would lose what the bytes of an image can say; a cut-off result, which class is the largest. */
	c->ret = nn_range_add(&c->plan->range[tensor], value, (uint64_t)nn_count(&t->dims), c->histogram && !t->is_input && !t->is_output, &at);
	if (c->ret == -ERANGE)
		nn_fail(c->err, c->ret, "calibration input %u: element %llu of tensor '%.120s' is %s; check how the images are normalised, and the model's weights",
			c->input, (unsigned long long)at, t->name, isnan(((const float *)value)[at]) ? "nan" : "infinite");
	else if (c->ret)
		nn_fail(c->err, c->ret, "no memory for the histogram of '%.120s'", t->name);
	return c->ret;
}

static int watch(void *ctx, uint32_t tensor, const void *value)
{
	const struct calibration *c = ctx;

	/* Inputs were looked at before, whether nn_eval() reports them or not. */
	return c->plan->graph->tensors[tensor].is_input ? 0 : look(ctx, tensor, value);
}

static int evaluate(struct calibration *c, float *input, struct smartssd_error *err)
{
	const struct nn_graph *g = c->plan->graph;
	struct nn_values v;
	int ret;

	c->ret = look(c, g->inputs[0], input);
	if (c->ret)
		return c->ret;
	ret = nn_values_init(&v, g, false);
	if (ret)
		return nn_fail(err, ret, "no memory for the values of %u tensors", g->nr_tensors);
	v.value[g->inputs[0]] = input;
	ret = nn_eval(&v, watch, c, c->ret ? NULL : err);
	nn_values_free(&v);
	return c->ret ? c->ret : ret;
}

int nn_calibrate(struct nn_qplan *plan, const struct nn_quantize *how, uint32_t *inputs, struct smartssd_error *err)
{
	const struct nn_tensor *t = &plan->graph->tensors[plan->graph->inputs[0]];
	double percentile = how->percentile ? how->percentile : 99.99;
	struct smartssd_error own = { "" };
	struct calibration c = { .plan = plan, .histogram = percentile < 100, .err = &own };
	const struct nn_range *range;
	float *input = nn_alloc((uint64_t)nn_count(&t->dims) * sizeof(*input));
	int ret = 0;

	if (!input)
		return nn_fail(err, -ENOMEM, "no memory for an input of %lld elements", (long long)nn_count(&t->dims));
	for (*inputs = 0; !ret; c.input = ++*inputs) {
		if (how->progress.step && how->progress.step(how->progress.ctx, *inputs, how->expected)) {
			ret = nn_fail(err, -ECANCELED, "stopped after %u calibration inputs", *inputs);
			break;
		}
		ret = how->next(how->ctx, input, err);
		if (ret)
			break;
		ret = evaluate(&c, input, err);
		if (c.ret)
			nn_fail(err, ret, "%s", own.text);
		if (ret)
			break;
	}
	free(input);
	if (ret < 0)
		return ret;
	if (!*inputs)
		return nn_fail(err, -EINVAL, "there is no calibration input; quantisation needs some that are like those to come (100 are plenty)");
	range = &plan->range[plan->graph->inputs[0]];
	if (plan->bytes[plan->graph->inputs[0]] && range->lo == 0 && range->hi == 0)
		return nn_fail(err, -EINVAL, "each element of each of the %u calibration inputs is 0: nothing says how large '%.120s' can become; give real ones",
			       *inputs, t->name);
	return 0;
}
