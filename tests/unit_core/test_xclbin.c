// SPDX-License-Identifier: BSD-2-Clause
/* smartssd_xclbin_parse(): what a good xclbin says, and each way to be malformed with its errno and its words. */
#include <xrt/xclbin.h>
#include "../../driver/core/core.h"
#include "suite.h"
#include "xclbin_builder.h"

static u8 *sample(size_t *bytes)
{
	struct xb xb = { 0 };

	xb_sample(&xb);
	return xb_finish(&xb, bytes);
}

/* @file must be refused with @err, and the words must have @why in them. Frees @file. */
static void refuse(u8 *file, size_t bytes, int err, const char *why, const char *what)
{
	struct smartssd_xclbin_info *info = (void *)1;
	struct smartssd_why text;
	int got = smartssd_xclbin_parse(file, bytes, &info, &text);

	ck_assert_msg(got == err, "%s: %d (%s)", what, got, text.text);
	ck_assert_msg(strstr(text.text, why), "%s: \"%s\" has no \"%s\"", what, text.text, why);
	ck_assert_ptr_eq(info, (void *)1);
	free(file);
}

static struct smartssd_xclbin_info *parse(u8 *file, size_t bytes)
{
	struct smartssd_xclbin_info *info = NULL;
	struct smartssd_why why;
	int err = smartssd_xclbin_parse(file, bytes, &info, &why);

	ck_assert_msg(!err, "%d: %s", err, why.text);
	ck_assert_str_eq(why.text, "");
	free(file); /* the result must not point into it */
	return info;
}

static void expect_arg(const struct smartssd_cu_arg *arg, const char *name, u32 kind, u32 offset, u32 bytes, u32 bound_of, const char *type)
{
	ck_assert_str_eq(arg->name, name);
	ck_assert_uint_eq(arg->kind, kind);
	ck_assert_uint_eq(arg->offset, offset);
	ck_assert_uint_eq(arg->bytes, bytes);
	ck_assert_uint_eq(arg->bound_of, bound_of);
	ck_assert_str_eq(arg->type, type);
}

START_TEST(header_sections_and_memories)
{
	size_t bytes;
	u8 *file = sample(&bytes);
	size_t bits = xb_offset(file, BITSTREAM);
	struct smartssd_xclbin_info *info = parse(file, bytes);

	for (int i = 0; i < 16; i++)
		ck_assert_uint_eq(info->uuid[i], 0xa0 + i);
	ck_assert_str_eq(info->platform, "xilinx_u2_gen3x4_xdma_gc_2_202110_1");
	ck_assert_uint_eq(info->mode, 1);
	ck_assert_uint_eq(info->nr_sections, 5);
	ck_assert_uint_eq(info->sections[0].kind, BITSTREAM);
	ck_assert_str_eq(info->sections[2].name, "section 2");
	ck_assert_uint_eq(info->sections[4].bytes, 2);
	ck_assert_uint_eq(info->bits_offset, bits);
	ck_assert_uint_eq(info->bits_bytes, 20);
	ck_assert_uint_eq(info->nr_mems, 2);
	ck_assert_uint_eq(info->mems[0].base, 0);
	ck_assert_uint_eq(info->mems[0].bytes, 4ull << 30);
	ck_assert_uint_eq(info->mems[0].used, 1);
	ck_assert_str_eq(info->mems[0].tag, "bank0");
	ck_assert_uint_eq(info->mems[1].bytes, 0); /* a stream is no memory */
	ck_assert_str_eq(info->mems[1].tag, "stream");
	smartssd_xclbin_free(info);
}
END_TEST

START_TEST(compute_units)
{
	size_t bytes;
	u8 *file = sample(&bytes);
	struct smartssd_xclbin_info *info = parse(file, bytes);

	ck_assert_uint_eq(info->nr_cus, 3);
	ck_assert_uint_eq(info->nr_kernels, 2);
	ck_assert_str_eq(info->cus[0].name, "vadd:vadd_1");
	ck_assert_str_eq(info->cus[1].name, "scale:scale_1");
	ck_assert_str_eq(info->cus[2].name, "vadd:vadd_2");
	ck_assert_uint_eq(info->cus[0].base, 0x1c00000);
	ck_assert_uint_eq(info->cus[1].base, 0x1c10000);
	ck_assert_uint_eq(info->cus[0].control, SMARTSSD_CONTROL_HS);
	ck_assert_uint_eq(info->cus[1].control, SMARTSSD_CONTROL_CHAIN);
	ck_assert_uint_eq(info->cus[0].irq, 0);
	ck_assert_uint_eq(info->cus[1].irq, 5);
	ck_assert_uint_eq(info->cus[2].irq, ~0u);
	ck_assert_uint_eq(info->cus[0].kernel, 0);
	ck_assert_uint_eq(info->cus[1].kernel, 1);
	ck_assert_uint_eq(info->cus[2].kernel, 0);
	smartssd_xclbin_free(info);
}
END_TEST

