// SPDX-License-Identifier: BSD-2-Clause
/*
 * Rows that are pinned in host memory, encoded as they are stored. A lookup of one is the host's: it is taken out of its piece before the cards' shares are
 * planned, and while they are under way it is decoded and summed. A row that was forgotten is read again, by a plain read, when it is wanted; one that cannot
 * be read is left to the card, which says what is wrong.
 */
#include <inttypes.h>
#include <stdio.h>

#include "engine_impl.h"

#define WINDOW (1u << 20) /* bytes that are read at once to pin rows */
#define AHEAD  16	  /* lookups whose cache misses are under way */

void dram_free(struct dram *d)
{
	key_set_free(&d->set);
	free(d->rows);
	free(d->there);
}

/* ---- pinning ---- */

/* Where a row is that is to be read. */
struct place {
	uint32_t shard, number; /* number: in dram */
	uint64_t at;		/* as table_where() says it */
};

static int by_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->shard != y->shard)
		return x->shard < y->shard ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static int read_place(const struct table *t, const struct place *p, void *data, uint64_t bytes)
{
	const struct volume_object *o = p->at & TABLE_IN_DELTA ? table_delta(t, p->shard) : table_rows(t, p->shard);

	return volume_pread(o, data, bytes, p->at & ~TABLE_IN_DELTA);
}

/* Rows [0, *nr) lie in one window: read it, take them out. -errno: the first of them that cannot be read. */
static int read_window(struct dram *d, const struct table *t, const struct place *p, uint64_t left, uint64_t *nr, uint8_t *window)
{
	uint32_t bytes = table_info(t)->layout.row_bytes;
	int ret, first = 0;

	for (*nr = 1; *nr < left && p[*nr].shard == p->shard && p[*nr].at + bytes - p->at <= WINDOW; ++*nr)
		;
	ret = read_place(t, p, window, p[*nr - 1].at + bytes - p->at);
	for (uint64_t i = 0; i < *nr; i++) {
		uint8_t *row = d->rows + (uint64_t)p[i].number * bytes;
		int bad = 0;

		if (ret)
			bad = read_place(t, &p[i], row, bytes);
		else
			memcpy(row, window + (p[i].at - p->at), bytes);
		d->there[p[i].number] = !bad;
		first = first ? first : bad;
	}
	return first;
}

/* Those from number @from on that are not there. */
static int read_rows(struct engine *e, uint32_t known, uint32_t from, struct smartssd_error *err)
{
	struct dram *d = &e->known[known].dram;
	const struct table *t = e->known[known].table;
	const struct store_table *info = table_info(t);
	uint64_t nr = d->set.nr - from, step;
	struct place *p = calloc(nr + 1, sizeof(*p));
	uint8_t *window = aligned_alloc(4096, WINDOW);
	int ret = p && window ? 0 : engine_no_memory(err);

	for (uint64_t i = 0; i < nr && !ret; i++) {
		uint64_t row = d->set.keys[from + i], mine = layout_shard_row(row, info->shards);

		p[i] = (struct place){ .shard = layout_shard(row, info->shards), .number = from + (uint32_t)i };
		table_where(t, p[i].shard, &mine, 1, &p[i].at);
	}
	if (!ret)
		qsort(p, nr, sizeof(*p), by_place);
	for (uint64_t i = 0; i < nr && p && window; i += step) {
		int bad = read_window(d, t, p + i, nr - i, &step, window);

		for (uint64_t k = i; k < i + step && bad && !ret; k++)
			if (!d->there[p[k].number])
				ret = smartssd_fail(err, -EIO, "table '%s': row %" PRIu64 " cannot be read from %s: %s", info->name, d->set.keys[p[k].number],
						    volume_path(store_volume(e->store, shard_volume(e->store, info, p[k].shard))), strerror(-bad));
	}
	free(p);
	free(window);
	return ret;
}

static int add_row(struct engine *e, struct dram *d, const struct store_table *info, uint64_t row, struct smartssd_error *err)
{
	uint32_t bytes = info->layout.row_bytes;

	if (key_set_find(&d->set, row, cache_hash(row)) != CACHE_NONE)
		return 0;
	if (bytes > e->o.pinned_host - e->dram_used)
		return smartssd_fail(err, -ENOSPC, "table '%s': %" PRIu64 " of %" PRIu64 " bytes of host memory for pinned rows are taken: the next one needs %u", info->name, e->dram_used,
				     e->o.pinned_host, bytes);
	if (smartssd_grow(&d->rows, &d->room_rows, d->set.nr + 1ull, 1024, bytes) || smartssd_grow(&d->there, &d->room_there, d->set.nr + 1ull, 1024, 1))
		return engine_no_memory(err);
	d->there[d->set.nr] = 0;
	if (key_set_add(&d->set, row))
		return engine_no_memory(err);
	e->dram_used += bytes;
	return 0;
}

