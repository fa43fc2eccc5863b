// SPDX-License-Identifier: BSD-2-Clause
/*
 * The engine: events that may start become a job of libsmartssd, and its end ends them. One job has one event, and those behind it in an in-order
 * queue as long as nobody has a handle of the event before: nobody can see then that they end together.
 */
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include "cl_impl.h"

#define FUSE_MAX 256 /* device commands after which no more events are added to a job */
#define FEW	 8
#define MAX_AGAIN 10

cl_int engine_init(struct _cl_device_id *d)
{
	if (pthread_rwlock_init(&d->program_lock, NULL) || pthread_mutex_init(&d->lock, NULL) || pthread_mutex_init(&d->now_lock, NULL) ||
	    pthread_mutex_init(&d->reset_lock, NULL) || pthread_cond_init(&d->work, NULL) || pthread_cond_init(&d->recorded, NULL))
		return CL_OUT_OF_HOST_MEMORY;
	d->starved_last = &d->starved;
	return CL_SUCCESS;
}

static struct smartssd_list *get_list(struct _cl_device_id *d)
{
	struct smartssd_list *list = NULL;

	pthread_mutex_lock(&d->lock);
	if (d->nr_spare)
		list = d->spare[--d->nr_spare];
	pthread_mutex_unlock(&d->lock);
	if (!list && smartssd_list_create(&list))
		return NULL;
	return list;
}

static void put_list(struct _cl_device_id *d, struct smartssd_list *list)
{
	bool kept = false;

	smartssd_list_clear(list);
	pthread_mutex_lock(&d->lock);
	if (d->nr_spare < MAX_SPARE_LISTS) {
		d->spare[d->nr_spare++] = list;
		kept = true;
	}
	pthread_mutex_unlock(&d->lock);
	if (!kept)
		smartssd_list_destroy(list);
}

/* ---- the end of a job ---- */

/* How the commands of @event ended: 0 or the errno that says most. @results NULL: all with @lost. */
static int outcome(struct _cl_event *event, const struct smartssd_result *results, int lost)
{
	int status = 0;

	if (!results)
		return lost;
	for (uint32_t i = event->job_from; i < event->job_from + event->job_nr; i++) {
		const struct smartssd_result *r = &results[i];

		if (r->status && (!status || status == -ECANCELED))
			status = r->status;
		if (r->start_ns && (!event->start_ns || r->start_ns < event->start_ns))
			event->start_ns = r->start_ns;
		if (r->end_ns > event->end_ns)
			event->end_ns = r->end_ns;
	}
	return status;
}

/* graph_lock held */
static void end_events(struct job *job, const struct smartssd_result *results, int lost, struct ready *ready)
{
	struct _cl_event *first = job->first, *event, *next;

	for (event = first; event; event = next) {
		int status = outcome(event, results, lost);

		next = event->job_next;
		event->in_job = NULL;
		event->job_next = NULL;
		if (event->unmet) {
			/* What it follows has not ended, but goes once more: when that ends, or takes this one along, it is this one's turn. */
		} else if (event->failed) {
			event_end(event, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, ready);
		} else if (event->job_error) {
			event_end(event, event->job_error, ready);
		} else if ((status == -ECANCELED && event != first) || event->again) {
			/* What it only followed has failed: it runs by itself. Or reset_units() says so. */
			event->nr_again += event->again;
			event->again = false;
			event->start_ns = event->end_ns = 0;
			ready_start(ready, event);
		} else if (status) {
			event_end(event, status_of_errno(status), ready);
		} else if (event->more) {
			event->command->step(event);
			ready_start(ready, event);
		} else {
			event_end(event, CL_COMPLETE, ready);
		}
	}
}

/* device->lock held */
static struct _cl_event *pop_starved(struct _cl_device_id *d)
{
	struct _cl_event *starved = d->starved;

	if (starved) {
		d->starved = starved->link;
		if (!d->starved)
			d->starved_last = &d->starved;
	}
	return starved;
}

