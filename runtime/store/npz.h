/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * .npz: a ZIP archive (PKWARE APPNOTE.TXT) of .npy files. Read: members that are stored or deflated, as numpy.savez() and numpy.savez_compressed()
 * write them, ZIP64 included.
 * Written: stored ones. Nothing that an archive says is believed before it is checked.
 */
#ifndef SMARTSSD_STORE_NPZ_H
#define SMARTSSD_STORE_NPZ_H

#include "../libsmartssd.h"

struct npz {
	int fd;
	const char *path; /* the caller's; in error texts */
	uint8_t *directory;
	uint64_t directory_bytes, directory_at;
};

struct npz_member {
	uint16_t method;
	uint32_t crc;
	uint64_t packed, bytes, at; /* at: of its local header */
};

int npz_open(const char *path, struct npz *out, struct smartssd_error *err);
void npz_close(struct npz *z);
/* -ENOENT without text: no such member. -EBADMSG: the directory is damaged. */
int npz_find(const struct npz *z, const char *name, struct npz_member *out, struct smartssd_error *err);
/* All of it, unpacked, CRC checked; free(). A 0 is behind it. */
int npz_read(const struct npz *z, const char *name, const struct npz_member *m, void **data, struct smartssd_error *err);

struct npz_part {
	const char *name;
	const struct smartssd_array *array; /* a .npy header for it comes before data; NULL: data alone */
	const void *data;
	uint64_t bytes;
};

/* Whole or not at all. The same bytes each time: files in it are of 1980. */
int npz_save(const char *path, const struct npz_part *parts, uint32_t nr, struct smartssd_error *err);

#endif
