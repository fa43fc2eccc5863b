// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>

#include "../../runtime/nn/program_impl.h"
#include "../kernels/random.h"
#include "shape_net.h"

static void *more(void *array, uint32_t nr, size_t bytes)
{
	array = realloc(array, (nr + 1) * bytes);
	if (!array)
		abort();
	return array;
}

struct nn_program *shape_net_new(const char *name, enum nn_shell shell)
{
	struct nn_program *p = calloc(1, sizeof(*p));

	p->name = strdup(name);
	p->decision = strdup("");
	p->shell = shell;
	p->cards = 1;
	p->nr_mean = 3;
	p->input_scale = 1;
	p->std[0] = p->std[1] = p->std[2] = 1;
	return p;
}

static uint32_t add_value(struct nn_program *p, struct nn_value v)
{
	char name[32];

	snprintf(name, sizeof(name), "v%u", p->nr_values);
	v.name = strdup(name);
	v.images = 1;
	v.whole = NN_NONE_VALUE;
	v.scale = 1;
	p->values = more(p->values, p->nr_values, sizeof(*p->values));
	p->values[p->nr_values] = v;
	return p->nr_values++;
}

static uint32_t card_value(struct nn_program *p, uint32_t c, uint32_t h, uint32_t w)
{
	return add_value(p, (struct nn_value){ .type = NN_U1, .dims = { 4, { 1, c, h, w } }, .h = h, .w = w, .c = c,
					       .channels = (uint32_t)align_up(c, NN_LANES), .zero = 7 });
}

uint32_t shape_net_input(struct nn_program *p, uint32_t c, uint32_t h, uint32_t w)
{
	uint32_t v = add_value(p, (struct nn_value){ .plain = true, .type = NN_F4, .dims = { 4, { 1, c, h, w } } });

	p->inputs = more(p->inputs, p->nr_inputs, sizeof(*p->inputs));
	p->inputs[p->nr_inputs++] = v;
	return v;
}

static struct nn_layer *add_layer(struct nn_program *p, enum nn_layer_kind kind, uint32_t in, uint32_t second, uint32_t out)
{
	char name[32];
	struct nn_layer *l;

	snprintf(name, sizeof(name), "l%u", p->nr_layers);
	p->layers = more(p->layers, p->nr_layers, sizeof(*p->layers));
	l = &p->layers[p->nr_layers++];
	*l = (struct nn_layer){ .kind = kind, .name = strdup(name), .fused = strdup(""), .why = strdup(""), .why_host = strdup(""), .in = { in, second }, .out = out };
	return l;
}

static void weights(struct nn_program *p, struct nn_layer *l, uint64_t w, uint32_t filters)
{
	l->w_at = p->weights_bytes;
	l->w_bytes = w;
	l->coef_at = align_up(l->w_at + w, 64);
	l->coef_bytes = filters * 8ull;
	p->weights_bytes = align_up(l->coef_at + l->coef_bytes, 64);
}

uint32_t shape_net_pack(struct nn_program *p, uint32_t in, uint32_t unfold, uint32_t stride, uint32_t pad)
{
	struct nn_dims d = p->values[in].dims;
	uint32_t w = (uint32_t)((d.d[3] + 2 * pad - unfold) / stride + 1);
	uint32_t out = card_value(p, (uint32_t)d.d[1] * unfold, (uint32_t)d.d[2], w);
	struct nn_layer *l = add_layer(p, NN_LAYER_PACK, in, NN_NONE_VALUE, out);

	l->pack = (struct nn_pack_layer){ .is_float = true, .scale = 1, .kernel = unfold, .stride = stride, .pad = pad };
	l->lut_at = p->weights_bytes;
	l->lut_bytes = 256ull * (uint32_t)d.d[1];
	p->weights_bytes = align_up(l->lut_at + l->lut_bytes, 64);
	return out;
}

/* @kernel, @stride: [rows, columns]; @pool: 3x3, stride 2, behind it */
static uint32_t any_conv(struct nn_program *p, uint32_t in, uint32_t filters, const uint32_t kernel[2], const uint32_t stride[2], uint32_t residual, bool pool)
{
	struct nn_value x = p->values[in];
	uint32_t whole = kernel[0] > 1 && kernel[0] == stride[0]; /* of the image */
	uint32_t pad[2] = { whole ? 0 : kernel[0] / 2, whole ? 0 : kernel[1] / 2 }, padded = (uint32_t)align_up(filters, NN_BLOCK);
	uint32_t h = (x.h + 2 * pad[0] - kernel[0]) / stride[0] + 1, w = (x.w + 2 * pad[1] - kernel[1]) / stride[1] + 1;
	uint32_t out = pool ? card_value(p, filters, (h - 1) / 2 + 1, (w - 1) / 2 + 1) : card_value(p, filters, h, w);
	struct nn_layer *l = add_layer(p, NN_LAYER_CONV, in, residual, out);

	l->conv = (struct nn_conv_layer){ .groups = 1, .channels = x.channels, .filters = padded, .kernel = { kernel[0], kernel[1] },
					  .stride = { stride[0], stride[1] }, .dilation = { 1, 1 }, .pad = { pad[0], pad[1] }, .out = { h, w }, .hi = 255,
					  .macs = (uint64_t)h * w * filters * x.c * kernel[0] * kernel[1] };
	if (residual != NN_NONE_VALUE) {
		l->conv.residual = true;
		l->conv.v_mult = l->conv.r_mult = 1;
		l->conv.sum_hi = 255;
	}
	if (pool) {
		l->conv.pool[0] = l->conv.pool[1] = 3;
		l->conv.pool_stride[0] = l->conv.pool_stride[1] = 2;
		l->conv.pool_pad[0] = l->conv.pool_pad[1] = 1;
		l->conv.pool_out[0] = p->values[out].h;
		l->conv.pool_out[1] = p->values[out].w;
	}
	weights(p, l, (uint64_t)padded * x.channels * kernel[0] * kernel[1], padded);
	return out;
}

