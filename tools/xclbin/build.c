// SPDX-License-Identifier: BSD-2-Clause
/*
 * From C and C++ files to one shared object, reproducibly: no build id, no random symbol suffixes, no path of this machine or of the temporary folder in
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

/* The vendor's headers are not here, so the preprocessor stopped at one: say which, and what to do without it. */
static void explain_headers(const char *path)
{
	static const struct {
		const char *name, *why;
	} vendor[] = {
		{ "hls_stream.h", "hls::stream is not supported: compute units of a card meet in its memory, and inside a kernel an array does" },
		{ "ap_int.h", "ap_int and ap_uint are not supported: use stdint types" },
		{ "ap_uint.h", "ap_uint is not supported: use stdint types" },
		{ "ap_fixed.h", "ap_fixed is not supported: use stdint types and shifts" },
		{ "ap_axi_sdata.h", "AXI streams are not supported: use pointers to card memory" },
		{ "hls_vector.h", "hls::vector is not supported: use arrays" },
		{ "hls_math.h", "hls_math.h is the vendor's: use <math.h>" },
		{ "hls_half.h", "half is not supported: use float, or uint16_t and conversions of your own" },
		{ "hls_burst_maxi.h", "hls::burst_maxi is not supported: use a pointer" },
		{ "hls_print.h", "hls::print is the vendor's: a kernel has nowhere to print to" },
	};
	size_t bytes;
	void *data;

	if (xb_read_file(path, 64u << 20, &data, &bytes))
		return;
	for (size_t i = 0; i < sizeof(vendor) / sizeof(vendor[0]); i++) {
		unsigned line = 1;

		for (const char *p = data; *p; line += *p == '\n', p += !!*p) {
			const char *q = p + strspn(p, " \t");

			if (*q == '#' && !strncmp(q + 1 + strspn(q + 1, " \t"), "include", 7)) {
				q = strpbrk(q, "<\"\n");
				if (q && *q != '\n' && !strncmp(q + 1, vendor[i].name, strlen(vendor[i].name)))
					xb_report_at(path, line, "%s: %s", vendor[i].name, vendor[i].why);
			}
			p += strcspn(p, "\n");
		}
	}
	free(data);
}

static int add_tool(struct args *a, const char *variable, const char *name)
{
	const char *tool = getenv(variable);

	return xb_args_split(a, tool && *tool ? tool : name);
}

/* $CC or $CXX, by the file's name. */
static int add_compiler(struct args *a, const char *path)
{
	return xb_is_cpp(path) ? add_tool(a, "CXX", "g++") : add_tool(a, "CC", "gcc");
}

static bool any_cpp(const struct pack *pack)
{
	for (unsigned i = 0; i < pack->nr_kernels; i++) {
		const struct kernel *k = &pack->kernels[i];

		if (!k->nr_functional && xb_is_cpp(k->source))
			return true;
		for (unsigned j = 0; j < k->nr_functional; j++)
			if (xb_is_cpp(k->functional[j]))
				return true;
	}
	return false;
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
	err = add_compiler(&a, path);
	if (!err) {
		xb_args_add(&a, "-E");
		err = xb_args_split(&a, pack->cflags);
		xb_args_add(&a, "%s", path);
	}
	if (!err) {
		err = xb_args_run(&a, out);
		if (err) {
			xb_report("%s: the preprocessor failed", path);
			explain_headers(path);
		}
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
	int err = add_compiler(&a, source);

	xb_args_add(&a, "-O3");
	xb_args_add(&a, "-fPIC");
	xb_args_add(&a, "-fvisibility=hidden");
	xb_args_add(&a, "-Wno-unknown-pragmas");
	if (xb_is_cpp(source))
		xb_args_add(&a, "-fno-gnu-unique"); /* or a static variable of an inline function could not be made local */
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
	/* An inline function that two kernels have is a group in each; once its symbols are local, the linker must not throw one away. */
	xb_args_add(&a, "-Wl,--force-group-allocation");
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
	bool cpp = any_cpp(pack);
	int err = cpp ? add_tool(&a, "CXX", "g++") : add_tool(&a, "CC", "gcc");

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
	if (cpp) { /* the worker process that loads it is C */
		xb_args_add(&a, "-static-libstdc++");
		xb_args_add(&a, "-static-libgcc");
	}
	xb_args_add(&a, "-lm");
	if (!err && (err = xb_args_run(&a, NULL)))
		xb_report("linking the kernels failed, nothing is written");
	if (!err)
		err = xb_read_file(out, SMARTSSD_MAX_XCLBIN / 2, data, bytes);
	xb_args_free(&a);
	free(out);
	return err;
}
