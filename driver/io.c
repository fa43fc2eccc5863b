// SPDX-License-Identifier: GPL-2.0-only
/*
 * READ and WRITE: tens of thousands of pieces between a file and card memory, by a worker, for many
 * reads two, that keeps many in flight.
 *
 * A piece is a bio for a raw namespace and an asynchronous kiocb for a file; either carries the
 * BO's own pages (peer to peer) or a bounce buffer. Pieces are allocated once per command and used
 * again and again; a completion costs one lock and wakes the worker only when half of what is in
 * flight has come back. The worker leaves when all pieces are back, so that whatever happens to the
 * caller, nothing is freed under a request.
 */
#include <linux/blkdev.h>
#include <linux/io.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/uio.h>

#include "compat.h"
#include "io.h"
#include "trace.h"

#define PEER_BYTES SZ_1M /* longest request; the block layer splits it by the drive's limits */
/*
 * Requests in flight, of one worker. The drive's 750,000 small reads/s at 100 us each are 75; more
 * only makes queues longer.
 */
#define WINDOW 128
#define HALVE_FROM 1024 /* extents that are worth a second worker */
#define PLUG_BATCH 32 /* where a plug is flushed, BLK_MAX_REQUEST_COUNT in block/blk.h */

static void io_error(struct smartssd_io *io, u32 extent, int error)
{
	/*
	 * Pieces are issued in order: with the first error issuing ends, and the lowest of what
	 * fails is the first.
	 */
	if (!io->status || extent < io->bad) {
		io->status = error;
		io->bad = extent;
	}
}

void smartssd_piece_end(struct smartssd_piece *piece, long result)
{
	struct smartssd_io *io = piece->io;
	unsigned long flags;

	piece->result = result;
	/* Waking under the lock: as soon as it is dropped, io may be gone. */
	spin_lock_irqsave(&io->lock, flags);
	list_add_tail(&piece->link, &io->done);
	if (++io->nr_done == io->target)
		wake_up(&io->wait);
	spin_unlock_irqrestore(&io->lock, flags);
}

static void bio_end(struct bio *bio)
{
	struct smartssd_piece *piece = container_of(bio, struct smartssd_piece, bio);
	long error = blk_status_to_errno(bio->bi_status);

	/* All signed: an int beside the u32 would become a large length. */
	smartssd_piece_end(piece, error ? error : (long)piece->length);
}

static void iocb_end(struct kiocb *iocb, long result)
{
	struct smartssd_piece *piece = container_of(iocb, struct smartssd_piece, iocb);

	if (piece->io->write)
		smartssd_iocb_write_end(iocb);
	smartssd_piece_end(piece, result);
}

static void issue_bio(struct smartssd_piece *piece)
{
	struct smartssd_io *io = piece->io;
	blk_opf_t op = REQ_OP_READ;

	if (io->write) {
		op = REQ_OP_WRITE | REQ_SYNC | REQ_IDLE;
		/* As the device's own write() keeps the promise of O_DSYNC. */
		if (iocb_flags(io->src->file) & IOCB_DSYNC)
			op |= REQ_FUA;
	}
	/* Neighbours are merged already: the plug need not look. */
	bio_init(&piece->bio, io->src->bdev, &piece->vec, 1, op | REQ_NOMERGE);
	piece->bio.bi_iter.bi_sector = piece->file_offset >> SECTOR_SHIFT;
	piece->bio.bi_iter.bi_size = piece->length;
	piece->bio.bi_vcnt = 1;
	piece->bio.bi_end_io = bio_end;
	piece->is_bio = true;
	submit_bio(&piece->bio);
}

static void issue_iocb(struct smartssd_piece *piece)
{
	struct smartssd_io *io = piece->io;
	struct file *file = io->src->file;
	struct iov_iter iter;
	ssize_t ret;

	iov_iter_bvec(&iter, io->write ? ITER_SOURCE : ITER_DEST, &piece->vec, 1, piece->length);
	memset(&piece->iocb, 0, sizeof(piece->iocb));
	piece->iocb.ki_filp = file;
	piece->iocb.ki_pos = piece->file_offset;
	piece->iocb.ki_flags = (iocb_flags(file) & ~(IOCB_APPEND | IOCB_NOWAIT)) | IOCB_DIRECT;
	piece->iocb.ki_complete = iocb_end;
	if (io->write)
		ret = smartssd_iocb_write(&piece->iocb, &iter);
	else
		ret = vfs_iocb_iter_read(file, &piece->iocb, &iter);
	if (ret != -EIOCBQUEUED)
		smartssd_piece_end(piece, ret);
}

