// SPDX-License-Identifier: BSD-2-Clause
/*
 * A card's share of a slice. Pieces come with those of a (format, dim), a run, side by side, and in it those of a table. For each table:
 *
 *   gather    the distinct rows of its lookups (a small hash table), and of each lookup the number of its row
 *   resolve   each row once: in card memory already, or to be read
 *   read      the latter sorted, as rows ascend as they do on the drive; extents, neighbours together
 *   scatter   the byte in the arena where each lookup finds its row
 *
 * Rows in the delta are in a file of their own, in no order: their places are sorted.
 */
#include <inttypes.h>
#include <stdio.h>

#include "engine_impl.h"

#define NUMBER_BITS 16 /* of a key: below the row, or its place in the delta, its number in e->rows, or in e->wanted */

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

/* What e->keys has, @nr of them: the row, and its number, whose e->byte becomes where the row will be. @most: the bits that any key has. */
static int read_rows(struct engine *e, struct share *p, uint32_t source, uint32_t nr, uint64_t most, struct smartssd_error *err)
{
	const struct source *s = &p->lane->sources[source];
	const struct layout *layout = &table_info(s->table)->layout;
	uint64_t rows_at = table_rows(s->table, s->shard)->offset, delta_at = table_delta(s->table, s->shard)->offset;
	uint64_t *keys = sort(e->keys, e->other, nr, NUMBER_BITS, most), *delta = keys == e->keys ? e->other : e->keys, most_delta = 0;
	const uint32_t number = (1u << NUMBER_BITS) - 1;
	struct cursor c = { 0 };
	uint32_t in_delta = 0;
	int ret = 0;

	for (uint32_t i = 0; i < nr; i++)
		e->wanted[i] = keys[i] >> NUMBER_BITS;
	table_where(s->table, s->shard, e->wanted, nr, e->at);
	e->counts.rows_read += nr;
	e->counts.row_bytes_wanted += (uint64_t)nr * layout->row_bytes;
	for (uint32_t i = 0; i < nr && !ret; i++) {
		if (e->at[i] & TABLE_IN_DELTA) {
			uint64_t at = delta_at + (e->at[i] & ~TABLE_IN_DELTA);

			delta[in_delta++] = at << NUMBER_BITS | (keys[i] & number);
			most_delta |= at << NUMBER_BITS;
			continue;
		}
		if (!c.reading)
			ret = begin_reading(p, source, 0, &c, err);
		if (!ret)
			e->byte[keys[i] & number] = read_row(e, p, layout, rows_at + e->at[i], &c);
	}
	if (!in_delta || ret)
		return ret;
	delta = sort(delta, e->at, in_delta, NUMBER_BITS, most_delta);
	ret = begin_reading(p, source, 1, &c, err);
	for (uint32_t i = 0; i < in_delta && !ret; i++)
		e->byte[delta[i] & number] = read_row(e, p, layout, delta[i] >> NUMBER_BITS, &c);
	return ret;
}

/* ---- a table ---- */

/* The hash table that tells rows apart is at most half full, and small, so that it stays in a near cache. */
static uint32_t seen_bits(uint32_t lookups)
{
	uint32_t bits = 6;

	while (1u << bits < 2 * lookups)
		bits++;
	return bits;
}

uint32_t plan_seen_room(uint32_t lookups)
{
	return 1u << seen_bits(lookups);
}

struct gather {
	uint32_t first; /* lookup of the share */
	uint32_t rows;	/* distinct */
	uint32_t shift, mask;
	uint64_t all; /* the bits that any row has */
};

/* For up to @lookups of them. */
static void begin_gather(struct engine *e, struct gather *g, const struct share *p, uint32_t lookups)
{
	uint32_t bits = seen_bits(lookups);

	*g = (struct gather){ .first = p->nr_lookups, .shift = 64 - bits, .mask = (1u << bits) - 1 };
	if (e->seen_base <= UINT32_MAX - SLICE_LOOKUPS)
		return;
	memset(e->seen, 0, plan_seen_room(e->max_lookups) * sizeof(*e->seen));
	e->seen_base = 1;
}

static inline uint32_t new_number(struct engine *e, struct gather *g, uint64_t row)
{
	e->rows[g->rows] = row;
	g->all |= row;
	return g->rows++;
}

/* The number of the row in e->rows. It is written behind the last one first, so that whether it is new needs no branch, which would be guessed wrong as often as not. */
static inline uint32_t number_of(struct engine *e, struct gather *g, uint64_t row)
{
	uint32_t i = (uint32_t)(row * 0x9e3779b97f4a7c15ull >> g->shift), n, rows = g->rows;

	e->rows[rows] = row;
	g->all |= row;
	for (;; i = (i + 1) & g->mask) {
		/* What is from before is less than the base, so its difference is large. */
		n = e->seen[i] - e->seen_base;
		n = n < rows ? n : rows;
		if (e->rows[n] == row)
			break;
	}
	e->seen[i] = e->seen_base + n;
	g->rows = rows + (n == rows);
	return n;
}

