// SPDX-License-Identifier: BSD-2-Clause
/*
 * Graph -> .onnx, opset 13, or 14 or 15 where a node needs it. Nodes have inputs as of opset 13 already; what a builder gave as attributes only
 * (Clip's bounds, axes) becomes constants here, a Softmax over several dimensions becomes Flatten, Softmax, Reshape, and ceil_mode, which
 * readers disagree about, becomes padding.
 */
#include <stdio.h>

#include "../whole.h"
#include "onnx_impl.h"

#define OPSET	   13 /* at least */
#define IR_VERSION 8

/* All pieces of the message, freed together. */
struct writer {
	const struct nn_graph *g;
	void **pieces;
	size_t nr, room;
	bool failed;
	int64_t opset;
	Onnx__GraphProto *out;
	size_t room_nodes, room_initializers;
};

static void *piece(struct writer *w, size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size), *more;

	if (p && w->nr == w->room) {
		size_t room = w->room ? w->room * 2 : 256;

		more = realloc(w->pieces, room * sizeof(*w->pieces));
		if (!more) {
			free(p);
			p = NULL;
		} else {
			w->pieces = more;
			w->room = room;
		}
	}
	if (!p) {
		w->failed = true;
		return NULL;
	}
	return w->pieces[w->nr++] = p;
}

/* "base/what", which no tensor of the graph is called. */
static char *new_name(struct writer *w, const char *base, const char *what)
{
	size_t room = strlen(base) + strlen(what) + 16;
	char *name = piece(w, room, 1);

	if (!name)
		return NULL;
	snprintf(name, room, "%s/%s", base, what);
	for (uint32_t i = 1; nn_graph_find(w->g, name) != NN_NOWHERE; i++)
		snprintf(name, room, "%s/%s.%u", base, what, i);
	return name;
}

/* One more entry of an array of pointers that is a piece of its own. */
static bool append(struct writer *w, void ***list, size_t *nr, size_t *room, void *entry)
{
	if (*nr == *room) {
		size_t more = *room ? *room * 2 : 64;
		void **moved = piece(w, more, sizeof(*moved));

		if (!moved)
			return false;
		if (*nr)
			memcpy(moved, *list, *nr * sizeof(*moved));
		*list = moved;
		*room = more;
	}
	(*list)[(*nr)++] = entry;
	return true;
}

static Onnx__TensorProto *new_tensor(struct writer *w, char *name, enum nn_type type, const struct nn_dims *dims, const void *data)
{
	Onnx__TensorProto *t = piece(w, 1, sizeof(*t));
	uint64_t bytes;

	if (!t || !name || nn_size(type, dims, NULL, &bytes)) {
		w->failed = true;
		return NULL;
	}
	onnx__tensor_proto__init(t);
	t->name = name;
	t->has_data_type = true;
	t->data_type = nn_onnx_data_type(type);
	t->n_dims = dims->n;
	t->dims = (int64_t *)dims->d;
	t->has_raw_data = true;
	t->raw_data = (ProtobufCBinaryData){ bytes, (uint8_t *)data };
	return t;
}

static void add_initializer(struct writer *w, char *name, enum nn_type type, const struct nn_dims *dims, const void *data)
{
	Onnx__TensorProto *t = new_tensor(w, name, type, dims, data);

	if (t)
		append(w, (void ***)&w->out->initializer, &w->out->n_initializer, &w->room_initializers, t);
}

static Onnx__AttributeProto *attr(struct writer *w, Onnx__NodeProto *n, const char *name, Onnx__AttributeProto__AttributeType type)
{
	Onnx__AttributeProto *a = piece(w, 1, sizeof(*a));

	if (!n->attribute)
		n->attribute = piece(w, 8, sizeof(*n->attribute));
	if (!a || !n->attribute || n->n_attribute == 8) {
		w->failed = true;
		return NULL;
	}
	onnx__attribute_proto__init(a);
	a->name = (char *)name;
	a->has_type = true;
	a->type = type;
	return n->attribute[n->n_attribute++] = a;
}

static void put_int(struct writer *w, Onnx__NodeProto *n, const char *name, int64_t v)
{
	Onnx__AttributeProto *a = attr(w, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);

	if (a) {
		a->has_i = true;
		a->i = v;
	}
}

