/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between the engine's files:
 *
 *   engine.c         create, destroy: the cards' memory and what lies where in it; counts
 *   engine_run.c     one call: checks, results that are kept, slices, means
 *   engine_plan.c    a slice on one card: which rows are wanted, where they are, what is to be read
 *   engine_held.c    rows in card memory: the row cache, what is pinned; forgetting
 *   engine_dram.c    rows pinned in host memory: which lookups of a slice they answer, their sums
 *   engine_job.c     a slice's job on one card: commands, and how it ended
 *   engine_host.c    a card's part of a slice by plain reads, when the card cannot do it; which rows cannot be read
 *
 * All planning is under the engine's lock; waiting for a job is not. So one thread plans its slice while another one's is on the cards.
 */
#ifndef SMARTSSD_STORE_ENGINE_IMPL_H
#define SMARTSSD_STORE_ENGINE_IMPL_H

#include <pthread.h>

#include "../../kernels/status.h"
#include "../op.h"
#include "cache_impl.h"
#include "engine.h"
#include "pooled.h"
#include "store_impl.h"

#define SLICES	      2
#define SLICE_LOOKUPS 65536u /* of a slice, at most: the number of one fits 16 bits, and one READ takes all extents of a file */
#define SLICE_RUNS    64u    /* kinds of rows, (format, dim), of a slice at most */
#define SLICE_TABLES  1024u  /* two READs for each stay below SMARTSSD_MAX_CMDS */
#define ROW_BITS      40     /* of a key; above it, a number that says which table */
#define NOWHERE	      UINT32_MAX /* no byte of card memory */

/* A shard that a card reads: a table, or one of its row-wise parts. */
struct source {
	struct table *table;
	uint32_t shard;
	uint32_t file[2]; /* registered with the card when it is first read: rows, delta; 0: not yet */
	uint32_t class;
	uint64_t key;	  /* of row 0 in the row cache: another one when all of it is forgotten */
	uint64_t pin_key; /* of row 0 in pins; stays */
};

/* Rows of one size share a cache. */
struct class {
	uint32_t row_bytes, slots;
	struct cache *cache; /* a slot's user byte: its row is on its way */
	uint64_t at;	     /* of slot 0 in the arena */
};

/* Keys in the order in which they came. */
struct key_set {
	uint64_t *keys;
	uint32_t nr, room;
	struct cache_index index; /* for room of them */
};

/* Rows that were pinned. A row that was forgotten is copied to its place again when it is wanted and nobody uses the old one any more. */
struct pins {
	uint64_t at, bytes, used; /* in the arena */
	struct key_set set;
	struct pin {
		uint32_t at, users;
		enum { PIN_EMPTY, PIN_FILLING, PIN_FORGOTTEN, PIN_THERE } state; /* FORGOTTEN: while it was being filled */
	} *pin; /* of each key */
	uint32_t room;
};

/* A table's rows that are pinned in host memory. */
struct dram {
	struct key_set set; /* numbers in the whole table */
	uint8_t *rows;	    /* encoded */
	uint8_t *there;	    /* 0: forgotten, or it could not be read: it is read again when it is wanted */
	uint32_t room_rows, room_there;
};

struct lane {
	struct smartssd_device *dev;
	struct smartssd_op_kernel bag, copy;
	struct smartssd_bo arena; /* classes, pins, then for each slice: staging, io */
	struct class *classes;
	uint32_t nr_classes;
	struct pins pins;
	struct source *sources;
	uint32_t nr_sources, room_sources;
	struct smartssd_counters before;
	bool lost;
};

/* A bag, or a part of one that is too long. */
struct piece {
	uint32_t asked; /* batch.asked[] */
	uint64_t bag;
	uint32_t nr;		/* lookups for the cards: */
	const int64_t *indices; /* in the request, or in the slice when some of the piece's are answered from host memory */
	const float *weights;	/* of these, or NULL */
	uint32_t dram, nr_dram; /* in slice.dram */
};