void smartssd_piece_issue(struct smartssd_piece *piece, struct page *page, u32 offset)
{
	/* Pages of a BO, and of a buffer, are contiguous: one vector whatever the length. */
	bvec_set_page(&piece->vec, page, piece->length, offset);
	if (piece->io->src->bdev)
		issue_bio(piece);
	else
		issue_iocb(piece);
}

/* Peer to peer: as much of the extent from here on as is aligned. False: nothing is. */
static bool cut_peer(struct smartssd_piece *piece, u64 left)
{
	struct smartssd_io *io = piece->io;
	u32 align = io->src->io_align;

	if (io->reason != SMARTSSD_PEER_OK || io->second)
		return false;
	if (!IS_ALIGNED(piece->file_offset, align) ||
	    !IS_ALIGNED(piece->bo_offset, io->src->mem_align))
		return false;
	piece->bytes = round_down(min_t(u64, left, PEER_BYTES), align);
	if (!piece->bytes)
		return false;
	piece->bounced = false;
	piece->skip = 0;
	piece->want = min_t(u64, piece->bytes, io->file_bytes - piece->file_offset);
	piece->length = round_up(piece->want, align);
	return true;
}

static void io_advance(struct smartssd_io *io, u64 bytes)
{
	io->at_bytes += bytes;
	if (io->at_bytes == io->ext[io->at].bytes) {
		io->at++;
		io->at_bytes = 0;
	}
}

/* In the second pass of a WRITE: was this extent's part from here on done in the first? */
static bool done_directly(struct smartssd_io *io, const struct smartssd_piece *piece, u64 left,
			  u64 *bytes)
{
	u32 align = io->src->io_align;

	*bytes = 0;
	if (io->second && io->src->direct && IS_ALIGNED(piece->file_offset, align))
		*bytes = round_down(left, align);
	return *bytes;
}

/* It begins where we are. */
static void piece_place(struct smartssd_io *io, struct smartssd_piece *piece)
{
	const struct smartssd_extent *e = &io->ext[io->at];

	piece->io = io;
	piece->extent = io->at;
	piece->file_offset = e->file_offset + io->at_bytes;
	piece->bo_offset = e->bo_offset + io->at_bytes;
}

/*
 * The next piece, started. 0, or -EAGAIN: it needs a bounce buffer, and all are in use. Errors end
 * the command through io_error().
 */
static int io_next(struct smartssd_io *io)
{
	struct smartssd_piece *piece = list_first_entry(&io->free, struct smartssd_piece, link);
	u64 left = io->ext[io->at].bytes - io->at_bytes, skip;

	piece_place(io, piece);
	/* The file may have become shorter since the list was checked. */
	if (io->write && piece->file_offset + left > io->file_bytes) {
		io_error(io, io->at, -EINVAL);
		return 0;
	}
	if (piece->file_offset >= io->file_bytes) {
		/* In steps, so that a card that is to go need not wait for gigabytes of zeros. */
		left = min_t(u64, left, PEER_BYTES);
		smartssd_buf_zero(io->buf, piece->bo_offset, left);
		io_advance(io, left);
		return 0;
	}
	if (done_directly(io, piece, left, &skip)) {
		io_advance(io, skip);
		return 0;
	}
	if (cut_peer(piece, left)) {
		list_del(&piece->link);
		io->inflight++;
		io->requests++;
		io_advance(io, piece->bytes);
		smartssd_piece_issue(piece, io->buf->page + (piece->bo_offset >> PAGE_SHIFT),
				     offset_in_page(piece->bo_offset));
		return 0;
	}
	/* Buffers stick to pieces; those that have one are at the end. */
	if (io->nr_bufs) {
		piece = list_last_entry(&io->free, struct smartssd_piece, link);
		if (!piece->buf && io->nr_bufs >= BOUNCE_MAX)
			return -EAGAIN;
		piece_place(io, piece);
	}
	if (!smartssd_bounce_cut(piece, left)) {
		io->later = true;
		io_advance(io, left);
		return 0;
	}
	if (smartssd_bounce_buffer(piece)) {
		if (io->nr_bufs && io->inflight)
			return -EAGAIN; /* make do with those we have */
		io_error(io, io->at, -ENOMEM);
		return 0;
	}
	if (io->path == SMARTSSD_PEER_OK)
		io->path = io->reason ? io->reason : SMARTSSD_PEER_UNALIGNED;
	list_del(&piece->link);
	io->inflight++;
	io->requests++;
	io_advance(io, piece->bytes);
	smartssd_bounce_issue(piece);
	return 0;
}

/*
 * What a file or drive says is to the caller an I/O error; what it says of memory or room is worth
 * telling apart.
 */
