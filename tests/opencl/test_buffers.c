// SPDX-License-Identifier: BSD-2-Clause
/* Buffers: creation, information, transfers of all shapes, maps, migration. */
#include "opencl_test.h"

#define KB 1024

static struct host h;

static void setup(void)
{
	host_open(&h, NULL);
}

static void teardown(void)
{
	host_close(&h);
}

static void pattern(uint8_t *p, size_t bytes, unsigned int seed)
{
	for (size_t i = 0; i < bytes; i++)
		p[i] = (uint8_t)((i * 2654435761u >> 13) + seed);
}

static void get(cl_mem mem, void *to, size_t offset, size_t bytes)
{
	ok(clEnqueueReadBuffer(h.queue, mem, CL_TRUE, offset, bytes, to, 0, NULL, NULL));
}

static void put(cl_mem mem, const void *from, size_t offset, size_t bytes)
{
	ok(clEnqueueWriteBuffer(h.queue, mem, CL_TRUE, offset, bytes, from, 0, NULL, NULL));
}

START_TEST(create)
{
	char host[64];
	cl_int ret;
	const struct {
		cl_mem_flags flags;
		size_t bytes;
		void *host;
		cl_int code;
	} bad[] = {
		{ CL_MEM_READ_WRITE | CL_MEM_READ_ONLY, 64, NULL, CL_INVALID_VALUE },
		{ CL_MEM_WRITE_ONLY | CL_MEM_READ_ONLY, 64, NULL, CL_INVALID_VALUE },
		{ CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS, 64, NULL, CL_INVALID_VALUE },
		{ CL_MEM_USE_HOST_PTR | CL_MEM_ALLOC_HOST_PTR, 64, host, CL_INVALID_VALUE },
		{ CL_MEM_USE_HOST_PTR | CL_MEM_COPY_HOST_PTR, 64, host, CL_INVALID_VALUE },
		{ 1 << 20, 64, NULL, CL_INVALID_VALUE },
		{ 0, 0, NULL, CL_INVALID_BUFFER_SIZE },
		{ 0, host_memory(&h) + 1, NULL, CL_INVALID_BUFFER_SIZE },
		{ CL_MEM_USE_HOST_PTR, 64, NULL, CL_INVALID_HOST_PTR },
		{ CL_MEM_COPY_HOST_PTR, 64, NULL, CL_INVALID_HOST_PTR },
		{ CL_MEM_READ_WRITE, 64, host, CL_INVALID_HOST_PTR },
		{ CL_MEM_EXT_PTR_XILINX, 64, NULL, CL_INVALID_HOST_PTR },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ret = 1;
		ck_assert_ptr_null(clCreateBuffer(h.context, bad[i].flags, bad[i].bytes, bad[i].host, &ret));
		ck_assert_msg(ret == bad[i].code, "case %zu: %d, not %d", i, ret, bad[i].code);
	}
	ck_assert_ptr_null(clCreateBuffer((cl_context)h.queue, 0, 64, NULL, &ret));
	fails(ret, CL_INVALID_CONTEXT);
	ck_assert_ptr_null(clCreateBuffer(h.context, 0, host_memory(&h) * 2, NULL, NULL));
	ck_assert_msg(strstr(host_said(), "card's memory"), "%s", host_said());
}
END_TEST

/* Card memory that a released buffer had is there for the next one; a full card says so. */
START_TEST(memory)
{
	size_t most = host_memory(&h);
	cl_mem mem, rest;
	cl_int ret;

	for (int i = 0; i < 20; i++) {
		mem = host_buffer(&h, 0, most / 4 * 3);
		rest = clCreateBuffer(h.context, 0, most / 2, NULL, &ret);
		ck_assert_ptr_null(rest);
		fails(ret, CL_MEM_OBJECT_ALLOCATION_FAILURE);
		/* Not waited for: its end is seen to all the same. */
		ok(clEnqueueFillBuffer(h.queue, mem, "x", 1, 0, 4096, 0, NULL, NULL));
		ok(clReleaseMemObject(mem));
		if (i % 3 == 0)
			ok(clFinish(h.queue));
		else if (i % 3 == 1)
			usleep(20000);
	}
}
END_TEST

