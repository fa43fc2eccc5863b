// SPDX-License-Identifier: BSD-2-Clause
/*
 * The table of operators, and what each one's outputs are: types and shapes. Convolutions, pooling and matrix products: infer_conv.c; where
 * elements only change places: infer_move.c.
 */
#include <stdio.h>

#include "graph_impl.h"

struct nn_tensor *nn_in(const struct nn_graph *g, const struct nn_node *node, uint32_t i)
{
	return i < node->nr_in && node->in[i] != NN_NOWHERE ? &g->tensors[node->in[i]] : NULL;
}

struct nn_tensor *nn_out(const struct nn_graph *g, const struct nn_node *node, uint32_t i)
{
	return i < node->nr_out && node->out[i] != NN_NOWHERE ? &g->tensors[node->out[i]] : NULL;
}

int nn_set_out(struct nn_graph *g, const struct nn_node *node, uint32_t i, enum nn_type type, const struct nn_dims *dims,
	       struct smartssd_error *err)
{
	struct nn_tensor *t = nn_out(g, node, i);
	int ret;

	if (!t)
		return 0;
	ret = nn_size(type, dims, NULL, NULL);
	if (ret == -EFBIG)
		return nn_node_fail(err, ret, node, "its output '%.100s' would have more than %llu bytes", t->name, NN_MAX_BYTES);
	if (ret)
		return nn_node_fail(err, ret, node, "its output '%.100s' would have a negative dimension", t->name);
	t->type = type;
	t->dims = *dims;
	return 0;
}

static const char *list_types(uint32_t types, char text[80])
{
	size_t n = 0;

	for (uint32_t t = NN_U1; t <= NN_BOOL; t++)
		if (types & NN_T(t))
			n += (size_t)snprintf(text + n, 80 - n, "%s%s", n ? ", " : "", nn_type_name(t));
	return text;
}

int nn_want_type(const struct nn_graph *g, const struct nn_node *node, uint32_t i, uint32_t types, struct smartssd_error *err)
{
	const struct nn_tensor *t = nn_in(g, node, i);
	char text[80];

	if (t && !(types & NN_T(t->type)))
		return nn_node_fail(err, -EOPNOTSUPP, node, "input %u '%.100s' is %s; supported: %s", i, t->name, nn_type_name(t->type),
				    list_types(types, text));
	return 0;
}

int nn_want_param(const struct nn_graph *g, const struct nn_node *node, uint32_t i, int64_t n, struct smartssd_error *err)
{
	const struct nn_tensor *t = nn_in(g, node, i);

	if (!t || (t->dims.n <= 1 && nn_count(&t->dims) == 1) || (t->dims.n == 1 && t->dims.d[0] == n))
		return 0;
	if (n == 1)
		return nn_node_fail(err, -EOPNOTSUPP, node, "input %u '%.100s' must be one number (quantisation of whole tensors)", i, t->name);
	return nn_node_fail(err, -EBADMSG, node, "input %u '%.100s' must have 1 or %lld elements", i, t->name, (long long)n);
}

int nn_want_list(const struct nn_graph *g, const struct nn_node *node, uint32_t i, uint32_t room, const char *what, const int64_t **list,
		     uint32_t *nr, struct smartssd_error *err)
{
	const struct nn_tensor *t = nn_in(g, node, i);

	if (t->type != NN_I8 || t->dims.n > 1)
		return nn_node_fail(err, -EBADMSG, node, "its %s '%.100s' must be a list of int64", what, t->name);
	if (!t->data)
		return nn_node_fail(err, -EOPNOTSUPP, node, "its %s '%.100s' is computed while the network runs; it must be constant", what, t->name);
	if (nn_count(&t->dims) > room)
		return nn_node_fail(err, -EFBIG, node, "its %s '%.100s' has more than %u entries", what, t->name, room);
	*list = t->data;
	*nr = (uint32_t)nn_count(&t->dims);
	return 0;
}

int nn_set_axis(const struct nn_node *node, int64_t *axis, int64_t rank, bool end_too, struct smartssd_error *err)
{
	int64_t last = end_too ? rank : rank - 1;

	if (*axis < -rank || *axis > last)
		return nn_node_fail(err, -EBADMSG, node, "axis %lld does not exist: the tensor has %lld dimensions", (long long)*axis, (long long)rank);
	if (*axis < 0)
		*axis += rank;
	return 0;
}

