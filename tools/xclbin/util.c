// SPDX-License-Identifier: BSD-2-Clause
/* Files, child processes, complaints. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../../runtime/private.h"
#include "../../runtime/whole.h"
#include "xclbin.h"

extern char **environ;

void *xb_alloc(size_t bytes)
{
	void *p = calloc(1, bytes ? bytes : 1);

	if (!p) {
		xb_report("out of memory");
		exit(1);
	}
	return p;
}

bool xb_is_cpp(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot && (!strcmp(dot, ".cpp") || !strcmp(dot, ".cc") || !strcmp(dot, ".cxx"));
}

void xb_report(const char *fmt, ...)
{
	va_list ap;

	fputs("smartssd xclbin: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void xb_report_at(const char *path, unsigned line, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%u: ", path, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int xb_read_file(const char *path, size_t max, void **data, size_t *bytes)
{
	int fd = smartssd_open_read(path);
	struct stat st;
	size_t done = 0;
	ssize_t n;
	char *buf;

	if (fd < 0 || fstat(fd, &st)) {
		xb_report("%s: %s", path, strerror(errno));
		goto close;
	}
	if (!S_ISREG(st.st_mode)) {
		xb_report("%s: not a regular file", path);
		goto close;
	}
	if ((size_t)st.st_size > max) {
		xb_report("%s: %llu bytes; at most %zu are supported", path, (unsigned long long)st.st_size, max);
		goto close;
	}
	buf = xb_alloc(st.st_size + 1);
	while (done < (size_t)st.st_size && (n = read(fd, buf + done, st.st_size - done)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			xb_report("%s: %s", path, strerror(errno));
			free(buf);
			goto close;
		}
		done += n;
	}
	close(fd);
	buf[done] = 0;
	*data = buf;
	*bytes = done;
	return 0;
close:
	if (fd >= 0)
		close(fd);
	return -1;
}

int xb_write_file(const char *path, const void *data, size_t bytes)
{
	struct smartssd_error err = { "" };
	struct smartssd_whole file;
	int ret = smartssd_whole_begin(&file, path, &err);

	if (ret) {
		xb_report("%s", err.text);
		return -1;
	}
	ret = smartssd_whole_end(&file, smartssd_whole_write(&file, data, bytes));
	if (ret)
		xb_report("%s: %s", path, strerror(-ret));
	return ret ? -1 : 0;
}

void xb_sha256(const void *data, size_t bytes, uint8_t digest[32])
{
	if (!EVP_Digest(data, bytes, digest, NULL, EVP_sha256(), NULL)) {
		xb_report("libcrypto has no SHA-256");
		exit(1);
	}
}

static void append(struct args *a, char *word)
{
	a->v = realloc(a->v, (a->nr + 2) * sizeof(*a->v));
	if (!a->v || !word) {
		xb_report("out of memory");
		exit(1);
	}
	a->v[a->nr++] = word;
	a->v[a->nr] = NULL;
}

void xb_args_add(struct args *a, const char *fmt, ...)
{
	char *word = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&word, fmt, ap) < 0)
		word = NULL;
	va_end(ap);
	append(a, word);
}

int xb_args_split(struct args *a, const char *text)
{
	char *word = xb_alloc(strlen(text) + 1);
	const char *p = text;

	for (;;) {
		size_t n = 0;
		char quote = 0;

		p += strspn(p, " \t\n");
		if (!*p)
			break;
		for (; *p && (quote || !strchr(" \t\n", *p)); p++) {
			if (quote ? *p == quote : *p == '\'' || *p == '"')
				quote = quote ? 0 : *p;
			else
				word[n++] = *p;
		}
		if (quote) {
			xb_report("'%s': the quote %c is not closed", text, quote);
			free(word);
			return -1;
		}
		word[n] = 0;
		xb_args_add(a, "%s", word);
	}
	free(word);
	return 0;
}

void xb_args_free(struct args *a)
{
	for (size_t i = 0; i < a->nr; i++)
		free(a->v[i]);
	free(a->v);
	*a = (struct args){ 0 };
}

int xb_args_run(const struct args *a, const char *out)
{
	posix_spawn_file_actions_t files;
	int err, status;
	pid_t pid;

	posix_spawn_file_actions_init(&files);
	if (out)
		posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	err = posix_spawnp(&pid, a->v[0], &files, NULL, a->v, environ);
	posix_spawn_file_actions_destroy(&files);
	if (err) {
		xb_report("cannot run '%s': %s; it comes with the packages gcc and binutils, and $CC and $OBJCOPY name others", a->v[0],
		     strerror(err));
		return -1;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -1;
}
