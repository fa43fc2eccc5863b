// SPDX-License-Identifier: BSD-2-Clause
/*
 * A folder as a volume:
 *
 *   lock             empty; byte 0 is the writer's
 *   volume.json      {"magic": "smartssd-volume", "version": 1, "uuid"}: written last, so without it there is no volume yet
 *   manifest.json    {"generation", "crc32c", "manifest"}: the CRC is of the generation (8 bytes, little-endian), then the text
 *   NAME.obj         objects
 *   *.XXXXXXXX.tmp   what a writer that was killed left (whole.h): the next one removes them
 */
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../whole.h"
#include "rowfmt.h"
#include "volume_impl.h"

#define MAGIC	  "smartssd-volume"
#define MAX_JSON  (16u << 20) /* of a file that is read; a manifest's text may be written with escapes */
#define FILE_NAME (VOLUME_NAME + 4)

/* In the folder by its path, as whole.h wants it. */
static int path_of(const struct volume *v, const char *name, char path[PATH_MAX], struct smartssd_error *err)
{
	if (snprintf(path, PATH_MAX, "%s/%s", v->real, name) >= PATH_MAX)
		return smartssd_fail(err, -ENAMETOOLONG, "%s: the path is too long", v->path);
	return 0;
}

/* whole.h syncs the folder where it can; we want to know whether it could. A filesystem without that says EINVAL. */
static int sync_folder(struct volume *v, const char *name, struct smartssd_error *err)
{
	if (fsync(v->fd) && errno != EINVAL)
		return smartssd_fail(err, -errno, "%s: %s may not be durable: %s; check the drive", v->path, name, strerror(errno));
	return 0;
}

static int write_json(struct volume *v, const char *name, json_t *root, struct smartssd_error *err)
{
	char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
	struct smartssd_whole w;
	char path[PATH_MAX];
	int ret;

	json_decref(root);
	if (!text)
		return smartssd_fail(err, -ENOMEM, "%s: no memory to write %s", v->path, name);
	ret = path_of(v, name, path, err);
	if (!ret)
		ret = smartssd_whole_begin(&w, path, err);
	if (!ret) {
		ret = smartssd_whole_end(&w, smartssd_whole_write(&w, text, strlen(text)));
		if (ret)
			smartssd_fail(err, ret, "%s: cannot be written: %s", path, strerror(-ret));
		else
			ret = sync_folder(v, name, err);
	}
	free(text);
	return ret;
}

static int read_json(struct volume *v, const char *name, json_t **root, struct smartssd_error *err)
{
	int fd = openat(v->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), ret = 0;
	json_error_t why = { 0 };
	char *data = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		ret = smartssd_fail(err, -errno, "%s/%s: %s", v->path, name, strerror(errno));
	else if (!S_ISREG(st.st_mode) || st.st_size > MAX_JSON)
		ret = smartssd_fail(err, -EBADMSG, "%s/%s is damaged: no regular file of up to %u bytes; restore it from a backup", v->path, name,
				    MAX_JSON);
	if (!ret) {
		struct volume_object all = { .fd = fd, .align = 1, .bytes = (uint64_t)st.st_size };

		data = malloc(all.bytes + 1);
		ret = data ? volume_pread(&all, data, all.bytes, 0) : -ENOMEM;
		if (ret)
			smartssd_fail(err, ret, "%s/%s: cannot be read: %s", v->path, name, strerror(-ret));
	}
	if (!ret) {
		*root = json_loadb(data, (size_t)st.st_size, JSON_REJECT_DUPLICATES, &why);
		if (!*root)
			ret = smartssd_fail(err, -EBADMSG, "%s/%s is damaged: line %d: %.100s; restore it from a backup", v->path, name,
					    why.line, why.text);
	}
	free(data);
	if (fd >= 0)
		close(fd);
	return ret;
}

static uint32_t text_crc(uint64_t generation, const char *text)
{
	uint32_t crc = rowfmt_crc32c(0, &generation, sizeof(generation));

	return rowfmt_crc32c(crc, text, strlen(text));
}

static int write_manifest(struct volume *v, uint64_t generation, const char *text, struct smartssd_error *err)
{
	json_t *string = json_string(text);

	if (!string)
		return smartssd_fail(err, -EINVAL, "%s: the manifest is not UTF-8 text, or no memory", v->path);
	return write_json(v, "manifest.json",
			  json_pack("{s:I, s:I, s:o}", "generation", (json_int_t)generation, "crc32c", (json_int_t)text_crc(generation, text),
				    "manifest", string), err);
}

