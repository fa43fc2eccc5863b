// SPDX-License-Identifier: BSD-2-Clause
/*
 * One attempt: tables that are split lie on all cards; the others go, the one with the most to do first, to the card with the least to do that has
 * room (R. L. Graham's LPT). Then
 * the rows that save most time for a byte are pinned, hottest first, on the cards where they are, and the next ones go to host DRAM. When the
 * slowest card then has more than 1.1 times
 * the mean, its largest whole table is split too, and everything is done again; at last all tables are.
 *
 * How much a table has to do depends on which of its rows are pinned, and that on the card it shares with others. So LPT takes an estimate, with the
 * memory of all cards as one;
 * what decides is the exact load afterwards.
 */
#include <math.h>
#include <stdio.h>

#include "../private.h"
#include "layout.h"
#include "placement.h"

#define SPLIT	UINT32_MAX
#define BALANCE 1.1

/* What stays the same in all attempts. */
struct table {
	const struct placement_table *t;
	double flash, ddr;  /* seconds for a lookup */
	double each;	    /* lookups for each query, of a row for each time it was counted (uniform: of any row) */
	uint64_t wanted;    /* rows that are asked for at all */
	uint64_t *order;    /* by falling count; NULL: uniform */
	double *shard_rate; /* [cards] lookups for each query of a row-wise shard */
	double estimate;    /* seconds for each query */
	struct layout layout;
};

struct attempt {
	uint32_t *card;
	uint64_t *pinned, *in_host;
	double load[PLACEMENT_MAX_CARDS], slowest, mean;
};

struct plan {
	struct table *tables;
	uint32_t nr, cards;
	const struct placement_budget *budget;
	uint32_t *heap; /* tables, the one whose next row saves most for a byte at the top */
	double *saves;	/* [tables] */
	struct attempt now, best;
};

static uint64_t row_at(const struct table *t, uint64_t rank)
{
	return t->order ? t->order[rank] : rank;
}

static double rate_at(const struct table *t, uint64_t rank)
{
	return t->order ? t->each * (double)t->t->row_counts[t->order[rank]] : t->each;
}

/* Seconds that a lookup takes less on the card, by being in its DDR or in host DRAM */
static double saved(const struct table *t, bool ddr)
{
	return t->flash - (ddr ? t->ddr : 0);
}

/* ---- rows by what they save ---- */

static void sift(struct plan *p, uint32_t at, uint32_t nr)
{
	for (;;) {
		uint32_t child = 2 * at + 1, top = p->heap[at];

		if (child >= nr)
			return;
		/* Equal ones in the order of the tables, so that a plan does not depend on anything else. */
		if (child + 1 < nr && (p->saves[p->heap[child + 1]] > p->saves[p->heap[child]] ||
				       (p->saves[p->heap[child + 1]] == p->saves[p->heap[child]] && p->heap[child + 1] < p->heap[child])))
			child++;
		if (p->saves[p->heap[child]] < p->saves[top] || (p->saves[p->heap[child]] == p->saves[top] && p->heap[child] > top))
			return;
		p->heap[at] = p->heap[child];
		p->heap[child] = top;
		at = child;
	}
}

/* Which of the rooms or loads a row belongs to: that of its card, or, where cards do not count, the only one. */
static uint32_t place_of(const struct plan *p, uint32_t table, uint64_t row, bool cards)
{
	if (!cards)
		return 0;
	return p->now.card[table] == SPLIT ? layout_shard(row, p->cards) : p->now.card[table];
}

/* Of rows that are all alike, many at a time: how many of @want were taken. With shards, always as many of each. */
static uint64_t take_alike(const struct plan *p, uint32_t i, uint64_t want, uint64_t *room, bool cards)
{
	const uint32_t bytes = p->tables[i].t->row_bytes, ways = cards && p->now.card[i] == SPLIT ? p->cards : 1;
	uint64_t *first = ways > 1 ? room : &room[place_of(p, i, 0, cards)], each = want / ways;

	for (uint32_t c = 0; c < ways; c++)
		each = min_u64(each, first[c] / bytes);
	for (uint32_t c = 0; c < ways; c++)
		first[c] -= each * bytes;
	return each * ways;
}

