// SPDX-License-Identifier: BSD-2-Clause
/*
 * READ and WRITE. One thread per card keeps a deep io_uring queue: commands are taken in order and issued piece by piece, several at a time, so
 * that tens of thousands of small pieces never wait for each other. Where io_uring cannot be had (old kernels, sandboxes), the same thread
 * reads and writes one piece at a time.
 *
 * A piece goes straight to card memory (the model of peer to peer), or through a bounce buffer when the command, the card or the alignment says so.
 */
#include <liburing.h>
#include <poll.h>
#include <unistd.h>
#include "emu_impl.h"

#define DEPTH	   128
#define BOUNCE_MAX (128u << 10) /* bytes of one bounce buffer: DEPTH of them at most */
#define BATCH	   32		/* requests issued before the kernel hears of them */

/* One request under way. */
struct req {
	struct emu_cmd *cmd;
	u32 ext; /* of the merged extents */
	u64 file_offset;
	u8 *card; /* in card memory */
	u32 bytes;
	u32 done;
	bool bounce;
	u8 *buf; /* bounce buffer; kept for the next one */
	struct req *next;
};

struct emu_io {
	struct emu *emu;
	struct io_uring ring;
	struct req reqs[DEPTH];
	struct req *free;
	u32 inflight;
	struct emu_queue active; /* commands with pieces left to issue */
	struct emu_queue idle;	 /* commands taken off @active whose end is to be told */
	bool wake_armed;
	int stop_status; /* no more pieces are to be issued: the reason */
};

/* ---- a piece ---- */

static bool is_write(const struct emu_cmd *cmd)
{
	return cmd->op == SMARTSSD_OP_WRITE;
}

/* SMARTSSD_PEER_OK or why extent @i has to be bounced */
static u32 reason_of(const struct emu_cmd *cmd, u32 i)
{
	if (cmd->flags & SMARTSSD_CMD_PEER_OFF)
		return SMARTSSD_PEER_OFF;
	if (cmd->rw.file->peer_reason)
		return cmd->rw.file->peer_reason;
	return smartssd_extent_aligned(&cmd->rw.ext[i], cmd->rw.file->io_align, EMU_MEM_ALIGN) ? SMARTSSD_PEER_OK : SMARTSSD_PEER_UNALIGNED;
}

/* The first of the caller's extents that failed is named; the extents behind it are not issued any more. */
static void fail(struct emu_cmd *cmd, u32 ext, int status)
{
	struct smartssd_result *result = emu_cmd_result(cmd);

	if (cmd->rw.origin[ext] < result->detail)
		result->detail = cmd->rw.origin[ext];
	cmd->rw.status = status;
}

/* Next piece of @cmd into @req; false when nothing is left. */
static bool next_piece(struct emu_cmd *cmd, struct req *req)
{
	struct emu_rw *rw = &cmd->rw;
	const struct smartssd_extent *e = &rw->ext[rw->next];
	u32 reason;
	u64 left, max;

	if (rw->status || rw->next == rw->nr)
		return false;
	reason = reason_of(cmd, rw->next);
	max = reason ? BOUNCE_MAX : EMU_IO_MAX;
	left = e->bytes - rw->next_bytes;
	if (reason)
		emu_cmd_result(cmd)->path = reason;
	req->cmd = cmd;
	req->ext = rw->next;
	req->file_offset = e->file_offset + rw->next_bytes;
	req->card = rw->bo->owner->ddr + rw->bo->address + e->bo_offset + rw->next_bytes;
	req->bytes = left < max ? left : max;
	req->done = 0;
	req->bounce = reason;
	if (req->bounce && !req->buf)
		req->buf = malloc(BOUNCE_MAX);
	if (req->bounce && !req->buf) {
		fail(cmd, req->ext, -ENOMEM);
		return false;
	}
	if (req->bounce && is_write(cmd))
		memcpy(req->buf, req->card, req->bytes);
	rw->next_bytes += req->bytes;
	if (rw->next_bytes == e->bytes) {
		rw->next++;
		rw->next_bytes = 0;
	}
	rw->inflight++;
	rw->requests++;
	return true;
}

static void *piece_memory(const struct req *req)
{
	return (req->bounce ? req->buf : req->card) + req->done;
}

/* The result of one system call on @req's rest. False: there is a rest to do. */
static bool piece_done(struct req *req, int res)
{
	struct emu_cmd *cmd = req->cmd;
	struct emu_rw *rw = &cmd->rw;

	if (res == -EINTR || res == -EAGAIN)
		return false;
	if (res > 0) {
		req->done += res;
		if (req->done < req->bytes)
			return false;
	} else if (res < 0 || is_write(cmd)) {
		fail(cmd, req->ext, res == -ENOMEM ? res : -EIO);
	}
	if (!is_write(cmd) && res >= 0) {
		if (req->bounce)
			memcpy(req->card, req->buf, req->done);
		/* The end of the file: what lies behind it reads as zeros. */
		memset(req->card + req->done, 0, req->bytes - req->done);
	}
	if (req->bounce)
		rw->bounce_bytes += req->done;
	else
		rw->peer_bytes += req->done;
	rw->inflight--;
	return true;
}

