// SPDX-License-Identifier: BSD-2-Clause
/* Where a key is: open addressing with linear probing, at most two thirds full; taking out moves what follows back, so nothing is left behind. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache_impl.h"

int cache_index_init(struct cache_index *x, const uint64_t *keys, uint64_t nr)
{
	x->keys = keys;
	x->size = nr + nr / 2 + 2;
	x->at = x->size > SIZE_MAX / sizeof(*x->at) ? NULL : malloc(x->size * sizeof(*x->at));
	if (!x->at)
		return -ENOMEM;
	memset(x->at, 0xff, x->size * sizeof(*x->at));
	return 0;
}

static uint64_t home(const struct cache_index *x, uint64_t key)
{
	return cache_scale(cache_hash(key), x->size);
}

/* Where @key is, or the empty place where it would be. */
static uint64_t place(const struct cache_index *x, uint64_t key)
{
	uint64_t i = home(x, key);

	while (x->at[i] != CACHE_NONE && x->keys[x->at[i]] != key)
		i = i + 1 == x->size ? 0 : i + 1;
	return i;
}

uint32_t cache_index_find(const struct cache_index *x, uint64_t key)
{
	return x->at[place(x, key)];
}

uint32_t cache_index_put(struct cache_index *x, uint32_t position)
{
	uint64_t i = place(x, x->keys[position]);
	uint32_t before = x->at[i];

	x->at[i] = position;
	return before;
}

void cache_index_take(struct cache_index *x, uint32_t position)
{
	uint64_t hole = place(x, x->keys[position]), i = hole;

	for (;;) {
		uint64_t h, from_home, from_hole;

		i = i + 1 == x->size ? 0 : i + 1;
		if (x->at[i] == CACHE_NONE)
			break;
		/* One that came from at or before the hole would not be found behind it. */
		h = home(x, x->keys[x->at[i]]);
		from_home = i >= h ? i - h : i + x->size - h;
		from_hole = i >= hole ? i - hole : i + x->size - hole;
		if (from_home < from_hole)
			continue;
		x->at[hole] = x->at[i];
		hole = i;
	}
	x->at[hole] = CACHE_NONE;
}
