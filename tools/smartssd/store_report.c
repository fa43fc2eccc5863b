// SPDX-License-Identifier: BSD-2-Clause
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include "operator.h"
#include "store_report.h"

void engine_counts_since(const struct engine_counts *a, const struct engine_counts *b, struct engine_counts *out)
{
	const uint64_t *from = (const uint64_t *)a, *to = (const uint64_t *)b;
	uint64_t *at = (uint64_t *)out, most = a->most_reads;
	struct smartssd_counters links = a->links;

	_Static_assert(offsetof(struct engine_counts, links) % sizeof(uint64_t) == 0, "counters before the links are all of 64 bits");
	for (size_t i = 0; i < offsetof(struct engine_counts, links) / sizeof(uint64_t); i++)
		at[i] = from[i] - to[i];
	out->most_reads = most;
	links.ssd_to_card -= b->links.ssd_to_card;
	links.card_to_ssd -= b->links.card_to_ssd;
	links.host_to_card -= b->links.host_to_card;
	links.card_to_host -= b->links.card_to_host;
	links.bounce_read -= b->links.bounce_read;
	links.bounce_write -= b->links.bounce_write;
	links.reads -= b->links.reads;
	links.writes -= b->links.writes;
	links.runs -= b->links.runs;
	links.jobs -= b->links.jobs;
	links.cu_faults -= b->links.cu_faults;
	out->links = links;
}

/* ---- what follows from the counts; NAN: of nothing ---- */

static double ratio(double part, double of)
{
	return of > 0 ? part / of : NAN;
}

static bool has_row_cache(const struct store_report *r)
{
	return r->caches ? r->caches->row_cache && !r->caches->no_dedup : r->counts->row_hits > r->counts->pinned_hits;
}

static bool has_pinned(const struct store_report *r)
{
	return r->caches ? r->caches->pinned && !r->caches->no_dedup : r->counts->pinned_hits;
}

static bool has_host(const struct store_report *r)
{
	return r->caches ? r->caches->pinned_host != 0 : r->counts->host_pinned_hits != 0;
}

static bool has_pooled(const struct store_report *r)
{
	return r->caches ? r->caches->pooled_cache != 0 : r->counts->pooled_hits != 0;
}

static uint64_t link_bytes(const struct engine_counts *c)
{
	return c->links.host_to_card + c->links.card_to_host + c->links.bounce_read + c->links.bounce_write;
}

static uint64_t least_link_bytes(const struct store_report *r)
{
	const struct engine_counts *c = r->counts;

	return 4 * c->card_lookups + (uint64_t)((double)r->result_bytes * (c->bags ? 1 - (double)c->pooled_hits / (double)c->bags : 1));
}

static unsigned lost_cards(const struct store_report *r)
{
	return (unsigned)__builtin_popcountll(r->lost);
}

/* ---- text ---- */

static const char *percent(double part, char *out, size_t room)
{
	if (isnan(part))
		snprintf(out, room, "-");
	else
		snprintf(out, room, "%.2f %%", part * 100);
	return out;
}

static void rate_text(const struct store_report *r, FILE *to)
{
	uint64_t nr = r->queries ?: r->counts->bags;
	const char *what = r->queries ? "queries" : "bags";
	const struct latency *l = r->latency;

	fprintf(to, "  rate          %.1f %s/s: %llu in %.3f s%s\n", ratio((double)nr, r->seconds), what, (unsigned long long)nr, r->seconds,
		r->emulated ? " (EMULATED: this host's time, no hardware figure)" : "");
	if (l && l->nr)
		fprintf(to, "  latency       p50 %.3f ms, p99 %.3f ms, p99.9 %.3f ms, most %.3f ms%s\n", 1e-6 * (double)latency_percentile(l, 0.5),
			1e-6 * (double)latency_percentile(l, 0.99), 1e-6 * (double)latency_percentile(l, 0.999), 1e-6 * (double)l->most_ns,
			r->emulated ? " (EMULATED)" : "");
}

