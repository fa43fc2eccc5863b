/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * smartssd.h - the ioctl ABI of a SmartSSD: an NVMe SSD and an FPGA with its own DDR behind one PCIe switch.
 *
 * The kernel driver (/dev/smartssdN) and the embedded card ("emu:") serve exactly these structs. Rules that hold for
 * every call:
 *
 *  - Each struct starts with __u32 size = sizeof(the struct as the caller knows it). Shorter than the first published
 *    version: EINVAL. Longer than what the callee knows, with anything but zeros in the unknown tail: E2BIG.
 *  - Unknown flags, non-zero reserved or pad fields: EINVAL. Unknown values of an enumerated field (op, kind):
 *    EOPNOTSUPP. Unknown ioctl: ENOTTY.
 *  - All offsets and lengths are bytes, all times are nanoseconds of CLOCK_MONOTONIC.
 *  - Ids (BOs, files, jobs) belong to the open file and mean nothing in another one. 0 is never a valid id. A bad
 *    id is ENOENT. Arithmetic that would wrap: EOVERFLOW. The card was removed or stopped answering: ENODEV.
 *  - New file descriptors are O_CLOEXEC.
 */
#ifndef _UAPI_SMARTSSD_H
#define _UAPI_SMARTSSD_H

#include <linux/types.h>
#include <linux/ioctl.h>

#define SMARTSSD_IOC_MAGIC 0xE7

/* Limits. A call beyond one of them fails with EINVAL (counts) or EBUSY (things in flight). */
#define SMARTSSD_MAX_CMDS	 4096	/* commands in one submit */
#define SMARTSSD_MAX_EXTENTS	 65536	/* extents of one READ or WRITE */
#define SMARTSSD_MAX_JOB_EXTENTS 262144 /* extents of one submit, all commands together */
#define SMARTSSD_MAX_ARGS	 64	/* arguments of one RUN */
#define SMARTSSD_MAX_CUS	 64	/* compute units of one xclbin */
#define SMARTSSD_MAX_JOBS	 64	/* jobs not yet waited for, per open file: more is EBUSY */
#define SMARTSSD_MAX_DEPS	 4	/* dependencies of one command */
#define SMARTSSD_MAX_BOS	 65536	/* BO ids per open file: more is EBUSY */
#define SMARTSSD_MAX_FILES	 4096	/* registered files per open file: more is EBUSY */
#define SMARTSSD_MAX_XCLBIN	 (128u << 20)
#define SMARTSSD_NAME_LEN	 64

/* smartssd_query.features */
#define SMARTSSD_FEATURE_PEER	     (1ull << 0) /* READ/WRITE can go peer to peer (see peer_reason for whether it does) */
#define SMARTSSD_FEATURE_USER_PEER   (1ull << 1) /* plain pread(O_DIRECT) into an mmap'ed BO goes peer to peer */
#define SMARTSSD_FEATURE_DMABUF	     (1ull << 2) /* BO_EXPORT and BO_IMPORT */
#define SMARTSSD_FEATURE_MMAP	     (1ull << 3) /* BOs can be mapped */
#define SMARTSSD_FEATURE_CU_RESET    (1ull << 4) /* a hung compute unit can be reset alone */
#define SMARTSSD_FEATURE_PROGRAM     (1ull << 5) /* XCLBIN_LOAD programs the card; without it, only adopts what is there */
#define SMARTSSD_FEATURE_EMULATED    (1ull << 6) /* no hardware: an emulated card */
#define SMARTSSD_FEATURE_EMBEDDED    (1ull << 7) /* the emulated card is inside this process: no driver, no PCI */

