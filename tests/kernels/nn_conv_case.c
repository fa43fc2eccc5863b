// SPDX-License-Identifier: BSD-2-Clause
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn_conv_case.h"
#include "random.h"

#define FILL 0x3c /* must stay where the run has no output */

void nn_conv_call(const struct nn_conv_call *c, nn_conv_fn *kernel)
{
	const struct nn_conv_args *a = &c->a;

	kernel(c->x, c->x_bytes, c->w, c->w_bytes, c->coef, c->coef_bytes, c->r, c->r_bytes, c->y, c->y_bytes, c->status, c->status_bytes,
	       a->images, a->in_h, a->in_w, a->channels, a->x_pitch, a->x_image, a->groups, a->filters, a->kernel, a->stride, a->dilation, a->pad,
	       a->out_h, a->out_w, a->y_pitch, a->y_image, a->x_zero, a->zero, a->clip, a->r_pitch, a->r_image, a->r_zero, a->v_mult, a->r_mult,
	       a->sum_zero, a->sum_clip, a->pool, a->pool_stride, a->pool_pad, a->pool_out_h, a->pool_out_w, a->first_row, a->rows, a->tile_rows,
	       a->tile_filters, a->tile_channels, a->flags);
}

static void random_bytes(uint8_t *p, size_t n)
{
	uint32_t extreme = random_below(8); /* now and then only the extreme values, which make the largest sums */

	for (size_t i = 0; i < n; i++)
		p[i] = extreme == 0   ? (random_below(2) ? 255 : 0)
		       : extreme == 1 ? (random_below(2) ? 127 : 128)
				      : (uint8_t)random_u64();
}

/* Memory whose end is the buffer's end, and whose begin is anywhere. */
static uint8_t *give(uint8_t **memory, uint64_t bytes, uint32_t align)
{
	uint32_t skew = random_below(3) ? random_below(64) & ~(align - 1) : 0;

	*memory = malloc(bytes + skew);
	random_bytes(*memory, bytes + skew);
	return *memory + skew;
}

static uint32_t bits(float value)
{
	uint32_t word;

	memcpy(&word, &value, 4);
	return word;
}

static uint32_t random_clip(uint32_t zero)
{
	uint32_t lo = random_below(3) ? 0 : zero, hi = random_below(4) ? 255 : (uint32_t)random_in((int32_t)lo, 255);

	return lo | hi << 8;
}

static uint32_t random_zero(void)
{
	return random_below(3) == 0 ? 0 : random_below(3) == 0 ? 255 : random_below(256);
}

static uint32_t out_size(uint32_t in, uint32_t kernel, uint32_t stride, uint32_t dilation, uint32_t pads)
{
	uint32_t extent = (kernel - 1) * dilation + 1;

	return in + pads < extent ? 0 : (in + pads - extent) / stride + 1;
}

static void random_numbers(struct nn_conv_case *c)
{
	struct nn_conv_args *a = &c->call.a;
	uint32_t bias_mode = random_below(6), terms = a->channels * (a->kernel & 0xffff) * (a->kernel >> 16);

	a->x_zero = random_zero();
	a->zero = random_zero();
	a->clip = random_clip(a->zero);
	a->r_zero = random_zero();
	a->sum_zero = random_zero();
	a->sum_clip = random_clip(a->sum_zero);
	a->v_mult = bits(random_below(4) ? random_float(0.1f, 1.5f) : 0.5f);
	a->r_mult = bits(random_below(4) ? random_float(0.1f, 1.5f) : 0.5f);
	for (uint32_t f = 0; f < a->groups * a->filters; f++) {
		/* Sums of random terms are about 10000 * sqrt(terms); scaled so that most outputs are within the range */
		float mult = random_float(0.2f, 2.0f) / 100.0f;

		for (uint32_t n = 1; n < terms; n *= 4)
			mult /= 2;
		c->bias[f] = random_in(-20000, 20000);
		if (bias_mode == 1) { /* saturates */
			mult = random_float(0.2f, 2.0f) * 0x1p-24f;
			c->bias[f] = random_below(2) ? INT32_MAX - random_in(0, 5000) : INT32_MIN + random_in(0, 5000);
		}
		if (bias_mode == 2) { /* ties */
			mult = 0.5f;
			c->bias[f] = random_in(-300, 300);
		}
		c->mult[f] = mult;
	}
}

