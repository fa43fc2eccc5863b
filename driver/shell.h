/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shells: the ways to reach a card. What differs between them is in this table and behind these
 * operations.
 */
#ifndef SMARTSSD_SHELL_H
#define SMARTSSD_SHELL_H

#include "drv.h"

/*
 * struct smartssd_shell - a kind of card
 * @id: SMARTSSD_SHELL_*
 * @features: SMARTSSD_FEATURE_* that the shell brings
 * @aperture_bar: BAR through which the card memory is visible ...
 * @aperture_offset: ... from here on
 * @setup: find window, aperture size (sd->aperture_bytes) and number of vectors; -ENODEV: not such
 *   a card
 * @cleanup: undo @setup
 * @read: register read; all ones from a card that is gone. May sleep
 * @write: register write. May sleep
 * @alive: does the card still answer?
 * @program: load the xclbin at this card memory; NULL: cannot be programmed from here
 * @cu_reset: stop what a CU runs and make it usable; NULL: cannot
 * @cu_crashed: did the card report a fault of this CU? NULL: it never does. -ENODEV
 * @fault: arm a fault, EMU_FAULT's format; NULL on hardware
 */
struct smartssd_shell {
	const char *name;
	u32 id;
	u64 features;
	int aperture_bar;
	u64 aperture_offset;
	int (*setup)(struct smartssd_dev *sd);
	void (*cleanup)(struct smartssd_dev *sd);
	u32 (*read)(struct smartssd_dev *sd, u32 addr);
	void (*write)(struct smartssd_dev *sd, u32 addr, u32 value);
	bool (*alive)(struct smartssd_dev *sd);
	int (*program)(struct smartssd_dev *sd, u64 address, u64 bytes);
	int (*cu_reset)(struct smartssd_dev *sd, u32 cu);
	int (*cu_crashed)(struct smartssd_dev *sd, u32 cu);
	void (*fault)(struct smartssd_dev *sd, u32 value);
};

extern const struct smartssd_shell smartssd_shells[];
extern const struct pci_device_id smartssd_ids[];

/* ring.c: the register ring of the ivshmem shell */
int smartssd_ring_open(struct smartssd_dev *sd);
void smartssd_ring_close(struct smartssd_dev *sd);
u32 smartssd_ring_read(struct smartssd_dev *sd, u32 addr);
void smartssd_ring_write(struct smartssd_dev *sd, u32 addr, u32 value);

#endif
