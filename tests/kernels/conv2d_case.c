// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conv2d_case.h"
#include "random.h"

static uint8_t *random_bytes(size_t n)
{
	uint8_t *p = malloc(n ? n : 1);
	uint32_t extreme = random_below(8); /* now and then only the extreme values, which make the largest sums */

	for (size_t i = 0; i < n; i++)
		p[i] = extreme == 0   ? (random_below(2) ? 255 : 0)
		       : extreme == 1 ? (random_below(2) ? 127 : 128)
				      : (uint8_t)random_u64();
	return p;
}

static int32_t random_zero(int is_signed)
{
	int32_t low = is_signed ? -128 : 0;

	switch (random_below(4)) {
	case 0:
		return low;
	case 1:
		return low + 255;
	case 2:
		return 0;
	default:
		return random_in(low, low + 255);
	}
}

/* A bias in the size of the sums, or (mode 1) so large that the sum saturates. */
static int32_t random_bias(uint32_t mode)
{
	if (mode == 1)
		return random_below(2) ? INT32_MAX - random_in(0, 5000) : INT32_MIN + random_in(0, 5000);
	return random_in(-20000, 20000);
}

static void random_numbers(struct conv2d_case *c)
{
	struct ref_conv2d *l = &c->layer;
	uint32_t terms = l->channels / l->group * l->kernel_h * l->kernel_w;
	uint32_t bias_mode = random_below(6), per_channel = random_below(2);
	int32_t low;

	l->x_signed = random_below(2);
	l->w_signed = random_below(2);
	l->y_signed = random_below(2);
	l->x_zero = random_zero(l->x_signed);
	l->y_zero = random_zero(l->y_signed);
	low = l->y_signed ? -128 : 0;
	l->clip[0] = low;
	l->clip[1] = low + 255;
	if (random_below(3) == 0)
		l->clip[0] = l->y_zero; /* fused ReLU */
	if (random_below(4) == 0)
		l->clip[1] = random_in(l->clip[0], low + 255);
	l->x_scale = random_float(0.001f, 0.1f);
	l->y_scale = l->x_scale * random_float(0.5f, 2.0f);
	for (uint32_t m = 0; m < l->filters; m++) {
		/* Sums of random terms are about 5000 * sqrt(terms); scaled so that most outputs are within the range */
		float scale = random_float(0.2f, 2.0f) / 50.0f;

		for (uint32_t n = 1; n < terms; n *= 4)
			scale /= 2;
		if (bias_mode == 1)
			scale = random_float(0.2f, 2.0f) * 0x1p-24f;
		if (bias_mode == 2)
			scale = 0.5f * l->y_scale / l->x_scale; /* ties */
		c->w_scale[m] = per_channel || m == 0 ? scale : c->w_scale[0];
		c->w_zero[m] = per_channel || m == 0 ? random_zero(l->w_signed) : c->w_zero[0];
		c->bias[m] = random_bias(bias_mode);
	}
	l->w_scale = c->w_scale;
	l->w_scales = l->filters;
	l->w_zero = c->w_zero;
	l->w_zeros = l->filters;
	l->bias = c->bias;
}

