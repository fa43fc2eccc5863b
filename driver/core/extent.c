// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The pieces of a READ or WRITE: do they lie where they may, and which of them are one request? */
#include "core.h"

static int check_extent(const struct smartssd_extent *e, u64 bo_bytes, u64 file_bytes, bool write)
{
	u64 bo_end, file_end;

	if (!e->bytes)
		return -EINVAL;
	if (check_add_overflow((u64)e->bo_offset, (u64)e->bytes, &bo_end) ||
	    check_add_overflow((u64)e->file_offset, (u64)e->bytes, &file_end))
		return -EOVERFLOW;
	if (bo_end > bo_bytes)
		return -EINVAL;
	if (write ? file_end > file_bytes : e->file_offset >= file_bytes)
		return -EINVAL;
	return 0;
}

int smartssd_check_extents(const struct smartssd_extent *ext, u32 nr, u64 bo_bytes, u64 file_bytes,
			   bool write, u32 *bad)
{
	u32 i;
	int err;

	for (i = 0; i < nr; i++) {
		err = check_extent(&ext[i], bo_bytes, file_bytes, write);
		if (err) {
			*bad = i;
			return err;
		}
	}
	return 0;
}

bool smartssd_extent_aligned(const struct smartssd_extent *ext, u32 io_align, u32 mem_align)
{
	return !((ext->file_offset | ext->bytes) & ((u64)io_align - 1)) &&
	       !(ext->bo_offset & ((u64)mem_align - 1));
}

/* @b continues @a, and both together are not longer than @max_bytes. */
static bool continues(const struct smartssd_extent *a, const struct smartssd_extent *b,
		      u64 max_bytes)
{
	u64 file_end, bo_end, sum;

	if (check_add_overflow((u64)a->file_offset, (u64)a->bytes, &file_end) ||
	    check_add_overflow((u64)a->bo_offset, (u64)a->bytes, &bo_end) ||
	    check_add_overflow((u64)a->bytes, (u64)b->bytes, &sum))
		return false;
	return b->file_offset == file_end && b->bo_offset == bo_end && sum <= max_bytes;
}

u32 smartssd_merge_extents(struct smartssd_extent *ext, u32 nr, u64 max_bytes, u32 *origin)
{
	u32 in, out = 0;

	for (in = 0; in < nr; in++) {
		if (out && continues(&ext[out - 1], &ext[in], max_bytes)) {
			ext[out - 1].bytes += ext[in].bytes;
			continue;
		}
		if (origin)
			origin[out] = in;
		ext[out++] = ext[in];
	}
	return out;
}
