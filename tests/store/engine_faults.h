/* SPDX-License-Identifier: BSD-2-Clause */
/* A drive that cannot be read: while bad_reads is set, READs fail, and so do plain reads of bad_fd's bytes from bad_from to bad_to. Link with -Wl,--wrap=smartssd_wait -Wl,--wrap=volume_pread. */
#ifndef SMARTSSD_TESTS_ENGINE_FAULTS_H
#define SMARTSSD_TESTS_ENGINE_FAULTS_H

#include "engine_test.h"

static bool bad_reads;
static int bad_fd;
static uint64_t bad_from, bad_to;

int __real_smartssd_wait(struct smartssd_device *dev, uint64_t job, uint64_t deadline_ns, struct smartssd_outcome *out, struct smartssd_result *results, uint32_t nr);
int __wrap_smartssd_wait(struct smartssd_device *dev, uint64_t job, uint64_t deadline_ns, struct smartssd_outcome *out, struct smartssd_result *results, uint32_t nr);
int __real_volume_pread(const struct volume_object *o, void *data, size_t bytes, uint64_t at);
int __wrap_volume_pread(const struct volume_object *o, void *data, size_t bytes, uint64_t at);

int __wrap_smartssd_wait(struct smartssd_device *dev, uint64_t job, uint64_t deadline_ns, struct smartssd_outcome *out, struct smartssd_result *results, uint32_t nr)
{
	int ret = __real_smartssd_wait(dev, job, deadline_ns, out, results, nr);

	if (bad_reads && !ret) {
		results[0].status = out->status = -EIO;
		out->first_error = 0;
	}
	return ret;
}

int __wrap_volume_pread(const struct volume_object *o, void *data, size_t bytes, uint64_t at)
{
	if (bad_reads && o->fd == bad_fd && at + bytes > bad_from && at < bad_to)
		return -EIO;
	return __real_volume_pread(o, data, bytes, at);
}

#endif