/*
 * Takes rows, hottest first over all tables, until none fits: taken[t] more of table t, from rank begin[t] on. A table whose next row does not fit
 * is done, as what is
 * taken are always its hottest ones. @ddr: they go to the cards' DDR, which takes time too.
 */
static void take_hottest(struct plan *p, const uint64_t *begin, uint64_t *taken, uint64_t *room, bool cards, bool ddr)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < p->nr; i++) {
		const struct table *t = &p->tables[i];

		taken[i] = 0;
		if (begin[i] >= t->wanted)
			continue;
		p->saves[i] = rate_at(t, begin[i]) * saved(t, ddr) / t->t->row_bytes;
		if (p->saves[i] > 0)
			p->heap[nr++] = i;
	}
	for (uint32_t i = nr / 2; i-- > 0;)
		sift(p, i, nr);
	while (nr) {
		uint32_t i = p->heap[0];
		const struct table *t = &p->tables[i];
		uint64_t rank = begin[i] + taken[i], many = t->order ? 0 : take_alike(p, i, t->wanted - rank, room, cards);
		uint64_t *left = &room[place_of(p, i, row_at(t, rank), cards)];

		if (many) {
			taken[i] += many;
			rank += many;
		} else if (*left >= t->t->row_bytes) {
			*left -= t->t->row_bytes;
			taken[i]++;
			rank++;
		} else {
			rank = t->wanted;
		}
		if (rank < t->wanted)
			p->saves[i] = rate_at(t, rank) * saved(t, ddr) / t->t->row_bytes;
		else
			p->heap[0] = p->heap[--nr];
		sift(p, 0, nr);
	}
}

/* What ranks from..to-1 being elsewhere than on flash saves. */
static void relieve(const struct plan *p, uint32_t i, uint64_t from, uint64_t to, double *load, bool cards, bool ddr)
{
	const struct table *t = &p->tables[i];

	if (t->order) {
		for (uint64_t rank = from; rank < to; rank++)
			load[place_of(p, i, row_at(t, rank), cards)] -= rate_at(t, rank) * saved(t, ddr);
	} else if (cards && p->now.card[i] == SPLIT) {
		for (uint32_t c = 0; c < p->cards; c++)
			load[c] -= t->each * saved(t, ddr) * (double)(layout_shard_rows(to, p->cards, c) - layout_shard_rows(from, p->cards, c));
	} else {
		load[place_of(p, i, 0, cards)] -= t->each * saved(t, ddr) * (double)(to - from);
	}
}

/* ---- one attempt ---- */

static uint32_t largest_whole(const struct plan *p, uint32_t on_card)
{
	uint32_t found = SPLIT;

	for (uint32_t i = 0; i < p->nr; i++)
		if (p->now.card[i] != SPLIT && (on_card == SPLIT || p->now.card[i] == on_card) && (found == SPLIT || p->tables[i].estimate > p->tables[found].estimate))
			found = i;
	return found;
}

static bool fits(uint64_t *left, uint64_t bytes)
{
	if (bytes > *left)
		return false;
	*left -= bytes;
	return true;
}

