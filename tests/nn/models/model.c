// SPDX-License-Identifier: BSD-2-Clause
/* The networks, layer by layer. Each is built twice: with batch normalisation everywhere to measure its statistics, then as it is to be. */
#include <math.h>
#include <stdio.h>

#include "../../../runtime/nn/quantize_impl.h"
#include "model.h"

#define CLASSES	 1000
#define MEASURED 4 /* pictures that statistics are measured over */
#define STAT_SEED 0x5eed5eed

uint64_t model_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

float model_normal(uint64_t *state)
{
	uint64_t r = model_random(state);
	int32_t sum = (int32_t)(r & 65535) + (int32_t)(r >> 16 & 65535) + (int32_t)(r >> 32 & 65535) + (int32_t)(r >> 48) - 2 * 65535;

	/* The variance of four is 4 * 2^32 / 12. */
	return (float)sum * (1 / 37837.2f);
}

void model_picture(uint64_t seed, uint64_t index, uint32_t side, uint8_t *bytes)
{
	uint64_t state = seed * 1000003 + index;
	enum { BLOBS = 12 };
	struct {
		float x, y, r, colour[3];
	} blob[BLOBS];
	float back[3], slope[2], noise;

	for (int c = 0; c < 3; c++)
		back[c] = 128 + 45 * model_normal(&state);
	slope[0] = 40 * model_normal(&state);
	slope[1] = 40 * model_normal(&state);
	noise = 3 + (float)(model_random(&state) % 16);
	for (int i = 0; i < BLOBS; i++) {
		blob[i].x = (float)(model_random(&state) % 1000) / 1000;
		blob[i].y = (float)(model_random(&state) % 1000) / 1000;
		blob[i].r = 0.03f + (float)(model_random(&state) % 1000) / 5000;
		for (int c = 0; c < 3; c++)
			blob[i].colour[c] = 128 + 70 * model_normal(&state);
	}
	for (uint32_t y = 0; y < side; y++)
		for (uint32_t x = 0; x < side; x++) {
			float u = ((float)x + 0.5f) / (float)side, v = ((float)y + 0.5f) / (float)side, shade = slope[0] * (u - 0.5f) + slope[1] * (v - 0.5f);
			float p[3] = { back[0] + shade, back[1] + shade, back[2] + shade };

			for (int i = 0; i < BLOBS; i++) {
				float dx = u - blob[i].x, dy = v - blob[i].y, d = dx * dx + dy * dy, r = blob[i].r * blob[i].r;

				for (int c = 0; c < 3 && d < r; c++)
					p[c] += (blob[i].colour[c] - p[c]) * (d < 0.8f * r ? 1 : (r - d) / (0.2f * r));
			}
			for (int c = 0; c < 3; c++) {
				float n = rintf(p[c] + noise * model_normal(&state));

				bytes[((size_t)c * side + y) * side + x] = (uint8_t)(n < 0 ? 0 : n > 255 ? 255 : n);
			}
		}
}

void model_input(uint64_t seed, uint64_t index, uint32_t side, float *values)
{
	size_t n = (size_t)3 * side * side;
	uint8_t *bytes = malloc(n);

	if (!bytes)
		abort();
	model_picture(seed, index, side, bytes);
	for (size_t i = 0; i < n; i++)
		values[i] = ((float)bytes[i] / 255 - MODEL_MEAN) / MODEL_STD;
	free(bytes);
}

/* Batch normalisation of one layer: gamma, beta, mean, variance. */
struct stats {
	uint32_t channels;
	float *v[4];
};

struct net {
	struct nn_graph *g;
	uint64_t random;
	uint32_t side; /* rows and columns of a picture */
	bool measuring, plain; /* plain: without BatchNormalization, folded by hand */
	struct stats *stats;
	uint32_t nr_stats, at;
	uint32_t nodes;
	bool failed;
};

/* A tensor under construction. */
struct map {
	uint32_t t;
	int64_t n, c, h, w; /* h 0: a matrix */
};

