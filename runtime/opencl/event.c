// SPDX-License-Identifier: BSD-2-Clause
/* Events: the graph of commands, threads that wait for them, callbacks, and what can be asked about them. */
#include <signal.h>
#include "cl_impl.h"

pthread_mutex_t graph_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t graph_cond = PTHREAD_COND_INITIALIZER;
static unsigned int graph_waiters;

void graph_wait(void)
{
	graph_waiters++;
	pthread_cond_wait(&graph_cond, &graph_lock);
	graph_waiters--;
}

void graph_changed(void)
{
	if (graph_waiters)
		pthread_cond_broadcast(&graph_cond);
}

/* What a command's errno is to an OpenCL program. */
cl_int status_of_errno(int error)
{
	switch (error) {
	case 0:
		return CL_COMPLETE;
	case -ENOMEM:
		return CL_MEM_OBJECT_ALLOCATION_FAILURE;
	case -ENODEV:
		return CL_DEVICE_NOT_AVAILABLE;
	case -EFAULT:
		return CL_INVALID_HOST_PTR;
	case -EINVAL:
	case -EOVERFLOW:
		return CL_INVALID_VALUE;
	default: /* EIO: the kernel crashed; ETIMEDOUT: it hangs; ECANCELED: dropped */
		return CL_OUT_OF_RESOURCES;
	}
}

/* ---- callbacks: on a thread of their own, in order ---- */

static pthread_mutex_t callback_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t callback_cond = PTHREAD_COND_INITIALIZER;
static struct callback *callback_first, **callback_last = &callback_first;
static bool callback_thread;

static void *callback_main(void *arg)
{
	struct callback *c;

	for (;;) {
		pthread_mutex_lock(&callback_lock);
		while (!callback_first)
			pthread_cond_wait(&callback_cond, &callback_lock);
		c = callback_first;
		callback_first = c->next;
		if (!callback_first)
			callback_last = &callback_first;
		pthread_mutex_unlock(&callback_lock);
		object_lend(c->event);
		c->function(c->event, c->status, c->user);
		object_release(KIND_EVENT, c->event, CL_SUCCESS);
		object_put(c->event);
		free(c);
	}
	return arg;
}

static bool callback_start(void)
{
	sigset_t all, old;
	pthread_t thread;
	bool started;

	pthread_mutex_lock(&callback_lock);
	if (!callback_thread) {
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		callback_thread = !pthread_create(&thread, NULL, callback_main, NULL);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		if (callback_thread)
			pthread_detach(thread);
	}
	started = callback_thread;
	pthread_mutex_unlock(&callback_lock);
	return started;
}

static void callback_queue(struct callback *c, cl_int status)
{
	c->status = status;
	c->next = NULL;
	pthread_mutex_lock(&callback_lock);
	*callback_last = c;
	callback_last = &c->next;
	pthread_cond_signal(&callback_cond);
	pthread_mutex_unlock(&callback_lock);
}

/* Those registered for @at go to the thread, with @status. graph_lock held. */
static void callbacks_fire(struct _cl_event *event, cl_int at, cl_int status)
{
	struct callback **p, *c;

	for (p = &event->callbacks; (c = *p);) {
		if (c->at != at) {
			p = &c->next;
			continue;
		}
		*p = c->next;
		callback_queue(c, status);
	}
}

/* ---- the graph ---- */

struct _cl_event *event_new(struct _cl_context *context, struct _cl_command_queue *queue, cl_command_type type)
{
	struct _cl_event *event = object_new(KIND_EVENT);

	if (!event)
		return NULL;
	event->context = context;
	object_get(context);
	event->queue = queue;
	if (queue)
		object_get(queue);
	event->type = type;
	atomic_store(&event->status, queue ? CL_QUEUED : CL_SUBMITTED);
	event->queued_ns = now_ns();
	return event;
}

void event_destroy(void *object)
{
	struct _cl_event *event = object;
	struct ready ready;

	/* A user event that nobody can set any more: what waits for it must not wait for ever. */
	if (event->type == CL_COMMAND_USER && atomic_load(&event->status) > 0) {
		ready_init(&ready);
		pthread_mutex_lock(&graph_lock);
		event_end(event, CL_INVALID_EVENT, &ready);
		pthread_mutex_unlock(&graph_lock);
		ready_go(&ready);
	}
	free(event->edges);
	if (event->queue)
		object_put(event->queue);
	object_put(event->context);
}

