// SPDX-License-Identifier: BSD-2-Clause
/* Programs, kernels, arguments, and running them. */
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

static cl_program load(const void *data, size_t bytes, cl_int *status, cl_int *ret)
{
	const unsigned char *binary = data;

	return clCreateProgramWithBinary(h.context, 1, h.device, &bytes, &binary, status, ret);
}

START_TEST(binaries)
{
	cl_int status = 5, ret;
	size_t bytes;
	unsigned char *data = host_read_file("examples.xclbin", &bytes);
	const unsigned char *none = NULL, *some = data;
	cl_device_id bad = (cl_device_id)h.queue;
	cl_program program;

	program = load(data, bytes, &status, &ret);
	ok(ret);
	ok(status);
	ok(clRetainProgram(program));
	ok(clReleaseProgram(program));
	ok(clReleaseProgram(program));
	fails(clReleaseProgram(program), CL_INVALID_PROGRAM);

	/* Cut, and damaged: the message says so, and the program that was loaded goes on. */
	ck_assert_ptr_null(load(data, bytes / 2, &status, &ret));
	fails(ret, CL_INVALID_BINARY);
	fails(status, CL_INVALID_BINARY);
	ck_assert_msg(strstr(host_said(), "well-formed"), "%s", host_said());
	ck_assert_ptr_null(load("xclbin2", 8, &status, &ret));
	fails(ret, CL_INVALID_BINARY);
	data[304 + 3] ^= 0xff; /* its length */
	ck_assert_ptr_null(load(data, bytes, &status, &ret));
	fails(ret, CL_INVALID_BINARY);
	ok(clReleaseKernel(host_kernel(h.program, "adder")));

	ck_assert_ptr_null(load(data, 0, &status, &ret));
	fails(ret, CL_INVALID_VALUE);
	fails(status, CL_INVALID_VALUE);
	ck_assert_ptr_null(clCreateProgramWithBinary(h.context, 1, h.device, &bytes, &none, NULL, &ret));
	fails(ret, CL_INVALID_VALUE);
	ck_assert_ptr_null(clCreateProgramWithBinary(h.context, 0, h.device, &bytes, &some, NULL, &ret));
	fails(ret, CL_INVALID_VALUE);
	ck_assert_ptr_null(clCreateProgramWithBinary(h.context, 1, NULL, &bytes, &some, NULL, &ret));
	fails(ret, CL_INVALID_VALUE);
	ck_assert_ptr_null(clCreateProgramWithBinary(h.context, 1, h.device, NULL, &some, NULL, &ret));
	fails(ret, CL_INVALID_VALUE);
	ck_assert_ptr_null(clCreateProgramWithBinary(h.context, 1, &bad, &bytes, &some, NULL, &ret));
	fails(ret, CL_INVALID_DEVICE);
	ck_assert_ptr_null(clCreateProgramWithBinary((cl_context)h.queue, 1, h.device, &bytes, &some, NULL, &ret));
	fails(ret, CL_INVALID_CONTEXT);
	free(data);
}
END_TEST

static atomic_int built;

static void CL_CALLBACK on_build(cl_program program, void *user)
{
	(void)program;
	atomic_store(&built, *(int *)user);
}

