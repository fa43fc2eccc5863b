// SPDX-License-Identifier: BSD-2-Clause
/*
 * Least frequently used. There is a queue for each count (K. Shah, A. Mitra, D. Matani, "An O(1) algorithm for implementing the LFU cache eviction scheme",
 * 2010), but a hit only counts: a slot goes on to its count's queue when it is the oldest of the lowest queue and so would be the victim. What is in a queue
 * has counted at least so far; the first one that has counted no further has the least count of all. So a hit touches nothing but its slot.
 *
 * What is not in the cache is counted by a sketch of 8 bytes for each slot (TinyLFU; a count-min sketch with conservative update: C. Estan, G. Varghese,
 * SIGCOMM 2002): the count of a key is the least of its four counters, and raising a count raises only the counters that are below it. A key's counters are
 * in one line of 64, so a miss costs one cache miss there. Keys in the cache have exact counts in their mark and do not touch the sketch; otherwise the most
 * frequent keys, whose counts nobody needs there, would fill it. When a key leaves the cache, its count goes back to the sketch.
 *
 * All counts are halved every CACHE_LFU_AGE * slots accesses, so that the past is forgotten. The key at the border of a cache with a tenth of a million keys
 * and zipf 1.0 has counted to 14 by then, and to 28 with what is left of before; with TinyLFU's own 10 * slots and 4 bits it would be 1, which is mostly
 * chance. Independent draws have no use for halving at all; where popularities change, counts that are so slow to go keep the old keys in. That is seen by
 * the hits: after each window that has far fewer of them than any window of the last epoch, counts are halved, too. Than any, not than the mean: a batch
 * comes table by table, so that windows differ while popularities do not, and counts that are halved all the time are worth nothing. An epoch has
 * CACHE_LFU_EPOCH accesses at least, so that it has all kinds of windows.
 */
#include <stdlib.h>
#include <string.h>

#include "../private.h"
#include "cache_impl.h"

#define COUNTS 256 /* one queue for each */

struct lfu {
	uint64_t filled[COUNTS / 64]; /* queues that are not empty, and some that have become so */
	uint64_t window, hits_before; /* accesses of a window; hits before this one */
	uint64_t halve_at;	      /* accesses */
	struct cache_usual usual;
};

static int create(struct cache *c)
{
	struct lfu *l = calloc(1, sizeof(*l));

	c->policy = l;
	c->sketch_lines = max_u64(cache_sketch_lines(c->slots), 1);
	c->sketch = cache_alloc(c->sketch_lines, CACHE_SKETCH_LINE);
	if (!l || !c->sketch)
		return -1;
	l->window = max_u64(c->slots, CACHE_LFU_LEAST);
	l->halve_at = (uint64_t)CACHE_LFU_AGE * c->slots;
	c->age_at = l->window;
	return 0;
}

static void destroy(struct cache *c)
{
	free(c->policy);
}

/* Of a key that is not in the cache, this access included */
static unsigned int next_count(const struct cache *c, uint64_t hash)
{
	unsigned int least = COUNTS - 2;
	uint64_t place[4];

	cache_sketch_places(c->sketch_lines, hash, place);
	for (int i = 0; i < 4; i++)
		least = c->sketch[place[i]] < least ? c->sketch[place[i]] : least;
	return least + 1;
}

static void sketch_raise(struct cache *c, uint64_t hash, unsigned int count)
{
	uint64_t place[4];

	cache_sketch_places(c->sketch_lines, hash, place);
	/* Written in any case: no branch to guess wrong. */
	for (int i = 0; i < 4; i++)
		c->sketch[place[i]] = (uint8_t)(c->sketch[place[i]] < count ? count : c->sketch[place[i]]);
}

static void enqueue(struct cache *c, uint32_t slot)
{
	struct lfu *l = c->policy;
	unsigned int count = c->slot[slot].mark;

	cache_push_youngest(c, count, slot);
	l->filled[count / 64] |= 1ull << count % 64;
}

/* What is in list @from becomes younger than all in @to. */
static void move_list(struct cache *c, uint32_t from, uint32_t to)
{
	struct cache_slot *f = &c->slot[c->slots + from], *t = &c->slot[c->slots + to];

	if (f->younger == c->slots + from)
		return;
	c->slot[f->younger].older = t->older;
	c->slot[t->older].younger = f->younger;
	c->slot[f->older].younger = c->slots + to;
	t->older = f->older;
	f->younger = f->older = c->slots + from;
}

static void halve(struct cache *c)
{
	struct lfu *l = c->policy;

	for (uint64_t i = 0; i < c->sketch_lines * CACHE_SKETCH_LINE; i++)
		c->sketch[i] /= 2;
	for (uint32_t i = 0; i < c->slots; i++)
		c->slot[i].mark /= 2;
	memset(l->filled, 0, sizeof(l->filled));
	for (uint32_t i = 0; i < COUNTS / 2; i++) {
		if (i)
			move_list(c, 2 * i, i);
		move_list(c, 2 * i + 1, i);
		if (cache_oldest(c, i) != CACHE_NONE)
			l->filled[i / 64] |= 1ull << i % 64;
	}
}

/* The end of a window. */
static void age(struct cache *c)
{
	struct lfu *l = c->policy;
	bool drop = cache_usual_drop(&l->usual, c->counts.hits - l->hits_before, cache_usual_epoch(l->window));

	c->age_at += l->window;
	l->hits_before = c->counts.hits;
	if (c->counts.accesses < l->halve_at && !drop)
		return;
	l->halve_at = c->counts.accesses + (uint64_t)CACHE_LFU_AGE * c->slots;
	halve(c);
}

static void hit(struct cache *c, uint32_t slot)
{
	if (c->slot[slot].mark < COUNTS - 1)
		c->slot[slot].mark++;
}

/* The oldest of those with the least count that are not pinned. */
static uint32_t least_used(struct cache *c)
{
	struct lfu *l = c->policy;

	for (unsigned int count = 0; count < COUNTS;) {
		uint64_t filled = l->filled[count / 64] >> count % 64;
		uint32_t slot;

		if (!filled) {
			count = (count / 64 + 1) * 64;
			continue;
		}
		count += (unsigned int)__builtin_ctzll(filled);
		slot = cache_oldest(c, count);
		if (slot == CACHE_NONE) {
			l->filled[count / 64] &= ~(1ull << count % 64);
		} else if (c->slot[slot].mark > count) {
			cache_prefetch_victims(c, slot);
			cache_unlink(c, slot);
			enqueue(c, slot);
		} else if (!cache_set_aside(c, slot)) {
			return slot;
		}
	}
	return CACHE_NONE;
}

static uint32_t victim(struct cache *c, uint64_t hash)
{
	unsigned int count = next_count(c, hash);
	uint32_t slot = least_used(c);

	if (slot != CACHE_NONE && count > c->slot[slot].mark)
		return slot;
	sketch_raise(c, hash, count);
	return CACHE_NONE;
}

static void leave(struct cache *c, uint32_t slot, uint64_t hash)
{
	sketch_raise(c, hash, c->slot[slot].mark);
}

static void insert(struct cache *c, uint32_t slot, uint64_t hash)
{
	c->slot[slot].mark = (uint8_t)next_count(c, hash);
	enqueue(c, slot);
}

const struct cache_ops cache_lfu = {
	.name = "lfu",
	.lists = COUNTS,
	.create = create,
	.destroy = destroy,
	.age = age,
	.hit = hit,
	.victim = victim,
	.leave = leave,
	.insert = insert,
	.enqueue = enqueue,
	.dequeue = cache_unlink,
};