void event_add_edge(struct _cl_event *from, struct _cl_event *to, struct edge *edge, bool order)
{
	*edge = (struct edge){ to, from->out, order };
	from->out = edge;
	to->unmet++;
	engine_want(from);
}

void event_step(struct _cl_event *event, cl_int status)
{
	atomic_store(&event->status, status);
	if (status == CL_SUBMITTED && !event->submit_ns)
		event->submit_ns = now_ns();
	if (event->callbacks)
		callbacks_fire(event, status, status);
}

/* QUEUED <= SUBMIT <= START <= END, whatever the command came to. */
static void settle_times(struct _cl_event *event)
{
	if (!event->submit_ns)
		event->submit_ns = now_ns();
	if (event->submit_ns < event->queued_ns)
		event->submit_ns = event->queued_ns;
	if (event->start_ns < event->submit_ns)
		event->start_ns = event->submit_ns;
	if (!event->end_ns)
		event->end_ns = now_ns();
	if (event->end_ns < event->start_ns)
		event->end_ns = event->start_ns;
}

static void leave_queue(struct _cl_event *event)
{
	struct _cl_command_queue *queue = event->queue;

	if (event->prev)
		event->prev->next = event->next;
	else
		queue->first = event->next;
	if (event->next)
		event->next->prev = event->prev;
	else
		queue->last = event->prev;
	if (queue->barrier == event)
		queue->barrier = NULL;
}

void event_end(struct _cl_event *event, cl_int status, struct ready *ready)
{
	struct edge *edge;

	settle_times(event);
	atomic_store(&event->status, status);
	if (event->callbacks) {
		callbacks_fire(event, CL_SUBMITTED, status < 0 ? status : CL_SUBMITTED);
		callbacks_fire(event, CL_RUNNING, status < 0 ? status : CL_RUNNING);
		callbacks_fire(event, CL_COMPLETE, status);
	}
	for (edge = event->out; edge; edge = edge->next) {
		struct _cl_event *to = edge->to;

		if (status < 0 && !edge->order)
			to->failed = true;
		if (!--to->unmet && !to->in_job)
			ready_start(ready, to);
	}
	event->out = NULL;
	if (event->queue) {
		leave_queue(event);
		event->link = NULL;
		*ready->dead_last = event;
		ready->dead_last = &event->link;
	}
	graph_changed();
}

void ready_init(struct ready *ready)
{
	ready->start = ready->dead = NULL;
	ready->start_last = &ready->start;
	ready->dead_last = &ready->dead;
}

void ready_start(struct ready *ready, struct _cl_event *event)
{
	event->link = NULL;
	*ready->start_last = event;
	ready->start_last = &event->link;
}

static const char *type_name(cl_command_type type)
{
	switch (type) {
	case CL_COMMAND_TASK:
	case CL_COMMAND_NDRANGE_KERNEL:
		return "a kernel";
	case CL_COMMAND_READ_BUFFER:
	case CL_COMMAND_READ_BUFFER_RECT:
		return "reading a buffer";
	case CL_COMMAND_WRITE_BUFFER:
	case CL_COMMAND_WRITE_BUFFER_RECT:
		return "writing a buffer";
	case CL_COMMAND_MAP_BUFFER:
		return "mapping a buffer";
	case CL_COMMAND_UNMAP_MEM_OBJECT:
		return "unmapping a buffer";
	default:
		return "a command on buffers";
	}
}

static const char *status_text(cl_int status)
{
	switch (status) {
	case CL_MEM_OBJECT_ALLOCATION_FAILURE:
		return "card memory is full: release buffers, or use smaller ones";
	case CL_DEVICE_NOT_AVAILABLE:
		return "the card does not answer any more";
	case CL_INVALID_HOST_PTR:
		return "the host memory that was given is not there";
	case CL_OUT_OF_RESOURCES:
		return "the compute unit crashed, or did not end in time (SMARTSSD_RUN_TIMEOUT_MS)";
	case CL_INVALID_PROGRAM_EXECUTABLE:
		return "another xclbin was loaded since the kernel was made: load its program again";
	case CL_INVALID_VALUE:
		return "the card refused its arguments (a buffer of another card, or a bound that the buffer does not reach)";
	default:
		return "see the status";
	}
}

