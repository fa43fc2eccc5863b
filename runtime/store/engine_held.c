// SPDX-License-Identifier: BSD-2-Clause
/* Rows that are in card memory: slots of the row cache, and places of pinned rows. What a slice uses or fills is held until it is done, so nobody else writes there. */
#include <inttypes.h>
#include <stdio.h>

#include "engine_impl.h"

/* ---- keys ---- */

void key_set_free(struct key_set *k)
{
	free(k->keys);
	cache_index_free(&k->index);
}

uint32_t key_set_find(const struct key_set *k, uint64_t key, uint64_t hash)
{
	return k->nr ? cache_index_find(&k->index, key, hash) : CACHE_NONE;
}

/* The index is for room keys: it is made anew when there are more. */
static int grow_keys(struct key_set *k)
{
	struct cache_index index;
	uint32_t room = k->room;

	if (smartssd_grow(&k->keys, &k->room, k->nr + 1ull, 1024, sizeof(*k->keys)))
		return -ENOMEM;
	if (room == k->room)
		return 0;
	if (cache_index_init(&index, k->keys, sizeof(*k->keys), k->room)) {
		k->room = room; /* so that it is tried again */
		k->index.keys = (const char *)k->keys;
		return -ENOMEM;
	}
	cache_index_free(&k->index);
	k->index = index;
	for (uint32_t i = 0; i < k->nr; i++)
		cache_index_put(&k->index, i, cache_hash(k->keys[i]));
	return 0;
}

int key_set_add(struct key_set *k, uint64_t key)
{
	if (grow_keys(k))
		return -ENOMEM;
	k->keys[k->nr] = key;
	cache_index_put(&k->index, k->nr, cache_hash(key));
	k->nr++;
	return 0;
}

/* ---- pinned rows ---- */

void pins_free(struct pins *pins)
{
	key_set_free(&pins->set);
	free(pins->pin);
}

