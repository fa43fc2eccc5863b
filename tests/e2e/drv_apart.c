// SPDX-License-Identifier: BSD-2-Clause
/*
 * Users apart, in a guest: a command does to a file what its submitter may, no more; what is no storage is refused; what a block
 * device's own write() would refuse is refused; and a client whose commands do not come back - their filesystem is frozen - keeps
 * nobody else from working.
 *
 *   drv_apart DIR-ON-SSD0 DIR-ON-SSD1
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "../tap.h"
#include "../../runtime/libsmartssd.h"

enum { PIECE = 4096, BYTES = 1 << 20, STUCK = 300 };

static struct smartssd_device *dev;
static struct smartssd_bo bo;
static uint8_t *map;

static uint64_t soon(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (ts.tv_sec + 20) * 1000000000ull + ts.tv_nsec;
}

/* A READ or WRITE of @bytes at the beginning; its status. */
static int rw(struct smartssd_device *d, uint32_t in, int fd, bool write, uint64_t bytes)
{
	struct smartssd_extent ext = { 0, 0, bytes };
	struct smartssd_outcome out;
	struct smartssd_list *list;
	struct smartssd_file file;
	uint64_t job;
	int ret = smartssd_file_register(d, fd, &file);

	if (ret)
		return ret;
	ret = smartssd_list_create(&list);
	if (!ret && write)
		ret = smartssd_list_write(list, file.file, in, &ext, 1, 0);
	else if (!ret)
		ret = smartssd_list_read(list, file.file, in, &ext, 1, 0);
	if (ret >= 0)
		ret = smartssd_submit(d, list, &job, NULL);
	if (!ret)
		ret = smartssd_wait(d, job, soon(), &out, NULL, 0);
	smartssd_list_destroy(list);
	smartssd_file_unregister(d, file.file);
	return ret ? ret : out.status;
}

static int file_of(const char *dir, const char *name, uint64_t bytes, int flags)
{
	char path[256];
	uint8_t *data = calloc(1, bytes);
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
	fd = open(path, flags | O_CREAT, 0600);
	if (fd >= 0 && (!data || write(fd, data, bytes) != (ssize_t)bytes || fsync(fd)))
		fd = -1;
	free(data);
	return fd;
}

/* ---- who writes ---- */

static int write_as_nobody(const char *path, uint64_t bytes)
{
	struct smartssd_device *d;
	struct smartssd_error err;
	struct smartssd_bo b;
	int fd;

	if (setgid(65534) || setuid(65534))
		return 1;
	fd = open(path, O_RDWR);
	if (fd < 0 || smartssd_open("/dev/smartssd0", &d, &err) || smartssd_bo_create(d, BYTES, &b))
		return 2;
	return rw(d, b.bo, fd, true, bytes) ? 3 : 0;
}

static void set_user_id(const char *dir, uint64_t bytes, const char *how)
{
	int fd = file_of(dir, "suid", BYTES, O_RDWR), status = -1, ret;
	struct stat st = { 0 };
	char path[256];
	pid_t pid;

	snprintf(path, sizeof(path), "%s/suid", dir);
	if (fd < 0 || fchmod(fd, 06777)) {
		tap_ok(0, "%s: %s", path, strerror(errno));
		return;
	}
	ret = rw(dev, bo.bo, fd, true, bytes);
	fstat(fd, &st);
	tap_ok(!ret && (st.st_mode & 07777) == 06777, "%s WRITE by root leaves the set-user-ID bit: %s, %o", how, strerror(-ret), st.st_mode);
	pid = fork();
	if (!pid)
		_exit(write_as_nobody(path, bytes));
	waitpid(pid, &status, 0);
	fstat(fd, &st);
	tap_ok(!status && !(st.st_mode & 06000), "by anybody else it takes it away: %o (step %d)", st.st_mode, status >> 8);
	close(fd);
	unlink(path);
}

/* ---- what is written ---- */

static void no_storage(void)
{
	static const char *const paths[] = { "/proc/self/maps", "/proc/cpuinfo", "/sys/kernel/uevent_seqnum", "/sys/kernel/debug/fault_around_bytes" };
	struct smartssd_file file;
	size_t i;
	int fd, ret;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		fd = open(paths[i], O_RDONLY);
		if (fd < 0) {
			tap_skip("refused as no storage", paths[i]);
			continue;
		}
		ret = smartssd_file_register(dev, fd, &file);
		tap_ok(ret == -EOPNOTSUPP, "%s is no storage: %s", paths[i], strerror(-ret));
		close(fd);
	}
}