START_TEST(arguments)
{
	size_t bytes;
	u8 *file = sample(&bytes);
	struct smartssd_xclbin_info *info = parse(file, bytes);

	ck_assert_uint_eq(info->nr_args, 3 + 2 + 3);
	for (u32 cu = 0; cu < 3; cu += 2) {
		const struct smartssd_cu_arg *args = info->args + info->cus[cu].first_arg;

		ck_assert_uint_eq(info->cus[cu].nr_args, 3);
		expect_arg(&args[0], "a", SMARTSSD_ARG_GLOBAL, 0x10, 8, ~0u, "int*");
		expect_arg(&args[1], "a_bytes", SMARTSSD_ARG_BOUND, 0x1c, 8, 0, "uint64_t");
		expect_arg(&args[2], "n", SMARTSSD_ARG_SCALAR, 0x28, 4, ~0u, "unsigned int");
	}
	/* In order of their ids, not of the text; references decoded; 2 bytes take a whole register. */
	ck_assert_uint_eq(info->cus[1].nr_args, 2);
	expect_arg(&info->args[info->cus[1].first_arg], "y", SMARTSSD_ARG_GLOBAL, 0x10, 8, ~0u, "float*");
	expect_arg(&info->args[info->cus[1].first_arg + 1], "factor", SMARTSSD_ARG_SCALAR, 0x1c, 4, ~0u, "fixed<16,8>");
	smartssd_xclbin_free(info);
}
END_TEST

/* A 4-byte "a_bytes", one with another name, or one elsewhere is an ordinary scalar. */
START_TEST(bounds_are_only_what_the_rule_says)
{
	static const char *const edits[][2] = {
		{ "size=\"0x8\" offset=\"0x1C\"", "size=\"0x4\" offset=\"0x1C\"" },
		{ "\"a_bytes\"", "\"b_bytes\"" },
		{ "\"a_bytes\"", "\"a_bytesx\"" },
		{ "\"a_bytes\"", "\"abytes\"" },
		{ "name=\"a\" addressQualifier=\"1\"", "name=\"a\" addressQualifier=\"0\"" },
	};
	char *xml = xb_edit_xml(edits[_i][0], edits[_i][1]);
	size_t bytes;
	u8 *file = xb_with_xml(xml, strlen(xml), &bytes);
	struct smartssd_xclbin_info *info = parse(file, bytes);

	ck_assert_uint_eq(info->args[1].kind, SMARTSSD_ARG_SCALAR);
	ck_assert_uint_eq(info->args[1].bound_of, ~0u);
	smartssd_xclbin_free(info);
	free(xml);
}
END_TEST

/* Elements that only look like kernels and arguments. */
START_TEST(only_the_path_counts)
{
	static const char *const edits[][2] = {
		{ "<module name=\"\"/>", "<module name=\"\"><arg name=\"x\" id=\"7\"/></module>" },
		{ "<module name=\"\"/>", "<x><kernel name=\"vadd\"><arg/></kernel></x>" },
		{ "   <core name", "   <kernel name=\"vadd\"><arg/></kernel><core name" },
		{ "<version ", "<device><score><kernel><arg/></kernel></score></device><version " },
	};
	char *xml = xb_edit_xml(edits[_i][0], edits[_i][1]);
	size_t bytes;
	u8 *file = xb_with_xml(xml, strlen(xml), &bytes);
	struct smartssd_xclbin_info *info = parse(file, bytes);

	ck_assert_uint_eq(info->nr_kernels, 2);
	ck_assert_uint_eq(info->nr_args, 8);
	smartssd_xclbin_free(info);
	free(xml);
}
END_TEST

START_TEST(long_type_is_cut)
{
	char type[200], *xml;
	struct smartssd_xclbin_info *info;
	size_t bytes;
	u8 *file;

	memset(type, 't', sizeof(type));
	memcpy(type, "type=\"", 6);
	strcpy(type + 190, "\"");
	xml = xb_edit_xml("type=\"unsigned int\"", type);
	file = xb_with_xml(xml, strlen(xml), &bytes);
	info = parse(file, bytes);
	ck_assert_uint_eq(strlen(info->args[2].type), SMARTSSD_NAME_LEN - 1);
	smartssd_xclbin_free(info);
	free(xml);
}
END_TEST

START_TEST(kernel_without_arguments_or_cus)
{
	struct smartssd_xclbin_info *info;
	size_t bytes;
	char *xml = xb_edit_xml("<kernel name='scale'>", "<kernel name='unused'/><kernel name='scale'>");
	u8 *file = xb_with_xml(xml, strlen(xml), &bytes);

	info = parse(file, bytes);
	ck_assert_uint_eq(info->nr_kernels, 2); /* those that have CUs */
	smartssd_xclbin_free(info);
	free(xml);

	static const char empty[] = "<project><platform><device><core><kernel name='vadd'/><kernel name='scale'></kernel></core></device></platform></project>";

	file = xb_with_xml(empty, strlen(empty), &bytes);
	info = parse(file, bytes);
	ck_assert_uint_eq(info->nr_args, 0);
	smartssd_xclbin_free(info);
}
END_TEST

