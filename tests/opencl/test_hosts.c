// SPDX-License-Identifier: BSD-2-Clause
/* Host programs in the vendor's idiom: data goes between files and mapped peer-to-peer buffers by plain pread() and pwrite(). */
#include <fcntl.h>
#include <sys/stat.h>
#include "opencl_test.h"

#define PIECE (256u << 10)
#define WORDS (PIECE / 4)

static struct host h;
static char path[512];

/* A file of @bytes in which word i is i * 3; opened with O_DIRECT where the filesystem can. */
static int make_file(size_t bytes, bool fill)
{
	int fd, direct;

	snprintf(path, sizeof(path), "%s/smartssd-opencl-XXXXXX", host_dir());
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)bytes), 0);
	if (fill) {
		cl_uint *words = malloc(bytes);

		for (size_t i = 0; i < bytes / 4; i++)
			words[i] = (cl_uint)i * 3;
		ck_assert_int_eq(pwrite(fd, words, bytes, 0), (ssize_t)bytes);
		ck_assert_int_eq(fsync(fd), 0);
		free(words);
	}
	direct = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	unlink(path);
	ck_assert_msg(direct >= 0 || !getenv("OPENCL_TEST_DIR"), "no O_DIRECT in %s", host_dir());
	if (direct < 0)
		return fd;
	close(fd);
	return direct;
}

static void *map_p2p(cl_mem mem, size_t bytes)
{
	cl_int ret;
	void *p = clEnqueueMapBuffer(h.queue, mem, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0, bytes, 0, NULL, NULL, &ret);

	ck_assert_msg(!ret, "%d %s", ret, host_said());
	return p;
}

/* SSD -> P2P buffer -> kernel -> host */
START_TEST(read_and_run)
{
	static cl_uint back[WORDS];
	int fd;
	cl_kernel kernel;
	cl_mem in, out;
	void *p;

	host_open(&h, NULL);
	fd = make_file(PIECE, true);
	kernel = host_kernel(h.program, "adder");
	in = host_p2p(&h, PIECE);
	out = host_buffer(&h, CL_MEM_WRITE_ONLY, PIECE);
	p = map_p2p(in, PIECE);
	ck_assert_int_eq(pread(fd, p, PIECE, 0), PIECE);
	host_adder(kernel, in, out, 10, WORDS);
	ok(clEnqueueTask(h.queue, kernel, 0, NULL, NULL));
	ok(clEnqueueReadBuffer(h.queue, out, CL_TRUE, 0, PIECE, back, 0, NULL, NULL));
	for (cl_uint i = 0; i < WORDS; i++)
		if (back[i] != i * 3 + 10)
			ck_abort_msg("word %u is %u", i, back[i]);
	ok(clEnqueueUnmapMemObject(h.queue, in, p, 0, NULL, NULL));
	ok(clReleaseMemObject(in));
	ok(clReleaseMemObject(out));
	ok(clReleaseKernel(kernel));
	close(fd);
	host_close(&h);
}
END_TEST

/* host -> kernel -> P2P buffer -> SSD */
START_TEST(run_and_write)
{
	static cl_uint words[WORDS];
	int fd;
	cl_kernel kernel;
	cl_mem in, out;
	cl_event done;
	void *p, *aligned;

	host_open(&h, NULL);
	fd = make_file(PIECE, false);
	kernel = host_kernel(h.program, "copy");
	in = host_buffer(&h, CL_MEM_READ_ONLY, PIECE);
	out = host_p2p(&h, PIECE);
	p = map_p2p(out, PIECE);
	for (cl_uint i = 0; i < WORDS; i++)
		words[i] = i ^ 0x5a5a;
	ok(clEnqueueWriteBuffer(h.queue, in, CL_FALSE, 0, PIECE, words, 0, NULL, NULL));
	ok(clSetKernelArg(kernel, 0, sizeof(in), &in));
	ok(clSetKernelArg(kernel, 1, sizeof(out), &out));
	ok(clSetKernelArg(kernel, 2, sizeof(cl_ulong), &(cl_ulong){ PIECE }));
	ok(clEnqueueTask(h.queue, kernel, 0, NULL, &done));
	ok(clWaitForEvents(1, &done));
	ck_assert_int_eq(pwrite(fd, p, PIECE, 0), PIECE);
	ck_assert_int_eq(posix_memalign(&aligned, 4096, PIECE), 0);
	ck_assert_int_eq(pread(fd, aligned, PIECE, 0), PIECE);
	ck_assert_mem_eq(aligned, words, PIECE);
	free(aligned);
	ok(clReleaseEvent(done));
	ok(clEnqueueUnmapMemObject(h.queue, out, p, 0, NULL, NULL));
	ok(clReleaseMemObject(in));
	ok(clReleaseMemObject(out));
	ok(clReleaseKernel(kernel));
	close(fd);
	host_close(&h);
}
END_TEST

