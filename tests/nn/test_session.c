// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sessions on embedded cards, with programs built by hand: the same bytes as the reference, whatever is placed where and whatever goes wrong; every byte on the
 * links as counted.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../runtime/nn/session.h"
#include "../kernels/random.h"
#include "net.h"

#define MAX_CARDS 8
#define STATUS	  16u

static struct smartssd_device *cards[MAX_CARDS];
static uint32_t nr_cards;
static struct smartssd_error err;
static char folder[] = "/tmp/smartssd-nn-XXXXXX";

static void set_up(void)
{
	strcpy(folder + sizeof(folder) - 7, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void close_cards(void)
{
	while (nr_cards)
		smartssd_close(cards[--nr_cards]);
}

static void tear_down(void)
{
	char command[64];

	close_cards();
	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static void open_card(const char *uri)
{
	char path[4096];

	ck_assert_msg(!smartssd_open(uri, &cards[nr_cards], &err), "%s", err.text);
	ck_assert_int_eq(smartssd_find_file("overlay-flat.xclbin", path, sizeof(path)), 0);
	ck_assert_msg(!smartssd_xclbin_load_file(cards[nr_cards], path, &err), "%s", err.text);
	nr_cards++;
}

/* What a run is made with and what it should give. */
struct trial {
	struct nn_program *p;
	struct nn_source source;
	uint8_t *input;
	int weights_fd;
	void *outputs[2], *expected[2];
	struct nn_options options;
	struct nn_report report;
	struct nn_session *session;
	char text[160];
};

static int write_file(const char *name, uint64_t skip, const void *data, uint64_t bytes)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, data, bytes, (off_t)skip), (ssize_t)bytes);
	return fd;
}

static void new_trial(struct trial *t, struct nn_program *p, uint64_t images, bool file)
{
	const struct nn_value *in = &p->values[p->inputs[0]];
	uint64_t each = (uint64_t)nn_count(&in->dims) * nn_type_bytes(in->type) / net_batch;
	uint32_t skip = (uint32_t)random_in(0, 5000);

	memset(t, 0, sizeof(*t));
	t->p = p;
	t->input = malloc(images * each);
	for (uint64_t i = 0; i < images * each; i++)
		t->input[i] = (uint8_t)random_in(0, 255);
	for (uint64_t i = 0; in->type == NN_F4 && i < images * each / 4; i++)
		((float *)t->input)[i] = random_float(-6, 6);
	t->source.images = images;
	t->source.array.array = (struct smartssd_array){ .type = in->type == NN_F4 ? SMARTSSD_F4 : SMARTSSD_U1, .ndim = 4, .shape = { images },
							 .offset = skip, .bytes = images * each };
	for (int i = 1; i < 4; i++)
		t->source.array.array.shape[i] = (uint64_t)in->dims.d[i];
	t->source.array.fd = file ? write_file("input", skip, t->input, images * each) : -1;
	t->source.array.data = t->input;
	t->weights_fd = random_in(0, 1) ? write_file("weights", p->weights_offset, p->weights, p->weights_bytes) : -1;
	t->options = (struct nn_options){ .batch = 1 };
	for (uint32_t i = 0; i < p->nr_outputs; i++) {
		t->outputs[i] = malloc(images / net_batch * net_output_bytes(p, i));
		t->expected[i] = malloc(images / net_batch * net_output_bytes(p, i));
		memset(t->outputs[i], 0x5a, images / net_batch * net_output_bytes(p, i));
	}
	net_reference(p, t->input, images, t->expected);
	snprintf(t->text, sizeof(t->text), "%llu images", (unsigned long long)images);
}

static void free_trial(struct trial *t)
{
	nn_session_close(t->session);
	if (t->source.array.fd >= 0)
		close(t->source.array.fd);
	if (t->weights_fd >= 0)
		close(t->weights_fd);
	for (uint32_t i = 0; i < t->p->nr_outputs; i++) {
		free(t->outputs[i]);
		free(t->expected[i]);
	}
	free(t->input);
	net_free(t->p);
}

