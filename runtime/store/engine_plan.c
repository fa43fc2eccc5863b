// SPDX-License-Identifier: BSD-2-Clause
/*
 * A card's share of a slice. Pieces come with those of a (format, dim), a run, side by side, and in it those of a table. For each table:
 *
 *   gather    keys of its lookups: row, and number of the lookup
 *   sort      them: equal rows are neighbours, and rows ascend as they do on the drive
 *   resolve   each row once: in card memory already, or where on the drive; extents of the latter, neighbours together
 *   scatter   the byte in the arena where each lookup finds its row
 *
 * Rows in the delta are in a file of their own, in no order: their places are sorted.
 */
#include <inttypes.h>
#include <stdio.h>

#include "engine_impl.h"

#define LOOKUP_BITS 16 /* of a key: below the row, the lookup; below a place in the delta, the row's number in rows */

int plan_source(struct engine *e, uint32_t lane, uint32_t known, uint32_t *out, struct smartssd_error *err)
{
	struct lane *l = &e->lanes[lane];
	struct table *t = e->known[known].table;
	const struct store_table *info = table_info(t);
	struct source *s;

	*out = e->known[known].source[lane] - 1;
	if (e->known[known].source[lane])
		return 0;
	if (e->next_key >> (64 - ROW_BITS) || smartssd_grow(&l->sources, &l->room_sources, l->nr_sources + 1, 16, sizeof(*s)))
		return engine_no_memory(err);
	s = &l->sources[l->nr_sources];
	*s = (struct source){ .table = t, .shard = engine_shard(e, info, lane), .key = (uint64_t)e->next_key++ << ROW_BITS };
	s->pin_key = s->key;
	while (s->class < l->nr_classes && l->classes[s->class].row_bytes != info->layout.row_bytes)
		s->class++;
	*out = l->nr_sources++;
	e->known[known].source[lane] = l->nr_sources;
	return 0;
}

/* ---- sorting ---- */

/* By the bits from @low up to those of @most, least significant digit first. Returns where the result is. */
static uint64_t *sort(uint64_t *keys, uint64_t *other, uint32_t nr, uint32_t low, uint64_t most)
{
	uint32_t width = nr < 1024 ? 6 : 11; /* clearing and adding up the counts takes time, too */
	uint64_t mask = (1ull << width) - 1;

	for (uint32_t shift = low; shift < 64 && most >> shift; shift += width) {
		uint32_t count[2048], sum = 0;
		uint64_t *swap = keys;

		memset(count, 0, (mask + 1) * sizeof(*count));
		for (uint32_t i = 0; i < nr; i++)
			count[keys[i] >> shift & mask]++;
		for (uint32_t d = 0; d <= mask; d++) {
			uint32_t n = count[d];

			count[d] = sum;
			sum += n;
		}
		for (uint32_t i = 0; i < nr; i++)
			other[count[keys[i] >> shift & mask]++] = keys[i];
		keys = other;
		other = swap;
	}
	return keys;
}

/* ---- what is to be read ---- */

static int open_file(struct lane *l, struct source *s, uint32_t which, struct share *p, struct smartssd_error *err)
{
	const struct volume_object *object = which ? table_delta(s->table, s->shard) : table_rows(s->table, s->shard);
	struct smartssd_file file = { 0 };
	int ret = smartssd_file_register(l->dev, object->fd, &file);

	if (ret == -ENODEV) {
		p->end = SHARE_LOST;
		return 0;
	}
	if (ret)
		return smartssd_fail(err, ret, "table '%s', shard %u: the card does not take its file: %s", table_info(s->table)->name, s->shard, strerror(-ret));
	s->file[which] = file.file;
	return 0;
}

/* Where reading goes on. */
struct cursor {
	struct reading *reading;
	struct smartssd_extent *x;
	uint64_t wanted_end; /* of the blocks that were wanted so far */
};

static int begin_reading(struct share *p, uint32_t source, uint32_t which, struct cursor *c, struct smartssd_error *err)
{
	struct source *s = &p->lane->sources[source];
	int ret = s->file[which] ? 0 : open_file(p->lane, s, which, p, err);

	if (ret)
		return ret;
	*c = (struct cursor){ .reading = &p->readings[p->nr_readings++] };
	*c->reading = (struct reading){ .file = s->file[which], .first = p->nr_extents };
	return 0;
}

/* The row at @at of the file; places ascend. Returns the byte in the arena where it will be. */
static uint32_t read_row(struct engine *e, struct share *p, const struct layout *layout, uint64_t at, struct cursor *c)
{
	uint64_t first = align_down(at, layout->block), end = align_up(at + layout->row_bytes, layout->block);

	/* A block more costs less than a request more, up to a point. */
	if (!c->x || e->o.no_dedup || first > c->x->file_offset + c->x->bytes + e->o.gap) {
		c->x = &p->extents[p->nr_extents++];
		*c->x = (struct smartssd_extent){ .file_offset = first, .bo_offset = p->staging + p->read_bytes };
		c->reading->nr++;
	}
	if (end > c->x->file_offset + c->x->bytes) {
		uint64_t more = end - (c->x->file_offset + c->x->bytes);

		c->x->bytes += more;
		c->reading->bytes += more;
		p->read_bytes += more;
	}
	if (end > c->wanted_end) {
		e->counts.blocks_wanted += end - max_u64(first, c->wanted_end);
		c->wanted_end = end;
	}
	return (uint32_t)(c->x->bo_offset + (at - c->x->file_offset));
}