START_TEST(build_and_ask)
{
	static int token = 42;
	cl_program_binary_type type;
	size_t bytes, sizes[1], nr;
	void *data = host_read_file("examples.xclbin", &bytes), *copy = malloc(bytes), *list[1] = { copy };
	cl_device_id device;
	cl_build_status status;
	cl_context context;
	cl_kernel kernel, kernels[3];
	char text[256];
	cl_uint n;

	ok(clBuildProgram(h.program, 0, NULL, "-g", on_build, &token));
	ck_assert_int_eq(atomic_load(&built), 42);
	ok(clBuildProgram(h.program, 1, h.device, "-O", NULL, NULL));
	fails(clBuildProgram(h.program, 1, NULL, NULL, NULL, NULL), CL_INVALID_VALUE);
	fails(clBuildProgram(h.program, 0, h.device, NULL, NULL, NULL), CL_INVALID_VALUE);
	fails(clBuildProgram(h.program, 0, NULL, NULL, NULL, &token), CL_INVALID_VALUE);
	device = (cl_device_id)h.queue;
	fails(clBuildProgram(h.program, 1, &device, NULL, NULL, NULL), CL_INVALID_DEVICE);
	fails(clBuildProgram((cl_program)h.queue, 0, NULL, NULL, NULL, NULL), CL_INVALID_PROGRAM);
	fails(clCompileProgram(h.program, 0, NULL, NULL, 0, NULL, NULL, NULL, NULL), CL_INVALID_OPERATION);

	ok(clGetProgramBuildInfo(h.program, h.device[0], CL_PROGRAM_BUILD_STATUS, sizeof(status), &status, NULL));
	ck_assert_int_eq(status, CL_BUILD_SUCCESS);
	ok(clGetProgramBuildInfo(h.program, h.device[0], CL_PROGRAM_BUILD_OPTIONS, sizeof(text), text, NULL));
	ck_assert_str_eq(text, "-O");
	ok(clGetProgramBuildInfo(h.program, h.device[0], CL_PROGRAM_BUILD_LOG, sizeof(text), text, NULL));
	ok(clGetProgramBuildInfo(h.program, h.device[0], CL_PROGRAM_BINARY_TYPE, sizeof(type), &type, NULL));
	ck_assert_uint_eq(type, CL_PROGRAM_BINARY_TYPE_EXECUTABLE);
	fails(clGetProgramBuildInfo(h.program, device, CL_PROGRAM_BUILD_STATUS, sizeof(status), &status, NULL), CL_INVALID_DEVICE);
	fails(clGetProgramBuildInfo(h.program, h.device[0], 1, sizeof(status), &status, NULL), CL_INVALID_VALUE);

	ok(clGetProgramInfo(h.program, CL_PROGRAM_KERNEL_NAMES, sizeof(text), text, NULL));
	ck_assert_str_eq(text, "copy;adder;bandwidth");
	ok(clGetProgramInfo(h.program, CL_PROGRAM_NUM_KERNELS, sizeof(nr), &nr, NULL));
	ck_assert_uint_eq(nr, 3);
	ok(clGetProgramInfo(h.program, CL_PROGRAM_NUM_DEVICES, sizeof(n), &n, NULL));
	ck_assert_uint_eq(n, 1);
	ok(clGetProgramInfo(h.program, CL_PROGRAM_DEVICES, sizeof(device), &device, NULL));
	ck_assert_ptr_eq(device, h.device[0]);
	ok(clGetProgramInfo(h.program, CL_PROGRAM_CONTEXT, sizeof(context), &context, NULL));
	ck_assert_ptr_eq(context, h.context);
	ok(clGetProgramInfo(h.program, CL_PROGRAM_BINARY_SIZES, sizeof(sizes), sizes, NULL));
	ck_assert_uint_eq(sizes[0], bytes);
	ok(clGetProgramInfo(h.program, CL_PROGRAM_BINARIES, sizeof(list), list, NULL));
	ck_assert_mem_eq(copy, data, bytes);
	fails(clGetProgramInfo(h.program, CL_PROGRAM_BINARIES, 1, list, NULL), CL_INVALID_VALUE);
	fails(clGetProgramInfo(h.program, 1, sizeof(n), &n, NULL), CL_INVALID_VALUE);

	kernel = host_kernel(h.program, "copy");
	fails(clBuildProgram(h.program, 0, NULL, NULL, NULL, NULL), CL_INVALID_OPERATION);
	ok(clReleaseKernel(kernel));
	ok(clBuildProgram(h.program, 0, NULL, NULL, NULL, NULL));
	fails(clCreateKernelsInProgram(h.program, 2, kernels, NULL), CL_INVALID_VALUE);
	ok(clCreateKernelsInProgram(h.program, 3, kernels, &n));
	ck_assert_uint_eq(n, 3);
	for (int i = 0; i < 3; i++)
		ok(clReleaseKernel(kernels[i]));
	free(data);
	free(copy);
}
END_TEST

