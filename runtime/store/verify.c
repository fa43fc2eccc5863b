// SPDX-License-Identifier: BSD-2-Clause
/* Every row of a table, read from end to end, against its CRC; all CRCs against the manifest; updates against theirs. */
#include <inttypes.h>
#include <stdio.h>

#include "store_impl.h"

#define STRETCH_BYTES (4u << 20)
#define STRETCH_ROWS  65536 /* and at most so many: of a round, the CRCs of all shards are kept */
#define READERS	    4	  /* stretches that are read at once, while others are checked: of different drives where there are several */

int stretch_make(struct stretch *p, const struct layout *l, struct smartssd_error *err)
{
	uint64_t spans = max_u64(min_u64(STRETCH_BYTES / l->span, STRETCH_ROWS / l->rows_per_span), 1);

	p->rows = spans * l->rows_per_span;
	p->spans = span_buffer(l, spans);
	p->crcs = calloc(p->rows, sizeof(*p->crcs));
	return p->spans && p->crcs ? 0 : smartssd_fail(err, -ENOMEM, "store: out of memory");
}

void stretch_free(struct stretch *p)
{
	free(p->spans);
	free(p->crcs);
}

int stretch_read(const struct table *t, uint32_t shard, uint64_t first, uint64_t nr, struct stretch *p, uint64_t *row, struct smartssd_error *err)
{
	const struct store_table *info = &t->info;
	const struct layout *l = &info->layout;
	const char *path = volume_path(t->store->volumes[shard_volume(t->store, info, shard)]);
	struct shard *sh = &t->shards[shard];
	int ret = volume_pread(&sh->object[PART_ROWS], p->spans, layout_bytes(l, nr), ROWS_HEADER + layout_at(l, first));

	*row = first * info->shards + shard;
	if (!ret)
		ret = volume_pread(&sh->object[PART_CRC], p->crcs, nr * sizeof(*p->crcs), ROWS_HEADER + first * sizeof(*p->crcs));
	if (ret)
		return smartssd_fail(err, ret, "table '%s', rows from %" PRIu64 " on, on %s: %s", info->name, *row, path, strerror(-ret));
	for (uint64_t i = 0; i < nr; i++, *row += info->shards) {
		if (row_crc(p->spans + layout_at(l, i), l->row_bytes, *row) == p->crcs[i])
			continue;
		/* Nobody reads it any more: this is how a damaged row is made good. */
		if (delta_find(sh->delta, first + i) == UINT64_MAX)
			return smartssd_fail(err, -EBADMSG, "table '%s', row %" PRIu64 " on %s: its bytes are not those that were imported (CRC)", info->name, *row,
					     path);
		if (!p->replaced++ || *row < p->replaced_row)
			p->replaced_row = *row;
	}
	return 0;
}

/* One of those that read at once: every READERS-th stretch of a round from @number on. */
struct reader {
	struct round *round;
	uint32_t number;
	struct stretch stretch;
	pthread_t thread;
	bool started;
	int ret;
	uint64_t row; /* of the error */
	struct smartssd_error err;
};

/* The same rows of each shard: @each stretches of it. */
struct round {
	const struct table *table;
	uint64_t first; /* of each shard */
	uint64_t most;	/* rows of a stretch */
	uint32_t each;
	uint32_t *crcs; /* in the order of the table */
};

static void *read_stretches(void *ctx)
{
	struct reader *r = ctx;
	const struct round *round = r->round;
	const struct store_table *info = &round->table->info;

	r->ret = 0;
	for (uint32_t at = r->number; at < info->shards * round->each && !r->ret; at += READERS) {
		uint32_t shard = at % info->shards;
		uint64_t skip = at / info->shards * round->most, first = round->first + skip, rows = shard_rows(info, shard);
		uint64_t nr = rows > first ? min_u64(round->most, rows - first) : 0;

		r->ret = nr ? stretch_read(round->table, shard, first, nr, &r->stretch, &r->row, &r->err) : 0;
		for (uint64_t i = 0; i < nr && !r->ret; i++)
			round->crcs[(skip + i) * info->shards + shard] = r->stretch.crcs[i];
	}
	return NULL;
}

