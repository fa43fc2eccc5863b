// SPDX-License-Identifier: BSD-2-Clause
/* smartssd run: a compiled network on images, on one or several cards. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../../runtime/libsmartssd_network.h"
#include "../../runtime/private.h"
#include "../../runtime/whole.h"
#include "commands.h"
#include "images.h"
#include "operator.h"
#include "progress.h"

#define VERB	   "run"
#define MAX_CARDS  48

struct run {
	const char *model, *input, *output, *device, *timeline;
	uint64_t batch, nr;
	unsigned p2p, progress, shell;
	bool verify, as_json, shell_given;

	struct smartssd_network *network;
	struct smartssd_network_info info;
	struct smartssd_tensor in; /* one batch of the model */
	struct smartssd_device *cards[MAX_CARDS];
	uint32_t nr_cards;
	struct smartssd_source source;
	uint64_t images;
	void *data; /* of a folder's images ... */
	uint64_t file_bytes; /* ... whose files have so many bytes */
	void **outputs;
	struct smartssd_session *session;
	struct smartssd_session_report report;
	struct smartssd_error err;
};

static int failed(struct run *r, int ret)
{
	complain(VERB, "%s", *r->err.text ? r->err.text : strerror(-ret));
	return 1;
}

/* ---- input ---- */

static void form_of(const struct run *r, bool plain, struct images_form *form)
{
	const struct smartssd_tensor *in = &r->in;

	*form = (struct images_form){ .ndim = in->array.ndim - 1, .scale = 1, .std = { 1, 1, 1, 1 }, .nr_mean = 1 };
	memcpy(form->shape, in->array.shape + 1, form->ndim * sizeof(form->shape[0]));
	if (plain || !in->means)
		return;
	form->scale = in->scale;
	form->nr_mean = in->means;
	memcpy(form->mean, in->mean, sizeof(form->mean));
	memcpy(form->std, in->std, sizeof(form->std));
}

#define VALUES 1 /* images of values are among those of bytes */

/* Image by image into memory: as bytes (VALUES when not all are), so that the card makes values of them; else as the model's type. */
static int read_images(struct run *r, struct images *images, bool bytes)
{
	struct smartssd_array *a = &r->source.array;
	uint64_t nr = images_count(images), each = 1;
	bool floats = !bytes && a->type == SMARTSSD_F4;
	struct progress bar;
	float *values;
	int ret = 0;

	for (uint32_t i = 1; i < a->ndim; i++)
		each *= a->shape[i];
	a->shape[0] = nr;
	if (__builtin_mul_overflow(nr, each * smartssd_type_bytes(a->type), &a->bytes))
		a->bytes = SIZE_MAX;
	free(r->data);
	r->data = malloc(a->bytes ?: 1);
	values = malloc(each * sizeof(*values));
	if (!r->data || !values) {
		free(values);
		return smartssd_fail(&r->err, -ENOMEM, "the images of %s (%llu bytes) do not fit this machine's memory: run them in parts, or make one "
				     ".npy of them, which the card reads by itself", r->input, (unsigned long long)a->bytes);
	}
	progress_begin(&bar, "images", r->progress);
	for (uint64_t i = 0; i < nr && !ret; i++) {
		ret = images_read(images, i, values, &r->err);
		if (!ret && bytes && images_values(images))
			ret = VALUES;
		if (!ret && floats)
			memcpy((float *)r->data + i * each, values, each * sizeof(*values));
		for (uint64_t k = 0; k < each && !ret && !floats; k++) {
			float low = a->type == SMARTSSD_I1 ? -128 : 0;

			if (!(values[k] >= low && values[k] <= low + 255) || values[k] != rintf(values[k]))
				ret = smartssd_fail(&r->err, -EINVAL, "%s: image '%s' holds %g, which is no value of type %s", r->input, images_name(images, i),
						    values[k], smartssd_type_name(a->type));
			else
				((uint8_t *)r->data)[i * each + k] = (uint8_t)(int)values[k];
		}
		progress_step(&bar, i, nr);
	}
	progress_end(&bar);
	free(values);
	return ret;
}

