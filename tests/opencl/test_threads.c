// SPDX-License-Identifier: BSD-2-Clause
/* Many threads on one context, thousands of buffers and events, handles that are released while others use them. */
#include <pthread.h>
#include "opencl_test.h"

#define THREADS 8

static struct host h;
static int rounds = 60;

static void *work(void *arg)
{
	int id = (int)(intptr_t)arg;
	cl_command_queue queue = host_queue(&h, id % 2 ? CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE : 0);
	cl_kernel kernel = host_kernel(h.program, "adder");
	cl_int from[64], to[64];

	for (int round = 0; round < rounds; round++) {
		cl_mem in = host_buffer(&h, CL_MEM_READ_ONLY, sizeof(from)), out = host_buffer(&h, 0, sizeof(to));
		cl_event written, ran, gate = clCreateUserEvent(h.context, NULL);

		for (int i = 0; i < 64; i++)
			from[i] = i * id + round;
		ok(clEnqueueWriteBuffer(queue, in, CL_FALSE, 0, sizeof(from), from, round % 3 ? 0 : 1, round % 3 ? NULL : &gate, &written));
		host_adder(kernel, in, out, id, 64);
		ok(clEnqueueTask(queue, kernel, 1, &written, &ran));
		ok(clSetUserEventStatus(gate, CL_COMPLETE));
		ok(clEnqueueReadBuffer(queue, out, CL_TRUE, 0, sizeof(to), to, 1, &ran, NULL));
		for (int i = 0; i < 64; i++)
			ck_assert_int_eq(to[i], i * id + round + id);
		ok(clReleaseEvent(written));
		ok(clReleaseEvent(ran));
		ok(clReleaseEvent(gate));
		ok(clReleaseMemObject(in));
		ok(clReleaseMemObject(out));
	}
	ok(clReleaseKernel(kernel));
	ok(clFinish(queue));
	ok(clReleaseCommandQueue(queue));
	return NULL;
}

static void run_all(void *(*main)(void *))
{
	pthread_t threads[THREADS];

	for (intptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, main, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

START_TEST(one_context)
{
	host_open(&h, NULL);
	run_all(work);
	host_close(&h);
}
END_TEST

/* All threads wait for one event, and for what hangs on it. */
static cl_event common, shared;

static void *wait_common(void *arg)
{
	cl_event marker;

	ok(clEnqueueMarkerWithWaitList(h.queue, 1, &common, &marker));
	ok(clWaitForEvents(1, (intptr_t)arg % 2 ? &marker : &shared));
	ok(clFinish(h.queue));
	ok(clReleaseEvent(marker));
	return NULL;
}

START_TEST(one_event)
{
	cl_mem mem;

	host_open(&h, NULL);
	mem = host_buffer(&h, 0, 1 << 20);
	for (int round = 0; round < 20; round++) {
		common = clCreateUserEvent(h.context, NULL);
		ok(clEnqueueFillBuffer(h.queue, mem, "x", 1, 0, 1 << 20, 1, &common, &shared));
		pthread_t threads[THREADS];

		for (intptr_t i = 0; i < THREADS; i++)
			ck_assert_int_eq(pthread_create(&threads[i], NULL, wait_common, (void *)i), 0);
		usleep(500);
		ok(clSetUserEventStatus(common, CL_COMPLETE));
		for (int i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		ok(clReleaseEvent(common));
		ok(clReleaseEvent(shared));
	}
	ok(clReleaseMemObject(mem));
	host_close(&h);
}
END_TEST

/* Handles that die under other threads' hands: errors at worst. */
static _Atomic(cl_mem) victim;
static atomic_bool stop;

static void *torment(void *arg)
{
	char data[64];
	size_t bytes;

	while (!atomic_load(&stop)) {
		cl_mem mem = atomic_load(&victim);
		cl_int ret;

		if (!mem)
			continue;
		ret = clGetMemObjectInfo(mem, CL_MEM_SIZE, sizeof(bytes), &bytes, NULL);
		ck_assert(ret == CL_SUCCESS || ret == CL_INVALID_MEM_OBJECT);
		ret = clEnqueueWriteBuffer(h.queue, mem, CL_FALSE, 0, 4, data, 0, NULL, NULL);
		ck_assert(ret == CL_SUCCESS || ret == CL_INVALID_MEM_OBJECT);
		ok(clFinish(h.queue)); /* data is ours */
		if (!clRetainMemObject(mem))
			ok(clReleaseMemObject(mem));
	}
	return arg;
}

START_TEST(dying_handles)
{
	pthread_t threads[3];

	host_open(&h, NULL);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, torment, NULL), 0);
	for (int i = 0; i < rounds * 10; i++) {
		cl_mem mem = host_buffer(&h, 0, 64);

		atomic_store(&victim, mem);
		if (i % 8 == 0)
			usleep(100);
		ok(clReleaseMemObject(mem));
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	host_close(&h);
}
END_TEST

START_TEST(thousands)
{
	enum { N = 5000 };
	static cl_mem mems[N];
	cl_int back;

	host_open(&h, NULL);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < N; i++) {
			mems[i] = host_buffer(&h, 0, 4096 + (size_t)(i % 7) * 1000);
			ok(clEnqueueFillBuffer(h.queue, mems[i], &i, 4, 0, 4096, 0, NULL, NULL));
		}
		for (int i = 0; i < N; i += 97) {
			ok(clEnqueueReadBuffer(h.queue, mems[i], CL_TRUE, 4092, 4, &back, 0, NULL, NULL));
			ck_assert_int_eq(back, i);
		}
		for (int i = 0; i < N; i++)
			ok(clReleaseMemObject(mems[(i * 7) % N]));
	}
	ok(clFinish(h.queue));
	/* All of it is free again. */
	ok(clReleaseMemObject(host_buffer(&h, 0, host_memory(&h) / 16 * 15)));
	host_close(&h);
}
END_TEST

static void add(TCase *t)
{
	if (getenv("ROUNDS"))
		rounds = atoi(getenv("ROUNDS"));
	tcase_add_test(t, one_context);
	tcase_add_test(t, one_event);
	tcase_add_test(t, dying_handles);
	tcase_add_test(t, thousands);
}

int main(void)
{
	return suite_main("opencl_threads", add);
}
