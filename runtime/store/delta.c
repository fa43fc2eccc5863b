// SPDX-License-Identifier: BSD-2-Clause
#include <pthread.h>
#include <sys/random.h>

#include "../private.h"
#include "delta.h"
#include "rowfmt.h"

#define WINDOW	 (1u << 20) /* bytes that are read at once */
#define SMALLEST 16384u	    /* and at first: there is mostly nothing new */
#define LOOK	 (1u << 20) /* how far behind the last record opening looks for one that should not be there */

static const char magic[8] = "SSDDELTA";

struct entry {
	uint64_t row, at; /* at UINT64_MAX: empty */
};

struct delta {
	struct volume_object object;
	struct layout layout;
	uint64_t rows, generation;

	pthread_mutex_t mutex;	  /* whoever appends, refreshes or verifies; of these: */
	uint64_t sequence, epoch; /* of the last record; 0: none yet */
	uint64_t end;		  /* where the next one goes */
	bool broken;		  /* a write failed, and what is on the drive now is not known */

	pthread_rwlock_t lock; /* of the map: open addressing, at most half full */
	struct entry *map;
	uint64_t room, nr; /* room: a power of two, or 0 */
};

/* ---- the map ---- */

static struct entry *entry_of(struct entry *map, uint64_t room, uint64_t row)
{
	uint64_t hash = row * 0x9e3779b97f4a7c15ull, i = (hash ^ hash >> 32) & (room - 1);

	while (map[i].at != UINT64_MAX && map[i].row != row)
		i = (i + 1) & (room - 1);
	return &map[i];
}

/* Room for @more rows that are not there yet. */
static int map_reserve(struct delta *d, uint64_t more)
{
	uint64_t room = d->room ? d->room : 64;
	struct entry *map;

	if (more > UINT64_MAX / 64 - d->nr)
		return -ENOMEM;
	while (room < 2 * (d->nr + more))
		room *= 2;
	if (room == d->room)
		return 0;
	map = malloc(room * sizeof(*map));
	if (!map)
		return -ENOMEM;
	memset(map, 0xff, room * sizeof(*map));
	pthread_rwlock_wrlock(&d->lock);
	for (uint64_t i = 0; i < d->room; i++)
		if (d->map[i].at != UINT64_MAX)
			*entry_of(map, room, d->map[i].row) = d->map[i];
	free(d->map);
	d->map = map;
	d->room = room;
	pthread_rwlock_unlock(&d->lock);
	return 0;
}

/* All rows of a record at once: a reader sees it or not. @data: where its rows begin. Reserved before. */
static void map_add(struct delta *d, const uint64_t *rows, uint64_t nr, uint64_t data)
{
	pthread_rwlock_wrlock(&d->lock);
	for (uint64_t i = 0; i < nr; i++) {
		struct entry *e = entry_of(d->map, d->room, rows[i]);

		d->nr += e->at == UINT64_MAX;
		*e = (struct entry){ rows[i], data + layout_at(&d->layout, i) };
	}
	pthread_rwlock_unlock(&d->lock);
}

/* ---- records ---- */

/* Where the rows begin in a record of @nr, and where it ends. False: no number for it. */
static bool record_size(const struct layout *l, uint64_t nr, uint64_t *data, uint64_t *bytes)
{
	uint64_t rows = layout_bytes(l, nr);

	if (nr > (UINT64_MAX - sizeof(struct delta_record) - l->block) / sizeof(uint64_t) || rows == UINT64_MAX)
		return false;
	*data = align_up(sizeof(struct delta_record) + nr * sizeof(uint64_t), l->block);
	return !__builtin_add_overflow(*data, rows, bytes);
}

uint64_t delta_room(const struct layout *layout, uint64_t rows)
{
	uint64_t data, bytes, all;

	if (!record_size(layout, 1, &data, &bytes) || __builtin_mul_overflow(bytes, rows, &all))
		return UINT64_MAX;
	return all;
}

static uint32_t head_crc(const struct delta_record *head)
{
	return rowfmt_crc32c(0, head, offsetof(struct delta_record, head_crc));
}

/* A part of the object in memory. */
struct window {
	uint8_t *data;
	uint64_t at, bytes;
	uint64_t next; /* bytes to read the next time */
};