static void put_float(struct writer *w, Onnx__NodeProto *n, const char *name, float v)
{
	Onnx__AttributeProto *a = attr(w, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);

	if (a) {
		a->has_f = true;
		a->f = v;
	}
}

static void put_ints(struct writer *w, Onnx__NodeProto *n, const char *name, const int64_t *v, uint32_t nr)
{
	Onnx__AttributeProto *a = attr(w, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);

	if (a) {
		a->n_ints = nr;
		a->ints = (int64_t *)v;
	}
}

static void put_element(struct writer *w, Onnx__NodeProto *n, const struct nn_attrs *from)
{
	static const struct nn_dims one = { 1, { 1 } };
	Onnx__AttributeProto *a = attr(w, n, "value", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR);

	if (a)
		a->t = new_tensor(w, "value", from->to, &one, from->element);
}

static void put_window(struct writer *w, Onnx__NodeProto *n, const struct nn_attrs *a)
{
	put_ints(w, n, "kernel_shape", a->wide[0], a->spatial);
	put_ints(w, n, "strides", a->wide[1], a->spatial);
	put_ints(w, n, "dilations", a->wide[2], a->spatial);
	put_ints(w, n, "pads", a->wide[3], 2 * a->spatial);
}

static void need_opset(struct writer *w, int64_t opset)
{
	if (w->opset < opset)
		w->opset = opset;
}

/*
 * Pooling. How many windows ceil_mode makes, ONNX has changed its mind about; how many fit between pads, never. So the last window, where it
 * sticks out, gets padding to end in. Only an average that counts padding must not count that.
 */
static void put_pool(struct writer *w, Onnx__NodeProto *n, const struct nn_node *node)
{
	const struct nn_attrs *a = &node->attrs;
	const struct nn_dims *x = &nn_in(w->g, node, 0)->dims, *y = &nn_out(w->g, node, 0)->dims;
	int64_t *pads = piece(w, 6, sizeof(*pads));
	bool more = false;

	if (!pads)
		return;
	memcpy(pads, a->wide[3], sizeof(a->wide[3]));
	for (uint32_t i = 0; i < a->spatial; i++) {
		int64_t extent = (a->wide[0][i] - 1) * a->wide[2][i] + 1;
		int64_t end = (y->d[i + 2] - 1) * a->wide[1][i] + extent - x->d[i + 2] - pads[i];

		if (end > pads[i + a->spatial]) {
			pads[i + a->spatial] = end;
			more = true;
		}
	}
	more &= node->op == NN_AVERAGE_POOL && a->count_include_pad;
	put_ints(w, n, "kernel_shape", a->wide[0], a->spatial);
	put_ints(w, n, "strides", a->wide[1], a->spatial);
	if (node->op == NN_MAX_POOL)
		put_ints(w, n, "dilations", a->wide[2], a->spatial); /* AveragePool got them with opset 19 */
	else
		put_int(w, n, "count_include_pad", a->count_include_pad);
	put_ints(w, n, "pads", more ? a->wide[3] : pads, 2 * a->spatial);
	put_int(w, n, "ceil_mode", more);
}

static Onnx__NodeProto *new_node(struct writer *w, const char *op, const char *name, size_t nr_in, size_t nr_out)
{
	Onnx__NodeProto *n = piece(w, 1, sizeof(*n));

	if (!n)
		return NULL;
	onnx__node_proto__init(n);
	n->op_type = (char *)op;
	n->name = (char *)name;
	n->n_input = nr_in;
	n->input = piece(w, nr_in + 3, sizeof(*n->input));
	n->n_output = nr_out;
	n->output = piece(w, nr_out, sizeof(*n->output));
	if (!n->input || !n->output || !append(w, (void ***)&w->out->node, &w->out->n_node, &w->room_nodes, n))
		return NULL;
	return n;
}

/* Input @i as a constant, unless the node has it. */
static void constant_input(struct writer *w, Onnx__NodeProto *n, size_t i, const char *what, enum nn_type type, uint32_t rank, int64_t nr,
			   const void *data)
{
	struct nn_dims *dims;

	if (i < n->n_input && *n->input[i])
		return;
	dims = piece(w, 1, sizeof(*dims));
	if (!dims)
		return;
	*dims = (struct nn_dims){ rank, { nr } };
	while (n->n_input <= i)
		n->input[n->n_input++] = "";
	n->input[i] = new_name(w, n->output[0], what);
	add_initializer(w, n->input[i], type, dims, data);
}

