// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Kernels and arguments from project/platform/device/core/kernel/arg. Two passes over the text: the
 * first counts and checks the XML, so that the second can put each argument where its id says.
 *
 * Which registers are pointers is decided here, so this is what keeps one process's kernel out of
 * another's memory: argument registers must not overlap, or a scalar could overwrite a pointer.
 */
#include "metadata.h"
#include "regs.h"
#include "xml.h"

#define KERNEL_DEPTH 5 /* project/platform/device/core/kernel */
#define FILE_WORDS   (CU_FILE_BYTES / 4)
#define NUMBER_LEN   32

struct pass {
	struct xml xml;
	struct metadata *m;
	u32 matched;   /* so many elements from the root on are on the path to a kernel */
	u32 nr_args;   /* of all kernels */
	u64 ids;       /* second pass: the current kernel's arguments so far */
	u32 words[FILE_WORDS / 32]; /* second pass: registers that they take */
	struct smartssd_why *why;
};

static const char *const path[KERNEL_DEPTH] = { "project", "platform", "device", "core", "kernel" };

/* Printable, no blanks: the text ends up in messages and sysfs. */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (*text <= 0x20 || *text >= 0x7f)
			return false;
	return true;
}

/* A name: must be there, plain, and fit. */
static int get_name(struct pass *p, const char *what, char out[SMARTSSD_NAME_LEN])
{
	int n = xml_attr(&p->xml, "name", out, SMARTSSD_NAME_LEN);

	if (n <= 0 || !is_plain(out)) {
		smartssd_why(p->why, "EMBEDDED_METADATA, line %u: %s without a proper name",
			     xml_line(&p->xml), what);
		return -EBADMSG;
	}
	if (n >= SMARTSSD_NAME_LEN) {
		smartssd_why(p->why, "EMBEDDED_METADATA: name %.20s... longer than %u", out,
			     SMARTSSD_NAME_LEN - 1);
		return -EOPNOTSUPP;
	}
	return 0;
}

/* "12" or "0x0c", nothing else */
static bool to_number(const char *text, u64 *value)
{
	u32 base = 10, d;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		text += 2;
	}
	if (!*text)
		return false;
	for (*value = 0; *text; text++) {
		char c = *text;

		d = c >= '0' && c <= '9' ? c - '0' :
		    c >= 'a' && c <= 'f' ? c - 'a' + 10 :
		    c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
		if (d >= base || check_mul_overflow(*value, (u64)base, value) ||
		    check_add_overflow(*value, (u64)d, value))
			return false;
	}
	return true;
}

static int bad_arg(struct pass *p, int err, const char *arg, const char *what)
{
	smartssd_why(p->why, "EMBEDDED_METADATA: kernel %s, argument %s: %s",
		     p->m->kernels[p->m->nr_kernels - 1].name, arg, what);
	return err;
}

static int get_number(struct pass *p, const char *arg, const char *attr, u64 *value)
{
	char text[NUMBER_LEN];
	int n = xml_attr(&p->xml, attr, text, sizeof(text));

	if (n >= 0 && n < NUMBER_LEN && to_number(text, value))
		return 0;
	smartssd_why(p->why, "EMBEDDED_METADATA: kernel %s, argument %s: %s is no number",
		     p->m->kernels[p->m->nr_kernels - 1].name, arg, attr);
	return -EBADMSG;
}

/* Bytes in the kernel's prototype -> bytes of registers */
static int get_size(struct pass *p, struct smartssd_cu_arg *arg)
{
	u64 size;
	int err = get_number(p, arg->name, "size", &size);

	if (err)
		return err;
	if (size > 8)
		return bad_arg(p, -EOPNOTSUPP, arg->name, "wider than 8 bytes");
	if (!size || (size & (size - 1)))
		return bad_arg(p, -EBADMSG, arg->name, "size is not 1, 2, 4 or 8");
	if (arg->kind == SMARTSSD_ARG_GLOBAL && size < 4)
		return bad_arg(p, -EBADMSG, arg->name, "a pointer of less than 4 bytes");
	arg->bytes = size == 8 ? 8 : 4;
	return 0;
}

