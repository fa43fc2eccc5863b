// SPDX-License-Identifier: BSD-2-Clause
/* Jobs on the embedded card: order, waiting, progress without a waiter, closing. */
#include <dirent.h>
#include <signal.h>
#include "emu_test.h"

/* Random graphs of commands that append to what their predecessors left: order is seen in the data and in the time stamps. */
START_TEST(random_graphs_keep_their_order)
{
	enum { N = 60, ROUNDS = 8 };
	uint64_t seed = t_seed("random_graphs_keep_their_order");
	struct emu *emu = t_open("ddr=64M");
	struct smartssd_bo bo = t_bo(emu, 1 << 20);
	static uint8_t host[256 << 10];
	int round, i, d;

	for (round = 0; round < ROUNDS; round++) {
		struct smartssd_cmd c[N];
		struct smartssd_result r[N];
		struct t_args a[N];

		for (i = 0; i < N; i++) {
			switch (t_random(&seed) % 5) {
			case 0:
				c[i] = t_noop();
				break;
			case 1:
				c[i] = t_ek(&a[i], 3, bo.bo, bo.bo, 16, EK_ADD);
				break;
			case 2: /* long enough for the copy thread */
				c[i] = t_copy_to(bo.bo, 0, host, sizeof(host));
				break;
			case 3:
				c[i] = t_copy_bo(bo.bo, 1000, bo.bo, 0, 5000);
				break;
			default:
				c[i] = t_copy_from(host + i, bo.bo, i, 1);
			}
			if (t_random(&seed) % 10 == 0)
				c[i].flags = SMARTSSD_CMD_BARRIER;
			for (d = 0; i && d < 4; d++)
				c[i].dep[d] = t_random(&seed) % (i + 1);
		}
		ck_assert_int_eq(t_run(emu, c, N, r), 0);
		for (i = 0; i < N; i++) {
			ck_assert_uint_gt(r[i].start_ns, 0);
			ck_assert_uint_le(r[i].start_ns, r[i].end_ns);
			for (d = 0; d < 4; d++)
				if (c[i].dep[d])
					ck_assert_uint_le(r[c[i].dep[d] - 1].end_ns, r[i].start_ns);
			for (d = 0; c[i].flags && d < i; d++)
				ck_assert_uint_le(r[d].end_ns, r[i].start_ns);
		}
	}
	emu_close(emu);
}
END_TEST

START_TEST(two_cus_run_at_the_same_time)
{
	struct emu *emu = t_open("ddr=64M");
	struct smartssd_bo bo = t_bo(emu, 4096);
	struct t_args a[3];
	struct smartssd_cmd c[3];
	struct smartssd_result r[3];
	int i;

	for (i = 0; i < 3; i++)
		c[i] = t_ek(&a[i], 3, bo.bo, bo.bo, 100, EK_SLEEP);
	ck_assert_int_eq(t_run(emu, c, 3, r), 0);
	ck_assert_uint_eq(r[0].detail, 0);
	ck_assert_uint_eq(r[1].detail, 1);
	ck_assert_uint_lt(r[1].start_ns, r[0].end_ns);
	ck_assert_uint_ge(r[2].start_ns, r[0].end_ns < r[1].end_ns ? r[0].end_ns : r[1].end_ns);
	ck_assert_uint_eq(t_cu(emu, 0).runs + t_cu(emu, 1).runs, 3);
	ck_assert_uint_eq(t_counters(emu).runs, 3);
	emu_close(emu);
}
END_TEST