/*
 * A compute unit that crashed or hangs takes no run any more, and an OpenCL program has no way to reset it. Runs that were refused because of that have
 * not started: they get another chance, as another run may be next to crash before their turn, up to MAX_AGAIN times.
 */
static void reset_unsound(struct _cl_device_id *d, uint64_t mask)
{
	struct smartssd_cu_info info;

	/* Who looks resets before anybody else looks: else a second reset would hit the run that the first one made room for. */
	pthread_mutex_lock(&d->reset_lock);
	for (; mask; mask &= mask - 1) {
		uint32_t cu = (uint32_t)__builtin_ctzll(mask);

		if (!smartssd_cu_info(d->dev, cu, &info) && (info.state == SMARTSSD_CU_HUNG || info.state == SMARTSSD_CU_CRASHED))
			smartssd_cu_reset(d->dev, cu);
	}
	pthread_mutex_unlock(&d->reset_lock);
}

static void reset_units(struct _cl_device_id *d, const struct job *job, const struct smartssd_result *results)
{
	for (struct _cl_event *event = job->first; event; event = event->job_next) {
		bool failed = false, started = false;

		if (event->type != CL_COMMAND_TASK && event->type != CL_COMMAND_NDRANGE_KERNEL)
			continue;
		for (uint32_t i = event->job_from; i < event->job_from + event->job_nr; i++) {
			failed |= results[i].status == -EIO || results[i].status == -ETIMEDOUT;
			started |= results[i].start_ns != 0;
		}
		if (!failed)
			continue;
		reset_unsound(d, event->run.run->mask);
		event->again = !started && event->nr_again < MAX_AGAIN;
	}
}

/* Job @id was taken; @results by command, NULL: @lost is what became of all. */
static void finish(struct _cl_device_id *d, uint64_t id, int status, const struct smartssd_result *results, int lost)
{
	struct _cl_event *starved = NULL;
	struct ready ready;
	struct job **p, *job;
	bool events; /* @job lies in the first one, and is not to be looked at when that has ended */

	ready_init(&ready);
	pthread_mutex_lock(&d->lock);
	for (;;) {
		for (p = &d->jobs; (job = *p) && atomic_load(&job->id) != id; p = &job->next)
			;
		if (job || !d->nr_submitting)
			break;
		pthread_cond_wait(&d->recorded, &d->lock); /* it ended before whoever submitted it could say so */
	}
	if (job) {
		*p = job->next;
		d->nr_wanted -= job->wanted;
		if (job->first) {
			d->nr_jobs--;
			d->nr_finishing++;
			starved = pop_starved(d);
		}
	}
	pthread_mutex_unlock(&d->lock);
	if (!job)
		return;
	events = job->first;
	if (results && status)
		reset_units(d, job, results);

	pthread_mutex_lock(&graph_lock);
	if (job->first) {
		end_events(job, results, lost, &ready);
	} else {
		job->status = results || !lost ? status : lost;
		job->over = true;
	}
	graph_changed();
	pthread_mutex_unlock(&graph_lock);
	if (starved)
		ready_start(&ready, starved);
	ready_go(&ready);
	if (events) {
		pthread_mutex_lock(&d->lock);
		d->nr_finishing--;
		pthread_mutex_unlock(&d->lock);
	}
}

/* Wait for job @id (0: any) of up to @nr commands, and see to its end. 0, -ETIME; -ENOENT: there is none, or somebody else took it. */
static int take(struct _cl_device_id *d, uint64_t id, uint64_t deadline, struct smartssd_result *results, uint32_t nr)
{
	struct smartssd_wait wait;
	int ret;

	do {
		wait = (struct smartssd_wait){
			.size = sizeof(wait), .job = id, .deadline_ns = deadline, .results = (uintptr_t)results, .nr_results = nr,
		};
		ret = smartssd_ioctl(d->dev, SMARTSSD_IOC_WAIT, &wait);
	} while (ret == -EINTR);
	if (!ret) {
		finish(d, wait.job, wait.status, results, 0);
	} else if (ret != -ETIME && ret != -ENOENT && id) {
		finish(d, id, ret, NULL, ret); /* the card has gone, and the job with it */
		ret = 0;
	}
	return ret;
}

