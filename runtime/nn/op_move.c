// SPDX-License-Identifier: BSD-2-Clause
/* Elements that only change places: Concat, Gather, Pad, Slice, Transpose, and what copies as it is; shapes as values, and values of a shape. */
#include "graph_impl.h"

int nn_op_copy(const struct nn_call *c)
{
	memcpy(c->out[0], c->in[0], c->n * nn_type_bytes(c->to[0]->type));
	return 0;
}

int nn_op_dropout(const struct nn_call *c)
{
	if (c->to[1])
		memset(c->out[1], 1, c->n);
	return nn_op_copy(c);
}

int nn_op_concat(const struct nn_call *c)
{
	const struct nn_dims *dy = &c->to[0]->dims;
	uint64_t size = nn_type_bytes(c->to[0]->type), outer = 1, row = size, at = 0;

	for (uint32_t i = 0; i < (uint32_t)c->a->axis; i++)
		outer *= (uint64_t)dy->d[i];
	for (uint32_t i = (uint32_t)c->a->axis; i < dy->n; i++)
		row *= (uint64_t)dy->d[i];
	for (uint32_t k = 0; k < c->node->nr_in; k++) {
		const struct nn_dims *dx = &c->graph->tensors[c->node->in[k]].dims;
		uint64_t part = size;

		for (uint32_t i = (uint32_t)c->a->axis; i < dx->n; i++)
			part *= (uint64_t)dx->d[i];
		for (uint64_t o = 0; o < outer && part; o++)
			memcpy((uint8_t *)c->out[0] + o * row + at, (const uint8_t *)c->in[k] + o * part, part);
		at += part;
	}
	return 0;
}

int nn_op_shape(const struct nn_call *c)
{
	for (uint64_t i = 0; i < c->n; i++)
		((int64_t *)c->out[0])[i] = c->ti[0]->dims.d[(uint64_t)c->a->start + i];
	return 0;
}

int nn_op_constant_of_shape(const struct nn_call *c)
{
	uint32_t size = nn_type_bytes(c->to[0]->type);

	for (uint64_t i = 0; i < c->n; i++)
		memcpy((uint8_t *)c->out[0] + i * size, c->a->element, size);
	return 0;
}

/* y[...] = x[first + ... by strides], rows of the last dimension at a time. */
#define GATHER(type)                                                                             \
	for (uint64_t at = 0; at < c->n; at += (uint64_t)row) {                                   \
		int64_t rest = (int64_t)at / row, from = first;                                   \
												  \
		for (uint32_t i = last; i-- > 0;) {                                               \
			from += rest % dy->d[i] * stride[i];                                      \
			rest /= dy->d[i];                                                         \
		}                                                                                 \
		for (int64_t j = 0; j < row; j++)                                                 \
			((type *)c->out[0])[at + (uint64_t)j] = ((const type *)c->in[0])[from + j * step]; \
	}

static void walk(const struct nn_call *c, int64_t first, const int64_t *stride)
{
	const struct nn_dims *dy = &c->to[0]->dims;
	uint32_t last = dy->n ? dy->n - 1 : 0;
	int64_t row = dy->n ? dy->d[last] : 1, step = dy->n ? stride[last] : 1;

	switch (nn_type_bytes(c->to[0]->type)) {
	case 1:
		GATHER(uint8_t);
		break;
	case 4:
		GATHER(uint32_t);
		break;
	default:
		GATHER(uint64_t);
		break;
	}
}

static void strides(const struct nn_dims *dims, int64_t stride[NN_MAX_DIMS])
{
	int64_t s = 1;

	for (uint32_t i = dims->n; i-- > 0;) {
		stride[i] = s;
		s *= dims->d[i];
	}
}

int nn_op_transpose(const struct nn_call *c)
{
	int64_t in[NN_MAX_DIMS], stride[NN_MAX_DIMS];

	strides(&c->ti[0]->dims, in);
	for (uint32_t i = 0; i < c->to[0]->dims.n; i++)
		stride[i] = in[c->a->perm[i]];
	walk(c, 0, stride);
	return 0;
}

int nn_op_slice(const struct nn_call *c)
{
	uint32_t n = c->to[0]->dims.n;
	int64_t stride[NN_MAX_DIMS], first = 0;

	strides(&c->ti[0]->dims, stride);
	for (uint32_t i = 0; i < n; i++) {
		first += c->a->padding[i] * stride[i];
		/* With one entry the step, of any size, is not taken. */
		stride[i] = c->to[0]->dims.d[i] > 1 ? stride[i] * c->a->padding[i + n] : 0;
	}
	walk(c, first, stride);
	return 0;
}

int nn_op_gather(const struct nn_call *c)
{
	const struct nn_dims *d = &c->ti[0]->dims;
	uint64_t indices = (uint64_t)nn_count(&c->ti[1]->dims), outer = 1, part = nn_type_bytes(c->to[0]->type);
	int64_t rows = d->d[c->a->axis];
	uint8_t *to = c->out[0];

	for (int64_t i = 0; i < d->n; i++)
		if (i < c->a->axis)
			outer *= (uint64_t)d->d[i];
		else if (i > c->a->axis)
			part *= (uint64_t)d->d[i];
	for (uint64_t o = 0; o < outer; o++)
		for (uint64_t i = 0; i < indices; i++, to += part) {
			int64_t at = c->ti[1]->type == NN_I4 ? ((const int32_t *)c->in[1])[i] : ((const int64_t *)c->in[1])[i];

			at += at < 0 ? rows : 0;
			memcpy(to, (const uint8_t *)c->in[0] + (o * (uint64_t)rows + (uint64_t)at) * part, part);
		}
	return 0;
}

int nn_op_pad(const struct nn_call *c)
{
	static const uint8_t nothing[8];
	const struct nn_dims *dx = &c->ti[0]->dims, *dy = &c->to[0]->dims;
	const uint8_t *value = c->ti[2] ? c->in[2] : nothing;
	uint64_t size = nn_type_bytes(c->to[0]->type), rows = 1, row;

	for (uint64_t i = 0; i < c->n; i++)
		memcpy((uint8_t *)c->out[0] + i * size, value, size);
	row = dx->n ? (uint64_t)dx->d[dx->n - 1] : 1;
	for (uint32_t i = 0; i + 1 < dx->n; i++)
		rows *= (uint64_t)dx->d[i];
	for (uint64_t r = 0; r < rows && row; r++) {
		uint64_t rest = r, to = dx->n ? (uint64_t)c->a->padding[dx->n - 1] : 0, stride = dx->n ? (uint64_t)dy->d[dx->n - 1] : 1;

		for (uint32_t i = dx->n ? dx->n - 1 : 0; i-- > 0;) {
			to += (rest % (uint64_t)dx->d[i] + (uint64_t)c->a->padding[i]) * stride;
			rest /= (uint64_t)dx->d[i];
			stride *= (uint64_t)dy->d[i];
		}
		memcpy((uint8_t *)c->out[0] + to * size, (const uint8_t *)c->in[0] + r * row * size, row * size);
	}
	return 0;
}
