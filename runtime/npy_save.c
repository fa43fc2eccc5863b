// SPDX-License-Identifier: BSD-2-Clause
/* Writing NumPy's .npy; npy.c has the format. */
#include <stdio.h>

#include "npy.h"
#include "whole.h"

int smartssd_npy_header(const struct smartssd_array *array, char head[SMARTSSD_NPY_HEADER])
{
	static const char magic[8] = { '\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0 };
	const int room = SMARTSSD_NPY_HEADER;
	int n = sizeof(magic) + 2, total;

	n += snprintf(head + n, room - n, "{'descr': '%s', 'fortran_order': False, 'shape': (", smartssd_type_descr(array->type));
	for (uint32_t i = 0; i < array->ndim; i++)
		n += snprintf(head + n, room - n, "%s%llu", i ? ", " : "", (unsigned long long)array->shape[i]);
	n += snprintf(head + n, room - n, "%s), }", array->ndim == 1 ? "," : "");
	total = (n + 1 + 63) / 64 * 64;
	memset(head + n, ' ', total - n);
	head[total - 1] = '\n';
	memcpy(head, magic, sizeof(magic));
	head[8] = (char)((total - 10) & 255);
	head[9] = (char)((total - 10) >> 8);
	return total;
}

int smartssd_npy_save(const char *path, const struct smartssd_array *array, const void *data, struct smartssd_error *err)
{
	char head[SMARTSSD_NPY_HEADER];
	struct smartssd_whole file;
	uint64_t bytes;
	int ret;

	if (!smartssd_type_bytes(array->type) || array->ndim > SMARTSSD_MAX_DIMS)
		return smartssd_fail(err, -EINVAL, "%s: not an array: type %u, %u dimensions", path, array->type, array->ndim);
	if (smartssd_array_bytes(array, &bytes))
		return smartssd_fail(err, -EOVERFLOW, "%s: the shape's product does not fit 64 bits", path);
	ret = smartssd_whole_begin(&file, path, err);
	if (ret)
		return ret;
	ret = smartssd_whole_write(&file, head, smartssd_npy_header(array, head));
	if (!ret)
		ret = smartssd_whole_write(&file, data, bytes);
	ret = smartssd_whole_end(&file, ret);
	if (ret)
		return smartssd_fail(err, ret, "%s: cannot be written (%llu bytes): %s", path, (unsigned long long)bytes,
				     strerror(-ret));
	return 0;
}
