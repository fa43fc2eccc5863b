// SPDX-License-Identifier: BSD-2-Clause
/*
 * Quantisation of graphs made here: folding changes nothing, int8 stays close to fp32, tensors that are passed on share their scale, and what cannot be
 * quantised is refused with a reason. The trained model is quantize.sh's.
 */
#include <locale.h>
#include <math.h>
#include <unistd.h>

#include "float_graph.h"

/* A random network of everything that has a rule. */
static void random_graph(bool flat_end)
{
	int64_t c = random_in(1, 5), side = random_in(8, 12), more;
	uint32_t x = begin(c, side, side), y, z;

	y = norm(conv(x, c, 8, 3, 1, 1, random_in(0, 1)), 8);
	y = ADD(NN_RELU, NULL, along(y, NN_IDENTITY, 0));
	c = 8;
	for (uint32_t i = random_in(1, 4); i; i--)
		switch (random_in(0, 5)) {
		case 0: /* residual */
			z = norm(conv(y, c, c, 3, 1, 1, false), c);
			y = ADD(NN_ADD, NULL, z, y);
			y = random_in(0, 1) ? ADD(NN_RELU, NULL, y) : y;
			break;
		case 1: /* inverted bottleneck */
			more = c * (int64_t)random_in(1, 3);
			z = clip(norm(conv(y, c, more, 1, 1, 1, false), more), 0, 6);
			z = clip(norm(conv(z, more, more, 3, 1, more, true), more), 0, 6);
			y = norm(conv(z, more, c, 1, 1, 1, false), c);
			break;
		case 2: /* fire */
			z = ADD(NN_RELU, NULL, conv(y, c, 4, 1, 1, 1, true));
			{
				struct nn_attrs a = { .axis = 1 };
				uint32_t left = ADD(NN_RELU, NULL, conv(z, 4, 4, 1, 1, 1, true)), right = ADD(NN_RELU, NULL, conv(z, 4, 6, 3, 1, 1, true));

				y = ADD(NN_CONCAT, &a, left, right);
			}
			c = 10;
			break;
		case 3:
			y = norm(y, c);
			break;
		case 4:
			y = along(y, NN_DROPOUT, 0);
			break;
		default:
			y = side >= 4 ? pool(y, random_in(0, 1) ? NN_MAX_POOL : NN_AVERAGE_POOL, 2, 1) : y;
			side -= side >= 4;
		}
	if (random_in(0, 1)) {
		y = ADD(NN_GLOBAL_AVERAGE_POOL, NULL, y);
		y = along(y, NN_FLATTEN, 1);
	} else {
		struct nn_attrs a = { .axes = { 2, 3 }, .nr_axes = 2, .keepdims = false };

		y = ADD(NN_REDUCE_MEAN, &a, y);
	}
	switch (random_in(0, 2)) {
	case 0:
		y = gemm(y, c, 12, random_in(0, 1), uniform(0.5f, 2), uniform(0.5f, 2), random_in(0, 1));
		break;
	case 1:
		y = ADD(NN_MATMUL, NULL, y, weights(2, c, 12, 0, 0, -1, 1));
		y = random_in(0, 1) ? ADD(NN_ADD, NULL, y, weights(1, 12, 0, 0, 0, -1, 1)) : ADD(NN_ADD, NULL, weights(2, 1, 12, 0, 0, -1, 1), y);
		break;
	default:
		y = norm(gemm(y, c, 12, true, 1, 1, random_in(0, 1)), 12);
	}
	if (flat_end)
		y = along(y, NN_SOFTMAX, 1);
	end(y);
}

