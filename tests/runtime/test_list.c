// SPDX-License-Identifier: BSD-2-Clause
/* Command lists: what they hold, and that pointers stay right while arrays move. */
#include "runtime_test.h"

static struct smartssd_list *new_list(void)
{
	struct smartssd_list *list;

	ck_assert_int_eq(smartssd_list_create(&list), 0);
	ck_assert_uint_eq(smartssd_list_count(list), 0);
	return list;
}

START_TEST(commands_hold_what_was_said)
{
	struct smartssd_list *list = new_list();
	struct smartssd_extent ext[2] = { { 512, 0, 1024 }, { 4096, 2048, 512 } };
	struct smartssd_arg args[2] = { { 0, 7, 16, 32 }, { 2, 0, 99, 0 } };
	char host[8];
	const struct smartssd_cmd *cmd;

	ck_assert_int_eq(smartssd_list_read(list, 3, 4, ext, 2, SMARTSSD_CMD_PEER_REQUIRE), 0);
	ck_assert_int_eq(smartssd_list_write(list, 5, 6, ext + 1, 1, SMARTSSD_CMD_PEER_OFF), 1);
	ck_assert_int_eq(smartssd_list_copy_to(list, 7, 100, host, 8), 2);
	ck_assert_int_eq(smartssd_list_copy_from(list, host, 8, 200, 7), 3);
	ck_assert_int_eq(smartssd_list_copy_bo(list, 9, 300, 10, 400, 6), 4);
	ck_assert_int_eq(smartssd_list_run(list, 5, args, 2, 1234), 5);
	ck_assert_uint_eq(smartssd_list_count(list), 6);

	cmd = &list->cmds[0];
	ck_assert(cmd->op == SMARTSSD_OP_READ && cmd->flags == SMARTSSD_CMD_PEER_REQUIRE && cmd->rw.file == 3 && cmd->rw.bo == 4);
	ck_assert_uint_eq(cmd->rw.nr_extents, 2);
	ck_assert_mem_eq((void *)(uintptr_t)cmd->rw.extents, ext, sizeof(ext));
	cmd = &list->cmds[1];
	ck_assert(cmd->op == SMARTSSD_OP_WRITE && cmd->flags == SMARTSSD_CMD_PEER_OFF && cmd->rw.file == 5 && cmd->rw.bo == 6);
	ck_assert_mem_eq((void *)(uintptr_t)cmd->rw.extents, ext + 1, sizeof(ext[0]));
	cmd = &list->cmds[2];
	ck_assert(cmd->op == SMARTSSD_OP_COPY_TO && cmd->copy.host == (uintptr_t)host && cmd->copy.dst_bo == 7 &&
		  cmd->copy.dst_offset == 100 && cmd->copy.bytes == 8 && cmd->copy.src_bo == 0 && cmd->copy.src_offset == 0);
	cmd = &list->cmds[3];
	ck_assert(cmd->op == SMARTSSD_OP_COPY_FROM && cmd->copy.host == (uintptr_t)host && cmd->copy.src_bo == 8 &&
		  cmd->copy.src_offset == 200 && cmd->copy.bytes == 7 && cmd->copy.dst_bo == 0 && cmd->copy.dst_offset == 0);
	cmd = &list->cmds[4];
	ck_assert(cmd->op == SMARTSSD_OP_COPY_BO && cmd->copy.host == 0 && cmd->copy.src_bo == 10 && cmd->copy.src_offset == 400 &&
		  cmd->copy.dst_bo == 9 && cmd->copy.dst_offset == 300 && cmd->copy.bytes == 6);
	cmd = &list->cmds[5];
	ck_assert(cmd->op == SMARTSSD_OP_RUN && cmd->run.cu_mask == 5 && cmd->run.nr_args == 2 && cmd->run.timeout_ms == 1234);
	ck_assert_mem_eq((void *)(uintptr_t)cmd->run.args, args, sizeof(args));
	smartssd_list_destroy(list);
}
END_TEST

