// SPDX-License-Identifier: BSD-2-Clause
/* READ, WRITE and COPY: data against what pread gives, bounds, alignment, paths, exact counters. */
#include "uapi_test.h"

#define FILE_BYTES (1 << 20)

FIXTURE(io)
{
	struct smartssd_device *dev;
	struct smartssd_query q;
	struct smartssd_bo bo;
	struct smartssd_file file;
	uint8_t *map;
	int fd;
};

FIXTURE_SETUP(io)
{
	ASSERT_EQ(0, ut_open(&self->dev));
	ASSERT_EQ(0, smartssd_query(self->dev, &self->q));
	ASSERT_EQ(0, smartssd_bo_create(self->dev, FILE_BYTES, &self->bo));
	ASSERT_EQ(0, smartssd_bo_map(self->dev, &self->bo, (void **)&self->map));
	self->fd = ut_file(FILE_BYTES, O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ut_register(self->dev, self->fd, &self->file));
}

FIXTURE_TEARDOWN(io)
{
	smartssd_close(self->dev);
	close(self->fd);
}

static uint64_t first_wrong(const uint8_t *p, uint64_t from, uint64_t bytes)
{
	uint64_t i;

	for (i = 0; i < bytes; i++)
		if (p[i] != ut_byte(from + i))
			return i;
	return bytes;
}

TEST_F(io, registered_file_is_described)
{
	EXPECT_EQ(SMARTSSD_FILE_REGULAR, self->file.kind);
	EXPECT_EQ(FILE_BYTES, self->file.bytes);
	EXPECT_NE(0, self->file.file);
	EXPECT_LE(512, self->file.io_align);
	EXPECT_GT(SMARTSSD_PEER_NR, self->file.peer_reason);
}

TEST_F(io, bad_registrations)
{
	struct smartssd_file f = { .size = sizeof(f), .fd = -1 };
	int p[2];

	EXPECT_EQ(-EBADF, smartssd_ioctl(self->dev, SMARTSSD_IOC_FILE_REGISTER, &f));
	ASSERT_EQ(0, pipe(p));
	f.fd = p[0];
	EXPECT_EQ(-EOPNOTSUPP, smartssd_ioctl(self->dev, SMARTSSD_IOC_FILE_REGISTER, &f));
	f.fd = open("/", O_RDONLY | O_DIRECTORY);
	EXPECT_EQ(-EOPNOTSUPP, smartssd_ioctl(self->dev, SMARTSSD_IOC_FILE_REGISTER, &f));
	f.fd = open("/dev/null", O_RDWR);
	EXPECT_EQ(-EOPNOTSUPP, smartssd_ioctl(self->dev, SMARTSSD_IOC_FILE_REGISTER, &f));
}

TEST_F(io, registrations_are_limited)
{
	struct rlimit files;
	struct smartssd_file f = { .file = 0 };
	int i, ret = 0;

	/* The embedded card has a descriptor of its own for each. */
	if (self->q.features & SMARTSSD_FEATURE_EMBEDDED) {
		ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &files));
		if (files.rlim_max < SMARTSSD_MAX_FILES + 100)
			SKIP(return, "no more than %llu descriptors", (unsigned long long)files.rlim_max);
		files.rlim_cur = files.rlim_max;
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	}
	for (i = 1; i < SMARTSSD_MAX_FILES && !ret; i++) /* one is there already */
		ret = ut_register(self->dev, self->fd, &f);
	ASSERT_EQ(0, ret);
	EXPECT_EQ(-EBUSY, ut_register(self->dev, self->fd, &f));
	EXPECT_EQ(0, smartssd_file_unregister(self->dev, self->file.file));
	EXPECT_EQ(0, ut_register(self->dev, self->fd, &f));
}

TEST_F(io, unregistered_id_is_ENOENT)
{
	struct smartssd_extent e = { 0, 0, 4096 };
	struct smartssd_cmd cmd = ut_rw_cmd(SMARTSSD_OP_READ, self->file.file, self->bo.bo, &e, 1);

	EXPECT_EQ(0, smartssd_file_unregister(self->dev, self->file.file));
	EXPECT_EQ(-ENOENT, smartssd_file_unregister(self->dev, self->file.file));
	EXPECT_EQ(-ENOENT, ut_submit(self->dev, &cmd, 1, NULL, NULL));
}

