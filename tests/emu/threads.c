// SPDX-License-Identifier: BSD-2-Clause
/*
 * Many threads on one embedded card, built with ThreadSanitizer: each submits lists of its own and waits for them; some wait
 * for whichever job is done first, one polls, one makes and drops BOs, exports and imports. A data race ends the program.
 */
#include <pthread.h>
#include "../tap.h"
#include "emu_test.h"

#define THREADS 4
#define ROUNDS	300

static struct emu *emu;
static struct smartssd_bo shared;
static struct smartssd_file file;
static int errors;
static int busy; /* workers that are not done */

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "# %s\n", what);
	__atomic_add_fetch(&errors, 1, __ATOMIC_RELAXED);
}

static void *worker(void *arg)
{
	uint32_t n = (uintptr_t)arg, i;
	struct smartssd_bo bo = t_bo(emu, 1 << 20);
	uint32_t *host = calloc(1, 128 << 10);

	for (i = 0; i < ROUNDS; i++) {
		struct smartssd_extent e[2] = { { n * 4096, 0, 4096 }, { 65536, 8192, 100 } };
		struct t_args a;
		struct smartssd_cmd c[5] = {
			t_rw(SMARTSSD_OP_READ, file.file, bo.bo, e, 2),
			t_copy_to(bo.bo, 65536, host, i % 8 ? 4096 : 128 << 10),
			t_ek(&a, 3, bo.bo, bo.bo, 16, EK_ADD),
			t_copy_bo(bo.bo, 512 << 10, bo.bo, 0, 4096),
			t_copy_from(host, bo.bo, 512 << 10, 4096),
		};

		c[2].dep[0] = 1;
		c[3].dep[0] = 3;
		c[4].flags = SMARTSSD_CMD_BARRIER;
		check(t_run(emu, c, 5, NULL) == 0, "a list of a worker");
		check((uint8_t)host[1023] == t_byte(n * 4096 + 4092), "data of a worker");
	}
	free(host);
	check(t_destroy(emu, bo.bo) == 0, "destroy");
	__atomic_sub_fetch(&busy, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void *objects(void *arg)
{
	(void)arg;
	while (__atomic_load_n(&busy, __ATOMIC_RELAXED)) {
		struct smartssd_bo bo = t_bo(emu, 8192);
		int fd = t_export(emu, bo.bo);
		uint32_t id = t_import(emu, fd);
		void *map = t_map(emu, &bo);

		check(t_destroy(emu, bo.bo) == 0, "destroy");
		memset(map, 1, 8192);
		close(fd);
		check(emu_munmap(emu, map, 8192) == 0, "unmap");
		check(t_destroy(emu, id) == 0, "destroy the import");
		(void)t_free_bytes(emu);
		(void)t_counters(emu);
		(void)t_cu(emu, 0);
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS + 1];
	int fd = t_file(1 << 20, O_RDONLY);
	uintptr_t i;

	emu = t_open("ddr=64M");
	shared = t_bo(emu, 4096);
	file = t_register(emu, fd);
	busy = THREADS;
	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, worker, (void *)i);
	pthread_create(&threads[THREADS], NULL, objects, NULL);
	for (i = 0; i <= THREADS; i++)
		pthread_join(threads[i], NULL);
	tap_ok(!errors, "lists of %d threads at once", THREADS);

	/* nobody waits: the engine thread drives, a poller looks */
	for (i = 0; i < 50; i++) {
		struct smartssd_cmd c = t_noop();
		struct pollfd p = { .fd = emu_poll_fd(emu), .events = POLLIN };

		check(t_submit(emu, &c, 1, NULL) == 0 && poll(&p, 1, 5000) == 1 && t_wait(emu, 0, NEVER, NULL, NULL, 0) == 0, "poll");
	}
	tap_ok(!errors, "submit, poll, take");
	{
		struct t_args a[8];
		struct smartssd_cmd c[8];

		for (i = 0; i < 8; i++)
			c[i] = t_ek(&a[i], 3, shared.bo, shared.bo, 20, EK_SLEEP);
		tap_ok(t_submit(emu, c, 8, NULL) == 0, "close in mid-flight");
	}
	emu_close(emu);
	close(fd);
	return tap_done();
}
