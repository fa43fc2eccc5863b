// SPDX-License-Identifier: BSD-2-Clause
#include <check.h>
#include <math.h>
#include <stdio.h>

#include "../kernels/random.h"
#include "net.h"

uint32_t net_batch = 1;

static void *more(void *array, uint32_t nr, size_t bytes)
{
	array = realloc(array, (nr + 1) * bytes);
	ck_assert_ptr_nonnull(array);
	return array;
}

struct nn_program *net_new(const char *name)
{
	struct nn_program *p = calloc(1, sizeof(*p));

	ck_assert_ptr_nonnull(p);
	p->name = strdup(name);
	p->decision = strdup("by hand");
	p->cards = 1;
	p->input_scale = 1;
	p->weights_offset = 4096;
	return p;
}

void net_free(struct nn_program *p)
{
	nn_program_free(p);
}

static uint32_t add_value(struct nn_program *p, const struct nn_value *v)
{
	char name[32];

	snprintf(name, sizeof(name), "value%u", p->nr_values);
	p->values = more(p->values, p->nr_values, sizeof(*p->values));
	p->values[p->nr_values] = *v;
	p->values[p->nr_values].name = strdup(name);
	return p->nr_values++;
}

uint32_t net_input(struct nn_program *p, enum nn_type type, uint32_t c, uint32_t h, uint32_t w)
{
	uint32_t v = add_value(p, &(struct nn_value){ .plain = true, .type = type, .dims = { 4, { net_batch, c, h, w } }, .images = net_batch, .whole = NN_NONE_VALUE });

	p->inputs = more(p->inputs, p->nr_inputs, sizeof(*p->inputs));
	p->inputs[p->nr_inputs++] = v;
	return v;
}

uint32_t net_value(struct nn_program *p, uint32_t c, uint32_t h, uint32_t w, uint32_t whole, uint32_t at)
{
	return add_value(p, &(struct nn_value){
		.type = random_in(0, 1) ? NN_U1 : NN_I1, .dims = { 4, { net_batch, c, h, w } }, .images = net_batch, .h = h, .w = w, .c = c,
		.channels = (c + NN_LANES - 1) / NN_LANES * NN_LANES, .scale = 0.05f, .zero = (uint32_t)random_in(64, 192), .whole = whole, .at = at });
}

static struct nn_layer *add_layer(struct nn_program *p, enum nn_layer_kind kind, uint32_t in, uint32_t second, uint32_t out)
{
	struct nn_layer *l;
	char name[32];

	snprintf(name, sizeof(name), "layer%u", p->nr_layers);
	p->layers = more(p->layers, p->nr_layers, sizeof(*p->layers));
	l = &p->layers[p->nr_layers++];
	*l = (struct nn_layer){ .kind = kind, .name = strdup(name), .fused = strdup(""), .why = strdup(""), .why_host = strdup(""), .in = { in, second }, .out = out };
	return l;
}

/* Random bytes, at a multiple of 64 in the weights. */
static uint8_t *add_weights(struct nn_program *p, uint64_t bytes, uint64_t *at)
{
	*at = p->weights_bytes;
	p->weights_bytes += align_up(bytes, 64);
	p->weights = realloc(p->weights, p->weights_bytes);
	ck_assert_ptr_nonnull(p->weights);
	for (uint64_t i = *at; i < p->weights_bytes; i++)
		p->weights[i] = (uint8_t)random_in(0, 255);
	return p->weights + *at;
}

/* Bias and multiplier of @n filters with sums of @terms products: so that outputs use their range. */
static void add_coef(struct nn_program *p, struct nn_layer *l, uint32_t n, uint32_t terms)
{
	uint8_t *to = add_weights(p, n * 8ull, &l->coef_at);

	l->coef_bytes = n * 8ull;
	for (uint32_t f = 0; f < n; f++) {
		int32_t bias = (int32_t)random_in(0, 20000) - 10000;
		float mult = 60.0f / (sqrtf((float)terms) * 128 * 74);

		memcpy(to + f * 8, &bias, 4);
		memcpy(to + f * 8 + 4, &mult, 4);
	}
}

/* The input's zero point goes into the bias. */
static void subtract(struct nn_program *p, const struct nn_layer *l, uint32_t f, int32_t part)
{
	int32_t bias;

	memcpy(&bias, p->weights + l->coef_at + f * 8, 4);
	bias -= part;
	memcpy(p->weights + l->coef_at + f * 8, &bias, 4);
}