START_TEST(without_memory_topology)
{
	struct smartssd_xclbin_info *info;
	struct xb xb = { 0 };
	size_t bytes;
	u8 *file;

	xb_sample(&xb);
	xb_drop(&xb, MEM_TOPOLOGY);
	file = xb_finish(&xb, &bytes);
	info = parse(file, bytes);
	ck_assert_uint_eq(info->nr_mems, 0);
	smartssd_xclbin_free(info);
}
END_TEST

/* "For segments which are not present both offset and length must be 0" (xclbin.h) */
START_TEST(absent_section_header)
{
	struct smartssd_xclbin_info *info;
	size_t bytes, header = offsetof(struct axlf, m_sections) + 4 * sizeof(struct axlf_section_header);
	u8 *file = sample(&bytes);

	memset(file + header + offsetof(struct axlf_section_header, m_sectionOffset), 0, 16);
	memset(file + header, 0, 4); /* a second, absent BITSTREAM */
	info = parse(file, bytes);
	ck_assert_uint_eq(info->bits_bytes, 20);
	smartssd_xclbin_free(info);
}
END_TEST

/* The JSON mirror that Vitis appends inside of the length, and a signature behind it, are nobody's section. */
START_TEST(bytes_behind_the_sections)
{
	size_t bytes;
	u8 *file = sample(&bytes);
	u64 length = bytes + 100;

	file = realloc(file, bytes + 150);
	memset(file + bytes, '{', 150);
	memcpy(file + offsetof(struct axlf, m_header) + offsetof(struct axlf_header, m_length), &length, 8);
	smartssd_xclbin_free(parse(file, bytes + 150));
}
END_TEST

START_TEST(odd_bytes_in_texts_to_show)
{
	struct smartssd_xclbin_info *info;
	size_t bytes;
	u8 *file = sample(&bytes);

	memset(file + 352, 0xff, 64);
	memset(file + 456 + 4, 7, 16);
	info = parse(file, bytes);
	ck_assert_uint_eq(strlen(info->platform), 64);
	ck_assert_int_eq(info->platform[63], '?');
	ck_assert_str_eq(info->sections[0].name, "????????????????");
	smartssd_xclbin_free(info);
}
END_TEST

#define HEADER_AT(field)  (offsetof(struct axlf, m_header) + offsetof(struct axlf_header, field))
#define SECTION_AT(i, f)  (offsetof(struct axlf, m_sections) + (i) * 40 + offsetof(struct axlf_section_header, f))
#define MEM_AT(i, f)	  (8 + (i) * 40 + offsetof(struct mem_data, f))
#define IP_AT(i, f)	  (8 + (i) * 80 + offsetof(struct ip_data, f))
#define FILE_START	  0xffffffffu

