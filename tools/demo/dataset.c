// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "../../runtime/npy.h"
#include "../../runtime/whole.h"
#include "dataset.h"

#define CHUNK_ROWS 8192
#define SAMPLES	   64

int make_folder(const char *path)
{
	char part[4096];
	size_t len = strlen(path);

	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i])
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0777) && errno != EEXIST)
			return -errno;
	}
	return 0;
}

static uint64_t scramble(uint64_t v)
{
	v += 0x9e3779b97f4a7c15u;
	v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9u;
	v = (v ^ (v >> 27)) * 0x94d049bb133111ebu;
	return v ^ (v >> 31);
}

float table_element(uint64_t row, uint32_t d)
{
	return (int32_t)(scramble((row << 16 | d) ^ (uint64_t)TABLE_SEED << 40) >> 40) * (1.0f / 8388608.0f) - 1.0f;
}

int dataset_image(const char *path, const struct image *image, bool *reused, struct smartssd_error *err)
{
	struct smartssd_array want = { .type = SMARTSSD_U1, .ndim = 4, .shape = { 1, 3, image->height, image->width } }, there;
	size_t pixels = (size_t)image->width * image->height;
	uint8_t *planes = malloc(3 * pixels);
	void *data;
	int ret;

	*reused = false;
	if (!planes) {
		snprintf(err->text, sizeof(err->text), "%s: out of memory for %zu pixels", path, pixels);
		return -ENOMEM;
	}
	for (size_t i = 0; i < pixels; i++)
		for (int c = 0; c < 3; c++)
			planes[c * pixels + i] = image->rgb[3 * i + c];
	if (!smartssd_npy_load(path, &there, &data, NULL)) {
		*reused = there.type == want.type && there.ndim == 4 && !memcmp(there.shape, want.shape, 4 * sizeof(want.shape[0])) &&
			  !memcmp(data, planes, 3 * pixels);
		free(data);
	}
	ret = *reused ? 0 : smartssd_npy_save(path, &want, planes, err);
	free(planes);
	return ret;
}

static bool row_is_right(int fd, uint64_t offset, uint64_t row)
{
	float values[TABLE_DIM];

	if (pread(fd, values, sizeof(values), offset + row * sizeof(values)) != sizeof(values))
		return false;
	for (uint32_t d = 0; d < TABLE_DIM; d++)
		if (values[d] != table_element(row, d))
			return false;
	return true;
}

static bool table_is_there(const char *path, uint64_t rows)
{
	struct smartssd_array array;
	bool right;
	int fd;

	if (smartssd_npy_open(path, &array, &fd, NULL))
		return false;
	right = array.type == SMARTSSD_F4 && array.ndim == 2 && array.shape[0] == rows && array.shape[1] == TABLE_DIM &&
		row_is_right(fd, array.offset, rows - 1);
	for (uint64_t i = 0; right && i < SAMPLES; i++)
		right = row_is_right(fd, array.offset, scramble(i) % rows);
	close(fd);
	return right;
}

static int write_table(struct smartssd_whole *file, const struct smartssd_array *array, const struct smartssd_progress *progress)
{
	uint64_t rows = array->shape[0];
	char header[SMARTSSD_NPY_HEADER];
	float *chunk;
	int ret = smartssd_whole_write(file, header, smartssd_npy_header(array, header));

	chunk = malloc(CHUNK_ROWS * TABLE_DIM * sizeof(float));
	if (!chunk)
		return -ENOMEM;
	for (uint64_t row = 0; row < rows && !ret; row += CHUNK_ROWS) {
		uint64_t nr = rows - row < CHUNK_ROWS ? rows - row : CHUNK_ROWS;

		for (uint64_t i = 0; i < nr * TABLE_DIM; i++)
			chunk[i] = table_element(row + i / TABLE_DIM, i % TABLE_DIM);
		ret = smartssd_whole_write(file, chunk, nr * TABLE_DIM * sizeof(float));
		if (!ret && progress && progress->step(progress->ctx, row + nr, rows))
			ret = -ECANCELED;
	}
	free(chunk);
	return ret;
}

int dataset_table(const char *path, uint64_t rows, bool *reused, const struct smartssd_progress *progress, struct smartssd_error *err)
{
	struct smartssd_array array = { .type = SMARTSSD_F4, .ndim = 2, .shape = { rows, TABLE_DIM } };
	uint64_t bytes = rows * TABLE_DIM * sizeof(float);
	struct smartssd_whole file;
	struct statvfs fs;
	int ret;

	*reused = table_is_there(path, rows);
	if (*reused)
		return 0;
	ret = smartssd_whole_begin(&file, path, err);
	if (ret)
		return ret;
	/* Say it before half a minute of writing, not after it. */
	if (!fstatvfs(file.fd, &fs) && (uint64_t)fs.f_bavail * fs.f_frsize < bytes) {
		snprintf(err->text, sizeof(err->text), "%.300s: the table needs %" PRIu64 " MB, but only %" PRIu64
			 " MB are free there; name another folder with --drive, or a smaller table with --rows", path, bytes / 1000000,
			 (uint64_t)fs.f_bavail * fs.f_frsize / 1000000);
		return smartssd_whole_end(&file, -ENOSPC);
	}
	ret = smartssd_whole_end(&file, write_table(&file, &array, progress));
	if (ret)
		snprintf(err->text, sizeof(err->text), "%.300s: %s", path, strerror(-ret));
	return ret;
}

void dataset_batch(uint64_t rows, uint64_t bags, int64_t *indices, int64_t *offsets)
{
	/* Any odd number that shares no factor with the number of rows spreads the popular ones; step until one is found. */
	uint64_t spread = 0x9e3779b1u, a, b, t;

	for (;; spread += 2) {
		for (a = spread, b = rows; b; t = a % b, a = b, b = t)
			;
		if (a == 1)
			break;
	}
	for (uint64_t i = 0; i < bags * BAG_LOOKUPS; i++) {
		double u = (scramble(i ^ (uint64_t)BATCH_SEED << 48) >> 11) * 0x1p-53;
		/* The inverse of the distribution function of 1/k, taken as continuous: rank = (rows + 1)^u */
		uint64_t rank = (uint64_t)exp(u * log((double)rows + 1)) - 1;

		rank = rank < rows ? rank : rows - 1;
		indices[i] = (int64_t)((unsigned __int128)rank * spread % rows);
	}
	for (uint64_t i = 0; i <= bags; i++)
		offsets[i] = i * BAG_LOOKUPS;
}
