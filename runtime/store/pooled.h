/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Results of whole bags, kept by what was asked for: table, mode, and the indices in any order (a canonical sorted copy is the key, compared in
 * full: no false hits).
 * An index that is there twice counts twice. Bags with per-sample weights are not for here. LRU by bytes. One thread at a time.
 *
 * A sum of floats depends on the order of its additions in the last bits: what comes from here was added in the order of the bag that was computed.
 */
#ifndef SMARTSSD_STORE_POOLED_H
#define SMARTSSD_STORE_POOLED_H

#include <stdbool.h>
#include <stdint.h>

struct pooled;

/* @bytes: of everything that is kept, keys and management included. 0: keeps nothing. -ENOMEM. */
int pooled_create(uint64_t bytes, struct pooled **out);
void pooled_destroy(struct pooled *p);
/* @table: any number that tells tables and generations apart. True: the @dim floats are copied to @y. */
bool pooled_find(struct pooled *p, uint64_t table, uint32_t mean, const int64_t *indices, uint64_t nr, uint32_t dim, float *y);
/* Copies, in place of what is kept for the same bag. Without memory, or when it alone is above the budget, nothing is kept. */
void pooled_keep(struct pooled *p, uint64_t table, uint32_t mean, const int64_t *indices, uint64_t nr, uint32_t dim, const float *y);
void pooled_forget(struct pooled *p, uint64_t table); /* all of a table; takes time for these only */

struct pooled_counts {
	uint64_t asked, hits, kept, bytes; /* kept, bytes: bags that are there now, and what they and their management take */
};

void pooled_counts(const struct pooled *p, struct pooled_counts *out);

#endif