/* Cards for all tables; what is SPLIT stays so, and what fits nowhere else becomes it. -ENOSPC: *which does not fit. */
static int assign(struct plan *p, const uint32_t *by_estimate, uint32_t *which)
{
	uint64_t left[PLACEMENT_MAX_CARDS];
	double busy[PLACEMENT_MAX_CARDS] = { 0 };

	for (uint32_t c = 0; c < p->cards; c++)
		left[c] = p->budget->flash_bytes;
	for (uint32_t i = 0; i < p->nr; i++) {
		const struct table *t = &p->tables[i];

		if (p->now.card[i] != SPLIT)
			continue;
		*which = i;
		for (uint32_t c = 0; c < p->cards; c++) {
			if (!fits(&left[c], layout_bytes(&t->layout, layout_shard_rows(t->t->rows, p->cards, c))))
				return -ENOSPC;
			busy[c] += t->estimate / p->cards;
		}
	}
	for (uint32_t k = 0; k < p->nr; k++) {
		uint32_t i = by_estimate[k], best = SPLIT;
		uint64_t bytes = layout_bytes(&p->tables[i].layout, p->tables[i].t->rows);

		if (p->now.card[i] == SPLIT)
			continue;
		for (uint32_t c = 0; c < p->cards; c++)
			if (bytes <= left[c] && (best == SPLIT || busy[c] < busy[best] || (busy[c] == busy[best] && left[c] > left[best])))
				best = c;
		*which = i;
		if (best == SPLIT)
			return -ENOSPC;
		p->now.card[i] = best;
		left[best] -= bytes;
		busy[best] += p->tables[i].estimate;
	}
	return 0;
}

/* Pins, host rows and exact loads for p->now.card. */
static void settle(struct plan *p, uint64_t *begin)
{
	uint64_t room[PLACEMENT_MAX_CARDS], host = p->budget->host_bytes;
	double all[PLACEMENT_MAX_CARDS] = { 0 }, sum = 0;

	memset(begin, 0, p->nr * sizeof(*begin));
	for (uint32_t c = 0; c < p->cards; c++) {
		room[c] = p->budget->card_bytes;
		p->now.load[c] = 0;
	}
	take_hottest(p, begin, p->now.pinned, room, true, true);
	take_hottest(p, p->now.pinned, p->now.in_host, &host, false, false);
	for (uint32_t i = 0; i < p->nr; i++) {
		const struct table *t = &p->tables[i];
		uint64_t pinned = p->now.pinned[i], known = pinned + p->now.in_host[i];

		if (p->now.card[i] != SPLIT)
			all[p->now.card[i]] += t->t->lookups * t->flash;
		else
			for (uint32_t c = 0; c < p->cards; c++)
				all[c] += t->shard_rate[c] * t->flash;
		relieve(p, i, 0, pinned, p->now.load, true, true);
		relieve(p, i, pinned, known, p->now.load, true, false);
	}
	p->now.slowest = 0;
	for (uint32_t c = 0; c < p->cards; c++) {
		p->now.load[c] += all[c];
		/* What is left of a difference of equal sums */
		if (p->now.load[c] < 1e-9 * all[c])
			p->now.load[c] = 0;
		sum += p->now.load[c];
		p->now.slowest = fmax(p->now.slowest, p->now.load[c]);
	}
	p->now.mean = sum / p->cards;
}

static uint32_t slowest_card(const struct plan *p)
{
	for (uint32_t c = 0; c < p->cards; c++)
		if (p->now.load[c] == p->now.slowest)
			return c;
	return 0;
}

static void keep_best(struct plan *p)
{
	struct attempt *a = &p->now, *b = &p->best;

	memcpy(b->card, a->card, p->nr * sizeof(*a->card));
	memcpy(b->pinned, a->pinned, p->nr * sizeof(*a->pinned));
	memcpy(b->in_host, a->in_host, p->nr * sizeof(*a->in_host));
	memcpy(b->load, a->load, sizeof(a->load));
	b->slowest = a->slowest;
	b->mean = a->mean;
}

/* Attempts, each with one more table split. -ENOSPC: none fitted. */
static int try_all(struct plan *p, const uint32_t *by_estimate, uint64_t *begin, struct smartssd_error *err)
{
	bool found = false;
	uint32_t which = 0;

	memset(p->now.card, 0, p->nr * sizeof(*p->now.card));
	for (;;) {
		uint32_t split = SPLIT;
		int ret = assign(p, by_estimate, &which);

		if (!ret) {
			settle(p, begin);
			if (!found || p->now.slowest < p->best.slowest || p->now.slowest <= BALANCE * p->now.mean)
				keep_best(p);
			found = true;
			if (p->now.slowest <= BALANCE * p->now.mean)
				return 0;
			split = largest_whole(p, slowest_card(p));
		} else if (p->now.card[which] != SPLIT) {
			split = which;
		}
		if (split == SPLIT)
			split = largest_whole(p, SPLIT);
		if (split == SPLIT)
			break;
		p->now.card[split] = SPLIT;
	}
	if (found)
		return 0;
	return smartssd_fail(err, -ENOSPC, "table %u (%llu rows of %u bytes) does not fit: the %u cards have %llu bytes of flash each for all tables; give more cards or a smaller row format",
			     which, (unsigned long long)p->tables[which].t->rows, p->tables[which].t->row_bytes, p->cards, (unsigned long long)p->budget->flash_bytes);
}

