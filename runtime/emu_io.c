// SPDX-License-Identifier: BSD-2-Clause
/*
 * READ and WRITE. One thread per card keeps a deep io_uring queue: commands are taken in order and issued piece by piece,
 * several at a time, so that tens of thousands of small pieces never wait for each other. Where io_uring cannot be had (old
 * kernels, sandboxes), the same thread reads and writes one piece at a time.
 *
 * A piece goes straight to card memory (the model of peer to peer), or through a bounce buffer when the command, the card or
 * the alignment says so. Extents are cut just as the driver cuts them, so that the counters of both are the same.
 */
#include <liburing.h>
#include <poll.h>
#include <unistd.h>
#include "emu_impl.h"

#define DEPTH	   128
#define BOUNCE_MAX (32u << 10) /* bytes of one bounce buffer: DEPTH of them at most; as the driver's */
#define BATCH	   32	       /* requests issued before the kernel hears of them */

/* One request under way. */
struct req {
	struct emu_cmd *cmd;
	u32 ext; /* of the merged extents */
	u64 file_offset;
	u8 *card;  /* in card memory */
	u32 bytes; /* to fill or empty there */
	u32 want;  /* of these, the ones that the file has */
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

/* SMARTSSD_PEER_OK or why nothing of @cmd goes peer to peer */
static u32 reason_of(const struct emu_cmd *cmd)
{
	return cmd->flags & SMARTSSD_CMD_PEER_OFF ? SMARTSSD_PEER_OFF : cmd->rw.file->peer_reason;
}

/* The first of the caller's extents that failed is named; what lies behind it is not issued any more. */
static void fail(struct emu_cmd *cmd, u32 ext, int status)
{
	struct smartssd_result *result = emu_cmd_result(cmd);

	if (cmd->rw.status && cmd->rw.origin[ext] >= result->detail)
		return;
	result->detail = cmd->rw.origin[ext];
	cmd->rw.status = status;
}

/* What a file says is to the caller an I/O error; what it says of memory or room is worth telling apart. */
static int io_errno(int error)
{
	switch (error) {
	case -ENOMEM:
	case -ENOSPC:
	case -EDQUOT:
	case -EROFS:
	case -EFBIG:
		return error;
	default:
		return -EIO;
	}
}

static void advance(struct emu_rw *rw, u64 bytes)
{
	rw->next_bytes += bytes;
	if (rw->next_bytes == rw->ext[rw->next].bytes) {
		rw->next++;
		rw->next_bytes = 0;
	}
}

/* From @req's place on: as much as is aligned goes directly, the rest through a buffer up to where it is aligned again. */
static void cut(struct req *req, u64 left, u64 bo_offset)
{
	struct emu_cmd *cmd = req->cmd;
	u32 align = cmd->rw.file->io_align, skip = req->file_offset & (align - 1);
	u64 blocks = left & ~(u64)(align - 1), room = BOUNCE_MAX;

	if (!reason_of(cmd) && !skip && blocks && !(bo_offset & (EMU_MEM_ALIGN - 1))) {
		req->bounce = false;
		req->bytes = blocks < EMU_IO_MAX ? blocks : EMU_IO_MAX;
		return;
	}
	req->bounce = true;
	if (!is_write(cmd))
		room -= skip;
	else if (!skip && blocks)
		left = blocks; /* a write of whole blocks, and then one of the rest */
	req->bytes = left < room ? left : room;
}

/* Next piece of @cmd into @req; false when there is none to issue (now): look at the command again. */
static bool next_piece(struct emu_cmd *cmd, struct req *req)
{
	struct emu_rw *rw = &cmd->rw;
	const struct smartssd_extent *e = &rw->ext[rw->next];
	struct smartssd_result *result = emu_cmd_result(cmd);
	u64 left = e->bytes - rw->next_bytes, bo_offset = e->bo_offset + rw->next_bytes;

	req->cmd = cmd;
	req->ext = rw->next;
	req->file_offset = e->file_offset + rw->next_bytes;
	req->card = rw->bo->owner->ddr + rw->bo->address + bo_offset;
	req->done = 0;
	/* The file may have become shorter since the list was checked. */
	if (is_write(cmd) && req->file_offset + left > rw->file_bytes) {
		fail(cmd, req->ext, -EINVAL);
		return false;
	}
	if (req->file_offset >= rw->file_bytes) {
		memset(req->card, 0, left);
		advance(rw, left);
		return false;
	}
	cut(req, left, bo_offset);
	req->want = req->bytes < rw->file_bytes - req->file_offset ? req->bytes : rw->file_bytes - req->file_offset;
	if (req->bounce) {
		if (!req->buf)
			req->buf = malloc(BOUNCE_MAX);
		if (!req->buf) {
			fail(cmd, req->ext, -ENOMEM);
			return false;
		}
		if (!result->path)
			result->path = reason_of(cmd) ? reason_of(cmd) : SMARTSSD_PEER_UNALIGNED;
		if (is_write(cmd))
			memcpy(req->buf, req->card, req->bytes);
	}
	advance(rw, req->bytes);
	rw->inflight++;
	rw->requests++;
	return true;
}

static void *piece_memory(const struct req *req)
{
	return (req->bounce ? req->buf : req->card) + req->done;
}

/* All of @req is done that will be. */
static void account(struct req *req)
{
	struct emu_rw *rw = &req->cmd->rw;
	u32 align = rw->file->io_align;

	if (!is_write(req->cmd)) {
		if (req->bounce)
			memcpy(req->card, req->buf, req->done);
		/* The end of the file: what lies behind it reads as zeros. */
		memset(req->card + req->done, 0, req->bytes - req->done);
	}
	if (req->bounce) {
		rw->bounce_bytes += req->done;
	} else {
		rw->peer_bytes += req->done;
		/* A drive moves whole blocks. */
		rw->peer_link_bytes += (req->want + (u64)align - 1) & ~(u64)(align - 1);
	}
}

/* The result of one system call on @req's rest. False: there is a rest to do. */
static bool piece_done(struct req *req, int res)
{
	struct emu_cmd *cmd = req->cmd;

	if (res == -EINTR || res == -EAGAIN)
		return false;
	if (res > 0) {
		req->done += res;
		if (req->done < req->want)
			return false;
	}
	cmd->rw.inflight--;
	if (res < 0)
		fail(cmd, req->ext, io_errno(res));
	else if (!res && is_write(cmd))
		fail(cmd, req->ext, -EIO);
	else
		account(req);
	return true;
}

/* ---- a command ---- */

/* A path that is required is required for all pieces, before the first one moves. */
static void begin(struct emu_cmd *cmd)
{
	struct smartssd_result *result = emu_cmd_result(cmd);
	const struct emu_rw *rw = &cmd->rw;
	u32 i = 0;
	int ret;

	result->start_ns = emu_now();
	ret = emu_file_bytes(rw->file, &cmd->rw.file_bytes);
	if (ret)
		fail(cmd, 0, io_errno(ret));
	if (ret || !(cmd->flags & SMARTSSD_CMD_PEER_REQUIRE))
		return;
	if (!reason_of(cmd))
		while (i < rw->nr && smartssd_extent_aligned(&rw->ext[i], rw->file->io_align, EMU_MEM_ALIGN))
			i++;
	if (i == rw->nr)
		return;
	result->path = reason_of(cmd) ? reason_of(cmd) : SMARTSSD_PEER_UNALIGNED;
	fail(cmd, i, -EREMOTEIO);
}

/* Lock held. */
static void end(struct emu *emu, struct emu_cmd *cmd)
{
	struct smartssd_counters *c = &emu->count;
	struct emu_rw *rw = &cmd->rw;

	emu_cmd_result(cmd)->bytes = rw->peer_bytes + rw->bounce_bytes;
	if (is_write(cmd)) {
		c->card_to_ssd += rw->peer_link_bytes;
		c->card_to_host += rw->bounce_bytes;
		c->bounce_write += rw->bounce_bytes;
		c->writes += rw->requests;
	} else {
		c->ssd_to_card += rw->peer_link_bytes;
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
 * With nothing left to issue: may the thread sleep until a piece is done or somebody wakes it? It may not when there is a
 * command to end (one that failed before its first piece), or something new. Lock held.
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

static int piece_fd(const struct req *req)
{
	const struct emu_file *file = req->cmd->rw.file;
	u64 all = (uintptr_t)piece_memory(req) | (req->file_offset + req->done) | (req->want - req->done);

	return file->direct >= 0 && !is_write(req->cmd) && !(all & (file->direct_align - 1)) ? file->direct : file->fd;
}

static void prep(struct emu_io *io, struct req *req)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&io->ring);
	struct emu_cmd *cmd = req->cmd;
	u32 bytes = req->want - req->done;

	/* There are more entries than requests and one for the wake-up, so there is always one. */
	if (is_write(cmd))
		io_uring_prep_write(sqe, cmd->rw.file->fd, piece_memory(req), bytes, req->file_offset + req->done);
	else
		io_uring_prep_read(sqe, piece_fd(req), piece_memory(req), bytes, req->file_offset + req->done);
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
		u32 bytes = req->want - req->done;

		if (is_write(req->cmd))
			n = pwrite(req->cmd->rw.file->fd, piece_memory(req), bytes, req->file_offset + req->done);
		else
			n = pread(piece_fd(req), piece_memory(req), bytes, req->file_offset + req->done);
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
