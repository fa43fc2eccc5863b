// SPDX-License-Identifier: BSD-2-Clause
/* First half of the demo: a picture on the drive through a 7x7 stride-2 filter bank, next to the data. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../../kernels/reference/reference.h"
#include "../smartssd/operator.h"
#include "dataset.h"
#include "demo.h"
#include "filters.h"
#include "landscape.h"
#include "sheet.h"

/* Grey 128 is the input's zero point, so that padding is grey and a pixel's value lies within +-1. */
#define X_SCALE (1.0f / 128)
#define X_ZERO	128
/* Responses beyond +-1 saturate: only hard edges do. */
#define Y_SCALE (1.0f / 128)
#define Y_ZERO	128

static int get_picture(struct demo *d, struct image_result *out, struct image *image)
{
	struct smartssd_error err = { "" };
	char path[4200];

	if (d->image) {
		if (image_load(d->image, image, &err)) {
			complain(DEMO, "--image: %s", err.text);
			return 1;
		}
		snprintf(out->source, sizeof(out->source), "%s", d->image);
		return 0;
	}
	image->width = LANDSCAPE_WIDTH;
	image->height = LANDSCAPE_HEIGHT;
	image->rgb = malloc((size_t)image->width * image->height * 3);
	if (!image->rgb || landscape_render(image->rgb)) {
		complain(DEMO, "out of memory for the picture");
		return 1;
	}
	/* For looking at, and for handing to other programs */
	snprintf(path, sizeof(path), "%s/landscape.png", d->out_dir);
	if (image_save(path, image->rgb, image->width, image->height, 3, &err)) {
		complain(DEMO, "--out: %s", err.text);
		return 1;
	}
	memcpy(out->source, path, sizeof(out->source));
	return 0;
}

/* The filters as arrays beside the picture, for `smartssd conv2d` by hand. */
static int save_filters(struct demo *d, const struct filter_bank *bank)
{
	struct smartssd_array w = { .type = SMARTSSD_I1, .ndim = 4, .shape = { bank->nr, 3, FILTER_SIZE, FILTER_SIZE } };
	struct smartssd_array s = { .type = SMARTSSD_F4, .ndim = 1, .shape = { bank->nr } };
	struct smartssd_error err = { "" };
	char path[4200];

	snprintf(path, sizeof(path), "%s/filters.npy", d->drive_dir);
	if (!smartssd_npy_save(path, &w, bank->weight, &err)) {
		snprintf(path, sizeof(path), "%s/filter-scales.npy", d->drive_dir);
		if (!smartssd_npy_save(path, &s, bank->scale, &err))
			return 0;
	}
	complain(DEMO, "%s", err.text);
	return 1;
}

static struct smartssd_conv2d layer_of(const struct demo *d, const struct filter_bank *bank, const int32_t *w_zero)
{
	return (struct smartssd_conv2d){
		.x = { .fd = -1 },
		.w = { .array = { .type = SMARTSSD_I1, .ndim = 4, .shape = { bank->nr, 3, FILTER_SIZE, FILTER_SIZE },
				  .bytes = (uint64_t)bank->nr * FILTER_TERMS }, .fd = -1, .data = bank->weight },
		.x_scale = X_SCALE,
		.x_zero = X_ZERO,
		.w_scale = bank->scale,
		.w_scales = bank->nr,
		.w_zero = w_zero,
		.w_zeros = 1,
		.y_scale = Y_SCALE,
		.y_zero = Y_ZERO,
		.y_type = SMARTSSD_U1,
		.stride = { 2, 2 },
		.pad = { 3, 3, 3, 3 },
		.dilation = { 1, 1 },
		.group = 1,
		.clip = { 0, 255 },
		.io_flags = p2p_flags(d->p2p),
	};
}

