/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lookups: bags over many tables, pooled on the cards. One call is one batch:
 *
 *   1 check     offsets, indices, before anything is read
 *   2 pooled    bags whose result is kept need nothing more (pooled.h)
 *   3 resolve   rows that are pinned in host DRAM are the host's; of the others each wanted (table, row), once: pinned in the card, in the card's row cache,
 *               or on the drive (table_where())
 *   4 submit    one job for each card: READ the blocks that are missing (once each, neighbours together) -> card memory; RUN embedding_bag once for each
 *               (format, dim): all bags of all tables like that; RUN row_copy: rows that the cache takes, from where they arrived into their slots; COPY the
 *               pooled results, all in one
 *   5 gather    row-wise shards: sums of the cards are added on the host; mean is divided there
 *
 * Rows in host DRAM are decoded (rowfmt_decode()) and summed by the host while the cards work, and the sum is added to the cards'. So a bag is a sum of up to
 * cards + 1 partial sums (more when it goes in several slices), each in the order of the indices. Bound against the exact value, as embedding_bag.h's with
 * the rows' number n of the bag and k partial sums:
 * |error| <= (n + k + 4) * 2^-24 * sum |weight| * (|value * scale| + |bias|); scale 1 and bias 0 for fp32 and fp16; a mean's divided by n.
 *
 * A batch that does not fit the staging memory goes in slices, of which two are on the cards at a time; so are two batches of two threads. A row that two
 * slices want is read for each of them.
 *
 * What goes wrong: a card that is lost, its shards are read by plain reads and pooled on the host (host_rows counts it, engine_lost() says it). A read error,
 * or a compute unit that fails: what was under way is done by the host, too, so that only bags that want the bad row fail; the unit is reset, and the card
 * lost when that does not work.
 */
#ifndef SMARTSSD_STORE_ENGINE_H
#define SMARTSSD_STORE_ENGINE_H

#include "cache.h"
#include "store.h"

struct engine;

struct engine_options {
	struct smartssd_device **devices; /* one for each volume of the store, in order; one may be there twice */
	uint64_t row_cache;		  /* bytes of each card's memory; 0: none. Shared out among the tables that the store has at engine_create() */
	enum cache_policy policy;	  /* CACHE_LFU, unless the lookups are known to be of another kind: Documentation/recommendation.rst */
	uint64_t pinned;       /* bytes of each card's memory for engine_pin(); 0: none */
	uint64_t pinned_host;  /* bytes of host memory for engine_pin(): of the rows, as they are stored; finding them takes 26 to 52 bytes for each beside. 0: none */
	uint64_t pooled_cache; /* bytes of host memory for results; 0: none */
	uint64_t staging;      /* bytes of each card's memory for what a slice reads, at least ENGINE_MIN_STAGING; 0: a fitting default */
	uint32_t gap;	       /* blocks that are not wanted are read, too, when at most this many bytes lie between two that are; 0: only neighbours are merged */
	bool no_dedup;	       /* for measurements: read a block for each row that wants it; no row cache, nothing pinned in cards */
	uint32_t io_flags;     /* SMARTSSD_CMD_PEER_* for READs */
};

#define ENGINE_MIN_STAGING 65536u

struct engine_bags {
	struct table *table;
	const int64_t *indices;
	const int64_t *offsets; /* bags + 1 entries; offsets[0] is where indices of the first bag are. Not read when bags is 0 */
	uint64_t bags;
	uint64_t first_bag; /* number of the first one in error texts: for who hands over a part of many */
	const float *weights; /* at the same positions as indices, or NULL */
	uint32_t mean;
	float *y;	      /* [bags][dim]; y of a failed request is not defined */
	/* Results */
	int status;		   /* 0; -ERANGE, -EINVAL, -ESTALE, -ENOMEM (nothing was read for it); -EIO */
	struct smartssd_error err; /* names table, bag, position or row */
};

/*
 * rows = pooled_rows + host_pinned_hits + card_lookups + lookups that were never a card's, as it was lost before (part of host_rows).
 * What is planned counts, also when a card then fails and the host does its part.
 */
struct engine_counts {
	uint64_t bags, rows;	   /* wanted: bags and lookups of the requests that passed the checks */
	uint64_t pooled_hits;	   /* bags whose result was kept; nothing below counts their rows */
	uint64_t pooled_rows;	   /* their lookups */
	uint64_t host_pinned_hits; /* lookups answered from host DRAM */
	uint64_t card_lookups;	   /* lookups that cards were asked for; these lines are about them: */
	uint64_t distinct_rows;	   /* distinct rows of each slice and card: distinct_rows = row_hits + rows_read */
	uint64_t row_hits;	   /* of these, in the card's cache, or pinned there */
	uint64_t pinned_hits;	   /* of these, pinned */
	uint64_t rows_read;
	uint64_t lookup_hits;  /* lookups whose row was in the card's cache, or pinned there */
	uint64_t row_bags_all; /* bags with at least one row, and all of them there or in host DRAM */
	uint64_t flash_reads;  /* extents */
	uint64_t flash_bytes;  /* read from drives by cards */
	uint64_t blocks_wanted;	   /* bytes of distinct blocks of rows_read, of each slice: what cannot be avoided */
	uint64_t row_bytes_wanted; /* bytes of rows_read */
	uint64_t host_rows;	   /* lookups that were done on the host by plain reads: a card was lost, a read or a compute unit failed */
	uint64_t most_reads;	   /* largest number of extents in one job: reads in flight */
	uint64_t slices, overlapped; /* overlapped: submitted while another one was on the cards */
	uint64_t plan_ns;	   /* host time from the checked request to the job's list, of all slices */
	uint64_t host_pool_ns;	   /* host time that decoding and summing rows in host DRAM took */
	struct smartssd_counters links; /* since engine_create(), summed over devices, as counted by the cards */
};

/* The devices must have an xclbin with embedding_bag and row_copy loaded (-ENOEXEC says so). They, and the store, stay the caller's. */
int engine_create(struct store *s, const struct engine_options *options, struct engine **out, struct smartssd_error *err);
/* Nobody is in engine_run() any more. */
void engine_destroy(struct engine *e);
enum engine_where { ENGINE_PIN_CARD, ENGINE_PIN_HOST };

/*
 * Rows (of the whole table) that stay in the card's memory, or in the host's, from now on; read at once. *done (may be NULL): how many are pinned; one that
 * was already is. A row that is in both is looked up in the host's. -ENOSPC: no room for more than these. -ERANGE, -EIO, ... as engine_run() gives them for a
 * request; then rows that could not be read are read when they are wanted. What a card reads for it is counted like a lookup's; the host's plain reads are
 * not counted.
 */
int engine_pin(struct engine *e, struct table *t, enum engine_where where, const int64_t *rows, uint64_t nr, uint64_t *done, struct smartssd_error *err);
/*
 * @nr requests in one batch. 0: all were answered, see each one's status. Not 0: none was (no memory, no peer path where it is required, ...). May be called
 * from several threads.
 */
int engine_run(struct engine *e, struct engine_bags *bags, uint32_t nr, struct smartssd_error *err);
/* After table_update() or table_refresh() in this process: rows (of the whole table) whose kept copies are old. NULL: all of the table. What is pinned stays so. */
void engine_forget(struct engine *e, struct table *t, const int64_t *rows, uint64_t nr);
void engine_counts(struct engine *e, struct engine_counts *out);
/* Cards that are gone, one bit each. */
uint64_t engine_lost(struct engine *e);

#endif