START_TEST(folding_changes_nothing)
{
	random_seed("folding");
	for (int round = 0; round < 60; round++) {
		struct smartssd_error err = { "" };
		struct nn_graph *f;
		uint32_t folded;
		float *x, *a, *b;
		int64_t n, m;

		random_graph(round % 2);
		ck_assert_msg(!nn_quantize_fold(g, &f, &folded, &err), "%s", err.text);
		ck_assert_uint_eq(count_ops(f, NN_BATCH_NORM) + count_ops(f, NN_DROPOUT) + count_ops(f, NN_IDENTITY) + count_ops(f, NN_REDUCE_MEAN), 0);
		ck_assert_uint_ge(folded, 1);
		ck_assert_str_eq(f->tensors[f->outputs[0]].name, g->tensors[g->outputs[0]].name);
		x = random_input();
		a = evaluate(g, x, &n);
		b = evaluate(f, x, &m);
		ck_assert_int_eq(n, m);
		for (int64_t i = 0; i < n; i++)
			ck_assert_msg(fabsf(a[i] - b[i]) <= 2e-4f * (1 + fabsf(a[i])), "round %d, element %lld: %g, folded %g", round, (long long)i, (double)a[i],
				      (double)b[i]);
		free(x);
		free(a);
		free(b);
		nn_graph_free(f);
		nn_graph_free(g);
	}
}
END_TEST

/* Signal to noise in dB over several inputs: each network above 18, the mean of all above 35. */
START_TEST(int8_is_close)
{
	double all = 0, least = INFINITY;
	const int rounds = 60;

	random_seed("int8");
	for (int round = 0; round < rounds; round++) {
		struct nn_quantize_report r;
		struct smartssd_error err = { "" };
		struct nn_graph *q, *back;
		double signal = 0, noise = 0, db;
		size_t bytes;
		void *file;

		random_graph(false);
		q = quantise(&r);
		ck_assert_uint_eq(r.inputs, 32);
		ck_assert_uint_eq(r.left, 0);
		ck_assert_uint_ge(count_ops(q, NN_QUANTIZE), 4);
		/* As a file holds it */
		ck_assert_msg(!nn_graph_serialize(q, &file, &bytes, &err), "%s", err.text);
		ck_assert_msg(!nn_graph_parse(file, bytes, 0, &back, &err), "%s", err.text);
		free(file);
		for (int i = 0; i < 8; i++) {
			float *x = random_input(), *a, *b;
			int64_t n, m;

			a = evaluate(g, x, &n);
			b = evaluate(back, x, &m);
			ck_assert_int_eq(n, m);
			for (int64_t k = 0; k < n; k++) {
				signal += a[k] * a[k];
				noise += (a[k] - b[k]) * (a[k] - b[k]);
			}
			free(x);
			free(a);
			free(b);
		}
		db = 10 * log10(signal / noise);
		ck_assert_msg(noise > 0 && db > 18, "round %d: %.1f dB", round, db);
		all += db;
		least = fmin(least, db);
		nn_graph_free(back);
		nn_graph_free(q);
		nn_graph_free(g);
	}
	printf("# int8 against fp32: mean %.1f dB, least %.1f dB of %d networks\n", all / rounds, least, rounds);
	fflush(stdout);
	ck_assert_double_gt(all / rounds, 35);
}
END_TEST

/* scale and zero point of the QuantizeLinear behind the first node that is an @op */
static void params(const struct nn_graph *q, enum nn_op op, float *scale, uint8_t *zero)
{
	uint32_t i = 0, user;

	while (i < q->nr_nodes && q->nodes[i].op != op)
		i++;
	ck_assert_uint_lt(i, q->nr_nodes);
	ck_assert_uint_eq(nn_graph_users(q, q->nodes[i].out[0], &user, 1), 1);
	ck_assert_int_eq(q->nodes[user].op, NN_QUANTIZE);
	*scale = *(float *)q->tensors[q->nodes[user].in[1]].data;
	*zero = *(uint8_t *)q->tensors[q->nodes[user].in[2]].data;
}

