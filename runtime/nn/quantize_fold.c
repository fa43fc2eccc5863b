// SPDX-License-Identifier: BSD-2-Clause
/*
 * fp32 graph -> fp32 graph that computes the same with what a card has.
 *
 *   Conv | Gemm -> BatchNormalization   y = (x - mean) * gamma / sqrt(var + epsilon) + beta goes into weights and bias
 *   BatchNormalization elsewhere, 4-d   becomes a depthwise 1x1 convolution
 *   MatMul (matrix) -> Add of a vector  Gemm
 *   Gemm                                alpha and beta go into weights and bias; the bias becomes a vector
 *   ReduceMean over rows and columns    GlobalAveragePool, and Flatten when it drops the dimensions
 *   Pad of zeros -> Conv | AveragePool  pads of that one
 *   Identity, Dropout, Pad of nothing   nothing
 */
#include <math.h>

#include "quantize_impl.h"

/* Suffixes of new tensors; none is the end of another. */
static const char *const suffixes[] = { "_folded", "_offsets", "_pooled", NULL };

struct folder {
	const struct nn_graph *from;
	struct nn_graph *to;
	struct nn_namer namer;
	uint32_t *map;	/* tensor of from -> tensor of to; NN_NOWHERE: not there yet */
	bool *gone;	/* nodes that went into another */
	uint32_t folded;
	bool failed;	/* lack of memory, looked at in the end */
};

/* An index or NN_NOWHERE from the graph's functions; the latter fails the whole. */
static uint32_t made(struct folder *f, uint32_t index)
{
	f->failed |= index == NN_NOWHERE;
	return index;
}

static uint32_t use(struct folder *f, uint32_t t)
{
	return t == NN_NOWHERE ? t : made(f, nn_copy_tensor(f->to, f->from, f->map, t));
}

static const struct nn_tensor *constant(const struct folder *f, const struct nn_node *n, uint32_t i)
{
	const struct nn_tensor *t = i < n->nr_in && n->in[i] != NN_NOWHERE ? &f->from->tensors[n->in[i]] : NULL;

	return t && t->data && t->type == NN_F4 ? t : NULL;
}

static bool left_out(const struct nn_node *n, uint32_t i)
{
	return i >= n->nr_in || n->in[i] == NN_NOWHERE;
}

static uint32_t add_vector(struct folder *f, const char *base, const char *suffix, int64_t n, const float *data)
{
	struct nn_dims dims = { 1, { n } };

	return made(f, nn_graph_add_constant(f->to, nn_namer_make(&f->namer, base, suffix), NN_F4, &dims, data));
}

/* gamma / sqrt(var + epsilon) and beta - mean * that, in double precision. False when the parameters are not constant. */
static bool norm_terms(const struct folder *f, const struct nn_node *bn, int64_t channels, double *times, double *plus)
{
	const struct nn_tensor *p[4];

	for (uint32_t i = 0; i < 4; i++) {
		p[i] = constant(f, bn, i + 1);
		if (!p[i] || nn_count(&p[i]->dims) != channels)
			return false;
	}
	for (int64_t c = 0; c < channels; c++) {
		times[c] = ((const float *)p[0]->data)[c] / sqrt((double)((const float *)p[3]->data)[c] + bn->attrs.epsilon);
		plus[c] = ((const float *)p[1]->data)[c] - ((const float *)p[2]->data)[c] * times[c];
	}
	return true;
}

static bool only_output(const struct nn_node *n)
{
	for (uint32_t i = 1; i < n->nr_out; i++)
		if (n->out[i] != NN_NOWHERE)
			return false;
	return n->nr_out && n->out[0] != NN_NOWHERE;
}

/* The bias of a Conv or Gemm as one value for each channel; false when it is something else. */
static bool bias_terms(const struct folder *f, const struct nn_node *n, int64_t channels, double *out)
{
	const struct nn_tensor *b = constant(f, n, 2);

	memset(out, 0, (size_t)channels * sizeof(*out));
	if (left_out(n, 2))
		return true;
	/* All of its elements in the last dimension: it broadcasts over the others. */
	if (!b || (nn_count(&b->dims) != 1 && (!b->dims.n || b->dims.d[b->dims.n - 1] != channels || nn_count(&b->dims) != channels)))
		return false;
	for (int64_t c = 0; c < channels; c++)
		out[c] = ((const float *)b->data)[nn_count(&b->dims) == 1 ? 0 : c];
	return true;
}

/*
 * A Conv or Gemm with constant weights, and the batch normalisation (bn) or addition of a vector (add) behind it. True when it was emitted.
 * A MatMul becomes a Gemm.
 */