/* ---- before and after ---- */

static int init_table(struct plan *p, uint32_t i, const struct placement_table *in, struct smartssd_error *err)
{
	struct table *t = &p->tables[i];
	double sum = 0;

	t->t = in;
	if (!in->rows || !in->row_bytes || !(in->lookups >= 0 && in->lookups < INFINITY) || in->rows > SIZE_MAX / sizeof(*t->order) || layout_init(&t->layout, in->row_bytes, PLACEMENT_BLOCK))
		return smartssd_fail(err, -EINVAL, "table %u: %llu rows of %u bytes, %g lookups for each query: not possible", i, (unsigned long long)in->rows, in->row_bytes,
				     in->lookups);
	t->flash = (double)div_up(in->row_bytes, PLACEMENT_BLOCK) / PLACEMENT_READS_PER_SECOND;
	t->ddr = in->row_bytes / PLACEMENT_DDR_PER_SECOND;
	t->shard_rate = calloc(p->cards, sizeof(*t->shard_rate));
	if (!t->shard_rate)
		return -ENOMEM;
	for (uint64_t r = 0; in->row_counts && r < in->rows; r++) {
		sum += (double)in->row_counts[r];
		t->wanted += in->row_counts[r] > 0;
	}
	/* Nothing was counted: nothing is known. */
	if (!(sum > 0)) {
		t->each = in->lookups / (double)in->rows;
		t->wanted = in->lookups > 0 ? in->rows : 0;
		for (uint32_t c = 0; c < p->cards; c++)
			t->shard_rate[c] = t->each * (double)layout_shard_rows(in->rows, p->cards, c);
		return 0;
	}
	t->each = in->lookups / sum;
	for (uint64_t r = 0; r < in->rows; r++)
		t->shard_rate[layout_shard(r, p->cards)] += t->each * (double)in->row_counts[r];
	t->order = malloc(in->rows * sizeof(*t->order));
	return t->order ? placement_hottest(in->row_counts, in->rows, t->order) : -ENOMEM;
}

/* By falling estimate, which is made here. */
static void estimate(struct plan *p, uint64_t *begin, uint32_t *by_estimate)
{
	uint64_t room, host = p->budget->host_bytes;

	if (__builtin_mul_overflow(p->budget->card_bytes, (uint64_t)p->cards, &room))
		room = UINT64_MAX;
	memset(begin, 0, p->nr * sizeof(*begin));
	take_hottest(p, begin, p->now.pinned, &room, false, true);
	take_hottest(p, p->now.pinned, p->now.in_host, &host, false, false);
	for (uint32_t i = 0; i < p->nr; i++) {
		struct table *t = &p->tables[i];
		uint32_t at = i;

		t->estimate = t->t->lookups * t->flash;
		relieve(p, i, 0, p->now.pinned[i], &t->estimate, false, true);
		relieve(p, i, p->now.pinned[i], p->now.pinned[i] + p->now.in_host[i], &t->estimate, false, false);
		for (; at > 0 && p->tables[by_estimate[at - 1]].estimate < t->estimate; at--)
			by_estimate[at] = by_estimate[at - 1];
		by_estimate[at] = i;
	}
}

