/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Driver logic that needs no kernel service: what an xclbin says, whether a command is sound, in which order commands run, how
 * extents merge, where a buffer fits, and how a compute unit's registers are driven.
 */
#ifndef SMARTSSD_CORE_H
#define SMARTSSD_CORE_H

#include "compat.h"
#include "../../uapi/smartssd.h"

/* ---- xclbin.c: what an xclbin says (format: xclbin.h of XRT; all of it untrusted) ---- */

#define SMARTSSD_XCLBIN_UUID_AT 416 /* struct axlf, m_header.uuid: where a file's UUID is, 16 bytes */

/* An error text of a parser: what, where. Empty when there was no error. */
struct smartssd_why {
	char text[200];
};

void smartssd_why(struct smartssd_why *why, const char *fmt, ...) __printf(2, 3);

struct smartssd_cu_arg {
	u32 kind;     /* SMARTSSD_ARG_* */
	u32 offset;   /* register offset in the CU's register file */
	u32 bytes;    /* 4 or 8 */
	u32 bound_of; /* ARG_BOUND: index of the pointer argument, else ~0 */
	char name[SMARTSSD_NAME_LEN];
	char type[SMARTSSD_NAME_LEN];
};

#define SMARTSSD_CONTROL_HS    0
#define SMARTSSD_CONTROL_CHAIN 1

struct smartssd_cu_desc {
	u64 base;    /* in the user window, multiple of CU_FILE_BYTES, base + CU_FILE_BYTES <= SMARTSSD_WINDOW_BYTES */
	u32 control; /* SMARTSSD_CONTROL_* */
	u32 irq;     /* interrupt id, ~0: none (must be polled) */
	u32 kernel;  /* equal for CUs of the same kernel: 0, 1, ... */
	u32 first_arg;
	u32 nr_args;
	char name[SMARTSSD_NAME_LEN]; /* "kernel:cu" */
};

struct smartssd_mem_desc {
	u64 base;
	u64 bytes;
	u32 used;
	char tag[16];
};

struct smartssd_section {
	u32 kind;
	char name[17];
	u64 offset;
	u64 bytes;
};

struct smartssd_xclbin_info {
	u8 uuid[16];
	char platform[SMARTSSD_NAME_LEN + 1];
	u32 mode;
	u32 nr_sections;
	u32 nr_cus;
	u32 nr_kernels;
	u32 nr_args; /* of all CUs together */
	u32 nr_mems;
	u64 bits_offset; /* BITSTREAM section */
	u64 bits_bytes;
	struct smartssd_section *sections;
	struct smartssd_cu_desc *cus;
	struct smartssd_cu_arg *args; /* CU c's arguments: args[cus[c].first_arg .. + nr_args) */
	struct smartssd_mem_desc *mems;
};

/*
 * Parse and check an xclbin. 0; -EBADMSG: malformed; -EOPNOTSUPP: well-formed but not usable (a section that is needed is missing, built
 * for a simulator, a CU without HS or CHAIN control, an argument wider than 8 bytes or in constant, local or stream memory, more CUs,
 * kernels, arguments, sections or memories than the limits); -ENOMEM. @why says which section or entry. MEM_TOPOLOGY may be missing.
 *
 * Argument offsets, sizes and names come from EMBEDDED_METADATA (XML), CUs from IP_LAYOUT. A scalar argument that is 8 bytes wide, named
 * "<p>_bytes" and follows directly on a global argument named "<p>" is that pointer's bound. Guaranteed after success: CU register files
 * do not overlap each other nor the shell's registers (0x300000 .. 0x340000), argument registers lie in [CU_ARGS, CU_FILE_BYTES), 4-aligned, and
 * do not overlap, all strings are terminated, names are printable ASCII without blanks, interrupt ids may be shared, at most SMARTSSD_MAX_CUS CUs and SMARTSSD_MAX_ARGS arguments each.
 */
int smartssd_xclbin_parse(const void *data, u64 bytes, struct smartssd_xclbin_info **out, struct smartssd_why *why);
void smartssd_xclbin_free(struct smartssd_xclbin_info *info);

/* ---- cmd.c: is a command sound? ---- */

/*
 * Everything that can be said of a command without looking up ids: op, flags, reserved fields, counts, dependencies (earlier ones
 * only). @index: its place in the list. 0, -EINVAL, -EOPNOTSUPP, -EOVERFLOW, -ENOENT (a RUN on no CU).
 */
int smartssd_check_cmd(const struct smartssd_cmd *cmd, u32 index);

/*
 * Extents against the BO and, for a WRITE, the file; for a READ each must begin inside the file. @file_bytes. 0, -EINVAL, -EOVERFLOW;
 * *bad = index of the first bad one.
 */
int smartssd_check_extents(const struct smartssd_extent *ext, u32 nr, u64 bo_bytes, u64 file_bytes, bool write, u32 *bad);

/* Aligned for direct I/O: file offset and length to @io_align, BO offset to @mem_align (powers of two)? A piece at the end of file: as the caller rounded it up. */
bool smartssd_extent_aligned(const struct smartssd_extent *ext, u32 io_align, u32 mem_align);

/*
 * Merge neighbours in place: entry i+1 that continues entry i in the file and in the BO, while the sum stays <= @max_bytes.
 * Returns the new count. @origin (may be NULL), @nr entries: origin[k] = index in the input of the first piece of output k.
 */
