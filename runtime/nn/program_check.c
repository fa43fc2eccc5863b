// SPDX-License-Identifier: BSD-2-Clause
/* Is a program what it must be? Programs come from files, files from anywhere: what passes here can be run without wild accesses. */
#include "graph_impl.h"
#include "program_impl.h"
#include "session.h"

struct check {
	const struct nn_program *p;
	struct smartssd_error *err;
	bool *defined;	/* value: somebody wrote it */
	bool *odd;	/* value: shape is not what its dims say, as after unfolding */
	bool *input;	/* value: of the model */
	uint32_t *read; /* value: number of the last layer that is a piece and reads it, + 1 */
};

#define BAD(c, ...) nn_fail((c)->err, -EBADMSG, __VA_ARGS__)

static int check_value(struct check *c, uint32_t i)
{
	const struct nn_value *v = &c->p->values[i], *whole;
	uint32_t images, h, w, channels;
	int ret = nn_size(v->type, &v->dims, NULL, NULL);

	if (!v->name || v->dims.n > NN_MAX_DIMS || !nn_type_bytes(v->type) || ret)
		return BAD(c, "value %u has no name, no type or an impossible shape", i);
	if (v->plain)
		return v->whole == NN_NONE_VALUE ? 0 : BAD(c, "value %u is plain, but part of another one", i);
	if ((v->type != NN_U1 && v->type != NN_I1) || v->zero > 255 || !nn_card_layout(&v->dims, &images, &h, &w, &channels) || images != v->images)
		return BAD(c, "value %u '%s' has a type or shape that has no card format", i, v->name);
	c->odd[i] = h != v->h || w != v->w || channels != v->c;
	if (!v->h || v->h > NN_MAX_SIDE || !v->w || v->w > NN_MAX_SIDE || !v->c || v->c > INT32_MAX / 64 || v->channels != align_up(v->c, NN_LANES))
		return BAD(c, "value %u '%s' has impossible rows, columns or channels", i, v->name);
	if ((uint64_t)v->h * v->w > INT32_MAX / v->channels)
		return BAD(c, "value %u '%s' is larger than a card can address", i, v->name);
	if (v->whole == NN_NONE_VALUE)
		return 0;
	if (v->whole >= c->p->nr_values)
		return BAD(c, "value %u '%s' is part of a value that does not exist", i, v->name);
	whole = &c->p->values[v->whole];
	if (whole->plain || whole->whole != NN_NONE_VALUE || whole->images != v->images || whole->h != v->h || whole->w != v->w || v->at % NN_LANES ||
	    (uint64_t)v->at + v->channels > whole->channels)
		return BAD(c, "value %u '%s' does not fit into the value that it is part of", i, v->name);
	return 0;
}

/* An index of a card value; @use: it must have been written. */
static const struct nn_value *card_value(struct check *c, uint32_t v, bool use)
{
	if (v >= c->p->nr_values || c->p->values[v].plain || (use && !c->defined[v]))
		return NULL;
	return &c->p->values[v];
}

static void define(struct check *c, uint32_t v)
{
	c->defined[v] = true;
	/* When all parts are there is the business of who made the program: what is missing is memory, not danger. */
	c->defined[nn_value_root(c->p, v)] = true;
}

static bool halves(const uint32_t *pair)
{
	return pair[0] <= 0xffff && pair[1] <= 0xffff;
}

static bool bytes4(uint32_t a, uint32_t b, uint32_t d, uint32_t e)
{
	return (a | b | d | e) <= 255;
}

static bool weights_in_file(const struct nn_program *p, uint64_t at, uint64_t bytes)
{
	return at % 64 == 0 && at <= p->weights_bytes && bytes <= p->weights_bytes - at;
}

/* Does @out share bytes with @in (NN_NONE_VALUE: no)? Kernels may do things in any order. */
static bool overlap(const struct nn_program *p, uint32_t in, uint32_t out)
{
	const struct nn_value *x = in == NN_NONE_VALUE ? NULL : &p->values[in], *y = &p->values[out];

	return x && nn_value_root(p, in) == nn_value_root(p, out) && x->at < y->at + y->channels && y->at < x->at + x->channels;
}

static bool same_image(const struct nn_value *a, const struct nn_value *b)
{
	return a->images == b->images && a->h == b->h && a->w == b->w;
}

