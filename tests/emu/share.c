// SPDX-License-Identifier: BSD-2-Clause
/* BOs of the embedded card: many of them, contents, lifetimes, exports between cards. */
#include "emu_test.h"

START_TEST(thousands_of_bos)
{
	enum { N = 5000 };
	uint64_t seed = t_seed("thousands_of_bos"), before;
	struct emu *emu = t_open_bare("ddr=256M");
	static struct smartssd_bo bo[N];
	uint8_t tag;
	int i, k;

	before = t_free_bytes(emu);
	for (i = 0; i < N; i++) {
		struct smartssd_cmd c;

		bo[i] = t_bo(emu, 1 + t_random(&seed) % 20000);
		tag = i;
		c = t_copy_to(bo[i].bo, bo[i].bytes - 1, &tag, 1);
		ck_assert_int_eq(t_run(emu, &c, 1, NULL), 0);
		if (t_random(&seed) % 3 == 0) {
			k = t_random(&seed) % (i + 1);
			if (bo[k].bo)
				ck_assert_int_eq(t_destroy(emu, bo[k].bo), 0);
			bo[k].bo = 0;
		}
	}
	for (i = 0; i < N; i++) {
		struct smartssd_cmd c = t_copy_from(&tag, bo[i].bo, bo[i].bytes - 1, 1);

		if (!bo[i].bo)
			continue;
		ck_assert_int_eq(t_run(emu, &c, 1, NULL), 0);
		ck_assert_uint_eq(tag, (uint8_t)i);
		ck_assert_int_eq(t_destroy(emu, bo[i].bo), 0);
		ck_assert_int_eq(t_destroy(emu, bo[i].bo), -ENOENT);
	}
	ck_assert_uint_eq(t_free_bytes(emu), before);
	emu_close(emu);
}
END_TEST

/* Both ways of clearing: small BOs are written over, large ones given back. */
START_TEST(memory_is_zero)
{
	static const uint64_t sizes[] = { 4096, 200 << 10, 2 << 20 };
	struct emu *emu = t_open_bare("ddr=4M");
	struct smartssd_bo bo;
	uint64_t *map, i, any = 0;
	int round;

	for (round = 0; round < 3; round++) {
		bo = t_bo(emu, sizes[_i]);
		map = t_map(emu, &bo);
		for (i = 0; i < bo.bytes / 8; i++)
			any |= map[i];
		memset(map, 0xa5, bo.bytes);
		ck_assert_int_eq(emu_munmap(emu, map, bo.bytes), 0);
		ck_assert_int_eq(t_destroy(emu, bo.bo), 0);
	}
	ck_assert_uint_eq(any, 0);
	emu_close(emu);
}
END_TEST

START_TEST(commands_and_mappings_hold_memory)
{
	struct emu *emu = t_open("ddr=64M");
	struct smartssd_bo bo = t_bo(emu, 1 << 20);
	uint64_t before = t_free_bytes(emu), job;
	struct t_args a;
	struct smartssd_cmd c = t_ek(&a, 1, bo.bo, bo.bo, 100, EK_SLEEP);
	uint32_t *map = t_map(emu, &bo);

	ck_assert_int_eq(t_submit(emu, &c, 1, &job), 0);
	ck_assert_int_eq(t_destroy(emu, bo.bo), 0);
	ck_assert_uint_eq(t_free_bytes(emu), before);
	ck_assert_int_eq(t_wait(emu, job, NEVER, NULL, NULL, 0), 0);
	ck_assert_uint_eq(*map, 1);
	ck_assert_uint_eq(t_free_bytes(emu), before);
	ck_assert_int_eq(emu_munmap(emu, map, 4096), -EINVAL);
	ck_assert_int_eq(emu_munmap(emu, map, bo.bytes), 0);
	ck_assert_int_eq(emu_munmap(emu, map, bo.bytes), -EINVAL);
	ck_assert_uint_eq(t_free_bytes(emu), before + (1 << 20));
	emu_close(emu);
}
END_TEST

START_TEST(mapping_outlives_the_card)
{
	struct emu *emu = t_open_bare("ddr=64M");
	struct smartssd_bo bo = t_bo(emu, 1 << 20);
	uint8_t *map = t_map(emu, &bo);

	memset(map, 3, bo.bytes);
	emu_close(emu);
	ck_assert_uint_eq(map[0], 3);
	ck_assert_uint_eq(map[bo.bytes - 1], 3);
	munmap(map, bo.bytes);
}
END_TEST

/* An export holds its BO exactly until its descriptor is closed in all its copies. */
START_TEST(export_holds_until_it_is_closed)
{
	struct emu *emu = t_open_bare("ddr=64M");
	struct smartssd_bo bo = t_bo(emu, 1 << 20);
	uint64_t before = t_free_bytes(emu);
	int fd = t_export(emu, bo.bo), copy = dup(fd), again, i;
	char byte = 1, path[40];

	ck_assert_int_eq(lseek(fd, 0, SEEK_END), 1 << 20);
	ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	/* it has no contents, nor can be given any */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(write(fd, &byte, 1), -1);
	ck_assert_int_eq(again >= 0 ? write(again, &byte, 1) : -1, -1);
	close(again);
	ck_assert_int_eq(t_destroy(emu, bo.bo), 0);
	ck_assert_uint_eq(t_free_bytes(emu), before);
	close(fd);
	ck_assert_uint_eq(t_free_bytes(emu), before);
	close(copy);
	ck_assert_uint_eq(t_free_bytes(emu), before + (1 << 20));
	/* also when nobody asks: memory that is needed is found */
	for (i = 0; i < 200; i++) {
		bo = t_bo(emu, 40 << 20);
		fd = t_export(emu, bo.bo);
		ck_assert_int_eq(t_destroy(emu, bo.bo), 0);
		close(fd);
	}
	emu_close(emu);
}
END_TEST

