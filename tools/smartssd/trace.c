// SPDX-License-Identifier: BSD-2-Clause
/* smartssd trace make: which rows the queries of a recommendation model want. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "../../runtime/store/trace.h"
#include "../../runtime/whole.h"
#include "commands.h"
#include "interrupt.h"
#include "json.h"
#include "model.h"
#include "operator.h"
#include "options.h"

#define VERB "trace make"

static const char usage[] =
	"usage: smartssd trace make --model rm1|rm2|rm3|ncf|wnd|CONFIG.json --queries N --seed S -o TRACE.npz|FOLDER [OPTION...]\n"
	"'smartssd trace make --help' lists the options; more in smartssd-trace(1).\n";

struct make_args {
	const char *model, *zipf, *output;
	bool uniform, as_json;
	unsigned progress;
	uint64_t queries, seed;
};

static int exponent(const struct make_args *a, double *out)
{
	char *end;

	*out = a->uniform ? 0 : 1;
	if (!a->zipf)
		return 0;
	if (a->uniform) {
		complain(VERB, "--zipf or --uniform, not both");
		return 2;
	}
	*out = strtod(a->zipf, &end);
	if (strchr("+-.0123456789", *a->zipf) && !*end && *out >= 0 && *out <= ZIPF_MAX_EXPONENT)
		return 0;
	complain(VERB, "--zipf: '%s' is not a number from 0 to %g", a->zipf, ZIPF_MAX_EXPONENT);
	return 2;
}

/* Nothing that is there is lost, and it can be written: known before minutes of work. 0, 1 or 2. */
static int check_output(const struct make_args *a)
{
	const char *dot = strrchr(a->output, '.');
	struct smartssd_error err = { "" };
	char model[4096];
	struct stat st;

	snprintf(model, sizeof(model), "%s/model.json", a->output);
	if (same_file(a->output, a->model) || same_file(model, a->model)) {
		complain(VERB, "--output: %s would replace %s; name another", a->output, a->model);
		return 2;
	}
	if (dot && !strcmp(dot, ".npz")) {
		if (!smartssd_whole_check(a->output, &err))
			return 0;
		complain(VERB, "--output: %s", err.text);
		return 1;
	}
	if (stat(a->output, &st) || S_ISDIR(st.st_mode))
		return 0;
	complain(VERB, "--output: %s is a file; a trace is a file NAME.npz, or a folder", a->output);
	return 1;
}

static void report(const struct make_args *a, const struct trace *t, double zipf)
{
	uint64_t lookups = (uint64_t)t->offsets[t->queries * t->model.tables];
	struct json j = { .out = stdout };

	if (!a->as_json) {
		printf("%s: %" PRIu64 " quer%s to %u table%s of rows of %u, %" PRIu64 " lookups, ", a->output, t->queries, t->queries == 1 ? "y" : "ies",
		       t->model.tables, t->model.tables == 1 ? "" : "s", t->model.dim, lookups);
		if (zipf > 0)
			printf("zipf %g\n", zipf);
		else
			puts("uniform");
		return;
	}
	json_open(&j, NULL, '{');
	json_text(&j, "output", a->output);
	json_text(&j, "model", t->model.name);
	json_uint(&j, "tables", t->model.tables);
	json_uint(&j, "dim", t->model.dim);
	json_uint(&j, "queries", t->queries);
	json_uint(&j, "lookups", lookups);
	json_real(&j, "zipf", zipf);
	json_uint(&j, "seed", a->seed);
	json_close(&j, '}');
}

static int make(const struct make_args *a, const struct trace_model *model, double zipf)
{
	struct trace_make how = { model, a->queries, zipf, a->seed };
	struct smartssd_error err = { "" };
	struct work work;
	struct trace t;
	int ret, code;

	work_begin(&work, "making the trace", a->progress == 1);
	how.progress = &work.progress;
	ret = trace_make(&how, &t, &err);
	code = work_end(&work);
	if (ret) {
		complain(VERB, "%s", *err.text ? err.text : strerror(-ret));
		return ret == -ECANCELED ? code : 1;
	}
	ret = trace_save(&t, a->output, &err);
	if (ret)
		complain(VERB, "--output: %s", *err.text ? err.text : strerror(-ret));
	else
		report(a, &t, zipf);
	trace_free(&t);
	return ret ? 1 : 0;
}

static int trace_make_verb(int argc, char **argv)
{
	struct make_args a = { NULL };
	const struct option_spec specs[] = {
		{ "model", OPTION_TEXT, &a.model, .meta = "rm1|rm2|rm3|ncf|wnd|CONFIG.json", .help = "tables, rows and lookups; CONFIG.json as DLRM's benchmark has it",
		  .required = true },
		{ "queries", OPTION_COUNT, &a.queries, .min = 1, .meta = "N", .help = "each has one bag of rows of each table", .required = true },
		{ "zipf", OPTION_TEXT, &a.zipf, .meta = "A", .help = "the k-th most popular row is wanted k^-A times as often as the first; default 1" },
		{ "uniform", OPTION_FLAG, &a.uniform, .help = "all rows alike: the same as --zipf 0" },
		{ "seed", OPTION_COUNT, &a.seed, .meta = "S", .help = "of random numbers: the same gives the same trace, everywhere", .required = true },
		{ "output", OPTION_TEXT, &a.output, .meta = "TRACE.npz|FOLDER", .help = "offsets, indices and model, for NumPy and for us", .required = true },
		{ "json", OPTION_FLAG, &a.as_json, .help = "print JSON" },
		{ "progress", OPTION_CHOICE, &a.progress, .choices = PROGRESS_CHOICES, .help = PROGRESS_HELP },
	};
	const struct option_table table = { VERB, "", "Make a trace: which rows of which tables the queries of a model want.", specs,
					    sizeof(specs) / sizeof(specs[0]) };
	const struct trace_model *model;
	struct trace_model *loaded;
	double zipf;
	int ret = options_parse(&table, argc, argv);

	if (ret < 0)
		return options_exit(ret);
	ret = exponent(&a, &zipf) ?: check_output(&a);
	if (ret)
		return ret;
	model = model_find(VERB, a.model, &loaded, &ret);
	if (!model)
		return ret;
	ret = make(&a, model, zipf);
	free(loaded);
	return ret;
}

int cmd_trace(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "make"))
		return trace_make_verb(argc - 1, argv + 1);
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc > 1)
		complain("trace", "'%s': make", argv[1]);
	else
		fputs(usage, stderr);
	return 2;
}
