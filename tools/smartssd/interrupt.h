/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Work that can be stopped and leaves nothing half done: a progress bar, and SIGINT, SIGTERM and SIGHUP, which end it at its next step. A second
 * signal of a kind ends the process at once. One at a time.
 */
#ifndef SMARTSSD_INTERRUPT_H
#define SMARTSSD_INTERRUPT_H

#include <signal.h>
#include "../../runtime/libsmartssd.h"
#include "progress.h"

#define WORK_SIGNALS 3

struct work {
	struct progress bar;
	struct sigaction old[WORK_SIGNALS];
	struct smartssd_progress progress; /* for the library */
};

/* @what, @off: progress_begin() */
void work_begin(struct work *w, const char *what, bool off);
/* The bar goes, signals do again what they did before. 0, or 128 + the signal that came: the exit status of what was stopped by it. */
int work_end(struct work *w);

#endif
