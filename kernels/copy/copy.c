// SPDX-License-Identifier: BSD-2-Clause
/* copy, the HLS source. A burst in, a burst out. */
#include "copy.h"

static uint8_t burst_buf[COPY_BURST];

static void load(const uint8_t *in, uint64_t at, uint32_t count)
{
LOAD:
	for (uint32_t i = 0; i < count; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=4096
#pragma HLS PIPELINE II=1
#endif
		burst_buf[i] = in[at + i];
	}
}

static void store(uint8_t *out, uint64_t at, uint32_t count)
{
STORE:
	for (uint32_t i = 0; i < count; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=4096
#pragma HLS PIPELINE II=1
#endif
		out[at + i] = burst_buf[i];
	}
}

#ifdef __BAMBU__
#pragma HLS interface mode=m_axi port=in offset=direct bundle=gmem0
#pragma HLS interface mode=m_axi port=out offset=direct bundle=gmem1
#endif
void copy(const uint8_t *in, uint8_t *out, uint64_t size)
{
#ifndef __BAMBU__
#pragma HLS INTERFACE m_axi port=in offset=slave bundle=gmem0
#pragma HLS INTERFACE m_axi port=out offset=slave bundle=gmem1
#pragma HLS INTERFACE s_axilite port=in
#pragma HLS INTERFACE s_axilite port=out
#pragma HLS INTERFACE s_axilite port=size
#pragma HLS INTERFACE s_axilite port=return
#endif
BURSTS:
	for (uint64_t at = 0; at < size; at += COPY_BURST) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=1048576
#endif
		uint32_t count = size - at < COPY_BURST ? (uint32_t)(size - at) : COPY_BURST;

		load(in, at, count);
		store(out, at, count);
	}
}
