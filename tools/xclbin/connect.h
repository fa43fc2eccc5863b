/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory, groups of it, and what is wired to it: sections that only `smartssd xclbin info` looks at. */
#ifndef SMARTSSD_TOOLS_CONNECT_H
#define SMARTSSD_TOOLS_CONNECT_H

#include "xclbin.h"

struct connect_mem {
	char tag[17];
	bool used;
	uint64_t base, bytes;
};

struct connect_wire {
	uint32_t cu, arg; /* of info->cus, and of its arguments */
	uint32_t mem;
};

/* ASK_GROUP_TOPOLOGY, or MEM_TOPOLOGY where there is none. *out is the caller's, also on an error. 0, or -1 after saying what is wrong. */
int connect_memory(const char *path, const uint8_t *data, const struct smartssd_xclbin_info *info, struct connect_mem **out, uint32_t *nr);
/* ASK_GROUP_CONNECTIVITY, or CONNECTIVITY, in the order of the file; of compute units only. */
int connect_wires(const char *path, const uint8_t *data, const struct smartssd_xclbin_info *info, uint32_t mems, struct connect_wire **out, uint32_t *nr);

#endif
