/* SPDX-License-Identifier: BSD-2-Clause */
/* --model of the verbs: a recommendation model by name, or a config.json. */
#ifndef SMARTSSD_MODEL_H
#define SMARTSSD_MODEL_H

#include "../../runtime/store/trace.h"

#define MODEL_META "rm1|rm2|rm3|ncf|wnd|CONFIG.json"

/* One of ours, or a file's: then *loaded is the caller's to free(). NULL: complained, *code is the exit status. */
const struct trace_model *model_find(const char *verb, const char *name, struct trace_model **loaded, int *code);

#endif
