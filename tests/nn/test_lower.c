// SPDX-License-Identifier: BSD-2-Clause
/* Lowered programs against the evaluation of the graph that they were made of, fast versions against references. */
#include <check.h>
#include <math.h>
#include <stdio.h>

#include "../../runtime/nn/program.h"
#include "../kernels/random.h"
#include "build_graph.h"

struct run {
	struct nn_memory memory;
	uint8_t *arena;
};

static void *inputs_of(const struct nn_graph *g, uint32_t images)
{
	const struct nn_tensor *t = &g->tensors[g->inputs[0]];
	uint64_t n = (uint64_t)nn_count(&t->dims) * (images / (uint32_t)t->dims.d[0]);
	float *f = malloc(n * 4 + 64);
	uint8_t *u = (uint8_t *)f;

	for (uint64_t i = 0; i < n; i++)
		if (t->type == NN_F4)
			f[i] = random_float(-3.0f, 3.0f);
		else
			u[i] = (uint8_t)random_below(256);
	return f;
}

/* All layers on the host. */
static struct run run_program(const struct nn_program *p, uint32_t images, const void *input, bool reference, bool keep)
{
	struct smartssd_error err = { "" };
	struct run r;

	ck_assert_int_eq(nn_memory_plan(p, images, keep, &r.memory), 0);
	r.arena = aligned_alloc(4096, r.memory.bytes + 4096);
	memset(r.arena, 0xa5, r.memory.bytes);
	memcpy(r.arena + r.memory.offset[p->inputs[0]], input, nn_value_bytes(p, &p->values[p->inputs[0]], images));
	for (uint32_t i = 0; i < p->nr_layers; i++)
		ck_assert_msg(!nn_layer_run_host(p, &p->layers[i], &r.memory, images, r.arena, p->weights, NULL, reference, &err), "layer %u '%s': %s", i,
			      p->layers[i].name, err.text);
	return r;
}

static void run_free(struct run *r)
{
	free(r->arena);
	free(r->memory.offset);
}

/* Output @o of the program as the model has it, for all images. */
static void *output_of(const struct nn_program *p, const struct run *r, uint32_t o, uint32_t images, uint64_t *bytes)
{
	const struct nn_value *v = &p->values[p->outputs[o]];
	void *y;

	*bytes = (uint64_t)nn_count(&v->dims) * nn_type_bytes(v->type) * (images / nn_program_batch(p));
	y = malloc(*bytes + 1);
	if (v->plain)
		memcpy(y, r->arena + r->memory.offset[p->outputs[o]], *bytes);
	else
		nn_value_to_plain(p, v, images, r->arena + r->memory.offset[p->outputs[o]], y);
	return y;
}

/* How far bytes may be from the evaluation. */
struct bound {
	int most;
	double mean;
};

static void compare(const struct nn_graph *g, const struct nn_program *p, const struct run *r, uint32_t images, const uint8_t *input, struct bound bound)
{
	uint32_t units = images / nn_program_batch(p);
	struct smartssd_error err = { "" };

	for (uint32_t u = 0; u < units; u++) {
		struct nn_values v;
		const struct nn_tensor *x = &g->tensors[g->inputs[0]];

		ck_assert_int_eq(nn_values_init(&v, g, true), 0);
		v.value[g->inputs[0]] = (void *)(input + u * (uint64_t)nn_count(&x->dims) * nn_type_bytes(x->type));
		ck_assert_msg(!nn_eval(&v, NULL, NULL, &err), "%s", err.text);
		for (uint32_t o = 0; o < g->nr_outputs; o++) {
			const struct nn_tensor *t = &g->tensors[g->outputs[o]];
			uint64_t bytes, n = (uint64_t)nn_count(&t->dims), sum = 0;
			uint8_t *y = output_of(p, r, o, images, &bytes), *mine = y + u * n * nn_type_bytes(t->type);
			const uint8_t *want = v.value[g->outputs[o]];
			int most = 0;

			ck_assert_uint_eq(bytes, n * nn_type_bytes(t->type) * units);
			for (uint64_t i = 0; i < n && t->type != NN_F4; i++) {
				int d = t->type == NN_I1 ? (int8_t)mine[i] - (int8_t)want[i] : mine[i] - want[i];

				d = d < 0 ? -d : d;
				most = d > most ? d : most;
				sum += (uint64_t)d;
				EXPECT(d <= bound.most, "SEED=%llu: output %u '%s', element %llu: %d, evaluated %d", (unsigned long long)random_seed(), o,
				       t->name, (unsigned long long)i, mine[i], want[i]);
			}
			EXPECT((double)sum / (double)n <= bound.mean, "SEED=%llu: output %u '%s': off by %g on average", (unsigned long long)random_seed(),
			       o, t->name, (double)sum / (double)n);
			free(y);
		}
		nn_values_free(&v);
	}
}

