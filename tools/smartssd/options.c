// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "options.h"

#define MAX_SPECS 40

void complain(const char *verb, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "smartssd %s: ", verb);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int options_exit(int result)
{
	return result == -1 ? 0 : 2;
}

/* Exactly @nr whole numbers separated by commas; 0 or -1. */
static int parse_numbers(const char *text, long long *out, unsigned nr, long long min, long long max)
{
	char *end;

	for (unsigned i = 0; i < nr; i++) {
		/* strtoll() alone would take blanks and a sign before blanks. */
		if (!strchr("-+0123456789", *text) || !*text)
			return -1;
		errno = 0;
		out[i] = strtoll(text, &end, 10);
		if (end == text || errno || out[i] < min || out[i] > max)
			return -1;
		if (*end != (i + 1 < nr ? ',' : '\0'))
			return -1;
		text = end + 1;
	}
	return 0;
}

static int parse_choice(const char *choices, const char *text, unsigned *out)
{
	size_t len = strlen(text);

	for (unsigned i = 0;; i++) {
		size_t n = strcspn(choices, "|");

		if (n == len && !memcmp(choices, text, n)) {
			*out = i;
			return 0;
		}
		if (!choices[n])
			return -1;
		choices += n + 1;
	}
}

static int parse_list(const struct option_spec *spec, const char *text, unsigned nr)
{
	long long max = spec->max ? (long long)spec->max : UINT32_MAX;
	uint32_t *out = spec->value;
	long long n[4];

	if (!parse_numbers(text, n, 1, spec->min, max))
		n[1] = n[2] = n[3] = n[0];
	else if (parse_numbers(text, n, nr, spec->min, max))
		return -1;
	for (unsigned i = 0; i < nr; i++)
		out[i] = n[i];
	return 0;
}

static int take(const struct option_table *table, const struct option_spec *spec, const char *text)
{
	const char *verb = table->verb;
	long long n[2];

	if (spec->given)
		*spec->given = true;
	switch (spec->kind) {
	case OPTION_FLAG:
		*(bool *)spec->value = true;
		return 0;
	case OPTION_TEXT:
		if (!*text) {
			complain(verb, "--%s: the value is empty; give %s", spec->name, spec->meta);
			return -1;
		}
		*(const char **)spec->value = text;
		return 0;
	case OPTION_COUNT:
		if (parse_numbers(text, n, 1, spec->min, spec->max ? (long long)spec->max : INT64_MAX)) {
			if (spec->max)
				complain(verb, "--%s: '%s' is not a whole number from %llu to %llu", spec->name, text,
					 (unsigned long long)spec->min, (unsigned long long)spec->max);
			else
				complain(verb, "--%s: '%s' is not a whole number, at least %llu", spec->name, text,
					 (unsigned long long)spec->min);
			return -1;
		}
		*(uint64_t *)spec->value = n[0];
		return 0;
	case OPTION_PAIR:
		if (parse_list(spec, text, 2)) {
			complain(verb, "--%s: '%s' is not %s: two whole numbers from %llu to %llu, for example --%s 2,2", spec->name, text,
				 spec->meta, (unsigned long long)spec->min, (unsigned long long)(spec->max ?: UINT32_MAX), spec->name);
			return -1;
		}
		return 0;
	case OPTION_QUAD:
		if (parse_list(spec, text, 4)) {
			complain(verb, "--%s: '%s' is not %s: four whole numbers from %llu to %llu, for example --%s 1,1,1,1", spec->name,
				 text, spec->meta, (unsigned long long)spec->min, (unsigned long long)(spec->max ?: UINT32_MAX), spec->name);
			return -1;
		}
		return 0;
	case OPTION_RANGE:
		if (parse_numbers(text, n, 2, INT32_MIN, INT32_MAX) || n[0] > n[1]) {
			complain(verb, "--%s: '%s' is not %s: two whole numbers, the first not above the second, for example --%s 0,127",
				 spec->name, text, spec->meta, spec->name);
			return -1;
		}
		((int32_t *)spec->value)[0] = n[0];
		((int32_t *)spec->value)[1] = n[1];
		return 0;
	case OPTION_CHOICE:
		if (parse_choice(spec->choices, text, spec->value)) {
			complain(verb, "--%s: '%s' is none of %s", spec->name, text, spec->choices);
			return -1;
		}
		return 0;
	}
	return -1;
}

