/* SPDX-License-Identifier: GPL-2.0-only */
/* Differences between kernel versions: the only place that looks at LINUX_VERSION_CODE. */
#ifndef SMARTSSD_COMPAT_H
#define SMARTSSD_COMPAT_H

#include <linux/device.h>
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/fileattr.h> /* in 6.1 it needs fs.h before it */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/uio.h>
#include <linux/version.h>

/*
 * Peer pages in user mappings: since 6.2 p2pdma pages are freed by their last put_page(), so that a
 * mapping and a pread(O_DIRECT) into it can hold them. 6.15 changed who initialises the count;
 * until that is handled, later kernels go without.
 */
#if defined(CONFIG_PCI_P2PDMA) && LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0) && \
	LINUX_VERSION_CODE < KERNEL_VERSION(6, 15, 0)
#define SMARTSSD_USER_PAGES 1
#else
#define SMARTSSD_USER_PAGES 0
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}

static inline void vm_flags_clear(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags &= ~flags;
}
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
#define smartssd_class_create(name) class_create(THIS_MODULE, name)
#else
#define smartssd_class_create(name) class_create(name)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define smartssd_devnode_dev struct device
#else
#define smartssd_devnode_dev const struct device
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#define smartssd_eventfd_signal(ctx) eventfd_signal(ctx, 1)
#else
#define smartssd_eventfd_signal(ctx) eventfd_signal(ctx)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define SMARTSSD_IMPORT_DMA_BUF MODULE_IMPORT_NS(DMA_BUF)
#else
#define SMARTSSD_IMPORT_DMA_BUF MODULE_IMPORT_NS("DMA_BUF")
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
#define smartssd_match_data void
#else
#define smartssd_match_data const void
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 15, 0)
#define smartssd_pgmap(page) ((page)->pgmap)
#else
#define smartssd_pgmap(page) page_pgmap(page)
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
#define fileattr file_kattr
#endif

/*
 * An asynchronous write of a regular file holds off freezing of its filesystem until it ends. From
 * 6.8 on vfs_iocb_iter_write() begins that, and ends it unless the write was queued; before, the
 * caller does both.
 */
static inline void smartssd_iocb_write_end(struct kiocb *iocb)
{
	struct super_block *sb = file_inode(iocb->ki_filp)->i_sb;

	/* Tell lockdep that protection taken by the submitting thread is dropped by this one. */
	__sb_writers_acquired(sb, SB_FREEZE_WRITE);
	sb_end_write(sb);
}

static inline ssize_t smartssd_iocb_write(struct kiocb *iocb, struct iov_iter *iter)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
	struct super_block *sb = file_inode(iocb->ki_filp)->i_sb;
	ssize_t ret;

	sb_start_write(sb);
	__sb_writers_release(sb, SB_FREEZE_WRITE);
	ret = vfs_iocb_iter_write(iocb->ki_filp, iocb, iter);
	if (ret != -EIOCBQUEUED)
		smartssd_iocb_write_end(iocb);
	return ret;
#else
	return vfs_iocb_iter_write(iocb->ki_filp, iocb, iter);
#endif
}

#endif
