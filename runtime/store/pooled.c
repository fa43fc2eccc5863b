// SPDX-License-Identifier: BSD-2-Clause
/*
 * Bags in hash chains, in the LRU list, and in the list of their table. The hash does not depend on the order of the indices, so that a bag which is
 * not kept is known
 * without sorting it.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cache_impl.h"
#include "pooled.h"

#define MALLOC_BYTES 16 /* that an allocation takes beside its own */
#define OWNERS	     256

struct list {
	struct list *next, *previous;
};

/* A table of which something is kept. */
struct owner {
	struct owner *next; /* in the same chain */
	struct list bags;
	uint64_t table;
};

struct bag {
	struct list lru, of_owner;
	struct bag *next; /* in the same chain */
	struct owner *owner;
	uint64_t hash, nr, bytes;
	uint32_t mean, dim;
	int64_t indices[]; /* sorted; then dim floats */
};

struct pooled {
	uint64_t budget, chains; /* chains: a power of two */
	struct bag **chain;
	struct owner *owner[OWNERS];
	struct list lru; /* next: the youngest */
	int64_t *sorted; /* scratch */
	uint64_t sorted_room;
	struct pooled_counts counts;
};

#define of_list(at, type, member) ((type *)((char *)(at) - offsetof(type, member)))

static void list_add(struct list *head, struct list *at)
{
	*at = (struct list){ .next = head->next, .previous = head };
	head->next->previous = at;
	head->next = at;
}

static void list_take(struct list *at)
{
	at->previous->next = at->next;
	at->next->previous = at->previous;
}

int pooled_create(uint64_t bytes, struct pooled **out)
{
	struct pooled *p = calloc(1, sizeof(*p));

	*out = NULL;
	if (!p)
		return -ENOMEM;
	/* A bag takes 200 to 1000 bytes. */
	for (p->chains = 16; p->chains < bytes / 512 && p->chains < 1ull << 40; p->chains *= 2)
		;
	p->chain = calloc(p->chains, sizeof(*p->chain));
	if (!p->chain) {
		free(p);
		return -ENOMEM;
	}
	p->budget = bytes;
	p->counts.bytes = p->chains * sizeof(*p->chain);
	p->lru = (struct list){ .next = &p->lru, .previous = &p->lru };
	*out = p;
	return 0;
}

static void remove_bag(struct pooled *p, struct bag *bag)
{
	struct bag **at = &p->chain[bag->hash & (p->chains - 1)];
	struct owner *owner = bag->owner, **o = &p->owner[cache_hash(owner->table) % OWNERS];

	while (*at != bag)
		at = &(*at)->next;
	*at = bag->next;
	list_take(&bag->lru);
	list_take(&bag->of_owner);
	p->counts.kept--;
	p->counts.bytes -= bag->bytes;
	free(bag);
	if (owner->bags.next != &owner->bags)
		return;
	while (*o != owner)
		o = &(*o)->next;
	*o = owner->next;
	p->counts.bytes -= sizeof(*owner) + MALLOC_BYTES;
	free(owner);
}

void pooled_destroy(struct pooled *p)
{
	if (!p)
		return;
	while (p->lru.next != &p->lru)
		remove_bag(p, of_list(p->lru.next, struct bag, lru));
	free(p->sorted);
	free(p->chain);
	free(p);
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t hash_of(uint64_t table, uint32_t mean, const int64_t *indices, uint64_t nr, uint32_t dim)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < nr; i++)
		sum += cache_hash((uint64_t)indices[i] + 1);
	return cache_hash(sum ^ cache_hash(table + cache_hash(nr ^ (uint64_t)dim << 32 ^ (uint64_t)(mean != 0) << 63)));
}

/* What is kept for that, or NULL. */
static struct bag *search(struct pooled *p, uint64_t hash, uint64_t table, uint32_t mean, const int64_t *indices, uint64_t nr, uint32_t dim)
{
	bool sorted = false;

