// SPDX-License-Identifier: BSD-2-Clause
/* smartssd_check_cmd() and smartssd_build_regs(): one rule per test, the rest of the input perfect. */
#include "../../driver/core/core.h"
#include "suite.h"

static struct smartssd_cmd good(u32 op)
{
	struct smartssd_cmd cmd = { .op = op };

	switch (op) {
	case SMARTSSD_OP_READ:
	case SMARTSSD_OP_WRITE:
		cmd.rw.file = 1;
		cmd.rw.bo = 1;
		cmd.rw.extents = 0x1000;
		cmd.rw.nr_extents = 1;
		break;
	case SMARTSSD_OP_RUN:
		cmd.run.cu_mask = 1;
		break;
	default:
		cmd.copy.bytes = 4096;
		if (op != SMARTSSD_OP_COPY_BO)
			cmd.copy.host = 0x1000;
		if (op != SMARTSSD_OP_COPY_TO)
			cmd.copy.src_bo = 1;
		if (op != SMARTSSD_OP_COPY_FROM)
			cmd.copy.dst_bo = 2;
	}
	return cmd;
}

/* Expect @error of good(@op) with one thing changed. */
#define expect_cmd(error, op, change)                                        \
	do {                                                                 \
		struct smartssd_cmd c = good(op);                            \
		change;                                                      \
		ck_assert_int_eq(smartssd_check_cmd(&c, 3), error);          \
	} while (0)

START_TEST(each_op_is_accepted)
{
	for (u32 op = SMARTSSD_OP_READ; op <= SMARTSSD_OP_RUN; op++)
		expect_cmd(0, op, );
}
END_TEST

START_TEST(unknown_op)
{
	expect_cmd(-EOPNOTSUPP, SMARTSSD_OP_READ, c.op = 0);
	expect_cmd(-EOPNOTSUPP, SMARTSSD_OP_READ, c.op = SMARTSSD_OP_RUN + 1);
	expect_cmd(-EOPNOTSUPP, SMARTSSD_OP_READ, c.op = 0xffffffff);
}
END_TEST

START_TEST(unknown_flag)
{
	for (u32 op = SMARTSSD_OP_READ; op <= SMARTSSD_OP_RUN; op++)
		for (u32 bit = 3; bit < 32; bit++)
			expect_cmd(-EINVAL, op, c.flags = 1u << bit);
}
END_TEST

START_TEST(barrier_on_each_op)
{
	for (u32 op = SMARTSSD_OP_READ; op <= SMARTSSD_OP_RUN; op++)
		expect_cmd(0, op, c.flags = SMARTSSD_CMD_BARRIER);
}
END_TEST

START_TEST(peer_flags_only_on_reads_and_writes)
{
	for (u32 op = SMARTSSD_OP_READ; op <= SMARTSSD_OP_RUN; op++) {
		int want = op <= SMARTSSD_OP_WRITE ? 0 : -EINVAL;

		expect_cmd(want, op, c.flags = SMARTSSD_CMD_PEER_OFF);
		expect_cmd(want, op, c.flags = SMARTSSD_CMD_PEER_REQUIRE);
	}
}
END_TEST

START_TEST(peer_off_and_require_together)
{
	expect_cmd(-EINVAL, SMARTSSD_OP_READ, c.flags = SMARTSSD_CMD_PEER_OFF | SMARTSSD_CMD_PEER_REQUIRE);
	expect_cmd(-EINVAL, SMARTSSD_OP_WRITE, c.flags = SMARTSSD_CMD_PEER_OFF | SMARTSSD_CMD_PEER_REQUIRE);
}
END_TEST

START_TEST(dependency_on_an_earlier_command)
{
	for (int d = 0; d < SMARTSSD_MAX_DEPS; d++) {
		expect_cmd(0, SMARTSSD_OP_RUN, c.dep[d] = 1);
		expect_cmd(0, SMARTSSD_OP_RUN, c.dep[d] = 3);
	}
}
END_TEST

START_TEST(dependency_on_itself_or_a_later_command)
{
	for (int d = 0; d < SMARTSSD_MAX_DEPS; d++) {
		expect_cmd(-EINVAL, SMARTSSD_OP_RUN, c.dep[d] = 4);
		expect_cmd(-EINVAL, SMARTSSD_OP_RUN, c.dep[d] = 5);
		expect_cmd(-EINVAL, SMARTSSD_OP_RUN, c.dep[d] = 0xffffffff);
	}
}
END_TEST

