// SPDX-License-Identifier: BSD-2-Clause
/* .ssp files: what is saved is loaded; what is damaged, cut off, or does not fit on the drive is refused with a reason; programs that lie are found. */
#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../runtime/nn/program.h"
#include "../kernels/random.h"
#include "build_graph.h"

static char folder[] = "/tmp/test_ssp.XXXXXX", path[PATH_MAX];

static struct nn_program *some_program(void)
{
	struct nn_graph *g = build_random(true, 6);
	struct smartssd_error err = { "" };
	struct nn_program *p;

	ck_assert_msg(!nn_lower(g, NN_SHELL_FLAT, &p, &err), "SEED=%llu: %s", (unsigned long long)random_seed(), err.text);
	nn_graph_free(g);
	return p;
}

static uint8_t *content(size_t *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *data;

	ck_assert(fd >= 0 && !fstat(fd, &st));
	*bytes = (size_t)st.st_size;
	data = malloc(*bytes + 1);
	ck_assert_int_eq(read(fd, data, *bytes), (ssize_t)*bytes);
	close(fd);
	return data;
}

static void rewrite(const uint8_t *data, size_t bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert(fd >= 0);
	ck_assert_int_eq(write(fd, data, bytes), (ssize_t)bytes);
	close(fd);
}

/* Outputs of a run on the host with an input of bytes 0, 1, 2 ... (or small numbers) */
static uint8_t *outputs(const struct nn_program *p, uint64_t *bytes)
{
	const struct nn_value *x = &p->values[p->inputs[0]];
	uint32_t images = nn_program_batch(p);
	struct nn_memory m;
	uint8_t *arena, *y;

	ck_assert_int_eq(nn_memory_plan(p, images, false, &m), 0);
	arena = calloc(1, m.bytes);
	for (uint64_t i = 0; i < nn_value_bytes(p, x, images) / nn_type_bytes(x->type); i++) {
		float f = (float)(i % 17) - 8.0f;

		if (x->type == NN_F4)
			memcpy(arena + m.offset[p->inputs[0]] + 4 * i, &f, 4);
		else
			arena[m.offset[p->inputs[0]] + i] = (uint8_t)i;
	}
	for (uint32_t i = 0; i < p->nr_layers; i++)
		ck_assert_int_eq(nn_layer_run_host(p, &p->layers[i], &m, images, arena, p->weights, NULL, false, NULL), 0);
	*bytes = nn_value_bytes(p, &p->values[p->outputs[0]], images);
	y = malloc(*bytes);
	memcpy(y, arena + m.offset[p->outputs[0]], *bytes);
	free(arena);
	free(m.offset);
	return y;
}

START_TEST(saved_and_loaded)
{
	for (int i = 0; i < 12; i++) {
		struct nn_program *p = some_program(), *q;
		struct smartssd_error err = { "" };
		uint8_t *first, *second, *a, *b;
		size_t n[2];
		uint64_t size[2];
		int fd = -1;

		free(p->layers[0].why);
		p->layers[0].why = strdup("because");
		p->layers[0].card = 2;
		p->cards = 3;
		ck_assert_msg(!nn_ssp_save(p, path, &err), "%s", err.text);
		ck_assert_msg(!nn_ssp_load(path, true, &q, &fd, &err), "SEED=%llu: %s", (unsigned long long)random_seed(), err.text);
		/* Cards read weights from it. */
		ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
		ck_assert_int_ge(fd, 0);
		close(fd);
		ck_assert_uint_eq(q->weights_offset % 4096, 0);
		ck_assert_uint_eq(q->weights_bytes, p->weights_bytes);
		ck_assert_str_eq(q->layers[0].why, "because");
		ck_assert_uint_eq(q->layers[0].card, 2);
		a = outputs(p, &size[0]);
		b = outputs(q, &size[1]);
		ck_assert(size[0] == size[1] && !memcmp(a, b, size[0]));
		/* Nothing is lost: what is saved again are the same bytes. */
		first = content(&n[0]);
		ck_assert_msg(!nn_ssp_save(q, path, &err), "%s", err.text);
		second = content(&n[1]);
		ck_assert(n[0] == n[1] && !memcmp(first, second, n[0]));
		nn_program_free(q);
		ck_assert_int_eq(nn_ssp_load(path, false, &q, NULL, &err), 0);
		ck_assert_ptr_null(q->weights);
		ck_assert_int_eq(nn_ssp_save(q, path, &err), q->weights_bytes ? -EINVAL : 0);
		nn_program_free(q);
		nn_program_free(p);
		free(first);
		free(second);
		free(a);
		free(b);
	}
}
END_TEST

