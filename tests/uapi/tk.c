// SPDX-License-Identifier: BSD-2-Clause
/* The test kernel: does what a test asks of it, misbehaviour included. */
#include <stdint.h>
#include <unistd.h>

void tk(const uint32_t *src, uint64_t src_bytes, uint32_t *dst, uint64_t dst_bytes, uint32_t n, uint32_t mode)
{
#pragma HLS INTERFACE m_axi port=src offset=slave bundle=gmem0
#pragma HLS INTERFACE m_axi port=dst offset=slave bundle=gmem1
#pragma HLS INTERFACE s_axilite port=src
#pragma HLS INTERFACE s_axilite port=src_bytes
#pragma HLS INTERFACE s_axilite port=dst
#pragma HLS INTERFACE s_axilite port=dst_bytes
#pragma HLS INTERFACE s_axilite port=n
#pragma HLS INTERFACE s_axilite port=mode
#pragma HLS INTERFACE s_axilite port=return
	volatile uint32_t *wild = 0;
	uint32_t i;

	switch (mode) {
	case 0:
		for (i = 0; i < n; i++)
			dst[i] = src[i] + 1;
		break;
	case 1:
		dst[0] = (uint32_t)src_bytes;
		dst[1] = (uint32_t)dst_bytes;
		break;
	case 2:
		for (;;)
			pause();
	case 3:
		*wild = 1;
		break;
	case 4:
		usleep(n * 1000);
		break;
	}
}
