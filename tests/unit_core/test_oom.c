// SPDX-License-Identifier: BSD-2-Clause
/*
 * Every allocation of driver/core fails once: each call says -ENOMEM, leaves its output alone and loses nothing (LeakSanitizer
 * looks). calloc() is what core_alloc() is here; the linker puts ours in front of it.
 */
#include "../../driver/core/core.h"
#include "suite.h"
#include "xclbin_builder.h"

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

static int fail_at; /* counts down; the call that brings it to 0 fails */

void *__wrap_calloc(size_t n, size_t size)
{
	if (fail_at && !--fail_at)
		return NULL;
	return __real_calloc(n, size);
}

START_TEST(xclbin_parse)
{
	struct smartssd_xclbin_info *info;
	struct smartssd_why why;
	struct xb xb = { 0 };
	int nth, err = -ENOMEM;
	size_t bytes;
	u8 *file;

	xb_sample(&xb);
	file = xb_finish(&xb, &bytes);
	for (nth = 1; err; nth++) {
		info = (void *)1;
		fail_at = nth;
		err = smartssd_xclbin_parse(file, bytes, &info, &why);
		if (!err)
			break;
		ck_assert_int_eq(err, -ENOMEM);
		ck_assert_str_eq(why.text, "out of memory");
		ck_assert_ptr_eq(info, (void *)1);
	}
	ck_assert_int_eq(fail_at, 1); /* one more than there are */
	fail_at = 0;
	ck_assert_int_eq(nth, 1 + 8); /* info, sections, mems, pass, metadata, args, CUs, their args */
	smartssd_xclbin_free(info);
	free(file);
}
END_TEST

START_TEST(graph_init)
{
	struct smartssd_cmd cmds[2] = { { 0 } };
	struct smartssd_graph g;

	fail_at = 1;
	ck_assert_int_eq(smartssd_graph_init(&g, cmds, 2), -ENOMEM);
	smartssd_graph_free(&g);
}
END_TEST

START_TEST(ddr_calls)
{
	struct smartssd_ddr *ddr;
	u64 a, b;

	for (int nth = 1; nth <= 2; nth++) {
		fail_at = nth;
		ck_assert_int_eq(smartssd_ddr_create(8192, 4096, &ddr), -ENOMEM);
	}
	ck_assert_int_eq(smartssd_ddr_create(8192, 4096, &ddr), 0);
	fail_at = 1;
	ck_assert_int_eq(smartssd_ddr_alloc(ddr, 4096, &a), -ENOMEM);
	ck_assert_uint_eq(smartssd_ddr_free_bytes(ddr), 8192);
	ck_assert_int_eq(smartssd_ddr_alloc(ddr, 4096, &a), 0);
	ck_assert_int_eq(smartssd_ddr_alloc(ddr, 4096, &b), 0);
	fail_at = 1; /* giving back must not need memory */
	ck_assert_int_eq(smartssd_ddr_free(ddr, b), 0);
	ck_assert_int_eq(smartssd_ddr_free(ddr, a), 0);
	ck_assert_int_eq(fail_at, 1);
	fail_at = 0;
	smartssd_ddr_destroy(ddr);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("oom");
	TCase *tc = tcase_create("oom");

	tcase_add_test(tc, xclbin_parse);
	tcase_add_test(tc, graph_init);
	tcase_add_test(tc, ddr_calls);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
