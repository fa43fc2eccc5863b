// SPDX-License-Identifier: BSD-2-Clause
/* Graph to layers: the steps, and the memory that they share. */
#include "lower.h"
#include "quantize.h"

static void *many(uint64_t n, size_t size, int fill)
{
	void *p = n > SIZE_MAX / size / 2 ? NULL : malloc((n + 1) * size);

	return p ? memset(p, fill, (n + 1) * size) : NULL;
}

static int begin(struct lower *l)
{
	uint32_t tensors = l->g->nr_tensors, nodes = l->g->nr_nodes;

	l->layer_of = many(tensors, sizeof(*l->layer_of), 0xff);
	l->why = many(nodes, sizeof(*l->why), 0);
	l->host = many(nodes, sizeof(*l->host), 0);
	l->piece = many(nodes, sizeof(*l->piece), 0xff);
	l->card = many(tensors, sizeof(*l->card), 0);
	l->outside = many(tensors, sizeof(*l->outside), 0);
	l->uses = many(tensors, sizeof(*l->uses), 0);
	l->place = many(tensors, sizeof(*l->place), 0xff);
	l->plain_value = many(tensors, sizeof(*l->plain_value), 0xff);
	l->card_value = many(tensors, sizeof(*l->card_value), 0xff);
	for (uint32_t i = 0; l->place && i < tensors; i++)
		l->place[i].at = 0;
	return l->layer_of && l->why && l->host && l->piece && l->card && l->outside && l->uses && l->place && l->plain_value && l->card_value ? 0 : -ENOMEM;
}

static void end(struct lower *l)
{
	for (uint32_t i = 0; l->why && i < l->g->nr_nodes; i++)
		free(l->why[i]);
	for (uint32_t i = 0; i < l->nr_layers; i++) {
		free(l->layers[i].w.order);
		free(l->layers[i].w.bias);
		free(l->layers[i].parts);
	}
	free(l->layers);
	free(l->layer_of);
	free(l->why);
	free(l->host);
	free(l->piece);
	free(l->card);
	free(l->outside);
	free(l->uses);
	free(l->place);
	free(l->plain_value);
	free(l->card_value);
}

/* How bytes become the model's float input. */
static int input_meta(struct lower *l)
{
	const struct nn_tensor *t = l->g->nr_inputs ? &l->g->tensors[l->g->inputs[0]] : NULL;
	const char *text = nn_graph_meta(l->g, NN_INPUT_META);
	struct nn_program *p = l->p;
	uint32_t channels, nr = 1;
	int ret;

	p->input_scale = 1.0f;
	for (int i = 0; i < 4; i++)
		p->std[i] = 1.0f;
	if (!t || t->type != NN_F4 || (t->dims.n != 4 && t->dims.n != 2) || t->dims.d[1] < 1 || t->dims.d[1] > 4)
		return 0;
	channels = (uint32_t)t->dims.d[1];
	if (text) {
		ret = nn_input_meta_parse(text, &p->input_scale, p->mean, p->std, &nr);
		if (ret)
			return smartssd_fail(l->err, ret, "the model's metadata \"" NN_INPUT_META "\" is not what `smartssd quantize` writes: %s", text);
		if (nr != 1 && nr != channels)
			return smartssd_fail(l->err, -EBADMSG, "the model's metadata \"" NN_INPUT_META "\" has %u means, but its input %u channels", nr, channels);
	}
	for (uint32_t i = nr; i < channels; i++) {
		p->mean[i] = p->mean[0];
		p->std[i] = p->std[0];
	}
	p->nr_mean = channels;
	return 0;
}

static int inputs(struct lower *l)
{
	struct nn_program *p = l->p;

	p->inputs = many(l->g->nr_inputs, sizeof(*p->inputs), 0);
	p->outputs = many(l->g->nr_outputs, sizeof(*p->outputs), 0);
	if (!p->inputs || !p->outputs)
		return -ENOMEM;
	for (uint32_t i = 0; i < l->g->nr_inputs; i++) {
		uint32_t v = lower_plain_value(l, l->g->inputs[i]);

		if (v == NN_NONE_VALUE)
			return -ENOMEM;
		p->inputs[p->nr_inputs++] = v;
		p->values[v].images = p->values[v].dims.n ? nn_program_batch(p) : 1;
	}
	return 0;
}

static int outputs(struct lower *l)
{
	for (uint32_t i = 0; i < l->g->nr_outputs; i++) {
		uint32_t t = l->g->outputs[i];
		bool card = l->g->tensors[t].producer != NN_NOWHERE && !l->g->tensors[t].data && l->card_value[t] != NN_NONE_VALUE;
		uint32_t v = card ? l->card_value[t] : lower_plain_value(l, t);

		if (v == NN_NONE_VALUE)
			return -ENOMEM;
		l->p->outputs[l->p->nr_outputs++] = v;
	}
	return 0;
}

int nn_lower(const struct nn_graph *graph, enum nn_shell shell, struct nn_program **out, struct smartssd_error *err)
{
	struct lower l = { .g = graph, .err = err };
	int ret;

	*out = NULL;
	l.p = calloc(1, sizeof(*l.p));
	if (!l.p)
		return smartssd_fail(err, -ENOMEM, "no memory for the program");
	l.p->shell = shell;
	l.p->cards = 1;
	l.p->name = lower_text(&l, "%s", graph->name ? graph->name : "");
	l.p->decision = lower_text(&l, "%s", "");
	if (err)
		err->text[0] = '\0';
	ret = begin(&l);
	ret = ret ? ret : input_meta(&l);
	ret = ret ? ret : inputs(&l);
	if (!ret) {
		lower_match(&l);
		ret = l.no_memory ? -ENOMEM : lower_fuse(&l);
	}
	ret = ret ? ret : lower_order(&l);
	ret = ret ? ret : lower_constants(&l);
	ret = ret ? ret : outputs(&l);
	if (l.no_memory)
		ret = -ENOMEM;
	ret = ret ? ret : nn_program_check(l.p, err);
	end(&l);
	if (!ret) {
		*out = l.p;
		return 0;
	}
	nn_program_free(l.p);
	if (ret == -ENOMEM)
		smartssd_fail(err, ret, "no memory to lower the model '%s'", graph->name ? graph->name : "");
	return ret;
}