void nn_conv_case_coef(struct nn_conv_case *c)
{
	for (uint32_t f = 0; f < c->call.a.groups * c->call.a.filters; f++) {
		c->call.coef[f * NN_CONV_COEF_WORDS + NN_CONV_COEF_BIAS] = (uint32_t)c->bias[f];
		c->call.coef[f * NN_CONV_COEF_WORDS + NN_CONV_COEF_MULT] = bits(c->mult[f]);
	}
}

static uint32_t random_gap(void)
{
	return random_below(3) ? 0 : random_below(4) * NN_LANES;
}

/* Pitches, with room for other tensors' channels, and images with gaps. Returns the bytes from the first to behind the last that is used. */
static uint64_t layout(const struct nn_conv_args *a, uint32_t rows, uint32_t cols, uint32_t channels, uint32_t *pitch, uint32_t *image)
{
	*pitch = channels + random_gap();
	*image = rows * cols * *pitch + random_gap();
	return (uint64_t)(a->images - 1) * *image + ((uint64_t)rows * cols - 1) * *pitch + channels;
}

static void pack_weights(struct nn_conv_case *c)
{
	const struct nn_conv_args *a = &c->call.a;
	uint32_t taps = (a->kernel & 0xffff) * (a->kernel >> 16);
	const int8_t *from = c->weights;

	for (uint32_t g = 0; g < a->groups; g++)
		for (uint32_t f = 0; f < a->filters; f++)
			for (uint32_t tap = 0; tap < taps; tap++)
				for (uint32_t ch = 0; ch < a->channels; ch++)
					c->call.w[(uint64_t)g * a->filters * taps * a->channels + nn_weight_at(taps, a->channels, f, tap, ch)] =
						*from++;
}

/* The same layer as the reference takes it; rows are set when it runs. */
static void make_reference(struct nn_conv_case *c, const struct nn_conv_sizes *s)
{
	const struct nn_conv_args *a = &c->call.a;

	c->layer = (struct ref_nn_conv){ .images = s->images,
					 .in_h = s->in_h,
					 .in_w = s->in_w,
					 .channels = s->channels,
					 .x_pitch = a->x_pitch,
					 .x_image = a->x_image,
					 .groups = s->groups,
					 .filters = s->filters,
					 .out_h = a->out_h,
					 .out_w = a->out_w,
					 .y_pitch = a->y_pitch,
					 .y_image = a->y_image,
					 .bias = c->bias,
					 .mult = c->mult,
					 .x_zero = (int32_t)a->x_zero,
					 .zero = (int32_t)a->zero,
					 .clip = { (int32_t)(a->clip & 255), (int32_t)(a->clip >> 8) },
					 .r_pitch = a->r_pitch,
					 .r_image = a->r_image,
					 .r_zero = (int32_t)a->r_zero,
					 .sum_zero = (int32_t)a->sum_zero,
					 .sum_clip = { (int32_t)(a->sum_clip & 255), (int32_t)(a->sum_clip >> 8) },
					 .pool_out_h = a->pool_out_h,
					 .pool_out_w = a->pool_out_w };
	for (int i = 0; i < 2; i++) {
		c->layer.kernel[i] = s->kernel[i];
		c->layer.stride[i] = s->stride[i];
		c->layer.dilation[i] = s->dilation[i];
		c->layer.pad[i] = s->pad[i];
		c->layer.pool[i] = s->pool[i];
		c->layer.pool_stride[i] = s->pool_stride[i];
		c->layer.pool_pad[i] = s->pool_pad[i];
	}
	memcpy(&c->layer.v_mult, &a->v_mult, 4);
	memcpy(&c->layer.r_mult, &a->r_mult, 4);
}

