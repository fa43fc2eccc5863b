// SPDX-License-Identifier: BSD-2-Clause
/*
 * Attributes of each operator, in every form that they had from its first supported opset on, brought into the form of opset 13. An attribute
 * that nothing asks for is an error: what is ignored might matter.
 */
#include <stdio.h>

#include "onnx_impl.h"

struct attrs {
	struct nn_reader *r;
	const Onnx__NodeProto *pb;
	struct nn_node *node;
	uint32_t room;
	uint64_t used;
	int ret; /* the first error; nothing is done after it */
};

#define fail(a, code, ...) ((a)->ret = nn_node_fail((a)->r->err, code, (a)->node, __VA_ARGS__))

static const Onnx__AttributeProto *find(struct attrs *a, const char *name, int type)
{
	const Onnx__AttributeProto *found = NULL;

	for (size_t i = 0; i < a->pb->n_attribute && !a->ret; i++) {
		const Onnx__AttributeProto *p = a->pb->attribute[i];

		if (!p->name || strcmp(p->name, name))
			continue;
		if (found)
			fail(a, -EBADMSG, "attribute %s is there twice", name);
		else if (p->ref_attr_name && *p->ref_attr_name)
			fail(a, -EOPNOTSUPP, "attribute %s refers to a function's, which is not supported", name);
		else if (p->has_type && (int)p->type != type)
			fail(a, -EBADMSG, "attribute %s is of the wrong type (%d instead of %d)", name, (int)p->type, type);
		found = p;
		a->used |= 1ull << i;
	}
	return a->ret ? NULL : found;
}

static int64_t get_int(struct attrs *a, const char *name, int64_t none)
{
	const Onnx__AttributeProto *p = find(a, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);

	if (p && !p->has_i)
		fail(a, -EBADMSG, "attribute %s has no integer", name);
	return p && p->has_i ? p->i : none;
}

/* Only @value does what is implemented. */
static void want_int(struct attrs *a, const char *name, int64_t value, const char *why)
{
	int64_t v = get_int(a, name, value);

	if (!a->ret && v != value)
		fail(a, -EOPNOTSUPP, "attribute %s is %lld: %s", name, (long long)v, why);
}

static float get_float(struct attrs *a, const char *name, float none, bool *has)
{
	const Onnx__AttributeProto *p = find(a, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);

	if (p && !p->has_f)
		fail(a, -EBADMSG, "attribute %s has no float", name);
	if (has)
		*has = p && p->has_f;
	return p && p->has_f ? p->f : none;
}

static bool get_ints(struct attrs *a, const char *name, uint32_t room, int64_t *list, uint32_t *nr)
{
	const Onnx__AttributeProto *p = find(a, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);

	*nr = 0;
	if (!p)
		return false;
	if (p->n_ints > room) {
		fail(a, -EFBIG, "attribute %s has %zu entries, more than %u", name, p->n_ints, room);
		return false;
	}
	*nr = (uint32_t)p->n_ints;
	if (*nr)
		memcpy(list, p->ints, *nr * sizeof(*list));
	return true;
}

static bool is_text(const Onnx__AttributeProto *p, const char *text)
{
	return p->s.len == strlen(text) && !memcmp(p->s.data, text, p->s.len);
}

/* Input @i becomes a constant that was an attribute in older opsets. */
static void add_input(struct attrs *a, uint32_t i, const char *what, enum nn_type type, uint32_t rank, int64_t n, const void *data)
{
	const char *base = a->pb->n_output ? a->pb->output[0] : a->node->name;
	uint32_t t;

	if (a->ret)
		return;
	if (i >= a->room || (i < a->node->nr_in && a->node->in[i] != NN_NOWHERE)) {
		fail(a, -EBADMSG, "input %u is given, but in opset %lld the attribute %s takes its place", i, (long long)a->r->opset, what);
		return;
	}
	t = nn_reader_constant(a->r, base, what, type, &(struct nn_dims){ rank, { n } }, data);
	if (t == NN_NOWHERE) {
		fail(a, -ENOMEM, "no memory");
		return;
	}
	while (a->node->nr_in <= i)
		a->node->in[a->node->nr_in++] = NN_NOWHERE;
	a->node->in[i] = t;
}

