// SPDX-License-Identifier: BSD-2-Clause
/* Reading, building and writing graphs: what is wrong with a model is said, by name; what is right survives a round trip. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../runtime/runtime_test.h"
#include "proto.h"
#include "sample.h"

#define BAD	-EBADMSG
#define NOT	-EOPNOTSUPP
#define BIG	-EFBIG

static const float ones[64] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
static const int64_t zeros[16];

/* x [1 2 6 6] -> Conv -> c [1 2 4 4] -> Relu -> y */
static Onnx__ModelProto *base(void)
{
	Onnx__ModelProto *m = proto_new(13);

	proto_input(m, "x", 1, "1 2 6 6");
	proto_constant(m, "w", 1, "2 2 3 3", ones, 144);
	proto_constant(m, "b", 1, "2", ones, 8);
	proto_ints(proto_node(m, "Conv", "x w b", "c"), "kernel_shape", "3 3");
	proto_node(m, "Relu", "c", "y");
	proto_output(m, "y");
	return m;
}

#define G    (m->graph)
#define CONV (m->graph->node[0])
#define RELU (m->graph->node[1])
#define W    (m->graph->initializer[0])
#define X    (m->graph->input[0])

static void no_ir(Onnx__ModelProto *m) { m->has_ir_version = 0; }
static void no_opset(Onnx__ModelProto *m) { proto_set(&m->opset_import[0]->domain, "elsewhere"); }
static void opset_22(Onnx__ModelProto *m) { m->opset_import[0]->version = 22; }
static void opset_0(Onnx__ModelProto *m) { m->opset_import[0]->version = 0; }
static void relu_5(Onnx__ModelProto *m) { m->opset_import[0]->version = 5; }
static void unknown(Onnx__ModelProto *m) { proto_set(&RELU->op_type, "Resize"); }
static void foreign(Onnx__ModelProto *m) { proto_set(&RELU->domain, "com.microsoft"); }
static void nasty(Onnx__ModelProto *m) { proto_set(&RELU->op_type, "Res\033[2Jize"); }
static void cycle(Onnx__ModelProto *m) { proto_set(&CONV->input[0], "y"); }
static void twice(Onnx__ModelProto *m) { proto_set(&RELU->output[0], "c"); }
static void over_input(Onnx__ModelProto *m) { proto_set(&RELU->output[0], "x"); }
static void over_constant(Onnx__ModelProto *m) { proto_set(&RELU->output[0], "w"); }
static void missing(Onnx__ModelProto *m) { proto_set(&CONV->input[0], "nothing"); }
static void same_constant(Onnx__ModelProto *m) { proto_set(&G->initializer[1]->name, "w"); }
static void same_input(Onnx__ModelProto *m) { proto_input(m, "x", 1, "1"); }
static void nameless_constant(Onnx__ModelProto *m) { proto_set(&W->name, ""); }
static void nameless_input(Onnx__ModelProto *m) { proto_set(&X->name, ""); }
static void external(Onnx__ModelProto *m) { W->has_data_location = 1, W->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL; }
static void short_data(Onnx__ModelProto *m) { W->raw_data.len = 143; }
static void long_dim(Onnx__ModelProto *m) { W->dims[0] = 1 << 20; }
static void huge_dim(Onnx__ModelProto *m) { W->dims[0] = 1 << 30; }
static void overflow(Onnx__ModelProto *m) { W->dims[0] = 1ll << 32, W->dims[1] = 1ll << 32; }
static void negative_dim(Onnx__ModelProto *m) { W->dims[0] = -2; }
static void many_dims(Onnx__ModelProto *m) { proto_constant(m, "d", 1, "1 1 1 1 1 1 1 1 1", ones, 4); }
static void half_data(Onnx__ModelProto *m) { W->data_type = 10; }
static void double_data(Onnx__ModelProto *m) { proto_constant(m, "b8", 11, "2", ones, 16), proto_set(&CONV->input[2], "b8"); }
static void double_output(Onnx__ModelProto *m)
{
	static const double half = 0.5;

	proto_constant(m, "d", 11, "", &half, 8);
	proto_node(m, "Identity", "d", "e");
	proto_output(m, "e");
}
static void double_input(Onnx__ModelProto *m) { proto_input(m, "d", 11, "1"); }
static void type_99(Onnx__ModelProto *m) { W->data_type = 99; }
static void segment(Onnx__ModelProto *m)
{
	W->segment = malloc(sizeof(*W->segment));
	onnx__tensor_proto__segment__init(W->segment);
}
static void two_kinds(Onnx__ModelProto *m)
{
	W->n_float_data = 36;
	W->float_data = malloc(sizeof(ones));
	memcpy(W->float_data, ones, sizeof(ones));
}
static void other_kind(Onnx__ModelProto *m)
{
	two_kinds(m);
	W->data_type = 7;
	W->has_raw_data = 0;
}
static void no_byte(Onnx__ModelProto *m)
{
	Onnx__TensorProto *t = proto_constant(m, "q", 2, "1", ones, 0);

	t->has_raw_data = 0;
	t->n_int32_data = 1;
	t->int32_data = calloc(1, 4);
	t->int32_data[0] = 256;
}
static void sparse(Onnx__ModelProto *m)
{
	G->sparse_initializer = malloc(sizeof(*G->sparse_initializer));
	G->sparse_initializer[0] = malloc(sizeof(**G->sparse_initializer));
	onnx__sparse_tensor_proto__init(G->sparse_initializer[0]);
	G->n_sparse_initializer = 1;
}
static void no_type(Onnx__ModelProto *m)
{
	onnx__type_proto__free_unpacked(X->type, NULL);
	X->type = NULL;
}
static void no_shape(Onnx__ModelProto *m)
{
	onnx__tensor_shape_proto__free_unpacked(X->type->tensor_type->shape, NULL);
	X->type->tensor_type->shape = NULL;
}
static void half_input(Onnx__ModelProto *m) { X->type->tensor_type->elem_type = 10; }
static void free_height(Onnx__ModelProto *m) { proto_input(m, "z", 1, "1 2 height 6"); }
static void negative_input(Onnx__ModelProto *m) { X->type->tensor_type->shape->dim[2]->dim_value = -6; }
static void huge_input(Onnx__ModelProto *m) { X->type->tensor_type->shape->dim[2]->dim_value = 1ll << 40; }
static void no_output(Onnx__ModelProto *m)
{
	onnx__value_info_proto__free_unpacked(G->output[0], NULL);
	G->n_output = 0;
}
static void strange_output(Onnx__ModelProto *m) { proto_output(m, "strange"); }
static void unmade_output(Onnx__ModelProto *m) { proto_node(m, "Relu", "unmade", "z"), proto_output(m, "unmade"); }
static void strange_attribute(Onnx__ModelProto *m) { proto_int(CONV, "colour", 3); }
static void wrong_attribute(Onnx__ModelProto *m) { proto_float(CONV, "group", 1); }
static void empty_attribute(Onnx__ModelProto *m) { proto_int(CONV, "group", 1)->has_i = 0; }
static void attribute_twice(Onnx__ModelProto *m) { proto_int(CONV, "group", 1), proto_int(CONV, "group", 1); }
static void reference(Onnx__ModelProto *m) { proto_set(&proto_int(CONV, "group", 1)->ref_attr_name, "g"); }
static void stride_0(Onnx__ModelProto *m) { proto_ints(CONV, "strides", "0 1"); }
static void stride_3d(Onnx__ModelProto *m) { proto_ints(CONV, "strides", "1 1 1"); }
static void pads_negative(Onnx__ModelProto *m) { proto_ints(CONV, "pads", "0 0 -1 0"); }
static void dilated(Onnx__ModelProto *m) { proto_ints(CONV, "dilations", "3 3"); }
static void dilated_far(Onnx__ModelProto *m) { proto_ints(CONV, "dilations", "9223372036854775807 1"); }
static void kernel_5(Onnx__ModelProto *m) { CONV->attribute[0]->ints[1] = 5; }
static void groups(Onnx__ModelProto *m) { proto_int(CONV, "group", 3); }
static void group_0(Onnx__ModelProto *m) { proto_int(CONV, "group", 0); }
static void padding_word(Onnx__ModelProto *m) { proto_text(CONV, "auto_pad", "SAME"); }
static void bias_3(Onnx__ModelProto *m) { proto_constant(m, "b3", 1, "3", ones, 12), proto_set(&CONV->input[2], "b3"); }
static void byte_weights(Onnx__ModelProto *m) { proto_constant(m, "w8", 2, "2 2 3 3", ones, 36), proto_set(&CONV->input[1], "w8"); }
static void no_weights(Onnx__ModelProto *m) { proto_set(&CONV->input[1], ""); }
static void three_inputs(Onnx__ModelProto *m) { proto_node(m, "Add", "c c c", "s"), proto_output(m, "s"); }
static void one_input(Onnx__ModelProto *m) { proto_node(m, "Add", "c", "s"), proto_output(m, "s"); }
static void no_broadcast(Onnx__ModelProto *m) { proto_node(m, "Add", "c x", "s"), proto_output(m, "s"); }
static void add_types(Onnx__ModelProto *m) { proto_input(m, "u", 2, "1"), proto_node(m, "Add", "c u", "s"), proto_output(m, "s"); }
static void indices(Onnx__ModelProto *m)
{
	proto_ints(proto_node(m, "MaxPool", "c", "p where"), "kernel_shape", "2 2");
	proto_output(m, "p");
	proto_output(m, "where");
}
static void no_kernel(Onnx__ModelProto *m) { proto_node(m, "MaxPool", "c", "p"), proto_output(m, "p"); }
static void padded_pool(Onnx__ModelProto *m)
{
	Onnx__NodeProto *n = proto_node(m, "MaxPool", "c", "p");

	proto_ints(n, "kernel_shape", "2 2");
	proto_ints(n, "pads", "2 0 0 0");
	proto_output(m, "p");
}
static void training(Onnx__ModelProto *m) { m->opset_import[0]->version = 15, proto_int(proto_node(m, "BatchNormalization", "c b b b b", "n"), "training_mode", 1); }
static void norm_channels(Onnx__ModelProto *m) { proto_node(m, "BatchNormalization", "x b b b w", "n"), proto_output(m, "n"); }
static void reflect(Onnx__ModelProto *m) { proto_text(proto_node(m, "Pad", "c w", "p"), "mode", "reflect"); }
static void pads_8(Onnx__ModelProto *m) { proto_constant(m, "six", 7, "6", zeros, 48), proto_node(m, "Pad", "c six", "p"), proto_output(m, "p"); }
static void live_shape(Onnx__ModelProto *m) { proto_input(m, "to", 7, "2"), proto_node(m, "Reshape", "c to", "r"), proto_output(m, "r"); }
static void bad_reshape(Onnx__ModelProto *m)
{
	static const int64_t shape[] = { 5, -1 };

	proto_constant(m, "to", 7, "2", shape, 16);
	proto_node(m, "Reshape", "c to", "r");
	proto_output(m, "r");
}
static void perm(Onnx__ModelProto *m) { proto_ints(proto_node(m, "Transpose", "c", "t"), "perm", "0 1 1 3"), proto_output(m, "t"); }
static void axis_9(Onnx__ModelProto *m) { proto_int(proto_node(m, "Softmax", "c", "t"), "axis", 9), proto_output(m, "t"); }
static void concat_axis(Onnx__ModelProto *m) { proto_node(m, "Concat", "c c", "t"), proto_output(m, "t"); }
static void concat(Onnx__ModelProto *m) { proto_int(proto_node(m, "Concat", "c x", "t"), "axis", 1), proto_output(m, "t"); }
static void gemm(Onnx__ModelProto *m) { proto_input(m, "a", 1, "2 3"), proto_node(m, "Gemm", "a a", "t"), proto_output(m, "t"); }
static void to_double(Onnx__ModelProto *m) { proto_int(proto_node(m, "Cast", "c", "t"), "to", 11); }
static void clip_live(Onnx__ModelProto *m) { proto_input(m, "lo", 1, ""), proto_node(m, "Clip", "c lo", "t"), proto_output(m, "t"); }
static void unsqueeze_9(Onnx__ModelProto *m)
{
	proto_constant(m, "axes", 7, "5", zeros, 40);
	proto_node(m, "Unsqueeze", "c axes", "t");
	proto_output(m, "t");
}
static void no_axes(Onnx__ModelProto *m) { proto_node(m, "Unsqueeze", "c", "t"); }
static void gather_live(Onnx__ModelProto *m) { proto_input(m, "at", 7, "2"), proto_node(m, "Gather", "c at", "t"), proto_output(m, "t"); }
static void gather_behind(Onnx__ModelProto *m)
{
	static const int64_t at[] = { -2, 2 };

	proto_constant(m, "at", 7, "2", at, 16);
	proto_int(proto_node(m, "Gather", "c at", "t"), "axis", 1);
	proto_output(m, "t");
}
static void gather_many(Onnx__ModelProto *m)
{
	int64_t *at = calloc(65537, sizeof(*at));

	proto_constant(m, "at", 7, "65537", at, 65537 * sizeof(*at));
	proto_int(proto_node(m, "Gather", "c at", "t"), "axis", 1);
	proto_output(m, "t");
	free(at);
}
static void slice(Onnx__ModelProto *m, const char *starts, const char *axes, int64_t step)
{
	const int64_t steps[] = { step, step };

	proto_constant(m, "start", 7, starts, zeros, 16);
	proto_constant(m, "axis", 7, axes, zeros, 16);
	proto_constant(m, "step", 7, "2", steps, 16);
	proto_node(m, "Slice", "c start start axis step", "t");
	proto_output(m, "t");
}
static void slice_step_0(Onnx__ModelProto *m) { slice(m, "2", "2", 0); }
static void slice_twice(Onnx__ModelProto *m) { slice(m, "2", "2", 1); }
static void slice_axes(Onnx__ModelProto *m) { slice(m, "2", "1 2", 1); }
static void shape_negative(Onnx__ModelProto *m)
{
	static const int64_t shape[] = { -3 };

	proto_constant(m, "to", 7, "1", shape, 8);
	proto_node(m, "ConstantOfShape", "to", "t");
	proto_output(m, "t");
}
static void shape_huge(Onnx__ModelProto *m)
{
	static const int64_t shape[] = { 1ll << 40 };

	proto_constant(m, "to", 7, "1", shape, 8);
	proto_node(m, "ConstantOfShape", "to", "t");
	proto_output(m, "t");
}
static void huge_result(Onnx__ModelProto *m)
{
	proto_input(m, "row", 1, "1 65536");
	proto_input(m, "column", 1, "65536 1");
	proto_node(m, "Add", "row column", "t");
	proto_output(m, "t");
}

