/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A writer in a child process that is killed, or ends like a machine that loses power, at a random moment; and its parent, which looks at what is left. The child says in memory that both
 * share what it is about to do and what has returned, so the parent knows what must be there. Before this: struct state, what should be there.
 */
#ifndef TESTS_STORE_CRASH_TEST_H
#define TESTS_STORE_CRASH_TEST_H

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../runtime/runtime_test.h"
#include "../tap.h"

/* The parent looks at it when the child is dead. @next counts while @under_way. */
static struct shared {
	struct state now, next;
	uint32_t under_way;
	uint64_t number, returned;
	int failed;
	char text[512];
} *shared;

static char crash_folder[40];

static inline void failed(int ret, const char *text)
{
	shared->failed = ret ? ret : -1;
	snprintf(shared->text, sizeof(shared->text), "%s", text);
	_exit(1);
}

static inline void begin(void)
{
	__atomic_store_n(&shared->under_way, 1, __ATOMIC_SEQ_CST);
}

static inline void end(int ret, struct smartssd_error *err)
{
	if (ret)
		failed(ret, err->text);
	shared->now = shared->next;
	__atomic_store_n(&shared->under_way, 0, __ATOMIC_SEQ_CST);
	shared->returned++;
}

/* In memory where there is such a place: what a killed process has written is there without a sync, so no drive has to be waited for. 0, or 1. */
static inline int crash_begin(const char *test)
{
	random_seed(test);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	return !mkdtemp(strcpy(crash_folder, "/dev/shm/smartssd-test-XXXXXX")) && !mkdtemp(strcpy(crash_folder, "/tmp/smartssd-test-XXXXXX"));
}

static inline int crash_end(void)
{
	char command[80];

	snprintf(command, sizeof(command), "rm -r %s", crash_folder);
	return system(command) ? 1 : tap_done();
}

/* A file in the place of a namespace. 0, or 1. */
static inline int crash_namespace(const char *path, uint64_t bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644), ret = fd < 0 || ftruncate(fd, (off_t)bytes);

	if (fd >= 0)
		close(fd);
	return ret;
}

/* Until @pid has used so much CPU time, so that it comes as far on a machine that is busy; or has waited long for something else. */
static inline void let_run(pid_t pid, int64_t ns)
{
	struct timespec used, wait = { 0, 0 };
	clockid_t clock;

	for (int tries = 0; tries < 200 && ns > 0 && !clock_getcpuclockid(pid, &clock) && !clock_gettime(clock, &used); tries++) {
		int64_t left = ns - (used.tv_sec * 1000000000 + used.tv_nsec);

		if (left <= 0)
			return;
		wait.tv_nsec = left < 20000 ? 20000 : left;
		nanosleep(&wait, NULL);
	}
}

/* One child that runs @writer and is killed after so much CPU time; 0: it ends itself that way. 0, or 1 with a result. */
static inline int crash_once(const char *kind, uint32_t nr, void (*writer)(void), uint32_t ns)
{
	uint64_t seed = random_u64();
	pid_t pid = fork();
	int status;

	if (!pid) {
		random_state = seed | 1;
		writer();
		_exit(2);
	}
	if (ns) {
		let_run(pid, ns);
		kill(pid, SIGKILL);
	}
	if (waitpid(pid, &status, 0) != pid || shared->failed || !WIFSIGNALED(status)) {
		tap_ok(0, "%s: kill %u: the writer ended by itself, %#x: %.300s", kind, nr, status, shared->text);
		return 1;
	}
	if (WTERMSIG(status) == SIGKILL)
		return 0;
	tap_ok(0, "%s: kill %u: the writer died of signal %d", kind, nr, WTERMSIG(status));
	return 1;
}

#endif
