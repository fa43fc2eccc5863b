// SPDX-License-Identifier: BSD-2-Clause
/*
 * Serving the register ring. The other side is a guest and not to be trusted: nothing that it writes is read twice,
 * its index is only ever compared with ours, and the card's own state is not in the shared memory.
 */
#include <poll.h>
#include <unistd.h>
#include "ctl.h"
#include "ring.h"

void ring_init(struct ring *ring, struct emu_ring *shared, struct card *card, u32 card_peer, u32 vectors, int doorbell)
{
	*ring = (struct ring){ .card = card, .shared = shared, .doorbell = doorbell };
	shared->version = 1;
	shared->ddr_bytes = card_ddr_bytes(card);
	shared->card_peer = card_peer;
	shared->vectors = vectors;
	__atomic_store_n(&shared->magic, EMU_RING_MAGIC, __ATOMIC_RELEASE);
}

int ring_step(struct ring *ring)
{
	struct emu_ring *shared = ring->shared;
	u32 head = __atomic_load_n(&shared->head, __ATOMIC_ACQUIRE), n = head - ring->tail, i;

	if (n > EMU_RING_ENTRIES)
		return -EPROTO;
	for (i = 0; i < n; i++) {
		struct emu_ring_entry *e = &shared->entry[ring->tail % EMU_RING_ENTRIES];
		u32 op = __atomic_load_n(&e->op, __ATOMIC_RELAXED);
		u32 addr = __atomic_load_n(&e->addr, __ATOMIC_RELAXED);
		u32 value = ~0u;

		if (card_is_gone(ring->card))
			return -ENODEV;
		if (op == EMU_RING_WRITE)
			card_write(ring->card, addr, __atomic_load_n(&e->value, __ATOMIC_RELAXED));
		else if (op == EMU_RING_READ)
			value = card_read(ring->card, addr);
		if (op != EMU_RING_WRITE)
			__atomic_store_n(&e->value, value, __ATOMIC_RELAXED);
		__atomic_store_n(&shared->tail, ++ring->tail, __ATOMIC_RELEASE);
	}
	return n;
}

static void ring_sleep(struct ring *ring)
{
	struct pollfd p = { .fd = ring->doorbell, .events = POLLIN };
	u64 count;
	u32 n;

	__atomic_store_n(&ring->shared->sleeping, 1, __ATOMIC_SEQ_CST);
	/*
	 * The host moves head, then looks at sleeping; one of the two sees the other's store. A head that makes no
	 * sense does not count.
	 */
	n = __atomic_load_n(&ring->shared->head, __ATOMIC_SEQ_CST) - ring->tail;
	if (!n || n > EMU_RING_ENTRIES || card_is_gone(ring->card))
		poll(&p, 1, -1);
	__atomic_store_n(&ring->shared->sleeping, 0, __ATOMIC_RELAXED);
	if (read(ring->doorbell, &count, sizeof(count)) < 0)
		count = 0; /* nobody rang */
}

void ring_serve(struct ring *ring)
{
	int n = 0;

	while (!__atomic_load_n(&ring->stop, __ATOMIC_ACQUIRE)) {
		n = ring_step(ring);
		if (n == -EPROTO && !ring->complained) {
			fprintf(stderr, "smartssd-card: the host claims more ring entries than there are; ignoring it until that changes\n");
			ring->complained = true;
		}
		if (n > 0) {
			ring->complained = false;
			continue;
		}
		if (!n) {
			ring->complained = false;
			if (cu_may_spin() && cu_spin(&ring->shared->head, ring->tail))
				continue;
		}
		ring_sleep(ring);
	}
}
