// SPDX-License-Identifier: BSD-2-Clause
/*
 * A card's job for its share of a slice:
 *
 *   READ, one for each file                          -> staging area of the arena
 *   COPY positions, offsets, weights, from/to lists  -> io area
 *   RUN embedding_bag, one for each (format, dim)    after both: positions in the arena; y -> io area
 *   RUN row_copy, likewise                           rows that are to stay -> their slots
 *   COPY statuses and y -> host, all in one          after the RUNs
 *
 * Slots that a slice uses or fills are held until it is done, so no other slice's row_copy writes them.
 */
#include <inttypes.h>
#include <stdio.h>

#include "../../kernels/embedding_bag/embedding_bag.h"
#include "engine_impl.h"

enum bag_arg { BAG_TABLE, BAG_INDEX, BAG_OFFSET, BAG_WEIGHT, BAG_Y, BAG_STATUS, BAG_FORMAT, BAG_DIM, BAG_PITCH, BAG_ROWS, BAG_BAGS, BAG_LOOKUPS, BAG_MODE, BAG_FLAGS };
enum copy_arg { COPY_SRC, COPY_DST, COPY_FROM, COPY_TO, COPY_STATUS, COPY_ROWS, COPY_ROW_BYTES, COPY_UNIT };

#define ALIGN	     64
#define STATUS_BYTES (4ull * KERNEL_STATUS_WORDS)

/* Where things are in the io area: what goes to the card, with the statuses, and what comes back, beginning with them. */
struct io_map {
	uint64_t word, offset, weight, from, to, status, y, end;
};

static uint64_t take(uint64_t *at, uint64_t bytes)
{
	uint64_t here = *at;

	*at += align_up(bytes, ALIGN);
	return here;
}

static struct io_map map_io(uint64_t lookups, uint64_t weights, uint64_t pieces, uint64_t fills, uint64_t runs, uint64_t y_bytes)
{
	struct io_map m;
	uint64_t at = 0;

	m.word = take(&at, lookups * 4);
	m.offset = take(&at, (pieces + 1) * 4);
	m.weight = take(&at, weights * 4);
	m.from = take(&at, fills * 4);
	m.to = take(&at, fills * 4);
	m.status = take(&at, 2 * runs * STATUS_BYTES); /* of embedding_bag, then of row_copy */
	m.y = take(&at, y_bytes);
	m.end = at;
	return m;
}

uint64_t job_io_bytes(const struct engine *e)
{
	uint64_t n = e->max_lookups;

	return map_io(n, n, n, n, SLICE_RUNS, e->y_room).end;
}

/* Everything that goes to the card before the RUNs, in one buffer. */
static void write_meta(const struct share *p, const struct io_map *m)
{
	memcpy(p->meta + m->word, p->word, p->nr_lookups * sizeof(*p->word));
	memcpy(p->meta + m->offset, p->offset, (p->nr_pieces + 1ull) * sizeof(*p->offset));
	if (p->weighted)
		memcpy(p->meta + m->weight, p->weight, p->nr_lookups * sizeof(*p->weight));
	memcpy(p->meta + m->from, p->from, p->nr_fills * sizeof(*p->from));
	memcpy(p->meta + m->to, p->to, p->nr_fills * sizeof(*p->to));
	memset(p->meta + m->status, 0, m->y - m->status);
}

/* The commands before it are the READs and the COPY of meta, and other runs' RUNs, which do it no harm. */
static int run_after_all(struct share *p, const struct smartssd_op_kernel *k, uint64_t elements)
{
	/* One element per clock at 100 MHz is the slowest kernel that counts as alive. */
	int cmd = smartssd_list_run(p->list, k->mask, k->args, k->nr, (uint32_t)min_u64(10000 + elements / 100000, UINT32_MAX));

	return cmd < 0 ? cmd : smartssd_list_barrier(p->list, cmd);
}

