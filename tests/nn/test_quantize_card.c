// SPDX-License-Identifier: BSD-2-Clause
/* What quantisation does so that the card gets more of a model: Pads go into what is behind them, constants that are added become bytes. */
#include "../../runtime/nn/program.h"
#include "float_graph.h"

static uint32_t pad(uint32_t x, const int64_t amounts[8], float value)
{
	struct nn_dims eight = { 1, { 8 } }, scalar = { 0 };
	uint32_t pads = nn_graph_add_constant(g, next_name("pads"), NN_I8, &eight, amounts);

	return value ? ADD(NN_PAD, NULL, x, pads, nn_graph_add_constant(g, next_name("value"), NN_F4, &scalar, &value)) : ADD(NN_PAD, NULL, x, pads);
}

/* Quantise and compile g: for the host only what turns the result's bytes into floats is left. */
static void all_on_card(void)
{
	struct smartssd_error err = { "" };
	struct nn_graph *q = quantise(NULL), *back;
	struct nn_program *p;
	size_t bytes;
	void *file;

	ck_assert_msg(!nn_graph_serialize(q, &file, &bytes, &err), "%s", err.text);
	ck_assert_msg(!nn_graph_parse(file, bytes, 0, &back, &err), "%s", err.text);
	ck_assert_msg(!nn_lower(back, NN_SHELL_FLAT, &p, &err), "%s", err.text);
	for (uint32_t i = 0; i < p->nr_graphs; i++)
		for (uint32_t n = 0; n < p->graphs[i]->nr_nodes; n++)
			ck_assert_msg(p->graphs[i]->nodes[n].op == NN_DEQUANTIZE, "%s '%s' is for the host", p->graphs[i]->nodes[n].op_type,
				      p->graphs[i]->nodes[n].name);
	nn_program_free(p);
	nn_graph_free(back);
	nn_graph_free(q);
	free(file);
}

/* A convolution, one or two Pads, a convolution or average pool: folded, evaluated, and compiled where the Pads go. */
START_TEST(pads_are_taken)
{
	uint32_t went = 0, stayed = 0;

	random_seed("pads");
	for (int round = 0; round < 80; round++) {
		bool average = random_in(0, 1), nothing = !random_in(0, 3), twice = !random_in(0, 3), channels = !random_in(0, 7);
		struct nn_attrs a = { .kernel = { random_in(2, 4), random_in(2, 4) }, .strides = { random_in(1, 3), random_in(1, 3) },
				      .count_include_pad = random_in(0, 1), .ceil_mode = average && !random_in(0, 2) };
		float value = random_in(0, 7) ? 0 : 0.5f;
		uint32_t x = begin(3, 11, 9), folded, pads = twice ? 2 : 1;
		struct smartssd_error err = { "" };
		struct nn_graph *f;
		float *in, *want, *got;
		int64_t n, m;

		a.pads[random_in(0, 3)] = random_in(0, 1);
		x = conv(x, 3, 4, 3, 1, 1, true);
		for (uint32_t i = 0; i < pads; i++) {
			int64_t amounts[8] = { 0, channels, random_in(0, 2), random_in(0, 2), 0, 0, random_in(0, 2), random_in(0, 2) };

			if (nothing)
				memset(amounts, 0, sizeof(amounts));
			x = pad(x, amounts, value);
		}
		if (average)
			x = ADD(NN_AVERAGE_POOL, &a, x);
		else
			x = ADD(NN_CONV, &a, x, weights(4, 5, nothing || !channels ? 4 : 4 + pads, a.kernel[0], a.kernel[1], -1, 1));
		end(x);
		ck_assert_msg(!nn_quantize_fold(g, &f, &folded, &err), "%s", err.text);
		in = random_input();
		want = evaluate(g, in, &n);
		got = evaluate(f, in, &m);
		ck_assert_int_eq(n, m);
		for (int64_t i = 0; i < n; i++)
			ck_assert_msg(want[i] == got[i], "round %d, element %lld: %g, folded %g", round, (long long)i, (double)want[i], (double)got[i]);
		if (nothing || (!average && !value && !channels))
			ck_assert_msg(!count_ops(f, NN_PAD), "round %d", round);
		if (!count_ops(f, NN_PAD))
			all_on_card();
		went += !count_ops(f, NN_PAD);
		stayed += count_ops(f, NN_PAD) != 0;
		free(in);
		free(want);
		free(got);
		nn_graph_free(f);
		nn_graph_free(g);
	}
	ck_assert(went > 20 && stayed > 5);
}
END_TEST

