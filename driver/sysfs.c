// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/class/smartssd/smartssdN/: what the card is, what it is paired with, what it did. One
 * switch: peer_enabled.
 */
#include <linux/sysfs.h>
#include <linux/uuid.h>

#include "shell.h"

#define to_sd(d) container_of(d, struct smartssd_dev, dev)

static ssize_t shell_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", to_sd(dev)->shell->name);
}
static DEVICE_ATTR_RO(shell);

/* The controller of the SSD behind the same switch; empty when there is none. */
static ssize_t ssd_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	char name[32];

	smartssd_sibling_name(to_sd(dev), name, sizeof(name));
	return sysfs_emit(buf, "%s\n", name);
}
static DEVICE_ATTR_RO(ssd);

/* "ok", or the reason's name, and an explanation. */
static ssize_t peer_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	u32 reason = smartssd_peer_card(to_sd(dev));

	return sysfs_emit(buf, "%s (%s)\n", smartssd_peer_name(reason), smartssd_peer_text(reason));
}
static DEVICE_ATTR_RO(peer);

static ssize_t peer_enabled_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", !READ_ONCE(to_sd(dev)->peer_off));
}

static ssize_t peer_enabled_store(struct device *dev, struct device_attribute *attr,
				  const char *buf, size_t count)
{
	bool on;
	int ret = kstrtobool(buf, &on);

	if (ret)
		return ret;
	WRITE_ONCE(to_sd(dev)->peer_off, !on);
	return count;
}
static DEVICE_ATTR_RW(peer_enabled);

static ssize_t xclbin_uuid_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct smartssd_dev *sd = to_sd(dev);
	ssize_t n;

	down_read(&sd->xclbin_lock);
	n = sd->info ? sysfs_emit(buf, "%pUb\n", sd->info->uuid) : sysfs_emit(buf, "\n");
	up_read(&sd->xclbin_lock);
	return n;
}
static DEVICE_ATTR_RO(xclbin_uuid);

static ssize_t ddr_bytes_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", to_sd(dev)->aperture_bytes);
}
static DEVICE_ATTR_RO(ddr_bytes);

static ssize_t ddr_free_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct smartssd_dev *sd = to_sd(dev);

	return sysfs_emit(buf, "%llu\n", sd->aperture_bytes - atomic64_read(&sd->ddr_used));
}
static DEVICE_ATTR_RO(ddr_free);

static ssize_t dna_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct smartssd_dev *sd = to_sd(dev);

	return sysfs_emit(buf, "%08x%08x%08x\n", sd->dna[2], sd->dna[1], sd->dna[0]);
}
static DEVICE_ATTR_RO(dna);

/*
 * What everybody did since the card was found, one "name value" per line; names as in struct
 * smartssd_counters.
 */
static ssize_t counters_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	static const char *const names[SMARTSSD_STAT_NR] = {
		[SMARTSSD_STAT_SSD_TO_CARD] = "ssd_to_card",
		[SMARTSSD_STAT_CARD_TO_SSD] = "card_to_ssd",
		[SMARTSSD_STAT_HOST_TO_CARD] = "host_to_card",
		[SMARTSSD_STAT_CARD_TO_HOST] = "card_to_host",
		[SMARTSSD_STAT_BOUNCE_READ] = "bounce_read",
		[SMARTSSD_STAT_BOUNCE_WRITE] = "bounce_write",
		[SMARTSSD_STAT_READS] = "reads",
		[SMARTSSD_STAT_WRITES] = "writes",
		[SMARTSSD_STAT_RUNS] = "runs",
		[SMARTSSD_STAT_JOBS] = "jobs",
		[SMARTSSD_STAT_CU_FAULTS] = "cu_faults",
	};
	struct smartssd_dev *sd = to_sd(dev);
	ssize_t n = 0;
	int i;

	for (i = 0; i < SMARTSSD_STAT_NR; i++)
		n += sysfs_emit_at(buf, n, "%s %llu\n", names[i],
				   (u64)atomic64_read(&sd->stats.v[i]));
	return n;
}
static DEVICE_ATTR_RO(counters);

static struct attribute *smartssd_attrs[] = {
	&dev_attr_shell.attr,	    &dev_attr_ssd.attr,
	&dev_attr_peer.attr,	    &dev_attr_peer_enabled.attr,
	&dev_attr_xclbin_uuid.attr, &dev_attr_ddr_bytes.attr,
	&dev_attr_ddr_free.attr,    &dev_attr_dna.attr,
	&dev_attr_counters.attr,    NULL,
};

static const struct attribute_group smartssd_group = {
	.attrs = smartssd_attrs,
};

const struct attribute_group *smartssd_groups[] = { &smartssd_group, NULL };
