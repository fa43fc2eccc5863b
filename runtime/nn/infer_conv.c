// SPDX-License-Identifier: BSD-2-Clause
/* Shapes of convolutions, pooling and matrix products. */
#include "graph_impl.h"

/* Kernels, strides, dilations and pads beyond this have no use, and products of them fit 64 bits with ease. */
#define LIMIT INT32_MAX

enum { KERNEL, STRIDE, DILATION, PADS };

/* wide[] complete and checked, auto_pad resolved; @kernel: from the weights, NULL for pooling. out[]: rows of the output. */
static int spatial(struct nn_node *node, const struct nn_dims *x, const int64_t *kernel, int64_t *out, struct smartssd_error *err)
{
	struct nn_attrs *a = &node->attrs;
	uint32_t s = x->n - 2;

	if (!a->spatial) {
		if (s == 2)
			for (uint32_t i = 0; i < 2; i++) {
				a->wide[KERNEL][i] = a->kernel[i];
				a->wide[STRIDE][i] = a->strides[i];
				a->wide[DILATION][i] = a->dilations[i];
				a->wide[PADS][i] = a->pads[i];
				a->wide[PADS][i + 2] = a->pads[i + 2];
			}
		a->spatial = s;
	}
	if (a->spatial != s)
		return nn_node_fail(err, -EBADMSG, node, "its attributes are for %u spatial dimensions, its input has %u", a->spatial, s);
	for (uint32_t i = 0; i < s; i++) {
		int64_t *k = &a->wide[KERNEL][i], *stride = &a->wide[STRIDE][i], *dilation = &a->wide[DILATION][i];
		int64_t *begin = &a->wide[PADS][i], *end = &a->wide[PADS][i + s], in = x->d[i + 2], extent, room;

		if (!*k && kernel)
			*k = kernel[i];
		if (!*stride)
			*stride = 1;
		if (!*dilation)
			*dilation = 1;
		if (kernel && *k != kernel[i])
			return nn_node_fail(err, -EBADMSG, node, "kernel_shape[%u] is %lld, the weights' %lld", i, (long long)*k, (long long)kernel[i]);
		if (*k < 1 || *k > LIMIT || *stride < 1 || *stride > LIMIT || *dilation < 1 || *dilation > LIMIT || *begin < 0 || *begin > LIMIT ||
		    *end < 0 || *end > LIMIT)
			return nn_node_fail(err, -EBADMSG, node, "kernel, strides and dilations must be 1 to 2147483647, pads 0 to 2147483647");
		if (in < 1 || in > LIMIT)
			return nn_node_fail(err, -EBADMSG, node, "its input has %lld rows in spatial dimension %u", (long long)in, i);
		extent = (*k - 1) * *dilation + 1;
		if (a->auto_pad == NN_PAD_VALID)
			*begin = *end = 0;
		if (a->auto_pad == NN_PAD_SAME_UPPER || a->auto_pad == NN_PAD_SAME_LOWER) {
			int64_t pad = ((in - 1) / *stride) * *stride + extent - in;

			pad = pad > 0 ? pad : 0;
			*begin = a->auto_pad == NN_PAD_SAME_UPPER ? pad / 2 : pad - pad / 2;
			*end = pad - *begin;
		}
		if (!kernel && (*begin >= extent || *end >= extent))
			return nn_node_fail(err, -EBADMSG, node, "pads of %lld and %lld make windows of padding only: the kernel spans %lld", (long long)*begin,
					    (long long)*end, (long long)extent);
		room = in + *begin + *end - extent;
		if (room < 0)
			return nn_node_fail(err, -EBADMSG, node, "the kernel spans %lld of %lld rows, padding included, in spatial dimension %u",
					    (long long)extent, (long long)(in + *begin + *end), i);
		out[i] = room / *stride + 1;
		/* One more where a stride ends early, but no window that begins behind the image: it would hold nothing. */
		if (a->ceil_mode && a->auto_pad == NN_PAD_GIVEN && room % *stride && out[i] * *stride < in + *begin)
			out[i]++;
	}
	a->auto_pad = NN_PAD_GIVEN;
	for (uint32_t i = 0; i < 2; i++) {
		a->kernel[i] = i < s ? a->wide[KERNEL][i] : 1;
		a->strides[i] = i < s ? a->wide[STRIDE][i] : 1;
		a->dilations[i] = i < s ? a->wide[DILATION][i] : 1;
		a->pads[i] = i < s ? a->wide[PADS][i] : 0;
		a->pads[i + 2] = i < s ? a->wide[PADS][i + s] : 0;
	}
	return 0;
}

static int want_image(const struct nn_node *node, const struct nn_dims *x, struct smartssd_error *err)
{
	if (x->n < 3 || x->n > 5)
		return nn_node_fail(err, -EOPNOTSUPP, node, "its input has %u dimensions; supported are batch, channels and 1 to 3 spatial ones", x->n);
	return 0;
}

