// SPDX-License-Identifier: BSD-2-Clause
/* Worker processes and their ends: faults, crashes, hangs, resets, what is left behind, who is woken. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "rig.h"

#define START CU_CTRL_START
#define DONE  CU_CTRL_DONE
#define IDLE  CU_CTRL_IDLE

static struct rig *rig;

static void setup(void)
{
	rig = rig_open();
}

static void teardown(void)
{
	rig_close(rig);
}

static u32 *words(u64 address)
{
	return (u32 *)((u8 *)card_ddr(rig->card) + address);
}

static u32 count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	u32 n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* `add` of one word from 0 to 64: 1 says that the kernel really ran. */
static void start_add(u64 base)
{
	words(64)[0] = 0;
	wr(rig, base + ARG_N, 1);
	wr64(rig, base + ARG_B, 64);
	wr(rig, base + CU_CTRL, START);
}

static void arm(u32 fault, u32 cu, u32 nth)
{
	wr(rig, EMU_FAULT, fault | cu << 8 | nth << 16);
}

/* What a host does with a CU that it gave up: reset, and it works again. */
static void reset_and_run(u32 cu, u64 base, u32 id)
{
	u32 irqs = rig->irqs[id];

	wr(rig, EMU_CU_RESET, cu);
	ck_assert_uint_eq(rig_status(rig, cu), EMU_CU_OK);
	ck_assert_uint_eq(rd(rig, base + CU_CTRL), IDLE);
	ck_assert_uint_eq(rd(rig, base + CU_GIE), 0);
	ck_assert_uint_eq(rd(rig, base + ARG_N), 0);
	rig_enable(rig, base);
	start_add(base);
	ck_assert(rig_wait_irq(rig, id, irqs + 1));
	ck_assert_uint_eq(rig_status(rig, cu), EMU_CU_OK);
	ck_assert_uint_eq(words(64)[0], 1);
}

/* ---- fault knobs ---- */

START_TEST(fault_hang)
{
	rig_one(rig, "add", HS);
	rig_enable(rig, CU0);
	arm(EMU_FAULT_HANG, 0, 1);
	start_add(CU0);
	ck_assert_int_eq(card_poll(rig->card, 100000000), 0);
	ck_assert_uint_eq(rd(rig, CU0 + CU_CTRL), START);
	ck_assert_uint_eq(rig_status(rig, 0), EMU_CU_OK);
	ck_assert_uint_eq(rig->irqs[IRQ0], 0);
	ck_assert_uint_eq(words(64)[0], 0);
	reset_and_run(0, CU0, IRQ0); /* the knob fired once */
}
END_TEST

START_TEST(fault_crash)
{
	rig_one(rig, "add", _i ? CHAIN : HS);
	rig_enable(rig, CU0);
	arm(EMU_FAULT_CRASH, 0, 1);
	start_add(CU0);
	ck_assert(rig_wait_irq(rig, IRQ0, 1));
	ck_assert_uint_eq(rig_status(rig, 0), EMU_CU_CRASHED | SIGSEGV << 8);
	ck_assert_uint_eq(rd(rig, CU0 + CU_CTRL), START);
	wr(rig, CU0 + CU_CTRL, START); /* does nothing until reset */
	ck_assert_int_eq(card_poll(rig->card, 20000000), 0);
	ck_assert_uint_eq(words(64)[0], 0);
	reset_and_run(0, CU0, IRQ0);
}
END_TEST

START_TEST(fault_no_irq)
{
	rig_one(rig, "add", _i ? CHAIN : HS);
	rig_enable(rig, CU0);
	arm(EMU_FAULT_NO_IRQ, 0, 1);
	start_add(CU0);
	ck_assert_int_eq(card_poll(rig->card, 1000000000), 1);
	ck_assert_uint_eq(rig->irqs[IRQ0], 0);
	ck_assert_uint_eq(rd(rig, CU0 + CU_CTRL) & DONE, DONE);
	ck_assert_uint_eq(rd(rig, CU0 + CU_ISR), CU_IRQ_DONE);
	ck_assert_uint_eq(words(64)[0], 1);
	wr(rig, CU0 + CU_CTRL, CU_CTRL_CONTINUE);
	wr(rig, CU0 + CU_ISR, CU_IRQ_DONE);
	ck_assert_uint_eq(rig->irqs[IRQ0], 0);
	start_add(CU0);
	ck_assert(rig_wait_irq(rig, IRQ0, 1));
}
END_TEST

