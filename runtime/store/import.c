// SPDX-License-Identifier: BSD-2-Clause
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "store_impl.h"

#define SAVE_SECONDS 2 /* of work are lost when an import is killed */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* The volume with the fewest bytes of tables. */
static uint32_t emptiest(const struct store *s)
{
	uint64_t bytes[STORE_MAX_VOLUMES] = { 0 };
	uint32_t best = 0;

	for (uint32_t i = 0; i < s->manifest.nr; i++)
		for (uint32_t shard = 0; shard < s->manifest.tables[i].shards; shard++)
			bytes[shard_volume(s, &s->manifest.tables[i], shard)] += part_bytes(&s->manifest.tables[i], shard, PART_ROWS);
	for (uint32_t v = 1; v < s->nr; v++)
		if (bytes[v] < bytes[best])
			best = v;
	return best;
}

static int describe(const struct store *s, const struct store_import *import, struct store_table *t, struct smartssd_error *err)
{
	uint32_t row_bytes = rowfmt_bytes(import->format, store_rows_dim(import->rows)), block = 512;
	int ret = store_check_name(import->name, err);

	if (ret)
		return ret;
	if (!row_bytes)
		return smartssd_fail(err, -EINVAL, "table '%s': no such row format", import->name);
	if (import->volume != UINT32_MAX && import->volume >= s->nr)
		return smartssd_fail(err, -EINVAL, "table '%s': volume %u; the store has %u", import->name, import->volume, s->nr);
	for (uint32_t v = 0; v < s->nr; v++)
		block = volume_block(s->volumes[v]) > block ? volume_block(s->volumes[v]) : block;
	memset(t, 0, sizeof(*t));
	snprintf(t->name, sizeof(t->name), "%s", import->name);
	t->rows = store_rows_count(import->rows);
	t->dim = store_rows_dim(import->rows);
	t->format = import->format;
	t->shards = import->shard == SMARTSSD_SHARD_ROW ? s->nr : 1;
	t->volume = import->shard == SMARTSSD_SHARD_ROW ? 0 : import->volume;
	if (t->rows < t->shards)
		return smartssd_fail(err, -EINVAL, "table '%s': %" PRIu64 " rows cannot be shared among %u volumes", t->name, t->rows, s->nr);
	ret = layout_init(&t->layout, row_bytes, block);
	if (ret || !store_table_possible(t, s->nr))
		return smartssd_fail(err, -EINVAL, "table '%s': %" PRIu64 " rows of %u bytes in blocks of %u: more than a store can have", t->name, t->rows, row_bytes,
				     block);
	return 0;
}

/* Whether @p goes on as @t from @identity. Whole spans of each shard are done, or all: else it is of a program that wrote in other pieces. */
static bool same_import(const struct pending *p, const struct store_table *t, const char *identity)
{
	const struct store_table *have = &p->table;

	return !strcmp(p->identity, identity) && have->rows == t->rows && have->dim == t->dim && have->format == t->format && have->shards == t->shards &&
	       (t->volume == UINT32_MAX || have->volume == t->volume) && have->layout.block == t->layout.block &&
	       (p->done == have->rows || p->done % ((uint64_t)t->layout.rows_per_span * t->shards) == 0);
}

/* With the lock held: what was interrupted goes. */
static int forget(struct store *s, const char *name, struct smartssd_error *err)
{
	struct pending *p = manifest_find_pending(&s->manifest, name), old;
	int ret;

	if (!p)
		return 0;
	old = *p;
	manifest_drop_pending(&s->manifest, name);
	ret = store_commit(s, err);
	if (ret)
		manifest_put_pending(&s->manifest, &old, NULL); /* there is room: it was there */
	else
		store_drop_objects(s, &old.table);
	return ret;
}

/* An import of that name was interrupted, and is another one than @p. */
static int refuse_other(const struct pending *old, const struct pending *p, struct smartssd_error *err)
{
	const char *name = old->table.name;

	if (!strcmp(old->identity, p->identity))
		return smartssd_fail(err, -EBUSY, "an import of '%s' in another form (%s, %u shard%s) stopped after %" PRIu64 " of %" PRIu64 " rows: go on with that, or ask to "
				     "restart", name, rowfmt_name(old->table.format), old->table.shards, old->table.shards == 1 ? "" : "s", old->done,
				     old->table.rows);
	if (*old->path && !strcmp(old->path, p->path))
		return smartssd_fail(err, -EBUSY, "an import of '%s' stopped after %" PRIu64 " of %" PRIu64 " rows, and the file, %s, has changed since: ask to restart",
				     name, old->done, old->table.rows, old->path);
	return smartssd_fail(err, -EBUSY, "an import of '%s' from another file%s%s stopped after %" PRIu64 " of %" PRIu64 " rows: go on with that, or ask to restart", name,
			     *old->path ? ", " : "", old->path, old->done, old->table.rows);
}

