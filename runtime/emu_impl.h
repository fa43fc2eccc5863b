/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The embedded card from inside. How a job goes through it:
 *
 *   emu_job.c    SUBMIT: copy, check, look ids up -> struct emu_job, a graph of struct emu_cmd
 *   emu_cmd.c    commands that may start: to a compute unit, the I/O thread, the copy thread, or done at once
 *   emu_cu.c     compute units: start, interrupt, watchdog, reset; who drives the card
 *   emu_io.c     READ and WRITE: a deep io_uring queue on a thread of its own
 *   emu_cmd.c    a command ended -> what depended on it may start -> the job is done
 *   emu_job.c    WAIT: take the results
 *
 * Locks, in this order: emu.lock (jobs, ids, compute units, counters, all register accesses), emu.mem_lock (the allocator; also
 * taken when another card drops its last reference), the export registry's lock (emu_bo.c). The card calls emu_irq() with
 * unknown locks held, so that only sets bits.
 *
 * References: a BO lives as long as a handle, a mapping, an export, a command or a compute unit that hangs (it may still be
 * writing) refers to it, and keeps its card alive.
 */
#ifndef SMARTSSD_EMU_IMPL_H
#define SMARTSSD_EMU_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include "../tools/card/card.h"
#include "emu.h"
#include "private.h"

#define EMU_BO_ALIGN	4096u
#define EMU_MEM_ALIGN	4u	     /* of a BO offset, to go peer to peer */
#define EMU_IO_ALIGN	512u	     /* of a regular file's extents, likewise */
#define EMU_IO_MAX	(1u << 20)   /* bytes of one I/O request; neighbours merge up to it */
#define EMU_COPY_INLINE (64u << 10)  /* shorter copies are not worth a thread ... */
#define EMU_COPY_AT_ONCE (1u << 20)  /* ... unless there are many of them: nobody else gets the lock meanwhile */
#define EMU_TIMEOUT_MS	10000u	     /* of a RUN that names none */
#define EMU_TICK_NS	100000000ull /* how often a running CU is looked at without an interrupt */
#define EMU_CLOSE_NS	2000000000ull
#define EMU_NEVER	SMARTSSD_DEADLINE_NEVER

struct emu_job;
struct emu_cmd;

/* ---- ids ---- */

struct emu_ids {
	struct emu_slot *slots;
	u32 nr;	   /* slots in use at some time; ids are slot + 1 */
	u32 room;
	u32 used;  /* slots in use now ... */
	u32 limit; /* ... and at most */
	u32 first; /* free list, first in first out, so that a stale id stays wrong for long */
	u32 last;
};

int emu_ids_add(struct emu_ids *ids, void *object, u32 *id); /* 0, -ENOMEM, -EBUSY: as many as may be */
void *emu_ids_find(const struct emu_ids *ids, u32 id);	     /* NULL */
void *emu_ids_remove(struct emu_ids *ids, u32 id);	     /* NULL */
void emu_ids_free(struct emu_ids *ids);

/* ---- objects ---- */

struct emu_bo {
	struct emu *owner; /* the card whose memory it is; not always the card that a handle is of */
	u64 address;
	u64 bytes;
	atomic_uint refs;
};

struct emu_map {
	struct emu_map *next;
	struct emu_bo *bo;
	void *address;
	u64 bytes;
};

struct emu_file {
	int fd;
	int direct; /* the same without the page cache; -1: the caller's was not O_DIRECT, or it cannot be had */
	u32 direct_align; /* of offsets, bytes and memory there */
	u32 kind;
	u32 io_align;
	u32 peer_reason;
	bool readable;
	bool writable;
	atomic_uint refs;
};

/* READ or WRITE: belongs to the I/O thread from emu_io_queue() until emu_cmd_end(). */
struct emu_rw {
	struct emu_file *file;
	struct emu_bo *bo;
	struct smartssd_extent *ext; /* merged */
	u32 *origin;		     /* first of the caller's extents in each */
	u32 nr;
	u32 next;	/* extent to issue from ... */
	u64 next_bytes; /* ... and how much of it was */
	u32 inflight;
	int status;
	u64 file_bytes; /* when it began */
	u64 peer_bytes;
	u64 peer_link_bytes;
	u64 bounce_bytes;
	u64 requests;
};

struct emu_copy {
	u64 host;
	struct emu_bo *src, *dst;
	u64 src_offset, dst_offset;
	u64 bytes;
};

