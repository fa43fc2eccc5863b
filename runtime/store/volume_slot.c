// SPDX-License-Identifier: BSD-2-Clause
#include <jansson.h>

#include "rowfmt.h"
#include "volume_slot.h"

static const char head_magic[8] = "SSDSTORE", slot_magic[8] = "SSDSLOT";

static uint64_t slot_at(uint32_t slot)
{
	return VOLUME_ALIGN + (uint64_t)slot * VOLUME_SLOT;
}

static int io_error(struct volume *v, int ret, const char *what, struct smartssd_error *err)
{
	return smartssd_fail(err, ret, "%s: %s: %s; check the drive", v->path, what, strerror(-ret));
}

/* @bytes from @data, at @at: durable. */
static int write_durably(struct volume *v, const void *data, size_t bytes, uint64_t at)
{
	int ret = volume_pwrite(&v->all, data, bytes, at);

	return ret ? ret : volume_sync_object(&v->all);
}

static uint32_t head_crc(const uint8_t block[VOLUME_ALIGN])
{
	uint8_t copy[VOLUME_ALIGN];

	memcpy(copy, block, VOLUME_ALIGN);
	memset(copy + offsetof(struct volume_head, crc), 0, sizeof(uint32_t));
	return rowfmt_crc32c(0, copy, VOLUME_ALIGN);
}

int volume_head_read(struct volume *v, struct smartssd_error *err)
{
	uint8_t block[VOLUME_ALIGN];
	struct volume_head head;
	int ret = volume_pread(&v->all, block, sizeof(block), 0);

	if (ret)
		return io_error(v, ret, "block 0 cannot be read", err);
	memcpy(&head, block, sizeof(head));
	if (memcmp(head.magic, head_magic, sizeof(head_magic)))
		return 0;
	/* Before the CRC: another version may have it elsewhere. */
	if (head.version != 1)
		return smartssd_fail(err, -EBADMSG, "%s: a volume of version %u; this program reads version 1: use a newer one", v->path,
				     head.version);
	if (head.crc != head_crc(block) || head.slot_bytes != VOLUME_SLOT)
		return smartssd_fail(err, -EBADMSG, "%s: block 0 of the volume is damaged (its CRC-32C is wrong); restore it from a backup", v->path);
	memcpy(v->id, head.uuid, sizeof(v->id));
	volume_uuid_text(v->id, v->uuid);
	return 1;
}

int volume_head_write(struct volume *v, struct smartssd_error *err)
{
	struct slot_state empty = { .slot = 1, .text = strdup("") };
	struct volume_head head = { .version = 1, .slot_bytes = VOLUME_SLOT };
	uint8_t block[VOLUME_ALIGN] = { 0 };
	int ret = volume_new_uuid(v->id);

	if (ret || !empty.text) {
		free(empty.text);
		return smartssd_fail(err, ret ? ret : -ENOMEM, "%s: cannot be made a volume: %s", v->path, strerror(ret ? -ret : ENOMEM));
	}
	volume_uuid_text(v->id, v->uuid);
	/* What is in the slots now has another UUID, or none. */
	ret = slot_commit(v, &empty, err);
	slot_free(&empty);
	if (ret)
		return ret;
	memcpy(head.magic, head_magic, sizeof(head_magic));
	memcpy(head.uuid, v->id, sizeof(v->id));
	memcpy(block, &head, sizeof(head));
	head.crc = head_crc(block);
	memcpy(block, &head, sizeof(head));
	ret = write_durably(v, block, sizeof(block), 0);
	return ret ? io_error(v, ret, "block 0 cannot be written", err) : 0;
}

static uint32_t slot_crc(const struct slot_head *head, const char *json)
{
	struct slot_head copy = *head;

	copy.crc = 0;
	return rowfmt_crc32c(rowfmt_crc32c(0, &copy, sizeof(copy)), json, head->bytes);
}

static int read_head(struct volume *v, uint32_t slot, struct slot_head *head)
{
	int ret = volume_pread(&v->all, head, sizeof(*head), slot_at(slot));

	if (ret)
		return ret;
	if (memcmp(head->magic, slot_magic, sizeof(slot_magic)) || memcmp(head->uuid, v->id, sizeof(v->id)) ||
	    head->bytes > VOLUME_SLOT - sizeof(*head) || head->sequence >= INT64_MAX)
		return -EBADMSG;
	return 0;
}

/* The slot's JSON, if all of it is there. */
static int read_slot(struct volume *v, uint32_t slot, const struct slot_head *head, char **json)
{
	int ret;

	*json = malloc(head->bytes + 1);
	if (!*json)
		return -ENOMEM;
	ret = volume_pread(&v->all, *json, head->bytes, slot_at(slot) + sizeof(*head));
	if (!ret && head->crc != slot_crc(head, *json))
		ret = -EBADMSG;
	if (ret) {
		free(*json);
		*json = NULL;
	}
	return ret;
}

