// SPDX-License-Identifier: BSD-2-Clause
/* smartssd: one program, one verb for each thing it does. */
#include <errno.h>
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
	{ "quantize", cmd_quantize, "an fp32 ONNX model and images -> an int8 model" },
	{ "compile", cmd_compile, "an int8 ONNX model -> a program for cards" },
	{ "plan", cmd_plan, "where each layer of a program runs, why, and what more cards would bring" },
	{ "run", cmd_run, "a network on images, next to the data" },
	{ "xclbin", cmd_xclbin, "pack HLS C kernels into an xclbin, say what is in one, or load one" },
	{ "table", cmd_table, "embedding tables in a store on the drives: import, list, check, update" },
	{ "trace", cmd_trace, "make a trace of embedding lookups" },
	{ "dlrm", cmd_dlrm, "a recommendation model on a trace: tables in a store, pooled next to the data" },
	{ "reset", cmd_reset, "bring compute units back that hang or crashed" },
	{ "vm", cmd_vm, "boot a guest with emulated SmartSSDs and run a program in it" },
};

#define NR_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void usage(FILE *out)
{
	fputs("usage: smartssd VERB [OPTION...]\n", out);
	for (size_t i = 0; i < NR_VERBS; i++)
		fprintf(out, "  %-8s %s\n", verbs[i].name, verbs[i].summary);
	fputs("smartssd VERB --help (or: help VERB) says more, and so does its manual page smartssd-VERB(1). smartssd --version: which one\n"
	      "this is.\n", out);
}

/* What was printed must have got there, or nobody may rely on the exit status. */
static int finish(int code)
{
	errno = 0;
	if (!fflush(stdout) && !ferror(stdout))
		return code;
	fprintf(stderr, "smartssd: standard output cannot be written: %s\n", errno ? strerror(errno) : "an earlier part was lost");
	return code ? code : 1;
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < NR_VERBS; i++)
		if (!strcmp(name, verbs[i].name))
			return &verbs[i];
	fprintf(stderr, "smartssd: '%s' is not a verb; the verbs are", name);
	for (size_t i = 0; i < NR_VERBS; i++)
		fprintf(stderr, "%s %s", i ? "," : "", verbs[i].name);
	fputc('\n', stderr);
	return NULL;
}

int main(int argc, char **argv)
{
	const struct verb *verb;

	if (argc < 2) {
		usage(stderr);
		return 2;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("smartssd " VERSION);
		return finish(0);
	}
	if (argc > 2 && !strcmp(argv[1], "help")) {
		verb = find_verb(argv[2]);
		return verb ? finish(verb->run(2, (char *[]){ argv[2], "--help", NULL })) : 2;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return finish(0);
	}
	verb = find_verb(argv[1]);
	return verb ? finish(verb->run(argc - 1, argv + 1)) : 2;
}
