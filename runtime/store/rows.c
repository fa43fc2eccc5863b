// SPDX-License-Identifier: BSD-2-Clause
/* Rows to import: .npy, .safetensors. Only what is asked for is read. */
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../private.h"
#include "safetensors.h"
#include "store.h"

enum element { ELEMENT_F32, ELEMENT_F16, ELEMENT_BF16, ELEMENT_INT8_ROWS, ELEMENT_MADE };

struct store_rows {
	int fd;
	enum element element;
	uint64_t rows;
	uint32_t dim;
	uint32_t row_bytes;
	uint64_t offset;
	char from[256]; /* for texts */
	char path[256]; /* for people: from anywhere */
	char identity[400];
	uint8_t *buffer;
	size_t room;
	struct store_rows_source source; /* ELEMENT_MADE */
};

/* [rows][dim] of elements, or of u1: [rows][dim + 8], FBGEMM's fused rows. */
static int take_shape(struct store_rows *r, uint32_t ndim, const uint64_t *shape, struct smartssd_error *err)
{
	uint64_t dim = ndim == 2 ? shape[1] : 0;

	if (r->element == ELEMENT_INT8_ROWS)
		dim = dim > 8 ? dim - 8 : 0;
	if (ndim != 2 || dim == 0 || dim > ROWFMT_MAX_DIM)
		return smartssd_fail(err, -EINVAL, "%s: a table has two dimensions, rows and %s; this has %u%s", r->from,
				     r->element == ELEMENT_INT8_ROWS ? "9 to 4104 bytes (int8-rowwise: elements, float scale, float bias)" : "1 to 4096 elements",
				     ndim, ndim == 2 ? ", the second out of that range" : "");
	r->rows = shape[0];
	r->dim = (uint32_t)dim;
	r->row_bytes = r->element == ELEMENT_F32 ? r->dim * 4 : r->element == ELEMENT_INT8_ROWS ? r->dim + 8 : r->dim * 2;
	return r->rows ? 0 : smartssd_fail(err, -EINVAL, "%s: no rows", r->from);
}

static int open_npy(const char *path, struct store_rows *r, struct smartssd_error *err)
{
	struct smartssd_array a;
	int ret = smartssd_npy_open(path, &a, &r->fd, err);

	if (ret)
		return ret;
	r->offset = a.offset;
	r->element = a.type == SMARTSSD_F4 ? ELEMENT_F32 : a.type == SMARTSSD_F2 ? ELEMENT_F16 : ELEMENT_INT8_ROWS;
	if (r->element == ELEMENT_INT8_ROWS && a.type != SMARTSSD_U1)
		return smartssd_fail(err, -EOPNOTSUPP, "%s: elements of type %s; a table has f4 or f2 (or u1: int8-rowwise rows)", r->from,
				     smartssd_type_name(a.type));
	return take_shape(r, a.ndim, a.shape, err);
}

/* Of many the first ones, those with two dimensions: tables. */
static void name_tensors(const struct safetensors *s, char *out, size_t room)
{
	size_t at = 0;

	*out = 0;
	for (uint32_t i = 0; i < s->nr && at + 8 < room; i++) {
		int n = s->tensors[i].ndim == 2 ? snprintf(out + at, room - at, "%s'%.60s'", at ? ", " : "", s->tensors[i].name) : 0;

		if (n < 0 || (size_t)n >= room - at - 6) {
			strcpy(out + at, ", ...");
			return;
		}
		at += (size_t)n;
	}
}

static int open_safetensors(const char *path, const char *tensor, struct store_rows *r, struct smartssd_error *err)
{
	const struct st_tensor *t = NULL;
	struct safetensors s;
	char names[240];
	int ret = safetensors_open(path, &s, &r->fd, err);

	if (ret)
		return ret;
	if (tensor)
		t = safetensors_find(&s, tensor);
	else if (s.nr == 1)
		t = &s.tensors[0];
	if (!t) {
		name_tensors(&s, names, sizeof(names));
		if (tensor)
			ret = smartssd_fail(err, -ENOENT, "%s: no tensor '%.60s'; those with two dimensions: %s", path, tensor, *names ? names : "none");
		else
			ret = smartssd_fail(err, -ENOENT, "%s: which tensor? Name one of its %u as FILE:TENSOR; those with two dimensions: %s", path, s.nr,
					    *names ? names : "none");
	} else if (t->type != ST_F32 && t->type != ST_F16 && t->type != ST_BF16 && t->type != ST_U8) {
		ret = smartssd_fail(err, -EOPNOTSUPP, "%s: elements of type %s; a table has F32, F16 or BF16 (or U8: int8-rowwise rows)", r->from, t->type_name);
	}
	if (!ret) {
		r->element = t->type == ST_F32 ? ELEMENT_F32 : t->type == ST_F16 ? ELEMENT_F16 : t->type == ST_BF16 ? ELEMENT_BF16 :
														      ELEMENT_INT8_ROWS;
		r->offset = t->offset;
		ret = take_shape(r, t->ndim, t->shape, err);
	}
	safetensors_free(&s);
	return ret;
}

