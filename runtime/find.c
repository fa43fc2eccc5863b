// SPDX-License-Identifier: BSD-2-Clause
/* Where the files are that belong to this build or installation. */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "private.h"

static int try_folder(const char *folder, size_t length, const char *name, char *path, size_t bytes)
{
	int n = snprintf(path, bytes, "%.*s/%s", (int)length, folder, name);

	if (n < 0 || (size_t)n >= bytes)
		return -ENAMETOOLONG;
	return access(path, R_OK) ? -ENOENT : 0;
}

/* The folder that @file is in. */
static int try_beside(const char *file, const char *name, char *path, size_t bytes)
{
	const char *slash = strrchr(file, '/');

	return slash ? try_folder(file, (size_t)(slash - file), name, path, bytes) : -ENOENT;
}

int smartssd_find_file(const char *name, char *path, size_t bytes)
{
	const char *folder = secure_getenv("SMARTSSD_LIBDIR");
	char exe[PATH_MAX], real[PATH_MAX];
	ssize_t n;
	Dl_info info;

	/* a name of ours, perhaps in a folder of ours; nothing that leads out */
	if (!*name || *name == '/' || strstr(name, ".."))
		return -EINVAL;
	if (folder && *folder && !try_folder(folder, strlen(folder), name, path, bytes))
		return 0;
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n > 0) {
		exe[n] = '\0';
		if (!try_beside(exe, name, path, bytes))
			return 0;
	}
	if (dladdr((void *)smartssd_find_file, &info) && info.dli_fname && realpath(info.dli_fname, real) &&
	    !try_beside(real, name, path, bytes))
		return 0;
	return try_folder(LIBDIR, strlen(LIBDIR), name, path, bytes);
}
