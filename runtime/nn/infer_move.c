// SPDX-License-Identifier: BSD-2-Clause
/* Shapes where elements only change places, and of what makes shapes: Shape, ConstantOfShape. */
#include "graph_impl.h"

int nn_infer_concat(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	const struct nn_tensor *x = nn_in(g, node, 0);
	struct nn_dims dims = x->dims;
	int ret = nn_set_axis(node, &node->attrs.axis, dims.n, false, err);

	if (ret)
		return ret;
	for (uint32_t i = 1; i < node->nr_in; i++) {
		const struct nn_tensor *t = nn_in(g, node, i);

		if (!t || t->type != x->type || t->dims.n != dims.n)
			return nn_node_fail(err, -EBADMSG, node, "input %u is of another type or number of dimensions than the first", i);
		for (uint32_t d = 0; d < dims.n; d++) {
			if (d != (uint32_t)node->attrs.axis && t->dims.d[d] != dims.d[d])
				return nn_node_fail(err, -EBADMSG, node, "dimension %u of input %u '%.80s' is %lld, of the first %lld", d, i, t->name,
						    (long long)t->dims.d[d], (long long)dims.d[d]);
			if (d == (uint32_t)node->attrs.axis && __builtin_add_overflow(dims.d[d], t->dims.d[d], &dims.d[d]))
				return nn_node_fail(err, -EFBIG, node, "the sum of the inputs' dimensions does not fit 64 bits");
		}
	}
	return nn_set_out(g, node, 0, x->type, &dims, err);
}

int nn_infer_flatten(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	const struct nn_tensor *x = nn_in(g, node, 0);
	struct nn_dims dims = { 2, { 1, 1 } };
	int ret = nn_set_axis(node, &node->attrs.axis, x->dims.n, true, err);

	for (uint32_t i = 0; i < x->dims.n && !ret; i++) {
		int64_t *d = &dims.d[i >= (uint32_t)node->attrs.axis];

		if (__builtin_mul_overflow(*d, x->dims.d[i], d))
			ret = nn_node_fail(err, -EFBIG, node, "the product of the dimensions does not fit 64 bits");
	}
	return ret ? ret : nn_set_out(g, node, 0, x->type, &dims, err);
}

int nn_infer_pad(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	const struct nn_tensor *x = nn_in(g, node, 0), *value = nn_in(g, node, 2);
	struct nn_dims dims = x->dims;
	const int64_t *list;
	uint32_t nr;
	int ret = nn_want_list(g, node, 1, 2 * NN_MAX_DIMS, "pads", &list, &nr, err);

	if (ret)
		return ret;
	if (nn_in(g, node, 3))
		return nn_node_fail(err, -EOPNOTSUPP, node, "axes are not supported: give pads for all dimensions");
	if (nr != 2 * dims.n)
		return nn_node_fail(err, -EBADMSG, node, "%u pads for %u dimensions; 2 for each are needed", nr, dims.n);
	if (value && (value->type != x->type || nn_count(&value->dims) != 1))
		return nn_node_fail(err, -EBADMSG, node, "its value '%.100s' must be one number of the input's type", value->name);
	memcpy(node->attrs.padding, list, nr * sizeof(*list));
	for (uint32_t i = 0; i < dims.n; i++) {
		int64_t begin = list[i], end = list[i + dims.n];

		if (begin < 0 || end < 0)
			return nn_node_fail(err, -EOPNOTSUPP, node, "negative pads cut the tensor, which is not supported");
		if (__builtin_add_overflow(dims.d[i], begin, &dims.d[i]) || __builtin_add_overflow(dims.d[i], end, &dims.d[i]))
			return nn_node_fail(err, -EFBIG, node, "dimension %u does not fit 64 bits", i);
	}
	return nn_set_out(g, node, 0, x->type, &dims, err);
}

int nn_infer_reshape(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	const struct nn_tensor *x = nn_in(g, node, 0);
	uint64_t have, known;
	struct nn_dims dims = { 0 };
	const int64_t *list;
	uint32_t rest = NN_NOWHERE;
	int ret = nn_want_list(g, node, 1, NN_MAX_DIMS, "shape", &list, &dims.n, err);
	char tx[160], ty[160];

	if (ret)
		return ret;
	for (uint32_t i = 0; i < dims.n; i++) {
		dims.d[i] = list[i];
		if (list[i] == 0 && !node->attrs.allow_zero) {
			if (i >= x->dims.n)
				return nn_node_fail(err, -EBADMSG, node, "dimension %u is to be copied, but the input has only %u", i, x->dims.n);
			dims.d[i] = x->dims.d[i];
		} else if (list[i] == -1 && rest == NN_NOWHERE) {
			rest = i;
			dims.d[i] = 1;
		} else if (list[i] < 0) {
			return nn_node_fail(err, -EBADMSG, node, "dimension %lld in its shape, or -1 twice", (long long)list[i]);
		}
	}
	if (nn_size(NN_U1, &x->dims, &have, NULL) || nn_size(NN_U1, &dims, &known, NULL))
		return nn_node_fail(err, -EFBIG, node, "the shape has more than %llu elements", NN_MAX_BYTES);
	if (rest != NN_NOWHERE) {
		if (!known)
			return nn_node_fail(err, -EBADMSG, node, "-1 cannot be computed beside a dimension of 0");
		dims.d[rest] = (int64_t)(have / known);
		known *= have / known;
	}
	if (have != known)
		return nn_node_fail(err, -EBADMSG, node, "%s cannot become %s", nn_dims_text(&x->dims, tx), nn_dims_text(&dims, ty));
	return nn_set_out(g, node, 0, x->type, &dims, err);
}