uint32_t net_pack(struct nn_program *p, uint32_t in)
{
	struct nn_dims d = p->values[in].dims;
	uint32_t out = net_value(p, (uint32_t)d.d[1], (uint32_t)d.d[2], (uint32_t)d.d[3], NN_NONE_VALUE, 0);
	struct nn_layer *l = add_layer(p, NN_LAYER_PACK, in, NN_NONE_VALUE, out);

	l->pack = (struct nn_pack_layer){ .is_float = p->values[in].type == NN_F4, .scale = 0.04f, .zero = p->values[out].zero, .kernel = 1, .stride = 1 };
	l->pack.outside = l->pack.zero;
	if (!l->pack.is_float)
		p->values[out].type = p->values[in].type;
	if (l->pack.is_float)
		return out;
	l->lut_bytes = (uint64_t)d.d[1] * 256;
	add_weights(p, l->lut_bytes, &l->lut_at);
	return out;
}

uint32_t net_conv(struct nn_program *p, uint32_t in, uint32_t filters, uint32_t kernel, uint32_t stride, uint32_t residual, uint32_t out)
{
	struct nn_value x = p->values[in];
	uint32_t pad = kernel / 2, h = (x.h + 2 * pad - kernel) / stride + 1, w = (x.w + 2 * pad - kernel) / stride + 1;
	uint32_t padded = (filters + NN_BLOCK - 1) / NN_BLOCK * NN_BLOCK;
	struct nn_layer *l;

	if (out == NN_NONE_VALUE)
		out = net_value(p, filters, h, w, NN_NONE_VALUE, 0);
	l = add_layer(p, NN_LAYER_CONV, in, residual, out);
	l->conv = (struct nn_conv_layer){
		.groups = 1, .channels = x.channels, .filters = padded, .kernel = { kernel, kernel }, .stride = { stride, stride },
		.dilation = { 1, 1 }, .pad = { pad, pad }, .out = { h, w }, .x_zero = x.zero, .zero = p->values[out].zero, .lo = 0, .hi = 255,
		.macs = (uint64_t)h * w * filters * x.c * kernel * kernel,
	};
	if (residual != NN_NONE_VALUE) {
		l->conv.residual = true;
		l->conv.v_mult = 0.7f;
		l->conv.r_mult = 0.6f;
		l->conv.r_zero = p->values[residual].zero;
		l->conv.sum_zero = p->values[out].zero;
		l->conv.sum_hi = 255;
	}
	l->w_bytes = (uint64_t)padded * x.channels * kernel * kernel;
	add_weights(p, l->w_bytes, &l->w_at);
	add_coef(p, l, padded, x.channels * kernel * kernel);
	for (uint32_t f = 0; f < padded; f++)
		for (uint32_t i = 0; i < x.channels * kernel * kernel; i++)
			subtract(p, l, f, (int32_t)x.zero * (int8_t)p->weights[l->w_at + nn_weight_at(kernel * kernel, x.channels, f, i / x.channels, i % x.channels)]);
	return out;
}

uint32_t net_depthwise(struct nn_program *p, uint32_t in, uint32_t stride)
{
	struct nn_value x = p->values[in];
	uint32_t h = (x.h - 1) / stride + 1, w = (x.w - 1) / stride + 1, out = net_value(p, x.c, h, w, NN_NONE_VALUE, 0);
	struct nn_layer *l = add_layer(p, NN_LAYER_DEPTHWISE, in, NN_NONE_VALUE, out);

	l->depthwise = (struct nn_depthwise_layer){
		.kernel = { 3, 3 }, .stride = { stride, stride }, .dilation = { 1, 1 }, .pad = { 1, 1 }, .out = { h, w }, .x_zero = x.zero,
		.zero = p->values[out].zero, .lo = 0, .hi = 255, .macs = (uint64_t)h * w * x.c * 9,
	};
	l->w_bytes = 9ull * x.channels;
	add_weights(p, l->w_bytes, &l->w_at);
	add_coef(p, l, x.channels, 9);
	for (uint32_t i = 0; i < 9 * x.channels; i++)
		subtract(p, l, i % x.channels, (int32_t)x.zero * (int8_t)p->weights[l->w_at + i]);
	return out;
}