/* Why data does not go peer to peer; smartssd_query.peer_reason, smartssd_file.peer_reason, smartssd_result.path. */
#define SMARTSSD_PEER_OK	    0  /* it does */
#define SMARTSSD_PEER_NO_KERNEL	    1  /* the running kernel has no CONFIG_PCI_P2PDMA */
#define SMARTSSD_PEER_NO_PROVIDER   2  /* the aperture could not be registered for peer DMA */
#define SMARTSSD_PEER_NO_SSD	    3  /* no NVMe device behind the card's switch */
#define SMARTSSD_PEER_NO_ROUTE	    4  /* ACS redirect or a root complex in between: no legal route */
#define SMARTSSD_PEER_NOT_SIBLING   5  /* the file is on a device that has no route to this card */
#define SMARTSSD_PEER_NO_QUEUE	    6  /* the block device does not take peer pages (virtio, dm, md, multipath, ...) */
#define SMARTSSD_PEER_NO_FILESYSTEM 7  /* the file's filesystem is not known to pass peer pages on */
#define SMARTSSD_PEER_NO_DIRECT	    8  /* the file cannot do direct I/O */
#define SMARTSSD_PEER_OFF	    9  /* switched off by the caller or the administrator */
#define SMARTSSD_PEER_UNALIGNED	    10 /* an extent is not aligned to the logical block or, in memory, to 4 bytes */
#define SMARTSSD_PEER_NR	    11

#define SMARTSSD_SHELL_SMARTSSD 1 /* Samsung/AMD SmartSSD, 10ee:6988; never run on hardware */
#define SMARTSSD_SHELL_IVSHMEM	2 /* emulated card behind QEMU's ivshmem-doorbell */
#define SMARTSSD_SHELL_EMBEDDED 3 /* emulated card inside the process */

/**
 * struct smartssd_query - what this card and this driver can do
 * @size: sizeof(struct smartssd_query)
 * @flags: must be 0
 * @features: out: SMARTSSD_FEATURE_*
 * @ddr_bytes: out: card memory that BOs can be made of
 * @ddr_free: out: of these, free now (another process may take them before the next call)
 * @aperture_bytes: out: how much of the card memory the host can address
 * @shell: out: SMARTSSD_SHELL_*
 * @peer_reason: out: SMARTSSD_PEER_OK, or why the sibling SSD's data cannot go peer to peer
 * @nr_cus: out: compute units of the loaded xclbin, 0 when none is loaded
 * @bo_align: out: BOs start at, and are rounded up to, a multiple of this
 * @mem_align: out: alignment of bo_offset in extents
 * @max_jobs: out: SMARTSSD_MAX_JOBS
 * @pci: out: domain << 16 | bus << 8 | devfn; 0xffffffff when the card is embedded
 * @pci_id: out: vendor << 16 | device; 0 when embedded
 * @dna: out: the FPGA's 96-bit device DNA, little-endian words, pad word 0
 * @uuid: out: of the loaded xclbin, all zero when none is
 * @ssd: out: name of the paired namespace's controller ("nvme0"), "" when none
 */
struct smartssd_query {
	__u32 size;
	__u32 flags;
	__aligned_u64 features;
	__aligned_u64 ddr_bytes;
	__aligned_u64 ddr_free;
	__aligned_u64 aperture_bytes;
	__u32 shell;
	__u32 peer_reason;
	__u32 nr_cus;
	__u32 bo_align;
	__u32 mem_align;
	__u32 max_jobs;
	__u32 pci;
	__u32 pci_id;
	__u32 dna[4];
	__u8 uuid[16];
	__u8 ssd[32];
};

#define SMARTSSD_CU_IDLE    0
#define SMARTSSD_CU_BUSY    1
#define SMARTSSD_CU_HUNG    2 /* missed its deadline; its late end, CU_RESET or a new xclbin brings it back */
#define SMARTSSD_CU_CRASHED 3 /* the card reported a fault of this CU; CU_RESET or a new xclbin brings it back */

/**
 * struct smartssd_cu_info - one compute unit of the loaded xclbin (SMARTSSD_IOC_CU_INFO)
 * @size: sizeof(struct smartssd_cu_info)
 * @index: in: 0 .. smartssd_query.nr_cus - 1, else ENOENT
 * @nr_args: out: arguments, as SMARTSSD_IOC_ARG_INFO numbers them
 * @state: out: SMARTSSD_CU_*
 * @base: out: address of its register file in the user window
 * @runs: out: finished runs since the xclbin was loaded, by all processes
 * @control: out: 0 ap_ctrl_hs, 1 ap_ctrl_chain
 * @pad: must be 0
 * @name: out: "kernel:cu"
 */
