// SPDX-License-Identifier: BSD-2-Clause
/* row_copy, the HLS source. row_copy.h says what it does. A row is a burst into row_buf, and a burst out of it. */
#include "row_copy_check.h"

#define ENTRY_BURST 64u

static uint32_t from_buf[ENTRY_BURST];
static uint32_t to_buf[ENTRY_BURST];
static uint8_t row_buf[ROW_COPY_MAX_BYTES];

static void load_entries(const uint32_t *from, const uint32_t *to, uint32_t at, uint32_t count)
{
LOAD_FROM:
	for (uint32_t i = 0; i < count; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=64
#pragma HLS PIPELINE II=1
#endif
		from_buf[i] = from[at + i];
	}
LOAD_TO:
	for (uint32_t i = 0; i < count; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=64
#pragma HLS PIPELINE II=1
#endif
		to_buf[i] = to[at + i];
	}
}

static void load_row(const uint8_t *src, uint64_t at, uint32_t bytes)
{
LOAD_ROW:
	for (uint32_t i = 0; i < bytes; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=40 max=16384
#pragma HLS PIPELINE II=1
#endif
		row_buf[i] = src[at + i];
	}
}

static void store_row(uint8_t *dst, uint64_t at, uint32_t bytes)
{
STORE_ROW:
	for (uint32_t i = 0; i < bytes; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=40 max=16384
#pragma HLS PIPELINE II=1
#endif
		dst[at + i] = row_buf[i];
	}
}

#ifdef __BAMBU__
#pragma HLS interface mode=m_axi port=src offset=direct bundle=gmem0
#pragma HLS interface mode=m_axi port=dst offset=direct bundle=gmem1
#pragma HLS interface mode=m_axi port=from offset=direct bundle=gmem2
#pragma HLS interface mode=m_axi port=to offset=direct bundle=gmem2
#pragma HLS interface mode=m_axi port=status offset=direct bundle=gmem3
#endif
void row_copy(const uint8_t *src, uint64_t src_bytes, uint8_t *dst, uint64_t dst_bytes, const uint32_t *from, uint64_t from_bytes, const uint32_t *to, uint64_t to_bytes,
	      uint32_t *status, uint64_t status_bytes, uint32_t rows, uint32_t row_bytes, uint32_t unit)
{
#ifndef __BAMBU__
#pragma HLS INTERFACE m_axi port=src offset=slave bundle=gmem0
#pragma HLS INTERFACE m_axi port=dst offset=slave bundle=gmem1
#pragma HLS INTERFACE m_axi port=from offset=slave bundle=gmem2
#pragma HLS INTERFACE m_axi port=to offset=slave bundle=gmem2
#pragma HLS INTERFACE m_axi port=status offset=slave bundle=gmem3
#pragma HLS INTERFACE s_axilite port=src
#pragma HLS INTERFACE s_axilite port=src_bytes
#pragma HLS INTERFACE s_axilite port=dst
#pragma HLS INTERFACE s_axilite port=dst_bytes
#pragma HLS INTERFACE s_axilite port=from
#pragma HLS INTERFACE s_axilite port=from_bytes
#pragma HLS INTERFACE s_axilite port=to
#pragma HLS INTERFACE s_axilite port=to_bytes
#pragma HLS INTERFACE s_axilite port=status
#pragma HLS INTERFACE s_axilite port=status_bytes
#pragma HLS INTERFACE s_axilite port=rows
#pragma HLS INTERFACE s_axilite port=row_bytes
#pragma HLS INTERFACE s_axilite port=unit
#pragma HLS INTERFACE s_axilite port=return
#endif
	uint32_t code, detail = 0, value = 0, burst = 0;

	if (status_bytes < KERNEL_STATUS_WORDS * 4)
		return; /* nowhere to report to */
	code = row_copy_check(from_bytes, to_bytes, rows, row_bytes, unit, &detail);
ROWS:
	for (uint32_t i = 0; i < rows && code == KERNEL_OK; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=65536
#endif
		uint32_t slot = i % ENTRY_BURST;

		if (slot == 0) {
			burst = rows - i < ENTRY_BURST ? rows - i : ENTRY_BURST;
			load_entries(from, to, i, burst);
		}
		if (!row_copy_inside(from_buf[slot], unit, row_bytes, src_bytes)) {
			code = KERNEL_BAD_RANGE;
			detail = ROW_COPY_SRC;
			value = i;
		} else if (!row_copy_inside(to_buf[slot], unit, row_bytes, dst_bytes)) {
			code = KERNEL_BAD_RANGE;
			detail = ROW_COPY_DST;
			value = i;
		} else {
			load_row(src, (uint64_t)from_buf[slot] * unit, row_bytes);
			store_row(dst, (uint64_t)to_buf[slot] * unit, row_bytes);
		}
	}
	status[1] = detail;
	status[2] = value;
	status[3] = 0;
	status[0] = code;
}
