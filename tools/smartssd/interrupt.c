// SPDX-License-Identifier: BSD-2-Clause
#include <signal.h>
#include "interrupt.h"

static volatile sig_atomic_t interrupted;
static const int signals[WORK_SIGNALS] = { SIGINT, SIGTERM, SIGHUP };

static void on_signal(int sig)
{
	interrupted = sig;
}

static int work_step(void *ctx, uint64_t done, uint64_t total)
{
	progress_step(&((struct work *)ctx)->bar, done, total);
	return interrupted;
}

void work_begin(struct work *w, const char *what, bool off)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART | SA_RESETHAND };

	w->progress = (struct smartssd_progress){ work_step, w };
	progress_begin(&w->bar, what, off);
	/* What is ignored stays so: nohup. */
	for (unsigned i = 0; i < WORK_SIGNALS; i++)
		if (!sigaction(signals[i], NULL, &w->old[i]) && w->old[i].sa_handler != SIG_IGN)
			sigaction(signals[i], &sa, NULL);
}

int work_end(struct work *w)
{
	for (unsigned i = 0; i < WORK_SIGNALS; i++)
		sigaction(signals[i], &w->old[i], NULL);
	progress_end(&w->bar);
	return interrupted ? 128 + interrupted : 0;
}
