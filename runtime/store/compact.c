// SPDX-License-Identifier: BSD-2-Clause
/* A new generation of a table from its rows and their updates. */
#include <inttypes.h>
#include <stdio.h>

#include "store_impl.h"

/* Rows of the whole table from @from on, in order, newest versions, encoded one behind the other. */
static int newest_rows(struct table *t, uint64_t from, uint64_t nr, struct stretch *p, uint8_t *out, struct smartssd_error *err)
{
	const struct store_table *info = &t->info;
	const struct layout *l = &info->layout;

	for (uint32_t shard = 0; shard < info->shards; shard++) {
		struct shard *sh = &t->shards[shard];
		uint64_t first = layout_shard_row(from, info->shards), count = layout_shard_rows(nr, info->shards, shard), most;

		/* In stretches, as a part of a chunk may be longer than one. */
		for (uint64_t done = 0; done < count; done += most) {
			uint64_t row;
			int ret;

			most = min_u64(p->rows, count - done);
			ret = stretch_read(t, shard, first + done, most, p, &row, err);
			if (ret)
				return ret;
			for (uint64_t i = 0; i < most; i++) {
				uint8_t *to = out + ((done + i) * info->shards + shard) * l->row_bytes;
				uint64_t newer = delta_find(sh->delta, first + done + i);

				row = (first + done + i) * info->shards + shard;
				if (newer == UINT64_MAX)
					memcpy(to, p->spans + layout_at(l, i), l->row_bytes);
				else if ((ret = volume_pread(&sh->object[PART_DELTA], to, l->row_bytes, newer)))
					return smartssd_fail(err, ret, "table '%s', row %" PRIu64 ": %s", info->name, row, strerror(-ret));
			}
		}
	}
	return 0;
}

static int copy(struct table *t, struct writer *w, const struct smartssd_progress *progress, struct smartssd_error *err)
{
	uint64_t all = t->info.rows, nr;
	struct stretch stretch = { 0 };
	uint8_t *rows = calloc(min_u64(writer_chunk(w), all), t->info.layout.row_bytes);
	int ret = rows ? stretch_make(&stretch, &t->info.layout, err) : smartssd_fail(err, -ENOMEM, "store: out of memory");

	while (!ret && writer_done(w) < all) {
		nr = min_u64(writer_chunk(w), all - writer_done(w));
		ret = newest_rows(t, writer_done(w), nr, &stretch, rows, err);
		if (!ret)
			ret = writer_put(w, rows, nr, err);
		if (!ret && progress && progress->step(progress->ctx, writer_done(w), all))
			ret = smartssd_fail(err, -ECANCELED, "stopped; the table is as it was");
	}
	free(rows);
	stretch_free(&stretch);
	return ret;
}

/* With the table's lock held: no update meanwhile. */
static int rewrite(struct table *t, const struct smartssd_progress *progress, struct smartssd_error *err)
{
	struct pending p = { .table = t->info };
	struct writer *w;
	int ret;

	/* A damaged update would become a row with a checksum that is right. */
	ret = table_verify_deltas(t, err);
	if (ret)
		return ret;
	p.table.crc = 0;
	ret = writer_begin(t->store, &p, &w, err);
	if (ret)
		return ret;
	ret = copy(t, w, progress, err);
	if (!ret)
		ret = writer_commit(w, err);
	writer_end(w);
	return ret;
}

int store_compact(struct store *s, const char *name, const struct smartssd_progress *progress, struct smartssd_error *err)
{
	struct claim claim;
	struct table *t;
	int ret = store_claim(s, &claim, name, err);

	if (ret)
		return ret;
	ret = table_open(s, name, &t, err);
	if (!ret) {
		pthread_mutex_lock(&t->lock);
		ret = rewrite(t, progress, err);
		pthread_mutex_unlock(&t->lock);
		table_close(t);
	}
	store_unclaim(s, &claim);
	return ret;
}
