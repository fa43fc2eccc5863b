// SPDX-License-Identifier: BSD-2-Clause
/*
 * One attempt: tables that are split lie on all cards; the others go, the one with the most to do first, to the card with the least to do that has room (R. L. Graham's LPT). Then the rows
 * that save most time for a byte are pinned, hottest first, on the cards where they are, and the next ones go to host DRAM. When the slowest card then has more than 1.1 times the mean, its
 * largest whole table is split too, and everything is done again; at last all tables are. If that does not bring it to 1.1 times the mean either, tables are moved and exchanged as long as
 * the slowest card gets faster by it, from each of these attempts.
 *
 * How much a table has to do depends on which of its rows are pinned, and that on the card it shares with others. So LPT takes an estimate, with the memory of all cards as one; what decides
 * is the exact load afterwards.
 */
#include <math.h>
#include <stdio.h>

#include "../private.h"
#include "placement_impl.h"

/* The run that rank @rank, below t->wanted, is in. */
static uint32_t run_of(const struct table *t, uint64_t rank)
{
	uint32_t low = 0, high = t->nr_runs;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (t->runs[middle].end > rank)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static double rate_of(const struct table *t, uint32_t run)
{
	return t->order ? t->each * (double)t->runs[run].count : t->each;
}

/* Seconds for each query that reading a row takes which is looked up @rate times for each: of a batch, once. */
static double reading(const struct plan *p, const struct table *t, double rate)
{
	double batch = p->budget->batch;

	return t->flash * (batch > 0 ? -expm1(-rate * batch) / batch : rate);
}

/* Seconds for each query that the card saves when such a row is in its memory, or (@host) in host DRAM. Of two rows of a table, the hotter one saves more. */
static double saved(const struct plan *p, const struct table *t, double rate, bool host)
{
	return reading(p, t, rate) + (host ? rate * t->ddr : 0);
}

static double saved_at(const struct plan *p, const struct table *t, uint64_t rank, bool host)
{
	return saved(p, t, rate_of(t, t->order ? run_of(t, rank) : 0), host);
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

/* The rows from @rank to the end of its run, as many as there is room for. */
static uint64_t take_run(const struct plan *p, uint32_t i, uint64_t rank, uint64_t *room, bool cards)
{
	const struct table *t = &p->tables[i];
	uint64_t end = t->runs[p->run[i]].end, first = rank, bytes = t->t->row_bytes, *left = &room[place_of(p, i, 0, cards)];

	if (!cards || p->now.card[i] != SPLIT) {
		uint64_t many = min_u64(end - rank, *left / bytes);

		*left -= many * bytes;
		return many;
	}
	for (; rank < end; rank++) {
		left = &room[layout_shard(t->order[rank], p->cards)];
		if (*left < bytes)
			break;
		*left -= bytes;
	}
	return rank - first;
}

/* Likewise of a uniform table. */
static uint64_t take_uniform(const struct plan *p, uint32_t i, uint64_t rank, uint64_t *room, bool cards)
{
	const struct table *t = &p->tables[i];
	uint64_t many = take_alike(p, i, t->wanted - rank, room, cards), first = rank;

	/* What is left when one of the shards is full */
	for (rank += many; rank < t->wanted; rank++) {
		uint64_t *left = &room[place_of(p, i, rank, cards)];

		if (*left < t->t->row_bytes)
			break;
		*left -= t->t->row_bytes;
	}
	return rank - first;
}

/*
 * Takes rows, hottest first over all tables, until none fits: taken[t] more of table t, from rank begin[t] on. A table whose next row does not fit is done, as what is taken are always its
 * hottest ones. @cards: each card has its own room; @host: they go to host DRAM.
 */
static void take_hottest(struct plan *p, const uint64_t *begin, uint64_t *taken, uint64_t *room, bool cards, bool host)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < p->nr; i++) {
		const struct table *t = &p->tables[i];

		taken[i] = 0;
		if (begin[i] >= t->wanted)
			continue;
		p->run[i] = t->order ? run_of(t, begin[i]) : 0;
		p->saves[i] = saved(p, t, rate_of(t, p->run[i]), host) / t->t->row_bytes;
		if (p->saves[i] > 0)
			p->heap[nr++] = i;
	}
	for (uint32_t i = nr / 2; i-- > 0;)
		sift(p, i, nr);
	while (nr) {
		uint32_t i = p->heap[0];
		const struct table *t = &p->tables[i];
		uint64_t rank = begin[i] + taken[i], many = t->order ? take_run(p, i, rank, room, cards) : take_uniform(p, i, rank, room, cards);

		taken[i] += many;
		rank += many;
		if (t->order && rank < t->wanted && rank == t->runs[p->run[i]].end)
			p->saves[i] = saved(p, t, rate_of(t, ++p->run[i]), host) / t->t->row_bytes;
		else
			p->heap[0] = p->heap[--nr];
		sift(p, 0, nr);
	}
}

