// SPDX-License-Identifier: BSD-2-Clause
/*
 * Writers of a store that are killed (SIGKILL) at random moments, or lose power: then what was written and not synced by then is there in part, sector by sector. A child imports (new, in the
 * place of another, going on with what was interrupted), updates, compacts and removes, over folders and namespaces, table- and row-wise. After each end the store opens, has the tables
 * as they were or as after what was under way, each with its checksum, and each row in a version that it may have; verify passes; an import goes on at least where it was saved; and the next
 * writer leaves no object that nobody names.
 *
 * $SEED; $KILLS of each kind (default 60). Link with -Wl,--wrap= of pwrite, fdatasync, fsync, fallocate, clock_gettime.
 */
#include "../../runtime/store/store_impl.h"

#define TABLES	 3
#define FILES	 4
#define MAX_ROWS 5000
#define RAW	 VOLUME_MIN_RAW

/* What a table has: rows of a file, and of some of them later versions. */
struct content {
	uint32_t file; /* number + 1; 0: there is no such table */
	uint32_t format, shards, crc;
	uint64_t generation; /* NEW: not known before it is there */
	uint32_t version[MAX_ROWS];
};
#define NEW UINT64_MAX

/* An import that was interrupted, if @saved: then so many rows will not have to be read again. */
struct begun {
	uint32_t file, format, shard;
	uint64_t saved;
};

struct state {
	struct content table[TABLES];
	struct begun import[TABLES];
	uint32_t opened; /* there is a store */
	uint32_t imports, resumed, updates, compacted, full;
};

#include "crash_test.h"

static const struct {
	uint32_t rows, dim;
} files[FILES] = { { 41, 8 }, { 300, 33 }, { 300, 16 }, { MAX_ROWS, 512 } /* of this, several chunks */ };

static char spec[300];
static uint32_t volumes;
static uint32_t import_crc[FILES][4];
static struct state total; /* of all kinds, the numbers only */

/* ---- rows ---- */

static void fill_row(uint32_t file, uint64_t r, uint32_t version, float *x)
{
	uint64_t hash = (r * 0x9e3779b97f4a7c15ull + version) * 0xbf58476d1ce4e5b9ull + file + 1;

	for (uint32_t i = 0; i < files[file].dim; i++) {
		hash = hash * 6364136223846793005ull + 1442695040888963407ull;
		x[i] = (float)((int64_t)hash >> 44) / 1024;
	}
}

static void encode_row(const struct content *c, uint64_t r, uint32_t version, uint8_t *row)
{
	float x[ROWFMT_MAX_DIM];
	uint64_t bad;

	fill_row(c->file - 1, r, version, x);
	if (rowfmt_encode(c->format, files[c->file - 1].dim, x, 1, row, &bad))
		abort();
}

/* The checksum that the table has if it is written anew now. */
static uint32_t content_crc(const struct content *c)
{
	uint8_t row[ROWFMT_MAX_DIM * 4];
	uint32_t crc = 0, bytes = rowfmt_bytes(c->format, files[c->file - 1].dim);

	for (uint64_t r = 0; r < files[c->file - 1].rows; r++) {
		uint32_t one;

		encode_row(c, r, c->version[r], row);
		one = row_crc(row, bytes, r);
		crc = rowfmt_crc32c(crc, &one, sizeof(one));
	}
	return crc;
}

static void file_path(uint32_t file, char path[100])
{
	snprintf(path, 100, "%s/file-%u.npy", crash_folder, file);
}

static int make_files(void)
{
	static struct content c;

	for (uint32_t f = 0; f < FILES; f++) {
		struct smartssd_array a = { .type = SMARTSSD_F4, .ndim = 2, .shape = { files[f].rows, files[f].dim } };
		float *x = malloc(files[f].rows * files[f].dim * sizeof(*x));
		struct smartssd_error err;
		char path[100];
		int ret;

		for (uint64_t r = 0; r < files[f].rows; r++)
			fill_row(f, r, 0, x + r * files[f].dim);
		file_path(f, path);
		ret = smartssd_npy_save(path, &a, x, &err);
		free(x);
		if (ret)
			return 1;
		c.file = f + 1;
		for (c.format = 0; c.format < 4; c.format++)
			import_crc[f][c.format] = content_crc(&c);
	}
	return 0;
}

/* ---- power loss ---- */

ssize_t __real_pwrite(int fd, const void *data, size_t bytes, off_t at);
int __real_fdatasync(int fd);
int __real_fsync(int fd);
int __real_clock_gettime(clockid_t id, struct timespec *ts);

