/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between the files behind placement.h:
 *
 *   placement.c         attempts: tables to cards, rows to pin, exact loads; which attempt is the best
 *   placement_moves.c   tables moved and exchanged, to make an attempt better
 *   placement_order.c   rows by how often they are wanted
 */
#ifndef SMARTSSD_STORE_PLACEMENT_IMPL_H
#define SMARTSSD_STORE_PLACEMENT_IMPL_H

#include "../private.h"
#include "placement.h"
#include "store.h"

#define SPLIT	UINT32_MAX
#define BALANCE 1.1

/* Ranks up to @end, from the run before: there are few of these, so what is done for each of them takes no time, however many rows there are. */
struct run {
	uint64_t count, end;
};

/* What stays the same in all attempts. */
struct table {
	const struct placement_table *t;
	double flash, ddr;     /* seconds for a read; for a lookup */
	double each;	       /* lookups for each query, of a row for each time it was counted (uniform: of any row) */
	uint64_t wanted;       /* ranks below are worth pinning: asked for at all, or often enough */
	const uint64_t *order; /* by falling count; NULL: uniform */
	uint64_t *own_order;   /* to be freed */
	struct run *runs;      /* ranks that were counted equally often; not for uniform ones */
	uint32_t nr_runs;
	double *shard;	       /* [cards] seconds for each query of a row-wise shard, all of it on flash */
	double estimate;       /* seconds for each query */
	bool stays;	       /* it is stored already */
	struct layout layout;
};

struct attempt {
	uint32_t *card;
	uint64_t *pinned, *in_host;
	double load[PLACEMENT_MAX_CARDS], slowest, mean;
};

struct plan {
	struct table *tables;
	uint32_t nr, cards;
	const struct placement_budget *budget;
	uint32_t *heap; /* tables, the one whose next row saves most for a byte at the top */
	double *saves;	/* [tables] */
	uint32_t *run;	/* [tables] of the next row */
	uint32_t *kept; /* [tables] cards of the attempt that goes on */
	struct attempt now, best;
};

/* Row-wise, each card has at least one row. */
static inline bool may_split(const struct plan *p, uint32_t i)
{
	return !p->tables[i].stays && p->tables[i].t->rows >= p->cards;
}

/* placement.c: takes off @load what ranks from..to-1 of table @i save by being elsewhere than on flash. @cards: of the card of each; else all in load[0]. @host: in host DRAM, else in DDR. */
void plan_relieve(const struct plan *p, uint32_t i, uint64_t from, uint64_t to, double *load, bool cards, bool host);

/* ---- placement_moves.c ---- */

/* What there is to do and to store if table i is on card c (its all), or, SPLIT, of its shard c; with the rows pinned as they are. What is stored already needs no room. */
struct moves {
	double *rest, *all;   /* [nr][cards], [nr] */
	uint64_t *part, *whole; /* bytes, likewise */
	double load[PLACEMENT_MAX_CARDS], squares;
	uint64_t used[PLACEMENT_MAX_CARDS];
	double patience; /* steps that may still be taken, so that a thousand tables take seconds, not hours */
};

int moves_init(struct moves *m, const struct plan *p); /* -ENOMEM. moves_free() in any case */
void moves_free(struct moves *m);
/* Changes p->now.card as long as the slowest card gets faster by it. p->now is settled. True: something was changed. */
bool moves_improve(struct plan *p, struct moves *m);

#endif
