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
/*
 * ThreadSanitizer makes everything some ten times as slow, and looks for races, not for results: fewer images (still several turns of several groups for each worker),
 * and of the faults those in mid-run, with the host and with another card.
 */
#ifdef __SANITIZE_THREAD__
#define MANY   80
#define RACES  true
#else
#define MANY   400
#define RACES  false
#endif

static struct smartssd_device *cards[MAX_CARDS];
static uint32_t nr_cards;
static struct smartssd_error err;
static char folder[] = "/tmp/smartssd-nn-XXXXXX";

/* One for a whole case: Check does not call the fixtures of a test that has failed. */
static void make_folder(void)
{
	strcpy(folder + sizeof(folder) - 7, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void close_cards(void)
{
	while (nr_cards)
		smartssd_close(cards[--nr_cards]);
}

static void remove_folder(void)
{
	char command[64];

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
	struct smartssd_source source;
	uint64_t images;
	uint8_t *input;
	int weights_fd;
	void *outputs[2], *expected[2];
	struct smartssd_session_options options;
	struct smartssd_session_report report;
	struct smartssd_session *session;
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
	t->images = images;
	t->source.array = (struct smartssd_array){ .type = in->type == NN_F4 ? SMARTSSD_F4 : SMARTSSD_U1, .ndim = 4, .shape = { images },
							 .offset = skip, .bytes = images * each };
	for (int i = 1; i < 4; i++)
		t->source.array.shape[i] = (uint64_t)in->dims.d[i];
	t->source.fd = file ? write_file("input", skip, t->input, images * each) : -1;
	t->source.data = t->input;
	t->weights_fd = random_in(0, 1) ? write_file("weights", p->weights_offset, p->weights, p->weights_bytes) : -1;
	t->options = (struct smartssd_session_options){ .batch = 1 };
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
	smartssd_session_close(t->session);
	if (t->source.fd >= 0)
		close(t->source.fd);
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

		for (k = 0; k < t->images / net_batch * each && y[k] == z[k]; k++)
			;
		ck_assert_msg(k == t->images / net_batch * each, "%s: output %u of image %llu: byte %llu is %u, not %u", t->text, i,
			      (unsigned long long)(k / each), (unsigned long long)(k % each), y[k], z[k]);
	}
}

static void run_trial(struct trial *t)
{
	ck_assert_msg(!nn_session_open(cards, nr_cards, t->p, t->weights_fd, &t->options, &t->session, &err), "%s: %s", t->text, err.text);
	ck_assert_msg(!smartssd_session_run(t->session, &t->source, t->images, t->outputs, &t->report, &err), "%s: %s", t->text, err.text);
	same_outputs(t);
	ck_assert_uint_eq(t->report.images, t->images);
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
	t.weights_fd = t.weights_fd < 0 ? write_file("weights", p->weights_offset, p->weights, p->weights_bytes) : t.weights_fd;
	t.options.batch = 2;
	run_trial(&t);
	ck_assert_int_eq(smartssd_file_register(cards[0], t.source.fd, &f), 0);
	/* Whole blocks around the images of each group, and around the weights. */
	for (uint64_t i = 0; i < 7; i += 2) {
		uint64_t from = t.source.array.offset + i * each, to = from + (i == 6 ? 1 : 2) * each;

		blocks += align_up(to, f.io_align) - align_down(from, f.io_align);
	}
	/* A job for each group, and one for what was read ahead: any group but each worker's first. */
	ck_assert(t.report.jobs >= 4 && t.report.jobs < 4 + 4);
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
		snprintf(t.text, sizeof(t.text), "program %d, %llu images, batch %u", i, (unsigned long long)t.images, t.options.batch);
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
	struct smartssd_session *s;
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
		if (t.images > 3) {
			t.images--;
			ck_assert_msg(!nn_session_open(cards, 1, p, t.weights_fd, &t.options, &s, &err), "%s", err.text);
			ck_assert_int_eq(smartssd_session_run(s, &t.source, t.images, t.outputs, NULL, &err), -EINVAL);
			ck_assert_ptr_nonnull(strstr(err.text, "3 at a time"));
			smartssd_session_close(s);
		}
		free_trial(&t);
	}
	net_batch = 1;
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
	ck_assert(t.report.jobs >= 12 && t.report.jobs < 12 + 6);
	free_trial(&t);
}
END_TEST