int nn_infer_shape(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	struct nn_attrs *a = &node->attrs;
	int64_t rank = nn_in(g, node, 0)->dims.n;
	struct nn_dims dims = { 1, { 0 } };

	if (!a->has_end)
		a->end = rank;
	a->has_end = true;
	a->start = a->start < -rank ? 0 : a->start < 0 ? a->start + rank : a->start > rank ? rank : a->start;
	a->end = a->end < -rank ? 0 : a->end < 0 ? a->end + rank : a->end > rank ? rank : a->end;
	dims.d[0] = a->end > a->start ? a->end - a->start : 0;
	return nn_set_out(g, node, 0, NN_I8, &dims, err);
}

int nn_infer_squeeze(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	const struct nn_tensor *x = nn_in(g, node, 0);
	struct nn_attrs *a = &node->attrs;
	struct nn_dims dims = { 0 };
	int ret = nn_set_axes(g, node, 1, x->dims.n, err);

	if (ret)
		return ret;
	if (!nn_in(g, node, 1) && !a->nr_axes && !a->no_axes)
		for (uint32_t i = 0; i < x->dims.n; i++)
			if (x->dims.d[i] == 1)
				a->axes[a->nr_axes++] = i;
	a->no_axes = !a->nr_axes;
	for (uint32_t i = 0; i < x->dims.n; i++)
		if (!nn_has_axis(a, i))
			dims.d[dims.n++] = x->dims.d[i];
		else if (x->dims.d[i] != 1)
			return nn_node_fail(err, -EBADMSG, node, "dimension %u is %lld and cannot be squeezed", i, (long long)x->dims.d[i]);
	return nn_set_out(g, node, 0, x->type, &dims, err);
}

int nn_infer_unsqueeze(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	const struct nn_tensor *x = nn_in(g, node, 0), *t = nn_in(g, node, 1);
	struct nn_attrs *a = &node->attrs;
	struct nn_dims dims = { 0 };
	const int64_t *list;
	uint32_t nr = a->nr_axes, from = 0;
	int ret = t ? nn_want_list(g, node, 1, NN_MAX_DIMS, "axes", &list, &nr, err) : 0;

	if (ret)
		return ret;
	if (x->dims.n + nr > NN_MAX_DIMS)
		return nn_node_fail(err, -EFBIG, node, "its output has more than %d dimensions", NN_MAX_DIMS);
	dims.n = x->dims.n + nr;
	ret = nn_set_axes(g, node, 1, dims.n, err);
	if (ret)
		return ret;
	for (uint32_t i = 0; i < dims.n; i++)
		dims.d[i] = nn_has_axis(a, i) ? 1 : x->dims.d[from++];
	return nn_set_out(g, node, 0, x->type, &dims, err);
}

int nn_infer_transpose(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	const struct nn_tensor *x = nn_in(g, node, 0);
	struct nn_attrs *a = &node->attrs;
	struct nn_dims dims = { x->dims.n, { 0 } };
	uint32_t seen = 0;

	if (!a->nr_axes)
		for (; a->nr_axes < dims.n; a->nr_axes++)
			a->perm[a->nr_axes] = dims.n - 1 - a->nr_axes;
	if (a->nr_axes != dims.n)
		return nn_node_fail(err, -EBADMSG, node, "its perm has %u entries for %u dimensions", a->nr_axes, dims.n);
	for (uint32_t i = 0; i < dims.n; i++) {
		if (a->perm[i] < 0 || a->perm[i] >= dims.n || seen & 1u << a->perm[i])
			return nn_node_fail(err, -EBADMSG, node, "its perm is no permutation of 0 to %u", dims.n - 1);
		seen |= 1u << a->perm[i];
		dims.d[i] = x->dims.d[a->perm[i]];
	}
	return nn_set_out(g, node, 0, x->type, &dims, err);
}

#define MAX_INDICES 65536 /* of a Gather: each node looks at all, and many nodes may share them */

