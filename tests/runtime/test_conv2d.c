// SPDX-License-Identifier: BSD-2-Clause
/*
 * conv2d on the embedded card, from files, against kernels/reference: exact, and every byte as counted. Faults are found and named.
 */
#include "ops_test.h"

struct layer {
	struct smartssd_conv2d op;
	struct ref_conv2d ref;
	uint8_t *x, *w, *y, *expected;
	int32_t *bias, *w_zero;
	float *w_scale;
	uint64_t outputs;
	char text[300];
};

/* @s: N C H W  M KH KW  stride  dilation  pad  group; false when there is no output */
static bool make_layer(struct layer *l, const uint32_t s[16], bool x_signed, bool w_signed, bool y_signed, bool per_channel,
		       bool memory)
{
	uint64_t xs[4] = { s[0], s[1], s[2], s[3] }, ws[4] = { s[4], s[1] / s[15], s[5], s[6] }, shape[4];
	uint64_t x_bytes = xs[0] * xs[1] * xs[2] * xs[3], w_bytes = ws[0] * ws[1] * ws[2] * ws[3];
	uint32_t wn = per_channel ? s[4] : 1, out[2];
	int32_t y_low = y_signed ? -128 : 0;

	*l = (struct layer){ 0 };
	l->ref = (struct ref_conv2d){
		.images = s[0],
		.channels = s[1],
		.in_h = s[2],
		.in_w = s[3],
		.filters = s[4],
		.kernel_h = s[5],
		.kernel_w = s[6],
		.stride = { s[7], s[8] },
		.dilation = { s[9], s[10] },
		.pad = { s[11], s[12], s[13], s[14] },
		.group = s[15],
		.x_signed = x_signed,
		.w_signed = w_signed,
		.y_signed = y_signed,
		.x_scale = 0.02f,
		.y_scale = 0.05f * sqrtf((float)(w_bytes / s[4])),
		.x_zero = (int32_t)random_in(0, 255) - (x_signed ? 128 : 0),
		.y_zero = (int32_t)random_in(0, 255) + y_low,
		.w_scales = wn,
		.w_zeros = wn,
	};
	l->ref.clip[0] = random_in(0, 1) ? y_low : l->ref.y_zero;
	l->ref.clip[1] = y_low + 255;
	if (ref_conv2d_shape(&l->ref, out))
		return false;
	l->x = malloc(x_bytes);
	l->w = malloc(w_bytes);
	l->bias = random_in(0, 3) ? malloc(s[4] * sizeof(int32_t)) : NULL;
	l->w_scale = malloc(wn * sizeof(float));
	l->w_zero = malloc(wn * sizeof(int32_t));
	fill_random(l->x, x_bytes);
	fill_random(l->w, w_bytes);
	for (uint32_t m = 0; l->bias && m < s[4]; m++)
		l->bias[m] = (int32_t)random_in(0, 20000) - 10000;
	for (uint32_t m = 0; m < wn; m++) {
		l->w_scale[m] = (float)random_in(1, 1000) * 1e-3f;
		l->w_zero[m] = (int32_t)random_in(0, 255) - (w_signed ? 128 : 0);
	}
	l->ref.w_scale = l->w_scale;
	l->ref.w_zero = l->w_zero;
	l->ref.bias = l->bias;
	l->op = (struct smartssd_conv2d){
		.bias = l->bias,
		.x_scale = l->ref.x_scale,
		.x_zero = l->ref.x_zero,
		.w_scale = l->w_scale,
		.w_scales = wn,
		.w_zero = l->w_zero,
		.w_zeros = wn,
		.y_scale = l->ref.y_scale,
		.y_zero = l->ref.y_zero,
		.y_type = y_signed ? SMARTSSD_I1 : SMARTSSD_U1,
		.stride = { s[7], s[8] },
		.dilation = { s[9], s[10] },
		.pad = { s[11], s[12], s[13], s[14] },
		.group = s[15],
		.clip = { l->ref.clip[0], l->ref.clip[1] },
	};
	make_source(&l->op.x, "x", x_signed ? SMARTSSD_I1 : SMARTSSD_U1, 4, xs, l->x, memory);
	make_source(&l->op.w, "w", w_signed ? SMARTSSD_I1 : SMARTSSD_U1, 4, ws, l->w, memory && random_in(0, 1));
	snprintf(l->text, sizeof(l->text),
		 "x %ux%ux%ux%u w %ux%ux%u stride %u,%u dilation %u,%u pad %u,%u,%u,%u group %u signed %d%d%d memory %d", s[0],
		 s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12], s[13], s[14], s[15], x_signed,
		 w_signed, y_signed, memory);
	ck_assert_msg(!smartssd_conv2d_shape(&l->op, shape, &err), "%s: %s", l->text, err.text);
	ck_assert(shape[0] == s[0] && shape[1] == s[4] && shape[2] == out[0] && shape[3] == out[1]);
	l->outputs = shape[0] * shape[1] * shape[2] * shape[3];
	l->y = malloc(l->outputs);
	l->expected = malloc(l->outputs);
	return true;
}