TEST_F(io, read_whole_file)
{
	struct smartssd_extent e = { 0, 0, FILE_BYTES };
	struct smartssd_cmd cmd = ut_rw_cmd(SMARTSSD_OP_READ, self->file.file, self->bo.bo, &e, 1);
	struct smartssd_counters c = { .size = sizeof(c) };
	struct smartssd_result r;

	ASSERT_EQ(0, ut_run(self->dev, &cmd, 1, &r));
	EXPECT_EQ(FILE_BYTES, first_wrong(self->map, 0, FILE_BYTES));
	EXPECT_EQ(0, r.status);
	EXPECT_EQ(FILE_BYTES, r.bytes);
	EXPECT_EQ(self->file.peer_reason, r.path);
	EXPECT_LT(0, r.start_ns);
	EXPECT_LE(r.start_ns, r.end_ns);
	EXPECT_EQ(~0ull, r.detail);
	ASSERT_EQ(0, smartssd_counters(self->dev, SMARTSSD_COUNT_FILE, &c));
	if (r.path == SMARTSSD_PEER_OK) {
		EXPECT_EQ(FILE_BYTES, c.ssd_to_card);
		EXPECT_EQ(0, c.host_to_card);
		EXPECT_EQ(0, c.bounce_read);
	} else {
		EXPECT_EQ(0, c.ssd_to_card);
		EXPECT_EQ(FILE_BYTES, c.host_to_card);
		EXPECT_EQ(FILE_BYTES, c.bounce_read);
	}
	EXPECT_LT(0, c.reads);
	EXPECT_EQ(1, c.jobs);
}

TEST_F(io, read_random_pieces)
{
	enum { N = 300, PIECE = 512 };
	struct smartssd_extent e[N];
	struct smartssd_cmd cmd = ut_rw_cmd(SMARTSSD_OP_READ, self->file.file, self->bo.bo, e, N);
	uint32_t align = self->file.io_align, i, seed = 12345;
	struct smartssd_result r;

	for (i = 0; i < N; i++) {
		seed = seed * 1664525 + 1013904223;
		e[i].file_offset = (uint64_t)(seed >> 8) % (FILE_BYTES / align) * align;
		e[i].bo_offset = (uint64_t)i * (align + 4); /* only 4-byte aligned in memory */
		e[i].bytes = align;
	}
	ASSERT_LE(N * (uint64_t)(align + 4), FILE_BYTES * (uint64_t)4);
	if (N * (uint64_t)(align + 4) > FILE_BYTES)
		cmd.rw.nr_extents = FILE_BYTES / (align + 4);
	ASSERT_EQ(0, ut_run(self->dev, &cmd, 1, &r));
	for (i = 0; i < cmd.rw.nr_extents; i++)
		ASSERT_EQ(align, first_wrong(self->map + e[i].bo_offset, e[i].file_offset, align)) TH_LOG("piece %u", i);
	EXPECT_EQ(self->file.peer_reason, r.path);
	EXPECT_EQ((uint64_t)cmd.rw.nr_extents * align, r.bytes);
}

TEST_F(io, unaligned_pieces_are_bounced_and_right)
{
	struct smartssd_extent e[3] = { { 1, 3, 1000 }, { 777, 2000, 1 }, { 5000, 4001, 513 } };
	struct smartssd_cmd cmd = ut_rw_cmd(SMARTSSD_OP_READ, self->file.file, self->bo.bo, e, 3);
	struct smartssd_result r;
	int i;

	ASSERT_EQ(0, ut_run(self->dev, &cmd, 1, &r));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(e[i].bytes, first_wrong(self->map + e[i].bo_offset, e[i].file_offset, e[i].bytes));
	EXPECT_EQ(0, self->map[2]);
	EXPECT_EQ(0, self->map[1003]);
	EXPECT_EQ(self->file.peer_reason ? self->file.peer_reason : SMARTSSD_PEER_UNALIGNED, r.path);
}