START_TEST(runs_again)
{
	struct smartssd_session *s;
	struct smartssd_session_report second;
	struct trial t;

	open_card("emu:ddr=64M");
	new_trial(&t, random_program(), 5, true);
	ck_assert_msg(!nn_session_open(cards, nr_cards, t.p, t.weights_fd, &t.options, &s, &err), "%s", err.text);
	for (int i = 0; i < 2; i++) {
		memset(t.outputs[0], 0, 5 * net_output_bytes(t.p, 0));
		ck_assert_msg(!smartssd_session_run(s, &t.source, t.images, t.outputs, i ? &second : &t.report, &err), "%s", err.text);
		same_outputs(&t);
	}
	/* The weights were loaded once. */
	ck_assert_uint_eq(t.report.bytes.ssd_to_card - t.report.weights.ssd_to_card, second.bytes.ssd_to_card);
	ck_assert_uint_eq(second.weights.ssd_to_card + second.weights.host_to_card, 0);
	smartssd_session_close(s);
	free_trial(&t);
}
END_TEST

/* ---- eight cards, as against one ---- */

static void one_and_eight(struct nn_program *p, uint64_t images)
{
	uint64_t runs[MAX_CARDS] = { 0 };
	struct smartssd_counters n;
	struct smartssd_session *s;
	struct trial t;
	void *one[2];

	for (uint32_t c = 0; c < MAX_CARDS; c++)
		open_card("emu:ddr=64M");
	new_trial(&t, p, images, true);
	/* The same program on one card: a layer's card is taken modulo the number of cards. */
	ck_assert_msg(!nn_session_open(cards, 1, p, t.weights_fd, &t.options, &s, &err), "%s", err.text);
	ck_assert_msg(!smartssd_session_run(s, &t.source, t.images, t.outputs, &t.report, &err), "%s", err.text);
	ck_assert_uint_eq(t.report.cards, 1);
	smartssd_session_close(s);
	for (uint32_t i = 0; i < p->nr_outputs; i++) {
		one[i] = malloc(images * net_output_bytes(p, i));
		memcpy(one[i], t.outputs[i], images * net_output_bytes(p, i));
		memset(t.outputs[i], 0x5a, images * net_output_bytes(p, i));
	}
	for (uint32_t c = 0; c < MAX_CARDS; c++) {
		ck_assert_int_eq(smartssd_counters(cards[c], SMARTSSD_COUNT_FILE, &n), 0);
		runs[c] = n.runs;
	}
	run_trial(&t);
	ck_assert_uint_eq(t.report.cards, MAX_CARDS);
	for (uint32_t i = 0; i < p->nr_outputs; i++) {
		ck_assert_mem_eq(one[i], t.outputs[i], images * net_output_bytes(p, i));
		free(one[i]);
	}
	for (uint32_t c = 0; c < MAX_CARDS; c++) {
		ck_assert_int_eq(smartssd_counters(cards[c], SMARTSSD_COUNT_FILE, &n), 0);
		ck_assert_msg(n.runs > runs[c], "card %u was not used", c);
	}
	free_trial(&t);
}

START_TEST(images_over_eight_cards)
{
	one_and_eight(random_program(), MANY);
}
END_TEST

START_TEST(layers_over_eight_cards)
{
	struct nn_program *p = random_program();

	p->spread = 1;
	p->cards = MAX_CARDS;
	for (uint32_t l = 0; l < p->nr_layers; l++)
		p->layers[l].card = l * MAX_CARDS / p->nr_layers;
	/* The last layer may be the host's. */
	p->layers[p->nr_layers - 2].card = MAX_CARDS - 1;
	one_and_eight(p, MANY / 10);
}
END_TEST

