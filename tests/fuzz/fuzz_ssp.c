// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as the description of a .ssp file: what is accepted can be run on the host, by the fast versions and the references, in exactly the
 * memory that was planned. An input is the number of bytes of weights (8 bytes) and a description; the frame around them has tests of its own.
 * A program that was accepted is tried again with numbers in it that are others, which bytes of a description seldom become without more damage.
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
#define TWISTS	  12 /* of a program that was accepted; together they may take as long as that */

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

static void run(const struct nn_program *p, uint32_t batches, double most)
{
	uint32_t images = nn_program_batch(p) * batches;
	double sum = 0;
	struct nn_memory m;
	uint8_t *arena, *weights;

	if (nn_program_batch(p) > 1024 || nn_memory_plan(p, images, false, &m))
		return;
	for (uint32_t i = 0; i < p->nr_layers; i++)
		sum += work(p, &p->layers[i]) * batches;
	if (m.bytes > MAX_BYTES || p->weights_bytes > MAX_BYTES || sum > most) {
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

static uint32_t below(uint64_t *random, uint32_t n)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((*random >> 33) % n);
}

/* A number of the program, 4 bytes. */
static uint8_t *number(struct nn_program *p, uint64_t *random)
{
	struct nn_layer *l = &p->layers[below(random, p->nr_layers)];
	struct nn_value *v = &p->values[below(random, p->nr_values)];
	const uint32_t words[NN_LAYER_KINDS] = {
		[NN_LAYER_PACK] = sizeof(l->pack) / 4, [NN_LAYER_CONV] = sizeof(l->conv) / 4, [NN_LAYER_DEPTHWISE] = sizeof(l->depthwise) / 4,
		[NN_LAYER_POOL] = sizeof(l->pool) / 4, [NN_LAYER_ADD] = sizeof(l->add) / 4,
	};
	void *const common[] = { &l->in[0], &l->in[1], &l->out, &l->w_at, &l->w_bytes, &l->coef_at, &l->coef_bytes, &l->lut_at, &l->lut_bytes };
	void *const of_value[] = { &v->h, &v->w, &v->c, &v->channels, &v->images, &v->zero, &v->whole, &v->at, &v->type, &v->dims.d[0], &v->dims.d[1],
				   &v->dims.d[2], &v->dims.d[3], &v->dims.n };

	switch (below(random, 4)) {
	case 0:
		return of_value[below(random, ARRAY_SIZE(of_value))];
	case 1:
		return common[below(random, ARRAY_SIZE(common))];
	default:
		if (l->kind != NN_LAYER_GRAPH)
			return (uint8_t *)&l->conv + 4 * below(random, words[l->kind]);
		if (l->graph.nr_in && below(random, 2))
			return (uint8_t *)&l->graph.in[below(random, l->graph.nr_in)];
		return l->graph.nr_out ? (uint8_t *)&l->graph.out[below(random, l->graph.nr_out)] : (uint8_t *)&l->graph.graph;
	}
}

/* A truth value is 0 or 1 in any file. */
static void straighten(struct nn_program *p)
{
	for (uint32_t i = 0; i < p->nr_layers; i++) {
		struct nn_layer *l = &p->layers[i];
		bool *truths[2] = { l->kind == NN_LAYER_CONV ? &l->conv.residual : l->kind == NN_LAYER_POOL ? &l->pool.average :
				    l->kind == NN_LAYER_PACK ? &l->pack.is_float : NULL,
				    l->kind == NN_LAYER_CONV ? &l->conv.w_stationary : l->kind == NN_LAYER_POOL ? &l->pool.count_pad : NULL };

		for (int k = 0; k < 2; k++)
			if (truths[k])
				*(uint8_t *)truths[k] &= 1;
	}
}

/* One to three numbers that are others, of which the check must find those that are dangerous. */
static void twist(struct nn_program *p, uint64_t *random)
{
	uint32_t nr = 1 + below(random, 3), old[3], now;
	uint8_t *at[3];

	for (uint32_t i = 0; i < nr; i++) {
		at[i] = number(p, random);
		memcpy(&old[i], at[i], 4);
		switch (below(random, 5)) {
		case 0:
			now = old[i] + below(random, 9) - 4;
			break;
		case 1:
			now = 1u << below(random, 32);
			break;
		case 2:
			memcpy(&now, number(p, random), 4);
			break;
		case 3:
			now = old[i] * 2;
			break;
		default:
			now = below(random, 40);
		}
		memcpy(at[i], &now, 4);
	}
	straighten(p);
	if (!nn_program_check(p, NULL))
		run(p, 1, MAX_WORK / TWISTS);
	while (nr--)
		memcpy(at[nr], &old[nr], 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct smartssd_error err = { "" };
	struct nn_program *p;
	uint64_t weights, random = bytes;
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
	run(p, 1 + bytes % 2, MAX_WORK);
	for (size_t i = 0; i < bytes; i++)
		random = random * 31 + data[i];
	for (int i = 0; i < TWISTS && p->nr_layers && p->nr_values; i++)
		twist(p, &random);
	nn_program_free(p);
	return 0;
}