/* ---- a command ---- */

/* A path that is required is required for all pieces, before the first one moves. */
static void begin(struct emu_cmd *cmd)
{
	struct smartssd_result *result = emu_cmd_result(cmd);
	u32 i, reason;

	result->start_ns = emu_now();
	if (!(cmd->flags & SMARTSSD_CMD_PEER_REQUIRE))
		return;
	for (i = 0; i < cmd->rw.nr; i++) {
		reason = reason_of(cmd, i);
		if (!reason)
			continue;
		result->path = reason;
		fail(cmd, i, -EREMOTEIO);
		return;
	}
}

/* Lock held. */
static void end(struct emu *emu, struct emu_cmd *cmd)
{
	struct smartssd_counters *c = &emu->count;
	struct emu_rw *rw = &cmd->rw;

	emu_cmd_result(cmd)->bytes = rw->peer_bytes + rw->bounce_bytes;
	if (is_write(cmd)) {
		c->card_to_ssd += rw->peer_bytes;
		c->card_to_host += rw->bounce_bytes;
		c->bounce_write += rw->bounce_bytes;
		c->writes += rw->requests;
	} else {
		c->ssd_to_card += rw->peer_bytes;
		c->host_to_card += rw->bounce_bytes;
		c->bounce_read += rw->bounce_bytes;
		c->reads += rw->requests;
	}
	emu_cmd_end(cmd, rw->status);
}

/* Commands in @active that have nothing left to issue go to @idle, which is where their last piece finds them. */
static void sort_out(struct emu_io *io)
{
	struct emu_cmd *cmd;

	while ((cmd = io->active.first)) {
		if (io->stop_status && !cmd->rw.status && cmd->rw.next < cmd->rw.nr)
			cmd->rw.status = io->stop_status;
		if (!cmd->rw.status && cmd->rw.next < cmd->rw.nr)
			break;
		emu_queue_push(&io->idle, emu_queue_pop(&io->active));
	}
}

/* Tell the end of what has ended, take what is new. Lock held. */
static void exchange(struct emu_io *io)
{
	struct emu *emu = io->emu;
	struct emu_queue keep;
	struct emu_cmd *cmd;
	bool ended = false;

	emu_queue_init(&keep);
	while ((cmd = emu_queue_pop(&io->idle))) {
		if (cmd->rw.inflight) {
			emu_queue_push(&keep, cmd);
			continue;
		}
		end(emu, cmd);
		ended = true;
	}
	while ((cmd = emu_queue_pop(&keep)))
		emu_queue_push(&io->idle, cmd);
	if (ended)
		emu_progress(emu);
	io->stop_status = emu->gone ? -ENODEV : emu->closing ? -ECANCELED : 0;
	while ((cmd = emu_queue_pop(&emu->io.queue))) {
		begin(cmd);
		emu_queue_push(&io->active, cmd);
	}
	sort_out(io);
}

/*
 * With nothing left to issue: may the thread sleep until a piece is done or somebody wakes it? It may not when there is a command to end (one that
 * failed before its first piece), or something new. Lock held.
 */
static bool may_sleep(struct emu_io *io)
{
	struct emu *emu = io->emu;
	struct emu_cmd *cmd;

	for (cmd = io->idle.first; cmd; cmd = cmd->next)
		if (!cmd->rw.inflight)
			return false;
	return !emu->io.queue.first && !(emu->io.stop && !io->inflight);
}

static bool is_over(struct emu_io *io)
{
	return io->emu->io.stop && !io->inflight && !io->idle.first && !io->active.first && !io->emu->io.queue.first;
}

/* ---- with io_uring ---- */

static void prep(struct emu_io *io, struct req *req)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&io->ring);
	struct emu_cmd *cmd = req->cmd;
	u32 bytes = req->bytes - req->done;

	/* There are more entries than requests and one for the wake-up, so there is always one. */
	if (is_write(cmd))
		io_uring_prep_write(sqe, cmd->rw.file->fd, piece_memory(req), bytes, req->file_offset + req->done);
	else
		io_uring_prep_read(sqe, cmd->rw.file->fd, piece_memory(req), bytes, req->file_offset + req->done);
	io_uring_sqe_set_data(sqe, req);
}

static void arm_wake(struct emu_io *io)
{
	struct io_uring_sqe *sqe;

	if (io->wake_armed)
		return;
	sqe = io_uring_get_sqe(&io->ring);
	io_uring_prep_poll_add(sqe, io->emu->io_wake, POLLIN);
	io_uring_sqe_set_data(sqe, NULL);
	io->wake_armed = true;
}

static void drain_wake(struct emu *emu)
{
	u64 value;

	if (read(emu->io_wake, &value, sizeof(value)) < 0)
		return; /* interrupted: the next sleep ends at once */
}