START_TEST(names)
{
	const char *bad[] = { "", "adde", "adderr", "adder:", "adder:adder_1", "adder:{}", "adder:{adder_3}", "adder:{adder_1,adder_9}", "adder:{adder_1",
			      "adder:{adder_1}x", "adder:{,}", ":{adder_1}" };
	const struct {
		const char *name;
		cl_uint units;
	} good[] = { { "adder", 2 }, { "adder:{adder_1}", 1 }, { "adder:{adder_2}", 1 }, { "adder:{adder_1,adder_2}", 2 } };
	char text[64];
	cl_kernel kernel;
	cl_uint n;
	cl_int ret;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_ptr_null(clCreateKernel(h.program, bad[i], &ret));
		ck_assert_msg(ret == CL_INVALID_KERNEL_NAME, "\"%s\": %d", bad[i], ret);
		ck_assert_msg(strstr(host_said(), "copy:copy_1") && strstr(host_said(), "bandwidth:bandwidth_2"), "%s", host_said());
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		kernel = host_kernel(h.program, good[i].name);
		ok(clGetKernelInfo(kernel, CL_KERNEL_COMPUTE_UNIT_COUNT, sizeof(n), &n, NULL));
		ck_assert_uint_eq(n, good[i].units);
		ok(clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof(text), text, NULL));
		ck_assert_str_eq(text, "adder");
		ok(clReleaseKernel(kernel));
	}
	ck_assert_ptr_null(clCreateKernel(h.program, NULL, &ret));
	fails(ret, CL_INVALID_VALUE);
	ck_assert_ptr_null(clCreateKernel((cl_program)h.queue, "adder", &ret));
	fails(ret, CL_INVALID_PROGRAM);
}
END_TEST

START_TEST(kernel_information)
{
	cl_int(CL_API_CALL * unit_info)(cl_kernel, cl_uint, cl_uint, size_t, void *, size_t *);
	cl_kernel kernel = host_kernel(h.program, "adder");
	cl_kernel_arg_address_qualifier address;
	cl_kernel_arg_type_qualifier qualifier;
	size_t group[3], bytes, base;
	cl_program program;
	cl_ulong local, banks[4];
	char text[64];
	cl_uint n;

	ok(clGetKernelInfo(kernel, CL_KERNEL_NUM_ARGS, sizeof(n), &n, NULL));
	ck_assert_uint_eq(n, 4);
	ok(clGetKernelInfo(kernel, CL_KERNEL_PROGRAM, sizeof(program), &program, NULL));
	ck_assert_ptr_eq(program, h.program);
	ok(clGetKernelInfo(kernel, CL_KERNEL_ATTRIBUTES, sizeof(text), text, NULL));
	ok(clRetainKernel(kernel));
	ok(clGetKernelInfo(kernel, CL_KERNEL_REFERENCE_COUNT, sizeof(n), &n, NULL));
	ck_assert_uint_eq(n, 2);
	ok(clReleaseKernel(kernel));
	fails(clGetKernelInfo(kernel, 1, sizeof(n), &n, NULL), CL_INVALID_VALUE);
	fails(clGetKernelInfo(kernel, CL_KERNEL_NUM_ARGS, 1, &n, NULL), CL_INVALID_VALUE);

	ok(clGetKernelArgInfo(kernel, 0, CL_KERNEL_ARG_ADDRESS_QUALIFIER, sizeof(address), &address, NULL));
	ck_assert_uint_eq(address, CL_KERNEL_ARG_ADDRESS_GLOBAL);
	ok(clGetKernelArgInfo(kernel, 0, CL_KERNEL_ARG_TYPE_QUALIFIER, sizeof(qualifier), &qualifier, NULL));
	ck_assert_uint_eq(qualifier, CL_KERNEL_ARG_TYPE_CONST);
	ok(clGetKernelArgInfo(kernel, 0, CL_KERNEL_ARG_TYPE_NAME, sizeof(text), text, NULL));
	ck_assert_str_eq(text, "int32_t*");
	ok(clGetKernelArgInfo(kernel, 3, CL_KERNEL_ARG_NAME, sizeof(text), text, NULL));
	ck_assert_str_eq(text, "size");
	ok(clGetKernelArgInfo(kernel, 3, CL_KERNEL_ARG_ADDRESS_QUALIFIER, sizeof(address), &address, NULL));
	ck_assert_uint_eq(address, CL_KERNEL_ARG_ADDRESS_PRIVATE);
	fails(clGetKernelArgInfo(kernel, 4, CL_KERNEL_ARG_NAME, sizeof(text), text, NULL), CL_INVALID_ARG_INDEX);
	fails(clGetKernelArgInfo(kernel, 0, 1, sizeof(text), text, NULL), CL_INVALID_VALUE);

	ok(clGetKernelWorkGroupInfo(kernel, h.device[0], CL_KERNEL_WORK_GROUP_SIZE, sizeof(bytes), &bytes, NULL));
	ck_assert_uint_ge(bytes, 1);
	ok(clGetKernelWorkGroupInfo(kernel, NULL, CL_KERNEL_COMPILE_WORK_GROUP_SIZE, sizeof(group), group, NULL));
	ok(clGetKernelWorkGroupInfo(kernel, h.device[0], CL_KERNEL_LOCAL_MEM_SIZE, sizeof(local), &local, NULL));
	fails(clGetKernelWorkGroupInfo(kernel, h.device[0], CL_KERNEL_GLOBAL_WORK_SIZE, sizeof(group), group, NULL), CL_INVALID_VALUE);
	fails(clGetKernelWorkGroupInfo(kernel, (cl_device_id)h.queue, CL_KERNEL_WORK_GROUP_SIZE, sizeof(bytes), &bytes, NULL), CL_INVALID_DEVICE);

	*(void **)&unit_info = clGetExtensionFunctionAddressForPlatform(h.platform, "xclGetComputeUnitInfo");
	ok(unit_info(kernel, 1, XCL_COMPUTE_UNIT_NAME, sizeof(text), text, NULL));
	ck_assert_str_eq(text, "adder_2");
	ok(unit_info(kernel, 1, XCL_COMPUTE_UNIT_INDEX, sizeof(n), &n, NULL));
	ck_assert_uint_eq(n, 3);
	ok(unit_info(kernel, 0, XCL_COMPUTE_UNIT_BASE_ADDRESS, sizeof(base), &base, NULL));
	ck_assert_uint_ge(base, 0x1800000);
	ok(unit_info(kernel, 0, XCL_COMPUTE_UNIT_CONNECTIONS, sizeof(banks), banks, NULL));
	ck_assert_uint_eq(banks[0], 0);
	fails(unit_info(kernel, 2, XCL_COMPUTE_UNIT_NAME, sizeof(text), text, NULL), CL_INVALID_VALUE);
	fails(unit_info(kernel, 0, 1, sizeof(text), text, NULL), CL_INVALID_VALUE);
	ok(clReleaseKernel(kernel));
	fails(unit_info(kernel, 0, XCL_COMPUTE_UNIT_NAME, sizeof(text), text, NULL), CL_INVALID_KERNEL);
	fails(clGetKernelInfo(kernel, CL_KERNEL_NUM_ARGS, sizeof(n), &n, NULL), CL_INVALID_KERNEL);
}
END_TEST

