// SPDX-License-Identifier: BSD-2-Clause
/* READ and WRITE on the embedded card: data against what the file has, paths, exact counters, with io_uring and without. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include "emu_test.h"

#define FILE_BYTES (3u << 20)

/* A sandbox that knows no io_uring: the whole process, for good (each test has one of its own). */
static void forbid_io_uring(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog), 0);
	ck_assert_int_eq(syscall(SYS_io_uring_setup, 1, NULL), -1);
	ck_assert_int_eq(errno, EPERM);
}

/*
 * What a file may do to us and regular ones hardly ever do: the linker's --wrap puts this before the library's pread and
 * pwrite, the plain loop's and the copies' calls. 1 and up: every call moves no more than that, every third one is interrupted.
 * 0: off.
 */
static size_t short_io;
static off_t bad_offset = -1; /* a READ or WRITE from here fails */

ssize_t __real_pread(int fd, void *p, size_t n, off_t at);
ssize_t __real_pwrite(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pread(int fd, void *p, size_t n, off_t at);
ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t at);

static bool disturbed(size_t *n, off_t at)
{
	static unsigned int calls;

	if (bad_offset >= 0 && at <= bad_offset && at + (off_t)*n > bad_offset) {
		errno = EBADMSG;
		return true;
	}
	if (short_io && __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) % 3 == 0) {
		errno = EINTR;
		return true;
	}
	if (short_io && *n > short_io)
		*n = short_io;
	return false;
}

ssize_t __wrap_pread(int fd, void *p, size_t n, off_t at)
{
	return disturbed(&n, at) ? -1 : __real_pread(fd, p, n, at);
}

ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t at)
{
	return disturbed(&n, at) ? -1 : __real_pwrite(fd, p, n, at);
}

struct want {
	uint64_t peer, peer_link, bounce;
};

/* What the ABI says of READ, done slowly: expected memory, and bytes per path. */
static void expect_read(uint8_t *mem, const struct smartssd_extent *e, uint32_t nr, uint64_t file_bytes, struct want *w)
{
	uint32_t i;
	uint64_t k;

	for (i = 0; i < nr; i++) {
		for (k = 0; k < e[i].bytes; k++)
			mem[e[i].bo_offset + k] = e[i].file_offset + k < file_bytes ? t_byte(e[i].file_offset + k) : 0;
		for (k = 0; k < e[i].bytes && e[i].file_offset + k < file_bytes; k++)
			;
		w->bounce += k; /* or peer: the caller knows the total */
	}
}

/* Random extents that do not overlap in the BO: places in order, gaps between them, some neighbours in both. */
static uint32_t random_extents(uint64_t *seed, struct smartssd_extent *e, uint32_t max, uint64_t bo_bytes, uint64_t file_bytes, bool aligned)
{
	uint64_t at = 0, unit = aligned ? 512 : 1;
	uint32_t n;

	for (n = 0; n < max; n++) {
		uint64_t bytes = (1 + t_random(seed) % (t_random(seed) % 20 ? 9 : 300) * (aligned ? 1 : 613)) * unit;

		at += t_random(seed) % 3 * (aligned ? 4 : 3);
		if (n && t_random(seed) % 4 == 0 && e[n - 1].file_offset + e[n - 1].bytes < file_bytes) {
			at = e[n - 1].bo_offset + e[n - 1].bytes;
			e[n].file_offset = e[n - 1].file_offset + e[n - 1].bytes;
		} else {
			e[n].file_offset = t_random(seed) % (file_bytes / unit) * unit;
		}
		if (at + bytes > bo_bytes)
			break;
		e[n].bo_offset = at;
		e[n].bytes = bytes;
		at += bytes;
	}
	return n;
}

