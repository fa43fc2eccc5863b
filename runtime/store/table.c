// SPDX-License-Identifier: BSD-2-Clause
#include <inttypes.h>
#include <stdio.h>

#include "store_impl.h"

/* What is on the drive must be what the manifest says. */
static int check_header(const struct table *t, uint32_t shard, struct smartssd_error *err)
{
	const struct store_table *info = &t->info;
	const char *path = volume_path(t->store->volumes[shard_volume(t->store, info, shard)]);
	struct rows_header h;
	int ret = volume_pread(&t->shards[shard].object[PART_ROWS], &h, sizeof(h), 0);

	if (ret)
		return smartssd_fail(err, ret, "table '%s', shard %u on %s: %s", info->name, shard, path, strerror(-ret));
	if (memcmp(h.magic, ROWS_MAGIC, sizeof(h.magic)) || h.crc != rowfmt_crc32c(0, &h, offsetof(struct rows_header, crc)))
		return smartssd_fail(err, -EBADMSG, "table '%s', shard %u on %s: its header is damaged", info->name, shard, path);
	if (h.version != STORE_VERSION || h.format != info->format || h.rows != shard_rows(info, shard) || h.generation != info->generation ||
	    h.dim != info->dim || h.row_bytes != info->layout.row_bytes || h.block != info->layout.block || h.shard != shard || h.shards != info->shards ||
	    strncmp(h.name, info->name, sizeof(h.name)))
		return smartssd_fail(err, -EBADMSG, "table '%s', shard %u on %s: its header says something else than the manifest", info->name, shard, path);
	return 0;
}

int shard_failed(const struct table *t, uint32_t shard, int ret, struct smartssd_error *err)
{
	struct smartssd_error why;

	if (!err)
		return ret;
	why = *err;
	return smartssd_fail(err, ret, "table '%s', shard %u on %s: %s", t->info.name, shard,
			     volume_path(t->store->volumes[shard_volume(t->store, &t->info, shard)]), why.text);
}

/* What the manifest names is not there, as @err says. */
static int lost_object(const struct store_table *info, struct smartssd_error *err)
{
	struct smartssd_error why;

	if (!err)
		return -EBADMSG;
	why = *err;
	return smartssd_fail(err, -EBADMSG, "table '%s' is damaged: %.1200s; restore that from a backup, or import the table again in place of this one (--replace)",
			     info->name, why.text);
}

static int open_shard(struct table *t, uint32_t shard, struct smartssd_error *err)
{
	struct store *s = t->store;
	struct volume *v = s->volumes[shard_volume(s, &t->info, shard)];
	struct shard *sh = &t->shards[shard];
	char name[VOLUME_NAME];
	int ret;

	for (enum part part = 0; part < PARTS; part++) {
		uint64_t want = part_bytes(&t->info, shard, part);

		part_name(&t->info, shard, part, name);
		ret = volume_open_object(v, name, s->flags & VOLUME_WRITE && part == PART_DELTA, &sh->object[part], err);
		if (ret)
			return ret == -ENOENT ? lost_object(&t->info, err) : ret;
		if (sh->object[part].bytes < want)
			return smartssd_fail(err, -EBADMSG, "table '%s': %s on %s was cut short: %" PRIu64 " bytes of %" PRIu64, t->info.name, name,
					     volume_path(v), sh->object[part].bytes, want);
	}
	ret = check_header(t, shard, err);
	if (ret)
		return ret;
	ret = delta_open(&sh->object[PART_DELTA], &t->info.layout, shard_rows(&t->info, shard), t->info.generation, &sh->delta, err);
	return ret ? shard_failed(t, shard, ret, err) : 0;
}