static int add_bags(struct share *p, const struct run *r, const struct io_map *m)
{
	struct lane *l = p->lane;
	struct smartssd_op_kernel *k = &l->bag;
	uint64_t number = (uint64_t)(r - p->runs);

	smartssd_op_pointer(k, BAG_TABLE, l->arena.bo, 0, l->arena.bytes);
	smartssd_op_pointer(k, BAG_INDEX, l->arena.bo, p->io + m->word + r->lookup * 4ull, r->lookups * 4ull);
	smartssd_op_pointer(k, BAG_OFFSET, l->arena.bo, p->io + m->offset + r->first * 4ull, (r->nr + 1ull) * 4);
	smartssd_op_pointer(k, BAG_WEIGHT, l->arena.bo, p->io + m->weight + (p->weighted ? r->lookup * 4ull : 0), p->weighted ? r->lookups * 4ull : ALIGN);
	smartssd_op_pointer(k, BAG_Y, l->arena.bo, p->io + m->y + r->y * 4, (uint64_t)r->nr * r->dim * 4);
	smartssd_op_pointer(k, BAG_STATUS, l->arena.bo, p->io + m->status + number * STATUS_BYTES, STATUS_BYTES);
	smartssd_op_scalar(k, BAG_FORMAT, r->format);
	smartssd_op_scalar(k, BAG_DIM, r->dim);
	smartssd_op_scalar(k, BAG_PITCH, 1);
	smartssd_op_scalar(k, BAG_ROWS, (uint32_t)min_u64(l->arena.bytes, UINT32_MAX));
	smartssd_op_scalar(k, BAG_BAGS, r->nr);
	smartssd_op_scalar(k, BAG_LOOKUPS, r->lookups);
	smartssd_op_scalar(k, BAG_MODE, EMB_SUM);
	smartssd_op_scalar(k, BAG_FLAGS, p->weighted ? EMB_WEIGHTED : 0);
	return run_after_all(p, k, (uint64_t)r->lookups * r->dim);
}

static int add_fills(struct share *p, const struct run *r, const struct io_map *m)
{
	struct lane *l = p->lane;
	struct smartssd_op_kernel *k = &l->copy;
	uint64_t number = p->nr_runs + (uint64_t)(r - p->runs);
	uint32_t row_bytes = rowfmt_bytes(r->format, r->dim);

	smartssd_op_pointer(k, COPY_SRC, l->arena.bo, 0, l->arena.bytes);
	smartssd_op_pointer(k, COPY_DST, l->arena.bo, 0, l->arena.bytes);
	smartssd_op_pointer(k, COPY_FROM, l->arena.bo, p->io + m->from + r->fill * 4ull, r->fills * 4ull);
	smartssd_op_pointer(k, COPY_TO, l->arena.bo, p->io + m->to + r->fill * 4ull, r->fills * 4ull);
	smartssd_op_pointer(k, COPY_STATUS, l->arena.bo, p->io + m->status + number * STATUS_BYTES, STATUS_BYTES);
	smartssd_op_scalar(k, COPY_ROWS, r->fills);
	smartssd_op_scalar(k, COPY_ROW_BYTES, row_bytes);
	smartssd_op_scalar(k, COPY_UNIT, 1);
	return run_after_all(p, k, (uint64_t)r->fills * row_bytes * 2);
}

static int build(const struct engine *e, struct share *p, struct smartssd_error *err)
{
	struct io_map m = map_io(p->nr_lookups, p->weighted ? p->nr_lookups : 0, p->nr_pieces, p->nr_fills, p->nr_runs, p->y_floats * 4);
	int cmd;

	p->y_at = m.y - m.status;
	if (smartssd_grow(&p->meta, &p->room_meta, m.y, 65536, 1) || smartssd_grow(&p->back, &p->room_back, m.end - m.status, 65536, 1))
		return engine_no_memory(err);
	write_meta(p, &m);
	smartssd_list_clear(p->list);
	for (uint32_t i = 0; i < p->nr_readings; i++)
		if (smartssd_list_read(p->list, p->readings[i].file, p->lane->arena.bo, p->extents + p->readings[i].first, p->readings[i].nr, e->o.io_flags) < 0)
			return engine_no_memory(err);
	if (smartssd_list_copy_to(p->list, p->lane->arena.bo, p->io, p->meta, m.y) < 0)
		return engine_no_memory(err);
	for (uint32_t i = 0; i < p->nr_runs; i++)
		if (add_bags(p, &p->runs[i], &m) || (p->runs[i].fills && add_fills(p, &p->runs[i], &m)))
			return engine_no_memory(err);
	cmd = smartssd_list_copy_from(p->list, p->back, p->lane->arena.bo, p->io + m.status, p->y_at + p->y_floats * 4);
	return cmd < 0 || smartssd_list_barrier(p->list, cmd) < 0 ? engine_no_memory(err) : 0;
}

