// SPDX-License-Identifier: BSD-2-Clause
/* Helpers of the embedded card's tests. */
#include "emu_test.h"

/* Not Check's assertions: those are for one thread, and for a running test. */
#define MUST(x)                                                                        \
	do {                                                                           \
		if (!(x)) {                                                            \
			fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #x); \
			abort();                                                       \
		}                                                                      \
	} while (0)

uint64_t t_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

struct emu *t_open_bare(const char *options)
{
	struct smartssd_error err = { "" };
	struct emu *emu = NULL;
	int ret = emu_open(options, &emu, &err);

	if (ret)
		fprintf(stderr, "emu_open(%s): %s %s\n", options, strerror(-ret), err.text);
	MUST(!ret);
	return emu;
}

int t_load(struct emu *emu)
{
	struct smartssd_xclbin x = { .size = sizeof(x) };
	static char data[1 << 20];
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);
	int fd;

	MUST(n > 0);
	path[n] = 0;
	strcpy(strrchr(path, '/') + 1, "ek.xclbin");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	MUST(fd >= 0);
	n = read(fd, data, sizeof(data));
	close(fd);
	MUST(n > 0 && n < (ssize_t)sizeof(data));
	x.data = (uintptr_t)data;
	x.bytes = n;
	return emu_ioctl(emu, SMARTSSD_IOC_XCLBIN_LOAD, &x);
}

struct emu *t_open(const char *options)
{
	struct emu *emu = t_open_bare(options);

	MUST(t_load(emu) == 0);
	return emu;
}

struct smartssd_bo t_bo(struct emu *emu, uint64_t bytes)
{
	struct smartssd_bo bo = { .size = sizeof(bo), .bytes = bytes };

	MUST(emu_ioctl(emu, SMARTSSD_IOC_BO_CREATE, &bo) == 0);
	return bo;
}

void *t_map(struct emu *emu, const struct smartssd_bo *bo)
{
	void *p;

	MUST(emu_mmap(emu, bo->mmap_offset, bo->bytes, &p) == 0);
	return p;
}

int t_destroy(struct emu *emu, uint32_t bo)
{
	struct smartssd_id id = { sizeof(id), bo };

	return emu_ioctl(emu, SMARTSSD_IOC_BO_DESTROY, &id);
}

uint64_t t_free_bytes(struct emu *emu)
{
	struct smartssd_query q = { .size = sizeof(q) };

	MUST(emu_ioctl(emu, SMARTSSD_IOC_QUERY, &q) == 0);
	return q.ddr_free;
}

struct smartssd_counters t_counters(struct emu *emu)
{
	struct smartssd_counters c = { .size = sizeof(c) };

	MUST(emu_ioctl(emu, SMARTSSD_IOC_COUNTERS, &c) == 0);
	return c;
}

struct smartssd_cu_info t_cu(struct emu *emu, uint32_t cu)
{
	struct smartssd_cu_info i = { .size = sizeof(i), .index = cu };

	MUST(emu_ioctl(emu, SMARTSSD_IOC_CU_INFO, &i) == 0);
	return i;
}

int t_reset(struct emu *emu, uint32_t cu)
{
	struct smartssd_id id = { sizeof(id), cu };

	return emu_ioctl(emu, SMARTSSD_IOC_CU_RESET, &id);
}

int t_export(struct emu *emu, uint32_t bo)
{
	struct smartssd_bo_fd e = { .size = sizeof(e), .bo = bo, .fd = -1 };

	MUST(emu_ioctl(emu, SMARTSSD_IOC_BO_EXPORT, &e) == 0);
	return e.fd;
}

uint32_t t_import(struct emu *emu, int fd)
{
	struct smartssd_bo_fd e = { .size = sizeof(e), .fd = fd };

	MUST(emu_ioctl(emu, SMARTSSD_IOC_BO_IMPORT, &e) == 0);
	return e.bo;
}

uint8_t t_byte(uint64_t i)
{
	return (i * 2654435761u >> 11) ^ (i >> 3);
}

int t_file(uint64_t bytes, int flags)
{
	char path[] = "/tmp/emu-test-XXXXXX";
	uint8_t *data = malloc(bytes + 1);
	int fd = mkstemp(path), fd2;
	uint64_t i;

	MUST(fd >= 0 && data);
	for (i = 0; i < bytes; i++)
		data[i] = t_byte(i);
	MUST(write(fd, data, bytes) == (ssize_t)bytes);
	free(data);
	fd2 = open(path, flags | O_CLOEXEC);
	close(fd);
	unlink(path);
	return fd2;
}

struct smartssd_file t_register(struct emu *emu, int fd)
{
	struct smartssd_file f = { .size = sizeof(f), .fd = fd };