static int io_errno(long error)
{
	switch (error) {
	case -ENOMEM:
	case -ENOSPC:
	case -EDQUOT:
	case -EROFS:
	case -EFBIG:
	case -EPERM:
	case -ETXTBSY:
		return error;
	default:
		return -EIO;
	}
}

static void io_harvest_one(struct smartssd_io *io, struct smartssd_piece *piece)
{
	long got = piece->result;

	if (piece->is_bio)
		bio_uninit(&piece->bio);
	piece->is_bio = false;
	if (got < 0) {
		io_error(io, piece->extent, io_errno(got));
		return;
	}
	got -= piece->skip;
	if (io->write && got < piece->want) {
		io_error(io, piece->extent, -EIO);
		return;
	}
	/* A file that became shorter meanwhile: what it has no more reads as zeros. */
	piece->want = clamp_t(long, got, 0, piece->want);
	if (piece->bounced) {
		smartssd_bounce_finish(piece);
		io->bounce_bytes += piece->want;
	} else {
		io->peer_bytes += piece->want;
		io->peer_link_bytes += piece->length;
	}
	if (piece->want < piece->bytes)
		smartssd_buf_zero(io->buf, piece->bo_offset + piece->want,
				  piece->bytes - piece->want);
}

/* Wait until @count pieces are done, take all that are. */
static void io_harvest(struct smartssd_io *io, u32 count)
{
	struct smartssd_piece *piece, *next;
	LIST_HEAD(done);

	spin_lock_irq(&io->lock);
	io->target = count;
	wait_event_lock_irq(io->wait, io->nr_done >= count, io->lock);
	list_splice_init(&io->done, &done);
	io->inflight -= io->nr_done;
	io->nr_done = 0;
	io->target = 0;
	spin_unlock_irq(&io->lock);

	list_for_each_entry_safe(piece, next, &done, link) {
		io_harvest_one(io, piece);
		if (piece->buf)
			list_move_tail(&piece->link, &io->free);
		else
			list_move(&piece->link, &io->free);
	}
}

static bool io_stop(struct smartssd_io *io)
{
	int error = 0;

	if (io->status)
		return true;
	if (smartssd_lost(io->buf->sd))
		error = -ENODEV;
	else if (READ_ONCE(io->task->job->canceled))
		error = -ECANCELED;
	if (error)
		io_error(io, min(io->at, io->nr - 1), error);
	return error;
}

/*
 * A plug that knows that many requests follow: the block layer then takes its tags in batches, too.
 */
static void start_plug(struct blk_plug *plug)
{
	blk_start_plug(plug);
	plug->nr_ios = PLUG_BATCH;
}

static void io_pass(struct smartssd_io *io)
{
	struct blk_plug plug;
	bool full;

	io->at = 0;
	io->at_bytes = 0;
	start_plug(&plug);
	while (io->at < io->nr && !io_stop(io)) {
		full = list_empty(&io->free) || io_next(io) == -EAGAIN;
		if (!full)
			continue;
		/*
		 * Let the drive see what we have before we sleep, and come back when there is room
		 * for a good batch.
		 */
		blk_finish_plug(&plug);
		io_harvest(io, max(io->inflight / 2, 1u));
		cond_resched();
		start_plug(&plug);
	}
	blk_finish_plug(&plug);
	while (io->inflight)
		io_harvest(io, io->inflight);
}

static void io_init(struct smartssd_io *io)
{
	spin_lock_init(&io->lock);
	init_waitqueue_head(&io->wait);
	INIT_LIST_HEAD(&io->done);
	INIT_LIST_HEAD(&io->free);
}

/* Pieces to work with; at least one. */
static void io_pieces(struct smartssd_io *io)
{
	u64 nr = 0;
	u32 i;

	/* Long extents become several pieces, most of them on the bounce path. */
	for (i = 0; i < io->nr && nr < WINDOW; i++)
		nr += 2 + io->ext[i].bytes / BOUNCE_BYTES;
	nr = min_t(u64, nr, WINDOW);
	io->pieces = kvcalloc(nr, sizeof(*io->pieces), GFP_KERNEL | __GFP_NOWARN);
	io->nr_pieces = io->pieces ? nr : 1;
	if (!io->pieces)
		io->pieces = &io->one;
	for (i = 0; i < io->nr_pieces; i++)
		list_add_tail(&io->pieces[i].link, &io->free);
}