static uint32_t made(struct net *net, uint32_t index)
{
	net->failed |= index == NN_NOWHERE;
	return index;
}

static const char *name_of(struct net *net, const char *what, const char *part)
{
	static __thread char text[2][64];
	static __thread unsigned turn;

	turn ^= 1;
	snprintf(text[turn], sizeof(text[turn]), "%s_%u%s", what, net->nodes, part);
	return text[turn];
}

static struct map result(struct net *net, const char *what, int64_t n, int64_t c, int64_t h, int64_t w)
{
	struct nn_dims dims = { h ? 4 : 2, { n, c, h, w } };

	return (struct map){ made(net, nn_graph_add_tensor(net->g, name_of(net, what, ""), NN_F4, &dims)), n, c, h, w };
}

static void node(struct net *net, enum nn_op op, const char *what, const uint32_t *in, uint32_t nr_in, struct map out, const struct nn_attrs *attrs)
{
	if (!net->failed)
		made(net, nn_graph_add_node(net->g, op, name_of(net, what, ""), in, nr_in, &out.t, 1, attrs));
	net->nodes++;
}

static uint32_t constant(struct net *net, const char *what, const char *part, const struct nn_dims *dims, const float *data)
{
	return made(net, nn_graph_add_constant(net->g, name_of(net, what, part), NN_F4, dims, data));
}

/* The next layer's statistics: gamma and beta drawn, mean 0 and variance 1 until they are measured. */
static struct stats *next_stats(struct net *net, int64_t channels, float gamma)
{
	struct stats *s, *more;

	if (net->at == net->nr_stats) {
		more = realloc(net->stats, (net->nr_stats + 1) * sizeof(*more));
		if (!more)
			abort();
		net->stats = more;
		s = &more[net->nr_stats++];
		s->channels = (uint32_t)channels;
		for (int k = 0; k < 4; k++) {
			s->v[k] = malloc((size_t)channels * sizeof(float));
			if (!s->v[k])
				abort();
			for (int64_t c = 0; c < channels; c++)
				s->v[k][c] = k == 0 ? gamma * (1 + 0.1f * model_normal(&net->random)) :
					     k == 1 ? 0.1f * model_normal(&net->random) :
						      (float)(k == 3);
		}
	} else {
		/* The same draws as before, so that weights are, too. */
		for (int64_t c = 0; c < 2 * channels; c++)
			model_normal(&net->random);
	}
	return &net->stats[net->at++];
}

/*
 * Conv (kernel k) or Gemm (k 0), and its batch normalisation. @gamma: how large the results are to be.
 */
static struct map linear(struct net *net, struct map x, int64_t filters, int64_t k, int64_t stride, int64_t pad, int64_t groups, float gamma)
{
	const char *what = k ? "conv" : "fc";
	int64_t inner = k ? x.c / groups : x.c, fan = inner * (k ? k * k : 1), count = filters * fan;
	struct nn_dims dims = { k ? 4 : 2, { filters, inner, k, k } }, vector = { 1, { filters } };
	struct nn_attrs attrs = { .kernel = { k, k }, .strides = { stride, stride }, .dilations = { 1, 1 }, .pads = { pad, pad, pad, pad }, .group = groups };
	float *w = malloc((size_t)count * sizeof(*w)), *bias = calloc((size_t)filters, sizeof(*bias)), size = sqrtf(2 / (float)fan);
	bool fold = net->plain && !net->measuring;
	uint32_t in[5] = { x.t };
	struct map y;
	struct stats *s;

