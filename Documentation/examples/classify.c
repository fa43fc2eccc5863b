// SPDX-License-Identifier: BSD-2-Clause
/* Classify images next to the data: classify MODEL.ssp IMAGES.npy [CARD].  cc classify.c $(pkg-config --cflags --libs libsmartssd) -o classify */
#include <libsmartssd_network.h>
#include <stdio.h>
#include <stdlib.h>

static struct smartssd_error err;

static int classify(const struct smartssd_network *net, struct smartssd_device *card, const struct smartssd_source *images)
{
	struct smartssd_session_options options = { .batch = 8 };
	uint64_t nr = images->array.shape[0], classes;
	struct smartssd_session_report report;
	struct smartssd_session *session = NULL;
	struct smartssd_tensor y;
	float *scores;
	int ret = smartssd_network_output(net, 0, nr, &y);

	scores = ret ? NULL : malloc(y.array.bytes);
	if (!scores || y.array.type != SMARTSSD_F4)
		return 1;
	ret = smartssd_session_open(&card, 1, net, &options, &session, &err);
	if (!ret) /* the card reads the images from the file by itself */
		ret = smartssd_session_run(session, images, nr, (void *[]){ scores }, &report, &err);
	classes = y.array.bytes / sizeof(float) / nr;
	for (uint64_t n = 0, best; n < nr && !ret; n++) {
		for (uint64_t c = best = 0; c < classes; c++)
			best = scores[n * classes + c] > scores[n * classes + best] ? c : best;
		printf("%llu\n", (unsigned long long)best);
	}
	smartssd_session_close(session);
	free(scores);
	return ret;
}

int main(int argc, char **argv)
{
	struct smartssd_source images = { .fd = -1 };
	struct smartssd_device *card = NULL;
	struct smartssd_network *net = NULL;
	struct smartssd_network_info info;
	char overlay[4096];
	int ret = argc < 3 || smartssd_network_open(argv[1], 0, &net, &err) || smartssd_npy_open(argv[2], &images.array, &images.fd, &err) ||
		  smartssd_open(argv[3], &card, &err); /* NULL: the first card there is, or an embedded one */

	if (!ret) {
		smartssd_network_info(net, &info);
		fprintf(stderr, "%s: %u of %u layers on the card; %s\n", info.name, info.on_card, info.layers, info.plan);
		if (!smartssd_find_kernel(card, info.kernel))
			ret = smartssd_find_file(info.xclbin, overlay, sizeof(overlay)) || smartssd_xclbin_load_file(card, overlay, &err);
		ret = ret || classify(net, card, &images);
	}
	if (ret)
		fprintf(stderr, "classify: %s\n", *err.text ? err.text : "usage: classify MODEL.ssp IMAGES.npy [CARD]");
	smartssd_close(card);
	smartssd_network_close(net);
	return ret != 0;
}
