// SPDX-License-Identifier: BSD-2-Clause
/* smartssd plan: where each layer of a program runs and why, what it takes, and what more cards would bring. All of it modelled. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../runtime/nn/plan.h"
#include "commands.h"
#include "json.h"
#include "options.h"

#define VERB "plan"

static const char *const kinds[NN_LAYER_KINDS] = { "input", "conv", "depthwise", "pool", "add", "graph" };

struct plan_args {
	const char *svg;
	uint64_t cards, host_gmacs, batch;
	bool cards_given, host_given, as_json;
};

struct row {
	struct nn_cost cost;
	struct nn_moved moved;
	uint64_t macs;
	double peak; /* share of the shell's DSP peak, launch included; negative: nothing multiplied on a card */
	char tile[64];
};

struct view {
	const struct nn_program *p;
	struct nn_machine machine;
	struct row *rows;
	struct nn_total total;
	struct nn_scale scale;
	double even;
	uint32_t least; /* images that the model takes at once */
	bool anew; /* planned for these options, not as compiled: for jobs of as few images as the model takes */
};

static struct row describe(const struct view *v, const struct nn_layer *l)
{
	const char *stationary = l->kind == NN_LAYER_CONV && l->conv.w_stationary ? " w" : "";
	struct row r = { .macs = l->kind == NN_LAYER_CONV ? l->conv.macs : l->kind == NN_LAYER_DEPTHWISE ? l->depthwise.macs : 0 };

	snprintf(r.tile, sizeof(r.tile), "-");
	r.peak = -1;
	if (nn_layer_cost(v->p, l, l->place, &v->machine, &r.cost))
		r.cost = (struct nn_cost){ .seconds = NAN, .bound = "unknown" };
	if (l->place != NN_ON_CARD)
		return r;
	if (r.macs)
		r.peak = (double)r.macs / (r.cost.seconds * nn_peak_macs_s(v->p->shell, &v->machine));
	if (l->kind == NN_LAYER_CONV)
		snprintf(r.tile, sizeof(r.tile), "%ux%ux%u%s", l->conv.tile_rows, l->conv.tile_filters, l->conv.tile_channels, stationary);
	if (l->kind == NN_LAYER_DEPTHWISE)
		snprintf(r.tile, sizeof(r.tile), "%ux%u", l->depthwise.tile_rows, l->depthwise.tile_channels);
	if (l->kind == NN_LAYER_POOL)
		snprintf(r.tile, sizeof(r.tile), "1x%u", l->pool.tile_channels);
	return r;
}

static int gather(struct view *v)
{
	int ret = 0;

	v->rows = calloc(v->p->nr_layers + 1ull, sizeof(*v->rows));
	if (!v->rows)
		return -ENOMEM;
	for (uint32_t l = 0; l < v->p->nr_layers && !ret; l++) {
		v->rows[l] = describe(v, &v->p->layers[l]);
		ret = nn_plan_moved(v->p, l, &v->machine, &v->rows[l].moved);
	}
	if (!ret)
		ret = nn_plan_total(v->p, v->p->cards, &v->machine, &v->total);
	if (!ret)
		ret = nn_plan_scale(v->p, &v->machine, &v->scale);
	v->even = nn_plan_break_even(v->p, v->p->cards, &v->machine);
	return ret;
}

/* ---- text ---- */

static uint64_t over_links(const struct nn_moved *m)
{
	return m->read + m->to_card + m->to_host + m->between;
}

/* What tells layers apart is the end of their names: a longer one is cut in front. */
#define MAX_NAME 32
static const char *shortened(const char *name, char text[MAX_NAME + 1])
{
	size_t n = strlen(name);

	if (n <= MAX_NAME)
		return name;
	name += n - (MAX_NAME - 2);
	while (((unsigned char)*name & 0xc0) == 0x80) /* not from within a character */
		name++;
	snprintf(text, MAX_NAME + 1, "..%s", name);
	return text;
}