	if (!w || !bias)
		abort();
	if (!k)
		attrs = (struct nn_attrs){ .trans_b = true, .alpha = 1, .beta = 1 };
	/* Depthwise filters that are mostly smoothing ones, as trained ones are: others would mostly pass on the noise of quantisation. */
	for (int64_t i = 0; i < count; i++)
		w[i] = size * (inner == 1 ? 0.8f + 0.6f * model_normal(&net->random) : model_normal(&net->random));
	s = next_stats(net, filters, gamma);
	for (int64_t f = 0; f < filters && fold; f++) {
		float times = s->v[0][f] / sqrtf(s->v[3][f] + 1e-5f);

		bias[f] = s->v[1][f] - s->v[2][f] * times;
		for (int64_t i = 0; i < fan; i++)
			w[f * fan + i] *= times;
	}
	in[1] = constant(net, what, "_weight", &dims, w);
	if (fold)
		in[2] = constant(net, what, "_bias", &vector, bias);
	y = k ? result(net, what, x.n, filters, (x.h + 2 * pad - k) / stride + 1, (x.w + 2 * pad - k) / stride + 1) : result(net, what, x.n, filters, 0, 0);
	node(net, k ? NN_CONV : NN_GEMM, what, in, fold ? 3 : 2, y, &attrs);
	free(w);
	free(bias);
	if (!fold) {
		static const char *const parts[4] = { "_gamma", "_beta", "_mean", "_var" };
		struct nn_attrs norm = { .epsilon = 1e-5f };

		in[0] = y.t;
		for (int i = 0; i < 4; i++)
			in[i + 1] = constant(net, "norm", parts[i], &vector, s->v[i]);
		y = result(net, "norm", y.n, y.c, y.h, y.w);
		node(net, NN_BATCH_NORM, "norm", in, 5, y, &norm);
	}
	return y;
}

static struct map relu(struct net *net, struct map x)
{
	struct map y = result(net, "relu", x.n, x.c, x.h, x.w);

	node(net, NN_RELU, "relu", &x.t, 1, y, NULL);
	return y;
}

static struct map relu6(struct net *net, struct map x)
{
	static const struct nn_dims scalar = { 0 };
	static const float lo = 0, hi = 6;
	uint32_t in[3] = { x.t, constant(net, "clip", "_min", &scalar, &lo), constant(net, "clip", "_max", &scalar, &hi) };
	struct map y = result(net, "clip", x.n, x.c, x.h, x.w);

	node(net, NN_CLIP, "clip", in, 3, y, NULL);
	return y;
}

static struct map conv_relu(struct net *net, struct map x, int64_t filters, int64_t k, int64_t stride, int64_t pad)
{
	return relu(net, linear(net, x, filters, k, stride, pad, 1, 1));
}

static struct map add(struct net *net, struct map a, struct map b)
{
	uint32_t in[2] = { a.t, b.t };
	struct map y = result(net, "add", a.n, a.c, a.h, a.w);

	node(net, NN_ADD, "add", in, 2, y, NULL);
	return y;
}

static struct map max_pool(struct net *net, struct map x, int64_t k, int64_t stride, int64_t pad, bool ceil)
{
	struct nn_attrs attrs = { .kernel = { k, k }, .strides = { stride, stride }, .dilations = { 1, 1 }, .pads = { pad, pad, pad, pad }, .ceil_mode = ceil };
	int64_t up = ceil ? stride - 1 : 0;
	struct map y = result(net, "pool", x.n, x.c, (x.h + 2 * pad - k + up) / stride + 1, (x.w + 2 * pad - k + up) / stride + 1);

	node(net, NN_MAX_POOL, "pool", &x.t, 1, y, &attrs);
	return y;
}

static struct map average(struct net *net, struct map x)
{
	struct nn_attrs attrs = { .axis = 1 };
	struct map y = result(net, "mean", x.n, x.c, 1, 1), z;

	node(net, NN_GLOBAL_AVERAGE_POOL, "mean", &x.t, 1, y, NULL);
	z = result(net, "flat", x.n, x.c, 0, 0);
	node(net, NN_FLATTEN, "flat", &y.t, 1, z, &attrs);
	return z;
}

static struct map resnet(struct net *net, struct map x, bool deep)
{
	static const int blocks18[4] = { 2, 2, 2, 2 }, blocks50[4] = { 3, 4, 6, 3 };

