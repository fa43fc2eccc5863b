/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A store: embedding tables on one or more volumes (volume.h), one for each card's drive. The first volume is the home: its manifest says which tables
 * there are and is the only truth; objects that it does not name are leftovers, which the next writer removes.
 *
 *   table NAME, generation G, shard S of N:  objects  NAME.G.S.rows   the rows, layout.h; first 4096 bytes: header (struct rows_header)
 *                                                     NAME.G.S.crc    u32 CRC-32C of each row (row bytes, then u64 row number of the whole table)
 *                                                     NAME.G.S.delta  rows written since (delta.h): a quarter as large as the rows, but with
 *                                                                     room for 1024 updates of one row
 *   sharding: SMARTSSD_SHARD_TABLE  one shard, on one volume
 *             SMARTSSD_SHARD_ROW    a shard on each volume; row r is row r / N of shard r % N
 *
 * An update appends to the delta, so a reader has the old or the new row, never a part of each; compaction writes a new generation and commits it in
 * the manifest. Threads: a store may be used by several threads at once.
 */
#ifndef SMARTSSD_STORE_STORE_H
#define SMARTSSD_STORE_STORE_H

#include "layout.h"
#include "rowfmt.h"
#include "volume.h"

#define STORE_MAX_VOLUMES 48
#define STORE_MAX_TABLES  4096
#define STORE_NAME	  40 /* bytes of a table's name with its 0: [a-z0-9][a-z0-9_-]* */

struct store;

struct store_table {
	char name[STORE_NAME];
	uint64_t rows;
	uint32_t dim;
	uint32_t format; /* SMARTSSD_ROWS_* */
	uint32_t shards; /* 1, or the number of volumes */
	uint32_t volume; /* of shard 0; shard s is on (volume + s) % volumes */
	uint64_t generation;
	uint32_t crc;	 /* CRC-32C over all rows' CRCs in order, without updates: the table's checksum */
	struct layout layout;
};

/* Bytes of a volume that a shard of @rows rows takes: rows, checksums, room for updates. UINT64_MAX: more than a table can have. */
uint64_t store_shard_bytes(const struct layout *l, uint64_t rows);

/*
 * @spec: volumes' paths separated by commas, the home first. @flags: VOLUME_*. -EXDEV: not the volumes of one store, in the order in which it was
 * made. A store is made, with VOLUME_CREATE, when nothing speaks against any of its volumes: on an error that was seen before that, nothing is. -EBUSY: another
 * process writes, or a volume is named twice.
 */
int store_open(const char *spec, unsigned int flags, struct store **out, struct smartssd_error *err);
void store_close(struct store *s);
uint32_t store_volumes(const struct store *s);
struct volume *store_volume(struct store *s, uint32_t i);
/* What the manifest says now (another process may have written it): 1 when it changed, 0, or -errno (-EXDEV: another store). Open tables stay as they are. */
int store_refresh(struct store *s, struct smartssd_error *err);
/* Tables in the order of their names; caller's to free(). */
int store_list(struct store *s, struct store_table **tables, uint32_t *nr, struct smartssd_error *err);

/* An import that stopped, or that another process is at: it goes on where it was when it is given again. */
struct store_unfinished {
	struct store_table table; /* what it will be; generation: of its objects */
	uint64_t done;		  /* rows that are on the drive for certain */
	char path[256];		  /* from which file; "": not known */
};

/* Caller's to free(). */
int store_list_imports(struct store *s, struct store_unfinished **imports, uint32_t *nr, struct smartssd_error *err);
/* What was imported so far goes; a table of that name, which it was to replace, stays. -ENOENT: there is none. */
int store_forget_import(struct store *s, const char *name, struct smartssd_error *err);

/* -EINVAL says what a table's name is made of. */
int store_check_name(const char *name, struct smartssd_error *err);

/* ---- import ---- */

/* Rows to import, from a .npy or a tensor of a .safetensors file: f4, f2 (and bf16 of safetensors), or u1 that already are int8-rowwise rows. */
struct store_rows;
int store_rows_open(const char *from, struct store_rows **out, struct smartssd_error *err); /* "t.npy", "t.safetensors", "t.safetensors:TENSOR" */
/*
 * Rows that are made, not read: @read puts rows from..from+nr as floats into @out. @identity: the same only for the same rows; an interrupted import
 * goes on by it.
 */
struct store_rows_source {
	uint64_t rows;
	uint32_t dim;
	const char *identity;
	int (*read)(void *ctx, uint64_t from, uint64_t nr, float *out, struct smartssd_error *err);
	void *ctx;
};
int store_rows_from(const struct store_rows_source *source, struct store_rows **out, struct smartssd_error *err);
void store_rows_close(struct store_rows *r);
uint64_t store_rows_count(const struct store_rows *r);
uint32_t store_rows_dim(const struct store_rows *r);
/* The row format that has what the file has, or nearly: SMARTSSD_ROWS_FP32 for f4 and bf16, _FP16 for f2, _INT8 for u1. */
uint32_t store_rows_format(const struct store_rows *r);
/* Rows from..from+nr as floats. */
int store_rows_read(struct store_rows *r, uint64_t from, uint64_t nr, float *out, struct smartssd_error *err);
/*
 * Rows from..from+nr as rows of @format, rowfmt_bytes() each, those that already are such to the byte. @values: room for nr * dim floats. -EDOM names
 * a row with a number that is not finite, or too large for the format.
 */
