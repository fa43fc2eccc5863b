/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the programs that are compared have in common: tables, work, and how each is called. Tables are the store's, for all: the same bytes on the drive.
 *
 * A batch is some queries, each with one bag for each table. Batches are taken from a struct work by any number of threads; what they pooled goes
 * into a digest that does not depend
 * on the order of batches. Rows are small integers, so sums of floats are exact, in whatever order they are added: two programs with the same digest gave the same results.
 */
#ifndef TESTS_STORE_BENCH_LOOKUPS_H
#define TESTS_STORE_BENCH_LOOKUPS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "../../../runtime/store/store_impl.h"

struct shape {
	uint32_t tables, dim, lookups, batch; /* batch: queries */
	uint64_t rows;
};

struct work {
	const struct shape *shape;
	const int64_t *indices; /* [batch][table][query][lookup] */
	atomic_ulong next;
	unsigned long end; /* batches next..end-1 */
	atomic_ulong digest;
};

struct job {
	unsigned long number;
	const int64_t *indices; /* [table][query][lookup] */
};

static inline uint64_t shape_bags(const struct shape *s)
{
	return (uint64_t)s->tables * s->batch;
}

static inline uint64_t shape_rows(const struct shape *s)
{
	return shape_bags(s) * s->lookups;
}

/* False: there are no more. */
static inline bool work_next(struct work *w, struct job *j)
{
	j->number = atomic_fetch_add(&w->next, 1);
	j->indices = w->indices + j->number * shape_rows(w->shape);
	return j->number < w->end;
}

/* @y: [table][query][dim] */
static inline uint64_t work_digest(const struct shape *s, unsigned long number, const float *y)
{
	uint64_t n = shape_bags(s) * s->dim, at = number * n, sum = 0;

	for (uint64_t i = 0; i < n; i++)
		sum += (uint64_t)(int64_t)y[i] * (2 * (at + i) + 1);
	return sum;
}

static inline void work_done(struct work *w, const struct job *j, const float *y)
{
	atomic_fetch_add(&w->digest, work_digest(w->shape, j->number, y));
}

struct table_file {
	struct table *table;
	char path[4096]; /* of the file or device that its rows are in */
	uint64_t offset; /* of row 0 there */
};

struct way_options {
	const struct shape *shape;
	struct store *store;
	struct table_file *tables;
	uint64_t cache;	   /* bytes of rows */
	uint32_t threads;
	const char *policy; /* NULL: the default */
	const char *device; /* card */
	uint64_t staging;
	bool no_dedup;	/* engine */
	bool ahead;	/* mmap: as the kernel reads ahead by itself */
};

/* A way to do it. Errors end the program: die(). */
struct way {
	const char *name;
	void *(*open)(const struct way_options *o);
	void (*thread)(void *way, uint32_t thread); /* may be NULL; in the thread itself, before its first run */
	void (*run)(void *way, uint32_t thread, struct work *w);
	/* What happened since the last call, in one line; may be NULL. @queries: that were asked since. */
	void (*report)(void *way, double queries, FILE *to);
	void (*close)(void *way);
};

extern const struct way way_engine, way_mmap, way_uring;

void die(int error, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));
void *allocate(uint64_t bytes); /* zeros, at a page, in huge pages where there are any */

/* baseline_pool.c: sums @nr rows of @dim floats, with what the processor has. */
void pool_rows(const float *const *rows, uint32_t nr, uint32_t dim, float *y);

#endif
