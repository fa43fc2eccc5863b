// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * In which order do the commands of a job run? Each node counts the predecessors it still waits
 * for; whoever gets done counts its successors down.
 *
 * A barrier depends on all earlier commands. It need not have an edge from each: an earlier barrier
 * stands for everything before it, so a barrier counts only the commands from the previous barrier
 * on, and each command knows the one barrier that follows it.
 */
#include "core.h"

#define NONE 0xffffffffu

enum node_state { NODE_WAITING, NODE_READY, NODE_DONE };

struct smartssd_graph_edge {
	u32 to;
	u32 next; /* next edge of the same predecessor, or NONE */
};

static u32 count_edges(const struct smartssd_cmd *cmds, u32 nr)
{
	u32 i, d, edges = 0;

	for (i = 0; i < nr; i++) {
		if (cmds[i].flags & SMARTSSD_CMD_BARRIER)
			continue;
		for (d = 0; d < SMARTSSD_MAX_DEPS; d++)
			edges += cmds[i].dep[d] != 0;
	}
	return edges;
}

int smartssd_graph_init(struct smartssd_graph *g, const struct smartssd_cmd *cmds, u32 nr)
{
	u32 i, d, edge = 0, barrier = NONE;
	u32 nr_edges;

	memset(g, 0, sizeof(*g));
	if (!nr || nr > SMARTSSD_MAX_CMDS)
		return -EINVAL;
	for (i = 0; i < nr; i++)
		for (d = 0; d < SMARTSSD_MAX_DEPS; d++)
			if (cmds[i].dep[d] > i)
				return -EINVAL;

	/* The limits keep this far below 1 MiB. */
	nr_edges = count_edges(cmds, nr);
	g->mem = core_alloc(nr * (sizeof(*g->nodes) + sizeof(*g->barriers)) +
			    nr_edges * sizeof(*g->edges));
	if (!g->mem)
		return -ENOMEM;
	g->nodes = g->mem;
	g->edges = (struct smartssd_graph_edge *)(g->nodes + nr);
	g->barriers = (u32 *)(g->edges + nr_edges);
	g->nr = nr;
	g->left = nr;

	for (i = 0; i < nr; i++)
		g->nodes[i].first_edge = NONE;
	for (i = 0; i < nr; i++) {
		if (cmds[i].flags & SMARTSSD_CMD_BARRIER)
			continue; /* its own dependencies are among all earlier ones */
		for (d = 0; d < SMARTSSD_MAX_DEPS; d++) {
			struct smartssd_graph_node *from;

			if (!cmds[i].dep[d])
				continue;
			from = &g->nodes[cmds[i].dep[d] - 1];
			g->edges[edge] = (struct smartssd_graph_edge){ i, from->first_edge };
			from->first_edge = edge++;
			g->nodes[i].waiting++;
		}
	}
	for (i = nr; i-- > 0;) {
		g->barriers[i] = barrier;
		if (barrier != NONE)
			g->nodes[barrier].waiting++;
		if (cmds[i].flags & SMARTSSD_CMD_BARRIER)
			barrier = i;
	}
	return 0;
}

void smartssd_graph_start(struct smartssd_graph *g, smartssd_ready_fn ready, void *ctx)
{
	u32 i;

	for (i = 0; i < g->nr; i++) {
		if (g->nodes[i].waiting || g->nodes[i].state != NODE_WAITING)
			continue;
		g->nodes[i].state = NODE_READY;
		ready(ctx, i, false);
	}
}

/* A predecessor of @index is done. */
static void count_down(struct smartssd_graph *g, u32 index, bool ok, smartssd_ready_fn ready,
		       void *ctx)
{
	struct smartssd_graph_node *node = &g->nodes[index];

	if (!ok)
		node->doomed = 1;
	if (--node->waiting)
		return;
	node->state = NODE_READY;
	ready(ctx, index, node->doomed);
}

void smartssd_graph_done(struct smartssd_graph *g, u32 index, bool ok, smartssd_ready_fn ready,
			 void *ctx)
{
	u32 edge;

	/*
	 * Counting down twice would start a command early: a node is done once, and only after it
	 * was ready.
	 */
	if (index >= g->nr || g->nodes[index].state != NODE_READY)
		return;
	g->nodes[index].state = NODE_DONE;
	g->left--;
	for (edge = g->nodes[index].first_edge; edge != NONE; edge = g->edges[edge].next)
		count_down(g, g->edges[edge].to, ok, ready, ctx);
	if (g->barriers[index] != NONE)
		count_down(g, g->barriers[index], ok, ready, ctx);
}

void smartssd_graph_free(struct smartssd_graph *g)
{
	core_free(g->mem);
	memset(g, 0, sizeof(*g));
}
