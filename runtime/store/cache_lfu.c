// SPDX-License-Identifier: BSD-2-Clause
/*
 * Least frequently used. Slots with the same count are one queue, so the victim is the oldest of the first queue that is not empty, and a hit moves
 * a slot to the next one
 * (K. Shah, A. Mitra, D. Matani, "An O(1) algorithm for implementing the LFU cache eviction scheme", 2010).
 *
 * What is not in the cache is counted by a sketch of 8 bytes for each slot (TinyLFU; a count-min sketch with conservative update: C. Estan, G.
 * Varghese, SIGCOMM 2002): the count of
 * a key is the least of its four counters, and raising a count raises only the counters that are below it. A key's counters are in one line of 64,
 * so a miss costs one cache miss there.
 * Keys in the cache have exact counts in their mark and do not touch the sketch; otherwise the most frequent keys, whose counts nobody needs there,
 * would fill it.
 * When a key leaves the cache, its count goes back to the sketch.
 *
 * All counts are halved every CACHE_LFU_AGE * slots accesses, so that the past is forgotten. The key at the border of a cache with a tenth of the
 * keys and zipf 1.0 has counted to 35
 * by then; with TinyLFU's own 10 * slots and 4 bits it would be 3.5, which is mostly chance.
 */
#include <stdlib.h>
#include <string.h>

#include "cache_impl.h"

#define COUNTS 256 /* one queue for each */

struct lfu {
	uint64_t filled[COUNTS / 64]; /* queues that are not empty */
	uint8_t *sketch;
	uint64_t lines;
	uint64_t age; /* accesses since counts were halved */
};

static int create(struct cache *c)
{
	struct lfu *l = calloc(1, sizeof(*l));

	if (!l)
		return -1;
	c->policy = l;
	l->lines = cache_sketch_lines(c->slots);
	if (!l->lines)
		l->lines = 1;
	l->sketch = aligned_alloc(CACHE_SKETCH_LINE, l->lines * CACHE_SKETCH_LINE);
	if (!l->sketch)
		return -1;
	memset(l->sketch, 0, l->lines * CACHE_SKETCH_LINE);
	return 0;
}

static void destroy(struct cache *c)
{
	struct lfu *l = c->policy;

	free(l->sketch);
	free(l);
}

static unsigned int sketch_count(const struct lfu *l, uint64_t key)
{
	unsigned int least = COUNTS - 1;
	uint64_t place[4];

	cache_sketch_places(l->lines, key, place);
	for (int i = 0; i < 4; i++)
		if (l->sketch[place[i]] < least)
			least = l->sketch[place[i]];
	return least;
}

static void sketch_raise(struct lfu *l, uint64_t key, unsigned int count)
{
	uint64_t place[4];

	cache_sketch_places(l->lines, key, place);
	for (int i = 0; i < 4; i++)
		if (l->sketch[place[i]] < count)
			l->sketch[place[i]] = (uint8_t)count;
}

/* Of a key that is not in the cache, this access included */
static unsigned int next_count(const struct lfu *l, uint64_t key)
{
	unsigned int count = sketch_count(l, key);

	return count < COUNTS - 1 ? count + 1 : count;
}

static void enqueue(struct cache *c, uint32_t slot)
{
	struct lfu *l = c->policy;
	unsigned int count = c->mark[slot];

	cache_push_youngest(c, count, slot);
	l->filled[count / 64] |= 1ull << count % 64;
}

static void dequeue(struct cache *c, uint32_t slot)
{
	struct lfu *l = c->policy;
	unsigned int count = c->mark[slot];

	cache_unlink(c, slot);
	if (cache_oldest(c, count) == CACHE_NONE)
		l->filled[count / 64] &= ~(1ull << count % 64);
}

/* What is in list @from becomes younger than all in @to. */
static void move_list(struct cache *c, uint32_t from, uint32_t to)
{
	struct cache_link *f = &c->link[c->slots + from], *t = &c->link[c->slots + to];

	if (f->younger == c->slots + from)
		return;
	c->link[f->younger].older = t->older;
	c->link[t->older].younger = f->younger;
	c->link[f->older].younger = c->slots + to;
	t->older = f->older;
	*f = (struct cache_link){ .younger = c->slots + from, .older = c->slots + from };
}

static void halve(struct cache *c)
{
	struct lfu *l = c->policy;

	for (uint64_t i = 0; i < l->lines * CACHE_SKETCH_LINE; i++)
		l->sketch[i] /= 2;
	for (uint32_t i = 0; i < c->slots; i++)
		c->mark[i] /= 2;
	memset(l->filled, 0, sizeof(l->filled));
	for (uint32_t i = 0; i < COUNTS / 2; i++) {
		if (i)
			move_list(c, 2 * i, i);
		move_list(c, 2 * i + 1, i);
		if (cache_oldest(c, i) != CACHE_NONE)
			l->filled[i / 64] |= 1ull << i % 64;
	}
}

static void count_access(struct cache *c)
{
	struct lfu *l = c->policy;

	if (++l->age < (uint64_t)CACHE_LFU_AGE * c->slots)
		return;
	l->age = 0;
	halve(c);
}

static void hit(struct cache *c, uint32_t slot)
{
	bool queued = cache_queued(c, slot);

	if (queued)
		dequeue(c, slot);
	if (c->mark[slot] < COUNTS - 1)
		c->mark[slot]++;
	if (queued)
		enqueue(c, slot);
}

static uint32_t least_used(const struct cache *c)
{
	const struct lfu *l = c->policy;

	for (unsigned int i = 0; i < COUNTS / 64; i++)
		if (l->filled[i])
			return cache_oldest(c, 64 * i + (unsigned int)__builtin_ctzll(l->filled[i]));
	return CACHE_NONE;
}

static uint32_t victim(struct cache *c, uint64_t key)
{
	struct lfu *l = c->policy;
	unsigned int count = next_count(l, key);
	uint32_t slot;

	do
		slot = least_used(c);
	while (slot != CACHE_NONE && cache_set_aside(c, slot));
	if (slot != CACHE_NONE && count > c->mark[slot])
		return slot;
	sketch_raise(l, key, count);
	return CACHE_NONE;
}

static void leave(struct cache *c, uint32_t slot)
{
	sketch_raise(c->policy, c->key[slot], c->mark[slot]);
}

static void insert(struct cache *c, uint32_t slot)
{
	c->mark[slot] = (uint8_t)next_count(c->policy, c->key[slot]);
	enqueue(c, slot);
}

const struct cache_ops cache_lfu = {
	.name = "lfu",
	.lists = COUNTS,
	.marks = true,
	.create = create,
	.destroy = destroy,
	.access = count_access,
	.hit = hit,
	.victim = victim,
	.leave = leave,
	.insert = insert,
	.enqueue = enqueue,
	.dequeue = dequeue,
};
