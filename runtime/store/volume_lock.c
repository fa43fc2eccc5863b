// SPDX-License-Identifier: BSD-2-Clause
/* Locks of open file descriptions: they end with the process, however it ends, and tell two threads' volumes from each other too. */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "volume_impl.h"

int volume_lock(int fd, short type, uint64_t at, uint64_t bytes, bool wait)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)at, .l_len = (off_t)bytes };

	while (fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock))
		if (errno != EINTR)
			return errno == EACCES ? -EAGAIN : -errno;
	return 0;
}

bool volume_locked(int fd, uint64_t at, uint64_t bytes, uint64_t *from, uint64_t *to)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)at, .l_len = (off_t)bytes };

	if (!bytes)
		return false;
	*from = at;
	*to = at + bytes;
	/* A filesystem that cannot say it: as if it were. */
	if (fcntl(fd, F_OFD_GETLK, &lock))
		return true;
	if (lock.l_type == F_UNLCK)
		return false;
	*from = max_u64(at, (uint64_t)lock.l_start);
	if (lock.l_len)
		*to = min_u64(at + bytes, (uint64_t)lock.l_start + (uint64_t)lock.l_len);
	return true;
}

/* Does /proc/PID/fdinfo/N show an exclusive lock on byte 0? "lock:	1: OFDLCK  ADVISORY  WRITE -1 fe:01:1234 0 0" */
static bool holds_byte_0(const char *fdinfo)
{
	FILE *f = fopen(fdinfo, "re");
	char line[256], from[32], to[32];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = !strncmp(line, "lock:", 5) && strstr(line, "OFDLCK") && strstr(line, "WRITE") &&
			sscanf(strstr(line, "WRITE"), "WRITE %*s %*s %31s %31s", from, to) == 2 && !strcmp(from, "0") && !strcmp(to, "0");
	if (f)
		fclose(f);
	return found;
}

static bool process_holds(const char *pid, const struct stat *file)
{
	char path[64];
	struct dirent *e;
	struct stat st;
	bool found = false;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
	fds = opendir(path);
	while (fds && !found && (e = readdir(fds))) {
		snprintf(path, sizeof(path), "/proc/%.16s/fd/%.16s", pid, e->d_name);
		if (e->d_name[0] == '.' || stat(path, &st) || st.st_dev != file->st_dev || st.st_ino != file->st_ino)
			continue;
		snprintf(path, sizeof(path), "/proc/%.16s/fdinfo/%.16s", pid, e->d_name);
		found = holds_byte_0(path);
	}
	if (fds)
		closedir(fds);
	return found;
}

/* Such a lock has no process in F_OFD_GETLK; /proc knows it, for processes that we may look at. 0: cannot be known. */
static long lock_owner(int fd)
{
	struct dirent *e;
	struct stat file;
	long pid = 0;
	DIR *proc;

	if (fstat(fd, &file))
		return 0;
	proc = opendir("/proc");
	while (proc && !pid && (e = readdir(proc)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && process_holds(e->d_name, &file))
			pid = atol(e->d_name);
	if (proc)
		closedir(proc);
	return pid;
}

int volume_lock_writer(const struct volume *v, int fd, struct smartssd_error *err)
{
	int ret = volume_lock(fd, F_WRLCK, 0, 1, false);
	char who[40] = "another process";
	long pid;

	if (!ret)
		return 0;
	if (ret != -EAGAIN)
		return smartssd_fail(err, ret, "%s: cannot be locked: %s", v->path, strerror(-ret));
	pid = lock_owner(fd);
	if (pid == (long)getpid())
		return smartssd_fail(err, -EBUSY, "%s: this process (%ld) is writing to it already: is it named twice?", v->path, pid);
	if (pid)
		snprintf(who, sizeof(who), "process %ld", pid);
	return smartssd_fail(err, -EBUSY, "%s: %s is writing to it; wait until that has ended, or open it for reading", v->path, who);
}
