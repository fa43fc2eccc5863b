// SPDX-License-Identifier: BSD-2-Clause
#include <inttypes.h>
#include <stdio.h>

#include "engine_impl.h"

/* ---- requests ---- */

int known_table(struct engine *e, struct table *t, uint32_t *out, struct smartssd_error *err)
{
	const struct store_table *info = table_info(t);
	struct table *mine;
	uint32_t *source;
	int ret;

	/* Batches come in the same order again and again: the first guess is mostly right. */
	for (uint32_t i = 0; i < e->nr_known; i++) {
		*out = e->guess + i < e->nr_known ? e->guess + i : e->guess + i - e->nr_known;
		if (e->known[*out].table == t) {
			e->guess = *out + 1 < e->nr_known ? *out + 1 : 0;
			return 0;
		}
	}
	if (info->rows >> ROW_BITS || e->nr_known >= 1u << (64 - ROW_BITS - 1))
		return smartssd_fail(err, -EOVERFLOW, "table '%s': %" PRIu64 " rows are too many, or there were too many tables", info->name, info->rows);
	for (uint32_t shard = 0; shard < info->shards; shard++)
		if ((table_rows(t, shard)->offset + table_rows(t, shard)->bytes) >> 48 || (table_delta(t, shard)->offset + table_delta(t, shard)->bytes) >> 48)
			return smartssd_fail(err, -EOVERFLOW, "table '%s': it lies beyond 2^48 bytes of its volume", info->name);
	if (smartssd_grow(&e->known, &e->room_known, e->nr_known + 1, 16, sizeof(*e->known)))
		return engine_no_memory(err);
	source = calloc(e->nr, sizeof(*source));
	if (!source)
		return engine_no_memory(err);
	ret = table_open(e->store, info->name, &mine, err);
	if (!ret && mine != t) {
		table_close(mine);
		ret = smartssd_fail(err, -ESTALE, "table '%s' was written anew: open it again", info->name);
	}
	if (ret) {
		free(source);
		return ret;
	}
	*out = e->nr_known++;
	e->known[*out] = (struct known){ .table = t, .source = source };
	return 0;
}

static int check_offsets(struct engine_bags *b, const struct store_table *info)
{
	for (uint64_t k = 0; k < b->bags; k++)
		if (b->offsets[k] < 0 || b->offsets[k + 1] < b->offsets[k])
			return smartssd_fail(&b->err, -EINVAL, "table '%s': offsets[%" PRIu64 "] is %" PRId64 ", offsets[%" PRIu64 "] is %" PRId64 ": they begin at 0 or above and do not decrease",
					     info->name, b->first_bag + k, b->offsets[k], b->first_bag + k + 1, b->offsets[k + 1]);
	return 0;
}

static int check_indices(struct engine_bags *b, const struct store_table *info)
{
	uint64_t bad = 0;

	for (int64_t i = b->offsets[0]; i < b->offsets[b->bags]; i++)
		bad += (uint64_t)b->indices[i] >= info->rows; /* negative ones too */
	for (uint64_t k = 0; k < b->bags && bad; k++)
		for (int64_t i = b->offsets[k]; i < b->offsets[k + 1]; i++)
			if ((uint64_t)b->indices[i] >= info->rows)
				return smartssd_fail(&b->err, -ERANGE, "table '%s', bag %" PRIu64 ", position %" PRId64 ": index %" PRId64 "; it has %" PRIu64 " rows", info->name, b->first_bag + k,
						     i - b->offsets[k], b->indices[i], info->rows);
	return 0;
}

/* Bytes of staging memory that a lookup can need. */
static uint64_t worst_bytes(const struct engine *e, const struct store_table *info)
{
	return align_up(info->layout.row_bytes, info->layout.block) + e->o.gap;
}

static int check_request(struct engine *e, struct engine_bags *b)
{
	const struct store_table *info = table_info(b->table);
	int ret = 0;

	if (b->weights && b->mean)
		return smartssd_fail(&b->err, -EINVAL, "table '%s': weights go with sum only: a weighted mean is not defined", info->name);
	if (b->bags)
		ret = check_offsets(b, info);
	if (b->bags && !ret)
		ret = check_indices(b, info);
	if (!ret && (worst_bytes(e, info) > e->staging || info->dim * sizeof(float) > e->y_room))
		ret = smartssd_fail(&b->err, -ENOMEM, "table '%s': one row with its blocks needs %" PRIu64 " bytes of card memory, %" PRIu64 " are set aside", info->name, worst_bytes(e, info),
				    e->staging);
	return ret;
}

static int by_kind(const void *a, const void *b)
{
	const struct asked *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->request < y->request ? -1 : x->request > y->request;
}

static bool any_cache(const struct engine *e)
{
	return e->o.pooled_cache || e->o.pinned_host || (!e->o.no_dedup && (e->o.row_cache || e->o.pinned));
}

