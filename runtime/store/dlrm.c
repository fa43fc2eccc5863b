// SPDX-License-Identifier: BSD-2-Clause
#include <inttypes.h>
#include <math.h>

#include "../nn/graph_impl.h"
#include "dlrm_impl.h"
#include "trace_impl.h"

#define TILE_QUERIES 96	       /* a multiple of the rows that the inner loop of a product takes at once */
#define TILE_NUMBERS (1u << 20) /* of one layer */

/* ---- the model ---- */

static void pack_layer(const void *ctx, float *panel, int64_t k0, int64_t kc, int64_t n0, int64_t nc)
{
	const struct dlrm_layer *l = ctx;

	for (int64_t n = 0; n < nc; n++) {
		const float *row = l->weight + (n0 + n) * l->in + k0;
		float *to = panel + n / NN_PANEL * NN_PANEL * kc + n % NN_PANEL;

		for (int64_t k = 0; k < kc; k++)
			to[k * NN_PANEL] = row[k];
	}
}

/* Sizes of the layers; how many numbers they have is added to *parameters. */
static void describe(struct dlrm_mlp *mlp, const char *name, uint32_t in, const uint32_t *widths, uint64_t *parameters)
{
	mlp->name = name;
	for (; mlp->nr < TRACE_MAX_LAYERS && widths[mlp->nr]; mlp->nr++) {
		struct dlrm_layer *l = &mlp->layers[mlp->nr];

		l->in = in;
		l->out = in = widths[mlp->nr];
		*parameters += ((uint64_t)l->in + 1) * l->out; /* at most TRACE_MAX_LAYERS times 2^36 */
	}
}

static int allocate(struct dlrm *d, struct dlrm_mlp *mlp)
{
	for (uint32_t i = 0; i < mlp->nr; i++) {
		struct dlrm_layer *l = &mlp->layers[i];

		l->weight = malloc((size_t)l->in * l->out * sizeof(float));
		l->bias = malloc(l->out * sizeof(float));
		l->packed = aligned_alloc(64, align_up(nn_packed_elements(l->out, l->in) * sizeof(float), 64));
		if (!l->weight || !l->bias || !l->packed)
			return -ENOMEM;
		d->widest = l->out > d->widest ? l->out : d->widest;
	}
	return 0;
}

static void pack(struct dlrm_mlp *mlp)
{
	for (uint32_t i = 0; i < mlp->nr; i++)
		nn_pack_f4_all(mlp->layers[i].out, mlp->layers[i].in, pack_layer, &mlp->layers[i], mlp->layers[i].packed);
}

int dlrm_create(const struct trace_model *model, const char *weights, uint64_t seed, struct dlrm **out, struct smartssd_error *err)
{
	uint64_t parameters = 0;
	struct dlrm *d;
	int ret;

	*out = NULL;
	ret = trace_model_check(model, model->name, err);
	if (ret)
		return ret;
	d = calloc(1, sizeof(*d));
	if (!d)
		return smartssd_fail(err, -ENOMEM, "%s: out of memory", model->name);
	d->model = *model;
	d->interaction = d->widest = trace_model_interaction(model);
	describe(&d->bottom, "bot_l", model->dense, model->bottom, &parameters);
	describe(&d->top, "top_l", d->interaction, model->top, &parameters);
	if (parameters > DLRM_MAX_PARAMETERS)
		ret = smartssd_fail(err, -EFBIG, "%s: MLPs of %" PRIu64 " parameters; at most %llu are possible", model->name, parameters, DLRM_MAX_PARAMETERS);
	else if (allocate(d, &d->bottom) || allocate(d, &d->top))
		ret = smartssd_fail(err, -ENOMEM, "%s: no memory for MLPs of %" PRIu64 " parameters", model->name, parameters);
	else if (weights)
		ret = dlrm_load(d, weights, err);
	else
		dlrm_seed(d, seed);
	if (ret) {
		dlrm_destroy(d);
		return ret;
	}
	pack(&d->bottom);
	pack(&d->top);
	*out = d;
	return 0;
}

