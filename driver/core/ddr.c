// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Where does a buffer fit? A list of blocks in address order, used and free, that covers all of the
 * memory without gaps; no two neighbours are both free. Cost: linear in the number of buffers,
 * which are few and large.
 */
#include "core.h"

struct ddr_block {
	struct ddr_block *prev, *next;
	u64 address;
	u64 bytes;
	bool used;
};

struct smartssd_ddr {
	struct ddr_block *first;
	u64 free_bytes;
	u32 align;
};

int smartssd_ddr_create(u64 bytes, u32 align, struct smartssd_ddr **out)
{
	struct smartssd_ddr *ddr;

	if (!align || (align & (align - 1)) || bytes < align)
		return -EINVAL;
	ddr = core_alloc(sizeof(*ddr));
	if (!ddr)
		return -ENOMEM;
	ddr->first = core_alloc(sizeof(*ddr->first));
	if (!ddr->first) {
		core_free(ddr);
		return -ENOMEM;
	}
	ddr->align = align;
	ddr->free_bytes = bytes & ~((u64)align - 1);
	ddr->first->bytes = ddr->free_bytes;
	*out = ddr;
	return 0;
}

void smartssd_ddr_destroy(struct smartssd_ddr *ddr)
{
	struct ddr_block *block, *next;

	if (!ddr)
		return;
	for (block = ddr->first; block; block = next) {
		next = block->next;
		core_free(block);
	}
	core_free(ddr);
}

int smartssd_ddr_alloc(struct smartssd_ddr *ddr, u64 bytes, u64 *address)
{
	struct ddr_block *block, *rest;

	if (!bytes)
		return -EINVAL;
	if (check_add_overflow(bytes, (u64)ddr->align - 1, &bytes))
		return -EOVERFLOW;
	bytes &= ~((u64)ddr->align - 1);

	for (block = ddr->first; block; block = block->next)
		if (!block->used && block->bytes >= bytes)
			break;
	if (!block)
		return -ENOMEM;
	if (block->bytes > bytes) {
		rest = core_alloc(sizeof(*rest));
		if (!rest)
			return -ENOMEM;
		rest->address = block->address + bytes;
		rest->bytes = block->bytes - bytes;
		rest->prev = block;
		rest->next = block->next;
		if (rest->next)
			rest->next->prev = rest;
		block->next = rest;
		block->bytes = bytes;
	}
	block->used = true;
	ddr->free_bytes -= bytes;
	*address = block->address;
	return 0;
}

/* Take the block behind @block into it. */
static void join_next(struct ddr_block *block)
{
	struct ddr_block *next = block->next;

	block->bytes += next->bytes;
	block->next = next->next;
	if (block->next)
		block->next->prev = block;
	core_free(next);
}

int smartssd_ddr_free(struct smartssd_ddr *ddr, u64 address)
{
	struct ddr_block *block;

	for (block = ddr->first; block && block->address < address; block = block->next)
		;
	if (!block || block->address != address || !block->used)
		return -EINVAL;
	block->used = false;
	ddr->free_bytes += block->bytes;
	if (block->next && !block->next->used)
		join_next(block);
	if (block->prev && !block->prev->used)
		join_next(block->prev);
	return 0;
}

u64 smartssd_ddr_free_bytes(const struct smartssd_ddr *ddr)
{
	return ddr->free_bytes;
}
