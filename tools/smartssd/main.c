// SPDX-License-Identifier: BSD-2-Clause
/* smartssd: one program, one verb for each thing it does. */
#include <stdio.h>
#include <string.h>
#include "commands.h"

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} verbs[] = {
	{ "list", cmd_list, "NVMe devices, their health, and the FPGA paired with each" },
	{ "check", cmd_check, "does each card's data go peer to peer, and if not, why not and what to do" },
	{ "conv2d", cmd_conv2d, "a quantised convolution on NumPy files" },
	{ "lookup", cmd_lookup, "pool rows of an embedding table, on NumPy files" },
	{ "demo", cmd_demo, "a picture and a recommendation batch, computed next to the data and checked" },
	{ "xclbin", cmd_xclbin, "pack HLS C kernels into an xclbin, or say what is in one" },
	{ "vm", cmd_vm, "boot a guest with emulated SmartSSDs and run a program in it" },
};

#define NR_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void usage(FILE *out)
{
	fputs("usage: smartssd VERB [OPTION...]\n", out);
	for (size_t i = 0; i < NR_VERBS; i++)
		fprintf(out, "  %-8s %s\n", verbs[i].name, verbs[i].summary);
	fputs("smartssd VERB --help says more, and so does its manual page smartssd-VERB(1).\n", out);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return 2;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return 0;
	}
	for (size_t i = 0; i < NR_VERBS; i++)
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].run(argc - 1, argv + 1);
	fprintf(stderr, "smartssd: '%s' is not a verb; the verbs are", argv[1]);
	for (size_t i = 0; i < NR_VERBS; i++)
		fprintf(stderr, "%s %s", i ? "," : "", verbs[i].name);
	fputc('\n', stderr);
	return 2;
}