/* Bags of one (format, dim). */
struct run {
	uint32_t format, dim;
	uint32_t first, nr;	  /* pieces of the share */
	uint32_t lookup, lookups; /* first one, how many */
	uint32_t fill, fills;	  /* rows that are copied into slots: first one, how many */
	uint64_t y;		  /* first float */
};

/* READ: extents of one file. */
struct reading {
	uint32_t file;
	uint32_t first, nr; /* extents */
	uint64_t bytes;
};

/* A slot, or a pinned place, that a slice uses or fills. */
struct held {
	uint32_t slot;		   /* of a pinned row: its number in pins */
	uint32_t class : 30;	   /* of a slot */
	uint32_t pinned : 1, fill : 1;
};

enum share_end { SHARE_DONE, SHARE_HOST, SHARE_LOST }; /* HOST: the host is to do it; LOST: likewise, the card is gone */

/* A card's share of a slice. Arrays have room for e->max_lookups (and so many pieces); see share_create(). */
struct share {
	struct lane *lane;
	uint64_t staging, io; /* in the arena */
	uint32_t *pieces;     /* numbers in slice.pieces */
	uint32_t *offset;     /* [nr_pieces + 1] lookups */
	uint32_t nr_pieces;
	uint32_t *word; /* of each lookup: byte in the arena */
	float *weight;	/* of each lookup, when weighted */
	uint32_t nr_lookups;
	bool weighted;
	uint32_t *from, *to; /* bytes in the arena, of rows that are copied into slots */
	uint32_t nr_fills;
	struct held *held;
	uint32_t nr_held;
	struct run *runs;
	uint32_t nr_runs;
	struct smartssd_extent *extents;
	uint32_t nr_extents;
	struct reading *readings;
	uint32_t nr_readings;
	uint64_t read_bytes, y_floats;
	uint8_t *meta; /* what goes to the card */
	uint32_t room_meta;
	uint8_t *back; /* what comes from it: statuses, then y */
	uint32_t room_back;
	uint64_t y_at; /* of y in back */
	struct smartssd_list *list;
	struct smartssd_result *results;
	uint64_t job;
	bool planned, flying;
	enum share_end end;
};

struct slice {
	struct piece *pieces;
	uint32_t nr_pieces;
	/* With pinned_host, room for e->max_lookups of each; else NULL: */
	int64_t *indices;
	float *weights;
	struct dram_hit {
		uint32_t number; /* of the row in its table's dram */
		float weight;
	} *dram;
	uint32_t nr_dram;
	struct share *shares; /* one for each lane */
	bool busy;
	int ret; /* why it was not started */
};

/* One call of engine_run(). */
struct batch {
	struct engine_bags *bags;
	struct asked {
		uint64_t kind; /* format, dim, number of the table: those of a kind, and of a table, are neighbours */
		uint32_t request, known;
		uint64_t pooled;     /* key of kept results */
		uint64_t first_mark; /* of its bags in marks */
	} *asked;	 /* requests that passed the checks */
	uint32_t nr;
	uint8_t *marks; /* of each bag, when there is any cache: MARK_* */
	/* Where the next slice begins. */
	uint32_t at;
	uint64_t bag, lookup;
	struct slice *flying[SLICES]; /* oldest first */
	uint32_t nr_flying;
};

#define MARK_KEPT   1 /* its result was kept */
#define MARK_MISSED 2 /* a row of it was not in card memory */

