/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The emulated card: one model, two transports. The model is a register file with side effects
 * (driver/core/regs.h), a piece of shared memory as DDR, and one worker process per compute unit that runs the
 * xclbin's shared object on that DDR. A transport carries register accesses to card_read()/card_write() and
 * interrupts out of card_config.irq: direct calls (the embedded card, runtime/), or ivshmem-doorbell
 * (tools/card/ivshmem.c) for QEMU.
 *
 * Threads: card_read(), card_write() and card_poll() may be called from any thread. The irq callback is called
 * without the card's lock held, from whichever thread called in (a read or write may raise one too: it takes note
 * of a run that ended meanwhile), and never from a thread of the card's own.
 */
#ifndef SMARTSSD_CARD_H
#define SMARTSSD_CARD_H

#include <pthread.h>
#include "../../driver/core/core.h"
#include "../../driver/core/regs.h"

struct card;

struct card_config {
	u64 ddr_bytes;	/* multiple of 2 MiB */
	int ddr_fd;	/* shared memory holding the DDR (kept by the caller), or -1: the card makes a memfd */
	u64 ddr_offset; /* where in it */
	u32 serial;	/* goes into the DNA, so that cards differ */
	void (*irq)(void *ctx, u32 id); /* CU interrupt with this id (xclbin's IP_LAYOUT); EMU_IRQ_SHELL for none of them */
	void *ctx;
};

#define EMU_IRQ_SHELL 0xffffffffu

/* 0 or -errno; @why says what went wrong. Worker processes end with the card, also when this process is killed. */
int card_create(const struct card_config *config, struct card **out, struct smartssd_why *why);
void card_destroy(struct card *card);

/* 32-bit access to the user window. Addresses that nothing decodes read as 0 and ignore writes. */
u32 card_read(struct card *card, u32 addr);
void card_write(struct card *card, u32 addr, u32 value);

/* Has the card left the bus (EMU_FAULT_GONE)? */
bool card_is_gone(struct card *card);

/* The DDR in this process, and the shared memory behind it. */
void *card_ddr(struct card *card);
int card_ddr_fd(struct card *card);
u64 card_ddr_bytes(struct card *card);

/*
 * Take note of what workers did (runs that ended, workers that died), set status bits and raise interrupts. Blocks
 * until something happened, the timeout passes or card_kick() is called. Whoever drives the card calls it: a thread
 * of the transport, or the thread that waits for a job. Returns 1 when an event was handled, 0 on timeout or kick.
 * @timeout_ns: 0 looks only, ~0: no limit.
 *
 * No kick is lost: one that came since the calling thread's last card_poll() returned makes this one return at
 * once. So "check own condition, then card_poll()" is safe from several threads when whoever makes a condition true
 * kicks afterwards. A card that leaves the bus kicks.
 */
int card_poll(struct card *card, u64 timeout_ns);
void card_kick(struct card *card);

/*
 * hang|crash|no-irq|wrong|gone|spurious[:CU[:NTH]] as a value for EMU_FAULT; CU defaults to 0, NTH to 1 (the CU's
 * next run). 0 or -EINVAL.
 */
int card_parse_fault(const char *spec, u32 *value);

/* A decimal number up to @max that ends at one of @ends or with the text; *p is left there. false: not one, nothing is changed */
bool card_take_number(const char **p, u64 max, const char *ends, u64 *out);
/* "4096", "256M": up to @max bytes; units are K, M and G. false: not that */
bool card_parse_bytes(const char *text, u64 max, u64 *out);

/*
 * A file of this build or installation ("smartssd-cu", "kernels.xclbin"), such that access() allows @mode: in $SMARTSSD_LIBDIR, beside
 * the program, at the top of the build tree that the program is in, beside the library, or where it was installed. 0, -ENOENT or
 * -ENAMETOOLONG.
 */
int card_find_file(const char *name, int mode, char *path, size_t bytes);

/* pthread_create() of a thread that no signal is delivered to: the host program's signals are its own threads' business. 0 or -errno */
int card_thread(pthread_t *thread, void *(*main)(void *), void *arg);

#endif
