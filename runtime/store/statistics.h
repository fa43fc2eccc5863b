/* SPDX-License-Identifier: BSD-2-Clause */
/* How often each row of each table is wanted in a trace, and what follows from it: where tables go, and which rows to pin. */
#ifndef SMARTSSD_STORE_STATISTICS_H
#define SMARTSSD_STORE_STATISTICS_H

#include "placement.h"
#include "trace.h"

struct statistics {
	uint32_t tables;
	uint64_t queries;
	uint64_t **row_counts; /* [tables][rows]; lookups of each row */
	uint64_t *lookups;     /* [tables] */
	uint64_t *distinct;    /* [tables] rows that were wanted at least once */
	uint64_t **order;      /* [tables][rows] placement_hottest(), after statistics_sort(); else NULL */
};

/* Queries first .. first + nr - 1 of the trace, which was checked (trace_load()). -EINVAL: there are not so many; -ENOMEM. statistics_free() after 0. */
int statistics_make(const struct trace *t, uint64_t first, uint64_t nr, struct statistics *out, struct smartssd_error *err);
void statistics_free(struct statistics *s);
/* Makes order, for who plans more than once; otherwise each makes its own. -ENOMEM. */
int statistics_sort(struct statistics *s, const struct trace_model *model, struct smartssd_error *err);
/* placement.h's view of the tables, rows of @format; it points into @s; free(). NULL: no memory. */
struct placement_table *statistics_tables(const struct statistics *s, const struct trace_model *model, uint32_t format);

/*
 * Everything at once: the placement of the trace's tables, rows of @format (SMARTSSD_ROWS_*), by its statistics and @budget. placement_free() after 0, and statistics_free(@counts), which
 * may be NULL when nobody needs it. Errors: placement_plan()'s.
 */
int statistics_place(const struct trace *t, uint32_t format, const struct placement_budget *budget, struct placement_result *out, struct statistics *counts, struct smartssd_error *err);

/* Rows of one table to pin, hottest first, as engine_pin() takes them. */
struct statistics_pins {
	int64_t *card, *host; /* in card memory (ENGINE_PIN_CARD); in host DRAM (ENGINE_PIN_HOST) */
	uint64_t nr_card, nr_host;
};
/* Of table @table of @placed, a placement by these statistics. -ENOMEM. statistics_pins_free() after 0. */
int statistics_pins(const struct statistics *s, const struct trace_model *model, const struct placement_result *placed, uint32_t table, struct statistics_pins *out,
		    struct smartssd_error *err);
void statistics_pins_free(struct statistics_pins *p);

#endif
