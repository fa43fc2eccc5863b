// SPDX-License-Identifier: BSD-2-Clause
/* smartssd compile: a quantised ONNX model -> a program for cards. */
#include <stdio.h>
#include <string.h>

#include "../../runtime/nn/program.h"
#include "../../runtime/whole.h"
#include "commands.h"
#include "json.h"
#include "options.h"

#define VERB "compile"

static const char *const kinds[NN_LAYER_KINDS] = { "input", "conv", "depthwise", "pool", "add", "graph" };

struct compile_args {
	const char *output;
	uint64_t cards, batch, host_gmacs;
	unsigned shell;
	bool as_json;
};

/* Layers of each kind by place, and what they take. */
struct summary {
	uint32_t card[NN_LAYER_KINDS], host, pieces;
	uint64_t macs;
};

static struct summary summarise(const struct nn_program *p)
{
	struct summary s = { 0 };

	for (uint32_t i = 0; i < p->nr_layers; i++) {
		const struct nn_layer *l = &p->layers[i];

		if (l->place == NN_ON_CARD)
			s.card[l->kind]++;
		else if (l->kind == NN_LAYER_GRAPH)
			s.pieces++;
		else
			s.host++;
		s.macs += l->kind == NN_LAYER_CONV ? l->conv.macs : l->kind == NN_LAYER_DEPTHWISE ? l->depthwise.macs : 0;
	}
	return s;
}

static void print_text(const struct compile_args *a, const struct nn_program *p)
{
	struct summary s = summarise(p);
	uint32_t on_card = 0;

	for (int k = 0; k < NN_LAYER_KINDS; k++)
		on_card += s.card[k];
	printf("%s: %s, for %u card%s, %s shell\n", a->output, p->name, p->cards, p->cards == 1 ? "" : "s", p->shell == NN_SHELL_DFX ? "dfx" : "flat");
	printf("  on the card   %u layer%s", on_card, on_card == 1 ? "" : "s");
	for (int k = 0, n = 0; k < NN_LAYER_KINDS; k++)
		if (s.card[k])
			printf("%s%u %s", n++ ? ", " : ": ", s.card[k], kinds[k]);
	printf("\n  on the host   %u layer%s", s.host + s.pieces, s.host + s.pieces == 1 ? "" : "s");
	if (s.host)
		printf(", %u of them for speed", s.host);
	putchar('\n');
	for (uint32_t i = 0; i < p->nr_layers; i++)
		if (p->layers[i].kind == NN_LAYER_GRAPH)
			printf("                %s: %s\n", p->layers[i].name, p->layers[i].why_host);
	printf("  weights       %llu bytes\n  work          %llu multiplications an image\n", (unsigned long long)p->weights_bytes,
	       (unsigned long long)s.macs);
	if (p->decision[0])
		printf("  plan          %s\n", p->decision);
}

static void print_json(const struct compile_args *a, const struct nn_program *p)
{
	struct summary s = summarise(p);
	struct json j = { .out = stdout };

	json_open(&j, NULL, '{');
	json_text(&j, "output", a->output);
	json_text(&j, "model", p->name);
	json_text(&j, "shell", p->shell == NN_SHELL_DFX ? "dfx" : "flat");
	json_uint(&j, "cards", p->cards);
	json_open(&j, "on_card", '{');
	for (int k = 0; k < NN_LAYER_KINDS; k++)
		if (s.card[k])
			json_uint(&j, kinds[k], s.card[k]);
	json_close(&j, '}');
	json_uint(&j, "on_host_for_speed", s.host);
	json_open(&j, "on_host", '[');
	for (uint32_t i = 0; i < p->nr_layers; i++)
		if (p->layers[i].kind == NN_LAYER_GRAPH) {
			json_open(&j, NULL, '{');
			json_text(&j, "name", p->layers[i].name);
			json_text(&j, "why", p->layers[i].why_host);
			json_close(&j, '}');
		}
	json_close(&j, ']');
	json_uint(&j, "weights_bytes", p->weights_bytes);
	json_uint(&j, "macs", s.macs);
	json_text(&j, "decision", p->decision);
	json_close(&j, '}');
}

