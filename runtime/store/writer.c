// SPDX-License-Identifier: BSD-2-Clause
/* A new generation of a table, written from the first row to the last; its objects do not count before the manifest names them. */
#include <inttypes.h>
#include <stdio.h>

#include "store_impl.h"

#define CHUNK_BYTES (4u << 20) /* of encoded rows in one go */

struct writer {
	struct store *store;
	struct pending p;
	bool saved; /* the manifest on the drive may name its objects */
	uint64_t chunk;
	struct volume_object *objects; /* [shards][PARTS] */
	uint8_t *spans;		       /* of one shard, as they will be on the drive */
	uint32_t *crcs;		       /* of one shard, and of all rows of a chunk */
	uint32_t *all;
};

static struct volume_object *object(struct writer *w, uint32_t shard, enum part part)
{
	return &w->objects[shard * PARTS + part];
}

static int write_header(struct writer *w, uint32_t shard, struct smartssd_error *err)
{
	const struct store_table *t = &w->p.table;
	uint8_t page[ROWS_HEADER] = { 0 };
	struct rows_header h = {
		.version = STORE_VERSION,
		.format = t->format,
		.rows = shard_rows(t, shard),
		.generation = t->generation,
		.dim = t->dim,
		.row_bytes = t->layout.row_bytes,
		.block = t->layout.block,
		.shard = shard,
		.shards = t->shards,
	};
	int ret;

	memcpy(h.magic, ROWS_MAGIC, sizeof(h.magic));
	snprintf(h.name, sizeof(h.name), "%s", t->name);
	h.crc = rowfmt_crc32c(0, &h, offsetof(struct rows_header, crc));
	memcpy(page, &h, sizeof(h));
	ret = volume_pwrite(object(w, shard, PART_ROWS), page, sizeof(page), 0);
	return ret ? smartssd_fail(err, ret, "table '%s', shard %u: %s", t->name, shard, strerror(-ret)) : 0;
}

/* What is there must have room for what is to come. */
static int open_object(struct writer *w, struct volume *v, const char *name, uint32_t shard, enum part part, struct smartssd_error *err)
{
	int ret = volume_open_object(v, name, true, object(w, shard, part), err);

	if (ret == -ENOENT || (!ret && object(w, shard, part)->bytes < part_bytes(&w->p.table, shard, part)))
		return smartssd_fail(err, -EBADMSG, "table '%s': object %s of its interrupted import is not whole on %s: ask to restart", w->p.table.name, name,
				     volume_path(v));
	return ret;
}

static int make_objects(struct writer *w, struct smartssd_error *err)
{
	const struct store_table *t = &w->p.table;
	char name[VOLUME_NAME];

	for (uint32_t shard = 0; shard < t->shards; shard++) {
		struct volume *v = w->store->volumes[shard_volume(w->store, t, shard)];
		int ret = 0;

		for (enum part part = 0; part < PARTS && !ret; part++) {
			part_name(t, shard, part, name);
			if (w->p.done)
				ret = open_object(w, v, name, shard, part, err);
			else
				ret = volume_create_object(v, name, part_bytes(t, shard, part), object(w, shard, part), err);
		}
		if (!ret && !w->p.done)
			ret = write_header(w, shard, err);
		if (ret)
			return ret;
	}
	return 0;
}

/* That it is used only once is for the manifest, when something is saved: until then there are only leftovers, which the next writer removes. */
static int take_generation(struct writer *w, struct smartssd_error *err)
{
	struct manifest *m = &w->store->manifest;
	int ret = 0;

	pthread_mutex_lock(&w->store->lock);
	if (m->next_generation > TABLE_MAX_GENERATION)
		ret = smartssd_fail(err, -EOVERFLOW, "the store has no number for another generation of a table: import its tables into a new store");
	else
		w->p.table.generation = m->next_generation++;
	pthread_mutex_unlock(&w->store->lock);
	return ret;
}

static void writer_free(struct writer *w)
{
	for (uint32_t i = 0; w->objects && i < w->p.table.shards * PARTS; i++)
		volume_close_object(&w->objects[i]);
	free(w->objects);
	free(w->spans);
	free(w->crcs);
	free(w->all);
	free(w);
}

int writer_begin(struct store *s, const struct pending *p, struct writer **out, struct smartssd_error *err)
{
	struct writer *w = calloc(1, sizeof(*w));
	const struct layout *l = &p->table.layout;
	uint64_t spans;
	int ret;

	*out = NULL;
	if (!w)
		return smartssd_fail(err, -ENOMEM, "store: out of memory");
	w->store = s;
	w->p = *p;
	w->saved = p->done;
	/* Whole spans of each shard, so that no block is written twice. */
	spans = max_u64(CHUNK_BYTES / l->span / p->table.shards, 1);
	w->chunk = spans * l->rows_per_span * p->table.shards;
	w->objects = calloc(p->table.shards * PARTS, sizeof(*w->objects));
	w->spans = span_buffer(l, spans);
	w->crcs = calloc(spans * l->rows_per_span, sizeof(*w->crcs));
	w->all = calloc(w->chunk, sizeof(*w->all));
	for (uint32_t i = 0; w->objects && i < p->table.shards * PARTS; i++)
		w->objects[i].fd = -1;
	if (!w->objects || !w->spans || !w->crcs || !w->all)
		ret = smartssd_fail(err, -ENOMEM, "store: out of memory");
	else
		ret = w->saved ? 0 : take_generation(w, err);
	/* Or there is none whose objects could be dropped. */
	if (!ret && (ret = make_objects(w, err)))
		writer_end(w);
	else if (ret)
		writer_free(w);
	else
		*out = w;
	return ret;
}

