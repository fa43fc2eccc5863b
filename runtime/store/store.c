// SPDX-License-Identifier: BSD-2-Clause
#include <inttypes.h>
#include <stdio.h>

#include "store_impl.h"

int store_check_name(const char *name, struct smartssd_error *err)
{
	size_t length = strlen(name);

	if (length == 0 || length >= STORE_NAME || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != length || name[0] == '-' || name[0] == '_')
		return smartssd_fail(err, -EINVAL, "'%.60s' is no name for a table: 1 to %d of a-z, 0-9, '_' and '-', the first a letter or digit", name,
				     STORE_NAME - 1);
	return 0;
}

void part_name(const struct store_table *t, uint32_t shard, enum part part, char name[VOLUME_NAME])
{
	static const char *const suffix[] = { "rows", "crc", "delta" };

	snprintf(name, VOLUME_NAME, "%s.%" PRIu64 ".%u.%s", t->name, t->generation, shard, suffix[part]);
}

/* What a shard of @rows rows has of it. */
static uint64_t bytes_of(const struct layout *l, uint64_t rows, enum part part)
{
	switch (part) {
	case PART_ROWS:
		return ROWS_HEADER + layout_bytes(l, rows);
	case PART_CRC:
		return ROWS_HEADER + align_up(rows * 4, 4096);
	default:
		/* Then it is time to compact. Not by what rows take one at a time: that is two blocks each, many times the table itself. */
		return max_u64(delta_room(l, 1024), align_up(layout_bytes(l, rows) / 4, 4096));
	}
}

uint64_t part_bytes(const struct store_table *t, uint32_t shard, enum part part)
{
	return bytes_of(&t->layout, shard_rows(t, shard), part);
}

uint64_t store_shard_bytes(const struct layout *l, uint64_t rows)
{
	uint64_t all = 0;

	if (rows > TABLE_MAX_ROWS || layout_bytes(l, rows) > STORE_MAX_BYTES)
		return UINT64_MAX;
	for (enum part part = 0; part < PARTS; part++)
		all += align_up(bytes_of(l, rows, part), VOLUME_ALIGN);
	return all;
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

static uint32_t text_crc(const char *text)
{
	return rowfmt_crc32c(0, text, strlen(text));
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
		if (!volume_load(s->volumes[0], &text, &s->seen, NULL)) {
			s->seen_crc = text_crc(text);
			free(text);
		}
	}
	return ret;
}

int store_claim(struct store *s, struct claim *c, const char *name, struct smartssd_error *err)
{
	struct claim *other;

	if (!(s->flags & VOLUME_WRITE))
		return smartssd_fail(err, -EBADF, "the store was opened for reading");
	pthread_mutex_lock(&s->lock);
	for (other = s->claims; other && strcmp(other->name, name); other = other->next)
		;
	if (!other) {
		*c = (struct claim){ name, s->claims };
		s->claims = c;
	}
	pthread_mutex_unlock(&s->lock);
	return other ? smartssd_fail(err, -EBUSY, "another thread imports, compacts or removes '%.60s': wait until that has ended", name) : 0;
}

void store_unclaim(struct store *s, struct claim *c)
{
	struct claim **at;

	pthread_mutex_lock(&s->lock);
	for (at = &s->claims; *at != c; at = &(*at)->next)
		;
	*at = c->next;
	pthread_mutex_unlock(&s->lock);
}

/* ---- which volumes ---- */

/* What the text of a volume that is not the home says: "" when it says nothing. -EXDEV: it is a home itself. */
static int member_of(struct store *s, uint32_t i, char home[37], struct smartssd_error *err)
{
	uint64_t generation;
	struct manifest m;
	char *text;
	int ret = volume_load(s->volumes[i], &text, &generation, err);

	if (ret)
		return ret;
	ret = manifest_parse(text, &m, err);
	free(text);
	if (ret)
		return ret;
	memcpy(home, m.home, sizeof(m.home));
	ret = m.volumes ? smartssd_fail(err, -EXDEV, "%s is the home of another store: name it first, or name another volume here",
					volume_path(s->volumes[i])) : 0;
	manifest_free(&m);
	return ret;
}

