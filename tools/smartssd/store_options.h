/* SPDX-License-Identifier: BSD-2-Clause */
/* Options that `lookup --store` and `dlrm` share: store, cards, caches, pinned rows; and the engine that they describe. */
#ifndef SMARTSSD_STORE_OPTIONS_H
#define SMARTSSD_STORE_OPTIONS_H

#include "../../runtime/store/engine.h"
#include "operator.h"
#include "options.h"
#include "store_cards.h"
#include "table.h"

/* Zeros are the defaults. */
struct store_options {
	const char *spec, *devices, *statistics;
	uint64_t row_cache, pooled_cache, staging, pin_card, pin_host; /* MiB: each card's, host's, each card's, each card's, host's */
	bool row_cache_given, any; /* any: one of the options below but --p2p was given */
	unsigned policy, p2p;
};

#define STORE_CACHE_MIB 256 /* default of --row-cache; less where a card has no room for that */

/* The order of store_policy() in store_options.c */
#define STORE_POLICIES "lfu|lru|fifo|clock|sieve|s3-fifo"

/* For a verb's table of options: expand to entries of struct option_spec for a struct store_options named @o. --store is the verb's own. */
#define STORE_OPTIONS_CARDS(o) \
	{ "device", OPTION_TEXT, &(o).devices, .meta = "URI[,URI...]", \
	  .help = "a card for each volume, or one for all; default: the card in whose drive the volume is, else an embedded one" }, \
	{ "p2p", OPTION_CHOICE, &(o).p2p, .choices = P2P_CHOICES, .help = P2P_HELP }, \
	{ "staging", OPTION_COUNT, &(o).staging, &(o).any, .min = 1, .max = 1u << 12, .meta = "MIB", \
	  .help = "memory of each card for what is read, twice; default: what fits, up to 256" }
#define STORE_OPTIONS_CACHES(o) \
	{ "row-cache", OPTION_COUNT, &(o).row_cache, &(o).row_cache_given, .max = 1u << 12, .meta = "MIB", \
	  .help = "memory of each card for rows that are wanted often; default 256, 0: none" }, \
	{ "policy", OPTION_CHOICE, &(o).policy, &(o).any, .choices = STORE_POLICIES, \
	  .help = "of the row cache; default lfu (Documentation/recommendation.rst says why)" }, \
	{ "pooled-cache", OPTION_COUNT, &(o).pooled_cache, &(o).any, .max = 1u << 20, .meta = "MIB", \
	  .help = "memory of the host for results of whole bags; default 0: none" }, \
	{ "statistics", OPTION_TEXT, &(o).statistics, &(o).any, .meta = "TRACE", \
	  .help = "pin the rows that are wanted most in this trace; with --pin-card, --pin-host" }, \
	{ "pin-card", OPTION_COUNT, &(o).pin_card, &(o).any, .max = 1u << 12, .meta = "MIB", \
	  .help = "memory of each card for pinned rows; default 0" }, \
	{ "pin-host", OPTION_COUNT, &(o).pin_host, &(o).any, .max = 1u << 20, .meta = "MIB", \
	  .help = "memory of the host for pinned rows; default 0" }

/*
 * Opens the store (for reading), its cards and an engine on them. 0, or the exit status, complained; close what was opened with
 * store_lookups_close() in any case.
 */
struct store_lookups {
	struct store *store;
	struct store_cards cards;
	struct engine *engine;
	struct engine_options options; /* that it was made with */
	uint64_t pinned_card, pinned_host; /* rows, by store_lookups_pin() */
};
int store_lookups_open(const char *verb, const struct store_options *o, struct store_lookups *out);
void store_lookups_close(struct store_lookups *l);

/*
 * Pins rows as --statistics, --pin-card and --pin-host say; nothing without them. @tables: table T of the trace is tables[T] of @nr, or,
 * when @nr is 1, the trace's table @trace_table is tables[0] (UINT32_MAX: its only one). 0, or the exit status, complained.
 */
int store_lookups_pin(const char *verb, const struct store_options *o, struct store_lookups *l, struct table *const *tables, uint32_t nr,
		      uint32_t trace_table);
/* Cards that were lost, said on standard error: volume, card, and that the host does their work. */
void store_lookups_lost(const char *verb, const struct store_lookups *l);

#endif