static const struct {
	void (*change)(Onnx__ModelProto *m);
	int code;
	const char *words;
} wrong[] = {
	{ no_ir, BAD, "IR version" },
	{ no_opset, BAD, "does not say which opset" },
	{ opset_22, NOT, "opset 22 is not supported" },
	{ opset_0, BAD, "opset 0" },
	{ relu_5, NOT, "Relu 'the node': its meaning in opset 5" },
	{ unknown, NOT, "Resize 'the node': operator Resize is not supported" },
	{ foreign, NOT, "com.microsoft.Relu" },
	{ nasty, NOT, "Res?[2Jize" },
	{ cycle, BAD, "depends on its own output" },
	{ twice, BAD, "Relu 'the node': its output 'c' is also" },
	{ over_input, BAD, "its output 'x' is also an input" },
	{ over_constant, BAD, "its output 'w' is also an input, a constant" },
	{ missing, BAD, "its input 'nothing' is neither" },
	{ same_constant, BAD, "two initializers 'w'" },
	{ same_input, BAD, "two inputs 'x'" },
	{ nameless_constant, BAD, "initializer 0 has no name" },
	{ nameless_input, BAD, "input 0 of the model has no name" },
	{ external, NOT, "initializer 'w': its data is in another file" },
	{ short_data, BAD, "144 bytes, but 143 bytes" },
	{ long_dim, BAD, "initializer 'w': its shape and type have" },
	{ huge_dim, BIG, "initializer 'w': it has more than" },
	{ overflow, BIG, "initializer 'w': it has more than" },
	{ negative_dim, BAD, "initializer 'w': it has a negative dimension" },
	{ many_dims, BIG, "it has 9 dimensions" },
	{ half_data, NOT, "its type is float16" },
	{ double_data, NOT, "input 2 'b8' is double; supported: float" },
	{ double_output, NOT, "tensor 'e' is double, which only constants may be that are cast" },
	{ double_input, NOT, "input 'd' is double" },
	{ type_99, NOT, "does not know" },
	{ segment, NOT, "segments" },
	{ two_kinds, BAD, "or of two" },
	{ other_kind, BAD, "of another type than int64" },
	{ no_byte, BAD, "element 0 is 256, which is no uint8" },
	{ sparse, NOT, "sparse" },
	{ no_type, BAD, "input 'x' has no type" },
	{ no_shape, NOT, "input 'x' has no shape" },
	{ half_input, NOT, "input 'x' is float16" },
	{ free_height, NOT, "dimension 2 ('height') of the model's input 'z'" },
	{ negative_input, BAD, "input 'x' has a negative dimension" },
	{ huge_input, BIG, "input 'x' has more than" },
	{ no_output, BAD, "no output" },
	{ strange_output, BAD, "output 'strange' is made by no node" },
	{ unmade_output, BAD, "'unmade'" },
	{ strange_attribute, NOT, "Conv 'the node': attribute 'colour' is not supported" },
	{ wrong_attribute, BAD, "attribute group is of the wrong type" },
	{ empty_attribute, BAD, "attribute group has no integer" },
	{ attribute_twice, BAD, "attribute group is there twice" },
	{ reference, NOT, "refers to a function's" },
	{ stride_0, BAD, "strides has the entry 0" },
	{ stride_3d, BAD, "strides has 3 entries" },
	{ pads_negative, BAD, "pads 0 to" },
	{ dilated, BAD, "the kernel spans 7 of 6 rows" },
	{ dilated_far, BAD, "must be 1 to" },
	{ kernel_5, BAD, "kernel_shape[1] is 5, the weights' 3" },
	{ groups, BAD, "do not fit 3 groups" },
	{ group_0, BAD, "attribute group is 0" },
	{ padding_word, BAD, "auto_pad" },
	{ bias_3, BAD, "its bias 'b3' must have" },
	{ byte_weights, NOT, "input 1 'w8' is uint8; supported: float" },
	{ no_weights, BAD, "input 1 is left out" },
	{ three_inputs, BAD, "3 inputs; the operator has 2 to 2" },
	{ one_input, BAD, "1 inputs; the operator has 2 to 2" },
	{ no_broadcast, BAD, "shapes [1,2,4,4] and [1,2,6,6] do not broadcast" },
	{ add_types, BAD, "its inputs are float and uint8" },
	{ indices, NOT, "second output Indices 'where'" },
	{ no_kernel, BAD, "kernel_shape is missing" },
	{ padded_pool, BAD, "windows of padding only" },
	{ training, NOT, "training is not supported" },
	{ norm_channels, BAD, "input 4 'w' must have one element" },
	{ reflect, NOT, "its mode is reflect" },
	{ pads_8, BAD, "6 pads for 4 dimensions" },
	{ live_shape, NOT, "its shape 'to' is computed while the network runs" },
	{ bad_reshape, BAD, "cannot become" },
	{ perm, BAD, "no permutation" },
	{ axis_9, BAD, "axis 9 does not exist" },
	{ concat_axis, BAD, "attribute axis is missing" },
	{ concat, BAD, "dimension 2 of input 1 'x' is 6, of the first 4" },
	{ gemm, BAD, "A has 3 columns, B 2 rows" },
	{ to_double, NOT, "casts to double" },
	{ clip_live, NOT, "its minimum 'lo' is computed" },
	{ unsqueeze_9, BIG, "more than 8 dimensions" },
	{ no_axes, BAD, "input axes is missing" },
	{ gather_live, NOT, "its indices 'at' are computed while the network runs" },
	{ gather_behind, BAD, "index 2 does not exist: dimension 1 is 2" },
	{ gather_many, BIG, "its indices 'at' are more than 65536" },
	{ slice_step_0, BAD, "the step of axis 0 is 0" },
	{ slice_twice, BAD, "axis 0 is named twice" },
	{ slice_axes, BAD, "its axes 'axis' must be a list" },
	{ shape_negative, BAD, "negative dimension" },
	{ shape_huge, BIG, "ConstantOfShape 'the node': its output 't' would have more than" },
	{ huge_result, BIG, "Add 'the node': its output 't' would have more than" },
};