START_TEST(fault_wrong)
{
	rig_one(rig, "add", HS);
	rig_enable(rig, CU0);
	arm(EMU_FAULT_WRONG, 0, 1);
	start_add(CU0);
	ck_assert(rig_wait_irq(rig, IRQ0, 1));
	ck_assert_uint_eq(rd(rig, CU0 + CU_CTRL) & DONE, DONE);
	ck_assert_uint_eq(words(64)[0], 0);
	wr(rig, CU0 + CU_ISR, CU_IRQ_DONE);
	start_add(CU0);
	ck_assert(rig_wait_irq(rig, IRQ0, 2));
	ck_assert_uint_eq(words(64)[0], 1);
}
END_TEST

START_TEST(fault_spurious)
{
	rig_one(rig, "add", HS);
	arm(EMU_FAULT_SPURIOUS, 0, 0);
	ck_assert_uint_eq(rig->irqs[IRQ0], 1); /* even without enables */
	ck_assert_uint_eq(rd(rig, CU0 + CU_CTRL), IDLE);
	ck_assert_uint_eq(rd(rig, CU0 + CU_ISR), 0);
	arm(EMU_FAULT_SPURIOUS, 1, 1); /* no such CU: the shell's */
	ck_assert_uint_eq(rig->shell_irqs, 1);
}
END_TEST

static void gone_for_good(void)
{
	u32 i;

	ck_assert(card_is_gone(rig->card));
	ck_assert_uint_eq(rd(rig, EMU_ID), ~0u);
	ck_assert_uint_eq(rd(rig, CU0 + CU_CTRL), ~0u);
	ck_assert_uint_eq(rd(rig, 0), ~0u);
	wr(rig, EMU_FAULT, EMU_FAULT_NONE);
	wr(rig, EMU_PROG_CTRL, 0);
	arm(EMU_FAULT_SPURIOUS, 0, 0);
	ck_assert_uint_eq(rd(rig, EMU_PROG_STATUS), ~0u);
	ck_assert_uint_eq(rig->irqs[IRQ0] + rig->shell_irqs, 0);
	for (i = 0; i < 500 && rig_workers(getpid()); i++)
		usleep(10000);
	ck_assert_uint_eq(rig_workers(getpid()), 0);
	ck_assert_uint_eq(rig->irqs[IRQ0] + rig->shell_irqs, 0);
}

START_TEST(fault_gone_at_once)
{
	u64 start = now_ns();

	rig_one(rig, "hang", HS);
	rig_enable(rig, CU0);
	wr(rig, CU0 + CU_CTRL, START);
	arm(EMU_FAULT_GONE, 0, 0);
	ck_assert_int_eq(card_poll(rig->card, 20000000000), 0); /* wakes whoever waits */
	ck_assert_uint_lt(now_ns() - start, 10000000000);
	gone_for_good();
}
END_TEST

START_TEST(fault_gone_in_run)
{
	rig_one(rig, "add", HS);
	arm(EMU_FAULT_GONE, 0, 2);
	start_add(CU0);
	ck_assert(rig_wait_done(rig, CU0));
	ck_assert(!card_is_gone(rig->card));
	start_add(CU0);
	gone_for_good();
	ck_assert_uint_eq(words(64)[0], 0);
}
END_TEST

/* Armed before programming, for one CU of two, the third run from then; disarmed by NONE. */
START_TEST(fault_counts_runs)
{
	static const struct rig_cu two[] = { { "add:x", CU0, HS, 1 }, { "add:y", CU0 + 0x1000, HS, 2 } };
	u32 run;

	arm(EMU_FAULT_WRONG, 1, 3);
	ck_assert_uint_eq(rig_program(rig, two, 2, "tests/card/bits.so"), EMU_PROG_OK);
	for (run = 1; run <= 4; run++) {
		start_add(CU0);
		ck_assert(rig_wait_done(rig, CU0));
		ck_assert_uint_eq(words(64)[0], 1);
		start_add(CU0 + 0x1000);
		ck_assert(rig_wait_done(rig, CU0 + 0x1000));
		ck_assert_uint_eq(words(64)[0], run == 3 ? 0 : 1);
	}
	arm(EMU_FAULT_WRONG, 0, 1);
	arm(EMU_FAULT_NONE, 0, 0);
	start_add(CU0);
	ck_assert(rig_wait_done(rig, CU0));
	ck_assert_uint_eq(words(64)[0], 1);
}
END_TEST