/* @bytes: as they are in the files. */
static int read_folder(struct run *r, bool bytes)
{
	struct images_form form;
	struct images *images;
	int ret;

	form_of(r, bytes, &form);
	ret = images_open(r->input, &form, &images, &r->err);
	if (ret)
		return ret;
	r->source.array = r->in.array;
	if (bytes)
		r->source.array.type = SMARTSSD_U1;
	ret = bytes && !images_bytes(images) ? VALUES : read_images(r, images, bytes);
	if (!ret && r->in.array.type == SMARTSSD_F4 && !r->in.means && images_bytes(images))
		ret = smartssd_fail(&r->err, -EINVAL, "%s holds images of bytes (u1), but the model takes values: bytes are for inputs [N, C, H, W] or [N, C] of at "
				    "most four channels; give it values (f4)", r->input);
	r->file_bytes = images_file_bytes(images);
	images_close(images);
	return ret;
}

static int open_folder(struct run *r)
{
	uint32_t type = r->in.array.type;
	int ret = VALUES;

	if (r->in.array.ndim < 2 || (type != SMARTSSD_F4 && type != SMARTSSD_U1 && type != SMARTSSD_I1))
		return smartssd_fail(&r->err, -EINVAL, "%s is a folder, but the model takes no images; give it a .npy", r->input);
	if (type == SMARTSSD_F4 && r->in.means)
		ret = read_folder(r, true);
	if (ret == VALUES)
		ret = read_folder(r, false);
	r->source.data = r->data;
	return ret;
}

static int open_input(struct run *r)
{
	struct stat st;
	int ret;

	r->source.fd = -1;
	memset(&st, 0, sizeof(st));
	if (!stat(r->input, &st) && S_ISDIR(st.st_mode))
		ret = open_folder(r);
	else if (S_ISFIFO(st.st_mode))
		ret = smartssd_fail(&r->err, -EINVAL, "%s is a pipe: the card reads files, one .npy or a folder of images", r->input);
	else
		ret = smartssd_npy_open(r->input, &r->source.array, &r->source.fd, &r->err);
	if (ret) {
		complain(VERB, "--input: %s", *r->err.text ? r->err.text : strerror(-ret));
		return 1;
	}
	if (!r->source.array.ndim) {
		complain(VERB, "--input: %s holds one number, not images", r->input);
		return 1;
	}
	r->images = r->source.array.shape[0];
	return 0;
}

/* ---- outputs ---- */

/* The path of output @i: the first one as given, further ones with -1, -2, ... before the suffix. */
static void output_path(const struct run *r, uint32_t i, char *path, size_t room)
{
	const char *slash = strrchr(r->output, '/'), *dot = strrchr(r->output, '.');

	if (!dot || (slash && dot < slash))
		dot = r->output + strlen(r->output);
	if (i)
		snprintf(path, room, "%.*s-%u%s", (int)(dot - r->output), r->output, i, dot);
	else
		snprintf(path, room, "%s", r->output);
}

/* Would writing to @path, which is @option's, destroy what is read? Then 2: wrong usage. */
static int spares_inputs(const struct run *r, const char *option, const char *path)
{
	if (same_file(path, r->model))
		complain(VERB, "--%s: %s is the model; name another file", option, path);
	else if (same_file(path, r->input))
		complain(VERB, "--%s: %s is the input; name another file", option, path);
	else
		return 0;
	return 2;
}

