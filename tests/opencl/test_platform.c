// SPDX-License-Identifier: BSD-2-Clause
/* Platform, devices, contexts and queues: what they say, and what they refuse. */
#include "opencl_test.h"
#include <CL/cl_egl.h>

static struct host h;

static void setup(void)
{
	host_open(&h, NULL);
}

static void teardown(void)
{
	host_close(&h);
}

START_TEST(platform_info)
{
	char text[256];
	cl_uint nr = 0;
	size_t used;

	ok(clGetPlatformInfo(h.platform, CL_PLATFORM_NAME, sizeof(text), text, &used));
	ck_assert_str_eq(text, "Xilinx");
	ck_assert_uint_eq(used, 7);
	ok(clGetPlatformInfo(h.platform, CL_PLATFORM_VERSION, sizeof(text), text, NULL));
	ck_assert_msg(!strncmp(text, "OpenCL 1.2 ", 11), "%s", text);
	ok(clGetPlatformInfo(h.platform, CL_PLATFORM_EXTENSIONS, sizeof(text), text, NULL));
	ck_assert_ptr_nonnull(strstr(text, "cl_khr_icd"));
	fails(clGetPlatformInfo(h.platform, CL_PLATFORM_NAME, 6, text, NULL), CL_INVALID_VALUE);
	fails(clGetPlatformInfo(h.platform, 0, sizeof(text), text, NULL), CL_INVALID_VALUE);
	fails(clGetPlatformIDs(0, &h.platform, NULL), CL_INVALID_VALUE);
	fails(clGetPlatformIDs(1, NULL, NULL), CL_INVALID_VALUE);
	fails(clGetDeviceIDs(h.platform, CL_DEVICE_TYPE_GPU, 0, NULL, &nr), CL_DEVICE_NOT_FOUND);
	ck_assert_uint_eq(nr, 0);
	fails(clGetDeviceIDs(h.platform, 1 << 20, 0, NULL, &nr), CL_INVALID_DEVICE_TYPE);
	fails(clGetDeviceIDs(h.platform, CL_DEVICE_TYPE_ALL, 0, h.device, NULL), CL_INVALID_VALUE);
	fails(clGetDeviceIDs(h.platform, CL_DEVICE_TYPE_ALL, 0, NULL, NULL), CL_INVALID_VALUE);
	ok(clGetDeviceIDs(h.platform, CL_DEVICE_TYPE_DEFAULT, 0, NULL, &nr));
	ck_assert_uint_eq(nr, 1);
	ok(clUnloadPlatformCompiler(h.platform));
}
END_TEST

START_TEST(device_info)
{
	cl_device_type type;
	cl_ulong bytes, largest;
	size_t sizes[3], used;
	char text[256];
	cl_bool flag;
	cl_uint n;

	ok(clGetDeviceInfo(h.device[0], CL_DEVICE_TYPE, sizeof(type), &type, NULL));
	ck_assert_uint_eq(type, CL_DEVICE_TYPE_ACCELERATOR);
	ok(clGetDeviceInfo(h.device[0], CL_DEVICE_GLOBAL_MEM_SIZE, sizeof(bytes), &bytes, NULL));
	ck_assert_uint_ge(bytes, 16 << 20);
	ok(clGetDeviceInfo(h.device[0], CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof(largest), &largest, NULL));
	ck_assert_uint_le(largest, bytes);
	ok(clGetDeviceInfo(h.device[0], CL_DEVICE_NAME, sizeof(text), text, NULL));
	ck_assert_ptr_nonnull(strstr(text, "u2_gen3x4"));
	ok(clGetDeviceInfo(h.device[0], CL_DEVICE_VERSION, sizeof(text), text, NULL));
	ck_assert_ptr_nonnull(strstr(text, "SmartSSD"));
	ok(clGetDeviceInfo(h.device[0], CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof(sizes), sizes, &used));
	ck_assert_uint_eq(used, sizeof(sizes));
	ok(clGetDeviceInfo(h.device[0], CL_DEVICE_PCIE_BDF, sizeof(text), text, NULL));
	ck_assert_uint_eq(strlen(text), 12);
	ok(clGetDeviceInfo(h.device[0], CL_DEVICE_NODMA, sizeof(flag), &flag, NULL));
	ok(clGetDeviceInfo(h.device[0], CL_DEVICE_MAX_COMPUTE_UNITS, sizeof(n), &n, NULL));
	ck_assert_uint_eq(n, 6);
	fails(clGetDeviceInfo(h.device[0], CL_DEVICE_MAX_COMPUTE_UNITS, 2, &n, NULL), CL_INVALID_VALUE);
	fails(clGetDeviceInfo(h.device[0], 0xffff, sizeof(n), &n, NULL), CL_INVALID_VALUE);
	fails(clGetDeviceInfo((cl_device_id)h.context, CL_DEVICE_TYPE, sizeof(type), &type, NULL), CL_INVALID_DEVICE);
	fails(clGetDeviceInfo(NULL, CL_DEVICE_TYPE, sizeof(type), &type, NULL), CL_INVALID_DEVICE);
	ok(clRetainDevice(h.device[0]));
	ok(clReleaseDevice(h.device[0]));
	ok(clReleaseDevice(h.device[0]));
	fails(clRetainDevice((cl_device_id)h.queue), CL_INVALID_DEVICE);
}
END_TEST