static int get_kind(struct pass *p, struct smartssd_cu_arg *arg)
{
	u64 qualifier;
	int err = get_number(p, arg->name, "addressQualifier", &qualifier);

	if (err)
		return err;
	switch (qualifier) {
	case 0:
		arg->kind = SMARTSSD_ARG_SCALAR;
		return 0;
	case 1:
		arg->kind = SMARTSSD_ARG_GLOBAL;
		return 0;
	case 2:
		return bad_arg(p, -EOPNOTSUPP, arg->name, "constant memory is not supported");
	case 3:
		return bad_arg(p, -EOPNOTSUPP, arg->name, "local memory is not supported");
	case 4:
		return bad_arg(p, -EOPNOTSUPP, arg->name, "streams are not supported");
	default:
		return bad_arg(p, -EOPNOTSUPP, arg->name, "unknown addressQualifier");
	}
}

static int get_offset(struct pass *p, struct smartssd_cu_arg *arg)
{
	u64 offset;
	u32 word;
	int err = get_number(p, arg->name, "offset", &offset);

	if (err)
		return err;
	if (offset < CU_ARGS || (offset & 3) || offset > CU_FILE_BYTES - arg->bytes)
		return bad_arg(p, -EBADMSG, arg->name, "offset outside of the argument registers");
	arg->offset = (u32)offset;
	for (word = arg->offset / 4; word < (arg->offset + arg->bytes) / 4; word++) {
		if (p->words[word / 32] & (1u << word % 32))
			return bad_arg(p, -EBADMSG, arg->name, "overlaps another one's registers");
		p->words[word / 32] |= 1u << word % 32;
	}
	return 0;
}

/* Where the argument belongs: its id must be one of 0 .. nr_args - 1, and new. */
static int get_id(struct pass *p, const char *arg, const struct metadata_kernel *k, u32 *id)
{
	char text[NUMBER_LEN];
	u64 value;
	int err;

	if (!xml_attr(&p->xml, "id", text, sizeof(text)))
		return bad_arg(p, -EOPNOTSUPP, arg, "hidden (empty id), not supported");
	err = get_number(p, arg, "id", &value);
	if (err)
		return err;
	if (value >= k->nr_args)
		return bad_arg(p, -EBADMSG, arg, "the id leaves a gap");
	if (p->ids & (1ull << value))
		return bad_arg(p, -EBADMSG, arg, "the id is there twice");
	p->ids |= 1ull << value;
	*id = (u32)value;
	return 0;
}

static int read_arg(struct pass *p)
{
	struct metadata_kernel *k = &p->m->kernels[p->m->nr_kernels - 1];
	struct smartssd_cu_arg arg = { .bound_of = ~0u };
	const char *c;
	u32 id, i;
	int err;

	err = get_name(p, "an argument", arg.name);
	if (!err)
		err = get_id(p, arg.name, k, &id);
	if (!err)
		err = get_kind(p, &arg);
	if (!err)
		err = get_size(p, &arg);
	if (!err)
		err = get_offset(p, &arg);
	if (err)
		return err;
	/* For information only, so a template's long name may be cut. */
	if (xml_attr(&p->xml, "type", arg.type, sizeof(arg.type)) < 0)
		return bad_arg(p, -EBADMSG, arg.name, "no type");
	for (c = arg.type; *c; c++)
		if (*c < 0x20 || *c >= 0x7f)
			return bad_arg(p, -EBADMSG, arg.name, "the type has an odd character");
	for (i = 0; i < k->nr_args; i++)
		if (!strcmp(p->m->args[k->first_arg + i].name, arg.name))
			return bad_arg(p, -EBADMSG, arg.name, "the name is there twice");
	p->m->args[k->first_arg + id] = arg;
	return 0;
}

/* A u64 "<p>_bytes" directly behind the pointer "<p>" is that pointer's bound. */
static void find_bounds(struct smartssd_cu_arg *args, u32 nr)
{
	u32 i;

	for (i = 1; i < nr; i++) {
		const struct smartssd_cu_arg *pointer = &args[i - 1];
		size_t n = strlen(pointer->name);

		if (pointer->kind != SMARTSSD_ARG_GLOBAL || args[i].kind != SMARTSSD_ARG_SCALAR ||
		    args[i].bytes != 8)
			continue;
		if (strncmp(args[i].name, pointer->name, n) || strcmp(args[i].name + n, "_bytes"))
			continue;
		args[i].kind = SMARTSSD_ARG_BOUND;
		args[i].bound_of = i - 1;
	}
}

