// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <png.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
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
	uint32_t max;
	int ret;

	if (getc(f) != 'P' || getc(f) != '6' || ppm_number(f, &out->width) || ppm_number(f, &out->height) || ppm_number(f, &max))
		return say(err, -EBADMSG, "%s: neither a PNG nor a binary PPM (P6); convert the picture to one of them", path);
	if (max != 255)
		return say(err, -EOPNOTSUPP, "%s: a PPM with maximum %u; only 255 (8 bits) is read here", path, max);
	ret = allocate(path, out, err);
	if (!ret && fread(out->rgb, 3, (size_t)out->width * out->height, f) != (size_t)out->width * out->height) {
		ret = say(err, -EBADMSG, "%s: the PPM ends early: it should have %u x %u pixels", path, out->width, out->height);
		free(out->rgb);
		out->rgb = NULL;
	}
	return ret;
}

int image_load(const char *path, struct image *out, struct smartssd_error *err)
{
	static const unsigned char png_magic[4] = { 0x89, 'P', 'N', 'G' };
	unsigned char magic[4] = { 0 };
	FILE *f = fopen(path, "rbe");
	int ret;

	memset(out, 0, sizeof(*out));
	if (!f)
		return say(err, -errno, "%s: %s", path, strerror(errno));
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
	char name[4096];
	int ret = 0;
	FILE *f;

	if (snprintf(name, sizeof(name), "%s.%d.tmp", path, (int)getpid()) >= (int)sizeof(name))
		return say(err, -ENAMETOOLONG, "%s: the name is too long", path);
	f = fopen(name, "wbe");
	if (!f)
		return say(err, -errno, "%s: %s", path, strerror(errno));
	if (!png_image_write_to_stdio(&png, f, 0, pixels, 0, NULL))
		ret = say(err, -EIO, "%s: %s", path, png.message);
	if (fclose(f) && !ret)
		ret = say(err, -errno, "%s: %s", path, strerror(errno));
	if (!ret && rename(name, path))
		ret = say(err, -errno, "%s: %s", path, strerror(errno));
	if (ret)
		unlink(name);
	return ret;
}
