// SPDX-License-Identifier: BSD-2-Clause
/* The sections that describe kernels, compute units, memory and clocks, in the shapes that XRT reads. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "../smartssd/json.h"
#include "xclbin.h"

/* Where compute units are in the user window, as on the vendor's platforms. */
#define CU_BASE	 0x1800000u
#define CU_STEP	 0x10000u
#define CLOCK_MHZ 300
#define DDR_KIB	 (4u << 20) /* of the drive; what a card really has is in its query */

/* enum values of xclbin.h */
#define MEM_DDR4	 1
#define IP_KERNEL	 1
#define CLOCK_TYPE_DATA	 1
#define IP_INTERRUPT	 1u
#define IP_IRQ_SHIFT	 1
#define IP_CONTROL_SHIFT 8

struct text {
	char *data;
	size_t bytes;
	FILE *f;
};

static void text_open(struct text *t)
{
	t->f = open_memstream(&t->data, &t->bytes);
	if (!t->f) {
		xb_report("out of memory");
		exit(1);
	}
}

static void text_add(struct text *t, struct axlf *x, uint32_t kind)
{
	if (fclose(t->f)) {
		xb_report("out of memory");
		exit(1);
	}
	axlf_add(x, kind, t->data, t->bytes);
}

int meta_cu_name(const struct kernel *k, unsigned n, char name[SMARTSSD_NAME_LEN])
{
	return snprintf(name, SMARTSSD_NAME_LEN, "%s:%s_%u", k->proto.name, k->proto.name, n) < SMARTSSD_NAME_LEN ? 0 : -1;
}

static int control_of(const struct kernel *k)
{
	return k->control >= 0 ? k->control : k->proto.control >= 0 ? k->proto.control : SMARTSSD_CONTROL_CHAIN;
}

static void add_memory(struct axlf *x)
{
	uint8_t *p = xb_alloc(48);

	xb_put32(p, 1);
	p[8] = MEM_DDR4;
	p[9] = 1; /* used */
	xb_put64(p + 16, DDR_KIB);
	xb_put64(p + 24, 0);
	strcpy((char *)p + 32, "bank0");
	axlf_add(x, AXLF_MEM_TOPOLOGY, p, 48);
}

static void add_clocks(struct axlf *x)
{
	uint8_t *p = xb_alloc(2 + 136);

	xb_put16(p, 1);
	xb_put16(p + 2, CLOCK_MHZ);
	p[4] = CLOCK_TYPE_DATA;
	strcpy((char *)p + 10, "DATA_CLK");
	axlf_add(x, AXLF_CLOCKS, p, 2 + 136);
}

static void add_connectivity(struct axlf *x, const struct pack *pack)
{
	uint8_t *p = xb_alloc(4 + 12ul * SMARTSSD_MAX_CUS * SMARTSSD_MAX_ARGS + 12);
	unsigned nr = 0, ip = 0;

	for (unsigned i = 0; i < pack->nr_kernels; i++) {
		const struct kernel *k = &pack->kernels[i];

		for (unsigned cu = 0; cu < k->cus; cu++, ip++) {
			for (unsigned a = 0; a < k->proto.nr; a++) {
				if (!k->proto.args[a].pointer)
					continue;
				xb_put32(p + 4 + 12 * nr, a);
				xb_put32(p + 4 + 12 * nr + 4, ip);
				xb_put32(p + 4 + 12 * nr + 8, 0); /* bank0 */
				nr++;
			}
		}
	}
	xb_put32(p, nr);
	/* readers take struct connectivity, which has room for one */
	axlf_add(x, AXLF_CONNECTIVITY, p, 4 + 12 * (nr ? nr : 1));
}

static void add_ips(struct axlf *x, const struct pack *pack)
{
	uint8_t *p = xb_alloc(8 + 80 * SMARTSSD_MAX_CUS);
	char name[SMARTSSD_NAME_LEN];
	unsigned ip = 0;

	for (unsigned i = 0; i < pack->nr_kernels; i++) {
		const struct kernel *k = &pack->kernels[i];

		for (unsigned cu = 0; cu < k->cus; cu++, ip++) {
			uint8_t *entry = p + 8 + 80 * ip;

			xb_put32(entry, IP_KERNEL);
			xb_put32(entry + 4, IP_INTERRUPT | ip << IP_IRQ_SHIFT | (unsigned)control_of(k) << IP_CONTROL_SHIFT);
			xb_put64(entry + 8, CU_BASE + CU_STEP * ip);
			meta_cu_name(k, cu + 1, name);
			memcpy(entry + 16, name, strlen(name));
		}
	}
	xb_put32(p, ip);
	axlf_add(x, AXLF_IP_LAYOUT, p, 8 + 80 * ip);
}

static void port_name(const struct proto_arg *arg, char out[SMARTSSD_NAME_LEN + 8])
{
	size_t n = sprintf(out, "%s", arg->pointer ? "M_AXI_" : "S_AXI_CONTROL");

	if (!arg->pointer)
		return;
	for (const char *c = arg->bundle; *c; c++)
		out[n++] = toupper((unsigned char)*c);
	out[n] = 0;
}

