// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What an xclbin says: container, memories, compute units. Which register holds what is in its
 * metadata, see metadata.c. Offsets as in XRT's xclbin.h, whose C structs the kernel cannot use.
 *
 * Whoever loads an xclbin is privileged, but its author need not be: every offset is compared with
 * what is there before it is used, and every count is bounded before anything is allocated.
 */
#include "core.h"
#include "metadata.h"
#include "regs.h"

/* struct axlf */
#define AXLF_LENGTH		304
#define AXLF_MODE		332
#define AXLF_PLATFORM		352
#define PLATFORM_BYTES		64
#define AXLF_NR_SECTIONS	448
#define AXLF_SECTIONS		456

/* struct axlf_section_header */
#define SECTION_BYTES		40
#define SECTION_NAME		4
#define SECTION_NAME_LEN	16
#define SECTION_AT_OFFSET	24
#define SECTION_AT_BYTES	32

#define KIND_BITSTREAM		0
#define KIND_METADATA		2
#define KIND_MEM_TOPOLOGY	6
#define KIND_IP_LAYOUT		8

/* enum XCLBIN_MODE: what is above is for simulators */
#define MODE_LAST_HARDWARE	3

/* struct mem_topology, struct mem_data */
#define MEM_ENTRIES	8
#define MEM_BYTES	40
#define MEM_AT_USED	1
#define MEM_AT_KIB	8
#define MEM_AT_BASE	16
#define MEM_AT_TAG	24
#define MEM_TAG_LEN	16
#define MEM_STREAMING	3
#define MEM_STREAM_CONN	9

/* struct ip_layout, struct ip_data */
#define IP_ENTRIES		8
#define IP_BYTES		80
#define IP_AT_PROPERTIES	4
#define IP_AT_BASE		8
#define IP_AT_NAME		16
#define IP_KERNEL		1

/* Far more than any tool writes. */
#define MAX_SECTIONS	128
#define MAX_MEMS	256
#define MAX_METADATA	(4u << 20)

#define SHELL_FIRST	0x300000 /* the shell's own registers */
#define SHELL_END	0x340000

struct parse {
	const u8 *data;
	u64 length;
	struct smartssd_xclbin_info *info;
	struct metadata *metadata;
	struct smartssd_why *why;
};

void smartssd_why(struct smartssd_why *why, const char *fmt, ...)
{
	va_list ap;

	if (!why)
		return;
	va_start(ap, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, ap);
	va_end(ap);
}

static u16 get16(const u8 *p)
{
	return p[0] | p[1] << 8;
}

static u32 get32(const u8 *p)
{
	return get16(p) | (u32)get16(p + 2) << 16;
}

static u64 get64(const u8 *p)
{
	return get32(p) | (u64)get32(p + 4) << 32;
}

/* For texts that are only shown: up to @n bytes, what is not printable as '?'. */
static void copy_text(char *out, const u8 *in, size_t n)
{
	size_t i;

	for (i = 0; i < n && in[i]; i++)
		out[i] = in[i] >= 0x20 && in[i] < 0x7f ? in[i] : '?';
	out[i] = 0;
}

static int parse_header(struct parse *p, u64 bytes)
{
	u32 nr;

	if (bytes < AXLF_SECTIONS) {
		smartssd_why(p->why, "header: the file has %llu bytes, a header %u",
			     (unsigned long long)bytes, AXLF_SECTIONS);
		return -EBADMSG;
	}
	if (memcmp(p->data, "xclbin2", 8)) {
		smartssd_why(p->why, "header: no \"xclbin2\" at the beginning");
		return -EBADMSG;
	}
	p->length = get64(p->data + AXLF_LENGTH);
	if (p->length < AXLF_SECTIONS || p->length > bytes) {
		smartssd_why(p->why, "header: length %llu, but the file has %llu bytes",
			     (unsigned long long)p->length, (unsigned long long)bytes);
		return -EBADMSG;
	}
	nr = get32(p->data + AXLF_NR_SECTIONS);
	if (nr > (p->length - AXLF_SECTIONS) / SECTION_BYTES) {
		smartssd_why(p->why, "header: %u section headers do not fit into %llu bytes", nr,
			     (unsigned long long)p->length);
		return -EBADMSG;
	}
	if (nr > MAX_SECTIONS) {
		smartssd_why(p->why, "header: %u sections, at most %u are supported", nr,
			     MAX_SECTIONS);
		return -EOPNOTSUPP;
	}
	p->info->mode = get16(p->data + AXLF_MODE);
	if (p->info->mode > MODE_LAST_HARDWARE) {
		smartssd_why(p->why, "header: mode %u: built for a simulator, not for a card",
			     p->info->mode);
		return -EOPNOTSUPP;
	}
	p->info->nr_sections = nr;
	memcpy(p->info->uuid, p->data + SMARTSSD_XCLBIN_UUID_AT, sizeof(p->info->uuid));
	copy_text(p->info->platform, p->data + AXLF_PLATFORM, PLATFORM_BYTES);
	return 0;
}

