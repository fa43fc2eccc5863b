// SPDX-License-Identifier: BSD-2-Clause
/*
 * Workers take what waits and run it as one batch; one of them at a time collects. Callers sleep on their own request; the queue is a list through their stacks, so nothing is
 * allocated for a request.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../private.h"
#include "service.h"

#define WORKERS 2 /* batches that the engine has under way */

struct request {
	struct request *next;
	struct engine_bags *bags;
	uint32_t nr;
	uint64_t count; /* bags in all of them */
	uint64_t came;	/* ns */
	int ret;
	struct smartssd_error err;
	bool done;
	pthread_cond_t ready;
};

struct service {
	struct engine *engine;
	struct service_options o;
	pthread_t worker[WORKERS];
	uint32_t workers;
	pthread_mutex_t lock; /* all below */
	pthread_cond_t work;  /* something came; for the one that collects */
	pthread_cond_t turn;  /* nobody collects */
	pthread_cond_t room;  /* in the queue; also, at the end, that a caller has left */
	bool collecting;
	struct request *first, **last;
	uint64_t waiting; /* bags */
	uint32_t inside; /* callers */
	bool ending;
	struct service_counts counts;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void sleep_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t ns)
{
	struct timespec ts = { .tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u) };

	pthread_cond_timedwait(cond, lock, &ts);
}

/* Wait until a batch is full or its time is up. */
static void wait_for_batch(struct service *s)
{
	while (!s->first && !s->ending)
		pthread_cond_wait(&s->work, &s->lock);
	/* The oldest waits for company, but not longer than it was said. */
	while (s->first && s->waiting < s->o.batch_bags && !s->ending) {
		uint64_t until = s->first->came + s->o.delay_us * 1000ull;

		if (now_ns() >= until)
			break;
		sleep_until(&s->work, &s->lock, until);
	}
}

static struct request *take_batch(struct service *s)
{
	struct request *batch = s->first, **at;
	uint64_t bags = 0;

	if (!batch)
		return NULL;
	if (s->waiting >= s->o.batch_bags)
		s->counts.full++;
	else
		s->counts.late++;
	s->counts.batches++;
	for (at = &s->first; *at && (*at == batch || bags + (*at)->count <= s->o.batch_bags); at = &(*at)->next)
		bags += (*at)->count;
	if (*at) {
		s->first = *at;
		*at = NULL;
	} else {
		s->first = NULL;
		s->last = &s->first;
	}
	s->waiting -= bags;
	pthread_cond_broadcast(&s->room);
	return batch;
}

/* NULL: the end. With the lock held. */
static struct request *collect(struct service *s)
{
	struct request *batch;

	while (s->collecting)
		pthread_cond_wait(&s->turn, &s->lock);
	s->collecting = true;
	wait_for_batch(s);
	batch = take_batch(s);
	s->collecting = false;
	pthread_cond_signal(&s->turn);
	return batch;
}

static void run_batch(struct service *s, struct request *batch)
{
	struct engine_bags *all = NULL;
	struct smartssd_error err = { "" };
	uint32_t nr = 0, at = 0;
	int ret = 0;

	for (struct request *r = batch; r; r = r->next)
		nr += r->nr;
	all = calloc(nr + 1, sizeof(*all));
	if (!all)
		ret = smartssd_fail(&err, -ENOMEM, "lookup: out of host memory");
	for (struct request *r = batch; r && all; at += r->nr, r = r->next)
		memcpy(all + at, r->bags, r->nr * sizeof(*all));
	if (!ret)
		ret = engine_run(s->engine, all, nr, &err);
	at = 0;
	for (struct request *r = batch; r; r = r->next) {
		if (all)
			memcpy(r->bags, all + at, r->nr * sizeof(*all));
		at += r->nr;
		r->ret = ret;
		r->err = err;
	}
	free(all);
}