static void write_ports(FILE *f, const struct proto *p)
{
	char name[SMARTSSD_NAME_LEN + 8], other[SMARTSSD_NAME_LEN + 8];

	for (unsigned i = 0; i < p->nr; i++) {
		unsigned bits = 32;
		bool first = true;

		if (!p->args[i].pointer)
			continue;
		port_name(&p->args[i], name);
		/* arguments that share a bundle share the port; it is as wide as the widest */
		for (unsigned j = 0; j < p->nr; j++) {
			if (!p->args[j].pointer)
				continue;
			port_name(&p->args[j], other);
			if (strcmp(name, other))
				continue;
			if (j < i)
				first = false;
			if (8 * p->args[j].bytes > bits)
				bits = 8 * p->args[j].bytes;
		}
		if (first)
			fprintf(f,
				"          <port name=\"%s\" mode=\"master\" range=\"0xFFFFFFFFFFFFFFFF\" dataWidth=\"%u\" portType=\"addressable\""
				" base=\"0x0\"/>\n",
				name, bits);
	}
	fprintf(f, "          <port name=\"S_AXI_CONTROL\" mode=\"slave\" range=\"0x%x\" dataWidth=\"32\" portType=\"addressable\" base=\"0x0\"/>\n",
		CU_FILE_BYTES);
}

static void write_kernel(FILE *f, const struct kernel *k, unsigned first_ip)
{
	const struct proto *p = &k->proto;
	char port[SMARTSSD_NAME_LEN + 8];

	fprintf(f,
		"        <kernel name=\"%s\" language=\"c\" vlnv=\"xilinx.com:hls:%s:1.0\" attributes=\"\" preferredWorkGroupSizeMultiple=\"0\""
		" workGroupSize=\"1\" interrupt=\"true\" hwControlProtocol=\"%s\">\n",
		p->name, p->name, control_of(k) == SMARTSSD_CONTROL_CHAIN ? "ap_ctrl_chain" : "ap_ctrl_hs");
	write_ports(f, p);
	for (unsigned i = 0; i < p->nr; i++) {
		const struct proto_arg *arg = &p->args[i];
		unsigned host = arg->pointer ? 8 : arg->bytes;

		port_name(arg, port);
		fprintf(f,
			"          <arg name=\"%s\" addressQualifier=\"%d\" id=\"%u\" port=\"%s\" size=\"0x%x\" offset=\"0x%x\" hostOffset=\"0x0\""
			" hostSize=\"0x%x\" type=\"%s\"/>\n",
			arg->name, arg->pointer, i, port, host < 4 ? 4 : host, arg->offset, host, arg->type);
	}
	fputs("          <compileWorkGroupSize x=\"1\" y=\"1\" z=\"1\"/>\n"
	      "          <maxWorkGroupSize x=\"1\" y=\"1\" z=\"1\"/>\n",
	      f);
	for (unsigned cu = 0; cu < k->cus; cu++)
		fprintf(f,
			"          <instance name=\"%s_%u\">\n"
			"            <addrRemap base=\"0x%x\" range=\"0x%x\" port=\"S_AXI_CONTROL\"/>\n"
			"          </instance>\n",
			p->name, cu + 1, CU_BASE + CU_STEP * (first_ip + cu), CU_STEP);
	fputs("        </kernel>\n", f);
}

static void add_xml(struct axlf *x, const struct pack *pack)
{
	unsigned ip = 0, cus = 0;
	struct text t;

	for (unsigned i = 0; i < pack->nr_kernels; i++)
		cus += pack->kernels[i].cus;
	text_open(&t);
	fprintf(t.f,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<project name=\"%s\">\n"
		"  <platform vendor=\"xilinx\" boardid=\"u2\" name=\"%s\" featureRomTime=\"0\">\n"
		"    <version major=\"2\" minor=\"1\"/>\n"
		"    <description/>\n"
		"    <device name=\"fpga0\" fpgaDevice=\"kintexuplus:xcku15p:ffva1156:-2:e\" addrWidth=\"0\">\n"
		"      <core name=\"OCL_REGION_0\" target=\"hw\" type=\"clc_region\" clockFreq=\"0MHz\" numComputeUnits=\"%u\">\n"
		"        <kernelClocks>\n"
		"          <clock port=\"DATA_CLK\" frequency=\"%u.0MHz\"/>\n"
		"        </kernelClocks>\n",
		pack->kernels[0].proto.name, pack->platform, cus, CLOCK_MHZ);
	for (unsigned i = 0; i < pack->nr_kernels; i++) {
		write_kernel(t.f, &pack->kernels[i], ip);
		ip += pack->kernels[i].cus;
	}
	fputs("      </core>\n    </device>\n  </platform>\n</project>\n", t.f);
	text_add(&t, x, AXLF_METADATA);
}

static void json_number_text(struct json *j, const char *key, unsigned value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	json_text(j, key, text);
}

