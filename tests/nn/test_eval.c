// SPDX-License-Identifier: BSD-2-Clause
/* Evaluation against plain loops, kernels/reference, and what ONNX's own tests leave out: older opsets, corner cases of shapes. */
#include <math.h>

#include "../../kernels/reference/reference.h"
#include "../runtime/runtime_test.h"
#include "proto.h"
#include "sample.h"

/* Values of the graph's only output, free(); inputs in order. */
static void *eval(const struct nn_graph *g, const void *const *in, uint64_t *elements)
{
	struct smartssd_error err = { "" };
	const struct nn_tensor *t = &g->tensors[g->outputs[0]];
	struct nn_values v;
	void *y;

	ck_assert_int_eq(nn_values_init(&v, g, false), 0);
	for (uint32_t i = 0; i < g->nr_inputs; i++)
		v.value[g->inputs[i]] = (void *)in[i];
	ck_assert_msg(!nn_eval(&v, NULL, NULL, &err), "%s", err.text);
	*elements = (uint64_t)nn_count(&t->dims);
	y = malloc(*elements * nn_type_bytes(t->type) + 1);
	memcpy(y, v.value[g->outputs[0]], *elements * nn_type_bytes(t->type));
	nn_values_free(&v);
	return y;
}

static struct nn_graph *parse(const Onnx__ModelProto *m)
{
	struct smartssd_error err = { "" };
	struct nn_graph *g;

	ck_assert_msg(!proto_parse(m, 0, &g, &err), "%s", err.text);
	return g;
}

static void fill_bytes(void *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)data)[i] = (uint8_t)(random_u64() >> 33);
}

static void fill_floats(float *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		data[i] = (float)(int32_t)(random_u64() >> 32) / 1073741824.0f;
}

static const char *shape(char text[64], uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	snprintf(text, 64, "%u %u %u %u", a, b, c, d);
	return text;
}

/* A layer that exists, of random shape. */
static void random_layer(struct ref_conv2d *l, uint32_t out[2])
{
	do {
		uint32_t per_group = random_in(1, 4);

		*l = (struct ref_conv2d){ .images = random_in(1, 2), .in_h = random_in(1, 12), .in_w = random_in(1, 20), .kernel_h = random_in(1, 4),
					  .kernel_w = random_in(1, 4), .group = random_in(0, 3) ? 1 : random_in(1, 4), .clip = { 0, 255 } };
		l->channels = l->group * (random_in(0, 5) ? per_group : 1) * (random_in(0, 9) ? 1 : 60);
		l->filters = l->group * random_in(1, 9);
		for (int i = 0; i < 2; i++) {
			l->stride[i] = random_in(1, 3);
			l->dilation[i] = random_in(1, 2);
		}
		for (int i = 0; i < 4; i++)
			l->pad[i] = random_in(0, 2);
		l->w_scales = random_in(0, 1) ? l->filters : 1;
		l->w_zeros = random_in(0, 1) ? l->filters : 1;
		l->x_signed = (int)random_in(0, 1);
		l->w_signed = (int)random_in(0, 1);
		l->y_signed = (int)random_in(0, 1);
	} while (ref_conv2d_shape(l, out));
}

static void window_attrs(Onnx__NodeProto *n, const struct ref_conv2d *l)
{
	char text[64];

	snprintf(text, sizeof(text), "%u %u", l->stride[0], l->stride[1]);
	proto_ints(n, "strides", text);
	snprintf(text, sizeof(text), "%u %u", l->dilation[0], l->dilation[1]);
	proto_ints(n, "dilations", text);
	proto_ints(n, "pads", shape(text, l->pad[0], l->pad[1], l->pad[2], l->pad[3]));
	proto_int(n, "group", l->group);
}

static int type_of(int is_signed)
{
	return is_signed ? 3 : 2;
}

