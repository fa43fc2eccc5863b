// SPDX-License-Identifier: BSD-2-Clause
/*
 * Belady's optimum (L. A. Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems Journal 5(2), 1966): evict what is
 * used again last.
 * What is in the cache is known by when it is used next, which no two have in common: a set of positions in the trace. It is a tree of bitmaps, 64
 * children to a node, in which
 * putting in, taking out and the largest are a few steps each. What is never used again is only counted.
 */
#include <errno.h>
#include <stdlib.h>

#include "cache.h"
#include "cache_impl.h"

#define LEVELS 7 /* 64^7 positions */

struct times {
	uint64_t *level[LEVELS]; /* 0: a bit for each position; above: a bit for each word below that is not zero */
	unsigned int levels;
};

static void times_add(struct times *t, uint64_t at)
{
	for (unsigned int l = 0; l < t->levels; l++, at /= 64)
		t->level[l][at / 64] |= 1ull << at % 64;
}

static bool times_has(const struct times *t, uint64_t at)
{
	return t->level[0][at / 64] >> at % 64 & 1;
}

static void times_take(struct times *t, uint64_t at)
{
	for (unsigned int l = 0; l < t->levels; l++, at /= 64) {
		t->level[l][at / 64] &= ~(1ull << at % 64);
		if (t->level[l][at / 64])
			return;
	}
}

/* There is one. */
static uint64_t times_largest(const struct times *t)
{
	uint64_t at = 0;

	for (unsigned int l = t->levels; l-- > 0;)
		at = at * 64 + 63 - (unsigned int)__builtin_clzll(t->level[l][at]);
	return at;
}

static void times_free(struct times *t)
{
	for (unsigned int l = 0; l < t->levels; l++)
		free(t->level[l]);
}

static int times_init(struct times *t, uint64_t nr)
{
	t->levels = 0;
	do {
		nr = (nr + 63) / 64;
		t->level[t->levels] = calloc(nr ? nr : 1, sizeof(uint64_t));
		if (!t->level[t->levels]) {
			times_free(t);
			return -ENOMEM;
		}
		t->levels++;
	} while (nr > 1);
	return 0;
}

/* next[i]: the position after i that has the same key, or @nr. */
static int find_next(const uint64_t *keys, uint64_t nr, uint32_t *next)
{
	struct cache_index last;
	int ret = cache_index_init(&last, keys, sizeof(*keys), nr);

	if (ret)
		return ret;
	for (uint64_t i = nr; i-- > 0;) {
		uint32_t after = cache_index_put(&last, (uint32_t)i, cache_hash(keys[i]));

		next[i] = after == CACHE_NONE ? (uint32_t)nr : after;
	}
	cache_index_free(&last);
	return 0;
}

int cache_belady(const uint64_t *keys, uint64_t nr, uint32_t slots, bool bypass, uint64_t from, uint64_t *hits)
{
	uint64_t held = 0, never = 0; /* in the cache: in the set of times; not used again */
	struct times times;
	uint32_t *next;
	int ret;

	*hits = 0;
	if (nr > CACHE_MAX_SLOTS)
		return -EOVERFLOW;
	if (!nr || !slots)
		return 0;
	ret = times_init(&times, nr);
	if (ret)
		return ret;
	next = malloc(nr * sizeof(*next));
	ret = next ? find_next(keys, nr, next) : -ENOMEM;
	for (uint64_t i = 0; !ret && i < nr; i++) {
		if (times_has(&times, i)) {
			*hits += i >= from;
			times_take(&times, i);
			held--;
		} else if (bypass && next[i] == nr) {
			continue;
		} else if (held + never == slots && never) {
			never--;
		} else if (held == slots) {
			uint64_t victim = times_largest(&times);

			if (bypass && next[i] > victim)
				continue;
			times_take(&times, victim);
			held--;
		}
		if (next[i] == nr) {
			never++;
		} else {
			times_add(&times, next[i]);
			held++;
		}
	}
	free(next);
	times_free(&times);
	return ret;
}