/* A place for a row. */
static int add_pin(struct pins *pins, uint64_t key, uint32_t row_bytes, const char *card, struct smartssd_error *err)
{
	if (key_set_find(&pins->set, key, cache_hash(key)) != CACHE_NONE)
		return 0;
	if (row_bytes > pins->bytes - pins->used)
		return smartssd_fail(err, -ENOSPC, "%s: %" PRIu64 " of %" PRIu64 " bytes for pinned rows are taken, by %u rows: the next one needs %u", card, pins->used, pins->bytes, pins->set.nr,
				     row_bytes);
	if (smartssd_grow(&pins->pin, &pins->room, pins->set.nr + 1ull, 1024, sizeof(*pins->pin)))
		return engine_no_memory(err);
	pins->pin[pins->set.nr] = (struct pin){ .at = (uint32_t)(pins->at + pins->used) };
	if (key_set_add(&pins->set, key))
		return engine_no_memory(err);
	pins->used += row_bytes;
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

static int pin_in_cards(struct engine *e, uint32_t known, const int64_t *rows, uint64_t nr, uint64_t *done, struct smartssd_error *err)
{
	struct table *t = e->known[known].table;
	const struct store_table *info = table_info(t);
	int ret = 0, filled;

	for (*done = 0; *done < nr && !ret; *done += !ret) {
		uint64_t row = (uint64_t)rows[*done];
		uint32_t lane = (info->volume + layout_shard(row, info->shards)) % e->nr, source;

		ret = plan_source(e, lane, known, &source, err);
		if (!ret)
			ret = add_pin(&e->lanes[lane].pins, e->lanes[lane].sources[source].pin_key | layout_shard_row(row, info->shards), info->layout.row_bytes,
				      smartssd_uri(e->lanes[lane].dev), err);
	}
	filled = *done ? fill_pins(e, t, rows, *done, ret ? NULL : err) : 0;
	return ret ? ret : filled;
}

int engine_pin(struct engine *e, struct table *t, enum engine_where where, const int64_t *rows, uint64_t nr, uint64_t *done, struct smartssd_error *err)
{
	const struct store_table *info = table_info(t);
	uint64_t good = 0, pinned = 0;
	uint32_t known;
	int ret, bad = 0;

	while (good < nr && (uint64_t)rows[good] < info->rows)
		good++;
	pthread_mutex_lock(&e->lock);
	ret = known_table(e, t, &known, err);
	if (!ret)
		ret = where == ENGINE_PIN_HOST ? dram_pin(e, known, rows, good, &pinned, err) : pin_in_cards(e, known, rows, good, &pinned, err);
	pthread_mutex_unlock(&e->lock);
	if (!ret && good < nr)
		bad = smartssd_fail(err, -ERANGE, "table '%s', position %" PRIu64 ": row %" PRId64 " to pin; it has %" PRIu64 " rows", info->name, good, rows[good], info->rows);
	if (done)
		*done = pinned;
	return ret ? ret : bad;
}

/* ---- a slice ---- */

static void hold(struct share *p, uint32_t slot, uint32_t class, bool pinned, bool fill)
{
	p->held[p->nr_held++] = (struct held){ .slot = slot, .class = class, .pinned = pinned, .fill = fill };
}

static uint32_t use_pin(struct engine *e, struct share *p, uint32_t number, uint32_t *to)
{
	struct pin *pin = &p->lane->pins.pin[number];
	bool fill = pin->state == PIN_EMPTY && !pin->users;

	if (pin->state != PIN_THERE && !fill) /* on its way, or somebody uses the old one */
		return NOWHERE;
	pin->users++;
	hold(p, number, 0, true, fill);
	if (fill) {
		pin->state = PIN_FILLING;
		*to = pin->at;
		return NOWHERE;
	}
	e->counts.pinned_hits++;
	return pin->at;
}

static uint32_t use_slot(struct share *p, const struct class *c, uint64_t key, uint64_t hash, uint32_t *to)
{
	uint32_t into, slot = cache_access_hashed(c->cache, key, hash, &into), class = (uint32_t)(c - p->lane->classes);
	struct cache_slot *s;

	if (slot != CACHE_NONE) {
		s = &c->cache->slot[slot];
		if (s->user) /* on its way by the slice before: too late to be filled, too early to be used */
			return NOWHERE;
		s->pins++;
		hold(p, slot, class, false, false);
		return (uint32_t)(c->at + (uint64_t)slot * c->row_bytes);
	}
	if (into == CACHE_NONE)
		return NOWHERE;
	s = &c->cache->slot[into];
	s->pins++;
	s->user = 1;
	hold(p, into, class, false, true);
	*to = (uint32_t)(c->at + (uint64_t)into * c->row_bytes);
	return NOWHERE;
}

/* Each access is a cache miss or two: those of the rows further on are under way meanwhile. First where the key is to be, then the slot. */
#define AHEAD 16
#define FAR   24

uint32_t held_find(struct engine *e, struct share *p, uint32_t source, uint32_t rows)
{
	const struct source *s = &p->lane->sources[source];
	const struct class *c = s->class == p->lane->nr_classes ? NULL : &p->lane->classes[s->class];
	const struct key_set *pinned = &p->lane->pins.set;
	bool same_key = s->key == s->pin_key;
	uint32_t missed = 0;

	for (uint32_t i = 0; i < rows; i++)
		e->hash[i] = cache_hash(s->key | e->rows[i]);
	for (uint32_t i = 0; i < rows; i++) {
		uint32_t number = CACHE_NONE, to = NOWHERE;

		if (c && i + FAR < rows)
			cache_prefetch(c->cache, e->hash[i + FAR]);
		if (c && i + AHEAD < rows)
			cache_prefetch_slot(c->cache, e->hash[i + AHEAD]);
		if (pinned->nr) {
			uint64_t key = s->pin_key | e->rows[i];

			if (same_key && i + AHEAD < rows)
				cache_index_prefetch(&pinned->index, e->hash[i + AHEAD]);
			number = key_set_find(pinned, key, same_key ? e->hash[i] : cache_hash(key));
		}
		if (number != CACHE_NONE)
			e->byte[i] = use_pin(e, p, number, &to);
		else
			e->byte[i] = c ? use_slot(p, c, s->key | e->rows[i], e->hash[i], &to) : NOWHERE;
		e->missed[i] = e->byte[i] == NOWHERE;
		missed += e->missed[i];
		if (to != NOWHERE) {
			p->from[p->nr_fills] = i;
			p->to[p->nr_fills++] = to;
		}
	}
	return missed;
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
		struct cache *c;

		if (i + AHEAD < p->nr_held && !h[AHEAD].pinned)
			__builtin_prefetch(&p->lane->classes[h[AHEAD].class].cache->slot[h[AHEAD].slot], 1);
		if (h->pinned) {
			release_pin(&p->lane->pins.pin[h->slot], h->fill, good);
			continue;
		}
		c = p->lane->classes[h->class].cache;
		if (h->fill) {
			uint64_t key = c->slot[h->slot].key;

			c->slot[h->slot].user = 0;
			/* Not when it was forgotten meanwhile: then another slot may have the row. */
			if (!good && cache_peek(c, key) == h->slot)
				cache_drop(c, key);
		}
		cache_unpin(c, h->slot);
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
	uint32_t pin = key_set_find(&l->pins.set, s->pin_key | row, cache_hash(s->pin_key | row));

	if (pin != CACHE_NONE)
		forget_pin(&l->pins.pin[pin]);
	if (s->class < l->nr_classes)
		cache_drop(l->classes[s->class].cache, s->key | row);
}

static void forget_all(struct engine *e, struct lane *l, struct source *s)
{
	for (uint32_t i = 0; i < l->pins.set.nr; i++)
		if (l->pins.set.keys[i] >> ROW_BITS == s->pin_key >> ROW_BITS)
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
		dram_forget(&e->known[k].dram, rows, nr);
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
