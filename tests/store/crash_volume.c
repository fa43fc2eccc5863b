// SPDX-License-Identifier: BSD-2-Clause
/*
 * Writers killed (SIGKILL) at random moments. A child does random changes and says, in memory that it shares with its parent, which one it begins and
 * which has returned. After each kill the volume opens, and is as after the last change that had returned or as after the one that was under way:
 * manifest, objects, what was synced into them, and every row of a delta. $SEED; $KILLS of each kind (default 250).
 */
#include "../../runtime/store/delta.h"

#define OBJECTS	  8
#define ROWS	  64
#define ROW_BYTES 200
#define MOST	  12 /* rows of one record */

/* What should be there. */
struct state {
	uint64_t manifest;	     /* its number; 0: none */
	uint64_t object[OBJECTS];    /* what it is filled with and its size; 0: it is not there */
	uint64_t row[ROWS];	     /* version; 0: none */
	uint64_t delta;		     /* which life of the delta object */
};

#include "crash_test.h"

static char path[80];
static struct layout layout;

static void name_object(uint32_t i, char name[VOLUME_NAME])
{
	snprintf(name, VOLUME_NAME, "object-%u", i);
}

static void print_manifest(uint64_t number, char text[8000])
{
	int n = number ? 10 + (int)(number * 7919 % 7000) : 0;

	memset(text, 'a' + (int)(number % 26), (size_t)n);
	if (number)
		snprintf(text + n, 24, "%llu", (unsigned long long)number);
	else
		text[0] = '\0';
}

static void fill_row(uint8_t row[ROW_BYTES], uint64_t r, uint64_t version)
{
	memset(row, (int)(r * 31 + version), ROW_BYTES);
	memcpy(row, &r, sizeof(r));
	memcpy(row + ROW_BYTES - sizeof(version), &version, sizeof(version));
}

/* ---- the child ---- */

static void change_manifest(struct volume *v, struct smartssd_error *err)
{
	char text[8000];

	shared->next.manifest = ++shared->number;
	print_manifest(shared->number, text);
	begin();
	end(volume_save(v, text, err), err);
}

/* Makes one, or removes it. Filled afterwards: that is a change by itself, as a table's rows are. */
static void change_object(struct volume *v, uint32_t i, struct smartssd_error *err)
{
	struct volume_object o = { .fd = -1 };
	uint8_t block[4096];
	char name[VOLUME_NAME];
	int ret;

	name_object(i, name);
	if (shared->now.object[i]) {
		shared->next.object[i] = 0;
		begin();
		end(volume_remove_object(v, name, err), err);
		return;
	}
	shared->next.object[i] = ++shared->number << 1;
	begin();
	end(volume_create_object(v, name, 1 + shared->number % 40 * 4096, &o, err), err);
	memset(block, (int)shared->number, sizeof(block));
	memcpy(block, &shared->number, sizeof(shared->number));
	ret = volume_pwrite(&o, block, sizeof(block), 0);
	if (!ret)
		ret = volume_sync_object(&o);
	shared->next.object[i] |= 1;
	begin();
	end(ret, err);
	volume_close_object(&o);
}

/* -ENOSPC: the delta is full */
static int change_rows(struct delta *d, struct smartssd_error *err)
{
	uint64_t rows[MOST], nr = random_in(1, MOST);
	uint8_t data[MOST][ROW_BYTES];
	int ret;

	shared->number++;
	for (uint64_t i = 0; i < nr; i++) {
		rows[i] = random_in(0, ROWS - 1);
		fill_row(data[i], rows[i], shared->number);
		shared->next.row[rows[i]] = shared->number;
	}
	begin();
	ret = delta_append(d, rows, nr, data, err);
	if (ret == -ENOSPC)
		shared->next = shared->now;
	end(ret == -ENOSPC ? 0 : ret, err);
	return ret;
}

