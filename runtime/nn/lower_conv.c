// SPDX-License-Identifier: BSD-2-Clause
/* Convolutions and matrix products as nn_conv and nn_depthwise: a product with a matrix is a 1x1 convolution over its rows. */
#include <math.h>

#include "../../kernels/reference/mac.h"
#include "lower.h"

/* Scales and zero points of weights: one, or one for each of @filters; @axis is the one that counts filters. */
static bool weight_quant(struct lower *l, struct lower_layer *c, uint32_t weight, uint32_t scale, uint32_t zero, uint64_t filters, bool along)
{
	const struct nn_tensor *w = lower_tensor(l, weight), *s = lower_tensor(l, scale), *z = lower_tensor(l, zero);

	if (!w || !w->data || (w->type != NN_U1 && w->type != NN_I1))
		return lower_no(l, c->main, "its weights are not constants of 8 bits");
	c->w.data = w->data;
	c->w.type = w->type;
	if (!s || !s->data || s->type != NN_F4)
		return lower_no(l, c->main, "the scale of its weights is not constant");
	c->w.scale = s->data;
	c->w.nr_scale = nn_count(&s->dims) == 1 ? 1 : (uint32_t)filters;
	if (nn_count(&s->dims) != 1 && ((uint64_t)nn_count(&s->dims) != filters || !along))
		return lower_no(l, c->main, "its weights have scales that are not one for each filter");
	for (uint32_t i = 0; i < c->w.nr_scale; i++)
		if (!isfinite(c->w.scale[i]) || c->w.scale[i] < 0)
			return lower_no(l, c->main, "a scale of its weights is not a positive number");
	if (!z)
		return true;
	if (!z->data || z->type != w->type || (nn_count(&z->dims) != 1 && (uint64_t)nn_count(&z->dims) != filters))
		return lower_no(l, c->main, "the zero point of its weights is not constant");
	c->w.zero = z->data;
	c->w.nr_zero = nn_count(&z->dims) == 1 ? 1 : (uint32_t)filters;
	return true;
}

static double number(const struct nn_tensor *t, uint64_t i)
{
	switch (t->type) {
	case NN_U1:
		return ((const uint8_t *)t->data)[i];
	case NN_I1:
		return ((const int8_t *)t->data)[i];
	case NN_I4:
		return ((const int32_t *)t->data)[i];
	default:
		return (double)((const float *)t->data)[i];
	}
}

/* Constant @t is added to an output with dimensions @out whose axis @channel counts filters: in units of x_scale * w_scale it becomes part of the bias. */
static bool add_bias(struct lower *l, struct lower_layer *c, uint32_t t, const struct nn_dims *out, uint32_t channel)
{
	const struct nn_node *dq = lower_producer(l, t);
	const struct nn_tensor *b = lower_tensor(l, lower_constant(l, t)), *s = NULL, *z = NULL;
	uint64_t filters = (uint64_t)c->w.groups * c->w.filters, n;

	if (t == NN_NOWHERE)
		return true;
	if (!b || (b->type != NN_F4 && b->type != NN_I4 && b->type != NN_U1 && b->type != NN_I1) || !lower_per_channel(&b->dims, out, channel))
		return lower_no(l, c->main, "its bias is not constant, or not one number for each filter");
	n = (uint64_t)nn_count(&b->dims);
	if (dq) {
		s = lower_tensor(l, dq->in[1]);
		z = dq->nr_in > 2 ? lower_tensor(l, dq->in[2]) : NULL;
		if (!s->data || s->type != NN_F4 || (nn_count(&s->dims) != 1 && (uint64_t)nn_count(&s->dims) != n))
			return lower_no(l, c->main, "its bias has scales that are not one for each filter");
		if (z && (!z->data || z->type != b->type || (nn_count(&z->dims) != 1 && (uint64_t)nn_count(&z->dims) != n)))
			return lower_no(l, c->main, "the zero point of its bias is not constant");
	}
	if (!c->w.bias)
		c->w.bias = calloc(filters, sizeof(*c->w.bias));
	if (!c->w.bias) {
		l->no_memory = true;
		return false;
	}
	for (uint64_t f = 0; f < filters; f++) {
		uint64_t i = n == 1 ? 0 : f;
		float unit = c->w.x_scale * lower_weight_scale(&c->w, (uint32_t)f);
		float own = !s ? 1.0f : ((const float *)s->data)[nn_count(&s->dims) == 1 ? 0 : i];
		double v = number(b, i) - (z ? number(z, nn_count(&z->dims) == 1 ? 0 : i) : 0);

		/* QLinearConv's bias is in these units already, as is that which other tools leave behind a DequantizeLinear. */
		if (s ? own != unit : b->type == NN_F4)
			v = rint(v * own / unit);
		c->w.bias[f] += v;
	}
	return true;
}

