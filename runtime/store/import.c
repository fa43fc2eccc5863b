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
	return ret ? smartssd_fail(err, ret, "table '%s': rows of %u bytes in blocks of %u", t->name, row_bytes, block) : 0;
}

static bool same_import(const struct pending *p, const struct store_table *t, const char *identity)
{
	return !strcmp(p->identity, identity) && p->table.rows == t->rows && p->table.dim == t->dim && p->table.format == t->format && p->table.shards == t->shards &&
	       (t->volume == UINT32_MAX || p->table.volume == t->volume) && p->table.layout.block == t->layout.block;
}

/* To go on with what was interrupted, or to begin. */
static int prepare(struct store *s, const struct store_import *import, struct pending *p, struct smartssd_error *err)
{
	const struct pending *old;
	struct pending stale;
	bool forget = false;
	int ret;

	memset(p, 0, sizeof(*p));
	ret = describe(s, import, &p->table, err);
	if (ret)
		return ret;
	snprintf(p->identity, sizeof(p->identity), "%s", store_rows_identity(import->rows));
	pthread_mutex_lock(&s->lock);
	old = manifest_find_pending(&s->manifest, import->name);
	if (!import->replace && manifest_find(&s->manifest, import->name)) {
		ret = smartssd_fail(err, -EEXIST, "there is a table '%s' already: remove it first, or ask to replace it", import->name);
	} else if (old && !import->restart && same_import(old, &p->table, p->identity)) {
		*p = *old;
	} else if (old && !import->restart && old->done) {
		ret = smartssd_fail(err, -EBUSY, "an import of '%s' from another file, or in another form, stopped after %" PRIu64 " of %" PRIu64 " rows: go on with that, or ask to restart",
				    import->name, old->done, old->table.rows);
	} else {
		if (p->table.volume == UINT32_MAX)
			p->table.volume = emptiest(s);
		forget = old;
		if (old) {
			stale = *old;
			manifest_drop_pending(&s->manifest, import->name);
			ret = store_commit(s, err);
		}
		if (!ret && forget)
			store_drop_objects(s, &stale.table);
	}
	pthread_mutex_unlock(&s->lock);
	/* Begun, but nothing was saved: its objects may not be there. */
	if (!ret && old && !forget && !p->done) {
		pthread_mutex_lock(&s->lock);
		manifest_drop_pending(&s->manifest, import->name);
		ret = store_commit(s, err);
		if (!ret)
			store_drop_objects(s, &p->table);
		pthread_mutex_unlock(&s->lock);
		p->crc = 0;
	}
	return ret;
}

static int copy_rows(const struct store_import *import, struct writer *w, const struct smartssd_progress *progress, struct smartssd_error *err)
{
	uint64_t rows = store_rows_count(import->rows), chunk = min_u64(writer_chunk(w), rows), nr, bad;
	uint32_t dim = store_rows_dim(import->rows);
	float *values = calloc(chunk, dim * sizeof(float));
	uint8_t *encoded = calloc(chunk, rowfmt_bytes(import->format, dim));
	double saved = now();
	int ret = values && encoded ? 0 : smartssd_fail(err, -ENOMEM, "store: out of memory");

	while (!ret && writer_done(w) < rows) {
		nr = min_u64(chunk, rows - writer_done(w));
		ret = store_rows_read(import->rows, writer_done(w), nr, values, err);
		if (!ret && !store_rows_fused(import->rows, import->format) && rowfmt_encode(import->format, dim, values, nr, encoded, &bad))
			ret = smartssd_fail(err, -EDOM, "table '%s': row %" PRIu64 " has a number that is not finite, or that %s cannot hold", import->name, writer_done(w) + bad,
					    rowfmt_name(import->format));
		if (!ret)
			ret = writer_put(w, store_rows_fused(import->rows, import->format) ? store_rows_raw(import->rows) : encoded, nr, err);
		if (!ret && now() - saved > SAVE_SECONDS) {
			ret = writer_save(w, err);
			saved = now();
		}
		if (!ret && progress && progress->step(progress->ctx, writer_done(w), rows)) {
			ret = writer_save(w, err);
			if (!ret)
				ret = smartssd_fail(err, -ECANCELED, "stopped after %" PRIu64 " of %" PRIu64 " rows; the same import again goes on there", writer_done(w), rows);
		}
	}
	free(values);
	free(encoded);
	return ret;
}

int store_import(struct store *s, const struct store_import *import, const struct smartssd_progress *progress, uint64_t *resumed, struct smartssd_error *err)
{
	struct writer *w;
	struct pending p;
	int ret;

	if (!(s->flags & VOLUME_WRITE))
		return smartssd_fail(err, -EBADF, "the store was opened for reading");
	ret = prepare(s, import, &p, err);
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
	return ret;
}
