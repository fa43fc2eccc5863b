// SPDX-License-Identifier: BSD-2-Clause
/* Volumes of both kinds: what is promised in volume.h; locks between processes; power losses, damage and hostile contents. */
#include <signal.h>
#include <sys/resource.h>

#include "../../runtime/store/rowfmt.h"
#include "volume_test.h"

static struct volume *make_here(int i)
{
	if (i >= KINDS)
		go_to_disk();
	return make_volume(i % KINDS);
}

START_TEST(manifest)
{
	struct volume *v = make_here(_i), *reader;
	uint64_t generation;
	char uuid[37], *text;

	ck_assert_str_eq(volume_path(v), path);
	strcpy(uuid, volume_uuid(v));
	ck_assert_uint_eq(strlen(uuid), 36);
	ck_assert(volume_block(v) >= 512 && volume_block(v) <= 4096);
	ck_assert_int_eq(volume_load(v, &text, &generation, &err), 0);
	ck_assert(!strcmp(text, "") && generation == 0);
	free(text);
	reader = open_ok(VOLUME_READ);
	ck_assert_str_eq(volume_uuid(reader), uuid);
	for (uint64_t i = 1; i < 6; i++) {
		char now[64];

		snprintf(now, sizeof(now), "{\"n\": %llu, \"s\": \"\xc3\xa4\\n\"}\n\t", (unsigned long long)i);
		save_ok(v, now);
		ck_assert_int_eq(volume_load(reader, &text, &generation, &err), 0);
		ck_assert_str_eq(text, now);
		ck_assert_uint_eq(generation, i);
		free(text);
	}
	ck_assert_int_eq(volume_save(v, "no UTF-8: \xff", &err), -EINVAL);
	ck_assert_int_eq(volume_save(reader, "x", &err), -EBADF);
	text = malloc(VOLUME_SLOT / 2 + 2);
	memset(text, 'x', VOLUME_SLOT / 2 + 1);
	text[VOLUME_SLOT / 2 + 1] = '\0';
	ck_assert_int_eq(volume_save(v, text, &err), -EFBIG);
	ck_assert(manifest_is(reader, "{\"n\": 5, \"s\": \"\xc3\xa4\\n\"}\n\t"));
	text[VOLUME_SLOT / 2] = '\0';
	save_ok(v, text);
	ck_assert(manifest_is(reader, text));
	free(text);
	volume_close(v);
	volume_close(reader);
	/* Making it again finds it. */
	v = open_ok(VOLUME_WRITE | VOLUME_CREATE | VOLUME_FORCE);
	ck_assert_str_eq(volume_uuid(v), uuid);
	volume_close(v);
}
END_TEST

static void check_io(const struct volume_object *o)
{
	uint8_t *model = calloc(1, o->bytes), *data = malloc(o->bytes + 1);

	for (uint64_t at = 0; at < o->bytes; at += 65536)
		ck_assert_int_eq(volume_pwrite(o, model + at, min_u64(65536, o->bytes - at), at), 0);
	for (int round = 0; round < 200; round++) {
		uint64_t at = random_in(0, (uint32_t)o->bytes), bytes = random_in(0, (uint32_t)min_u64(o->bytes - at, 20000));
		uint32_t skew = random_in(0, 1);

		if (random_in(0, 3) == 0) {
			at = align_down(at, 512);
			bytes = align_down(bytes, 512);
		}
		for (uint64_t i = 0; i < bytes; i++)
			data[skew + i] = (uint8_t)random_u64();
		ck_assert_int_eq(volume_pwrite(o, data + skew, bytes, at), 0);
		memcpy(model + at, data + skew, bytes);
		at = random_in(0, (uint32_t)o->bytes);
		bytes = o->bytes - at;
		ck_assert_int_eq(volume_pread(o, data + skew, bytes, at), 0);
		ck_assert(!memcmp(data + skew, model + at, bytes));
	}
	ck_assert_int_eq(volume_pread(o, data, 2, o->bytes - 1), -EIO);
	ck_assert_int_eq(volume_pread(o, data, 1, UINT64_MAX), -EIO);
	ck_assert_int_eq(volume_pwrite(o, data, 1, o->bytes), -EIO);
	ck_assert_int_eq(volume_sync_object(o), 0);
	free(model);
	free(data);
}