struct smartssd_cu_info {
	__u32 size;
	__u32 index;
	__u32 nr_args;
	__u32 state;
	__aligned_u64 base;
	__aligned_u64 runs;
	__u32 control;
	__u32 pad;
	__u8 name[SMARTSSD_NAME_LEN];
};

#define SMARTSSD_ARG_SCALAR 0 /* value is written to the register, and must fit it */
#define SMARTSSD_ARG_GLOBAL 1 /* pointer into card memory: given as BO + offset */
#define SMARTSSD_ARG_BOUND  2 /* "<pointer>_bytes": set by the driver to the bytes that the pointer may reach */

/**
 * struct smartssd_arg_info - one argument of a compute unit (SMARTSSD_IOC_ARG_INFO)
 * @size: sizeof(struct smartssd_arg_info)
 * @cu: in: CU index, else ENOENT
 * @index: in: argument, 0 .. nr_args - 1, else ENOENT
 * @kind: out: SMARTSSD_ARG_*
 * @offset: out: register offset in the CU's register file
 * @bytes: out: size of the register: 4 or 8
 * @bound_of: out: for SMARTSSD_ARG_BOUND the index of the pointer argument, else 0xffffffff
 * @pad: must be 0
 * @name: out: as in the kernel's prototype
 * @type: out: C type, as in the xclbin's metadata
 */
struct smartssd_arg_info {
	__u32 size;
	__u32 cu;
	__u32 index;
	__u32 kind;
	__u32 offset;
	__u32 bytes;
	__u32 bound_of;
	__u32 pad;
	__u8 name[SMARTSSD_NAME_LEN];
	__u8 type[SMARTSSD_NAME_LEN];
};

/**
 * struct smartssd_xclbin - load an xclbin (SMARTSSD_IOC_XCLBIN_LOAD)
 * @size: sizeof(struct smartssd_xclbin)
 * @flags: must be 0
 * @data: in: user pointer to the file's bytes
 * @bytes: in: their number, at most SMARTSSD_MAX_XCLBIN, else EINVAL
 * @uuid: out: the xclbin's UUID
 *
 * Loading is the privileged step that says which registers are pointers: CAP_SYS_ADMIN on /dev/smartssdN, else EPERM.
 * Loading what is already loaded (same UUID, all CUs sound) does nothing, needs no privilege and succeeds. EBUSY while
 * jobs are in flight, or, without SMARTSSD_FEATURE_PROGRAM, while a CU hangs or has crashed (it cannot be stopped from here; when
 * the card was programmed anew, unbind and bind the driver). EBADMSG: not a well-formed xclbin. EOPNOTSUPP: well-formed, but not
 * for this card. EIO: the card refused the bitstream. ENOMEM: no room; with SMARTSSD_FEATURE_PROGRAM the file goes through card
 * memory, of which @bytes must be free in one piece. EINTR: killed before the card was reached. ENODEV also when the card does not
 * get done with programming. After a failure that reached the card no xclbin is loaded. Card memory keeps its contents.
 */
struct smartssd_xclbin {
	__u32 size;
	__u32 flags;
	__aligned_u64 data;
	__aligned_u64 bytes;
	__u8 uuid[16];
};

/**
 * struct smartssd_bo - create a buffer object in card memory (SMARTSSD_IOC_BO_CREATE)
 * @size: sizeof(struct smartssd_bo)
 * @flags: must be 0
 * @bytes: in: length, at least 1; out: rounded up to bo_align. ENOMEM: card memory is full. EINVAL: 0. EINTR: killed meanwhile.
 *	   EBUSY: SMARTSSD_MAX_BOS ids
 * @bo: out: id
 * @pad: must be 0
 * @address: out: address in card memory, for information; pointer registers are only ever written by the driver
 * @mmap_offset: out: offset for mmap() of the device (MAP_SHARED; the first @bytes bytes)
 *
 * The memory reads as zeros. It is freed when the last of handle, mappings, exports and commands in flight is gone.
 */
struct smartssd_bo {
	__u32 size;
	__u32 flags;
	__aligned_u64 bytes;
	__u32 bo;
	__u32 pad;
	__aligned_u64 address;
	__aligned_u64 mmap_offset;
};