/* One number poked into the sample: @width bytes at @at of the section of this @kind. */
static const struct poke {
	const char *what;
	u32 kind;
	size_t at;
	int width;
	u64 value;
	int err;
	const char *why;
} pokes[] = {
	{ "magic", FILE_START, 6, 1, '3', -EBADMSG, "header: no \"xclbin2\"" },
	{ "magic without its zero", FILE_START, 7, 1, 'x', -EBADMSG, "header: no \"xclbin2\"" },
	{ "length beyond the file", FILE_START, HEADER_AT(m_length), 8, 1 << 20, -EBADMSG, "header: length 1048576" },
	{ "length huge", FILE_START, HEADER_AT(m_length), 8, ~0ull, -EBADMSG, "header: length" },
	{ "length within the header", FILE_START, HEADER_AT(m_length), 8, 455, -EBADMSG, "header: length 455" },
	{ "length cuts a section", FILE_START, HEADER_AT(m_length), 8, 1000, -EBADMSG, "section 2 (kind 8)" },
	{ "emulation", FILE_START, HEADER_AT(m_mode), 2, XCLBIN_SW_EMU, -EOPNOTSUPP, "header: mode 5" },
	{ "more section headers than bytes", FILE_START, HEADER_AT(m_numSections), 4, 100, -EBADMSG, "header: 100 section headers" },
	{ "section count huge", FILE_START, HEADER_AT(m_numSections), 4, 0xffffffff, -EBADMSG, "header: 4294967295 section" },
	{ "no sections", FILE_START, HEADER_AT(m_numSections), 4, 0, -EOPNOTSUPP, "BITSTREAM: there is no" },
	{ "offset not aligned", FILE_START, SECTION_AT(1, m_sectionOffset), 1, 0x94, -EBADMSG, "section 1 (kind 6)" },
	{ "offset in the headers", FILE_START, SECTION_AT(3, m_sectionOffset), 8, 456, -EBADMSG, "section 3 (kind 2)" },
	{ "offset beyond the end", FILE_START, SECTION_AT(3, m_sectionOffset), 8, 1 << 20, -EBADMSG, "section 3 (kind 2)" },
	{ "offset huge", FILE_START, SECTION_AT(3, m_sectionOffset), 8, ~7ull, -EBADMSG, "section 3 (kind 2)" },
	{ "size beyond the end", FILE_START, SECTION_AT(4, m_sectionSize), 8, 100, -EBADMSG, "section 4 (kind 14)" },
	{ "size that wraps", FILE_START, SECTION_AT(4, m_sectionSize), 8, ~0ull, -EBADMSG, "section 4 (kind 14)" },
	{ "offset without a size", FILE_START, SECTION_AT(0, m_sectionOffset), 8, 0, -EBADMSG, "section 0 (kind 0)" },
	{ "two BITSTREAMs", FILE_START, SECTION_AT(4, m_sectionKind), 4, BITSTREAM, -EBADMSG, "BITSTREAM: there are two" },
	{ "two MEM_TOPOLOGYs", FILE_START, SECTION_AT(4, m_sectionKind), 4, MEM_TOPOLOGY, -EBADMSG, "MEM_TOPOLOGY: there are two" },
	{ "two IP_LAYOUTs", FILE_START, SECTION_AT(4, m_sectionKind), 4, IP_LAYOUT, -EBADMSG, "IP_LAYOUT: there are two" },
	{ "two EMBEDDED_METADATAs", FILE_START, SECTION_AT(4, m_sectionKind), 4, EMBEDDED_METADATA, -EBADMSG, "EMBEDDED_METADATA: there are two" },
	{ "no BITSTREAM", FILE_START, SECTION_AT(0, m_sectionKind), 4, 99, -EOPNOTSUPP, "BITSTREAM: there is no" },
	{ "no IP_LAYOUT", FILE_START, SECTION_AT(2, m_sectionKind), 4, 99, -EOPNOTSUPP, "IP_LAYOUT: there is no" },
	{ "no EMBEDDED_METADATA", FILE_START, SECTION_AT(3, m_sectionKind), 4, 99, -EOPNOTSUPP, "EMBEDDED_METADATA: there is no" },

	{ "memories: section too small", FILE_START, SECTION_AT(1, m_sectionSize), 8, 7, -EBADMSG, "MEM_TOPOLOGY: 7 bytes" },
	{ "memories: one too many", MEM_TOPOLOGY, 0, 4, 3, -EBADMSG, "MEM_TOPOLOGY: 3 entries" },
	{ "memories: negative count", MEM_TOPOLOGY, 0, 4, 0xffffffff, -EBADMSG, "MEM_TOPOLOGY: -1 entries" },
	{ "memory: tag does not end", MEM_TOPOLOGY, MEM_AT(0, m_tag) + 5, 11, 'x', -EBADMSG, "MEM_TOPOLOGY: entry 0: the tag" },
	{ "memory: KiB wrap", MEM_TOPOLOGY, MEM_AT(0, m_size), 8, 1ull << 54, -EBADMSG, "MEM_TOPOLOGY: entry 0: the size" },
	{ "memory: end wraps", MEM_TOPOLOGY, MEM_AT(0, m_base_address), 8, ~0ull, -EBADMSG, "MEM_TOPOLOGY: entry 0: the size" },

	{ "CUs: section too small", FILE_START, SECTION_AT(2, m_sectionSize), 8, 3, -EBADMSG, "IP_LAYOUT: 3 bytes" },
	{ "CUs: one too many", IP_LAYOUT, 0, 4, 5, -EBADMSG, "IP_LAYOUT: 5 entries" },
	{ "CUs: negative count", IP_LAYOUT, 0, 4, 0x80000000, -EBADMSG, "IP_LAYOUT: -2147483648 entries" },
	{ "CUs: none", IP_LAYOUT, 0, 4, 0, -EOPNOTSUPP, "IP_LAYOUT: 0 compute units" },
	{ "CU: control NONE", IP_LAYOUT, IP_AT(2, properties) + 1, 1, AP_CTRL_NONE, -EOPNOTSUPP, "IP_LAYOUT: scale:scale_1: control 2" },
	{ "CU: base not aligned", IP_LAYOUT, IP_AT(2, m_base_address), 8, 0x1c10800, -EBADMSG, "IP_LAYOUT: scale:scale_1: registers at 0x1c10800" },
	{ "CU: base at the window's end", IP_LAYOUT, IP_AT(2, m_base_address), 8, 32 << 20, -EBADMSG, "IP_LAYOUT: scale:scale_1: registers at 0x2000000" },
	{ "CU: no base", IP_LAYOUT, IP_AT(2, m_base_address), 8, ~0ull, -EBADMSG, "IP_LAYOUT: scale:scale_1: registers" },
	{ "CU: base beyond 4 GiB", IP_LAYOUT, IP_AT(2, m_base_address), 8, 1ull << 32, -EBADMSG, "IP_LAYOUT: scale:scale_1: registers" },
	{ "CU: among the shell's registers", IP_LAYOUT, IP_AT(2, m_base_address), 8, 0x300000, -EBADMSG, "IP_LAYOUT: scale:scale_1: registers at 0x300000, among" },
	{ "CU: over the DNA", IP_LAYOUT, IP_AT(2, m_base_address), 8, 0x330000, -EBADMSG, "IP_LAYOUT: scale:scale_1: registers at 0x330000, among" },
	{ "CU: on another", IP_LAYOUT, IP_AT(3, m_base_address), 8, 0x1c00000, -EBADMSG, "as those of vadd:vadd_1" },
	{ "CU: name twice", IP_LAYOUT, IP_AT(3, m_name) + 10, 1, '1', -EBADMSG, "IP_LAYOUT: vadd:vadd_1 is there twice" },
	{ "CU: name does not end", IP_LAYOUT, IP_AT(3, m_name) + 11, 53, 'x', -EBADMSG, "IP_LAYOUT: entry 3: the name does not end" },
	{ "CU: name runs into the next", IP_LAYOUT, IP_AT(2, m_name) + 13, 51, 'x', -EBADMSG, "IP_LAYOUT: entry 2: the name does not end" },
	{ "CU: no name", IP_LAYOUT, IP_AT(3, m_name), 1, 0, -EBADMSG, "IP_LAYOUT: entry 3: the name \"\" is not" },
	{ "CU: name without kernel", IP_LAYOUT, IP_AT(3, m_name) + 4, 1, '_', -EBADMSG, "\"vadd_vadd_2\" is not kernel:cu" },
	{ "CU: empty kernel", IP_LAYOUT, IP_AT(3, m_name), 1, ':', -EBADMSG, "is not kernel:cu" },
	{ "CU: empty CU", IP_LAYOUT, IP_AT(3, m_name) + 5, 1, 0, -EBADMSG, "\"vadd:\" is not kernel:cu" },
	{ "CU: control character", IP_LAYOUT, IP_AT(3, m_name) + 1, 1, '\n', -EBADMSG, "IP_LAYOUT: entry 3: the name has an odd" },
	{ "CU: blank", IP_LAYOUT, IP_AT(3, m_name) + 1, 1, ' ', -EBADMSG, "IP_LAYOUT: entry 3: the name has an odd" },
	{ "CU: no such kernel", IP_LAYOUT, IP_AT(3, m_name), 1, 'V', -EBADMSG, "EMBEDDED_METADATA: no kernel for Vadd:vadd_2" },
	{ "CU: kernel's beginning only", IP_LAYOUT, IP_AT(3, m_name) + 3, 1, ':', -EBADMSG, "EMBEDDED_METADATA: no kernel for vad::vadd_2" },
};

