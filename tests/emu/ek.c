// SPDX-License-Identifier: BSD-2-Clause
/* The embedded card's test kernel: adds, or misbehaves as @mode asks. */
#include <stdint.h>
#include <unistd.h>

void ek(const uint32_t *src, uint64_t src_bytes, uint32_t *dst, uint64_t dst_bytes, uint32_t n, uint32_t mode)
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
	volatile uint32_t *out = dst, *wild = 0;
	uint32_t i;

	(void)src_bytes;
	switch (mode) {
	case 0: /* add */
		for (i = 0; i < n && (uint64_t)i * 4 < dst_bytes; i++)
			dst[i] = src[i] + 1;
		break;
	case 1: /* sleep */
		usleep(n * 1000);
		out[0]++;
		break;
	case 2: /* crash */
		*wild = 1;
		break;
	case 3: /* never ends, and writes on and on */
		for (;;)
			for (i = 0; (uint64_t)i * 4 < dst_bytes; i += 1024)
				out[i] = n;
	}
}
