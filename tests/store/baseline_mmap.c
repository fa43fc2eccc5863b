// SPDX-License-Identifier: BSD-2-Clause
/* The plain way: tables are mapped, the kernel keeps in memory what fits. It is told that accesses are random, so that a fault reads one page; with "ahead" it is not told. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/lookups.h"

#define PREFETCH 16 /* entries behind the pointers, that are fetched ahead */

struct mapped {
	struct way_options o;
	const float **table;
	struct mapping {
		void *at;
		uint64_t bytes;
	} *mapping;
	struct mmap_thread {
		const float **rows;
		float *y;
	} *threads;
};

static void *open_mapped(const struct way_options *o)
{
	struct mapped *m = allocate(sizeof(*m));

	m->o = *o;
	m->table = allocate(o->shape->tables * sizeof(*m->table));
	m->mapping = allocate(o->shape->tables * sizeof(*m->mapping));
	m->threads = allocate(o->threads * sizeof(*m->threads));
	for (uint32_t t = 0; t < o->shape->tables; t++) {
		const struct table_file *f = &o->tables[t];
		uint64_t from = f->offset & ~4095ull, bytes = f->offset + o->shape->rows * o->shape->dim * sizeof(float) - from;
		int fd = open(f->path, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			die(errno, "%s", f->path);
		m->mapping[t].at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, (off_t)from);
		m->mapping[t].bytes = bytes;
		if (m->mapping[t].at == MAP_FAILED || (!o->ahead && madvise(m->mapping[t].at, bytes, MADV_RANDOM)))
			die(errno, "%s: mmap", f->path);
		close(fd);
		m->table[t] = (const float *)(const void *)((char *)m->mapping[t].at + (f->offset - from));
	}
	for (uint32_t i = 0; i < o->threads; i++) {
		m->threads[i].rows = allocate((o->shape->lookups + PREFETCH) * sizeof(*m->threads[i].rows));
		m->threads[i].y = allocate(shape_bags(o->shape) * o->shape->dim * sizeof(float));
	}
	return m;
}

static void run_mapped(void *way, uint32_t thread, struct work *w)
{
	struct mapped *m = way;
	const struct shape *s = m->o.shape;
	struct mmap_thread *mine = &m->threads[thread];
	struct job j;

	while (work_next(w, &j)) {
		const int64_t *index = j.indices;

		for (uint64_t bag = 0; bag < shape_bags(s); bag++) {
			const float *table = m->table[bag / s->batch];

			for (uint32_t i = 0; i < s->lookups; i++)
				mine->rows[i] = table + (uint64_t)*index++ * s->dim;
			for (uint32_t i = 0; i < PREFETCH; i++) /* harmless */
				mine->rows[s->lookups + i] = mine->rows[s->lookups - 1];
			pool_rows(mine->rows, s->lookups, s->dim, mine->y + bag * s->dim);
		}
		work_done(w, &j, mine->y);
	}
}

static void close_mapped(void *way)
{
	struct mapped *m = way;

	for (uint32_t t = 0; t < m->o.shape->tables; t++)
		munmap(m->mapping[t].at, m->mapping[t].bytes);
}

const struct way way_mmap = { .name = "mmap", .open = open_mapped, .run = run_mapped, .close = close_mapped };