START_TEST(qlinear_conv_is_the_reference)
{
	for (int round = 0; round < 300; round++) {
		struct ref_conv2d l;
		uint32_t out[2];
		size_t xs, ws, ys;
		uint8_t *x, *w, *want, *got, zeros[64], x_zero, y_zero;
		int32_t bias[64], w_zero[64];
		float scales[64];
		Onnx__ModelProto *m = proto_new(13);
		struct nn_graph *g;
		char text[64], count[16];
		uint64_t n;

		random_layer(&l, out);
		xs = (size_t)l.images * l.channels * l.in_h * l.in_w;
		ws = (size_t)l.filters * (l.channels / l.group) * l.kernel_h * l.kernel_w;
		ys = (size_t)l.images * l.filters * out[0] * out[1];
		x = malloc(xs);
		w = malloc(ws);
		want = malloc(ys);
		fill_bytes(x, xs);
		fill_bytes(w, ws);
		fill_bytes(zeros, sizeof(zeros));
		fill_bytes(&x_zero, 1);
		fill_bytes(&y_zero, 1);
		for (uint32_t i = 0; i < l.filters; i++) {
			bias[i] = random_in(0, 20) ? (int32_t)(random_u64() >> 48) - 32768 : random_in(0, 1) ? INT32_MAX : INT32_MIN;
			w_zero[i] = l.w_signed ? (int8_t)zeros[i] : zeros[i];
			scales[i] = (float)random_in(1, 1000) / 1000;
		}
		l.x_scale = 0.37f;
		l.y_scale = (float)random_in(1, 4000) / 3;
		l.x_zero = l.x_signed ? (int8_t)x_zero : x_zero;
		l.y_zero = l.y_signed ? (int8_t)y_zero : y_zero;
		l.w_scale = scales;
		l.w_zero = w_zero;
		l.bias = random_in(0, 3) ? bias : NULL;
		l.clip[0] = l.y_signed ? -128 : 0;
		l.clip[1] = l.y_signed ? 127 : 255;
		ck_assert_int_eq(ref_conv2d(&l, x, w, want), 0);

		proto_input(m, "x", type_of(l.x_signed), shape(text, l.images, l.channels, l.in_h, l.in_w));
		proto_constant(m, "xs", 1, "", &l.x_scale, 4);
		proto_constant(m, "xz", type_of(l.x_signed), "", &x_zero, 1);
		proto_constant(m, "w", type_of(l.w_signed), shape(text, l.filters, l.channels / l.group, l.kernel_h, l.kernel_w), w, ws);
		snprintf(count, sizeof(count), "%u", l.w_scales);
		proto_constant(m, "ws", 1, count, scales, 4 * l.w_scales);
		snprintf(count, sizeof(count), "%u", l.w_zeros);
		proto_constant(m, "wz", type_of(l.w_signed), count, zeros, l.w_zeros);
		proto_constant(m, "ys", 1, "1", &l.y_scale, 4);
		proto_constant(m, "yz", type_of(l.y_signed), "", &y_zero, 1);
		snprintf(count, sizeof(count), "%u", l.filters);
		proto_constant(m, "b", 6, count, bias, 4 * l.filters);
		window_attrs(proto_node(m, "QLinearConv", l.bias ? "x xs xz w ws wz ys yz b" : "x xs xz w ws wz ys yz", "y"), &l);
		proto_output(m, "y");
		g = parse(m);
		got = eval(g, (const void *[]){ x }, &n);
		ck_assert_uint_eq(n, ys);
		for (size_t i = 0; i < ys; i++)
			if (got[i] != want[i])
				ck_abort_msg("round %d: element %zu of %zu is %u instead of %u", round, i, ys, got[i], want[i]);
		nn_graph_free(g);
		proto_free(m);
		free(x);
		free(w);
		free(want);
		free(got);
	}
}
END_TEST

/* Conv in double; ConvInteger in 64 bits. */
static double conv_at(const struct ref_conv2d *l, const float *x, const float *w, uint32_t image, uint32_t f, int64_t oh, int64_t ow)
{
	uint32_t channels = l->channels / l->group, first = f / (l->filters / l->group) * channels;
	double sum = 0;

	for (uint32_t c = 0; c < channels; c++)
		for (uint32_t kh = 0; kh < l->kernel_h; kh++)
			for (uint32_t kw = 0; kw < l->kernel_w; kw++) {
				int64_t ih = oh * l->stride[0] + kh * l->dilation[0] - l->pad[0], iw = ow * l->stride[1] + kw * l->dilation[1] - l->pad[1];

				if (ih >= 0 && ih < l->in_h && iw >= 0 && iw < l->in_w)
					sum += (double)x[((image * l->channels + first + c) * l->in_h + (uint32_t)ih) * l->in_w + (uint32_t)iw] *
					       (double)w[((f * channels + c) * l->kernel_h + kh) * l->kernel_w + kw];
			}
	return sum;
}