START_TEST(information)
{
	int host[16];
	cl_int ret;
	cl_mem mem = clCreateBuffer(h.context, CL_MEM_READ_ONLY | CL_MEM_USE_HOST_PTR, sizeof(host), host, &ret), associated;
	cl_mem_object_type type;
	cl_mem_flags flags;
	cl_context context;
	size_t bytes, used;
	void *pointer;
	cl_uint n;
	int bank;

	ok(ret);
	ok(clGetMemObjectInfo(mem, CL_MEM_TYPE, sizeof(type), &type, &used));
	ck_assert_uint_eq(type, CL_MEM_OBJECT_BUFFER);
	ck_assert_uint_eq(used, sizeof(type));
	ok(clGetMemObjectInfo(mem, CL_MEM_FLAGS, sizeof(flags), &flags, NULL));
	ck_assert_uint_eq(flags, CL_MEM_READ_ONLY | CL_MEM_USE_HOST_PTR);
	ok(clGetMemObjectInfo(mem, CL_MEM_SIZE, sizeof(bytes), &bytes, NULL));
	ck_assert_uint_eq(bytes, sizeof(host));
	ok(clGetMemObjectInfo(mem, CL_MEM_HOST_PTR, sizeof(pointer), &pointer, NULL));
	ck_assert_ptr_eq(pointer, host);
	ok(clGetMemObjectInfo(mem, CL_MEM_MAP_COUNT, sizeof(n), &n, NULL));
	ck_assert_uint_eq(n, 0);
	ok(clRetainMemObject(mem));
	ok(clGetMemObjectInfo(mem, CL_MEM_REFERENCE_COUNT, sizeof(n), &n, NULL));
	ck_assert_uint_eq(n, 2);
	ok(clGetMemObjectInfo(mem, CL_MEM_CONTEXT, sizeof(context), &context, NULL));
	ck_assert_ptr_eq(context, h.context);
	ok(clGetMemObjectInfo(mem, CL_MEM_ASSOCIATED_MEMOBJECT, sizeof(associated), &associated, NULL));
	ck_assert_ptr_null(associated);
	ok(clGetMemObjectInfo(mem, CL_MEM_BANK, sizeof(bank), &bank, NULL));
	fails(clGetMemObjectInfo(mem, CL_MEM_TYPE, 1, &type, NULL), CL_INVALID_VALUE);
	fails(clGetMemObjectInfo(mem, 1, sizeof(type), &type, NULL), CL_INVALID_VALUE);
	ok(clReleaseMemObject(mem));
	ok(clReleaseMemObject(mem));
	fails(clGetMemObjectInfo(mem, CL_MEM_TYPE, sizeof(type), &type, NULL), CL_INVALID_MEM_OBJECT);
}
END_TEST

static atomic_int destroyed;

static void CL_CALLBACK on_destroy(cl_mem mem, void *user)
{
	(void)mem;
	atomic_store(&destroyed, atomic_load(&destroyed) * 10 + *(int *)user);
}

START_TEST(destructor)
{
	static int one = 1, two = 2;
	cl_mem mem = host_buffer(&h, 0, 64);

	ok(clSetMemObjectDestructorCallback(mem, on_destroy, &one));
	ok(clSetMemObjectDestructorCallback(mem, on_destroy, &two));
	fails(clSetMemObjectDestructorCallback(mem, NULL, NULL), CL_INVALID_VALUE);
	ok(clReleaseMemObject(mem));
	ck_assert_int_eq(atomic_load(&destroyed), 21); /* the last one first */
}
END_TEST

START_TEST(sub_buffers)
{
	cl_buffer_region region = { 4096, 8192 };
	cl_mem mem = host_buffer(&h, CL_MEM_READ_WRITE, 64 * KB), sub, other;
	uint8_t data[8192], back[8192];
	size_t offset;
	cl_int ret;

	sub = clCreateSubBuffer(mem, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &ret);
	ok(ret);
	ok(clGetMemObjectInfo(sub, CL_MEM_OFFSET, sizeof(offset), &offset, NULL));
	ck_assert_uint_eq(offset, 4096);
	ok(clGetMemObjectInfo(sub, CL_MEM_ASSOCIATED_MEMOBJECT, sizeof(other), &other, NULL));
	ck_assert_ptr_eq(other, mem);
	pattern(data, sizeof(data), 3);
	put(sub, data, 0, sizeof(data));
	get(mem, back, 4096, sizeof(back));
	ck_assert_mem_eq(data, back, sizeof(data));
	fails(clEnqueueReadBuffer(h.queue, sub, CL_TRUE, 1, 8192, back, 0, NULL, NULL), CL_INVALID_VALUE);

	ck_assert_ptr_null(clCreateSubBuffer(sub, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &ret));
	fails(ret, CL_INVALID_MEM_OBJECT);
	ck_assert_ptr_null(clCreateSubBuffer(mem, 0, 7, &region, &ret));
	fails(ret, CL_INVALID_VALUE);
	ck_assert_ptr_null(clCreateSubBuffer(mem, 0, CL_BUFFER_CREATE_TYPE_REGION, NULL, &ret));
	fails(ret, CL_INVALID_VALUE);
	ck_assert_ptr_null(clCreateSubBuffer(mem, CL_MEM_ALLOC_HOST_PTR, CL_BUFFER_CREATE_TYPE_REGION, &region, &ret));
	fails(ret, CL_INVALID_VALUE);
	region = (cl_buffer_region){ 100, 8192 };
	ck_assert_ptr_null(clCreateSubBuffer(mem, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &ret));
	fails(ret, CL_MISALIGNED_SUB_BUFFER_OFFSET);
	region = (cl_buffer_region){ 4096, 64 * KB };
	ck_assert_ptr_null(clCreateSubBuffer(mem, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &ret));
	fails(ret, CL_INVALID_VALUE);
	region = (cl_buffer_region){ 4096, 0 };
	ck_assert_ptr_null(clCreateSubBuffer(mem, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &ret));
	fails(ret, CL_INVALID_BUFFER_SIZE);
	/* The buffer lives as long as its part. */
	ok(clReleaseMemObject(mem));
	get(sub, back, 0, sizeof(back));
	ck_assert_mem_eq(data, back, sizeof(data));
	ok(clReleaseMemObject(sub));
	mem = host_buffer(&h, CL_MEM_READ_ONLY, 64 * KB);
	region = (cl_buffer_region){ 0, 4096 };
	ck_assert_ptr_null(clCreateSubBuffer(mem, CL_MEM_WRITE_ONLY, CL_BUFFER_CREATE_TYPE_REGION, &region, &ret));
	fails(ret, CL_INVALID_VALUE);
	ok(clReleaseMemObject(mem));
}
END_TEST

