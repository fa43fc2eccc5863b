// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes in the place of what a store says of itself. The first byte says of what:
 *
 *   0  the text of a manifest
 *   1  manifest.json of a folder, as it is             2  the same text in a manifest.json with the right CRC
 *   3  volume.json
 *   4  the JSON of a namespace's slot, its CRC right   5  a slot, its head too; the CRC right where the size is
 *   6  block 0 of a namespace, its CRC right
 *   7  a table's objects: two bytes say how long the part for the header of its rows is; what follows is the beginning of its delta. CRCs right
 *
 * What is accepted can be listed, opened, read, verified; what is not comes with words.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../runtime/store/store_impl.h"
#include "../../runtime/store/volume_slot.h"
#include "fuzz.h"

#define DIM  4
#define ROWS 30

const char *const fuzz_words[] = {
	"\"smartssd-store\": 1", "\"next\": ", "\"volumes\": [", "\"tables\": [", "\"imports\": []", "\"name\": \"a\"", "\"rows\": ", "\"dim\": ", "\"format\": \"fp32\"", "\"int8-rowwise\"",
	"\"block\": 512", "\"shards\": 1", "\"volume\": 0", "\"generation\": 1", "\"crc\": ", "\"from\": \"\"", "\"done\": ", "\"objects\": [", "[\"a.1.0.rows\", 8392704, 8192]", "\"manifest\": ",
	"\"magic\": \"smartssd-volume\"", "\"uuid\": ", "9223372036854775807", "-1", "SSDROWS1", "SSDSTORE", "SSDSLOT", "SSDDELTA", "{", "}", "[", "]", ",", NULL,
};

static char folder[40], store_path[60], raw_path[60], npy_path[60];
static char *good_manifest, *good_volume;
static uint8_t good_rows[ROWS_HEADER];
static struct layout table_layout;
static uint64_t delta_bytes;
static int raw_fd;

static void must(bool good)
{
	if (!good)
		abort();
}

static void write_file(const char *name, const void *data, size_t bytes)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", store_path, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes);
	close(fd);
}

static char *read_text(const char *name)
{
	char path[200], *text = calloc(1, 65536);
	int fd;

	snprintf(path, sizeof(path), "%s/%s", store_path, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd >= 0 && text && read(fd, text, 65535) > 0);
	close(fd);
	return text;
}

static void remove_folder(void)
{
	char command[60];

	free(good_manifest);
	free(good_volume);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	must(!system(command));
}

