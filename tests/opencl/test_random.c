// SPDX-License-Identifier: BSD-2-Clause
/*
 * Random calls with handles of all kinds - live, released, of the wrong kind, null - and random sizes: an error or a success, never a crash, a leak or a
 * wait without end. The seed is printed, and can be set by $SEED.
 */
#include "opencl_test.h"

#define CALLS	20000
#define HANDLES 64
#define BYTES	8192

static struct host h;
static void *handles[HANDLES]; /* of all kinds, released ones too; some more than once */
static cl_event users[HANDLES]; /* user events that are ours to set */
static uint8_t memory[16 * BYTES];
static cl_kernel adder;
static int good; /* commands that were taken */

static void took(cl_int ret)
{
	good += !ret;
}

static unsigned int below(unsigned int n)
{
	return (unsigned int)rand() % n;
}

/* Likely one of the first few kinds of handles that live. */
static void *any(void)
{
	void *fixed[] = { NULL, h.platform, h.device[0], h.context, h.queue, h.program, adder };

	return below(6) ? handles[below(HANDLES)] : fixed[below(7)];
}

static void keep(void *handle)
{
	if (handle)
		handles[below(HANDLES)] = handle;
}

static void *queue_or_any(void)
{
	return below(4) ? h.queue : any();
}

/* Mostly a buffer. */
static void *mem_or_any(void)
{
	size_t bytes;

	for (int i = 0; i < 8 && below(5); i++) {
		void *handle = handles[below(HANDLES)];

		if (!clGetMemObjectInfo(handle, CL_MEM_SIZE, sizeof(bytes), &bytes, NULL))
			return handle;
	}
	return any();
}

static size_t size(void)
{
	const size_t odd[] = { 0, 1, 4, 64, 4096, BYTES, BYTES + 1, SIZE_MAX, SIZE_MAX / 2 };

	return below(4) ? below(BYTES / 4) : odd[below(9)];
}

/* As long as what is read or written there stays inside: */
static size_t bounded(void)
{
	return below(4) ? below(BYTES / 4) : below(2 * BYTES);
}

static void make_something(void)
{
	cl_buffer_region region = { 4096 * below(3), bounded() };
	cl_mem_ext_ptr_t ext = { 0 };
	cl_int ret;
	int i;

	switch (below(8)) {
	case 0:
	case 1:
		keep(clCreateBuffer(below(6) ? h.context : any(), below(3) ? 0 : 1u << below(12), below(3) ? BYTES : size(), below(4) ? NULL : memory, &ret));
		break;
	case 2:
		keep(clCreateSubBuffer(any(), below(2) ? 0 : 1u << below(8), CL_BUFFER_CREATE_TYPE_REGION, &region, &ret));
		break;
	case 3:
		i = (int)below(HANDLES);
		if (!users[i]) {
			users[i] = clCreateUserEvent(h.context, &ret);
			keep(users[i]);
		}
		break;
	case 4:
		keep(clCreateKernel(below(3) ? h.program : any(), below(2) ? "copy" : "adder:{adder_2}", &ret));
		break;
	case 5:
		keep(clCreateCommandQueue(below(3) ? h.context : any(), h.device[0], below(5), &ret));
		break;
	case 6:
		ext.flags = XCL_MEM_EXT_P2P_BUFFER;
		keep(clCreateBuffer(h.context, (cl_mem_flags)1 << 31, BYTES, &ext, &ret));
		break;
	default:
		keep(clCreateContext(NULL, 1, h.device, NULL, NULL, &ret));
	}
}

/* Each handle of ours is released once by its own function, often by others. */
static void release_something(void)
{
	void *handle = handles[below(HANDLES)];

	switch (below(6)) {
	case 0:
		clReleaseMemObject(handle);
		break;
	case 1: {
		int i = (int)below(HANDLES);

		if (users[i]) { /* set before it goes: nothing must wait for ever */
			clSetUserEventStatus(users[i], below(2) ? CL_COMPLETE : -5);
			clReleaseEvent(users[i]);
			users[i] = NULL;
		}
		break;
	}
	case 2:
		clReleaseKernel(handle == adder ? NULL : handle);
		break;
	case 3:
		clReleaseCommandQueue(handle == h.queue ? NULL : handle);
		break;
	case 4:
		clReleaseContext(handle == h.context ? NULL : handle);
		break;
	default:
		for (int i = 0; i < HANDLES; i++) /* events that are not user events */
			if (handles[i] == handle && handle) {
				cl_command_type type;

				if (!clGetEventInfo(handle, CL_EVENT_COMMAND_TYPE, sizeof(type), &type, NULL) && type != CL_COMMAND_USER)
					clReleaseEvent(handle);
				break;
			}
	}
}

