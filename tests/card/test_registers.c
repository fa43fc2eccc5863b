// SPDX-License-Identifier: BSD-2-Clause
/* What a host sees in the registers: control protocols, interrupts, the shell, programming. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "rig.h"

#define START	 CU_CTRL_START
#define DONE	 CU_CTRL_DONE
#define IDLE	 CU_CTRL_IDLE
#define READY	 CU_CTRL_READY
#define CONTINUE CU_CTRL_CONTINUE

static struct rig *rig;

static void setup(void)
{
	rig = rig_open();
}

static void teardown(void)
{
	rig_close(rig);
}

static u32 *words(u64 address)
{
	return (u32 *)((u8 *)card_ddr(rig->card) + address);
}

/* A run of `slow`: long enough to look at it while it runs. */
static void start_slow(u64 base, u32 ms)
{
	wr(rig, base + ARG_N, ms);
	wr(rig, base + CU_CTRL, START);
}

START_TEST(shell_identity)
{
	ck_assert_uint_eq(rd(rig, EMU_ID), EMU_ID_VALUE);
	ck_assert_uint_eq(rd(rig, EMU_VERSION), 1);
	ck_assert_uint_eq(rd(rig, EMU_DDR_BYTES), RIG_DDR);
	ck_assert_uint_eq(rd(rig, EMU_DDR_BYTES + 4), 0);
	ck_assert_uint_eq(rd(rig, WIN_DNA_LO), 77);
	ck_assert_uint_ne(rd(rig, WIN_DNA_HI), 0);
	ck_assert_uint_eq(rd(rig, EMU_PROG_STATUS), EMU_PROG_NONE);
	ck_assert_uint_eq(card_ddr_bytes(rig->card), RIG_DDR);
	ck_assert(!card_is_gone(rig->card));
}
END_TEST

START_TEST(nothing_decodes)
{
	static const u64 addr[] = { 0, CU0, 0x300100, EMU_FAULT, EMU_ID + 1,
				    SMARTSSD_WINDOW_BYTES - 4, SMARTSSD_WINDOW_BYTES, 0xfffffffc };
	size_t i;

	for (i = 0; i < sizeof(addr) / sizeof(addr[0]); i++) {
		if (addr[i] != EMU_FAULT)
			wr(rig, addr[i], 0x12345678);
		ck_assert_uint_eq(rd(rig, addr[i]), 0);
	}
	ck_assert_uint_eq(rd(rig, EMU_ID), EMU_ID_VALUE);
}
END_TEST

START_TEST(hs_done_clears_on_read)
{
	u32 ctrl;

	rig_one(rig, "slow", HS);
	ck_assert_uint_eq(rd(rig, CU0 + CU_CTRL), IDLE);
	start_slow(CU0, 50);
	ck_assert_uint_eq(rd(rig, CU0 + CU_CTRL), START);
	wr(rig, CU0 + CU_CTRL, START); /* it runs already: no second run */
	while (!((ctrl = rd(rig, CU0 + CU_CTRL)) & DONE))
		usleep(1000);
	ck_assert_uint_eq(ctrl, DONE | IDLE | READY);
	ck_assert_uint_eq(rd(rig, CU0 + CU_CTRL), IDLE);
	usleep(60000);
	ck_assert_uint_eq(rd(rig, CU0 + CU_CTRL), IDLE);
}
END_TEST

START_TEST(hs_done_is_sticky)
{
	rig_one(rig, "empty", HS);
	wr(rig, CU0 + CU_CTRL, START);
	while (card_poll(rig->card, 1000000000) != 1)
		;
	/* a new run does not need done to be read, and done stays up */
	wr(rig, CU0 + CU_CTRL, START);
	while (card_poll(rig->card, 1000000000) != 1)
		;
	ck_assert_uint_eq(rd(rig, CU0 + CU_CTRL), DONE | IDLE | READY);
	ck_assert_uint_eq(rd(rig, CU0 + CU_CTRL), IDLE);
	/* ap_continue means nothing here */
	wr(rig, CU0 + CU_CTRL, CONTINUE);
	ck_assert_uint_eq(rd(rig, CU0 + CU_CTRL), IDLE);
}
END_TEST

