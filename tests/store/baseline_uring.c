// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a competent user would have: rows read by io_uring with O_DIRECT into registered buffers, registered files, up to DEPTH reads in flight;
 * pooling on the host. Each thread has a
 * ring of its own and two batches under way: while one is pooled, the next one's rows are read, and reads that are done are replaced by further ones between any two bags.
 *
 * The lookups of a batch are sorted by their place on the drive. So a row that several bags want is looked for in the cache once, a block that
 * several rows are in is read once, and
 * blocks that are no farther apart than GAP are one read.
 *
 * With a cache: rows in host memory, replaced by CLOCK. A row that is read gets a slot at once, and is copied there when it has come. A slot that a
 * batch under way uses is not given
 * to another row: it has the number of the last batch that wants it.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "bench/lookups.h"

#define DEPTH	  512
#define SUBMIT	  32		/* reads that the kernel is told of at a time */
#define GAP	  2048u		/* bytes */
#define MOST_READ (32u << 10)	/* bytes of a read */
#define ROW_BITS  32
#define NOBODY	  UINT32_MAX
#define CLOCK_MOST 4096 /* slots that are looked at for one that may go */

struct slot {
	uint64_t key, wanted_by; /* number of the last batch */
	uint32_t next;		 /* of its chain */
	uint32_t filler;	 /* thread that fills it; NOBODY: it is filled */
	bool used;
};

struct cache {
	pthread_mutex_t lock;
	uint32_t slots, used, hand, bits;
	struct slot *slot;
	uint32_t *chain;
	uint8_t *rows;
	uint64_t batches;   /* that have a number */
	uint64_t *under_way; /* of each thread: its oldest batch that is not done; UINT64_MAX: none */
};

struct read {
	uint64_t at;
	uint32_t file, bytes, to, got;
	struct flight *flight;
};

struct fill {
	uint32_t slot;
	const uint8_t *from;
};

struct flight {
	struct job job;
	uint64_t number;
	uint8_t *blocks;
	const float **rows; /* [table][query][lookup] */
	struct read *reads;
	uint32_t nr_reads, issued, done;
	struct fill *fills;
	uint32_t nr_fills;
};

struct uring_thread {
	struct uring *all;
	uint32_t number, in_ring;
	struct io_uring ring;
	struct flight flight[2];
	uint64_t *keys, *other;
	float *y;
	/* Since the last report. */
	uint64_t rows, hits, reads, bytes, plan_ns, pool_ns, wait_ns;
};

struct uring {
	struct way_options o;
	uint32_t row_bytes, align;
	int *fd;
	struct cache cache;
	struct uring_thread *threads;
};

/* ---- the cache; with its lock held ---- */

static uint32_t *chain_of(const struct cache *c, uint64_t key)
{
	return &c->chain[key * 0x9e3779b97f4a7c15ull >> (64 - c->bits)];
}

static uint32_t cache_find(const struct cache *c, uint64_t key)
{
	uint32_t i = *chain_of(c, key);

	while (i != NOBODY && c->slot[i].key != key)
		i = c->slot[i].next;
	return i;
}

/* A slot for @key; NOBODY: none can go now. @oldest: the oldest batch that is not done. */
static uint32_t cache_take(struct cache *c, uint64_t key, uint64_t oldest)
{
	uint32_t i = NOBODY, *link;

	if (c->used < c->slots) {
		i = c->used++;
	} else {
		for (uint32_t n = 0; n < CLOCK_MOST && i == NOBODY; n++) {
			struct slot *s = &c->slot[c->hand];

			__builtin_prefetch(&c->slot[c->hand + 8 < c->slots ? c->hand + 8 : 0], 1);
			if (s->wanted_by < oldest && s->filler == NOBODY) {
				if (!s->used)
					i = c->hand;
				s->used = false;
			}
			c->hand = c->hand + 1 == c->slots ? 0 : c->hand + 1;
		}
		if (i == NOBODY)
			return NOBODY;
		for (link = chain_of(c, c->slot[i].key); *link != i; link = &c->slot[*link].next)
			;
		*link = c->slot[i].next;
	}
	link = chain_of(c, key);
	c->slot[i] = (struct slot){ .key = key, .next = *link };
	*link = i;
	return i;
}

