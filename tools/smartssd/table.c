// SPDX-License-Identifier: BSD-2-Clause
/* smartssd table: the tables of a store. Here: which there are, and what and where one is. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "commands.h"
#include "operator.h"
#include "options.h"
#include "table.h"
#include "table_plan.h"

static const char usage[] =
	"usage: smartssd table import NAME --from T.npy|T.safetensors[:TENSOR] --store S   rows of a file become a table\n"
	"       smartssd table list --store S                                             which tables there are\n"
	"       smartssd table info NAME --store S                                        rows, layout, where it lies, checksum\n"
	"       smartssd table verify NAME|--all --store S                                every row against its checksum\n"
	"       smartssd table update NAME --indices I.npy --rows R.npy --store S         new values for some rows\n"
	"       smartssd table compact NAME --store S                                     updated rows into their places\n"
	"       smartssd table remove NAME --store S                                      the table goes, and its room is free\n"
	"       smartssd table plan --trace T                                             where tables should go, and how fast that would be\n"
	"S: a folder or a namespace (/dev/nvmeXnY), or several separated by commas: one on each card's drive, always in the same order.\n"
	"'smartssd table import --help' lists the options, and so on; more in smartssd-table(1).\n";

int table_name(const char *verb, int argc, char **argv, int at, const char **name)
{
	*name = argv[at];
	if (argc - at == 1)
		return 0;
	complain(verb, "%s; 'smartssd %s --help' says more", argc == at ? "name a table" : "one table at a time", verb);
	return 2;
}

int table_store(const char *verb, const char *spec, unsigned int flags, struct store **out)
{
	struct smartssd_error err = { "" };
	int ret = store_open(spec, flags, out, &err);

	if (ret)
		complain(verb, "--store: %s", *err.text ? err.text : strerror(-ret));
	return ret ? 1 : 0;
}

static uint32_t volume_of(struct store *s, const struct store_table *t, uint32_t shard)
{
	return (t->volume + shard) % store_volumes(s);
}

/* What a table takes on the drives. */
struct footprint {
	uint64_t rows, wasted, checksums, deltas;
};

static struct footprint footprint_of(const struct table *t)
{
	const struct store_table *info = table_info(t);
	struct footprint f = { .rows = info->rows * info->layout.row_bytes };

	for (uint32_t shard = 0; shard < info->shards; shard++) {
		f.wasted += table_rows(t, shard)->bytes;
		f.checksums += table_checksums(t, shard)->bytes;
		f.deltas += table_delta(t, shard)->bytes;
	}
	f.wasted -= f.rows;
	return f;
}

static void summary_json(struct json *j, const struct store_table *t)
{
	char crc[12];

	snprintf(crc, sizeof(crc), "%08x", t->crc);
	json_text(j, "name", t->name);
	json_uint(j, "rows", t->rows);
	json_uint(j, "dim", t->dim);
	json_text(j, "format", rowfmt_name(t->format));
	json_uint(j, "row_bytes", t->layout.row_bytes);
	json_uint(j, "shards", t->shards);
	json_uint(j, "generation", t->generation);
	json_text(j, "checksum", crc);
}

