/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The card as the host sees it: the user window (32 MiB of registers) and the aperture (card memory, offset = DDR
 * address). Shared by the driver and the card model.
 */
#ifndef SMARTSSD_CORE_REGS_H
#define SMARTSSD_CORE_REGS_H

#include "compat.h"

#define SMARTSSD_WINDOW_BYTES (32u << 20)

/* Compute-unit register file (AXI-Lite, HLS; AMD UG1399 "S_AXILITE Control Register Map"), at the CU's base */
#define CU_CTRL		 0x00
#define CU_CTRL_START	 (1u << 0) /* write 1; the hardware clears it */
#define CU_CTRL_DONE	 (1u << 1) /* HS: sticky, clears on read; CHAIN: level, held until CONTINUE */
#define CU_CTRL_IDLE	 (1u << 2)
#define CU_CTRL_READY	 (1u << 3)
#define CU_CTRL_CONTINUE (1u << 4) /* CHAIN: self-clearing */
#define CU_CTRL_AUTO	 (1u << 7)
#define CU_GIE		 0x04
#define CU_IER		 0x08
#define CU_ISR		 0x0c /* toggle on write; bits are set only while enabled in IER */
#define CU_IRQ_DONE	 (1u << 0)
#define CU_IRQ_READY	 (1u << 1)
#define CU_ARGS		 0x10
#define CU_FILE_BYTES	 0x1000 /* register file of one CU; bases are multiples of it */

/* In every shell: the FPGA's 96-bit DNA (the SSD's Identify data carries it too) */
#define WIN_DNA_HI 0x330020
#define WIN_DNA_MD 0x330024
#define WIN_DNA_LO 0x330028

/*
 * Emulated shell only. What the hardware does through its management function (programming) or not at all (fault knobs).
 * 64-bit values are two 32-bit registers, low word first.
 */
#define EMU_ID		0x300000 /* EMU_ID_VALUE */
#define EMU_VERSION	0x300004 /* 1 */
#define EMU_DDR_BYTES	0x300008 /* 64 bit */
#define EMU_PROG_ADDR	0x300010 /* 64 bit: DDR address of a whole xclbin file */
#define EMU_PROG_BYTES	0x300018 /* 64 bit */
#define EMU_PROG_CTRL	0x300020 /* write 1: read the xclbin, drop the old CUs, start the new; 0: drop the old CUs only */
#define EMU_PROG_STATUS 0x300024 /* EMU_PROG_* */
#define EMU_CU_RESET	0x300028 /* write a CU index: stop what it runs, fresh worker, registers as after programming */
#define EMU_CU_SELECT	0x30002c /* write a CU index ... */
#define EMU_CU_STATUS	0x300030 /* ... read that CU's EMU_CU_* | signal or exit code << 8 */
#define EMU_FAULT	0x300034 /* write EMU_FAULT_* | CU index << 8 | nth run from now, 1 = next, << 16: fires once */
#define EMU_ID_VALUE	0x53534431 /* "SSD1" */

#define EMU_PROG_NONE	 0 /* no CUs */
#define EMU_PROG_BUSY	 1
#define EMU_PROG_OK	 2
#define EMU_PROG_BAD	 3 /* not an xclbin, or the address range is outside of DDR */
#define EMU_PROG_NO_BITS 4 /* the bitstream is not a shared object for this card, or lacks a kernel's entry */

#define EMU_CU_OK      0
#define EMU_CU_CRASHED 1

#define EMU_FAULT_NONE	  0 /* disarm all */
#define EMU_FAULT_HANG	  1 /* the run never ends */
#define EMU_FAULT_CRASH	  2 /* the worker dies of SIGSEGV in mid-run */
#define EMU_FAULT_NO_IRQ  3 /* the run ends, its interrupt is lost */
#define EMU_FAULT_WRONG	  4 /* completion of a run that never ran: interrupt and done, while the kernel has not been called */
#define EMU_FAULT_GONE	  5 /* the card leaves the bus: reads give all ones, writes and interrupts are lost, for good */
#define EMU_FAULT_SPURIOUS 6 /* an interrupt without a cause, at once */

/*
 * ivshmem transport. BAR2 is shared memory: struct emu_ring at 0, the aperture from SMARTSSD_WINDOW_BYTES on. Registers must have
 * side effects, which memory has not, so register accesses travel through a ring, with PCIe's own rules: writes are posted,
 * a read completes after all earlier writes, and a card that does not answer reads as all ones. One producer (the driver, under
 * its lock), one consumer (the card). Indices run freely modulo 2^32; entry = index % EMU_RING_ENTRIES. The entry is filled before head
 * moves (release), the card takes it after reading head (acquire), executes it, stores value, and then moves tail (release).
 * Neither side trusts the other's index: more than EMU_RING_ENTRIES in between is a broken peer.
 */
#define EMU_RING_MAGIC	 0x474e5253 /* "SRNG" */
#define EMU_RING_ENTRIES 256
#define EMU_RING_WRITE	 1
#define EMU_RING_READ	 2

struct emu_ring_entry {
	u32 op;	   /* EMU_RING_* */
	u32 addr;  /* in the user window */
	u32 value; /* write: value; read: filled by the card */
	u32 pad;
};

struct emu_ring {
	u32 magic;	/* written last by the card when it is ready */
	u32 version;	/* 1 */
	u64 ddr_bytes;	/* aperture length */
	u32 card_peer;	/* the card's ivshmem peer id: target of doorbells */
	u32 vectors;	/* MSI-X vectors: CU with interrupt id i uses 1 + i % (vectors - 1); 0 is the shell's */
	u32 pad0[10];
	u32 head;	/* producer: the driver */
	u32 pad1[15];
	u32 tail;	/* consumer: the card */
	u32 sleeping;	/* card: 1 = ring the doorbell (vector 0) after moving head; then head is read once more */
	u32 pad2[14];
	struct emu_ring_entry entry[EMU_RING_ENTRIES];
};

/* ivshmem-doorbell BAR0 */
#define IVSHMEM_IVPOSITION 0x08
#define IVSHMEM_DOORBELL   0x0c /* peer << 16 | vector */

#endif
