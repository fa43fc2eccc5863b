// SPDX-License-Identifier: BSD-2-Clause
/* A layer on the host: by the kernels' fast versions, by the references, or as a piece of the graph. */
/* The names that the fast versions have in this library (kernels/module.mk). */
#define nn_conv nn_conv_fast
#define nn_depthwise nn_depthwise_fast
#define nn_pool nn_pool_fast
#define nn_add nn_add_fast
#define nn_pack nn_pack_fast
#include "../../kernels/nn_add/nn_add.h"
#include "../../kernels/nn_conv/nn_conv.h"
#include "../../kernels/nn_depthwise/nn_depthwise.h"
#include "../../kernels/nn_pack/nn_pack.h"
#include "../../kernels/nn_pool/nn_pool.h"
#include "../../kernels/reference/nn_ref.h"
#include "program_impl.h"

/* A run's pointers on the host. */
struct place {
	const void *in[6];
	uint8_t *out;
	uint64_t bytes[6];
	uint32_t status[KERNEL_STATUS_WORDS];
};

static void fast(const struct nn_layer *layer, const struct nn_arguments *a, struct place *p)
{
	const uint32_t *v = a->value;
	const uint64_t *n = p->bytes;

	switch (layer->kind) {
	case NN_LAYER_CONV:
		nn_conv(p->in[0], n[0], p->in[1], n[1], p->in[2], n[2], p->in[3], n[3], p->out, n[4], p->status, n[5], v[0], v[1], v[2], v[3], v[4], v[5],
			v[6], v[7], v[8], v[9], v[10], v[11], v[12], v[13], v[14], v[15], v[16], v[17], v[18], v[19], v[20], v[21], v[22], v[23], v[24],
			v[25], v[26], v[27], v[28], v[29], v[30], v[31], v[32], v[33], v[34], v[35], v[36]);
		return;
	case NN_LAYER_DEPTHWISE:
		nn_depthwise(p->in[0], n[0], p->in[1], n[1], p->in[2], n[2], p->out, n[3], p->status, n[4], v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7],
			     v[8], v[9], v[10], v[11], v[12], v[13], v[14], v[15], v[16], v[17], v[18], v[19], v[20]);
		return;
	case NN_LAYER_POOL:
		nn_pool(p->in[0], n[0], p->out, n[1], p->status, n[2], v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], v[10], v[11], v[12],
			v[13], v[14], v[15], v[16], v[17], v[18], v[19], v[20], v[21], v[22]);
		return;
	case NN_LAYER_ADD:
		nn_add(p->in[0], n[0], p->in[1], n[1], p->out, n[2], p->status, n[3], v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], v[10],
		       v[11], v[12], v[13], v[14], v[15]);
		return;
	default:
		nn_pack(p->in[0], n[0], p->in[1], n[1], p->out, n[2], p->status, n[3], v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], v[10],
			v[11], v[12], v[13], v[14], v[15], v[16], v[17], v[18], v[19]);
	}
}

/* ---- reference: shapes from the layer, not from the arguments, so that a wrong argument shows ---- */

static struct ref_nn_layout layout(const struct nn_program *p, uint32_t v)
{
	if (v == NN_NONE_VALUE)
		return (struct ref_nn_layout){ 0 };
	return (struct ref_nn_layout){ nn_value_pitch(p->values, &p->values[v]), nn_value_stride(p, &p->values[v]) };
}

static void split_coef(const uint8_t *coef, uint64_t n, int32_t *bias, float *mult)
{
	for (uint64_t i = 0; i < n; i++) {
		memcpy(&bias[i], coef + 8 * i, 4);
		memcpy(&mult[i], coef + 8 * i + 4, 4);
	}
}

