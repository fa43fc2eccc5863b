// SPDX-License-Identifier: BSD-2-Clause
/* The store's engine: each thread hands it one batch at a time. */
#include <string.h>

#include "../../../runtime/store/engine.h"
#include "lookups.h"

struct engine_way {
	struct way_options o;
	struct smartssd_device *dev;
	struct engine *e;
	struct engine_counts before;
	int64_t *offsets;
	float **y; /* of each thread */
	struct engine_bags **bags;
};

static struct smartssd_error err;

static void must(int ret, const char *what)
{
	if (ret)
		die(-ret, "%s: %s", what, err.text);
}

static void *open_engine(const struct way_options *o)
{
	struct engine_way *w = allocate(sizeof(*w));
	const struct shape *s = o->shape;
	struct engine_options eo = { .devices = &w->dev, .row_cache = o->cache, .policy = CACHE_LFU, .staging = o->staging, .no_dedup = o->no_dedup };
	struct smartssd_query query;
	char path[4096];

	w->o = *o;
	must(smartssd_open(o->device, &w->dev, &err), o->device ? o->device : "card");
	must(smartssd_query(w->dev, &query), "card");
	if (!smartssd_find_kernel(w->dev, "row_copy")) {
		must(smartssd_find_file("kernels.xclbin", path, sizeof(path)), "kernels.xclbin ($SMARTSSD_LIBDIR says where)");
		must(smartssd_xclbin_load_file(w->dev, path, &err), path);
	}
	if (o->policy && cache_policy_by_name(o->policy, &eo.policy))
		die(EINVAL, "policy '%s'", o->policy);
	must(engine_create(o->store, &eo, &w->e, &err), "engine");
	w->offsets = allocate((s->batch + 1) * sizeof(*w->offsets));
	for (uint32_t q = 0; q <= s->batch; q++)
		w->offsets[q] = (int64_t)q * s->lookups;
	w->y = allocate(o->threads * sizeof(*w->y));
	w->bags = allocate(o->threads * sizeof(*w->bags));
	for (uint32_t i = 0; i < o->threads; i++) {
		w->y[i] = allocate(shape_bags(s) * s->dim * sizeof(float));
		w->bags[i] = allocate(s->tables * sizeof(**w->bags));
	}
	return w;
}

static void run_engine(void *way, uint32_t thread, struct work *work)
{
	struct engine_way *w = way;
	const struct shape *s = w->o.shape;
	struct engine_bags *bags = w->bags[thread];
	struct smartssd_error text = { "" };
	struct job j;

	while (work_next(work, &j)) {
		int ret;

		for (uint32_t t = 0; t < s->tables; t++)
			bags[t] = (struct engine_bags){ .table = w->o.tables[t].table, .indices = j.indices + (uint64_t)t * s->batch * s->lookups, .offsets = w->offsets, .bags = s->batch,
							.y = w->y[thread] + (uint64_t)t * s->batch * s->dim };
		ret = engine_run(w->e, bags, s->tables, &text);
		if (ret)
			die(-ret, "engine: %s", text.text);
		for (uint32_t t = 0; t < s->tables; t++)
			if (bags[t].status)
				die(-bags[t].status, "engine: %s", bags[t].err.text);
		work_done(work, &j, w->y[thread]);
	}
}

#define SINCE(field) ((double)(now.field - w->before.field))

static void report_engine(void *way, double queries, FILE *to)
{
	struct engine_way *w = way;
	const struct shape *s = w->o.shape;
	struct engine_counts now;
	double link, must_cross;

	engine_counts(w->e, &now);
	link = SINCE(links.host_to_card) + SINCE(links.card_to_host);
	must_cross = 4 * SINCE(rows) + 4.0 * s->dim * SINCE(bags);
	fprintf(to, "%.0f reads, %.0f KB from the drive a query, hits %.1f %% of lookups; us a query: planning %.1f; "
		"host link %.0f bytes a query = %.4f of indices (4 bytes each) and pooled results; "
		"flash bytes %.4f of unique blocks wanted, %.4f of one block for each lookup",
		SINCE(flash_reads) / queries, SINCE(flash_bytes) / queries / 1e3, 100 * SINCE(lookup_hits) / SINCE(rows), SINCE(plan_ns) / queries / 1e3, link / queries, link / must_cross,
		SINCE(flash_bytes) / SINCE(blocks_wanted), SINCE(flash_bytes) / SINCE(rows) / table_info(w->o.tables[0].table)->layout.block);
	if (SINCE(links.bounce_read) > 0)
		fprintf(to, "; %.0f bytes a query by way of the host", SINCE(links.bounce_read) / queries);
	if (SINCE(host_rows) > 0)
		fprintf(to, "; %.0f rows were pooled on the host", SINCE(host_rows));
	w->before = now;
}

static void close_engine(void *way)
{
	struct engine_way *w = way;

	engine_destroy(w->e);
	smartssd_close(w->dev);
}

const struct way way_engine = { .name = "engine", .open = open_engine, .run = run_engine, .report = report_engine, .close = close_engine };
