// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as an .npz with a trace, and as a config.json: what is accepted keeps every rule, what is not comes with words. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "../../runtime/private.h"
#include "../../runtime/store/npz.h"
#include "../../runtime/store/trace_impl.h"
#include "fuzz.h"

const char *const fuzz_words[] = {
	"PK\3\4", "PK\1\2", "PK\5\6", "PK\6\6", "PK\6\7", "offsets.npy", "indices.npy", "model.json", "model.npy", "'<i8'", "(3,)", "\"arch_mlp_bot\": ",
	"\"arch_mlp_top\": ", "\"arch_embedding_size\": ", "\"13-4\"", "[1, 2]", "\"arch_interaction_op\": \"dot\"", "18446744073709551615", "-", NULL,
};

static const char config[] = "{\"model_name\": \"a\", \"arch_mlp_bot\": \"3-2\", \"arch_mlp_top\": [4, 1], \"arch_embedding_size\": \"10-20\", \"arch_sparse_feature_size\": 2,"
			     " \"num_indices_per_lookup\": 2}";

static void add_file(void (*add)(const void *, size_t), const char *name, int64_t first)
{
	static const struct smartssd_array offsets = { .type = SMARTSSD_I8, .ndim = 1, .shape = { 5 } }, indices = { .type = SMARTSSD_I8, .ndim = 1, .shape = { 4 } };
	int64_t o[] = { 0, 1, 3, 3, 4 }, i[] = { first, 19, 0, 7 };
	const struct npz_part parts[] = { { "model.json", NULL, config, strlen(config) }, { "offsets.npy", &offsets, o, sizeof(o) }, { "indices.npy", &indices, i, sizeof(i) } };
	char data[4096];
	FILE *f;

	if (npz_save(name, parts, 3, NULL))
		abort();
	f = fopen(name, "rb");
	add(data, fread(data, 1, sizeof(data), f));
	fclose(f);
	unlink(name);
}

/* A deflated model.json alone: it is unpacked before anything else is looked for. */
static void add_deflated(void (*add)(const void *, size_t))
{
	uint8_t file[1024] = { 0 };
	uint32_t crc = (uint32_t)crc32(0, (const uint8_t *)config, sizeof(config) - 1), raw = sizeof(config) - 1, packed, at;
	z_stream s = { 0 };

	deflateInit2(&s, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
	s.next_in = (uint8_t *)(uintptr_t)config;
	s.avail_in = raw;
	s.next_out = file + 40;
	s.avail_out = 600;
	deflate(&s, Z_FINISH);
	packed = (uint32_t)s.total_out;
	deflateEnd(&s);
	memcpy(file, "PK\3\4", 4);
	file[26] = 10;
	memcpy(file + 30, "model.json", 10);
	at = 40 + packed;
	memcpy(file + at, "PK\1\2", 4);
	file[at + 10] = 8;
	memcpy(file + at + 16, &crc, 4);
	memcpy(file + at + 20, &packed, 4);
	memcpy(file + at + 24, &raw, 4);
	file[at + 28] = 10;
	memcpy(file + at + 46, "model.json", 10);
	memcpy(file + at + 56, "PK\5\6", 4);
	file[at + 56 + 12] = 56;
	memcpy(file + at + 56 + 16, &at, 4);
	add(file, at + 56 + 22);
}

void fuzz_seeds(void (*add)(const void *data, size_t bytes))
{
	char name[] = "/tmp/fuzz_trace.XXXXXX";
	int fd = mkstemp(name);

	if (fd < 0)
		abort();
	close(fd);
	add_file(add, name, 9);
	add_file(add, name, 10);
	add_deflated(add);
	add(config, strlen(config));
}

static void outcome(int err, const struct smartssd_error *error)
{
	fuzz_outcome(err, error->text);
	fuzz_check(!err || (error->text[0] && memchr(error->text, 0, sizeof(error->text))));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct smartssd_error error = { "" };
	static struct trace_model model;
	static struct trace t;
	char path[40];
	int err, fd = memfd_create("trace", 0);

	if (fd < 0 || write(fd, data, bytes) != (ssize_t)bytes)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = trace_load(path, &t, &error);
	close(fd);
	outcome(err, &error);
	if (!err) {
		fuzz_check(!trace_model_check(&t.model, "", NULL) && !trace_check(&t, "", NULL));
		trace_free(&t);
	}
	error.text[0] = 0;
	err = trace_model_parse((const char *)data, bytes, "config", &model, &error);
	outcome(err, &error);
	fuzz_check(err || !trace_model_check(&model, "", NULL));
	if (!err) {
		static struct trace_model again;
		char *text = trace_model_text(&model);

		/* What is written is what was read. */
		fuzz_check(text && !trace_model_parse(text, strlen(text), "again", &again, &error) && !memcmp(&model, &again, sizeof(model)));
		free(text);
	}
	return 0;
}
