// SPDX-License-Identifier: BSD-2-Clause
/*
 * The networks that are drawn: their shapes are the true ones, int8 is close to fp32, the QLinear form computes what the QDQ form does, and the
 * scores differ from picture to picture. The large ones are left to benchmarks: $MODELS names others.
 */
#include <math.h>

#include "../tap.h"
#include "models/model.h"

/* As torchvision states them: multiplications in millions, parameters with those of batch normalisation (2 for each channel of it). */
static const struct {
	const char *name;
	uint64_t millions, parameters, norm_channels;
} known[] = {
	{ "resnet18", 1814, 11689512, 4800 },	  { "resnet50", 4089, 25557032, 26560 }, { "mobilenetv2", 301, 3504872, 17056 },
	{ "squeezenet1_1", 349, 1235496, 0 }, { "vgg16", 15470, 138357544, 0 },
};

/* Multiplications, and parameters other than batch normalisation's. */
static void count(const struct nn_graph *g, uint64_t *macs, uint64_t *weights)
{
	*macs = *weights = 0;
	for (uint32_t i = 0; i < g->nr_nodes; i++) {
		const struct nn_node *n = &g->nodes[i];
		const struct nn_dims *w, *y = &g->tensors[n->out[0]].dims;

		if (n->op != NN_CONV && n->op != NN_GEMM)
			continue;
		w = &g->tensors[n->in[1]].dims;
		*macs += (uint64_t)(nn_count(w) * (n->op == NN_CONV ? y->d[2] * y->d[3] : 1));
		*weights += (uint64_t)nn_count(w) + (n->nr_in > 2 ? (uint64_t)w->d[0] : 0);
	}
}

static int scores(const struct nn_graph *g, float *input, float *out, struct smartssd_error *err)
{
	struct nn_values v;
	int ret = nn_values_init(&v, g, false);

	if (ret)
		return ret;
	v.value[g->inputs[0]] = input;
	ret = nn_eval(&v, NULL, NULL, err);
	if (!ret)
		memcpy(out, v.value[g->outputs[0]], 1000 * sizeof(*out));
	nn_values_free(&v);
	return ret;
}

static double decibel(const float *a, const float *b)
{
	double signal = 0, noise = 1e-30;

	for (int i = 0; i < 1000; i++) {
		signal += a[i] * a[i];
		noise += (a[i] - b[i]) * (a[i] - b[i]);
	}
	return 10 * log10(signal / noise);
}

static void test_model(const char *name, uint64_t seed, float *input)
{
	struct smartssd_error err = { "" };
	struct nn_graph *g[3] = { 0 };
	uint64_t macs, weights;
	float out[2][3][1000];
	uint32_t q = 0, conv = 0;
	int ret = 0;

	for (int form = 0; form < 3 && !ret; form++)
		ret = model_build(name, seed, 224, (enum model_form)form, &g[form], &err);
	for (uint64_t i = 0; i < 2 && !ret; i++) {
		model_input(seed + 99, i, 224, input);
		for (int form = 0; form < 3 && !ret; form++)
			ret = scores(g[form], input, out[i][form], &err);
	}
	if (!tap_ok(!ret, "%s: built and evaluated in three forms%s%s", name, ret ? ": " : "", err.text))
		goto out;
	count(g[0], &macs, &weights);
	for (size_t k = 0; k < ARRAY_SIZE(known); k++)
		if (!strcmp(known[k].name, name)) {
			uint64_t theirs = known[k].parameters - 2 * known[k].norm_channels;

			/* Here the last layer has batch normalisation in place of its bias where the others have it. */
			theirs -= known[k].norm_channels ? 1000 : 0;
			tap_ok((macs + 500000) / 1000000 == known[k].millions && weights == theirs,
			       "%s: %llu multiplications, %llu parameters: published %llu million, %llu", name, (unsigned long long)macs,
			       (unsigned long long)weights, (unsigned long long)known[k].millions, (unsigned long long)theirs);
		}
	for (uint32_t i = 0; i < g[2]->nr_nodes; i++) {
		q += g[2]->nodes[i].op == NN_QLINEAR_CONV || g[2]->nodes[i].op == NN_QLINEAR_MATMUL;
		conv += g[2]->nodes[i].op == NN_CONV || g[2]->nodes[i].op == NN_GEMM;
	}
	tap_ok(q >= 18 && !conv, "%s: QLinear form has %u QLinear operators and %u float ones", name, q, conv);
	for (int i = 0; i < 2; i++) {
		double qdq = decibel(out[i][0], out[i][1]), qlinear = decibel(out[i][1], out[i][2]);

		tap_ok(qdq > 8, "%s, picture %d: int8 is %.1f dB from fp32", name, i, qdq);
		tap_ok(qlinear > 15, "%s, picture %d: the QLinear form is %.1f dB from the QDQ form", name, i, qlinear);
	}
	for (int form = 0; form < 2; form++)
		tap_ok(decibel(out[0][form], out[1][form]) < 20, "%s: scores differ from picture to picture (%.1f dB) in form %d", name,
		       decibel(out[0][form], out[1][form]), form);
out:
	for (int form = 0; form < 3; form++)
		nn_graph_free(g[form]);
}

int main(void)
{
	const char *list = getenv("MODELS") ?: "squeezenet1_1 mobilenetv2", *given = getenv("SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : 1;
	float *input = aligned_alloc(64, 3 * 224 * 224 * sizeof(float));
	char *copy = strdup(list), *save = NULL;

	printf("# SEED=%llu\n", (unsigned long long)seed);
	for (char *name = strtok_r(copy, " ", &save); name; name = strtok_r(NULL, " ", &save))
		test_model(name, seed, input);
	free(copy);
	free(input);
	return tap_done();
}
