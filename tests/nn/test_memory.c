// SPDX-License-Identifier: BSD-2-Clause
/* The memory plan: what is alive at the same time does not overlap, parts lie in their whole, memory is used again. */
#include <check.h>
#include <stdio.h>

#include "../../runtime/nn/program.h"
#include "../kernels/random.h"
#include "build_graph.h"

static uint32_t root(const struct nn_program *p, uint32_t v)
{
	return p->values[v].whole == NN_NONE_VALUE ? v : p->values[v].whole;
}

static void touch(const struct nn_program *p, uint32_t v, int64_t when, int64_t *from, int64_t *to)
{
	if (v == NN_NONE_VALUE)
		return;
	v = root(p, v);
	from[v] = when < from[v] ? when : from[v];
	to[v] = when > to[v] ? when : to[v];
}

/* First and last layer that touches each value, found anew: inputs before all, outputs behind all. */
static void lives(const struct nn_program *p, int64_t *from, int64_t *to)
{
	for (uint32_t v = 0; v < p->nr_values; v++) {
		from[v] = INT64_MAX;
		to[v] = -2;
	}
	for (uint32_t i = 0; i < p->nr_inputs; i++)
		touch(p, p->inputs[i], -1, from, to);
	for (uint32_t i = 0; i < p->nr_outputs; i++)
		touch(p, p->outputs[i], p->nr_layers, from, to);
	for (uint32_t i = 0; i < p->nr_layers; i++) {
		const struct nn_layer *l = &p->layers[i];
		uint32_t nr = l->kind == NN_LAYER_GRAPH ? l->graph.nr_in + l->graph.nr_out : 3;

		for (uint32_t k = 0; k < nr; k++) {
			uint32_t three[3] = { l->in[0], l->in[1], l->out };

			touch(p, l->kind != NN_LAYER_GRAPH ? three[k] : k < l->graph.nr_in ? l->graph.in[k] : l->graph.out[k - l->graph.nr_in], i, from, to);
		}
	}
}

static void check_plan(const struct nn_program *p, uint32_t images, bool keep, uint64_t *bytes)
{
	int64_t *from = calloc(p->nr_values, sizeof(*from)), *to = calloc(p->nr_values, sizeof(*to));
	struct nn_memory m;

	ck_assert_int_eq(nn_memory_plan(p, images, keep, &m), 0);
	lives(p, from, to);
	for (uint32_t a = 0; a < p->nr_values; a++) {
		const struct nn_value *v = &p->values[a];
		uint64_t size = nn_value_bytes(p, v, images);

		if (to[root(p, a)] == -2)
			continue;
		EXPECT(m.offset[a] + size <= m.bytes, "value %u leaves the arena", a);
		EXPECT(v->plain ? m.offset[a] >= m.card_bytes : m.offset[a] + size <= m.card_bytes, "value %u is in the wrong region", a);
		if (v->whole != NN_NONE_VALUE) {
			EXPECT(m.offset[a] == m.offset[v->whole] + v->at, "part %u is not in its whole", a);
			continue;
		}
		EXPECT(m.offset[a] % 4096 == 0, "value %u is at %llu", a, (unsigned long long)m.offset[a]);
		for (uint32_t b = 0; b < a; b++) {
			uint64_t other = nn_value_bytes(p, &p->values[b], images);
			bool together = from[a] <= to[b] && from[b] <= to[a];

			if (p->values[b].whole != NN_NONE_VALUE || to[b] == -2 || !(together || keep))
				continue;
			EXPECT(m.offset[a] + size <= m.offset[b] || m.offset[b] + other <= m.offset[a], "SEED=%llu: values %u and %u overlap",
			       (unsigned long long)random_seed(), a, b);
		}
	}
	*bytes = m.bytes;
	free(m.offset);
	free(from);
	free(to);
}

START_TEST(nothing_overlaps)
{
	uint64_t kept = 0, shared = 0;

	for (int i = 0; i < 60; i++) {
		struct smartssd_error err = { "" };
		struct nn_graph *g = build_random(i & 1, 1 + random_below(12));
		struct nn_program *p;
		uint32_t batch;
		uint64_t a, b;

		ck_assert_msg(!nn_lower(g, NN_SHELL_FLAT, &p, &err), "SEED=%llu: %s", (unsigned long long)random_seed(), err.text);
		batch = nn_program_batch(p);
		check_plan(p, batch * (1 + random_below(4)), false, &a);
		check_plan(p, batch, false, &a);
		check_plan(p, batch, true, &b);
		ck_assert(a <= b);
		shared += a;
		kept += b;
		nn_program_free(p);
		nn_graph_free(g);
	}
	printf("# %llu bytes, %llu when all values are kept\n", (unsigned long long)shared, (unsigned long long)kept);
	ck_assert(shared * 3 < kept * 2);
}
END_TEST

START_TEST(a_chain_needs_two_values)
{
	struct build_conv how = { .filters = 64, .kernel = { 3, 3 }, .stride = { 1, 1 }, .dilation = { 1, 1 }, .pad = { 1, 1, 1, 1 }, .w_type = NN_I1 };
	struct byte_tensor x;
	struct nn_program *p;
	struct nn_memory m;
	struct nn_graph *g;
	struct build b;

	build_begin(&b, false);
	x = build_input(&b, BUILD_BYTE, NN_U1, &(struct nn_dims){ 4, { 1, 64, 16, 16 } });
	for (int i = 0; i < 7; i++)
		x = build_conv(&b, x, &how);
	g = build_end(&b, &x, 1);
	ck_assert_int_eq(nn_lower(g, NN_SHELL_FLAT, &p, NULL), 0);
	ck_assert_int_eq(nn_memory_plan(p, 3, false, &m), 0);
	ck_assert_uint_eq(m.card_bytes, 2 * 3 * 64 * 16 * 16);
	free(m.offset);
	/* More than there are addresses */
	p->values[p->outputs[0]].images = UINT32_MAX;
	p->values[p->outputs[0]].h = UINT32_MAX;
	ck_assert_int_eq(nn_memory_plan(p, UINT32_MAX, false, &m), -EFBIG);
	nn_program_free(p);
	nn_graph_free(g);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("memory");
	TCase *tests = tcase_create("memory");
	SRunner *runner;
	int failed;

	random_start();
	tcase_set_timeout(tests, 300);
	tcase_add_test(tests, nothing_overlaps);
	tcase_add_test(tests, a_chain_needs_two_values);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