START_TEST(linear)
{
	static uint8_t data[200 * KB], back[200 * KB];
	cl_mem a = host_buffer(&h, 0, sizeof(data)), b = host_buffer(&h, 0, sizeof(data)), quiet = host_buffer(&h, CL_MEM_HOST_NO_ACCESS, 64);
	cl_event event;
	cl_int type;

	pattern(data, sizeof(data), 1);
	put(a, data, 0, sizeof(data));
	ok(clEnqueueCopyBuffer(h.queue, a, b, 100, 7, 150 * KB, 0, NULL, NULL));
	get(b, back, 7, 150 * KB);
	ck_assert_mem_eq(back, data + 100, 150 * KB);
	ok(clEnqueueReadBuffer(h.queue, a, CL_FALSE, 5, 10, back, 0, NULL, &event));
	ok(clWaitForEvents(1, &event));
	ck_assert_mem_eq(back, data + 5, 10);
	ok(clGetEventInfo(event, CL_EVENT_COMMAND_TYPE, sizeof(type), &type, NULL));
	ck_assert_int_eq(type, CL_COMMAND_READ_BUFFER);
	ok(clReleaseEvent(event));
	/* Within one buffer */
	ok(clEnqueueCopyBuffer(h.queue, a, a, 0, 100 * KB, 100 * KB, 0, NULL, NULL));
	get(a, back, 100 * KB, 100 * KB);
	ck_assert_mem_eq(back, data, 100 * KB);
	fails(clEnqueueCopyBuffer(h.queue, a, a, 0, 99 * KB, 100 * KB, 0, NULL, NULL), CL_MEM_COPY_OVERLAP);
	fails(clEnqueueCopyBuffer(h.queue, a, b, 0, 0, 201 * KB, 0, NULL, NULL), CL_INVALID_VALUE);
	fails(clEnqueueCopyBuffer(h.queue, a, b, 0, 1, 200 * KB, 0, NULL, NULL), CL_INVALID_VALUE);
	fails(clEnqueueCopyBuffer(h.queue, a, b, 0, 0, 0, 0, NULL, NULL), CL_INVALID_VALUE);
	fails(clEnqueueCopyBuffer(h.queue, a, (cl_mem)h.queue, 0, 0, 1, 0, NULL, NULL), CL_INVALID_MEM_OBJECT);
	fails(clEnqueueReadBuffer(h.queue, a, CL_TRUE, 0, 0, back, 0, NULL, NULL), CL_INVALID_VALUE);
	fails(clEnqueueReadBuffer(h.queue, a, CL_TRUE, 0, 10, NULL, 0, NULL, NULL), CL_INVALID_VALUE);
	fails(clEnqueueReadBuffer(h.queue, a, CL_TRUE, SIZE_MAX, 2, back, 0, NULL, NULL), CL_INVALID_VALUE);
	fails(clEnqueueReadBuffer(h.queue, a, CL_TRUE, 200 * KB, 1, back, 0, NULL, NULL), CL_INVALID_VALUE);
	fails(clEnqueueWriteBuffer(h.queue, a, CL_TRUE, 1, 200 * KB, back, 0, NULL, NULL), CL_INVALID_VALUE);
	fails(clEnqueueReadBuffer(h.queue, quiet, CL_TRUE, 0, 4, back, 0, NULL, NULL), CL_INVALID_OPERATION);
	fails(clEnqueueWriteBuffer(h.queue, quiet, CL_TRUE, 0, 4, back, 0, NULL, NULL), CL_INVALID_OPERATION);
	fails(clEnqueueReadBuffer(h.queue, a, CL_TRUE, 0, 4, back, 1, NULL, NULL), CL_INVALID_EVENT_WAIT_LIST);
	fails(clEnqueueReadBuffer(h.queue, a, CL_TRUE, 0, 4, back, 0, &event, NULL), CL_INVALID_EVENT_WAIT_LIST);
	fails(clEnqueueReadBuffer(h.queue, a, CL_TRUE, 0, 4, back, 1, &event, NULL), CL_INVALID_EVENT_WAIT_LIST);
	/* Host memory that is not there */
	ck_assert_int_lt(clEnqueueReadBuffer(h.queue, a, CL_TRUE, 0, 100 * KB, (void *)0x1000, 0, NULL, NULL), 0);
	ok(clReleaseMemObject(a));
	ok(clReleaseMemObject(b));
	ok(clReleaseMemObject(quiet));
}
END_TEST