START_TEST(wrong_models)
{
	struct smartssd_error err = { "" };
	Onnx__ModelProto *m = base();
	struct nn_graph *g;
	int ret = proto_parse(m, 0, &g, &err);

	proto_free(m);
	ck_assert_msg(!ret, "%s", err.text);
	ck_assert_uint_eq(g->nr_nodes, 2);
	nn_graph_free(g);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		m = base();
		wrong[i].change(m);
		ret = proto_parse(m, 0, &g, &err);
		proto_free(m);
		ck_assert_msg(ret == wrong[i].code && strstr(err.text, wrong[i].words), "case %zu: %d '%s' instead of %d '%s'", i, ret, err.text, wrong[i].code,
			      wrong[i].words);
		ck_assert_ptr_null(g);
	}
}
END_TEST

/* All that are not supported at once: a line each, with operator, name and what is to be done; at most ten. */
START_TEST(unsupported_nodes)
{
	static const char *const ops[] = { "Resize", "HardSwish", "LSTM" };
	struct smartssd_error err = { "" };
	struct nn_graph *g;

	for (uint32_t nr = 2; nr <= 13; nr += 11) {
		Onnx__ModelProto *m = base();
		uint32_t lines = 0;
		char text[160];

		for (uint32_t i = 0; i < nr; i++) {
			Onnx__NodeProto *n;

			snprintf(text, sizeof(text), "t%u", i);
			n = proto_node(m, ops[i % 3], "x", text);
			snprintf(text, sizeof(text), "up\n%u", i);
			proto_set(&n->name, text);
		}
		ck_assert_int_eq(proto_parse(m, 0, &g, &err), NOT);
		proto_free(m);
		for (const char *p = err.text; (p = strchr(p, '\n')); p++)
			lines++;
		snprintf(text, sizeof(text), "%u nodes of the model are not supported:\n  Resize 'up?0': operator Resize is not supported; export", nr);
		ck_assert_msg(!strncmp(err.text, text, strlen(text)), "%s", err.text);
		ck_assert_msg(lines == (nr > 10 ? 11 : nr) && strstr(err.text, "\n  HardSwish 'up?1': "), "%s", err.text);
		ck_assert_msg(!strstr(err.text, "and 3 more") == (nr == 2), "%s", err.text);
	}
}
END_TEST