/* The one short option beside -h: -o where there is an --output. */
static bool is_output(const struct option_spec *spec)
{
	return !strcmp(spec->name, "output");
}

static void print_help(const struct option_table *table)
{
	printf("usage: smartssd %s%s%s%s\n%s\n", table->verb, table->nr ? " [OPTION...]" : "", *table->arguments ? " " : "",
	       table->arguments, table->summary);
	for (unsigned i = 0; i < table->nr; i++) {
		const struct option_spec *s = &table->specs[i];
		const char *meta = s->kind == OPTION_CHOICE ? s->choices : s->meta ?: "";
		char left[96];

		snprintf(left, sizeof(left), "%s--%s%s%s", is_output(s) ? "-o, " : "", s->name, *meta ? " " : "", meta);
		printf("  %-36s %s%s\n", left, s->help, s->required ? " (required)" : "");
	}
	printf("  %-36s %s\n", "--help", "this text; more in smartssd(1) and the verb's own manual page");
}

int options_parse(const struct option_table *table, int argc, char **argv)
{
	struct option longs[MAX_SPECS + 2] = { 0 };
	bool seen[MAX_SPECS] = { 0 };
	int c, output = 'o';

	for (unsigned i = 0; i < table->nr && i < MAX_SPECS; i++)
		longs[i] = (struct option){ table->specs[i].name, table->specs[i].kind == OPTION_FLAG ? no_argument : required_argument, NULL,
					    256 + i };
	for (unsigned i = 0; i < table->nr && i < MAX_SPECS; i++)
		if (is_output(&table->specs[i]))
			output = 256 + (int)i;
	longs[table->nr] = (struct option){ "help", no_argument, NULL, 'h' };

	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, output == 'o' ? ":h" : ":ho:", longs, NULL)) != -1) {
		const char *word = argv[optind - 1];

		if (c == 'o')
			c = output;
		if (c == 'h') {
			print_help(table);
			return -1;
		}
		if (c == ':') {
			complain(table->verb, "%s: a value is missing after it", word);
			return -2;
		}
		if (c == '?') {
			/* optopt is set for a short option and for a flag that was given a value */
			if (optopt >= 256)
				complain(table->verb, "%s: --%s takes no value", word, table->specs[optopt - 256].name);
			else if (optopt)
				complain(table->verb, "-%c: no such option; 'smartssd %s --help' lists them", optopt, table->verb);
			else
				complain(table->verb, "%s: no such option, or short for several; 'smartssd %s --help' lists them", word,
					 table->verb);
			return -2;
		}
		if (seen[c - 256]) {
			complain(table->verb, "--%s is given twice", table->specs[c - 256].name);
			return -2;
		}
		seen[c - 256] = true;
		if (take(table, &table->specs[c - 256], optarg))
			return -2;
	}
	for (unsigned i = 0; i < table->nr; i++) {
		if (table->specs[i].required && !seen[i]) {
			complain(table->verb, "--%s is required (--%s %s: %s); 'smartssd %s --help' lists all options", table->specs[i].name,
				 table->specs[i].name, table->specs[i].meta ?: "", table->specs[i].help, table->verb);
			return -2;
		}
	}
	if (!*table->arguments && optind < argc) {
		complain(table->verb, "'%s': this verb takes options only; 'smartssd %s --help' lists them", argv[optind], table->verb);
		return -2;
	}
	return optind;
}
