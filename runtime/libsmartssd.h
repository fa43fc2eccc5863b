/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libsmartssd: SmartSSDs from C.
 *
 * Three layers, each usable alone: the device (1:1 over the ioctls of smartssd.h), command lists, and two operators that
 * read their data from files on the drive. Functions return 0 (or a count) on success and -errno on failure; they never print
 * and never exit. Where there is more to say than an errno, a struct smartssd_error receives it.
 *
 * Threads: a device may be used from many threads; a list or a struct passed in belongs to one thread at a time.
 */
#ifndef LIBSMARTSSD_H
#define LIBSMARTSSD_H

#include <stddef.h>
#include <stdint.h>
#include "../uapi/smartssd.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What was wrong, where, and what to do: one line, no newline. May be NULL wherever it is a parameter. */
struct smartssd_error {
	char text[2048];
};

/* ---- device.c ---- */

struct smartssd_device;

/*
 * Open a card.
 *   "/dev/smartssdN"                 the driver
 *   "emu:[KEY=VALUE[,...]]"          an embedded card of this process: ddr=256M (card memory, K/M/G), serial=N,
 *                                    peer=on|off, fault=hang|crash|no-irq|wrong|gone|spurious[:CU[:NTH]]
 *   NULL                             $SMARTSSD_DEVICE if set, else /dev/smartssd0 if it exists, else "emu:"
 * The embedded card starts without an xclbin. Each open of "emu:" is a card of its own.
 */
int smartssd_open(const char *uri, struct smartssd_device **out, struct smartssd_error *err);
void smartssd_close(struct smartssd_device *dev);
const char *smartssd_uri(const struct smartssd_device *dev);

/* The raw ioctl on either kind of card; 0 or -errno. Everything below goes through it. */
int smartssd_ioctl(struct smartssd_device *dev, unsigned long request, void *arg);
/* Descriptor to poll() as smartssd.h describes; owned by the device. */
int smartssd_poll_fd(struct smartssd_device *dev);

int smartssd_query(struct smartssd_device *dev, struct smartssd_query *out);
int smartssd_cu_info(struct smartssd_device *dev, uint32_t cu, struct smartssd_cu_info *out);
int smartssd_arg_info(struct smartssd_device *dev, uint32_t cu, uint32_t arg, struct smartssd_arg_info *out);
int smartssd_counters(struct smartssd_device *dev, uint32_t scope, struct smartssd_counters *out);
int smartssd_cu_reset(struct smartssd_device *dev, uint32_t cu);
int smartssd_set_eventfd(struct smartssd_device *dev, int fd);

int smartssd_xclbin_load(struct smartssd_device *dev, const void *data, size_t bytes);
int smartssd_xclbin_load_file(struct smartssd_device *dev, const char *path, struct smartssd_error *err);
/* CUs of this kernel as a mask for RUN; 0 when there is none. */
uint64_t smartssd_find_kernel(struct smartssd_device *dev, const char *kernel);

int smartssd_bo_create(struct smartssd_device *dev, uint64_t bytes, struct smartssd_bo *out);
int smartssd_bo_destroy(struct smartssd_device *dev, uint32_t bo);
int smartssd_bo_map(struct smartssd_device *dev, const struct smartssd_bo *bo, void **out);
int smartssd_bo_unmap(struct smartssd_device *dev, const struct smartssd_bo *bo, void *map);
/* The new fd is the caller's. */
int smartssd_bo_export(struct smartssd_device *dev, uint32_t bo, int *fd);
int smartssd_bo_import(struct smartssd_device *dev, int fd, uint32_t *bo, uint64_t *bytes);

int smartssd_file_register(struct smartssd_device *dev, int fd, struct smartssd_file *out);
int smartssd_file_unregister(struct smartssd_device *dev, uint32_t file);

const char *smartssd_peer_reason_name(uint32_t reason);	  /* one word for JSON: "ok", "no-ssd", ... */
const char *smartssd_peer_reason_text(uint32_t reason);	  /* a sentence: the cause */
const char *smartssd_peer_reason_remedy(uint32_t reason); /* a sentence: what to do; "" when nothing */

/* ---- list.c: command lists ---- */

struct smartssd_list;

int smartssd_list_create(struct smartssd_list **out);
void smartssd_list_destroy(struct smartssd_list *list);
void smartssd_list_clear(struct smartssd_list *list);
uint32_t smartssd_list_count(const struct smartssd_list *list);