START_TEST(chain_done_is_a_level)
{
	rig_one(rig, "empty", CHAIN);
	wr(rig, CU0 + CU_CTRL, START);
	while (card_poll(rig->card, 1000000000) != 1)
		;
	ck_assert_uint_eq(rd(rig, CU0 + CU_CTRL), DONE | READY);
	ck_assert_uint_eq(rd(rig, CU0 + CU_CTRL), DONE); /* ready clears on read, done does not */
	ck_assert_uint_eq(rd(rig, CU0 + CU_CTRL), DONE);
	wr(rig, CU0 + CU_CTRL, CONTINUE);
	ck_assert_uint_eq(rd(rig, CU0 + CU_CTRL), IDLE); /* and ap_continue cleared itself */
}
END_TEST

START_TEST(chain_start_waits_for_continue)
{
	rig_one(rig, "add", CHAIN);
	wr(rig, CU0 + ARG_N, 1);
	wr64(rig, CU0 + ARG_B, 64);
	wr(rig, CU0 + CU_CTRL, START);
	ck_assert(rig_wait_done(rig, CU0));
	ck_assert_uint_eq(words(64)[0], 1);
	words(64)[0] = 99;
	wr(rig, CU0 + CU_CTRL, START);
	ck_assert_int_eq(card_poll(rig->card, 20000000), 0);
	ck_assert_uint_eq(rd(rig, CU0 + CU_CTRL), START | DONE);
	ck_assert_uint_eq(words(64)[0], 99);
	wr(rig, CU0 + CU_CTRL, CONTINUE);
	ck_assert(rig_wait_done(rig, CU0));
	ck_assert_uint_eq(words(64)[0], 1);
}
END_TEST

/* One parametrised matrix: an interrupt comes only with both enables. */
START_TEST(irq_needs_gie_and_ier)
{
	u32 gie = _i & 1, ier = _i >> 1 & 1, control = _i >> 2 ? CHAIN : HS;

	rig_one(rig, "empty", control);
	wr(rig, CU0 + CU_IER, ier);
	wr(rig, CU0 + CU_GIE, gie);
	wr(rig, CU0 + CU_CTRL, START);
	while (card_poll(rig->card, 1000000000) != 1)
		;
	ck_assert_uint_eq(rig->irqs[IRQ0], gie && ier);
	ck_assert_uint_eq(rd(rig, CU0 + CU_ISR), ier ? CU_IRQ_DONE : 0); /* set only while enabled */
	ck_assert_uint_eq(rig->shell_irqs, 0);
}
END_TEST

START_TEST(isr_toggles)
{
	rig_one(rig, "empty", HS);
	wr(rig, CU0 + CU_IER, 0xffffffff);
	ck_assert_uint_eq(rd(rig, CU0 + CU_IER), 3);
	wr(rig, CU0 + CU_GIE, 0xffffffff);
	ck_assert_uint_eq(rd(rig, CU0 + CU_GIE), 1);
	wr(rig, CU0 + CU_CTRL, START);
	ck_assert(rig_wait_irq(rig, IRQ0, 1));
	ck_assert_uint_eq(rd(rig, CU0 + CU_ISR), 3); /* done and ready */
	wr(rig, CU0 + CU_ISR, 0);
	ck_assert_uint_eq(rd(rig, CU0 + CU_ISR), 3);
	wr(rig, CU0 + CU_ISR, 1);
	ck_assert_uint_eq(rd(rig, CU0 + CU_ISR), 2);
	ck_assert_uint_eq(rig->irqs[IRQ0], 1); /* the line did not fall */
	wr(rig, CU0 + CU_ISR, 2);
	ck_assert_uint_eq(rd(rig, CU0 + CU_ISR), 0);
	wr(rig, CU0 + CU_ISR, 1); /* toggles, so this sets: an interrupt */
	ck_assert_uint_eq(rd(rig, CU0 + CU_ISR), 1);
	ck_assert_uint_eq(rig->irqs[IRQ0], 2);
	/* late enables */
	wr(rig, CU0 + CU_GIE, 0);
	wr(rig, CU0 + CU_GIE, 1);
	ck_assert_uint_eq(rig->irqs[IRQ0], 3);
}
END_TEST

