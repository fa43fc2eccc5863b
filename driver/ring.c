// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register accesses over shared memory (core/regs.h, "ivshmem transport"), with PCIe's own manners:
 * writes are posted, a read completes after all earlier writes, and a card that does not answer
 * reads as all ones. The other side is not trusted: a wait is bounded, and indices that make no
 * sense end the conversation for good.
 */
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/ktime.h>
#include <linux/moduleparam.h>

#include "shell.h"

#define RING_BAR_REGS 0
#define RING_BAR_MEM 2
#define RING_SPINS 20
#define RING_LOOKS 500

static unsigned int ring_timeout_ms = 2000;
module_param(ring_timeout_ms, uint, 0644);
MODULE_PARM_DESC(ring_timeout_ms,
		 "how long an emulated card may leave a register access unanswered (default 2000)");

/*
 * struct smartssd_ring - our side of the ring
 * @lock: one access at a time; protects @head, @tail and @broken
 * @head: what we wrote to shared->head, which the card could change
 * @tail: where the card was when we last looked: it never goes back
 * @broken: no more accesses
 */
struct smartssd_ring {
	struct mutex lock;
	struct emu_ring __iomem *shared;
	void __iomem *regs;
	u32 head;
	u32 tail;
	u32 peer;
	bool broken;
};

/*
 * Wait until at most @limit entries are not yet taken. The card must leave both the time and a
 * number of looks unused: when the whole machine stood still, time alone proves nothing.
 */
static bool ring_wait(struct smartssd_ring *ring, u32 limit)
{
	ktime_t deadline = ktime_add_ms(ktime_get(), ring_timeout_ms);
	u32 tail, looks;

	lockdep_assert_held(&ring->lock);
	for (looks = 0;; looks++) {
		tail = readl(&ring->shared->tail);
		if (tail - ring->tail > ring->head - ring->tail)
			return false;
		if (ring->head - tail <= limit) {
			ring->tail = tail;
			return true;
		}
		/* Only what it took counts as an answer, and it cannot take more than there is. */
		if (tail != ring->tail) {
			ring->tail = tail;
			looks = 0;
			deadline = ktime_add_ms(ktime_get(), ring_timeout_ms);
		} else if (looks > RING_LOOKS && ktime_after(ktime_get(), deadline)) {
			return false;
		}
		if (looks < RING_SPINS)
			cpu_relax();
		else
			usleep_range(20, 100);
	}
}

static struct emu_ring_entry __iomem *ring_push(struct smartssd_ring *ring, u32 op, u32 addr,
						u32 value)
{
	struct emu_ring_entry __iomem *e;

	if (!ring_wait(ring, EMU_RING_ENTRIES - 1))
		return NULL;
	e = &ring->shared->entry[ring->head % EMU_RING_ENTRIES];
	writel(op, &e->op);
	writel(addr, &e->addr);
	writel(value, &e->value);
	wmb(); /* the entry is complete before the card sees it */
	writel(++ring->head, &ring->shared->head);
	mb(); /* the card sets sleeping, then looks at head; we do it the other way round */
	if (readl(&ring->shared->sleeping))
		writel(ring->peer << 16, ring->regs + IVSHMEM_DOORBELL);
	return e;
}

static void ring_break(struct smartssd_dev *sd)
{
	sd->ring->broken = true;
	dev_err_ratelimited(&sd->pdev->dev, "the emulated card does not answer\n");
	smartssd_set_gone(sd);
}

u32 smartssd_ring_read(struct smartssd_dev *sd, u32 addr)
{
	struct smartssd_ring *ring = sd->ring;
	struct emu_ring_entry __iomem *e;
	u32 value = ~0u;

	mutex_lock(&ring->lock);
	if (!ring->broken) {
		e = ring_push(ring, EMU_RING_READ, addr, 0);
		if (e && ring_wait(ring, 0)) {
			rmb(); /* the value was stored before tail moved */
			value = readl(&e->value);
		} else {
			ring_break(sd);
		}
	}
	mutex_unlock(&ring->lock);
	return value;
}

void smartssd_ring_write(struct smartssd_dev *sd, u32 addr, u32 value)
{
	struct smartssd_ring *ring = sd->ring;

	mutex_lock(&ring->lock);
	if (!ring->broken && !ring_push(ring, EMU_RING_WRITE, addr, value))
		ring_break(sd);
	mutex_unlock(&ring->lock);
}

int smartssd_ring_open(struct smartssd_dev *sd)
{
	struct pci_dev *pdev = sd->pdev;
	resource_size_t bytes = pci_resource_len(pdev, RING_BAR_MEM);
	struct smartssd_ring *ring;
	u64 ddr;

	/* Any ivshmem device has this id; ours is told by what is in its memory. */
	if (bytes <= SMARTSSD_WINDOW_BYTES || !pci_resource_len(pdev, RING_BAR_REGS))
		return -ENODEV;
	ring = devm_kzalloc(&pdev->dev, sizeof(*ring), GFP_KERNEL);
	if (!ring)
		return -ENOMEM;
	mutex_init(&ring->lock);
	ring->shared = devm_ioremap(&pdev->dev, pci_resource_start(pdev, RING_BAR_MEM),
				    sizeof(*ring->shared));
	ring->regs = devm_ioremap(&pdev->dev, pci_resource_start(pdev, RING_BAR_REGS),
				  pci_resource_len(pdev, RING_BAR_REGS));
	if (!ring->shared || !ring->regs)
		return -ENOMEM;
	if (readl(&ring->shared->magic) != EMU_RING_MAGIC)
		return -ENODEV;
	rmb(); /* magic is written last */
	if (readl(&ring->shared->version) != 1) {
		dev_err(&pdev->dev, "emulated card speaks version %u of the ring, not 1\n",
			readl(&ring->shared->version));
		return -ENODEV;
	}
	ddr = readq(&ring->shared->ddr_bytes);
	if (!ddr || !IS_ALIGNED(ddr, PAGE_SIZE) || ddr > bytes - SMARTSSD_WINDOW_BYTES) {
		dev_err(&pdev->dev, "emulated card claims %llu bytes of memory, its BAR has %llu\n",
			ddr, (u64)bytes - SMARTSSD_WINDOW_BYTES);
		return -ENODEV;
	}
	ring->peer = readl(&ring->shared->card_peer);
	/*
	 * An earlier driver's unanswered accesses are not ours: go on where head stands, the card
	 * catches up.
	 */
	ring->head = readl(&ring->shared->head);
	ring->tail = readl(&ring->shared->tail);
	if (ring->head - ring->tail > EMU_RING_ENTRIES)
		return -ENODEV;
	sd->ring = ring;
	sd->aperture_bytes = ddr;
	sd->ring_vectors = readl(&ring->shared->vectors);
	return 0;
}

void smartssd_ring_close(struct smartssd_dev *sd)
{
	struct smartssd_ring *ring = sd->ring;

	if (!ring)
		return;
	mutex_lock(&ring->lock);
	ring->broken = true;
	mutex_unlock(&ring->lock);
}
