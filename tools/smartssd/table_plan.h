/* SPDX-License-Identifier: BSD-2-Clause */
/* A placement: smartssd table plan makes one, smartssd table import --plan does what it says. */
#ifndef SMARTSSD_TABLE_PLAN_H
#define SMARTSSD_TABLE_PLAN_H

#include <stdint.h>
#include "../../runtime/libsmartssd.h"

int table_plan(int argc, char **argv);

/* What a plan (table plan -o) says of one table. */
struct planned {
	uint32_t cards;
	uint32_t shard;	 /* SMARTSSD_SHARD_* */
	uint32_t volume; /* SHARD_TABLE: which */
	uint64_t rows;
	uint32_t dim, format;
};

/* -ENOENT: the plan has no such table; -EBADMSG: it is no plan; -errno. */
int planned_load(const char *path, const char *table, struct planned *out, struct smartssd_error *err);

#endif