/* _i: bit 0 aligned, bit 1 without io_uring, bit 2 PEER_OFF */
START_TEST(random_reads)
{
	enum { MAX = 3000 };
	uint64_t seed = t_seed("random_reads");
	struct emu *emu;
	struct smartssd_bo bo;
	struct smartssd_extent *e = calloc(MAX, sizeof(*e));
	uint8_t *mem, *want;
	uint64_t size = FILE_BYTES + ((_i & 1) ? 0 : 77), at;
	int fd = t_file(size, O_RDONLY), round;
	struct smartssd_file f;

	if (_i & 2)
		forbid_io_uring();
	emu = t_open_bare("ddr=64M");
	bo = t_bo(emu, 4 << 20);
	mem = t_map(emu, &bo);
	want = malloc(bo.bytes);
	f = t_register(emu, fd);
	ck_assert_uint_eq(f.bytes, size);
	for (round = 0; round < 2; round++) {
		uint32_t n = random_extents(&seed, e, MAX, bo.bytes, size, _i & 1);
		struct smartssd_cmd c = t_rw(SMARTSSD_OP_READ, f.file, bo.bo, e, n);
		struct smartssd_counters before = t_counters(emu), after;
		struct smartssd_result r;
		struct want w = { 0 };

		c.flags = _i & 4 ? SMARTSSD_CMD_PEER_OFF : 0;
		memset(mem, 0xcc, bo.bytes);
		memset(want, 0xcc, bo.bytes);
		expect_read(want, e, n, size, &w);
		ck_assert_int_eq(t_run(emu, &c, 1, &r), 0);
		for (at = 0; at < bo.bytes && mem[at] == want[at]; at++)
			;
		ck_assert_msg(at == bo.bytes, "byte %llu of %u extents: 0x%02x, not 0x%02x", (unsigned long long)at, n, mem[at], want[at]);
		after = t_counters(emu);
		ck_assert_uint_eq(r.bytes, w.bounce);
		ck_assert_uint_eq(after.host_to_card - before.host_to_card, after.bounce_read - before.bounce_read);
		ck_assert_uint_eq(r.path, _i & 4 ? SMARTSSD_PEER_OFF : _i & 1 ? SMARTSSD_PEER_OK : SMARTSSD_PEER_UNALIGNED);
		if (_i & 4)
			ck_assert_uint_eq(after.bounce_read - before.bounce_read, w.bounce);
		if (_i & 4)
			ck_assert_uint_eq(after.ssd_to_card, 0);
		if ((_i & 5) == 1)
			ck_assert_uint_eq(after.ssd_to_card - before.ssd_to_card, w.bounce);
		if ((_i & 5) == 1)
			ck_assert_uint_eq(after.bounce_read, 0);
	}
	ck_assert_int_eq(emu_munmap(emu, mem, bo.bytes), 0);
	free(want);
	free(e);
	close(fd);
	emu_close(emu);
}
END_TEST

START_TEST(random_writes)
{
	enum { MAX = 2000 };
	uint64_t seed = t_seed("random_writes");
	struct emu *emu;
	struct smartssd_bo bo;
	struct smartssd_extent *e = calloc(MAX, sizeof(*e)), swap;
	uint8_t *mem, *want = malloc(FILE_BYTES), *got = malloc(FILE_BYTES);
	int fd = t_file(FILE_BYTES, O_RDWR);
	struct smartssd_file f;
	uint32_t n, i;
	uint64_t k, sum = 0;
	struct smartssd_cmd c;
	struct smartssd_counters count;
	struct smartssd_result r;

	if (_i & 2)
		forbid_io_uring();
	emu = t_open_bare("ddr=64M");
	bo = t_bo(emu, FILE_BYTES);
	mem = t_map(emu, &bo);
	f = t_register(emu, fd);
	/* extents must not overlap in the file: those of a READ, with both sides exchanged */
	n = random_extents(&seed, e, MAX, FILE_BYTES, FILE_BYTES / 2, _i & 1);
	for (k = 0; k < FILE_BYTES; k++) {
		mem[k] = ~t_byte(k * 7);
		want[k] = t_byte(k);
	}
	for (i = 0; i < n; i++) {
		if (e[i].file_offset + e[i].bytes > FILE_BYTES)
			e[i].file_offset = 0;
		swap = e[i];
		e[i].file_offset = swap.bo_offset;
		e[i].bo_offset = swap.file_offset;
		if (_i & 1) /* in the file the places are 4 bytes apart: make them blocks */
			e[i].file_offset = i ? e[i - 1].file_offset + e[i - 1].bytes : 0;
		if (e[i].file_offset + e[i].bytes > FILE_BYTES)
			break;
		memcpy(want + e[i].file_offset, mem + e[i].bo_offset, e[i].bytes);
		sum += e[i].bytes;
	}
	c = t_rw(SMARTSSD_OP_WRITE, f.file, bo.bo, e, i);
	ck_assert_int_eq(t_run(emu, &c, 1, &r), 0);
	ck_assert_int_eq(pread(fd, got, FILE_BYTES, 0), FILE_BYTES);
	ck_assert_mem_eq(got, want, FILE_BYTES);
	ck_assert_uint_eq(r.bytes, sum);
	count = t_counters(emu);
	ck_assert_uint_eq(count.card_to_ssd + count.bounce_write, sum);
	ck_assert_uint_eq(count.card_to_host, count.bounce_write);
	ck_assert_uint_eq(count.ssd_to_card | count.host_to_card | count.reads, 0);
	if (_i & 1)
		ck_assert_uint_eq(count.card_to_ssd, sum);
	ck_assert_int_eq(emu_munmap(emu, mem, bo.bytes), 0);
	free(e);
	free(want);
	free(got);
	close(fd);
	emu_close(emu);
}
END_TEST

