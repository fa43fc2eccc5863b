/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What both operators need: jobs in flight, what they moved and when, files to read from, and the kernel's arguments by name.
 * One smartssd_op for each call of an operator.
 */
#ifndef SMARTSSD_RUNTIME_OP_H
#define SMARTSSD_RUNTIME_OP_H

#include "private.h"

/* Intervals of time, whose union is asked for in the end. */
struct smartssd_spans {
	struct smartssd_span {
		uint64_t start, end;
	} *span;
	uint32_t nr, room;
};

int smartssd_spans_add(struct smartssd_spans *spans, uint64_t start, uint64_t end);
double smartssd_spans_seconds(struct smartssd_spans *spans);

struct smartssd_op {
	struct smartssd_device *dev;
	const struct smartssd_progress *progress;
	struct smartssd_error *err;
	struct smartssd_counters before;
	struct smartssd_report report;
	struct smartssd_spans reads, runs;
	uint64_t start_ns;
};

/* A list and its flight. Zero to begin with. */
struct smartssd_op_job {
	struct smartssd_list *list;
	struct smartssd_result *results;
	uint32_t room;
	uint64_t id;
	bool flying;
};

int smartssd_op_begin(struct smartssd_op *op, struct smartssd_device *dev, const struct smartssd_progress *progress, struct smartssd_error *err);
/* Fills in *report (may be NULL) when @ret is 0, and returns @ret or what went wrong now. */
int smartssd_op_end(struct smartssd_op *op, int ret, struct smartssd_report *report);
/* -ECANCELED when the caller wants to stop. */
int smartssd_op_progress(struct smartssd_op *op, uint64_t done, uint64_t total);

int smartssd_op_submit(struct smartssd_op *op, struct smartssd_op_job *job);
/*
 * Wait for a job that flies (else 0) and take note of what it did. Its status; the error text says what the failed command was, and
 * *failed which one (UINT32_MAX: none).
 */
int smartssd_op_wait(struct smartssd_op *op, struct smartssd_op_job *job, uint32_t *failed);
/* Wait for what still flies, without a word, and free. */
void smartssd_op_job_free(struct smartssd_op *op, struct smartssd_op_job *job);

/* Where an operator's input is: a registered file, or host memory (file 0, align 1). */
struct smartssd_op_source {
	uint32_t file;
	uint32_t align;
	const void *data;
};

int smartssd_op_source_open(struct smartssd_op *op, const struct smartssd_source *source, const char *name, struct smartssd_op_source *out);
void smartssd_op_source_close(struct smartssd_op *op, struct smartssd_op_source *source);

/* A kernel's compute units, and where its arguments are. */
struct smartssd_op_kernel {
	uint64_t mask;
	uint32_t cus;
	uint32_t nr;
	struct smartssd_arg args[SMARTSSD_MAX_ARGS]; /* args[i].index = number of the i-th name; to be filled in for a RUN */
};

/* Find kernel @name with exactly the arguments @names (bounds apart): -ENOEXEC when it is not there or another version. */
int smartssd_op_kernel(struct smartssd_op *op, const char *name, const char *const *names, uint32_t nr, struct smartssd_op_kernel *out);

static inline void smartssd_op_scalar(struct smartssd_op_kernel *k, uint32_t i, uint32_t value)
{
	k->args[i].bo = 0;
	k->args[i].value = value;
	k->args[i].bytes = 0;
}

static inline void smartssd_op_pointer(struct smartssd_op_kernel *k, uint32_t i, uint32_t bo, uint64_t offset, uint64_t bytes)
{
	k->args[i].bo = bo;
	k->args[i].value = offset;
	k->args[i].bytes = bytes;
}

/* Card memory for a BO that cannot be had; -errno with an explanation. */
int smartssd_op_bo(struct smartssd_op *op, uint64_t bytes, const char *what, struct smartssd_bo *out);

/* SMARTSSD_CMD_PEER_* or an error */
int smartssd_op_check_flags(struct smartssd_error *err, uint32_t io_flags);

#endif