START_TEST(passed_on_tensors_share)
{
	struct nn_attrs a = { .axis = 1 }, order = { .perm = { 0, 2, 3, 1 }, .nr_axes = 4 };
	uint32_t x, left, right, one, all[5];
	struct nn_graph *q;
	float first, scale;
	uint8_t z, zero;

	random_seed("sharing");
	x = begin(3, 8, 8);
	left = ADD(NN_RELU, NULL, conv(x, 3, 4, 1, 1, 1, true));
	right = conv(x, 3, 4, 3, 1, 1, true);
	all[0] = left;
	all[1] = right;
	all[2] = ADD(NN_CONCAT, &a, left, right);
	all[3] = pool(all[2], NN_MAX_POOL, 2, 2);
	all[4] = ADD(NN_TRANSPOSE, &order, all[3]);
	one = ADD(NN_GLOBAL_AVERAGE_POOL, NULL, all[3]);
	ck_assert_int_eq(nn_graph_add_output(g, all[4]), 0);
	end(one);
	q = quantise(NULL);
	params(q, NN_CONCAT, &first, &z);
	for (uint32_t i = 0; i < q->nr_nodes; i++)
		if (q->nodes[i].op == NN_CONCAT || q->nodes[i].op == NN_MAX_POOL || q->nodes[i].op == NN_TRANSPOSE) {
			for (uint32_t k = 0; k < q->nodes[i].nr_in; k++) {
				const struct nn_node *dq = &q->nodes[q->tensors[q->nodes[i].in[k]].producer];

				ck_assert_int_eq(dq->op, NN_DEQUANTIZE);
				scale = *(float *)q->tensors[dq->in[1]].data;
				zero = *(uint8_t *)q->tensors[dq->in[2]].data;
				ck_assert(scale == first && zero == z);
			}
			ck_assert_uint_eq(nn_graph_users(q, q->nodes[i].out[0], &x, 1), 1);
			ck_assert_int_eq(q->nodes[x].op, NN_QUANTIZE);
			ck_assert(*(float *)q->tensors[q->nodes[x].in[1]].data == first);
		}
	/* The right half goes below zero, so the shared zero point is within. */
	ck_assert(z > 0 && z < 255);
	ck_assert_uint_eq(count_ops(q, NN_CONCAT) + count_ops(q, NN_MAX_POOL) + count_ops(q, NN_TRANSPOSE), 3);
	nn_graph_free(q);
	nn_graph_free(g);
}
END_TEST

START_TEST(weights_and_bias)
{
	/* Channels: usual; all zero with a bias; all zero without; tiny beside its bias. */
	static const float w[4][2] = { { 1.27f, -0.64f }, { 0, 0 }, { 0, 0 }, { 1e-9f, -1e-9f } }, b[4] = { 0.5f, 3, 0, 2000 };
	struct nn_dims dims = { 4, { 4, 2, 1, 1 } }, vector = { 1, { 4 } };
	struct smartssd_error err;
	struct nn_qweights q;
	uint32_t x = begin(2, 2, 2), in[3] = { x };
	struct nn_attrs a = { 0 };

	in[1] = nn_graph_add_constant(g, "w", NN_F4, &dims, w);
	in[2] = nn_graph_add_constant(g, "b", NN_F4, &vector, b);
	end(add(NN_CONV, &a, 3, in));
	ck_assert_int_eq(nn_quantize_weights(g, &g->nodes[0], 0.02f, &q, &err), 0);
	ck_assert_uint_eq(q.channels, 4);
	ck_assert_float_eq_tol(q.w_scale[0], 0.01f, 1e-7f);
	ck_assert(q.w[0] == 127 && q.w[1] == -64 && q.bias[0] == 2500);
	for (int c = 0; c < 4; c++) {
		ck_assert(q.w_scale[c] > 0 && q.bias_scale[c] == q.w_scale[c] * 0.02f);
		ck_assert_float_eq_tol((float)q.bias[c] * q.bias_scale[c], b[c], 1e-5f * (1 + b[c]));
		ck_assert_int_le(abs(q.bias[c]), 1 << 30);
		for (int i = 0; i < 2; i++)
			ck_assert_float_eq_tol((float)q.w[2 * c + i] * q.w_scale[c], w[c][i], q.w_scale[c] * 0.51f);
	}
	nn_qweights_free(&q);
	((float *)g->tensors[g->nodes[0].in[1]].data)[5] = INFINITY;
	ck_assert_int_eq(nn_quantize_weights(g, &g->nodes[0], 0.02f, &q, &err), -ERANGE);
	ck_assert_ptr_nonnull(strstr(err.text, "output channel 2"));
	nn_graph_free(g);
}
END_TEST