/* The delta is made anew, as compaction does. */
static void new_delta(struct volume *v, struct volume_object *o, struct delta **d, struct smartssd_error *err)
{
	char name[VOLUME_NAME];

	if (*d) {
		delta_close(*d);
		volume_close_object(o);
		snprintf(name, sizeof(name), "delta-%llu", (unsigned long long)shared->now.delta);
		memset(shared->next.row, 0, sizeof(shared->next.row));
		shared->next.delta = 0;
		begin();
		end(volume_remove_object(v, name, err), err);
	}
	shared->next.delta = ++shared->number;
	snprintf(name, sizeof(name), "delta-%llu", (unsigned long long)shared->number);
	begin();
	end(volume_create_object(v, name, 40 * 4096, o, err), err);
	if (delta_open(o, &layout, ROWS, 3, d, err))
		end(-1, err);
}

static void child(void)
{
	struct smartssd_error err = { "" };
	struct volume_object o = { .fd = -1 };
	struct delta *d = NULL;
	struct volume *v;
	char name[VOLUME_NAME];
	int ret;

	ret = volume_open(path, VOLUME_WRITE | VOLUME_CREATE | VOLUME_FORCE, &v, &err);
	if (ret)
		end(ret, &err);
	if (shared->now.delta) {
		snprintf(name, sizeof(name), "delta-%llu", (unsigned long long)shared->now.delta);
		ret = volume_open_object(v, name, true, &o, &err);
		if (!ret)
			ret = delta_open(&o, &layout, ROWS, 3, &d, &err);
		if (ret)
			end(ret, &err);
	}
	for (;;) {
		uint32_t what = random_in(0, 9);

		shared->next = shared->now;
		if (!d || random_in(0, 60) == 0)
			new_delta(v, &o, &d, &err);
		else if (what < 2)
			change_manifest(v, &err);
		else if (what < 5)
			change_object(v, random_in(0, OBJECTS - 1), &err);
		else if (change_rows(d, &err))
			new_delta(v, &o, &d, &err);
	}
}

/* ---- the parent ---- */

static int wrong(char why[200], const char *fmt, uint64_t a, uint64_t b)
{
	snprintf(why, 200, fmt, (unsigned long long)a, (unsigned long long)b);
	return 1;
}

static int check_rows(struct volume *v, const struct state *s, char why[200])
{
	struct smartssd_error err = { "" };
	struct volume_object o;
	struct delta *d;
	char name[VOLUME_NAME];
	int ret;

	snprintf(name, sizeof(name), "delta-%llu", (unsigned long long)s->delta);
	if (volume_open_object(v, name, false, &o, &err) || delta_open(&o, &layout, ROWS, 3, &d, &err)) {
		snprintf(why, 200, "%.190s", err.text);
		volume_close_object(&o);
		return 1;
	}
	ret = delta_verify(d, &err) ? wrong(why, "the delta cannot be verified", 0, 0) : 0;
	for (uint64_t r = 0; !ret && r < ROWS; r++) {
		uint8_t want[ROW_BYTES], have[ROW_BYTES];
		uint64_t at = delta_find(d, r);

		fill_row(want, r, s->row[r]);
		if ((at == UINT64_MAX) != !s->row[r])
			ret = wrong(why, "row %llu: version %llu is not there, or one is that should not", r, s->row[r]);
		else if (s->row[r] && (volume_pread(&o, have, sizeof(have), at) || memcmp(want, have, sizeof(want))))
			ret = wrong(why, "row %llu is not version %llu", r, s->row[r]);
	}
	delta_close(d);
	volume_close_object(&o);
	return ret;
}