static uint32_t count(const struct nn_program *p, enum nn_layer_kind kind)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->nr_layers; i++)
		n += p->layers[i].kind == kind;
	return n;
}

/* What random networks became, so that a generator or a lowering that leaves everything to the host is found. */
static struct {
	uint32_t kinds[NN_LAYER_KINDS], residual, pooled, unfolded, merged, parts, kernel_of_image, constants;
} seen;

static void look(const struct nn_program *p)
{
	for (uint32_t i = 0; i < p->nr_layers; i++) {
		const struct nn_layer *l = &p->layers[i];

		seen.kinds[l->kind]++;
		seen.constants += l->kind == NN_LAYER_ADD && l->w_bytes;
		seen.unfolded += l->kind == NN_LAYER_PACK && l->pack.kernel > 1;
		if (l->kind == NN_LAYER_CONV) {
			seen.residual += l->conv.residual;
			seen.pooled += l->conv.pool[0] != 0;
			seen.merged += l->conv.groups > 1;
			seen.kernel_of_image += p->values[l->out].dims.n == 2 && l->conv.kernel[0] > 1;
		}
	}
	for (uint32_t i = 0; i < p->nr_values; i++)
		seen.parts += p->values[i].whole != NN_NONE_VALUE;
}

/* Lower, run in both ways, compare with each other and with the evaluation. Program and graph are the caller's. */
static struct nn_program *lower_and_run(const struct nn_graph *g, struct bound bound)
{
	struct smartssd_error err = { "" };
	uint32_t images = (uint32_t)g->tensors[g->inputs[0]].dims.d[0] * (1 + random_below(2));
	void *input = inputs_of(g, images);
	struct nn_program *p;
	struct run fast, ref;
	uint64_t bytes;

	ck_assert_msg(!nn_lower(g, NN_SHELL_FLAT, &p, &err), "SEED=%llu: %s", (unsigned long long)random_seed(), err.text);
	fast = run_program(p, images, input, false, true);
	ref = run_program(p, images, input, true, true);
	for (uint32_t i = 0; i < p->nr_values; i++)
		if (!p->values[i].plain && nn_program_batch(p)) {
			const struct nn_value *v = &p->values[i];
			uint32_t pitch = nn_value_pitch(p->values, v);
			uint64_t pixels = (uint64_t)v->h * v->w * nn_value_images(p, v, images);

			for (uint64_t k = 0; k < pixels; k++)
				EXPECT(!memcmp(fast.arena + fast.memory.offset[i] + k * pitch, ref.arena + ref.memory.offset[i] + k * pitch, v->c),
				       "SEED=%llu: value '%s', pixel %llu: the fast version and the reference differ", (unsigned long long)random_seed(),
				       v->name, (unsigned long long)k);
		}
	look(p);
	compare(g, p, &fast, images, input, bound);
	run_free(&ref);
	/* The same with memory that is used again and again. */
	ref = run_program(p, images, input, false, false);
	ck_assert(ref.memory.bytes <= fast.memory.bytes);
	for (uint32_t o = 0; o < p->nr_outputs; o++) {
		uint8_t *a = output_of(p, &fast, o, images, &bytes), *b = output_of(p, &ref, o, images, &bytes);

		EXPECT(!memcmp(a, b, bytes), "SEED=%llu: output %u is another one when values share memory", (unsigned long long)random_seed(), o);
		free(a);
		free(b);
	}
	run_free(&fast);
	run_free(&ref);
	free(input);
	return p;
}

static const struct bound exact = { 0, 0 }, one_unit = { 1, 1 }, network = { 16, 1.0 };

static void one(struct nn_graph *g, struct bound bound, enum nn_layer_kind kind, uint32_t layers)
{
	struct nn_program *p = lower_and_run(g, bound);

	ck_assert_msg(count(p, kind) >= 1, "SEED=%llu: no layer of kind %d", (unsigned long long)random_seed(), kind);
	ck_assert_msg(p->nr_layers == layers, "SEED=%llu: %u layers, not %u", (unsigned long long)random_seed(), p->nr_layers, layers);
	nn_program_free(p);
	nn_graph_free(g);
}

/* The sanitizers' run has less time. */
#ifdef __SANITIZE_ADDRESS__
#define NETWORKS 25
#else
#define NETWORKS 120
#endif

