// SPDX-License-Identifier: BSD-2-Clause
/*
 * Load for removal tests: reads random pieces, runs the test kernel and touches a live mapping until the card goes away, and checks every byte
 * on the way. Exit 0: the card went and every call said so properly; 1: wrong data or a wrong error; 2: the card never went.
 *
 *   churn FILE TK.XCLBIN SECONDS
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <stdio.h>
#include "../../runtime/libsmartssd.h"

enum { PIECE = 4096, PIECES = 256, FILE_BYTES = 4 << 20 };

static sigjmp_buf bus_jump;

static void on_bus(int sig)
{
	(void)sig;
	siglongjmp(bus_jump, 1);
}

static int gone(int ret)
{
	return ret == -ENODEV;
}

int main(int argc, char **argv)
{
	struct smartssd_error err = { "" };
	struct smartssd_device *dev;
	struct smartssd_list *list;
	struct smartssd_outcome out;
	struct smartssd_file file;
	struct smartssd_bo bo, small;
	struct smartssd_extent ext[PIECES];
	struct smartssd_arg arg[4];
	static uint8_t want[FILE_BYTES];
	volatile uint8_t *volatile map;
	volatile int rounds = 0;
	void *p;
	time_t end;
	volatile int seed = 1;
	int fd, i, ret;

	if (argc != 4)
		return 2;
	end = time(NULL) + atoi(argv[3]);
	fd = open(argv[1], O_RDWR | O_CREAT, 0600);
	for (i = 0; i < FILE_BYTES; i++)
		want[i] = i * 13 + (i >> 12);
	if (fd < 0 || pwrite(fd, want, FILE_BYTES, 0) != FILE_BYTES || fsync(fd)) {
		perror(argv[1]);
		return 1;
	}
	ret = smartssd_open(NULL, &dev, &err);
	if (ret || (ret = smartssd_xclbin_load_file(dev, argv[2], &err)) || (ret = smartssd_bo_create(dev, PIECE * PIECES, &bo)) ||
	    (ret = smartssd_bo_create(dev, 4096, &small)) || (ret = smartssd_file_register(dev, fd, &file)) ||
	    (ret = smartssd_bo_map(dev, &bo, &p)) || smartssd_list_create(&list)) {
		fprintf(stderr, "churn: set up: %s %s\n", strerror(-ret), err.text);
		return 1;
	}
	map = p;
	signal(SIGBUS, on_bus);
	printf("churn: running\n");
	fflush(stdout);
	while (time(NULL) < end) {
		int r, run;

		for (i = 0; i < PIECES; i++) {
			seed = seed * 1103515245 + 12345;
			ext[i].file_offset = (uint64_t)(((unsigned int)seed >> 8) % (FILE_BYTES / PIECE)) * PIECE;
			ext[i].bo_offset = (uint64_t)i * PIECE;
			ext[i].bytes = PIECE;
		}
		smartssd_list_clear(list);
		r = smartssd_list_read(list, file.file, bo.bo, ext, PIECES, 0);
		arg[0] = (struct smartssd_arg){ .index = 0, .bo = small.bo };
		arg[1] = (struct smartssd_arg){ .index = 2, .bo = small.bo };
		arg[2] = (struct smartssd_arg){ .index = 4, .value = 16 };
		arg[3] = (struct smartssd_arg){ .index = 5, .value = 0 };
		run = smartssd_list_run(list, 1, arg, 4, 0);
		if (r < 0 || run < 0)
			return 1;
		ret = smartssd_run_list(dev, list, &out, NULL, 0, &err);
		if (ret)
			break;
		if (sigsetjmp(bus_jump, 1)) {
			ret = -ENODEV; /* the mapping went away under us: as it should */
			break;
		}
		for (i = 0; i < PIECES; i++) {
			if (map[i * PIECE + 7] != want[ext[i].file_offset + 7] ||
			    map[i * PIECE + PIECE - 1] != want[ext[i].file_offset + PIECE - 1]) {
				fprintf(stderr, "churn: wrong data in round %d, piece %d\n", rounds, i);
				return 1;
			}
		}
		rounds++;
	}
	if (!ret) {
		fprintf(stderr, "churn: the card never went (%d rounds)\n", rounds);
		return 2;
	}
	printf("churn: %d rounds, then: %s (%s)\n", rounds, strerror(-ret), err.text);
	if (!gone(ret) && ret != -ECANCELED && ret != -EIO)
		return 1;
	/* from now on every call says ENODEV, poll says HUP, the mapping raises SIGBUS or reads; nothing hangs */
	{
		struct smartssd_query q = { .size = sizeof(q) };
		struct pollfd pf = { .fd = smartssd_poll_fd(dev), .events = POLLIN };
		uint64_t job;

		for (i = 0; i < 100; i++) {
			ret = smartssd_submit(dev, list, &job, NULL);
			if (gone(ret))
				break;
			usleep(50000);
		}
		if (!gone(ret) || !gone(smartssd_ioctl(dev, SMARTSSD_IOC_QUERY, &q))) {
			fprintf(stderr, "churn: calls after removal do not say ENODEV: %d\n", ret);
			return 1;
		}
		if (poll(&pf, 1, 2000) != 1 || !(pf.revents & (POLLHUP | POLLERR))) {
			fprintf(stderr, "churn: poll after removal: %x\n", pf.revents);
			return 1;
		}
	}
	if (!sigsetjmp(bus_jump, 1))
		map[0] = 1;
	smartssd_bo_unmap(dev, &bo, p);
	smartssd_list_destroy(list);
	smartssd_close(dev);
	return 0;
}
