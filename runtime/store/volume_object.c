// SPDX-License-Identifier: BSD-2-Clause
/* Opening for direct reads and writes, and reads and writes of any alignment through them. */
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "volume_impl.h"

#define BOUNCE (1u << 20)

/* What direct reads and writes must be aligned to; 0: there are none. */
static uint32_t direct_align(int fd)
{
	struct statx stx;
	struct stat st;
	uint32_t align = VOLUME_ALIGN;
	int sector;

	if (fstat(fd, &st))
		return 0;
	if (S_ISBLK(st.st_mode)) {
		if (ioctl(fd, BLKSSZGET, &sector) || sector <= 0)
			return 0;
		align = (uint32_t)sector;
	} else if (!statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) && stx.stx_mask & STATX_DIOALIGN) {
		if (!stx.stx_dio_offset_align)
			return 0;
		align = max_u64(stx.stx_dio_offset_align, stx.stx_dio_mem_align);
	}
	align = max_u64(align, 512);
	return align <= VOLUME_ALIGN && !(align & (align - 1)) ? align : 0;
}

int volume_open_direct(int folder, const char *name, int flags, uint32_t *align)
{
	int fd = openat(folder, name, flags | O_DIRECT | O_CLOEXEC);

	if (fd >= 0) {
		*align = direct_align(fd);
		if (*align)
			return fd;
		close(fd);
	} else if (errno != EINVAL) {
		return -errno;
	}
	*align = 1;
	fd = openat(folder, name, flags | O_CLOEXEC);
	return fd >= 0 ? fd : -errno;
}

void volume_close_object(struct volume_object *o)
{
	if (o->fd >= 0)
		close(o->fd);
	o->fd = -1;
}

/* All of it, aligned as the descriptor wants it. */
static int transfer(int fd, bool write, uint8_t *data, size_t bytes, uint64_t at)
{
	while (bytes) {
		size_t part = min_u64(bytes, 1u << 30);
		ssize_t n = write ? pwrite(fd, data, part, (off_t)at) : pread(fd, data, part, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		data += n;
		bytes -= (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}

/* By way of a buffer: whole blocks around at..at+bytes of the device. */
static int bounce(int fd, bool write, uint8_t *data, size_t bytes, uint64_t at, uint32_t align)
{
	size_t room = min_u64(BOUNCE, align_up(bytes, align) + align);
	uint8_t *buffer = aligned_alloc(align, room);
	int ret = buffer ? 0 : -ENOMEM;

	while (!ret && bytes) {
		uint64_t from = align_down(at, align), head = at - from;
		size_t part = min_u64(bytes, room - head), whole = align_up(head + part, align);

		if (!write || head || part != whole)
			ret = transfer(fd, false, buffer, whole, from);
		if (!ret && !write)
			memcpy(data, buffer + head, part);
		if (!ret && write) {
			memcpy(buffer + head, data, part);
			ret = transfer(fd, true, buffer, whole, from);
		}
		data += part;
		bytes -= part;
		at += part;
	}
	free(buffer);
	return ret;
}

static int read_or_write(const struct volume_object *o, bool write, void *data, size_t bytes, uint64_t at)
{
	uint32_t align = o->align ? o->align : VOLUME_ALIGN;

	if (at > o->bytes || bytes > o->bytes - at)
		return -EIO;
	at += o->offset;
	if ((at | bytes | (uintptr_t)data) & (align - 1))
		return bounce(o->fd, write, data, bytes, at, align);
	return transfer(o->fd, write, data, bytes, at);
}

int volume_pread(const struct volume_object *o, void *data, size_t bytes, uint64_t at)
{
	return read_or_write(o, false, data, bytes, at);
}

int volume_pwrite(const struct volume_object *o, const void *data, size_t bytes, uint64_t at)
{
	return read_or_write(o, true, (void *)(uintptr_t)data, bytes, at);
}

int volume_sync_object(const struct volume_object *o)
{
	while (fdatasync(o->fd))
		if (errno != EINTR)
			return -errno;
	return 0;
}
