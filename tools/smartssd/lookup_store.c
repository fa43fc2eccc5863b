// SPDX-License-Identifier: BSD-2-Clause
/* smartssd lookup --store S --table NAME: batches of bags through an engine, two at a time. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../../runtime/bag_plan.h"
#include "../../runtime/whole.h"
#include "lookup.h"
#include "progress.h"
#include "store_report.h"

#define THREADS	      2	     /* that is how many batches an engine has under way */
#define BATCH_LOOKUPS 262144 /* some slices of the engine */
#define BATCH_BAGS    65536

struct run {
	const struct lookup_args *args;
	struct engine *engine;
	struct table *table;
	uint32_t dim;
	uint64_t batch; /* bags */
	float *y;
	pthread_mutex_t lock; /* all below */
	uint64_t next, done;  /* bags */
	bool stop;
	/* What went wrong in the first batch in which something did */
	int ret;
	uint64_t bad;
	struct smartssd_error err;
	struct latency latency; /* of batches */
	struct progress bar;
};

static uint64_t batch_bags(const struct lookup_args *a)
{
	uint64_t bags = a->lookups > BATCH_LOOKUPS ? (uint64_t)((double)a->bags * BATCH_LOOKUPS / (double)a->lookups) : BATCH_BAGS;

	if (a->batch_given)
		return a->batch;
	return bags < 1 ? 1 : bags > BATCH_BAGS ? BATCH_BAGS : bags;
}

static int run_batch(struct run *r, uint64_t bag, uint64_t bags, struct smartssd_error *err)
{
	const struct lookup_args *a = r->args;
	struct engine_bags request = {
		.table = r->table,
		.indices = a->index_data,
		.offsets = a->offset_data + bag,
		.bags = bags,
		.first_bag = bag,
		.weights = a->weight_data,
		.mean = a->mode,
		.y = r->y + bag * r->dim,
	};
	int ret = engine_run(r->engine, &request, 1, err);

	if (!ret && request.status) {
		*err = request.err;
		ret = request.status;
	}
	return ret;
}