TEST_F(io, peer_off_bounces_and_says_so)
{
	struct smartssd_extent e = { 4096, 0, 8192 };
	struct smartssd_cmd cmd = ut_rw_cmd(SMARTSSD_OP_READ, self->file.file, self->bo.bo, &e, 1);
	struct smartssd_counters c = { .size = sizeof(c) };
	struct smartssd_result r;

	cmd.flags = SMARTSSD_CMD_PEER_OFF;
	ASSERT_EQ(0, ut_run(self->dev, &cmd, 1, &r));
	EXPECT_EQ(8192, first_wrong(self->map, 4096, 8192));
	EXPECT_EQ(SMARTSSD_PEER_OFF, r.path);
	ASSERT_EQ(0, smartssd_counters(self->dev, SMARTSSD_COUNT_FILE, &c));
	EXPECT_EQ(8192, c.bounce_read);
	EXPECT_EQ(8192, c.host_to_card);
	EXPECT_EQ(0, c.ssd_to_card);
}

TEST_F(io, peer_required)
{
	struct smartssd_extent e = { 0, 0, 4096 };
	struct smartssd_cmd cmd = ut_rw_cmd(SMARTSSD_OP_READ, self->file.file, self->bo.bo, &e, 1);

	cmd.flags = SMARTSSD_CMD_PEER_REQUIRE;
	EXPECT_EQ(self->file.peer_reason ? -EREMOTEIO : 0, ut_run(self->dev, &cmd, 1, NULL));
	e.file_offset = 3;
	EXPECT_EQ(-EREMOTEIO, ut_run(self->dev, &cmd, 1, NULL));
	cmd.flags |= SMARTSSD_CMD_PEER_OFF;
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, &cmd, 1, NULL, NULL));
}

TEST_F(io, end_of_file_reads_as_zeros)
{
	struct smartssd_extent e = { FILE_BYTES - 4096, 0, 8192 };
	struct smartssd_cmd cmd = ut_rw_cmd(SMARTSSD_OP_READ, self->file.file, self->bo.bo, &e, 1);
	struct smartssd_result r;
	int i;

	memset(self->map, 0xee, 16384);
	ASSERT_EQ(0, ut_run(self->dev, &cmd, 1, &r));
	EXPECT_EQ(4096, first_wrong(self->map, e.file_offset, 4096));
	for (i = 4096; i < 8192 && !self->map[i]; i++)
		;
	EXPECT_EQ(8192, i);
	EXPECT_EQ(0xee, self->map[8192]);
}

TEST_F(io, odd_end_of_file)
{
	int fd = ut_file(10001, O_RDONLY), i;
	struct smartssd_file f;
	struct smartssd_extent e = { 8192, 0, 4096 };
	struct smartssd_cmd cmd;

	ASSERT_EQ(0, ut_register(self->dev, fd, &f));
	EXPECT_EQ(10001, f.bytes);
	memset(self->map, 0xee, 8192);
	cmd = ut_rw_cmd(SMARTSSD_OP_READ, f.file, self->bo.bo, &e, 1);
	ASSERT_EQ(0, ut_run(self->dev, &cmd, 1, NULL));
	EXPECT_EQ(10001 - 8192, first_wrong(self->map, 8192, 10001 - 8192));
	for (i = 10001 - 8192; i < 4096 && !self->map[i]; i++)
		;
	EXPECT_EQ(4096, i);
	EXPECT_EQ(0xee, self->map[4096]);
}

TEST_F(io, read_behind_the_end_is_EINVAL)
{
	struct smartssd_extent e[2] = { { 0, 0, 512 }, { FILE_BYTES, 512, 512 } };
	struct smartssd_cmd cmd = ut_rw_cmd(SMARTSSD_OP_READ, self->file.file, self->bo.bo, e, 2);
	uint32_t bad = 77;

	EXPECT_EQ(-EINVAL, ut_submit(self->dev, &cmd, 1, NULL, &bad));
	EXPECT_EQ(0, bad);
}

