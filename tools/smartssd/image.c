// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <png.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../../runtime/private.h"
#include "../../runtime/whole.h"
#include "image.h"

static int say(struct smartssd_error *err, int ret, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int say(struct smartssd_error *err, int ret, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (err)
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return ret;
}

static int allocate(const char *path, struct image *out, struct smartssd_error *err)
{
	if (!out->width || !out->height || out->width > IMAGE_MAX_SIDE || out->height > IMAGE_MAX_SIDE ||
	    (uint64_t)out->width * out->height > IMAGE_MAX_PIXELS)
		return say(err, -EINVAL, "%s: %u x %u pixels; a picture here has 1 to %u per side and at most %u in all", path, out->width,
			   out->height, IMAGE_MAX_SIDE, IMAGE_MAX_PIXELS);
	out->rgb = malloc((size_t)out->width * out->height * 3);
	return out->rgb ? 0 : say(err, -ENOMEM, "%s: out of memory for %u x %u pixels", path, out->width, out->height);
}

static int load_png(const char *path, FILE *f, struct image *out, struct smartssd_error *err)
{
	png_image png = { .version = PNG_IMAGE_VERSION };
	static const png_color black = { 0, 0, 0 };
	int ret;

	if (!png_image_begin_read_from_stdio(&png, f))
		return say(err, -EBADMSG, "%s: not a readable PNG: %s", path, png.message);
	png.format = PNG_FORMAT_RGB;
	out->width = png.width;
	out->height = png.height;
	ret = allocate(path, out, err);
	if (!ret && !png_image_finish_read(&png, &black, out->rgb, 0, NULL)) {
		ret = say(err, -EBADMSG, "%s: broken PNG: %s", path, png.message);
		free(out->rgb);
		out->rgb = NULL;
	}
	png_image_free(&png);
	return ret;
}

/* A number of a PPM header: blanks and comments precede it. */
static int ppm_number(FILE *f, uint32_t *out)
{
	int c = getc(f);

	*out = 0;
	while (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '#') {
		while (c == '#' && (c = getc(f)) != EOF)
			while (c != '\n' && c != EOF)
				c = getc(f);
		c = getc(f);
	}
	if (c < '0' || c > '9')
		return -1;
	for (; c >= '0' && c <= '9'; c = getc(f)) {
		if (*out > 1000000)
			return -1;
		*out = *out * 10 + (c - '0');
	}
	/* Exactly one blank ends the header; c is it. */
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' ? 0 : -1;
}

static int load_ppm(const char *path, FILE *f, struct image *out, struct smartssd_error *err)
{
	int p = getc(f), kind = getc(f), channels = kind == '5' ? 1 : 3;
	uint32_t max;
	size_t n;
	int ret;

	if (p != 'P' || (kind != '6' && kind != '5') || ppm_number(f, &out->width) || ppm_number(f, &out->height) || ppm_number(f, &max))
		return say(err, -EBADMSG, "%s: neither a PNG nor a binary PPM (P6) or PGM (P5); convert the picture to one of them", path);
	if (max != 255)
		return say(err, -EOPNOTSUPP, "%s: a PPM with maximum %u; only 255 (8 bits) is read here", path, max);
	ret = allocate(path, out, err);
	if (ret)
		return ret;
	n = (size_t)out->width * out->height;
	if (fread(out->rgb, channels, n, f) != n) {
		ret = say(err, -EBADMSG, "%s: the PPM ends early: it should have %u x %u pixels", path, out->width, out->height);
		free(out->rgb);
		out->rgb = NULL;
	}
	/* From behind, so that nothing is overwritten before it was read. */
	for (size_t i = n; i-- > 0 && !ret && channels == 1;)
		out->rgb[3 * i] = out->rgb[3 * i + 1] = out->rgb[3 * i + 2] = out->rgb[i];
	return ret;
}

int image_load(const char *path, struct image *out, struct smartssd_error *err)
{
	static const unsigned char png_magic[4] = { 0x89, 'P', 'N', 'G' };
	unsigned char magic[4] = { 0 };
	int fd = smartssd_open_read(path), ret;
	FILE *f = NULL;
	struct stat st;

	memset(out, 0, sizeof(*out));
	if (fd < 0 || fstat(fd, &st)) {
		ret = -errno;
	} else if (!S_ISREG(st.st_mode)) {
		close(fd);
		return say(err, -EINVAL, "%s is no regular file; a picture is a PNG, PPM or PGM file", path);
	} else {
		f = fdopen(fd, "rb");
		ret = f ? 0 : -errno;
	}
	if (ret) {
		if (fd >= 0)
			close(fd);
		return say(err, ret, "%s: %s", path, strerror(-ret));
	}
	if (fread(magic, 1, 4, f) == 0 && ferror(f)) {
		ret = say(err, -errno, "%s: %s", path, strerror(errno));
		fclose(f);
		return ret;
	}
	rewind(f);
	ret = memcmp(magic, png_magic, 4) ? load_ppm(path, f, out, err) : load_png(path, f, out, err);
	fclose(f);
	return ret;
}

int image_save(const char *path, const uint8_t *pixels, uint32_t width, uint32_t height, int channels, struct smartssd_error *err)
{
	png_image png = { .version = PNG_IMAGE_VERSION, .width = width, .height = height,
			  .format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB };
	struct smartssd_whole file;
	int ret = smartssd_whole_begin(&file, path, err), fd;
	FILE *f;

	if (ret)
		return ret;
	fd = dup(file.fd);
	f = fd < 0 ? NULL : fdopen(fd, "wb");
	if (!f) {
		ret = -errno;
		if (fd >= 0)
			close(fd);
		return say(err, smartssd_whole_end(&file, ret), "%s: %s", path, strerror(-ret));
	}
	if (!png_image_write_to_stdio(&png, f, 0, pixels, 0, NULL))
		ret = -EIO;
	if (fclose(f) && !ret)
		ret = -errno;
	ret = smartssd_whole_end(&file, ret);
	return ret ? say(err, ret, "%s: %s", path, ret == -EIO ? png.message : strerror(-ret)) : 0;
}
