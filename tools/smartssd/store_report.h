/* SPDX-License-Identifier: BSD-2-Clause */
/* What a run of lookups did, as text and as JSON: the same for `lookup --store` and `dlrm`. Documentation/recommendation.rst has each figure's formula. */
#ifndef SMARTSSD_STORE_REPORT_H
#define SMARTSSD_STORE_REPORT_H

#include "../../runtime/store/engine.h"
#include "../../runtime/store/estimate.h"
#include "../../runtime/store/latency.h"
#include "json.h"

struct store_report {
	const struct engine_counts *counts; /* of the run only */
	const struct engine_options *caches; /* which are switched on; NULL: those that had something to do */
	uint64_t lost;			    /* engine_lost() */
	uint32_t cards;
	bool emulated;
	uint64_t queries;   /* 0: bags are counted instead (lookup) */
	double seconds;
	const struct latency *latency;	    /* of queries, or NULL */
	const struct estimate *estimate;    /* or NULL */
	uint64_t row_bytes_pooled, result_bytes; /* of all bags: lookups times bytes of a row; bags times bytes of a result */
};

/* a - b, each counter; most_reads: a's. */
void engine_counts_since(const struct engine_counts *a, const struct engine_counts *b, struct engine_counts *out);
void store_report_text(const struct store_report *r, FILE *to);
/* Members of the object that is open. */
void store_report_json(const struct store_report *r, struct json *j);

#endif