static int parse_sections(struct parse *p)
{
	u64 first = AXLF_SECTIONS + (u64)p->info->nr_sections * SECTION_BYTES;
	u32 i;

	if (!p->info->nr_sections)
		return 0;
	p->info->sections = core_alloc(p->info->nr_sections * sizeof(*p->info->sections));
	if (!p->info->sections)
		return -ENOMEM;
	for (i = 0; i < p->info->nr_sections; i++) {
		struct smartssd_section *s = &p->info->sections[i];
		const u8 *header = p->data + AXLF_SECTIONS + i * SECTION_BYTES;

		s->kind = get32(header);
		copy_text(s->name, header + SECTION_NAME, SECTION_NAME_LEN);
		s->offset = get64(header + SECTION_AT_OFFSET);
		s->bytes = get64(header + SECTION_AT_BYTES);
		if (!s->offset && !s->bytes)
			continue; /* the format's way to say that it is not there */
		if (s->offset & 7) {
			smartssd_why(p->why, "section %u (kind %u): offset %llu: no multiple of 8",
				     i, s->kind, (unsigned long long)s->offset);
			return -EBADMSG;
		}
		if (s->offset < first || s->offset > p->length ||
		    s->bytes > p->length - s->offset) {
			smartssd_why(p->why,
				     "section %u (kind %u): %llu bytes at %llu are not in the file",
				     i, s->kind, (unsigned long long)s->bytes,
				     (unsigned long long)s->offset);
			return -EBADMSG;
		}
	}
	return 0;
}

/* The one section of @kind: 0, -ENOENT, -EBADMSG when there are several. */
static int find_section(struct parse *p, u32 kind, const char *name, struct smartssd_section *out)
{
	bool found = false;
	u32 i;

	for (i = 0; i < p->info->nr_sections; i++) {
		const struct smartssd_section *s = &p->info->sections[i];

		if (s->kind != kind || !s->offset)
			continue;
		if (found) {
			smartssd_why(p->why, "%s: there are two of these sections", name);
			return -EBADMSG;
		}
		*out = *s;
		found = true;
	}
	return found ? 0 : -ENOENT;
}

static int need_section(struct parse *p, u32 kind, const char *name, struct smartssd_section *out)
{
	int err = find_section(p, kind, name, out);

	if (err != -ENOENT)
		return err;
	smartssd_why(p->why, "%s: there is no such section", name);
	return -EOPNOTSUPP;
}

/* A table's entry count, proven to fit into its section. */
static int entry_count(struct parse *p, const struct smartssd_section *s, const char *name,
		       u32 header, u32 entry, u32 *nr)
{
	u32 count;

	if (s->bytes < header) {
		smartssd_why(p->why, "%s: %llu bytes hold no table", name,
			     (unsigned long long)s->bytes);
		return -EBADMSG;
	}
	/* Signed in the format; as unsigned, negative ones are too large as well. */
	count = get32(p->data + s->offset);
	if (count > (s->bytes - header) / entry) {
		smartssd_why(p->why, "%s: %d entries do not fit into %llu bytes", name, (s32)count,
			     (unsigned long long)s->bytes);
		return -EBADMSG;
	}
	*nr = count;
	return 0;
}

static int parse_mem(struct parse *p, const u8 *entry, u32 i, struct smartssd_mem_desc *mem)
{
	u8 type = entry[0];

	mem->used = entry[MEM_AT_USED];
	if (!memchr(entry + MEM_AT_TAG, 0, MEM_TAG_LEN)) {
		smartssd_why(p->why, "MEM_TOPOLOGY: entry %u: the tag does not end", i);
		return -EBADMSG;
	}
	copy_text(mem->tag, entry + MEM_AT_TAG, MEM_TAG_LEN - 1);
	if (type == MEM_STREAMING || type == MEM_STREAM_CONN)
		return 0; /* no memory: the fields mean something else */
	mem->base = get64(entry + MEM_AT_BASE);
	if (check_mul_overflow(get64(entry + MEM_AT_KIB), (u64)1024, &mem->bytes) ||
	    mem->base + mem->bytes < mem->base) {
		smartssd_why(p->why, "MEM_TOPOLOGY: entry %u: the size is absurd", i);
		return -EBADMSG;
	}
	return 0;
}

