// SPDX-License-Identifier: BSD-2-Clause
/*
 * S3-FIFO: new keys enter a small queue of 10 % of the slots. At its end, one that was asked for more than once since goes on to the main queue;
 * another is evicted and
 * its key remembered in the ghost queue, which is as long as the main one. A key that comes back while it is there enters the main queue at once. At
 * the end of the main queue, a
 * key that was asked for has another round, up to three.
 *
 * The ghost queue is a ring of keys in the order of their eviction; one that came back leaves its place empty.
 */
#include <stdlib.h>

#include "cache_impl.h"

enum { SMALL, MAIN };

#define MARK_MAIN  0x80 /* which queue, also while aside */
#define MARK_COUNT 0x03

struct s3fifo {
	uint32_t small_room, main_room; /* main_room: also of the ghost queue */
	uint32_t length[2];
	uint64_t *ghost;
	uint8_t *ghost_used;
	uint32_t ghost_at; /* the oldest, which is replaced next */
	struct cache_index index;
};

static void destroy(struct cache *c)
{
	struct s3fifo *s = c->policy;

	cache_index_free(&s->index);
	free(s->ghost);
	free(s->ghost_used);
	free(s);
}

static int create(struct cache *c)
{
	struct s3fifo *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	c->policy = s;
	s->small_room = c->slots / 10 ? c->slots / 10 : 1;
	s->main_room = c->slots > s->small_room ? c->slots - s->small_room : 0;
	s->ghost = calloc((size_t)s->main_room + 1, sizeof(*s->ghost));
	s->ghost_used = calloc((size_t)s->main_room + 1, 1);
	return !s->ghost || !s->ghost_used || cache_index_init(&s->index, s->ghost, sizeof(*s->ghost), s->main_room) ? -1 : 0;
}

static uint32_t queue_of(const struct cache *c, uint32_t slot)
{
	return c->slot[slot].mark & MARK_MAIN ? MAIN : SMALL;
}

static void enqueue(struct cache *c, uint32_t slot)
{
	struct s3fifo *s = c->policy;

	s->length[queue_of(c, slot)]++;
	cache_push_youngest(c, queue_of(c, slot), slot);
}

static void dequeue(struct cache *c, uint32_t slot)
{
	struct s3fifo *s = c->policy;

	s->length[queue_of(c, slot)]--;
	cache_unlink(c, slot);
}

static void hit(struct cache *c, uint32_t slot)
{
	if ((c->slot[slot].mark & MARK_COUNT) < 3)
		c->slot[slot].mark++;
}

static void insert(struct cache *c, uint32_t slot, uint64_t hash)
{
	struct s3fifo *s = c->policy;
	uint32_t ghost = cache_index_find(&s->index, c->slot[slot].key, hash);

	c->slot[slot].mark = 0;
	if (ghost != CACHE_NONE) {
		cache_index_take(&s->index, ghost, hash);
		s->ghost_used[ghost] = 0;
		c->slot[slot].mark = MARK_MAIN;
	}
	enqueue(c, slot);
}

static void leave(struct cache *c, uint32_t slot, uint64_t hash)
{
	struct s3fifo *s = c->policy;

	if (queue_of(c, slot) == MAIN || !s->main_room)
		return;
	if (s->ghost_used[s->ghost_at])
		cache_index_take(&s->index, s->ghost_at, cache_hash(s->ghost[s->ghost_at]));
	s->ghost[s->ghost_at] = c->slot[slot].key;
	s->ghost_used[s->ghost_at] = 1;
	cache_index_put(&s->index, s->ghost_at, hash);
	s->ghost_at = s->ghost_at + 1 == s->main_room ? 0 : s->ghost_at + 1;
}

/* Of the main queue; CACHE_NONE: nobody is left there. */
static uint32_t main_victim(struct cache *c)
{
	for (;;) {
		uint32_t slot = cache_oldest(c, MAIN);

		if (slot == CACHE_NONE)
			return slot;
		if (cache_set_aside(c, slot))
			continue;
		if (!(c->slot[slot].mark & MARK_COUNT))
			return slot;
		c->slot[slot].mark--;
		cache_unlink(c, slot);
		cache_push_youngest(c, MAIN, slot);
	}
}

static uint32_t victim(struct cache *c, uint64_t hash)
{
	struct s3fifo *s = c->policy;

	(void)hash;
	for (;;) {
		uint32_t slot = cache_oldest(c, SMALL);

		if (slot == CACHE_NONE || (s->length[SMALL] < s->small_room && s->length[MAIN])) {
			slot = main_victim(c);
			if (slot != CACHE_NONE || !s->length[SMALL])
				return slot;
			continue; /* all of the main queue stood aside */
		}
		if (cache_set_aside(c, slot))
			continue;
		if ((c->slot[slot].mark & MARK_COUNT) < 2)
			return slot;
		dequeue(c, slot);
		c->slot[slot].mark = MARK_MAIN;
		enqueue(c, slot);
		if (s->length[MAIN] > s->main_room) {
			slot = main_victim(c);
			if (slot != CACHE_NONE)
				return slot;
		}
	}
}

const struct cache_ops cache_s3fifo = {
	.name = "s3-fifo",
	.lists = 2,
	.create = create,
	.destroy = destroy,
	.hit = hit,
	.victim = victim,
	.leave = leave,
	.insert = insert,
	.enqueue = enqueue,
	.dequeue = dequeue,
};