START_TEST(extent_count)
{
	expect_cmd(-EINVAL, SMARTSSD_OP_READ, c.rw.nr_extents = 0);
	expect_cmd(0, SMARTSSD_OP_READ, c.rw.nr_extents = SMARTSSD_MAX_EXTENTS);
	expect_cmd(-EINVAL, SMARTSSD_OP_READ, c.rw.nr_extents = SMARTSSD_MAX_EXTENTS + 1);
	expect_cmd(-EINVAL, SMARTSSD_OP_WRITE, c.rw.nr_extents = 0xffffffff);
}
END_TEST

START_TEST(pad)
{
	expect_cmd(-EINVAL, SMARTSSD_OP_READ, c.rw.pad = 1);
	expect_cmd(-EINVAL, SMARTSSD_OP_WRITE, c.rw.pad = 0x80000000);
}
END_TEST

START_TEST(what_lies_behind_an_ops_members_must_be_zero)
{
	for (u32 op = SMARTSSD_OP_READ; op <= SMARTSSD_OP_RUN; op++) {
		struct smartssd_cmd c = good(op);
		size_t used = op <= SMARTSSD_OP_WRITE ? sizeof(c.rw) : op == SMARTSSD_OP_RUN ? sizeof(c.run) : sizeof(c.copy);

		for (size_t at = used; at < sizeof(c.reserved); at++) {
			((u8 *)c.reserved)[at] = 1;
			ck_assert_int_eq(smartssd_check_cmd(&c, 3), -EINVAL);
			((u8 *)c.reserved)[at] = 0;
		}
		ck_assert_int_eq(smartssd_check_cmd(&c, 3), 0);
	}
}
END_TEST

START_TEST(copy_of_nothing)
{
	for (u32 op = SMARTSSD_OP_COPY_TO; op <= SMARTSSD_OP_COPY_BO; op++)
		expect_cmd(-EINVAL, op, c.copy.bytes = 0);
}
END_TEST

START_TEST(copy_with_a_side_that_it_has_not)
{
	expect_cmd(-EINVAL, SMARTSSD_OP_COPY_TO, c.copy.src_bo = 1);
	expect_cmd(-EINVAL, SMARTSSD_OP_COPY_TO, c.copy.src_offset = 1);
	expect_cmd(-EINVAL, SMARTSSD_OP_COPY_FROM, c.copy.dst_bo = 1);
	expect_cmd(-EINVAL, SMARTSSD_OP_COPY_FROM, c.copy.dst_offset = 1);
	expect_cmd(-EINVAL, SMARTSSD_OP_COPY_BO, c.copy.host = 1);
}
END_TEST

START_TEST(copy_that_wraps)
{
	expect_cmd(-EOVERFLOW, SMARTSSD_OP_COPY_TO, c.copy.host = ~0ull - 4094);
	expect_cmd(-EOVERFLOW, SMARTSSD_OP_COPY_TO, c.copy.dst_offset = ~0ull - 4094);
	expect_cmd(-EOVERFLOW, SMARTSSD_OP_COPY_FROM, c.copy.src_offset = ~0ull - 4094);
	expect_cmd(-EOVERFLOW, SMARTSSD_OP_COPY_FROM, c.copy.host = ~0ull);
	expect_cmd(-EOVERFLOW, SMARTSSD_OP_COPY_BO, c.copy.dst_offset = ~0ull);
	expect_cmd(0, SMARTSSD_OP_COPY_BO, c.copy.dst_offset = ~0ull - 4096);
}
END_TEST

START_TEST(run_on_no_cu)
{
	expect_cmd(-ENOENT, SMARTSSD_OP_RUN, c.run.cu_mask = 0);
	expect_cmd(0, SMARTSSD_OP_RUN, c.run.cu_mask = 1ull << 63);
}
END_TEST

START_TEST(run_argument_count)
{
	expect_cmd(0, SMARTSSD_OP_RUN, c.run.nr_args = SMARTSSD_MAX_ARGS);
	expect_cmd(-EINVAL, SMARTSSD_OP_RUN, c.run.nr_args = SMARTSSD_MAX_ARGS + 1);
}
END_TEST

/* ---- smartssd_build_regs() ---- */

/* in, in_bytes (bound), n, out, small (a pointer of 32 bits), big (a scalar of 64 bits) */
enum { IN, IN_BYTES, N, OUT, SMALL, BIG, NR_ARGS };

