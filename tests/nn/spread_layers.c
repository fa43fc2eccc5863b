// SPDX-License-Identifier: BSD-2-Clause
/*
 * A program whose layers are spread over N cards in ranges, also where the planner would not do that because one card holds them all:
 *
 *   spread_layers IN.ssp N OUT.ssp
 */
#include <stdio.h>
#include <stdlib.h>

#include "../../runtime/nn/program.h"

int main(int argc, char **argv)
{
	struct smartssd_error err = { "" };
	struct nn_program *p = NULL;
	uint32_t cards = argc == 4 ? (uint32_t)atoi(argv[2]) : 0, on_card = 0, at = 0;
	int ret;

	if (!cards) {
		fprintf(stderr, "usage: spread_layers IN.ssp N OUT.ssp\n");
		return 2;
	}
	ret = nn_ssp_load(argv[1], true, &p, NULL, &err);
	for (uint32_t l = 0; !ret && l < p->nr_layers; l++)
		on_card += p->layers[l].place == NN_ON_CARD;
	for (uint32_t l = 0; !ret && l < p->nr_layers; l++)
		if (p->layers[l].place == NN_ON_CARD)
			p->layers[l].card = (uint32_t)((uint64_t)at++ * cards / on_card);
	if (!ret) {
		p->spread = 1;
		p->cards = cards;
		ret = nn_ssp_save(p, argv[3], &err);
	}
	if (ret)
		fprintf(stderr, "spread_layers: %s\n", err.text);
	nn_program_free(p);
	return ret ? 1 : 0;
}