static int ref_conv(const struct nn_program *p, const struct nn_layer *l, uint32_t images, struct place *at)
{
	const struct nn_conv_layer *c = &l->conv;
	uint64_t filters = (uint64_t)c->groups * c->filters, taps = (uint64_t)c->kernel[0] * c->kernel[1];
	int8_t *w = malloc(filters * taps * c->channels);
	int32_t *bias = malloc(filters * sizeof(*bias));
	float *mult = malloc(filters * sizeof(*mult));
	struct ref_nn_layout x = layout(p, l->in[0]), r = layout(p, c->residual ? l->in[1] : NN_NONE_VALUE), y = layout(p, l->out);
	struct ref_nn_conv ref = {
		.images = images, .in_h = p->values[l->in[0]].h, .in_w = p->values[l->in[0]].w, .channels = c->channels, .x_pitch = x.pitch,
		.x_image = x.image, .groups = c->groups, .filters = c->filters, .kernel = { c->kernel[0], c->kernel[1] },
		.stride = { c->stride[0], c->stride[1] }, .dilation = { c->dilation[0], c->dilation[1] }, .pad = { c->pad[0], c->pad[1] },
		.out_h = c->out[0], .out_w = c->out[1], .y_pitch = y.pitch, .y_image = y.image, .bias = bias, .mult = mult, .x_zero = (int32_t)c->x_zero,
		.zero = (int32_t)c->zero, .clip = { (int32_t)c->lo, (int32_t)c->hi }, .r_pitch = r.pitch, .r_image = r.image, .r_zero = (int32_t)c->r_zero,
		.sum_zero = (int32_t)c->sum_zero, .sum_clip = { (int32_t)c->sum_lo, (int32_t)c->sum_hi }, .v_mult = c->v_mult, .r_mult = c->r_mult,
		.pool = { c->pool[0], c->pool[1] }, .pool_stride = { c->pool_stride[0], c->pool_stride[1] }, .pool_pad = { c->pool_pad[0], c->pool_pad[1] },
		.pool_out_h = c->pool_out[0], .pool_out_w = c->pool_out[1], .rows = nn_layer_rows(p, l),
	};
	uint64_t i = 0;

	if (w && bias && mult) {
		split_coef(at->in[2], filters, bias, mult);
		for (uint32_t g = 0; g < c->groups; g++) {
			const int8_t *group = (const int8_t *)at->in[1] + g * (uint64_t)c->filters * taps * c->channels;

			for (uint32_t f = 0; f < c->filters; f++)
				for (uint32_t tap = 0; tap < taps; tap++)
					for (uint32_t ch = 0; ch < c->channels; ch++)
						w[i++] = group[nn_weight_at((uint32_t)taps, c->channels, f, tap, ch)];
		}
		ref_nn_conv(&ref, at->in[0], w, c->residual ? at->in[3] : NULL, at->out);
	}
	free(w);
	free(bias);
	free(mult);
	return i || !filters ? 0 : -ENOMEM;
}

static struct ref_nn_window window(const struct nn_program *p, const struct nn_layer *l, uint32_t images, const uint32_t kernel[2],
				   const uint32_t stride[2], const uint32_t dilation[2], const uint32_t pad[2])
{
	const struct nn_value *x = &p->values[l->in[0]], *y = &p->values[l->out];

	return (struct ref_nn_window){
		.images = images, .in_h = x->h, .in_w = x->w, .channels = x->channels, .kernel = { kernel[0], kernel[1] },
		.stride = { stride[0], stride[1] }, .dilation = { dilation[0], dilation[1] }, .pad = { pad[0], pad[1] }, .out_h = y->h, .out_w = y->w,
		.rows = y->h, .x = layout(p, l->in[0]), .y = layout(p, l->out),
	};
}

static int ref_depthwise(const struct nn_program *p, const struct nn_layer *l, uint32_t images, struct place *at)
{
	const struct nn_depthwise_layer *d = &l->depthwise;
	struct ref_nn_window w = window(p, l, images, d->kernel, d->stride, d->dilation, d->pad);
	int32_t *bias = malloc(w.channels * sizeof(*bias)), clip[2] = { (int32_t)d->lo, (int32_t)d->hi };
	float *mult = malloc(w.channels * sizeof(*mult));
	int ret = bias && mult ? 0 : -ENOMEM;

	if (!ret) {
		split_coef(at->in[2], w.channels, bias, mult);
		ref_nn_depthwise(&w, at->in[0], at->in[1], bias, mult, (int32_t)d->x_zero, (int32_t)d->zero, clip, at->out);
	}
	free(bias);
	free(mult);
	return ret;
}