/*
 * Adjacent groups that become one on the card, so that channels and filters of a group are whole lanes; all of them where nothing else fits, and where the input's
 * channels are there several times: copies of the whole input lie side by side, not those of each group.
 */
static uint32_t merged(const struct lower_weights *w)
{
	if (w->groups == 1 || w->times > 1)
		return w->groups;
	for (uint32_t m = 1; m < w->groups; m++)
		if (w->groups % m == 0 && (uint64_t)m * w->channels % NN_LANES == 0 && (uint64_t)m * w->filters % NN_BLOCK == 0)
			return m;
	return w->groups;
}

/* Kernel, strides and so on are in c->l.conv; weights, quantisations known: the rest. */
static bool finish(struct lower *l, struct lower_layer *c, const struct lower_view *x, const uint32_t out[2], uint32_t lo, uint32_t hi)
{
	struct smartssd_error why = { "" };
	struct nn_conv_layer *v = &c->l.conv;
	uint64_t filters = (uint64_t)c->w.groups * c->w.filters;
	uint64_t macs = (uint64_t)out[0] * out[1] * filters * c->w.channels * c->w.kernel[0] * c->w.kernel[1];

	c->in[0] = x->base;
	c->w.merge = 1;
	if (!lower_weights_fit(&c->w, &why))
		return lower_no(l, c->main, "%s", why.text);
	if (c->w.groups > 1 && c->w.channels == 1 && c->w.filters == 1 && c->w.times == 1) {
		struct nn_depthwise_layer d = {
			.kernel = { v->kernel[0], v->kernel[1] }, .stride = { v->stride[0], v->stride[1] },
			.dilation = { v->dilation[0], v->dilation[1] }, .pad = { v->pad[0], v->pad[1] }, .out = { out[0], out[1] },
			.x_zero = x->q.zero, .zero = c->q.zero, .lo = lo, .hi = hi, .macs = macs,
		};

		c->l.kind = NN_LAYER_DEPTHWISE;
		c->l.depthwise = d;
	} else {
		c->l.kind = NN_LAYER_CONV;
		c->w.merge = merged(&c->w);
		v->groups = c->w.groups / c->w.merge;
		v->channels = lower_weights_channels(&c->w);
		v->filters = lower_weights_filters(&c->w);
		v->out[0] = out[0];
		v->out[1] = out[1];
		v->x_zero = x->q.zero;
		v->zero = c->q.zero;
		v->lo = lo;
		v->hi = hi;
		v->macs = macs;
	}
	return lower_fits_tensors(l, c, x->base, c->out, &why) || lower_no(l, c->main, "%s", why.text);
}

