// SPDX-License-Identifier: BSD-2-Clause
/* The rules that hold for every call: sizes, flags, reserved fields, unknown calls; query, CU and argument information, counters. */
#include "uapi_test.h"

UT_FIXTURE(abi);

/* What is common to all structs: first word size, and for these a valid call otherwise. */
union any {
	uint32_t size;
	uint8_t bytes[256];
	struct smartssd_query query;
	struct smartssd_cu_info cu;
	struct smartssd_arg_info arg;
	struct smartssd_xclbin xclbin;
	struct smartssd_bo bo;
	struct smartssd_id id;
	struct smartssd_bo_fd bo_fd;
	struct smartssd_file file;
	struct smartssd_submit submit;
	struct smartssd_wait wait;
	struct smartssd_eventfd eventfd;
	struct smartssd_counters counters;
};

struct call {
	const char *name;
	unsigned long request;
	uint32_t size;
	int flags_at; /* offset of flags or pad that must be 0, or -1 */
	int pad_at;
};

static const struct call calls[] = {
	{ "QUERY", SMARTSSD_IOC_QUERY, sizeof(struct smartssd_query), 4, -1 },
	{ "CU_INFO", SMARTSSD_IOC_CU_INFO, sizeof(struct smartssd_cu_info), -1, offsetof(struct smartssd_cu_info, pad) },
	{ "ARG_INFO", SMARTSSD_IOC_ARG_INFO, sizeof(struct smartssd_arg_info), -1, offsetof(struct smartssd_arg_info, pad) },
	{ "XCLBIN_LOAD", SMARTSSD_IOC_XCLBIN_LOAD, sizeof(struct smartssd_xclbin), 4, -1 },
	{ "BO_CREATE", SMARTSSD_IOC_BO_CREATE, sizeof(struct smartssd_bo), 4, offsetof(struct smartssd_bo, pad) },
	{ "BO_DESTROY", SMARTSSD_IOC_BO_DESTROY, sizeof(struct smartssd_id), -1, -1 },
	{ "BO_EXPORT", SMARTSSD_IOC_BO_EXPORT, sizeof(struct smartssd_bo_fd), 4, -1 },
	{ "BO_IMPORT", SMARTSSD_IOC_BO_IMPORT, sizeof(struct smartssd_bo_fd), 4, -1 },
	{ "FILE_REGISTER", SMARTSSD_IOC_FILE_REGISTER, sizeof(struct smartssd_file), 4, offsetof(struct smartssd_file, pad) },
	{ "FILE_UNREGISTER", SMARTSSD_IOC_FILE_UNREGISTER, sizeof(struct smartssd_id), -1, -1 },
	{ "SUBMIT", SMARTSSD_IOC_SUBMIT, sizeof(struct smartssd_submit), 4, -1 },
	{ "WAIT", SMARTSSD_IOC_WAIT, sizeof(struct smartssd_wait), 4, -1 },
	{ "EVENTFD", SMARTSSD_IOC_EVENTFD, sizeof(struct smartssd_eventfd), -1, -1 },
	{ "COUNTERS", SMARTSSD_IOC_COUNTERS, sizeof(struct smartssd_counters), -1, -1 },
	{ "CU_RESET", SMARTSSD_IOC_CU_RESET, sizeof(struct smartssd_id), -1, -1 },
};

#define NR_CALLS (sizeof(calls) / sizeof(calls[0]))

/*
 * A call that is right but for what a test breaks in it; objects it needs are made once. Its errno when right is in @right: most succeed,
 * the destroyers are aimed at what is not there.
 */