/*
 * Append a command: its index (>= 0), or -errno (-ENOMEM; -E2BIG beyond the limits of smartssd.h). Extents and arguments are copied
 * into the list, host memory is not: it must stay until the job is done. Without dependencies a command runs at once.
 */
int smartssd_list_read(struct smartssd_list *list, uint32_t file, uint32_t bo, const struct smartssd_extent *ext, uint32_t nr, uint32_t flags);
int smartssd_list_write(struct smartssd_list *list, uint32_t file, uint32_t bo, const struct smartssd_extent *ext, uint32_t nr, uint32_t flags);
int smartssd_list_copy_to(struct smartssd_list *list, uint32_t bo, uint64_t bo_offset, const void *host, uint64_t bytes);
int smartssd_list_copy_from(struct smartssd_list *list, void *host, uint32_t bo, uint64_t bo_offset, uint64_t bytes);
int smartssd_list_copy_bo(struct smartssd_list *list, uint32_t dst, uint64_t dst_offset, uint32_t src, uint64_t src_offset, uint64_t bytes);
int smartssd_list_run(struct smartssd_list *list, uint64_t cu_mask, const struct smartssd_arg *args, uint32_t nr, uint32_t timeout_ms);
/* Command @cmd waits for @on (an earlier one, else -EINVAL). A fifth dependency turns the command into a barrier, which waits for all earlier ones. */
int smartssd_list_depend(struct smartssd_list *list, int cmd, int on);
int smartssd_list_barrier(struct smartssd_list *list, int cmd);

/* -errno; *bad_cmd (may be NULL) = the command that was refused, or UINT32_MAX */
int smartssd_submit(struct smartssd_device *dev, const struct smartssd_list *list, uint64_t *job, uint32_t *bad_cmd);

struct smartssd_outcome {
	int status;	      /* 0 or the first failed command's -errno */
	uint32_t first_error; /* its index, UINT32_MAX when there is none */
	uint32_t done;	      /* commands that succeeded */
	uint32_t count;	      /* commands of the job */
};

/*
 * Wait until the job ends. 0 also when commands failed: that is in @out. -ETIME: the deadline (absolute CLOCK_MONOTONIC ns) passed, the job goes
 * on. @results may be NULL, else receives up to @nr entries. EINTR is retried.
 */
int smartssd_wait(struct smartssd_device *dev, uint64_t job, uint64_t deadline_ns, struct smartssd_outcome *out, struct smartssd_result *results, uint32_t nr);
/* Submit and wait without deadline; the outcome's status is the return value. */
int smartssd_run_list(struct smartssd_device *dev, const struct smartssd_list *list, struct smartssd_outcome *out, struct smartssd_result *results, uint32_t nr, struct smartssd_error *err);

/* ---- npy.c: NumPy files (format versions 1.0 to 3.0; C order, little-endian) ---- */

#define SMARTSSD_U1 1
#define SMARTSSD_I1 2
#define SMARTSSD_I4 3
#define SMARTSSD_I8 4
#define SMARTSSD_F2 5
#define SMARTSSD_F4 6

#define SMARTSSD_MAX_DIMS 8

struct smartssd_array {
	uint32_t type; /* SMARTSSD_U1 ... */
	uint32_t ndim;
	uint64_t shape[SMARTSSD_MAX_DIMS];
	uint64_t offset; /* of the first element in the file */
	uint64_t bytes;	 /* of all elements */
};

uint32_t smartssd_type_bytes(uint32_t type);
const char *smartssd_type_name(uint32_t type); /* "u1", ... */
/* Parse a header from memory (the file's first @bytes bytes, @file_bytes in all). -EBADMSG / -EOPNOTSUPP with an explanation. */
int smartssd_npy_parse(const void *data, size_t bytes, uint64_t file_bytes, struct smartssd_array *out, struct smartssd_error *err);
/* Open and parse; the data is not read. *fd is the caller's (O_RDONLY | O_CLOEXEC). */
int smartssd_npy_open(const char *path, struct smartssd_array *out, int *fd, struct smartssd_error *err);
/* Open, parse, and read all elements into new memory (free()). */
int smartssd_npy_load(const char *path, struct smartssd_array *out, void **data, struct smartssd_error *err);
/*
 * Write a file whole or not at all: it gets its name when it is on the disk. A symbolic link is followed, a file that was there keeps its
 * mode. shape and type from @array, offset and bytes are ignored.
 */
int smartssd_npy_save(const char *path, const struct smartssd_array *array, const void *data, struct smartssd_error *err);

