// SPDX-License-Identifier: BSD-2-Clause
#include "proto.h"

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

/* One more element of a repeated message field. */
#define APPEND(list, n, type, init)                                       \
	({                                                                \
		type *new_ = must(malloc(sizeof(*new_)));                 \
		init(new_);                                               \
		(list) = must(realloc((list), ((n) + 1) * sizeof(*(list)))); \
		(list)[(n)++] = new_;                                     \
		new_;                                                     \
	})

void proto_set(char **string, const char *value)
{
	if (*string && *string != protobuf_c_empty_string)
		free(*string);
	*string = must(strdup(value));
}

static char *next_word(const char **at)
{
	const char *end;
	char *word;

	while (**at == ' ')
		++*at;
	if (!**at)
		return NULL;
	for (end = *at; *end && *end != ' '; end++)
		;
	word = must(strndup(*at, (size_t)(end - *at)));
	*at = end;
	return word;
}

static size_t numbers(const char *text, int64_t **list)
{
	size_t n = 0;
	char *word;

	while ((word = next_word(&text))) {
		*list = must(realloc(*list, (n + 1) * sizeof(**list)));
		(*list)[n++] = strtoll(word, NULL, 0);
		free(word);
	}
	return n;
}

Onnx__ModelProto *proto_new(int64_t opset)
{
	Onnx__ModelProto *m = must(malloc(sizeof(*m)));
	Onnx__OperatorSetIdProto *o;

	onnx__model_proto__init(m);
	m->has_ir_version = 1;
	m->ir_version = 8;
	m->graph = must(malloc(sizeof(*m->graph)));
	onnx__graph_proto__init(m->graph);
	o = APPEND(m->opset_import, m->n_opset_import, Onnx__OperatorSetIdProto, onnx__operator_set_id_proto__init);
	o->has_version = 1;
	o->version = opset;
	return m;
}

void proto_free(Onnx__ModelProto *m)
{
	onnx__model_proto__free_unpacked(m, NULL);
}

Onnx__ValueInfoProto *proto_input(Onnx__ModelProto *m, const char *name, int type, const char *shape)
{
	Onnx__ValueInfoProto *v = APPEND(m->graph->input, m->graph->n_input, Onnx__ValueInfoProto, onnx__value_info_proto__init);
	Onnx__TypeProto__Tensor *t = must(malloc(sizeof(*t)));
	char *word;

	proto_set(&v->name, name);
	v->type = must(malloc(sizeof(*v->type)));
	onnx__type_proto__init(v->type);
	onnx__type_proto__tensor__init(t);
	v->type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
	v->type->tensor_type = t;
	t->has_elem_type = 1;
	t->elem_type = type;
	t->shape = must(malloc(sizeof(*t->shape)));
	onnx__tensor_shape_proto__init(t->shape);
	while ((word = next_word(&shape))) {
		Onnx__TensorShapeProto__Dimension *d =
			APPEND(t->shape->dim, t->shape->n_dim, Onnx__TensorShapeProto__Dimension, onnx__tensor_shape_proto__dimension__init);

		if (*word == '-' || (*word >= '0' && *word <= '9')) {
			d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
			d->dim_value = strtoll(word, NULL, 0);
			free(word);
		} else {
			d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
			d->dim_param = word;
		}
	}
	return v;
}

void proto_output(Onnx__ModelProto *m, const char *name)
{
	Onnx__ValueInfoProto *v = APPEND(m->graph->output, m->graph->n_output, Onnx__ValueInfoProto, onnx__value_info_proto__init);

	proto_set(&v->name, name);
}

static void fill_tensor(Onnx__TensorProto *t, const char *name, int type, const char *shape, const void *data, size_t bytes)
{
	proto_set(&t->name, name);
	t->has_data_type = 1;
	t->data_type = type;
	t->n_dims = numbers(shape, &t->dims);
	t->has_raw_data = 1;
	t->raw_data.len = bytes;
	t->raw_data.data = must(malloc(bytes + 1));
	if (bytes)
		memcpy(t->raw_data.data, data, bytes);
}

Onnx__TensorProto *proto_constant(Onnx__ModelProto *m, const char *name, int type, const char *shape, const void *data, size_t bytes)
{
	Onnx__TensorProto *t = APPEND(m->graph->initializer, m->graph->n_initializer, Onnx__TensorProto, onnx__tensor_proto__init);

	fill_tensor(t, name, type, shape, data, bytes);
	return t;
}

static size_t names(const char *text, char ***list)
{
	size_t n = 0;
	char *word;

	while ((word = next_word(&text))) {
		*list = must(realloc(*list, (n + 1) * sizeof(**list)));
		if (!strcmp(word, "-"))
			*word = '\0';
		(*list)[n++] = word;
	}
	return n;
}

Onnx__NodeProto *proto_node(Onnx__ModelProto *m, const char *op, const char *in, const char *out)
{
	Onnx__NodeProto *n = APPEND(m->graph->node, m->graph->n_node, Onnx__NodeProto, onnx__node_proto__init);

	proto_set(&n->op_type, op);
	proto_set(&n->name, "the node");
	n->n_input = names(in, &n->input);
	n->n_output = names(out, &n->output);
	return n;
}

static Onnx__AttributeProto *attr(Onnx__NodeProto *n, const char *name, Onnx__AttributeProto__AttributeType type)
{
	Onnx__AttributeProto *a = APPEND(n->attribute, n->n_attribute, Onnx__AttributeProto, onnx__attribute_proto__init);

	proto_set(&a->name, name);
	a->has_type = 1;
	a->type = type;
	return a;
}

Onnx__AttributeProto *proto_int(Onnx__NodeProto *n, const char *name, int64_t v)
{
	Onnx__AttributeProto *a = attr(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);

	a->has_i = 1;
	a->i = v;
	return a;
}

Onnx__AttributeProto *proto_float(Onnx__NodeProto *n, const char *name, float v)
{
	Onnx__AttributeProto *a = attr(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);

	a->has_f = 1;
	a->f = v;
	return a;
}

Onnx__AttributeProto *proto_text(Onnx__NodeProto *n, const char *name, const char *v)
{
	Onnx__AttributeProto *a = attr(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);

	a->has_s = 1;
	a->s.len = strlen(v);
	a->s.data = (uint8_t *)must(strdup(v));
	return a;
}

Onnx__AttributeProto *proto_ints(Onnx__NodeProto *n, const char *name, const char *list)
{
	Onnx__AttributeProto *a = attr(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);

	a->n_ints = numbers(list, &a->ints);
	return a;
}

Onnx__AttributeProto *proto_tensor(Onnx__NodeProto *n, const char *name, int type, const void *data, size_t bytes)
{
	Onnx__AttributeProto *a = attr(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR);

	a->t = must(malloc(sizeof(*a->t)));
	onnx__tensor_proto__init(a->t);
	fill_tensor(a->t, name, type, "1", data, bytes);
	return a;
}

uint8_t *proto_pack(const Onnx__ModelProto *m, size_t *bytes)
{
	uint8_t *data;

	*bytes = onnx__model_proto__get_packed_size(m);
	data = must(malloc(*bytes + 1));
	onnx__model_proto__pack(m, data);
	return data;
}

int proto_parse(const Onnx__ModelProto *m, uint32_t batch, struct nn_graph **g, struct smartssd_error *err)
{
	size_t bytes;
	uint8_t *data = proto_pack(m, &bytes);
	int ret = nn_graph_parse(data, bytes, batch, g, err);

	free(data);
	return ret;
}
