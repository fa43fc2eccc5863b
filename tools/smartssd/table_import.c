// SPDX-License-Identifier: BSD-2-Clause
/* smartssd table import: rows of a file become a table of a store. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "interrupt.h"
#include "operator.h"
#include "options.h"
#include "table.h"
#include "table_plan.h"

#define VERB	"table import"
#define FORMATS "fp32|fp16|int8-rowwise|int4-rowwise" /* in the order of SMARTSSD_ROWS_* */

struct import_args {
	struct store_import import;
	const char *from, *spec, *plan;
	bool shard_given, format_given, volume_given, cards_given, force, as_json;
	unsigned format, shard, progress;
	uint64_t volume, cards;
};

static uint32_t count_volumes(const char *spec)
{
	uint32_t nr = 1;

	for (; *spec; spec++)
		nr += *spec == ',';
	return nr;
}

/* What is wrong without looking at any file. 0, or 2. */
static int check_usage(const struct import_args *a)
{
	struct smartssd_error err = { "" };
	uint32_t volumes = count_volumes(a->spec);

	if (store_check_name(a->import.name, &err)) {
		complain(VERB, "%s", err.text);
		return 2;
	}
	if (a->volume_given && a->shard == SMARTSSD_SHARD_ROW) {
		complain(VERB, "--volume goes with --shard table: row by row, a table is on all volumes");
		return 2;
	}
	if (a->plan && (a->volume_given || a->shard_given)) {
		complain(VERB, "--plan says where the table goes; without --shard and --volume");
		return 2;
	}
	if (a->volume_given && a->volume >= volumes) {
		complain(VERB, "--volume: %" PRIu64 ", but --store names %u, counted from 0", a->volume, volumes);
		return 2;
	}
	if (a->cards_given && a->cards != volumes) {
		complain(VERB, "--cards: %" PRIu64 ", but --store names %u: name one volume for each card's drive, separated by commas", a->cards, volumes);
		return 2;
	}
	return 0;
}

/* What the plan says of the table, for what the options leave open. 0, 1 or 2. */
static int follow_plan(struct import_args *a)
{
	uint32_t volumes = count_volumes(a->spec), dim = store_rows_dim(a->import.rows);
	uint64_t rows = store_rows_count(a->import.rows);
	struct smartssd_error err = { "" };
	struct planned p;
	int ret = planned_load(a->plan, a->import.name, &p, &err);

	if (ret) {
		complain(VERB, "--plan: %s", err.text);
		return 1;
	}
	if (p.cards != volumes) {
		complain(VERB, "--plan: %s is for %u cards, but --store names %u volumes", a->plan, p.cards, volumes);
		return 2;
	}
	if (p.rows != rows) {
		complain(VERB, "--plan: %s is for %" PRIu64 " rows of '%s', but %s has %" PRIu64, a->plan, p.rows, a->import.name, a->from, rows);
		return 1;
	}
	if (p.dim != dim) {
		complain(VERB, "--plan: %s is for rows of %u elements, but %s has %u", a->plan, p.dim, a->from, dim);
		return 1;
	}
	if (!a->format_given)
		a->import.format = p.format;
	a->import.shard = p.shard;
	if (p.shard == SMARTSSD_SHARD_TABLE)
		a->import.volume = p.volume;
	return 0;
}

static int report(const struct import_args *a, struct store *s, uint64_t resumed, double seconds)
{
	struct smartssd_error err = { "" };
	const struct store_table *info;
	struct json j = { .out = stdout };
	struct table *t;

	if (table_open(s, a->import.name, &t, &err)) {
		complain(VERB, "%s", err.text);
		return 1;
	}
	info = table_info(t);
	if (a->as_json) {
		json_open(&j, NULL, '{');
		table_json(&j, s, t);
		json_uint(&j, "resumed", resumed);
		json_real(&j, "seconds", seconds);
		json_close(&j, '}');
	} else {
		printf("%s: %" PRIu64 " rows of %u, %s, checksum %08x", info->name, info->rows, info->dim, rowfmt_name(info->format), info->crc);
		if (resumed)
			printf("; went on from row %" PRIu64, resumed);
		putchar('\n');
	}
	table_close(t);
	return 0;
}