/* A folder with a table "a" of rows that are known, and a namespace without tables. */
static void make_stores(void)
{
	struct smartssd_array a = { .type = SMARTSSD_F4, .ndim = 2, .shape = { ROWS, DIM } };
	struct store_import what = { .name = "a", .format = SMARTSSD_ROWS_FP32, .volume = UINT32_MAX };
	float x[ROWS * DIM], row[DIM] = { 0 };
	struct table *t;
	struct volume *v;
	struct store *s;

	must(mkdtemp(strcpy(folder, "/dev/shm/fuzz-XXXXXX")) || mkdtemp(strcpy(folder, "/tmp/fuzz-XXXXXX")));
	atexit(remove_folder);
	snprintf(store_path, sizeof(store_path), "%s/s", folder);
	snprintf(raw_path, sizeof(raw_path), "%s/raw", folder);
	snprintf(npy_path, sizeof(npy_path), "%s/a.npy", folder);
	for (int i = 0; i < ROWS * DIM; i++)
		x[i] = (float)i;
	must(!smartssd_npy_save(npy_path, &a, x, NULL) && !store_rows_open(npy_path, &what.rows, NULL));
	must(!store_open(store_path, VOLUME_WRITE | VOLUME_CREATE, &s, NULL) && !store_import(s, &what, NULL, NULL, NULL));
	store_rows_close(what.rows);
	must(!table_open(s, "a", &t, NULL) && !table_update(t, (int64_t[]){ 3 }, 1, row, NULL));
	table_layout = table_info(t)->layout;
	must(!volume_pread(table_rows(t, 0), good_rows, sizeof(good_rows), 0));
	delta_bytes = table_delta(t, 0)->bytes;
	table_close(t);
	store_close(s);
	raw_fd = open(raw_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	must(raw_fd >= 0 && !ftruncate(raw_fd, VOLUME_MIN_RAW) && !volume_open(raw_path, VOLUME_WRITE | VOLUME_CREATE | VOLUME_FORCE, &v, NULL));
	volume_close(v);
	good_manifest = read_text("manifest.json");
	good_volume = read_text("volume.json");
}

static char *inner_manifest(void)
{
	json_t *root = json_loads(good_manifest, 0, NULL);
	char *text = strdup(json_string_value(json_object_get(root, "manifest")));

	json_decref(root);
	return text;
}

static void add_kind(void (*add)(const void *, size_t), uint8_t kind, const char *text)
{
	size_t bytes = strlen(text);
	char *input = malloc(bytes + 1);

	*input = (char)kind;
	memcpy(input + 1, text, bytes);
	add(input, bytes + 1);
	free(input);
}

void fuzz_seeds(void (*add)(const void *data, size_t bytes))
{
	static uint8_t input[3 + ROWS_HEADER + 4096];
	uint8_t slot[4096], *p = input;
	char *manifest;

	if (!*folder)
		make_stores();
	manifest = inner_manifest();
	for (uint8_t kind = 0; kind <= 2; kind += 2)
		add_kind(add, kind, manifest);
	add_kind(add, 0,
		 "{\"smartssd-store\":1,\"next\":9,\"volumes\":[\"01234567-89ab-4def-8123-456789abcdef\",\"11234567-89ab-4def-8123-456789abcdef\"],\"tables\":[{\"name\":\"b\",\"rows\":7,\"dim\":9,"
		 "\"format\":\"int8-rowwise\",\"block\":512,\"shards\":2,\"volume\":1,\"generation\":2,\"crc\":5}],\"imports\":[{\"name\":\"a\",\"rows\":7,\"dim\":9,\"format\":\"fp16\",\"block\":4096,"
		 "\"shards\":1,\"volume\":1,\"generation\":3,\"crc\":5,\"from\":\"x\",\"done\":5}]}");
	free(manifest);
	add_kind(add, 1, good_manifest);
	add_kind(add, 3, good_volume);
	add_kind(add, 4, "{\"generation\":0,\"manifest\":\"\",\"objects\":[]}");
	add_kind(add, 4, "{\"generation\":3,\"manifest\":\"x\",\"objects\":[[\"a.1.0.rows\",8392704,8192],[\"a.1.0.crc\",8400896,8192],[\"b\",67104768,4096]]}");
	must(pread(raw_fd, slot, sizeof(slot), VOLUME_ALIGN) == sizeof(slot));
	*p = 5;
	memcpy(p + 1, slot, 200);
	add(input, 201);
	must(pread(raw_fd, slot, sizeof(slot), 0) == sizeof(slot));
	*p = 6;
	memcpy(p + 1, slot, 200);
	add(input, 201);
	*p = 7;
	p[1] = 96;
	p[2] = 0;
	memcpy(p + 3, good_rows, 96);
	add(input, 3 + 96);
	memset(p + 3 + 96, 0, 200);
	memcpy(p + 3 + 96, &(struct delta_record){ "SSDDELTA", 1, 1, 9, 2, table_layout.block * 2, 0, 0 }, sizeof(struct delta_record));
	add(input, 3 + 96 + 200);
}

static void outcome(int err, const struct smartssd_error *error)
{
	fuzz_outcome(err, error->text);
	fuzz_check(err >= 0 || (error->text[0] && memchr(error->text, 0, sizeof(error->text))));
}

static void parse_manifest(const char *text)
{
	struct smartssd_error error = { "" };
	struct manifest m = { 0 }, again = { 0 };
	int err = manifest_parse(text, &m, &error);
	char *printed, *twice;

	outcome(err, &error);
	if (err)
		return;
	for (uint32_t i = 0; i < m.nr; i++)
		fuzz_check(m.tables[i].rows && (m.tables[i].shards == 1 || m.tables[i].shards == m.volumes) && m.tables[i].volume < m.volumes && m.tables[i].generation < m.next_generation &&
			   (!i || strcmp(m.tables[i - 1].name, m.tables[i].name) < 0));
	for (uint32_t i = 0; i < m.nr_pending; i++)
		fuzz_check(m.pending[i].done <= m.pending[i].table.rows);
	/* What is written is what was read; "" is a store that has not begun. */
	if (m.volumes) {
		fuzz_check(!manifest_print(&m, &printed, &error) && !manifest_parse(printed, &again, &error) && !manifest_print(&again, &twice, &error) && !strcmp(printed, twice));
		free(printed);
		free(twice);
		manifest_free(&again);
	}
	manifest_free(&m);
}

static void use_table(struct store *s, const char *name)
{
	struct smartssd_error error = { "" };
	float row[ROWFMT_MAX_DIM];
	struct table *t;
	int err = table_open(s, name, &t, &error);
	uint64_t at;

	outcome(err, &error);
	if (err)
		return;
	for (uint64_t r = 0; r < table_info(t)->rows && r < 2 * ROWS; r++) {
		uint32_t shard = layout_shard(r, table_info(t)->shards);
		uint64_t local = layout_shard_row(r, table_info(t)->shards), bytes = table_info(t)->layout.row_bytes;
		const struct volume_object *o;

		table_where(t, shard, &local, 1, &at);
		o = at & TABLE_IN_DELTA ? table_delta(t, shard) : table_rows(t, shard);
		at &= ~TABLE_IN_DELTA;
		fuzz_check(at <= o->bytes && bytes <= o->bytes - at);
		error.text[0] = 0;
		err = table_read_row(t, r, row, &error);
		fuzz_check(!err || error.text[0]);
	}
	error.text[0] = 0;
	outcome(table_refresh(t, &error), &error);
	table_close(t);
	error.text[0] = 0;
	outcome(store_verify(s, name, NULL, &error), &error);
}

static void use_store(const char *path)
{
	struct smartssd_error error = { "" };
	struct store_table *tables;
	struct store *s;
	uint32_t nr;
	int err = store_open(path, VOLUME_READ, &s, &error);

	outcome(err, &error);
	if (err)
		return;
	fuzz_check(!store_list(s, &tables, &nr, &error));
	for (uint32_t i = 0; i < nr && i < 4; i++)
		use_table(s, tables[i].name);
	free(tables);
	store_close(s);
}

static void use_namespace(void)
{
	struct smartssd_error error = { "" };
	char *text, (*names)[VOLUME_NAME];
	uint64_t generation;
	struct volume *v;
	uint32_t nr;
	int err = volume_open(raw_path, VOLUME_READ, &v, &error);

	outcome(err, &error);
	if (err)
		return;
	fuzz_check(!volume_load(v, &text, &generation, &error) && !volume_list_objects(v, &names, &nr, &error) && volume_free(v) <= VOLUME_MIN_RAW);
	for (uint32_t i = 0; i < nr; i++) {
		struct volume_object o;

		fuzz_check(!volume_open_object(v, names[i], false, &o, &error) && o.offset >= VOLUME_DATA && o.offset <= VOLUME_MIN_RAW && o.bytes <= VOLUME_MIN_RAW - o.offset);
		volume_close_object(&o);
	}
	free(text);
	free(names);
	volume_close(v);
	use_store(raw_path);
}

static void put_slot(uint32_t slot, struct slot_head *head, const void *json, size_t bytes)
{
	if (bytes > VOLUME_SLOT - sizeof(*head))
		bytes = VOLUME_SLOT - sizeof(*head);
	head->crc = 0;
	if (head->bytes == bytes)
		head->crc = rowfmt_crc32c(rowfmt_crc32c(0, head, sizeof(*head)), json, bytes);
	must(pwrite(raw_fd, head, sizeof(*head), VOLUME_ALIGN + (off_t)slot * VOLUME_SLOT) == sizeof(*head) &&
	     pwrite(raw_fd, json, bytes, VOLUME_ALIGN + (off_t)slot * VOLUME_SLOT + (off_t)sizeof(*head)) == (ssize_t)bytes);
}

static void try_slot(const uint8_t *data, size_t bytes, bool head_too)
{
	struct slot_head head;

	must(pread(raw_fd, &head, sizeof(head), VOLUME_ALIGN) == sizeof(head));
	head.sequence = 5;
	if (head_too) {
		memcpy(&head, data, bytes < sizeof(head) ? bytes : sizeof(head));
		data += bytes < sizeof(head) ? bytes : sizeof(head);
		bytes -= bytes < sizeof(head) ? bytes : sizeof(head);
	} else {
		head.bytes = bytes;
	}
	put_slot(1, &head, data, bytes);
	use_namespace(); /* what is in slot 1 then is overwritten the next time */
}

static void try_head(const uint8_t *data, size_t bytes)
{
	uint8_t good[VOLUME_ALIGN], block[VOLUME_ALIGN] = { 0 };
	uint32_t crc;

	must(pread(raw_fd, good, sizeof(good), 0) == sizeof(good));
	memcpy(block, data, bytes < sizeof(block) ? bytes : sizeof(block));
	memset(block + offsetof(struct volume_head, crc), 0, sizeof(crc));
	crc = rowfmt_crc32c(0, block, sizeof(block));
	memcpy(block + offsetof(struct volume_head, crc), &crc, sizeof(crc));
	must(pwrite(raw_fd, block, sizeof(block), 0) == sizeof(block));
	use_namespace();
	must(pwrite(raw_fd, good, sizeof(good), 0) == sizeof(good));
}

static void overwrite(const char *name, const void *data, size_t bytes)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", store_path, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	must(fd >= 0 && pwrite(fd, data, bytes, 0) == (ssize_t)bytes);
	close(fd);
}

