/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libsmartssd: embedding tables on the drives. A store is a directory of tables on one volume (a folder or a raw namespace) for each card's
 * drive; lookups pool rows of its tables on the cards, and only the results cross the host link.
 *
 *   smartssd_store_open()     the store; tables are listed, imported, updated, verified
 *   smartssd_lookup_open()    cards, caches, and a queue in which lookups of many threads become batches
 *   smartssd_lookup_run()     bags over any number of tables, as PyTorch's EmbeddingBag takes them
 *
 * Documentation/examples/recommend.c is a whole program; Documentation/store.rst says what is durable when.
 *
 * Errors are those of libsmartssd.h: 0 or -errno, and a text in struct smartssd_error, which may be NULL. Nothing is printed.
 * Ownership: what open gives is the caller's until close; tables and lookups are closed before their store.
 * Threads: any number may use a store, a table and a lookup at once. Nobody uses what is being closed.
 */
#ifndef LIBSMARTSSD_STORE_H
#define LIBSMARTSSD_STORE_H

#include "libsmartssd.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- stores ---- */

struct smartssd_store;

#define SMARTSSD_STORE_WRITE  1 /* to import, update, compact and remove; one process at a time: another one gets -EBUSY */
#define SMARTSSD_STORE_CREATE 2 /* with WRITE: an empty store in a folder that is not there, or empty */
#define SMARTSSD_STORE_FORCE  4 /* with CREATE: also on a namespace that is no store; what is on it is lost */

/*
 * @volumes: folders, namespaces (/dev/nvmeXnY) or files in the place of namespaces, separated by commas, always in the same order; up to
 * 48. -ENOENT, -EBUSY, -EBADMSG (damaged, or no store), -EXDEV (a volume of another store, or in another place), -EEXIST, -EACCES, ...
 */
int smartssd_store_open(const char *volumes, uint32_t flags, struct smartssd_store **out, struct smartssd_error *err);
void smartssd_store_close(struct smartssd_store *store);
uint32_t smartssd_store_volumes(const struct smartssd_store *store);

struct smartssd_table_info {
	char name[40];
	uint64_t rows;
	uint32_t dim;	     /* floats of a row, as it is looked up */
	uint32_t format;     /* SMARTSSD_ROWS_*, as it is stored */
	uint32_t row_bytes;  /* as it is stored */
	uint32_t shards;     /* 1: whole on one volume; else row r is in shard r % shards, one on each volume */
	uint32_t volume;     /* of shard 0; shard s is on (volume + s) % volumes */
	uint32_t checksum;   /* of all rows as they were imported or compacted */
	uint64_t generation; /* another one when the table was imported anew or compacted */
};

/* All tables by name, as the store's manifest has them now; *tables is the caller's (free()), NULL when there are none. */
int smartssd_store_list(struct smartssd_store *store, struct smartssd_table_info **tables, uint32_t *nr, struct smartssd_error *err);

/* Zeros are the defaults, and so is NULL in the place of all of them. */
struct smartssd_import_options {
	const char *format; /* "fp32", "fp16", "int8-rowwise" or "int4-rowwise"; NULL: what the file has, or the nearest */
	uint32_t row_wise;  /* 1: the rows are spread over all volumes; 0: the table goes to the volume with the fewest bytes */
	uint32_t replace;   /* 1: a table of this name is replaced when the new one is complete; 0: -EEXIST */
	struct smartssd_progress progress; /* in rows */
};

/*
 * Rows of a file (.npy, or .safetensors[:TENSOR]; f4, f2, bf16, or u1 that are int8-rowwise rows already) become a table: all of it, or
 * nothing. A name has up to 39 of a-z, 0-9, _ and -. What was interrupted (-ECANCELED by the progress function, or killed) goes on where it
 * was when the same call is made again. Memory does not grow with the table.
 */
int smartssd_store_import(struct smartssd_store *store, const char *name, const char *from, const struct smartssd_import_options *options,
			 struct smartssd_error *err);
int smartssd_store_remove(struct smartssd_store *store, const char *name, struct smartssd_error *err);
/*
 * Updated rows into their places, as a new generation. Who has the table open keeps the old one: -ESTALE of smartssd_table_refresh() says
 * so. @progress may be NULL.
 */
