// SPDX-License-Identifier: BSD-2-Clause
/*
 * What only the driver can show, on two cards in a guest: block errors name their extent; who may reset whose CU; what a hung CU holds;
 * BOs of another card; dma-bufs in another driver's hands; and the card taken away while all of that, and O_DIRECT reads into a
 * mapping, are under way.
 *
 *   drv_card TK.XCLBIN DIR-ON-SSD0 IMPORTER.KO
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "../tap.h"
#include "../../runtime/libsmartssd.h"

enum { PIECE = 4096, PIECES = 64, BYTES = PIECE * PIECES };

struct card {
	struct smartssd_device *dev;
	struct smartssd_bo bo;
	uint8_t *map;
	char pci[32];
};

static struct card card[2];

/* "nvmeX", card @n's SSD: /dev/ssdN is a link to /dev/nvmeXn1. */
static const char *drive(int n)
{
	static char name[2][64];
	char link[32];
	ssize_t got;

	snprintf(link, sizeof(link), "/dev/ssd%d", n);
	got = readlink(link, name[n], sizeof(name[n]) - 1);
	if (got < 8)
		return "";
	name[n][got - 2] = 0;
	return name[n] + 5;
}

static const char *xclbin;
static int file_fd;
static struct smartssd_file file;
static struct smartssd_list *list;

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static uint64_t free_bytes(struct smartssd_device *dev)
{
	struct smartssd_query q;

	return smartssd_query(dev, &q) ? 0 : q.ddr_free;
}

