// SPDX-License-Identifier: BSD-2-Clause
/* Rows that are in card memory: slots of the row cache, and places of pinned rows. What a slice uses or fills is held until it is done, so nobody else writes there. */
#include <inttypes.h>
#include <stdio.h>

#include "engine_impl.h"

/* ---- pinned rows ---- */

void pins_free(struct pins *pins)
{
	free(pins->keys);
	free(pins->pin);
	free(pins->index.at);
}

/* Number of @key, or CACHE_NONE. */
static uint32_t find_pin(const struct pins *pins, uint64_t key)
{
	return pins->nr ? cache_index_find(&pins->index, key) : CACHE_NONE;
}

/* The index is over room_keys keys: it is made anew when there are more. */
static int grow_pins(struct pins *pins)
{
	struct cache_index index;
	uint32_t room = pins->room_keys;

	if (smartssd_grow(&pins->pin, &pins->room_pins, pins->nr + 1ull, 1024, sizeof(*pins->pin)) ||
	    smartssd_grow(&pins->keys, &pins->room_keys, pins->nr + 1ull, 1024, sizeof(*pins->keys)))
		return -ENOMEM;
	if (room == pins->room_keys)
		return 0;
	if (cache_index_init(&index, pins->keys, pins->room_keys)) {
		pins->room_keys = room; /* so that it is tried again */
		pins->index.keys = pins->keys;
		return -ENOMEM;
	}
	free(pins->index.at);
	pins->index = index;
	for (uint32_t i = 0; i < pins->nr; i++)
		cache_index_put(&pins->index, i);
	return 0;
}

/* A place for a row. */
static int add_pin(struct pins *pins, uint64_t key, uint32_t row_bytes, const char *card, struct smartssd_error *err)
{
	if (find_pin(pins, key) != CACHE_NONE)
		return 0;
	if (row_bytes > pins->bytes - pins->used)
		return smartssd_fail(err, -ENOSPC, "%s: %" PRIu64 " of %" PRIu64 " bytes for pinned rows are taken, by %u rows: the next one needs %u", card, pins->used, pins->bytes, pins->nr,
				     row_bytes);
	if (grow_pins(pins))
		return engine_no_memory(err);
	pins->keys[pins->nr] = key;
	pins->pin[pins->nr] = (struct pin){ .at = (uint32_t)(pins->at + pins->used) };
	cache_index_put(&pins->index, pins->nr);
	pins->used += row_bytes;
	pins->nr++;
	return 0;
}

/* A lookup of one bag for each row copies them to their places; with weights, as such results are not kept. */
static int fill_pins(struct engine *e, struct table *t, const int64_t *rows, uint64_t nr, struct smartssd_error *err)
{
	uint64_t step = min_u64(nr, 16384);
	int64_t *offsets = calloc(step + 1, sizeof(*offsets));
	float *weights = calloc(step, sizeof(*weights)), *y = calloc(step, table_info(t)->dim * sizeof(*y));
	int ret = offsets && weights && y ? 0 : engine_no_memory(err);

	for (uint64_t i = 0; i < step && !ret; i++)
		offsets[i + 1] = (int64_t)i + 1;
	for (uint64_t at = 0; at < nr && !ret; at += step) {
		struct engine_bags b = { .table = t, .indices = rows + at, .offsets = offsets, .bags = min_u64(step, nr - at), .weights = weights, .y = y };

		ret = run_locked(e, &b, 1, err);
		if (!ret && b.status) {
			ret = b.status;
			if (err)
				*err = b.err;
		}
	}
	free(offsets);
	free(weights);
	free(y);
	return ret;
}

