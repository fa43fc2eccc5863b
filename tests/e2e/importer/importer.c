// SPDX-License-Identifier: GPL-2.0-only
/*
 * A dma-buf importer for tests: /dev/drv_importer. Write "FD PCI-DEVICE PEER" to attach that
 * dma-buf to that device, PEER 1 as an importer that takes peer memory, PEER 2 as one that does but
 * does not let go when it is asked to, and map it; the write returns what dma_buf_dynamic_attach() or the mapping said. Read "ADDRESS LENGTH MOVED": bus
 * address of the first segment, length of all, and whether the exporter has asked for the memory
 * back. Closing lets go.
 */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/uaccess.h>

struct importer {
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	struct pci_dev *pdev;
	bool moved;
	bool keeps;
};

static void importer_unmap(struct importer *im)
{
	if (im->sgt)
		dma_buf_unmap_attachment(im->attach, im->sgt, DMA_BIDIRECTIONAL);
	im->sgt = NULL;
}

/* The exporter holds the reservation. */
static void importer_move(struct dma_buf_attachment *attach)
{
	struct importer *im = attach->importer_priv;

	im->moved = true;
	if (!im->keeps)
		importer_unmap(im);
}

static const struct dma_buf_attach_ops peer_ops = {
	.allow_peer2peer = true,
	.move_notify = importer_move,
};

static const struct dma_buf_attach_ops plain_ops = {
	.move_notify = importer_move,
};

static void importer_drop(struct importer *im)
{
	if (!IS_ERR_OR_NULL(im->attach)) {
		dma_resv_lock(im->dmabuf->resv, NULL);
		importer_unmap(im);
		dma_resv_unlock(im->dmabuf->resv);
		dma_buf_detach(im->dmabuf, im->attach);
	}
	if (!IS_ERR_OR_NULL(im->dmabuf))
		dma_buf_put(im->dmabuf);
	pci_dev_put(im->pdev);
	memset(im, 0, sizeof(*im));
}

static int importer_attach(struct importer *im, int fd, bool peer)
{
	int ret = 0;

	im->dmabuf = dma_buf_get(fd);
	if (IS_ERR(im->dmabuf))
		return PTR_ERR(im->dmabuf);
	im->attach = dma_buf_dynamic_attach(im->dmabuf, &im->pdev->dev,
					    peer ? &peer_ops : &plain_ops, im);
	if (IS_ERR(im->attach))
		return PTR_ERR(im->attach);
	dma_resv_lock(im->dmabuf->resv, NULL);
	im->sgt = dma_buf_map_attachment(im->attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(im->sgt)) {
		ret = PTR_ERR(im->sgt);
		im->sgt = NULL;
	}
	dma_resv_unlock(im->dmabuf->resv);
	return ret;
}

static ssize_t importer_write(struct file *file, const char __user *user, size_t n, loff_t *pos)
{
	struct importer *im = file->private_data;
	unsigned int domain, bus, slot, func;
	char text[64];
	int fd, peer, ret;

	if (n >= sizeof(text) || copy_from_user(text, user, n))
		return -EINVAL;
	text[n] = 0;
	if (sscanf(text, "%d %x:%x:%x.%x %d", &fd, &domain, &bus, &slot, &func, &peer) != 6)
		return -EINVAL;
	importer_drop(im);
	im->pdev = pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, func));
	if (!im->pdev)
		return -ENXIO;
	im->keeps = peer == 2;
	ret = importer_attach(im, fd, peer);
	if (ret)
		importer_drop(im);
	return ret ? ret : n;
}

static ssize_t importer_read(struct file *file, char __user *user, size_t n, loff_t *pos)
{
	struct importer *im = file->private_data;
	struct scatterlist *sg;
	u64 address = 0, bytes = 0;
	char text[64];
	int i, len;

	if (im->dmabuf) {
		dma_resv_lock(im->dmabuf->resv, NULL);
		if (im->sgt) {
			address = sg_dma_address(im->sgt->sgl);
			for_each_sgtable_dma_sg(im->sgt, sg, i)
				bytes += sg_dma_len(sg);
		}
		dma_resv_unlock(im->dmabuf->resv);
	}
	len = scnprintf(text, sizeof(text), "%llx %llu %d\n", address, bytes, im->moved);
	return simple_read_from_buffer(user, n, pos, text, len);
}

static int importer_open(struct inode *inode, struct file *file)
{
	file->private_data = kzalloc(sizeof(struct importer), GFP_KERNEL);
	return file->private_data ? 0 : -ENOMEM;
}

static int importer_release(struct inode *inode, struct file *file)
{
	importer_drop(file->private_data);
	kfree(file->private_data);
	return 0;
}

static const struct file_operations importer_fops = {
	.owner = THIS_MODULE,
	.open = importer_open,
	.release = importer_release,
	.read = importer_read,
	.write = importer_write,
};

static struct miscdevice importer_dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "drv_importer",
	.fops = &importer_fops,
};

module_misc_device(importer_dev);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("dma-buf importer for tests of smartssd");
MODULE_IMPORT_NS(DMA_BUF);