static int parse_mems(struct parse *p)
{
	struct smartssd_section s;
	u32 i, nr;
	int err;

	err = find_section(p, KIND_MEM_TOPOLOGY, "MEM_TOPOLOGY", &s);
	if (err == -ENOENT)
		return 0;
	if (!err)
		err = entry_count(p, &s, "MEM_TOPOLOGY", MEM_ENTRIES, MEM_BYTES, &nr);
	if (err)
		return err;
	if (nr > MAX_MEMS) {
		smartssd_why(p->why, "MEM_TOPOLOGY: %u entries, at most %u are supported", nr,
			     MAX_MEMS);
		return -EOPNOTSUPP;
	}
	if (!nr)
		return 0;
	p->info->mems = core_alloc(nr * sizeof(*p->info->mems));
	if (!p->info->mems)
		return -ENOMEM;
	p->info->nr_mems = nr;
	for (i = 0; i < nr && !err; i++)
		err = parse_mem(p, p->data + s.offset + MEM_ENTRIES + i * MEM_BYTES, i,
				&p->info->mems[i]);
	return err;
}

/* "kernel:cu", which goes into messages and sysfs: terminated, printable, both parts there. */
static int check_cu_name(struct parse *p, const u8 *name, u32 entry)
{
	const u8 *end = memchr(name, 0, SMARTSSD_NAME_LEN);
	const u8 *colon, *c;

	if (!end) {
		smartssd_why(p->why, "IP_LAYOUT: entry %u: the name does not end", entry);
		return -EBADMSG;
	}
	for (c = name; c < end; c++) {
		if (*c <= 0x20 || *c >= 0x7f) {
			smartssd_why(p->why, "IP_LAYOUT: entry %u: the name has an odd character",
				     entry);
			return -EBADMSG;
		}
	}
	colon = memchr(name, ':', end - name);
	if (!colon || colon == name || colon + 1 == end) {
		smartssd_why(p->why, "IP_LAYOUT: entry %u: the name \"%s\" is not kernel:cu", entry,
			     (const char *)name);
		return -EBADMSG;
	}
	return 0;
}

static int check_cu_base(struct parse *p, const struct smartssd_cu_desc *cu)
{
	unsigned long long base = cu->base;
	u32 i;

	if (base & (CU_FILE_BYTES - 1) || base > SMARTSSD_WINDOW_BYTES - CU_FILE_BYTES) {
		smartssd_why(p->why, "IP_LAYOUT: %s: registers at 0x%llx, not in the user window",
			     cu->name, base);
		return -EBADMSG;
	}
	if (base >= SHELL_FIRST && base < SHELL_END) {
		smartssd_why(p->why, "IP_LAYOUT: %s: registers at 0x%llx, among the shell's",
			     cu->name, base);
		return -EBADMSG;
	}
	for (i = 0; i < p->info->nr_cus; i++) {
		const struct smartssd_cu_desc *other = &p->info->cus[i];

		/* Equal size, aligned to it: they overlap only when they are the same. */
		if (other->base == cu->base) {
			smartssd_why(p->why, "IP_LAYOUT: %s: registers at 0x%llx, as those of %s",
				     cu->name, base, other->name);
			return -EBADMSG;
		}
		if (!strcmp(other->name, cu->name)) {
			smartssd_why(p->why, "IP_LAYOUT: %s is there twice", cu->name);
			return -EBADMSG;
		}
	}
	return 0;
}

/* The kernel of this CU, numbered in order of first use. */
static int bind_kernel(struct parse *p, struct smartssd_cu_desc *cu)
{
	struct metadata_kernel *k;
	u32 i;

	k = metadata_find(p->metadata, cu->name, strchr(cu->name, ':') - cu->name);
	if (!k) {
		smartssd_why(p->why, "EMBEDDED_METADATA: no kernel for %s", cu->name);
		return -EBADMSG;
	}
	if (k->number == METADATA_NOT_USED)
		k->number = p->info->nr_kernels++;
	cu->kernel = k->number;
	cu->nr_args = k->nr_args;
	cu->first_arg = p->info->nr_args;
	for (i = 0; i < k->nr_args; i++)
		p->info->args[cu->first_arg + i] = p->metadata->args[k->first_arg + i];
	p->info->nr_args += k->nr_args;
	return 0;
}