void table_json(struct json *j, struct store *s, const struct table *t)
{
	const struct store_table *info = table_info(t);
	struct footprint f = footprint_of(t);

	summary_json(j, info);
	json_uint(j, "updated", table_updated(t));
	json_open(j, "layout", '{');
	json_uint(j, "block", info->layout.block);
	json_uint(j, "span", info->layout.span);
	json_uint(j, "rows_per_span", info->layout.rows_per_span);
	json_close(j, '}');
	json_open(j, "bytes", '{');
	json_uint(j, "rows", f.rows);
	json_uint(j, "wasted", f.wasted);
	json_uint(j, "checksums", f.checksums);
	json_uint(j, "deltas", f.deltas);
	json_uint(j, "all", f.rows + f.wasted + f.checksums + f.deltas);
	json_close(j, '}');
	json_open(j, "placement", '[');
	for (uint32_t shard = 0; shard < info->shards; shard++) {
		json_open(j, NULL, '{');
		json_uint(j, "shard", shard);
		json_uint(j, "volume", volume_of(s, info, shard));
		json_text(j, "path", volume_path(store_volume(s, volume_of(s, info, shard))));
		json_uint(j, "rows", layout_shard_rows(info->rows, info->shards, shard));
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void info_text(struct store *s, const struct table *t)
{
	const struct store_table *info = table_info(t);
	const struct layout *l = &info->layout;
	struct footprint f = footprint_of(t);
	char a[32], b[32], c[32], d[32];

	printf("%s: %" PRIu64 " rows of %u, %s\n", info->name, info->rows, info->dim, rowfmt_name(info->format));
	if (l->row_bytes <= l->block)
		printf("  layout        rows of %u bytes, %u in a block of %u\n", l->row_bytes, l->rows_per_span, l->block);
	else
		printf("  layout        rows of %u bytes, each in %u blocks of %u of its own\n", l->row_bytes, l->span / l->block, l->block);
	printf("  on the drive  %s: rows %s, of no use to them %s", bytes_text(f.rows + f.wasted + f.checksums + f.deltas, a, sizeof(a)),
	       bytes_text(f.rows, b, sizeof(b)), bytes_text(f.wasted, c, sizeof(c)));
	printf(", checksums %s, room for updates %s\n", bytes_text(f.checksums, c, sizeof(c)), bytes_text(f.deltas, d, sizeof(d)));
	for (uint32_t shard = 0; shard < info->shards; shard++)
		printf("  shard %-7u volume %u, %s: %" PRIu64 " rows\n", shard, volume_of(s, info, shard),
		       volume_path(store_volume(s, volume_of(s, info, shard))), layout_shard_rows(info->rows, info->shards, shard));
	printf("  generation    %" PRIu64 ", of its rows %" PRIu64 " updated since\n", info->generation, table_updated(t));
	printf("  checksum      %08x\n", info->crc);
}

static int table_info_verb(int argc, char **argv)
{
	struct smartssd_error err = { "" };
	const char *spec = NULL, *name;
	bool as_json = false;
	const struct option_spec specs[] = {
		{ "store", OPTION_TEXT, &spec, .meta = STORE_META, .help = STORE_HELP, .required = true },
		{ "json", OPTION_FLAG, &as_json, .help = "print JSON" },
	};
	const struct option_table table = { "table info", "NAME", "What a table is, and where.", specs, sizeof(specs) / sizeof(specs[0]) };
	struct json j = { .out = stdout };
	struct store *s;
	struct table *t;
	int ret = options_parse(&table, argc, argv);

	if (ret < 0)
		return options_exit(ret);
	ret = table_name(table.verb, argc, argv, ret, &name) ?: table_store(table.verb, spec, VOLUME_READ, &s);
	if (ret)
		return ret;
	if (table_open(s, name, &t, &err)) {
		complain(table.verb, "%s", err.text);
		store_close(s);
		return 1;
	}
	if (as_json) {
		json_open(&j, NULL, '{');
		table_json(&j, s, t);
		json_close(&j, '}');
	} else {
		info_text(s, t);
	}
	table_close(t);
	store_close(s);
	return 0;
}

/* What a store has. */
struct listing {
	struct store_table *tables;
	struct store_unfinished *imports;
	uint32_t nr, nr_imports;
};

static bool replaces(const struct listing *l, const struct store_unfinished *import)
{
	for (uint32_t i = 0; i < l->nr; i++)
		if (!strcmp(l->tables[i].name, import->table.name))
			return true;
	return false;
}

static void list_json(struct store *s, const struct listing *l)
{
	struct json j = { .out = stdout };

	json_open(&j, NULL, '{');
	json_open(&j, "volumes", '[');
	for (uint32_t v = 0; v < store_volumes(s); v++) {
		json_open(&j, NULL, '{');
		json_text(&j, "path", volume_path(store_volume(s, v)));
		json_text(&j, "uuid", volume_uuid(store_volume(s, v)));
		json_uint(&j, "block", volume_block(store_volume(s, v)));
		json_uint(&j, "free", volume_free(store_volume(s, v)));
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_open(&j, "tables", '[');
	for (uint32_t i = 0; i < l->nr; i++) {
		json_open(&j, NULL, '{');
		summary_json(&j, &l->tables[i]);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_open(&j, "imports", '[');
	for (uint32_t i = 0; i < l->nr_imports; i++) {
		const struct store_unfinished *import = &l->imports[i];

		json_open(&j, NULL, '{');
		json_text(&j, "name", import->table.name);
		json_text(&j, "from", *import->path ? import->path : NULL);
		json_text(&j, "format", rowfmt_name(import->table.format));
		json_uint(&j, "rows", import->table.rows);
		json_uint(&j, "done", import->done);
		json_bool(&j, "replaces", replaces(l, import));
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
}

static void list_text(struct store *s, const struct listing *l)
{
	char bytes[32];

	for (uint32_t v = 0; v < store_volumes(s); v++)
		printf("volume %u: %s, %s free\n", v, volume_path(store_volume(s, v)), bytes_text(volume_free(store_volume(s, v)), bytes, sizeof(bytes)));
	if (!l->nr)
		puts("no tables");
	else
		printf("%-20s %12s %5s %-13s %10s %-10s %s\n", "TABLE", "ROWS", "DIM", "FORMAT", "BYTES", "CHECKSUM", "ON");
	for (uint32_t i = 0; i < l->nr; i++) {
		const struct store_table *t = &l->tables[i];

		printf("%-20s %12" PRIu64 " %5u %-13s %10s %08x   ", t->name, t->rows, t->dim, rowfmt_name(t->format),
		       bytes_text(t->rows * t->layout.row_bytes, bytes, sizeof(bytes)), t->crc);
		if (t->shards == 1)
			printf("volume %u\n", t->volume);
		else
			printf("all %u volumes, row by row\n", t->shards);
	}
	for (uint32_t i = 0; i < l->nr_imports; i++) {
		const struct store_unfinished *import = &l->imports[i];
		const char *name = import->table.name;

		printf("import of %s%s%s, not finished: %" PRIu64 " of %" PRIu64 " rows%s\n", name, *import->path ? " from " : "", import->path, import->done,
		       import->table.rows, replaces(l, import) ? "; the table of that name is there until then" : "");
		printf("  unless a process is at it: the same 'table import' goes on, 'table remove %s --import' gives its room back\n", name);
	}
}

static int table_list(int argc, char **argv)
{
	struct smartssd_error err = { "" };
	const char *spec = NULL;
	bool as_json = false;
	const struct option_spec specs[] = {
		{ "store", OPTION_TEXT, &spec, .meta = STORE_META, .help = STORE_HELP, .required = true },
		{ "json", OPTION_FLAG, &as_json, .help = "print JSON" },
	};
	const struct option_table table = { "table list", "", "Which tables a store has, and which imports are not finished.", specs, sizeof(specs) / sizeof(specs[0]) };
	struct listing l = { NULL };
	struct store *s;
	int ret = options_parse(&table, argc, argv);

	if (ret < 0)
		return options_exit(ret);
	ret = table_store(table.verb, spec, VOLUME_READ, &s);
	if (ret)
		return ret;
	ret = store_list(s, &l.tables, &l.nr, &err);
	if (!ret)
		ret = store_list_imports(s, &l.imports, &l.nr_imports, &err);
	if (ret)
		complain(table.verb, "%s", err.text);
	else if (as_json)
		list_json(s, &l);
	else
		list_text(s, &l);
	free(l.tables);
	free(l.imports);
	store_close(s);
	return ret ? 1 : 0;
}

int cmd_table(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} parts[] = {
		{ "import", table_import }, { "list", table_list },	   { "info", table_info_verb }, { "verify", table_verify },
		{ "update", table_update_verb }, { "compact", table_compact }, { "remove", table_remove }, { "plan", table_plan },
	};

	for (size_t i = 0; argc > 1 && i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!strcmp(argv[1], parts[i].name))
			return parts[i].run(argc - 1, argv + 1);
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc > 1 && argv[1][0] == '-')
		complain("table", "%s: no such option before import, list, info, verify, update, compact, remove or plan; 'smartssd table --help' says more", argv[1]);
	else if (argc > 1)
		complain("table", "'%s': import, list, info, verify, update, compact, remove or plan", argv[1]);
	else
		fputs(usage, stderr);
	return 2;
}