/* Volume @i > 0 is of this store (1), or of none (0). -EXDEV: of another. */
static int is_member(struct store *s, uint32_t i, struct smartssd_error *err)
{
	char home[37];
	int ret = member_of(s, i, home, err);

	if (ret || !*home)
		return ret;
	if (!volume_is_new(s->volumes[0]) && !strcmp(home, volume_uuid(s->volumes[0])))
		return 1;
	return smartssd_fail(err, -EXDEV, "%s is of another store, whose home is volume %s: name another volume here", volume_path(s->volumes[i]), home);
}

/* Volume @i > 0 is of this store. What no store has yet becomes so. */
static int join(struct store *s, uint32_t i, struct smartssd_error *err)
{
	char *text;
	int ret = is_member(s, i, err);

	if (ret)
		return ret < 0 ? ret : 0;
	text = manifest_member(volume_uuid(s->volumes[0]));
	ret = text ? volume_save(s->volumes[i], text, err) : smartssd_fail(err, -ENOMEM, "store: out of memory");
	free(text);
	return ret;
}

/* A new store is made of volumes that nobody needs. That it has no manifest does not say so: its store's home may be another one. */
static int check_unused(struct store *s, uint32_t i, struct smartssd_error *err)
{
	char(*names)[VOLUME_NAME];
	uint32_t nr;
	int ret = volume_list_objects(s->volumes[i], &names, &nr, err);

	if (!ret && nr)
		ret = smartssd_fail(err, -EXDEV, "%s has objects of another store (%s): name that one's home first and all of its volumes, or another volume here",
				    volume_path(s->volumes[i]), names[0]);
	free(names);
	return ret;
}

/* All that are volumes already. */
static int check_new(struct store *s, struct smartssd_error *err)
{
	int ret = 0;

	for (uint32_t i = 0; i < s->nr && ret >= 0; i++) {
		if (volume_is_new(s->volumes[i]))
			continue;
		ret = i ? is_member(s, i, err) : 0;
		if (ret >= 0)
			ret = check_unused(s, i, err);
	}
	return ret < 0 ? ret : 0;
}

static int make_store(struct store *s, struct smartssd_error *err)
{
	struct manifest *m = &s->manifest;
	int ret;

	if (!(s->flags & VOLUME_WRITE))
		return smartssd_fail(err, -ENOENT, "%s: no store yet: import a table", volume_path(s->volumes[0]));
	ret = check_new(s, err);
	for (uint32_t i = 1; i < s->nr && !ret; i++)
		ret = join(s, i, err);
	if (ret)
		return ret;
	m->volumes = s->nr;
	for (uint32_t i = 0; i < s->nr; i++)
		memcpy(m->uuid[i], volume_uuid(s->volumes[i]), sizeof(m->uuid[i]));
	return store_commit(s, err);
}

/* They are those that the manifest names, in that order. First what can be said of the home alone. */
static int check_home(const struct store *s, const struct manifest *m, uint32_t named, struct smartssd_error *err)
{
	const char *home = volume_path(s->volumes[0]);

	if (*m->home)
		return smartssd_fail(err, -EXDEV, "%s is not the first volume of its store, but of the one whose home is volume %s: name that one first, then "
				     "the others in the order in which the store was made", home, m->home);
	if (m->volumes && m->volumes != named)
		return smartssd_fail(err, -EXDEV, "the store at %s has %u volume%s, %u %s named: name all, separated by commas, in the order in which it was made",
				     home, m->volumes, m->volumes == 1 ? "" : "s", named, named == 1 ? "is" : "are");
	return 0;
}

static int check_volumes(const struct store *s, const struct manifest *m, struct smartssd_error *err)
{
	const char *home = volume_path(s->volumes[0]);
	int ret = check_home(s, m, s->nr, err);

	if (ret)
		return ret;
	for (uint32_t i = 0; i < m->volumes; i++)
		if (strcmp(m->uuid[i], volume_uuid(s->volumes[i])))
			return smartssd_fail(err, -EXDEV, "%s is volume %s, the store at %s has %s in its place", volume_path(s->volumes[i]),
					     volume_uuid(s->volumes[i]), home, m->uuid[i]);
	return 0;
}

