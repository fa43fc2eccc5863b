/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which keys are kept in a fixed number of slots: replacement policies, by public descriptions. Pure: keys and slot numbers, no data.
 * One thread at a time; an access is O(1), amortised.
 *
 *   CACHE_LRU      least recently used
 *   CACHE_FIFO     first in, first out
 *   CACHE_CLOCK    second chance, one bit (F. J. Corbato, "A paging experiment with the Multics system", 1968)
 *   CACHE_SIEVE    Y. Zhang et al., "SIEVE is simpler than LRU: an efficient turn-key eviction algorithm for web caches", NSDI 2024
 *   CACHE_S3FIFO   J. Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023: small 10 %, main, ghost
 *   CACHE_LFU      least frequently used, with TinyLFU's admission and aging (G. Einziger et al., "TinyLFU: a highly efficient cache admission policy", ACM
 *                  TOS 2017): a miss gets in only when its key was asked for more often than the victim. Counts are 8 bits, exact in the cache, in a sketch
 *                  for the rest. All are halved every 200 * slots accesses, and after slots accesses (1024 at least) that had far fewer hits
 *                  than any so many of the last half a million had.
 *                  What to take when nothing else is known: nearest to Belady's, see tests/store/bench_cache.c
 *
 * Host memory for each slot, in bytes: 40 (LRU, FIFO, CLOCK, SIEVE), 62 (S3-FIFO), 48 (LFU).
 */
#ifndef SMARTSSD_STORE_CACHE_H
#define SMARTSSD_STORE_CACHE_H

#include <stdbool.h>
#include <stdint.h>

enum cache_policy { CACHE_LRU, CACHE_FIFO, CACHE_CLOCK, CACHE_SIEVE, CACHE_S3FIFO, CACHE_LFU, CACHE_POLICIES };

#define CACHE_NONE	UINT32_MAX
#define CACHE_MAX_SLOTS (UINT32_MAX - 1024)

struct cache;

const char *cache_policy_name(enum cache_policy p); /* "lru", "fifo", "clock", "sieve", "s3-fifo", "lfu"; NULL: no such policy */
int cache_policy_by_name(const char *name, enum cache_policy *p); /* -EINVAL */
/* @slots 0 is fine: never hits. -EINVAL: no such policy, more than CACHE_MAX_SLOTS; -ENOMEM. */
int cache_create(enum cache_policy policy, uint32_t slots, struct cache **out);
void cache_destroy(struct cache *c);
/*
 * An access to @key. The slot that holds it (hit), or CACHE_NONE (miss): then, when the policy wants it, *into is the slot to fill (what was in it is
 * forgotten, @key is in it from now on), else CACHE_NONE. A slot that is pinned is never given away.
 */
uint32_t cache_access(struct cache *c, uint64_t key, uint32_t *into);
/* Without counting as an access: the slot that holds @key, or CACHE_NONE. */
uint32_t cache_peek(const struct cache *c, uint64_t key);
/*
 * While a batch uses a slot, it may not be given to another key. Counted: as many cache_unpin() as cache_pin(). Only for a slot that cache_access() or
 * cache_peek() named, and that was not given away or dropped since. A pinned slot whose turn to go comes stands aside; after its last unpin it is the
 * youngest of its queue.
 */
void cache_pin(struct cache *c, uint32_t slot);
void cache_unpin(struct cache *c, uint32_t slot);
/* Forget @key (its row was updated, or filling its slot failed). A pinned slot gets free with its last unpin. False: not there. */
bool cache_drop(struct cache *c, uint64_t key);

struct cache_counts {
	uint64_t accesses, hits, filled, refused; /* refused: misses that were not let in, by the policy or because all is pinned */
};

void cache_counts(const struct cache *c, struct cache_counts *out);

/*
 * Belady's optimum over a whole trace with @slots: how many of the accesses from number @from on are hits (those before only warm the cache). Every
 * miss has to be let in, as in Belady's paper; @bypass: it may also be refused. For comparison: 18 bytes of memory for each access. -ENOMEM; -EOVERFLOW: @nr
 * above CACHE_MAX_SLOTS.
 */
int cache_belady(const uint64_t *keys, uint64_t nr, uint32_t slots, bool bypass, uint64_t from, uint64_t *hits);

#endif