static bool good_conv(struct check *c, const struct nn_layer *l, const struct nn_value *x, const struct nn_value *y)
{
	const struct nn_conv_layer *v = &l->conv;
	const struct nn_value *r = v->residual ? card_value(c, l->in[1], true) : y;
	uint64_t filters = (uint64_t)v->groups * v->filters;
	const uint32_t *out = v->pool[0] ? v->pool_out : v->out;

	if (!halves(v->kernel) || !halves(v->stride) || !halves(v->dilation) || !halves(v->pad) || !halves(v->pool) || !halves(v->pool_stride) ||
	    !halves(v->pool_pad) || !v->kernel[0] != !v->kernel[1] || !v->pool[0] != !v->pool[1])
		return false;
	if (!bytes4(v->x_zero, v->zero, v->lo, v->hi) || !bytes4(v->r_zero, v->sum_zero, v->sum_lo, v->sum_hi))
		return false;
	if (!r || (!v->residual && l->in[1] != NN_NONE_VALUE) || !same_image(r, y) || r->channels != y->channels)
		return false;
	return (uint64_t)v->groups * v->channels == x->channels && filters == y->channels && out[0] == y->h && out[1] == y->w &&
	       l->coef_bytes == filters * 8;
}

static bool good_layer(struct check *c, const struct nn_layer *l, const struct nn_value *x, const struct nn_value *y)
{
	const struct nn_depthwise_layer *d = &l->depthwise;
	const struct nn_pool_layer *p = &l->pool;
	const struct nn_value *b;

	if (x->images != y->images)
		return false;
	switch (l->kind) {
	case NN_LAYER_CONV:
		return good_conv(c, l, x, y);
	case NN_LAYER_DEPTHWISE:
		return l->in[1] == NN_NONE_VALUE && halves(d->kernel) && halves(d->stride) && halves(d->dilation) && halves(d->pad) &&
		       bytes4(d->x_zero, d->zero, d->lo, d->hi) && x->channels == y->channels && d->out[0] == y->h && d->out[1] == y->w;
	case NN_LAYER_POOL:
		return l->in[1] == NN_NONE_VALUE && halves(p->kernel) && halves(p->stride) && halves(p->dilation) && halves(p->pad) && halves(p->pad_end) &&
		       bytes4(p->x_zero, p->zero, p->lo, p->hi) && x->channels == y->channels && p->out[0] == y->h && p->out[1] == y->w;
	default:
		b = l->in[1] == NN_NONE_VALUE ? x : card_value(c, l->in[1], true);
		if (l->w_bytes && (l->in[1] != NN_NONE_VALUE || (l->w_bytes != x->channels && l->w_bytes != (uint64_t)x->h * x->w * x->channels)))
			return false;
		return b && same_image(x, y) && same_image(b, y) && x->channels == y->channels && b->channels == y->channels &&
		       bytes4(l->add.a_zero, l->add.b_zero, l->add.zero, 0) && bytes4(l->add.lo, l->add.hi, 0, 0);
	}
}

static bool good_pack(struct check *c, const struct nn_layer *l, const struct nn_value *y)
{
	const struct nn_pack_layer *k = &l->pack;
	const struct nn_value *x;
	uint32_t images, h, w, channels;

	if (l->in[0] >= c->p->nr_values || !c->input[l->in[0]] || l->in[1] != NN_NONE_VALUE)
		return false;
	x = &c->p->values[l->in[0]];
	if (x->type != (k->is_float ? NN_F4 : y->type) || (x->dims.n != 4 && x->dims.n != 2) || !nn_card_layout(&x->dims, &images, &h, &w, &channels))
		return false;
	/* The distance from channel to channel has 32 bits. */
	return images == y->images && h == y->h && (uint64_t)h * w <= INT32_MAX / 4 && k->kernel <= 0xffff && k->stride <= 0xffff && k->pad <= 0xffff &&
	       y->c == (uint64_t)k->kernel * channels && bytes4(k->zero, k->outside, 0, 0) && (l->lut_bytes == 0 || l->lut_bytes == channels * 256ull);
}

static int check_piece(struct check *c, const struct nn_layer *l, uint32_t number)
{
	const struct nn_graph_layer *g = &l->graph;
	const struct nn_graph *graph = g->graph < c->p->nr_graphs ? c->p->graphs[g->graph] : NULL;

	if (!graph || graph->nr_inputs != g->nr_in || graph->nr_outputs != g->nr_out)
		return BAD(c, "layer '%s' is a piece of the graph that is not there, or with other inputs and outputs", l->name);
	for (uint32_t i = 0; i < g->nr_in + g->nr_out; i++) {
		bool in = i < g->nr_in;
		uint32_t v = in ? g->in[i] : g->out[i - g->nr_in];
		const struct nn_tensor *t = &graph->tensors[in ? graph->inputs[i] : graph->outputs[i - g->nr_in]];

		if (v >= c->p->nr_values || c->odd[v] || (in && !c->defined[v]) || c->p->values[v].type != t->type ||
		    !nn_dims_equal(&c->p->values[v].dims, &t->dims))
			return BAD(c, "layer '%s': tensor '%s' is not the value that it should be", l->name, t->name);
		if (in)
			c->read[v] = number + 1;
		else if (c->input[v])
			return BAD(c, "layer '%s' overwrites an input of the model", l->name);
		else if (c->read[v] == number + 1)
			return BAD(c, "layer '%s' writes where it reads", l->name);
	}
	if (l->place != NN_ON_HOST)
		return BAD(c, "layer '%s' is a piece of the graph, but not on the host", l->name);
	for (uint32_t i = 0; i < g->nr_out; i++)
		define(c, g->out[i]);
	return 0;
}