/* A piece's lookups, of those that are this card's: all of a table, or the rows of a shard. */
static void gather_piece(struct engine *e, struct share *p, struct gather *g, const struct piece *piece, uint32_t shards, uint32_t shard)
{
	uint32_t at = p->nr_lookups;

	if (shards == 1 && !e->o.no_dedup) {
		for (uint32_t i = 0; i < piece->nr; i++)
			e->which[at + i] = number_of(e, g, (uint64_t)piece->indices[i]);
		for (uint32_t i = 0; i < piece->nr && p->weighted; i++)
			p->weight[at + i] = piece->weights ? piece->weights[i] : 1.0f;
		p->nr_lookups = at + piece->nr;
		return;
	}
	for (uint32_t i = 0; i < piece->nr; i++) {
		uint64_t row = (uint64_t)piece->indices[i];

		if (layout_shard(row, shards) != shard)
			continue;
		row = layout_shard_row(row, shards);
		e->which[at] = e->o.no_dedup ? new_number(e, g, row) : number_of(e, g, row);
		p->weight[at++] = piece->weights ? piece->weights[i] : 1.0f;
	}
	p->nr_lookups = at;
}

/* Pieces [first, p->nr_pieces) of the share: where each lookup finds its row, and which bags had all of them. */
static void scatter(struct engine *e, struct batch *b, const struct slice *s, struct share *p, uint32_t first)
{
	for (uint32_t i = first; i < p->nr_pieces; i++) {
		const struct piece *piece = &s->pieces[p->pieces[i]];
		uint32_t end = i + 1 < p->nr_pieces ? p->offset[i + 1] : p->nr_lookups, missed = 0;

		for (uint32_t k = p->offset[i]; k < end; k++) {
			p->word[k] = e->byte[e->which[k]];
			missed += e->missed[e->which[k]];
		}
		e->counts.lookup_hits += end - p->offset[i] - missed;
		if (missed && b->marks)
			b->marks[b->asked[piece->asked].first_mark + piece->bag] |= MARK_MISSED;
	}
}

/* The table's pieces of the share are those from @first on. */
static int plan_table(struct engine *e, struct batch *b, const struct slice *s, struct share *p, uint32_t source, const struct gather *g, uint32_t first, struct smartssd_error *err)
{
	uint32_t missed = g->rows, fills = p->nr_fills, nr = 0;
	int ret = 0;

	e->seen_base += g->rows;
	e->counts.card_lookups += p->nr_lookups - g->first;
	e->counts.distinct_rows += g->rows;
	if (!e->o.no_dedup && (e->o.row_cache || e->o.pinned))
		missed = held_find(e, p, source, g->rows);
	else
		memset(e->missed, 1, g->rows);
	e->counts.row_hits += g->rows - missed;
	/* What is not new is overwritten by the next: no branch to guess wrong. */
	for (uint32_t i = 0; i < g->rows && missed; i++) {
		e->keys[nr] = e->rows[i] << NUMBER_BITS | i;
		nr += e->missed[i];
	}
	if (nr)
		ret = read_rows(e, p, source, nr, g->all << NUMBER_BITS, err);
	for (uint32_t i = fills; i < p->nr_fills; i++)
		p->from[i] = e->byte[p->from[i]];
	scatter(e, b, s, p, first);
	return ret;
}

/* ---- all of it ---- */

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
	uint32_t known = b->asked[s->pieces[i].asked].known, first = p->nr_pieces, source = 0, lookups = 0, end;
	const struct store_table *info = table_info(e->known[known].table);
	uint32_t shard = engine_shard(e, info, lane);
	struct gather g;

	for (end = i; end < s->nr_pieces && b->asked[s->pieces[end].asked].known == known; end++)
		lookups += s->pieces[end].nr;
	if (shard == UINT32_MAX || !lookups)
		return end;
	*ret = plan_source(e, lane, known, &source, err);
	if (*ret)
		return end;
	begin_gather(e, &g, p, lookups);
	for (; i < end; i++) {
		uint32_t before = p->nr_lookups;

		gather_piece(e, p, &g, &s->pieces[i], info->shards, shard);
		if (p->nr_lookups == before) /* nothing for this card: nothing to add */
			continue;
		p->offset[p->nr_pieces] = before;
		p->pieces[p->nr_pieces++] = i;
	}
	if (p->nr_lookups > g.first)
		*ret = plan_table(e, b, s, p, source, &g, first, err);
	return end;
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
		p->weighted |= s->pieces[i].weights != NULL;
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