/* "F.safetensors:TENSOR": cut at the colon behind the suffix, as either part may have others. */
static int open_by_name(const char *from, struct store_rows *r, struct smartssd_error *err)
{
	static const char suffix[] = ".safetensors";
	size_t length = strlen(from);
	const char *at = strstr(from, ".safetensors:");
	char *path;
	int ret;

	if (length >= 4 && !strcmp(from + length - 4, ".npy") && !at)
		return open_npy(from, r, err);
	if (!at && (length < sizeof(suffix) - 1 || strcmp(from + length - (sizeof(suffix) - 1), suffix)))
		return smartssd_fail(err, -EINVAL, "%s: rows come from a .npy or a .safetensors file (FILE.safetensors:TENSOR)", from);
	path = at ? strndup(from, (size_t)(at - from) + sizeof(suffix) - 1) : strdup(from);
	if (!path)
		return smartssd_fail(err, -ENOMEM, "%s: out of memory", from);
	ret = open_safetensors(path, at ? at + sizeof(suffix) : NULL, r, err);
	free(path);
	return ret;
}

/* Not its name: that may be another file by the time an import goes on. */
static int identify(const struct store_rows *r, char identity[400], struct smartssd_error *err)
{
	struct stat st;

	if (fstat(r->fd, &st))
		return smartssd_fail(err, -errno, "%s: %s", r->from, strerror(errno));
	snprintf(identity, 400, "%llx:%llx:%llu:%lld.%09ld:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino, (unsigned long long)st.st_size,
		 (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (unsigned long long)r->offset);
	return 0;
}

/* Where it is, wherever we were started. Too long, or no text for a manifest: as it was given, or not at all. */
static void find_path(const char *from, char path[256])
{
	char folder[PATH_MAX], real[PATH_MAX];
	const char *slash = strrchr(from, '/'), *name = slash ? slash + 1 : from;

	*path = 0;
	if ((size_t)(name - from) < sizeof(folder)) {
		snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(name - from) : 1, slash ? from : ".");
		if (!realpath(folder, real) || snprintf(path, 256, "%s/%s", strcmp(real, "/") ? real : "", name) >= 256)
			*path = 0;
	}
	for (const char *p = path; *p; p++)
		if (*p < ' ' || *p == 127) {
			*path = 0;
			break;
		}
}

int store_rows_open(const char *from, struct store_rows **out, struct smartssd_error *err)
{
	struct store_rows *r = calloc(1, sizeof(*r));
	int ret;

	*out = NULL;
	if (!r)
		return smartssd_fail(err, -ENOMEM, "%s: out of memory", from);
	r->fd = -1;
	snprintf(r->from, sizeof(r->from), "%s", from);
	find_path(from, r->path);
	ret = open_by_name(from, r, err);
	if (!ret)
		ret = identify(r, r->identity, err);
	if (ret) {
		store_rows_close(r);
		return ret;
	}
	*out = r;
	return 0;
}

int store_rows_from(const struct store_rows_source *source, struct store_rows **out, struct smartssd_error *err)
{
	struct store_rows *r;

	*out = NULL;
	if (!source->rows || !source->dim || source->dim > ROWFMT_MAX_DIM || strlen(source->identity) >= sizeof(r->identity))
		return smartssd_fail(err, -EINVAL, "%.100s: %llu rows of %u; a table has at least one, of 1 to %u elements", source->identity,
				     (unsigned long long)source->rows, source->dim, ROWFMT_MAX_DIM);
	r = calloc(1, sizeof(*r));
	if (!r)
		return smartssd_fail(err, -ENOMEM, "%s: out of memory", source->identity);
	r->fd = -1;
	r->element = ELEMENT_MADE;
	r->rows = source->rows;
	r->dim = source->dim;
	r->source = *source;
	snprintf(r->from, sizeof(r->from), "%s", source->identity);
	snprintf(r->path, sizeof(r->path), "%s", source->identity);
	snprintf(r->identity, sizeof(r->identity), "%s", source->identity);
	*out = r;
	return 0;
}

int store_rows_unchanged(const struct store_rows *r, struct smartssd_error *err)
{
	char now[sizeof(r->identity)];
	int ret;

	if (r->element == ELEMENT_MADE)
		return 0;
	ret = identify(r, now, err);
	if (!ret && strcmp(now, r->identity))
		ret = smartssd_fail(err, -ESTALE, "%s was written to while it was read: import it again when nobody writes to it", r->from);
	return ret;
}

