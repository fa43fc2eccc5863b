// SPDX-License-Identifier: BSD-2-Clause
/*
 * Every allocation on the submit path failed in turn (/proc/thread-self/fail-nth, Documentation/fault-injection): each failure must be reported as an
 * error, must leave nothing behind, and the same call must succeed afterwards with the right data. Runs in the guest as root.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../tap.h"
#include "../../runtime/libsmartssd.h"

enum { BYTES = 64 * 1024, PIECES = 64 };

static int set_knob(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);
	int ret = fd < 0 || write(fd, value, strlen(value)) < 0;

	if (fd >= 0)
		close(fd);
	return ret;
}

static void arm(int fd, int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", n);

	/* The write that disarms may itself be what the countdown hits: then it has run out. */
	if (pwrite(fd, text, len, 0) != len && pwrite(fd, text, len, 0) != len)
		abort();
}

/* What is left of the countdown; 0: the failure was injected. Disarms. */
static int disarm(int fd)
{
	char text[16] = "";

	/* When the countdown ends in this very pread, it was not the call that used it up. */
	if (pread(fd, text, sizeof(text) - 1, 0) <= 0) {
		arm(fd, 0);
		return 1;
	}
	arm(fd, 0);
	return atoi(text);
}

struct ctx {
	struct smartssd_device *dev;
	struct smartssd_list *list;
	struct smartssd_bo bo;
	struct smartssd_file file;
	int fd;
	char *host, *want;
};

static int build(struct ctx *c)
{
	struct smartssd_extent ext[PIECES];
	int i, r, t;

	for (i = 0; i < PIECES; i++)
		ext[i] = (struct smartssd_extent){ (uint64_t)(PIECES - 1 - i) * 1024, (uint64_t)i * 1024, 1024 };
	r = smartssd_list_read(c->list, c->file.file, c->bo.bo, ext, PIECES, 0);
	t = smartssd_list_copy_from(c->list, c->host, c->bo.bo, 0, BYTES);
	return r < 0 || t < 0 || smartssd_list_depend(c->list, t, r) ? -1 : 0;
}

static int data_right(const struct ctx *c)
{
	int i;

	for (i = 0; i < PIECES; i++)
		if (memcmp(c->host + i * 1024, c->want + (PIECES - 1 - i) * 1024, 1024))
			return 0;
	return 1;
}

/* The calls that are swept; each returns 0 or -errno and undoes what it did. */
static int do_submit(struct ctx *c)
{
	struct smartssd_outcome out;
	uint64_t job;
	int ret = smartssd_submit(c->dev, c->list, &job, NULL);

	if (ret)
		return ret;
	ret = smartssd_wait(c->dev, job, SMARTSSD_DEADLINE_NEVER, &out, NULL, 0);
	while (ret == -ENOMEM || ret == -EFAULT) /* the failure hit the wait: the job is still there */
		ret = smartssd_wait(c->dev, job, SMARTSSD_DEADLINE_NEVER, &out, NULL, 0);
	return ret ? ret : out.status;
}

/* The failure may hit the call that undoes: that one says so and is made again, else the test itself would leak. */
static int undo(struct ctx *c, int (*call)(struct smartssd_device *dev, uint32_t id), uint32_t id)
{
	int ret = call(c->dev, id);

	if (ret == -EFAULT || ret == -ENOMEM)
		return call(c->dev, id) ? -EUCLEAN : ret;
	return ret;
}

static int do_bo(struct ctx *c)
{
	struct smartssd_bo bo;
	int ret = smartssd_bo_create(c->dev, BYTES, &bo);

	return ret ? ret : undo(c, smartssd_bo_destroy, bo.bo);
}

static int do_map(struct ctx *c)
{
	void *p;
	int ret = smartssd_bo_map(c->dev, &c->bo, &p);

	return ret ? ret : smartssd_bo_unmap(c->dev, &c->bo, p);
}

static int do_export(struct ctx *c)
{
	uint64_t bytes;
	uint32_t bo;
	int fd, ret = smartssd_bo_export(c->dev, c->bo.bo, &fd);

	if (ret)
		return ret;
	ret = smartssd_bo_import(c->dev, fd, &bo, &bytes);
	close(fd);
	return ret ? ret : undo(c, smartssd_bo_destroy, bo);
}

