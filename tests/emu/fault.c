// SPDX-License-Identifier: BSD-2-Clause
/* Each fault knob of the embedded card, and what it leaves behind. */
#include "emu_test.h"

START_TEST(hang)
{
	struct emu *emu = t_open("ddr=64M,fault=hang:0:2");
	struct smartssd_bo bo = t_bo(emu, 4096);
	struct t_args a;
	struct smartssd_cmd c = t_ek(&a, 1, bo.bo, bo.bo, 1, EK_ADD);
	struct smartssd_counters n;
	uint64_t start;

	ck_assert_int_eq(t_run(emu, &c, 1, NULL), 0); /* the second run hangs */
	c.run.timeout_ms = 150;
	start = t_now();
	ck_assert_int_eq(t_run(emu, &c, 1, NULL), -ETIMEDOUT);
	ck_assert_uint_ge(t_now() - start, 150000000);
	ck_assert_uint_lt(t_now() - start, 5000000000ull);
	c.run.timeout_ms = 0;
	ck_assert_uint_eq(t_cu(emu, 0).state, SMARTSSD_CU_HUNG);
	ck_assert_int_eq(t_run(emu, &c, 1, NULL), -EIO);
	n = t_counters(emu);
	ck_assert_uint_eq(n.cu_faults, 1);
	ck_assert_uint_eq(n.runs, 1);
	ck_assert_uint_eq(n.jobs, 3);
	/* the other CU of the kernel goes on */
	c.run.cu_mask = 3;
	ck_assert_int_eq(t_run(emu, &c, 1, NULL), 0);
	c.run.cu_mask = 1;
	ck_assert_int_eq(t_reset(emu, 0), 0);
	ck_assert_int_eq(t_run(emu, &c, 1, NULL), 0);
	emu_close(emu);
}
END_TEST

/* A hung kernel may still write: its memory must not be handed to anybody before the CU is stopped. */
START_TEST(hung_kernel_keeps_its_memory)
{
	struct emu *emu = t_open("ddr=2M");
	struct smartssd_bo bo = t_bo(emu, 1 << 20), next;
	uint64_t before = t_free_bytes(emu);
	struct t_args a;
	struct smartssd_cmd c = t_ek(&a, 1, bo.bo, bo.bo, 0xdead, EK_WRITE);
	uint32_t *map;
	int i;

	c.run.timeout_ms = 50;
	ck_assert_int_eq(t_run(emu, &c, 1, NULL), -ETIMEDOUT);
	ck_assert_int_eq(t_destroy(emu, bo.bo), 0);
	ck_assert_uint_eq(t_free_bytes(emu), before);
	ck_assert_int_eq(t_reset(emu, 0), 0);
	ck_assert_uint_eq(t_free_bytes(emu), before + (1 << 20));
	next = t_bo(emu, 1 << 20);
	ck_assert_uint_eq(next.address, bo.address);
	map = t_map(emu, &next);
	usleep(20000);
	for (i = 0; i < 1 << 18 && !map[i]; i++)
		;
	ck_assert_int_eq(i, 1 << 18);
	ck_assert_int_eq(emu_munmap(emu, map, next.bytes), 0);
	emu_close(emu);
}
END_TEST

START_TEST(crash)
{
	struct emu *emu = t_open("ddr=64M,fault=crash");
	struct smartssd_bo bo = t_bo(emu, 4096);
	struct t_args a;
	struct smartssd_cmd c = t_ek(&a, 1, bo.bo, bo.bo, 1, EK_ADD);

	ck_assert_int_eq(t_run(emu, &c, 1, NULL), -EIO);
	ck_assert_uint_eq(t_cu(emu, 0).state, SMARTSSD_CU_CRASHED);
	ck_assert_int_eq(t_load(emu), 0); /* the same xclbin, but not sound: loaded anew */
	ck_assert_uint_eq(t_cu(emu, 0).state, SMARTSSD_CU_IDLE);
	ck_assert_int_eq(t_run(emu, &c, 1, NULL), 0);
	emu_close(emu);
}
END_TEST

/* It is told by interrupt, not found by the watchdog, which looks each 100 ms. */
START_TEST(crash_is_told_at_once)
{
	struct emu *emu = t_open("ddr=64M");
	struct smartssd_bo bo = t_bo(emu, 4096);
	struct t_args a;
	struct smartssd_cmd c = t_ek(&a, 1, bo.bo, bo.bo, 1, EK_CRASH), good = t_ek(&a, 1, bo.bo, bo.bo, 1, EK_ADD);
	struct smartssd_result r;
	uint64_t best = ~0ull;
	int i;

	for (i = 0; i < 5; i++) {
		good = t_ek(&a, 1, bo.bo, bo.bo, 1, EK_ADD);
		ck_assert_int_eq(t_run(emu, &good, 1, NULL), 0);
		c = t_ek(&a, 1, bo.bo, bo.bo, 1, EK_CRASH);
		ck_assert_int_eq(t_run(emu, &c, 1, &r), -EIO);
		if (r.end_ns - r.start_ns < best)
			best = r.end_ns - r.start_ns;
		ck_assert_int_eq(t_reset(emu, 0), 0);
	}
	ck_assert_uint_lt(best, 60000000);
	emu_close(emu);
}
END_TEST