/* The trap that HARDWARE.md names: status cleared before ap_continue sets again. */
START_TEST(chain_continue_goes_first)
{
	rig_one(rig, "empty", CHAIN);
	rig_enable(rig, CU0);
	wr(rig, CU0 + CU_CTRL, START);
	ck_assert(rig_wait_irq(rig, IRQ0, 1));
	wr(rig, CU0 + CU_ISR, CU_IRQ_DONE);
	ck_assert_uint_eq(rd(rig, CU0 + CU_ISR), CU_IRQ_DONE);
	ck_assert_uint_eq(rig->irqs[IRQ0], 2);
	wr(rig, CU0 + CU_CTRL, CONTINUE);
	wr(rig, CU0 + CU_ISR, CU_IRQ_DONE);
	ck_assert_uint_eq(rd(rig, CU0 + CU_ISR), 0);
	ck_assert_uint_eq(rig->irqs[IRQ0], 2);
	/* enabling while the level is up sets the status too */
	wr(rig, CU0 + CU_IER, 0);
	wr(rig, CU0 + CU_CTRL, START);
	ck_assert(rig_wait_done(rig, CU0));
	ck_assert_uint_eq(rd(rig, CU0 + CU_ISR), 0);
	wr(rig, CU0 + CU_IER, CU_IRQ_DONE);
	ck_assert_uint_eq(rd(rig, CU0 + CU_ISR), CU_IRQ_DONE);
	ck_assert_uint_eq(rig->irqs[IRQ0], 3);
}
END_TEST

START_TEST(arguments)
{
	static const u32 src[] = { 1, 2, 3, 0xffffffff };

	rig_one(rig, "add", HS);
	wr64(rig, CU0 + ARG_A, 0x123456789abcull);
	ck_assert_uint_eq(rd(rig, CU0 + ARG_A), 0x56789abc);
	ck_assert_uint_eq(rd(rig, CU0 + ARG_A + 4), 0x1234);
	wr(rig, CU0 + ARG_A + 8, 7); /* the gap behind a pointer */
	ck_assert_uint_eq(rd(rig, CU0 + ARG_A + 8), 0);
	wr(rig, CU0 + 0xffc, 7);
	ck_assert_uint_eq(rd(rig, CU0 + 0xffc), 0);

	memcpy(words(4096), src, sizeof(src));
	wr64(rig, CU0 + ARG_A, 4096);
	wr64(rig, CU0 + ARG_B, 8192);
	wr(rig, CU0 + ARG_N, 4);
	wr(rig, CU0 + CU_CTRL, START);
	wr64(rig, CU0 + ARG_B, 0); /* too late: taken at ap_start */
	ck_assert(rig_wait_done(rig, CU0));
	ck_assert_uint_eq(words(8192)[0], 2);
	ck_assert_uint_eq(words(8192)[3], 0);
	ck_assert_uint_eq(words(0)[0], 0);
}
END_TEST

/* driver/core's own sequences on the model: 500 runs of each protocol, with the interrupt or by polling. */
static u32 bus_read(void *ctx, u32 addr)
{
	return rd(ctx, addr);
}

static void bus_write(void *ctx, u32 addr, u32 value)
{
	wr(ctx, addr, value);
}

START_TEST(driver_sequences)
{
	const struct smartssd_bus bus = { bus_read, bus_write, rig };
	const struct smartssd_cu_desc cu = { .base = CU0, .control = _i & 1, .irq = _i & 2 ? IRQ0 : ~0u };
	u32 run, i;

	rig_one(rig, "add", cu.control);
	for (run = 0; run < 500; run++) {
		const struct smartssd_reg regs[] = { { ARG_A, 4096 }, { ARG_A + 4, 0 }, { ARG_B, 8192 }, { ARG_B + 4, 0 }, { ARG_N, 16 } };

		for (i = 0; i < 16; i++)
			words(4096)[i] = run + i;
		ck_assert_int_eq(smartssd_cu_start(&bus, &cu, regs, 5), 0);
		if (cu.irq != ~0u)
			ck_assert(rig_wait_irq(rig, IRQ0, run + 1));
		else
			while (card_poll(rig->card, 1000000000) != 1)
				;
		ck_assert_int_eq(smartssd_cu_finish(&bus, &cu), 1);
		ck_assert_int_eq(smartssd_cu_finish(&bus, &cu), 0);
		for (i = 0; i < 16; i++)
			ck_assert_uint_eq(words(8192)[i], run + i + 1);
	}
	ck_assert_uint_eq(rig->irqs[IRQ0], cu.irq != ~0u ? 500 : 0);
}
END_TEST