static void ref_pool(const struct nn_program *p, const struct nn_layer *l, uint32_t images, struct place *at)
{
	const struct nn_pool_layer *d = &l->pool;
	struct ref_nn_window w = window(p, l, images, d->kernel, d->stride, d->dilation, d->pad);
	int32_t clip[2] = { (int32_t)d->lo, (int32_t)d->hi };

	if (d->average)
		ref_nn_pool_average(&w, at->in[0], d->count_pad ? d->pad_end : NULL, (int32_t)d->x_zero, d->mult, (int32_t)d->zero, clip, at->out);
	else
		ref_nn_pool_max(&w, at->in[0], clip, at->out);
}

static void ref_add(const struct nn_program *p, const struct nn_layer *l, uint32_t images, struct place *at)
{
	const struct nn_add_layer *d = &l->add;
	const struct nn_value *x = &p->values[l->in[0]];
	struct ref_nn_add ref = {
		.images = images, .pixels = x->h * x->w, .channels = x->channels, .a = layout(p, l->in[0]), .b = layout(p, l->in[1]),
		.y = layout(p, l->out), .a_zero = (int32_t)d->a_zero, .b_zero = (int32_t)d->b_zero, .zero = (int32_t)d->zero,
		.clip = { (int32_t)d->lo, (int32_t)d->hi }, .a_mult = d->a_mult, .b_mult = d->b_mult,
	};
	uint32_t image;

	if (l->w_bytes) {
		nn_add_constant(p, l, &ref.b.pitch, &image);
		ref.b.image = image;
	}
	ref_nn_add(&ref, at->in[0], l->in[1] == NN_NONE_VALUE && !l->w_bytes ? NULL : at->in[1], at->out);
}

static void ref_pack(const struct nn_program *p, const struct nn_layer *l, uint32_t images, struct place *at)
{
	const struct nn_pack_layer *d = &l->pack;
	const struct nn_value *x = &p->values[l->in[0]], *y = &p->values[l->out];
	uint32_t element = d->is_float ? 4 : 1;
	struct ref_nn_pack ref = {
		.images = images, .channels = (uint32_t)x->dims.d[1], .in_h = x->dims.n == 4 ? (uint32_t)x->dims.d[2] : 1,
		.in_w = x->dims.n == 4 ? (uint32_t)x->dims.d[3] : 1, .kernel = d->kernel, .stride = d->stride, .pad = d->pad, .out_w = y->w,
		.out_channels = y->channels, .y = layout(p, l->out), .outside = (uint8_t)d->outside, .lut = d->is_float ? NULL : at->in[1],
		.scale = d->scale, .zero = (int32_t)d->zero,
	};

	ref.x_row = (uint64_t)ref.in_w * element;
	ref.x_channel = ref.x_row * ref.in_h;
	ref.x_image = ref.x_channel * ref.channels;
	ref_nn_pack(&ref, at->in[0], at->out);
}

static int reference_run(const struct nn_program *p, const struct nn_layer *l, uint32_t images, struct place *at)
{
	uint32_t n = nn_value_images(p, &p->values[l->out], images);

	switch (l->kind) {
	case NN_LAYER_CONV:
		return ref_conv(p, l, n, at);
	case NN_LAYER_DEPTHWISE:
		return ref_depthwise(p, l, n, at);
	case NN_LAYER_POOL:
		ref_pool(p, l, n, at);
		return 0;
	case NN_LAYER_ADD:
		ref_add(p, l, n, at);
		return 0;
	default:
		ref_pack(p, l, n, at);
		return 0;
	}
}

/* ---- a piece of the graph ---- */