START_TEST(conv_is_the_definition)
{
	for (int round = 0; round < 200; round++) {
		bool whole = random_in(0, 1); /* ConvInteger, of bytes without zero points */
		struct ref_conv2d l;
		uint32_t out[2];
		size_t xs, ws, at = 0;
		float *x, *w, bias[64];
		uint8_t *xb, *wb;
		Onnx__ModelProto *m = proto_new(11);
		struct nn_graph *g;
		char text[64], count[16];
		uint64_t n;
		void *got;

		random_layer(&l, out);
		xs = (size_t)l.images * l.channels * l.in_h * l.in_w;
		ws = (size_t)l.filters * (l.channels / l.group) * l.kernel_h * l.kernel_w;
		x = malloc(xs * 4);
		w = malloc(ws * 4);
		xb = malloc(xs);
		wb = malloc(ws);
		fill_floats(x, xs);
		fill_floats(w, ws);
		fill_floats(bias, 64);
		fill_bytes(xb, xs);
		fill_bytes(wb, ws);
		for (size_t i = 0; i < xs && whole; i++)
			x[i] = xb[i];
		for (size_t i = 0; i < ws && whole; i++)
			w[i] = (int8_t)wb[i];
		proto_input(m, "x", whole ? 2 : 1, shape(text, l.images, l.channels, l.in_h, l.in_w));
		proto_constant(m, "w", whole ? 3 : 1, shape(text, l.filters, l.channels / l.group, l.kernel_h, l.kernel_w), whole ? (void *)wb : w,
			       whole ? ws : ws * 4);
		snprintf(count, sizeof(count), "%u", l.filters);
		proto_constant(m, "b", 1, count, bias, 4 * l.filters);
		window_attrs(proto_node(m, whole ? "ConvInteger" : "Conv", whole ? "x w" : "x w b", "y"), &l);
		proto_output(m, "y");
		g = parse(m);
		got = eval(g, (const void *[]){ whole ? (void *)xb : x }, &n);
		ck_assert_uint_eq(n, (uint64_t)l.images * l.filters * out[0] * out[1]);
		for (uint32_t i = 0; i < l.images; i++)
			for (uint32_t f = 0; f < l.filters; f++)
				for (uint32_t p = 0; p < out[0] * out[1]; p++, at++) {
					double want = conv_at(&l, x, w, i, f, p / out[1], p % out[1]) + (whole ? 0 : (double)bias[f]);
					double y = whole ? ((int32_t *)got)[at] : (double)((float *)got)[at];

					if (fabs(y - want) > (whole ? 0 : 2e-6 * (double)(ws / l.filters + 1)))
						ck_abort_msg("round %d: element %zu is %.9g instead of %.9g", round, at, y, want);
				}
		nn_graph_free(g);
		proto_free(m);
		free(got);
		free(x);
		free(w);
		free(xb);
		free(wb);
	}
}
END_TEST