int engine_pin(struct engine *e, struct table *t, const int64_t *rows, uint64_t nr, uint64_t *done, struct smartssd_error *err)
{
	const struct store_table *info = table_info(t);
	uint32_t known, source, shard;
	uint64_t pinned = 0;
	int ret, filled;

	pthread_mutex_lock(&e->lock);
	ret = known_table(e, t, &known, err);
	for (; pinned < nr && !ret; pinned += !ret) {
		uint64_t row = (uint64_t)rows[pinned];
		uint32_t lane;

		if (row >= info->rows) {
			ret = smartssd_fail(err, -ERANGE, "table '%s', position %" PRIu64 ": row %" PRId64 " to pin; it has %" PRIu64 " rows", info->name, pinned, rows[pinned], info->rows);
			break;
		}
		shard = layout_shard(row, info->shards);
		lane = (info->volume + shard) % e->nr;
		ret = plan_source(e, lane, known, &source, err);
		if (!ret)
			ret = add_pin(&e->lanes[lane].pins, e->lanes[lane].sources[source].pin_key | layout_shard_row(row, info->shards), info->layout.row_bytes,
				      smartssd_uri(e->lanes[lane].dev), err);
	}
	filled = pinned ? fill_pins(e, t, rows, pinned, ret ? NULL : err) : 0;
	pthread_mutex_unlock(&e->lock);
	if (done)
		*done = pinned;
	return ret ? ret : filled;
}

/* ---- a slice ---- */

static void hold(struct share *p, uint32_t source, uint64_t row, uint32_t slot, bool pinned, bool fill)
{
	p->held[p->nr_held++] = (struct held){ .row = row, .source = source, .slot = slot, .pinned = pinned, .fill = fill };
}

static uint32_t use_pin(struct engine *e, struct share *p, uint32_t source, uint64_t row, uint32_t number, uint32_t *to)
{
	struct pin *pin = &p->lane->pins.pin[number];
	bool fill = pin->state == PIN_EMPTY && !pin->users;

	if (pin->state != PIN_THERE && !fill) /* on its way, or somebody uses the old one */
		return NOWHERE;
	pin->users++;
	hold(p, source, row, number, true, fill);
	if (fill) {
		pin->state = PIN_FILLING;
		*to = pin->at;
		return NOWHERE;
	}
	e->counts.pinned_hits++;
	return pin->at;
}

/* An access is a handful of cache misses, one for each array that the slot is in: those of the rows further on are under way meanwhile. First where the key is to be, then the slot. */
#define AHEAD 16

static void prefetch_slot(const struct class *c, uint32_t slot)
{
	if (slot >= c->slots)
		return;
	__builtin_prefetch(&c->cache->key[slot]);
	__builtin_prefetch(&c->cache->pins[slot], 1);
	__builtin_prefetch(&c->cache->link[slot]);
	__builtin_prefetch(&c->filling[slot]);
	if (c->cache->mark)
		__builtin_prefetch(&c->cache->mark[slot], 1);
}

void held_prefetch(const struct engine *e, const struct share *p, uint32_t source, uint32_t i, uint32_t rows)
{
	const struct source *s = &p->lane->sources[source];
	const struct cache_index *x;
	const struct class *c;
	uint64_t place;

	if (s->class == p->lane->nr_classes)
		return;
	c = &p->lane->classes[s->class];
	x = &c->cache->index;
	if (i + 2 * AHEAD < rows)
		__builtin_prefetch(&x->at[cache_scale(cache_hash(s->key | e->rows[i + 2 * AHEAD]), x->size)]);
	if (i + AHEAD >= rows)
		return;
	place = cache_scale(cache_hash(s->key | e->rows[i + AHEAD]), x->size);
	prefetch_slot(c, x->at[place]);
	/* Another one's place in half of the cases: then it is the next one. */
	if (place + 1 < x->size && x->at[place + 1] < c->slots)
		__builtin_prefetch(&c->cache->key[x->at[place + 1]]);
}

uint32_t held_find(struct engine *e, struct share *p, uint32_t source, uint64_t row, uint32_t *to)
{
	const struct source *s = &p->lane->sources[source];
	uint32_t slot = find_pin(&p->lane->pins, s->pin_key | row), into;
	struct class *c;

	*to = NOWHERE;
	if (slot != CACHE_NONE)
		return use_pin(e, p, source, row, slot, to);
	if (s->class == p->lane->nr_classes)
		return NOWHERE;
	c = &p->lane->classes[s->class];
	slot = cache_access(c->cache, s->key | row, &into);
	if (slot != CACHE_NONE && c->filling[slot]) /* on its way by the slice before: too late to be filled, too early to be used */
		return NOWHERE;
	if (slot == CACHE_NONE && into == CACHE_NONE)
		return NOWHERE;
	hold(p, source, row, slot != CACHE_NONE ? slot : into, false, slot == CACHE_NONE);
	if (slot != CACHE_NONE) {
		cache_pin(c->cache, slot);
		return (uint32_t)(c->at + (uint64_t)slot * c->row_bytes);
	}
	cache_pin(c->cache, into);
	c->filling[into] = 1;
	*to = (uint32_t)(c->at + (uint64_t)into * c->row_bytes);
	return NOWHERE;
}

