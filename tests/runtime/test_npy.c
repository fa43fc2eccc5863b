// SPDX-License-Identifier: BSD-2-Clause
/* .npy files: what NumPy writes is read, what is malformed or not served is refused with a reason. */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime_test.h"

/* A file of version @major with this header, in exactly as much memory as it has (so that reading beyond is caught). */
static uint8_t *make(int major, const char *header, size_t length, uint64_t declared, size_t *bytes)
{
	size_t start = major == 1 ? 10 : 12;
	uint8_t *file = malloc(start + length);

	memcpy(file, "\x93NUMPY", 6);
	file[6] = (uint8_t)major;
	file[7] = 0;
	for (size_t i = 8; i < start; i++)
		file[i] = (uint8_t)(declared >> (8 * (i - 8)));
	memcpy(file + start, header, length);
	*bytes = start + length;
	return file;
}

static int parse(const char *header, uint64_t elements, struct smartssd_array *array, struct smartssd_error *err)
{
	size_t bytes;
	uint8_t *file = make(1, header, strlen(header), strlen(header), &bytes);
	int ret = smartssd_npy_parse(file, bytes, bytes + elements, array, err);

	free(file);
	return ret;
}

START_TEST(good_headers)
{
	static const struct {
		const char *header;
		uint32_t type, ndim;
		uint64_t shape[4], bytes;
	} good[] = {
		{ "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }      \n", SMARTSSD_U1, 2, { 2, 3 }, 6 },
		{ "{'descr': '|i1', 'fortran_order': False, 'shape': (1, 3, 5, 7), }\n", SMARTSSD_I1, 4, { 1, 3, 5, 7 }, 105 },
		{ "{'descr': '<i4', 'fortran_order': False, 'shape': (7,), }\n", SMARTSSD_I4, 1, { 7 }, 28 },
		{ "{'descr': '<i8', 'fortran_order': False, 'shape': (), }\n", SMARTSSD_I8, 0, { 0 }, 8 },
		{ "{'descr': '<f2', 'fortran_order': False, 'shape': (0, 9), }\n", SMARTSSD_F2, 2, { 0, 9 }, 0 },
		{ "{'shape':(2,2),'fortran_order':False,'descr':'<f4'}", SMARTSSD_F4, 2, { 2, 2 }, 16 },
		{ "{\"descr\": \"<f4\", \"fortran_order\": False, \"shape\": (2, 2,)}\n", SMARTSSD_F4, 2, { 2, 2 }, 16 },
		{ " { 'descr' : '<u1' , 'fortran_order' : False , 'shape' : ( 4 , ) , } ", SMARTSSD_U1, 1, { 4 }, 4 },
		{ "{'descr': '<f4', 'fortran_order': False, 'shape': (3L, 4L), }\n", SMARTSSD_F4, 2, { 3, 4 }, 48 },
		{ "{'descr': '<f4', 'fortran_order': False, 'shape': (5L,), }\n", SMARTSSD_F4, 1, { 5 }, 20 },
		/* nothing, however large the other dimensions are, in whatever order */
		{ "{'descr': '<i8', 'fortran_order': False, 'shape': (18446744073709551615, 2, 0), }\n",
		  SMARTSSD_I8,
		  3,
		  { UINT64_MAX, 2, 0 },
		  0 },
		{ "{'descr': '|u1', 'fortran_order': False, 'shape': (18446744073709551615, 0), }\n",
		  SMARTSSD_U1,
		  2,
		  { UINT64_MAX, 0 },
		  0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct smartssd_array array;
		struct smartssd_error err = { "" };

		ck_assert_msg(!parse(good[i].header, 200, &array, &err), "%s: %s", good[i].header, err.text);
		ck_assert_uint_eq(array.type, good[i].type);
		ck_assert_uint_eq(array.ndim, good[i].ndim);
		ck_assert_mem_eq(array.shape, good[i].shape, array.ndim * sizeof(array.shape[0]));
		ck_assert_uint_eq(array.offset, 10 + strlen(good[i].header));
		ck_assert_uint_eq(array.bytes, good[i].bytes);
		/* One byte of elements too few */
		if (good[i].bytes) {
			ck_assert_int_eq(parse(good[i].header, good[i].bytes, &array, &err), 0);
			ck_assert_int_eq(parse(good[i].header, good[i].bytes - 1, &array, &err), -EBADMSG);
			ck_assert_ptr_nonnull(strstr(err.text, "cut off"));
		}
	}
}
END_TEST

#define H(descr, order, shape) "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }\n"

/* Each has one thing wrong. The text must contain @says. */
static const struct {
	const char *header;
	int ret;
	const char *says;
} bad[] = {
	/* well-formed, not served: what to type in Python */
	{ H("'>f4'", "False", "(2,)"), -EOPNOTSUPP, "big-endian" },
	{ H("'>f4'", "False", "(2,)"), -EOPNOTSUPP, "newbyteorder" },
	{ H("'<f4'", "True", "(2, 2)"), -EOPNOTSUPP, "np.ascontiguousarray" },
	{ H("'|O'", "False", "(2,)"), -EOPNOTSUPP, "object dtype" },
	{ H("'<f8'", "False", "(2,)"), -EOPNOTSUPP, "astype(np.float32)" },
	{ H("'|b1'", "False", "(2,)"), -EOPNOTSUPP, "astype(np.uint8)" },
	{ H("'<i2'", "False", "(2,)"), -EOPNOTSUPP, "astype(np.int32)" },
	{ H("'<u4'", "False", "(2,)"), -EOPNOTSUPP, "'<u4'" },
	{ H("'<c8'", "False", "(2,)"), -EOPNOTSUPP, "complex" },
	{ H("'<U5'", "False", "(2,)"), -EOPNOTSUPP, "'<U5'" },
	{ H("'<M8[ns]'", "False", "(2,)"), -EOPNOTSUPP, "'<M8[ns]'" },
	{ H("'=f4'", "False", "(2,)"), -EOPNOTSUPP, "byte order" },
	{ H("[('a', '<f4'), ('b', '<i4')]", "False", "(2,)"), -EOPNOTSUPP, "structured" },
	{ H("'|u1'", "False", "(1, 1, 1, 1, 1, 1, 1, 1, 1)"), -EOPNOTSUPP, "8 dimensions" },
	/* malformed */
	{ "", -EBADMSG, "'{'" },
	{ "{", -EBADMSG, "key" },
	{ "{}", -EBADMSG, "'descr' is missing" },
	{ "{'descr': '|u1'", -EBADMSG, "','" },
	{ "{'descr': '|u1', 'shape': (2,)}", -EBADMSG, "'fortran_order' is missing" },
	{ "{'descr': '|u1', 'fortran_order': False}", -EBADMSG, "'shape' is missing" },
	{ "{'fortran_order': False, 'shape': (2,)}", -EBADMSG, "'descr' is missing" },
	{ "{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (2,)}", -EBADMSG, "twice" },
	{ "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), 'more': 1}", -EBADMSG, "'more'" },
	{ "{'descr': '|u1' 'fortran_order': False, 'shape': (2,)}", -EBADMSG, "','" },
	{ "{'descr' '|u1', 'fortran_order': False, 'shape': (2,)}", -EBADMSG, "':'" },
	{ "{descr: '|u1', 'fortran_order': False, 'shape': (2,)}", -EBADMSG, "key" },
	{ "{'descr': '|u1, 'fortran_order': False, 'shape': (2,)}", -EBADMSG, "no element type" },
	{ "{'descr': '|u1', 'fortran_order': False, 'shape': (2,)} x", -EBADMSG, "nothing behind" },
	{ "{'descr': '|u1', 'fortran_order': False, 'shape': (2,)}}", -EBADMSG, "nothing behind" },
	{ H("|u1", "False", "(2,)"), -EBADMSG, "element type" },
	{ H("''", "False", "(2,)"), -EBADMSG, "no element type" },
	{ H("'u1'", "False", "(2,)"), -EBADMSG, "no element type" },
	{ H("'<'", "False", "(2,)"), -EBADMSG, "no element type" },
	{ H("'|\\x75'", "False", "(2,)"), -EBADMSG, "element type" },
	{ H("'<this is much longer than any type is'", "False", "(2,)"), -EBADMSG, "element type" },
	{ H("'|u1'", "false", "(2,)"), -EBADMSG, "True or False" },
	{ H("'|u1'", "0", "(2,)"), -EBADMSG, "True or False" },
	{ H("'|u1'", "'False'", "(2,)"), -EBADMSG, "True or False" },
	{ H("'|u1'", "False", "2"), -EBADMSG, "tuple" },
	{ H("'|u1'", "False", "(2)"), -EBADMSG, "tuple" },
	{ H("'|u1'", "False", "[2]"), -EBADMSG, "tuple" },
	{ H("'|u1'", "False", "(-2,)"), -EBADMSG, "size" },
	{ H("'|u1'", "False", "(2.0,)"), -EBADMSG, "','" },
	{ H("'|u1'", "False", "(0x2,)"), -EBADMSG, "','" },
	{ H("'|u1'", "False", "(2LL,)"), -EBADMSG, "','" },
	{ H("'|u1'", "False", "(L,)"), -EBADMSG, "size" },
	{ H("'|u1'", "False", "(2 3)"), -EBADMSG, "','" },
	{ H("'|u1'", "False", "(,)"), -EBADMSG, "size" },
	{ H("'|u1'", "False", "(2,,)"), -EBADMSG, "size" },
	{ H("'|u1'", "False", "(2,"), -EBADMSG, "size" },
	{ H("'|u1'", "False", "(18446744073709551616,)"), -EBADMSG, "64 bits" },
	{ H("'|u1'", "False", "(4294967296, 4294967296)"), -EBADMSG, "64 bits" },
	{ H("'<f4'", "False", "(4611686018427387904,)"), -EBADMSG, "64 bits" },
	{ H("'|u1'", "False", "(18446744073709551615,)"), -EBADMSG, "cut off" },
	{ H("'|u1'", "False", "(2,)") "\x01", -EBADMSG, "nothing behind" },
};

START_TEST(bad_headers)
{
	struct smartssd_array array, zero = { 0 };
	struct smartssd_error err = { "" };
	int ret = parse(bad[_i].header, 100, &array, &err);

	ck_assert_msg(ret == bad[_i].ret, "%s: %d, \"%s\"", bad[_i].header, ret, err.text);
	ck_assert_msg(strstr(err.text, bad[_i].says), "%s: \"%s\" does not say %s", bad[_i].header, err.text, bad[_i].says);
	ck_assert_ptr_null(strchr(err.text, '\n'));
	ck_assert_mem_eq(&array, &zero, sizeof(array));
	ck_assert_int_eq(parse(bad[_i].header, 100, &array, NULL), bad[_i].ret);
}
END_TEST

static const char plain[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n";

START_TEST(preambles)
{
	struct smartssd_array array;
	struct smartssd_error err;
	size_t bytes;
	uint8_t *file;

	for (int major = 0; major < 6; major++) {
		bool known = major >= 1 && major <= 3;

		file = make(major, plain, strlen(plain), strlen(plain), &bytes);
		ck_assert_int_eq(smartssd_npy_parse(file, bytes, bytes + 24, &array, &err), known ? 0 : -EOPNOTSUPP);
		if (known)
			ck_assert_uint_eq(array.offset, bytes);
		file[7] = 1;
		ck_assert_int_eq(smartssd_npy_parse(file, bytes, bytes + 24, &array, &err), -EOPNOTSUPP);
		file[7] = 0;
		for (int i = 0; i < 6; i++) {
			file[i] ^= 1;
			ck_assert_int_eq(smartssd_npy_parse(file, bytes, bytes + 24, &array, &err), -EBADMSG);
			ck_assert_ptr_nonnull(strstr(err.text, "not a .npy file"));
			file[i] ^= 1;
		}
		free(file);
	}
	ck_assert_int_eq(smartssd_npy_parse("PK\3\4abcdefghijkl", 16, 16, &array, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.text, ".npz"));
	/* A header longer than the file, and one longer than any that there should be */
	file = make(2, plain, strlen(plain), strlen(plain) + 1, &bytes);
	ck_assert_int_eq(smartssd_npy_parse(file, bytes, bytes + 24, &array, &err), -EBADMSG);
	free(file);
	file = make(2, plain, strlen(plain), 0xffffffff, &bytes);
	ck_assert_int_eq(smartssd_npy_parse(file, bytes, UINT64_MAX, &array, &err), -EOPNOTSUPP);
	free(file);
}
END_TEST

/* Cut off at each byte, in memory of that size: an error each time, and no read beyond the end (AddressSanitizer watches). */
START_TEST(cut_off_anywhere)
{
	struct smartssd_array array;

	for (int major = 1; major <= 2; major++) {
		size_t bytes;
		uint8_t *file = make(major, plain, strlen(plain), strlen(plain), &bytes);

		for (size_t n = 0; n < bytes; n++) {
			uint8_t *part = malloc(n ? n : 1);

			memcpy(part, file, n);
			ck_assert_int_lt(smartssd_npy_parse(part, n, n, &array, NULL), 0);
			ck_assert_int_lt(smartssd_npy_parse(part, n, UINT64_MAX, &array, NULL), 0);
			free(part);
		}
		free(file);
	}
}
END_TEST

/* Random bytes changed in a good file: never a crash, and whatever is accepted keeps the promises. */
START_TEST(random_damage)
{
	random_seed("npy");
	for (int round = 0; round < 200000; round++) {
		static const char alphabet[] = "'\",:(){}[] 0123456789truefalsTrueFalse<>|=uif\\\n";
		struct smartssd_array array;
		size_t bytes;
		uint8_t *file = make(1 + (int)random_in(0, 1), plain, strlen(plain), strlen(plain), &bytes);
		uint64_t file_bytes = bytes + random_in(0, 48), all = 1;

		for (uint32_t n = random_in(1, 4); n; n--)
			file[random_in(0, (uint32_t)bytes - 1)] =
				random_in(0, 9) ? (uint8_t)alphabet[random_in(0, sizeof(alphabet) - 2)] : (uint8_t)random_u64();
		if (!smartssd_npy_parse(file, bytes, file_bytes, &array, NULL)) {
			ck_assert(array.type >= SMARTSSD_U1 && array.type <= SMARTSSD_F4 && array.ndim <= SMARTSSD_MAX_DIMS);
			ck_assert_uint_le(array.offset, file_bytes);
			ck_assert_uint_le(array.bytes, file_bytes - array.offset);
			for (uint32_t i = 0; i < array.ndim; i++)
				all *= array.shape[i];
			ck_assert_uint_eq(array.bytes, all * smartssd_type_bytes(array.type));
		}
		free(file);
	}
}
END_TEST

static char folder[] = "/tmp/smartssd-test-XXXXXX", path[64];

static void make_folder(void)
{
	strcpy(folder + sizeof(folder) - 7, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/a.npy", folder);
}

static void remove_folder(void)
{
	unlink(path);
	ck_assert_int_eq(rmdir(folder), 0); /* no temporary file is left */
}

START_TEST(save_and_load)
{
	struct smartssd_error err = { "" };

	for (uint32_t type = SMARTSSD_U1; type <= SMARTSSD_F4; type++)
		for (uint32_t ndim = 0; ndim <= SMARTSSD_MAX_DIMS; ndim++) {
			struct smartssd_array array = { .type = type, .ndim = ndim }, back;
			uint64_t bytes = smartssd_type_bytes(type);
			uint8_t *data;
			void *read;

			for (uint32_t i = 0; i < ndim; i++) {
				array.shape[i] = 1 + (i + type) % 3;
				bytes *= array.shape[i];
			}
			data = malloc(bytes);
			for (uint64_t i = 0; i < bytes; i++)
				data[i] = (uint8_t)(i * 7 + type);
			ck_assert_msg(!smartssd_npy_save(path, &array, data, &err), "%s", err.text);
			ck_assert_msg(!smartssd_npy_load(path, &back, &read, &err), "%s", err.text);
			ck_assert(back.type == type && back.ndim == ndim && back.bytes == bytes && back.offset % 64 == 0);
			ck_assert_mem_eq(back.shape, array.shape, sizeof(array.shape));
			ck_assert_mem_eq(read, data, bytes);
			free(read);
			free(data);
		}
}
END_TEST

START_TEST(save_is_whole_or_not_at_all)
{
	struct smartssd_array array = { .type = SMARTSSD_U1, .ndim = 1, .shape = { 3 } }, back;
	struct smartssd_error err;
	char link[64], target[64];
	struct stat st;
	void *data;

	ck_assert_int_eq(smartssd_npy_save(path, &array, "abc", &err), 0);
	/* EFAULT in the middle of writing: the old file stays, nothing else is left. */
	array.shape[0] = 1 << 20;
	ck_assert_int_eq(smartssd_npy_save(path, &array, (void *)4096, &err), -EFAULT);
	ck_assert_ptr_nonnull(strstr(err.text, path));
	ck_assert_int_eq(smartssd_npy_load(path, &back, &data, &err), 0);
	ck_assert(back.bytes == 3 && !memcmp(data, "abc", 3));
	free(data);
	array.shape[0] = 3;
	ck_assert_int_eq(smartssd_npy_save("/no/such/folder/a.npy", &array, "abc", &err), -ENOENT);
	/* A device is no place to rename a file over. */
	ck_assert_int_eq(smartssd_npy_save("/dev/null", &array, "abc", &err), -EOPNOTSUPP);
	ck_assert(!stat("/dev/null", &st) && S_ISCHR(st.st_mode));
	/* A symbolic link stays one. */
	snprintf(link, sizeof(link), "%s/link.npy", folder);
	ck_assert_int_eq(symlink("a.npy", link), 0);
	ck_assert_int_eq(smartssd_npy_save(link, &array, "xyz", &err), 0);
	ck_assert_int_eq(readlink(link, target, sizeof(target)), 5);
	ck_assert_int_eq(smartssd_npy_load(path, &back, &data, &err), 0);
	ck_assert(!memcmp(data, "xyz", 3));
	free(data);
	unlink(link);

	array.type = 0;
	ck_assert_int_eq(smartssd_npy_save(path, &array, "abc", &err), -EINVAL);
	array.type = SMARTSSD_F4;
	array.ndim = SMARTSSD_MAX_DIMS + 1;
	ck_assert_int_eq(smartssd_npy_save(path, &array, "abc", &err), -EINVAL);
	array.ndim = 2;
	array.shape[0] = array.shape[1] = 1ull << 33;
	ck_assert_int_eq(smartssd_npy_save(path, &array, "abc", &err), -EOVERFLOW);
}
END_TEST

/* A filesystem without O_TMPFILE. */
static bool no_tmpfile;

int __real_open(const char *name, int flags, ...);
int __wrap_open(const char *name, int flags, mode_t mode)
{
	if (no_tmpfile && (flags & O_TMPFILE) == O_TMPFILE) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return __real_open(name, flags, mode);
}

START_TEST(save_without_tmpfile)
{
	struct smartssd_array array = { .type = SMARTSSD_U1, .ndim = 1, .shape = { 3 } }, back;
	void *data;

	no_tmpfile = true;
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(smartssd_npy_save(path, &array, i ? "xyz" : "abc", NULL), 0);
		ck_assert_int_eq(smartssd_npy_load(path, &back, &data, NULL), 0);
		ck_assert(!memcmp(data, i ? "xyz" : "abc", 3));
		free(data);
	}
	array.shape[0] = 1 << 20;
	ck_assert_int_eq(smartssd_npy_save(path, &array, (void *)4096, NULL), -EFAULT);
	no_tmpfile = false;
}
END_TEST

START_TEST(save_keeps_the_mode)
{
	struct smartssd_array array = { .type = SMARTSSD_U1, .ndim = 1, .shape = { 3 } };
	mode_t mask = umask(027);
	struct stat st;

	ck_assert_int_eq(smartssd_npy_save(path, &array, "abc", NULL), 0);
	umask(mask);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
	ck_assert_int_eq(chmod(path, 0604), 0);
	ck_assert_int_eq(smartssd_npy_save(path, &array, "xyz", NULL), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0604);
}
END_TEST

/* Killed in the middle of writing, here by a limit on the file's size: no temporary file is left, see remove_folder(). */
START_TEST(killed_while_saving)
{
	struct smartssd_array array = { .type = SMARTSSD_U1, .ndim = 1, .shape = { 1 << 20 } };
	int fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600), status;
	uint8_t *data = calloc(1, 1 << 20);
	pid_t pid;

	if (fd < 0) {
		printf("# no O_TMPFILE in %s: %s\n", folder, strerror(errno));
		free(data);
		return;
	}
	close(fd);
	pid = fork();
	if (!pid) {
		setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 4096, 4096 });
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		signal(SIGXFSZ, SIG_DFL);
		smartssd_npy_save(path, &array, data, NULL);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
	free(data);
}
END_TEST

