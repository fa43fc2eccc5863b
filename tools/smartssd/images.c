// SPDX-License-Identifier: BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../../runtime/private.h"
#include "image.h"
#include "images.h"

struct images {
	struct images_form form;
	uint64_t elements; /* of one image */
	bool bytes, values;
	/* One .npy with all: */
	int fd;
	struct smartssd_array array;
	/* Or files: */
	char *folder, **names;
	uint64_t nr, file_bytes;
	void *raw; /* one image as it is in the file; f4 is the largest */
};

static const char *shape_text(const uint64_t *shape, uint32_t ndim, char text[200])
{
	size_t n = (size_t)snprintf(text, 200, "[");

	for (uint32_t i = 0; i < ndim; i++)
		n += (size_t)snprintf(text + n, 200 - n, "%s%llu", i ? ", " : "", (unsigned long long)shape[i]);
	snprintf(text + n, 200 - n, "]");
	return text;
}

/* Do the last dimensions of @array hold an image? @lead: how many there are before. */
static bool fits(const struct images *im, const struct smartssd_array *array, uint32_t *lead)
{
	uint32_t n = im->form.ndim;

	if (array->ndim < n)
		return false;
	*lead = array->ndim - n;
	return !memcmp(array->shape + *lead, im->form.shape, n * sizeof(array->shape[0]));
}

static int wrong_shape(const struct images *im, const char *path, const struct smartssd_array *array, bool one, struct smartssd_error *err)
{
	char has[200], wants[200];

	return smartssd_fail(err, -EINVAL, "%s: the array is %s %s; the network wants %s%s, f4 or u1", path, smartssd_type_name(array->type),
			     shape_text(array->shape, array->ndim, has), one ? "" : "N images of ", shape_text(im->form.shape, im->form.ndim, wants));
}

