// SPDX-License-Identifier: BSD-2-Clause
/* Driving a compute unit and the emulated shell, on a model of the registers as HARDWARE describes them (UG1399, S_AXILITE). */
#include "../../driver/core/core.h"
#include "../../driver/core/regs.h"
#include "suite.h"

#define BASE 0x1c00000u

static struct model {
	bool chain, gone;
	u32 ctrl, gie, ier, isr;
	u32 args[CU_FILE_BYTES / 4];
	u32 runs, irqs, accesses, isr_reads;
	u32 written[64][2], nr_written;
	/* the shell */
	u64 prog_address, prog_bytes;
	u32 prog_status, prog_polls, selected, resets, reset_cu, cu_status[4];
	u64 slept_us;
} m;

/* The interrupt output is the AND of global enable and status; the status follows done while that is held. */
static void update(void)
{
	u32 before = m.gie && m.isr;

	if ((m.ctrl & CU_CTRL_DONE) && (m.ier & CU_IRQ_DONE) && m.chain)
		m.isr |= CU_IRQ_DONE;
	if (!before && m.gie && m.isr)
		m.irqs++;
}

/* The kernel returns. */
static void complete(void)
{
	u32 before = m.gie && m.isr;

	ck_assert(m.ctrl & CU_CTRL_START);
	m.ctrl = (m.ctrl & ~CU_CTRL_START) | CU_CTRL_DONE | CU_CTRL_IDLE;
	m.isr |= m.ier & (CU_IRQ_DONE | CU_IRQ_READY);
	if (!before && m.gie && m.isr)
		m.irqs++;
	m.runs++;
}

static u32 cu_read(u32 reg)
{
	u32 value;

	switch (reg) {
	case CU_CTRL:
		value = m.ctrl;
		if (!m.chain)
			m.ctrl &= ~CU_CTRL_DONE;
		return value;
	case CU_GIE:
		return m.gie;
	case CU_IER:
		return m.ier;
	case CU_ISR:
		m.isr_reads++;
		return m.isr;
	default:
		return m.args[reg / 4];
	}
}

static void cu_write(u32 reg, u32 value)
{
	switch (reg) {
	case CU_CTRL:
		if (m.chain && (value & CU_CTRL_CONTINUE))
			m.ctrl &= ~CU_CTRL_DONE;
		if (value & CU_CTRL_START)
			m.ctrl = (m.ctrl | CU_CTRL_START) & ~CU_CTRL_IDLE;
		break;
	case CU_GIE:
		m.gie = value & 1;
		break;
	case CU_IER:
		m.ier = value & 3;
		break;
	case CU_ISR:
		m.isr ^= value & 3;
		break;
	default:
		m.args[reg / 4] = value;
	}
	update();
}

static u32 bus_read(void *ctx, u32 addr)
{
	ck_assert_ptr_eq(ctx, &m);
	m.accesses++;
	if (m.gone)
		return 0xffffffff;
	if (addr >= BASE && addr < BASE + CU_FILE_BYTES)
		return cu_read(addr - BASE);
	if (addr == EMU_PROG_STATUS) {
		if (m.prog_polls && !--m.prog_polls)
			m.prog_status = EMU_PROG_OK;
		return m.prog_status;
	}
	if (addr == EMU_CU_STATUS)
		return m.cu_status[m.selected];
	ck_abort_msg("read of 0x%x", addr);
}