START_TEST(many_cus)
{
	struct rig_cu cus[SMARTSSD_MAX_CUS];
	char names[SMARTSSD_MAX_CUS][32];
	u32 i, n = 8;

	for (i = 0; i < n; i++) {
		snprintf(names[i], sizeof(names[i]), "%s:cu_%u", i % 2 ? "add" : "slow", i);
		cus[i] = (struct rig_cu){ names[i], 0x500000 + i * 0x1000ull, i % 2, i };
	}
	ck_assert_uint_eq(rig_program(rig, cus, n, "tests/card/bits.so"), EMU_PROG_OK);
	ck_assert_uint_eq(rig_workers(getpid()), n);
	for (i = 0; i < n; i++) {
		rig_enable(rig, cus[i].base);
		wr(rig, cus[i].base + ARG_N, i % 2 ? 1 : 30);
		wr64(rig, cus[i].base + ARG_B, 64 * i);
		wr(rig, cus[i].base + CU_CTRL, START);
	}
	for (i = 0; i < n; i++)
		ck_assert(rig_wait_irq(rig, i, 1));
	for (i = 0; i < n; i++)
		ck_assert_uint_eq(words(64 * i)[0], i % 2);
}
END_TEST

/* ---- programming ---- */

static const struct rig_cu one = { "add:cu", CU0, HS, IRQ0 };

static u32 program_at(u64 address, u64 bytes)
{
	u32 status;

	wr64(rig, EMU_PROG_ADDR, address);
	wr64(rig, EMU_PROG_BYTES, bytes);
	ck_assert_uint_eq(rd(rig, EMU_PROG_ADDR + 4), address >> 32);
	wr(rig, EMU_PROG_CTRL, 1);
	while ((status = rd(rig, EMU_PROG_STATUS)) == EMU_PROG_BUSY)
		usleep(1000);
	return status;
}

START_TEST(program_bad_range)
{
	ck_assert_uint_eq(program_at(0, 0), EMU_PROG_BAD);
	ck_assert_uint_eq(program_at(0, RIG_DDR + 1), EMU_PROG_BAD);
	ck_assert_uint_eq(program_at(RIG_DDR, 1), EMU_PROG_BAD);
	ck_assert_uint_eq(program_at(~0ull, 2), EMU_PROG_BAD);
	ck_assert_uint_eq(program_at(4096, ~0ull - 4095), EMU_PROG_BAD);
	ck_assert_uint_eq(program_at(0, 4096), EMU_PROG_BAD); /* zeros */
}
END_TEST

START_TEST(program_damaged)
{
	u64 bytes;
	u8 *data = rig_xclbin(&one, 1, "tests/card/bits.so", &bytes);

	ck_assert_uint_eq(rig_program_data(rig, data, bytes), EMU_PROG_OK);
	ck_assert_uint_eq(rd(rig, CU0 + CU_CTRL), IDLE);
	ck_assert_uint_eq(rig_program_data(rig, data, bytes - 1), EMU_PROG_BAD);
	/* and the old CUs are gone */
	ck_assert_uint_eq(rd(rig, CU0 + CU_CTRL), 0);
	ck_assert_uint_eq(rig_workers(getpid()), 0);
	data[0] ^= 1;
	ck_assert_uint_eq(rig_program_data(rig, data, bytes), EMU_PROG_BAD);
	free(data);
}
END_TEST

START_TEST(program_bad_bits)
{
	struct rig_cu missing = { "nosuch:cu", CU0, HS, IRQ0 };

	ck_assert_uint_eq(rig_program(rig, &one, 1, NULL), EMU_PROG_BAD); /* the parser insists on the section */
	ck_assert_uint_eq(rig_program(rig, &one, 1, "../Makefile"), EMU_PROG_NO_BITS); /* no ELF */
	ck_assert_uint_eq(rig_program(rig, &missing, 1, "tests/card/bits.so"), EMU_PROG_NO_BITS);
	ck_assert_uint_eq(rig_program(rig, &one, 1, "tests/card/bits-crash.so"), EMU_PROG_NO_BITS);
	ck_assert_uint_eq(rig_workers(getpid()), 0);
	/* the card is none the worse for it */
	ck_assert_uint_eq(rig_program(rig, &one, 1, "tests/card/bits.so"), EMU_PROG_OK);
}
END_TEST

