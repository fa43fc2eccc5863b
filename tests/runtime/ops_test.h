/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of both operators share: an embedded card with the project's kernels, and arrays in files. */
#ifndef TESTS_RUNTIME_OPS_H
#define TESTS_RUNTIME_OPS_H

#include <fcntl.h>
#include <math.h>
#include <unistd.h>

#include "../../kernels/reference/reference.h"
#include "runtime_test.h"

static struct smartssd_device *dev;
static struct smartssd_error err;
static char folder[] = "/tmp/smartssd-test-XXXXXX";

static inline void open_card(const char *uri)
{
	char path[4096];

	ck_assert_msg(!smartssd_open(uri, &dev, &err), "%s", err.text);
	ck_assert_int_eq(smartssd_find_file("kernels.xclbin", path, sizeof(path)), 0);
	ck_assert_msg(!smartssd_xclbin_load_file(dev, path, &err), "%s", err.text);
	err.text[0] = '\0';
}

static inline void set_up(void)
{
	strcpy(folder + sizeof(folder) - 7, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static inline void tear_down(void)
{
	char command[64];

	smartssd_close(dev);
	dev = NULL;
	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}

/* An array as a .npy file, or (with @in_memory) where it is. */
static inline void make_source(struct smartssd_source *s, const char *name, uint32_t type, uint32_t ndim, const uint64_t *shape,
			const void *data, bool in_memory)
{
	struct smartssd_array array = { .type = type, .ndim = ndim };
	char path[64];

	memcpy(array.shape, shape, ndim * sizeof(shape[0]));
	snprintf(path, sizeof(path), "%s/%s.npy", folder, name);
	ck_assert_msg(!smartssd_npy_save(path, &array, data, &err), "%s", err.text);
	ck_assert_msg(!smartssd_npy_open(path, &s->array, &s->fd, &err), "%s", err.text);
	s->data = NULL;
	if (in_memory) {
		close(s->fd);
		s->fd = -1;
		s->data = data;
	}
}

static inline void close_source(struct smartssd_source *s)
{
	if (s->fd >= 0)
		close(s->fd);
}

static inline void fill_random(void *data, uint64_t bytes)
{
	for (uint64_t i = 0; i < bytes; i++)
		((uint8_t *)data)[i] = (uint8_t)(random_u64() >> 32);
}

#endif