/* A lost interrupt is no hang: the run ends well, long before its deadline. */
START_TEST(no_irq)
{
	struct emu *emu = t_open("ddr=64M,fault=no-irq");
	struct smartssd_bo bo = t_bo(emu, 4096);
	struct t_args a;
	struct smartssd_cmd c = t_ek(&a, 1, bo.bo, bo.bo, 1, EK_ADD);
	uint64_t start = t_now();

	ck_assert_int_eq(t_run(emu, &c, 1, NULL), 0);
	ck_assert_uint_lt(t_now() - start, 8000000000ull);
	ck_assert_uint_ge(t_now() - start, 50000000); /* else nothing was lost and this tests nothing */
	ck_assert_uint_eq(t_counters(emu).cu_faults, 0);
	ck_assert_int_eq(t_run(emu, &c, 1, NULL), 0);
	emu_close(emu);
}
END_TEST

/* Also when nobody waits: the engine thread is the watchdog. */
START_TEST(no_irq_and_no_waiter)
{
	struct emu *emu = t_open("ddr=64M,fault=no-irq:2");
	struct smartssd_cmd c = t_noop();
	struct pollfd p = { .fd = emu_poll_fd(emu), .events = POLLIN };

	ck_assert_int_eq(t_submit(emu, &c, 1, NULL), 0);
	ck_assert_int_eq(poll(&p, 1, 8000), 1);
	emu_close(emu);
}
END_TEST

/* The card says done and never called the kernel: only the data can tell. */
START_TEST(wrong)
{
	struct emu *emu = t_open("ddr=64M,fault=wrong");
	struct smartssd_bo bo = t_bo(emu, 4096);
	struct t_args a;
	struct smartssd_cmd c = t_ek(&a, 1, bo.bo, bo.bo, 1, EK_ADD);
	uint32_t *map = t_map(emu, &bo);

	ck_assert_int_eq(t_run(emu, &c, 1, NULL), 0);
	ck_assert_uint_eq(*map, 0);
	ck_assert_int_eq(t_run(emu, &c, 1, NULL), 0);
	ck_assert_uint_eq(*map, 1);
	ck_assert_int_eq(emu_munmap(emu, map, bo.bytes), 0);
	emu_close(emu);
}
END_TEST

START_TEST(spurious)
{
	struct emu *emu = t_open("ddr=64M,fault=spurious");
	struct smartssd_bo bo = t_bo(emu, 4096);
	struct t_args a;
	struct smartssd_cmd c = t_ek(&a, 1, bo.bo, bo.bo, 100, EK_SLEEP);
	uint64_t start = t_now();

	ck_assert_int_eq(t_run(emu, &c, 1, NULL), 0);
	ck_assert_uint_ge(t_now() - start, 100000000);
	emu_close(emu);
}
END_TEST

START_TEST(gone)
{
	struct emu *emu = t_open("ddr=64M,fault=gone:0:2");
	struct smartssd_bo bo = t_bo(emu, 16 << 20);
	int fd = t_file(4096, O_RDONLY), i;
	struct smartssd_file f = t_register(emu, fd);
	struct pollfd p = { .fd = emu_poll_fd(emu), .events = POLLIN }, early = p;
	struct t_args a[3];
	char buf[8];
	struct smartssd_cmd c[5] = {
		t_ek(&a[0], 2, bo.bo, bo.bo, 5000, EK_SLEEP), /* running on the other CU */
		t_ek(&a[1], 1, bo.bo, bo.bo, 1, EK_ADD),      /* takes the card away */
		t_ek(&a[2], 1, bo.bo, bo.bo, 1, EK_ADD),      /* waits for a CU */
		t_copy_from(buf, bo.bo, 0, 8),		      /* depends on what fails */
		t_noop(),
	};
	struct smartssd_result r[5];
	struct smartssd_extent e = { 0, 0, 512 };
	struct smartssd_query q = { .size = sizeof(q) };
	struct smartssd_wait w;
	uint64_t job, start;
	void *map;

	ck_assert_int_eq(t_run(emu, &c[1], 1, NULL), 0);
	c[3].dep[0] = 2;
	start = t_now();
	ck_assert_int_eq(t_submit(emu, c, 4, &job), 0);
	/* a job to wait for, and no card; the former may be seen a moment earlier */
	do
		ck_assert_int_eq(poll(&p, 1, 5000), 1);
	while (p.revents == POLLIN && t_now() - start < 8000000000ull);
	ck_assert_int_eq(p.revents, POLLIN | POLLHUP);
	ck_assert_int_eq(t_wait(emu, job, NEVER, &w, r, 4), 0);
	ck_assert_uint_lt(t_now() - start, 8000000000ull);
	ck_assert_int_eq(w.status, -ENODEV);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(r[i].status, -ENODEV);
	ck_assert_int_eq(r[3].status, -ECANCELED);
	/* for good; nothing is left to wait for */
	ck_assert_int_eq(poll(&early, 1, 0), 1);
	ck_assert_int_eq(early.revents, POLLHUP);
	ck_assert_int_eq(emu_ioctl(emu, SMARTSSD_IOC_QUERY, &q), -ENODEV);
	ck_assert_int_eq(t_submit(emu, &c[4], 1, NULL), -ENODEV);
	ck_assert_int_eq(t_destroy(emu, bo.bo), -ENODEV);
	ck_assert_int_eq(t_reset(emu, 0), -ENODEV);
	ck_assert_int_eq(t_load(emu), -ENODEV);
	ck_assert_int_eq(t_wait(emu, job, NEVER, NULL, NULL, 0), -ENODEV);
	ck_assert_int_eq(emu_mmap(emu, bo.mmap_offset, bo.bytes, &map), -ENODEV);
	c[0] = t_rw(SMARTSSD_OP_READ, f.file, bo.bo, &e, 1);
	ck_assert_int_eq(t_submit(emu, c, 1, NULL), -ENODEV);
	close(fd);
	emu_close(emu);
}
END_TEST