	x = max_pool(net, conv_relu(net, x, 64, 7, 2, 3), 3, 2, 1, false);
	for (int stage = 0; stage < 4; stage++)
		for (int block = 0; block < (deep ? blocks50 : blocks18)[stage]; block++) {
			int64_t width = 64 << stage, wide = deep ? 4 * width : width, stride = stage && !block ? 2 : 1;
			struct map y = x;

			if (deep) {
				y = conv_relu(net, y, width, 1, 1, 0);
				y = conv_relu(net, y, width, 3, stride, 1);
				y = linear(net, y, wide, 1, 1, 0, 1, 0.25f);
			} else {
				y = conv_relu(net, y, width, 3, stride, 1);
				y = linear(net, y, wide, 3, 1, 1, 1, 0.25f);
			}
			if (stride != 1 || x.c != wide)
				x = linear(net, x, wide, 1, stride, 0, 1, 1);
			x = relu(net, add(net, y, x));
		}
	return linear(net, average(net, x), CLASSES, 0, 1, 0, 1, 2);
}

static struct map resnet18(struct net *net, struct map x)
{
	return resnet(net, x, false);
}

static struct map resnet50(struct net *net, struct map x)
{
	return resnet(net, x, true);
}

/* @widths: filters; 0: a pool, -1: the end */
static struct map vgg(struct net *net, struct map x, const int *widths)
{
	struct nn_attrs attrs = { .axis = 1 };
	struct map y;

	for (size_t i = 0; widths[i] >= 0; i++)
		x = widths[i] ? conv_relu(net, x, widths[i], 3, 1, 1) : max_pool(net, x, 2, 2, 0, false);
	y = result(net, "flat", x.n, x.c * x.h * x.w, 0, 0);
	node(net, NN_FLATTEN, "flat", &x.t, 1, y, &attrs);
	y = relu(net, linear(net, y, 4096, 0, 1, 0, 1, 1));
	y = relu(net, linear(net, y, 4096, 0, 1, 0, 1, 1));
	return linear(net, y, CLASSES, 0, 1, 0, 1, 2);
}

static struct map vgg11(struct net *net, struct map x)
{
	static const int widths[] = { 64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0, -1 };

	return vgg(net, x, widths);
}

static struct map vgg16(struct net *net, struct map x)
{
	static const int widths[] = { 64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0, -1 };

	return vgg(net, x, widths);
}

static struct map mobilenetv2(struct net *net, struct map x)
{
	/* expansion, channels, repetitions, stride of the first */
	static const int blocks[][4] = { { 1, 16, 1, 1 },  { 6, 24, 2, 2 },  { 6, 32, 3, 2 }, { 6, 64, 4, 2 },
					 { 6, 96, 3, 1 }, { 6, 160, 3, 2 }, { 6, 320, 1, 1 } };

	x = relu6(net, linear(net, x, 32, 3, 2, 1, 1, 1));
	for (size_t b = 0; b < ARRAY_SIZE(blocks); b++)
		for (int i = 0; i < blocks[b][2]; i++) {
			int64_t stride = i ? 1 : blocks[b][3], wide = x.c * blocks[b][0];
			struct map y = x;

			if (blocks[b][0] != 1)
				y = relu6(net, linear(net, y, wide, 1, 1, 0, 1, 1));
			y = relu6(net, linear(net, y, wide, 3, stride, 1, wide, 1));
			y = linear(net, y, blocks[b][1], 1, 1, 0, 1, 0.5f);
			x = stride == 1 && x.c == y.c ? add(net, x, y) : y;
		}
	x = relu6(net, linear(net, x, 1280, 1, 1, 0, 1, 1));
	return linear(net, average(net, x), CLASSES, 0, 1, 0, 1, 2);
}

static struct map fire(struct net *net, struct map x, int64_t squeeze, int64_t expand)
{
	struct map s = conv_relu(net, x, squeeze, 1, 1, 0), a = conv_relu(net, s, expand, 1, 1, 0), b = conv_relu(net, s, expand, 3, 1, 1), y;
	struct nn_attrs attrs = { .axis = 1 };
	uint32_t in[2] = { a.t, b.t };