static void good(struct smartssd_device *dev, const struct call *c, union any *u, int *right)
{
	static struct smartssd_cmd cmd;
	static char buf[16];
	static uint32_t bo;

	memset(u, 0, sizeof(*u));
	u->size = c->size;
	*right = 0;
	if (!bo)
		bo = ut_bo(dev, 4096);
	switch (c->request) {
	case SMARTSSD_IOC_XCLBIN_LOAD:
		u->xclbin.data = (uintptr_t)buf;
		u->xclbin.bytes = sizeof(buf);
		*right = -EBADMSG;
		break;
	case SMARTSSD_IOC_BO_CREATE:
		u->bo.bytes = 4096;
		break;
	case SMARTSSD_IOC_BO_DESTROY:
	case SMARTSSD_IOC_FILE_UNREGISTER:
		u->id.id = 0x7fffffff;
		*right = -ENOENT;
		break;
	case SMARTSSD_IOC_CU_RESET:
		u->id.id = 64;
		*right = -ENOENT;
		break;
	case SMARTSSD_IOC_BO_EXPORT:
		u->bo_fd.bo = bo;
		break;
	case SMARTSSD_IOC_BO_IMPORT:
		u->bo_fd.fd = 0;
		*right = -EINVAL;
		break;
	case SMARTSSD_IOC_FILE_REGISTER:
		u->file.fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
		break;
	case SMARTSSD_IOC_SUBMIT:
		cmd = ut_copy_to(bo, 0, buf, sizeof(buf));
		u->submit.cmds = (uintptr_t)&cmd;
		u->submit.nr_cmds = 1;
		break;
	case SMARTSSD_IOC_WAIT:
		u->wait.job = 0xdeadbeef;
		*right = -ENOENT;
		break;
	case SMARTSSD_IOC_EVENTFD:
		u->eventfd.fd = -1;
		break;
	}
}

TEST_F(abi, right_calls_are_accepted)
{
	union any u;
	size_t i;
	int right;

	for (i = 0; i < NR_CALLS; i++) {
		good(self->dev, &calls[i], &u, &right);
		EXPECT_EQ(right, smartssd_ioctl(self->dev, calls[i].request, &u)) TH_LOG("%s", calls[i].name);
	}
}

TEST_F(abi, size_too_short_is_EINVAL)
{
	union any u;
	size_t i;
	int right;

	for (i = 0; i < NR_CALLS; i++) {
		good(self->dev, &calls[i], &u, &right);
		u.size = calls[i].size - 4;
		EXPECT_EQ(-EINVAL, smartssd_ioctl(self->dev, calls[i].request, &u)) TH_LOG("%s", calls[i].name);
		u.size = 0;
		EXPECT_EQ(-EINVAL, smartssd_ioctl(self->dev, calls[i].request, &u)) TH_LOG("%s, 0", calls[i].name);
	}
}

TEST_F(abi, unknown_tail_must_be_zero)
{
	union any u;
	size_t i;
	int right;

	for (i = 0; i < NR_CALLS; i++) {
		good(self->dev, &calls[i], &u, &right);
		u.size = calls[i].size + 16;
		EXPECT_EQ(right, smartssd_ioctl(self->dev, calls[i].request, &u)) TH_LOG("%s, zero tail", calls[i].name);
		good(self->dev, &calls[i], &u, &right);
		u.size = calls[i].size + 16;
		u.bytes[calls[i].size + 15] = 1;
		EXPECT_EQ(-E2BIG, smartssd_ioctl(self->dev, calls[i].request, &u)) TH_LOG("%s, tail", calls[i].name);
	}
}

TEST_F(abi, absurd_size_is_E2BIG)
{
	union any u;
	int right;

	good(self->dev, &calls[0], &u, &right);
	u.size = 0xfffffff0u;
	EXPECT_EQ(-E2BIG, smartssd_ioctl(self->dev, calls[0].request, &u));
}

TEST_F(abi, flags_and_pads_must_be_zero)
{
	union any u;
	size_t i;
	int right;

	for (i = 0; i < NR_CALLS; i++) {
		if (calls[i].flags_at >= 0) {
			good(self->dev, &calls[i], &u, &right);
			u.bytes[calls[i].flags_at + 3] = 0x80;
			EXPECT_EQ(-EINVAL, smartssd_ioctl(self->dev, calls[i].request, &u)) TH_LOG("%s flags", calls[i].name);
		}
		if (calls[i].pad_at >= 0) {
			good(self->dev, &calls[i], &u, &right);
			u.bytes[calls[i].pad_at] = 1;
			EXPECT_EQ(-EINVAL, smartssd_ioctl(self->dev, calls[i].request, &u)) TH_LOG("%s pad", calls[i].name);
		}
	}
}

