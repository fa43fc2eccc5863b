// SPDX-License-Identifier: BSD-2-Clause
/* Reading what smartssd table plan -o wrote. It may come from anywhere: everything is checked. */
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include "../../runtime/private.h"
#include "../../runtime/store/store.h"
#include "table_plan.h"

static int bad(const char *path, const char *what, struct smartssd_error *err)
{
	return smartssd_fail(err, -EBADMSG, "%s: %s; 'smartssd table plan -o' makes a plan", path, what);
}

/* A whole number from @least to @most, or false. */
static bool number(const json_t *o, const char *key, uint64_t least, uint64_t most, uint64_t *out)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return false;
	*out = (uint64_t)json_integer_value(v);
	return *out >= least && *out <= most;
}

static int read_table(const char *path, const json_t *plan, const json_t *t, struct planned *out, struct smartssd_error *err)
{
	const char *shard = json_string_value(json_object_get(t, "shard")), *format = json_string_value(json_object_get(plan, "format"));
	uint64_t cards, dim, volume = 0;

	if (!number(plan, "cards", 1, STORE_MAX_VOLUMES, &cards) || !format || rowfmt_by_name(format, &out->format))
		return bad(path, "cards or format are missing, or none that are possible", err);
	if (!number(t, "rows", 1, INT64_MAX, &out->rows) || !number(t, "dim", 1, ROWFMT_MAX_DIM, &dim) || !shard || (strcmp(shard, "row") && strcmp(shard, "table")))
		return bad(path, "rows, dim or shard of the table are missing, or none that are possible", err);
	out->shard = strcmp(shard, "row") ? SMARTSSD_SHARD_TABLE : SMARTSSD_SHARD_ROW;
	if (out->shard == SMARTSSD_SHARD_TABLE && !number(t, "volume", 0, cards - 1, &volume))
		return bad(path, "volume of the table is missing, or not below cards", err);
	out->cards = (uint32_t)cards;
	out->dim = (uint32_t)dim;
	out->volume = (uint32_t)volume;
	return 0;
}

static int read_plan(const char *path, const json_t *plan, const char *table, struct planned *out, struct smartssd_error *err)
{
	const json_t *tables = json_object_get(plan, "tables"), *t;
	uint64_t version;
	size_t i;

	if (!number(plan, "smartssd-plan", 1, 1, &version))
		return bad(path, "smartssd-plan is not 1", err);
	if (!json_is_array(tables))
		return bad(path, "tables are missing", err);
	json_array_foreach(tables, i, t) {
		const char *name = json_string_value(json_object_get(t, "name"));

		if (name && !strcmp(name, table))
			return read_table(path, plan, t, out, err);
	}
	return smartssd_fail(err, -ENOENT, "%s: no table '%s' among its %zu", path, table, json_array_size(tables));
}

int planned_load(const char *path, const char *table, struct planned *out, struct smartssd_error *err)
{
	json_error_t where;
	json_t *plan;
	int ret;

	errno = 0;
	plan = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
	if (!plan && errno)
		return smartssd_fail(err, -errno, "%s: %s", path, strerror(errno));
	if (!plan)
		return smartssd_fail(err, -EBADMSG, "%s, line %d: %s; 'smartssd table plan -o' makes a plan", path, where.line, where.text);
	ret = read_plan(path, plan, table, out, err);
	json_decref(plan);
	return ret;
}
