/* SPDX-License-Identifier: BSD-2-Clause */
/* What `smartssd conv2d`, `lookup` and `demo` have in common: NumPy arguments, the card and its xclbin, the report. */
#ifndef SMARTSSD_OPERATOR_H
#define SMARTSSD_OPERATOR_H

#include <stdbool.h>
#include <stdint.h>
#include "../../runtime/libsmartssd.h"
#include "json.h"
#include "options.h"

/* --p2p, in the order of P2P_CHOICES */
#define P2P_CHOICES "auto|require|off"
#define P2P_HELP    "auto (default): bounce through host memory where there is no peer path, and say so"
uint32_t p2p_flags(unsigned choice);

#define PROGRESS_CHOICES "auto|off"
#define PROGRESS_HELP	 "auto (default): a bar on a terminal after two seconds"

#define TYPE_BIT(type) (1u << (type))

/*
 * All of these complain on standard error and return 1 when something is wrong, the exit status. @option is how the user named the file.
 */

/* Open an array for reading from the drive. @types: TYPE_BITs that are allowed; @ndim: what it must have. */
int array_open(const char *verb, const char *option, const char *path, uint32_t types, uint32_t ndim, struct smartssd_source *out);
/* Read a one-dimensional array of i4 or i8 as i8. */
int array_integers(const char *verb, const char *option, const char *path, int64_t **out, uint64_t *count);
/* Read a one-dimensional array of one type; *out is the caller's. */
int array_load(const char *verb, const char *option, const char *path, uint32_t type, void **out, uint64_t *count);
/* A number, or a .npy of f4: finite and above 0. 2 when the text is neither. */
int scales(const char *verb, const char *option, const char *text, float **out, uint32_t *count);
/*
 * A whole number, or a .npy of u1 or i1, all of them values of @type. *given: the type of the .npy, 0 for a number. With
 * @type 0 the values may be of either type, and the caller looks at *given.
 */
int zero_points(const char *verb, const char *option, const char *text, uint32_t type, int32_t **out, uint32_t *count, uint32_t *given);
bool zero_point_fits(int32_t value, uint32_t type);

/*
 * Open the card. When no CU of @kernel is there, load kernels.xclbin; but not in the place of another xclbin, unless the card is
 * embedded and so nobody else's.
 */
int card_open(const char *verb, const char *uri, const char *kernel, struct smartssd_device **out);
/* For a card that is open: the same. It stays open. */
int card_kernel(const char *verb, struct smartssd_device *dev, const char *kernel);
/* The same with another xclbin of this project. */
int card_open_with(const char *verb, const char *uri, const char *kernel, const char *xclbin, struct smartssd_device **out);
/* "the emulated card in this process", ... */
const char *card_kind(const struct smartssd_query *q);

/* One input file of an operator: the option that names it, and its name, which may be NULL. */
struct operator_input {
	const char *option, *path;
};

/* Is @output none of the @nr files that are read? 0, or 2 after saying which one would be lost. */
int output_is_apart(const char *verb, const char *output, const struct operator_input *inputs, unsigned nr);

/* An operator with one output file. */
struct operator_run {
	const char *verb;
	const char *kernel;
	const char *device; /* URI or NULL */
	const char *output;
	unsigned progress; /* of PROGRESS_CHOICES */
	bool as_json;
	struct smartssd_array y; /* its type and shape */
	const char *count_name;	 /* one more thing to report, or NULL */
	uint64_t count;
	int (*compute)(void *ctx, struct smartssd_device *dev, void *y, struct smartssd_report *report,
		       const struct smartssd_progress *progress, struct smartssd_error *err);
	void *ctx;
};

/* See that the output can be written, open the card, compute, write, report. The exit status; what was wrong has been said. */
int operator_run(const struct operator_run *run);

/* Bytes that went over the host link, by the counters. */
uint64_t host_link_bytes(const struct smartssd_report *report);
const char *report_path(const struct smartssd_report *report); /* "peer" or "bounce" */
void report_text(const struct smartssd_report *report, bool emulated);
void report_json(struct json *j, const struct smartssd_report *report, bool emulated);
/* "1.57 MB" */
const char *bytes_text(uint64_t bytes, char *out, size_t room);

#endif