START_TEST(arguments)
{
	cl_kernel kernel = host_kernel(h.program, "adder");
	cl_mem mem = host_buffer(&h, 0, 4096), gone = host_buffer(&h, 0, 4096), none = NULL;
	cl_event event;
	cl_ulong wide = 1;
	cl_int n = 1;

	ok(clReleaseMemObject(gone));
	fails(clSetKernelArg(kernel, 4, 4, &n), CL_INVALID_ARG_INDEX);
	fails(clSetKernelArg(kernel, 2, 8, &wide), CL_INVALID_ARG_SIZE);
	fails(clSetKernelArg(kernel, 2, 3, &wide), CL_INVALID_ARG_SIZE);
	fails(clSetKernelArg(kernel, 2, 4, NULL), CL_INVALID_ARG_VALUE);
	fails(clSetKernelArg(kernel, 0, 4, &mem), CL_INVALID_ARG_SIZE);
	fails(clSetKernelArg(kernel, 0, sizeof(gone), &gone), CL_INVALID_MEM_OBJECT);
	fails(clSetKernelArg(kernel, 0, sizeof(mem), &h.queue), CL_INVALID_MEM_OBJECT);
	fails(clSetKernelArg(kernel, 0, sizeof(none), &none), CL_INVALID_ARG_VALUE);
	ok(clSetKernelArg(kernel, 0, sizeof(mem), &mem));
	ok(clSetKernelArg(kernel, 2, 4, &n));
	fails(clEnqueueTask(h.queue, kernel, 0, NULL, NULL), CL_INVALID_KERNEL_ARGS);
	ck_assert_msg(strstr(host_said(), "argument 1"), "%s", host_said());
	host_adder(kernel, mem, mem, 1, 4);
	ok(clEnqueueTask(h.queue, kernel, 0, NULL, &event));
	ok(clWaitForEvents(1, &event));
	ok(clReleaseEvent(event));
	/* An argument is no reference; what is released cannot be run with, also when another buffer has its place. */
	ok(clReleaseMemObject(mem));
	fails(clEnqueueTask(h.queue, kernel, 0, NULL, NULL), CL_INVALID_KERNEL_ARGS);
	for (int i = 0; i < 2000; i++) {
		cl_mem another = host_buffer(&h, 0, 4096);

		fails(clEnqueueTask(h.queue, kernel, 0, NULL, NULL), CL_INVALID_KERNEL_ARGS);
		ok(clReleaseMemObject(another));
	}
	ok(clReleaseKernel(kernel));
}
END_TEST