static int compare_by_name(const void *a, const void *b)
{
	return strcmp((*(const struct slot_object *const *)a)->name, (*(const struct slot_object *const *)b)->name);
}

/* The name that is there twice, NULL: none. -ENOMEM. */
static int find_twice(const struct slot_state *s, const char **name)
{
	const struct slot_object **sorted = malloc((s->nr + 1) * sizeof(*sorted));

	*name = NULL;
	if (!sorted)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->nr; i++)
		sorted[i] = &s->objects[i];
	qsort(sorted, s->nr, sizeof(*sorted), compare_by_name);
	for (uint32_t i = 1; i < s->nr && !*name; i++)
		if (!strcmp(sorted[i - 1]->name, sorted[i]->name))
			*name = sorted[i]->name;
	free(sorted);
	return 0;
}

static int parse_object(struct volume *v, json_t *json, uint64_t *end, struct slot_object *o)
{
	json_int_t offset, bytes;
	const char *name;

	if (json_unpack(json, "[s, I, I]", &name, &offset, &bytes) || !volume_name_ok(name))
		return -EBADMSG;
	if (offset < 0 || bytes <= 0 || (offset | bytes) % VOLUME_ALIGN)
		return -EBADMSG;
	strcpy(o->name, name);
	o->offset = (uint64_t)offset;
	o->bytes = (uint64_t)bytes;
	if (o->offset < *end || o->offset > v->all.bytes || o->bytes > v->all.bytes - o->offset)
		return -EBADMSG;
	*end = o->offset + o->bytes;
	return 0;
}

static int parse(struct volume *v, const char *json, size_t bytes, struct slot_state *s, struct smartssd_error *err)
{
	json_t *root = json_loadb(json, bytes, JSON_REJECT_DUPLICATES, NULL), *objects;
	uint64_t end = VOLUME_DATA;
	json_int_t generation;
	const char *text, *twice;
	int ret = 0;

	if (!root || json_unpack(root, "{s:I, s:s, s:o}", "generation", &generation, "manifest", &text, "objects", &objects) ||
	    generation < 0 || !json_is_array(objects)) {
		json_decref(root);
		return smartssd_fail(err, -EBADMSG, "%s is damaged: slot %u has no generation, manifest and objects; restore it from a backup",
				     v->path, s->slot);
	}
	s->generation = (uint64_t)generation;
	s->text = strdup(text);
	ret = s->text ? smartssd_grow(&s->objects, &s->room, json_array_size(objects), 64, sizeof(*s->objects)) : -ENOMEM;
	for (; !ret && s->nr < json_array_size(objects); s->nr++) {
		ret = parse_object(v, json_array_get(objects, s->nr), &end, &s->objects[s->nr]);
		if (ret)
			smartssd_fail(err, ret, "%s is damaged: object %u in slot %u: no good name, or its place is not in the namespace of %llu bytes "
				      "behind the one before; restore it from a backup", v->path, s->nr, s->slot,
				      (unsigned long long)v->all.bytes);
	}
	json_decref(root);
	if (!ret)
		ret = find_twice(s, &twice);
	if (ret == -ENOMEM)
		return smartssd_fail(err, ret, "%s: no memory for the list of objects", v->path);
	if (!ret && twice)
		ret = smartssd_fail(err, -EBADMSG, "%s is damaged: object '%s' is twice in slot %u; restore it from a backup", v->path, twice, s->slot);
	return ret;
}

/* The newest slot that is whole. */
static int choose(struct volume *v, struct slot_state *s, char **json, size_t *bytes, struct smartssd_error *err)
{
	struct slot_head head[2];
	int ret[2];

	for (uint32_t i = 0; i < 2; i++) {
		ret[i] = read_head(v, i, &head[i]);
		if (ret[i] && ret[i] != -EBADMSG)
			ret[i] = -EBADMSG; /* a block that cannot be read is what there are two for */
	}
	for (int tries = 0; tries < 2; tries++) {
		uint32_t i = !ret[0] && (ret[1] || head[0].sequence >= head[1].sequence) ? 0 : 1;

		if (ret[i])
			break;
		ret[i] = read_slot(v, i, &head[i], json);
		if (ret[i] == -ENOMEM)
			return smartssd_fail(err, -ENOMEM, "%s: no memory to read slot %u", v->path, i);
		if (ret[i])
			continue;
		s->slot = i;
		s->sequence = head[i].sequence;
		s->twice = !ret[!i] && !memcmp(&head[0], &head[1], sizeof(head[0]));
		*bytes = head[i].bytes;
		return 0;
	}
	return smartssd_fail(err, -EBADMSG, "%s is damaged: neither slot 0 nor slot 1 is whole and of this volume; restore it from a backup",
			     v->path);
}

