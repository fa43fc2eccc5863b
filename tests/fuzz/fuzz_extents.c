// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as a list of extents, against arithmetic that cannot wrap. */
#include "../../driver/core/core.h"
#include "fuzz.h"

#define MAX_EXTENTS 400

typedef unsigned __int128 wide;

struct head {
	u64 bo_bytes, file_bytes, max_bytes;
	u32 io_align, write;
};

const char *const fuzz_words[] = { NULL };

void fuzz_seeds(void (*add)(const void *data, size_t bytes))
{
	struct {
		struct head head;
		struct smartssd_extent ext[8];
	} in = { { 1 << 20, 1 << 30, 8192, 512, 0 }, { { 0 } } };

	for (u32 i = 0; i < 8; i++)
		in.ext[i] = (struct smartssd_extent){ i / 3 * 65536 + i * 4096, i * 4096, 4096 };
	add(&in, sizeof(in));
	in.head.write = 1;
	in.head.max_bytes = ~0ull;
	add(&in, sizeof(in));
}

static int oracle(const struct head *h, const struct smartssd_extent *e)
{
	wide bo_end = (wide)e->bo_offset + e->bytes, file_end = (wide)e->file_offset + e->bytes;

	if (!e->bytes)
		return -EINVAL;
	if (bo_end >> 64 || file_end >> 64)
		return -EOVERFLOW;
	if (bo_end > h->bo_bytes)
		return -EINVAL;
	return (h->write ? file_end <= h->file_bytes : e->file_offset < h->file_bytes) ? 0 : -EINVAL;
}

static void check_merge(const struct smartssd_extent *in, u32 nr, const struct smartssd_extent *out, u32 nr_out, const u32 *origin, u64 max)
{
	u32 k, i = 0;

	fuzz_check(nr_out <= nr && (!nr || nr_out));
	for (k = 0; k < nr_out; k++) {
		wide file = in[i].file_offset, bo = in[i].bo_offset, sum = 0;
		u32 end = k + 1 < nr_out ? origin[k + 1] : nr, first = i;

		fuzz_check(origin[k] == i && end > i && end <= nr);
		fuzz_check(out[k].file_offset == in[i].file_offset && out[k].bo_offset == in[i].bo_offset);
		for (; i < end; i++) {
			fuzz_check(in[i].file_offset == file && in[i].bo_offset == bo);
			file += in[i].bytes;
			bo += in[i].bytes;
			sum += in[i].bytes;
		}
		fuzz_check(out[k].bytes == sum && (end == first + 1 || sum <= max));
		if (i < nr)
			fuzz_check(in[i].file_offset != file || in[i].bo_offset != bo || sum + in[i].bytes > max);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct smartssd_extent in[MAX_EXTENTS], out[MAX_EXTENTS];
	static u32 origin[MAX_EXTENTS];
	u32 nr, bad = ~0u, nr_out;
	struct head h;
	char words[2] = { 0 };
	int err, want = 0;

	if (bytes < sizeof(h))
		return 0;
	memcpy(&h, data, sizeof(h));
	nr = (bytes - sizeof(h)) / sizeof(in[0]) < MAX_EXTENTS ? (bytes - sizeof(h)) / sizeof(in[0]) : MAX_EXTENTS;
	memcpy(in, data + sizeof(h), nr * sizeof(in[0]));

	err = smartssd_check_extents(in, nr, h.bo_bytes, h.file_bytes, h.write, &bad);
	for (u32 i = 0; i < nr && !want; i++) {
		want = oracle(&h, &in[i]);
		if (want)
			fuzz_check(bad == i);
	}
	fuzz_check(err == want);
	for (u32 i = 0; i < nr; i++)
		for (u32 shift = 0; shift < 32; shift += 3)
			fuzz_check(smartssd_extent_aligned(&in[i], 1u << shift, 4) ==
				   (in[i].file_offset % (1u << shift) == 0 && in[i].bytes % (1u << shift) == 0 && in[i].bo_offset % 4 == 0));

	/* Merging must be sound for what was not checked too. */
	memcpy(out, in, nr * sizeof(in[0]));
	nr_out = smartssd_merge_extents(out, nr, h.max_bytes, origin);
	check_merge(in, nr, out, nr_out, origin, h.max_bytes);
	words[0] = 'a' + (nr_out < nr) + 2 * !!h.write + 4 * (nr > 8);
	fuzz_outcome(err, words);
	return 0;
}
