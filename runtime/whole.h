/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file that is written whole or not at all. Inside of this project only, the tools included; nothing here is exported.
 *
 * While it is written it has no name, where the filesystem can do that (O_TMPFILE): whatever ends this process leaves nothing behind.
 * A symbolic link is followed; a file that was there keeps its mode.
 */
#ifndef SMARTSSD_RUNTIME_WHOLE_H
#define SMARTSSD_RUNTIME_WHOLE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct smartssd_error;

struct smartssd_whole {
	int fd;			   /* write here: from the beginning, anywhere */
	bool named;		   /* the temporary name is in the folder */
	char target[PATH_MAX];	   /* what the path leads to */
	char temporary[PATH_MAX];
};

/*
 * Can a file be written to @path? -EOPNOTSUPP: what is there is not a regular file; -ENOENT, -EACCES, ...: not in that folder. Says so,
 * with the path, in @err.
 */
int smartssd_whole_check(const char *path, struct smartssd_error *err);

/* The same, and begin: after 0 call one of the two below. */
int smartssd_whole_begin(struct smartssd_whole *w, const char *path, struct smartssd_error *err);
/* -errno, which no text goes with, here and at the end: the caller knows what he was about to do */
int smartssd_whole_write(struct smartssd_whole *w, const void *data, uint64_t bytes);
/* @ret is 0: onto the disk and to its name. Else, or when that fails: away with it. @ret, or what went wrong. */
int smartssd_whole_end(struct smartssd_whole *w, int ret);

#endif