static int open_card(struct card *c, int number)
{
	struct smartssd_error err = { "" };
	char uri[32], link[64], target[256];
	ssize_t n;
	int ret;

	snprintf(uri, sizeof(uri), "/dev/smartssd%d", number);
	snprintf(link, sizeof(link), "/sys/class/smartssd/smartssd%d/device", number);
	n = readlink(link, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = 0;
	snprintf(c->pci, sizeof(c->pci), "%s", strrchr(target, '/') + 1);
	ret = smartssd_open(uri, &c->dev, &err);
	if (!ret)
		ret = smartssd_xclbin_load_file(c->dev, xclbin, &err);
	if (!ret)
		ret = smartssd_bo_create(c->dev, BYTES, &c->bo);
	if (!ret)
		ret = smartssd_bo_map(c->dev, &c->bo, (void **)&c->map);
	if (ret)
		printf("# %s: %s %s\n", uri, strerror(-ret), err.text);
	return ret;
}

static int run(struct smartssd_device *dev, struct smartssd_result *r)
{
	struct smartssd_outcome out;
	struct smartssd_error err;

	return smartssd_run_list(dev, list, &out, r, 1, &err);
}

static int tk(struct smartssd_device *dev, uint32_t bo, uint32_t n, uint32_t mode, uint32_t timeout_ms, uint64_t *job)
{
	struct smartssd_arg arg[4] = { { .index = 0, .bo = bo }, { .index = 2, .bo = bo }, { .index = 4, .value = n },
				       { .index = 5, .value = mode } };
	int ret;

	smartssd_list_clear(list);
	ret = smartssd_list_run(list, 1, arg, 4, timeout_ms);
	if (ret < 0)
		return ret;
	return job ? smartssd_submit(dev, list, job, NULL) : run(dev, NULL);
}

/* ---- block errors ---- */

static int read_pieces(uint32_t flags, struct smartssd_result *r)
{
	struct smartssd_extent ext[PIECES];
	int i;

	for (i = 0; i < PIECES; i++) /* backwards: no neighbours to merge */
		ext[i] = (struct smartssd_extent){ (uint64_t)(PIECES - 1 - i) * PIECE, (uint64_t)i * PIECE, PIECE };
	smartssd_list_clear(list);
	smartssd_list_read(list, file.file, card[0].bo.bo, ext, PIECES, flags);
	return run(card[0].dev, r);
}

static int pieces_right(void)
{
	int i, j;

	for (i = 0; i < PIECES; i++)
		for (j = 0; j < PIECE; j += 511)
			if (card[0].map[i * PIECE + j] != (uint8_t)((PIECES - 1 - i) * 7 + j))
				return 0;
	return 1;
}

static void block_errors(void)
{
	static const char f[] = "/sys/kernel/debug/fail_make_request/";
	struct smartssd_result r = { 0 };
	char path[128], space[16], knob[96];
	int ret, way;

	ret = read_pieces(SMARTSSD_CMD_PEER_REQUIRE, &r);
	tap_ok(!ret && pieces_right(), "read in pieces: %s", strerror(-ret));
	snprintf(knob, sizeof(knob), "/sys/block/%sn1/make-it-fail", drive(0));
	if (put(knob, "1")) {
		tap_skip("a block error names its extent", "this kernel has no fail_make_request");
		return;
	}
	for (way = 0; way < 2; way++) {
		snprintf(space, sizeof(space), "%d", 37 * PIECE + 1); /* let 37 through */
		put(strcat(strcpy(path, f), "probability"), "100");
		put(strcat(strcpy(path, f), "interval"), "1");
		put(strcat(strcpy(path, f), "verbose"), "0");
		put(strcat(strcpy(path, f), "space"), space);
		put(strcat(strcpy(path, f), "times"), "1");
		ret = read_pieces(way ? SMARTSSD_CMD_PEER_OFF : SMARTSSD_CMD_PEER_REQUIRE, &r);
		tap_ok(ret == -EIO && r.status == -EIO && r.detail == 37, "%s: a failed block is EIO and names extent 37: %s, %llu",
		       way ? "bounced" : "peer", strerror(-ret), (unsigned long long)r.detail);
		put(path, "0");
		ret = read_pieces(0, &r);
		tap_ok(!ret && pieces_right() && r.detail == ~0ull, "and the next read is right: %s", strerror(-ret));
	}
	put(knob, "0");
}

/* A raw namespace's reads are bios of the driver's own, not a filesystem's. */
static void raw_block_error(void)
{
	static const char f[] = "/sys/kernel/debug/fail_make_request/";
	/* Not where the mounted filesystem keeps its superblock: what is dirty there would be written first, and fail. */
	struct smartssd_extent ext = { 32 << 20, 0, PIECE };
	char path[128], knob[96], node[64];
	struct smartssd_result r = { 0 };
	struct smartssd_file raw;
	int fd, ret, way;

	snprintf(node, sizeof(node), "/dev/%sn1", drive(0));
	snprintf(knob, sizeof(knob), "/sys/block/%sn1/make-it-fail", drive(0));
	fd = open(node, O_RDONLY | O_CLOEXEC);
	ret = fd < 0 ? -errno : smartssd_file_register(card[0].dev, fd, &raw);
	if (ret || put(knob, "1")) {
		tap_skip("a block error of the raw namespace", "no fail_make_request, or the namespace cannot be opened");
		return;
	}
	put(strcat(strcpy(path, f), "space"), "0");
	for (way = 0; way < 4; way++) {
		sync(); /* or the filesystem's own write may be the one that fails, and end it */
		put(strcat(strcpy(path, f), "times"), way & 1 ? "0" : "1");
		smartssd_list_clear(list);
		smartssd_list_read(list, raw.file, card[0].bo.bo, &ext, 1, way & 2 ? SMARTSSD_CMD_PEER_OFF : SMARTSSD_CMD_PEER_REQUIRE);
		ret = run(card[0].dev, &r);
		tap_ok(way & 1 ? !ret && !r.status : ret == -EIO && r.status == -EIO && !r.detail, "raw namespace, %s, %s: %s", way & 2 ? "bounced" : "peer",
		       way & 1 ? "and the next read is right" : "a failed block is EIO", strerror(-ret));
	}
	put(path, "0");
	put(knob, "0");
	smartssd_file_unregister(card[0].dev, raw.file);
	close(fd);
}

enum { MANY = 2048, SMALL = 512 };

/* Small pieces all over the file, none next to the one before. */
static int read_many(uint32_t bo, struct smartssd_result *r)
{
	static struct smartssd_extent ext[MANY];
	int i;

	for (i = 0; i < MANY; i++)
		ext[i] = (struct smartssd_extent){ (uint64_t)i * 37 % (BYTES / SMALL) * SMALL, (uint64_t)i * SMALL, SMALL };
	smartssd_list_clear(list);
	smartssd_list_read(list, file.file, bo, ext, MANY, SMARTSSD_CMD_PEER_REQUIRE);
	return run(card[0].dev, r);
}

static int small_right(const uint8_t *map, int i)
{
	int at = i * 37 % (BYTES / SMALL) * SMALL, j;

	for (j = 0; j < SMALL; j++)
		if (map[i * SMALL + j] != (uint8_t)(at / PIECE * 7 + (at + j) % PIECE))
			return 0;
	return 1;
}

/*
 * So many pieces are read by two workers, each with half of them. Whichever meets the error: the extent that is named was not read, and all others
 * were, but for those behind it in its half.
 */
static void block_error_among_many(void)
{
	static const char f[] = "/sys/kernel/debug/fail_make_request/";
	char times[64], space[64], amount[16], knob[96];
	struct smartssd_result r = { 0 };
	struct smartssd_bo bo;
	int seen[2] = { 0, 0 }, wrong = 0, twice = 0, tries, half, other, i, ret;
	void *p;
	uint8_t *map;

	ret = smartssd_bo_create(card[0].dev, MANY * SMALL, &bo);
	ret = ret ? ret : smartssd_bo_map(card[0].dev, &bo, &p);
	snprintf(knob, sizeof(knob), "/sys/block/%sn1/make-it-fail", drive(0));
	if (ret || put(knob, "1")) {
		tap_skip("a block error among many", "no memory, or no fail_make_request");
		return;
	}
	map = p;
	snprintf(times, sizeof(times), "%stimes", f);
	snprintf(space, sizeof(space), "%sspace", f);
	for (tries = 0; tries < 40 && !wrong && !(seen[0] && seen[1]); tries++) {
		memset(map, 0xa5, MANY * SMALL);
		snprintf(amount, sizeof(amount), "%d", (300 + 41 * tries) * SMALL + 1);
		put(space, amount);
		put(times, "1");
		ret = read_many(bo.bo, &r);
		put(times, "0");
		wrong = ret != -EIO || r.detail >= MANY || small_right(map, (int)r.detail);
		half = r.detail >= MANY / 2;
		for (i = 0, other = 0; i < MANY && !wrong; i++) {
			if (i < (int)r.detail)
				wrong = !small_right(map, i);
			else if (i / (MANY / 2) != half)
				other |= !small_right(map, i);
		}
		seen[half] = 1;
		/* The kernel counts "times" without a lock: now and then both halves meet a failure. Not often. */
		twice += other;
		wrong |= twice > 2;
	}
	tap_ok(!wrong && seen[0] && seen[1], "a block error among %d pieces, in either half: %d tries, %s, extent %llu, %d", MANY, tries, strerror(-ret),
	       (unsigned long long)r.detail, wrong);
	ret = read_many(bo.bo, &r);
	for (i = 0; i < MANY && !ret && small_right(map, i); i++)
		;
	tap_ok(!ret && i == MANY, "and without one all are right: %s, %d", strerror(-ret), i);
	put(knob, "0");
	smartssd_bo_unmap(card[0].dev, &bo, map);
	smartssd_bo_destroy(card[0].dev, bo.bo);
}

/* ---- who may do what ---- */

static void peer_switch(void)
{
	static const char knob[] = "/sys/class/smartssd/smartssd0/peer_enabled";
	struct smartssd_result r = { 0 };
	int ret = put(knob, "0");

	ret = ret ? ret : read_pieces(0, &r);
	tap_ok(!ret && pieces_right() && r.path == SMARTSSD_PEER_OFF, "peer DMA switched off in sysfs: bounced, path %u", r.path);
	ret = read_pieces(SMARTSSD_CMD_PEER_REQUIRE, &r);
	tap_ok(ret == -EREMOTEIO && r.path == SMARTSSD_PEER_OFF, "and cannot be required: %s", strerror(-ret));
	put(knob, "1");
	ret = read_pieces(0, &r);
	tap_ok(!ret && r.path == SMARTSSD_PEER_OK, "on again: path %u", r.path);
}

static uint8_t *load_file(size_t *bytes)
{
	int fd = open(xclbin, O_RDONLY);
	uint8_t *data = malloc(*bytes = fd < 0 ? 0 : lseek(fd, 0, SEEK_END));

	if (data && pread(fd, data, *bytes, 0) != (ssize_t)*bytes)
		data = NULL;
	close(fd);
	return data;
}

/* In a child without privileges: 0 when loading what is loaded works and loading something else does not. */
static int as_nobody(uint8_t *data, size_t bytes)
{
	struct smartssd_device *dev;
	struct smartssd_error err;
	struct smartssd_bo foreign = card[0].bo;
	void *p;

	if (setuid(65534) || smartssd_open("/dev/smartssd0", &dev, &err))
		return 1;
	if (smartssd_xclbin_load(dev, data, bytes))
		return 2;
	if (smartssd_bo_map(dev, &foreign, &p) != -EINVAL)
		return 3;
	data[416] ^= 1;
	if (smartssd_xclbin_load(dev, data, bytes) != -EPERM)
		return 4;
	return 0;
}

static void privileges(void)
{
	struct smartssd_outcome out;
	struct smartssd_query q;
	size_t bytes;
	uint8_t *data = load_file(&bytes);
	uint64_t job;
	int ret, status = -1;
	pid_t pid = fork();

	if (!pid)
		_exit(data ? as_nobody(data, bytes) : 9);
	waitpid(pid, &status, 0);
	tap_ok(!status, "without privileges: load what is loaded, not something else, nor map another's BO (step %d)", status >> 8);
	data[416] ^= 1; /* the same under another UUID */
	ret = tk(card[0].dev, card[0].bo.bo, 300, 4, 5000, &job);
	ret = ret ? ret : smartssd_xclbin_load(card[0].dev, data, bytes);
	tap_ok(ret == -EBUSY, "another xclbin while a job is in flight: %s", strerror(-ret));
	smartssd_wait(card[0].dev, job, SMARTSSD_DEADLINE_NEVER, &out, NULL, 0);
	ret = smartssd_xclbin_load(card[0].dev, data, bytes);
	tap_ok(!ret && !smartssd_query(card[0].dev, &q) && q.nr_cus == 1 && q.uuid[0] == data[416], "and afterwards: %s", strerror(-ret));
	ret = tk(card[0].dev, card[0].bo.bo, 1, 0, 0, NULL);
	tap_ok(!ret, "which runs: %s", strerror(-ret));
	free(data);
}

/* The call of a 32-bit program: int 0x80 takes its argument for a 32-bit one. */
static void compat(void)
{
	struct smartssd_query *q = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	long ret = 54; /* ioctl */

	q->size = sizeof(*q);
	__asm__ volatile("int $0x80" : "+a"(ret) : "b"((long)smartssd_poll_fd(card[0].dev)), "c"(SMARTSSD_IOC_QUERY), "d"(q)
			 : "memory", "r8", "r9", "r10", "r11");
	tap_ok(!ret && q->ddr_bytes && !strcmp((char *)q->ssd, drive(0)), "a 32-bit program's query: %ld, %s", ret, (char *)q->ssd);
	munmap(q, 4096);
}

static void append_only(void)
{
	struct smartssd_extent ext = { 0, 0, PIECE };
	struct smartssd_file f;
	char path[64];
	int fd, ret;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file_fd);
	fd = open(path, O_WRONLY | O_APPEND);
	ret = fd < 0 ? -errno : smartssd_file_register(card[0].dev, fd, &f);
	smartssd_list_clear(list);
	smartssd_list_write(list, f.file, card[0].bo.bo, &ext, 1, 0);
	ret = ret ? ret : run(card[0].dev, NULL);
	tap_ok(ret == -EBADF, "an appending descriptor is not for WRITE: %s", strerror(-ret));
	close(fd);
}

