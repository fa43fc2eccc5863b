// SPDX-License-Identifier: BSD-2-Clause
#include <inttypes.h>
#include <stdio.h>

#include "engine_impl.h"

static const char *const bag_names[] = { "table", "index", "offset", "weight", "y", "status", "format", "dim", "row_pitch", "rows", "bags", "lookups", "mode", "flags" };
static const char *const copy_names[] = { "src", "dst", "from", "to", "status", "rows", "row_bytes", "unit" };

#define DEFAULT_STAGING (256ull << 20) /* of a slice: as many rows as it may have, with a block of 4096 for each */
#define MOST_Y		(32ull << 20)  /* results of a slice */

/* ---- what is in the arena ---- */

/* A cache for each size of rows that the store has on this card; each gets its part of the room by the bytes of its tables. *at: the first byte behind them. */
static int make_classes(struct engine *e, uint32_t lane, uint64_t *at, struct smartssd_error *err)
{
	struct lane *l = &e->lanes[lane];
	struct store_table *tables;
	uint64_t *bytes, sum = 0;
	uint32_t nr, c;
	int ret = store_list(e->store, &tables, &nr, err);

	if (ret)
		return ret;
	l->classes = calloc(nr + 1, sizeof(*l->classes));
	bytes = calloc(nr + 1, sizeof(*bytes));
	if (!l->classes || !bytes)
		ret = engine_no_memory(err);
	for (uint32_t i = 0; i < nr && !ret; i++) {
		uint32_t shard = engine_shard(e, &tables[i], lane);
		uint64_t size;

		if (shard == UINT32_MAX)
			continue;
		for (c = 0; c < l->nr_classes && l->classes[c].row_bytes != tables[i].layout.row_bytes; c++)
			;
		l->classes[c].row_bytes = tables[i].layout.row_bytes;
		l->nr_classes = c == l->nr_classes ? c + 1 : l->nr_classes;
		size = shard_rows(&tables[i], shard) * tables[i].layout.row_bytes;
		bytes[c] += size;
		sum += size;
	}
	for (c = 0; c < l->nr_classes && !ret; c++) {
		struct class *class = &l->classes[c];
		uint64_t mine = (uint64_t)((double)e->o.row_cache * ((double)bytes[c] / (double)sum));

		class->slots = (uint32_t)min_u64(min_u64(mine, bytes[c]) / class->row_bytes, CACHE_MAX_SLOTS);
		class->at = *at;
		*at += align_up((uint64_t)class->slots * class->row_bytes, 64);
		if (cache_create(e->o.policy, class->slots, &class->cache))
			ret = engine_no_memory(err);
	}
	free(bytes);
	free(tables);
	return ret;
}

static int open_lane(struct engine *e, uint32_t lane, uint64_t *used, uint64_t *room, struct smartssd_error *err)
{
	struct lane *l = &e->lanes[lane];
	struct smartssd_op op = { .dev = e->o.devices[lane], .err = err };
	struct smartssd_query query;
	uint32_t lanes = 0;
	int ret;

	l->dev = e->o.devices[lane];
	ret = smartssd_query(l->dev, &query);
	if (!ret)
		ret = smartssd_counters(l->dev, SMARTSSD_COUNT_FILE, &l->before);
	if (ret)
		return smartssd_fail(err, ret, "%s does not answer: %s", smartssd_uri(l->dev), strerror(-ret));
	ret = smartssd_op_kernel(&op, "embedding_bag", bag_names, ARRAY_SIZE(bag_names), &l->bag);
	if (!ret)
		ret = smartssd_op_kernel(&op, "row_copy", copy_names, ARRAY_SIZE(copy_names), &l->copy);
	*used = 0;
	if (!ret && e->o.row_cache && !e->o.no_dedup)
		ret = make_classes(e, lane, used, err);
	*used = align_up(*used, 4096);
	l->pins.at = *used;
	l->pins.bytes = e->o.no_dedup ? 0 : align_up(e->o.pinned, 4096);
	if (!ret && (*used > UINT32_MAX || l->pins.bytes > UINT32_MAX))
		ret = smartssd_fail(err, -EINVAL, "caches of %" PRIu64 " bytes: a lookup reaches 4 GiB of card memory", *used > UINT32_MAX ? *used : l->pins.bytes);
	*used += l->pins.bytes;
	for (uint32_t i = 0; i < e->nr; i++)
		lanes += e->o.devices[i] == l->dev;
	*room = query.ddr_free / lanes;
	return ret;
}

/* The same for each card, so that a slice fits them all. */
static void size_slices(struct engine *e, uint64_t room)
{
	uint64_t most = (UINT32_MAX & ~4095ull) / (SLICES * 2);

	/* Of what is left, two stagings and what goes with them take less than 7/8, see job_io_bytes(). */
	e->staging = e->o.staging ? min_u64(e->o.staging, most) : min_u64(DEFAULT_STAGING, room / 4);
	e->staging = align_up(max_u64(e->staging, ENGINE_MIN_STAGING), 4096);
	e->y_room = min_u64(e->staging / 2, MOST_Y);
	e->max_lookups = (uint32_t)min_u64(SLICE_LOOKUPS, e->staging / 512);
	e->io = align_up(job_io_bytes(e), 4096);
}

