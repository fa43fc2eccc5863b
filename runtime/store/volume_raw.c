// SPDX-License-Identifier: BSD-2-Clause
/* A namespace as a volume: objects are runs of blocks, and the list of them is in the slots (volume_slot.h), read anew for each call. */
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "volume_slot.h"

static int raw_load(struct volume *v, char **text, uint64_t *generation, struct smartssd_error *err)
{
	struct slot_state s;
	int ret = slot_load(v, &s, err);

	if (ret)
		return ret;
	*text = s.text;
	*generation = s.generation;
	s.text = NULL;
	slot_free(&s);
	return 0;
}

static int raw_save(struct volume *v, const char *text, struct smartssd_error *err)
{
	struct slot_state s;
	int ret = slot_load(v, &s, err);

	if (ret)
		return ret;
	free(s.text);
	s.text = strdup(text);
	if (!s.text)
		ret = smartssd_fail(err, -ENOMEM, "%s: no memory for the manifest", v->path);
	else if (s.generation == INT64_MAX)
		ret = smartssd_fail(err, -EOVERFLOW, "%s: no number for another generation; restore it from a backup", v->path);
	if (!ret) {
		s.generation++;
		ret = slot_commit(v, &s, err);
	}
	slot_free(&s);
	return ret;
}

static struct slot_object *find(struct slot_state *s, const char *name)
{
	for (uint32_t i = 0; i < s->nr; i++)
		if (!strcmp(s->objects[i].name, name))
			return &s->objects[i];
	return NULL;
}

/* A descriptor of its own for the namespace: locks belong to it. */
static int open_again(struct volume *v, bool write, struct volume_object *out, struct smartssd_error *err)
{
	int fd = volume_open_direct(AT_FDCWD, v->real, write ? O_RDWR : O_RDONLY, &out->align);
	struct stat then, now;

	if (fd < 0)
		return smartssd_fail(err, fd, "%s: cannot be opened%s: %s", v->path, write ? " for writing" : "", strerror(-fd));
	if (fstat(v->fd, &then) || fstat(fd, &now) || then.st_dev != now.st_dev || then.st_ino != now.st_ino) {
		close(fd);
		return smartssd_fail(err, -EXDEV, "%s is not what it was when the volume was opened; open it again", v->path);
	}
	out->fd = fd;
	return 0;
}

static int missing(struct volume *v, const char *name, struct smartssd_error *err)
{
	return smartssd_fail(err, -ENOENT, "%s: there is no object %s", v->path, name);
}

static int raw_open_object(struct volume *v, const char *name, bool write, struct volume_object *out, struct smartssd_error *err)
{
	int ret = open_again(v, write, out, err);

	while (!ret) {
		struct slot_object *o;
		struct slot_state s;
		bool same;

		ret = slot_load(v, &s, err);
		if (ret)
			break;
		o = find(&s, name);
		if (!o)
			ret = missing(v, name, err);
		/* Locked, then looked up again in the same place: from now on nobody uses that room for another. */
		same = o && o->offset == out->offset && o->bytes == out->bytes;
		if (o && !same) {
			if (out->bytes)
				volume_lock(out->fd, F_UNLCK, out->offset, out->bytes, false);
			out->offset = o->offset;
			out->bytes = o->bytes;
			ret = volume_lock(out->fd, F_RDLCK, out->offset, out->bytes, false);
			if (ret)
				smartssd_fail(err, ret, "%s: object %s cannot be locked: %s", v->path, name, strerror(-ret));
		}
		slot_free(&s);
		if (same)
			return 0;
	}
	volume_close_object(out);
	return ret;
}

/*
 * The first run of room at or behind *at that no object has and nobody holds open: *bytes of it at *at. False: there is none. *i: an object not
 * behind *at, to begin with 0.
 */
static bool next_free(struct volume *v, const struct slot_state *s, uint32_t *i, uint64_t *at, uint64_t *bytes)
{
	uint64_t end = align_down(v->all.bytes, VOLUME_ALIGN);

	while (*at < end) {
		uint64_t limit = end, from, to;

		while (*i < s->nr && s->objects[*i].offset + s->objects[*i].bytes <= *at)
			++*i;
		if (*i < s->nr && s->objects[*i].offset <= *at) {
			*at = s->objects[*i].offset + s->objects[*i].bytes;
			continue;
		}
		if (*i < s->nr)
			limit = s->objects[*i].offset;
		/* Any of the locks, not the lowest: until there is none before the limit. */
		while (limit > *at && volume_locked(v->fd, *at, limit - *at, &from, &to)) {
			if (from <= *at)
				*at = min_u64(limit, align_up(to, VOLUME_ALIGN));
			else
				limit = align_down(from, VOLUME_ALIGN);
		}
		if (limit > *at) {
			*bytes = limit - *at;
			return true;
		}
	}
	return false;
}