/* A constructor that hangs neither stops the card's registers nor the next programming; alone it ends in NO_BITS. */
START_TEST(program_hanging_bits)
{
	u64 bytes;
	u8 *data = rig_xclbin(&one, 1, "tests/card/bits-hang.so", &bytes);

	memcpy((u8 *)card_ddr(rig->card) + RIG_XCLBIN, data, bytes);
	wr64(rig, EMU_PROG_ADDR, RIG_XCLBIN);
	wr64(rig, EMU_PROG_BYTES, bytes);
	wr(rig, EMU_PROG_CTRL, 1);
	usleep(200000);
	ck_assert_uint_eq(rd(rig, EMU_PROG_STATUS), EMU_PROG_BUSY);
	ck_assert_uint_eq(rd(rig, EMU_ID), EMU_ID_VALUE);
	ck_assert_uint_eq(rd(rig, CU0 + CU_CTRL), 0);
	ck_assert_uint_eq(rig_program(rig, &one, 1, "tests/card/bits.so"), EMU_PROG_OK);
	ck_assert_uint_eq(rig_workers(getpid()), 1);
	ck_assert_uint_eq(rig_program_data(rig, data, bytes), EMU_PROG_NO_BITS);
	ck_assert_uint_eq(rig_workers(getpid()), 0);
	free(data);
}
END_TEST

START_TEST(program_drop)
{
	rig_one(rig, "hang", HS);
	rig_enable(rig, CU0);
	wr(rig, CU0 + CU_CTRL, START);
	wr(rig, EMU_PROG_CTRL, 0);
	ck_assert_uint_eq(rd(rig, EMU_PROG_STATUS), EMU_PROG_NONE);
	ck_assert_uint_eq(rig_workers(getpid()), 0); /* at once: nobody writes to the DDR any more */
	ck_assert_uint_eq(rd(rig, CU0 + CU_CTRL), 0);
	ck_assert_uint_eq(rd(rig, CU0 + CU_GIE), 0);
	rig_one(rig, "empty", HS);
	ck_assert_uint_eq(rd(rig, CU0 + CU_GIE), 0);
}
END_TEST

START_TEST(create_errors)
{
	struct card_config config = { .ddr_bytes = 1 << 20, .ddr_fd = -1 };
	struct smartssd_why why = { { 0 } };
	struct card *card;
	int fd;

	ck_assert_int_eq(card_create(&config, &card, &why), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why.text, "2 MiB"));
	fd = memfd_create("short", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(fd, 2 << 20), 0);
	config = (struct card_config){ .ddr_bytes = 2 << 20, .ddr_fd = fd, .ddr_offset = 4096 };
	ck_assert_int_eq(card_create(&config, &card, &why), -EINVAL);
	config.ddr_offset = 0;
	ck_assert_int_eq(card_create(&config, &card, &why), 0);
	ck_assert_int_eq(card_ddr_fd(card), fd);
	*(u32 *)card_ddr(card) = 0x11223344;
	card_destroy(card);
	ck_assert_int_ge(fcntl(fd, F_GETFD), 0); /* the caller's fd stays the caller's */
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("card registers");
	TCase *regs = tcase_create("registers"), *prog = tcase_create("programming");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(regs, setup, teardown);
	tcase_set_timeout(regs, 30);
	tcase_add_test(regs, shell_identity);
	tcase_add_test(regs, nothing_decodes);
	tcase_add_test(regs, hs_done_clears_on_read);
	tcase_add_test(regs, hs_done_is_sticky);
	tcase_add_test(regs, chain_done_is_a_level);
	tcase_add_test(regs, chain_start_waits_for_continue);
	tcase_add_loop_test(regs, irq_needs_gie_and_ier, 0, 8);
	tcase_add_test(regs, isr_toggles);
	tcase_add_test(regs, chain_continue_goes_first);
	tcase_add_test(regs, arguments);
	tcase_add_loop_test(regs, driver_sequences, 0, 4);
	tcase_add_test(regs, many_cus);
	suite_add_tcase(suite, regs);
	tcase_add_checked_fixture(prog, setup, teardown);
	tcase_set_timeout(prog, 60);
	tcase_add_test(prog, program_bad_range);
	tcase_add_test(prog, program_damaged);
	tcase_add_test(prog, program_bad_bits);
	tcase_add_test(prog, program_hanging_bits);
	tcase_add_test(prog, program_drop);
	tcase_add_test(prog, create_errors);
	suite_add_tcase(suite, prog);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
