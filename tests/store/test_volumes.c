// SPDX-License-Identifier: BSD-2-Clause
/* Which volumes are a store: a wrong one, one too few, another order, and what else lies there never lose anything. */
#include "store_test.h"

/* spec's volumes in the order of @order ("10": the second, then the first). */
static const char *volumes(const char *order)
{
	static char text[200];

	text[0] = 0;
	for (; *order; order++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s/v%c", *text ? "," : "", folder, *order);
	return text;
}

static void refuse(const char *order, unsigned int flags, int want, const char *says)
{
	struct store *s;
	int ret = store_open(volumes(order), flags, &s, &err);

	ck_assert_msg(ret == want, "%s: %d, not %d: %s", order, ret, want, err.text);
	ck_assert_msg(strstr(err.text, says), "\"%s\" does not say %s", err.text, says);
}

/* A writer who names the volumes in another order, or some of them, must not take them for a new store, or for one with leftovers. */
START_TEST(another_order)
{
	static const char *const orders[] = { "10", "120", "1", "2", "12", "102", "021", "01", "0", "1201" };
	struct store *s;

	set_up(3, _i & 1);
	s = open_store(WRITER);
	OK(import(s, "t", npy, SMARTSSD_ROWS_FP32, SMARTSSD_SHARD_ROW, NULL, NULL));
	OK(import(s, "u", npy, SMARTSSD_ROWS_INT8, SMARTSSD_SHARD_TABLE, NULL, NULL));
	/* As a program wrote it that did not say whose a volume is. */
	for (uint32_t v = 1; v < 3 && _i & 2; v++)
		OK(volume_save(store_volume(s, v), "", &err));
	store_close(s);
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++)
		for (unsigned int flags = 0; flags < 2; flags++) {
			int ret = store_open(volumes(orders[i]), flags ? WRITER : VOLUME_READ, &s, &err);

			ck_assert_msg(ret == -EXDEV || (ret == -EBUSY && flags) || (ret == -ENOENT && !flags), "%s: %d %s", orders[i], ret, err.text);
		}
	refuse("0", WRITER, -EXDEV, "has 3 volumes, 1 is named");
	refuse("10", WRITER, -EXDEV, _i & 2 ? "has objects of another store" : "is not the first volume of its store");
	refuse("021", WRITER, -EXDEV, "in its place");
	refuse("00", WRITER, -EBUSY, "named twice");
	s = open_store(WRITER);
	expect_table(s, "t");
	expect_table(s, "u");
	store_close(s);
	/* Now each of them says it. */
	refuse("1", VOLUME_READ, -EXDEV, "is not the first volume of its store");
	refuse("2", WRITER, -EXDEV, "is not the first volume of its store");
	tear_down();
}
END_TEST

/* Volumes of two stores: neither takes the other's. */
START_TEST(two_stores)
{
	struct store *s;

	set_up(4, _i);
	OK(store_open(volumes("01"), WRITER, &s, &err));
	OK(import(s, "t", npy, SMARTSSD_ROWS_FP32, SMARTSSD_SHARD_TABLE, NULL, NULL));
	store_close(s);
	OK(store_open(volumes("23"), WRITER, &s, &err));
	OK(import(s, "t", npy, SMARTSSD_ROWS_FP16, SMARTSSD_SHARD_ROW, NULL, NULL));
	store_close(s);
	refuse("03", WRITER, -EXDEV, "in its place");
	refuse("21", WRITER, -EXDEV, "in its place");
	refuse("13", WRITER, -EXDEV, "is not the first volume of its store");
	for (int i = 0; i < 2; i++) {
		OK(store_open(volumes(i ? "01" : "23"), WRITER, &s, &err));
		expect_table(s, "t");
		store_close(s);
	}
	tear_down();
}
END_TEST