/* Bounds, which the driver sets, have their places; setting one is allowed and does nothing. */
START_TEST(bounds)
{
	cl_program program = host_program(&h, "tests/emu/ek.xclbin");
	cl_kernel kernel = host_kernel(program, "ek");
	cl_mem in = host_buffer(&h, 0, 4096), out = host_buffer(&h, 0, 4096);
	cl_uint data[1024], n = 1024, mode = 0;
	cl_ulong lie = 1ul << 40;

	for (cl_uint i = 0; i < 1024; i++)
		data[i] = i;
	ok(clEnqueueWriteBuffer(h.queue, in, CL_TRUE, 0, 4096, data, 0, NULL, NULL));
	ok(clSetKernelArg(kernel, 0, sizeof(in), &in));
	ok(clSetKernelArg(kernel, 1, sizeof(lie), &lie));
	ok(clSetKernelArg(kernel, 2, sizeof(out), &out));
	ok(clSetKernelArg(kernel, 4, sizeof(n), &n));
	ok(clSetKernelArg(kernel, 5, sizeof(mode), &mode));
	ok(clEnqueueTask(h.queue, kernel, 0, NULL, NULL));
	ok(clEnqueueReadBuffer(h.queue, out, CL_TRUE, 0, 4096, data, 0, NULL, NULL));
	for (cl_uint i = 0; i < 1024; i++)
		ck_assert_uint_eq(data[i], i + 1);
	ok(clReleaseMemObject(in));
	ok(clReleaseMemObject(out));
	ok(clReleaseKernel(kernel));
	ok(clReleaseProgram(program));
}
END_TEST