int store_load(struct store *s, struct smartssd_error *err)
{
	uint64_t generation;
	struct manifest m;
	uint32_t crc;
	char *text;
	int ret;

	ret = volume_load(s->volumes[0], &text, &generation, err);
	if (ret)
		return ret;
	crc = text_crc(text);
	if (s->manifest.volumes && generation == s->seen && crc == s->seen_crc) {
		free(text);
		return 0;
	}
	ret = manifest_parse(text, &m, err);
	free(text);
	if (ret)
		return ret;
	ret = check_volumes(s, &m, err);
	if (ret) {
		manifest_free(&m);
		return ret;
	}
	manifest_free(&s->manifest);
	s->manifest = m;
	s->seen = generation;
	s->seen_crc = crc;
	return 1;
}

static int named_twice(const char *path, struct smartssd_error *err)
{
	return smartssd_fail(err, -EBUSY, "%s is named twice: name each volume once", path);
}

static int open_volume(struct store *s, const char *path, unsigned int flags, struct smartssd_error *err)
{
	struct volume *v;
	int ret = volume_open(path, flags, &v, err);

	if (ret)
		return ret;
	s->volumes[s->nr++] = v;
	/* Those that are there have a lock. */
	for (uint32_t i = 0; i + 1 < s->nr; i++)
		if (volume_is_new(v) && volume_same(v, s->volumes[i]))
			return named_twice(path, err);
	return 0;
}

/* Is the home, open, to get a new store? 1, 0: it has one, of @named volumes; -errno. */
static int is_new_store(struct store *s, uint32_t named, struct smartssd_error *err)
{
	uint64_t generation;
	struct manifest m;
	char *text;
	int ret;

	if (volume_is_new(s->volumes[0]))
		return 1;
	ret = volume_load(s->volumes[0], &text, &generation, err);
	if (ret)
		return ret;
	ret = manifest_parse(text, &m, err);
	free(text);
	if (ret)
		return ret;
	ret = check_home(s, &m, named, err);
	if (!ret)
		ret = !m.volumes;
	manifest_free(&m);
	return ret;
}

static int open_named(struct store *s, char **path, uint32_t nr, struct smartssd_error *err)
{
	unsigned int flags = s->flags & VOLUME_CREATE ? s->flags | VOLUME_LATER : s->flags;
	int ret = open_volume(s, path[0], flags, err), is_new = 0;

	if (!ret && flags & VOLUME_CREATE) {
		for (uint32_t i = 1; i < nr; i++)
			if (!strcmp(path[i], path[0]))
				return named_twice(path[i], err);
		is_new = is_new_store(s, nr, err);
		if (is_new < 0)
			return is_new;
		/* None that must be made now is of a store that is there. */
		if (!is_new)
			flags = VOLUME_WRITE;
	}
	for (uint32_t i = 1; i < nr && !ret; i++)
		ret = open_volume(s, path[i], flags, err);
	if (ret || !is_new)
		return ret;
	/* Nothing is made before it is known that no volume will be refused. */
	ret = check_new(s, err);
	for (uint32_t i = 0; i < nr && !ret; i++)
		if (volume_is_new(s->volumes[i]))
			ret = volume_make(s->volumes[i], err);
	return ret;
}

static int open_volumes(struct store *s, const char *spec, struct smartssd_error *err)
{
	char *path[STORE_MAX_VOLUMES] = { NULL };
	uint32_t nr = 0;
	int ret = 0;

	for (size_t length; !ret; spec += length + 1) {
		length = strcspn(spec, ",");
		if (nr == STORE_MAX_VOLUMES)
			ret = smartssd_fail(err, -EINVAL, "a store has at most %d volumes", STORE_MAX_VOLUMES);
		else if (!length)
			ret = smartssd_fail(err, -EINVAL, "an empty name among the volumes (at most %d, separated by commas)", STORE_MAX_VOLUMES);
		else if (!(path[nr++] = strndup(spec, length)))
			ret = smartssd_fail(err, -ENOMEM, "store: out of memory");
		if (!spec[length])
			break;
	}
	if (!ret)
		ret = open_named(s, path, nr, err);
	while (nr)
		free(path[--nr]);
	return ret;
}

