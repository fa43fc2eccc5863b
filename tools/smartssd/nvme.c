// SPDX-License-Identifier: BSD-2-Clause
/*
 * Names and sizes come from sysfs, which everybody may read; health and the LBA format need the controller's node and therefore root. libnvme's
 * own tree scan is not used: it drops controllers whose node it may not open.
 */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <libnvme.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "nvme.h"

#define CLASS_DIR "/sys/class/nvme"

/* libnvme reads the attribute; models and serials come padded with blanks. */
static void attribute(const char *controller, const char *name, char *out, size_t bytes)
{
	char dir[PATH_MAX];
	char *value;
	size_t n;

	snprintf(dir, sizeof(dir), CLASS_DIR "/%s", controller);
	value = nvme_get_attr(dir, name);
	snprintf(out, bytes, "%s", value ?: "");
	free(value);
	for (n = strlen(out); n && (out[n - 1] == ' ' || out[n - 1] == '\n'); n--)
		out[n - 1] = '\0';
}

/* "nvme0n1", or "nvme0c0n1" (the hidden path of a multipath namespace, whose head is nvme0n1); 0 when @entry is neither. */
static int namespace_name(const char *controller, const char *entry, char *out, size_t bytes)
{
	unsigned subsystem, path, number;
	int n = -1;

	if (sscanf(entry, "nvme%uc%un%u%n", &subsystem, &path, &number, &n) == 3 && n > 0 && !entry[n])
		return snprintf(out, bytes, "nvme%un%u", subsystem, number);
	n = -1;
	if (sscanf(entry, "nvme%un%u%n", &subsystem, &number, &n) == 2 && n > 0 && !entry[n] &&
	    !strncmp(entry, controller, strlen(controller)))
		return snprintf(out, bytes, "%.39s", entry);
	return 0;
}

static int by_nsid(const void *a, const void *b)
{
	const struct nvme_namespace *x = a, *y = b;

	return x->nsid < y->nsid ? -1 : x->nsid > y->nsid;
}

static void find_namespaces(struct nvme_controller *c)
{
	char dir[PATH_MAX];
	struct dirent *e;
	DIR *d;

	snprintf(dir, sizeof(dir), CLASS_DIR "/%s", c->name);
	d = opendir(dir);
	if (!d)
		return;
	while ((e = readdir(d)) && c->nr_namespaces < NVME_MAX_NAMESPACES) {
		struct nvme_namespace *ns = &c->ns[c->nr_namespaces];

		memset(ns, 0, sizeof(*ns));
		if (!namespace_name(c->name, e->d_name, ns->name, sizeof(ns->name)))
			continue;
		ns->nsid = sysfs_number(0, "%s/%s/nsid", dir, e->d_name);
		ns->bytes = sysfs_number(0, "%s/%s/size", dir, e->d_name) * 512;
		ns->lba_bytes = sysfs_number(0, "%s/%s/queue/logical_block_size", dir, e->d_name);
		ns->metadata_bytes = -1;
		c->nr_namespaces++;
	}
	closedir(d);
	qsort(c->ns, c->nr_namespaces, sizeof(c->ns[0]), by_nsid);
}

static uint64_t low64(const uint8_t *le128)
{
	uint64_t v;

	for (int i = 8; i < 16; i++)
		if (le128[i])
			return UINT64_MAX;
	memcpy(&v, le128, sizeof(v));
	return le64toh(v);
}

/* A positive result of libnvme is a status of the controller. */
static int nvme_errno(int ret)
{
	return ret < 0 ? (errno ? -errno : -EIO) : ret > 0 ? -EIO : 0;
}

static void ask_controller(struct nvme_controller *c)
{
	struct nvme_smart_log *log;
	struct nvme_id_ns *id;
	void *page;
	int fd = nvme_open(c->name);

	if (fd < 0) {
		c->health.error = errno == EPERM ? -EACCES : errno ? -errno : -EIO;
		return;
	}
	if (posix_memalign(&page, 4096, 4096)) {
		c->health.error = -ENOMEM;
		close(fd);
		return;
	}
	log = page;
	c->health.error = nvme_errno(nvme_get_log_smart(fd, NVME_NSID_ALL, false, log));
	if (!c->health.error) {
		c->health.warnings = log->critical_warning;
		c->health.celsius = (log->temperature[0] | log->temperature[1] << 8) - 273;
		c->health.spare = log->avail_spare;
		c->health.spare_threshold = log->spare_thresh;
		c->health.used = log->percent_used;
		c->health.media_errors = low64(log->media_errors);
	}
	id = page;
	for (unsigned i = 0; i < c->nr_namespaces; i++) {
		__u8 format;

		if (nvme_identify_ns(fd, c->ns[i].nsid, id))
			continue;
		nvme_id_ns_flbas_to_lbaf_inuse(id->flbas, &format);
		c->ns[i].metadata_bytes = le16toh(id->lbaf[format].ms);
	}
	free(page);
	close(fd);
}

static int by_number(const void *a, const void *b)
{
	const struct nvme_controller *x = a, *y = b;

	return atoi(x->name + 4) - atoi(y->name + 4);
}

int nvme_controllers(struct nvme_controller **out)
{
	struct nvme_controller *list = NULL, *grown, *c;
	char path[PATH_MAX];
	struct dirent *e;
	int nr = 0;
	DIR *d = opendir(CLASS_DIR);

	*out = NULL;
	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((e = readdir(d))) {
		unsigned number;
		int n = -1;

		if (sscanf(e->d_name, "nvme%u%n", &number, &n) != 1 || n < 0 || e->d_name[n])
			continue;
		grown = realloc(list, (nr + 1) * sizeof(*list));
		if (!grown) {
			free(list);
			closedir(d);
			return -ENOMEM;
		}
		list = grown;
		c = &list[nr++];
		memset(c, 0, sizeof(*c));
		snprintf(c->name, sizeof(c->name), "%.23s", e->d_name);
		attribute(c->name, "model", c->model, sizeof(c->model));
		attribute(c->name, "serial", c->serial, sizeof(c->serial));
		attribute(c->name, "firmware_rev", c->firmware, sizeof(c->firmware));
		attribute(c->name, "state", c->state, sizeof(c->state));
		attribute(c->name, "transport", c->transport, sizeof(c->transport));
		snprintf(path, sizeof(path), CLASS_DIR "/%s/device", c->name);
		if (pci_resolve(path, &c->pci))
			memset(&c->pci, 0, sizeof(c->pci));
		find_namespaces(c);
		ask_controller(c);
	}
	closedir(d);
	if (nr)
		qsort(list, nr, sizeof(*list), by_number);
	*out = list;
	return nr;
}

void nvme_warning_text(uint8_t warnings, char *out, size_t bytes)
{
	static const struct {
		uint8_t bit;
		const char *text;
	} words[] = {
		{ NVME_SMART_CRIT_SPARE, "spare capacity is below its threshold" },
		{ NVME_SMART_CRIT_TEMPERATURE, "temperature is out of its range" },
		{ NVME_SMART_CRIT_DEGRADED, "reliability is degraded by media errors" },
		{ NVME_SMART_CRIT_MEDIA, "media is read-only" },
		{ NVME_SMART_CRIT_VOLATILE_MEMORY, "backup of the volatile memory failed" },
		{ NVME_SMART_CRIT_PMR_RO, "persistent memory region is read-only" },
	};
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (warnings & words[i].bit && used < bytes)
			used += snprintf(out + used, bytes - used, "%s%s", used ? ", " : "", words[i].text);
}