#define MAX_LOG 4096

/* What was written and not synced yet: what was there before. */
static struct unsynced {
	int fd; /* -1: synced */
	dev_t dev;
	ino_t ino;
	off_t at;
	size_t bytes;
	uint8_t *old;
} unsynced[MAX_LOG];
static uint32_t nr_unsynced, events, lose_at; /* power goes at this write or sync; 0: never */
static bool is_writer;

static void lose_power(void)
{
	uint32_t lost = random_in(0, 4);

	while (nr_unsynced--) {
		struct unsynced *u = &unsynced[nr_unsynced];

		for (size_t from = 0, part; u->fd >= 0 && from < u->bytes; from += part) {
			part = min_u64(512 - (size_t)(u->at + (off_t)from) % 512, u->bytes - from);
			if (random_in(1, 4) <= lost && __real_pwrite(u->fd, u->old + from, part, u->at + (off_t)from) != (ssize_t)part)
				abort();
		}
	}
	raise(SIGKILL);
}

static bool same_file(int fd, const struct unsynced *u)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_dev == u->dev && st.st_ino == u->ino;
}

static void count_event(void)
{
	if (lose_at && ++events == lose_at)
		lose_power();
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t at)
{
	struct unsynced *u = &unsynced[nr_unsynced];
	char path[32];
	struct stat st;
	ssize_t ret;

	if (!lose_at)
		return __real_pwrite(fd, data, bytes, at);
	/* Opened again: a copy of @fd would hold its locks. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (nr_unsynced == MAX_LOG || fstat(fd, &st))
		abort();
	*u = (struct unsynced){ .fd = open(path, O_RDWR | O_CLOEXEC), .dev = st.st_dev, .ino = st.st_ino, .at = at, .bytes = bytes, .old = calloc(1, bytes) };
	if (u->fd < 0 || !u->old || pread(fd, u->old, bytes, at) < 0)
		abort();
	nr_unsynced++;
	ret = __real_pwrite(fd, data, bytes, at);
	count_event();
	return ret;
}

static void synced(int fd)
{
	uint32_t kept = 0;

	count_event();
	for (uint32_t i = 0; lose_at && i < nr_unsynced; i++) {
		if (!same_file(fd, &unsynced[i])) {
			unsynced[kept++] = unsynced[i];
			continue;
		}
		close(unsynced[i].fd);
		free(unsynced[i].old);
	}
	nr_unsynced = kept;
}

int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
	synced(fd);
	return __real_fdatasync(fd);
}

int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	synced(fd);
	return __real_fsync(fd);
}

/* Room that is not filled: what is reserved is most of what the test would wait for. */
int __wrap_fallocate(int fd, int mode, off_t at, off_t bytes);
int __wrap_fallocate(int fd, int mode, off_t at, off_t bytes)
{
	return mode & FALLOC_FL_KEEP_SIZE ? 0 : ftruncate(fd, at + bytes);
}

/* Time flies in a writer: its imports save what they have after each chunk. */
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	static time_t later;
	int ret = __real_clock_gettime(id, ts);

	if (is_writer)
		ts->tv_sec += later += 3;
	return ret;
}

/* ---- the child ---- */

static struct store *store;
static struct smartssd_error err;

static void table_name(uint32_t t, char name[STORE_NAME])
{
	snprintf(name, STORE_NAME, "t-%u", t);
}

static void set_begun(uint32_t t, struct begun b)
{
	shared->now.import[t] = shared->next.import[t] = b;
}

struct watch {
	uint32_t table;
	uint64_t stop; /* at this row; 0: never */
	bool saves;
};

static int watch_step(void *ctx, uint64_t done, uint64_t all)
{
	const struct watch *w = ctx;

	(void)all;
	if (w->saves)
		shared->now.import[w->table].saved = shared->next.import[w->table].saved = done;
	return w->stop && done >= w->stop;
}

/* What returned @ret is a new generation of the table. */
static void learn_generation(uint32_t t)
{
	char name[STORE_NAME];
	struct table *table;

	table_name(t, name);
	if (table_open(store, name, &table, &err))
		failed(-1, err.text);
	if (table_info(table)->crc != shared->next.table[t].crc)
		failed(-1, "a new table has another checksum than its rows");
	shared->next.table[t].generation = table_info(table)->generation;
	table_close(table);
}