void plan_relieve(const struct plan *p, uint32_t i, uint64_t from, uint64_t to, double *load, bool cards, bool host)
{
	const struct table *t = &p->tables[i];

	if (t->order) {
		for (uint32_t run = from < to ? run_of(t, from) : 0; from < to; run++) {
			uint64_t end = min_u64(t->runs[run].end, to);
			double each = saved(p, t, rate_of(t, run), host);

			if (cards && p->now.card[i] == SPLIT)
				for (uint64_t rank = from; rank < end; rank++)
					load[layout_shard(t->order[rank], p->cards)] -= each;
			else
				load[place_of(p, i, 0, cards)] -= each * (double)(end - from);
			from = end;
		}
	} else if (cards && p->now.card[i] == SPLIT) {
		for (uint32_t c = 0; c < p->cards; c++)
			load[c] -= saved(p, t, t->each, host) * (double)(layout_shard_rows(to, p->cards, c) - layout_shard_rows(from, p->cards, c));
	} else {
		load[place_of(p, i, 0, cards)] -= saved(p, t, t->each, host) * (double)(to - from);
	}
}

/* ---- one attempt ---- */

/* Of those that may be split. */
static uint32_t largest_whole(const struct plan *p, uint32_t on_card)
{
	uint32_t found = SPLIT;

	for (uint32_t i = 0; i < p->nr; i++)
		if (p->now.card[i] != SPLIT && may_split(p, i) && (on_card == SPLIT || p->now.card[i] == on_card) && (found == SPLIT || p->tables[i].estimate > p->tables[found].estimate))
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

/* Nothing is placed yet but what stays where it is. */
static void begin_cards(struct plan *p)
{
	for (uint32_t i = 0; i < p->nr; i++)
		p->now.card[i] = p->tables[i].stays ? p->budget->where[i] : 0;
}

/* Cards for all tables, in @order, each where there is least to do, or (@by_room) most room; what is SPLIT, or stays where it is, stays so. -ENOSPC: *which does not fit. */
static int assign(struct plan *p, const uint32_t *order, bool by_room, uint32_t *which)
{
	uint64_t left[PLACEMENT_MAX_CARDS];
	double busy[PLACEMENT_MAX_CARDS] = { 0 };

	for (uint32_t c = 0; c < p->cards; c++)
		left[c] = p->budget->flash_bytes;
	for (uint32_t i = 0; i < p->nr; i++) {
		const struct table *t = &p->tables[i];

		if (p->now.card[i] != SPLIT) {
			if (t->stays)
				busy[p->now.card[i]] += t->estimate;
			continue;
		}
		*which = i;
		for (uint32_t c = 0; c < p->cards; c++) {
			if (!t->stays && !fits(&left[c], store_shard_bytes(&t->layout, layout_shard_rows(t->t->rows, p->cards, c))))
				return -ENOSPC;
			busy[c] += t->estimate / p->cards;
		}
	}
	for (uint32_t k = 0; k < p->nr; k++) {
		uint32_t i = order[k], best = SPLIT;
		uint64_t bytes = store_shard_bytes(&p->tables[i].layout, p->tables[i].t->rows);

		if (p->now.card[i] == SPLIT || p->tables[i].stays)
			continue;
		for (uint32_t c = 0; c < p->cards; c++)
			if (bytes <= left[c] && (best == SPLIT || (!by_room && busy[c] < busy[best]) || ((by_room || busy[c] == busy[best]) && left[c] > left[best])))
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
	take_hottest(p, begin, p->now.pinned, room, true, false);
	take_hottest(p, p->now.pinned, p->now.in_host, &host, false, true);
	for (uint32_t i = 0; i < p->nr; i++) {
		const struct table *t = &p->tables[i];
		uint64_t pinned = p->now.pinned[i], known = pinned + p->now.in_host[i];

		for (uint32_t c = 0; c < p->cards; c++)
			all[p->now.card[i] != SPLIT ? p->now.card[i] : c] += t->shard[c];
		plan_relieve(p, i, 0, pinned, p->now.load, true, false);
		plan_relieve(p, i, pinned, known, p->now.load, true, true);
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

static bool balanced(const struct attempt *a)
{
	return a->slowest <= BALANCE * a->mean;
}

/* Exact loads of p->now.card; kept when they are the best, or balanced. */
static void try_now(struct plan *p, uint64_t *begin, bool *found)
{
	settle(p, begin);
	if (!*found || p->now.slowest < p->best.slowest || balanced(&p->now))
		keep_best(p);
	*found = true;
}

/* From p->now, which is settled: moves while they help, then the exact loads. */
static void refine(struct plan *p, struct moves *m, uint64_t *begin)
{
	bool found = true;

	if (moves_improve(p, m))
		try_now(p, begin, &found);
}

/* ---- all attempts ---- */

/* Attempts, each with one more table split, until one is balanced; with @m, each is refined. -ENOSPC: none fitted. */
static int try_splits(struct plan *p, const uint32_t *by_estimate, struct moves *m, uint64_t *begin, bool *found, uint32_t *which)
{
	begin_cards(p);
	for (;;) {
		uint32_t split = SPLIT;
		int ret = assign(p, by_estimate, false, which);

		if (!ret) {
			uint32_t next;

			try_now(p, begin, found);
			next = largest_whole(p, slowest_card(p));
			split = next;
			if (m && m->patience > 0 && !balanced(&p->best)) {
				memcpy(p->kept, p->now.card, p->nr * sizeof(*p->kept));
				refine(p, m, begin);
				memcpy(p->now.card, p->kept, p->nr * sizeof(*p->kept));
			}
			if (balanced(&p->best))
				return 0;
		} else if (p->now.card[*which] != SPLIT && may_split(p, *which)) {
			split = *which;
		}
		if (split == SPLIT)
			split = largest_whole(p, SPLIT);
		if (split == SPLIT)
			return *found ? 0 : -ENOSPC;
		p->now.card[split] = SPLIT;
	}
}

/*
 * A card that is full keeps others from pinning more of the tables that it shares with them (pinned are the hottest rows, without gaps). Row by row over all cards, all get full at the same
 * time. Taken when it is clearly faster, as each card then has a part of each bag.
 */
static void try_all_split(struct plan *p, const uint32_t *by_estimate, uint64_t *begin)
{
	uint32_t which;

	begin_cards(p);
	for (uint32_t i = 0; i < p->nr; i++)
		if (may_split(p, i))
			p->now.card[i] = SPLIT;
	if (assign(p, by_estimate, false, &which))
		return;
	settle(p, begin);
	if (balanced(&p->now) && p->now.slowest < 0.95 * p->best.slowest)
		keep_best(p);
}

static int try_all(struct plan *p, const uint32_t *by_estimate, const uint32_t *by_bytes, uint64_t *begin, struct smartssd_error *err)
{
	struct moves m;
	bool found = false;
	uint32_t which = 0;
	int ret = try_splits(p, by_estimate, NULL, begin, &found, &which);

	if (!ret && balanced(&p->best)) {
		if (p->budget->card_bytes && p->cards > 1)
			try_all_split(p, by_estimate, begin);
		return 0;
	}
	ret = moves_init(&m, p);
	if (!ret && !found) {
		uint32_t other;

		/* Tight: largest first, to where there is most room */
		begin_cards(p);
		ret = assign(p, by_bytes, true, &other);
		if (!ret) {
			try_now(p, begin, &found);
			refine(p, &m, begin);
		}
	} else if (!ret) {
		ret = try_splits(p, by_estimate, &m, begin, &found, &which);
	}
	moves_free(&m);
	if (ret == -ENOSPC)
		smartssd_fail(err, ret, "table %u (%llu rows of %u bytes) does not fit: it takes %llu bytes of flash with its checksums and room for updates, and the %u cards have %llu each for all tables; give more cards or a smaller row format",
			      which, (unsigned long long)p->tables[which].t->rows, p->tables[which].t->row_bytes,
			      (unsigned long long)store_shard_bytes(&p->tables[which].layout, p->tables[which].t->rows), p->cards, (unsigned long long)p->budget->flash_bytes);
	else if (ret)
		smartssd_fail(err, ret, "no memory to plan the placement of %u tables", p->nr);
	return ret;
}

/* How many are to be placed: the others are where they are. */
static int look_where(struct plan *p, uint32_t *nr_open, struct smartssd_error *err)
{
	*nr_open = 0;
	for (uint32_t i = 0; i < p->nr; i++) {
		uint32_t card = p->budget->where ? p->budget->where[i] : PLACEMENT_OPEN;

		p->tables[i].stays = card != PLACEMENT_OPEN;
		*nr_open += card == PLACEMENT_OPEN;
		if (card != PLACEMENT_OPEN && card != SPLIT && card >= p->cards)
			return smartssd_fail(err, -EINVAL, "table %u is on card %u, of %u", i, card, p->cards);
	}
	return 0;
}

/* ---- before and after ---- */

static int find_runs(struct table *t)
{
	uint32_t room = 0;

	for (uint64_t rank = 0; rank < t->wanted; rank++) {
		uint64_t count = t->t->row_counts[t->order[rank]];

		if (t->nr_runs && t->runs[t->nr_runs - 1].count == count) {
			t->runs[t->nr_runs - 1].end++;
			continue;
		}
		if (smartssd_grow(&t->runs, &room, t->nr_runs + 1ull, 64, sizeof(*t->runs)))
			return -ENOMEM;
		t->runs[t->nr_runs++] = (struct run){ count, rank + 1 };
	}
	return 0;
}

static int init_table(struct plan *p, uint32_t i, const struct placement_table *in, struct smartssd_error *err)
{
	struct table *t = &p->tables[i];
	uint64_t often = 0;
	double sum = 0;

	t->t = in;
	if (!in->rows || !in->row_bytes || !(in->lookups >= 0 && in->lookups < INFINITY) || in->rows > SIZE_MAX / sizeof(*t->order) || layout_init(&t->layout, in->row_bytes, PLACEMENT_BLOCK))
		return smartssd_fail(err, -EINVAL, "table %u: %llu rows of %u bytes, %g lookups for each query: not possible", i, (unsigned long long)in->rows, in->row_bytes,
				     in->lookups);
	t->flash = (double)div_up(in->row_bytes, PLACEMENT_BLOCK) / PLACEMENT_READS_PER_SECOND;
	t->ddr = in->row_bytes / PLACEMENT_DDR_PER_SECOND;
	t->shard = calloc(p->cards, sizeof(*t->shard));
	if (!t->shard)
		return -ENOMEM;
	for (uint64_t r = 0; in->row_counts && r < in->rows; r++) {
		sum += (double)in->row_counts[r];
		t->wanted += in->row_counts[r] > 0;
		often += in->row_counts[r] > 0 && in->row_counts[r] >= p->budget->least_count;
	}
	if (t->wanted < in->rows)
		t->wanted = often;
	/* Nothing was counted: nothing is known. */
	if (!(sum > 0)) {
		t->each = in->lookups / (double)in->rows;
		t->wanted = in->lookups > 0 ? in->rows : 0;
		for (uint32_t c = 0; c < p->cards; c++)
			t->shard[c] = saved(p, t, t->each, true) * (double)layout_shard_rows(in->rows, p->cards, c);
		return 0;
	}
	t->each = in->lookups / sum;
	for (uint64_t r = 0; r < in->rows; r++)
		if (in->row_counts[r])
			t->shard[layout_shard(r, p->cards)] += saved(p, t, t->each * (double)in->row_counts[r], true);
	t->order = in->order;
	if (!t->order) {
		t->order = t->own_order = malloc(in->rows * sizeof(*t->own_order));
		if (!t->own_order || placement_hottest(in->row_counts, in->rows, t->own_order))
			return -ENOMEM;
	}
	return find_runs(t);
}

/* By falling estimate, which is made here. */
static void estimate(struct plan *p, uint64_t *begin, uint32_t *by_estimate)
{
	uint64_t room, host = p->budget->host_bytes;

	if (__builtin_mul_overflow(p->budget->card_bytes, (uint64_t)p->cards, &room))
		room = UINT64_MAX;
	memset(begin, 0, p->nr * sizeof(*begin));
	take_hottest(p, begin, p->now.pinned, &room, false, false);
	take_hottest(p, p->now.pinned, p->now.in_host, &host, false, true);
	for (uint32_t i = 0; i < p->nr; i++) {
		struct table *t = &p->tables[i];
		uint32_t at = i;

		t->estimate = 0;
		for (uint32_t c = 0; c < p->cards; c++)
			t->estimate += t->shard[c];
		plan_relieve(p, i, 0, p->now.pinned[i], &t->estimate, false, false);
		plan_relieve(p, i, p->now.pinned[i], p->now.pinned[i] + p->now.in_host[i], &t->estimate, false, true);
		for (; at > 0 && p->tables[by_estimate[at - 1]].estimate < t->estimate; at--)
			by_estimate[at] = by_estimate[at - 1];
		by_estimate[at] = i;
	}
}

static void sort_by_bytes(const struct plan *p, uint32_t *by_bytes)
{
	for (uint32_t i = 0; i < p->nr; i++) {
		uint64_t bytes = store_shard_bytes(&p->tables[i].layout, p->tables[i].t->rows);
		uint32_t at = i;

		for (; at > 0 && store_shard_bytes(&p->tables[by_bytes[at - 1]].layout, p->tables[by_bytes[at - 1]].t->rows) < bytes; at--)
			by_bytes[at] = by_bytes[at - 1];
		by_bytes[at] = i;
	}
}

/* Why it is no better than that. */
static void explain_imbalance(const struct plan *p, char *why, size_t room)
{
	double hottest = 0, share;
	uint32_t which = 0, stay = 0;

	for (uint32_t i = 0; i < p->nr; i++) {
		const struct table *t = &p->tables[i];
		uint64_t rank = p->best.pinned[i] + p->best.in_host[i];
		double x = rank < t->wanted ? saved_at(p, t, rank, true) : 0;

		stay += t->stays;
		/* The hottest that is pinned takes card DDR. */
		if (p->best.pinned[i])
			x = fmax(x, t->ddr * rate_of(t, 0));

		if (x > hottest) {
			hottest = x;
			which = i;
		}
	}
	share = hottest / p->best.mean;
	if (share >= 0.02)
		snprintf(why, room, "; not below %.1f: single rows are too hot: one of table %u takes %.0f %% of a card's mean; pin more rows, in host DRAM if they are in card memory, "
				    "or make batches larger, in which a row is read once", BALANCE, which, share * 100);
	else if (stay)
		snprintf(why, room, "; not below %.1f: %u tables that are stored already stay where they are", BALANCE, stay);
	else
		snprintf(why, room, "; not below %.1f: too few rows or too little flash to share out", BALANCE);
}

static void explain(const struct plan *p, struct placement_result *out)
{
	uint64_t pinned = 0, in_host = 0, split = 0;
	int used;

	for (uint32_t i = 0; i < p->nr; i++) {
		pinned += out->pinned[i];
		in_host += out->in_host[i];
		split += out->card[i] == SPLIT;
	}
	used = snprintf(out->why, sizeof(out->why), "%llu tables whole, %llu row-wise; %llu rows pinned, %llu in host DRAM; modelled: slowest of %u cards %.3g s a query, %.2f times the mean",
			(unsigned long long)(p->nr - split), (unsigned long long)split, (unsigned long long)pinned, (unsigned long long)in_host, p->cards, out->slowest,
			out->mean > 0 ? out->slowest / out->mean : 1);
	if (!balanced(&p->best) && used > 0 && (size_t)used < sizeof(out->why))
		explain_imbalance(p, out->why + used, sizeof(out->why) - (size_t)used);
}

static int run(struct plan *p, const struct placement_table *tables, struct placement_result *out, struct smartssd_error *err)
{
	uint64_t *begin = calloc(p->nr + 1, sizeof(*begin));
	uint32_t *by_estimate = calloc(p->nr + 1, sizeof(*by_estimate)), *by_bytes = calloc(p->nr + 1, sizeof(*by_bytes));
	int ret = begin && by_estimate && by_bytes ? 0 : -ENOMEM;
	bool found = false;
	uint32_t nr_open;

	for (uint32_t i = 0; !ret && i < p->nr; i++)
		ret = init_table(p, i, &tables[i], err);
	if (ret == -ENOMEM)
		smartssd_fail(err, ret, "no memory to plan the placement of %u tables", p->nr);
	if (!ret)
		ret = look_where(p, &nr_open, err);
	if (!ret && nr_open) {
		estimate(p, begin, by_estimate);
		sort_by_bytes(p, by_bytes);
		ret = try_all(p, by_estimate, by_bytes, begin, err);
	} else if (!ret) {
		begin_cards(p);
		try_now(p, begin, &found);
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
	free(by_bytes);
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
	p.kept = calloc(nr + 1, sizeof(*p.kept));
	p.run = calloc(nr + 1, sizeof(*p.run));
	p.now.card = calloc(nr + 1, sizeof(*p.now.card));
	p.now.pinned = calloc(nr + 1, sizeof(*p.now.pinned));
	p.now.in_host = calloc(nr + 1, sizeof(*p.now.in_host));
	if (!out->load || !out->card || !out->pinned || !out->in_host || !p.tables || !p.heap || !p.saves || !p.kept || !p.run || !p.now.card || !p.now.pinned || !p.now.in_host)
		ret = smartssd_fail(err, -ENOMEM, "no memory to plan the placement of %u tables", nr);
	else
		ret = run(&p, tables, out, err);
	for (uint32_t i = 0; p.tables && i < nr; i++) {
		free(p.tables[i].own_order);
		free(p.tables[i].runs);
		free(p.tables[i].shard);
	}
	free(p.tables);
	free(p.heap);
	free(p.saves);
	free(p.kept);
	free(p.run);
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
