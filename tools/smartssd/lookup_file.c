// SPDX-License-Identifier: BSD-2-Clause
/* smartssd lookup --table T.npy: smartssd_embedding_bag() on a file. */
#include <stdio.h>
#include <unistd.h>

#include "lookup.h"

struct file_lookup {
	struct lookup_args *args;
	struct smartssd_embedding_bag op;
	uint64_t dim;
};

static int choose_format(struct file_lookup *f)
{
	/* Of each format: the type, elements behind those of the row, and how many of the row are in one */
	static const struct {
		const char *name;
		uint32_t type, behind, in_one;
	} formats[] = { { "fp32", SMARTSSD_F4, 0, 1 }, { "fp16", SMARTSSD_F2, 0, 1 }, { "int8-rowwise", SMARTSSD_U1, 8, 1 }, { "int4-rowwise", SMARTSSD_U1, 4, 2 } };
	const struct smartssd_array *table = &f->op.table.array;
	struct lookup_args *a = f->args;

	if (!a->format_given) {
		if (table->type == SMARTSSD_U1) {
			complain(LOOKUP_VERB, "--table: %s is of type u1, which says nothing about its rows; if they are FBGEMM's fused rows, say --format int8-rowwise (values, float scale, "
				 "float bias) or int4-rowwise (two values in a byte, binary16 scale, binary16 bias)", a->table);
			return 2;
		}
		a->format = table->type == SMARTSSD_F2 ? SMARTSSD_ROWS_FP16 : SMARTSSD_ROWS_FP32;
	}
	if (formats[a->format].type != table->type) {
		complain(LOOKUP_VERB, "--format: %s rows are of type %s, but %s holds %s", formats[a->format].name, smartssd_type_name(formats[a->format].type), a->table,
			 smartssd_type_name(table->type));
		return 1;
	}
	if (table->shape[1] <= formats[a->format].behind) {
		complain(LOOKUP_VERB, "--table: rows of %s have %llu bytes, but %s rows have the values and %u bytes more", a->table, (unsigned long long)table->shape[1],
			 formats[a->format].name, formats[a->format].behind);
		return 1;
	}
	f->dim = (table->shape[1] - formats[a->format].behind) * formats[a->format].in_one;
	f->op.format = a->format;
	return 0;
}

static int pool(void *ctx, struct smartssd_device *dev, void *y, struct smartssd_report *report, const struct smartssd_progress *progress,
		struct smartssd_error *err)
{
	return smartssd_embedding_bag(dev, ctx, y, report, progress, err);
}

static int compute(struct file_lookup *f)
{
	struct lookup_args *a = f->args;
	struct operator_run run = {
		LOOKUP_VERB, "embedding_bag", a->store.devices, a->output, a->progress, a->as_json,
		.y = { .type = SMARTSSD_F4, .ndim = 2, .shape = { a->bags, f->dim } },
		.count_name = "lookups", .count = a->lookups, .compute = pool, .ctx = &f->op,
	};

	f->op.indices = a->index_data;
	f->op.lookups = a->lookups;
	f->op.offsets = a->offset_data;
	f->op.bags = a->bags;
	f->op.per_sample_weights = a->weight_data;
	f->op.mean = a->mode;
	f->op.io_flags = p2p_flags(a->store.p2p);
	return operator_run(&run);
}

int lookup_file(struct lookup_args *a)
{
	const struct operator_input files[] = {
		{ "table", a->table }, { "indices", a->indices }, { "offsets", a->offsets }, { "weights", a->weights },
	};
	struct file_lookup f = { .args = a, .op.table.fd = -1 };
	int ret = output_is_apart(LOOKUP_VERB, a->output, files, sizeof(files) / sizeof(files[0])) ?:
		  array_open(LOOKUP_VERB, "table", a->table, TYPE_BIT(SMARTSSD_F4) | TYPE_BIT(SMARTSSD_F2) | TYPE_BIT(SMARTSSD_U1), 2, &f.op.table) ?:
		  choose_format(&f) ?: lookup_bags(a) ?: compute(&f);

	if (f.op.table.fd >= 0)
		close(f.op.table.fd);
	return ret;
}