static void *work(void *arg)
{
	struct run *r = arg;

	pthread_mutex_lock(&r->lock);
	while (!r->stop && r->next < r->args->bags) {
		uint64_t bag = r->next, bags = r->args->bags - bag < r->batch ? r->args->bags - bag : r->batch;
		struct smartssd_error err = { "" };
		double start, seconds;
		int ret;

		r->next += bags;
		pthread_mutex_unlock(&r->lock);
		start = seconds_now();
		ret = run_batch(r, bag, bags, &err);
		seconds = seconds_now() - start;
		pthread_mutex_lock(&r->lock);
		r->done += bags;
		latency_add(&r->latency, (uint64_t)(seconds * 1e9));
		progress_step(&r->bar, r->done, r->args->bags);
		if (!ret || (r->ret && r->bad < bag))
			continue;
		r->stop = true;
		r->ret = ret;
		r->bad = bag;
		r->err = err;
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* In this thread and another one, when there is one. */
static void run_all(struct run *r)
{
	pthread_t other[THREADS - 1];
	unsigned nr = 0;

	while (nr < THREADS - 1 && r->args->bags > r->batch && !pthread_create(&other[nr], NULL, work, r))
		nr++;
	work(r);
	while (nr)
		pthread_join(other[--nr], NULL);
}

static void print_report(const struct run *r, struct store_lookups *l, const struct store_report *report)
{
	const struct store_table *info = table_info(r->table);
	const struct lookup_args *a = r->args;
	struct json j = { .out = stdout };

	if (!a->as_json) {
		printf("%s: f4 [%" PRIu64 ", %u], %" PRIu64 " lookups in table '%s', %" PRIu64 " rows, %s\n", a->output, a->bags, info->dim, a->lookups, info->name, info->rows,
		       rowfmt_name(info->format));
		store_cards_text(l->store, &l->cards, report->lost, stdout);
		printf("  batches       %" PRIu64 " of up to %" PRIu64 " bags, two at a time; the latencies below are theirs\n", r->latency.nr, r->batch);
		if (a->store.statistics)
			printf("  pinned        %" PRIu64 " rows in card memory, %" PRIu64 " in host DRAM, by %s\n", l->pinned_card, l->pinned_host, a->store.statistics);
		store_report_text(report, stdout);
		return;
	}
	json_open(&j, NULL, '{');
	json_text(&j, "output", a->output);
	json_text(&j, "type", "f4");
	json_open(&j, "shape", '[');
	json_uint(&j, NULL, a->bags);
	json_uint(&j, NULL, info->dim);
	json_close(&j, ']');
	json_uint(&j, "lookups", a->lookups);
	json_text(&j, "table", info->name);
	json_text(&j, "format", rowfmt_name(info->format));
	json_uint(&j, "batches", r->latency.nr);
	json_uint(&j, "batch_bags", r->batch);
	store_cards_json(l->store, &l->cards, report->lost, &j);
	json_open(&j, "pinned", '{');
	json_uint(&j, "card_rows", l->pinned_card);
	json_uint(&j, "host_rows", l->pinned_host);
	json_close(&j, '}');
	store_report_json(report, &j);
	json_close(&j, '}');
}

static void report_run(struct run *r, struct store_lookups *l, const struct engine_counts *before, double seconds)
{
	const struct store_table *info = table_info(r->table);
	struct engine_counts now, counts;
	struct estimate estimate;
	struct store_report report = {
		.counts = &counts,
		.caches = &l->options,
		.lost = engine_lost(l->engine),
		.cards = l->cards.volumes,
		.emulated = l->cards.emulated,
		.seconds = seconds,
		.latency = &r->latency,
		.row_bytes_pooled = r->args->lookups * info->layout.row_bytes,
		.result_bytes = r->args->bags * info->dim * sizeof(float),
	};
	struct estimate_work done = { .counts = &counts, .queries = r->args->bags, .row_bytes_pooled = report.row_bytes_pooled, .result_bytes = report.result_bytes,
				      .table_bytes = info->rows * info->layout.row_bytes };

	engine_counts(l->engine, &now);
	engine_counts_since(&now, before, &counts);
	if (done.queries) {
		estimate_run(&done, &estimate);
		report.estimate = &estimate;
	}
	print_report(r, l, &report);
}

static int compute(const struct lookup_args *a, struct store_lookups *l, struct table *t)
{
	struct run r = { .args = a, .engine = l->engine, .table = t, .dim = table_info(t)->dim, .batch = batch_bags(a), .lock = PTHREAD_MUTEX_INITIALIZER };
	const struct smartssd_array y = { .type = SMARTSSD_F4, .ndim = 2, .shape = { a->bags, r.dim } };
	struct engine_counts before;
	uint64_t bytes;
	double start;

	if (!__builtin_mul_overflow(a->bags, r.dim * sizeof(float), &bytes))
		r.y = malloc(bytes ?: 1);
	if (!r.y) {
		complain(LOOKUP_VERB, "the output is too large for this machine's memory");
		return 1;
	}
	engine_counts(l->engine, &before);
	progress_begin(&r.bar, LOOKUP_VERB, a->progress);
	start = seconds_now();
	run_all(&r);
	start = seconds_now() - start;
	progress_end(&r.bar);
	store_lookups_lost(LOOKUP_VERB, l);
	if (r.ret)
		complain(LOOKUP_VERB, "%s", *r.err.text ? r.err.text : strerror(-r.ret));
	else if ((r.ret = smartssd_npy_save(a->output, &y, r.y, &r.err)))
		complain(LOOKUP_VERB, "--output: %s", *r.err.text ? r.err.text : strerror(-r.ret));
	else
		report_run(&r, l, &before, start);
	free(r.y);
	pthread_mutex_destroy(&r.lock);
	return r.ret ? 1 : 0;
}

static int on_cards(const struct lookup_args *a, struct store_lookups *l)
{
	struct smartssd_error err = { "" };
	struct table *t;
	int ret = table_open(l->store, a->table, &t, &err);

	if (ret) {
		complain(LOOKUP_VERB, "--table: %s", *err.text ? err.text : strerror(-ret));
		return 1;
	}
	ret = store_lookups_pin(LOOKUP_VERB, &a->store, l, &t, 1, (uint32_t)a->trace_table) ?: compute(a, l, t);
	table_close(t);
	return ret;
}

int lookup_store(struct lookup_args *a)
{
	const struct operator_input files[] = { { "indices", a->indices }, { "offsets", a->offsets }, { "weights", a->weights } };
	struct smartssd_error err = { "" };
	struct store_lookups l;
	int ret = output_is_apart(LOOKUP_VERB, a->output, files, sizeof(files) / sizeof(files[0])) ?: lookup_bags(a);

	if (ret)
		return ret;
	/* What can be said before the work is said before it. */
	if (bag_check_offsets(a->offset_data, a->bags, a->lookups, &err)) {
		complain(LOOKUP_VERB, "%s", err.text);
		return 1;
	}
	if (smartssd_whole_check(a->output, &err)) {
		complain(LOOKUP_VERB, "--output: %s", err.text);
		return 1;
	}
	ret = store_lookups_open(LOOKUP_VERB, &a->store, &l) ?: on_cards(a, &l);
	store_lookups_close(&l);
	return ret;
}
