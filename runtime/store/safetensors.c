// SPDX-License-Identifier: BSD-2-Clause
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../private.h"
#include "safetensors.h"

static const struct {
	const char *name;
	enum st_type type;
	uint32_t bytes;
} types[] = {
	{ "F32", ST_F32, 4 },	{ "F16", ST_F16, 2 },	{ "BF16", ST_BF16, 2 }, { "U8", ST_U8, 1 },	{ "I8", ST_I8, 1 },
	{ "I64", ST_I64, 8 },	{ "F64", ST_OTHER, 8 }, { "I32", ST_OTHER, 4 }, { "I16", ST_OTHER, 2 }, { "U16", ST_OTHER, 2 },
	{ "U32", ST_OTHER, 4 }, { "U64", ST_OTHER, 8 }, { "BOOL", ST_OTHER, 1 }, { "C64", ST_OTHER, 8 },
	{ "F8_E4M3", ST_OTHER, 1 }, { "F8_E5M2", ST_OTHER, 1 }, { "F8_E8M0", ST_OTHER, 1 },
};

/* A non-negative JSON integer. */
static bool whole_number(const json_t *value, uint64_t *out)
{
	*out = json_is_integer(value) ? (uint64_t)json_integer_value(value) : 0;
	return json_is_integer(value) && json_integer_value(value) >= 0;
}

static int parse_tensor(const char *name, const json_t *what, uint64_t data, uint64_t file_bytes, struct st_tensor *t, struct smartssd_error *err)
{
	const json_t *dtype = json_object_get(what, "dtype"), *shape = json_object_get(what, "shape"), *place = json_object_get(what, "data_offsets");
	uint64_t begin, end, bytes;
	bool empty = false;
	size_t i;

	if (!json_is_string(dtype) || !json_is_array(shape) || !json_is_array(place) || json_array_size(place) != 2)
		return smartssd_fail(err, -EBADMSG, "safetensors: tensor '%.60s': needs dtype, shape and data_offsets [begin, end]", name);
	for (i = 0; i < ARRAY_SIZE(types) && strcmp(types[i].name, json_string_value(dtype)); i++)
		;
	if (i == ARRAY_SIZE(types))
		return smartssd_fail(err, -EOPNOTSUPP, "safetensors: tensor '%.60s': dtype '%.20s' is not known", name, json_string_value(dtype));
	t->type = types[i].type;
	snprintf(t->type_name, sizeof(t->type_name), "%s", types[i].name);
	bytes = types[i].bytes;
	if (json_array_size(shape) > SMARTSSD_MAX_DIMS)
		return smartssd_fail(err, -EOPNOTSUPP, "safetensors: tensor '%.60s': %zu dimensions; at most %d are supported", name, json_array_size(shape), SMARTSSD_MAX_DIMS);
	t->ndim = (uint32_t)json_array_size(shape);
	for (i = 0; i < t->ndim; i++) {
		if (!whole_number(json_array_get(shape, i), &t->shape[i]))
			return smartssd_fail(err, -EBADMSG, "safetensors: tensor '%.60s': dimension %zu is not a whole number", name, i);
		empty |= t->shape[i] == 0;
	}
	for (i = 0; i < t->ndim && !empty; i++)
		if (__builtin_mul_overflow(bytes, t->shape[i], &bytes))
			return smartssd_fail(err, -EBADMSG, "safetensors: tensor '%.60s': its shape is too large", name);
	if (empty)
		bytes = 0;
	if (!whole_number(json_array_get(place, 0), &begin) || !whole_number(json_array_get(place, 1), &end) || begin > end)
		return smartssd_fail(err, -EBADMSG, "safetensors: tensor '%.60s': data_offsets are not [begin, end]", name);
	if (end > file_bytes - data)
		return smartssd_fail(err, -EBADMSG, "safetensors: tensor '%.60s' ends at byte %llu of the data, of which the file has %llu: was it cut short?", name,
				     (unsigned long long)end, (unsigned long long)(file_bytes - data));
	if (end - begin != bytes)
		return smartssd_fail(err, -EBADMSG, "safetensors: tensor '%.60s' has %llu bytes, its shape and dtype need %llu", name, (unsigned long long)(end - begin),
				     (unsigned long long)bytes);
	t->offset = data + begin;
	t->bytes = bytes;
	t->name = strdup(name);
	return t->name ? 0 : smartssd_fail(err, -ENOMEM, "safetensors: out of memory");
}

