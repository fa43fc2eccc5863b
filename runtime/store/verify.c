// SPDX-License-Identifier: BSD-2-Clause
/* Every row of a table, read from end to end: against its CRC, or into a new generation. */
#include <inttypes.h>
#include <stdio.h>

#include "store_impl.h"

#define PIECE_BYTES (4u << 20)

/* A piece of one shard: whole spans and their CRCs. */
struct piece {
	uint8_t *spans;
	uint32_t *crcs;
	uint64_t rows; /* most */
};

static int piece_make(struct piece *p, const struct layout *l, struct smartssd_error *err)
{
	uint64_t spans = max_u64(PIECE_BYTES / l->span, 1);

	p->rows = spans * l->rows_per_span;
	p->spans = span_buffer(l, spans);
	p->crcs = calloc(p->rows, sizeof(*p->crcs));
	return p->spans && p->crcs ? 0 : smartssd_fail(err, -ENOMEM, "store: out of memory");
}

static void piece_free(struct piece *p)
{
	free(p->spans);
	free(p->crcs);
}

/* Rows [first, first + nr) of @shard, each against its CRC. */
static int piece_read(struct table *t, uint32_t shard, uint64_t first, uint64_t nr, struct piece *p, struct smartssd_error *err)
{
	const struct store_table *info = &t->info;
	const struct layout *l = &info->layout;
	const char *path = volume_path(t->store->volumes[shard_volume(t->store, info, shard)]);
	struct shard *sh = &t->shards[shard];
	int ret = volume_pread(&sh->object[PART_ROWS], p->spans, layout_bytes(l, nr), ROWS_HEADER + layout_at(l, first));

	if (!ret)
		ret = volume_pread(&sh->object[PART_CRC], p->crcs, nr * sizeof(*p->crcs), ROWS_HEADER + first * sizeof(*p->crcs));
	if (ret)
		return smartssd_fail(err, ret, "table '%s', rows from %" PRIu64 " on, on %s: %s", info->name, first * info->shards + shard, path, strerror(-ret));
	for (uint64_t i = 0; i < nr; i++) {
		uint64_t row = (first + i) * info->shards + shard;

		if (row_crc(p->spans + layout_at(l, i), l->row_bytes, row) != p->crcs[i])
			return smartssd_fail(err, -EBADMSG, "table '%s', row %" PRIu64 " on %s: its bytes are not those that were imported (CRC)", info->name, row, path);
	}
	return 0;
}

int store_verify(struct store *s, const char *name, const struct smartssd_progress *progress, struct smartssd_error *err)
{
	struct piece p = { 0 };
	uint64_t done = 0;
	struct table *t;
	uint32_t crc = 0;
	int ret = table_open(s, name, &t, err);

	if (ret)
		return ret;
	ret = piece_make(&p, &t->info.layout, err);
	for (uint32_t shard = 0; shard < t->info.shards && !ret; shard++) {
		uint64_t rows = shard_rows(&t->info, shard);

		for (uint64_t first = 0, nr; first < rows && !ret; first += nr) {
			nr = min_u64(p.rows, rows - first);
			ret = piece_read(t, shard, first, nr, &p, err);
			/* The whole table's is over rows in order: that of one shard is that order. */
			if (t->info.shards == 1)
				crc = rowfmt_crc32c(crc, p.crcs, nr * sizeof(*p.crcs));
			done += nr;
			if (!ret && progress && progress->step(progress->ctx, done, t->info.rows))
				ret = smartssd_fail(err, -ECANCELED, "stopped after %" PRIu64 " of %" PRIu64 " rows", done, t->info.rows);
		}
		if (!ret) {
			ret = delta_verify(t->shards[shard].delta, err);
			if (ret)
				shard_failed(t, shard, ret, err);
		}
	}
	if (!ret && t->info.shards == 1 && crc != t->info.crc)
		ret = smartssd_fail(err, -EBADMSG, "table '%s': rows and their CRCs agree, but are not those of the manifest", name);
	piece_free(&p);
	table_close(t);
	return ret;
}