static const struct {
	uint64_t file_bytes;
	struct smartssd_extent e[3];
	uint32_t nr, flags;
	/* wanted */
	int status;
	uint32_t path;
	uint64_t bytes, ssd_to_card, bounce, reads, detail;
} reads[] = {
	/* neighbours become one request */
	{ 8192, { { 0, 0, 512 }, { 512, 512, 512 }, { 1024, 1024, 4096 } }, 3, 0, 0, 0, 5120, 5120, 0, 1, ~0ull },
	{ 8192, { { 0, 0, 512 }, { 512, 516, 512 }, { 2048, 2048, 4096 } }, 3, 0, 0, 0, 5120, 5120, 0, 3, ~0ull },
	/* requests of at most 1 MiB */
	{ 4 << 20, { { 0, 0, (2 << 20) + 512 } }, 1, 0, 0, 0, (2 << 20) + 512, (2 << 20) + 512, 0, 3, ~0ull },
	/* whole blocks go directly, what is left through a buffer */
	{ 8192, { { 0, 0, 1000 } }, 1, 0, 0, SMARTSSD_PEER_UNALIGNED, 1000, 512, 488, 2, ~0ull },
	{ 8192, { { 100, 0, 1000 } }, 1, 0, 0, SMARTSSD_PEER_UNALIGNED, 1000, 0, 1000, 1, ~0ull },
	{ 1 << 20, { { 100, 0, 65536 } }, 1, 0, 0, SMARTSSD_PEER_UNALIGNED, 65536, 32768, 32768, 3, ~0ull },
	{ 8192, { { 0, 2, 1024 } }, 1, 0, 0, SMARTSSD_PEER_UNALIGNED, 1024, 0, 1024, 1, ~0ull },
	/* the end of the file: a drive gives whole blocks, the caller gets what the file has */
	{ 1000, { { 512, 0, 4096 } }, 1, 0, 0, 0, 488, 512, 0, 1, ~0ull },
	{ 1000, { { 512, 0, 2 << 20 } }, 1, 0, 0, 0, 488, 512, 0, 1, ~0ull },
	{ 1000, { { 512, 0, 488 } }, 1, 0, 0, SMARTSSD_PEER_UNALIGNED, 488, 0, 488, 1, ~0ull },
	/* paths on demand */
	{ 8192, { { 0, 0, 512 } }, 1, SMARTSSD_CMD_PEER_OFF, 0, SMARTSSD_PEER_OFF, 512, 0, 512, 1, ~0ull },
	{ 8192, { { 0, 0, 512 } }, 1, SMARTSSD_CMD_PEER_REQUIRE, 0, 0, 512, 512, 0, 1, ~0ull },
	{ 8192, { { 0, 0, 512 }, { 512, 512, 512 }, { 5, 2048, 1 } }, 3, SMARTSSD_CMD_PEER_REQUIRE, -EREMOTEIO, SMARTSSD_PEER_UNALIGNED, 0, 0, 0, 0, 2 },
};

