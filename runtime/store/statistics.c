// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>

#include "../private.h"
#include "rowfmt.h"
#include "statistics.h"

int statistics_make(const struct trace *t, uint64_t first, uint64_t nr, struct statistics *out, struct smartssd_error *err)
{
	const uint32_t tables = t->model.tables;

	*out = (struct statistics){ .tables = tables, .queries = nr };
	if (first > t->queries || nr > t->queries - first)
		return smartssd_fail(err, -EINVAL, "queries %llu to %llu of a trace with %llu", (unsigned long long)first, (unsigned long long)(first + nr),
				     (unsigned long long)t->queries);
	out->row_counts = calloc(tables + 1ull, sizeof(*out->row_counts));
	out->lookups = calloc(tables + 1ull, sizeof(*out->lookups));
	out->distinct = calloc(tables + 1ull, sizeof(*out->distinct));
	for (uint32_t i = 0; out->row_counts && i < tables; i++) {
		out->row_counts[i] = calloc(t->model.rows[i], sizeof(**out->row_counts));
		if (!out->row_counts[i])
			break;
		for (uint64_t q = first; out->lookups && out->distinct && q < first + nr; q++) {
			const int64_t *bag = t->offsets + q * tables + i;

			for (int64_t k = bag[0]; k < bag[1]; k++)
				out->distinct[i] += !out->row_counts[i][t->indices[k]]++;
			out->lookups[i] += (uint64_t)(bag[1] - bag[0]);
		}
	}
	if (out->row_counts && out->lookups && out->distinct && (!tables || out->row_counts[tables - 1]))
		return 0;
	statistics_free(out);
	return smartssd_fail(err, -ENOMEM, "no memory to count the rows of %u tables", tables);
}

void statistics_free(struct statistics *s)
{
	for (uint32_t i = 0; s->row_counts && i < s->tables; i++)
		free(s->row_counts[i]);
	for (uint32_t i = 0; s->order && i < s->tables; i++)
		free(s->order[i]);
	free(s->row_counts);
	free(s->order);
	free(s->lookups);
	free(s->distinct);
	memset(s, 0, sizeof(*s));
}

int statistics_sort(struct statistics *s, const struct trace_model *model, struct smartssd_error *err)
{
	int ret = 0;

	if (!s->order)
		s->order = calloc(s->tables + 1ull, sizeof(*s->order));
	if (!s->order)
		ret = -ENOMEM;
	for (uint32_t i = 0; !ret && i < s->tables; i++) {
		uint64_t *order = s->order[i] ? NULL : malloc(model->rows[i] * sizeof(*order));

		if (s->order[i])
			continue;
		ret = order ? placement_hottest(s->row_counts[i], model->rows[i], order) : -ENOMEM;
		if (ret)
			free(order);
		else
			s->order[i] = order;
	}
	return ret ? smartssd_fail(err, ret, "no memory to sort the rows of %u tables by their counts", s->tables) : 0;
}

struct placement_table *statistics_tables(const struct statistics *s, const struct trace_model *model, uint32_t format)
{
	struct placement_table *t = calloc(s->tables + 1ull, sizeof(*t));

	for (uint32_t i = 0; t && i < s->tables; i++)
		t[i] = (struct placement_table){ .rows = model->rows[i], .row_bytes = rowfmt_bytes(format, model->dim), .row_counts = s->row_counts[i], .order = s->order ? s->order[i] : NULL,
						 .lookups = s->queries ? (double)s->lookups[i] / (double)s->queries : 0 };
	return t;
}

int statistics_place(const struct trace *t, uint32_t format, const struct placement_budget *budget, struct placement_result *out, struct statistics *counts, struct smartssd_error *err)
{
	struct placement_table *tables;
	struct statistics s;
	int ret = statistics_make(t, 0, t->queries, &s, err);

	memset(out, 0, sizeof(*out));
	if (counts)
		memset(counts, 0, sizeof(*counts));
	if (ret)
		return ret;
	ret = statistics_sort(&s, &t->model, err);
	if (ret) {
		statistics_free(&s);
		return ret;
	}
	tables = statistics_tables(&s, &t->model, format);
	ret = tables ? placement_plan(tables, s.tables, budget, out, err) : smartssd_fail(err, -ENOMEM, "no memory to plan the placement of %u tables", s.tables);
	free(tables);
	if (!ret && counts)
		*counts = s;
	else
		statistics_free(&s);
	return ret;
}

static int64_t *copy_of(const uint64_t *rows, uint64_t nr)
{
	int64_t *out = malloc((nr ?: 1) * sizeof(*out));

	for (uint64_t i = 0; out && i < nr; i++)
		out[i] = (int64_t)rows[i];
	return out;
}

int statistics_pins(const struct statistics *s, const struct trace_model *model, const struct placement_result *placed, uint32_t table, struct statistics_pins *out,
		    struct smartssd_error *err)
{
	uint64_t rows = model->rows[table], *own = NULL;
	const uint64_t *order = s->order ? s->order[table] : NULL;
	int ret = order ? 0 : -ENOMEM;

	memset(out, 0, sizeof(*out));
	out->nr_card = placed->pinned[table];
	out->nr_host = placed->in_host[table];
	if (!order && rows <= SIZE_MAX / sizeof(*own))
		order = own = malloc((rows ?: 1) * sizeof(*own));
	if (own)
		ret = placement_hottest(s->row_counts[table], rows, own);
	if (!ret) {
		out->card = copy_of(order, out->nr_card);
		out->host = copy_of(order + out->nr_card, out->nr_host);
		ret = out->card && out->host ? 0 : -ENOMEM;
	}
	free(own);
	if (!ret)
		return 0;
	statistics_pins_free(out);
	return smartssd_fail(err, ret, "no memory for the %llu rows of table %u in the order of their counts", (unsigned long long)rows, table);
}

void statistics_pins_free(struct statistics_pins *p)
{
	free(p->card);
	free(p->host);
	memset(p, 0, sizeof(*p));
}