/* What makes tiles pay: reading the next one does not wait for the kernel on this one. */
START_TEST(a_read_overlaps_a_run)
{
	struct emu *emu = t_open("ddr=64M");
	struct smartssd_bo bo = t_bo(emu, 8 << 20), small = t_bo(emu, 4096);
	int fd = t_file(8 << 20, O_RDONLY);
	struct smartssd_file f = t_register(emu, fd);
	struct smartssd_extent e = { 0, 0, 8 << 20 };
	struct t_args a;
	struct smartssd_cmd c[3] = { t_ek(&a, 1, small.bo, small.bo, 500, EK_SLEEP), t_rw(SMARTSSD_OP_READ, f.file, bo.bo, &e, 1), t_noop() };
	struct smartssd_result r[3];

	c[2].dep[0] = 2; /* a run that only the I/O thread can start, while the waiter sits in card_poll() */
	ck_assert_int_eq(t_run(emu, c, 3, r), 0);
	ck_assert_uint_lt(r[1].end_ns, r[0].end_ns);
	ck_assert_uint_lt(r[2].end_ns, r[0].end_ns);
	ck_assert_uint_ge(r[2].start_ns, r[1].end_ns);
	close(fd);
	emu_close(emu);
}
END_TEST

/* The end of a run that the I/O thread started is seen at once, not when the watchdog looks (each 100 ms). */
START_TEST(a_run_after_a_read_is_driven)
{
	struct emu *emu = t_open("ddr=64M");
	struct smartssd_bo bo = t_bo(emu, 1 << 20);
	int fd = t_file(1 << 20, O_RDONLY), i;
	struct smartssd_file f = t_register(emu, fd);
	struct smartssd_extent e = { 0, 0, 1 << 20 };
	struct smartssd_cmd c[2] = { t_rw(SMARTSSD_OP_READ, f.file, bo.bo, &e, 1), t_noop() };
	struct smartssd_result r[2];
	uint64_t best = ~0ull;

	c[1].dep[0] = 1;
	for (i = 0; i < 20; i++) {
		ck_assert_int_eq(t_run(emu, c, 2, r), 0);
		if (r[1].end_ns - r[1].start_ns < best)
			best = r[1].end_ns - r[1].start_ns;
	}
	ck_assert_uint_lt(best, 50000000);
	close(fd);
	emu_close(emu);
}
END_TEST

/* Who waits for a READ drives a card that runs something else meanwhile; he must hear of the READ's end. */
START_TEST(a_driver_hears_of_other_ends)
{
	struct emu *emu = t_open("ddr=64M");
	struct smartssd_bo bo = t_bo(emu, 16 << 20);
	int fd = t_file(16 << 20, O_RDONLY), i;
	struct smartssd_file f = t_register(emu, fd);
	struct smartssd_extent e = { 0, 0, 16 << 20 };
	struct t_args a;
	struct smartssd_cmd slow = t_ek(&a, 1, bo.bo, bo.bo, 700, EK_SLEEP), c = t_rw(SMARTSSD_OP_READ, f.file, bo.bo, &e, 1);
	struct smartssd_result r;
	uint64_t best = ~0ull, late;

	ck_assert_int_eq(t_submit(emu, &slow, 1, NULL), 0);
	for (i = 0; i < 5; i++) {
		ck_assert_int_eq(t_run(emu, &c, 1, &r), 0);
		late = t_now() - r.end_ns;
		best = late < best ? late : best;
	}
	ck_assert_uint_lt(best, 10000000);
	close(fd);
	emu_close(emu);
}
END_TEST

START_TEST(jobs_progress_without_a_waiter)
{
	struct emu *emu = t_open("ddr=64M");
	struct smartssd_bo bo = t_bo(emu, 4096);
	struct t_args a[5];
	struct smartssd_cmd c[5];
	uint32_t *map = t_map(emu, &bo);
	uint64_t job, end = t_now() + 5000000000ull;
	int i;

	for (i = 0; i < 5; i++) {
		c[i] = t_ek(&a[i], 1, bo.bo, bo.bo, 1, EK_ADD);
		c[i].dep[0] = i;
	}
	ck_assert_int_eq(t_submit(emu, c, 5, &job), 0);
	while (__atomic_load_n(map, __ATOMIC_RELAXED) != 5 && t_now() < end)
		usleep(1000);
	ck_assert_uint_eq(*map, 5);
	usleep(20000);
	ck_assert_int_eq(t_wait(emu, job, 0, NULL, NULL, 0), 0);
	ck_assert_int_eq(emu_munmap(emu, map, 4096), 0);
	emu_close(emu);
}
END_TEST

