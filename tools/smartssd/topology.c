// SPDX-License-Identifier: BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "topology.h"

#define VENDOR_XILINX	  0x10ee
#define DEVICE_MANAGEMENT 0x6987
#define DEVICE_USER	  0x6988
#define CLASS_BRIDGE	  0x0604

static int read_line(char *out, size_t bytes, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, out, bytes - 1);
	if (n < 0) {
		n = -errno;
		close(fd);
		return n;
	}
	close(fd);
	out[n] = '\0';
	out[strcspn(out, "\n")] = '\0';
	for (n = strlen(out); n > 0 && out[n - 1] == ' '; n--)
		out[n - 1] = '\0';
	return 0;
}

int sysfs_line(char *out, size_t bytes, const char *fmt, ...)
{
	char path[PATH_MAX + 64];
	va_list ap;

	out[0] = '\0';
	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	return read_line(out, bytes, path);
}

uint64_t sysfs_number(uint64_t fallback, const char *fmt, ...)
{
	char path[PATH_MAX + 64], line[64], *end;
	uint64_t value;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	if (read_line(line, sizeof(line), path))
		return fallback;
	value = strtoull(line, &end, 0);
	return end == line || *end ? fallback : value;
}

static bool is_bdf(const char *name)
{
	unsigned domain, bus, slot, func;
	int n = -1;

	return sscanf(name, "%8x:%2x:%2x.%1x%n", &domain, &bus, &slot, &func, &n) == 4 && n > 0 && !name[n];
}

/* Cut the last component off @path and say whether what is left is a PCI bridge, whose address goes to @bdf. */
static bool bridge_above(char *path, char *bdf, size_t bytes)
{
	char *slash = strrchr(path, '/'), *name;

	if (!slash || slash == path)
		return false;
	*slash = '\0';
	name = strrchr(path, '/');
	if (!name || !is_bdf(name + 1))
		return false;
	if (sysfs_number(0, "%s/class", path) >> 8 != CLASS_BRIDGE)
		return false;
	snprintf(bdf, bytes, "%.15s", name + 1);
	return true;
}

/* The class device that our driver made for the function at @path. */
static void find_node(const char *path, char *node, size_t bytes)
{
	char dir[PATH_MAX + 16];
	struct dirent *e;
	DIR *d;

	snprintf(dir, sizeof(dir), "%s/smartssd", path);
	d = opendir(dir);
	if (!d)
		return;
	while ((e = readdir(d)))
		if (!strncmp(e->d_name, "smartssd", 8))
			snprintf(node, bytes, "%.31s", e->d_name);
	closedir(d);
}

int pci_resolve(const char *link, struct pci_function *out)
{
	char path[PATH_MAX + 16], target[PATH_MAX];
	char port[16], root[16];
	const char *name;
	ssize_t n;

	memset(out, 0, sizeof(*out));
	if (!realpath(link, out->path))
		return -errno;
	name = strrchr(out->path, '/') + 1;
	if (!is_bdf(name))
		return -ENODEV;
	snprintf(out->bdf, sizeof(out->bdf), "%.15s", name);
	out->vendor = sysfs_number(0, "%s/vendor", out->path);
	out->device = sysfs_number(0, "%s/device", out->path);
	snprintf(path, sizeof(path), "%s/driver", out->path);
	n = readlink(path, target, sizeof(target) - 1);
	if (n > 0) {
		target[n] = '\0';
		name = strrchr(target, '/');
		snprintf(out->driver, sizeof(out->driver), "%.31s", name ? name + 1 : target);
	}
	/*
	 * A switch: a bridge above a bridge, with one more bridge (the root port) above them. Two root ports of one root complex have
	 * no bridge above them, so they are no switch.
	 */
	memcpy(path, out->path, sizeof(out->path));
	if (bridge_above(path, out->downstream, sizeof(out->downstream)) && bridge_above(path, port, sizeof(port)) &&
	    bridge_above(path, root, sizeof(root)))
		memcpy(out->upstream, port, sizeof(out->upstream));
	find_node(out->path, out->node, sizeof(out->node));
	return 0;
}

bool pci_same_switch(const struct pci_function *a, const struct pci_function *b)
{
	return *a->upstream && !strcmp(a->upstream, b->upstream);
}

static int by_bdf(const void *a, const void *b)
{
	return strcmp(((const struct pci_function *)a)->bdf, ((const struct pci_function *)b)->bdf);
}

int pci_fpgas(struct pci_function **out)
{
	struct pci_function *list = NULL, *grown, one;
	char path[PATH_MAX];
	struct dirent *e;
	int nr = 0;
	DIR *d = opendir("/sys/bus/pci/devices");

	*out = NULL;
	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", e->d_name);
		if (pci_resolve(path, &one))
			continue;
		if (!(one.vendor == VENDOR_XILINX && (one.device == DEVICE_USER || one.device == DEVICE_MANAGEMENT)) &&
		    strcmp(one.driver, "smartssd"))
			continue;
		grown = realloc(list, (nr + 1) * sizeof(*list));
		if (!grown) {
			free(list);
			closedir(d);
			return -ENOMEM;
		}
		list = grown;
		list[nr++] = one;
	}
	closedir(d);
	if (nr)
		qsort(list, nr, sizeof(*list), by_bdf);
	*out = list;
	return nr;
}

enum fpga_role fpga_role(const struct pci_function *fpga)
{
	if (fpga->vendor != VENDOR_XILINX)
		return FPGA_EMULATED;
	return fpga->device == DEVICE_MANAGEMENT ? FPGA_MANAGEMENT : FPGA_USER;
}

const char *fpga_role_name(enum fpga_role role)
{
	static const char *const names[] = { "user function", "management function", "emulated card" };

	return names[role];
}

void fpga_remedy(const struct pci_function *fpga, char *out, size_t bytes)
{
	out[0] = '\0';
	/* The management function needs no driver of ours; a vendor one there does no harm. */
	if (!strcmp(fpga->driver, "smartssd") || fpga_role(fpga) == FPGA_MANAGEMENT)
		return;
	if (!*fpga->driver)
		snprintf(out, bytes, "no driver is bound: load ours (as root: modprobe smartssd)");
	else
		snprintf(out, bytes,
			 "driver %s has it; to give it to ours, as root: echo %s > /sys/bus/pci/drivers/%s/unbind; modprobe smartssd; "
			 "echo %s > /sys/bus/pci/drivers/smartssd/bind",
			 fpga->driver, fpga->bdf, fpga->driver, fpga->bdf);
}

int pci_acs_redirects(const char *bdf)
{
	unsigned char config[4096];
	char path[64];
	unsigned at = PCI_CFG_SPACE_SIZE;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = pread(fd, config, sizeof(config), 0);
	close(fd);
	/* Without root the kernel shows the first 64 bytes only. */
	if (n <= PCI_CFG_SPACE_SIZE)
		return n <= 64 && geteuid() ? -EACCES : -ENOENT;
	for (unsigned hops = 0; hops < 64 && at >= PCI_CFG_SPACE_SIZE && at + 8 <= (size_t)n; hops++) {
		uint32_t head = config[at] | config[at + 1] << 8 | config[at + 2] << 16 | (uint32_t)config[at + 3] << 24;
		unsigned control;

		if (PCI_EXT_CAP_ID(head) == PCI_EXT_CAP_ID_ACS) {
			control = config[at + PCI_ACS_CTRL] | config[at + PCI_ACS_CTRL + 1] << 8;
			return !!(control & (PCI_ACS_RR | PCI_ACS_CR));
		}
		at = PCI_EXT_CAP_NEXT(head);
	}
	return -ENOENT;
}