START_TEST(exact_counters)
{
	struct emu *emu = t_open_bare("ddr=64M");
	struct smartssd_bo bo = t_bo(emu, 4 << 20);
	int fd = t_file(reads[_i].file_bytes, O_RDONLY);
	struct smartssd_file f = t_register(emu, fd);
	struct smartssd_cmd c = t_rw(SMARTSSD_OP_READ, f.file, bo.bo, reads[_i].e, reads[_i].nr);
	struct smartssd_counters n;
	struct smartssd_result r;

	c.flags = reads[_i].flags;
	ck_assert_int_eq(t_run(emu, &c, 1, &r), reads[_i].status);
	n = t_counters(emu);
	ck_assert_uint_eq(r.path, reads[_i].path);
	ck_assert_uint_eq(r.bytes, reads[_i].bytes);
	ck_assert_uint_eq(r.detail, reads[_i].detail);
	ck_assert_uint_eq(n.ssd_to_card, reads[_i].ssd_to_card);
	ck_assert_uint_eq(n.bounce_read, reads[_i].bounce);
	ck_assert_uint_eq(n.host_to_card, reads[_i].bounce);
	ck_assert_uint_eq(n.reads, reads[_i].reads);
	ck_assert_uint_eq(n.writes | n.card_to_ssd | n.card_to_host | n.bounce_write | n.runs, 0);
	ck_assert_uint_eq(n.jobs, 1);
	close(fd);
	emu_close(emu);
}
END_TEST

START_TEST(peer_switched_off)
{
	struct emu *emu = t_open_bare("ddr=64M,peer=off");
	struct smartssd_bo bo = t_bo(emu, 8192);
	int fd = t_file(8192, O_RDONLY);
	struct smartssd_file f = t_register(emu, fd);
	struct smartssd_extent e = { 0, 0, 8192 };
	struct smartssd_cmd c = t_rw(SMARTSSD_OP_READ, f.file, bo.bo, &e, 1);
	struct smartssd_result r;

	ck_assert_uint_eq(f.peer_reason, SMARTSSD_PEER_OFF);
	ck_assert_int_eq(t_run(emu, &c, 1, &r), 0);
	ck_assert_uint_eq(r.path, SMARTSSD_PEER_OFF);
	ck_assert_uint_eq(t_counters(emu).bounce_read, 8192);
	c.flags = SMARTSSD_CMD_PEER_REQUIRE;
	ck_assert_int_eq(t_run(emu, &c, 1, &r), -EREMOTEIO);
	ck_assert_uint_eq(r.path, SMARTSSD_PEER_OFF);
	ck_assert_uint_eq(r.detail, 0);
	close(fd);
	emu_close(emu);
}
END_TEST

/* The caller's O_DIRECT is his affair: any piece can be read, and his descriptor stays as it is. */
START_TEST(direct_and_append_descriptors)
{
	struct emu *emu = t_open_bare("ddr=64M");
	struct smartssd_bo bo = t_bo(emu, 8192);
	int fd = t_file(8192, O_RDWR | O_DIRECT), ap = t_file(8192, O_RDWR | O_APPEND);
	struct smartssd_extent e = { 13, 5, 1001 };
	struct smartssd_file f;
	struct smartssd_cmd c;
	uint8_t *mem = t_map(emu, &bo);
	struct stat st;
	int i;

	ck_assert_int_ge(fd, 0);
	f = t_register(emu, fd);
	c = t_rw(SMARTSSD_OP_READ, f.file, bo.bo, &e, 1);
	ck_assert_int_eq(t_run(emu, &c, 1, NULL), 0);
	for (i = 0; i < 1001; i++)
		ck_assert_uint_eq(mem[5 + i], t_byte(13 + i));
	ck_assert_int_ne(fcntl(fd, F_GETFL) & O_DIRECT, 0);
	c.op = SMARTSSD_OP_WRITE;
	ck_assert_int_eq(t_run(emu, &c, 1, NULL), 0);

	f = t_register(emu, ap);
	c = t_rw(SMARTSSD_OP_WRITE, f.file, bo.bo, &e, 1);
	ck_assert_int_eq(t_submit(emu, &c, 1, NULL), -EBADF);
	c.op = SMARTSSD_OP_READ;
	ck_assert_int_eq(t_run(emu, &c, 1, NULL), 0);
	ck_assert_int_eq(fstat(ap, &st), 0);
	ck_assert_int_eq(st.st_size, 8192);
	ck_assert_int_eq(emu_munmap(emu, mem, bo.bytes), 0);
	close(fd);
	close(ap);
	emu_close(emu);
}
END_TEST

