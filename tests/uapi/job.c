// SPDX-License-Identifier: BSD-2-Clause
/* Jobs: command checks, dependencies, cancellation, waiting, poll and eventfd. */
#include "uapi_test.h"

FIXTURE(job)
{
	struct smartssd_device *dev;
	uint32_t src, dst;
};

FIXTURE_SETUP(job)
{
	ASSERT_EQ(0, ut_open(&self->dev));
	ASSERT_EQ(0, ut_load(self->dev));
	self->src = ut_bo(self->dev, 65536);
	self->dst = ut_bo(self->dev, 65536);
	ASSERT_NE(0, self->src);
	ASSERT_NE(0, self->dst);
}

FIXTURE_TEARDOWN(job)
{
	smartssd_close(self->dev);
}

/* A command that takes a while and one that fails: the building blocks of what follows. */
static struct smartssd_cmd sleeper(struct ut_tk *a, uint32_t src, uint32_t dst, uint32_t ms)
{
	return ut_tk_cmd(a, src, dst, ms, TK_SLEEP);
}

TEST_F(job, unknown_op_is_EOPNOTSUPP)
{
	char buf[16];
	struct smartssd_cmd c[2] = { ut_copy_to(self->src, 0, buf, 16), { .op = 99 } };
	uint32_t bad = 0;

	EXPECT_EQ(-EOPNOTSUPP, ut_submit(self->dev, c, 2, NULL, &bad));
	EXPECT_EQ(1, bad);
	c[1].op = 0;
	EXPECT_EQ(-EOPNOTSUPP, ut_submit(self->dev, c, 2, NULL, &bad));
}

TEST_F(job, refused_list_does_nothing)
{
	uint8_t in[16] = { 1 }, out[16];
	struct smartssd_cmd c[2] = { ut_copy_to(self->src, 0, in, 16), { .op = 99 } };
	struct smartssd_cmd back = ut_copy_from(out, self->src, 0, 16);

	EXPECT_EQ(-EOPNOTSUPP, ut_submit(self->dev, c, 2, NULL, NULL));
	ASSERT_EQ(0, ut_run(self->dev, &back, 1, NULL));
	EXPECT_EQ(0, out[0]);
}

TEST_F(job, count_of_commands)
{
	char buf[16];
	struct smartssd_cmd *c = calloc(SMARTSSD_MAX_CMDS + 1, sizeof(*c));
	struct smartssd_result *r = calloc(SMARTSSD_MAX_CMDS, sizeof(*r));
	uint32_t i, bad = 1;

	for (i = 0; i <= SMARTSSD_MAX_CMDS; i++)
		c[i] = ut_copy_to(self->src, 0, buf, 16);
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, c, 0, NULL, &bad));
	EXPECT_EQ(0xffffffffu, bad);
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, c, SMARTSSD_MAX_CMDS + 1, NULL, NULL));
	EXPECT_EQ(0, ut_run(self->dev, c, SMARTSSD_MAX_CMDS, r));
	for (i = 0; i < SMARTSSD_MAX_CMDS; i++)
		ASSERT_EQ(16, r[i].bytes);
}

TEST_F(job, command_list_that_is_not_there_is_EFAULT)
{
	EXPECT_EQ(-EFAULT, ut_submit(self->dev, NULL, 1, NULL, NULL));
}

TEST_F(job, unknown_flags)
{
	char buf[16];
	struct smartssd_cmd c = ut_copy_to(self->src, 0, buf, 16);

	c.flags = 1u << 31;
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, &c, 1, NULL, NULL));
	/* a peer flag says nothing to a COPY */
	c.flags = SMARTSSD_CMD_PEER_REQUIRE;
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, &c, 1, NULL, NULL));
}

TEST_F(job, dependencies_point_backwards)
{
	char buf[16];
	struct smartssd_cmd c[2] = { ut_copy_to(self->src, 0, buf, 16), ut_copy_to(self->src, 0, buf, 16) };
	uint32_t bad = 9;

	c[1].dep[0] = 2; /* itself */
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, c, 2, NULL, &bad));
	EXPECT_EQ(1, bad);
	c[1].dep[0] = 3;
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, c, 2, NULL, NULL));
	c[1].dep[0] = 0;
	c[0].dep[2] = 1;
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, c, 2, NULL, &bad));
	EXPECT_EQ(0, bad);
}

