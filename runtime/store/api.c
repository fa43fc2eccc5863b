// SPDX-License-Identifier: BSD-2-Clause
/* The public side of stores (libsmartssd_store.h) over store.h, engine.h and service.h. Its own: that updates are known to all lookups of a store. */
#include <pthread.h>

#include "../libsmartssd_store.h"
#include "../private.h"
#include "service.h"
#include "store.h"

#define BATCH_BAGS 4096
#define QUEUE_BAGS 65536

struct smartssd_store {
	struct store *store;
	pthread_mutex_t lock; /* lookups */
	struct smartssd_lookup *lookups;
};

struct smartssd_table {
	struct smartssd_store *store;
	struct table *table;
};

struct smartssd_lookup {
	struct smartssd_lookup *next;
	struct smartssd_store *store;
	struct engine *engine;
	struct service *service;
};

_Static_assert(sizeof(((struct smartssd_table_info *)NULL)->name) == STORE_NAME, "a name of a table");

static int no_memory(struct smartssd_error *err)
{
	return smartssd_fail(err, -ENOMEM, "no host memory for a store");
}

/* ---- stores ---- */

int smartssd_store_open(const char *volumes, uint32_t flags, struct smartssd_store **out, struct smartssd_error *err)
{
	const uint32_t write = SMARTSSD_STORE_WRITE, create = write | SMARTSSD_STORE_CREATE, force = create | SMARTSSD_STORE_FORCE;
	struct smartssd_store *s;
	int ret;

	*out = NULL;
	if (flags && flags != write && flags != create && flags != force)
		return smartssd_fail(err, -EINVAL, "%s: flags 0x%x: SMARTSSD_STORE_WRITE, with it _CREATE, with both _FORCE", volumes, flags);
	s = calloc(1, sizeof(*s));
	if (!s)
		return no_memory(err);
	ret = store_open(volumes, (flags & write ? VOLUME_WRITE : 0) | (flags & SMARTSSD_STORE_CREATE ? VOLUME_CREATE : 0) | (flags & SMARTSSD_STORE_FORCE ? VOLUME_FORCE : 0),
			 &s->store, err);
	if (ret) {
		free(s);
		return ret;
	}
	pthread_mutex_init(&s->lock, NULL);
	*out = s;
	return 0;
}

