// SPDX-License-Identifier: BSD-2-Clause
/* A layer as a run of its kernel: pointers, scalars, and whether the kernel takes them. */
#include "../../kernels/nn_add/nn_add_check.h"
#include "../../kernels/nn_conv/nn_conv_check.h"
#include "../../kernels/nn_depthwise/nn_depthwise_check.h"
#include "../../kernels/nn_pack/nn_pack_check.h"
#include "../../kernels/nn_pool/nn_pool_check.h"
#include "program_impl.h"

static void scalar(struct nn_arguments *a, const char *name, uint32_t value)
{
	a->scalar[a->nr_scalars] = name;
	a->value[a->nr_scalars++] = value;
}

static uint32_t pair(const uint32_t two[2])
{
	return NN_PAIR(two[0], two[1]);
}

static uint32_t clip(uint32_t lo, uint32_t hi)
{
	return lo | hi << 8;
}

static void pointer(struct nn_arguments *a, const char *name, enum nn_memory_kind in, uint64_t offset, uint64_t bytes)
{
	a->pointer[a->nr_pointers] = name;
	a->where[a->nr_pointers++] = (struct nn_pointer){ in, offset, bytes };
}

/* What building a run needs of its layer. */
struct run {
	const struct nn_program *program;
	const struct nn_layer *layer;
	const struct nn_memory *memory;
	uint32_t images, first_row, rows;
	struct nn_arguments *a;
};

static const struct nn_value *value(const struct run *r, uint32_t v)
{
	return &r->program->values[v];
}

/* A card-format value from @skip bytes on; no value: no bytes. */
static void value_pointer(const struct run *r, const char *name, uint32_t v, uint64_t skip)
{
	uint64_t bytes = v == NN_NONE_VALUE ? 0 : nn_value_bytes(r->program, value(r, v), r->images);
	uint64_t offset = v == NN_NONE_VALUE || !r->memory ? 0 : r->memory->offset[v];

	skip = min_u64(skip, bytes);
	pointer(r->a, name, NN_IN_VALUES, offset + skip, bytes - skip);
}

static void weights_pointer(const struct run *r, const char *name, uint64_t at, uint64_t bytes)
{
	pointer(r->a, name, NN_IN_WEIGHTS, at, bytes);
}

static void status_pointer(const struct run *r)
{
	pointer(r->a, "status", NN_IN_STATUS, 0, KERNEL_STATUS_WORDS * 4);
}

static uint32_t pitch(const struct run *r, uint32_t v)
{
	return v == NN_NONE_VALUE ? 0 : nn_value_pitch(r->program->values, value(r, v));
}

static uint32_t stride(const struct run *r, uint32_t v)
{
	return v == NN_NONE_VALUE ? 0 : (uint32_t)nn_value_stride(r->program, value(r, v));
}

/* ---- what the kernels' prototypes have in common, in their order ---- */

static void from(const struct run *r, uint32_t channels)
{
	const struct nn_value *x = value(r, r->layer->in[0]);

	scalar(r->a, "images", nn_value_images(r->program, x, r->images));
	scalar(r->a, "in_h", x->h);
	scalar(r->a, "in_w", x->w);
	scalar(r->a, "channels", channels);
	scalar(r->a, "x_pitch", pitch(r, r->layer->in[0]));
	scalar(r->a, "x_image", stride(r, r->layer->in[0]));
}

static void window(const struct run *r, const uint32_t kernel[2], const uint32_t steps[2], const uint32_t dilation[2], const uint32_t pad[2])
{
	scalar(r->a, "kernel", pair(kernel));
	scalar(r->a, "stride", pair(steps));
	scalar(r->a, "dilation", pair(dilation));
	scalar(r->a, "pad", pair(pad));
}

static void to(const struct run *r, const uint32_t out[2])
{
	scalar(r->a, "out_h", out[0]);
	scalar(r->a, "out_w", out[1]);
	scalar(r->a, "y_pitch", pitch(r, r->layer->out));
	scalar(r->a, "y_image", stride(r, r->layer->out));
}

