// SPDX-License-Identifier: BSD-2-Clause
/* The graph as a data structure: building, looking up, sorting, dropping what is not needed. */
#include <stdarg.h>
#include <stdio.h>

#include "graph_impl.h"

static const struct {
	const char *name;
	uint32_t bytes;
} types[] = {
	[NN_NONE] = { "no type", 0 }, [NN_U1] = { "uint8", 1 }, [NN_I1] = { "int8", 1 }, [NN_I4] = { "int32", 4 },
	[NN_I8] = { "int64", 8 },     [NN_F4] = { "float", 4 }, [NN_BOOL] = { "bool", 1 }, [NN_F8] = { "double", 8 },
};

uint32_t nn_type_bytes(enum nn_type type)
{
	return (uint32_t)type < ARRAY_SIZE(types) ? types[type].bytes : 0;
}

const char *nn_type_name(enum nn_type type)
{
	return (uint32_t)type < ARRAY_SIZE(types) ? types[type].name : "?";
}

static void clean(struct smartssd_error *err)
{
	if (err)
		for (char *p = err->text; *p; p++)
			if ((unsigned char)*p < ' ' || *p == 127)
				*p = '?';
}

int nn_fail(struct smartssd_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
		clean(err);
	}
	return code;
}

int nn_node_fail(struct smartssd_error *err, int code, const struct nn_node *node, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (err) {
		n = snprintf(err->text, sizeof(err->text), "%.40s '%.120s': ", node->op_type, node->name);
		va_start(ap, fmt);
		vsnprintf(err->text + n, sizeof(err->text) - (size_t)n, fmt, ap);
		va_end(ap);
		clean(err);
	}
	return code;
}

void *nn_alloc(uint64_t bytes)
{
	if (bytes > NN_MAX_BYTES)
		return NULL;
	return aligned_alloc(64, align_up(bytes ? bytes : 1, 64));
}

int64_t nn_count(const struct nn_dims *dims)
{
	int64_t n = 1;

	for (uint32_t i = 0; i < dims->n; i++)
		n *= dims->d[i];
	return n;
}

bool nn_dims_equal(const struct nn_dims *a, const struct nn_dims *b)
{
	if (a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++)
		if (a->d[i] != b->d[i])
			return false;
	return true;
}

int nn_size(enum nn_type type, const struct nn_dims *dims, uint64_t *elements, uint64_t *bytes)
{
	uint64_t n = 1, b = 0;
	bool empty = false;

	if (dims->n > NN_MAX_DIMS)
		return -EFBIG;
	for (uint32_t i = 0; i < dims->n; i++) {
		if (dims->d[i] < 0)
			return -EBADMSG;
		empty |= !dims->d[i];
	}
	/* Each partial product, too, is to fit: strides of an empty tensor are computed from them. */
	for (uint32_t i = 0; i < dims->n; i++)
		if (__builtin_mul_overflow(n, (uint64_t)(dims->d[i] ? dims->d[i] : 1), &n) || n > NN_MAX_BYTES)
			return -EFBIG;
	if (__builtin_mul_overflow(n, nn_type_bytes(type), &b) || b > NN_MAX_BYTES)
		return -EFBIG;
	if (elements)
		*elements = empty ? 0 : n;
	if (bytes)
		*bytes = empty ? 0 : b;
	return 0;
}

struct nn_graph *nn_graph_new(const char *name)
{
	struct nn_graph *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->name = strdup(name ? name : "");
	g->opset = 13;
	if (!g->name) {
		free(g);
		return NULL;
	}
	return g;
}

static void free_tensor(struct nn_tensor *t)
{
	free(t->name);
	if (t->owns)
		free(t->data);
}

static void free_node(struct nn_node *n)
{
	free(n->name);
	free(n->op_type);
	free(n->in);
	free(n->out);
}

void nn_graph_free(struct nn_graph *g)
{
	if (!g)
		return;
	for (uint32_t i = 0; i < g->nr_tensors; i++)
		free_tensor(&g->tensors[i]);
	for (uint32_t i = 0; i < g->nr_nodes; i++)
		free_node(&g->nodes[i]);
	for (uint32_t i = 0; i < g->nr_meta; i++) {
		free(g->meta[i].key);
		free(g->meta[i].value);
	}
	free(g->tensors);
	free(g->nodes);
	free(g->inputs);
	free(g->outputs);
	free(g->meta);
	free(g->name);
	free(g);
}