static void enqueue_something(void)
{
	cl_event list[3] = { any(), any(), any() }, out = NULL, *event = below(2) ? &out : NULL;
	const cl_event *waits = below(4) ? NULL : list;
	cl_uint nr = waits || !below(8) ? below(4) : 0;
	size_t origin[3] = { below(100), below(8), below(3) }, region[3] = { below(64), below(8), below(4) };
	cl_mem mems[3] = { mem_or_any(), mem_or_any(), mem_or_any() };
	cl_int ret;
	void *p;

	switch (below(10)) {
	case 0:
		took(clEnqueueReadBuffer(queue_or_any(), mem_or_any(), CL_FALSE, size(), bounded(), memory, nr, waits, event));
		break;
	case 1:
		took(clEnqueueWriteBuffer(queue_or_any(), mem_or_any(), CL_FALSE, size(), bounded(), memory, nr, waits, event));
		break;
	case 2:
		took(clEnqueueCopyBuffer(queue_or_any(), mem_or_any(), mem_or_any(), size(), size(), size(), nr, waits, event));
		break;
	case 3:
		took(clEnqueueFillBuffer(queue_or_any(), mem_or_any(), memory, 1u << below(9), size(), size(), nr, waits, event));
		break;
	case 4:
		took(clEnqueueReadBufferRect(queue_or_any(), mem_or_any(), CL_FALSE, origin, origin, region, below(200), below(2000), 128, 1024, memory, nr, waits, event));
		break;
	case 5:
		p = clEnqueueMapBuffer(queue_or_any(), mem_or_any(), CL_FALSE, below(8), size(), size(), nr, waits, event, &ret);
		clEnqueueUnmapMemObject(h.queue, any(), below(2) ? p : memory, 0, NULL, NULL);
		break;
	case 6:
		took(clEnqueueMigrateMemObjects(queue_or_any(), below(4), mems, below(4), nr, waits, event));
		break;
	case 7:
		took(clEnqueueBarrierWithWaitList(queue_or_any(), nr, waits, event));
		break;
	case 8: {
		cl_mem in = mem_or_any(), to = mem_or_any();
		cl_uint n = below(256);

		/* adder has no bounds: only with buffers that are known to be long enough */
		size_t a = 0, b = 0;

		if (!clGetMemObjectInfo(in, CL_MEM_SIZE, sizeof(a), &a, NULL) && !clGetMemObjectInfo(to, CL_MEM_SIZE, sizeof(b), &b, NULL) &&
		    a >= 1024 && b >= 1024 && !clSetKernelArg(adder, 0, sizeof(in), &in) && !clSetKernelArg(adder, 1, sizeof(to), &to)) {
			clSetKernelArg(adder, 2, 4, &n);
			clSetKernelArg(adder, 3, 4, &n);
			took(clEnqueueTask(queue_or_any(), adder, nr, waits, event));
		}
		clEnqueueTask(queue_or_any(), any() == adder ? NULL : any(), nr, waits, NULL);
		break;
	}
	default:
		took(clEnqueueMarkerWithWaitList(queue_or_any(), nr, waits, event));
	}
	keep(out);
}

static void CL_CALLBACK on_event(cl_event event, cl_int status, void *user)
{
	cl_int now;

	(void)status, (void)user;
	clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof(now), &now, NULL);
}

static void ask_something(void)
{
	char out[256];
	size_t used;
	void *handle = any();

	clGetMemObjectInfo(handle, 0x1100 + below(12), below(256), out, &used);
	clGetEventInfo(handle, 0x11d0 + below(6), below(256), out, &used);
	clGetKernelInfo(handle, 0x1190 + below(7), below(256), out, NULL);
	clGetKernelArgInfo(handle, below(6), 0x1196 + below(5), below(256), out, &used);
	clGetCommandQueueInfo(handle, 0x1090 + below(6), below(256), out, NULL);
	clGetProgramBuildInfo(handle, any(), 0x1181 + below(5), below(256), out, NULL);
	clGetContextInfo(handle, 0x1080 + below(5), below(256), out, NULL);
	clGetEventProfilingInfo(handle, 0x1280 + below(6), below(256), out, NULL);
	clGetDeviceInfo(handle, 0x1000 + below(0x60), below(256), out, &used);
	clSetEventCallback(handle, (cl_int)below(4), on_event, NULL);
	clSetKernelArg(handle, below(6), size(), below(2) ? NULL : memory);
}

START_TEST(calls)
{
	unsigned int seed = getenv("SEED") ? (unsigned int)atoi(getenv("SEED")) : (unsigned int)getpid();

	printf("# SEED=%u\n", seed);
	fflush(stdout);
	srand(seed);
	host_open(&h, NULL);
	adder = host_kernel(h.program, "adder");
	for (int i = 0; i < CALLS; i++) {
		switch (below(6)) {
		case 0:
			make_something();
			break;
		case 1:
			release_something();
			break;
		case 2:
			ask_something();
			break;
		default:
			enqueue_something();
		}
	}
	for (int i = 0; i < HANDLES; i++) {
		if (users[i]) {
			clSetUserEventStatus(users[i], CL_COMPLETE);
			clReleaseEvent(users[i]);
		}
	}
	ok(clFinish(h.queue));
	printf("# %d of %d calls were commands that ran\n", good, CALLS);
	ck_assert_int_gt(good, CALLS / 20);
	ok(clReleaseKernel(adder));
	host_close(&h);
}
END_TEST

static void add(TCase *t)
{
	tcase_add_loop_test(t, calls, 0, 4);
}

int main(void)
{
	return suite_main("opencl_random", add);
}
