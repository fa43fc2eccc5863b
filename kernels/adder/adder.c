// SPDX-License-Identifier: BSD-2-Clause
/* adder, the HLS source. A burst in, add, a burst out. */
#include "adder.h"

static int32_t burst_buf[ADDER_BURST];

static void load(const int32_t *in, uint64_t at, uint32_t count)
{
LOAD:
	for (uint32_t i = 0; i < count; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=1024
#pragma HLS PIPELINE II=1
#endif
		burst_buf[i] = in[at + i];
	}
}

static void store(int32_t *out, uint64_t at, uint32_t count, int32_t increment)
{
STORE:
	for (uint32_t i = 0; i < count; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=1024
#pragma HLS PIPELINE II=1
#endif
		out[at + i] = (int32_t)((uint32_t)burst_buf[i] + (uint32_t)increment);
	}
}

#ifdef __BAMBU__
#pragma HLS interface mode=m_axi port=in offset=direct bundle=gmem0
#pragma HLS interface mode=m_axi port=out offset=direct bundle=gmem1
#endif
void adder(const int32_t *in, int32_t *out, int32_t increment, uint32_t size)
{
#ifndef __BAMBU__
#pragma HLS INTERFACE m_axi port=in offset=slave bundle=gmem0
#pragma HLS INTERFACE m_axi port=out offset=slave bundle=gmem1
#pragma HLS INTERFACE s_axilite port=in
#pragma HLS INTERFACE s_axilite port=out
#pragma HLS INTERFACE s_axilite port=increment
#pragma HLS INTERFACE s_axilite port=size
#pragma HLS INTERFACE s_axilite port=return
#endif
BURSTS:
	for (uint64_t at = 0; at < size; at += ADDER_BURST) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=4194304
#endif
		uint32_t count = size - at < ADDER_BURST ? (uint32_t)(size - at) : ADDER_BURST;

		load(in, at, count);
		store(out, at, count, increment);
	}
}
