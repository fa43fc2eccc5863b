// SPDX-License-Identifier: BSD-2-Clause
/*
 * smartssd-cu: the worker process of one compute unit. Loads the xclbin's bitstream (a shared object), finds its kernel, and then runs
 * it on the card's memory whenever the card says so. It is started by the card only (spawn.c) and lives no longer than that.
 *
 *   smartssd-cu KERNEL DDR-OFFSET DDR-BYTES PARENT-PID     with descriptors as in ctl.h
 *
 * A kernel that leaves the card's memory hits a guard region: SIGSEGV, which the card reports as this CU's fault. The guards are as wide as
 * the address space allows, so that a wrong index, a 32-bit overflow or a missing bound lands in them.
 */
#include <dlfcn.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include "ctl.h"

#define IDLE_CHECK_S 5

static pid_t parent;

static void __attribute__((noreturn)) die(struct cu_slot *slot, const char *kernel, const char *what)
{
	if (slot)
		__atomic_store_n(&slot->state, CU_FAILED, __ATOMIC_RELEASE);
	fprintf(stderr, "smartssd-cu: kernel %s: %s\n", kernel, what);
	_exit(1);
}

/* The DDR between two regions that nothing can be read from or written to. */
static u8 *map_ddr(u64 offset, u64 bytes)
{
	u64 guard;

	for (guard = 1ull << 40; guard >= 64u << 20; guard >>= 2) {
		u8 *p = mmap(NULL, bytes + 2 * guard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (p == MAP_FAILED)
			continue;
		p = mmap(p + guard, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, CU_FD_DDR, offset);
		return p == MAP_FAILED ? NULL : p;
	}
	return NULL;
}

/* A page or two between guards of its own, away from what a kernel may overrun. */
static void *map_page(int fd, size_t bytes)
{
	u8 *p = mmap(NULL, bytes + 2 * (1u << 20), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	p = mmap(p + (1u << 20), bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	return p == MAP_FAILED ? NULL : p;
}

static void __attribute__((noreturn)) die_of(int sig)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(sig, SIG_DFL);
	raise(sig);
	_exit(128 + sig);
}

static void quiet_start(void)
{
	struct rlimit none = { 0, 0 };
	sigset_t empty;
	int sig;

	/* Whoever started the card may have blocked or ignored signals, and exec keeps that. */
	for (sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&empty);
	sigprocmask(SIG_SETMASK, &empty, NULL);
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it ended before the line above */
		_exit(1);
}

/* The next run's number; @last: the one before. */
static u32 wait_request(struct cu_slot *slot, u32 last, bool spin)
{
	static const struct timespec idle = { .tv_sec = IDLE_CHECK_S };
	u32 request;

	if (spin)
		cu_spin(&slot->request, last);
	for (;;) {
		request = __atomic_load_n(&slot->request, __ATOMIC_ACQUIRE);
		if (request != last)
			return request;
		__atomic_store_n(&slot->sleeping, 1, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&slot->request, __ATOMIC_SEQ_CST) == last)
			cu_futex_wait(&slot->request, last, &idle);
		__atomic_store_n(&slot->sleeping, 0, __ATOMIC_RELAXED);
		if (getppid() != parent) /* a bitstream could have undone PR_SET_PDEATHSIG */
			_exit(1);
	}
}

static void run(struct cu_slot *slot, cu_entry_fn entry, u8 *ddr, u64 bytes)
{
	switch (slot->fault) {
	case EMU_FAULT_HANG:
		for (;;)
			pause();
	case EMU_FAULT_CRASH:
		die_of(SIGSEGV);
	case EMU_FAULT_WRONG:
		return;
	}
	/* A pointer register outside of the DDR: on the card's bus nobody answers. */
	if (entry(ddr, bytes, slot->regs))
		die_of(SIGBUS);
}

int main(int argc, char **argv)
{
	char symbol[sizeof(CU_ENTRY_PREFIX) + SMARTSSD_NAME_LEN], path[32];
	struct cu_common *common;
	struct cu_slot *slot;
	cu_entry_fn entry;
	u64 offset, bytes, one = 1;
	u32 last = 0, runs = 0;
	bool spin;
	void *bits;
	u8 *ddr;

	if (argc != 5) {
		fputs("smartssd-cu is started by an emulated card, not by hand\n", stderr);
		return 2;
	}
	offset = strtoull(argv[2], NULL, 10);
	bytes = strtoull(argv[3], NULL, 10);
	parent = atoi(argv[4]);
	quiet_start();

	slot = map_page(CU_FD_SLOT, sizeof(*slot));
	common = map_page(CU_FD_COMMON, CU_PAGE);
	ddr = map_ddr(offset, bytes);
	if (!slot || !common || !ddr)
		die(slot, argv[1], "no memory for its mappings");
	if (snprintf(symbol, sizeof(symbol), CU_ENTRY_PREFIX "%s", argv[1]) >= (int)sizeof(symbol))
		die(slot, argv[1], "name too long");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", CU_FD_BITS);
	bits = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!bits)
		die(slot, argv[1], dlerror());
	*(void **)&entry = dlsym(bits, symbol);
	if (!entry)
		die(slot, argv[1], dlerror());

	__atomic_store_n(&slot->state, CU_READY, __ATOMIC_RELEASE);
	if (write(CU_FD_NOTIFY, &one, sizeof(one)) < 0)
		one = 0; /* the counter is full: the card wakes up as it is */
	syscall(SYS_close_range, CU_FD_DDR, CU_FD_END - 1, 0);

	spin = cu_may_spin();
	for (;;) {
		last = wait_request(slot, last, spin);
		run(slot, entry, ddr, bytes);
		__atomic_store_n(&slot->done, last, __ATOMIC_RELEASE);
		__atomic_add_fetch(&common->events, 1, __ATOMIC_SEQ_CST);
		if (__atomic_exchange_n(&common->waiting, 0, __ATOMIC_SEQ_CST))
			cu_futex_wake(&common->events);
		if (!(++runs % 1024))
			spin = cu_may_spin();
	}
}
