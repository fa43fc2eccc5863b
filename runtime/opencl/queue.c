// SPDX-License-Identifier: BSD-2-Clause
/* Command queues, and how a command gets into one: what it has to wait for. */
#include "cl_impl.h"

#define KNOWN_PROPERTIES (CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE | CL_QUEUE_PROFILING_ENABLE)

void queue_destroy(void *object)
{
	struct _cl_command_queue *queue = object;

	free(queue->given);
	if (queue->context)
		object_put(queue->context);
}

static cl_command_queue create(cl_context handle, cl_device_id device, cl_command_queue_properties properties, const cl_queue_properties *given,
			       cl_int *errcode)
{
	struct _cl_context *context = object_hold(KIND_CONTEXT, handle);
	struct _cl_device_id *d = object_hold(KIND_DEVICE, device);
	struct _cl_command_queue *queue = NULL;
	cl_int ret = CL_SUCCESS;
	size_t n = 0;

	if (!context)
		ret = CL_INVALID_CONTEXT;
	else if (!d || context_device(context, d) < 0)
		ret = CL_INVALID_DEVICE;
	else if (properties & ~(cl_command_queue_properties)(KNOWN_PROPERTIES | CL_QUEUE_ON_DEVICE | CL_QUEUE_ON_DEVICE_DEFAULT))
		ret = CL_INVALID_VALUE;
	else if (properties & ~(cl_command_queue_properties)KNOWN_PROPERTIES)
		ret = CL_INVALID_QUEUE_PROPERTIES;
	if (!ret) {
		queue = object_new(KIND_QUEUE);
		if (!queue)
			ret = CL_OUT_OF_HOST_MEMORY;
	}
	if (!ret) {
		queue->context = context;
		object_get(context);
		queue->device = d;
		queue->device_index = (uint32_t)context_device(context, d);
		queue->properties = properties;
		if (given) {
			while (given[n])
				n += 2;
			queue->nr_given = n + 1;
			queue->given = malloc((n + 1) * sizeof(*given));
			if (queue->given)
				memcpy(queue->given, given, (n + 1) * sizeof(*given));
			else
				ret = CL_OUT_OF_HOST_MEMORY;
		}
		if (ret)
			object_put(queue);
		else
			object_publish(queue);
	}
	if (d)
		object_put(d);
	if (context)
		object_put(context);
	return create_result(errcode, ret, queue);
}

cl_command_queue CL_API_CALL ocl_CreateCommandQueue(cl_context context, cl_device_id device, cl_command_queue_properties properties,
						    cl_int *errcode)
{
	return create(context, device, properties, NULL, errcode);
}

cl_command_queue CL_API_CALL ocl_CreateCommandQueueWithProperties(cl_context context, cl_device_id device, const cl_queue_properties *given,
								  cl_int *errcode)
{
	cl_command_queue_properties properties = 0;

	for (size_t i = 0; given && given[i]; i += 2) {
		if (given[i] != CL_QUEUE_PROPERTIES)
			return create_result(errcode, given[i] == CL_QUEUE_SIZE ? CL_INVALID_QUEUE_PROPERTIES : CL_INVALID_VALUE, NULL);
		properties = given[i + 1];
	}
	return create(context, device, properties, given, errcode);
}

cl_int CL_API_CALL ocl_RetainCommandQueue(cl_command_queue handle)
{
	return object_retain(KIND_QUEUE, handle, CL_INVALID_COMMAND_QUEUE);
}

cl_int CL_API_CALL ocl_ReleaseCommandQueue(cl_command_queue handle)
{
	struct _cl_command_queue *queue = object_hold(KIND_QUEUE, handle);
	cl_int ret;

	if (!queue)
		return CL_INVALID_COMMAND_QUEUE;
	ret = object_release(KIND_QUEUE, handle, CL_INVALID_COMMAND_QUEUE);
	/* Nobody may wait for what is in it: its end is seen to all the same. */
	if (!object_users(queue))
		engine_reap(queue->device);
	object_put(queue);
	return ret;
}