/* Before anything is computed: can they be written, and do they fit memory? */
static int prepare_outputs(struct run *r)
{
	struct smartssd_tensor y;
	char path[PATH_MAX];
	int ret;

	r->outputs = calloc(r->info.outputs + 1ull, sizeof(*r->outputs));
	for (uint32_t i = 0; i < r->info.outputs; i++) {
		output_path(r, i, path, sizeof(path));
		ret = spares_inputs(r, "output", path);
		if (ret)
			return ret;
		if (r->timeline && (!strcmp(path, r->timeline) || same_file(path, r->timeline))) {
			complain(VERB, "--timeline: %s is also the output; name another file", r->timeline);
			return 2;
		}
		if (smartssd_whole_check(path, &r->err)) {
			complain(VERB, "--output: %s", r->err.text);
			return 1;
		}
		/* Images that are no multiple of the model's batch: the session has a text for that. */
		ret = smartssd_network_output(r->network, i, r->images - r->images % r->info.batch, &y);
		if (!ret && r->outputs)
			r->outputs[i] = malloc(y.array.bytes ?: 1);
		if (ret || !r->outputs || !r->outputs[i]) {
			complain(VERB, "output '%s' of %llu images is too large for this machine's memory: run them in parts", y.name,
				 (unsigned long long)r->images);
			return 1;
		}
	}
	ret = r->timeline ? spares_inputs(r, "timeline", r->timeline) : 0;
	if (ret)
		return ret;
	if (r->timeline && smartssd_whole_check(r->timeline, &r->err)) {
		complain(VERB, "--timeline: %s", r->err.text);
		return 1;
	}
	return 0;
}

static int save_outputs(struct run *r)
{
	struct smartssd_tensor y;
	char path[PATH_MAX];

	for (uint32_t i = 0; i < r->info.outputs; i++) {
		output_path(r, i, path, sizeof(path));
		if (smartssd_network_output(r->network, i, r->images, &y) || smartssd_npy_save(path, &y.array, r->outputs[i], &r->err)) {
			complain(VERB, "--output: %s", r->err.text);
			return 1;
		}
	}
	return 0;
}

/* ---- cards ---- */

/* The next URI of a list; those of embedded cards have commas of their own. */
static const char *next_uri(const char *list, char *uri, size_t room)
{
	const char *end = list;

	while (*end && !(*end == ',' && (end[1] == '/' || !strncmp(end + 1, "emu:", 4))))
		end++;
	snprintf(uri, room, "%.*s", (int)(end - list), list);
	return *end ? end + 1 : NULL;
}

static int open_one(struct run *r, const char *uri)
{
	bool dfx = r->shell_given ? r->shell == 1 : r->info.shell == SMARTSSD_OVERLAY_DFX;

	if (r->nr_cards == MAX_CARDS) {
		complain(VERB, "--device: more than %u cards", MAX_CARDS);
		return 1;
	}
	if (card_open_with(VERB, uri, r->info.kernel, dfx ? "overlay-dfx.xclbin" : "overlay-flat.xclbin", &r->cards[r->nr_cards]))
		return 1;
	r->nr_cards++;
	return 0;
}

/*
 * --device names cards, --cards says how many. Of "emu:..." there can be as many as wanted; of nodes those after the first one are /dev/smartssd1
 * and so on. Without both: one card, or as many as a program has whose layers are spread over cards.
 */
static int open_cards(struct run *r)
{
	uint64_t want = r->nr ?: r->device ? 0 : r->info.spread ? r->info.cards : 1;
	char uri[512] = "", next[512];
	const char *list = r->device;
	unsigned number = 0;
	int digits;

	do {
		if (list)
			list = next_uri(list, uri, sizeof(uri));
		if (open_one(r, *uri ? uri : NULL))
			return 1;
	} while (list);
	if (want && want < r->nr_cards) {
		complain(VERB, "--cards: %llu, but --device names %u", (unsigned long long)want, r->nr_cards);
		return 2;
	}
	snprintf(uri, sizeof(uri), "%s", smartssd_uri(r->cards[r->nr_cards - 1]));
	while (r->nr_cards < want) {
		if (!strncmp(uri, "emu:", 4)) {
			snprintf(next, sizeof(next), "%s", uri);
		} else if (sscanf(uri, "/dev/smartssd%u%n", &number, &digits) == 1 && !uri[digits]) {
			snprintf(next, sizeof(next), "/dev/smartssd%u", number + 1);
		} else {
			complain(VERB, "--cards: which %llu cards? Name them: --device URI,URI,...", (unsigned long long)want);
			return 2;
		}
		if (open_one(r, next))
			return 1;
		snprintf(uri, sizeof(uri), "%s", next);
	}
	return 0;
}