int store_rows_encode(struct store_rows *r, uint64_t from, uint64_t nr, uint32_t format, float *values, void *out, struct smartssd_error *err);
/* The file's identity, for resuming: device, inode, size, change time, tensor. */
const char *store_rows_identity(const struct store_rows *r);
const char *store_rows_path(const struct store_rows *r); /* for people; "": not known */
int store_rows_unchanged(const struct store_rows *r, struct smartssd_error *err); /* -ESTALE: somebody wrote to the file since it was opened */

struct store_import {
	const char *name;
	struct store_rows *rows;
	uint32_t format;
	uint32_t shard;	 /* SMARTSSD_SHARD_* */
	uint32_t volume; /* SHARD_TABLE: where; UINT32_MAX: the volume with the fewest bytes */
	bool replace;	 /* else -EEXIST when there is such a table */
	bool restart;	 /* forget an interrupted import instead of going on with it */
};

#define SMARTSSD_SHARD_TABLE 0
#define SMARTSSD_SHARD_ROW   1

/*
 * Streams: memory does not grow with the table. An import that was interrupted (killed, -ECANCELED by @progress, an error of a drive) goes on where
 * it was when it is called again for the same name, file, format and sharding; *resumed receives the row (may be NULL). The table appears when all of
 * it is on the drive. -EDOM (a row cannot be encoded) and -ESTALE (the file was written to meanwhile): what was done is forgotten. -EBUSY: an
 * interrupted one is of something else, or another thread is at that name.
 */
int store_import(struct store *s, const struct store_import *import, const struct smartssd_progress *progress, uint64_t *resumed, struct smartssd_error *err);
/* The table, and an interrupted import of that name. Those who have it open go on. */
int store_remove(struct store *s, const char *name, struct smartssd_error *err);
/*
 * Every row against its CRC, all of these against the manifest's, every delta record too. -EBADMSG names table, row, volume. 1: nothing is lost, but there is
 * a damaged row that an update replaced, which store_compact() leaves behind: @err says which.
 */
int store_verify(struct store *s, const char *name, const struct smartssd_progress *progress, struct smartssd_error *err);

/* ---- one table ---- */

struct table;

/* The newest generation. -ENOENT lists what is there. */
int table_open(struct store *s, const char *name, struct table **out, struct smartssd_error *err);
void table_close(struct table *t);
const struct store_table *table_info(const struct table *t);
/* Object of shard @shard's rows; row r of the shard is at object->offset + 4096 + layout_at(r). */
const struct volume_object *table_rows(const struct table *t, uint32_t shard);
const struct volume_object *table_delta(const struct table *t, uint32_t shard);
/* CRCs of the shard's rows, from byte 4096 on. */
const struct volume_object *table_checksums(const struct table *t, uint32_t shard);
uint64_t table_updated(const struct table *t); /* rows that have a newer version in a delta */

/*
 * Rows of the whole table's numbering. Durable when it returns 0. On an error none is there, with one exception: when a drive fails, or the machine
 * stops, between two shards of a row-wise table, the rows of the first ones are; each row is the old or the new one, whole. Twice the same index: the
 * last one counts. -ERANGE names index and position. -ENOSPC: a delta is full: store_compact() first. -EFBIG: so many at once never fit. Only for a writer (-EBADF).
 */
int table_update(struct table *t, const int64_t *indices, uint64_t nr, const float *rows, struct smartssd_error *err);
/* See what other processes appended. 1: something; 0: nothing; -ESTALE: the table has a new generation, open it again. */
int table_refresh(struct table *t, struct smartssd_error *err);
/*
 * Byte offsets in the rows object (>= 4096), or, with the top bit TABLE_IN_DELTA set, in the delta object, of rows of one shard (@rows: shard-local).
 * For readers of the drive; what they say stays true while the table is open (deltas only grow).
 */
#define TABLE_IN_DELTA (1ull << 63)
void table_where(const struct table *t, uint32_t shard, const uint64_t *rows, uint64_t nr, uint64_t *at);
/* One row as floats, by plain reads, CRC checked (-EBADMSG names it). For tools and references. */
int table_read_row(struct table *t, uint64_t row, float *out, struct smartssd_error *err);

/* A new generation without delta; readers of the old one keep it. -EBADMSG: an update is damaged, or a row that none replaces, so nothing is written. -EBUSY as store_import(). */
int store_compact(struct store *s, const char *name, const struct smartssd_progress *progress, struct smartssd_error *err);

#endif
