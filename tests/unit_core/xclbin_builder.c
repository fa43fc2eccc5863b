// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xrt/xclbin.h>
#include "xclbin_builder.h"

const char xb_sample_xml[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	"<!-- as Vitis writes it -->\n"
	"<project name=\"sample\">\n"
	" <platform vendor=\"xilinx\" boardid=\"u2\" name=\"gen3x4_xdma_gc\">\n"
	"  <version major=\"2\" minor=\"1\"/>\n"
	"  <device name=\"fpga0\" fpgaDevice=\"kintexuplus:xcku15p\">\n"
	"   <core name=\"OCL_REGION_0\" target=\"bitstream\" type=\"clc_region\">\n"
	"    <kernel name=\"vadd\" language=\"c\" interrupt=\"true\" hwControlProtocol=\"ap_ctrl_hs\">\n"
	"     <module name=\"\"/>\n"
	"     <port name=\"M_AXI_GMEM\" mode=\"master\" range=\"0xFFFFFFFFFFFFFFFF\" dataWidth=\"512\"/>\n"
	"     <arg name=\"a\" addressQualifier=\"1\" id=\"0\" port=\"M_AXI_GMEM\" size=\"0x8\" offset=\"0x10\" type=\"int*\"/>\n"
	"     <arg name=\"a_bytes\" addressQualifier=\"0\" id=\"1\" port=\"S_AXI_CONTROL\" size=\"0x8\" offset=\"0x1C\" type=\"uint64_t\"/>\n"
	"     <arg name=\"n\" addressQualifier=\"0\" id=\"2\" port=\"S_AXI_CONTROL\" size=\"0x4\" offset=\"0x28\" type=\"unsigned int\"/>\n"
	"     <instance name=\"vadd_1\"><addrRemap base=\"0x1c00000\" range=\"0x10000\" port=\"S_AXI_CONTROL\"/></instance>\n"
	"    </kernel>\n"
	"    <kernel name='scale'>\n"
	"     <![CDATA[ <arg name=\"not one\"/> ]]>\n"
	"     <!-- <arg name=\"nor this\"/> -->\n"
	"     <arg name=\"factor\" addressQualifier=\"0\" id=\"1\" size=\"2\" offset=\"28\" type=\"fixed&lt;16,&#x38;&gt;\"/>\n"
	"     <arg name=\"y\" addressQualifier=\"1\" id=\"0\" port=\"M\" size=\"0x8\" offset=\"0x10\" type=\"float*\"/>\n"
	"    </kernel>\n"
	"   </core>\n"
	"  </device>\n"
	" </platform>\n"
	"</project>\n";

static void *need(void *p)
{
	if (!p)
		abort();
	return p;
}

void xb_add(struct xb *xb, uint32_t kind, const void *data, size_t bytes)
{
	if (xb->nr == XB_MAX_SECTIONS)
		abort();
	xb->sections[xb->nr].kind = kind;
	xb->sections[xb->nr].bytes = bytes;
	xb->sections[xb->nr].data = memcpy(need(malloc(bytes + 1)), data, bytes);
	xb->nr++;
}

void xb_drop(struct xb *xb, uint32_t kind)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < xb->nr; i++) {
		if (xb->sections[i].kind == kind)
			free(xb->sections[i].data);
		else
			xb->sections[kept++] = xb->sections[i];
	}
	xb->nr = kept;
}

uint8_t *xb_finish(struct xb *xb, size_t *bytes)
{
	size_t at = offsetof(struct axlf, m_sections) + xb->nr * sizeof(struct axlf_section_header);
	size_t total = (at + 7) & ~(size_t)7;
	struct axlf_section_header header;
	struct axlf *top;
	uint8_t *file;

	for (unsigned i = 0; i < xb->nr; i++)
		total = (total + xb->sections[i].bytes + 7) & ~(size_t)7;
	file = need(calloc(1, total > sizeof(*top) ? total : sizeof(*top)));
	top = (struct axlf *)file;
	memcpy(top->m_magic, "xclbin2", 8);
	top->m_signature_length = -1;
	memset(top->m_keyBlock, 0xff, sizeof(top->m_keyBlock));
	top->m_header.m_length = total;
	top->m_header.m_versionMajor = 2;
	top->m_header.m_versionMinor = 1;
	top->m_header.m_mode = XCLBIN_PR;
	strcpy((char *)top->m_header.m_platformVBNV, "xilinx_u2_gen3x4_xdma_gc_2_202110_1");
	for (int i = 0; i < 16; i++)
		top->m_header.uuid[i] = 0xa0 + i;
	top->m_header.m_numSections = xb->nr;
	at = (at + 7) & ~(size_t)7;
	for (unsigned i = 0; i < xb->nr; i++) {
		memset(&header, 0, sizeof(header));
		header.m_sectionKind = xb->sections[i].kind;
		snprintf(header.m_sectionName, sizeof(header.m_sectionName), "section %u", i % 1000);
		header.m_sectionOffset = at;
		header.m_sectionSize = xb->sections[i].bytes;
		memcpy(file + offsetof(struct axlf, m_sections) + i * sizeof(header), &header, sizeof(header));
		memcpy(file + at, xb->sections[i].data, xb->sections[i].bytes);
		at = (at + xb->sections[i].bytes + 7) & ~(size_t)7;
		free(xb->sections[i].data);
	}
	xb->nr = 0;
	*bytes = total;
	/* Moved into a block of just this length, so that AddressSanitizer sees one byte too many. */
	uint8_t *exact = memcpy(need(malloc(total)), file, total);

	free(file);
	return exact;
}

