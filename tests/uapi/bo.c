// SPDX-License-Identifier: BSD-2-Clause
/* Buffer objects: contents, mapping, limits, sharing. */
#include "uapi_test.h"

UT_FIXTURE(bo);

TEST_F(bo, zero_bytes_is_EINVAL)
{
	struct smartssd_bo b = { .size = sizeof(b) };

	EXPECT_EQ(-EINVAL, smartssd_ioctl(self->dev, SMARTSSD_IOC_BO_CREATE, &b));
}

TEST_F(bo, too_large_is_refused)
{
	struct smartssd_bo b = { .size = sizeof(b), .bytes = 1ull << 40 };
	int ret;

	EXPECT_EQ(-ENOMEM, smartssd_ioctl(self->dev, SMARTSSD_IOC_BO_CREATE, &b));
	b.bytes = ~0ull;
	ret = smartssd_ioctl(self->dev, SMARTSSD_IOC_BO_CREATE, &b);
	EXPECT_TRUE(ret == -EOVERFLOW || ret == -ENOMEM);
}

TEST_F(bo, size_is_rounded_up)
{
	struct smartssd_query q;
	struct smartssd_bo b = { .size = sizeof(b), .bytes = 1 };

	ASSERT_EQ(0, smartssd_query(self->dev, &q));
	ASSERT_EQ(0, smartssd_ioctl(self->dev, SMARTSSD_IOC_BO_CREATE, &b));
	EXPECT_EQ(q.bo_align, b.bytes);
	EXPECT_NE(0, b.bo);
	EXPECT_EQ(0, b.address % q.bo_align);
	EXPECT_LE(b.address + b.bytes, q.ddr_bytes);
}

TEST_F(bo, memory_is_used_up_and_comes_back)
{
	struct smartssd_query q;
	struct smartssd_bo b;
	uint32_t ids[4096];
	uint64_t before;
	int n = 0, i;

	ASSERT_EQ(0, smartssd_query(self->dev, &q));
	before = q.ddr_free;
	while (n < 4096 && !smartssd_bo_create(self->dev, 8 << 20, &b))
		ids[n++] = b.bo;
	EXPECT_LT(3, n);
	EXPECT_EQ(-ENOMEM, smartssd_bo_create(self->dev, 8 << 20, &b));
	for (i = 0; i < n; i++)
		EXPECT_EQ(0, smartssd_bo_destroy(self->dev, ids[i]));
	ASSERT_EQ(0, smartssd_query(self->dev, &q));
	EXPECT_EQ(before, q.ddr_free);
}

TEST_F(bo, destroyed_id_is_ENOENT)
{
	uint32_t id = ut_bo(self->dev, 4096);
	struct smartssd_bo_fd e = { .size = sizeof(e), .bo = id };

	ASSERT_NE(0, id);
	EXPECT_EQ(0, smartssd_bo_destroy(self->dev, id));
	EXPECT_EQ(-ENOENT, smartssd_bo_destroy(self->dev, id));
	EXPECT_EQ(-ENOENT, smartssd_bo_destroy(self->dev, 0));
	EXPECT_EQ(-ENOENT, smartssd_ioctl(self->dev, SMARTSSD_IOC_BO_EXPORT, &e));
}

TEST_F(bo, memory_is_zero_also_when_it_was_somebody_elses)
{
	struct smartssd_bo b;
	uint64_t *map, i, sum = 0;
	int round;

	for (round = 0; round < 4; round++) {
		ASSERT_EQ(0, smartssd_bo_create(self->dev, 4 << 20, &b));
		ASSERT_EQ(0, smartssd_bo_map(self->dev, &b, (void **)&map));
		for (i = 0; i < b.bytes / 8; i++)
			sum |= map[i];
		memset(map, 0xa5, b.bytes);
		ASSERT_EQ(0, smartssd_bo_unmap(self->dev, &b, map));
		ASSERT_EQ(0, smartssd_bo_destroy(self->dev, b.bo));
	}
	EXPECT_EQ(0, sum);
}