static void free_layer(struct layer *l)
{
	close_source(&l->op.x);
	close_source(&l->op.w);
	free(l->x);
	free(l->w);
	free(l->y);
	free(l->expected);
	free(l->bias);
	free(l->w_zero);
	free(l->w_scale);
}

static void check_layer(struct layer *l, struct smartssd_report *report)
{
	uint64_t i;

	memset(l->y, 0x5a, l->outputs);
	ck_assert_int_eq(ref_conv2d(&l->ref, l->x, l->w, l->expected), 0);
	ck_assert_msg(!smartssd_conv2d(dev, &l->op, l->y, report, NULL, &err), "%s: %s", l->text, err.text);
	for (i = 0; i < l->outputs && l->y[i] == l->expected[i]; i++)
		;
	ck_assert_msg(i == l->outputs, "%s: y[%llu] is %d, not %d", l->text, (unsigned long long)i, l->y[i], l->expected[i]);
}

/* The counters say what had to move. */
static void check_report(const struct layer *l, const struct smartssd_report *r)
{
	const struct smartssd_array *x = &l->op.x.array, *w = &l->op.w.array;
	uint64_t files = (l->op.x.fd >= 0 ? x->bytes : 0) + (l->op.w.fd >= 0 ? w->bytes : 0);

	ck_assert_uint_eq(r->bytes.card_to_host, l->outputs + r->tiles * 16ull);
	ck_assert_uint_eq(r->bytes.runs, r->tiles);
	ck_assert_uint_eq(r->bytes.jobs, r->jobs);
	ck_assert_uint_eq(r->host_only_bytes, files);
	ck_assert(r->commands > r->tiles && r->seconds > 0 && r->compute_seconds > 0);
	ck_assert(r->read_seconds <= r->seconds && r->compute_seconds <= r->seconds);
	ck_assert_uint_eq(r->bytes.bounce_read, 0);
	ck_assert_uint_eq(r->peer_reason, SMARTSSD_PEER_OK);
}

START_TEST(random_layers)
{
	random_seed("conv2d");
	open_card("emu:ddr=64M");
	for (int round = 0, done = 0; done < 60; round++) {
		uint32_t group = random_in(0, 2) ? 1 : random_in(1, 8);
		uint32_t s[16] = {
			random_in(1, 3),	  group * random_in(1, 9), random_in(1, 40), random_in(1, 40),
			group * random_in(1, 20), random_in(1, 7),	   random_in(1, 7),  random_in(1, 3),
			random_in(1, 3),	  random_in(1, 2),	   random_in(1, 2),  random_in(0, 5),
			random_in(0, 5),	  random_in(0, 5),	   random_in(0, 5),  group,
		};
		struct smartssd_report report;
		struct layer l;

		if (!make_layer(&l, s, random_in(0, 1), random_in(0, 1), random_in(0, 1), random_in(0, 1), !random_in(0, 3)))
			continue;
		check_layer(&l, &report);
		check_report(&l, &report);
		free_layer(&l);
		done++;
	}
}
END_TEST

/* Shapes that the issue names and others that have an edge of their own. */
static const uint32_t known[][16] = {
	{ 1, 64, 14, 14, 64, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1 },
	{ 1, 3, 112, 112, 64, 7, 7, 2, 2, 1, 1, 3, 3, 3, 3, 1 },
	{ 2, 3, 17, 19, 5, 3, 3, 1, 1, 1, 1, 3, 3, 3, 3, 1 },	     /* pad > kernel / 2 */
	{ 1, 3, 9, 9, 4, 3, 3, 1, 1, 1, 1, 7, 7, 7, 7, 1 },	     /* outputs of padding alone */
	{ 1, 32, 28, 28, 32, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 32 },     /* depthwise */
	{ 1, 8, 12, 12, 24, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 8 },	     /* depth multiplier 3 */
	{ 1, 5, 1, 1, 3, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1 },
	{ 40, 3, 8, 8, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1 },	     /* several images in one load */
	{ 1, 1, 3, 70000, 2, 3, 5, 1, 1, 1, 1, 1, 2, 1, 2, 1 },	     /* tiles in columns */
	{ 1, 2048, 4, 4, 1100, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1 },    /* weights beyond 1 MiB come in pieces */
	{ 1, 3, 400, 700, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1 },	     /* loads and flushes in pieces */
	{ 1, 16, 40, 40, 16, 3, 3, 1, 1, 2, 2, 0, 0, 0, 0, 4 },
};