START_TEST(products_are_the_definition)
{
	for (int round = 0; round < 200; round++) {
		int64_t rows = random_in(1, 20), terms = random_in(0, 9) ? random_in(1, 40) : random_in(380, 900), cols = random_in(1, 150);
		uint32_t batch_a = random_in(1, 3), batch_b = random_in(0, 1) ? batch_a : 1, kind = random_in(0, 2);
		int8_t *a = malloc((size_t)(batch_a * rows * terms));
		uint8_t *b = malloc((size_t)(batch_b * terms * cols)), zb[150], got_type;
		float *fa = malloc((size_t)(batch_a * rows * terms) * 4), *fb = malloc((size_t)(batch_b * terms * cols) * 4), scale[150];
		static const char *const ops[] = { "MatMul", "MatMulInteger", "QLinearMatMul" };
		static const char *const in[] = { "a b", "a b az bz", "a s az b bs bz s yz" };
		const float s = 0.25f;
		const int8_t za = (int8_t)random_u64(), zy = (int8_t)random_u64();
		Onnx__ModelProto *m = proto_new(13);
		struct nn_graph *g;
		char text[64];
		uint64_t n;
		void *got;

		fill_bytes(a, (size_t)(batch_a * rows * terms));
		fill_bytes(b, (size_t)(batch_b * terms * cols));
		fill_bytes(zb, sizeof(zb));
		for (int64_t i = 0; i < batch_a * rows * terms; i++)
			fa[i] = a[i];
		for (int64_t i = 0; i < batch_b * terms * cols; i++)
			fb[i] = b[i];
		for (int i = 0; i < 150; i++)
			scale[i] = (float)random_in(1, 1000) / 100000;
		snprintf(text, sizeof(text), "%u %lld %lld", batch_a, (long long)rows, (long long)terms);
		proto_input(m, "a", kind ? 3 : 1, text);
		snprintf(text, sizeof(text), "%u %lld %lld", batch_b, (long long)terms, (long long)cols);
		proto_input(m, "b", kind ? 2 : 1, text);
		proto_constant(m, "az", 3, "", &za, 1);
		proto_constant(m, "yz", 3, "", &zy, 1);
		proto_constant(m, "s", 1, "", &s, 4);
		snprintf(text, sizeof(text), "%lld", (long long)cols);
		proto_constant(m, "bz", 2, text, zb, (size_t)cols);
		proto_constant(m, "bs", 1, text, scale, (size_t)cols * 4);
		proto_node(m, ops[kind], in[kind], "y");
		proto_output(m, "y");
		g = parse(m);
		got_type = (uint8_t)g->tensors[g->outputs[0]].type;
		ck_assert_int_eq(got_type, kind == 0 ? NN_F4 : kind == 1 ? NN_I4 : NN_I1);
		got = eval(g, kind ? (const void *[]){ a, b } : (const void *[]){ fa, fb }, &n);
		ck_assert_uint_eq(n, (uint64_t)batch_a * (uint64_t)(rows * cols));
		for (uint64_t i = 0; i < n; i++) {
			int64_t c = (int64_t)i % cols, r = (int64_t)i / cols % rows, p = (int64_t)i / cols / rows, sum = 0;

			for (int64_t k = 0; k < terms; k++)
				sum += (a[(p * rows + r) * terms + k] - (kind ? za : 0)) *
				       (b[((batch_b == 1 ? 0 : p) * terms + k) * cols + c] - (kind ? zb[c] : 0));
			if (kind == 0 ? fabs((double)((float *)got)[i] - (double)sum) > 1e-5 * fabs((double)sum) + 0.05 :
			    kind == 1 ? ((int32_t *)got)[i] != sum :
					((int8_t *)got)[i] != mac_requantise(mac_saturate(sum), mac_multiplier(s, scale[c], s), zy, -128, 127))
				ck_abort_msg("round %d: %s element %llu", round, ops[kind], (unsigned long long)i);
		}
		nn_graph_free(g);
		proto_free(m);
		free(a);
		free(b);
		free(fa);
		free(fb);
		free(got);
	}
}
END_TEST

START_TEST(broadcasting)
{
	for (int round = 0; round < 300; round++) {
		int64_t d[3][4];
		char text[2][64];
		int32_t a[1000], b[1000], *got;
		bool add = random_in(0, 1);
		Onnx__ModelProto *m = proto_new(14);
		struct nn_graph *g;
		uint32_t skip = random_in(0, 3); /* leading dimensions that b does not have */
		uint64_t n;

		for (int i = 0; i < 4; i++) {
			d[2][i] = random_in(1, 5);
			d[0][i] = random_in(0, 2) ? d[2][i] : 1;
			d[1][i] = d[0][i] == d[2][i] && random_in(0, 1) ? 1 : d[2][i];
			if (i < (int)skip) {
				d[0][i] = d[2][i];
				d[1][i] = 1;
			}
		}
		for (int i = 0; i < 1000; i++) {
			a[i] = (int32_t)random_u64();
			b[i] = (int32_t)random_u64();
		}
		snprintf(text[0], 64, "%lld %lld %lld %lld", (long long)d[0][0], (long long)d[0][1], (long long)d[0][2], (long long)d[0][3]);
		text[1][0] = 0;
		for (uint32_t i = skip; i < 4; i++)
			snprintf(text[1] + strlen(text[1]), 16, "%lld ", (long long)d[1][i]);
		proto_input(m, "a", 6, text[0]);
		proto_input(m, "b", 6, text[1]);
		proto_node(m, add ? "Add" : "Mul", "a b", "y");
		proto_output(m, "y");
		g = parse(m);
		got = eval(g, (const void *[]){ a, b }, &n);
		for (uint64_t i = 0; i < n; i++) {
			uint64_t rest = i, at[2] = { 0, 0 }, stride[2] = { 1, 1 };
			uint32_t want;

			for (int k = 3; k >= 0; k--) {
				uint64_t c = rest % (uint64_t)d[2][k];

				rest /= (uint64_t)d[2][k];
				for (int j = 0; j < 2; j++) {
					at[j] += d[j][k] == 1 ? 0 : c * stride[j];
					stride[j] *= (uint64_t)d[j][k];
				}
			}
			want = add ? (uint32_t)a[at[0]] + (uint32_t)b[at[1]] : (uint32_t)a[at[0]] * (uint32_t)b[at[1]];
			if ((uint32_t)got[i] != want)
				ck_abort_msg("round %d: %s x %s element %llu", round, text[0], text[1], (unsigned long long)i);
		}
		nn_graph_free(g);
		proto_free(m);
		free(got);
	}
}
END_TEST

