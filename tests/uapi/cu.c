// SPDX-License-Identifier: BSD-2-Clause
/* Compute units: argument checks, bounds, hang, crash, reset. */
#include "uapi_test.h"

FIXTURE(cu)
{
	struct smartssd_device *dev;
	uint32_t src, dst;
	uint32_t *out;
};

FIXTURE_SETUP(cu)
{
	struct smartssd_bo b;

	ASSERT_EQ(0, ut_open(&self->dev));
	ASSERT_EQ(0, ut_load(self->dev));
	self->src = ut_bo(self->dev, 65536);
	ASSERT_EQ(0, smartssd_bo_create(self->dev, 65536, &b));
	self->dst = b.bo;
	ASSERT_EQ(0, smartssd_bo_map(self->dev, &b, (void **)&self->out));
}

FIXTURE_TEARDOWN(cu)
{
	smartssd_cu_reset(self->dev, 0);
	smartssd_close(self->dev);
}

static uint32_t cu_state(struct smartssd_device *dev)
{
	struct smartssd_cu_info i;

	return smartssd_cu_info(dev, 0, &i) ? ~0u : i.state;
}

TEST_F(cu, runs)
{
	uint32_t in[1000], i;
	struct ut_tk a;
	struct smartssd_cmd c[2] = { ut_copy_to(self->src, 0, in, sizeof(in)), ut_tk_cmd(&a, self->src, self->dst, 1000, TK_ADD) };
	struct smartssd_counters n = { .size = sizeof(n) };
	struct smartssd_result r[2];

	for (i = 0; i < 1000; i++)
		in[i] = i * i;
	c[1].dep[0] = 1;
	ASSERT_EQ(0, ut_run(self->dev, c, 2, r));
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(i * i + 1, self->out[i]);
	EXPECT_EQ(0, r[1].detail);
	EXPECT_EQ(0, r[1].bytes);
	ASSERT_EQ(0, smartssd_counters(self->dev, SMARTSSD_COUNT_FILE, &n));
	EXPECT_EQ(1, n.runs);
	EXPECT_EQ(0, n.cu_faults);
}

TEST_F(cu, offsets_and_bounds)
{
	struct ut_tk a;
	struct smartssd_cmd c = ut_tk_cmd(&a, self->src, self->dst, 0, TK_BOUND);

	ASSERT_EQ(0, ut_run(self->dev, &c, 1, NULL));
	EXPECT_EQ(65536, self->out[0]);
	EXPECT_EQ(65536, self->out[1]);
	a.arg[0].value = 4096;
	a.arg[0].bytes = 100;
	a.arg[1].value = 1024;
	ASSERT_EQ(0, ut_run(self->dev, &c, 1, NULL));
	EXPECT_EQ(100, self->out[256]);
	EXPECT_EQ(65536 - 1024, self->out[257]);
}

