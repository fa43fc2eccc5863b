// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as the beginning of a .npy file: what is accepted lies inside of the file, what is not comes with words. */
#include <errno.h>
#include "../../runtime/private.h"
#include "fuzz.h"

/* What the functions beside the parser in npy.c need, of which none is called here. */
int smartssd_read_all(int fd, void *data, uint64_t bytes, uint64_t offset)
{
	(void)fd, (void)data, (void)bytes, (void)offset;
	abort();
}

uint64_t smartssd_now(void)
{
	abort();
}

const char *const fuzz_words[] = {
	"'descr': ", "'<f4'", "'|u1'", "'<i8'", "'>f4'", "'fortran_order': ", "True", "False", "'shape': ", "(3, 4)", "(5,)", "()", "{", "}", ", ", "(", ")",
	"18446744073709551615", "\n", "\x93NUMPY", "[('a', '<f4')]", NULL,
};

static void add_file(void (*add)(const void *, size_t), int version, const char *header)
{
	char file[512];
	size_t n = strlen(header), at = version == 1 ? 10 : 12;

	memset(file, 0, sizeof(file));
	memcpy(file, "\x93NUMPY", 6);
	file[6] = version;
	file[8] = n;
	memcpy(file + at, header, n);
	add(file, at + n + 64);
}

void fuzz_seeds(void (*add)(const void *data, size_t bytes))
{
	add_file(add, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }      \n");
	add_file(add, 1, "{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }\n");
	add_file(add, 2, "{'descr': '<i8', 'fortran_order': False, 'shape': (), }\n");
	add_file(add, 3, "{\"shape\": (1, 2, 3, 4), \"descr\": \"<f2\", \"fortran_order\": False}\n");
	add_file(add, 1, "{'descr': '>f4', 'fortran_order': False, 'shape': (3, 4), }\n");
	add_file(add, 1, "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 4), }\n");
}

static void parse(const uint8_t *data, size_t bytes, uint64_t file_bytes)
{
	struct smartssd_array a;
	struct smartssd_error error = { 0 };
	int err = smartssd_npy_parse(data, bytes, file_bytes, &a, &error);
	unsigned __int128 size;

	fuzz_outcome(err, error.text);
	if (err) {
		fuzz_check(err == -EBADMSG || err == -EOPNOTSUPP);
		fuzz_check(error.text[0] && memchr(error.text, 0, sizeof(error.text)));
		return;
	}
	fuzz_check(a.type >= SMARTSSD_U1 && a.type <= SMARTSSD_F4 && a.ndim <= SMARTSSD_MAX_DIMS);
	size = smartssd_type_bytes(a.type);
	for (uint32_t i = 0; i < a.ndim; i++) {
		size *= a.shape[i];
		fuzz_check(!(size >> 64) || !a.bytes); /* a zero further on */
	}
	fuzz_check(a.bytes == size);
	fuzz_check(a.offset <= bytes && a.offset <= file_bytes && a.bytes <= file_bytes - a.offset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	parse(data, bytes, bytes);
	parse(data, bytes, (uint64_t)bytes + (1ull << 40)); /* a large file, of which only the beginning was read */
	return 0;
}
