// SPDX-License-Identifier: BSD-2-Clause
/* smartssd table plan: where the tables of a model go, by how often a trace wants their rows and by what there is to put them on. All of it modelled. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../runtime/private.h"
#include "../../runtime/store/estimate.h"
#include "../../runtime/store/statistics.h"
#include "../../runtime/store/store.h"
#include "../../runtime/store/sweep.h"
#include "../../runtime/store/volume_slot.h"
#include "../../runtime/whole.h"
#include "commands.h"
#include "interrupt.h"
#include "operator.h"
#include "options.h"
#include "table.h"
#include "table_plan.h"

#define VERB	    "table plan"
#define FLASH_BYTES 3840000000000ull	/* of a SmartSSD */
#define SWEEP_MOST  8000000		/* lookups that caches are simulated on */

struct plan_args {
	const char *trace, *svg, *output;
	uint64_t cards, dram, card_memory, flash, batch;
	bool flash_given, as_json;
	unsigned format, progress;
};

struct view {
	const struct plan_args *a;
	struct trace trace;
	struct statistics counts;
	struct placement_table *tables;
	struct placement_budget budget;
	struct placement_result placed;
	uint64_t flash[PLACEMENT_MAX_CARDS], pinned[PLACEMENT_MAX_CARDS]; /* bytes on each card */
	struct scale {
		double queries_per_second, imbalance; /* 0: does not fit */
	} scale[ESTIMATE_MAX_DRIVES + 1];
	struct sweep_what what;
	struct sweep sweep;
};

static uint64_t drive_bytes(const struct plan_args *a)
{
	return a->flash_given ? a->flash << 20 : FLASH_BYTES;
}

/* Bytes of flash and of pinned rows on each card. */
static void count_bytes(struct view *v)
{
	for (uint32_t c = 0; c < v->budget.cards; c++)
		v->flash[c] = VOLUME_DATA;
	for (uint32_t i = 0; i < v->counts.tables; i++) {
		const struct placement_table *t = &v->tables[i];
		uint32_t card = v->placed.card[i], cards = v->budget.cards;
		struct layout l;

		if (layout_init(&l, t->row_bytes, PLACEMENT_BLOCK))
			continue;
		for (uint32_t c = 0; c < cards; c++)
			if (card == UINT32_MAX || card == c)
				v->flash[c] += store_shard_bytes(&l, card == c ? t->rows : layout_shard_rows(t->rows, cards, c));
		for (uint64_t rank = 0; rank < v->placed.pinned[i]; rank++)
			v->pinned[card == UINT32_MAX ? layout_shard(v->counts.order[i][rank], cards) : card] += t->row_bytes;
	}
}

/* With 1 to 24 cards of the same kind. */
static int plan_scale(struct view *v, const struct smartssd_progress *progress, struct smartssd_error *err)
{
	for (uint32_t n = 1; n <= ESTIMATE_MAX_DRIVES; n++) {
		struct placement_budget budget = v->budget;
		struct placement_result r;
		int ret;

		if (progress->step(progress->ctx, n, ESTIMATE_MAX_DRIVES))
			return smartssd_fail(err, -ECANCELED, "stopped");
		budget.cards = n;
		ret = placement_plan(v->tables, v->counts.tables, &budget, &r, err);
		if (ret == -ENOSPC)
			continue;
		if (ret)
			return ret;
		v->scale[n] = (struct scale){ r.queries_per_second, r.mean > 0 ? r.slowest / r.mean : 1 };
		placement_free(&r);
	}
	return 0;
}

static int simulate(struct view *v, const struct smartssd_progress *progress, struct smartssd_error *err)
{
	uint64_t queries = v->trace.queries, tables = v->trace.model.tables;

	while (queries > 2 * v->a->batch && (uint64_t)v->trace.offsets[queries * tables] > SWEEP_MOST)
		queries = queries / 2;
	v->what = (struct sweep_what){ .trace = &v->trace, .queries = queries, .batch = (uint32_t)v->a->batch, .row_bytes = rowfmt_bytes(v->a->format, v->trace.model.dim),
				       .drives = v->budget.cards, .progress = progress };
	return sweep_run(&v->what, &v->sweep, err);
}