/* One node of @op in @opset on x of @dims = 0, 1, 2, ... */
static float *one_node(int64_t opset, const char *op, const char *dims, void (*more)(Onnx__ModelProto *, Onnx__NodeProto *), uint64_t *n)
{
	Onnx__ModelProto *m = proto_new(opset);
	Onnx__NodeProto *node;
	struct nn_graph *g, *h;
	struct smartssd_error err = { "" };
	float x[256], *y, *again;
	size_t bytes;
	uint64_t k;
	void *data;

	for (int i = 0; i < 256; i++)
		x[i] = (float)i;
	proto_input(m, "x", 1, dims);
	node = proto_node(m, op, "x", "y");
	if (more)
		more(m, node);
	proto_output(m, "y");
	g = parse(m);
	y = eval(g, (const void *[]){ x }, n);
	/* the same after it was written as opset 13 */
	ck_assert_msg(!nn_graph_serialize(g, &data, &bytes, &err), "%s", err.text);
	ck_assert_msg(!nn_graph_parse(data, bytes, 0, &h, &err), "%s", err.text);
	ck_assert_int_eq(h->opset, 13);
	again = eval(h, (const void *[]){ x }, &k);
	ck_assert_uint_eq(*n, k);
	ck_assert(!memcmp(y, again, k * 4));
	nn_graph_free(g);
	nn_graph_free(h);
	proto_free(m);
	free(data);
	free(again);
	return y;
}

