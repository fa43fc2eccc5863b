/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between the files of the store: store.c (open, list, remove), leftovers.c, manifest.c, rows.c, import.c, writer.c, table.c,
 * verify.c, compact.c.
 */
#ifndef SMARTSSD_STORE_STORE_IMPL_H
#define SMARTSSD_STORE_STORE_IMPL_H

#include <pthread.h>

#include "../private.h"
#include "delta.h"
#include "store.h"

#define STORE_VERSION 1
#define ROWS_HEADER   4096 /* bytes in front of the rows, and of the CRCs */
#define ROWS_MAGIC    "SSDROWS1"
#define TABLE_MAX_ROWS      (UINT64_C(1) << 48)
#define STORE_MAX_BYTES	    (UINT64_C(1) << 60) /* of a table's rows */
/* 14 digits: so that the names of objects, part_name(), are not too long. */
#define TABLE_MAX_GENERATION UINT64_C(99999999999999)

/* The first bytes of a rows object; the rest up to ROWS_HEADER is 0. Little-endian. */
struct rows_header {
	char magic[8];
	uint32_t version;
	uint32_t format;
	uint64_t rows; /* of this shard */
	uint64_t generation;
	uint32_t dim, row_bytes, block;
	uint32_t shard, shards;
	char name[STORE_NAME];
	uint32_t crc; /* CRC-32C of all before it */
};

/* An import of which a part is on the drive for certain. */
struct pending {
	struct store_table table; /* what it will be */
	char identity[400];	  /* store_rows_identity() */
	char path[256];		  /* of the file, for people */
	uint64_t done;		  /* rows that are on the drive, not 0 */
	uint32_t crc;		  /* over their CRCs */
};

struct manifest {
	char home[37]; /* not "": this is no home's, but of another volume of the store that has this home */
	char uuid[STORE_MAX_VOLUMES][37];
	uint32_t volumes;
	uint64_t next_generation;
	struct store_table *tables; /* by name */
	uint32_t nr, room;
	struct pending *pending;
	uint32_t nr_pending, room_pending;
};

/* @text "": an empty store. -EBADMSG says what is wrong. */
int manifest_parse(const char *text, struct manifest *m, struct smartssd_error *err);
/* Of a volume that is not the home: whose it is. Caller's to free(); NULL: no memory. */
char *manifest_member(const char *home);
/* Caller's to free(). */
int manifest_print(const struct manifest *m, char **text, struct smartssd_error *err);
void manifest_free(struct manifest *m);
struct store_table *manifest_find(const struct manifest *m, const char *name);
struct pending *manifest_find_pending(const struct manifest *m, const char *name);
/* Adds, or replaces the one of that name. -ENOMEM, -ENOSPC: STORE_MAX_TABLES. */
int manifest_put(struct manifest *m, const struct store_table *t, struct smartssd_error *err);
int manifest_put_pending(struct manifest *m, const struct pending *p, struct smartssd_error *err);
void manifest_drop(struct manifest *m, const char *name);
void manifest_drop_pending(struct manifest *m, const char *name);
/* Rows, format, shards and layout are possible together: no size of it overflows, and a manifest with it can be read again. */
bool store_table_possible(const struct store_table *t, uint32_t volumes);

/* A name that an import, a compaction or a removal is at: one at a time. */
struct claim {
	const char *name;
	struct claim *next;
};

struct store {
	struct volume *volumes[STORE_MAX_VOLUMES];
	uint32_t nr;
	unsigned int flags;
	pthread_mutex_t lock; /* manifest, seen, claims, open */
	struct manifest manifest;
	uint64_t seen; /* the generation of the home's text that manifest is of, */
	uint32_t seen_crc; /* and its CRC-32C: of another store in this place, generations begin anew */
	struct claim *claims;
	struct table *open; /* tables, each generation once: two that append to one delta would overwrite each other */
};