/**
 * struct smartssd_id - an object to let go of (SMARTSSD_IOC_BO_DESTROY, SMARTSSD_IOC_FILE_UNREGISTER) or CU_RESET
 * @size: sizeof(struct smartssd_id)
 * @id: in: BO id, file id, or for SMARTSSD_IOC_CU_RESET the CU's index; ENOENT when there is none
 *
 * BO_DESTROY and FILE_UNREGISTER take the id away at once; commands in flight keep what they need until they end.
 * CU_RESET stops what the CU runs (that command ends with EIO) and makes it usable again; EOPNOTSUPP without
 * SMARTSSD_FEATURE_CU_RESET; EPERM when the CU is running somebody else's command, but for CAP_SYS_ADMIN.
 */
struct smartssd_id {
	__u32 size;
	__u32 id;
};

/**
 * struct smartssd_bo_fd - a BO as a dma-buf (SMARTSSD_IOC_BO_EXPORT, SMARTSSD_IOC_BO_IMPORT)
 * @size: sizeof(struct smartssd_bo_fd)
 * @flags: must be 0
 * @bo: BO id: in for export, out for import
 * @fd: file descriptor: out for export (O_CLOEXEC), in for import. EBADF: not open; EINVAL: not a dma-buf; EOPNOTSUPP: a dma-buf,
 *	but not of this driver; EBUSY: SMARTSSD_MAX_BOS ids
 * @bytes: out: length
 *
 * An imported BO of another card can be source or target of SMARTSSD_OP_COPY_BO; it is no argument of a RUN and no
 * target of a READ (EINVAL). Importing a BO of the same card makes an ordinary second handle to it. The embedded
 * card's fd stands for the BO (it can be duplicated, passed on and imported in this process) but has no contents.
 */
struct smartssd_bo_fd {
	__u32 size;
	__u32 flags;
	__u32 bo;
	__s32 fd;
	__aligned_u64 bytes;
};

#define SMARTSSD_FILE_BLOCK   1 /* a block device */
#define SMARTSSD_FILE_REGULAR 2 /* a regular file */

/**
 * struct smartssd_file - register a file or namespace to read from or write to (SMARTSSD_IOC_FILE_REGISTER)
 * @size: sizeof(struct smartssd_file)
 * @flags: must be 0
 * @fd: in: open file; its access mode is what READ (O_RDONLY, O_RDWR) and WRITE (O_WRONLY, O_RDWR) need, else the
 *	command fails with EBADF. EBADF: not open. EOPNOTSUPP: neither a regular file nor a block device. EBUSY: SMARTSSD_MAX_FILES are
 *	registered. EACCES (the embedded card only): it is O_DIRECT, and this process may not open the file again
 * @file: out: id
 * @kind: out: SMARTSSD_FILE_*
 * @io_align: out: extents must start at and be a multiple of this (the logical block) to go peer to peer
 * @peer_reason: out: SMARTSSD_PEER_OK, or why this file's data goes through a bounce buffer
 * @pad: must be 0
 * @bytes: out: length now
 *
 * The driver takes regular files of filesystems on a block device, of tmpfs, ramfs, btrfs, bcachefs and zfs, of 9p, nfs, ceph and cifs,
 * and what overlayfs makes of these; others are EOPNOTSUPP: pseudo filesystems (/proc, /sys), because they store nothing, and FUSE,
 * because the card would wait for a process that anybody may have written. The embedded card takes any regular file.
 *
 * Commands use the file as their submitter may: his user and group ids, capabilities, security label, quotas and control groups.
 */
struct smartssd_file {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 file;
	__u32 kind;
	__u32 io_align;
	__u32 peer_reason;
	__u32 pad;
	__aligned_u64 bytes;
};