/* ---- report ---- */

/* A session that gets its images from memory knows nothing of the files that they were in. */
static uint64_t host_read_bytes(const struct run *r)
{
	return r->report.host_read_bytes + r->file_bytes;
}

static uint64_t host_only_bytes(const struct run *r)
{
	return r->report.host_only_bytes + r->file_bytes;
}

static uint64_t link_bytes(const struct run *r)
{
	const struct smartssd_counters *b = &r->report.bytes, *w = &r->report.weights;

	return b->host_to_card + b->card_to_host + b->bounce_read + b->bounce_write -
	       (w->host_to_card + w->card_to_host + w->bounce_read + w->bounce_write) + host_read_bytes(r);
}

static double larger(double a, double b)
{
	return a > b ? a : b;
}

static void print_difference(const struct run *r, FILE *out)
{
	const struct smartssd_difference *d = &r->report.difference;
	struct smartssd_layer l;

	smartssd_network_layer(r->network, d->layer, &l);
	fprintf(out, "image %llu differs from the reference in layer %u ('%s') at index %llu of '%s': %d on the card, %d by the reference",
		(unsigned long long)d->image, d->layer, l.name, (unsigned long long)d->index, l.output, d->card, d->reference);
}

/* Which way did the images go? */
static void print_path(const struct run *r, bool emulated)
{
	const struct smartssd_session_report *p = &r->report;
	const char *images = r->source.fd < 0 ? "images from host memory" : "the host read the images itself";

	if (!p->cards)
		printf("  path          none to a card, for no layer is on one: %s\n", images);
	else if (!p->bytes.runs)
		printf("  path          none to a card, for %s lost before anything was computed on it: %s\n", p->cards == 1 ? "it was" : "all were", images);
	else if (r->source.fd < 0)
		printf("  path          %s%s\n", images, emulated ? " (EMULATED)" : "");
	else if (p->peer_reason != SMARTSSD_PEER_OK)
		printf("  path          through host memory: %s\n", smartssd_peer_reason_text(p->peer_reason));
	else if (p->bytes.ssd_to_card == p->weights.ssd_to_card)
		printf("  path          through host memory: %s, for layers of its own or to convert them\n", images);
	else
		printf("  path          peer to peer: SSD -> card%s\n", emulated ? " (EMULATED)" : "");
}