uint32_t shape_net_conv(struct nn_program *p, uint32_t in, uint32_t filters, uint32_t kernel, uint32_t stride, uint32_t residual)
{
	return any_conv(p, in, filters, (uint32_t[]){ kernel, kernel }, (uint32_t[]){ stride, stride }, residual, false);
}

uint32_t shape_net_depthwise(struct nn_program *p, uint32_t in, uint32_t stride)
{
	struct nn_value x = p->values[in];
	uint32_t h = (x.h - 1) / stride + 1, w = (x.w - 1) / stride + 1, out = card_value(p, x.c, h, w);
	struct nn_layer *l = add_layer(p, NN_LAYER_DEPTHWISE, in, NN_NONE_VALUE, out);

	l->depthwise = (struct nn_depthwise_layer){ .kernel = { 3, 3 }, .stride = { stride, stride }, .dilation = { 1, 1 }, .pad = { 1, 1 }, .out = { h, w },
						    .hi = 255, .macs = 9ull * h * w * x.c };
	weights(p, l, 9ull * x.channels, x.channels);
	return out;
}

uint32_t shape_net_pool(struct nn_program *p, uint32_t in, uint32_t kernel, uint32_t stride, bool average)
{
	struct nn_value x = p->values[in];
	uint32_t h = (x.h - kernel) / stride + 1, w = (x.w - kernel) / stride + 1, out = card_value(p, x.c, h, w);
	struct nn_layer *l = add_layer(p, NN_LAYER_POOL, in, NN_NONE_VALUE, out);

	l->pool = (struct nn_pool_layer){ .average = average, .kernel = { kernel, kernel }, .stride = { stride, stride }, .dilation = { 1, 1 }, .out = { h, w },
					  .hi = 255, .mult = 1 };
	return out;
}

uint32_t shape_net_piece(struct nn_program *p, uint32_t in)
{
	struct nn_value x = p->values[in];
	uint32_t out = card_value(p, x.c, x.h, x.w), t[2];
	struct nn_layer *l = add_layer(p, NN_LAYER_GRAPH, NN_NONE_VALUE, NN_NONE_VALUE, NN_NONE_VALUE);
	struct nn_graph *g = nn_graph_new("piece");
	struct nn_attrs attrs = { 0 };

	p->graphs = more(p->graphs, p->nr_graphs, sizeof(*p->graphs));
	p->graphs[p->nr_graphs] = g;
	t[0] = nn_graph_add_tensor(g, "x", NN_F4, &x.dims);
	t[1] = nn_graph_add_tensor(g, "y", NN_F4, &x.dims);
	nn_graph_add_node(g, NN_RELU, "relu", t, 1, &t[1], 1, &attrs);
	l->place = NN_ON_HOST;
	free(l->why_host);
	l->why_host = strdup("no kernel for Relu");
	l->graph = (struct nn_graph_layer){ .graph = p->nr_graphs++, .nr_in = 1, .nr_out = 1 };
	l->graph.in = more(NULL, 0, sizeof(uint32_t));
	l->graph.out = more(NULL, 0, sizeof(uint32_t));
	l->graph.in[0] = in;
	l->graph.out[0] = out;
	return out;
}

void shape_net_output(struct nn_program *p, uint32_t value)
{
	p->outputs = more(p->outputs, p->nr_outputs, sizeof(*p->outputs));
	p->outputs[p->nr_outputs++] = value;
}

/* ---- networks ---- */

static uint32_t resnet50(struct nn_program *p)
{
	static const uint32_t blocks[4] = { 3, 4, 6, 3 };
	uint32_t x = shape_net_pack(p, shape_net_input(p, 3, 224, 224), 7, 2, 3);

	x = any_conv(p, x, 64, (uint32_t[]){ 7, 1 }, (uint32_t[]){ 2, 1 }, NN_NONE_VALUE, true);
	for (uint32_t s = 0; s < 4; s++)
		for (uint32_t b = 0; b < blocks[s]; b++) {
			uint32_t c = 64u << s, stride = s && !b ? 2 : 1, y, r = x;

			y = shape_net_conv(p, x, c, 1, 1, NN_NONE_VALUE);
			y = shape_net_conv(p, y, c, 3, stride, NN_NONE_VALUE);
			if (!b)
				r = shape_net_conv(p, x, 4 * c, 1, stride, NN_NONE_VALUE);
			x = shape_net_conv(p, y, 4 * c, 1, 1, r);
		}
	x = shape_net_pool(p, x, 7, 1, true);
	return shape_net_conv(p, x, 1000, 1, 1, NN_NONE_VALUE);
}

