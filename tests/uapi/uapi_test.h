/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Conformance suite of the ABI, on the kernel's own kselftest harness (its headers come with linux-source). The same programs run on
 * the embedded card and, in the VM, on the driver: $SMARTSSD_DEVICE says which. $SMARTSSD_TEST_DIR is a folder on the drive.
 */
#ifndef UAPI_TEST_H
#define UAPI_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "../../runtime/libsmartssd.h"

/* Arguments and modes of the test kernel, tests/uapi/tk.c */
#define TK_ADD	 0 /* dst[i] = src[i] + 1, i < n */
#define TK_BOUND 1 /* dst[0] = src_bytes, dst[1] = dst_bytes */
#define TK_SPIN	 2 /* never ends */
#define TK_CRASH 3
#define TK_SLEEP 4 /* n milliseconds */

static inline int ut_open(struct smartssd_device **dev)
{
	struct smartssd_error err = { "" };
	int ret = smartssd_open(NULL, dev, &err);

	if (ret)
		fprintf(stderr, "# open: %s: %s\n", strerror(-ret), err.text);
	return ret;
}

/* The test xclbin lies beside the program that was built with it. */
static inline int ut_load(struct smartssd_device *dev)
{
	struct smartssd_error err = { "" };
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);
	int ret;

	if (n < 0)
		return -errno;
	path[n] = 0;
	strcpy(strrchr(path, '/') + 1, "tk.xclbin");
	ret = smartssd_xclbin_load_file(dev, path, &err);
	if (ret)
		fprintf(stderr, "# %s: %s: %s\n", path, strerror(-ret), err.text);
	return ret;
}

static inline const char *ut_dir(void)
{
	const char *dir = getenv("SMARTSSD_TEST_DIR");

	return dir ? dir : "/tmp";
}

/* A new unlinked file of @bytes bytes on the drive: byte i is ut_byte(i). */
static inline uint8_t ut_byte(uint64_t i)
{
	return (i * 2654435761u >> 13) ^ i;
}

static inline int ut_file(uint64_t bytes, int flags)
{
	char path[512];
	uint8_t *data = malloc(bytes + 1);
	uint64_t i;
	int fd, fd2;

	snprintf(path, sizeof(path), "%s/uapi-XXXXXX", ut_dir());
	fd = mkstemp(path);
	if (fd < 0 || !data)
		return -1;
	for (i = 0; i < bytes; i++)
		data[i] = ut_byte(i);
	if (write(fd, data, bytes) != (ssize_t)bytes || fsync(fd))
		return -1;
	free(data);
	fd2 = open(path, flags | O_CLOEXEC);
	close(fd);
	unlink(path);
	return fd2;
}

static inline uint64_t ut_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static inline int ut_submit(struct smartssd_device *dev, const struct smartssd_cmd *cmds, uint32_t nr, __u64 *job, uint32_t *bad)
{
	struct smartssd_submit s = { .size = sizeof(s), .cmds = (uintptr_t)cmds, .nr_cmds = nr };
	int ret = smartssd_ioctl(dev, SMARTSSD_IOC_SUBMIT, &s);

	if (job)
		*job = s.job;
	if (bad)
		*bad = s.bad_cmd;
	return ret;
}

/* Run a list to its end; results[] has nr entries. The job's status, or -errno of submit or wait. */
static inline int ut_run(struct smartssd_device *dev, const struct smartssd_cmd *cmds, uint32_t nr, struct smartssd_result *results)
{
	struct smartssd_wait w = { .size = sizeof(w), .deadline_ns = ut_now() + 25000000000ull, .results = (uintptr_t)results,
				   .nr_results = results ? nr : 0 };
	__u64 job;
	int ret = ut_submit(dev, cmds, nr, &job, NULL);

	if (ret)
		return ret;
	w.job = job;
	ret = smartssd_ioctl(dev, SMARTSSD_IOC_WAIT, &w);
	return ret ? ret : w.status;
}

/* Arguments of one run of the test kernel: src, dst, n, mode. */
struct ut_tk {
	struct smartssd_arg arg[4];
};

static inline struct smartssd_cmd ut_tk_cmd(struct ut_tk *a, uint32_t src, uint32_t dst, uint32_t n, uint32_t mode)
{
	struct smartssd_cmd cmd = { .op = SMARTSSD_OP_RUN };

	a->arg[0] = (struct smartssd_arg){ .index = 0, .bo = src };
	a->arg[1] = (struct smartssd_arg){ .index = 2, .bo = dst };
	a->arg[2] = (struct smartssd_arg){ .index = 4, .value = n };
	a->arg[3] = (struct smartssd_arg){ .index = 5, .value = mode };
	cmd.run.cu_mask = 1;
	cmd.run.args = (uintptr_t)a->arg;
	cmd.run.nr_args = 4;
	return cmd;
}

static inline struct smartssd_cmd ut_rw_cmd(uint32_t op, uint32_t file, uint32_t bo, const struct smartssd_extent *ext, uint32_t nr)
{
	struct smartssd_cmd cmd = { .op = op };

	cmd.rw.file = file;
	cmd.rw.bo = bo;
	cmd.rw.extents = (uintptr_t)ext;
	cmd.rw.nr_extents = nr;
	return cmd;
}

static inline struct smartssd_cmd ut_copy_to(uint32_t bo, uint64_t offset, const void *host, uint64_t bytes)
{
	struct smartssd_cmd cmd = { .op = SMARTSSD_OP_COPY_TO };

	cmd.copy.host = (uintptr_t)host;
	cmd.copy.dst_bo = bo;
	cmd.copy.dst_offset = offset;
	cmd.copy.bytes = bytes;
	return cmd;
}

static inline struct smartssd_cmd ut_copy_from(void *host, uint32_t bo, uint64_t offset, uint64_t bytes)
{
	struct smartssd_cmd cmd = { .op = SMARTSSD_OP_COPY_FROM };

	cmd.copy.host = (uintptr_t)host;
	cmd.copy.src_bo = bo;
	cmd.copy.src_offset = offset;
	cmd.copy.bytes = bytes;
	return cmd;
}

static inline uint32_t ut_bo(struct smartssd_device *dev, uint64_t bytes)
{
	struct smartssd_bo bo;

	return smartssd_bo_create(dev, bytes, &bo) ? 0 : bo.bo;
}

static inline int ut_register(struct smartssd_device *dev, int fd, struct smartssd_file *out)
{
	return smartssd_file_register(dev, fd, out);
}

/* A device with the test xclbin; the embedded card is new for each test, the driver's is the one card. */
#define UT_FIXTURE(name)                                                  \
	FIXTURE(name)                                                     \
	{                                                                 \
		struct smartssd_device *dev;                              \
	};                                                                \
	FIXTURE_SETUP(name)                                               \
	{                                                                 \
		ASSERT_EQ(0, ut_open(&self->dev));                        \
		ASSERT_EQ(0, ut_load(self->dev));                         \
	}                                                                 \
	FIXTURE_TEARDOWN(name)                                            \
	{                                                                 \
		smartssd_close(self->dev);                                \
	}

#endif