/**
 * struct smartssd_extent - one piece of a READ or WRITE
 * @file_offset: where in the file
 * @bo_offset: where in the BO
 * @bytes: length, at least 1; the whole piece must lie inside the BO (EINVAL), sums that wrap are EOVERFLOW
 *
 * A READ piece may reach past the end of the file only when it begins before it; what lies past the end reads as
 * zeros. A WRITE piece must lie inside the file (EINVAL): WRITE never makes a file longer. A WRITE to a block device is EPERM when it
 * is read-only and ETXTBSY when it is swapped to, at submit or, when it became so later, as the command's status; on a descriptor
 * with O_DSYNC it ends when the data is durable.
 * Pieces of one READ must not overlap in the BO, nor pieces of one WRITE in the file: their order is not defined.
 */
struct smartssd_extent {
	__aligned_u64 file_offset;
	__aligned_u64 bo_offset;
	__aligned_u64 bytes;
};

/**
 * struct smartssd_arg - one argument of a RUN
 * @index: argument number; each scalar and global argument of the CU exactly once, bounds never (EINVAL)
 * @bo: for SMARTSSD_ARG_GLOBAL the BO, 0 for a scalar
 * @value: scalar value (must fit the register, else EOVERFLOW), or byte offset into the BO (must lie inside it)
 * @bytes: for SMARTSSD_ARG_GLOBAL how many bytes from there on the kernel may touch, 0 for all up to the BO's end; this
 *	   is what the kernel's "<pointer>_bytes" argument receives. 0 for a scalar
 */
struct smartssd_arg {
	__u32 index;
	__u32 bo;
	__aligned_u64 value;
	__aligned_u64 bytes;
};

#define SMARTSSD_OP_READ      1 /* file -> BO */
#define SMARTSSD_OP_WRITE     2 /* BO -> file */
#define SMARTSSD_OP_COPY_TO   3 /* host memory -> BO */
#define SMARTSSD_OP_COPY_FROM 4 /* BO -> host memory */
#define SMARTSSD_OP_COPY_BO   5 /* BO -> BO, also of another card (imported) */
#define SMARTSSD_OP_RUN	      6 /* a compute unit */

/* smartssd_cmd.flags */
#define SMARTSSD_CMD_BARRIER	  (1u << 0) /* depends on all earlier commands of this submit */
#define SMARTSSD_CMD_PEER_REQUIRE (1u << 1) /* READ/WRITE: fail with EREMOTEIO rather than bounce */
#define SMARTSSD_CMD_PEER_OFF	  (1u << 2) /* READ/WRITE: always bounce; not together with PEER_REQUIRE */

/**
 * struct smartssd_cmd - one command of a submit
 * @op: SMARTSSD_OP_*, else EOPNOTSUPP
 * @flags: SMARTSSD_CMD_*
 * @dep: earlier commands of the same submit that must have succeeded first: their index + 1, unused entries 0. When one of
 *	 them fails, this command is not run and its status is ECANCELED
 * @rw: READ, WRITE: @rw.extents points to @rw.nr_extents (1 .. SMARTSSD_MAX_EXTENTS) struct smartssd_extent
 * @copy: COPY_*: @copy.bytes > 0; @copy.host for COPY_TO (source) and COPY_FROM (target), else 0;
 *	  @copy.src_bo, @copy.src_offset and @copy.dst_bo, @copy.dst_offset where that side is a BO, else 0
 * @run: RUN: on the first free CU of those whose bit is set in @run.cu_mask (all must be of the same kernel: EINVAL; none or one
 *	 beyond the last CU: ENOENT), @run.args points to @run.nr_args struct smartssd_arg. A run that takes longer than
 *	 @run.timeout_ms (0: the driver's default, 10 s) ends with ETIMEDOUT and leaves the CU, and the memory of its BOs, taken until
 *	 it ends after all or is reset. When the file is closed, a run has at most the driver's default left
 */
struct smartssd_cmd {
	__u32 op;
	__u32 flags;
	__u32 dep[SMARTSSD_MAX_DEPS];
	union {
		struct {
			__u32 file;
			__u32 bo;
			__aligned_u64 extents;
			__u32 nr_extents;
			__u32 pad;
		} rw;
		struct {
			__aligned_u64 host;
			__u32 src_bo;
			__u32 dst_bo;
			__aligned_u64 src_offset;
			__aligned_u64 dst_offset;
			__aligned_u64 bytes;
		} copy;
		struct {
			__aligned_u64 cu_mask;
			__aligned_u64 args;
			__u32 nr_args;
			__u32 timeout_ms;
		} run;
		__aligned_u64 reserved[9];
	};
};