static void expect(const void *data, size_t bytes, int code, const char *words)
{
	struct smartssd_error err = { "" };
	struct nn_graph *g;
	int ret = nn_graph_parse(data, bytes, 0, &g, &err);

	ck_assert_msg(ret == code && strstr(err.text, words), "%d '%s' instead of %d '%s'", ret, err.text, code, words);
	ck_assert_ptr_null(g);
}

START_TEST(wrong_bytes)
{
	static const char text[] = "this is no model\n";
	size_t bytes;
	uint8_t *data = nn_sample_bytes(0, &bytes), *more;
	struct nn_graph *g;

	expect(data, 0, BAD, "no graph");
	expect(text, sizeof(text) - 1, BAD, "not an ONNX model");
	/* No prefix is a model, except where only metadata is missing. */
	for (size_t n = 0; n < bytes; n++) {
		uint8_t *part = malloc(n + 1);
		int ret;

		memcpy(part, data, n);
		ret = nn_graph_parse(part, n, 0, &g, NULL);
		ck_assert(ret == BAD || !ret);
		ck_assert(ret || n + 32 > bytes);
		nn_graph_free(g);
		free(part);
	}
	/* protobuf would merge two graphs */
	more = malloc(2 * bytes);
	memcpy(more, data, bytes);
	memcpy(more + bytes, data, bytes);
	expect(more, 2 * bytes, BAD, "has its 'graph' twice");
	free(more);
	free(data);
}
END_TEST

