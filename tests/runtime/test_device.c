// SPDX-License-Identifier: BSD-2-Clause
/* The device layer with an ioctl() and mmap() of the test's: exactly which structs go to the driver, and what comes back of errors. */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime_test.h"

static struct {
	unsigned long request; /* the last one */
	int calls;
	int error;	       /* errno to fail with; 0: succeed */
	int fail_times;	       /* only so often, then succeed; -1: always */
	const char *const *cus; /* names of compute units; ends with NULL */
	union {
		uint32_t size;
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
	} in, out; /* as called; @out is copied back over it when it has a size */
	struct {
		void *address;
		size_t bytes;
		int prot, flags, fd;
		off_t offset;
		int error;
	} map;
} mock;

int __wrap_ioctl(int fd, unsigned long request, ...);
void *__wrap_mmap(void *address, size_t bytes, int prot, int flags, int fd, off_t offset);
int __wrap_munmap(void *address, size_t bytes);

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	uint32_t *arg;

	va_start(ap, request);
	arg = va_arg(ap, uint32_t *);
	va_end(ap);
	ck_assert_int_ge(fd, 0);
	ck_assert_uint_le(*arg, sizeof(mock.in));
	/* The size in the number is that of the struct. */
	ck_assert_uint_eq(*arg, request >> 16 & 0x3fff);
	mock.calls++;
	mock.request = request;
	memcpy(&mock.in, arg, *arg);
	if (mock.error && mock.fail_times) {
		if (mock.fail_times > 0)
			mock.fail_times--;
		if (mock.out.size)
			memcpy(arg, &mock.out, *arg);
		errno = mock.error;
		return -1;
	}
	if (mock.cus && request == SMARTSSD_IOC_QUERY) {
		while (mock.cus[((struct smartssd_query *)arg)->nr_cus])
			((struct smartssd_query *)arg)->nr_cus++;
	} else if (mock.cus && request == SMARTSSD_IOC_CU_INFO) {
		struct smartssd_cu_info *cu = (void *)arg;

		strcpy((char *)cu->name, mock.cus[cu->index]);
	} else if (mock.out.size) {
		memcpy(arg, &mock.out, *arg);
	}
	return 0;
}

void *__wrap_mmap(void *address, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	ck_assert_ptr_null(address);
	mock.map.bytes = bytes;
	mock.map.prot = prot;
	mock.map.flags = flags;
	mock.map.fd = fd;
	mock.map.offset = offset;
	errno = mock.map.error;
	return mock.map.error ? MAP_FAILED : mock.map.address;
}

int __wrap_munmap(void *address, size_t bytes)
{
	mock.map.address = address;
	mock.map.bytes = bytes;
	errno = mock.map.error;
	return mock.map.error ? -1 : 0;
}

static struct smartssd_device *dev;

/* /dev/null stands for the node: it opens, and the ioctl is ours. */
static void open_device(void)
{
	memset(&mock, 0, sizeof(mock));
	mock.fail_times = -1;
	ck_assert_int_eq(smartssd_open("/dev/null", &dev, NULL), 0);
	ck_assert_uint_eq(mock.request, SMARTSSD_IOC_QUERY);
	mock.calls = 0;
}

static void close_device(void)
{
	smartssd_close(dev);
}

#define CALLED(REQUEST, MEMBER, ...)                                                             \
	do {                                                                                     \
		__typeof__(mock.in.MEMBER) expected = { .size = sizeof(expected), __VA_ARGS__ }; \
		ck_assert_int_eq(mock.calls, 1);                                                 \
		ck_assert_uint_eq(mock.request, REQUEST);                                        \
		ck_assert_mem_eq(&mock.in.MEMBER, &expected, sizeof(expected));                  \
		mock.calls = 0;                                                                  \
	} while (0)