static int by_place(const void *a, const void *b)
{
	const struct st_tensor *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	if (x->bytes != y->bytes) /* empty ones lie before the one that begins there */
		return x->bytes < y->bytes ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int parse_all(const json_t *root, uint64_t data, uint64_t file_bytes, struct safetensors *out, struct smartssd_error *err)
{
	const char *name;
	json_t *what;

	out->tensors = calloc(json_object_size(root) + 1, sizeof(*out->tensors));
	if (!out->tensors)
		return smartssd_fail(err, -ENOMEM, "safetensors: out of memory");
	json_object_foreach((json_t *)root, name, what) {
		int ret;

		if (!strcmp(name, "__metadata__"))
			continue;
		if (!json_is_object(what))
			return smartssd_fail(err, -EBADMSG, "safetensors: '%.60s' is not a tensor", name);
		ret = parse_tensor(name, what, data, file_bytes, &out->tensors[out->nr], err);
		if (ret)
			return ret;
		out->nr++;
	}
	qsort(out->tensors, out->nr, sizeof(*out->tensors), by_place);
	for (uint32_t i = 1; i < out->nr; i++)
		if (out->tensors[i].offset < out->tensors[i - 1].offset + out->tensors[i - 1].bytes)
			return smartssd_fail(err, -EBADMSG, "safetensors: tensors '%.60s' and '%.60s' overlap", out->tensors[i - 1].name, out->tensors[i].name);
	return 0;
}

int safetensors_parse(const char *header, size_t bytes, uint64_t data, uint64_t file_bytes, struct safetensors *out, struct smartssd_error *err)
{
	json_error_t where;
	json_t *root;
	int ret;

	memset(out, 0, sizeof(*out));
	if (data > file_bytes)
		return smartssd_fail(err, -EBADMSG, "safetensors: the header is longer than the file");
	root = json_loadb(header, bytes, JSON_REJECT_DUPLICATES, &where);
	if (!root)
		return smartssd_fail(err, -EBADMSG, "safetensors: header, line %d column %d: %s", where.line, where.column, where.text);
	ret = json_is_object(root) ? parse_all(root, data, file_bytes, out, err) : smartssd_fail(err, -EBADMSG, "safetensors: the header is not an object");
	json_decref(root);
	if (ret)
		safetensors_free(out);
	return ret;
}

static int read_header(int fd, const char *path, uint64_t file_bytes, struct safetensors *out, struct smartssd_error *err)
{
	uint8_t raw[8];
	uint64_t bytes = 0;
	char *header;
	int ret;

	if (file_bytes < sizeof(raw))
		return smartssd_fail(err, -EBADMSG, "%s: %llu bytes: no safetensors file", path, (unsigned long long)file_bytes);
	ret = smartssd_read_all(fd, raw, sizeof(raw), 0);
	if (ret)
		return smartssd_fail(err, ret, "%s: %s", path, strerror(-ret));
	for (int i = 7; i >= 0; i--)
		bytes = bytes << 8 | raw[i];
	if (bytes > file_bytes - sizeof(raw) || bytes > ST_MAX_HEADER)
		return smartssd_fail(err, -EBADMSG, "%s: no safetensors file: it says that its header has %llu bytes (the file has %llu, a header at most %u)", path,
				     (unsigned long long)bytes, (unsigned long long)file_bytes, ST_MAX_HEADER);
	header = malloc(bytes + 1);
	if (!header)
		return smartssd_fail(err, -ENOMEM, "%s: out of memory", path);
	ret = smartssd_read_all(fd, header, bytes, sizeof(raw));
	if (ret)
		smartssd_fail(err, ret, "%s: %s", path, strerror(-ret));
	else
		ret = safetensors_parse(header, bytes, sizeof(raw) + bytes, file_bytes, out, err);
	free(header);
	return ret;
}

int safetensors_open(const char *path, struct safetensors *out, int *fd, struct smartssd_error *err)
{
	struct stat st;
	int ret;

	memset(out, 0, sizeof(*out));
	*fd = smartssd_open_read(path);
	if (*fd < 0 || fstat(*fd, &st))
		ret = smartssd_fail(err, -errno, "%s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		ret = smartssd_fail(err, -EINVAL, "%s: not a regular file", path);
	else
		ret = read_header(*fd, path, (uint64_t)st.st_size, out, err);
	if (ret && *fd >= 0)
		close(*fd);
	if (ret)
		*fd = -1;
	return ret;
}

const struct st_tensor *safetensors_find(const struct safetensors *s, const char *name)
{
	for (uint32_t i = 0; i < s->nr; i++)
		if (!strcmp(s->tensors[i].name, name))
			return &s->tensors[i];
	return NULL;
}

void safetensors_free(struct safetensors *s)
{
	for (uint32_t i = 0; i < s->nr; i++)
		free(s->tensors[i].name);
	free(s->tensors);
	memset(s, 0, sizeof(*s));
}