static void table_free(struct table *t)
{
	for (uint32_t i = 0; t->shards && i < t->info.shards; i++) {
		delta_close(t->shards[i].delta);
		for (enum part part = 0; part < PARTS; part++)
			if (t->shards[i].object[part].fd >= 0)
				volume_close_object(&t->shards[i].object[part]);
	}
	free(t->shards);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static int no_table(const struct store *s, const char *name, struct smartssd_error *err)
{
	const struct pending *p = manifest_find_pending(&s->manifest, name);
	char there[160] = "";

	if (p)
		return smartssd_fail(err, -ENOENT, "no table '%.60s' yet: of its import%s%s, %" PRIu64 " of %" PRIu64 " rows are on the drive; unless a process is at it, "
				     "the same import again goes on there, and 'table remove %.60s --import' gives its room back", name, *p->path ? " from " : "",
				     p->path, p->done, p->table.rows, name);
	for (uint32_t i = 0; i < s->manifest.nr && strlen(there) + STORE_NAME + 2 < sizeof(there); i++) {
		strcat(there, i ? ", " : "");
		strcat(there, s->manifest.tables[i].name);
	}
	return smartssd_fail(err, -ENOENT, "no table '%.60s' in the store; there %s%s", name, *there ? "is: " : "is none", there);
}

/* With the store's lock held. */
static int open_new(struct store *s, const struct store_table *info, struct table **out, struct smartssd_error *err)
{
	struct table *t = calloc(1, sizeof(*t));
	int ret = 0;

	if (!t)
		return smartssd_fail(err, -ENOMEM, "store: out of memory");
	t->store = s;
	t->info = *info;
	pthread_mutex_init(&t->lock, NULL);
	t->shards = calloc(info->shards, sizeof(*t->shards));
	if (!t->shards)
		ret = smartssd_fail(err, -ENOMEM, "store: out of memory");
	for (uint32_t i = 0; !ret && i < info->shards; i++)
		for (enum part part = 0; part < PARTS; part++)
			t->shards[i].object[part].fd = -1;
	for (uint32_t i = 0; !ret && i < info->shards; i++)
		ret = open_shard(t, i, err);
	if (ret) {
		table_free(t);
		return ret;
	}
	t->next = s->open;
	s->open = t;
	*out = t;
	return 0;
}

/* As the manifest in memory says. With the store's lock held. */
static int open_known(struct store *s, const char *name, struct table **out, struct smartssd_error *err)
{
	const struct store_table *info = manifest_find(&s->manifest, name);

	if (!info)
		return no_table(s, name, err);
	for (*out = s->open; *out; *out = (*out)->next)
		if (!strcmp((*out)->info.name, name) && (*out)->info.generation == info->generation)
			return 0;
	return open_new(s, info, out, err);
}

int table_open(struct store *s, const char *name, struct table **out, struct smartssd_error *err)
{
	int ret;

	*out = NULL;
	pthread_mutex_lock(&s->lock);
	/* A writer elsewhere may have replaced it, and removed what the old manifest names, since that was read. */
	do
		ret = open_known(s, name, out, err);
	while (ret && store_load(s, NULL) > 0);
	if (!ret)
		(*out)->refs++;
	pthread_mutex_unlock(&s->lock);
	return ret;
}

void table_close(struct table *t)
{
	struct table **at;
	bool last;

	if (!t)
		return;
	pthread_mutex_lock(&t->store->lock);
	last = --t->refs == 0;
	for (at = &t->store->open; last && *at != t; at = &(*at)->next)
		;
	if (last)
		*at = t->next;
	pthread_mutex_unlock(&t->store->lock);
	if (last)
		table_free(t);
}

const struct store_table *table_info(const struct table *t)
{
	return &t->info;
}

const struct volume_object *table_rows(const struct table *t, uint32_t shard)
{
	return &t->shards[shard].object[PART_ROWS];
}

const struct volume_object *table_delta(const struct table *t, uint32_t shard)
{
	return &t->shards[shard].object[PART_DELTA];
}

const struct volume_object *table_checksums(const struct table *t, uint32_t shard)
{
	return &t->shards[shard].object[PART_CRC];
}

uint64_t table_updated(const struct table *t)
{
	uint64_t nr = 0;

	for (uint32_t shard = 0; shard < t->info.shards; shard++)
		nr += delta_count(t->shards[shard].delta);
	return nr;
}

void table_where(const struct table *t, uint32_t shard, const uint64_t *rows, uint64_t nr, uint64_t *at)
{
	for (uint64_t i = 0; i < nr; i++)
		at[i] = UINT64_MAX;
	/* All of one moment: of an update that is under way, all rows or none. */
	delta_find_many(t->shards[shard].delta, rows, nr, at);
	for (uint64_t i = 0; i < nr; i++)
		at[i] = at[i] == UINT64_MAX ? ROWS_HEADER + layout_at(&t->info.layout, rows[i]) : at[i] | TABLE_IN_DELTA;
}

int table_read_row(struct table *t, uint64_t row, float *out, struct smartssd_error *err)
{
	const struct store_table *info = &t->info;
	uint8_t bytes[ROWFMT_MAX_DIM * 4];
	struct shard *sh;
	uint32_t want = 0;
	uint64_t local, at;
	int ret;

	if (row >= info->rows)
		return smartssd_fail(err, -ERANGE, "table '%s': row %" PRIu64 " of %" PRIu64, info->name, row, info->rows);
	sh = &t->shards[layout_shard(row, info->shards)];
	local = layout_shard_row(row, info->shards);
	at = delta_find(sh->delta, local);
	if (at != UINT64_MAX) {
		ret = volume_pread(&sh->object[PART_DELTA], bytes, info->layout.row_bytes, at);
	} else {
		ret = volume_pread(&sh->object[PART_ROWS], bytes, info->layout.row_bytes, ROWS_HEADER + layout_at(&info->layout, local));
		if (!ret)
			ret = volume_pread(&sh->object[PART_CRC], &want, sizeof(want), ROWS_HEADER + local * sizeof(want));
	}
	if (ret)
		return smartssd_fail(err, ret, "table '%s', row %" PRIu64 ": %s", info->name, row, strerror(-ret));
	if (at == UINT64_MAX && row_crc(bytes, info->layout.row_bytes, row) != want)
		return smartssd_fail(err, -EBADMSG, "table '%s', row %" PRIu64 ": its bytes are not those that were imported (CRC)", info->name, row);
	rowfmt_decode(info->format, info->dim, bytes, 1, out);
	return 0;
}

/* Is there another generation by now, or none? */
static bool is_stale(struct table *t)
{
	const struct store_table *info;
	bool stale;

	pthread_mutex_lock(&t->store->lock);
	info = manifest_find(&t->store->manifest, t->info.name);
	stale = !info || info->generation != t->info.generation;
	pthread_mutex_unlock(&t->store->lock);
	return stale;
}

/* New rows, encoded, those of a shard together: shard s has [first[s], first[s + 1]). */
struct fresh {
	uint64_t *row; /* shard-local */
	uint8_t *data;
	uint64_t first[STORE_MAX_VOLUMES + 1];
};

static int encode_fresh(const struct table *t, const int64_t *indices, uint64_t nr, const float *rows, struct fresh *f, struct smartssd_error *err)
{
	const struct store_table *info = &t->info;
	uint64_t next[STORE_MAX_VOLUMES], bad;

	f->row = calloc(nr + 1, sizeof(*f->row));
	f->data = calloc(nr + 1, info->layout.row_bytes);
	if (!f->row || !f->data)
		return smartssd_fail(err, -ENOMEM, "store: out of memory");
	for (uint64_t i = 0; i < nr; i++) {
		if (indices[i] < 0 || (uint64_t)indices[i] >= info->rows)
			return smartssd_fail(err, -ERANGE, "table '%s': index %" PRId64 " at position %" PRIu64 "; it has %" PRIu64 " rows", info->name,
					     indices[i], i, info->rows);
		f->first[layout_shard((uint64_t)indices[i], info->shards) + 1]++;
	}
	for (uint32_t shard = 0; shard < info->shards; shard++) {
		next[shard] = f->first[shard];
		f->first[shard + 1] += f->first[shard];
	}
	for (uint64_t i = 0; i < nr; i++) {
		uint64_t at = next[layout_shard((uint64_t)indices[i], info->shards)]++;

		f->row[at] = layout_shard_row((uint64_t)indices[i], info->shards);
		if (rowfmt_encode(info->format, info->dim, rows + i * info->dim, 1, f->data + at * info->layout.row_bytes, &bad))
			return smartssd_fail(err, -EDOM, "table '%s': the new row %" PRId64 " (position %" PRIu64 ") has a number that is not finite, or that %s "
					     "cannot hold", info->name, indices[i], i, rowfmt_name(info->format));
	}
	return 0;
}

/* With the table's lock held: room in all of them before the first is written. */
static int append_fresh(struct table *t, const struct fresh *f, struct smartssd_error *err)
{
	int ret = 0;

	for (uint32_t shard = 0; shard < t->info.shards && !ret; shard++) {
		ret = delta_fits(t->shards[shard].delta, f->first[shard + 1] - f->first[shard], err);
		if (ret)
			shard_failed(t, shard, ret, err);
	}
	for (uint32_t shard = 0; shard < t->info.shards && !ret; shard++) {
		uint64_t first = f->first[shard];

		ret = delta_append(t->shards[shard].delta, f->row + first, f->first[shard + 1] - first, f->data + first * t->info.layout.row_bytes,
				   err);
		if (ret)
			shard_failed(t, shard, ret, err);
	}
	return ret;
}

int table_update(struct table *t, const int64_t *indices, uint64_t nr, const float *rows, struct smartssd_error *err)
{
	struct fresh f = { 0 };
	int ret;

	if (!(t->store->flags & VOLUME_WRITE))
		return smartssd_fail(err, -EBADF, "the store was opened for reading");
	ret = encode_fresh(t, indices, nr, rows, &f, err);
	pthread_mutex_lock(&t->lock);
	if (!ret && is_stale(t))
		ret = smartssd_fail(err, -ESTALE, "table '%s' was written anew or removed: open it again", t->info.name);
	if (!ret)
		ret = append_fresh(t, &f, err);
	pthread_mutex_unlock(&t->lock);
	free(f.row);
	free(f.data);
	return ret;
}

int table_refresh(struct table *t, struct smartssd_error *err)
{
	int ret = store_refresh(t->store, err), any = 0;

	if (ret < 0)
		return ret;
	if (is_stale(t))
		return smartssd_fail(err, -ESTALE, "table '%s' was written anew or removed: open it again", t->info.name);
	for (uint32_t shard = 0; shard < t->info.shards; shard++) {
		ret = delta_refresh(t->shards[shard].delta, err);
		if (ret < 0)
			return shard_failed(t, shard, ret, err);
		any |= ret;
	}
	return any;
}
