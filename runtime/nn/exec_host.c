// SPDX-License-Identifier: BSD-2-Clause
/* Layers on the host: the kernels' fast versions on the worker's arena, and pieces of the ONNX graph by nn_eval(). */
#include "exec.h"

void *exec_plain(struct exec_worker *w, uint32_t value)
{
	const struct nn_program *p = w->s->program;

	/* For a full group, so that it serves all groups. */
	if (!w->plain[value])
		w->plain[value] = malloc(max_u64(nn_value_bytes(p, &p->values[value], w->s->batch), 1));
	return w->plain[value];
}

/* ---- a piece of the graph, for one model batch at a time ---- */

/* Input @i of the piece: its plain elements, converted into new memory (*owned) when it is of card format. */
static int piece_input(struct exec_worker *w, const struct nn_graph_layer *g, uint32_t i, uint32_t unit, void **data, bool *owned)
{
	const struct smartssd_session *s = w->s;
	const struct nn_value *v = &s->program->values[g->in[i]];
	uint64_t each = nn_value_stride(s->program, v);

	*owned = false;
	if (v->plain) {
		*data = exec_plain(w, g->in[i]);
		if (*data)
			*data = (uint8_t *)*data + unit * each;
		return *data ? 0 : exec_no_memory(&w->err, v->name);
	}
	*data = malloc((uint64_t)nn_count(&v->dims) * nn_type_bytes(v->type));
	if (!*data)
		return exec_no_memory(&w->err, v->name);
	*owned = true;
	nn_value_to_plain(s->program, v, s->unit, w->arena + s->memory.offset[g->in[i]] + unit * v->images * each, *data);
	return 0;
}

static int piece_output(struct exec_worker *w, const struct nn_graph_layer *g, uint32_t i, uint32_t unit, const void *data)
{
	const struct smartssd_session *s = w->s;
	const struct nn_value *v = &s->program->values[g->out[i]];
	uint64_t each = nn_value_stride(s->program, v);
	uint8_t *plain;

	if (!data)
		return smartssd_fail(&w->err, -EINVAL, "the graph did not make '%s'", v->name);
	if (!v->plain) {
		nn_value_from_plain(s->program, v, s->unit, data, w->arena + s->memory.offset[g->out[i]] + unit * v->images * each);
		return 0;
	}
	plain = exec_plain(w, g->out[i]);
	if (!plain)
		return exec_no_memory(&w->err, v->name);
	memcpy(plain + unit * each, data, each);
	return 0;
}

static int run_piece(struct exec_worker *w, const struct nn_layer *layer, uint32_t unit)
{
	const struct nn_graph_layer *g = &layer->graph;
	const struct nn_graph *graph = w->s->program->graphs[g->graph];
	void **data = calloc(g->nr_in + 1ull, sizeof(*data));
	bool *owned = calloc(g->nr_in + 1ull, sizeof(*owned));
	struct nn_values values = { 0 };
	int ret = 0;

	if (!data || !owned || nn_values_init(&values, graph, false)) {
		free(data);
		free(owned);
		return exec_no_memory(&w->err, layer->name);
	}
	for (uint32_t i = 0; i < g->nr_in && !ret; i++) {
		ret = piece_input(w, g, i, unit, &data[i], &owned[i]);
		if (!ret)
			values.value[graph->inputs[i]] = data[i];
	}
	if (!ret)
		ret = nn_eval(&values, NULL, NULL, &w->err);
	for (uint32_t i = 0; i < g->nr_out && !ret; i++)
		ret = piece_output(w, g, i, unit, values.value[graph->outputs[i]]);
	nn_values_free(&values);
	for (uint32_t i = 0; i < g->nr_in; i++)
		if (owned[i])
			free(data[i]);
	free(data);
	free(owned);
	return ret;
}

/* ---- layers ---- */