static void print_layers(const struct view *v)
{
	bool many = v->p->spread;
	int width = (int)strlen("layer");

	for (uint32_t i = 0; i < v->p->nr_layers; i++) {
		size_t n = strlen(v->p->layers[i].name);

		width = n > MAX_NAME ? MAX_NAME : (int)n > width ? (int)n : width;
	}
	printf("%-*s %-9s %-7s %-14s %8s %8s %8s %8s %8s %8s %6s  %-8s %s\n", width, "layer", "kind", "where", "tile", "on chip", "DDR", "flash", "host", "MMAC", "us", "DSP %",
	       "bound", "why");
	printf("%-*s %-9s %-7s %-14s %8s %8s %8s %8s\n", width, "", "", "", "rows x f x ch", "kB", "kB", "link kB", "link kB");
	for (uint32_t i = 0; i < v->p->nr_layers; i++) {
		const struct nn_layer *l = &v->p->layers[i];
		const struct row *r = &v->rows[i];
		char where[16] = "host", share[16] = "-", name[MAX_NAME + 1];

		if (l->place == NN_ON_CARD)
			snprintf(where, sizeof(where), many ? "card %u" : "card", l->card);
		if (r->peak >= 0)
			snprintf(share, sizeof(share), "%.1f", r->peak * 100);
		printf("%-*s %-9s %-7s %-14s %8.1f %8.1f %8.1f %8.1f %8.2f %8.1f %6s  %-8s %s\n", width, shortened(l->name, name), kinds[l->kind], where, r->tile,
		       1e-3 * (double)r->cost.on_chip, 1e-3 * (double)r->cost.ddr_bytes, 1e-3 * (double)r->moved.flash, 1e-3 * (double)over_links(&r->moved),
		       (double)r->macs * 1e-6, r->cost.seconds * 1e6, share, r->cost.bound, l->why);
	}
}

static void print_scale(const struct view *v)
{
	const struct nn_scale *s = &v->scale;

	printf("\nmodelled throughput with more cards%s\n%8s %12s %9s %11s   %s\n", v->p->spread ? " (groups of cards, layers spread over each)" : "", "cards", "images/s",
	       "CPU busy", "link busy", "limit");
	for (int i = 0; i < NN_SCALE_POINTS; i++) {
		const struct nn_scale_point *p = &s->point[i];

		if (p->images_s > 0)
			printf("%8u %12.1f %8.1f%% %10.1f%%   %s\n", p->cards, p->images_s, p->cpu * 100, p->link * 100, nn_busy_name(p->limit));
		else
			printf("%8u %12s\n", p->cards, "does not fit");
	}
	if (s->saturated)
		printf("saturated from %u cards on%s: the %s\n", s->saturated, s->saturated > NN_SCALE_CARDS ? " (further than modelled here, by extension)" : "",
		       nn_busy_name(s->by));
	else
		printf("neither the orchestrating CPU nor the shared host link is ever saturated\n");
}

static void print_text(const struct view *v)
{
	const struct nn_total *t = &v->total;
	const struct nn_machine *m = &v->machine;
	double card_macs = 0, card_seconds = 0, peak = nn_peak_macs_s(v->p->shell, m);
	uint64_t macs = 0, ddr = 0;

	printf("%s, %s shell, for %u card%s, %u image%s a job; all times and rates are modelled, none is measured\n", v->p->name,
	       v->p->shell == NN_SHELL_DFX ? "dfx" : "flat", v->p->cards, v->p->cards == 1 ? "" : "s", t->batch, t->batch == 1 ? "" : "s");
	print_layers(v);
	for (uint32_t i = 0; i < v->p->nr_layers; i++) {
		macs += v->rows[i].macs;
		ddr += v->rows[i].cost.ddr_bytes;
		if (v->rows[i].peak >= 0) {
			card_macs += (double)v->rows[i].macs;
			card_seconds += v->rows[i].cost.seconds;
		}
	}
	printf("\nan image, modelled\n");
	printf("  decision      %s%s\n", v->p->decision, v->anew || t->batch == v->least ? "" : "; as compiled, for smaller jobs");
	printf("  throughput    %.4g images/s, limit: %s\n", 1 / t->seconds, nn_busy_name(t->limit));
	printf("  latency       %.3f ms of one job of %u image%s alone\n", t->latency * 1e3, t->batch, t->batch == 1 ? "" : "s");
	printf("  busy          flash link %.3f ms, card %.3f ms, orchestrating CPU %.3f ms, host link %.3f ms%s\n", t->busy[NN_BUSY_FLASH] * 1e3,
	       t->busy[NN_BUSY_CARD] * 1e3, t->busy[NN_BUSY_HOST] * 1e3, t->busy[NN_BUSY_LINK] * 1e3,
	       v->p->spread ? " (of the busiest card)" : v->p->cards > 1 ? " (divided by the cards, but for the CPU)" : "");
	printf("  work          %llu multiplications, %llu bytes over card memory, %u job%s for %u image%s\n", (unsigned long long)macs, (unsigned long long)ddr, t->jobs,
	       t->jobs == 1 ? "" : "s", t->batch, t->batch == 1 ? "" : "s");
	if (card_seconds > 0)
		printf("  utilisation   %.1f %% of the %.0f GMAC/s of the shell's DSPs in the layers that multiply on cards, launches included\n",
		       card_macs / (card_seconds * peak) * 100, peak * 1e-9);
	printf("  links         flash to card %llu B, flash to host %llu B, host to card %llu B, card to host %llu B, card to card %llu B\n",
	       (unsigned long long)t->moved.flash, (unsigned long long)t->moved.read, (unsigned long long)t->moved.to_card, (unsigned long long)t->moved.to_host,
	       (unsigned long long)t->moved.between);
	printf("  card memory   %llu of %llu bytes of the fullest card\n", (unsigned long long)t->card_bytes, (unsigned long long)m->card_bytes);
	if (m->host_macs_s > 0)
		printf("  host          taken to do %g GMAC/s (--host-gmacs)\n", m->host_macs_s * 1e-9);
	else
		printf("  host          not considered; --host-gmacs N does (a Zen 3 core does 35 to 68)\n");
	if (isfinite(v->even))
		printf("  break-even    a host of %.0f GMAC/s alone would be as fast\n", v->even * 1e-9);
	else
		printf("  break-even    no host alone would be as fast: what it does beside multiplying takes longer\n");
	print_scale(v);
}

