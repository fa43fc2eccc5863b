// SPDX-License-Identifier: BSD-2-Clause
/* Lookups of many threads through one service: right results, batches in time, a bounded queue, and an end while callers wait. Also for ThreadSanitizer. */
#include "engine_test.h"
#include "../../runtime/store/service.h"

enum { THREADS = 6 };

static struct known_rows table;
static struct engine *engine;
static struct service *service;

static void set_up(struct service_options o)
{
	make_store(1, false);
	make_table(&table, "t", SMARTSSD_ROWS_FP32, 2000, 32, SMARTSSD_SHARD_TABLE);
	open_cards(1, "emu:ddr=64M");
	engine = make_engine((struct engine_options){ .row_cache = 100000 });
	OK(service_create(engine, &o, &service, &err));
}

static void tear_down(void)
{
	engine_destroy(engine);
	drop_table(&table);
	remove_store();
	close_cards();
}

/* ---- many threads ---- */

static _Atomic uint64_t answered;

static void *ask(void *arg)
{
	int rounds = *(const int *)arg;

	for (int round = 0; round < rounds; round++) {
		int64_t indices[24], offsets[4] = { 0, 7, 7, 24 };
		float y[3][32];
		struct engine_bags b = { .table = table.t, .indices = indices, .offsets = offsets, .bags = 3, .y = &y[0][0] };
		struct smartssd_error text;

		for (int i = 0; i < 24; i++)
			indices[i] = (int64_t)(((uint64_t)i * 7919 + (uint64_t)round * 104729 + ((uintptr_t)&b >> 12)) % 2000);
		if (round % 10 == 9)
			indices[8] = 2000;
		if (service_lookup(service, &b, 1, &text))
			return "a lookup failed";
		if (round % 10 == 9) {
			if (b.status != -ERANGE || !strstr(b.err.text, "bag 2, position 1: index 2000"))
				return "a bad index was not found";
			continue;
		}
		if (b.status)
			return "a request failed";
		for (int k = 0; k < 3; k++)
			for (int d = 0; d < 32; d++) {
				float want = 0;

				for (int64_t i = offsets[k]; i < offsets[k + 1]; i++)
					want += ((const float *)table.rows)[indices[i] * 32 + d];
				if (y[k][d] != want)
					return "a wrong result";
			}
		answered++;
	}
	return NULL;
}

START_TEST(many_threads)
{
	int rounds = 100;
	pthread_t t[THREADS];
	struct service_counts c;
	void *said;

	answered = 0;
	random_seed("many_threads");
	set_up((struct service_options){ .delay_us = _i ? 300 : 0, .batch_bags = 9, .queue_bags = _i ? 1 : 100 });
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, ask, &rounds), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], &said);
		ck_assert_msg(!said, "%s", (char *)said);
	}
	ck_assert_uint_eq(answered, THREADS * 90);
	service_counts(service, &c);
	ck_assert_uint_eq(c.requests, THREADS * 100);
	ck_assert_uint_eq(c.batches, c.full + c.late);
	if (_i)
		ck_assert_uint_eq(c.most_waiting, 3); /* larger than the queue: one at a time */
	else
		ck_assert_uint_lt(c.batches, c.requests); /* some came together */
	service_destroy(service);
	tear_down();
}
END_TEST

/* ---- when a batch is closed ---- */

/* Longer than a test may take: who is answered was not waiting for the delay. The only bounds by the clock are lower ones; a machine that is busy breaks none of them. */
#define NEVER_US 3600000000u

struct call {
	pthread_t thread;
	struct engine_bags bags;
	int64_t offsets[13], indices[13];
	float y[12 * 32];
	int ret;
	uint64_t start, end;
	_Atomic int tid;
	bool try;
};

static void *call(void *arg)
{
	struct call *c = arg;
	struct smartssd_error text;

	c->start = smartssd_now();
	c->tid = gettid();
	c->ret = (c->try ? service_try : service_lookup)(service, &c->bags, 1, &text);
	c->end = smartssd_now();
	return NULL;
}

static void start_call(struct call *c, uint64_t bags)
{
	c->bags = (struct engine_bags){ .table = table.t, .indices = c->indices, .offsets = c->offsets, .bags = bags, .y = c->y };
	c->tid = 0;
	for (uint64_t i = 0; i < bags; i++) {
		c->indices[i] = (int64_t)i;
		c->offsets[i + 1] = (int64_t)i + 1;
	}
	ck_assert_int_eq(pthread_create(&c->thread, NULL, call, c), 0);
}

static void join_call(struct call *c, int ret)
{
	pthread_join(c->thread, NULL);
	ck_assert_int_eq(c->ret, ret);
	ck_assert_int_eq(c->bags.status, 0);
}

/* Until @bags were seen to wait. */
static void until_waiting(uint64_t bags)
{
	struct service_counts c;

	do {
		usleep(1000);
		service_counts(service, &c);
	} while (c.most_waiting < bags);
}

/* Until it sleeps in its call: for a lock it does not sleep for long. */
static void until_asleep(struct call *c)
{
	for (int seen = 0; seen < 10;) {
		char path[64], stat[256] = "";
		FILE *f;

		usleep(1000);
		if (!c->tid)
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%d/stat", c->tid);
		f = fopen(path, "r");
		ck_assert_ptr_nonnull(f);
		ck_assert_uint_gt(fread(stat, 1, sizeof(stat) - 1, f), 0);
		fclose(f);
		seen = strstr(stat, ") S ") ? seen + 1 : 0;
	}
}

static struct service_counts anew(struct service_options o)
{
	struct service_counts c;

	service_counts(service, &c);
	service_destroy(service);
	OK(service_create(engine, &o, &service, &err));
	return c;
}

