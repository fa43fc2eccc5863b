// SPDX-License-Identifier: BSD-2-Clause
/* .onnx -> graph. Every field of the file is checked here or in onnx_*.c; the graph that comes out is sound. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "onnx_impl.h"

#define MAX_OPSET 21
/* What folding of constants may cost beside the size of the file, see fold.c. */
#define FOLD_BYTES (16ull << 20)
#define FOLD_WORK  (64ull << 20)

/* ---- names ---- */

static uint32_t hash(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return h ^ h >> 15;
}

/* The slot of @name, or the free one where it belongs. */
static uint32_t *slot_of(const struct nn_reader *r, const char *name)
{
	uint32_t i = hash(name) & (r->nr_slots - 1);

	while (r->slots[i] != NN_NOWHERE && strcmp(r->g->tensors[r->slots[i]].name, name))
		i = (i + 1) & (r->nr_slots - 1);
	return &r->slots[i];
}

static uint32_t lookup(const struct nn_reader *r, const char *name)
{
	return *slot_of(r, name);
}

static bool more_slots(struct nn_reader *r)
{
	uint32_t nr = r->nr_slots ? r->nr_slots * 2 : 1024;
	uint32_t *slots = malloc(nr * sizeof(*slots));

	if (!slots)
		return false;
	memset(slots, 0xff, nr * sizeof(*slots));
	free(r->slots);
	r->slots = slots;
	r->nr_slots = nr;
	for (uint32_t t = 0; t < r->g->nr_tensors; t++)
		*slot_of(r, r->g->tensors[t].name) = t;
	return true;
}

/* A tensor with a new name; @data (may be NULL) becomes its. */
static uint32_t add_tensor(struct nn_reader *r, const char *name, enum nn_type type, const struct nn_dims *dims, void *data)
{
	uint32_t t;

	if (r->g->nr_tensors >= r->nr_slots / 2 && !more_slots(r))
		return NN_NOWHERE;
	t = nn_graph_add_tensor(r->g, name, type, dims);
	if (t == NN_NOWHERE)
		return t;
	*slot_of(r, name) = t;
	r->g->tensors[t].data = data;
	r->g->tensors[t].owns = data != NULL;
	return t;
}

uint32_t nn_reader_constant(struct nn_reader *r, const char *base, const char *what, enum nn_type type, const struct nn_dims *dims,
			    const void *data)
{
	uint64_t bytes;
	uint32_t t = NN_NOWHERE;
	size_t room = strlen(base) + strlen(what) + 16;
	char *name = malloc(room);
	void *copy = NULL;

	if (name && !nn_size(type, dims, NULL, &bytes))
		copy = nn_alloc(bytes);
	if (copy) {
		if (bytes)
			memcpy(copy, data, bytes);
		snprintf(name, room, "%s/%s", base, what);
		for (uint32_t i = 1; lookup(r, name) != NN_NOWHERE; i++)
			snprintf(name, room, "%s/%s.%u", base, what, i);
		t = add_tensor(r, name, type, dims, copy);
	}
	if (t == NN_NOWHERE)
		free(copy);
	free(name);
	return t;
}

static int no_memory(struct nn_reader *r)
{
	return nn_fail(r->err, -ENOMEM, "no memory for the model");
}

/* ---- the parts of a graph ---- */

static int read_opset(struct nn_reader *r, const Onnx__ModelProto *m)
{
	bool found = false;

	for (size_t i = 0; i < m->n_opset_import; i++) {
		const Onnx__OperatorSetIdProto *o = m->opset_import[i];

		if (o->domain && *o->domain && strcmp(o->domain, "ai.onnx"))
			continue;
		if (found && o->version != r->opset)
			return nn_fail(r->err, -EBADMSG, "the model imports two opsets, %lld and %lld", (long long)r->opset, (long long)o->version);
		r->opset = o->version;
		found = true;
	}
	/* Before IR version 3 there was only one. */
	if (!found && m->ir_version < 3)
		r->opset = 1;
	else if (!found)
		return nn_fail(r->err, -EBADMSG, "the model does not say which opset it uses");
	if (r->opset < 1)
		return nn_fail(r->err, -EBADMSG, "opset %lld does not exist", (long long)r->opset);
	if (r->opset > MAX_OPSET)
		return nn_fail(r->err, -EOPNOTSUPP, "opset %lld is not supported; export with opset 10 to 17 (torch.onnx.export(..., opset_version=17))",
			       (long long)r->opset);
	r->g->opset = r->opset;
	return 0;
}