START_TEST(objects)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "A", "_a", "-a", ".obj", "a b",
		"0123456789012345678901234567890123456789012345678901234567890123" };
	struct volume *v = make_here(_i), *reader = open_ok(VOLUME_READ);
	struct volume_object a = create_ok(v, "b.1.0.rows", 70000), b, c;
	char (*names)[VOLUME_NAME], first[4096] = { 0 }, zeros[4096] = { 0 };
	uint32_t nr;

	random_seed("volume objects");
	ck_assert_uint_eq(a.bytes, 73728);
	ck_assert_uint_eq(a.offset % 4096, 0);
	ck_assert(fcntl(a.fd, F_GETFD) & FD_CLOEXEC);
	check_io(&a);
	ck_assert_int_eq(volume_open_object(reader, "b.1.0.rows", false, &b, &err), 0);
	ck_assert(b.offset == a.offset && b.bytes == a.bytes);
	ck_assert_int_eq(volume_pwrite(&b, first, 512, 0), -EBADF);
	ck_assert_int_eq(volume_pwrite(&a, "hello", 5, 33), 0);
	ck_assert_int_eq(volume_pread(&b, first, 5, 33), 0);
	ck_assert_mem_eq(first, "hello", 5);
	ck_assert_int_eq(volume_create_object(v, "b.1.0.rows", 1, &c, &err), -EEXIST);
	ck_assert_int_eq(c.fd, -1);
	ck_assert_int_eq(volume_open_object(v, "nothing", false, &c, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.text, "nothing"));
	ck_assert_int_eq(volume_remove_object(v, "nothing", &err), -ENOENT);
	for (uint32_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ck_assert_int_eq(volume_create_object(v, bad[i], 1, &c, &err), -EINVAL);
		ck_assert_int_eq(volume_open_object(v, bad[i], false, &c, &err), -EINVAL);
		ck_assert_int_eq(volume_remove_object(v, bad[i], &err), -EINVAL);
	}
	ck_assert_int_eq(volume_create_object(reader, "r", 1, &c, &err), -EBADF);
	ck_assert_int_eq(volume_open_object(reader, "b.1.0.rows", true, &c, &err), -EBADF);
	ck_assert_int_eq(volume_remove_object(reader, "b.1.0.rows", &err), -EBADF);
	c = create_ok(v, "a", 0);
	ck_assert_uint_eq(c.bytes, 4096);
	volume_close_object(&c);
	volume_close_object(&c); /* twice is fine */
	c = create_ok(v, "c012345678901234567890123456789012345678901234567890123456789ab", 1);
	ck_assert_int_eq(volume_pread(&c, first, sizeof(first), 0), 0);
	ck_assert_mem_eq(first, zeros, sizeof(first));
	volume_close_object(&c);
	ck_assert_int_eq(volume_list_objects(reader, &names, &nr, &err), 0);
	ck_assert_uint_eq(nr, 3);
	ck_assert_str_eq(names[0], "a");
	ck_assert_str_eq(names[1], "b.1.0.rows");
	ck_assert_str_eq(names[2], "c012345678901234567890123456789012345678901234567890123456789ab");
	free(names);
	/* Removed, and still readable; a new one of that name is another. */
	ck_assert_int_eq(volume_remove_object(v, "b.1.0.rows", &err), 0);
	ck_assert_int_eq(volume_open_object(reader, "b.1.0.rows", false, &c, &err), -ENOENT);
	c = create_ok(v, "b.1.0.rows", 70000);
	ck_assert_int_eq(volume_pwrite(&c, "other", 5, 33), 0);
	ck_assert_int_eq(volume_pread(&b, first, 5, 33), 0);
	ck_assert_mem_eq(first, "hello", 5);
	volume_close_object(&a);
	volume_close_object(&b);
	volume_close_object(&c);
	volume_close(reader);
	volume_close(v);
	/* All of it is there again. */
	v = open_ok(VOLUME_READ);
	ck_assert_int_eq(volume_list_objects(v, &names, &nr, &err), 0);
	ck_assert_uint_eq(nr, 3);
	free(names);
	ck_assert_int_eq(volume_open_object(v, "b.1.0.rows", false, &c, &err), 0);
	ck_assert_int_eq(volume_pread(&c, first, 5, 33), 0);
	ck_assert_mem_eq(first, "other", 5);
	volume_close_object(&c);
	volume_close(v);
}
END_TEST

static void refuse(const char *name, unsigned int flags, int want, const char *says)
{
	struct volume *v;
	int ret = volume_open(name, flags, &v, &err);

	ck_assert_msg(ret == want, "%s: %d, not %d: %s", name, ret, want, err.text);
	ck_assert_ptr_null(v);
	ck_assert_msg(strstr(err.text, says) && strstr(err.text, name), "\"%s\" does not say %s", err.text, says);
}

#define CREATE (VOLUME_WRITE | VOLUME_CREATE)

