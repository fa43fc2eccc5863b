/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where tables go, from their statistics and the budgets: which rows are in host DRAM, pinned in card memory, on flash; which card has which table or shard. Pure.
 *
 * Modelled: a card's load is the time that its lookups of one query take, without any cache: for each of its rows, looked up x times for each query,
 *
 *   on flash          reads(x) * ceil(row_bytes / 4096) / 746,000/s + x * row_bytes / 15.419 GB/s       reads(x) = (1 - e^(-x * batch)) / batch: within a batch a row is read once
 *   in card memory                                                    x * row_bytes / 15.419 GB/s       (expected, when queries do not depend on each other); batch 0: reads(x) = x
 *   in host DRAM      nothing
 */
#ifndef SMARTSSD_STORE_PLACEMENT_H
#define SMARTSSD_STORE_PLACEMENT_H

#include "trace.h"

#define PLACEMENT_READS_PER_SECOND 746e3   /* random reads of 4 KiB, one drive */
#define PLACEMENT_DDR_PER_SECOND   15.419e9 /* bytes, one card */
#define PLACEMENT_BLOCK		   4096
#define PLACEMENT_MAX_CARDS	   64 /* a store has up to 48 volumes */
#define PLACEMENT_OPEN		   (UINT32_MAX - 1)

struct placement_table {
	uint64_t rows;
	uint32_t row_bytes;
	double lookups;		    /* for each query */
	const uint64_t *row_counts; /* [rows] of each row in the trace, or NULL: uniform */
	const uint64_t *order;	    /* placement_hottest() of row_counts, when the caller has it: saves time. NULL: made here */
};

struct placement_budget {
	uint32_t cards;
	uint64_t card_bytes;  /* DDR for pinned rows, each card */
	uint64_t host_bytes;  /* DRAM for rows */
	uint64_t flash_bytes; /* each card, for tables that are to be placed: store_shard_bytes() of each shard in blocks of 4096 */
	uint32_t batch;	      /* queries that go to the cards at once; 0: every lookup is a read of its own */
	/*
	 * Rows that were counted less often are not pinned, unless all of the table's rows were counted. A trace does not show all rows that the next queries want; as many of their lookups as
	 * there are of rows that were seen once can be expected to be of rows that were not seen (I. J. Good, "The population frequencies of species", Biometrika 1953). So with 2 what is modelled
	 * holds for the next queries, too; with 0 or 1 for this trace only.
	 */
	uint64_t least_count;
	/*
	 * [tables] What is stored already stays: card, or UINT32_MAX: row-wise. PLACEMENT_OPEN: to be placed, with regard to what the others give the cards to do. NULL: all are to be placed.
	 * When none is, only rows to pin are planned.
	 */
	const uint32_t *where;
};

struct placement_result {
	uint32_t *card;	   /* [tables] card of a whole table; UINT32_MAX: row-wise over all, row r on card r % cards */
	uint64_t *pinned;  /* [tables] its hottest rows that are pinned in card memory: the first so many of placement_hottest() */
	uint64_t *in_host; /* [tables] rows (the next hottest) in host DRAM */
	double *load;	   /* [cards] seconds for each query */
	double slowest, mean;
	double queries_per_second; /* modelled: 1 / slowest; infinite when the cards have nothing to do */
	char why[400]; /* one line: what it came to, and what keeps it from 1.1 times the mean */
};

/*
 * Longest processing time first for whole tables; the largest of the slowest card is split row-wise until slowest <= 1.1 * mean; then tables are moved and exchanged. Where 1.1 cannot be
 * reached (a row alone may be too much), the fastest that was found. A table with fewer rows than there are cards is not split. Rows that nobody asked for are not pinned. -EINVAL; -ENOSPC
 * names the table that does not fit; -ENOMEM.
 */
int placement_plan(const struct placement_table *tables, uint32_t nr, const struct placement_budget *budget, struct placement_result *out, struct smartssd_error *err);
void placement_free(struct placement_result *r);

/* Rows by falling count, equal ones by number (NULL counts: by number): order[0..rows-1]. -ENOMEM. */
int placement_hottest(const uint64_t *row_counts, uint64_t rows, uint64_t *order);

#endif