START_TEST(two_cards_share_a_bo)
{
	struct emu *one = t_open("ddr=64M"), *two = t_open("ddr=64M");
	struct smartssd_bo a = t_bo(one, 1 << 20), b = t_bo(two, 1 << 20);
	int fd = t_export(one, a.bo);
	uint32_t there = t_import(two, fd), again = t_import(one, fd);
	uint8_t *in = malloc(1 << 20), *out = malloc(1 << 20);
	struct smartssd_extent e = { 0, 0, 512 };
	int file = t_file(512, O_RDWR);
	struct smartssd_file f = t_register(two, file);
	struct t_args args;
	struct smartssd_cmd c[3] = { t_copy_to(b.bo, 0, in, 1 << 20), t_copy_bo(there, 100, b.bo, 0, (1 << 20) - 100),
				     t_copy_from(out, b.bo, 0, 1) };
	uint64_t i;

	close(fd);
	for (i = 0; i < 1 << 20; i++)
		in[i] = t_byte(i);
	c[1].dep[0] = 1;
	ck_assert_int_eq(t_run(two, c, 2, NULL), 0);
	c[0] = t_copy_from(out, again, 0, 1 << 20);
	ck_assert_int_eq(t_run(one, c, 1, NULL), 0);
	ck_assert_mem_eq(out + 100, in, (1 << 20) - 100);
	ck_assert_uint_eq(out[99], 0);
	/* no argument of a RUN and no side of a READ or WRITE */
	c[0] = t_ek(&args, 1, there, b.bo, 1, EK_ADD);
	ck_assert_int_eq(t_submit(two, c, 1, NULL), -EINVAL);
	c[0] = t_rw(SMARTSSD_OP_READ, f.file, there, &e, 1);
	ck_assert_int_eq(t_submit(two, c, 1, NULL), -EINVAL);
	c[0].op = SMARTSSD_OP_WRITE;
	ck_assert_int_eq(t_submit(two, c, 1, NULL), -EINVAL);
	/* on its own card it is an ordinary BO */
	c[0] = t_ek(&args, 1, again, again, 4, EK_ADD);
	ck_assert_int_eq(t_run(one, c, 1, NULL), 0);
	close(file);
	free(in);
	free(out);
	emu_close(two);
	emu_close(one);
}
END_TEST

/* The memory stays while the other card refers to it, although its own card was closed. */
START_TEST(export_outlives_its_card)
{
	struct emu *one = t_open("ddr=64M"), *two = t_open_bare("ddr=64M");
	struct smartssd_bo a = t_bo(one, 1 << 20);
	uint8_t x = 42, y = 0;
	struct smartssd_cmd c = t_copy_to(a.bo, 4711, &x, 1);
	struct smartssd_bo_fd arg = { .size = sizeof(arg) };
	int fd = t_export(one, a.bo), fd2;
	uint32_t there;

	ck_assert_int_eq(t_run(one, &c, 1, NULL), 0);
	emu_close(one);
	there = t_import(two, fd);
	close(fd);
	c = t_copy_from(&y, there, 4711, 1);
	ck_assert_int_eq(t_run(two, &c, 1, NULL), 0);
	ck_assert_uint_eq(y, 42);
	fd2 = t_export(two, there);
	ck_assert_int_eq(t_destroy(two, there), 0);
	there = t_import(two, fd2);
	close(fd2);
	c = t_copy_from(&y, there, 4711, 1);
	y = 0;
	ck_assert_int_eq(t_run(two, &c, 1, NULL), 0);
	ck_assert_uint_eq(y, 42);
	arg.fd = open("/dev/null", O_RDONLY);
	ck_assert_int_eq(emu_ioctl(two, SMARTSSD_IOC_BO_IMPORT, &arg), -EINVAL);
	close(arg.fd);
	ck_assert_int_eq(emu_ioctl(two, SMARTSSD_IOC_BO_IMPORT, &arg), -EBADF);
	emu_close(two);
}
END_TEST

TCase *tcase_share(void)
{
	TCase *tc = tcase_create("share");

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, thousands_of_bos);
	tcase_add_loop_test(tc, memory_is_zero, 0, 3);
	tcase_add_test(tc, commands_and_mappings_hold_memory);
	tcase_add_test(tc, mapping_outlives_the_card);
	tcase_add_test(tc, export_holds_until_it_is_closed);
	tcase_add_test(tc, two_cards_share_a_bo);
	tcase_add_test(tc, export_outlives_its_card);
	return tc;
}