static void free_mlp(struct dlrm_mlp *mlp)
{
	for (uint32_t i = 0; i < mlp->nr; i++) {
		free(mlp->layers[i].weight);
		free(mlp->layers[i].bias);
		free(mlp->layers[i].packed);
	}
}

void dlrm_destroy(struct dlrm *d)
{
	if (!d)
		return;
	free_mlp(&d->bottom);
	free_mlp(&d->top);
	free(d);
}

/* ---- forward ---- */

/* @relu_last: behind the last layer, too. Results in one of @from and @to, which have room for the widest layer. */
static const float *run_mlp(const struct dlrm_mlp *mlp, const float *x, uint64_t queries, bool relu_last, float *from, float *to)
{
	for (uint32_t i = 0; i < mlp->nr; i++) {
		const struct dlrm_layer *l = &mlp->layers[i];
		float *swap = from;

		for (uint64_t q = 0; q < queries; q++)
			memcpy(to + q * l->out, l->bias, l->out * sizeof(float));
		nn_gemm_f4_packed((int64_t)queries, l->out, l->in, x, l->in, l->packed, to, l->out);
		/* A NaN stays one. */
		for (uint64_t e = 0; (relu_last || i + 1 < mlp->nr) && e < queries * l->out; e++)
			to[e] = to[e] < 0 ? 0 : to[e];
		x = from = to;
		to = swap;
	}
	return x;
}

typedef float v8f __attribute__((vector_size(32)));

/* Eight partial sums, number d of the vectors in sum d modulo 8; then in pairs. */
static float dot(const float *a, const float *b, uint32_t dim)
{
	v8f sum = { 0 }, x, y;
	float s[8];

	for (; dim >= 8; dim -= 8, a += 8, b += 8) {
		memcpy(&x, a, sizeof(x));
		memcpy(&y, b, sizeof(y));
		sum += x * y;
	}
	memcpy(s, &sum, sizeof(s));
	for (uint32_t d = 0; d < dim; d++)
		s[d] += a[d] * b[d];
	return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

/* @x: of one query. @pooled: its bag of table 0; those of the others are @pitch further each. */
static void interact(const struct dlrm *d, const float *x, const float *pooled, uint64_t pitch, float *z)
{
	uint32_t dim = d->model.dim;

	memcpy(z, x, dim * sizeof(float));
	z += dim;
	for (uint32_t i = 0; i < d->model.tables; i++) {
		const float *v = pooled + i * pitch;

		*z++ = dot(v, x, dim);
		for (uint32_t j = 0; j < i; j++)
			*z++ = dot(v, pooled + j * pitch, dim);
	}
}

int dlrm_forward(const struct dlrm *d, const float *dense, const float *pooled, uint64_t queries, float *p, struct smartssd_error *err)
{
	uint64_t tile = max_u64(1, min_u64(min_u64(queries, TILE_QUERIES), TILE_NUMBERS / d->widest)), room = tile * d->widest;
	float *work = aligned_alloc(64, align_up(room * 3 * sizeof(float), 64));
	uint32_t dim = d->model.dim;

	if (!work)
		return smartssd_fail(err, -ENOMEM, "%s: no memory for %" PRIu64 " queries at a time", d->model.name, tile);
	for (uint64_t q = 0; q < queries; q += tile) {
		uint64_t nr = min_u64(tile, queries - q);
		const float *x = run_mlp(&d->bottom, dense + q * d->model.dense, nr, true, work, work + room);

		for (uint64_t i = 0; i < nr; i++)
			interact(d, x + i * dim, pooled + (q + i) * dim, queries * dim, work + 2 * room + i * d->interaction);
		x = run_mlp(&d->top, work + 2 * room, nr, false, work, work + room);
		for (uint64_t i = 0; i < nr; i++)
			p[q + i] = (float)(1 / (1 + exp(-(double)x[i])));
	}
	free(work);
	return 0;
}