/* Filter by filter, so that a large picture shows its progress. */
static int verify(struct demo *d, const struct image *image, const struct filter_bank *bank, const uint8_t *y, struct image_result *out)
{
	size_t pixels = (size_t)image->width * image->height, map = (size_t)out->out_width * out->out_height;
	uint8_t *x = malloc(3 * pixels), *want = malloc(map);
	struct progress bar = { 0 };
	int32_t zero = 0;
	int ret = 1;

	if (!x || !want) {
		complain(DEMO, "out of memory for the comparison with the reference");
		goto out;
	}
	for (size_t i = 0; i < pixels; i++)
		for (int c = 0; c < 3; c++)
			x[c * pixels + i] = image->rgb[3 * i + c];
	progress_begin(&bar, "reference", d->progress);
	for (unsigned f = 0; f < bank->nr; f++) {
		struct ref_conv2d layer = {
			.images = 1, .channels = 3, .in_h = image->height, .in_w = image->width,
			.filters = 1, .kernel_h = FILTER_SIZE, .kernel_w = FILTER_SIZE,
			.stride = { 2, 2 }, .pad = { 3, 3, 3, 3 }, .dilation = { 1, 1 }, .group = 1,
			.w_signed = 1, .x_scale = X_SCALE, .y_scale = Y_SCALE, .x_zero = X_ZERO, .y_zero = Y_ZERO,
			.w_scale = &bank->scale[f], .w_scales = 1, .w_zero = &zero, .w_zeros = 1, .clip = { 0, 255 },
		};

		if (ref_conv2d(&layer, x, bank->weight[f], want)) {
			complain(DEMO, "the reference refuses the filter bank on a picture of %u x %u pixels", image->width, image->height);
			goto out;
		}
		for (size_t i = 0; i < map; i++)
			out->wrong += want[i] != y[f * map + i];
		out->values += map;
		if (demo_step(&bar, f + 1, bank->nr)) {
			complain(DEMO, "stopped");
			goto out;
		}
	}
	out->reference_seconds = seconds_now() - bar.start;
	ret = 0;
out:
	progress_end(&bar);
	free(x);
	free(want);
	return ret;
}

int demo_image(struct demo *d, struct image_result *out)
{
	struct smartssd_error err = { "" };
	struct image image = { 0 };
	struct filter_bank bank;
	struct smartssd_conv2d op;
	struct progress bar;
	uint8_t *y = NULL;
	uint64_t shape[4];
	int32_t zero = 0;
	char path[4200];
	int ret = 1, fd = -1;

	memset(out, 0, sizeof(*out));
	if (get_picture(d, out, &image))
		goto out;
	out->width = image.width;
	out->height = image.height;
	filter_bank_make(&bank, d->filters);
	if (save_filters(d, &bank))
		goto out;
	snprintf(path, sizeof(path), "%s/image.npy", d->drive_dir);
	if (dataset_image(path, &image, &out->reused, &err)) {
		complain(DEMO, "%s", err.text);
		goto out;
	}
	op = layer_of(d, &bank, &zero);
	if (smartssd_npy_open(path, &op.x.array, &fd, &err) || (op.x.fd = fd, smartssd_conv2d_shape(&op, shape, &err))) {
		complain(DEMO, "%s", err.text);
		goto out;
	}
	out->out_height = shape[2];
	out->out_width = shape[3];
	y = malloc(shape[1] * shape[2] * shape[3]);
	if (!y) {
		complain(DEMO, "out of memory for the feature maps");
		goto out;
	}
	progress_begin(&bar, "picture", d->progress);
	ret = smartssd_conv2d(d->dev, &op, y, &out->report, &(struct smartssd_progress){ demo_step, &bar }, &err);
	progress_end(&bar);
	if (ret) {
		complain(DEMO, "conv2d: %s", *err.text ? err.text : strerror(-ret));
		ret = 1;
		goto out;
	}
	snprintf(out->sheet, sizeof(out->sheet), "%s/features.png", d->out_dir);
	ret = verify(d, &image, &bank, y, out);
	if (!ret && sheet_save(out->sheet, &image, y, bank.nr, shape[3], shape[2], &err)) {
		complain(DEMO, "--out: %s", err.text);
		ret = 1;
	}
out:
	if (fd >= 0)
		close(fd);
	free(y);
	free(image.rgb);
	return ret;
}