static int do_register(struct ctx *c)
{
	struct smartssd_file f;
	int ret = smartssd_file_register(c->dev, c->fd, &f);

	return ret ? ret : undo(c, smartssd_file_unregister, f.file);
}

static int do_open(struct ctx *c)
{
	int fd = open(smartssd_uri(c->dev), O_RDWR);

	if (fd < 0)
		return -errno;
	return close(fd) ? -errno : 0;
}

static void sweep(struct ctx *c, int nth_fd, const char *what, int (*call)(struct ctx *))
{
	int n, left, ret, wrong = 0, injected = 0;

	for (n = 1; n < 2000; n++) {
		memset(c->host, 0, BYTES);
		arm(nth_fd, n);
		ret = call(c);
		left = disarm(nth_fd);
		if (left)
			break; /* the call makes fewer than n allocations */
		injected++;
		if (ret && ret != -ENOMEM && ret != -EFAULT && ret != -EAGAIN && ret != -ENFILE) {
			printf("# %s, %dth: %s\n", what, n, strerror(-ret));
			wrong++;
		}
		if (!ret && call == do_submit && !data_right(c)) {
			printf("# %s, %dth: success, but wrong data\n", what, n);
			wrong++;
		}
		memset(c->host, 0, BYTES);
		ret = call(c);
		if (ret || (call == do_submit && !data_right(c))) {
			printf("# %s after the %dth failure: %s\n", what, n, strerror(-ret));
			wrong++;
		}
	}
	tap_ok(!wrong && injected > 0 && n < 2000, "%s: %d allocations failed in turn", what, injected);
}

int main(int argc, char **argv)
{
	static const char *const knobs[] = { "failslab", "fail_page_alloc" };
	const char *dir = argc > 1 ? argv[1] : "/mnt/ssd0";
	struct smartssd_error err = { "" };
	struct smartssd_query before, after;
	struct ctx c = { NULL };
	char path[256];
	int nth, i;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/ignore-gfp-wait", knobs[i]);
		if (set_knob(path, "N")) {
			tap_skip("failed allocations", "this kernel has no fault injection");
			return tap_done();
		}
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/verbose", knobs[i]);
		set_knob(path, "0");
	}
	set_knob("/sys/kernel/debug/fail_page_alloc/min-order", "0");
	set_knob("/sys/kernel/debug/fail_usercopy/verbose", "0");
	set_knob("/sys/kernel/debug/fail_make_request/verbose", "0");

	snprintf(path, sizeof(path), "%s/failnth.dat", dir);
	c.fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	c.host = malloc(BYTES);
	c.want = malloc(BYTES);
	for (i = 0; i < BYTES; i++)
		c.want[i] = i * 7 + (i >> 9);
	if (c.fd < 0 || write(c.fd, c.want, BYTES) != BYTES || fsync(c.fd) || smartssd_open(NULL, &c.dev, &err) ||
	    smartssd_bo_create(c.dev, BYTES, &c.bo) || smartssd_file_register(c.dev, c.fd, &c.file) || smartssd_list_create(&c.list) ||
	    build(&c)) {
		tap_ok(0, "set up: %s %s", path, err.text);
		return tap_done();
	}
	nth = open("/proc/thread-self/fail-nth", O_RDWR);
	tap_ok(do_submit(&c) == 0 && data_right(&c), "a submit without failures");
	smartssd_query(c.dev, &before);
	sweep(&c, nth, "submit and wait", do_submit);
	sweep(&c, nth, "create a BO", do_bo);
	sweep(&c, nth, "map a BO", do_map);
	sweep(&c, nth, "export and import", do_export);
	sweep(&c, nth, "register a file", do_register);
	sweep(&c, nth, "open the device", do_open);
	smartssd_query(c.dev, &after);
	tap_ok(before.ddr_free == after.ddr_free, "no card memory lost: %llu, %llu", before.ddr_free, after.ddr_free);
	smartssd_list_destroy(c.list);
	smartssd_close(c.dev);
	unlink(path);
	return tap_done();
}