/* For a writer: what was cut short goes, and each volume knows whose it is. */
static int mend(struct store *s, struct smartssd_error *err)
{
	int ret = s->manifest.volumes ? 0 : make_store(s, err);

	for (uint32_t i = 1; i < s->nr && !ret; i++)
		ret = join(s, i, err);
	return ret ? ret : store_drop_leftovers(s, err);
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
		ret = store_load(s, err);
	if (ret >= 0) {
		ret = 0;
		if (flags & VOLUME_WRITE)
			ret = mend(s, err);
		else if (!s->manifest.volumes)
			ret = smartssd_fail(err, -ENOENT, "%s: no store yet: import a table", volume_path(s->volumes[0]));
	}
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
	ret = store_load(s, err);
	pthread_mutex_unlock(&s->lock);
	return ret;
}

/* ---- what is there ---- */

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

int store_list_imports(struct store *s, struct store_unfinished **imports, uint32_t *nr, struct smartssd_error *err)
{
	int ret = 0;

	pthread_mutex_lock(&s->lock);
	*nr = s->manifest.nr_pending;
	*imports = calloc(*nr + 1, sizeof(**imports));
	if (!*imports)
		ret = smartssd_fail(err, -ENOMEM, "store: out of memory");
	for (uint32_t i = 0; i < *nr && !ret; i++) {
		const struct pending *p = &s->manifest.pending[i];

		(*imports)[i].table = p->table;
		(*imports)[i].done = p->done;
		memcpy((*imports)[i].path, p->path, sizeof(p->path));
	}
	pthread_mutex_unlock(&s->lock);
	return ret;
}

/* With the lock held. Either may be NULL: it stays. */
static int forget(struct store *s, const struct store_table *t, const struct pending *p, struct smartssd_error *err)
{
	struct store_table table;
	struct pending import;
	int ret;

	/* Dropped from where they are. */
	if (t)
		table = *t;
	if (p)
		import = *p;
	if (t)
		manifest_drop(&s->manifest, table.name);
	if (p)
		manifest_drop_pending(&s->manifest, import.table.name);
	ret = store_commit(s, err);
	if (ret && t)
		manifest_put(&s->manifest, &table, NULL); /* there is room: it was there */
	if (ret && p)
		manifest_put_pending(&s->manifest, &import, NULL);
	if (!ret && t)
		store_drop_objects(s, &table);
	if (!ret && p)
		store_drop_objects(s, &import.table);
	return ret;
}

int store_remove(struct store *s, const char *name, struct smartssd_error *err)
{
	const struct store_table *t;
	const struct pending *p;
	struct claim claim;
	int ret = store_claim(s, &claim, name, err);

	if (ret)
		return ret;
	pthread_mutex_lock(&s->lock);
	t = manifest_find(&s->manifest, name);
	p = manifest_find_pending(&s->manifest, name);
	ret = t || p ? forget(s, t, p, err) : smartssd_fail(err, -ENOENT, "no table '%.60s' in the store, nor an interrupted import of it", name);
	pthread_mutex_unlock(&s->lock);
	store_unclaim(s, &claim);
	return ret;
}

int store_forget_import(struct store *s, const char *name, struct smartssd_error *err)
{
	const struct pending *p;
	struct claim claim;
	int ret = store_claim(s, &claim, name, err);

	if (ret)
		return ret;
	pthread_mutex_lock(&s->lock);
	p = manifest_find_pending(&s->manifest, name);
	ret = p ? forget(s, NULL, p, err) : smartssd_fail(err, -ENOENT, "no import of '%.60s' was interrupted", name);
	pthread_mutex_unlock(&s->lock);
	store_unclaim(s, &claim);
	return ret;
}
