// SPDX-License-Identifier: BSD-2-Clause
/* What moves where when layers are placed, and what that comes to. */
#include <math.h>

#include "exec.h"
#include "plan_impl.h"

#define ON_FLASH (1ull << 63)

static const char *const busy_names[NN_BUSY_KINDS] = { "flash link", "card", "orchestrating CPU", "card's host link", "shared host link" };

const char *nn_busy_name(enum nn_busy busy)
{
	return (uint32_t)busy < NN_BUSY_KINDS ? busy_names[busy] : "nothing";
}

/* ---- the network as leaves ---- */

static uint64_t leaf_bytes(const struct nn_program *p, uint32_t v, bool input)
{
	const struct nn_value *value = &p->values[v];
	uint64_t bytes;

	if (!value->plain)
		bytes = (uint64_t)value->images * value->h * value->w * value->channels;
	else if (input && p->nr_mean) /* files of bytes */
		bytes = (uint64_t)nn_count(&value->dims);
	else
		bytes = nn_value_stride(p, value);
	return bytes / nn_program_batch(p);
}

struct builder {
	struct plan_net *net;
	const bool *has_parts;
	uint32_t nr, room; /* of net->lists */
	int ret;
};

/* The leaves of @v, unless they are in the list from @first on. */
static void add_leaves(struct builder *b, uint32_t v, uint32_t first)
{
	const struct nn_program *p = b->net->program;
	uint32_t from = v, to = v + 1;

	if (v == NN_NONE_VALUE || b->ret)
		return;
	if (b->has_parts[v]) {
		from = 0;
		to = p->nr_values;
	}
	for (uint32_t i = from; i < to; i++) {
		bool there = b->has_parts[v] && p->values[i].whole != v;

		for (uint32_t k = first; k < b->nr && !there; k++)
			there = b->net->lists[k] == i;
		if (there)
			continue;
		if (smartssd_grow(&b->net->lists, &b->room, b->nr + 1ull, 256, sizeof(*b->net->lists))) {
			b->ret = -ENOMEM;
			return;
		}
		b->net->lists[b->nr++] = i;
	}
}

static void add_layer(struct builder *b, uint32_t l)
{
	const struct nn_layer *layer = &b->net->program->layers[l];
	struct plan_layer *to = &b->net->layers[l];
	uint32_t first = b->nr;

	for (uint32_t i = 0; i < exec_nr_in(layer); i++)
		add_leaves(b, exec_in(layer, i), first);
	to->nr_in = b->nr - first;
	first = b->nr;
	for (uint32_t i = 0; i < exec_nr_out(layer); i++)
		add_leaves(b, exec_out(layer, i), first);
	to->nr_out = b->nr - first;
}

static void weights(struct plan_layer *to, uint64_t at, uint64_t bytes)
{
	if (!bytes)
		return;
	if (to->w_from == to->w_to) {
		to->w_from = at;
		to->w_to = at + bytes;
	}
	to->w_from = min_u64(to->w_from, at);
	to->w_to = max_u64(to->w_to, at + bytes);
}

static int layer_costs(struct plan_net *net, uint32_t l)
{
	const struct nn_layer *layer = &net->program->layers[l];
	struct plan_layer *to = &net->layers[l];
	struct nn_cost cost;

	to->card = INFINITY;
	if (layer->kind != NN_LAYER_GRAPH && !nn_layer_cost(net->program, layer, NN_ON_CARD, net->machine, &cost)) {
		to->card = cost.seconds;
		to->can_card = true;
	}
	nn_layer_cost(net->program, layer, NN_ON_HOST, net->machine, &cost);
	to->host = cost.seconds;
	to->can_host = !to->can_card || net->machine->host_macs_s > 0;
	weights(to, layer->w_at, layer->w_bytes);
	weights(to, layer->coef_at, layer->coef_bytes);
	weights(to, layer->lut_at, layer->lut_bytes);
	return 0;
}