TEST_F(abi, unknown_call_is_ENOTTY)
{
	union any u = { .size = 64 };

	EXPECT_EQ(-ENOTTY, smartssd_ioctl(self->dev, _IOWR(SMARTSSD_IOC_MAGIC, 0x3f, struct smartssd_query), &u));
	EXPECT_EQ(-ENOTTY, smartssd_ioctl(self->dev, _IOWR('x', 0x00, struct smartssd_query), &u));
}

TEST_F(abi, null_argument_is_EFAULT)
{
	EXPECT_EQ(-EFAULT, smartssd_ioctl(self->dev, SMARTSSD_IOC_QUERY, NULL));
}

TEST_F(abi, query_is_consistent)
{
	struct smartssd_query q = { .size = sizeof(q) };

	ASSERT_EQ(0, smartssd_ioctl(self->dev, SMARTSSD_IOC_QUERY, &q));
	EXPECT_EQ(sizeof(q), q.size);
	EXPECT_LT(0, q.ddr_bytes);
	EXPECT_LE(q.ddr_free, q.ddr_bytes);
	EXPECT_LE(q.ddr_bytes, q.aperture_bytes);
	EXPECT_LE(1, q.shell);
	EXPECT_GT(SMARTSSD_PEER_NR, q.peer_reason);
	EXPECT_EQ(1, q.nr_cus);
	EXPECT_EQ(0, q.bo_align & (q.bo_align - 1));
	EXPECT_LE(4, q.mem_align);
	EXPECT_EQ(SMARTSSD_MAX_JOBS, q.max_jobs);
	EXPECT_EQ(0, q.dna[3]);
	EXPECT_TRUE(q.features & SMARTSSD_FEATURE_EMULATED);
	EXPECT_TRUE(q.features & SMARTSSD_FEATURE_MMAP);
	if (q.features & SMARTSSD_FEATURE_EMBEDDED) {
		EXPECT_EQ(0xffffffffu, q.pci);
	} else {
		EXPECT_EQ(0x1af41110u, q.pci_id);
	}
}

TEST_F(abi, query_counts_free_memory)
{
	struct smartssd_query a = { .size = sizeof(a) }, b = { .size = sizeof(b) };
	uint32_t bo;

	ASSERT_EQ(0, smartssd_ioctl(self->dev, SMARTSSD_IOC_QUERY, &a));
	bo = ut_bo(self->dev, 1 << 20);
	ASSERT_NE(0, bo);
	ASSERT_EQ(0, smartssd_ioctl(self->dev, SMARTSSD_IOC_QUERY, &b));
	EXPECT_EQ(a.ddr_free - (1 << 20), b.ddr_free);
	ASSERT_EQ(0, smartssd_bo_destroy(self->dev, bo));
	ASSERT_EQ(0, smartssd_ioctl(self->dev, SMARTSSD_IOC_QUERY, &b));
	EXPECT_EQ(a.ddr_free, b.ddr_free);
}