TEST_F(cu, argument_errors)
{
	struct ut_tk a;
	struct smartssd_cmd c = ut_tk_cmd(&a, self->src, self->dst, 1, TK_ADD);
	uint32_t bad = 9;

	a.arg[0].bo = 0x7fffffff;
	EXPECT_EQ(-ENOENT, ut_submit(self->dev, &c, 1, NULL, &bad));
	EXPECT_EQ(0, bad);
	c = ut_tk_cmd(&a, self->src, self->dst, 1, TK_ADD);
	a.arg[0].bo = 0; /* a pointer without a BO: a process may not choose addresses */
	a.arg[0].value = 4096;
	EXPECT_NE(0, ut_submit(self->dev, &c, 1, NULL, NULL));
	c = ut_tk_cmd(&a, self->src, self->dst, 1, TK_ADD);
	a.arg[0].value = 65536;
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, &c, 1, NULL, NULL));
	a.arg[0].value = 65535;
	a.arg[0].bytes = 2;
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, &c, 1, NULL, NULL));
	a.arg[0].value = 4;
	a.arg[0].bytes = ~0ull;
	EXPECT_EQ(-EOVERFLOW, ut_submit(self->dev, &c, 1, NULL, NULL));
	c = ut_tk_cmd(&a, self->src, self->dst, 1, TK_ADD);
	a.arg[2].value = 1ull << 32; /* does not fit a 32-bit register */
	EXPECT_EQ(-EOVERFLOW, ut_submit(self->dev, &c, 1, NULL, NULL));
	c = ut_tk_cmd(&a, self->src, self->dst, 1, TK_ADD);
	a.arg[2].bo = self->src; /* a scalar has no BO */
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, &c, 1, NULL, NULL));
	c = ut_tk_cmd(&a, self->src, self->dst, 1, TK_ADD);
	a.arg[2].bytes = 1;
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, &c, 1, NULL, NULL));
	c = ut_tk_cmd(&a, self->src, self->dst, 1, TK_ADD);
	a.arg[3].index = 4; /* twice the same, one missing */
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, &c, 1, NULL, NULL));
	a.arg[3].index = 6;
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, &c, 1, NULL, NULL));
	a.arg[3].index = 1; /* bounds are the driver's */
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, &c, 1, NULL, NULL));
	c = ut_tk_cmd(&a, self->src, self->dst, 1, TK_ADD);
	c.run.nr_args = 3;
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, &c, 1, NULL, NULL));
	c.run.nr_args = SMARTSSD_MAX_ARGS + 1;
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, &c, 1, NULL, NULL));
	c.run.nr_args = 4;
	c.run.args = 0;
	EXPECT_EQ(-EFAULT, ut_submit(self->dev, &c, 1, NULL, NULL));
}

TEST_F(cu, mask_errors)
{
	struct ut_tk a;
	struct smartssd_cmd c = ut_tk_cmd(&a, self->src, self->dst, 1, TK_ADD);

	c.run.cu_mask = 0;
	EXPECT_EQ(-ENOENT, ut_submit(self->dev, &c, 1, NULL, NULL));
	c.run.cu_mask = 2;
	EXPECT_EQ(-ENOENT, ut_submit(self->dev, &c, 1, NULL, NULL));
	c.run.cu_mask = 3;
	EXPECT_EQ(-ENOENT, ut_submit(self->dev, &c, 1, NULL, NULL));
}

TEST_F(cu, hang_is_ETIMEDOUT_and_reset_repairs)
{
	struct smartssd_counters n = { .size = sizeof(n) };
	struct ut_tk a, b;
	struct smartssd_cmd c = ut_tk_cmd(&a, self->src, self->dst, 0, TK_SPIN), good = ut_tk_cmd(&b, self->src, self->dst, 1, TK_ADD);
	uint64_t start = ut_now();
	struct smartssd_result r;

	c.run.timeout_ms = 300;
	EXPECT_EQ(-ETIMEDOUT, ut_run(self->dev, &c, 1, &r));
	EXPECT_EQ(-ETIMEDOUT, r.status);
	EXPECT_LE(start + 300000000, ut_now());
	EXPECT_EQ(SMARTSSD_CU_HUNG, cu_state(self->dev));
	EXPECT_EQ(-EIO, ut_run(self->dev, &good, 1, NULL));
	ASSERT_EQ(0, smartssd_cu_reset(self->dev, 0));
	EXPECT_EQ(SMARTSSD_CU_IDLE, cu_state(self->dev));
	EXPECT_EQ(0, ut_run(self->dev, &good, 1, NULL));
	EXPECT_EQ(1, self->out[0]);
	ASSERT_EQ(0, smartssd_counters(self->dev, SMARTSSD_COUNT_FILE, &n));
	EXPECT_LE(1, n.cu_faults);
}

TEST_F(cu, crash_is_EIO_and_reset_repairs)
{
	struct ut_tk a, b;
	struct smartssd_cmd c = ut_tk_cmd(&a, self->src, self->dst, 0, TK_CRASH), good = ut_tk_cmd(&b, self->src, self->dst, 1, TK_ADD);
	int i;

	for (i = 0; i < 3; i++) {
		EXPECT_EQ(-EIO, ut_run(self->dev, &c, 1, NULL));
		EXPECT_EQ(SMARTSSD_CU_CRASHED, cu_state(self->dev));
		ASSERT_EQ(0, smartssd_cu_reset(self->dev, 0));
		EXPECT_EQ(0, ut_run(self->dev, &good, 1, NULL));
	}
}