/* One alone waits as long as was said. What comes meanwhile goes with it; it may come too late, then once more. */
START_TEST(delay)
{
	struct service_options o = { .delay_us = 300000, .batch_bags = 10, .queue_bags = 100 };
	struct service_counts c = { 0 };
	uint64_t jobs;

	random_seed("delay");
	set_up(o);
	for (int round = 0; round < 50 && c.most_waiting != 5; round++) {
		struct call a = { 0 }, b = { 0 };

		jobs = counts(engine).links.jobs;
		start_call(&a, 2);
		until_waiting(2);
		start_call(&b, 3);
		join_call(&a, 0);
		join_call(&b, 0);
		ck_assert_uint_ge(a.end - a.start, 300000000);
		c = anew(o);
		ck_assert_uint_eq(c.late, c.batches);
		ck_assert_uint_eq(c.full, 0);
	}
	ck_assert_uint_eq(c.most_waiting, 5);
	ck_assert_uint_eq(c.batches, 1);
	ck_assert_uint_eq(counts(engine).links.jobs, jobs + 1);
	service_destroy(service);
	tear_down();
}
END_TEST

/* A batch that is full is closed at once, by one caller or by several; one that is not, is not. */
START_TEST(full_batch)
{
	struct call a = { 0 }, b = { 0 };
	struct service_counts c;

	random_seed("full_batch");
	set_up((struct service_options){ .delay_us = NEVER_US, .batch_bags = 10, .queue_bags = 100 });
	start_call(&a, 10);
	join_call(&a, 0);
	start_call(&a, 2);
	until_asleep(&a);
	service_counts(service, &c);
	ck_assert_uint_eq(c.requests, 2);
	ck_assert_uint_eq(c.batches, 1);
	start_call(&b, 8);
	join_call(&a, 0);
	join_call(&b, 0);
	service_counts(service, &c);
	ck_assert_uint_eq(c.batches, 2);
	ck_assert_uint_eq(c.full, 2);
	ck_assert_uint_eq(counts(engine).links.jobs, 2);
	service_destroy(service);
	tear_down();
}
END_TEST

START_TEST(full_queue)
{
	struct call a = { 0 }, b = { 0 }, t = { .try = true }, fill[2] = { 0 };
	struct service_counts c;

	random_seed("full_queue");
	set_up((struct service_options){ .delay_us = NEVER_US, .batch_bags = 10, .queue_bags = 10 });
	start_call(&a, 8);
	until_waiting(8);
	start_call(&b, 5);
	start_call(&t, 3);
	join_call(&t, -EAGAIN);
	/* Larger than the queue: not while anything waits. */
	start_call(&t, 12);
	join_call(&t, -EAGAIN);
	until_asleep(&b);
	service_counts(service, &c);
	ck_assert_uint_eq(c.requests, 1);
	ck_assert_uint_eq(c.refused, 2);
	/* Two more fill the batch; when it was taken, there is room for who waits. */
	start_call(&fill[0], 2);
	join_call(&a, 0);
	join_call(&fill[0], 0);
	start_call(&fill[1], 5);
	join_call(&b, 0);
	join_call(&fill[1], 0);
	/* There is room again. */
	start_call(&t, 10);
	join_call(&t, 0);
	service_counts(service, &c);
	ck_assert_uint_eq(c.requests, 5);
	ck_assert_uint_eq(c.refused, 2);
	ck_assert_uint_eq(c.batches, 3);
	ck_assert_uint_eq(c.full, 3);
	ck_assert_uint_eq(c.most_waiting, 10);
	/* And when nothing does. */
	start_call(&t, 12);
	join_call(&t, 0);
	service_counts(service, &c);
	ck_assert_uint_eq(c.requests, 6);
	ck_assert_uint_eq(c.refused, 2);
	ck_assert_uint_eq(c.batches, 4);
	ck_assert_uint_eq(c.most_waiting, 12);
	service_destroy(service);
	tear_down();
}
END_TEST

/* What was taken is answered, and at once; who waits for room is told. */
START_TEST(the_end)
{
	struct call a = { 0 }, b[3] = { 0 };

	random_seed("the_end");
	set_up((struct service_options){ .delay_us = NEVER_US, .batch_bags = 100, .queue_bags = 10 });
	start_call(&a, 8);
	until_waiting(8);
	for (int i = 0; i < 3; i++)
		start_call(&b[i], 5);
	for (int i = 0; i < 3; i++)
		until_asleep(&b[i]);
	service_destroy(service);
	join_call(&a, 0);
	for (int i = 0; i < 32; i++)
		ck_assert_float_eq(a.y[7 * 32 + i], ((const float *)table.rows)[7 * 32 + i]);
	for (int i = 0; i < 3; i++)
		join_call(&b[i], -ESHUTDOWN);
	tear_down();
}
END_TEST

START_TEST(bad_options)
{
	struct service_options o = { .batch_bags = 1 };

	ck_assert_int_eq(service_create(NULL, &o, &service, &err), -EINVAL);
	o = (struct service_options){ .queue_bags = 1 };
	ck_assert_int_eq(service_create(NULL, &o, &service, &err), -EINVAL);
	ck_assert_ptr_null(service);
	service_destroy(NULL);
}
END_TEST

static void fill(TCase *tests)
{
	tcase_add_loop_test(tests, many_threads, 0, 2);
	tcase_add_test(tests, delay);
	tcase_add_test(tests, full_batch);
	tcase_add_test(tests, full_queue);
	tcase_add_test(tests, the_end);
	tcase_add_test(tests, bad_options);
}

int main(void)
{
	setenv("SMARTSSD_LIBDIR", "build", 0);
	return run_in_folder("service", fill);
}