static void read_window(struct attrs *a, bool pool)
{
	static const char *const names[] = { "kernel_shape", "strides", "dilations", "pads" };
	static const struct {
		const char *text;
		enum nn_auto_pad pad;
	} pads[] = { { "NOTSET", NN_PAD_GIVEN }, { "SAME_UPPER", NN_PAD_SAME_UPPER }, { "SAME_LOWER", NN_PAD_SAME_LOWER }, { "VALID", NN_PAD_VALID } };
	const Onnx__AttributeProto *p = find(a, "auto_pad", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
	struct nn_attrs *at = &a->node->attrs;
	bool known = !p;

	for (uint32_t i = 0; i < ARRAY_SIZE(pads) && p; i++)
		if (is_text(p, pads[i].text)) {
			at->auto_pad = pads[i].pad;
			known = true;
		}
	if (!known)
		fail(a, -EBADMSG, "attribute auto_pad is none of NOTSET, SAME_UPPER, SAME_LOWER, VALID");
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t nr, times = i == 3 ? 2 : 1;
		bool has = get_ints(a, names[i], 6, at->wide[i], &nr);

		if (!a->ret && !has && i == 0 && pool)
			fail(a, -EBADMSG, "attribute kernel_shape is missing");
		if (a->ret || !has)
			continue;
		if (!nr || nr % times || nr / times > 3 || (at->spatial && at->spatial != nr / times)) {
			fail(a, -EBADMSG, "attribute %s has %u entries, which does not fit 1 to 3 spatial dimensions or the other attributes", names[i], nr);
			return;
		}
		at->spatial = nr / times;
		for (uint32_t j = 0; j < nr && i != 3; j++)
			if (at->wide[i][j] < 1)
				fail(a, -EBADMSG, "attribute %s has the entry %lld", names[i], (long long)at->wide[i][j]);
	}
}