int dram_pin(struct engine *e, uint32_t known, const int64_t *rows, uint64_t nr, uint64_t *done, struct smartssd_error *err)
{
	struct dram *d = &e->known[known].dram;
	uint32_t before = d->set.nr;
	int ret = 0, filled;

	for (*done = 0; *done < nr && !ret; *done += !ret)
		ret = add_row(e, d, table_info(e->known[known].table), (uint64_t)rows[*done], err);
	filled = read_rows(e, known, before, ret ? NULL : err);
	return ret ? ret : filled;
}

void dram_forget(struct dram *d, const int64_t *rows, uint64_t nr)
{
	if (!rows && d->set.nr)
		memset(d->there, 0, d->set.nr);
	for (uint64_t i = 0; rows && i < nr; i++) {
		uint32_t number = key_set_find(&d->set, (uint64_t)rows[i], cache_hash((uint64_t)rows[i]));

		if (number != CACHE_NONE)
			d->there[number] = 0;
	}
}

/* ---- lookups ---- */

/* The row's number, or CACHE_NONE: not here, or it cannot be read. */
static uint32_t find_row(struct known *k, uint64_t row)
{
	struct dram *d = &k->dram;
	uint32_t number = key_set_find(&d->set, row, cache_hash(row));
	const struct store_table *info;

	if (number == CACHE_NONE || d->there[number])
		return number;
	info = table_info(k->table);
	d->there[number] = !host_read_row(k->table, layout_shard(row, info->shards), layout_shard_row(row, info->shards), d->rows + (uint64_t)number * info->layout.row_bytes);
	return d->there[number] ? number : CACHE_NONE;
}

void dram_split(struct engine *e, struct batch *b, struct slice *s)
{
	uint32_t left = 0;

	s->nr_dram = 0;
	for (uint32_t i = 0; i < s->nr_pieces; i++) {
		struct piece *piece = &s->pieces[i];
		struct known *k = &e->known[b->asked[piece->asked].known];
		const int64_t *indices = piece->indices;
		const float *weights = piece->weights;
		uint32_t nr = piece->nr, first = left;

		piece->dram = s->nr_dram;
		piece->nr_dram = 0;
		if (!k->dram.set.nr)
			continue;
		for (uint32_t n = 0; n < nr; n++) {
			uint32_t number;

			/* First where the key is to be, then the key. */
			if (n + 2 * AHEAD < nr)
				cache_index_prefetch(&k->dram.set.index, cache_hash((uint64_t)indices[n + 2 * AHEAD]));
			if (n + AHEAD < nr)
				cache_index_prefetch_key(&k->dram.set.index, cache_hash((uint64_t)indices[n + AHEAD]));
			number = find_row(k, (uint64_t)indices[n]);
			if (number != CACHE_NONE) {
				s->dram[s->nr_dram++] = (struct dram_hit){ .number = number, .weight = weights ? weights[n] : 1.0f };
				continue;
			}
			s->indices[left] = indices[n];
			s->weights[left++] = weights ? weights[n] : 1.0f;
		}
		piece->nr_dram = s->nr_dram - piece->dram;
		piece->nr = left - first;
		piece->indices = s->indices + first;
		piece->weights = weights ? s->weights + first : NULL;
	}
	e->counts.host_pinned_hits += s->nr_dram;
}

static void pool_piece(const struct dram *d, const struct store_table *info, const struct dram_hit *hits, uint32_t nr, float *y)
{
	float row[ROWFMT_MAX_DIM], sum[ROWFMT_MAX_DIM];
	uint64_t bytes = info->layout.row_bytes;

	memset(sum, 0, info->dim * sizeof(*sum));
	for (uint32_t i = 0; i < nr; i++) {
		const uint8_t *data = d->rows + hits[i].number * bytes;
		const float *x = row;
		float weight = hits[i].weight;

		for (uint64_t line = 0; line < bytes && line < 512 && i + AHEAD < nr; line += 64)
			__builtin_prefetch(d->rows + hits[i + AHEAD].number * bytes + line);
		if (info->format == SMARTSSD_ROWS_FP32)
			x = (const void *)data;
		else
			rowfmt_decode(info->format, info->dim, data, 1, row);
		for (uint32_t k = 0; k < info->dim; k++)
			sum[k] += weight * x[k];
	}
	for (uint32_t k = 0; k < info->dim; k++)
		y[k] += sum[k];
}

void dram_pool(struct engine *e, struct batch *b, const struct slice *s)
{
	uint64_t start = smartssd_now();

	for (uint32_t i = 0; i < s->nr_pieces; i++) {
		const struct piece *piece = &s->pieces[i];
		const struct asked *a = &b->asked[piece->asked];
		const struct store_table *info = table_info(e->known[a->known].table);

		if (piece->nr_dram)
			pool_piece(&e->known[a->known].dram, info, s->dram + piece->dram, piece->nr_dram, b->bags[a->request].y + piece->bag * info->dim);
	}
	e->counts.host_pool_ns += smartssd_now() - start;
}