/* ---- conv2d.c, embedding_bag.c: operators that read from the drive ---- */

/* An array in a file on the drive (or, with fd -1, in host memory at @data). */
struct smartssd_source {
	struct smartssd_array array;
	int fd;
	const void *data;
};

/* What an operator moved and did. */
struct smartssd_report {
	struct smartssd_counters bytes; /* difference of this device's file counters over the call */
	uint64_t host_only_bytes;	/* what the host-only way moves over the host link: all inputs, read to host memory */
	uint32_t jobs;
	uint32_t commands;
	uint32_t tiles;
	uint32_t peer_reason;	/* SMARTSSD_PEER_OK, or why data was bounced */
	double seconds;		/* whole call */
	double read_seconds;	/* time during which at least one READ was under way */
	double compute_seconds; /* likewise RUN */
};

/* Progress: called from the calling thread between tiles; a non-zero return stops the operator with -ECANCELED. */
struct smartssd_progress {
	int (*step)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
};

struct smartssd_conv2d {
	struct smartssd_source x;      /* u1|i1 [N][C][H][W] */
	struct smartssd_source w;      /* u1|i1 [M][C/group][KH][KW] */
	const int32_t *bias;	       /* [M] or NULL */
	float x_scale;
	int32_t x_zero;
	const float *w_scale;	       /* w_scales entries */
	uint32_t w_scales;	       /* 1 or M */
	const int32_t *w_zero;	       /* w_zeros entries */
	uint32_t w_zeros;	       /* 1 or M */
	float y_scale;
	int32_t y_zero;
	uint32_t y_type;	       /* SMARTSSD_U1 or SMARTSSD_I1 */
	uint32_t stride[2];	       /* H, W */
	uint32_t pad[4];	       /* top, left, bottom, right */
	uint32_t dilation[2];	       /* H, W */
	uint32_t group;
	int32_t clip[2];	       /* LO, HI of the quantised output (fused ReLU: LO = y_zero); the type's range for none */
	uint32_t io_flags;	       /* SMARTSSD_CMD_PEER_* for READs */
};

/* y [N][M][OH][OW]; @shape receives it. -EINVAL with an explanation when the layer makes no sense. */
int smartssd_conv2d_shape(const struct smartssd_conv2d *op, uint64_t shape[4], struct smartssd_error *err);
/* @y: room for shape[0]*..*shape[3] bytes. The xclbin with kernel conv2d must be loaded (-ENOEXEC). @report, @progress may be NULL. */
int smartssd_conv2d(struct smartssd_device *dev, const struct smartssd_conv2d *op, void *y, struct smartssd_report *report,
		    const struct smartssd_progress *progress, struct smartssd_error *err);

#define SMARTSSD_ROWS_FP32 0
#define SMARTSSD_ROWS_FP16 1
#define SMARTSSD_ROWS_INT8 2 /* FBGEMM fused row-wise: dim bytes, float scale, float bias */
#define SMARTSSD_ROWS_INT4 3 /* likewise: dim / 2 bytes, element 2i in the low half of byte i, binary16 scale, binary16 bias */

struct smartssd_embedding_bag {
	struct smartssd_source table;	/* f4|f2 [rows][dim]; u1 [rows][dim + 8] for ROWS_INT8, [rows][dim / 2 + 4] for ROWS_INT4 */
	uint32_t format;		/* SMARTSSD_ROWS_* */
	const int64_t *indices;		/* lookups entries, 0 <= index < rows (-ERANGE; the error names the index and its position) */
	uint64_t lookups;
	const int64_t *offsets;		/* bags + 1 entries, from 0 to lookups, not decreasing */
	uint64_t bags;
	const float *per_sample_weights; /* lookups entries or NULL; only with sum */
	uint32_t mean;			 /* 0 sum, 1 mean */
	uint32_t io_flags;		 /* SMARTSSD_CMD_PEER_* for READs */
};

/* @y: bags * dim floats. Each row is read once per tile however often it is wanted there. */
int smartssd_embedding_bag(struct smartssd_device *dev, const struct smartssd_embedding_bag *op, float *y, struct smartssd_report *report,
			   const struct smartssd_progress *progress, struct smartssd_error *err);

/* Where this build or installation keeps a file ("kernels.xclbin", "smartssd-cu", "vm/build-kernel.sh"): -ENOENT. $SMARTSSD_LIBDIR goes first. */
int smartssd_find_file(const char *name, char *path, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