	y = result(net, "concat", a.n, a.c + b.c, a.h, a.w);
	node(net, NN_CONCAT, "concat", in, 2, y, &attrs);
	return y;
}

static struct map squeezenet(struct net *net, struct map x)
{
	x = max_pool(net, conv_relu(net, x, 64, 3, 2, 0), 3, 2, 0, true);
	x = max_pool(net, fire(net, fire(net, x, 16, 64), 16, 64), 3, 2, 0, true);
	x = max_pool(net, fire(net, fire(net, x, 32, 128), 32, 128), 3, 2, 0, true);
	x = fire(net, fire(net, fire(net, fire(net, x, 48, 192), 48, 192), 64, 256), 64, 256);
	return average(net, conv_relu(net, x, CLASSES, 1, 1, 0));
}

/* So little work for each byte that reading matters beside it: one convolution without overlap, as in a vision transformer, and a classifier. */
static struct map stem(struct net *net, struct map x)
{
	return linear(net, average(net, conv_relu(net, x, 16, 8, 8, 0)), 10, 0, 1, 0, 1, 2);
}

static const struct network {
	const char *name;
	struct map (*build)(struct net *net, struct map x);
	bool plain;
} networks[] = {
	{ "resnet18", resnet18, false },       { "resnet50", resnet50, false },		 { "vgg16", vgg16, true },
	{ "mobilenetv2", mobilenetv2, false }, { "squeezenet1_1", squeezenet, true }, { "vgg11_bn", vgg11, false },
	{ "stem", stem, false },
};

const char *model_name(unsigned i)
{
	return i < ARRAY_SIZE(networks) ? networks[i].name : NULL;
}

static int build(const struct network *n, struct net *net, uint64_t seed, int64_t batch, struct nn_graph **out, struct smartssd_error *err)
{
	struct nn_dims dims = { 4, { batch, 3, net->side, net->side } };
	struct map x = { 0, batch, 3, net->side, net->side }, y;
	int ret;

	net->g = nn_graph_new(n->name);
	if (!net->g)
		return smartssd_fail(err, -ENOMEM, "no memory");
	net->random = seed;
	net->at = net->nodes = 0;
	net->plain = n->plain;
	x.t = made(net, nn_graph_add_tensor(net->g, "image", NN_F4, &dims));
	y = n->build(net, x);
	if (net->failed || nn_graph_add_input(net->g, x.t) || nn_graph_add_output(net->g, y.t))
		ret = smartssd_fail(err, -ENOMEM, "no memory for the weights of %s", n->name);
	else
		ret = nn_graph_finish(net->g, err);
	if (ret)
		nn_graph_free(net->g);
	else
		*out = net->g;
	return ret;
}

struct measure {
	struct net *net;
	struct nn_graph *g;
};

/* The input of a batch normalisation was computed: its statistics become the parameters, before it is. */
static int measure(void *ctx, uint32_t t, const void *value)
{
	struct measure *m = ctx;
	const struct nn_dims *d = &m->g->tensors[t].dims;
	const float *v = value;
	uint32_t user;
	const struct nn_tensor *gamma;
	double all = 0;
	int64_t area;
	struct stats *s;

	if (nn_graph_users(m->g, t, &user, 1) != 1 || m->g->nodes[user].op != NN_BATCH_NORM || m->g->nodes[user].in[0] != t)
		return 0;
	/* Nodes were sorted, so their order says nothing; but no two layers have the same gamma. */
	gamma = &m->g->tensors[m->g->nodes[user].in[1]];
	for (s = m->net->stats; s->channels != gamma->dims.d[0] || memcmp(gamma->data, s->v[0], s->channels * sizeof(float));)
		s++;
	area = d->n == 4 ? d->d[2] * d->d[3] : 1;
	for (uint32_t c = 0; c < s->channels; c++) {
		double sum = 0, square = 0, count = (double)(d->d[0] * area);

		for (int64_t n = 0; n < d->d[0]; n++)
			for (int64_t i = 0; i < area; i++) {
				double x = v[(n * d->d[1] + c) * area + i];

				sum += x;
				square += x * x;
			}
		s->v[2][c] = (float)(sum / count);
		s->v[3][c] = (float)fmax(square / count - sum / count * (sum / count), 0);
		all += s->v[3][c];
	}
	/* Few values tell a channel's variance badly: it is that of all channels in part, for a matrix wholly. */
	for (uint32_t c = 0; c < s->channels; c++)
		s->v[3][c] = (float)((d->n == 4 ? 0.75 * s->v[3][c] : 0) + (d->n == 4 ? 0.25 : 1) * all / s->channels + 1e-6);
	for (int k = 2; k < 4; k++)
		memcpy(m->g->tensors[m->g->nodes[user].in[k + 1]].data, s->v[k], s->channels * sizeof(float));
	return 0;
}