int conv2d_case_make(struct conv2d_case *c, const struct conv2d_sizes *s)
{
	struct ref_conv2d *l = &c->layer;
	uint32_t shape[2];

	memset(c, 0, sizeof(*c));
	*l = (struct ref_conv2d){ .images = 1,
				  .channels = s->channels,
				  .in_h = s->in_h,
				  .in_w = s->in_w,
				  .filters = s->filters,
				  .kernel_h = s->kernel_h,
				  .kernel_w = s->kernel_w,
				  .group = s->group,
				  .w_scales = 1,
				  .w_zeros = 1 };
	memcpy(l->stride, s->stride, sizeof(l->stride));
	memcpy(l->pad, s->pad, sizeof(l->pad));
	memcpy(l->dilation, s->dilation, sizeof(l->dilation));
	if (ref_conv2d_shape(l, shape))
		return -1;
	c->out_h = shape[0];
	c->out_w = shape[1];
	c->w_scale = calloc(s->filters, sizeof(float));
	c->w_zero = calloc(s->filters, sizeof(int32_t));
	c->bias = calloc(s->filters, sizeof(int32_t));
	c->coef = calloc(s->filters, CONV2D_COEF_WORDS * sizeof(int32_t));
	c->x = random_bytes((size_t)s->channels * s->in_h * s->in_w);
	c->w = random_bytes((size_t)s->filters * (s->channels / s->group) * s->kernel_h * s->kernel_w);
	c->want = malloc((size_t)s->filters * c->out_h * c->out_w);
	random_numbers(c);
	for (uint32_t m = 0; m < s->filters; m++) {
		float mult = mac_multiplier(l->x_scale, c->w_scale[m], l->y_scale);

		c->coef[m * CONV2D_COEF_WORDS + CONV2D_COEF_BIAS] = c->bias[m];
		c->coef[m * CONV2D_COEF_WORDS + CONV2D_COEF_ZERO] = c->w_zero[m];
		memcpy(&c->coef[m * CONV2D_COEF_WORDS + CONV2D_COEF_MULT], &mult, 4);
	}
	return ref_conv2d(l, c->x, c->w, c->want);
}

void conv2d_case_free(struct conv2d_case *c)
{
	free(c->x);
	free(c->w);
	free(c->want);
	free(c->coef);
	free(c->w_scale);
	free(c->w_zero);
	free(c->bias);
}

static uint32_t one_of(const uint32_t *list, uint32_t n)
{
	return list[random_below(n)];
}

void conv2d_case_random_sizes(struct conv2d_sizes *s)
{
	static const uint32_t kernels[] = { 1, 1, 2, 3, 3, 3, 4, 5, 7 }, strides[] = { 1, 1, 1, 2, 2, 3, 5, 17 };
	static const uint32_t dilations[] = { 1, 1, 1, 2, 3 },
			      channel_list[] = { 1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 48 };
	static const uint32_t filter_list[] = { 1, 2, 3, 7, 8, 9, 15, 16, 17, 24, 31, 33 },
			      sizes[] = { 1, 2, 3, 5, 7, 9, 14, 15, 16, 17, 31, 33, 40 };

	s->kernel_h = one_of(kernels, 9);
	s->kernel_w = random_below(3) ? s->kernel_h : one_of(kernels, 9);
	s->in_h = one_of(sizes, 13);
	s->in_w = one_of(sizes, 13);
	for (int i = 0; i < 2; i++) {
		s->stride[i] = one_of(strides, 8);
		s->dilation[i] = one_of(dilations, 5);
	}
	if (random_below(2)) {
		s->stride[1] = s->stride[0];
		s->dilation[1] = s->dilation[0];
	}
	for (int i = 0; i < 4; i++) /* also beyond the kernel's half, and beyond the kernel */
		s->pad[i] = random_below(3) ? random_below(s->kernel_h + 2) : 0;
	s->group = 1;
	s->channels = one_of(channel_list, 13);
	s->filters = one_of(filter_list, 12);
	switch (random_below(5)) {
	case 0: /* groups */
		s->group = 1 + random_below(4);
		s->channels = s->group * (1 + random_below(9));
		s->filters = s->group * (1 + random_below(18));
		break;
	case 1: /* depthwise, with a multiplier */
		s->group = s->channels;
		s->filters = s->channels * (1 + random_below(3));
		break;
	}
}

void conv2d_part_whole(const struct conv2d_case *c, struct conv2d_part *p)
{
	*p = (struct conv2d_part){ .filters = c->layer.filters,
				   .out_rows = c->out_h,
				   .out_cols = c->out_w,
				   .align = 1,
				   .spare_rows = UINT32_MAX };
}

static void range(uint32_t size, uint32_t *first, uint32_t *count)
{
	*first = random_below(size);
	*count = 1 + random_below(size - *first);
}

