// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a launch costs on the embedded card: SUBMIT of one RUN of an empty kernel until WAIT has its result, 100,000 times, this
 * process and the compute unit's worker pinned to one core. The promise is a median under 10 us.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "../../runtime/libsmartssd.h"

#define ROUNDS 100000
#define WARM   2000

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int fail(const char *what, int ret)
{
	fprintf(stderr, "bench_launch: %s: %s\n", what, strerror(-ret));
	return 1;
}

/* Also of what is started from here on. */
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

int main(void)
{
	static uint64_t took[ROUNDS];
	struct smartssd_error err = { "" };
	struct smartssd_device *dev;
	struct smartssd_cmd cmd = { .op = SMARTSSD_OP_RUN };
	struct smartssd_submit submit = { .size = sizeof(submit), .cmds = (uintptr_t)&cmd, .nr_cmds = 1 };
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 64);
	int i, ret;

	pin();
	if (n < 0)
		return fail("/proc/self/exe", -1);
	path[n] = 0;
	strcpy(strrchr(path, '/'), "/../emu/ek.xclbin");
	ret = smartssd_open("emu:", &dev, &err);
	if (!ret)
		ret = smartssd_xclbin_load_file(dev, path, &err);
	if (ret)
		return fail(err.text, ret);
	cmd.run.cu_mask = smartssd_find_kernel(dev, "noop");
	if (!cmd.run.cu_mask)
		return fail("no kernel noop", -ENOEXEC);

	for (i = -WARM; i < ROUNDS; i++) {
		struct smartssd_wait wait = { .size = sizeof(wait), .deadline_ns = SMARTSSD_DEADLINE_NEVER };
		uint64_t start = now();

		ret = smartssd_ioctl(dev, SMARTSSD_IOC_SUBMIT, &submit);
		if (ret)
			return fail("submit", ret);
		wait.job = submit.job;
		ret = smartssd_ioctl(dev, SMARTSSD_IOC_WAIT, &wait);
		if (ret || wait.status)
			return fail("wait", ret ? ret : wait.status);
		if (i >= 0)
			took[i] = now() - start;
	}
	smartssd_close(dev);
	qsort(took, ROUNDS, sizeof(took[0]), compare);
	printf("launch of an empty kernel, submit to result, one core, %d times: median %.2f us, p99 %.2f us "
	       "(wanted: median under 10 us: %s)\n", ROUNDS,
	       took[ROUNDS / 2] / 1e3, took[ROUNDS * 99 / 100] / 1e3, took[ROUNDS / 2] < 10000 ? "yes" : "no");
	return 0;
}