START_TEST(known_layers)
{
	struct smartssd_report report;
	struct layer l;

	random_state = 99 + (uint64_t)_i;
	open_card("emu:ddr=64M");
	for (int memory = 0; memory < 2; memory++) {
		ck_assert(make_layer(&l, known[_i], false, true, false, true, memory));
		check_layer(&l, &report);
		check_report(&l, &report);
		free_layer(&l);
	}
}
END_TEST

/* Little card memory: images in parts, from slots, in several jobs; x and y alone would not fit. */
START_TEST(little_memory)
{
	static const uint32_t shapes[][16] = {
		{ 1, 3, 500, 501, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1 },
		{ 3, 48, 120, 120, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1 },
		{ 1, 64, 200, 200, 64, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 64 },
	};
	struct smartssd_report report;

	random_state = 7;
	open_card("emu:ddr=2M");
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
		for (int memory = 0; memory < 2; memory++) {
			struct layer l;

			ck_assert(make_layer(&l, shapes[i], true, true, true, false, memory));
			check_layer(&l, &report);
			check_report(&l, &report);
			ck_assert_uint_gt(report.jobs, 2);
			if (!memory)
				ck_assert_uint_le(report.bytes.ssd_to_card,
						  (l.op.x.array.bytes + l.op.w.array.bytes) * 5 / 4 + 8192);
			free_layer(&l);
		}
}
END_TEST