static void numbers(const struct run *r, uint32_t x_zero, uint32_t zero, uint32_t lo, uint32_t hi)
{
	scalar(r->a, "x_zero", x_zero);
	scalar(r->a, "zero", zero);
	scalar(r->a, "clip", clip(lo, hi));
}

static void rows(const struct run *r)
{
	scalar(r->a, "first_row", r->first_row);
	scalar(r->a, "rows", r->rows);
}

/* ---- the kernels ---- */

static void conv(const struct run *r)
{
	const struct nn_layer *l = r->layer;
	const struct nn_conv_layer *c = &l->conv;
	uint32_t residual = c->residual ? l->in[1] : NN_NONE_VALUE;
	struct nn_arguments *a = r->a;
	bool pool = c->pool[0];

	a->kernel = "nn_conv";
	value_pointer(r, "x", l->in[0], 0);
	weights_pointer(r, "w", l->w_at, l->w_bytes);
	weights_pointer(r, "coef", l->coef_at, l->coef_bytes);
	value_pointer(r, "r", residual, 0);
	value_pointer(r, "y", l->out, 0);
	status_pointer(r);
	from(r, c->channels);
	scalar(a, "groups", c->groups);
	scalar(a, "filters", c->filters);
	window(r, c->kernel, c->stride, c->dilation, c->pad);
	to(r, c->out);
	numbers(r, c->x_zero, c->zero, c->lo, c->hi);
	scalar(a, "r_pitch", pitch(r, residual));
	scalar(a, "r_image", stride(r, residual));
	scalar(a, "r_zero", c->residual ? c->r_zero : 0);
	scalar(a, "v_mult", c->residual ? nn_float_bits(c->v_mult) : 0);
	scalar(a, "r_mult", c->residual ? nn_float_bits(c->r_mult) : 0);
	scalar(a, "sum_zero", c->residual ? c->sum_zero : 0);
	scalar(a, "sum_clip", c->residual ? clip(c->sum_lo, c->sum_hi) : 0);
	scalar(a, "pool", pool ? pair(c->pool) : 0);
	scalar(a, "pool_stride", pool ? pair(c->pool_stride) : 0);
	scalar(a, "pool_pad", pool ? pair(c->pool_pad) : 0);
	scalar(a, "pool_out_h", pool ? c->pool_out[0] : 0);
	scalar(a, "pool_out_w", pool ? c->pool_out[1] : 0);
	rows(r);
	scalar(a, "tile_rows", c->tile_rows);
	scalar(a, "tile_filters", c->tile_filters);
	scalar(a, "tile_channels", c->tile_channels);
	scalar(a, "flags", (c->residual ? NN_CONV_RESIDUAL : 0) | (c->w_stationary ? NN_CONV_W_STATIONARY : 0));
}

static void depthwise(const struct run *r)
{
	const struct nn_layer *l = r->layer;
	const struct nn_depthwise_layer *d = &l->depthwise;

	r->a->kernel = "nn_depthwise";
	value_pointer(r, "x", l->in[0], 0);
	weights_pointer(r, "w", l->w_at, l->w_bytes);
	weights_pointer(r, "coef", l->coef_at, l->coef_bytes);
	value_pointer(r, "y", l->out, 0);
	status_pointer(r);
	from(r, value(r, l->in[0])->channels);
	window(r, d->kernel, d->stride, d->dilation, d->pad);
	to(r, d->out);
	numbers(r, d->x_zero, d->zero, d->lo, d->hi);
	rows(r);
	scalar(r->a, "tile_rows", d->tile_rows);
	scalar(r->a, "tile_channels", d->tile_channels);
}