static bool fold_weights(struct folder *f, const struct nn_node *n)
{
	const struct nn_tensor *w = constant(f, n, 1);
	uint32_t next = only_output(n) ? nn_sole_user(f->from, n->out[0]) : NN_NOWHERE, axis, in[3], out;
	const struct nn_node *behind = next == NN_NOWHERE ? NULL : &f->from->nodes[next];
	bool gemm = n->op == NN_GEMM, matmul = n->op == NN_MATMUL, bn = behind && behind->op == NN_BATCH_NORM && !matmul, add = false;
	double *times = NULL, *plus = NULL, *bias = NULL;
	struct nn_attrs attrs = n->attrs;
	float *data = NULL, *vector = NULL;
	int64_t channels, count;
	bool done = false;

	if (!w || w->dims.n < 2 || !only_output(n) || !nn_count(&w->dims))
		return false;
	axis = nn_weight_axis(n);
	channels = w->dims.d[axis];
	count = nn_count(&w->dims);
	if (matmul) {
		uint32_t other;
		const struct nn_tensor *b;

		if (!behind || behind->op != NN_ADD || w->dims.n != 2 || f->from->tensors[n->in[0]].dims.n != 2)
			return false;
		other = behind->in[0] == n->out[0] ? 1 : 0;
		b = constant(f, behind, other);
		if (!b || b->dims.n > 2 || !b->dims.n || b->dims.d[b->dims.n - 1] != channels || nn_count(&b->dims) != channels)
			return false;
		add = true;
		attrs = (struct nn_attrs){ .alpha = 1, .beta = 1 };
	}
	bn = bn && only_output(behind) && behind->in[0] == n->out[0];
	if (!gemm && !bn && !add)
		return false;
	times = malloc((size_t)channels * sizeof(*times));
	plus = malloc((size_t)channels * sizeof(*plus));
	bias = malloc((size_t)channels * sizeof(*bias));
	vector = malloc((size_t)channels * sizeof(*vector));
	data = malloc((size_t)count * sizeof(*data));
	if (!times || !plus || !bias || !vector || !data) {
		f->failed = true;
		goto out;
	}
	if (add) {
		const float *b = constant(f, behind, behind->in[0] == n->out[0] ? 1 : 0)->data;

		for (int64_t c = 0; c < channels; c++)
			bias[c] = b[c];
	} else if (!bias_terms(f, n, channels, bias)) {
		goto out;
	}
	if (bn && !norm_terms(f, behind, channels, times, plus)) {
		bn = false;
		if (!gemm)
			goto out;
	}
	for (int64_t c = 0; c < channels; c++) {
		double t = bn ? times[c] : 1, p = bn ? plus[c] : 0;

		vector[c] = (float)(bias[c] * (gemm ? n->attrs.beta : 1) * t + p);
		times[c] = t * (gemm ? n->attrs.alpha : 1);
	}
	for (int64_t i = 0; i < count; i++)
		data[i] = (float)(((const float *)w->data)[i] * times[axis ? i % channels : i / (count / channels)]);
	attrs.alpha = attrs.beta = 1;
	in[0] = use(f, n->in[0]);
	in[1] = made(f, nn_graph_add_constant(f->to, nn_namer_make(&f->namer, f->from->tensors[n->out[0]].name, "_folded"), NN_F4, &w->dims, data));
	in[2] = bn || add || !left_out(n, 2) ? add_vector(f, f->from->tensors[n->out[0]].name, "_offsets", channels, vector) : NN_NOWHERE;
	out = use(f, bn || add ? behind->out[0] : n->out[0]);
	if (!f->failed)
		made(f, nn_graph_add_node(f->to, matmul ? NN_GEMM : n->op, n->name, in, in[2] == NN_NOWHERE ? 2 : 3, &out, 1, &attrs));
	if (bn || add)
		f->gone[next] = true;
	f->folded += bn;
	done = true;
out:
	free(times);
	free(plus);
	free(bias);
	free(vector);
	free(data);
	return done;
}