static void same_outputs(const struct trial *t)
{
	for (uint32_t i = 0; i < t->p->nr_outputs; i++) {
		uint64_t each = net_output_bytes(t->p, i), k;
		const uint8_t *y = t->outputs[i], *z = t->expected[i];

		for (k = 0; k < t->source.images / net_batch * each && y[k] == z[k]; k++)
			;
		ck_assert_msg(k == t->source.images / net_batch * each, "%s: output %u of image %llu: byte %llu is %u, not %u", t->text, i,
			      (unsigned long long)(k / each), (unsigned long long)(k % each), y[k], z[k]);
	}
}

static void run_trial(struct trial *t)
{
	ck_assert_msg(!nn_session_open(cards, nr_cards, t->p, t->weights_fd, &t->options, &t->session, &err), "%s: %s", t->text, err.text);
	ck_assert_msg(!nn_session_run(t->session, &t->source, t->outputs, &t->report, &err), "%s: %s", t->text, err.text);
	same_outputs(t);
	ck_assert_uint_eq(t->report.images, t->source.images);
}

/* ---- the plain case, to the byte ---- */

START_TEST(two_layers)
{
	struct nn_program *p = net_new("two");
	uint32_t x = net_pack(p, net_input(p, NN_U1, 3, 10, 12)), y = net_conv(p, x, 20, 3, 1, NN_NONE_VALUE, NN_NONE_VALUE);
	uint64_t each = 3 * 10 * 12, blocks = 0, out = 10 * 12 * 32;
	struct smartssd_file f;
	struct trial t;

	net_output(p, y);
	net_finish(p);
	open_card("emu:ddr=64M");
	new_trial(&t, p, 7, true);
	if (t.weights_fd < 0)
		t.weights_fd = write_file("weights", p->weights_offset, p->weights, p->weights_bytes);
	t.options.batch = 2;
	run_trial(&t);
	ck_assert_int_eq(smartssd_file_register(cards[0], t.source.array.fd, &f), 0);
	/* Whole blocks around the images of each group, and around the weights. */
	for (uint64_t i = 0; i < 7; i += 2) {
		uint64_t from = t.source.array.array.offset + i * each, to = from + (i == 6 ? 1 : 2) * each;

		blocks += align_up(to, f.io_align) - align_down(from, f.io_align);
	}
	ck_assert_uint_eq(t.report.jobs, 4);
	ck_assert_uint_eq(t.report.bytes.runs, 8);
	ck_assert_uint_eq(t.report.weights.ssd_to_card, align_up(p->weights_bytes, f.io_align));
	ck_assert_uint_eq(t.report.bytes.ssd_to_card, blocks + align_up(p->weights_bytes, f.io_align));
	ck_assert_uint_eq(t.report.bytes.card_to_host, 7 * out + 4 * 2 * STATUS);
	ck_assert_uint_eq(t.report.bytes.host_to_card, 4 * 2 * STATUS);
	ck_assert_uint_eq(t.report.bytes.bounce_read, 0);
	ck_assert_uint_eq(t.report.host_read_bytes, 0);
	ck_assert_uint_eq(t.report.host_only_bytes, 7 * each);
	ck_assert_uint_eq(t.report.layers[0].runs, 4);
	ck_assert_uint_eq(t.report.layers[1].runs, 4);
	ck_assert(t.report.layers[1].seconds > 0 && t.report.read_seconds > 0 && t.report.compute_seconds > 0);
	ck_assert(t.report.redone == 0 && t.report.lost == 0 && t.report.faults == 0 && t.report.cards == 1);
	free_trial(&t);
}
END_TEST

/* ---- everything anywhere ---- */

static void place_anywhere(struct nn_program *p, uint32_t cards_too)
{
	for (uint32_t l = 0; l < p->nr_layers; l++) {
		if (p->layers[l].kind == NN_LAYER_GRAPH)
			continue;
		p->layers[l].place = random_in(0, 2) ? NN_ON_CARD : NN_ON_HOST;
		p->layers[l].card = cards_too ? (uint32_t)random_in(0, (int)cards_too - 1) : 0;
	}
	p->spread = cards_too > 0;
	p->cards = cards_too ? cards_too : 1;
}

static struct nn_program *random_program(void)
{
	bool is_float = random_in(0, 1), softmax = random_in(0, 1);