static struct smartssd_cu_arg cu_args[1 + NR_ARGS] = {
	{ SMARTSSD_ARG_SCALAR, 0x10, 4, ~0u, "other", "int" }, /* of CU 0 */
	[1 + IN] = { SMARTSSD_ARG_GLOBAL, 0x10, 8, ~0u, "in", "int*" },
	[1 + IN_BYTES] = { SMARTSSD_ARG_BOUND, 0x1c, 8, IN, "in_bytes", "uint64_t" },
	[1 + N] = { SMARTSSD_ARG_SCALAR, 0x28, 4, ~0u, "n", "int" },
	[1 + OUT] = { SMARTSSD_ARG_GLOBAL, 0x30, 8, ~0u, "out", "int*" },
	[1 + SMALL] = { SMARTSSD_ARG_GLOBAL, 0x3c, 4, ~0u, "small", "int*" },
	[1 + BIG] = { SMARTSSD_ARG_SCALAR, 0x44, 8, ~0u, "big", "uint64_t" },
};
static struct smartssd_cu_desc cus[2] = {
	{ .nr_args = 1 },
	{ .first_arg = 1, .nr_args = NR_ARGS },
};
static const struct smartssd_xclbin_info info = { .nr_cus = 2, .cus = cus, .args = cu_args, .nr_args = 1 + NR_ARGS };

/* BO 1: 4 KiB above 4 GiB; BO 2: 64 bytes low; BO 3 is somebody else's; BO 4 on another card */
static int lookup(void *ctx, u32 bo, struct smartssd_range *range)
{
	(*(int *)ctx)++;
	switch (bo) {
	case 1:
		*range = (struct smartssd_range){ 0x123456000, 4096 };
		return 0;
	case 2:
		*range = (struct smartssd_range){ 0x2000, 64 };
		return 0;
	case 4:
		return -EINVAL;
	default:
		return -ENOENT;
	}
}

static const struct smartssd_arg perfect[] = {
	{ IN, 1, 0x10, 0x20 }, { N, 0, 0xffffffff, 0 }, { OUT, 2, 0, 0 }, { SMALL, 2, 32, 32 }, { BIG, 0, 0x1122334455667788, 0 },
};
#define NR_PERFECT 5

static int build(const struct smartssd_arg *args, u32 nr, struct smartssd_reg *regs, u32 *nr_regs)
{
	int calls = 0;

	return smartssd_build_regs(&info, 1, args, nr, lookup, &calls, regs, nr_regs);
}

#define expect_regs(error, change)                                        \
	do {                                                              \
		struct smartssd_reg regs[SMARTSSD_MAX_REGS];              \
		struct smartssd_arg a[NR_PERFECT + 2];                    \
		u32 nr = NR_PERFECT, nr_regs = 77;                        \
		memset(a, 0, sizeof(a));                                  \
		memcpy(a, perfect, sizeof(perfect));                      \
		change;                                                   \
		ck_assert_int_eq(build(a, nr, regs, &nr_regs), error);    \
		if (error)                                                \
			ck_assert_uint_eq(nr_regs, 0);                    \
	} while (0)

static u32 value_at(const struct smartssd_reg *regs, u32 nr, u32 offset)
{
	u32 found = 0, value = 0;

	for (u32 i = 0; i < nr; i++)
		if (regs[i].offset == offset) {
			found++;
			value = regs[i].value;
		}
	ck_assert_msg(found == 1, "register 0x%x is written %u times", offset, found);
	return value;
}

START_TEST(registers_hold_addresses_bounds_and_scalars)
{
	struct smartssd_reg regs[SMARTSSD_MAX_REGS];
	u32 nr;

	ck_assert_int_eq(build(perfect, NR_PERFECT, regs, &nr), 0);
	ck_assert_uint_eq(nr, 10);
	ck_assert_uint_eq(value_at(regs, nr, 0x10), 0x23456010); /* in */
	ck_assert_uint_eq(value_at(regs, nr, 0x14), 1);
	ck_assert_uint_eq(value_at(regs, nr, 0x1c), 0x20); /* its bound */
	ck_assert_uint_eq(value_at(regs, nr, 0x20), 0);
	ck_assert_uint_eq(value_at(regs, nr, 0x28), 0xffffffff);
	ck_assert_uint_eq(value_at(regs, nr, 0x30), 0x2000);
	ck_assert_uint_eq(value_at(regs, nr, 0x34), 0);
	ck_assert_uint_eq(value_at(regs, nr, 0x3c), 0x2020);
	ck_assert_uint_eq(value_at(regs, nr, 0x44), 0x55667788);
	ck_assert_uint_eq(value_at(regs, nr, 0x48), 0x11223344);
}
END_TEST