static void bus_write(void *ctx, u32 addr, u32 value)
{
	ck_assert_ptr_eq(ctx, &m);
	m.accesses++;
	if (m.gone)
		return;
	if (addr >= BASE && addr < BASE + CU_FILE_BYTES) {
		ck_assert_uint_lt(m.nr_written, 64);
		m.written[m.nr_written][0] = addr - BASE;
		m.written[m.nr_written++][1] = value;
		cu_write(addr - BASE, value);
		return;
	}
	switch (addr) {
	case EMU_PROG_ADDR:
		m.prog_address = (m.prog_address & ~0xffffffffull) | value;
		return;
	case EMU_PROG_ADDR + 4:
		m.prog_address = (m.prog_address & 0xffffffff) | (u64)value << 32;
		return;
	case EMU_PROG_BYTES:
		m.prog_bytes = (m.prog_bytes & ~0xffffffffull) | value;
		return;
	case EMU_PROG_BYTES + 4:
		m.prog_bytes = (m.prog_bytes & 0xffffffff) | (u64)value << 32;
		return;
	case EMU_PROG_CTRL:
		ck_assert_uint_eq(value, 1);
		ck_assert_uint_eq(m.prog_address, 0x1200003000);
		ck_assert_uint_eq(m.prog_bytes, 0x100000010);
		return;
	case EMU_CU_RESET:
		m.resets++;
		m.reset_cu = value;
		return;
	case EMU_CU_SELECT:
		ck_assert_uint_lt(value, 4);
		m.selected = value;
		return;
	default:
		ck_abort_msg("write of 0x%x", addr);
	}
}

static const struct smartssd_bus bus = { bus_read, bus_write, &m };
static struct smartssd_cu_desc cu;
static const struct smartssd_reg regs[] = { { 0x10, 0x1000 }, { 0x14, 0x1 }, { 0x1c, 77 } };

static void setup(int chain)
{
	memset(&m, 0, sizeof(m));
	m.chain = chain;
	m.ctrl = CU_CTRL_IDLE;
	cu = (struct smartssd_cu_desc){ .base = BASE, .control = chain ? SMARTSSD_CONTROL_CHAIN : SMARTSSD_CONTROL_HS, .irq = 2 };
}

static int start(void)
{
	m.nr_written = 0;
	return smartssd_cu_start(&bus, &cu, regs, 3);
}

static int finish(void)
{
	return smartssd_cu_finish(&bus, &cu);
}

/* Loop tests: _i is 0 for HS and 1 for CHAIN. */
START_TEST(start_writes_arguments_before_it_starts)
{
	setup(_i);
	ck_assert_int_eq(start(), 0);
	ck_assert_uint_eq(m.args[4], 0x1000);
	ck_assert_uint_eq(m.args[5], 1);
	ck_assert_uint_eq(m.args[7], 77);
	ck_assert_uint_eq(m.gie, 1);
	ck_assert_uint_eq(m.ier, CU_IRQ_DONE);
	ck_assert_uint_eq(m.written[m.nr_written - 1][0], CU_CTRL);
	ck_assert_uint_eq(m.written[m.nr_written - 1][1], CU_CTRL_START);
	ck_assert(m.ctrl & CU_CTRL_START);
}
END_TEST

START_TEST(start_while_it_runs_is_busy_and_writes_nothing)
{
	setup(_i);
	ck_assert_int_eq(start(), 0);
	ck_assert_int_eq(start(), -EBUSY);
	ck_assert_uint_eq(m.nr_written, 0);
}
END_TEST

START_TEST(start_of_a_card_that_is_gone)
{
	setup(_i);
	m.gone = true;
	ck_assert_int_eq(start(), -ENODEV);
	ck_assert_uint_eq(m.accesses, 1);
}
END_TEST

START_TEST(finish_of_a_card_that_is_gone)
{
	setup(_i);
	ck_assert_int_eq(start(), 0);
	m.gone = true;
	ck_assert_int_eq(finish(), -ENODEV);
}
END_TEST

START_TEST(runs_end_once_each_with_one_interrupt_each)
{
	setup(_i);
	for (u32 run = 1; run <= 5; run++) {
		ck_assert_int_eq(start(), 0);
		ck_assert_int_eq(finish(), 0);
		complete();
		ck_assert_uint_eq(m.irqs, run);
		ck_assert_int_eq(finish(), 1);
		ck_assert_int_eq(finish(), 0);
		ck_assert_uint_eq(m.isr, 0);
		ck_assert_uint_eq(m.irqs, run);
		ck_assert(!(m.ctrl & CU_CTRL_DONE));
	}
	ck_assert_uint_eq(m.runs, 5);
}
END_TEST