/* A descriptor from somebody who may open the file, in a process that may not: said as such, not as a bad id. */
START_TEST(direct_descriptor_of_somebody_else)
{
	struct emu *emu = t_open_bare("ddr=64M");
	int fd = t_file(8192, O_RDWR | O_DIRECT);
	struct smartssd_file f = { .size = sizeof(f), .fd = fd };

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fchmod(fd, 0), 0);
	if (!geteuid())
		ck_assert_int_eq(seteuid(65534), 0);
	ck_assert_int_eq(emu_ioctl(emu, SMARTSSD_IOC_FILE_REGISTER, &f), -EACCES);
	if (!getuid())
		ck_assert_int_eq(seteuid(0), 0);
	close(fd);
	emu_close(emu);
}
END_TEST

/* Many commands at once, the queue full all the time. */
START_TEST(many_reads_in_one_job)
{
	enum { N = 32, PIECES = 1000 };
	struct emu *emu = t_open_bare("ddr=64M");
	int fd = t_file(FILE_BYTES, O_RDONLY), i, k;
	struct smartssd_file f = t_register(emu, fd);
	struct smartssd_extent *e = calloc(N * PIECES, sizeof(*e));
	struct smartssd_bo bo = t_bo(emu, N * PIECES * 512);
	struct smartssd_cmd c[N];
	uint8_t *mem = t_map(emu, &bo);
	uint64_t seed = t_seed("many_reads_in_one_job"), wrong = 0, j;

	for (i = 0; i < N * PIECES; i++)
		e[i] = (struct smartssd_extent){ t_random(&seed) % (FILE_BYTES / 512) * 512, (uint64_t)i * 512, 512 };
	for (i = 0; i < N; i++)
		c[i] = t_rw(SMARTSSD_OP_READ, f.file, bo.bo, e + i * PIECES, PIECES);
	ck_assert_int_eq(t_run(emu, c, N, NULL), 0);
	for (i = 0; i < N * PIECES; i++)
		for (k = 0; k < 512; k += 73) {
			j = (uint64_t)i * 512 + k;
			wrong += mem[j] != t_byte(e[i].file_offset + k);
		}
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_eq(t_counters(emu).ssd_to_card, N * PIECES * 512);
	ck_assert_int_eq(emu_munmap(emu, mem, bo.bytes), 0);
	free(e);
	close(fd);
	emu_close(emu);
}
END_TEST

/* A file that got shorter after the check: READ gives zeros, WRITE does not make it longer again. */
START_TEST(file_that_shrinks)
{
	struct emu *emu = t_open("ddr=64M");
	struct smartssd_bo bo = t_bo(emu, 65536);
	int fd = t_file(65536, O_RDWR);
	struct smartssd_file f = t_register(emu, fd);
	struct smartssd_extent e[2] = { { 0, 0, 512 }, { 32768, 32768, 512 } };
	struct t_args a;
	struct smartssd_cmd c[3] = { t_ek(&a, 1, bo.bo, bo.bo, 100, EK_SLEEP), t_rw(SMARTSSD_OP_READ, f.file, bo.bo, e, 2),
				     t_rw(SMARTSSD_OP_WRITE, f.file, bo.bo, e, 2) };
	struct smartssd_result r[3];
	uint8_t *mem = t_map(emu, &bo);
	struct smartssd_wait w;
	struct stat st;
	uint64_t job;

	memset(mem, 0xee, 65536);
	c[1].dep[0] = 1;
	c[2].dep[0] = 2;
	ck_assert_int_eq(t_submit(emu, c, 3, &job), 0);
	ck_assert_int_eq(ftruncate(fd, 4096), 0);
	ck_assert_int_eq(t_wait(emu, job, NEVER, &w, r, 3), 0);
	ck_assert_int_eq(r[1].status, 0);
	ck_assert_uint_eq(r[1].bytes, 512);
	ck_assert_uint_eq(mem[32768], 0);
	ck_assert_uint_eq(mem[32768 + 511], 0);
	ck_assert_uint_eq(mem[32768 + 512], 0xee);
	ck_assert_int_eq(r[2].status, -EINVAL);
	ck_assert_uint_eq(r[2].detail, 1);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(st.st_size, 4096);
	ck_assert_int_eq(emu_munmap(emu, mem, bo.bytes), 0);
	close(fd);
	emu_close(emu);
}
END_TEST