void ready_go(struct ready *ready)
{
	struct _cl_event *event;
	cl_int status;

	while (ready->start || ready->dead) {
		event = ready->start;
		if (event) {
			ready->start = event->link;
			if (!ready->start)
				ready->start_last = &ready->start;
			if (event->command && !event->failed) {
				engine_start(event, ready);
				continue;
			}
			pthread_mutex_lock(&graph_lock);
			event_step(event, CL_SUBMITTED);
			event_end(event, event->failed ? CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST : CL_COMPLETE, ready);
			pthread_mutex_unlock(&graph_lock);
			continue;
		}
		event = ready->dead;
		ready->dead = event->link;
		if (!ready->dead)
			ready->dead_last = &ready->dead;
		status = atomic_load(&event->status);
		if (status < 0 && status != CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)
			context_notify(event->context, "%s failed (status %d): %s", type_name(event->type), status, status_text(status));
		if (event->command && event->command->release)
			event->command->release(event);
		object_put(event);
	}
}

cl_int event_wait(struct _cl_event *event)
{
	cl_int status;

	pthread_mutex_lock(&graph_lock);
	while ((status = atomic_load(&event->status)) > 0)
		if (!engine_take(event, false))
			graph_wait();
	pthread_mutex_unlock(&graph_lock);
	return status;
}

/* ---- entries ---- */

cl_int CL_API_CALL ocl_WaitForEvents(cl_uint nr, const cl_event *list)
{
	struct _cl_event *few[16], **events = few;
	cl_int ret = CL_SUCCESS;
	cl_uint held = 0;

	if (!nr || !list)
		return CL_INVALID_VALUE;
	if (nr > ARRAY_SIZE(few))
		events = malloc(nr * sizeof(*events));
	if (!events)
		return CL_OUT_OF_HOST_MEMORY;
	for (; held < nr; held++) {
		events[held] = object_hold(KIND_EVENT, list[held]);
		if (!events[held]) {
			ret = CL_INVALID_EVENT;
			break;
		}
		if (events[held]->context != events[0]->context) {
			ret = CL_INVALID_CONTEXT;
			held++;
			break;
		}
	}
	for (cl_uint i = 0; i < nr && (i < held && (!ret || ret == CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)); i++)
		if (event_wait(events[i]) < 0)
			ret = CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
	while (held)
		object_put(events[--held]);
	if (events != few)
		free(events);
	return ret;
}

cl_int CL_API_CALL ocl_GetEventInfo(cl_event handle, cl_event_info param, size_t room, void *out, size_t *used)
{
	struct _cl_event *event = object_hold(KIND_EVENT, handle);
	const struct info info = { room, out, used };
	cl_int ret;

	if (!event)
		return CL_INVALID_EVENT;
	switch (param) {
	case CL_EVENT_COMMAND_QUEUE:
		ret = info_value(&info, cl_command_queue, event->queue);
		break;
	case CL_EVENT_CONTEXT:
		ret = info_value(&info, cl_context, event->context);
		break;
	case CL_EVENT_COMMAND_TYPE:
		ret = info_value(&info, cl_command_type, event->type);
		break;
	case CL_EVENT_COMMAND_EXECUTION_STATUS:
		pthread_mutex_lock(&graph_lock);
		if (atomic_load(&event->status) > 0)
			engine_take(event, true);
		pthread_mutex_unlock(&graph_lock);
		ret = info_value(&info, cl_int, atomic_load(&event->status));
		break;
	case CL_EVENT_REFERENCE_COUNT:
		ret = info_value(&info, cl_uint, object_users(event));
		break;
	default:
		ret = CL_INVALID_VALUE;
	}
	object_put(event);
	return ret;
}