START_TEST(fault_specs)
{
	static const struct { const char *spec; u32 value; } good[] = {
		{ "hang", 1 | 1 << 16 }, { "crash:3", 2 | 3 << 8 | 1 << 16 }, { "no-irq:0:2", 3 | 2 << 16 },
		{ "wrong:63:65535", 4 | 63 << 8 | 65535u << 16 }, { "gone:0:0", 5 }, { "spurious", 6 | 1 << 16 },
	};
	static const char *const bad[] = { "", "hangs", "han", ":0", "hang:", "hang:64", "hang:0:", "hang:0:65536",
					   "hang:0:1:", "hang:x", "hang:-1", "hang 0" };
	size_t i;
	u32 value;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ck_assert_int_eq(card_parse_fault(good[i].spec, &value), 0);
		ck_assert_uint_eq(value, good[i].value);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(card_parse_fault(bad[i], &value) == -EINVAL, "\"%s\" was taken", bad[i]);
}
END_TEST

/* ---- kernels that misbehave by themselves ---- */

static void expect_crash(const char *kernel, u64 a, u32 n, u32 code)
{
	u32 irqs = rig->irqs[IRQ0];

	rig_one(rig, kernel, HS);
	rig_enable(rig, CU0);
	wr64(rig, CU0 + ARG_A, a);
	wr(rig, CU0 + ARG_N, n);
	wr(rig, CU0 + CU_CTRL, START);
	ck_assert_msg(rig_wait_irq(rig, IRQ0, irqs + 1), "%s", kernel);
	ck_assert_msg(rig_status(rig, 0) == (EMU_CU_CRASHED | code << 8), "%s: status %#x", kernel, rig_status(rig, 0));
	ck_assert_uint_eq(rd(rig, CU0 + CU_CTRL) & DONE, 0);
	ck_assert_uint_eq(rig_workers(getpid()), 0); /* not even a zombie */
}

START_TEST(kernel_crashes)
{
	expect_crash("null", 0, 0, SIGSEGV);
	expect_crash("wild", 0, 0, SIGSEGV);
	expect_crash("wild", 0, 1 << 18, SIGSEGV); /* 1 GiB behind the end */
	expect_crash("wild", 1, 1 << 18, SIGSEGV); /* and before the beginning */
	expect_crash("quit", 0, 0, 3);
	expect_crash("outside", 0, 0, SIGBUS);
	expect_crash("add", RIG_DDR, 1, SIGBUS); /* a pointer register outside of the DDR */
}
END_TEST

/*
 * On both sides of the card memory at least 1 GiB that belongs to nobody, so that a wrong index hits nothing else
 * of the worker's.
 */
START_TEST(guards)
{
	unsigned long long first, end, last_end = 0;
	bool before = false, after = false, was_ddr = false, was_hole = false;
	char path[64], line[512], mode[8];
	FILE *f;

	rig_one(rig, "add", HS);
	snprintf(path, sizeof(path), "/proc/%d/maps", rig_worker(rig, 0));
	f = fopen(path, "r");
	while (fgets(line, sizeof(line), f)) {
		bool ddr, hole;

		ck_assert_int_eq(sscanf(line, "%llx-%llx %7s", &first, &end, mode), 3);
		ddr = strstr(line, "smartssd-ddr");
		hole = !strcmp(mode, "---p") && end - first >= 1ull << 30;
		if (ddr)
			before = was_hole && last_end == first;
		if (hole && was_ddr)
			after = last_end == first;
		was_ddr = ddr;
		was_hole = hole;
		last_end = end;
	}
	fclose(f);
	ck_assert(before && after);
}
END_TEST

/* One CU's death is that CU's alone. */
START_TEST(crash_leaves_others)
{
	static const struct rig_cu two[] = { { "null:x", CU0, HS, 1 }, { "add:y", CU0 + 0x1000, CHAIN, 2 } };

	ck_assert_uint_eq(rig_program(rig, two, 2, "tests/card/bits.so"), EMU_PROG_OK);
	rig_enable(rig, CU0);
	wr(rig, CU0 + CU_CTRL, START);
	ck_assert(rig_wait_irq(rig, 1, 1));
	ck_assert_uint_eq(rig_status(rig, 0), EMU_CU_CRASHED | SIGSEGV << 8);
	ck_assert_uint_eq(rig_status(rig, 1), EMU_CU_OK);
	start_add(CU0 + 0x1000);
	ck_assert(rig_wait_done(rig, CU0 + 0x1000));
	ck_assert_uint_eq(words(64)[0], 1);
	ck_assert_uint_eq(rig_status(rig, 2), EMU_CU_OK); /* no such CU */
	wr(rig, EMU_CU_RESET, 2);
	wr(rig, EMU_CU_RESET, ~0u);
}
END_TEST