int slot_load(struct volume *v, struct slot_state *s, struct smartssd_error *err)
{
	char *json = NULL;
	size_t bytes = 0;
	int ret;

	*s = (struct slot_state){ 0 };
	ret = volume_lock(v->fd, F_RDLCK, 1, 1, true);
	if (ret)
		return smartssd_fail(err, ret, "%s: cannot be locked: %s", v->path, strerror(-ret));
	ret = choose(v, s, &json, &bytes, err);
	volume_lock(v->fd, F_UNLCK, 1, 1, false);
	if (!ret)
		ret = parse(v, json, bytes, s, err);
	free(json);
	if (ret)
		slot_free(s);
	return ret;
}

void slot_free(struct slot_state *s)
{
	free(s->text);
	free(s->objects);
	*s = (struct slot_state){ 0 };
}

static char *print(const struct slot_state *s)
{
	json_t *objects = json_array(), *root;
	char *json;

	for (uint32_t i = 0; i < s->nr; i++)
		if (json_array_append_new(objects, json_pack("[s, I, I]", s->objects[i].name, (json_int_t)s->objects[i].offset,
							     (json_int_t)s->objects[i].bytes))) {
			json_decref(objects);
			return NULL;
		}
	root = json_pack("{s:I, s:s, s:o}", "generation", (json_int_t)s->generation, "manifest", s->text, "objects", objects);
	json = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	return json;
}

/* The whole slot as it is to be on the drive, in *block (free()), whole blocks. */
static int compose(struct volume *v, struct slot_state *s, uint8_t **block, size_t *bytes, struct smartssd_error *err)
{
	struct slot_head head = { .sequence = s->sequence };
	char *json = print(s);

	*block = NULL;
	if (!json)
		return smartssd_fail(err, -EINVAL, "%s: the manifest is not UTF-8 text, or no memory", v->path);
	head.bytes = strlen(json);
	if (head.bytes > VOLUME_SLOT - sizeof(head)) {
		free(json);
		return smartssd_fail(err, -EFBIG, "%s: manifest and list of %u objects need %llu bytes of a slot's %zu: remove tables", v->path, s->nr,
				     (unsigned long long)head.bytes, VOLUME_SLOT - sizeof(head));
	}
	memcpy(head.magic, slot_magic, sizeof(slot_magic));
	memcpy(head.uuid, v->id, sizeof(v->id));
	head.crc = slot_crc(&head, json);
	*bytes = align_up(sizeof(head) + head.bytes, VOLUME_ALIGN);
	*block = aligned_alloc(VOLUME_ALIGN, *bytes);
	if (*block) {
		memset(*block, 0, *bytes);
		memcpy(*block, &head, sizeof(head));
		memcpy(*block + sizeof(head), json, head.bytes);
	}
	free(json);
	return *block ? 0 : smartssd_fail(err, -ENOMEM, "%s: no memory to write a slot", v->path);
}

int slot_commit(struct volume *v, struct slot_state *s, struct smartssd_error *err)
{
	static const uint8_t zeros[VOLUME_ALIGN];
	size_t bytes = 0;
	uint8_t *block;
	int ret;

	/* Never one that was tried before: a reader may have seen it. */
	s->sequence = max_u64(s->sequence, v->sequence) + 1;
	if (s->sequence >= INT64_MAX) /* nobody would read it, see read_head() */
		return smartssd_fail(err, -EOVERFLOW, "%s: no number for another change of a slot; restore the volume from a backup", v->path);
	ret = compose(v, s, &block, &bytes, err);
	if (ret)
		return ret;
	v->sequence = s->sequence;
	ret = volume_lock(v->fd, F_WRLCK, 1, 1, true);
	if (ret) {
		free(block);
		return smartssd_fail(err, ret, "%s: cannot be locked: %s", v->path, strerror(-ret));
	}
	ret = write_durably(v, block, bytes, slot_at(!s->slot));
	if (ret) {
		/* It may be there all the same, and would count. */
		write_durably(v, zeros, sizeof(zeros), slot_at(!s->slot));
		io_error(v, ret, "a slot cannot be written", err);
	} else {
		/* It is committed: a second copy that fails is a copy less, no error. */
		write_durably(v, block, bytes, slot_at(s->slot));
	}
	volume_lock(v->fd, F_UNLCK, 1, 1, false);
	free(block);
	return ret;
}
