// SPDX-License-Identifier: BSD-2-Clause
/* Making traces and checking them. */
#include "../private.h"
#include "trace_impl.h"

void trace_free(struct trace *t)
{
	free(t->offsets);
	free(t->indices);
	t->offsets = t->indices = NULL;
}

int trace_check(const struct trace *t, const char *where, struct smartssd_error *err)
{
	uint64_t bags = t->queries * t->model.tables;

	if (t->offsets[0])
		return smartssd_fail(err, -EBADMSG, "%s: the first offset is %lld; it must be 0", where, (long long)t->offsets[0]);
	for (uint64_t b = 0; b < bags; b++) {
		uint64_t rows = t->model.rows[b % t->model.tables];

		if (t->offsets[b + 1] < t->offsets[b])
			return smartssd_fail(err, -EBADMSG, "%s: offsets must ascend, but query %llu, table %llu ends at %lld and begins at %lld", where,
					     (unsigned long long)(b / t->model.tables), (unsigned long long)(b % t->model.tables), (long long)t->offsets[b + 1],
					     (long long)t->offsets[b]);
		for (int64_t i = t->offsets[b]; i < t->offsets[b + 1]; i++)
			if (t->indices[i] < 0 || (uint64_t)t->indices[i] >= rows)
				return smartssd_fail(err, -ERANGE, "%s: query %llu, table %llu, position %lld: index %lld is not in 0..%llu", where,
						     (unsigned long long)(b / t->model.tables), (unsigned long long)(b % t->model.tables),
						     (long long)(i - t->offsets[b]), (long long)t->indices[i], (unsigned long long)rows - 1);
	}
	return 0;
}

/* The lookups of one table, everywhere in the trace: its own random numbers, so that they do not depend on what other tables there are. */
static int fill_table(const struct trace_make *make, struct trace *out, uint32_t table)
{
	const struct trace_model *m = make->model;
	uint64_t state = trace_mix(make->seed + TRACE_GOLDEN) ^ trace_mix(table + 1), rows = m->rows[table];
	struct zipf *z = NULL;
	int ret = make->zipf > 0 ? zipf_create(rows, make->zipf, &z) : 0;

	for (uint64_t q = 0; !ret && q < make->queries; q++) {
		int64_t *bag = out->indices + (q * m->tables + table) * m->lookups;

		for (uint32_t i = 0; i < m->lookups; i++)
			bag[i] = (int64_t)(z ? trace_permute(rows, table, zipf_sample(z, &state)) :
					       (uint64_t)((unsigned __int128)trace_random(&state) * rows >> 64));
		if (make->progress && q % 1024 == 1023 &&
		    make->progress->step(make->progress->ctx, (table * make->queries + q) * m->lookups, make->queries * m->tables * m->lookups))
			ret = -ECANCELED;
	}
	zipf_destroy(z);
	return ret;
}

int trace_make(const struct trace_make *make, struct trace *out, struct smartssd_error *err)
{
	const struct trace_model *m = make->model;
	uint64_t bags, bytes;
	int ret = trace_model_check(m, m->name, err);

	memset(out, 0, sizeof(*out));
	if (ret)
		return ret;
	if (!make->queries)
		return smartssd_fail(err, -EINVAL, "a trace must have at least 1 query");
	if (!(make->zipf >= 0 && make->zipf <= ZIPF_MAX_EXPONENT))
		return smartssd_fail(err, -EINVAL, "zipf exponent %g; 0 (uniform) to %g are possible", make->zipf, ZIPF_MAX_EXPONENT);
	if (__builtin_mul_overflow(make->queries, m->tables, &bags) || __builtin_mul_overflow(bags, m->lookups * sizeof(int64_t), &bytes) || bytes > SIZE_MAX / 4)
		return smartssd_fail(err, -EOVERFLOW, "%llu queries of %u x %u lookups are more than any memory holds: ask for fewer",
				     (unsigned long long)make->queries, m->tables, m->lookups);
	out->model = *m;
	out->queries = make->queries;
	out->offsets = malloc((bags + 1) * sizeof(int64_t));
	out->indices = malloc(bytes);
	if (!out->offsets || !out->indices)
		ret = -ENOMEM;
	for (uint64_t b = 0; !ret && b <= bags; b++)
		out->offsets[b] = (int64_t)(b * m->lookups);
	for (uint32_t t = 0; !ret && t < m->tables; t++)
		ret = fill_table(make, out, t);
	if (ret) {
		trace_free(out);
		return ret == -ECANCELED ? smartssd_fail(err, ret, "stopped; nothing was written") :
					   smartssd_fail(err, ret, "no memory for a trace of %llu bytes: ask for fewer queries", (unsigned long long)bytes);
	}
	return 0;
}
