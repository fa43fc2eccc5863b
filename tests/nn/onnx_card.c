// SPDX-License-Identifier: BSD-2-Clause
/*
 * ONNX's own tests through the compiler, the planner and a session on one embedded card: onnx_card [FOLDER...]. What no kernel can do is a piece for the host,
 * as in any program; a comment in front of each result says what took part.
 *
 * Most of these tests are in floating point, so little of them is for the card. Those that `smartssd quantize` takes are also quantised, with their own input for
 * calibration, and run in int8: each layer bit for bit as the reference has it, the output at most one unit from the evaluation of the quantised graph, and near
 * that of the original one, which is what ONNX expects.
 */
#include <math.h>
#include <stdio.h>

#include "../../runtime/nn/quantize.h"
#include "../../runtime/nn/session.h"
#include "node_tests.h"

/* Of all of Debian 12's tests so many are to have layers on the card. */
#define LEAST_ON_CARD	3
#define LEAST_QUANTISED 30 /* the same of quantised ones */
/* Of an output's range: how far an int8 result may be from the float one. */
#define NEAR 0.05

struct card {
	struct smartssd_device *dev;
	int on_card, on_host, quantised;
	double farthest; /* of quantised outputs from float ones, of their range */
};

static const char *const kinds[NN_LAYER_KINDS] = { "input", "conv", "depthwise", "pool", "add", "graph" };

/* Layers on the card, and why the others are not there. */
static uint32_t describe(const struct nn_program *p, char *text, size_t room)
{
	uint32_t nr = 0;
	size_t used = 0;

	*text = 0;
	for (uint32_t i = 0; i < p->nr_layers && used < room; i++) {
		const struct nn_layer *l = &p->layers[i];
		bool card = l->kind != NN_LAYER_GRAPH && l->place == NN_ON_CARD;

		nr += card;
		used += (size_t)snprintf(text + used, room - used, "%s%s %s", i ? "; " : "", card ? "card:" : "host:",
					 card ? kinds[l->kind] : l->kind == NN_LAYER_GRAPH ? l->why_host : l->why);
	}
	return nr;
}

static uint32_t array_type(enum nn_type type)
{
	static const uint32_t types[] = {
		[NN_U1] = SMARTSSD_U1, [NN_I1] = SMARTSSD_I1, [NN_I4] = SMARTSSD_I4, [NN_I8] = SMARTSSD_I8, [NN_F4] = SMARTSSD_F4, [NN_BOOL] = SMARTSSD_U1,
	};

	return types[type];
}

static int run_session(struct card *card, const struct nn_program *p, const void *in, void *const *out, uint64_t *runs, struct smartssd_error *err)
{
	const struct nn_value *v = &p->values[p->inputs[0]];
	const struct smartssd_session_options options = { .batch = nn_program_batch(p), .verify = true };
	struct smartssd_source source = { .fd = -1, .data = in };
	struct smartssd_array *a = &source.array;
	struct smartssd_session *s = NULL;
	struct smartssd_session_report report;
	int ret;

	*a = (struct smartssd_array){ .type = array_type(v->type), .ndim = v->dims.n, .shape = { nn_program_batch(p) },
				      .bytes = (uint64_t)nn_count(&v->dims) * nn_type_bytes(v->type) };
	for (uint32_t i = 0; i < v->dims.n; i++)
		a->shape[i] = (uint64_t)v->dims.d[i];
	ret = nn_session_open(&card->dev, 1, p, -1, &options, &s, err);
	if (!ret)
		ret = smartssd_session_run(s, &source, nn_program_batch(p), out, &report, err);
	if (!ret && report.difference.found)
		ret = smartssd_fail(err, -EPROTO, "layer '%.80s' differs from the reference: %d, not %d", p->layers[report.difference.layer].name,
				    report.difference.card, report.difference.reference);
	*runs = ret ? 0 : report.bytes.runs;
	smartssd_session_close(s);
	return ret;
}

/* Lower, plan, run; *layers: on the card; @text: what took part. */
static int compile_and_run(struct card *card, const struct nn_graph *g, const void *in, void *const *out, uint32_t *layers, char text[2048],
			   struct smartssd_error *err)
{
	struct nn_program *p = NULL;
	struct nn_machine machine;
	uint64_t runs;
	int ret;

	nn_machine_default(&machine);
	*layers = 0;
	ret = nn_lower(g, NN_SHELL_FLAT, &p, err);
	if (!ret)
		ret = nn_plan(p, 1, &machine, err);
	for (uint32_t i = 0; i < g->nr_inputs && !ret; i++)
		if (!nn_count(&g->tensors[g->inputs[i]].dims))
			ret = smartssd_fail(err, -EOPNOTSUPP, "the input '%.80s' has no elements: a session has no image to run", g->tensors[g->inputs[i]].name);
	if (!ret) {
		*layers = describe(p, text, 2048);
		ret = run_session(card, p, in, out, &runs, err);
	}
	if (!ret && runs != *layers)
		ret = smartssd_fail(err, -EPROTO, "%u layers on the card, %llu runs", *layers, (unsigned long long)runs);
	nn_program_free(p);
	return ret;
}

