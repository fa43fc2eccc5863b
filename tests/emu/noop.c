// SPDX-License-Identifier: BSD-2-Clause
/* An empty kernel: what a launch costs. */
void noop(void)
{
#pragma HLS INTERFACE s_axilite port=return
}
