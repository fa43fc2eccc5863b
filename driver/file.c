// SPDX-License-Identifier: GPL-2.0-only
/* Registered files and namespaces: what a READ reads from and a WRITE writes to. */
#include <linux/blkdev.h>
#include <linux/file.h>
#include <linux/stat.h>

#include "compat.h"
#include "drv.h"

static void src_release(struct kref *ref)
{
	struct smartssd_src *src = container_of(ref, struct smartssd_src, ref);

	fput(src->file);
	kfree(src);
}

void smartssd_src_put(struct smartssd_src *src)
{
	if (src)
		kref_put(&src->ref, src_release);
}

struct smartssd_src *smartssd_src_find(struct smartssd_client *client, u32 id)
{
	struct smartssd_src *src;

	xa_lock(&client->srcs);
	src = xa_load(&client->srcs, id);
	if (src)
		kref_get(&src->ref);
	xa_unlock(&client->srcs);
	return src;
}

u64 smartssd_src_bytes(const struct smartssd_src *src)
{
	return src->bdev ? bdev_nr_bytes(src->bdev) : i_size_read(file_inode(src->file));
}

int smartssd_src_may_write(const struct smartssd_src *src)
{
	if (!src->bdev)
		return 0;
	if (bdev_read_only(src->bdev))
		return -EPERM;
	return IS_SWAPFILE(src->file->f_mapping->host) ? -ETXTBSY : 0;
}

/*
 * Is a regular file storage? I/O to it is waited for when a card is unbound, so it must be answered
 * by a drive or by a server that the administrator trusts, not by a process of anybody's (FUSE),
 * and what is made up while it is read (/proc, /sys and their like) is no storage at all. With
 * overlayfs it is the filesystem below that counts.
 */
static bool is_storage(struct file *file)
{
	static const char *const known[] = { "tmpfs", "ramfs", "btrfs", "bcachefs", "zfs", "9p",
					     "nfs",   "nfs4",  "ceph",	"cifs",	    "smb3" };
	struct super_block *sb = d_real_inode(file->f_path.dentry)->i_sb;
	const char *type = sb->s_type->name;

	if (sb->s_bdev)
		return !!strcmp(type, "fuseblk");
	return match_string(known, ARRAY_SIZE(known), type) >= 0;
}

static bool knows_direct(struct file *file)
{
	const char *type = file_inode(file)->i_sb->s_type->name;

	return !strcmp(type, "ext4") || !strcmp(type, "xfs");
}

/*
 * Can a regular file do direct I/O, and in what units? The filesystem's word counts: encryption,
 * journalled data and others forbid it.
 */
static void src_regular(struct smartssd_src *src)
{
	struct block_device *bdev = file_inode(src->file)->i_sb->s_bdev;
	struct kstat stat;

	src->io_align = SECTOR_SIZE;
	src->mem_align = SMARTSSD_MEM_ALIGN;
	if (bdev) {
		src->io_align = bdev_logical_block_size(bdev);
		src->mem_align = max_t(u32, SMARTSSD_MEM_ALIGN, bdev_dma_alignment(bdev) + 1);
	}
	if (!bdev || !knows_direct(src->file) || !(src->file->f_mode & FMODE_CAN_ODIRECT) ||
	    IS_DAX(file_inode(src->file)))
		return;
	if (vfs_getattr(&src->file->f_path, &stat, STATX_DIOALIGN, AT_STATX_SYNC_AS_STAT))
		return;
	if (stat.result_mask & STATX_DIOALIGN) {
		if (!stat.dio_offset_align)
			return;
		src->io_align = max(src->io_align, stat.dio_offset_align);
		src->mem_align = max(src->mem_align, stat.dio_mem_align);
	}
	src->direct = true;
}

static int src_open(struct smartssd_src *src)
{
	struct inode *inode = src->file->f_mapping->host;

	if (!src->file->f_op->read_iter)
		return -EOPNOTSUPP;
	if (S_ISBLK(inode->i_mode)) {
		src->kind = SMARTSSD_FILE_BLOCK;
		src->bdev = I_BDEV(inode);
		src->io_align = bdev_logical_block_size(src->bdev);
		src->mem_align = max_t(u32, SMARTSSD_MEM_ALIGN, bdev_dma_alignment(src->bdev) + 1);
		src->direct = true;
		return 0;
	}
	if (!S_ISREG(file_inode(src->file)->i_mode) || !is_storage(src->file))
		return -EOPNOTSUPP;
	src->kind = SMARTSSD_FILE_REGULAR;
	src_regular(src);
	return 0;
}

int smartssd_ioctl_file_register(struct smartssd_call *call)
{
	struct smartssd_file *arg = call->arg;
	struct smartssd_client *client = call->client;
	struct smartssd_src *src;
	int ret;

	if (arg->flags || arg->pad)
		return -EINVAL;
	src = kzalloc(sizeof(*src), GFP_KERNEL_ACCOUNT);
	if (!src)
		return -ENOMEM;
	src->file = fget(arg->fd);
	if (!src->file) {
		kfree(src);
		return -EBADF;
	}
	kref_init(&src->ref);
	init_rwsem(&src->mixed);
	ret = src_open(src);
	if (ret)
		goto put_src;
	src->reason = smartssd_peer_file(client->sd, src);
	arg->kind = src->kind;
	arg->io_align = src->io_align;
	arg->peer_reason = src->reason;
	arg->bytes = smartssd_src_bytes(src);
	ret = smartssd_id_give(call, &client->srcs, SMARTSSD_MAX_FILES, &arg->file, src);
put_src:
	if (ret)
		smartssd_src_put(src);
	return ret;
}

int smartssd_ioctl_file_unregister(struct smartssd_call *call)
{
	struct smartssd_id *arg = call->arg;
	struct smartssd_src *src = smartssd_id_take(&call->client->srcs, arg->id);

	if (!src)
		return -ENOENT;
	smartssd_src_put(src);
	return 0;
}
