// SPDX-License-Identifier: BSD-2-Clause
/* Weights as kernels read them: in the order of nn_weight_at(), with filters and channels filled up, and their coefficients. */
#include <math.h>

#include "../../kernels/nn_conv/nn_conv.h"
#include "../../kernels/nn_depthwise/nn_depthwise.h"
#include "../../kernels/reference/mac.h"
#include "lower.h"

uint64_t lower_room(struct lower *l, uint64_t bytes)
{
	uint64_t at = align_up(l->p->weights_bytes, 64), end, room = l->room_weights;
	uint8_t *p;

	if (__builtin_add_overflow(at, bytes, &end) || end > SIZE_MAX / 2)
		return UINT64_MAX;
	if (end > room) {
		room = max_u64(end, room + room / 2);
		p = realloc(l->p->weights, room);
		if (!p) {
			l->no_memory = true;
			return UINT64_MAX;
		}
		l->p->weights = p;
		l->room_weights = room;
	}
	memset(l->p->weights + l->p->weights_bytes, 0, end - l->p->weights_bytes);
	l->p->weights_bytes = end;
	return at;
}

uint32_t lower_weights_channels(const struct lower_weights *w)
{
	return w->times * (uint32_t)align_up((uint64_t)w->merge * w->channels * (w->unfold ? w->kernel[1] : 1), NN_LANES);
}

uint32_t lower_weights_filters(const struct lower_weights *w)
{
	return (uint32_t)align_up((uint64_t)w->merge * w->filters, NN_BLOCK);
}

static int32_t zero_of(const struct lower_weights *w, uint32_t filter)
{
	uint32_t i = w->nr_zero > 1 ? filter : 0;

	if (!w->zero)
		return 0;
	return w->type == NN_I1 ? ((const int8_t *)w->zero)[i] : ((const uint8_t *)w->zero)[i];
}

/* @filter counts over all groups. */
static int32_t weight(const struct lower_weights *w, uint32_t filter, uint64_t i)
{
	uint64_t at = filter * w->f_step + (w->order ? w->order[i] : i) * w->i_step;
	int32_t v = w->type == NN_I1 ? ((const int8_t *)w->data)[at] : ((const uint8_t *)w->data)[at];

	return v - zero_of(w, filter);
}

static double whole_bias(const struct lower_weights *w, uint32_t filter)
{
	uint64_t n = (uint64_t)w->channels * w->kernel[0] * w->kernel[1];
	int64_t sum = 0;

	for (uint64_t i = 0; i < n; i++)
		sum += weight(w, filter, i);
	return (w->bias ? w->bias[filter] : 0) - (double)((int64_t)w->x_zero * sum); /* exact: below 2^53; NaN when the bias is no number in its units */
}

bool lower_weights_fit(struct lower_weights *w, struct smartssd_error *why)
{
	uint64_t n = (uint64_t)w->channels * w->kernel[0] * w->kernel[1];
	uint64_t filters = (uint64_t)w->groups * w->filters;

	w->times = 1;
	if (n > NN_MAX_TERMS) {
		smartssd_fail(why, -EFBIG, "a sum of %llu products could overflow, %u cannot", (unsigned long long)n, NN_MAX_TERMS);
		return false;
	}
	for (uint32_t f = 0; f < filters; f++) {
		double b = whole_bias(w, f);

		for (uint64_t i = 0; i < n && (w->type == NN_U1 || w->zero); i++) {
			int32_t v = weight(w, f, i);

			w->times = (uint32_t)max_u64(w->times, v > 2 * INT8_MAX ? 3 : v < INT8_MIN || v > INT8_MAX ? 2 : 1);
		}
		if (!(b >= INT32_MIN && b <= INT32_MAX)) {
			smartssd_fail(why, -ERANGE, "the bias of filter %u does not fit int32", f);
			return false;
		}
	}
	return true;
}

/* What of a weight the next of the input's copies takes. */
static int8_t share(int32_t *weight)
{
	int32_t v = *weight < INT8_MIN ? INT8_MIN : *weight > INT8_MAX ? INT8_MAX : *weight;

	*weight -= v;
	return (int8_t)v;
}

static void put_coef(uint8_t *at, const struct lower_weights *w, uint32_t filter)
{
	int32_t b = (int32_t)whole_bias(w, filter);
	float mult = mac_multiplier(w->x_scale, lower_weight_scale(w, filter), w->y_scale);

	memcpy(at, &b, 4);
	memcpy(at + 4, &mult, 4);
}

