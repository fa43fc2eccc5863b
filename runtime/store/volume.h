/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A volume: a place for objects (long runs of bytes) and for one small text, its manifest, that is replaced whole or not at all. Either a folder,
 * where objects are files, or a raw namespace (/dev/nvmeXnY, or a file of at least VOLUME_MIN_RAW bytes in the place of one), where objects are
 * runs of blocks. What is above does not see the difference: an object is a file descriptor, an offset and a length, which can be registered
 * with a card.
 *
 * Raw layout (volume_slot.h): block 0 of 4096 bytes: magic, version, UUID. Then two slots of VOLUME_SLOT bytes each: {magic, UUID, sequence, bytes,
 * CRC-32C, JSON: {"generation", "manifest": text, "objects": [[name, offset, bytes], ...]}}; the valid one with the higher sequence counts. A change is
 * written into the other slot first, and, once it is durable there, into this one too: so there are two copies. Then objects, aligned to 4096.
 * A folder: file "volume.json" (magic, UUID), "manifest.json" (generation, CRC-32C, text), replaced by rename and fsync of the folder; objects:
 * "NAME.obj".
 *
 * Processes: one writer (a second is refused with -EBUSY; the message names its process where it can be known), any number of readers. Byte-range
 * locks (F_OFD_SETLK) on the file "lock", or on the device: byte 0 the writer's; on a device also byte 1, for the moment in which slots are read
 * (shared) or written, and the bytes of each object that somebody has open (shared): room of a removed object is used again when nobody, in
 * whichever process, has it open. A writer also claims a block device (O_EXCL), so one that is mounted is refused.
 *
 * Threads: a volume, and an object, may be used by several at once.
 */
#ifndef SMARTSSD_STORE_VOLUME_H
#define SMARTSSD_STORE_VOLUME_H

#include <stdbool.h>
#include "../libsmartssd.h"

#define VOLUME_SLOT	(4u << 20)
#define VOLUME_MIN_RAW	(64ull << 20)
#define VOLUME_ALIGN	4096u /* of objects' offsets and sizes */
#define VOLUME_NAME	64 /* bytes of an object's name with its 0: [a-z0-9._-], begins with a letter or digit */

struct volume;

struct volume_object {
	int fd; /* O_DIRECT where the filesystem has it, else plain; the object's own: volume_close_object() */
	uint32_t align;	 /* offsets, lengths and addresses for reads and writes of fd are multiples of this; 1: it is not O_DIRECT */
	uint64_t offset; /* of the object's first byte */
	uint64_t bytes;	 /* a multiple of VOLUME_ALIGN: what was asked for, rounded up */
};

#define VOLUME_READ   0
#define VOLUME_WRITE  1 /* takes the writer's lock */
#define VOLUME_CREATE 2 /* with VOLUME_WRITE: makes an empty volume where there is none (a folder that does not exist or is empty; a namespace
			   without a magic is refused with -EEXIST unless VOLUME_FORCE) */
#define VOLUME_FORCE  4
#define VOLUME_LATER  8 /* with VOLUME_CREATE: everything is checked, but where there is no volume none is made before volume_make(), see there */

/* -ENOENT, -EBUSY, -EBADMSG (not a volume, damaged: says what), -EEXIST, -EACCES, ... with text. */
int volume_open(const char *path, unsigned int flags, struct volume **out, struct smartssd_error *err);
void volume_close(struct volume *v);
/*
 * Opened with VOLUME_LATER, and there is no volume yet: nothing was written. Until volume_make() only volume_path(), volume_same() and volume_close() are
 * for it. -EBUSY: another process made a volume there meanwhile.
 */
bool volume_is_new(const struct volume *v);
int volume_make(struct volume *v, struct smartssd_error *err);
bool volume_same(const struct volume *a, const struct volume *b); /* one place, by whatever name */

const char *volume_path(const struct volume *v);
const char *volume_uuid(const struct volume *v); /* 36 characters */
uint32_t volume_block(const struct volume *v);	 /* smallest direct read: 512 to 4096 */
uint64_t volume_free(struct volume *v);		 /* bytes; on a raw namespace perhaps not in one piece */

/* The last committed manifest, 0-terminated, caller's to free(); "" and generation 0 when there was none. Read anew each time. */
int volume_load(struct volume *v, char **text, uint64_t *generation, struct smartssd_error *err);
/*
 * Durable when it returns 0; else the old one is still there, but for a folder that cannot be synced (-EIO of the drive): then either may be. @text:
 * UTF-8. -ENOSPC, -EFBIG (above VOLUME_SLOT / 2, or no room for it beside the list of objects), -EBADF (not the writer).
 */
int volume_save(struct volume *v, const char *text, struct smartssd_error *err);

/*
 * Objects. Creating reserves all of its room (-ENOSPC with how much is missing), and is durable and whole or not at all when it returns; -EEXIST. The
 * first VOLUME_ALIGN bytes are 0; what an earlier object left in the others may be read from it. What is written is durable with
 * volume_sync_object(). On a raw namespace, creating and removing rewrite the slots. -EBADF: not the writer. -ENOENT: no such object.
 */
int volume_create_object(struct volume *v, const char *name, uint64_t bytes, struct volume_object *out, struct smartssd_error *err);
int volume_open_object(struct volume *v, const char *name, bool write, struct volume_object *out, struct smartssd_error *err);
int volume_remove_object(struct volume *v, const char *name, struct smartssd_error *err); /* open ones stay readable */
/* Sorted; caller's to free(). */
int volume_list_objects(struct volume *v, char (**names)[VOLUME_NAME], uint32_t *nr, struct smartssd_error *err);
void volume_close_object(struct volume_object *o);
/*
 * Reads and writes at any alignment, for tools: never short. -EIO at the end of the object. What is not aligned (volume_object.align) is written by
 * reading and writing its whole block: two threads do not write into one block at once.
 */
int volume_pread(const struct volume_object *o, void *data, size_t bytes, uint64_t at);
int volume_pwrite(const struct volume_object *o, const void *data, size_t bytes, uint64_t at);
int volume_sync_object(const struct volume_object *o);

#endif
