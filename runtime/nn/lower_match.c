// SPDX-License-Identifier: BSD-2-Clause
/* For each 8-bit tensor: could a kernel produce it? Pools, sums, concatenations and inputs here, convolutions in lower_conv.c. */
#include <math.h>

#include "lower.h"

void lower_fused(struct lower_layer *c, uint32_t node)
{
	if (c->nr_fused < ARRAY_SIZE(c->fused))
		c->fused[c->nr_fused++] = node;
}

bool lower_fits(struct lower *l, struct lower_layer *c, const uint32_t x[3], const uint32_t y[3], struct smartssd_error *why)
{
	struct nn_value values[3] = { 0 };
	struct nn_program program = { .values = values, .nr_values = 3 };
	struct nn_layer layer = c->l;
	char name[] = "it";

	for (int i = 0; i < 3; i++) {
		const uint32_t *shape = i == 0 ? x : y;

		values[i].images = 1;
		values[i].h = shape[0];
		values[i].w = shape[1];
		values[i].c = shape[2];
		values[i].channels = (uint32_t)align_up(shape[2], NN_LANES);
		values[i].whole = NN_NONE_VALUE;
	}
	if (layer.kind == NN_LAYER_PACK) {
		values[0].plain = true;
		values[0].dims = l->g->tensors[c->in[0]].dims;
	}
	layer.name = name;
	layer.in[0] = 0;
	layer.in[1] = c->in[1] == NN_NOWHERE ? NN_NONE_VALUE : 1;
	layer.out = 2;
	layer.w_bytes = layer.coef_bytes = layer.lut_bytes = UINT64_MAX / 2;
	if (layer.kind == NN_LAYER_PACK && layer.pack.is_float)
		layer.lut_bytes = 0;
	if (layer.kind == NN_LAYER_ADD)
		layer.w_bytes = c->constant == NN_NOWHERE ? 0 : values[0].channels;
	if (nn_layer_default_tiles(&program, &layer, why))
		return false;
	/* Tiles, and nothing else that was made up here. */
	layer.name = NULL;
	layer.w_bytes = layer.coef_bytes = layer.lut_bytes = 0;
	c->l = layer;
	return true;
}

bool lower_fits_tensors(struct lower *l, struct lower_layer *c, uint32_t x, uint32_t y, struct smartssd_error *why)
{
	uint32_t images, xs[3] = { 0 }, ys[3];

	if (c->l.kind != NN_LAYER_PACK && !nn_card_layout(&l->g->tensors[x].dims, &images, &xs[0], &xs[1], &xs[2])) {
		smartssd_fail(why, -EINVAL, "the shape of its input has no place on the card");
		return false;
	}
	if (!nn_card_layout(&l->g->tensors[y].dims, &images, &ys[0], &ys[1], &ys[2])) {
		smartssd_fail(why, -EINVAL, "the shape of its output has no place on the card");
		return false;
	}
	if (c->l.kind == NN_LAYER_CONV && c->w.times > 1) {
		xs[2] = (uint32_t)align_up(xs[2], NN_LANES);
		if ((uint64_t)xs[0] * xs[1] * xs[2] > INT32_MAX / c->w.times) {
			smartssd_fail(why, -EINVAL, "its input is too large to be there %u times, as weights that do not fit int8 need", c->w.times);
			return false;
		}
		xs[2] *= c->w.times;
	}
	return lower_fits(l, c, xs, ys, why);
}

static struct lower_layer candidate(enum nn_layer_kind kind, uint32_t main, uint32_t out)
{
	struct lower_layer c = { .l.kind = kind, .main = main, .out = out, .in = { NN_NOWHERE, NN_NOWHERE }, .constant = NN_NOWHERE };

	return c;
}

static bool accept(struct lower *l, struct lower_layer *c)
{
	if (smartssd_grow(&l->layers, &l->room_layers, (uint64_t)l->nr_layers + 1, 64, sizeof(*l->layers))) {
		l->no_memory = true;
		return false;
	}
	l->layer_of[c->out] = l->nr_layers;
	l->layers[l->nr_layers++] = *c;
	return true;
}