START_TEST(malformed_number)
{
	const struct poke *p = &pokes[_i];
	size_t bytes;
	u8 *file = sample(&bytes);
	size_t at = (p->kind == FILE_START ? 0 : xb_offset(file, p->kind)) + p->at;

	for (int i = 0; i < p->width && at + i < bytes; i++)
		file[at + i] = p->width > 8 ? p->value : p->value >> (8 * i); /* above 8: fill the field */
	refuse(file, bytes, p->err, p->why, p->what);
}
END_TEST

#define A_BEGIN "name=\"a\" addressQualifier=\"1\" id=\"0\" port=\"M_AXI_GMEM\" size=\"0x8\" offset=\"0x10\""
#define N_BEGIN "name=\"n\" addressQualifier=\"0\" id=\"2\" port=\"S_AXI_CONTROL\" size=\"0x4\" offset=\"0x28\""
#define N_ARG	"EMBEDDED_METADATA: kernel vadd, argument n: "
#define L10	"abcdefghij"
#define L60	L10 L10 L10 L10 L10 L10

/* One edit of the sample's metadata. */
static const struct edit {
	const char *from, *to;
	int err;
	const char *why;
} edits[] = {
	{ "</project>", "", -EBADMSG, "EMBEDDED_METADATA, line 26: an element does not end" },
	{ "<kernel name=\"vadd\"", "<kernel title=\"vadd\"", -EBADMSG, "EMBEDDED_METADATA, line 8: a kernel without a proper name" },
	{ "<kernel name=\"vadd\"", "<kernel name=\"\"", -EBADMSG, "a kernel without a proper name" },
	{ "<kernel name=\"vadd\"", "<kernel name=\"v add\"", -EBADMSG, "a kernel without a proper name" },
	{ "<kernel name=\"vadd\"", "<kernel name=\"v&#10;add\"", -EBADMSG, "a kernel without a proper name" },
	{ "<kernel name=\"vadd\"", "<kernel name=\"" L60 "klmn\"", -EOPNOTSUPP, "EMBEDDED_METADATA: name abcdefghijabcdefghij... longer" },
	{ "<kernel name='scale'>", "<kernel name='vadd'>", -EBADMSG, "EMBEDDED_METADATA: kernel vadd is there twice" },
	{ "name=\"n\" ", "", -EBADMSG, "EMBEDDED_METADATA, line 13: an argument without a proper name" },
	{ "name=\"n\"", "name=\"\"", -EBADMSG, "an argument without a proper name" },
	{ "name=\"n\"", "name=\"n\x7f\"", -EBADMSG, "must not have" },
	{ "name=\"n\"", "name=\"\xc3\xa4\"", -EBADMSG, "an argument without a proper name" },
	{ "name=\"n\"", "name=\"" L60 "klmn\"", -EOPNOTSUPP, "EMBEDDED_METADATA: name abcdefghijabcdefghij... longer" },
	{ "name=\"n\"", "name=\"a\"", -EBADMSG, "argument a: the name is there twice" },
	{ "addressQualifier=\"0\" id=\"2\"", "id=\"2\"", -EBADMSG, N_ARG "addressQualifier is no number" },
	{ "addressQualifier=\"0\" id=\"2\"", "addressQualifier=\"2\" id=\"2\"", -EOPNOTSUPP, N_ARG "constant memory" },
	{ "addressQualifier=\"0\" id=\"2\"", "addressQualifier=\"3\" id=\"2\"", -EOPNOTSUPP, N_ARG "local memory" },
	{ "addressQualifier=\"0\" id=\"2\"", "addressQualifier=\"4\" id=\"2\"", -EOPNOTSUPP, N_ARG "streams" },
	{ "addressQualifier=\"0\" id=\"2\"", "addressQualifier=\"5\" id=\"2\"", -EOPNOTSUPP, N_ARG "unknown addressQualifier" },
	{ "id=\"2\"", "", -EBADMSG, N_ARG "id is no number" },
	{ "id=\"2\"", "id=\"\"", -EOPNOTSUPP, N_ARG "hidden" },
	{ "id=\"2\"", "id=\"-1\"", -EBADMSG, N_ARG "id is no number" },
	{ "id=\"2\"", "id=\"2x\"", -EBADMSG, N_ARG "id is no number" },
	{ "id=\"2\"", "id=\"0x\"", -EBADMSG, N_ARG "id is no number" },
	{ "id=\"2\"", "id=\"0x10000000000000002\"", -EBADMSG, N_ARG "id is no number" },
	{ "id=\"2\"", "id=\"18446744073709551618\"", -EBADMSG, N_ARG "id is no number" },
	{ "id=\"2\"", "id=\"00000000000000000000000000000000002\"", -EBADMSG, N_ARG "id is no number" },
	{ "id=\"2\"", "id=\"1\"", -EBADMSG, N_ARG "the id is there twice" },
	{ "id=\"2\"", "id=\"3\"", -EBADMSG, N_ARG "the id leaves a gap" },
	{ "id=\"2\"", "id=\"64\"", -EBADMSG, N_ARG "the id leaves a gap" },
	{ N_BEGIN, "name=\"n\" addressQualifier=\"0\" id=\"2\" offset=\"0x28\"", -EBADMSG, N_ARG "size is no number" },
	{ "size=\"0x4\" offset=\"0x28\"", "size=\"0\" offset=\"0x28\"", -EBADMSG, N_ARG "size is not 1, 2, 4 or 8" },
	{ "size=\"0x4\" offset=\"0x28\"", "size=\"6\" offset=\"0x28\"", -EBADMSG, N_ARG "size is not 1, 2, 4 or 8" },
	{ "size=\"0x4\" offset=\"0x28\"", "size=\"16\" offset=\"0x28\"", -EOPNOTSUPP, N_ARG "wider than 8 bytes" },
	{ "size=\"0x4\" offset=\"0x28\"", "size=\"0xffffffffffffffff\" offset=\"0x28\"", -EOPNOTSUPP, N_ARG "wider than 8 bytes" },
	{ "size=\"0x8\" offset=\"0x10\"", "size=\"2\" offset=\"0x10\"", -EBADMSG, "argument a: a pointer of less than 4 bytes" },
	{ "offset=\"0x28\"", "", -EBADMSG, N_ARG "offset is no number" },
	{ "offset=\"0x28\"", "offset=\"0x2a\"", -EBADMSG, N_ARG "offset outside" },
	{ "offset=\"0x28\"", "offset=\"0x0c\"", -EBADMSG, N_ARG "offset outside" },
	{ "offset=\"0x28\"", "offset=\"0x1000\"", -EBADMSG, N_ARG "offset outside" },
	{ "offset=\"0x28\"", "offset=\"0x100000028\"", -EBADMSG, N_ARG "offset outside" },
	{ "size=\"0x4\" offset=\"0x28\"", "size=\"0x8\" offset=\"0xffc\"", -EBADMSG, N_ARG "offset outside" },
	{ "offset=\"0x28\"", "offset=\"0x10\"", -EBADMSG, N_ARG "overlaps" },
	{ "offset=\"0x28\"", "offset=\"0x14\"", -EBADMSG, N_ARG "overlaps" },
	{ "offset=\"0x28\"", "offset=\"0x20\"", -EBADMSG, N_ARG "overlaps" },
	{ A_BEGIN, "name=\"a\" addressQualifier=\"1\" id=\"0\" size=\"0x8\" offset=\"0x18\"", -EBADMSG, "argument a_bytes: overlaps" },
	{ " type=\"unsigned int\"", "", -EBADMSG, N_ARG "no type" },
	{ "type=\"unsigned int\"", "type=\"&#27;[2J\"", -EBADMSG, "reference" },
	{ "type=\"unsigned int\"", "type=\"&#10;\"", -EBADMSG, N_ARG "the type has an odd character" },
	{ "type=\"unsigned int\"", "type=\"\xc3\xa4\"", -EBADMSG, N_ARG "the type has an odd character" },
};

