// SPDX-License-Identifier: BSD-2-Clause
/* Tables moved to other cards, to all of them, or exchanged, by the loads that they have with the rows pinned as they are: steepest descent. */
#include <math.h>

#include "placement_impl.h"

int moves_init(struct moves *m, const struct plan *p)
{
	size_t nr = (size_t)p->nr * p->cards;

	*m = (struct moves){ .rest = calloc(nr, sizeof(*m->rest)), .part = calloc(nr, sizeof(*m->part)), .all = calloc(p->nr, sizeof(*m->all)),
			     .whole = calloc(p->nr, sizeof(*m->whole)), .patience = 3e8 };
	return m->rest && m->part && m->all && m->whole ? 0 : -ENOMEM;
}

void moves_free(struct moves *m)
{
	free(m->rest);
	free(m->part);
	free(m->all);
	free(m->whole);
}

static void put(const struct plan *p, struct moves *m, uint32_t i, uint32_t card, int sign)
{
	for (uint32_t c = 0; c < p->cards; c++) {
		if (card != SPLIT && card != c)
			continue;
		m->load[c] += sign * (card == SPLIT ? m->rest[(size_t)i * p->cards + c] : m->all[i]);
		m->used[c] += (uint64_t)sign * (card == SPLIT ? m->part[(size_t)i * p->cards + c] : m->whole[i]);
	}
}

static double slowest_of(const struct plan *p, struct moves *m)
{
	double most = 0;

	m->squares = 0;
	for (uint32_t c = 0; c < p->cards; c++) {
		/* A slower card counts first, then whether the others get more even: a way to better ones */
		most = fmax(most, m->load[c]);
		m->squares += m->load[c] * m->load[c];
		if (m->used[c] > p->budget->flash_bytes)
			most = INFINITY;
	}
	return most;
}

static void count_rest(struct plan *p, struct moves *m)
{
	memset(m->load, 0, sizeof(m->load));
	memset(m->used, 0, sizeof(m->used));
	for (uint32_t i = 0; i < p->nr; i++) {
		const struct table *t = &p->tables[i];
		double *rest = &m->rest[(size_t)i * p->cards];
		uint32_t card = p->now.card[i];

		memcpy(rest, t->shard, p->cards * sizeof(*rest));
		p->now.card[i] = SPLIT; /* by shards, whatever it is */
		plan_relieve(p, i, 0, p->now.pinned[i], rest, true, false);
		plan_relieve(p, i, p->now.pinned[i], p->now.pinned[i] + p->now.in_host[i], rest, true, true);
		p->now.card[i] = card;
		m->all[i] = 0;
		m->whole[i] = t->stays ? 0 : store_shard_bytes(&t->layout, t->t->rows);
		for (uint32_t c = 0; c < p->cards; c++) {
			m->all[i] += rest[c];
			m->part[(size_t)i * p->cards + c] = t->stays ? 0 : store_shard_bytes(&t->layout, layout_shard_rows(t->t->rows, p->cards, c));
		}
		put(p, m, i, card, 1);
	}
}

/* May table @i be there? */
static bool possible(const struct plan *p, uint32_t i, uint32_t goal)
{
	return !p->tables[i].stays && (goal != SPLIT || may_split(p, i));
}

/* The move of one table, or the exchange of two, that makes the slowest card fastest. False: none does. */
static bool best_move(struct plan *p, struct moves *m)
{
	uint32_t *card = p->now.card, first = SPLIT, second = SPLIT, to = 0, to2 = 0;
	double least = slowest_of(p, m), squares = m->squares * (1 - 1e-9);

	for (uint32_t i = 0; i < p->nr; i++)
		for (uint32_t k = 0; k <= p->cards + i; k++) {
			/* To card k, to all of them, or in exchange with an earlier table */
			uint32_t other = k > p->cards ? k - p->cards - 1 : SPLIT, from = card[i], goal = other != SPLIT ? card[other] : k < p->cards ? k : SPLIT;
			double most;

			if (goal == from || !possible(p, i, goal) || (other != SPLIT && !possible(p, other, from)))
				continue;
			put(p, m, i, from, -1);
			put(p, m, i, goal, 1);
			if (other != SPLIT) {
				put(p, m, other, goal, -1);
				put(p, m, other, from, 1);
			}
			most = slowest_of(p, m);
			if (most < least * (1 - 1e-9) || (most <= least * (1 + 1e-9) && m->squares < squares)) {
				least = most;
				squares = m->squares * (1 - 1e-9);
				first = i;
				second = other;
				to = goal;
				to2 = from;
			}
			if (other != SPLIT) {
				put(p, m, other, from, -1);
				put(p, m, other, goal, 1);
			}
			put(p, m, i, goal, -1);
			put(p, m, i, from, 1);
		}
	if (first == SPLIT)
		return false;
	put(p, m, first, to2, -1);
	put(p, m, first, to, 1);
	card[first] = to;
	if (second != SPLIT) {
		put(p, m, second, to, -1);
		put(p, m, second, to2, 1);
		card[second] = to2;
	}
	return true;
}

bool moves_improve(struct plan *p, struct moves *m)
{
	double each = (double)p->nr * (p->nr + p->cards) * p->cards;
	bool moved = false;

	count_rest(p, m);
	for (uint32_t i = 0; i < p->nr; i++)
		m->patience -= (double)(p->now.pinned[i] + p->now.in_host[i]);
	for (; m->patience > 0 && best_move(p, m); m->patience -= each)
		moved = true;
	m->patience -= each;
	return moved;
}