/* model.graph.node.attribute.g.node.attribute.g...: so many messages, each in the other. */
static uint8_t *nest(size_t levels, size_t *bytes)
{
	size_t room = levels * 6 + 16;
	uint8_t *data = malloc(room), *at = data + room;

	for (size_t i = levels; i-- > 0;) {
		size_t length = (size_t)(data + room - at);
		uint8_t varint[10];
		size_t n = 0;

		do
			varint[n++] = (uint8_t)((length & 127) | (length > 127 ? 128 : 0));
		while ((length >>= 7));
		at -= n;
		memcpy(at, varint, n);
		*--at = i == 0 ? 7 << 3 | 2 : i % 3 == 1 ? 1 << 3 | 2 : i % 3 == 2 ? 5 << 3 | 2 : 6 << 3 | 2;
	}
	*bytes = (size_t)(data + room - at);
	memmove(data, at, *bytes);
	return data;
}

START_TEST(hostile_bytes)
{
	uint8_t *data, *at;
	size_t bytes, n;

	data = nest(120000, &bytes);
	expect(data, bytes, BIG, "nested deeper than");
	free(data);

	/* two bytes each: an empty opset_import */
	n = 2000000;
	data = malloc(2 * n);
	for (at = data; at < data + 2 * n; at += 2) {
		at[0] = 8 << 3 | 2;
		at[1] = 0;
	}
	expect(data, 2 * n, BIG, "more (empty) parts");
	free(data);
}
END_TEST

