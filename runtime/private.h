/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of libsmartssd share. Nothing here is exported. */
#ifndef SMARTSSD_RUNTIME_PRIVATE_H
#define SMARTSSD_RUNTIME_PRIVATE_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "libsmartssd.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline uint64_t div_up(uint64_t a, uint64_t b)
{
	return a / b + (a % b != 0);
}

/* @align is a power of two. */
static inline uint64_t align_down(uint64_t v, uint64_t align)
{
	return v & ~(align - 1);
}

static inline uint64_t align_up(uint64_t v, uint64_t align)
{
	return (v + align - 1) & ~(align - 1);
}

/* Room for @want entries of @bytes each in the growing array at *@array (it may move; NULL at first), by doubling from @first on. */
static inline int smartssd_grow(void *array, uint32_t *room, uint64_t want, uint32_t first, size_t bytes)
{
	uint64_t more = *room ? *room : first;
	size_t size;
	void *p;

	if (want <= *room)
		return 0;
	while (more < want && more <= UINT32_MAX)
		more *= 2;
	if (more > UINT32_MAX || __builtin_mul_overflow(more, bytes, &size))
		return -ENOMEM;
	memcpy(&p, array, sizeof(p)); /* a pointer of whatever type */
	p = realloc(p, size);
	if (!p)
		return -ENOMEM;
	memcpy(array, &p, sizeof(p));
	*room = (uint32_t)more;
	return 0;
}

/* Explain and return @code (negative errno). @err may be NULL. error.c */
int smartssd_fail(struct smartssd_error *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Explain what a refused submit or a failed command of @list means. */
int smartssd_explain_submit(struct smartssd_error *err, const struct smartssd_list *list, int code, uint32_t bad_cmd);
int smartssd_explain_command(struct smartssd_error *err, const struct smartssd_list *list, int code, uint32_t cmd,
			     const struct smartssd_result *result);

/*
 * list.c. The commands' pointers into extents and args are kept right whenever those arrays move, so that a list can be submitted
 * as it is, from any thread.
 */
struct smartssd_list {
	struct smartssd_cmd *cmds;
	uint32_t *first; /* of command i: its first entry in extents or args */
	uint32_t nr_cmds, room_cmds;
	struct smartssd_extent *extents;
	uint32_t nr_extents, room_extents;
	struct smartssd_arg *args;
	uint32_t nr_args, room_args;
};

/*
 * A file to be read, or -1 with errno. open() alone would wait for ever for somebody to write to a FIFO; whether it is a file of the right
 * kind is then for fstat(). Reads do wait: some filesystems could not do those of io_uring otherwise.
 */
static inline int smartssd_open_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		fcntl(fd, F_SETFL, 0);
	return fd;
}

/* CLOCK_MONOTONIC, ns */
uint64_t smartssd_now(void);

/* pread() until @bytes are there: -EIO when the file ends before. */
int smartssd_read_all(int fd, void *data, uint64_t bytes, uint64_t offset);

#endif