START_TEST(ranges)
{
	struct nn_range r = { .lo = INFINITY, .hi = -INFINITY };
	float v[1000];
	uint64_t at = 0;

	/* Zeros say nothing; 999 values below 1, one outlier of 64 that comes late and widens the histogram. */
	memset(v, 0, sizeof(v));
	ck_assert_int_eq(nn_range_add(&r, v, 1000, true, &at), 0);
	ck_assert_uint_eq(r.count, 0);
	for (int i = 0; i < 1000; i++)
		v[i] = (i % 2 ? -1.0f : 1.0f) * (float)(i + 1) / 1000;
	ck_assert_int_eq(nn_range_add(&r, v, 999, true, &at), 0);
	ck_assert_double_eq_tol(nn_range_cut(&r, 100), 1, 1e-3);
	ck_assert_double_eq_tol(nn_range_cut(&r, 90), 0.9, 2e-3);
	v[0] = 64;
	ck_assert_int_eq(nn_range_add(&r, v, 1, true, &at), 0);
	ck_assert(r.hi == 64 && r.lo < -0.99 && r.count == 1000);
	ck_assert_double_ge(nn_range_cut(&r, 100), 64);
	ck_assert_double_ge(nn_range_cut(&r, 99.95), 64);
	ck_assert_double_eq_tol(nn_range_cut(&r, 99.9), 1, 0.04);
	v[7] = NAN;
	ck_assert_int_eq(nn_range_add(&r, v, 10, true, &at), -ERANGE);
	ck_assert_uint_eq(at, 7);
	v[3] = -INFINITY;
	ck_assert_int_eq(nn_range_add(&r, v, 10, true, &at), -ERANGE);
	ck_assert_uint_eq(at, 3);
	/* From the smallest to the largest that there is */
	v[0] = 1e-45f;
	v[1] = -3.4e38f;
	ck_assert_int_eq(nn_range_add(&r, v, 1, true, &at), 0);
	ck_assert_int_eq(nn_range_add(&r, v + 1, 1, true, &at), 0);
	ck_assert_double_ge(nn_range_cut(&r, 100), 3.4e38);
	free(r.bins);
}
END_TEST

START_TEST(percentile_cuts_outliers)
{
	struct inputs in = { .left = 4 };
	struct nn_quantize how = { .next = next, .ctx = &in, .percentile = 99 };
	struct smartssd_error err = { "" };
	struct nn_graph *q[2];
	float scale[2];
	uint8_t zero;
	uint32_t x;

	random_seed("percentile");
	x = begin(1, 16, 16);
	end(conv(ADD(NN_RELU, NULL, conv(x, 1, 4, 3, 1, 1, true)), 4, 4, 3, 1, 1, true));
	for (int i = 0; i < 2; i++) {
		in.left = 4;
		ck_assert_msg(!nn_quantize_graph(g, &how, &q[i], NULL, &err), "%s", err.text);
		params(q[i], NN_RELU, &scale[i], &zero);
		ck_assert_uint_eq(zero, 0); /* behind a ReLU */
		how.percentile = 100;
		nn_graph_free(q[i]);
	}
	ck_assert_float_lt(scale[0], 0.95f * scale[1]);
	nn_graph_free(g);
}
END_TEST

static void refused(struct nn_quantize *how, int code, const char *text)
{
	struct smartssd_error err = { "" };
	struct nn_graph *q = (void *)1;
	int ret = nn_quantize_graph(g, how, &q, NULL, &err);

	ck_assert_msg(ret == code, "%d (%s), not %d", ret, err.text, code);
	ck_assert_msg(strstr(err.text, text), "\"%s\" does not say %s", err.text, text);
	ck_assert_ptr_null(q);
}