/* As session.c takes it. */
static int slot_memory(struct plan_net *net)
{
	const struct nn_program *p = net->program;
	struct nn_memory memory;
	int ret = nn_memory_plan(p, net->batch, false, &memory);

	if (ret)
		return ret;
	/* Input and weights begin with whole blocks of their files, and end with them. */
	net->slot_bytes = align_up(memory.card_bytes, 4096) + 4 * EXEC_ALIGN + align_up((uint64_t)p->nr_layers * EXEC_STATUS, 4096);
	for (uint32_t i = 0; i < p->nr_inputs; i++) {
		uint64_t bytes = nn_value_bytes(p, &p->values[p->inputs[i]], net->batch);

		if (bytes > INT64_MAX / 64 || net->slot_bytes > INT64_MAX / 64)
			ret = -EFBIG;
		else
			net->slot_bytes += align_up(bytes, 4096);
	}
	free(memory.offset);
	return ret;
}

static void fill_leaves(struct plan_net *net, const bool *has_parts)
{
	const struct nn_program *p = net->program;

	for (uint32_t v = 0; v < p->nr_values; v++)
		net->leaves[v] = (struct plan_leaf){ .bytes = leaf_bytes(p, v, false), .last = UINT32_MAX };
	for (uint32_t i = 0; i < p->nr_inputs; i++) {
		net->leaves[p->inputs[i]].input = true;
		net->leaves[p->inputs[i]].bytes = leaf_bytes(p, p->inputs[i], true);
	}
	for (uint32_t l = 0; l < net->nr; l++)
		for (uint32_t i = 0; i < net->layers[l].nr_in; i++)
			net->leaves[net->layers[l].in[i]].last = l;
	for (uint32_t i = 0; i < p->nr_outputs; i++)
		for (uint32_t v = 0; v < p->nr_values; v++)
			if (v == p->outputs[i] || (has_parts[p->outputs[i]] && p->values[v].whole == p->outputs[i]))
				net->leaves[v].output = true;
}

int plan_net_open(struct plan_net *net, const struct nn_program *p, const struct nn_machine *machine)
{
	bool *has_parts = calloc(p->nr_values + 1ull, sizeof(*has_parts));
	struct builder b = { .net = net, .has_parts = has_parts };
	uint32_t at = 0;

	*net = (struct plan_net){ .program = p, .machine = machine, .nr = p->nr_layers, .nr_leaves = p->nr_values, .batch = plan_batch(p, machine) };
	net->layers = calloc(p->nr_layers + 1ull, sizeof(*net->layers));
	net->leaves = calloc(p->nr_values + 1ull, sizeof(*net->leaves));
	net->valid = calloc(p->nr_values + 1ull, sizeof(*net->valid));
	b.ret = has_parts && net->layers && net->leaves && net->valid ? slot_memory(net) : -ENOMEM;
	for (uint32_t v = 0; v < p->nr_values && !b.ret; v++)
		if (p->values[v].whole != NN_NONE_VALUE)
			has_parts[p->values[v].whole] = true;
	for (uint32_t l = 0; l < p->nr_layers && !b.ret; l++) {
		b.ret = layer_costs(net, l);
		add_layer(&b, l);
	}
	for (uint32_t l = 0; l < p->nr_layers && !b.ret; l++) {
		net->layers[l].in = net->lists + at;
		net->layers[l].out = net->lists + at + net->layers[l].nr_in;
		at += net->layers[l].nr_in + net->layers[l].nr_out;
	}
	if (!b.ret)
		fill_leaves(net, has_parts);
	free(has_parts);
	if (b.ret)
		plan_net_close(net);
	return b.ret;
}

void plan_net_close(struct plan_net *net)
{
	free(net->layers);
	free(net->leaves);
	free(net->lists);
	free(net->valid);
	memset(net, 0, sizeof(*net));
}

/* ---- what moves ---- */

struct flow {
	struct plan_net *net;
	struct plan_use *use;
	uint32_t drive; /* that holds the images */
	bool count;	/* into moved */
};

