// SPDX-License-Identifier: BSD-2-Clause
/*
 * Weights of a DLRM's MLPs from a .safetensors file, and all that a seed gives.
 *
 * Streams of random numbers (SplitMix64): number i of a stream is trace_mix(first + (i + 1) * TRACE_GOLDEN), first = trace_mix(trace_mix(seed + TRACE_GOLDEN) ^ (kind << 32 | number)).
 *   kind 1  rows of table `number`: element d of row r is i = r * dim + d
 *   kind 2  weights; number = 64 * (0 bottom, 1 top) + 2 * layer + (0 weight [out][in], 1 bias)
 *   kind 3  dense features, number 0: feature d of query q is i = q * dense + d
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "dlrm_impl.h"
#include "rowfmt.h"
#include "safetensors.h"
#include "trace_impl.h"

/* ---- seeds ---- */

enum kind { KIND_ROWS = 1, KIND_WEIGHTS, KIND_DENSE };

/* 0 .. 1 - 2^-24: exact in single precision, and so is twice it less 1. */
static float random_at(uint64_t first, uint64_t i)
{
	return (float)(trace_mix(first + (i + 1) * TRACE_GOLDEN) >> 40) * 0x1p-24f;
}

static uint64_t stream(uint64_t seed, enum kind kind, uint32_t number)
{
	return trace_mix(trace_mix(seed + TRACE_GOLDEN) ^ ((uint64_t)kind << 32 | number));
}

/* U(-1/sqrt(n), 1/sqrt(n)): numbers @at .. @at + @nr - 1 of the stream. */
static void uniform(uint64_t first, uint64_t at, uint64_t nr, uint64_t n, float *out)
{
	float bound = (float)(1 / sqrt((double)n));

	for (uint64_t i = 0; i < nr; i++)
		out[i] = (2 * random_at(first, at + i) - 1) * bound;
}

static void seed_mlp(struct dlrm_mlp *mlp, uint64_t seed, uint32_t number)
{
	for (uint32_t i = 0; i < mlp->nr; i++) {
		struct dlrm_layer *l = &mlp->layers[i];

		uniform(stream(seed, KIND_WEIGHTS, number + 2 * i), 0, (uint64_t)l->in * l->out, l->in, l->weight);
		uniform(stream(seed, KIND_WEIGHTS, number + 2 * i + 1), 0, l->out, l->in, l->bias);
	}
}

void dlrm_seed(struct dlrm *d, uint64_t seed)
{
	seed_mlp(&d->bottom, seed, 0);
	seed_mlp(&d->top, seed, 64);
}

void dlrm_seeded_rows(const struct trace_model *model, uint64_t seed, uint32_t t, uint64_t first, uint64_t nr, float *out)
{
	uniform(stream(seed, KIND_ROWS, t), first * model->dim, nr * model->dim, model->rows[t], out);
}

void dlrm_seeded_dense(const struct trace_model *model, uint64_t seed, uint64_t first, uint64_t nr, float *out)
{
	uint64_t from = stream(seed, KIND_DENSE, 0);

	for (uint64_t i = 0; i < nr * model->dense; i++)
		out[i] = random_at(from, first * model->dense + i);
}

/* ---- safetensors ---- */

struct load {
	const char *path;
	int fd;
	struct safetensors file;
	struct smartssd_error *err;
};

#define NAME_BYTES 32
#define CHUNK	   16384 /* numbers that are read at a time */

/* "bot_l.4.weight": behind each layer of PyTorch's sequence stands a ReLU, so they have even numbers. */
static const char *tensor_name(const struct dlrm_mlp *mlp, uint32_t layer, bool bias, char out[NAME_BYTES])
{
	snprintf(out, NAME_BYTES, "%s.%u.%s", mlp->name, 2 * layer, bias ? "bias" : "weight");
	return out;
}

static const char *shape_text(uint32_t ndim, const uint64_t *shape, char out[200])
{
	size_t at = 0;

	out[0] = 0;
	for (uint32_t i = 0; i < ndim; i++)
		at += (size_t)snprintf(out + at, 200 - at, "[%" PRIu64 "]", shape[i]);
	return ndim ? out : "a single number";
}

static int read_numbers(const struct load *l, const struct st_tensor *t, uint64_t nr, float *out)
{
	uint32_t bytes = t->type == ST_F32 ? 4 : 2;
	uint8_t raw[CHUNK * 2];

	for (uint64_t at = 0; at < nr;) {
		uint64_t n = min_u64(nr - at, CHUNK);
		int ret = smartssd_read_all(l->fd, bytes == 4 ? (uint8_t *)(out + at) : raw, n * bytes, t->offset + at * bytes);

		if (ret)
			return smartssd_fail(l->err, ret, "%s: tensor '%s': %s", l->path, t->name, strerror(-ret));
		if (t->type == ST_F16)
			rowfmt_decode(SMARTSSD_ROWS_FP16, 1, raw, n, out + at);
		for (uint64_t i = 0; i < n && t->type == ST_BF16; i++) {
			uint32_t bits = (uint32_t)raw[i * 2] << 16 | (uint32_t)raw[i * 2 + 1] << 24;

			memcpy(&out[at + i], &bits, sizeof(bits));
		}
		for (uint64_t i = 0; i < n; i++)
			if (!isfinite(out[at + i]))
				return smartssd_fail(l->err, -EBADMSG, "%s: tensor '%s': element %" PRIu64 " of %" PRIu64 " is %s; weights must be finite", l->path, t->name, at + i, nr,
						     isnan(out[at + i]) ? "not a number" : "infinite");
		at += n;
	}
	return 0;
}

