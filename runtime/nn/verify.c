// SPDX-License-Identifier: BSD-2-Clause
/*
 * Verification: each layer once more with the reference kernels, from the inputs that the card itself had for this layer, so that a difference is found in the
 * layer where it arises. The memory plan keeps all values apart, and all of them were copied out.
 */
#include "exec.h"

struct check {
	uint8_t *saved;		   /* the output's memory as the card left it */
	uint8_t *card, *reference; /* the output in ONNX order */
};

static int32_t number(const struct nn_value *v, uint8_t byte)
{
	return v->type == NN_I1 ? (int8_t)byte : byte;
}

/* Is (@image, @layer) before what was found so far? */
static bool earlier(const struct smartssd_difference *d, uint64_t image, uint32_t layer)
{
	return !d->found || image < d->image || (image == d->image && layer < d->layer);
}

static void compare(struct exec_worker *w, uint32_t l, const struct nn_value *v, const struct check *c)
{
	uint64_t each = (uint64_t)v->h * v->w * v->c, n = each * nn_value_images(w->s->program, v, w->images), i;

	w->verified += n;
	if (!memcmp(c->card, c->reference, n))
		return;
	for (i = 0; c->card[i] == c->reference[i]; i++)
		;
	if (earlier(&w->difference, w->image + i / each, l))
		w->difference = (struct smartssd_difference){
			.found = true,
			.layer = l,
			.image = w->image + i / each,
			.index = i % each,
			.card = number(v, c->card[i]),
			.reference = number(v, c->reference[i]),
		};
}

static int check_layer(struct exec_worker *w, uint32_t l, const struct check *c)
{
	const struct smartssd_session *s = w->s;
	const struct nn_program *p = s->program;
	const struct nn_layer *layer = &s->pack[l];
	const struct nn_value *v = &p->values[layer->out];
	uint32_t root = nn_value_root(p, layer->out);
	uint64_t at = s->memory.offset[root], bytes = nn_value_bytes(p, &p->values[root], w->images);
	const void *file = s->convert ? w->plain[p->inputs[0]] : w->raw;
	int ret;

	memcpy(c->saved, w->arena + at, bytes);
	ret = nn_layer_run_host(p, layer, &s->memory, w->images, w->arena, s->weights, file, true, &w->err);
	if (!ret) {
		nn_value_to_plain(p, v, w->images, c->saved + (s->memory.offset[layer->out] - at), c->card);
		nn_value_to_plain(p, v, w->images, w->arena + s->memory.offset[layer->out], c->reference);
		compare(w, l, v, c);
	}
	/* The next layers' inputs are the card's. */
	memcpy(w->arena + at, c->saved, bytes);
	return ret;
}

int exec_verify(struct exec_worker *w)
{
	const struct smartssd_session *s = w->s;
	const struct nn_program *p = s->program;
	uint64_t most = 1, read = w->host_read_bytes;
	struct check c;
	int ret = exec_weights(w->s, &w->err);

	for (uint32_t v = 0; v < p->nr_values; v++)
		if (!p->values[v].plain)
			most = max_u64(most, nn_value_bytes(p, &p->values[v], w->images));
	c.saved = malloc(most);
	c.card = malloc(most);
	c.reference = malloc(most);
	if (!ret && (!c.saved || !c.card || !c.reference))
		ret = exec_no_memory(&w->err, "verification");
	if (!ret)
		ret = s->convert ? exec_source_plain(w) : exec_source_raw(w);
	/* That the checking needed the input is no part of what the run moved. */
	w->host_read_bytes = read;
	for (uint32_t l = 0; l < p->nr_layers && !ret; l++)
		if (p->layers[l].kind != NN_LAYER_GRAPH)
			ret = check_layer(w, l, &c);
	free(c.saved);
	free(c.card);
	free(c.reference);
	return ret;
}
