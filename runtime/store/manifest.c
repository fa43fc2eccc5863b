// SPDX-License-Identifier: BSD-2-Clause
/*
 * The store's manifest, JSON:
 *
 *   {"smartssd-store": 1, "next": 7, "volumes": [UUID, ...],
 *    "tables":  [{"name", "rows", "dim", "format", "block", "shards", "volume", "generation", "crc"}, ...],
 *    "imports": [{... the same, and "from", "path", "done"}, ...]}
 *
 * and that of a volume which is not the home: {"smartssd-store": 1, "home": UUID}
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "store_impl.h"

void manifest_free(struct manifest *m)
{
	free(m->tables);
	free(m->pending);
	memset(m, 0, sizeof(*m));
}

struct store_table *manifest_find(const struct manifest *m, const char *name)
{
	for (uint32_t i = 0; i < m->nr; i++)
		if (!strcmp(m->tables[i].name, name))
			return &m->tables[i];
	return NULL;
}

struct pending *manifest_find_pending(const struct manifest *m, const char *name)
{
	for (uint32_t i = 0; i < m->nr_pending; i++)
		if (!strcmp(m->pending[i].table.name, name))
			return &m->pending[i];
	return NULL;
}

static int no_room(struct smartssd_error *err, int ret)
{
	if (ret == -ENOSPC)
		return smartssd_fail(err, ret, "the store has %d tables, more it cannot have: remove one, or make another store", STORE_MAX_TABLES);
	return smartssd_fail(err, ret, "manifest: out of memory");
}

int manifest_put(struct manifest *m, const struct store_table *t, struct smartssd_error *err)
{
	struct store_table *old = manifest_find(m, t->name);
	uint32_t at;

	if (old) {
		*old = *t;
		return 0;
	}
	if (m->nr >= STORE_MAX_TABLES)
		return no_room(err, -ENOSPC);
	if (smartssd_grow(&m->tables, &m->room, m->nr + 1, 16, sizeof(*m->tables)))
		return no_room(err, -ENOMEM);
	for (at = m->nr; at > 0 && strcmp(m->tables[at - 1].name, t->name) > 0; at--)
		m->tables[at] = m->tables[at - 1];
	m->tables[at] = *t;
	m->nr++;
	return 0;
}

int manifest_put_pending(struct manifest *m, const struct pending *p, struct smartssd_error *err)
{
	struct pending *old = manifest_find_pending(m, p->table.name);

	if (old) {
		*old = *p;
		return 0;
	}
	if (m->nr_pending >= STORE_MAX_TABLES)
		return no_room(err, -ENOSPC);
	if (smartssd_grow(&m->pending, &m->room_pending, m->nr_pending + 1, 4, sizeof(*m->pending)))
		return no_room(err, -ENOMEM);
	m->pending[m->nr_pending++] = *p;
	return 0;
}

void manifest_drop(struct manifest *m, const char *name)
{
	struct store_table *t = manifest_find(m, name);

	if (t)
		memmove(t, t + 1, (size_t)(&m->tables[--m->nr] - t) * sizeof(*t));
}

void manifest_drop_pending(struct manifest *m, const char *name)
{
	struct pending *p = manifest_find_pending(m, name);

	if (p)
		memmove(p, p + 1, (size_t)(&m->pending[--m->nr_pending] - p) * sizeof(*p));
}

bool store_table_possible(const struct store_table *t, uint32_t volumes)
{
	return t->rows && t->rows <= TABLE_MAX_ROWS && (t->shards == 1 || t->shards == volumes) && rowfmt_bytes(t->format, t->dim) == t->layout.row_bytes &&
	       layout_bytes(&t->layout, t->rows) <= STORE_MAX_BYTES;
}

/* ---- reading ---- */

static int number(const json_t *from, const char *key, uint64_t most, uint64_t *out, struct smartssd_error *err)
{
	const json_t *value = json_object_get(from, key);

	*out = json_is_integer(value) ? (uint64_t)json_integer_value(value) : 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0 || *out > most)
		return smartssd_fail(err, -EBADMSG, "manifest: '%s' is not a whole number up to %" PRIu64, key, most);
	return 0;
}

