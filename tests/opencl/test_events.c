// SPDX-License-Identifier: BSD-2-Clause
/* Events: order within and across queues, user events, failures, callbacks, times, markers and barriers. */
#include <pthread.h>
#include <time.h>
#include "opencl_test.h"

static struct host h;

static void setup(void)
{
	host_open(&h, NULL);
}

static void teardown(void)
{
	host_close(&h);
}

static cl_event user_event(void)
{
	cl_int ret;
	cl_event event = clCreateUserEvent(h.context, &ret);

	ok(ret);
	return event;
}

/* out = in + 1, @n times: each kernel works on what the one before it left. */
static void chain(cl_command_queue queue, int n, cl_mem mem, bool events)
{
	cl_kernel kernel = host_kernel(h.program, "adder");
	cl_event last = NULL, next;

	host_adder(kernel, mem, mem, 1, 16);
	for (int i = 0; i < n; i++) {
		ok(clEnqueueTask(queue, kernel, last ? 1 : 0, last ? &last : NULL, events ? &next : NULL));
		if (last)
			ok(clReleaseEvent(last));
		last = events ? next : NULL;
	}
	if (last)
		ok(clReleaseEvent(last));
	ok(clReleaseKernel(kernel)); /* while its runs are under way */
}

static void check_all(cl_mem mem, cl_int want)
{
	cl_int back[16];

	ok(clEnqueueReadBuffer(h.queue, mem, CL_TRUE, 0, sizeof(back), back, 0, NULL, NULL));
	for (int i = 0; i < 16; i++)
		ck_assert_int_eq(back[i], want);
}