/* @ret of an import or a compaction: nothing has changed when it was stopped, or had no room. */
static void end_generation(uint32_t t, int ret)
{
	if (ret == -ECANCELED || ret == -ENOSPC) {
		shared->next = shared->now;
		shared->next.full += ret == -ENOSPC;
		end(0, &err);
		return;
	}
	if (ret)
		failed(ret, err.text);
	learn_generation(t);
	shared->next.import[t] = (struct begun){ 0 };
	end(0, &err);
}

static void import(uint32_t t)
{
	struct begun b = shared->now.import[t];
	struct content *c = &shared->next.table[t];
	struct watch watch = { .table = t, .saves = true };
	struct smartssd_progress progress = { watch_step, &watch };
	bool same = b.file && random_in(0, 3), restart = !same || !b.saved || !random_in(0, 5);
	uint64_t resumed = 0;
	struct store_import what;
	char name[STORE_NAME], path[100];
	int ret;

	if (!same)
		b = (struct begun){ .file = 1 + (random_in(0, 3) ? random_in(0, FILES - 2) : FILES - 1), .format = random_in(0, 3), .shard = random_in(0, 1) };
	if (restart)
		b.saved = 0;
	watch.stop = random_in(0, 1) ? random_in(1, files[b.file - 1].rows) : 0;
	set_begun(t, b);
	memset(c, 0, sizeof(*c));
	*c = (struct content){ .file = b.file, .format = b.format, .shards = b.shard == SMARTSSD_SHARD_ROW ? volumes : 1, .crc = import_crc[b.file - 1][b.format], .generation = NEW };
	table_name(t, name);
	file_path(b.file - 1, path);
	what = (struct store_import){ .name = name, .format = b.format, .shard = b.shard, .volume = same || b.shard || random_in(0, 1) ? UINT32_MAX : 0, .replace = shared->now.table[t].file, .restart = restart };
	if (store_rows_open(path, &what.rows, &err))
		failed(-1, err.text);
	begin();
	ret = store_import(store, &what, &progress, &resumed, &err);
	store_rows_close(what.rows);
	if (ret == -ENOSPC && resumed)
		failed(ret, "no room for an import that goes on");
	if ((!ret || ret == -ECANCELED) && (resumed < b.saved || (restart && resumed)))
		failed(-1, "an import did not go on where it had been saved");
	shared->now.resumed += resumed > 0;
	shared->now.imports++;
	shared->next.resumed = shared->now.resumed;
	shared->next.imports = shared->now.imports;
	end_generation(t, ret);
}

static void compact(uint32_t t)
{
	struct watch watch = { .table = t, .stop = random_in(0, 3) ? 0 : random_in(1, MAX_ROWS) };
	struct smartssd_progress progress = { watch_step, &watch };
	char name[STORE_NAME];
	int ret;

	table_name(t, name);
	set_begun(t, (struct begun){ 0 }); /* of an import of that name nothing is kept */
	shared->next.table[t].crc = content_crc(&shared->now.table[t]);
	shared->next.table[t].generation = NEW;
	shared->next.compacted++;
	begin();
	ret = store_compact(store, name, &progress, &err);
	end_generation(t, ret);
}

static void update(uint32_t t)
{
	uint32_t file = shared->now.table[t].file - 1, dim = files[file].dim, nr = random_in(0, 9) ? random_in(1, 12) : random_in(1, 200);
	float *rows = malloc(nr * dim * sizeof(*rows));
	int64_t *indices = malloc(nr * sizeof(*indices));
	char name[STORE_NAME];
	struct table *table;
	int ret;

	for (uint32_t i = 0; i < nr; i++) {
		indices[i] = random_in(0, files[file].rows - 1);
		shared->next.table[t].version[indices[i]] = (uint32_t)++shared->number;
		fill_row(file, (uint64_t)indices[i], (uint32_t)shared->number, rows + i * dim);
	}
	shared->next.updates++;
	table_name(t, name);
	if (table_open(store, name, &table, &err))
		failed(-1, err.text);
	begin();
	ret = table_update(table, indices, nr, rows, &err);
	table_close(table);
	free(rows);
	free(indices);
	if (ret == -ENOSPC)
		shared->next = shared->now;
	end(ret == -ENOSPC ? 0 : ret, &err);
	shared->next = shared->now;
	if (ret == -ENOSPC)
		compact(t);
}

static void remove_table(uint32_t t)
{
	char name[STORE_NAME];
	int ret;

	table_name(t, name);
	set_begun(t, (struct begun){ 0 });
	memset(&shared->next.table[t], 0, sizeof(shared->next.table[t]));
	begin();
	ret = store_remove(store, name, &err);
	end(ret, &err);
}

