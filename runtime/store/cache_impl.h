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

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "cache.h"

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

/* What only prefetches is taken for a function without effect, and left out, by gcc 12, if it is not inlined early. */
#define CACHE_PREFETCH static inline __attribute__((always_inline)) void

/* Zeros, aligned to a line of 64; free(). Random accesses to what is large miss the TLB less in huge pages. */
void *cache_alloc(uint64_t nr, size_t bytes);

/*
 * ---- cache_index.c: where a key is among structs that each begin with one. Buckets of a line of 64; a key that does not fit into its own is in one of the
 * next, and all that it passed by count it. The upper half of the hash is kept, so only a key that is found is read. ----
 */

#define CACHE_BUCKET 7

struct cache_bucket {
	uint32_t hash[CACHE_BUCKET];
	uint32_t used; /* a bit of each */
	uint32_t at[CACHE_BUCKET]; /* position of the struct */
	uint32_t passed; /* keys that are further on */
};

struct cache_index {
	const char *keys;
	uint32_t stride; /* from one struct to the next */
	struct cache_bucket *bucket;
	uint64_t buckets;
};

int cache_index_init(struct cache_index *x, const void *keys, uint32_t stride, uint64_t nr);
void cache_index_free(struct cache_index *x);
/* The position that had the same key until now, or CACHE_NONE: @position has it from now on. @hash: cache_hash() of the key. */
uint32_t cache_index_put(struct cache_index *x, uint32_t position, uint64_t hash);
/* It is in. */
void cache_index_take(struct cache_index *x, uint32_t position, uint64_t hash);

static inline uint64_t cache_index_key(const struct cache_index *x, uint32_t position)
{
	return *(const uint64_t *)(const void *)(x->keys + (uint64_t)position * x->stride);
}

static inline struct cache_bucket *cache_index_home(const struct cache_index *x, uint64_t hash)
{
	return &x->bucket[cache_scale(hash, x->buckets)];
}

/* Those of the bucket that may be it: the lower half of the hash, as the upper one says which bucket. */
static inline uint32_t cache_bucket_match(const struct cache_bucket *b, uint64_t hash)
{
#ifdef __SSE2__
	__m128i want = _mm_set1_epi32((int)hash), four = _mm_load_si128((const void *)b->hash), three = _mm_load_si128((const void *)(b->hash + 4));
	int match = _mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(four, want))) | _mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(three, want))) << 4;

	return (uint32_t)match & b->used;
#else
	uint32_t match = 0;

	for (unsigned int i = 0; i < CACHE_BUCKET; i++)
		match |= (uint32_t)(b->hash[i] == (uint32_t)hash) << i;
	return match & b->used;
#endif
}

static inline uint32_t cache_index_find(const struct cache_index *x, uint64_t key, uint64_t hash)
{
	const struct cache_bucket *b = cache_index_home(x, hash);

	for (;;) {
		for (uint32_t match = cache_bucket_match(b, hash); match; match &= match - 1) {
			uint32_t at = b->at[__builtin_ctz(match)];

			if (cache_index_key(x, at) == key)
				return at;
		}
		if (!b->passed)
			return CACHE_NONE;
		b = b + 1 == x->bucket + x->buckets ? x->bucket : b + 1;
	}
}

/* A key that will be looked for: first this, and when that has arrived, the next one. True: it seems to be there. */
CACHE_PREFETCH cache_index_prefetch(const struct cache_index *x, uint64_t hash)
{
	__builtin_prefetch(cache_index_home(x, hash));
}

static inline __attribute__((always_inline)) bool cache_index_prefetch_key(const struct cache_index *x, uint64_t hash)
{
	const struct cache_bucket *b = cache_index_home(x, hash);
	uint32_t match = cache_bucket_match(b, hash);

	if (match)
		__builtin_prefetch(x->keys + (uint64_t)b->at[__builtin_ctz(match)] * x->stride, 1);
	else if (b->passed)
		__builtin_prefetch(b + 1);
	return match;
}