/* ---- card memory ---- */

/* From plenty to none: less is read ahead, then nothing, then there is a message. */
START_TEST(memory_gets_short)
{
	uint32_t done = 0, batch = 1;
	struct trial t;
	int ret;

	open_card("emu:ddr=2M");
	new_trial(&t, random_program(), 60, true);
	for (;; batch += 1 + batch / 3) {
		t.options.batch = batch;
		snprintf(t.text, sizeof(t.text), "batch %u", batch);
		memset(t.outputs[0], 0, 60 * net_output_bytes(t.p, 0));
		ret = nn_session_open(cards, 1, t.p, t.weights_fd, &t.options, &t.session, &err);
		if (ret)
			break;
		ck_assert_msg(!smartssd_session_run(t.session, &t.source, t.images, t.outputs, &t.report, &err), "%s: %s", t.text, err.text);
		same_outputs(&t);
		ck_assert(!t.report.faults && !t.report.lost && !t.report.redone);
		smartssd_session_close(t.session);
		t.session = NULL;
		done++;
	}
	ck_assert_int_eq(ret, -ENOSPC);
	ck_assert_msg(strstr(err.text, "smaller batch") != NULL, "%s", err.text);
	ck_assert_uint_gt(done, 3);
	free_trial(&t);
}
END_TEST

/* ---- faults ---- */

/*
 * What a card does wrong in its CU @cu's run @nth (0: the last one of all, when there is no other card): the same bytes, and the report says so.
 */
static void with_fault(const char *kind, uint32_t cu, uint32_t nth, uint32_t others, bool anywhere, uint32_t faults, uint32_t lost)
{
	struct nn_program *p = random_program();
	char uri[96];
	struct trial t;

	for (uint32_t l = 0; l < p->nr_layers && !nth; l++)
		nth -= p->layers[l].kind == NN_LAYER_CONV ? 12 : 0;
	nth = (int32_t)nth < 0 ? -nth : nth;
	snprintf(uri, sizeof(uri), "emu:ddr=64M,fault=%s:%u:%u", kind, cu, nth);
	open_card(uri);
	for (uint32_t i = 0; i < others; i++)
		open_card("emu:ddr=64M");
	new_trial(&t, p, 24, true);
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

	/* In the very first run; later, with layers on cards and host; beside another card, of which it is not known how many groups it takes; at the very end. */
	if (!RACES)
		with_fault(kinds[_i], cu, 1, 0, false, _i < 3, _i == 3);
	with_fault(kinds[_i], cu, 14, 0, true, _i < 3, _i == 3);
	with_fault(kinds[_i], cu, 14, 1, false, _i < 3, _i == 3);
	if (!RACES)
		with_fault(kinds[_i], cu, 0, 0, false, _i < 3, _i == 3);
}
END_TEST

/* A card that was lost in one session is lost from the beginning in the next one: others do its work, or the host does. */
START_TEST(lost_before)
{
	uint32_t cu = conv_cu();
	char uri[64];
	struct trial t;

	snprintf(uri, sizeof(uri), "emu:ddr=64M,fault=gone:%u:1", cu);
	open_card(uri);
	new_trial(&t, random_program(), 6, true);
	run_trial(&t);
	ck_assert_uint_eq(t.report.lost, 1);
	for (int with = 0; with < 3; with++) {
		/* The second run of a session; alone in a new one; beside a card that works; and layers spread over both. */
		memset(t.outputs[0], 0, 6 * net_output_bytes(t.p, 0));
		ck_assert_msg(!smartssd_session_run(t.session, &t.source, t.images, t.outputs, &t.report, &err), "%s", err.text);
		same_outputs(&t);
		smartssd_session_close(t.session);
		t.session = NULL;
		if (with == 1)
			open_card("emu:ddr=64M");
		t.p->spread = with == 2;
		for (uint32_t l = 0; l < t.p->nr_layers; l++)
			t.p->layers[l].card = with == 2 && l > 3;
		memset(t.outputs[0], 0, 6 * net_output_bytes(t.p, 0));
		run_trial(&t);
		ck_assert_uint_eq(t.report.lost, 1);
		ck_assert(!with == !t.report.bytes.runs);
	}
	free_trial(&t);
}
END_TEST