START_TEST(context_life)
{
	const cl_context_properties good[] = { CL_CONTEXT_PLATFORM, (cl_context_properties)h.platform, 0 };
	const cl_context_properties unknown[] = { 0x7777, 1, 0 };
	const cl_context_properties twice[] = { CL_CONTEXT_PLATFORM, (cl_context_properties)h.platform, CL_CONTEXT_PLATFORM,
						(cl_context_properties)h.platform, 0 };
	cl_context_properties back[3];
	cl_device_id device, bad = (cl_device_id)h.queue;
	cl_context context;
	cl_uint n;
	cl_int ret;
	size_t used;

	context = clCreateContext(good, 1, h.device, NULL, NULL, &ret);
	ok(ret);
	ok(clRetainContext(context));
	ok(clGetContextInfo(context, CL_CONTEXT_REFERENCE_COUNT, sizeof(n), &n, NULL));
	ck_assert_uint_eq(n, 2);
	ok(clGetContextInfo(context, CL_CONTEXT_PROPERTIES, sizeof(back), back, &used));
	ck_assert_uint_eq(used, sizeof(back));
	ck_assert(back[1] == good[1]);
	ok(clGetContextInfo(context, CL_CONTEXT_DEVICES, sizeof(device), &device, NULL));
	ck_assert_ptr_eq(device, h.device[0]);
	ok(clReleaseContext(context));
	ok(clReleaseContext(context));
	fails(clReleaseContext(context), CL_INVALID_CONTEXT);
	fails(clGetContextInfo(context, CL_CONTEXT_REFERENCE_COUNT, sizeof(n), &n, NULL), CL_INVALID_CONTEXT);
	fails(clRetainContext(context), CL_INVALID_CONTEXT);

	ck_assert_ptr_null(clCreateContext(unknown, 1, h.device, NULL, NULL, &ret));
	fails(ret, CL_INVALID_PROPERTY);
	ck_assert_ptr_null(clCreateContext(twice, 1, h.device, NULL, NULL, &ret));
	fails(ret, CL_INVALID_PROPERTY);
	ck_assert_ptr_null(clCreateContextFromType((cl_context_properties[]){ CL_CONTEXT_INTEROP_USER_SYNC, 1, 0x7777, 0, 0 }, CL_DEVICE_TYPE_ALL, NULL, NULL, &ret));
	ck_assert_int_ne(ret, CL_SUCCESS);
	ck_assert_ptr_null(clCreateContext(NULL, 0, h.device, NULL, NULL, &ret));
	fails(ret, CL_INVALID_VALUE);
	ck_assert_ptr_null(clCreateContext(NULL, 1, h.device, NULL, &h, &ret));
	fails(ret, CL_INVALID_VALUE);
	ck_assert_ptr_null(clCreateContext(NULL, 1, &bad, NULL, NULL, &ret));
	fails(ret, CL_INVALID_DEVICE);
	context = clCreateContextFromType(good, CL_DEVICE_TYPE_ACCELERATOR, NULL, NULL, &ret);
	ok(ret);
	ok(clReleaseContext(context));
	ck_assert_ptr_null(clCreateContextFromType(good, CL_DEVICE_TYPE_CPU, NULL, NULL, &ret));
	fails(ret, CL_DEVICE_NOT_FOUND);
}
END_TEST