uint32_t net_pool(struct nn_program *p, uint32_t in, uint32_t kernel, uint32_t stride, bool average)
{
	struct nn_value x = p->values[in];
	uint32_t h = (x.h - kernel) / stride + 1, w = (x.w - kernel) / stride + 1, out = net_value(p, x.c, h, w, NN_NONE_VALUE, 0);
	struct nn_layer *l = add_layer(p, NN_LAYER_POOL, in, NN_NONE_VALUE, out);

	l->pool = (struct nn_pool_layer){
		.average = average, .kernel = { kernel, kernel }, .stride = { stride, stride }, .dilation = { 1, 1 }, .out = { h, w },
		.x_zero = x.zero, .zero = p->values[out].zero, .lo = 0, .hi = 255, .mult = 1.5f,
	};
	return out;
}

uint32_t net_add(struct nn_program *p, uint32_t a, uint32_t b)
{
	struct nn_value x = p->values[a];
	uint32_t out = net_value(p, x.c, x.h, x.w, NN_NONE_VALUE, 0);
	struct nn_layer *l = add_layer(p, NN_LAYER_ADD, a, b, out);

	l->add = (struct nn_add_layer){ x.zero, p->values[b].zero, p->values[out].zero, 0, 255, 0.8f, 0.7f };
	return out;
}

uint32_t net_softmax(struct nn_program *p, uint32_t in)
{
	const struct nn_value x = p->values[in];
	uint32_t out = add_value(p, &(struct nn_value){ .plain = true, .type = NN_F4, .dims = { 4, { net_batch, x.c, 1, 1 } }, .images = net_batch, .whole = NN_NONE_VALUE });
	struct nn_layer *l = add_layer(p, NN_LAYER_GRAPH, NN_NONE_VALUE, NN_NONE_VALUE, NN_NONE_VALUE);
	struct nn_graph *g = nn_graph_new("piece");
	struct nn_attrs attrs = { .axis = 1 };
	struct smartssd_error err;
	float scale = 0.05f;
	int8_t zero = 3;
	uint32_t t[5];

	p->graphs = more(p->graphs, p->nr_graphs, sizeof(*p->graphs));
	p->graphs[p->nr_graphs] = g;
	t[0] = nn_graph_add_tensor(g, "x", x.type, &x.dims);
	t[1] = nn_graph_add_constant(g, "scale", NN_F4, &(struct nn_dims){ 0 }, &scale);
	t[2] = nn_graph_add_constant(g, "zero", x.type, &(struct nn_dims){ 0 }, &zero);
	t[3] = nn_graph_add_tensor(g, "f", NN_F4, &x.dims);
	t[4] = nn_graph_add_tensor(g, "y", NN_F4, &x.dims);
	g->inputs = more(NULL, 0, sizeof(*g->inputs));
	g->inputs[g->nr_inputs++] = t[0];
	g->tensors[t[0]].is_input = true;
	g->outputs = more(NULL, 0, sizeof(*g->outputs));
	g->outputs[g->nr_outputs++] = t[4];
	g->tensors[t[4]].is_output = true;
	nn_graph_add_node(g, NN_DEQUANTIZE, "dequantize", t, 3, &t[3], 1, &attrs);
	nn_graph_add_node(g, NN_SOFTMAX, "softmax", &t[3], 1, &t[4], 1, &attrs);
	ck_assert_msg(!nn_graph_finish(g, &err), "%s", err.text);
	l->place = NN_ON_HOST;
	free(l->why_host);
	l->why_host = strdup("no kernel for Softmax");
	l->graph = (struct nn_graph_layer){ .graph = p->nr_graphs++, .nr_in = 1, .nr_out = 1 };
	l->graph.in = more(NULL, 0, sizeof(uint32_t));
	l->graph.out = more(NULL, 0, sizeof(uint32_t));
	l->graph.in[0] = in;
	l->graph.out[0] = out;
	return out;
}

void net_output(struct nn_program *p, uint32_t value)
{
	p->outputs = more(p->outputs, p->nr_outputs, sizeof(*p->outputs));
	p->outputs[p->nr_outputs++] = value;
}

void net_finish(struct nn_program *p)
{
	struct smartssd_error err = { "" };

	for (uint32_t l = 0; l < p->nr_layers; l++)
		if (p->layers[l].kind != NN_LAYER_GRAPH)
			ck_assert_msg(!nn_layer_default_tiles(p, &p->layers[l], &err), "%s", err.text);
	ck_assert_msg(!nn_program_check(p, &err), "%s", err.text);
}

struct nn_program *net_random(bool float_input, bool softmax)
{
	struct nn_program *p = net_new("random");
	uint32_t side = random_in(6, 14), c = random_in(3, 40), x, y, whole, a, b, left = random_in(1, 2) * NN_LANES, right = random_in(1, 40);

