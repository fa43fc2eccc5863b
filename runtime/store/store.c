// SPDX-License-Identifier: BSD-2-Clause
#include <inttypes.h>
#include <stdio.h>

#include "store_impl.h"

int store_check_name(const char *name, struct smartssd_error *err)
{
	size_t length = strlen(name);

	if (length == 0 || length >= STORE_NAME || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != length || name[0] == '-' || name[0] == '_')
		return smartssd_fail(err, -EINVAL, "'%.60s' is no name for a table: 1 to %d of a-z, 0-9, '_' and '-', the first a letter or digit", name, STORE_NAME - 1);
	return 0;
}

void part_name(const struct store_table *t, uint32_t shard, enum part part, char name[VOLUME_NAME])
{
	static const char *const suffix[] = { "rows", "crc", "delta" };

	snprintf(name, VOLUME_NAME, "%s.%" PRIu64 ".%u.%s", t->name, t->generation, shard, suffix[part]);
}

uint64_t part_bytes(const struct store_table *t, uint32_t shard, enum part part)
{
	uint64_t rows = shard_rows(t, shard);

	switch (part) {
	case PART_ROWS:
		return ROWS_HEADER + layout_bytes(&t->layout, rows);
	case PART_CRC:
		return ROWS_HEADER + align_up(rows * 4, 4096);
	default:
		/* Then it is time to compact. Not by what rows take one at a time: that is two blocks each, many times the table itself. */
		return max_u64(delta_room(&t->layout, 1024), align_up(layout_bytes(&t->layout, rows) / 4, 4096));
	}
}

uint32_t row_crc(const void *row, uint32_t bytes, uint64_t number)
{
	return rowfmt_crc32c(rowfmt_crc32c(0, row, bytes), &number, sizeof(number));
}

void store_drop_objects(struct store *s, const struct store_table *t)
{
	char name[VOLUME_NAME];

	for (uint32_t shard = 0; shard < t->shards; shard++)
		for (enum part part = 0; part < PARTS; part++) {
			part_name(t, shard, part, name);
			volume_remove_object(s->volumes[shard_volume(s, t, shard)], name, NULL);
		}
}

int store_commit(struct store *s, struct smartssd_error *err)
{
	char *text;
	int ret;

	ret = manifest_print(&s->manifest, &text, err);
	if (ret)
		return ret;
	ret = volume_save(s->volumes[0], text, err);
	free(text);
	if (!ret) {
		/* Which generation it became is for the volume to say. */
		if (!volume_load(s->volumes[0], &text, &s->seen, NULL))
			free(text);
	}
	return ret;
}

static bool named(const struct store *s, uint32_t volume, const struct store_table *t, const char *name)
{
	char want[VOLUME_NAME];

	for (uint32_t shard = 0; shard < t->shards; shard++)
		for (enum part part = 0; part < PARTS && shard_volume(s, t, shard) == volume; part++) {
			part_name(t, shard, part, want);
			if (!strcmp(want, name))
				return true;
		}
	return false;
}

/* Objects that nobody names are what an interrupted change left behind. */
static int drop_leftovers(struct store *s, struct smartssd_error *err)
{
	char(*names)[VOLUME_NAME];
	uint32_t nr;

	for (uint32_t v = 0; v < s->nr; v++) {
		int ret = volume_list_objects(s->volumes[v], &names, &nr, err);

		if (ret)
			return ret;
		for (uint32_t i = 0; i < nr; i++) {
			bool used = false;

			for (uint32_t k = 0; k < s->manifest.nr && !used; k++)
				used = named(s, v, &s->manifest.tables[k], names[i]);
			for (uint32_t k = 0; k < s->manifest.nr_pending && !used; k++)
				used = named(s, v, &s->manifest.pending[k].table, names[i]);
			if (!used)
				volume_remove_object(s->volumes[v], names[i], NULL);
		}
		free(names);
	}
	return 0;
}

/* The volumes that the manifest knows, in that order; of a new store, these. */
static int check_volumes(struct store *s, struct smartssd_error *err)
{
	struct manifest *m = &s->manifest;

	if (!m->volumes) {
		if (!(s->flags & VOLUME_WRITE))
			return smartssd_fail(err, -ENOENT, "%s: no store yet: import a table", volume_path(s->volumes[0]));
		m->volumes = s->nr;
		for (uint32_t i = 0; i < s->nr; i++)
			memcpy(m->uuid[i], volume_uuid(s->volumes[i]), sizeof(m->uuid[i]));
		return store_commit(s, err);
	}
	if (m->volumes != s->nr)
		return smartssd_fail(err, -EXDEV, "the store at %s has %u volumes, %u are named: name all, separated by commas, in the order in which it was made", volume_path(s->volumes[0]),
				     m->volumes, s->nr);
	for (uint32_t i = 0; i < s->nr; i++)
		if (strcmp(m->uuid[i], volume_uuid(s->volumes[i])))
			return smartssd_fail(err, -EXDEV, "%s is volume %s, the store at %s has %s in its place", volume_path(s->volumes[i]), volume_uuid(s->volumes[i]),
					     volume_path(s->volumes[0]), m->uuid[i]);
	return 0;
}