int nn_set_axes(const struct nn_graph *g, struct nn_node *node, uint32_t input, int64_t rank, struct smartssd_error *err)
{
	struct nn_attrs *a = &node->attrs;
	const int64_t *list;
	uint32_t nr;
	int ret;

	if (nn_in(g, node, input)) {
		ret = nn_want_list(g, node, input, NN_MAX_DIMS, "axes", &list, &nr, err);
		if (ret)
			return ret;
		memcpy(a->axes, list, nr * sizeof(*list));
		a->nr_axes = nr;
	}
	for (uint32_t i = 0; i < a->nr_axes; i++) {
		ret = nn_set_axis(node, &a->axes[i], rank, false, err);
		if (ret)
			return ret;
		for (uint32_t j = i; j > 0 && a->axes[j] < a->axes[j - 1]; j--) {
			int64_t t = a->axes[j];

			a->axes[j] = a->axes[j - 1];
			a->axes[j - 1] = t;
		}
	}
	for (uint32_t i = 1; i < a->nr_axes; i++)
		if (a->axes[i] == a->axes[i - 1])
			return nn_node_fail(err, -EBADMSG, node, "axis %lld is named twice", (long long)a->axes[i]);
	return 0;
}

bool nn_has_axis(const struct nn_attrs *a, int64_t axis)
{
	for (uint32_t i = 0; i < a->nr_axes; i++)
		if (a->axes[i] == axis)
			return true;
	return false;
}

int nn_broadcast(const struct nn_dims *a, const struct nn_dims *b, struct nn_dims *out)
{
	out->n = a->n > b->n ? a->n : b->n;
	for (uint32_t i = 0; i < out->n; i++) {
		int64_t x = i + a->n < out->n ? 1 : a->d[i + a->n - out->n];
		int64_t y = i + b->n < out->n ? 1 : b->d[i + b->n - out->n];

		if (x != y && x != 1 && y != 1)
			return -1;
		out->d[i] = x == 1 ? y : x;
	}
	return 0;
}

const char *nn_dims_text(const struct nn_dims *d, char text[160])
{
	size_t n = 1;

	text[0] = '[';
	for (uint32_t i = 0; i < d->n; i++)
		n += (size_t)snprintf(text + n, 158 - n, "%s%lld", i ? "," : "", (long long)d->d[i]);
	strcpy(text + n, "]");
	return text;
}

static int infer_arithmetic(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	const struct nn_tensor *a = nn_in(g, node, 0), *b = nn_in(g, node, 1);
	int ret = nn_want_type(g, node, 0, NN_T_ANY & ~NN_T(NN_BOOL), err);
	char ta[160], tb[160];
	struct nn_dims dims;

	if (ret)
		return ret;
	if (a->type != b->type)
		return nn_node_fail(err, -EBADMSG, node, "its inputs are %s and %s", nn_type_name(a->type), nn_type_name(b->type));
	if (nn_broadcast(&a->dims, &b->dims, &dims))
		return nn_node_fail(err, -EBADMSG, node, "shapes %s and %s do not broadcast", nn_dims_text(&a->dims, ta), nn_dims_text(&b->dims, tb));
	return nn_set_out(g, node, 0, a->type, &dims, err);
}

static int infer_same(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	const struct nn_tensor *x = nn_in(g, node, 0);

	return nn_set_out(g, node, 0, x->type, &x->dims, err);
}

static int infer_relu(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	int ret = nn_want_type(g, node, 0, NN_T(NN_F4) | NN_T(NN_I1) | NN_T(NN_I4), err);

	return ret ? ret : infer_same(g, node, err);
}