START_TEST(chains_of_integers)
{
	memset(&seen, 0, sizeof(seen));
	for (int i = 0; i < NETWORKS; i++) {
		struct nn_graph *g = build_random(false, 1 + random_below(6));

		nn_program_free(lower_and_run(g, exact));
		nn_graph_free(g);
	}
	printf("# integers: %u pack, %u conv (%u with pool, %u of a whole image, %u in groups), %u depthwise, %u pool, %u add, %u pieces; %u parts, %u unfolded\n",
	       seen.kinds[NN_LAYER_PACK], seen.kinds[NN_LAYER_CONV], seen.pooled, seen.kernel_of_image, seen.merged, seen.kinds[NN_LAYER_DEPTHWISE],
	       seen.kinds[NN_LAYER_POOL], seen.kinds[NN_LAYER_ADD], seen.kinds[NN_LAYER_GRAPH], seen.parts, seen.unfolded);
	fflush(stdout);
	if (NETWORKS > 100)
		ck_assert(seen.kinds[NN_LAYER_CONV] > NETWORKS && seen.pooled && seen.kernel_of_image && seen.kinds[NN_LAYER_DEPTHWISE] && seen.kinds[NN_LAYER_POOL] &&
		  seen.unfolded);
}
END_TEST

START_TEST(networks_in_qdq_form)
{
	memset(&seen, 0, sizeof(seen));
	for (int i = 0; i < NETWORKS; i++) {
		struct nn_graph *g = build_random(true, 1 + random_below(7));

		nn_program_free(lower_and_run(g, network));
		nn_graph_free(g);
	}
	printf("# QDQ: %u pack, %u conv (%u with residual, %u with pool), %u depthwise, %u pool, %u add (%u of a constant), %u pieces; %u parts, %u unfolded\n",
	       seen.kinds[NN_LAYER_PACK], seen.kinds[NN_LAYER_CONV], seen.residual, seen.pooled, seen.kinds[NN_LAYER_DEPTHWISE], seen.kinds[NN_LAYER_POOL],
	       seen.kinds[NN_LAYER_ADD], seen.constants, seen.kinds[NN_LAYER_GRAPH], seen.parts, seen.unfolded);
	fflush(stdout);
	if (NETWORKS > 100)
		ck_assert(seen.kinds[NN_LAYER_CONV] > NETWORKS && seen.residual && seen.kinds[NN_LAYER_ADD] && seen.constants && seen.kinds[NN_LAYER_GRAPH] && seen.parts);
}
END_TEST

static const struct nn_dims image = { 4, { 1, 24, 11, 13 } };

/* Each kind alone, from a byte input: PACK and one layer. */
START_TEST(single_layers)
{
	for (int i = 0; i < 20; i++) {
		struct build_conv how = { .filters = 1 + random_below(40), .kernel = { 3, 2 }, .stride = { 1 + random_below(2), 1 }, .dilation = { 1, 1 + random_below(2) },
					  .pad = { 1, 0, 2, 1 }, .w_type = NN_I1, .per_filter = true, .bias = true, .float_bias = random_below(2), .bound = random_below(3) };
		struct byte_tensor x, y;
		struct build b;

		build_begin(&b, true);
		y = build_conv(&b, build_input(&b, BUILD_BYTE, NN_U1, &image), &how);
		one(build_end(&b, &y, 1), one_unit, NN_LAYER_CONV, 2);

		how.filters = how.group = 24;
		build_begin(&b, true);
		y = build_conv(&b, build_input(&b, BUILD_BYTE, NN_I1, &image), &how);
		one(build_end(&b, &y, 1), one_unit, NN_LAYER_DEPTHWISE, 2);

		how.group = 4; /* six channels each: two groups become one */
		how.filters = 32;
		build_begin(&b, true);
		y = build_conv(&b, build_input(&b, BUILD_BYTE, NN_I1, &image), &how);
		one(build_end(&b, &y, 1), one_unit, NN_LAYER_CONV, 2);

		build_begin(&b, true);
		x = build_input(&b, BUILD_BYTE, NN_U1, &image);
		y = build_pool(&b, x, random_below(2) ? NN_AVERAGE_POOL : NN_GLOBAL_AVERAGE_POOL, 3, 2, 1, false);
		one(build_end(&b, &y, 1), one_unit, NN_LAYER_POOL, 2);

		build_begin(&b, true);
		x = build_input(&b, BUILD_BYTE, NN_U1, &image);
		y = build_requantise(&b, x, x.scale * random_float(0.5f, 2.0f), random_in(0, 255));
		y = build_add(&b, x, y, random_below(3));
		one(build_end(&b, &y, 1), (struct bound){ 3, 1 }, NN_LAYER_ADD, 3);

		build_begin(&b, true);
		x = build_input(&b, BUILD_BYTE, NN_I1, &(struct nn_dims){ 2, { 3, 50 } });
		y = build_product(&b, x, 1 + random_below(40), random_below(2), random_below(2));
		one(build_end(&b, &y, 1), one_unit, NN_LAYER_CONV, 2);
	}
}
END_TEST

/* Powers of two as scales: then no evaluation rounds anywhere but once, and results are the same bytes. */
static struct byte_tensor exact_input(struct build *b, const struct nn_dims *dims)
{
	struct byte_tensor x = build_input(b, BUILD_BYTE, random_below(2) ? NN_U1 : NN_I1, dims);

