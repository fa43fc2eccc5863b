// SPDX-License-Identifier: BSD-2-Clause
/* smartssd lookup: pool rows of an embedding table, on NumPy files. Here: options, and what both kinds of tables share. */
#include <stdlib.h>

#include "commands.h"
#include "lookup.h"

/* The order of SMARTSSD_ROWS_* */
#define FORMATS "fp32|fp16|int8-rowwise|int4-rowwise"

int lookup_bags(struct lookup_args *a)
{
	uint64_t nr;
	void *data;
	int ret = array_integers(LOOKUP_VERB, "indices", a->indices, &a->index_data, &a->lookups) ?: array_integers(LOOKUP_VERB, "offsets", a->offsets, &a->offset_data, &nr);

	if (ret)
		return ret;
	if (!nr) {
		complain(LOOKUP_VERB, "--offsets: %s is empty, but must hold one element more than there are bags (the last one: all lookups)", a->offsets);
		return 1;
	}
	a->bags = nr - 1;
	if (!a->weights)
		return 0;
	if (array_load(LOOKUP_VERB, "weights", a->weights, SMARTSSD_F4, &data, &nr))
		return 1;
	a->weight_data = data;
	if (nr == a->lookups)
		return 0;
	complain(LOOKUP_VERB, "--weights: %s holds %llu elements, but --indices has %llu", a->weights, (unsigned long long)nr, (unsigned long long)a->lookups);
	return 1;
}

static int check_usage(const struct lookup_args *a)
{
	if (a->weights && a->mode) {
		complain(LOOKUP_VERB, "--weights: only with --mode sum");
		return 2;
	}
	if (a->store.spec && a->format_given) {
		complain(LOOKUP_VERB, "--format: a table in a store has the format that it was imported with; leave --format out");
		return 2;
	}
	if (!a->store.spec && (a->store.any || a->store.row_cache_given || a->batch_given || a->trace_table_given)) {
		complain(LOOKUP_VERB, "--batch, --staging, caches and pinned rows go with --store, whose tables they are for; %s is a file", a->table);
		return 2;
	}
	if (a->trace_table_given && !a->store.statistics) {
		complain(LOOKUP_VERB, "--statistics-table: only with --statistics");
		return 2;
	}
	return 0;
}

int cmd_lookup(int argc, char **argv)
{
	struct lookup_args a = { .trace_table = UINT32_MAX };
	const struct option_spec specs[] = {
		{ "table", OPTION_TEXT, &a.table, .meta = "T.npy|NAME", .help = "f4 or f2 [rows][dim], u1 [rows][dim + 8] or [rows][dim / 2 + 4]; with --store a table of it", .required = true },
		{ "format", OPTION_CHOICE, &a.format, &a.format_given, .choices = FORMATS, .help = "of T.npy; default: by its type; u1 needs int8-rowwise or int4-rowwise" },
		{ "indices", OPTION_TEXT, &a.indices, .meta = "I.npy", .help = "i4 or i8 [lookups]: rows of the table", .required = true },
		{ "offsets", OPTION_TEXT, &a.offsets, .meta = "O.npy", .help = "i4 or i8 [bags + 1]: where each bag begins, and the end",
		  .required = true },
		{ "weights", OPTION_TEXT, &a.weights, .meta = "P.npy", .help = "f4 [lookups]: a factor for each row; only with sum" },
		{ "mode", OPTION_CHOICE, &a.mode, .choices = "sum|mean", .help = "default sum" },
		{ "output", OPTION_TEXT, &a.output, .meta = "Y.npy", .help = "f4 [bags][dim], written whole or not at all", .required = true },
		{ "store", OPTION_TEXT, &a.store.spec, .meta = STORE_META, .help = STORE_HELP },
		STORE_OPTIONS_CARDS(a.store),
		STORE_OPTIONS_CACHES(a.store),
		{ "statistics-table", OPTION_COUNT, &a.trace_table, &a.trace_table_given, .max = UINT32_MAX - 1, .meta = "N",
		  .help = "which of TRACE's tables it is; not needed when it has one" },
		{ "batch", OPTION_COUNT, &a.batch, &a.batch_given, .min = 1, .max = 1u << 24, .meta = "BAGS",
		  .help = "bags of one call of the engine, of which two are under way; default: about 256K lookups" },
		{ "json", OPTION_FLAG, &a.as_json, .help = "print JSON" },
		{ "progress", OPTION_CHOICE, &a.progress, .choices = PROGRESS_CHOICES, .help = PROGRESS_HELP },
	};
	const struct option_table table = {
		LOOKUP_VERB, "", "Pool rows of an embedding table on the card (PyTorch's EmbeddingBag): of a file, or of a table in a store.", specs, sizeof(specs) / sizeof(specs[0])
	};
	int ret = options_parse(&table, argc, argv);

	if (ret < 0)
		return options_exit(ret);
	ret = check_usage(&a) ?: a.store.spec ? lookup_store(&a) : lookup_file(&a);
	free(a.index_data);
	free(a.offset_data);
	free(a.weight_data);
	return ret;
}
