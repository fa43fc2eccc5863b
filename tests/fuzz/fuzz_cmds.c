// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as a list of commands: smartssd_check_cmd() has only its documented answers, and the graph of whatever list runs each
 * command once, after what it waits for.
 */
#include "../../driver/core/core.h"
#include "fuzz.h"

#define MAX_CMDS 200

const char *const fuzz_words[] = { NULL };

void fuzz_seeds(void (*add)(const void *data, size_t bytes))
{
	struct smartssd_cmd list[12];

	memset(list, 0, sizeof(list));
	for (u32 i = 0; i < 12; i++) {
		list[i].op = SMARTSSD_OP_READ + i % 6;
		list[i].dep[0] = i;
		list[i].dep[1] = i / 2;
		switch (list[i].op) {
		case SMARTSSD_OP_READ:
		case SMARTSSD_OP_WRITE:
			list[i].rw.file = 1;
			list[i].rw.bo = 1;
			list[i].rw.nr_extents = 1;
			break;
		case SMARTSSD_OP_RUN:
			list[i].run.cu_mask = 1;
			list[i].run.nr_args = 3;
			list[i].flags = SMARTSSD_CMD_BARRIER;
			break;
		default:
			list[i].copy.bytes = 4096;
		}
	}
	add(list, sizeof(list));
	add(list, sizeof(list[0]));
}

static struct {
	const struct smartssd_cmd *cmds;
	u32 nr, nr_done, open[MAX_CMDS], nr_open;
	u8 reported[MAX_CMDS], canceled[MAX_CMDS], done[MAX_CMDS], failed[MAX_CMDS];
} g;

static void ready(void *ctx, u32 i, bool canceled)
{
	bool doomed = false;

	fuzz_check(ctx == &g && i < g.nr && !g.reported[i]);
	for (u32 j = 0; j < i; j++) {
		bool waits = g.cmds[i].flags & SMARTSSD_CMD_BARRIER;

		for (u32 d = 0; d < SMARTSSD_MAX_DEPS; d++)
			waits = waits || g.cmds[i].dep[d] == j + 1;
		fuzz_check(!waits || g.done[j]);
		doomed = doomed || (waits && g.failed[j]);
	}
	fuzz_check(canceled == doomed);
	g.reported[i] = 1;
	g.canceled[i] = canceled;
	g.open[g.nr_open++] = i;
}

static void run_graph(const struct smartssd_cmd *cmds, u32 nr, const uint8_t *chance, size_t nr_chance)
{
	struct smartssd_graph graph;
	bool forward = false;
	size_t c = 0;
	int err;

	for (u32 i = 0; i < nr; i++)
		for (u32 d = 0; d < SMARTSSD_MAX_DEPS; d++)
			forward = forward || cmds[i].dep[d] > i;
	err = smartssd_graph_init(&graph, cmds, nr);
	fuzz_check(err == (forward ? -EINVAL : 0));
	if (err)
		return;
	memset(&g, 0, sizeof(g));
	g.cmds = cmds;
	g.nr = nr;
	smartssd_graph_start(&graph, ready, &g);
	while (g.nr_open) {
		u32 pick = chance[c++ % nr_chance] % g.nr_open, i = g.open[pick];

		g.open[pick] = g.open[--g.nr_open];
		g.done[i] = 1;
		g.nr_done++;
		g.failed[i] = g.canceled[i] || chance[c++ % nr_chance] % 16 == 15;
		smartssd_graph_done(&graph, i, !g.failed[i], ready, &g);
		fuzz_check(graph.left == nr - g.nr_done);
	}
	fuzz_check(g.nr_done == nr);
	smartssd_graph_free(&graph);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	u32 nr = bytes / sizeof(struct smartssd_cmd) < MAX_CMDS ? bytes / sizeof(struct smartssd_cmd) : MAX_CMDS;
	static struct smartssd_cmd cmds[MAX_CMDS];
	int first = 0;
	char words[64];

	if (!nr)
		return 0;
	memcpy(cmds, data, nr * sizeof(cmds[0]));
	for (u32 i = 0; i < nr; i++) {
		int err = smartssd_check_cmd(&cmds[i], i);

		fuzz_check(!err || err == -EINVAL || err == -EOPNOTSUPP || err == -EOVERFLOW || err == -ENOENT);
		if (!err) {
			fuzz_check(cmds[i].op >= SMARTSSD_OP_READ && cmds[i].op <= SMARTSSD_OP_RUN);
			for (u32 d = 0; d < SMARTSSD_MAX_DEPS; d++)
				fuzz_check(cmds[i].dep[d] <= i);
			/* 72 bytes of arguments, of which no op uses more than 40 */
			fuzz_check(core_is_zero((u8 *)cmds[i].reserved + 40, sizeof(cmds[i].reserved) - 40));
		}
		if (!first)
			first = err;
	}
	snprintf(words, sizeof(words), "%c", 'a' + (int)(cmds[0].op % 8));
	fuzz_outcome(first, words);
	run_graph(cmds, nr, data, bytes);
	return 0;
}
