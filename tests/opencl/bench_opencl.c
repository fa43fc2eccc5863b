// SPDX-License-Identifier: BSD-2-Clause
/*
 * What OpenCL costs on top of libsmartssd, on the embedded card: an empty kernel from clEnqueueTask to the end of clWaitForEvents against submit and
 * wait (at most 1.5x), and pread() into a mapped P2P buffer against a READ command (at most 1.1x, pieces of 1 MiB and more). Both ways in turn;
 * the file is in the page cache for both, because the embedded card's READ does not use O_DIRECT.
 */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl_ext_xilinx.h>
#include <CL/opencl.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../runtime/libsmartssd.h"

#define BATCHES 60
#define BATCH	500
#define READS	40

static cl_context context;
static cl_command_queue queue;
static cl_kernel kernel;
static struct smartssd_device *dev;
static uint64_t noop;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void check(int ret, const char *what)
{
	if (!ret)
		return;
	fprintf(stderr, "bench_opencl: %s: %d\n", what, ret);
	exit(1);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), compare);
	return v[n / 2];
}

/* This process and the cards' workers on one core: what is compared is work, not where the scheduler puts threads. */
static void pin(void)
{
	cpu_set_t set, one;
	int cpu;

	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	for (cpu = CPU_SETSIZE - 1; cpu > 0 && !CPU_ISSET(cpu, &set); cpu--)
		;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static void open_both(const char *build)
{
	static unsigned char data[4 << 20];
	const unsigned char *binary = data;
	struct smartssd_error err = { "" };
	cl_platform_id platform;
	cl_device_id device;
	char path[4200];
	size_t bytes;
	cl_int ret;
	FILE *f;

	snprintf(path, sizeof(path), "%s/opencl/vendors", build);
	setenv("OCL_ICD_VENDORS", path, 1);
	setenv("SMARTSSD_DEVICE", "emu:ddr=256M", 0);
	snprintf(path, sizeof(path), "%s/tests/emu/ek.xclbin", build);
	check(smartssd_open(NULL, &dev, &err), err.text);
	check(smartssd_xclbin_load_file(dev, path, &err), path);
	noop = smartssd_find_kernel(dev, "noop");
	f = fopen(path, "rb");
	if (!f)
		check(1, path);
	bytes = fread(data, 1, sizeof(data), f);
	fclose(f);
	check(clGetPlatformIDs(1, &platform, NULL), "platform");
	check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ACCELERATOR, 1, &device, NULL), "device");
	context = clCreateContext(NULL, 1, &device, NULL, NULL, &ret);
	check(ret, "context");
	queue = clCreateCommandQueue(context, device, CL_QUEUE_PROFILING_ENABLE, &ret);
	check(ret, "queue");
	kernel = clCreateKernel(clCreateProgramWithBinary(context, 1, &device, &bytes, &binary, NULL, &ret), "noop", &ret);
	check(ret, "kernel");
}

static void task(void)
{
	cl_event event;

	check(clEnqueueTask(queue, kernel, 0, NULL, &event), "clEnqueueTask");
	check(clWaitForEvents(1, &event), "clWaitForEvents");
	clReleaseEvent(event);
}

static void direct(struct smartssd_list *list)
{
	struct smartssd_outcome outcome;
	uint64_t job;

	smartssd_list_clear(list);
	check(smartssd_list_run(list, noop, NULL, 0, 0), "run");
	check(smartssd_submit(dev, list, &job, NULL), "submit");
	check(smartssd_wait(dev, job, SMARTSSD_DEADLINE_NEVER, &outcome, NULL, 0) | outcome.status, "wait");
}

static void launches(void)
{
	static double ours[BATCHES], theirs[BATCHES];
	struct smartssd_list *list;
	double start, a, b;

	check(smartssd_list_create(&list), "list");
	for (int i = 0; i < BATCHES; i++) {
		start = now();
		for (int j = 0; j < BATCH; j++)
			task();
		ours[i] = (now() - start) / BATCH;
		start = now();
		for (int j = 0; j < BATCH; j++)
			direct(list);
		theirs[i] = (now() - start) / BATCH;
	}
	a = median(ours, BATCHES);
	b = median(theirs, BATCHES);
	printf("empty kernel, enqueue to end: OpenCL %.2f us, libsmartssd %.2f us, ratio %.2f (wanted: at most 1.5: %s)\n", a, b, a / b,
	       a <= 1.5 * b ? "yes" : "no");
	start = now();
	for (int i = 0; i < BATCHES * BATCH; i++)
		check(clEnqueueTask(queue, kernel, 0, NULL, NULL), "clEnqueueTask");
	clFinish(queue);
	printf("  the same without events, in order, one clFinish: %.2f us each\n", (now() - start) / (BATCHES * BATCH));
	smartssd_list_destroy(list);
}

static void reads(size_t bytes)
{
	char path[] = "/var/tmp/smartssd-bench-XXXXXX";
	double ours[READS], theirs[READS], start, a, b;
	struct smartssd_extent extent = { 0, 0, bytes };
	cl_mem_ext_ptr_t ext = { 0 };
	struct smartssd_list *list;
	struct smartssd_file file;
	struct smartssd_bo bo;
	int fd = mkstemp(path);
	void *p = calloc(1, bytes);
	cl_mem mem;
	cl_int ret;

	if (fd < 0 || write(fd, p, bytes) != (ssize_t)bytes || fsync(fd))
		check(1, path);
	free(p);
	unlink(path);
	ext.flags = XCL_MEM_EXT_P2P_BUFFER;
	mem = clCreateBuffer(context, CL_MEM_EXT_PTR_XILINX, bytes, &ext, &ret);
	check(ret, "buffer");
	p = clEnqueueMapBuffer(queue, mem, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0, bytes, 0, NULL, NULL, &ret);
	check(ret, "map");
	check(smartssd_list_create(&list), "list");
	check(smartssd_file_register(dev, fd, &file), "register");
	check(smartssd_bo_create(dev, bytes, &bo), "bo");
	check(smartssd_list_read(list, file.file, bo.bo, &extent, 1, 0), "read");
	for (int i = 0; i < READS; i++) {
		start = now();
		if (pread(fd, p, bytes, 0) != (ssize_t)bytes)
			check(1, "pread");
		ours[i] = now() - start;
		start = now();
		check(smartssd_run_list(dev, list, NULL, NULL, 0, NULL), "READ");
		theirs[i] = now() - start;
	}
	a = median(ours, READS);
	b = median(theirs, READS);
	printf("%zu MiB from a file: pread into a mapped P2P buffer %.0f us, READ %.0f us, ratio %.2f (wanted: at most 1.1: %s)\n", bytes >> 20, a, b, a / b,
	       a <= 1.1 * b ? "yes" : "no");
	smartssd_list_destroy(list);
	smartssd_bo_destroy(dev, bo.bo);
	smartssd_file_unregister(dev, file.file);
	check(clEnqueueUnmapMemObject(queue, mem, p, 0, NULL, NULL), "unmap");
	check(clReleaseMemObject(mem), "release");
	close(fd);
}

int main(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n < 0)
		check(1, "/proc/self/exe");
	path[n] = 0;
	for (int i = 0; i < 3; i++)
		*strrchr(path, '/') = 0;
	pin();
	open_both(path);
	launches();
	reads(1 << 20);
	reads(16 << 20);
	return 0;
}