static bool conv_geometry(struct lower *l, struct lower_layer *c, const struct nn_node *n, const struct lower_view *x, uint32_t weight, uint32_t out[2])
{
	const struct nn_attrs *a = &n->attrs;
	const struct nn_tensor *w = lower_tensor(l, weight);
	const struct nn_dims *y = &l->g->tensors[n->out[0]].dims;
	struct nn_conv_layer *v = &c->l.conv;

	if (a->spatial != 2 || x->dims.n != 4 || w->dims.n != 4 || y->n != 4 || !x->same)
		return lower_no(l, c->main, "the card convolves over rows and columns of [N, C, H, W] only");
	for (int i = 0; i < 2; i++) {
		if (w->dims.d[2 + i] < 1 || a->strides[i] < 1 || a->dilations[i] < 1 || a->pads[i] < 0 || a->pads[2 + i] < 0 ||
		    w->dims.d[2 + i] > NN_MAX_SIDE || a->strides[i] > NN_MAX_SIDE || a->dilations[i] > NN_MAX_SIDE || a->pads[i] > NN_MAX_SIDE)
			return lower_no(l, c->main, "its kernel, strides, dilations or pads are beyond %d", NN_MAX_SIDE);
		c->w.kernel[i] = v->kernel[i] = (uint32_t)w->dims.d[2 + i];
		v->stride[i] = (uint32_t)a->strides[i];
		v->dilation[i] = (uint32_t)a->dilations[i];
		v->pad[i] = (uint32_t)a->pads[i];
		out[i] = (uint32_t)y->d[2 + i];
	}
	if (a->group < 1 || a->group > w->dims.d[0] || w->dims.d[0] % a->group || a->group * w->dims.d[1] != x->dims.d[1] || w->dims.d[0] > INT32_MAX / 64)
		return lower_no(l, c->main, "its groups do not divide its channels and filters");
	c->w.groups = (uint32_t)a->group;
	c->w.channels = (uint32_t)w->dims.d[1];
	c->w.filters = (uint32_t)(w->dims.d[0] / a->group);
	c->w.f_step = (uint64_t)c->w.channels * v->kernel[0] * v->kernel[1];
	c->w.i_step = 1;
	return true;
}

/* @turned: the constant is [F][K], else [K][F]. */
static bool product_geometry(struct lower *l, struct lower_layer *c, const struct lower_view *x, uint32_t weight, bool turned, uint32_t out[2])
{
	const struct nn_dims *w = &l->g->tensors[weight].dims, *base = &l->g->tensors[x->base].dims;
	struct nn_conv_layer *v = &c->l.conv;
	uint64_t k, f;
	int ret;

	if (w->n != 2 || w->d[0] < 1 || w->d[1] < 1 || w->d[0] > INT32_MAX / 64 || w->d[1] > INT32_MAX / 64)
		return lower_no(l, c->main, "its second operand is not a matrix");
	k = (uint64_t)w->d[turned ? 1 : 0];
	f = (uint64_t)w->d[turned ? 0 : 1];
	if (x->dims.n < 2 || x->dims.n > 3 || (uint64_t)x->dims.d[x->dims.n - 1] != k)
		return lower_no(l, c->main, "its first operand is not [N, K] or [N, T, K]");
	for (int i = 0; i < 2; i++)
		v->stride[i] = v->dilation[i] = v->kernel[i] = out[i] = 1;
	c->w.groups = 1;
	c->w.channels = (uint32_t)k;
	c->w.filters = (uint32_t)f;
	c->w.f_step = turned ? k : 1;
	c->w.i_step = turned ? 1 : f;
	if (x->same) {
		out[1] = x->dims.n == 3 ? (uint32_t)x->dims.d[1] : 1;
	} else if (x->dims.n == 2 && base->n == 4 && k <= NN_MAX_TERMS) {
		/* A Flatten before it: the image is what the kernel covers, and the matrix is read in the image's order. */
		if ((uint64_t)base->d[1] * (uint64_t)base->d[2] * (uint64_t)base->d[3] != k)
			return lower_no(l, c->main, "a Reshape before it mixes images");
		c->w.order = lower_view_order(l, x, &ret);
		if (ret == -ENOMEM)
			l->no_memory = true;
		if (ret)
			return lower_no(l, c->main, "a Reshape before it mixes images");
		c->w.channels = (uint32_t)base->d[1];
		v->kernel[0] = (uint32_t)base->d[2];
		v->kernel[1] = (uint32_t)base->d[3];
	} else {
		return lower_no(l, c->main, "a Reshape or Transpose before it would have to move data");
	}
	c->w.kernel[0] = v->kernel[0];
	c->w.kernel[1] = v->kernel[1];
	return true;
}

