// SPDX-License-Identifier: BSD-2-Clause
/*
 * Preloaded: the process stops itself before the write that has the byte at each number of MiB in $STOP_AT, of all it writes, ("6,14"). So a test finds it in the
 * midst of its work. Small writes do not count.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#define SMALL (256u << 10)

static void count(size_t bytes)
{
	static unsigned long long before;
	const char *at = getenv("STOP_AT");
	char *end;

	if (bytes < SMALL)
		return;
	for (; at && *at; at = *end ? end + 1 : end) {
		unsigned long long stop = strtoull(at, &end, 10) << 20;

		if (stop >= before && stop < before + bytes)
			raise(SIGSTOP);
	}
	before += bytes;
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t at)
{
	ssize_t (*real)(int, const void *, size_t, off_t) = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");

	count(bytes);
	return real(fd, data, bytes, at);
}