	return net_random(is_float, softmax);
}

START_TEST(places)
{
	struct trial t;

	open_card("emu:ddr=64M");
	for (int i = 0; i < 10; i++) {
		struct nn_program *p = random_program();

		if (random_in(0, 4))
			place_anywhere(p, 0);
		new_trial(&t, p, (uint64_t)random_in(1, 9), random_in(0, 2));
		t.options.batch = (uint32_t)random_in(1, 4);
		t.options.verify = random_in(0, 1);
		snprintf(t.text, sizeof(t.text), "program %d, %llu images, batch %u", i, (unsigned long long)t.source.images, t.options.batch);
		run_trial(&t);
		if (t.options.verify) {
			ck_assert_uint_gt(t.report.verified, 0);
			ck_assert(!t.report.difference.found);
		}
		free_trial(&t);
	}
}
END_TEST

/* Models that were exported for three images at a time */
START_TEST(batches)
{
	struct nn_session *s;
	struct trial t;

	net_batch = 3;
	open_card("emu:ddr=64M");
	open_card("emu:ddr=64M");
	for (int i = 0; i < 6; i++) {
		struct nn_program *p = random_program();

		if (i % 2)
			place_anywhere(p, i == 5 ? 2 : 0);
		new_trial(&t, p, 3 * (uint64_t)random_in(1, 5), random_in(0, 2));
		t.options.batch = (uint32_t)random_in(1, 7);
		t.options.verify = random_in(0, 1);
		snprintf(t.text, sizeof(t.text), "program %d, batch %u", i, t.options.batch);
		run_trial(&t);
		ck_assert(!t.report.difference.found);
		if (t.source.images > 3) {
			t.source.images--;
			ck_assert_msg(!nn_session_open(cards, 1, p, t.weights_fd, &t.options, &s, &err), "%s", err.text);
			ck_assert_int_eq(nn_session_run(s, &t.source, t.outputs, NULL, &err), -EINVAL);
			ck_assert_ptr_nonnull(strstr(err.text, "3 at a time"));
			nn_session_close(s);
		}
		free_trial(&t);
	}
	net_batch = 1;
}
END_TEST

START_TEST(images_over_cards)
{
	struct trial t;
	uint32_t with = 0;

	for (int i = 0; i < 3; i++)
		open_card("emu:ddr=64M");
	new_trial(&t, random_program(), 40, true);
	run_trial(&t);
	ck_assert_uint_eq(t.report.cards, 3);
	for (uint32_t c = 0; c < nr_cards; c++) {
		struct smartssd_counters n;

		ck_assert_int_eq(smartssd_counters(cards[c], SMARTSSD_COUNT_FILE, &n), 0);
		with += n.runs > 0;
	}
	ck_assert_uint_eq(with, 3);
	free_trial(&t);
}
END_TEST

START_TEST(layers_over_cards)
{
	struct trial t;

	for (int i = 0; i < 3; i++)
		open_card("emu:ddr=64M");
	for (int i = 0; i < 10; i++) {
		struct nn_program *p = random_program();

		place_anywhere(p, 3);
		new_trial(&t, p, (uint64_t)random_in(1, 9), random_in(0, 2));
		t.options.batch = (uint32_t)random_in(1, 3);
		t.options.verify = random_in(0, 1);
		snprintf(t.text, sizeof(t.text), "program %d", i);
		run_trial(&t);
		ck_assert(!t.report.difference.found);
		free_trial(&t);
	}
}
END_TEST

/* Ranges of layers, without a host in between: values go from card to card. */
START_TEST(card_to_card)
{
	struct nn_program *p = random_program();
	uint64_t crossing;
	struct trial t;

	for (int i = 0; i < 2; i++)
		open_card("emu:ddr=64M");
	p->spread = 1;
	p->cards = 2;
	for (uint32_t l = 4; l < p->nr_layers; l++)
		p->layers[l].card = 1;
	new_trial(&t, p, 6, true);
	run_trial(&t);
	/* Layer 4 adds the values of layers 1 and 3: both cross, over the link and back, and nothing else does but outputs and status. */
	crossing = nn_value_bytes(p, &p->values[p->layers[1].out], 1) + nn_value_bytes(p, &p->values[p->layers[3].out], 1);
	ck_assert_uint_eq(t.report.bytes.host_to_card - t.report.weights.host_to_card, 6 * (crossing + 13 * STATUS));
	ck_assert_uint_eq(t.report.jobs, 12);
	free_trial(&t);
}
END_TEST