START_TEST(malformed_metadata)
{
	const struct edit *e = &edits[_i];
	char *xml = xb_edit_xml(e->from, e->to);
	size_t bytes;
	u8 *file = xb_with_xml(xml, strlen(xml), &bytes);

	refuse(file, bytes, e->err, e->why, e->to);
	free(xml);
}
END_TEST

START_TEST(last_argument_register)
{
	char *xml = xb_edit_xml("offset=\"0x28\"", "offset=\"0xffc\"");
	size_t bytes;
	u8 *file = xb_with_xml(xml, strlen(xml), &bytes);

	smartssd_xclbin_free(parse(file, bytes));
	free(xml);
}
END_TEST

START_TEST(last_register_file)
{
	static const u64 bases[] = { 0, 0x2ff000, 0x340000, (32 << 20) - 4096 };
	size_t bytes;
	u8 *file = sample(&bytes);

	memcpy(file + xb_offset(file, IP_LAYOUT) + IP_AT(3, m_base_address), &bases[_i], 8);
	smartssd_xclbin_free(parse(file, bytes));
}
END_TEST

/* Every file that is cut off is refused, and nothing behind the cut is read (AddressSanitizer looks). */
START_TEST(every_cut)
{
	size_t bytes, n;
	u8 *file = sample(&bytes);

	for (n = 0; n < bytes; n++) {
		struct smartssd_xclbin_info *info;
		struct smartssd_why why;
		u8 *cut = memcpy(malloc(n ? n : 1), file, n);

		must(smartssd_xclbin_parse(cut, n, &info, &why) == -EBADMSG, "cut at %zu", n);
		must(!strncmp(why.text, "header: ", 8), "cut at %zu: %s", n, why.text);
		free(cut);
	}
	free(file);
}
END_TEST