/* Filters that are only there to fill up a block have weights, bias and multiplier 0, and so give the zero point. */
int lower_weights_conv(struct lower *l, const struct lower_layer *c, struct nn_layer *layer)
{
	const struct lower_weights *w = &c->w;
	uint32_t groups = w->groups / w->merge, channels = lower_weights_channels(w), filters = lower_weights_filters(w), copy = channels / w->times;
	uint32_t wide = w->unfold ? 1 : w->kernel[1], taps = w->kernel[0] * wide;
	uint64_t group_bytes = (uint64_t)filters * channels * taps;

	layer->w_bytes = groups * group_bytes;
	layer->coef_bytes = (uint64_t)groups * filters * NN_CONV_COEF_WORDS * 4;
	layer->w_at = lower_room(l, layer->w_bytes);
	layer->coef_at = layer->w_at == UINT64_MAX ? UINT64_MAX : lower_room(l, layer->coef_bytes);
	if (layer->coef_at == UINT64_MAX)
		return -ENOMEM;
	for (uint32_t g = 0; g < groups; g++)
		for (uint32_t f = 0; f < w->merge * w->filters; f++) {
			uint32_t filter = g * w->merge * w->filters + f;
			uint32_t first = f / w->filters * w->channels; /* its own group's channels among the merged ones */
			uint8_t *to = l->p->weights + layer->w_at + g * group_bytes;
			uint64_t i = 0;

			for (uint32_t ch = 0; ch < w->channels; ch++)
				for (uint32_t kh = 0; kh < w->kernel[0]; kh++)
					for (uint32_t kw = 0; kw < w->kernel[1]; kw++, i++) {
						uint32_t tap = w->unfold ? kh : kh * wide + kw;
						uint32_t at = w->unfold ? kw * w->channels + ch : first + ch;
						int32_t v = weight(w, filter, i);

						for (uint32_t k = 0; k < w->times; k++)
							to[nn_weight_at(taps, channels, f, tap, k * copy + at)] = (uint8_t)share(&v);
					}
			put_coef(l->p->weights + layer->coef_at + ((uint64_t)g * filters + f) * NN_CONV_COEF_WORDS * 4, w, filter);
		}
	return 0;
}

int lower_weights_depthwise(struct lower *l, const struct lower_layer *c, struct nn_layer *layer)
{
	const struct lower_weights *w = &c->w;
	uint32_t channels = (uint32_t)align_up(w->groups, NN_LANES), taps = w->kernel[0] * w->kernel[1];

	layer->w_bytes = (uint64_t)channels * taps;
	layer->coef_bytes = (uint64_t)channels * NN_DEPTHWISE_COEF_WORDS * 4;
	layer->w_at = lower_room(l, layer->w_bytes);
	layer->coef_at = layer->w_at == UINT64_MAX ? UINT64_MAX : lower_room(l, layer->coef_bytes);
	if (layer->coef_at == UINT64_MAX)
		return -ENOMEM;
	for (uint32_t ch = 0; ch < w->groups; ch++) {
		for (uint32_t tap = 0; tap < taps; tap++)
			l->p->weights[layer->w_at + (uint64_t)tap * channels + ch] = (uint8_t)weight(w, ch, tap);
		put_coef(l->p->weights + layer->coef_at + (uint64_t)ch * NN_DEPTHWISE_COEF_WORDS * 4, w, ch);
	}
	return 0;
}

/* What nn_pack makes of a byte: for a float input what QuantizeLinear makes of the float that the byte stands for. */
int lower_weights_lut(struct lower *l, const struct lower_layer *c, struct nn_layer *layer, uint32_t channels)
{
	const struct nn_program *p = l->p;

	layer->lut_bytes = (uint64_t)channels * 256;
	layer->lut_at = lower_room(l, layer->lut_bytes);
	if (layer->lut_at == UINT64_MAX)
		return -ENOMEM;
	for (uint32_t ch = 0; ch < channels; ch++)
		for (uint32_t b = 0; b < 256; b++) {
			uint8_t *to = l->p->weights + layer->lut_at + ch * 256 + b;
			float real;

			if (!c->l.pack.is_float) {
				*to = (uint8_t)(c->q.type == NN_I1 ? b ^ 128 : b);
				continue;
			}
			real = (float)b * p->input_scale;
			real = real - p->mean[ch];
			*to = (uint8_t)lower_quantise(&c->q, real / p->std[ch]);
		}
	return 0;
}

/* Position of a constant's element for pixel (@y, @x) and channel @ch of an image with dimensions @out; shapes are aligned at the right. */
static uint64_t broadcast_at(const struct nn_dims *dims, const struct nn_dims *out, uint32_t y, uint32_t x, uint32_t ch)
{
	const uint32_t index[5][4] = { [2] = { 0, ch }, [3] = { 0, x, ch }, [4] = { 0, ch, y, x } };
	uint64_t at = 0;

	for (uint32_t i = 0; i < dims->n; i++)
		at = at * (uint64_t)dims->d[i] + (dims->d[i] == 1 ? 0 : index[out->n][out->n - dims->n + i]);
	return at;
}

/* A float constant, whose elements are all the same, is 1 times that; lower_match.c has made the multiplier of it. */
int lower_weights_constant(struct lower *l, const struct lower_layer *c, struct nn_layer *layer)
{
	const struct nn_tensor *t = lower_tensor(l, c->constant);
	const struct nn_dims *out = &l->g->tensors[l->g->nodes[c->main].out[0]].dims;
	const struct nn_value *v = &l->p->values[layer->out];
	bool one = t->type == NN_F4 || lower_per_channel(&t->dims, out, lower_channel_axis(out));
	uint32_t h = one ? 1 : v->h, w = one ? 1 : v->w;

	layer->w_bytes = (uint64_t)h * w * v->channels;
	layer->w_at = lower_room(l, layer->w_bytes);
	if (layer->w_at == UINT64_MAX)
		return -ENOMEM;
	for (uint32_t y = 0; y < h; y++)
		for (uint32_t x = 0; x < w; x++)
			for (uint32_t ch = 0; ch < v->c; ch++) {
				const uint8_t *from = (const uint8_t *)t->data + (t->type == NN_F4 ? 0 : broadcast_at(&t->dims, out, y, x, ch));

				l->p->weights[layer->w_at + ((uint64_t)y * w + x) * v->channels + ch] =
					t->type == NN_F4 ? 1 : t->type == NN_I1 ? *from ^ 128 : *from;
			}
	return 0;
}