/* Nothing is for the card, and that because of numbers in floating point: it is a program that runs, but hardly the one that was wanted. */
static void advise(const struct compile_args *a, const char *model, const struct nn_program *p)
{
	for (uint32_t i = 0; i < p->nr_layers; i++)
		if (p->layers[i].kind != NN_LAYER_GRAPH)
			return;
	/* One that has 8-bit tensors was told why each piece is the host's. */
	for (uint32_t i = 0; i < p->nr_graphs; i++)
		for (uint32_t t = 0; t < p->graphs[i]->nr_tensors; t++)
			if (p->graphs[i]->tensors[t].type == NN_U1 || p->graphs[i]->tensors[t].type == NN_I1)
				return;
	complain(VERB, "note: no layer of %s is for the card. A model in floating point has to be quantised first:\n"
		 "  smartssd quantize %s --calibrate FOLDER|x.npy -o int8.onnx\n"
		 "  smartssd compile int8.onnx -o %s", model, model, a->output);
}

static int compile(const struct compile_args *a, const char *model)
{
	struct smartssd_error err = { "" };
	struct nn_program *program = NULL;
	struct nn_graph *graph = NULL;
	struct nn_machine machine;
	int ret;

	/* Before the work, not behind it. */
	ret = smartssd_whole_check(a->output, &err);
	if (ret) {
		complain(VERB, "--output: %s", *err.text ? err.text : strerror(-ret));
		return 1;
	}
	if (same_file(model, a->output)) {
		complain(VERB, "--output: %s is the model, which would be lost; name another file", a->output);
		return 2;
	}
	ret = nn_graph_load(model, (uint32_t)a->batch, &graph, &err);
	if (!ret)
		ret = nn_lower(graph, a->shell ? NN_SHELL_DFX : NN_SHELL_FLAT, &program, &err);
	nn_graph_free(graph);
	if (!ret) {
		nn_machine_default(&machine);
		machine.host_macs_s = (double)a->host_gmacs * 1e9;
		ret = nn_plan(program, (uint32_t)a->cards, &machine, &err);
	}
	if (!ret)
		ret = nn_ssp_save(program, a->output, &err);
	if (ret)
		complain(VERB, "%s", *err.text ? err.text : strerror(-ret));
	else if (a->as_json)
		print_json(a, program);
	else
		print_text(a, program);
	if (!ret)
		advise(a, model, program);
	nn_program_free(program);
	return ret ? 1 : 0;
}

int cmd_compile(int argc, char **argv)
{
	struct compile_args a = { .cards = 1, .batch = 1 };
	const struct option_spec specs[] = {
		{ "output", OPTION_TEXT, &a.output, .meta = "OUT.ssp", .help = "written whole or not at all", .required = true },
		{ "cards", OPTION_COUNT, &a.cards, .min = 1, .max = 48, .meta = "N", .help = "cards that will run it, default 1" },
		{ "shell", OPTION_CHOICE, &a.shell, .choices = "flat|dfx", .help = "what the cards' FPGAs are loaded with, default flat" },
		{ "batch", OPTION_COUNT, &a.batch, .min = 1, .max = 65535, .meta = "N", .help = "where the model leaves its batch open, default 1" },
		{ "host-gmacs", OPTION_COUNT, &a.host_gmacs, .max = 1000000000, .meta = "N",
		  .help = "a host of so many GMAC/s takes part (int8, all cores); default 0: only what the card cannot do" },
		{ "json", OPTION_FLAG, &a.as_json, .help = "print JSON" },
	};
	const struct option_table table = {
		VERB, "MODEL.onnx", "Turn a quantised ONNX model into a program for cards.", specs, sizeof(specs) / sizeof(specs[0])
	};
	int first;

	first = options_parse(&table, argc, argv);
	if (first < 0)
		return options_exit(first);
	if (argc - first != 1) {
		complain(VERB, argc == first ? "which model? smartssd compile MODEL.onnx -o OUT.ssp" : "one model at a time: '%s' is too many", argv[argc - 1]);
		return 2;
	}
	return compile(&a, argv[first]);
}
