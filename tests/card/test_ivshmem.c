// SPDX-License-Identifier: BSD-2-Clause
/*
 * smartssd-card as QEMU and a guest's driver see it: the ivshmem protocol, the register ring, interrupts, and what
 * is left when one of the three ends. This program plays both, without QEMU.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "rig.h"

#define DDR	(32ull << 20)
#define TOTAL	(SMARTSSD_WINDOW_BYTES + DDR)
#define VECTORS 16

static char dir[64], sock_path[100], shm_path[100];
static pid_t card;

struct client {
	int sock;
	int doorbell; /* the card's vector 0 */
	int vector[VECTORS];
	struct emu_ring *ring;
	u8 *bar;
	u32 head;
	u64 reads;
};

static struct client c;

static u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

static void setup(void)
{
	strcpy(dir, "/tmp/smartssd-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(sock_path, sizeof(sock_path), "%s/s", dir);
	snprintf(shm_path, sizeof(shm_path), "%s/m", dir);
}

static int wait_card(void)
{
	u64 end = now_ms() + 10000;
	int status;

	while (waitpid(card, &status, WNOHANG) != card) {
		ck_assert_msg(now_ms() < end, "the card process does not end");
		usleep(2000);
	}
	card = 0;
	return status;
}

static void teardown(void)
{
	if (card) {
		kill(card, SIGTERM);
		wait_card();
	}
	unlink(sock_path);
	unlink(shm_path);
	ck_assert_msg(!rmdir(dir), "something was left in %s", dir);
}

/* @extra: up to two more arguments */
static void spawn_card(const char *extra, const char *extra2)
{
	char *argv[] = { "smartssd-card", "--socket", sock_path, "--shm", shm_path, "--ddr", "32M", "--serial", "9",
			 (char *)extra, (char *)extra2, NULL };

	fflush(stdout);
	card = fork();
	if (!card) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		execv(rig_file("smartssd-card"), argv);
		_exit(127);
	}
}

static void start_card(const char *extra, const char *extra2)
{
	u64 end = now_ms() + 10000;

	spawn_card(extra, extra2);
	while (access(sock_path, F_OK)) {
		ck_assert_msg(now_ms() < end && !waitpid(card, NULL, WNOHANG), "the card process does not start");
		usleep(2000);
	}
}

/* ---- the client ---- */

static int64_t receive(int *fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	int64_t number = -99;
	struct iovec iov = { &number, sizeof(number) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };

	*fd = -1;
	ck_assert_int_eq(recvmsg(c.sock, &msg, MSG_CMSG_CLOEXEC), sizeof(number));
	if (msg.msg_controllen)
		memcpy(fd, CMSG_DATA(&control.header), sizeof(int));
	return number;
}