/* Lookups that memory answered, of the card or the host; of the lookups that the pooled cache left. */
static double memory_hits(const struct engine_counts *c)
{
	return ratio((double)(c->lookup_hits + c->host_pinned_hits), (double)(c->rows - c->pooled_rows));
}

static double all_hit(const struct engine_counts *c)
{
	return ratio((double)c->row_bags_all, (double)(c->bags - c->pooled_hits));
}

static double row_cache_hits(const struct engine_counts *c)
{
	return ratio((double)(c->row_hits - c->pinned_hits), (double)(c->distinct_rows - c->pinned_hits));
}

static double duplicates(const struct engine_counts *c)
{
	return ratio((double)c->card_lookups - (double)c->distinct_rows, (double)c->card_lookups);
}

static void caches_text(const struct store_report *r, FILE *to)
{
	const struct engine_counts *c = r->counts;
	char a[32], b[32];

	fprintf(to, "  rows          %llu wanted by %llu bags; of %llu that cards were asked for, %s were wanted in the same batch already\n", (unsigned long long)c->rows,
		(unsigned long long)c->bags, (unsigned long long)c->card_lookups, percent(duplicates(c), a, sizeof(a)));
	if (has_pooled(r))
		fprintf(to, "  pooled cache  %s of bags hit\n", percent(ratio((double)c->pooled_hits, (double)c->bags), a, sizeof(a)));
	if (has_row_cache(r) || has_pinned(r) || has_host(r))
		fprintf(to, "  in memory     %s of lookups; all rows of %s of bags\n", percent(memory_hits(c), a, sizeof(a)), percent(all_hit(c), b, sizeof(b)));
	if (has_host(r))
		fprintf(to, "  pinned, host  %s of lookups hit\n", percent(ratio((double)c->host_pinned_hits, (double)(c->rows - c->pooled_rows)), a, sizeof(a)));
	if (has_pinned(r))
		fprintf(to, "  pinned, card  %s of distinct rows hit\n", percent(ratio((double)c->pinned_hits, (double)c->distinct_rows), a, sizeof(a)));
	if (has_row_cache(r))
		fprintf(to, "  row cache     %s of the other distinct rows hit\n", percent(row_cache_hits(c), a, sizeof(a)));
}

static void flash_text(const struct store_report *r, FILE *to)
{
	const struct engine_counts *c = r->counts;
	char a[32];

	fprintf(to, "  flash         %s in %llu reads, at most %llu in flight", bytes_text(c->flash_bytes, a, sizeof(a)), (unsigned long long)c->flash_reads,
		(unsigned long long)c->most_reads);
	if (c->row_bytes_wanted)
		fprintf(to, "; %.2f times the row bytes, %.3f times the blocks that are wanted", (double)c->flash_bytes / (double)c->row_bytes_wanted,
			ratio((double)c->flash_bytes, (double)c->blocks_wanted));
	fputc('\n', to);
}

static void links_text(const struct store_report *r, FILE *to)
{
	const struct engine_counts *c = r->counts;
	uint64_t link = link_bytes(c), least = least_link_bytes(r);
	char a[32], b[32], d[32], e[32];

	fprintf(to, "  bytes         SSD->card %s, host->card %s, card->host %s, bounced %s\n", bytes_text(c->links.ssd_to_card, a, sizeof(a)),
		bytes_text(c->links.host_to_card, b, sizeof(b)), bytes_text(c->links.card_to_host, d, sizeof(d)),
		bytes_text(c->links.bounce_read + c->links.bounce_write, e, sizeof(e)));
	fprintf(to, "  host link     %s; indices and pooled results are %s", bytes_text(link, a, sizeof(a)), bytes_text(least, b, sizeof(b)));
	if (least)
		fprintf(to, ": %+.2f %%", ((double)link / (double)least - 1) * 100);
	fputc('\n', to);
}