static uint64_t raw_free(struct volume *v)
{
	uint64_t at = VOLUME_DATA, bytes, all = 0;
	struct slot_state s;
	uint32_t i = 0;

	if (slot_load(v, &s, NULL))
		return 0;
	for (; next_free(v, &s, &i, &at, &bytes); at += bytes)
		all += bytes;
	slot_free(&s);
	return all;
}

/* The smallest run that it fits into, so that large ones stay. */
static int allocate(struct volume *v, const struct slot_state *s, const char *name, uint64_t bytes, uint64_t *offset, struct smartssd_error *err)
{
	uint64_t at = VOLUME_DATA, run, best = UINT64_MAX, largest = 0, all = 0;
	uint32_t i = 0;

	for (; next_free(v, s, &i, &at, &run); at += run) {
		if (run >= bytes && run < best) {
			best = run;
			*offset = at;
		}
		largest = max_u64(largest, run);
		all += run;
	}
	if (best != UINT64_MAX)
		return 0;
	return smartssd_fail(err, -ENOSPC, "%s: no room for %s of %llu bytes: the largest free run has %llu, %llu are missing (%llu are free in all; "
			     "room of removed objects that are still open is not); remove tables, or end readers of old ones", v->path, name,
			     (unsigned long long)bytes, (unsigned long long)largest, (unsigned long long)(bytes - largest), (unsigned long long)all);
}

static int insert(struct slot_state *s, const char *name, uint64_t offset, uint64_t bytes)
{
	uint32_t i = 0;

	if (smartssd_grow(&s->objects, &s->room, (uint64_t)s->nr + 1, 64, sizeof(*s->objects)))
		return -ENOMEM;
	while (i < s->nr && s->objects[i].offset < offset)
		i++;
	memmove(&s->objects[i + 1], &s->objects[i], (s->nr++ - i) * sizeof(*s->objects));
	s->objects[i] = (struct slot_object){ .offset = offset, .bytes = bytes };
	strcpy(s->objects[i].name, name);
	return 0;
}