/* Another xclbin is loaded: the first one's kernels say so until it is loaded again. */
START_TEST(reload)
{
	cl_kernel kernel = host_kernel(h.program, "adder");
	cl_mem mem = host_buffer(&h, 0, 4096);
	cl_program other, again;
	cl_event event;

	host_adder(kernel, mem, mem, 1, 4);
	other = host_program(&h, "tests/emu/ek.xclbin");
	ok(clEnqueueTask(h.queue, kernel, 0, NULL, &event));
	fails(clWaitForEvents(1, &event), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
	ck_assert_int_eq(event_status(event), CL_INVALID_PROGRAM_EXECUTABLE);
	ok(clReleaseEvent(event));
	again = host_program(&h, "examples.xclbin");
	ok(clEnqueueTask(h.queue, kernel, 0, NULL, &event));
	ok(clWaitForEvents(1, &event));
	ok(clReleaseEvent(event));
	ok(clReleaseProgram(again));
	ok(clReleaseProgram(other));
	ok(clReleaseMemObject(mem));
	ok(clReleaseKernel(kernel));
}
END_TEST

/* One run for each work-group. */
START_TEST(ranges)
{
	const struct {
		cl_uint dims;
		size_t global[3], local[3];
		bool has_local;
		cl_uint runs;
	} good[] = {
		{ 1, { 1 }, { 1 }, true, 1 },	     { 1, { 5 }, { 1 }, true, 5 },  { 2, { 6, 4 }, { 3, 2 }, true, 4 },
		{ 3, { 2, 2, 2 }, { 1, 1, 2 }, true, 4 }, { 1, { 100 }, { 0 }, false, 1 }, { 1, { 2500 }, { 1 }, true, 2500 },
	};
	cl_program program = host_program(&h, "tests/emu/ek.xclbin");
	cl_kernel kernel = host_kernel(program, "ek:{ek_1}");
	cl_mem mem = host_buffer(&h, 0, 4096);
	cl_uint count = 0, zero = 0, mode = 1, want = 0;
	size_t one = 1, none = 0, two = 2, three = 3, many = 5000, huge[3] = { 64, 64, 64 };

	ok(clSetKernelArg(kernel, 0, sizeof(mem), &mem));
	ok(clSetKernelArg(kernel, 2, sizeof(mem), &mem));
	ok(clSetKernelArg(kernel, 4, sizeof(zero), &zero));
	ok(clSetKernelArg(kernel, 5, sizeof(mode), &mode));
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ok(clEnqueueNDRangeKernel(h.queue, kernel, good[i].dims, NULL, good[i].global, good[i].has_local ? good[i].local : NULL, 0, NULL, NULL));
		ok(clEnqueueReadBuffer(h.queue, mem, CL_TRUE, 0, 4, &count, 0, NULL, NULL));
		want += good[i].runs;
		ck_assert_uint_eq(count, want);
	}
#define RANGE(dims, global, local) clEnqueueNDRangeKernel(h.queue, kernel, dims, NULL, global, local, 0, NULL, NULL)
	fails(RANGE(0, &one, NULL), CL_INVALID_WORK_DIMENSION);
	fails(RANGE(4, &one, NULL), CL_INVALID_WORK_DIMENSION);
	fails(RANGE(1, NULL, NULL), CL_INVALID_GLOBAL_WORK_SIZE);
	fails(RANGE(1, &none, NULL), CL_INVALID_GLOBAL_WORK_SIZE);
	fails(RANGE(1, &three, &two), CL_INVALID_WORK_GROUP_SIZE);
	fails(RANGE(1, &three, &none), CL_INVALID_WORK_GROUP_SIZE);
	fails(RANGE(1, &many, &many), CL_INVALID_WORK_ITEM_SIZE);
	fails(RANGE(3, huge, huge), CL_INVALID_WORK_GROUP_SIZE);
	none = SIZE_MAX;
	fails(clEnqueueNDRangeKernel(h.queue, kernel, 1, &none, &one, NULL, 0, NULL, NULL), CL_INVALID_GLOBAL_OFFSET);
	fails(clEnqueueNDRangeKernel(h.queue, (cl_kernel)h.context, 1, NULL, &one, NULL, 0, NULL, NULL), CL_INVALID_KERNEL);
	ok(clReleaseMemObject(mem));
	ok(clReleaseKernel(kernel));
	ok(clReleaseProgram(program));
}
END_TEST

static void misbehave(cl_kernel kernel, cl_mem mem, cl_uint mode)
{
	ok(clSetKernelArg(kernel, 5, sizeof(mode), &mode));
	ok(clSetKernelArg(kernel, 0, sizeof(mem), &mem));
	ok(clSetKernelArg(kernel, 2, sizeof(mem), &mem));
	ok(clSetKernelArg(kernel, 4, sizeof(mode), &mode));
}