/* ---- verification ---- */

/* The first difference that @bad weights make in layer @l's output, from inputs that are right up to there. */
static void first_difference(const struct trial *t, uint32_t l, const uint8_t *bad, struct smartssd_difference *d)
{
	const struct nn_program *p = t->p;
	const struct nn_value *v = &p->values[p->layers[l].out];
	uint64_t each = (uint64_t)v->c * v->h * v->w, image = t->source.array.bytes / t->images;
	uint8_t *y = malloc(each), *z = malloc(each), *arena;
	struct nn_memory m;

	ck_assert_int_eq(nn_memory_plan(p, 1, true, &m), 0);
	arena = calloc(1, m.bytes + 64);
	d->found = false;
	for (uint64_t n = 0; n < t->images && !d->found; n++) {
		for (uint32_t i = 0; i <= l; i++)
			ck_assert_int_eq(nn_layer_run_host(p, &p->layers[i], &m, 1, arena, p->weights, t->input + n * image, true, &err), 0);
		nn_value_to_plain(p, v, 1, arena + m.offset[p->layers[l].out], z);
		ck_assert_int_eq(nn_layer_run_host(p, &p->layers[l], &m, 1, arena, bad, t->input + n * image, true, &err), 0);
		nn_value_to_plain(p, v, 1, arena + m.offset[p->layers[l].out], y);
		for (uint64_t i = 0; i < each && !d->found; i++)
			if (y[i] != z[i])
				*d = (struct smartssd_difference){ true, l, n, i, v->type == NN_I1 ? (int8_t)y[i] : y[i], v->type == NN_I1 ? (int8_t)z[i] : z[i] };
	}
	ck_assert(d->found);
	free(arena);
	free(m.offset);
	free(y);
	free(z);
}

/* Wrong bytes in one layer: that layer, the first element of the first image, and both values are told. Layers behind it have them as inputs, and are right. */
START_TEST(verification_finds)
{
	struct nn_program *p = random_program();
	uint8_t *bad = malloc(p->weights_bytes);
	struct smartssd_difference expect;
	struct smartssd_session *s;
	struct trial t;
	uint32_t l = 1 + (uint32_t)_i, f;

	open_card("emu:ddr=64M");
	new_trial(&t, p, 4, true);
	/* The card's copy of one filter's bias is another one than the host's. */
	f = (uint32_t)random_in(0, (int)p->values[p->layers[l].out].c - 1);
	memcpy(bad, p->weights, p->weights_bytes);
	bad[p->layers[l].coef_at + 8 * f + 1] ^= 0x10;
	if (t.weights_fd >= 0)
		close(t.weights_fd);
	t.weights_fd = write_file("bad", p->weights_offset, bad, p->weights_bytes);
	first_difference(&t, l, bad, &expect);
	t.options.verify = true;
	for (t.options.batch = 1; t.options.batch < 4; t.options.batch++) {
		ck_assert_msg(!nn_session_open(cards, 1, p, t.weights_fd, &t.options, &s, &err), "%s", err.text);
		ck_assert_msg(!smartssd_session_run(s, &t.source, t.images, t.outputs, &t.report, &err), "%s", err.text);
		ck_assert(t.report.difference.found);
		ck_assert_uint_eq(t.report.difference.layer, l);
		ck_assert_uint_eq(t.report.difference.image, expect.image);
		ck_assert_uint_eq(t.report.difference.index, expect.index);
		ck_assert_int_eq(t.report.difference.card, expect.card);
		ck_assert_int_eq(t.report.difference.reference, expect.reference);
		smartssd_session_close(s);
	}
	free(bad);
	free_trial(&t);
}
END_TEST

