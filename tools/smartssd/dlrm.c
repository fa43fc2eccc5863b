// SPDX-License-Identifier: BSD-2-Clause
/* smartssd dlrm: a recommendation model on the queries of a trace, its bags pooled by the cards. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../runtime/whole.h"
#include "commands.h"
#include "dlrm_verb.h"
#include "model.h"
#include "store_report.h"

#define FORMATS	     "fp32|fp16|int8-rowwise|int4-rowwise" /* in the order of SMARTSSD_ROWS_* */
#define VERIFY_BYTES (64ull << 20) /* bags that are kept until they have been verified */

/* ---- what the user gives ---- */

static int check_usage(struct dlrm_args *a)
{
	const struct operator_input files[] = { { "model", a->model_name }, { "weights", a->weights }, { "trace", a->trace_path }, { "dense", a->dense_path }, { "statistics", a->store.statistics } };

	if (!a->weights && !a->seed_given) {
		complain(DLRM_VERB, "--weights F.safetensors (a PyTorch DLRM's state dict) or --seed S (random ones): name one");
		return 2;
	}
	return a->output ? output_is_apart(DLRM_VERB, a->output, files, sizeof(files) / sizeof(files[0])) : 0;
}

/* All that is refused before anything runs: another model's trace, rows that the tables do not have. */
static int load_trace(const struct dlrm_args *a, const struct trace_model *m, struct trace *t)
{
	struct smartssd_error err = { "" };

	if (trace_load(a->trace_path, t, &err)) {
		complain(DLRM_VERB, "--trace: %s", err.text);
		return 1;
	}
	if (t->model.tables != m->tables) {
		complain(DLRM_VERB, "--trace: %s is of a model with %u tables ('%s'), but '%s' has %u", a->trace_path, t->model.tables, t->model.name, m->name, m->tables);
		return 1;
	}
	for (uint64_t bag = 0; bag < t->queries * m->tables; bag++)
		for (int64_t i = t->offsets[bag]; i < t->offsets[bag + 1]; i++)
			if ((uint64_t)t->indices[i] >= m->rows[bag % m->tables]) {
				complain(DLRM_VERB, "--trace: %s: query %" PRIu64 ", table %" PRIu64 ", position %" PRId64 ": index %" PRId64 " is not in 0..%" PRIu64, a->trace_path, bag / m->tables,
					 bag % m->tables, i - t->offsets[bag], t->indices[i], m->rows[bag % m->tables] - 1);
				return 1;
			}
	if (!t->queries || (a->queries_given && a->queries > t->queries)) {
		complain(DLRM_VERB, "%s has %" PRIu64 " queries", a->trace_path, t->queries);
		return 1;
	}
	return 0;
}

static int load_dense(const struct dlrm_args *a, const struct trace_model *m, uint64_t queries, uint64_t in_trace, float **out)
{
	struct smartssd_error err = { "" };
	struct smartssd_array array;
	void *data;

	*out = NULL;
	if (!a->dense_path)
		return 0;
	if (smartssd_npy_load(a->dense_path, &array, &data, &err)) {
		complain(DLRM_VERB, "--dense: %s", err.text);
		return 1;
	}
	*out = data;
	if (array.type != SMARTSSD_F4 || array.ndim != 2 || array.shape[1] != m->dense || (array.shape[0] != queries && array.shape[0] != in_trace)) {
		complain(DLRM_VERB, "--dense: %s must be f4 [%" PRIu64 ", %u], a row for each query; it is %s with %u dimension%s%s", a->dense_path, in_trace, m->dense, smartssd_type_name(array.type),
			 array.ndim, array.ndim == 1 ? "" : "s", array.ndim == 2 ? ", of another size" : "");
		return 1;
	}
	for (uint64_t i = 0; i < queries * m->dense; i++)
		if (!isfinite((*out)[i])) {
			complain(DLRM_VERB, "--dense: %s: feature %" PRIu64 " of query %" PRIu64 " is not finite", a->dense_path, i % m->dense, i / m->dense);
			return 1;
		}
	return 0;
}

/* ---- the report ---- */