static int check_layer(struct check *c, uint32_t i)
{
	const struct nn_layer *l = &c->p->layers[i];
	const struct nn_value *x, *y;
	bool odd;
	int ret;

	if (!l->name || !l->fused || !l->why || !l->why_host || (uint32_t)l->kind >= NN_LAYER_KINDS || (uint32_t)l->place > NN_ON_HOST ||
	    l->card >= c->p->cards)
		return BAD(c, "layer %u has no name, an unknown kind or no place", i);
	if (!weights_in_file(c->p, l->w_at, l->w_bytes) || !weights_in_file(c->p, l->coef_at, l->coef_bytes) ||
	    !weights_in_file(c->p, l->lut_at, l->lut_bytes))
		return BAD(c, "the weights of layer %u '%s' are not where weights are", i, l->name);
	if (l->kind == NN_LAYER_GRAPH)
		return check_piece(c, l, i);
	y = card_value(c, l->out, false);
	if (!y)
		return BAD(c, "layer %u '%s' has no output", i, l->name);
	odd = c->odd[l->out];
	if (l->kind == NN_LAYER_PACK) {
		if (!good_pack(c, l, y) || (odd && l->pack.kernel == 1 && l->pack.stride == 1 && l->pack.pad == 0))
			return BAD(c, "layer %u '%s' contradicts the shapes of its input and output", i, l->name);
	} else {
		x = card_value(c, l->in[0], true);
		if (!x || odd || (c->odd[l->in[0]] && l->kind != NN_LAYER_CONV) || !good_layer(c, l, x, y))
			return BAD(c, "layer %u '%s' contradicts the shapes of its inputs and output", i, l->name);
		if (overlap(c->p, l->in[0], l->out) || overlap(c->p, l->in[1], l->out))
			return BAD(c, "layer %u '%s' writes where it reads", i, l->name);
	}
	ret = nn_layer_check(c->p, l, c->err);
	if (!ret)
		define(c, l->out);
	return ret ? -EBADMSG : 0;
}

static int check_all(struct check *c)
{
	const struct nn_program *p = c->p;
	int ret = 0;

	if (!p->name || !p->decision || (uint32_t)p->shell > NN_SHELL_DFX || !p->cards || p->cards > NN_MAX_CARDS || p->spread > 1 || p->nr_mean > 4)
		return BAD(c, "the program's name, shell, number of cards or input parameters are impossible");
	for (uint32_t i = 0; i < p->nr_values && !ret; i++)
		ret = check_value(c, i);
	for (uint32_t i = 0; i < p->nr_inputs && !ret; i++) {
		uint32_t v = p->inputs[i];

		if (v >= p->nr_values || !p->values[v].plain)
			return BAD(c, "input %u of the program is not a plain value", i);
		c->defined[v] = c->input[v] = true;
	}
	for (uint32_t i = 0; i < p->nr_layers && !ret; i++)
		ret = check_layer(c, i);
	for (uint32_t i = 0; i < p->nr_outputs && !ret; i++)
		if (p->outputs[i] >= p->nr_values || !c->defined[p->outputs[i]] || c->odd[p->outputs[i]])
			return BAD(c, "output %u of the program is not a value that a layer gives", i);
	return ret;
}

int nn_program_check(const struct nn_program *program, struct smartssd_error *err)
{
	struct check c = { program, err };
	int ret = -ENOMEM;

	c.defined = calloc(program->nr_values + 1ull, sizeof(*c.defined));
	c.odd = calloc(program->nr_values + 1ull, sizeof(*c.odd));
	c.input = calloc(program->nr_values + 1ull, sizeof(*c.input));
	c.read = calloc(program->nr_values + 1ull, sizeof(*c.read));
	if (c.defined && c.odd && c.input && c.read)
		ret = check_all(&c);
	else
		smartssd_fail(err, ret, "no memory to check the program");
	free(c.defined);
	free(c.odd);
	free(c.input);
	free(c.read);
	return ret;
}