static void pool(const struct run *r)
{
	const struct nn_layer *l = r->layer;
	const struct nn_pool_layer *p = &l->pool;

	r->a->kernel = "nn_pool";
	value_pointer(r, "x", l->in[0], 0);
	value_pointer(r, "y", l->out, 0);
	status_pointer(r);
	from(r, value(r, l->in[0])->channels);
	window(r, p->kernel, p->stride, p->dilation, p->pad);
	scalar(r->a, "pad_end", pair(p->pad_end));
	to(r, p->out);
	numbers(r, p->x_zero, p->zero, p->lo, p->hi);
	scalar(r->a, "mult", nn_float_bits(p->mult));
	scalar(r->a, "mode", !p->average ? NN_POOL_MAX : p->count_pad ? NN_POOL_AVERAGE | NN_POOL_COUNT_PAD : NN_POOL_AVERAGE);
	rows(r);
	scalar(r->a, "tile_channels", p->tile_channels);
}

void nn_add_constant(const struct nn_program *program, const struct nn_layer *layer, uint32_t *pitch_bytes, uint32_t *image)
{
	const struct nn_value *x = &program->values[layer->in[0]];

	*image = 0;
	*pitch_bytes = layer->w_bytes == x->channels ? 0 : x->channels;
}

/* No row arguments: rows are pixels, and where they begin is in the pointers. */
static void add(const struct run *r)
{
	const struct nn_layer *l = r->layer;
	const struct nn_add_layer *d = &l->add;
	const struct nn_value *x = value(r, l->in[0]);
	uint64_t before = (uint64_t)r->first_row * x->w;
	uint32_t b_pitch = pitch(r, l->in[1]), b_image = stride(r, l->in[1]);
	bool b = l->w_bytes || l->in[1] != NN_NONE_VALUE;
	struct nn_arguments *a = r->a;

	a->kernel = "nn_add";
	value_pointer(r, "a", l->in[0], before * pitch(r, l->in[0]));
	if (l->w_bytes) {
		nn_add_constant(r->program, l, &b_pitch, &b_image);
		weights_pointer(r, "b", l->w_at + before * b_pitch, l->w_bytes - before * b_pitch);
	} else {
		value_pointer(r, "b", l->in[1], before * b_pitch);
	}
	value_pointer(r, "y", l->out, before * pitch(r, l->out));
	status_pointer(r);
	scalar(a, "images", nn_value_images(r->program, x, r->images));
	scalar(a, "pixels", r->rows * x->w);
	scalar(a, "channels", x->channels);
	scalar(a, "a_pitch", pitch(r, l->in[0]));
	scalar(a, "a_image", stride(r, l->in[0]));
	scalar(a, "b_pitch", b_pitch);
	scalar(a, "b_image", b_image);
	scalar(a, "y_pitch", pitch(r, l->out));
	scalar(a, "y_image", stride(r, l->out));
	scalar(a, "a_zero", d->a_zero);
	scalar(a, "a_mult", nn_float_bits(d->a_mult));
	scalar(a, "b_zero", b ? d->b_zero : 0);
	scalar(a, "b_mult", b ? nn_float_bits(d->b_mult) : 0);
	scalar(a, "zero", d->zero);
	scalar(a, "clip", clip(d->lo, d->hi));
	scalar(a, "flags", b ? NN_ADD_B : 0);
}