/* To go on with what was interrupted, or to begin. With the lock held. */
static int prepare(struct store *s, const struct store_import *import, struct pending *p, struct smartssd_error *err)
{
	const struct pending *old = manifest_find_pending(&s->manifest, import->name);
	const struct store_table *there = manifest_find(&s->manifest, import->name);

	if (there && !import->replace)
		return smartssd_fail(err, -EEXIST, "there is a table '%s' already: remove it first, or ask to replace it", import->name);
	if (!there && s->manifest.nr >= STORE_MAX_TABLES)
		return smartssd_fail(err, -ENOSPC, "the store has %d tables, more it cannot have: remove one, or make another store", STORE_MAX_TABLES);
	if (old && !import->restart) {
		if (!same_import(old, &p->table, p->identity))
			return refuse_other(old, p, err);
		*p = *old;
		return 0;
	}
	if (p->table.volume == UINT32_MAX)
		p->table.volume = emptiest(s);
	return forget(s, import->name, err);
}

static int copy_rows(const struct store_import *import, struct writer *w, const struct smartssd_progress *progress, struct smartssd_error *err)
{
	uint64_t rows = store_rows_count(import->rows), chunk = min_u64(writer_chunk(w), rows), nr;
	uint32_t dim = store_rows_dim(import->rows);
	float *values = calloc(chunk, dim * sizeof(float));
	uint8_t *encoded = calloc(chunk, rowfmt_bytes(import->format, dim));
	double saved = now();
	int ret = values && encoded ? 0 : smartssd_fail(err, -ENOMEM, "store: out of memory");

	while (!ret && writer_done(w) < rows) {
		nr = min_u64(chunk, rows - writer_done(w));
		ret = store_rows_encode(import->rows, writer_done(w), nr, import->format, values, encoded, err);
		if (!ret)
			ret = writer_put(w, encoded, nr, err);
		if (!ret && now() - saved > SAVE_SECONDS) {
			ret = writer_save(w, err);
			saved = now();
		}
		if (!ret && progress && progress->step(progress->ctx, writer_done(w), rows)) {
			ret = writer_save(w, err);
			if (!ret)
				ret = smartssd_fail(err, -ECANCELED, "stopped after %" PRIu64 " of %" PRIu64 " rows; the same import again goes on there",
						    writer_done(w), rows);
		}
	}
	free(values);
	free(encoded);
	/* What was read before somebody wrote to the file and after do not belong together. */
	return ret ? ret : store_rows_unchanged(import->rows, err);
}

static int run(struct store *s, const struct store_import *import, const struct smartssd_progress *progress, uint64_t *resumed, struct smartssd_error *err)
{
	struct pending p = { .done = 0 };
	struct writer *w;
	int ret = describe(s, import, &p.table, err);

	if (ret)
		return ret;
	snprintf(p.identity, sizeof(p.identity), "%s", store_rows_identity(import->rows));
	snprintf(p.path, sizeof(p.path), "%s", store_rows_path(import->rows));
	pthread_mutex_lock(&s->lock);
	ret = prepare(s, import, &p, err);
	pthread_mutex_unlock(&s->lock);
	if (ret)
		return ret;
	if (resumed)
		*resumed = p.done;
	ret = writer_begin(s, &p, &w, err);
	if (ret)
		return ret;
	ret = copy_rows(import, w, progress, err);
	if (!ret)
		ret = writer_commit(w, err);
	writer_end(w);
	/* Going on would end in the same way. */
	if (ret == -EDOM || ret == -ESTALE) {
		pthread_mutex_lock(&s->lock);
		forget(s, import->name, NULL);
		pthread_mutex_unlock(&s->lock);
	}
	return ret;
}

int store_import(struct store *s, const struct store_import *import, const struct smartssd_progress *progress, uint64_t *resumed, struct smartssd_error *err)
{
	struct claim claim;
	int ret = store_claim(s, &claim, import->name, err);

	if (ret)
		return ret;
	ret = run(s, import, progress, resumed, err);
	store_unclaim(s, &claim);
	return ret;
}