	x.scale = ldexpf(1.0f, random_in(-6, 2));
	return x;
}

START_TEST(constant_operands)
{
	/* Shapes of a tensor, and constants that it may be added to. */
	static const struct {
		struct nn_dims x, c;
		uint32_t pixels; /* of the constant on the card */
	} cases[] = {
		{ { 4, { 1, 24, 5, 7 } }, { 4, { 1, 24, 1, 1 } }, 1 },	 { { 4, { 2, 24, 5, 7 } }, { 3, { 24, 1, 1 } }, 1 },
		{ { 4, { 2, 24, 5, 7 } }, { 4, { 1, 24, 5, 7 } }, 35 },	 { { 4, { 3, 16, 5, 7 } }, { 3, { 16, 5, 7 } }, 35 },
		{ { 4, { 1, 20, 5, 7 } }, { 1, { 7 } }, 35 },		 { { 4, { 1, 7, 5, 7 } }, { 4, { 1, 1, 5, 1 } }, 35 },
		{ { 4, { 1, 20, 5, 7 } }, { 0 }, 1 },			 { { 4, { 2, 20, 5, 7 } }, { 4, { 1, 1, 1, 1 } }, 1 },
		{ { 2, { 3, 50 } }, { 1, { 50 } }, 1 },			 { { 2, { 3, 50 } }, { 2, { 1, 50 } }, 1 },
		{ { 2, { 3, 50 } }, { 1, { 1 } }, 1 },			 { { 4, { 1, 24, 1, 1 } }, { 2, { 1, 1 } }, 1 },
	};

	for (size_t i = 0; i < 4 * ARRAY_SIZE(cases); i++) {
		size_t k = i % ARRAY_SIZE(cases);
		bool bytes = i / ARRAY_SIZE(cases) != 3;
		struct byte_tensor x;
		struct nn_program *p;
		struct nn_graph *g;
		struct build b;

		build_begin(&b, true);
		x = exact_input(&b, &cases[k].x);
		x = build_add_constant(&b, x, &cases[k].c, bytes, random_below(2), random_below(3), x.scale * ldexpf(1.0f, random_in(-1, 2)));
		g = build_end(&b, &x, 1);
		p = lower_and_run(g, exact);
		ck_assert_uint_eq(p->nr_layers, 2);
		ck_assert_uint_eq(p->layers[1].kind, NN_LAYER_ADD);
		ck_assert_uint_eq(p->layers[1].w_bytes, (bytes ? cases[k].pixels : 1) * p->values[p->layers[1].out].channels);
		nn_program_free(p);
		nn_graph_free(g);
	}
}
END_TEST

/* What a constant operand must not be: another one for each image, or float numbers that are no bytes. */
START_TEST(constant_operands_of_the_host)
{
	for (int i = 0; i < 2; i++) {
		struct nn_dims dims = { 4, { 2, 8, 3, 3 } };
		struct byte_tensor x, y;
		struct nn_program *p;
		struct nn_graph *g;
		struct build b;

		build_begin(&b, true);
		x = exact_input(&b, &dims);
		if (i)
			dims.d[0] = 1;
		y = build_add_constant(&b, x, &dims, !i, false, BUILD_NO_BOUND, x.scale);
		g = build_end(&b, &y, 1);
		for (uint32_t t = 0; i && t < g->nr_tensors; t++)
			if (g->tensors[t].data && nn_count(&g->tensors[t].dims) > 1)
				((float *)g->tensors[t].data)[1] += 1.0f;
		p = lower_and_run(g, exact);
		ck_assert_uint_eq(count(p, NN_LAYER_ADD), 0);
		ck_assert_uint_eq(count(p, NN_LAYER_GRAPH), 1);
		ck_assert_ptr_nonnull(strstr(p->layers[p->nr_layers - 1].why_host, i ? "DequantizeLinear" : "all images"));
		nn_program_free(p);
		nn_graph_free(g);
	}
}
END_TEST

/* A maximum is taken on the card, in a convolution or alone, and brought to the other scale there. */
START_TEST(pools_to_another_scale)
{
	for (int i = 0; i < 40; i++) {
		struct build_conv how = { .filters = 40, .kernel = { 1, 1 }, .stride = { 1, 1 }, .dilation = { 1, 1 }, .w_type = NN_I1, .bound = random_below(3) };
		struct byte_tensor x;
		struct nn_program *p;
		struct nn_graph *g;
		struct build b;

		build_begin(&b, true);
		x = exact_input(&b, &image);
		if (i & 1)
			x = build_conv(&b, x, &how);
		x = build_scaled_pool(&b, x, 2 + random_below(2), 1 + random_below(2), random_below(2), random_below(3), x.scale * ldexpf(1.0f, random_in(-1, 1)));
		if (i & 2)
			x = build_scaled_pool(&b, x, 2, 1, 1, BUILD_NO_BOUND, x.scale * 2);
		g = build_end(&b, &x, 1);
		p = lower_and_run(g, i & 1 ? one_unit : exact);
		ck_assert_uint_eq(count(p, NN_LAYER_GRAPH), 0);
		ck_assert_uint_le(p->nr_layers, i & 2 ? 5 : 3);
		nn_program_free(p);
		nn_graph_free(g);
	}
}
END_TEST