int smartssd_store_compact(struct smartssd_store *store, const char *name, const struct smartssd_progress *progress, struct smartssd_error *err);
/*
 * Every row against its checksum. -EBADMSG names table, row and volume. 1: nothing is lost, but there is a damaged row that an update replaced;
 * @err says which, and smartssd_store_compact() leaves it behind. @progress may be NULL.
 */
int smartssd_store_verify(struct smartssd_store *store, const char *name, const struct smartssd_progress *progress, struct smartssd_error *err);

/* ---- one table ---- */

struct smartssd_table;

/* -ENOENT says which tables there are. It is of one generation until it is closed. */
int smartssd_table_open(struct smartssd_store *store, const char *name, struct smartssd_table **out, struct smartssd_error *err);
void smartssd_table_close(struct smartssd_table *table);
void smartssd_table_info(const struct smartssd_table *table, struct smartssd_table_info *out);
/* One row as dim floats, its checksum compared (-EBADMSG), by plain reads: for tools and tests. -ERANGE */
int smartssd_table_read(struct smartssd_table *table, uint64_t row, float *out, struct smartssd_error *err);
/*
 * New values for rows @indices[0..nr-1]: @rows is [nr][dim] floats. Durable when it returns 0; a lookup sees the old or the new row, never
 * a part of each, and the new one when it begins after that. Of several values for a row the last one counts. -EBADF: the store is not open
 * for writing. -ERANGE names index and position. -ENOSPC: no room for updates is left, smartssd_store_compact() makes some. -EFBIG:
 * not even that makes enough for so many at once. After another error of a drive, some shards may have their rows and others not.
 */
int smartssd_table_update(struct smartssd_table *table, const int64_t *indices, uint64_t nr, const float *rows, struct smartssd_error *err);
/*
 * Rows that other processes updated are seen from now on. 1: there were some; 0: none; -ESTALE: the table has a new generation, close it
 * and open it again.
 */
int smartssd_table_refresh(struct smartssd_table *table, struct smartssd_error *err);

/* ---- lookups ---- */

struct smartssd_lookup;

/* Zeros are the defaults, and so is NULL in the place of all of them: no caches, nothing pinned. */
struct smartssd_lookup_options {
	uint64_t row_cache;    /* bytes of each card's memory for rows that are wanted often */
	const char *policy;    /* of the row cache: "lfu", "lru", "fifo", "clock", "sieve" or "s3-fifo"; NULL: lfu */
	uint64_t pooled_cache; /* bytes of host memory for results of whole bags, found again whatever the order of their indices */
	uint64_t pinned_card;  /* bytes of each card's memory for smartssd_lookup_pin() */
	uint64_t pinned_host;  /* bytes of host memory for the same */
	uint64_t staging;      /* bytes of each card's memory for what is read at a time, twice; 0: what fits, up to 256 MiB */
	uint32_t io_flags;     /* SMARTSSD_CMD_PEER_* */
	uint32_t delay_us;     /* how long a lookup waits for others to be batched with; 0: not at all */
	uint32_t batch_bags;   /* bags that make a batch full; 0: 4096 */
	uint32_t queue_bags;   /* bags that may wait; then smartssd_lookup_run() blocks. 0: 65536 */
};

/*
 * @nr devices: one for each volume, in their order, or one for all. They need an xclbin with kernels embedding_bag and row_copy
 * (kernels.xclbin; else -ENOEXEC), and stay the caller's until the lookup is closed. -ENOMEM: caches do not fit card memory, the text says
 * how much is free. -EINVAL: options or @nr.
 */
int smartssd_lookup_open(struct smartssd_store *store, struct smartssd_device *const *devices, uint32_t nr, const struct smartssd_lookup_options *options,
			 struct smartssd_lookup **out, struct smartssd_error *err);
/* Nobody is in smartssd_lookup_run() any more. */
void smartssd_lookup_close(struct smartssd_lookup *lookup);

#define SMARTSSD_PIN_CARD 0
#define SMARTSSD_PIN_HOST 1
/*
 * Rows that stay in card memory or in the host's from now on; they are read at once, and follow updates. *done (may be NULL): how many are
 * pinned. -ENOSPC: no room for more than these. -ERANGE
 */