/* An 8-bit model input that a kernel wants to read: packed first. */
static bool pack_input(struct lower *l, uint32_t t)
{
	const struct nn_tensor *tensor = &l->g->tensors[t];
	struct lower_layer c = candidate(NN_LAYER_PACK, NN_NOWHERE, t);

	if (l->layer_of[t] != NN_NOWHERE)
		return true;
	if (tensor->dims.n != 4 && tensor->dims.n != 2)
		return false;
	c.in[0] = t;
	c.q = (struct lower_quant){ 1.0f, tensor->type == NN_I1 ? 128 : 0, tensor->type };
	c.l.pack = (struct nn_pack_layer){ .scale = 1.0f, .zero = c.q.zero, .outside = c.q.zero, .kernel = 1, .stride = 1 };
	return lower_fits_tensors(l, &c, t, t, NULL) && accept(l, &c);
}

bool lower_operand(struct lower *l, uint32_t node, uint32_t t, bool known, struct lower_view *v)
{
	uint32_t images, h, w, c;
	bool input;

	if (!lower_view(l, t, v) || (known && !v->known))
		return lower_no(l, node, "its input is not quantised: no DequantizeLinear with a constant scale comes before it");
	input = l->g->tensors[v->base].producer == NN_NOWHERE;
	if (!nn_card_layout(&l->g->tensors[v->base].dims, &images, &h, &w, &c) || (input && !pack_input(l, v->base)))
		return lower_no(l, node, "the shape of its input has no place on the card");
	return true;
}

/* The same, and as it lies on the card. */
static bool plain_operand(struct lower *l, uint32_t node, uint32_t t, bool known, struct lower_view *v)
{
	if (!lower_operand(l, node, t, known, v))
		return false;
	return v->same || lower_no(l, node, "a Reshape or Transpose before it would have to move data");
}

void lower_bounds(struct lower *l, struct lower_layer *c, uint32_t *t, uint32_t *lo, uint32_t *hi)
{
	for (;;) {
		const struct nn_node *n = lower_producer(l, *t);
		uint32_t index = l->g->tensors[*t].producer, a = 0, b = 255;

		if (!n)
			return;
		if (n->op == NN_CLIP) {
			for (uint32_t i = 1; i < n->nr_in; i++)
				if (n->in[i] != NN_NOWHERE && !l->g->tensors[n->in[i]].data)
					return;
			a = n->attrs.has_lo ? lower_quantise(&c->q, n->attrs.lo) : 0;
			b = n->attrs.has_hi ? lower_quantise(&c->q, n->attrs.hi) : 255;
		} else if (n->op == NN_RELU) {
			a = c->q.zero;
		} else if (n->op != NN_IDENTITY && n->op != NN_DROPOUT &&
			   !((n->op == NN_RESHAPE || n->op == NN_FLATTEN || n->op == NN_SQUEEZE || n->op == NN_UNSQUEEZE) &&
			     nn_same_layout(&l->g->tensors[n->in[0]].dims, &l->g->tensors[*t].dims))) {
			return;
		}
		/* These bounds act before those found so far; min(max(x, a), b), also where a > b. */
		a = a > b ? b : a;
		a = a < *lo ? *lo : a > *hi ? *hi : a;
		b = b < *lo ? *lo : b > *hi ? *hi : b;
		*lo = a;
		*hi = b;
		lower_fused(c, index);
		*t = n->in[0];
	}
}

static bool match_pack(struct lower *l, struct lower_layer *c, uint32_t t, uint32_t lo, uint32_t hi)
{
	struct smartssd_error why = { "" };
	const struct nn_tensor *tensor = &l->g->tensors[t];

	if (tensor->type != NN_F4 || (tensor->dims.n != 4 && tensor->dims.n != 2) || lo != 0 || hi != 255)
		return lower_no(l, c->main, "the card quantises model inputs of shape [N, C, H, W] or [N, C] only");
	c->l.kind = NN_LAYER_PACK;
	c->in[0] = t;
	c->l.pack = (struct nn_pack_layer){ .is_float = true, .scale = c->q.scale, .zero = c->q.zero, .outside = c->q.zero, .kernel = 1, .stride = 1 };
	return lower_fits_tensors(l, c, t, c->out, &why) || lower_no(l, c->main, "%s", why.text);
}