static void pack(const struct run *r)
{
	const struct nn_layer *l = r->layer;
	const struct nn_pack_layer *p = &l->pack;
	const struct nn_value *x = value(r, l->in[0]), *y = value(r, l->out);
	bool wide = p->is_float;
	/* Plain: [N, C, H, W], or [N, C]. */
	uint32_t channels = (uint32_t)x->dims.d[1], in_h = x->dims.n == 4 ? (uint32_t)x->dims.d[2] : 1;
	uint32_t in_w = x->dims.n == 4 ? (uint32_t)x->dims.d[3] : 1, element = wide ? 4 : 1;
	uint64_t row = (uint64_t)in_w * element, channel = row * in_h, image = channel * channels;
	uint64_t bytes, skip = r->first_row * row, at = align_down(skip, NN_LANES);
	struct nn_arguments *a = r->a;

	if (__builtin_mul_overflow(image, (uint64_t)nn_value_images(r->program, y, r->images), &bytes))
		bytes = 0; /* which the kernel's check refuses */
	a->kernel = "nn_pack";
	pointer(a, "x", NN_IN_FILE, at, bytes > at ? bytes - at : 0);
	weights_pointer(r, "lut", l->lut_at, wide ? 0 : l->lut_bytes);
	value_pointer(r, "y", l->out, (uint64_t)r->first_row * y->w * pitch(r, l->out));
	status_pointer(r);
	scalar(a, "images", nn_value_images(r->program, y, r->images));
	scalar(a, "channels", channels);
	scalar(a, "in_h", r->rows);
	scalar(a, "in_w", in_w);
	scalar(a, "x_skip", (uint32_t)(skip - at));
	scalar(a, "x_row", (uint32_t)row);
	scalar(a, "x_channel", (uint32_t)channel);
	scalar(a, "x_image_low", (uint32_t)image);
	scalar(a, "x_image_high", (uint32_t)(image >> 32));
	scalar(a, "kernel", p->kernel);
	scalar(a, "stride", p->stride);
	scalar(a, "pad", p->pad);
	scalar(a, "out_w", y->w);
	scalar(a, "out_channels", y->channels);
	scalar(a, "y_pitch", pitch(r, l->out));
	scalar(a, "y_image", stride(r, l->out));
	scalar(a, "outside", p->outside);
	scalar(a, "scale", nn_float_bits(p->scale));
	scalar(a, "zero", p->zero);
	scalar(a, "mode", wide ? NN_PACK_FLOAT : NN_PACK_BYTES);
}

uint32_t nn_layer_rows(const struct nn_program *program, const struct nn_layer *layer)
{
	return layer->kind == NN_LAYER_GRAPH ? 1 : program->values[layer->out].h;
}

int nn_layer_arguments(const struct nn_program *program, const struct nn_layer *layer, const struct nn_memory *memory, uint32_t images,
		       uint32_t first_row, uint32_t rows, struct nn_arguments *out)
{
	static void (*const fill[NN_LAYER_KINDS])(const struct run *) = {
		[NN_LAYER_PACK] = pack, [NN_LAYER_CONV] = conv, [NN_LAYER_DEPTHWISE] = depthwise, [NN_LAYER_POOL] = pool, [NN_LAYER_ADD] = add,
	};
	struct run r = { program, layer, memory, images, first_row, rows, out };

	memset(out, 0, sizeof(*out));
	if ((uint32_t)layer->kind >= NN_LAYER_KINDS || !fill[layer->kind] || !rows ||
	    (uint64_t)first_row + rows > nn_layer_rows(program, layer))
		return -EINVAL;
	fill[layer->kind](&r);
	return 0;
}

/* The runs of the check headers begin with the kernels' scalars, in the prototypes' order. */
_Static_assert(offsetof(struct nn_conv_args, kernel_h) == 37 * 4, "nn_conv's scalars");
_Static_assert(offsetof(struct nn_depthwise_run, taps) == 21 * 4, "nn_depthwise's scalars");
_Static_assert(offsetof(struct nn_pool_run, taps) == 23 * 4, "nn_pool's scalars");
_Static_assert(sizeof(struct nn_add_run) == 16 * 4, "nn_add's scalars");
_Static_assert(offsetof(struct nn_pack_run, x_image) == 20 * 4, "nn_pack's scalars");

static uint32_t ask(const struct nn_layer *layer, const struct nn_arguments *a, uint32_t *detail)
{
	const struct nn_pointer *p = a->where;
	union {
		struct nn_conv_args conv;
		struct nn_depthwise_run depthwise;
		struct nn_pool_run pool;
		struct nn_add_run add;
		struct nn_pack_run pack;
	} u = { 0 };

	memcpy(&u, a->value, a->nr_scalars * sizeof(a->value[0]));
	switch (layer->kind) {
	case NN_LAYER_CONV:
		return nn_conv_check(&u.conv, p[0].bytes, p[1].bytes, p[2].bytes, p[3].bytes, p[4].bytes, detail);
	case NN_LAYER_DEPTHWISE:
		return nn_depthwise_check(&u.depthwise, p[0].bytes, p[1].bytes, p[2].bytes, p[3].bytes, detail);
	case NN_LAYER_POOL:
		return nn_pool_check(&u.pool, p[0].bytes, p[1].bytes, detail);
	case NN_LAYER_ADD:
		return nn_add_check(&u.add, p[0].bytes, p[1].bytes, p[2].bytes, detail);
	default:
		return nn_pack_check(&u.pack, p[0].bytes, p[1].bytes, p[2].bytes, detail);
	}
}

