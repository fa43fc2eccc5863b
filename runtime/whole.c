// SPDX-License-Identifier: BSD-2-Clause
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "private.h"
#include "whole.h"

/* The folder that @target is in. */
static void folder_of(const char *target, char *folder)
{
	const char *slash = strrchr(target, '/');

	if (!slash)
		strcpy(folder, ".");
	else
		snprintf(folder, PATH_MAX, "%.*s", slash == target ? 1 : (int)(slash - target), target);
}

/* What @path leads to. *mode: of the file there, 0 when there is none. */
static int find_target(const char *path, char *target, mode_t *mode, struct smartssd_error *err)
{
	struct stat st;

	*mode = 0;
	/* Replace what a symbolic link points to, not the link; and no device such as /dev/null. */
	if (realpath(path, target)) {
		if (stat(target, &st))
			return smartssd_fail(err, -errno, "%s: %s", path, strerror(errno));
		if (!S_ISREG(st.st_mode))
			return smartssd_fail(err, -EOPNOTSUPP, "%s is not a regular file: name a file to write to", path);
		*mode = st.st_mode;
	} else {
		if (strlen(path) >= PATH_MAX)
			return smartssd_fail(err, -ENAMETOOLONG, "the output path has more than %d bytes", PATH_MAX);
		strcpy(target, path);
	}
	return 0;
}

int smartssd_whole_begin(struct smartssd_whole *w, const char *path, struct smartssd_error *err)
{
	char folder[PATH_MAX];
	struct timespec now;
	uint32_t random;
	mode_t mode;
	int ret = find_target(path, w->target, &mode, err);

	if (ret)
		return ret;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random)) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		random = (uint32_t)(now.tv_nsec ^ now.tv_sec << 20 ^ (uint32_t)getpid() << 10);
	}
	if (snprintf(w->temporary, sizeof(w->temporary), "%s.%08x.tmp", w->target, random) >= (int)sizeof(w->temporary))
		return smartssd_fail(err, -ENAMETOOLONG, "%.200s...: the path is too long", path);
	folder_of(w->target, folder);
	w->named = false;
	/* The name that it gets in the end is made from the one in /proc. */
	w->fd = access("/proc/self/fd", X_OK) ? -1 : open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
	/* A filesystem that cannot do that says so in several ways; whatever else is wrong shows again. */
	if (w->fd < 0) {
		w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		w->named = w->fd >= 0;
	}
	if (w->fd < 0)
		return smartssd_fail(err, -errno, "%s: cannot be written: %s", path, strerror(errno));
	/* A filesystem without modes has none to keep. */
	if (mode && fchmod(w->fd, mode & 07777))
		errno = 0;
	return 0;
}

int smartssd_whole_write(struct smartssd_whole *w, const void *data, uint64_t bytes)
{
	while (bytes > 0) {
		ssize_t n = write(w->fd, data, min_u64(bytes, 1 << 30));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		data = (const char *)data + n;
		bytes -= (uint64_t)n;
	}
	return 0;
}

/* linkat() cannot replace a file: a new one gets its name at once, else there is another name for the moment before the rename. */
static int name_it(struct smartssd_whole *w)
{
	char path[40];

	if (!w->named) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", w->fd);
		if (!linkat(AT_FDCWD, path, AT_FDCWD, w->target, AT_SYMLINK_FOLLOW))
			return 0;
		if (errno != EEXIST || linkat(AT_FDCWD, path, AT_FDCWD, w->temporary, AT_SYMLINK_FOLLOW))
			return -errno;
		w->named = true;
	}
	if (rename(w->temporary, w->target))
		return -errno;
	w->named = false;
	return 0;
}

int smartssd_whole_end(struct smartssd_whole *w, int ret)
{
	char folder[PATH_MAX];
	sigset_t all, old;
	int fd;

	if (!ret && fsync(w->fd))
		ret = -errno;
	/* Ctrl-C between the two names would leave one of them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (!ret)
		ret = name_it(w);
	if (w->named)
		unlink(w->temporary);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (close(w->fd) && !ret)
		ret = -errno;
	w->fd = -1;
	/* The name is on disk when the folder is; a filesystem that cannot sync folders has done what it can. */
	folder_of(w->target, folder);
	fd = ret ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	return ret;
}

/* By trying it: root may write everywhere, yet not into /proc or a filesystem that is read-only. */
int smartssd_whole_check(const char *path, struct smartssd_error *err)
{
	struct smartssd_whole w;
	int ret = smartssd_whole_begin(&w, path, err);

	if (!ret)
		smartssd_whole_end(&w, -ECANCELED);
	return ret;
}