static uint64_t cache_oldest(const struct uring *u)
{
	uint64_t oldest = UINT64_MAX;

	for (uint32_t i = 0; i < u->o.threads; i++)
		oldest = u->cache.under_way[i] < oldest ? u->cache.under_way[i] : oldest;
	return oldest;
}

static void cache_open(struct cache *c, const struct way_options *o, uint32_t row_bytes)
{
	c->slots = (uint32_t)(o->cache / row_bytes);
	for (c->bits = 4; 1ull << c->bits < c->slots; c->bits++)
		;
	c->slot = allocate((c->slots + 1) * sizeof(*c->slot));
	c->chain = allocate((sizeof(*c->chain)) << c->bits);
	memset(c->chain, 0xff, (sizeof(*c->chain)) << c->bits);
	c->rows = allocate((uint64_t)c->slots * row_bytes);
	c->under_way = allocate(o->threads * sizeof(*c->under_way));
	for (uint32_t i = 0; i < o->threads; i++)
		c->under_way[i] = UINT64_MAX;
	pthread_mutex_init(&c->lock, NULL);
}

/* ---- planning ---- */

/* By bits 32 and up, @bits of them. */
static uint64_t *sort(uint64_t *keys, uint64_t *other, uint64_t nr, uint32_t bits)
{
	for (uint32_t shift = 32; shift < 32 + bits; shift += 11) {
		uint32_t count[2048] = { 0 }, sum = 0;
		uint64_t *t;

		for (uint64_t i = 0; i < nr; i++)
			count[keys[i] >> shift & 2047]++;
		for (uint32_t i = 0; i < 2048; i++) {
			uint32_t n = count[i];

			count[i] = sum;
			sum += n;
		}
		for (uint64_t i = 0; i < nr; i++)
			other[count[keys[i] >> shift & 2047]++] = keys[i];
		t = keys;
		keys = other;
		other = t;
	}
	return keys;
}

static uint32_t bits_of(uint64_t n)
{
	uint32_t bits = 0;

	while (n >> bits)
		bits++;
	return bits;
}

/* Blocks that a row is in. */
static uint64_t span_bytes(const struct uring *u)
{
	return ((uint64_t)u->row_bytes + u->align - 1) / u->align * u->align;
}

/*
 * Where in f->blocks the row will be. There is room for the blocks of each lookup; @most: what those up to this one may take, so that what lies between blocks takes no more than
 * was saved.
 */
static uint32_t read_row(struct uring_thread *t, struct flight *f, uint32_t table, uint64_t row, uint32_t *room, uint64_t most)
{
	const struct uring *u = t->all;
	uint64_t at = u->o.tables[table].offset + row * u->row_bytes, first = at & ~(uint64_t)(u->align - 1), end = (at + u->row_bytes + u->align - 1) & ~(uint64_t)(u->align - 1);
	struct read *r = f->nr_reads ? &f->reads[f->nr_reads - 1] : NULL;

	if (!r || r->file != table || first > r->at + r->bytes + GAP || end - r->at > MOST_READ ||
	    (end > r->at + r->bytes && *room + (end - (r->at + r->bytes)) > most)) {
		r = &f->reads[f->nr_reads++];
		*r = (struct read){ .at = first, .file = table, .to = *room, .flight = f };
	}
	if (end > r->at + r->bytes) {
		*room += (uint32_t)(end - (r->at + r->bytes));
		r->bytes = (uint32_t)(end - r->at);
	}
	return r->to + (uint32_t)(at - r->at);
}