static int infer_batch_norm(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	const struct nn_tensor *x = nn_in(g, node, 0);
	int ret = 0;

	for (uint32_t i = 0; i < 5 && !ret; i++)
		ret = nn_want_type(g, node, i, NN_T(NN_F4), err);
	if (ret)
		return ret;
	for (uint32_t i = 1; i < node->nr_out; i++)
		if (node->out[i] != NN_NOWHERE)
			return nn_node_fail(err, -EOPNOTSUPP, node, "statistics as outputs are training; export the model in inference mode (model.eval())");
	if (x->dims.n < 2)
		return nn_node_fail(err, -EBADMSG, node, "its input has %u dimensions; batch and channels are needed", x->dims.n);
	for (uint32_t i = 1; i < 5; i++) {
		const struct nn_tensor *p = nn_in(g, node, i);

		if (p->dims.n != 1 || p->dims.d[0] != x->dims.d[1])
			return nn_node_fail(err, -EBADMSG, node, "input %u '%.100s' must have one element for each of %lld channels", i, p->name,
					    (long long)x->dims.d[1]);
	}
	return infer_same(g, node, err);
}

static int infer_cast(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	if (!nn_type_bytes(node->attrs.to))
		return nn_node_fail(err, -EBADMSG, node, "no type to cast to");
	return nn_set_out(g, node, 0, node->attrs.to, &nn_in(g, node, 0)->dims, err);
}

static int clip_bound(const struct nn_graph *g, const struct nn_node *node, uint32_t i, const char *what, bool *has, float *bound,
		      struct smartssd_error *err)
{
	const struct nn_tensor *x = nn_in(g, node, 0), *t = nn_in(g, node, i);
	double v;

	if (!t)
		return 0;
	if (t->type != x->type || nn_count(&t->dims) != 1)
		return nn_node_fail(err, -EBADMSG, node, "its %s '%.100s' must be one number of the input's type", what, t->name);
	if (!t->data)
		return nn_node_fail(err, -EOPNOTSUPP, node, "its %s '%.100s' is computed while the network runs; it must be constant", what, t->name);
	v = t->type == NN_F4 ? *(const float *)t->data : t->type == NN_I4 ? *(const int32_t *)t->data : nn_byte(t->data, 0, t->type);
	*bound = (float)v;
	if (t->type == NN_I4 && *bound != v)
		return nn_node_fail(err, -EOPNOTSUPP, node, "its %s %.0f needs more than the 24 bits of a float", what, v);
	*has = true;
	return 0;
}

static int infer_clip(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	struct nn_attrs *a = &node->attrs;
	int ret = nn_want_type(g, node, 0, NN_T(NN_F4) | NN_T(NN_I4) | NN_T_BYTE, err);

	if (!ret)
		ret = clip_bound(g, node, 1, "minimum", &a->has_lo, &a->lo, err);
	if (!ret)
		ret = clip_bound(g, node, 2, "maximum", &a->has_hi, &a->hi, err);
	return ret ? ret : infer_same(g, node, err);
}

static int infer_dropout(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	const struct nn_tensor *x = nn_in(g, node, 0), *ratio = nn_in(g, node, 1), *train = nn_in(g, node, 2);
	int ret;

	if (train && !train->data)
		return nn_node_fail(err, -EOPNOTSUPP, node, "its training_mode '%.100s' must be constant", train->name);
	if (train && (train->type != NN_BOOL || nn_count(&train->dims) != 1))
		return nn_node_fail(err, -EBADMSG, node, "its training_mode must be one bool");
	if (train && *(const uint8_t *)train->data &&
	    !(ratio && ratio->data && ratio->type == NN_F4 && nn_count(&ratio->dims) == 1 && *(const float *)ratio->data == 0))
		return nn_node_fail(err, -EOPNOTSUPP, node, "drops at random (training_mode is true); export the model in inference mode (model.eval())");
	ret = infer_same(g, node, err);
	return ret ? ret : nn_set_out(g, node, 1, NN_BOOL, &x->dims, err);
}