static void read_pad(struct attrs *a)
{
	const Onnx__AttributeProto *mode = find(a, "mode", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
	int64_t pads[2 * NN_MAX_DIMS];
	uint32_t nr;
	float value;

	if (mode && !is_text(mode, "constant")) {
		fail(a, -EOPNOTSUPP, "its mode is %.*s; only constant is supported", (int)(mode->s.len < 20 ? mode->s.len : 20), (const char *)mode->s.data);
		return;
	}
	if (a->r->opset >= 11)
		return;
	value = get_float(a, "value", 0, NULL);
	if (!get_ints(a, "pads", 2 * NN_MAX_DIMS, pads, &nr) && !a->ret)
		fail(a, -EBADMSG, "attribute pads is missing");
	add_input(a, 1, "pads", NN_I8, 1, nr, pads);
	add_input(a, 2, "value", NN_F4, 0, 1, &value);
}

static void read_axes_input(struct attrs *a, bool needed)
{
	int64_t axes[NN_MAX_DIMS];
	uint32_t nr;

	if (a->r->opset < 13) {
		if (get_ints(a, "axes", NN_MAX_DIMS, axes, &nr))
			add_input(a, 1, "axes", NN_I8, 1, nr, axes);
		else if (needed && !a->ret)
			fail(a, -EBADMSG, "attribute axes is missing");
	} else if (needed && (a->node->nr_in < 2 || a->node->in[1] == NN_NOWHERE)) {
		fail(a, -EBADMSG, "input axes is missing");
	}
}

static void read_reduce_mean(struct attrs *a)
{
	struct nn_attrs *at = &a->node->attrs;

	at->keepdims = get_int(a, "keepdims", 1) != 0;
	if (a->r->opset < 18) {
		if (get_ints(a, "axes", NN_MAX_DIMS, at->axes, &at->nr_axes))
			at->no_axes = false;
		if (a->node->nr_in > 1)
			fail(a, -EBADMSG, "axes as an input came with opset 18, the model has %lld", (long long)a->r->opset);
	} else {
		at->no_axes = get_int(a, "noop_with_empty_axes", 0) != 0;
	}
}

static void read_cast(struct attrs *a)
{
	int64_t to = get_int(a, "to", 0);

	get_int(a, "saturate", 1);
	if (!a->ret && (to < 1 || to > INT32_MAX))
		fail(a, -EBADMSG, "attribute to is missing or no type");
	if (!a->ret && (nn_onnx_type((int32_t)to, &a->node->attrs.to) || a->node->attrs.to == NN_F8))
		fail(a, -EOPNOTSUPP, "casts to %s; supported are float, uint8, int8, int32, int64 and bool", nn_onnx_type_name((int32_t)to));
}

static void read_clip(struct attrs *a)
{
	static const char *const names[] = { "min", "max" };

	if (a->r->opset >= 11)
		return;
	if (a->node->nr_in > 1)
		fail(a, -EBADMSG, "min and max as inputs came with opset 11, the model has %lld", (long long)a->r->opset);
	for (uint32_t i = 0; i < 2; i++) {
		bool has;
		float v = get_float(a, names[i], 0, &has);

		if (has)
			add_input(a, i + 1, names[i], NN_F4, 0, 1, &v);
	}
}

static void read_quantize(struct attrs *a)
{
	struct nn_attrs *at = &a->node->attrs;

	at->axis = a->r->opset >= 13 ? get_int(a, "axis", 1) : 1;
	get_int(a, "saturate", 1); /* matters for 8-bit floats only */
	want_int(a, "block_size", 0, "quantisation in blocks is not supported");
	want_int(a, "output_dtype", 0, "the type of the output must come from the zero point");
}

static void read_batch_norm(struct attrs *a)
{
	a->node->attrs.epsilon = get_float(a, "epsilon", 1e-5f, NULL);
	get_float(a, "momentum", 0, NULL); /* matters in training only */
	want_int(a, "training_mode", 0, "training is not supported; export the model in inference mode (model.eval())");
	if (a->r->opset < 9)
		want_int(a, "spatial", 1, "statistics per pixel are not supported");
}

static void read_gemm(struct attrs *a)
{
	struct nn_attrs *at = &a->node->attrs;

	at->alpha = get_float(a, "alpha", 1, NULL);
	at->beta = get_float(a, "beta", 1, NULL);
	at->trans_a = get_int(a, "transA", 0) != 0;
	at->trans_b = get_int(a, "transB", 0) != 0;
}

static void read_concat(struct attrs *a)
{
	a->node->attrs.axis = get_int(a, "axis", INT64_MIN);
	if (!a->ret && a->node->attrs.axis == INT64_MIN)
		fail(a, -EBADMSG, "attribute axis is missing");
}

/* Before opset 10 numbers, with axes 0, 1, ... where there are none. */
static void read_slice(struct attrs *a)
{
	static const char *const names[] = { "starts", "ends", "axes" };

	for (uint32_t i = 0; i < 3 && a->r->opset < 10 && !a->ret; i++) {
		int64_t list[NN_MAX_DIMS];
		uint32_t nr;

		if (get_ints(a, names[i], NN_MAX_DIMS, list, &nr))
			add_input(a, i + 1, names[i], NN_I8, 1, nr, list);
		else if (i < 2 && !a->ret)
			fail(a, -EBADMSG, "attribute %s is missing", names[i]);
	}
}

static void read_constant_of_shape(struct attrs *a)
{
	const Onnx__AttributeProto *p = find(a, "value", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR);
	struct nn_attrs *at = &a->node->attrs;
	struct nn_dims dims;
	void *data;

	at->to = NN_F4; /* of 0 */
	if (a->ret || !p)
		return;
	if (!p->t) {
		fail(a, -EBADMSG, "attribute value has no tensor");
		return;
	}
	a->ret = nn_onnx_tensor(p->t, a->node->name, &at->to, &dims, &data, a->r->err);
	if (a->ret)
		return;
	if (nn_count(&dims) == 1)
		memcpy(at->element, data, nn_type_bytes(at->to));
	else
		fail(a, -EBADMSG, "attribute value has %lld elements instead of one", (long long)nn_count(&dims));
	free(data);
}

static void read_shape(struct attrs *a)
{
	struct nn_attrs *at = &a->node->attrs;

	if (a->r->opset < 15)
		return;
	at->start = get_int(a, "start", 0);
	at->end = get_int(a, "end", INT64_MAX);
	at->has_end = true;
}

static void read_softmax(struct attrs *a)
{
	a->node->attrs.flatten = a->r->opset < 13;
	a->node->attrs.axis = get_int(a, "axis", a->r->opset < 13 ? 1 : -1);
}

int nn_onnx_attrs(struct nn_reader *r, const Onnx__NodeProto *pb, struct nn_node *node, uint32_t room)
{
	struct attrs a = { .r = r, .pb = pb, .node = node, .room = room };
	struct nn_attrs *at = &node->attrs;

	if (pb->n_attribute > 64)
		return nn_node_fail(r->err, -EFBIG, node, "it has %zu attributes", pb->n_attribute);
	switch (node->op) {
	case NN_AVERAGE_POOL:
		at->count_include_pad = get_int(&a, "count_include_pad", 0) != 0;
		at->ceil_mode = get_int(&a, "ceil_mode", 0) != 0;
		read_window(&a, true);
		break;
	case NN_MAX_POOL:
		get_int(&a, "storage_order", 0); /* of the second output, which is refused */
		at->ceil_mode = get_int(&a, "ceil_mode", 0) != 0;
		read_window(&a, true);
		break;
	case NN_CONV:
	case NN_CONV_INTEGER:
	case NN_QLINEAR_CONV:
		at->group = get_int(&a, "group", 1);
		if (!a.ret && at->group < 1)
			fail(&a, -EBADMSG, "attribute group is %lld", (long long)at->group);
		read_window(&a, false);
		break;
	case NN_BATCH_NORM:
		read_batch_norm(&a);
		break;
	case NN_CAST:
		read_cast(&a);
		break;
	case NN_CLIP:
		read_clip(&a);
		break;
	case NN_CONCAT:
		read_concat(&a);
		break;
	case NN_CONSTANT_OF_SHAPE:
		read_constant_of_shape(&a);
		break;
	case NN_DEQUANTIZE:
	case NN_QUANTIZE:
		read_quantize(&a);
		break;
	case NN_DROPOUT:
		if (r->opset < 12)
			get_float(&a, "ratio", 0, NULL);
		else
			get_int(&a, "seed", 0);
		break;
	case NN_FLATTEN:
		at->axis = get_int(&a, "axis", 1);
		break;
	case NN_GATHER:
		at->axis = get_int(&a, "axis", 0);
		break;
	case NN_GEMM:
		read_gemm(&a);
		break;
	case NN_PAD:
		read_pad(&a);
		break;
	case NN_REDUCE_MEAN:
		read_reduce_mean(&a);
		break;
	case NN_RESHAPE:
		at->allow_zero = r->opset >= 14 && get_int(&a, "allowzero", 0) != 0;
		break;
	case NN_SHAPE:
		read_shape(&a);
		break;
	case NN_SLICE:
		read_slice(&a);
		break;
	case NN_LOG_SOFTMAX:
	case NN_SOFTMAX:
		read_softmax(&a);
		break;
	case NN_SQUEEZE:
		read_axes_input(&a, false);
		break;
	case NN_UNSQUEEZE:
		read_axes_input(&a, true);
		break;
	case NN_TRANSPOSE:
		get_ints(&a, "perm", NN_MAX_DIMS, at->perm, &at->nr_axes);
		break;
	default:
		break;
	}
	for (size_t i = 0; i < pb->n_attribute && !a.ret; i++)
		if (!(a.used & 1ull << i))
			fail(&a, -EOPNOTSUPP, "attribute '%.60s' is not supported in opset %lld",
			     pb->attribute[i]->name ? pb->attribute[i]->name : "", (long long)r->opset);
	return a.ret;
}

int nn_onnx_constant(struct nn_reader *r, const Onnx__NodeProto *pb, const struct nn_node *node, enum nn_type *type, struct nn_dims *dims,
		     void **data)
{
	const Onnx__AttributeProto *p = pb->n_attribute == 1 ? pb->attribute[0] : NULL;
	const char *name = p && p->name ? p->name : "";
	uint64_t bytes, n = 1;
	const void *from;

	if (!strcmp(name, "value") && p->t)
		return nn_onnx_tensor(p->t, node->name, type, dims, data, r->err);
	*dims = (struct nn_dims){ 0 };
	if (!strcmp(name, "value_float") && p->has_f) {
		*type = NN_F4;
		from = &p->f;
	} else if (!strcmp(name, "value_int") && p->has_i) {
		*type = NN_I8;
		from = &p->i;
	} else if (!strcmp(name, "value_floats") || !strcmp(name, "value_ints")) {
		*type = name[6] == 'f' ? NN_F4 : NN_I8;
		from = name[6] == 'f' ? (const void *)p->floats : p->ints;
		n = name[6] == 'f' ? p->n_floats : p->n_ints;
		dims->n = 1;
		dims->d[0] = (int64_t)n;
	} else {
		return nn_node_fail(r->err, -EOPNOTSUPP, node, "one attribute value, value_float, value_floats, value_int or value_ints is needed%s%.40s",
				    *name ? ", not " : "", name);
	}
	bytes = n * nn_type_bytes(*type);
	*data = nn_alloc(bytes);
	if (!*data)
		return nn_node_fail(r->err, -ENOMEM, node, "no memory for its value");
	if (bytes)
		memcpy(*data, from, bytes);
	return 0;
}
