// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as the delta of a shard: four bytes (block, row bytes, rows, whether CRCs are put right first), then the object. What is accepted has its rows in the object, can be appended to, and
 * is then read with them.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../runtime/private.h"
#include "../../runtime/store/delta.h"
#include "../../runtime/store/rowfmt.h"
#include "fuzz.h"

#define GENERATION 7
#define ROOM	   (32u << 10) /* of the object behind what was given */

const char *const fuzz_words[] = { "SSDDELTA", "\7\0\0\0\0\0\0", "\1\0\0\0\0\0\0", "\2\0\0\0\0\0\0", NULL };

static int object_fd;
static struct layout layout;

static void add_record(uint8_t *to, uint64_t sequence, uint64_t count, uint64_t bytes, uint64_t row)
{
	struct delta_record head = { .sequence = sequence, .generation = GENERATION, .epoch = 5, .count = count, .bytes = bytes };

	memcpy(head.magic, "SSDDELTA", 8);
	memcpy(to, &head, sizeof(head));
	for (uint64_t i = 0; i < count; i++, row++)
		memcpy(to + sizeof(head) + i * 8, &row, 8);
}

void fuzz_seeds(void (*add)(const void *data, size_t bytes))
{
	static uint8_t input[4 + 16384] = { 0, 39, 20, 1 };

	add(input, 4); /* none */
	add_record(input + 4, 1, 1, 1024, 3);
	add(input, 4 + 2048);
	add_record(input + 4 + 1024, 2, 13, 2048, 0); /* five in a block */
	add_record(input + 4 + 3072, 3, 1, 1024, 19);
	add(input, 4 + 8192);
	memset(input + 4 + 1024, 0, 512); /* the middle one is damaged */
	add(input, 4 + 8192);
	memset(input + 4, 0, sizeof(input) - 4);
	input[0] = 3;
	input[1] = 250;
	add_record(input + 4, 1, 2, 12288, 0);
	add(input, 4 + 12288);
}

static void outcome(int err, const struct smartssd_error *error)
{
	fuzz_outcome(err, error->text);
	fuzz_check(!err || (error->text[0] && memchr(error->text, 0, sizeof(error->text))));
}

/* Where a record's magic is at a block, its CRCs are right from now on. */
static void put_right(uint8_t *data, size_t bytes)
{
	for (size_t at = 0; at < bytes && bytes - at >= sizeof(struct delta_record); at += layout.block) {
		struct delta_record head;

		memcpy(&head, data + at, sizeof(head));
		if (memcmp(head.magic, "SSDDELTA", 8))
			continue;
		if (head.bytes >= sizeof(head) && head.bytes <= bytes - at)
			head.body_crc = rowfmt_crc32c(0, data + at + sizeof(head), head.bytes - sizeof(head));
		head.head_crc = rowfmt_crc32c(0, &head, offsetof(struct delta_record, head_crc));
		memcpy(data + at, &head, sizeof(head));
	}
}

struct seen {
	const struct volume_object *object;
	uint64_t rows, nr;
};

static int see(void *ctx, uint64_t row, uint64_t at)
{
	struct seen *s = ctx;

	fuzz_check(row < s->rows && at <= s->object->bytes && layout.row_bytes <= s->object->bytes - at);
	s->nr++;
	return 0;
}

/* What there is: the number of rows; UINT64_MAX: refused. @append: a row more, which is there afterwards. */
static uint64_t look(const struct volume_object *o, uint64_t rows, bool append)
{
	uint8_t row[4096], again[4096];
	struct seen s = { o, rows, 0 };
	struct smartssd_error error = { "" };
	struct delta *d;
	int err = delta_open(o, &layout, rows, GENERATION, &d, &error);
	uint64_t nr, last = rows - 1;

	outcome(err, &error);
	if (err)
		return UINT64_MAX;
	nr = delta_count(d);
	fuzz_check(!delta_each(d, see, &s) && s.nr == nr && nr <= rows);
	error.text[0] = 0;
	outcome(delta_verify(d, &error), &error);
	fuzz_check(!delta_refresh(d, &error));
	if (append && !delta_fits(d, 1, NULL)) {
		bool is_new = delta_find(d, last) == UINT64_MAX;

		memset(row, 0x5a, sizeof(row));
		fuzz_check(!delta_append(d, &last, 1, row, &error) && delta_count(d) == nr + is_new);
		fuzz_check(!volume_pread(o, again, layout.row_bytes, delta_find(d, last)) && !memcmp(row, again, layout.row_bytes));
		nr += is_new;
	}
	delta_close(d);
	fuzz_outcome(0, (const char[]){ append ? 'a' : 'b', (char)('a' + (nr < 12 ? nr : 12)), '\0' });
	return nr;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct volume_object o = { .align = 1 };
	uint64_t rows, nr, again;
	uint8_t *copy;

	if (bytes < 4 || layout_init(&layout, (uint32_t)data[1] * data[1] / 16 + 1, 512u << data[0] % 4))
		return 0;
	rows = 1 + data[2];
	if (!object_fd && (object_fd = memfd_create("delta", 0)) < 0)
		abort();
	copy = malloc(bytes);
	memcpy(copy, data + 4, bytes - 4);
	if (data[3] & 1)
		put_right(copy, bytes - 4);
	o.fd = object_fd;
	o.bytes = bytes - 4 + ROOM;
	if (ftruncate(o.fd, 0) || ftruncate(o.fd, (off_t)o.bytes) || pwrite(o.fd, copy, bytes - 4, 0) != (ssize_t)(bytes - 4))
		abort();
	free(copy);
	nr = look(&o, rows, true);
	/* A later one that was there already is told from what was appended, or it is found to be damage. */
	again = look(&o, rows, false);
	fuzz_check(nr == UINT64_MAX || again == UINT64_MAX || again >= nr);
	return 0;
}
