/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the demo puts on the drive: a picture as an array, an embedding table, and a batch of lookups. Everything follows from a seed, so a file
 * that is there already is recognised by its size and by samples of its contents, and is not written again.
 */
#ifndef DEMO_DATASET_H
#define DEMO_DATASET_H

#include <stdbool.h>
#include <stdint.h>
#include "../../runtime/libsmartssd.h"
#include "../smartssd/image.h"

#define TABLE_SEED   20190806u
#define BATCH_SEED   1u
#define TABLE_DIM    32 /* RM1's rows: 32 floats */
#define BAG_LOOKUPS  80 /* and its pooling factor */
#define BATCH_BAGS   1024

/* Make a folder and those above it; -errno. */
int make_folder(const char *path);

/* The picture as u1 [1][3][height][width]. *reused: the file was right already. */
int dataset_image(const char *path, const struct image *image, bool *reused, struct smartssd_error *err);

/* f4 [rows][TABLE_DIM], written in one stream. @progress may be NULL. */
int dataset_table(const char *path, uint64_t rows, bool *reused, const struct smartssd_progress *progress, struct smartssd_error *err);
/* Element @d of row @row, within +-1 */
float table_element(uint64_t row, uint32_t d);

/*
 * @bags bags of BAG_LOOKUPS rows each; row popularity after Zipf (the k-th most wanted row is wanted 1/k as often as the first), popular
 * rows spread over the table. @indices: bags * BAG_LOOKUPS, @offsets: bags + 1 entries.
 */
void dataset_batch(uint64_t rows, uint64_t bags, int64_t *indices, int64_t *offsets);

#endif