START_TEST(lost_interrupt_is_found_by_looking)
{
	setup(_i);
	ck_assert_int_eq(start(), 0);
	complete(); /* and nobody tells us */
	ck_assert_int_eq(finish(), 1);
	ck_assert_int_eq(start(), 0);
	complete();
	ck_assert_uint_eq(m.irqs, 2); /* the next interrupt comes again */
}
END_TEST

START_TEST(spurious_interrupt_changes_nothing)
{
	setup(_i);
	ck_assert_int_eq(finish(), 0); /* before any run */
	ck_assert_int_eq(start(), 0);
	m.nr_written = 0;
	ck_assert_int_eq(finish(), 0); /* in a run */
	ck_assert_uint_eq(m.nr_written, 0);
	complete();
	ck_assert_int_eq(finish(), 1);
}
END_TEST

START_TEST(interrupt_status_is_toggled_only_where_it_is_set)
{
	setup(_i);
	ck_assert_int_eq(start(), 0);
	m.ier = 0; /* the status never gets set: the interrupt source was masked by hand */
	complete();
	ck_assert_uint_eq(m.isr, 0);
	ck_assert_int_eq(finish(), 1);
	ck_assert_uint_eq(m.isr, 0);
}
END_TEST

START_TEST(cu_without_interrupt_is_only_polled)
{
	setup(_i);
	cu.irq = ~0u;
	ck_assert_int_eq(start(), 0);
	ck_assert_uint_eq(m.gie, 0);
	ck_assert_uint_eq(m.ier, 0);
	complete();
	ck_assert_int_eq(finish(), 1);
	ck_assert_uint_eq(m.isr_reads, 0);
	for (u32 i = 0; i < m.nr_written; i++)
		ck_assert_uint_ne(m.written[i][0], CU_ISR);
}
END_TEST

START_TEST(done_of_an_earlier_run_is_not_this_ones)
{
	setup(_i);
	ck_assert_int_eq(start(), 0);
	complete(); /* nobody takes it */
	ck_assert_int_eq(start(), 0);
	ck_assert_int_eq(finish(), 0);
	complete();
	ck_assert_uint_eq(m.irqs, 2); /* its status was not left set, else no new interrupt */
	ck_assert_int_eq(finish(), 1);
}
END_TEST

START_TEST(hung_run_does_not_end)
{
	setup(_i);
	ck_assert_int_eq(start(), 0);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(finish(), 0);
	ck_assert_int_eq(start(), -EBUSY);
}
END_TEST

START_TEST(chain_continues_before_it_clears_the_status)
{
	u32 i = 0;

	setup(1);
	ck_assert_int_eq(start(), 0);
	complete();
	m.nr_written = 0;
	ck_assert_int_eq(finish(), 1);
	ck_assert_uint_eq(m.nr_written, 2);
	ck_assert_uint_eq(m.written[i][0], CU_CTRL);
	ck_assert_uint_eq(m.written[i++][1], CU_CTRL_CONTINUE);
	ck_assert_uint_eq(m.written[i][0], CU_ISR);
	ck_assert_uint_eq(m.written[i][1], CU_IRQ_DONE);
}
END_TEST

START_TEST(hs_never_writes_continue)
{
	setup(0);
	ck_assert_int_eq(start(), 0);
	complete();
	ck_assert_int_eq(finish(), 1);
	for (u32 i = 0; i < m.nr_written; i++)
		ck_assert(m.written[i][0] != CU_CTRL || m.written[i][1] == CU_CTRL_START);
}
END_TEST

static void sleep_us(u32 us)
{
	ck_assert_uint_gt(us, 0);
	m.slept_us += us;
}

static int program(u32 *status)
{
	return smartssd_emu_program(&bus, 0x1200003000, 0x100000010, sleep_us, status);
}

START_TEST(program_waits_until_it_is_done)
{
	u32 status = 99;

	setup(0);
	m.prog_status = EMU_PROG_BUSY;
	m.prog_polls = 20;
	ck_assert_int_eq(program(&status), 0);
	ck_assert_uint_eq(status, EMU_PROG_OK);
	ck_assert_uint_gt(m.slept_us, 0);
}
END_TEST