static void try_table(const uint8_t *data, size_t bytes)
{
	static uint8_t record[65536];
	uint8_t header[ROWS_HEADER] = { 0 };
	size_t head = bytes < 2 ? 0 : data[0] | data[1] << 8;
	struct rows_header h;
	struct delta_record d;

	if (bytes < 2)
		return;
	data += 2;
	bytes -= 2;
	head = head < bytes ? head : bytes;
	memcpy(header, data, head < sizeof(header) ? head : sizeof(header));
	memcpy(&h, header, sizeof(h));
	h.crc = rowfmt_crc32c(0, &h, offsetof(struct rows_header, crc));
	memcpy(header, &h, sizeof(h));
	overwrite("a.1.0.rows.obj", header, sizeof(header));
	memset(record, 0, sizeof(record));
	memcpy(record, data + head, bytes - head);
	memcpy(&d, record, sizeof(d));
	if (d.bytes >= sizeof(d) && d.bytes <= sizeof(record))
		d.body_crc = rowfmt_crc32c(0, record + sizeof(d), d.bytes - sizeof(d));
	d.head_crc = rowfmt_crc32c(0, &d, offsetof(struct delta_record, head_crc));
	memcpy(record, &d, sizeof(d));
	overwrite("a.1.0.delta.obj", record, delta_bytes < sizeof(record) ? delta_bytes : sizeof(record));
	use_store(store_path);
}