/* How many objects should be on a volume: what the manifest names. */
static uint32_t count_named(uint32_t volume, const struct store_table *t)
{
	uint32_t nr = 0;

	for (uint32_t shard = 0; shard < t->shards; shard++)
		nr += shard_volume(store, t, shard) == volume ? PARTS : 0;
	return nr;
}

/* Objects that nobody names are gone, when a writer has opened the store; and so is what an import left that had saved nothing. */
static void check_leftovers(void)
{
	for (uint32_t v = 0; v < volumes; v++) {
		char(*names)[VOLUME_NAME];
		uint32_t nr, want = 0;

		for (uint32_t i = 0; i < store->manifest.nr; i++)
			want += count_named(v, &store->manifest.tables[i]);
		for (uint32_t i = 0; i < store->manifest.nr_pending; i++)
			want += store->manifest.pending[i].done ? count_named(v, &store->manifest.pending[i].table) : 0;
		if (volume_list_objects(store->volumes[v], &names, &nr, &err))
			failed(-1, err.text);
		if (nr != want) {
			snprintf(err.text, sizeof(err.text), "volume %u: a writer opened it and left %u objects, not %u", v, nr, want);
			failed(-1, err.text);
		}
		free(names);
	}
}

static void writer(void)
{
	alarm(60);
	is_writer = true;
	if (lose_at)
		lose_at = random_in(0, 2) ? random_in(1, 150) : random_in(1, 25);
	if (store_open(spec, VOLUME_WRITE | VOLUME_CREATE | VOLUME_FORCE, &store, &err))
		failed(-1, err.text);
	shared->now.opened = 1;
	check_leftovers();
	for (;;) {
		uint32_t t = random_in(0, TABLES - 1), what = random_in(0, 19);

		shared->next = shared->now;
		if (!shared->now.table[t].file || what < 4)
			import(t);
		else if (what == 4)
			remove_table(t);
		else if (what < 7)
			compact(t);
		else
			update(t);
	}
}

/* ---- the parent ---- */

static int wrong(char why[500], uint32_t t, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int wrong(char why[500], uint32_t t, const char *fmt, ...)
{
	int n = snprintf(why, 500, "table %u: ", t);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why + n, 500 - (size_t)n, fmt, ap);
	va_end(ap);
	return 1;
}

static bool is_version(const struct content *c, uint64_t r, uint32_t version, const float *have)
{
	uint8_t row[ROWFMT_MAX_DIM * 4];
	float want[ROWFMT_MAX_DIM];
	uint32_t dim = files[c->file - 1].dim;

	encode_row(c, r, version, row);
	rowfmt_decode(c->format, dim, row, 1, want);
	return !memcmp(want, have, dim * sizeof(*have));
}

/* Rows as @c has them, or, those of a shard all together, as @next has: then @c gets them. */
static int check_rows(struct table *table, uint32_t t, struct content *c, const struct content *next, char why[500])
{
	uint32_t is_old[STORE_MAX_VOLUMES] = { 0 }, is_new[STORE_MAX_VOLUMES] = { 0 };
	float have[ROWFMT_MAX_DIM];

	for (uint64_t r = 0; r < files[c->file - 1].rows; r++) {
		uint32_t shard = layout_shard(r, c->shards), old = c->version[r], new = next->version[r];

		/* Of the large one a part; verify sees all of it. */
		if (!old && !new && files[c->file - 1].rows == MAX_ROWS && random_in(0, 31))
			continue;
		if (table_read_row(table, r, have, &err))
			return wrong(why, t, "row %llu cannot be read: %s", (unsigned long long)r, err.text);
		if (new != old && is_version(c, r, new, have)) {
			c->version[r] = new;
			is_new[shard]++;
		} else if (is_version(c, r, old, have)) {
			is_old[shard] += new != old;
		} else {
			return wrong(why, t, "row %llu is neither version %u nor %u", (unsigned long long)r, old, new);
		}
		if (is_old[shard] && is_new[shard])
			return wrong(why, t, "row %llu: an update is there in part", (unsigned long long)r);
	}
	return 0;
}