TEST_F(bo, mapping_is_the_memory)
{
	struct smartssd_bo b;
	uint8_t *a, *c;
	uint8_t got[64], want[64];
	struct smartssd_cmd cmd;

	ASSERT_EQ(0, smartssd_bo_create(self->dev, 65536, &b));
	ASSERT_EQ(0, smartssd_bo_map(self->dev, &b, (void **)&a));
	ASSERT_EQ(0, smartssd_bo_map(self->dev, &b, (void **)&c));
	memset(a + 4000, 7, 200);
	EXPECT_EQ(7, c[4100]);
	cmd = ut_copy_from(got, b.bo, 4100, sizeof(got));
	ASSERT_EQ(0, ut_run(self->dev, &cmd, 1, NULL));
	memset(want, 7, sizeof(want));
	EXPECT_EQ(0, memcmp(want, got, sizeof(want)));
	memset(want, 9, sizeof(want));
	cmd = ut_copy_to(b.bo, 1, want, sizeof(want));
	ASSERT_EQ(0, ut_run(self->dev, &cmd, 1, NULL));
	EXPECT_EQ(0, memcmp(a + 1, want, sizeof(want)));
	EXPECT_EQ(0, a[0]);
}

TEST_F(bo, mapping_outlives_the_handle)
{
	struct smartssd_bo b;
	struct smartssd_query q;
	uint64_t during;
	uint8_t *a;

	ASSERT_EQ(0, smartssd_bo_create(self->dev, 65536, &b));
	ASSERT_EQ(0, smartssd_bo_map(self->dev, &b, (void **)&a));
	a[65535] = 1;
	ASSERT_EQ(0, smartssd_bo_destroy(self->dev, b.bo));
	EXPECT_EQ(1, a[65535]);
	ASSERT_EQ(0, smartssd_query(self->dev, &q));
	during = q.ddr_free;
	a[0] = 2;
	ASSERT_EQ(0, smartssd_bo_unmap(self->dev, &b, a));
	ASSERT_EQ(0, smartssd_query(self->dev, &q));
	EXPECT_EQ(during + 65536, q.ddr_free);
}

TEST_F(bo, mapping_beyond_the_end_is_refused)
{
	struct smartssd_bo b;
	void *p;

	ASSERT_EQ(0, smartssd_bo_create(self->dev, 8192, &b));
	b.bytes += 4096;
	EXPECT_EQ(-EINVAL, smartssd_bo_map(self->dev, &b, &p));
	b.bytes = 8192;
	b.mmap_offset += 1ull << 44;
	EXPECT_NE(0, smartssd_bo_map(self->dev, &b, &p));
}

/* What the vendor's programs do: pread from the drive straight into a mapped BO. */
TEST_F(bo, pread_into_a_mapping)
{
	struct smartssd_query q;
	struct smartssd_bo b;
	uint8_t *map;
	uint64_t i;
	int fd;

	ASSERT_EQ(0, smartssd_query(self->dev, &q));
	fd = ut_file(1 << 20, O_RDONLY | O_DIRECT);
	if (fd < 0)
		SKIP(return, "no O_DIRECT in %s", ut_dir());
	ASSERT_EQ(0, smartssd_bo_create(self->dev, 1 << 20, &b));
	ASSERT_EQ(0, smartssd_bo_map(self->dev, &b, (void **)&map));
	if (pread(fd, map, 1 << 20, 0) != 1 << 20) {
		if (!(q.features & SMARTSSD_FEATURE_USER_PEER))
			SKIP(return, "this kernel does not pass user's peer pages on");
		ASSERT_EQ(0, errno);
	}
	for (i = 0; i < 1 << 20; i++)
		if (map[i] != ut_byte(i))
			break;
	EXPECT_EQ(1 << 20, i);
	close(fd);
}

TEST_F(bo, export_and_import_share_the_memory)
{
	struct smartssd_bo b;
	struct smartssd_bo_fd e = { .size = sizeof(e) }, im = { .size = sizeof(im) };
	uint8_t in[256], out[256];
	struct smartssd_cmd cmd;
	int flags;

	memset(in, 0x5a, sizeof(in));
	ASSERT_EQ(0, smartssd_bo_create(self->dev, 8192, &b));
	e.bo = b.bo;
	ASSERT_EQ(0, smartssd_ioctl(self->dev, SMARTSSD_IOC_BO_EXPORT, &e));
	ASSERT_LE(0, e.fd);
	EXPECT_EQ(8192, e.bytes);
	EXPECT_EQ(8192, lseek(e.fd, 0, SEEK_END));
	flags = fcntl(e.fd, F_GETFD);
	EXPECT_TRUE(flags & FD_CLOEXEC);
	im.fd = e.fd;
	ASSERT_EQ(0, smartssd_ioctl(self->dev, SMARTSSD_IOC_BO_IMPORT, &im));
	EXPECT_EQ(8192, im.bytes);
	close(e.fd);
	cmd = ut_copy_to(b.bo, 4096, in, sizeof(in));
	ASSERT_EQ(0, ut_run(self->dev, &cmd, 1, NULL));
	ASSERT_EQ(0, smartssd_bo_destroy(self->dev, b.bo));
	cmd = ut_copy_from(out, im.bo, 4096, sizeof(out));
	ASSERT_EQ(0, ut_run(self->dev, &cmd, 1, NULL));
	EXPECT_EQ(0, memcmp(in, out, sizeof(in)));
}