/* Nothing before it to go into. */
static bool norm_to_depthwise(struct folder *f, const struct nn_node *n)
{
	const struct nn_tensor *x = &f->from->tensors[n->in[0]];
	int64_t channels = x->dims.n == 4 ? x->dims.d[1] : 0;
	struct nn_attrs attrs = { .kernel = { 1, 1 }, .strides = { 1, 1 }, .dilations = { 1, 1 }, .spatial = 2,
				  .wide = { { 1, 1 }, { 1, 1 }, { 1, 1 }, { 0 } }, .group = channels };
	struct nn_dims dims = { 4, { channels, 1, 1, 1 } };
	double *times, *plus;
	float *data;
	uint32_t in[3], out;
	bool done = false;

	if (!channels || !only_output(n))
		return false;
	times = malloc((size_t)channels * sizeof(*times));
	plus = malloc((size_t)channels * sizeof(*plus));
	data = malloc((size_t)channels * sizeof(*data));
	if (!times || !plus || !data) {
		f->failed = true;
	} else if (norm_terms(f, n, channels, times, plus)) {
		const char *base = f->from->tensors[n->out[0]].name;

		for (int64_t c = 0; c < channels; c++)
			data[c] = (float)times[c];
		in[0] = use(f, n->in[0]);
		in[1] = made(f, nn_graph_add_constant(f->to, nn_namer_make(&f->namer, base, "_folded"), NN_F4, &dims, data));
		for (int64_t c = 0; c < channels; c++)
			data[c] = (float)plus[c];
		in[2] = add_vector(f, base, "_offsets", channels, data);
		out = use(f, n->out[0]);
		if (!f->failed)
			made(f, nn_graph_add_node(f->to, NN_CONV, n->name, in, 3, &out, 1, &attrs));
		done = true;
	}
	free(times);
	free(plus);
	free(data);
	return done;
}

static bool mean_to_pool(struct folder *f, const struct nn_node *n)
{
	const struct nn_tensor *x = &f->from->tensors[n->in[0]], *y = &f->from->tensors[n->out[0]];
	const struct nn_attrs *a = &n->attrs;
	struct nn_attrs flatten = { .axis = 1 };
	struct nn_dims dims = x->dims;
	uint32_t in, pooled, out;

	if (x->dims.n != 4 || x->type != NN_F4 || a->nr_axes != 2 || a->axes[0] + a->axes[1] != 5 || a->axes[0] * a->axes[1] != 6)
		return false;
	dims.d[2] = dims.d[3] = 1;
	in = use(f, n->in[0]);
	out = use(f, n->out[0]);
	pooled = a->keepdims ? out : made(f, nn_graph_add_tensor(f->to, nn_namer_make(&f->namer, y->name, "_pooled"), NN_F4, &dims));
	if (f->failed)
		return true;
	made(f, nn_graph_add_node(f->to, NN_GLOBAL_AVERAGE_POOL, n->name, &in, 1, &pooled, 1, NULL));
	if (!a->keepdims)
		made(f, nn_graph_add_node(f->to, NN_FLATTEN, nn_namer_make(&f->namer, n->name, "_pooled"), &pooled, 1, &out, 1, &flatten));
	return true;
}

/* The Pad that makes @tensor, of rows and columns with zeros; NULL: there is none. */
static const struct nn_node *zero_pad(const struct folder *f, uint32_t tensor)
{
	uint32_t p = f->from->tensors[tensor].producer, rank = f->from->tensors[tensor].dims.n;
	const struct nn_node *n = p == NN_NOWHERE ? NULL : &f->from->nodes[p];
	const struct nn_tensor *value;

	if (!n || n->op != NN_PAD || f->from->tensors[tensor].type != NN_F4)
		return NULL;
	value = constant(f, n, 2);
	if (!left_out(n, 2) && (!value || *(const float *)value->data != 0))
		return NULL;
	for (uint32_t d = 0; d < 2 && d < rank; d++)
		if (n->attrs.padding[d] || n->attrs.padding[rank + d])
			return NULL;
	return n;
}

/*
 * Give the pads of a Pad to the Conv or AveragePool behind it; false, and nothing changed, when that would compute something else. A Pad that nobody reads any more
 * is dropped with all else that no output needs.
 */
static bool take_pads(struct nn_node *n, const struct nn_node *pad)
{
	bool pool = n->op == NN_AVERAGE_POOL, had = false, gets = false;
	struct nn_attrs a = n->attrs;
	uint32_t s = a.spatial;

	for (uint32_t i = 0; i < s; i++) {
		int64_t *begin = &a.wide[3][i], *end = &a.wide[3][i + s], extent = (a.wide[0][i] - 1) * a.wide[2][i] + 1;
		int64_t before = pad->attrs.padding[2 + i], behind = pad->attrs.padding[s + 4 + i];

		had |= *begin || *end;
		gets |= before || behind;
		*begin += before;
		*end += behind;
		/* What infer_conv.c would refuse: more than 31 bits, and pools' windows of padding only. */
		if (*begin > INT32_MAX || *end > INT32_MAX || (pool && (*begin >= extent || *end >= extent)))
			return false;
	}
	/* The Pad's zeros are counted in averages, the pool's own only with count_include_pad. */
	if (pool && gets && had && !a.count_include_pad)
		return false;
	a.count_include_pad |= pool && gets;
	n->attrs = a;
	return true;
}

