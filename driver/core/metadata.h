/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an xclbin's EMBEDDED_METADATA (XML) says of kernels and their arguments. */
#ifndef SMARTSSD_CORE_METADATA_H
#define SMARTSSD_CORE_METADATA_H

#include "core.h"

#define METADATA_NOT_USED 0xffffffffu

struct metadata_kernel {
	char name[SMARTSSD_NAME_LEN];
	u32 first_arg;
	u32 nr_args;
	u32 number; /* for the caller; METADATA_NOT_USED at first */
};

struct metadata {
	u32 nr_kernels;
	struct metadata_kernel kernels[SMARTSSD_MAX_CUS];
	struct smartssd_cu_arg *args; /* of all kernels, each kernel's in order of their ids */
};

/* 0, -EBADMSG, -EOPNOTSUPP, -ENOMEM; on failure nothing is left to free. */
int metadata_parse(const void *data, size_t bytes, struct metadata **out, struct smartssd_why *why);
void metadata_free(struct metadata *m);

/* The kernel of this name (@n bytes), or NULL. */
struct metadata_kernel *metadata_find(struct metadata *m, const char *name, size_t n);

#endif