static void explain(const struct plan *p, struct placement_result *out)
{
	uint64_t pinned = 0, in_host = 0, split = 0;

	for (uint32_t i = 0; i < p->nr; i++) {
		pinned += out->pinned[i];
		in_host += out->in_host[i];
		split += out->card[i] == SPLIT;
	}
	snprintf(out->why, sizeof(out->why), "%llu tables whole, %llu row-wise; %llu rows pinned, %llu in host DRAM; modelled: slowest of %u cards %.3g s a query, %.2f times the mean",
		 (unsigned long long)(p->nr - split), (unsigned long long)split, (unsigned long long)pinned, (unsigned long long)in_host, p->cards, out->slowest,
		 out->mean > 0 ? out->slowest / out->mean : 1);
}

static int run(struct plan *p, const struct placement_table *tables, struct placement_result *out, struct smartssd_error *err)
{
	uint64_t *begin = calloc(p->nr + 1, sizeof(*begin));
	uint32_t *by_estimate = calloc(p->nr + 1, sizeof(*by_estimate));
	int ret = begin && by_estimate ? 0 : -ENOMEM;

	for (uint32_t i = 0; !ret && i < p->nr; i++)
		ret = init_table(p, i, &tables[i], err);
	if (ret == -ENOMEM)
		smartssd_fail(err, ret, "no memory to plan the placement of %u tables", p->nr);
	if (!ret) {
		estimate(p, begin, by_estimate);
		ret = try_all(p, by_estimate, begin, err);
	}
	if (!ret) {
		memcpy(out->load, p->best.load, p->cards * sizeof(*out->load));
		out->slowest = p->best.slowest;
		out->mean = p->best.mean;
		out->queries_per_second = 1 / out->slowest;
		explain(p, out);
	}
	free(begin);
	free(by_estimate);
	return ret;
}

int placement_plan(const struct placement_table *tables, uint32_t nr, const struct placement_budget *budget, struct placement_result *out, struct smartssd_error *err)
{
	struct plan p = { .nr = nr, .cards = budget->cards, .budget = budget };
	int ret;

	memset(out, 0, sizeof(*out));
	if (!budget->cards || budget->cards > PLACEMENT_MAX_CARDS)
		return smartssd_fail(err, -EINVAL, "%u cards; 1 to %u are possible", budget->cards, PLACEMENT_MAX_CARDS);
	if (nr > TRACE_MAX_TABLES)
		return smartssd_fail(err, -EINVAL, "%u tables; up to %u are possible", nr, TRACE_MAX_TABLES);
	out->load = calloc(budget->cards, sizeof(*out->load));
	out->card = p.best.card = calloc(nr + 1, sizeof(*out->card));
	out->pinned = p.best.pinned = calloc(nr + 1, sizeof(*out->pinned));
	out->in_host = p.best.in_host = calloc(nr + 1, sizeof(*out->in_host));
	p.tables = calloc(nr + 1, sizeof(*p.tables));
	p.heap = calloc(nr + 1, sizeof(*p.heap));
	p.saves = calloc(nr + 1, sizeof(*p.saves));
	p.now.card = calloc(nr + 1, sizeof(*p.now.card));
	p.now.pinned = calloc(nr + 1, sizeof(*p.now.pinned));
	p.now.in_host = calloc(nr + 1, sizeof(*p.now.in_host));
	if (!out->load || !out->card || !out->pinned || !out->in_host || !p.tables || !p.heap || !p.saves || !p.now.card || !p.now.pinned || !p.now.in_host)
		ret = smartssd_fail(err, -ENOMEM, "no memory to plan the placement of %u tables", nr);
	else
		ret = run(&p, tables, out, err);
	for (uint32_t i = 0; p.tables && i < nr; i++) {
		free(p.tables[i].order);
		free(p.tables[i].shard_rate);
	}
	free(p.tables);
	free(p.heap);
	free(p.saves);
	free(p.now.card);
	free(p.now.pinned);
	free(p.now.in_host);
	if (ret)
		placement_free(out);
	return ret;
}

void placement_free(struct placement_result *r)
{
	free(r->card);
	free(r->pinned);
	free(r->in_host);
	free(r->load);
	memset(r, 0, sizeof(*r));
}