static void io_setup(struct smartssd_io *io)
{
	struct smartssd_task *task = io->task;

	io_init(io);
	io->src = task->rw.src;
	io->buf = task->rw.buf;
	io->write = task->op == SMARTSSD_OP_WRITE;
	io->ext = task->rw.ext;
	io->nr = task->rw.nr;
	io->path = task->result.path;
	io->file_bytes = smartssd_src_bytes(io->src);
	if (io->nr > 1) {
		io->origin = kvmalloc_array(io->nr, sizeof(*io->origin), GFP_KERNEL);
		/* Without memory for it, unmerged is slower and as right. */
		if (io->origin)
			io->nr = smartssd_merge_extents(io->ext, io->nr, PEER_BYTES, io->origin);
	}
}

static void io_cleanup(struct smartssd_io *io)
{
	u32 i;

	for (i = 0; i < io->nr_pieces; i++)
		kfree(io->pieces[i].buf);
	if (io->pieces != &io->one)
		kvfree(io->pieces);
}

/* Is the peer path possible, and if it is demanded, for every extent? Sets io->reason. */
static int io_path(struct smartssd_io *io)
{
	struct smartssd_task *task = io->task;
	struct smartssd_dev *sd = io->buf->sd;
	u32 i;

	io->reason = io->src->reason;
	/* The administrator may have changed his mind since the file was registered. */
	if (io->reason == SMARTSSD_PEER_OFF)
		io->reason = smartssd_peer_file(sd, io->src);
	else if (io->reason == SMARTSSD_PEER_OK && !smartssd_peer_still(io->src))
		io->reason = SMARTSSD_PEER_NO_FILESYSTEM;
	if (task->flags & SMARTSSD_CMD_PEER_OFF ||
	    (io->reason == SMARTSSD_PEER_OK && READ_ONCE(sd->peer_off)))
		io->reason = SMARTSSD_PEER_OFF;
	if (!(task->flags & SMARTSSD_CMD_PEER_REQUIRE))
		return 0;
	if (io->reason != SMARTSSD_PEER_OK) {
		io->path = io->reason;
		io_error(io, 0, -EREMOTEIO);
		return -EREMOTEIO;
	}
	for (i = 0; i < io->nr; i++) {
		if (smartssd_extent_aligned(&io->ext[i], io->src->io_align, io->src->mem_align))
			continue;
		io->path = SMARTSSD_PEER_UNALIGNED;
		io_error(io, i, -EREMOTEIO);
		return -EREMOTEIO;
	}
	return 0;
}

static u64 extent_last(const struct smartssd_extent *e)
{
	return e->file_offset + e->bytes - 1;
}

/* From the lowest to the highest byte that the extents touch. */
static void io_span(const struct smartssd_io *io, loff_t *first, loff_t *last)
{
	u32 i;

	*first = LLONG_MAX;
	*last = 0;
	for (i = 0; i < io->nr; i++) {
		*first = min_t(u64, *first, io->ext[i].file_offset);
		*last = max_t(u64, *last, extent_last(&io->ext[i]));
	}
}

/*
 * Bios know nothing of the page cache, so we look after it: what is dirty goes out first, what is
 * stale is dropped afterwards.
 */
static int cache_before(struct smartssd_io *io)
{
	struct address_space *mapping = io->src->file->f_mapping;
	loff_t first, last;
	int ret;

	if (!io->src->bdev || !mapping->nrpages)
		return 0;
	io_span(io, &first, &last);
	ret = filemap_write_and_wait_range(mapping, first, last);
	if (ret)
		io_error(io, 0, io_errno(ret));
	return ret;
}

static void cache_after(struct smartssd_io *io)
{
	struct address_space *mapping = io->src->file->f_mapping;
	u32 i;

	if (!io->write || !io->src->bdev)
		return;
	for (i = 0; i < io->nr && mapping->nrpages; i++)
		invalidate_inode_pages2_range(mapping, io->ext[i].file_offset >> PAGE_SHIFT,
					      extent_last(&io->ext[i]) >> PAGE_SHIFT);
}

/*
 * Many small pieces are read by two workers, each with half of them: while the drive's completions
 * wake one, the other's requests keep it busy.
 */
struct io_half {
	struct work_struct work;
	struct smartssd_io io;
};

static void half_work(struct work_struct *work)
{
	struct io_half *half = container_of(work, struct io_half, work);
	struct smartssd_as_saved saved;

	smartssd_as_begin(&half->io.task->job->as, &saved);
	io_pieces(&half->io);
	io_pass(&half->io);
	smartssd_as_end(&saved);
}

/* The upper half of @io's extents; NULL: not worth it. */
static struct io_half *half_take(struct smartssd_io *io)
{
	struct io_half *half;

