/* SPDX-License-Identifier: BSD-2-Clause */
/* Small xclbins for tests and as seeds for fuzzers, written with the structs of XRT's own header: an independent word on the format. */
#ifndef TESTS_UNIT_CORE_XCLBIN_BUILDER_H
#define TESTS_UNIT_CORE_XCLBIN_BUILDER_H

#include <stddef.h>
#include <stdint.h>

#define XB_MAX_SECTIONS 200

struct xb {
	unsigned nr;
	struct {
		uint32_t kind;
		size_t bytes;
		void *data;
	} sections[XB_MAX_SECTIONS];
};

/* Copies @data. */
void xb_add(struct xb *xb, uint32_t kind, const void *data, size_t bytes);
/* Takes every section of @kind away. */
void xb_drop(struct xb *xb, uint32_t kind);
/* The file, exactly as long as it must be, from malloc(); empties @xb. */
uint8_t *xb_finish(struct xb *xb, size_t *bytes);

/* The sample: kernels "vadd" (HS) and "scale" (CHAIN), CUs vadd:vadd_1, scale:scale_1, vadd:vadd_2 (without interrupt), one DDR. */
extern const char xb_sample_xml[];
void xb_sample(struct xb *xb);
/* The sample with other metadata. */
uint8_t *xb_with_xml(const char *xml, size_t xml_bytes, size_t *bytes);
/* xb_sample_xml with the first @from replaced by @to; malloc'ed. */
char *xb_edit_xml(const char *from, const char *to);

/* Where the first section of @kind begins in a finished file; SIZE_MAX: nowhere. */
size_t xb_offset(const uint8_t *file, uint32_t kind);

#endif
