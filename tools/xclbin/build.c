// SPDX-License-Identifier: BSD-2-Clause
/*
 * From C files to one shared object, reproducibly: no build id, no random symbol suffixes, no path of this machine or of the temporary folder in
 * it. The same files, options and compiler give the same bytes, wherever they lie.
 *
 * Each kernel is linked by itself first, and all of its symbols but the entry made local, so that two kernels may both have a helper
 * called "load".
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bitstream.h"
#include "xclbin.h"

/* Path of file @name in the work folder. */
static char *work_path(const struct pack *pack, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static char *work_path(const struct pack *pack, const char *fmt, ...)
{
	char name[64];
	char *path;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	path = xb_alloc(strlen(pack->work) + strlen(name) + 2);
	sprintf(path, "%s/%s", pack->work, name);
	return path;
}

static int add_tool(struct args *a, const char *variable, const char *name)
{
	const char *tool = getenv(variable);

	return xb_args_split(a, tool && *tool ? tool : name);
}

static void complain_command(const struct args *a)
{
	fputs("  the command was:", stderr);
	for (size_t i = 0; i < a->nr; i++)
		fprintf(stderr, " %s", a->v[i]);
	fputc('\n', stderr);
}

int build_preprocess(const struct pack *pack, const char *path, char **text)
{
	char *out = work_path(pack, "preprocessed");
	struct args a = { 0 };
	size_t bytes;
	void *data;
	int err;

	if (access(path, R_OK)) {
		xb_report("%s: %s", path, strerror(errno));
		free(out);
		return -1;
	}
	err = add_tool(&a, "CC", "gcc");
	if (!err) {
		xb_args_add(&a, "-E");
		err = xb_args_split(&a, pack->cflags);
		xb_args_add(&a, "%s", path);
	}
	if (!err) {
		err = xb_args_run(&a, out);
		if (err)
			xb_report("%s: the preprocessor failed", path);
	}
	if (!err)
		err = xb_read_file(out, 64u << 20, &data, &bytes);
	if (!err)
		*text = data;
	xb_args_free(&a);
	free(out);
	return err;
}

static int compile(const struct pack *pack, const struct kernel *k, const char *source, const char *object, const char *seed)
{
	const char *slash = strrchr(source, '/');
	char *cwd = getcwd(NULL, 0);
	struct args a = { 0 };
	int err = add_tool(&a, "CC", "gcc");

	xb_args_add(&a, "-O3");
	xb_args_add(&a, "-fPIC");
	xb_args_add(&a, "-fvisibility=hidden");
	xb_args_add(&a, "-Wno-unknown-pragmas");
	if (!err)
		err = xb_args_split(&a, pack->cflags);
	xb_args_add(&a, "-frandom-seed=%s", seed);
	if (cwd)
		xb_args_add(&a, "-ffile-prefix-map=%s=.", cwd);
	/* the last one wins: what lies beside the source is called the same from everywhere */
	if (slash)
		xb_args_add(&a, "-ffile-prefix-map=%.*s=", (int)(slash - source) + 1, source);
	xb_args_add(&a, "-c");
	xb_args_add(&a, "%s", source);
	xb_args_add(&a, "-o");
	xb_args_add(&a, "%s", object);
	if (!err && (err = xb_args_run(&a, NULL))) {
		xb_report("kernel %s: compiling %s failed, nothing is written", k->proto.name, source);
		complain_command(&a);
	}
	xb_args_free(&a);
	free(cwd);
	return err;
}

/* Objects of one kernel -> one object with nothing but the entry visible. */
static int join(const struct kernel *k, const struct args *objects, const char *out)
{
	struct args a = { 0 };
	int err = add_tool(&a, "CC", "gcc");

	xb_args_add(&a, "-r");
	xb_args_add(&a, "-nostdlib");
	xb_args_add(&a, "-o");
	xb_args_add(&a, "%s", out);
	for (size_t i = 0; i < objects->nr; i++)
		xb_args_add(&a, "%s", objects->v[i]);
	if (!err)
		err = xb_args_run(&a, NULL);
	xb_args_free(&a);
	if (!err)
		err = add_tool(&a, "OBJCOPY", "objcopy");
	xb_args_add(&a, "--keep-global-symbol=" SMARTSSD_CU_PREFIX "%s", k->proto.name);
	xb_args_add(&a, "%s", out);
	if (!err)
		err = xb_args_run(&a, NULL);
	xb_args_free(&a);
	if (err)
		xb_report("kernel %s: joining its objects failed, nothing is written", k->proto.name);
	return err;
}

static int build_kernel(const struct pack *pack, unsigned nr, const char *out)
{
	const struct kernel *k = &pack->kernels[nr];
	char *stub = work_path(pack, "smartssd-stub-%u.c", nr), *object, seed[2 * SMARTSSD_NAME_LEN];
	unsigned files = k->nr_functional ? k->nr_functional : 1;
	struct args objects = { 0 };
	FILE *f = fopen(stub, "we");
	int err;

	if (!f) {
		xb_report("%s: %s", stub, strerror(errno));
		free(stub);
		return -1;
	}
	stub_write(f, &k->proto);
	err = fclose(f) ? -1 : 0;
	for (unsigned i = 0; i <= files && !err; i++) {
		const char *source = i == files ? stub : k->nr_functional ? k->functional[i] : k->source;

		object = work_path(pack, "kernel-%u-%u.o", nr, i);
		xb_args_add(&objects, "%s", object);
		snprintf(seed, sizeof(seed), "%s.%u", k->proto.name, i);
		err = compile(pack, k, source, object, seed);
		free(object);
	}
	if (!err)
		err = join(k, &objects, out);
	xb_args_free(&objects);
	free(stub);
	return err;
}

/* Debugging information was asked for: then symbols stay, too. */
static bool wants_symbols(const char *cflags)
{
	struct args a = { 0 };
	bool found = false;

	if (!xb_args_split(&a, cflags))
		for (size_t i = 0; i < a.nr; i++)
			found |= !strncmp(a.v[i], "-g", 2) && strcmp(a.v[i], "-g0");
	xb_args_free(&a);
	return found;
}

int build_bitstream(const struct pack *pack, void **data, size_t *bytes)
{
	char *out = work_path(pack, "bitstream.so"), *object;
	struct args a = { 0 };
	int err = add_tool(&a, "CC", "gcc");

	xb_args_add(&a, "-shared");
	xb_args_add(&a, "-o");
	xb_args_add(&a, "%s", out);
	for (unsigned i = 0; i < pack->nr_kernels && !err; i++) {
		object = work_path(pack, "kernel-%u.o", i);
		xb_args_add(&a, "%s", object);
		err = build_kernel(pack, i, object);
		free(object);
	}
	if (!err)
		err = xb_args_split(&a, pack->cflags);
	if (!wants_symbols(pack->cflags))
		xb_args_add(&a, "-s");
	xb_args_add(&a, "-Wl,--build-id=none");
	xb_args_add(&a, "-Wl,-z,defs"); /* what is missing is missing now, not when a worker process loads it */
	xb_args_add(&a, "-lm");
	if (!err && (err = xb_args_run(&a, NULL)))
		xb_report("linking the kernels failed, nothing is written");
	if (!err)
		err = xb_read_file(out, SMARTSSD_MAX_XCLBIN / 2, data, bytes);
	xb_args_free(&a);
	free(out);
	return err;
}
