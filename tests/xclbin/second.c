// SPDX-License-Identifier: BSD-2-Clause
#include <stdint.h>

int helper(void)
{
	return 2;
}

void second(uint8_t *out)
{
#pragma HLS INTERFACE m_axi port=out
#pragma HLS INTERFACE ap_ctrl_hs port=return
	out[0] = helper();
}
