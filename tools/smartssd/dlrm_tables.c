// SPDX-License-Identifier: BSD-2-Clause
/* Tables of a model: which the store has and whether they fit; the others are imported from the weights, or made from the seed. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dlrm_verb.h"

void dlrm_table_name(const struct trace_model *m, uint32_t t, char name[STORE_NAME + 16])
{
	snprintf(name, STORE_NAME + 16, "%s-%u", m->name, t);
}

/* The last one's is the longest. */
static int check_names(const struct trace_model *m)
{
	struct smartssd_error err = { "" };
	char name[STORE_NAME + 16];

	dlrm_table_name(m, m->tables - 1, name);
	if (!store_check_name(name, &err))
		return 0;
	complain(DLRM_VERB, "--model: tables of '%s' would be called '%s', and so on: %s; give the model another \"model_name\"", m->name, name, err.text);
	return 1;
}

static int check_table(const struct dlrm_args *a, const struct trace_model *m, uint32_t t, uint32_t volumes, const struct store_table *there)
{
	uint32_t shards = a->shard == DLRM_SHARD_ROW ? volumes : 1;

	if (there->rows != m->rows[t] || there->dim != m->dim)
		complain(DLRM_VERB, "--store: its table '%s' has %" PRIu64 " rows of %u; the model's table %u has %" PRIu64 " of %u: use another store, or remove that table", there->name, there->rows,
			 there->dim, t, m->rows[t], m->dim);
	else if (a->format_given && there->format != a->format)
		complain(DLRM_VERB, "--format: the store's table '%s' is %s already, not %s: leave --format out to use it, use another store, or remove that table", there->name,
			 rowfmt_name(there->format), rowfmt_name(a->format));
	else if (a->shard != DLRM_SHARD_PLANNED && volumes > 1 && there->shards != shards)
		complain(DLRM_VERB, "--shard: the store's table '%s' is on %s already: leave --shard out to use it, use another store, or remove that table", there->name,
			 there->shards > 1 ? "all volumes, row by row," : "one volume");
	else
		return 0;
	return 1;
}

/* @missing [tables]. */
static int find_missing(const struct dlrm_args *a, const struct trace_model *m, struct store *s, bool *missing, uint32_t *nr_missing)
{
	struct smartssd_error err = { "" };
	struct store_table *tables;
	uint32_t nr;
	int code = 0;

	if (store_list(s, &tables, &nr, &err)) {
		complain(DLRM_VERB, "--store: %s", err.text);
		return 1;
	}
	*nr_missing = 0;
	for (uint32_t t = 0; t < m->tables && !code; t++) {
		char name[STORE_NAME + 16];
		uint32_t i;

		dlrm_table_name(m, t, name);
		for (i = 0; i < nr && strcmp(tables[i].name, name); i++)
			;
		missing[t] = i == nr;
		*nr_missing += missing[t];
		if (i < nr)
			code = check_table(a, m, t, store_volumes(s), &tables[i]);
	}
	free(tables);
	return code;
}

struct seeded {
	const struct trace_model *model;
	uint64_t seed;
	uint32_t table;
};

static int read_seeded(void *ctx, uint64_t from, uint64_t nr, float *out, struct smartssd_error *err)
{
	const struct seeded *s = ctx;

	(void)err;
	dlrm_seeded_rows(s->model, s->seed, s->table, from, nr, out);
	return 0;
}

static int open_rows(const struct dlrm_args *a, const struct trace_model *m, uint32_t t, struct seeded *seeded, struct store_rows **out, struct smartssd_error *err)
{
	char identity[100], *from;
	struct store_rows_source source = { .rows = m->rows[t], .dim = m->dim, .identity = identity, .read = read_seeded, .ctx = seeded };
	int ret;

	if (!a->weights) {
		*seeded = (struct seeded){ m, a->seed, t };
		snprintf(identity, sizeof(identity), "rows of seed %" PRIu64 ", table %u, %" PRIu64 " x %u", a->seed, t, m->rows[t], m->dim);
		return store_rows_from(&source, out, err);
	}
	if (asprintf(&from, "%s:emb_l.%u.weight", a->weights, t) < 0)
		return -ENOMEM;
	ret = store_rows_open(from, out, err);
	free(from);
	/* dlrm_create() has seen to it that it is of the model, when it is there. */
	return ret;
}

/* Before a store is made: wrong weights make none. */
static int check_rows(const struct dlrm_args *a, const struct trace_model *m, const bool *missing)
{
	for (uint32_t t = 0; t < m->tables; t++) {
		struct smartssd_error err = { "" };
		char name[STORE_NAME + 16];
		struct store_rows *rows;
		struct seeded seeded;
		int ret = missing[t] ? open_rows(a, m, t, &seeded, &rows, &err) : 0;

		if (ret) {
			dlrm_table_name(m, t, name);
			complain(DLRM_VERB, "the store has no table '%s', and it cannot be made: %s", name, *err.text ? err.text : strerror(-ret));
			return 1;
		}
		if (missing[t])
			store_rows_close(rows);
	}
	return 0;
}

