// SPDX-License-Identifier: BSD-2-Clause
/* Options of an embedded card, and what it says of itself. */
#include "emu_test.h"

static const struct {
	const char *options;
	const char *says; /* must be in the error's text */
} bad[] = {
	{ "dd=1G", "'dd'; valid are ddr=" }, { "ddr", "ddr=" },		     { "ddr=", "ddr=" },	     { "ddr=1M", "2M" },
	{ "ddr=3000000", "3000000" },	     { "ddr=0", "ddr=0" },	     { "ddr=256Mb", "256Mb" },	     { "ddr=-2M", "-2M" },
	{ "ddr=99999999999G", "2M" },	     { "serial=x", "serial=x" },     { "serial=4294967296", "429" }, { "serial", "serial=" },
	{ "peer=maybe", "maybe" },	     { "peer", "on nor off" },	     { "fault=melt", "hang, crash" },	     { "fault=hang:64", "CU below 64" },
	{ "fault=hang:0:65536", "65535" },   { "fault=hang:0:1:2", "kinds" }, { "fault", "kinds" },	     { "ddr=64M,", "''" },
	{ "ddr=64M,,serial=1", "''" },	     { "=", "''" },
};

START_TEST(bad_options_are_named)
{
	struct smartssd_error err = { "" };
	struct emu *emu;

	ck_assert_int_eq(emu_open(bad[_i].options, &emu, &err), -EINVAL);
	ck_assert_msg(strstr(err.text, bad[_i].says) != NULL, "%s: \"%s\" lacks \"%s\"", bad[_i].options, err.text, bad[_i].says);
	ck_assert_int_eq(emu_open(bad[_i].options, &emu, NULL), -EINVAL);
}
END_TEST

START_TEST(options_take_effect)
{
	struct smartssd_query q = { .size = sizeof(q) };
	struct emu *emu = t_open_bare("ddr=64M,serial=4711,peer=off");

	ck_assert_int_eq(emu_ioctl(emu, SMARTSSD_IOC_QUERY, &q), 0);
	ck_assert_uint_eq(q.ddr_bytes, 64 << 20);
	ck_assert_uint_eq(q.ddr_free, 64 << 20);
	ck_assert_uint_eq(q.dna[0], 4711);
	ck_assert_uint_eq(q.peer_reason, SMARTSSD_PEER_OFF);
	ck_assert_uint_eq(q.shell, SMARTSSD_SHELL_EMBEDDED);
	ck_assert_uint_eq(q.nr_cus, 0);
	emu_close(emu);
}
END_TEST

START_TEST(each_open_is_a_card_of_its_own)
{
	struct smartssd_query a = { .size = sizeof(a) }, b = a;
	struct emu *one = t_open_bare(""), *two = t_open_bare(NULL);
	struct smartssd_bo bo = t_bo(one, 1 << 20);

	ck_assert_int_eq(emu_ioctl(one, SMARTSSD_IOC_QUERY, &a), 0);
	ck_assert_int_eq(emu_ioctl(two, SMARTSSD_IOC_QUERY, &b), 0);
	ck_assert_uint_ne(a.dna[0], b.dna[0]);
	ck_assert_uint_eq(a.ddr_free + (1 << 20), b.ddr_free);
	ck_assert_int_eq(t_destroy(two, bo.bo), -ENOENT);
	emu_close(one);
	emu_close(two);
}
END_TEST

START_TEST(failed_load_leaves_no_or_the_old_xclbin)
{
	struct smartssd_query q = { .size = sizeof(q) };
	struct smartssd_xclbin x = { .size = sizeof(x) };
	struct emu *emu = t_open("ddr=64M");
	uint64_t before = t_free_bytes(emu);
	uint8_t junk[4096] = "xclbin2";

	x.data = (uintptr_t)junk;
	x.bytes = sizeof(junk);
	ck_assert_int_eq(emu_ioctl(emu, SMARTSSD_IOC_XCLBIN_LOAD, &x), -EBADMSG);
	ck_assert_int_eq(emu_ioctl(emu, SMARTSSD_IOC_QUERY, &q), 0);
	ck_assert_uint_eq(q.nr_cus, 3);
	/* no room for the file on the card: nothing reached it */
	(void)t_bo(emu, before);
	ck_assert_int_eq(t_reset(emu, 0), 0);
	ck_assert_int_eq(t_load(emu), 0); /* the same, all sound: needs no room */
	emu_close(emu);
}
END_TEST

START_TEST(loading_waits_for_no_job)
{
	struct emu *emu = t_open("ddr=64M");
	struct smartssd_bo bo = t_bo(emu, 4096);
	struct t_args a, b;
	struct smartssd_cmd sleep = t_ek(&a, 1, bo.bo, bo.bo, 100, EK_SLEEP), crash = t_ek(&b, 2, bo.bo, bo.bo, 0, EK_CRASH);
	uint64_t job;

	ck_assert_int_eq(t_run(emu, &crash, 1, NULL), -EIO);
	ck_assert_int_eq(t_submit(emu, &sleep, 1, &job), 0);
	/* the same xclbin, but a CU of it is down: it would be loaded anew */
	ck_assert_int_eq(t_load(emu), -EBUSY);
	ck_assert_int_eq(t_wait(emu, job, NEVER, NULL, NULL, 0), 0);
	ck_assert_int_eq(t_load(emu), 0);
	ck_assert_uint_eq(t_cu(emu, 1).state, SMARTSSD_CU_IDLE);
	ck_assert_uint_eq(t_cu(emu, 0).runs, 0);
	ck_assert_int_eq(t_run(emu, &sleep, 1, NULL), 0);
	emu_close(emu);
}
END_TEST

TCase *tcase_open(void)
{
	TCase *tc = tcase_create("open");

	tcase_add_loop_test(tc, bad_options_are_named, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tc, options_take_effect);
	tcase_add_test(tc, each_open_is_a_card_of_its_own);
	tcase_add_test(tc, failed_load_leaves_no_or_the_old_xclbin);
	tcase_add_test(tc, loading_waits_for_no_job);
	return tc;
}