/* A new store takes no volume of another, and no home; what it was to be made of can be used later. */
START_TEST(new_of_old)
{
	struct store *s;

	set_up(4, _i);
	OK(store_open(volumes("01"), WRITER, &s, &err));
	store_close(s);
	refuse("21", WRITER, -EXDEV, "is of another store");
	refuse("20", WRITER, -EXDEV, "is the home of another store");
	OK(store_open(volumes("23"), WRITER, &s, &err));
	store_close(s);
	/* Killed when the second volume had joined and the home had not: the same again makes it. */
	OK(store_open(volumes("23"), WRITER, &s, &err));
	OK(volume_save(store_volume(s, 0), "", &err));
	store_close(s);
	OK(store_open(volumes("23"), WRITER, &s, &err));
	OK(import(s, "t", npy, SMARTSSD_ROWS_FP32, SMARTSSD_SHARD_ROW, NULL, NULL));
	expect_table(s, "t");
	store_close(s);
	tear_down();
}
END_TEST

static void write_text(const char *name, const char *text)
{
	char path[120];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	ck_assert(f && fputs(text, f) >= 0 && !fclose(f));
}

static bool has_text(const char *name, const char *text)
{
	char path[120], have[80] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "r");
	if (f) {
		have[fread(have, 1, sizeof(have) - 1, f)] = 0;
		fclose(f);
	}
	return !strcmp(have, text);
}

/* What is in the folder: names, and of files the bytes up to and into the first objects. */
static void look(char text[8192])
{
	char command[240];
	size_t n;
	FILE *f;

	snprintf(command, sizeof(command), "cd %s && find . | sort | while read -r f; do echo \"$f\"; [ ! -f \"$f\" ] || head -c 12000000 \"$f\" | cksum; done", folder);
	f = popen(command, "r");
	ck_assert_ptr_nonnull(f);
	n = fread(text, 1, 8191, f);
	ck_assert(n > 0 && n < 8191 && !pclose(f));
	text[n] = 0;
}

static void refuse_all(const char *named, unsigned int flags, int want, const char *says)
{
	static char before[8192], after[8192];
	struct store *s;
	int ret;

	look(before);
	ret = store_open(named, flags, &s, &err);
	ck_assert_msg(ret == want, "%s: %d, not %d: %s", named, ret, want, err.text);
	ck_assert_msg(strstr(err.text, says), "\"%s\" does not say %s", err.text, says);
	look(after);
	ck_assert_msg(!strcmp(before, after), "%s: refused, but changed from\n%sto\n%s", named, before, after);
}

/* A store that is refused has overwritten no namespace, whatever --force says, and left no folder: whichever volume it is that is wrong. */
START_TEST(refused_makes_nothing)
{
	const bool raw = _i;
	char text[300];
	struct store *s;
	int fd;

	set_up(4, raw);
	OK(store_open(volumes("01"), WRITER, &s, &err));
	OK(import(s, "t", npy, SMARTSSD_ROWS_FP32, SMARTSSD_SHARD_ROW, NULL, NULL));
	store_close(s);
	if (raw) {
		snprintf(text, sizeof(text), "%s/v2", folder);
		fd = open(text, O_WRONLY);
		ck_assert(fd >= 0 && write(fd, "MYDATA", 6) == 6 && !close(fd));
	}
	refuse_all(volumes("02"), WRITER, raw ? -EBADMSG : -ENOENT, "v2");
	refuse_all(volumes("012"), WRITER, -EXDEV, "has 2 volumes, 3 are named");
	refuse_all(volumes("20"), WRITER, -EXDEV, "is the home of another store");
	refuse_all(volumes("21"), WRITER, -EXDEV, "is of another store");
	refuse_all(volumes("12"), WRITER, -EXDEV, "is not the first volume of its store");
	refuse_all(volumes("231"), WRITER, -EXDEV, "is of another store");
	refuse_all(volumes("22"), WRITER, -EBUSY, "named twice");
	snprintf(text, sizeof(text), "%s/v2,%s/./v2%s", folder, folder, raw ? "" : "//");
	refuse_all(text, WRITER, -EBUSY, "named twice");
	snprintf(text, sizeof(text), "%s/v2,%s/nowhere/v3", folder, folder);
	refuse_all(text, WRITER, -ENOENT, "nowhere/v3");
	snprintf(text, sizeof(text), "%s/v2,", folder);
	refuse_all(text, WRITER, -EINVAL, "an empty name");
	/* A new folder, and a namespace that needs --force, or a folder that is not empty. */
	snprintf(text, sizeof(text), "%s/new,%s/v2", folder, folder);
	if (raw)
		refuse_all(text, WRITER & ~VOLUME_FORCE, -EEXIST, "--force");
	snprintf(text, sizeof(text), "%s/new,%s", folder, folder);
	refuse_all(text, WRITER, -EEXIST, "nor empty");
	/* And a store of one volume. */
	OK(store_open(volumes("3"), WRITER, &s, &err));
	store_close(s);
	refuse_all(volumes("32"), WRITER, -EXDEV, "has 1 volume, 2 are named");
	refuse_all(volumes("23"), WRITER, -EXDEV, "is the home of another store");
	/* What was refused can be used. */
	OK(store_open(volumes("2"), WRITER, &s, &err));
	store_close(s);
	OK(store_open(volumes("01"), WRITER, &s, &err));
	expect_table(s, "t");
	store_close(s);
	tear_down();
}
END_TEST