/* ---- text ---- */

static const char *place_text(const struct view *v, uint32_t i, char *out, size_t room)
{
	if (v->placed.card[i] == UINT32_MAX)
		snprintf(out, room, "row-wise");
	else
		snprintf(out, room, "card %u", v->placed.card[i]);
	return out;
}

static void print_text(const struct view *v)
{
	const struct trace_model *m = &v->trace.model;
	uint32_t row_bytes = rowfmt_bytes(v->a->format, m->dim);
	char a[32], b[32];

	printf("%s: %u table%s of rows of %u bytes (%s), %" PRIu64 " queries, batches of %" PRIu64 ", %u card%s; all rates and times are MODELLED, none is measured\n", m->name, m->tables,
	       m->tables == 1 ? "" : "s", row_bytes, rowfmt_name(v->a->format), v->trace.queries, v->a->batch, v->budget.cards, v->budget.cards == 1 ? "" : "s");
	printf("%-20s %12s %10s %10s %12s %-9s %12s %12s\n", "TABLE", "ROWS", "BYTES", "LOOKUPS/Q", "WANTED ROWS", "WHERE", "PINNED CARD", "PINNED HOST");
	for (uint32_t i = 0; i < m->tables; i++) {
		snprintf(b, sizeof(b), "%.*s-%u", 20, m->name, i);
		printf("%-20s %12" PRIu64 " %10s %10.1f %12" PRIu64, b, m->rows[i], bytes_text(m->rows[i] * row_bytes, a, sizeof(a)), v->tables[i].lookups, v->counts.distinct[i]);
		printf(" %-9s %12" PRIu64 " %12" PRIu64 "\n", place_text(v, i, a, sizeof(a)), v->placed.pinned[i], v->placed.in_host[i]);
	}
	printf("%-6s %12s %12s %14s %10s\n", "CARD", "FLASH", "PINNED", "US/QUERY", "OF MEAN");
	for (uint32_t c = 0; c < v->budget.cards; c++)
		printf("%-6u %12s %12s %14.3f %10.3f\n", c, bytes_text(v->flash[c], a, sizeof(a)), bytes_text(v->pinned[c], b, sizeof(b)), v->placed.load[c] * 1e6,
		       v->placed.mean > 0 ? v->placed.load[c] / v->placed.mean : 1);
	printf("placement     %s\n", v->placed.why);
	printf("MODELLED      %.1f queries/s without a row cache\n", v->placed.queries_per_second);
	printf("MODELLED      on 1 to %d such cards: queries/s (slowest card over mean)\n", ESTIMATE_MAX_DRIVES);
	for (uint32_t n = 1; n <= ESTIMATE_MAX_DRIVES; n++) {
		if (v->scale[n].queries_per_second > 0)
			snprintf(a, sizeof(a), "%.1f (%.2f)", v->scale[n].queries_per_second, v->scale[n].imbalance);
		else
			snprintf(a, sizeof(a), "does not fit");
		printf("%s%2u %-20s%s", n % 4 == 1 ? "  " : "", n, a, n % 4 ? " " : "\n");
	}
	if (!v->a->svg)
		return;
	printf("MODELLED      with a row cache, simulated on %" PRIu64 " queries of the trace: reads saved, queries/s\n%-10s", v->what.queries, "  ROWS");
	for (int i = 0; i < SWEEP_SIZES; i++)
		printf(" %13.1f %%", v->sweep.share[i] * 100);
	putchar('\n');
	for (uint32_t curve = 0; curve < SWEEP_CURVES; curve++) {
		printf("  %-8s", sweep_name(curve));
		for (int i = 0; i < SWEEP_SIZES; i++)
			printf(" %5.1f %% %7.5g", v->sweep.accesses ? 100.0 * (double)v->sweep.hits[curve][i] / (double)v->sweep.accesses : 0, v->sweep.queries_per_second[curve][i]);
		putchar('\n');
	}
	printf("  %.1f %% of what batches wanted was wanted for the first time in the trace, which no cache has%s\n%s: drawn\n",
	       v->sweep.accesses ? 100.0 * (double)v->sweep.first / (double)v->sweep.accesses : 0, v->sweep.first * 10 > v->sweep.accesses ? ": a longer trace shows more" : "", v->a->svg);
}