START_TEST(order)
{
	cl_command_queue unordered = host_queue(&h, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
	cl_mem mem = host_buffer(&h, 0, 64);

	/* In order without events (jobs of many), with events (one by one), and by events alone. */
	chain(h.queue, 1000, mem, false);
	check_all(mem, 1000);
	chain(h.queue, 300, mem, true);
	check_all(mem, 1300);
	chain(unordered, 300, mem, true);
	ok(clFinish(unordered));
	check_all(mem, 1600);
	ok(clReleaseMemObject(mem));
	ok(clReleaseCommandQueue(unordered));
}
END_TEST

/* Commands that nobody has an event of, all waiting: they go as few jobs, and are done one after the other all the same. */
START_TEST(together)
{
	enum { N = 1 << 18 };
	static cl_int back[N];
	cl_kernel kernel = host_kernel(h.program, "adder");
	cl_mem a = host_buffer(&h, 0, N * 4), b = host_buffer(&h, 0, N * 4);
	cl_event gate = user_event();
	cl_int value;

	for (int round = 0; round < 6; round++) {
		value = round * 100;
		ok(clEnqueueFillBuffer(h.queue, a, &value, 4, 0, N * 4, round ? 0 : 1, round ? NULL : &gate, NULL));
		host_adder(kernel, a, b, 7, N);
		ok(clEnqueueTask(h.queue, kernel, 0, NULL, NULL));
		host_adder(kernel, b, a, 1, N);
		ok(clEnqueueTask(h.queue, kernel, 0, NULL, NULL));
		ok(clEnqueueCopyBuffer(h.queue, a, b, 0, 0, N * 4, 0, NULL, NULL));
		ok(clEnqueueReadBuffer(h.queue, b, CL_FALSE, 0, N * 4, back, 0, NULL, NULL));
	}
	ok(clSetUserEventStatus(gate, CL_COMPLETE));
	ok(clFinish(h.queue));
	for (int i = 0; i < N; i++)
		if (back[i] != 508)
			ck_abort_msg("word %d is %d", i, back[i]);
	ok(clReleaseEvent(gate));
	ok(clReleaseKernel(kernel));
	ok(clReleaseMemObject(a));
	ok(clReleaseMemObject(b));
}
END_TEST

/* More commands without order than a card has jobs: each is done once. */
START_TEST(many)
{
	enum { N = 500 };
	static cl_event events[N];
	cl_command_queue unordered = host_queue(&h, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
	cl_mem mem = host_buffer(&h, 0, N * 4);
	cl_int back[N];

	for (int i = 0; i < N; i++)
		ok(clEnqueueFillBuffer(unordered, mem, &i, 4, (size_t)i * 4, 4, 0, NULL, i % 2 ? &events[i] : NULL));
	for (int i = 1; i < N; i += 2) {
		ok(clWaitForEvents(1, &events[i]));
		ok(clReleaseEvent(events[i]));
	}
	ok(clFinish(unordered));
	ok(clEnqueueReadBuffer(h.queue, mem, CL_TRUE, 0, sizeof(back), back, 0, NULL, NULL));
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(back[i], i);
	ok(clReleaseMemObject(mem));
	ok(clReleaseCommandQueue(unordered));
}
END_TEST

START_TEST(user_events)
{
	cl_command_queue other = host_queue(&h, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
	cl_mem mem = host_buffer(&h, 0, 64);
	cl_event gate = user_event(), a, b, c;
	cl_int one = 1, two = 2, n;
	cl_command_queue queue;

	ck_assert_int_eq(event_status(gate), CL_SUBMITTED);
	ok(clGetEventInfo(gate, CL_EVENT_COMMAND_QUEUE, sizeof(queue), &queue, NULL));
	ck_assert_ptr_null(queue);
	ok(clEnqueueFillBuffer(other, mem, &one, 4, 0, 64, 1, &gate, &a));
	ok(clEnqueueFillBuffer(h.queue, mem, &two, 4, 0, 64, 1, &a, &b));
	ok(clEnqueueMarkerWithWaitList(other, 1, &b, &c));
	usleep(20000);
	ck_assert_int_eq(event_status(a), CL_QUEUED);
	ck_assert_int_eq(event_status(b), CL_QUEUED);
	fails(clSetUserEventStatus(gate, CL_RUNNING), CL_INVALID_VALUE);
	fails(clSetUserEventStatus(a, CL_COMPLETE), CL_INVALID_EVENT);
	ok(clSetUserEventStatus(gate, CL_COMPLETE));
	fails(clSetUserEventStatus(gate, CL_COMPLETE), CL_INVALID_OPERATION);
	ok(clWaitForEvents(1, &c));
	ck_assert_int_eq(event_status(a), CL_COMPLETE);
	ck_assert_int_eq(event_status(b), CL_COMPLETE);
	ok(clEnqueueReadBuffer(h.queue, mem, CL_TRUE, 0, 4, &n, 0, NULL, NULL));
	ck_assert_int_eq(n, 2);
	ok(clReleaseEvent(gate));
	ok(clReleaseEvent(a));
	ok(clReleaseEvent(b));
	ok(clReleaseEvent(c));
	ok(clReleaseMemObject(mem));
	ok(clReleaseCommandQueue(other));
}
END_TEST

/* A negative status goes to all that waits for it, however far away; what only came later in the queue runs. */
START_TEST(failure)
{
	cl_command_queue other = host_queue(&h, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
	cl_mem mem = host_buffer(&h, 0, 64);
	cl_event gate = user_event(), a, b, c, d;
	cl_int one = 1, n = 7;

	ok(clEnqueueFillBuffer(h.queue, mem, &one, 4, 0, 64, 1, &gate, &a));
	ok(clEnqueueFillBuffer(h.queue, mem, &one, 4, 0, 64, 0, NULL, &b));
	ok(clEnqueueFillBuffer(other, mem, &one, 4, 0, 64, 1, &a, &c));
	ok(clEnqueueBarrierWithWaitList(other, 1, &c, &d));
	ok(clSetUserEventStatus(gate, -7));
	fails(clWaitForEvents(1, &d), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
	ck_assert_int_eq(event_status(gate), -7);
	ck_assert_int_eq(event_status(a), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
	ck_assert_int_eq(event_status(c), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
	ck_assert_int_eq(event_status(d), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
	ok(clWaitForEvents(1, &b));
	/* An event that has failed already */
	fails(clEnqueueReadBuffer(h.queue, mem, CL_TRUE, 0, 4, &n, 1, &gate, NULL), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
	ck_assert_int_eq(n, 7);
	ck_assert_ptr_null(clEnqueueMapBuffer(h.queue, mem, CL_TRUE, CL_MAP_READ, 0, 4, 1, &gate, NULL, &n));
	fails(n, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
	ok(clReleaseEvent(gate));
	ok(clReleaseEvent(a));
	ok(clReleaseEvent(b));
	ok(clReleaseEvent(c));
	ok(clReleaseEvent(d));
	/* Released before it was set: nobody can, and what waits for it is told. */
	gate = user_event();
	ok(clEnqueueFillBuffer(h.queue, mem, &one, 4, 0, 64, 1, &gate, &a));
	ok(clReleaseEvent(gate));
	fails(clWaitForEvents(1, &a), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
	ok(clReleaseEvent(a));
	ok(clReleaseMemObject(mem));
	ok(clReleaseCommandQueue(other));
}
END_TEST

struct seen {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	cl_int status[8];
	int nr;
	cl_event event;
};

static void CL_CALLBACK on_event(cl_event event, cl_int status, void *user)
{
	struct seen *s = user;
	cl_command_type type;

	/* Entries may be called from here. */
	if (clGetEventInfo(event, CL_EVENT_COMMAND_TYPE, sizeof(type), &type, NULL))
		status = 1234;
	pthread_mutex_lock(&s->lock);
	s->status[s->nr++] = status;
	s->event = event;
	pthread_cond_signal(&s->cond);
	pthread_mutex_unlock(&s->lock);
}

static void wait_for(struct seen *s, int nr)
{
	pthread_mutex_lock(&s->lock);
	while (s->nr < nr)
		pthread_cond_wait(&s->cond, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

#define SEEN { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, { 0 }, 0, NULL }

START_TEST(callbacks)
{
	static struct seen steps = SEEN, late = SEEN, failed = SEEN, early = SEEN;
	cl_mem mem = host_buffer(&h, 0, 64);
	cl_event gate = user_event(), a;
	cl_int one = 1;

	ok(clEnqueueFillBuffer(h.queue, mem, &one, 4, 0, 64, 1, &gate, &a));
	ok(clSetEventCallback(a, CL_COMPLETE, on_event, &steps));
	ok(clSetEventCallback(a, CL_SUBMITTED, on_event, &steps));
	ok(clSetEventCallback(a, CL_RUNNING, on_event, &steps));
	fails(clSetEventCallback(a, CL_QUEUED, on_event, &steps), CL_INVALID_VALUE);
	fails(clSetEventCallback(a, CL_COMPLETE, NULL, &steps), CL_INVALID_VALUE);
	fails(clSetEventCallback((cl_event)mem, CL_COMPLETE, on_event, &steps), CL_INVALID_EVENT);
	usleep(10000);
	ck_assert_int_eq(steps.nr, 0);
	ok(clSetUserEventStatus(gate, CL_COMPLETE));
	wait_for(&steps, 3);
	ck_assert_int_eq(steps.status[0], CL_SUBMITTED);
	ck_assert_int_eq(steps.status[1], CL_RUNNING);
	ck_assert_int_eq(steps.status[2], CL_COMPLETE);
	ck_assert_ptr_eq(steps.event, a);
	/* On an event that is done */
	ok(clSetEventCallback(a, CL_COMPLETE, on_event, &late));
	wait_for(&late, 1);
	ck_assert_int_eq(late.status[0], CL_COMPLETE);
	ok(clReleaseEvent(a));
	ok(clReleaseEvent(gate));
	/* A failure; and an event that its program has released: nobody but the callback has it then. */
	gate = user_event();
	ok(clEnqueueFillBuffer(h.queue, mem, &one, 4, 0, 64, 1, &gate, &a));
	ok(clSetEventCallback(a, CL_COMPLETE, on_event, &failed));
	ok(clReleaseEvent(a));
	ok(clSetUserEventStatus(gate, -3));
	wait_for(&failed, 1);
	ck_assert_int_eq(failed.status[0], CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
	ok(clReleaseEvent(gate));
	/* Nobody waits for it: the callback comes all the same. */
	ok(clEnqueueFillBuffer(h.queue, mem, &one, 4, 0, 64, 0, NULL, &a));
	ok(clSetEventCallback(a, CL_COMPLETE, on_event, &early));
	wait_for(&early, 1);
	ok(clReleaseEvent(a));
	ok(clReleaseMemObject(mem));
}
END_TEST

START_TEST(profiling)
{
	const cl_profiling_info what[] = { CL_PROFILING_COMMAND_QUEUED, CL_PROFILING_COMMAND_SUBMIT, CL_PROFILING_COMMAND_START, CL_PROFILING_COMMAND_END };
	cl_command_queue plain = host_queue(&h, 0);
	cl_kernel kernel = host_kernel(h.program, "adder");
	cl_mem mem = host_buffer(&h, 0, 4 << 20);
	cl_event events[4], gate = user_event();
	cl_ulong t[4], last = 0;
	struct timespec before, after;

	host_adder(kernel, mem, mem, 1, 1 << 20);
	clock_gettime(CLOCK_MONOTONIC, &before);
	ok(clEnqueueFillBuffer(h.queue, mem, "abcd", 4, 0, 4 << 20, 1, &gate, &events[0]));
	fails(clGetEventProfilingInfo(events[0], CL_PROFILING_COMMAND_QUEUED, sizeof(t[0]), t, NULL), CL_PROFILING_INFO_NOT_AVAILABLE);
	ok(clEnqueueTask(h.queue, kernel, 0, NULL, &events[1]));
	ok(clEnqueueTask(h.queue, kernel, 0, NULL, &events[2]));
	ok(clEnqueueMarkerWithWaitList(h.queue, 0, NULL, &events[3]));
	usleep(5000);
	ok(clSetUserEventStatus(gate, CL_COMPLETE));
	ok(clFinish(h.queue));
	clock_gettime(CLOCK_MONOTONIC, &after);
	for (int i = 0; i < 4; i++) {
		for (int j = 0; j < 4; j++)
			ok(clGetEventProfilingInfo(events[i], what[j], sizeof(t[j]), &t[j], NULL));
		ck_assert_uint_ge(t[0], (cl_ulong)before.tv_sec * 1000000000 + (cl_ulong)before.tv_nsec);
		ck_assert_uint_le(t[0], t[1]);
		ck_assert_uint_le(t[1], t[2]);
		ck_assert_uint_le(t[2], t[3]);
		ck_assert_uint_le(t[3], (cl_ulong)after.tv_sec * 1000000000 + (cl_ulong)after.tv_nsec);
		if (i < 3) { /* the card's own times: one after the other, and no kernel takes no time */
			ck_assert_uint_lt(t[2], t[3]);
			ck_assert_uint_ge(t[2], last);
			last = t[3];
		}
		if (i == 0)
			ck_assert_uint_ge(t[1] - t[0], 4000000); /* held by the gate */
	}
	fails(clGetEventProfilingInfo(events[0], 1, sizeof(t[0]), t, NULL), CL_INVALID_VALUE);
	fails(clGetEventProfilingInfo(events[0], what[0], 4, t, NULL), CL_INVALID_VALUE);
	fails(clGetEventProfilingInfo(gate, what[0], sizeof(t[0]), t, NULL), CL_PROFILING_INFO_NOT_AVAILABLE);
	for (int i = 0; i < 4; i++)
		ok(clReleaseEvent(events[i]));
	ok(clReleaseEvent(gate));
	ok(clEnqueueTask(plain, kernel, 0, NULL, events));
	ok(clWaitForEvents(1, events));
	fails(clGetEventProfilingInfo(events[0], what[0], sizeof(t[0]), t, NULL), CL_PROFILING_INFO_NOT_AVAILABLE);
	ok(clReleaseEvent(events[0]));
	fails(clGetEventProfilingInfo(events[0], what[0], sizeof(t[0]), t, NULL), CL_INVALID_EVENT);
	ok(clReleaseMemObject(mem));
	ok(clReleaseKernel(kernel));
	ok(clReleaseCommandQueue(plain));
}
END_TEST

/* A barrier holds what comes later, a marker does not; without a list both wait for all that came before. */
START_TEST(barriers)
{
	cl_command_queue queue = host_queue(&h, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
	cl_mem mem = host_buffer(&h, 0, 64);
	cl_event gate = user_event(), held, marker, free_one, barrier, later;
	cl_int one = 1;

	ok(clEnqueueFillBuffer(queue, mem, &one, 4, 0, 4, 1, &gate, &held));
	ok(clEnqueueMarkerWithWaitList(queue, 0, NULL, &marker));
	ok(clEnqueueFillBuffer(queue, mem, &one, 4, 4, 4, 0, NULL, &free_one));
	ok(clWaitForEvents(1, &free_one));
	ck_assert_int_gt(event_status(marker), 0);
	ok(clEnqueueBarrierWithWaitList(queue, 0, NULL, &barrier));
	ok(clEnqueueFillBuffer(queue, mem, &one, 4, 8, 4, 0, NULL, &later));
	usleep(20000);
	ck_assert_int_gt(event_status(barrier), 0);
	ck_assert_int_eq(event_status(later), CL_QUEUED);
	ok(clSetUserEventStatus(gate, CL_COMPLETE));
	ok(clWaitForEvents(1, &later));
	ck_assert_int_eq(event_status(barrier), CL_COMPLETE);
	ck_assert_int_eq(event_status(marker), CL_COMPLETE);
	ck_assert_int_eq(event_status(held), CL_COMPLETE);
	for (cl_event *e = (cl_event[]){ gate, held, marker, free_one, barrier, later, NULL }; *e; e++)
		ok(clReleaseEvent(*e));
	ok(clEnqueueBarrierWithWaitList(queue, 0, NULL, NULL));
	ok(clFinish(queue));
	fails(clEnqueueMarkerWithWaitList((cl_command_queue)mem, 0, NULL, NULL), CL_INVALID_COMMAND_QUEUE);
	fails(clEnqueueBarrierWithWaitList(queue, 1, NULL, NULL), CL_INVALID_EVENT_WAIT_LIST);
	ok(clReleaseMemObject(mem));
	ok(clReleaseCommandQueue(queue));
}
END_TEST

START_TEST(waiting)
{
	cl_mem mem = host_buffer(&h, 0, 64);
	cl_context other = clCreateContext(NULL, 1, h.device, NULL, NULL, NULL);
	cl_event a, stranger = clCreateUserEvent(other, NULL), both[2];
	cl_int one = 1;
	cl_uint n;

	fails(clWaitForEvents(0, &a), CL_INVALID_VALUE);
	fails(clWaitForEvents(1, NULL), CL_INVALID_VALUE);
	fails(clWaitForEvents(1, (cl_event *)&h.queue), CL_INVALID_EVENT);
	ok(clEnqueueFillBuffer(h.queue, mem, &one, 4, 0, 64, 0, NULL, &a));
	both[0] = a;
	both[1] = stranger;
	fails(clWaitForEvents(2, both), CL_INVALID_CONTEXT);
	fails(clEnqueueFillBuffer(h.queue, mem, &one, 4, 0, 64, 1, &stranger, NULL), CL_INVALID_CONTEXT);
	/* Looking is enough to see it end. */
	while (event_status(a) > 0)
		usleep(100);
	ck_assert_int_eq(event_status(a), CL_COMPLETE);
	ok(clRetainEvent(a));
	ok(clGetEventInfo(a, CL_EVENT_REFERENCE_COUNT, sizeof(n), &n, NULL));
	ck_assert_uint_eq(n, 2);
	fails(clGetEventInfo(a, 1, sizeof(n), &n, NULL), CL_INVALID_VALUE);
	fails(clGetEventInfo(a, CL_EVENT_REFERENCE_COUNT, 1, &n, NULL), CL_INVALID_VALUE);
	ok(clReleaseEvent(a));
	ok(clReleaseEvent(a));
	fails(clWaitForEvents(1, &a), CL_INVALID_EVENT);
	ok(clReleaseEvent(stranger));
	ok(clReleaseContext(other));
	ok(clReleaseMemObject(mem));
}
END_TEST

/* The queue is released with commands in it: they are done. */
START_TEST(fire_and_forget)
{
	cl_command_queue queue = host_queue(&h, 0);
	cl_mem mem = host_buffer(&h, 0, 64);

	chain(queue, 200, mem, false);
	ok(clReleaseCommandQueue(queue));
	for (int i = 0; i < 1000; i++) {
		cl_int back;

		ok(clEnqueueReadBuffer(h.queue, mem, CL_TRUE, 0, 4, &back, 0, NULL, NULL));
		if (back == 200)
			break;
		usleep(1000);
	}
	check_all(mem, 200);
	ok(clReleaseMemObject(mem));
}
END_TEST

static void add(TCase *t)
{
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, order);
	tcase_add_test(t, together);
	tcase_add_test(t, many);
	tcase_add_test(t, user_events);
	tcase_add_test(t, failure);
	tcase_add_test(t, callbacks);
	tcase_add_test(t, profiling);
	tcase_add_test(t, barriers);
	tcase_add_test(t, waiting);
	tcase_add_test(t, fire_and_forget);
}

int main(void)
{
	return suite_main("opencl_events", add);
}