/* uint8 weights with any zero point, int8 ones with one that is not 0: 9 bits; a filter with the largest there is, 255, needs the input three times. */
START_TEST(weights_beyond_int8)
{
	uint32_t times[4] = { 0 };

	for (int i = 0; i < 48; i++) {
		struct build_conv how = { .filters = 1 + random_below(40), .kernel = { 3, 2 }, .stride = { 1, 2 }, .dilation = { 1, 1 }, .pad = { 1, 0, 2, 1 },
					  .w_type = i & 1 ? NN_I1 : NN_U1, .wide = true, .per_filter = random_below(2), .bias = random_below(2) };
		const struct nn_dims small = { 4, { 1 + random_below(2), 1 + random_below(4), 9, 8 } };
		struct byte_tensor x;
		struct nn_program *p;
		struct nn_graph *g;
		struct build b;

		build_begin(&b, false);
		x = build_input(&b, BUILD_BYTE, random_below(2) ? NN_U1 : NN_I1, i % 3 ? &image : &small);
		if (i % 6 == 1)
			how.group = how.filters = 24; /* depthwise */
		else if (i % 6 == 2) {
			how.group = 3;
			how.filters = 33;
		}
		x = build_conv(&b, x, &how);
		if (i % 4 == 1)
			x = build_pool(&b, x, NN_MAX_POOL, 2, 1, 0, false);
		if (i % 4 == 3)
			x = build_product(&b, build_turned_flatten(&b, x), 7, false, false);
		g = build_end(&b, &x, 1);
		p = lower_and_run(g, exact);
		ck_assert_uint_eq(count(p, NN_LAYER_GRAPH), 0);
		ck_assert_uint_le(count(p, NN_LAYER_ADD), 3);
		times[count(p, NN_LAYER_ADD)]++;
		nn_program_free(p);
		nn_graph_free(g);
	}
	printf("# inputs of weights beyond int8: %u there twice, %u three times\n", times[2], times[3]);
	fflush(stdout);
	ck_assert(times[2] && times[3] && !times[1]);
}
END_TEST

/* The input of such a convolution is a part of a concatenation, its output another one, and a sum is behind it. */
START_TEST(weights_beyond_int8_among_others)
{
	for (int i = 0; i < 8; i++) {
		struct build_conv how = { .filters = 32, .kernel = { 3, 3 }, .stride = { 1, 1 }, .dilation = { 1, 1 }, .pad = { 1, 1, 1, 1 }, .w_type = NN_U1, .wide = true,
					  .bias = true, .per_filter = true };
		struct byte_tensor x, y, parts[2];
		struct nn_program *p;
		struct nn_graph *g;
		struct build b;

		build_begin(&b, true);
		x = build_input(&b, BUILD_BYTE, NN_U1, &(struct nn_dims){ 4, { 1, 32, 6, 6 } });
		y = build_conv(&b, x, &how);
		parts[0] = x;
		parts[1] = build_requantise(&b, y, x.scale, x.zero);
		y = build_conv(&b, build_concat(&b, parts, 2), &how);
		x = build_add(&b, build_conv(&b, x, &how), y, BUILD_RELU);
		g = build_end(&b, &x, 1);
		p = lower_and_run(g, network);
		ck_assert_uint_eq(count(p, NN_LAYER_GRAPH), 0);
		nn_program_free(p);
		nn_graph_free(g);
	}
}
END_TEST