static int parse_cu(struct parse *p, const u8 *entry, u32 index)
{
	struct smartssd_cu_desc *cu = &p->info->cus[p->info->nr_cus];
	u32 properties = get32(entry + IP_AT_PROPERTIES);
	int err;

	err = check_cu_name(p, entry + IP_AT_NAME, index);
	if (err)
		return err;
	memcpy(cu->name, entry + IP_AT_NAME, strlen((const char *)entry + IP_AT_NAME));
	cu->base = get64(entry + IP_AT_BASE);
	cu->irq = properties & 1 ? (properties >> 1) & 0x7f : ~0u;
	cu->control = (properties >> 8) & 0xff;
	if (cu->control != SMARTSSD_CONTROL_HS && cu->control != SMARTSSD_CONTROL_CHAIN) {
		smartssd_why(p->why,
			     "IP_LAYOUT: %s: control %u is neither ap_ctrl_hs nor ap_ctrl_chain",
			     cu->name, cu->control);
		return -EOPNOTSUPP;
	}
	err = check_cu_base(p, cu);
	if (!err)
		err = bind_kernel(p, cu);
	if (!err)
		p->info->nr_cus++;
	return err;
}

static int parse_cus(struct parse *p)
{
	struct smartssd_section s;
	u32 i, entries, nr = 0;
	const u8 *table;
	int err;

	err = need_section(p, KIND_IP_LAYOUT, "IP_LAYOUT", &s);
	if (!err)
		err = entry_count(p, &s, "IP_LAYOUT", IP_ENTRIES, IP_BYTES, &entries);
	if (err)
		return err;
	table = p->data + s.offset + IP_ENTRIES;
	for (i = 0; i < entries; i++)
		nr += get32(table + (u64)i * IP_BYTES) == IP_KERNEL;
	if (!nr || nr > SMARTSSD_MAX_CUS) {
		smartssd_why(p->why, "IP_LAYOUT: %u compute units, between 1 and %u are supported",
			     nr, SMARTSSD_MAX_CUS);
		return -EOPNOTSUPP;
	}
	p->info->cus = core_alloc(nr * sizeof(*p->info->cus));
	p->info->args = core_alloc(nr * SMARTSSD_MAX_ARGS * sizeof(*p->info->args));
	if (!p->info->cus || !p->info->args)
		return -ENOMEM;
	for (i = 0; i < entries && !err; i++) {
		const u8 *entry = table + (u64)i * IP_BYTES;

		if (get32(entry) == IP_KERNEL)
			err = parse_cu(p, entry, i);
	}
	return err;
}

static int parse_all(struct parse *p, u64 bytes)
{
	struct smartssd_section s;
	int err;

	err = parse_header(p, bytes);
	if (!err)
		err = parse_sections(p);
	if (!err)
		err = need_section(p, KIND_BITSTREAM, "BITSTREAM", &s);
	if (err)
		return err;
	p->info->bits_offset = s.offset;
	p->info->bits_bytes = s.bytes;

	err = parse_mems(p);
	if (!err)
		err = need_section(p, KIND_METADATA, "EMBEDDED_METADATA", &s);
	if (err)
		return err;
	if (s.bytes > MAX_METADATA) {
		smartssd_why(p->why, "EMBEDDED_METADATA: %llu bytes, at most %u are supported",
			     (unsigned long long)s.bytes, MAX_METADATA);
		return -EOPNOTSUPP;
	}
	err = metadata_parse(p->data + s.offset, s.bytes, &p->metadata, p->why);
	return err ? err : parse_cus(p);
}

int smartssd_xclbin_parse(const void *data, u64 bytes, struct smartssd_xclbin_info **out,
			  struct smartssd_why *why)
{
	struct parse p = { .data = data, .why = why };
	int err;

	if (why)
		why->text[0] = 0;
	p.info = core_alloc(sizeof(*p.info));
	err = p.info ? parse_all(&p, bytes) : -ENOMEM;
	metadata_free(p.metadata);
	if (err) {
		if (err == -ENOMEM)
			smartssd_why(why, "out of memory");
		smartssd_xclbin_free(p.info);
		return err;
	}
	*out = p.info;
	return 0;
}

void smartssd_xclbin_free(struct smartssd_xclbin_info *info)
{
	if (!info)
		return;
	core_free(info->sections);
	core_free(info->cus);
	core_free(info->args);
	core_free(info->mems);
	core_free(info);
}