/* ---- compute units ---- */

static void nothing(int sig)
{
	(void)sig;
}

static void signals(void)
{
	struct itimerval soon = { .it_value.tv_usec = 200000 };
	struct sigaction sa = { .sa_handler = nothing };
	struct smartssd_wait w = { .size = sizeof(w), .deadline_ns = SMARTSSD_DEADLINE_NEVER };
	uint64_t job;
	int ret;

	sigaction(SIGALRM, &sa, NULL);
	ret = tk(card[0].dev, card[0].bo.bo, 800, 4, 5000, &job);
	setitimer(ITIMER_REAL, &soon, NULL);
	w.job = job; /* not through the library, which goes on waiting by itself */
	ret = ret ? ret : ioctl(smartssd_poll_fd(card[0].dev), SMARTSSD_IOC_WAIT, &w) ? -errno : 0;
	tap_ok(ret == -EINTR, "a signal ends a wait: %s", strerror(-ret));
	ret = ioctl(smartssd_poll_fd(card[0].dev), SMARTSSD_IOC_WAIT, &w) ? -errno : 0;
	tap_ok(!ret && !w.status, "and the job is waited for again: %s", strerror(-ret));
}

/* What the driver says to a process without privileges that has the file of one with. */
static int reset_as_nobody(void)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid)
		_exit(setuid(65534) ? 99 : -smartssd_cu_reset(card[0].dev, 0));
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static void others_cu(void)
{
	struct smartssd_device *other;
	struct smartssd_outcome out;
	struct smartssd_error err;
	struct smartssd_bo bo;
	uint64_t job, before;
	int ret;

	if (smartssd_open("/dev/smartssd0", &other, &err) || smartssd_bo_create(other, 1 << 20, &bo)) {
		tap_ok(0, "a second open file");
		return;
	}
	ret = tk(other, bo.bo, 0, 2, 700, &job);
	usleep(100000);
	ret = ret ? ret : reset_as_nobody();
	tap_ok(ret == EPERM, "another's running command cannot be reset: %s", strerror(ret));
	ret = smartssd_wait(other, job, SMARTSSD_DEADLINE_NEVER, &out, NULL, 0);
	tap_ok(!ret && out.status == -ETIMEDOUT, "it hangs: %s", strerror(-out.status));
	before = free_bytes(card[0].dev);
	smartssd_close(other);
	tap_ok(free_bytes(card[0].dev) == before, "what a hung CU may still write to stays taken, though its owner is gone");
	ret = smartssd_cu_reset(card[0].dev, 0);
	tap_ok(!ret && free_bytes(card[0].dev) == before + (1 << 20), "until the CU is reset: %s", strerror(-ret));
	ret = tk(card[0].dev, card[0].bo.bo, 1, 0, 0, NULL);
	tap_ok(!ret, "and works again: %s", strerror(-ret));
}