START_TEST(wrong_paths)
{
	char name[80];
	int fd;

	place(FOLDER);
	refuse(path, VOLUME_READ, -ENOENT, "no such folder");
	refuse(path, VOLUME_WRITE, -ENOENT, "no such folder");
	refuse(path, VOLUME_CREATE, -EINVAL, "VOLUME_WRITE");
	refuse(path, 64, -EINVAL, "flags");
	refuse("/dev/smartssd-no-such-namespace", CREATE | VOLUME_FORCE, -ENOENT, "no such device");
	refuse("/dev/null", CREATE | VOLUME_FORCE, -EOPNOTSUPP, "neither a folder nor");
	snprintf(name, sizeof(name), "%s/a/b", folder);
	refuse(name, CREATE, -ENOENT, "cannot be made");
	refuse(folder, VOLUME_READ, -EBADMSG, "no volume.json");
	refuse(folder, VOLUME_WRITE, -EBADMSG, "no volume.json");
	/* A folder with something else in it stays as it is. */
	snprintf(name, sizeof(name), "%s/precious", folder);
	close(open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	refuse(folder, CREATE | VOLUME_FORCE, -EEXIST, "'precious'");
	snprintf(name, sizeof(name), "%s/lock", folder);
	ck_assert_int_eq(access(name, F_OK), -1);
	/* A file that is too small, and one that may hold something else. */
	snprintf(name, sizeof(name), "%s/precious", folder);
	refuse(name, CREATE | VOLUME_FORCE, -EINVAL, "at least 67108864");
	fd = open(name, O_RDWR | O_CLOEXEC);
	ck_assert(!ftruncate(fd, VOLUME_MIN_RAW));
	refuse(name, VOLUME_READ, -EBADMSG, "first block does not say so");
	refuse(name, VOLUME_WRITE, -EBADMSG, "first block does not say so");
	refuse(name, CREATE, -EEXIST, "would be lost");
	close(fd);
}
END_TEST

/* In a child: opens for writing, says so, and waits to be killed. */
static pid_t hold(unsigned int flags, const char *object)
{
	int pipes[2];
	pid_t pid;
	char c = 0;

	ck_assert_int_eq(pipe(pipes), 0);
	pid = fork();
	if (!pid) {
		struct volume_object o;
		struct volume *v;

		c = volume_open(path, flags, &v, NULL) || (object && volume_open_object(v, object, false, &o, NULL)) ? 'n' : 'y';
		if (write(pipes[1], &c, 1) == 1)
			pause();
		_exit(0);
	}
	ck_assert(read(pipes[0], &c, 1) == 1 && c == 'y');
	close(pipes[0]);
	close(pipes[1]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(second_writer)
{
	struct volume *v = make_volume(_i), *more;
	char who[40];
	pid_t pid;

	snprintf(who, sizeof(who), "this process (%d)", getpid());
	refuse(path, VOLUME_WRITE, -EBUSY, who);
	refuse(path, CREATE | VOLUME_FORCE, -EBUSY, "is writing to it");
	volume_close(v);
	pid = hold(VOLUME_WRITE, NULL);
	snprintf(who, sizeof(who), "process %d", pid);
	refuse(path, VOLUME_WRITE, -EBUSY, who);
	v = open_ok(VOLUME_READ);
	more = open_ok(VOLUME_READ);
	end(pid);
	volume_close(more);
	/* Readers are no hindrance, and no writer has to be alive. */
	pid = hold(VOLUME_READ, NULL);
	more = open_ok(VOLUME_WRITE);
	save_ok(more, "x");
	ck_assert(manifest_is(v, "x"));
	end(pid);
	volume_close(more);
	volume_close(v);
}
END_TEST

/* Room of removed objects on a namespace: not while anybody has them open. */
START_TEST(room_of_removed)
{
	struct volume *v = make_volume(RAW);
	struct volume_object a = create_ok(v, "a", 8 << 20), b, c;
	uint64_t room = volume_free(v), at = a.offset;
	pid_t pid = hold(VOLUME_READ, "a");

	ck_assert_int_eq(volume_remove_object(v, "a", &err), 0);
	ck_assert_uint_eq(volume_free(v), room);
	volume_close_object(&a);
	b = create_ok(v, "b", 8 << 20);
	ck_assert_uint_ge(b.offset, at + (8 << 20));
	volume_close_object(&b);
	ck_assert_uint_eq(volume_free(v), room - (8 << 20));
	end(pid);
	ck_assert_uint_eq(volume_free(v), room);
	c = create_ok(v, "c", 4 << 20);
	ck_assert_uint_eq(c.offset, at);
	/* This process's own too; between its open parts, the rest is used. */
	a = create_ok(v, "a", 4 << 20);
	ck_assert_uint_eq(a.offset, at + (4 << 20));
	ck_assert_int_eq(volume_remove_object(v, "a", &err), 0);
	ck_assert_int_eq(volume_remove_object(v, "c", &err), 0);
	volume_close_object(&c);
	c = create_ok(v, "c", 4 << 20);
	ck_assert_uint_eq(c.offset, at);
	volume_close_object(&a);
	volume_close_object(&c);
	volume_close(v);
}
END_TEST

START_TEST(no_room)
{
	struct volume *v = make_volume(RAW);
	struct volume_object o;
	uint64_t all = volume_free(v);
	char name[16];

	ck_assert_uint_eq(all, VOLUME_MIN_RAW - VOLUME_DATA);
	ck_assert_int_eq(volume_create_object(v, "big", all + 1, &o, &err), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(err.text, "4096 are missing"));
	ck_assert_int_eq(volume_create_object(v, "big", UINT64_MAX, &o, &err), -ENOSPC);
	ck_assert_int_eq(volume_create_object(v, "big", INT64_MAX, &o, &err), -ENOSPC);
	ck_assert_int_eq(o.fd, -1);
	o = create_ok(v, "big", all);
	volume_close_object(&o);
	ck_assert_uint_eq(volume_free(v), 0);
	ck_assert_int_eq(volume_create_object(v, "more", 1, &o, &err), -ENOSPC);
	save_ok(v, "still works");
	ck_assert_int_eq(volume_remove_object(v, "big", &err), 0);
	/* Holes, the smallest that fits first. */
	for (int i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "o%d", i);
		o = create_ok(v, name, (uint64_t)(6 - i) << 20);
		volume_close_object(&o);
	}
	ck_assert_int_eq(volume_remove_object(v, "o1", &err), 0);
	ck_assert_int_eq(volume_remove_object(v, "o3", &err), 0);
	o = create_ok(v, "fits", 2 << 20);
	ck_assert_uint_eq(o.offset, VOLUME_DATA + ((6 + 5 + 4) << 20));
	volume_close_object(&o);
	volume_close(v);
	v = make_volume(FOLDER);
	ck_assert_int_lt(volume_create_object(v, "big", 1ull << 62, &o, &err), 0);
	ck_assert_int_eq(volume_create_object(v, "big", UINT64_MAX, &o, &err), -ENOSPC);
	ck_assert_int_eq(volume_open_object(v, "big", false, &o, &err), -ENOENT);
	volume_close(v);
}
END_TEST

/* ---- power losses ---- */

static const char *old_text, *new_text, *old_object, *new_object;

static bool has_object(struct volume *v, const char *name)
{
	struct volume_object o;

	if (volume_open_object(v, name, false, &o, NULL))
		return false;
	volume_close_object(&o);
	return true;
}

static void check_state(int may_be)
{
	struct volume *v = open_ok(VOLUME_READ);
	bool is_old = manifest_is(v, old_text) && (!old_object || has_object(v, old_object)) && (!new_object || !has_object(v, new_object));
	bool is_new = manifest_is(v, new_text) && (!new_object || has_object(v, new_object)) && (!old_object || !has_object(v, old_object));

	ck_assert_msg((may_be & 1 && is_old) || (may_be & 2 && is_new), "may be %d, is %s", may_be, is_old ? "old" : is_new ? "new" : "neither");
	volume_close(v);
}

START_TEST(torn_slots)
{
	char *large = malloc(20001);
	struct volume *v = make_volume(RAW);
	struct volume_object o;

	random_seed("volume torn");
	memset(large, 'l', 20000);
	large[20000] = '\0';
	save_ok(v, "before");
	/* A manifest: the first write of a slot decides. */
	for (int round = 0; round < 3; round++) {
		old_text = round == 2 ? large : "before";
		new_text = round == 1 ? large : round ? "short" : "after";
		save_ok(v, old_text);
		keep_writes = true;
		save_ok(v, new_text);
		keep_writes = false;
		volume_close(v);
		ck_assert_int_eq(nr_written, 2);
		lose_power(path, 0, 3, check_state);
		forget_writes();
		v = open_ok(VOLUME_WRITE);
	}
	/* An object: its first block, then the slot. */
	old_text = new_text;
	new_object = "new";
	keep_writes = true;
	o = create_ok(v, "new", 10000);
	keep_writes = false;
	volume_close_object(&o);
	volume_close(v);
	ck_assert_int_eq(nr_written, 3);
	lose_power(path, 1, 3, check_state);
	forget_writes();
	v = open_ok(VOLUME_WRITE);
	new_object = NULL;
	old_object = "new";
	keep_writes = true;
	ck_assert_int_eq(volume_remove_object(v, "new", &err), 0);
	keep_writes = false;
	volume_close(v);
	lose_power(path, 0, 3, check_state);
	forget_writes();
	free(large);
}
END_TEST

/* Cut short while it was made: no volume, and it can be made again. */
static void check_made(int may_be)
{
	struct volume *v;
	int ret = volume_open(path, VOLUME_READ, &v, &err);

	(void)may_be;
	ck_assert_msg(!ret || ret == -EBADMSG, "%d: %s", ret, err.text);
	if (!ret)
		ck_assert(manifest_is(v, ""));
	volume_close(v);
}

START_TEST(torn_making)
{
	struct volume *v;

	random_seed("volume making");
	keep_writes = true;
	v = make_volume(RAW);
	keep_writes = false;
	volume_close(v);
	ck_assert_int_eq(nr_written, 3);
	lose_power(path, 2, 3, check_made);
	forget_writes();
}
END_TEST

/* After a change that was cut short between its two copies, the writer makes two of it again: then either may be lost. */
START_TEST(mended)
{
	uint8_t zeros[4096] = { 0 };
	struct volume *v = make_volume(RAW);
	int fd = open(path, O_RDWR | O_CLOEXEC);

	for (int round = 0; round < 6; round++) {
		save_ok(v, "this");
		volume_close(v);
		put(fd, zeros, sizeof(zeros), VOLUME_ALIGN + (uint64_t)(round % 2) * VOLUME_SLOT);
		v = open_ok(VOLUME_WRITE);
		volume_close(v);
		put(fd, zeros, sizeof(zeros), VOLUME_ALIGN + (uint64_t)!(round % 2) * VOLUME_SLOT);
		v = open_ok(VOLUME_READ);
		ck_assert(manifest_is(v, "this"));
		volume_close(v);
		v = open_ok(VOLUME_WRITE);
	}
	close(fd);
	volume_close(v);
}
END_TEST

/* Writes and syncs that fail: the old state, here and for whoever opens it, until one succeeds. */
START_TEST(failing_drive)
{
	struct volume *v = make_volume(RAW), *reader = open_ok(VOLUME_READ);
	struct volume_object o;

	save_ok(v, "old");
	for (int round = 0; round < 2; round++)
		for (int nth = 1; nth < 3; nth++) {
			*(round ? &fail_sync : &fail_write) = 1;
			ck_assert_int_eq(volume_save(v, "new", &err), -EIO);
			ck_assert_ptr_nonnull(strstr(err.text, "check the drive"));
			ck_assert(manifest_is(reader, "old") && manifest_is(v, "old"));
			*(round ? &fail_sync : &fail_write) = nth;
			ck_assert_int_eq(volume_create_object(v, "o", 10000, &o, &err), -EIO);
			ck_assert_int_eq(o.fd, -1);
			ck_assert(!has_object(reader, "o"));
			fail_write = fail_sync = 0;
		}
	/* The second copy is no condition. */
	fail_write = 2;
	save_ok(v, "new");
	ck_assert_int_eq(fail_write, 0);
	ck_assert(manifest_is(reader, "new"));
	volume_close(v);
	v = open_ok(VOLUME_WRITE);
	ck_assert(manifest_is(v, "new"));
	volume_close(v);
	volume_close(reader);
}
END_TEST

/* ---- damage ---- */

/* One byte, anywhere in a slot: the other copy has the same. In both, or in block 0: right or refused. */
START_TEST(flipped_bits)
{
	struct volume *v = make_volume(RAW);
	struct volume_object o = create_ok(v, "o", 1);
	int fd = open(path, O_RDWR | O_CLOEXEC), wrong = 0;

	random_seed("volume flips");
	volume_close_object(&o);
	save_ok(v, "manifest");
	volume_close(v);
	for (int round = 0; round < 1200; round++) {
		uint64_t at[2];
		uint8_t was[2], is;
		int nr = round < 400 ? 1 : 2, ret;

		for (int i = 0; i < nr; i++) {
			at[i] = round >= 800 ? random_in(0, 63) : VOLUME_ALIGN + (uint64_t)((round + i) % 2) * VOLUME_SLOT + random_in(0, 180);
			ck_assert(pread(fd, &was[i], 1, (off_t)at[i]) == 1);
			is = was[i] ^ (uint8_t)(1u << random_in(0, 7));
			put(fd, &is, 1, at[i]);
		}
		ret = volume_open(path, VOLUME_READ, &v, &err);
		ck_assert_msg(!ret || (ret == -EBADMSG && nr == 2), "%d: %s", ret, err.text);
		wrong += ret != 0;
		if (!ret)
			ck_assert(manifest_is(v, "manifest") && has_object(v, "o"));
		volume_close(v);
		while (nr--)
			put(fd, &was[nr], 1, at[nr]);
	}
	ck_assert_int_gt(wrong, 200);
	close(fd);
}
END_TEST

/* Slots with this JSON and the right CRC. */
static void forge(int fd, const uint8_t uuid[16], const char *json, uint64_t bytes)
{
	struct slot_head head = { .magic = "SSDSLOT", .sequence = 1000, .bytes = bytes };

	memcpy(head.uuid, uuid, 16);
	head.crc = rowfmt_crc32c(rowfmt_crc32c(0, &head, sizeof(head)), json, strlen(json));
	for (uint64_t i = 0; i < 2; i++) {
		put(fd, &head, sizeof(head), VOLUME_ALIGN + i * VOLUME_SLOT);
		put(fd, json, strlen(json), VOLUME_ALIGN + i * VOLUME_SLOT + sizeof(head));
	}
}

#define SLOT(objects) "{\"generation\": 3, \"manifest\": \"m\", \"objects\": [" objects "]}"

START_TEST(hostile_slots)
{
	static const struct {
		const char *json;
		bool good;
	} tests[] = {
		{ SLOT("[\"a\", 8392704, 4096]"), true },
		{ SLOT("[\"a\", 8392704, 4096], [\"b\", 8396800, 4096]"), true },
		{ SLOT("[\"a\", 67104768, 4096]"), true },
		{ "", false },
		{ "{", false },
		{ "[]", false },
		{ "{\"generation\": -1, \"manifest\": \"m\", \"objects\": []}", false },
		{ "{\"generation\": 1e3, \"manifest\": \"m\", \"objects\": []}", false },
		{ "{\"generation\": 99999999999999999999, \"manifest\": \"m\", \"objects\": []}", false },
		{ "{\"generation\": 1, \"manifest\": 1, \"objects\": []}", false },
		{ "{\"generation\": 1, \"manifest\": \"m\"}", false },
		{ "{\"generation\": 1, \"manifest\": \"m\", \"objects\": {}}", false },
		{ "{\"generation\": 1, \"generation\": 1, \"manifest\": \"m\", \"objects\": []}", false },
		{ "{\"generation\": 1, \"manifest\": \"m\\u0000x\", \"objects\": []}", false },
		{ SLOT("1"), false },
		{ SLOT("[]"), false },
		{ SLOT("[\"a\", 8392704]"), false },
		{ SLOT("[\"a/../b\", 8392704, 4096]"), false },
		{ SLOT("[\"\", 8392704, 4096]"), false },
		{ SLOT("[\"0123456789012345678901234567890123456789012345678901234567890123\", 8392704, 4096]"), false },
		{ SLOT("[\"a\", 0, 4096]"), false },
		{ SLOT("[\"a\", 8388608, 4096]"), false },
		{ SLOT("[\"a\", -4096, 4096]"), false },
		{ SLOT("[\"a\", 8392705, 4096]"), false },
		{ SLOT("[\"a\", 8392704, 0]"), false },
		{ SLOT("[\"a\", 8392704, -4096]"), false },
		{ SLOT("[\"a\", 8392704, 4097]"), false },
		{ SLOT("[\"a\", 8392704, 9223372036854771712]"), false },
		{ SLOT("[\"a\", 9223372036854771712, 9223372036854771712]"), false },
		{ SLOT("[\"a\", 67104768, 8192]"), false },
		{ SLOT("[\"a\", 67108864, 4096]"), false },
		{ SLOT("[\"a\", 8392704, 8192], [\"b\", 8396800, 4096]"), false },
		{ SLOT("[\"a\", 8396800, 4096], [\"b\", 8392704, 4096]"), false },
		{ SLOT("[\"a\", 8392704, 4096], [\"a\", 8396800, 4096]"), false },
	};
	struct volume *v = make_volume(RAW);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint8_t uuid[16];

	memcpy(uuid, v->id, 16);
	volume_close(v);
	for (uint32_t i = 0; i < ARRAY_SIZE(tests); i++) {
		int ret;

		forge(fd, uuid, tests[i].json, strlen(tests[i].json));
		ret = volume_open(path, i % 2 ? VOLUME_READ : VOLUME_WRITE, &v, &err);
		ck_assert_msg(ret == (tests[i].good ? 0 : -EBADMSG), "%s: %d, %s", tests[i].json, ret, err.text);
		volume_close(v);
	}
	/* Lengths that are none */
	forge(fd, uuid, SLOT(""), UINT64_MAX);
	refuse(path, VOLUME_READ, -EBADMSG, "neither slot");
	forge(fd, uuid, SLOT(""), VOLUME_SLOT);
	refuse(path, VOLUME_READ, -EBADMSG, "neither slot");
	/* Another volume's */
	uuid[3] ^= 1;
	forge(fd, uuid, SLOT(""), strlen(SLOT("")));
	refuse(path, VOLUME_READ, -EBADMSG, "neither slot");
	/* Cut off: objects are not there any more. */
	uuid[3] ^= 1;
	ck_assert_int_eq(ftruncate(fd, VOLUME_MIN_RAW + 8192), 0);
	forge(fd, uuid, SLOT("[\"a\", 67108864, 8192]"), strlen(SLOT("[\"a\", 67108864, 8192]")));
	volume_close(open_ok(VOLUME_READ));
	ck_assert_int_eq(ftruncate(fd, VOLUME_MIN_RAW + 4096), 0);
	refuse(path, VOLUME_READ, -EBADMSG, "object 0");
	close(fd);
}
END_TEST

static void overwrite(const char *file, const char *text)
{
	char name[128];
	FILE *f;

	snprintf(name, sizeof(name), "%s/%s", path, file);
	f = fopen(name, "w");
	ck_assert(f && fputs(text, f) >= 0 && !fclose(f));
}

START_TEST(hostile_folder)
{
	static const struct {
		const char *json, *says;
	} volumes[] = {
		{ "", "damaged" },
		{ "[]", "not one of ours" },
		{ "{\"magic\": \"x\", \"version\": 1, \"uuid\": \"\"}", "not one of ours" },
		{ "{\"magic\": \"smartssd-volume\", \"version\": 2, \"uuid\": \"\"}", "version 2" },
		{ "{\"magic\": \"smartssd-volume\", \"version\": 1, \"uuid\": \"0000\"}", "uuid" },
		{ "{\"magic\": \"smartssd-volume\", \"version\": 1, \"uuid\": \"../../..-....-....-....-............\"}", "uuid" },
	}, manifests[] = {
		{ "", "damaged" },
		{ "{\"generation\": 1, \"crc32c\": 0}", "missing" },
		{ "{\"generation\": -1, \"crc32c\": 0, \"manifest\": \"\"}", "missing" },
		{ "{\"generation\": 1, \"crc32c\": 0, \"manifest\": \"\"}", "CRC-32C" },
		{ "{\"generation\": 1, \"crc32c\": 4294967296, \"manifest\": \"\"}", "CRC-32C" },
	};
	struct volume *v = make_volume(FOLDER);
	struct volume_object o = create_ok(v, "o", 4096);
	char name[128], uuid[200], *text;
	uint64_t generation;

	volume_close_object(&o);
	snprintf(uuid, sizeof(uuid), "{\"magic\": \"smartssd-volume\", \"version\": 1, \"uuid\": \"%s\"}", volume_uuid(v));
	volume_close(v);
	for (uint32_t i = 0; i < ARRAY_SIZE(volumes); i++) {
		overwrite("volume.json", volumes[i].json);
		refuse(path, i % 2 ? VOLUME_READ : CREATE, -EBADMSG, volumes[i].says);
	}
	overwrite("volume.json", uuid);
	v = open_ok(VOLUME_WRITE);
	for (uint32_t i = 0; i < ARRAY_SIZE(manifests); i++) {
		overwrite("manifest.json", manifests[i].json);
		ck_assert_int_eq(volume_load(v, &text, &generation, &err), -EBADMSG);
		ck_assert_msg(strstr(err.text, manifests[i].says), "%s", err.text);
		ck_assert_int_eq(volume_save(v, "x", &err), -EBADMSG);
	}
	/* Without a manifest it is not empty but damaged: a writer would remove all objects. */
	snprintf(name, sizeof(name), "%s/manifest.json", path);
	ck_assert_int_eq(unlink(name), 0);
	ck_assert_int_eq(volume_load(v, &text, &generation, &err), -EBADMSG);
	/* Objects: cut off, a link, a pipe, a folder */
	snprintf(name, sizeof(name), "%s/o.obj", path);
	ck_assert_int_eq(truncate(name, 4095), 0);
	ck_assert_int_eq(volume_open_object(v, "o", false, &o, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.text, "4095 bytes"));
	ck_assert_int_eq(truncate(name, 0), 0);
	ck_assert_int_eq(volume_open_object(v, "o", false, &o, &err), -EBADMSG);
	ck_assert_int_eq(unlink(name), 0);
	ck_assert_int_eq(symlink("/dev/zero", name), 0);
	ck_assert_int_eq(volume_open_object(v, "o", false, &o, &err), -EBADMSG);
	ck_assert_int_eq(unlink(name), 0);
	ck_assert_int_eq(mkfifo(name, 0644), 0);
	ck_assert_int_eq(volume_open_object(v, "o", true, &o, &err), -EBADMSG);
	ck_assert_int_eq(unlink(name), 0);
	ck_assert_int_eq(mkdir(name, 0755), 0);
	ck_assert_int_eq(volume_open_object(v, "o", false, &o, &err), -EBADMSG);
	ck_assert_int_eq(volume_create_object(v, "o", 1, &o, &err), -EEXIST);
	volume_close(v);
}
END_TEST

/* What a writer that was killed leaves goes away with the next one; nothing else does. */
START_TEST(leftovers)
{
	static const char *const go[] = { "manifest.json.0123abcd.tmp", "t.1.0.rows.obj.deadbeef.tmp" };
	static const char *const stay[] = { "a.tmp", "a.json.tmp", "a.json.0123abcx.tmp", "b.0123abcd.tmp", "x.obj" };
	struct volume *v = make_volume(FOLDER);
	char name[128];

	volume_close(v);
	for (uint32_t i = 0; i < 2; i++)
		overwrite(go[i], "");
	for (uint32_t i = 0; i < 5; i++)
		overwrite(stay[i], "");
	volume_close(open_ok(VOLUME_READ));
	snprintf(name, sizeof(name), "%s/%s", path, go[0]);
	ck_assert_int_eq(access(name, F_OK), 0);
	volume_close(open_ok(VOLUME_WRITE));
	for (uint32_t i = 0; i < 7; i++) {
		snprintf(name, sizeof(name), "%s/%s", path, i < 2 ? go[i] : stay[i - 2]);
		ck_assert_int_eq(access(name, F_OK), i < 2 ? -1 : 0);
	}
}
END_TEST

/* A reader in another process sees each state whole, and none twice after a newer one. */
START_TEST(reading_while_writing)
{
	struct volume *v = make_volume(_i);
	char *text = calloc(1, 5001);
	int status;
	pid_t pid;

	save_ok(v, "0");
	pid = fork();
	if (!pid) {
		uint64_t last = 0, generation;
		struct volume *r;

		if (volume_open(path, VOLUME_READ, &r, &err))
			_exit(1);
		for (char *now = NULL;; free(now)) {
			struct volume_object o;
			int ret = volume_load(r, &now, &generation, &err);

			if (ret || generation < last || strspn(now, (char[]){ now[0], 0 }) != strlen(now))
				_exit(2);
			last = generation;
			ret = volume_open_object(r, "o", false, &o, &err);
			if (ret && ret != -ENOENT)
				_exit(3);
			volume_close_object(&o);
			if (!strcmp(now, "end"))
				_exit(4); /* cannot be: see strspn() */
			if (now[0] == 'z')
				_exit(0);
		}
	}
	for (int i = 0; i < 150; i++) {
		struct volume_object o;

		memset(text, 'a' + i % 25, i % 3 ? 5000 : 10);
		text[i % 3 ? 5000 : 10] = '\0';
		save_ok(v, text);
		if (i % 2) {
			ck_assert_int_eq(volume_remove_object(v, "o", &err), 0);
		} else {
			o = create_ok(v, "o", 4096u << i % 7);
			volume_close_object(&o);
		}
	}
	save_ok(v, "zz");
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "reader: %x", status);
	volume_close(v);
	free(text);
}
END_TEST

static void fill(TCase *tests)
{
	tcase_add_checked_fixture(tests, make_folder, remove_folder);
	tcase_add_loop_test(tests, manifest, 0, 2 * KINDS);
	tcase_add_loop_test(tests, objects, 0, 2 * KINDS);
	tcase_add_test(tests, wrong_paths);
	tcase_add_loop_test(tests, second_writer, 0, KINDS);
	tcase_add_test(tests, room_of_removed);
	tcase_add_test(tests, no_room);
	tcase_add_test(tests, torn_slots);
	tcase_add_test(tests, torn_making);
	tcase_add_test(tests, mended);
	tcase_add_test(tests, failing_drive);
	tcase_add_test(tests, flipped_bits);
	tcase_add_test(tests, hostile_slots);
	tcase_add_test(tests, hostile_folder);
	tcase_add_test(tests, leftovers);
	tcase_add_loop_test(tests, reading_while_writing, 0, KINDS);
}

int main(void)
{
	return run_suite("volume", fill);
}