/**
 * struct smartssd_submit - submit a list of commands as one job (SMARTSSD_IOC_SUBMIT)
 * @size: sizeof(struct smartssd_submit)
 * @flags: must be 0
 * @cmds: in: user pointer to the commands
 * @nr_cmds: in: 1 .. SMARTSSD_MAX_CMDS
 * @bad_cmd: out: when the call fails because of a command, its index, else 0xffffffff
 * @job: out: id of the job, to wait for
 *
 * The list is copied once and checked whole before anything starts: a job that is refused did nothing. Commands without
 * a dependency between them run in any order and at the same time.
 */
struct smartssd_submit {
	__u32 size;
	__u32 flags;
	__aligned_u64 cmds;
	__u32 nr_cmds;
	__u32 bad_cmd;
	__aligned_u64 job;
};

/**
 * struct smartssd_result - how one command ended
 * @status: 0 or a negative errno: ECANCELED (a dependency failed or the job was dropped), EIO (media error, CU fault), ETIMEDOUT (CU
 *	    hung), EREMOTEIO (peer path required, none), EFAULT (host memory went away), ENODEV
 * @path: READ, WRITE: SMARTSSD_PEER_OK, or the reason why (some of) the data was bounced; else 0
 * @bytes: payload moved; for a RUN 0
 * @start_ns: when it started (0: never) ...
 * @end_ns: ... and ended, CLOCK_MONOTONIC
 * @detail: READ, WRITE: index of the first extent that failed (~0: none). RUN: the CU that ran it; it means nothing when @start_ns is 0
 */
struct smartssd_result {
	__s32 status;
	__u32 path;
	__aligned_u64 bytes;
	__aligned_u64 start_ns;
	__aligned_u64 end_ns;
	__aligned_u64 detail;
};

#define SMARTSSD_DEADLINE_NEVER 0xffffffffffffffffull

/**
 * struct smartssd_wait - wait for a job and take its results (SMARTSSD_IOC_WAIT)
 * @size: sizeof(struct smartssd_wait)
 * @flags: must be 0
 * @job: in: job id, or 0 for whichever is done first (ENOENT when this file has no jobs); out: the job taken
 * @deadline_ns: in: absolute CLOCK_MONOTONIC; 0 only looks; SMARTSSD_DEADLINE_NEVER. ETIME when it passes: the job goes on and can be
 *		 waited for again. EINTR: a signal (the driver only); likewise
 * @results: in: user pointer to @nr_results struct smartssd_result, filled from the first command on; may be 0
 * @nr_results: in: room in @results; out: number of commands of the job
 * @first_error: out: index of the first failed command in list order that was not merely cancelled, 0xffffffff when all succeeded
 * @done: out: number of commands that succeeded
 * @status: out: 0, or the first failed command's status
 *
 * A successful call (also when the job itself failed) forgets the job.
 */
struct smartssd_wait {
	__u32 size;
	__u32 flags;
	__aligned_u64 job;
	__aligned_u64 deadline_ns;
	__aligned_u64 results;
	__u32 nr_results;
	__u32 first_error;
	__u32 done;
	__s32 status;
};

/**
 * struct smartssd_eventfd - signal an eventfd whenever a job of this open file ends (SMARTSSD_IOC_EVENTFD)
 * @size: sizeof(struct smartssd_eventfd)
 * @fd: in: eventfd (EBADF, EINVAL), or -1 to stop
 *
 * poll() on the device itself: POLLIN while a finished job has not been waited for, POLLHUP (the driver: with POLLERR) when the card is gone.
 */
struct smartssd_eventfd {
	__u32 size;
	__s32 fd;
};

#define SMARTSSD_COUNT_FILE 0 /* what this open file did */
#define SMARTSSD_COUNT_CARD 1 /* what everybody did since the card was found */