static void clip_6(Onnx__ModelProto *m, Onnx__NodeProto *n) { (void)m, proto_float(n, "min", 2), proto_float(n, "max", 3.5f); }
static void clip_6_max(Onnx__ModelProto *m, Onnx__NodeProto *n) { (void)m, proto_float(n, "max", 3.5f); }
static void pad_2(Onnx__ModelProto *m, Onnx__NodeProto *n) { (void)m, proto_ints(n, "pads", "1 0 0 2"), proto_float(n, "value", -1); }
static void axes_0(Onnx__ModelProto *m, Onnx__NodeProto *n) { (void)m, proto_ints(n, "axes", "-1 0"); }
static void axis_1(Onnx__ModelProto *m, Onnx__NodeProto *n) { (void)m, proto_int(n, "axis", 1); }
static void ratio(Onnx__ModelProto *m, Onnx__NodeProto *n) { (void)m, proto_float(n, "ratio", 0.5f); }
static void window_2(Onnx__ModelProto *m, Onnx__NodeProto *n)
{
	(void)m;
	proto_ints(n, "kernel_shape", "2");
	proto_ints(n, "strides", "2");
	proto_ints(n, "pads", "0 1");
	proto_int(n, "ceil_mode", 1);
}
static void window_2_pads(Onnx__ModelProto *m, Onnx__NodeProto *n) { window_2(m, n), proto_int(n, "count_include_pad", 1); }
static void add_input(Onnx__ModelProto *m, Onnx__NodeProto *n, const char *name, int type, const char *shape, const void *data, size_t bytes)
{
	proto_constant(m, name, type, shape, data, bytes);
	n->input = realloc(n->input, (n->n_input + 1) * sizeof(*n->input));
	n->input[n->n_input] = NULL;
	proto_set(&n->input[n->n_input++], name);
}
static void add_list(Onnx__ModelProto *m, Onnx__NodeProto *n, const char *name, int64_t a, int64_t b)
{
	add_input(m, n, name, 7, "2", (const int64_t[]){ a, b }, 16);
}
static void axes_input(Onnx__ModelProto *m, Onnx__NodeProto *n) { add_input(m, n, "axes", 7, "1", &(const int64_t){ 0 }, 8); }
static void rows_and_back(Onnx__ModelProto *m, Onnx__NodeProto *n)
{
	add_list(m, n, "starts", -1, 1);
	add_list(m, n, "ends", INT64_MIN, INT64_MAX);
	add_list(m, n, "axes", -1, 0);
	add_list(m, n, "steps", -2, INT64_MAX);
}
static void far_back(Onnx__ModelProto *m, Onnx__NodeProto *n)
{
	add_list(m, n, "starts", 100, -100);
	add_list(m, n, "ends", 1, 2);
	add_list(m, n, "axes", 1, 0);
	add_list(m, n, "steps", INT64_MIN, 1);
}
static void nothing_left(Onnx__ModelProto *m, Onnx__NodeProto *n) { add_list(m, n, "starts", 1, 2), add_list(m, n, "ends", 1, 1); }
static void slice_1(Onnx__ModelProto *m, Onnx__NodeProto *n) { (void)m, proto_ints(n, "starts", "1"), proto_ints(n, "ends", "-1"), proto_ints(n, "axes", "1"); }
static void slice_1_first(Onnx__ModelProto *m, Onnx__NodeProto *n) { (void)m, proto_ints(n, "starts", "-1"), proto_ints(n, "ends", "9"); }
static void gather_columns(Onnx__ModelProto *m, Onnx__NodeProto *n)
{
	add_input(m, n, "at", 6, "2 2", (const int32_t[]){ 2, -1, -3, 0 }, 16);
	proto_int(n, "axis", -1);
}
static void gather_row(Onnx__ModelProto *m, Onnx__NodeProto *n) { add_input(m, n, "at", 7, "", &(const int64_t){ 1 }, 8); }
static void half_row(Onnx__ModelProto *m, Onnx__NodeProto *n) { add_input(m, n, "by", 1, "2", (const float[]){ 0.5f, -2 }, 8); }
static void no_op(Onnx__ModelProto *m, Onnx__NodeProto *n) { (void)m, proto_int(n, "noop_with_empty_axes", 1); }

#define EXPECT_VALUES(opset, op, dims, more, ...)                                                                 \
	do {                                                                                                      \
		const float want_[] = { __VA_ARGS__ };                                                            \
		uint64_t n_;                                                                                      \
		float *y_ = one_node(opset, op, dims, more, &n_);                                                 \
														  \
		ck_assert_uint_eq(n_, ARRAY_SIZE(want_));                                                         \
		for (uint64_t i_ = 0; i_ < n_; i_++)                                                              \
			ck_assert_msg(fabsf(y_[i_] - want_[i_]) < 1e-6f, "%s in opset %d: element %d is %g", op, (int)(opset), (int)i_, (double)y_[i_]); \
		free(y_);                                                                                         \
	} while (0)

