// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "progress.h"

#define SHOW_AFTER 2.0 /* seconds */
#define REDRAW	   0.1
#define WIDTH	   40

double seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

void progress_begin(struct progress *p, const char *what, bool off)
{
	*p = (struct progress){ .what = what, .off = off || !isatty(STDERR_FILENO), .start = seconds_now() };
}

int progress_step(void *ctx, uint64_t done, uint64_t total)
{
	struct progress *p = ctx;
	double now;
	unsigned fill;

	if (p->off || !total)
		return 0;
	now = seconds_now();
	if (now - p->start < SHOW_AFTER || now - p->last < REDRAW)
		return 0;
	p->last = now;
	p->shown = true;
	if (done > total)
		done = total;
	fill = WIDTH * (double)done / total;
	fprintf(stderr, "\r%-24s [%.*s%*s] %3u %%", p->what, fill, "########################################", WIDTH - fill, "",
		(unsigned)(100.0 * done / total));
	fflush(stderr);
	return 0;
}

void progress_end(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}
