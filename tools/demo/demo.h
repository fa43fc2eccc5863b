/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * smartssd demo: a picture through a filter bank and a recommendation batch from an embedding table, both read from the drive by the card, both
 * compared with kernels/reference.
 */
#ifndef DEMO_DEMO_H
#define DEMO_DEMO_H

#include <stdbool.h>
#include <stdint.h>
#include "../../runtime/libsmartssd.h"
#include "../smartssd/json.h"
#include "../smartssd/progress.h"

#define DEMO "demo"

struct demo {
	/* options */
	const char *image, *device, *out, *drive;
	uint64_t rows, filters;
	bool as_json;
	unsigned p2p, progress;
	/* what was found */
	struct smartssd_device *dev;
	struct smartssd_query query;
	bool emulated;
	char drive_dir[4096], out_dir[4096];
	char drive_note[256]; /* why that folder */
};

struct image_result {
	char source[4096], sheet[4200];
	uint32_t width, height, out_width, out_height;
	bool reused;
	struct smartssd_report report;
	uint64_t values, wrong;
	double reference_seconds;
};

struct lookup_result {
	uint64_t rows, bags, lookups, table_bytes;
	bool reused;
	double build_seconds;
	struct smartssd_report report;
	double largest_error, worst_share; /* of the bound: 1 is the most that is right */
	double reference_seconds;
};

/* 0, or 1 after saying what is wrong. A result that differs from the reference is no error here: see the result. */
int demo_image(struct demo *d, struct image_result *out);
int demo_lookup(struct demo *d, struct lookup_result *out);

/* A step function for long work that also ends it when the user presses ^C; @ctx is a struct progress. */
int demo_step(void *ctx, uint64_t done, uint64_t total);

#endif
