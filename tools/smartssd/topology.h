/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What sysfs says about PCI: which functions are FPGAs of SmartSSDs, and which of them sits with which SSD behind one switch.
 *
 *   root port -> upstream port -+- downstream port -> SSD        paired: the same upstream port
 *                               +- downstream port -> FPGA       two steps above both
 */
#ifndef SMARTSSD_TOPOLOGY_H
#define SMARTSSD_TOPOLOGY_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pci_function {
	char bdf[16];		 /* "0000:03:00.0" */
	char path[PATH_MAX];	 /* in /sys/devices */
	char upstream[16];	 /* the switch's upstream port, "" when it is not behind a switch */
	char downstream[16];	 /* the port right above */
	char driver[32];	 /* "" when none is bound */
	char node[32];		 /* "smartssd0", "" when our driver made none */
	unsigned vendor, device;
};

/* A line of a sysfs file without its end and trailing blanks; 0 or -errno. */
int sysfs_line(char *out, size_t bytes, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* A number from one, decimal or 0x; @fallback when it cannot be read. */
uint64_t sysfs_number(uint64_t fallback, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* @link: anything in sysfs that resolves to a PCI function. -ENODEV when it does not. */
int pci_resolve(const char *link, struct pci_function *out);
bool pci_same_switch(const struct pci_function *a, const struct pci_function *b);
/*
 * All FPGAs: SmartSSD ids 10ee:6987 (management) and 10ee:6988 (user), and whatever our driver is bound to. In the order of their addresses. The
 * array is the caller's (free()). Returns their number or -errno; 0 also where there is no PCI at all.
 */
int pci_fpgas(struct pci_function **out);

enum fpga_role { FPGA_USER, FPGA_MANAGEMENT, FPGA_EMULATED };
enum fpga_role fpga_role(const struct pci_function *fpga);
const char *fpga_role_name(enum fpga_role role);
/* What to do so that our driver has this function: one line, "" when it has. */
void fpga_remedy(const struct pci_function *fpga, char *out, size_t bytes);

/* ACS of a port: 1 peer requests are sent up to the root complex, 0 not, -EACCES needs root, -ENOENT the port has no ACS. */
int pci_acs_redirects(const char *bdf);

#endif