int nn_conv_case_make(struct nn_conv_case *c, const struct nn_conv_sizes *s)
{
	uint32_t out_h = out_size(s->in_h, s->kernel[0], s->stride[0], s->dilation[0], s->pad[0] + s->pad[2]);
	uint32_t out_w = out_size(s->in_w, s->kernel[1], s->stride[1], s->dilation[1], s->pad[1] + s->pad[3]);
	uint32_t filters = s->groups * s->filters;
	struct nn_conv_call *k = &c->call;

	memset(c, 0, sizeof(*c));
	if (!out_h || !out_w || s->channels * s->kernel[0] * s->kernel[1] > NN_MAX_TERMS)
		return -1;
	k->a = (struct nn_conv_args){ .images = s->images,
				      .in_h = s->in_h,
				      .in_w = s->in_w,
				      .channels = s->channels,
				      .groups = s->groups,
				      .filters = s->filters,
				      .kernel = NN_PAIR(s->kernel[0], s->kernel[1]),
				      .stride = NN_PAIR(s->stride[0], s->stride[1]),
				      .dilation = NN_PAIR(s->dilation[0], s->dilation[1]),
				      .pad = NN_PAIR(s->pad[0], s->pad[1]),
				      .out_h = out_h,
				      .out_w = out_w,
				      .pool = NN_PAIR(s->pool[0], s->pool[1]),
				      .pool_stride = NN_PAIR(s->pool_stride[0], s->pool_stride[1]),
				      .pool_pad = NN_PAIR(s->pool_pad[0], s->pool_pad[1]),
				      .flags = s->residual ? NN_CONV_RESIDUAL : 0 };
	if (s->pool[0]) {
		k->a.pool_out_h = out_h = out_size(out_h, s->pool[0], s->pool_stride[0], 1, s->pool_pad[0] + s->pool_pad[2]);
		k->a.pool_out_w = out_w = out_size(out_w, s->pool[1], s->pool_stride[1], 1, s->pool_pad[1] + s->pool_pad[3]);
		if (!out_h || !out_w)
			return -1;
	}
	k->a.rows = out_h;
	k->x_bytes = layout(&k->a, s->in_h, s->in_w, s->groups * s->channels, &k->a.x_pitch, &k->a.x_image);
	k->y_bytes = layout(&k->a, out_h, out_w, filters, &k->a.y_pitch, &k->a.y_image);
	k->r_bytes = layout(&k->a, out_h, out_w, filters, &k->a.r_pitch, &k->a.r_image);
	k->w_bytes = (uint64_t)filters * s->channels * s->kernel[0] * s->kernel[1];
	k->coef_bytes = (uint64_t)filters * NN_CONV_COEF_WORDS * 4;
	k->x = give(&c->memory[0], k->x_bytes, 1);
	k->w = (int8_t *)give(&c->memory[1], k->w_bytes, 1);
	k->coef = (uint32_t *)(void *)give(&c->memory[2], k->coef_bytes, 4);
	if (s->residual) {
		k->r = give(&c->memory[3], k->r_bytes, 1);
	} else { /* must not be accessed */
		k->r = NULL;
		k->r_bytes = 0;
		k->a.r_pitch = k->a.r_image = 0;
	}
	c->weights = malloc(k->w_bytes);
	random_bytes((uint8_t *)c->weights, k->w_bytes);
	pack_weights(c);
	c->bias = calloc(filters, sizeof(*c->bias));
	c->mult = calloc(filters, sizeof(*c->mult));
	random_numbers(c);
	nn_conv_case_coef(c);
	make_reference(c, s);
	if (nn_conv_case_largest_tile(c) == 0)
		return 0;
	nn_conv_case_free(c);
	return -1;
}

void nn_conv_case_free(struct nn_conv_case *c)
{
	for (int i = 0; i < 4; i++)
		free(c->memory[i]);
	free(c->weights);
	free(c->bias);
	free(c->mult);
}

static int fits(struct nn_conv_case *c)
{
	struct nn_conv_args a = c->call.a;

	return nn_conv_check_shape(&a) == 0 && nn_conv_check_tiles(&a) == 0;
}

int nn_conv_case_largest_tile(struct nn_conv_case *c)
{
	struct nn_conv_args *a = &c->call.a;

	a->tile_rows = a->rows;
	a->tile_filters = (a->filters + NN_FILTERS - 1) / NN_FILTERS * NN_FILTERS;
	a->tile_channels = a->channels;
	while (!fits(c)) {
		if (a->tile_filters > NN_FILTERS)
			a->tile_filters -= NN_FILTERS;
		else if (a->tile_rows > 1)
			a->tile_rows = a->tile_rows / 2;
		else if (a->tile_channels > NN_LANES)
			a->tile_channels -= NN_LANES;
		else
			return -1;
	}
	return 0;
}

int nn_conv_case_random_tile(struct nn_conv_case *c)
{
	struct nn_conv_args *a = &c->call.a;
	uint32_t rows = a->pool ? a->pool_out_h : a->out_h;

	a->first_row = random_below(2) ? 0 : random_below(rows);
	a->rows = random_below(2) ? rows - a->first_row : 1 + random_below(rows - a->first_row);
	a->flags = (a->flags & NN_CONV_RESIDUAL) | (random_below(2) ? NN_CONV_W_STATIONARY : 0);
	for (int i = 0; i < 30; i++) {
		a->tile_rows = 1 + random_below(a->rows + 2);
		a->tile_filters = (1 + random_below(a->filters / NN_FILTERS + 2)) * NN_FILTERS;
		a->tile_channels = (1 + random_below(a->channels / NN_LANES)) * NN_LANES;
		if (fits(c))
			return 0;
	}
	return nn_conv_case_largest_tile(c);
}