TEST_F(io, extents_outside_of_the_bo)
{
	static const struct {
		struct smartssd_extent e;
		int want;
	} t[] = {
		{ { 0, FILE_BYTES, 512 }, -EINVAL },	       { { 0, FILE_BYTES - 511, 512 }, -EINVAL },
		{ { 0, 0, FILE_BYTES + 512 }, -EINVAL },       { { 0, 0, 0 }, -EINVAL },
		{ { 0, ~0ull - 100, 512 }, -EOVERFLOW },       { { ~0ull - 100, 0, 512 }, -EOVERFLOW },
		{ { 0, 512, ~0ull - 100 }, -EOVERFLOW },
	};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct smartssd_cmd cmd = ut_rw_cmd(SMARTSSD_OP_READ, self->file.file, self->bo.bo, &t[i].e, 1);

		EXPECT_EQ(t[i].want, ut_submit(self->dev, &cmd, 1, NULL, NULL)) TH_LOG("case %zu", i);
	}
}

TEST_F(io, too_many_or_no_extents)
{
	struct smartssd_extent *e = calloc(SMARTSSD_MAX_EXTENTS + 1, sizeof(*e));
	struct smartssd_cmd cmd[5];
	uint32_t i;

	for (i = 0; i <= SMARTSSD_MAX_EXTENTS; i++)
		e[i] = (struct smartssd_extent){ 0, 0, 512 };
	cmd[0] = ut_rw_cmd(SMARTSSD_OP_READ, self->file.file, self->bo.bo, e, SMARTSSD_MAX_EXTENTS + 1);
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, cmd, 1, NULL, NULL));
	cmd[0].rw.nr_extents = 0;
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, cmd, 1, NULL, NULL));
	for (i = 0; i < 5; i++)
		cmd[i] = ut_rw_cmd(SMARTSSD_OP_READ, self->file.file, self->bo.bo, e, SMARTSSD_MAX_EXTENTS);
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, cmd, 5, NULL, NULL));
}

TEST_F(io, bad_extent_pointer_is_EFAULT)
{
	struct smartssd_cmd cmd = ut_rw_cmd(SMARTSSD_OP_READ, self->file.file, self->bo.bo, NULL, 1);
	uint32_t bad = 77;

	EXPECT_EQ(-EFAULT, ut_submit(self->dev, &cmd, 1, NULL, &bad));
	EXPECT_EQ(0, bad);
}

TEST_F(io, access_mode_of_the_descriptor_counts)
{
	int fd = ut_file(8192, O_RDONLY), fd2 = ut_file(8192, O_WRONLY);
	struct smartssd_file ro, wo;
	struct smartssd_extent e = { 0, 0, 4096 };
	struct smartssd_cmd cmd;

	ASSERT_EQ(0, ut_register(self->dev, fd, &ro));
	ASSERT_EQ(0, ut_register(self->dev, fd2, &wo));
	cmd = ut_rw_cmd(SMARTSSD_OP_WRITE, ro.file, self->bo.bo, &e, 1);
	EXPECT_EQ(-EBADF, ut_submit(self->dev, &cmd, 1, NULL, NULL));
	cmd = ut_rw_cmd(SMARTSSD_OP_READ, wo.file, self->bo.bo, &e, 1);
	EXPECT_EQ(-EBADF, ut_submit(self->dev, &cmd, 1, NULL, NULL));
	cmd = ut_rw_cmd(SMARTSSD_OP_READ, ro.file, self->bo.bo, &e, 1);
	EXPECT_EQ(0, ut_run(self->dev, &cmd, 1, NULL));
}

TEST_F(io, registration_outlives_the_descriptor)
{
	struct smartssd_extent e = { 0, 0, 4096 };
	struct smartssd_cmd cmd = ut_rw_cmd(SMARTSSD_OP_READ, self->file.file, self->bo.bo, &e, 1);

	close(self->fd);
	self->fd = -1;
	ASSERT_EQ(0, ut_run(self->dev, &cmd, 1, NULL));
	EXPECT_EQ(4096, first_wrong(self->map, 0, 4096));
}

