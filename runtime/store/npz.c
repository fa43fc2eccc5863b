// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reading .npz. The end of a ZIP archive says where its directory is, the directory where members are, how long, packed how, with what CRC; a
 * member's own header is only
 * skipped. Numbers of 16 or 32 bits that are all ones stand for larger ones elsewhere (ZIP64).
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "../private.h"
#include "npz.h"

#define END_BYTES	 22
#define END64_BYTES	 56
#define LOCATOR64_BYTES	 20
#define ENTRY_BYTES	 46
#define LOCAL_BYTES	 30
#define MAX_COMMENT	 65535
#define MAX_DIRECTORY	 (16u << 20)
#define DEFLATE_AT_MOST	 1032 /* bytes that a byte of deflated data can become */
#define CHUNK		 (256u << 10)

static uint64_t get(const uint8_t *p, int bytes)
{
	uint64_t v = 0;

	while (bytes-- > 0)
		v = v << 8 | p[bytes];
	return v;
}

static int damaged(const struct npz *z, const char *what, struct smartssd_error *err)
{
	return smartssd_fail(err, -EBADMSG, "%s: damaged .npz: %s; write it again with np.savez", z->path, what);
}

static int read_at(const struct npz *z, void *data, uint64_t bytes, uint64_t at, struct smartssd_error *err)
{
	int ret = smartssd_read_all(z->fd, data, bytes, at);

	return ret ? smartssd_fail(err, ret, "%s: cannot be read: %s", z->path, strerror(-ret)) : 0;
}

/* Where the directory is: the record at the end, behind which there is nothing but its own comment. */
static int find_directory(struct npz *z, uint64_t file_bytes, struct smartssd_error *err)
{
	uint64_t tail = min_u64(file_bytes, END_BYTES + MAX_COMMENT), end = 0;
	uint8_t *p = malloc(tail + 1), far[END64_BYTES];
	int ret = p ? read_at(z, p, tail, file_bytes - tail, err) : smartssd_fail(err, -ENOMEM, "%s: no memory", z->path);
	bool found = false;

	for (uint64_t i = tail; !ret && !found && i >= END_BYTES; i--) {
		end = i - END_BYTES;
		found = get(p + end, 4) == 0x06054b50 && get(p + end + 20, 2) == tail - i;
	}
	if (!ret && !found)
		ret = smartssd_fail(err, -EBADMSG, "%s: not an .npz file, or cut off: it has no ZIP directory; write it with np.savez", z->path);
	if (!ret) {
		z->directory_bytes = get(p + end + 12, 4);
		z->directory_at = get(p + end + 16, 4);
		end += file_bytes - tail;
	}
	if (!ret && (z->directory_bytes == UINT32_MAX || z->directory_at == UINT32_MAX)) {
		uint64_t at = 0;

		if (end < LOCATOR64_BYTES)
			ret = damaged(z, "its ZIP64 directory is missing", err);
		else
			ret = read_at(z, far, LOCATOR64_BYTES, end - LOCATOR64_BYTES, err);
		if (!ret) {
			at = get(far + 8, 8);
			if (get(far, 4) != 0x07064b50 || at > end || end - at < END64_BYTES)
				ret = damaged(z, "its ZIP64 directory is missing", err);
			else
				ret = read_at(z, far, END64_BYTES, at, err);
		}
		if (!ret && get(far, 4) != 0x06064b50)
			ret = damaged(z, "its ZIP64 directory is missing", err);
		if (!ret) {
			z->directory_bytes = get(far + 40, 8);
			z->directory_at = get(far + 48, 8);
		}
	}
	if (!ret && (z->directory_at > end || z->directory_bytes > end - z->directory_at || z->directory_bytes > MAX_DIRECTORY))
		ret = damaged(z, "its directory does not lie inside of the file", err);
	free(p);
	return ret;
}

