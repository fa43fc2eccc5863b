// SPDX-License-Identifier: BSD-2-Clause
/* Values: how tensors lie in card memory, and the way there and back. */
#include "program_impl.h"

bool nn_card_layout(const struct nn_dims *dims, uint32_t *images, uint32_t *h, uint32_t *w, uint32_t *c)
{
	static const uint32_t channel_axis[5] = { 0, 0, 1, 2, 1 };
	uint64_t bytes;

	if (dims->n < 2 || dims->n > 4)
		return false;
	for (uint32_t i = 0; i < dims->n; i++)
		if (dims->d[i] < 1 || dims->d[i] > (i == 0 || i == channel_axis[dims->n] ? INT32_MAX / 64 : NN_MAX_SIDE))
			return false;
	*images = (uint32_t)dims->d[0];
	*c = (uint32_t)dims->d[channel_axis[dims->n]];
	*h = dims->n == 4 ? (uint32_t)dims->d[2] : 1;
	*w = dims->n == 4 ? (uint32_t)dims->d[3] : dims->n == 3 ? (uint32_t)dims->d[1] : 1;
	/* The kernels' distance between images has 32 bits. */
	bytes = align_up(*c, NN_LANES);
	return !__builtin_mul_overflow(bytes, (uint64_t)*h * *w, &bytes) && bytes <= INT32_MAX;
}

bool nn_same_layout(const struct nn_dims *a, const struct nn_dims *b)
{
	uint32_t images[2], h[2], w[2], c[2];

	if (!nn_card_layout(a, &images[0], &h[0], &w[0], &c[0]) || !nn_card_layout(b, &images[1], &h[1], &w[1], &c[1]))
		return false;
	if (images[0] != images[1] || h[0] != h[1] || w[0] != w[1] || c[0] != c[1])
		return false;
	return a->n == b->n || (h[0] == 1 && w[0] == 1);
}

uint32_t nn_program_batch(const struct nn_program *program)
{
	const struct nn_dims *dims;

	if (!program->nr_inputs)
		return 1;
	dims = &program->values[program->inputs[0]].dims;
	return dims->n && dims->d[0] >= 1 && dims->d[0] <= UINT32_MAX ? (uint32_t)dims->d[0] : 1;
}

uint32_t nn_value_images(const struct nn_program *program, const struct nn_value *v, uint32_t images)
{
	uint64_t n = (uint64_t)(images / nn_program_batch(program)) * v->images;

	return n > UINT32_MAX ? 0 : (uint32_t)n; /* 0: which every kernel refuses */
}

uint64_t nn_value_stride(const struct nn_program *program, const struct nn_value *v)
{
	if (v->plain)
		return (uint64_t)nn_count(&v->dims) * nn_type_bytes(v->type);
	return (uint64_t)v->h * v->w * nn_value_pitch(program->values, v);
}

uint64_t nn_value_bytes(const struct nn_program *program, const struct nn_value *v, uint32_t images)
{
	uint64_t n = (uint64_t)(images / nn_program_batch(program)) * (v->plain ? 1 : v->images);
	uint64_t bytes;

	if (__builtin_mul_overflow(n, nn_value_stride(program, v), &bytes))
		return UINT64_MAX;
	return v->whole == NN_NONE_VALUE || bytes < v->at ? bytes : bytes - v->at;
}

void nn_value_from_plain(const struct nn_program *program, const struct nn_value *v, uint32_t images, const void *from, uint8_t *to)
{
	uint32_t n = nn_value_images(program, v, images), pitch = nn_value_pitch(program->values, v);
	uint64_t pixels = (uint64_t)v->h * v->w, stride = nn_value_stride(program, v);
	/* Channels come first in [N, C, H, W], last in [N, T, C] and [N, C]. */
	uint64_t per_channel = v->dims.n == 4 ? pixels : 1, per_pixel = v->dims.n == 4 ? 1 : v->c;
	uint8_t flip = v->type == NN_I1 ? 128 : 0;
	const uint8_t *x = from;

	for (uint32_t i = 0; i < n; i++, x += pixels * v->c, to += stride)
		for (uint64_t p = 0; p < pixels; p++) {
			uint8_t *y = to + p * pitch;

			for (uint32_t c = 0; c < v->c; c++)
				y[c] = x[p * per_pixel + c * per_channel] ^ flip;
			memset(y + v->c, (int)v->zero, v->channels - v->c);
		}
}

void nn_value_to_plain(const struct nn_program *program, const struct nn_value *v, uint32_t images, const uint8_t *from, void *to)
{
	uint32_t n = nn_value_images(program, v, images), pitch = nn_value_pitch(program->values, v);
	uint64_t pixels = (uint64_t)v->h * v->w, stride = nn_value_stride(program, v);
	uint64_t per_channel = v->dims.n == 4 ? pixels : 1, per_pixel = v->dims.n == 4 ? 1 : v->c;
	uint8_t flip = v->type == NN_I1 ? 128 : 0;
	uint8_t *y = to;

	for (uint32_t i = 0; i < n; i++, y += pixels * v->c, from += stride)
		for (uint64_t p = 0; p < pixels; p++)
			for (uint32_t c = 0; c < v->c; c++)
				y[p * per_pixel + c * per_channel] = from[p * pitch + c] ^ flip;
}
