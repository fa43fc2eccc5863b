/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One READ or WRITE under way: io.c issues its pieces and takes them back, bounce.c looks after
 * those that pass through host memory.
 */
#ifndef SMARTSSD_IO_H
#define SMARTSSD_IO_H

#include <linux/bio.h>
#include <linux/bvec.h>
#include <linux/fs.h>

#include "drv.h"

#define BOUNCE_BYTES SZ_32K /* per piece; what kmalloc gives also on a fragmented machine */
#define BOUNCE_MAX 64 /* bounced pieces in flight, of one worker */

/*
 * struct smartssd_piece - one request
 * @link: in io->free or io->done
 * @extent: where it comes from, as index in the merged list
 * @bo_offset: where its data is in the BO
 * @bytes: bytes of the BO that this piece is to fill or empty
 * @want: of these, the ones that the file has (READ: the rest is zeros)
 * @skip: bounced: its data begins here in @buf
 * @length: length of the request, aligned
 * @result: bytes moved or -errno
 */
struct smartssd_piece {
	struct list_head link;
	struct smartssd_io *io;
	u32 extent;
	u32 bytes;
	u32 want;
	u32 skip;
	u32 length;
	bool bounced;
	bool is_bio;
	long result;
	u64 bo_offset;
	u64 file_offset;
	void *buf;
	struct bio_vec vec;
	union {
		struct bio bio;
		struct kiocb iocb;
	};
};

/*
 * struct smartssd_io - one READ or WRITE
 * @reason: why nothing of it goes peer to peer, or SMARTSSD_PEER_OK
 * @path: how its data goes, as smartssd_result says it; first reason wins
 * @later: this is the first pass of a WRITE, and pieces were left to the second, which goes through
 *   the page cache
 * @ext: extents after merging
 * @origin: for each, the index of its first piece in the caller's list
 * @at: next extent, and how far into it
 * @free: pieces to use, those with a bounce buffer last
 * @nr_bufs: bounce buffers
 * @inflight: issued and not yet taken back; the worker's
 * @lock: protects @done, @nr_done, @target against completions
 * @done: pieces that completed
 * @target: how many of them the worker sleeps for
 */
struct smartssd_io {
	struct smartssd_task *task;
	struct smartssd_src *src;
	struct smartssd_buf *buf;
	bool write;
	bool second;
	bool later;
	u32 reason;
	u32 path;
	struct smartssd_extent *ext;
	u32 nr;
	u32 *origin;
	u32 at;
	u64 at_bytes;
	u64 file_bytes;

	struct smartssd_piece *pieces;
	struct smartssd_piece one;
	u32 nr_pieces;
	u32 nr_bufs;
	struct list_head free;
	u32 inflight;

	int status;
	u32 bad;
	u64 requests;
	u64 peer_bytes;
	u64 peer_link_bytes;
	u64 bounce_bytes;

	spinlock_t lock;
	struct list_head done;
	u32 nr_done;
	u32 target;
	wait_queue_head_t wait;
};

/* ---- io.c ---- */
/* A piece was issued and has ended with @result. Any context. */
void smartssd_piece_end(struct smartssd_piece *piece, long result);
/* Send @bytes at @memory in kernel memory or peer pages to or from the file, asynchronously. */
void smartssd_piece_issue(struct smartssd_piece *piece, struct page *page, u32 offset);

/* ---- bounce.c ---- */
/*
 * Cut the next piece of at most @left bytes for the bounce path. False: it is one for a WRITE's
 * second pass.
 */
bool smartssd_bounce_cut(struct smartssd_piece *piece, u64 left);
int smartssd_bounce_buffer(struct smartssd_piece *piece);
/* Start it; through the page cache it has ended on return. */
void smartssd_bounce_issue(struct smartssd_piece *piece);
/* It ended well: READ data goes from the buffer into the BO. */
void smartssd_bounce_finish(struct smartssd_piece *piece);

#endif
