// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How are a compute unit and the emulated shell driven? Register semantics: see regs.h. A control
 * register that reads as all ones is no register any more: bit 8 and up of it are zero in every CU.
 */
#include "core.h"
#include "regs.h"

#define GONE	 0xffffffffu
#define NO_IRQ	 0xffffffffu
#define ISR_BITS (CU_IRQ_DONE | CU_IRQ_READY)

/*
 * The emulated card maps a shared object and starts a process per CU; a loaded machine may take its
 * time over that.
 */
#define PROGRAM_LIMIT_US 30000000u
#define POLL_FIRST_US	 50u
#define POLL_LAST_US	 10000u

static u32 reg_read(const struct smartssd_bus *bus, u32 addr)
{
	return bus->read(bus->ctx, addr);
}

static void reg_write(const struct smartssd_bus *bus, u32 addr, u32 value)
{
	bus->write(bus->ctx, addr, value);
}

/* Done was seen: take it and its interrupt. */
static int acknowledge(const struct smartssd_bus *bus, const struct smartssd_cu_desc *cu)
{
	u32 base = (u32)cu->base;
	u32 isr;

	/* Before the status is cleared: while done is held, the status sets itself again. */
	if (cu->control == SMARTSSD_CONTROL_CHAIN)
		reg_write(bus, base + CU_CTRL, CU_CTRL_CONTINUE);
	if (cu->irq == NO_IRQ)
		return 0;
	isr = reg_read(bus, base + CU_ISR);
	if (isr == GONE)
		return -ENODEV;
	/* Toggles: write back exactly what is set. */
	if (isr & ISR_BITS)
		reg_write(bus, base + CU_ISR, isr & ISR_BITS);
	return 0;
}

int smartssd_cu_start(const struct smartssd_bus *bus, const struct smartssd_cu_desc *cu,
		      const struct smartssd_reg *regs, u32 nr_regs)
{
	u32 base = (u32)cu->base;
	u32 ctrl, i;

	ctrl = reg_read(bus, base + CU_CTRL);
	if (ctrl == GONE)
		return -ENODEV;
	if (ctrl & CU_CTRL_START)
		return -EBUSY;
	/* A done that nobody took must not pass for this run's. HS: the read above took it. */
	if ((ctrl & CU_CTRL_DONE) && acknowledge(bus, cu))
		return -ENODEV;

	for (i = 0; i < nr_regs; i++)
		reg_write(bus, base + regs[i].offset, regs[i].value);
	if (cu->irq != NO_IRQ) {
		reg_write(bus, base + CU_IER, CU_IRQ_DONE);
		reg_write(bus, base + CU_GIE, 1);
	}
	reg_write(bus, base + CU_CTRL, CU_CTRL_START);
	return 0;
}

int smartssd_cu_finish(const struct smartssd_bus *bus, const struct smartssd_cu_desc *cu)
{
	u32 ctrl = reg_read(bus, (u32)cu->base + CU_CTRL);

	if (ctrl == GONE)
		return -ENODEV;
	if (!(ctrl & CU_CTRL_DONE))
		return 0;
	return acknowledge(bus, cu) ? -ENODEV : 1;
}

int smartssd_emu_program(const struct smartssd_bus *bus, u64 address, u64 bytes,
			 void (*sleep)(u32 us), u32 *status)
{
	u32 us = POLL_FIRST_US, waited = 0, now;

	reg_write(bus, EMU_PROG_ADDR, (u32)address);
	reg_write(bus, EMU_PROG_ADDR + 4, (u32)(address >> 32));
	reg_write(bus, EMU_PROG_BYTES, (u32)bytes);
	reg_write(bus, EMU_PROG_BYTES + 4, (u32)(bytes >> 32));
	reg_write(bus, EMU_PROG_CTRL, 1);

	for (;;) {
		now = reg_read(bus, EMU_PROG_STATUS);
		*status = now;
		if (now == GONE)
			return -ENODEV;
		if (now == EMU_PROG_OK)
			return 0;
		if (now != EMU_PROG_BUSY)
			return -EIO;
		if (waited >= PROGRAM_LIMIT_US)
			return -ETIMEDOUT;
		sleep(us);
		waited += us;
		us = us < POLL_LAST_US / 2 ? us * 2 : POLL_LAST_US;
	}
}

u32 smartssd_emu_cu_status(const struct smartssd_bus *bus, u32 cu)
{
	reg_write(bus, EMU_CU_SELECT, cu);
	return reg_read(bus, EMU_CU_STATUS);
}

int smartssd_emu_cu_reset(const struct smartssd_bus *bus, u32 cu)
{
	u32 status;

	reg_write(bus, EMU_CU_RESET, cu);
	/*
	 * The read comes back after the reset was carried out. A worker that could not be replaced
	 * is still crashed.
	 */
	status = smartssd_emu_cu_status(bus, cu);
	if (status == GONE)
		return -ENODEV;
	return (status & 0xff) == EMU_CU_OK ? 0 : -EIO;
}