uint64_t writer_chunk(const struct writer *w)
{
	return w->chunk;
}

uint64_t writer_done(const struct writer *w)
{
	return w->p.done;
}

/* Every shards-th of @rows rows from @encoded on. */
static int put_shard(struct writer *w, uint32_t shard, const uint8_t *encoded, uint64_t rows)
{
	const struct store_table *t = &w->p.table;
	const struct layout *l = &t->layout;
	uint64_t first = layout_shard_row(w->p.done, t->shards), nr = 0, bytes;
	int ret;

	for (uint64_t r = shard; r < rows; r += t->shards, nr++) {
		uint8_t *to = w->spans + layout_at(l, nr);

		memcpy(to, encoded + r * l->row_bytes, l->row_bytes);
		w->crcs[nr] = w->all[r] = row_crc(to, l->row_bytes, w->p.done + r);
	}
	if (!nr)
		return 0;
	bytes = layout_bytes(l, nr);
	ret = volume_pwrite(object(w, shard, PART_ROWS), w->spans, bytes, ROWS_HEADER + layout_at(l, first));
	return ret ? ret : volume_pwrite(object(w, shard, PART_CRC), w->crcs, nr * sizeof(*w->crcs), ROWS_HEADER + first * sizeof(*w->crcs));
}

int writer_put(struct writer *w, const void *encoded, uint64_t rows, struct smartssd_error *err)
{
	const struct store_table *t = &w->p.table;

	if (rows > w->chunk || rows > t->rows - w->p.done || (rows < w->chunk && w->p.done + rows != t->rows))
		return smartssd_fail(err, -EINVAL, "table '%s': %" PRIu64 " rows in one go", t->name, rows);
	for (uint32_t shard = 0; shard < t->shards; shard++) {
		int ret = put_shard(w, shard, encoded, rows);

		if (ret)
			return smartssd_fail(err, ret, "table '%s', rows from %" PRIu64 " on, volume %s: %s", t->name, w->p.done,
					     volume_path(w->store->volumes[shard_volume(w->store, t, shard)]), strerror(-ret));
	}
	w->p.crc = rowfmt_crc32c(w->p.crc, w->all, rows * sizeof(*w->all));
	w->p.done += rows;
	return 0;
}

static int sync_objects(struct writer *w, struct smartssd_error *err)
{
	for (uint32_t i = 0; i < w->p.table.shards * PARTS; i++) {
		int ret = volume_sync_object(&w->objects[i]);

		if (ret)
			return smartssd_fail(err, ret, "table '%s': what was written did not reach the drive: %s", w->p.table.name, strerror(-ret));
	}
	return 0;
}

int writer_save(struct writer *w, struct smartssd_error *err)
{
	int ret = sync_objects(w, err);

	if (ret)
		return ret;
	pthread_mutex_lock(&w->store->lock);
	ret = manifest_put_pending(&w->store->manifest, &w->p, err);
	if (!ret) {
		w->saved = true;
		ret = store_commit(w->store, err);
	}
	pthread_mutex_unlock(&w->store->lock);
	return ret;
}

/* With the lock held. The old table, if there was one, into *old. */
static int become_table(struct writer *w, struct store_table *old, bool *replaces, struct smartssd_error *err)
{
	struct manifest *m = &w->store->manifest;
	const char *name = w->p.table.name;
	const struct store_table *t = manifest_find(m, name);
	const struct pending *p = manifest_find_pending(m, name);
	/* Of a compaction, an interrupted import of that name is another one. */
	bool was_saved = p && p->table.generation == w->p.table.generation;
	int ret;

	*replaces = t;
	if (t)
		*old = *t;
	ret = manifest_put(m, &w->p.table, err);
	if (ret)
		return ret;
	if (was_saved)
		manifest_drop_pending(m, name);
	w->saved = true;
	ret = store_commit(w->store, err);
	if (!ret)
		return 0;
	/* As it was. The drive may have either manifest: no object goes before a writer has read which. */
	if (was_saved)
		manifest_put_pending(m, &w->p, NULL);
	if (*replaces)
		manifest_put(m, old, NULL);
	else
		manifest_drop(m, name);
	return ret;
}

int writer_commit(struct writer *w, struct smartssd_error *err)
{
	struct store_table old;
	bool replaces;
	int ret;

	if (w->p.done != w->p.table.rows)
		return smartssd_fail(err, -EINVAL, "table '%s': %" PRIu64 " of %" PRIu64 " rows", w->p.table.name, w->p.done, w->p.table.rows);
	ret = sync_objects(w, err);
	if (ret)
		return ret;
	w->p.table.crc = w->p.crc;
	pthread_mutex_lock(&w->store->lock);
	ret = become_table(w, &old, &replaces, err);
	pthread_mutex_unlock(&w->store->lock);
	if (!ret && replaces)
		store_drop_objects(w->store, &old);
	return ret;
}

void writer_end(struct writer *w)
{
	if (!w->saved)
		store_drop_objects(w->store, &w->p.table);
	writer_free(w);
}