/* All shards' next rows: checked, their CRCs in round->crcs. */
static int read_round(struct reader *readers, struct smartssd_error *err)
{
	const struct reader *bad = NULL;

	/* What gets no thread is read by this one. */
	for (uint32_t i = 1; i < READERS; i++)
		readers[i].started = !pthread_create(&readers[i].thread, NULL, read_stretches, &readers[i]);
	read_stretches(&readers[0]);
	for (uint32_t i = 1; i < READERS; i++)
		if (readers[i].started)
			pthread_join(readers[i].thread, NULL);
		else
			read_stretches(&readers[i]);
	for (uint32_t i = 0; i < READERS; i++)
		if (readers[i].ret && (!bad || readers[i].row < bad->row))
			bad = &readers[i];
	if (bad && err)
		*err = bad->err;
	return bad ? bad->ret : 0;
}

static int verify_rows(const struct table *t, struct round *round, struct reader *readers, const struct smartssd_progress *progress, struct smartssd_error *err)
{
	const struct store_table *info = &t->info;
	uint32_t crc = 0;

	for (uint64_t done = 0, nr; done < info->rows; done += nr, round->first += round->most * round->each) {
		int ret = read_round(readers, err);

		if (ret)
			return ret;
		nr = min_u64(round->most * round->each * info->shards, info->rows - done);
		crc = rowfmt_crc32c(crc, round->crcs, nr * sizeof(*round->crcs));
		if (progress && progress->step(progress->ctx, done + nr, info->rows))
			return smartssd_fail(err, -ECANCELED, "stopped after %" PRIu64 " of %" PRIu64 " rows", done + nr, info->rows);
	}
	if (crc != info->crc)
		return smartssd_fail(err, -EBADMSG, "table '%s': rows and their CRCs agree, but are not those of the manifest (%08x, not %08x)", info->name, crc,
				     info->crc);
	return 0;
}

int table_verify_deltas(const struct table *t, struct smartssd_error *err)
{
	for (uint32_t shard = 0; shard < t->info.shards; shard++) {
		int ret = delta_verify(t->shards[shard].delta, err);

		if (ret)
			return shard_failed(t, shard, ret, err);
	}
	return 0;
}

/* Rows that are wrong, but replaced: no loss, so 1 for @ret 0. */
static int say_replaced(const struct table *t, const struct reader *readers, int ret, struct smartssd_error *err)
{
	const struct store_table *info = &t->info;
	struct smartssd_error why = { "" };
	uint64_t nr = 0, row = UINT64_MAX;
	char more[48] = "";

	for (uint32_t i = 0; i < READERS; i++)
		if (readers[i].stretch.replaced) {
			nr += readers[i].stretch.replaced;
			row = min_u64(row, readers[i].stretch.replaced_row);
		}
	if (!nr)
		return ret;
	if (ret && err)
		why = *err;
	if (nr > 1)
		snprintf(more, sizeof(more), ", as are %" PRIu64 " more", nr - 1);
	return smartssd_fail(err, ret ? ret : 1, "%.1200s%stable '%s', row %" PRIu64 " on %s: its bytes are not those that were imported (CRC), but an update replaced "
			     "them%s: compact the table", why.text, ret ? "; and " : "", info->name, row,
			     volume_path(t->store->volumes[shard_volume(t->store, info, layout_shard(row, info->shards))]), more);
}

static int verify(const struct table *t, const struct smartssd_progress *progress, struct smartssd_error *err)
{
	struct round round = { .table = t, .each = (uint32_t)div_up(READERS, t->info.shards) };
	struct reader readers[READERS] = { 0 };
	int ret = 0;

	for (uint32_t i = 0; i < READERS && !ret; i++) {
		readers[i].round = &round;
		readers[i].number = i;
		ret = stretch_make(&readers[i].stretch, &t->info.layout, err);
	}
	round.most = readers[0].stretch.rows;
	if (!ret && !(round.crcs = calloc(round.most * round.each * t->info.shards, sizeof(*round.crcs))))
		ret = smartssd_fail(err, -ENOMEM, "store: out of memory");
	if (!ret)
		ret = verify_rows(t, &round, readers, progress, err);
	if (!ret)
		ret = table_verify_deltas(t, err);
	if (!ret || ret == -EBADMSG)
		ret = say_replaced(t, readers, ret, err);
	for (uint32_t i = 0; i < READERS; i++)
		stretch_free(&readers[i].stretch);
	free(round.crcs);
	return ret;
}

int store_verify(struct store *s, const char *name, const struct smartssd_progress *progress, struct smartssd_error *err)
{
	struct table *t;
	int ret = table_open(s, name, &t, err);

	if (ret)
		return ret;
	ret = verify(t, progress, err);
	table_close(t);
	return ret;
}