static uint32_t state(void)
{
	struct smartssd_cu_info info;

	return smartssd_cu_info(card[0].dev, 0, &info) ? ~0u : info.state;
}

/* A time-out of weeks does not outlive who asked for it, and root need not wait. */
static void weeks(void)
{
	static const char knob[] = "/sys/module/smartssd/parameters/run_timeout_ms";
	struct smartssd_device *other;
	struct smartssd_outcome out;
	struct smartssd_error err;
	struct smartssd_bo bo;
	uint64_t job;
	int ret, i;

	put(knob, "500");
	if (smartssd_open("/dev/smartssd0", &other, &err) || smartssd_bo_create(other, 1 << 20, &bo)) {
		tap_ok(0, "a second open file");
		return;
	}
	ret = tk(other, bo.bo, 0, 2, 0xffffffff, &job);
	usleep(1000000);
	ret = ret ? ret : state() == SMARTSSD_CU_BUSY ? smartssd_cu_reset(card[0].dev, 0) : -EINVAL;
	tap_ok(!ret, "root resets what another runs: %s", strerror(-ret));
	ret = smartssd_wait(other, job, SMARTSSD_DEADLINE_NEVER, &out, NULL, 0);
	tap_ok(!ret && out.status == -EIO, "it ends: %s", strerror(-out.status));
	ret = tk(other, bo.bo, 0, 2, 0xffffffff, &job);
	usleep(1000000);
	i = state();
	smartssd_close(other);
	tap_ok(!ret && i == SMARTSSD_CU_BUSY, "a run of weeks goes on while its file is open: %s", strerror(-ret));
	for (i = 0; i < 100 && state() == SMARTSSD_CU_BUSY; i++)
		usleep(50000);
	tap_ok(state() == SMARTSSD_CU_HUNG, "but not much longer: state %u after %d ms", state(), i * 50);
	ret = smartssd_cu_reset(card[0].dev, 0);
	ret = ret ? ret : tk(card[0].dev, card[0].bo.bo, 1, 0, 0, NULL);
	tap_ok(!ret, "and the CU is anybody's: %s", strerror(-ret));
	put(knob, "10000");
}