int smartssd_lookup_pin(struct smartssd_lookup *lookup, struct smartssd_table *table, uint32_t where, const int64_t *rows, uint64_t nr, uint64_t *done,
			struct smartssd_error *err);

/* Bags of one table: y[b] = sum (or mean) over i in [offsets[b], offsets[b + 1]) of weights[i] * row(indices[i]). An empty bag is zeros. */
struct smartssd_bags {
	struct smartssd_table *table; /* of the lookup's store */
	const int64_t *indices;
	const int64_t *offsets; /* bags + 1 entries, not decreasing (include_last_offset); offsets[0] may be anywhere in indices */
	uint64_t bags;
	const float *weights;	/* per_sample_weights, at the same positions as indices; NULL: 1. Only with sum */
	uint32_t mean;		/* 0: sum; 1: mean */
	float *y;		/* [bags][dim]; not defined when status is not 0 */
	int status;		/* out */
};

/*
 * One query: bags of @nr tables (a table may be there several times). Returns when all are answered: 0, or the first status that is not 0,
 * and its text. Each has its own status:
 *   -ERANGE   an index out of range; the text names table, bag and position
 *   -EINVAL   offsets that decrease, or weights with mean
 *   -EIO      a row that cannot be read, which the text names; bags of other requests are not concerned
 *   -ESTALE   the table was imported anew or compacted: close it and open it again
 *   -ENOMEM   a row does not fit card memory
 * or all have the same: -ENOMEM (host memory), -EREMOTEIO (a peer path is required and there is none).
 *
 * Sums are in single precision. A bag is the sum of k partial sums: one for each volume of a table with several shards, one of the rows that
 * are pinned in host memory, and those of its parts when it is longer than a slice; each in the order of the indices. With n rows in the bag
 *   |error| <= (n + k + 4) * 2^-24 * sum |weight| * (|value * scale| + |bias|)     scale 1, bias 0 for fp32 and fp16; divided by n for a mean
 */
int smartssd_lookup_run(struct smartssd_lookup *lookup, struct smartssd_bags *bags, uint32_t nr, struct smartssd_error *err);
/* The same, but -EAGAIN instead of waiting for room in the queue; then nothing was looked up. */
int smartssd_lookup_try(struct smartssd_lookup *lookup, struct smartssd_bags *bags, uint32_t nr, struct smartssd_error *err);

/* Since smartssd_lookup_open(). A lookup is one index of one bag. */
struct smartssd_lookup_counts {
	uint64_t bags, lookups;	 /* of requests that passed the checks */
	uint64_t pooled_hits;	 /* bags whose result was kept */
	uint64_t pooled_lookups; /* lookups of these */
	uint64_t host_pinned;	 /* lookups answered from host memory */
	uint64_t card_lookups;	 /* lookups that cards were asked for ... */
	uint64_t card_hits;	 /* ... whose row was in card memory */
	uint64_t all_hit_bags;	 /* bags with rows, all of which were in card or host memory */
	uint64_t distinct_rows, rows_read; /* of the cards' lookups: each row counts once for a slice; those that were read from the drives */
	uint64_t flash_reads, flash_bytes; /* reads of the drives, neighbouring blocks in one */
	uint64_t blocks_wanted;	 /* bytes of the blocks that rows_read lie in, each once for a slice: what flash_bytes could be at best */
	uint64_t row_bytes_wanted; /* bytes of rows_read */
	uint64_t host_rows;	 /* lookups that the host read and pooled: a card was lost, or a read failed */
	uint64_t most_reads;	 /* reads in flight, at most */
	uint64_t requests, refused, batches; /* queries; -EAGAIN; batches that they became */
	uint64_t most_waiting;	 /* bags in the queue, at most */
	struct smartssd_counters links; /* bytes of each link, summed over the cards */
};
void smartssd_lookup_counts(struct smartssd_lookup *lookup, struct smartssd_lookup_counts *out);
/* Cards that are gone, a bit for each volume: the host reads and pools their rows, slower and with the same results. */
uint64_t smartssd_lookup_lost(struct smartssd_lookup *lookup);

#ifdef __cplusplus
}
#endif

#endif