TEST_F(abi, cu_and_argument_info)
{
	struct smartssd_cu_info cu = { .size = sizeof(cu) };
	static const struct {
		const char *name;
		uint32_t kind, bytes, offset, bound_of;
	} want[] = {
		{ "src", SMARTSSD_ARG_GLOBAL, 8, 0x10, ~0u },	 { "src_bytes", SMARTSSD_ARG_BOUND, 8, 0x1c, 0 },
		{ "dst", SMARTSSD_ARG_GLOBAL, 8, 0x28, ~0u },	 { "dst_bytes", SMARTSSD_ARG_BOUND, 8, 0x34, 2 },
		{ "n", SMARTSSD_ARG_SCALAR, 4, 0x40, ~0u },	 { "mode", SMARTSSD_ARG_SCALAR, 4, 0x48, ~0u },
	};
	uint32_t i;

	ASSERT_EQ(0, smartssd_ioctl(self->dev, SMARTSSD_IOC_CU_INFO, &cu));
	EXPECT_EQ(0, strncmp((char *)cu.name, "tk:", 3));
	EXPECT_EQ(6, cu.nr_args);
	EXPECT_EQ(SMARTSSD_CU_IDLE, cu.state);
	EXPECT_EQ(1, cu.control);
	EXPECT_EQ(0, cu.base % 4096);
	for (i = 0; i < 6; i++) {
		struct smartssd_arg_info a = { .size = sizeof(a), .cu = 0, .index = i };

		ASSERT_EQ(0, smartssd_ioctl(self->dev, SMARTSSD_IOC_ARG_INFO, &a));
		EXPECT_STREQ(want[i].name, (char *)a.name);
		EXPECT_EQ(want[i].kind, a.kind);
		EXPECT_EQ(want[i].bytes, a.bytes);
		EXPECT_EQ(want[i].offset, a.offset);
		EXPECT_EQ(want[i].bound_of, a.bound_of);
	}
	cu.index = 1;
	EXPECT_EQ(-ENOENT, smartssd_ioctl(self->dev, SMARTSSD_IOC_CU_INFO, &cu));
	{
		struct smartssd_arg_info a = { .size = sizeof(a), .cu = 0, .index = 6 };

		EXPECT_EQ(-ENOENT, smartssd_ioctl(self->dev, SMARTSSD_IOC_ARG_INFO, &a));
		a.cu = 1;
		a.index = 0;
		EXPECT_EQ(-ENOENT, smartssd_ioctl(self->dev, SMARTSSD_IOC_ARG_INFO, &a));
	}
}

TEST_F(abi, counters_scope)
{
	struct smartssd_counters c = { .size = sizeof(c), .scope = 2 };

	EXPECT_EQ(-EOPNOTSUPP, smartssd_ioctl(self->dev, SMARTSSD_IOC_COUNTERS, &c));
	c.scope = SMARTSSD_COUNT_FILE;
	ASSERT_EQ(0, smartssd_ioctl(self->dev, SMARTSSD_IOC_COUNTERS, &c));
	EXPECT_EQ(0, c.ssd_to_card | c.card_to_ssd | c.host_to_card | c.card_to_host | c.runs | c.jobs);
}

TEST_F(abi, loading_the_same_xclbin_again_does_nothing)
{
	struct smartssd_cu_info cu = { .size = sizeof(cu) };
	struct ut_tk a;
	struct smartssd_cmd cmd = ut_tk_cmd(&a, ut_bo(self->dev, 64), ut_bo(self->dev, 64), 1, TK_ADD);
	uint64_t before;

	ASSERT_EQ(0, smartssd_ioctl(self->dev, SMARTSSD_IOC_CU_INFO, &cu));
	before = cu.runs;
	ASSERT_EQ(0, ut_run(self->dev, &cmd, 1, NULL));
	ASSERT_EQ(0, ut_load(self->dev));
	ASSERT_EQ(0, smartssd_ioctl(self->dev, SMARTSSD_IOC_CU_INFO, &cu));
	EXPECT_EQ(before + 1, cu.runs);
}

TEST_F(abi, bad_xclbin_leaves_the_loaded_one)
{
	static uint8_t junk[4096] = "xclbin2";
	struct smartssd_xclbin x = { .size = sizeof(x), .data = (uintptr_t)junk, .bytes = sizeof(junk) };
	struct smartssd_query q = { .size = sizeof(q) };

	EXPECT_EQ(-EBADMSG, smartssd_ioctl(self->dev, SMARTSSD_IOC_XCLBIN_LOAD, &x));
	x.bytes = 0;
	EXPECT_EQ(-EINVAL, smartssd_ioctl(self->dev, SMARTSSD_IOC_XCLBIN_LOAD, &x));
	x.bytes = SMARTSSD_MAX_XCLBIN + 1ull;
	EXPECT_EQ(-EINVAL, smartssd_ioctl(self->dev, SMARTSSD_IOC_XCLBIN_LOAD, &x));
	x.bytes = 4096;
	x.data = 0;
	EXPECT_EQ(-EFAULT, smartssd_ioctl(self->dev, SMARTSSD_IOC_XCLBIN_LOAD, &x));
	ASSERT_EQ(0, smartssd_ioctl(self->dev, SMARTSSD_IOC_QUERY, &q));
	EXPECT_EQ(1, q.nr_cus);
}

TEST_HARNESS_MAIN