/* @nr CUs of a kernel with @nr_args arguments, and @nr_kernels kernels. */
static u8 *many(unsigned nr, unsigned nr_args, unsigned nr_kernels, size_t *bytes)
{
	struct ip_layout *l = calloc(1, 8 + nr * sizeof(struct ip_data));
	char *xml;
	size_t n;
	FILE *f = open_memstream(&xml, &n);
	struct xb xb = { 0 };

	l->m_count = nr;
	for (unsigned i = 0; i < nr; i++) {
		struct ip_data *ip = (struct ip_data *)((u8 *)l + 8) + i;

		ip->m_type = IP_KERNEL;
		ip->m_base_address = 0x400000 + i * 0x1000;
		sprintf((char *)ip->m_name, "k0:cu_%u", i);
	}
	fprintf(f, "<project><platform><device><core>");
	for (unsigned k = 0; k < nr_kernels; k++) {
		fprintf(f, "<kernel name='k%u'>", k);
		for (unsigned a = 0; a < nr_args; a++)
			fprintf(f, "<arg name='a%u' id='%u' addressQualifier='0' size='4' offset='%u' type='int'/>", a, nr_args - 1 - a, 16 + 8 * a);
		fprintf(f, "</kernel>");
	}
	fprintf(f, "</core></device></platform></project>");
	fclose(f);
	xb_sample(&xb);
	xb_drop(&xb, IP_LAYOUT);
	xb_drop(&xb, EMBEDDED_METADATA);
	xb_add(&xb, IP_LAYOUT, l, 8 + nr * sizeof(struct ip_data));
	xb_add(&xb, EMBEDDED_METADATA, xml, n);
	free(l);
	free(xml);
	return xb_finish(&xb, bytes);
}

