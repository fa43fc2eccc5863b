// SPDX-License-Identifier: BSD-2-Clause
/*
 * Write a known network with weights drawn from a seed, or pictures to run it on.
 *
 *   make_model NAME [--seed S] [--side P] [--form fp32|qdq|qlinear] -o FILE.onnx     resnet18, resnet50, vgg16, vgg11_bn, mobilenetv2, squeezenet1_1,
 *                                                                                    stem (the first layer and a classifier)
 *   make_model pictures [--seed S] [--images N] [--side P] -o FILE.npy    u1 [N][3][P][P]
 */
#include <stdio.h>

#include "model.h"

static int usage(void)
{
	fputs("usage: make_model NAME [--seed S] [--side P] [--form fp32|qdq|qlinear] -o FILE.onnx\n"
	      "       make_model pictures [--seed S] [--images N] [--side P] -o FILE.npy\n"
	      "names:",
	      stderr);
	for (unsigned i = 0; model_name(i); i++)
		fprintf(stderr, " %s", model_name(i));
	fputc('\n', stderr);
	return 2;
}

static int write_pictures(uint64_t seed, uint64_t images, uint64_t side, const char *path, struct smartssd_error *err)
{
	struct smartssd_array array = { .type = SMARTSSD_U1, .ndim = 4, .shape = { images, 3, side, side } };
	size_t size = (size_t)3 * side * side;
	uint8_t *bytes = calloc(images, size);
	int ret;

	if (!bytes)
		return smartssd_fail(err, -ENOMEM, "no memory for %llu pictures", (unsigned long long)images);
	for (uint64_t i = 0; i < images; i++)
		model_picture(seed, i, (uint32_t)side, bytes + i * size);
	ret = smartssd_npy_save(path, &array, bytes, err);
	free(bytes);
	return ret;
}

int main(int argc, char **argv)
{
	static const char *const forms[] = { "fp32", "qdq", "qlinear" };
	uint64_t seed = 1, images = 16, side = 224;
	const char *output = NULL, *form = "fp32";
	struct smartssd_error err = { "" };
	struct nn_graph *g;
	unsigned f = 0;
	int ret;

	if (argc < 2 || argc % 2)
		return usage();
	for (int i = 2; i < argc; i += 2) {
		if (!strcmp(argv[i], "--seed"))
			seed = strtoull(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--images"))
			images = strtoull(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--side"))
			side = strtoull(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--form"))
			form = argv[i + 1];
		else if (!strcmp(argv[i], "-o"))
			output = argv[i + 1];
		else
			return usage();
	}
	while (f < 3 && strcmp(forms[f], form))
		f++;
	if (!output || f == 3 || !images || !side || side > 4096)
		return usage();
	if (!strcmp(argv[1], "pictures")) {
		ret = write_pictures(seed, images, side, output, &err);
	} else {
		ret = model_build(argv[1], seed, (uint32_t)side, (enum model_form)f, &g, &err);
		if (!ret) {
			ret = nn_graph_save(g, output, &err);
			nn_graph_free(g);
		}
	}
	if (ret)
		fprintf(stderr, "make_model: %s\n", err.text);
	return ret == -EINVAL ? usage() : ret != 0;
}
