// SPDX-License-Identifier: BSD-2-Clause
#include "opencl_test.h"

static char said[4096];

static void CL_CALLBACK notify(const char *text, const void *data, size_t bytes, void *user)
{
	(void)data, (void)bytes, (void)user;
	snprintf(said, sizeof(said), "%s", text);
}

const char *host_said(void)
{
	return said;
}

/* build/tests/opencl/X, build/san/tests/opencl/X: three levels up from the program are its libraries; the xclbins are in build. */
static void own_tree(char *path, size_t room)
{
	ssize_t n = readlink("/proc/self/exe", path, room - 1);

	ck_assert_int_gt(n, 0);
	path[n] = 0;
	for (int i = 0; i < 3; i++)
		*strrchr(path, '/') = 0;
}

const char *build_dir(void)
{
	static char path[4096];
	char *last;

	own_tree(path, sizeof(path));
	last = strrchr(path, '/');
	if (!strcmp(last, "/san") || !strcmp(last, "/tsan"))
		*last = 0;
	return path;
}

void *host_read_file(const char *name, size_t *bytes)
{
	char path[8192];
	FILE *f;
	void *data;

	snprintf(path, sizeof(path), "%s/%s", build_dir(), name);
	f = fopen(path, "rb");
	ck_assert_msg(f, "%s", path);
	data = malloc(16 << 20);
	*bytes = fread(data, 1, 16 << 20, f);
	fclose(f);
	ck_assert_uint_gt(*bytes, 0);
	return data;
}

cl_program host_program(struct host *h, const char *xclbin)
{
	const unsigned char *binaries[MAX_DEVICES];
	size_t lengths[MAX_DEVICES], bytes;
	cl_int status[MAX_DEVICES], ret;
	cl_program program;
	void *data = host_read_file(xclbin, &bytes);

	for (cl_uint i = 0; i < h->nr_devices; i++) {
		binaries[i] = data;
		lengths[i] = bytes;
		status[i] = -1;
	}
	program = clCreateProgramWithBinary(h->context, h->nr_devices, h->device, lengths, binaries, status, &ret);
	ck_assert_msg(!ret, "%d: %s", ret, said);
	for (cl_uint i = 0; i < h->nr_devices; i++)
		ok(status[i]);
	free(data);
	return program;
}

const char *host_dir(void)
{
	const char *dir = getenv("OPENCL_TEST_DIR");

	return dir ? dir : "/var/tmp";
}

void host_open(struct host *h, const char *devices)
{
	const char *cards = getenv("OPENCL_TEST_CARDS");
	char path[8192];
	cl_uint nr = 0;
	cl_int ret;

	memset(h, 0, sizeof(*h));
	own_tree(path, sizeof(path) - 32);
	strcat(path, "/opencl/vendors");
	setenv("OCL_ICD_VENDORS", path, 1);
	if (devices && strchr(devices, ' ') && cards)
		devices = cards;
	if (devices)
		setenv("SMARTSSD_DEVICE", devices, 1);
	else
		setenv("SMARTSSD_DEVICE", "emu:ddr=256M", 0);
	ok(clGetPlatformIDs(1, &h->platform, &nr));
	ck_assert_uint_eq(nr, 1);
	ok(clGetDeviceIDs(h->platform, CL_DEVICE_TYPE_ALL, MAX_DEVICES, h->device, &h->nr_devices));
	ck_assert_uint_ge(h->nr_devices, 1);
	h->context = clCreateContext(NULL, h->nr_devices, h->device, notify, NULL, &ret);
	ok(ret);
	h->queue = host_queue(h, CL_QUEUE_PROFILING_ENABLE);
	h->program = host_program(h, "examples.xclbin");
}

void host_close(struct host *h)
{
	ok(clFinish(h->queue));
	ok(clReleaseProgram(h->program));
	ok(clReleaseCommandQueue(h->queue));
	ok(clReleaseContext(h->context));
	fails(clReleaseContext(h->context), CL_INVALID_CONTEXT);
	fails(clFinish(h->queue), CL_INVALID_COMMAND_QUEUE);
}

cl_command_queue host_queue(struct host *h, cl_command_queue_properties properties)
{
	cl_int ret;
	cl_command_queue queue = clCreateCommandQueue(h->context, h->device[0], properties, &ret);

	ok(ret);
	return queue;
}

cl_kernel host_kernel(cl_program program, const char *name)
{
	cl_int ret;
	cl_kernel kernel = clCreateKernel(program, name, &ret);

	ck_assert_msg(!ret, "%s: %d %s", name, ret, said);
	return kernel;
}

cl_mem host_buffer(struct host *h, cl_mem_flags flags, size_t bytes)
{
	cl_int ret;
	cl_mem mem = clCreateBuffer(h->context, flags, bytes, NULL, &ret);

	ck_assert_msg(!ret, "%zu bytes: %d %s", bytes, ret, said);
	return mem;
}

cl_mem host_p2p(struct host *h, size_t bytes)
{
	cl_mem_ext_ptr_t ext = { 0 };
	cl_int ret;
	cl_mem mem;

	ext.flags = XCL_MEM_EXT_P2P_BUFFER;
	mem = clCreateBuffer(h->context, CL_MEM_READ_WRITE | CL_MEM_EXT_PTR_XILINX, bytes, &ext, &ret);
	ck_assert_msg(!ret, "%d %s", ret, said);
	return mem;
}

void host_adder(cl_kernel kernel, cl_mem in, cl_mem out, cl_int increment, cl_uint size)
{
	ok(clSetKernelArg(kernel, 0, sizeof(in), &in));
	ok(clSetKernelArg(kernel, 1, sizeof(out), &out));
	ok(clSetKernelArg(kernel, 2, sizeof(increment), &increment));
	ok(clSetKernelArg(kernel, 3, sizeof(size), &size));
}

size_t host_memory(struct host *h)
{
	cl_ulong bytes = 0;

	ok(clGetDeviceInfo(h->device[0], CL_DEVICE_GLOBAL_MEM_SIZE, sizeof(bytes), &bytes, NULL));
	return bytes;
}

cl_int event_status(cl_event event)
{
	cl_int status = 99;

	ok(clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof(status), &status, NULL));
	return status;
}

