// SPDX-License-Identifier: BSD-2-Clause
/* bandwidth, the HLS source. A burst in, a burst out, and the sum, which keeps a compiler from leaving any out. */
#include "bandwidth.h"

static uint64_t burst_buf[BANDWIDTH_BURST];

static uint64_t load(const uint64_t *in, uint32_t at, uint32_t count, uint64_t total)
{
LOAD:
	for (uint32_t i = 0; i < count; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=1024
#pragma HLS PIPELINE II=1
#endif
		uint64_t word = in[at + i];

		burst_buf[i] = word;
		total += word;
	}
	return total;
}

static void store(uint64_t *out, uint32_t at, uint32_t count)
{
STORE:
	for (uint32_t i = 0; i < count; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=1024
#pragma HLS PIPELINE II=1
#endif
		out[at + i] = burst_buf[i];
	}
}

#ifdef __BAMBU__
#pragma HLS interface mode=m_axi port=in offset=direct bundle=gmem0
#pragma HLS interface mode=m_axi port=out offset=direct bundle=gmem1
#pragma HLS interface mode=m_axi port=sum offset=direct bundle=gmem1
#endif
void bandwidth(const uint64_t *in, uint64_t *out, uint64_t *sum, uint32_t words, uint32_t repeat)
{
#ifndef __BAMBU__
#pragma HLS INTERFACE m_axi port=in offset=slave bundle=gmem0
#pragma HLS INTERFACE m_axi port=out offset=slave bundle=gmem1
#pragma HLS INTERFACE m_axi port=sum offset=slave bundle=gmem1
#pragma HLS INTERFACE s_axilite port=in
#pragma HLS INTERFACE s_axilite port=out
#pragma HLS INTERFACE s_axilite port=sum
#pragma HLS INTERFACE s_axilite port=words
#pragma HLS INTERFACE s_axilite port=repeat
#pragma HLS INTERFACE s_axilite port=return
#endif
	uint64_t total = 0;

ROUNDS:
	for (uint32_t round = 0; round < repeat; round++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=1000
#endif
BURSTS:
		for (uint32_t left = words, at = 0; left > 0;) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=524288
#endif
			uint32_t count = left < BANDWIDTH_BURST ? left : BANDWIDTH_BURST;

			total = load(in, at, count, total);
			store(out, at, count);
			at += count;
			left -= count;
		}
	}
	sum[0] = total;
}
