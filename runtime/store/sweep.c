// SPDX-License-Identifier: BSD-2-Clause
#include <math.h>
#include <stdio.h>

#include "../private.h"
#include "../svg.h"
#include "estimate.h"
#include "placement.h"
#include "sweep.h"

#define ROW_BITS 40 /* TRACE_MAX_ROWS */

static const double shares[SWEEP_SIZES] = { 0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1 };

const char *sweep_name(uint32_t curve)
{
	return curve == CACHE_POLICIES ? "belady" : cache_policy_name((enum cache_policy)curve);
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Sorted keys, each once; how many. */
static uint64_t once(uint64_t *keys, uint64_t nr)
{
	uint64_t left = 0;

	qsort(keys, nr, sizeof(*keys), by_number);
	for (uint64_t i = 0; i < nr; i++)
		if (!i || keys[i] != keys[i - 1])
			keys[left++] = keys[i];
	return left;
}

struct accesses {
	uint64_t *keys, nr, from; /* from: first that is counted */
	uint64_t batches, distinct;
};

static int collect(const struct sweep_what *w, struct sweep *out, struct accesses *a, struct smartssd_error *err)
{
	const struct trace *t = w->trace;
	const uint32_t tables = t->model.tables;
	uint64_t lookups = (uint64_t)t->offsets[w->queries * tables], batches = w->queries / w->batch + !!(w->queries % w->batch), first = batches / 2 * w->batch;
	uint64_t *all;

	a->keys = malloc((lookups ?: 1) * sizeof(*a->keys));
	if (!a->keys)
		return smartssd_fail(err, -ENOMEM, "no memory for the %llu lookups of a trace", (unsigned long long)lookups);
	out->queries = w->queries - first;
	out->lookups = lookups - (uint64_t)t->offsets[first * tables];
	a->batches = batches - batches / 2;
	for (uint64_t q = 0; q < w->queries; q += w->batch) {
		uint64_t end = min_u64(q + w->batch, w->queries), start = a->nr;

		if (q == first)
			a->from = a->nr;
		for (uint64_t bag = q * tables; bag < end * tables; bag++)
			for (int64_t k = t->offsets[bag]; k < t->offsets[bag + 1]; k++)
				a->keys[a->nr++] = bag % tables << ROW_BITS | (uint64_t)t->indices[k];
		a->nr = start + once(a->keys + start, a->nr - start);
	}
	out->accesses = a->nr - a->from;
	all = malloc((a->nr ?: 1) * sizeof(*all));
	if (!all)
		return smartssd_fail(err, -ENOMEM, "no memory for the %llu lookups of a trace", (unsigned long long)lookups);
	memcpy(all, a->keys, a->nr * sizeof(*all));
	a->distinct = once(all, a->nr);
	memcpy(all, a->keys, a->from * sizeof(*all));
	out->first = a->distinct - once(all, a->from);
	free(all);
	return 0;
}

static int simulate(const struct accesses *a, uint32_t curve, uint64_t slots, uint64_t *hits)
{
	/* One that holds all rows that are ever wanted is never full: more slots change nothing. */
	uint32_t size = (uint32_t)min_u64(min_u64(slots, a->distinct + a->distinct / 4 + 16), CACHE_MAX_SLOTS), into;
	struct cache_counts warm, end;
	struct cache *c;
	int ret;

	if (curve == CACHE_POLICIES)
		return cache_belady(a->keys, a->nr, size, true, a->from, hits);
	ret = cache_create((enum cache_policy)curve, size, &c);
	if (ret)
		return ret;
	for (uint64_t i = 0; i < a->from; i++)
		cache_access(c, a->keys[i], &into);
	cache_counts(c, &warm);
	for (uint64_t i = a->from; i < a->nr; i++)
		cache_access(c, a->keys[i], &into);
	cache_counts(c, &end);
	cache_destroy(c);
	*hits = end.hits - warm.hits;
	return 0;
}

/* What the cards would have counted. */
static double rate(const struct sweep_what *w, const struct sweep *s, const struct accesses *a, uint64_t hits, const char **bound)
{
	const struct trace_model *m = &w->trace->model;
	uint64_t misses = s->accesses - hits, blocks = (w->row_bytes + PLACEMENT_BLOCK - 1) / PLACEMENT_BLOCK, bags = s->queries * m->tables;
	struct engine_counts c = { .bags = bags, .rows = s->lookups, .card_lookups = s->lookups, .distinct_rows = s->accesses, .row_hits = hits, .rows_read = misses,
				   .flash_reads = misses * blocks, .flash_bytes = misses * blocks * PLACEMENT_BLOCK, .row_bytes_wanted = misses * w->row_bytes };
	struct estimate_work work = { .counts = &c, .queries = s->queries, .row_bytes_pooled = s->lookups * w->row_bytes, .result_bytes = bags * m->dim * 4 };

	c.links.host_to_card = 4 * (s->lookups + bags);
	c.links.card_to_host = work.result_bytes;
	c.links.runs = 2 * a->batches * w->drives; /* embedding_bag and row_copy, for each batch on each card */
	return estimate_at(&work, w->drives, bound);
}

int sweep_run(const struct sweep_what *what, struct sweep *out, struct smartssd_error *err)
{
	struct accesses a = { NULL };
	uint64_t rows = 0;
	int ret;

	memset(out, 0, sizeof(*out));
	if (what->queries > what->trace->queries || what->queries <= what->batch)
		return smartssd_fail(err, -EINVAL, "caches are simulated on two batches at least: of %llu queries, batches of %u are none",
				     (unsigned long long)min_u64(what->queries, what->trace->queries), what->batch);
	for (uint32_t i = 0; i < what->trace->model.tables; i++)
		rows += what->trace->model.rows[i];
	ret = collect(what, out, &a, err);
	for (uint32_t k = 0; k < SWEEP_SIZES * SWEEP_CURVES && !ret; k++) {
		uint32_t size = k / SWEEP_CURVES, curve = k % SWEEP_CURVES;

		out->share[size] = shares[size];
		out->slots[size] = (uint64_t)((double)rows * shares[size] + 0.5);
		if (what->progress && what->progress->step(what->progress->ctx, k, SWEEP_SIZES * SWEEP_CURVES))
			ret = smartssd_fail(err, -ECANCELED, "stopped: caches were being simulated");
		else if (out->slots[size])
			ret = simulate(&a, curve, out->slots[size], &out->hits[curve][size]);
		if (ret == -ENOMEM)
			smartssd_fail(err, ret, "no memory to simulate a cache of %llu rows", (unsigned long long)out->slots[size]);
		if (!ret)
			out->queries_per_second[curve][size] = rate(what, out, &a, out->hits[curve][size], &out->bound[curve][size]);
	}
	free(a.keys);
	return ret;
}

/* ---- SVG ---- */

static const char *const colours[SWEEP_CURVES] = { "#1f5fa8", "#888888", "#2a9d3a", "#c77d0a", "#8a3fa0", "#c0392b", "#000000" };

/* 1, 2 or 5 times a power of ten: the next one up from @x, or (@down) down, itself included */
static double round_number(double x, bool down)
{
	double power = pow(10, floor(log10(x))), part = x / power;

	if (down)
		return power * (part >= 5 ? 5 : part >= 2 ? 2 : 1);
	return power * (part > 5 ? 10 : part > 2 ? 5 : part > 1 ? 2 : 1);
}

static void scales(struct smartssd_svg *svg, const struct sweep *s, double *low, double *high)
{
	char label[32];

	*low = INFINITY;
	*high = 0;
	for (int curve = 0; curve < SWEEP_CURVES; curve++)
		for (int i = 0; i < SWEEP_SIZES; i++) {
			*low = fmin(*low, s->queries_per_second[curve][i]);
			*high = fmax(*high, s->queries_per_second[curve][i]);
		}
	/* Nothing to do, no limit: any scale will do. */
	*low = *low > 0 && isfinite(*low) ? round_number(*low, true) : 1;
	*high = isfinite(*high) ? fmax(round_number(fmax(*high, *low), false), round_number(*low * 1.5, false)) : 2 * *low;
	for (double at = *low; at <= *high * (1 + 1e-9); at = round_number(at * 1.5, false)) {
		snprintf(label, sizeof(label), "%g", at);
		svg_y_tick(svg, log(at / *low) / log(*high / *low), label);
	}
	for (int i = 0; i < SWEEP_SIZES; i++) {
		snprintf(label, sizeof(label), "%g %%", s->share[i] * 100);
		svg_x_tick(svg, (double)i / (SWEEP_SIZES - 1), label);
	}
}

int sweep_svg(const struct sweep_what *what, const struct sweep *s, const char *path, struct smartssd_error *err)
{
	double low, high, x[SWEEP_SIZES], y[SWEEP_SIZES];
	struct smartssd_svg svg;
	char text[256];
	int ret;

	snprintf(text, sizeof(text), "%s on %u drive%s, batches of %u: MODELLED throughput, row cache simulated", what->trace->model.name, what->drives, what->drives == 1 ? "" : "s",
		 what->batch);
	ret = svg_begin(&svg, text, 180, err);
	if (ret)
		return ret;
	scales(&svg, s, &low, &high);
	for (int curve = SWEEP_CURVES - 1; curve >= 0; curve--) {
		bool best = curve == CACHE_POLICIES;

		for (int i = 0; i < SWEEP_SIZES; i++) {
			x[i] = (double)i / (SWEEP_SIZES - 1);
			y[i] = fmin(log(s->queries_per_second[curve][i] / low) / log(high / low), 1);
		}
		svg_curve(&svg, colours[curve], best, x, y, SWEEP_SIZES);
		svg_legend(&svg, (unsigned)curve, colours[curve], best, best ? "Belady (optimum)" : sweep_name((uint32_t)curve));
		for (int i = 0; i < SWEEP_SIZES; i++) {
			snprintf(text, sizeof(text), "%s, %llu rows: %.2f %% of reads saved, %.4g queries/s modelled, limit: %s", sweep_name((uint32_t)curve),
				 (unsigned long long)s->slots[i], s->accesses ? 100.0 * (double)s->hits[curve][i] / (double)s->accesses : 0, s->queries_per_second[curve][i],
				 s->bound[curve][i]);
			svg_point(&svg, colours[curve], x[i], y[i], text);
		}
	}
	snprintf(text, sizeof(text), "row cache of all cards together: share of the %llu rows of %u bytes (not to scale)", (unsigned long long)s->slots[SWEEP_SIZES - 1], what->row_bytes);
	svg_axes(&svg, text, "queries/s, modelled");
	return svg_end(&svg, path, err);
}