/* The home's text := manifest. With the lock held. On an error the drive may have either text: what only the old one, or only the new one, names must stay. */
int store_commit(struct store *s, struct smartssd_error *err);
/* For a writer, while it changes what is there under @name. -EBUSY: another thread is at it. -EBADF: for reading only. */
int store_claim(struct store *s, struct claim *c, const char *name, struct smartssd_error *err);
void store_unclaim(struct store *s, struct claim *c);
/* The manifest anew, if it has changed: 1, 0, -errno. With the lock held. */
int store_load(struct store *s, struct smartssd_error *err);
/* leftovers.c: objects that the manifest does not name go. */
int store_drop_leftovers(struct store *s, struct smartssd_error *err);

enum part { PART_ROWS, PART_CRC, PART_DELTA, PARTS };

static inline uint32_t shard_volume(const struct store *s, const struct store_table *t, uint32_t shard)
{
	return (t->volume + shard) % s->nr;
}

static inline uint64_t shard_rows(const struct store_table *t, uint32_t shard)
{
	return layout_shard_rows(t->rows, t->shards, shard);
}

void part_name(const struct store_table *t, uint32_t shard, enum part part, char name[VOLUME_NAME]);
uint64_t part_bytes(const struct store_table *t, uint32_t shard, enum part part);
/* Remove all objects of a generation, of which no manifest on the drive may know; what cannot be removed is a leftover. */
void store_drop_objects(struct store *s, const struct store_table *t);

/* Zeros, aligned for direct reads and writes; free(). */
static inline uint8_t *span_buffer(const struct layout *l, uint64_t spans)
{
	uint64_t bytes = align_up(spans * l->span, 4096);
	uint8_t *p = aligned_alloc(4096, bytes);

	return p ? memset(p, 0, bytes) : NULL;
}

uint32_t row_crc(const void *row, uint32_t bytes, uint64_t number);

/* writer.c: the writer of a new generation, used by import and by compaction. The name is claimed meanwhile. */
struct writer;

/* @p: what it will be and how far it came; its objects are made, or opened when done > 0. writer_end() in any case but an error. */
int writer_begin(struct store *s, const struct pending *p, struct writer **out, struct smartssd_error *err);
/* Rows that each call takes, but for the last one. */
uint64_t writer_chunk(const struct writer *w);
int writer_put(struct writer *w, const void *encoded, uint64_t rows, struct smartssd_error *err);
/* What came so far is durable, and going on from there is possible. */
int writer_save(struct writer *w, struct smartssd_error *err);
/* All rows came: the table is in the manifest, the one that was there before is not. */
int writer_commit(struct writer *w, struct smartssd_error *err);
uint64_t writer_done(const struct writer *w);
/* Its objects go, unless they became a table or writer_save() was called. */
void writer_end(struct writer *w);

/* verify.c: a stretch of one shard, whole spans and their CRCs. stretch_free() in any case. */
struct stretch {
	uint8_t *spans;
	uint32_t *crcs;
	uint64_t rows; /* most */
	uint64_t replaced, replaced_row; /* rows that are wrong, but have a newer version in the delta; the first of them */
};

int stretch_make(struct stretch *p, const struct layout *l, struct smartssd_error *err);
void stretch_free(struct stretch *p);
/* Rows first..first+nr of @shard, which begin a span, each against its CRC. *row: of the table, the first that is wrong and was not replaced since. */
int stretch_read(const struct table *t, uint32_t shard, uint64_t first, uint64_t nr, struct stretch *p, uint64_t *row, struct smartssd_error *err);
int table_verify_deltas(const struct table *t, struct smartssd_error *err);

/* What @err says is of this shard: now it says of which. @ret. */
int shard_failed(const struct table *t, uint32_t shard, int ret, struct smartssd_error *err);

struct table {
	struct store *store;
	struct table *next; /* in store->open */
	uint32_t refs;
	struct store_table info;
	struct shard {
		struct volume_object object[PARTS];
		struct delta *delta;
	} *shards;
	pthread_mutex_t lock; /* one update at a time, and none during a compaction */
};

#endif