/* A kernel that crashes, or never ends: its event and what waits for it fail, the next one runs, on the only compute unit. */
START_TEST(faults)
{
	cl_program program;
	cl_kernel kernel;
	cl_mem mem = host_buffer(&h, 0, 4096);
	cl_event crash, after;

	setenv("SMARTSSD_RUN_TIMEOUT_MS", "1000", 1);
	program = host_program(&h, "tests/emu/ek.xclbin");
	kernel = host_kernel(program, "ek:{ek_2}");
	for (cl_uint mode = 2; mode <= 3; mode++) {
		misbehave(kernel, mem, mode);
		ok(clEnqueueTask(h.queue, kernel, 0, NULL, &crash));
		misbehave(kernel, mem, 0);
		ok(clEnqueueTask(h.queue, kernel, 1, &crash, &after));
		fails(clWaitForEvents(1, &after), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
		ck_assert_int_eq(event_status(crash), CL_OUT_OF_RESOURCES);
		ck_assert_int_eq(event_status(after), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
		ok(clReleaseEvent(crash));
		ok(clReleaseEvent(after));
		/* Behind it in the order of the queue only. Nobody has an event of the first: both may go as one job. */
		misbehave(kernel, mem, mode);
		ok(clEnqueueTask(h.queue, kernel, 0, NULL, NULL));
		ok(clEnqueueTask(h.queue, kernel, 0, NULL, NULL));
		misbehave(kernel, mem, 0);
		ok(clEnqueueTask(h.queue, kernel, 0, NULL, &after));
		ok(clWaitForEvents(1, &after));
		ok(clReleaseEvent(after));
	}
	ok(clReleaseMemObject(mem));
	ok(clReleaseKernel(kernel));
	ok(clReleaseProgram(program));
}
END_TEST

/* Many runs without order on one compute unit, some of which crash: the others are not their victims. */
START_TEST(victims)
{
	enum { N = 30 };
	cl_program program = host_program(&h, "tests/emu/ek.xclbin");
	cl_kernel kernel = host_kernel(program, "ek:{ek_1}");
	cl_command_queue queue = host_queue(&h, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
	cl_mem mem = host_buffer(&h, 0, 4096);
	cl_event events[N];

	for (int i = 0; i < N; i++) {
		misbehave(kernel, mem, i % 7 == 3 ? 2 : 0);
		ok(clEnqueueTask(queue, kernel, 0, NULL, &events[i]));
	}
	for (int i = N - 1; i >= 0; i--) {
		fails(clWaitForEvents(1, &events[i]), i % 7 == 3 ? CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST : CL_SUCCESS);
		ok(clReleaseEvent(events[i]));
	}
	ok(clReleaseMemObject(mem));
	ok(clReleaseCommandQueue(queue));
	ok(clReleaseKernel(kernel));
	ok(clReleaseProgram(program));
}
END_TEST

/*
 * Commands in the order of a queue, behind one run as one job, when the run (@where 0: none) crashes, or is refused because another queue's run has made the
 * compute unit crash or hang: each command runs once, after the one before it.
 */
static void chain(cl_kernel kernel, cl_mem scrap, cl_uint mode, cl_uint where)
{
	enum { N = 5 };
	cl_command_queue other = host_queue(&h, 0);
	cl_mem counter = host_buffer(&h, 0, 4096);
	cl_event start = clCreateUserEvent(h.context, NULL), bad = NULL;
	cl_uint seen[N], want = 0;

	ok(clEnqueueFillBuffer(h.queue, counter, &(cl_uint){ 0 }, 4, 0, 4, 0, NULL, NULL));
	for (cl_uint i = 1; i <= N; i++) {
		misbehave(kernel, i == where ? scrap : counter, i == where ? mode : 1);
		ok(clEnqueueTask(h.queue, kernel, i == 1, i == 1 ? &start : NULL, NULL));
		ok(clEnqueueReadBuffer(h.queue, counter, CL_FALSE, 0, 4, &seen[i - 1], 0, NULL, NULL));
	}
	if (!where) {
		misbehave(kernel, scrap, mode);
		ok(clEnqueueTask(other, kernel, 0, NULL, &bad));
		if (mode == 3)
			usleep(50000);
	}
	ok(clSetUserEventStatus(start, CL_COMPLETE));
	ok(clReleaseEvent(start));
	ok(clFinish(h.queue));
	for (cl_uint i = 1; i <= N; i++) {
		want += i != where;
		ck_assert_msg(seen[i - 1] == want, "mode %u at %u: %u runs after the %u. command, not %u", mode, where, seen[i - 1], i, want);
	}
	if (bad) {
		fails(clWaitForEvents(1, &bad), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
		ok(clReleaseEvent(bad));
	}
	ok(clReleaseMemObject(counter));
	ok(clReleaseCommandQueue(other));
}

START_TEST(chains)
{
	cl_program program;
	cl_kernel kernel;
	cl_mem scrap = host_buffer(&h, 0, 4096);

	setenv("SMARTSSD_RUN_TIMEOUT_MS", "500", 1);
	program = host_program(&h, "tests/emu/ek.xclbin");
	kernel = host_kernel(program, "ek:{ek_1}");
	for (cl_uint where = 0; where <= 3; where++)
		chain(kernel, scrap, 2, where);
	for (cl_uint where = 0; where <= 2; where += 2)
		chain(kernel, scrap, 3, where);
	ok(clReleaseMemObject(scrap));
	ok(clReleaseKernel(kernel));
	ok(clReleaseProgram(program));
}
END_TEST

/* Several queues on the same compute units, with runs that crash in each: all others run once. */
START_TEST(crashes)
{
	enum { QUEUES = 4, RUNS = 12, ROUNDS = 4 };
	cl_program program = host_program(&h, "tests/emu/ek.xclbin");
	cl_kernel kernel = host_kernel(program, "ek:{ek_1}");
	cl_mem scrap = host_buffer(&h, 0, 4096), counter[QUEUES];
	cl_command_queue queue[QUEUES];
	cl_uint runs, want;
	cl_event start;

	for (int round = 0; round < ROUNDS; round++) {
		start = clCreateUserEvent(h.context, NULL);
		for (int q = 0; q < QUEUES; q++) {
			queue[q] = host_queue(&h, 0);
			counter[q] = host_buffer(&h, 0, 4096);
			ok(clEnqueueFillBuffer(queue[q], counter[q], &(cl_uint){ 0 }, 4, 0, 4, 0, NULL, NULL));
			ok(clEnqueueMarkerWithWaitList(queue[q], 1, &start, NULL));
			for (int i = 0; i < RUNS; i++) {
				misbehave(kernel, (i + q) % 5 == 0 ? scrap : counter[q], (i + q) % 5 == 0 ? 2 : 1);
				ok(clEnqueueTask(queue[q], kernel, 0, NULL, NULL));
			}
		}
		ok(clSetUserEventStatus(start, CL_COMPLETE));
		for (int q = 0; q < QUEUES; q++) {
			want = 0;
			for (int i = 0; i < RUNS; i++)
				want += (i + q) % 5 != 0;
			ok(clEnqueueReadBuffer(queue[q], counter[q], CL_TRUE, 0, 4, &runs, 0, NULL, NULL));
			ck_assert_msg(runs == want, "round %d, queue %d: %u runs, not %u", round, q, runs, want);
			ok(clReleaseCommandQueue(queue[q]));
			ok(clReleaseMemObject(counter[q]));
		}
		ok(clReleaseEvent(start));
	}
	ok(clReleaseMemObject(scrap));
	ok(clReleaseKernel(kernel));
	ok(clReleaseProgram(program));
}
END_TEST

/* Released while a kernel still has it: its memory is waited for when there is no other; not for ever, when the kernel waits for what comes next. */
START_TEST(released_in_use)
{
	cl_program program = host_program(&h, "tests/emu/ek.xclbin");
	cl_kernel kernel = host_kernel(program, "ek");
	cl_event start = clCreateUserEvent(h.context, NULL);
	size_t most = host_memory(&h) / 4 * 3;
	cl_mem mem = host_buffer(&h, 0, most);
	cl_int ret;

	misbehave(kernel, mem, 1);
	ok(clSetKernelArg(kernel, 4, sizeof(cl_uint), &(cl_uint){ 200 })); /* ms */
	ok(clEnqueueTask(h.queue, kernel, 0, NULL, NULL));
	ok(clReleaseMemObject(mem));
	mem = host_buffer(&h, 0, most);
	misbehave(kernel, mem, 1);
	ok(clEnqueueTask(h.queue, kernel, 1, &start, NULL));
	ok(clReleaseMemObject(mem));
	ck_assert_ptr_null(clCreateBuffer(h.context, 0, most, NULL, &ret));
	fails(ret, CL_MEM_OBJECT_ALLOCATION_FAILURE);
	ok(clSetUserEventStatus(start, CL_COMPLETE));
	mem = host_buffer(&h, 0, most);
	ok(clReleaseMemObject(mem));
	ok(clReleaseEvent(start));
	ok(clReleaseKernel(kernel));
	ok(clReleaseProgram(program));
}
END_TEST

static void add(TCase *t)
{
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, binaries);
	tcase_add_test(t, build_and_ask);
	tcase_add_test(t, names);
	tcase_add_test(t, kernel_information);
	tcase_add_test(t, arguments);
	tcase_add_test(t, bounds);
	tcase_add_test(t, reload);
	tcase_add_test(t, ranges);
	tcase_add_test(t, faults);
	tcase_add_test(t, victims);
	tcase_add_test(t, chains);
	tcase_add_test(t, crashes);
	tcase_add_test(t, released_in_use);
}

int main(void)
{
	return suite_main("opencl_program", add);
}