static int infer_quantize(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	const struct nn_tensor *x = nn_in(g, node, 0), *scale = nn_in(g, node, 1), *zero = nn_in(g, node, 2);
	bool back = node->op == NN_DEQUANTIZE;
	int64_t n = 1;
	int ret = nn_want_type(g, node, 0, back ? NN_T_BYTE | NN_T(NN_I4) : NN_T(NN_F4), err);

	if (!ret)
		ret = nn_want_type(g, node, 1, NN_T(NN_F4), err);
	if (!ret)
		ret = nn_want_type(g, node, 2, back ? NN_T(x->type) : NN_T_BYTE, err);
	if (!ret && scale->dims.n) {
		/* With one scale the axis means nothing, and its default need not exist. */
		if (scale->dims.n == 1 && scale->dims.d[0] == 1 && (node->attrs.axis >= x->dims.n || node->attrs.axis < -(int64_t)x->dims.n))
			node->attrs.axis = 0;
		else
			ret = nn_set_axis(node, &node->attrs.axis, x->dims.n, false, err);
		if (!ret && x->dims.n)
			n = x->dims.d[node->attrs.axis];
	} else if (!ret) {
		node->attrs.axis = 0;
	}
	if (!ret)
		ret = nn_want_param(g, node, 1, n, err);
	if (!ret)
		ret = nn_want_param(g, node, 2, n, err);
	if (!ret && zero && nn_count(&zero->dims) != nn_count(&scale->dims))
		ret = nn_node_fail(err, -EBADMSG, node, "scale has %lld elements, zero point %lld", (long long)nn_count(&scale->dims),
				   (long long)nn_count(&zero->dims));
	if (ret)
		return ret;
	return nn_set_out(g, node, 0, back ? NN_F4 : zero ? zero->type : NN_U1, &x->dims, err);
}

static int infer_reduce_mean(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	const struct nn_tensor *x = nn_in(g, node, 0);
	struct nn_attrs *a = &node->attrs;
	struct nn_dims dims = { 0 };
	int ret = nn_want_type(g, node, 0, NN_T(NN_F4), err);

	if (!ret)
		ret = nn_set_axes(g, node, 1, x->dims.n, err);
	if (ret)
		return ret;
	if (!a->nr_axes && !a->no_axes)
		while (a->nr_axes < x->dims.n) {
			a->axes[a->nr_axes] = a->nr_axes;
			a->nr_axes++;
		}
	for (uint32_t i = 0; i < x->dims.n; i++)
		if (!nn_has_axis(a, i))
			dims.d[dims.n++] = x->dims.d[i];
		else if (a->keepdims)
			dims.d[dims.n++] = 1;
	return nn_set_out(g, node, 0, NN_F4, &dims, err);
}

static int infer_softmax(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	const struct nn_tensor *x = nn_in(g, node, 0);
	int ret = nn_want_type(g, node, 0, NN_T(NN_F4), err);

	if (!ret)
		ret = nn_set_axis(node, &node->attrs.axis, x->dims.n, node->attrs.flatten, err);
	return ret ? ret : infer_same(g, node, err);
}