/* A folder without its volume.json is not taken for an empty one, nor for one that was never a store's. */
START_TEST(lost_head)
{
	char path[120];
	struct store *s;

	set_up(1, false);
	s = open_store(WRITER);
	if (_i)
		OK(import(s, "t", npy, SMARTSSD_ROWS_FP32, 0, NULL, NULL));
	store_close(s);
	snprintf(path, sizeof(path), "%s/v0/volume.json", folder);
	ck_assert_int_eq(unlink(path), 0);
	refuse_all(spec, WRITER, -EBADMSG, _i ? "objects are (t.1.0.crc.obj): if it was a volume of a store, restore its volume.json" : "restore volume.json");
	refuse_all(spec, VOLUME_WRITE, -EBADMSG, "restore");
	refuse_all(spec, VOLUME_READ, -EBADMSG, "restore");
	tear_down();
}
END_TEST

/* Only what a store's own objects are called is ever removed. */
START_TEST(leftovers)
{
	static const char *const others[] = { "teapot.obj", "t.7.obj", "t.7.0.row.obj", "t.7.0.rows.x.obj", "t.x.0.rows.obj", "t.7.0.rows", "7.0.rows.obj", "notes.txt" };
	static const char *const ours[] = { "t.7.0.rows.obj", "t.7.0.crc.obj", "gone.12.47.delta.obj" };
	char path[120];
	struct store *s;

	set_up(1, false);
	s = open_store(WRITER);
	OK(import(s, "t", npy, SMARTSSD_ROWS_FP32, 0, NULL, NULL));
	store_close(s);
	for (size_t i = 0; i < ARRAY_SIZE(others) + ARRAY_SIZE(ours); i++) {
		snprintf(path, sizeof(path), "v0/%s", i < ARRAY_SIZE(others) ? others[i] : ours[i - ARRAY_SIZE(others)]);
		write_text(path, "x");
	}
	s = open_store(WRITER);
	expect_table(s, "t");
	store_close(s);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		snprintf(path, sizeof(path), "v0/%s", others[i]);
		ck_assert_msg(has_text(path, "x"), "%s is gone", others[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
		snprintf(path, sizeof(path), "%s/v0/%s", folder, ours[i]);
		ck_assert_msg(access(path, F_OK), "%s is there", ours[i]);
	}
	tear_down();
}
END_TEST

/* In a folder that is to become a volume, a symbolic link in the place of one of its files leads nowhere. */
START_TEST(links)
{
	static const char *const names[] = { "manifest.json", "lock", "volume.json", "manifest.json.0123abcd.tmp" };
	char link[120];
	struct store *s;

	set_up(1, false);
	write_text("precious", "all that I have");
	snprintf(link, sizeof(link), "%s/v0", folder);
	ck_assert_int_eq(mkdir(link, 0755), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(link, sizeof(link), "%s/v0/%s", folder, names[i]);
		ck_assert_int_eq(symlink("../precious", link), 0);
		ck_assert_int_lt(store_open(spec, WRITER, &s, &err), 0);
		ck_assert_msg(has_text("precious", "all that I have"), "through %s", names[i]);
		ck_assert_int_eq(unlink(link), 0);
	}
	/* The folder itself may be one. */
	snprintf(link, sizeof(link), "%s/link", folder);
	ck_assert_int_eq(symlink("v0", link), 0);
	OK(store_open(link, WRITER, &s, &err));
	OK(import(s, "t", npy, SMARTSSD_ROWS_FP32, 0, NULL, NULL));
	store_close(s);
	s = open_store(VOLUME_READ);
	expect_table(s, "t");
	store_close(s);
	tear_down();
}
END_TEST

/* Something else than a store: a namespace with a filesystem on it, a file with data. */
START_TEST(not_a_store)
{
	static char block[4096], now[4096];
	struct store *s;
	char path[120];
	int fd;

	set_up(1, true);
	snprintf(path, sizeof(path), "%s/v0", folder);
	fd = open(path, O_RDWR);
	memset(block, 0, sizeof(block));
	memcpy(block + 1024 + 56, "\x53\xef", 2); /* the magic of ext4 */
	ck_assert(fd >= 0 && pwrite(fd, block, sizeof(block), 0) == (ssize_t)sizeof(block));
	ck_assert_int_eq(store_open(spec, VOLUME_WRITE | VOLUME_CREATE, &s, &err), -EEXIST);
	ck_assert_ptr_nonnull(strstr(err.text, "--force"));
	ck_assert_int_eq(store_open(spec, VOLUME_WRITE, &s, &err), -EBADMSG);
	ck_assert_int_eq(store_open(spec, VOLUME_WRITE | VOLUME_FORCE, &s, &err), -EBADMSG);
	ck_assert_int_eq(store_open(spec, VOLUME_READ, &s, &err), -EBADMSG);
	ck_assert_ptr_null(strstr(err.text, "--force"));
	ck_assert(pread(fd, now, sizeof(now), 0) == (ssize_t)sizeof(now) && !memcmp(now, block, sizeof(now)));
	close(fd);
	tear_down();
}
END_TEST

/* Another store in the place of the one that a reader has open. */
START_TEST(store_made_anew)
{
	struct store *s, *reader;
	char command[160];

	set_up(2, false);
	s = open_store(WRITER);
	OK(import(s, "t", npy, SMARTSSD_ROWS_FP32, 1, NULL, NULL));
	store_close(s);
	reader = open_store(VOLUME_READ);
	snprintf(command, sizeof(command), "cd %s && rm v0/*", folder);
	ck_assert_int_eq(system(command), 0);
	OK(store_open(volumes("0"), WRITER, &s, &err));
	OK(import(s, "t", npy, SMARTSSD_ROWS_FP16, 0, NULL, NULL));
	store_close(s);
	ck_assert_int_eq(store_refresh(reader, &err), -EXDEV);
	ck_assert_uint_eq(reader->manifest.volumes, 2);
	store_close(reader);
	/* The second volume is of a store that is gone, and not empty. */
	refuse("01", WRITER, -EXDEV, "has 1 volume, 2 are named");
	tear_down();
}
END_TEST

static void fill(TCase *t)
{
	tcase_add_loop_test(t, another_order, 0, 4);
	tcase_add_loop_test(t, two_stores, 0, 2);
	tcase_add_loop_test(t, new_of_old, 0, 2);
	tcase_add_loop_test(t, refused_makes_nothing, 0, 2);
	tcase_add_loop_test(t, lost_head, 0, 2);
	tcase_add_test(t, leftovers);
	tcase_add_test(t, links);
	tcase_add_test(t, not_a_store);
	tcase_add_test(t, store_made_anew);
}

int main(void)
{
	return run_suite("volumes", fill);
}