static int parse_table(const json_t *from, uint32_t volumes, uint64_t next, struct store_table *t, struct smartssd_error *err)
{
	const char *name = json_string_value(json_object_get(from, "name")), *format = json_string_value(json_object_get(from, "format"));
	uint64_t dim, block, shards, volume, crc;
	int ret;

	memset(t, 0, sizeof(*t));
	if (!name || !format)
		return smartssd_fail(err, -EBADMSG, "manifest: a table without name or format");
	ret = store_check_name(name, err);
	if (!ret && rowfmt_by_name(format, &t->format))
		ret = smartssd_fail(err, -EBADMSG, "manifest: table '%s': format '%.20s' is not known", name, format);
	if (!ret)
		ret = number(from, "rows", TABLE_MAX_ROWS, &t->rows, err);
	if (!ret)
		ret = number(from, "dim", ROWFMT_MAX_DIM, &dim, err);
	if (!ret)
		ret = number(from, "block", 4096, &block, err);
	if (!ret)
		ret = number(from, "shards", volumes, &shards, err);
	if (!ret)
		ret = number(from, "volume", volumes - 1, &volume, err);
	if (!ret)
		ret = number(from, "generation", next - 1, &t->generation, err);
	if (!ret)
		ret = number(from, "crc", UINT32_MAX, &crc, err);
	if (ret)
		return ret;
	snprintf(t->name, sizeof(t->name), "%s", name);
	t->dim = (uint32_t)dim;
	t->shards = (uint32_t)shards;
	t->volume = (uint32_t)volume;
	t->crc = (uint32_t)crc;
	if (!rowfmt_bytes(t->format, t->dim) || layout_init(&t->layout, rowfmt_bytes(t->format, t->dim), (uint32_t)block) || !store_table_possible(t, volumes))
		return smartssd_fail(err, -EBADMSG, "manifest: table '%s': rows, dim, block and shards make no sense together", name);
	return 0;
}

static int parse_tables(const json_t *root, struct manifest *m, struct smartssd_error *err)
{
	const json_t *list = json_object_get(root, "tables");
	struct store_table t;

	if (!json_is_array(list) || json_array_size(list) > STORE_MAX_TABLES)
		return smartssd_fail(err, -EBADMSG, "manifest: 'tables' is not a list of at most %d", STORE_MAX_TABLES);
	for (size_t i = 0; i < json_array_size(list); i++) {
		int ret = parse_table(json_array_get(list, i), m->volumes, m->next_generation, &t, err);

		if (ret)
			return ret;
		if (manifest_find(m, t.name))
			return smartssd_fail(err, -EBADMSG, "manifest: two tables '%s'", t.name);
		ret = manifest_put(m, &t, err);
		if (ret)
			return ret;
	}
	return 0;
}

static int parse_imports(const json_t *root, struct manifest *m, struct smartssd_error *err)
{
	const json_t *list = json_object_get(root, "imports");

	if (!json_is_array(list) || json_array_size(list) > STORE_MAX_TABLES)
		return smartssd_fail(err, -EBADMSG, "manifest: 'imports' is not a list of at most %d", STORE_MAX_TABLES);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *from = json_array_get(list, i);
		const char *identity = json_string_value(json_object_get(from, "from")), *path = json_string_value(json_object_get(from, "path"));
		struct pending p = { 0 };
		int ret = parse_table(from, m->volumes, m->next_generation, &p.table, err);

		if (!ret)
			ret = number(from, "done", p.table.rows, &p.done, err);
		if (ret)
			return ret;
		if (!identity || strlen(identity) >= sizeof(p.identity) || manifest_find_pending(m, p.table.name))
			return smartssd_fail(err, -EBADMSG, "manifest: import of '%s': no 'from', or two of them", p.table.name);
		snprintf(p.identity, sizeof(p.identity), "%s", identity);
		snprintf(p.path, sizeof(p.path), "%s", path ? path : "");
		p.crc = p.table.crc;
		p.table.crc = 0;
		/* One that had saved nothing: nobody can go on with it, so its objects are leftovers. */
		ret = p.done ? manifest_put_pending(m, &p, err) : 0;
		if (ret)
			return ret;
	}
	return 0;
}

static bool is_uuid(const char *text)
{
	return text && strlen(text) == 36 && strspn(text, "0123456789abcdef-") == 36;
}

static int parse_volumes(const json_t *root, struct manifest *m, struct smartssd_error *err)
{
	const json_t *list = json_object_get(root, "volumes");

	if (!json_is_array(list) || json_array_size(list) < 1 || json_array_size(list) > STORE_MAX_VOLUMES)
		return smartssd_fail(err, -EBADMSG, "manifest: 'volumes' is not a list of 1 to %d", STORE_MAX_VOLUMES);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *uuid = json_string_value(json_array_get(list, i));

		if (!is_uuid(uuid))
			return smartssd_fail(err, -EBADMSG, "manifest: volume %zu has no UUID", i);
		memcpy(m->uuid[i], uuid, sizeof(m->uuid[0]));
	}
	m->volumes = (uint32_t)json_array_size(list);
	return 0;
}

