/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Options of a verb, as a table: one place that parses, complains and prints --help, so that all verbs behave alike.
 *
 * Only long options ("--stride 2,2" or "--stride=2,2"), -h, and -o for --output where a verb has that. A wrong option gives one line on
 * standard error and 2, the exit status for wrong usage.
 */
#ifndef SMARTSSD_OPTIONS_H
#define SMARTSSD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum option_kind {
	OPTION_FLAG,   /* bool: no value */
	OPTION_TEXT,   /* const char * */
	OPTION_COUNT,  /* uint64_t: a whole number, at least @min, at most @max (0: no limit) */
	OPTION_PAIR,   /* uint32_t[2]: H,W; one number stands for both */
	OPTION_QUAD,   /* uint32_t[4]: T,L,B,R; one number stands for all */
	OPTION_RANGE,  /* int32_t[2]: LO,HI with LO <= HI */
	OPTION_CHOICE, /* unsigned: index of the value in @choices ("auto|require|off") */
};

struct option_spec {
	const char *name;
	enum option_kind kind;
	void *value;	     /* receives it; untouched when the option is not given */
	bool *given;	     /* NULL, or set to true when it is */
	const char *choices; /* OPTION_CHOICE */
	uint64_t min, max;   /* OPTION_COUNT; also each number of PAIR and QUAD */
	const char *meta;    /* how --help calls the value */
	const char *help;
	bool required;
};

struct option_table {
	const char *verb;      /* "conv2d" */
	const char *arguments; /* " [DEVICE...]", "" when the verb takes none */
	const char *summary;   /* one or two lines for --help */
	const struct option_spec *specs;
	unsigned nr;
};

/*
 * Parse @argv (argv[0] is the verb). Returns the index of the first argument that is no option; -1 when --help was asked for and printed (exit
 * 0); -2 when the usage is wrong, which has been said (exit 2).
 */
int options_parse(const struct option_table *table, int argc, char **argv);
/* The exit status for a negative result of options_parse(). */
int options_exit(int result);

/* Do both paths lead to one file that is there? Then writing one would destroy the other. */
bool same_file(const char *a, const char *b);

/* "smartssd VERB: what" on standard error: how every error of a verb is said. */
void complain(const char *verb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