START_TEST(runs_again)
{
	struct nn_session *s;
	struct nn_report second;
	struct trial t;

	open_card("emu:ddr=64M");
	new_trial(&t, random_program(), 5, true);
	ck_assert_msg(!nn_session_open(cards, nr_cards, t.p, t.weights_fd, &t.options, &s, &err), "%s", err.text);
	for (int i = 0; i < 2; i++) {
		memset(t.outputs[0], 0, 5 * net_output_bytes(t.p, 0));
		ck_assert_msg(!nn_session_run(s, &t.source, t.outputs, i ? &second : &t.report, &err), "%s", err.text);
		same_outputs(&t);
	}
	/* The weights were loaded once. */
	ck_assert_uint_eq(t.report.bytes.ssd_to_card - t.report.weights.ssd_to_card, second.bytes.ssd_to_card);
	ck_assert_uint_eq(second.weights.ssd_to_card + second.weights.host_to_card, 0);
	nn_session_close(s);
	free_trial(&t);
}
END_TEST

/* ---- faults ---- */

/* What a card does wrong in its CU @cu's run @nth: the same bytes, and the report says so. */
static void with_fault(const char *fault, uint32_t others, bool anywhere, uint32_t faults, uint32_t lost)
{
	char uri[96];
	struct trial t;

	snprintf(uri, sizeof(uri), "emu:ddr=64M,fault=%s", fault);
	open_card(uri);
	for (uint32_t i = 0; i < others; i++)
		open_card("emu:ddr=64M");
	new_trial(&t, random_program(), 24, true);
	if (anywhere)
		place_anywhere(t.p, nr_cards);
	/* The unit that the fault is for must be at work. */
	for (uint32_t l = 0; l < t.p->nr_layers && anywhere; l++)
		if (t.p->layers[l].kind == NN_LAYER_CONV) {
			t.p->layers[l].place = NN_ON_CARD;
			t.p->layers[l].card = 0;
		}
	t.options.batch = 2;
	t.options.run_timeout_ms = 1500;
	snprintf(t.text, sizeof(t.text), "%s, %u other cards", uri, others);
	run_trial(&t);
	ck_assert_msg(t.report.faults == faults && t.report.lost == lost, "%s: %u faults, %u lost", t.text, t.report.faults, t.report.lost);
	ck_assert_msg(!t.report.redone == !(faults + lost), "%s: %u redone", t.text, t.report.redone);
	free_trial(&t);
	close_cards();
}

/* Number of the CU of nn_conv, which each program uses several times for each group. */
static uint32_t conv_cu(void)
{
	uint64_t mask;

	open_card("emu:ddr=64M");
	mask = smartssd_find_kernel(cards[0], "nn_conv");
	close_cards();
	ck_assert_uint_ne(mask, 0);
	return (uint32_t)__builtin_ctzll(mask);
}

START_TEST(fault)
{
	static const char *const kinds[] = { "hang", "crash", "wrong", "gone", "no-irq" };
	uint32_t cu = conv_cu();
	char text[32];

	/* In the very first run; later, with layers on cards and host; and beside another card, of which it is not known how many groups it takes. */
	for (uint32_t i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "%s:%u:%d", kinds[_i], cu, i ? 14 : 1);
		with_fault(text, i == 2, i == 1, _i < 3, _i == 3);
	}
}
END_TEST

/* ---- verification ---- */