START_TEST(fill)
{
	static uint8_t back[3 << 20];
	const uint8_t word[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	cl_mem mem = host_buffer(&h, 0, sizeof(back));

	ok(clEnqueueFillBuffer(h.queue, mem, "\xee", 1, 0, sizeof(back), 0, NULL, NULL));
	ok(clEnqueueFillBuffer(h.queue, mem, word, 8, 16, sizeof(back) - 32, 0, NULL, NULL));
	get(mem, back, 0, sizeof(back));
	for (size_t i = 0; i < sizeof(back); i++)
		if (back[i] != (i < 16 || i >= sizeof(back) - 16 ? 0xee : word[i % 8]))
			ck_abort_msg("byte %zu is %#x", i, back[i]);
	fails(clEnqueueFillBuffer(h.queue, mem, word, 3, 0, 3, 0, NULL, NULL), CL_INVALID_VALUE);
	fails(clEnqueueFillBuffer(h.queue, mem, word, 0, 0, 8, 0, NULL, NULL), CL_INVALID_VALUE);
	fails(clEnqueueFillBuffer(h.queue, mem, word, 256, 0, 256, 0, NULL, NULL), CL_INVALID_VALUE);
	fails(clEnqueueFillBuffer(h.queue, mem, NULL, 8, 0, 8, 0, NULL, NULL), CL_INVALID_VALUE);
	fails(clEnqueueFillBuffer(h.queue, mem, word, 8, 4, 8, 0, NULL, NULL), CL_INVALID_VALUE);
	fails(clEnqueueFillBuffer(h.queue, mem, word, 8, 8, 12, 0, NULL, NULL), CL_INVALID_VALUE);
	fails(clEnqueueFillBuffer(h.queue, mem, word, 8, 0, sizeof(back) + 8, 0, NULL, NULL), CL_INVALID_VALUE);
	fails(clEnqueueFillBuffer(h.queue, (cl_mem)h.context, word, 8, 0, 8, 0, NULL, NULL), CL_INVALID_MEM_OBJECT);
	ok(clReleaseMemObject(mem));
}
END_TEST

/* Random boxes against the obvious loops; from the seed in $SEED. */
#define BOX (16 * KB)

struct box {
	size_t origin[3], host[3], size[3], pitch[4];
};

static size_t box_at(const size_t o[3], size_t row, size_t slice, size_t y, size_t z)
{
	return (o[2] + z) * slice + (o[1] + y) * row + o[0];
}

static struct box random_box(void)
{
	struct box b;

	for (int i = 0; i < 3; i++) {
		b.size[i] = 1 + (size_t)rand() % (i ? 6 : 40);
		b.origin[i] = (size_t)rand() % 4;
		b.host[i] = (size_t)rand() % 4;
	}
	for (int i = 0; i < 4; i += 2) {
		b.pitch[i] = b.size[0] + (rand() % 2 ? (size_t)rand() % 20 : 0);
		b.pitch[i + 1] = b.pitch[i] * (b.size[1] + (size_t)rand() % 3);
	}
	return b;
}

START_TEST(boxes)
{
	static uint8_t card[BOX], host[BOX], want[BOX];
	unsigned int seed = getenv("SEED") ? (unsigned int)atoi(getenv("SEED")) : (unsigned int)getpid();
	cl_mem mem = host_buffer(&h, 0, BOX), to = host_buffer(&h, 0, BOX);

	printf("# SEED=%u\n", seed);
	srand(seed);
	for (int round = 0; round < 300; round++) {
		struct box b = random_box();

		pattern(card, BOX, (unsigned int)round);
		put(mem, card, 0, BOX);
		pattern(host, BOX, (unsigned int)round + 77);
		if (round % 3 == 0) { /* read */
			memcpy(want, host, BOX);
			for (size_t z = 0; z < b.size[2]; z++)
				for (size_t y = 0; y < b.size[1]; y++)
					memcpy(want + box_at(b.host, b.pitch[2], b.pitch[3], y, z), card + box_at(b.origin, b.pitch[0], b.pitch[1], y, z),
					       b.size[0]);
			ok(clEnqueueReadBufferRect(h.queue, mem, CL_TRUE, b.origin, b.host, b.size, b.pitch[0], b.pitch[1], b.pitch[2], b.pitch[3], host, 0,
						   NULL, NULL));
			ck_assert_mem_eq(host, want, BOX);
		} else if (round % 3 == 1) { /* write */
			memcpy(want, card, BOX);
			for (size_t z = 0; z < b.size[2]; z++)
				for (size_t y = 0; y < b.size[1]; y++)
					memcpy(want + box_at(b.origin, b.pitch[0], b.pitch[1], y, z), host + box_at(b.host, b.pitch[2], b.pitch[3], y, z),
					       b.size[0]);
			ok(clEnqueueWriteBufferRect(h.queue, mem, CL_TRUE, b.origin, b.host, b.size, b.pitch[0], b.pitch[1], b.pitch[2], b.pitch[3], host,
						    0, NULL, NULL));
			get(mem, card, 0, BOX);
			ck_assert_mem_eq(card, want, BOX);
		} else { /* copy */
			put(to, host, 0, BOX);
			memcpy(want, host, BOX);
			for (size_t z = 0; z < b.size[2]; z++)
				for (size_t y = 0; y < b.size[1]; y++)
					memcpy(want + box_at(b.host, b.pitch[2], b.pitch[3], y, z), card + box_at(b.origin, b.pitch[0], b.pitch[1], y, z),
					       b.size[0]);
			ok(clEnqueueCopyBufferRect(h.queue, mem, to, b.origin, b.host, b.size, b.pitch[0], b.pitch[1], b.pitch[2], b.pitch[3], 0, NULL,
						   NULL));
			get(to, host, 0, BOX);
			ck_assert_mem_eq(host, want, BOX);
		}
	}
	ok(clReleaseMemObject(mem));
	ok(clReleaseMemObject(to));
}
END_TEST

/* More rows than one job has commands, and what is wrong with a box. */
START_TEST(box_limits)
{
	const size_t origin[3] = { 0 }, size[3] = { 1, 3000, 1 };
	size_t bad[3] = { 1, 0, 1 };
	static uint8_t wide[9000], narrow[3000], back[9000];
	cl_mem mem = host_buffer(&h, 0, sizeof(wide));

	pattern(narrow, sizeof(narrow), 5);
	put(mem, wide, 0, sizeof(wide));
	ok(clEnqueueWriteBufferRect(h.queue, mem, CL_TRUE, origin, origin, size, 3, 0, 0, 0, narrow, 0, NULL, NULL));
	get(mem, back, 0, sizeof(back));
	for (size_t i = 0; i < sizeof(back); i++)
		ck_assert_uint_eq(back[i], i % 3 ? 0 : narrow[i / 3]);
#define RECT(o, s, row, slice) clEnqueueReadBufferRect(h.queue, mem, CL_TRUE, o, origin, s, row, slice, 0, 0, wide, 0, NULL, NULL)
	fails(RECT(origin, bad, 3, 0), CL_INVALID_VALUE);
	bad[1] = 3001;
	fails(RECT(origin, bad, 3, 0), CL_INVALID_VALUE);
	bad[0] = 4;
	bad[1] = 2;
	fails(RECT(origin, bad, 3, 0), CL_INVALID_VALUE);
	bad[2] = 2;
	fails(RECT(origin, bad, 8, 8), CL_INVALID_VALUE);
	fails(RECT(origin, bad, 8, 17), CL_INVALID_VALUE);
	bad[1] = SIZE_MAX / 2;
	fails(RECT(origin, bad, 8, 0), CL_INVALID_VALUE);
	fails(RECT(NULL, size, 0, 0), CL_INVALID_VALUE);
	ok(clReleaseMemObject(mem));
}
END_TEST

START_TEST(copy_rect_overlap)
{
	const size_t size[3] = { 4, 4, 1 }, a[3] = { 0, 0, 0 }, right[3] = { 4, 0, 0 }, near[3] = { 3, 3, 0 }, below[3] = { 0, 4, 0 };
	cl_mem mem = host_buffer(&h, 0, 4096);

#define COPY(to) clEnqueueCopyBufferRect(h.queue, mem, mem, a, to, size, 16, 0, 16, 0, 0, NULL, NULL)
	ok(COPY(right));
	ok(COPY(below));
	fails(COPY(near), CL_MEM_COPY_OVERLAP);
	fails(COPY(a), CL_MEM_COPY_OVERLAP);
	fails(clEnqueueCopyBufferRect(h.queue, mem, mem, a, below, size, 16, 0, 32, 0, 0, NULL, NULL), CL_INVALID_VALUE);
	fails(clEnqueueCopyBufferRect(h.queue, mem, mem, a, below, size, 0, 0, 16, 0, 0, NULL, NULL), CL_INVALID_VALUE);
	ok(clFinish(h.queue));
	ok(clReleaseMemObject(mem));
}
END_TEST

START_TEST(maps)
{
	uint8_t data[8192], back[8192];
	cl_mem mem = host_buffer(&h, 0, 8192), write_only = host_buffer(&h, CL_MEM_HOST_WRITE_ONLY, 64);
	uint8_t *p, *again;
	cl_event event;
	cl_uint n;
	cl_int ret;

	pattern(data, sizeof(data), 9);
	put(mem, data, 0, sizeof(data));
	p = clEnqueueMapBuffer(h.queue, mem, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 100, 1000, 0, NULL, NULL, &ret);
	ok(ret);
	ck_assert_mem_eq(p, data + 100, 1000);
	again = clEnqueueMapBuffer(h.queue, mem, CL_TRUE, CL_MAP_READ, 100, 10, 0, NULL, NULL, &ret);
	ok(ret);
	ck_assert_ptr_eq(p, again);
	ok(clGetMemObjectInfo(mem, CL_MEM_MAP_COUNT, sizeof(n), &n, NULL));
	ck_assert_uint_eq(n, 2);
	ok(clEnqueueUnmapMemObject(h.queue, mem, again, 0, NULL, NULL));
	memset(p, 0x55, 1000);
	ok(clEnqueueUnmapMemObject(h.queue, mem, p, 0, NULL, &event));
	ok(clWaitForEvents(1, &event));
	ok(clReleaseEvent(event));
	memset(data + 100, 0x55, 1000);
	get(mem, back, 0, sizeof(back));
	ck_assert_mem_eq(back, data, sizeof(data));
	fails(clEnqueueUnmapMemObject(h.queue, mem, p, 0, NULL, NULL), CL_INVALID_VALUE);

	p = clEnqueueMapBuffer(h.queue, mem, CL_FALSE, CL_MAP_WRITE_INVALIDATE_REGION, 0, 8192, 0, NULL, &event, &ret);
	ok(ret);
	ok(clWaitForEvents(1, &event));
	ok(clReleaseEvent(event));
	pattern(p, 8192, 200);
	pattern(data, 8192, 200);
	ok(clEnqueueUnmapMemObject(h.queue, mem, p, 0, NULL, NULL));
	get(mem, back, 0, sizeof(back));
	ck_assert_mem_eq(back, data, sizeof(data));

#define MAP(m, flags, at, bytes) ck_assert_ptr_null(clEnqueueMapBuffer(h.queue, m, CL_TRUE, flags, at, bytes, 0, NULL, NULL, &ret))
	MAP(mem, CL_MAP_READ, 8192, 1);
	fails(ret, CL_INVALID_VALUE);
	MAP(mem, CL_MAP_READ, 0, 8193);
	fails(ret, CL_INVALID_VALUE);
	MAP(mem, CL_MAP_READ, 0, 0);
	fails(ret, CL_INVALID_VALUE);
	MAP(mem, CL_MAP_READ | CL_MAP_WRITE_INVALIDATE_REGION, 0, 1);
	fails(ret, CL_INVALID_VALUE);
	MAP(mem, 1 << 10, 0, 1);
	fails(ret, CL_INVALID_VALUE);
	MAP(write_only, CL_MAP_READ, 0, 1);
	fails(ret, CL_INVALID_OPERATION);
	fails(clEnqueueUnmapMemObject(h.queue, mem, data, 0, NULL, NULL), CL_INVALID_VALUE);
	ok(clReleaseMemObject(write_only));
	ok(clReleaseMemObject(mem));
	MAP(mem, CL_MAP_READ, 0, 1);
	fails(ret, CL_INVALID_MEM_OBJECT);
	fails(clEnqueueUnmapMemObject(h.queue, mem, data, 0, NULL, NULL), CL_INVALID_MEM_OBJECT);
}
END_TEST

/* A sub-buffer that is released while it is mapped: later ones, one of which has its address, are not mapped. */
START_TEST(mapped_sub_buffer)
{
	const cl_buffer_region region = { 4096, 4096 };
	cl_mem mem = host_buffer(&h, 0, 65536), sub, again = NULL;
	bool same = false;
	cl_uint n;
	cl_int ret;
	void *p;

	sub = clCreateSubBuffer(mem, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &ret);
	ok(ret);
	p = clEnqueueMapBuffer(h.queue, sub, CL_TRUE, CL_MAP_WRITE, 0, 4096, 0, NULL, NULL, &ret);
	ok(ret);
	fails(clEnqueueUnmapMemObject(h.queue, mem, p, 0, NULL, NULL), CL_INVALID_VALUE);
	ok(clReleaseMemObject(sub));
	for (int i = 0; i < 20000 && !same; i++) {
		again = clCreateSubBuffer(mem, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &ret);
		ok(ret);
		same = again == sub;
		ok(clGetMemObjectInfo(again, CL_MEM_MAP_COUNT, sizeof(n), &n, NULL));
		ck_assert_uint_eq(n, 0);
		if (same)
			fails(clEnqueueUnmapMemObject(h.queue, again, p, 0, NULL, NULL), CL_INVALID_VALUE);
		ok(clReleaseMemObject(again));
	}
	ck_assert(same);
	ok(clReleaseMemObject(mem));
}
END_TEST

/* USE_HOST_PTR: the host's memory is the buffer's host side; COPY_HOST_PTR: it is read once. */
START_TEST(host_pointers)
{
	static uint8_t host[8192], other[8192], back[8192];
	cl_kernel kernel = host_kernel(h.program, "adder");
	cl_mem use, copy;
	uint8_t *p;
	cl_int ret;

	pattern(host, sizeof(host), 1);
	pattern(other, sizeof(other), 2);
	use = clCreateBuffer(h.context, CL_MEM_USE_HOST_PTR, sizeof(host), host, &ret);
	ok(ret);
	copy = clCreateBuffer(h.context, CL_MEM_COPY_HOST_PTR | CL_MEM_ALLOC_HOST_PTR, sizeof(other), other, &ret);
	ok(ret);
	memset(other, 0, sizeof(other)); /* has been read */
	get(copy, back, 0, sizeof(back));
	pattern(other, sizeof(other), 2);
	ck_assert_mem_eq(back, other, sizeof(back));
	/* A map of it is the host's own memory, also before any device has seen it. */
	p = clEnqueueMapBuffer(h.queue, use, CL_TRUE, CL_MAP_WRITE, 16, 64, 0, NULL, NULL, &ret);
	ok(ret);
	ck_assert_ptr_eq(p, host + 16);
	memset(p, 7, 64);
	ok(clEnqueueUnmapMemObject(h.queue, use, p, 0, NULL, NULL));
	get(use, back, 0, sizeof(back));
	ck_assert_mem_eq(back, host, sizeof(back));
	/* What the card computes is there in a map, at the same place. */
	host_adder(kernel, copy, use, 0, sizeof(host) / 4);
	ok(clEnqueueTask(h.queue, kernel, 0, NULL, NULL));
	p = clEnqueueMapBuffer(h.queue, use, CL_TRUE, CL_MAP_READ, 0, sizeof(host), 0, NULL, NULL, &ret);
	ok(ret);
	ck_assert_ptr_eq(p, host);
	ck_assert_mem_eq(host, other, sizeof(host));
	ok(clEnqueueUnmapMemObject(h.queue, use, p, 0, NULL, NULL));
	/* The vendor's way: write to the vector, migrate. */
	pattern(host, sizeof(host), 50);
	ok(clEnqueueMigrateMemObjects(h.queue, 1, &use, 0, 0, NULL, NULL));
	get(use, back, 0, sizeof(back));
	ck_assert_mem_eq(back, host, sizeof(back));
	ok(clReleaseMemObject(use));
	ok(clReleaseMemObject(copy));
	ok(clReleaseKernel(kernel));
}
END_TEST

/* The vendor's examples: map once, fill, migrate, run, migrate back, look; several times through the same pointers. */
START_TEST(migrate)
{
	cl_kernel kernel = host_kernel(h.program, "adder");
	cl_mem in = host_buffer(&h, CL_MEM_READ_ONLY, 4000), out = host_buffer(&h, CL_MEM_WRITE_ONLY, 4000), plain = host_buffer(&h, 0, 64);
	uint8_t seven[64], back[64];
	cl_int *from, *to, ret;

	host_adder(kernel, in, out, 3, 1000);
	from = clEnqueueMapBuffer(h.queue, in, CL_TRUE, CL_MAP_WRITE, 0, 4000, 0, NULL, NULL, &ret);
	ok(ret);
	to = clEnqueueMapBuffer(h.queue, out, CL_TRUE, CL_MAP_READ, 0, 4000, 0, NULL, NULL, &ret);
	ok(ret);
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 1000; i++)
			from[i] = i * 7 + round;
		ok(clEnqueueMigrateMemObjects(h.queue, 1, &in, 0, 0, NULL, NULL));
		ok(clEnqueueTask(h.queue, kernel, 0, NULL, NULL));
		ok(clEnqueueMigrateMemObjects(h.queue, 1, &out, CL_MIGRATE_MEM_OBJECT_HOST, 0, NULL, NULL));
		ok(clFinish(h.queue));
		for (int i = 0; i < 1000; i++)
			ck_assert_int_eq(to[i], i * 7 + round + 3);
	}
	/* A buffer that the host has no pointer into keeps what it holds. */
	memset(seven, 7, sizeof(seven));
	put(plain, seven, 0, sizeof(seven));
	ok(clEnqueueMigrateMemObjects(h.queue, 1, &plain, 0, 0, NULL, NULL));
	ok(clEnqueueMigrateMemObjects(h.queue, 1, &plain, CL_MIGRATE_MEM_OBJECT_HOST, 0, NULL, NULL));
	get(plain, back, 0, sizeof(back));
	ck_assert_mem_eq(back, seven, sizeof(back));
	ok(clEnqueueMigrateMemObjects(h.queue, 1, &plain, CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED, 0, NULL, NULL));

	fails(clEnqueueMigrateMemObjects(h.queue, 0, &in, 0, 0, NULL, NULL), CL_INVALID_VALUE);
	fails(clEnqueueMigrateMemObjects(h.queue, 1, NULL, 0, 0, NULL, NULL), CL_INVALID_VALUE);
	fails(clEnqueueMigrateMemObjects(h.queue, 1, &in, 1 << 9, 0, NULL, NULL), CL_INVALID_VALUE);
	ok(clEnqueueUnmapMemObject(h.queue, in, from, 0, NULL, NULL));
	ok(clEnqueueUnmapMemObject(h.queue, out, to, 0, NULL, NULL));
	ok(clReleaseMemObject(in));
	ok(clReleaseMemObject(plain));
	fails(clEnqueueMigrateMemObjects(h.queue, 1, &plain, 0, 0, NULL, NULL), CL_INVALID_MEM_OBJECT);
	ok(clReleaseMemObject(out));
	ok(clReleaseKernel(kernel));
}
END_TEST