/* @leaf to where it is not. */
static void move(struct flow *f, uint32_t leaf, uint32_t to)
{
	const struct nn_machine *m = f->net->machine;
	uint64_t bytes = f->net->leaves[leaf].bytes, valid = f->net->valid[leaf], add = f->count ? bytes : 0;
	struct plan_use *use = f->use;
	double b = (double)bytes;
	uint32_t from;

	f->net->valid[leaf] |= EXEC_BIT(to);
	if (valid & ON_FLASH) {
		if (to == PLAN_HOST) {
			use->busy[f->drive][NN_BUSY_FLASH] += b / m->host_read_bytes_s;
			use->busy[f->drive][NN_BUSY_LINK] += b / m->host_read_bytes_s;
			use->shared += bytes;
			use->moved.read += add;
		} else {
			use->busy[to - 1][NN_BUSY_FLASH] += b / m->flash_bytes_s;
			use->moved.flash += add;
		}
		return;
	}
	use->shared += bytes;
	if (valid & EXEC_BIT(PLAN_HOST)) {
		use->busy[to - 1][NN_BUSY_LINK] += b / m->host_to_card_bytes_s;
		use->moved.to_card += add;
		return;
	}
	from = valid ? (uint32_t)__builtin_ctzll(valid) - 1 : 0;
	if (to == PLAN_HOST) {
		use->busy[from][NN_BUSY_LINK] += b / m->card_to_host_bytes_s;
		use->moved.to_host += add;
	} else {
		use->busy[from][NN_BUSY_LINK] += b / m->host_to_card_bytes_s;
		use->busy[to - 1][NN_BUSY_LINK] += b / m->host_to_card_bytes_s;
		use->moved.between += add;
	}
}

static void use_layer(struct flow *f, uint32_t l, uint32_t place, bool new_job)
{
	const struct plan_layer *layer = &f->net->layers[l];
	struct plan_use *use = f->use;

	for (uint32_t i = 0; i < layer->nr_in; i++)
		if (!(f->net->valid[layer->in[i]] & EXEC_BIT(place)))
			move(f, layer->in[i], place);
	for (uint32_t i = 0; i < layer->nr_out; i++)
		f->net->valid[layer->out[i]] = EXEC_BIT(place);
	for (uint32_t i = 0; i < layer->nr_out; i++)
		if (place != PLAN_HOST && f->net->leaves[layer->out[i]].output)
			move(f, layer->out[i], PLAN_HOST);
	if (place == PLAN_HOST) {
		use->host += layer->host;
		return;
	}
	if (new_job) {
		use->jobs++;
		use->host += f->net->machine->submit_seconds / f->net->batch;
	}
	use->busy[place - 1][NN_BUSY_CARD] += layer->card;
	if (layer->w_from == layer->w_to)
		return;
	if (use->w_from[place - 1] == use->w_to[place - 1]) {
		use->w_from[place - 1] = layer->w_from;
		use->w_to[place - 1] = layer->w_to;
	}
	use->w_from[place - 1] = min_u64(use->w_from[place - 1], layer->w_from);
	use->w_to[place - 1] = max_u64(use->w_to[place - 1], layer->w_to);
}

void plan_use(struct plan_net *net, const uint8_t *place, uint32_t only, struct plan_use *use)
{
	const struct nn_program *p = net->program;
	struct flow f = { .net = net, .use = use };

	memset(use, 0, sizeof(*use));
	memset(net->valid, 0, p->nr_values * sizeof(*net->valid));
	for (uint32_t i = 0; i < p->nr_inputs; i++)
		net->valid[p->inputs[i]] = ON_FLASH;
	for (uint32_t l = 0; l < net->nr && !f.drive; l++)
		f.drive = place[l] == PLAN_HOST ? 0 : place[l];
	f.drive = f.drive ? f.drive - 1 : 0;
	for (uint32_t l = 0; l < net->nr; l++) {
		f.count = only == UINT32_MAX || only == l;
		use_layer(&f, l, place[l], l == 0 || place[l - 1] != place[l]);
	}
}

static void maximum(struct nn_total *out)
{
	out->limit = NN_BUSY_CARD;
	for (int k = 0; k < NN_BUSY_KINDS; k++)
		if (out->busy[k] > out->busy[out->limit])
			out->limit = (enum nn_busy)k;
	out->seconds = out->busy[out->limit];
}

void plan_total(const struct plan_net *net, const struct plan_use *use, uint32_t cards, bool spread, struct nn_total *out)
{
	static const enum nn_busy own[3] = { NN_BUSY_FLASH, NN_BUSY_CARD, NN_BUSY_LINK };
	uint64_t slots, most = 0;

	*out = (struct nn_total){ .latency = use->host, .batch = net->batch, .jobs = use->jobs, .moved = use->moved };
	for (uint32_t c = 0; c < NN_MAX_CARDS; c++) {
		for (int k = 0; k < 3; k++) {
			double busy = use->busy[c][own[k]];

			out->latency += busy;
			out->busy[own[k]] = fmax(out->busy[own[k]], spread ? busy : busy / cards);
		}
		out->cards += use->busy[c][NN_BUSY_CARD] > 0;
		most = max_u64(most, use->w_to[c] - use->w_from[c]);
	}
	out->latency *= net->batch;
	out->busy[NN_BUSY_HOST] = use->host;
	out->busy[NN_BUSY_SHARED] = (double)use->shared / net->machine->host_link_bytes_s;
	slots = spread ? out->cards + 1 : NN_SLOTS;
	out->card_bytes = out->cards ? most + slots * net->slot_bytes : 0;
	if (!spread && out->cards)
		out->cards = cards;
	maximum(out);
}

