/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The delta of one shard: rows written since its import. An object of fixed size; records, each a whole number of blocks:
 *
 *   struct delta_record at the beginning of a block, then count u64 shard-local row numbers (and on into further blocks), zeros up to the next
 *   block; then the rows, packed as layout.h says, beginning at a block.
 *
 * Appended with one write and one fdatasync. What follows the last record that is whole and has the next sequence number does not count: a write that
 * was cut short, or what lay there before. Damage to a record that is not the last is told from that by the record behind it, which was written when
 * the one before was durable, and is an error; damage to the last one looks like a write that was cut short.
 *
 * Threads: one delta may be used by several at once.
 */
#ifndef SMARTSSD_STORE_DELTA_H
#define SMARTSSD_STORE_DELTA_H

#include "layout.h"
#include "volume.h"

struct delta_record {
	char magic[8];	     /* "SSDDELTA" */
	uint64_t sequence;   /* from 1 */
	uint64_t generation; /* of the table */
	uint64_t epoch;	     /* random, of the first record; the same in all: tells them from what an earlier object left here */
	uint64_t count;	   /* 0: it was taken back, as writing it failed; nothing behind this struct means anything */
	uint64_t bytes;	   /* of the record, this struct included */
	uint32_t body_crc; /* CRC-32C of all behind this struct; 0 when count is */
	uint32_t head_crc; /* CRC-32C of this struct up to here */
};

struct delta;

/*
 * Reads all records. @rows: of the shard; a record with a row beyond is damage (-EBADMSG). The object stays the caller's, and open as long. Its first
 * block must have been zeros when it was new, as volume_create_object() makes it.
 */
int delta_open(const struct volume_object *object, const struct layout *layout, uint64_t rows, uint64_t generation, struct delta **out,
	       struct smartssd_error *err);
void delta_close(struct delta *d);
/* Bytes of an object that has room for @rows updated rows in records of one row each (worst case). UINT64_MAX: too many. */
uint64_t delta_room(const struct layout *layout, uint64_t rows);
uint64_t delta_count(const struct delta *d); /* rows that have a newer version here */
/* 0, or -ENOSPC or -EFBIG with what delta_append() of @nr rows would say: for those who append to several. */
int delta_fits(struct delta *d, uint64_t nr, struct smartssd_error *err);
/*
 * Durable when it returns 0; nothing changed on an error. With one exception: when the drive fails, and fails again when what was written is taken
 * back, all of it or nothing is there when the delta is opened again; until then it takes nothing more (-EIO). -ENOSPC: no room. -EFBIG:
 * nor in a delta that is empty. -ERANGE: a row beyond. @data: nr encoded rows, one behind the other. Twice the same row: the last one counts. nr 0 does nothing.
 */
int delta_append(struct delta *d, const uint64_t *rows, uint64_t nr, const void *data, struct smartssd_error *err);
/* Records that another process appended: 1, 0, -errno. */
int delta_refresh(struct delta *d, struct smartssd_error *err);
/* Byte offset of the newest version in the object, or UINT64_MAX. Safe against a concurrent append. */
uint64_t delta_find(const struct delta *d, uint64_t row);
/* at[i] is left alone where there is none. All of one moment. */
void delta_find_many(const struct delta *d, const uint64_t *rows, uint64_t nr, uint64_t *at);
/* Each row that is here, once, newest version: calls back until non-zero, and returns that. In no order. @fn must not append. */
int delta_each(const struct delta *d, int (*fn)(void *ctx, uint64_t row, uint64_t at), void *ctx);
/* The same check for verify: every record's CRC anew from the drive, and nothing of ours behind the last. */
int delta_verify(struct delta *d, struct smartssd_error *err);

#endif