static void fill_ip(struct ip_data *ip, uint32_t type, uint32_t control, int irq, uint64_t base, const char *name)
{
	memset(ip, 0, sizeof(*ip));
	ip->m_type = type;
	ip->properties = control << IP_CONTROL_SHIFT;
	if (irq >= 0)
		ip->properties |= IP_INT_ENABLE_MASK | (uint32_t)irq << IP_INTERRUPT_ID_SHIFT;
	ip->m_base_address = base;
	snprintf((char *)ip->m_name, sizeof(ip->m_name), "%s", name);
}

static void add_metadata(struct xb *xb)
{
	struct {
		struct mem_topology t;
		struct mem_data more;
	} mem;
	struct {
		struct ip_layout l;
		struct ip_data more[3];
	} ips;
	struct mem_data *bank = mem.t.m_mem_data;
	struct ip_data *ip = ips.l.m_ip_data;

	memset(&mem, 0, sizeof(mem));
	mem.t.m_count = 2;
	bank[0].m_type = MEM_DDR4;
	bank[0].m_used = 1;
	bank[0].m_size = 4u << 20;
	strcpy((char *)bank[0].m_tag, "bank0");
	mem.more.m_type = MEM_STREAMING;
	mem.more.route_id = ~0ull;
	mem.more.flow_id = ~0ull;
	strcpy((char *)mem.more.m_tag, "stream");
	xb_add(xb, MEM_TOPOLOGY, &mem, sizeof(mem));

	memset(&ips, 0, sizeof(ips));
	ips.l.m_count = 4;
	fill_ip(ip, IP_KERNEL, AP_CTRL_HS, 0, 0x1c00000, "vadd:vadd_1");
	fill_ip(&ips.more[0], IP_DNASC, AP_CTRL_NONE, -1, 0x1000000, "dna");
	fill_ip(&ips.more[1], IP_KERNEL, AP_CTRL_CHAIN, 5, 0x1c10000, "scale:scale_1");
	fill_ip(&ips.more[2], IP_KERNEL, AP_CTRL_HS, -1, 0x1c20000, "vadd:vadd_2");
	xb_add(xb, IP_LAYOUT, &ips, sizeof(ips));
}

void xb_sample(struct xb *xb)
{
	xb_add(xb, BITSTREAM, "this is no bitstream", 20);
	add_metadata(xb);
	xb_add(xb, EMBEDDED_METADATA, xb_sample_xml, strlen(xb_sample_xml));
	xb_add(xb, BUILD_METADATA, "{}", 2);
}

uint8_t *xb_with_xml(const char *xml, size_t xml_bytes, size_t *bytes)
{
	struct xb xb = { 0 };

	xb_sample(&xb);
	xb_drop(&xb, EMBEDDED_METADATA);
	xb_add(&xb, EMBEDDED_METADATA, xml, xml_bytes);
	return xb_finish(&xb, bytes);
}

char *xb_edit_xml(const char *from, const char *to)
{
	const char *at = strstr(xb_sample_xml, from);
	char *out;

	if (!at)
		abort();
	out = need(malloc(sizeof(xb_sample_xml) + strlen(to)));
	sprintf(out, "%.*s%s%s", (int)(at - xb_sample_xml), xb_sample_xml, to, at + strlen(from));
	return out;
}

size_t xb_offset(const uint8_t *file, uint32_t kind)
{
	struct axlf_section_header header;
	uint32_t nr;

	memcpy(&nr, file + offsetof(struct axlf, m_header) + offsetof(struct axlf_header, m_numSections), sizeof(nr));
	for (uint32_t i = 0; i < nr; i++) {
		memcpy(&header, file + offsetof(struct axlf, m_sections) + i * sizeof(header), sizeof(header));
		if (header.m_sectionKind == kind)
			return header.m_sectionOffset;
	}
	return SIZE_MAX;
}