u32 smartssd_merge_extents(struct smartssd_extent *ext, u32 nr, u64 max_bytes, u32 *origin);

/* Where a global argument's BO is: what the caller looked up for smartssd_arg.bo */
struct smartssd_range {
	u64 address;
	u64 bytes;
};

struct smartssd_reg {
	u32 offset;
	u32 value;
};

#define SMARTSSD_MAX_REGS (2 * SMARTSSD_MAX_ARGS)

/*
 * Turn a RUN's arguments into register writes. @lookup finds a BO that the caller owns and that lies on this card: 0 or -ENOENT / -EINVAL.
 * @regs: room for SMARTSSD_MAX_REGS; *nr_regs written. 0, -EINVAL, -ENOENT, -EOVERFLOW.
 */
int smartssd_build_regs(const struct smartssd_xclbin_info *info, u32 cu, const struct smartssd_arg *args, u32 nr_args,
			int (*lookup)(void *ctx, u32 bo, struct smartssd_range *range), void *ctx,
			struct smartssd_reg *regs, u32 *nr_regs);

/* ---- graph.c: in which order do the commands of a job run? ---- */

struct smartssd_graph_node {
	u32 waiting;	/* predecessors not yet done */
	u32 first_edge; /* list of successors */
	u8 state;	/* private */
	u8 doomed;	/* a predecessor failed */
};

struct smartssd_graph {
	u32 nr;
	u32 left; /* nodes not yet done: the job is over when 0 */
	struct smartssd_graph_node *nodes;
	struct smartssd_graph_edge *edges;
	u32 *barriers; /* private */
	void *mem;     /* private: the one allocation */
};

/* Called for each command that may start now; @canceled: a predecessor failed, do not run it but report smartssd_graph_done(.., false). */
typedef void (*smartssd_ready_fn)(void *ctx, u32 index, bool canceled);

/*
 * The dependency graph of a checked command list. Deps and barriers point backwards, so there are no cycles. The caller serialises calls.
 * smartssd_graph_start() and _done() call @ready for what becomes ready; it must only queue the command, not call back into the graph.
 * A canceled command is reported to @ready exactly once like any other.
 * Cost: O(commands + edges); a barrier is one node that counts all earlier ones, not n edges.
 */
int smartssd_graph_init(struct smartssd_graph *g, const struct smartssd_cmd *cmds, u32 nr);
void smartssd_graph_start(struct smartssd_graph *g, smartssd_ready_fn ready, void *ctx);
void smartssd_graph_done(struct smartssd_graph *g, u32 index, bool ok, smartssd_ready_fn ready, void *ctx);
void smartssd_graph_free(struct smartssd_graph *g);

/* ---- ddr.c: where does a buffer fit? ---- */

/*
 * First-fit allocator over [0, bytes) in units of @align (a power of two), free neighbours joined. Used where no other allocator owns the aperture:
 * the embedded card, and kernels without peer DMA. The caller serialises calls.
 */
struct smartssd_ddr;

int smartssd_ddr_create(u64 bytes, u32 align, struct smartssd_ddr **out);
void smartssd_ddr_destroy(struct smartssd_ddr *ddr);
/* 0, -ENOMEM (no room), -EINVAL (0 bytes), -EOVERFLOW (rounding up wraps) */
int smartssd_ddr_alloc(struct smartssd_ddr *ddr, u64 bytes, u64 *address);
/* @address as allocated; anything else is -EINVAL and changes nothing */
int smartssd_ddr_free(struct smartssd_ddr *ddr, u64 address);
u64 smartssd_ddr_free_bytes(const struct smartssd_ddr *ddr);

/* ---- cu.c: how are a compute unit and the emulated shell driven? ---- */

/* Register access. A card that left the bus reads as all ones. */
struct smartssd_bus {
	u32 (*read)(void *ctx, u32 addr);
	void (*write)(void *ctx, u32 addr, u32 value);
	void *ctx;
};

/* Write arguments, enable the done interrupt (if the CU has one), start. 0, -EBUSY (ap_start still set), -ENODEV (all ones). */
int smartssd_cu_start(const struct smartssd_bus *bus, const struct smartssd_cu_desc *cu, const struct smartssd_reg *regs, u32 nr_regs);

/*
 * Has the run ended? Acknowledges done and interrupt in the order that the control protocol demands (CHAIN: continue before clearing the
 * status). 1: yes (reported once); 0: not yet, also for a spurious interrupt; -ENODEV. Call it on interrupt, and on the
 * watchdog before giving up: a lost interrupt is not a hang.
 */
int smartssd_cu_finish(const struct smartssd_bus *bus, const struct smartssd_cu_desc *cu);

/* Emulated shell: 0, -ENODEV, -EIO (refused: *status = EMU_PROG_*), -ETIMEDOUT. @sleep is called between polls with microseconds. */
int smartssd_emu_program(const struct smartssd_bus *bus, u64 address, u64 bytes, void (*sleep)(u32 us), u32 *status);
/* 0, -ENODEV, -EIO (still crashed: the card found no new worker for it) */
int smartssd_emu_cu_reset(const struct smartssd_bus *bus, u32 cu);
/* EMU_CU_* | code << 8, or -ENODEV as (u32)~0 */
u32 smartssd_emu_cu_status(const struct smartssd_bus *bus, u32 cu);

#endif