/* ---- JSON ---- */

static void tables_json(const struct view *v, struct json *j)
{
	const struct trace_model *m = &v->trace.model;
	char name[STORE_NAME + 16];

	json_open(j, "tables", '[');
	for (uint32_t i = 0; i < m->tables; i++) {
		json_open(j, NULL, '{');
		snprintf(name, sizeof(name), "%s-%u", m->name, i);
		json_text(j, "name", name);
		json_uint(j, "rows", m->rows[i]);
		json_uint(j, "dim", m->dim);
		json_uint(j, "row_bytes", v->tables[i].row_bytes);
		json_real(j, "lookups_per_query", v->tables[i].lookups);
		json_uint(j, "distinct", v->counts.distinct[i]);
		json_text(j, "shard", v->placed.card[i] == UINT32_MAX ? "row" : "table");
		if (v->placed.card[i] != UINT32_MAX)
			json_uint(j, "volume", v->placed.card[i]);
		json_uint(j, "pinned_card", v->placed.pinned[i]);
		json_uint(j, "pinned_host", v->placed.in_host[i]);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void sweep_json(const struct view *v, struct json *j)
{
	const struct sweep *s = &v->sweep;

	json_open(j, "row_cache", '{');
	json_uint(j, "queries_simulated", v->what.queries);
	json_uint(j, "queries_counted", s->queries);
	json_uint(j, "lookups", s->lookups);
	json_uint(j, "accesses", s->accesses);
	json_uint(j, "first_accesses", s->first);
	json_open(j, "points", '[');
	for (uint32_t curve = 0; curve < SWEEP_CURVES; curve++)
		for (int i = 0; i < SWEEP_SIZES; i++) {
			json_open(j, NULL, '{');
			json_text(j, "policy", sweep_name(curve));
			json_uint(j, "rows", s->slots[i]);
			json_real(j, "share", s->share[i]);
			json_uint(j, "hits", s->hits[curve][i]);
			json_real(j, "hit_ratio", (double)s->hits[curve][i] / (double)s->accesses);
			json_real(j, "modelled_queries_per_second", s->queries_per_second[curve][i]);
			json_text(j, "bound", s->bound[curve][i]);
			json_close(j, '}');
		}
	json_close(j, ']');
	json_close(j, '}');
}

static void write_json(const struct view *v, FILE *out)
{
	struct json j = { .out = out };

	json_open(&j, NULL, '{');
	json_uint(&j, "smartssd-plan", 1);
	json_text(&j, "model", v->trace.model.name);
	json_text(&j, "format", rowfmt_name(v->a->format));
	json_uint(&j, "cards", v->budget.cards);
	json_uint(&j, "batch", v->a->batch);
	json_uint(&j, "dram_bytes", v->budget.host_bytes);
	json_uint(&j, "card_memory_bytes", v->budget.card_bytes);
	json_uint(&j, "flash_bytes", drive_bytes(v->a));
	json_uint(&j, "queries", v->trace.queries);
	tables_json(v, &j);
	json_open(&j, "loads", '[');
	for (uint32_t c = 0; c < v->budget.cards; c++) {
		json_open(&j, NULL, '{');
		json_uint(&j, "card", c);
		json_uint(&j, "flash_bytes", v->flash[c]);
		json_uint(&j, "pinned_bytes", v->pinned[c]);
		json_real(&j, "modelled_seconds_per_query", v->placed.load[c]);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_real(&j, "slowest_over_mean", v->placed.mean > 0 ? v->placed.slowest / v->placed.mean : 1);
	json_text(&j, "why", v->placed.why);
	json_real(&j, "modelled_queries_per_second", v->placed.queries_per_second);
	json_open(&j, "modelled_drives", '[');
	for (uint32_t n = 1; n <= ESTIMATE_MAX_DRIVES; n++) {
		json_open(&j, NULL, '{');
		json_uint(&j, "drives", n);
		json_real(&j, "queries_per_second", v->scale[n].queries_per_second > 0 ? v->scale[n].queries_per_second : NAN);
		json_real(&j, "slowest_over_mean", v->scale[n].imbalance > 0 ? v->scale[n].imbalance : NAN);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	if (v->a->svg)
		sweep_json(v, &j);
	json_open(&j, "figures", '[');
	for (const struct estimate_figure *f = estimate_figures(); f->name; f++) {
		json_open(&j, NULL, '{');
		json_text(&j, "name", f->name);
		json_real(&j, "value", f->value);
		json_text(&j, "unit", f->unit);
		json_text(&j, "source", f->source);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
}

static int save_json(const struct view *v, struct smartssd_error *err)
{
	struct smartssd_whole w;
	char *text = NULL;
	size_t bytes = 0;
	FILE *f = open_memstream(&text, &bytes);
	int ret = f ? 0 : -ENOMEM;

	if (f) {
		write_json(v, f);
		ret = ferror(f) ? -ENOMEM : 0;
		if (fclose(f))
			ret = -ENOMEM;
	}
	if (ret)
		smartssd_fail(err, ret, "no memory for the plan");
	else
		ret = smartssd_whole_begin(&w, v->a->output, err);
	if (!ret) {
		ret = smartssd_whole_end(&w, smartssd_whole_write(&w, text, bytes));
		if (ret)
			smartssd_fail(err, ret, "%s: the plan cannot be written: %s", v->a->output, strerror(-ret));
	}
	free(text);
	return ret;
}

/* ---- the verb ---- */

static int complained(int ret, const char *option, const struct smartssd_error *err)
{
	complain(VERB, "%s%s%s", option, *option ? ": " : "", *err->text ? err->text : strerror(-ret));
	return 1;
}

static int plan(struct view *v)
{
	struct smartssd_error err = { "" };
	struct work work;
	int ret, code;

	ret = trace_load(v->a->trace, &v->trace, &err);
	if (ret)
		return complained(ret, "--trace", &err);
	if (v->a->svg && v->trace.queries <= v->a->batch) {
		complain(VERB, "--svg: caches are simulated on two batches at least, and the trace has %" PRIu64 " queries: give a smaller --batch, or a longer trace", v->trace.queries);
		return 1;
	}
	ret = statistics_place(&v->trace, v->a->format, &v->budget, &v->placed, &v->counts, &err);
	if (ret)
		return complained(ret, "", &err);
	v->tables = statistics_tables(&v->counts, &v->trace.model, v->a->format);
	if (!v->tables)
		return complained(-ENOMEM, "", &err);
	count_bytes(v);
	work_begin(&work, "planning", v->a->progress == 1);
	ret = plan_scale(v, &work.progress, &err);
	if (!ret && v->a->svg)
		ret = simulate(v, &work.progress, &err);
	code = work_end(&work);
	if (ret)
		complained(ret, "", &err);
	if (ret)
		return ret == -ECANCELED ? code : 1;
	if (v->a->svg && (ret = sweep_svg(&v->what, &v->sweep, v->a->svg, &err)))
		return complained(ret, "--svg", &err);
	if (v->a->output && (ret = save_json(v, &err)))
		return complained(ret, "--output", &err);
	if (v->a->as_json)
		write_json(v, stdout);
	else
		print_text(v);
	return 0;
}

/* What is wrong before anything is computed. 0, 1 or 2. */
static int check_outputs(const struct plan_args *a)
{
	const char *path[2] = { a->svg, a->output }, *option[2] = { "svg", "output" };
	struct smartssd_error err = { "" };

	for (int i = 0; i < 2; i++) {
		if (!path[i])
			continue;
		if (same_file(path[i], a->trace)) {
			complain(VERB, "--%s: %s is the trace, which would be lost; name another file", option[i], path[i]);
			return 2;
		}
		if (smartssd_whole_check(path[i], &err)) {
			complain(VERB, "--%s: %s", option[i], err.text);
			return 1;
		}
	}
	if (a->svg && a->output && (!strcmp(a->svg, a->output) || same_file(a->svg, a->output))) {
		complain(VERB, "--svg and --output are one file: %s; name two", a->svg);
		return 2;
	}
	return 0;
}

int table_plan(int argc, char **argv)
{
	struct plan_args a = { .cards = 1, .batch = 64 };
	const struct option_spec specs[] = {
		{ "trace", OPTION_TEXT, &a.trace, .meta = "TRACE.npz|FOLDER", .help = "which rows queries want (smartssd trace make)", .required = true },
		{ "format", OPTION_CHOICE, &a.format, .choices = "fp32|fp16|int8-rowwise|int4-rowwise", .help = "of the rows on the drives; default fp32" },
		{ "cards", OPTION_COUNT, &a.cards, .min = 1, .max = STORE_MAX_VOLUMES, .meta = "N", .help = "drives with a card; default 1" },
		{ "dram", OPTION_COUNT, &a.dram, .max = 1ull << 32, .meta = "MIB", .help = "host memory for rows; default 0" },
		{ "card-memory", OPTION_COUNT, &a.card_memory, .max = 1ull << 20, .meta = "MIB", .help = "memory of each card for pinned rows; default 0" },
		{ "flash", OPTION_COUNT, &a.flash, &a.flash_given, .max = 1ull << 40, .meta = "MIB", .help = "of each drive; default: a SmartSSD's 3.84 TB" },
		{ "batch", OPTION_COUNT, &a.batch, .min = 1, .max = 65536, .meta = "B", .help = "queries that go to the cards at once: a row is read once for them; default 64" },
		{ "svg", OPTION_TEXT, &a.svg, .meta = "X.svg", .help = "simulate row caches of several sizes, and draw throughput against size" },
		{ "output", OPTION_TEXT, &a.output, .meta = "PLAN.json", .help = "the placement, for smartssd table import --plan" },
		{ "json", OPTION_FLAG, &a.as_json, .help = "print JSON" },
		{ "progress", OPTION_CHOICE, &a.progress, .choices = PROGRESS_CHOICES, .help = PROGRESS_HELP },
	};
	const struct option_table table = { VERB, "", "Where the tables of a model go, which of their rows stay in memory, and how fast that would be. All of it modelled.", specs,
					    sizeof(specs) / sizeof(specs[0]) };
	struct view *v;
	int ret = options_parse(&table, argc, argv);

	if (ret < 0)
		return options_exit(ret);
	if (argc > ret) {
		complain(VERB, "'%s': the tables are the trace's; 'smartssd table plan --help' says more", argv[ret]);
		return 2;
	}
	ret = check_outputs(&a);
	if (ret)
		return ret;
	v = calloc(1, sizeof(*v));
	if (!v) {
		complain(VERB, "out of memory");
		return 1;
	}
	v->a = &a;
	v->budget = (struct placement_budget){ .cards = (uint32_t)a.cards, .card_bytes = a.card_memory << 20, .host_bytes = a.dram << 20, .batch = (uint32_t)a.batch, .least_count = 2,
					       .flash_bytes = drive_bytes(&a) - min_u64(drive_bytes(&a), VOLUME_DATA) };
	ret = plan(v);
	free(v->tables);
	placement_free(&v->placed);
	statistics_free(&v->counts);
	trace_free(&v->trace);
	free(v);
	return ret;
}