START_TEST(verification_finds)
{
	struct nn_program *p = random_program();
	uint8_t *bad = malloc(p->weights_bytes);
	struct nn_session *s;
	struct trial t;
	uint32_t l = 2;

	open_card("emu:ddr=64M");
	new_trial(&t, p, 4, true);
	/* The card's copy of one bias of layer 2 is another one than the host's. */
	memcpy(bad, p->weights, p->weights_bytes);
	bad[p->layers[l].coef_at + 2] ^= 0x40;
	if (t.weights_fd >= 0)
		close(t.weights_fd);
	t.weights_fd = write_file("bad", p->weights_offset, bad, p->weights_bytes);
	t.options.verify = true;
	ck_assert_msg(!nn_session_open(cards, 1, p, t.weights_fd, &t.options, &s, &err), "%s", err.text);
	ck_assert_msg(!nn_session_run(s, &t.source, t.outputs, &t.report, &err), "%s", err.text);
	ck_assert(t.report.difference.found);
	ck_assert_uint_eq(t.report.difference.layer, l);
	ck_assert_uint_eq(t.report.difference.image, 0);
	/* Filter 0: the first channel, in ONNX order before all others. */
	ck_assert_uint_lt(t.report.difference.index, p->values[p->layers[l].out].h * p->values[p->layers[l].out].w);
	ck_assert_int_ne(t.report.difference.card, t.report.difference.reference);
	nn_session_close(s);
	free(bad);
	free_trial(&t);
}
END_TEST

/* ---- timeline ---- */

START_TEST(timeline)
{
	char path[64], *text;
	uint32_t complete = 0;
	struct nn_session *s;
	struct trial t;
	struct stat st;
	FILE *f;

	for (int i = 0; i < 2; i++)
		open_card("emu:ddr=64M");
	new_trial(&t, random_program(), 8, true);
	snprintf(path, sizeof(path), "%s/t.json", folder);
	ck_assert_msg(!nn_session_open(cards, 2, t.p, t.weights_fd, &t.options, &s, &err), "%s", err.text);
	ck_assert_int_eq(nn_session_timeline(s, path, &err), -EINVAL);
	nn_session_close(s);
	t.options.timeline = true;
	ck_assert_msg(!nn_session_open(cards, 2, t.p, t.weights_fd, &t.options, &s, &err), "%s", err.text);
	ck_assert_msg(!nn_session_run(s, &t.source, t.outputs, &t.report, &err), "%s", err.text);
	ck_assert_msg(!nn_session_timeline(s, path, &err), "%s", err.text);
	ck_assert_int_eq(stat(path, &st), 0);
	text = calloc(1, (size_t)st.st_size + 1);
	f = fopen(path, "r");
	ck_assert_uint_eq(fread(text, 1, (size_t)st.st_size, f), st.st_size);
	fclose(f);
	for (const char *at = text; (at = strstr(at, "\"ph\": \"X\"")); at++)
		complete++;
	/* Each RUN and READ, and two copies of status words for each job at least; its syntax is looked at by tests/cli/test_networks.sh. */
	ck_assert_uint_ge(complete, t.report.bytes.runs + 8 + 2 * t.report.jobs);
	ck_assert_uint_le(complete, t.report.commands + 8);
	ck_assert_ptr_nonnull(strstr(text, "nn_conv"));
	ck_assert_ptr_nonnull(strstr(text, "\"layer1\""));
	free(text);
	ck_assert_int_eq(nn_session_timeline(s, "/nonexistent/t.json", &err), -ENOENT);
	nn_session_close(s);
	free_trial(&t);
}
END_TEST

/* ---- what is refused ---- */

static void refused(const struct trial *t, struct nn_session *s, int code, const char *text)
{
	err.text[0] = '\0';
	ck_assert_int_eq(nn_session_run(s, &t->source, t->outputs, NULL, &err), code);
	ck_assert_msg(strstr(err.text, text) != NULL, "\"%s\" does not say \"%s\"", err.text, text);
}

START_TEST(bad_sources)
{
	struct nn_session *s;
	struct trial t, other;

	open_card("emu:ddr=64M");
	new_trial(&t, net_random(false, false), 3, true);
	ck_assert_msg(!nn_session_open(cards, 1, t.p, t.weights_fd, &t.options, &s, &err), "%s", err.text);
	other = t;
	other.source.array.array.shape[2]++;
	refused(&other, s, -EINVAL, "shape");
	other = t;
	other.source.array.array.ndim = 3;
	refused(&other, s, -EINVAL, "shape");
	other = t;
	other.source.array.array.type = SMARTSSD_F4;
	refused(&other, s, -EINVAL, "f4");
	other = t;
	other.source.images = 4;
	refused(&other, s, -EINVAL, "4 images");
	other = t;
	other.source.images = 0;
	refused(&other, s, -EINVAL, "0 images");
	other = t;
	other.source.array.array.bytes--;
	refused(&other, s, -EINVAL, "too few");
	other = t;
	other.source.array.array.offset += 100;
	refused(&other, s, -EINVAL, "too few");
	/* And after all that it still works. */
	ck_assert_msg(!nn_session_run(s, &t.source, t.outputs, &t.report, &err), "%s", err.text);
	same_outputs(&t);
	nn_session_close(s);
	free_trial(&t);
}
END_TEST