static int make_arena(struct engine *e, uint32_t lane, uint64_t used, uint64_t room, struct smartssd_error *err)
{
	struct lane *l = &e->lanes[lane];
	uint64_t bytes = used + SLICES * (e->staging + e->io);
	int ret;

	if (bytes > UINT32_MAX)
		return smartssd_fail(err, -EINVAL, "caches and staging of %" PRIu64 " bytes: a lookup reaches 4 GiB of card memory", bytes);
	for (uint32_t i = 0; i < SLICES; i++) {
		e->slices[i].shares[lane].staging = used + i * (e->staging + e->io);
		e->slices[i].shares[lane].io = e->slices[i].shares[lane].staging + e->staging;
	}
	ret = smartssd_bo_create(l->dev, bytes, &l->arena);
	return ret ? smartssd_fail(err, ret, "%s: %" PRIu64 " bytes of card memory for caches and %" PRIu64 " for two slices; %" PRIu64 " are free: %s", smartssd_uri(l->dev), used,
				   bytes - used, room, strerror(-ret)) :
		     0;
}

/* ---- host memory: all that a slice can need, so that nothing of it fails later ---- */

static int make_share(const struct engine *e, struct share *p, struct lane *l)
{
	size_t n = (size_t)e->max_lookups + 1;

	p->lane = l;
	p->pieces = calloc(n, sizeof(*p->pieces));
	p->offset = calloc(n + 1, sizeof(*p->offset));
	p->word = calloc(n, sizeof(*p->word));
	p->weight = calloc(n, sizeof(*p->weight));
	p->from = calloc(n, sizeof(*p->from));
	p->to = calloc(n, sizeof(*p->to));
	p->held = calloc(n, sizeof(*p->held));
	p->extents = calloc(n, sizeof(*p->extents));
	p->runs = calloc(SLICE_RUNS, sizeof(*p->runs));
	p->readings = calloc(2 * SLICE_TABLES, sizeof(*p->readings));
	p->results = calloc(2 * (SLICE_TABLES + SLICE_RUNS) + 2, sizeof(*p->results));
	return p->pieces && p->offset && p->word && p->weight && p->from && p->to && p->held && p->extents && p->runs && p->readings && p->results && !smartssd_list_create(&p->list) ?
		       0 :
		       -ENOMEM;
}

static void free_share(struct share *p)
{
	smartssd_list_destroy(p->list);
	free(p->pieces);
	free(p->offset);
	free(p->word);
	free(p->weight);
	free(p->from);
	free(p->to);
	free(p->held);
	free(p->extents);
	free(p->runs);
	free(p->readings);
	free(p->results);
	free(p->meta);
	free(p->back);
}

static int make_host_memory(struct engine *e)
{
	size_t n = (size_t)e->max_lookups + 1;

	e->rows = calloc(n, sizeof(*e->rows));
	e->hash = calloc(n, sizeof(*e->hash));
	e->byte = calloc(n, sizeof(*e->byte));
	e->missed = calloc(n, sizeof(*e->missed));
	e->which = calloc(n, sizeof(*e->which));
	e->seen = calloc(plan_seen_room(e->max_lookups), sizeof(*e->seen));
	e->seen_base = 1; /* nothing was seen */
	e->keys = calloc(n, sizeof(*e->keys));
	e->other = calloc(n, sizeof(*e->other));
	e->at = calloc(n, sizeof(*e->at));
	e->wanted = calloc(n, sizeof(*e->wanted));
	if (!e->rows || !e->hash || !e->byte || !e->missed || !e->which || !e->seen || !e->keys || !e->other || !e->at || !e->wanted)
		return -ENOMEM;
	for (uint32_t i = 0; i < SLICES; i++) {
		e->slices[i].pieces = calloc(n, sizeof(*e->slices[i].pieces));
		e->slices[i].shares = calloc(e->nr, sizeof(*e->slices[i].shares));
		if (!e->slices[i].pieces || !e->slices[i].shares)
			return -ENOMEM;
		if (e->o.pinned_host) {
			e->slices[i].indices = calloc(n, sizeof(*e->slices[i].indices));
			e->slices[i].weights = calloc(n, sizeof(*e->slices[i].weights));
			e->slices[i].dram = calloc(n, sizeof(*e->slices[i].dram));
			if (!e->slices[i].indices || !e->slices[i].weights || !e->slices[i].dram)
				return -ENOMEM;
		}
		for (uint32_t k = 0; k < e->nr; k++)
			if (make_share(e, &e->slices[i].shares[k], &e->lanes[k]))
				return -ENOMEM;
	}
	return 0;
}