START_TEST(extension)
{
	cl_kernel kernel = host_kernel(h.program, "adder");
	cl_mem_ext_ptr_t ext = { 0 };
	uint8_t back[64], *p, host[64] = { 1 };
	cl_mem mem;
	cl_int ret;

	ext.flags = XCL_MEM_EXT_P2P_BUFFER;
	mem = clCreateBuffer(h.context, CL_MEM_READ_WRITE | CL_MEM_EXT_PTR_XILINX, 4096, &ext, &ret);
	ok(ret);
	p = clEnqueueMapBuffer(h.queue, mem, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0, 4096, 0, NULL, NULL, &ret);
	ok(ret);
	memset(p, 0x21, 4096);
	get(mem, back, 0, 64); /* it is the card's memory: no unmap needed */
	ck_assert_uint_eq(back[63], 0x21);
	ok(clEnqueueUnmapMemObject(h.queue, mem, p, 0, NULL, NULL));
	ok(clReleaseMemObject(mem));
	ext.flags = XCL_MEM_EXT_HOST_ONLY;
	mem = clCreateBuffer(h.context, CL_MEM_READ_WRITE | CL_MEM_EXT_PTR_XILINX, 4096, &ext, &ret);
	ok(ret);
	ok(clReleaseMemObject(mem));
	ext.flags = XCL_MEM_DDR_BANK0;
	mem = clCreateBuffer(h.context, CL_MEM_READ_WRITE | CL_MEM_EXT_PTR_XILINX, 4096, &ext, &ret);
	ok(ret);
	ok(clReleaseMemObject(mem));
	ext.flags = (unsigned int)XCL_MEM_TOPOLOGY;
	ext.obj = host;
	mem = clCreateBuffer(h.context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR | CL_MEM_EXT_PTR_XILINX, 64, &ext, &ret);
	ok(ret);
	get(mem, back, 0, 64);
	ck_assert_mem_eq(back, host, 64);
	ok(clReleaseMemObject(mem));
	ext = (cl_mem_ext_ptr_t){ .flags = 1, .param = kernel };
	mem = clCreateBuffer(h.context, CL_MEM_READ_WRITE | CL_MEM_EXT_PTR_XILINX, 64, &ext, &ret);
	ok(ret);
	ok(clReleaseMemObject(mem));

	ext.flags = 2; /* a scalar */
	ck_assert_ptr_null(clCreateBuffer(h.context, CL_MEM_EXT_PTR_XILINX, 64, &ext, &ret));
	fails(ret, CL_INVALID_ARG_INDEX);
	ext = (cl_mem_ext_ptr_t){ .flags = XCL_MEM_DDR_BANK2 };
	ck_assert_ptr_null(clCreateBuffer(h.context, CL_MEM_EXT_PTR_XILINX, 64, &ext, &ret));
	fails(ret, CL_INVALID_VALUE);
	ck_assert_msg(strstr(host_said(), "bank"), "%s", host_said());
	ext.flags = XCL_MEM_EXT_P2P_BUFFER;
	ext.obj = host;
	ck_assert_ptr_null(clCreateBuffer(h.context, CL_MEM_USE_HOST_PTR | CL_MEM_EXT_PTR_XILINX, 64, &ext, &ret));
	fails(ret, CL_INVALID_VALUE);
	ok(clReleaseKernel(kernel));
}
END_TEST

static void add(TCase *t)
{
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, create);
	tcase_add_test(t, memory);
	tcase_add_test(t, information);
	tcase_add_test(t, destructor);
	tcase_add_test(t, sub_buffers);
	tcase_add_test(t, linear);
	tcase_add_test(t, fill);
	tcase_add_test(t, boxes);
	tcase_add_test(t, box_limits);
	tcase_add_test(t, copy_rect_overlap);
	tcase_add_test(t, maps);
	tcase_add_test(t, mapped_sub_buffer);
	tcase_add_test(t, host_pointers);
	tcase_add_test(t, migrate);
	tcase_add_test(t, extension);
}

int main(void)
{
	return suite_main("opencl_buffers", add);
}
