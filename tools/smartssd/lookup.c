// SPDX-License-Identifier: BSD-2-Clause
/* smartssd lookup: pool rows of an embedding table, on NumPy files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "commands.h"
#include "operator.h"

#define VERB "lookup"

/* The order of SMARTSSD_ROWS_* */
#define FORMATS "fp32|fp16|int8-rowwise"

struct lookup_args {
	const char *table, *indices, *offsets, *weights, *output, *device;
	bool format_given, as_json;
	unsigned format, mode, p2p, progress;
	struct smartssd_embedding_bag op;
	int64_t *index_data, *offset_data;
	float *weight_data;
	uint64_t dim;
};

static int choose_format(struct lookup_args *a)
{
	static const uint32_t types[] = { SMARTSSD_F4, SMARTSSD_F2, SMARTSSD_U1 };
	static const char *const names[] = { "fp32", "fp16", "int8-rowwise" };
	uint32_t type = a->op.table.array.type;

	if (!a->format_given) {
		if (type == SMARTSSD_U1) {
			complain(VERB, "--table: %s is of type u1, which says nothing about its rows; if they are FBGEMM's fused int8 rows "
				       "(values, float scale, float bias), say --format int8-rowwise", a->table);
			return 2;
		}
		a->format = type == SMARTSSD_F2 ? SMARTSSD_ROWS_FP16 : SMARTSSD_ROWS_FP32;
	}
	if (types[a->format] != type) {
		complain(VERB, "--format: %s rows are of type %s, but %s holds %s", names[a->format], smartssd_type_name(types[a->format]),
			 a->table, smartssd_type_name(type));
		return 1;
	}
	a->dim = a->op.table.array.shape[1];
	if (a->format == SMARTSSD_ROWS_INT8) {
		if (a->dim <= 8) {
			complain(VERB, "--table: rows of %s have %llu bytes, but int8-rowwise rows have the values and 8 bytes more", a->table,
				 (unsigned long long)a->dim);
			return 1;
		}
		a->dim -= 8;
	}
	a->op.format = a->format;
	return 0;
}

static int gather(struct lookup_args *a)
{
	const struct operator_input files[] = {
		{ "table", a->table }, { "indices", a->indices }, { "offsets", a->offsets }, { "weights", a->weights },
	};
	struct smartssd_embedding_bag *op = &a->op;
	uint64_t nr;
	void *data;
	int ret;

	ret = output_is_apart(VERB, a->output, files, sizeof(files) / sizeof(files[0])) ?:
	      array_open(VERB, "table", a->table, TYPE_BIT(SMARTSSD_F4) | TYPE_BIT(SMARTSSD_F2) | TYPE_BIT(SMARTSSD_U1), 2, &op->table) ?:
	      choose_format(a) ?:
	      array_integers(VERB, "indices", a->indices, &a->index_data, &op->lookups) ?:
	      array_integers(VERB, "offsets", a->offsets, &a->offset_data, &nr);
	if (ret)
		return ret;
	if (!nr) {
		complain(VERB, "--offsets: %s is empty, but must hold one element more than there are bags (the last one: all lookups)",
			 a->offsets);
		return 1;
	}
	op->bags = nr - 1;
	op->indices = a->index_data;
	op->offsets = a->offset_data;
	op->mean = a->mode;
	op->io_flags = p2p_flags(a->p2p);
	if (!a->weights)
		return 0;
	if (op->mean) {
		complain(VERB, "--weights: only with --mode sum");
		return 2;
	}
	if (array_load(VERB, "weights", a->weights, SMARTSSD_F4, &data, &nr))
		return 1;
	op->per_sample_weights = a->weight_data = data;
	if (nr != op->lookups) {
		complain(VERB, "--weights: %s holds %llu elements, but --indices has %llu", a->weights, (unsigned long long)nr,
			 (unsigned long long)op->lookups);
		return 1;
	}
	return 0;
}

static int pool(void *ctx, struct smartssd_device *dev, void *y, struct smartssd_report *report, const struct smartssd_progress *progress,
		struct smartssd_error *err)
{
	return smartssd_embedding_bag(dev, ctx, y, report, progress, err);
}

static int compute(struct lookup_args *a)
{
	struct operator_run run = {
		VERB, "embedding_bag", a->device, a->output, a->progress, a->as_json,
		.y = { .type = SMARTSSD_F4, .ndim = 2, .shape = { a->op.bags, a->dim } },
		.count_name = "lookups", .count = a->op.lookups, .compute = pool, .ctx = &a->op,
	};

	return operator_run(&run);
}

int cmd_lookup(int argc, char **argv)
{
	struct lookup_args a = { .op = { .table = { .fd = -1 } } };
	const struct option_spec specs[] = {
		{ "table", OPTION_TEXT, &a.table, .meta = "T.npy", .help = "f4 or f2 [rows][dim], or u1 [rows][dim + 8]", .required = true },
		{ "format", OPTION_CHOICE, &a.format, &a.format_given, .choices = FORMATS,
		  .help = "default: by the table's type; u1 needs int8-rowwise" },
		{ "indices", OPTION_TEXT, &a.indices, .meta = "I.npy", .help = "i4 or i8 [lookups]: rows of the table", .required = true },
		{ "offsets", OPTION_TEXT, &a.offsets, .meta = "O.npy", .help = "i4 or i8 [bags + 1]: where each bag begins, and the end",
		  .required = true },
		{ "weights", OPTION_TEXT, &a.weights, .meta = "P.npy", .help = "f4 [lookups]: a factor for each row; only with sum" },
		{ "mode", OPTION_CHOICE, &a.mode, .choices = "sum|mean", .help = "default sum" },
		{ "output", OPTION_TEXT, &a.output, .meta = "Y.npy", .help = "f4 [bags][dim], written whole or not at all", .required = true },
		{ "device", OPTION_TEXT, &a.device, .meta = "URI", .help = "/dev/smartssdN or emu:...; default: see smartssd(1)" },
		{ "p2p", OPTION_CHOICE, &a.p2p, .choices = P2P_CHOICES, .help = P2P_HELP },
		{ "json", OPTION_FLAG, &a.as_json, .help = "print JSON" },
		{ "progress", OPTION_CHOICE, &a.progress, .choices = PROGRESS_CHOICES, .help = PROGRESS_HELP },
	};
	const struct option_table table = {
		VERB, "", "Pool rows of an embedding table on the card (PyTorch's EmbeddingBag).", specs, sizeof(specs) / sizeof(specs[0])
	};
	int ret = options_parse(&table, argc, argv);

	if (ret < 0)
		return options_exit(ret);
	ret = gather(&a) ?: compute(&a);
	if (a.op.table.fd >= 0)
		close(a.op.table.fd);
	free(a.index_data);
	free(a.offset_data);
	free(a.weight_data);
	return ret;
}
