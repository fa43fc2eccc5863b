// SPDX-License-Identifier: GPL-2.0-only
/*
 * BOs as dma-bufs. Exported, they can be mapped by drivers that take peer memory (and only by
 * these), and imported by this driver: the same card gets a second handle, another card a BO that
 * COPY_BO reads and writes.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/pci-p2pdma.h>

#include "compat.h"
#include "drv.h"

#define REVOKE_TIMEOUT (5 * HZ) /* for what an importer has under way */

/*
 * struct smartssd_export - one dma-buf of a BO
 * @link: in buf->exports, under sd->buf_lock
 * @revoked: no new mappings; under the dma-buf's reservation
 */
struct smartssd_export {
	struct list_head link;
	struct smartssd_buf *buf;
	struct dma_buf *dmabuf;
	bool revoked;
};

static int export_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct smartssd_export *export = dmabuf->priv;
	struct smartssd_dev *sd = export->buf->sd;
	int ret = -EOPNOTSUPP;
	int idx = srcu_read_lock(&sd->srcu);

	if (READ_ONCE(sd->dead))
		ret = -ENODEV;
	else if (export->buf->page && attach->peer2peer &&
		 pci_p2pdma_distance(sd->pdev, attach->dev, false) >= 0)
		ret = 0;
	srcu_read_unlock(&sd->srcu, idx);
	return ret;
}

/* The memory never moves but for being taken away, which does not ask. */
static int export_pin(struct dma_buf_attachment *attach)
{
	struct smartssd_export *export = attach->dmabuf->priv;

	return export->revoked ? -ENODEV : 0;
}

static void export_unpin(struct dma_buf_attachment *attach)
{
}

static struct sg_table *export_map(struct dma_buf_attachment *attach, enum dma_data_direction dir)
{
	struct smartssd_export *export = attach->dmabuf->priv;
	struct smartssd_buf *buf = export->buf;
	/*
	 * sg lengths are 32 bit; round down so that segments stay page aligned. Nothing shorter
	 * than a page can be described, whatever the importer claims.
	 */
	u64 max = max_t(u64, round_down(min_t(u64, dma_get_max_seg_size(attach->dev), SZ_1G),
					PAGE_SIZE), PAGE_SIZE);
	u64 at = 0, n;
	struct sg_table *sgt;
	struct scatterlist *sg;
	unsigned int i;
	int ret;

	if (export->revoked)
		return ERR_PTR(-ENODEV);
	/*
	 * An importer that does not let go when asked still has its addresses: the pages, and the
	 * BAR behind them, stay until it does.
	 */
	if (!percpu_ref_tryget_live(&smartssd_pgmap(buf->page)->ref))
		return ERR_PTR(-ENODEV);
	sgt = kmalloc(sizeof(*sgt), GFP_KERNEL);
	if (!sgt) {
		ret = -ENOMEM;
		goto put_pgmap;
	}
	ret = sg_alloc_table(sgt, DIV_ROUND_UP_ULL(buf->bytes, max), GFP_KERNEL);
	if (ret)
		goto free_sgt;
	for_each_sgtable_sg(sgt, sg, i) {
		n = min(buf->bytes - at, max);
		sg_set_page(sg, buf->page + (at >> PAGE_SHIFT), n, 0);
		at += n;
	}
	ret = dma_map_sgtable(attach->dev, sgt, dir, DMA_ATTR_SKIP_CPU_SYNC);
	if (ret)
		goto free_table;
	return sgt;

free_table:
	sg_free_table(sgt);
free_sgt:
	kfree(sgt);
put_pgmap:
	percpu_ref_put(&smartssd_pgmap(buf->page)->ref);
	return ERR_PTR(ret);
}

static void export_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
			 enum dma_data_direction dir)
{
	struct smartssd_export *export = attach->dmabuf->priv;

	dma_unmap_sgtable(attach->dev, sgt, dir, DMA_ATTR_SKIP_CPU_SYNC);
	sg_free_table(sgt);
	kfree(sgt);
	percpu_ref_put(&smartssd_pgmap(export->buf->page)->ref);
}