/* As PyTorch 1.13 writes avg_pool2d(x, 3, 2, 1) and AvgPool2d(2, ceil_mode=True), and a Pad that is somebody else's, too. */
START_TEST(pads_of_pytorch)
{
	static const int64_t ones[8] = { 0, 0, 1, 1, 0, 0, 1, 1 }, none[8] = { 0 };
	struct nn_attrs a = { .kernel = { 2, 2 }, .strides = { 2, 2 }, .ceil_mode = true };
	struct smartssd_error err = { "" };
	struct nn_graph *f;
	uint32_t x, folded;

	random_seed("pads of PyTorch");
	x = conv(begin(3, 13, 13), 3, 16, 3, 1, 1, true);
	x = pool(pad(ADD(NN_RELU, NULL, x), ones, 0), NN_AVERAGE_POOL, 3, 2);
	end(ADD(NN_AVERAGE_POOL, &a, pad(x, none, 0)));
	all_on_card();
	nn_graph_free(g);

	x = pad(conv(begin(3, 12, 12), 3, 16, 3, 1, 1, true), ones, 0);
	ck_assert_int_eq(nn_graph_add_output(g, pool(x, NN_MAX_POOL, 3, 2)), 0);
	end(pool(x, NN_AVERAGE_POOL, 3, 2));
	ck_assert_msg(!nn_quantize_fold(g, &f, &folded, &err), "%s", err.text);
	ck_assert_uint_eq(count_ops(f, NN_PAD), 1);
	for (uint32_t i = 0; i < f->nr_nodes; i++)
		if (f->nodes[i].op == NN_AVERAGE_POOL)
			ck_assert(f->nodes[i].attrs.pads[0] == 1 && f->nodes[i].attrs.count_include_pad);
	nn_graph_free(f);
	nn_graph_free(g);

	/* The last windows stick out: how many elements they count would depend on who reads count_include_pad together with ceil_mode. */
	x = pad(conv(begin(3, 11, 11), 3, 16, 3, 1, 1, true), ones, 0);
	end(ADD(NN_AVERAGE_POOL, &a, x));
	ck_assert_msg(!nn_quantize_fold(g, &f, &folded, &err), "%s", err.text);
	ck_assert_uint_eq(count_ops(f, NN_PAD), 1);
	nn_graph_free(f);
	nn_graph_free(g);
}
END_TEST

/* Constants of all shapes that broadcast, on either side, with and without a Relu or Clip, one also somebody else's bound: as bytes, near the float result. */
START_TEST(constants_are_added_on_the_card)
{
	static const int64_t shapes[][5] = { { 4, 1, 8, 6, 6 }, { 3, 8, 6, 6 }, { 3, 8, 1, 1 }, { 4, 1, 1, 6, 6 }, { 1, 6 }, { 1, 1 }, { 0 } };

	random_seed("constants");
	for (uint32_t round = 0; round < 3 * ARRAY_SIZE(shapes); round++) {
		const int64_t *s = shapes[round / 3];
		float lo = round % 3 ? -2 : 0.5f, *in, *want, *got;
		double signal = 0, noise = 0;
		uint32_t x = ADD(NN_RELU, NULL, conv(begin(3, 6, 6), 3, 8, 3, 1, 1, true)), c = weights((uint32_t)s[0], s[1], s[2], s[3], s[4], lo, 2);
		struct nn_graph *q;
		int64_t n, m;

		x = random_in(0, 1) ? ADD(NN_ADD, NULL, x, c) : ADD(NN_ADD, NULL, c, x);
		x = round % 3 == 1 ? ADD(NN_RELU, NULL, x) : s[0] ? x : ADD(NN_CLIP, NULL, pool(x, NN_MAX_POOL, 2, 1), c);
		end(conv(x, 8, 8, 1, 1, 1, true));
		all_on_card();
		q = quantise(NULL);
		in = random_input();
		want = evaluate(g, in, &n);
		got = evaluate(q, in, &m);
		ck_assert_int_eq(n, m);
		for (int64_t i = 0; i < n; i++) {
			signal += want[i] * want[i];
			noise += (want[i] - got[i]) * (want[i] - got[i]);
		}
		/* 20 dB: single values beyond those of calibration are cut off. */
		ck_assert_msg(noise < 0.01 * signal, "round %u: noise %g of %g", round, noise, signal);
		free(in);
		free(want);
		free(got);
		nn_graph_free(q);
		nn_graph_free(g);
	}
}
END_TEST

/* A mask, an infinity, and a sum that is larger than its operand stay as they are. */
START_TEST(constants_that_stay_in_float)
{
	static const float values[] = { -1e9f, -INFINITY, 1 };

	random_seed("constants in float");
	for (int i = 0; i < 3; i++) {
		struct nn_dims dims = { 4, { i == 2 ? 2 : 1, 1, 1, 1 } };
		float data[2] = { values[i], 1 };
		uint32_t x = conv(begin(3, 6, 6), 3, 8, 3, 1, 1, true), c = nn_graph_add_constant(g, "c", NN_F4, &dims, data);
		struct nn_quantize_report r;

		end(along(ADD(NN_ADD, NULL, x, c), NN_SOFTMAX, 1));
		nn_graph_free(quantise(&r));
		ck_assert_uint_eq(r.left, 2);
		nn_graph_free(g);
	}
}
END_TEST

static void fill(TCase *tests)
{
	tcase_add_test(tests, pads_are_taken);
	tcase_add_test(tests, pads_of_pytorch);
	tcase_add_test(tests, constants_are_added_on_the_card);
	tcase_add_test(tests, constants_that_stay_in_float);
}

int main(void)
{
	return run_suite("quantised for the card", fill);
}