/* ---- JSON ---- */

static void json_moved(struct json *j, const struct nn_moved *m)
{
	json_uint(j, "flash_to_card_bytes", m->flash);
	json_uint(j, "flash_to_host_bytes", m->read);
	json_uint(j, "host_to_card_bytes", m->to_card);
	json_uint(j, "card_to_host_bytes", m->to_host);
	json_uint(j, "card_to_card_bytes", m->between);
}

static void json_tile(struct json *j, const struct nn_layer *l)
{
	if (l->place != NN_ON_CARD || (l->kind != NN_LAYER_CONV && l->kind != NN_LAYER_DEPTHWISE && l->kind != NN_LAYER_POOL))
		return;
	json_open(j, "tile", '{');
	if (l->kind == NN_LAYER_CONV) {
		json_uint(j, "rows", l->conv.tile_rows);
		json_uint(j, "filters", l->conv.tile_filters);
		json_uint(j, "channels", l->conv.tile_channels);
		json_bool(j, "weights_stationary", l->conv.w_stationary);
	} else if (l->kind == NN_LAYER_DEPTHWISE) {
		json_uint(j, "rows", l->depthwise.tile_rows);
		json_uint(j, "channels", l->depthwise.tile_channels);
	} else {
		json_uint(j, "channels", l->pool.tile_channels);
	}
	json_close(j, '}');
}

