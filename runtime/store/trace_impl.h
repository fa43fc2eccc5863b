/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files behind trace.h share. */
#ifndef SMARTSSD_STORE_TRACE_IMPL_H
#define SMARTSSD_STORE_TRACE_IMPL_H

#include "trace.h"

#define TRACE_GOLDEN 0x9e3779b97f4a7c15ull

/* SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014): any state is a good one. */
static inline uint64_t trace_mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static inline uint64_t trace_random(uint64_t *state)
{
	return trace_mix(*state += TRACE_GOLDEN);
}

/* model.c: the text of a config.json, and from it. @where: begins the error texts. */
int trace_model_parse(const char *text, size_t bytes, const char *where, struct trace_model *out, struct smartssd_error *err);
char *trace_model_text(const struct trace_model *m); /* free(); NULL: no memory */
/* 0, or -EINVAL with what is wrong: the rules that a model keeps, wherever it comes from. */
int trace_model_check(const struct trace_model *m, const char *where, struct smartssd_error *err);

/* trace.c: whether offsets and indices fit the model. Names the first that does not. */
int trace_check(const struct trace *t, const char *where, struct smartssd_error *err);

#endif