/* ---- slots, and queues of them: circular lists; list i begins and ends at slot[slots + i] ---- */

struct cache_slot {
	uint64_t key;
	uint32_t younger, older; /* of a list itself: its oldest, its youngest */
	uint32_t pins;
	uint8_t mark; /* the policy's */
	uint8_t user; /* of whoever uses the cache; 0 at first */
};

#define CACHE_SKETCH_LINE 64

#define CACHE_ASIDE   (CACHE_NONE - 1) /* in younger, with older = CACHE_NONE: not queued */
#define CACHE_DROPPED (CACHE_NONE - 2)

struct cache {
	const struct cache_ops *ops;
	uint32_t slots, free; /* free: first free slot, the next one is its younger; CACHE_NONE */
	struct cache_slot *slot;
	struct cache_index index;
	struct cache_counts counts;
	uint64_t age_at; /* accesses when the policy's age() is called */
	uint8_t *sketch; /* LFU's: lines of CACHE_SKETCH_LINE, which the upper bits of a hash tell apart; else NULL and 0 */
	uint64_t sketch_lines;
	void *policy;
};

/* A policy. None of these is called for a free or dropped slot. @hash: of the key that is meant. */
struct cache_ops {
	const char *name;
	uint32_t lists;
	int (*create)(struct cache *c); /* makes c->policy; may be NULL */
	void (*destroy)(struct cache *c);
	void (*age)(struct cache *c);		     /* counts.accesses has become age_at: says when the next time is */
	void (*hit)(struct cache *c, uint32_t slot); /* queued or aside */
	/* Queued, not pinned, for a key; CACHE_NONE: the key does not get in. Sets aside what is pinned and in the way. */
	uint32_t (*victim)(struct cache *c, uint64_t hash);
	void (*leave)(struct cache *c, uint32_t slot, uint64_t hash);  /* its key leaves the cache, evicted or dropped; in no queue any more; may be NULL */
	void (*insert)(struct cache *c, uint32_t slot, uint64_t hash); /* has a new key */
	void (*enqueue)(struct cache *c, uint32_t slot);	       /* back from aside */
	void (*dequeue)(struct cache *c, uint32_t slot);	       /* queued: out of its queue */
};

extern const struct cache_ops cache_lru, cache_fifo, cache_clock, cache_sieve, cache_s3fifo, cache_lfu;

/* cache_access() of a key whose hash is known. */
uint32_t cache_access_hashed(struct cache *c, uint64_t key, uint64_t hash, uint32_t *into);

/* Before an access, a few accesses ahead, and the second one a few later: what it needs is fetched. */
CACHE_PREFETCH cache_prefetch(const struct cache *c, uint64_t hash)
{
	cache_index_prefetch(&c->index, hash);
}

CACHE_PREFETCH cache_prefetch_sketch(const struct cache *c, uint64_t hash)
{
	if (c->sketch)
		__builtin_prefetch(c->sketch + cache_scale(hash, c->sketch_lines) * CACHE_SKETCH_LINE, 1);
}

CACHE_PREFETCH cache_prefetch_slot(const struct cache *c, uint64_t hash)
{
	if (!cache_index_prefetch_key(&c->index, hash))
		cache_prefetch_sketch(c, hash);
}

#define CACHE_VICTIMS 8

/*
 * The same for the victims after @slot, which goes now. Following the queue would be one cache miss after the other; but slots were filled in their order,
 * and are filled again in the order in which they are given up, so that queues mostly go up by the slots' numbers.
 */
CACHE_PREFETCH cache_prefetch_victims(const struct cache *c, uint32_t slot)
{
	uint32_t next = c->slot[slot].younger;
	uint64_t hash;

	if (next < c->slots)
		__builtin_prefetch(&c->slot[next], 1);
	if (c->slots - slot <= CACHE_VICTIMS)
		return;
	hash = cache_hash(c->slot[slot + CACHE_VICTIMS].key);
	cache_prefetch(c, hash);
	cache_prefetch_sketch(c, hash);
}