cl_int CL_API_CALL ocl_GetEventProfilingInfo(cl_event handle, cl_profiling_info param, size_t room, void *out, size_t *used)
{
	struct _cl_event *event = object_hold(KIND_EVENT, handle);
	const struct info info = { room, out, used };
	uint64_t ns = 0;
	cl_int ret = CL_SUCCESS;

	if (!event)
		return CL_INVALID_EVENT;
	pthread_mutex_lock(&graph_lock);
	if (event->queue && atomic_load(&event->status) > 0)
		engine_take(event, true);
	if (!event->queue || !(event->queue->properties & CL_QUEUE_PROFILING_ENABLE) || atomic_load(&event->status) != CL_COMPLETE)
		ret = CL_PROFILING_INFO_NOT_AVAILABLE;
	switch (param) {
	case CL_PROFILING_COMMAND_QUEUED:
		ns = event->queued_ns;
		break;
	case CL_PROFILING_COMMAND_SUBMIT:
		ns = event->submit_ns;
		break;
	case CL_PROFILING_COMMAND_START:
		ns = event->start_ns;
		break;
	case CL_PROFILING_COMMAND_END:
	case CL_PROFILING_COMMAND_COMPLETE:
		ns = event->end_ns;
		break;
	default:
		ret = CL_INVALID_VALUE;
	}
	pthread_mutex_unlock(&graph_lock);
	if (!ret)
		ret = info_value(&info, cl_ulong, ns);
	object_put(event);
	return ret;
}

cl_int CL_API_CALL ocl_SetEventCallback(cl_event handle, cl_int at, void (CL_CALLBACK *function)(cl_event, cl_int, void *), void *user)
{
	struct _cl_event *event = object_hold(KIND_EVENT, handle);
	struct callback *c;
	cl_int status;

	if (!event)
		return CL_INVALID_EVENT;
	if (!function || (at != CL_SUBMITTED && at != CL_RUNNING && at != CL_COMPLETE)) {
		object_put(event);
		return CL_INVALID_VALUE;
	}
	c = calloc(1, sizeof(*c));
	if (!c || !callback_start()) {
		free(c);
		object_put(event);
		return CL_OUT_OF_HOST_MEMORY;
	}
	*c = (struct callback){ .event = event, .at = at, .function = function, .user = user }; /* the reference goes with it */
	pthread_mutex_lock(&graph_lock);
	status = atomic_load(&event->status);
	if (status <= at) {
		callback_queue(c, status < 0 ? status : at);
	} else {
		c->next = event->callbacks;
		event->callbacks = c;
		engine_want(event);
	}
	pthread_mutex_unlock(&graph_lock);
	return CL_SUCCESS;
}

cl_event CL_API_CALL ocl_CreateUserEvent(cl_context handle, cl_int *errcode)
{
	struct _cl_context *context = object_hold(KIND_CONTEXT, handle);
	struct _cl_event *event;

	if (!context)
		return create_result(errcode, CL_INVALID_CONTEXT, NULL);
	event = event_new(context, NULL, CL_COMMAND_USER);
	object_put(context);
	if (!event)
		return create_result(errcode, CL_OUT_OF_HOST_MEMORY, NULL);
	object_publish(event);
	return create_result(errcode, CL_SUCCESS, event);
}

cl_int CL_API_CALL ocl_SetUserEventStatus(cl_event handle, cl_int status)
{
	struct _cl_event *event = object_hold(KIND_EVENT, handle);
	cl_int ret = CL_SUCCESS;
	struct ready ready;

	if (!event)
		return CL_INVALID_EVENT;
	ready_init(&ready);
	pthread_mutex_lock(&graph_lock);
	if (event->type != CL_COMMAND_USER)
		ret = CL_INVALID_EVENT;
	else if (status > CL_COMPLETE)
		ret = CL_INVALID_VALUE;
	else if (event->user_set)
		ret = CL_INVALID_OPERATION;
	if (!ret) {
		event->user_set = true;
		event_end(event, status, &ready);
	}
	pthread_mutex_unlock(&graph_lock);
	ready_go(&ready);
	object_put(event);
	return ret;
}

cl_int CL_API_CALL ocl_RetainEvent(cl_event handle)
{
	return object_retain(KIND_EVENT, handle, CL_INVALID_EVENT);
}

cl_int CL_API_CALL ocl_ReleaseEvent(cl_event handle)
{
	return object_release(KIND_EVENT, handle, CL_INVALID_EVENT);
}
