/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SMARTSSD_VM_H
#define SMARTSSD_VM_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define VM_MAX_CARDS 8
#define VM_QEMU	     "qemu-system-x86_64"

enum vm_topology {
	VM_SWITCH, /* SSD and FPGA behind one switch, as in the drive */
	VM_SPLIT,  /* on root ports of their own: a route through the root complex at best */
	VM_ALONE,  /* no SSD */
};

struct vm_options {
	const char *kernel;   /* "plain", "debug", a folder made by build-kernel.sh, or NULL: what is built, plain first */
	const char *module;   /* smartssd.ko; NULL: of the build tree; "none": none */
	const char *params;   /* module parameters */
	const char *fs;	      /* "ext4", "xfs" or NULL */
	const char *drive;    /* image of the first card's SSD, or NULL: new ones */
	const char *trace;    /* QEMU's NVMe trace goes here, or NULL */
	const char *log;      /* the guest's kernel log is copied here, or NULL */
	const char *accel;
	const char *append;   /* more kernel command line */
	const char *fault;    /* fault spec of every card process */
	enum vm_topology topology;
	int cards;
	int memory_mb;
	int ssd_mb;
	int ddr_mb; /* BAR size: window + card memory, a power of two */
	int lba;    /* logical block size */
	int timeout_s;
	bool virtio_disk;
	bool strict; /* any KASAN, lockdep, leak or WARN line fails the run */
	char **argv;
};

/* Files of one run, all in a fresh folder that goes away with it. */
struct vm_files {
	char dir[PATH_MAX / 2];
	char run[PATH_MAX]; /* the 9p share "run" */
	char klog[PATH_MAX];
	char initrd[PATH_MAX];
	char kernel[PATH_MAX];
	char module[PATH_MAX];
	char share[PATH_MAX]; /* read-write folder: where the command was typed */
};

/* qemu.c: the machine's command line; NULL-terminated, freed by the process's end. */
char **vm_qemu_argv(const struct vm_options *opt, const struct vm_files *files);

/* klog.c: copy lines of the kernel log that no sound run has to stderr; their number. */
int vm_scan_log(const char *path);

#endif
