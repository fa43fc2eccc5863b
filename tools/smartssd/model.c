// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>
#include "model.h"
#include "options.h"

const struct trace_model *model_find(const char *verb, const char *name, struct trace_model **loaded, int *code)
{
	const struct trace_model *m = trace_model_by_name(name);
	struct smartssd_error err = { "" };
	int ret;

	*loaded = NULL;
	if (m)
		return m;
	ret = trace_model_load(name, loaded, &err);
	*code = ret == -ENOENT ? 2 : 1;
	if (ret == -ENOENT)
		complain(verb, "--model: '%s' is neither rm1, rm2, rm3, ncf or wnd nor a file that is there", name);
	else if (ret)
		complain(verb, "--model: %s", *err.text ? err.text : strerror(-ret));
	return *loaded;
}