/* Rows that are not in card memory: @nr of e->rows with e->byte NOWHERE; e->byte becomes where each will be. */
static int read_rows(struct engine *e, struct share *p, uint32_t source, uint32_t nr, struct smartssd_error *err)
{
	const struct source *s = &p->lane->sources[source];
	const struct layout *layout = &table_info(s->table)->layout;
	uint64_t rows_at = table_rows(s->table, s->shard)->offset, delta_at = table_delta(s->table, s->shard)->offset, most = 0, *delta = e->keys;
	struct cursor c = { 0 };
	uint32_t in_delta = 0;
	int ret = 0;

	table_where(s->table, s->shard, e->rows, nr, e->at);
	for (uint32_t i = 0; i < nr && !ret; i++) {
		if (e->byte[i] != NOWHERE)
			continue;
		e->counts.rows_read++;
		e->counts.row_bytes_wanted += layout->row_bytes;
		if (e->at[i] & TABLE_IN_DELTA) {
			uint64_t at = delta_at + (e->at[i] & ~TABLE_IN_DELTA);

			delta[in_delta++] = at << LOOKUP_BITS | i;
			most |= at << LOOKUP_BITS;
			continue;
		}
		if (!c.reading)
			ret = begin_reading(p, source, 0, &c, err);
		if (!ret)
			e->byte[i] = read_row(e, p, layout, rows_at + e->at[i], &c);
	}
	if (!in_delta || ret)
		return ret;
	delta = sort(delta, e->at, in_delta, LOOKUP_BITS, most);
	ret = begin_reading(p, source, 1, &c, err);
	for (uint32_t i = 0; i < in_delta && !ret; i++)
		e->byte[delta[i] & ((1u << LOOKUP_BITS) - 1)] = read_row(e, p, layout, delta[i] >> LOOKUP_BITS, &c);
	return ret;
}

/* ---- a table ---- */

/* Sorted keys -> e->rows, each once, and e->start, the first key of each and the end. What is not new is overwritten by the next: no branch to guess wrong. */
static uint32_t distinct_rows(struct engine *e, const uint64_t *keys, uint32_t nr)
{
	uint64_t last = UINT64_MAX;
	uint32_t rows = 0;

	for (uint32_t i = 0; i < nr; i++) {
		uint64_t row = keys[i] >> LOOKUP_BITS;

		e->rows[rows] = row;
		e->start[rows] = i;
		rows += (row != last) | e->o.no_dedup;
		last = row;
	}
	e->start[rows] = nr;
	return rows;
}

static void mark_missed(struct batch *b, const struct engine *e, const struct slice *s, const struct share *p, uint32_t lookup)
{
	const struct piece *piece = &s->pieces[p->pieces[e->piece_of[lookup]]];

	b->marks[b->asked[piece->asked].first_mark + piece->bag] |= MARK_MISSED;
}

/* Lookups [first, p->nr_lookups) are @source's; their keys are in e->keys. */
static int plan_table(struct engine *e, struct batch *b, const struct slice *s, struct share *p, uint32_t source, uint32_t first, uint64_t most, struct smartssd_error *err)
{
	uint32_t nr = p->nr_lookups - first, rows, misses = 0, fills = p->nr_fills;
	uint64_t *keys = sort(e->keys, e->other, nr, LOOKUP_BITS, most), *spare = keys == e->keys ? e->other : e->keys;
	bool held = !e->o.no_dedup && (e->o.row_cache || e->o.pinned);
	int ret = 0;

	/* read_rows() uses the one that is free. */
	e->keys = spare;
	e->other = keys;
	rows = distinct_rows(e, keys, nr);
	e->counts.distinct_rows += rows;
	for (uint32_t i = 0; i < rows && held; i++) {
		uint32_t uses = e->start[i + 1] - e->start[i], to;

		held_prefetch(e, p, source, i, rows);
		e->byte[i] = held_find(e, p, source, e->rows[i], &to);
		if (e->byte[i] != NOWHERE) {
			e->counts.row_hits++;
			e->counts.lookup_hits += uses;
			continue;
		}
		misses++;
		for (uint32_t k = e->start[i]; k < e->start[i + 1]; k++)
			mark_missed(b, e, s, p, keys[k] & ((1u << LOOKUP_BITS) - 1));
		if (to != NOWHERE) {
			p->from[p->nr_fills] = i; /* its byte is not known yet */
			p->to[p->nr_fills++] = to;
		}
	}
	if (!held) {
		memset(e->byte, 0xff, rows * sizeof(*e->byte));
		misses = rows;
	}
	if (misses)
		ret = read_rows(e, p, source, rows, err);
	for (uint32_t i = fills; i < p->nr_fills; i++)
		p->from[i] = e->byte[p->from[i]];
	for (uint32_t i = 0; i < rows; i++)
		for (uint32_t k = e->start[i]; k < e->start[i + 1]; k++)
			p->word[keys[k] & ((1u << LOOKUP_BITS) - 1)] = e->byte[i];
	return ret;
}