/* Does each thread but the first block all signals that can be blocked? Their number. */
static int threads_without_signals(void)
{
	uint64_t most = ~(1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1) | 3ull << 31 /* the C library's own */);
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *e;
	int count = 0;

	ck_assert_ptr_nonnull(tasks);
	while ((e = readdir(tasks))) {
		unsigned long long blocked = 0;
		char path[300], line[256];
		FILE *f;

		if (atoi(e->d_name) == 0 || atoi(e->d_name) == getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%s/status", e->d_name);
		f = fopen(path, "r");
		ck_assert_ptr_nonnull(f);
		while (fgets(line, sizeof(line), f))
			sscanf(line, "SigBlk: %llx", &blocked);
		fclose(f);
		ck_assert_msg((blocked & most) == most, "thread %s blocks %llx only", e->d_name, blocked);
		count++;
	}
	closedir(tasks);
	return count;
}

/* A handler of the host program must not run on a thread of ours, and sigwait() in it must get its signal. */
START_TEST(signals_are_the_host_programs)
{
	struct emu *emu = t_open("ddr=64M");
	struct smartssd_bo bo = t_bo(emu, 1 << 20);
	int fd = t_file(4096, O_RDONLY);
	struct smartssd_extent e = { 0, 0, 4096 };
	char *host = calloc(1, 1 << 20);
	struct smartssd_cmd c[3] = {
		t_noop(),
		t_copy_to(bo.bo, 0, host, 1 << 20), /* too long to be made at once */
		t_rw(SMARTSSD_OP_READ, t_register(emu, fd).file, bo.bo, &e, 1),
	};
	struct pollfd p = { .fd = emu_poll_fd(emu), .events = POLLIN };

	ck_assert_int_eq(t_submit(emu, c, 3, NULL), 0);
	ck_assert_int_eq(poll(&p, 1, 5000), 1); /* nobody waits: the engine drives */
	ck_assert_int_ge(threads_without_signals(), 4); /* the card's keeper, engine, copier, I/O */
	emu_close(emu);
	free(host);
	close(fd);
}
END_TEST

START_TEST(poll_and_eventfd)
{
	struct emu *emu = t_open("ddr=64M");
	int efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), i;
	struct smartssd_eventfd arg = { sizeof(arg), efd };
	struct pollfd p = { .fd = emu_poll_fd(emu), .events = POLLIN }, pe = { .fd = efd, .events = POLLIN };
	struct smartssd_cmd c = t_noop();
	uint64_t value;

	ck_assert_int_ge(p.fd, 0);
	ck_assert_int_eq(emu_poll_fd(emu), p.fd);
	ck_assert_int_eq(emu_ioctl(emu, SMARTSSD_IOC_EVENTFD, &arg), 0);
	close(efd); /* the card has its own hold on it */
	efd = -1;
	for (i = 0; i < 100; i++) {
		ck_assert_int_eq(poll(&p, 1, 0), 0);
		ck_assert_int_eq(t_submit(emu, &c, 1, NULL), 0);
		ck_assert_int_eq(poll(&p, 1, 5000), 1);
		ck_assert_int_eq(t_wait(emu, 0, 0, NULL, NULL, 0), 0);
	}
	(void)pe;
	arg.fd = -1;
	ck_assert_int_eq(emu_ioctl(emu, SMARTSSD_IOC_EVENTFD, &arg), 0);
	/* a saturated, blocking eventfd must not hold the card up */
	efd = eventfd(0, EFD_CLOEXEC);
	value = 0xfffffffffffffffeull;
	ck_assert_int_eq(write(efd, &value, 8), 8);
	arg.fd = efd;
	ck_assert_int_eq(emu_ioctl(emu, SMARTSSD_IOC_EVENTFD, &arg), 0);
	ck_assert_int_eq(t_run(emu, &c, 1, NULL), 0);
	close(efd);
	emu_close(emu);
}
END_TEST