/* ---- timeline ---- */

START_TEST(timeline)
{
	char path[64], *text;
	uint32_t complete = 0;
	struct smartssd_session *s;
	struct trial t;
	struct stat st;
	FILE *f;

	for (int i = 0; i < 2; i++)
		open_card("emu:ddr=64M");
	new_trial(&t, random_program(), 8, true);
	snprintf(path, sizeof(path), "%s/t.json", folder);
	ck_assert_msg(!nn_session_open(cards, 2, t.p, t.weights_fd, &t.options, &s, &err), "%s", err.text);
	ck_assert_int_eq(smartssd_session_timeline(s, path, &err), -EINVAL);
	smartssd_session_close(s);
	t.options.timeline = true;
	ck_assert_msg(!nn_session_open(cards, 2, t.p, t.weights_fd, &t.options, &s, &err), "%s", err.text);
	ck_assert_msg(!smartssd_session_run(s, &t.source, t.images, t.outputs, &t.report, &err), "%s", err.text);
	ck_assert_msg(!smartssd_session_timeline(s, path, &err), "%s", err.text);
	ck_assert_int_eq(stat(path, &st), 0);
	text = calloc(1, (size_t)st.st_size + 1);
	f = fopen(path, "r");
	ck_assert_uint_eq(fread(text, 1, (size_t)st.st_size, f), st.st_size);
	fclose(f);
	for (const char *at = text; (at = strstr(at, "\"ph\": \"X\"")); at++)
		complete++;
	/* Each RUN and READ, and two copies of status words for each group at least; its syntax is looked at by tests/cli/test_networks.sh. */
	ck_assert_uint_ge(complete, t.report.bytes.runs + t.report.bytes.reads - t.report.weights.reads + 2 * 8);
	ck_assert_uint_le(complete, t.report.commands + 8);
	ck_assert_ptr_nonnull(strstr(text, "nn_conv"));
	ck_assert_ptr_nonnull(strstr(text, "\"layer1\""));
	free(text);
	ck_assert_int_eq(smartssd_session_timeline(s, "/nonexistent/t.json", &err), -ENOENT);
	smartssd_session_close(s);
	free_trial(&t);
}
END_TEST

/* ---- what is refused ---- */

static void refused(const struct trial *t, struct smartssd_session *s, int code, const char *text)
{
	err.text[0] = '\0';
	ck_assert_int_eq(smartssd_session_run(s, &t->source, t->images, t->outputs, NULL, &err), code);
	ck_assert_msg(strstr(err.text, text) != NULL, "\"%s\" does not say \"%s\"", err.text, text);
}

START_TEST(bad_sources)
{
	struct smartssd_session *s;
	struct trial t, other;

	open_card("emu:ddr=64M");
	new_trial(&t, net_random(false, false), 3, true);
	ck_assert_msg(!nn_session_open(cards, 1, t.p, t.weights_fd, &t.options, &s, &err), "%s", err.text);
	other = t;
	other.source.array.shape[2]++;
	refused(&other, s, -EINVAL, "shape");
	other = t;
	other.source.array.ndim = 3;
	refused(&other, s, -EINVAL, "shape");
	other = t;
	other.source.array.type = SMARTSSD_F4;
	refused(&other, s, -EINVAL, "f4");
	other = t;
	other.images = 4;
	refused(&other, s, -EINVAL, "4 images");
	other = t;
	other.images = 0;
	refused(&other, s, -EINVAL, "0 images");
	other = t;
	other.source.array.bytes--;
	refused(&other, s, -EINVAL, "too few");
	other = t;
	other.source.array.offset += 100;
	refused(&other, s, -EINVAL, "too few");
	/* And after all that it still works. */
	ck_assert_msg(!smartssd_session_run(s, &t.source, t.images, t.outputs, &t.report, &err), "%s", err.text);
	same_outputs(&t);
	smartssd_session_close(s);
	free_trial(&t);
}
END_TEST

