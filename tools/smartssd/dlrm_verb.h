/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of `smartssd dlrm` share: dlrm.c (options, report), dlrm_tables.c (what the store lacks is made), dlrm_place.c (on which volumes), dlrm_run.c (queries), dlrm_verify.c. */
#ifndef SMARTSSD_DLRM_VERB_H
#define SMARTSSD_DLRM_VERB_H

#include <pthread.h>

#include "../../runtime/store/dlrm.h"
#include "../../runtime/store/latency.h"
#include "../../runtime/store/placement.h"
#include "interrupt.h"
#include "store_options.h"

#define DLRM_VERB "dlrm"

/* --shard, of tables that are made */
enum { DLRM_SHARD_PLANNED, DLRM_SHARD_TABLE, DLRM_SHARD_ROW };
#define DLRM_SHARDS "planned|table|row"

struct dlrm_args {
	const char *model_name, *weights, *trace_path, *dense_path, *output;
	bool seed_given, queries_given, format_given, force, verify, as_json;
	uint64_t seed, batch, threads, in_flight, queries, delay_us;
	unsigned format, shard, progress;
	struct store_options store;
};

/* ---- dlrm_tables.c ---- */

struct dlrm_tables {
	uint32_t made, others; /* others: dlrm_tables_others() */
	char placed[480];      /* one line: how those that were made are spread over the volumes; "": none was, or there is one volume */
	double seconds;
};

/* Table T of a model is this one of the store. */
void dlrm_table_name(const struct trace_model *m, uint32_t t, char name[STORE_NAME + 16]);
/* All tables that the model needs are in the store afterwards, those that were there already as they are. @t is of the model. 0, or the exit status, complained. */
int dlrm_tables_make(const struct dlrm_args *a, const struct trace_model *m, const struct trace *t, struct dlrm_tables *out);
/* How many of the tables were there with other rows than would be made now: of another seed, or updated. Says so; a few rows are looked at. */
uint32_t dlrm_tables_others(const struct dlrm_args *a, const struct trace_model *m, struct table *const *tables);

/* ---- dlrm_place.c ---- */

struct dlrm_places {
	struct placement_result planned; /* card: NULL when the trace does not decide */
	char text[480];			 /* dlrm_tables.placed */
};

/* Where tables go that are made; what @s has, or has begun to import, stays where it is. 0, or the exit status, complained; dlrm_places_free() after 0. */
int dlrm_places_make(const struct dlrm_args *a, const struct trace_model *m, const struct trace *t, struct store *s, struct dlrm_places *out);
void dlrm_places_free(struct dlrm_places *p);
/* Fills in shard and volume. */
void dlrm_place(const struct dlrm_args *a, const struct dlrm_places *p, uint32_t table, struct store_import *import);

/* ---- dlrm_run.c ---- */

struct dlrm_run {
	const struct dlrm_args *args;
	const struct trace_model *model;
	const struct dlrm *dlrm;
	const struct trace *trace;
	const float *dense; /* NULL: drawn from the seed */
	struct table **tables;
	struct engine *engine;
	uint64_t queries, batch;
	uint32_t volumes; /* of the store */
	const struct smartssd_progress *progress;
	/* Results */
	float *p;	 /* [queries] */
	uint8_t *failed; /* [queries] */
	float *pooled;	 /* of the queries of dlrm_run_part(), a batch behind the other, each [tables][queries of the batch][dim]; NULL: not kept */
	uint64_t nr_failed;
	struct latency latency; /* of those that did not fail */
	double seconds, mlp_seconds; /* elapsed; CPU time of all threads */
	/* While it runs */
	pthread_mutex_t lock; /* all below, and results but p, failed and pooled, of which each thread has its own part */
	uint64_t first, next, end;
	int ret;
	struct smartssd_error err;
};

/* Queries first .. first + nr - 1, @first a multiple of the batch. 0; -ECANCELED; or -errno with r->err when nothing can go on. What fails for one query only is complained of and counted. */
int dlrm_run_part(struct dlrm_run *r, uint64_t first, uint64_t nr);
/* Dense features of so many queries: where they are, or in @room, [nr][dense]. */
const float *dlrm_dense(const struct dlrm_run *r, uint64_t first, uint64_t nr, float *room);

/* ---- dlrm_verify.c ---- */

struct dlrm_verify;

struct dlrm_verified {
	uint64_t queries;
	double error, bound;	       /* of probabilities: the largest of each */
	double bag_error, bag_bound;   /* of elements of bags, likewise */
	double closest;		       /* the largest error / its bound, of all */
};

/* NULL: no memory. */
struct dlrm_verify *dlrm_verify_begin(const struct dlrm_run *r);
void dlrm_verify_end(struct dlrm_verify *v);
/* What dlrm_run_part() left, while it is there. 0; 1: complained; -ECANCELED. */
int dlrm_verify_part(struct dlrm_verify *v, uint64_t first, uint64_t nr);
const struct dlrm_verified *dlrm_verify_result(const struct dlrm_verify *v);

#endif
