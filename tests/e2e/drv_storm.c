// SPDX-License-Identifier: BSD-2-Clause
/*
 * Processes that use the card in every way at once and die at any moment: with jobs queued, running, waited for, with mappings and exports. Nothing
 * may be lost: afterwards all card memory is free again, and a run works. What it finds beyond that, the instrumented kernel reports.
 *
 *   drv_storm TK.XCLBIN FILE SECONDS      environment: SEED
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "../tap.h"
#include "../../runtime/libsmartssd.h"

enum { CHILDREN = 4, FILE_BYTES = 2 << 20, BO_BYTES = 1 << 20, PIECES = 40, PLACES = 48 };

static unsigned int seed;

static unsigned int random32(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed ^ seed >> 15;
}

static void add_command(struct smartssd_list *list, struct smartssd_bo *bo, uint32_t file, uint8_t *host)
{
	struct smartssd_arg arg[4] = { { .index = 0, .bo = bo[0].bo }, { .index = 2, .bo = bo[1].bo }, { .index = 4, .value = 20 },
				       { .index = 5, .value = 0 } };
	struct smartssd_extent ext[PIECES];
	uint32_t flags = random32() % 3 ? 0 : SMARTSSD_CMD_PEER_OFF, i, unit = random32() % 4 ? 512 : 500;
	static unsigned int place;
	uint64_t at = (uint64_t)(place++ % PLACES) * (BO_BYTES / PLACES / 4096 * 4096);
	int cmd;

	/* Each command its own place: two READs into one are the caller's mistake, and DMA debugging says so. */
	for (i = 0; i < PIECES; i++)
		ext[i] = (struct smartssd_extent){ (uint64_t)(random32() % 32 + i * 64) * unit, at + (uint64_t)i * unit, unit };
	switch (random32() % 6) {
	case 0:
		cmd = smartssd_list_write(list, file, bo[random32() % 2].bo, ext, PIECES, flags);
		break;
	case 1:
		cmd = smartssd_list_copy_to(list, bo[0].bo, random32() % 4096, host, 100000);
		break;
	case 2:
		cmd = smartssd_list_copy_bo(list, bo[1].bo, random32() % 4096, bo[0].bo, 5, 300000);
		break;
	case 3:
	case 4:
		arg[3].value = random32() % 4 ? 0 : 4; /* add, or sleep 20 ms */
		cmd = smartssd_list_run(list, 1, arg, 4, 0);
		break;
	default:
		cmd = smartssd_list_read(list, file, bo[random32() % 2].bo, ext, PIECES, flags);
	}
	if (cmd > 0 && random32() % 2)
		smartssd_list_depend(list, cmd, random32() % cmd);
	if (cmd > 0 && random32() % 8 == 0)
		smartssd_list_barrier(list, cmd);
}

static void child(const char *xclbin, const char *path)
{
	struct smartssd_error err;
	struct smartssd_device *dev;
	struct smartssd_list *list;
	struct smartssd_outcome out;
	struct smartssd_file file;
	struct smartssd_bo bo[2];
	static uint8_t host[100000];
	uint64_t bytes, job;
	uint32_t again;
	void *map;
	int fd, dmabuf, i, n;

	if (smartssd_open(NULL, &dev, &err) || smartssd_xclbin_load_file(dev, xclbin, &err) || smartssd_bo_create(dev, BO_BYTES, &bo[0]) ||
	    smartssd_bo_create(dev, BO_BYTES, &bo[1]) || smartssd_bo_map(dev, &bo[0], &map) || smartssd_list_create(&list))
		_exit(1);
	fd = open(path, O_RDWR | (random32() % 2 ? O_DIRECT : 0));
	if (fd < 0 || smartssd_file_register(dev, fd, &file))
		_exit(2);
	close(fd);
	if (!smartssd_bo_export(dev, bo[0].bo, &dmabuf) && random32() % 2) {
		smartssd_bo_import(dev, dmabuf, &again, &bytes);
		close(dmabuf);
	}
	for (n = 0; n < 1000; n++) {
		smartssd_list_clear(list);
		for (i = random32() % 12; i >= 0; i--)
			add_command(list, bo, file.file, host);
		if (smartssd_submit(dev, list, &job, NULL)) {
			smartssd_wait(dev, 0, SMARTSSD_DEADLINE_NEVER, &out, NULL, 0);
			continue;
		}
		((volatile uint8_t *)map)[random32() % BO_BYTES] = 1;
		switch (random32() % 8) {
		case 0:
			_exit(0);
		case 1:
			smartssd_bo_destroy(dev, bo[random32() % 2].bo);
			smartssd_bo_create(dev, BO_BYTES, &bo[1]);
			smartssd_wait(dev, job, SMARTSSD_DEADLINE_NEVER, &out, NULL, 0);
			break;
		case 2:
			smartssd_close(dev);
			_exit(0);
		default:
			smartssd_wait(dev, random32() % 2 ? job : 0, SMARTSSD_DEADLINE_NEVER, &out, NULL, 0);
		}
	}
	_exit(0);
}