/* As xclbinutil writes it: numbers are texts. */
static void add_build(struct axlf *x, const struct pack *pack)
{
	char name[SMARTSSD_NAME_LEN];
	struct json j = { 0 };
	struct text t;

	text_open(&t);
	j.out = t.f;
	json_open(&j, NULL, '{');
	json_open(&j, "schema_version", '{');
	json_text(&j, "major", "1");
	json_text(&j, "minor", "0");
	json_text(&j, "patch", "0");
	json_close(&j, '}');
	json_open(&j, "build_metadata", '{');
	json_open(&j, "xclbin", '{');
	json_open(&j, "generated_by", '{');
	json_text(&j, "name", "smartssd xclbin pack");
	json_text(&j, "version", "1");
	json_close(&j, '}');
	json_open(&j, "user_regions", '[');
	json_open(&j, NULL, '{');
	json_text(&j, "name", "OCL_REGION_0");
	json_text(&j, "type", "clc_region");
	json_open(&j, "kernels", '[');
	for (unsigned i = 0; i < pack->nr_kernels; i++) {
		const struct kernel *k = &pack->kernels[i];

		json_open(&j, NULL, '{');
		json_text(&j, "name", k->proto.name);
		json_open(&j, "arguments", '[');
		for (unsigned a = 0; a < k->proto.nr; a++) {
			json_open(&j, NULL, '{');
			json_number_text(&j, "id", a);
			json_text(&j, "name", k->proto.args[a].name);
			json_text(&j, "type", k->proto.args[a].type);
			json_close(&j, '}');
		}
		json_close(&j, ']');
		json_open(&j, "instances", '[');
		for (unsigned cu = 0; cu < k->cus; cu++) {
			json_open(&j, NULL, '{');
			meta_cu_name(k, cu + 1, name);
			json_text(&j, "name", strchr(name, ':') + 1);
			json_close(&j, '}');
		}
		json_close(&j, ']');
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
	json_close(&j, ']');
	json_close(&j, '}');
	json_close(&j, '}');
	json_close(&j, '}');
	text_add(&t, x, AXLF_BUILD);
}

static void key_value(struct json *j, const char *key, const char *value)
{
	json_open(j, NULL, '{');
	json_text(j, "key", key);
	json_text(j, "value", value);
	json_close(j, '}');
}

/* What the BITSTREAM section is: a reader that wants a partial bitstream, or another ABI, can tell. */
static void add_keys(struct axlf *x)
{
	struct json j = { 0 };
	struct text t;

	text_open(&t);
	j.out = t.f;
	json_open(&j, NULL, '{');
	json_open(&j, "key_values", '[');
	key_value(&j, "smartssd.version", "1");
	key_value(&j, "smartssd.bitstream", "elf-shared-object");
	key_value(&j, "smartssd.bitstream.abi", "smartssd_cu_<kernel>(ddr, ddr_bytes, regs), version 1");
	key_value(&j, "smartssd.uuid", "sha-256 of platform, mode and sections");
	json_close(&j, ']');
	json_close(&j, '}');
	text_add(&t, x, AXLF_KEYVALUE);
}

static int add_source(struct json *j, const char *path, const char *role)
{
	const char *slash = strrchr(path, '/');
	uint8_t digest[32];
	char hex[65];
	size_t bytes;
	void *data;

	if (xb_read_file(path, 64u << 20, &data, &bytes))
		return -1;
	xb_sha256(data, bytes, digest);
	free(data);
	for (unsigned i = 0; i < 32; i++)
		sprintf(hex + 2 * i, "%02x", digest[i]);
	json_open(j, NULL, '{');
	json_text(j, "file", slash ? slash + 1 : path);
	json_text(j, "role", role);
	json_text(j, "sha256", hex);
	json_close(j, '}');
	return 0;
}

/* Which source is this? Names without folders, so that it does not depend on where the source lies. */
static int add_user(struct axlf *x, const struct pack *pack)
{
	struct json j = { 0 };
	struct text t;
	int err = 0;

	text_open(&t);
	j.out = t.f;
	json_open(&j, NULL, '{');
	json_open(&j, "smartssd", '{');
	json_uint(&j, "version", 1);
	json_open(&j, "kernels", '[');
	for (unsigned i = 0; i < pack->nr_kernels; i++) {
		const struct kernel *k = &pack->kernels[i];

		json_open(&j, NULL, '{');
		json_text(&j, "name", k->proto.name);
		json_open(&j, "sources", '[');
		err |= add_source(&j, k->source, "hls");
		for (unsigned f = 0; f < k->nr_functional; f++)
			err |= add_source(&j, k->functional[f], "functional");
		json_close(&j, ']');
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
	json_close(&j, '}');
	text_add(&t, x, AXLF_USER);
	return err;
}

int meta_add(struct axlf *x, const struct pack *pack)
{
	add_memory(x);
	add_connectivity(x, pack);
	add_ips(x, pack);
	add_clocks(x);
	add_xml(x, pack);
	add_build(x, pack);
	add_keys(x);
	return add_user(x, pack);
}