TEST_F(io, write_and_read_back)
{
	struct smartssd_extent e[2] = { { 0, 4096, 8192 }, { 65536, 100000 & ~511, 4096 } };
	struct smartssd_cmd cmd = ut_rw_cmd(SMARTSSD_OP_WRITE, self->file.file, self->bo.bo, e, 2);
	struct smartssd_counters c = { .size = sizeof(c) };
	struct smartssd_result r;
	static uint8_t buf[FILE_BYTES];
	uint64_t i;

	/* cached pages must not hide what is written underneath */
	ASSERT_EQ(FILE_BYTES, pread(self->fd, buf, FILE_BYTES, 0));
	for (i = 0; i < FILE_BYTES; i++)
		self->map[i] = ~ut_byte(i * 3);
	ASSERT_EQ(0, ut_run(self->dev, &cmd, 1, &r));
	EXPECT_EQ(12288, r.bytes);
	EXPECT_EQ(self->file.peer_reason, r.path);
	ASSERT_EQ(FILE_BYTES, pread(self->fd, buf, FILE_BYTES, 0));
	EXPECT_EQ(0, memcmp(buf, self->map + 4096, 8192));
	EXPECT_EQ(0, memcmp(buf + 65536, self->map + e[1].bo_offset, 4096));
	EXPECT_EQ(65536 - 8192, first_wrong(buf + 8192, 8192, 65536 - 8192));
	EXPECT_EQ(FILE_BYTES - 65536 - 4096, first_wrong(buf + 65536 + 4096, 65536 + 4096, FILE_BYTES - 65536 - 4096));
	ASSERT_EQ(0, smartssd_counters(self->dev, SMARTSSD_COUNT_FILE, &c));
	EXPECT_EQ(12288, r.path == SMARTSSD_PEER_OK ? c.card_to_ssd : c.bounce_write);
	EXPECT_EQ(r.path == SMARTSSD_PEER_OK ? 0 : 12288, c.card_to_host);
}

TEST_F(io, written_data_is_read_although_cached)
{
	struct smartssd_extent e = { 4096, 0, 4096 };
	struct smartssd_cmd cmd = ut_rw_cmd(SMARTSSD_OP_READ, self->file.file, self->bo.bo, &e, 1);
	uint8_t buf[4096];

	/* dirty page cache, not yet on the drive */
	memset(buf, 0x3c, sizeof(buf));
	ASSERT_EQ(4096, pwrite(self->fd, buf, 4096, 4096));
	ASSERT_EQ(0, ut_run(self->dev, &cmd, 1, NULL));
	EXPECT_EQ(0, memcmp(self->map, buf, 4096));
}

TEST_F(io, unaligned_write)
{
	struct smartssd_extent e = { 1001, 7, 600 };
	struct smartssd_cmd cmd = ut_rw_cmd(SMARTSSD_OP_WRITE, self->file.file, self->bo.bo, &e, 1);
	uint8_t buf[4096];

	memset(self->map, 0x77, 4096);
	ASSERT_EQ(0, ut_run(self->dev, &cmd, 1, NULL));
	ASSERT_EQ(4096, pread(self->fd, buf, 4096, 0));
	EXPECT_EQ(1001, first_wrong(buf, 0, 1001));
	EXPECT_EQ(0, memcmp(buf + 1001, self->map, 600));
	EXPECT_EQ(4096 - 1601, first_wrong(buf + 1601, 1601, 4096 - 1601));
}

TEST_F(io, write_never_extends_a_file)
{
	struct smartssd_extent e = { FILE_BYTES - 512, 0, 1024 };
	struct smartssd_cmd cmd = ut_rw_cmd(SMARTSSD_OP_WRITE, self->file.file, self->bo.bo, &e, 1);
	struct stat st;

	EXPECT_EQ(-EINVAL, ut_submit(self->dev, &cmd, 1, NULL, NULL));
	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_EQ(FILE_BYTES, st.st_size);
}

TEST_F(io, holes_read_as_zeros)
{
	struct smartssd_file f;
	struct smartssd_extent e = { 0, 0, 65536 };
	struct smartssd_cmd cmd;
	int fd = ut_file(0, O_RDWR);
	uint64_t i;

	ASSERT_EQ(0, ftruncate(fd, 1 << 20));
	ASSERT_EQ(0, fsync(fd));
	ASSERT_EQ(0, ut_register(self->dev, fd, &f));
	memset(self->map, 0xff, 65536);
	cmd = ut_rw_cmd(SMARTSSD_OP_READ, f.file, self->bo.bo, &e, 1);
	ASSERT_EQ(0, ut_run(self->dev, &cmd, 1, NULL));
	for (i = 0; i < 65536 && !self->map[i]; i++)
		;
	EXPECT_EQ(65536, i);
}

