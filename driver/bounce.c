// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bounce path: file <-> host buffer <-> card memory. Direct I/O into the buffer where the file
 * does that, whatever the extent's alignment: a READ reads the blocks around it. What is left -
 * unaligned WRITEs, files without direct I/O - goes through the page cache.
 */
#include <linux/io.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "compat.h"
#include "io.h"

static bool through_cache(const struct smartssd_piece *piece)
{
	return piece->io->second || !piece->io->src->direct;
}

bool smartssd_bounce_cut(struct smartssd_piece *piece, u64 left)
{
	struct smartssd_io *io = piece->io;
	u32 align = io->src->io_align;

	piece->bounced = true;
	piece->skip = 0;
	piece->bytes = min_t(u64, left, BOUNCE_BYTES);
	if (io->write) {
		piece->want = piece->bytes;
		piece->length = piece->bytes;
		if (through_cache(piece))
			return true;
		/* As much as direct I/O takes; the rest is cut again. */
		piece->bytes = round_down(piece->bytes, align);
		piece->want = piece->bytes;
		piece->length = piece->bytes;
		return piece->bytes && IS_ALIGNED(piece->file_offset, align);
	}
	if (io->src->direct) {
		piece->skip = piece->file_offset & (align - 1);
		piece->bytes = min_t(u64, left, BOUNCE_BYTES - piece->skip);
	}
	piece->want = min_t(u64, piece->bytes, io->file_bytes - piece->file_offset);
	piece->length = io->src->direct ? round_up(piece->skip + piece->want, align) : piece->want;
	return true;
}

int smartssd_bounce_buffer(struct smartssd_piece *piece)
{
	if (piece->buf)
		return 0;
	piece->buf = kmalloc(BOUNCE_BYTES, GFP_KERNEL | __GFP_NOWARN);
	if (!piece->buf)
		return -ENOMEM;
	piece->io->nr_bufs++;
	return 0;
}

/* Buffered and synchronous: the page cache does the rest of the block. */
static long cache_rw(struct smartssd_piece *piece)
{
	struct file *file = piece->io->src->file;
	struct kvec vec = { .iov_base = piece->buf, .iov_len = piece->length };
	struct iov_iter iter;
	struct kiocb iocb;
	long done = 0, ret;

	iov_iter_kvec(&iter, piece->io->write ? ITER_SOURCE : ITER_DEST, &vec, 1, piece->length);
	init_sync_kiocb(&iocb, file);
	iocb.ki_flags &= ~(IOCB_DIRECT | IOCB_APPEND | IOCB_NOWAIT);
	iocb.ki_pos = piece->file_offset;
	while (iov_iter_count(&iter)) {
		if (piece->io->write)
			ret = smartssd_iocb_write(&iocb, &iter);
		else
			ret = vfs_iocb_iter_read(file, &iocb, &iter);
		if (ret < 0)
			return ret;
		if (!ret)
			break;
		done += ret;
	}
	return done;
}

void smartssd_bounce_issue(struct smartssd_piece *piece)
{
	struct smartssd_io *io = piece->io;

	if (io->write)
		memcpy_fromio(piece->buf, io->buf->io + piece->bo_offset, piece->bytes);
	if (through_cache(piece)) {
		smartssd_piece_end(piece, cache_rw(piece));
		return;
	}
	piece->file_offset -= piece->skip;
	smartssd_piece_issue(piece, virt_to_page(piece->buf), offset_in_page(piece->buf));
}

void smartssd_bounce_finish(struct smartssd_piece *piece)
{
	if (!piece->io->write)
		memcpy_toio(piece->io->buf->io + piece->bo_offset, piece->buf + piece->skip,
			    piece->want);
}