START_TEST(opening)
{
	struct smartssd_array array;
	struct smartssd_error err;
	void *data;
	int fd;

	ck_assert_int_eq(smartssd_npy_open(path, &array, &fd, &err), -ENOENT);
	ck_assert_int_eq(fd, -1);
	ck_assert_ptr_nonnull(strstr(err.text, path));
	ck_assert_int_eq(smartssd_npy_open("/dev/null", &array, &fd, &err), -EOPNOTSUPP);
	fd = open(path, O_CREAT | O_WRONLY, 0644);
	ck_assert_int_eq(write(fd, "hello", 5), 5);
	close(fd);
	ck_assert_int_eq(smartssd_npy_open(path, &array, &fd, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.text, "a.npy: not a .npy file"));
	ck_assert_int_eq(smartssd_npy_load(path, &array, &data, &err), -EBADMSG);
	ck_assert_ptr_null(data);
	array = (struct smartssd_array){ .type = SMARTSSD_I8, .ndim = 1, .shape = { 1 } };
	ck_assert_int_eq(smartssd_npy_save(path, &array, "12345678", NULL), 0);
	ck_assert_int_eq(smartssd_npy_open(path, &array, &fd, &err), 0);
	ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	close(fd);
}
END_TEST

START_TEST(types)
{
	static const char *const names[] = { "u1", "i1", "i4", "i8", "f2", "f4" };
	static const uint32_t bytes[] = { 1, 1, 4, 8, 2, 4 };

	for (uint32_t t = 0; t < 6; t++) {
		ck_assert_str_eq(smartssd_type_name(t + 1), names[t]);
		ck_assert_uint_eq(smartssd_type_bytes(t + 1), bytes[t]);
	}
	ck_assert_uint_eq(smartssd_type_bytes(0), 0);
	ck_assert_uint_eq(smartssd_type_bytes(7), 0);
	ck_assert_str_eq(smartssd_type_name(0), "?");
	ck_assert_str_eq(smartssd_type_name(7), "?");
}
END_TEST

static void fill(TCase *tests)
{
	tcase_add_checked_fixture(tests, make_folder, remove_folder);
	tcase_add_test(tests, good_headers);
	tcase_add_loop_test(tests, bad_headers, 0, ARRAY_SIZE(bad));
	tcase_add_test(tests, preambles);
	tcase_add_test(tests, cut_off_anywhere);
	tcase_add_test(tests, random_damage);
	tcase_add_test(tests, save_and_load);
	tcase_add_test(tests, save_is_whole_or_not_at_all);
	tcase_add_test(tests, save_without_tmpfile);
	tcase_add_test(tests, save_keeps_the_mode);
	tcase_add_test(tests, killed_while_saving);
	tcase_add_test(tests, opening);
	tcase_add_test(tests, types);
}

int main(void)
{
	return run_suite("npy", fill);
}