START_TEST(folding_is_limited)
{
	struct smartssd_error err = { "" };
	Onnx__ModelProto *m = proto_new(13);
	float *data = calloc(8192, sizeof(*data));
	struct nn_graph *g;

	proto_constant(m, "row", 1, "1 8192", data, 32768);
	proto_constant(m, "column", 1, "8192 1", data, 32768);
	proto_node(m, "Add", "row column", "small"); /* 256 MiB */
	proto_node(m, "Add", "row row", "twice");
	proto_output(m, "small");
	proto_output(m, "twice");
	ck_assert_msg(!proto_parse(m, 0, &g, &err), "%s", err.text);
	ck_assert_uint_eq(g->nr_nodes, 1);
	ck_assert_ptr_null(g->tensors[g->outputs[0]].data);
	ck_assert_ptr_nonnull(g->tensors[g->outputs[1]].data);
	nn_graph_free(g);
	proto_free(m);
	free(data);
}
END_TEST

START_TEST(shapes_and_constants_fold)
{
	struct smartssd_error err = { "" };
	Onnx__ModelProto *m = proto_new(13);
	static const int64_t rest[] = { -1 };
	struct nn_graph *g;
	uint32_t y;

	proto_input(m, "x", 1, "batch 3 4 5");
	proto_constant(m, "rest", 7, "1", rest, 8);
	proto_constant(m, "q", 3, "2 2", rest, 4);
	proto_constant(m, "s", 1, "", ones, 4);
	/* deliberately in the wrong order */
	proto_node(m, "Reshape", "x shape", "y");
	proto_int(proto_node(m, "Concat", "first rest", "shape"), "axis", 0);
	proto_int(proto_node(m, "Shape", "x", "whole"), "end", 1);
	proto_node(m, "Identity", "whole", "first");
	proto_node(m, "DequantizeLinear", "q s", "weight");
	proto_node(m, "Relu", "x", "unused");
	proto_output(m, "y");
	proto_output(m, "weight");
	m->opset_import[0]->version = 15;
	ck_assert_msg(!proto_parse(m, 7, &g, &err), "%s", err.text);
	ck_assert_uint_eq(g->nr_nodes, 2);
	ck_assert_int_eq(g->nodes[0].op, NN_RESHAPE);
	ck_assert_int_eq(g->nodes[1].op, NN_DEQUANTIZE);
	y = g->outputs[0];
	ck_assert_uint_eq(g->tensors[y].dims.n, 2);
	ck_assert_int_eq(g->tensors[y].dims.d[0], 7);
	ck_assert_int_eq(g->tensors[y].dims.d[1], 60);
	ck_assert_uint_eq(nn_graph_find(g, "unused"), NN_NOWHERE);
	ck_assert_uint_eq(nn_graph_find(g, "x"), g->inputs[0]);
	ck_assert_uint_eq(nn_graph_users(g, g->inputs[0], NULL, 0), 1);
	nn_graph_free(g);
	proto_free(m);
}
END_TEST

/*
 * As PyTorch exports x.view(x.size(0), -1), clamp(min=...) and ZeroPad2d: the shape is computed, a bound is a double, pads are turned round and
 * filled up. With the input's shape known nothing of that is left.
 */