/* ---- compaction ---- */

/* Rows of the whole table from @from on, in order, newest versions, encoded one behind the other. */
static int newest_rows(struct table *t, uint64_t from, uint64_t nr, struct piece *p, uint8_t *out, struct smartssd_error *err)
{
	const struct store_table *info = &t->info;
	const struct layout *l = &info->layout;

	for (uint32_t shard = 0; shard < info->shards; shard++) {
		struct shard *sh = &t->shards[shard];
		uint64_t first = layout_shard_row(from, info->shards), count = layout_shard_rows(nr, info->shards, shard);
		int ret = count ? piece_read(t, shard, first, count, p, err) : 0;

		if (ret)
			return ret;
		for (uint64_t i = 0; i < count; i++) {
			uint8_t *to = out + (i * info->shards + shard) * l->row_bytes;
			uint64_t newer = delta_find(sh->delta, first + i);

			if (newer == UINT64_MAX)
				memcpy(to, p->spans + layout_at(l, i), l->row_bytes);
			else if ((ret = volume_pread(&sh->object[PART_DELTA], to, l->row_bytes, newer)))
				return smartssd_fail(err, ret, "table '%s', row %" PRIu64 ": %s", info->name, (first + i) * info->shards + shard, strerror(-ret));
		}
	}
	return 0;
}

static int rewrite(struct table *t, const struct smartssd_progress *progress, struct smartssd_error *err)
{
	struct pending p = { .table = t->info };
	struct piece piece = { 0 };
	uint8_t *rows = NULL;
	struct writer *w;
	int ret;

	snprintf(p.identity, sizeof(p.identity), "compaction of generation %" PRIu64, t->info.generation);
	p.table.crc = 0;
	ret = writer_begin(t->store, &p, &w, err);
	if (ret)
		return ret;
	/* A shard's part of a chunk is as large as a piece, or smaller. */
	ret = piece_make(&piece, &t->info.layout, err);
	if (!ret && !(rows = calloc(writer_chunk(w), t->info.layout.row_bytes)))
		ret = smartssd_fail(err, -ENOMEM, "store: out of memory");
	while (!ret && writer_done(w) < t->info.rows) {
		uint64_t nr = min_u64(writer_chunk(w), t->info.rows - writer_done(w));

		ret = newest_rows(t, writer_done(w), nr, &piece, rows, err);
		if (!ret)
			ret = writer_put(w, rows, nr, err);
		if (!ret && progress && progress->step(progress->ctx, writer_done(w), t->info.rows))
			ret = smartssd_fail(err, -ECANCELED, "stopped; the table is as it was");
	}
	if (!ret)
		ret = writer_commit(w, err);
	free(rows);
	piece_free(&piece);
	writer_end(w);
	return ret;
}

int store_compact(struct store *s, const char *name, const struct smartssd_progress *progress, struct smartssd_error *err)
{
	struct pending *p, stale;
	struct table *t;
	int ret;

	if (!(s->flags & VOLUME_WRITE))
		return smartssd_fail(err, -EBADF, "the store was opened for reading");
	ret = table_open(s, name, &t, err);
	if (ret)
		return ret;
	pthread_mutex_lock(&t->lock);
	ret = rewrite(t, progress, err);
	pthread_mutex_unlock(&t->lock);
	table_close(t);
	/* A compaction does not go on later: it begins anew. */
	pthread_mutex_lock(&s->lock);
	p = manifest_find_pending(&s->manifest, name);
	if (ret && p) {
		stale = *p;
		manifest_drop_pending(&s->manifest, name);
		if (!store_commit(s, NULL))
			store_drop_objects(s, &stale.table);
	}
	pthread_mutex_unlock(&s->lock);
	return ret;
}