struct outcome {
	const struct dlrm_run *run;
	struct store_lookups *lookups;
	const struct dlrm_tables *tables;
	const struct dlrm_verified *verified; /* NULL: was not asked for */
	struct engine_counts counts;
	struct store_report report;
	struct estimate estimate;
};

static void make_report(struct outcome *o)
{
	const struct dlrm_run *r = o->run;
	const struct trace *t = r->trace;
	uint64_t rows = 0, table_bytes = 0;
	struct estimate_work done;

	for (uint32_t i = 0; i < r->model->tables; i++)
		table_bytes += table_info(r->tables[i])->rows * table_info(r->tables[i])->layout.row_bytes;
	for (uint64_t bag = 0; bag < r->queries * r->model->tables; bag++)
		rows += (uint64_t)(t->offsets[bag + 1] - t->offsets[bag]) * table_info(r->tables[bag % r->model->tables])->layout.row_bytes;
	o->report = (struct store_report){
		.counts = &o->counts,
		.caches = &o->lookups->options,
		.lost = engine_lost(o->lookups->engine),
		.cards = o->lookups->cards.volumes,
		.emulated = o->lookups->cards.emulated,
		.queries = r->queries,
		.seconds = r->seconds,
		.latency = &r->latency,
		.estimate = &o->estimate,
		.row_bytes_pooled = rows,
		.result_bytes = r->queries * r->model->tables * r->model->dim * sizeof(float),
	};
	done = (struct estimate_work){ .counts = &o->counts, .queries = r->queries, .row_bytes_pooled = rows, .result_bytes = o->report.result_bytes, .host_seconds = r->mlp_seconds,
				       .table_bytes = table_bytes };
	estimate_run(&done, &o->estimate);
}

/* "fp32", or "several formats". */
static const char *format_of(const struct dlrm_run *r)
{
	uint32_t format = table_info(r->tables[0])->format;

	for (uint32_t t = 1; t < r->model->tables; t++)
		if (table_info(r->tables[t])->format != format)
			return "several formats";
	return rowfmt_name(format);
}

static void print_text(const struct outcome *o)
{
	const struct dlrm_run *r = o->run;
	const struct dlrm_args *a = r->args;
	const struct trace_model *m = r->model;

	if (a->output)
		printf("%s: f4 [%" PRIu64 "]\n", a->output, r->queries);
	printf("%s: %" PRIu64 " queries, batches of %" PRIu64 ", %" PRIu64 " client%s with up to %" PRIu64 " in flight\n", m->name, r->queries, r->batch, a->threads, a->threads == 1 ? "" : "s",
	       a->in_flight);
	printf("  tables        %u of rows of %u, %s", m->tables, m->dim, format_of(r));
	if (o->tables->made)
		printf("; %u of them made in %.1f s", o->tables->made, o->tables->seconds);
	putchar('\n');
	if (*o->tables->placed)
		printf("  placed        %s\n", o->tables->placed);
	store_cards_text(o->lookups->store, &o->lookups->cards, o->report.lost, stdout);
	if (a->store.statistics)
		printf("  pinned        %" PRIu64 " rows in card memory, %" PRIu64 " in host DRAM, by %s\n", o->lookups->pinned_card, o->lookups->pinned_host, a->store.statistics);
	store_report_text(&o->report, stdout);
	printf("  MLPs          %.1f us of a core for each query\n", 1e6 * r->mlp_seconds / (double)r->queries);
	if (r->nr_failed)
		printf("  FAILED        %" PRIu64 " queries; what is said of latency is without them\n", r->nr_failed);
	if (o->verified)
		printf("  verified      %" PRIu64 " queries: largest error of a probability %.3g, bound %.3g; of an element of a bag %.3g, bound %.3g; nearest to its bound: %.3f of it\n",
		       o->verified->queries, o->verified->error, o->verified->bound, o->verified->bag_error, o->verified->bag_bound, o->verified->closest);
}