START_TEST(exported_chains_fold)
{
	static const int64_t zero = 0, rest[] = { -1 }, pads[] = { 1, 2, 3, 0 }, four[] = { 4 }, pairs[] = { -1, 2 }, last[] = { -1 }, first[] = { INT64_MIN };
	static const double low = 0.1;

	for (int64_t opset = 10; opset <= 17; opset++) {
		struct smartssd_error err = { "" };
		Onnx__ModelProto *m = proto_new(opset);
		struct nn_graph *g;
		uint32_t y;

		proto_input(m, "x", 1, "N 2 3 4");
		proto_constant(m, "zero", 7, "", &zero, 8);
		proto_constant(m, "axis", 7, "1", &zero, 8);
		proto_constant(m, "rest", 7, "1", rest, 8);
		proto_node(m, "Shape", "x", "shape");
		proto_int(proto_node(m, "Gather", "shape zero", "batch"), "axis", 0);
		if (opset < 13)
			proto_ints(proto_node(m, "Unsqueeze", "batch", "list"), "axes", "0");
		else
			proto_node(m, "Unsqueeze", "batch axis", "list");
		proto_int(proto_node(m, "Concat", "list rest", "to"), "axis", 0);
		proto_node(m, "Reshape", "x to", "flat");
		if (opset < 11) {
			proto_float(proto_node(m, "Clip", "flat", "y"), "min", 0.1f);
		} else {
			proto_constant(m, "low", 11, "", &low, 8);
			proto_int(proto_node(m, "Cast", "low", "bound"), "to", 1);
			proto_node(m, "Clip", "flat bound", "y");
		}
		proto_output(m, "y");
		proto_constant(m, "pads", 7, "4", pads, 32);
		proto_constant(m, "four", 7, "1", four, 8);
		proto_constant(m, "pairs", 7, "2", pairs, 16);
		proto_constant(m, "last", 7, "1", last, 8);
		proto_constant(m, "first", 7, "1", first, 8);
		if (opset >= 11) {
			proto_tensor(proto_node(m, "ConstantOfShape", "four", "more"), "value", 7, &zero, 8);
			proto_int(proto_node(m, "Concat", "pads more", "all"), "axis", 0);
			proto_node(m, "Reshape", "all pairs", "turned");
			proto_node(m, "Slice", "turned last first axis rest", "back");
			proto_ints(proto_node(m, "Transpose", "back", "columns"), "perm", "1 0");
			proto_node(m, "Reshape", "columns rest", "row");
			proto_int(proto_node(m, "Cast", "row", "whole"), "to", 7);
			proto_node(m, "Pad", "x whole", "z");
			proto_output(m, "z");
		}
		ck_assert_msg(!proto_parse(m, 5, &g, &err), "opset %d: %s", (int)opset, err.text);
		ck_assert_uint_eq(g->nr_nodes, opset < 11 ? 2 : 3);
		y = g->outputs[0];
		ck_assert(g->tensors[y].dims.n == 2 && g->tensors[y].dims.d[0] == 5 && g->tensors[y].dims.d[1] == 24);
		for (uint32_t n = 0; n < g->nr_nodes; n++)
			if (g->nodes[n].op == NN_CLIP)
				ck_assert(g->nodes[n].attrs.has_lo && g->nodes[n].attrs.lo == 0.1f && !g->nodes[n].attrs.has_hi);
		if (opset >= 11) {
			y = g->outputs[1];
			/* Columns 1 before and 2 behind, rows 3 before. */
			ck_assert(g->tensors[y].dims.d[0] == 5 && g->tensors[y].dims.d[1] == 2 && g->tensors[y].dims.d[2] == 6 &&
				  g->tensors[y].dims.d[3] == 7);
		}
		nn_graph_free(g);
		proto_free(m);
	}
}
END_TEST

/* Before IR version 4 initializers are inputs, too; some exporters say -1 where they do not know the batch. */
START_TEST(old_inputs)
{
	struct smartssd_error err = { "" };
	Onnx__ModelProto *m = base();
	struct nn_graph *g;

	m->ir_version = 3;
	proto_input(m, "w", 1, "2 2 3 3");
	proto_input(m, "b", 1, "2");
	X->type->tensor_type->shape->dim[0]->dim_value = -1;
	ck_assert_msg(!proto_parse(m, 6, &g, &err), "%s", err.text);
	ck_assert_uint_eq(g->nr_inputs, 1);
	ck_assert_int_eq(g->tensors[g->inputs[0]].dims.d[0], 6);
	ck_assert_ptr_nonnull(g->tensors[g->nodes[0].in[1]].data);
	nn_graph_free(g);
	proto_free(m);
}
END_TEST