START_TEST(each_call_is_one_ioctl)
{
	struct smartssd_query query;
	struct smartssd_cu_info cu;
	struct smartssd_arg_info arg;
	struct smartssd_counters counters;
	struct smartssd_bo bo;
	struct smartssd_file file;
	char data[3];

	/* What was in the caller's struct must not reach the driver. */
	memset(&query, 0xff, sizeof(query));
	memset(&cu, 0xff, sizeof(cu));
	memset(&arg, 0xff, sizeof(arg));
	memset(&counters, 0xff, sizeof(counters));
	memset(&bo, 0xff, sizeof(bo));
	memset(&file, 0xff, sizeof(file));
	ck_assert_int_eq(smartssd_query(dev, &query), 0);
	CALLED(SMARTSSD_IOC_QUERY, query);
	ck_assert_int_eq(smartssd_cu_info(dev, 3, &cu), 0);
	CALLED(SMARTSSD_IOC_CU_INFO, cu, .index = 3);
	ck_assert_int_eq(smartssd_arg_info(dev, 4, 5, &arg), 0);
	CALLED(SMARTSSD_IOC_ARG_INFO, arg, .cu = 4, .index = 5);
	ck_assert_int_eq(smartssd_counters(dev, SMARTSSD_COUNT_CARD, &counters), 0);
	CALLED(SMARTSSD_IOC_COUNTERS, counters, .scope = SMARTSSD_COUNT_CARD);
	ck_assert_int_eq(smartssd_cu_reset(dev, 6), 0);
	CALLED(SMARTSSD_IOC_CU_RESET, id, .id = 6);
	ck_assert_int_eq(smartssd_set_eventfd(dev, -1), 0);
	CALLED(SMARTSSD_IOC_EVENTFD, eventfd, .fd = -1);
	ck_assert_int_eq(smartssd_xclbin_load(dev, data, 3), 0);
	CALLED(SMARTSSD_IOC_XCLBIN_LOAD, xclbin, .data = (uintptr_t)data, .bytes = 3);
	ck_assert_int_eq(smartssd_bo_create(dev, 12345, &bo), 0);
	CALLED(SMARTSSD_IOC_BO_CREATE, bo, .bytes = 12345);
	ck_assert_int_eq(smartssd_bo_destroy(dev, 9), 0);
	CALLED(SMARTSSD_IOC_BO_DESTROY, id, .id = 9);
	ck_assert_int_eq(smartssd_file_register(dev, 11, &file), 0);
	CALLED(SMARTSSD_IOC_FILE_REGISTER, file, .fd = 11);
	ck_assert_int_eq(smartssd_file_unregister(dev, 12), 0);
	CALLED(SMARTSSD_IOC_FILE_UNREGISTER, id, .id = 12);
}
END_TEST

START_TEST(what_the_driver_says_comes_back)
{
	struct smartssd_bo bo;
	uint32_t id;
	uint64_t bytes;
	int fd;

	mock.out.bo =
		(struct smartssd_bo){ .size = sizeof(bo), .bytes = 16384, .bo = 7, .address = 1 << 20, .mmap_offset = 1 << 30 };
	ck_assert_int_eq(smartssd_bo_create(dev, 12345, &bo), 0);
	ck_assert_mem_eq(&bo, &mock.out.bo, sizeof(bo));
	mock.out.bo_fd = (struct smartssd_bo_fd){ .size = sizeof(mock.out.bo_fd), .bo = 21, .fd = 33, .bytes = 4096 };
	ck_assert_int_eq(smartssd_bo_export(dev, 21, &fd), 0);
	ck_assert_int_eq(fd, 33);
	ck_assert(mock.request == SMARTSSD_IOC_BO_EXPORT && mock.in.bo_fd.bo == 21 && mock.in.bo_fd.fd == 0 &&
		  mock.in.bo_fd.bytes == 0);
	ck_assert_int_eq(smartssd_bo_import(dev, 33, &id, &bytes), 0);
	ck_assert(id == 21 && bytes == 4096);
	ck_assert(mock.request == SMARTSSD_IOC_BO_IMPORT && mock.in.bo_fd.fd == 33 && mock.in.bo_fd.bo == 0);
}
END_TEST

START_TEST(errno_becomes_the_return_value)
{
	static const int errors[] = { ENOTTY, EINVAL, E2BIG, ENOENT, EOVERFLOW, EREMOTEIO, EIO, ENODEV, EPERM, ENOMEM, EINTR };
	struct smartssd_bo bo;
	struct smartssd_query query;
	int fd = -7;

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		mock.error = errors[i];
		ck_assert_int_eq(smartssd_query(dev, &query), -errors[i]);
		ck_assert_int_eq(smartssd_bo_create(dev, 1, &bo), -errors[i]);
		ck_assert_int_eq(smartssd_bo_export(dev, 1, &fd), -errors[i]);
		ck_assert_int_eq(smartssd_ioctl(dev, SMARTSSD_IOC_CU_RESET, &(struct smartssd_id){ .size = 8 }), -errors[i]);
		ck_assert_int_eq(fd, -7);
	}
}
END_TEST

