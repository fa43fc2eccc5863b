// SPDX-License-Identifier: BSD-2-Clause
/*
 * The policies with one queue, the oldest at its end.
 *
 *            a hit                   the victim
 *   FIFO     -                       the oldest
 *   LRU      makes it the youngest   the oldest
 *   CLOCK    sets its bit            the oldest without its bit; one with it loses it and becomes the youngest
 *   SIEVE    sets its bit            a hand goes from the oldest to the youngest and begins again; what has its bit loses it and stays, the first
 *   without it goes
 */
#include <stdlib.h>

#include "cache_impl.h"

static void append(struct cache *c, uint32_t slot)
{
	cache_push_youngest(c, 0, slot);
}

static void insert(struct cache *c, uint32_t slot, uint64_t hash)
{
	(void)hash;
	c->slot[slot].mark = 0;
	cache_push_youngest(c, 0, slot);
}

static void ignore_hit(struct cache *c, uint32_t slot)
{
	(void)c;
	(void)slot;
}

static void mark_hit(struct cache *c, uint32_t slot)
{
	c->slot[slot].mark = 1;
}

static void lru_hit(struct cache *c, uint32_t slot)
{
	if (!cache_queued(c, slot))
		return;
	cache_unlink(c, slot);
	cache_push_youngest(c, 0, slot);
}

static uint32_t oldest_victim(struct cache *c, uint64_t hash)
{
	uint32_t slot;

	(void)hash;
	do
		slot = cache_oldest(c, 0);
	while (slot != CACHE_NONE && cache_set_aside(c, slot));
	return slot;
}

static uint32_t clock_victim(struct cache *c, uint64_t hash)
{
	for (;;) {
		uint32_t slot = oldest_victim(c, hash);

		if (slot == CACHE_NONE || !c->slot[slot].mark)
			return slot;
		cache_unlink(c, slot);
		c->slot[slot].mark = 0;
		cache_push_youngest(c, 0, slot);
	}
}

/* c->policy: the slot under the hand; the list itself when it begins at the oldest. */
static int sieve_create(struct cache *c)
{
	uint32_t *hand = malloc(sizeof(*hand));

	if (!hand)
		return -1;
	*hand = c->slots;
	c->policy = hand;
	return 0;
}

static void sieve_destroy(struct cache *c)
{
	free(c->policy);
}

static void sieve_dequeue(struct cache *c, uint32_t slot)
{
	uint32_t *hand = c->policy;

	if (*hand == slot)
		*hand = c->slot[slot].younger;
	cache_unlink(c, slot);
}

static uint32_t sieve_victim(struct cache *c, uint64_t hash)
{
	uint32_t *hand = c->policy;

	(void)hash;
	for (;;) {
		if (*hand == c->slots)
			*hand = c->slot[c->slots].younger;
		if (*hand == c->slots)
			return CACHE_NONE;
		if (cache_set_aside(c, *hand))
			continue;
		if (!c->slot[*hand].mark)
			return *hand;
		c->slot[*hand].mark = 0;
		*hand = c->slot[*hand].younger;
	}
}

const struct cache_ops cache_lru = {
	.name = "lru", .lists = 1, .hit = lru_hit, .victim = oldest_victim, .insert = insert, .enqueue = append, .dequeue = cache_unlink,
};

const struct cache_ops cache_fifo = {
	.name = "fifo", .lists = 1, .hit = ignore_hit, .victim = oldest_victim, .insert = insert, .enqueue = append, .dequeue = cache_unlink,
};

const struct cache_ops cache_clock = {
	.name = "clock",
	.lists = 1,
	.hit = mark_hit,
	.victim = clock_victim,
	.insert = insert,
	.enqueue = append,
	.dequeue = cache_unlink,
};

const struct cache_ops cache_sieve = {
	.name = "sieve",
	.lists = 1,
	.create = sieve_create,
	.destroy = sieve_destroy,
	.hit = mark_hit,
	.victim = sieve_victim,
	.insert = insert,
	.enqueue = append,
	.dequeue = sieve_dequeue,
};