static void print_json(const struct outcome *o)
{
	const struct dlrm_run *r = o->run;
	const struct dlrm_args *a = r->args;
	struct json j = { .out = stdout };

	json_open(&j, NULL, '{');
	json_text(&j, "output", a->output);
	json_text(&j, "model", r->model->name);
	json_uint(&j, "batch", r->batch);
	json_uint(&j, "threads", a->threads);
	json_uint(&j, "in_flight", a->in_flight);
	json_open(&j, "tables", '[');
	for (uint32_t t = 0; t < r->model->tables; t++) {
		const struct store_table *info = table_info(r->tables[t]);

		json_open(&j, NULL, '{');
		json_text(&j, "name", info->name);
		json_uint(&j, "rows", info->rows);
		json_uint(&j, "dim", info->dim);
		json_text(&j, "format", rowfmt_name(info->format));
		json_uint(&j, "shards", info->shards);
		json_uint(&j, "volume", info->volume);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_uint(&j, "tables_made", o->tables->made);
	json_real(&j, "tables_seconds", o->tables->seconds);
	json_text(&j, "tables_placed", *o->tables->placed ? o->tables->placed : NULL);
	json_uint(&j, "tables_of_other_rows", o->tables->others);
	store_cards_json(o->lookups->store, &o->lookups->cards, o->report.lost, &j);
	json_open(&j, "pinned", '{');
	json_uint(&j, "card_rows", o->lookups->pinned_card);
	json_uint(&j, "host_rows", o->lookups->pinned_host);
	json_close(&j, '}');
	store_report_json(&o->report, &j);
	json_real(&j, "mlp_seconds_per_query", r->mlp_seconds / (double)r->queries);
	json_uint(&j, "failed_queries", r->nr_failed);
	if (o->verified) {
		json_open(&j, "verified", '{');
		json_uint(&j, "queries", o->verified->queries);
		json_real(&j, "largest_error", o->verified->error);
		json_real(&j, "largest_bound", o->verified->bound);
		json_real(&j, "largest_bag_error", o->verified->bag_error);
		json_real(&j, "largest_bag_bound", o->verified->bag_bound);
		json_real(&j, "largest_error_over_bound", o->verified->closest);
		json_close(&j, '}');
	}
	json_close(&j, '}');
}

/* ---- the run ---- */

/* With --verify in parts: what the cards pooled is kept for so long. The clock stands still while it is looked at. */
static int run_parts(struct dlrm_run *r, struct dlrm_verify *v)
{
	uint64_t query = (uint64_t)r->model->tables * r->model->dim * sizeof(float), part = r->queries;
	int ret = 0;

	if (v) {
		part = VERIFY_BYTES / (query * r->batch) * r->batch;
		part = part < r->batch ? r->batch : part;
		part = part < r->queries ? part : r->queries;
		if (__builtin_mul_overflow(part, query, &query) || !(r->pooled = malloc(query)))
			return -ENOMEM;
	}
	for (uint64_t first = 0; first < r->queries && !ret; first += part) {
		uint64_t nr = r->queries - first < part ? r->queries - first : part;

		ret = dlrm_run_part(r, first, nr);
		if (!ret && v)
			ret = dlrm_verify_part(v, first, nr);
	}
	free(r->pooled);
	r->pooled = NULL;
	return ret;
}

static int run_all(struct dlrm_run *r, struct dlrm_verify *v)
{
	struct work work;
	int ret, code;

	work_begin(&work, r->args->verify ? "queries, verified" : "queries", r->args->progress == 1);
	r->progress = &work.progress;
	ret = run_parts(r, v);
	code = work_end(&work);
	if (ret == -ECANCELED)
		return code;
	if (ret < 0)
		complain(DLRM_VERB, "%s", *r->err.text ? r->err.text : strerror(-ret));
	return ret ? 1 : 0;
}

static int save_output(const struct dlrm_run *r)
{
	const struct smartssd_array array = { .type = SMARTSSD_F4, .ndim = 1, .shape = { r->queries } };
	struct smartssd_error err = { "" };

	if (!r->args->output || !smartssd_npy_save(r->args->output, &array, r->p, &err))
		return 0;
	complain(DLRM_VERB, "--output: %s", err.text);
	return 1;
}

static int run_queries(struct dlrm_run *r, struct store_lookups *l, const struct dlrm_tables *made)
{
	struct outcome o = { .run = r, .lookups = l, .tables = made };
	struct dlrm_verify *v = r->args->verify ? dlrm_verify_begin(r) : NULL;
	struct engine_counts before, now;
	int code = 1;

	engine_counts(l->engine, &before);
	if (r->args->verify && !v)
		complain(DLRM_VERB, "--verify: out of memory");
	else
		code = run_all(r, v);
	store_lookups_lost(DLRM_VERB, l);
	if (r->nr_failed)
		complain(DLRM_VERB, "%" PRIu64 " of %" PRIu64 " queries failed%s", r->nr_failed, r->queries, code || !r->args->output ? "" : "; their probability in the output is nan");
	code = code ?: save_output(r);
	if (!code) {
		engine_counts(l->engine, &now);
		engine_counts_since(&now, &before, &o.counts);
		o.verified = v ? dlrm_verify_result(v) : NULL;
		make_report(&o);
		if (r->args->as_json)
			print_json(&o);
		else
			print_text(&o);
	}
	dlrm_verify_end(v);
	return code ?: r->nr_failed ? 1 : 0;
}

static int on_cards(struct dlrm_run *r, struct dlrm_tables *made)
{
	const struct dlrm_args *a = r->args;
	uint32_t tables = r->model->tables, opened = 0;
	struct smartssd_error err = { "" };
	struct store_lookups l;
	int code = store_lookups_open(DLRM_VERB, &a->store, &l);

	for (; opened < tables && !code; opened += !code) {
		char name[STORE_NAME + 16];

		dlrm_table_name(r->model, opened, name);
		code = table_open(l.store, name, &r->tables[opened], &err) ? 1 : 0;
		if (code)
			complain(DLRM_VERB, "%s", err.text);
	}
	if (!code && made->made < tables)
		made->others = dlrm_tables_others(a, r->model, r->tables);
	r->engine = l.engine;
	r->volumes = l.cards.volumes;
	code = code ?: store_lookups_pin(DLRM_VERB, &a->store, &l, r->tables, tables, UINT32_MAX) ?: run_queries(r, &l, made);
	while (opened)
		table_close(r->tables[--opened]);
	store_lookups_close(&l);
	return code;
}

static int with_inputs(struct dlrm_args *a, const struct trace_model *m, const struct dlrm *d, const struct trace *t)
{
	struct dlrm_run r = { .args = a, .model = m, .dlrm = d, .trace = t, .queries = a->queries_given ? a->queries : t->queries, .lock = PTHREAD_MUTEX_INITIALIZER };
	struct dlrm_tables made;
	float *dense;
	int code;

	r.batch = a->batch < r.queries ? a->batch : r.queries;
	r.tables = calloc(m->tables, sizeof(*r.tables));
	r.p = calloc(r.queries, sizeof(*r.p));
	r.failed = calloc(r.queries, 1);
	if (!r.tables || !r.p || !r.failed) {
		complain(DLRM_VERB, "out of memory");
		code = 1;
	} else {
		code = load_dense(a, m, r.queries, t->queries, &dense);
		r.dense = dense;
		code = code ?: dlrm_tables_make(a, m, t, &made) ?: on_cards(&r, &made);
		free(dense);
	}
	free(r.tables);
	free(r.p);
	free(r.failed);
	pthread_mutex_destroy(&r.lock);
	return code;
}

/* Everything is looked at before anything is made or run. */
static int dlrm(struct dlrm_args *a)
{
	struct smartssd_error err = { "" };
	const struct trace_model *m;
	struct trace_model *loaded;
	struct dlrm *d = NULL;
	struct trace *t = calloc(1, sizeof(*t));
	int code = 1;

	m = model_find(DLRM_VERB, a->model_name, &loaded, &code);
	if (!m || !t) {
		if (m)
			complain(DLRM_VERB, "out of memory");
	} else if (a->output && smartssd_whole_check(a->output, &err)) {
		complain(DLRM_VERB, "--output: %s", err.text);
		code = 1;
	} else if (dlrm_create(m, a->weights, a->seed, &d, &err)) {
		complain(DLRM_VERB, "%s%s", a->weights ? "--weights: " : "--model: ", err.text);
		code = 1;
	} else {
		code = load_trace(a, m, t) ?: with_inputs(a, m, d, t);
	}
	dlrm_destroy(d);
	if (t)
		trace_free(t);
	free(t);
	free(loaded);
	return code;
}

int cmd_dlrm(int argc, char **argv)
{
	struct dlrm_args a = { .batch = 32, .threads = 1, .in_flight = 2 };
	const struct option_spec specs[] = {
		{ "model", OPTION_TEXT, &a.model_name, .meta = MODEL_META, .help = "tables, rows and MLPs; CONFIG.json as DLRM's benchmark has it", .required = true },
		{ "weights", OPTION_TEXT, &a.weights, .meta = "W.safetensors", .help = "a PyTorch DLRM's state dict: bot_l.0.weight, ..., top_l.0.weight, ..., emb_l.0.weight, ..." },
		{ "seed", OPTION_COUNT, &a.seed, &a.seed_given, .meta = "S", .help = "random weights and tables; with --weights, of dense features only. The same everywhere; default 0" },
		{ "store", OPTION_TEXT, &a.store.spec, .meta = STORE_META, .help = STORE_HELP "; tables MODEL-0, MODEL-1, ... are made when they are not there", .required = true },
		{ "format", OPTION_CHOICE, &a.format, &a.format_given, .choices = FORMATS, .help = "of tables that are made; default fp32" },
		{ "shard", OPTION_CHOICE, &a.shard, .choices = DLRM_SHARDS,
		  .help = "tables that are made, on several volumes: as the trace wants their rows (default); each on one; or each on all, row r on volume r modulo their number" },
		{ "force", OPTION_FLAG, &a.force, .help = "a namespace that is no store may be made one: what is on it is lost" },
		{ "trace", OPTION_TEXT, &a.trace_path, .meta = "TRACE.npz|FOLDER", .help = "queries, by 'smartssd trace make' or from NumPy", .required = true },
		{ "queries", OPTION_COUNT, &a.queries, &a.queries_given, .min = 1, .meta = "N", .help = "only the first N of the trace" },
		{ "dense", OPTION_TEXT, &a.dense_path, .meta = "D.npy", .help = "f4 [queries][features]; default: drawn from the seed, uniform in 0..1" },
		{ "output", OPTION_TEXT, &a.output, .meta = "P.npy", .help = "f4 [queries]: probabilities" },
		{ "batch", OPTION_COUNT, &a.batch, .min = 1, .max = 65536, .meta = "B", .help = "queries that are looked up together; default 32" },
		{ "threads", OPTION_COUNT, &a.threads, .min = 1, .max = 64, .meta = "T", .help = "clients, each with a core for MLPs; default 1" },
		{ "in-flight", OPTION_COUNT, &a.in_flight, .min = 1, .max = 8, .meta = "N", .help = "batches of each client at a time; default 2: one's MLPs run while the cards look up the other's" },
		{ "delay-us", OPTION_COUNT, &a.delay_us, .max = 1000000, .meta = "D", .help = "a batch waits so long for those of other clients, to be looked up with them; default 0" },
		STORE_OPTIONS_CARDS(a.store),
		STORE_OPTIONS_CACHES(a.store),
		{ "verify", OPTION_FLAG, &a.verify, .help = "each probability and bag against the reference, in double, from plain reads of the rows" },
		{ "json", OPTION_FLAG, &a.as_json, .help = "print JSON" },
		{ "progress", OPTION_CHOICE, &a.progress, .choices = PROGRESS_CHOICES, .help = PROGRESS_HELP },
	};
	const struct option_table table = { DLRM_VERB, "", "A recommendation model (DLRM) on the queries of a trace: tables in a store, bags pooled by the cards,\nMLPs on the host.", specs,
					    sizeof(specs) / sizeof(specs[0]) };
	int ret = options_parse(&table, argc, argv);

	if (ret < 0)
		return options_exit(ret);
	return check_usage(&a) ?: dlrm(&a);
}