const float *job_y(const struct share *p)
{
	return (const float *)(p->back + p->y_at);
}

int job_submit(struct engine *e, struct slice *s, uint32_t lane, struct smartssd_error *err)
{
	struct share *p = &s->shares[lane];
	uint32_t bad;
	int ret;

	if (p->end == SHARE_LOST)
		return 0;
	if (!p->nr_pieces) {
		p->end = SHARE_DONE;
		return 0;
	}
	ret = build(e, p, err);
	if (ret)
		return ret;
	ret = smartssd_submit(p->lane->dev, p->list, &p->job, &bad);
	p->flying = !ret;
	if (ret == -ENODEV) {
		p->end = SHARE_LOST;
		p->lane->lost = true;
		return 0;
	}
	/* A file that became shorter: what is missing is for the host to say. */
	if (ret == -EINVAL && bad < p->nr_readings)
		return 0;
	return ret ? smartssd_explain_submit(err, p->list, ret, bad) : 0;
}

/* A unit that hangs or has crashed, or says that it is done when it is not, is of no use until it is reset. */
static void mend(struct share *p, uint32_t cu)
{
	p->end = smartssd_cu_reset(p->lane->dev, cu) ? SHARE_LOST : SHARE_HOST;
}

/* A RUN that ended well did what it should; a READ brought all. */
static void check_outcome(struct share *p)
{
	uint32_t at = p->nr_readings + 1; /* the first RUN */

	p->end = SHARE_DONE;
	for (uint32_t i = 0; i < p->nr_readings; i++)
		if (p->results[i].bytes != p->readings[i].bytes) /* the file became shorter meanwhile */
			p->end = SHARE_HOST;
	for (uint32_t i = 0; i < p->nr_runs && p->end == SHARE_DONE; i++) {
		const uint32_t *bag = (const uint32_t *)(p->back + i * STATUS_BYTES), *copy = (const uint32_t *)(p->back + (p->nr_runs + i) * STATUS_BYTES);

		if (*bag != KERNEL_OK)
			mend(p, (uint32_t)p->results[at].detail);
		at++;
		if (p->runs[i].fills && p->end == SHARE_DONE && *copy != KERNEL_OK)
			mend(p, (uint32_t)p->results[at].detail);
		at += p->runs[i].fills != 0;
	}
}

int job_wait(struct share *p, struct smartssd_error *err)
{
	struct smartssd_outcome out;
	const struct smartssd_result *first;
	int ret;

	p->flying = false;
	ret = smartssd_wait(p->lane->dev, p->job, SMARTSSD_DEADLINE_NEVER, &out, p->results, smartssd_list_count(p->list));
	if (ret == -ENODEV || (!ret && out.status == -ENODEV)) {
		p->end = SHARE_LOST;
		return 0;
	}
	if (ret)
		return smartssd_fail(err, ret, "lookup: %s: %s", smartssd_uri(p->lane->dev), strerror(-ret));
	if (!out.status) {
		check_outcome(p);
		return 0;
	}
	first = &p->results[out.first_error];
	if (out.first_error > p->nr_readings && (out.status == -EIO || out.status == -ETIMEDOUT)) {
		if (first->start_ns)
			mend(p, (uint32_t)first->detail);
		else
			p->end = SHARE_HOST;
		return 0;
	}
	if (out.first_error < p->nr_readings && (out.status == -EIO || out.status == -EINVAL)) {
		p->end = SHARE_HOST;
		return 0;
	}
	return smartssd_explain_command(err, p->list, out.status, out.first_error, first);
}
