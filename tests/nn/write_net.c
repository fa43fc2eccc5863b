// SPDX-License-Identifier: BSD-2-Clause
/*
 * write_net KIND FOLDER: a small int8 network, three inputs for it, and what its evaluation gives for them: net.onnx, x.npy, want.npy. Scales are such that each
 * result is one only, so that a card has to give the same bytes. $SEED decides the rest. Kinds:
 *   image, channel   an addition of a constant for each element, or each channel
 *   pool             a MaxPool to another scale
 *   weights          weights that need 9 bits
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../kernels/random.h"
#include "build_graph.h"

#define IMAGES 3

static struct nn_graph *build(const char *kind)
{
	struct build_conv how = { .filters = 1 + random_below(40), .kernel = { 3, 2 }, .stride = { 1, 2 }, .dilation = { 1, 1 }, .pad = { 1, 0, 2, 1 },
				  .w_type = random_below(2) ? NN_U1 : NN_I1, .wide = true, .per_filter = true, .bias = true };
	struct nn_dims x_dims = { 4, { 1, 1 + random_below(40), random_in(4, 20), random_in(4, 20) } }, c = x_dims;
	bool weights = !strcmp(kind, "weights");
	struct byte_tensor x;
	struct build b;

	build_begin(&b, !weights);
	x = build_input(&b, BUILD_BYTE, random_below(2) ? NN_U1 : NN_I1, &x_dims);
	x.scale = weights ? x.scale : 0.125f;
	if (!strcmp(kind, "channel"))
		c.d[2] = c.d[3] = 1;
	if (weights)
		x = build_conv(&b, x, &how);
	else if (!strcmp(kind, "pool"))
		x = build_scaled_pool(&b, x, 3, 2, 1, BUILD_RELU, ldexpf(x.scale, random_in(-1, 1)));
	else
		x = build_add_constant(&b, x, &c, true, random_below(2), BUILD_NO_BOUND, ldexpf(x.scale, random_in(0, 2)));
	return build_end(&b, &x, 1);
}

static int save(const char *folder, const char *name, const struct nn_tensor *t, const uint8_t *data, struct smartssd_error *err)
{
	struct smartssd_array a = { .type = t->type == NN_I1 ? SMARTSSD_I1 : SMARTSSD_U1, .ndim = t->dims.n };
	char path[4096];

	for (uint32_t i = 0; i < t->dims.n; i++)
		a.shape[i] = i ? (uint64_t)t->dims.d[i] : IMAGES;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return smartssd_npy_save(path, &a, data, err);
}

static int evaluate(const struct nn_graph *g, uint8_t *in, uint8_t *out, struct smartssd_error *err)
{
	struct nn_values v;
	int ret = nn_values_init(&v, g, true);

	if (ret)
		return ret;
	v.value[g->inputs[0]] = in;
	ret = nn_eval(&v, NULL, NULL, err);
	if (!ret)
		memcpy(out, v.value[g->outputs[0]], (size_t)nn_count(&g->tensors[g->outputs[0]].dims));
	nn_values_free(&v);
	return ret;
}

int main(int argc, char **argv)
{
	struct smartssd_error err = { "" };
	const struct nn_tensor *x, *y;
	char path[4096];
	uint8_t *in, *out;
	struct nn_graph *g;
	size_t n, m;
	int ret = 0;

	if (argc != 3) {
		fputs("usage: write_net image|channel|pool|weights FOLDER\n", stderr);
		return 2;
	}
	random_start();
	g = build(argv[1]);
	x = &g->tensors[g->inputs[0]];
	y = &g->tensors[g->outputs[0]];
	n = (size_t)nn_count(&x->dims);
	m = (size_t)nn_count(&y->dims);
	in = malloc(IMAGES * n);
	out = malloc(IMAGES * m);
	if (!in || !out)
		return 1;
	for (size_t i = 0; i < IMAGES * n; i++)
		in[i] = (uint8_t)random_below(256);
	for (uint32_t i = 0; i < IMAGES && !ret; i++)
		ret = evaluate(g, in + i * n, out + i * m, &err);
	snprintf(path, sizeof(path), "%s/net.onnx", argv[2]);
	ret = ret ? ret : nn_graph_save(g, path, &err);
	ret = ret ? ret : save(argv[2], "x.npy", x, in, &err);
	ret = ret ? ret : save(argv[2], "want.npy", y, out, &err);
	if (ret)
		fprintf(stderr, "write_net: %s\n", err.text);
	nn_graph_free(g);
	free(in);
	free(out);
	return ret != 0;
}
