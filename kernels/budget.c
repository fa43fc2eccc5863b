// SPDX-License-Identifier: BSD-2-Clause
/* Prints what the overlay's kernels claim of either shell, kernel by kernel. That it compiles means that they fit: nn_budget.h. */
#include <stdio.h>

#include "nn_budget.h"

struct claim {
	const char *name;
	unsigned int dsp, bram, uram;
};

static void print(const struct claim *c)
{
	printf("%-14s %6u %8u %6u\n", c->name, c->dsp, c->bram, c->uram);
}

static void table(const char *shell, unsigned int pixels, const struct claim *room)
{
	const struct claim claims[] = {
		{ "nn_conv", NN_CONV_DSP(pixels), NN_CONV_BRAM(pixels), NN_CONV_URAM },
		{ "nn_depthwise", NN_DEPTHWISE_DSP, NN_DEPTHWISE_BRAM, NN_DEPTHWISE_URAM },
		{ "nn_pool", NN_POOL_DSP, NN_POOL_BRAM, NN_POOL_URAM },
		{ "nn_add", NN_ADD_DSP, NN_ADD_BRAM, NN_ADD_URAM },
		{ "nn_pack", NN_PACK_DSP, NN_PACK_BRAM, NN_PACK_URAM },
		{ "together", NN_OVERLAY_DSP(pixels), NN_OVERLAY_BRAM(pixels), NN_OVERLAY_URAM },
	};

	printf("%-14s %6s %8s %6s   NN_PIXELS=%u\n", shell, "DSP", "BRAM36", "URAM", pixels);
	for (unsigned int i = 0; i < sizeof(claims) / sizeof(claims[0]); i++)
		print(&claims[i]);
	print(room);
}

int main(void)
{
	static const struct claim flat = { "free", NN_FLAT_DSP, NN_FLAT_BRAM, NN_FLAT_URAM };
	static const struct claim dfx = { "free", NN_DFX_DSP, NN_DFX_BRAM, NN_DFX_URAM };

	table("flat shell", NN_FLAT_PIXELS, &flat);
	printf("\n");
	table("DFX shell", NN_DFX_PIXELS, &dfx);
	return 0;
}