	for (struct bag *bag = p->chain[hash & (p->chains - 1)]; bag; bag = bag->next) {
		if (bag->hash != hash || bag->nr != nr || bag->dim != dim || bag->mean != (mean != 0) || bag->owner->table != table)
			continue;
		if (!sorted) {
			if (nr > p->sorted_room) {
				int64_t *room = realloc(p->sorted, nr * sizeof(*room));

				if (!room)
					return NULL;
				p->sorted = room;
				p->sorted_room = nr;
			}
			if (nr) {
				memcpy(p->sorted, indices, nr * sizeof(*indices));
				qsort(p->sorted, nr, sizeof(*indices), by_value);
			}
			sorted = true;
		}
		if (!nr || !memcmp(bag->indices, p->sorted, nr * sizeof(*indices)))
			return bag;
	}
	return NULL;
}

bool pooled_find(struct pooled *p, uint64_t table, uint32_t mean, const int64_t *indices, uint64_t nr, uint32_t dim, float *y)
{
	struct bag *bag = search(p, hash_of(table, mean, indices, nr, dim), table, mean, indices, nr, dim);

	p->counts.asked++;
	if (!bag)
		return false;
	p->counts.hits++;
	list_take(&bag->lru);
	list_add(&p->lru, &bag->lru);
	memcpy(y, bag->indices + nr, dim * sizeof(*y));
	return true;
}

static struct owner *owner_of(struct pooled *p, uint64_t table)
{
	struct owner *o = p->owner[cache_hash(table) % OWNERS];

	while (o && o->table != table)
		o = o->next;
	return o;
}

void pooled_keep(struct pooled *p, uint64_t table, uint32_t mean, const int64_t *indices, uint64_t nr, uint32_t dim, const float *y)
{
	const uint64_t fixed = p->chains * sizeof(*p->chain), owner_bytes = sizeof(struct owner) + MALLOC_BYTES;
	uint64_t bytes, hash;
	struct owner *owner;
	struct bag *bag;

	if (nr > p->budget / sizeof(*indices))
		return;
	bytes = sizeof(*bag) + MALLOC_BYTES + nr * sizeof(*indices) + dim * sizeof(*y);
	if (fixed > p->budget || bytes + owner_bytes > p->budget - fixed)
		return;
	hash = hash_of(table, mean, indices, nr, dim);
	bag = search(p, hash, table, mean, indices, nr, dim);
	if (bag)
		remove_bag(p, bag);
	while (p->counts.bytes + bytes + owner_bytes > p->budget)
		remove_bag(p, of_list(p->lru.previous, struct bag, lru));
	bag = malloc(sizeof(*bag) + nr * sizeof(*indices) + dim * sizeof(*y));
	owner = owner_of(p, table);
	if (bag && !owner) {
		owner = malloc(sizeof(*owner));
		if (owner) {
			struct owner **chain = &p->owner[cache_hash(table) % OWNERS];

			*owner = (struct owner){ .next = *chain, .bags = { &owner->bags, &owner->bags }, .table = table };
			*chain = owner;
			p->counts.bytes += owner_bytes;
		}
	}
	if (!bag || !owner) {
		free(bag);
		return;
	}
	*bag = (struct bag){ .owner = owner, .hash = hash, .nr = nr, .bytes = bytes, .mean = mean != 0, .dim = dim };
	if (nr) {
		memcpy(bag->indices, indices, nr * sizeof(*indices));
		qsort(bag->indices, nr, sizeof(*indices), by_value);
	}
	memcpy(bag->indices + nr, y, dim * sizeof(*y));
	bag->next = p->chain[hash & (p->chains - 1)];
	p->chain[hash & (p->chains - 1)] = bag;
	list_add(&p->lru, &bag->lru);
	list_add(&owner->bags, &bag->of_owner);
	p->counts.kept++;
	p->counts.bytes += bytes;
}

void pooled_forget(struct pooled *p, uint64_t table)
{
	struct owner *owner;

	/* The owner goes with its last bag. */
	while ((owner = owner_of(p, table)))
		remove_bag(p, of_list(owner->bags.next, struct bag, of_owner));
}

void pooled_counts(const struct pooled *p, struct pooled_counts *out)
{
	*out = p->counts;
}