void store_rows_close(struct store_rows *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	free(r->buffer);
	free(r);
}

uint64_t store_rows_count(const struct store_rows *r)
{
	return r->rows;
}

uint32_t store_rows_dim(const struct store_rows *r)
{
	return r->dim;
}

uint32_t store_rows_format(const struct store_rows *r)
{
	return r->element == ELEMENT_INT8_ROWS ? SMARTSSD_ROWS_INT8 : r->element == ELEMENT_F16 ? SMARTSSD_ROWS_FP16 : SMARTSSD_ROWS_FP32;
}

const char *store_rows_identity(const struct store_rows *r)
{
	return r->identity;
}

const char *store_rows_path(const struct store_rows *r)
{
	return r->path;
}

/* @in: as they are in the file. */
static void to_floats(const struct store_rows *r, const uint8_t *in, uint64_t nr, float *out)
{
	switch (r->element) {
	case ELEMENT_F32:
		memcpy(out, in, nr * r->row_bytes);
		break;
	case ELEMENT_F16:
		rowfmt_decode(SMARTSSD_ROWS_FP16, r->dim, in, nr, out);
		break;
	case ELEMENT_BF16:
		for (uint64_t i = 0; i < nr * r->dim; i++) {
			uint32_t bits = (uint32_t)in[i * 2] << 16 | (uint32_t)in[i * 2 + 1] << 24;

			memcpy(&out[i], &bits, sizeof(bits));
		}
		break;
	case ELEMENT_INT8_ROWS:
		rowfmt_decode(SMARTSSD_ROWS_INT8, r->dim, in, nr, out);
		break;
	case ELEMENT_MADE: /* never comes here */
		break;
	}
}

static int read_raw(struct store_rows *r, uint64_t from, uint64_t nr, void *out, struct smartssd_error *err)
{
	int ret = smartssd_read_all(r->fd, out, nr * r->row_bytes, r->offset + from * r->row_bytes);

	return ret ? smartssd_fail(err, ret, "%s: rows from %llu on cannot be read: %s; is it shorter than it was?", r->from, (unsigned long long)from,
				   strerror(-ret)) : 0;
}

int store_rows_read(struct store_rows *r, uint64_t from, uint64_t nr, float *out, struct smartssd_error *err)
{
	size_t bytes;
	int ret;

	if (from > r->rows || nr > r->rows - from || __builtin_mul_overflow(nr, r->row_bytes, &bytes))
		return smartssd_fail(err, -ERANGE, "%s: rows %llu to %llu of %llu", r->from, (unsigned long long)from, (unsigned long long)(from + nr),
				     (unsigned long long)r->rows);
	if (r->element == ELEMENT_MADE)
		return r->source.read(r->source.ctx, from, nr, out, err);
	if (bytes > r->room) {
		uint8_t *more = realloc(r->buffer, bytes);

		if (!more)
			return smartssd_fail(err, -ENOMEM, "%s: out of memory", r->from);
		r->buffer = more;
		r->room = bytes;
	}
	ret = read_raw(r, from, nr, r->buffer, err);
	if (!ret)
		to_floats(r, r->buffer, nr, out);
	return ret;
}

/* All that they can stand for is finite. */
static bool int8_rows_finite(const uint8_t *rows, uint32_t dim, uint64_t nr, uint64_t *bad)
{
	for (uint64_t i = 0; i < nr; i++, rows += dim + 8) {
		float pair[2];

		memcpy(pair, rows + dim, sizeof(pair));
		*bad = i;
		if (!isfinite(pair[1]) || !isfinite(255 * pair[0] + pair[1]))
			return false;
	}
	return true;
}

int store_rows_encode(struct store_rows *r, uint64_t from, uint64_t nr, uint32_t format, float *values, void *out, struct smartssd_error *err)
{
	uint64_t bad = 0;
	bool good;
	int ret;

	if (r->element == ELEMENT_INT8_ROWS && format == SMARTSSD_ROWS_INT8) {
		/* They are what the table wants: kept to the byte. */
		ret = read_raw(r, from, nr, out, err);
		good = ret || int8_rows_finite(out, r->dim, nr, &bad);
	} else {
		ret = store_rows_read(r, from, nr, values, err);
		good = ret || !rowfmt_encode(format, r->dim, values, nr, out, &bad);
	}
	if (good)
		return ret;
	return smartssd_fail(err, -EDOM, "%s: row %llu has a number that is not finite, or that %s cannot hold", r->from, (unsigned long long)(from + bad),
			     rowfmt_name(format));
}
