// SPDX-License-Identifier: BSD-2-Clause
/* smartssd xclbin info: what the driver's own parser makes of a file. */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "../smartssd/json.h"
#include "../smartssd/text.h"
#include "connect.h"

static const char usage[] = "usage: smartssd xclbin info FILE [--json]\n"
			    "Say what is in an xclbin: sections, memory, compute units and their arguments.\n"
			    "  --json     as JSON\n"
			    "  --help     this text; more in smartssd-xclbin(1)\n";

struct clock {
	char name[129];
	unsigned mhz;
};

#define MAX_CLOCKS 16

struct file {
	const char *path;
	uint8_t *data;
	size_t bytes;
	struct smartssd_xclbin_info *info;
	struct clock clocks[MAX_CLOCKS];
	unsigned nr_clocks;
	struct connect_mem *mems;
	uint32_t nr_mems;
	struct connect_wire *wires;
	uint32_t nr_wires;
};

static const char *mode_name(uint32_t mode)
{
	static const char *const names[] = { "flat", "hw_pr", "tandem_stage2", "tandem_stage2_with_pr", "hw_emu", "sw_emu", "hw_emu_pr" };

	return mode < sizeof(names) / sizeof(names[0]) ? names[mode] : "unknown";
}

static const char *kind_name(uint32_t kind)
{
	static const char *const names[] = { "scalar", "global", "bound" };

	return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "unknown";
}

static const char *control_name(uint32_t control)
{
	return control == SMARTSSD_CONTROL_CHAIN ? "chain" : "hs";
}

/* The driver has no use for clocks, so its parser leaves them out. Section bounds are checked by then. */
static int read_clocks(struct file *f)
{
	for (uint32_t i = 0; i < f->info->nr_sections; i++) {
		const struct smartssd_section *s = &f->info->sections[i];
		const uint8_t *p = f->data + s->offset;
		unsigned nr;

		if (s->kind != AXLF_CLOCKS)
			continue;
		nr = s->bytes < 2 ? 0 : p[0] | p[1] << 8;
		if (s->bytes < 2 || nr > MAX_CLOCKS || 2 + nr * 136ull > s->bytes) {
			xb_report("%s: CLOCK_FREQ_TOPOLOGY: %u clocks do not fit %" PRIu64 " bytes", f->path, nr, (uint64_t)s->bytes);
			return -1;
		}
		f->nr_clocks = nr;
		for (unsigned c = 0; c < nr; c++) {
			const uint8_t *entry = p + 2 + 136 * c;

			f->clocks[c].mhz = entry[0] | entry[1] << 8;
			memcpy(f->clocks[c].name, entry + 8, 128);
		}
		break;
	}
	return 0;
}

static void size_text(uint64_t bytes, char out[32])
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	unsigned u = 0;

	while (u < 4 && bytes && !(bytes % 1024)) {
		bytes /= 1024;
		u++;
	}
	snprintf(out, 32, "%" PRIu64 " %s", bytes, units[u]);
}

/* "kernel" of "kernel:cu" */
static int kernel_len(const struct smartssd_cu_desc *cu)
{
	return strcspn(cu->name, ":");
}

static void print_text(const struct file *f)
{
	const struct smartssd_xclbin_info *info = f->info;
	char text[37];

	uuid_text(info->uuid, text);
	printf("uuid      %s\nplatform  %s\nmode      %s\n", text, info->platform, mode_name(info->mode));
	for (unsigned i = 0; i < f->nr_clocks; i++)
		printf("clock     %s %u MHz\n", f->clocks[i].name, f->clocks[i].mhz);
	for (uint32_t i = 0; i < f->nr_mems; i++) {
		size_text(f->mems[i].bytes, text);
		printf("memory    %s at 0x%" PRIx64 ", %s%s\n", f->mems[i].tag, f->mems[i].base, text, f->mems[i].used ? "" : ", not used");
	}
	printf("\n%-24s %12s %12s\n", "section", "offset", "bytes");
	for (uint32_t i = 0; i < info->nr_sections; i++)
		printf("%-24s %12" PRIu64 " %12" PRIu64 "\n", axlf_kind_name(info->sections[i].kind), (uint64_t)info->sections[i].offset,
		       (uint64_t)info->sections[i].bytes);
	printf("\n%-32s %-10s %-5s %s\n", "compute unit", "base", "irq", "control");
	for (uint32_t i = 0; i < info->nr_cus; i++) {
		const struct smartssd_cu_desc *cu = &info->cus[i];
		char irq[16] = "none";

		if (cu->irq != ~0u)
			snprintf(irq, sizeof(irq), "%u", cu->irq);
		printf("%-32s 0x%-8" PRIx64 " %-5s %s\n", cu->name, (uint64_t)cu->base, irq, control_name(cu->control));
	}
	for (uint32_t k = 0; k < info->nr_kernels; k++) {
		const struct smartssd_cu_desc *cu = info->cus;

		while (cu < info->cus + info->nr_cus && cu->kernel != k)
			cu++;
		if (cu == info->cus + info->nr_cus)
			continue;
		printf("\nkernel %.*s\n  %3s %-8s %5s %-7s %s\n", kernel_len(cu), cu->name, "#", "register", "bytes", "kind", "argument");
		for (uint32_t a = 0; a < cu->nr_args; a++) {
			const struct smartssd_cu_arg *arg = &info->args[cu->first_arg + a];

			printf("  %3u 0x%-6x %5u %-7s %s %s", a, arg->offset, arg->bytes, kind_name(arg->kind), arg->type, arg->name);
			for (uint32_t w = 0, nr = 0; w < f->nr_wires; w++)
				if (f->wires[w].cu == cu - info->cus && f->wires[w].arg == a && f->nr_mems > 1)
					printf("%s%s", nr++ ? ", " : "  in ", f->mems[f->wires[w].mem].tag);
			if (arg->kind == SMARTSSD_ARG_BOUND)
				printf("  (set by the driver: bytes that argument %u may reach)", arg->bound_of);
			putchar('\n');
		}
	}
}

