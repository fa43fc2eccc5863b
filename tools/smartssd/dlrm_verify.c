// SPDX-License-Identifier: BSD-2-Clause
/*
 * Each query once more: rows by plain reads of the store, with their checksums; bags in double; dlrm_reference().
 *
 * A bag of n rows x may be off by (n + volumes + 8) * 2^-24 * sum of their magnitudes: |x|, or, as it is scale and bias that the card computes with, |x| + 2 max |x| of an int8 or int4 row
 * (engine.h has this bound: partial sums are those of the cards, the host, and slices). What that makes of the probability is in dlrm_reference()'s bound.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dlrm_verb.h"

#define CACHE_BYTES (256ull << 20)

struct dlrm_verify {
	const struct dlrm_run *run;
	uint64_t slots; /* of the cache of rows: each row has one place */
	uint64_t *key;
	float *rows;	/* [slots][dim] */
	double *magnitude; /* [slots] 2 max |x| of the row where that counts, else 0 */
	double *bags, *slack; /* [tables][dim]: of one query */
	float *dense;
	struct dlrm_verified result;
};

struct dlrm_verify *dlrm_verify_begin(const struct dlrm_run *r)
{
	struct dlrm_verify *v = calloc(1, sizeof(*v));
	uint32_t tables = r->model->tables, dim = r->model->dim;
	uint64_t rows = 0;

	if (!v)
		return NULL;
	v->run = r;
	for (uint32_t t = 0; t < tables; t++)
		rows += r->model->rows[t];
	v->slots = CACHE_BYTES / (dim * sizeof(float) + sizeof(*v->key) + sizeof(*v->magnitude));
	v->slots = rows < v->slots ? rows : v->slots;
	v->key = calloc(v->slots, sizeof(*v->key));
	v->rows = malloc(v->slots * dim * sizeof(*v->rows));
	v->magnitude = malloc(v->slots * sizeof(*v->magnitude));
	v->bags = malloc(tables * dim * sizeof(*v->bags));
	v->slack = malloc(tables * dim * sizeof(*v->slack));
	v->dense = malloc(r->model->dense * sizeof(*v->dense));
	if (v->key && v->rows && v->magnitude && v->bags && v->slack && v->dense)
		return v;
	dlrm_verify_end(v);
	return NULL;
}

void dlrm_verify_end(struct dlrm_verify *v)
{
	if (!v)
		return;
	free(v->key);
	free(v->rows);
	free(v->magnitude);
	free(v->bags);
	free(v->slack);
	free(v->dense);
	free(v);
}

const struct dlrm_verified *dlrm_verify_result(const struct dlrm_verify *v)
{
	return &v->result;
}

static double most(const float *x, uint32_t dim)
{
	double most = 0;

	for (uint32_t d = 0; d < dim; d++)
		most = fmax(most, fabs((double)x[d]));
	return most;
}

/* The slot that has the row, or -errno. */
static int64_t fetch(struct dlrm_verify *v, uint32_t table, uint64_t row, struct smartssd_error *err)
{
	struct table *t = v->run->tables[table];
	uint32_t dim = v->run->model->dim;
	uint64_t key = ((uint64_t)table << 40 | row) + 1, slot = (table * 0x9e3779b97f4a7c15ull + row) % v->slots;
	int ret;

	if (v->key[slot] == key)
		return (int64_t)slot;
	v->key[slot] = 0;
	ret = table_read_row(t, row, v->rows + slot * dim, err);
	if (ret)
		return ret;
	v->magnitude[slot] = table_info(t)->format >= SMARTSSD_ROWS_INT8 ? 2 * most(v->rows + slot * dim, dim) : 0;
	v->key[slot] = key;
	return (int64_t)slot;
}

