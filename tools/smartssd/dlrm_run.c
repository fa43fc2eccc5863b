// SPDX-License-Identifier: BSD-2-Clause
/*
 * Queries in batches. Each client has some batches in flight, a thread for each of them: while the cards look up the bags of one, another one's MLPs run, but only one of a client's at a
 * time. Up to two threads go to the engine, which can do two batches at a time; more go through a service, which makes one of several.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../runtime/store/service.h"
#include "dlrm_verb.h"

#define ENGINE_THREADS 2
#define MOST_COMPLAINTS 10
#define QUEUE_BATCHES  4 /* that wait in the service */

struct client {
	pthread_mutex_t computes;
};

/* A batch in flight. */
struct worker {
	struct dlrm_run *run;
	struct client *client;
	struct service *service; /* NULL: engine_run() */
	pthread_t thread;
	struct engine_bags *requests; /* [tables] */
	int64_t *offsets;	      /* [tables][batch + 1] */
	int64_t *indices;	      /* of all bags, table by table */
	uint64_t room;		      /* of indices */
	float *pooled, *dense;
	float *y; /* where the batch's bags are: pooled, or a part of what the run keeps */
	struct latency latency;
	double mlp_seconds;
};

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

const float *dlrm_dense(const struct dlrm_run *r, uint64_t first, uint64_t nr, float *room)
{
	if (r->dense)
		return r->dense + first * r->model->dense;
	dlrm_seeded_dense(r->model, r->args->seed, first, nr, room);
	return room;
}

/* ---- requests ---- */

/* The trace has a query's bags together, a request a table's. */
static int make_requests(struct worker *w, uint64_t first, uint64_t nr, struct smartssd_error *err)
{
	const struct dlrm_run *r = w->run;
	const struct trace *t = r->trace;
	uint32_t tables = r->model->tables;
	uint64_t at = 0, want = (uint64_t)(t->offsets[(first + nr) * tables] - t->offsets[first * tables]);

	if (want > w->room) {
		int64_t *more = realloc(w->indices, want * sizeof(*more));

		if (!more) {
			snprintf(err->text, sizeof(err->text), "out of memory for the %" PRIu64 " indices of a batch", want);
			return -ENOMEM;
		}
		w->indices = more;
		w->room = want;
	}
	for (uint32_t i = 0; i < tables; i++) {
		int64_t *offsets = w->offsets + i * (r->batch + 1);

		for (uint64_t q = 0; q < nr; q++) {
			uint64_t bag = (first + q) * tables + i, rows = (uint64_t)(t->offsets[bag + 1] - t->offsets[bag]);

			offsets[q] = (int64_t)at;
			if (rows)
				memcpy(w->indices + at, t->indices + t->offsets[bag], rows * sizeof(*w->indices));
			at += rows;
		}
		offsets[nr] = (int64_t)at;
		w->requests[i] = (struct engine_bags){ .table = r->tables[i], .indices = w->indices, .offsets = offsets, .bags = nr, .first_bag = first, .y = w->y + i * nr * r->model->dim };
	}
	return 0;
}

static int look_up(struct worker *w, struct engine_bags *requests, uint32_t nr, struct smartssd_error *err)
{
	return w->service ? service_lookup(w->service, requests, nr, err) : engine_run(w->run->engine, requests, nr, err);
}

static void query_failed(struct dlrm_run *r, uint64_t query, const char *why)
{
	pthread_mutex_lock(&r->lock);
	r->failed[query] = 1;
	if (r->nr_failed++ < MOST_COMPLAINTS)
		complain(DLRM_VERB, "query %" PRIu64 " failed: %s", query, why);
	else if (r->nr_failed == MOST_COMPLAINTS + 1)
		complain(DLRM_VERB, "more queries failed");
	pthread_mutex_unlock(&r->lock);
}

/* Of a request that failed, each bag for itself: only those that cannot be had fail. */
static int look_up_alone(struct worker *w, uint64_t first, uint64_t nr, struct smartssd_error *err)
{
	uint32_t tables = w->run->model->tables, dim = w->run->model->dim;
	int ret = 0;

	for (uint64_t q = 0; q < nr && !ret; q++) {
		struct smartssd_error why = { "" };

		for (uint32_t i = 0; i < tables && !ret; i++) {
			struct engine_bags one = w->requests[i];

			if (!one.status || *why.text)
				continue;
			one.offsets += q;
			one.first_bag += q;
			one.bags = 1;
			one.y += q * dim;
			one.status = 0;
			if (nr > 1)
				ret = look_up(w, &one, 1, err);
			else
				one = w->requests[i];
			if (one.status)
				snprintf(why.text, sizeof(why.text), "%.*s", (int)sizeof(why.text) - 1, *one.err.text ? one.err.text : strerror(-one.status));
		}
		if (!ret && *why.text)
			query_failed(w->run, first + q, why.text);
	}
	return ret;
}

/* ---- a batch ---- */

static int compute(struct worker *w, uint64_t first, uint64_t nr, struct smartssd_error *err)
{
	struct dlrm_run *r = w->run;
	uint64_t start;
	int ret;

	pthread_mutex_lock(&w->client->computes);
	start = now_ns(CLOCK_THREAD_CPUTIME_ID);
	ret = dlrm_forward(r->dlrm, dlrm_dense(r, first, nr, w->dense), w->y, nr, r->p + first, err);
	w->mlp_seconds += 1e-9 * (double)(now_ns(CLOCK_THREAD_CPUTIME_ID) - start);
	pthread_mutex_unlock(&w->client->computes);
	for (uint64_t q = first; q < first + nr && !ret; q++) {
		if (r->failed[q])
			r->p[q] = NAN;
		else if (isnan(r->p[q]))
			query_failed(r, q, "its probability is not a number: an activation grew above what a float holds");
	}
	return ret;
}

