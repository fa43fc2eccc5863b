// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where values lie: in the order of layers, each value gets the first gap among those that are alive that is large enough. A value with parts lives from the first
 * part's beginning to the last one's end. Card-format values and plain ones have regions of their own.
 */
#include "program_impl.h"

#define ALIGN 4096u

struct life {
	uint32_t from, to; /* layers + 1; 0: before the first */
	uint64_t bytes;
	bool used;
};

struct live { /* sorted by offset */
	uint64_t at, end;
	uint32_t to;
};

struct region {
	struct live *live;
	uint32_t nr, room;
	uint64_t bytes;
};

static void touch(const struct nn_program *p, struct life *life, uint32_t v, uint32_t when)
{
	struct life *l;

	if (v == NN_NONE_VALUE)
		return;
	l = &life[nn_value_root(p, v)];
	if (!l->used || when < l->from)
		l->from = when;
	if (!l->used || when > l->to)
		l->to = when;
	l->used = true;
}

static void lives(const struct nn_program *p, bool keep, struct life *life)
{
	for (uint32_t i = 0; i < p->nr_inputs; i++)
		touch(p, life, p->inputs[i], 0);
	for (uint32_t i = 0; i < p->nr_layers; i++) {
		const struct nn_layer *l = &p->layers[i];

		if (l->kind == NN_LAYER_GRAPH) {
			for (uint32_t k = 0; k < l->graph.nr_in; k++)
				touch(p, life, l->graph.in[k], i + 1);
			for (uint32_t k = 0; k < l->graph.nr_out; k++)
				touch(p, life, l->graph.out[k], i + 1);
		} else {
			touch(p, life, l->in[0], i + 1);
			touch(p, life, l->in[1], i + 1);
			touch(p, life, l->out, i + 1);
		}
	}
	for (uint32_t i = 0; i < p->nr_outputs; i++)
		touch(p, life, p->outputs[i], p->nr_layers + 1);
	for (uint32_t i = 0; keep && i < p->nr_values; i++)
		if (life[i].used)
			life[i].to = p->nr_layers + 1;
}

static int put(struct region *r, uint64_t bytes, uint32_t to, uint64_t *offset)
{
	uint64_t at = 0, end;
	uint32_t i;

	for (i = 0; i < r->nr; i++) {
		if (r->live[i].at - at >= bytes)
			break;
		at = r->live[i].end;
	}
	if (__builtin_add_overflow(at, bytes, &end) || end > INT64_MAX / 4)
		return -EFBIG;
	if (smartssd_grow(&r->live, &r->room, (uint64_t)r->nr + 1, 64, sizeof(*r->live)))
		return -ENOMEM;
	memmove(&r->live[i + 1], &r->live[i], (r->nr - i) * sizeof(*r->live));
	r->live[i] = (struct live){ at, end, to };
	r->nr++;
	r->bytes = max_u64(r->bytes, end);
	*offset = at;
	return 0;
}

/* What nobody reads from layer @when on. */
static void drop(struct region *r, uint32_t when)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->nr; i++)
		if (r->live[i].to >= when)
			r->live[n++] = r->live[i];
	r->nr = n;
}

struct by_birth {
	uint32_t from, value;
};

static int compare(const void *a, const void *b)
{
	const struct by_birth *x = a, *y = b;

	return x->from != y->from ? (x->from < y->from ? -1 : 1) : x->value < y->value ? -1 : x->value > y->value;
}

static int place(const struct nn_program *p, const struct life *life, const struct by_birth *order, uint32_t nr, bool plain, struct region *r, uint64_t *offset)
{
	int ret = 0;

	for (uint32_t i = 0; i < nr && !ret; i++) {
		const struct life *l = &life[order[i].value];

		if (p->values[order[i].value].plain != plain)
			continue;
		drop(r, l->from);
		ret = put(r, l->bytes, l->to, &offset[order[i].value]);
	}
	return ret;
}

int nn_memory_plan(const struct nn_program *program, uint32_t images, bool keep, struct nn_memory *out)
{
	uint32_t nr = program->nr_values, births = 0;
	struct life *life = calloc(nr + 1ull, sizeof(*life));
	struct by_birth *order = calloc(nr + 1ull, sizeof(*order));
	struct region card = { 0 }, plain = { 0 };
	int ret = life && order ? 0 : -ENOMEM;

	memset(out, 0, sizeof(*out));
	out->offset = calloc(nr + 1ull, sizeof(*out->offset));
	if (!out->offset)
		ret = -ENOMEM;
	if (!ret)
		lives(program, keep, life);
	for (uint32_t v = 0; v < nr && !ret; v++) {
		if (!life[v].used || program->values[v].whole != NN_NONE_VALUE)
			continue;
		life[v].bytes = nn_value_bytes(program, &program->values[v], images);
		if (life[v].bytes > INT64_MAX / 4)
			ret = -EFBIG;
		life[v].bytes = align_up(max_u64(life[v].bytes, 1), ALIGN);
		order[births++] = (struct by_birth){ life[v].from, v };
	}
	if (!ret) {
		qsort(order, births, sizeof(*order), compare);
		ret = place(program, life, order, births, false, &card, out->offset);
		ret = ret ? ret : place(program, life, order, births, true, &plain, out->offset);
	}
	for (uint32_t v = 0; v < nr && !ret; v++) {
		const struct nn_value *value = &program->values[v];

		if (value->plain)
			out->offset[v] += card.bytes;
		else if (value->whole != NN_NONE_VALUE)
			out->offset[v] = out->offset[value->whole] + value->at;
	}
	out->card_bytes = card.bytes;
	out->bytes = card.bytes + plain.bytes;
	free(life);
	free(order);
	free(card.live);
	free(plain.live);
	if (ret) {
		free(out->offset);
		memset(out, 0, sizeof(*out));
	}
	return ret;
}