/* A real endless loop: reset while it burns. And a worker that somebody kills while it is idle or runs. */
START_TEST(hang_and_reset)
{
	u32 i;

	rig_one(rig, "hang", HS);
	for (i = 0; i < 5; i++) {
		rig_enable(rig, CU0);
		wr(rig, CU0 + CU_CTRL, START);
		ck_assert_int_eq(card_poll(rig->card, 20000000), 0);
		wr(rig, EMU_CU_RESET, 0);
		ck_assert_uint_eq(rd(rig, CU0 + CU_CTRL), IDLE);
		ck_assert_uint_eq(rig_status(rig, 0), EMU_CU_OK);
	}
	ck_assert_uint_eq(rig->irqs[IRQ0], 0); /* a reset is no crash */
}
END_TEST

START_TEST(killed_worker)
{
	pid_t pid;

	rig_one(rig, "add", HS);
	pid = rig_worker(rig, 0);
	ck_assert_int_gt(pid, 0);
	kill(pid, SIGKILL);
	ck_assert(rig_wait_irq(rig, IRQ0, 1));
	ck_assert_uint_eq(rig_status(rig, 0), EMU_CU_CRASHED | SIGKILL << 8);
	reset_and_run(0, CU0, IRQ0);
}
END_TEST

/* A start right behind a reset waits for the new worker: nothing is lost, 30 times. */
START_TEST(reset_then_start)
{
	u32 i;

	rig_one(rig, "add", CHAIN);
	for (i = 0; i < 30; i++)
		reset_and_run(0, CU0, IRQ0);
	ck_assert_uint_eq(rig_workers(getpid()), 1);
}
END_TEST

START_TEST(thousand_runs)
{
	u32 i;

	rig_one(rig, "add", _i ? CHAIN : HS);
	rig_enable(rig, CU0);
	for (i = 1; i <= 1000; i++) {
		start_add(CU0);
		ck_assert_msg(rig_wait_irq(rig, IRQ0, i), "run %u", i);
		ck_assert_uint_eq(words(64)[0], 1);
		wr(rig, CU0 + CU_CTRL, CU_CTRL_CONTINUE);
		wr(rig, CU0 + CU_ISR, CU_IRQ_DONE);
	}
	ck_assert_uint_eq(rig->irqs[IRQ0], 1000);
}
END_TEST

/* ---- what is left behind, and what the host program notices ---- */

START_TEST(nothing_leaks)
{
	u32 fds = count_fds(), i;

	for (i = 0; i < 3; i++) {
		struct rig *r = rig;
		u32 with;

		rig = rig_open();
		rig_one(rig, "null", HS);
		with = count_fds();
		wr(rig, CU0 + CU_CTRL, START);
		ck_assert(rig_wait_irq(rig, IRQ0, 1));
		wr(rig, EMU_CU_RESET, 0);
		rig_one(rig, "hang", HS);
		wr(rig, CU0 + CU_CTRL, START);
		wr(rig, EMU_CU_RESET, 0);
		rig_one(rig, "empty", HS);
		ck_assert_uint_eq(rig_workers(getpid()), 1);
		ck_assert_uint_eq(count_fds(), with);
		rig_close(rig);
		rig = r;
		ck_assert_uint_eq(rig_workers(getpid()), 0);
		ck_assert_uint_eq(count_fds(), fds);
	}
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}
END_TEST

static volatile sig_atomic_t reaped;

static void on_sigchld(int sig)
{
	int saved = errno;

	(void)sig;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		reaped++;
	errno = saved;
}