/* Constants behind a product or a convolution: one number for each filter becomes its bias, any other shape does not. */
START_TEST(biases_of_all_shapes)
{
	static const struct {
		struct nn_dims x, c;
		bool bias;
	} cases[] = {
		{ { 2, { 5, 30 } }, { 1, { 5 } }, true },	{ { 2, { 5, 30 } }, { 2, { 1, 5 } }, true }, { { 2, { 5, 30 } }, { 2, { 5, 1 } }, false },
		{ { 2, { 5, 30 } }, { 2, { 5, 5 } }, false },	{ { 2, { 5, 30 } }, { 1, { 1 } }, true },    { { 2, { 5, 30 } }, { 2, { 1, 1 } }, true },
		{ { 2, { 5, 30 } }, { 0 }, true },		{ { 2, { 1, 30 } }, { 1, { 5 } }, true },
	};

	for (size_t i = 0; i < 4 * ARRAY_SIZE(cases); i++) {
		size_t k = i % ARRAY_SIZE(cases);
		struct byte_tensor x;
		struct nn_program *p;
		struct nn_graph *g;
		struct build b;

		build_begin(&b, true);
		x = build_input(&b, BUILD_BYTE, NN_U1, &cases[k].x);
		x = build_product_plus(&b, x, 5, i / ARRAY_SIZE(cases) & 1, &cases[k].c, i / ARRAY_SIZE(cases) & 2);
		g = build_end(&b, &x, 1);
		p = lower_and_run(g, one_unit);
		ck_assert_msg(count(p, NN_LAYER_CONV) == cases[k].bias, "case %zu: %u layers on the card", i, count(p, NN_LAYER_CONV));
		nn_program_free(p);
		nn_graph_free(g);
	}
	for (int i = 0; i < 16; i++) {
		struct build_conv how = { .filters = 24, .group = i & 4 ? 24 : 1, .kernel = { 3, 3 }, .stride = { 1, 1 }, .dilation = { 1, 1 }, .w_type = NN_I1,
					  .per_filter = true, .bias = i & 1, .plus = { 3, { 24, 1, 1 } }, .plus_bytes = i & 2, .bound = random_below(3) };
		struct byte_tensor x;
		struct build b;

		if (i & 8)
			how.plus = (struct nn_dims){ 4, { 1, 1, 1, 1 } };
		build_begin(&b, true);
		x = build_conv(&b, build_input(&b, BUILD_BYTE, NN_U1, &image), &how);
		one(build_end(&b, &x, 1), one_unit, i & 4 ? NN_LAYER_DEPTHWISE : NN_LAYER_CONV, 2);
	}
}
END_TEST

/* The beginning of a ResNet: 7x7 unfolded, its pool and the residual inside of convolutions, the end on the host. */
START_TEST(residual_block)
{
	struct build_conv first = { .filters = 64, .kernel = { 7, 7 }, .stride = { 2, 2 }, .dilation = { 1, 1 }, .pad = { 3, 3, 3, 3 }, .w_type = NN_I1,
				    .per_filter = true, .bias = true, .bound = BUILD_RELU };
	struct build_conv same = { .filters = 64, .kernel = { 3, 3 }, .stride = { 1, 1 }, .dilation = { 1, 1 }, .pad = { 1, 1, 1, 1 }, .w_type = NN_I1,
				   .per_filter = true, .bias = true, .bound = BUILD_NO_BOUND };
	struct byte_tensor x, y;
	struct nn_program *p;
	struct nn_graph *g;
	struct build b;

	build_begin(&b, true);
	x = build_input(&b, BUILD_FLOAT, NN_U1, &(struct nn_dims){ 4, { 1, 3, 32, 32 } });
	x = build_conv(&b, x, &first);
	x = build_pool(&b, x, NN_MAX_POOL, 3, 2, 1, false);
	y = build_conv(&b, x, &same);
	y = build_conv(&b, y, &same);
	x = build_add(&b, y, x, BUILD_RELU);
	x = build_pool(&b, x, NN_GLOBAL_AVERAGE_POOL, 0, 1, 0, false);
	x = build_flatten(&b, x);
	x = build_product(&b, x, 10, true, true);
	build_float_output(&b, x, true);
	g = build_end(&b, NULL, 0);
	p = lower_and_run(g, network);
	/* pack, conv + pool, conv, conv + sum, pool, product, softmax */
	ck_assert_uint_eq(p->nr_layers, 7);
	ck_assert_uint_eq(p->layers[0].kind, NN_LAYER_PACK);
	ck_assert_uint_eq(p->layers[0].pack.kernel, 7);
	ck_assert_uint_eq(p->layers[0].lut_bytes, 3 * 256);
	ck_assert_uint_eq(p->layers[1].conv.channels, 32);
	ck_assert_uint_eq(p->layers[1].conv.kernel[1], 1);
	ck_assert_uint_eq(p->layers[1].conv.pool[0], 3);
	ck_assert(p->layers[3].conv.residual);
	ck_assert_uint_eq(p->layers[4].kind, NN_LAYER_POOL);
	ck_assert_uint_eq(p->layers[5].kind, NN_LAYER_CONV);
	ck_assert_uint_eq(p->layers[6].kind, NN_LAYER_GRAPH);
	ck_assert_ptr_nonnull(strstr(p->layers[6].why_host, "Softmax"));
	nn_program_free(p);
	nn_graph_free(g);
}
END_TEST