START_TEST(queue_life)
{
	cl_command_queue queue = host_queue(&h, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
	cl_command_queue_properties properties;
	cl_context context;
	cl_device_id device;
	cl_uint n;
	cl_int ret;

	ok(clGetCommandQueueInfo(queue, CL_QUEUE_PROPERTIES, sizeof(properties), &properties, NULL));
	ck_assert_uint_eq(properties, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
	ok(clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof(context), &context, NULL));
	ck_assert_ptr_eq(context, h.context);
	ok(clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof(device), &device, NULL));
	ck_assert_ptr_eq(device, h.device[0]);
	ok(clRetainCommandQueue(queue));
	ok(clGetCommandQueueInfo(queue, CL_QUEUE_REFERENCE_COUNT, sizeof(n), &n, NULL));
	ck_assert_uint_eq(n, 2);
	fails(clGetCommandQueueInfo(queue, 0x1094, sizeof(n), &n, NULL), CL_INVALID_VALUE);
	ok(clFlush(queue));
	ok(clFinish(queue));
	ok(clReleaseCommandQueue(queue));
	ok(clReleaseCommandQueue(queue));
	fails(clReleaseCommandQueue(queue), CL_INVALID_COMMAND_QUEUE);
	fails(clFlush(queue), CL_INVALID_COMMAND_QUEUE);
	ck_assert_ptr_null(clCreateCommandQueue(h.context, h.device[0], 1 << 10, &ret));
	fails(ret, CL_INVALID_VALUE);
	ck_assert_ptr_null(clCreateCommandQueue(h.context, (cl_device_id)h.program, 0, &ret));
	fails(ret, CL_INVALID_DEVICE);
	ck_assert_ptr_null(clCreateCommandQueue((cl_context)h.program, h.device[0], 0, &ret));
	fails(ret, CL_INVALID_CONTEXT);
}
END_TEST

/* A handle of every kind, given to a function of another: an error, and nothing else happens. */
START_TEST(foreign)
{
	cl_kernel kernel = host_kernel(h.program, "adder");
	cl_mem mem = host_buffer(&h, 0, 4096);
	cl_event event = clCreateUserEvent(h.context, NULL);
	void *handles[] = { h.platform, h.device[0], h.context, h.queue, h.program, kernel, mem, event };
	size_t nr = sizeof(handles) / sizeof(handles[0]);
	char text[4096];

	for (size_t i = 0; i < nr; i++) {
		if (handles[i] != h.context)
			fails(clRetainContext(handles[i]), CL_INVALID_CONTEXT);
		if (handles[i] != h.queue)
			fails(clFinish(handles[i]), CL_INVALID_COMMAND_QUEUE);
		if (handles[i] != mem)
			fails(clReleaseMemObject(handles[i]), CL_INVALID_MEM_OBJECT);
		if (handles[i] != kernel)
			fails(clSetKernelArg(handles[i], 0, 8, text), CL_INVALID_KERNEL);
		if (handles[i] != h.program)
			fails(clReleaseProgram(handles[i]), CL_INVALID_PROGRAM);
		if (handles[i] != event)
			fails(clSetUserEventStatus(handles[i], CL_COMPLETE), CL_INVALID_EVENT);
		if (handles[i] != mem)
			fails(clEnqueueReadBuffer(h.queue, handles[i], CL_TRUE, 0, 4, text, 0, NULL, NULL), CL_INVALID_MEM_OBJECT);
		if (handles[i] != kernel)
			fails(clEnqueueTask(h.queue, handles[i], 0, NULL, NULL), CL_INVALID_KERNEL);
		if (handles[i] != h.queue)
			fails(clEnqueueTask(handles[i], kernel, 0, NULL, NULL), CL_INVALID_COMMAND_QUEUE);
	}
	fails(clRetainContext(NULL), CL_INVALID_CONTEXT);
	fails(clFinish(NULL), CL_INVALID_COMMAND_QUEUE);
	fails(clReleaseMemObject(NULL), CL_INVALID_MEM_OBJECT);
	fails(clReleaseKernel(NULL), CL_INVALID_KERNEL);
	fails(clReleaseProgram(NULL), CL_INVALID_PROGRAM);
	fails(clReleaseEvent(NULL), CL_INVALID_EVENT);
	ok(clReleaseEvent(event));
	ok(clReleaseMemObject(mem));
	ok(clReleaseKernel(kernel));
	/* Released handles, again and again. */
	for (int i = 0; i < 3; i++) {
		fails(clReleaseEvent(event), CL_INVALID_EVENT);
		fails(clReleaseMemObject(mem), CL_INVALID_MEM_OBJECT);
		fails(clReleaseKernel(kernel), CL_INVALID_KERNEL);
		fails(clEnqueueReadBuffer(h.queue, mem, CL_TRUE, 0, 4, text, 0, NULL, NULL), CL_INVALID_MEM_OBJECT);
	}
}
END_TEST

