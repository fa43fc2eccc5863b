/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where tables go, from their statistics and the budgets: which rows are in host DRAM, pinned in card memory, on flash; which card has which table
 * or shard. Pure.
 *
 * Modelled: a card's load is the time that its lookups of one query take, with nothing read twice and no cache; a lookup on flash is row_bytes /
 * 4096 reads, rounded up, one of a
 * pinned row takes its bytes from the card's DDR, one in host DRAM nothing from any card. Figures of HARDWARE.md.
 */
#ifndef SMARTSSD_STORE_PLACEMENT_H
#define SMARTSSD_STORE_PLACEMENT_H

#include "trace.h"

#define PLACEMENT_READS_PER_SECOND 746e3   /* random reads of 4 KiB, one drive */
#define PLACEMENT_DDR_PER_SECOND   15.419e9 /* bytes, one card */
#define PLACEMENT_BLOCK		   4096
#define PLACEMENT_MAX_CARDS	   64 /* a store has up to 48 volumes */

struct placement_table {
	uint64_t rows;
	uint32_t row_bytes;
	double lookups;		    /* for each query */
	const uint64_t *row_counts; /* [rows] of each row in the trace, or NULL: uniform */
};

struct placement_budget {
	uint32_t cards;
	uint64_t card_bytes;  /* DDR for pinned rows, each card */
	uint64_t host_bytes;  /* DRAM for rows */
	uint64_t flash_bytes; /* each card: tables as layout.h packs them, in blocks of 4096 */
};

struct placement_result {
	uint32_t *card;	   /* [tables] card of a whole table; UINT32_MAX: row-wise over all, row r on card r % cards */
	uint64_t *pinned;  /* [tables] its hottest rows that are pinned in card memory: the first so many of placement_hottest() */
	uint64_t *in_host; /* [tables] rows (the next hottest) in host DRAM */
	double *load;	   /* [cards] seconds for each query */
	double slowest, mean;
	double queries_per_second; /* modelled: 1 / slowest; infinite when the cards have nothing to do */
	char why[200];
};

/*
 * Longest processing time first for whole tables; the largest of the slowest card is split row-wise until slowest <= 1.1 * mean. Where that cannot
 * be reached, the fastest that
 * was found. Rows that nobody asked for are not pinned. -EINVAL; -ENOSPC names the table that does not fit; -ENOMEM.
 */
int placement_plan(const struct placement_table *tables, uint32_t nr, const struct placement_budget *budget, struct placement_result *out, struct smartssd_error *err);
void placement_free(struct placement_result *r);

/* Rows by falling count, equal ones by number (NULL counts: by number): order[0..rows-1]. -ENOMEM. */
int placement_hottest(const uint64_t *row_counts, uint64_t rows, uint64_t *order);

#endif