	MUST(emu_ioctl(emu, SMARTSSD_IOC_FILE_REGISTER, &f) == 0);
	return f;
}

int t_submit(struct emu *emu, const struct smartssd_cmd *cmds, uint32_t nr, uint64_t *job)
{
	struct smartssd_submit s = { .size = sizeof(s), .cmds = (uintptr_t)cmds, .nr_cmds = nr };
	int ret = emu_ioctl(emu, SMARTSSD_IOC_SUBMIT, &s);

	if (job)
		*job = s.job;
	return ret;
}

int t_wait(struct emu *emu, uint64_t job, uint64_t deadline, struct smartssd_wait *out, struct smartssd_result *results, uint32_t nr)
{
	struct smartssd_wait w = { .size = sizeof(w), .job = job, .deadline_ns = deadline, .results = (uintptr_t)results, .nr_results = nr };
	int ret = emu_ioctl(emu, SMARTSSD_IOC_WAIT, &w);

	if (out)
		*out = w;
	return ret;
}

int t_run(struct emu *emu, const struct smartssd_cmd *cmds, uint32_t nr, struct smartssd_result *results)
{
	struct smartssd_wait w;
	uint64_t job;
	int ret = t_submit(emu, cmds, nr, &job);

	if (!ret)
		ret = t_wait(emu, job, t_now() + 20000000000ull, &w, results, results ? nr : 0);
	return ret ? ret : w.status;
}

struct smartssd_cmd t_ek(struct t_args *a, uint64_t mask, uint32_t src, uint32_t dst, uint32_t n, uint32_t mode)
{
	struct smartssd_cmd cmd = { .op = SMARTSSD_OP_RUN };

	a->a[0] = (struct smartssd_arg){ .index = 0, .bo = src };
	a->a[1] = (struct smartssd_arg){ .index = 2, .bo = dst };
	a->a[2] = (struct smartssd_arg){ .index = 4, .value = n };
	a->a[3] = (struct smartssd_arg){ .index = 5, .value = mode };
	cmd.run.cu_mask = mask;
	cmd.run.args = (uintptr_t)a->a;
	cmd.run.nr_args = 4;
	return cmd;
}

struct smartssd_cmd t_noop(void)
{
	struct smartssd_cmd cmd = { .op = SMARTSSD_OP_RUN };

	cmd.run.cu_mask = 4; /* behind the two of ek */
	return cmd;
}

struct smartssd_cmd t_copy_to(uint32_t bo, uint64_t offset, const void *host, uint64_t bytes)
{
	struct smartssd_cmd cmd = { .op = SMARTSSD_OP_COPY_TO };

	cmd.copy.host = (uintptr_t)host;
	cmd.copy.dst_bo = bo;
	cmd.copy.dst_offset = offset;
	cmd.copy.bytes = bytes;
	return cmd;
}

struct smartssd_cmd t_copy_from(void *host, uint32_t bo, uint64_t offset, uint64_t bytes)
{
	struct smartssd_cmd cmd = { .op = SMARTSSD_OP_COPY_FROM };

	cmd.copy.host = (uintptr_t)host;
	cmd.copy.src_bo = bo;
	cmd.copy.src_offset = offset;
	cmd.copy.bytes = bytes;
	return cmd;
}

struct smartssd_cmd t_copy_bo(uint32_t dst, uint64_t dst_offset, uint32_t src, uint64_t src_offset, uint64_t bytes)
{
	struct smartssd_cmd cmd = { .op = SMARTSSD_OP_COPY_BO };

	cmd.copy.dst_bo = dst;
	cmd.copy.dst_offset = dst_offset;
	cmd.copy.src_bo = src;
	cmd.copy.src_offset = src_offset;
	cmd.copy.bytes = bytes;
	return cmd;
}

struct smartssd_cmd t_rw(uint32_t op, uint32_t file, uint32_t bo, const struct smartssd_extent *ext, uint32_t nr)
{
	struct smartssd_cmd cmd = { .op = op };

	cmd.rw.file = file;
	cmd.rw.bo = bo;
	cmd.rw.extents = (uintptr_t)ext;
	cmd.rw.nr_extents = nr;
	return cmd;
}

uint64_t t_seed(const char *what)
{
	const char *env = getenv("SEED");
	uint64_t seed = env ? strtoull(env, NULL, 0) : t_now();

	printf("# %s: SEED=%llu\n", what, (unsigned long long)seed);
	fflush(stdout);
	return seed * 2 + 1;
}

uint64_t t_random(uint64_t *s)
{
	*s ^= *s >> 12;
	*s ^= *s << 25;
	*s ^= *s >> 27;
	return *s * 0x2545f4914f6cdd1dull >> 16;
}