/* The descriptor that is asked for only then says so too. */
START_TEST(gone_before_poll)
{
	struct emu *emu = t_open("ddr=64M,fault=gone");
	struct pollfd p = { .events = POLLIN };
	struct smartssd_cmd c[2] = { t_noop(), t_noop() };
	struct smartssd_bo bo = t_bo(emu, 4096);
	struct t_args a;
	uint64_t job;

	c[0] = t_ek(&a, 1, bo.bo, bo.bo, 1, EK_ADD);
	ck_assert_int_eq(t_submit(emu, c, 1, &job), 0);
	ck_assert_int_eq(t_wait(emu, job, NEVER, NULL, NULL, 0), 0);
	p.fd = emu_poll_fd(emu);
	ck_assert_int_ge(p.fd, 0);
	ck_assert_int_eq(poll(&p, 1, 0), 1);
	ck_assert_int_eq(p.revents, POLLHUP);
	emu_close(emu);
}
END_TEST

/* The card leaves in the middle of a long READ. */
START_TEST(gone_during_a_read)
{
	struct emu *emu = t_open("ddr=64M,fault=gone:2:1");
	struct smartssd_bo bo = t_bo(emu, 32 << 20);
	int fd = t_file(32 << 20, O_RDONLY);
	struct smartssd_file f = t_register(emu, fd);
	struct smartssd_extent *e = calloc(8192, sizeof(*e));
	struct smartssd_cmd c[2];
	struct smartssd_result r[2];
	uint64_t job;
	int i;

	for (i = 0; i < 8192; i++)
		e[i] = (struct smartssd_extent){ (8191 - i) * 4096, i * 4096, 4096 };
	c[0] = t_rw(SMARTSSD_OP_READ, f.file, bo.bo, e, 8192);
	c[1] = t_noop();
	ck_assert_int_eq(t_submit(emu, c, 2, &job), 0);
	ck_assert_int_eq(t_wait(emu, job, NEVER, NULL, r, 2), 0);
	ck_assert_int_eq(r[1].status, -ENODEV);
	/* it may have been quicker than the finding out */
	ck_assert(r[0].status == -ENODEV || r[0].status == 0);
	free(e);
	close(fd);
	emu_close(emu);
}
END_TEST

START_TEST(reset_ends_what_runs)
{
	struct emu *emu = t_open("ddr=64M");
	struct smartssd_bo bo = t_bo(emu, 4096);
	struct t_args a[2];
	struct smartssd_cmd c[2] = { t_ek(&a[0], 1, bo.bo, bo.bo, 1, EK_WRITE), t_ek(&a[1], 1, bo.bo, bo.bo, 1, EK_SLEEP) };
	struct smartssd_result r[2];
	struct smartssd_wait w;
	uint64_t job;

	ck_assert_int_eq(t_submit(emu, c, 2, &job), 0);
	usleep(20000);
	ck_assert_uint_eq(t_cu(emu, 0).state, SMARTSSD_CU_BUSY);
	ck_assert_int_eq(t_reset(emu, 0), 0);
	ck_assert_int_eq(t_wait(emu, job, NEVER, &w, r, 2), 0);
	ck_assert_int_eq(r[0].status, -EIO);
	ck_assert_int_eq(r[1].status, 0); /* what waited behind it gets the fresh CU */
	ck_assert_int_eq(t_reset(emu, 3), -ENOENT);
	emu_close(emu);
}
END_TEST

TCase *tcase_fault(void)
{
	TCase *tc = tcase_create("fault");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, hang);
	tcase_add_test(tc, hung_kernel_keeps_its_memory);
	tcase_add_test(tc, crash);
	tcase_add_test(tc, crash_is_told_at_once);
	tcase_add_test(tc, no_irq);
	tcase_add_test(tc, no_irq_and_no_waiter);
	tcase_add_test(tc, wrong);
	tcase_add_test(tc, spurious);
	tcase_add_test(tc, gone);
	tcase_add_test(tc, gone_before_poll);
	tcase_add_test(tc, gone_during_a_read);
	tcase_add_test(tc, reset_ends_what_runs);
	return tc;
}