/* A file in the place of a namespace may have holes. */
static int reserve(struct volume *v, uint64_t offset, uint64_t bytes)
{
	struct stat st;
	int ret;

	if (fstat(v->fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	do
		ret = fallocate(v->fd, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)bytes) ? -errno : 0;
	while (ret == -EINTR);
	return ret == -EOPNOTSUPP ? 0 : ret;
}

/* Room for it, reserved, its first block zero, all of that durable: before the list says that it is there. */
static int prepare(struct volume *v, struct slot_state *s, const char *name, uint64_t bytes, uint64_t *offset, struct smartssd_error *err)
{
	static const uint8_t zeros[VOLUME_ALIGN];
	int ret;

	if (find(s, name))
		return smartssd_fail(err, -EEXIST, "%s: object %s is there already; remove it first", v->path, name);
	ret = allocate(v, s, name, bytes, offset, err);
	if (ret)
		return ret;
	ret = reserve(v, *offset, bytes);
	if (!ret)
		ret = volume_pwrite(&v->all, zeros, sizeof(zeros), *offset);
	if (!ret)
		ret = volume_sync_object(&v->all);
	if (ret)
		return smartssd_fail(err, ret, "%s: %s of %llu bytes cannot be made: %s", v->path, name, (unsigned long long)bytes, strerror(-ret));
	return insert(s, name, *offset, bytes) ? smartssd_fail(err, -ENOMEM, "%s: no memory for the list of objects", v->path) : 0;
}

static int raw_create_object(struct volume *v, const char *name, uint64_t bytes, struct volume_object *out, struct smartssd_error *err)
{
	struct slot_state s;
	uint64_t offset = 0;
	int ret = slot_load(v, &s, err);

	if (ret)
		return ret;
	ret = prepare(v, &s, name, bytes, &offset, err);
	if (!ret)
		ret = slot_commit(v, &s, err);
	slot_free(&s);
	return ret ? ret : raw_open_object(v, name, true, out, err);
}

static int raw_remove_object(struct volume *v, const char *name, struct smartssd_error *err)
{
	struct slot_object *o;
	struct slot_state s;
	int ret = slot_load(v, &s, err);

	if (ret)
		return ret;
	o = find(&s, name);
	if (o) {
		memmove(o, o + 1, (size_t)(&s.objects[--s.nr] - o) * sizeof(*o));
		ret = slot_commit(v, &s, err);
	} else {
		ret = missing(v, name, err);
	}
	slot_free(&s);
	return ret;
}

static int raw_list(struct volume *v, char (**names)[VOLUME_NAME], uint32_t *nr, struct smartssd_error *err)
{
	struct slot_state s;
	int ret = slot_load(v, &s, err);

	if (ret)
		return ret;
	*names = malloc((s.nr + 1) * sizeof(**names));
	if (*names) {
		for (uint32_t i = 0; i < s.nr; i++)
			strcpy((*names)[i], s.objects[i].name);
		qsort(*names, s.nr, sizeof(**names), volume_compare_names);
		*nr = s.nr;
	} else {
		ret = smartssd_fail(err, -ENOMEM, "%s: no memory for the list of objects", v->path);
	}
	slot_free(&s);
	return ret;
}

static int raw_make(struct volume *v, struct smartssd_error *err)
{
	int ret = reserve(v, 0, VOLUME_DATA);

	if (ret)
		return smartssd_fail(err, ret, "%s: no room for the first %llu bytes: %s", v->path, VOLUME_DATA, strerror(-ret));
	return volume_head_write(v, err);
}

static const struct volume_ops ops = {
	.make = raw_make,
	.load = raw_load,
	.save = raw_save,
	.create_object = raw_create_object,
	.open_object = raw_open_object,
	.remove_object = raw_remove_object,
	.list_objects = raw_list,
	.free = raw_free,
};

static int namespace_bytes(struct volume *v, bool *block, struct smartssd_error *err)
{
	struct stat st;
	int ret = fstat(v->fd, &st) ? -errno : 0;

	*block = !ret && S_ISBLK(st.st_mode);
	v->all.bytes = (uint64_t)st.st_size;
	if (*block && ioctl(v->fd, BLKGETSIZE64, &v->all.bytes))
		ret = -errno;
	if (ret)
		return smartssd_fail(err, ret, "%s: its size cannot be read: %s", v->path, strerror(-ret));
	/* As locks and offsets are signed. */
	if (v->all.bytes < VOLUME_MIN_RAW || v->all.bytes > INT64_MAX)
		return smartssd_fail(err, -EINVAL, "%s has %llu bytes; a store needs at least %llu: name a folder, a namespace or a larger file", v->path,
				     (unsigned long long)v->all.bytes, VOLUME_MIN_RAW);
	return 0;
}

/* The writer alone, and not on a device that has a filesystem mounted or belongs to another driver. */
static int become_writer(struct volume *v, bool block, struct smartssd_error *err)
{
	int ret = volume_lock_writer(v, v->fd, err);

	if (ret || !block)
		return ret;
	v->claim = open(v->real, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (v->claim >= 0)
		return 0;
	return smartssd_fail(err, -errno, "%s: %s", v->path,
			     errno == EBUSY ? "it is in use: mounted, swap, or part of another device; name a namespace that is free" : strerror(errno));
}

/* Two copies again, after a change that was cut short between them. */
static int mend(struct volume *v, struct smartssd_error *err)
{
	struct slot_state s;
	int ret = slot_load(v, &s, err);

	if (ret)
		return ret;
	if (!s.twice)
		ret = slot_commit(v, &s, err);
	slot_free(&s);
	return ret;
}

int volume_raw_open(struct volume *v, struct smartssd_error *err)
{
	bool write = v->flags & VOLUME_WRITE, block;
	struct slot_state s;
	int ret;

	v->ops = &ops;
	if (!realpath(v->path, v->real))
		return smartssd_fail(err, -errno, "%s: %s", v->path, strerror(errno));
	ret = volume_open_direct(AT_FDCWD, v->real, write ? O_RDWR : O_RDONLY, &v->all.align);
	if (ret < 0)
		return smartssd_fail(err, ret, "%s: cannot be opened%s: %s", v->path, write ? " for writing" : "", strerror(-ret));
	v->fd = v->all.fd = ret;
	v->block = v->all.align > 1 ? v->all.align : VOLUME_ALIGN;
	ret = namespace_bytes(v, &block, err);
	if (!ret && write)
		ret = become_writer(v, block, err);
	if (!ret)
		ret = volume_head_read(v, err);
	if (ret < 0)
		return ret;
	if (ret) {
		if (write)
			return mend(v, err);
		ret = slot_load(v, &s, err);
		if (!ret)
			slot_free(&s);
		return ret;
	}
	if (!(v->flags & VOLUME_CREATE))
		return smartssd_fail(err, -EBADMSG, "%s is no store: its first block does not say so; `smartssd table import` makes one", v->path);
	if (!(v->flags & VOLUME_FORCE))
		return smartssd_fail(err, -EEXIST, "%s is not a store yet, and what is on it now would be lost: say --force if it may be", v->path);
	v->is_new = true;
	return 0;
}
