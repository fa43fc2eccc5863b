/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * .safetensors: u64 bytes of a JSON header, the header ({"name": {"dtype", "shape", "data_offsets"}, "__metadata__": ...}), data. Only the header is
 * read here. Everything is checked: sizes against shapes, places against the file, no overlap, no duplicate names (jansson).
 */
#ifndef SMARTSSD_STORE_SAFETENSORS_H
#define SMARTSSD_STORE_SAFETENSORS_H

#include "../libsmartssd.h"

enum st_type { ST_F32, ST_F16, ST_BF16, ST_U8, ST_I8, ST_I64, ST_OTHER };

struct st_tensor {
	char *name;
	enum st_type type;
	char type_name[8];
	uint32_t ndim;
	uint64_t shape[SMARTSSD_MAX_DIMS];
	uint64_t offset, bytes; /* in the file */
};

struct safetensors {
	struct st_tensor *tensors; /* in the order of the data */
	uint32_t nr;
};

#define ST_MAX_HEADER (100u << 20) /* as the format's own implementation has it */

/* @header: the JSON text. @data: byte where the data begins. */
int safetensors_parse(const char *header, size_t bytes, uint64_t data, uint64_t file_bytes, struct safetensors *out, struct smartssd_error *err);
int safetensors_open(const char *path, struct safetensors *out, int *fd, struct smartssd_error *err);
const struct st_tensor *safetensors_find(const struct safetensors *s, const char *name); /* NULL */
void safetensors_free(struct safetensors *s);

#endif