/* A disk of the guest's that nobody uses yet, in memory. */
static void block_device(const char *dir)
{
	static uint8_t page[4096];
	int off = 0, on = 1, ret, fd, loop;
	int ctl = open("/dev/loop-control", O_RDWR);
	char name[32];

	ret = ctl < 0 ? -1 : ioctl(ctl, 0x4C82); /* LOOP_CTL_GET_FREE */
	snprintf(name, sizeof(name), "/dev/loop%d", ret);
	loop = ret < 0 ? -1 : open(name, O_RDWR);
	fd = file_of(dir, "disk", BYTES, O_RDWR);
	if (loop < 0 || fd < 0 || ioctl(loop, 0x4C00, fd)) { /* LOOP_SET_FD */
		tap_skip("a read-only block device, and one that is swapped to", "no loop device");
		return;
	}
	ret = rw(dev, bo.bo, loop, true, PIECE);
	tap_ok(!ret, "WRITE to a block device: %s", strerror(-ret));
	ioctl(loop, BLKROSET, &on);
	ret = rw(dev, bo.bo, loop, true, PIECE);
	tap_ok(ret == -EPERM, "read-only since it was opened: %s", strerror(-ret));
	ret = rw(dev, bo.bo, loop, false, PIECE);
	tap_ok(!ret, "which does not concern a READ: %s", strerror(-ret));
	ioctl(loop, BLKROSET, &off);
	/* version 1, last page 255, no bad pages */
	memcpy(page + 1024, &(uint32_t[3]){ 1, BYTES / 4096 - 1, 0 }, 12);
	memcpy(page + 4086, "SWAPSPACE2", 10);
	if (pwrite(loop, page, sizeof(page), 0) != sizeof(page) || fsync(loop) || swapon(name, 0)) {
		tap_skip("a block device that is swapped to", strerror(errno));
	} else {
		ret = rw(dev, bo.bo, loop, true, PIECE);
		tap_ok(ret == -ETXTBSY, "a block device that is swapped to: %s", strerror(-ret));
		swapoff(name);
		ret = rw(dev, bo.bo, loop, true, PIECE);
		tap_ok(!ret, "and when it is not any more: %s", strerror(-ret));
	}
	ioctl(loop, 0x4C01, 0); /* LOOP_CLR_FD */
	close(loop);
	close(fd);
	close(ctl);
}

/* ---- what does not come back ---- */

static void frozen(const char *dir0, const char *dir1)
{
	struct smartssd_extent ext = { 0, 0, PIECE };
	int at = open(dir1, O_RDONLY | O_DIRECTORY), fd = file_of(dir1, "frozen", BYTES, O_RDWR), other = file_of(dir0, "free", BYTES, O_RDWR);
	struct smartssd_device *stuck;
	struct smartssd_list *list = NULL;
	struct smartssd_outcome out;
	struct smartssd_file file;
	struct smartssd_error err;
	struct smartssd_bo b;
	uint64_t job[2] = { 0 };
	uint8_t *window;
	int ret, i;

	ret = fd < 0 || other < 0 ? -EIO : smartssd_open("/dev/smartssd0", &stuck, &err);
	ret = ret ? ret : smartssd_bo_create(stuck, BYTES, &b);
	ret = ret ? ret : smartssd_file_register(stuck, fd, &file);
	ret = ret ? ret : smartssd_list_create(&list);
	window = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (i = 0; !ret && i < STUCK / 2; i++)
		ret = smartssd_list_write(list, file.file, b.bo, &ext, 1, 0) < 0;
	if (ret || window == MAP_FAILED || ioctl(at, FIFREEZE, 0)) {
		tap_ok(0, "freeze %s: %s", dir1, strerror(errno));
		return;
	}
	ret = smartssd_submit(stuck, list, &job[0], NULL);
	smartssd_list_clear(list);
	for (i = 0; i < STUCK / 2; i++)
		smartssd_list_copy_from(list, window + i * PIECE, b.bo, 0, PIECE);
	ret = ret ? ret : smartssd_submit(stuck, list, &job[1], NULL);
	usleep(300000);
	for (i = 0; !ret && i < 2; i++)
		ret = smartssd_wait(stuck, job[i], 0, &out, NULL, 0) == -ETIME ? 0 : -EIO;
	tap_ok(!ret, "%d commands wait for a frozen filesystem: %s", STUCK, strerror(-ret));
	ret = rw(dev, bo.bo, other, false, BYTES);
	tap_ok(!ret, "another client's READ meanwhile: %s", strerror(-ret));
	ret = rw(dev, bo.bo, other, true, BYTES);
	tap_ok(!ret, "and WRITE: %s", strerror(-ret));
	ioctl(at, FITHAW, 0);
	for (i = 0; i < 2; i++) {
		ret = smartssd_wait(stuck, job[i], soon(), &out, NULL, 0);
		tap_ok(!ret && !out.status, "thawed, what waited is done: %s, %s", strerror(-ret), strerror(-out.status));
	}
	smartssd_list_destroy(list);
	smartssd_close(stuck);
	munmap(window, BYTES);
	close(fd);
	close(other);
	close(at);
}

int main(int argc, char **argv)
{
	struct smartssd_error err = { "" };

	if (argc != 3)
		return 2;
	if (smartssd_open("/dev/smartssd0", &dev, &err) || smartssd_bo_create(dev, BYTES, &bo) || smartssd_bo_map(dev, &bo, (void **)&map)) {
		tap_ok(0, "set up: %s", err.text);
		return tap_done();
	}
	chmod("/dev/smartssd0", 0666);
	chmod(argv[1], 0755);
	set_user_id(argv[1], 64 << 10, "a direct");
	set_user_id(argv[1], 1000, "a buffered");
	no_storage();
	block_device("/tmp");
	frozen(argv[1], argv[2]);
	smartssd_close(dev);
	return tap_done();
}
