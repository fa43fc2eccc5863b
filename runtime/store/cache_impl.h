/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files behind cache.h share: slots, their keys and the index over them belong to cache.c; queues and marks to the policy.
 *
 *   a slot is   free      (key not valid; in the free list)
 *               queued    in one of the policy's queues
 *               aside     pinned when its turn came: in no queue until it is unpinned
 *               dropped   pinned when its key was dropped: in no queue, free when it is unpinned
 */
#ifndef SMARTSSD_STORE_CACHE_IMPL_H
#define SMARTSSD_STORE_CACHE_IMPL_H

#include "cache.h"

/* ---- cache_index.c: where a key is in an array of keys; open addressing, linear probing, 6 bytes for each ---- */

struct cache_index {
	const uint64_t *keys;
	uint32_t *at; /* position in @keys; CACHE_NONE: empty */
	uint64_t size;
};

int cache_index_init(struct cache_index *x, const uint64_t *keys, uint64_t nr);
uint32_t cache_index_find(const struct cache_index *x, uint64_t key);
/* keys[position] is in from now on; the position that had the same key until now, or CACHE_NONE. */
uint32_t cache_index_put(struct cache_index *x, uint32_t position);
/* keys[position] is out; it is in. */
void cache_index_take(struct cache_index *x, uint32_t position);
static inline uint64_t cache_hash(uint64_t x)
{
	/* The finaliser of MurmurHash3 (A. Appleby), a bijection */
	x = (x ^ x >> 33) * 0xff51afd7ed558ccdull;
	x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ull;
	return x ^ x >> 33;
}

/* 0 .. n - 1, evenly */
static inline uint64_t cache_scale(uint64_t hash, uint64_t n)
{
	return (uint64_t)((unsigned __int128)hash * n >> 64);
}

/* ---- queues: circular lists of slots; list i begins and ends at link[slots + i] ---- */

struct cache_link {
	uint32_t younger, older; /* of a list itself: its oldest, its youngest */
};

#define CACHE_ASIDE   (CACHE_NONE - 1) /* in younger, with older = CACHE_NONE: not queued */
#define CACHE_DROPPED (CACHE_NONE - 2)

struct cache {
	const struct cache_ops *ops;
	uint32_t slots, free; /* free: first free slot, the next one in its link's younger; CACHE_NONE */
	uint64_t *key;
	uint32_t *pins;
	struct cache_link *link;
	uint8_t *mark; /* the policy's, of each slot; NULL: needs none */
	struct cache_index index;
	struct cache_counts counts;
	void *policy;
};

/* A policy. None of these is called for a free or dropped slot. */
struct cache_ops {
	const char *name;
	uint32_t lists;
	bool marks;
	int (*create)(struct cache *c); /* makes c->policy; may be NULL */
	void (*destroy)(struct cache *c);
	void (*access)(struct cache *c);		 /* before everything else, hit or not; may be NULL */
	void (*hit)(struct cache *c, uint32_t slot);	 /* queued or aside */
	uint32_t (*victim)(struct cache *c, uint64_t key); /* queued, not pinned, for @key; CACHE_NONE: @key does not get in. Sets aside what is pinned and in the way */
	void (*leave)(struct cache *c, uint32_t slot);	 /* its key leaves the cache, evicted or dropped; in no queue any more; may be NULL */
	void (*insert)(struct cache *c, uint32_t slot);	 /* has a new key */
	void (*enqueue)(struct cache *c, uint32_t slot); /* back from aside */
	void (*dequeue)(struct cache *c, uint32_t slot); /* queued: out of its queue */
};

extern const struct cache_ops cache_lru, cache_fifo, cache_clock, cache_sieve, cache_s3fifo, cache_lfu;

static inline uint32_t cache_oldest(const struct cache *c, uint32_t list)
{
	uint32_t slot = c->link[c->slots + list].younger;

	return slot == c->slots + list ? CACHE_NONE : slot;
}

static inline void cache_push_youngest(struct cache *c, uint32_t list, uint32_t slot)
{
	uint32_t head = c->slots + list, youngest = c->link[head].older;

	c->link[slot] = (struct cache_link){ .younger = head, .older = youngest };
	c->link[youngest].younger = slot;
	c->link[head].older = slot;
}

static inline void cache_unlink(struct cache *c, uint32_t slot)
{
	struct cache_link l = c->link[slot];

	c->link[l.older].younger = l.younger;
	c->link[l.younger].older = l.older;
}

static inline bool cache_queued(const struct cache *c, uint32_t slot)
{
	return c->link[slot].older != CACHE_NONE;
}

/* @slot is queued. True: it is pinned, and now aside. */
static inline bool cache_set_aside(struct cache *c, uint32_t slot)
{
	if (!c->pins[slot])
		return false;
	c->ops->dequeue(c, slot);
	c->link[slot] = (struct cache_link){ .younger = CACHE_ASIDE, .older = CACHE_NONE };
	return true;
}

/* ---- cache_lfu.c, for its test: the four counters of a key in the sketch, all in one line of 64 ---- */

#define CACHE_LFU_AGE	  100 /* accesses for each slot until counts are halved */
#define CACHE_SKETCH_LINE 64

static inline uint64_t cache_sketch_lines(uint32_t slots)
{
	return ((uint64_t)slots * 8 + CACHE_SKETCH_LINE - 1) / CACHE_SKETCH_LINE;
}

static inline void cache_sketch_places(uint64_t lines, uint64_t key, uint64_t place[4])
{
	uint64_t h = cache_hash(key), line = cache_scale(h, lines) * CACHE_SKETCH_LINE;

	/* The line is decided by the upper bits. */
	for (unsigned int i = 0; i < 4; i++)
		place[i] = line + 16 * i + (h >> 4 * i & 15);
}

#endif