START_TEST(other_opsets)
{
	uint64_t none;
	const float e = 1 / (1 + expf(1) + expf(2) + expf(3)), p = 1 / (1 + expf(1));

	EXPECT_VALUES(6, "Clip", "6", clip_6, 2, 2, 2, 3, 3.5f, 3.5f);
	EXPECT_VALUES(10, "Clip", "6", clip_6_max, 0, 1, 2, 3, 3.5f, 3.5f);
	EXPECT_VALUES(10, "Pad", "2 2", pad_2, -1, -1, -1, -1, 0, 1, -1, -1, 2, 3, -1, -1);
	EXPECT_VALUES(11, "Squeeze", "1 2 1", axes_0, 0, 1);
	EXPECT_VALUES(12, "Unsqueeze", "2", axes_0, 0, 1);
	EXPECT_VALUES(10, "Dropout", "3", ratio, 0, 1, 2);
	EXPECT_VALUES(12, "Softmax", "1 2 2", axis_1, e, e * expf(1), e * expf(2), e * expf(3));
	EXPECT_VALUES(12, "Softmax", "1 2 2", NULL, e, e * expf(1), e * expf(2), e * expf(3));
	EXPECT_VALUES(13, "Softmax", "1 2 2", NULL, p, 1 - p, p, 1 - p);
	EXPECT_VALUES(12, "LogSoftmax", "1 2 2", axis_1, logf(e), logf(e) + 1, logf(e) + 2, logf(e) + 3);
	EXPECT_VALUES(13, "LogSoftmax", "1 2 2", NULL, logf(p), logf(1 - p), logf(p), logf(1 - p));
	EXPECT_VALUES(18, "ReduceMean", "2 2", axes_input, 1, 2);
	EXPECT_VALUES(18, "ReduceMean", "2 2", NULL, 1.5f);
	EXPECT_VALUES(18, "ReduceMean", "2 2", no_op, 0, 1, 2, 3);
	EXPECT_VALUES(1, "GlobalMaxPool", "1 2 3", NULL, 2, 5);
	EXPECT_VALUES(13, "Slice", "2 5", rows_and_back, 9, 7, 5);
	EXPECT_VALUES(11, "Slice", "2 5", far_back, 4, 9);
	EXPECT_VALUES(9, "Slice", "2 4", slice_1, 1, 2, 5, 6);
	EXPECT_VALUES(1, "Slice", "2 4", slice_1_first, 4, 5, 6, 7);
	EXPECT_VALUES(1, "Gather", "2 3", gather_row, 3, 4, 5);
	EXPECT_VALUES(11, "Gather", "2 3", gather_columns, 2, 2, 0, 0, 5, 5, 3, 3);
	EXPECT_VALUES(7, "Sub", "2 2", half_row, -0.5f, 3, 1.5f, 5);
	EXPECT_VALUES(13, "Div", "2 2", half_row, 0, -0.5f, 4, -1.5f);
	free(one_node(13, "Slice", "2 5", nothing_left, &none));
	ck_assert_uint_eq(none, 0);
	/* Five elements, one of padding, windows of two: the third ends at the padding. */
	EXPECT_VALUES(12, "MaxPool", "1 1 5", window_2, 1, 3, 4);
	EXPECT_VALUES(11, "AveragePool", "1 1 5", window_2, 0.5f, 2.5f, 4);
	EXPECT_VALUES(11, "AveragePool", "1 1 5", window_2_pads, 0.5f, 2.5f, 2);
	/* Four: the third would begin behind them. */
	EXPECT_VALUES(12, "MaxPool", "1 1 4", window_2, 1, 3);
}
END_TEST

/* Of integers: towards zero; 0 where ONNX says nothing, and no trap. */
START_TEST(whole_quotients)
{
	static const int32_t a[] = { 7, -7, 7, -7, INT32_MIN, INT32_MAX, 5, 0 }, b[] = { 2, 2, -2, -2, -1, -1, 0, 3 };
	static const int32_t want[] = { 3, -3, -3, 3, INT32_MIN, -INT32_MAX, 0, 0 };
	static const int types[] = { 6, 7, 3, 2 };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		Onnx__ModelProto *m = proto_new(14);
		int64_t a8[8], b8[8];
		int8_t a1[8], b1[8];
		struct nn_graph *g;
		uint64_t n;
		void *y;

		for (int k = 0; k < 8; k++) {
			a8[k] = a[k] == INT32_MIN ? INT64_MIN : a[k];
			b8[k] = b[k];
			a1[k] = types[i] == 2 ? (int8_t)abs(a[k] % 128) : a[k] == INT32_MIN ? INT8_MIN : (int8_t)(a[k] % 128);
			b1[k] = types[i] == 2 ? (int8_t)abs(b[k]) : (int8_t)b[k];
		}
		proto_input(m, "a", types[i], "8");
		proto_input(m, "b", types[i], "8");
		proto_node(m, "Div", "a b", "y");
		proto_output(m, "y");
		g = parse(m);
		y = eval(g, types[i] == 6 ? (const void *[]){ a, b } : types[i] == 7 ? (const void *[]){ a8, b8 } : (const void *[]){ a1, b1 }, &n);
		ck_assert_uint_eq(n, 8);
		for (int k = 0; k < 8; k++) {
			int64_t got = types[i] == 6 ? ((int32_t *)y)[k] : types[i] == 7 ? ((int64_t *)y)[k] : types[i] == 3 ? ((int8_t *)y)[k] : ((uint8_t *)y)[k];
			int64_t right = types[i] == 6 ? want[k] : types[i] == 7 ? (k == 4 ? INT64_MIN : want[k]) :
					types[i] == 3 ? (k == 4 ? INT8_MIN : a1[k] && b1[k] ? a1[k] / b1[k] : 0) : b1[k] ? (uint8_t)a1[k] / (uint8_t)b1[k] : 0;

			ck_assert_msg(got == right, "type %d, quotient %d: %lld instead of %lld", types[i], k, (long long)got, (long long)right);
		}
		nn_graph_free(g);
		proto_free(m);
		free(y);
	}
}
END_TEST