static void *work(void *arg)
{
	struct service *s = arg;
	struct request *batch, *next;

	pthread_mutex_lock(&s->lock);
	while ((batch = collect(s))) {
		pthread_mutex_unlock(&s->lock);
		run_batch(s, batch);
		pthread_mutex_lock(&s->lock);
		for (; batch; batch = next) {
			next = batch->next; /* gone as soon as its caller sees that it is done */
			batch->done = true;
			pthread_cond_signal(&batch->ready);
		}
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

int service_create(struct engine *e, const struct service_options *options, struct service **out, struct smartssd_error *err)
{
	struct service *s;
	pthread_condattr_t clock;
	int ret = 0;

	*out = NULL;
	if (!options->batch_bags || !options->queue_bags)
		return smartssd_fail(err, -EINVAL, "a service needs a batch and a queue of at least one bag");
	s = calloc(1, sizeof(*s));
	if (!s)
		return smartssd_fail(err, -ENOMEM, "lookup: out of host memory");
	s->engine = e;
	s->o = *options;
	s->last = &s->first;
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->work, &clock);
	pthread_cond_init(&s->turn, NULL);
	pthread_cond_init(&s->room, NULL);
	pthread_condattr_destroy(&clock);
	for (; s->workers < WORKERS && !ret; s->workers += !ret)
		ret = -pthread_create(&s->worker[s->workers], NULL, work, s);
	if (ret) {
		service_destroy(s);
		return smartssd_fail(err, ret, "lookup: no thread for the service: %s", strerror(-ret));
	}
	*out = s;
	return 0;
}

void service_destroy(struct service *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->ending = true;
	pthread_cond_broadcast(&s->work);
	pthread_cond_broadcast(&s->room);
	/* Whoever is inside needs the lock once more. */
	while (s->inside)
		pthread_cond_wait(&s->room, &s->lock);
	pthread_mutex_unlock(&s->lock);
	for (uint32_t i = 0; i < s->workers; i++)
		pthread_join(s->worker[i], NULL);
	pthread_cond_destroy(&s->work);
	pthread_cond_destroy(&s->turn);
	pthread_cond_destroy(&s->room);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static bool fits(const struct service *s, uint64_t bags)
{
	return !s->waiting || s->waiting + bags <= s->o.queue_bags;
}

/* With the lock held. */
static void enqueue(struct service *s, struct request *r)
{
	r->came = now_ns();
	*s->last = r;
	s->last = &r->next;
	s->waiting += r->count;
	s->counts.requests++;
	s->counts.most_waiting = max_u64(s->counts.most_waiting, s->waiting);
	pthread_cond_signal(&s->work);
}

static int lookup(struct service *s, struct engine_bags *bags, uint32_t nr, bool block, struct smartssd_error *err)
{
	struct request r = { .bags = bags, .nr = nr, .ready = PTHREAD_COND_INITIALIZER };
	int ret = 0;

	for (uint32_t i = 0; i < nr; i++)
		r.count += bags[i].bags;
	pthread_mutex_lock(&s->lock);
	s->inside++;
	while (block && !s->ending && !fits(s, r.count))
		pthread_cond_wait(&s->room, &s->lock);
	if (s->ending) {
		ret = smartssd_fail(err, -ESHUTDOWN, "the lookup service ends");
	} else if (!fits(s, r.count)) {
		s->counts.refused++;
		ret = smartssd_fail(err, -EAGAIN, "the lookup service's queue is full: %" PRIu64 " bags wait", s->waiting);
	} else {
		enqueue(s, &r);
		while (!r.done)
			pthread_cond_wait(&r.ready, &s->lock);
		ret = r.ret;
		if (ret && err)
			*err = r.err;
	}
	if (!--s->inside && s->ending)
		pthread_cond_broadcast(&s->room);
	pthread_mutex_unlock(&s->lock);
	pthread_cond_destroy(&r.ready);
	return ret;
}

int service_lookup(struct service *s, struct engine_bags *bags, uint32_t nr, struct smartssd_error *err)
{
	return lookup(s, bags, nr, true, err);
}

int service_try(struct service *s, struct engine_bags *bags, uint32_t nr, struct smartssd_error *err)
{
	return lookup(s, bags, nr, false, err);
}

void service_counts(struct service *s, struct service_counts *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->counts;
	pthread_mutex_unlock(&s->lock);
}