/* Names of the parameters of @kernel's prototype, in order; returns how many. */
static uint32_t prototype(const char *kernel, char names[64][32])
{
	char file[128], start[64], *text = calloc(1, 65536), *at;
	uint32_t nr = 0;
	FILE *f;

	snprintf(file, sizeof(file), "kernels/%s/%s.h", kernel, kernel);
	snprintf(start, sizeof(start), "void %s(", kernel);
	f = fopen(file, "r");
	ck_assert_msg(f && fread(text, 1, 65535, f) > 0, "%s cannot be read: run from the top folder", file);
	fclose(f);
	at = strstr(text, start);
	ck_assert_ptr_nonnull(at);
	at += strlen(start);
	while (nr < 64) {
		size_t n = strcspn(at, ",)"), k = n;

		while (k > 0 && (at[k - 1] == '_' || (at[k - 1] >= 'a' && at[k - 1] <= 'z') || (at[k - 1] >= '0' && at[k - 1] <= '9')))
			k--;
		ck_assert(n - k > 0 && n - k < 32);
		memcpy(names[nr], at + k, n - k);
		names[nr++][n - k] = '\0';
		if (at[n] == ')')
			break;
		at += n + 1;
	}
	free(text);
	return nr;
}

START_TEST(arguments_are_those_of_the_prototypes)
{
	uint32_t kinds = 0;

	for (int i = 0; i < 200 && kinds != (1u << NN_LAYER_GRAPH) - 1; i++) {
		struct nn_graph *g = build_random(true, 8);
		struct nn_program *p;

		ck_assert_int_eq(nn_lower(g, NN_SHELL_FLAT, &p, NULL), 0);
		for (uint32_t l = 0; l < p->nr_layers; l++) {
			char names[64][32];
			struct nn_arguments a;
			uint32_t n, at = 0;

			if (p->layers[l].kind == NN_LAYER_GRAPH) {
				ck_assert_int_eq(nn_layer_arguments(p, &p->layers[l], NULL, nn_program_batch(p), 0, 1, &a), -EINVAL);
				continue;
			}
			n = nn_layer_rows(p, &p->layers[l]);
			ck_assert_int_eq(nn_layer_arguments(p, &p->layers[l], NULL, nn_program_batch(p), 1, n, &a), -EINVAL);
			ck_assert_int_eq(nn_layer_arguments(p, &p->layers[l], NULL, nn_program_batch(p), 0, n, &a), 0);
			n = prototype(a.kernel, names);
			ck_assert_uint_eq(n, 2 * a.nr_pointers + a.nr_scalars);
			for (uint32_t k = 0; k < a.nr_pointers; k++, at += 2) {
				ck_assert_str_eq(names[at], a.pointer[k]);
				ck_assert(!strncmp(names[at + 1], a.pointer[k], strlen(a.pointer[k])) && strstr(names[at + 1], "_bytes"));
			}
			for (uint32_t k = 0; k < a.nr_scalars; k++, at++)
				ck_assert_str_eq(names[at], a.scalar[k]);
			kinds |= 1u << p->layers[l].kind;
		}
		nn_program_free(p);
		nn_graph_free(g);
	}
	ck_assert_uint_eq(kinds, (1u << NN_LAYER_GRAPH) - 1);
}
END_TEST

/* A Transpose that leaves the shape as it is moves data all the same: the host does it. */
START_TEST(square_transpose)
{
	struct build_conv how = { .filters = 16, .kernel = { 3, 1 }, .stride = { 1, 1 }, .dilation = { 1, 1 }, .pad = { 1, 0, 1, 0 }, .w_type = NN_I1 };
	const struct nn_dims dims = { 4, { 1, 8, 9, 9 } };
	struct nn_attrs turn = { .perm = { 0, 1, 3, 2 }, .nr_axes = 4 };
	struct byte_tensor x, y;
	struct nn_program *p;
	struct nn_graph *g;
	struct build b;
	uint32_t out;

	build_begin(&b, false);
	x = build_input(&b, BUILD_BYTE, NN_U1, &dims);
	out = nn_graph_add_tensor(b.g, "turned", NN_U1, &dims);
	ck_assert(nn_graph_add_node(b.g, NN_TRANSPOSE, "turn", &x.t, 1, &out, 1, &turn) != NN_NOWHERE);
	y = x;
	y.t = out;
	y = build_conv(&b, y, &how);
	g = build_end(&b, &y, 1);
	p = lower_and_run(g, exact);
	ck_assert_uint_ge(count(p, NN_LAYER_GRAPH), 1);
	nn_program_free(p);
	nn_graph_free(g);
}
END_TEST

