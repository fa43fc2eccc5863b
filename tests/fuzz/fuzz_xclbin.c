// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as an xclbin: no error beside the documented ones, and after success each promise of core.h holds. */
#include "../../driver/core/core.h"
#include "../../driver/core/regs.h"
#include "../unit_core/xclbin_builder.h"
#include "fuzz.h"

const char *const fuzz_words[] = {
	"<arg ", "name=\"", "name=\"a_bytes\"", "id=\"1\"", "id=\"\"", "addressQualifier=\"1\"", "addressQualifier=\"4\"", "size=\"0x8\"", "size=\"4\"",
	"offset=\"0x10\"", "type=\"int\"", "<kernel name=\"k\">", "</kernel>", "<!--", "-->", "<![CDATA[", "]]>", "<?", "?>", "<!DOCTYPE a>", "[",
	"&amp;", "&#x41;", "&#65;", "&lt", "/>", ">", "'", "\"", "<project>", "</project>", "0x", "xclbin2", NULL,
};

void fuzz_seeds(void (*add)(const void *data, size_t bytes))
{
	static const char small[] = "<project><platform><device><core><kernel name='vadd'><arg name='n' id='1' addressQualifier='0' size='4' "
				    "offset='28' type='int'/><arg name='p' id='0' addressQualifier='1' size='8' offset='16' type=''/></kernel><kernel name='scale'/></core></device></platform></project>";
	struct xb xb = { 0 };
	size_t bytes;
	uint8_t *file;

	xb_sample(&xb);
	file = xb_finish(&xb, &bytes);
	add(file, bytes);
	free(file);
	file = xb_with_xml(small, strlen(small), &bytes);
	add(file, bytes);
	free(file);
	add("xclbin2", 8);
}

static bool is_terminated(const char *text, size_t room)
{
	return memchr(text, 0, room);
}

static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

static void check_args(const struct smartssd_cu_desc *cu, const struct smartssd_cu_arg *args)
{
	static uint8_t taken[CU_FILE_BYTES];

	memset(taken, 0, sizeof(taken));
	for (u32 i = 0; i < cu->nr_args; i++) {
		const struct smartssd_cu_arg *a = &args[i];

		fuzz_check(is_terminated(a->name, sizeof(a->name)) && a->name[0] && is_plain(a->name));
		fuzz_check(is_terminated(a->type, sizeof(a->type)));
		fuzz_check(a->kind == SMARTSSD_ARG_SCALAR || a->kind == SMARTSSD_ARG_GLOBAL || a->kind == SMARTSSD_ARG_BOUND);
		fuzz_check(a->bytes == 4 || a->bytes == 8);
		fuzz_check(a->offset >= CU_ARGS && a->offset % 4 == 0 && a->offset + a->bytes <= CU_FILE_BYTES);
		for (u32 b = 0; b < a->bytes; b++)
			fuzz_check(!taken[a->offset + b]++);
		if (a->kind == SMARTSSD_ARG_BOUND) {
			size_t n = strlen(args[a->bound_of].name);

			fuzz_check(i && a->bound_of == i - 1 && a->bytes == 8 && args[i - 1].kind == SMARTSSD_ARG_GLOBAL);
			fuzz_check(!strncmp(a->name, args[i - 1].name, n) && !strcmp(a->name + n, "_bytes"));
		} else {
			fuzz_check(a->bound_of == ~0u);
		}
	}
}

static void check_cu(const struct smartssd_xclbin_info *info, u32 c)
{
	const struct smartssd_cu_desc *cu = &info->cus[c];

	fuzz_check(is_terminated(cu->name, sizeof(cu->name)) && is_plain(cu->name) && strchr(cu->name, ':'));
	fuzz_check(cu->base % CU_FILE_BYTES == 0 && cu->base <= SMARTSSD_WINDOW_BYTES - CU_FILE_BYTES);
	fuzz_check(cu->base + CU_FILE_BYTES <= 0x300000 || cu->base >= 0x340000);
	fuzz_check(cu->control <= SMARTSSD_CONTROL_CHAIN && (cu->irq < 128 || cu->irq == ~0u));
	fuzz_check(cu->kernel < info->nr_kernels && cu->nr_args <= SMARTSSD_MAX_ARGS);
	fuzz_check(cu->first_arg <= info->nr_args && cu->nr_args <= info->nr_args - cu->first_arg);
	for (u32 o = 0; o < c; o++)
		fuzz_check(info->cus[o].base != cu->base && strcmp(info->cus[o].name, cu->name));
	check_args(cu, info->args + cu->first_arg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct smartssd_xclbin_info *info = NULL;
	struct smartssd_why why;
	int err = smartssd_xclbin_parse(data, bytes, &info, &why);

	fuzz_check(is_terminated(why.text, sizeof(why.text)));
	fuzz_outcome(err, why.text);
	if (err) {
		fuzz_check((err == -EBADMSG || err == -EOPNOTSUPP) && why.text[0] && !info);
		return 0;
	}
	fuzz_check(!why.text[0]);
	fuzz_check(info->bits_offset <= bytes && info->bits_bytes <= bytes - info->bits_offset);
	fuzz_check(is_terminated(info->platform, sizeof(info->platform)));
	for (u32 i = 0; i < info->nr_sections; i++) {
		fuzz_check(is_terminated(info->sections[i].name, sizeof(info->sections[i].name)));
		fuzz_check(info->sections[i].offset <= bytes && info->sections[i].bytes <= bytes - info->sections[i].offset);
	}
	for (u32 i = 0; i < info->nr_mems; i++)
		fuzz_check(is_terminated(info->mems[i].tag, sizeof(info->mems[i].tag)) &&
			   info->mems[i].base + info->mems[i].bytes >= info->mems[i].base);
	fuzz_check(info->nr_cus >= 1 && info->nr_cus <= SMARTSSD_MAX_CUS && info->nr_kernels <= info->nr_cus);
	for (u32 c = 0; c < info->nr_cus; c++)
		check_cu(info, c);
	smartssd_xclbin_free(info);
	return 0;
}