TEST_F(cu, reset_ends_what_runs)
{
	struct ut_tk a;
	struct smartssd_cmd c = ut_tk_cmd(&a, self->src, self->dst, 0, TK_SPIN);
	struct smartssd_wait w = { .size = sizeof(w), .deadline_ns = ut_now() + 20000000000ull };

	ASSERT_EQ(0, ut_submit(self->dev, &c, 1, &w.job, NULL));
	usleep(100000);
	EXPECT_EQ(SMARTSSD_CU_BUSY, cu_state(self->dev));
	ASSERT_EQ(0, smartssd_cu_reset(self->dev, 0));
	ASSERT_EQ(0, smartssd_ioctl(self->dev, SMARTSSD_IOC_WAIT, &w));
	EXPECT_EQ(-EIO, w.status);
}

TEST_F(cu, queue_behind_a_hang_fails_rather_than_waits)
{
	struct ut_tk a[3];
	struct smartssd_cmd c[3] = { ut_tk_cmd(&a[0], self->src, self->dst, 0, TK_SPIN), ut_tk_cmd(&a[1], self->src, self->dst, 1, TK_ADD),
				     ut_tk_cmd(&a[2], self->src, self->dst, 1, TK_ADD) };
	struct smartssd_result r[3];

	c[0].run.timeout_ms = 200;
	EXPECT_EQ(-ETIMEDOUT, ut_run(self->dev, c, 3, r));
	EXPECT_EQ(-EIO, r[1].status);
	EXPECT_EQ(-EIO, r[2].status);
}

TEST_F(cu, late_end_brings_the_cu_back)
{
	struct ut_tk a, b;
	struct smartssd_cmd c = ut_tk_cmd(&a, self->src, self->dst, 1000, TK_SLEEP), good = ut_tk_cmd(&b, self->src, self->dst, 1, TK_ADD);
	struct smartssd_query before, after;
	uint64_t end;

	ASSERT_EQ(0, smartssd_query(self->dev, &before));
	c.run.timeout_ms = 100;
	EXPECT_EQ(-ETIMEDOUT, ut_run(self->dev, &c, 1, NULL));
	EXPECT_EQ(SMARTSSD_CU_HUNG, cu_state(self->dev));
	/* It may still write to its memory, so nobody else gets it ... */
	ASSERT_EQ(0, smartssd_bo_destroy(self->dev, self->src));
	ASSERT_EQ(0, smartssd_query(self->dev, &after));
	EXPECT_EQ(before.ddr_free, after.ddr_free);
	for (end = ut_now() + 10000000000ull; cu_state(self->dev) != SMARTSSD_CU_IDLE && ut_now() < end;)
		usleep(20000);
	/* ... until it has ended after all. */
	ASSERT_EQ(SMARTSSD_CU_IDLE, cu_state(self->dev));
	ASSERT_EQ(0, smartssd_query(self->dev, &after));
	EXPECT_EQ(before.ddr_free + 65536, after.ddr_free);
	good = ut_tk_cmd(&b, self->dst, self->dst, 1, TK_ADD);
	EXPECT_EQ(0, ut_run(self->dev, &good, 1, NULL));
	EXPECT_EQ(1, self->out[0]);
}

TEST_F(cu, thousand_runs)
{
	struct smartssd_counters n = { .size = sizeof(n) };
	struct smartssd_cmd c[100];
	struct ut_tk a[100];
	int i, round;

	for (i = 0; i < 100; i++) {
		c[i] = ut_tk_cmd(&a[i], self->dst, self->dst, 8, TK_ADD);
		c[i].dep[0] = i;
	}
	for (round = 0; round < 10; round++)
		ASSERT_EQ(0, ut_run(self->dev, c, 100, NULL));
	for (i = 0; i < 8; i++)
		EXPECT_EQ(1000, self->out[i]);
	ASSERT_EQ(0, smartssd_counters(self->dev, SMARTSSD_COUNT_FILE, &n));
	EXPECT_EQ(1000, n.runs);
	EXPECT_EQ(10, n.jobs);
}

TEST_HARNESS_MAIN
