// SPDX-License-Identifier: BSD-2-Clause
/* Threads inside somebody else's program. */
#include <signal.h>
#include "card.h"

int card_thread(pthread_t *thread, void *(*main)(void *), void *arg)
{
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = -pthread_create(thread, NULL, main, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}