int engine_create(struct store *s, const struct engine_options *options, struct engine **out, struct smartssd_error *err)
{
	struct engine *e = calloc(1, sizeof(*e));
	uint64_t used[STORE_MAX_VOLUMES], room[STORE_MAX_VOLUMES], least = UINT64_MAX;
	int ret = 0;

	*out = NULL;
	if (!e)
		return engine_no_memory(err);
	e->store = s;
	e->o = *options;
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->idle, NULL);
	e->lanes = calloc(store_volumes(s), sizeof(*e->lanes));
	if (!e->lanes || pooled_create(options->pooled_cache, &e->pooled))
		ret = engine_no_memory(err);
	else
		e->nr = store_volumes(s);
	for (uint32_t i = 0; i < e->nr && !ret; i++) {
		ret = open_lane(e, i, &used[i], &room[i], err);
		if (!ret && used[i] >= room[i])
			ret = smartssd_fail(err, -ENOMEM, "%s: %" PRIu64 " bytes of card memory for caches, %" PRIu64 " are free", smartssd_uri(options->devices[i]), used[i], room[i]);
		least = ret ? least : min_u64(least, room[i] - used[i]);
	}
	if (!ret) {
		size_slices(e, least);
		if (make_host_memory(e))
			ret = engine_no_memory(err);
	}
	for (uint32_t i = 0; i < e->nr && !ret; i++)
		ret = make_arena(e, i, used[i], room[i], err);
	if (ret) {
		engine_destroy(e);
		return ret;
	}
	*out = e;
	return 0;
}

static void free_lane(struct lane *l)
{
	for (uint32_t i = 0; i < l->nr_sources; i++)
		for (uint32_t k = 0; k < 2; k++)
			if (l->sources[i].file[k])
				smartssd_file_unregister(l->dev, l->sources[i].file[k]);
	if (l->arena.bo)
		smartssd_bo_destroy(l->dev, l->arena.bo);
	for (uint32_t i = 0; i < l->nr_classes; i++)
		cache_destroy(l->classes[i].cache);
	free(l->classes);
	free(l->sources);
	pins_free(&l->pins);
}

void engine_destroy(struct engine *e)
{
	if (!e)
		return;
	for (uint32_t i = 0; i < SLICES; i++) {
		for (uint32_t k = 0; k < e->nr && e->slices[i].shares; k++)
			free_share(&e->slices[i].shares[k]);
		free(e->slices[i].shares);
		free(e->slices[i].pieces);
		free(e->slices[i].indices);
		free(e->slices[i].weights);
		free(e->slices[i].dram);
	}
	for (uint32_t i = 0; i < e->nr; i++)
		free_lane(&e->lanes[i]);
	for (uint32_t i = 0; i < e->nr_known; i++) {
		free(e->known[i].source);
		dram_free(&e->known[i].dram);
		table_close(e->known[i].table);
	}
	free(e->known);
	free(e->lanes);
	free(e->rows);
	free(e->hash);
	free(e->byte);
	free(e->missed);
	free(e->which);
	free(e->seen);
	free(e->keys);
	free(e->other);
	free(e->at);
	free(e->wanted);
	pooled_destroy(e->pooled);
	pthread_cond_destroy(&e->idle);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

/* ---- what happened ---- */

void engine_counts(struct engine *e, struct engine_counts *out)
{
	pthread_mutex_lock(&e->lock);
	*out = e->counts;
	for (uint32_t i = 0; i < e->nr; i++) {
		const struct smartssd_counters *b = &e->lanes[i].before;
		struct smartssd_counters now = { 0 };
		uint32_t first = 0;

		while (e->lanes[first].dev != e->lanes[i].dev)
			first++;
		if (first != i || smartssd_counters(e->lanes[i].dev, SMARTSSD_COUNT_FILE, &now))
			continue;
		out->links.ssd_to_card += now.ssd_to_card - b->ssd_to_card;
		out->links.card_to_ssd += now.card_to_ssd - b->card_to_ssd;
		out->links.host_to_card += now.host_to_card - b->host_to_card;
		out->links.card_to_host += now.card_to_host - b->card_to_host;
		out->links.bounce_read += now.bounce_read - b->bounce_read;
		out->links.bounce_write += now.bounce_write - b->bounce_write;
		out->links.reads += now.reads - b->reads;
		out->links.writes += now.writes - b->writes;
		out->links.runs += now.runs - b->runs;
		out->links.jobs += now.jobs - b->jobs;
		out->links.cu_faults += now.cu_faults - b->cu_faults;
	}
	pthread_mutex_unlock(&e->lock);
}

uint64_t engine_lost(struct engine *e)
{
	uint64_t lost = 0;

	pthread_mutex_lock(&e->lock);
	for (uint32_t i = 0; i < e->nr; i++)
		lost |= (uint64_t)e->lanes[i].lost << i;
	pthread_mutex_unlock(&e->lock);
	return lost;
}