static uint64_t gather(struct uring_thread *t, const struct job *job, uint64_t **sorted, uint32_t row_bits)
{
	const struct shape *s = t->all->o.shape;
	uint64_t nr = shape_rows(s), each = (uint64_t)s->batch * s->lookups;

	for (uint64_t i = 0; i < nr; i++)
		t->keys[i] = ((i / each) << row_bits | (uint64_t)job->indices[i]) << 32 | i;
	*sorted = sort(t->keys, t->other, nr, row_bits + bits_of(s->tables - 1));
	return nr;
}

static void plan(struct uring_thread *t, struct flight *f)
{
	struct uring *u = t->all;
	struct cache *c = u->cache.slots ? &u->cache : NULL;
	uint32_t row_bits = bits_of(u->o.shape->rows - 1), room = 0;
	uint64_t start = smartssd_now(), *k, nr = gather(t, &f->job, &k, row_bits), oldest = 0;

	f->nr_reads = f->issued = f->done = f->nr_fills = 0;
	if (c) {
		pthread_mutex_lock(&c->lock);
		f->number = ++c->batches;
		if (c->under_way[t->number] == UINT64_MAX)
			c->under_way[t->number] = f->number;
		oldest = cache_oldest(u);
	}
	for (uint64_t i = 0, end; i < nr; i = end) {
		uint64_t key = k[i] >> 32, row = key & ((1ull << row_bits) - 1);
		uint32_t slot = NOBODY, mine = NOBODY;
		const uint8_t *at;

		for (end = i + 1; end < nr && k[end] >> 32 == key; end++)
			;
		if (c) {
			if (end + 24 < nr)
				__builtin_prefetch(chain_of(c, k[end + 24] >> 32));
			if (end + 12 < nr && *chain_of(c, k[end + 12] >> 32) != NOBODY)
				__builtin_prefetch(&c->slot[*chain_of(c, k[end + 12] >> 32)], 1);
			slot = cache_find(c, key);
			if (slot == NOBODY)
				slot = mine = cache_take(c, key, oldest);
			else if (c->slot[slot].filler != NOBODY && c->slot[slot].filler != t->number)
				slot = NOBODY; /* another thread's, and not there yet */
		}
		if (slot != NOBODY) {
			c->slot[slot].wanted_by = f->number;
			c->slot[slot].used = slot != mine;
		}
		if (slot != NOBODY && slot != mine) {
			at = c->rows + (uint64_t)slot * u->row_bytes;
			t->hits += end - i;
		} else {
			at = f->blocks + read_row(t, f, (uint32_t)(key >> row_bits), row, &room, end * span_bytes(u));
		}
		if (mine != NOBODY) {
			c->slot[mine].filler = t->number;
			f->fills[f->nr_fills++] = (struct fill){ mine, at };
		}
		for (uint64_t n = i; n < end; n++)
			f->rows[(uint32_t)k[n]] = (const float *)(const void *)at;
	}
	if (c)
		pthread_mutex_unlock(&c->lock);
	t->rows += nr;
	t->plan_ns += smartssd_now() - start;
}

/* ---- reading ---- */

static void prepare(struct uring_thread *t, struct read *r)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&t->ring);
	struct flight *f = r->flight;

	io_uring_prep_read_fixed(sqe, (int)r->file, f->blocks + r->to + r->got, r->bytes - r->got, r->at + r->got, (int)(f - t->flight));
	sqe->flags |= IOSQE_FIXED_FILE;
	io_uring_sqe_set_data(sqe, r);
}

static void reap(struct uring_thread *t)
{
	struct io_uring_cqe *cqes[64];
	uint32_t n;

	while ((n = io_uring_peek_batch_cqe(&t->ring, cqes, 64))) {
		for (uint32_t i = 0; i < n; i++) {
			struct read *r = io_uring_cqe_get_data(cqes[i]);
			int res = cqes[i]->res;

			if (res <= 0 && res != -EINTR && res != -EAGAIN)
				die(res ? -res : EIO, "%s: read of %u bytes at %llu", t->all->o.tables[r->file].path, r->bytes, (unsigned long long)r->at);
			r->got += res > 0 ? (uint32_t)res : 0;
			if (r->got == r->bytes) {
				r->flight->done++;
				t->in_ring--;
			} else {
				prepare(t, r);
			}
		}
		io_uring_cq_advance(&t->ring, n);
	}
}

