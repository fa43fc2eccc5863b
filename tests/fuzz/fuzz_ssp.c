// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as the description of a .ssp file: what is accepted can be run on the host, by the fast versions and the references, in exactly the
 * memory that was planned. An input is the number of bytes of weights (8 bytes) and a description; the frame around them has tests of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "../../runtime/nn/graph_impl.h"
#include "../../runtime/nn/program_impl.h"
#include "../nn/build_graph.h"
#include "fuzz.h"

#define MAX_BYTES (8u << 20)
#define MAX_WORK  4e6

const char *const fuzz_words[] = { "\xff\xff\xff\xff\x0f", "\x08\x01", "\x10\x00", "\x60\x00", "\x12\x02\x00\x00", "\x22\x02\x01\x01", NULL };

void fuzz_seeds(void (*add)(const void *data, size_t bytes))
{
	char path[] = "/tmp/fuzz_ssp.XXXXXX";
	int fd = mkstemp(path);

	fuzz_check(fd >= 0);
	close(fd);
	for (int i = 0; i < 24; i++) {
		struct nn_graph *g = build_random(i & 1, 1 + i / 4);
		uint8_t header[4096], *input;
		uint64_t bytes, weights;
		struct nn_program *p;

		fuzz_check(!nn_lower(g, NN_SHELL_FLAT, &p, NULL) && !nn_ssp_save(p, path, NULL));
		fd = open(path, O_RDONLY | O_CLOEXEC);
		fuzz_check(fd >= 0 && pread(fd, header, sizeof(header), 0) == sizeof(header));
		memcpy(&bytes, header + 24, 8);
		memcpy(&weights, header + 40, 8);
		input = malloc(8 + bytes);
		fuzz_check(input);
		memcpy(input, &weights, 8);
		fuzz_check(pread(fd, input + 8, bytes, 4096) == (ssize_t)bytes);
		add(input, 8 + bytes);
		free(input);
		close(fd);
		nn_program_free(p);
		nn_graph_free(g);
	}
	unlink(path);
}

/* About how many steps a layer takes. */
static double work(const struct nn_program *p, const struct nn_layer *l)
{
	double n, taps = 1;

	if (l->kind == NN_LAYER_GRAPH) {
		n = 0;
		for (uint32_t i = 0; i < p->graphs[l->graph.graph]->nr_nodes; i++)
			n += (double)nn_node_work(p->graphs[l->graph.graph], &p->graphs[l->graph.graph]->nodes[i]);
		return n;
	}
	n = (double)p->values[l->out].images * p->values[l->out].h * p->values[l->out].w * p->values[l->out].channels;
	if (l->kind == NN_LAYER_CONV) {
		taps = (double)l->conv.kernel[0] * l->conv.kernel[1] * l->conv.channels;
		n = (double)p->values[l->out].images * l->conv.out[0] * l->conv.out[1] * p->values[l->out].channels;
		if (l->conv.pool[0])
			taps *= (double)l->conv.pool[0] * l->conv.pool[1]; /* rows are computed anew */
	} else if (l->kind == NN_LAYER_DEPTHWISE) {
		taps = (double)l->depthwise.kernel[0] * l->depthwise.kernel[1];
	} else if (l->kind == NN_LAYER_POOL) {
		taps = (double)l->pool.kernel[0] * l->pool.kernel[1];
	}
	return n * taps;
}

static void run(const struct nn_program *p)
{
	uint32_t images = nn_program_batch(p);
	double sum = 0;
	struct nn_memory m;
	uint8_t *arena, *weights;

	if (nn_memory_plan(p, images, false, &m))
		return;
	for (uint32_t i = 0; i < p->nr_layers; i++)
		sum += work(p, &p->layers[i]);
	if (m.bytes > MAX_BYTES || p->weights_bytes > MAX_BYTES || sum > MAX_WORK) {
		free(m.offset);
		return;
	}
	arena = calloc(1, m.bytes ? m.bytes : 1);
	weights = calloc(1, p->weights_bytes ? p->weights_bytes : 1);
	fuzz_check(arena && weights);
	for (uint64_t i = 0; i < p->weights_bytes; i++)
		weights[i] = (uint8_t)(i * 37);
	for (int reference = 0; reference < 2; reference++)
		for (uint32_t i = 0; i < p->nr_layers; i++) {
			struct smartssd_error err = { "" };
			int ret = nn_layer_run_host(p, &p->layers[i], &m, images, arena, weights, NULL, reference, &err);

			/* Only a piece of the graph may find out that late. */
			fuzz_check(!ret || (p->layers[i].kind == NN_LAYER_GRAPH && err.text[0]));
		}
	free(arena);
	free(weights);
	free(m.offset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct smartssd_error err = { "" };
	struct nn_program *p;
	uint64_t weights;
	int ret;

	if (bytes < 8)
		return 0;
	memcpy(&weights, data, 8);
	ret = nn_ssp_parse(data + 8, bytes - 8, weights, &p, &err);
	fuzz_outcome(ret, err.text);
	if (ret) {
		fuzz_check(err.text[0] && memchr(err.text, 0, sizeof(err.text)));
		return 0;
	}
	run(p);
	nn_program_free(p);
	return 0;
}