static void try_manifest(const char *text)
{
	uint64_t generation = 4;
	uint32_t crc = rowfmt_crc32c(rowfmt_crc32c(0, &generation, sizeof(generation)), text, strlen(text));
	json_t *root = json_pack("{s:I, s:I, s:s}", "generation", (json_int_t)generation, "crc32c", (json_int_t)crc, "manifest", text);
	char *json = root ? json_dumps(root, 0) : NULL;

	if (json) {
		write_file("manifest.json", json, strlen(json));
		use_store(store_path);
		write_file("manifest.json", good_manifest, strlen(good_manifest));
	}
	free(json);
	json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char *text;

	if (!*folder)
		make_stores();
	if (!bytes)
		return 0;
	text = malloc(bytes);
	memcpy(text, data + 1, bytes - 1);
	text[bytes - 1] = '\0';
	switch (data[0] % 8) {
	case 0:
		parse_manifest(text);
		break;
	case 1:
		write_file("manifest.json", data + 1, bytes - 1);
		use_store(store_path);
		write_file("manifest.json", good_manifest, strlen(good_manifest));
		break;
	case 2:
		try_manifest(text);
		break;
	case 3:
		write_file("volume.json", data + 1, bytes - 1);
		use_store(store_path);
		write_file("volume.json", good_volume, strlen(good_volume));
		break;
	case 4:
	case 5:
		try_slot(data + 1, bytes - 1, data[0] % 8 == 5);
		break;
	case 6:
		try_head(data + 1, bytes - 1);
		break;
	default:
		try_table(data + 1, bytes - 1);
	}
	free(text);
	return 0;
}
