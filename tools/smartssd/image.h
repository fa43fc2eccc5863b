/* SPDX-License-Identifier: BSD-2-Clause */
/* Pictures: PNG, PPM and PGM in, PNG out. 8 bits per channel. */
#ifndef SMARTSSD_IMAGE_H
#define SMARTSSD_IMAGE_H

#include <stdint.h>
#include "../../runtime/libsmartssd.h"

#define IMAGE_MAX_SIDE	 32768
#define IMAGE_MAX_PIXELS (128u << 20)

struct image {
	uint32_t width, height;
	uint8_t *rgb; /* width * height * 3, rows from the top; free() */
};

/* A PNG (any kind; alpha is laid on black, 16 bits are cut to 8) or a binary PPM or PGM (P6, P5, maximum 255; grey has three equal channels). 0 or -errno with the cause in @err. */
int image_load(const char *path, struct image *out, struct smartssd_error *err);
/* Write a PNG whole or not at all. @channels: 1 grey, 3 RGB. */
int image_save(const char *path, const uint8_t *pixels, uint32_t width, uint32_t height, int channels, struct smartssd_error *err);

#endif