/* First pass: how many of what? */
static int count_kernel(struct pass *p)
{
	struct metadata_kernel *k;
	char name[SMARTSSD_NAME_LEN];
	int err;

	err = get_name(p, "a kernel", name);
	if (err)
		return err;
	if (metadata_find(p->m, name, strlen(name))) {
		smartssd_why(p->why, "EMBEDDED_METADATA: kernel %s is there twice", name);
		return -EBADMSG;
	}
	if (p->m->nr_kernels == SMARTSSD_MAX_CUS) {
		smartssd_why(p->why, "EMBEDDED_METADATA: more than %u kernels", SMARTSSD_MAX_CUS);
		return -EOPNOTSUPP;
	}
	k = &p->m->kernels[p->m->nr_kernels++];
	memcpy(k->name, name, sizeof(k->name));
	k->first_arg = p->nr_args;
	k->number = METADATA_NOT_USED;
	return 0;
}

static int count_arg(struct pass *p)
{
	struct metadata_kernel *k = &p->m->kernels[p->m->nr_kernels - 1];

	if (k->nr_args == SMARTSSD_MAX_ARGS) {
		smartssd_why(p->why, "EMBEDDED_METADATA: kernel %s has more than %u arguments",
			     k->name, SMARTSSD_MAX_ARGS);
		return -EOPNOTSUPP;
	}
	k->nr_args++;
	p->nr_args++;
	return 0;
}

/* Second pass: the next of the kernels that were counted. */
static int enter_kernel(struct pass *p)
{
	p->m->nr_kernels++;
	p->ids = 0;
	memset(p->words, 0, sizeof(p->words));
	return 0;
}

/* Walk the elements: @kernel and @arg are called where one opens. */
static int walk(struct pass *p, const void *data, size_t bytes, int (*kernel)(struct pass *p),
		int (*arg)(struct pass *p))
{
	int event, err;

	xml_init(&p->xml, data, bytes, p->why);
	p->m->nr_kernels = 0;
	p->matched = 0;
	while ((event = xml_next(&p->xml)) > XML_END) {
		u32 depth = p->xml.depth;

		if (event == XML_CLOSE) {
			if (p->matched == depth)
				p->matched--;
			continue;
		}
		if (depth == KERNEL_DEPTH + 1 && p->matched == KERNEL_DEPTH &&
		    xml_is(&p->xml, "arg")) {
			err = arg(p);
			if (err)
				return err;
		}
		if (depth > KERNEL_DEPTH || p->matched != depth - 1 ||
		    !xml_is(&p->xml, path[depth - 1]))
			continue;
		p->matched = depth;
		if (depth == KERNEL_DEPTH) {
			err = kernel(p);
			if (err)
				return err;
		}
	}
	return event;
}

int metadata_parse(const void *data, size_t bytes, struct metadata **out, struct smartssd_why *why)
{
	struct pass *p = core_alloc(sizeof(*p));
	struct metadata *m = core_alloc(sizeof(*m));
	u32 i;
	int err = -ENOMEM;

	if (!p || !m)
		goto out;
	p->m = m;
	p->why = why;
	err = walk(p, data, bytes, count_kernel, count_arg);
	if (err)
		goto out;
	if (p->nr_args) {
		err = -ENOMEM;
		m->args = core_alloc(p->nr_args * sizeof(*m->args));
		if (!m->args)
			goto out;
		err = walk(p, data, bytes, enter_kernel, read_arg);
		if (err)
			goto out;
		for (i = 0; i < m->nr_kernels; i++)
			find_bounds(m->args + m->kernels[i].first_arg, m->kernels[i].nr_args);
	}
	*out = m;
	m = NULL;
out:
	metadata_free(m);
	core_free(p);
	return err;
}

void metadata_free(struct metadata *m)
{
	if (!m)
		return;
	core_free(m->args);
	core_free(m);
}

struct metadata_kernel *metadata_find(struct metadata *m, const char *name, size_t n)
{
	u32 i;

	for (i = 0; i < m->nr_kernels; i++)
		if (strlen(m->kernels[i].name) == n && !memcmp(m->kernels[i].name, name, n))
			return &m->kernels[i];
	return NULL;
}