static int take_one(struct _cl_device_id *d, uint64_t id, uint32_t nr, uint64_t deadline)
{
	struct smartssd_result few[FEW], *results = few;
	int ret;

	if (nr > FEW)
		results = malloc(nr * sizeof(*results));
	if (!results)
		return -ENOMEM;
	ret = take(d, id, deadline, results, nr);
	if (results != few)
		free(results);
	return ret;
}

static bool is_finishing(struct _cl_device_id *d)
{
	bool is;

	pthread_mutex_lock(&d->lock);
	is = d->nr_finishing;
	pthread_mutex_unlock(&d->lock);
	return is;
}

bool engine_collect(struct _cl_device_id *d)
{
	bool more = is_finishing(d) || atomic_load(&d->nr_doomed);
	struct smartssd_result *results = malloc(SMARTSSD_MAX_CMDS * sizeof(*results));

	while (results && !take(d, 0, 0, results, SMARTSSD_MAX_CMDS))
		;
	free(results);
	return more;
}

/* ---- the completion thread ---- */

static void *completion_main(void *arg)
{
	struct _cl_device_id *d = arg;
	struct smartssd_result *results = malloc(SMARTSSD_MAX_CMDS * sizeof(*results));
	uint64_t id;
	int ret;

	if (!results)
		return NULL;
	for (;;) {
		pthread_mutex_lock(&d->lock);
		while (!d->nr_wanted)
			pthread_cond_wait(&d->work, &d->lock);
		pthread_mutex_unlock(&d->lock);
		ret = take(d, 0, SMARTSSD_DEADLINE_NEVER, results, SMARTSSD_MAX_CMDS);
		if (!ret)
			continue;
		/* None there: whoever took what was wanted is about to say so. A card that has gone takes all with it. */
		pthread_mutex_lock(&d->lock);
		id = ret != -ENOENT && d->jobs ? atomic_load(&d->jobs->id) : 0;
		pthread_mutex_unlock(&d->lock);
		if (id)
			finish(d, id, ret, NULL, ret);
		else
			sched_yield();
	}
	return NULL;
}

/* device->lock held */
static void want(struct _cl_device_id *d, struct job *job)
{
	sigset_t all, old;
	pthread_t thread;

	if (!job->wanted) {
		job->wanted = true;
		if (!atomic_load(&job->id))
			return; /* counted when it is recorded */
		d->nr_wanted++;
	}
	if (!d->thread_started) {
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		d->thread_started = !pthread_create(&thread, NULL, completion_main, d);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		if (d->thread_started)
			pthread_detach(thread);
	}
	pthread_cond_signal(&d->work);
}

void engine_want(struct _cl_event *event)
{
	struct _cl_device_id *d;

	if (!event->in_job)
		return;
	d = event->queue->device;
	pthread_mutex_lock(&d->lock);
	want(d, event->in_job);
	pthread_mutex_unlock(&d->lock);
}

void engine_reap(struct _cl_device_id *d)
{
	pthread_mutex_lock(&d->lock);
	for (struct job *job = d->jobs; job; job = job->next)
		want(d, job);
	pthread_mutex_unlock(&d->lock);
}