cl_int CL_API_CALL ocl_GetCommandQueueInfo(cl_command_queue handle, cl_command_queue_info param, size_t room, void *out, size_t *used)
{
	struct _cl_command_queue *queue = object_hold(KIND_QUEUE, handle);
	const struct info info = { room, out, used };
	cl_int ret;

	if (!queue)
		return CL_INVALID_COMMAND_QUEUE;
	switch (param) {
	case CL_QUEUE_CONTEXT:
		ret = info_value(&info, cl_context, queue->context);
		break;
	case CL_QUEUE_DEVICE:
		ret = info_value(&info, cl_device_id, queue->device);
		break;
	case CL_QUEUE_REFERENCE_COUNT:
		ret = info_value(&info, cl_uint, object_users(queue));
		break;
	case CL_QUEUE_PROPERTIES:
		ret = info_value(&info, cl_command_queue_properties, queue->properties);
		break;
	case CL_QUEUE_PROPERTIES_ARRAY:
		ret = info_bytes(&info, queue->given, queue->nr_given * sizeof(*queue->given));
		break;
	default:
		ret = CL_INVALID_VALUE;
	}
	object_put(queue);
	return ret;
}

/* Of OpenCL 1.0; an implementation may refuse it. */
cl_int CL_API_CALL ocl_SetCommandQueueProperty(cl_command_queue handle, cl_command_queue_properties properties, cl_bool enable,
					       cl_command_queue_properties *old)
{
	struct _cl_command_queue *queue = object_hold(KIND_QUEUE, handle);

	(void)properties, (void)enable;
	if (!queue)
		return CL_INVALID_COMMAND_QUEUE;
	if (old)
		*old = queue->properties;
	object_put(queue);
	return CL_INVALID_OPERATION;
}

/* What may start has been submitted by the call that enqueued it. */
cl_int CL_API_CALL ocl_Flush(cl_command_queue handle)
{
	struct _cl_command_queue *queue = object_hold(KIND_QUEUE, handle);

	if (!queue)
		return CL_INVALID_COMMAND_QUEUE;
	object_put(queue);
	return CL_SUCCESS;
}

void queue_drain(struct _cl_command_queue *queue)
{
	struct _cl_event *event;
	uint64_t until;

	pthread_mutex_lock(&graph_lock);
	until = queue->seq;
	while ((event = queue->first) && event->seq <= until) {
		object_get(event);
		if (!engine_take(event, false))
			graph_wait();
		pthread_mutex_unlock(&graph_lock);
		object_put(event);
		pthread_mutex_lock(&graph_lock);
	}
	pthread_mutex_unlock(&graph_lock);
}

cl_int CL_API_CALL ocl_Finish(cl_command_queue handle)
{
	struct _cl_command_queue *queue = object_hold(KIND_QUEUE, handle);

	if (!queue)
		return CL_INVALID_COMMAND_QUEUE;
	queue_drain(queue);
	object_put(queue);
	return CL_SUCCESS;
}

/* ---- into the queue ---- */

static void end(struct enqueue *e)
{
	while (e->nr_waits)
		object_put(e->waits[--e->nr_waits]);
	if (e->waits != e->few)
		free(e->waits);
	if (e->queue)
		object_put(e->queue);
}

cl_int enqueue_begin(struct enqueue *e, cl_command_queue handle, cl_uint nr, const cl_event *list, cl_command_type type,
		     const struct command *command)
{
	cl_int ret = CL_SUCCESS;

	e->waits = e->few;
	e->nr_waits = 0;
	e->queue = object_hold(KIND_QUEUE, handle);
	if (!e->queue)
		return CL_INVALID_COMMAND_QUEUE;
	if (!nr != !list)
		ret = CL_INVALID_EVENT_WAIT_LIST;
	if (!ret && nr > ARRAY_SIZE(e->few)) {
		e->waits = malloc(nr * sizeof(*e->waits));
		if (!e->waits) {
			e->waits = e->few;
			ret = CL_OUT_OF_HOST_MEMORY;
		}
	}
	for (cl_uint i = 0; !ret && i < nr; i++) {
		struct _cl_event *event = object_hold(KIND_EVENT, list[i]);

		if (!event) {
			ret = CL_INVALID_EVENT_WAIT_LIST;
		} else {
			e->waits[e->nr_waits++] = event;
			if (event->context != e->queue->context)
				ret = CL_INVALID_CONTEXT;
		}
	}
	if (!ret) {
		e->event = event_new(e->queue->context, e->queue, type);
		if (e->event)
			e->event->command = command;
		else
			ret = CL_OUT_OF_HOST_MEMORY;
	}
	if (ret)
		end(e);
	return ret;
}

cl_int enqueue_abort(struct enqueue *e, cl_int error)
{
	if (e->event->command && e->event->command->release)
		e->event->command->release(e->event);
	object_put(e->event);
	end(e);
	return error;
}

static bool is_barrier(const struct _cl_event *event)
{
	return event->type == CL_COMMAND_BARRIER;
}

/* How many edges may end at @event? graph_lock held. */
static size_t count_edges(const struct enqueue *e, bool all)
{
	size_t n = e->nr_waits + 1;

	for (struct _cl_event *before = all ? e->queue->first : NULL; before; before = before->next)
		n++;
	return n;
}

