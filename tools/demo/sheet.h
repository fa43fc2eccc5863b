/* SPDX-License-Identifier: BSD-2-Clause */
/* Feature maps beside each other in one picture, the original first. */
#ifndef DEMO_SHEET_H
#define DEMO_SHEET_H

#include <stdint.h>
#include "../smartssd/image.h"

/* @maps: nr maps of height * width bytes. The sheet is made smaller by a whole number when it would be wider than 4096 pixels. */
int sheet_save(const char *path, const struct image *original, const uint8_t *maps, unsigned nr, uint32_t width, uint32_t height,
	       struct smartssd_error *err);

#endif
