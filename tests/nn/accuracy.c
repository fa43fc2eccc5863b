// SPDX-License-Identifier: BSD-2-Clause
/*
 * How many pictures two models classify right, evaluated on the host.
 *
 *   accuracy FP32.onnx INT8.onnx IMAGES.npy LABELS.npy LOSS      images u1 [N][C][H][W], labels i4 [N]; exit 1 when the second loses more than LOSS points
 *
 * Both read bytes by the second model's metadata "smartssd.input".
 */
#include <stdio.h>

#include "../../runtime/nn/quantize.h"

static int classify(const struct nn_graph *g, const float *input, int *best, struct smartssd_error *err)
{
	uint32_t out = g->outputs[0];
	struct nn_values v;
	int ret = nn_values_init(&v, g, false);

	if (ret)
		return ret;
	v.value[g->inputs[0]] = (void *)input;
	ret = nn_eval(&v, NULL, NULL, err);
	*best = 0;
	for (int i = 1; !ret && i < nn_count(&g->tensors[out].dims); i++)
		if (((float *)v.value[out])[i] > ((float *)v.value[out])[*best])
			*best = i;
	nn_values_free(&v);
	return ret;
}

int main(int argc, char **argv)
{
	struct smartssd_array images, labels;
	struct smartssd_error err = { "" };
	float scale, mean[4], std[4], *input;
	uint64_t right[2] = { 0 }, same = 0, each, area;
	struct nn_graph *g[2];
	void *bytes, *want;
	uint32_t nr;
	double loss;

	if (argc != 6) {
		fprintf(stderr, "usage: accuracy FP32.onnx INT8.onnx IMAGES.npy LABELS.npy LOSS\n");
		return 2;
	}
	if (nn_graph_load(argv[1], 1, &g[0], &err) || nn_graph_load(argv[2], 1, &g[1], &err) || smartssd_npy_load(argv[3], &images, &bytes, &err) ||
	    smartssd_npy_load(argv[4], &labels, &want, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	if (!nn_graph_meta(g[1], NN_INPUT_META) || nn_input_meta_parse(nn_graph_meta(g[1], NN_INPUT_META), &scale, mean, std, &nr) ||
	    images.type != SMARTSSD_U1 || images.ndim != 4 || labels.type != SMARTSSD_I4 || labels.ndim != 1 || labels.shape[0] != images.shape[0] ||
	    !images.shape[0]) {
		fprintf(stderr, "no metadata, or arrays of another type or shape\n");
		return 1;
	}
	each = images.bytes / images.shape[0];
	area = nr > 1 ? each / nr : each;
	for (int m = 0; m < 2; m++)
		if (g[m]->nr_inputs != 1 || (uint64_t)nn_count(&g[m]->tensors[g[m]->inputs[0]].dims) != each) {
			fprintf(stderr, "%s: its input is not one of these pictures\n", argv[1 + m]);
			return 1;
		}
	input = aligned_alloc(64, (each * sizeof(*input) + 63) / 64 * 64);
	for (uint64_t i = 0; i < images.shape[0]; i++) {
		int best[2];

		for (uint64_t k = 0; k < each; k++)
			input[k] = ((float)((uint8_t *)bytes)[i * each + k] * scale - mean[k / area]) / std[k / area];
		for (int m = 0; m < 2; m++) {
			if (classify(g[m], input, &best[m], &err)) {
				fprintf(stderr, "%s\n", err.text);
				return 1;
			}
			right[m] += best[m] == ((int32_t *)want)[i];
		}
		same += best[0] == best[1];
	}
	loss = 100.0 * ((double)right[0] - (double)right[1]) / (double)images.shape[0];
	printf("# %llu pictures: fp32 %.2f %%, int8 %.2f %% right, loss %.2f points; both say the same for %.2f %%\n", (unsigned long long)images.shape[0],
	       100.0 * (double)right[0] / (double)images.shape[0], 100.0 * (double)right[1] / (double)images.shape[0], loss,
	       100.0 * (double)same / (double)images.shape[0]);
	free(input);
	free(bytes);
	free(want);
	nn_graph_free(g[0]);
	nn_graph_free(g[1]);
	/* A model that knows nothing has nothing to lose. */
	return 100.0 * (double)right[0] / (double)images.shape[0] < 97 || loss > strtod(argv[5], NULL);
}
