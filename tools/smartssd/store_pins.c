// SPDX-License-Identifier: BSD-2-Clause
/* --statistics, --pin-card, --pin-host: the rows that a trace wants most stay in memory, where placement.h puts them. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../../runtime/store/statistics.h"
#include "store_options.h"

/* The trace becomes one of this table only. */
static int one_table(const char *verb, const char *path, struct trace_model *m, struct statistics *s, uint32_t table)
{
	uint64_t *counts;

	if (table == UINT32_MAX && m->tables != 1) {
		complain(verb, "--statistics: %s has %u tables; --statistics-table N says which of them this table is", path, m->tables);
		return 2;
	}
	if (table == UINT32_MAX)
		table = 0;
	if (table >= m->tables) {
		complain(verb, "--statistics-table: %s has tables 0 to %u only", path, m->tables - 1);
		return 2;
	}
	m->rows[0] = m->rows[table];
	/* All are freed later: the two change places. */
	counts = s->row_counts[table];
	s->row_counts[table] = s->row_counts[0];
	s->row_counts[0] = counts;
	s->lookups[0] = s->lookups[table];
	m->tables = 1;
	return 0;
}

static int check_tables(const char *verb, const char *path, const struct trace_model *m, struct table *const *tables, uint32_t nr)
{
	if (m->tables != nr) {
		complain(verb, "--statistics: %s has %u tables, but %u are looked up", path, m->tables, nr);
		return 1;
	}
	for (uint32_t t = 0; t < nr; t++) {
		if (m->rows[t] == table_info(tables[t])->rows)
			continue;
		complain(verb, "--statistics: %s: its table has %" PRIu64 " rows, but '%s' has %" PRIu64, path, m->rows[t], table_info(tables[t])->name, table_info(tables[t])->rows);
		return 1;
	}
	return 0;
}

/* *done: those that had room. The plan is for the cards where the rows are, so all have, but for a row-wise table whose shard 0 is not on volume 0, where another program put it. */
static int pin(struct store_lookups *l, struct table *t, enum engine_where where, const int64_t *rows, uint64_t nr, uint64_t *done, struct smartssd_error *err)
{
	int ret;

	*done = 0;
	ret = nr ? engine_pin(l->engine, t, where, rows, nr, done, err) : 0;
	return ret == -ENOSPC ? 0 : ret;
}

static int pin_table(struct store_lookups *l, struct table *t, const struct statistics_pins *pins, struct smartssd_error *err)
{
	uint64_t card, host;
	int ret = pin(l, t, ENGINE_PIN_CARD, pins->card, pins->nr_card, &card, err);

	if (!ret)
		ret = pin(l, t, ENGINE_PIN_HOST, pins->host, pins->nr_host, &host, err);
	if (ret)
		return ret;
	l->pinned_card += card;
	l->pinned_host += host;
	return 0;
}

static int pin_all(struct store_lookups *l, const struct trace_model *m, const struct statistics *s, struct table *const *tables, uint32_t nr, struct smartssd_error *err)
{
	uint32_t *where = calloc(nr, sizeof(*where));
	struct placement_budget budget = { .cards = l->cards.volumes, .card_bytes = l->options.pinned, .host_bytes = l->options.pinned_host, .where = where };
	struct placement_table *wanted = statistics_tables(s, m, SMARTSSD_ROWS_FP32);
	struct placement_result placed = { 0 };
	int ret = wanted && where ? 0 : -ENOMEM;

	for (uint32_t t = 0; t < nr && !ret; t++) {
		const struct store_table *info = table_info(tables[t]);

		wanted[t].row_bytes = info->layout.row_bytes;
		where[t] = info->shards > 1 ? UINT32_MAX : info->volume;
	}
	if (!ret)
		ret = placement_plan(wanted, nr, &budget, &placed, err);
	for (uint32_t t = 0; t < nr && !ret; t++) {
		struct statistics_pins pins;

		ret = statistics_pins(s, m, &placed, t, &pins, err);
		if (ret)
			break;
		ret = pin_table(l, tables[t], &pins, err);
		statistics_pins_free(&pins);
	}
	placement_free(&placed);
	free(wanted);
	free(where);
	return ret;
}

int store_lookups_pin(const char *verb, const struct store_options *o, struct store_lookups *l, struct table *const *tables, uint32_t nr, uint32_t trace_table)
{
	struct smartssd_error err = { "" };
	struct statistics s;
	struct trace trace;
	uint32_t all;
	int ret;

	if (!o->statistics)
		return 0;
	ret = trace_load(o->statistics, &trace, &err);
	if (ret) {
		complain(verb, "--statistics: %s", *err.text ? err.text : strerror(-ret));
		return 1;
	}
	all = trace.model.tables;
	ret = statistics_make(&trace, 0, trace.queries, &s, &err);
	if (ret) {
		complain(verb, "--statistics: %s", err.text);
		trace_free(&trace);
		return 1;
	}
	if (nr == 1)
		ret = one_table(verb, o->statistics, &trace.model, &s, trace_table);
	s.tables = trace.model.tables;
	if (!ret)
		ret = check_tables(verb, o->statistics, &trace.model, tables, nr);
	if (!ret && pin_all(l, &trace.model, &s, tables, nr, &err)) {
		complain(verb, "--statistics: %s", *err.text ? err.text : "rows cannot be pinned");
		ret = 1;
	}
	s.tables = all;
	statistics_free(&s);
	trace.model.tables = all;
	trace_free(&trace);
	return ret;
}