static bool grow(void **array, uint32_t nr, uint32_t *room, size_t size)
{
	uint32_t more = *room ? *room * 2 : 32;
	void *moved;

	if (nr < *room)
		return true;
	if (*room >= 1u << 26)
		return false;
	moved = realloc(*array, more * size);
	if (!moved)
		return false;
	*array = moved;
	*room = more;
	return true;
}

uint32_t nn_graph_add_tensor(struct nn_graph *g, const char *name, enum nn_type type, const struct nn_dims *dims)
{
	struct nn_tensor *t;

	if (!name || (dims && dims->n > NN_MAX_DIMS) || !grow((void **)&g->tensors, g->nr_tensors, &g->room_tensors, sizeof(*t)))
		return NN_NOWHERE;
	t = &g->tensors[g->nr_tensors];
	*t = (struct nn_tensor){ .name = strdup(name), .type = type, .producer = NN_NOWHERE };
	if (!t->name)
		return NN_NOWHERE;
	if (dims)
		t->dims = *dims;
	return g->nr_tensors++;
}

uint32_t nn_graph_add_constant(struct nn_graph *g, const char *name, enum nn_type type, const struct nn_dims *dims, const void *data)
{
	uint64_t bytes;
	uint32_t t;
	void *copy;

	if (nn_size(type, dims, NULL, &bytes))
		return NN_NOWHERE;
	copy = nn_alloc(bytes);
	if (!copy)
		return NN_NOWHERE;
	if (bytes)
		memcpy(copy, data, bytes);
	t = nn_graph_add_tensor(g, name, type, dims);
	if (t == NN_NOWHERE) {
		free(copy);
		return NN_NOWHERE;
	}
	g->tensors[t].data = copy;
	g->tensors[t].owns = true;
	return t;
}

static uint32_t *copy_indices(const uint32_t *from, uint32_t nr)
{
	uint32_t *to = malloc((nr ? nr : 1) * sizeof(*to));

	if (to && nr)
		memcpy(to, from, nr * sizeof(*to));
	return to;
}

uint32_t nn_graph_add_node(struct nn_graph *g, enum nn_op op, const char *name, const uint32_t *in, uint32_t nr_in, const uint32_t *out,
			   uint32_t nr_out, const struct nn_attrs *attrs)
{
	char made[64];
	struct nn_node *n;

	if (op <= NN_OP_NONE || op >= NN_OPS || nr_in > 1u << 20 || nr_out > 1u << 20 ||
	    !grow((void **)&g->nodes, g->nr_nodes, &g->room_nodes, sizeof(*n)))
		return NN_NOWHERE;
	for (uint32_t i = 0; i < nr_out; i++)
		if (out[i] != NN_NOWHERE && out[i] >= g->nr_tensors)
			return NN_NOWHERE;
	if (!name || !*name) {
		snprintf(made, sizeof(made), "%s_%u", nn_op_name(op), g->nr_nodes);
		name = made;
	}
	n = &g->nodes[g->nr_nodes];
	*n = (struct nn_node){ .op = op, .nr_in = nr_in, .nr_out = nr_out };
	n->name = strdup(name);
	n->op_type = strdup(nn_op_name(op));
	n->in = copy_indices(in, nr_in);
	n->out = copy_indices(out, nr_out);
	if (attrs)
		n->attrs = *attrs;
	if (!n->name || !n->op_type || !n->in || !n->out) {
		free_node(n);
		return NN_NOWHERE;
	}
	for (uint32_t i = 0; i < nr_out; i++)
		if (out[i] != NN_NOWHERE)
			g->tensors[out[i]].producer = g->nr_nodes;
	return g->nr_nodes++;
}