static void refused(int code, const char *says)
{
	struct smartssd_error err = { "" };
	struct nn_program *p;
	int ret = nn_ssp_load(path, true, &p, NULL, &err);

	ck_assert_msg(ret == code && strstr(err.text, says) && strstr(err.text, path), "%d, '%s', wanted '%s'", ret, err.text, says);
	ck_assert_ptr_null(p);
}

START_TEST(damaged_files)
{
	struct nn_program *p = some_program();
	uint8_t *data, *copy;
	size_t n;

	ck_assert_int_eq(nn_ssp_save(p, path, NULL), 0);
	data = content(&n);
	copy = malloc(n + 1);
	memcpy(copy, data, n);
	unlink(path);
	refused(-ENOENT, "No such file");
	rewrite(data, 100);
	refused(-EBADMSG, "cut off");
	rewrite(data, n - 1);
	refused(-EBADMSG, "copy it again");
	copy[n] = 0;
	rewrite(copy, n + 1);
	refused(-EBADMSG, "copy it again");
	copy[0] = 'X';
	rewrite(copy, n);
	refused(-EBADMSG, "smartssd compile");
	copy[0] = 'S';
	copy[8] = 9;
	rewrite(copy, n);
	refused(-EOPNOTSUPP, "version 9");
	copy[8] = data[8];
	copy[4096] ^= 1;
	rewrite(copy, n);
	refused(-EBADMSG, "description is damaged");
	copy[4096] ^= 1;
	copy[n - 1] ^= 1;
	rewrite(copy, n);
	refused(-EBADMSG, "weights are damaged");
	copy[n - 1] ^= 1;
	copy[32] ^= 1;
	rewrite(copy, n);
	refused(-EBADMSG, "contradicts");
	free(data);
	free(copy);
	nn_program_free(p);
}
END_TEST

/* A drive that is full: the limit on a file's size stands for it, with another error number. */
START_TEST(no_room)
{
	struct nn_program *p = some_program();
	struct smartssd_error err = { "" };
	struct rlimit before, small = { 6000, RLIM_INFINITY };
	struct nn_program *q;

	ck_assert_int_eq(nn_ssp_save(p, path, NULL), 0);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	small.rlim_max = before.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	ck_assert_int_eq(nn_ssp_save(p, path, &err), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &before);
	ck_assert_ptr_nonnull(strstr(err.text, path));
	/* The old one is still there, whole, and nothing else. */
	ck_assert_int_eq(nn_ssp_load(path, true, &q, NULL, NULL), 0);
	nn_program_free(q);
	unlink(path);
	ck_assert_int_eq(rmdir(folder), 0);
	ck_assert_int_eq(mkdir(folder, 0700), 0);
	if (!access("/dev/full", W_OK))
		ck_assert_int_lt(nn_ssp_save(p, "/dev/full", &err), 0);
	nn_program_free(p);
}
END_TEST

