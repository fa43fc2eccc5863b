// SPDX-License-Identifier: BSD-2-Clause
/*
 * The axlf container: header, section headers, sections at multiples of 8. Little-endian. Offsets as in XRT's xclbin.h.
 *
 * The UUID is a digest, so that equal contents have equal UUIDs and the card can tell that an xclbin is already loaded:
 * the first 16 bytes of SHA-256 over "smartssd-xclbin-1", the platform field (64 bytes), the mode (4 bytes) and, for each section in file
 * order, kind (4 bytes), length (8 bytes) and contents; version nibble 8 and variant bits as RFC 9562 wants for such UUIDs.
 */
#include <stdlib.h>
#include <string.h>
#include "xclbin.h"

#define AT_SIGNATURE_LENGTH 8
#define AT_RESERVED	    12
#define AT_UNIQUE_ID	    296
#define AT_LENGTH	    304
#define AT_TIMESTAMP	    312
#define AT_VERSION_MAJOR    330
#define AT_VERSION_MINOR    331
#define AT_MODE		    332
#define AT_PLATFORM	    352
#define AT_UUID		    416
#define AT_NR_SECTIONS	    448
#define AT_SECTIONS	    456
#define PLATFORM_BYTES	    64
#define SECTION_BYTES	    40

void xb_put16(void *p, uint16_t v)
{
	uint8_t *b = p;

	b[0] = v;
	b[1] = v >> 8;
}

void xb_put32(void *p, uint32_t v)
{
	xb_put16(p, v);
	xb_put16((uint8_t *)p + 2, v >> 16);
}

void xb_put64(void *p, uint64_t v)
{
	xb_put32(p, v);
	xb_put32((uint8_t *)p + 4, v >> 32);
}

const char *axlf_kind_name(uint32_t kind)
{
	static const char *const names[] = {
		"BITSTREAM",	"CLEARING_BITSTREAM", "EMBEDDED_METADATA", "FIRMWARE",		"DEBUG_DATA",
		"SCHED_FIRMWARE", "MEM_TOPOLOGY",     "CONNECTIVITY",	   "IP_LAYOUT",		"DEBUG_IP_LAYOUT",
		"DESIGN_CHECK_POINT", "CLOCK_FREQ_TOPOLOGY", "MCS",	   "BMC",		"BUILD_METADATA",
		"KEYVALUE_METADATA", "USER_METADATA", "DNA_CERTIFICATE",   "PDI",		"BITSTREAM_PARTIAL_PDI",
		"PARTITION_METADATA", "EMULATION_DATA", "SYSTEM_METADATA", "SOFT_KERNEL",	"ASK_FLASH",
		"AIE_METADATA", "ASK_GROUP_TOPOLOGY", "ASK_GROUP_CONNECTIVITY",
	};

	return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "unknown";
}

void axlf_add(struct axlf *x, uint32_t kind, void *data, size_t bytes)
{
	x->parts[x->nr++] = (struct axlf_part){ kind, data, bytes };
}

void axlf_free(struct axlf *x)
{
	while (x->nr)
		free(x->parts[--x->nr].data);
}

static void digest(const struct axlf *x, uint8_t out[32])
{
	uint8_t number[8];
	char platform[PLATFORM_BYTES] = { 0 };
	char *text;
	size_t bytes;
	FILE *f = open_memstream(&text, &bytes);

	if (!f)
		exit(1);
	fputs("smartssd-xclbin-1", f);
	memcpy(platform, x->platform, strnlen(x->platform, PLATFORM_BYTES - 1));
	fwrite(platform, sizeof(platform), 1, f);
	xb_put32(number, AXLF_MODE_HW_PR);
	fwrite(number, 4, 1, f);
	for (unsigned i = 0; i < x->nr; i++) {
		xb_put32(number, x->parts[i].kind);
		fwrite(number, 4, 1, f);
		xb_put64(number, x->parts[i].bytes);
		fwrite(number, 8, 1, f);
		fwrite(x->parts[i].data, 1, x->parts[i].bytes, f);
	}
	if (fclose(f)) {
		xb_report("out of memory");
		exit(1);
	}
	xb_sha256(text, bytes, out);
	free(text);
}

void axlf_build(const struct axlf *x, uint8_t **data, size_t *bytes)
{
	size_t at = AT_SECTIONS + x->nr * SECTION_BYTES;
	size_t total = at;
	uint8_t hash[32], *out;

	for (unsigned i = 0; i < x->nr; i++)
		total = ((total + 7) & ~7ull) + x->parts[i].bytes;
	total = (total + 7) & ~7ull;
	out = xb_alloc(total);
	digest(x, hash);

	memcpy(out, "xclbin2", 8);
	xb_put32(out + AT_SIGNATURE_LENGTH, -1);
	memset(out + AT_RESERVED, 0xff, AT_UNIQUE_ID - AT_RESERVED); /* and the key block: no signature */
	memcpy(out + AT_UNIQUE_ID, hash + 16, 8);
	xb_put64(out + AT_LENGTH, total);
	xb_put64(out + AT_TIMESTAMP, x->timestamp);
	out[AT_VERSION_MAJOR] = 2;
	out[AT_VERSION_MINOR] = 1;
	xb_put16(out + AT_MODE, AXLF_MODE_HW_PR);
	memcpy(out + AT_PLATFORM, x->platform, strnlen(x->platform, PLATFORM_BYTES - 1));
	memcpy(out + AT_UUID, hash, 16);
	out[AT_UUID + 6] = (out[AT_UUID + 6] & 0x0f) | 0x80;
	out[AT_UUID + 8] = (out[AT_UUID + 8] & 0x3f) | 0x80;
	xb_put32(out + AT_NR_SECTIONS, x->nr);
	for (unsigned i = 0; i < x->nr; i++) {
		uint8_t *header = out + AT_SECTIONS + i * SECTION_BYTES;

		at = (at + 7) & ~7ull;
		xb_put32(header, x->parts[i].kind);
		xb_put64(header + 24, at);
		xb_put64(header + 32, x->parts[i].bytes);
		memcpy(out + at, x->parts[i].data, x->parts[i].bytes);
		at += x->parts[i].bytes;
	}
	*data = out;
	*bytes = total;
}