/* The requests that are good, in the order in which they are done. With the lock held. */
static int begin(struct engine *e, struct batch *b, struct engine_bags *bags, uint32_t nr, struct smartssd_error *err)
{
	uint64_t marks = 0;
	bool sorted = true;

	*b = (struct batch){ .bags = bags, .asked = calloc((size_t)nr + 1, sizeof(*b->asked)) };
	if (!b->asked)
		return engine_no_memory(err);
	for (uint32_t i = 0; i < nr; i++) {
		const struct store_table *info = table_info(bags[i].table);
		struct asked *a = &b->asked[b->nr];

		if (bags[i].status)
			continue;
		bags[i].status = known_table(e, bags[i].table, &a->known, &bags[i].err);
		if (bags[i].status || !bags[i].bags)
			continue;
		a->request = i;
		a->kind = (uint64_t)info->format << 56 | (uint64_t)info->dim << 40 | a->known;
		a->pooled = (uint64_t)a->known << ROW_BITS | (e->known[a->known].epoch & ((1ull << ROW_BITS) - 1));
		a->first_mark = marks;
		marks += bags[i].bags;
		sorted &= !b->nr || by_kind(a - 1, a) < 0;
		b->nr++;
		e->counts.bags += bags[i].bags;
		e->counts.rows += (uint64_t)(bags[i].offsets[bags[i].bags] - bags[i].offsets[0]);
		memset(bags[i].y, 0, bags[i].bags * info->dim * sizeof(float));
	}
	if (!sorted)
		qsort(b->asked, b->nr, sizeof(*b->asked), by_kind);
	if (!any_cache(e))
		return 0;
	b->marks = calloc(marks + 1, 1);
	return b->marks ? 0 : engine_no_memory(err);
}

/* Sums are kept, so that mean and sum share them. */
static void end(struct engine *e, const struct batch *b)
{
	for (uint32_t i = 0; i < b->nr; i++) {
		const struct asked *a = &b->asked[i];
		const struct engine_bags *r = &b->bags[a->request];
		uint32_t dim = table_info(r->table)->dim;

		for (uint64_t k = 0; k < r->bags && !r->status; k++) {
			uint64_t nr = (uint64_t)(r->offsets[k + 1] - r->offsets[k]);
			uint8_t mark = b->marks ? b->marks[a->first_mark + k] : 0;
			float *y = r->y + k * dim;

			if (!nr)
				continue;
			e->counts.row_bags_all += b->marks && !mark;
			if (e->o.pooled_cache && !r->weights && !(mark & MARK_KEPT) && e->known[a->known].epoch == (a->pooled & ((1ull << ROW_BITS) - 1)))
				pooled_keep(e->pooled, a->pooled, 0, r->indices + r->offsets[k], nr, dim, y);
			if (r->mean)
				for (uint32_t d = 0; d < dim; d++)
					y[d] /= (float)nr;
		}
	}
}

/* ---- slices ---- */

static bool find_kept(struct engine *e, struct batch *b, const struct asked *a, uint64_t bag)
{
	const struct engine_bags *r = &b->bags[a->request];
	uint64_t first = (uint64_t)r->offsets[bag];
	uint32_t dim = table_info(r->table)->dim;

	if (!e->o.pooled_cache || r->weights || !pooled_find(e->pooled, a->pooled, 0, r->indices + first, (uint64_t)r->offsets[bag + 1] - first, dim, r->y + bag * dim))
		return false;
	b->marks[a->first_mark + bag] |= MARK_KEPT;
	e->counts.pooled_hits++;
	e->counts.pooled_rows += (uint64_t)r->offsets[bag + 1] - first;
	return true;
}

/* As many bags as fit; a bag that does not fit at all, in parts. b->at becomes b->nr at the end. */
static void fill_slice(struct engine *e, struct batch *b, struct slice *s)
{
	uint64_t lookups = 0, bytes = 0, y = 0, kind = UINT64_MAX;
	uint32_t runs = 0, tables = 0;

	s->nr_pieces = 0;
	for (; b->at < b->nr; b->at++, b->bag = b->lookup = 0) {
		const struct asked *a = &b->asked[b->at];
		const struct engine_bags *r = &b->bags[a->request];
		const struct store_table *info = table_info(r->table);
		uint64_t each = worst_bytes(e, info), y_each = info->dim * sizeof(float);

		if (r->status) /* a row of it could not be read */
			continue;
		if (a->kind != kind) {
			if (tables == SLICE_TABLES || (a->kind >> 40 != kind >> 40 && runs == SLICE_RUNS))
				return;
			tables++;
			runs += kind == UINT64_MAX || a->kind >> 40 != kind >> 40;
			kind = a->kind;
		}
		for (; b->bag < r->bags; b->bag++, b->lookup = 0) {
			uint64_t first = (uint64_t)r->offsets[b->bag] + b->lookup, left = (uint64_t)r->offsets[b->bag + 1] - first;
			uint64_t fit = min_u64(e->max_lookups - lookups, (e->staging - bytes) / each);

			if (!left || (!b->lookup && find_kept(e, b, a, b->bag)))
				continue;
			if (!fit || y + y_each > e->y_room || (left > fit && s->nr_pieces))
				return;
			fit = min_u64(fit, left);
			s->pieces[s->nr_pieces++] = (struct piece){ .asked = b->at, .bag = b->bag, .nr = (uint32_t)fit, .indices = r->indices + first,
								    .weights = r->weights ? r->weights + first : NULL };
			lookups += fit;
			bytes += fit * each;
			y += y_each;
			if (fit < left) {
				b->lookup += fit;
				return;
			}
		}
	}
}