START_TEST(bad_sessions)
{
	struct smartssd_session *s;
	struct trial t;

	new_trial(&t, random_program(), 1, true);
	ck_assert_msg(!smartssd_open("emu:ddr=64M", &cards[0], &err), "%s", err.text);
	nr_cards = 1;
	ck_assert_int_eq(nn_session_open(cards, 1, t.p, t.weights_fd, &t.options, &s, &err), -ENOEXEC);
	ck_assert_msg(strstr(err.text, "overlay-flat.xclbin") != NULL, "%s", err.text);
	close_cards();
	open_card("emu:ddr=2M");
	ck_assert_int_eq(nn_session_open(cards, 0, t.p, t.weights_fd, &t.options, &s, &err), -EINVAL);
	t.options.batch = UINT32_MAX;
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
	struct smartssd_session *s;
	struct trial t;

	open_card("emu:ddr=64M");
	new_trial(&t, random_program(), 300, true);
	t.options.progress = (struct smartssd_progress){ stop_soon, &calls };
	ck_assert_msg(!nn_session_open(cards, 1, t.p, t.weights_fd, &t.options, &s, &err), "%s", err.text);
	refused(&t, s, -ECANCELED, "stopped");
	ck_assert_uint_eq(calls, 4);
	smartssd_session_close(s);
	free_trial(&t);
}
END_TEST

/* A kernel that does not like its arguments is no fault: nothing is redone, and it is named. */
START_TEST(refusal_is_named)
{
	struct smartssd_session *s;
	struct trial t;

	open_card("emu:ddr=64M");
	new_trial(&t, random_program(), 2, true);
	t.p->layers[1].conv.tile_channels = 7;
	ck_assert_msg(!nn_session_open(cards, 1, t.p, t.weights_fd, &t.options, &s, &err), "%s", err.text);
	refused(&t, s, -EIO, "layer1");
	ck_assert_ptr_nonnull(strstr(err.text, "nn_conv"));
	ck_assert_ptr_nonnull(strstr(err.text, "refused"));
	smartssd_session_close(s);
	free_trial(&t);
}
END_TEST

/* "threads" is what runs under ThreadSanitizer, too (tests/nn/threads.sh). */
static TCase *add_case(Suite *suite, const char *name)
{
	TCase *tests = tcase_create(name);

	tcase_set_timeout(tests, 120);
	tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
	tcase_add_checked_fixture(tests, NULL, close_cards);
	suite_add_tcase(suite, tests);
	return tests;
}

int main(void)
{
	Suite *suite = suite_create("session");
	TCase *tests = add_case(suite, "session"), *threads = add_case(suite, "threads");
	SRunner *runner = srunner_create(suite);
	int failed;

	random_start();
	tcase_add_test(tests, two_layers);
	tcase_add_test(tests, places);
	tcase_add_test(tests, batches);
	tcase_add_test(tests, layers_over_cards);
	tcase_add_test(tests, card_to_card);
	tcase_add_test(tests, memory_gets_short);
	tcase_add_loop_test(tests, fault, 0, 1);
	tcase_add_loop_test(tests, verification_finds, 0, 3);
	tcase_add_test(tests, bad_sources);
	tcase_add_test(tests, bad_sessions);
	tcase_add_test(tests, refusal_is_named);
	tcase_add_test(threads, images_over_eight_cards);
	tcase_add_test(threads, layers_over_eight_cards);
	tcase_add_test(threads, runs_again);
	tcase_add_loop_test(threads, fault, 1, 5);
	tcase_add_test(threads, lost_before);
	tcase_add_test(threads, timeline);
	tcase_add_test(threads, progress);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