/* Multiplier and zero point of an addition's constant operand @t; values are aligned with those of the output at the right. */
static bool constant_operand(struct lower *l, struct lower_layer *c, uint32_t t)
{
	const struct nn_node *dq = lower_producer(l, t);
	const struct nn_tensor *b = lower_tensor(l, lower_constant(l, t));
	const struct nn_dims *out = &l->g->tensors[l->g->nodes[c->main].out[0]].dims;
	struct lower_quant q;
	uint64_t n = (uint64_t)nn_count(&b->dims);

	c->constant = lower_constant(l, t);
	if (b->dims.n > out->n || (b->dims.n == out->n && b->dims.d[0] != 1))
		return lower_no(l, c->main, "its constant operand is not the same for all images");
	if (!dq) {
		/* 1 times the number that all elements are. */
		for (uint64_t i = 1; i < n; i++)
			if (memcmp((const float *)b->data + i, b->data, sizeof(float)))
				return lower_no(l, c->main, "its constant operand is in floating point: the card needs it as bytes behind a DequantizeLinear");
		c->l.add.b_mult = *(const float *)b->data / c->q.scale;
		return true;
	}
	if (!lower_quant(l, dq->in[1], dq->nr_in > 2 ? dq->in[2] : NN_NOWHERE, b->type, &q))
		return lower_no(l, c->main, "its constant operand is not of bytes with one scale");
	c->l.add.b_zero = q.zero;
	c->l.add.b_mult = q.scale / c->q.scale;
	return true;
}

/* @b: NN_NOWHERE: a requantisation; a constant: @a comes first, although the order in the model may be the other. */
static bool match_add(struct lower *l, struct lower_layer *c, uint32_t a, uint32_t b, uint32_t lo, uint32_t hi)
{
	bool constant = lower_constant(l, b) != NN_NOWHERE;
	struct smartssd_error why = { "" };
	struct lower_view va, vb = { 0 };

	if (!plain_operand(l, c->main, a, true, &va) || (b != NN_NOWHERE && !constant && !plain_operand(l, c->main, b, true, &vb)))
		return false;
	if (b != NN_NOWHERE && !constant && !nn_same_layout(&va.dims, &vb.dims))
		return lower_no(l, c->main, "it broadcasts one operand over the other");
	if (!nn_same_layout(&va.dims, &l->g->tensors[c->out].dims))
		return lower_no(l, c->main, "its output has another shape than its input");
	c->l.kind = NN_LAYER_ADD;
	c->l.add = (struct nn_add_layer){ .a_zero = va.q.zero, .a_mult = va.q.scale / c->q.scale, .zero = c->q.zero, .lo = lo, .hi = hi };
	if (constant) {
		if (!constant_operand(l, c, b))
			return false;
		b = NN_NOWHERE;
	}
	c->in[0] = va.base;
	c->in[1] = b == NN_NOWHERE ? NN_NOWHERE : vb.base;
	if (b != NN_NOWHERE) {
		c->l.add.b_zero = vb.q.zero;
		c->l.add.b_mult = vb.q.scale / c->q.scale;
	}
	if (!isfinite(c->l.add.a_mult) || !isfinite(c->l.add.b_mult))
		return lower_no(l, c->main, "its scales are too far apart");
	return lower_fits_tensors(l, c, va.base, c->out, &why) || lower_no(l, c->main, "%s", why.text);
}

static bool in_range(const int64_t *v, uint32_t n, int64_t lo)
{
	for (uint32_t i = 0; i < n; i++)
		if (v[i] < lo || v[i] > NN_MAX_SIDE)
			return false;
	return true;
}