static void put_clip(struct writer *w, Onnx__NodeProto *n, const struct nn_node *node)
{
	const struct nn_attrs *a = &node->attrs;
	enum nn_type type = nn_in(w->g, node, 0)->type;

	for (uint32_t i = 0; i < 2; i++) {
		float v = i ? a->hi : a->lo;
		int32_t lo = INT32_MIN, hi = INT32_MAX, whole = 0;
		float *data = piece(w, 1, 8);

		if (!data || !(i ? a->has_hi : a->has_lo))
			continue;
		if (type != NN_I4)
			nn_range(type, &lo, &hi);
		/* A bound at the end of the type's range or beyond cuts nothing off. */
		if (type != NN_F4 && (i ? (double)v >= hi : (double)v <= lo))
			continue;
		if (type != NN_F4)
			whole = (double)v >= hi ? hi : (double)v <= lo ? lo : (int32_t)v;
		memcpy(data, type == NN_F4 ? (const void *)&v : &whole, 4);
		constant_input(w, n, i + 1, i ? "max" : "min", type, 0, 1, data);
	}
}

/* Softmax or LogSoftmax over all dimensions from an axis on. */
static void flat_softmax(struct writer *w, Onnx__NodeProto *n, const struct nn_node *node)
{
	const struct nn_dims *d = &nn_in(w->g, node, 0)->dims;
	char *flat = new_name(w, n->output[0], "flat"), *soft = new_name(w, n->output[0], "softmax"), *y = n->output[0];
	Onnx__NodeProto *after;

	if (!flat || !soft)
		return;
	n->op_type = "Flatten";
	put_int(w, n, "axis", node->attrs.axis);
	n->output[0] = flat;
	after = new_node(w, nn_op_name(node->op), soft, 1, 1);
	if (!after)
		return;
	put_int(w, after, "axis", 1);
	after->input[0] = flat;
	after->output[0] = soft;
	after = new_node(w, "Reshape", y, 1, 1);
	if (!after)
		return;
	after->input[0] = soft;
	after->output[0] = y;
	constant_input(w, after, 1, "shape", NN_I8, 1, d->n, d->d);
}

static void put_attrs(struct writer *w, Onnx__NodeProto *n, const struct nn_node *node)
{
	const struct nn_attrs *a = &node->attrs;

	switch (node->op) {
	case NN_AVERAGE_POOL:
	case NN_MAX_POOL:
		put_pool(w, n, node);
		break;
	case NN_ADD:
	case NN_SUB:
	case NN_MUL:
	case NN_DIV:
	case NN_RELU:
		/* Of integers: bytes in sums and products, any in Relu. */
		if (nn_type_bytes(nn_in(w->g, node, 0)->type) == 1 || (node->op == NN_RELU && nn_in(w->g, node, 0)->type != NN_F4))
			need_opset(w, 14);
		break;
	case NN_SHAPE:
		if (a->start || a->end != nn_in(w->g, node, 0)->dims.n) {
			need_opset(w, 15);
			put_int(w, n, "start", a->start);
			put_int(w, n, "end", a->end);
		}
		break;
	case NN_CONV:
	case NN_CONV_INTEGER:
	case NN_QLINEAR_CONV:
		put_window(w, n, a);
		put_int(w, n, "group", a->group);
		break;
	case NN_BATCH_NORM:
		put_float(w, n, "epsilon", a->epsilon);
		break;
	case NN_CAST:
		put_int(w, n, "to", nn_onnx_data_type(a->to));
		break;
	case NN_CLIP:
		put_clip(w, n, node);
		break;
	case NN_CONCAT:
	case NN_DEQUANTIZE:
	case NN_QUANTIZE:
	case NN_FLATTEN:
	case NN_GATHER:
		put_int(w, n, "axis", a->axis);
		break;
	case NN_CONSTANT_OF_SHAPE:
		put_element(w, n, a);
		break;
	case NN_GEMM:
		put_float(w, n, "alpha", a->alpha);
		put_float(w, n, "beta", a->beta);
		put_int(w, n, "transA", a->trans_a);
		put_int(w, n, "transB", a->trans_b);
		break;
	case NN_PAD:
		constant_input(w, n, 1, "pads", NN_I8, 1, 2 * nn_in(w->g, node, 0)->dims.n, a->padding);
		break;
	case NN_REDUCE_MEAN:
		if (!a->nr_axes) {
			n->op_type = "Identity"; /* over no axis */
			n->n_input = 1;
			break;
		}
		n->n_input = 1;
		put_ints(w, n, "axes", a->axes, a->nr_axes);
		put_int(w, n, "keepdims", a->keepdims);
		break;
	case NN_LOG_SOFTMAX:
	case NN_SOFTMAX:
		if (a->flatten)
			flat_softmax(w, n, node);
		else
			put_int(w, n, "axis", a->axis);
		break;
	case NN_SQUEEZE:
	case NN_UNSQUEEZE:
		constant_input(w, n, 1, "axes", NN_I8, 1, a->nr_axes, a->axes);
		break;
	case NN_TRANSPOSE:
		put_ints(w, n, "perm", a->perm, a->nr_axes);
		break;
	default:
		break;
	}
}