static int parse_member(const json_t *root, struct manifest *m, struct smartssd_error *err)
{
	const char *home = json_string_value(json_object_get(root, "home"));

	if (!is_uuid(home))
		return smartssd_fail(err, -EBADMSG, "manifest: 'home' is no UUID");
	memcpy(m->home, home, sizeof(m->home));
	return 0;
}

static int parse_home(const json_t *root, struct manifest *m, struct smartssd_error *err)
{
	int ret = number(root, "next", TABLE_MAX_GENERATION + 1, &m->next_generation, err);

	if (!ret && !m->next_generation)
		ret = smartssd_fail(err, -EBADMSG, "manifest: 'next' is 0");
	if (!ret)
		ret = parse_volumes(root, m, err);
	if (!ret)
		ret = parse_tables(root, m, err);
	return ret ? ret : parse_imports(root, m, err);
}

int manifest_parse(const char *text, struct manifest *m, struct smartssd_error *err)
{
	json_error_t where;
	uint64_t version;
	json_t *root;
	int ret;

	memset(m, 0, sizeof(*m));
	m->next_generation = 1;
	if (!*text)
		return 0;
	root = json_loads(text, JSON_REJECT_DUPLICATES, &where);
	if (!root)
		return smartssd_fail(err, -EBADMSG, "manifest, line %d column %d: %s", where.line, where.column, where.text);
	ret = number(root, "smartssd-store", UINT32_MAX, &version, err);
	if (!ret && version != STORE_VERSION)
		ret = smartssd_fail(err, -EPROTONOSUPPORT, "the store was written by another version of this program (store version %" PRIu64
				    ", this one knows %d)", version, STORE_VERSION);
	if (!ret)
		ret = json_object_get(root, "home") ? parse_member(root, m, err) : parse_home(root, m, err);
	json_decref(root);
	if (ret)
		manifest_free(m);
	return ret;
}

/* ---- writing ---- */

static json_t *print_table(const struct store_table *t, uint32_t crc)
{
	return json_pack("{ss sI si ss si si si sI sI}", "name", t->name, "rows", (json_int_t)t->rows, "dim", (int)t->dim, "format", rowfmt_name(t->format),
			 "block", (int)t->layout.block, "shards", (int)t->shards, "volume", (int)t->volume, "generation", (json_int_t)t->generation, "crc",
			 (json_int_t)crc);
}

/* Takes @value. */
static int append(json_t *list, json_t *value)
{
	return value ? json_array_append_new(list, value) : -1;
}

int manifest_print(const struct manifest *m, char **text, struct smartssd_error *err)
{
	json_t *root = json_object(), *volumes = json_array(), *tables = json_array(), *imports = json_array();
	int bad = 0;

	for (uint32_t i = 0; i < m->volumes; i++)
		bad |= append(volumes, json_string(m->uuid[i]));
	for (uint32_t i = 0; i < m->nr; i++)
		bad |= append(tables, print_table(&m->tables[i], m->tables[i].crc));
	for (uint32_t i = 0; i < m->nr_pending; i++) {
		const struct pending *p = &m->pending[i];
		json_t *import = print_table(&p->table, p->crc);

		bad |= json_object_set_new(import, "from", json_string(p->identity));
		bad |= json_object_set_new(import, "path", json_string(p->path));
		bad |= json_object_set_new(import, "done", json_integer((json_int_t)p->done));
		bad |= append(imports, import);
	}
	bad |= json_object_set_new(root, "smartssd-store", json_integer(STORE_VERSION));
	bad |= json_object_set_new(root, "next", json_integer((json_int_t)m->next_generation));
	bad |= json_object_set_new(root, "volumes", volumes);
	bad |= json_object_set_new(root, "tables", tables);
	bad |= json_object_set_new(root, "imports", imports);
	*text = bad ? NULL : json_dumps(root, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
	json_decref(root);
	return *text ? 0 : smartssd_fail(err, -ENOMEM, "manifest: out of memory");
}

char *manifest_member(const char *home)
{
	char *text;

	return asprintf(&text, "{\"smartssd-store\": %d, \"home\": \"%s\"}\n", STORE_VERSION, home) < 0 ? NULL : text;
}
