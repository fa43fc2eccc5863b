// SPDX-License-Identifier: BSD-2-Clause
/* The life of a command between "may start" and "ended": to whom it goes, COPYs, and what its end sets off. */
#include <unistd.h>
#include "emu_impl.h"

/* ---- queues ---- */

void emu_queue_init(struct emu_queue *q)
{
	q->first = NULL;
	q->last = &q->first;
}

void emu_queue_push(struct emu_queue *q, struct emu_cmd *cmd)
{
	cmd->next = NULL;
	*q->last = cmd;
	q->last = &cmd->next;
}

struct emu_cmd *emu_queue_pop(struct emu_queue *q)
{
	struct emu_cmd *cmd = q->first;

	if (cmd) {
		q->first = cmd->next;
		if (!q->first)
			q->last = &q->first;
	}
	return cmd;
}

int emu_worker_start(struct emu_worker *w, void *(*main)(void *), void *arg)
{
	int ret;

	if (w->started)
		return 0;
	ret = card_thread(&w->thread, main, arg);
	w->started = !ret;
	return ret;
}

void emu_worker_stop(struct emu *emu, struct emu_worker *w)
{
	if (!w->started)
		return;
	pthread_mutex_lock(&emu->lock);
	w->stop = true;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&emu->lock);
	pthread_join(w->thread, NULL);
	w->started = false;
}

/* ---- the end of a command ---- */

struct smartssd_result *emu_cmd_result(struct emu_cmd *cmd)
{
	return &cmd->job->results[cmd->index];
}

void emu_cmd_release(struct emu_cmd *cmd)
{
	u32 i;

	switch (cmd->op) {
	case SMARTSSD_OP_READ:
	case SMARTSSD_OP_WRITE:
		if (cmd->rw.file)
			emu_file_put(cmd->rw.file);
		if (cmd->rw.bo)
			emu_bo_put(cmd->rw.bo);
		free(cmd->rw.ext);
		free(cmd->rw.origin);
		memset(&cmd->rw, 0, sizeof(cmd->rw));
		break;
	case SMARTSSD_OP_RUN:
		for (i = 0; i < cmd->run.nr_bos; i++)
			emu_bo_put(cmd->run.bos[i]);
		free(cmd->run.bos);
		free(cmd->run.regs);
		memset(&cmd->run, 0, sizeof(cmd->run));
		break;
	case SMARTSSD_OP_COPY_TO:
	case SMARTSSD_OP_COPY_FROM:
	case SMARTSSD_OP_COPY_BO:
		if (cmd->copy.src)
			emu_bo_put(cmd->copy.src);
		if (cmd->copy.dst)
			emu_bo_put(cmd->copy.dst);
		memset(&cmd->copy, 0, sizeof(cmd->copy));
		break;
	}
}

void emu_cmd_ready(void *ctx, u32 index, bool canceled)
{
	struct emu_job *job = ctx;

	job->cmds[index].canceled = canceled;
	emu_queue_push(&job->emu->ready, &job->cmds[index]);
}

void emu_cmd_end(struct emu_cmd *cmd, int status)
{
	struct smartssd_result *result = emu_cmd_result(cmd);
	struct emu_job *job = cmd->job;
	struct emu *emu = job->emu;

	/* Whatever a card did while it left is not to be believed. */
	if (!status && emu->gone)
		status = -ENODEV;
	result->status = status;
	if (result->start_ns)
		result->end_ns = emu_now();
	emu_cmd_release(cmd);
	smartssd_graph_done(&job->graph, cmd->index, !status, emu_cmd_ready, job);
	if (!job->graph.left)
		emu_job_finish(job);
}

void emu_cancel_queued(struct emu *emu, int status)
{
	struct emu_queue *queues[] = { &emu->runs, &emu->copier.queue, &emu->io.queue };
	struct emu_cmd *cmd;
	size_t i;

	for (i = 0; i < 3; i++)
		while ((cmd = emu_queue_pop(queues[i])))
			emu_cmd_end(cmd, status);
}

void emu_set_gone(struct emu *emu)
{
	if (emu->gone)
		return;
	emu->gone = true;
	emu_cu_gone(emu);
	emu_cancel_queued(emu, -ENODEV);
	emu_poll_update(emu);
	emu_nudge(emu);
	pthread_cond_broadcast(&emu->cond);
}

/* ---- COPY ---- */