static void json_layers(struct json *j, const struct view *v)
{
	json_open(j, "layers", '[');
	for (uint32_t i = 0; i < v->p->nr_layers; i++) {
		const struct nn_layer *l = &v->p->layers[i];
		const struct row *r = &v->rows[i];

		json_open(j, NULL, '{');
		json_text(j, "name", l->name);
		json_text(j, "kind", kinds[l->kind]);
		json_text(j, "place", l->place == NN_ON_CARD ? "card" : "host");
		if (l->place == NN_ON_CARD)
			json_uint(j, "card", l->card);
		json_text(j, "why", l->why);
		json_tile(j, l);
		json_uint(j, "on_chip_bytes", r->cost.on_chip);
		json_uint(j, "card_ddr_bytes", r->cost.ddr_bytes);
		json_moved(j, &r->moved);
		json_uint(j, "macs", r->macs);
		json_uint(j, "modelled_cycles", r->cost.cycles);
		json_real(j, "modelled_seconds", r->cost.seconds);
		json_real(j, "dsp_peak_share", r->peak >= 0 ? r->peak : NAN);
		json_text(j, "bound", r->cost.bound);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void json_scale(struct json *j, const struct nn_scale *s)
{
	json_open(j, "modelled_scale", '{');
	json_open(j, "points", '[');
	for (int i = 0; i < NN_SCALE_POINTS; i++) {
		json_open(j, NULL, '{');
		json_uint(j, "cards", s->point[i].cards);
		json_real(j, "images_per_second", s->point[i].images_s > 0 ? s->point[i].images_s : NAN);
		json_real(j, "cpu_busy", s->point[i].cpu);
		json_real(j, "host_link_busy", s->point[i].link);
		json_text(j, "limit", nn_busy_name(s->point[i].limit));
		json_close(j, '}');
	}
	json_close(j, ']');
	if (s->saturated) {
		json_uint(j, "saturated_from", s->saturated);
		json_text(j, "saturated_by", nn_busy_name(s->by));
	}
	json_close(j, '}');
}

static void print_json(const struct view *v)
{
	const struct nn_total *t = &v->total;
	struct json j = { .out = stdout };

	json_open(&j, NULL, '{');
	json_text(&j, "model", v->p->name);
	json_text(&j, "shell", v->p->shell == NN_SHELL_DFX ? "dfx" : "flat");
	json_uint(&j, "cards", v->p->cards);
	json_uint(&j, "batch", t->batch);
	json_text(&j, "spread", v->p->spread ? "layers" : "images");
	json_text(&j, "decision", v->p->decision);
	json_uint(&j, "decision_batch", v->anew ? t->batch : v->least);
	json_real(&j, "host_gmacs", v->machine.host_macs_s * 1e-9);
	json_real(&j, "break_even_host_gmacs", v->even * 1e-9);
	json_layers(&j, v);
	json_open(&j, "image", '{');
	json_real(&j, "modelled_images_per_second", 1 / t->seconds);
	json_text(&j, "limit", nn_busy_name(t->limit));
	json_real(&j, "modelled_latency_seconds", t->latency);
	json_real(&j, "flash_seconds", t->busy[NN_BUSY_FLASH]);
	json_real(&j, "card_seconds", t->busy[NN_BUSY_CARD]);
	json_real(&j, "cpu_seconds", t->busy[NN_BUSY_HOST]);
	json_real(&j, "host_link_seconds", t->busy[NN_BUSY_LINK]);
	json_uint(&j, "jobs", t->jobs);
	json_uint(&j, "card_memory_bytes", t->card_bytes);
	json_moved(&j, &t->moved);
	json_close(&j, '}');
	json_scale(&j, &v->scale);
	json_close(&j, '}');
}

/* ---- the verb ---- */

static int plan(const struct plan_args *a, const char *path)
{
	struct smartssd_error err = { "" };
	struct nn_program *program = NULL;
	struct view v = { 0 };
	int ret = nn_ssp_load(path, false, &program, NULL, &err);

	nn_machine_default(&v.machine);
	v.machine.host_macs_s = (double)a->host_gmacs * 1e9;
	v.machine.batch = (uint32_t)a->batch;
	/* Other options than it was compiled with: plan it anew, for this look only. */
	v.anew = a->cards_given || a->host_given;
	if (!ret && v.anew)
		ret = nn_plan(program, a->cards_given ? (uint32_t)a->cards : program->cards, &v.machine, &err);
	v.p = program;
	v.least = program ? nn_program_batch(program) : 1;
	if (!ret)
		ret = gather(&v);
	if (!ret && v.total.card_bytes > v.machine.card_bytes)
		ret = smartssd_fail(&err, -E2BIG, "jobs of %u image%s need %llu bytes on the fullest card, it has %llu: use %s", v.total.batch,
				    v.total.batch == 1 ? "" : "s", (unsigned long long)v.total.card_bytes, (unsigned long long)v.machine.card_bytes,
				    v.total.batch > v.least ? "a smaller batch" : "more cards (--cards)");
	/* Errors of loading and of the plot name their files already. */
	if (ret)
		complain(VERB, "%s%s%s", program ? path : "", program ? ": " : "", *err.text ? err.text : strerror(-ret));
	else if (a->svg && (ret = nn_plan_scale_svg(program, &v.scale, a->svg, &err)))
		complain(VERB, "--scale: %s", *err.text ? err.text : strerror(-ret));
	else if (a->as_json)
		print_json(&v);
	else
		print_text(&v);
	free(v.rows);
	nn_program_free(program);
	return ret ? 1 : 0;
}

int cmd_plan(int argc, char **argv)
{
	struct plan_args a = { .batch = 1 };
	const struct option_spec specs[] = {
		{ "cards", OPTION_COUNT, &a.cards, &a.cards_given, .min = 1, .max = 48, .meta = "N", .help = "plan anew, for so many cards" },
		{ "host-gmacs", OPTION_COUNT, &a.host_gmacs, &a.host_given, .max = 1000000000, .meta = "N",
		  .help = "plan anew, with a host of so many GMAC/s (int8, all cores); 0: only what the card cannot do" },
		{ "batch", OPTION_COUNT, &a.batch, .min = 1, .max = 65536, .meta = "B", .help = "images of a job, as for smartssd run; default 1" },
		{ "scale", OPTION_TEXT, &a.svg, .meta = "FILE.svg", .help = "plot modelled throughput for 1 to 48 cards" },
		{ "json", OPTION_FLAG, &a.as_json, .help = "print JSON" },
	};
	const struct option_table table = { VERB, "MODEL.ssp", "Say where each layer of a program runs and why, and what it takes. All of it modelled.", specs,
					    sizeof(specs) / sizeof(specs[0]) };
	int first = options_parse(&table, argc, argv);

	if (first < 0)
		return options_exit(first);
	if (argc - first != 1) {
		complain(VERB, argc == first ? "which program? smartssd plan MODEL.ssp (smartssd compile makes one)" : "one program at a time: '%s' is too many",
			 argv[argc - 1]);
		return 2;
	}
	return plan(&a, argv[first]);
}