static void print_json(const struct file *f)
{
	const struct smartssd_xclbin_info *info = f->info;
	struct json j = { .out = stdout };
	char text[37];

	uuid_text(info->uuid, text);
	json_open(&j, NULL, '{');
	json_text(&j, "file", f->path);
	json_uint(&j, "bytes", f->bytes);
	json_text(&j, "uuid", text);
	json_text(&j, "platform", info->platform);
	json_text(&j, "mode", mode_name(info->mode));
	json_open(&j, "clocks", '[');
	for (unsigned i = 0; i < f->nr_clocks; i++) {
		json_open(&j, NULL, '{');
		json_text(&j, "name", f->clocks[i].name);
		json_uint(&j, "mhz", f->clocks[i].mhz);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_open(&j, "memory", '[');
	for (uint32_t i = 0; i < f->nr_mems; i++) {
		json_open(&j, NULL, '{');
		json_text(&j, "tag", f->mems[i].tag);
		json_uint(&j, "base", f->mems[i].base);
		json_uint(&j, "bytes", f->mems[i].bytes);
		json_bool(&j, "used", f->mems[i].used);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_open(&j, "sections", '[');
	for (uint32_t i = 0; i < info->nr_sections; i++) {
		json_open(&j, NULL, '{');
		json_uint(&j, "kind", info->sections[i].kind);
		json_text(&j, "kind_name", axlf_kind_name(info->sections[i].kind));
		json_text(&j, "name", info->sections[i].name);
		json_uint(&j, "offset", info->sections[i].offset);
		json_uint(&j, "bytes", info->sections[i].bytes);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_open(&j, "cus", '[');
	for (uint32_t i = 0; i < info->nr_cus; i++) {
		const struct smartssd_cu_desc *cu = &info->cus[i];

		json_open(&j, NULL, '{');
		json_text(&j, "name", cu->name);
		json_uint(&j, "kernel", cu->kernel);
		json_uint(&j, "base", cu->base);
		if (cu->irq == ~0u)
			json_text(&j, "irq", NULL);
		else
			json_uint(&j, "irq", cu->irq);
		json_text(&j, "control", control_name(cu->control));
		json_open(&j, "args", '[');
		for (uint32_t a = 0; a < cu->nr_args; a++) {
			const struct smartssd_cu_arg *arg = &info->args[cu->first_arg + a];

			json_open(&j, NULL, '{');
			json_text(&j, "name", arg->name);
			json_text(&j, "kind", kind_name(arg->kind));
			json_uint(&j, "offset", arg->offset);
			json_uint(&j, "bytes", arg->bytes);
			json_text(&j, "type", arg->type);
			if (arg->kind == SMARTSSD_ARG_BOUND)
				json_uint(&j, "bound_of", arg->bound_of);
			if (arg->kind == SMARTSSD_ARG_GLOBAL) {
				json_open(&j, "memory", '[');
				for (uint32_t w = 0; w < f->nr_wires; w++)
					if (f->wires[w].cu == i && f->wires[w].arg == a)
						json_text(&j, NULL, f->mems[f->wires[w].mem].tag);
				json_close(&j, ']');
			}
			json_close(&j, '}');
		}
		json_close(&j, ']');
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
}

int cmd_xclbin_info(int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' }, { "help", no_argument, NULL, 'h' }, { 0 } };
	struct smartssd_why why = { 0 };
	struct file f = { 0 };
	bool json = false;
	int c, err;
	void *data;

	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		if (c != 'j') {
			xb_report("%s: no such option; 'smartssd xclbin info --help' lists them", argv[optind - 1]);
			return 2;
		}
		json = true;
	}
	if (optind + 1 != argc) {
		fputs(usage, stderr);
		return 2;
	}
	f.path = argv[optind];
	if (xb_read_file(f.path, SMARTSSD_MAX_XCLBIN, &data, &f.bytes))
		return 1;
	f.data = data;
	err = smartssd_xclbin_parse(f.data, f.bytes, &f.info, &why);
	if (err)
		xb_report("%s: %s", f.path, why.text[0] ? why.text : strerror(-err));
	else
		err = read_clocks(&f) ?: connect_memory(f.path, f.data, f.info, &f.mems, &f.nr_mems) ?:
		      connect_wires(f.path, f.data, f.info, f.nr_mems, &f.wires, &f.nr_wires);
	if (!err && json)
		print_json(&f);
	else if (!err)
		print_text(&f);
	smartssd_xclbin_free(f.info);
	free(f.mems);
	free(f.wires);
	free(f.data);
	return err ? 1 : 0;
}
