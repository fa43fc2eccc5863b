// SPDX-License-Identifier: BSD-2-Clause
/* The dependency graph, also against a simulation that looks at all pairs of commands. */
#include "../../driver/core/core.h"
#include "rng.h"
#include "suite.h"

/* What @ready was told. */
struct seen {
	u32 reports[SMARTSSD_MAX_CMDS];
	bool canceled[SMARTSSD_MAX_CMDS];
	u32 queue[SMARTSSD_MAX_CMDS];
	u32 nr;
};

static void ready(void *ctx, u32 index, bool canceled)
{
	struct seen *seen = ctx;

	must(index < SMARTSSD_MAX_CMDS, "command %u is ready", index);
	seen->reports[index]++;
	seen->canceled[index] = canceled;
	seen->queue[seen->nr++] = index;
}

static struct seen seen;
static struct smartssd_cmd cmds[SMARTSSD_MAX_CMDS];

static void setup(void)
{
	memset(&seen, 0, sizeof(seen));
	memset(cmds, 0, sizeof(cmds));
}

static struct smartssd_graph begin(u32 nr)
{
	struct smartssd_graph g;

	ck_assert_int_eq(smartssd_graph_init(&g, cmds, nr), 0);
	ck_assert_uint_eq(g.left, nr);
	smartssd_graph_start(&g, ready, &seen);
	return g;
}

static void done(struct smartssd_graph *g, u32 index, bool ok)
{
	smartssd_graph_done(g, index, ok, ready, &seen);
}

START_TEST(counts)
{
	struct smartssd_graph g;

	ck_assert_int_eq(smartssd_graph_init(&g, cmds, 0), -EINVAL);
	ck_assert_int_eq(smartssd_graph_init(&g, cmds, SMARTSSD_MAX_CMDS + 1), -EINVAL);
}
END_TEST

START_TEST(forward_dependency_is_refused)
{
	struct smartssd_graph g;

	cmds[1].dep[2] = 2;
	ck_assert_int_eq(smartssd_graph_init(&g, cmds, 3), -EINVAL);
	smartssd_graph_free(&g); /* nothing there, nothing happens */
}
END_TEST

START_TEST(independent_commands_start_at_once_in_order)
{
	struct smartssd_graph g = begin(5);

	ck_assert_uint_eq(seen.nr, 5);
	for (u32 i = 0; i < 5; i++) {
		ck_assert_uint_eq(seen.queue[i], i);
		ck_assert(!seen.canceled[i]);
	}
	smartssd_graph_free(&g);
}
END_TEST

START_TEST(chain)
{
	struct smartssd_graph g;

	for (u32 i = 1; i < SMARTSSD_MAX_CMDS; i++)
		cmds[i].dep[i % SMARTSSD_MAX_DEPS] = i;
	g = begin(SMARTSSD_MAX_CMDS);
	for (u32 i = 0; i < SMARTSSD_MAX_CMDS; i++) {
		ck_assert_uint_eq(seen.nr, i + 1);
		ck_assert_uint_eq(g.left, SMARTSSD_MAX_CMDS - i);
		done(&g, i, true);
	}
	ck_assert_uint_eq(g.left, 0);
	smartssd_graph_free(&g);
}
END_TEST

START_TEST(same_dependency_twice)
{
	struct smartssd_graph g;

	cmds[1].dep[0] = cmds[1].dep[1] = cmds[1].dep[3] = 1;
	g = begin(2);
	ck_assert_uint_eq(seen.nr, 1);
	done(&g, 0, true);
	ck_assert_uint_eq(seen.reports[1], 1);
	smartssd_graph_free(&g);
}
END_TEST