static void scales(struct lower_layer *c, const struct lower_view *x)
{
	c->w.x_scale = x->q.scale;
	c->w.x_zero = x->q.zero;
	c->w.y_scale = c->q.scale;
}

bool lower_conv(struct lower *l, struct lower_layer *c, uint32_t node, uint32_t more, uint32_t lo, uint32_t hi)
{
	const struct nn_node *n = &l->g->nodes[node], *dq = lower_producer(l, n->in[1]);
	const struct nn_dims *y = &l->g->tensors[n->out[0]].dims;
	bool turned = n->op == NN_GEMM && n->attrs.trans_b;
	struct lower_view x;
	uint32_t weight, out[2];

	if (!lower_operand(l, node, n->in[0], true, &x))
		return false;
	if (dq && dq->op == NN_TRANSPOSE && n->op != NN_CONV && l->g->tensors[dq->in[0]].dims.n == 2 && dq->attrs.perm[0] == 1) {
		turned = !turned;
		dq = lower_producer(l, dq->in[0]);
	}
	if (!dq || dq->op != NN_DEQUANTIZE || !l->g->tensors[dq->in[0]].data)
		return lower_no(l, node, "its weights are not quantised constants");
	if (n->op == NN_GEMM && (n->attrs.alpha != 1.0f || n->attrs.beta != 1.0f || n->attrs.trans_a))
		return lower_no(l, node, "the card has alpha = beta = 1 and transA = 0 only");
	weight = dq->in[0];
	if (n->op == NN_CONV ? !conv_geometry(l, c, n, &x, weight, out) : !product_geometry(l, c, &x, weight, turned, out))
		return false;
	scales(c, &x);
	return weight_quant(l, c, weight, dq->in[1], dq->nr_in > 2 ? dq->in[2] : NN_NOWHERE, (uint64_t)c->w.groups * c->w.filters,
			    dq->attrs.axis == (n->op == NN_CONV || turned ? 0 : 1)) &&
	       add_bias(l, c, n->op != NN_MATMUL && n->nr_in > 2 ? n->in[2] : NN_NOWHERE, n->op == NN_CONV ? &(struct nn_dims){ 1, { y->d[1] } } : y,
			n->op == NN_CONV ? 0 : 1) &&
	       add_bias(l, c, more, y, n->op == NN_CONV ? 1 : y->n - 1) && finish(l, c, &x, out, lo, hi);
}

/* QLinearConv: x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, B. QLinearMatMul: the same without B. */
bool lower_qlinear(struct lower *l, struct lower_layer *c, uint32_t node)
{
	const struct nn_node *n = &l->g->nodes[node];
	bool conv = n->op == NN_QLINEAR_CONV;
	uint32_t bias = conv && n->nr_in > 8 ? n->in[8] : NN_NOWHERE, out[2];
	struct nn_dims filters = { 1 };
	struct lower_view x;

	if (!lower_operand(l, node, n->in[0], false, &x))
		return false;
	if (!lower_quant(l, n->in[1], n->in[2], l->g->tensors[n->in[0]].type, &x.q) || !lower_quant(l, n->in[6], n->in[7], l->g->tensors[c->out].type, &c->q))
		return lower_no(l, node, "scales and zero points of its input and output must be constants of one element");
	if (!l->g->tensors[n->in[3]].data)
		return lower_no(l, node, "its weights are not constants of 8 bits");
	if (conv ? !conv_geometry(l, c, n, &x, n->in[3], out) : !product_geometry(l, c, &x, n->in[3], false, out))
		return false;
	scales(c, &x);
	filters.d[0] = (int64_t)c->w.groups * c->w.filters;
	return weight_quant(l, c, n->in[3], n->in[4], n->in[5], (uint64_t)filters.d[0], true) && add_bias(l, c, bias, &filters, 0) &&
	       finish(l, c, &x, out, 0, 255);
}