static int write_node(struct writer *w, const struct nn_node *node, struct smartssd_error *err)
{
	Onnx__NodeProto *n = new_node(w, nn_op_name(node->op), node->name, node->nr_in, node->nr_out);

	if (!n)
		return -ENOMEM;
	for (uint32_t i = 0; i < node->nr_in; i++)
		n->input[i] = nn_in(w->g, node, i) ? nn_in(w->g, node, i)->name : "";
	for (uint32_t i = 0; i < node->nr_out; i++)
		n->output[i] = nn_out(w->g, node, i) ? nn_out(w->g, node, i)->name : "";
	if (node->op == NN_AVERAGE_POOL)
		for (uint32_t i = 0; i < node->attrs.spatial; i++)
			if (node->attrs.wide[2][i] != 1)
				return nn_node_fail(err, -EOPNOTSUPP, node, "an AveragePool with dilations cannot be written in opset %d", OPSET);
	if (node->op == NN_RESHAPE) {
		/* The shape itself, not what says how to find it. */
		const struct nn_dims *d = &nn_out(w->g, node, 0)->dims;
		bool empty = false;

		for (uint32_t i = 0; i < d->n; i++)
			empty |= !d->d[i];
		if (empty) {
			need_opset(w, 14);
			put_int(w, n, "allowzero", 1);
		}
		n->input[1] = "";
		constant_input(w, n, 1, "shape", NN_I8, 1, d->n, d->d);
		return w->failed ? -ENOMEM : 0;
	}
	put_attrs(w, n, node);
	return w->failed ? -ENOMEM : 0;
}

static Onnx__ValueInfoProto *value_info(struct writer *w, const struct nn_tensor *t)
{
	Onnx__ValueInfoProto *v = piece(w, 1, sizeof(*v));
	Onnx__TypeProto *type = piece(w, 1, sizeof(*type));
	Onnx__TypeProto__Tensor *tensor = piece(w, 1, sizeof(*tensor));
	Onnx__TensorShapeProto *shape = piece(w, 1, sizeof(*shape));
	Onnx__TensorShapeProto__Dimension **list = piece(w, t->dims.n, sizeof(*list)), *d = piece(w, t->dims.n, sizeof(*d));

	if (w->failed)
		return NULL;
	onnx__value_info_proto__init(v);
	onnx__type_proto__init(type);
	onnx__type_proto__tensor__init(tensor);
	onnx__tensor_shape_proto__init(shape);
	for (uint32_t i = 0; i < t->dims.n; i++) {
		onnx__tensor_shape_proto__dimension__init(&d[i]);
		d[i].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
		d[i].dim_value = t->dims.d[i];
		list[i] = &d[i];
	}
	shape->n_dim = t->dims.n;
	shape->dim = list;
	tensor->has_elem_type = true;
	tensor->elem_type = nn_onnx_data_type(t->type);
	tensor->shape = shape;
	type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
	type->tensor_type = tensor;
	v->name = t->name;
	v->type = type;
	return v;
}

static Onnx__ValueInfoProto **value_infos(struct writer *w, const uint32_t *tensors, uint32_t nr)
{
	Onnx__ValueInfoProto **list = piece(w, nr, sizeof(*list));

	for (uint32_t i = 0; i < nr && list; i++)
		list[i] = value_info(w, &w->g->tensors[tensors[i]]);
	return list;
}

