// SPDX-License-Identifier: BSD-2-Clause
/* smartssd table update, compact, remove: what changes a table that is there. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "interrupt.h"
#include "operator.h"
#include "options.h"
#include "table.h"

/* ---- update ---- */

struct update_args {
	const char *indices, *rows, *spec;
	bool as_json;
};

/* All rows of a file as floats, in memory; *values is free()d. */
static int load_rows(const char *verb, const char *path, float **values, uint64_t *nr, uint32_t *dim)
{
	struct smartssd_error err = { "" };
	struct store_rows *r;
	size_t bytes;
	int ret = store_rows_open(path, &r, &err);

	if (!ret) {
		*nr = store_rows_count(r);
		*dim = store_rows_dim(r);
		*values = __builtin_mul_overflow(*nr, *dim * sizeof(float), &bytes) ? NULL : malloc(bytes);
		if (*values)
			ret = store_rows_read(r, 0, *nr, *values, &err);
		else
			ret = -ENOMEM;
		if (ret)
			free(*values);
		store_rows_close(r);
	}
	if (ret)
		complain(verb, "--rows: %s", *err.text ? err.text : "out of memory");
	return ret ? 1 : 0;
}

static int update(const struct update_args *a, const char *verb, const char *name, const int64_t *indices, uint64_t nr, const float *rows, uint32_t dim)
{
	struct smartssd_error err = { "" };
	struct json j = { .out = stdout };
	struct table *t = NULL;
	struct store *s;
	int ret = table_store(verb, a->spec, VOLUME_WRITE, &s);

	if (ret)
		return ret;
	ret = table_open(s, name, &t, &err);
	if (!ret && table_info(t)->dim != dim) {
		snprintf(err.text, sizeof(err.text), "--rows: rows of %u, but those of table '%s' have %u", dim, name, table_info(t)->dim);
		ret = -EINVAL;
	}
	if (!ret)
		ret = table_update(t, indices, nr, rows, &err);
	if (ret) {
		complain(verb, "%s", *err.text ? err.text : strerror(-ret));
	} else if (a->as_json) {
		json_open(&j, NULL, '{');
		json_uint(&j, "written", nr);
		table_json(&j, s, t);
		json_close(&j, '}');
	} else {
		printf("%s: %" PRIu64 " row%s written, %" PRIu64 " updated since the import\n", name, nr, nr == 1 ? "" : "s", table_updated(t));
	}
	table_close(t);
	store_close(s);
	return ret ? 1 : 0;
}

int table_update_verb(int argc, char **argv)
{
	struct update_args a = { NULL };
	const struct option_spec specs[] = {
		{ "indices", OPTION_TEXT, &a.indices, .meta = "I.npy", .help = "i4 or i8 [n]: which rows; of one that is there twice the last counts",
		  .required = true },
		{ "rows", OPTION_TEXT, &a.rows, .meta = "R.npy", .help = "[n][dim], all that 'table import' takes: their new values", .required = true },
		{ "store", OPTION_TEXT, &a.spec, .meta = STORE_META, .help = STORE_HELP, .required = true },
		{ "json", OPTION_FLAG, &a.as_json, .help = "print JSON" },
	};
	const struct option_table table = { "table update", "NAME", "New values for some rows: on the drive when the command ends.", specs,
					    sizeof(specs) / sizeof(specs[0]) };
	uint64_t nr_indices = 0, nr_rows = 0;
	int64_t *indices = NULL;
	float *rows = NULL;
	const char *name;
	uint32_t dim = 0;
	int ret = options_parse(&table, argc, argv);

	if (ret < 0)
		return options_exit(ret);
	ret = table_name(table.verb, argc, argv, ret, &name);
	if (ret)
		return ret;
	ret = array_integers(table.verb, "indices", a.indices, &indices, &nr_indices);
	if (!ret)
		ret = load_rows(table.verb, a.rows, &rows, &nr_rows, &dim);
	if (!ret && nr_indices != nr_rows) {
		complain(table.verb, "--rows: %" PRIu64 " rows, but --indices has %" PRIu64 " numbers: as many of both", nr_rows, nr_indices);
		ret = 1;
		free(rows);
	} else if (!ret) {
		ret = update(&a, table.verb, name, indices, nr_rows, rows, dim);
		free(rows);
	}
	free(indices);
	return ret;
}

/* ---- compact ---- */

int table_compact(int argc, char **argv)
{
	struct smartssd_error err = { "" };
	const char *spec = NULL, *name;
	unsigned progress = 0;
	const struct option_spec specs[] = {
		{ "store", OPTION_TEXT, &spec, .meta = STORE_META, .help = STORE_HELP, .required = true },
		{ "progress", OPTION_CHOICE, &progress, .choices = PROGRESS_CHOICES, .help = PROGRESS_HELP },
	};
	const struct option_table table = { "table compact", "NAME", "Updated rows into their places: a new generation of the table, with room for updates again.",
					    specs, sizeof(specs) / sizeof(specs[0]) };
	struct work work;
	struct store *s;
	char what[80];
	int ret = options_parse(&table, argc, argv), code;

	if (ret < 0)
		return options_exit(ret);
	ret = table_name(table.verb, argc, argv, ret, &name) ?: table_store(table.verb, spec, VOLUME_WRITE, &s);
	if (ret)
		return ret;
	snprintf(what, sizeof(what), "compacting %s", name);
	work_begin(&work, what, progress == 1);
	ret = store_compact(s, name, &work.progress, &err);
	code = work_end(&work);
	if (ret)
		complain(table.verb, "%s", *err.text ? err.text : strerror(-ret));
	else
		printf("%s: compacted\n", name);
	store_close(s);
	return ret == -ECANCELED ? code : ret ? 1 : 0;
}

/* ---- remove ---- */

int table_remove(int argc, char **argv)
{
	struct smartssd_error err = { "" };
	const char *spec = NULL, *name;
	bool import = false;
	const struct option_spec specs[] = {
		{ "store", OPTION_TEXT, &spec, .meta = STORE_META, .help = STORE_HELP, .required = true },
		{ "import", OPTION_FLAG, &import, .help = "only an import of that name that was interrupted; the table stays" },
	};
	const struct option_table table = { "table remove", "NAME", "The table goes, an interrupted import of that name too, and their room is free.", specs,
					    sizeof(specs) / sizeof(specs[0]) };
	struct store *s;
	int ret = options_parse(&table, argc, argv);

	if (ret < 0)
		return options_exit(ret);
	ret = table_name(table.verb, argc, argv, ret, &name) ?: table_store(table.verb, spec, VOLUME_WRITE, &s);
	if (ret)
		return ret;
	ret = import ? store_forget_import(s, name, &err) : store_remove(s, name, &err);
	if (ret)
		complain(table.verb, "%s", *err.text ? err.text : strerror(-ret));
	else
		printf("%s: %sremoved\n", name, import ? "interrupted import " : "");
	store_close(s);
	return ret ? 1 : 0;
}
