/* SPDX-License-Identifier: BSD-2-Clause */
/* A card on the bench: xclbins from a list of CUs, a card that counts interrupts, and short names for register accesses. */
#ifndef TESTS_CARD_RIG_H
#define TESTS_CARD_RIG_H

#include <check.h>
#include <signal.h>
#include <sys/types.h>
#include "../../tools/card/card.h"

#define HS    SMARTSSD_CONTROL_HS
#define CHAIN SMARTSSD_CONTROL_CHAIN

#define RIG_DDR	   (32ull << 20)
#define RIG_XCLBIN (24ull << 20) /* where xclbins are put */
#define ARG_A	   0x10
#define ARG_B	   0x1c
#define ARG_N	   0x28

struct rig_cu {
	const char *name; /* "kernel:cu" */
	u64 base;
	u32 control;
	int irq; /* -1: none */
};

/* An xclbin with the bitstream from @bits (a file of build/tests/card; NULL: without one). Caller frees. */
u8 *rig_xclbin(const struct rig_cu *cus, u32 nr, const char *bits, u64 *bytes);

struct rig {
	struct card *card;
	u32 irqs[128]; /* by id */
	u32 shell_irqs;
};

struct rig *rig_open(void);
void rig_close(struct rig *rig);

u32 rd(struct rig *rig, u64 addr);
void wr(struct rig *rig, u64 addr, u32 value);
void wr64(struct rig *rig, u64 addr, u64 value);

/* Program from memory; the final EMU_PROG_STATUS. */
u32 rig_program_data(struct rig *rig, const void *data, u64 bytes);
u32 rig_program(struct rig *rig, const struct rig_cu *cus, u32 nr, const char *bits);
/* One CU at 0x400000 with interrupt id 5. */
void rig_one(struct rig *rig, const char *kernel, u32 control);
#define CU0  0x400000ull
#define IRQ0 5

u32 rig_status(struct rig *rig, u32 cu); /* EMU_CU_STATUS */
void rig_enable(struct rig *rig, u64 base); /* GIE and IER done */
/* card_poll() until @irqs interrupts of @id in all were seen, 5 s at most. True when they were. */
bool rig_wait_irq(struct rig *rig, u32 id, u32 irqs);
bool rig_wait_done(struct rig *rig, u64 base); /* by reading CTRL */
pid_t rig_worker(struct rig *rig, u32 nth); /* pid of the nth worker process of this process, 0: there is none */
u32 rig_workers(pid_t parent);
const char *rig_file(const char *name); /* in build/ */

#endif