/* A host program that ignores SIGCHLD, or reaps everything that dies, still gets to know what a kernel died of. */
START_TEST(host_handles_sigchld)
{
	struct sigaction old;

	signal(SIGCHLD, _i ? on_sigchld : SIG_IGN);
	rig_one(rig, "null", HS);
	wr(rig, CU0 + CU_CTRL, START);
	ck_assert(rig_wait_irq(rig, IRQ0, 1));
	ck_assert_uint_eq(rig_status(rig, 0), EMU_CU_CRASHED | SIGSEGV << 8);
	rig_one(rig, "add", HS);
	arm(EMU_FAULT_CRASH, 0, 1);
	wr(rig, CU0 + CU_CTRL, START);
	ck_assert(rig_wait_irq(rig, IRQ0, 2));
	ck_assert_uint_eq(rig_status(rig, 0), EMU_CU_CRASHED | SIGSEGV << 8);
	reset_and_run(0, CU0, IRQ0);
	sigaction(SIGCHLD, NULL, &old);
	ck_assert_ptr_eq(old.sa_handler, _i ? on_sigchld : SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
}
END_TEST

START_TEST(worker_is_alone)
{
	int fds[64], out[2], i;
	char text[8];
	char path[64], line[256];
	struct rlimit limit;
	bool core = false;
	FILE *f;

	getrlimit(RLIMIT_CORE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_CORE, &limit);
	/* Descriptors that are not close-on-exec, low and high, must not get through; nor may what a kernel prints. */
	for (i = 0; i < 64; i++)
		fds[i] = open("/dev/null", O_RDONLY);
	ck_assert_int_eq(pipe(out), 0);
	dup2(out[1], 1);
	rig_one(rig, "self", HS);
	wr64(rig, CU0 + ARG_A, 64);
	wr(rig, CU0 + CU_CTRL, START);
	ck_assert(rig_wait_done(rig, CU0));
	ck_assert_uint_eq(words(64)[0], 3); /* standard input, output, error */
	ck_assert_int_eq(words(64)[1], rig_worker(rig, 0));
	ck_assert_int_eq(words(64)[2], getpid());
	snprintf(path, sizeof(path), "/proc/%d/limits", words(64)[1]);
	f = fopen(path, "r");
	while (fgets(line, sizeof(line), f))
		core |= !strncmp(line, "Max core file size        0 ", 28);
	fclose(f);
	ck_assert(core);
	rig_one(rig, "noisy", HS);
	wr(rig, CU0 + CU_CTRL, START);
	ck_assert(rig_wait_done(rig, CU0));
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	ck_assert_int_eq(read(out[0], text, sizeof(text)), -1);
	for (i = 0; i < 64; i++)
		close(fds[i]);
}
END_TEST

/* The thread that programmed the card ends: the worker must not (PR_SET_PDEATHSIG goes by thread). */
static void *program_thread(void *arg)
{
	(void)arg;
	rig_one(rig, "add", HS);
	return NULL;
}

START_TEST(thread_that_programmed_ends)
{
	pthread_t thread;

	pthread_create(&thread, NULL, program_thread, NULL);
	pthread_join(thread, NULL);
	usleep(50000);
	start_add(CU0);
	ck_assert(rig_wait_done(rig, CU0));
	ck_assert_uint_eq(rig_status(rig, 0), EMU_CU_OK);
}
END_TEST

/* The process with the card is killed while kernels hang: no worker survives it. */
START_TEST(sigkill_leaves_no_workers)
{
	static const struct rig_cu two[] = { { "hang:x", CU0, HS, 1 }, { "add:y", CU0 + 0x1000, HS, 2 } };
	int up[2], i, status;
	pid_t child, worker[2];
	char path[64];

	/*
	 * This test has no fixture: a fork beside the threads of another card could inherit a lock that nobody
	 * opens again.
	 */
	ck_assert_int_eq(pipe(up), 0);
	child = fork();
	if (!child) {
		rig = rig_open();
		ck_assert_uint_eq(rig_program(rig, two, 2, "tests/card/bits.so"), EMU_PROG_OK);
		wr(rig, CU0 + CU_CTRL, START);
		worker[0] = rig_worker(rig, 0);
		worker[1] = rig_worker(rig, 1);
		if (write(up[1], worker, sizeof(worker)) != sizeof(worker))
			_exit(1);
		pause();
		_exit(1);
	}
	ck_assert_int_eq(read(up[0], worker, sizeof(worker)), sizeof(worker));
	ck_assert_int_gt(worker[0], 0);
	ck_assert_int_gt(worker[1], 0);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	for (i = 0; i < 500; i++) {
		FILE *f;
		char state[2] = "X";
		int alive = 0, w;

		for (w = 0; w < 2; w++) {
			snprintf(path, sizeof(path), "/proc/%d/stat", worker[w]);
			f = fopen(path, "r");
			if (!f)
				continue;
			/* an orphan that nobody has reaped yet is dead all the same */
			if (fscanf(f, "%*d (smartssd-cu) %1s", state) == 1 && *state != 'Z')
				alive++;
			fclose(f);
		}
		if (!alive)
			break;
		usleep(10000);
	}
	ck_assert_int_lt(i, 500);
}
END_TEST

/* ---- waiting ---- */

START_TEST(poll_times_out)
{
	u64 start = now_ns();

	ck_assert_int_eq(card_poll(rig->card, 0), 0);
	ck_assert_int_eq(card_poll(rig->card, 30000000), 0);
	ck_assert_uint_ge(now_ns() - start, 30000000);
}
END_TEST

/* No kick is lost, whichever thread consumes what: a kick before card_poll() makes each thread's next one return. */
static u32 kick_round;

static void *kick_waiter(void *arg)
{
	u32 *seen = arg, i;

	for (i = 1; i <= 200; i++) {
		while (__atomic_load_n(&kick_round, __ATOMIC_SEQ_CST) < i)
			card_poll(rig->card, ~0ull);
		__atomic_store_n(seen, i, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

START_TEST(kicks_reach_everybody)
{
	pthread_t thread[3];
	u32 seen[3] = { 0 }, i, t;
	u64 end;

	card_kick(rig->card);
	ck_assert_int_eq(card_poll(rig->card, ~0ull), 0);
	for (t = 0; t < 3; t++)
		pthread_create(&thread[t], NULL, kick_waiter, &seen[t]);
	for (i = 1; i <= 200; i++) {
		__atomic_store_n(&kick_round, i, __ATOMIC_SEQ_CST);
		card_kick(rig->card);
		end = now_ns() + 5000000000ull;
		for (t = 0; t < 3; t++)
			while (__atomic_load_n(&seen[t], __ATOMIC_SEQ_CST) < i)
				ck_assert_msg(now_ns() < end, "round %u: thread %u was not woken", i, t);
	}
	for (t = 0; t < 3; t++)
		pthread_join(thread[t], NULL);
}
END_TEST

/* An event wakes a thread that sleeps in card_poll() although another thread started the run. */
static void *start_later(void *arg)
{
	(void)arg;
	usleep(30000);
	wr(rig, CU0 + ARG_N, 30);
	wr(rig, CU0 + CU_CTRL, START);
	return NULL;
}

START_TEST(poll_sees_later_start)
{
	pthread_t thread;

	rig_one(rig, "slow", HS);
	rig_enable(rig, CU0);
	pthread_create(&thread, NULL, start_later, NULL);
	ck_assert_int_eq(card_poll(rig->card, 5000000000ull), 1);
	ck_assert_uint_eq(rig->irqs[IRQ0], 1);
	pthread_join(thread, NULL);
}
END_TEST

/* A lost wake-up heals by itself after 50 ms, so only the clock shows it: 40 runs would take 2 s instead of 80 ms. */
START_TEST(poll_is_woken)
{
	u64 start;
	u32 i;

	rig_one(rig, "slow", HS);
	wr(rig, CU0 + ARG_N, 2);
	start = now_ns();
	for (i = 0; i < 40; i++) {
		wr(rig, CU0 + CU_CTRL, START);
		ck_assert_int_eq(card_poll(rig->card, ~0ull), 1);
	}
	ck_assert_uint_lt(now_ns() - start, 1500000000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("card workers");
	TCase *t = tcase_create("workers"), *alone = tcase_create("alone");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, fault_hang);
	tcase_add_loop_test(t, fault_crash, 0, 2);
	tcase_add_loop_test(t, fault_no_irq, 0, 2);
	tcase_add_test(t, fault_wrong);
	tcase_add_test(t, fault_spurious);
	tcase_add_test(t, fault_gone_at_once);
	tcase_add_test(t, fault_gone_in_run);
	tcase_add_test(t, fault_counts_runs);
	tcase_add_test(t, fault_specs);
	tcase_add_test(t, kernel_crashes);
	tcase_add_test(t, guards);
	tcase_add_test(t, crash_leaves_others);
	tcase_add_test(t, hang_and_reset);
	tcase_add_test(t, killed_worker);
	tcase_add_test(t, reset_then_start);
	tcase_add_loop_test(t, thousand_runs, 0, 2);
	tcase_add_test(t, nothing_leaks);
	tcase_add_loop_test(t, host_handles_sigchld, 0, 2);
	tcase_add_test(t, worker_is_alone);
	tcase_add_test(t, thread_that_programmed_ends);
	tcase_set_timeout(alone, 60);
	tcase_add_test(alone, sigkill_leaves_no_workers);
	suite_add_tcase(suite, alone);
	tcase_add_test(t, poll_times_out);
	tcase_add_test(t, kicks_reach_everybody);
	tcase_add_test(t, poll_sees_later_start);
	tcase_add_test(t, poll_is_woken);
	suite_add_tcase(suite, t);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