START_TEST(mapping)
{
	struct smartssd_bo bo = { .size = sizeof(bo), .bytes = 8192, .bo = 1, .mmap_offset = 0x40000000 };
	char memory[1];
	void *map = NULL;

	mock.map.address = memory;
	ck_assert_int_eq(smartssd_bo_map(dev, &bo, &map), 0);
	ck_assert_ptr_eq(map, memory);
	ck_assert(mock.map.bytes == 8192 && mock.map.prot == (PROT_READ | PROT_WRITE) && mock.map.flags == MAP_SHARED &&
		  mock.map.fd == smartssd_poll_fd(dev) && mock.map.offset == 0x40000000);
	mock.map.bytes = 0;
	ck_assert_int_eq(smartssd_bo_unmap(dev, &bo, map), 0);
	ck_assert_uint_eq(mock.map.bytes, 8192);
	mock.map.error = ENODEV;
	ck_assert_int_eq(smartssd_bo_map(dev, &bo, &map), -ENODEV);
	ck_assert_int_eq(smartssd_bo_unmap(dev, &bo, map), -ENODEV);
}
END_TEST

static struct smartssd_list *two_commands(void)
{
	struct smartssd_list *list;

	ck_assert_int_eq(smartssd_list_create(&list), 0);
	ck_assert_int_eq(smartssd_list_run(list, 1, NULL, 0, 0), 0);
	ck_assert_int_eq(smartssd_list_read(list, 1, 1, &(struct smartssd_extent){ 0, 0, 1 }, 1, 0), 1);
	return list;
}

START_TEST(submit)
{
	struct smartssd_list *list = two_commands();
	uint64_t job = 0;
	uint32_t bad = 5;

	mock.out.submit = (struct smartssd_submit){ .size = sizeof(mock.out.submit), .job = 77, .bad_cmd = UINT32_MAX };
	ck_assert_int_eq(smartssd_submit(dev, list, &job, &bad), 0);
	CALLED(SMARTSSD_IOC_SUBMIT, submit, .cmds = (uintptr_t)list->cmds, .nr_cmds = 2, .bad_cmd = UINT32_MAX);
	ck_assert_uint_eq(job, 77);
	ck_assert_uint_eq(bad, UINT32_MAX);
	ck_assert_int_eq(smartssd_submit(dev, list, &job, NULL), 0);

	mock.error = ENOENT;
	mock.out.submit.bad_cmd = 1;
	job = 3;
	ck_assert_int_eq(smartssd_submit(dev, list, &job, &bad), -ENOENT);
	ck_assert_uint_eq(bad, 1);
	ck_assert_uint_eq(job, 3);
	smartssd_list_destroy(list);
}
END_TEST

START_TEST(wait_retries_after_signals)
{
	struct smartssd_result results[2];
	struct smartssd_outcome outcome;

	mock.error = EINTR;
	mock.fail_times = 3;
	/* A driver may have written to the struct before the signal: the next call must start anew. */
	mock.out.wait = (struct smartssd_wait){
		.size = sizeof(mock.out.wait), .job = 99, .status = -EIO, .first_error = 1, .done = 1, .nr_results = 2
	};
	ck_assert_int_eq(smartssd_wait(dev, 5, 1234, &outcome, results, 2), 0);
	ck_assert_int_eq(mock.calls, 4);
	mock.calls = 1;
	CALLED(SMARTSSD_IOC_WAIT, wait, .job = 5, .deadline_ns = 1234, .results = (uintptr_t)results, .nr_results = 2);
	ck_assert(outcome.status == -EIO && outcome.first_error == 1 && outcome.done == 1 && outcome.count == 2);

	ck_assert_int_eq(smartssd_wait(dev, 5, SMARTSSD_DEADLINE_NEVER, NULL, NULL, 2), 0);
	CALLED(SMARTSSD_IOC_WAIT, wait, .job = 5, .deadline_ns = SMARTSSD_DEADLINE_NEVER);
	mock.error = ETIME;
	mock.fail_times = -1;
	ck_assert_int_eq(smartssd_wait(dev, 5, 0, &outcome, NULL, 0), -ETIME);
}
END_TEST

START_TEST(find_kernel)
{
	static const char *const cus[] = { "conv2d:conv2d_1", "conv2", "conv2dx:conv2d", "conv2d:conv2d_2", "empty:conv2d",
					   "conv2:d",	      NULL };

	ck_assert_uint_eq(smartssd_find_kernel(dev, "conv2d"), 0);
	mock.cus = cus;
	ck_assert_uint_eq(smartssd_find_kernel(dev, "conv2d"), 1 | 8);
	ck_assert_uint_eq(smartssd_find_kernel(dev, "empty"), 16);
	ck_assert_uint_eq(smartssd_find_kernel(dev, "conv2"), 32);
	ck_assert_uint_eq(smartssd_find_kernel(dev, "conv"), 0);
	ck_assert_uint_eq(smartssd_find_kernel(dev, "conv2d_1"), 0);
	mock.error = ENODEV;
	ck_assert_uint_eq(smartssd_find_kernel(dev, "conv2d"), 0);
}
END_TEST