struct calibration {
	const void *input;
	uint64_t bytes;
	bool used;
};

static int next_input(void *ctx, float *input, struct smartssd_error *err)
{
	struct calibration *c = ctx;

	(void)err;
	if (c->used)
		return 1;
	memcpy(input, c->input, c->bytes);
	c->used = true;
	return 0;
}

/* @got is the quantised output on the card, @qdq the evaluation of the quantised graph, @want the output in float. */
static int compare(struct card *card, const float *got, const float *qdq, const float *want, uint64_t n, struct smartssd_error *err)
{
	double low = 0, high = 0;

	for (uint64_t i = 0; i < n; i++) {
		low = fmin(low, want[i]);
		high = fmax(high, want[i]);
	}
	for (uint64_t i = 0; i < n; i++) {
		double far = fabs((double)got[i] - want[i]) / fmax(high - low, 1e-30);

		if (!(fabs((double)got[i] - qdq[i]) <= 1.01 / 255 * (high - low)))
			return smartssd_fail(err, -EPROTO, "quantised: element %llu is %g, evaluated %g", (unsigned long long)i, got[i], qdq[i]);
		if (!(far <= NEAR))
			return smartssd_fail(err, -EPROTO, "quantised: element %llu is %g, in float %g", (unsigned long long)i, got[i], want[i]);
		card->farthest = fmax(card->farthest, far);
	}
	return 0;
}

static int eval_quantised(const struct nn_graph *q, const void *in, struct nn_values *v, struct smartssd_error *err)
{
	int ret = nn_values_init(v, q, true);

	if (ret)
		return ret;
	v->value[q->inputs[0]] = (void *)in;
	return nn_eval(v, NULL, NULL, err);
}

/* The same model in int8; 0 also for one that cannot be quantised. @want: its outputs in float. */
static int run_quantised(struct card *card, const struct nn_graph *g, const void *in, void *const *want, struct smartssd_error *err)
{
	const struct nn_tensor *x = &g->tensors[g->inputs[0]], *y = &g->tensors[g->outputs[0]];
	uint64_t n = (uint64_t)nn_count(&y->dims);
	struct calibration c = { .input = in, .bytes = (uint64_t)nn_count(&x->dims) * 4 };
	const struct nn_quantize how = { .next = next_input, .ctx = &c, .percentile = 100 };
	struct smartssd_error ignored = { "" };
	struct nn_graph *q = NULL;
	struct nn_values v = { 0 };
	uint32_t layers;
	char text[2048];
	void *got;
	int ret;

	if (g->nr_inputs != 1 || g->nr_outputs != 1 || x->type != NN_F4 || y->type != NN_F4 || nn_quantize_graph(g, &how, &q, NULL, &ignored))
		return 0;
	got = calloc(n + 1, 4);
	ret = got ? compile_and_run(card, q, in, &got, &layers, text, err) : -ENOMEM;
	if (!ret && layers) {
		ret = eval_quantised(q, in, &v, err);
		if (!ret)
			ret = compare(card, got, v.value[q->outputs[0]], want[0], n, err);
		nn_values_free(&v);
	}
	if (!ret && layers) {
		card->quantised++;
		printf("# quantised: %s\n", text);
	}
	free(got);
	nn_graph_free(q);
	return ret == -EOPNOTSUPP ? -EPROTO : ret; /* that it is not supported in int8 skips nothing */
}

static int run(void *ctx, const struct nn_graph *g, const void *const *in, void *const *out, struct smartssd_error *err)
{
	struct card *card = ctx;
	uint32_t layers;
	char text[2048];
	int ret;

	ret = compile_and_run(card, g, in[0], out, &layers, text, err);
	if (ret)
		return ret;
	printf("# %s\n", text);
	card->on_card += layers > 0;
	card->on_host += layers == 0;
	return run_quantised(card, g, in[0], out, err);
}

static bool enough(void *ctx, char text[200])
{
	const struct card *card = ctx;

	snprintf(text, 200, "%d runs on the card as they are (at least %d), %d on the host alone; %d quantised on the card (at least %d), at most %.1f %% of the range off",
		 card->on_card, LEAST_ON_CARD, card->on_host, card->quantised, LEAST_QUANTISED, card->farthest * 100);
	return card->on_card >= LEAST_ON_CARD && card->quantised >= LEAST_QUANTISED;
}

int main(int argc, char **argv)
{
	struct card card = { 0 };
	const struct nn_engine engine = { "card", true, run, &card, 247, enough };
	struct smartssd_error err = { "" };
	char path[4096];
	int ret;

	ret = smartssd_open("emu:", &card.dev, &err);
	if (!ret)
		ret = smartssd_find_file("overlay-flat.xclbin", path, sizeof(path));
	if (!ret)
		ret = smartssd_xclbin_load_file(card.dev, path, &err);
	if (ret)
		printf("Bail out! no embedded card with overlay-flat.xclbin: %s\n", *err.text ? err.text : strerror(-ret));
	else
		ret = nn_node_main(argc, argv, &engine);
	smartssd_close(card.dev);
	return ret < 0 ? 1 : ret;
}
