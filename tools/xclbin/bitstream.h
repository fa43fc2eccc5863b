/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The "bitstream" of the emulated card: an ELF shared object that exports one function for each kernel of the xclbin.
 *
 *   int smartssd_cu_<kernel>(uint8_t *ddr, uint64_t ddr_bytes, const uint8_t *regs)
 *
 * @ddr, @ddr_bytes: card memory; @regs: the CU's register file, CU_FILE_BYTES bytes, arguments at the offsets that the xclbin's metadata gives. The
 * function returns when the kernel has returned. It calls the kernel with pointers ddr + register value. All addresses below
 * ddr_bytes are good ones, 0 too: card memory starts there, so there is no null pointer.
 */
#ifndef SMARTSSD_TOOLS_BITSTREAM_H
#define SMARTSSD_TOOLS_BITSTREAM_H

#include <stdint.h>

typedef int (*smartssd_cu_fn)(uint8_t *ddr, uint64_t ddr_bytes, const uint8_t *regs);

#define SMARTSSD_CU_PREFIX "smartssd_cu_"

/* Results: the kernel ran, or it was not called. */
#define SMARTSSD_CU_RAN	       0
#define SMARTSSD_CU_BAD_RANGE  -1 /* a pointer, or the memory that a "<pointer>_bytes" argument promises, is not in card memory */
#define SMARTSSD_CU_UNALIGNED  -2 /* a pointer is not a multiple of its element's size, which m_axi demands */

#endif