START_TEST(limits)
{
	struct smartssd_xclbin_info *info;
	size_t bytes;
	u8 *file = many(SMARTSSD_MAX_CUS, SMARTSSD_MAX_ARGS, SMARTSSD_MAX_CUS, &bytes);

	info = parse(file, bytes);
	ck_assert_uint_eq(info->nr_cus, SMARTSSD_MAX_CUS);
	ck_assert_uint_eq(info->nr_kernels, 1);
	ck_assert_uint_eq(info->nr_args, SMARTSSD_MAX_CUS * SMARTSSD_MAX_ARGS);
	ck_assert_str_eq(info->args[SMARTSSD_MAX_ARGS - 1].name, "a0");
	smartssd_xclbin_free(info);

	file = many(SMARTSSD_MAX_CUS + 1, 1, 1, &bytes);
	refuse(file, bytes, -EOPNOTSUPP, "IP_LAYOUT: 65 compute units", "CUs");
	file = many(1, SMARTSSD_MAX_ARGS + 1, 1, &bytes);
	refuse(file, bytes, -EOPNOTSUPP, "EMBEDDED_METADATA: kernel k0 has more than 64 arguments", "arguments");
	file = many(1, 1, SMARTSSD_MAX_CUS + 1, &bytes);
	refuse(file, bytes, -EOPNOTSUPP, "EMBEDDED_METADATA: more than 64 kernels", "kernels");
}
END_TEST

START_TEST(too_many_sections_or_memories)
{
	struct xb xb = { 0 };
	u8 mems[8 + 257 * 40] = { 1, 1 };
	size_t bytes;
	u8 *file;

	for (int i = 0; i < 130; i++)
		xb_add(&xb, USER_METADATA, "x", 1);
	file = xb_finish(&xb, &bytes);
	refuse(file, bytes, -EOPNOTSUPP, "header: 130 sections", "sections");

	xb_sample(&xb);
	xb_drop(&xb, MEM_TOPOLOGY);
	xb_add(&xb, MEM_TOPOLOGY, mems, sizeof(mems));
	file = xb_finish(&xb, &bytes);
	refuse(file, bytes, -EOPNOTSUPP, "MEM_TOPOLOGY: 257 entries", "memories");
}
END_TEST

START_TEST(metadata_of_absurd_size)
{
	size_t bytes, n = (4u << 20) + 1;
	char *xml = malloc(n);
	u8 *file;

	memset(xml, ' ', n);
	file = xb_with_xml(xml, n, &bytes);
	refuse(file, bytes, -EOPNOTSUPP, "EMBEDDED_METADATA: 4194305 bytes", "size");
	free(xml);
}
END_TEST

START_TEST(without_a_place_for_words)
{
	struct smartssd_xclbin_info *info;

	ck_assert_int_eq(smartssd_xclbin_parse("x", 1, &info, NULL), -EBADMSG);
	smartssd_xclbin_free(NULL);
}
END_TEST

START_TEST(words_are_cut_not_overrun)
{
	struct smartssd_why *why = malloc(sizeof(*why));

	smartssd_why(why, "%0300d", 1);
	ck_assert_uint_eq(strlen(why->text), sizeof(why->text) - 1);
	free(why);
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))

int main(void)
{
	Suite *suite = suite_create("xclbin");
	TCase *good = tcase_create("good"), *bad = tcase_create("malformed");

	tcase_set_timeout(good, 30);
	tcase_set_timeout(bad, 30);
	tcase_add_test(good, header_sections_and_memories);
	tcase_add_test(good, compute_units);
	tcase_add_test(good, arguments);
	tcase_add_loop_test(good, bounds_are_only_what_the_rule_says, 0, 5);
	tcase_add_loop_test(good, only_the_path_counts, 0, 4);
	tcase_add_test(good, long_type_is_cut);
	tcase_add_test(good, kernel_without_arguments_or_cus);
	tcase_add_test(good, without_memory_topology);
	tcase_add_test(good, absent_section_header);
	tcase_add_test(good, bytes_behind_the_sections);
	tcase_add_test(good, odd_bytes_in_texts_to_show);
	tcase_add_test(good, last_argument_register);
	tcase_add_loop_test(good, last_register_file, 0, 4);
	tcase_add_loop_test(bad, malformed_number, 0, COUNT(pokes));
	tcase_add_loop_test(bad, malformed_metadata, 0, COUNT(edits));
	tcase_add_test(bad, every_cut);
	tcase_add_test(bad, limits);
	tcase_add_test(bad, too_many_sections_or_memories);
	tcase_add_test(bad, metadata_of_absurd_size);
	tcase_add_test(bad, without_a_place_for_words);
	tcase_add_test(bad, words_are_cut_not_overrun);
	suite_add_tcase(suite, good);
	suite_add_tcase(suite, bad);
	return suite_run(suite);
}
