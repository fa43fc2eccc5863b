/* SPDX-License-Identifier: BSD-2-Clause */
/* The register ring of the ivshmem transport (layout and rules: regs.h), the card's side. */
#ifndef SMARTSSD_CARD_RING_H
#define SMARTSSD_CARD_RING_H

#include "card.h"

struct ring {
	struct card *card;
	struct emu_ring *shared;
	int doorbell; /* eventfd, non-blocking: the host rings it when the card said that it sleeps */
	u32 tail;     /* the card's own; the shared one is only written */
	bool complained;
	bool stop; /* atomic: set it, then ring the doorbell */
};

/* Lay the ring out in zeroed shared memory. @card_peer, @vectors: see struct emu_ring */
void ring_init(struct ring *ring, struct emu_ring *shared, struct card *card, u32 card_peer, u32 vectors, int doorbell);

/* Serve until ring->stop. */
void ring_serve(struct ring *ring);

/*
 * Execute what is there now: number of entries, -EPROTO when the host's index is nonsense, -ENODEV when the card
 * left the bus.
 */
int ring_step(struct ring *ring);

#endif
