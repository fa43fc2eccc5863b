/* SPDX-License-Identifier: BSD-2-Clause */
/* One progress bar for whatever may run longer than two seconds: on a terminal only, and only after those two seconds. */
#ifndef SMARTSSD_PROGRESS_H
#define SMARTSSD_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what;
	bool off; /* not a terminal, or --progress off */
	bool shown;
	double start, last;
};

/* @off: never show it. */
void progress_begin(struct progress *p, const char *what, bool off);
/* @ctx is a struct progress: fits smartssd_progress.step; always 0 */
int progress_step(void *ctx, uint64_t done, uint64_t total);
/* Take the bar away. */
void progress_end(struct progress *p);

/* Seconds of CLOCK_MONOTONIC. */
double seconds_now(void);

#endif