/*
 * Card memory is a file: so the kernel finds out whether there is host memory, and says EFAULT where a plain copy would crash
 * the process.
 */
static int copy_host(const struct emu_copy *c, bool to_card, u64 *done)
{
	const struct emu_bo *bo = to_card ? c->dst : c->src;
	u64 address = bo->address + (to_card ? c->dst_offset : c->src_offset);

	while (*done < c->bytes) {
		void *host = (void *)(uintptr_t)(c->host + *done);
		size_t bytes = c->bytes - *done;
		ssize_t n = to_card ? pwrite(bo->owner->ddr_fd, host, bytes, address + *done) :
				      pread(bo->owner->ddr_fd, host, bytes, address + *done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		*done += n;
	}
	return 0;
}

static int copy_run(const struct emu_cmd *cmd, u64 *done)
{
	const struct emu_copy *c = &cmd->copy;

	*done = 0;
	if (cmd->op != SMARTSSD_OP_COPY_BO)
		return copy_host(c, cmd->op == SMARTSSD_OP_COPY_TO, done);
	memmove(c->dst->owner->ddr + c->dst->address + c->dst_offset,
		c->src->owner->ddr + c->src->address + c->src_offset, c->bytes);
	*done = c->bytes;
	return 0;
}

/* Between BOs the host's CPU copies, as it does at the driver: over the link and back. */
static void copy_end(struct emu_cmd *cmd, int status, u64 done)
{
	struct emu *emu = cmd->job->emu;

	if (cmd->op != SMARTSSD_OP_COPY_FROM)
		emu->count.host_to_card += done;
	if (cmd->op != SMARTSSD_OP_COPY_TO)
		emu->count.card_to_host += done;
	emu_cmd_result(cmd)->bytes = done;
	emu_cmd_end(cmd, status);
}

static void *copier_main(void *arg)
{
	struct emu *emu = arg;
	struct emu_cmd *cmd;
	int status;
	u64 done;

	pthread_mutex_lock(&emu->lock);
	for (;;) {
		cmd = emu_queue_pop(&emu->copier.queue);
		if (!cmd) {
			if (emu->copier.stop)
				break;
			pthread_cond_wait(&emu->copier.cond, &emu->lock);
			continue;
		}
		emu_cmd_result(cmd)->start_ns = emu_now();
		pthread_mutex_unlock(&emu->lock);
		status = copy_run(cmd, &done);
		pthread_mutex_lock(&emu->lock);
		copy_end(cmd, status, done);
		emu_progress(emu);
	}
	pthread_mutex_unlock(&emu->lock);
	return NULL;
}

/* @inlined: bytes copied here already */
static void start_copy(struct emu *emu, struct emu_cmd *cmd, u64 *inlined)
{
	bool here = cmd->copy.bytes <= EMU_COPY_INLINE && *inlined + cmd->copy.bytes <= EMU_COPY_AT_ONCE;
	int status;
	u64 done;

	if (!here && !emu_worker_start(&emu->copier, copier_main, emu)) {
		emu_queue_push(&emu->copier.queue, cmd);
		pthread_cond_signal(&emu->copier.cond);
		return;
	}
	*inlined += cmd->copy.bytes;
	emu_cmd_result(cmd)->start_ns = emu_now();
	status = copy_run(cmd, &done);
	copy_end(cmd, status, done);
}

/* ---- the start of a command ---- */

static bool start_ready(struct emu *emu)
{
	struct emu_cmd *cmd;
	bool any = false;
	u64 inlined = 0;

	while ((cmd = emu_queue_pop(&emu->ready))) {
		any = true;
		if (cmd->canceled || emu->closing)
			emu_cmd_end(cmd, -ECANCELED);
		else if (emu->gone)
			emu_cmd_end(cmd, -ENODEV);
		else if (cmd->op == SMARTSSD_OP_RUN)
			emu_queue_push(&emu->runs, cmd);
		else if (cmd->op == SMARTSSD_OP_READ || cmd->op == SMARTSSD_OP_WRITE)
			emu_io_queue(emu, cmd);
		else
			start_copy(emu, cmd, &inlined);
	}
	return any;
}

void emu_progress(struct emu *emu)
{
	bool more;

	do {
		more = emu_cu_service(emu, false);
		more |= start_ready(emu);
		more |= emu_cu_feed(emu);
	} while (more);
	emu_handover(emu);
}
