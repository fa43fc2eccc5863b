// SPDX-License-Identifier: BSD-2-Clause
/*
 * Each allocation fails once while a model is read, quantised and written: an error with a text every time, nothing leaked (LeakSanitizer looks at the
 * end), nothing touched that is not there. The linker takes malloc() and the like of our own code to the functions here.
 */
#include "../../runtime/nn/quantize.h"
#include "../tap.h"
#include "sample.h"

static long left = -1; /* allocations until one fails; below 0: none does */
static bool failed;

static bool fails(void)
{
	if (left < 0 || left--)
		return false;
	failed = true;
	return true;
}

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *p, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *p, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
char *__wrap_strdup(const char *s);

void *__wrap_malloc(size_t bytes)
{
	return fails() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t n, size_t bytes)
{
	return fails() ? NULL : __real_calloc(n, bytes);
}

void *__wrap_realloc(void *p, size_t bytes)
{
	return fails() ? NULL : __real_realloc(p, bytes);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
	return fails() ? NULL : __real_aligned_alloc(alignment, bytes);
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

struct feed {
	int64_t elements;
	int given;
};

static int next(void *ctx, float *input, struct smartssd_error *err)
{
	struct feed *f = ctx;

	(void)err;
	if (f->given++ == 2)
		return 1;
	for (int64_t i = 0; i < f->elements; i++)
		input[i] = (float)(i % 17) / 7 - 1;
	return 0;
}

static int once(const void *data, size_t bytes, bool quantise, struct smartssd_error *err)
{
	struct nn_graph *g, *q = NULL;
	size_t packed;
	void *out;
	int ret = nn_graph_parse(data, bytes, 1, &g, err);

	if (!ret && quantise) {
		struct feed feed = { .elements = nn_count(&g->tensors[g->inputs[0]].dims) };
		struct nn_quantize how = { .next = next, .ctx = &feed, .input_scale = 1, .std = { 1 }, .nr_mean = 1 };

		ret = nn_quantize_graph(g, &how, &q, NULL, err);
	}
	if (!ret)
		ret = nn_graph_serialize(quantise ? q : g, &out, &packed, err);
	if (!ret)
		free(out);
	nn_graph_free(g);
	nn_graph_free(q);
	return ret;
}

static void sweep(unsigned sample, bool quantise)
{
	size_t bytes;
	void *data = nn_sample_bytes(sample, &bytes);
	struct smartssd_error err;
	long n = 0, bad = 0;
	int ret;

	for (;; n++) {
		err.text[0] = '\0';
		failed = false;
		left = n;
		ret = once(data, bytes, quantise, &err);
		left = -1;
		if (!failed)
			break;
		bad += ret != -ENOMEM || !err.text[0];
	}
	free(data);
	tap_ok(!ret && !bad && n > 100, "sample %u %s: each of %ld allocations fails once%s%s", sample, quantise ? "quantised" : "read and written", n,
	       ret ? ": " : "", ret ? err.text : "");
}

int main(void)
{
	for (unsigned i = 0; i < NN_SAMPLES; i++)
		sweep(i, false);
	sweep(0, true);
	return tap_done();
}