static int load_tensor(const struct load *l, const char *name, uint32_t ndim, const uint64_t *shape, float *out)
{
	const struct st_tensor *t = safetensors_find(&l->file, name);
	char want[200], found[200];

	shape_text(ndim, shape, want);
	if (!t)
		return smartssd_fail(l->err, -ENOENT, "%s: no tensor '%s', of shape %s; there are %u%s%.60s%s", l->path, name, want, l->file.nr, l->file.nr ? ", for example '" : "",
				     l->file.nr ? l->file.tensors[0].name : "", l->file.nr ? "'" : "");
	if (t->type != ST_F32 && t->type != ST_F16 && t->type != ST_BF16)
		return smartssd_fail(l->err, -EOPNOTSUPP, "%s: tensor '%s' is of type %s; it must be F32, F16 or BF16", l->path, name, t->type_name);
	if (t->ndim != ndim || memcmp(t->shape, shape, ndim * sizeof(*shape)))
		return smartssd_fail(l->err, -EBADMSG, "%s: tensor '%s' has the shape %s; of this model it must be %s", l->path, name, shape_text(t->ndim, t->shape, found), want);
	return read_numbers(l, t, ndim == 2 ? shape[0] * shape[1] : shape[0], out);
}

static int load_mlp(const struct load *l, struct dlrm_mlp *mlp)
{
	int ret = 0;

	for (uint32_t i = 0; i < mlp->nr && !ret; i++) {
		const uint64_t shape[] = { mlp->layers[i].out, mlp->layers[i].in };
		char name[NAME_BYTES];

		ret = load_tensor(l, tensor_name(mlp, i, false, name), 2, shape, mlp->layers[i].weight);
		if (!ret)
			ret = load_tensor(l, tensor_name(mlp, i, true, name), 1, shape, mlp->layers[i].bias);
	}
	return ret;
}

static bool names_layer(const struct dlrm_mlp *mlp, const char *tensor)
{
	char name[NAME_BYTES];

	for (uint32_t i = 0; i < 2 * mlp->nr; i++)
		if (!strcmp(tensor_name(mlp, i / 2, i & 1, name), tensor))
			return true;
	return false;
}

/* More layers or tables, weighted pooling, compressed tables: something else would be computed than the weights are for. */
static int refuse_others(const struct load *l, const struct dlrm *d)
{
	for (uint32_t i = 0; i < l->file.nr; i++) {
		const struct st_tensor *t = &l->file.tensors[i];
		uint64_t more = t->type == ST_U8 ? 8 : 0; /* bytes of an int8-rowwise row beside its elements */
		char name[NAME_BYTES] = "", found[200];
		unsigned int table;

		if (names_layer(&d->bottom, t->name) || names_layer(&d->top, t->name))
			continue;
		if (sscanf(t->name, "emb_l.%9u", &table) == 1)
			snprintf(name, sizeof(name), "emb_l.%u.weight", table);
		if (strcmp(name, t->name) || table >= d->model.tables)
			return smartssd_fail(l->err, -EOPNOTSUPP, "%s: tensor '%.60s' is not one of this model, which has bot_l.0 to bot_l.%u, top_l.0 to top_l.%u, emb_l.0 to emb_l.%u", l->path,
					     t->name, 2 * (d->bottom.nr - 1), 2 * (d->top.nr - 1), d->model.tables - 1);
		if (t->ndim != 2 || t->shape[0] != d->model.rows[table] || t->shape[1] != d->model.dim + more)
			return smartssd_fail(l->err, -EBADMSG, "%s: tensor '%s' has the shape %s; of this model it must be [%" PRIu64 "][%" PRIu64 "]", l->path, t->name,
					     shape_text(t->ndim, t->shape, found), d->model.rows[table], d->model.dim + more);
	}
	return 0;
}

int dlrm_load(struct dlrm *d, const char *path, struct smartssd_error *err)
{
	struct load l = { .path = path, .err = err };
	int ret = safetensors_open(path, &l.file, &l.fd, err);

	if (ret)
		return ret;
	/* What is there before what is missing: with the wrong model's file, that says more. */
	ret = refuse_others(&l, d);
	if (!ret)
		ret = load_mlp(&l, &d->bottom);
	if (!ret)
		ret = load_mlp(&l, &d->top);
	safetensors_free(&l.file);
	close(l.fd);
	return ret;
}