static int import(const struct import_args *a, struct store *s)
{
	struct smartssd_error err = { "" };
	double start = seconds_now();
	uint64_t resumed = 0;
	struct work work;
	char what[80];
	int ret, code;

	snprintf(what, sizeof(what), "importing %s", a->import.name);
	work_begin(&work, what, a->progress == 1);
	ret = store_import(s, &a->import, &work.progress, &resumed, &err);
	code = work_end(&work);
	if (!ret)
		return report(a, s, resumed, seconds_now() - start);
	/* Which option the library's "ask to" is. */
	complain(VERB, "%s%s", *err.text ? err.text : strerror(-ret),
		 ret == -EEXIST ? " (--replace)" : strstr(err.text, "ask to restart") ? " (--restart)" : ret == -ECANCELED && a->import.restart ? ", without --restart" : "");
	return ret == -ECANCELED ? code : 1;
}

int table_import(int argc, char **argv)
{
	struct import_args a = { .import = { .volume = UINT32_MAX } };
	const struct option_spec specs[] = {
		{ "from", OPTION_TEXT, &a.from, .meta = "T.npy|T.safetensors[:TENSOR]",
		  .help = "f4, f2 or bf16 [rows][dim], or u1 [rows][dim + 8]: int8-rowwise rows", .required = true },
		{ "store", OPTION_TEXT, &a.spec, .meta = STORE_META, .help = STORE_HELP "; made if it is not there", .required = true },
		{ "format", OPTION_CHOICE, &a.format, &a.format_given, .choices = FORMATS, .help = "of the rows on the drive; default: what the file has" },
		{ "shard", OPTION_CHOICE, &a.shard, &a.shard_given, .choices = "table|row", .help = "table (default): on one volume; row: row r on volume r modulo their number" },
		{ "volume", OPTION_COUNT, &a.volume, &a.volume_given, .max = STORE_MAX_VOLUMES - 1, .meta = "N",
		  .help = "which one of --store, from 0; default: the one with the fewest bytes of tables" },
		{ "cards", OPTION_COUNT, &a.cards, &a.cards_given, .min = 1, .max = STORE_MAX_VOLUMES, .meta = "N",
		  .help = "so many volumes --store must name: one for each card's drive" },
		{ "plan", OPTION_TEXT, &a.plan, .meta = "PLAN.json", .help = "shard, volume and format as smartssd table plan -o wrote them for the table of that name" },
		{ "replace", OPTION_FLAG, &a.import.replace, .help = "a table of that name may be there: readers have it until the new one is whole" },
		{ "restart", OPTION_FLAG, &a.import.restart, .help = "forget an interrupted import instead of going on with it" },
		{ "force", OPTION_FLAG, &a.force, .help = "a namespace that is no store may be made one: what is on it is lost" },
		{ "json", OPTION_FLAG, &a.as_json, .help = "print JSON" },
		{ "progress", OPTION_CHOICE, &a.progress, .choices = PROGRESS_CHOICES, .help = PROGRESS_HELP },
	};
	const struct option_table table = { VERB, "NAME", "Rows of a file become a table: all of it, or nothing. The same command goes on with an import that\n"
					    "was interrupted.", specs, sizeof(specs) / sizeof(specs[0]) };
	struct smartssd_error err = { "" };
	struct store *s;
	int ret = options_parse(&table, argc, argv);

	if (ret < 0)
		return options_exit(ret);
	ret = table_name(VERB, argc, argv, ret, &a.import.name) ?: check_usage(&a);
	if (ret)
		return ret;
	/* Before there is a store: a wrong file makes none. */
	if (store_rows_open(a.from, &a.import.rows, &err)) {
		complain(VERB, "--from: %s", err.text);
		return 1;
	}
	a.import.format = a.format_given ? a.format : store_rows_format(a.import.rows);
	a.import.shard = a.shard;
	if (a.volume_given)
		a.import.volume = (uint32_t)a.volume;
	ret = a.plan ? follow_plan(&a) : 0;
	/* What store_import() would say, when a namespace has become a volume. */
	if (!ret && a.import.shard == SMARTSSD_SHARD_ROW && store_rows_count(a.import.rows) < count_volumes(a.spec)) {
		complain(VERB, "--shard row: %" PRIu64 " rows cannot be shared among the %u volumes of --store", store_rows_count(a.import.rows), count_volumes(a.spec));
		ret = 1;
	}
	if (ret) {
		store_rows_close(a.import.rows);
		return ret;
	}
	ret = table_store(VERB, a.spec, VOLUME_WRITE | VOLUME_CREATE | (a.force ? VOLUME_FORCE : 0), &s);
	if (!ret) {
		ret = import(&a, s);
		store_close(s);
	}
	store_rows_close(a.import.rows);
	return ret;
}