struct emu_run {
	u64 mask;
	struct smartssd_reg *regs;
	u32 nr_regs;
	u32 timeout_ms;
	u32 nr_bos;
	struct emu_bo **bos;
};

struct emu_cmd {
	struct emu_job *job;
	struct emu_cmd *next; /* in the one queue that it is in */
	u32 index;
	u32 op;
	u32 flags;
	bool canceled;
	union {
		struct emu_rw rw;
		struct emu_copy copy;
		struct emu_run run;
	};
};

struct emu_job {
	struct emu *emu;
	u64 id;
	u64 finished; /* 0 while in flight, else the how many-th to finish */
	u32 nr;
	struct smartssd_graph graph;
	struct smartssd_result *results;
	struct emu_cmd cmds[];
};

struct emu_queue {
	struct emu_cmd *first;
	struct emu_cmd **last;
};

struct emu_cu {
	u32 state;	     /* SMARTSSD_CU_* */
	struct emu_cmd *cmd; /* what it runs, when BUSY */
	u64 deadline;
	u64 look_at; /* next time to look without an interrupt */
	u64 runs;
	struct emu_bo **held; /* memory that a hung run may still write to, until it ends after all or is reset */
	u32 nr_held;
};

/* A thread that takes commands from a queue. Fields are under emu.lock. */
struct emu_worker {
	pthread_t thread;
	pthread_cond_t cond;
	struct emu_queue queue;
	bool started;
	bool stop;
};

struct emu {
	atomic_uint refs; /* the open and each BO */
	struct card *card;
	struct smartssd_bus bus;
	u8 *ddr;
	int ddr_fd;
	u64 ddr_bytes;
	u32 peer_reason;
	u32 fault; /* EMU_FAULT register value to write after the first programming, 0 when done */

	pthread_mutex_t mem_lock;
	struct smartssd_ddr *mem;
	atomic_bool closed; /* memory is not handed out again, so it need not be cleared */

	atomic_ullong irqs; /* interrupts not yet looked at, by id modulo 64 */
	atomic_bool irq_shell;

	pthread_mutex_t lock;
	pthread_cond_t cond; /* a job finished, or somebody else is to drive */
	struct emu_ids bos, files;
	struct emu_map *maps;
	struct smartssd_counters count;
	bool gone, closing; /* what has not started does not start any more */

	/* emu_job.c */
	struct emu_job *jobs[SMARTSSD_MAX_JOBS];
	u32 nr_jobs;
	u32 submitting; /* jobs being checked */
	u32 inflight;	/* jobs started and not finished */
	u64 last_id, last_finished;
	u32 waiting;  /* threads in WAIT */
	int poll_fd;  /* a pipe's end to read from; -1 until asked for */
	int poll_writer; /* its other end; -1 also when the card is gone */
	bool poll_set; /* there is a byte in it */
	int event_fd; /* -1: none */

	struct emu_queue ready; /* may start now */

	/* emu_cu.c */
	struct smartssd_xclbin_info *xclbin;
	struct emu_bo *staging; /* an xclbin that the card was still reading when it was given up */
	struct emu_cu cus[SMARTSSD_MAX_CUS];
	struct emu_queue runs; /* waiting for a CU */
	u32 busy;	       /* CUs that run something */
	bool driving;	       /* somebody is in card_poll() ... */
	bool engine_drives;    /* ... the engine thread */
	u64 drive_until;       /* ... until then */
	struct emu_worker engine;
	bool engine_sleeps;

	struct emu_worker copier;
	struct emu_worker io;
	int io_wake; /* eventfd that wakes the I/O thread out of io_uring */
	bool io_sleeps;
};

/* ---- emu.c ---- */

u64 emu_now(void);
/* From and to the caller's memory; -EFAULT where there is none. */
int emu_copy_in(void *to, u64 from, u64 bytes);
int emu_copy_out(u64 to, const void *from, u64 bytes);
void emu_put(struct emu *emu);

/* ---- emu_bo.c ---- */