START_TEST(failure_cancels_what_depends_on_it)
{
	struct smartssd_graph g;

	cmds[1].dep[0] = 1; /* 0 -> 1 -> 2; 3 is free */
	cmds[2].dep[0] = 2;
	g = begin(4);
	done(&g, 0, false);
	ck_assert(seen.reports[1] == 1 && seen.canceled[1]);
	ck_assert_uint_eq(seen.reports[2], 0);
	done(&g, 1, false);
	ck_assert(seen.reports[2] == 1 && seen.canceled[2]);
	ck_assert(seen.reports[3] == 1 && !seen.canceled[3]);
	done(&g, 2, false);
	done(&g, 3, true);
	ck_assert_uint_eq(g.left, 0);
	smartssd_graph_free(&g);
}
END_TEST

START_TEST(canceled_command_waits_for_its_other_dependencies)
{
	struct smartssd_graph g;

	cmds[2].dep[0] = 1;
	cmds[2].dep[1] = 2;
	g = begin(3);
	done(&g, 0, false);
	ck_assert_uint_eq(seen.reports[2], 0);
	done(&g, 1, true);
	ck_assert(seen.reports[2] == 1 && seen.canceled[2]);
	smartssd_graph_free(&g);
}
END_TEST

START_TEST(barrier_waits_for_all_earlier_ones)
{
	struct smartssd_graph g;

	cmds[3].flags = SMARTSSD_CMD_BARRIER;
	g = begin(5);
	ck_assert_uint_eq(seen.nr, 4); /* 4 does not wait for the barrier */
	ck_assert_uint_eq(seen.reports[3], 0);
	done(&g, 2, true);
	done(&g, 4, true);
	done(&g, 0, true);
	ck_assert_uint_eq(seen.reports[3], 0);
	done(&g, 1, true);
	ck_assert(seen.reports[3] == 1 && !seen.canceled[3]);
	smartssd_graph_free(&g);
}
END_TEST

START_TEST(barrier_behind_a_barrier_waits_for_what_was_before_both)
{
	struct smartssd_graph g;

	cmds[1].flags = cmds[2].flags = SMARTSSD_CMD_BARRIER;
	g = begin(3);
	ck_assert_uint_eq(seen.nr, 1);
	done(&g, 0, false);
	ck_assert(seen.reports[1] == 1 && seen.canceled[1] && !seen.reports[2]);
	done(&g, 1, false);
	ck_assert(seen.reports[2] == 1 && seen.canceled[2]);
	smartssd_graph_free(&g);
}
END_TEST

START_TEST(barrier_with_its_own_dependencies)
{
	struct smartssd_graph g;

	cmds[2].flags = SMARTSSD_CMD_BARRIER;
	cmds[2].dep[0] = 1;
	cmds[2].dep[1] = 2;
	g = begin(3);
	done(&g, 0, true);
	ck_assert_uint_eq(seen.reports[2], 0);
	done(&g, 1, true);
	ck_assert_uint_eq(seen.reports[2], 1);
	smartssd_graph_free(&g);
}
END_TEST

START_TEST(first_command_as_barrier)
{
	struct smartssd_graph g;

	cmds[0].flags = SMARTSSD_CMD_BARRIER;
	g = begin(1);
	ck_assert_uint_eq(seen.nr, 1);
	smartssd_graph_free(&g);
}
END_TEST

START_TEST(done_counts_once_and_only_when_ready)
{
	struct smartssd_graph g;

	cmds[2].dep[0] = 1;
	cmds[2].dep[1] = 2;
	g = begin(3);
	done(&g, 2, true); /* was not ready */
	done(&g, 3, true); /* is not there */
	ck_assert_uint_eq(g.left, 3);
	done(&g, 0, true);
	done(&g, 0, true); /* twice */
	ck_assert_uint_eq(g.left, 2);
	ck_assert_uint_eq(seen.reports[2], 0);
	smartssd_graph_free(&g);
}
END_TEST