bool engine_take(struct _cl_event *event, bool look)
{
	struct job *job = event->in_job;
	uint64_t id = job ? atomic_load(&job->id) : 0;
	uint32_t nr;
	int ret;

	if (!id) {
		/* Whoever submits it will see that somebody waits. */
		if (!look)
			event->waited = true;
		if (job && !look)
			engine_want(event);
		return false;
	}
	nr = job->nr;
	pthread_mutex_unlock(&graph_lock);
	ret = take_one(event->queue->device, id, nr, look ? 0 : SMARTSSD_DEADLINE_NEVER);
	pthread_mutex_lock(&graph_lock);
	if (!ret || look || !event->in_job || atomic_load(&event->in_job->id) != id)
		return true;
	/* Somebody else has it, and will say when he is done; or there is no memory here, then the completion thread has some. */
	if (ret == -ENOMEM)
		engine_want(event);
	graph_wait();
	return true;
}

/* ---- the start of a job ---- */

cl_int build_put(struct build *b, int cmd)
{
	int ret = cmd < 0 ? cmd : 0;

	for (uint32_t i = b->fence_from; !ret && i < b->fence_to; i++) {
		if (b->fence_to - b->fence_from > SMARTSSD_MAX_DEPS) {
			ret = smartssd_list_barrier(b->list, cmd);
			break;
		}
		ret = smartssd_list_depend(b->list, cmd, (int)i);
	}
	return ret ? CL_OUT_OF_HOST_MEMORY : CL_SUCCESS;
}

/* The job has its id, and belongs to whoever takes it. */
static void record(struct _cl_device_id *d, struct job *job, uint64_t id)
{
	bool wanted;

	pthread_mutex_lock(&d->lock);
	wanted = job->wanted || d->starved;
	job->wanted = false;
	atomic_store(&job->id, id);
	job->next = d->jobs;
	d->jobs = job;
	d->nr_submitting--;
	if (wanted)
		want(d, job);
	pthread_cond_broadcast(&d->recorded);
	pthread_mutex_unlock(&d->lock);
}

/* Room for one more job? Else @event is parked until there is. */
static bool reserve(struct _cl_device_id *d, struct _cl_event *event)
{
	bool room;

	pthread_mutex_lock(&d->lock);
	room = d->nr_jobs + 1 < d->max_jobs; /* the last one is for engine_run_now() */
	if (room) {
		d->nr_jobs++;
		d->nr_submitting++;
	} else {
		event->link = NULL;
		*d->starved_last = event;
		d->starved_last = &event->link;
		for (struct job *job = d->jobs; job; job = job->next)
			want(d, job);
	}
	pthread_mutex_unlock(&d->lock);
	return room;
}

static void unreserve(struct _cl_device_id *d, struct ready *ready)
{
	struct _cl_event *starved;

	pthread_mutex_lock(&d->lock);
	d->nr_jobs--;
	d->nr_submitting--;
	starved = pop_starved(d);
	pthread_cond_broadcast(&d->recorded);
	pthread_mutex_unlock(&d->lock);
	if (starved)
		ready_start(ready, starved);
}

static cl_int build_one(struct _cl_event *event, struct build *b)
{
	event->more = false;
	event->job_from = smartssd_list_count(b->list);
	event->job_error = event->command->build(event, b);
	event->job_nr = smartssd_list_count(b->list) - event->job_from;
	return event->job_error;
}

/* The command behind @last, when it can go into the same job. */
static struct _cl_event *follower(struct _cl_event *last, struct job *job)
{
	struct _cl_event *next;

	if (!last->hidden || last->more || last->job_error || (last->queue->properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE))
		return NULL;
	pthread_mutex_lock(&graph_lock);
	next = last->next;
	/* One thing that it waits for: that is the one before it. */
	if (next && next->unmet == 1 && !next->failed && next->command && !next->in_job) {
		next->in_job = job;
		last->job_next = next;
		next->job_next = NULL;
		event_step(next, CL_SUBMITTED);
		if (next->waited)
			engine_want(next);
	} else {
		next = NULL;
	}
	pthread_mutex_unlock(&graph_lock);
	return next;
}

/* Back to where they were, but for the first. graph_lock held. */
static void unfuse(struct _cl_event *first)
{
	struct _cl_event *event, *next;

	for (event = first->job_next; event; event = next) {
		next = event->job_next;
		event->job_next = NULL;
		event->in_job = NULL;
	}
	first->job_next = NULL;
}