/* Zeros, with one reference: 0, -ENOMEM, -EOVERFLOW */
int emu_bo_new(struct emu *emu, u64 bytes, struct emu_bo **out);
int emu_bo_create(struct emu *emu, struct smartssd_bo *bo);
int emu_bo_destroy(struct emu *emu, struct smartssd_id *id);
int emu_bo_export(struct emu *emu, struct smartssd_bo_fd *arg);
int emu_bo_import(struct emu *emu, struct smartssd_bo_fd *arg);
struct emu_bo *emu_bo_get(struct emu *emu, u32 id); /* NULL; a new reference; emu.lock held */
void emu_bo_ref(struct emu_bo *bo);
void emu_bo_put(struct emu_bo *bo);
/* Drop the exports whose descriptors are all closed. */
void emu_exports_reap(void);
u64 emu_mem_free(struct emu *emu);
void emu_forget_objects(struct emu *emu);

/* ---- emu_file.c ---- */

int emu_file_register(struct emu *emu, struct smartssd_file *arg);
int emu_file_unregister(struct emu *emu, struct smartssd_id *id);
int emu_file_bytes(const struct emu_file *file, u64 *bytes);
void emu_file_put(struct emu_file *file);

/* ---- emu_job.c ---- */

int emu_submit(struct emu *emu, struct smartssd_submit *arg);
int emu_wait(struct emu *emu, struct smartssd_wait *arg);
int emu_eventfd(struct emu *emu, struct smartssd_eventfd *arg);
/* All commands of @job ended. */
void emu_job_finish(struct emu_job *job);
void emu_job_free(struct emu_job *job);
/* Make poll_fd say what is; after each change of what it depends on. */
void emu_poll_update(struct emu *emu);

/* ---- emu_cmd.c: everything with emu.lock held ---- */

void emu_queue_init(struct emu_queue *q);
void emu_queue_push(struct emu_queue *q, struct emu_cmd *cmd);
struct emu_cmd *emu_queue_pop(struct emu_queue *q);
/* smartssd_ready_fn; @ctx is the job */
void emu_cmd_ready(void *ctx, u32 index, bool canceled);
struct smartssd_result *emu_cmd_result(struct emu_cmd *cmd);
/* @cmd ended; what it allowed to start is queued: call emu_progress() before letting go of the lock. */
void emu_cmd_end(struct emu_cmd *cmd, int status);
/* Give back what @cmd refers to. */
void emu_cmd_release(struct emu_cmd *cmd);
/* Handle interrupts and start whatever can start, until nothing more can. */
void emu_progress(struct emu *emu);
/* The card does not answer any more: end what can be ended with -ENODEV. */
void emu_set_gone(struct emu *emu);
/* End what has not started. */
void emu_cancel_queued(struct emu *emu, int status);
int emu_worker_start(struct emu_worker *w, void *(*main)(void *), void *arg);
/* Without the lock. */
void emu_worker_stop(struct emu *emu, struct emu_worker *w);

/* ---- emu_cu.c: everything with emu.lock held ---- */

void emu_irq(void *ctx, u32 id); /* without */
int emu_xclbin_load(struct emu *emu, struct smartssd_xclbin *arg); /* without */
int emu_cu_info(struct emu *emu, struct smartssd_cu_info *arg);
int emu_arg_info(struct emu *emu, struct smartssd_arg_info *arg);
int emu_cu_reset(struct emu *emu, u32 index);
/* CUs that @mask names are there and of one kernel: 0, -ENOENT, -EINVAL */
int emu_cu_check_mask(const struct emu *emu, u64 mask);
void emu_cu_queue(struct emu *emu, struct emu_cmd *cmd);
/*
 * Look at interrupts and clocks; @event: the card just reported one. Returns whether a run ended. A CU that hung and has ended after
 * all is found, too.
 */
bool emu_cu_service(struct emu *emu, bool event);
/* Start queued runs on free CUs. Returns whether something started or ended. */
bool emu_cu_feed(struct emu *emu);
/* All runs end with -ENODEV. */
void emu_cu_gone(struct emu *emu);
void emu_cu_drop_all(struct emu *emu);
/*
 * Wait for the card, without the lock meanwhile, until something happened or @deadline; only when nobody drives and a CU is
 * busy. Then handle it.
 */
void emu_drive(struct emu *emu, u64 deadline);
/* When runs are under way and nobody drives, see that somebody does: a waiting thread, else the engine thread. */
void emu_handover(struct emu *emu);
/* Somebody who drives should look up: there is something new for him. */
void emu_nudge(struct emu *emu);

/* ---- emu_io.c ---- */

void emu_io_queue(struct emu *emu, struct emu_cmd *cmd); /* lock held */
void emu_io_stop(struct emu *emu);

#endif