TEST_F(job, chain_runs_in_order)
{
	enum { N = 20 };
	struct smartssd_cmd c[N + 2];
	struct smartssd_result r[N + 2];
	struct ut_tk a[N];
	uint32_t v[4] = { 10, 20, 30, 40 };
	int i;

	c[0] = ut_copy_to(self->src, 0, v, sizeof(v));
	for (i = 0; i < N; i++) {
		c[i + 1] = ut_tk_cmd(&a[i], self->src, self->src, 4, TK_ADD);
		c[i + 1].dep[i % 4] = i + 1;
	}
	c[N + 1] = ut_copy_from(v, self->src, 0, sizeof(v));
	c[N + 1].dep[0] = N + 1;
	ASSERT_EQ(0, ut_run(self->dev, c, N + 2, r));
	EXPECT_EQ(10 + N, v[0]);
	EXPECT_EQ(40 + N, v[3]);
	for (i = 0; i < N; i++)
		EXPECT_LE(r[i].end_ns, r[i + 1].start_ns);
}

TEST_F(job, barrier_waits_for_all_before_it)
{
	enum { N = 50 };
	uint8_t in[N], out[N];
	struct smartssd_cmd c[N + 1];
	struct smartssd_result r[N + 1];
	int i;

	for (i = 0; i < N; i++) {
		in[i] = i + 1;
		c[i] = ut_copy_to(self->src, i, &in[i], 1);
	}
	c[N] = ut_copy_from(out, self->src, 0, N);
	c[N].flags = SMARTSSD_CMD_BARRIER;
	ASSERT_EQ(0, ut_run(self->dev, c, N + 1, r));
	EXPECT_EQ(0, memcmp(in, out, N));
	for (i = 0; i < N; i++)
		EXPECT_LE(r[i].end_ns, r[N].start_ns);
}

TEST_F(job, independent_commands_overlap)
{
	struct ut_tk a;
	char buf[16];
	struct smartssd_cmd c[2] = { sleeper(&a, self->src, self->dst, 300), ut_copy_to(self->src, 0, buf, 16) };
	struct smartssd_result r[2];

	ASSERT_EQ(0, ut_run(self->dev, c, 2, r));
	EXPECT_LT(r[1].end_ns, r[0].end_ns);
}

TEST_F(job, what_depends_on_a_failure_is_canceled)
{
	struct ut_tk a[2];
	char buf[16];
	struct smartssd_cmd c[5] = {
		ut_tk_cmd(&a[0], self->src, self->dst, 0, TK_CRASH), ut_copy_to(self->src, 0, buf, 16),
		ut_copy_to(self->src, 0, buf, 16), ut_copy_to(self->src, 0, buf, 16), ut_copy_to(self->src, 0, buf, 16),
	};
	struct smartssd_wait w = { .size = sizeof(w), .deadline_ns = SMARTSSD_DEADLINE_NEVER };
	struct smartssd_result r[5];

	c[1].dep[0] = 1;
	c[2].dep[0] = 2;
	c[4].flags = SMARTSSD_CMD_BARRIER;
	ASSERT_EQ(0, ut_submit(self->dev, c, 5, &w.job, NULL));
	w.results = (uintptr_t)r;
	w.nr_results = 5;
	ASSERT_EQ(0, smartssd_ioctl(self->dev, SMARTSSD_IOC_WAIT, &w));
	EXPECT_EQ(-EIO, w.status);
	EXPECT_EQ(0, w.first_error);
	EXPECT_EQ(1, w.done);
	EXPECT_EQ(5, w.nr_results);
	EXPECT_EQ(-EIO, r[0].status);
	EXPECT_EQ(-ECANCELED, r[1].status);
	EXPECT_EQ(-ECANCELED, r[2].status);
	EXPECT_EQ(0, r[3].status);
	EXPECT_EQ(-ECANCELED, r[4].status);
	EXPECT_EQ(0, r[1].start_ns);
	EXPECT_EQ(0, smartssd_cu_reset(self->dev, 0));
}

