// SPDX-License-Identifier: BSD-2-Clause
/* The code between a CU's register file and a kernel in C: see bitstream.h. */
#include <string.h>
#include "bitstream.h"
#include "xclbin.h"

/* Is argument @i + 1 the bound of pointer @i? The rule of smartssd_xclbin_parse(). */
static bool has_bound(const struct proto *p, unsigned i)
{
	char name[SMARTSSD_NAME_LEN + 8];

	if (i + 1 >= p->nr || p->args[i + 1].pointer || p->args[i + 1].bytes != 8)
		return false;
	snprintf(name, sizeof(name), "%s_bytes", p->args[i].name);
	return !strcmp(name, p->args[i + 1].name);
}

void stub_write(FILE *out, const struct proto *p)
{
	fputs("#include <stdint.h>\n#include <string.h>\n\n", out);
	fprintf(out, "void %s(", p->name);
	for (unsigned i = 0; i < p->nr; i++)
		fprintf(out, "%s%s%s", i ? ", " : "", p->args[i].ctype, p->args[i].pointer ? " *" : "");
	fprintf(out, "%s);\n\n", p->nr ? "" : "void");

	fprintf(out, "__attribute__((visibility(\"default\")))\n"
		     "int " SMARTSSD_CU_PREFIX "%s(uint8_t *ddr, uint64_t ddr_bytes, const uint8_t *regs)\n{\n", p->name);
	for (unsigned i = 0; i < p->nr; i++)
		fprintf(out, "\t%s a%u;\n", p->args[i].pointer ? "uint64_t" : p->args[i].ctype, i);
	fputs("\n\t(void)ddr, (void)ddr_bytes, (void)regs;\n", out);
	/* memcpy: any scalar type, little-endian, a narrow one in the low bytes of its register */
	for (unsigned i = 0; i < p->nr; i++)
		fprintf(out, "\tmemcpy(&a%u, regs + 0x%x, sizeof(a%u));\n", i, p->args[i].offset, i);
	for (unsigned i = 0; i < p->nr; i++) {
		if (!p->args[i].pointer)
			continue;
		fprintf(out, "\tif (a%u >= ddr_bytes)\n\t\treturn %d;\n", i, SMARTSSD_CU_BAD_RANGE);
		if (has_bound(p, i))
			fprintf(out, "\tif ((uint64_t)a%u > ddr_bytes - a%u)\n\t\treturn %d;\n", i + 1, i, SMARTSSD_CU_BAD_RANGE);
		if (p->args[i].bytes > 1)
			fprintf(out, "\tif (a%u %% %u)\n\t\treturn %d;\n", i, p->args[i].bytes, SMARTSSD_CU_UNALIGNED);
	}
	fprintf(out, "\t%s(", p->name);
	for (unsigned i = 0; i < p->nr; i++)
		fprintf(out, p->args[i].pointer ? "%s(void *)(ddr + a%u)" : "%sa%u", i ? ", " : "", i);
	fprintf(out, ");\n\treturn %d;\n}\n", SMARTSSD_CU_RAN);
}
