/* SPDX-License-Identifier: BSD-2-Clause */
/* The two kinds of `smartssd lookup`: the table is a file, or a name in a store. */
#ifndef SMARTSSD_LOOKUP_H
#define SMARTSSD_LOOKUP_H

#include "store_options.h"

#define LOOKUP_VERB "lookup"

struct lookup_args {
	const char *table, *indices, *offsets, *weights, *output;
	bool as_json, format_given;
	unsigned format, mode, progress;
	struct store_options store; /* store.spec NULL: the table is a file; then only its devices and p2p count */
	uint64_t batch, trace_table;
	bool batch_given, trace_table_given;
	/* lookup_bags() */
	int64_t *index_data, *offset_data;
	float *weight_data;
	uint64_t lookups, bags;
};

/* Reads indices, offsets and weights. 0, or the exit status, complained. */
int lookup_bags(struct lookup_args *a);
/* Both: the exit status, complained. */
int lookup_file(struct lookup_args *a);	 /* lookup_file.c */
int lookup_store(struct lookup_args *a); /* lookup_store.c */

#endif