static int try_connect(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = 5 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, sock_path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

/* The sequence of QEMU's docs/specs/ivshmem-spec, and nothing else. */
static void connect_client(void)
{
	struct stat st;
	int fd, i;
	void *p;

	memset(&c, 0, sizeof(c));
	c.sock = try_connect();
	ck_assert_int_eq(receive(&fd), 0); /* protocol version */
	ck_assert_int_eq(fd, -1);
	ck_assert_int_eq(receive(&fd), 1); /* our id */
	ck_assert_int_eq(fd, -1);
	ck_assert_int_eq(receive(&fd), -1); /* the memory */
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq(st.st_size, TOTAL);
	p = mmap(NULL, TOTAL, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(p, MAP_FAILED);
	close(fd);
	c.bar = p;
	c.ring = p;
	ck_assert_int_eq(receive(&c.doorbell), 0); /* the other peer */
	ck_assert_int_ge(c.doorbell, 0);
	for (i = 0; i < VECTORS; i++) {
		ck_assert_int_eq(receive(&c.vector[i]), 1);
		ck_assert_int_ge(c.vector[i], 0);
	}
	c.head = c.ring->head;
}

static void disconnect_client(void)
{
	int i;

	close(c.sock);
	close(c.doorbell);
	for (i = 0; i < VECTORS; i++)
		close(c.vector[i]);
	munmap(c.bar, TOTAL);
}

/* ---- the driver: entries, head, doorbell ---- */

static void put(u32 op, u32 addr, u32 value)
{
	c.ring->entry[c.head++ % EMU_RING_ENTRIES] = (struct emu_ring_entry){ .op = op, .addr = addr, .value = value };
}

static void publish(void)
{
	u64 one = 1;

	__atomic_store_n(&c.ring->head, c.head, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&c.ring->sleeping, __ATOMIC_SEQ_CST))
		ck_assert_int_eq(write(c.doorbell, &one, sizeof(one)), sizeof(one));
}

static bool caught_up(int ms)
{
	u64 end = now_ms() + ms;

	while (__atomic_load_n(&c.ring->tail, __ATOMIC_ACQUIRE) != c.head)
		if (now_ms() > end)
			return false;
	return true;
}

static void ring_write(u64 addr, u32 value)
{
	if (c.head - __atomic_load_n(&c.ring->tail, __ATOMIC_ACQUIRE) == EMU_RING_ENTRIES)
		ck_assert(caught_up(5000));
	put(EMU_RING_WRITE, addr, value);
	publish();
}

static u32 ring_read(u64 addr)
{
	u32 at = c.head % EMU_RING_ENTRIES;

	if (c.head - __atomic_load_n(&c.ring->tail, __ATOMIC_ACQUIRE) == EMU_RING_ENTRIES)
		ck_assert(caught_up(5000));
	put(EMU_RING_READ, addr, 0xdeadbeef);
	publish();
	ck_assert(caught_up(5000));
	return c.ring->entry[at].value;
}

static bool interrupt(u32 vector, int ms)
{
	struct pollfd p = { .fd = c.vector[vector], .events = POLLIN };
	u64 count;

	if (poll(&p, 1, ms) != 1)
		return false;
	return read(c.vector[vector], &count, sizeof(count)) == sizeof(count);
}

static u32 program(const char *kernel, int irq)
{
	char name[64];
	struct rig_cu cu = { name, CU0, CHAIN, irq };
	u64 bytes;
	u8 *data;
	u32 status;

	snprintf(name, sizeof(name), "%s:cu", kernel);
	data = rig_xclbin(&cu, 1, "tests/card/bits.so", &bytes);
	memcpy(c.bar + SMARTSSD_WINDOW_BYTES + RIG_XCLBIN, data, bytes);
	free(data);
	ring_write(EMU_PROG_ADDR, RIG_XCLBIN);
	ring_write(EMU_PROG_ADDR + 4, 0);
	ring_write(EMU_PROG_BYTES, bytes);
	ring_write(EMU_PROG_BYTES + 4, 0);
	ring_write(EMU_PROG_CTRL, 1);
	while ((status = ring_read(EMU_PROG_STATUS)) == EMU_PROG_BUSY)
		usleep(1000);
	return status;
}

/* ---- tests ---- */

START_TEST(greeting_and_header)
{
	start_card(NULL, NULL);
	connect_client();
	ck_assert_uint_eq(c.ring->magic, EMU_RING_MAGIC);
	ck_assert_uint_eq(c.ring->version, 1);
	ck_assert_uint_eq(c.ring->ddr_bytes, DDR);
	ck_assert_uint_eq(c.ring->card_peer, 0);
	ck_assert_uint_eq(c.ring->vectors, VECTORS);
	ck_assert_uint_eq(ring_read(EMU_ID), EMU_ID_VALUE);
	ck_assert_uint_eq(ring_read(WIN_DNA_LO), 9);
	ck_assert_uint_eq(ring_read(EMU_DDR_BYTES), DDR);
	ck_assert_uint_eq(ring_read(0), 0);
	ck_assert_uint_eq(ring_read(0xfffffffc), 0);
	disconnect_client();
}
END_TEST

/*
 * A read comes after all posted writes before it, also when they are published together; thousands, around the ring
 * many times.
 */
START_TEST(order_and_wrap)
{
	u32 round, i, n;

	start_card(NULL, NULL);
	connect_client();
	for (round = 0; round < 200; round++) {
		u32 at;

		n = 1 + round * 7 % (EMU_RING_ENTRIES - 1);
		for (i = 0; i < n; i++)
			put(EMU_RING_WRITE, EMU_PROG_ADDR, round * 1000 + i);
		at = c.head % EMU_RING_ENTRIES;
		put(EMU_RING_READ, EMU_PROG_ADDR, 0);
		publish();
		ck_assert(caught_up(5000));
		ck_assert_uint_eq(c.ring->entry[at].value, round * 1000 + n - 1);
	}
	for (i = 0; i < 3000; i++) {
		ring_write(EMU_CU_SELECT, i);
		if (i % 5 == 0)
			ck_assert_uint_eq(ring_read(EMU_CU_SELECT), i);
		if (i % 500 == 0)
			usleep(3000); /* let it go to sleep */
	}
	disconnect_client();
}
END_TEST

/* Reads and writes of one batch take effect in their order. */
START_TEST(order_of_reads)
{
	u32 at[3];

	start_card(NULL, NULL);
	connect_client();
	at[0] = c.head % EMU_RING_ENTRIES;
	put(EMU_RING_READ, EMU_CU_SELECT, 0);
	put(EMU_RING_WRITE, EMU_CU_SELECT, 5);
	at[1] = c.head % EMU_RING_ENTRIES;
	put(EMU_RING_READ, EMU_CU_SELECT, 0);
	put(EMU_RING_WRITE, EMU_CU_SELECT, 6);
	at[2] = c.head % EMU_RING_ENTRIES;
	put(EMU_RING_READ, EMU_CU_SELECT, 0);
	publish();
	ck_assert(caught_up(5000));
	ck_assert_uint_eq(c.ring->entry[at[0]].value, 0);
	ck_assert_uint_eq(c.ring->entry[at[1]].value, 5);
	ck_assert_uint_eq(c.ring->entry[at[2]].value, 6);
	disconnect_client();
}
END_TEST

START_TEST(hostile_guest)
{
	static const u32 ahead[] = { EMU_RING_ENTRIES + 1, 1000, 0x80000000, 0xffffffff };
	u32 tail, i, at;
	u64 one = 1;

	start_card(NULL, NULL);
	connect_client();
	ring_write(EMU_CU_SELECT, 3);
	ck_assert(caught_up(5000));
	for (i = 0; i < sizeof(ahead) / sizeof(ahead[0]); i++) {
		tail = c.ring->tail;
		for (at = 0; at < EMU_RING_ENTRIES; at++)
			c.ring->entry[at] = (struct emu_ring_entry){ .op = EMU_RING_WRITE, .addr = EMU_CU_SELECT, .value = 99 };
		__atomic_store_n(&c.ring->head, tail + ahead[i], __ATOMIC_SEQ_CST);
		ck_assert_int_eq(write(c.doorbell, &one, sizeof(one)), sizeof(one));
		usleep(20000);
		ck_assert_uint_eq(c.ring->tail, tail); /* nothing was taken */
		ck_assert_uint_eq(c.ring->head, tail + ahead[i]);
		c.head = tail;
		ck_assert_uint_eq(ring_read(EMU_CU_SELECT), 3); /* sane again: goes on */
	}
	/*
	 * a tail of the guest's making does not matter, nor does an unknown operation; a ring that is exactly full
	 * is fine
	 */
	c.ring->tail = 12345;
	put(77, EMU_CU_SELECT, 1);
	publish();
	ck_assert(caught_up(5000));
	ck_assert_uint_eq(ring_read(EMU_CU_SELECT), 3);
	for (i = 0; i < EMU_RING_ENTRIES; i++)
		put(EMU_RING_WRITE, EMU_CU_SELECT, i);
	publish();
	ck_assert(caught_up(5000));
	ck_assert_uint_eq(ring_read(EMU_CU_SELECT), EMU_RING_ENTRIES - 1);
	/* spare doorbells */
	for (i = 0; i < 10; i++)
		ck_assert_int_eq(write(c.doorbell, &one, sizeof(one)), sizeof(one));
	ck_assert_uint_eq(ring_read(EMU_ID), EMU_ID_VALUE);
	disconnect_client();
}
END_TEST

/* A kernel on memory that came through the aperture; its interrupt on vector 1 + id % 15. */
START_TEST(run_and_interrupt)
{
	u32 *in, *out, run;
	int irq = _i;

	start_card(NULL, NULL);
	connect_client();
	ck_assert_uint_eq(program("add", irq), EMU_PROG_OK);
	in = (u32 *)(c.bar + SMARTSSD_WINDOW_BYTES + 4096);
	out = (u32 *)(c.bar + SMARTSSD_WINDOW_BYTES + 8192);
	ring_write(CU0 + CU_IER, CU_IRQ_DONE);
	ring_write(CU0 + CU_GIE, 1);
	ring_write(CU0 + ARG_A, 4096);
	ring_write(CU0 + ARG_B, 8192);
	ring_write(CU0 + ARG_N, 4);
	for (run = 1; run <= 100; run++) {
		in[3] = run * 100;
		ring_write(CU0 + CU_CTRL, CU_CTRL_START);
		ck_assert_msg(interrupt(1 + irq % 15, 5000), "run %u", run);
		ck_assert_uint_eq(out[3], run * 100 + 1);
		ck_assert_uint_eq(ring_read(CU0 + CU_CTRL) & CU_CTRL_DONE, CU_CTRL_DONE);
		ring_write(CU0 + CU_CTRL, CU_CTRL_CONTINUE);
		ring_write(CU0 + CU_ISR, ring_read(CU0 + CU_ISR));
		ck_assert_uint_eq(ring_read(CU0 + CU_CTRL), CU_CTRL_IDLE);
	}
	ck_assert(!interrupt(1 + irq % 15, 0));
	disconnect_client();
}
END_TEST

START_TEST(faults_from_the_command_line)
{
	u32 tail;

	start_card("--fault", "wrong:0:1,gone:0:2");
	connect_client();
	ck_assert_uint_eq(program("add", 0), EMU_PROG_OK);
	ring_write(CU0 + CU_IER, CU_IRQ_DONE);
	ring_write(CU0 + CU_GIE, 1);
	ring_write(CU0 + ARG_B, 8192);
	ring_write(CU0 + ARG_N, 1);
	ring_write(CU0 + CU_CTRL, CU_CTRL_START);
	ck_assert(interrupt(1, 5000));
	ck_assert_uint_eq(*(u32 *)(c.bar + SMARTSSD_WINDOW_BYTES + 8192), 0);
	ring_write(CU0 + CU_CTRL, CU_CTRL_CONTINUE);
	ring_write(CU0 + CU_CTRL, CU_CTRL_START);
	ck_assert(caught_up(5000));
	/* off the bus: nobody serves the ring */
	tail = c.head;
	put(EMU_RING_READ, EMU_ID, 0x1234);
	publish();
	ck_assert(!caught_up(100));
	ck_assert_uint_eq(c.ring->tail, tail);
	ck_assert_uint_eq(c.ring->entry[tail % EMU_RING_ENTRIES].value, 0x1234);
	ck_assert(!interrupt(1, 0));
	/* and the process is there still, and ends as it should */
	disconnect_client();
	ck_assert_int_eq(wait_card(), 0);
}
END_TEST

START_TEST(one_qemu_only)
{
	char byte;
	int fd;

	start_card(NULL, NULL);
	connect_client();
	fd = try_connect();
	ck_assert_int_eq(read(fd, &byte, 1), 0);
	close(fd);
	ck_assert_uint_eq(ring_read(EMU_ID), EMU_ID_VALUE);
	disconnect_client();
}
END_TEST

static void expect_clean(void)
{
	ck_assert_int_ne(access(sock_path, F_OK), 0);
	ck_assert_int_ne(access(shm_path, F_OK), 0);
}

START_TEST(disconnect_ends_it)
{
	start_card(NULL, NULL);
	ck_assert_int_eq(access(shm_path, F_OK), 0);
	connect_client();
	ck_assert_uint_eq(program("hang", 0), EMU_PROG_OK);
	ring_write(CU0 + CU_CTRL, CU_CTRL_START);
	ck_assert(caught_up(5000));
	ck_assert_uint_eq(rig_workers(card), 1);
	disconnect_client();
	ck_assert_int_eq(wait_card(), 0);
	expect_clean();
}
END_TEST

START_TEST(signals_end_it)
{
	start_card(NULL, NULL);
	connect_client();
	kill(card, _i);
	ck_assert_int_eq(wait_card(), 0);
	expect_clean();
	disconnect_client();
}
END_TEST

/* With --keep the next QEMU finds a card as after power-on, and the ring's indices go on from where they are. */
START_TEST(keep)
{
	u32 head, i;

	start_card("--keep", NULL);
	connect_client();
	ck_assert_uint_eq(program("add", 0), EMU_PROG_OK);
	head = c.head;
	ck_assert_uint_gt(head, 0);
	disconnect_client();
	connect_client();
	ck_assert_uint_eq(c.head, head);
	for (i = 0; i < 2000 && ring_read(EMU_PROG_STATUS) != EMU_PROG_NONE; i++)
		usleep(1000);
	ck_assert_uint_eq(ring_read(EMU_PROG_STATUS), EMU_PROG_NONE);
	ck_assert_uint_eq(ring_read(CU0 + CU_CTRL), 0);
	ck_assert_uint_eq(program("empty", 0), EMU_PROG_OK);
	disconnect_client();
}
END_TEST

/* Nothing can clean up after SIGKILL but the next start; it takes over what is left, and nothing else. */
START_TEST(sigkill_and_restart)
{
	struct stat old, st;
	pid_t first;
	u32 i;

	start_card(NULL, NULL);
	connect_client();
	ck_assert_uint_eq(program("hang", 0), EMU_PROG_OK);
	ring_write(CU0 + CU_CTRL, CU_CTRL_START);
	ck_assert(caught_up(5000));
	ck_assert_uint_eq(rig_workers(card), 1);
	first = card;
	kill(card, SIGKILL);
	wait_card();
	disconnect_client();
	for (i = 0; i < 500 && rig_workers(first); i++)
		usleep(10000);
	ck_assert_uint_eq(rig_workers(first), 0);
	ck_assert_int_eq(stat(sock_path, &old), 0);
	spawn_card(NULL, NULL);
	for (i = 0; i < 2000 && !stat(sock_path, &st) && st.st_ino == old.st_ino; i++)
		usleep(5000);
	connect_client();
	ck_assert_uint_eq(ring_read(EMU_PROG_STATUS), EMU_PROG_NONE);
	disconnect_client();
}
END_TEST

/* Names that are somebody else's are not touched: no second card, no foreign file. */
START_TEST(names_in_use)
{
	pid_t first;
	int fd;

	fd = open(shm_path, O_CREAT | O_WRONLY, 0600);
	ck_assert_int_eq(write(fd, "precious", 8), 8);
	close(fd);
	spawn_card(NULL, NULL);
	ck_assert_int_eq(wait_card(), 1 << 8);
	ck_assert_int_eq(access(shm_path, F_OK), 0);
	unlink(shm_path);

	start_card(NULL, NULL);
	first = card;
	spawn_card(NULL, NULL);
	ck_assert_int_eq(wait_card(), 1 << 8);
	ck_assert_int_eq(access(shm_path, F_OK), 0);
	ck_assert_int_eq(access(sock_path, F_OK), 0);
	card = first;
	connect_client();
	ck_assert_uint_eq(ring_read(EMU_ID), EMU_ID_VALUE);
	disconnect_client();
}
END_TEST

START_TEST(dies_with_parent)
{
	pid_t middle;
	u32 i;

	middle = fork();
	if (!middle) {
		char *argv[] = { "smartssd-card", "--socket", sock_path, "--shm", shm_path, "--ddr", "32M", "--die-with-parent", NULL };

		if (!fork()) {
			execv(rig_file("smartssd-card"), argv);
			_exit(127);
		}
		pause();
		_exit(0);
	}
	for (i = 0; i < 1000 && access(sock_path, F_OK); i++)
		usleep(5000);
	ck_assert_uint_lt(i, 1000);
	kill(middle, SIGKILL);
	waitpid(middle, NULL, 0);
	for (i = 0; i < 1000 && (!access(sock_path, F_OK) || !access(shm_path, F_OK)); i++)
		usleep(5000);
	ck_assert_uint_lt(i, 1000);
}
END_TEST

START_TEST(wrong_usage)
{
	static const char *const bad[][2] = {
		{ "--ddr", "33M" }, { "--ddr", "16M" }, { "--ddr", "0" }, { "--ddr", "32X" }, { "--ddr", "-32M" }, { "--vectors", "1" },
		{ "--vectors", "65" }, { "--vectors", "x" }, { "--fault", "hangs" }, { "--fault", "hang,,crash" },
		{ "--serial", "4294967296" },
		{ "--nonsense", NULL }, { "nonsense", NULL },
	};

	spawn_card(bad[_i][0], bad[_i][1]);
	ck_assert_int_eq(wait_card(), 2 << 8);
	expect_clean();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ivshmem card");
	TCase *t = tcase_create("ivshmem");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, greeting_and_header);
	tcase_add_test(t, order_and_wrap);
	tcase_add_test(t, order_of_reads);
	tcase_add_test(t, hostile_guest);
	tcase_add_loop_test(t, run_and_interrupt, 14, 16);
	tcase_add_test(t, faults_from_the_command_line);
	tcase_add_test(t, one_qemu_only);
	tcase_add_test(t, disconnect_ends_it);
	tcase_add_loop_test(t, signals_end_it, SIGHUP, SIGINT + 1);
	tcase_add_loop_test(t, signals_end_it, SIGTERM, SIGTERM + 1);
	tcase_add_test(t, keep);
	tcase_add_test(t, sigkill_and_restart);
	tcase_add_test(t, names_in_use);
	tcase_add_test(t, dies_with_parent);
	tcase_add_loop_test(t, wrong_usage, 0, 13);
	suite_add_tcase(suite, t);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