const struct nn_op_info nn_op_table[NN_OPS] = {
	[NN_OP_NONE] = { "none", 0, 0, 0, 0, NULL },
	[NN_ADD] = { "Add", 2, 2, 1, 7, infer_arithmetic },
	[NN_AVERAGE_POOL] = { "AveragePool", 1, 1, 1, 7, nn_infer_pool },
	[NN_BATCH_NORM] = { "BatchNormalization", 5, 5, 5, 7, infer_batch_norm },
	[NN_CAST] = { "Cast", 1, 1, 1, 6, infer_cast },
	[NN_CLIP] = { "Clip", 1, 3, 1, 6, infer_clip },
	[NN_CONCAT] = { "Concat", 1, 255, 1, 4, nn_infer_concat },
	[NN_CONSTANT] = { "Constant", 0, 0, 1, 1, NULL },
	[NN_CONSTANT_OF_SHAPE] = { "ConstantOfShape", 1, 1, 1, 9, nn_infer_constant_of_shape },
	[NN_CONV] = { "Conv", 2, 3, 1, 1, nn_infer_conv },
	[NN_CONV_INTEGER] = { "ConvInteger", 2, 4, 1, 10, nn_infer_conv },
	[NN_DEQUANTIZE] = { "DequantizeLinear", 2, 3, 1, 10, infer_quantize },
	[NN_DIV] = { "Div", 2, 2, 1, 7, infer_arithmetic },
	[NN_DROPOUT] = { "Dropout", 1, 3, 2, 7, infer_dropout },
	[NN_FLATTEN] = { "Flatten", 1, 1, 1, 1, nn_infer_flatten },
	[NN_GATHER] = { "Gather", 2, 2, 1, 1, nn_infer_gather },
	[NN_GEMM] = { "Gemm", 2, 3, 1, 7, nn_infer_gemm },
	[NN_GLOBAL_AVERAGE_POOL] = { "GlobalAveragePool", 1, 1, 1, 1, nn_infer_global_pool },
	[NN_GLOBAL_MAX_POOL] = { "GlobalMaxPool", 1, 1, 1, 1, nn_infer_global_pool },
	[NN_IDENTITY] = { "Identity", 1, 1, 1, 1, infer_same },
	[NN_LOG_SOFTMAX] = { "LogSoftmax", 1, 1, 1, 1, infer_softmax },
	[NN_MATMUL] = { "MatMul", 2, 2, 1, 1, nn_infer_matmul },
	[NN_MATMUL_INTEGER] = { "MatMulInteger", 2, 4, 1, 10, nn_infer_matmul },
	[NN_MAX_POOL] = { "MaxPool", 1, 1, 2, 1, nn_infer_pool },
	[NN_MUL] = { "Mul", 2, 2, 1, 7, infer_arithmetic },
	[NN_PAD] = { "Pad", 2, 4, 1, 2, nn_infer_pad },
	[NN_QLINEAR_CONV] = { "QLinearConv", 8, 9, 1, 10, nn_infer_conv },
	[NN_QLINEAR_MATMUL] = { "QLinearMatMul", 8, 8, 1, 10, nn_infer_matmul },
	[NN_QUANTIZE] = { "QuantizeLinear", 2, 3, 1, 10, infer_quantize },
	[NN_REDUCE_MEAN] = { "ReduceMean", 1, 2, 1, 1, infer_reduce_mean },
	[NN_RELU] = { "Relu", 1, 1, 1, 6, infer_relu },
	[NN_RESHAPE] = { "Reshape", 2, 2, 1, 5, nn_infer_reshape },
	[NN_SHAPE] = { "Shape", 1, 1, 1, 1, nn_infer_shape },
	[NN_SLICE] = { "Slice", 3, 5, 1, 1, nn_infer_slice },
	[NN_SOFTMAX] = { "Softmax", 1, 1, 1, 1, infer_softmax },
	[NN_SQUEEZE] = { "Squeeze", 1, 2, 1, 1, nn_infer_squeeze },
	[NN_SUB] = { "Sub", 2, 2, 1, 7, infer_arithmetic },
	[NN_TRANSPOSE] = { "Transpose", 1, 1, 1, 1, nn_infer_transpose },
	[NN_UNSQUEEZE] = { "Unsqueeze", 1, 2, 1, 1, nn_infer_unsqueeze },
};

/* Inputs that may not be left out though a later one is given are the first min_in. */
int nn_infer_node(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	const struct nn_op_info *op = node->op < NN_OPS ? &nn_op_table[node->op] : NULL;

	if (!op || !op->infer)
		return nn_node_fail(err, -EBADMSG, node, "not an operator of a graph");
	if (node->nr_in < op->min_in || (op->max_in != 255 && node->nr_in > op->max_in))
		return nn_node_fail(err, -EBADMSG, node, "%u inputs; the operator has %u to %u", node->nr_in, op->min_in, op->max_in);
	for (uint32_t i = 0; i < op->min_in; i++)
		if (!nn_in(g, node, i))
			return nn_node_fail(err, -EBADMSG, node, "input %u is left out, but the operator needs it", i);
	for (uint32_t i = 0; i < node->nr_in; i++)
		if (nn_in(g, node, i) && nn_in(g, node, i)->type == NN_NONE)
			return nn_node_fail(err, -EBADMSG, node, "input %u '%.100s' has no type", i, nn_in(g, node, i)->name);
	if (!node->nr_out || node->nr_out > op->max_out)
		return nn_node_fail(err, -EBADMSG, node, "%u outputs; the operator has 1 to %u", node->nr_out, op->max_out);
	return op->infer(g, node, err);
}

const char *nn_op_name(enum nn_op op)
{
	return (uint32_t)op < NN_OPS ? nn_op_table[op].name : "?";
}

enum nn_op nn_op_find(const char *name)
{
	for (uint32_t op = NN_OP_NONE + 1; op < NN_OPS; op++)
		if (!strcmp(nn_op_table[op].name, name))
			return op;
	return NN_OP_NONE;
}