static int conv_types(struct nn_graph *g, struct nn_node *node, int64_t filters, struct smartssd_error *err)
{
	uint32_t x = 0, w = node->op == NN_QLINEAR_CONV ? 3 : 1;
	uint32_t types = node->op == NN_CONV ? NN_T(NN_F4) : NN_T_BYTE;
	int ret = nn_want_type(g, node, x, types, err);

	if (!ret)
		ret = nn_want_type(g, node, w, types, err);
	if (ret)
		return ret;
	if (node->op == NN_CONV)
		return nn_want_type(g, node, 2, types, err);
	if (node->op == NN_CONV_INTEGER) {
		ret = nn_want_type(g, node, 2, NN_T(nn_in(g, node, 0)->type), err);
		if (!ret)
			ret = nn_want_type(g, node, 3, NN_T(nn_in(g, node, 1)->type), err);
		if (!ret)
			ret = nn_want_param(g, node, 2, 1, err);
		return ret ? ret : nn_want_param(g, node, 3, filters, err);
	}
	for (uint32_t i = 1; i <= 7 && !ret; i++) {
		static const uint8_t zero_of[8] = { [2] = 1, [5] = 4 };

		if (i == 3)
			continue;
		ret = nn_want_type(g, node, i, i == 7 ? NN_T_BYTE : zero_of[i] ? NN_T(nn_in(g, node, zero_of[i] - 1)->type) : NN_T(NN_F4), err);
		if (!ret)
			ret = nn_want_param(g, node, i, i == 4 || i == 5 ? filters : 1, err);
	}
	return ret ? ret : nn_want_type(g, node, 8, NN_T(NN_I4), err);
}

int nn_infer_conv(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	bool q = node->op == NN_QLINEAR_CONV;
	const struct nn_tensor *x = nn_in(g, node, 0), *w = nn_in(g, node, q ? 3 : 1), *b = nn_in(g, node, q ? 8 : 2);
	struct nn_attrs *a = &node->attrs;
	struct nn_dims dims = x->dims;
	int ret = want_image(node, &x->dims, err);
	int64_t filters, channels;

	if (ret)
		return ret;
	if (w->dims.n != x->dims.n)
		return nn_node_fail(err, -EBADMSG, node, "its weights '%.100s' have %u dimensions, its input %u", w->name, w->dims.n, x->dims.n);
	if (!a->group)
		a->group = 1;
	filters = w->dims.d[0];
	channels = x->dims.d[1];
	if (filters < 1 || channels < 1 || w->dims.d[1] < 1)
		return nn_node_fail(err, -EBADMSG, node, "no filters or no channels");
	if (a->group < 1 || filters % a->group || channels % a->group || channels / a->group != w->dims.d[1])
		return nn_node_fail(err, -EBADMSG, node, "%lld channels and weights of %lld filters by %lld channels do not fit %lld groups", (long long)channels,
				    (long long)filters, (long long)w->dims.d[1], (long long)a->group);
	ret = conv_types(g, node, filters, err);
	if (ret)
		return ret;
	if (b && node->op != NN_CONV_INTEGER && (b->dims.n != 1 || b->dims.d[0] != filters))
		return nn_node_fail(err, -EBADMSG, node, "its bias '%.100s' must have one element for each of %lld filters", b->name, (long long)filters);
	ret = spatial(node, &x->dims, w->dims.d + 2, dims.d + 2, err);
	if (ret)
		return ret;
	dims.d[1] = filters;
	return nn_set_out(g, node, 0, node->op == NN_CONV ? NN_F4 : q ? nn_in(g, node, 7)->type : NN_I4, &dims, err);
}

int nn_infer_pool(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	const struct nn_tensor *x = nn_in(g, node, 0);
	struct nn_dims dims = x->dims;
	int ret = nn_want_type(g, node, 0, node->op == NN_MAX_POOL ? NN_T(NN_F4) | NN_T_BYTE : NN_T(NN_F4), err);

	if (!ret)
		ret = want_image(node, &x->dims, err);
	if (ret)
		return ret;
	if (nn_out(g, node, 1))
		return nn_node_fail(err, -EOPNOTSUPP, node, "its second output Indices '%.100s' is not supported", nn_out(g, node, 1)->name);
	ret = spatial(node, &x->dims, NULL, dims.d + 2, err);
	return ret ? ret : nn_set_out(g, node, 0, x->type, &dims, err);
}

int nn_infer_global_pool(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	const struct nn_tensor *x = nn_in(g, node, 0);
	struct nn_dims dims = x->dims;
	int ret = nn_want_type(g, node, 0, node->op == NN_GLOBAL_MAX_POOL ? NN_T(NN_F4) | NN_T_BYTE : NN_T(NN_F4), err);

	if (ret)
		return ret;
	if (dims.n < 2)
		return nn_node_fail(err, -EBADMSG, node, "its input has %u dimensions; batch and channels are needed", dims.n);
	for (uint32_t i = 2; i < dims.n; i++) {
		if (dims.d[i] < 1)
			return nn_node_fail(err, -EBADMSG, node, "its input has an empty dimension");
		dims.d[i] = 1;
	}
	return nn_set_out(g, node, 0, x->type, &dims, err);
}