static int check_object(struct volume *v, uint32_t i, uint64_t what, char why[200])
{
	uint64_t number = what >> 1, is = 0;
	struct volume_object o;
	uint8_t last = 0;
	char name[VOLUME_NAME];
	int ret = 0;

	name_object(i, name);
	if (volume_open_object(v, name, false, &o, NULL))
		return wrong(why, "object %llu is not there", i, 0);
	if (o.bytes != align_up(1 + number % 40 * 4096, VOLUME_ALIGN))
		ret = wrong(why, "object %llu has %llu bytes", i, o.bytes);
	else if (what & 1 && (volume_pread(&o, &is, sizeof(is), 0) || volume_pread(&o, &last, 1, 4095) || is != number || last != (uint8_t)number))
		ret = wrong(why, "object %llu does not have what was synced, but %llu", i, is);
	volume_close_object(&o);
	return ret;
}

/* Is the volume exactly this? */
static int check_state(struct volume *v, const struct state *s, char why[200])
{
	char text[8000], *now, (*names)[VOLUME_NAME];
	uint32_t nr, want = s->delta != 0;
	uint64_t generation;
	int ret = 0;

	print_manifest(s->manifest, text);
	if (volume_load(v, &now, &generation, NULL) || volume_list_objects(v, &names, &nr, NULL))
		return wrong(why, "manifest or objects cannot be read", 0, 0);
	if (strcmp(now, text))
		ret = wrong(why, "the manifest is not number %llu", s->manifest, 0);
	for (uint32_t i = 0; !ret && i < OBJECTS; i++) {
		want += s->object[i] != 0;
		if (s->object[i])
			ret = check_object(v, i, s->object[i], why);
	}
	if (!ret && s->delta)
		ret = check_rows(v, s, why);
	if (!ret && nr != want)
		ret = wrong(why, "%llu objects, not %llu", nr, want);
	free(now);
	free(names);
	return ret;
}

/* As before the change that was under way, or as after it: then that is what the next writer finds. */
static int check(char why[500])
{
	struct smartssd_error err = { "" };
	char now[200] = "", next[200] = "";
	struct volume *v;
	int ret = volume_open(path, VOLUME_READ, &v, &err);

	if (ret) {
		/* Before the first change has returned there need not be a volume yet. */
		if ((ret == -EBADMSG || ret == -ENOENT) && !shared->returned && !shared->under_way)
			return 0;
		snprintf(why, 500, "does not open: %.400s", err.text);
		return 1;
	}
	ret = check_state(v, &shared->now, now);
	if (ret && shared->under_way) {
		ret = check_state(v, &shared->next, next);
		if (!ret)
			shared->now = shared->next;
	}
	if (ret)
		snprintf(why, 500, "not as before: %s; nor as after what was under way: %s", now, next);
	volume_close(v);
	return ret;
}

static int run(const char *kind, uint32_t kills)
{
	char why[500] = "";
	uint64_t under_way = 0;

	memset(shared, 0, sizeof(*shared));
	for (uint32_t i = 0; i < kills; i++) {
		if (crash_once(kind, i, child, 1 + random_in(0, random_in(0, 3) ? 4000000 : 15000000)))
			return 1;
		under_way += shared->under_way;
		if (check(why))
			return tap_ok(0, "%s: kill %u, %llu changes: %s", kind, i, (unsigned long long)shared->returned, why);
		shared->under_way = 0;
	}
	return tap_ok(shared->returned > 0 && under_way > 0, "%s: %u writers killed, %llu changes returned, %llu kills in the middle of one", kind, kills,
		      (unsigned long long)shared->returned, (unsigned long long)under_way);
}

int main(void)
{
	uint32_t kills = getenv("KILLS") ? (uint32_t)atoi(getenv("KILLS")) : 250;

	if (crash_begin("crash_volume") || layout_init(&layout, ROW_BYTES, 512))
		return 1;
	snprintf(path, sizeof(path), "%s/store", crash_folder);
	run("folder", kills);
	snprintf(path, sizeof(path), "%s/raw", crash_folder);
	if (crash_namespace(path, VOLUME_MIN_RAW))
		return 1;
	run("namespace", kills);
	return crash_end();
}
