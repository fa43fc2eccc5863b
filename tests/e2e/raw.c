// SPDX-License-Identifier: BSD-2-Clause
/*
 * Data of a raw namespace or a file through the driver, against plain pread: large and tiny pieces, tens of thousands of random ones in one
 * call, writes; and that the bytes went the way that the driver says. Runs in the guest.
 *
 *   raw READ-FROM WRITE-TO|- [REASON]      REASON: expected smartssd_peer_reason_name() of READ-FROM, default ok
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "../tap.h"
#include "../../runtime/libsmartssd.h"

enum { SPAN = 32 << 20, MANY = 20000 };

static unsigned int seed;

static unsigned int random32(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed ^ seed >> 15;
}

/* What pread gives of the first SPAN bytes, read once: an emulated machine is slow at 20,000 system calls. */
static int compare(int fd, const struct smartssd_extent *e, int nr, const uint8_t *map)
{
	static uint8_t want[SPAN];
	ssize_t have = pread(fd, want, SPAN, 0);
	int i;

	for (i = 0; i < nr; i++)
		if (e[i].file_offset + e[i].bytes > (uint64_t)(have < 0 ? 0 : have) ||
		    memcmp(want + e[i].file_offset, map + e[i].bo_offset, e[i].bytes))
			return i;
	return -1;
}

static int read_list(struct smartssd_device *dev, uint32_t file, uint32_t bo, struct smartssd_extent *e, uint32_t nr, uint32_t flags,
		     struct smartssd_result *r)
{
	struct smartssd_outcome out;
	struct smartssd_error err;
	struct smartssd_list *list;
	int ret = smartssd_list_create(&list);

	if (ret)
		return ret;
	ret = smartssd_list_read(list, file, bo, e, nr, flags);
	if (ret >= 0)
		ret = smartssd_run_list(dev, list, &out, r, 1, &err);
	smartssd_list_destroy(list);
	return ret;
}

int main(int argc, char **argv)
{
	const char *reason = argc > 3 ? argv[3] : "ok", *text = getenv("SEED");
	static struct smartssd_extent e[MANY];
	struct smartssd_counters before, after;
	struct smartssd_error err = { "" };
	struct smartssd_device *dev;
	struct smartssd_file file;
	struct smartssd_result r;
	struct smartssd_bo bo;
	uint8_t *map;
	int fd, i, ret, bad;
	uint64_t bytes;

	if (argc < 3)
		return 2;
	seed = text ? (unsigned int)atoi(text) : (unsigned int)time(NULL);
	printf("# SEED=%u\n", seed);
	fd = open(argv[1], O_RDONLY);
	ret = smartssd_open(NULL, &dev, &err);
	if (fd < 0 || ret || smartssd_bo_create(dev, 2 * SPAN, &bo) || smartssd_bo_map(dev, &bo, (void **)&map)) {
		tap_ok(0, "set up: %s %s", strerror(errno), err.text);
		return tap_done();
	}
	ret = smartssd_file_register(dev, fd, &file);
	tap_ok(!ret && !strcmp(smartssd_peer_reason_name(file.peer_reason), reason), "%s: peer path: %s, expected %s", argv[1],
	       smartssd_peer_reason_name(file.peer_reason), reason);
	if (ret)
		return tap_done();
	bytes = file.bytes < SPAN ? file.bytes : SPAN;

	e[0] = (struct smartssd_extent){ 0, 4096, bytes };
	smartssd_counters(dev, SMARTSSD_COUNT_FILE, &before);
	ret = read_list(dev, file.file, bo.bo, e, 1, 0, &r);
	tap_ok(!ret && compare(fd, e, 1, map) < 0, "one extent of %llu bytes", (unsigned long long)bytes);
	smartssd_counters(dev, SMARTSSD_COUNT_FILE, &after);
	if (!strcmp(reason, "ok"))
		tap_ok(after.ssd_to_card - before.ssd_to_card == bytes && after.host_to_card == before.host_to_card, "all of it peer to peer");
	else
		tap_ok(after.bounce_read - before.bounce_read == bytes && after.ssd_to_card == before.ssd_to_card, "all of it bounced");

	for (i = 0; i < MANY; i++) {
		uint32_t len = file.io_align << random32() % 3;

		e[i].file_offset = random32() % (bytes / len) * (uint64_t)len;
		e[i].bytes = len;
		e[i].bo_offset = (uint64_t)i * (4 * file.io_align + 4) % (2 * SPAN - 65536) & ~3ull;
	}
	i = (2 * SPAN - 65536) / (4 * file.io_align + 4);
	i = i < MANY ? i : MANY;
	ret = read_list(dev, file.file, bo.bo, e, i, 0, &r);
	bad = ret ? 0 : compare(fd, e, i, map);
	tap_ok(!ret && bad < 0, "%d random pieces in one call (%s, first wrong %d)", i, strerror(-ret), bad);
	tap_ok(!strcmp(smartssd_peer_reason_name(r.path), reason), "they went: %s", smartssd_peer_reason_name(r.path));

	ret = read_list(dev, file.file, bo.bo, e, 100, SMARTSSD_CMD_PEER_OFF, &r);
	tap_ok(!ret && compare(fd, e, 100, map) < 0 && r.path == SMARTSSD_PEER_OFF, "the same bounced on demand");
	ret = read_list(dev, file.file, bo.bo, e, 100, SMARTSSD_CMD_PEER_REQUIRE, &r);
	tap_ok(strcmp(reason, "ok") ? ret == -EREMOTEIO : !ret, "peer required: %s", strerror(-ret));
	close(fd);

	if (strcmp(argv[2], "-")) {
		struct smartssd_list *list;
		struct smartssd_outcome out;

		fd = open(argv[2], O_RDWR);
		ret = fd < 0 ? -errno : smartssd_file_register(dev, fd, &file);
		for (i = 0; i < 200; i++) {
			e[i].file_offset = (uint64_t)(i * 37 % 200) * 8 * file.io_align;
			e[i].bytes = (1 + i % 8) * (uint64_t)file.io_align;
			e[i].bo_offset = (uint64_t)i * 8 * file.io_align;
		}
		for (i = 0; i < 200 * 8 * (int)file.io_align; i++)
			map[i] = random32();
		smartssd_list_create(&list);
		smartssd_list_write(list, file.file, bo.bo, e, 200, 0);
		if (!ret)
			ret = smartssd_run_list(dev, list, &out, &r, 1, &err);
		tap_ok(!ret && compare(fd, e, 200, map) < 0, "%s: 200 pieces written, read back by pread: %s", argv[2], strerror(-ret));
		smartssd_list_destroy(list);
		close(fd);
	}
	smartssd_close(dev);
	return tap_done();
}