START_TEST(short_transfers_are_continued)
{
	struct emu *emu;
	struct smartssd_bo bo;
	int fd = t_file(100001, O_RDWR);
	struct smartssd_file f;
	struct smartssd_extent e[2] = { { 0, 0, 65536 }, { 70001, 70001, 65536 } }, w = { 0, 1, 50000 };
	struct smartssd_cmd c[2];
	uint8_t *mem, *host = malloc(200000);
	uint64_t wrong = 0, i;

	forbid_io_uring();
	emu = t_open_bare("ddr=64M");
	bo = t_bo(emu, 200000);
	mem = t_map(emu, &bo);
	f = t_register(emu, fd);
	memset(mem, 0xee, 200000);
	short_io = 777;
	c[0] = t_rw(SMARTSSD_OP_READ, f.file, bo.bo, e, 2);
	c[1] = t_copy_from(host, bo.bo, 0, 200000);
	c[1].dep[0] = 1;
	ck_assert_int_eq(t_run(emu, c, 2, NULL), 0);
	for (i = 0; i < 200000; i++) {
		uint8_t want = 0xee;

		if (i < 65536 || (i >= 70001 && i < 100001))
			want = t_byte(i);
		else if (i >= 70001 && i < 135537)
			want = 0;
		wrong += host[i] != want;
	}
	ck_assert_uint_eq(wrong, 0);
	for (i = 0; i < 200000; i++)
		host[i] = t_byte(i * 5);
	c[0] = t_copy_to(bo.bo, 0, host, 200000);
	c[1] = t_rw(SMARTSSD_OP_WRITE, f.file, bo.bo, &w, 1);
	c[1].dep[0] = 1;
	ck_assert_int_eq(t_run(emu, c, 2, NULL), 0);
	short_io = 0;
	ck_assert_int_eq(pread(fd, mem, 50000, 0), 50000);
	ck_assert_mem_eq(mem, host + 1, 50000);
	ck_assert_int_eq(emu_munmap(emu, mem, bo.bytes), 0);
	free(host);
	close(fd);
	emu_close(emu);
}
END_TEST

/* The first extent that failed is named, as the caller counts them; what came before it has moved. */
START_TEST(media_errors_are_EIO_and_name_the_extent)
{
	struct emu *emu;
	struct smartssd_bo bo;
	int fd = t_file(1 << 20, O_RDWR);
	struct smartssd_file f;
	/* 1 continues 0 */
	struct smartssd_extent e[5] = { { 0, 0, 512 }, { 512, 512, 512 }, { 8192, 8192, 512 }, { 65536, 65536, 512 }, { 4096, 4096, 512 } };
	struct smartssd_cmd c[2];
	struct smartssd_result r[2];

	forbid_io_uring();
	emu = t_open_bare("ddr=64M");
	bo = t_bo(emu, 1 << 20);
	f = t_register(emu, fd);
	bad_offset = 65700;
	c[0] = t_rw(_i ? SMARTSSD_OP_WRITE : SMARTSSD_OP_READ, f.file, bo.bo, e, 5);
	c[1] = t_rw(SMARTSSD_OP_READ, f.file, bo.bo, e, 1);
	c[1].dep[0] = 1;
	ck_assert_int_eq(t_run(emu, c, 2, r), -EIO);
	ck_assert_uint_eq(r[0].detail, 3);
	ck_assert_uint_eq(r[0].bytes, 1536);
	ck_assert_int_eq(r[1].status, -ECANCELED);
	ck_assert_uint_eq(_i ? t_counters(emu).card_to_ssd : t_counters(emu).ssd_to_card, 1536);
	ck_assert_uint_eq(_i ? t_counters(emu).writes : t_counters(emu).reads, 3);
	bad_offset = -1;
	ck_assert_int_eq(t_run(emu, c, 2, r), 0);
	close(fd);
	emu_close(emu);
}
END_TEST

TCase *tcase_io(void)
{
	TCase *tc = tcase_create("io");

	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, random_reads, 0, 8);
	tcase_add_loop_test(tc, random_writes, 0, 4);
	tcase_add_loop_test(tc, exact_counters, 0, sizeof(reads) / sizeof(reads[0]));
	tcase_add_test(tc, short_transfers_are_continued);
	tcase_add_loop_test(tc, media_errors_are_EIO_and_name_the_extent, 0, 2);
	tcase_add_test(tc, peer_switched_off);
	tcase_add_test(tc, direct_and_append_descriptors);
	tcase_add_test(tc, direct_descriptor_of_somebody_else);
	tcase_add_test(tc, many_reads_in_one_job);
	tcase_add_test(tc, file_that_shrinks);
	return tc;
}
