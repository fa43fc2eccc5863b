// SPDX-License-Identifier: BSD-2-Clause
/* Looking at tensors: constants, quantisation parameters, and which 8-bit tensor an operator really reads. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "../../kernels/reference/mac.h"
#include "lower.h"

char *lower_text(struct lower *l, const char *fmt, ...)
{
	char text[600], *copy;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	copy = nn_printable(text);
	if (!copy)
		l->no_memory = true;
	return copy;
}

bool lower_no(struct lower *l, uint32_t n, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!l->why[n])
		l->why[n] = lower_text(l, "%s", text);
	return false;
}

const struct nn_tensor *lower_tensor(const struct lower *l, uint32_t t)
{
	return t == NN_NOWHERE ? NULL : &l->g->tensors[t];
}

const struct nn_node *lower_producer(const struct lower *l, uint32_t t)
{
	uint32_t n = t == NN_NOWHERE ? NN_NOWHERE : l->g->tensors[t].producer;

	return n == NN_NOWHERE || l->g->tensors[t].data ? NULL : &l->g->nodes[n];
}

bool lower_is_byte(const struct lower *l, uint32_t t)
{
	return l->g->tensors[t].type == NN_U1 || l->g->tensors[t].type == NN_I1;
}

bool lower_quant(const struct lower *l, uint32_t scale, uint32_t zero, enum nn_type type, struct lower_quant *q)
{
	const struct nn_tensor *s = lower_tensor(l, scale), *z = lower_tensor(l, zero);

	if (type != NN_U1 && type != NN_I1)
		return false;
	if (!s || !s->data || s->type != NN_F4 || nn_count(&s->dims) != 1)
		return false;
	if (z && (!z->data || z->type != type || nn_count(&z->dims) != 1))
		return false;
	q->scale = *(const float *)s->data;
	q->type = type;
	q->zero = type == NN_I1 ? (uint32_t)((z ? *(const int8_t *)z->data : 0) + 128) : z ? *(const uint8_t *)z->data : 0;
	return isfinite(q->scale) && q->scale > 0;
}

bool lower_quant_equal(const struct lower_quant *a, const struct lower_quant *b)
{
	return a->scale == b->scale && a->zero == b->zero && a->type == b->type;
}

uint32_t lower_constant(const struct lower *l, uint32_t t)
{
	const struct nn_node *n = lower_producer(l, t);

	if (t == NN_NOWHERE || l->g->tensors[t].data)
		return t;
	return n && n->op == NN_DEQUANTIZE && l->g->tensors[n->in[0]].data ? n->in[0] : NN_NOWHERE;
}

bool lower_per_channel(const struct nn_dims *dims, const struct nn_dims *out, uint32_t channel)
{
	if (dims->n > out->n)
		return false;
	for (uint32_t i = 0; i < dims->n && nn_count(dims) != 1; i++)
		if (dims->d[i] != (out->n - dims->n + i == channel ? out->d[channel] : 1))
			return false;
	return true;
}

uint32_t lower_quantise(const struct lower_quant *q, float real)
{
	double v = (double)mac_rint(real / q->scale) + q->zero;

	return !(v > 0) ? 0 : v > 255 ? 255 : (uint32_t)v;
}

/* The tensor behind a node that only says differently how the same elements are grouped; NN_NOWHERE: @n is no such node. */
static uint32_t behind(const struct nn_node *n)
{
	switch (n->op) {
	case NN_IDENTITY:
	case NN_DROPOUT:
	case NN_RESHAPE:
	case NN_FLATTEN:
	case NN_SQUEEZE:
	case NN_UNSQUEEZE:
	case NN_TRANSPOSE:
		return n->in[0];
	default:
		return NN_NOWHERE;
	}
}

