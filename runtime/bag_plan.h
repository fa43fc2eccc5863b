/* SPDX-License-Identifier: BSD-2-Clause */
/* What bags are, and which blocks of a table's file a set of rows needs, and where in card memory each row then is. Pure: no device. */
#ifndef SMARTSSD_RUNTIME_BAG_PLAN_H
#define SMARTSSD_RUNTIME_BAG_PLAN_H

#include "private.h"

/* 0; -EINVAL: what is wrong with bags + 1 offsets of @lookups indices. */
int bag_check_offsets(const int64_t *offsets, uint64_t bags, uint64_t lookups, struct smartssd_error *err);

struct bag_table {
	uint64_t offset;    /* of row 0 in the file */
	uint64_t rows;
	uint32_t row_bytes;
	uint32_t align;	    /* blocks of the file (a power of two); 1: host memory, rows are taken as they are */
};

/* Zero to begin with; arrays are kept from one gather to the next. */
struct bag_gather {
	struct smartssd_extent *ext;
	uint32_t nr, room;
	uint64_t bytes;	   /* of all extents, which fill [0, bytes) of the destination in ascending order */
	uint32_t *position; /* of the i-th lookup's row in the destination */
	struct bag_pair {
		uint64_t row;
		uint64_t at;
	} *pairs, *other;
	uint64_t pairs_room;
};

/*
 * Plan for @nr indices, all below table->rows: each row's enclosing blocks, each block once, neighbours in one extent. -ENOMEM;
 * -EOVERFLOW: a row would lie at 4 GiB or beyond.
 */
int bag_gather(const struct bag_table *table, const int64_t *indices, uint64_t nr, struct bag_gather *out);
void bag_gather_free(struct bag_gather *gather);

/* Most bytes that one row can make a gather read. */
uint64_t bag_row_span(const struct bag_table *table);

/* Cut bags into tiles of at most @lookups and @bytes (worst case of all a tile needs), but at least one bag. */
struct bag_limits {
	uint64_t lookups, bags, bytes;
	uint64_t lookup_bytes; /* card memory for a lookup in the worst case ... */
	uint64_t bag_bytes;    /* ... and for a bag beside its lookups */
};

uint64_t bag_tile_bytes(const struct bag_limits *limits, uint64_t lookups, uint64_t bags);
/* Bag behind the last one of the tile that begins with @bag. */
uint64_t bag_tile_end(const struct bag_limits *limits, const int64_t *offsets, uint64_t bag, uint64_t bags);

#endif