static void export_release(struct dma_buf *dmabuf)
{
	struct smartssd_export *export = dmabuf->priv;
	struct smartssd_buf *buf = export->buf;

	mutex_lock(&buf->sd->buf_lock);
	list_del(&export->link);
	mutex_unlock(&buf->sd->buf_lock);
	kfree(export);
	smartssd_buf_put(buf);
}

static const struct dma_buf_ops export_ops = {
	.attach = export_attach,
	.pin = export_pin,
	.unpin = export_unpin,
	.map_dma_buf = export_map,
	.unmap_dma_buf = export_unmap,
	.release = export_release,
};

void smartssd_exports_revoke(struct smartssd_buf *buf)
{
	struct smartssd_export *export;
	long left;

	lockdep_assert_held(&buf->sd->buf_lock);
	/* A dma-buf that is on the list is not freed yet: its release takes buf_lock first. */
	list_for_each_entry(export, &buf->exports, link) {
		dma_resv_lock(export->dmabuf->resv, NULL);
		export->revoked = true;
		dma_buf_move_notify(export->dmabuf);
		/* What the importer has under way; its mappings keep the memory in any case. */
		left = dma_resv_wait_timeout(export->dmabuf->resv, DMA_RESV_USAGE_BOOKKEEP, false,
					     REVOKE_TIMEOUT);
		if (left <= 0)
			dev_warn(&buf->sd->dev, "an importer of a BO does not finish (%ld)\n",
				 left);
		dma_resv_unlock(export->dmabuf->resv);
	}
}

int smartssd_ioctl_bo_export(struct smartssd_call *call)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct smartssd_bo_fd *arg = call->arg;
	struct smartssd_export *export;
	struct smartssd_buf *buf;
	int ret, fd;

	if (arg->flags)
		return -EINVAL;
	buf = smartssd_buf_find(call->client, arg->bo);
	if (!buf)
		return -ENOENT;
	export = kzalloc(sizeof(*export), GFP_KERNEL_ACCOUNT);
	if (!export) {
		ret = -ENOMEM;
		goto put_buf;
	}
	export->buf = buf;
	info.ops = &export_ops;
	info.size = buf->bytes;
	info.flags = O_RDWR;
	info.priv = export;
	export->dmabuf = dma_buf_export(&info);
	if (IS_ERR(export->dmabuf)) {
		ret = PTR_ERR(export->dmabuf);
		goto free_export;
	}
	/*
	 * An imported BO lies on another card, which may just be leaving: then nobody would revoke
	 * what is added now.
	 */
	mutex_lock(&buf->sd->buf_lock);
	export->revoked = buf->revoked;
	list_add(&export->link, &buf->exports);
	mutex_unlock(&buf->sd->buf_lock);

	/* From here on the dma-buf holds the reference and frees everything. */
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		ret = fd;
		goto put_dmabuf;
	}
	arg->fd = fd;
	arg->bytes = buf->bytes;
	ret = smartssd_respond(call);
	if (ret)
		goto put_fd;
	fd_install(fd, export->dmabuf->file);
	return 0;

put_fd:
	put_unused_fd(fd);
put_dmabuf:
	dma_buf_put(export->dmabuf);
	return ret;
free_export:
	kfree(export);
put_buf:
	smartssd_buf_put(buf);
	return ret;
}

int smartssd_ioctl_bo_import(struct smartssd_call *call)
{
	struct smartssd_bo_fd *arg = call->arg;
	struct smartssd_client *client = call->client;
	struct smartssd_export *export;
	struct smartssd_buf *buf;
	struct dma_buf *dmabuf;
	int ret;

	if (arg->flags)
		return -EINVAL;
	dmabuf = dma_buf_get(arg->fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	if (dmabuf->ops != &export_ops) {
		ret = -EOPNOTSUPP;
		goto put_dmabuf;
	}
	export = dmabuf->priv;
	buf = export->buf;
	smartssd_buf_get(buf);
	arg->bytes = buf->bytes;
	ret = smartssd_id_give(call, &client->bufs, SMARTSSD_MAX_BOS, &arg->bo, buf);
	if (ret)
		smartssd_buf_put(buf);
put_dmabuf:
	dma_buf_put(dmabuf);
	return ret;
}