static pid_t start(const char *xclbin, const char *path)
{
	pid_t pid;

	random32();
	pid = fork();
	if (!pid)
		child(xclbin, path);
	return pid;
}

static uint64_t free_bytes(struct smartssd_device *dev)
{
	struct smartssd_query q;

	return smartssd_query(dev, &q) ? 0 : q.ddr_free;
}

int main(int argc, char **argv)
{
	struct smartssd_arg arg[4] = { { .index = 0 }, { .index = 2 }, { .index = 4, .value = 1 }, { .index = 5, .value = 0 } };
	const char *text = getenv("SEED");
	struct smartssd_error err = { "" };
	struct smartssd_device *dev;
	struct smartssd_outcome out;
	struct smartssd_list *list;
	struct smartssd_bo bo;
	pid_t pid[CHILDREN] = { 0 };
	int fd, i, status, died = 0, killed = 0, broken = 0, ret;
	uint64_t before;
	uint8_t *map;
	time_t end;

	if (argc != 4)
		return 2;
	seed = text ? (unsigned int)atoi(text) : (unsigned int)time(NULL);
	printf("# SEED=%u\n", seed);
	fd = open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, FILE_BYTES) || smartssd_open(NULL, &dev, &err) || smartssd_xclbin_load_file(dev, argv[1], &err) ||
	    smartssd_list_create(&list)) {
		tap_ok(0, "set up: %s", err.text);
		return tap_done();
	}
	before = free_bytes(dev);
	end = time(NULL) + atoi(argv[3]);
	while (time(NULL) < end) {
		for (i = 0; i < CHILDREN; i++)
			if (pid[i] <= 0)
				pid[i] = start(argv[1], argv[2]);
		usleep(random32() % 300000);
		i = random32() % CHILDREN;
		if (random32() % 2) {
			kill(pid[i], SIGKILL);
			killed++;
		}
		for (i = 0; i < CHILDREN; i++) {
			if (pid[i] <= 0 || waitpid(pid[i], &status, WNOHANG) != pid[i])
				continue;
			pid[i] = 0;
			died++;
			broken += (WIFEXITED(status) && WEXITSTATUS(status)) || (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL);
		}
	}
	for (i = 0; i < CHILDREN; i++) {
		if (pid[i] > 0) {
			kill(pid[i], SIGKILL);
			waitpid(pid[i], &status, 0);
		}
	}
	tap_ok(died > CHILDREN && !broken, "%d processes came and went, %d of them killed; %d broke", died, killed, broken);
	/* What they had running ends by itself. */
	for (i = 0; i < 100 && free_bytes(dev) != before; i++)
		usleep(50000);
	tap_ok(free_bytes(dev) == before, "all card memory is free again: %llu of %llu", (unsigned long long)free_bytes(dev),
	       (unsigned long long)before);
	ret = smartssd_bo_create(dev, 4096, &bo);
	ret = ret ? ret : smartssd_bo_map(dev, &bo, (void **)&map);
	arg[0].bo = arg[1].bo = bo.bo;
	if (!ret && smartssd_list_run(list, 1, arg, 4, 0) >= 0)
		ret = smartssd_run_list(dev, list, &out, NULL, 0, &err);
	tap_ok(!ret && map[0] == 1, "and a run works: %s", strerror(-ret));
	smartssd_list_destroy(list);
	smartssd_close(dev);
	unlink(argv[2]);
	return tap_done();
}