static int sum_bag(struct dlrm_verify *v, uint64_t query, uint32_t table, double *y, double *slack, struct smartssd_error *err)
{
	const struct trace *t = v->run->trace;
	uint32_t dim = v->run->model->dim;
	uint64_t bag = query * v->run->model->tables + table, nr = (uint64_t)(t->offsets[bag + 1] - t->offsets[bag]);
	double unit = ((double)nr + (double)v->run->volumes + 8) * 0x1p-24;

	memset(y, 0, dim * sizeof(*y));
	memset(slack, 0, dim * sizeof(*slack));
	for (int64_t i = t->offsets[bag]; i < t->offsets[bag + 1]; i++) {
		int64_t slot = fetch(v, table, (uint64_t)t->indices[i], err);
		const float *x;

		if (slot < 0)
			return (int)slot;
		x = v->rows + slot * dim;
		for (uint32_t d = 0; d < dim; d++) {
			y[d] += (double)x[d];
			slack[d] += fabs((double)x[d]) + v->magnitude[slot];
		}
	}
	for (uint32_t d = 0; d < dim; d++)
		slack[d] *= unit;
	return 0;
}

static void note(struct dlrm_verified *r, double error, double bound, double *most_error, double *most_bound)
{
	*most_error = fmax(*most_error, error);
	*most_bound = fmax(*most_bound, bound);
	if (bound > 0)
		r->closest = fmax(r->closest, error / bound);
}

/* What the card pooled, its batch being @nr queries. */
static int check_bags(struct dlrm_verify *v, uint64_t query, const float *y, uint64_t nr)
{
	uint32_t dim = v->run->model->dim;

	for (uint32_t t = 0; t < v->run->model->tables; t++)
		for (uint32_t d = 0; d < dim; d++) {
			double is = (double)y[t * nr * dim + d], want = v->bags[t * dim + d], bound = v->slack[t * dim + d], error = fabs(is - want);

			if (!(error <= bound)) {
				complain(DLRM_VERB, "--verify: query %" PRIu64 ", table '%s': element %u of its bag is %.9g, but its rows' sum is %.9g, and %.3g is how far it may be away: nothing is written",
					 query, table_info(v->run->tables[t])->name, d, is, want, bound);
				return 1;
			}
			note(&v->result, error, bound, &v->result.bag_error, &v->result.bag_bound);
		}
	return 0;
}

static int check_probability(struct dlrm_verify *v, uint64_t query)
{
	const struct dlrm_run *r = v->run;
	double want, bound, error;

	if (dlrm_reference(r->dlrm, dlrm_dense(r, query, 1, v->dense), v->bags, v->slack, 1, &want, &bound)) {
		complain(DLRM_VERB, "--verify: out of memory");
		return 1;
	}
	error = fabs((double)r->p[query] - want);
	if (!(error <= bound)) {
		complain(DLRM_VERB, "--verify: query %" PRIu64 ": its probability is %.9g, but the reference says %.9g, and %.3g is how far it may be away: nothing is written", query,
			 (double)r->p[query], want, bound);
		return 1;
	}
	note(&v->result, error, bound, &v->result.error, &v->result.bound);
	return 0;
}

int dlrm_verify_part(struct dlrm_verify *v, uint64_t first, uint64_t nr)
{
	const struct dlrm_run *r = v->run;
	uint32_t tables = r->model->tables, dim = r->model->dim;

	for (uint64_t q = first; q < first + nr; q++) {
		/* A part begins with a batch; the last batch of it may be smaller. */
		uint64_t batch = first + (q - first) / r->batch * r->batch, queries = first + nr - batch < r->batch ? first + nr - batch : r->batch;
		const float *y = r->pooled + (batch - first) * tables * dim + (q - batch) * dim;
		struct smartssd_error err = { "" };
		int code = 0;

		if (r->failed[q])
			continue;
		for (uint32_t t = 0; t < tables && !code; t++) {
			code = sum_bag(v, q, t, v->bags + t * dim, v->slack + t * dim, &err);
			if (code)
				complain(DLRM_VERB, "--verify: query %" PRIu64 ": %s", q, *err.text ? err.text : strerror(-code));
		}
		if (code || check_bags(v, q, y, queries) || check_probability(v, q))
			return 1;
		v->result.queries++;
		if (r->progress->step(r->progress->ctx, q + 1, r->queries))
			return -ECANCELED;
	}
	return 0;
}