	x = net_pack(p, net_input(p, float_input ? NN_F4 : NN_U1, random_in(1, 5), side, side));
	x = net_conv(p, x, c, 3, 1, NN_NONE_VALUE, NN_NONE_VALUE);
	y = net_conv(p, x, random_in(1, 50), 1, 1, NN_NONE_VALUE, NN_NONE_VALUE);
	y = net_conv(p, y, c, 3, 1, x, NN_NONE_VALUE); /* the residual reads x three layers later */
	y = net_add(p, y, x);
	y = net_pool(p, y, 2, 2, random_in(0, 1));
	y = net_depthwise(p, y, 1);
	/* Two layers write side by side, the second one's input outlives the first. */
	whole = net_value(p, left + right, p->values[y].h, p->values[y].w, NN_NONE_VALUE, 0);
	a = net_value(p, left, p->values[y].h, p->values[y].w, whole, 0);
	b = net_value(p, right, p->values[y].h, p->values[y].w, whole, left);
	p->values[a].type = p->values[b].type = p->values[whole].type;
	p->values[a].zero = p->values[b].zero = p->values[whole].zero;
	net_conv(p, y, left, 1, 1, NN_NONE_VALUE, a);
	net_conv(p, y, right, 3, 1, NN_NONE_VALUE, b);
	y = net_conv(p, a, 16, 1, 1, NN_NONE_VALUE, NN_NONE_VALUE); /* a part alone is read, too */
	x = net_conv(p, whole, 16, 3, 1, y, NN_NONE_VALUE);
	x = net_pool(p, x, p->values[x].h, 1, true);
	x = net_conv(p, x, random_in(2, 20), 1, 1, NN_NONE_VALUE, NN_NONE_VALUE);
	net_output(p, x);
	if (softmax)
		net_output(p, net_softmax(p, x));
	net_finish(p);
	return p;
}

uint64_t net_output_bytes(const struct nn_program *p, uint32_t i)
{
	const struct nn_value *v = &p->values[p->outputs[i]];

	return (uint64_t)nn_count(&v->dims) * nn_type_bytes(v->type);
}

static void run_piece(const struct nn_program *p, const struct nn_layer *l, const uint8_t *arena, const struct nn_memory *memory, void *out)
{
	const struct nn_graph *g = p->graphs[l->graph.graph];
	const struct nn_value *x = &p->values[l->graph.in[0]];
	struct nn_values values;
	struct smartssd_error err;
	void *in = malloc((size_t)nn_count(&x->dims));

	ck_assert_int_eq(nn_values_init(&values, g, false), 0);
	nn_value_to_plain(p, x, nn_program_batch(p), arena + memory->offset[l->graph.in[0]], in);
	values.value[g->inputs[0]] = in;
	ck_assert_msg(!nn_eval(&values, NULL, NULL, &err), "%s", err.text);
	memcpy(out, values.value[g->outputs[0]], (size_t)nn_count(&p->values[l->graph.out[0]].dims) * 4);
	nn_values_free(&values);
	free(in);
}

void net_reference(const struct nn_program *p, const void *input, uint64_t images, void *const *outputs)
{
	const struct nn_value *in = &p->values[p->inputs[0]];
	uint64_t each = (uint64_t)nn_count(&in->dims) * nn_type_bytes(in->type);
	uint32_t batch = nn_program_batch(p);
	struct smartssd_error err = { "" };
	struct nn_memory memory;
	uint8_t *arena;

	ck_assert_int_eq(nn_memory_plan(p, batch, true, &memory), 0);
	arena = calloc(1, memory.bytes + 64);
	for (uint64_t n = 0; n < images / batch; n++) {
		const uint8_t *image = (const uint8_t *)input + n * each;

		for (uint32_t l = 0; l < p->nr_layers; l++) {
			if (p->layers[l].kind == NN_LAYER_GRAPH)
				run_piece(p, &p->layers[l], arena, &memory, (uint8_t *)outputs[1] + n * net_output_bytes(p, 1));
			else
				ck_assert_msg(!nn_layer_run_host(p, &p->layers[l], &memory, batch, arena, p->weights, image, true, &err), "%s", err.text);
		}
		for (uint32_t i = 0; i < p->nr_outputs; i++)
			if (!p->values[p->outputs[i]].plain)
				nn_value_to_plain(p, &p->values[p->outputs[i]], batch, arena + memory.offset[p->outputs[i]],
						  (uint8_t *)outputs[i] + n * net_output_bytes(p, i));
	}
	free(arena);
	free(memory.offset);
}