/* Put pieces into the queue, a batch at a time. */
static void issue(struct emu_io *io)
{
	u32 batch = 0;

	for (;;) {
		struct req *req = io->free;

		sort_out(io);
		if (!req || !io->active.first)
			return;
		if (!next_piece(io->active.first, req))
			continue; /* sort_out() takes it away */
		io->free = req->next;
		io->inflight++;
		prep(io, req);
		if (++batch == BATCH) {
			io_uring_submit(&io->ring);
			batch = 0;
		}
	}
}

static void reap(struct emu_io *io)
{
	struct io_uring_cqe *cqes[DEPTH];
	u32 n, i;

	while ((n = io_uring_peek_batch_cqe(&io->ring, cqes, DEPTH))) {
		for (i = 0; i < n; i++) {
			struct req *req = io_uring_cqe_get_data(cqes[i]);

			if (!req) {
				io->wake_armed = false;
				drain_wake(io->emu);
			} else if (piece_done(req, cqes[i]->res)) {
				req->next = io->free;
				io->free = req;
				io->inflight--;
			} else {
				prep(io, req);
			}
		}
		io_uring_cq_advance(&io->ring, n);
	}
}

static void loop_uring(struct emu_io *io)
{
	struct emu *emu = io->emu;
	bool sleep, over;

	for (;;) {
		pthread_mutex_lock(&emu->lock);
		exchange(io);
		over = is_over(io);
		pthread_mutex_unlock(&emu->lock);
		if (over)
			return;
		issue(io);
		arm_wake(io);

		pthread_mutex_lock(&emu->lock);
		sleep = may_sleep(io);
		/* Whoever queues a command from here on writes to io_wake, which ends the sleep. */
		emu->io_sleeps = sleep;
		pthread_mutex_unlock(&emu->lock);
		io_uring_submit_and_wait(&io->ring, sleep);
		reap(io);
	}
}

/* ---- without ---- */

static void run_piece(struct req *req)
{
	ssize_t n;

	do {
		u32 bytes = req->bytes - req->done;

		if (is_write(req->cmd))
			n = pwrite(req->cmd->rw.file->fd, piece_memory(req), bytes, req->file_offset + req->done);
		else
			n = pread(req->cmd->rw.file->fd, piece_memory(req), bytes, req->file_offset + req->done);
	} while (!piece_done(req, n < 0 ? -errno : n));
}

static void loop_plain(struct emu_io *io)
{
	struct emu *emu = io->emu;
	bool sleep, over;

	for (;;) {
		pthread_mutex_lock(&emu->lock);
		exchange(io);
		over = is_over(io);
		sleep = !io->active.first && may_sleep(io);
		emu->io_sleeps = sleep;
		pthread_mutex_unlock(&emu->lock);
		if (over)
			return;
		if (sleep)
			drain_wake(emu);
		else if (io->active.first && next_piece(io->active.first, &io->reqs[0]))
			run_piece(&io->reqs[0]);
		sort_out(io);
	}
}

/* ---- the thread ---- */

static bool ring_init(struct io_uring *ring)
{
	/* Completions are only looked at when we ask for them: no interruption of this thread. Older kernels do not know that. */
	return !io_uring_queue_init(2 * DEPTH, ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN) ||
	       !io_uring_queue_init(2 * DEPTH, ring, 0);
}

static void *io_main(void *arg)
{
	struct emu_io *io = arg;
	u32 i;

	if (ring_init(&io->ring)) {
		loop_uring(io);
		io_uring_queue_exit(&io->ring);
	} else {
		loop_plain(io);
	}
	for (i = 0; i < DEPTH; i++)
		free(io->reqs[i].buf);
	free(io);
	return NULL;
}

static int start(struct emu *emu)
{
	struct emu_io *io;
	u32 i;
	int ret;

	if (emu->io.started)
		return 0;
	io = calloc(1, sizeof(*io));
	if (!io)
		return -ENOMEM;
	io->emu = emu;
	emu_queue_init(&io->active);
	emu_queue_init(&io->idle);
	for (i = DEPTH; i-- > 0;) {
		io->reqs[i].next = io->free;
		io->free = &io->reqs[i];
	}
	ret = emu_worker_start(&emu->io, io_main, io);
	if (ret)
		free(io);
	return ret;
}

static void wake(struct emu *emu)
{
	u64 one = 1;

	if (!emu->io_sleeps)
		return;
	emu->io_sleeps = false;
	if (write(emu->io_wake, &one, sizeof(one)) < 0)
		return; /* an eventfd of ours that holds 0 or 1 takes one more */
}

void emu_io_queue(struct emu *emu, struct emu_cmd *cmd)
{
	int ret = start(emu);

	if (ret) {
		emu_cmd_end(cmd, -ENOMEM);
		return;
	}
	emu_queue_push(&emu->io.queue, cmd);
	wake(emu);
}

void emu_io_stop(struct emu *emu)
{
	if (!emu->io.started)
		return;
	pthread_mutex_lock(&emu->lock);
	emu->io.stop = true;
	wake(emu);
	pthread_mutex_unlock(&emu->lock);
	pthread_join(emu->io.thread, NULL);
	emu->io.started = false;
}