static int stop(void *ctx, uint64_t done, uint64_t total)
{
	(void)ctx;
	return done == 2 && total == 5;
}

START_TEST(refusals)
{
	struct inputs in = { .left = 2 };
	struct nn_quantize how = { .next = next, .ctx = &in };
	struct nn_attrs a = { .axis = 1 };
	struct nn_dims dims = { 4, { 1, 3, 8, 8 } };
	struct nn_graph *q, *fp32;
	uint32_t x;

	random_seed("refusals");
	/* Nothing to quantise */
	end(along(begin(3, 8, 8), NN_SOFTMAX, 1));
	refused(&how, -EINVAL, "nothing to quantise");
	nn_graph_free(g);
	/* Two inputs */
	x = begin(3, 8, 8);
	nn_graph_add_input(g, nn_graph_add_tensor(g, "second", NN_F4, &dims));
	end(conv(x, 3, 4, 1, 1, 1, true));
	refused(&how, -EOPNOTSUPP, "2 inputs");
	nn_graph_free(g);
	/* One of bytes */
	x = begin(3, 8, 8);
	g->tensors[x].type = NN_U1;
	a.to = NN_F4;
	end(conv(ADD(NN_CAST, &a, x), 3, 4, 1, 1, 1, true));
	refused(&how, -EOPNOTSUPP, "uint8");
	nn_graph_free(g);
	/* Quantised already */
	x = begin(3, 8, 8);
	end(conv(x, 3, 4, 1, 1, 1, true));
	q = quantise(NULL);
	fp32 = g;
	g = q;
	refused(&how, -EINVAL, "quantised already");
	g = fp32;
	nn_graph_free(q);
	/* Inputs and options */
	in.left = 0;
	refused(&how, -EINVAL, "no calibration input");
	in.fails = -EIO;
	refused(&how, -EIO, "the drawer is stuck");
	in = (struct inputs){ .left = 2, .value = NAN };
	refused(&how, -ERANGE, "tensor 'x' is nan");
	in = (struct inputs){ .left = 2, .zero = true };
	refused(&how, -EINVAL, "each of the 2 calibration inputs is 0");
	in = (struct inputs){ .left = 2, .value = 3e38f };
	refused(&how, -ERANGE, "");
	how.percentile = 100.5;
	refused(&how, -EINVAL, "percentile");
	how.percentile = NAN;
	refused(&how, -EINVAL, "percentile");
	how.percentile = 0;
	how.nr_mean = 2;
	refused(&how, -EINVAL, "3 channels");
	how.nr_mean = 1;
	refused(&how, -EINVAL, "above 0"); /* std is 0 */
	how.nr_mean = 0;
	how.expected = 5;
	how.progress.step = stop;
	in = (struct inputs){ .left = 5 };
	refused(&how, -ECANCELED, "stopped after 2");
	((float *)g->tensors[g->nodes[0].in[1]].data)[0] = NAN;
	how.progress.step = NULL;
	in.left = 2;
	refused(&how, -ERANGE, "element 0 of its input 'w0' is nan");
	nn_graph_free(g);
	/* Statistics that no training makes */
	x = norm(begin(3, 8, 8), 3);
	end(conv(x, 3, 4, 1, 1, 1, true));
	((float *)g->tensors[g->nodes[0].in[4]].data)[2] = -1;
	in.left = 2;
	refused(&how, -ERANGE, "has the element -1, which has no square root");
	((float *)g->tensors[g->nodes[0].in[4]].data)[2] = INFINITY;
	refused(&how, -ERANGE, "element 2 of its input");
	nn_graph_free(g);
}
END_TEST

START_TEST(always_zero)
{
	struct inputs in = { .left = 2, .value = 1e-30f };
	struct nn_quantize how = { .next = next, .ctx = &in };
	struct smartssd_error err = { "" };
	struct nn_graph *q;
	float *x, *y;
	int64_t n;

	random_seed("zero");
	end(conv(begin(1, 4, 4), 1, 2, 1, 1, 1, false));
	ck_assert_msg(!nn_quantize_graph(g, &how, &q, NULL, &err), "%s", err.text);
	x = random_input();
	y = evaluate(q, x, &n);
	for (int64_t i = 0; i < n; i++)
		ck_assert(isfinite(y[i]));
	free(x);
	free(y);
	nn_graph_free(q);
	nn_graph_free(g);
}
END_TEST