START_TEST(order_of_arguments_does_not_matter)
{
	struct smartssd_reg regs[SMARTSSD_MAX_REGS];
	struct smartssd_arg reversed[NR_PERFECT];
	u32 nr;

	for (int i = 0; i < NR_PERFECT; i++)
		reversed[i] = perfect[NR_PERFECT - 1 - i];
	ck_assert_int_eq(build(reversed, NR_PERFECT, regs, &nr), 0);
	ck_assert_uint_eq(nr, 10);
	ck_assert_uint_eq(value_at(regs, nr, 0x10), 0x23456010);
	ck_assert_uint_eq(value_at(regs, nr, 0x44), 0x55667788);
}
END_TEST

START_TEST(bound_without_a_length_reaches_to_the_bos_end)
{
	struct smartssd_reg regs[SMARTSSD_MAX_REGS];
	struct smartssd_arg a[NR_PERFECT];
	u32 nr;

	memcpy(a, perfect, sizeof(a));
	a[0].bytes = 0;
	ck_assert_int_eq(build(a, NR_PERFECT, regs, &nr), 0);
	ck_assert_uint_eq(value_at(regs, nr, 0x1c), 4096 - 0x10);
}
END_TEST

START_TEST(no_such_cu)
{
	struct smartssd_reg regs[SMARTSSD_MAX_REGS];
	int calls = 0;
	u32 nr;

	ck_assert_int_eq(smartssd_build_regs(&info, 2, perfect, NR_PERFECT, lookup, &calls, regs, &nr), -ENOENT);
	ck_assert_int_eq(calls, 0);
}
END_TEST

START_TEST(missing_argument)
{
	expect_regs(-EINVAL, nr = NR_PERFECT - 1);
	expect_regs(-EINVAL, nr = 0);
}
END_TEST

START_TEST(too_many_arguments)
{
	expect_regs(-EINVAL, nr = NR_PERFECT + 1);
}
END_TEST

START_TEST(argument_given_twice)
{
	expect_regs(-EINVAL, a[1] = a[0]);
}
END_TEST

START_TEST(argument_beyond_the_last)
{
	expect_regs(-EINVAL, a[1].index = NR_ARGS);
	expect_regs(-EINVAL, a[1].index = 0xffffffff);
	expect_regs(-EINVAL, a[1].index = 64);
}
END_TEST

START_TEST(bound_is_not_the_callers)
{
	expect_regs(-EINVAL, a[1].index = IN_BYTES);
}
END_TEST

START_TEST(scalar_with_a_bo_or_a_length)
{
	expect_regs(-EINVAL, a[1].bo = 1);
	expect_regs(-EINVAL, a[1].bytes = 4);
}
END_TEST

START_TEST(scalar_that_does_not_fit)
{
	expect_regs(-EOVERFLOW, a[1].value = 0x100000000);
	expect_regs(0, a[4].value = ~0ull);
}
END_TEST

START_TEST(somebody_elses_bo)
{
	expect_regs(-ENOENT, a[0].bo = 3);
	expect_regs(-ENOENT, a[0].bo = 0);
}
END_TEST

START_TEST(bo_of_another_card)
{
	expect_regs(-EINVAL, a[0].bo = 4);
}
END_TEST

START_TEST(offset_outside_of_the_bo)
{
	expect_regs(0, a[0] = ((struct smartssd_arg){ IN, 1, 4095, 0 }));
	expect_regs(-EINVAL, a[0] = ((struct smartssd_arg){ IN, 1, 4096, 0 }));
	expect_regs(-EINVAL, a[0] = ((struct smartssd_arg){ IN, 1, ~0ull, 0 }));
}
END_TEST

START_TEST(length_beyond_the_bo)
{
	expect_regs(0, a[0] = ((struct smartssd_arg){ IN, 1, 96, 4000 }));
	expect_regs(-EINVAL, a[0] = ((struct smartssd_arg){ IN, 1, 97, 4000 }));
	expect_regs(-EINVAL, a[0] = ((struct smartssd_arg){ IN, 1, 0, 4097 }));
}
END_TEST

