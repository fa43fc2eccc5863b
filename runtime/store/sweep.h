/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a row cache of several sizes would hit on a trace, by policy (cache.h), and what that comes to on real drives (estimate.h): MODELLED. Pure.
 *
 * As the engine does it: of a batch, each distinct row of a table is one access, tables one after the other, rows by rising number. The cache is one for all cards and tables. The first half
 * of the batches warms it, the second half is counted. "belady" is the optimum that knows the future and may refuse a row: no policy can be above it.
 */
#ifndef SMARTSSD_STORE_SWEEP_H
#define SMARTSSD_STORE_SWEEP_H

#include "cache.h"
#include "trace.h"

#define SWEEP_SIZES  10
#define SWEEP_CURVES (CACHE_POLICIES + 1) /* the policies of cache.h in their order, then Belady */

struct sweep_what {
	const struct trace *trace;
	uint64_t queries;   /* of the trace, from the first one: at most what it has */
	uint32_t batch;	    /* queries, at least 1 */
	uint32_t row_bytes;
	uint32_t drives;
	const struct smartssd_progress *progress; /* NULL: none */
};

struct sweep {
	uint64_t queries, lookups; /* that were counted: those of the second half */
	uint64_t accesses;	   /* of them, distinct in their batch */
	uint64_t first;		   /* of these, wanted for the first time in the trace: what no cache can hit */
	double share[SWEEP_SIZES]; /* slots over rows of all tables: 0 to 1 */
	uint64_t slots[SWEEP_SIZES];
	uint64_t hits[SWEEP_CURVES][SWEEP_SIZES]; /* of accesses */
	double queries_per_second[SWEEP_CURVES][SWEEP_SIZES];
	const char *bound[SWEEP_CURVES][SWEEP_SIZES];
};

/* "lru", ..., "belady" */
const char *sweep_name(uint32_t curve);
/* -EINVAL: fewer than two batches; -ENOMEM; -ECANCELED. */
int sweep_run(const struct sweep_what *what, struct sweep *out, struct smartssd_error *err);
/* As a plot: an SVG file, written whole or not at all. */
int sweep_svg(const struct sweep_what *what, const struct sweep *s, const char *path, struct smartssd_error *err);

#endif
