// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as a DLRM's .safetensors: what is accepted has finite weights and gives probabilities, what is not comes with words. */
#include <errno.h>
#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../runtime/private.h"
#include "../../runtime/store/dlrm.h"
#include "fuzz.h"

static const struct trace_model model = { .name = "fuzz", .tables = 1, .dim = 2, .rows = { 3 }, .lookups = 1, .dense = 2, .bottom = { 2 }, .top = { 1 } };

const char *const fuzz_words[] = {
	"\"bot_l.0.weight\": ", "\"bot_l.0.bias\": ", "\"top_l.0.weight\": ", "\"top_l.0.bias\": ", "\"emb_l.0.weight\": ", "\"emb_l.1.weight\": ", "\"dtype\": \"F32\"", "\"dtype\": \"BF16\"", "\"F16\"",
	"\"U8\"", "\"shape\": [2, 2]", "[1, 3]", "[3,10]", "\"data_offsets\": ", "18446744073709551615", "\xff\xff\xff\x7f", "\x00\x7c", "\x80\x7f", NULL,
};

struct part {
	const char *name, *shape;
	int numbers;
};

static void add_file(void (*add)(const void *, size_t), const char *type, int bytes, bool rows)
{
	static const struct part parts[] = { { "bot_l.0.weight", "2,2", 4 }, { "bot_l.0.bias", "2", 2 }, { "top_l.0.weight", "1,3", 3 }, { "top_l.0.bias", "1", 1 }, { "emb_l.0.weight", "3,2", 6 } };
	char file[1024] = { 0 };
	uint64_t at = 8, header, data = 0;

	for (int i = 0; i < 4 + rows; i++) {
		at += (uint64_t)sprintf(file + at, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%d,%d]}", i ? "," : "{", parts[i].name, type, parts[i].shape, (int)data,
					(int)data + parts[i].numbers * bytes);
		data += (uint64_t)(parts[i].numbers * bytes);
	}
	file[at++] = '}';
	header = at - 8;
	memcpy(file, &header, sizeof(header));
	memset(file + at, 0x3c, data);
	add(file, at + data);
}

void fuzz_seeds(void (*add)(const void *data, size_t bytes))
{
	add_file(add, "F32", 4, true);
	add_file(add, "F32", 4, false);
	add_file(add, "F16", 2, true);
	add_file(add, "BF16", 2, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const float dense[] = { 0.5f, -1 }, pooled[] = { 2, 0.25f };
	struct smartssd_error error = { "" };
	struct dlrm *d;
	char path[40];
	float p;
	int err, fd = memfd_create("dlrm", 0);

	if (fd < 0 || write(fd, data, bytes) != (ssize_t)bytes)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = dlrm_create(&model, path, 0, &d, &error);
	close(fd);
	fuzz_outcome(err, error.text);
	fuzz_check(!err || (!d && error.text[0] && memchr(error.text, 0, sizeof(error.text))));
	if (!err) {
		double want, bound;

		fuzz_check(!dlrm_forward(d, dense, pooled, 1, &p, &error) && !dlrm_reference(d, dense, (double[]){ 2, 0.25 }, NULL, 1, &want, &bound));
		/* Weights are finite, and products of any floats fit a double; a float they may not fit. */
		fuzz_check(isnan(p) || (p >= 0 && p <= 1));
		fuzz_check(want >= 0 && want <= 1);
		dlrm_destroy(d);
	}
	return 0;
}