/* Several buffers in a ring on an out-of-order queue: piece i is read from the drive while the pieces before it run and go back to the host. */
START_TEST(overlapped)
{
	enum { RING = 3, PIECES = 24 };
	static cl_uint result[PIECES * WORDS];
	cl_command_queue queue;
	cl_kernel kernel;
	cl_mem in[RING], out[RING];
	cl_event ran[RING] = { NULL }, copied[RING] = { NULL };
	void *p[RING];
	int fd;

	host_open(&h, NULL);
	queue = host_queue(&h, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE | CL_QUEUE_PROFILING_ENABLE);
	kernel = host_kernel(h.program, "adder");
	fd = make_file((size_t)PIECES * PIECE, true);
	for (int i = 0; i < RING; i++) {
		in[i] = host_p2p(&h, PIECE);
		out[i] = host_buffer(&h, CL_MEM_WRITE_ONLY, PIECE);
		p[i] = map_p2p(in[i], PIECE);
	}
	for (int i = 0; i < PIECES; i++) {
		int slot = i % RING;

		if (ran[slot]) { /* its buffer is free when its kernel has run */
			ok(clWaitForEvents(1, &ran[slot]));
			ok(clReleaseEvent(ran[slot]));
		}
		ck_assert_int_eq(pread(fd, p[slot], PIECE, (off_t)i * PIECE), PIECE);
		host_adder(kernel, in[slot], out[slot], i, WORDS);
		ok(clEnqueueTask(queue, kernel, copied[slot] ? 1 : 0, copied[slot] ? &copied[slot] : NULL, &ran[slot]));
		if (copied[slot])
			ok(clReleaseEvent(copied[slot]));
		ok(clEnqueueReadBuffer(queue, out[slot], CL_FALSE, 0, PIECE, result + (size_t)i * WORDS, 1, &ran[slot], &copied[slot]));
	}
	ok(clFinish(queue));
	for (cl_uint i = 0; i < PIECES * WORDS; i++)
		if (result[i] != i * 3 + i / WORDS)
			ck_abort_msg("word %u is %u", i, result[i]);
	for (int i = 0; i < RING; i++) {
		ok(clReleaseEvent(ran[i]));
		ok(clReleaseEvent(copied[i]));
		ok(clEnqueueUnmapMemObject(h.queue, in[i], p[i], 0, NULL, NULL));
		ok(clReleaseMemObject(in[i]));
		ok(clReleaseMemObject(out[i]));
	}
	ok(clReleaseKernel(kernel));
	ok(clReleaseCommandQueue(queue));
	close(fd);
	host_close(&h);
}
END_TEST

typedef cl_int(CL_API_CALL *get_fd_fn)(cl_mem mem, int *fd);
typedef cl_int(CL_API_CALL *from_fd_fn)(cl_context context, cl_device_id device, cl_mem_flags flags, int fd, cl_mem *mem);

