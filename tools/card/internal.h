/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the card model.
 *
 *   card.c     life, address decoding, the shell's registers, card_poll
 *   cu_regs.c  a compute unit's registers: what the HLS control protocols do
 *   keeper.c   the card's one thread: programming, starting workers, noticing their death
 *   spawn.c    making a worker process
 *   fault.c    fault knobs
 *   find.c     where the worker's program is
 *   number.c   numbers in options
 *   thread.c   making a thread
 *
 * One lock per card covers all of struct card except what is marked otherwise. It is held for register side effects only:
 * parsing, spawning and the irq callback happen without it.
 */
#ifndef SMARTSSD_CARD_INTERNAL_H
#define SMARTSSD_CARD_INTERNAL_H

#include <pthread.h>
#include <sys/types.h>
#include "card.h"
#include "ctl.h"

#define CARD_SLICE_NS	  50000000ull	/* longest sleep while a CU runs */
#define CARD_START_NS	  5000000000ull /* a worker that is not ready by then never will be */
#define CARD_MAX_FAULTS	  16
#define CARD_NO_CU	  0xff

enum worker_state {
	WORKER_NONE,	 /* wants one when cu->restart is set */
	WORKER_STARTING, /* the process is there, its kernel is not loaded yet */
	WORKER_READY,
	WORKER_DEAD,	 /* died by itself; until reset */
};

struct cu {
	/* what it is; constant between two programmings */
	u64 base;
	bool chain;
	u32 irq; /* ~0: none */
	char kernel[SMARTSSD_NAME_LEN];
	u32 decoded[CU_FILE_BYTES / 4 / 32]; /* bitmap: argument registers that exist */
	u32 args_end;

	/* registers */
	bool start, done, ready;
	u32 gie, ier, isr;
	bool line; /* the interrupt line, as it was last evaluated */
	u32 regs[CU_FILE_BYTES / 4];

	/* the run */
	bool running;	/* the worker has it */
	bool held;	/* CHAIN: done is up, waiting for ap_continue */
	bool lose_irq;	/* fault knob */
	u32 run;	/* number of the last run given to this worker */
	u32 status;	/* EMU_CU_STATUS */

	/* its worker */
	enum worker_state worker;
	bool restart;	/* the keeper is to start one */
	bool died;	/* found dead, not yet in status */
	u32 death;	/* signal or exit code */
	pid_t pid;
	int pidfd;	/* -1: no process */
	u64 deadline;	/* WORKER_STARTING: be ready by then */
	struct cu_slot *slot;
};

struct card_fault {
	u32 kind; /* EMU_FAULT_NONE: free entry */
	u32 cu;
	u32 left; /* fires in the run that takes it to 0 */
};

struct card {
	/* constant */
	u64 id; /* tells cards of one process apart, also one that got the memory of another */
	u64 ddr_bytes;
	int ddr_fd;
	u64 ddr_offset;
	bool own_ddr_fd;
	u8 *ddr;
	u32 serial;
	void (*irq)(void *ctx, u32 id);
	void *ctx;
	char worker_path[4096];
	struct cu_common *common;
	int common_fd;
	int notify_fd; /* eventfd: the keeper has something to do */
	pthread_t keeper;

	u32 kicks; /* atomic, not under the lock */

	pthread_mutex_t lock;
	bool stop;
	bool gone; /* for good; read without the lock by card_is_gone() */
	bool programming;  /* a request that the keeper has not finished */
	u32 prog_request;  /* counts writes to EMU_PROG_CTRL: a newer one overtakes the one in work */
	u64 prog_addr, prog_bytes;	 /* as written */
	u64 request_addr, request_bytes; /* as they were at the request */
	u32 prog_status;
	u32 selected;
	int bits_fd; /* -1, or the sealed bitstream that workers load */
	u32 nr_cus;
	struct cu cu[SMARTSSD_MAX_CUS];
	u8 cu_of_page[SMARTSSD_WINDOW_BYTES / CU_FILE_BYTES];
	struct card_fault fault[CARD_MAX_FAULTS];

	/* interrupts to raise once the lock is dropped */
	u64 raise; /* by CU index */
	bool raise_shell;
};

/* card.c */
void card_wake(struct card *card); /* make card_poll() look again */
void card_leave(struct card *card); /* EMU_FAULT_GONE; lock held */

/* cu_regs.c; all with the lock held */
void cu_power_on(struct cu *cu);
u32 cu_reg_read(struct card *card, struct cu *cu, u32 offset);
void cu_reg_write(struct card *card, struct cu *cu, u32 offset, u32 value);
void cu_dispatch(struct card *card, struct cu *cu); /* start the run if there is one and everything is ready */
bool cu_harvest(struct card *card, struct cu *cu); /* take note of what the worker did: true when there was something */

/* keeper.c */
int keeper_start(struct card *card);
void keeper_stop(struct card *card);
void keeper_notify(struct card *card);
/* With the lock held: no process of @cu is alive when this returns, nor will it touch the DDR again. */
void worker_kill(struct cu *cu);
void workers_drop(struct card *card); /* all of them, and the CUs */

/* spawn.c */
struct spawn {
	const char *path;
	int ddr_fd, common_fd, slot_fd, bits_fd, notify_fd;
	u64 ddr_offset, ddr_bytes;
	const char *kernel;
};

#define CARD_WORKER "smartssd-cu"

/* The calling thread becomes the worker's parent: when it ends, the worker is killed. 0 or -errno */
int spawn_worker(const struct spawn *s, pid_t *pid, int *pidfd);
/* Reap a process that has ended or is about to: signal or exit code, or CARD_REAPED. Blocks until it is gone. */
u32 spawn_reap(int pidfd);
#define CARD_REAPED 0xff /* the host program was faster */

/* fault.c; with the lock held */
void fault_arm(struct card *card, u32 value);
u32 fault_fire(struct card *card, u32 cu); /* a run of @cu begins: bitmap of EMU_FAULT_* due now */

#endif