void conv2d_part_random(const struct conv2d_case *c, struct conv2d_part *p)
{
	conv2d_part_whole(c, p);
	if (random_below(4))
		range(c->layer.filters, &p->first_filter, &p->filters);
	if (random_below(4))
		range(c->out_h, &p->out_row, &p->out_rows);
	if (random_below(2))
		range(c->out_w, &p->out_col, &p->out_cols);
	p->spare_rows = random_below(3) ? 0 : random_below(4);
	p->align = random_below(3) ? 1u << random_below(13) : 1;
	p->y_spare = random_below(2) ? random_below(70) : 0;
}

/* Input rows that the part touches: [*first, *first + return value). */
static uint32_t needed(uint32_t out, uint32_t outs, uint32_t stride, uint32_t kernel, uint32_t dilation, uint32_t pad,
		       uint32_t in, uint32_t *first)
{
	int64_t lo = (int64_t)out * stride - pad,
		hi = (int64_t)(out + outs - 1) * stride + (int64_t)(kernel - 1) * dilation - pad;

	lo = lo < 0 ? 0 : lo;
	hi = hi >= in ? (int64_t)in - 1 : hi;
	*first = lo <= hi ? (uint32_t)lo : 0;
	return lo <= hi ? (uint32_t)(hi - lo + 1) : 0;
}

int conv2d_part_fits(const struct conv2d_case *c, const struct conv2d_part *p)
{
	const struct ref_conv2d *l = &c->layer;
	uint32_t first;
	uint64_t rows =
		needed(p->out_row, p->out_rows, l->stride[0], l->kernel_h, l->dilation[0], l->pad[0], l->in_h, &first);
	uint64_t cols =
		needed(p->out_col, p->out_cols, l->stride[1], l->kernel_w, l->dilation[1], l->pad[1], l->in_w, &first);

	return p->filters <= CONV2D_FILTERS && (uint64_t)p->filters * p->out_rows * p->out_cols <= CONV2D_ACC_WORDS &&
	       p->filters * l->kernel_h * l->kernel_w <= CONV2D_W_BYTES && rows * cols <= CONV2D_X_BYTES;
}

/* The band of the part's groups as the kernel gets it, in a buffer that ends with the last byte needed. */
struct band {
	uint8_t *data;
	size_t bytes;
	uint32_t row, rows, pitch, stride, skew, mask;
};

static void make_band(const struct conv2d_case *c, const struct conv2d_part *p, struct band *b)
{
	const struct ref_conv2d *l = &c->layer;
	uint32_t group_filters = l->filters / l->group, channels = l->channels / l->group;
	uint32_t first_channel = p->first_filter / group_filters * channels;
	uint32_t total = (p->first_filter + p->filters - 1) / group_filters * channels + channels - first_channel;
	uint32_t plane = l->in_h * l->in_w, size, spare = p->spare_rows;
	size_t last;

	b->rows = needed(p->out_row, p->out_rows, l->stride[0], l->kernel_h, l->dilation[0], l->pad[0], l->in_h, &b->row);
	if (spare > b->row)
		spare = b->row;
	b->row -= spare;
	b->rows += spare;
	spare = p->spare_rows > l->in_h - b->row - b->rows ? l->in_h - b->row - b->rows : p->spare_rows;
	b->rows += spare;

	size = b->rows * l->in_w;
	if (p->align > 1) {
		b->pitch = (size + 2 * p->align) & ~(p->align - 1);
		b->stride = plane;
		/* as if the array began at an odd place of the file */
		b->skew = first_channel * plane + b->row * l->in_w + 80;
		b->mask = p->align - 1;
	} else {
		b->pitch = size;
		b->stride = b->skew = (uint32_t)random_u64(); /* must not matter */
		b->mask = 0;
	}
	last = (size_t)(total - 1) * b->pitch + ((b->skew + (total - 1) * b->stride) & b->mask) + size;
	b->bytes = last;
	b->data = malloc(last ? last : 1);
	memset(b->data, 0xa5, last);
	for (uint32_t i = 0; i < total; i++)
		memcpy(b->data + (size_t)i * b->pitch + ((b->skew + i * b->stride) & b->mask),
		       c->x + (size_t)(first_channel + i) * plane + (size_t)b->row * l->in_w, size);
}