bool lower_view(struct lower *l, uint32_t t, struct lower_view *v)
{
	struct lower_view now = { .base = NN_NOWHERE };
	struct lower_quant q;

	memset(v, 0, sizeof(*v));
	v->base = NN_NOWHERE;
	if (t == NN_NOWHERE)
		return false;
	now.dims = l->g->tensors[t].dims;
	for (;;) {
		const struct nn_tensor *tensor = &l->g->tensors[t];
		const struct nn_node *n = lower_producer(l, t);

		if (tensor->data)
			break;
		if (lower_is_byte(l, t)) {
			now.base = t;
			*v = now; /* good so far; perhaps this is only another name for an earlier one */
		}
		if (!n)
			break;
		if (n->op == NN_DEQUANTIZE || n->op == NN_QUANTIZE) {
			enum nn_type type = l->g->tensors[n->op == NN_QUANTIZE ? t : n->in[0]].type;

			/* A pair that changes nothing is looked through. */
			if (!lower_quant(l, n->in[1], n->nr_in > 2 ? n->in[2] : NN_NOWHERE, type, &q) ||
			    (now.known && !lower_quant_equal(&q, &now.q)))
				break;
			now.q = q;
			now.known = true;
			if (n->op == NN_QUANTIZE && v->base == t) {
				v->q = q;
				v->known = true;
			}
			t = n->in[0];
			continue;
		}
		if (behind(n) == NN_NOWHERE || now.nr_chain == LOWER_CHAIN)
			break;
		now.chain[now.nr_chain++] = tensor->producer;
		now.moved |= n->op == NN_TRANSPOSE;
		t = behind(n);
	}
	if (v->base == NN_NOWHERE)
		return false;
	if (!v->known) {
		v->q = (struct lower_quant){ 1.0f, 0, l->g->tensors[v->base].type };
		v->q.zero = v->q.type == NN_I1 ? 128 : 0;
	}
	v->same = !v->moved && nn_same_layout(&l->g->tensors[v->base].dims, &v->dims);
	return true;
}

/* Apply a Transpose to @order (elements of one image), whose shape is @dims with the batch first. */
static int transpose(const struct nn_dims *dims, const int64_t *perm, uint32_t *order, uint32_t count)
{
	uint32_t *moved, at = 0;
	int64_t index[NN_MAX_DIMS] = { 0 }, step[NN_MAX_DIMS];

	moved = malloc(count * sizeof(*moved));
	if (!moved)
		return -ENOMEM;
	step[dims->n - 1] = 1;
	for (uint32_t i = dims->n - 1; i > 1; i--)
		step[i - 1] = step[i] * dims->d[i];
	for (;;) {
		int64_t from = 0;
		uint32_t axis = dims->n - 1;

		for (uint32_t i = 1; i < dims->n; i++)
			from += index[i] * step[perm[i]];
		moved[at++] = order[from];
		while (axis > 0 && ++index[axis] == dims->d[perm[axis]])
			index[axis--] = 0;
		if (axis == 0)
			break;
	}
	memcpy(order, moved, count * sizeof(*moved));
	free(moved);
	return 0;
}

uint32_t *lower_view_order(struct lower *l, const struct lower_view *v, int *ret)
{
	const struct nn_dims *dims = &l->g->tensors[v->base].dims;
	uint64_t count = 1;
	uint32_t *order, *inverse;

	*ret = -EINVAL;
	for (uint32_t i = 1; i < dims->n; i++)
		if (__builtin_mul_overflow(count, (uint64_t)dims->d[i], &count) || count > NN_MAX_TERMS || !count)
			return NULL;
	if (dims->n < 2 || v->dims.n < 1 || v->dims.d[0] != dims->d[0])
		return NULL;
	order = malloc(count * sizeof(*order));
	inverse = malloc(count * sizeof(*inverse));
	*ret = order && inverse ? 0 : -ENOMEM;
	for (uint32_t i = 0; !*ret && i < count; i++)
		order[i] = i;
	for (uint32_t i = v->nr_chain; !*ret && i-- > 0;) {
		const struct nn_node *n = &l->g->nodes[v->chain[i]];
		const struct nn_dims *in = &l->g->tensors[n->in[0]].dims, *out = &l->g->tensors[n->out[0]].dims;

		if (in->n < 1 || out->n < 1 || in->d[0] != dims->d[0] || out->d[0] != dims->d[0] || (n->op == NN_TRANSPOSE && n->attrs.perm[0] != 0))
			*ret = -EINVAL; /* mixes images */
		else if (n->op == NN_TRANSPOSE && in->n > 1)
			*ret = transpose(in, n->attrs.perm, order, (uint32_t)count);
	}
	/* order[k] is the base's element that the operator sees at k. */
	for (uint32_t k = 0; !*ret && k < count; k++)
		inverse[order[k]] = k;
	free(order);
	if (*ret) {
		free(inverse);
		return NULL;
	}
	return inverse;
}