/* What this platform has not is refused, by an error of the specification. */
START_TEST(refused)
{
	const cl_image_format format = { CL_RGBA, CL_UNORM_INT8 };
	const cl_image_desc desc = { .image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = 4, .image_height = 4 };
	const char *text = "kernel void f() {}";
	cl_uint n = 7;
	cl_int ret;

	ck_assert_ptr_null(clCreateImage(h.context, 0, &format, &desc, NULL, &ret));
	fails(ret, CL_INVALID_OPERATION);
	ck_assert_ptr_null(clCreateSampler(h.context, CL_FALSE, CL_ADDRESS_NONE, CL_FILTER_NEAREST, &ret));
	fails(ret, CL_INVALID_OPERATION);
	ck_assert_ptr_null(clCreateProgramWithSource(h.context, 1, &text, NULL, &ret));
	fails(ret, CL_INVALID_OPERATION);
	ck_assert_msg(strstr(host_said(), "clCreateProgramWithBinary"), "%s", host_said());
	ok(clGetSupportedImageFormats(h.context, 0, CL_MEM_OBJECT_IMAGE2D, 0, NULL, &n));
	ck_assert_uint_eq(n, 0);
	fails(clEnqueueNativeKernel(h.queue, NULL, NULL, 0, 0, NULL, NULL, 0, NULL, NULL), CL_INVALID_OPERATION);
	fails(clCreateSubDevices(h.device[0], NULL, 0, NULL, NULL), CL_INVALID_VALUE);
}
END_TEST

/* Extensions that the loader has entries for, whatever a platform says it has: an error, too. */
START_TEST(extensions)
{
	const cl_context_properties properties[] = { CL_CONTEXT_PLATFORM, (cl_context_properties)h.platform, 0 };
	cl_kernel kernel = host_kernel(h.program, "adder");
	cl_int ret = 0;
	size_t bytes;

	ok(clRetainDeviceEXT(h.device[0]));
	ok(clReleaseDeviceEXT(h.device[0]));
	fails(clReleaseDeviceEXT((cl_device_id)h.queue), CL_INVALID_DEVICE);
	ck_assert_int_lt(clCreateSubDevicesEXT(h.device[0], NULL, 0, NULL, NULL), 0);
	ck_assert_int_lt(clGetGLContextInfoKHR(properties, CL_CURRENT_DEVICE_FOR_GL_CONTEXT_KHR, 0, NULL, &bytes), 0);
	ck_assert_ptr_null(clCreateEventFromGLsyncKHR(h.context, NULL, &ret));
	fails(ret, CL_INVALID_OPERATION);
	ck_assert_ptr_null(clCreateFromEGLImageKHR(h.context, NULL, NULL, 0, NULL, &ret));
	fails(ret, CL_INVALID_OPERATION);
	ck_assert_ptr_null(clCreateEventFromEGLSyncKHR(h.context, NULL, NULL, &ret));
	fails(ret, CL_INVALID_OPERATION);
	fails(clEnqueueAcquireEGLObjectsKHR(h.queue, 0, NULL, 0, NULL, NULL), CL_INVALID_OPERATION);
	fails(clEnqueueReleaseEGLObjectsKHR(h.queue, 0, NULL, 0, NULL, NULL), CL_INVALID_OPERATION);
	ck_assert_int_lt(clGetKernelSubGroupInfoKHR(kernel, h.device[0], 0, 0, NULL, 0, NULL, &bytes), 0);
	ok(clReleaseKernel(kernel));
}
END_TEST

START_TEST(by_name)
{
	const char *names[] = { "xclGetMemObjectFd", "xclGetMemObjectFromFd", "xclGetComputeUnitInfo" };

	for (int i = 0; i < 3; i++)
		ck_assert_ptr_nonnull(clGetExtensionFunctionAddressForPlatform(h.platform, names[i]));
	ck_assert_ptr_null(clGetExtensionFunctionAddressForPlatform(h.platform, "xclNoSuchThing"));
}
END_TEST

static void add(TCase *t)
{
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, platform_info);
	tcase_add_test(t, device_info);
	tcase_add_test(t, context_life);
	tcase_add_test(t, queue_life);
	tcase_add_test(t, foreign);
	tcase_add_test(t, refused);
	tcase_add_test(t, extensions);
	tcase_add_test(t, by_name);
}

int main(void)
{
	return suite_main("opencl_platform", add);
}