/* Fill to the limits: each growth moves the arrays. */
START_TEST(pointers_survive_growth)
{
	struct smartssd_list *list = new_list();

	for (uint32_t round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < SMARTSSD_MAX_CMDS; i++) {
			struct smartssd_extent ext[3] = { { i, 1, 2 }, { i, 3, 4 }, { i, 5, 6 } };
			struct smartssd_arg args[2] = { { i, 1, 2, 3 }, { i, 4, 5, 6 } };
			int cmd = i % 2 ? smartssd_list_read(list, 1, 1, ext, 3, 0) : smartssd_list_run(list, 1, args, 2, 0);

			ck_assert_int_eq(cmd, (int)i);
		}
		ck_assert_int_eq(smartssd_list_run(list, 1, NULL, 0, 0), -E2BIG);
		ck_assert_int_eq(smartssd_list_copy_to(list, 1, 0, NULL, 1), -E2BIG);
		for (uint32_t i = 0; i < SMARTSSD_MAX_CMDS; i++) {
			const struct smartssd_cmd *cmd = &list->cmds[i];
			const struct smartssd_extent *ext = (void *)(uintptr_t)cmd->rw.extents;
			const struct smartssd_arg *args = (void *)(uintptr_t)cmd->run.args;

			if (i % 2)
				ck_assert(ext[0].file_offset == i && ext[2].file_offset == i && ext[2].bytes == 6);
			else
				ck_assert(args[0].index == i && args[1].index == i && args[1].bytes == 6);
		}
		smartssd_list_clear(list);
		ck_assert_uint_eq(smartssd_list_count(list), 0);
	}
	smartssd_list_destroy(list);
}
END_TEST

/* With nothing but arguments, no growth of the extents can set their pointers right. */
START_TEST(argument_pointers_survive_growth)
{
	struct smartssd_list *list = new_list();

	for (uint32_t i = 0; i < 100; i++) {
		struct smartssd_arg args[2] = { { i, 1, 2, 3 }, { i, 4, 5, 6 } };

		ck_assert_int_eq(smartssd_list_run(list, 1, args, 2, 0), (int)i);
		for (uint32_t k = 0; k <= i; k++)
			ck_assert_uint_eq(((struct smartssd_arg *)(uintptr_t)list->cmds[k].run.args)[1].index, k);
	}
	smartssd_list_destroy(list);
}
END_TEST

START_TEST(limits)
{
	struct smartssd_extent *ext = calloc(SMARTSSD_MAX_EXTENTS + 1, sizeof(*ext));
	struct smartssd_arg args[SMARTSSD_MAX_ARGS + 1] = { { 0 } };
	struct smartssd_list *list = new_list();

	ck_assert_int_eq(smartssd_list_read(list, 1, 1, ext, SMARTSSD_MAX_EXTENTS + 1, 0), -E2BIG);
	ck_assert_int_eq(smartssd_list_run(list, 1, args, SMARTSSD_MAX_ARGS + 1, 0), -E2BIG);
	ck_assert_int_eq(smartssd_list_run(list, 1, args, SMARTSSD_MAX_ARGS, 0), 0);
	for (int i = 1; i <= SMARTSSD_MAX_JOB_EXTENTS / SMARTSSD_MAX_EXTENTS; i++)
		ck_assert_int_eq(smartssd_list_read(list, 1, 1, ext, SMARTSSD_MAX_EXTENTS, 0), i);
	ck_assert_int_eq(smartssd_list_write(list, 1, 1, ext, 1, 0), -E2BIG);
	smartssd_list_destroy(list);
	free(ext);
}
END_TEST

START_TEST(dependencies)
{
	struct smartssd_list *list = new_list();
	const struct smartssd_cmd *last;

	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(smartssd_list_run(list, 1, NULL, 0, 0), i);
	last = &list->cmds[7];
	ck_assert_int_eq(smartssd_list_depend(list, 7, 7), -EINVAL);
	ck_assert_int_eq(smartssd_list_depend(list, 3, 4), -EINVAL);
	ck_assert_int_eq(smartssd_list_depend(list, 8, 0), -EINVAL);
	ck_assert_int_eq(smartssd_list_depend(list, -1, 0), -EINVAL);
	ck_assert_int_eq(smartssd_list_depend(list, 7, -1), -EINVAL);
	for (int on = 0; on < 4; on++)
		ck_assert_int_eq(smartssd_list_depend(list, 7, on), 0);
	ck_assert_int_eq(smartssd_list_depend(list, 7, 2), 0); /* known already */
	for (uint32_t i = 0; i < 4; i++)
		ck_assert_uint_eq(last->dep[i], i + 1);
	ck_assert_uint_eq(last->flags, 0);
	ck_assert_int_eq(smartssd_list_depend(list, 7, 5), 0); /* the fifth */
	ck_assert_uint_eq(last->flags, SMARTSSD_CMD_BARRIER);
	ck_assert_int_eq(smartssd_list_barrier(list, 0), 0);
	ck_assert_uint_eq(list->cmds[0].flags, SMARTSSD_CMD_BARRIER);
	ck_assert_int_eq(smartssd_list_barrier(list, 8), -EINVAL);
	smartssd_list_destroy(list);
}
END_TEST

static void fill(TCase *tests)
{
	tcase_add_test(tests, commands_hold_what_was_said);
	tcase_add_test(tests, pointers_survive_growth);
	tcase_add_test(tests, argument_pointers_survive_growth);
	tcase_add_test(tests, limits);
	tcase_add_test(tests, dependencies);
}

int main(void)
{
	return run_suite("list", fill);
}