bool plan_better(const struct nn_total *a, const struct nn_total *b)
{
	if (a->seconds < b->seconds * (1 - 1e-9))
		return true;
	return a->seconds <= b->seconds * (1 + 1e-9) && a->latency < b->latency * (1 - 1e-9);
}

/* ---- a program as it is ---- */

void plan_places(const struct nn_program *program, uint8_t *place)
{
	for (uint32_t l = 0; l < program->nr_layers; l++) {
		const struct nn_layer *layer = &program->layers[l];
		uint32_t card = program->spread ? layer->card % NN_MAX_CARDS : 0;

		place[l] = layer->kind == NN_LAYER_GRAPH || layer->place == NN_ON_HOST ? PLAN_HOST : (uint8_t)PLAN_CARD(card);
	}
}

static int as_it_is(const struct nn_program *p, uint32_t only, const struct nn_machine *machine, struct plan_net *net, struct plan_use *use)
{
	uint8_t *place = malloc(p->nr_layers + 1ull);
	int ret = place ? plan_net_open(net, p, machine) : -ENOMEM;

	if (!ret) {
		plan_places(p, place);
		plan_use(net, place, only, use);
	}
	free(place);
	return ret;
}

int nn_plan_total(const struct nn_program *program, uint32_t cards, const struct nn_machine *machine, struct nn_total *out)
{
	struct plan_use use;
	struct plan_net net;
	int ret = as_it_is(program, UINT32_MAX, machine, &net, &use);

	if (ret)
		return ret;
	plan_total(&net, &use, cards ? cards : 1, program->spread, out);
	plan_net_close(&net);
	return isfinite(out->seconds) ? 0 : -EINVAL;
}

int nn_plan_moved(const struct nn_program *program, uint32_t layer, const struct nn_machine *machine, struct nn_moved *out)
{
	struct plan_use use;
	struct plan_net net;
	int ret = as_it_is(program, layer, machine, &net, &use);

	if (ret)
		return ret;
	*out = use.moved;
	plan_net_close(&net);
	return 0;
}

/* Seconds of an image on a host of @rate alone. */
static double host_alone(struct plan_net *net, uint32_t cards, double rate, const uint8_t *place)
{
	struct nn_machine m = *net->machine;
	struct plan_net host = *net;
	struct plan_use use;
	struct nn_cost cost;
	struct nn_total t;

	m.host_macs_s = rate;
	host.machine = &m;
	for (uint32_t l = 0; l < host.nr; l++) {
		nn_layer_cost(host.program, &host.program->layers[l], NN_ON_HOST, &m, &cost);
		host.layers[l].host = cost.seconds;
	}
	plan_use(&host, place, UINT32_MAX, &use);
	plan_total(&host, &use, cards, false, &t);
	return t.seconds;
}

double nn_plan_break_even(const struct nn_program *program, uint32_t cards, const struct nn_machine *machine)
{
	uint8_t *place = calloc(program->nr_layers + 1ull, 1);
	double low = 1e6, high = 1e18, result = INFINITY;
	struct plan_use use;
	struct plan_net net;
	struct nn_total t;

	if (!place || as_it_is(program, UINT32_MAX, machine, &net, &use)) {
		free(place);
		return INFINITY;
	}
	cards = cards ? cards : 1;
	plan_total(&net, &use, cards, program->spread, &t);
	if (host_alone(&net, cards, high, place) <= t.seconds) {
		while (high / low > 1.001) {
			double middle = sqrt(low * high);

			if (host_alone(&net, cards, middle, place) > t.seconds)
				low = middle;
			else
				high = middle;
		}
		result = high;
	}
	plan_net_close(&net);
	free(place);
	return result;
}