START_TEST(range_that_wraps)
{
	expect_regs(-EOVERFLOW, a[0] = ((struct smartssd_arg){ IN, 1, 1, ~0ull }));
	expect_regs(-EOVERFLOW, a[0] = ((struct smartssd_arg){ IN, 1, ~0ull, 1 }));
}
END_TEST

START_TEST(address_beyond_a_32_bit_pointer)
{
	expect_regs(-EOVERFLOW, a[3] = ((struct smartssd_arg){ SMALL, 1, 0, 0 }));
}
END_TEST

START_TEST(as_many_arguments_as_there_may_be)
{
	struct smartssd_cu_arg many[SMARTSSD_MAX_ARGS];
	struct smartssd_arg args[SMARTSSD_MAX_ARGS];
	struct smartssd_cu_desc cu = { .nr_args = SMARTSSD_MAX_ARGS };
	struct smartssd_xclbin_info big = { .nr_cus = 1, .cus = &cu, .args = many, .nr_args = SMARTSSD_MAX_ARGS };
	struct smartssd_reg *regs = malloc(SMARTSSD_MAX_REGS * sizeof(*regs)); /* ASan sees one too many */
	int calls = 0;
	u32 nr;

	memset(many, 0, sizeof(many));
	memset(args, 0, sizeof(args));
	for (u32 i = 0; i < SMARTSSD_MAX_ARGS; i++) {
		many[i] = (struct smartssd_cu_arg){ SMARTSSD_ARG_GLOBAL, 0x10 + 12 * i, 8, ~0u, "p", "int*" };
		args[i] = (struct smartssd_arg){ .index = i, .bo = 1 };
	}
	ck_assert_int_eq(smartssd_build_regs(&big, 0, args, SMARTSSD_MAX_ARGS, lookup, &calls, regs, &nr), 0);
	ck_assert_uint_eq(nr, SMARTSSD_MAX_REGS);
	ck_assert_int_eq(calls, SMARTSSD_MAX_ARGS);
	free(regs);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cmd");
	TCase *cmd = tcase_create("check_cmd"), *regs = tcase_create("build_regs");

	tcase_add_test(cmd, each_op_is_accepted);
	tcase_add_test(cmd, unknown_op);
	tcase_add_test(cmd, unknown_flag);
	tcase_add_test(cmd, barrier_on_each_op);
	tcase_add_test(cmd, peer_flags_only_on_reads_and_writes);
	tcase_add_test(cmd, peer_off_and_require_together);
	tcase_add_test(cmd, dependency_on_an_earlier_command);
	tcase_add_test(cmd, dependency_on_itself_or_a_later_command);
	tcase_add_test(cmd, extent_count);
	tcase_add_test(cmd, pad);
	tcase_add_test(cmd, what_lies_behind_an_ops_members_must_be_zero);
	tcase_add_test(cmd, copy_of_nothing);
	tcase_add_test(cmd, copy_with_a_side_that_it_has_not);
	tcase_add_test(cmd, copy_that_wraps);
	tcase_add_test(cmd, run_on_no_cu);
	tcase_add_test(cmd, run_argument_count);
	tcase_add_test(regs, registers_hold_addresses_bounds_and_scalars);
	tcase_add_test(regs, order_of_arguments_does_not_matter);
	tcase_add_test(regs, bound_without_a_length_reaches_to_the_bos_end);
	tcase_add_test(regs, no_such_cu);
	tcase_add_test(regs, missing_argument);
	tcase_add_test(regs, too_many_arguments);
	tcase_add_test(regs, argument_given_twice);
	tcase_add_test(regs, argument_beyond_the_last);
	tcase_add_test(regs, bound_is_not_the_callers);
	tcase_add_test(regs, scalar_with_a_bo_or_a_length);
	tcase_add_test(regs, scalar_that_does_not_fit);
	tcase_add_test(regs, somebody_elses_bo);
	tcase_add_test(regs, bo_of_another_card);
	tcase_add_test(regs, offset_outside_of_the_bo);
	tcase_add_test(regs, length_beyond_the_bo);
	tcase_add_test(regs, range_that_wraps);
	tcase_add_test(regs, address_beyond_a_32_bit_pointer);
	tcase_add_test(regs, as_many_arguments_as_there_may_be);
	suite_add_tcase(suite, cmd);
	suite_add_tcase(suite, regs);
	return suite_run(suite);
}
