// SPDX-License-Identifier: GPL-2.0-only
/*
 * Can data go from an SSD to this card without passing the host? For the card as such (is there a
 * sibling SSD, is there a route to it) and for each file (does all that lies between it and its
 * drive pass peer pages on). Every "no" has a name.
 */
#include <linux/blkdev.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/pci-p2pdma.h>

#include "compat.h"
#include "drv.h"

static const struct {
	const char *name;
	const char *text;
} reasons[SMARTSSD_PEER_NR] = {
	[SMARTSSD_PEER_OK] = { "ok", "data goes peer to peer" },
	[SMARTSSD_PEER_NO_KERNEL] = { "no-kernel", "this kernel has no CONFIG_PCI_P2PDMA" },
	[SMARTSSD_PEER_NO_PROVIDER] = { "no-provider",
					"the aperture could not be registered for peer DMA" },
	[SMARTSSD_PEER_NO_SSD] = { "no-ssd", "no NVMe device behind the card's switch" },
	[SMARTSSD_PEER_NO_ROUTE] = { "no-route", "ACS redirect or a root complex in between" },
	[SMARTSSD_PEER_NOT_SIBLING] = { "not-sibling",
					"the file is on a device without a route to this card" },
	[SMARTSSD_PEER_NO_QUEUE] = { "no-queue", "the block device does not take peer pages" },
	[SMARTSSD_PEER_NO_FILESYSTEM] = { "no-filesystem",
					  "the filesystem is not known to pass peer pages on" },
	[SMARTSSD_PEER_NO_DIRECT] = { "no-direct", "the file cannot do direct I/O" },
	[SMARTSSD_PEER_OFF] = { "off", "switched off" },
	[SMARTSSD_PEER_UNALIGNED] = { "unaligned", "an extent is not aligned" },
};

const char *smartssd_peer_name(u32 reason)
{
	return reason < SMARTSSD_PEER_NR ? reasons[reason].name : "?";
}

const char *smartssd_peer_text(u32 reason)
{
	return reason < SMARTSSD_PEER_NR ? reasons[reason].text : "?";
}

/* The upstream port of the switch that @pdev hangs on by one downstream port, or NULL. */
static struct pci_dev *switch_of(struct pci_dev *pdev)
{
	struct pci_dev *port = pci_upstream_bridge(pdev);

	if (!port || !pci_is_pcie(port) || pci_pcie_type(port) != PCI_EXP_TYPE_DOWNSTREAM)
		return NULL;
	return pci_upstream_bridge(port);
}

struct pci_dev *smartssd_sibling(struct smartssd_dev *sd)
{
	struct pci_dev *up = switch_of(sd->pdev), *pdev = NULL;

	if (!up)
		return NULL;
	while ((pdev = pci_get_class(PCI_CLASS_STORAGE_EXPRESS, pdev)))
		if (switch_of(pdev) == up)
			return pdev;
	return NULL;
}

static int is_controller(struct device *dev, smartssd_match_data *data)
{
	return dev->class && !strcmp(dev->class->name, "nvme");
}

void smartssd_sibling_name(struct smartssd_dev *sd, char *name, size_t bytes)
{
	struct pci_dev *ssd = smartssd_sibling(sd);
	struct device *ctrl;

	memset(name, 0, bytes);
	if (!ssd)
		return;
	ctrl = device_find_child(&ssd->dev, NULL, is_controller);
	if (ctrl) {
		strscpy(name, dev_name(ctrl), bytes);
		put_device(ctrl);
	}
	pci_dev_put(ssd);
}

/* What holds for every file: SMARTSSD_PEER_OK or why not. */
static u32 peer_possible(struct smartssd_dev *sd)
{
	if (sd->peer_reason != SMARTSSD_PEER_OK)
		return sd->peer_reason;
	return READ_ONCE(sd->peer_off) ? SMARTSSD_PEER_OFF : SMARTSSD_PEER_OK;
}

u32 smartssd_peer_card(struct smartssd_dev *sd)
{
	u32 reason = peer_possible(sd);
	struct pci_dev *ssd;

	if (reason != SMARTSSD_PEER_OK)
		return reason;
	ssd = smartssd_sibling(sd);
	if (!ssd)
		return SMARTSSD_PEER_NO_SSD;
	if (pci_p2pdma_distance(sd->pdev, &ssd->dev, false) < 0)
		reason = SMARTSSD_PEER_NO_ROUTE;
	pci_dev_put(ssd);
	return reason;
}

/*
 * Filesystems whose direct I/O hands the caller's pages to the block device as they are. xfs may
 * keep a file's data on its realtime device, which is not s_bdev.
 */
static bool peer_filesystem(struct file *file)
{
	const char *type = file_inode(file)->i_sb->s_type->name;
	struct fileattr fa = {};

	if (!file_inode(file)->i_sb->s_bdev)
		return false;
	if (!strcmp(type, "ext4"))
		return true;
	if (strcmp(type, "xfs"))
		return false;
	return !vfs_fileattr_get(file->f_path.dentry, &fa) && !(fa.fsx_xflags & FS_XFLAG_REALTIME);
}

/* An empty file of xfs may be moved to the realtime device after it was registered. */
bool smartssd_peer_still(const struct smartssd_src *src)
{
	return src->kind != SMARTSSD_FILE_REGULAR || peer_filesystem(src->file);
}

u32 smartssd_peer_file(struct smartssd_dev *sd, const struct smartssd_src *src)
{
	u32 reason = peer_possible(sd);
	struct block_device *bdev = src->bdev;
	struct pci_dev *ssd;
	struct device *dev;

	if (reason != SMARTSSD_PEER_OK)
		return reason;
	if (src->kind == SMARTSSD_FILE_REGULAR) {
		if (!peer_filesystem(src->file))
			return SMARTSSD_PEER_NO_FILESYSTEM;
		bdev = file_inode(src->file)->i_sb->s_bdev;
	}
	if (!src->direct)
		return SMARTSSD_PEER_NO_DIRECT;
	/*
	 * The block layer tests this for user pages only. Multipath heads, dm, md and virtio do not
	 * carry it.
	 */
	if (!blk_queue_pci_p2pdma(bdev_get_queue(bdev)))
		return SMARTSSD_PEER_NO_QUEUE;
	dev = disk_to_dev(bdev->bd_disk);
	if (pci_p2pdma_distance(sd->pdev, dev, false) >= 0)
		return SMARTSSD_PEER_OK;
	ssd = smartssd_sibling(sd);
	reason = SMARTSSD_PEER_NOT_SIBLING;
	for (; ssd && dev; dev = dev->parent)
		if (dev == &ssd->dev)
			reason = SMARTSSD_PEER_NO_ROUTE;
	pci_dev_put(ssd);
	return reason;
}