/* @bytes at @at of the object, at most WINDOW, within it. */
static int window_get(const struct delta *d, struct window *w, uint64_t at, uint64_t bytes, const void **data)
{
	uint64_t from = align_down(at, VOLUME_ALIGN), want = align_up(at - from + bytes, VOLUME_ALIGN);
	int ret;

	if (at < w->at || at + bytes > w->at + w->bytes) {
		want = min_u64(max_u64(want, w->next), d->object.bytes - from);
		w->next = min_u64(2 * w->next, WINDOW);
		w->bytes = 0;
		ret = volume_pread(&d->object, w->data, want, from);
		if (ret)
			return ret;
		w->at = from;
		w->bytes = want;
	}
	*data = w->data + (at - w->at);
	return 0;
}

static int window_new(struct window *w)
{
	*w = (struct window){ .data = aligned_alloc(VOLUME_ALIGN, WINDOW + 2 * VOLUME_ALIGN), .next = SMALLEST };
	return w->data ? 0 : -ENOMEM;
}

static int read_error(int ret, uint64_t at, struct smartssd_error *err)
{
	return smartssd_fail(err, ret, "delta: record at byte %llu cannot be read: %s", (unsigned long long)at, strerror(-ret));
}

/* Is there the beginning of a record of this table's generation at @at? 1, 0, -errno. */
static int read_head(const struct delta *d, struct window *w, uint64_t at, struct delta_record *head, struct smartssd_error *err)
{
	const void *p;
	int ret;

	if (at > d->object.bytes || d->object.bytes - at < sizeof(*head))
		return 0;
	ret = window_get(d, w, at, sizeof(*head), &p);
	if (ret)
		return read_error(ret, at, err);
	memcpy(head, p, sizeof(*head));
	return !memcmp(head->magic, magic, sizeof(magic)) && head->head_crc == head_crc(head) && head->generation == d->generation;
}

/* CRC of the body, its row numbers into @rows on the way. */
static int read_body(const struct delta *d, struct window *w, uint64_t at, const struct delta_record *head, uint64_t *rows, uint32_t *crc,
		     struct smartssd_error *err)
{
	uint64_t numbers = head->count * sizeof(*rows);

	*crc = 0;
	for (uint64_t done = 0, all = head->bytes - sizeof(*head), part; done < all; done += part) {
		const void *p;
		int ret;

		part = min_u64(all - done, WINDOW / 4);
		ret = window_get(d, w, at + sizeof(*head) + done, part, &p);
		if (ret)
			return read_error(ret, at, err);
		*crc = rowfmt_crc32c(*crc, p, part);
		if (done < numbers)
			memcpy((uint8_t *)rows + done, p, min_u64(part, numbers - done));
	}
	return 0;
}

/*
 * The record that is next behind @sequence: 1, with its rows in *rows (free()) and where their data begins; 0: there is none that is whole; -errno.
 * head->bytes is 0 unless its beginning is right. head->count is 0 for one that was taken back: its rows are nothing.
 */
static int read_record(const struct delta *d, struct window *w, uint64_t at, uint64_t sequence, uint64_t epoch, struct delta_record *head,
		       uint64_t **rows, uint64_t *data, struct smartssd_error *err)
{
	uint64_t bytes;
	uint32_t crc;
	int ret = read_head(d, w, at, head, err);

	*rows = NULL;
	if (ret <= 0 || head->sequence != sequence + 1 || (sequence && head->epoch != epoch)) {
		head->bytes = 0;
		return ret < 0 ? ret : 0;
	}
	/* Of one that was taken back, the place remains. */
	if (!head->count && head->epoch && head->bytes >= d->layout.block && head->bytes % d->layout.block == 0 && head->bytes <= d->object.bytes - at)
		return 1;
	if (!head->count || !head->epoch || !record_size(&d->layout, head->count, data, &bytes) || bytes != head->bytes ||
	    bytes > d->object.bytes - at)
		return smartssd_fail(err, -EBADMSG, "delta: record %llu at byte %llu: %llu rows in %llu bytes cannot be; the table is damaged: import "
				     "it again", (unsigned long long)head->sequence, (unsigned long long)at, (unsigned long long)head->count,
				     (unsigned long long)head->bytes);
	*rows = malloc(head->count * sizeof(**rows));
	if (!*rows)
		return smartssd_fail(err, -ENOMEM, "delta: no memory for a record of %llu rows", (unsigned long long)head->count);
	ret = read_body(d, w, at, head, *rows, &crc, err);
	if (!ret)
		ret = crc == head->body_crc;
	for (uint64_t i = 0; ret > 0 && i < head->count; i++)
		if ((*rows)[i] >= d->rows)
			ret = smartssd_fail(err, -EBADMSG, "delta: record %llu at byte %llu has row %llu; the shard has %llu; the table is damaged: "
					    "import it again", (unsigned long long)head->sequence, (unsigned long long)at,
					    (unsigned long long)(*rows)[i], (unsigned long long)d->rows);
	if (ret <= 0) {
		free(*rows);
		*rows = NULL;
	}
	return ret;
}