/* ---- all of it ---- */

/* Keys of a piece's lookups, of those that are this card's: all of a table, or the rows of a shard. */
static void take_piece(struct engine *e, struct share *p, const struct engine_bags *r, const struct piece *piece, uint32_t shard, uint32_t first, uint64_t *most)
{
	uint32_t shards = table_info(r->table)->shards, at = p->nr_lookups;
	uint64_t all = 0;

	if (shards == 1) {
		for (uint64_t i = piece->first; i < piece->last; i++, at++) {
			all |= (uint64_t)r->indices[i];
			e->keys[at - first] = (uint64_t)r->indices[i] << LOOKUP_BITS | at;
		}
		if (p->weighted)
			for (uint64_t i = piece->first, k = p->nr_lookups; i < piece->last; i++)
				p->weight[k++] = r->weights ? r->weights[i] : 1.0f;
	} else {
		for (uint64_t i = piece->first; i < piece->last; i++) {
			uint64_t row = (uint64_t)r->indices[i];

			if (layout_shard(row, shards) != shard)
				continue;
			row = layout_shard_row(row, shards);
			all |= row;
			e->keys[at - first] = row << LOOKUP_BITS | at;
			p->weight[at++] = r->weights ? r->weights[i] : 1.0f;
		}
	}
	*most |= all << LOOKUP_BITS;
	p->nr_lookups = at;
}

static void begin_run(struct share *p, const struct store_table *info)
{
	p->runs[p->nr_runs++] = (struct run){ .format = info->format, .dim = info->dim, .first = p->nr_pieces, .lookup = p->nr_lookups, .fill = p->nr_fills, .y = p->y_floats };
}

static void end_run(struct share *p)
{
	struct run *r = &p->runs[p->nr_runs - 1];

	r->nr = p->nr_pieces - r->first;
	r->lookups = p->nr_lookups - r->lookup;
	r->fills = p->nr_fills - r->fill;
	p->y_floats = r->y + (uint64_t)r->nr * r->dim;
	if (!r->nr)
		p->nr_runs--;
}

/* Pieces from @i on that are of one table. Returns the first that is not. */
static uint32_t take_table(struct engine *e, struct batch *b, struct slice *s, struct share *p, uint32_t lane, uint32_t i, int *ret, struct smartssd_error *err)
{
	uint32_t known = b->asked[s->pieces[i].asked].known, first = p->nr_lookups, source = 0;
	uint32_t shard = engine_shard(e, table_info(e->known[known].table), lane);
	uint64_t most = 0;

	*ret = shard == UINT32_MAX ? 0 : plan_source(e, lane, known, &source, err);
	for (; i < s->nr_pieces && b->asked[s->pieces[i].asked].known == known; i++) {
		uint32_t before = p->nr_lookups;

		if (shard == UINT32_MAX || *ret)
			continue;
		take_piece(e, p, &b->bags[b->asked[s->pieces[i].asked].request], &s->pieces[i], shard, first, &most);
		if (p->nr_lookups == before) /* nothing for this card: nothing to add */
			continue;
		for (uint32_t k = before; k < p->nr_lookups && b->marks; k++)
			e->piece_of[k] = p->nr_pieces;
		p->offset[p->nr_pieces] = before;
		p->pieces[p->nr_pieces++] = i;
	}
	if (!*ret && p->nr_lookups > first)
		*ret = plan_table(e, b, s, p, source, first, most, err);
	return i;
}

int plan_share(struct engine *e, struct batch *b, struct slice *s, uint32_t lane, struct smartssd_error *err)
{
	struct share *p = &s->shares[lane];
	uint64_t kind = UINT64_MAX;
	int ret = 0;

	p->nr_pieces = p->nr_lookups = p->nr_fills = p->nr_held = p->nr_runs = p->nr_extents = p->nr_readings = 0;
	p->read_bytes = p->y_floats = 0;
	p->planned = true;
	p->end = SHARE_HOST;
	p->weighted = false;
	for (uint32_t i = 0; i < s->nr_pieces; i++)
		p->weighted |= b->bags[b->asked[s->pieces[i].asked].request].weights != NULL;
	for (uint32_t i = 0; i < s->nr_pieces && !ret;) {
		const struct asked *a = &b->asked[s->pieces[i].asked];

		if (a->kind >> 40 != kind) {
			if (kind != UINT64_MAX)
				end_run(p);
			kind = a->kind >> 40;
			begin_run(p, table_info(b->bags[a->request].table));
		}
		i = take_table(e, b, s, p, lane, i, &ret, err);
	}
	end_run(p);
	p->offset[p->nr_pieces] = p->nr_lookups;
	e->counts.flash_reads += p->nr_extents;
	e->counts.flash_bytes += p->read_bytes;
	e->counts.most_reads = max_u64(e->counts.most_reads, p->nr_extents);
	return ret;
}