START_TEST(errors_of_a_list_are_explained)
{
	struct smartssd_list *list = two_commands();
	struct smartssd_error err;

	mock.error = ENOENT;
	mock.out.submit = (struct smartssd_submit){ .size = sizeof(mock.out.submit), .bad_cmd = 1 };
	ck_assert_int_eq(smartssd_run_list(dev, list, NULL, NULL, 0, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.text, "command 1 of 2 (READ)"));
	ck_assert_int_eq(smartssd_run_list(dev, list, NULL, NULL, 0, NULL), -ENOENT);
	smartssd_list_destroy(list);

	/* Every code for every kind of command has a text that says more than the code. */
	list = two_commands();
	for (int code = 1; code < 140; code++)
		for (uint32_t cmd = 0; cmd < 2; cmd++) {
			struct smartssd_result result = { .status = -code, .path = SMARTSSD_PEER_NO_SSD, .detail = 4 };

			ck_assert_int_eq(smartssd_explain_command(&err, list, -code, cmd, &result), -code);
			ck_assert_ptr_nonnull(strstr(err.text, cmd ? "READ" : "RUN"));
			ck_assert_int_eq(smartssd_explain_submit(&err, list, -code, cmd), -code);
			ck_assert_ptr_null(strchr(err.text, '\n'));
			ck_assert_uint_lt(strlen(err.text), sizeof(err.text) - 1);
		}
	smartssd_explain_command(&err, list, -EREMOTEIO, 1, &(struct smartssd_result){ .path = SMARTSSD_PEER_NO_SSD });
	ck_assert_ptr_nonnull(strstr(err.text, smartssd_peer_reason_text(SMARTSSD_PEER_NO_SSD)));
	/* Which unit did it is known only of a run that started. */
	smartssd_explain_command(&err, list, -EIO, 0, &(struct smartssd_result){ .start_ns = 1, .detail = 7 });
	ck_assert_ptr_nonnull(strstr(err.text, "compute unit 7"));
	ck_assert_ptr_nonnull(strstr(err.text, "`smartssd reset 7 --device /dev/smartssdN`"));
	smartssd_explain_command(&err, list, -EIO, 0, &(struct smartssd_result){ .detail = 7 });
	ck_assert_ptr_null(strstr(err.text, "7"));
	ck_assert_ptr_nonnull(strstr(err.text, "could not start: every compute unit"));
	smartssd_list_clear(list);
	/* A COPY has nothing to do with the drive. */
	ck_assert_int_eq(smartssd_list_copy_to(list, 1, 0, "abc", 3), 0);
	smartssd_explain_command(&err, list, -EIO, 0, &(struct smartssd_result){ .start_ns = 1 });
	ck_assert_ptr_null(strstr(err.text, "drive"));
	ck_assert_ptr_nonnull(strstr(err.text, "card memory"));
	smartssd_list_destroy(list);
}
END_TEST

START_TEST(reasons)
{
	for (uint32_t r = 0; r < SMARTSSD_PEER_NR; r++) {
		ck_assert_uint_gt(strlen(smartssd_peer_reason_name(r)), 1);
		ck_assert_ptr_null(strchr(smartssd_peer_reason_name(r), ' '));
		ck_assert_uint_gt(strlen(smartssd_peer_reason_text(r)), 20);
		ck_assert(r == SMARTSSD_PEER_OK ? !*smartssd_peer_reason_remedy(r) : strlen(smartssd_peer_reason_remedy(r)) > 20);
		for (uint32_t s = 0; s < r; s++)
			ck_assert_str_ne(smartssd_peer_reason_name(r), smartssd_peer_reason_name(s));
	}
	ck_assert_str_eq(smartssd_peer_reason_name(SMARTSSD_PEER_OK), "ok");
	ck_assert_str_eq(smartssd_peer_reason_name(SMARTSSD_PEER_NO_SSD), "no-ssd");
	ck_assert_str_eq(smartssd_peer_reason_name(SMARTSSD_PEER_NR), "unknown");
	ck_assert_uint_gt(strlen(smartssd_peer_reason_text(12345)), 20);
}
END_TEST