TEST_F(job, wait_deadline)
{
	struct ut_tk a;
	struct smartssd_cmd c = sleeper(&a, self->src, self->dst, 400);
	struct smartssd_wait w = { .size = sizeof(w) };
	uint64_t start = ut_now();

	ASSERT_EQ(0, ut_submit(self->dev, &c, 1, &w.job, NULL));
	EXPECT_EQ(-ETIME, smartssd_ioctl(self->dev, SMARTSSD_IOC_WAIT, &w));
	w.deadline_ns = ut_now() + 50000000;
	EXPECT_EQ(-ETIME, smartssd_ioctl(self->dev, SMARTSSD_IOC_WAIT, &w));
	EXPECT_LE(w.deadline_ns, ut_now());
	w.deadline_ns = SMARTSSD_DEADLINE_NEVER;
	EXPECT_EQ(0, smartssd_ioctl(self->dev, SMARTSSD_IOC_WAIT, &w));
	EXPECT_EQ(0, w.status);
	EXPECT_LE(start + 400000000, ut_now());
	EXPECT_EQ(-ENOENT, smartssd_ioctl(self->dev, SMARTSSD_IOC_WAIT, &w));
}

TEST_F(job, wait_for_any)
{
	struct ut_tk a;
	char buf[16];
	struct smartssd_cmd slow = sleeper(&a, self->src, self->dst, 300), quick = ut_copy_to(self->src, 0, buf, 16);
	struct smartssd_wait w = { .size = sizeof(w), .deadline_ns = SMARTSSD_DEADLINE_NEVER };
	__u64 j1, j2;

	EXPECT_EQ(-ENOENT, smartssd_ioctl(self->dev, SMARTSSD_IOC_WAIT, &w));
	ASSERT_EQ(0, ut_submit(self->dev, &slow, 1, &j1, NULL));
	ASSERT_EQ(0, ut_submit(self->dev, &quick, 1, &j2, NULL));
	EXPECT_NE(j1, j2);
	ASSERT_EQ(0, smartssd_ioctl(self->dev, SMARTSSD_IOC_WAIT, &w));
	EXPECT_EQ(j2, w.job);
	w.job = 0;
	ASSERT_EQ(0, smartssd_ioctl(self->dev, SMARTSSD_IOC_WAIT, &w));
	EXPECT_EQ(j1, w.job);
}

TEST_F(job, results_may_be_cut_short)
{
	char buf[16];
	struct smartssd_cmd c[3] = { ut_copy_to(self->src, 0, buf, 16), ut_copy_to(self->src, 0, buf, 8), ut_copy_to(self->src, 0, buf, 4) };
	struct smartssd_result r[2] = { { .bytes = 1 }, { .bytes = 7777 } };
	struct smartssd_wait w = { .size = sizeof(w), .deadline_ns = SMARTSSD_DEADLINE_NEVER, .results = (uintptr_t)r, .nr_results = 1 };

	ASSERT_EQ(0, ut_submit(self->dev, c, 3, &w.job, NULL));
	ASSERT_EQ(0, smartssd_ioctl(self->dev, SMARTSSD_IOC_WAIT, &w));
	EXPECT_EQ(3, w.nr_results);
	EXPECT_EQ(3, w.done);
	EXPECT_EQ(0xffffffffu, w.first_error);
	EXPECT_EQ(16, r[0].bytes);
	EXPECT_EQ(7777, r[1].bytes);
}

TEST_F(job, too_many_jobs_is_EBUSY)
{
	char buf[16];
	struct smartssd_cmd c = ut_copy_to(self->src, 0, buf, 16);
	struct smartssd_wait w = { .size = sizeof(w), .deadline_ns = SMARTSSD_DEADLINE_NEVER };
	int i;

	for (i = 0; i < SMARTSSD_MAX_JOBS; i++)
		ASSERT_EQ(0, ut_submit(self->dev, &c, 1, NULL, NULL));
	EXPECT_EQ(-EBUSY, ut_submit(self->dev, &c, 1, NULL, NULL));
	ASSERT_EQ(0, smartssd_ioctl(self->dev, SMARTSSD_IOC_WAIT, &w));
	EXPECT_EQ(0, ut_submit(self->dev, &c, 1, NULL, NULL));
}

TEST_F(job, poll_says_when_a_job_is_done)
{
	struct ut_tk a;
	struct smartssd_cmd c = sleeper(&a, self->src, self->dst, 200);
	struct pollfd p = { .fd = smartssd_poll_fd(self->dev), .events = POLLIN };
	struct smartssd_wait w = { .size = sizeof(w) };

	EXPECT_EQ(0, poll(&p, 1, 0));
	ASSERT_EQ(0, ut_submit(self->dev, &c, 1, &w.job, NULL));
	EXPECT_EQ(0, poll(&p, 1, 0));
	ASSERT_EQ(1, poll(&p, 1, 20000));
	EXPECT_EQ(POLLIN, p.revents & (POLLIN | POLLERR | POLLHUP));
	ASSERT_EQ(0, smartssd_ioctl(self->dev, SMARTSSD_IOC_WAIT, &w));
	EXPECT_EQ(0, poll(&p, 1, 0));
}