static int run_layer(struct exec_worker *w, uint32_t l)
{
	const struct smartssd_session *s = w->s;
	const struct nn_layer *layer = &s->pack[l];
	const void *file = NULL;
	int ret = 0;

	if (layer->kind == NN_LAYER_GRAPH) {
		for (uint32_t i = 0; i < layer->graph.nr_in && !ret; i++)
			if (layer->graph.in[i] == s->program->inputs[0])
				ret = exec_source_plain(w);
		for (uint32_t unit = 0; unit < w->images / s->unit && !ret; unit++)
			ret = run_piece(w, layer, unit);
		return ret;
	}
	ret = exec_weights(w->s, &w->err);
	if (!ret && layer->kind == NN_LAYER_PACK) {
		ret = s->convert ? exec_source_plain(w) : exec_source_raw(w);
		file = s->convert ? w->plain[s->program->inputs[0]] : w->raw;
	}
	if (!ret)
		ret = nn_layer_run_host(s->program, layer, &s->memory, w->images, w->arena, s->weights, file, false, &w->err);
	return ret;
}

/* What a segment reads and only cards have: after faults and at odd cuts; mostly it was brought out with the job that made it. */
static int fetch_missing(struct exec_worker *w, const struct nn_layer *layer)
{
	int ret = 0;

	for (uint32_t i = 0; i < exec_nr_in(layer) && !ret; i++) {
		uint32_t value = exec_in(layer, i);

		for (uint32_t v = 0; v < w->s->program->nr_values && value != NN_NONE_VALUE && !ret; v++)
			if (exec_is_leaf(w->s, v) && exec_belongs(w->s, v, value) && !exec_valid(w, v, EXEC_HOST))
				ret = exec_fetch(w, v);
	}
	return ret;
}

int exec_host_segment(struct exec_worker *w, uint32_t from, uint32_t to)
{
	const struct smartssd_session *s = w->s;
	int ret = exec_arena(w);

	for (uint32_t l = from; l < to && !ret; l++) {
		const struct nn_layer *layer = &s->pack[l];
		struct exec_event e = { .start = smartssd_now(), .image = w->image, .images = w->images, .layer = l,
					.card = (uint16_t)w->home, .thread = EXEC_TRACK_HOST };

		ret = fetch_missing(w, layer);
		if (!ret)
			ret = run_layer(w, l);
		if (ret)
			break;
		for (uint32_t i = 0; i < exec_nr_out(layer); i++)
			if (exec_out(layer, i) != NN_NONE_VALUE && !s->program->values[exec_out(layer, i)].plain)
				exec_wrote(w, exec_out(layer, i), EXEC_HOST);
		e.end = smartssd_now();
		w->times[l].runs++;
		w->times[l].seconds += (double)(e.end - e.start) * 1e-9;
		ret = exec_event(w, &e);
	}
	return ret;
}

/* ---- outputs ---- */

int exec_outputs(struct exec_worker *w)
{
	const struct smartssd_session *s = w->s;
	const struct nn_program *p = s->program;
	int ret = 0;

	for (uint32_t i = 0; i < p->nr_outputs && !ret; i++) {
		const struct nn_value *v = &p->values[p->outputs[i]];
		uint64_t each = (uint64_t)nn_count(&v->dims) * nn_type_bytes(v->type);
		uint8_t *to = (uint8_t *)s->outputs[i] + w->image / s->unit * each;

		for (uint32_t leaf = 0; leaf < p->nr_values && !ret; leaf++)
			if (exec_is_leaf(s, leaf) && exec_belongs(s, leaf, p->outputs[i]) && !exec_valid(w, leaf, EXEC_HOST))
				ret = exec_fetch(w, leaf);
		if (ret)
			break;
		if (!v->plain) {
			nn_value_to_plain(p, v, w->images, w->arena + s->memory.offset[p->outputs[i]], to);
			continue;
		}
		if (p->outputs[i] == p->inputs[0])
			ret = exec_source_plain(w);
		if (!ret && w->plain[p->outputs[i]])
			memcpy(to, w->plain[p->outputs[i]], w->images / s->unit * each);
		else if (!ret)
			ret = smartssd_fail(&w->err, -EINVAL, "no layer makes the output '%s'", v->name);
	}
	return ret;
}