static void add_results(struct batch *b, const struct slice *s, const struct share *p)
{
	for (uint32_t i = 0; i < p->nr_runs; i++) {
		const struct run *r = &p->runs[i];
		const float *from = job_y(p) + r->y;

		for (uint32_t k = 0; k < r->nr; k++) {
			const struct piece *piece = &s->pieces[p->pieces[r->first + k]];
			float *to = b->bags[b->asked[piece->asked].request].y + piece->bag * r->dim;

			for (uint32_t d = 0; d < r->dim; d++)
				to[d] += *from++;
		}
	}
}

static void start_slice(struct engine *e, struct batch *b, struct slice *s, struct smartssd_error *err)
{
	uint64_t start = smartssd_now();

	e->counts.slices++;
	for (uint32_t i = 0; i < SLICES; i++)
		if (&e->slices[i] != s && e->slices[i].busy) {
			e->counts.overlapped++;
			break;
		}
	s->ret = 0;
	for (uint32_t i = 0; i < e->nr; i++)
		s->shares[i].planned = s->shares[i].flying = false;
	if (e->dram_used)
		dram_split(e, b, s);
	for (uint32_t i = 0; i < e->nr && !s->ret; i++) {
		if (!e->lanes[i].lost)
			s->ret = plan_share(e, b, s, i, err);
		if (!e->lanes[i].lost && !s->ret)
			s->ret = job_submit(e, s, i, err);
	}
	e->counts.plan_ns += smartssd_now() - start;
	if (e->dram_used && !s->ret)
		dram_pool(e, b, s);
}

/* The oldest one of this batch. The lock is not held while it waits. */
static int finish_slice(struct engine *e, struct batch *b, struct smartssd_error *err)
{
	struct slice *s = b->flying[0];
	int ret = s->ret;

	pthread_mutex_unlock(&e->lock);
	for (uint32_t i = 0; i < e->nr; i++) {
		/* An error of the first stays; the others are waited for all the same. */
		struct smartssd_error *text = ret ? NULL : err;
		int late = s->shares[i].flying ? job_wait(&s->shares[i], text) : 0;

		ret = ret ? ret : late;
	}
	pthread_mutex_lock(&e->lock);
	for (uint32_t i = 0; i < e->nr; i++) {
		struct share *p = &s->shares[i];

		if (p->planned)
			held_release(p, !ret && p->end == SHARE_DONE);
		e->lanes[i].lost |= p->planned && p->end == SHARE_LOST;
		if (ret)
			continue;
		if (!p->planned || p->end != SHARE_DONE)
			host_share(e, b, s, i);
		else if (p->nr_pieces)
			add_results(b, s, p);
	}
	b->flying[0] = b->flying[1];
	b->nr_flying--;
	s->busy = false;
	pthread_cond_broadcast(&e->idle);
	return ret;
}

/* One that is not busy; those of this batch are finished before another thread's are waited for, so nobody waits in a circle. */
static int get_slice(struct engine *e, struct batch *b, struct slice **out, struct smartssd_error *err)
{
	for (;;) {
		for (uint32_t i = 0; i < SLICES; i++) {
			if (e->slices[i].busy)
				continue;
			*out = &e->slices[i];
			return 0;
		}
		if (b->nr_flying) {
			int ret = finish_slice(e, b, err);

			if (ret)
				return ret;
		} else {
			pthread_cond_wait(&e->idle, &e->lock);
		}
	}
}

static int run_slices(struct engine *e, struct batch *b, struct smartssd_error *err)
{
	int ret = 0;

	while (b->at < b->nr && !ret) {
		struct slice *s;

		ret = get_slice(e, b, &s, err);
		if (ret)
			break;
		fill_slice(e, b, s);
		if (!s->nr_pieces)
			continue;
		s->busy = true;
		b->flying[b->nr_flying++] = s;
		start_slice(e, b, s, err);
		ret = s->ret;
	}
	while (b->nr_flying) {
		int late = finish_slice(e, b, ret ? NULL : err);

		ret = ret ? ret : late;
	}
	return ret;
}

int run_locked(struct engine *e, struct engine_bags *bags, uint32_t nr, struct smartssd_error *err)
{
	struct batch b;
	int ret = begin(e, &b, bags, nr, err);

	if (!ret)
		ret = run_slices(e, &b, err);
	if (!ret)
		end(e, &b);
	free(b.asked);
	free(b.marks);
	return ret;
}

int engine_run(struct engine *e, struct engine_bags *bags, uint32_t nr, struct smartssd_error *err)
{
	int ret;

	for (uint32_t i = 0; i < nr; i++) {
		bags[i].err.text[0] = 0;
		bags[i].status = check_request(e, &bags[i]);
	}
	pthread_mutex_lock(&e->lock);
	ret = run_locked(e, bags, nr, err);
	pthread_mutex_unlock(&e->lock);
	return ret;
}