static int measure_stats(const struct network *n, struct net *net, uint64_t seed, struct smartssd_error *err)
{
	size_t size = (size_t)3 * net->side * net->side;
	float *input = malloc(MEASURED * size * sizeof(*input));
	struct measure m = { .net = net };
	struct nn_values v;
	int ret;

	net->measuring = true;
	ret = input ? build(n, net, seed, MEASURED, &m.g, err) : -ENOMEM;
	net->measuring = false;
	if (!ret) {
		for (uint64_t i = 0; i < MEASURED; i++)
			model_input(STAT_SEED, i, net->side, input + i * size);
		ret = nn_values_init(&v, m.g, false);
		if (!ret) {
			v.value[m.g->inputs[0]] = input;
			ret = nn_eval(&v, measure, &m, err);
			nn_values_free(&v);
		}
		nn_graph_free(m.g);
	}
	free(input);
	return ret;
}

struct pictures {
	uint64_t index;
	uint32_t side;
};

static int next_input(void *ctx, float *input, struct smartssd_error *err)
{
	struct pictures *p = ctx;

	(void)err;
	if (p->index == 4)
		return 1;
	model_input(STAT_SEED + 1, p->index++, p->side, input);
	return 0;
}

static int quantise(struct nn_graph **g, uint32_t side, enum model_form form, struct smartssd_error *err)
{
	struct pictures pictures = { .side = side };
	struct nn_quantize how = { .next = next_input, .ctx = &pictures, .input_scale = 1.0f / 255, .mean = { MODEL_MEAN }, .std = { MODEL_STD }, .nr_mean = 1 };
	struct nn_graph *from = *g;
	int ret = nn_quantize_graph(from, &how, g, NULL, err);

	nn_graph_free(from);
	if (ret || form == MODEL_QDQ)
		return ret;
	from = *g;
	ret = model_qlinear(from, g, err);
	nn_graph_free(from);
	return ret;
}

int model_build(const char *name, uint64_t seed, uint32_t side, enum model_form form, struct nn_graph **out, struct smartssd_error *err)
{
	struct net net = { .side = side };
	unsigned at = 0;
	int ret;

	*out = NULL;
	while (at < ARRAY_SIZE(networks) && strcmp(networks[at].name, name))
		at++;
	if (at == ARRAY_SIZE(networks))
		return smartssd_fail(err, -EINVAL, "there is no network '%s' here", name);
	if (side < MODEL_LEAST_SIDE || side > MODEL_MOST_SIDE)
		return smartssd_fail(err, -EINVAL, "networks are for pictures of %u to %u columns, not %u", MODEL_LEAST_SIDE, MODEL_MOST_SIDE, side);
	ret = measure_stats(&networks[at], &net, seed, err);
	if (!ret)
		ret = build(&networks[at], &net, seed, 1, out, err);
	for (uint32_t i = 0; i < net.nr_stats; i++)
		for (int k = 0; k < 4; k++)
			free(net.stats[i].v[k]);
	free(net.stats);
	if (!ret && form != MODEL_FP32) {
		ret = quantise(out, side, form, err);
		if (ret)
			*out = NULL;
	}
	return ret;
}