/* Keeps the ring full, from the older batch first. @wait: until something has come. */
static void pump(struct uring_thread *t, struct flight *older, struct flight *newer, bool wait)
{
	struct flight *f[2] = { older, newer };
	uint32_t new = 0;
	int ret = 0;

	reap(t);
	for (uint32_t i = 0; i < 2; i++) {
		while (f[i] && f[i]->issued < f[i]->nr_reads && t->in_ring < DEPTH) {
			struct read *r = &f[i]->reads[f[i]->issued++];

			t->in_ring++;
			t->reads++;
			t->bytes += r->bytes;
			prepare(t, r);
			if (++new % SUBMIT == 0)
				ret = io_uring_submit(&t->ring);
		}
	}
	if (wait && t->in_ring)
		ret = io_uring_submit_and_wait(&t->ring, t->in_ring < 16 ? 1 : 16);
	else
		ret = io_uring_submit_and_get_events(&t->ring); /* completions are work of this thread, too */
	if (ret < 0 && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY)
		die(-ret, "io_uring");
}

/* ---- a run ---- */

static void fill_slots(struct uring_thread *t, struct flight *f)
{
	struct cache *c = &t->all->cache;
	uint32_t bytes = t->all->row_bytes;

	for (uint32_t i = 0; i < f->nr_fills; i++) {
		__builtin_prefetch(c->rows + (uint64_t)f->fills[i + 8 < f->nr_fills ? i + 8 : i].slot * bytes, 1);
		memcpy(c->rows + (uint64_t)f->fills[i].slot * bytes, f->fills[i].from, bytes);
	}
	if (!f->nr_fills)
		return;
	pthread_mutex_lock(&c->lock);
	for (uint32_t i = 0; i < f->nr_fills; i++)
		c->slot[f->fills[i].slot].filler = NOBODY;
	pthread_mutex_unlock(&c->lock);
}

static void finish(struct uring_thread *t, struct flight *f, struct flight *next, struct work *w)
{
	const struct shape *s = t->all->o.shape;
	uint64_t start = smartssd_now(), waited;

	while (f->done < f->nr_reads)
		pump(t, f, next, true);
	waited = smartssd_now();
	t->wait_ns += waited - start;
	fill_slots(t, f);
	for (uint64_t bag = 0; bag < shape_bags(s); bag++) {
		pool_rows(f->rows + bag * s->lookups, s->lookups, s->dim, t->y + bag * s->dim);
		if (next && bag % 8 == 0)
			pump(t, next, NULL, false);
	}
	work_done(w, &f->job, t->y);
	if (t->all->cache.slots) {
		pthread_mutex_lock(&t->all->cache.lock);
		t->all->cache.under_way[t->number] = next ? next->number : UINT64_MAX;
		pthread_mutex_unlock(&t->all->cache.lock);
	}
	t->pool_ns += smartssd_now() - waited;
}

static struct flight *begin(struct uring_thread *t, struct flight *f, struct work *w)
{
	if (!work_next(w, &f->job))
		return NULL;
	plan(t, f);
	return f;
}

static void run_uring(void *way, uint32_t thread, struct work *w)
{
	struct uring_thread *t = &((struct uring *)way)->threads[thread];
	struct flight *f = begin(t, &t->flight[0], w);

	while (f) {
		struct flight *next;

		pump(t, f, NULL, false);
		next = begin(t, &t->flight[f == &t->flight[0]], w);
		finish(t, f, next, w);
		f = next;
	}
}

/* ---- opening ---- */