TEST_F(io, copies_are_exact_and_counted)
{
	struct smartssd_counters c = { .size = sizeof(c) };
	uint8_t in[5000], out[5000];
	uint32_t bo2 = ut_bo(self->dev, 16384);
	struct smartssd_cmd cmd[3] = { ut_copy_to(self->bo.bo, 123, in, sizeof(in)), { .op = SMARTSSD_OP_COPY_BO },
				       ut_copy_from(out, bo2, 77, sizeof(out)) };
	struct smartssd_result r[3];
	int i;

	for (i = 0; i < 5000; i++)
		in[i] = ut_byte(i);
	cmd[1].copy.src_bo = self->bo.bo;
	cmd[1].copy.src_offset = 123;
	cmd[1].copy.dst_bo = bo2;
	cmd[1].copy.dst_offset = 77;
	cmd[1].copy.bytes = sizeof(in);
	cmd[1].dep[0] = 1;
	cmd[2].dep[3] = 2;
	ASSERT_EQ(0, ut_run(self->dev, cmd, 3, r));
	EXPECT_EQ(0, memcmp(in, out, sizeof(in)));
	EXPECT_EQ(5000, r[0].bytes);
	EXPECT_LE(r[0].end_ns, r[1].start_ns);
	EXPECT_LE(r[1].end_ns, r[2].start_ns);
	ASSERT_EQ(0, smartssd_counters(self->dev, SMARTSSD_COUNT_FILE, &c));
	/* a copy between BOs is made by the host's CPU: over the link and back */
	EXPECT_LE(5000, c.host_to_card);
	EXPECT_LE(5000, c.card_to_host);
	EXPECT_EQ(c.host_to_card, c.card_to_host);
}

TEST_F(io, bad_copies)
{
	char buf[64];
	struct smartssd_cmd c;

	c = ut_copy_to(self->bo.bo, FILE_BYTES - 63, buf, 64);
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, &c, 1, NULL, NULL));
	c = ut_copy_to(self->bo.bo, 0, buf, 0);
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, &c, 1, NULL, NULL));
	c = ut_copy_from(buf, self->bo.bo, ~0ull - 10, 64);
	EXPECT_EQ(-EOVERFLOW, ut_submit(self->dev, &c, 1, NULL, NULL));
	c = ut_copy_to(0x7ffffff, 0, buf, 64);
	EXPECT_EQ(-ENOENT, ut_submit(self->dev, &c, 1, NULL, NULL));
	c = ut_copy_to(self->bo.bo, 0, buf, 64);
	c.copy.src_bo = self->bo.bo;
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, &c, 1, NULL, NULL));
	c = ut_copy_to(self->bo.bo, 0, buf, 64);
	c.copy.src_offset = 1;
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, &c, 1, NULL, NULL));
	c = ut_copy_from(buf, self->bo.bo, 0, 64);
	c.reserved[8] = 1;
	EXPECT_EQ(-EINVAL, ut_submit(self->dev, &c, 1, NULL, NULL));
}

TEST_F(io, host_memory_that_is_not_there_is_EFAULT)
{
	struct smartssd_cmd c = ut_copy_to(self->bo.bo, 0, NULL, 64);
	int ret;

	if (self->q.features & SMARTSSD_FEATURE_EMBEDDED)
		SKIP(return, "inside of one process a bad pointer is a crash of the caller");
	c.copy.host = 4096;
	ret = ut_run(self->dev, &c, 1, NULL);
	EXPECT_EQ(-EFAULT, ret);
	c = ut_copy_from(NULL, self->bo.bo, 0, 64);
	c.copy.host = 0xffff800000000000ull;
	ret = ut_run(self->dev, &c, 1, NULL);
	EXPECT_EQ(-EFAULT, ret);
}

TEST_HARNESS_MAIN