/* ---- the other card's memory ---- */

static int import(struct card *from, struct card *to, uint32_t *bo, int *fd)
{
	uint64_t bytes;
	int ret = smartssd_bo_export(from->dev, from->bo.bo, fd);

	return ret ? ret : smartssd_bo_import(to->dev, *fd, bo, &bytes);
}

static int copy_bo(uint32_t dst, uint64_t dst_offset, uint32_t src, uint64_t src_offset, uint64_t bytes)
{
	smartssd_list_clear(list);
	smartssd_list_copy_bo(list, dst, dst_offset, src, src_offset, bytes);
	return run(card[0].dev, NULL);
}

static void two_cards(uint32_t *imported, int *fd)
{
	struct smartssd_extent ext = { 0, 0, PIECE };
	struct smartssd_bo bad;
	void *p;
	int i, ret = import(&card[1], &card[0], imported, fd);

	if (!tap_ok(!ret, "a BO of card 1 in card 0's hands: %s", strerror(-ret)))
		return;
	for (i = 0; i < BYTES; i++)
		card[1].map[i] = i * 3 + (i >> 8);
	memset(card[0].map, 0, BYTES);
	ret = copy_bo(card[0].bo.bo, 100, *imported, 3, 70000);
	tap_ok(!ret && !memcmp(card[0].map + 100, card[1].map + 3, 70000) && !card[0].map[99] && !card[0].map[70100],
	       "copy from the other card: %s", strerror(-ret));
	ret = copy_bo(*imported, 200000, card[0].bo.bo, 0, 5000);
	tap_ok(!ret && !memcmp(card[1].map + 200000, card[0].map, 5000), "copy to the other card: %s", strerror(-ret));
	memcpy(card[1].map, card[0].map, BYTES);
	ret = copy_bo(card[0].bo.bo, 5000, card[0].bo.bo, 0, 200000);
	tap_ok(!ret && !memcmp(card[0].map + 5000, card[1].map, 200000), "overlapping copy, upwards: %s", strerror(-ret));
	memcpy(card[1].map, card[0].map, BYTES);
	ret = copy_bo(card[0].bo.bo, 0, card[0].bo.bo, 777, 200000);
	tap_ok(!ret && !memcmp(card[0].map, card[1].map + 777, 200000), "overlapping copy, downwards: %s", strerror(-ret));
	smartssd_list_clear(list);
	smartssd_list_read(list, file.file, *imported, &ext, 1, 0);
	ret = run(card[0].dev, NULL);
	tap_ok(ret == -EINVAL, "it is no target of a READ: %s", strerror(-ret));
	ret = tk(card[0].dev, *imported, 1, 0, 0, NULL);
	tap_ok(ret == -EINVAL, "nor an argument of a RUN: %s", strerror(-ret));
	bad = card[1].bo;
	bad.mmap_offset += 64 << 20;
	ret = smartssd_bo_map(card[0].dev, &bad, &p);
	tap_ok(ret == -EINVAL, "nor mapped from this card's node: %s", strerror(-ret));
}