static void estimate_text(const struct store_report *r, FILE *to)
{
	static const uint32_t drives[] = { 1, 2, 4, 8, 16, 24 };
	const struct estimate *e = r->estimate;

	fprintf(to, "  MODELLED      %s/s of real drives:", r->queries ? "queries" : "bags");
	for (size_t i = 0; i < sizeof(drives) / sizeof(drives[0]); i++)
		fprintf(to, "%s %u: %.4g (%s)", i ? "," : "", drives[i], e->queries_per_second[drives[i]], e->bound[drives[i]]);
	fprintf(to, "; host, one core: measured over %.3g s%s", e->host_seconds, e->host_seconds < ESTIMATE_LEAST_HOST ? ", too short to be taken for a limit" : "");
	fprintf(to, "\n  MODELLED      energy of a %s, all at one drive's rate:", r->queries ? "query" : "bag");
	for (size_t i = 0; i < sizeof(e->energy) / sizeof(e->energy[0]); i++)
		if (!isnan(e->energy[i].joules))
			fprintf(to, "%s %s %.3g mJ", i ? "," : "", e->energy[i].name, e->energy[i].joules * 1e3);
	fputs(" (from which figures: 'smartssd table plan --json')\n", to);
}

void store_report_text(const struct store_report *r, FILE *to)
{
	rate_text(r, to);
	caches_text(r, to);
	flash_text(r, to);
	links_text(r, to);
	if (r->lost || r->counts->host_rows)
		fprintf(to, "  on the host   %llu lookups, by plain reads: %u of %u cards lost%s\n", (unsigned long long)r->counts->host_rows, lost_cards(r), r->cards,
			r->lost ? "" : ", but reads or compute units failed");
	if (r->estimate)
		estimate_text(r, to);
}

/* ---- JSON ---- */

static void latency_json(const struct latency *l, struct json *j)
{
	json_open(j, "latency", '{');
	json_uint(j, "queries", l->nr);
	json_real(j, "mean_seconds", ratio(1e-9 * (double)l->sum_ns, (double)l->nr));
	json_real(j, "p50_seconds", 1e-9 * (double)latency_percentile(l, 0.5));
	json_real(j, "p99_seconds", 1e-9 * (double)latency_percentile(l, 0.99));
	json_real(j, "p999_seconds", 1e-9 * (double)latency_percentile(l, 0.999));
	json_real(j, "most_seconds", 1e-9 * (double)l->most_ns);
	json_close(j, '}');
}

static void cache_json(struct json *j, const char *name, uint64_t hits, double hit_ratio, double all_rows)
{
	json_open(j, name, '{');
	json_uint(j, "hits", hits);
	json_real(j, "hit_ratio", hit_ratio);
	if (!isnan(all_rows))
		json_real(j, "all_rows_hit_ratio", all_rows);
	json_close(j, '}');
}

static void caches_json(const struct store_report *r, struct json *j)
{
	const struct engine_counts *c = r->counts;
	bool cache = has_row_cache(r), pinned = has_pinned(r), host = has_host(r);
	/* Of one of several nobody counts bags that it alone answers. */
	double all = cache + pinned + host == 1 ? all_hit(c) : NAN;

	json_open(j, "caches", '{');
	if (has_pooled(r))
		cache_json(j, "pooled", c->pooled_hits, ratio((double)c->pooled_hits, (double)c->bags), ratio((double)c->pooled_hits, (double)c->bags));
	if (cache || pinned || host)
		cache_json(j, "memory", c->lookup_hits + c->host_pinned_hits, memory_hits(c), all_hit(c));
	if (host)
		cache_json(j, "pinned_host", c->host_pinned_hits, ratio((double)c->host_pinned_hits, (double)(c->rows - c->pooled_rows)), all);
	if (pinned)
		cache_json(j, "pinned_card", c->pinned_hits, ratio((double)c->pinned_hits, (double)c->distinct_rows), all);
	if (cache)
		cache_json(j, "row_cache", c->row_hits - c->pinned_hits, row_cache_hits(c), all);
	json_close(j, '}');
}

