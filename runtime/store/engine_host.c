// SPDX-License-Identifier: BSD-2-Clause
/* What a card cannot do, by the host: plain reads of each row, and sums in the order of the indices. Slow, and right. */
#include <inttypes.h>
#include <stdio.h>

#include "engine_impl.h"

int host_read_row(const struct table *t, uint32_t shard, uint64_t row, void *out)
{
	uint32_t bytes = table_info(t)->layout.row_bytes;
	uint64_t at;

	table_where(t, shard, &row, 1, &at);
	if (at & TABLE_IN_DELTA)
		return volume_pread(table_delta(t, shard), out, bytes, at & ~TABLE_IN_DELTA);
	return volume_pread(table_rows(t, shard), out, bytes, at);
}

/* Adds the piece's rows of @shard to @y. -errno: *bad is the row (of the whole table) that cannot be read. */
static int pool_piece(const struct table *t, const struct piece *piece, uint32_t shard, float *y, uint64_t *bad, uint64_t *done)
{
	const struct store_table *info = table_info(t);
	uint8_t bytes[ROWFMT_MAX_DIM * 4];
	float row[ROWFMT_MAX_DIM], sum[ROWFMT_MAX_DIM];

	memset(sum, 0, info->dim * sizeof(*sum));
	for (uint32_t i = 0; i < piece->nr; i++) {
		float weight = piece->weights ? piece->weights[i] : 1.0f;
		int ret;

		*bad = (uint64_t)piece->indices[i];
		if (layout_shard(*bad, info->shards) != shard)
			continue;
		ret = host_read_row(t, shard, layout_shard_row(*bad, info->shards), bytes);
		if (ret)
			return ret;
		rowfmt_decode(info->format, info->dim, bytes, 1, row);
		for (uint32_t d = 0; d < info->dim; d++)
			sum[d] += weight * row[d];
		++*done;
	}
	for (uint32_t d = 0; d < info->dim; d++)
		y[d] += sum[d];
	return 0;
}

void host_share(struct engine *e, struct batch *b, const struct slice *s, uint32_t lane)
{
	for (uint32_t i = 0; i < s->nr_pieces; i++) {
		const struct piece *piece = &s->pieces[i];
		const struct asked *a = &b->asked[piece->asked];
		struct engine_bags *r = &b->bags[a->request];
		const struct store_table *info = table_info(r->table);
		uint32_t shard = engine_shard(e, info, lane);
		uint64_t bad, before = e->counts.host_rows;
		int ret;

		if (shard == UINT32_MAX || r->status)
			continue;
		ret = pool_piece(r->table, piece, shard, r->y + piece->bag * info->dim, &bad, &e->counts.host_rows);
		if (b->marks && e->counts.host_rows != before)
			b->marks[a->first_mark + piece->bag] |= MARK_MISSED;
		if (ret)
			r->status = smartssd_fail(&r->err, -EIO, "table '%s', bag %" PRIu64 ": row %" PRIu64 " cannot be read from %s: %s", info->name, r->first_bag + piece->bag, bad,
						  volume_path(store_volume(e->store, lane)), strerror(-ret));
	}
}
