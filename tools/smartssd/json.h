/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A writer of JSON. Nesting and commas are kept by it; a NULL key is an element of an array. Strings from devices (model names)
 * may hold any byte: what is not ASCII is escaped as if it were Latin-1, so the output is always valid.
 */
#ifndef SMARTSSD_JSON_H
#define SMARTSSD_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *out;
	unsigned depth;
	bool more; /* something precedes in this object or array */
};

void json_open(struct json *j, const char *key, char bracket); /* '{' or '[' */
void json_close(struct json *j, char bracket);		       /* '}' or ']'; the outermost one ends the line */
void json_text(struct json *j, const char *key, const char *value); /* NULL: null */
void json_uint(struct json *j, const char *key, uint64_t value);
void json_int(struct json *j, const char *key, int64_t value);
void json_real(struct json *j, const char *key, double value); /* null when not finite */
void json_bool(struct json *j, const char *key, bool value);

#endif