static int folder_load(struct volume *v, char **text, uint64_t *generation, struct smartssd_error *err)
{
	json_int_t number, crc;
	const char *string;
	json_t *root;
	int ret = read_json(v, "manifest.json", &root, err);

	if (ret == -ENOENT)
		ret = smartssd_fail(err, -EBADMSG, "%s is damaged: manifest.json is missing; restore it from a backup", v->path);
	if (ret)
		return ret;
	if (json_unpack(root, "{s:I, s:I, s:s}", "generation", &number, "crc32c", &crc, "manifest", &string) || number < 0)
		ret = smartssd_fail(err, -EBADMSG, "%s/manifest.json is damaged: generation, crc32c or manifest is missing; restore it from a backup",
				    v->path);
	else if (crc != (json_int_t)text_crc((uint64_t)number, string))
		ret = smartssd_fail(err, -EBADMSG, "%s/manifest.json is damaged: its CRC-32C is not %lld; restore it from a backup", v->path,
				    (long long)crc);
	if (!ret) {
		*text = strdup(string);
		*generation = (uint64_t)number;
		if (!*text)
			ret = smartssd_fail(err, -ENOMEM, "%s: no memory for the manifest", v->path);
	}
	json_decref(root);
	return ret;
}

static int folder_save(struct volume *v, const char *text, struct smartssd_error *err)
{
	uint64_t generation;
	char *old;
	int ret = folder_load(v, &old, &generation, err);

	if (ret)
		return ret;
	free(old);
	if (generation == INT64_MAX)
		return smartssd_fail(err, -EOVERFLOW, "%s/manifest.json: no number for another generation; restore it from a backup", v->path);
	return write_manifest(v, generation + 1, text, err);
}