/* Bytes through the table are what QuantizeLinear makes of the floats that they stand for; also as an unfolded input. */
START_TEST(bytes_for_a_float_input)
{
	struct build_conv how = { .filters = 16, .kernel = { 3, 3 }, .stride = { 2, 2 }, .dilation = { 1, 1 }, .pad = { 1, 1, 1, 1 }, .w_type = NN_I1 };
	const float mean[3] = { 0.485f, 0.456f, 0.406f }, std[3] = { 0.229f, 0.224f, 0.225f }, scale = 0.00392156886f;
	uint8_t bytes[3 * 20 * 20], *arena[2];
	float floats[3 * 20 * 20];
	struct byte_tensor x;
	struct nn_layer packed;
	struct nn_program *p;
	struct nn_memory m;
	struct nn_graph *g;
	struct build b;
	int different = 0;

	build_begin(&b, true);
	ck_assert_int_eq(nn_graph_set_meta(b.g, "smartssd.input", "scale=0.00392156886 mean=0.485,0.456,0.406 std=0.229,0.224,0.225"), 0);
	x = build_conv(&b, build_input(&b, BUILD_FLOAT, NN_I1, &(struct nn_dims){ 4, { 1, 3, 20, 20 } }), &how);
	g = build_end(&b, &x, 1);
	ck_assert_int_eq(nn_lower(g, NN_SHELL_FLAT, &p, NULL), 0);
	ck_assert(p->nr_mean == 3 && p->mean[1] == mean[1] && p->std[2] == std[2]);
	packed = p->layers[0];
	ck_assert(packed.kind == NN_LAYER_PACK && packed.pack.is_float && packed.pack.kernel == 3);
	packed.pack.is_float = false;
	for (int i = 0; i < 1200; i++) {
		bytes[i] = (uint8_t)random_below(256);
		floats[i] = ((float)bytes[i] * scale - mean[i / 400]) / std[i / 400];
	}
	ck_assert_int_eq(nn_memory_plan(p, 1, true, &m), 0);
	for (int i = 0; i < 2; i++) {
		arena[i] = calloc(1, m.bytes);
		ck_assert_int_eq(nn_layer_run_host(p, i ? &packed : &p->layers[0], &m, 1, arena[i], p->weights, i ? (void *)bytes : (void *)floats, false, NULL), 0);
		ck_assert_int_eq(nn_layer_run_host(p, &p->layers[1], &m, 1, arena[i], p->weights, NULL, false, NULL), 0);
	}
	for (uint64_t i = 0; i < m.card_bytes; i++)
		different += arena[0][i] != arena[1][i];
	ck_assert_int_eq(different, 0);
	for (uint64_t i = 1; i < m.card_bytes; i++)
		different += arena[0][i] != arena[0][0];
	ck_assert_int_gt(different, 0);
	free(arena[0]);
	free(arena[1]);
	free(m.offset);
	nn_program_free(p);
	nn_graph_free(g);
}
END_TEST

/* Without any quantised node, the model is one piece, and right. */
START_TEST(float_models)
{
	struct smartssd_error err = { "" };
	struct nn_program *p;
	struct nn_values v;
	struct nn_graph *g;
	struct run r;
	uint64_t bytes;
	void *input, *y;

	ck_assert_msg(!nn_graph_load("tests/nn/models/shapes.onnx", 1, &g, &err), "%s", err.text);
	ck_assert_msg(!nn_lower(g, NN_SHELL_FLAT, &p, &err), "%s", err.text);
	ck_assert_uint_eq(p->nr_layers, 1);
	ck_assert_uint_eq(p->layers[0].kind, NN_LAYER_GRAPH);
	ck_assert(p->layers[0].why_host[0] && p->layers[0].place == NN_ON_HOST);
	input = inputs_of(g, 1);
	r = run_program(p, 1, input, false, false);
	y = output_of(p, &r, 0, 1, &bytes);
	ck_assert_int_eq(nn_values_init(&v, g, false), 0);
	v.value[g->inputs[0]] = input;
	ck_assert_int_eq(nn_eval(&v, NULL, NULL, &err), 0);
	ck_assert(!memcmp(y, v.value[g->outputs[0]], bytes));
	nn_values_free(&v);
	run_free(&r);
	free(y);
	free(input);
	nn_program_free(p);
	nn_graph_free(g);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lower");
	TCase *tests = tcase_create("lower");
	SRunner *runner;
	int failed;

	random_start();
	tcase_set_timeout(tests, 300);
	tcase_add_test(tests, single_layers);
	tcase_add_test(tests, constant_operands);
	tcase_add_test(tests, constant_operands_of_the_host);
	tcase_add_test(tests, pools_to_another_scale);
	tcase_add_test(tests, weights_beyond_int8);
	tcase_add_test(tests, weights_beyond_int8_among_others);
	tcase_add_test(tests, biases_of_all_shapes);
	tcase_add_test(tests, residual_block);
	tcase_add_test(tests, arguments_are_those_of_the_prototypes);
	tcase_add_test(tests, square_transpose);
	tcase_add_test(tests, bytes_for_a_float_input);
	tcase_add_test(tests, float_models);
	tcase_add_test(tests, chains_of_integers);
	tcase_add_test(tests, networks_in_qdq_form);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