static void write_meta(struct writer *w, Onnx__ModelProto *m)
{
	Onnx__StringStringEntryProto **list = piece(w, w->g->nr_meta, sizeof(*list)), *p = piece(w, w->g->nr_meta, sizeof(*p));

	for (uint32_t i = 0; i < w->g->nr_meta && list && p; i++) {
		onnx__string_string_entry_proto__init(&p[i]);
		p[i].key = w->g->meta[i].key;
		p[i].value = w->g->meta[i].value;
		list[i] = &p[i];
	}
	m->n_metadata_props = w->g->nr_meta;
	m->metadata_props = list;
}

static int pack(struct writer *w, Onnx__ModelProto *m, void **data, size_t *bytes, struct smartssd_error *err)
{
	uint64_t total = 0, b;

	/* protobuf-c adds up in size_t and has no error for more than protobuf's 2 GiB. */
	for (uint32_t t = 0; t < w->g->nr_tensors; t++)
		if (w->g->tensors[t].data && !nn_size(w->g->tensors[t].type, &w->g->tensors[t].dims, NULL, &b))
			total += b;
	if (total > INT32_MAX)
		return nn_fail(err, -EFBIG, "the model has %llu bytes of constants; an ONNX file has at most 2147483647", (unsigned long long)total);
	*bytes = onnx__model_proto__get_packed_size(m);
	if (*bytes > INT32_MAX)
		return nn_fail(err, -EFBIG, "the model would have %zu bytes; an ONNX file has at most 2147483647", *bytes);
	*data = malloc(*bytes + 1);
	if (!*data)
		return -ENOMEM;
	onnx__model_proto__pack(m, *data);
	return 0;
}

static int write_graph(struct writer *w, void **data, size_t *bytes, struct smartssd_error *err)
{
	Onnx__ModelProto m = ONNX__MODEL_PROTO__INIT;
	Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
	Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT, *opsets = &opset;
	const struct nn_graph *g = w->g;
	int ret = 0;

	opset.domain = "";
	opset.has_version = true;
	m.has_ir_version = true;
	m.ir_version = IR_VERSION;
	m.producer_name = "smartssd";
	m.n_opset_import = 1;
	m.opset_import = &opsets;
	m.graph = &graph;
	graph.name = *g->name ? g->name : "graph";
	w->out = &graph;
	for (uint32_t t = 0; t < g->nr_tensors; t++)
		if (g->tensors[t].data)
			add_initializer(w, g->tensors[t].name, g->tensors[t].type, &g->tensors[t].dims, g->tensors[t].data);
	for (uint32_t n = 0; n < g->nr_nodes && !ret; n++)
		ret = write_node(w, &g->nodes[n], err);
	graph.n_input = g->nr_inputs;
	graph.input = value_infos(w, g->inputs, g->nr_inputs);
	graph.n_output = g->nr_outputs;
	graph.output = value_infos(w, g->outputs, g->nr_outputs);
	write_meta(w, &m);
	opset.version = w->opset;
	if (!ret && !w->failed)
		ret = pack(w, &m, data, bytes, err);
	if (ret == -ENOMEM || (!ret && w->failed))
		return nn_fail(err, -ENOMEM, "no memory to write the model");
	return ret;
}

int nn_graph_serialize(const struct nn_graph *g, void **data, size_t *bytes, struct smartssd_error *err)
{
	struct writer w = { .g = g, .opset = OPSET };
	int ret = write_graph(&w, data, bytes, err);

	for (size_t i = 0; i < w.nr; i++)
		free(w.pieces[i]);
	free(w.pieces);
	return ret;
}

int nn_graph_save(const struct nn_graph *g, const char *path, struct smartssd_error *err)
{
	struct smartssd_whole file;
	void *data;
	size_t bytes;
	int ret = nn_graph_serialize(g, &data, &bytes, err);

	if (ret)
		return ret;
	ret = smartssd_whole_begin(&file, path, err);
	if (!ret) {
		ret = smartssd_whole_end(&file, smartssd_whole_write(&file, data, bytes));
		if (ret)
			nn_fail(err, ret, "%s: cannot be written (%zu bytes): %s", path, bytes, strerror(-ret));
	}
	free(data);
	return ret;
}
