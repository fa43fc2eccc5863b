// SPDX-License-Identifier: BSD-2-Clause
/* Where the files are that belong to this build or installation. */
#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>
#include "card.h"

static int try_folder(const char *folder, size_t length, const char *name, int mode, char *path, size_t bytes)
{
	int n = snprintf(path, bytes, "%.*s/%s", (int)length, folder, name);

	if (n < 0 || (size_t)n >= bytes)
		return -ENAMETOOLONG;
	return access(path, mode) ? -ENOENT : 0;
}

/* The folder that @file is in. */
static int try_beside(const char *file, const char *name, int mode, char *path, size_t bytes)
{
	const char *slash = strrchr(file, '/');

	return slash ? try_folder(file, slash - file, name, mode, path, bytes) : -ENOENT;
}

int card_find_file(const char *name, int mode, char *path, size_t bytes)
{
	const char *env = secure_getenv("SMARTSSD_LIBDIR"), *tree = NULL, *p;
	char at[PATH_MAX];
	ssize_t n;
	Dl_info lib;

	/* Made absolute: whoever gets it may be in another folder, a guest's for example. */
	if (env && *env && realpath(env, at) && !try_folder(at, strlen(at), name, mode, path, bytes))
		return 0;
	n = readlink("/proc/self/exe", at, sizeof(at) - 1);
	if (n > 0) {
		at[n] = 0;
		if (!try_beside(at, name, mode, path, bytes))
			return 0;
		/* programs of the build tree: build/tests/card/test_card finds build/smartssd-cu */
		for (p = at; (p = strstr(p, "/build/")); p++)
			tree = p;
		if (tree && !try_folder(at, tree + strlen("/build") - at, name, mode, path, bytes))
			return 0;
	}
	if (dladdr((void *)card_find_file, &lib) && lib.dli_fname && realpath(lib.dli_fname, at) &&
	    !try_beside(at, name, mode, path, bytes))
		return 0;
	return try_folder(LIBDIR, strlen(LIBDIR), name, mode, path, bytes);
}