static void bytes_json(const struct store_report *r, struct json *j)
{
	const struct engine_counts *c = r->counts;

	json_open(j, "flash", '{');
	json_uint(j, "reads", c->flash_reads);
	json_uint(j, "bytes", c->flash_bytes);
	json_uint(j, "row_bytes_wanted", c->row_bytes_wanted);
	json_uint(j, "block_bytes_wanted", c->blocks_wanted);
	json_real(j, "amplification", ratio((double)c->flash_bytes, (double)c->row_bytes_wanted));
	json_real(j, "block_amplification", ratio((double)c->flash_bytes, (double)c->blocks_wanted));
	json_uint(j, "most_reads_in_flight", c->most_reads);
	json_close(j, '}');
	json_open(j, "bytes", '{');
	json_uint(j, "ssd_to_card", c->links.ssd_to_card);
	json_uint(j, "host_to_card", c->links.host_to_card);
	json_uint(j, "card_to_host", c->links.card_to_host);
	json_uint(j, "bounce_read", c->links.bounce_read);
	json_uint(j, "bounce_write", c->links.bounce_write);
	json_uint(j, "host_link", link_bytes(c));
	json_uint(j, "indices_and_results", least_link_bytes(r));
	json_real(j, "host_link_ratio", ratio((double)link_bytes(c), (double)least_link_bytes(r)));
	json_close(j, '}');
}

static void estimate_json(const struct store_report *r, struct json *j)
{
	const struct estimate *e = r->estimate;

	json_open(j, "modelled", '{');
	json_text(j, "query", r->queries ? "query" : "bag");
	json_real(j, "host_seconds", e->host_seconds);
	json_bool(j, "host_is_limit", e->host_seconds >= ESTIMATE_LEAST_HOST);
	json_open(j, "drives", '[');
	for (uint32_t n = 1; n <= ESTIMATE_MAX_DRIVES; n++) {
		json_open(j, NULL, '{');
		json_uint(j, "drives", n);
		json_real(j, "queries_per_second", e->queries_per_second[n]);
		json_text(j, "bound", e->bound[n]);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_open(j, "energy_per_query", '[');
	for (size_t i = 0; i < sizeof(e->energy) / sizeof(e->energy[0]); i++) {
		json_open(j, NULL, '{');
		json_text(j, "system", e->energy[i].name);
		json_real(j, "joules", e->energy[i].joules);
		json_real(j, "bytes_joules", e->energy[i].bytes_part);
		json_real(j, "devices_joules", e->energy[i].device_part);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_close(j, '}');
}

void store_report_json(const struct store_report *r, struct json *j)
{
	const struct engine_counts *c = r->counts;

	if (r->queries) {
		json_uint(j, "queries", r->queries);
		json_real(j, "queries_per_second", ratio((double)r->queries, r->seconds));
	}
	json_uint(j, "bags", c->bags);
	json_real(j, "bags_per_second", ratio((double)c->bags, r->seconds));
	json_real(j, "seconds", r->seconds);
	json_bool(j, "emulated", r->emulated);
	if (r->latency)
		latency_json(r->latency, j);
	json_uint(j, "rows", c->rows);
	json_uint(j, "distinct_rows", c->distinct_rows);
	json_uint(j, "card_lookups", c->card_lookups);
	json_real(j, "duplicate_ratio", duplicates(c));
	caches_json(r, j);
	bytes_json(r, j);
	json_uint(j, "cards", r->cards);
	json_uint(j, "lost_cards", lost_cards(r));
	json_uint(j, "host_rows", c->host_rows);
	if (r->estimate)
		estimate_json(r, j);
}
