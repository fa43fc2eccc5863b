// SPDX-License-Identifier: BSD-2-Clause
/* The progress bar: on a terminal only, only after two seconds, and gone at the end. Time and terminal are ours. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "../../tools/smartssd/progress.h"
#include "../tap.h"

int __wrap_isatty(int fd);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);

static double now;
static int terminal;
static char said[4096];

int __wrap_isatty(int fd)
{
	return fd == STDERR_FILENO && terminal;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	(void)clock;
	ts->tv_sec = (time_t)now;
	ts->tv_nsec = (long)((now - (double)ts->tv_sec) * 1e9);
	return 0;
}

/* What standard error received since the last call */
static const char *heard(int fd)
{
	ssize_t n;

	fflush(stderr);
	n = pread(fd, said, sizeof(said) - 1, 0);
	said[n > 0 ? n : 0] = '\0';
	if (ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET))
		exit(1);
	return said;
}

int main(void)
{
	char name[] = "/tmp/progress-XXXXXX";
	int fd = mkstemp(name);
	struct progress p;

	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		return 1;
	unlink(name);

	terminal = 1;
	now = 100;
	progress_begin(&p, "work", false);
	now = 101.9;
	progress_step(&p, 1, 4);
	tap_ok(!*heard(fd), "nothing in the first two seconds");
	now = 102.5;
	progress_step(&p, 2, 4);
	tap_ok(strstr(heard(fd), "50 %") && said[0] == '\r' && !strchr(said, '\n'), "then a bar, on one line");
	now = 102.51;
	progress_step(&p, 3, 4);
	tap_ok(!*heard(fd), "not drawn more often than ten times a second");
	now = 103;
	progress_step(&p, 9, 4);
	tap_ok(strstr(heard(fd), "100 %") != NULL, "never beyond 100 %%");
	progress_end(&p);
	tap_ok(!strcmp(heard(fd), "\r\033[K"), "taken away at the end");
	progress_step(&p, 0, 0);
	tap_ok(!*heard(fd), "a total of 0 is no bar");

	progress_begin(&p, "work", true);
	now = 200;
	progress_step(&p, 2, 4);
	progress_end(&p);
	tap_ok(!*heard(fd), "--progress off: none");

	terminal = 0;
	now = 300;
	progress_begin(&p, "work", false);
	now = 400;
	progress_step(&p, 2, 4);
	progress_end(&p);
	tap_ok(!*heard(fd), "not a terminal: none");
	return tap_done();
}
