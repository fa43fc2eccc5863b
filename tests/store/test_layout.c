// SPDX-License-Identifier: BSD-2-Clause
/* Where rows are, against a plain walk over them; and CRC-32C: the vectors of RFC 3720, the table against the instruction. */
#include "../../runtime/store/crc32c.c"
#include "../../runtime/store/layout.h"
#include "../runtime/runtime_test.h"

START_TEST(refused)
{
	struct layout l;

	ck_assert_int_eq(layout_init(&l, 0, 512), -EINVAL);
	ck_assert_int_eq(layout_init(&l, 128, 0), -EINVAL);
	ck_assert_int_eq(layout_init(&l, 128, 256), -EINVAL);
	ck_assert_int_eq(layout_init(&l, 128, 8192), -EINVAL);
	ck_assert_int_eq(layout_init(&l, 128, 1536), -EINVAL);
	ck_assert_int_eq(layout_init(&l, UINT32_MAX, 4096), -EINVAL); /* its span has no number */
	ck_assert_int_eq(layout_init(&l, UINT32_MAX - 4095, 4096), 0);
	ck_assert_uint_eq(l.span, UINT32_MAX - 4095);
}
END_TEST

/* Rows follow each other; one that would cross into the next block begins there. */
static void walk(uint32_t row_bytes, uint32_t block, uint64_t rows)
{
	uint64_t at = 0;
	struct layout l;

	ck_assert_int_eq(layout_init(&l, row_bytes, block), 0);
	ck_assert(l.span % block == 0 && l.rows_per_span >= 1);
	for (uint64_t r = 0; r < rows; r++) {
		uint64_t all = layout_bytes(&l, r + 1);

		if (at / block != (at + row_bytes - 1) / block)
			at = (at + block - 1) / block * block;
		if (layout_at(&l, r) != at)
			ck_abort_msg("%u bytes, block %u, row %llu: %llu, not %llu", row_bytes, block, (unsigned long long)r,
				     (unsigned long long)layout_at(&l, r), (unsigned long long)at);
		at += row_bytes;
		if (all < at || all - at >= l.span || all % block)
			ck_abort_msg("%u bytes, block %u: %llu rows in %llu bytes", row_bytes, block, (unsigned long long)r + 1,
				     (unsigned long long)all);
	}
}

START_TEST(places)
{
	random_seed("layout");
	for (uint32_t block = 512; block <= 4096; block *= 2) {
		for (uint32_t row = 1; row <= 2 * block + 1; row += row < 20 || row % block > block - 4 ? 1 : random_in(1, 40))
			walk(row, block, 300);
		walk(block, block, 100);
		walk(16392, block, 100);
	}
}
END_TEST

START_TEST(sizes)
{
	struct layout l;

	ck_assert_int_eq(layout_init(&l, 128, 512), 0);
	ck_assert_uint_eq(layout_bytes(&l, 0), 0);
	ck_assert_uint_eq(layout_bytes(&l, 5), 1024);
	ck_assert_uint_eq(layout_bytes(&l, UINT64_MAX), UINT64_MAX);
	ck_assert_uint_eq(layout_bytes(&l, UINT64_MAX / 512 * 4), UINT64_MAX / 512 * 512);
	ck_assert_uint_eq(layout_bytes(&l, UINT64_MAX / 512 * 4 + 1), UINT64_MAX);
	for (uint32_t shards = 1; shards < 9; shards++)
		for (uint64_t rows = 0; rows < 40; rows++) {
			uint64_t in[9] = { 0 };

			for (uint64_t r = 0; r < rows; r++) {
				uint32_t s = layout_shard(r, shards);

				ck_assert_uint_eq(layout_shard_row(r, shards), in[s]++);
			}
			for (uint32_t s = 0; s < shards; s++)
				ck_assert_uint_eq(layout_shard_rows(rows, shards, s), in[s]);
		}
}
END_TEST

/* RFC 3720, appendix B.4; there the bytes of the CRC are in the order in which they are sent. */
START_TEST(crc_vectors)
{
	static const uint8_t read_pdu[48] = { 0x01, 0xc0, [16] = 0x14, [22] = 0x04, [27] = 0x14, [31] = 0x18, [32] = 0x28, [40] = 0x02 };
	uint8_t data[32];

	memset(data, 0, 32);
	ck_assert_uint_eq(rowfmt_crc32c(0, data, 32), 0x8a9136aa);
	memset(data, 0xff, 32);
	ck_assert_uint_eq(rowfmt_crc32c(0, data, 32), 0x62a8ab43);
	for (int i = 0; i < 32; i++)
		data[i] = (uint8_t)i;
	ck_assert_uint_eq(rowfmt_crc32c(0, data, 32), 0x46dd794e);
	for (int i = 0; i < 32; i++)
		data[i] = (uint8_t)(31 - i);
	ck_assert_uint_eq(rowfmt_crc32c(0, data, 32), 0x113fdb5c);
	ck_assert_uint_eq(rowfmt_crc32c(0, read_pdu, 48), 0xd9963a56);
	ck_assert_uint_eq(rowfmt_crc32c(0, "123456789", 9), 0xe3069283);
	ck_assert_uint_eq(rowfmt_crc32c(0, "", 0), 0);
}
END_TEST

/* Bit by bit, from the polynomial. */
static uint32_t plain_crc(uint32_t crc, const uint8_t *data, size_t bytes)
{
	for (crc = ~crc; bytes; bytes--) {
		crc ^= *data++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

START_TEST(crc_ways)
{
	uint8_t data[600];

	random_seed("crc32c");
	for (int round = 0; round < 2000; round++) {
		uint32_t from = random_in(0, 16), bytes = random_in(0, 580), cut = random_in(0, bytes), crc, want;

		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)(random_u64() >> 40);
		want = plain_crc(0, data + from, bytes);
		ck_assert_uint_eq(rowfmt_crc32c(0, data + from, bytes), want);
		ck_assert_uint_eq(~by_table(~0u, data + from, bytes), want);
		crc = rowfmt_crc32c(0, data + from, cut);
		ck_assert_uint_eq(rowfmt_crc32c(crc, data + from + cut, bytes - cut), want);
	}
}
END_TEST

static void fill(TCase *tests)
{
	tcase_add_test(tests, refused);
	tcase_add_test(tests, places);
	tcase_add_test(tests, sizes);
	tcase_add_test(tests, crc_vectors);
	tcase_add_test(tests, crc_ways);
}

int main(void)
{
	return run_suite("layout", fill);
}