static void thread_uring(void *way, uint32_t number)
{
	struct uring *u = way;
	struct uring_thread *t = &u->threads[number];
	const struct shape *s = u->o.shape;
	uint64_t n = shape_rows(s), bytes = n * span_bytes(u);
	struct io_uring_params p = { .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN };
	struct iovec v[2];
	int ret;

	t->all = u;
	t->number = number;
	t->keys = allocate(n * sizeof(*t->keys));
	t->other = allocate(n * sizeof(*t->other));
	t->y = allocate(shape_bags(s) * s->dim * sizeof(float));
	if (bytes > UINT32_MAX)
		die(EINVAL, "a batch that large");
	for (int i = 0; i < 2; i++) {
		struct flight *f = &t->flight[i];

		f->blocks = allocate(bytes);
		f->rows = allocate((n + 64) * sizeof(*f->rows)); /* more are fetched ahead than there are */
		for (int k = 0; k < 64; k++)
			f->rows[n + (uint64_t)k] = t->y;
		f->reads = allocate(n * sizeof(*f->reads));
		f->fills = allocate(u->cache.slots ? n * sizeof(*f->fills) : 1);
		v[i] = (struct iovec){ f->blocks, bytes };
	}
	ret = io_uring_queue_init_params(DEPTH, &t->ring, &p);
	if (ret == -EINVAL) { /* before 6.1 */
		p = (struct io_uring_params){ 0 };
		ret = io_uring_queue_init_params(DEPTH, &t->ring, &p);
	}
	if (!ret)
		ret = io_uring_register_files(&t->ring, u->fd, s->tables);
	if (!ret)
		ret = io_uring_register_buffers(&t->ring, v, 2);
	if (ret)
		die(-ret, "io_uring");
}

static void *open_uring(const struct way_options *o)
{
	struct uring *u = allocate(sizeof(*u));

	u->o = *o;
	u->row_bytes = (uint32_t)(o->shape->dim * sizeof(float));
	u->fd = allocate(o->shape->tables * sizeof(*u->fd));
	u->threads = allocate(o->threads * sizeof(*u->threads));
	for (uint32_t i = 0; i < o->shape->tables; i++) {
		u->fd[i] = open(o->tables[i].path, O_RDONLY | O_DIRECT | O_CLOEXEC);
		if (u->fd[i] < 0)
			die(errno, "%s: O_DIRECT", o->tables[i].path);
	}
	u->align = table_info(o->tables[0].table)->layout.block;
	cache_open(&u->cache, o, u->row_bytes);
	return u;
}

static void report_uring(void *way, double queries, FILE *to)
{
	struct uring *u = way;
	uint64_t rows = 0, hits = 0, reads = 0, bytes = 0, plan_ns = 0, pool_ns = 0, wait_ns = 0;

	for (uint32_t i = 0; i < u->o.threads; i++) {
		struct uring_thread *t = &u->threads[i];

		rows += t->rows;
		hits += t->hits;
		reads += t->reads;
		bytes += t->bytes;
		plan_ns += t->plan_ns;
		pool_ns += t->pool_ns;
		wait_ns += t->wait_ns;
		t->rows = t->hits = t->reads = t->bytes = t->plan_ns = t->pool_ns = t->wait_ns = 0;
	}
	fprintf(to, "%.0f reads, %.0f KB from the drive a query, hits %.1f %% of lookups; us a query: planning %.1f, waiting for reads %.1f, pooling and issuing reads %.1f",
		(double)reads / queries, (double)bytes / queries / 1e3, 100 * (double)hits / (double)rows, (double)plan_ns / queries / 1e3, (double)wait_ns / queries / 1e3,
		(double)pool_ns / queries / 1e3);
}

static void close_uring(void *way)
{
	struct uring *u = way;

	for (uint32_t i = 0; i < u->o.shape->tables; i++)
		close(u->fd[i]);
}

const struct way way_uring = { .name = "uring", .open = open_uring, .thread = thread_uring, .run = run_uring, .report = report_uring, .close = close_uring };
