// SPDX-License-Identifier: BSD-2-Clause
/*
 * A compute unit's registers, as HLS generates them (AMD UG1399, "S_AXILITE Control Register Map").
 *
 *   ap_ctrl_hs     done and ready are set when the run ends and clear on read; ap_start clears and the CU is idle at once.
 *   ap_ctrl_chain  done is a level from the run's end until ap_continue, ready clears on read; ap_start clears at the end
 *                  of the run, and a new one waits for ap_continue.
 *   status (ISR)   a bit is set by its event while enabled (IER), and for CHAIN's done by the level: clearing it while
 *                  done is held has no effect. Writing toggles, so that writing back what was read clears.
 *   interrupt      raised when (GIE and any status bit) turns from 0 to 1.
 */
#include "internal.h"

#define CU_IRQ_ALL (CU_IRQ_DONE | CU_IRQ_READY)

void cu_power_on(struct cu *cu)
{
	cu->start = cu->done = cu->ready = false;
	cu->gie = cu->ier = cu->isr = 0;
	cu->line = false;
	memset(cu->regs, 0, sizeof(cu->regs));
	cu->running = cu->held = cu->lose_irq = false;
	cu->run = 0;
	cu->status = EMU_CU_OK;
}

static void line_update(struct card *card, struct cu *cu)
{
	bool line = cu->gie && cu->isr;

	if (line && !cu->line && !cu->lose_irq && cu->irq != ~0u)
		card->raise |= 1ull << (cu - card->cu);
	cu->line = line;
}

static void status_level(struct card *card, struct cu *cu)
{
	if (cu->held)
		cu->isr |= cu->ier & CU_IRQ_DONE;
	line_update(card, cu);
}

static void run_ended(struct card *card, struct cu *cu)
{
	cu->running = false;
	cu->start = false;
	cu->ready = true;
	cu->done = true;
	cu->held = cu->chain;
	cu->isr |= cu->ier;
	line_update(card, cu);
	cu->lose_irq = false;
}

/* The shell, not the CU, reports a crash: no enable bit of the CU matters. */
static void worker_died(struct card *card, struct cu *cu)
{
	cu->died = false;
	cu->running = false;
	cu->status = EMU_CU_CRASHED | cu->death << 8;
	if (cu->irq != ~0u)
		card->raise |= 1ull << (cu - card->cu);
	else
		card->raise_shell = true;
}

bool cu_harvest(struct card *card, struct cu *cu)
{
	bool event = false;

	if (card->gone)
		return false;
	/* First the run, then the death: a run that ended before its worker did has ended. */
	if (cu->running && cu->slot && __atomic_load_n(&cu->slot->done, __ATOMIC_ACQUIRE) == cu->run) {
		run_ended(card, cu);
		cu_dispatch(card, cu);
		event = true;
	}
	if (cu->died) {
		worker_died(card, cu);
		event = true;
	}
	return event;
}

void cu_dispatch(struct card *card, struct cu *cu)
{
	struct cu_slot *slot = cu->slot;
	u32 fire;

	if (!cu->start || cu->running || cu->held || cu->worker != WORKER_READY || card->gone)
		return;
	fire = fault_fire(card, cu - card->cu);
	if (fire & 1u << EMU_FAULT_GONE) {
		card_leave(card);
		return;
	}
	cu->lose_irq = fire & 1u << EMU_FAULT_NO_IRQ;
	slot->fault = EMU_FAULT_NONE;
	if (fire & 1u << EMU_FAULT_HANG)
		slot->fault = EMU_FAULT_HANG;
	else if (fire & 1u << EMU_FAULT_CRASH)
		slot->fault = EMU_FAULT_CRASH;
	else if (fire & 1u << EMU_FAULT_WRONG)
		slot->fault = EMU_FAULT_WRONG;
	memcpy(slot->regs + CU_ARGS, (u8 *)cu->regs + CU_ARGS, cu->args_end - CU_ARGS);
	cu->running = true;
	cu->run++;
	/* Sequentially consistent against the worker's "sleeping, then look again" */
	__atomic_store_n(&slot->request, cu->run, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&slot->sleeping, __ATOMIC_SEQ_CST))
		cu_futex_wake(&slot->request);
}

static u32 ctrl_read(struct cu *cu)
{
	u32 v = 0;

	if (cu->start)
		v |= CU_CTRL_START;
	if (cu->done)
		v |= CU_CTRL_DONE;
	if (!cu->start && !cu->running && !cu->held)
		v |= CU_CTRL_IDLE;
	if (cu->ready)
		v |= CU_CTRL_READY;
	if (!cu->chain)
		cu->done = false;
	cu->ready = false;
	return v;
}

static bool is_arg(const struct cu *cu, u32 offset)
{
	return cu->decoded[offset / 128] >> (offset / 4 % 32) & 1;
}

u32 cu_reg_read(struct card *card, struct cu *cu, u32 offset)
{
	switch (offset) {
	case CU_CTRL:
		cu_harvest(card, cu);
		return ctrl_read(cu);
	case CU_GIE:
		return cu->gie;
	case CU_IER:
		return cu->ier;
	case CU_ISR:
		cu_harvest(card, cu);
		return cu->isr;
	default:
		return is_arg(cu, offset) ? cu->regs[offset / 4] : 0;
	}
}

void cu_reg_write(struct card *card, struct cu *cu, u32 offset, u32 value)
{
	cu_harvest(card, cu); /* what has happened has happened before this write */
	switch (offset) {
	case CU_CTRL:
		if (value & CU_CTRL_CONTINUE && cu->held) {
			cu->held = false;
			cu->done = false;
		}
		if (value & CU_CTRL_START)
			cu->start = true;
		cu_dispatch(card, cu);
		break;
	case CU_GIE:
		cu->gie = value & 1;
		line_update(card, cu);
		break;
	case CU_IER:
		cu->ier = value & CU_IRQ_ALL;
		status_level(card, cu);
		break;
	case CU_ISR:
		cu->isr ^= value & CU_IRQ_ALL;
		line_update(card, cu);
		/* The level sets the bit again one clock later, which is another rise of the line. */
		status_level(card, cu);
		break;
	default:
		if (is_arg(cu, offset))
			cu->regs[offset / 4] = value;
	}
}