START_TEST(bad_sessions)
{
	struct nn_session *s;
	struct trial t;

	new_trial(&t, random_program(), 1, true);
	ck_assert_msg(!smartssd_open("emu:ddr=64M", &cards[0], &err), "%s", err.text);
	nr_cards = 1;
	ck_assert_int_eq(nn_session_open(cards, 1, t.p, t.weights_fd, &t.options, &s, &err), -ENOEXEC);
	ck_assert_msg(strstr(err.text, "overlay-flat.xclbin") != NULL, "%s", err.text);
	close_cards();
	open_card("emu:ddr=2M");
	ck_assert_int_eq(nn_session_open(cards, 0, t.p, t.weights_fd, &t.options, &s, &err), -EINVAL);
	t.options.batch = 0;
	ck_assert_int_eq(nn_session_open(cards, 1, t.p, t.weights_fd, &t.options, &s, &err), -EINVAL);
	t.options.batch = 1000;
	ck_assert_int_eq(nn_session_open(cards, 1, t.p, t.weights_fd, &t.options, &s, &err), -ENOSPC);
	ck_assert_msg(strstr(err.text, "smaller batch") != NULL, "%s", err.text);
	free_trial(&t);
}
END_TEST

static int stop_soon(void *ctx, uint64_t done, uint64_t total)
{
	uint32_t *calls = ctx;

	ck_assert_uint_le(done, total);
	return ++*calls > 3;
}

START_TEST(progress)
{
	uint32_t calls = 0;
	struct nn_session *s;
	struct trial t;

	open_card("emu:ddr=64M");
	new_trial(&t, random_program(), 300, true);
	t.options.progress = (struct smartssd_progress){ stop_soon, &calls };
	ck_assert_msg(!nn_session_open(cards, 1, t.p, t.weights_fd, &t.options, &s, &err), "%s", err.text);
	refused(&t, s, -ECANCELED, "stopped");
	ck_assert_uint_eq(calls, 4);
	nn_session_close(s);
	free_trial(&t);
}
END_TEST

/* A kernel that does not like its arguments is no fault: nothing is redone, and it is named. */
START_TEST(refusal_is_named)
{
	struct nn_session *s;
	struct trial t;

	open_card("emu:ddr=64M");
	new_trial(&t, random_program(), 2, true);
	t.p->layers[1].conv.tile_channels = 7;
	ck_assert_msg(!nn_session_open(cards, 1, t.p, t.weights_fd, &t.options, &s, &err), "%s", err.text);
	refused(&t, s, -EIO, "layer1");
	ck_assert_ptr_nonnull(strstr(err.text, "nn_conv"));
	ck_assert_ptr_nonnull(strstr(err.text, "refused"));
	nn_session_close(s);
	free_trial(&t);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("session");
	TCase *tests = tcase_create("session");
	SRunner *runner;
	int failed;

	random_start();
	tcase_set_timeout(tests, 120);
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, two_layers);
	tcase_add_test(tests, places);
	tcase_add_test(tests, batches);
	tcase_add_test(tests, images_over_cards);
	tcase_add_test(tests, layers_over_cards);
	tcase_add_test(tests, card_to_card);
	tcase_add_test(tests, runs_again);
	tcase_add_loop_test(tests, fault, 0, 5);
	tcase_add_test(tests, verification_finds);
	tcase_add_test(tests, timeline);
	tcase_add_test(tests, bad_sources);
	tcase_add_test(tests, bad_sessions);
	tcase_add_test(tests, progress);
	tcase_add_test(tests, refusal_is_named);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