/* The third of the example kernels: reads over and over. */
START_TEST(bandwidth)
{
	static uint64_t words[PIECE / 8], back[PIECE / 8];
	uint64_t sum = 0, got;
	cl_uint nr = PIECE / 8 - 3, repeat = 5;
	cl_kernel kernel;
	cl_mem in, out, total;

	host_open(&h, NULL);
	for (cl_uint i = 0; i < PIECE / 8; i++)
		words[i] = i * 0x123456789abcdefull;
	for (cl_uint i = 0; i < nr; i++)
		sum += words[i] * repeat;
	kernel = host_kernel(h.program, "bandwidth");
	in = host_buffer(&h, 0, PIECE);
	out = host_buffer(&h, 0, PIECE);
	total = host_buffer(&h, 0, 8);
	ok(clEnqueueWriteBuffer(h.queue, in, CL_TRUE, 0, PIECE, words, 0, NULL, NULL));
	ok(clSetKernelArg(kernel, 0, sizeof(in), &in));
	ok(clSetKernelArg(kernel, 1, sizeof(out), &out));
	ok(clSetKernelArg(kernel, 2, sizeof(total), &total));
	ok(clSetKernelArg(kernel, 3, sizeof(nr), &nr));
	ok(clSetKernelArg(kernel, 4, sizeof(repeat), &repeat));
	ok(clEnqueueTask(h.queue, kernel, 0, NULL, NULL));
	ok(clEnqueueReadBuffer(h.queue, total, CL_TRUE, 0, 8, &got, 0, NULL, NULL));
	ok(clEnqueueReadBuffer(h.queue, out, CL_TRUE, 0, PIECE, back, 0, NULL, NULL));
	ck_assert_uint_eq(got, sum);
	ck_assert_mem_eq(back, words, nr * 8);
	for (cl_uint i = nr; i < PIECE / 8; i++)
		ck_assert_uint_eq(back[i], 0);
	ok(clReleaseMemObject(in));
	ok(clReleaseMemObject(out));
	ok(clReleaseMemObject(total));
	ok(clReleaseKernel(kernel));
	host_close(&h);
}
END_TEST