/* One lie each, all else right. */
START_TEST(lies)
{
	struct build_conv how = { .filters = 32, .kernel = { 3, 3 }, .stride = { 1, 1 }, .dilation = { 1, 1 }, .pad = { 1, 1, 1, 1 }, .w_type = NN_I1 };
	struct byte_tensor x, y;
	struct nn_program *p;
	struct nn_graph *g;
	struct build b;
	struct nn_layer *conv, *sum;

	build_begin(&b, true);
	x = build_input(&b, BUILD_BYTE, NN_U1, &(struct nn_dims){ 4, { 1, 32, 8, 8 } });
	y = build_conv(&b, x, &how);
	x = build_add(&b, y, x, BUILD_RELU);
	x = build_pool(&b, x, NN_GLOBAL_AVERAGE_POOL, 0, 1, 0, false);
	build_float_output(&b, x, true);
	g = build_end(&b, NULL, 0);
	ck_assert_int_eq(nn_lower(g, NN_SHELL_FLAT, &p, NULL), 0);
	nn_graph_free(g);
	ck_assert_uint_eq(p->nr_layers, 4);
	conv = &p->layers[1];
	sum = &p->layers[2];
	ck_assert(conv->kind == NN_LAYER_CONV && conv->conv.residual && sum->kind == NN_LAYER_POOL);
	ck_assert_int_eq(nn_program_check(p, NULL), 0);
#define LIE(field, value)                                                                                                         \
	do {                                                                                                                      \
		__typeof__(field) truth = field;                                                                                  \
		struct smartssd_error err = { "" };                                                                               \
		field = value;                                                                                                    \
		ck_assert_msg(nn_program_check(p, &err) == -EBADMSG && err.text[0], #field " = " #value " was believed: %s", err.text); \
		field = truth;                                                                                                    \
		ck_assert_int_eq(nn_program_check(p, NULL), 0);                                                                   \
	} while (0)
	LIE(conv->in[0], 1000);
	LIE(conv->in[0], p->nr_values);
	LIE(conv->in[0], NN_NONE_VALUE);
	LIE(conv->in[0], conv->out);
	LIE(conv->in[0], sum->out);
	LIE(conv->in[1], NN_NONE_VALUE);
	LIE(conv->in[1], conv->out);
	LIE(conv->out, p->inputs[0]);
	LIE(conv->kind, NN_LAYER_KINDS);
	LIE(conv->kind, NN_LAYER_GRAPH);
	LIE(conv->conv.groups, 2);
	LIE(conv->conv.channels, 48);
	LIE(conv->conv.filters, 64);
	LIE(conv->conv.kernel[0], 4097);
	LIE(conv->conv.kernel[0], 65536 + 3);
	LIE(conv->conv.stride[1], 0);
	LIE(conv->conv.out[0], 9);
	LIE(conv->conv.out[1], 0);
	LIE(conv->conv.pool[0], 2);
	LIE(conv->conv.lo, 256);
	LIE(conv->conv.hi, 256);
	LIE(conv->conv.x_zero, 256);
	LIE(conv->conv.sum_zero, 999);
	LIE(conv->conv.tile_rows, 0);
	LIE(conv->conv.tile_filters, 16);
	LIE(conv->conv.tile_channels, 48);
	LIE(conv->w_at, p->weights_bytes);
	LIE(conv->w_at, 1);
	LIE(conv->w_at, UINT64_MAX - 63);
	LIE(conv->w_bytes, conv->w_bytes - 1);
	LIE(conv->w_bytes, UINT64_MAX);
	LIE(conv->coef_bytes, 8);
	LIE(conv->coef_at, UINT64_MAX - 63);
	LIE(conv->card, 1);
	LIE(conv->place, 2);
	LIE(sum->pool.out[0], 2);
	LIE(sum->pool.kernel[0], 0);
	LIE(sum->pool.tile_channels, 0);
	LIE(p->layers[0].pack.kernel, 2);
	LIE(p->layers[0].pack.is_float, true);
	LIE(p->layers[0].lut_bytes, 32 * 256 - 1);
	LIE(p->layers[3].graph.graph, 1);
	LIE(p->layers[3].graph.nr_in, 0);
	LIE(p->layers[3].graph.in[0], conv->out);
	LIE(p->layers[3].graph.out[0], p->nr_values);
	LIE(p->layers[3].graph.out[0], p->inputs[0]);
	LIE(p->layers[3].place, NN_ON_CARD);
	LIE(p->values[conv->out].h, 9);
	LIE(p->values[conv->out].c, 33);
	LIE(p->values[conv->out].channels, 48);
	LIE(p->values[conv->out].images, 2);
	LIE(p->values[conv->out].zero, 256);
	LIE(p->values[conv->out].whole, conv->out);
	LIE(p->values[conv->out].whole, 12345);
	LIE(p->values[conv->out].type, NN_F4);
	LIE(p->values[conv->out].dims.d[0], 0);
	LIE(p->values[conv->out].dims.d[2], INT64_MAX);
	LIE(p->values[conv->out].dims.n, 9);
	LIE(p->values[conv->out].plain, true);
	LIE(p->inputs[0], conv->out);
	LIE(p->outputs[0], p->nr_values);
	LIE(p->cards, 0);
	LIE(p->cards, 49);
	LIE(p->shell, 2);
	LIE(p->nr_mean, 5);
	nn_program_free(p);
}
END_TEST

/* A piece of the host that writes where it reads: two plain values of the same shape, one of them the other. */
START_TEST(pieces_in_place)
{
	struct nn_dims dims = { 2, { 1, 10 } };
	struct nn_graph *g = nn_graph_new("so\x1b[ft");
	uint32_t t[3], value;
	struct nn_attrs axis = { .axis = 1 };
	struct nn_program *p;

	for (int i = 0; i < 3; i++)
		t[i] = nn_graph_add_tensor(g, (const char *[]){ "x", "y", "z" }[i], NN_F4, &dims);
	ck_assert_int_eq(nn_graph_add_input(g, t[0]), 0);
	ck_assert(nn_graph_add_node(g, NN_RELU, "r", &t[0], 1, &t[1], 1, NULL) != NN_NOWHERE);
	ck_assert(nn_graph_add_node(g, NN_SOFTMAX, "s", &t[1], 1, &t[2], 1, &axis) != NN_NOWHERE);
	ck_assert_int_eq(nn_graph_add_output(g, t[1]), 0);
	ck_assert_int_eq(nn_graph_add_output(g, t[2]), 0);
	ck_assert_int_eq(nn_graph_finish(g, NULL), 0);
	ck_assert_int_eq(nn_lower(g, NN_SHELL_FLAT, &p, NULL), 0);
	nn_graph_free(g);
	ck_assert_str_eq(p->name, "so?[ft");
	ck_assert(p->nr_layers == 1 && p->layers[0].graph.nr_out == 2 && p->layers[0].graph.nr_in == 1);
	/* Were the input not the model's, but defined by an earlier layer: the same piece once more. */
	p->layers = realloc(p->layers, 2 * sizeof(*p->layers));
	p->layers[1] = p->layers[0];
	p->layers[1].name = strdup("again");
	p->layers[1].fused = strdup("");
	p->layers[1].why = strdup("");
	p->layers[1].why_host = strdup("");
	p->layers[1].graph.in = calloc(1, sizeof(uint32_t));
	p->layers[1].graph.out = calloc(2, sizeof(uint32_t));
	p->nr_layers = 2;
	value = p->layers[0].graph.out[0];
	p->layers[1].graph.in[0] = value;
	p->layers[1].graph.out[0] = p->layers[1].graph.out[1] = p->layers[0].graph.out[1];
	ck_assert_int_eq(nn_program_check(p, NULL), 0);
	LIE(p->layers[1].graph.out[0], value);
	nn_program_free(p);
}
END_TEST

/* The same of parts, and of additions with a constant. */
START_TEST(lies_about_parts_and_constants)
{
	struct byte_tensor x, y, parts[2];
	struct nn_layer *sum = NULL, *copy = NULL, *conv = NULL;
	struct build_conv how = { .filters = 32, .kernel = { 1, 1 }, .stride = { 1, 1 }, .dilation = { 1, 1 }, .w_type = NN_I1 };
	struct nn_program *p;
	struct nn_graph *g;
	struct build b;

	build_begin(&b, true);
	x = build_input(&b, BUILD_FLOAT, NN_U1, &(struct nn_dims){ 4, { 1, 32, 8, 8 } });
	y = build_add_constant(&b, x, &(struct nn_dims){ 3, { 32, 8, 8 } }, true, false, BUILD_NO_BOUND, x.scale);
	parts[0] = build_pool(&b, y, NN_MAX_POOL, 3, 1, 1, false);
	parts[1] = x;
	x = build_conv(&b, build_concat(&b, parts, 2), &how);
	build_float_output(&b, x, true);
	g = build_end(&b, NULL, 0);
	ck_assert_int_eq(nn_lower(g, NN_SHELL_FLAT, &p, NULL), 0);
	nn_graph_free(g);
	for (uint32_t i = 0; i < p->nr_layers; i++) {
		struct nn_layer *l = &p->layers[i];

		if (l->kind == NN_LAYER_ADD)
			*(l->w_bytes ? &sum : &copy) = l;
		else if (l->kind == NN_LAYER_CONV)
			conv = l;
	}
	ck_assert(sum && copy && conv && p->values[copy->out].whole != NN_NONE_VALUE && p->values[copy->out].at == 32);
	ck_assert_uint_eq(sum->w_bytes, 8 * 8 * 32);
	LIE(sum->w_bytes, 8 * 8 * 32 - 32);
	LIE(sum->w_bytes, UINT64_MAX);
	LIE(sum->w_at, p->weights_bytes);
	LIE(sum->in[1], sum->in[0]);
	LIE(sum->add.b_zero, 256);
	LIE(sum->out, sum->in[0]);
	LIE(copy->w_bytes, 64);
	LIE(copy->in[0], p->values[copy->out].whole);
	LIE(p->values[copy->out].at, 48);
	LIE(p->values[copy->out].at, 1);
	/* It would read what it overwrites, in whatever order. */
	LIE(conv->out, p->values[copy->out].whole);
	LIE(p->values[conv->out].whole, p->values[copy->out].whole);
	nn_program_free(p);
}
END_TEST

/* Names are anybody's, and printed on terminals. */
START_TEST(names_without_control_characters)
{
	struct nn_program *p = some_program(), *q;

	free(p->layers[0].name);
	p->layers[0].name = strdup("a\x1b[31mb\nc\x7f\xc3\xa4");
	ck_assert_int_eq(nn_ssp_save(p, path, NULL), 0);
	ck_assert_int_eq(nn_ssp_load(path, false, &q, NULL, NULL), 0);
	ck_assert_str_eq(q->layers[0].name, "a?[31mb?c?\xc3\xa4");
	nn_program_free(p);
	nn_program_free(q);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ssp");
	TCase *tests = tcase_create("ssp");
	SRunner *runner;
	int failed;

	random_start();
	if (!mkdtemp(folder))
		return 1;
	snprintf(path, sizeof(path), "%s/a.ssp", folder);
	tcase_set_timeout(tests, 300);
	tcase_add_test(tests, saved_and_loaded);
	tcase_add_test(tests, damaged_files);
	tcase_add_test(tests, no_room);
	tcase_add_test(tests, lies);
	tcase_add_test(tests, pieces_in_place);
	tcase_add_test(tests, lies_about_parts_and_constants);
	tcase_add_test(tests, names_without_control_characters);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	unlink(path);
	rmdir(folder);
	return failed ? 1 : 0;
}