/* ---- a dma-buf in another driver's hands ---- */

static int importer(int fd, int dmabuf, const char *pci, int peer)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%d %s %d", dmabuf, pci, peer);

	return write(fd, text, n) == n ? 0 : -errno;
}

static int importer_state(int fd, unsigned long long *address, unsigned long long *bytes)
{
	char text[64] = "";
	int moved = -1;

	if (pread(fd, text, sizeof(text) - 1, 0) < 0 || sscanf(text, "%llx %llu %d", address, bytes, &moved) != 3)
		return -1;
	return moved;
}

/* A BO of its own: what another driver has mapped, nobody else may read into. */
static int dma_buf(const char *module)
{
	unsigned long long address = 0, bytes = 0, start = 0, end = 0;
	char path[128], ssd[80] = "", line[80];
	ssize_t n = snprintf(path, sizeof(path), "/sys/class/nvme/%s/device", drive(1)) < 0 ? -1 : readlink(path, line, sizeof(line) - 1);
	int fd = open(module, O_RDONLY), dmabuf, ret, i;
	struct smartssd_bo bo;
	FILE *f;

	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0)) {
		tap_ok(0, "%s: %s", module, strerror(errno));
		return -1;
	}
	close(fd);
	ret = smartssd_bo_create(card[1].dev, BYTES, &bo);
	ret = ret ? ret : smartssd_bo_export(card[1].dev, bo.bo, &dmabuf);
	if (ret) {
		tap_ok(0, "export: %s", strerror(-ret));
		return -1;
	}
	line[n < 0 ? 0 : n] = 0;
	snprintf(ssd, sizeof(ssd), "%s", strrchr(line, '/') ? strrchr(line, '/') + 1 : line);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", card[1].pci);
	f = fopen(path, "r");
	for (i = 0; f && i < 3 && fgets(line, sizeof(line), f); i++)
		if (sscanf(line, "%llx %llx", &start, &end) != 2)
			end = 0;
	if (f)
		fclose(f);
	fd = open("/dev/drv_importer", O_RDWR);
	ret = importer(fd, dmabuf, ssd, 0);
	tap_ok(ret == -EOPNOTSUPP, "a driver that does not take peer memory cannot attach: %s", strerror(-ret));
	ret = importer(fd, dmabuf, ssd, 1);
	tap_ok(!ret && !importer_state(fd, &address, &bytes), "one that does maps it for %s: %s", ssd, strerror(-ret));
	tap_ok(bytes == BYTES && address >= start + (32 << 20) && address + bytes - 1 <= end,
	       "at bus addresses inside of the aperture: %llx + %llu in %llx..%llx", address, bytes, start, end);
	close(dmabuf);
	return fd;
}