static bool pool_geometry(struct lower *l, struct lower_layer *c, const struct nn_node *n, const struct nn_dims *x)
{
	const struct nn_attrs *a = &n->attrs;
	struct nn_pool_layer *p = &c->l.pool;

	p->stride[0] = p->stride[1] = p->dilation[0] = p->dilation[1] = 1;
	if (n->op == NN_GLOBAL_AVERAGE_POOL || n->op == NN_GLOBAL_MAX_POOL || n->op == NN_REDUCE_MEAN) {
		if (n->op == NN_REDUCE_MEAN && (a->nr_axes != 2 || a->axes[0] != 2 || a->axes[1] != 3))
			return lower_no(l, c->main, "the card takes means over rows and columns only");
		p->kernel[0] = (uint32_t)x->d[2];
		p->kernel[1] = (uint32_t)x->d[3];
		return true;
	}
	if (a->spatial != 2 || !in_range(a->kernel, 2, 1) || !in_range(a->strides, 2, 1) || !in_range(a->dilations, 2, 1) || !in_range(a->pads, 4, 0))
		return lower_no(l, c->main, "the card pools over rows and columns only");
	for (int i = 0; i < 2; i++) {
		p->kernel[i] = (uint32_t)a->kernel[i];
		p->stride[i] = (uint32_t)a->strides[i];
		p->dilation[i] = (uint32_t)a->dilations[i];
		p->pad[i] = (uint32_t)a->pads[i];
		p->pad_end[i] = (uint32_t)a->pads[2 + i];
	}
	p->count_pad = p->average && a->count_include_pad;
	return true;
}

/* @known: between DequantizeLinear and QuantizeLinear; else MaxPool of bytes. */
static bool match_pool(struct lower *l, struct lower_layer *c, const struct nn_node *n, bool known, uint32_t lo, uint32_t hi)
{
	const struct nn_dims *y = &l->g->tensors[n->out[0]].dims;
	struct smartssd_error why = { "" };
	struct lower_view v;

	if (!plain_operand(l, c->main, n->in[0], known, &v))
		return false;
	if (v.dims.n != 4 || !nn_same_layout(&(struct nn_dims){ 4, { y->d[0], y->d[1], y->n == 4 ? y->d[2] : 1, y->n == 4 ? y->d[3] : 1 } },
					     &l->g->tensors[c->out].dims))
		return lower_no(l, c->main, "the card pools over rows and columns of [N, C, H, W] only");
	if (n->nr_out > 1 && n->out[1] != NN_NOWHERE)
		return lower_no(l, c->main, "the card does not give the indices of maxima");
	c->l.kind = NN_LAYER_POOL;
	c->in[0] = v.base;
	if (!known)
		c->q = v.q;
	c->l.pool.average = n->op == NN_AVERAGE_POOL || n->op == NN_GLOBAL_AVERAGE_POOL || n->op == NN_REDUCE_MEAN;
	c->before = c->l.pool.average || !known ? c->q : v.q;
	c->rescaled = !lower_quant_equal(&c->before, &c->q);
	c->after = (struct nn_add_layer){ .a_zero = v.q.zero, .a_mult = v.q.scale / c->q.scale, .zero = c->q.zero, .lo = lo, .hi = hi };
	if (known && !isfinite(c->after.a_mult))
		return lower_no(l, c->main, "its scales are too far apart");
	if (!pool_geometry(l, c, n, &v.dims))
		return false;
	c->l.pool.out[0] = y->n == 4 ? (uint32_t)y->d[2] : 1;
	c->l.pool.out[1] = y->n == 4 ? (uint32_t)y->d[3] : 1;
	c->l.pool.x_zero = v.q.zero;
	c->l.pool.zero = c->before.zero;
	c->l.pool.lo = c->rescaled ? 0 : lo;
	c->l.pool.hi = c->rescaled ? 255 : hi;
	c->l.pool.mult = c->l.pool.average ? v.q.scale / c->q.scale : 1.0f;
	return lower_fits_tensors(l, c, v.base, c->out, &why) || lower_no(l, c->main, "%s", why.text);
}

static bool match_concat(struct lower *l, struct lower_layer *c, const struct nn_node *n, bool known, uint32_t lo, uint32_t hi)
{
	const struct nn_dims *y = &l->g->tensors[c->out].dims;
	uint32_t images, h, w, channels;

	if (!nn_card_layout(y, &images, &h, &w, &channels) || n->attrs.axis != (y->n == 3 ? 2 : 1) || lo != 0 || hi != 255)
		return lower_no(l, c->main, "the card concatenates along channels only");
	c->concat = true;
	c->l.kind = NN_LAYER_ADD;
	c->parts = calloc(n->nr_in, sizeof(*c->parts));
	if (!c->parts) {
		l->no_memory = true;
		return false;
	}
	for (uint32_t i = 0; i < n->nr_in; i++) {
		struct lower_view v;

		if (!plain_operand(l, c->main, n->in[i], known, &v))
			return false;
		if (!nn_card_layout(&v.dims, &images, &h, &w, &channels) || (channels % NN_LANES && i + 1 < n->nr_in))
			return lower_no(l, c->main, "the channels of a part are not a multiple of %u", NN_LANES);
		if (!known && i == 0)
			c->q = v.q;
		c->parts[c->nr_parts++] = (struct lower_part){ v.base, known ? v.q : c->q, false };
		if (!isfinite(c->parts[i].q.scale / c->q.scale))
			return lower_no(l, c->main, "its scales are too far apart");
	}
	return true;
}

