// SPDX-License-Identifier: BSD-2-Clause
/*
 * Random small reads into card memory, three ways, same pieces, same namespace, same guest:
 *   submit   one READ command with all pieces
 *   pread    one blocking pread(O_DIRECT) each, into the same mmap'ed BO: what the vendor's examples do
 *   uring    io_uring at queue depth 64 into it: what a competent user would write
 * Prints rows/s of each and the ratios; the data of each way is checked. In an emulated machine only the ratios mean something.
 *
 *   reads FILE|DEVICE
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "../../runtime/libsmartssd.h"

enum { PIECES = 10000, DEPTH = 64, ROUNDS = 9 };

static struct smartssd_extent ext[PIECES];

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

static int by_submit(struct smartssd_device *dev, uint32_t file, uint32_t bo)
{
	struct smartssd_outcome out;
	struct smartssd_result r;
	struct smartssd_error err;
	struct smartssd_list *list;
	int ret = smartssd_list_create(&list);

	if (ret)
		return ret;
	ret = smartssd_list_read(list, file, bo, ext, PIECES, SMARTSSD_CMD_PEER_REQUIRE);
	if (ret >= 0)
		ret = smartssd_run_list(dev, list, &out, &r, 1, &err);
	smartssd_list_destroy(list);
	return ret;
}

static int by_pread(int fd, uint8_t *map)
{
	int i;

	for (i = 0; i < PIECES; i++)
		if (pread(fd, map + ext[i].bo_offset, ext[i].bytes, ext[i].file_offset) != (ssize_t)ext[i].bytes)
			return -errno;
	return 0;
}

static int by_uring(int fd, uint8_t *map)
{
	struct io_uring ring;
	struct io_uring_cqe *cqe;
	int next = 0, done = 0, ret = io_uring_queue_init(DEPTH, &ring, 0);

	if (ret)
		return ret;
	while (!ret && done < PIECES) {
		while (next < PIECES && next - done < DEPTH) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

			io_uring_prep_read(sqe, fd, map + ext[next].bo_offset, ext[next].bytes, ext[next].file_offset);
			next++;
		}
		ret = io_uring_submit_and_wait(&ring, 1);
		ret = ret < 0 ? ret : 0;
		while (!ret && !io_uring_peek_cqe(&ring, &cqe)) {
			if (cqe->res <= 0)
				ret = cqe->res ? cqe->res : -EIO;
			io_uring_cqe_seen(&ring, cqe);
			done++;
		}
	}
	io_uring_queue_exit(&ring);
	return ret;
}

static int right(int fd, const uint8_t *map)
{
	static uint8_t want[4096] __attribute__((aligned(4096)));
	int i;

	for (i = 0; i < PIECES; i += 37)
		if (pread(fd, want, ext[i].bytes, ext[i].file_offset) != (ssize_t)ext[i].bytes ||
		    memcmp(want, map + ext[i].bo_offset, ext[i].bytes))
			return 0;
	return 1;
}

static int cmp_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static const char *const name[] = { "submit", "pread", "uring" };
	struct smartssd_error err = { "" };
	struct smartssd_device *dev;
	struct smartssd_file file;
	struct smartssd_bo bo;
	unsigned int seed = 7;
	double t[3][ROUNDS];
	uint8_t *map;
	int fd, ret, way, round, i;
	uint32_t size;

	if (argc != 2)
		return 2;
	fd = open(argv[1], O_RDONLY | O_DIRECT);
	ret = fd < 0 ? -errno : smartssd_open(NULL, &dev, &err);
	if (ret || (ret = smartssd_bo_create(dev, PIECES * 4096ull, &bo)) || (ret = smartssd_bo_map(dev, &bo, (void **)&map)) ||
	    (ret = smartssd_file_register(dev, fd, &file))) {
		fprintf(stderr, "reads: %s: %s %s\n", argv[1], strerror(-ret), err.text);
		return 1;
	}
	for (size = 512; size <= 4096; size *= 8) {
		for (i = 0; i < PIECES; i++) {
			seed = seed * 1664525 + 1013904223;
			ext[i].file_offset = (uint64_t)(seed >> 8) % (file.bytes / size) * size;
			ext[i].bo_offset = (uint64_t)i * size;
			ext[i].bytes = size;
		}
		for (round = 0; round < ROUNDS; round++) {
			for (way = 0; way < 3; way++) {
				double start;

				memset(map, 0x5a, PIECES * (size_t)size); /* unlike what an empty drive reads as */
				start = now();
				ret = way == 0 ? by_submit(dev, file.file, bo.bo) : way == 1 ? by_pread(fd, map) : by_uring(fd, map);
				t[way][round] = now() - start;
				if (ret || !right(fd, map)) {
					fprintf(stderr, "reads: %s: %s\n", name[way], ret ? strerror(-ret) : "wrong data");
					return 1;
				}
			}
		}
		for (way = 0; way < 3; way++) {
			qsort(t[way], ROUNDS, sizeof(double), cmp_double);
			printf("%u B x %d random, %-6s: %8.0f rows/s (median of %d)\n", size, PIECES, name[way],
			       PIECES / t[way][ROUNDS / 2], ROUNDS);
		}
		printf("%u B: submit is %.1fx of pread (target 5), %.2fx of io_uring at depth %d (target 1.2)\n", size,
		       t[1][ROUNDS / 2] / t[0][ROUNDS / 2], t[2][ROUNDS / 2] / t[0][ROUNDS / 2], DEPTH);
	}
	smartssd_close(dev);
	return 0;
}
