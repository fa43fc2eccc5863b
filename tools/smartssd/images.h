/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Images for a network, from one .npy with all of them or from a folder with one file each, as the network's input wants them.
 *
 *   x.npy    f4 [N][C][H][W] (any shape behind N that the input has): the values themselves; u1: bytes
 *   FOLDER   in the order of their names: PNG, PPM and PGM pictures (bytes), .npy of one image each, [C][H][W] or [1][C][H][W]; other files are left aside
 *
 * Bytes become values by (byte * scale - mean[c]) / std[c]. Nothing is resized: another size is an error that says which one is needed.
 */
#ifndef SMARTSSD_IMAGES_H
#define SMARTSSD_IMAGES_H

#include <stdbool.h>
#include <stdint.h>
#include "../../runtime/libsmartssd.h"

struct images_form {
	uint32_t ndim;			     /* of one image, without batch */
	uint64_t shape[SMARTSSD_MAX_DIMS];   /* usually C, H, W */
	float scale, mean[4], std[4];
	uint32_t nr_mean;		     /* 1: all channels alike; else shape[0] */
};

struct images;

/* Every file's header is looked at later, by images_read(). -EINVAL when there is no image at all. */
int images_open(const char *path, const struct images_form *form, struct images **out, struct smartssd_error *err);
void images_close(struct images *images);
uint64_t images_count(const struct images *images);
/* Are there bytes that the form's scale, mean and std apply to? Of a folder: known from its file names and what was read so far. */
bool images_bytes(const struct images *images);
/* Did images_read() come across values (f4) so far? */
bool images_values(const struct images *images);
/* Bytes of the folder's files that images_read() has read. */
uint64_t images_file_bytes(const struct images *images);
/* The file that image @i is in. */
const char *images_name(const struct images *images, uint64_t i);
/* Image @i as values, product of form->shape floats. 0 or -errno with path and cause in @err. */
int images_read(struct images *images, uint64_t i, float *values, struct smartssd_error *err);

#endif