/* Rounding to even, saturation, and numbers that are none. */
START_TEST(quantisation)
{
	static const float x[] = { 0, 0.25f, 0.75f, 1.25f, -0.25f, -0.75f, 1e9f, -1e9f, INFINITY, -INFINITY, NAN, 63.2f };
	static const int8_t want[] = { 10, 10, 12, 12, 10, 8, 127, -128, 127, -128, -128, 127 };
	static const float scale = 0.5f;
	static const int8_t zero = 10;
	Onnx__ModelProto *m = proto_new(13);
	struct nn_graph *g;
	uint64_t n;
	int8_t *got;

	proto_input(m, "x", 1, "12");
	proto_constant(m, "s", 1, "", &scale, 4);
	proto_constant(m, "z", 3, "", &zero, 1);
	proto_node(m, "QuantizeLinear", "x s z", "y");
	proto_output(m, "y");
	g = parse(m);
	got = eval(g, (const void *[]){ x }, &n);
	for (uint64_t i = 0; i < n; i++)
		ck_assert_msg(got[i] == want[i], "%g becomes %d instead of %d", (double)x[i], got[i], want[i]);
	nn_graph_free(g);
	proto_free(m);
	free(got);
}
END_TEST

struct seen {
	uint32_t nr, stop_at;
	const struct nn_graph *g;
};

static int watch(void *ctx, uint32_t tensor, const void *value)
{
	struct seen *s = ctx;

	ck_assert_ptr_nonnull(value);
	ck_assert_ptr_null(s->g->tensors[tensor].data);
	return ++s->nr == s->stop_at;
}

START_TEST(samples_run_and_stop)
{
	for (unsigned i = 0; i < NN_SAMPLES; i++) {
		struct smartssd_error err = { "" };
		struct nn_graph *g = nn_sample(i);
		struct nn_values v;
		struct seen seen = { 0 };
		uint8_t *x = calloc(1, 1 << 16);
		uint32_t expected;

		ck_assert_msg(!nn_graph_finish(g, &err), "%s", err.text);
		seen.g = g;
		ck_assert_int_eq(nn_values_init(&v, g, false), 0);
		ck_assert_int_eq(nn_eval(&v, watch, &seen, &err), -EINVAL);
		ck_assert_ptr_nonnull(strstr(err.text, "has no value"));
		for (uint32_t k = 0; k < g->nr_inputs; k++)
			v.value[g->inputs[k]] = x;
		seen.nr = 0;
		ck_assert_msg(!nn_eval(&v, watch, &seen, &err), "%s", err.text);
		expected = g->nr_inputs + g->nr_nodes;
		ck_assert_uint_eq(seen.nr, expected);
		/* only outputs are left */
		for (uint32_t t = 0; t < g->nr_tensors; t++)
			ck_assert_msg(v.owned[t] == (g->tensors[t].is_output && g->tensors[t].producer != NN_NOWHERE), "%s", g->tensors[t].name);
		for (uint32_t stop = 1; stop <= expected; stop++) {
			seen = (struct seen){ 0, stop, g };
			ck_assert_int_eq(nn_eval(&v, watch, &seen, &err), -ECANCELED);
		}
		nn_values_free(&v);
		nn_graph_free(g);
		free(x);
	}
}
END_TEST

static void fill(TCase *t)
{
	tcase_add_test(t, qlinear_conv_is_the_reference);
	tcase_add_test(t, conv_is_the_definition);
	tcase_add_test(t, products_are_the_definition);
	tcase_add_test(t, broadcasting);
	tcase_add_test(t, other_opsets);
	tcase_add_test(t, whole_quotients);
	tcase_add_test(t, quantisation);
	tcase_add_test(t, samples_run_and_stop);
}

int main(void)
{
	random_seed("nn eval");
	return run_suite("nn_eval", fill);
}