static int run_batch(struct worker *w, uint64_t first, uint64_t nr, struct smartssd_error *err)
{
	struct dlrm_run *r = w->run;
	uint64_t start = now_ns(CLOCK_MONOTONIC), took;
	bool failed = false;
	int ret;

	w->y = r->pooled ? r->pooled + (first - r->first) * r->model->tables * r->model->dim : w->pooled;
	ret = make_requests(w, first, nr, err);
	if (!ret)
		ret = look_up(w, w->requests, r->model->tables, err);
	for (uint32_t i = 0; i < r->model->tables && !ret; i++)
		if (w->requests[i].status) {
			failed = true;
			memset(w->requests[i].y, 0, nr * r->model->dim * sizeof(float));
		}
	if (failed)
		ret = look_up_alone(w, first, nr, err);
	if (!ret)
		ret = compute(w, first, nr, err);
	took = now_ns(CLOCK_MONOTONIC) - start;
	for (uint64_t q = first; q < first + nr && !ret; q++)
		if (!r->failed[q])
			latency_add(&w->latency, took);
	return ret;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct dlrm_run *r = w->run;

	pthread_mutex_lock(&r->lock);
	while (!r->ret && r->next < r->end) {
		struct smartssd_error err = { "" };
		uint64_t first = r->next, nr = r->end - first < r->batch ? r->end - first : r->batch;
		int ret;

		r->next += nr;
		pthread_mutex_unlock(&r->lock);
		ret = run_batch(w, first, nr, &err);
		pthread_mutex_lock(&r->lock);
		if (ret && !r->ret) {
			r->ret = ret;
			r->err = err;
		}
		if (r->progress->step(r->progress->ctx, first + nr, r->queries) && !r->ret)
			r->ret = -ECANCELED;
	}
	latency_merge(&r->latency, &w->latency);
	r->mlp_seconds += w->mlp_seconds;
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* ---- all of them ---- */

static void free_worker(struct worker *w)
{
	free(w->requests);
	free(w->offsets);
	free(w->indices);
	free(w->pooled);
	free(w->dense);
}

static int make_worker(struct worker *w, struct dlrm_run *r, struct client *client, struct service *service)
{
	uint64_t batch = r->batch, tables = r->model->tables, bags;

	if (__builtin_mul_overflow(batch + 1, tables, &bags))
		return -ENOMEM;
	w->run = r;
	w->client = client;
	w->service = service;
	w->requests = calloc(tables, sizeof(*w->requests));
	w->offsets = calloc(bags, sizeof(*w->offsets));
	w->pooled = r->pooled ? NULL : calloc(bags, r->model->dim * sizeof(float));
	w->dense = r->dense ? NULL : calloc(batch, r->model->dense * sizeof(float));
	return w->requests && w->offsets && (w->pooled || r->pooled) && (w->dense || r->dense) ? 0 : -ENOMEM;
}

static int start_service(struct dlrm_run *r, uint32_t workers, struct service **out)
{
	uint64_t bags = r->batch * r->model->tables, batch = bags * ((workers + 1) / 2), most = UINT32_MAX / (QUEUE_BATCHES + 1);
	struct service_options o = { .delay_us = (uint32_t)r->args->delay_us };

	*out = NULL;
	if (workers <= ENGINE_THREADS && !o.delay_us)
		return 0;
	o.batch_bags = (uint32_t)(batch < most ? batch : most);
	o.queue_bags = o.batch_bags * QUEUE_BATCHES;
	return service_create(r->engine, &o, out, &r->err);
}

int dlrm_run_part(struct dlrm_run *r, uint64_t first, uint64_t nr)
{
	uint32_t clients = (uint32_t)r->args->threads, each = (uint32_t)r->args->in_flight, made = 0, started = 0;
	struct client *client = calloc(clients, sizeof(*client));
	struct worker *workers = calloc((size_t)clients * each, sizeof(*workers));
	struct service *service = NULL;
	double start;
	int ret;

	r->first = r->next = first;
	r->end = first + nr;
	r->ret = client && workers ? start_service(r, clients * each, &service) : -ENOMEM;
	for (uint32_t c = 0; client && c < clients; c++)
		pthread_mutex_init(&client[c].computes, NULL);
	for (; made < clients * each && !r->ret; made++)
		r->ret = make_worker(&workers[made], r, &client[made / each], service);
	ret = r->ret;
	start = seconds_now();
	/* Without memory for all threads, fewer do it. */
	for (; started < made && !ret; started += !ret)
		ret = -pthread_create(&workers[started].thread, NULL, work, &workers[started]);
	for (uint32_t i = 0; i < started; i++)
		pthread_join(workers[i].thread, NULL);
	r->seconds += seconds_now() - start;
	if (!started && !r->ret)
		r->ret = ret;
	service_destroy(service);
	for (uint32_t i = 0; i < made; i++)
		free_worker(&workers[i]);
	for (uint32_t c = 0; client && c < clients; c++)
		pthread_mutex_destroy(&client[c].computes);
	free(client);
	free(workers);
	return r->ret;
}