uint8_t *nn_conv_case_want(const struct nn_conv_case *c)
{
	struct ref_nn_conv l = c->layer;
	uint8_t *want = malloc(c->call.y_bytes);

	memset(want, FILL, c->call.y_bytes);
	l.first_row = c->call.a.first_row;
	l.rows = c->call.a.rows;
	ref_nn_conv(&l, c->call.x, c->weights, c->call.r, want);
	return want;
}

int64_t nn_conv_case_run(const struct nn_conv_case *c, const uint8_t *want, nn_conv_fn *kernel, uint32_t status[KERNEL_STATUS_WORDS])
{
	struct nn_conv_call k = c->call;
	uint32_t skew = random_below(64);
	uint8_t *memory = malloc(k.y_bytes + skew);
	int64_t result = -1;

	k.y = memory + skew;
	k.status = status;
	k.status_bytes = KERNEL_STATUS_WORDS * 4;
	memset(status, 0, k.status_bytes);
	memset(k.y, FILL, k.y_bytes);
	nn_conv_call(&k, kernel);
	for (uint64_t i = 0; i < k.y_bytes && result < 0; i++)
		if (k.y[i] != want[i])
			result = (int64_t)i;
	free(memory);
	return result;
}

static uint32_t one_of(const uint32_t *list, uint32_t n)
{
	return list[random_below(n)];
}

void nn_conv_case_random_sizes(struct nn_conv_sizes *s)
{
	static const uint32_t kernels[] = { 1, 1, 1, 2, 3, 3, 3, 4, 5, 7 }, strides[] = { 1, 1, 1, 2, 2, 3, 5, 7, 14, 17 };
	static const uint32_t dilations[] = { 1, 1, 1, 2, 3 }, sizes[] = { 1, 2, 3, 5, 7, 8, 9, 13, 14, 15, 16, 17, 29 };
	static const uint32_t blocks[] = { 1, 1, 2, 3, 4, 5, 7, 9 };

	memset(s, 0, sizeof(*s));
	s->images = random_below(3) ? 1 : 2 + random_below(2);
	s->in_h = one_of(sizes, 13);
	s->in_w = one_of(sizes, 13);
	s->groups = random_below(3) ? 1 : 1 + random_below(3);
	s->channels = one_of(blocks, s->groups > 1 ? 3 : 8) * NN_LANES;
	s->filters = one_of(blocks, s->groups > 1 ? 4 : 8) * NN_BLOCK;
	for (int i = 0; i < 2; i++) {
		s->kernel[i] = one_of(kernels, 10);
		s->stride[i] = one_of(strides, 10);
		s->dilation[i] = one_of(dilations, 5);
	}
	if (random_below(3)) {
		s->kernel[1] = s->kernel[0];
		s->stride[1] = s->stride[0];
		s->dilation[1] = s->dilation[0];
	}
	for (int i = 0; i < 4; i++) /* also beyond the kernel's half, and beyond the kernel */
		s->pad[i] = random_below(3) ? random_below(s->kernel[0] + 2) : 0;
	if (random_below(4) == 0) {
		for (int i = 0; i < 2; i++) {
			s->pool[i] = 1 + random_below(3);
			s->pool_stride[i] = 1 + random_below(3);
			s->pool_pad[i] = random_below(s->pool[i]);
			s->pool_pad[i + 2] = random_below(s->pool[i]);
		}
	} else {
		s->residual = random_below(3) == 0;
	}
}

const char *nn_conv_describe(const struct nn_conv_case *c)
{
	const struct nn_conv_args *a = &c->call.a;
	static char text[512];

	snprintf(text, sizeof(text),
		 "SEED=%llu x %ux%ux%ux%u (pitch %u) groups %u filters %u (pitch %u) kernel %x stride %x dilation %x pad %x out %ux%u "
		 "pool %x stride %x pad %x out %ux%u rows %u+%u tile %u x %u x %u flags %u",
		 (unsigned long long)random_seed(), a->images, a->in_h, a->in_w, a->channels, a->x_pitch, a->groups, a->filters, a->y_pitch,
		 a->kernel, a->stride, a->dilation, a->pad, a->out_h, a->out_w, a->pool, a->pool_stride, a->pool_pad, a->pool_out_h, a->pool_out_w,
		 a->first_row, a->rows, a->tile_rows, a->tile_filters, a->tile_channels, a->flags);
	return text;
}