/*
 * Behind a record that is not whole, is there one that came later? Then that record was whole once, and what happened to it is no write that was
 * cut short. Looks at blocks from @at up to @end. 1 with *later, 0, -errno.
 */
static int find_later(const struct delta *d, struct window *w, uint64_t at, uint64_t end, uint64_t epoch, struct delta_record *later,
		      struct smartssd_error *err)
{
	for (; at < end; at += d->layout.block) {
		int ret = read_head(d, w, at, later, err);

		if (ret < 0)
			return ret;
		if (ret && later->epoch == epoch && later->sequence > d->sequence + 1)
			return 1;
	}
	return 0;
}

/* The same for the record at d->end, whose beginning is as @head says (bytes 0: wrong too). */
static int find_damage(const struct delta *d, struct window *w, const struct delta_record *head, uint64_t look, struct delta_record *later,
		       struct smartssd_error *err)
{
	uint64_t epoch = d->sequence ? d->epoch : head->epoch;
	uint64_t end = look > d->object.bytes - d->end ? d->object.bytes : d->end + look;
	int ret = 0;

	/* No record yet, and the first block as it was when it was new. */
	if (!epoch)
		return 0;
	if (head->bytes)
		ret = find_later(d, w, d->end + head->bytes, d->end + head->bytes + 1, epoch, later, err);
	return ret ? ret : find_later(d, w, d->end + d->layout.block, end, epoch, later, err);
}

/* Takes in what is behind the last known record. 1: something; 0; -errno. */
static int read_on(struct delta *d, uint64_t look, struct smartssd_error *err)
{
	struct delta_record head, later;
	uint64_t before = d->sequence, suspect = 0, *rows, data;
	struct window w;
	int ret = window_new(&w);

	if (ret)
		return smartssd_fail(err, ret, "delta: no memory to read it");
	for (;;) {
		memset(&head, 0, sizeof(head));
		ret = read_record(d, &w, d->end, d->sequence, d->epoch, &head, &rows, &data, err);
		if (ret > 0) {
			ret = map_reserve(d, head.count);
			if (!ret && head.count)
				map_add(d, rows, head.count, d->end + data);
			free(rows);
			if (ret) {
				smartssd_fail(err, ret, "delta: no memory for %llu rows", (unsigned long long)head.count);
				break;
			}
			d->sequence = head.sequence;
			d->epoch = head.epoch;
			d->end += head.bytes;
			continue;
		}
		if (!ret && suspect == d->sequence + 1)
			ret = smartssd_fail(err, -EBADMSG, "delta: record %llu at byte %llu is damaged: record %llu, which came later, is there; the table "
					    "has lost rows: import it again", (unsigned long long)suspect, (unsigned long long)d->end,
					    (unsigned long long)later.sequence);
		if (!ret)
			ret = find_damage(d, &w, &head, look, &later, err);
		if (ret <= 0)
			break;
		/* Another process may have written it, and the later one, while we read: once more, from the drive. */
		suspect = d->sequence + 1;
		w.bytes = 0;
	}
	free(w.data);
	return ret ? ret : d->sequence != before;
}

/* ---- the interface ---- */

int delta_open(const struct volume_object *object, const struct layout *layout, uint64_t rows, uint64_t generation, struct delta **out,
	       struct smartssd_error *err)
{
	struct delta *d = calloc(1, sizeof(*d));
	int ret;

	*out = NULL;
	if (!d)
		return smartssd_fail(err, -ENOMEM, "delta: no memory");
	d->object = *object;
	/* Whole blocks only: what is cut off has no room for a record. */
	d->object.bytes = align_down(object->bytes, VOLUME_ALIGN);
	d->layout = *layout;
	d->rows = rows;
	d->generation = generation;
	pthread_mutex_init(&d->mutex, NULL);
	pthread_rwlock_init(&d->lock, NULL);
	ret = read_on(d, LOOK, err);
	if (ret < 0) {
		delta_close(d);
		return ret;
	}
	*out = d;
	return 0;
}

void delta_close(struct delta *d)
{
	if (!d)
		return;
	pthread_rwlock_destroy(&d->lock);
	pthread_mutex_destroy(&d->mutex);
	free(d->map);
	free(d);
}

