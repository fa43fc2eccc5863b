/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of `smartssd table` share. Each complains by itself, and returns the exit status. */
#ifndef SMARTSSD_TABLE_H
#define SMARTSSD_TABLE_H

#include "../../runtime/store/store.h"
#include "json.h"

int table_import(int argc, char **argv);  /* table_import.c */
int table_verify(int argc, char **argv);  /* table_verify.c */
int table_remove(int argc, char **argv);  /* table_change.c */
int table_update_verb(int argc, char **argv);
int table_compact(int argc, char **argv);

#define STORE_META "S[,S...]"
#define STORE_HELP "folders or namespaces (/dev/nvmeXnY), one on each card's drive, always in the same order"

/* The one argument, a table's name. 0, or 2. */
int table_name(const char *verb, int argc, char **argv, int at, const char **name);
/* 0, or 1. @flags: VOLUME_*. */
int table_store(const char *verb, const char *spec, unsigned int flags, struct store **out);
/* The members of an object that say what the table is, and where. */
void table_json(struct json *j, struct store *s, const struct table *t);

#endif