/* What builders give as attributes goes to a file as constants; bounds that the type has anyway are left out. */
START_TEST(clip_bounds_are_written)
{
	static const enum nn_type types[] = { NN_F4, NN_I4, NN_U1, NN_I1 };
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct smartssd_error err = { "" };
		struct nn_attrs a = { .has_lo = true, .has_hi = true, .lo = -3e38f, .hi = 3e38f };
		struct nn_dims d = { 1, { 4 } };
		struct nn_graph *g = nn_graph_new("g"), *h;
		uint32_t x = nn_graph_add_tensor(g, "x", types[i], &d), y = nn_graph_add_tensor(g, "y", NN_NONE, NULL);
		size_t bytes;
		void *data;

		ck_assert(!nn_graph_add_input(g, x) && !nn_graph_add_output(g, y));
		ck_assert_uint_ne(nn_graph_add_node(g, NN_CLIP, "clip", &x, 1, &y, 1, &a), NN_NOWHERE);
		ck_assert_msg(!nn_graph_finish(g, &err) && !nn_graph_serialize(g, &data, &bytes, &err), "%s", err.text);
		ck_assert_msg(!nn_graph_parse(data, bytes, 0, &h, &err), "%s", err.text);
		ck_assert(h->nodes[0].attrs.has_lo == (types[i] == NN_F4) && h->nodes[0].attrs.has_hi == (types[i] == NN_F4));
		if (types[i] == NN_F4)
			ck_assert(h->nodes[0].attrs.lo == -3e38f && h->nodes[0].attrs.hi == 3e38f);
		nn_graph_free(h);
		nn_graph_free(g);
		free(data);
	}
}
END_TEST

START_TEST(files)
{
	char folder[] = "/tmp/nn-test-XXXXXX", path[64], text[96];
	struct smartssd_error err = { "" };
	struct nn_graph *g = nn_sample(0), *h;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/a.onnx", folder);
	ck_assert_int_eq(nn_graph_load(path, 0, &h, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.text, path));
	ck_assert_int_eq(nn_graph_load(folder, 0, &h, &err), -EOPNOTSUPP);
	ck_assert_msg(!nn_graph_finish(g, &err), "%s", err.text);
	ck_assert_msg(!nn_graph_save(g, path, &err), "%s", err.text);
	ck_assert_msg(!nn_graph_load(path, 0, &h, &err), "%s", err.text);
	ck_assert_uint_eq(h->nr_nodes, 20); /* the flat Softmax became three nodes */
	ck_assert_str_eq(nn_graph_meta(h, "sample"), "yes");
	ck_assert_ptr_null(nn_graph_meta(h, "other"));
	nn_graph_free(h);

	fd = open(path, O_WRONLY | O_TRUNC);
	ck_assert_int_eq(write(fd, "damaged", 7), 7);
	close(fd);
	ck_assert_int_eq(nn_graph_load(path, 0, &h, &err), BAD);
	snprintf(text, sizeof(text), "%s: not an ONNX", path);
	ck_assert_ptr_nonnull(strstr(err.text, text));
	snprintf(text, sizeof(text), "%s/none/a.onnx", folder);
	ck_assert_int_eq(nn_graph_save(g, text, &err), -ENOENT);
	unlink(path);
	rmdir(folder);
	nn_graph_free(g);
}
END_TEST

/* The builder's own mistakes. */
START_TEST(building)
{
	struct smartssd_error err = { "" };
	struct nn_dims d = { 1, { 4 } }, negative = { 1, { -4 } };
	struct nn_graph *g = nn_graph_new("g");
	uint32_t a = nn_graph_add_tensor(g, "a", NN_F4, &d), b = nn_graph_add_tensor(g, "b", NN_NONE, NULL), far = 99;

	ck_assert_uint_eq(nn_graph_add_node(g, NN_RELU, "r", &a, 1, &far, 1, NULL), NN_NOWHERE);
	ck_assert_uint_eq(nn_graph_add_constant(g, "c", NN_F4, &negative, ones), NN_NOWHERE);
	ck_assert_uint_ne(nn_graph_add_node(g, NN_RELU, "r", &a, 1, &b, 1, NULL), NN_NOWHERE);
	ck_assert_int_eq(nn_graph_add_output(g, b), 0);
	ck_assert_int_eq(nn_graph_finish(g, &err), BAD); /* a is nothing yet */
	ck_assert_int_eq(nn_graph_add_input(g, a), 0);
	ck_assert_msg(!nn_graph_finish(g, &err), "%s", err.text);
	ck_assert_int_eq(g->tensors[nn_graph_find(g, "b")].dims.d[0], 4);
	nn_graph_add_tensor(g, "a", NN_F4, &d);
	ck_assert_int_eq(nn_graph_finish(g, &err), BAD);
	ck_assert_ptr_nonnull(strstr(err.text, "two tensors have the name 'a'"));
	nn_graph_free(g);
}
END_TEST

static void fill(TCase *t)
{
	tcase_add_test(t, wrong_models);
	tcase_add_test(t, unsupported_nodes);
	tcase_add_test(t, wrong_bytes);
	tcase_add_test(t, hostile_bytes);
	tcase_add_test(t, folding_is_limited);
	tcase_add_test(t, shapes_and_constants_fold);
	tcase_add_test(t, exported_chains_fold);
	tcase_add_test(t, old_inputs);
	tcase_add_test(t, clip_bounds_are_written);
	tcase_add_test(t, files);
	tcase_add_test(t, building);
}

int main(void)
{
	random_seed("nn graph");
	return run_suite("nn_graph", fill);
}