struct engine {
	struct store *store;
	struct engine_options o;
	struct lane *lanes;
	uint32_t nr;
	uint64_t staging, io, y_room; /* bytes of each slice; y_room: for results */
	uint32_t max_lookups;
	pthread_mutex_t lock; /* all below, and in the lanes */
	pthread_cond_t idle;  /* a slice is not busy any more */
	struct slice slices[SLICES];
	struct pooled *pooled;
	struct engine_counts counts;
	uint32_t next_key;
	/* Tables in the order of their first use: a reference of our own, so what is registered and kept stays what it is. */
	struct known {
		struct table *table;
		uint64_t epoch;	  /* tells results of before and after an update apart */
		uint32_t *source; /* of each lane: number + 1 */
		struct dram dram;
	} *known;
	uint32_t nr_known, room_known, guess;
	uint64_t dram_used; /* bytes of rows in host memory */
	/* For planning a table: */
	uint64_t *rows, *hash; /* distinct rows; cache_hash() of their keys in the row cache */
	uint32_t *byte;	       /* where each is in the arena, or will be */
	uint8_t *missed;       /* 1: it is not in card memory */
	uint32_t *which;       /* of each lookup of the share: number of its row */
	uint32_t *seen;	       /* hash table of rows: number + seen_base; what is less is from before */
	uint32_t seen_base;
	uint64_t *keys, *other, *at, *wanted; /* for rows that are to be read */
};

static inline int engine_no_memory(struct smartssd_error *err)
{
	return smartssd_fail(err, -ENOMEM, "lookup: out of host memory");
}

/* The shard that lane @lane has of the table, or UINT32_MAX. */
static inline uint32_t engine_shard(const struct engine *e, const struct store_table *info, uint32_t lane)
{
	uint32_t shard = (lane + e->nr - info->volume) % e->nr;

	return shard < info->shards ? shard : UINT32_MAX;
}

/* engine_run.c. With the lock held: number of the table in known, made when it is new. */
int known_table(struct engine *e, struct table *t, uint32_t *out, struct smartssd_error *err);
int run_locked(struct engine *e, struct engine_bags *bags, uint32_t nr, struct smartssd_error *err);

/* engine_plan.c */
uint32_t plan_seen_room(uint32_t lookups); /* entries of e->seen for so many lookups */
int plan_source(struct engine *e, uint32_t lane, uint32_t known, uint32_t *out, struct smartssd_error *err);
/* What it took of card memory is held until held_release(), also after an error. */
int plan_share(struct engine *e, struct batch *b, struct slice *s, uint32_t lane, struct smartssd_error *err);

/* engine_held.c */
uint32_t key_set_find(const struct key_set *k, uint64_t key, uint64_t hash); /* its number, or CACHE_NONE */
int key_set_add(struct key_set *k, uint64_t key);			     /* one that is not in. -ENOMEM */
void key_set_free(struct key_set *k);
/*
 * The first @rows of e->rows: e->byte of each, NOWHERE and missed when it is not in card memory. Those that are to stay are added to p->from (number of the
 * row) and p->to. Returns how many are missed.
 */
uint32_t held_find(struct engine *e, struct share *p, uint32_t source, uint32_t rows);
/* @good: rows that were to be copied are there. */
void held_release(struct share *p, bool good);
void pins_free(struct pins *pins);

/*
 * engine_dram.c. Of a slice whose pieces are whole: what host memory answers is taken out of them; dram_pool() adds it to the requests' y, before the lock is
 * given up.
 */
void dram_split(struct engine *e, struct batch *b, struct slice *s);
void dram_pool(struct engine *e, struct batch *b, const struct slice *s);
int dram_pin(struct engine *e, uint32_t known, const int64_t *rows, uint64_t nr, uint64_t *done, struct smartssd_error *err);
void dram_forget(struct dram *d, const int64_t *rows, uint64_t nr); /* NULL: all */
void dram_free(struct dram *d);

/* engine_job.c */
uint64_t job_io_bytes(const struct engine *e);
int job_submit(struct engine *e, struct slice *s, uint32_t lane, struct smartssd_error *err);
/* p->end says what is to be done; without the lock. */
int job_wait(struct share *p, struct smartssd_error *err);
const float *job_y(const struct share *p);

/* engine_host.c: the encoded row of a shard, by plain reads; -errno. */
int host_read_row(const struct table *t, uint32_t shard, uint64_t row, void *out);
/* Adds to the requests' y; a row that cannot be read: the status of its request. */
void host_share(struct engine *e, struct batch *b, const struct slice *s, uint32_t lane);

#endif
