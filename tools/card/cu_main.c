// SPDX-License-Identifier: BSD-2-Clause
/*
 * smartssd-cu: the worker process of one compute unit. Loads the xclbin's bitstream (a shared object), finds its
 * kernel, and then runs it on the card's memory whenever the card says so. It is started by the card only (spawn.c)
 * and lives no longer than that.
 *
 *   smartssd-cu KERNEL DDR-OFFSET DDR-BYTES PARENT-PID     with descriptors as in ctl.h
 *
 * A kernel that leaves the card's memory hits a guard region: SIGSEGV, which the card reports as this CU's fault.
 * The guards are as wide as the address space allows, so that a wrong index, a 32-bit overflow or a missing bound
 * lands in them.
 */
#include <dlfcn.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include "ctl.h"

static void __attribute__((noreturn)) die(const char *kernel, const char *what)
{
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

/* ---- dying ---- */

/* What the handler below needs to know. */
static struct {
	struct cu_slot *slot;
	const char *kernel;
	u8 *ddr;
	u64 bytes;
} self;

static void __attribute__((noreturn)) die_of(int sig)
{
	sigset_t none;

	self.slot->signal = sig;
	sigemptyset(&none);
	signal(sig, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	raise(sig);
	_exit(128 + sig);
}

static char *put_text(char *at, const char *text)
{
	return stpcpy(at, text);
}

static char *put_hex(char *at, u64 value)
{
	int shift = 60;

	while (shift && !(value >> shift))
		shift -= 4;
	at = put_text(at, "0x");
	for (; shift >= 0; shift -= 4)
		*at++ = "0123456789abcdef"[value >> shift & 15];
	*at = 0;
	return at;
}

/*
 * Say where it went wrong, in terms of card memory. Nothing here but what may be called in any state (no stdio: its
 * lock may be held).
 */
static void on_fault(int sig, siginfo_t *si, void *context)
{
	u64 at = (u64)si->si_addr, ddr = (u64)self.ddr;
	char line[256], *p = line;

	(void)context;
	p = put_text(p, "smartssd-cu: kernel ");
	p = put_text(p, self.kernel); /* at most SMARTSSD_NAME_LEN */
	p = put_text(p, sig == SIGSEGV || sig == SIGBUS ? " touched memory that is not there: " : " died of signal ");
	if (sig != SIGSEGV && sig != SIGBUS) {
		p = put_hex(p, sig);
	} else if (at >= ddr + self.bytes && at - ddr - self.bytes < 1ull << 40) {
		p = put_hex(p, at - ddr - self.bytes);
		p = put_text(p, " bytes past the end of card memory");
	} else if (at < ddr && ddr - at < 1ull << 40) {
		p = put_hex(p, ddr - at);
		p = put_text(p, " bytes before card memory");
	} else {
		p = put_text(p, "address ");
		p = put_hex(p, at);
	}
	p = put_text(p, "\n");
	if (write(2, line, p - line) < 0)
		self.slot->signal = sig;
	die_of(sig);
}

static void watch_faults(void)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
	static u8 stack[64 << 10]; /* a kernel may have used up its own */
	stack_t alt = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND };
	size_t i;

	sigaltstack(&alt, NULL);
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigaction(faults[i], &action, NULL);
}

static void quiet_start(pid_t parent)
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
	u32 request;

	if (spin)
		cu_spin(&slot->request, last);
	for (;;) {
		request = __atomic_load_n(&slot->request, __ATOMIC_ACQUIRE);
		if (request != last)
			return request;
		__atomic_store_n(&slot->sleeping, 1, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&slot->request, __ATOMIC_SEQ_CST) == last)
			cu_futex_wait(&slot->request, last, NULL);
		__atomic_store_n(&slot->sleeping, 0, __ATOMIC_RELAXED);
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
	if (entry(ddr, bytes, slot->regs)) {
		fprintf(stderr, "smartssd-cu: kernel %s: a pointer argument is outside of card memory\n", self.kernel);
		die_of(SIGBUS);
	}
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
	quiet_start(atoi(argv[4]));

	slot = map_page(CU_FD_SLOT, sizeof(*slot));
	common = map_page(CU_FD_COMMON, CU_PAGE);
	ddr = map_ddr(offset, bytes);
	if (!slot || !common || !ddr)
		die(argv[1], "no memory for its mappings");
	if (snprintf(symbol, sizeof(symbol), CU_ENTRY_PREFIX "%s", argv[1]) >= (int)sizeof(symbol))
		die(argv[1], "name too long");
	self.slot = slot;
	self.kernel = argv[1];
	self.ddr = ddr;
	self.bytes = bytes;
	watch_faults();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", CU_FD_BITS);
	bits = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!bits)
		die(argv[1], dlerror());
	*(void **)&entry = dlsym(bits, symbol);
	if (!entry)
		die(argv[1], dlerror());

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