int64_t conv2d_part_run(const struct conv2d_case *c, const struct conv2d_part *p, conv2d_fn *kernel, uint32_t *status)
{
	const struct ref_conv2d *l = &c->layer;
	uint32_t channels = l->channels / l->group, words[KERNEL_STATUS_WORDS] = { 0 };
	uint32_t y_pitch = (p->out_rows - 1) * c->out_w + p->out_cols + p->y_spare;
	size_t filter_bytes = (size_t)channels * l->kernel_h * l->kernel_w;
	size_t y_bytes =
		(size_t)(p->filters - 1) * y_pitch + (size_t)(p->out_rows - 1) * c->out_w + p->out_col + p->out_cols;
	size_t w_bytes = p->filters * filter_bytes, coef_bytes = (size_t)p->filters * CONV2D_COEF_WORDS * 4;
	uint8_t *y = malloc(y_bytes), *want = malloc(y_bytes), *w = malloc(w_bytes);
	int32_t *coef = malloc(coef_bytes);
	int64_t result = -1;
	struct band b;

	make_band(c, p, &b);
	memset(want, 0x3c, y_bytes); /* must stay where the tile has no output */
	memcpy(y, want, y_bytes);
	memcpy(w, c->w + p->first_filter * filter_bytes, w_bytes);
	memcpy(coef, c->coef + (size_t)p->first_filter * CONV2D_COEF_WORDS, coef_bytes);
	for (uint32_t f = 0; f < p->filters; f++)
		for (uint32_t r = 0; r < p->out_rows; r++)
			memcpy(want + (size_t)f * y_pitch + (size_t)r * c->out_w + p->out_col,
			       c->want + ((size_t)(p->first_filter + f) * c->out_h + p->out_row + r) * c->out_w +
				       p->out_col,
			       p->out_cols);
	kernel(b.data, b.bytes, w, w_bytes, coef, coef_bytes, y, y_bytes, words, sizeof(words), p->first_filter, p->filters,
	       l->filters / l->group, channels, l->in_h, l->in_w, b.row, b.rows, l->kernel_h, l->kernel_w,
	       l->stride[0] | l->stride[1] << 16, l->dilation[0] | l->dilation[1] << 16, l->pad[0], l->pad[1], c->out_w,
	       p->out_row, p->out_rows, p->out_col, p->out_cols, b.pitch, b.stride, b.skew, b.mask, y_pitch, l->x_zero,
	       l->y_zero,
	       (l->x_signed ? CONV2D_X_SIGNED : 0) | (l->w_signed ? CONV2D_W_SIGNED : 0) |
		       (l->y_signed ? CONV2D_Y_SIGNED : 0),
	       l->clip[0], l->clip[1]);
	*status = words[0];
	for (size_t i = 0; i < y_bytes && result < 0; i++)
		if (y[i] != want[i])
			result = (int64_t)i;
	free(b.data);
	free(w);
	free(coef);
	free(y);
	free(want);
	return result;
}

const char *conv2d_describe(const struct conv2d_case *c, const struct conv2d_part *p)
{
	const struct ref_conv2d *l = &c->layer;
	static char text[512];

	snprintf(text, sizeof(text),
		 "SEED=%llu x %ux%ux%u w %ux%ux%ux%u stride %u,%u pad %u,%u,%u,%u dilation %u,%u group %u; filters %u+%u "
		 "rows %u+%u of %u "
		 "cols %u+%u of %u align %u",
		 (unsigned long long)random_seed(), l->channels, l->in_h, l->in_w, l->filters, l->channels / l->group,
		 l->kernel_h, l->kernel_w, l->stride[0], l->stride[1], l->pad[0], l->pad[1], l->pad[2], l->pad[3],
		 l->dilation[0], l->dilation[1], l->group, p->first_filter, p->filters, p->out_row, p->out_rows, c->out_h,
		 p->out_col, p->out_cols, c->out_w, p->align);
	return text;
}