START_TEST(program_refused)
{
	static const u32 refusals[] = { EMU_PROG_NONE, EMU_PROG_BAD, EMU_PROG_NO_BITS, 12345 };

	for (unsigned i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		u32 status = 99;

		setup(0);
		m.prog_status = refusals[i];
		ck_assert_int_eq(program(&status), -EIO);
		ck_assert_uint_eq(status, refusals[i]);
	}
}
END_TEST

START_TEST(program_of_a_card_that_is_gone)
{
	u32 status = 99;

	setup(0);
	m.gone = true;
	ck_assert_int_eq(program(&status), -ENODEV);
	ck_assert_uint_eq(m.slept_us, 0);
}
END_TEST

START_TEST(program_that_never_ends)
{
	u32 status = 99;

	setup(0);
	m.prog_status = EMU_PROG_BUSY;
	ck_assert_int_eq(program(&status), -ETIMEDOUT);
	ck_assert_uint_eq(status, EMU_PROG_BUSY);
	ck_assert_uint_ge(m.slept_us, 5000000); /* not at the first hiccup */
	ck_assert_uint_le(m.slept_us, 60000000);
}
END_TEST

START_TEST(status_of_a_cu)
{
	setup(0);
	m.cu_status[3] = EMU_CU_CRASHED | 11 << 8;
	ck_assert_uint_eq(smartssd_emu_cu_status(&bus, 3), EMU_CU_CRASHED | 11 << 8);
	ck_assert_uint_eq(smartssd_emu_cu_status(&bus, 1), EMU_CU_OK);
	m.gone = true;
	ck_assert_uint_eq(smartssd_emu_cu_status(&bus, 1), ~0u);
}
END_TEST

START_TEST(reset_of_a_cu)
{
	setup(0);
	ck_assert_int_eq(smartssd_emu_cu_reset(&bus, 2), 0);
	ck_assert_uint_eq(m.resets, 1);
	ck_assert_uint_eq(m.reset_cu, 2);
	m.cu_status[2] = EMU_CU_CRASHED; /* no new worker could be had */
	ck_assert_int_eq(smartssd_emu_cu_reset(&bus, 2), -EIO);
	m.gone = true;
	ck_assert_int_eq(smartssd_emu_cu_reset(&bus, 2), -ENODEV);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cu");
	TCase *tc = tcase_create("cu"), *shell = tcase_create("shell");

	tcase_add_loop_test(tc, start_writes_arguments_before_it_starts, 0, 2);
	tcase_add_loop_test(tc, start_while_it_runs_is_busy_and_writes_nothing, 0, 2);
	tcase_add_loop_test(tc, start_of_a_card_that_is_gone, 0, 2);
	tcase_add_loop_test(tc, finish_of_a_card_that_is_gone, 0, 2);
	tcase_add_loop_test(tc, runs_end_once_each_with_one_interrupt_each, 0, 2);
	tcase_add_loop_test(tc, lost_interrupt_is_found_by_looking, 0, 2);
	tcase_add_loop_test(tc, spurious_interrupt_changes_nothing, 0, 2);
	tcase_add_loop_test(tc, interrupt_status_is_toggled_only_where_it_is_set, 0, 2);
	tcase_add_loop_test(tc, cu_without_interrupt_is_only_polled, 0, 2);
	tcase_add_loop_test(tc, done_of_an_earlier_run_is_not_this_ones, 0, 2);
	tcase_add_loop_test(tc, hung_run_does_not_end, 0, 2);
	tcase_add_test(tc, chain_continues_before_it_clears_the_status);
	tcase_add_test(tc, hs_never_writes_continue);
	tcase_add_test(shell, program_waits_until_it_is_done);
	tcase_add_test(shell, program_refused);
	tcase_add_test(shell, program_of_a_card_that_is_gone);
	tcase_add_test(shell, program_that_never_ends);
	tcase_add_test(shell, status_of_a_cu);
	tcase_add_test(shell, reset_of_a_cu);
	suite_add_tcase(suite, tc);
	suite_add_tcase(suite, shell);
	return suite_run(suite);
}