/* n barriers must not cost n * n / 2 edges: what the nodes wait for in sum is what gets counted down. */
START_TEST(barriers_cost_a_counter_each)
{
	struct smartssd_graph g;
	u64 sum = 0;

	for (u32 i = 0; i < SMARTSSD_MAX_CMDS; i++)
		cmds[i].flags = i % 2 ? SMARTSSD_CMD_BARRIER : 0;
	ck_assert_int_eq(smartssd_graph_init(&g, cmds, SMARTSSD_MAX_CMDS), 0);
	for (u32 i = 0; i < SMARTSSD_MAX_CMDS; i++)
		sum += g.nodes[i].waiting;
	ck_assert_uint_lt(sum, SMARTSSD_MAX_CMDS);
	smartssd_graph_free(&g);
}
END_TEST

/* Does command i wait for command j? Straight from the definition. */
static bool waits(u32 i, u32 j)
{
	if (j >= i)
		return false;
	if (cmds[i].flags & SMARTSSD_CMD_BARRIER)
		return true;
	for (u32 d = 0; d < SMARTSSD_MAX_DEPS; d++)
		if (cmds[i].dep[d] == j + 1)
			return true;
	return false;
}

START_TEST(random_against_all_pairs)
{
	rng_start();
	for (int round = 0; round < 2000; round++) {
		u32 nr = rng_below(40) + 1, barriers = rng_below(4), failures = rng_below(3), finished = 0;
		bool is_done[40] = { false }, ok[40] = { false };
		u32 open[40], nr_open = 0, taken = 0;
		struct smartssd_graph g;

		setup();
		for (u32 i = 0; i < nr; i++) {
			if (barriers && !rng_below(barriers * 5))
				cmds[i].flags = SMARTSSD_CMD_BARRIER;
			for (u32 d = 0; d < SMARTSSD_MAX_DEPS; d++)
				if (!rng_below(3))
					cmds[i].dep[d] = rng_below(i + 1);
		}
		g = begin(nr);
		for (;;) {
			/* Ready, by the definition, is exactly what was reported, with the right word on cancelling. */
			for (u32 i = 0; i < nr; i++) {
				bool may = true, doomed = false;

				for (u32 j = 0; j < i; j++)
					if (waits(i, j)) {
						may = may && is_done[j];
						doomed = doomed || (is_done[j] && !ok[j]);
					}
				must(seen.reports[i] == may, "round %d: command %u reported %u times", round, i, seen.reports[i]);
				if (may)
					must(seen.canceled[i] == doomed, "round %d: command %u", round, i);
			}
			while (taken < seen.nr)
				open[nr_open++] = seen.queue[taken++];
			must(g.left == nr - finished, "round %d: %u left", round, g.left);
			if (!nr_open)
				break;
			u32 pick = rng_below(nr_open), i = open[pick];

			open[pick] = open[--nr_open];
			is_done[i] = true;
			ok[i] = !seen.canceled[i] && !(failures && !rng_below(failures * 6));
			finished++;
			done(&g, i, ok[i]);
		}
		must(finished == nr, "round %d: only %u of %u commands ran", round, finished, nr);
		smartssd_graph_free(&g);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("graph");
	TCase *tc = tcase_create("graph");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, counts);
	tcase_add_test(tc, forward_dependency_is_refused);
	tcase_add_test(tc, independent_commands_start_at_once_in_order);
	tcase_add_test(tc, chain);
	tcase_add_test(tc, same_dependency_twice);
	tcase_add_test(tc, failure_cancels_what_depends_on_it);
	tcase_add_test(tc, canceled_command_waits_for_its_other_dependencies);
	tcase_add_test(tc, barrier_waits_for_all_earlier_ones);
	tcase_add_test(tc, barrier_behind_a_barrier_waits_for_what_was_before_both);
	tcase_add_test(tc, barrier_with_its_own_dependencies);
	tcase_add_test(tc, first_command_as_barrier);
	tcase_add_test(tc, done_counts_once_and_only_when_ready);
	tcase_add_test(tc, barriers_cost_a_counter_each);
	tcase_add_test(tc, random_against_all_pairs);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