static int wrong_type(const char *path, const struct smartssd_array *array, struct smartssd_error *err)
{
	return smartssd_fail(err, -EINVAL, "%s: elements are %s; images are f4 (values) or u1 (bytes)", path, smartssd_type_name(array->type));
}

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n > m && !strcasecmp(name + n - m, end);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int read_folder(struct images *im, struct smartssd_error *err)
{
	DIR *dir = opendir(im->folder);
	uint64_t room = 0, other = 0;
	struct dirent *entry;

	if (!dir)
		return smartssd_fail(err, -errno, "%s: %s", im->folder, strerror(errno));
	while ((entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (name[0] == '.')
			continue;
		if (!ends_with(name, ".png") && !ends_with(name, ".ppm") && !ends_with(name, ".pgm") && !ends_with(name, ".npy")) {
			other++;
			continue;
		}
		if (im->nr == room) {
			char **more = realloc(im->names, (room = room ? 2 * room : 64) * sizeof(*more));

			if (!more)
				goto fail;
			im->names = more;
		}
		im->names[im->nr] = strdup(name);
		if (!im->names[im->nr])
			goto fail;
		im->nr++;
		im->bytes |= !ends_with(name, ".npy");
	}
	closedir(dir);
	if (!im->nr)
		return smartssd_fail(err, -EINVAL, "%s: no image in this folder: there is no .png, .ppm, .pgm or .npy among its %llu files; convert them first",
				     im->folder, (unsigned long long)other);
	qsort(im->names, im->nr, sizeof(*im->names), by_name);
	return 0;
fail:
	closedir(dir);
	return smartssd_fail(err, -ENOMEM, "%s: out of memory for the names of its files", im->folder);
}

static int open_array(struct images *im, const char *path, struct smartssd_error *err)
{
	uint32_t lead;
	int ret = smartssd_npy_open(path, &im->array, &im->fd, err);

	if (ret)
		return ret;
	if (!fits(im, &im->array, &lead) || lead > 1)
		return wrong_shape(im, path, &im->array, false, err);
	if (im->array.type != SMARTSSD_F4 && im->array.type != SMARTSSD_U1)
		return wrong_type(path, &im->array, err);
	im->nr = lead ? im->array.shape[0] : 1;
	im->bytes = im->array.type == SMARTSSD_U1;
	return im->nr ? 0 : smartssd_fail(err, -EINVAL, "%s: the array holds no image", path);
}

int images_open(const char *path, const struct images_form *form, struct images **out, struct smartssd_error *err)
{
	struct images *im = calloc(1, sizeof(*im));
	struct stat st;
	int ret = 0;

	*out = NULL;
	if (!im)
		return smartssd_fail(err, -ENOMEM, "%s: out of memory", path);
	im->form = *form;
	im->fd = -1;
	im->elements = 1;
	for (uint32_t i = 0; i < form->ndim; i++)
		if (__builtin_mul_overflow(im->elements, form->shape[i], &im->elements) || im->elements > UINT64_MAX / sizeof(float))
			ret = -EFBIG;
	im->raw = ret ? NULL : malloc(im->elements * sizeof(float) + 1);
	im->folder = strdup(path);
	if (!im->raw || !im->folder)
		ret = smartssd_fail(err, ret ?: -ENOMEM, "%s: out of memory for an image", path);
	else if (stat(path, &st))
		ret = smartssd_fail(err, -errno, "%s: %s", path, strerror(errno));
	else
		ret = S_ISDIR(st.st_mode) ? read_folder(im, err) : open_array(im, path, err);
	if (ret)
		images_close(im);
	else
		*out = im;
	return ret;
}

void images_close(struct images *im)
{
	if (!im)
		return;
	if (im->fd >= 0)
		close(im->fd);
	for (uint64_t i = 0; im->names && i < im->nr; i++)
		free(im->names[i]);
	free(im->names);
	free(im->folder);
	free(im->raw);
	free(im);
}

uint64_t images_count(const struct images *im)
{
	return im->nr;
}

bool images_bytes(const struct images *im)
{
	return im->bytes;
}

static void from_bytes(const struct images *im, const uint8_t *bytes, float *values)
{
	const struct images_form *f = &im->form;
	uint64_t area = f->nr_mean > 1 ? im->elements / f->nr_mean : im->elements;

	for (uint64_t i = 0; i < im->elements; i++) {
		uint64_t c = i / area;

		values[i] = ((float)bytes[i] * f->scale - f->mean[c]) / f->std[c];
	}
}

bool images_values(const struct images *im)
{
	return im->values;
}

uint64_t images_file_bytes(const struct images *im)
{
	return im->file_bytes;
}

const char *images_name(const struct images *im, uint64_t i)
{
	return im->names && i < im->nr ? im->names[i] : im->folder;
}

/* One image out of an open array at @offset. */
static int read_elements(struct images *im, int fd, uint32_t type, uint64_t offset, const char *path, float *values, struct smartssd_error *err)
{
	bool bytes = type == SMARTSSD_U1;
	int ret = smartssd_read_all(fd, bytes ? im->raw : values, im->elements * (bytes ? 1 : sizeof(float)), offset);

	if (ret)
		return smartssd_fail(err, ret, "%s: cannot be read: %s", path, strerror(-ret));
	im->values |= !bytes;
	if (bytes)
		from_bytes(im, im->raw, values);
	return 0;
}

static int read_npy(struct images *im, const char *path, float *values, struct smartssd_error *err)
{
	struct smartssd_array array;
	uint32_t lead;
	int fd, ret = smartssd_npy_open(path, &array, &fd, err);

	if (ret)
		return ret;
	if (!fits(im, &array, &lead) || lead > 1 || (lead && array.shape[0] != 1))
		ret = wrong_shape(im, path, &array, true, err);
	else if (array.type != SMARTSSD_F4 && array.type != SMARTSSD_U1)
		ret = wrong_type(path, &array, err);
	else
		ret = read_elements(im, fd, array.type, array.offset, path, values, err);
	im->bytes |= !ret && array.type == SMARTSSD_U1;
	close(fd);
	return ret;
}

static int read_picture(struct images *im, const char *path, float *values, struct smartssd_error *err)
{
	const struct images_form *f = &im->form;
	struct image picture;
	uint64_t area;
	uint8_t *to = im->raw;
	char wants[200];
	int ret;

	if (f->ndim != 3 || (f->shape[0] != 1 && f->shape[0] != 3))
		return smartssd_fail(err, -EINVAL, "%s: a picture has 1 or 3 channels of rows and columns; the network wants %s: give it .npy files", path,
				     shape_text(f->shape, f->ndim, wants));
	ret = image_load(path, &picture, err);
	if (ret)
		return ret;
	area = (uint64_t)picture.width * picture.height;
	if (picture.height != f->shape[1] || picture.width != f->shape[2]) {
		ret = smartssd_fail(err, -EINVAL, "%s: the picture is %u x %u pixels (width x height); the network wants %llu x %llu: resize and crop it first",
				    path, picture.width, picture.height, (unsigned long long)f->shape[2], (unsigned long long)f->shape[1]);
		goto out;
	}
	for (uint64_t i = 0; i < area; i++) {
		const uint8_t *p = picture.rgb + 3 * i;

		if (f->shape[0] == 1 && (p[0] != p[1] || p[0] != p[2])) {
			ret = smartssd_fail(err, -EINVAL, "%s: the picture has colours; the network wants one channel: convert it to grey first", path);
			goto out;
		}
		for (uint64_t c = 0; c < f->shape[0]; c++)
			to[c * area + i] = p[c];
	}
	from_bytes(im, to, values);
out:
	free(picture.rgb);
	return ret;
}

int images_read(struct images *im, uint64_t i, float *values, struct smartssd_error *err)
{
	struct stat st;
	uint64_t each;
	char *path;
	int ret;

	if (i >= im->nr)
		return smartssd_fail(err, -EINVAL, "%s: there is no image %llu", im->folder, (unsigned long long)i);
	if (im->fd >= 0) {
		each = im->elements * smartssd_type_bytes(im->array.type);
		return read_elements(im, im->fd, im->array.type, im->array.offset + i * each, im->folder, values, err);
	}
	if (asprintf(&path, "%s/%s", im->folder, im->names[i]) < 0)
		return smartssd_fail(err, -ENOMEM, "%s: out of memory", im->folder);
	ret = ends_with(path, ".npy") ? read_npy(im, path, values, err) : read_picture(im, path, values, err);
	if (!ret && !stat(path, &st))
		im->file_bytes += (uint64_t)st.st_size;
	free(path);
	return ret;
}