int npz_open(const char *path, struct npz *out, struct smartssd_error *err)
{
	struct stat st;
	int ret;

	*out = (struct npz){ .fd = smartssd_open_read(path), .path = path };
	if (out->fd < 0)
		return smartssd_fail(err, -errno, "%s: %s", path, strerror(errno));
	if (fstat(out->fd, &st))
		ret = smartssd_fail(err, -errno, "%s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		ret = smartssd_fail(err, -EOPNOTSUPP, "%s is not a regular file", path);
	else
		ret = find_directory(out, (uint64_t)st.st_size, err);
	if (!ret) {
		out->directory = malloc(out->directory_bytes + 1);
		if (!out->directory)
			ret = smartssd_fail(err, -ENOMEM, "%s: no memory", path);
		else
			ret = read_at(out, out->directory, out->directory_bytes, out->directory_at, err);
	}
	if (ret)
		npz_close(out);
	return ret;
}

void npz_close(struct npz *z)
{
	if (z->fd >= 0)
		close(z->fd);
	free(z->directory);
	z->fd = -1;
	z->directory = NULL;
}

/* Numbers that did not fit: in the extra field with id 1, in this order, only those. */
static bool widen(const uint8_t *extra, uint64_t bytes, struct npz_member *m)
{
	uint64_t *wide[3] = { &m->bytes, &m->packed, &m->at };

	while (bytes >= 4) {
		uint64_t id = get(extra, 2), size = get(extra + 2, 2), used = 0;

		if (size > bytes - 4)
			break;
		for (int i = 0; id == 1 && i < 3; i++) {
			if (*wide[i] != UINT32_MAX)
				continue;
			if (size - used < 8)
				return false;
			*wide[i] = get(extra + 4 + used, 8);
			used += 8;
		}
		if (id == 1)
			return true;
		extra += 4 + size;
		bytes -= 4 + size;
	}
	return m->bytes != UINT32_MAX && m->packed != UINT32_MAX && m->at != UINT32_MAX;
}

int npz_find(const struct npz *z, const char *name, struct npz_member *out, struct smartssd_error *err)
{
	const uint8_t *p = z->directory;
	uint64_t left = z->directory_bytes, length = strlen(name);

	while (left) {
		uint64_t n, extra, all;

		if (left < ENTRY_BYTES || get(p, 4) != 0x02014b50)
			return damaged(z, "its directory is malformed", err);
		n = get(p + 28, 2);
		extra = get(p + 30, 2);
		all = ENTRY_BYTES + n + extra + get(p + 32, 2);
		if (all > left)
			return damaged(z, "its directory is cut off", err);
		if (n != length || memcmp(p + ENTRY_BYTES, name, n)) {
			p += all;
			left -= all;
			continue;
		}
		*out = (struct npz_member){
			.method = (uint16_t)get(p + 10, 2),
			.crc = (uint32_t)get(p + 16, 4),
			.packed = get(p + 20, 4),
			.bytes = get(p + 24, 4),
			.at = get(p + 42, 4),
		};
		if (get(p + 8, 2) & 1)
			return smartssd_fail(err, -EOPNOTSUPP, "%s: %s is encrypted; write it with np.savez", z->path, name);
		if (out->method != 0 && out->method != 8)
			return smartssd_fail(err, -EOPNOTSUPP, "%s: %s is compressed by method %u; np.savez and np.savez_compressed use 0 and 8", z->path, name, out->method);
		return widen(p + ENTRY_BYTES + n, extra, out) ? 0 : damaged(z, "a ZIP64 size is missing in its directory", err);
	}
	return -ENOENT;
}

/* -EBADMSG: not exactly @m->bytes bytes come from exactly @m->packed. */
static int inflate_all(const struct npz *z, const struct npz_member *m, uint64_t from, uint8_t *data, struct smartssd_error *err)
{
	uint8_t *chunk = malloc(CHUNK);
	uint64_t in = 0, out = 0;
	z_stream s = { 0 };
	int ret = 0, state = Z_OK;

	if (!chunk || inflateInit2(&s, -MAX_WBITS) != Z_OK) {
		free(chunk);
		return smartssd_fail(err, -ENOMEM, "%s: no memory", z->path);
	}
	while (!ret && state == Z_OK) {
		uint64_t room = min_u64(m->bytes - out, 1u << 30);

		if (!s.avail_in && in < m->packed) {
			s.avail_in = (uInt)min_u64(m->packed - in, CHUNK);
			s.next_in = chunk;
			ret = read_at(z, chunk, s.avail_in, from + in, err);
			in += s.avail_in;
		}
		s.next_out = data + out;
		s.avail_out = (uInt)room;
		if (!ret)
			state = inflate(&s, Z_NO_FLUSH);
		out += room - s.avail_out;
	}
	if (!ret && (state != Z_STREAM_END || out != m->bytes || in != m->packed || s.avail_in))
		ret = damaged(z, "a compressed member is malformed", err);
	inflateEnd(&s);
	free(chunk);
	return ret;
}

int npz_read(const struct npz *z, const char *name, const struct npz_member *m, void **data, struct smartssd_error *err)
{
	uint8_t local[LOCAL_BYTES], *p;
	uint64_t from;
	int ret;

	*data = NULL;
	if (m->at > z->directory_at || z->directory_at - m->at < LOCAL_BYTES)
		return damaged(z, "a member does not lie inside of the file", err);
	ret = read_at(z, local, sizeof(local), m->at, err);
	if (ret)
		return ret;
	from = m->at + LOCAL_BYTES + get(local + 26, 2) + get(local + 28, 2);
	if (get(local, 4) != 0x04034b50 || from > z->directory_at || m->packed > z->directory_at - from)
		return damaged(z, "a member does not lie inside of the file", err);
	/* Before there is memory for it */
	if (m->method ? m->bytes / DEFLATE_AT_MOST > m->packed : m->bytes != m->packed)
		return damaged(z, "a member's size is not possible", err);
	p = malloc(m->bytes + 1);
	if (!p)
		return smartssd_fail(err, -ENOMEM, "%s: no memory for the %llu bytes of %s", z->path, (unsigned long long)m->bytes, name);
	ret = m->method ? inflate_all(z, m, from, p, err) : read_at(z, p, m->bytes, from, err);
	if (!ret && crc32_z(0, p, m->bytes) != m->crc)
		ret = smartssd_fail(err, -EBADMSG, "%s: damaged .npz: the checksum of %s is wrong; copy or write it again", z->path, name);
	if (ret) {
		free(p);
		return ret;
	}
	p[m->bytes] = 0;
	*data = p;
	return 0;
}