/* Names that new tensors would have are taken: the model's own stay, and the new ones get others. */
START_TEST(names_that_are_taken)
{
	struct inputs in = { .left = 2 };
	struct nn_quantize how = { .next = next, .ctx = &in };
	struct smartssd_error err = { "" };
	struct nn_graph *q;
	uint32_t x, y;

	random_seed("names");
	x = begin(2, 4, 4);
	y = norm(conv(x, 2, 2, 1, 1, 1, true), 2);
	free(g->tensors[y].name);
	g->tensors[y].name = strdup("x_bytes");
	y = conv(y, 2, 2, 1, 1, 1, true);
	free(g->tensors[y].name);
	g->tensors[y].name = strdup("x_scale");
	end(y);
	ck_assert_msg(!nn_quantize_graph(g, &how, &q, NULL, &err), "%s", err.text);
	ck_assert_str_eq(q->tensors[q->outputs[0]].name, "x_scale");
	ck_assert_str_eq(q->tensors[q->inputs[0]].name, "x");
	ck_assert_uint_ne(nn_graph_find(q, "x_bytes_2"), NN_NOWHERE);
	nn_graph_free(q);
	nn_graph_free(g);
}
END_TEST

START_TEST(input_metadata)
{
	static const char *const bad[] = { "",
					   "scale=1",
					   "scale=1 mean=1",
					   "scale=1 mean=1,2 std=1",
					   "scale=0 mean=1 std=1",
					   "scale=1 mean=1 std=0",
					   "scale=1 mean=nan std=1",
					   "scale=1  mean=1 std=1",
					   "scale=1 mean=1 std=1 ",
					   "scale=1 mean=1,2,3,4,5 std=1,2,3,4,5",
					   "scale=1 mean=1, std=1",
					   "scale=1,2 mean=1 std=1" };
	float mean[4] = { 0.485f, 0.456f, 0.406f }, std[4] = { 0.229f, 0.224f, 0.225f }, m[4], s[4], scale;
	char text[256], tiny[20];
	uint32_t nr;

	for (int i = 0; i < 2; i++) {
		/* A locale with decimal commas, where there is one */
		if (i && !setlocale(LC_ALL, "de_DE.UTF-8"))
			break;
		ck_assert_int_eq(nn_input_meta_print(text, sizeof(text), 1.0f / 255, mean, std, 3), 0);
		ck_assert_ptr_null(strstr(text, "0,4"));
		ck_assert_int_eq(nn_input_meta_parse(text, &scale, m, s, &nr), 0);
		ck_assert(nr == 3 && scale == 1.0f / 255 && !memcmp(m, mean, 12) && !memcmp(s, std, 12));
	}
	setlocale(LC_ALL, "C");
	ck_assert_int_eq(nn_input_meta_print(tiny, sizeof(tiny), 1, mean, std, 3), -ENOSPC);
	ck_assert_int_eq(nn_input_meta_print(text, sizeof(text), 1, mean, std, 5), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(nn_input_meta_parse(bad[i], &scale, m, s, &nr) == -EBADMSG, "%s", bad[i]);
}
END_TEST

static void fill(TCase *tests)
{
	tcase_add_test(tests, folding_changes_nothing);
	tcase_add_test(tests, int8_is_close);
	tcase_add_test(tests, passed_on_tensors_share);
	tcase_add_test(tests, weights_and_bias);
	tcase_add_test(tests, ranges);
	tcase_add_test(tests, percentile_cuts_outliers);
	tcase_add_test(tests, refusals);
	tcase_add_test(tests, always_zero);
	tcase_add_test(tests, names_that_are_taken);
	tcase_add_test(tests, input_metadata);
}

int main(void)
{
	return run_suite("quantize", fill);
}