/* graph_lock held */
static void add_edges(struct enqueue *e, bool all)
{
	struct _cl_command_queue *queue = e->queue;
	struct _cl_event *event = e->event, *before;
	struct edge *edge = event->edges;

	for (uint32_t i = 0; i < e->nr_waits; i++) {
		cl_int status = atomic_load(&e->waits[i]->status);

		if (status > 0)
			event_add_edge(e->waits[i], event, edge++, false);
		else if (status < 0)
			event->failed = true;
	}
	if (all) {
		for (before = queue->first; before; before = before->next)
			event_add_edge(before, event, edge++, true);
	} else if (!(queue->properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE)) {
		if (queue->last)
			event_add_edge(queue->last, event, edge++, true);
	} else if (queue->barrier) {
		event_add_edge(queue->barrier, event, edge++, true);
	}
}

cl_int enqueue_commit(struct enqueue *e, bool blocking, cl_event *out)
{
	struct _cl_command_queue *queue = e->queue;
	bool ordered = !(queue->properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
	struct _cl_event *event = e->event;
	/* A marker or barrier without a list is for everything before it. */
	bool all = !event->command && !e->nr_waits && !ordered, failed_wait = false;
	struct ready ready;
	cl_int status = 0;

	/* Who waits anyway may as well wait for what comes before: then nobody has to be woken to start this. */
	if (blocking && ordered)
		queue_drain(queue);
	ready_init(&ready);
	pthread_mutex_lock(&graph_lock);
	if (e->nr_waits || all || queue->last) {
		event->edges = malloc(count_edges(e, all) * sizeof(*event->edges));
		if (!event->edges) {
			pthread_mutex_unlock(&graph_lock);
			return enqueue_abort(e, CL_OUT_OF_HOST_MEMORY);
		}
		add_edges(e, all);
	}
	object_get(event); /* until it has ended */
	event->hidden = !out;
	event->seq = ++queue->seq;
	event->prev = queue->last;
	if (queue->last)
		queue->last->next = event;
	else
		queue->first = event;
	queue->last = event;
	if (is_barrier(event) && !ordered)
		queue->barrier = event;
	if (!event->unmet)
		ready_start(&ready, event);
	pthread_mutex_unlock(&graph_lock);
	if (out) {
		object_publish(event);
		*out = event;
	}
	ready_go(&ready);

	if (blocking) {
		status = event_wait(event);
		for (uint32_t i = 0; i < e->nr_waits; i++)
			failed_wait |= atomic_load(&e->waits[i]->status) < 0;
		if (failed_wait)
			status = CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
	}
	if (!out)
		object_put(event);
	end(e);
	return status < 0 ? status : CL_SUCCESS;
}

/* ---- markers and barriers: events without a command ---- */

static cl_int marker(cl_command_queue queue, cl_command_type type, cl_uint nr, const cl_event *list, cl_event *out)
{
	struct enqueue e;
	cl_int ret = enqueue_begin(&e, queue, nr, list, type, NULL);

	return ret ? ret : enqueue_commit(&e, false, out);
}

cl_int CL_API_CALL ocl_EnqueueMarkerWithWaitList(cl_command_queue queue, cl_uint nr, const cl_event *list, cl_event *out)
{
	return marker(queue, CL_COMMAND_MARKER, nr, list, out);
}

cl_int CL_API_CALL ocl_EnqueueBarrierWithWaitList(cl_command_queue queue, cl_uint nr, const cl_event *list, cl_event *out)
{
	return marker(queue, CL_COMMAND_BARRIER, nr, list, out);
}

cl_int CL_API_CALL ocl_EnqueueMarker(cl_command_queue queue, cl_event *out)
{
	return out ? marker(queue, CL_COMMAND_MARKER, 0, NULL, out) : CL_INVALID_VALUE;
}

cl_int CL_API_CALL ocl_EnqueueBarrier(cl_command_queue queue)
{
	return marker(queue, CL_COMMAND_BARRIER, 0, NULL, NULL);
}

/* What comes later waits for these: a barrier that waits for them. */
cl_int CL_API_CALL ocl_EnqueueWaitForEvents(cl_command_queue queue, cl_uint nr, const cl_event *list)
{
	cl_int ret;

	if (!nr || !list)
		return CL_INVALID_VALUE;
	ret = marker(queue, CL_COMMAND_BARRIER, nr, list, NULL);
	return ret == CL_INVALID_EVENT_WAIT_LIST ? CL_INVALID_EVENT : ret;
}