static int read_initializers(struct nn_reader *r, const Onnx__GraphProto *pb)
{
	if (pb->n_sparse_initializer)
		return nn_fail(r->err, -EOPNOTSUPP, "sparse initializers are not supported; store the weights densely");
	for (size_t i = 0; i < pb->n_initializer; i++) {
		Onnx__TensorProto *t = pb->initializer[i];
		enum nn_type type;
		struct nn_dims dims;
		char what[160];
		void *data;
		int ret;

		if (!t->name || !*t->name)
			return nn_fail(r->err, -EBADMSG, "initializer %zu has no name", i);
		if (lookup(r, t->name) != NN_NOWHERE)
			return nn_fail(r->err, -EBADMSG, "there are two initializers '%.120s'", t->name);
		snprintf(what, sizeof(what), "initializer '%.100s'", t->name);
		ret = nn_onnx_tensor(t, what, &type, &dims, &data, r->err);
		if (ret)
			return ret;
		/* Large models: not three copies at a time. */
		free(t->raw_data.data);
		t->raw_data = (ProtobufCBinaryData){ 0 };
		if (add_tensor(r, t->name, type, &dims, data) == NN_NOWHERE) {
			free(data);
			return no_memory(r);
		}
	}
	return 0;
}

static int read_type(struct nn_reader *r, const Onnx__ValueInfoProto *v, enum nn_type *type, struct nn_dims *dims)
{
	const Onnx__TypeProto__Tensor *t;
	int ret;

	if (!v->type || v->type->value_case == ONNX__TYPE_PROTO__VALUE__NOT_SET)
		return nn_fail(r->err, -EBADMSG, "the model's input '%.120s' has no type", v->name);
	if (v->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
		return nn_fail(r->err, -EOPNOTSUPP, "the model's input '%.120s' is no tensor (a sequence, map, optional or sparse tensor)", v->name);
	t = v->type->tensor_type;
	if (nn_onnx_type(t->elem_type, type) || *type == NN_F8)
		return nn_fail(r->err, -EOPNOTSUPP, "the model's input '%.120s' is %s; supported are float, uint8, int8, int32, int64 and bool", v->name,
			       nn_onnx_type_name(t->elem_type));
	if (!t->shape)
		return nn_fail(r->err, -EOPNOTSUPP, "the model's input '%.120s' has no shape; export it with a fixed one", v->name);
	if (t->shape->n_dim > NN_MAX_DIMS)
		return nn_fail(r->err, -EFBIG, "the model's input '%.120s' has %zu dimensions, more than %d", v->name, t->shape->n_dim, NN_MAX_DIMS);
	*dims = (struct nn_dims){ .n = (uint32_t)t->shape->n_dim };
	for (uint32_t i = 0; i < dims->n; i++) {
		const Onnx__TensorShapeProto__Dimension *d = t->shape->dim[i];
		/* Some exporters say -1 for a batch that is not known. */
		bool known = d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE && (i || d->dim_value != -1);

		if (!known && i)
			return nn_fail(r->err, -EOPNOTSUPP,
				       "dimension %u ('%.40s') of the model's input '%.120s' is not known; only the batch may be, export it with a fixed shape", i,
				       d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM ? d->dim_param : "?", v->name);
		dims->d[i] = known ? d->dim_value : r->batch ? r->batch : 1;
	}
	ret = nn_size(*type, dims, NULL, NULL);
	if (ret == -EFBIG)
		return nn_fail(r->err, ret, "the model's input '%.120s' has more than %llu bytes", v->name, NN_MAX_BYTES);
	return ret ? nn_fail(r->err, ret, "the model's input '%.120s' has a negative dimension", v->name) : 0;
}

static const struct nn_tensor *fixed_value(const struct nn_reader *r, const char *name)
{
	for (uint32_t i = 0; i < r->nr_fixed; i++)
		if (!strcmp(r->fixed[i].name, name))
			return &r->fixed[i];
	return NULL;
}

static int read_inputs(struct nn_reader *r, const Onnx__GraphProto *pb)
{
	for (size_t i = 0; i < pb->n_input; i++) {
		const Onnx__ValueInfoProto *v = pb->input[i];
		const struct nn_tensor *fix;
		enum nn_type type;
		struct nn_dims dims;
		uint32_t t;
		int ret;

		if (!v->name || !*v->name)
			return nn_fail(r->err, -EBADMSG, "input %zu of the model has no name", i);
		t = lookup(r, v->name);
		if (t != NN_NOWHERE && r->g->tensors[t].data)
			continue; /* Before IR version 4 initializers were inputs, too. */
		if (t != NN_NOWHERE)
			return nn_fail(r->err, -EBADMSG, "the model has two inputs '%.120s'", v->name);
		fix = fixed_value(r, v->name);
		if (fix) {
			void *copy;
			uint64_t bytes;

			if (nn_size(fix->type, &fix->dims, NULL, &bytes) || !(copy = nn_alloc(bytes)))
				return no_memory(r);
			if (bytes)
				memcpy(copy, fix->data, bytes);
			if (add_tensor(r, v->name, fix->type, &fix->dims, copy) == NN_NOWHERE) {
				free(copy);
				return no_memory(r);
			}
			continue;
		}
		ret = read_type(r, v, &type, &dims);
		if (ret)
			return ret;
		t = add_tensor(r, v->name, type, &dims, NULL);
		if (t == NN_NOWHERE || nn_graph_add_input(r->g, t))
			return no_memory(r);
	}
	return 0;
}

/* The tensor of that name, which a later node may make. */
static uint32_t refer(struct nn_reader *r, const char *name)
{
	uint32_t t = lookup(r, name);

	return t != NN_NOWHERE ? t : add_tensor(r, name, NN_NONE, NULL, NULL);
}

static int read_constant(struct nn_reader *r, const Onnx__NodeProto *pb, const struct nn_node *node)
{
	enum nn_type type;
	struct nn_dims dims;
	void *data;
	uint32_t t;
	int ret;

	if (pb->n_input || pb->n_output != 1 || !*pb->output[0])
		return nn_node_fail(r->err, -EBADMSG, node, "%zu inputs and %zu outputs instead of 0 and 1", pb->n_input, pb->n_output);
	ret = nn_onnx_constant(r, pb, node, &type, &dims, &data);
	if (ret)
		return ret;
	t = refer(r, pb->output[0]);
	if (t == NN_NOWHERE) {
		free(data);
		return no_memory(r);
	}
	if (r->g->tensors[t].data || r->g->tensors[t].is_input || r->g->tensors[t].producer != NN_NOWHERE) {
		free(data);
		return nn_node_fail(r->err, -EBADMSG, node, "its output '%.100s' is also an input, a constant or an output of another node", pb->output[0]);
	}
	r->g->tensors[t].type = type;
	r->g->tensors[t].dims = dims;
	r->g->tensors[t].data = data;
	r->g->tensors[t].owns = true;
	return 0;
}

static int read_links(struct nn_reader *r, char **names, size_t nr, uint32_t *tensors)
{
	for (size_t i = 0; i < nr; i++) {
		tensors[i] = *names[i] ? refer(r, names[i]) : NN_NOWHERE;
		if (*names[i] && tensors[i] == NN_NOWHERE)
			return no_memory(r);
	}
	return 0;
}

#define EXTRA 3 /* inputs that were attributes once */

static bool is_foreign(const Onnx__NodeProto *pb)
{
	return pb->domain && *pb->domain && strcmp(pb->domain, "ai.onnx");
}

/* What node @index is and how it is called; the name may be in @made. */
#define MADE_NAME 80
static struct nn_node head(const Onnx__NodeProto *pb, size_t index, char made[MADE_NAME])
{
	const char *type = pb->op_type ? pb->op_type : "";

	snprintf(made, MADE_NAME, "%.40s_%zu", type, index);
	return (struct nn_node){ .op = is_foreign(pb) ? NN_OP_NONE : nn_op_find(type), .op_type = (char *)type,
				 .name = pb->name && *pb->name ? pb->name : made };
}

static bool is_supported(const struct nn_reader *r, const Onnx__NodeProto *pb, size_t index, struct smartssd_error *why)
{
	bool foreign = is_foreign(pb);
	char made[MADE_NAME];
	struct nn_node node = head(pb, index, made);

	if (node.op == NN_OP_NONE)
		nn_node_fail(why, 0, &node,
			     "operator %.80s%s%.80s is not supported; export the network without it, or add it to runtime/nn/infer.c and eval.c",
			     foreign ? pb->domain : "", foreign ? "." : "", node.op_type);
	else if (r->opset < nn_op_table[node.op].since)
		nn_node_fail(why, 0, &node, "its meaning in opset %lld is not supported, that of opset %u and later is; export with opset 10 to 17",
			     (long long)r->opset, nn_op_table[node.op].since);
	else
		return true;
	return false;
}

/* All at once, a line each: whoever exports a model wants to know of the second one before it is exported without the first. */
#define MAX_NAMED 10
static int check_operators(const struct nn_reader *r, const Onnx__GraphProto *pb)
{
	struct smartssd_error line, all = { "" };
	/* Room for what stands before and behind the lines. */
	const size_t room = sizeof(all.text) - 256;
	uint32_t nr = 0, named = 0;
	size_t length = 0;

	for (size_t i = 0; i < pb->n_node; i++) {
		if (is_supported(r, pb->node[i], i, &line))
			continue;
		if (named == nr && named < MAX_NAMED && length + 3 + strlen(line.text) < room) {
			length += (size_t)snprintf(all.text + length, room - length, "\n  %s", line.text);
			named++;
		}
		nr++;
	}
	/* Names were cleaned line by line. */
	if (nr == 1)
		return smartssd_fail(r->err, -EOPNOTSUPP, "%s", all.text + 3);
	if (nr > named)
		snprintf(all.text + length, sizeof(all.text) - length, "\n  and %u more", nr - named);
	return nr ? smartssd_fail(r->err, -EOPNOTSUPP, "%u nodes of the model are not supported:%s", nr, all.text) : 0;
}

static int read_node(struct nn_reader *r, const Onnx__NodeProto *pb, size_t index)
{
	char made[MADE_NAME];
	struct nn_node node = head(pb, index, made);
	uint32_t n;
	int ret;

	if (node.op == NN_CONSTANT)
		return read_constant(r, pb, &node);
	if (pb->n_input > 1u << 16 || pb->n_output > 1u << 16)
		return nn_node_fail(r->err, -EFBIG, &node, "it has %zu inputs and %zu outputs", pb->n_input, pb->n_output);
	node.nr_in = (uint32_t)pb->n_input;
	node.nr_out = (uint32_t)pb->n_output;
	node.in = calloc(node.nr_in + EXTRA, sizeof(*node.in));
	node.out = calloc(node.nr_out + 1, sizeof(*node.out));
	ret = node.in && node.out ? 0 : no_memory(r);
	if (!ret)
		ret = read_links(r, pb->input, node.nr_in, node.in);
	if (!ret)
		ret = read_links(r, pb->output, node.nr_out, node.out);
	for (uint32_t i = 0; i < node.nr_out && !ret; i++) {
		const struct nn_tensor *t = node.out[i] == NN_NOWHERE ? NULL : &r->g->tensors[node.out[i]];

		if (t && (t->producer != NN_NOWHERE || t->data || t->is_input))
			ret = nn_node_fail(r->err, -EBADMSG, &node, "its output '%.100s' is also an input, a constant or an output of another node", t->name);
	}
	if (!ret)
		ret = nn_onnx_attrs(r, pb, &node, node.nr_in + EXTRA);
	if (!ret) {
		n = nn_graph_add_node(r->g, node.op, node.name, node.in, node.nr_in, node.out, node.nr_out, &node.attrs);
		ret = n == NN_NOWHERE ? no_memory(r) : 0;
	}
	free(node.in);
	free(node.out);
	return ret;
}

static int read_outputs(struct nn_reader *r, const Onnx__GraphProto *pb)
{
	if (!pb->n_output)
		return nn_fail(r->err, -EBADMSG, "the model has no output");
	for (size_t i = 0; i < pb->n_output; i++) {
		const char *name = pb->output[i]->name;
		uint32_t t = name ? lookup(r, name) : NN_NOWHERE;

		if (t == NN_NOWHERE)
			return nn_fail(r->err, -EBADMSG, "the model's output '%.120s' is made by no node", name ? name : "");
		if (nn_graph_add_output(r->g, t))
			return no_memory(r);
	}
	return 0;
}

/* Constants of type double are there to be cast (PyTorch's bounds of clamp()), and gone once constants are folded. */
static int refuse_doubles(struct nn_reader *r)
{
	for (uint32_t t = 0; t < r->g->nr_tensors; t++)
		if (r->g->tensors[t].type == NN_F8)
			return nn_fail(r->err, -EOPNOTSUPP,
				       "tensor '%.120s' is double, which only constants may be that are cast; export the model with float32",
				       r->g->tensors[t].name);
	return 0;
}

static int read_model(struct nn_reader *r, Onnx__ModelProto *m, size_t bytes)
{
	struct nn_fold fold = { FOLD_BYTES + 4 * (uint64_t)bytes, FOLD_WORK + 64 * (uint64_t)bytes };
	int ret;

	if (!m->has_ir_version || m->ir_version < 1 || !m->graph)
		return nn_fail(r->err, -EBADMSG, "not an ONNX model: it has no %s", m->graph ? "IR version" : "graph");
	if (m->graph->n_node > NN_MAX_NODES)
		return nn_fail(r->err, -EFBIG, "the model has %zu nodes, more than %u", m->graph->n_node, NN_MAX_NODES);
	r->g = nn_graph_new(m->graph->name);
	if (!r->g || !more_slots(r))
		return no_memory(r);
	ret = read_opset(r, m);
	if (!ret)
		ret = check_operators(r, m->graph);
	if (!ret)
		ret = read_initializers(r, m->graph);
	if (!ret)
		ret = read_inputs(r, m->graph);
	for (size_t i = 0; i < m->graph->n_node && !ret; i++)
		ret = read_node(r, m->graph->node[i], i);
	if (!ret)
		ret = read_outputs(r, m->graph);
	/* Each entry is compared with those before it. */
	if (!ret && m->n_metadata_props > 1000)
		ret = nn_fail(r->err, -EFBIG, "the model has %zu metadata entries", m->n_metadata_props);
	for (size_t i = 0; i < m->n_metadata_props && !ret; i++) {
		const Onnx__StringStringEntryProto *p = m->metadata_props[i];

		if (nn_graph_set_meta(r->g, p->key ? p->key : "", p->value ? p->value : ""))
			ret = no_memory(r);
	}
	if (!ret)
		ret = nn_graph_settle(r->g, &fold, r->err);
	return ret ? ret : refuse_doubles(r);
}

/* Unpacks @data; *owned (may be NULL) is freed as soon as it is not needed. */
static int parse(const void *data, void **owned, size_t bytes, struct nn_reader *r, struct nn_graph **out)
{
	ProtobufCMessage *message;
	int ret = nn_onnx_unpack(&onnx__model_proto__descriptor, data, bytes, &message, r->err);

	*out = NULL;
	if (owned) {
		free(*owned);
		*owned = NULL;
	}
	if (ret)
		return ret;
	ret = read_model(r, (Onnx__ModelProto *)message, bytes);
	protobuf_c_message_free_unpacked(message, NULL);
	free(r->slots);
	if (ret)
		nn_graph_free(r->g);
	else
		*out = r->g;
	return ret;
}

int nn_graph_parse_fixed(const void *data, size_t bytes, uint32_t batch, const struct nn_tensor *fixed, uint32_t nr_fixed,
			 struct nn_graph **out, struct smartssd_error *err)
{
	struct nn_reader r = { .batch = batch, .fixed = fixed, .nr_fixed = nr_fixed, .err = err };

	return parse(data, NULL, bytes, &r, out);
}

int nn_graph_parse(const void *data, size_t bytes, uint32_t batch, struct nn_graph **out, struct smartssd_error *err)
{
	return nn_graph_parse_fixed(data, bytes, batch, NULL, 0, out, err);
}

/* Put "path: " before what was said, which may have lines. */
static int at_path(struct smartssd_error *err, int ret, const char *path)
{
	char text[sizeof(err->text)];

	if (!err)
		return ret;
	memcpy(text, err->text, sizeof(text));
	return smartssd_fail(err, ret, "%s: %s", path, text);
}

static int read_file(int fd, void **data, size_t *bytes, struct smartssd_error *err)
{
	struct stat st;
	int ret;

	if (fstat(fd, &st))
		return nn_fail(err, -errno, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return nn_fail(err, -EOPNOTSUPP, "not a regular file");
	if (st.st_size > INT32_MAX)
		return nn_fail(err, -EFBIG, "%lld bytes; an ONNX file has at most 2147483647", (long long)st.st_size);
	*bytes = (size_t)st.st_size;
	*data = malloc(*bytes + 1);
	if (!*data)
		return nn_fail(err, -ENOMEM, "no memory for %zu bytes", *bytes);
	ret = smartssd_read_all(fd, *data, *bytes, 0);
	return ret ? nn_fail(err, ret, "cannot be read: %s", strerror(-ret)) : 0;
}

int nn_graph_load(const char *path, uint32_t batch, struct nn_graph **out, struct smartssd_error *err)
{
	struct nn_reader r = { .batch = batch, .err = err };
	int fd = smartssd_open_read(path), ret;
	void *data = NULL;
	size_t bytes = 0;

	*out = NULL;
	if (fd < 0) {
		ret = -errno;
		return nn_fail(err, ret, "%s: %s", path, strerror(-ret));
	}
	ret = read_file(fd, &data, &bytes, err);
	close(fd);
	if (!ret)
		ret = parse(data, &data, bytes, &r, out);
	free(data);
	return ret ? at_path(err, ret, path) : 0;
}
