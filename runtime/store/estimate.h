/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MODELLED figures of lookups on real drives, from what the cards counted (struct engine_counts) and published figures. Whoever prints them says that they are modelled. Pure.
 *
 * Queries/s of N drives: 1 / the slowest of what a query takes of
 *   flash reads        extents / 746,000/s / N
 *   flash bytes        bytes / 3.1 GB/s / N, peer to peer
 *   card DDR           bytes / 15.419 GB/s / N: what arrives from flash and the host, rows that are pooled, rows that are copied into the cache (read and written), results
 *   launches           RUNs / 150,790/s / N
 *   card's host link   bytes of both directions / 3.314 GB/s / N
 *   shared host link   bytes of all cards / 15.75 GB/s (PCIe Gen3 x16)
 *   host, one core     plan_ns + host_pool_ns of the counts, and host_seconds: does not shrink with N. The only one that was measured, here and now: so of less than 10 ms, which say
 *                      more about a cold start than about a rate, it is no limit
 * Drives share the work evenly (placement.h plans for at most 1.1 times the mean), and enough batches are in flight that these overlap: no latencies are added up.
 *
 * Energy of a query, when each of three systems answers at the rate that one SmartSSD can (queries_per_second[1]; t = 1 / that):
 *   DRAM only    rows are read from DRAM and pooled by a core; DRAM of the tables' size is powered for t
 *   SSD + host   the flash bytes of the run go over PCIe into DRAM, rows are read from there and pooled by a core, which also starts and ends each read; an SSD reads, is idle for the
 *                rest of t
 *   SmartSSD     the flash bytes go over PCIe into the card's DDR, and what the host link moved over PCIe; the card takes its maximum for t; a core is busy for what the host did
 * bytes_part: energy for each byte moved; device_part: power times time. Servers (fans, board, idle cores) are in none of them.
 */
#ifndef SMARTSSD_STORE_ESTIMATE_H
#define SMARTSSD_STORE_ESTIMATE_H

#include "engine.h"

#define ESTIMATE_MAX_DRIVES 24

struct estimate_work { /* of all queries */
	const struct engine_counts *counts;
	uint64_t queries;	   /* not 0 */
	uint64_t row_bytes_pooled; /* lookups times bytes of a row, of all lookups; those that were not the cards' are taken off in proportion */
	uint64_t result_bytes;	   /* bags times bytes of a result, of all bags */
	uint64_t table_bytes;	   /* of all tables, in DRAM if that is where they were; 0: not known, then the energy of DRAM only is NAN */
	double host_seconds;	   /* host time beside the counts' plan_ns and host_pool_ns: the MLPs. One core; when T threads share it, divided by T */
};

#define ESTIMATE_LEAST_HOST 0.01

struct estimate {
	double host_seconds; /* that "host, one core" was measured over, for all queries; below ESTIMATE_LEAST_HOST: it was not taken for a limit */
	double queries_per_second[ESTIMATE_MAX_DRIVES + 1]; /* [1..24]; infinite when there was nothing to do */
	const char *bound[ESTIMATE_MAX_DRIVES + 1];	    /* what limits it: as above; "nothing" */
	struct estimate_energy {
		const char *name; /* "DRAM only", "SSD + host", "SmartSSD" */
		double joules;	  /* each query: the sum of */
		double bytes_part, device_part;
	} energy[3];
};

/* Queries/s of @drives drives, as many as wanted; *bound (may be NULL): what limits it. */
double estimate_at(const struct estimate_work *work, uint32_t drives, const char **bound);
void estimate_run(const struct estimate_work *work, struct estimate *out);
/* The figures that it takes, for reports: name, value, unit, source; NULL name: end. Where nothing better than a usual value is known, the source begins with "assumption". */
struct estimate_figure {
	const char *name;
	double value;
	const char *unit, *source;
};
const struct estimate_figure *estimate_figures(void);

#endif