START_TEST(deadline_passes_and_the_job_goes_on)
{
	struct emu *emu = t_open("ddr=64M");
	struct smartssd_bo bo = t_bo(emu, 4096);
	struct t_args a;
	struct smartssd_cmd c = t_ek(&a, 1, bo.bo, bo.bo, 150, EK_SLEEP);
	uint64_t job, start = t_now();

	ck_assert_int_eq(t_submit(emu, &c, 1, &job), 0);
	ck_assert_int_eq(t_wait(emu, job, 0, NULL, NULL, 0), -ETIME);
	ck_assert_int_eq(t_wait(emu, 0, 0, NULL, NULL, 0), -ETIME);
	ck_assert_int_eq(t_wait(emu, job, start + 30000000, NULL, NULL, 0), -ETIME);
	ck_assert_uint_ge(t_now() - start, 30000000);
	ck_assert_int_eq(t_wait(emu, job, NEVER, NULL, NULL, 0), 0);
	ck_assert_int_eq(t_wait(emu, job, NEVER, NULL, NULL, 0), -ENOENT);
	ck_assert_int_eq(t_wait(emu, 0, NEVER, NULL, NULL, 0), -ENOENT);
	emu_close(emu);
}
END_TEST

START_TEST(results_that_cannot_be_stored_leave_the_job)
{
	struct emu *emu = t_open("ddr=64M");
	struct smartssd_cmd c = t_noop();
	uint64_t job;

	ck_assert_int_eq(t_submit(emu, &c, 1, &job), 0);
	ck_assert_int_eq(t_wait(emu, job, NEVER, NULL, (void *)16, 1), -EFAULT);
	ck_assert_int_eq(t_wait(emu, job, NEVER, NULL, NULL, 1), 0);
	emu_close(emu);
}
END_TEST

START_TEST(a_failure_cancels_what_depends_on_it)
{
	struct emu *emu = t_open("ddr=64M");
	struct smartssd_bo bo = t_bo(emu, 4096);
	struct t_args a;
	char buf[8];
	struct smartssd_cmd c[4] = { t_ek(&a, 1, bo.bo, bo.bo, 0, EK_CRASH), t_copy_from(buf, bo.bo, 0, 8), t_copy_from(buf, bo.bo, 0, 8), t_noop() };
	struct smartssd_result r[4];
	struct smartssd_wait w;
	uint64_t job;

	c[1].dep[2] = 1;
	c[2].dep[0] = 2;
	ck_assert_int_eq(t_submit(emu, c, 4, &job), 0);
	ck_assert_int_eq(t_wait(emu, job, NEVER, &w, r, 4), 0);
	ck_assert_int_eq(w.status, -EIO);
	ck_assert_uint_eq(w.first_error, 0);
	ck_assert_uint_eq(w.done, 1);
	ck_assert_int_eq(r[1].status, -ECANCELED);
	ck_assert_int_eq(r[2].status, -ECANCELED);
	ck_assert_uint_eq(r[2].start_ns, 0);
	ck_assert_uint_eq(r[2].bytes, 0);
	ck_assert_int_eq(r[3].status, 0);
	ck_assert_uint_eq(t_counters(emu).card_to_host, 0);
	emu_close(emu);
}
END_TEST