static inline uint32_t cache_oldest(const struct cache *c, uint32_t list)
{
	uint32_t slot = c->slot[c->slots + list].younger;

	return slot == c->slots + list ? CACHE_NONE : slot;
}

static inline void cache_link(struct cache *c, uint32_t slot, uint32_t younger, uint32_t older)
{
	c->slot[slot].younger = younger;
	c->slot[slot].older = older;
}

static inline void cache_push_youngest(struct cache *c, uint32_t list, uint32_t slot)
{
	uint32_t head = c->slots + list, youngest = c->slot[head].older;

	cache_link(c, slot, head, youngest);
	c->slot[youngest].younger = slot;
	c->slot[head].older = slot;
}

static inline void cache_unlink(struct cache *c, uint32_t slot)
{
	uint32_t younger = c->slot[slot].younger, older = c->slot[slot].older;

	c->slot[older].younger = younger;
	c->slot[younger].older = older;
}

static inline bool cache_queued(const struct cache *c, uint32_t slot)
{
	return c->slot[slot].older != CACHE_NONE;
}

/* @slot is queued. True: it is pinned, and now aside. */
static inline bool cache_set_aside(struct cache *c, uint32_t slot)
{
	if (!c->slot[slot].pins)
		return false;
	c->ops->dequeue(c, slot);
	cache_link(c, slot, CACHE_ASIDE, CACHE_NONE);
	return true;
}

/* ---- cache_lfu.c, for its test ---- */

#define CACHE_LFU_AGE	 200 /* accesses for each slot until counts are halved */
#define CACHE_LFU_LEAST	 1024 /* accesses of a window, but as many as there are slots if these are more */
#define CACHE_LFU_EPOCH	 (1u << 19) /* accesses of an epoch at least: some batches */
#define CACHE_LFU_EPOCH_LEAST 4	    /* its windows at least */

/*
 * What is usual: the fewest hits that a window had in the last epoch that is over. Not the mean: a batch comes table by table, so its windows differ, but
 * each batch has windows of all kinds. So nothing is unusual before the second epoch, nor, as the cache was empty when the first began, before the third.
 */
struct cache_usual {
	uint64_t least;	  /* of the last epoch; 0: there was none */
	uint64_t so_far;  /* of this one */
	uint64_t windows; /* of this one, so far */
};

/* Windows of @accesses in an epoch. */
static inline uint64_t cache_usual_epoch(uint64_t accesses)
{
	uint64_t windows = CACHE_LFU_EPOCH / accesses + 1;

	return windows < CACHE_LFU_EPOCH_LEAST ? CACHE_LFU_EPOCH_LEAST : windows;
}

/* A window has had @hits, an epoch has @windows. True: that is far below what was usual, and not by chance (6 standard deviations). */
static inline bool cache_usual_drop(struct cache_usual *u, uint64_t hits, uint64_t windows)
{
	uint64_t usual = u->least, less = usual > hits ? usual - hits : 0;

	u->so_far = u->windows && u->so_far < hits ? u->so_far : hits;
	if (++u->windows == windows)
		*u = (struct cache_usual){ .least = u->so_far };
	return less > usual / 8 && (double)less * (double)less > 36.0 * (double)usual;
}

/* The four counters of a key in the sketch, all in one line of 64. */
static inline uint64_t cache_sketch_lines(uint32_t slots)
{
	return ((uint64_t)slots * 8 + CACHE_SKETCH_LINE - 1) / CACHE_SKETCH_LINE;
}

static inline void cache_sketch_places(uint64_t lines, uint64_t hash, uint64_t place[4])
{
	uint64_t line = cache_scale(hash, lines) * CACHE_SKETCH_LINE;

	/* The line is decided by the upper bits. */
	for (unsigned int i = 0; i < 4; i++)
		place[i] = line + 16 * i + (hash >> 4 * i & 15);
}

#endif