/* ---- the card is taken away ---- */

struct preader {
	int fd, error, first;
	long good;
	volatile int stop;
};

/* What the vendor's programs do, in a loop: pread into the mapping. */
static void *pread_loop(void *p)
{
	struct preader *r = p;
	int i;

	/* each thread has pieces of its own: two reads into one page are no test of the driver */
	for (i = r->first; !r->stop && !r->error; i = (i + 2) % PIECES) {
		if (pread(r->fd, card[1].map + i * PIECE, PIECE, i * PIECE) == PIECE)
			r->good++;
		else
			r->error = errno;
	}
	return NULL;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

static void taken_away(uint32_t imported, int importer_fd)
{
	struct pollfd pf = { .fd = smartssd_poll_fd(card[1].dev), .events = POLLIN };
	struct preader r[2] = { { .fd = open("/dev/ssd1", O_RDONLY | O_DIRECT) }, { .fd = open("/dev/ssd1", O_RDONLY | O_DIRECT) } };
	unsigned long long address, bytes;
	struct smartssd_outcome out;
	struct smartssd_bo bo;
	struct card old;
	pthread_t thread[2];
	uint64_t job = 0;
	double start;
	int ret, i;

	r[1].first = 1;
	for (i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, pread_loop, &r[i]);
	ret = tk(card[1].dev, card[1].bo.bo, 0, 2, 60000, &job);
	usleep(300000);
	start = now();
	ret = ret ? ret : put("/sys/bus/pci/drivers/smartssd/unbind", card[1].pci);
	tap_ok(!ret && now() - start < 20, "unbind under a run that never ends, preads into a mapping and a foreign dma-buf: %s, %.1f s",
	       strerror(-ret), now() - start);
	for (i = 0; i < 2; i++) {
		usleep(100000);
		r[i].stop = 1;
		pthread_join(thread[i], NULL);
		tap_ok(r[i].good > 0 && r[i].error == EFAULT, "pread into the mapping: %ld times right, then %s", r[i].good, strerror(r[i].error));
		close(r[i].fd);
	}
	ret = smartssd_wait(card[1].dev, job, SMARTSSD_DEADLINE_NEVER, &out, NULL, 0);
	tap_ok(!ret && out.status == -ENODEV, "the run ended with: %s, %s", strerror(-ret), strerror(-out.status));
	poll(&pf, 1, 0);
	tap_ok((pf.revents & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP), "poll: %x", pf.revents);
	ret = smartssd_bo_create(card[1].dev, 4096, &bo);
	tap_ok(ret == -ENODEV, "a new BO: %s", strerror(-ret));
	if (importer_fd >= 0) {
		tap_ok(importer_state(importer_fd, &address, &bytes) == 1 && !bytes, "the importer was told to let go, and did");
		close(importer_fd);
	}
	ret = copy_bo(card[0].bo.bo, 0, imported, 0, 4096);
	tap_ok(ret == -ENODEV, "a copy from card 0's handle to it: %s", strerror(-ret));
	old = card[1];
	ret = put("/sys/bus/pci/drivers/smartssd/bind", card[1].pci);
	for (i = 0; i < 100 && access("/dev/smartssd1", F_OK); i++)
		usleep(50000);
	ret = ret ? ret : open_card(&card[1], 1);
	tap_ok(!ret, "bind again under the old name while the old file is still open: %s", strerror(-ret));
	ret = ret ? ret : tk(card[1].dev, card[1].bo.bo, 1, 0, 0, NULL);
	tap_ok(!ret, "and it works: %s", strerror(-ret));
	smartssd_bo_unmap(old.dev, &old.bo, old.map);
	smartssd_close(old.dev);
	smartssd_close(card[1].dev);
	ret = read_pieces(SMARTSSD_CMD_PEER_REQUIRE, NULL);
	tap_ok(!ret && pieces_right(), "card 0 does not mind: %s", strerror(-ret));
}

/* What another driver still has mapped stays where it is: unbind waits for it. */
static void kept_by_importer(void)
{
	char path[128], line[80], ssd[80] = "";
	ssize_t n = snprintf(path, sizeof(path), "/sys/class/nvme/%s/device", drive(1)) < 0 ? -1 : readlink(path, line, sizeof(line) - 1);
	int fd = open("/dev/drv_importer", O_RDWR), dmabuf, ret, status = -1, i;
	pid_t pid, got = 0;

	line[n < 0 ? 0 : n] = 0;
	snprintf(ssd, sizeof(ssd), "%s", strrchr(line, '/') ? strrchr(line, '/') + 1 : line);
	ret = open_card(&card[1], 1);
	ret = ret ? ret : smartssd_bo_export(card[1].dev, card[1].bo.bo, &dmabuf);
	ret = ret ? ret : importer(fd, dmabuf, ssd, 2);
	if (!tap_ok(!ret, "a driver that does not let go when asked to has mapped a BO: %s", strerror(-ret)))
		return;
	close(dmabuf);
	smartssd_bo_unmap(card[1].dev, &card[1].bo, card[1].map);
	smartssd_close(card[1].dev);
	pid = fork();
	if (!pid) {
		close(fd);
		_exit(put("/sys/bus/pci/drivers/smartssd/unbind", card[1].pci) ? 1 : 0);
	}
	for (i = 0; i < 20 && !got; i++) {
		usleep(100000);
		got = waitpid(pid, &status, WNOHANG);
	}
	tap_ok(!got, "unbind waits for it");
	close(fd);
	for (i = 0; i < 200 && !got; i++) {
		usleep(100000);
		got = waitpid(pid, &status, WNOHANG);
	}
	tap_ok(got == pid && !status, "and goes on when it has let go: %d after %d ms", status, i * 100);
	ret = put("/sys/bus/pci/drivers/smartssd/bind", card[1].pci);
	for (i = 0; i < 100 && access("/dev/smartssd1", F_OK); i++)
		usleep(50000);
	tap_ok(!ret && !access("/dev/smartssd1", F_OK), "bind again: %s", strerror(-ret));
}

int main(int argc, char **argv)
{
	uint8_t data[PIECE];
	uint32_t imported = 0;
	char path[256];
	int i, j, dmabuf = -1, importer_fd, ret;

	if (argc != 4)
		return 2;
	xclbin = argv[1];
	snprintf(path, sizeof(path), "%s/drv_card.dat", argv[2]);
	file_fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (i = 0; i < PIECES; i++) {
		for (j = 0; j < PIECE; j++)
			data[j] = i * 7 + j;
		if (write(file_fd, data, PIECE) != PIECE)
			break;
	}
	fsync(file_fd);
	ret = smartssd_list_create(&list);
	if (ret || (ret = open_card(&card[0], 0)) || (ret = open_card(&card[1], 1)) ||
	    (ret = smartssd_file_register(card[0].dev, file_fd, &file))) {
		tap_ok(0, "set up: %s", strerror(-ret));
		return tap_done();
	}
	block_errors();
	raw_block_error();
	block_error_among_many();
	peer_switch();
	append_only();
	compat();
	privileges();
	signals();
	others_cu();
	weeks();
	two_cards(&imported, &dmabuf);
	close(dmabuf);
	importer_fd = dma_buf(argv[3]);
	taken_away(imported, importer_fd);
	kept_by_importer();
	smartssd_close(card[0].dev);
	smartssd_list_destroy(list);
	unlink(path);
	syscall(SYS_delete_module, "importer", O_NONBLOCK);
	return tap_done();
}