/* One window more because of ceil_mode? It sticks out of the image, and how many of its elements are counted then depends on where the pads are. */
static bool ends_early(const struct folder *f, const struct nn_node *n)
{
	const struct nn_tensor *x = &f->from->tensors[n->in[0]];
	const struct nn_attrs *a = &n->attrs;

	for (uint32_t i = 0; i < a->spatial && a->ceil_mode; i++)
		if ((x->dims.d[i + 2] + a->wide[3][i] + a->wide[3][i + a->spatial] - (a->wide[0][i] - 1) * a->wide[2][i] - 1) % a->wide[1][i])
			return true;
	return false;
}

/* A Pad before a Conv or AveragePool: @out is the node without it, with its inputs in @in. */
static bool without_pad(const struct folder *f, const struct nn_node *n, struct nn_node *out, uint32_t in[3])
{
	const struct nn_node *pad;
	bool taken = false;

	*out = *n;
	if ((n->op != NN_CONV && n->op != NN_AVERAGE_POOL) || ends_early(f, n))
		return false;
	memcpy(in, n->in, n->nr_in * sizeof(*in));
	out->in = in;
	while ((pad = zero_pad(f, in[0])) && take_pads(out, pad)) {
		in[0] = pad->in[0];
		taken = true;
	}
	return taken;
}

static bool pads_nothing(const struct nn_node *n, uint32_t rank)
{
	for (uint32_t i = 0; i < 2 * rank; i++)
		if (n->attrs.padding[i])
			return false;
	return true;
}

static void fold_node(struct folder *f, const struct nn_node *n)
{
	struct nn_node bare;
	uint32_t in[3];

	if (without_pad(f, n, &bare, in))
		n = &bare;
	switch (n->op) {
	case NN_PAD:
		if (!pads_nothing(n, f->from->tensors[n->in[0]].dims.n))
			break;
		/* fall through */
	case NN_IDENTITY:
	case NN_DROPOUT:
		/* An output keeps its name, so its copy stays. */
		if (only_output(n) && !f->from->tensors[n->out[0]].is_output) {
			f->map[n->out[0]] = use(f, n->in[0]);
			return;
		}
		break;
	case NN_CONV:
	case NN_GEMM:
	case NN_MATMUL:
		if (fold_weights(f, n))
			return;
		break;
	case NN_BATCH_NORM:
		if (norm_to_depthwise(f, n))
			return;
		break;
	case NN_REDUCE_MEAN:
		if (mean_to_pool(f, n))
			return;
		break;
	default:
		break;
	}
	if (!f->failed)
		f->failed = nn_copy_node(f->to, f->from, f->map, n) != 0;
}

int nn_quantize_fold(const struct nn_graph *g, struct nn_graph **out, uint32_t *folded, struct smartssd_error *err)
{
	struct folder f = { .from = g, .to = nn_graph_new(g->name), .map = malloc((g->nr_tensors + 1ull) * sizeof(*f.map)),
			    .gone = calloc(g->nr_nodes + 1ull, sizeof(*f.gone)) };
	int ret = 0;

	*out = NULL;
	nn_namer_init(&f.namer, g, suffixes);
	f.failed = !f.to || !f.map || !f.gone;
	if (!f.failed)
		memset(f.map, 255, g->nr_tensors * sizeof(*f.map));
	for (uint32_t i = 0; i < g->nr_inputs && !f.failed; i++)
		f.failed |= use(&f, g->inputs[i]) == NN_NOWHERE || nn_graph_add_input(f.to, f.map[g->inputs[i]]);
	for (uint32_t i = 0; i < g->nr_nodes && !f.failed; i++)
		if (!f.gone[i])
			fold_node(&f, &g->nodes[i]);
	for (uint32_t i = 0; i < g->nr_outputs && !f.failed; i++)
		f.failed |= use(&f, g->outputs[i]) == NN_NOWHERE || nn_graph_add_output(f.to, f.map[g->outputs[i]]);
	if (f.failed)
		ret = nn_fail(err, -ENOMEM, "no memory for a copy of the model");
	else
		ret = nn_graph_finish(f.to, err);
	if (ret) {
		nn_graph_free(f.to);
	} else {
		*out = f.to;
		*folded = f.folded;
	}
	free(f.namer.text);
	free(f.map);
	free(f.gone);
	return ret;
}