START_TEST(opening)
{
	struct smartssd_device *other;
	struct smartssd_error err;

	ck_assert_str_eq(smartssd_uri(dev), "/dev/null");
	ck_assert_int_eq(smartssd_open("/no/such/node", &other, &err), -ENOENT);
	ck_assert_ptr_null(other);
	ck_assert_ptr_nonnull(strstr(err.text, "/no/such/node"));
	ck_assert_ptr_nonnull(strstr(err.text, "emu:"));
	ck_assert_int_eq(smartssd_open("smartssd0", &other, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "\"smartssd0\""));
	mock.error = ENOTTY;
	ck_assert_int_eq(smartssd_open("/dev/zero", &other, &err), -ENOTTY);
	ck_assert_ptr_nonnull(strstr(err.text, "not a SmartSSD"));
	ck_assert_int_eq(smartssd_open("/dev/zero", &other, NULL), -ENOTTY);
	mock.error = 0;
	setenv("SMARTSSD_DEVICE", "/dev/zero", 1);
	ck_assert_int_eq(smartssd_open(NULL, &other, &err), 0);
	ck_assert_str_eq(smartssd_uri(other), "/dev/zero");
	smartssd_close(other);
	/* Nobody typed it: where it came from is said. */
	static const char *const wrong[] = { "/no/such/node", "nonsense", "emu:nonsense=1" };

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		setenv("SMARTSSD_DEVICE", wrong[i], 1);
		ck_assert_int_lt(smartssd_open(NULL, &other, &err), 0);
		ck_assert_msg(strstr(err.text, "(from $SMARTSSD_DEVICE)") != NULL, "%s", err.text);
		ck_assert_int_lt(smartssd_open(wrong[i], &other, &err), 0);
		ck_assert_msg(strstr(err.text, "SMARTSSD_DEVICE") == NULL, "%s", err.text);
	}
	unsetenv("SMARTSSD_DEVICE");
	smartssd_close(NULL);
}
END_TEST

START_TEST(xclbin_files)
{
	struct smartssd_error err;
	char path[] = "/tmp/smartssd-test-XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(smartssd_xclbin_load_file(dev, "/no/such/file", &err), -ENOENT);
	ck_assert_int_eq(smartssd_xclbin_load_file(dev, "/tmp", &err), -EBADMSG);
	ck_assert_int_eq(smartssd_xclbin_load_file(dev, path, &err), -EBADMSG); /* empty */
	ck_assert_int_eq(mock.calls, 0);
	ck_assert_int_eq(write(fd, "abc", 3), 3);
	ck_assert_int_eq(smartssd_xclbin_load_file(dev, path, &err), 0);
	ck_assert_uint_eq(mock.in.xclbin.bytes, 3);
	for (int i = 0; i < 6; i++) {
		static const int errors[] = { EPERM, EBUSY, EBADMSG, EOPNOTSUPP, EIO, ENOMEM };

		mock.error = errors[i];
		ck_assert_int_eq(smartssd_xclbin_load_file(dev, path, &err), -errors[i]);
		ck_assert_ptr_nonnull(strstr(err.text, path));
	}
	close(fd);
	unlink(path);
}
END_TEST

START_TEST(find_file)
{
	char folder[] = "/tmp/smartssd-test-XXXXXX", file[64], path[256];
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/some.file", folder);
	fd = open(file, O_CREAT | O_WRONLY, 0644);
	ck_assert_int_ge(fd, 0);
	close(fd);
	unsetenv("SMARTSSD_LIBDIR");
	ck_assert_int_eq(smartssd_find_file("some.file", path, sizeof(path)), -ENOENT);
	setenv("SMARTSSD_LIBDIR", folder, 1);
	ck_assert_int_eq(smartssd_find_file("some.file", path, sizeof(path)), 0);
	ck_assert_str_eq(path, file);
	ck_assert_int_lt(smartssd_find_file("some.file", path, 5), 0);
	ck_assert_int_eq(smartssd_find_file("../some.file", path, sizeof(path)), -EINVAL);
	/* Beside the program: this one. */
	ck_assert_int_eq(smartssd_find_file("test_device", path, sizeof(path)), 0);
	unlink(file);
	rmdir(folder);
}
END_TEST

static void fill(TCase *tests)
{
	tcase_add_checked_fixture(tests, open_device, close_device);
	tcase_add_test(tests, each_call_is_one_ioctl);
	tcase_add_test(tests, what_the_driver_says_comes_back);
	tcase_add_test(tests, errno_becomes_the_return_value);
	tcase_add_test(tests, mapping);
	tcase_add_test(tests, submit);
	tcase_add_test(tests, wait_retries_after_signals);
	tcase_add_test(tests, find_kernel);
	tcase_add_test(tests, errors_of_a_list_are_explained);
	tcase_add_test(tests, reasons);
	tcase_add_test(tests, opening);
	tcase_add_test(tests, xclbin_files);
	tcase_add_test(tests, find_file);
}

int main(void)
{
	return run_suite("device", fill);
}