static void print_text(const struct run *r, bool emulated)
{
	const struct smartssd_session_report *p = &r->report;
	double per = p->images ? 1.0 / (double)p->images : 0, slower = larger(p->read_seconds, p->compute_seconds);
	uint64_t link = link_bytes(r), only = host_only_bytes(r);
	struct smartssd_layer layer;
	char a[32], b[32], d[32];

	printf("%s: %llu image%s in %.3f s, %.1f images/s%s\n", r->output, (unsigned long long)p->images, p->images == 1 ? "" : "s", p->seconds,
	       (double)p->images / p->seconds, emulated ? " (EMULATED: no hardware figure)" : "");
	printf("  model         %s: %u layers on %u card%s, %u on the host%s\n", r->info.name, r->info.on_card, p->cards, p->cards == 1 ? "" : "s",
	       r->info.layers - r->info.on_card, r->info.spread ? "; layers spread over cards" : "");
	for (uint32_t l = 0, shown = 0; !smartssd_network_layer(r->network, l, &layer); l++) {
		if (!layer.on_host)
			continue;
		if (shown++ < 8)
			printf("                host: '%s': %s\n", layer.name, layer.why);
		else if (shown == 9)
			printf("                host: ... ('smartssd plan' lists all)\n");
	}
	for (uint32_t c = 0; c < r->nr_cards; c++)
		printf("  card          %s%s\n", smartssd_uri(r->cards[c]), p->lost_cards >> c & 1 ? " (lost)" : "");
	print_path(r, emulated);
	printf("  weights       SSD->card %s, over the host link %s, once\n", bytes_text(p->weights.ssd_to_card, a, sizeof(a)),
	       bytes_text(p->weights.host_to_card + p->weights.bounce_read, b, sizeof(b)));
	printf("  per image     SSD->card %s, host->card %s, card->host %s\n",
	       bytes_text((uint64_t)((double)(p->bytes.ssd_to_card - p->weights.ssd_to_card) * per), a, sizeof(a)),
	       bytes_text((uint64_t)((double)(p->bytes.host_to_card - p->weights.host_to_card) * per), b, sizeof(b)),
	       bytes_text((uint64_t)((double)(p->bytes.card_to_host - p->weights.card_to_host) * per), d, sizeof(d)));
	printf("  host link     %s per image; the host-only way: %s", bytes_text((uint64_t)((double)link * per), a, sizeof(a)),
	       bytes_text((uint64_t)((double)only * per), b, sizeof(b)));
	if (link && only >= link)
		printf(" (%.1f times as much)\n", (double)only / (double)link);
	else if (only)
		printf(" (%.1f times less: %s)\n", (double)link / (double)only, r->verify ? "--verify copies what every layer makes to the host" : "this does not pay here");
	else
		putchar('\n');
	if (p->bytes.runs && slower > 0)
		printf("  time          reading %.3f s, computing %.3f s%s; the whole is %.2f times the slower of the two\n", p->read_seconds, p->compute_seconds,
		       emulated ? " (EMULATED)" : "", p->seconds / slower);
	else
		printf("  time          all of it is the host's\n");
	if (p->modelled_seconds > 0)
		printf("  modelled      %.3f ms per image of a stream on hardware, by the planner's model\n", p->modelled_seconds * 1e3);
	if (p->redone || p->lost || p->faults)
		printf("  faults        %u of compute units, %u card%s lost; %u image%s computed anew, %u with the host in a lost card's place: the result is complete\n",
		       p->faults, p->lost, p->lost == 1 ? "" : "s", p->redone, p->redone == 1 ? "" : "s", p->host_images);
	if (r->verify)
		printf("  verified      %llu values of all layers: the same as the reference\n", (unsigned long long)p->verified);
}

static void json_counters(struct json *j, const char *key, const struct smartssd_counters *c)
{
	json_open(j, key, '{');
	json_uint(j, "ssd_to_card", c->ssd_to_card);
	json_uint(j, "card_to_ssd", c->card_to_ssd);
	json_uint(j, "host_to_card", c->host_to_card);
	json_uint(j, "card_to_host", c->card_to_host);
	json_uint(j, "bounce_read", c->bounce_read);
	json_uint(j, "bounce_write", c->bounce_write);
	json_close(j, '}');
}

