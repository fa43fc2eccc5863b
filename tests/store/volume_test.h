/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of volumes and deltas share: a folder for each test, volumes of both kinds in it, and every write seen: kept, so that it can be
 * repeated in part (a power loss), or failed. Link with -Wl,--wrap=pread -Wl,--wrap=pwrite -Wl,--wrap=fdatasync.
 */
#ifndef TESTS_STORE_VOLUME_TEST_H
#define TESTS_STORE_VOLUME_TEST_H

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../runtime/store/volume_slot.h"
#include "../runtime/runtime_test.h"

enum { FOLDER, RAW, KINDS };

static struct smartssd_error err;
static char folder[40], path[64];

/* In memory where there is such a place, as most tests open a volume a thousand times. */
static void make_folder(void)
{
	strcpy(folder, "/dev/shm/smartssd-test-XXXXXX");
	if (mkdtemp(folder))
		return;
	strcpy(folder, "/tmp/smartssd-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}

/* From now on on a drive: another filesystem, which has other rules for direct reads and writes. */
static inline void go_to_disk(void)
{
	ck_assert_int_eq(rmdir(folder), 0);
	strcpy(folder, "/tmp/smartssd-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

/* The path of a volume that does not exist yet: in @path. */
static inline void place(int kind)
{
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, kind == RAW ? "raw" : "store");
	if (kind == FOLDER)
		return;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	ck_assert(fd >= 0 && !ftruncate(fd, VOLUME_MIN_RAW));
	close(fd);
}

static inline struct volume *open_ok(unsigned int flags)
{
	struct volume *v;
	int ret = volume_open(path, flags, &v, &err);

	ck_assert_msg(!ret, "%d: %s", ret, err.text);
	return v;
}

static inline struct volume *make_volume(int kind)
{
	place(kind);
	return open_ok(VOLUME_WRITE | VOLUME_CREATE | VOLUME_FORCE);
}

static inline void save_ok(struct volume *v, const char *text)
{
	ck_assert_msg(!volume_save(v, text, &err), "%s", err.text);
}

static inline bool manifest_is(struct volume *v, const char *text)
{
	uint64_t generation;
	char *now;
	bool same;

	ck_assert_msg(!volume_load(v, &now, &generation, &err), "%s", err.text);
	same = !strcmp(now, text);
	free(now);
	return same;
}

static inline struct volume_object create_ok(struct volume *v, const char *name, uint64_t bytes)
{
	struct volume_object o;

	ck_assert_msg(!volume_create_object(v, name, bytes, &o, &err), "%s", err.text);
	return o;
}

/* ---- writes ---- */

struct written {
	uint64_t at;
	size_t bytes;
	uint8_t *before, *data;
};

static struct written written[64];
static int nr_written, fail_write, fail_sync; /* fail_*: the how many-th from now on fails; 0: none */
static bool keep_writes;

ssize_t __real_pwrite(int fd, const void *data, size_t bytes, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t at);
int __wrap_fdatasync(int fd);

ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t at)
{
	if (keep_writes) {
		struct written *w = &written[nr_written++];

		ck_assert_int_le(nr_written, (int)ARRAY_SIZE(written));
		*w = (struct written){ (uint64_t)at, bytes, aligned_alloc(4096, align_up(bytes, 4096)), malloc(bytes) };
		ck_assert(pread(fd, w->before, bytes, at) == (ssize_t)bytes);
		memcpy(w->data, data, bytes);
	}
	if (fail_write && !--fail_write) {
		/* Half of it arrives. */
		ck_assert(__real_pwrite(fd, data, align_down(bytes / 2, 512), at) >= 0 || bytes < 1024);
		errno = EIO;
		return -1;
	}
	return __real_pwrite(fd, data, bytes, at);
}

/* When the next read passes byte @read_split, what is before it is read before this is called, the rest after. */
static void (*read_between)(void);
static uint64_t read_split;

ssize_t __real_pread(int fd, void *data, size_t bytes, off_t at);
ssize_t __wrap_pread(int fd, void *data, size_t bytes, off_t at);

ssize_t __wrap_pread(int fd, void *data, size_t bytes, off_t at)
{
	void (*between)(void) = read_between;
	size_t first = read_split - (uint64_t)at;

	if (!between || (uint64_t)at >= read_split || bytes <= first)
		return __real_pread(fd, data, bytes, at);
	read_between = NULL;
	ck_assert(__real_pread(fd, data, first, at) == (ssize_t)first);
	between();
	ck_assert(__real_pread(fd, (uint8_t *)data + first, bytes - first, at + (off_t)first) == (ssize_t)(bytes - first));
	return (ssize_t)bytes;
}

/* Called when a sync is about to fail: what was written before it can be read. */
static void (*before_failure)(void);

int __wrap_fdatasync(int fd)
{
	(void)fd;
	if (fail_sync && !--fail_sync) {
		if (before_failure)
			before_failure();
		errno = EIO;
		return -1;
	}
	/* What a power loss leaves is made from the writes: no drive has to be waited for. */
	return 0;
}

static inline void forget_writes(void)
{
	for (int i = 0; i < nr_written; i++) {
		free(written[i].before);
		free(written[i].data);
	}
	nr_written = 0;
}

static inline void put(int fd, const void *data, size_t bytes, uint64_t at)
{
	ck_assert(__real_pwrite(fd, data, bytes, (off_t)at) == (ssize_t)bytes);
}

/* What the file is to be like, and what @check may find then: bit 0: as before all of the writes; bit 1: as after them. */
struct loss {
	int fd;
	int committing; /* the write that makes the difference */
	int torn;	/* what may be found when only a part of that is there */
	void (*check)(int may_be);
};

/* Write @i is there as @now, which is as long. */
static inline void lose_part(const struct loss *l, int i, const uint8_t *now)
{
	const struct written *w = &written[i];
	int may_be = i < l->committing ? 1 : i > l->committing ? 2 : l->torn;

	if (!memcmp(now, w->data, w->bytes) && i == l->committing)
		may_be = 2;
	else if (!memcmp(now, w->before, w->bytes) && i == l->committing)
		may_be = 1;
	put(l->fd, now, w->bytes, w->at);
	l->check(may_be);
	put(l->fd, w->before, w->bytes, w->at);
}

/* With the first @cut bytes of write @i; with those behind; with one sector garbled, and with that one missing. */
static inline void lose_at(const struct loss *l, int i, size_t cut)
{
	const struct written *w = &written[i];
	uint8_t *now = malloc(w->bytes);
	size_t sector = min_u64(512, w->bytes - cut);

	memcpy(now, w->before, w->bytes);
	memcpy(now, w->data, cut);
	lose_part(l, i, now);
	for (size_t b = 0; b < sector; b++)
		now[cut + b] = (uint8_t)(random_u64() >> 32);
	lose_part(l, i, now);
	memcpy(now, w->data, w->bytes);
	memcpy(now + cut, w->before + cut, sector);
	lose_part(l, i, now);
	memcpy(now, w->before, cut);
	memcpy(now + cut, w->data + cut, w->bytes - cut);
	lose_part(l, i, now);
	free(now);
}

/*
 * A power loss in each of the writes that were kept, at every sector: those before it are there, those behind it not. The file is left as after the
 * last. @check must leave it as it finds it.
 */
static inline void lose_power(const char *name, int committing, int torn, void (*check)(int may_be))
{
	struct loss l = { open(name, O_RDWR | O_CLOEXEC), committing, torn, check };

	ck_assert_int_ge(l.fd, 0);
	for (int i = nr_written; i--;)
		put(l.fd, written[i].before, written[i].bytes, written[i].at);
	for (int i = 0; i < nr_written; i++) {
		for (size_t cut = 0; cut <= written[i].bytes; cut += 512)
			lose_at(&l, i, cut);
		put(l.fd, written[i].data, written[i].bytes, written[i].at);
	}
	close(l.fd);
}

#endif