static int check_table(const struct store_table *info, uint32_t t, char why[500])
{
	struct content *c = &shared->now.table[t], *next = shared->under_way ? &shared->next.table[t] : c;
	struct table *table;
	int ret;

	if (!info) {
		if (c->file && next->file)
			return wrong(why, t, "is not there");
		memset(c, 0, sizeof(*c));
		return 0;
	}
	if (!c->file || info->generation != c->generation) {
		if (!next->file || next->generation == c->generation || info->generation <= c->generation)
			return wrong(why, t, "has generation %llu, not %llu", (unsigned long long)info->generation, (unsigned long long)c->generation);
		*c = *next;
		c->generation = info->generation;
		shared->now.import[t] = (struct begun){ 0 };
	}
	if (next->generation != c->generation)
		next = c;
	if (info->rows != files[c->file - 1].rows || info->dim != files[c->file - 1].dim || info->format != c->format || info->shards != c->shards || info->crc != c->crc)
		return wrong(why, t, "is another one: %llu rows of %u, format %u, %u shards, checksum %08x", (unsigned long long)info->rows, info->dim, info->format, info->shards, info->crc);
	if (table_open(store, info->name, &table, &err))
		return wrong(why, t, "does not open: %s", err.text);
	ret = check_rows(table, t, c, next, why);
	table_close(table);
	if (!ret && store_verify(store, info->name, NULL, &err))
		ret = wrong(why, t, "is not whole: %s", err.text);
	return ret;
}

static int check(char why[500])
{
	struct store_table *list;
	uint32_t nr, known = 0;
	int ret = store_open(spec, VOLUME_READ, &store, &err);

	if (ret) {
		if ((ret == -EBADMSG || ret == -ENOENT) && !shared->now.opened)
			return 0;
		snprintf(why, 500, "does not open: %.400s", err.text);
		return 1;
	}
	if (store_list(store, &list, &nr, &err))
		return 1;
	for (uint32_t t = 0; !ret && t < TABLES; t++) {
		const struct store_table *info = NULL;
		char name[STORE_NAME];

		table_name(t, name);
		for (uint32_t i = 0; i < nr; i++)
			if (!strcmp(list[i].name, name))
				info = &list[i];
		known += info != NULL;
		ret = check_table(info, t, why);
	}
	if (!ret && known != nr) {
		snprintf(why, 500, "%u tables, of which %u are known", nr, known);
		ret = 1;
	}
	free(list);
	store_close(store);
	store = NULL;
	return ret;
}

/* Volumes: a letter for each, f or r. */
static int run(const char *kinds, bool power, uint32_t kills)
{
	const char *how = power ? "power lost" : "killed";
	char why[500] = "";
	uint32_t under_way = 0;
	const struct state *s = &shared->now;

	memset(shared, 0, sizeof(*shared));
	spec[0] = '\0';
	volumes = (uint32_t)strlen(kinds);
	for (uint32_t v = 0; v < volumes; v++) {
		size_t n = strlen(spec);

		snprintf(spec + n, sizeof(spec) - n, "%s%s/%s-%d-%u", v ? "," : "", crash_folder, kinds, power, v);
		if (kinds[v] == 'r' && crash_namespace(spec + n + (v > 0), RAW))
			return 1;
	}
	for (uint32_t i = 0; i < kills; i++) {
		lose_at = power;
		if (crash_once(kinds, i, writer, power ? 0 : 1 + random_in(0, random_in(0, 3) ? 12000000 : 40000000)))
			return 1;
		lose_at = 0;
		under_way += shared->under_way;
		if (check(why))
			return tap_ok(0, "%s, %s: number %u, after %llu changes: %s", kinds, how, i, (unsigned long long)shared->returned, why);
		shared->under_way = 0;
	}
	total.imports += s->imports;
	total.resumed += s->resumed;
	total.updates += s->updates;
	total.compacted += s->compacted;
	return tap_ok(s->opened && under_way && shared->returned,
		      "%s, %s: %u writers, %u in the middle of a change; %u imports, %u of them went on with one, %u updates, %u compactions, %u without room", kinds, how, kills, under_way,
		      s->imports, s->resumed, s->updates, s->compacted, s->full);
}

int main(void)
{
	uint32_t kills = getenv("KILLS") ? (uint32_t)atoi(getenv("KILLS")) : 60;

	if (crash_begin("crash_store") || make_files())
		return 1;
	run("ff", false, kills);
	run("rrr", false, kills);
	run("rf", false, kills);
	run("ff", true, kills);
	run("rrr", true, kills);
	run("rf", true, kills);
	tap_ok(total.imports && total.resumed && total.updates && total.compacted, "there were some of each");
	return crash_end();
}