static int make_table(const struct dlrm_args *a, const struct trace_model *m, uint32_t t, const struct dlrm_places *places, struct store *s)
{
	char name[STORE_NAME + 16], what[STORE_NAME + 32];
	struct store_import import = { .name = name, .format = a->format };
	struct smartssd_error err = { "" };
	struct seeded seeded;
	struct work work;
	int ret, code;

	dlrm_place(a, places, t, &import);
	dlrm_table_name(m, t, name);
	snprintf(what, sizeof(what), "making %s", name);
	ret = open_rows(a, m, t, &seeded, &import.rows, &err);
	if (ret) {
		complain(DLRM_VERB, "table '%s': %s", name, *err.text ? err.text : strerror(-ret));
		return 1;
	}
	work_begin(&work, what, a->progress == 1);
	ret = store_import(s, &import, &work.progress, NULL, &err);
	code = work_end(&work);
	store_rows_close(import.rows);
	if (!ret)
		return 0;
	complain(DLRM_VERB, "table '%s': %s", name, *err.text ? err.text : strerror(-ret));
	if (ret == -EBUSY)
		complain(DLRM_VERB, "'smartssd table remove %s --import' forgets that import", name);
	return ret == -ECANCELED ? code : 1;
}

static int make_missing(const struct dlrm_args *a, const struct trace_model *m, const struct trace *trace, struct dlrm_tables *out)
{
	struct smartssd_error err = { "" };
	double start = seconds_now();
	bool *missing = calloc(m->tables, sizeof(*missing));
	struct dlrm_places places = { .planned = { 0 } };
	struct store *s = NULL;
	uint32_t nr;
	int ret = missing ? store_open(a->store.spec, VOLUME_WRITE | VOLUME_CREATE | (a->force ? VOLUME_FORCE : 0), &s, &err) : -ENOMEM, code = 1;

	if (ret)
		complain(DLRM_VERB, "--store: %s", *err.text ? err.text : strerror(-ret));
	else
		code = find_missing(a, m, s, missing, &nr); /* again: now nobody else makes any */
	if (!code && nr)
		code = dlrm_places_make(a, m, trace, s, &places);
	for (uint32_t t = 0; t < m->tables && !code; t++) {
		code = missing[t] ? make_table(a, m, t, &places, s) : 0;
		out->made += missing[t] && !code;
	}
	if (s)
		store_close(s);
	free(missing);
	if (out->made)
		memcpy(out->placed, places.text, sizeof(out->placed));
	dlrm_places_free(&places);
	out->seconds = seconds_now() - start;
	return code;
}

int dlrm_tables_make(const struct dlrm_args *a, const struct trace_model *m, const struct trace *t, struct dlrm_tables *out)
{
	struct smartssd_error err = { "" };
	bool *missing = calloc(m->tables, sizeof(*missing));
	uint32_t nr = m->tables;
	struct store *s;
	int code = check_names(m);

	*out = (struct dlrm_tables){ 0 };
	if (!missing) {
		complain(DLRM_VERB, "out of memory");
		code = 1;
	}
	if (code) {
		free(missing);
		return code;
	}
	/* For reading, as long as that is enough: it may be that nobody may write, or that somebody does. Where that fails there may be no store yet; else opening it to write says what is wrong. */
	memset(missing, true, m->tables * sizeof(*missing));
	if (!store_open(a->store.spec, VOLUME_READ, &s, &err)) {
		code = find_missing(a, m, s, missing, &nr);
		store_close(s);
	}
	code = code ?: check_rows(a, m, missing);
	free(missing);
	return code || !nr ? code : make_missing(a, m, t, out);
}

/* ---- tables that were there ---- */

/* Is row @row what would be made? An error counts as yes: it is not for here. */
static bool same_row(struct table *t, struct store_rows *rows, uint64_t row)
{
	const struct store_table *info = table_info(t);
	float there[ROWFMT_MAX_DIM], made[ROWFMT_MAX_DIM];
	uint8_t encoded[ROWFMT_MAX_DIM * 4];

	if (table_read_row(t, row, there, NULL) || store_rows_encode(rows, row, 1, info->format, made, encoded, NULL))
		return true;
	rowfmt_decode(info->format, info->dim, encoded, 1, made);
	return !memcmp(there, made, info->dim * sizeof(float));
}

uint32_t dlrm_tables_others(const struct dlrm_args *a, const struct trace_model *m, struct table *const *tables)
{
	uint32_t nr = 0, first = 0;

	for (uint32_t t = 0; t < m->tables; t++) {
		struct store_rows *rows;
		struct seeded seeded;
		bool same;

		/* Weights may be without tables. */
		if (open_rows(a, m, t, &seeded, &rows, NULL))
			continue;
		same = same_row(tables[t], rows, 0) && same_row(tables[t], rows, m->rows[t] / 2) && same_row(tables[t], rows, m->rows[t] - 1);
		store_rows_close(rows);
		first = !same && !nr ? t : first;
		nr += !same;
	}
	if (nr)
		complain(DLRM_VERB, "note: %u of the store's %u tables, '%s' first, %s what %s would make, in the rows that were looked at; used as %s", nr, m->tables, table_info(tables[first])->name,
			 nr == 1 ? "is not" : "are not", a->weights ? "--weights" : "--seed", nr == 1 ? "it is" : "they are");
	return nr;
}
