// SPDX-License-Identifier: BSD-2-Clause
/* Volumes of either kind: what can be checked before it is known which, and UUIDs. */
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "volume_impl.h"

bool volume_name_ok(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-");

	return n && n < VOLUME_NAME && !name[n] && !strchr("._-", name[0]);
}

int volume_compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

int volume_new_uuid(uint8_t id[16])
{
	ssize_t n;

	do
		n = getrandom(id, 16, 0);
	while (n < 0 && errno == EINTR);
	if (n != 16)
		return n < 0 ? -errno : -EIO;
	id[6] = (id[6] & 0x0f) | 0x40; /* version 4, variant 1: RFC 4122 */
	id[8] = (id[8] & 0x3f) | 0x80;
	return 0;
}

void volume_uuid_text(const uint8_t id[16], char text[37])
{
	for (int i = 0; i < 16; i++)
		text += sprintf(text, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", id[i]);
}

bool volume_uuid_ok(const char *text)
{
	for (int i = 0; i < 36; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? text[i] != '-' : !text[i] || !strchr("0123456789abcdef", text[i]))
			return false;
	return !text[36];
}

/* In /dev, a name that is not there is a device that is not there: no place for a folder. */
static bool is_in_dev(const char *path)
{
	char folder[PATH_MAX], real[PATH_MAX];
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	while (n && path[n - 1] != '/')
		n--;
	if (!n || n >= sizeof(folder))
		return false;
	memcpy(folder, path, n);
	folder[n] = '\0';
	return realpath(folder, real) && !strcmp(real, "/dev");
}

static int open_kind(struct volume *v, struct smartssd_error *err)
{
	struct stat st;

	if (stat(v->path, &st)) {
		if (errno != ENOENT)
			return smartssd_fail(err, -errno, "%s: %s", v->path, strerror(errno));
		if (!(v->flags & VOLUME_CREATE) || is_in_dev(v->path))
			return smartssd_fail(err, -ENOENT, "%s: there is no such %s", v->path,
					     is_in_dev(v->path) ? "device" : "folder; `smartssd table import` makes a store");
		return volume_folder_open(v, err);
	}
	if (S_ISDIR(st.st_mode))
		return volume_folder_open(v, err);
	if (S_ISBLK(st.st_mode) || S_ISREG(st.st_mode))
		return volume_raw_open(v, err);
	return smartssd_fail(err, -EOPNOTSUPP, "%s is neither a folder nor a namespace (/dev/nvmeXnY): name one of these", v->path);
}

int volume_open(const char *path, unsigned int flags, struct volume **out, struct smartssd_error *err)
{
	struct volume *v;
	int ret;

	*out = NULL;
	if (flags & ~(VOLUME_WRITE | VOLUME_CREATE | VOLUME_FORCE | VOLUME_LATER) || (flags & VOLUME_CREATE && !(flags & VOLUME_WRITE)))
		return smartssd_fail(err, -EINVAL, "%s: flags %#x: VOLUME_CREATE goes with VOLUME_WRITE", path, flags);
	v = calloc(1, sizeof(*v));
	if (!v)
		return smartssd_fail(err, -ENOMEM, "%s: no memory", path);
	v->flags = flags;
	v->fd = v->lock = v->claim = v->all.fd = -1;
	pthread_mutex_init(&v->mutex, NULL);
	v->path = strdup(path);
	ret = v->path ? open_kind(v, err) : smartssd_fail(err, -ENOMEM, "%s: no memory", path);
	if (!ret && v->is_new && !(flags & VOLUME_LATER))
		ret = volume_make(v, err);
	if (ret) {
		volume_close(v);
		return ret;
	}
	*out = v;
	return 0;
}

void volume_close(struct volume *v)
{
	if (!v)
		return;
	if (v->claim >= 0)
		close(v->claim);
	if (v->lock >= 0)
		close(v->lock);
	if (v->fd >= 0)
		close(v->fd);
	pthread_mutex_destroy(&v->mutex);
	free(v->path);
	free(v);
}

bool volume_is_new(const struct volume *v)
{
	return v->is_new;
}

int volume_make(struct volume *v, struct smartssd_error *err)
{
	int ret = v->ops->make(v, err);

	if (!ret)
		v->is_new = false;
	return ret;
}

bool volume_same(const struct volume *a, const struct volume *b)
{
	return !strcmp(a->real, b->real);
}

const char *volume_path(const struct volume *v)
{
	return v->path;
}

const char *volume_uuid(const struct volume *v)
{
	return v->uuid;
}

uint32_t volume_block(const struct volume *v)
{
	return v->block;
}

uint64_t volume_free(struct volume *v)
{
	uint64_t bytes;

	pthread_mutex_lock(&v->mutex);
	bytes = v->ops->free(v);
	pthread_mutex_unlock(&v->mutex);
	return bytes;
}

int volume_load(struct volume *v, char **text, uint64_t *generation, struct smartssd_error *err)
{
	int ret;

	*text = NULL;
	*generation = 0;
	pthread_mutex_lock(&v->mutex);
	ret = v->ops->load(v, text, generation, err);
	pthread_mutex_unlock(&v->mutex);
	return ret;
}

/* Begins a change: locked when it returns 0. */
static int begin_write(struct volume *v, const char *what, struct smartssd_error *err)
{
	if (!(v->flags & VOLUME_WRITE))
		return smartssd_fail(err, -EBADF, "%s: %s: it is open for reading only", v->path, what);
	pthread_mutex_lock(&v->mutex);
	return 0;
}

int volume_save(struct volume *v, const char *text, struct smartssd_error *err)
{
	size_t bytes = strlen(text);
	int ret;

	if (bytes > VOLUME_SLOT / 2)
		return smartssd_fail(err, -EFBIG, "%s: a manifest of %zu bytes; there is room for %u: have fewer tables in a store", v->path, bytes,
				     VOLUME_SLOT / 2);
	ret = begin_write(v, "the manifest", err);
	if (ret)
		return ret;
	ret = v->ops->save(v, text, err);
	pthread_mutex_unlock(&v->mutex);
	return ret;
}

static int check_name(const struct volume *v, const char *name, struct smartssd_error *err)
{
	if (volume_name_ok(name))
		return 0;
	return smartssd_fail(err, -EINVAL, "%s: '%.80s' is no name of an object: 1 to %d of a-z 0-9 . _ -, the first a letter or digit", v->path, name,
			     VOLUME_NAME - 1);
}

int volume_create_object(struct volume *v, const char *name, uint64_t bytes, struct volume_object *out, struct smartssd_error *err)
{
	int ret;

	*out = (struct volume_object){ .fd = -1 };
	ret = check_name(v, name, err);
	if (ret)
		return ret;
	if (bytes > INT64_MAX - VOLUME_ALIGN)
		return smartssd_fail(err, -ENOSPC, "%s: %s: %llu bytes are more than any drive has", v->path, name, (unsigned long long)bytes);
	ret = begin_write(v, name, err);
	if (ret)
		return ret;
	ret = v->ops->create_object(v, name, align_up(bytes ? bytes : 1, VOLUME_ALIGN), out, err);
	pthread_mutex_unlock(&v->mutex);
	return ret;
}

int volume_open_object(struct volume *v, const char *name, bool write, struct volume_object *out, struct smartssd_error *err)
{
	int ret;

	*out = (struct volume_object){ .fd = -1 };
	ret = check_name(v, name, err);
	if (ret)
		return ret;
	if (write) {
		ret = begin_write(v, name, err);
		if (ret)
			return ret;
	} else {
		pthread_mutex_lock(&v->mutex);
	}
	ret = v->ops->open_object(v, name, write, out, err);
	pthread_mutex_unlock(&v->mutex);
	return ret;
}

int volume_remove_object(struct volume *v, const char *name, struct smartssd_error *err)
{
	int ret = check_name(v, name, err);

	if (!ret)
		ret = begin_write(v, name, err);
	if (ret)
		return ret;
	ret = v->ops->remove_object(v, name, err);
	pthread_mutex_unlock(&v->mutex);
	return ret;
}

int volume_list_objects(struct volume *v, char (**names)[VOLUME_NAME], uint32_t *nr, struct smartssd_error *err)
{
	int ret;

	*names = NULL;
	*nr = 0;
	pthread_mutex_lock(&v->mutex);
	ret = v->ops->list_objects(v, names, nr, err);
	pthread_mutex_unlock(&v->mutex);
	return ret;
}