static int folder_open_object(struct volume *v, const char *name, bool write, struct volume_object *out, struct smartssd_error *err)
{
	char file[FILE_NAME];
	struct stat st;
	int ret;

	snprintf(file, sizeof(file), "%s.obj", name);
	/* Looked at before it is opened: a pipe would block. */
	if (fstatat(v->fd, file, &st, AT_SYMLINK_NOFOLLOW))
		return smartssd_fail(err, -errno, "%s/%s: %s", v->path, file, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return smartssd_fail(err, -EBADMSG, "%s/%s is not a regular file", v->path, file);
	ret = volume_open_direct(v->fd, file, (write ? O_RDWR : O_RDONLY) | O_NOFOLLOW, &out->align);
	if (ret < 0)
		return smartssd_fail(err, ret, "%s/%s: cannot be opened%s: %s", v->path, file, write ? " for writing" : "", strerror(-ret));
	out->fd = ret;
	if (fstat(out->fd, &st) || !S_ISREG(st.st_mode) || !st.st_size || st.st_size % VOLUME_ALIGN) {
		volume_close_object(out);
		return smartssd_fail(err, -EBADMSG, "%s/%s is damaged: it has %lld bytes, not a multiple of %u: cut off; restore it from a backup",
				     v->path, file, (long long)st.st_size, VOLUME_ALIGN);
	}
	out->offset = 0;
	out->bytes = (uint64_t)st.st_size;
	return 0;
}

static uint64_t folder_free(struct volume *v)
{
	struct statvfs fs;
	uint64_t bytes;

	if (fstatvfs(v->fd, &fs) || __builtin_mul_overflow((uint64_t)fs.f_bavail, (uint64_t)fs.f_frsize, &bytes))
		return 0;
	return bytes;
}

/* A filesystem that cannot reserve has at least the room now. */
static int reserve(struct volume *v, int fd, uint64_t bytes)
{
	int ret;

	do
		ret = fallocate(fd, 0, 0, (off_t)bytes) ? -errno : 0;
	while (ret == -EINTR);
	if (ret != -EOPNOTSUPP)
		return ret;
	if (folder_free(v) < bytes)
		return -ENOSPC;
	return ftruncate(fd, (off_t)bytes) ? -errno : 0;
}

static int folder_create_object(struct volume *v, const char *name, uint64_t bytes, struct volume_object *out, struct smartssd_error *err)
{
	char file[FILE_NAME], path[PATH_MAX];
	struct smartssd_whole w;
	uint64_t room;
	int ret;

	snprintf(file, sizeof(file), "%s.obj", name);
	if (!faccessat(v->fd, file, F_OK, AT_SYMLINK_NOFOLLOW))
		return smartssd_fail(err, -EEXIST, "%s/%s is there already; remove it first", v->path, file);
	ret = path_of(v, file, path, err);
	if (!ret)
		ret = smartssd_whole_begin(&w, path, err);
	if (ret)
		return ret;
	ret = smartssd_whole_end(&w, reserve(v, w.fd, bytes));
	room = folder_free(v);
	if (ret == -ENOSPC && room < bytes)
		return smartssd_fail(err, ret, "%s: no room for %s of %llu bytes: %llu are free, %llu are missing; remove tables, or use another folder",
				     v->path, file, (unsigned long long)bytes, (unsigned long long)room, (unsigned long long)(bytes - room));
	if (ret)
		return smartssd_fail(err, ret, "%s: %s of %llu bytes cannot be made: %s", v->path, file, (unsigned long long)bytes, strerror(-ret));
	ret = sync_folder(v, file, err);
	return ret ? ret : folder_open_object(v, name, true, out, err);
}

static int folder_remove_object(struct volume *v, const char *name, struct smartssd_error *err)
{
	char file[FILE_NAME];

	snprintf(file, sizeof(file), "%s.obj", name);
	if (unlinkat(v->fd, file, 0))
		return smartssd_fail(err, -errno, "%s/%s: cannot be removed: %s", v->path, file, strerror(errno));
	return sync_folder(v, file, err);
}

/* Calls for each name in the folder until it returns non-zero. */
static int each_file(struct volume *v, int (*fn)(struct volume *v, const char *name, void *ctx), void *ctx)
{
	int fd = openat(v->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret = 0;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (!dir) {
		ret = -errno;
		if (fd >= 0)
			close(fd);
		return ret;
	}
	for (errno = 0; !ret && (e = readdir(dir)); errno = 0)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			ret = fn(v, e->d_name, ctx);
	if (!ret && errno)
		ret = -errno;
	closedir(dir);
	return ret;
}

struct names {
	char (*names)[VOLUME_NAME];
	uint32_t nr, room;
};

static int add_object(struct volume *v, const char *file, void *ctx)
{
	struct names *names = ctx;
	size_t n = strlen(file);
	char name[VOLUME_NAME];

	(void)v;
	if (n < 5 || n - 4 >= VOLUME_NAME || strcmp(file + n - 4, ".obj"))
		return 0;
	memcpy(name, file, n - 4);
	name[n - 4] = '\0';
	if (!volume_name_ok(name))
		return 0;
	if (smartssd_grow(&names->names, &names->room, (uint64_t)names->nr + 1, 64, sizeof(*names->names)))
		return -ENOMEM;
	strcpy(names->names[names->nr++], name);
	return 0;
}

static int folder_list(struct volume *v, char (**names)[VOLUME_NAME], uint32_t *nr, struct smartssd_error *err)
{
	struct names found = { NULL, 0, 0 };
	int ret = each_file(v, add_object, &found);

	if (ret) {
		free(found.names);
		return smartssd_fail(err, ret, "%s: cannot be listed: %s", v->path, strerror(-ret));
	}
	if (found.nr)
		qsort(found.names, found.nr, sizeof(*found.names), volume_compare_names);
	*names = found.names;
	*nr = found.nr;
	return 0;
}

/* "manifest.json.0123abcd.tmp": whole.h's, for a file of ours */
static bool is_leftover(const char *file)
{
	size_t n = strlen(file);

	if (n < 13 + 4 || strcmp(file + n - 4, ".tmp") || file[n - 13] != '.' || strspn(file + n - 12, "0123456789abcdef") != 8)
		return false;
	return (n >= 13 + 5 && !strncmp(file + n - 13 - 5, ".json", 5)) || !strncmp(file + n - 13 - 4, ".obj", 4);
}

static int remove_leftover(struct volume *v, const char *file, void *ctx)
{
	(void)ctx;
	if (is_leftover(file))
		unlinkat(v->fd, file, 0);
	return 0;
}

/* What an empty folder may have: a filesystem's own, and what we make before volume.json. */
static int find_stranger(struct volume *v, const char *file, void *ctx)
{
	struct stat st;

	if (!strcmp(file, "lost+found"))
		return 0;
	/* None of ours is a symbolic link; through one, something elsewhere would be replaced. */
	if ((!strcmp(file, "lock") || !strcmp(file, "manifest.json") || is_leftover(file)) && !fstatat(v->fd, file, &st, AT_SYMLINK_NOFOLLOW) &&
	    S_ISREG(st.st_mode))
		return 0;
	snprintf(ctx, NAME_MAX + 1, "%s", file);
	return 1;
}

/* volume.json is not there: is there what a volume has, so that it was lost? -EBADMSG. */
static int check_remains(struct volume *v, struct smartssd_error *err)
{
	char(*names)[VOLUME_NAME], *text;
	uint64_t generation;
	uint32_t nr;
	int ret = folder_list(v, &names, &nr, err);

	if (ret)
		return ret;
	if (nr)
		ret = smartssd_fail(err, -EBADMSG, "%s: no volume.json is in it, but objects are (%s.obj): if it was a volume of a store, restore its volume.json from a "
				    "backup; else name another folder", v->path, names[0]);
	free(names);
	if (ret || folder_load(v, &text, &generation, NULL))
		return ret;
	if (*text)
		ret = smartssd_fail(err, -EBADMSG, "%s: no volume.json is in it, but the manifest.json of a store is: restore volume.json from a backup", v->path);
	free(text);
	return ret;
}

/* A folder that is to become a volume has nothing in it that would be lost. */
static int check_empty(struct volume *v, struct smartssd_error *err)
{
	char stranger[NAME_MAX + 1];
	int ret = check_remains(v, err);

	if (ret)
		return ret;
	ret = each_file(v, find_stranger, stranger);
	if (ret > 0)
		return smartssd_fail(err, -EEXIST, "%s: neither a volume nor empty: '%.60s' is in it; name a new folder", v->path, stranger);
	return ret ? smartssd_fail(err, ret, "%s: %s", v->path, strerror(-ret)) : 0;
}

static int make(struct volume *v, struct smartssd_error *err)
{
	uint8_t id[16];
	int ret = check_empty(v, err);

	if (ret)
		return ret;
	ret = volume_new_uuid(id);
	if (ret)
		return smartssd_fail(err, ret, "%s: %s", v->path, strerror(-ret));
	ret = write_manifest(v, 0, "", err);
	if (ret)
		return ret;
	volume_uuid_text(id, v->uuid);
	return write_json(v, "volume.json", json_pack("{s:s, s:i, s:s}", "magic", MAGIC, "version", 1, "uuid", v->uuid), err);
}

/* Not just that it cannot be looked at. */
static bool has_no_volume(struct volume *v)
{
	return faccessat(v->fd, "volume.json", F_OK, AT_SYMLINK_NOFOLLOW) && errno == ENOENT;
}

/* The block of what lies in this folder: that of volume.json. */
static int find_block(struct volume *v, struct smartssd_error *err)
{
	uint32_t align;
	int fd = volume_open_direct(v->fd, "volume.json", O_RDONLY | O_NOFOLLOW, &align);

	if (fd < 0)
		return smartssd_fail(err, fd, "%s/volume.json: %s", v->path, strerror(-fd));
	close(fd);
	v->block = align > 1 ? align : VOLUME_ALIGN;
	return 0;
}

static int identify(struct volume *v, struct smartssd_error *err)
{
	const char *magic, *uuid;
	json_t *root;
	int version, ret = read_json(v, "volume.json", &root, err);

	if (ret == -ENOENT && check_remains(v, err))
		return -EBADMSG;
	if (ret == -ENOENT)
		return smartssd_fail(err, -EBADMSG, "%s is no store: there is no volume.json in it; `smartssd table import` makes one", v->path);
	if (ret)
		return ret;
	if (json_unpack(root, "{s:s, s:i, s:s}", "magic", &magic, "version", &version, "uuid", &uuid) || strcmp(magic, MAGIC))
		ret = smartssd_fail(err, -EBADMSG, "%s/volume.json is not one of ours: no magic \"" MAGIC "\", version and uuid", v->path);
	else if (version != 1)
		ret = smartssd_fail(err, -EBADMSG, "%s/volume.json has version %d; this program reads version 1: use a newer one", v->path, version);
	else if (!volume_uuid_ok(uuid))
		ret = smartssd_fail(err, -EBADMSG, "%s/volume.json is damaged: uuid \"%.40s\"; restore it from a backup", v->path, uuid);
	else
		strcpy(v->uuid, uuid);
	json_decref(root);
	return ret ? ret : find_block(v, err);
}

/* A new folder is durable when the one that it is in is. */
static int make_folder(struct volume *v, struct smartssd_error *err)
{
	char parent[PATH_MAX];
	int fd;

	if (mkdir(v->path, 0777) && errno != EEXIST)
		return smartssd_fail(err, -errno, "%s: the folder cannot be made: %s", v->path, strerror(errno));
	if (snprintf(parent, sizeof(parent), "%s/..", v->path) >= (int)sizeof(parent))
		return 0;
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	return 0;
}

static int become_writer(struct volume *v, struct smartssd_error *err)
{
	int ret;

	v->lock = openat(v->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
	if (v->lock < 0)
		return smartssd_fail(err, -errno, "%s/lock: cannot be opened for writing: %s", v->path, strerror(errno));
	ret = volume_lock_writer(v, v->lock, err);
	if (!ret)
		each_file(v, remove_leftover, NULL);
	return ret;
}

static int open_folder(struct volume *v, struct smartssd_error *err)
{
	v->fd = open(v->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (v->fd < 0 || !realpath(v->path, v->real))
		return smartssd_fail(err, -errno, "%s: cannot be opened: %s", v->path, strerror(errno));
	return 0;
}

static int folder_make(struct volume *v, struct smartssd_error *err)
{
	int ret = v->fd < 0 ? make_folder(v, err) : 0;

	if (!ret && v->fd < 0)
		ret = open_folder(v, err);
	if (!ret)
		ret = become_writer(v, err);
	if (!ret && !has_no_volume(v))
		ret = smartssd_fail(err, -EBUSY, "%s: another process made a store of it just now; once more, if that one is meant", v->path);
	if (!ret)
		ret = make(v, err);
	return ret ? ret : find_block(v, err);
}

static const struct volume_ops ops = {
	.make = folder_make,
	.load = folder_load,
	.save = folder_save,
	.create_object = folder_create_object,
	.open_object = folder_open_object,
	.remove_object = folder_remove_object,
	.list_objects = folder_list,
	.free = folder_free,
};

/* A folder that is not there: where it would be, and whether it could be made there. */
static int find_place(struct volume *v, struct smartssd_error *err)
{
	char parent[PATH_MAX];
	const char *name;
	size_t n;

	if (snprintf(parent, sizeof(parent), "%s", v->path) >= (int)sizeof(parent))
		return smartssd_fail(err, -ENAMETOOLONG, "%s: the path is too long", v->path);
	for (n = strlen(parent); n > 1 && parent[n - 1] == '/';)
		parent[--n] = '\0';
	name = strrchr(parent, '/');
	name = name ? name + 1 : parent;
	n = (size_t)(name - parent);
	name = v->path + n;
	parent[n] = '\0';
	if (!realpath(n ? parent : ".", v->real) || faccessat(AT_FDCWD, v->real, W_OK | X_OK, AT_EACCESS))
		return smartssd_fail(err, -errno, "%s: the folder cannot be made: %s", v->path, strerror(errno));
	n = strlen(v->real);
	if (snprintf(v->real + n, sizeof(v->real) - n, "/%.*s", (int)strcspn(name, "/"), name) >= (int)(sizeof(v->real) - n))
		return smartssd_fail(err, -ENAMETOOLONG, "%s: the path is too long", v->path);
	return 0;
}

int volume_folder_open(struct volume *v, struct smartssd_error *err)
{
	bool create = v->flags & VOLUME_CREATE;
	int ret;

	v->ops = &ops;
	if (create && access(v->path, F_OK) && errno == ENOENT) {
		v->is_new = true;
		return find_place(v, err);
	}
	ret = open_folder(v, err);
	if (ret)
		return ret;
	if (!(v->flags & VOLUME_WRITE) || (has_no_volume(v) && !create))
		return identify(v, err);
	if (!has_no_volume(v)) {
		ret = become_writer(v, err);
		return ret ? ret : identify(v, err);
	}
	/* No file is made in a folder that is something else. */
	ret = check_empty(v, err);
	if (!ret && faccessat(AT_FDCWD, v->real, W_OK | X_OK, AT_EACCESS))
		ret = smartssd_fail(err, -errno, "%s: no volume can be made in it: %s", v->path, strerror(errno));
	v->is_new = !ret;
	return ret;
}