/* One run has to end, the other nine must not start; reads under way end, too. */
START_TEST(close_with_jobs_in_flight)
{
	struct emu *emu = t_open("ddr=64M");
	struct smartssd_bo bo = t_bo(emu, 16 << 20);
	int fd = t_file(16 << 20, O_RDONLY), i;
	struct smartssd_file f = t_register(emu, fd);
	struct smartssd_extent *e = calloc(4096, sizeof(*e));
	struct t_args a[10];
	struct smartssd_cmd c[12];
	struct smartssd_bo count = t_bo(emu, 4096);
	uint32_t *runs = t_map(emu, &count);
	uint64_t start = t_now();

	for (i = 0; i < 10; i++)
		c[i] = t_ek(&a[i], 1, count.bo, count.bo, 400, EK_SLEEP);
	for (i = 0; i < 4096; i++)
		e[i] = (struct smartssd_extent){ (4095 - i) * 4096, i * 4096, 4096 };
	c[10] = t_rw(SMARTSSD_OP_READ, f.file, bo.bo, e, 4096);
	c[11] = c[10];
	ck_assert_int_eq(t_submit(emu, c, 12, NULL), 0);
	free(e);
	close(fd);
	emu_close(emu);
	ck_assert_uint_ge(t_now() - start, 400000000);
	ck_assert_uint_eq(*runs, 1);
	munmap(runs, 4096);
}
END_TEST

START_TEST(close_kills_a_hung_kernel)
{
	struct emu *emu = t_open("ddr=64M");
	struct smartssd_bo bo = t_bo(emu, 4096);
	struct t_args a;
	struct smartssd_cmd c = t_ek(&a, 1, bo.bo, bo.bo, 1, EK_WRITE);
	uint64_t start = t_now();

	ck_assert_int_eq(t_submit(emu, &c, 1, NULL), 0);
	emu_close(emu);
	ck_assert_uint_lt(t_now() - start, 8000000000ull); /* its own deadline: 10 s */
}
END_TEST

START_TEST(bad_pointers_are_EFAULT)
{
	struct emu *emu = t_open("ddr=64M");
	struct smartssd_bo bo = t_bo(emu, 4096);
	struct smartssd_cmd c = t_copy_to(bo.bo, 0, (void *)4096, 64);
	void *nothing = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t big = 256 << 10;
	struct smartssd_bo large = t_bo(emu, big);

	ck_assert_int_eq(t_run(emu, &c, 1, NULL), -EFAULT);
	c = t_copy_from(nothing, bo.bo, 0, 64);
	ck_assert_int_eq(t_run(emu, &c, 1, NULL), -EFAULT);
	c = t_copy_from(nothing, large.bo, 0, big); /* on the copy thread */
	ck_assert_int_eq(t_run(emu, &c, 1, NULL), -EFAULT);
	ck_assert_int_eq(t_submit(emu, NULL, 1, NULL), -EFAULT);
	c = t_rw(SMARTSSD_OP_READ, 1, bo.bo, NULL, 1);
	ck_assert_int_eq(emu_ioctl(emu, SMARTSSD_IOC_QUERY, NULL), -EFAULT);
	ck_assert_uint_eq(t_counters(emu).host_to_card, 0);
	emu_close(emu);
}
END_TEST

TCase *tcase_job(void)
{
	TCase *tc = tcase_create("job");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, random_graphs_keep_their_order);
	tcase_add_test(tc, two_cus_run_at_the_same_time);
	tcase_add_test(tc, a_read_overlaps_a_run);
	tcase_add_test(tc, a_run_after_a_read_is_driven);
	tcase_add_test(tc, a_driver_hears_of_other_ends);
	tcase_add_test(tc, jobs_progress_without_a_waiter);
	tcase_add_test(tc, signals_are_the_host_programs);
	tcase_add_test(tc, poll_and_eventfd);
	tcase_add_test(tc, deadline_passes_and_the_job_goes_on);
	tcase_add_test(tc, results_that_cannot_be_stored_leave_the_job);
	tcase_add_test(tc, a_failure_cancels_what_depends_on_it);
	tcase_add_test(tc, close_with_jobs_in_flight);
	tcase_add_test(tc, close_kills_a_hung_kernel);
	tcase_add_test(tc, bad_pointers_are_EFAULT);
	return tc;
}
