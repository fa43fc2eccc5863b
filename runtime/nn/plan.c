// SPDX-License-Identifier: BSD-2-Clause
/* The plan: tiles for all layers, the better of the ways to place them, and sentences that say why. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "plan_impl.h"
#include "tile.h"

struct plan {
	struct nn_program *program;
	struct plan_net net;
	uint32_t cards;
	uint8_t *place, *other;
	struct nn_total total;
	bool spread;
	struct nn_total images, on_card, on_host; /* images over cards: as placed, all that can be on the card, all on the host; seconds 0: does not fit */
};

static int say(char **to, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int say(char **to, const char *fmt, ...)
{
	char *text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -ENOMEM;
	free(*to);
	*to = text;
	return 0;
}

/* ---- tiles ---- */

/* A layer for which the kernel of this shell has no tile keeps those it was made with, for the host. */
static void choose_tiles(struct nn_program *p)
{
	for (uint32_t l = 0; l < p->nr_layers; l++) {
		struct nn_layer *layer = &p->layers[l];
		struct nn_arguments a;
		struct nn_tile tile;

		if (layer->kind == NN_LAYER_GRAPH || nn_layer_arguments(p, layer, NULL, nn_program_batch(p), 0, nn_layer_rows(p, layer), &a))
			continue;
		if (!nn_tile_search(layer->kind, p->shell, &a, &tile))
			nn_layer_set_tile(layer, &tile);
	}
}

/* ---- sentences ---- */

struct number {
	char text[24];
};

/* Two or three digits, and never an exponent that nobody reads. */
static struct number plain(double x)
{
	struct number n;

	snprintf(n.text, sizeof(n.text), x >= 1e15 ? "%.2e" : x >= 100 ? "%.0f" : x >= 10 ? "%.3g" : "%.2g", x);
	return n;
}

static struct number images_s(const struct nn_total *t)
{
	return plain(1 / t->seconds);
}

static struct number ms(double seconds)
{
	struct number n;

	snprintf(n.text, sizeof(n.text), "%.4g ms", seconds * 1e3);
	return n;
}

static int why_layer(struct plan *plan, uint32_t l)
{
	const struct plan_layer *layer = &plan->net.layers[l];
	struct nn_layer *to = &plan->program->layers[l];
	double faster = layer->host / layer->card;
	struct plan_use use;
	struct nn_total t;
	bool card = plan->place[l] != PLAN_HOST;
	const char *here = card ? "card" : "host", *there = card ? "host" : "card";
	uint8_t keep = plan->place[l];

	if (to->kind == NN_LAYER_GRAPH)
		return say(&to->why, "host: %s", to->why_host);
	if (!layer->can_card)
		return say(&to->why, "host: no tile of it fits the kernel's buffers in the %s shell", plan->program->shell == NN_SHELL_DFX ? "dfx" : "flat");
	if (!layer->can_host)
		return say(&to->why, "card: the host is not considered");
	if (plan->spread)
		return say(&to->why, "card %u: %sx as fast as the host", keep - 1u, plain(faster).text);
	/* What if it were in the other place? */
	plan->place[l] = card ? PLAN_HOST : PLAN_CARD(0);
	plan_use(&plan->net, plan->place, UINT32_MAX, &use);
	plan_total(&plan->net, &use, plan->cards, false, &t);
	plan->place[l] = keep;
	if (!card)
		faster = 1 / faster;
	if (!card && faster < 1 && t.card_bytes > plan->net.machine->card_bytes)
		return say(&to->why, "host: beside the others it does not fit the card's memory (%llu of %llu bytes)", (unsigned long long)t.card_bytes,
			   (unsigned long long)plan->net.machine->card_bytes);
	if (faster >= 1)
		return say(&to->why, "%s: %sx as fast as the %s", here, plain(faster).text, there);
	if (t.seconds <= plan->total.seconds * (1 + 1e-9))
		return say(&to->why, "%s: the %s is %sx as fast, but with it there are no more images/s, and a job alone takes %s instead of %s", here, there,
			   plain(1 / faster).text, ms(t.latency).text, ms(plan->total.latency).text);
	if (t.busy[NN_BUSY_LINK] > plan->total.busy[NN_BUSY_LINK] * (1 + 1e-9) && (t.limit == NN_BUSY_LINK || t.limit == NN_BUSY_SHARED))
		return say(&to->why, "%s: the %s is %sx as fast, but moving its data costs more than that saves (an image takes %s instead of %s, limit: %s)", here,
			   there, plain(1 / faster).text, ms(t.seconds).text, ms(plan->total.seconds).text, nn_busy_name(t.limit));
	return say(&to->why, "%s: the %s is %sx as fast, but with it there an image takes %s instead of %s (limit: %s)", here, there, plain(1 / faster).text,
		   ms(t.seconds).text, ms(plan->total.seconds).text, nn_busy_name(t.limit));
}

/* Layers on the card from the first one on, then none: how many; else 0. */
static uint32_t leading(const struct plan *plan, uint32_t *on_card, uint32_t *can, uint32_t *last)
{
	uint32_t k = 0, nr = plan->net.nr;
	bool gap = false, only = true;

	*on_card = *can = *last = 0;
	for (uint32_t l = 0; l < nr; l++) {
		bool card = plan->place[l] != PLAN_HOST;

		*can += plan->net.layers[l].can_card;
		*on_card += card;
		if (card) {
			only = only && !gap;
			*last = l;
		}
		gap = gap || !card;
		k += !gap;
	}
	return only ? k : 0;
}

/* "; all on the card X images/s, all on the host Y" */
static int compare(const struct plan *plan, char **text)
{
	*text = NULL;
	if (plan->on_host.seconds > 0 && plan->on_card.seconds > 0)
		return say(text, "; all that can be on the card: %s, all on the host: %s", images_s(&plan->on_card).text, images_s(&plan->on_host).text);
	if (plan->on_host.seconds > 0)
		return say(text, "; on the card it does not fit, all on the host: %s", images_s(&plan->on_host).text);
	return say(text, "; the host is not considered");
}

static int break_even(const struct plan *plan, char **text)
{
	double macs = nn_plan_break_even(plan->program, plan->cards, plan->net.machine);

	if (isinf(macs))
		return say(text, "; the host is not considered (alone it could not be as fast, however fast it multiplies)");
	return say(text, "; the host is not considered (alone it would have to do %s GMAC/s to be as fast)", plain(macs * 1e-9).text);
}

static int decide(struct plan *plan)
{
	char over[64] = "", *others = NULL, **to = &plan->program->decision;
	uint32_t on_card, can, last, k = leading(plan, &on_card, &can, &last), nr = plan->net.nr;
	const struct nn_total *t = &plan->total;
	double mb = 1e-6 * (double)(plan->program->weights_bytes + NN_SLOTS * plan->net.slot_bytes);
	struct number now = images_s(t);
	const char *rate = now.text;
	bool considered = plan->net.machine->host_macs_s > 0;
	int ret;

	if (plan->cards > 1)
		snprintf(over, sizeof(over), ", images over %u cards", plan->cards);
	if (plan->spread) {
		if (plan->images.seconds > 0)
			return say(to, "layers over %u cards: %s images/s modelled, limit: %s; images over cards: %s", t->cards, rate, nn_busy_name(t->limit),
				   images_s(&plan->images).text);
		return say(to, "layers over %u cards, because weights and activations (%.4g MB) exceed the %.4g MB of one: %s images/s modelled, limit: %s",
			   t->cards, mb, 1e-6 * (double)plan->net.machine->card_bytes, rate, nn_busy_name(t->limit));
	}
	if (!can)
		return say(to, "all on the host, because no layer can be on a card: %s images/s modelled", rate);
	ret = considered ? compare(plan, &others) : break_even(plan, &others);
	if (ret)
		return ret;
	if (!on_card)
		ret = say(to, "do not offload: %s images/s modelled, limit: %s%s", rate, nn_busy_name(t->limit), others);
	else if (on_card == can)
		ret = say(to, "%s on the card%s: %s images/s modelled, limit: %s%s", can == nr ? "everything" : "everything that can be is", over, rate,
			  nn_busy_name(t->limit), others);
	else if (k == 1)
		ret = say(to, "offload only the first of %u layers, '%s'%s: %s images/s modelled, limit: %s%s", nr, plan->program->layers[last].name, over, rate,
			  nn_busy_name(t->limit), others);
	else if (k)
		ret = say(to, "offload only the first %u of %u layers, up to '%s'%s: %s images/s modelled, limit: %s%s", k, nr, plan->program->layers[last].name,
			  over, rate, nn_busy_name(t->limit), others);
	else
		ret = say(to, "offload %u of %u layers%s: %s images/s modelled, limit: %s%s", on_card, nr, over, rate, nn_busy_name(t->limit), others);
	free(others);
	return ret;
}

/* ---- places ---- */

/* All where @card says, as far as they can; not if it does not fit. */
static void all_at(struct plan *plan, bool card, struct nn_total *t)
{
	struct plan_use use;

	for (uint32_t l = 0; l < plan->net.nr; l++) {
		const struct plan_layer *layer = &plan->net.layers[l];

		plan->other[l] = layer->can_card && (card || !layer->can_host) ? (uint8_t)PLAN_CARD(0) : PLAN_HOST;
	}
	plan_use(&plan->net, plan->other, UINT32_MAX, &use);
	plan_total(&plan->net, &use, plan->cards, false, t);
	if (t->card_bytes > plan->net.machine->card_bytes)
		*t = (struct nn_total){ 0 };
}

static int too_large(struct plan *plan, struct smartssd_error *err)
{
	const struct nn_program *p = plan->program;
	uint32_t n = plan_spread_least(&plan->net);
	char advice[128] = "let the host take part (--host-gmacs)";

	if (n)
		snprintf(advice, sizeof(advice), "plan it for %u cards, or let the host take part (--host-gmacs)", n);
	return smartssd_fail(err, -E2BIG,
			     "model '%.80s' is larger than %s: %llu bytes of weights and %u times %llu bytes of activations and input, a card has "
			     "%llu: %s",
			     p->name, plan->cards == 1 ? "the card" : "the cards", (unsigned long long)p->weights_bytes, NN_SLOTS,
			     (unsigned long long)plan->net.slot_bytes, (unsigned long long)plan->net.machine->card_bytes, advice);
}

static int choose_places(struct plan *plan, struct smartssd_error *err)
{
	struct nn_total t;
	double bound;
	int ret = plan_place(&plan->net, plan->cards, plan->place, &plan->images, &bound), more;

	if (ret == -ENOMEM)
		return ret;
	plan->total = plan->images;
	if (plan->cards > 1) {
		more = plan_spread(&plan->net, plan->cards, plan->other, &t);
		if (more == -ENOMEM)
			return more;
		if (!more && (ret || plan_better(&t, &plan->total))) {
			memcpy(plan->place, plan->other, plan->net.nr);
			plan->total = t;
			plan->spread = true;
		}
		if (!more)
			ret = 0;
	}
	return ret ? too_large(plan, err) : 0;
}

static int write_down(struct plan *plan)
{
	struct nn_program *p = plan->program;
	int ret = 0;

	p->cards = plan->cards;
	p->spread = plan->spread;
	for (uint32_t l = 0; l < p->nr_layers && !ret; l++) {
		p->layers[l].place = plan->place[l] == PLAN_HOST ? NN_ON_HOST : NN_ON_CARD;
		p->layers[l].card = plan->place[l] == PLAN_HOST ? 0 : plan->place[l] - 1u;
		ret = why_layer(plan, l);
	}
	all_at(plan, true, &plan->on_card);
	if (plan->net.machine->host_macs_s > 0)
		all_at(plan, false, &plan->on_host);
	return ret ? ret : decide(plan);
}

static bool sane(const struct nn_machine *m)
{
	const double rates[] = { m->flash_bytes_s, m->ddr_bytes_s, m->host_to_card_bytes_s, m->card_to_host_bytes_s, m->clock_hz, m->host_bytes_s,
				 m->host_read_bytes_s, m->host_link_bytes_s };

	for (size_t i = 0; i < ARRAY_SIZE(rates); i++)
		if (!(rates[i] > 0) || isinf(rates[i]))
			return false;
	return m->host_macs_s >= 0 && m->run_seconds >= 0 && m->submit_seconds >= 0;
}

int nn_plan(struct nn_program *program, uint32_t cards, const struct nn_machine *machine, struct smartssd_error *err)
{
	struct plan plan = { .program = program, .cards = cards };
	int ret;

	if (!cards || cards > NN_MAX_CARDS)
		return smartssd_fail(err, -EINVAL, "%u cards: a plan is for 1 to %u", cards, NN_MAX_CARDS);
	if (!sane(machine))
		return smartssd_fail(err, -EINVAL, "a plan needs a machine whose rates are positive");
	if (!program->nr_layers) {
		program->cards = cards;
		program->spread = 0;
		return say(&program->decision, "there is nothing to compute") ? smartssd_fail(err, -ENOMEM, "no memory for the plan") : 0;
	}
	choose_tiles(program);
	ret = plan_net_open(&plan.net, program, machine);
	if (ret)
		return smartssd_fail(err, ret, "model '%.80s' cannot be planned: %s", program->name, strerror(-ret));
	plan.place = calloc(program->nr_layers + 1ull, 1);
	plan.other = calloc(program->nr_layers + 1ull, 1);
	ret = plan.place && plan.other ? choose_places(&plan, err) : -ENOMEM;
	if (!ret)
		ret = write_down(&plan);
	if (ret == -ENOMEM)
		smartssd_fail(err, ret, "no memory for the plan");
	free(plan.place);
	free(plan.other);
	plan_net_close(&plan.net);
	return ret;
}