	if (io->nr < HALVE_FROM)
		return NULL;
	half = kzalloc(sizeof(*half), GFP_KERNEL);
	if (!half)
		return NULL;
	INIT_WORK(&half->work, half_work);
	io_init(&half->io);
	half->io.task = io->task;
	half->io.src = io->src;
	half->io.buf = io->buf;
	half->io.reason = io->reason;
	half->io.path = io->path;
	half->io.file_bytes = io->file_bytes;
	half->io.nr = io->nr / 2;
	io->nr -= half->io.nr;
	half->io.ext = io->ext + io->nr;
	queue_work(io->task->job->client->wq, &half->work);
	return half;
}

static void half_join(struct smartssd_io *io, struct io_half *half)
{
	/* All workers may be busy, with us waiting for one. */
	if (cancel_work_sync(&half->work))
		half_work(&half->work);
	if (half->io.status && !io->status) {
		io->status = half->io.status;
		io->bad = io->nr + half->io.bad;
	}
	if (io->path == SMARTSSD_PEER_OK)
		io->path = half->io.path;
	io->requests += half->io.requests;
	io->peer_bytes += half->io.peer_bytes;
	io->peer_link_bytes += half->io.peer_link_bytes;
	io->bounce_bytes += half->io.bounce_bytes;
	io_cleanup(&half->io);
	kfree(half);
}

static void io_read(struct smartssd_io *io)
{
	struct io_half *half = half_take(io);

	io_pieces(io);
	io_pass(io);
	if (half)
		half_join(io, half);
}

static void io_run(struct smartssd_io *io)
{
	int ret;

	if (!io->write) {
		if (!cache_before(io))
			io_read(io);
		return;
	}
	/* The submit looked, too, but that may be long ago. */
	ret = smartssd_src_may_write(io->src);
	if (ret) {
		io_error(io, 0, ret);
		return;
	}
	io_pieces(io);
	/*
	 * First what goes around the page cache, then what goes through it, never both at once: a
	 * page read for a partial write while a direct write to its other half is under way would
	 * later be written over it.
	 */
	if (io->src->direct) {
		down_read(&io->src->mixed);
		if (!cache_before(io)) {
			io_pass(io);
			cache_after(io);
		}
		up_read(&io->src->mixed);
	} else {
		io->later = true;
	}
	if (!io->later || io->status)
		return;
	down_write(&io->src->mixed);
	io->second = true;
	io_pass(io);
	if (!io->status)
		cache_before(io);
	up_write(&io->src->mixed);
}

static void io_report(struct smartssd_io *io)
{
	struct smartssd_task *task = io->task;
	struct smartssd_client *client = task->job->client;

	task->result.status = io->status;
	task->result.path = io->path;
	task->result.bytes = io->peer_bytes + io->bounce_bytes;
	if (io->status)
		task->result.detail = io->origin ? io->origin[io->bad] : io->bad;
	if (io->write) {
		smartssd_count(client, SMARTSSD_STAT_CARD_TO_SSD, io->peer_link_bytes);
		smartssd_count(client, SMARTSSD_STAT_CARD_TO_HOST, io->bounce_bytes);
		smartssd_count(client, SMARTSSD_STAT_BOUNCE_WRITE, io->bounce_bytes);
		smartssd_count(client, SMARTSSD_STAT_WRITES, io->requests);
	} else {
		smartssd_count(client, SMARTSSD_STAT_SSD_TO_CARD, io->peer_link_bytes);
		smartssd_count(client, SMARTSSD_STAT_HOST_TO_CARD, io->bounce_bytes);
		smartssd_count(client, SMARTSSD_STAT_BOUNCE_READ, io->bounce_bytes);
		smartssd_count(client, SMARTSSD_STAT_READS, io->requests);
	}
	trace_smartssd_io_done(client->sd->id, task->job->id, task->index, io->write, io->requests,
			       task->result.bytes, task->result.path, io->status);
}

void smartssd_io_work(struct work_struct *work)
{
	struct smartssd_task *task = container_of(work, struct smartssd_task, work);
	struct smartssd_dev *sd = task->job->client->sd;
	struct smartssd_io io = { .task = task };
	struct smartssd_as_saved saved;
	int idx;

	task->result.start_ns = ktime_get_ns();
	/* The card stays until the last piece is back; io_stop() sees that it is to go. */
	idx = srcu_read_lock(&sd->srcu);
	io_setup(&io);
	if (!io_stop(&io)) {
		smartssd_as_begin(&task->job->as, &saved);
		if (!io_path(&io))
			io_run(&io);
		smartssd_as_end(&saved);
	}
	io_report(&io);
	io_cleanup(&io);
	kvfree(io.origin);
	srcu_read_unlock(&sd->srcu, idx);
	smartssd_task_done(task);
}
