/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the planner's files share: cost.c (a layer), flow.c (what moves, and totals), place.c (card or host), spread.c (several cards), plan.c, scale.c.
 *
 * A network is seen as layers in order with costs on the card and on the host, and leaves: values that are not merely the sum of their parts. A leaf is
 * valid at a set of places; a layer that reads it elsewhere moves it there once (exec.h has the same terms, and does just that).
 */
#ifndef SMARTSSD_RUNTIME_NN_PLAN_IMPL_H
#define SMARTSSD_RUNTIME_NN_PLAN_IMPL_H

#include "plan.h"
#include "program_impl.h"
#include "session.h"

#define PLAN_HOST     0u	/* places */
#define PLAN_CARD(n)  ((n) + 1u)

struct plan_leaf {
	uint64_t bytes;	     /* of an image */
	bool input, output;
	uint32_t last;	     /* layer that reads it last; UINT32_MAX: none does */
};

struct plan_layer {
	double card, host;    /* seconds of an image; card: infinite where it cannot be */
	bool can_card, can_host; /* at least one */
	uint32_t *in, nr_in;  /* leaves, each once */
	uint32_t *out, nr_out;
	uint64_t w_from, w_to; /* its weights; from == to: none */
};

struct plan_net {
	const struct nn_program *program;
	const struct nn_machine *machine;
	struct plan_layer *layers;
	struct plan_leaf *leaves; /* by value; those that are no leaves are not in any layer's lists */
	uint32_t *lists;
	uint32_t nr, nr_leaves;
	uint32_t batch;	      /* images of a job */
	uint64_t slot_bytes;  /* a card's memory for one job in flight */
	uint64_t *valid;      /* room for flow.c: bits of places, for each leaf */
};

/*
 * Costs of all layers with the tiles that they have; one that the kernel does not take with these tiles cannot be on the card. On the host can be what
 * cannot be on the card, and when the machine's host is considered everything. 0, -ENOMEM, -EFBIG
 */
uint32_t plan_batch(const struct nn_program *program, const struct nn_machine *machine);
int plan_net_open(struct plan_net *net, const struct nn_program *program, const struct nn_machine *machine);
void plan_net_close(struct plan_net *net);

/* ---- flow.c ---- */

struct plan_use {
	double busy[NN_MAX_CARDS][NN_BUSY_KINDS]; /* of each card's own: FLASH, CARD, LINK */
	double host;
	uint64_t shared; /* bytes that cross the shared link */
	struct nn_moved moved;
	uint32_t jobs;
	uint64_t w_from[NN_MAX_CARDS], w_to[NN_MAX_CARDS];
};

/* What an image uses when layer l runs at place[l]: PLAN_HOST, PLAN_CARD(n). @only: what moves in front of and behind that layer, UINT32_MAX: all */
void plan_use(struct plan_net *net, const uint8_t *place, uint32_t only, struct plan_use *use);
/* @spread: the cards have different layers; else all that card 0 does, @cards cards share. */
void plan_total(const struct plan_net *net, const struct plan_use *use, uint32_t cards, bool spread, struct nn_total *out);
/* Smaller: the time of the busiest, then latency. */
bool plan_better(const struct nn_total *a, const struct nn_total *b);
void plan_places(const struct nn_program *program, uint8_t *place);

/* ---- place.c ---- */

/*
 * Card or host, images over @cards cards: the placement of the highest throughput, of those the one with the shortest latency, that fits the card's memory.
 * *bound: no placement has fewer seconds than this. 0, -ENOMEM, -E2BIG: none fits.
 */
int plan_place(struct plan_net *net, uint32_t cards, uint8_t *place, struct nn_total *total, double *bound);

/* ---- spread.c ---- */

/* All layers that can be on cards, in ranges over @cards cards. 0, -ENOMEM, -E2BIG */
int plan_spread(struct plan_net *net, uint32_t cards, uint8_t *place, struct nn_total *total);
/* The fewest cards for which there are such ranges; 0: NN_MAX_CARDS are not enough, or no memory to find out. */
uint32_t plan_spread_least(struct plan_net *net);

#endif
