/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a card and its worker processes (one per compute unit) share: descriptors, a page of signals and, per
 * worker, a slot.
 *
 * A run takes two stores and at most two system calls: the card fills slot->regs, moves slot->request, and wakes
 * the worker if it sleeps; the worker runs the kernel, moves slot->done and common->events, and wakes the card if
 * that sleeps. Both sides sleep in a futex on the very word that moves, so no wake-up is lost and no thread stands
 * in between.
 *
 * The worker runs foreign code that may write anywhere it has a mapping. So the card believes nothing here but
 * "done or not", a wild store into the common page delays a wake-up by CARD_SLICE_NS at most, and a slot belongs to
 * one worker only: a new worker gets a new one.
 */
#ifndef SMARTSSD_CARD_CTL_H
#define SMARTSSD_CARD_CTL_H

#include <linux/futex.h>
#include <sched.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "../../driver/core/regs.h"
#include "../../uapi/smartssd.h"

/* Descriptors of a worker; it has these and standard input, output and error, no others. */
#define CU_FD_DDR    3
#define CU_FD_COMMON 4
#define CU_FD_SLOT   5
#define CU_FD_BITS   6
#define CU_FD_NOTIFY 7 /* eventfd: written once, when the worker is ready */
#define CU_FD_END    8

#define CU_PAGE 4096

/* One page per card */
struct cu_common {
	u32 events;  /* futex; moved by workers after done, by the card itself for everything else */
	u32 waiting; /* somebody sleeps on events */
};

#define CU_STARTING 0
#define CU_READY    1

/* Two pages per worker */
struct cu_slot {
	u32 request;  /* futex; card: number of the run wanted */
	u32 fault;    /* card: EMU_FAULT_* to act out in this run */
	u32 sleeping; /* worker: wake me */
	u32 state;    /* worker: CU_* above */
	u32 done;     /* worker: number of the last run that ended */
	u32 signal;   /* worker: what it is dying of, for when the host program reaps it before the card can */
	u8 pad[CU_PAGE - 6 * sizeof(u32)];
	u8 regs[CU_FILE_BYTES]; /* card: the register file as it was at ap_start */
};

/* The entry of kernel K is the symbol smartssd_cu_K: 0, or -1 when a pointer register is outside of the DDR. */
#define CU_ENTRY_PREFIX "smartssd_cu_"
typedef int (*cu_entry_fn)(uint8_t *ddr, uint64_t ddr_bytes, const uint8_t *regs);

/* How long to look before sleeping, where another CPU may answer meanwhile: about what a sleep and a wake-up cost. */
#define CU_SPIN_NS 10000

static inline long cu_futex_wait(u32 *word, u32 value, const struct timespec *timeout)
{
	return syscall(SYS_futex, word, FUTEX_WAIT, value, timeout, NULL, 0);
}

static inline void cu_futex_wake(u32 *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, 0x7fffffff, NULL, NULL, 0);
}

static inline u64 cu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* On one CPU whoever spins keeps the other from answering. */
static inline bool cu_may_spin(void)
{
	cpu_set_t set;

	return !sched_getaffinity(0, sizeof(set), &set) && CPU_COUNT(&set) > 1;
}

/* Spin until *word differs from @value: true. */
static inline bool cu_spin(const u32 *word, u32 value)
{
	u64 end = cu_now() + CU_SPIN_NS;
	int i;

	do {
		for (i = 0; i < 64; i++) {
			if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
				return true;
#if defined(__x86_64__) || defined(__i386__)
			__builtin_ia32_pause();
#endif
		}
	} while (cu_now() < end);
	return false;
}

#endif
