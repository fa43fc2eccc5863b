// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sheet.h"

#define GAP	  6
#define MAX_WIDTH 4096

/* Average of the pixels of @source (@channels bytes each) that fall on pixel (x, y) of a picture @w * @h. */
static uint8_t shrink(const uint8_t *source, uint32_t sw, uint32_t sh, int channels, int channel, uint32_t w, uint32_t h, uint32_t x, uint32_t y)
{
	uint64_t x0 = (uint64_t)x * sw / w, x1 = (uint64_t)(x + 1) * sw / w, y0 = (uint64_t)y * sh / h, y1 = (uint64_t)(y + 1) * sh / h, sum = 0;

	x1 = x1 > x0 ? x1 : x0 + 1;
	y1 = y1 > y0 ? y1 : y0 + 1;
	for (uint64_t v = y0; v < y1; v++)
		for (uint64_t u = x0; u < x1; u++)
			sum += source[(v * sw + u) * channels + channel];
	return sum / ((x1 - x0) * (y1 - y0));
}

int sheet_save(const char *path, const struct image *original, const uint8_t *maps, unsigned nr, uint32_t width, uint32_t height,
	       struct smartssd_error *err)
{
	uint32_t columns = 1, rows, w, h, factor = 1, sheet_w, sheet_h;
	uint8_t *sheet;
	int ret;

	while (columns * columns < nr + 1)
		columns++;
	rows = (nr + columns) / columns;
	while (columns * (width / factor + GAP) + GAP > MAX_WIDTH && width / factor > 1)
		factor++;
	w = width / factor ?: 1;
	h = height / factor ?: 1;
	sheet_w = columns * (w + GAP) + GAP;
	sheet_h = rows * (h + GAP) + GAP;
	sheet = malloc((size_t)sheet_w * sheet_h * 3);
	if (!sheet) {
		snprintf(err->text, sizeof(err->text), "%.300s: out of memory for %u x %u pixels", path, sheet_w, sheet_h);
		return -ENOMEM;
	}
	memset(sheet, 24, (size_t)sheet_w * sheet_h * 3);
	for (unsigned cell = 0; cell <= nr; cell++) {
		uint32_t left = GAP + cell % columns * (w + GAP), top = GAP + cell / columns * (h + GAP);
		const uint8_t *map = cell ? maps + (size_t)(cell - 1) * width * height : NULL;

		for (uint32_t y = 0; y < h; y++) {
			uint8_t *p = sheet + ((size_t)(top + y) * sheet_w + left) * 3;

			for (uint32_t x = 0; x < w; x++)
				for (int c = 0; c < 3; c++)
					*p++ = map ? shrink(map, width, height, 1, 0, w, h, x, y) :
						     shrink(original->rgb, original->width, original->height, 3, c, w, h, x, y);
		}
	}
	ret = image_save(path, sheet, sheet_w, sheet_h, 3, err);
	free(sheet);
	return ret;
}