/**
 * struct smartssd_counters - exact byte counts per link (SMARTSSD_IOC_COUNTERS)
 * @size: sizeof(struct smartssd_counters)
 * @scope: in: SMARTSSD_COUNT_*, else EOPNOTSUPP
 * @ssd_to_card: peer to peer, never on the host link
 * @card_to_ssd: peer to peer. What the driver hands to a filesystem for direct I/O counts as peer to peer also where the filesystem
 *		 finishes the request through its page cache (a direct WRITE that finds the range's cached pages busy, or that it cannot
 *		 allocate blocks for): then the CPU copied it
 * @host_to_card: on the host link: COPY_TO, COPY_BO (the host's CPU makes it: over the link and back), the second half of a bounced
 *		  READ (counted in @bounce_read too)
 * @card_to_host: likewise: COPY_FROM, COPY_BO, the first half of a bounced WRITE
 * @bounce_read: READ payload that went through a host bounce buffer
 * @bounce_write: WRITE payload likewise
 * @reads: I/O requests sent to files, after merging neighbours
 * @writes: likewise
 * @runs: finished RUN commands
 * @jobs: finished jobs
 * @cu_faults: runs that ended with ETIMEDOUT or EIO
 *
 * Loads and stores through mmap, and preads into it, are made by the CPU or by another driver and are not counted.
 */
struct smartssd_counters {
	__u32 size;
	__u32 scope;
	__aligned_u64 ssd_to_card;
	__aligned_u64 card_to_ssd;
	__aligned_u64 host_to_card;
	__aligned_u64 card_to_host;
	__aligned_u64 bounce_read;
	__aligned_u64 bounce_write;
	__aligned_u64 reads;
	__aligned_u64 writes;
	__aligned_u64 runs;
	__aligned_u64 jobs;
	__aligned_u64 cu_faults;
};

/* The number identifies the command; the size in it is that of the version this header describes, and is ignored. */
#define SMARTSSD_IOC_QUERY	     _IOWR(SMARTSSD_IOC_MAGIC, 0x00, struct smartssd_query)
#define SMARTSSD_IOC_CU_INFO	     _IOWR(SMARTSSD_IOC_MAGIC, 0x01, struct smartssd_cu_info)
#define SMARTSSD_IOC_ARG_INFO	     _IOWR(SMARTSSD_IOC_MAGIC, 0x02, struct smartssd_arg_info)
#define SMARTSSD_IOC_XCLBIN_LOAD     _IOWR(SMARTSSD_IOC_MAGIC, 0x03, struct smartssd_xclbin)
#define SMARTSSD_IOC_BO_CREATE	     _IOWR(SMARTSSD_IOC_MAGIC, 0x04, struct smartssd_bo)
#define SMARTSSD_IOC_BO_DESTROY	     _IOWR(SMARTSSD_IOC_MAGIC, 0x05, struct smartssd_id)
#define SMARTSSD_IOC_BO_EXPORT	     _IOWR(SMARTSSD_IOC_MAGIC, 0x06, struct smartssd_bo_fd)
#define SMARTSSD_IOC_BO_IMPORT	     _IOWR(SMARTSSD_IOC_MAGIC, 0x07, struct smartssd_bo_fd)
#define SMARTSSD_IOC_FILE_REGISTER   _IOWR(SMARTSSD_IOC_MAGIC, 0x08, struct smartssd_file)
#define SMARTSSD_IOC_FILE_UNREGISTER _IOWR(SMARTSSD_IOC_MAGIC, 0x09, struct smartssd_id)
#define SMARTSSD_IOC_SUBMIT	     _IOWR(SMARTSSD_IOC_MAGIC, 0x0a, struct smartssd_submit)
#define SMARTSSD_IOC_WAIT	     _IOWR(SMARTSSD_IOC_MAGIC, 0x0b, struct smartssd_wait)
#define SMARTSSD_IOC_EVENTFD	     _IOWR(SMARTSSD_IOC_MAGIC, 0x0c, struct smartssd_eventfd)
#define SMARTSSD_IOC_COUNTERS	     _IOWR(SMARTSSD_IOC_MAGIC, 0x0d, struct smartssd_counters)
#define SMARTSSD_IOC_CU_RESET	     _IOWR(SMARTSSD_IOC_MAGIC, 0x0e, struct smartssd_id)

#endif /* _UAPI_SMARTSSD_H */