static void release_pin(struct pin *pin, bool filled, bool good)
{
	pin->users--;
	if (filled)
		pin->state = good && pin->state == PIN_FILLING ? PIN_THERE : PIN_EMPTY;
}

void held_release(struct share *p, bool good)
{
	for (uint32_t i = 0; i < p->nr_held; i++) {
		const struct held *h = &p->held[i];
		const struct source *s = &p->lane->sources[h->source];
		struct class *c = h->pinned ? NULL : &p->lane->classes[s->class];

		if (i + AHEAD < p->nr_held && !h[AHEAD].pinned)
			prefetch_slot(&p->lane->classes[p->lane->sources[h[AHEAD].source].class], h[AHEAD].slot);
		if (h->pinned) {
			release_pin(&p->lane->pins.pin[h->slot], h->fill, good);
			continue;
		}
		if (h->fill) {
			c->filling[h->slot] = 0;
			/* Not when it was forgotten meanwhile: then another slot may have the row. */
			if (!good && cache_peek(c->cache, s->key | h->row) == h->slot)
				cache_drop(c->cache, s->key | h->row);
		}
		cache_unpin(c->cache, h->slot);
	}
	p->nr_held = 0;
}

/* ---- forgetting ---- */

static void forget_pin(struct pin *pin)
{
	if (pin->state == PIN_THERE)
		pin->state = PIN_EMPTY;
	else if (pin->state == PIN_FILLING)
		pin->state = PIN_FORGOTTEN;
}

static void forget_row(struct lane *l, const struct source *s, uint64_t row)
{
	uint32_t pin = find_pin(&l->pins, s->pin_key | row);

	if (pin != CACHE_NONE)
		forget_pin(&l->pins.pin[pin]);
	if (s->class < l->nr_classes)
		cache_drop(l->classes[s->class].cache, s->key | row);
}

static void forget_all(struct engine *e, struct lane *l, struct source *s)
{
	for (uint32_t i = 0; i < l->pins.nr; i++)
		if (l->pins.keys[i] >> ROW_BITS == s->pin_key >> ROW_BITS)
			forget_pin(&l->pins.pin[i]);
	/* What nobody asks for any more is replaced soon. Out of numbers after 2^24 times: then one by one. */
	if (e->next_key >> (64 - ROW_BITS)) {
		for (uint64_t r = 0; r < shard_rows(table_info(s->table), s->shard); r++)
			forget_row(l, s, r);
		return;
	}
	s->key = (uint64_t)e->next_key++ << ROW_BITS;
}

void engine_forget(struct engine *e, struct table *t, const int64_t *rows, uint64_t nr)
{
	const struct store_table *info = table_info(t);
	uint32_t k;

	pthread_mutex_lock(&e->lock);
	for (k = 0; k < e->nr_known && e->known[k].table != t; k++)
		;
	if (k < e->nr_known) {
		pooled_forget(e->pooled, (uint64_t)k << ROW_BITS | (e->known[k].epoch & ((1ull << ROW_BITS) - 1)));
		e->known[k].epoch++;
	}
	for (uint32_t lane = 0; lane < e->nr && k < e->nr_known; lane++) {
		struct lane *l = &e->lanes[lane];
		struct source *s;

		if (!e->known[k].source[lane])
			continue;
		s = &l->sources[e->known[k].source[lane] - 1];
		if (!rows)
			forget_all(e, l, s);
		for (uint64_t i = 0; rows && i < nr; i++)
			if ((uint64_t)rows[i] < info->rows && layout_shard((uint64_t)rows[i], info->shards) == s->shard)
				forget_row(l, s, layout_shard_row((uint64_t)rows[i], info->shards));
	}
	pthread_mutex_unlock(&e->lock);
}
