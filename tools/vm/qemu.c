// SPDX-License-Identifier: BSD-2-Clause
/* The emulated machine: per card a PCIe switch with an NVMe SSD on one downstream port and the FPGA on the other. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "vm.h"

#define MAX_ARGS 256

struct args {
	char *v[MAX_ARGS];
	int n;
};

static void add(struct args *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct args *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (a->n >= MAX_ARGS - 1 || vasprintf(&a->v[a->n], fmt, ap) < 0)
		abort();
	va_end(ap);
	a->n++;
}

/* In a list of KEY=VALUE a comma of the value's own is written twice. */
static char *value(const char *text)
{
	char *out = malloc(2 * strlen(text) + 1), *p = out;

	if (!out)
		abort();
	do {
		if (*text == ',')
			*p++ = ',';
		*p++ = *text;
	} while (*text++);
	return out;
}

static void share(struct args *a, const char *tag, const char *path, bool readonly)
{
	add(a, "-fsdev");
	add(a, "local,id=fs-%s,path=%s,security_model=none,multidevs=remap%s", tag, value(path), readonly ? ",readonly=on" : "");
	add(a, "-device");
	add(a, "virtio-9p-pci,fsdev=fs-%s,mount_tag=%s", tag, tag);
}

/* io_uring costs QEMU a fraction of what its thread pool does; some containers forbid it. */
static const char *aio(void)
{
	return syscall(SYS_io_uring_setup, 1, NULL) < 0 && errno == EFAULT ? ",aio=io_uring" : "";
}

static void add_card(struct args *a, const struct vm_options *opt, const struct vm_files *files, int i)
{
	bool with_ssd = opt->topology != VM_ALONE;
	char ssd_bus[32], fpga_bus[32], *dir = value(files->dir);

	if (opt->topology == VM_SPLIT) {
		add(a, "-device");
		add(a, "pcie-root-port,id=rs%d,chassis=%d,slot=%d", i, 10 + i, 10 + i);
		add(a, "-device");
		add(a, "pcie-root-port,id=rf%d,chassis=%d,slot=%d", i, 30 + i, 30 + i);
		snprintf(ssd_bus, sizeof(ssd_bus), "rs%d", i);
		snprintf(fpga_bus, sizeof(fpga_bus), "rf%d", i);
	} else {
		add(a, "-device");
		add(a, "pcie-root-port,id=rp%d,chassis=%d,slot=%d", i, 10 + i, 10 + i);
		add(a, "-device");
		add(a, "x3130-upstream,id=up%d,bus=rp%d", i, i);
		add(a, "-device");
		add(a, "xio3130-downstream,id=ds%d,bus=up%d,chassis=%d,slot=1", i, i, 50 + i);
		add(a, "-device");
		add(a, "xio3130-downstream,id=df%d,bus=up%d,chassis=%d,slot=2", i, i, 50 + i);
		snprintf(ssd_bus, sizeof(ssd_bus), "ds%d", i);
		snprintf(fpga_bus, sizeof(fpga_bus), "df%d", i);
	}
	if (with_ssd) {
		add(a, "-drive");
		if (i == 0 && opt->drive)
			add(a, "file=%s,if=none,format=raw%s,id=ns%d", value(opt->drive), aio(), i);
		else
			add(a, "file=%s/ssd%d.img,if=none,format=raw%s,id=ns%d", dir, i, aio(), i);
		add(a, "-device");
		add(a, "nvme,drive=ns%d,serial=SMARTSSD%04d,bus=%s,logical_block_size=%d,physical_block_size=%d", i, i, ssd_bus, opt->lba, opt->lba);
	}
	add(a, "-chardev");
	add(a, "socket,path=%s/card%d.sock,id=card%d", dir, i, i);
	add(a, "-device");
	add(a, "ivshmem-doorbell,id=fpga%d,vectors=16,chardev=card%d,bus=%s", i, i, fpga_bus);
}

char **vm_qemu_argv(const struct vm_options *opt, const struct vm_files *files)
{
	struct args *a = calloc(1, sizeof(*a));
	int i;

	if (!a)
		abort();
	add(a, VM_QEMU);
	add(a, "-M");
	add(a, "q35");
	add(a, "-accel");
	add(a, "%s", opt->accel);
	add(a, "-cpu"); /* a Zen model: Linux allows peer DMA between its root ports */
	add(a, strcmp(opt->accel, "kvm") ? "EPYC,-rdseed,-sha-ni,-fxsr-opt,-misalignsse,-3dnowprefetch,-osvw,-topoext,-nrip-save,-xsavec" : "host");
	add(a, "-smp");
	add(a, "2");
	add(a, "-m");
	add(a, "%d", opt->memory_mb);
	add(a, "-nodefaults");
	add(a, "-display");
	add(a, "none");
	add(a, "-no-reboot");
	add(a, "-kernel");
	add(a, "%s", files->kernel);
	add(a, "-initrd");
	add(a, "%s", files->initrd);
	add(a, "-append");
	add(a, "console=ttyS0 quiet loglevel=7 panic=-1 oops=panic nokaslr %s", opt->append ? opt->append : "");
	add(a, "-chardev");
	add(a, "file,id=klog,path=%s", value(files->klog));
	add(a, "-serial");
	add(a, "chardev:klog");
	add(a, "-device");
	add(a, "virtio-serial-pci");
	add(a, "-chardev");
	add(a, "stdio,id=console,signal=off");
	add(a, "-device");
	add(a, "virtconsole,chardev=console");
	share(a, "host", "/", true);
	share(a, "run", files->run, false);
	share(a, "share", files->share, false);
	for (i = 0; i < opt->cards; i++)
		add_card(a, opt, files, i);
	if (opt->virtio_disk) {
		add(a, "-drive");
		add(a, "file=%s/virtio.img,if=virtio,format=raw", value(files->dir));
	}
	if (opt->trace) {
		add(a, "-trace");
		add(a, "enable=pci_nvme_map_addr");
		add(a, "-trace");
		add(a, "enable=pci_nvme_read");
		add(a, "-D");
		add(a, "%s", opt->trace);
	}
	return a->v;
}