/* Two cards in one context: what one computed goes to the other by a descriptor, and is computed with there. */
START_TEST(two_cards)
{
	static cl_uint back[WORDS];
	cl_command_queue second;
	cl_kernel kernel;
	cl_mem in, out, imported, there, result;
	get_fd_fn get_fd;
	from_fd_fn from_fd;
	size_t bytes;
	void *p;
	int fd, file;
	cl_int ret;

	host_open(&h, "emu:ddr=64M,serial=1 emu:ddr=64M,serial=2");
	ck_assert_uint_eq(h.nr_devices, 2);
	*(void **)&get_fd = clGetExtensionFunctionAddressForPlatform(h.platform, "xclGetMemObjectFd");
	*(void **)&from_fd = clGetExtensionFunctionAddressForPlatform(h.platform, "xclGetMemObjectFromFd");
	second = clCreateCommandQueue(h.context, h.device[1], 0, &ret);
	ok(ret);
	kernel = host_kernel(h.program, "adder");
	file = make_file(PIECE, true);
	in = host_p2p(&h, PIECE);
	out = host_p2p(&h, PIECE);
	there = host_buffer(&h, 0, PIECE);
	result = host_buffer(&h, 0, PIECE);
	/* No device of the context has it yet */
	fails(get_fd(result, &fd), CL_INVALID_MEM_OBJECT);
	ck_assert_msg(strstr(host_said(), "none of the context's 2 cards"), "%s", host_said());

	p = map_p2p(in, PIECE);
	ck_assert_int_eq(pread(file, p, PIECE, 0), PIECE);
	host_adder(kernel, in, out, 1, WORDS);
	ok(clEnqueueTask(h.queue, kernel, 0, NULL, NULL));
	ok(clFinish(h.queue));
	ok(get_fd(out, &fd));
	ok(from_fd(h.context, h.device[1], 0, fd, &imported));
	ok(clGetMemObjectInfo(imported, CL_MEM_SIZE, sizeof(bytes), &bytes, NULL));
	ck_assert_uint_eq(bytes, PIECE);
	ok(clEnqueueCopyBuffer(second, imported, there, 0, 0, PIECE, 0, NULL, NULL));
	host_adder(kernel, there, result, 100, WORDS);
	ok(clEnqueueTask(second, kernel, 0, NULL, NULL));
	ok(clEnqueueReadBuffer(second, result, CL_TRUE, 0, PIECE, back, 0, NULL, NULL));
	for (cl_uint i = 0; i < WORDS; i++)
		if (back[i] != i * 3 + 101)
			ck_abort_msg("word %u is %u", i, back[i]);
	/* As an argument of the wrong card it is refused, not used. */
	host_adder(kernel, imported, result, 0, 1);
	{
		cl_event event;

		ok(clEnqueueTask(second, kernel, 0, NULL, &event));
		fails(clWaitForEvents(1, &event), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
		ck_assert_int_lt(event_status(event), 0);
		ok(clReleaseEvent(event));
	}
	fails(get_fd(out, NULL), CL_INVALID_VALUE);
	fails(get_fd((cl_mem)h.queue, &fd), CL_INVALID_MEM_OBJECT);
	fails(from_fd(h.context, h.device[1], 0, -1, &imported), CL_INVALID_VALUE);
	fails(from_fd(h.context, h.device[1], 0, file, &in), CL_INVALID_MEM_OBJECT);
	fails(from_fd(h.context, (cl_device_id)h.queue, 0, fd, &in), CL_INVALID_DEVICE);
	fails(from_fd(h.context, h.device[1], 0, fd, NULL), CL_INVALID_VALUE);
	close(fd);
	close(file);
	ok(clEnqueueUnmapMemObject(h.queue, in, p, 0, NULL, NULL));
	ok(clReleaseMemObject(imported));
	ok(clReleaseMemObject(in));
	ok(clReleaseMemObject(out));
	ok(clReleaseMemObject(there));
	ok(clReleaseMemObject(result));
	ok(clReleaseKernel(kernel));
	ok(clReleaseCommandQueue(second));
	host_close(&h);
}
END_TEST

/* Each device's binary has a status of its own. */
START_TEST(binary_statuses)
{
	const struct {
		size_t cut[2];
		cl_int status[2], ret;
	} cases[] = {
		{ { 1, 1 }, { CL_SUCCESS, CL_SUCCESS }, CL_SUCCESS },
		{ { 2, 1 }, { CL_INVALID_BINARY, CL_SUCCESS }, CL_INVALID_BINARY },
		{ { 1, 2 }, { CL_SUCCESS, CL_INVALID_BINARY }, CL_INVALID_BINARY },
		{ { 2, 2 }, { CL_INVALID_BINARY, CL_INVALID_BINARY }, CL_INVALID_BINARY },
		{ { 0, 1 }, { CL_INVALID_VALUE, CL_SUCCESS }, CL_INVALID_VALUE },
	};
	const unsigned char *binaries[2];
	cl_int status[2], ret;
	cl_program program;
	size_t bytes;
	void *data;

	host_open(&h, "emu:ddr=64M,serial=1 emu:ddr=64M,serial=2");
	data = host_read_file("examples.xclbin", &bytes);
	binaries[0] = binaries[1] = data;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const size_t lengths[2] = { cases[i].cut[0] ? bytes / cases[i].cut[0] : 0, cases[i].cut[1] ? bytes / cases[i].cut[1] : 0 };

		status[0] = status[1] = 1;
		program = clCreateProgramWithBinary(h.context, 2, h.device, lengths, binaries, status, &ret);
		fails(ret, cases[i].ret);
		ck_assert_int_eq(!program, !!ret);
		for (int d = 0; d < 2; d++)
			ck_assert_msg(status[d] == cases[i].status[d], "case %zu, device %d: %d", i, d, status[d]);
		if (program)
			ok(clReleaseProgram(program));
	}
	free(data);
	host_close(&h);
}
END_TEST