static int add_index(uint32_t **list, uint32_t *nr, uint32_t tensor)
{
	uint32_t *more = realloc(*list, (*nr + 1ull) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	*list = more;
	more[(*nr)++] = tensor;
	return 0;
}

int nn_graph_add_input(struct nn_graph *g, uint32_t tensor)
{
	if (tensor >= g->nr_tensors)
		return -EINVAL;
	g->tensors[tensor].is_input = true;
	return add_index(&g->inputs, &g->nr_inputs, tensor);
}

int nn_graph_add_output(struct nn_graph *g, uint32_t tensor)
{
	if (tensor >= g->nr_tensors)
		return -EINVAL;
	g->tensors[tensor].is_output = true;
	return add_index(&g->outputs, &g->nr_outputs, tensor);
}

const char *nn_graph_meta(const struct nn_graph *g, const char *key)
{
	for (uint32_t i = 0; i < g->nr_meta; i++)
		if (!strcmp(g->meta[i].key, key))
			return g->meta[i].value;
	return NULL;
}

int nn_graph_set_meta(struct nn_graph *g, const char *key, const char *value)
{
	struct nn_meta *more;
	char *k, *v = strdup(value);

	if (!v)
		return -ENOMEM;
	for (uint32_t i = 0; i < g->nr_meta; i++)
		if (!strcmp(g->meta[i].key, key)) {
			free(g->meta[i].value);
			g->meta[i].value = v;
			return 0;
		}
	k = strdup(key);
	more = k ? realloc(g->meta, (g->nr_meta + 1) * sizeof(*more)) : NULL;
	if (!more) {
		free(k);
		free(v);
		return -ENOMEM;
	}
	g->meta = more;
	g->meta[g->nr_meta++] = (struct nn_meta){ k, v };
	return 0;
}

uint32_t nn_graph_find(const struct nn_graph *g, const char *tensor)
{
	for (uint32_t i = 0; i < g->nr_tensors; i++)
		if (!strcmp(g->tensors[i].name, tensor))
			return i;
	return NN_NOWHERE;
}

uint32_t nn_graph_users(const struct nn_graph *g, uint32_t tensor, uint32_t *nodes, uint32_t room)
{
	uint32_t nr = 0;

	for (uint32_t n = 0; n < g->nr_nodes; n++)
		for (uint32_t i = 0; i < g->nodes[n].nr_in; i++)
			if (g->nodes[n].in[i] == tensor) {
				if (nr < room)
					nodes[nr] = n;
				nr++;
				break;
			}
	return nr;
}

/* ---- settling ---- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Two tensors of one name would become one in a file. */
static int check_names(const struct nn_graph *g, struct smartssd_error *err)
{
	char **names = malloc((g->nr_tensors + 1ull) * sizeof(*names));
	int ret = 0;

	if (!names)
		return nn_fail(err, -ENOMEM, "no memory for %u tensors", g->nr_tensors);
	for (uint32_t i = 0; i < g->nr_tensors; i++)
		names[i] = g->tensors[i].name;
	qsort(names, g->nr_tensors, sizeof(*names), compare_names);
	for (uint32_t i = 1; i < g->nr_tensors && !ret; i++)
		if (!strcmp(names[i - 1], names[i]))
			ret = nn_fail(err, -EBADMSG, "two tensors have the name '%.120s'; names must be unique", names[i]);
	free(names);
	return ret;
}

/* Who makes what; everything that is read is made by somebody. */
static int link_nodes(struct nn_graph *g, struct smartssd_error *err)
{
	if (g->nr_nodes > NN_MAX_NODES)
		return nn_fail(err, -EFBIG, "the model has %u nodes, more than %u", g->nr_nodes, NN_MAX_NODES);
	for (uint32_t i = 0; i < g->nr_tensors; i++) {
		struct nn_tensor *t = &g->tensors[i];

		t->producer = NN_NOWHERE;
		t->is_output = false;
		if ((t->is_input || t->data) && nn_size(t->type, &t->dims, NULL, NULL))
			return nn_fail(err, -EFBIG, "'%.120s' has a negative dimension or more than %llu bytes", t->name, NN_MAX_BYTES);
	}
	for (uint32_t n = 0; n < g->nr_nodes; n++) {
		const struct nn_node *node = &g->nodes[n];

		for (uint32_t i = 0; i < node->nr_out; i++) {
			struct nn_tensor *t;

			if (node->out[i] == NN_NOWHERE)
				continue;
			if (node->out[i] >= g->nr_tensors)
				return nn_node_fail(err, -EBADMSG, node, "output %u is tensor %u, but there are only %u", i, node->out[i], g->nr_tensors);
			t = &g->tensors[node->out[i]];
			if (t->producer != NN_NOWHERE)
				return nn_node_fail(err, -EBADMSG, node, "its output '%.100s' is also made by '%.100s'; each tensor has one producer",
						    t->name, g->nodes[t->producer].name);
			if (t->is_input || t->data)
				return nn_node_fail(err, -EBADMSG, node, "its output '%.100s' is also an input or a constant of the model", t->name);
			t->producer = n;
		}
	}
	for (uint32_t n = 0; n < g->nr_nodes; n++)
		for (uint32_t i = 0; i < g->nodes[n].nr_in; i++) {
			uint32_t t = g->nodes[n].in[i];

			if (t == NN_NOWHERE)
				continue;
			if (t >= g->nr_tensors)
				return nn_node_fail(err, -EBADMSG, &g->nodes[n], "input %u is tensor %u, but there are only %u", i, t, g->nr_tensors);
			if (g->tensors[t].producer == NN_NOWHERE && !g->tensors[t].is_input && !g->tensors[t].data)
				return nn_node_fail(err, -EBADMSG, &g->nodes[n],
						    "its input '%.100s' is neither an input, nor a constant, nor an output of another node", g->tensors[t].name);
		}
	for (uint32_t i = 0; i < g->nr_outputs; i++) {
		uint32_t t = g->outputs[i];

		if (t >= g->nr_tensors || (g->tensors[t].producer == NN_NOWHERE && !g->tensors[t].is_input && !g->tensors[t].data))
			return nn_fail(err, -EBADMSG, "the model's output '%.120s' is made by no node", t < g->nr_tensors ? g->tensors[t].name : "?");
		g->tensors[t].is_output = true;
	}
	return 0;
}

/* Depth first in the given order: an order that is right already stays as it is. */
static int sort_nodes(struct nn_graph *g, struct smartssd_error *err)
{
	enum { NEW, OPEN, DONE };
	uint32_t nr = g->nr_nodes, *stack = malloc((nr + 1ull) * sizeof(*stack)), *next = calloc(nr + 1ull, sizeof(*next)), placed = 0;
	uint8_t *state = calloc(1, nr + 1ull);
	struct nn_node *sorted = malloc((nr + 1ull) * sizeof(*sorted));
	int ret = 0;

	if (!stack || !next || !state || !sorted)
		ret = nn_fail(err, -ENOMEM, "no memory to sort %u nodes", nr);
	for (uint32_t first = 0; first < nr && !ret; first++) {
		uint32_t depth = 0;

		if (state[first] != NEW)
			continue;
		state[first] = OPEN;
		stack[depth++] = first;
		while (depth && !ret) {
			uint32_t n = stack[depth - 1], t, p;

			if (next[n] == g->nodes[n].nr_in) {
				state[n] = DONE;
				sorted[placed++] = g->nodes[n];
				depth--;
				continue;
			}
			t = g->nodes[n].in[next[n]++];
			p = t == NN_NOWHERE ? NN_NOWHERE : g->tensors[t].producer;
			if (p == NN_NOWHERE || state[p] == DONE)
				continue;
			if (state[p] == OPEN) {
				ret = nn_node_fail(err, -EBADMSG, &g->nodes[p], "depends on its own output, through '%.120s'", g->tensors[t].name);
				break;
			}
			state[p] = OPEN;
			stack[depth++] = p;
		}
	}
	if (!ret) {
		if (nr)
			memcpy(g->nodes, sorted, nr * sizeof(*sorted));
		for (uint32_t n = 0; n < nr; n++)
			for (uint32_t i = 0; i < g->nodes[n].nr_out; i++)
				if (g->nodes[n].out[i] != NN_NOWHERE)
					g->tensors[g->nodes[n].out[i]].producer = n;
	}
	free(stack);
	free(next);
	free(state);
	free(sorted);
	return ret;
}

/* Drop what no output needs; @dead (may be NULL) marks nodes that folding has made superfluous. Nodes are sorted. */
static int prune(struct nn_graph *g, const uint8_t *dead, struct smartssd_error *err)
{
	uint32_t *map = malloc((g->nr_tensors + 1ull) * sizeof(*map)), tensors = 0, nodes = 0;
	uint8_t *live = calloc(1, g->nr_nodes + 1ull);

	if (!map || !live) {
		free(map);
		free(live);
		return nn_fail(err, -ENOMEM, "no memory for %u tensors", g->nr_tensors);
	}
	for (uint32_t t = 0; t < g->nr_tensors; t++)
		map[t] = g->tensors[t].is_input ? 1 : 0;
	for (uint32_t i = 0; i < g->nr_outputs; i++)
		map[g->outputs[i]] = 1;
	for (uint32_t n = g->nr_nodes; n-- > 0;) {
		const struct nn_node *node = &g->nodes[n];

		for (uint32_t i = 0; i < node->nr_out && !(dead && dead[n]); i++)
			if (node->out[i] != NN_NOWHERE && map[node->out[i]])
				live[n] = 1;
		for (uint32_t i = 0; i < node->nr_in && live[n]; i++)
			if (node->in[i] != NN_NOWHERE)
				map[node->in[i]] = 1;
	}
	for (uint32_t t = 0; t < g->nr_tensors; t++) {
		if (!map[t]) {
			free_tensor(&g->tensors[t]);
			map[t] = NN_NOWHERE;
			continue;
		}
		map[t] = tensors;
		g->tensors[tensors] = g->tensors[t];
		g->tensors[tensors++].producer = NN_NOWHERE;
	}
	g->nr_tensors = tensors;
	for (uint32_t n = 0; n < g->nr_nodes; n++) {
		struct nn_node node = g->nodes[n];

		if (!live[n]) {
			free_node(&node);
			continue;
		}
		for (uint32_t i = 0; i < node.nr_in; i++)
			if (node.in[i] != NN_NOWHERE)
				node.in[i] = map[node.in[i]];
		for (uint32_t i = 0; i < node.nr_out; i++)
			if (node.out[i] != NN_NOWHERE) {
				node.out[i] = map[node.out[i]];
				if (node.out[i] != NN_NOWHERE)
					g->tensors[node.out[i]].producer = nodes;
			}
		g->nodes[nodes++] = node;
	}
	g->nr_nodes = nodes;
	for (uint32_t i = 0; i < g->nr_inputs; i++)
		g->inputs[i] = map[g->inputs[i]];
	for (uint32_t i = 0; i < g->nr_outputs; i++)
		g->outputs[i] = map[g->outputs[i]];
	free(map);
	free(live);
	return 0;
}

int nn_graph_settle(struct nn_graph *g, struct nn_fold *fold, struct smartssd_error *err)
{
	uint8_t *dead;
	int ret = check_names(g, err);

	if (!ret)
		ret = link_nodes(g, err);
	if (!ret)
		ret = sort_nodes(g, err);
	if (!ret)
		ret = prune(g, NULL, err);
	if (ret)
		return ret;
	dead = calloc(1, g->nr_nodes + 1ull);
	if (!dead)
		return nn_fail(err, -ENOMEM, "no memory for %u nodes", g->nr_nodes);
	for (uint32_t n = 0; n < g->nr_nodes && !ret; n++) {
		bool done = false;

		ret = nn_infer_node(g, &g->nodes[n], err);
		if (!ret && fold)
			ret = nn_fold_node(g, &g->nodes[n], fold, &done, err);
		dead[n] = done;
	}
	/* A constant no longer has a producer. */
	for (uint32_t n = 0; n < g->nr_nodes && !ret; n++)
		for (uint32_t i = 0; dead[n] && i < g->nodes[n].nr_out; i++)
			if (g->nodes[n].out[i] != NN_NOWHERE)
				g->tensors[g->nodes[n].out[i]].producer = NN_NOWHERE;
	if (!ret && fold)
		ret = prune(g, dead, err);
	free(dead);
	return ret;
}

int nn_graph_finish(struct nn_graph *g, struct smartssd_error *err)
{
	return nn_graph_settle(g, NULL, err);
}
