// SPDX-License-Identifier: BSD-2-Clause
/* Registered files: what they are, and a descriptor of our own that outlives the caller's. */
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "emu_impl.h"

void emu_file_put(struct emu_file *file)
{
	if (atomic_fetch_sub(&file->refs, 1) != 1)
		return;
	close(file->fd);
	if (file->direct >= 0)
		close(file->direct);
	free(file);
}

int emu_file_bytes(const struct emu_file *file, u64 *bytes)
{
	struct stat st;

	if (file->kind == SMARTSSD_FILE_BLOCK)
		return ioctl(file->fd, BLKGETSIZE64, bytes) ? -errno : 0;
	if (fstat(file->fd, &st))
		return -errno;
	*bytes = st.st_size;
	return 0;
}

/*
 * O_DIRECT would refuse odd pieces, and belongs to the open description, which we share with the caller. So such a file gets an
 * open of its own, with the same access. That takes the right to open the file now, which who got the descriptor from somebody else
 * may not have (and /proc): EACCES, whatever it was that failed.
 */
static int own_descriptor(int fd, int flags)
{
	char path[40];
	int own;

	if (flags & O_DIRECT) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		own = open(path, (flags & (O_ACCMODE | O_APPEND)) | O_CLOEXEC);
	} else {
		own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	}
	if (own < 0 && flags & O_DIRECT && (errno == EACCES || errno == EPERM || errno == ENOENT || errno == ELOOP))
		return -EACCES;
	return own < 0 ? -errno : own;
}

/*
 * What is aligned for it goes past the page cache, as a drive's own DMA does, when that is how the caller opened it. Memory: that of offsets will do.
 */
static void find_direct(struct emu_file *file, int fd, int flags)
{
	struct statx st;

	file->direct = -1;
	if (!(flags & O_DIRECT) || statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) || !(st.stx_mask & STATX_DIOALIGN) || !st.stx_dio_offset_align)
		return;
	file->direct_align = st.stx_dio_offset_align > st.stx_dio_mem_align ? st.stx_dio_offset_align : st.stx_dio_mem_align;
	file->direct = fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

int emu_file_register(struct emu *emu, struct smartssd_file *arg)
{
	struct emu_file *file;
	struct stat st;
	u64 bytes;
	int flags, sector, ret;

	if (arg->flags || arg->pad)
		return -EINVAL;
	flags = fcntl(arg->fd, F_GETFL);
	if (flags < 0 || flags & O_PATH || fstat(arg->fd, &st))
		return -EBADF;
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return -EOPNOTSUPP;
	file = calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	file->fd = own_descriptor(arg->fd, flags);
	if (file->fd < 0) {
		ret = file->fd;
		free(file);
		return ret;
	}
	atomic_init(&file->refs, 1);
	find_direct(file, arg->fd, flags);
	file->kind = S_ISBLK(st.st_mode) ? SMARTSSD_FILE_BLOCK : SMARTSSD_FILE_REGULAR;
	file->readable = (flags & O_ACCMODE) != O_WRONLY;
	/* Writing at a place of one's choice is not what an append-only descriptor was opened for. */
	file->writable = (flags & O_ACCMODE) != O_RDONLY && !(flags & O_APPEND);
	file->peer_reason = emu->peer_reason;
	file->io_align = EMU_IO_ALIGN;
	if (S_ISBLK(st.st_mode) && !ioctl(file->fd, BLKSSZGET, &sector))
		file->io_align = sector;
	ret = emu_file_bytes(file, &bytes);
	if (!ret) {
		pthread_mutex_lock(&emu->lock);
		ret = emu_ids_add(&emu->files, file, &arg->file);
		pthread_mutex_unlock(&emu->lock);
	}
	if (ret) {
		emu_file_put(file);
		return ret;
	}
	arg->kind = file->kind;
	arg->io_align = file->io_align;
	arg->peer_reason = file->peer_reason;
	arg->bytes = bytes;
	return 0;
}

int emu_file_unregister(struct emu *emu, struct smartssd_id *id)
{
	struct emu_file *file;

	pthread_mutex_lock(&emu->lock);
	file = emu_ids_remove(&emu->files, id->id);
	pthread_mutex_unlock(&emu->lock);
	if (!file)
		return -ENOENT;
	emu_file_put(file);
	return 0;
}