static int load_manifest(struct store *s, struct smartssd_error *err)
{
	uint64_t generation;
	struct manifest m;
	char *text;
	int ret;

	ret = volume_load(s->volumes[0], &text, &generation, err);
	if (ret)
		return ret;
	if (s->manifest.volumes && generation == s->seen) {
		free(text);
		return 0;
	}
	ret = manifest_parse(text, &m, err);
	free(text);
	if (ret)
		return ret;
	manifest_free(&s->manifest);
	s->manifest = m;
	s->seen = generation;
	return 1;
}

static int open_volumes(struct store *s, const char *spec, struct smartssd_error *err)
{
	for (;;) {
		size_t length = strcspn(spec, ",");
		char *path = strndup(spec, length);
		int ret;

		if (!path)
			return smartssd_fail(err, -ENOMEM, "store: out of memory");
		if (s->nr == STORE_MAX_VOLUMES || !length)
			ret = smartssd_fail(err, -EINVAL, length ? "a store has at most %d volumes" : "an empty name among the volumes (at most %d, separated by commas)", STORE_MAX_VOLUMES);
		else
			ret = volume_open(path, s->flags, &s->volumes[s->nr], err);
		free(path);
		if (ret)
			return ret;
		s->nr++;
		if (!spec[length])
			return 0;
		spec += length + 1;
	}
}

int store_open(const char *spec, unsigned int flags, struct store **out, struct smartssd_error *err)
{
	struct store *s = calloc(1, sizeof(*s));
	int ret;

	*out = NULL;
	if (!s)
		return smartssd_fail(err, -ENOMEM, "store: out of memory");
	pthread_mutex_init(&s->lock, NULL);
	s->flags = flags;
	ret = open_volumes(s, spec, err);
	if (!ret)
		ret = load_manifest(s, err);
	if (ret >= 0)
		ret = check_volumes(s, err);
	if (!ret && flags & VOLUME_WRITE)
		ret = drop_leftovers(s, err);
	if (ret) {
		store_close(s);
		return ret;
	}
	*out = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	manifest_free(&s->manifest);
	for (uint32_t i = 0; i < s->nr; i++)
		volume_close(s->volumes[i]);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

uint32_t store_volumes(const struct store *s)
{
	return s->nr;
}

struct volume *store_volume(struct store *s, uint32_t i)
{
	return s->volumes[i];
}

int store_refresh(struct store *s, struct smartssd_error *err)
{
	int ret;

	pthread_mutex_lock(&s->lock);
	ret = load_manifest(s, err);
	pthread_mutex_unlock(&s->lock);
	return ret;
}

int store_list(struct store *s, struct store_table **tables, uint32_t *nr, struct smartssd_error *err)
{
	int ret = 0;

	pthread_mutex_lock(&s->lock);
	*nr = s->manifest.nr;
	*tables = calloc(*nr + 1, sizeof(**tables));
	if (!*tables)
		ret = smartssd_fail(err, -ENOMEM, "store: out of memory");
	else if (*nr)
		memcpy(*tables, s->manifest.tables, *nr * sizeof(**tables));
	pthread_mutex_unlock(&s->lock);
	return ret;
}

int store_remove(struct store *s, const char *name, struct smartssd_error *err)
{
	struct store_table *t, old;
	struct pending *p, begun;
	bool table, import;
	int ret;

	if (!(s->flags & VOLUME_WRITE))
		return smartssd_fail(err, -EBADF, "the store was opened for reading");
	pthread_mutex_lock(&s->lock);
	t = manifest_find(&s->manifest, name);
	p = manifest_find_pending(&s->manifest, name);
	table = t;
	import = p;
	if (t)
		old = *t;
	if (p)
		begun = *p;
	manifest_drop(&s->manifest, name);
	manifest_drop_pending(&s->manifest, name);
	ret = table || import ? store_commit(s, err) : smartssd_fail(err, -ENOENT, "no table '%.60s' in the store", name);
	if (ret && table)
		manifest_put(&s->manifest, &old); /* there is room: it was there */
	if (ret && import)
		manifest_put_pending(&s->manifest, &begun);
	if (!ret && table)
		store_drop_objects(s, &old);
	if (!ret && import)
		store_drop_objects(s, &begun.table);
	pthread_mutex_unlock(&s->lock);
	return ret;
}