/* The operator whose float result is tensor @t. */
static bool match_float(struct lower *l, struct lower_layer *c, uint32_t t, uint32_t lo, uint32_t hi)
{
	const struct nn_node *n = lower_producer(l, t);
	uint32_t q = c->main;

	if (!n)
		return match_pack(l, c, t, lo, hi);
	c->main = l->g->tensors[t].producer;
	lower_fused(c, q);
	switch (n->op) {
	case NN_CONV:
	case NN_GEMM:
	case NN_MATMUL:
		return lower_conv(l, c, c->main, NN_NOWHERE, lo, hi);
	case NN_ADD:
		for (int i = 0; i < 2; i++) {
			const struct nn_node *other = lower_producer(l, n->in[1 - i]);
			uint32_t add = c->main;

			if (lower_constant(l, n->in[i]) == NN_NOWHERE)
				continue;
			if (!other || (other->op != NN_CONV && other->op != NN_GEMM && other->op != NN_MATMUL))
				return match_add(l, c, n->in[1 - i], n->in[i], lo, hi);
			c->main = l->g->tensors[n->in[1 - i]].producer;
			lower_fused(c, add);
			return lower_conv(l, c, c->main, n->in[i], lo, hi);
		}
		return match_add(l, c, n->in[0], n->in[1], lo, hi);
	case NN_MAX_POOL:
	case NN_AVERAGE_POOL:
	case NN_GLOBAL_AVERAGE_POOL:
	case NN_GLOBAL_MAX_POOL:
	case NN_REDUCE_MEAN:
		return match_pool(l, c, n, true, lo, hi);
	case NN_CONCAT:
		return match_concat(l, c, n, true, lo, hi);
	case NN_DEQUANTIZE:
		c->main = q;
		c->nr_fused--;
		return match_add(l, c, t, NN_NOWHERE, lo, hi);
	default:
		return lower_no(l, c->main, "the card has no kernel for it");
	}
}

static bool match_quantize(struct lower *l, struct lower_layer *c, const struct nn_node *n)
{
	uint32_t t = n->in[0], lo = 0, hi = 255;

	if (!lower_quant(l, n->in[1], n->nr_in > 2 ? n->in[2] : NN_NOWHERE, l->g->tensors[c->out].type, &c->q))
		return lower_no(l, c->main, "its scale and zero point must be constants of one element");
	lower_bounds(l, c, &t, &lo, &hi);
	return match_float(l, c, t, lo, hi);
}

static void match_node(struct lower *l, uint32_t i)
{
	const struct nn_node *n = &l->g->nodes[i];
	uint32_t out = n->nr_out ? n->out[0] : NN_NOWHERE;
	struct lower_layer c = candidate(NN_LAYER_CONV, i, out);
	bool ok;

	if (out == NN_NOWHERE || !lower_is_byte(l, out) || l->g->tensors[out].data)
		return;
	switch (n->op) {
	case NN_QUANTIZE:
		ok = match_quantize(l, &c, n);
		break;
	case NN_QLINEAR_CONV:
	case NN_QLINEAR_MATMUL:
		ok = lower_qlinear(l, &c, i);
		break;
	case NN_MAX_POOL:
		ok = match_pool(l, &c, n, false, 0, 255);
		break;
	case NN_CONCAT:
		ok = match_concat(l, &c, n, false, 0, 255);
		break;
	default:
		return;
	}
	if (!ok || !accept(l, &c)) {
		free(c.w.order);
		free(c.w.bias);
		free(c.parts);
	}
}

void lower_match(struct lower *l)
{
	for (uint32_t i = 0; i < l->g->nr_nodes && !l->no_memory; i++)
		match_node(l, i);
}
