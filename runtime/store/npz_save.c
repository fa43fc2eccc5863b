// SPDX-License-Identifier: BSD-2-Clause
/* Writing .npz, as numpy.savez() does: members stored, ZIP64 sizes in each local header, in the directory where they are needed. */
#include <zlib.h>

#include "../npy.h"
#include "../whole.h"
#include "npz.h"

#define VERSION64  45
#define YEAR_1980  0x21 /* the first of January, in the format of FAT */
#define MAX_PARTS  8
#define MAX_NAME   64
#define IN_ZIP64	   0xffffffffu

struct out {
	uint8_t bytes[MAX_PARTS * (46 + MAX_NAME + 28) + 56 + 20 + 22];
	size_t n;
};

static void put(struct out *o, int bytes, uint64_t v)
{
	for (; bytes > 0; bytes--, v >>= 8)
		o->bytes[o->n++] = (uint8_t)v;
}

static void put_name(struct out *o, const char *name)
{
	memcpy(o->bytes + o->n, name, strlen(name));
	o->n += strlen(name);
}

static void local_header(struct out *o, const char *name, uint32_t crc, uint64_t bytes)
{
	put(o, 4, 0x04034b50);
	put(o, 2, VERSION64);
	put(o, 2, 0); /* flags */
	put(o, 2, 0); /* stored */
	put(o, 2, 0); /* time */
	put(o, 2, YEAR_1980);
	put(o, 4, crc);
	put(o, 4, IN_ZIP64);
	put(o, 4, IN_ZIP64);
	put(o, 2, strlen(name));
	put(o, 2, 20);
	put_name(o, name);
	put(o, 2, 1);
	put(o, 2, 16);
	put(o, 8, bytes);
	put(o, 8, bytes);
}

static void directory_entry(struct out *o, const char *name, uint32_t crc, uint64_t bytes, uint64_t at)
{
	bool far = bytes >= IN_ZIP64 || at >= IN_ZIP64;

	put(o, 4, 0x02014b50);
	put(o, 2, VERSION64 | 3 << 8); /* Unix, for the mode */
	put(o, 2, VERSION64);
	put(o, 2, 0);
	put(o, 2, 0);
	put(o, 2, 0);
	put(o, 2, YEAR_1980);
	put(o, 4, crc);
	put(o, 4, far ? IN_ZIP64 : bytes);
	put(o, 4, far ? IN_ZIP64 : bytes);
	put(o, 2, strlen(name));
	put(o, 2, far ? 28 : 0);
	put(o, 2, 0); /* comment */
	put(o, 2, 0); /* disk */
	put(o, 2, 0);
	put(o, 4, 0644u << 16);
	put(o, 4, far ? IN_ZIP64 : at);
	put_name(o, name);
	if (!far)
		return;
	put(o, 2, 1);
	put(o, 2, 24);
	put(o, 8, bytes);
	put(o, 8, bytes);
	put(o, 8, at);
}

static void end_records(struct out *o, uint32_t nr, uint64_t at)
{
	uint64_t bytes = o->n, far = at >= IN_ZIP64;

	if (far) {
		put(o, 4, 0x06064b50);
		put(o, 8, 44);
		put(o, 2, VERSION64);
		put(o, 2, VERSION64);
		put(o, 4, 0);
		put(o, 4, 0);
		put(o, 8, nr);
		put(o, 8, nr);
		put(o, 8, bytes);
		put(o, 8, at);
		put(o, 4, 0x07064b50);
		put(o, 4, 0);
		put(o, 8, at + bytes);
		put(o, 4, 1);
	}
	put(o, 4, 0x06054b50);
	put(o, 2, 0);
	put(o, 2, 0);
	put(o, 2, nr);
	put(o, 2, nr);
	put(o, 4, bytes);
	put(o, 4, far ? IN_ZIP64 : at);
	put(o, 2, 0);
}

int npz_save(const char *path, const struct npz_part *parts, uint32_t nr, struct smartssd_error *err)
{
	struct out directory = { .n = 0 };
	struct smartssd_whole file;
	uint64_t at = 0;
	int ret = nr > MAX_PARTS ? smartssd_fail(err, -EINVAL, "%s: %u members; up to %u are possible", path, nr, MAX_PARTS) : 0;

	if (!ret)
		ret = smartssd_whole_begin(&file, path, err);
	if (ret)
		return ret;
	for (uint32_t i = 0; !ret && i < nr; i++) {
		const struct npz_part *p = &parts[i];
		char head[SMARTSSD_NPY_HEADER];
		uint64_t n = p->array ? (uint64_t)smartssd_npy_header(p->array, head) : 0, bytes = n + p->bytes;
		uint32_t crc = (uint32_t)crc32_z(crc32_z(0, (const uint8_t *)head, n), p->data, p->bytes);
		struct out local = { .n = 0 };

		if (strlen(p->name) > MAX_NAME) {
			ret = -EINVAL;
			break;
		}
		local_header(&local, p->name, crc, bytes);
		directory_entry(&directory, p->name, crc, bytes, at);
		ret = smartssd_whole_write(&file, local.bytes, local.n);
		if (!ret)
			ret = smartssd_whole_write(&file, head, n);
		if (!ret)
			ret = smartssd_whole_write(&file, p->data, p->bytes);
		at += local.n + bytes;
	}
	end_records(&directory, nr, at);
	if (!ret)
		ret = smartssd_whole_write(&file, directory.bytes, directory.n);
	ret = smartssd_whole_end(&file, ret);
	return ret ? smartssd_fail(err, ret, "%s: cannot be written (%llu bytes): %s", path, (unsigned long long)at, strerror(-ret)) : 0;
}
