/* SPDX-License-Identifier: BSD-2-Clause */
/* NVMe controllers of this host, as libnvme and sysfs see them. */
#ifndef SMARTSSD_NVME_H
#define SMARTSSD_NVME_H

#include <stdint.h>
#include "topology.h"

#define NVME_MAX_NAMESPACES 64

struct nvme_namespace {
	char name[40]; /* "nvme0n1" */
	uint32_t nsid;
	uint64_t bytes;
	uint32_t lba_bytes;
	int metadata_bytes; /* per LBA; -1: not known without root */
};

struct nvme_health {
	int error; /* 0, or -errno: why nothing below is known; -EACCES: needs root */
	uint8_t warnings; /* NVME_SMART_CRIT_* */
	int celsius;
	unsigned spare, spare_threshold, used; /* percent */
	uint64_t media_errors;
};

struct nvme_controller {
	char name[24]; /* "nvme0" */
	char model[64], serial[40], firmware[24], state[24], transport[16];
	struct pci_function pci; /* bdf "" when it is not a PCI device */
	struct nvme_health health;
	unsigned nr_namespaces;
	struct nvme_namespace ns[NVME_MAX_NAMESPACES];
};

/* In the order of their numbers. The array is the caller's (free()). Their number (0: none here) or -errno. */
int nvme_controllers(struct nvme_controller **out);
/* Critical warnings in words, "" when there is none. */
void nvme_warning_text(uint8_t warnings, char *out, size_t bytes);

#endif