START_TEST(bytes_are_minimal)
{
	static const uint32_t shape[16] = { 1, 64, 56, 56, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	struct smartssd_report report;
	struct layer l;
	uint64_t x, w;

	open_card("emu:");
	ck_assert(make_layer(&l, shape, false, true, false, true, false));
	check_layer(&l, &report);
	/* Whole blocks that the arrays touch, each once. */
	x = align_up(l.op.x.array.offset + l.op.x.array.bytes, 512) - align_down(l.op.x.array.offset, 512);
	w = align_up(l.op.w.array.offset + l.op.w.array.bytes, 512) - align_down(l.op.w.array.offset, 512);
	ck_assert_uint_le(report.bytes.ssd_to_card, x + w);
	ck_assert_uint_ge(report.bytes.ssd_to_card, l.op.x.array.bytes + l.op.w.array.bytes);
	ck_assert_uint_lt(report.bytes.host_to_card, 64 * 12 + 16 * 100);
	/* Switched off: the same result through the host, and it says so. */
	l.op.io_flags = SMARTSSD_CMD_PEER_OFF;
	check_layer(&l, &report);
	ck_assert_uint_eq(report.peer_reason, SMARTSSD_PEER_OFF);
	ck_assert_uint_eq(report.bytes.ssd_to_card, 0);
	ck_assert_uint_ge(report.bytes.bounce_read, l.op.x.array.bytes + l.op.w.array.bytes);
	free_layer(&l);
}
END_TEST

START_TEST(peer_required_but_absent)
{
	static const uint32_t shape[16] = { 1, 3, 8, 8, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	struct layer l;

	open_card("emu:peer=off");
	ck_assert(make_layer(&l, shape, false, true, false, true, false));
	check_layer(&l, NULL);
	l.op.io_flags = SMARTSSD_CMD_PEER_REQUIRE;
	ck_assert_int_eq(smartssd_conv2d(dev, &l.op, l.y, NULL, NULL, &err), -EREMOTEIO);
	ck_assert_ptr_nonnull(strstr(err.text, smartssd_peer_reason_text(SMARTSSD_PEER_OFF)));
	free_layer(&l);
}
END_TEST

/* Each has one thing wrong. */
START_TEST(layers_that_make_no_sense)
{
	static const uint32_t shape[16] = { 1, 4, 8, 8, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 2 };
	static const float scales[6] = { 1, 1, 1, NAN, 1, 1 };
	static const int32_t zeros[6] = { 0, 0, 0, 0, 128, 0 };
	struct smartssd_conv2d good, op;
	struct layer l;

	open_card("emu:");
	ck_assert(make_layer(&l, shape, false, true, false, true, true));
	good = l.op;
#define REFUSED(change, says)                                                                \
	do {                                                                                 \
		uint64_t out[4];                                                             \
		op = good;                                                                   \
		change;                                                                      \
		err.text[0] = '\0';                                                          \
		ck_assert_int_eq(smartssd_conv2d_shape(&op, out, &err), -EINVAL);            \
		ck_assert_msg(strstr(err.text, says), "%s: %s", #change, err.text);          \
		ck_assert_int_eq(smartssd_conv2d(dev, &op, l.y, NULL, NULL, NULL), -EINVAL); \
	} while (0)
	REFUSED(op.x.array.type = SMARTSSD_F4, "x is f4");
	REFUSED(op.w.array.type = SMARTSSD_I4, "w is i4");
	REFUSED(op.x.array.ndim = 3, "x has 3 dimensions");
	REFUSED(op.w.array.ndim = 5, "w has 5 dimensions");
	REFUSED(op.x.array.shape[0] = 0, "dimension 0");
	REFUSED(op.x.array.shape[2] = 1ull << 40, "dimension 2");
	REFUSED(op.x.array.bytes--, "its shape has");
	REFUSED(op.group = 0, "group 0");
	REFUSED(op.group = 3, "group 3");
	REFUSED(op.group = 1, "channels per filter");
	REFUSED(op.stride[0] = 0, "stride");
	REFUSED(op.stride[1] = 65536, "stride");
	REFUSED(op.dilation[1] = 0, "dilation");
	REFUSED(op.dilation[0] = 65536, "dilation");
	REFUSED(op.pad[3] = 1u << 31, "pad");
	REFUSED(op.dilation[0] = 6, "no output");
	REFUSED(op.x_scale = 0, "x_scale");
	REFUSED(op.x_scale = INFINITY, "x_scale");
	REFUSED(op.y_scale = -1, "y_scale");
	REFUSED(op.y_scale = 1e-45f; op.x_scale = 1e30f, "not finite");
	REFUSED(op.w_scale = NULL, "w_scale has 0");
	REFUSED(op.w_scales = 2, "w_scale has 2");
	REFUSED(op.w_scale = scales, "w_scale is nan");
	REFUSED(op.w_zero = NULL, "w_zero has 0");
	REFUSED(op.w_zeros = 5, "w_zero has 5");
	REFUSED(op.w_zero = zeros, "w_zero is 128");
	REFUSED(op.x_zero = 256, "x_zero is 256");
	REFUSED(op.x_zero = -1, "x_zero is -1");
	REFUSED(op.y_zero = 256, "y_zero is 256");
	REFUSED(op.y_type = SMARTSSD_I4, "y_type");
	REFUSED(op.clip[0] = 9; op.clip[1] = 8, "clip is 9..8");
	REFUSED(op.clip[1] = 256, "clip");
	REFUSED(op.y_type = SMARTSSD_I1; op.y_zero = 0; op.clip[1] = 128, "clip");
	REFUSED(op.x.array.shape[1] = 30000; op.x.array.bytes = 30000 * 64; op.w.array.shape[1] = 15000;
		op.w.array.bytes = 15000 * 9 * 6, "overflow");
#undef REFUSED
	op = good;
	op.io_flags = 1;
	ck_assert_int_eq(smartssd_conv2d(dev, &op, l.y, NULL, NULL, &err), -EINVAL);
	op.io_flags = SMARTSSD_CMD_PEER_OFF | SMARTSSD_CMD_PEER_REQUIRE;
	ck_assert_int_eq(smartssd_conv2d(dev, &op, l.y, NULL, NULL, &err), -EINVAL);
	op = good;
	op.x.data = NULL;
	ck_assert_int_eq(smartssd_conv2d(dev, &op, l.y, NULL, NULL, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "x: neither"));
	check_layer(&l, NULL);
	free_layer(&l);
}
END_TEST

START_TEST(no_kernel_loaded)
{
	static const uint32_t shape[16] = { 1, 3, 8, 8, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	struct layer l;

	ck_assert_int_eq(smartssd_open("emu:", &dev, &err), 0);
	ck_assert(make_layer(&l, shape, false, true, false, true, true));
	ck_assert_int_eq(smartssd_conv2d(dev, &l.op, l.y, NULL, NULL, &err), -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(err.text, "conv2d"));
	free_layer(&l);
}
END_TEST

/* A file shorter than the array said to be in it */
START_TEST(file_too_short)
{
	static const uint32_t shape[16] = { 1, 3, 80, 80, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	struct layer l;
	char path[64];

	open_card("emu:");
	ck_assert(make_layer(&l, shape, false, true, false, true, false));
	snprintf(path, sizeof(path), "%s/x.npy", folder);
	ck_assert_int_eq(truncate(path, 10000), 0);
	ck_assert_int_eq(smartssd_conv2d(dev, &l.op, l.y, NULL, NULL, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "x: its file has 10000 bytes"));
	free_layer(&l);
}
END_TEST

struct steps {
	uint64_t calls, last, total, stop_at;
};

static int count_steps(void *ctx, uint64_t done, uint64_t total)
{
	struct steps *s = ctx;

	ck_assert(done >= s->last && done <= total && total > 0);
	s->calls++;
	s->last = done;
	s->total = total;
	return s->stop_at && done >= s->stop_at;
}

START_TEST(progress_and_stop)
{
	static const uint32_t shape[16] = { 1, 3, 500, 501, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	struct steps s = { 0 };
	struct smartssd_progress progress = { count_steps, &s };
	struct layer l;

	open_card("emu:ddr=2M");
	ck_assert(make_layer(&l, shape, true, true, true, false, false));
	ck_assert_int_eq(smartssd_conv2d(dev, &l.op, l.y, NULL, &progress, &err), 0);
	ck_assert_uint_eq(s.last, s.total);
	ck_assert_uint_gt(s.calls, 3);
	s = (struct steps){ .stop_at = 1 };
	ck_assert_int_eq(smartssd_conv2d(dev, &l.op, l.y, NULL, &progress, &err), -ECANCELED);
	ck_assert_uint_lt(s.last, s.total);
	/* Nothing of it is left on the card. */
	check_layer(&l, NULL);
	free_layer(&l);
}
END_TEST

static uint64_t ddr_free(void)
{
	struct smartssd_query query;

	ck_assert_int_eq(smartssd_query(dev, &query), 0);
	return query.ddr_free;
}

/* A crashed unit, one that only says that it is done, and a card that leaves: an error that names tile and unit, and no memory is lost. */
START_TEST(faults)
{
	static const struct {
		const char *uri;
		int ret;
		const char *says[3];
	} cases[] = {
		{ "emu:fault=crash", -EIO, { "conv2d tile ", "compute unit 0", "fault" } },
		{ "emu:fault=wrong", -EIO, { "conv2d tile ", "compute unit 0", "never ran" } },
		{ "emu:fault=gone", -ENODEV, { "removed", "", "" } },
	};
	static const uint32_t shape[16] = { 2, 3, 300, 300, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	uint64_t before;
	struct layer l;
	int ret;

	random_state = 3;
	open_card(cases[_i].uri);
	before = ddr_free();
	ck_assert(make_layer(&l, shape, false, true, false, true, false));
	ret = smartssd_conv2d(dev, &l.op, l.y, NULL, NULL, &err);
	ck_assert_msg(ret == cases[_i].ret, "%d: %s", ret, err.text);
	for (int i = 0; i < 3; i++)
		ck_assert_msg(strstr(err.text, cases[_i].says[i]), "%s", err.text);
	if (ret != -ENODEV) {
		ck_assert_uint_eq(ddr_free(), before);
		ck_assert_int_eq(smartssd_cu_reset(dev, 0), 0);
		check_layer(&l, NULL);
	}
	free_layer(&l);
}
END_TEST

static void fill(TCase *tests)
{
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, random_layers);
	tcase_add_loop_test(tests, known_layers, 0, ARRAY_SIZE(known));
	tcase_add_test(tests, little_memory);
	tcase_add_test(tests, bytes_are_minimal);
	tcase_add_test(tests, peer_required_but_absent);
	tcase_add_test(tests, layers_that_make_no_sense);
	tcase_add_test(tests, no_kernel_loaded);
	tcase_add_test(tests, file_too_short);
	tcase_add_test(tests, progress_and_stop);
	tcase_add_loop_test(tests, faults, 0, 3);
}

int main(void)
{
	setenv("SMARTSSD_LIBDIR", "build", 0);
	return run_suite("conv2d", fill);
}
