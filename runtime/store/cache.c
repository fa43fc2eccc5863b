// SPDX-License-Identifier: BSD-2-Clause
/* Slots, keys and pins; who has to go is the policies' matter (cache_queue.c, cache_s3fifo.c, cache_lfu.c). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache_impl.h"

static const struct cache_ops *const policies[CACHE_POLICIES] = {
	[CACHE_LRU] = &cache_lru,     [CACHE_FIFO] = &cache_fifo,     [CACHE_CLOCK] = &cache_clock,
	[CACHE_SIEVE] = &cache_sieve, [CACHE_S3FIFO] = &cache_s3fifo, [CACHE_LFU] = &cache_lfu,
};

const char *cache_policy_name(enum cache_policy p)
{
	return (unsigned int)p < CACHE_POLICIES ? policies[p]->name : NULL;
}

int cache_policy_by_name(const char *name, enum cache_policy *p)
{
	for (unsigned int i = 0; i < CACHE_POLICIES; i++)
		if (!strcmp(policies[i]->name, name)) {
			*p = (enum cache_policy)i;
			return 0;
		}
	return -EINVAL;
}

static void put_free(struct cache *c, uint32_t slot)
{
	c->link[slot] = (struct cache_link){ .younger = c->free, .older = CACHE_NONE };
	c->free = slot;
}

int cache_create(enum cache_policy policy, uint32_t slots, struct cache **out)
{
	struct cache *c;
	uint64_t links;

	*out = NULL;
	if ((unsigned int)policy >= CACHE_POLICIES || slots > CACHE_MAX_SLOTS)
		return -EINVAL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->ops = policies[policy];
	c->slots = slots;
	c->free = CACHE_NONE;
	links = (uint64_t)slots + c->ops->lists;
	/* One more than are needed, as there may be none. */
	c->key = calloc((size_t)slots + 1, sizeof(*c->key));
	c->pins = calloc((size_t)slots + 1, sizeof(*c->pins));
	c->link = calloc(links, sizeof(*c->link));
	c->mark = c->ops->marks ? calloc((size_t)slots + 1, 1) : NULL;
	if (!c->key || !c->pins || !c->link || (c->ops->marks && !c->mark) || cache_index_init(&c->index, c->key, slots) ||
	    (c->ops->create && c->ops->create(c))) {
		cache_destroy(c);
		return -ENOMEM;
	}
	for (uint64_t l = slots; l < links; l++)
		c->link[l] = (struct cache_link){ .younger = (uint32_t)l, .older = (uint32_t)l };
	for (uint32_t s = slots; s-- > 0;)
		put_free(c, s);
	*out = c;
	return 0;
}

void cache_destroy(struct cache *c)
{
	if (!c)
		return;
	if (c->ops->destroy && c->policy)
		c->ops->destroy(c);
	free(c->index.at);
	free(c->mark);
	free(c->link);
	free(c->pins);
	free(c->key);
	free(c);
}

uint32_t cache_access(struct cache *c, uint64_t key, uint32_t *into)
{
	uint32_t slot = cache_index_find(&c->index, key);

	*into = CACHE_NONE;
	c->counts.accesses++;
	if (c->ops->access)
		c->ops->access(c);
	if (slot != CACHE_NONE) {
		c->counts.hits++;
		c->ops->hit(c, slot);
		return slot;
	}
	if (c->free == CACHE_NONE) {
		slot = c->slots ? c->ops->victim(c, key) : CACHE_NONE;
		if (slot == CACHE_NONE) {
			c->counts.refused++;
			return CACHE_NONE;
		}
		c->ops->dequeue(c, slot);
		if (c->ops->leave)
			c->ops->leave(c, slot);
		cache_index_take(&c->index, slot);
	} else {
		slot = c->free;
		c->free = c->link[slot].younger;
	}
	c->key[slot] = key;
	cache_index_put(&c->index, slot);
	c->ops->insert(c, slot);
	c->counts.filled++;
	*into = slot;
	return CACHE_NONE;
}

uint32_t cache_peek(const struct cache *c, uint64_t key)
{
	return cache_index_find(&c->index, key);
}

void cache_pin(struct cache *c, uint32_t slot)
{
	c->pins[slot]++;
}

void cache_unpin(struct cache *c, uint32_t slot)
{
	if (--c->pins[slot] || cache_queued(c, slot))
		return;
	if (c->link[slot].younger == CACHE_ASIDE)
		c->ops->enqueue(c, slot);
	else
		put_free(c, slot);
}

bool cache_drop(struct cache *c, uint64_t key)
{
	uint32_t slot = cache_index_find(&c->index, key);

	if (slot == CACHE_NONE)
		return false;
	cache_index_take(&c->index, slot);
	if (cache_queued(c, slot))
		c->ops->dequeue(c, slot);
	if (c->ops->leave)
		c->ops->leave(c, slot);
	if (c->pins[slot])
		c->link[slot] = (struct cache_link){ .younger = CACHE_DROPPED, .older = CACHE_NONE };
	else
		put_free(c, slot);
	return true;
}

void cache_counts(const struct cache *c, struct cache_counts *out)
{
	*out = c->counts;
}