int delta_refresh(struct delta *d, struct smartssd_error *err)
{
	int ret;

	pthread_mutex_lock(&d->mutex);
	ret = read_on(d, 0, err);
	pthread_mutex_unlock(&d->mutex);
	return ret;
}

/* Everything of a record in memory, as it is to be on the drive. */
static int compose(struct delta *d, const uint64_t *rows, uint64_t nr, const uint8_t *data, uint64_t at, uint64_t bytes, uint8_t **record)
{
	struct delta_record head = { .sequence = d->sequence + 1, .generation = d->generation, .epoch = d->epoch, .count = nr, .bytes = bytes };

	*record = aligned_alloc(VOLUME_ALIGN, align_up(bytes, VOLUME_ALIGN));
	if (!*record)
		return -ENOMEM;
	if (!d->sequence) {
		if (getrandom(&head.epoch, sizeof(head.epoch), 0) != sizeof(head.epoch)) {
			free(*record);
			return -EIO;
		}
		head.epoch |= 1;
	}
	memset(*record, 0, bytes);
	memcpy(*record + sizeof(head), rows, nr * sizeof(*rows));
	for (uint64_t i = 0; i < nr; i++)
		memcpy(*record + at + layout_at(&d->layout, i), data + i * d->layout.row_bytes, d->layout.row_bytes);
	memcpy(head.magic, magic, sizeof(magic));
	head.body_crc = rowfmt_crc32c(0, *record + sizeof(head), bytes - sizeof(head));
	head.head_crc = head_crc(&head);
	memcpy(*record, &head, sizeof(head));
	return 0;
}

static int write_record(struct delta *d, const uint8_t *record, uint64_t bytes)
{
	int ret = volume_pwrite(&d->object, record, bytes, d->end);

	return ret ? ret : volume_sync_object(&d->object);
}

/*
 * A write that failed may be on the drive all the same, and count when the delta is opened again; and another process may have seen it. So it gets another
 * head, which says that it has no rows, and keeps its place: who has read it goes on behind it, and nothing is written over what he looks at.
 */
static int take_back(struct delta *d, uint8_t *record, uint64_t bytes)
{
	struct delta_record head;
	int ret;

	memcpy(&head, record, sizeof(head));
	head.count = 0;
	head.body_crc = 0;
	head.head_crc = head_crc(&head);
	memset(record, 0, d->layout.block);
	memcpy(record, &head, sizeof(head));
	ret = write_record(d, record, d->layout.block);
	if (ret) {
		d->broken = true;
		return ret;
	}
	d->sequence = head.sequence;
	d->epoch = head.epoch;
	d->end += bytes;
	return 0;
}

