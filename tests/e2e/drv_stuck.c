// SPDX-License-Identifier: BSD-2-Clause
/*
 * The card taken away while a COPY waits for the caller's memory, which does not come: a mapping of a file whose filesystem is
 * frozen. Unbinding does not wait for it; its client, killed or not, goes when it comes.
 *
 *   drv_stuck DIR PCI-DEVICE-OF-SMARTSSD0
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "../tap.h"
#include "../../runtime/libsmartssd.h"

enum { BYTES = 1 << 20 };

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static uint64_t soon(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (ts.tv_sec + 20) * 1000000000ull + ts.tv_nsec;
}

/* A job that copies from the card into @window, and then on the card. */
static int start(struct smartssd_device **dev, void *window, uint64_t *job)
{
	struct smartssd_error err = { "" };
	struct smartssd_list *list;
	struct smartssd_bo bo;
	int ret = smartssd_open("/dev/smartssd0", dev, &err);

	ret = ret ? ret : smartssd_bo_create(*dev, BYTES, &bo);
	ret = ret ? ret : smartssd_list_create(&list);
	if (ret)
		return ret;
	smartssd_list_copy_from(list, window, bo.bo, 0, BYTES);
	smartssd_list_copy_bo(list, bo.bo, 0, bo.bo, BYTES / 2, BYTES / 2);
	smartssd_list_barrier(list, 1);
	ret = smartssd_submit(*dev, list, job, NULL);
	smartssd_list_destroy(list);
	return ret;
}

/*
 * A client in a process of its own, since what waits for a page holds up whoever changes that process's mappings. Says when it has
 * submitted; exits with 0 when its job ended because the card was gone.
 */
static pid_t client(void *window, int said)
{
	struct smartssd_device *dev;
	struct smartssd_outcome out;
	uint64_t job;
	pid_t pid = fork();
	int ret;

	if (pid)
		return pid;
	ret = start(&dev, window, &job);
	if (ret || write(said, "s", 1) != 1)
		_exit(1);
	ret = smartssd_wait(dev, job, soon(), &out, NULL, 0);
	_exit(ret ? 2 : out.status == -ENODEV ? 0 : 3);
}

/* Its end within @tenths of a second: exit status, or -1 */
static int ended(pid_t pid, int tenths)
{
	int status = -1;

	do {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		usleep(100000);
	} while (tenths-- > 0);
	return -1;
}

int main(int argc, char **argv)
{
	int at, fd, ret, unbound, said[2], i;
	uint8_t *window;
	char path[256], text[2];
	pid_t pid[2], unbinder;

	if (argc != 3)
		return 2;
	snprintf(path, sizeof(path), "%s/stuck", argv[1]);
	at = open(argv[1], O_RDONLY | O_DIRECTORY);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (at < 0 || fd < 0 || pipe(said) || ftruncate(fd, 2 * BYTES) || fsync(fd) || ioctl(at, FIFREEZE, 0)) {
		tap_ok(0, "set up: %s", strerror(errno));
		return tap_done();
	}
	window = mmap(NULL, 2 * BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (i = 0; i < 2; i++)
		pid[i] = client(window + i * BYTES, said[1]);
	ret = read(said[0], &text[0], 1) == 1 && read(said[0], &text[1], 1) == 1;
	tap_ok(ret && ended(pid[0], 5) == -1 && ended(pid[1], 0) == -1, "two COPYs wait for memory that does not come");
	kill(pid[1], SIGKILL);
	ret = ended(pid[1], 50);
	tap_ok(ret == 128 + SIGKILL, "one of their clients is killed: %d", ret);

	unbinder = fork();
	if (!unbinder)
		_exit(put("/sys/bus/pci/drivers/smartssd/unbind", argv[2]) ? 1 : 0);
	unbound = ended(unbinder, 150);
	tap_ok(!unbound, "unbind does not wait for them: %d", unbound);
	ret = ended(pid[0], 2);
	tap_ok(ret == -1, "the other one still waits: %d", ret);
	ioctl(at, FITHAW, 0);
	ret = ended(pid[0], 250);
	tap_ok(!ret, "and when the memory came, the card was gone: %d", ret);
	if (unbound == -1)
		ended(unbinder, 250);
	munmap(window, 2 * BYTES);
	close(fd);
	close(at);
	unlink(path);
	ret = put("/sys/bus/pci/drivers/smartssd/bind", argv[2]);
	for (i = 0; i < 100 && access("/dev/smartssd0", F_OK); i++)
		usleep(50000);
	tap_ok(!ret && !access("/dev/smartssd0", F_OK), "bind again: %s", strerror(-ret));
	return tap_done();
}
