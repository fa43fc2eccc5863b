// SPDX-License-Identifier: BSD-2-Clause
/*
 * LD_PRELOAD: give a program another machine's /sys, /boot, /proc/config.gz and NVMe and SmartSSD nodes, from the folder $FAKE_ROOT. The
 * program and libnvme stay what they are.
 *
 * Nodes: $FAKE_ROOT/dev/nvmeN and .../smartssdN are small text files that say what the ioctls answer, in words:
 *   "denied"             open() fails with EACCES
 *   "celsius=N spare=N threshold=N used=N warnings=N errors=N metadata=N"    SMART log and Identify Namespace
 *   "reason=N ssd=NAME cus=N state=N features=N"                             SMARTSSD_IOC_QUERY and CU_INFO
 *   "load=N reset=N"                                                         errno of XCLBIN_LOAD (EPERM) and CU_RESET (0), 0: it works
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/nvme_ioctl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../../uapi/smartssd.h"

#define MAX_FDS 1024

static char *node_of[MAX_FDS]; /* what the node's file says, by descriptor */

#define REAL(name) \
	static __typeof__(name) *real; \
	if (!real) \
		real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static const char *moved(const char *path, char *buf)
{
	static const char *const prefixes[] = { "/sys", "/boot/", "/proc/config.gz", "/dev/nvme", "/dev/smartssd" };
	const char *root = getenv("FAKE_ROOT");

	if (!root || !path)
		return path;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (!strncmp(path, prefixes[i], strlen(prefixes[i]))) {
			snprintf(buf, PATH_MAX, "%s%s", root, path);
			return buf;
		}
	}
	if (!strcmp(path, "/dev")) {
		snprintf(buf, PATH_MAX, "%s%s", root, path);
		return buf;
	}
	return path;
}

static int open_moved(const char *path, int flags, mode_t mode)
{
	char buf[PATH_MAX], text[512];
	const char *to = moved(path, buf);
	ssize_t n;
	int fd;
	REAL(open);

	if (to == path || strncmp(path, "/dev/", 5))
		return real(to, flags, mode);
	fd = real(to, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fd;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	if (!strncmp(text, "denied", 6)) {
		errno = EACCES;
		return -1;
	}
	/* A character device, as libnvme demands. */
	fd = real("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd >= 0 && fd < MAX_FDS)
		node_of[fd] = strdup(text);
	return fd;
}

int open(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	return open_moved(path, flags, mode);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int close(int fd)
{
	REAL(close);

	if (fd >= 0 && fd < MAX_FDS) {
		free(node_of[fd]);
		node_of[fd] = NULL;
	}
	return real(fd);
}

DIR *opendir(const char *path)
{
	char buf[PATH_MAX];
	REAL(opendir);

	return real(moved(path, buf));
}

int scandir(const char *path, struct dirent ***list, int (*filter)(const struct dirent *),
	    int (*compare)(const struct dirent **, const struct dirent **))
{
	char buf[PATH_MAX];
	REAL(scandir);

	return real(moved(path, buf), list, filter, compare);
}

ssize_t readlink(const char *path, char *out, size_t bytes)
{
	char buf[PATH_MAX];
	REAL(readlink);

	return real(moved(path, buf), out, bytes);
}

int access(const char *path, int mode)
{
	char buf[PATH_MAX];
	REAL(access);

	return real(moved(path, buf), mode);
}

char *realpath(const char *path, char *out)
{
	const char *root = getenv("FAKE_ROOT");
	char buf[PATH_MAX];
	char *found;
	REAL(realpath);

	found = real(moved(path, buf), out);
	if (found && root && !strncmp(found, root, strlen(root)))
		memmove(found, found + strlen(root), strlen(found + strlen(root)) + 1);
	return found;
}

/* The number after "word=" in a node's text */
static unsigned long said(const char *text, const char *word, unsigned long fallback)
{
	const char *p = strstr(text, word);

	return p ? strtoul(p + strlen(word), NULL, 0) : fallback;
}

static int answer_nvme(const char *text, struct nvme_passthru_cmd *cmd)
{
	unsigned char *out = (unsigned char *)(uintptr_t)cmd->addr;
	unsigned kelvin = said(text, "celsius=", 40) + 273;

	memset(out, 0, cmd->data_len);
	if (cmd->opcode == 0x02 && (cmd->cdw10 & 0xff) == 2) { /* Get Log Page: SMART */
		out[0] = said(text, "warnings=", 0);
		out[1] = kelvin & 0xff;
		out[2] = kelvin >> 8;
		out[3] = said(text, "spare=", 100);
		out[4] = said(text, "threshold=", 10);
		out[5] = said(text, "used=", 0);
		out[160] = said(text, "errors=", 0);
		return 0;
	}
	if (cmd->opcode == 0x06 && (cmd->cdw10 & 0xff) == 0) { /* Identify: namespace */
		out[26] = 1;			    /* FLBAS: format 1 */
		out[132] = said(text, "metadata=", 0); /* LBAF1: MS, LBADS */
		out[134] = 12;
		return 0;
	}
	return 2; /* invalid field */
}

static int answer_smartssd(const char *text, unsigned long request, void *arg)
{
	if (request == SMARTSSD_IOC_QUERY) {
		struct smartssd_query *q = arg;
		const char *ssd = strstr(text, "ssd=");

		q->features = said(text, "features=", SMARTSSD_FEATURE_PEER | SMARTSSD_FEATURE_MMAP);
		q->ddr_bytes = 4ull << 30;
		q->ddr_free = 4ull << 30;
		q->shell = SMARTSSD_SHELL_SMARTSSD;
		q->peer_reason = said(text, "reason=", 0);
		q->nr_cus = said(text, "cus=", 0);
		q->pci = 5 << 8 | 1;
		q->pci_id = 0x10ee6988;
		memset(q->uuid, q->nr_cus ? 0xab : 0, sizeof(q->uuid));
		if (ssd)
			sscanf(ssd + 4, "%31s", (char *)q->ssd);
		return 0;
	}
	if (request == SMARTSSD_IOC_CU_INFO) {
		struct smartssd_cu_info *cu = arg;

		cu->state = said(text, "state=", 0);
		cu->runs = 7;
		snprintf((char *)cu->name, sizeof(cu->name), "conv2d:conv2d_%u", cu->index + 1);
		return 0;
	}
	errno = request == SMARTSSD_IOC_XCLBIN_LOAD ? said(text, "load=", EPERM) : /* nobody here is root */
		request == SMARTSSD_IOC_CU_RESET    ? said(text, "reset=", 0) :
						      ENOTTY;
	return errno ? -1 : 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	const char *text = fd >= 0 && fd < MAX_FDS ? node_of[fd] : NULL;
	va_list ap;
	void *arg;
	static int (*real)(int, unsigned long, ...);

	if (!real)
		real = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (!text)
		return real(fd, request, arg);
	if (_IOC_TYPE(request) == SMARTSSD_IOC_MAGIC)
		return answer_smartssd(text, request, arg);
	if (request == NVME_IOCTL_ADMIN_CMD || request == NVME_IOCTL_ADMIN64_CMD)
		return answer_nvme(text, arg);
	errno = ENOTTY;
	return -1;
}