/* CL_SUCCESS: *@id has the job, 0 when there is nothing to do. *@alone: what came behind the first was refused. */
static cl_int submit(struct _cl_event *first, struct smartssd_list *list, bool fuse, uint64_t *id, bool *alone)
{
	struct _cl_device_id *d = first->queue->device;
	struct build b = { list, 0, 0 };
	struct _cl_event *last = first, *next;
	uint32_t bad = UINT32_MAX;
	int ret;

	*id = 0;
	*alone = false;
	smartssd_list_clear(list);
	if (build_one(first, &b))
		return first->job_error;
	if (!smartssd_list_count(list))
		return CL_SUCCESS;
	while (fuse && smartssd_list_count(list) < FUSE_MAX && (next = follower(last, &first->job))) {
		b.fence_from = last->job_nr ? last->job_from : b.fence_from;
		b.fence_to = smartssd_list_count(list);
		build_one(next, &b);
		last = next;
	}
	first->job.nr = smartssd_list_count(list);
	if (last != first) {
		pthread_mutex_lock(&graph_lock);
		if (last->out || last->callbacks)
			engine_want(last);
		pthread_mutex_unlock(&graph_lock);
	}
	ret = smartssd_submit(d->dev, list, id, &bad);
	if (!ret)
		return CL_SUCCESS;
	*alone = first != last;
	return status_of_errno(ret);
}

void engine_start(struct _cl_event *event, struct ready *ready)
{
	struct _cl_device_id *d = event->queue->device;
	struct smartssd_list *list;
	bool alone;
	uint64_t id = 0;
	cl_int ret;

	if (!reserve(d, event))
		return;
	list = get_list(d);
	pthread_mutex_lock(&graph_lock);
	event->job = (struct job){ .first = event };
	event->in_job = &event->job;
	event->job_next = NULL;
	event->job.wanted = event->out || event->callbacks || event->waited;
	event_step(event, CL_SUBMITTED);
	pthread_mutex_unlock(&graph_lock);

	pthread_rwlock_rdlock(&d->program_lock);
	ret = list ? submit(event, list, true, &id, &alone) : CL_OUT_OF_HOST_MEMORY;
	if (ret && list && alone) {
		pthread_mutex_lock(&graph_lock);
		unfuse(event);
		pthread_mutex_unlock(&graph_lock);
		ret = submit(event, list, false, &id, &alone);
	}
	pthread_rwlock_unlock(&d->program_lock);
	if (list)
		put_list(d, list);
	if (id) {
		record(d, &event->job, id);
		return;
	}
	unreserve(d, ready);
	pthread_mutex_lock(&graph_lock);
	unfuse(event);
	event->in_job = NULL;
	event_end(event, ret, ready);
	pthread_mutex_unlock(&graph_lock);
}

int engine_run_now(struct _cl_device_id *d, struct smartssd_list *list)
{
	struct job job = { .nr = smartssd_list_count(list) };
	uint64_t id;
	int ret;

	pthread_mutex_lock(&d->now_lock);
	pthread_mutex_lock(&d->lock);
	d->nr_submitting++;
	pthread_mutex_unlock(&d->lock);
	ret = smartssd_submit(d->dev, list, &id, NULL);
	if (ret) {
		pthread_mutex_lock(&d->lock);
		d->nr_submitting--;
		pthread_cond_broadcast(&d->recorded);
		pthread_mutex_unlock(&d->lock);
	} else {
		record(d, &job, id);
		take_one(d, id, job.nr, SMARTSSD_DEADLINE_NEVER);
		pthread_mutex_lock(&graph_lock);
		while (!job.over)
			graph_wait();
		pthread_mutex_unlock(&graph_lock);
		ret = job.status;
	}
	pthread_mutex_unlock(&d->now_lock);
	return ret;
}
