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
	cache_link(c, slot, c->free, CACHE_NONE);
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
	c->slot = cache_alloc(links, sizeof(*c->slot));
	if (!c->slot || cache_index_init(&c->index, &c->slot->key, sizeof(*c->slot), slots) || (c->ops->create && c->ops->create(c))) {
		cache_destroy(c);
		return -ENOMEM;
	}
	for (uint64_t l = slots; l < links; l++)
		cache_link(c, (uint32_t)l, (uint32_t)l, (uint32_t)l);
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
	cache_index_free(&c->index);
	free(c->sketch);
	free(c->slot);
	free(c);
}

uint32_t cache_access_hashed(struct cache *c, uint64_t key, uint64_t hash, uint32_t *into)
{
	uint32_t slot = cache_index_find(&c->index, key, hash);

	*into = CACHE_NONE;
	if (++c->counts.accesses == c->age_at)
		c->ops->age(c);
	if (slot != CACHE_NONE) {
		c->counts.hits++;
		c->ops->hit(c, slot);
		return slot;
	}
	if (c->free == CACHE_NONE) {
		uint64_t gone;

		slot = c->slots ? c->ops->victim(c, hash) : CACHE_NONE;
		if (slot == CACHE_NONE) {
			c->counts.refused++;
			return CACHE_NONE;
		}
		cache_prefetch_victims(c, slot);
		gone = cache_hash(c->slot[slot].key);
		c->ops->dequeue(c, slot);
		if (c->ops->leave)
			c->ops->leave(c, slot, gone);
		cache_index_take(&c->index, slot, gone);
	} else {
		slot = c->free;
		c->free = c->slot[slot].younger;
	}
	c->slot[slot].key = key;
	cache_index_put(&c->index, slot, hash);
	c->ops->insert(c, slot, hash);
	c->counts.filled++;
	*into = slot;
	return CACHE_NONE;
}

uint32_t cache_access(struct cache *c, uint64_t key, uint32_t *into)
{
	return cache_access_hashed(c, key, cache_hash(key), into);
}

uint32_t cache_peek(const struct cache *c, uint64_t key)
{
	return cache_index_find(&c->index, key, cache_hash(key));
}

void cache_pin(struct cache *c, uint32_t slot)
{
	c->slot[slot].pins++;
}

void cache_unpin(struct cache *c, uint32_t slot)
{
	if (--c->slot[slot].pins || cache_queued(c, slot))
		return;
	if (c->slot[slot].younger == CACHE_ASIDE)
		c->ops->enqueue(c, slot);
	else
		put_free(c, slot);
}

bool cache_drop(struct cache *c, uint64_t key)
{
	uint64_t hash = cache_hash(key);
	uint32_t slot = cache_index_find(&c->index, key, hash);

	if (slot == CACHE_NONE)
		return false;
	cache_index_take(&c->index, slot, hash);
	if (cache_queued(c, slot))
		c->ops->dequeue(c, slot);
	if (c->ops->leave)
		c->ops->leave(c, slot, hash);
	if (c->slot[slot].pins)
		cache_link(c, slot, CACHE_DROPPED, CACHE_NONE);
	else
		put_free(c, slot);
	return true;
}

void cache_counts(const struct cache *c, struct cache_counts *out)
{
	*out = c->counts;
}