static uint32_t vgg16(struct nn_program *p)
{
	static const uint32_t blocks[5] = { 2, 2, 3, 3, 3 }, filters[5] = { 64, 128, 256, 512, 512 };
	uint32_t x = shape_net_pack(p, shape_net_input(p, 3, 224, 224), 1, 1, 0);

	for (uint32_t s = 0; s < 5; s++) {
		for (uint32_t b = 0; b < blocks[s]; b++)
			x = shape_net_conv(p, x, filters[s], 3, 1, NN_NONE_VALUE);
		x = shape_net_pool(p, x, 2, 2, false);
	}
	x = any_conv(p, x, 4096, (uint32_t[]){ 7, 7 }, (uint32_t[]){ 7, 7 }, NN_NONE_VALUE, false);
	x = shape_net_conv(p, x, 4096, 1, 1, NN_NONE_VALUE);
	return shape_net_conv(p, x, 1000, 1, 1, NN_NONE_VALUE);
}

static uint32_t mobilenetv2(struct nn_program *p)
{
	static const uint32_t t[7] = { 1, 6, 6, 6, 6, 6, 6 }, c[7] = { 16, 24, 32, 64, 96, 160, 320 }, n[7] = { 1, 2, 3, 4, 3, 3, 1 }, s[7] = { 1, 2, 2, 2, 1, 2, 1 };
	uint32_t x = shape_net_pack(p, shape_net_input(p, 3, 224, 224), 3, 2, 1);

	x = any_conv(p, x, 32, (uint32_t[]){ 3, 1 }, (uint32_t[]){ 2, 1 }, NN_NONE_VALUE, false);
	for (uint32_t i = 0; i < 7; i++)
		for (uint32_t b = 0; b < n[i]; b++) {
			uint32_t y = x, stride = b ? 1 : s[i];

			if (t[i] > 1)
				y = shape_net_conv(p, y, p->values[x].c * t[i], 1, 1, NN_NONE_VALUE);
			y = shape_net_depthwise(p, y, stride);
			x = shape_net_conv(p, y, c[i], 1, 1, b ? x : NN_NONE_VALUE);
		}
	x = shape_net_conv(p, x, 1280, 1, 1, NN_NONE_VALUE);
	x = shape_net_pool(p, x, 7, 1, true);
	return shape_net_conv(p, x, 1000, 1, 1, NN_NONE_VALUE);
}

struct nn_program *shape_net(const char *name, enum nn_shell shell)
{
	struct nn_program *p = shape_net_new(name, shell);

	shape_net_output(p, !strcmp(name, "resnet50") ? resnet50(p) : !strcmp(name, "vgg16") ? vgg16(p) : mobilenetv2(p));
	return p;
}

struct nn_program *shape_net_random(uint32_t layers, bool chain, bool pieces)
{
	struct nn_program *p = shape_net_new("random", random_in(0, 1) ? NN_SHELL_DFX : NN_SHELL_FLAT);
	uint32_t side = (uint32_t)random_in(8, 40), x, old = NN_NONE_VALUE;

	x = shape_net_pack(p, shape_net_input(p, (uint32_t)random_in(1, 4), side, side), 1, 1, 0);
	while (p->nr_layers < layers) {
		uint32_t before = x, same = !chain && old != NN_NONE_VALUE && p->values[old].h == p->values[x].h ? old : NN_NONE_VALUE;

		switch (random_in(0, pieces ? 6 : 5)) {
		case 0:
			x = shape_net_depthwise(p, x, (uint32_t)random_in(1, 2));
			break;
		case 1:
			if (p->values[x].h >= 4)
				x = shape_net_pool(p, x, 2, 2, random_in(0, 1));
			else
				x = shape_net_conv(p, x, (uint32_t)random_in(8, 600), 1, 1, NN_NONE_VALUE);
			break;
		case 2: /* a residual: the same channels as what is added */
			if (same != NN_NONE_VALUE)
				x = shape_net_conv(p, x, p->values[same].c, 1, 1, same);
			else
				x = shape_net_conv(p, x, p->values[x].c, 3, 1, chain ? NN_NONE_VALUE : x);
			break;
		case 6:
			x = shape_net_piece(p, x);
			break;
		default:
			x = shape_net_conv(p, x, (uint32_t)random_in(8, 300), random_in(0, 1) ? 3 : 1, (uint32_t)random_in(1, 2), NN_NONE_VALUE);
		}
		if (random_in(0, 2) == 0)
			old = before;
		if (!chain && random_in(0, 5) == 0 && p->nr_outputs < 3)
			shape_net_output(p, before);
	}
	shape_net_output(p, x);
	return p;
}