static void json_outputs(struct json *j, const struct run *r)
{
	struct smartssd_tensor y;
	char path[PATH_MAX];

	json_open(j, "outputs", '[');
	for (uint32_t i = 0; !smartssd_network_output(r->network, i, r->images, &y); i++) {
		output_path(r, i, path, sizeof(path));
		json_open(j, NULL, '{');
		json_text(j, "name", y.name);
		json_text(j, "file", path);
		json_text(j, "type", smartssd_type_name(y.array.type));
		json_open(j, "shape", '[');
		for (uint32_t k = 0; k < y.array.ndim; k++)
			json_uint(j, NULL, y.array.shape[k]);
		json_close(j, ']');
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void json_layers(struct json *j, const struct run *r)
{
	struct smartssd_layer layer;

	json_open(j, "layers", '[');
	for (uint32_t l = 0; !smartssd_network_layer(r->network, l, &layer); l++) {
		json_open(j, NULL, '{');
		json_text(j, "name", layer.name);
		json_text(j, "place", layer.on_host ? "host" : "card");
		if (!layer.on_host && r->info.spread)
			json_uint(j, "card", layer.card % r->nr_cards);
		json_text(j, "why", layer.why);
		json_uint(j, "runs", r->report.layers[l].runs);
		json_real(j, "seconds", r->report.layers[l].seconds);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void print_json(const struct run *r, bool emulated)
{
	const struct smartssd_session_report *p = &r->report;
	const struct smartssd_difference *d = &p->difference;
	struct smartssd_layer layer;
	struct json j = { .out = stdout };

	json_open(&j, NULL, '{');
	json_text(&j, "model", r->info.name);
	json_outputs(&j, r);
	json_uint(&j, "images", p->images);
	json_real(&j, "seconds", p->seconds);
	json_real(&j, "images_per_second", (double)p->images / p->seconds);
	json_bool(&j, "emulated", emulated);
	json_open(&j, "devices", '[');
	for (uint32_t c = 0; c < r->nr_cards; c++)
		json_text(&j, NULL, smartssd_uri(r->cards[c]));
	json_close(&j, ']');
	json_counters(&j, "bytes", &p->bytes);
	json_counters(&j, "weights", &p->weights);
	json_uint(&j, "host_read", host_read_bytes(r));
	json_uint(&j, "host_link", link_bytes(r));
	json_real(&j, "host_link_per_image", (double)link_bytes(r) / (double)p->images);
	json_uint(&j, "host_only", host_only_bytes(r));
	json_real(&j, "read_seconds", p->read_seconds);
	json_real(&j, "compute_seconds", p->compute_seconds);
	json_real(&j, "modelled_seconds_per_image", p->modelled_seconds > 0 ? p->modelled_seconds : NAN);
	json_uint(&j, "jobs", p->jobs);
	json_uint(&j, "commands", p->commands);
	json_uint(&j, "runs", p->bytes.runs);
	json_uint(&j, "redone", p->redone);
	json_uint(&j, "faults", p->faults);
	json_uint(&j, "cards_used", p->cards);
	json_uint(&j, "lost", p->lost);
	json_open(&j, "lost_devices", '[');
	for (uint32_t c = 0; c < r->nr_cards; c++)
		if (p->lost_cards >> c & 1)
			json_text(&j, NULL, smartssd_uri(r->cards[c]));
	json_close(&j, ']');
	json_uint(&j, "host_images", p->host_images);
	json_text(&j, "peer_reason", smartssd_peer_reason_name(p->peer_reason));
	if (r->verify) {
		json_uint(&j, "verified", p->verified);
		json_bool(&j, "agrees", !d->found);
	}
	if (d->found) {
		json_open(&j, "difference", '{');
		json_uint(&j, "layer", d->layer);
		smartssd_network_layer(r->network, d->layer, &layer);
		json_text(&j, "name", layer.name);
		json_uint(&j, "image", d->image);
		json_uint(&j, "index", d->index);
		json_int(&j, "card", d->card);
		json_int(&j, "reference", d->reference);
		json_close(&j, '}');
	}
	json_layers(&j, r);
	json_close(&j, '}');
}

/* ---- the run ---- */

static bool any_emulated(const struct run *r)
{
	struct smartssd_query q;

	for (uint32_t c = 0; c < r->nr_cards; c++)
		if (smartssd_query(r->cards[c], &q) || q.features & SMARTSSD_FEATURE_EMULATED)
			return true; /* an embedded card that is gone does not answer */
	return false;
}

static int compute(struct run *r)
{
	struct progress bar;
	/* A larger batch than there are images would only take memory. */
	struct smartssd_session_options options = { .batch = (uint32_t)(r->batch < r->images ? r->batch : r->images), .verify = r->verify, .timeline = r->timeline != NULL,
						    .io_flags = p2p_flags(r->p2p), .progress = { progress_step, &bar } };
	int ret = smartssd_session_open(r->cards, r->nr_cards, r->network, &options, &r->session, &r->err);

	if (ret)
		return failed(r, ret);
	progress_begin(&bar, "run", r->progress);
	ret = smartssd_session_run(r->session, &r->source, r->images, r->outputs, &r->report, &r->err);
	progress_end(&bar);
	if (ret)
		return failed(r, ret);
	if (r->timeline) {
		ret = smartssd_session_timeline(r->session, r->timeline, &r->err);
		if (ret)
			return failed(r, ret);
	}
	if (!r->report.difference.found)
		return save_outputs(r);
	fprintf(stderr, "smartssd %s: --verify: ", VERB);
	print_difference(r, stderr);
	fprintf(stderr, "; %s is not written\n", r->output);
	return 1;
}

static int run(struct run *r)
{
	bool emulated;
	/* Verification reads the weights to the host, too: those of a damaged file would be the same on both sides. */
	int ret = smartssd_network_open(r->model, r->verify ? SMARTSSD_NETWORK_WEIGHTS : 0, &r->network, &r->err);

	if (ret)
		return failed(r, ret);
	smartssd_network_info(r->network, &r->info);
	if (smartssd_network_input(r->network, r->info.batch, &r->in)) {
		complain(VERB, "%s has %u inputs: models with exactly one can be run", r->model, r->info.inputs);
		return 1;
	}
	ret = open_input(r) ?: prepare_outputs(r) ?: open_cards(r) ?: compute(r);
	if (ret && !r->report.difference.found)
		return ret;
	emulated = any_emulated(r);
	if (r->as_json)
		print_json(r, emulated);
	else if (!ret)
		print_text(r, emulated);
	return ret;
}

static void clean(struct run *r)
{
	smartssd_session_close(r->session);
	while (r->nr_cards)
		smartssd_close(r->cards[--r->nr_cards]);
	for (uint32_t i = 0; r->outputs && i < r->info.outputs; i++)
		free(r->outputs[i]);
	free(r->outputs);
	free(r->data);
	if (r->source.fd >= 0)
		close(r->source.fd);
	smartssd_network_close(r->network);
}

int cmd_run(int argc, char **argv)
{
	struct run r = { .batch = 1, .source.fd = -1 };
	const struct option_spec specs[] = {
		{ "input", OPTION_TEXT, &r.input, .meta = "X.npy|FOLDER", .help = "images: one .npy, which the card reads by itself, or a folder",
		  .required = true },
		{ "output", OPTION_TEXT, &r.output, .meta = "Y.npy", .help = "written whole or not at all; a second output goes to Y-1.npy",
		  .required = true },
		{ "batch", OPTION_COUNT, &r.batch, .min = 1, .max = 65536, .meta = "B", .help = "images of a job, default 1" },
		{ "cards", OPTION_COUNT, &r.nr, .min = 1, .max = MAX_CARDS, .meta = "N", .help = "how many cards, default 1 (or as planned)" },
		{ "device", OPTION_TEXT, &r.device, .meta = "URI[,URI...]", .help = "/dev/smartssdN or emu:...; default: see smartssd(1)" },
		{ "shell", OPTION_CHOICE, &r.shell, &r.shell_given, .choices = "flat|dfx", .help = "whose overlay to load; default: the model's" },
		{ "p2p", OPTION_CHOICE, &r.p2p, .choices = P2P_CHOICES, .help = P2P_HELP },
		{ "verify", OPTION_FLAG, &r.verify, .help = "compute each layer again with the reference and compare" },
		{ "timeline", OPTION_TEXT, &r.timeline, .meta = "T.json", .help = "what happened when, for Perfetto and chrome://tracing" },
		{ "json", OPTION_FLAG, &r.as_json, .help = "print JSON" },
		{ "progress", OPTION_CHOICE, &r.progress, .choices = PROGRESS_CHOICES, .help = PROGRESS_HELP },
	};
	const struct option_table table = {
		VERB, "MODEL.ssp", "Run a network that 'smartssd compile' made, on images that lie on the drive.", specs, sizeof(specs) / sizeof(specs[0])
	};
	int ret = options_parse(&table, argc, argv);

	if (ret < 0)
		return options_exit(ret);
	if (ret != argc - 1) {
		if (ret == argc)
			complain(VERB, "which model? Give the .ssp file that 'smartssd compile' wrote");
		else
			complain(VERB, "'%s': one model at a time", argv[ret + 1]);
		return 2;
	}
	r.model = argv[ret];
	ret = run(&r);
	clean(&r);
	return ret;
}
