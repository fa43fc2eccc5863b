// SPDX-License-Identifier: BSD-2-Clause
/* Traces on disk: trace.h says how. */
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../private.h"
#include "../whole.h"
#include "npz.h"
#include "trace_impl.h"

static struct smartssd_array array_of(uint64_t nr)
{
	return (struct smartssd_array){ .type = SMARTSSD_I8, .ndim = 1, .shape = { nr }, .bytes = nr * sizeof(int64_t) };
}

static int in_folder(const char *folder, const char *name, char path[PATH_MAX], struct smartssd_error *err)
{
	if (snprintf(path, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
		return smartssd_fail(err, -ENAMETOOLONG, "%.200s...: the path is too long", folder);
	return 0;
}

static int save_text(const char *path, const char *text, struct smartssd_error *err)
{
	struct smartssd_whole file;
	int ret = smartssd_whole_begin(&file, path, err);

	if (ret)
		return ret;
	ret = smartssd_whole_end(&file, smartssd_whole_write(&file, text, strlen(text)));
	return ret ? smartssd_fail(err, ret, "%s: cannot be written: %s", path, strerror(-ret)) : 0;
}

/* model.json goes first and comes last: without it the folder is no trace. */
static int save_folder(const struct trace *t, const char *text, const char *folder, struct smartssd_error *err)
{
	uint64_t bags = t->queries * t->model.tables;
	struct smartssd_array offsets = array_of(bags + 1), indices = array_of((uint64_t)t->offsets[bags]);
	char path[PATH_MAX], model[PATH_MAX];
	int ret = in_folder(folder, "model.json", model, err);

	if (ret)
		return ret;
	if (mkdir(folder, 0777) && errno != EEXIST)
		return smartssd_fail(err, -errno, "%s: cannot be made: %s", folder, strerror(errno));
	if (unlink(model) && errno != ENOENT)
		return smartssd_fail(err, -errno, "%s: cannot be replaced: %s", model, strerror(errno));
	ret = in_folder(folder, "offsets.npy", path, err);
	if (!ret)
		ret = smartssd_npy_save(path, &offsets, t->offsets, err);
	if (!ret)
		ret = in_folder(folder, "indices.npy", path, err);
	if (!ret)
		ret = smartssd_npy_save(path, &indices, t->indices, err);
	return ret ? ret : save_text(model, text, err);
}

static int save_npz(const struct trace *t, const char *text, const char *path, struct smartssd_error *err)
{
	uint64_t bags = t->queries * t->model.tables;
	struct smartssd_array offsets = array_of(bags + 1), indices = array_of((uint64_t)t->offsets[bags]);
	const struct npz_part parts[] = {
		{ "model.json", NULL, text, strlen(text) },
		{ "offsets.npy", &offsets, t->offsets, offsets.bytes },
		{ "indices.npy", &indices, t->indices, indices.bytes },
	};

	return npz_save(path, parts, ARRAY_SIZE(parts), err);
}

int trace_save(const struct trace *t, const char *path, struct smartssd_error *err)
{
	const char *dot = strrchr(path, '.');
	char *text = trace_model_text(&t->model);
	int ret;

	if (!text)
		return smartssd_fail(err, -ENOMEM, "%s: no memory", path);
	ret = dot && !strcmp(dot, ".npz") ? save_npz(t, text, path, err) : save_folder(t, text, path, err);
	free(text);
	return ret;
}

/* ---- loading ---- */

/* A list of int64. @nr: how many. */
static int expect_i8(const struct smartssd_array *a, const char *where, const char *name, uint64_t *nr, struct smartssd_error *err)
{
	if (a->type != SMARTSSD_I8)
		return smartssd_fail(err, -EOPNOTSUPP, "%s: %s has elements of type %s; convert with a.astype(np.int64)", where, name, smartssd_type_name(a->type));
	if (a->ndim != 1)
		return smartssd_fail(err, -EBADMSG, "%s: %s has %u dimensions; it must be a list, a.reshape(-1)", where, name, a->ndim);
	*nr = a->shape[0];
	return 0;
}

static int missing(const char *where, const char *name, struct smartssd_error *err)
{
	return smartssd_fail(err, -ENOENT, "%s: no trace: it has no %s", where, name);
}

/* A member that is a .npy file: its elements alone, moved to the beginning of their memory. */
static int load_member(const struct npz *z, const char *name, struct smartssd_array *array, void **data, struct smartssd_error *err)
{
	struct smartssd_error why = { "" };
	struct npz_member m;
	int ret = npz_find(z, name, &m, err);

	*data = NULL;
	if (!ret)
		ret = npz_read(z, name, &m, data, err);
	if (ret)
		return ret;
	ret = smartssd_npy_parse(*data, m.bytes, m.bytes, array, &why);
	if (ret) {
		free(*data);
		*data = NULL;
		return smartssd_fail(err, ret, "%s: %s: %s", z->path, name, why.text);
	}
	memmove(*data, (uint8_t *)*data + array->offset, array->bytes);
	return 0;
}

static int load_npz_list(const struct npz *z, const char *name, int64_t **data, uint64_t *nr, struct smartssd_error *err)
{
	struct smartssd_array array;
	void *p;
	int ret = load_member(z, name, &array, &p, err);

	if (ret == -ENOENT)
		return missing(z->path, name, err);
	if (!ret)
		ret = expect_i8(&array, z->path, name, nr, err);
	if (ret)
		free(p);
	else
		*data = p;
	return ret;
}

static int load_npz_model(const struct npz *z, struct trace_model *model, struct smartssd_error *err)
{
	struct smartssd_array array = { 0 };
	struct npz_member m;
	void *text = NULL;
	int ret = npz_find(z, "model.json", &m, err);

	if (!ret) {
		ret = npz_read(z, "model.json", &m, &text, err);
		array.bytes = m.bytes;
	} else if (ret == -ENOENT) {
		ret = load_member(z, "model.npy", &array, &text, err);
		if (ret == -ENOENT)
			return missing(z->path, "model.json (nor model.npy)", err);
		/* np.array(text) has elements that no .npy of ours has: -EOPNOTSUPP from there, too. */
		if (ret == -EOPNOTSUPP || (!ret && array.type != SMARTSSD_U1))
			ret = smartssd_fail(err, -EOPNOTSUPP, "%s: model.npy must be the text of a config.json as numbers of type u1: write model=np.frombuffer(text.encode(), np.uint8)", z->path);
	}
	if (!ret)
		ret = trace_model_parse(text, array.bytes, z->path, model, err);
	free(text);
	return ret;
}

static int load_folder_list(const char *folder, const char *name, int64_t **data, uint64_t *nr, struct smartssd_error *err)
{
	struct smartssd_array array;
	char path[PATH_MAX];
	void *p = NULL;
	int ret = in_folder(folder, name, path, err);

	if (!ret)
		ret = smartssd_npy_load(path, &array, &p, err);
	if (!ret)
		ret = expect_i8(&array, folder, name, nr, err);
	if (ret)
		free(p);
	else
		*data = p;
	return ret;
}

static int load_folder_model(const char *folder, struct trace_model *model, struct smartssd_error *err)
{
	struct trace_model *m;
	char path[PATH_MAX];
	int ret = in_folder(folder, "model.json", path, err);

	if (!ret)
		ret = trace_model_load(path, &m, err);
	if (ret)
		return ret;
	*model = *m;
	free(m);
	return 0;
}

/* The sizes against each other, so that everything can be looked at; then trace_check(). */
static int check_loaded(struct trace *t, const char *path, uint64_t nr_offsets, uint64_t nr_indices, struct smartssd_error *err)
{
	if (!nr_offsets || (nr_offsets - 1) % t->model.tables)
		return smartssd_fail(err, -EBADMSG, "%s: offsets.npy has %llu numbers; it must be a multiple of the model's %u tables, and 1", path,
				     (unsigned long long)nr_offsets, t->model.tables);
	t->queries = (nr_offsets - 1) / t->model.tables;
	/* All others lie between the first and the last one when they ascend, and nothing is looked at before they do. */
	if (t->offsets[nr_offsets - 1] < 0 || (uint64_t)t->offsets[nr_offsets - 1] != nr_indices)
		return smartssd_fail(err, -EBADMSG, "%s: the last offset is %lld, but indices.npy has %llu numbers", path, (long long)t->offsets[nr_offsets - 1],
				     (unsigned long long)nr_indices);
	for (uint64_t i = 0; i < nr_offsets; i++)
		if (t->offsets[i] < 0 || (uint64_t)t->offsets[i] > nr_indices)
			return smartssd_fail(err, -EBADMSG, "%s: offset %llu is %lld, but indices.npy has %llu numbers", path, (unsigned long long)i,
					     (long long)t->offsets[i], (unsigned long long)nr_indices);
	return trace_check(t, path, err);
}

int trace_load(const char *path, struct trace *out, struct smartssd_error *err)
{
	uint64_t nr_offsets = 0, nr_indices = 0;
	struct npz z;
	struct stat st;
	int ret;

	memset(out, 0, sizeof(*out));
	if (stat(path, &st))
		return smartssd_fail(err, -errno, "%s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode)) {
		ret = load_folder_model(path, &out->model, err);
		if (!ret)
			ret = load_folder_list(path, "offsets.npy", &out->offsets, &nr_offsets, err);
		if (!ret)
			ret = load_folder_list(path, "indices.npy", &out->indices, &nr_indices, err);
	} else {
		ret = npz_open(path, &z, err);
		if (ret)
			return ret;
		ret = load_npz_model(&z, &out->model, err);
		if (!ret)
			ret = load_npz_list(&z, "offsets.npy", &out->offsets, &nr_offsets, err);
		if (!ret)
			ret = load_npz_list(&z, "indices.npy", &out->indices, &nr_indices, err);
		npz_close(&z);
	}
	if (!ret)
		ret = check_loaded(out, path, nr_offsets, nr_indices, err);
	if (ret)
		trace_free(out);
	return ret;
}