START_TEST(several_devices)
{
	cl_uint nr = 0;
	cl_ulong bytes;
	char text[16];

	setenv("SMARTSSD_DEVICE", "emu:ddr=64M  emu:ddr=32M,serial=9", 1);
	setenv("SMARTSSD_OPENCL_PLATFORM", "Other", 1);
	host_open(&h, NULL);
	ok(clGetDeviceIDs(h.platform, CL_DEVICE_TYPE_ALL, 0, NULL, &nr));
	ck_assert_uint_eq(nr, 2);
	ok(clGetDeviceInfo(h.device[1], CL_DEVICE_GLOBAL_MEM_SIZE, sizeof(bytes), &bytes, NULL));
	ck_assert_uint_eq(bytes, 32 << 20);
	ok(clGetPlatformInfo(h.platform, CL_PLATFORM_NAME, sizeof(text), text, NULL));
	ck_assert_str_eq(text, "Other");
	host_close(&h);
}
END_TEST

/* One buffer of the context used on one card after the other: what it holds follows. */
START_TEST(follows)
{
	cl_command_queue queue[2];
	cl_uint words[1024], back[1024];
	cl_kernel kernel;
	cl_mem mem, copied;
	cl_event event, last = NULL;
	cl_int ret;

	host_open(&h, "emu:ddr=64M,serial=1 emu:ddr=64M,serial=2");
	for (int i = 0; i < 2; i++) {
		queue[i] = clCreateCommandQueue(h.context, h.device[i], CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, &ret);
		ok(ret);
	}
	kernel = host_kernel(h.program, "adder");
	for (cl_uint i = 0; i < 1024; i++)
		words[i] = i;
	copied = clCreateBuffer(h.context, CL_MEM_COPY_HOST_PTR, sizeof(words), words, &ret);
	ok(ret);
	mem = host_buffer(&h, 0, sizeof(words));
	ok(clEnqueueCopyBuffer(queue[1], copied, mem, 0, 0, sizeof(words), 0, NULL, &last));
	host_adder(kernel, mem, mem, 1, 1024);
	for (int i = 0; i < 20; i++) {
		ok(clEnqueueTask(queue[i % 2], kernel, 1, &last, &event));
		ok(clReleaseEvent(last));
		last = event;
	}
	ok(clEnqueueReadBuffer(queue[0], mem, CL_TRUE, 0, sizeof(back), back, 1, &last, NULL));
	for (cl_uint i = 0; i < 1024; i++)
		ck_assert_uint_eq(back[i], i + 20);
	ok(clReleaseEvent(last));
	ok(clReleaseMemObject(mem));
	ok(clReleaseMemObject(copied));
	ok(clReleaseKernel(kernel));
	for (int i = 0; i < 2; i++)
		ok(clReleaseCommandQueue(queue[i]));
	host_close(&h);
}
END_TEST

/* No peer path: a map of a P2P buffer says what pread() on it will not do, and why; data gets there all the same. */
START_TEST(no_peer)
{
	cl_uint words[16] = { 1, 2, 3 }, back[16];
	cl_mem mem;
	void *p;

	host_open(&h, "emu:ddr=64M,peer=off");
	mem = host_p2p(&h, 4096);
	p = map_p2p(mem, 4096);
	ck_assert_msg(strstr(host_said(), "pread()") && strstr(host_said(), "switched off"), "%s", host_said());
	ok(clEnqueueWriteBuffer(h.queue, mem, CL_TRUE, 0, sizeof(words), words, 0, NULL, NULL));
	ok(clEnqueueReadBuffer(h.queue, mem, CL_TRUE, 0, sizeof(back), back, 0, NULL, NULL));
	ck_assert_mem_eq(words, back, sizeof(words));
	ok(clEnqueueUnmapMemObject(h.queue, mem, p, 0, NULL, NULL));
	ok(clReleaseMemObject(mem));
	host_close(&h);
}
END_TEST

static void add(TCase *t)
{
	tcase_add_test(t, read_and_run);
	tcase_add_test(t, run_and_write);
	tcase_add_test(t, overlapped);
	tcase_add_test(t, bandwidth);
	tcase_add_test(t, binary_statuses);
	tcase_add_test(t, several_devices);
	tcase_add_test(t, two_cards);
	tcase_add_test(t, follows);
	tcase_add_test(t, no_peer);
}

int main(void)
{
	return suite_main("opencl_hosts", add);
}
