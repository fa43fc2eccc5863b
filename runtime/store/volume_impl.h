/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of a volume share (volume.h): volume.c, volume_object.c, volume_lock.c, and the two kinds, volume_folder.c and volume_raw.c. */
#ifndef SMARTSSD_STORE_VOLUME_IMPL_H
#define SMARTSSD_STORE_VOLUME_IMPL_H

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>

#include "../private.h"
#include "volume.h"

/* Called with the volume's mutex held; names and the right to write have been checked. */
struct volume_ops {
	int (*make)(struct volume *v, struct smartssd_error *err); /* what open found to be no volume yet: v->is_new */
	int (*load)(struct volume *v, char **text, uint64_t *generation, struct smartssd_error *err);
	int (*save)(struct volume *v, const char *text, struct smartssd_error *err);
	/* @bytes: a multiple of VOLUME_ALIGN, not 0 */
	int (*create_object)(struct volume *v, const char *name, uint64_t bytes, struct volume_object *out, struct smartssd_error *err);
	int (*open_object)(struct volume *v, const char *name, bool write, struct volume_object *out, struct smartssd_error *err);
	int (*remove_object)(struct volume *v, const char *name, struct smartssd_error *err);
	int (*list_objects)(struct volume *v, char (**names)[VOLUME_NAME], uint32_t *nr, struct smartssd_error *err);
	uint64_t (*free)(struct volume *v);
};

struct volume {
	const struct volume_ops *ops;
	pthread_mutex_t mutex;
	unsigned int flags;
	bool is_new; /* there is no volume yet: volume_make() */
	char *path; /* as it was given: for messages */
	char real[PATH_MAX];
	char uuid[37];
	uint32_t block;
	int fd;	   /* the folder, or the namespace */
	int lock;  /* folder: the file "lock"; -1: a reader's */
	int claim; /* namespace: the writer's O_EXCL descriptor, else -1 */
	/* namespace: */
	struct volume_object all; /* as one object, for blocks of our own */
	uint8_t id[16];		  /* the UUID */
	uint64_t sequence;	  /* the highest that was written by us, even where that failed */
};

/* Opens v->fd and all that depends on the kind; volume_close() undoes it after an error too. */
int volume_folder_open(struct volume *v, struct smartssd_error *err);
int volume_raw_open(struct volume *v, struct smartssd_error *err);

/* volume.c */
bool volume_name_ok(const char *name);
/* A new random UUID; -errno. */
int volume_new_uuid(uint8_t id[16]);
void volume_uuid_text(const uint8_t id[16], char text[37]);
bool volume_uuid_ok(const char *text);
int volume_compare_names(const void *a, const void *b); /* qsort() of names */

/* volume_object.c: O_DIRECT where that works, else plain. The descriptor, or -errno. *align as in struct volume_object. */
int volume_open_direct(int folder, const char *name, int flags, uint32_t *align);

/* volume_lock.c: of the open file description @fd, until it is closed. @type: F_RDLCK, F_WRLCK, F_UNLCK. -EAGAIN: somebody has it, and !@wait. */
int volume_lock(int fd, short type, uint64_t at, uint64_t bytes, bool wait);
/* -EBUSY with who it is. */
int volume_lock_writer(const struct volume *v, int fd, struct smartssd_error *err);
/* Has anybody but @fd locked bytes of at..at+bytes? *from, *to: one such run. */
bool volume_locked(int fd, uint64_t at, uint64_t bytes, uint64_t *from, uint64_t *to);

#endif