/* Images [@first ...] of one model batch, as the piece reads them: card format is converted into memory of its own (*own). */
static int graph_input(const struct nn_program *p, uint32_t v, uint32_t unit, const uint8_t *at, void **data, void **own)
{
	const struct nn_value *value = &p->values[v];
	uint64_t stride = nn_value_stride(p, value);

	*own = NULL;
	if (value->plain) {
		*data = (void *)(at + unit * stride);
		return 0;
	}
	*own = *data = aligned_alloc(64, align_up((uint64_t)nn_count(&value->dims) + 1, 64));
	if (!*own)
		return -ENOMEM;
	nn_value_to_plain(p, value, nn_program_batch(p), at + (uint64_t)unit * value->images * stride, *data);
	return 0;
}

static int run_piece(const struct nn_program *p, const struct nn_layer *l, const struct nn_memory *memory, uint32_t unit, uint8_t *arena,
		     struct smartssd_error *err)
{
	const struct nn_graph_layer *g = &l->graph;
	const struct nn_graph *graph = p->graphs[g->graph];
	void **own = calloc(g->nr_in + 1ull, sizeof(*own));
	struct nn_values values;
	int ret = own ? nn_values_init(&values, graph, false) : -ENOMEM;

	if (ret) {
		free(own);
		return smartssd_fail(err, ret, "layer '%s': no memory", l->name);
	}
	for (uint32_t i = 0; i < g->nr_in && !ret; i++)
		ret = graph_input(p, g->in[i], unit, arena + memory->offset[g->in[i]], &values.value[graph->inputs[i]], &own[i]);
	if (ret)
		smartssd_fail(err, ret, "layer '%s': no memory", l->name);
	else
		ret = nn_eval(&values, NULL, NULL, err);
	for (uint32_t i = 0; i < g->nr_out && !ret; i++) {
		const struct nn_value *v = &p->values[g->out[i]];
		uint8_t *to = arena + memory->offset[g->out[i]];
		const void *from = values.value[graph->outputs[i]];

		if (v->plain)
			memcpy(to + unit * nn_value_stride(p, v), from, nn_value_stride(p, v));
		else
			nn_value_from_plain(p, v, nn_program_batch(p), from, to + (uint64_t)unit * v->images * nn_value_stride(p, v));
	}
	nn_values_free(&values);
	for (uint32_t i = 0; i < g->nr_in; i++)
		free(own[i]);
	free(own);
	return ret;
}

int nn_layer_run_host(const struct nn_program *program, const struct nn_layer *layer, const struct nn_memory *memory, uint32_t images, uint8_t *arena,
		      const uint8_t *weights, const void *file, bool reference, struct smartssd_error *err)
{
	struct place at = { 0 };
	struct nn_arguments a;
	int ret;

	if (layer->kind == NN_LAYER_GRAPH) {
		for (uint32_t unit = 0; unit < images / nn_program_batch(program); unit++) {
			ret = run_piece(program, layer, memory, unit, arena, err);
			if (ret)
				return ret;
		}
		return 0;
	}
	ret = nn_layer_arguments(program, layer, memory, images, 0, nn_layer_rows(program, layer), &a);
	if (ret)
		return smartssd_fail(err, ret, "layer '%s' has no rows", layer->name);
	for (uint32_t i = 0; i < a.nr_pointers; i++) {
		const struct nn_pointer *p = &a.where[i];

		at.bytes[i] = p->bytes;
		switch (p->in) {
		case NN_IN_VALUES:
			at.in[i] = p->bytes ? arena + p->offset : NULL;
			break;
		case NN_IN_WEIGHTS:
			at.in[i] = p->bytes ? weights + p->offset : NULL;
			break;
		case NN_IN_FILE:
			at.in[i] = file ? file : arena + memory->offset[layer->in[0]];
			break;
		case NN_IN_STATUS:
			at.in[i] = at.status;
		}
	}
	at.out = (uint8_t *)at.in[a.nr_pointers - 2]; /* y, before status */
	if (reference) {
		ret = reference_run(program, layer, images, &at);
		return ret ? smartssd_fail(err, ret, "layer '%s': no memory for the reference", layer->name) : 0;
	}
	fast(layer, &a, &at);
	if (at.status[0] == KERNEL_OK)
		return 0;
	return smartssd_fail(err, -EINVAL, "%s refused layer '%s': status %u, detail %u", a.kernel, layer->name, at.status[0], at.status[1]);
}