TEST_F(bo, imported_own_bo_is_an_argument)
{
	struct smartssd_bo b;
	struct ut_tk a;
	struct smartssd_cmd cmd;
	uint32_t id, *map;
	uint64_t bytes;
	int fd;

	ASSERT_EQ(0, smartssd_bo_create(self->dev, 4096, &b));
	ASSERT_EQ(0, smartssd_bo_map(self->dev, &b, (void **)&map));
	ASSERT_EQ(0, smartssd_bo_export(self->dev, b.bo, &fd));
	ASSERT_EQ(0, smartssd_bo_import(self->dev, fd, &id, &bytes));
	map[0] = 41;
	cmd = ut_tk_cmd(&a, id, id, 1, TK_ADD);
	ASSERT_EQ(0, ut_run(self->dev, &cmd, 1, NULL));
	EXPECT_EQ(42, map[0]);
	close(fd);
}

TEST_F(bo, bad_imports)
{
	struct smartssd_bo_fd im = { .size = sizeof(im), .fd = -1 };
	int p[2];

	EXPECT_EQ(-EBADF, smartssd_ioctl(self->dev, SMARTSSD_IOC_BO_IMPORT, &im));
	ASSERT_EQ(0, pipe(p));
	im.fd = p[0];
	EXPECT_EQ(-EINVAL, smartssd_ioctl(self->dev, SMARTSSD_IOC_BO_IMPORT, &im));
}

TEST_F(bo, ids_belong_to_the_open_file)
{
	struct smartssd_device *other;
	uint32_t id = ut_bo(self->dev, 4096);
	char buf[16];
	struct smartssd_cmd cmd = ut_copy_from(buf, id, 0, sizeof(buf));

	ASSERT_NE(0, id);
	ASSERT_EQ(0, ut_open(&other));
	EXPECT_EQ(-ENOENT, ut_submit(other, &cmd, 1, NULL, NULL));
	EXPECT_EQ(-ENOENT, smartssd_bo_destroy(other, id));
	smartssd_close(other);
}

TEST_F(bo, many_small_ones)
{
	struct smartssd_bo b;
	uint32_t ids[2000];
	int i;

	for (i = 0; i < 2000; i++) {
		ASSERT_EQ(0, smartssd_bo_create(self->dev, 1, &b));
		ids[i] = b.bo;
	}
	for (i = 0; i < 2000; i += 2)
		ASSERT_EQ(0, smartssd_bo_destroy(self->dev, ids[i]));
	for (i = 0; i < 2000; i += 2) {
		ASSERT_EQ(0, smartssd_bo_create(self->dev, 4096, &b));
		ids[i] = b.bo;
	}
	for (i = 0; i < 2000; i++)
		ASSERT_EQ(0, smartssd_bo_destroy(self->dev, ids[i]));
}

TEST_F(bo, handles_are_limited)
{
	uint32_t id = ut_bo(self->dev, 4096), again = 0, i;
	uint64_t bytes;
	int fd, ret = 0;

	ASSERT_NE(0, id);
	ASSERT_EQ(0, smartssd_bo_export(self->dev, id, &fd));
	for (i = 1; i <= SMARTSSD_MAX_BOS && !ret; i++)
		ret = smartssd_bo_import(self->dev, fd, &again, &bytes);
	EXPECT_EQ(-EBUSY, ret);
	EXPECT_EQ(SMARTSSD_MAX_BOS + 1, i);
	EXPECT_EQ(0, smartssd_bo_destroy(self->dev, again));
	EXPECT_EQ(0, smartssd_bo_import(self->dev, fd, &again, &bytes));
	close(fd);
}

TEST_HARNESS_MAIN
