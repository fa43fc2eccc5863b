// SPDX-License-Identifier: BSD-2-Clause
/*
 * Preloaded: a drive with a bad place. $BAD_READ is "NAME FROM BYTES": reads of these bytes of the file whose path ends with NAME fail with EIO. There is no io_uring, so that an embedded card
 * reads by pread(), too.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static bool is_bad(int fd, size_t bytes, off_t at)
{
	const char *bad = getenv("BAD_READ");
	char link[32], path[4096], name[256];
	long long from, length;
	ssize_t n;

	if (!bad || sscanf(bad, "%255s %lld %lld", name, &from, &length) != 3 || at >= from + length || at + (off_t)bytes <= from)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < (ssize_t)strlen(name))
		return false;
	path[n] = '\0';
	return !strcmp(path + n - strlen(name), name);
}

ssize_t pread(int fd, void *data, size_t bytes, off_t at)
{
	ssize_t (*real)(int, void *, size_t, off_t) = (ssize_t(*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread");

	if (!is_bad(fd, bytes, at))
		return real(fd, data, bytes, at);
	errno = EIO;
	return -1;
}

int io_uring_queue_init(unsigned int entries, void *ring, unsigned int flags)
{
	(void)entries, (void)ring, (void)flags;
	return -ENOSYS;
}