/* That one record can have, in a delta without any. */
static uint64_t most_rows(const struct delta *d)
{
	uint64_t low = 0, high = d->object.bytes / d->layout.row_bytes, at, bytes;

	while (low < high) {
		uint64_t middle = low + (high - low + 1) / 2;

		if (record_size(&d->layout, middle, &at, &bytes) && bytes <= d->object.bytes)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

/* Of a record of @nr rows; with the mutex held. */
static int has_room(const struct delta *d, uint64_t nr, uint64_t *at, uint64_t *bytes, struct smartssd_error *err)
{
	uint64_t left = d->object.bytes - d->end;

	if (record_size(&d->layout, nr, at, bytes) && *bytes <= left)
		return 0;
	if (nr > most_rows(d))
		return smartssd_fail(err, -EFBIG, "delta: %llu rows are more than ever fit into it at once: update at most %llu at a time, or import the table "
				     "again in place of the old one (--replace)", (unsigned long long)nr, (unsigned long long)most_rows(d));
	return smartssd_fail(err, -ENOSPC, "delta: no room for %llu rows: %llu of %llu bytes are left; compact the table first",
			     (unsigned long long)nr, (unsigned long long)left, (unsigned long long)d->object.bytes);
}

int delta_fits(struct delta *d, uint64_t nr, struct smartssd_error *err)
{
	uint64_t at, bytes;
	int ret;

	pthread_mutex_lock(&d->mutex);
	ret = nr ? has_room(d, nr, &at, &bytes, err) : 0;
	pthread_mutex_unlock(&d->mutex);
	return ret;
}

static int append(struct delta *d, const uint64_t *rows, uint64_t nr, const void *data, struct smartssd_error *err)
{
	struct delta_record head;
	uint64_t at = 0, bytes = 0;
	uint8_t *record;
	int ret;

	if (d->broken)
		return smartssd_fail(err, -EIO, "delta: an earlier write failed, and what is on the drive is not known: open the table again; check the drive");
	ret = has_room(d, nr, &at, &bytes, err);
	if (ret)
		return ret;
	/* What can fail for want of memory does before it is durable. */
	ret = map_reserve(d, nr);
	if (!ret)
		ret = compose(d, rows, nr, data, at, bytes, &record);
	if (ret)
		return smartssd_fail(err, ret, "delta: %llu rows cannot be written: %s", (unsigned long long)nr, strerror(-ret));
	memcpy(&head, record, sizeof(head));
	ret = write_record(d, record, bytes);
	if (ret) {
		uint64_t where = d->end;
		int lost = take_back(d, record, bytes);

		smartssd_fail(err, ret, "delta: record %llu at byte %llu cannot be written: %s; %s; check the drive", (unsigned long long)head.sequence,
			      (unsigned long long)where, strerror(-ret),
			      lost ? "nor taken back: all of its rows may be there, or none, when the table is opened again" : "nothing was changed");
	} else {
		map_add(d, rows, nr, d->end + at);
		d->sequence = head.sequence;
		d->epoch = head.epoch;
		d->end += bytes;
	}
	free(record);
	return ret;
}

int delta_append(struct delta *d, const uint64_t *rows, uint64_t nr, const void *data, struct smartssd_error *err)
{
	int ret;

	for (uint64_t i = 0; i < nr; i++)
		if (rows[i] >= d->rows)
			return smartssd_fail(err, -ERANGE, "delta: row %llu at position %llu; the shard has %llu", (unsigned long long)rows[i],
					     (unsigned long long)i, (unsigned long long)d->rows);
	if (!nr)
		return 0;
	pthread_mutex_lock(&d->mutex);
	ret = append(d, rows, nr, data, err);
	pthread_mutex_unlock(&d->mutex);
	return ret;
}

/* Only the lock in it changes. */
static pthread_rwlock_t *lock_of(const struct delta *d)
{
	return (pthread_rwlock_t *)(uintptr_t)&d->lock;
}

uint64_t delta_count(const struct delta *d)
{
	uint64_t nr;

	pthread_rwlock_rdlock(lock_of(d));
	nr = d->nr;
	pthread_rwlock_unlock(lock_of(d));
	return nr;
}

uint64_t delta_find(const struct delta *d, uint64_t row)
{
	uint64_t at = UINT64_MAX;

	delta_find_many(d, &row, 1, &at);
	return at;
}

void delta_find_many(const struct delta *d, const uint64_t *rows, uint64_t nr, uint64_t *at)
{
	pthread_rwlock_rdlock(lock_of(d));
	for (uint64_t i = 0; d->nr && i < nr; i++) {
		const struct entry *e = entry_of(d->map, d->room, rows[i]);

		if (e->at != UINT64_MAX)
			at[i] = e->at;
	}
	pthread_rwlock_unlock(lock_of(d));
}

int delta_each(const struct delta *d, int (*fn)(void *ctx, uint64_t row, uint64_t at), void *ctx)
{
	int ret = 0;

	pthread_rwlock_rdlock(lock_of(d));
	for (uint64_t i = 0; !ret && i < d->room; i++)
		if (d->map[i].at != UINT64_MAX)
			ret = fn(ctx, d->map[i].row, d->map[i].at);
	pthread_rwlock_unlock(lock_of(d));
	return ret;
}

static int verify(struct delta *d, struct smartssd_error *err)
{
	uint64_t at = 0, sequence = 0, *rows, data;
	struct delta_record head;
	struct window w;
	int ret = window_new(&w);

	if (ret)
		return smartssd_fail(err, ret, "delta: no memory to read it");
	while (!ret && sequence < d->sequence) {
		memset(&head, 0, sizeof(head));
		ret = read_record(d, &w, at, sequence, d->epoch, &head, &rows, &data, err);
		free(rows);
		if (!ret)
			ret = smartssd_fail(err, -EBADMSG, "delta: record %llu at byte %llu is damaged (CRC-32C); the table has lost rows: import it again",
					    (unsigned long long)sequence + 1, (unsigned long long)at);
		if (ret > 0) {
			at += head.bytes;
			sequence++;
			ret = 0;
		}
	}
	free(w.data);
	return ret;
}

int delta_verify(struct delta *d, struct smartssd_error *err)
{
	int ret;

	pthread_mutex_lock(&d->mutex);
	ret = verify(d, err);
	/* Takes in what another process appended, and looks through the rest. */
	if (!ret)
		ret = read_on(d, UINT64_MAX, err);
	pthread_mutex_unlock(&d->mutex);
	return ret < 0 ? ret : 0;
}
