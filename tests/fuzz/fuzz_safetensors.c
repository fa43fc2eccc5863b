// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as a .safetensors and as a .npy file of rows to import: what is accepted lies inside of the file and can be read, what is not comes with words. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../runtime/private.h"
#include "../../runtime/store/safetensors.h"
#include "../../runtime/store/store.h"
#include "fuzz.h"

const char *const fuzz_words[] = {
	"\"dtype\":", "\"shape\":", "\"data_offsets\":", "\"F32\"", "\"F16\"", "\"BF16\"", "\"U8\"", "\"I64\"", "\"BOOL\"", "\"__metadata__\":{\"a\":\"b\"},", "\"a\":{", "[2,3]", "[0,24]", "[]",
	"9223372036854775807", "-1", "1e3", "{", "}", ",", "\\u0000", "'descr': '<f4'", "'|u1'", "'shape': (2, 3)", "'<f2'", NULL,
};

static char folder[40], paths[2][60];

static void remove_folder(void)
{
	unlink(paths[0]);
	unlink(paths[1]);
	rmdir(folder);
}

static void make_folder(void)
{
	if (!mkdtemp(strcpy(folder, "/dev/shm/fuzz-XXXXXX")) && !mkdtemp(strcpy(folder, "/tmp/fuzz-XXXXXX")))
		abort();
	snprintf(paths[0], sizeof(paths[0]), "%s/t.safetensors", folder);
	snprintf(paths[1], sizeof(paths[1]), "%s/t.npy", folder);
	atexit(remove_folder);
}

static void add_tensors(void (*add)(const void *, size_t), const char *header, size_t data)
{
	uint8_t file[1024] = { 0 };
	uint64_t n = strlen(header);

	memcpy(file, &n, sizeof(n));
	memcpy(file + 8, header, n);
	add(file, 8 + n + data);
}

void fuzz_seeds(void (*add)(const void *data, size_t bytes))
{
	uint8_t npy[256] = "\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (4, 6), }";

	add_tensors(add, "{\"a\":{\"dtype\":\"F32\",\"shape\":[4,6],\"data_offsets\":[0,96]}}", 96);
	add_tensors(add, "{\"__metadata__\":{\"x\":\"y\"},\"a\":{\"dtype\":\"BF16\",\"shape\":[3,2],\"data_offsets\":[0,12]},\"b\":{\"dtype\":\"U8\",\"shape\":[2,10],\"data_offsets\":[12,32]}}", 32);
	add_tensors(add, "{\"a\":{\"dtype\":\"U8\",\"shape\":[2,12],\"data_offsets\":[0,24]}}", 24);
	add_tensors(add, "{\"a\":{\"dtype\":\"F16\",\"shape\":[2,12],\"data_offsets\":[0,48]},\"e\":{\"dtype\":\"I64\",\"shape\":[0,7],\"data_offsets\":[48,48]}}", 48);
	add_tensors(add, "{}", 0);
	memset(npy + 68, ' ', 60);
	npy[127] = '\n';
	add(npy, 128 + 96);
}

static void outcome(int err, const struct smartssd_error *error)
{
	fuzz_outcome(err, error->text);
	fuzz_check(!err || (error->text[0] && memchr(error->text, 0, sizeof(error->text))));
}

static void parse(const uint8_t *data, size_t bytes, uint64_t at, uint64_t file_bytes)
{
	struct smartssd_error error = { "" };
	struct safetensors s;
	uint64_t end = at;
	int err = safetensors_parse((const char *)data, bytes, at, file_bytes, &s, &error);

	outcome(err, &error);
	if (err)
		return;
	for (uint32_t i = 0; i < s.nr; i++) {
		const struct st_tensor *t = &s.tensors[i];

		fuzz_check(t->offset >= end && t->offset <= file_bytes && t->bytes <= file_bytes - t->offset && t->ndim <= SMARTSSD_MAX_DIMS);
		fuzz_check(safetensors_find(&s, t->name) == t);
		end = t->offset + t->bytes;
	}
	safetensors_free(&s);
}

static void open_rows(const char *from)
{
	struct smartssd_error error = { "" };
	struct store_rows *r;
	int err = store_rows_open(from, &r, &error);
	uint64_t rows, some;
	float *out;

	outcome(err, &error);
	fuzz_check(!err == (r != NULL));
	if (err)
		return;
	rows = store_rows_count(r);
	some = rows < 16 ? rows : 16;
	fuzz_check(rows && store_rows_dim(r) && store_rows_dim(r) <= ROWFMT_MAX_DIM && rowfmt_name(store_rows_format(r)));
	out = malloc(some * store_rows_dim(r) * sizeof(*out));
	fuzz_check(out && !store_rows_read(r, 0, some, out, &error) && !store_rows_read(r, rows - some, some, out, &error));
	fuzz_check(store_rows_read(r, rows, 1, out, &error) == -ERANGE);
	free(out);
	store_rows_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char from[80];

	if (!*folder)
		make_folder();
	if (bytes >= 8)
		parse(data + 8, bytes - 8, bytes, bytes + (data[0] & 1 ? 1ull << 40 : 0));
	for (int i = 0; i < 2; i++) {
		int fd = open(paths[i], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		if (fd < 0 || write(fd, data, bytes) != (ssize_t)bytes)
			abort();
		close(fd);
		open_rows(paths[i]);
	}
	snprintf(from, sizeof(from), "%s:a", paths[0]);
	open_rows(from);
	return 0;
}