int nn_layer_check(const struct nn_program *program, const struct nn_layer *layer, struct smartssd_error *err)
{
	struct nn_layer bytes = *layer;
	struct nn_arguments a;
	uint32_t status, detail;

	if (nn_layer_arguments(program, layer, NULL, nn_program_batch(program), 0, nn_layer_rows(program, layer), &a))
		return smartssd_fail(err, -EINVAL, "layer '%s' has no rows", layer->name);
	status = ask(layer, &a, &detail);
	if (status != KERNEL_OK)
		return smartssd_fail(err, -EINVAL, "%s does not take layer '%s': %s (check %u of its header)", a.kernel, layer->name,
				     status == KERNEL_BAD_RANGE ? "a buffer is too short" : "its shape does not fit the buffers on the chip", detail);
	if (layer->kind != NN_LAYER_PACK || !layer->pack.is_float || !layer->lut_bytes)
		return 0;
	bytes.pack.is_float = false;
	return nn_layer_check(program, &bytes, err);
}

static uint32_t half(uint32_t n, uint32_t unit)
{
	return n <= unit ? unit : (uint32_t)align_up(n / 2, unit);
}

/* Channels together if possible: partial sums cost more than anything else. */
static int conv_tiles(const struct nn_program *program, struct nn_layer *layer, struct smartssd_error *err)
{
	struct nn_conv_layer *c = &layer->conv;
	uint32_t rows = nn_layer_rows(program, layer);

	for (uint32_t channels = c->channels;; channels = half(channels, NN_LANES)) {
		for (uint32_t filters = (uint32_t)align_up(c->filters, NN_FILTERS);; filters = half(filters, NN_FILTERS)) {
			for (uint32_t r = rows;; r = half(r, 1)) {
				c->tile_rows = r;
				c->tile_filters = filters;
				c->tile_channels = channels;
				if (!nn_layer_check(program, layer, err))
					return 0;
				if (r == 1)
					break;
			}
			if (filters == NN_FILTERS)
				break;
		}
		if (channels == NN_LANES)
			return -EINVAL;
	}
}

static int depthwise_tiles(const struct nn_program *program, struct nn_layer *layer, struct smartssd_error *err)
{
	uint32_t rows = nn_layer_rows(program, layer);

	for (uint32_t channels = (uint32_t)min_u64(program->values[layer->in[0]].channels, NN_DEPTHWISE_CHANNELS);;
	     channels = half(channels, NN_LANES)) {
		for (uint32_t r = rows;; r = half(r, 1)) {
			layer->depthwise.tile_rows = r;
			layer->depthwise.tile_channels = channels;
			if (!nn_layer_check(program, layer, err))
				return 0;
			if (r == 1)
				break;
		}
		if (channels == NN_LANES)
			return -EINVAL;
	}
}

int nn_layer_default_tiles(const struct nn_program *program, struct nn_layer *layer, struct smartssd_error *err)
{
	switch (layer->kind) {
	case NN_LAYER_CONV:
		return conv_tiles(program, layer, err);
	case NN_LAYER_DEPTHWISE:
		return depthwise_tiles(program, layer, err);
	case NN_LAYER_POOL:
		for (uint32_t channels = program->values[layer->in[0]].channels;; channels = half(channels, NN_LANES)) {
			layer->pool.tile_channels = channels;
			if (!nn_layer_check(program, layer, err))
				return 0;
			if (channels == NN_LANES)
				return -EINVAL;
		}
	default:
		return nn_layer_check(program, layer, err);
	}
}
