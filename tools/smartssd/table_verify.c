// SPDX-License-Identifier: BSD-2-Clause
/* smartssd table verify: every row of one table, or of all, against its checksum. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "interrupt.h"
#include "operator.h"
#include "options.h"
#include "table.h"

#define VERB "table verify"

struct verify_args {
	const char *spec;
	bool all, as_json;
	unsigned progress;
};

/* 0, 1, or the exit status of a signal. */
static int verify(const struct verify_args *a, struct store *s, const char *name, struct json *j)
{
	struct smartssd_error err = { "" };
	struct work work;
	char what[80];
	int ret, code;

	/* A writer may have replaced it since the store was opened. */
	ret = store_refresh(s, &err);
	snprintf(what, sizeof(what), "verifying %s", name);
	work_begin(&work, what, a->progress == 1);
	if (ret >= 0)
		ret = store_verify(s, name, &work.progress, &err);
	code = work_end(&work);
	if (ret < 0)
		complain(VERB, "%s", *err.text ? err.text : strerror(-ret));
	if (a->as_json && ret != -ECANCELED) {
		json_open(j, NULL, '{');
		json_text(j, "name", name);
		json_bool(j, "whole", ret >= 0);
		json_text(j, "error", ret < 0 ? err.text : NULL);
		json_text(j, "replaced", ret > 0 ? err.text : NULL);
		json_close(j, '}');
	} else if (ret > 0) {
		/* No loss: lookups have the update. */
		printf("%s: whole; %s\n", name, err.text);
	} else if (!ret) {
		printf("%s: whole\n", name);
	}
	return ret == -ECANCELED ? code : ret < 0 ? 1 : 0;
}

static int verify_all(const struct verify_args *a, struct store *s, struct json *j)
{
	struct smartssd_error err = { "" };
	struct store_table *tables;
	int ret, worst = 0;
	uint32_t nr;

	if (store_list(s, &tables, &nr, &err)) {
		complain(VERB, "%s", err.text);
		return 1;
	}
	if (!nr && !a->as_json)
		puts("no tables");
	for (uint32_t i = 0; i < nr && worst < 128; i++) {
		ret = verify(a, s, tables[i].name, j);
		worst = ret > worst ? ret : worst;
	}
	free(tables);
	return worst;
}

int table_verify(int argc, char **argv)
{
	struct verify_args a = { NULL };
	const struct option_spec specs[] = {
		{ "store", OPTION_TEXT, &a.spec, .meta = STORE_META, .help = STORE_HELP, .required = true },
		{ "all", OPTION_FLAG, &a.all, .help = "all tables, also when one of them is damaged" },
		{ "json", OPTION_FLAG, &a.as_json, .help = "print JSON" },
		{ "progress", OPTION_CHOICE, &a.progress, .choices = PROGRESS_CHOICES, .help = PROGRESS_HELP },
	};
	const struct option_table table = { VERB, "NAME|--all", "Every row and every update of a table against its checksum.", specs,
					    sizeof(specs) / sizeof(specs[0]) };
	struct json j = { .out = stdout };
	const char *name = NULL;
	struct store *s;
	int ret = options_parse(&table, argc, argv);

	if (ret < 0)
		return options_exit(ret);
	if (a.all && ret < argc) {
		complain(VERB, "'%s' or --all, not both", argv[ret]);
		return 2;
	}
	ret = a.all ? 0 : table_name(VERB, argc, argv, ret, &name);
	if (!ret)
		ret = table_store(VERB, a.spec, VOLUME_READ, &s);
	if (ret)
		return ret;
	if (a.as_json)
		json_open(&j, NULL, '[');
	ret = a.all ? verify_all(&a, s, &j) : verify(&a, s, name, &j);
	if (a.as_json)
		json_close(&j, ']');
	store_close(s);
	return ret;
}