TEST_F(job, eventfd_counts_jobs)
{
	char buf[16];
	struct smartssd_cmd c = ut_copy_to(self->src, 0, buf, 16);
	struct smartssd_wait w = { .size = sizeof(w), .deadline_ns = SMARTSSD_DEADLINE_NEVER };
	int efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), i, p[2];
	struct pollfd pf = { .fd = efd, .events = POLLIN };
	uint64_t n, sum = 0;

	ASSERT_EQ(0, pipe(p));
	EXPECT_EQ(-EINVAL, smartssd_set_eventfd(self->dev, p[0]));
	EXPECT_EQ(-EBADF, smartssd_set_eventfd(self->dev, 9999));
	ASSERT_EQ(0, smartssd_set_eventfd(self->dev, efd));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, ut_submit(self->dev, &c, 1, NULL, NULL));
	while (sum < 3) {
		ASSERT_EQ(1, poll(&pf, 1, 20000));
		ASSERT_EQ(8, read(efd, &n, 8));
		sum += n;
	}
	EXPECT_EQ(3, sum);
	for (i = 0; i < 3; i++) {
		w.job = 0;
		ASSERT_EQ(0, smartssd_ioctl(self->dev, SMARTSSD_IOC_WAIT, &w));
	}
	ASSERT_EQ(0, smartssd_set_eventfd(self->dev, -1));
	ASSERT_EQ(0, ut_run(self->dev, &c, 1, NULL));
	EXPECT_EQ(-1, read(efd, &n, 8));
}

TEST_F(job, closing_with_jobs_in_flight)
{
	struct smartssd_device *other;
	struct ut_tk a[8];
	struct smartssd_cmd c[8];
	uint64_t start = ut_now();
	int i;

	ASSERT_EQ(0, ut_open(&other));
	ASSERT_EQ(0, ut_load(other));
	for (i = 0; i < 8; i++)
		c[i] = sleeper(&a[i], ut_bo(other, 64), ut_bo(other, 64), 500);
	ASSERT_EQ(0, ut_submit(other, c, 8, NULL, NULL));
	smartssd_close(other);
	/* one may have to end, the others must not start */
	EXPECT_LT(ut_now() - start, 3000000000ull);
	c[0] = sleeper(&a[0], self->src, self->dst, 1);
	EXPECT_EQ(0, ut_run(self->dev, c, 1, NULL));
}

struct waiter {
	struct smartssd_device *dev;
	struct smartssd_wait wait;
	int ret;
};

static void *wait_for_it(void *p)
{
	struct waiter *w = p;

	w->ret = smartssd_ioctl(w->dev, SMARTSSD_IOC_WAIT, &w->wait);
	return NULL;
}

/* One of two that wait for a job cannot take its results: the other one gets them, whoever comes first. */
TEST_F(job, a_wait_that_fails_leaves_the_job_to_others)
{
	struct ut_tk a;
	struct smartssd_cmd c = sleeper(&a, self->src, self->dst, 2);
	pthread_t thread[2];
	int round, i;

	for (round = 0; round < 200; round++) {
		struct smartssd_result r;
		struct waiter w[2] = { { .dev = self->dev }, { .dev = self->dev } };
		__u64 job;

		ASSERT_EQ(0, ut_submit(self->dev, &c, 1, &job, NULL));
		for (i = 0; i < 2; i++) {
			w[i].wait = (struct smartssd_wait){ .size = sizeof(w[i].wait), .job = round & 2 ? 0 : job, .nr_results = 1,
							    .deadline_ns = ut_now() + 20000000000ull };
			w[i].wait.results = (i ^ round) & 1 ? (uintptr_t)&r : 16; /* 16 is nobody's memory */
			ASSERT_EQ(0, pthread_create(&thread[i], NULL, wait_for_it, &w[i]));
		}
		for (i = 0; i < 2; i++)
			pthread_join(thread[i], NULL);
		i = round & 1 ? 0 : 1;
		EXPECT_EQ(0, w[i].ret) TH_LOG("round %d: %s", round, strerror(-w[i].ret));
		EXPECT_TRUE(w[!i].ret == -EFAULT || w[!i].ret == -ENOENT);
		if (w[i].ret)
			break;
	}
}

TEST_HARNESS_MAIN