int nn_infer_gemm(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	const struct nn_tensor *a = nn_in(g, node, 0), *b = nn_in(g, node, 1), *c = nn_in(g, node, 2);
	struct nn_dims dims = { 2, { 0 } }, whole;
	int64_t ka, kb;

	for (uint32_t i = 0; i < 3; i++) {
		int ret = nn_want_type(g, node, i, NN_T(NN_F4), err);

		if (ret)
			return ret;
	}
	if (a->dims.n != 2 || b->dims.n != 2)
		return nn_node_fail(err, -EBADMSG, node, "its inputs have %u and %u dimensions; matrices are needed", a->dims.n, b->dims.n);
	dims.d[0] = a->dims.d[node->attrs.trans_a];
	ka = a->dims.d[!node->attrs.trans_a];
	kb = b->dims.d[node->attrs.trans_b];
	dims.d[1] = b->dims.d[!node->attrs.trans_b];
	if (ka != kb)
		return nn_node_fail(err, -EBADMSG, node, "A has %lld columns, B %lld rows", (long long)ka, (long long)kb);
	if (c && (nn_broadcast(&dims, &c->dims, &whole) || whole.n != 2 || whole.d[0] != dims.d[0] || whole.d[1] != dims.d[1]))
		return nn_node_fail(err, -EBADMSG, node, "C '%.100s' does not broadcast to %lld x %lld", c->name, (long long)dims.d[0], (long long)dims.d[1]);
	return nn_set_out(g, node, 0, NN_F4, &dims, err);
}

static int matmul_types(struct nn_graph *g, struct nn_node *node, int64_t rows, int64_t cols, struct smartssd_error *err)
{
	/* Which inputs are scale and zero point of a, of b, of the output. */
	bool q = node->op == NN_QLINEAR_MATMUL;
	uint32_t b = q ? 3 : 1, a_zero = 2, b_zero = q ? 5 : 3;
	uint32_t types = node->op == NN_MATMUL ? NN_T(NN_F4) : NN_T_BYTE;
	int ret = nn_want_type(g, node, 0, types, err);

	if (!ret)
		ret = nn_want_type(g, node, b, types, err);
	if (ret || node->op == NN_MATMUL)
		return ret;
	ret = nn_want_type(g, node, a_zero, NN_T(nn_in(g, node, 0)->type), err);
	if (!ret)
		ret = nn_want_type(g, node, b_zero, NN_T(nn_in(g, node, b)->type), err);
	if (!ret)
		ret = nn_want_param(g, node, a_zero, rows, err);
	if (!ret)
		ret = nn_want_param(g, node, b_zero, cols, err);
	for (uint32_t i = 1; i <= 6 && q && !ret; i++)
		if (i == 1 || i == 4 || i == 6)
			ret = nn_want_type(g, node, i, NN_T(NN_F4), err);
	if (ret || !q)
		return ret;
	ret = nn_want_param(g, node, 1, rows, err);
	if (!ret)
		ret = nn_want_param(g, node, 4, cols, err);
	if (!ret)
		ret = nn_want_param(g, node, 6, 1, err);
	if (!ret)
		ret = nn_want_param(g, node, 7, 1, err);
	return ret ? ret : nn_want_type(g, node, 7, NN_T_BYTE, err);
}

/* numpy.matmul: vectors get a dimension that the result loses again, what is before the matrices broadcasts. */
int nn_infer_matmul(struct nn_graph *g, struct nn_node *node, struct smartssd_error *err)
{
	bool q = node->op == NN_QLINEAR_MATMUL;
	const struct nn_tensor *a = nn_in(g, node, 0), *b = nn_in(g, node, q ? 3 : 1);
	struct nn_dims before_a = a->dims, before_b = b->dims, dims;
	int64_t rows = 1, cols = 1, ka, kb;
	int ret;

	if (!a->dims.n || !b->dims.n)
		return nn_node_fail(err, -EBADMSG, node, "a scalar is no matrix");
	ka = a->dims.d[a->dims.n - 1];
	kb = b->dims.d[b->dims.n > 1 ? b->dims.n - 2 : 0];
	before_a.n = a->dims.n > 2 ? a->dims.n - 2 : 0;
	before_b.n = b->dims.n > 2 ? b->dims.n - 2 : 0;
	if (ka != kb || nn_broadcast(&before_a, &before_b, &dims))
		return nn_node_fail(err, -EBADMSG, node, "its inputs' shapes do not fit: %lld columns, %lld rows, or the dimensions before", (long long)ka,
				    (long long)kb);
	if (dims.n + 2 > NN_MAX_DIMS)
		return nn_node_fail(err, -EFBIG, node, "more than %d dimensions", NN_MAX_DIMS);
	if (a->dims.n > 1)
		dims.d[dims.n++] = rows = a->dims.d[a->dims.n - 2];
	if (b->dims.n > 1)
		dims.d[dims.n++] = cols = b->dims.d[b->dims.n - 1];
	ret = matmul_types(g, node, rows, cols, err);
	if (ret)
		return ret;
	return nn_set_out(g, node, 0, node->op == NN_MATMUL ? NN_F4 : q ? nn_in(g, node, 7)->type : NN_I4, &dims, err);
}