/* Which entries: known, so that evaluation cannot fail and the output is what the file says. */
int nn_infer_gather(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	const struct nn_tensor *x = nn_in(g, node, 0), *t = nn_in(g, node, 1);
	int64_t axis, *d;
	struct nn_dims dims = { 0 };
	int ret = nn_want_type(g, node, 1, NN_T(NN_I4) | NN_T(NN_I8), err);

	if (!ret)
		ret = nn_set_axis(node, &node->attrs.axis, x->dims.n, false, err);
	if (ret)
		return ret;
	if (!t->data)
		return nn_node_fail(err, -EOPNOTSUPP, node, "its indices '%.100s' are computed while the network runs; they must be constant", t->name);
	if (x->dims.n - 1 + t->dims.n > NN_MAX_DIMS)
		return nn_node_fail(err, -EFBIG, node, "its output has more than %d dimensions", NN_MAX_DIMS);
	if (nn_count(&t->dims) > MAX_INDICES)
		return nn_node_fail(err, -EFBIG, node, "its indices '%.100s' are more than %d", t->name, MAX_INDICES);
	axis = node->attrs.axis;
	for (int64_t i = 0; i < nn_count(&t->dims); i++) {
		int64_t at = t->type == NN_I4 ? ((const int32_t *)t->data)[i] : ((const int64_t *)t->data)[i];

		if (at < -x->dims.d[axis] || at >= x->dims.d[axis])
			return nn_node_fail(err, -EBADMSG, node, "index %lld does not exist: dimension %lld is %lld", (long long)at, (long long)axis,
					    (long long)x->dims.d[axis]);
	}
	d = dims.d;
	for (int64_t i = 0; i < x->dims.n; i++)
		if (i != axis)
			*d++ = x->dims.d[i];
		else
			for (uint32_t k = 0; k < t->dims.n; k++)
				*d++ = t->dims.d[k];
	dims.n = (uint32_t)(d - dims.d);
	return nn_set_out(g, node, 0, x->type, &dims, err);
}

/* One dimension: @start into it, and how many entries up to @end by @step. */
static int64_t slice(int64_t dim, int64_t *start, int64_t end, int64_t step)
{
	int64_t lowest = step < 0 ? -1 : 0, top = step < 0 ? dim - 1 : dim;

	*start += *start < 0 ? dim : 0;
	end += end < 0 ? dim : 0;
	*start = *start < 0 ? 0 : *start > top ? top : *start;
	end = end < lowest ? lowest : end > top ? top : end;
	if (step > 0)
		return end > *start ? (end - *start - 1) / step + 1 : 0;
	return *start > end ? (*start - end - 1) / -step + 1 : 0;
}

int nn_infer_slice(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	static const char *const what[] = { "starts", "ends", "axes", "steps" };
	const struct nn_tensor *x = nn_in(g, node, 0);
	struct nn_attrs *a = &node->attrs;
	struct nn_dims dims = x->dims;
	const int64_t *list[4] = { NULL };
	uint32_t nr[4] = { 0 }, seen = 0;

	for (uint32_t i = 0; i < 4; i++) {
		int ret = nn_in(g, node, i + 1) ? nn_want_list(g, node, i + 1, NN_MAX_DIMS, what[i], &list[i], &nr[i], err) : 0;

		if (ret)
			return ret;
		if (list[i] && nr[i] != nr[0])
			return nn_node_fail(err, -EBADMSG, node, "%u %s, but %u starts", nr[i], what[i], nr[0]);
	}
	if (nr[0] > dims.n)
		return nn_node_fail(err, -EBADMSG, node, "%u starts for %u dimensions", nr[0], dims.n);
	for (uint32_t i = 0; i < dims.n; i++) {
		a->padding[i] = 0;
		a->padding[i + dims.n] = 1;
	}
	for (uint32_t i = 0; i < nr[0]; i++) {
		int64_t axis = list[2] ? list[2][i] : i, step = list[3] ? list[3][i] : 1;
		int ret = nn_set_axis(node, &axis, dims.n, false, err);

		if (ret)
			return ret;
		if (!step || seen & 1u << axis)
			return nn_node_fail(err, -EBADMSG, node, step ? "axis %lld is named twice" : "the step of axis %lld is 0", (long long)axis);
		seen |= 1u << axis;
		/* The lowest number has no opposite; either step takes one entry. */
		step = step < -INT64_MAX ? -INT64_MAX : step;
		a->padding[axis] = list[0][i];
		a->padding[axis + dims.n] = step;
		dims.d[axis] = slice(x->dims.d[axis], &a->padding[axis], list[1][i], step);
	}
	return nn_set_out(g, node, 0, x->type, &dims, err);
}

int nn_infer_constant_of_shape(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	struct nn_dims dims = { 0 };
	const int64_t *list;
	int ret = nn_want_list(g, node, 0, NN_MAX_DIMS, "shape", &list, &dims.n, err);

	if (ret)
		return ret;
	memcpy(dims.d, list, dims.n * sizeof(*list));
	return nn_set_out(g, node, 0, node->attrs.to, &dims, err);
}
