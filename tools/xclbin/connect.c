// SPDX-License-Identifier: BSD-2-Clause
/*
 * What `info` says beyond the driver's parser: memory, with the groups of it that tools since 2020 write, and which memory an argument's port is wired to. The card has one bank, so
 * neither the driver nor the runtime asks.
 */
#include <inttypes.h>
#include <string.h>
#include "connect.h"

#define MEM_ENTRY 40
#define IP_ENTRY  80
#define WIRE_ENTRY 12
#define IP_KERNEL 1

static uint32_t get32(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

/* The section of the first of @kinds that is there. Their places in the file are checked by then. */
static const struct smartssd_section *find(const struct smartssd_xclbin_info *info, const uint32_t kinds[2])
{
	for (int k = 0; k < 2; k++)
		for (uint32_t i = 0; i < info->nr_sections; i++)
			if (info->sections[i].kind == kinds[k] && info->sections[i].offset)
				return &info->sections[i];
	return NULL;
}

/* Entries of a table behind @head bytes, which begin with their number. -1, complained. */
static int64_t entries(const char *path, const uint8_t *data, const struct smartssd_section *s, uint32_t head, uint32_t entry)
{
	uint32_t nr = s->bytes < head ? 0 : get32(data + s->offset);

	if (s->bytes < head || nr > (s->bytes - head) / entry) {
		xb_report("%s: %s: %" PRIu32 " entries do not fit into %" PRIu64 " bytes", path, axlf_kind_name(s->kind), nr, (uint64_t)s->bytes);
		return -1;
	}
	return nr;
}

int connect_memory(const char *path, const uint8_t *data, const struct smartssd_xclbin_info *info, struct connect_mem **out, uint32_t *nr)
{
	const struct smartssd_section *s = find(info, (const uint32_t[]){ AXLF_GROUP_TOPOLOGY, AXLF_MEM_TOPOLOGY });
	int64_t count = s ? entries(path, data, s, 8, MEM_ENTRY) : 0;

	if (count < 0)
		return -1;
	*out = xb_alloc((size_t)count * sizeof(**out));
	*nr = (uint32_t)count;
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *p = data + s->offset + 8 + (uint64_t)i * MEM_ENTRY;
		struct connect_mem *m = &(*out)[i];
		uint64_t kib = get64(p + 8);

		m->used = p[1];
		m->bytes = kib > UINT64_MAX / 1024 ? UINT64_MAX : kib * 1024;
		m->base = get64(p + 16);
		for (int c = 0; c < 16 && p[24 + c]; c++)
			m->tag[c] = p[24 + c] > 0x20 && p[24 + c] < 0x7f ? (char)p[24 + c] : '?';
	}
	return 0;
}

/* The compute unit that entry @ip of IP_LAYOUT is, counted as the parser does: kernels only. -1: another kind of block. */
static int64_t unit_of(const uint8_t *data, const struct smartssd_xclbin_info *info, uint32_t ip)
{
	const struct smartssd_section *s = find(info, (const uint32_t[]){ AXLF_IP_LAYOUT, AXLF_IP_LAYOUT });
	int64_t unit = -1;

	if (!s || ip >= (s->bytes - 8) / IP_ENTRY || ip >= get32(data + s->offset))
		return -1;
	for (uint32_t i = 0; i <= ip; i++) {
		bool kernel = get32(data + s->offset + 8 + (uint64_t)i * IP_ENTRY) == IP_KERNEL;

		unit += kernel;
		if (i == ip && !kernel)
			return -1;
	}
	return unit < info->nr_cus ? unit : -1;
}

int connect_wires(const char *path, const uint8_t *data, const struct smartssd_xclbin_info *info, uint32_t mems, struct connect_wire **out, uint32_t *nr)
{
	const struct smartssd_section *s = find(info, (const uint32_t[]){ AXLF_GROUP_CONNECTIVITY, AXLF_CONNECTIVITY });
	int64_t count = s ? entries(path, data, s, 4, WIRE_ENTRY) : 0;

	if (count < 0)
		return -1;
	*out = xb_alloc((size_t)count * sizeof(**out));
	*nr = 0;
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *p = data + s->offset + 4 + (uint64_t)i * WIRE_ENTRY;
		int64_t unit = unit_of(data, info, get32(p + 4));

		if (unit >= 0 && get32(p) >= info->cus[unit].nr_args) {
			xb_report("%s: %s: entry %u is of argument %u of %s, which has %u", path, axlf_kind_name(s->kind), i, get32(p), info->cus[unit].name, info->cus[unit].nr_args);
			return -1;
		}
		if (get32(p + 8) >= mems) {
			xb_report("%s: %s: entry %u is of memory %u, of %u", path, axlf_kind_name(s->kind), i, get32(p + 8), mems);
			return -1;
		}
		if (unit >= 0)
			(*out)[(*nr)++] = (struct connect_wire){ (uint32_t)unit, get32(p), get32(p + 8) };
	}
	return 0;
}
