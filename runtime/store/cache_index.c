// SPDX-License-Identifier: BSD-2-Clause
/* Where a key is: buckets of 7, 4 of each used at most on average; a bucket counts the keys that had no room in it, so that a search ends where nobody passed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cache_impl.h"

#define HUGE_PAGE (2u << 20)
#define LINE	  64u

void *cache_alloc(uint64_t nr, size_t bytes)
{
	uint64_t all, align;
	void *p;

	if (__builtin_mul_overflow(nr, bytes, &all) || all > SIZE_MAX / 2)
		return NULL;
	align = all < 2 * HUGE_PAGE ? LINE : HUGE_PAGE;
	all = (all + align) & ~(align - 1); /* not 0 */
	p = aligned_alloc(align, all);
	if (!p)
		return NULL;
	if (align == HUGE_PAGE)
		madvise(p, all, MADV_HUGEPAGE); /* a wish */
	return memset(p, 0, all);
}

int cache_index_init(struct cache_index *x, const void *keys, uint32_t stride, uint64_t nr)
{
	x->keys = keys;
	x->stride = stride;
	x->buckets = nr / 4 + 2;
	x->bucket = cache_alloc(x->buckets, sizeof(*x->bucket));
	return x->bucket ? 0 : -ENOMEM;
}

void cache_index_free(struct cache_index *x)
{
	free(x->bucket);
}

static struct cache_bucket *next(const struct cache_index *x, struct cache_bucket *b)
{
	return b + 1 == x->bucket + x->buckets ? x->bucket : b + 1;
}

/* The bit of @key in *@b, which becomes the bucket that has it; 0: none has. */
static uint32_t find(const struct cache_index *x, struct cache_bucket **b, uint64_t key, uint64_t hash)
{
	for (;; *b = next(x, *b)) {
		for (uint32_t match = cache_bucket_match(*b, hash); match; match &= match - 1)
			if (cache_index_key(x, (*b)->at[__builtin_ctz(match)]) == key)
				return match & -match;
		if (!(*b)->passed)
			return 0;
	}
}

uint32_t cache_index_put(struct cache_index *x, uint32_t position, uint64_t hash)
{
	struct cache_bucket *b = cache_index_home(x, hash);
	uint32_t bit = find(x, &b, cache_index_key(x, position), hash), before;

	if (bit) {
		before = b->at[__builtin_ctz(bit)];
		b->at[__builtin_ctz(bit)] = position;
		return before;
	}
	for (b = cache_index_home(x, hash); b->used == (1u << CACHE_BUCKET) - 1; b = next(x, b))
		b->passed++;
	bit = ~b->used & (b->used + 1);
	b->used |= bit;
	b->hash[__builtin_ctz(bit)] = (uint32_t)hash;
	b->at[__builtin_ctz(bit)] = position;
	return CACHE_NONE;
}

void cache_index_take(struct cache_index *x, uint32_t position, uint64_t hash)
{
	struct cache_bucket *home = cache_index_home(x, hash), *b = home;
	uint32_t bit = find(x, &b, cache_index_key(x, position), hash);

	b->used &= ~bit;
	for (; home != b; home = next(x, home))
		home->passed--;
}