void smartssd_store_close(struct smartssd_store *store)
{
	if (!store)
		return;
	store_close(store->store);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

uint32_t smartssd_store_volumes(const struct smartssd_store *store)
{
	return store_volumes(store->store);
}

static void describe(const struct store_table *t, struct smartssd_table_info *out)
{
	*out = (struct smartssd_table_info){
		.rows = t->rows,
		.dim = t->dim,
		.format = t->format,
		.row_bytes = t->layout.row_bytes,
		.shards = t->shards,
		.volume = t->volume,
		.checksum = t->crc,
		.generation = t->generation,
	};
	memcpy(out->name, t->name, sizeof(out->name));
}

int smartssd_store_list(struct smartssd_store *store, struct smartssd_table_info **tables, uint32_t *nr, struct smartssd_error *err)
{
	struct store_table *found;
	int ret;

	*tables = NULL;
	*nr = 0;
	ret = store_refresh(store->store, err);
	if (ret >= 0)
		ret = store_list(store->store, &found, nr, err);
	if (ret)
		return ret;
	if (*nr) {
		*tables = calloc(*nr, sizeof(**tables));
		ret = *tables ? 0 : no_memory(err);
	}
	for (uint32_t i = 0; i < *nr && !ret; i++)
		describe(&found[i], &(*tables)[i]);
	free(found);
	return ret;
}

int smartssd_store_import(struct smartssd_store *store, const char *name, const char *from, const struct smartssd_import_options *options, struct smartssd_error *err)
{
	static const struct smartssd_import_options defaults;
	const struct smartssd_import_options *o = options ? options : &defaults;
	struct store_import import = { .name = name, .shard = o->row_wise ? SMARTSSD_SHARD_ROW : SMARTSSD_SHARD_TABLE, .volume = UINT32_MAX, .replace = o->replace };
	int ret;

	if (o->format && rowfmt_by_name(o->format, &import.format))
		return smartssd_fail(err, -EINVAL, "format '%s': fp32, fp16, int8-rowwise or int4-rowwise", o->format);
	ret = store_rows_open(from, &import.rows, err);
	if (ret)
		return ret;
	if (!o->format)
		import.format = store_rows_format(import.rows);
	ret = store_import(store->store, &import, o->progress.step ? &o->progress : NULL, NULL, err);
	store_rows_close(import.rows);
	return ret;
}

int smartssd_store_remove(struct smartssd_store *store, const char *name, struct smartssd_error *err)
{
	return store_remove(store->store, name, err);
}

int smartssd_store_compact(struct smartssd_store *store, const char *name, const struct smartssd_progress *progress, struct smartssd_error *err)
{
	return store_compact(store->store, name, progress, err);
}

int smartssd_store_verify(struct smartssd_store *store, const char *name, const struct smartssd_progress *progress, struct smartssd_error *err)
{
	return store_verify(store->store, name, progress, err);
}

/* ---- one table ---- */

int smartssd_table_open(struct smartssd_store *store, const char *name, struct smartssd_table **out, struct smartssd_error *err)
{
	struct smartssd_table *t = calloc(1, sizeof(*t));
	int ret;

	*out = NULL;
	if (!t)
		return no_memory(err);
	t->store = store;
	/* What another process imported since is there, too. */
	ret = store_refresh(store->store, err);
	if (ret >= 0)
		ret = table_open(store->store, name, &t->table, err);
	if (ret) {
		free(t);
		return ret;
	}
	*out = t;
	return 0;
}

void smartssd_table_close(struct smartssd_table *table)
{
	if (!table)
		return;
	table_close(table->table);
	free(table);
}

void smartssd_table_info(const struct smartssd_table *table, struct smartssd_table_info *out)
{
	describe(table_info(table->table), out);
}

int smartssd_table_read(struct smartssd_table *table, uint64_t row, float *out, struct smartssd_error *err)
{
	return table_read_row(table->table, row, out, err);
}

/* Kept copies of these rows are old. NULL: of all. */
static void forget(struct smartssd_table *table, const int64_t *rows, uint64_t nr)
{
	struct smartssd_store *s = table->store;

	pthread_mutex_lock(&s->lock);
	for (struct smartssd_lookup *l = s->lookups; l; l = l->next)
		engine_forget(l->engine, table->table, rows, nr);
	pthread_mutex_unlock(&s->lock);
}

int smartssd_table_update(struct smartssd_table *table, const int64_t *indices, uint64_t nr, const float *rows, struct smartssd_error *err)
{
	int ret = table_update(table->table, indices, nr, rows, err);

	/* Some may be there after an error, too; where the indices were refused, all of the table is forgotten rather than rows that it does not have. */
	if (nr)
		forget(table, ret ? NULL : indices, ret ? 0 : nr);
	return ret;
}

int smartssd_table_refresh(struct smartssd_table *table, struct smartssd_error *err)
{
	int ret = table_refresh(table->table, err);

	if (ret == 1)
		forget(table, NULL, 0);
	return ret;
}

/* ---- lookups ---- */

static int create(struct smartssd_lookup *l, struct smartssd_device *const *devices, uint32_t nr, const struct smartssd_lookup_options *o, struct smartssd_error *err)
{
	struct smartssd_device *of_volume[STORE_MAX_VOLUMES];
	uint32_t volumes = store_volumes(l->store->store);
	struct engine_options e = {
		.devices = of_volume,
		.row_cache = o->row_cache,
		.policy = CACHE_LFU,
		.pinned = o->pinned_card,
		.pinned_host = o->pinned_host,
		.pooled_cache = o->pooled_cache,
		.staging = o->staging,
		.io_flags = o->io_flags,
	};
	struct service_options s = { .delay_us = o->delay_us, .batch_bags = o->batch_bags ? o->batch_bags : BATCH_BAGS, .queue_bags = o->queue_bags ? o->queue_bags : QUEUE_BAGS };
	int ret;

	if (nr != 1 && nr != volumes)
		return smartssd_fail(err, -EINVAL, "%u devices for %u volumes: one for each, or one for all", nr, volumes);
	if (o->policy && cache_policy_by_name(o->policy, &e.policy))
		return smartssd_fail(err, -EINVAL, "cache policy '%s': lfu, lru, fifo, clock, sieve or s3-fifo", o->policy);
	for (uint32_t v = 0; v < volumes; v++)
		of_volume[v] = devices[nr == 1 ? 0 : v];
	ret = engine_create(l->store->store, &e, &l->engine, err);
	return ret ? ret : service_create(l->engine, &s, &l->service, err);
}

int smartssd_lookup_open(struct smartssd_store *store, struct smartssd_device *const *devices, uint32_t nr, const struct smartssd_lookup_options *options,
			 struct smartssd_lookup **out, struct smartssd_error *err)
{
	static const struct smartssd_lookup_options defaults;
	struct smartssd_lookup *l = calloc(1, sizeof(*l));
	int ret;

	*out = NULL;
	if (!l)
		return no_memory(err);
	l->store = store;
	ret = create(l, devices, nr, options ? options : &defaults, err);
	if (ret) {
		engine_destroy(l->engine);
		free(l);
		return ret;
	}
	pthread_mutex_lock(&store->lock);
	l->next = store->lookups;
	store->lookups = l;
	pthread_mutex_unlock(&store->lock);
	*out = l;
	return 0;
}

void smartssd_lookup_close(struct smartssd_lookup *lookup)
{
	struct smartssd_lookup **at;

	if (!lookup)
		return;
	pthread_mutex_lock(&lookup->store->lock);
	for (at = &lookup->store->lookups; *at != lookup; at = &(*at)->next)
		;
	*at = lookup->next;
	pthread_mutex_unlock(&lookup->store->lock);
	service_destroy(lookup->service);
	engine_destroy(lookup->engine);
	free(lookup);
}

int smartssd_lookup_pin(struct smartssd_lookup *lookup, struct smartssd_table *table, uint32_t where, const int64_t *rows, uint64_t nr, uint64_t *done,
			struct smartssd_error *err)
{
	if (done)
		*done = 0;
	if (where > SMARTSSD_PIN_HOST)
		return smartssd_fail(err, -EINVAL, "pin where %u; SMARTSSD_PIN_CARD or SMARTSSD_PIN_HOST can be", where);
	return engine_pin(lookup->engine, table->table, where == SMARTSSD_PIN_CARD ? ENGINE_PIN_CARD : ENGINE_PIN_HOST, rows, nr, done, err);
}

static int look_up(struct smartssd_lookup *l, struct smartssd_bags *bags, uint32_t nr, int (*run)(struct service *, struct engine_bags *, uint32_t, struct smartssd_error *),
		   struct smartssd_error *err)
{
	struct engine_bags *r = calloc((size_t)nr + 1, sizeof(*r));
	int ret;

	if (!r)
		return no_memory(err);
	for (uint32_t i = 0; i < nr; i++)
		r[i] = (struct engine_bags){ .table = bags[i].table->table, .indices = bags[i].indices, .offsets = bags[i].offsets, .bags = bags[i].bags,
					     .weights = bags[i].weights, .mean = bags[i].mean, .y = bags[i].y };
	ret = run(l->service, r, nr, err);
	for (uint32_t i = 0; i < nr; i++)
		bags[i].status = ret ? ret : r[i].status;
	for (uint32_t i = 0; i < nr && !ret; i++) {
		ret = r[i].status;
		if (ret && err)
			*err = r[i].err;
	}
	free(r);
	return ret;
}

int smartssd_lookup_run(struct smartssd_lookup *lookup, struct smartssd_bags *bags, uint32_t nr, struct smartssd_error *err)
{
	return look_up(lookup, bags, nr, service_lookup, err);
}

int smartssd_lookup_try(struct smartssd_lookup *lookup, struct smartssd_bags *bags, uint32_t nr, struct smartssd_error *err)
{
	return look_up(lookup, bags, nr, service_try, err);
}

void smartssd_lookup_counts(struct smartssd_lookup *lookup, struct smartssd_lookup_counts *out)
{
	struct service_counts s;
	struct engine_counts e;

	engine_counts(lookup->engine, &e);
	service_counts(lookup->service, &s);
	*out = (struct smartssd_lookup_counts){
		.bags = e.bags,
		.lookups = e.rows,
		.pooled_hits = e.pooled_hits,
		.pooled_lookups = e.pooled_rows,
		.host_pinned = e.host_pinned_hits,
		.card_lookups = e.card_lookups,
		.card_hits = e.lookup_hits,
		.all_hit_bags = e.row_bags_all,
		.distinct_rows = e.distinct_rows,
		.rows_read = e.rows_read,
		.flash_reads = e.flash_reads,
		.flash_bytes = e.flash_bytes,
		.blocks_wanted = e.blocks_wanted,
		.row_bytes_wanted = e.row_bytes_wanted,
		.host_rows = e.host_rows,
		.most_reads = e.most_reads,
		.requests = s.requests,
		.refused = s.refused,
		.batches = s.batches,
		.most_waiting = s.most_waiting,
		.links = e.links,
	};
}

uint64_t smartssd_lookup_lost(struct smartssd_lookup *lookup)
{
	return engine_lost(lookup->engine);
}
