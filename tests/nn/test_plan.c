// SPDX-License-Identifier: BSD-2-Clause
/* The planner against exhaustive searches: tiles, places, ranges of layers; what it says of extreme machines; the kernels' utilisation; its own time. */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "../../runtime/nn/plan_impl.h"
#include "../../runtime/nn/tile.h"
#include "../kernels/random.h"
#include "../tap.h"
#include "shape_net.h"

#ifdef __SANITIZE_ADDRESS__
#define SLOW 1 /* fewer of everything */
#else
#define SLOW 0
#endif

static const char *const networks[] = { "resnet50", "vgg16", "mobilenetv2" };
static const struct shell {
	enum nn_shell shell;
	const char *name;
	double dsp;
} shells[] = { { NN_SHELL_FLAT, "flat", 1959 }, { NN_SHELL_DFX, "dfx", 1341 } };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static unsigned long long seed(void)
{
	return (unsigned long long)random_seed();
}

/* ---- tiles ---- */

/* The fewest bytes of all tiles that the kernel takes. */
static uint64_t fewest_bytes(enum nn_layer_kind kind, enum nn_shell shell, const struct nn_arguments *a, uint32_t rows, uint32_t filters, uint32_t channels)
{
	uint64_t fewest = UINT64_MAX;
	struct nn_tile_cost c;
	struct nn_tile t;

	for (t.rows = 1; t.rows <= rows; t.rows++)
		for (t.filters = kind == NN_LAYER_CONV ? NN_FILTERS : 0; t.filters <= filters; t.filters += NN_FILTERS)
			for (t.channels = NN_LANES; t.channels <= channels; t.channels += NN_LANES)
				for (uint32_t w = 0; w < (kind == NN_LAYER_CONV ? 2 : 1); w++) {
					t.w_stationary = w;
					if (!nn_tile_cost(kind, shell, a, &t, &c))
						fewest = min_u64(fewest, c.bytes);
				}
	return fewest;
}

struct tiles {
	uint32_t layers, searched, wrong;
	double worst;
	struct nn_arguments known[200]; /* layers of one shape are searched once */
	uint32_t nr_known;
};

static void check_layer(struct tiles *s, const struct nn_program *p, const struct nn_layer *l)
{
	struct nn_arguments a;
	struct nn_tile_cost c;
	struct nn_tile t;
	uint64_t fewest;
	uint32_t none;

	if (l->kind != NN_LAYER_CONV && l->kind != NN_LAYER_DEPTHWISE && l->kind != NN_LAYER_POOL)
		return;
	s->layers++;
	nn_layer_arguments(p, l, NULL, nn_program_batch(p), 0, nn_layer_rows(p, l), &a);
	for (uint32_t i = 0; i < s->nr_known; i++)
		if (s->known[i].kernel == a.kernel && !memcmp(s->known[i].value, a.value, sizeof(a.value)))
			return;
	if (s->nr_known < ARRAY_SIZE(s->known))
		s->known[s->nr_known++] = a;
	fewest = fewest_bytes(l->kind, p->shell, &a, l->kind == NN_LAYER_POOL ? 1 : nn_layer_rows(p, l),
			      l->kind == NN_LAYER_CONV ? (uint32_t)align_up(l->conv.filters, NN_FILTERS) : 0,
			      l->kind == NN_LAYER_CONV ? l->conv.channels : p->values[l->in[0]].channels);
	none = nn_tile_search(l->kind, p->shell, &a, &t);
	s->searched++;
	if (none) {
		s->wrong += fewest != UINT64_MAX;
		return;
	}
	if (nn_tile_cost(l->kind, p->shell, &a, &t, &c)) {
		s->wrong++;
		return;
	}
	s->worst = fmax(s->worst, (double)c.bytes / (double)fewest);
	if ((double)c.bytes > 1.02 * (double)fewest || c.bytes < fewest) {
		printf("# SEED=%llu: layer '%s': tile %u x %u x %u%s moves %llu bytes, the best %llu\n", seed(), l->name, t.rows, t.filters, t.channels,
		       t.w_stationary ? ", stationary" : "", (unsigned long long)c.bytes, (unsigned long long)fewest);
		s->wrong++;
	}
}

static void test_tiles(void)
{
	for (size_t n = 0; n < (SLOW ? 1 : ARRAY_SIZE(networks)); n++)
		for (size_t k = 0; k < ARRAY_SIZE(shells); k++) {
			struct nn_program *p = shape_net(networks[n], shells[k].shell);
			struct tiles s = { 0 };

			for (uint32_t l = 0; l < p->nr_layers && (!SLOW || l < 8); l++)
				check_layer(&s, p, &p->layers[l]);
			tap_ok(!s.wrong && s.searched, "%s, %s: %u layers with tiles, %u shapes: bytes at most %.4f times those of an exhaustive search", networks[n],
			       shells[k].name, s.layers, s.searched, s.worst);
			nn_program_free(p);
		}
}

/* What no network that is known has: dilation, groups, pools of all kinds, channels beside others. */
static void make_odd(struct nn_program *p, struct nn_layer *l)
{
	struct nn_value *x = &p->values[l->in[0]], *y = &p->values[l->out];
	uint32_t extent;

	if (l->kind != NN_LAYER_CONV || l->conv.residual)
		return;
	for (int i = 0; i < 2; i++) {
		uint32_t in = i ? x->w : x->h;

		l->conv.kernel[i] = (uint32_t)random_in(1, 5);
		l->conv.stride[i] = (uint32_t)random_in(1, 3);
		l->conv.dilation[i] = (uint32_t)random_in(1, 3);
		l->conv.pad[i] = (uint32_t)random_in(0, 4);
		extent = (l->conv.kernel[i] - 1) * l->conv.dilation[i] + 1;
		if (in + 2 * l->conv.pad[i] < extent)
			l->conv.pad[i] = extent;
		l->conv.out[i] = (in + 2 * l->conv.pad[i] - extent) / l->conv.stride[i] + 1;
	}
	y->h = l->conv.out[0];
	y->w = l->conv.out[1];
	if (random_in(0, 2) == 0) {
		for (int i = 0; i < 2; i++) {
			l->conv.pool[i] = (uint32_t)random_in(1, 3);
			l->conv.pool_stride[i] = (uint32_t)random_in(1, 3);
			l->conv.pool_pad[i] = random_below(l->conv.pool[i]);
			l->conv.pool_out[i] = (l->conv.out[i] + l->conv.pool_pad[i] - 1) / l->conv.pool_stride[i] + 1;
		}
		y->h = l->conv.pool_out[0];
		y->w = l->conv.pool_out[1];
	}
	if (random_in(0, 3) == 0) {
		l->conv.groups = (uint32_t)random_in(2, 4);
		x->channels = x->c = l->conv.channels * l->conv.groups;
		y->channels = y->c = l->conv.filters * l->conv.groups;
	}
}

static void test_random_tiles(void)
{
	struct tiles *s = calloc(1, sizeof(*s));

	for (int i = 0; i < (SLOW ? 15 : 150); i++) {
		struct nn_program *p = shape_net_new("random", random_in(0, 1) ? NN_SHELL_DFX : NN_SHELL_FLAT);
		uint32_t side = (uint32_t)random_in(1, 60), x = shape_net_pack(p, shape_net_input(p, (uint32_t)random_in(1, 500), side, side), 1, 1, 0);

		x = random_in(0, 4) == 0 ? shape_net_depthwise(p, x, 1) : shape_net_conv(p, x, (uint32_t)random_in(1, 400), 3, 1, NN_NONE_VALUE);
		make_odd(p, &p->layers[1]);
		s->nr_known = 0;
		check_layer(s, p, &p->layers[1]);
		nn_program_free(p);
	}
	tap_ok(!s->wrong, "SEED=%llu: %u random layers: bytes at most %.4f times those of an exhaustive search", seed(), s->searched, s->worst);
	free(s);
}

/* ---- the kernels ---- */

static void test_utilisation(void)
{
	struct smartssd_error err = { "" };
	struct nn_machine m;

	nn_machine_default(&m);
	for (size_t n = 0; n < ARRAY_SIZE(networks); n++)
		for (size_t k = 0; k < ARRAY_SIZE(shells); k++) {
			struct nn_program *p = shape_net(networks[n], shells[k].shell);
			double macs[2] = { 0, 0 }, seconds[2] = { 0, 0 }, launches[2] = { 0, 0 }, peak = shells[k].dsp * 2 * m.clock_hz, all;
			struct nn_cost c;
			bool known = !nn_plan(p, 1, &m, &err);

			for (uint32_t l = 0; l < p->nr_layers && known; l++) {
				uint32_t matrix = p->values[p->layers[l].out].h == 1;

				if (p->layers[l].kind != NN_LAYER_CONV)
					continue;
				known = !nn_layer_cost(p, &p->layers[l], NN_ON_CARD, &m, &c);
				macs[matrix] += (double)p->layers[l].conv.macs;
				seconds[matrix] += (double)c.cycles / m.clock_hz;
				launches[matrix]++;
			}
			all = (macs[0] + macs[1]) / ((seconds[0] + seconds[1] + (launches[0] + launches[1]) * m.run_seconds) * peak);
			tap_ok(known && (n || k || all >= 0.60),
			       "%s, %s: convolutions %.0f MMAC in %.3f ms modelled: %.1f %% of the peak of %.0f DSP; with their launches %.1f %%; with matrix products and all "
			       "launches %.1f %%%s %s", networks[n], shells[k].name, macs[0] * 1e-6, seconds[0] * 1e3, macs[0] / (seconds[0] * peak) * 100, shells[k].dsp,
			       macs[0] / ((seconds[0] + launches[0] * m.run_seconds) * peak) * 100, all * 100, n || k ? "" : " (at least 60)", err.text);
			printf("# %.0f launches of %.1f us; at 60 %% a launch of a convolution may take %.1f us; %s\n", launches[0] + launches[1], m.run_seconds * 1e6,
			       (macs[0] / (0.60 * peak) - seconds[0]) / launches[0] * 1e6, p->decision);
			nn_program_free(p);
		}
}

/* ---- places ---- */

static double around(double x)
{
	return x * exp2((double)random_float(-4, 4));
}

static struct nn_machine random_machine(void)
{
	struct nn_machine m;

	nn_machine_default(&m);
	m.host_macs_s = around(m.clock_hz * 1000);
	m.host_bytes_s = around(m.host_bytes_s);
	m.flash_bytes_s = around(m.flash_bytes_s);
	m.host_to_card_bytes_s = around(m.host_to_card_bytes_s);
	m.card_to_host_bytes_s = around(m.card_to_host_bytes_s);
	m.host_read_bytes_s = around(m.host_read_bytes_s);
	m.host_link_bytes_s = around(m.host_link_bytes_s);
	m.submit_seconds = random_in(0, 2) ? around(2e-6) : 0;
	m.run_seconds = around(2e-6);
	if (random_in(0, 1)) { /* links that matter */
		float slow = random_float(1, 12);

		m.host_to_card_bytes_s /= slow;
		m.card_to_host_bytes_s /= slow;
		m.submit_seconds = 0;
		m.host_bytes_s = 1e12;
	}
	if (random_in(0, 3) == 0) {
		m.host_macs_s *= 1e-4;
		m.host_bytes_s *= 1e-4;
	}
	return m;
}

/* Where a value is needed beside where it is made, straight from the program: values without parts only. */
static double plain_seconds(const struct nn_program *p, const struct plan_net *net, const uint8_t *place, uint32_t cards, double *latency)
{
	const struct nn_machine *m = net->machine;
	double card = 0, host = 0, link = 0, flash = 0, shared = 0;

	for (uint32_t l = 0; l < p->nr_layers; l++) {
		if (place[l]) {
			card += net->layers[l].card;
			host += l && place[l - 1] ? 0 : m->submit_seconds;
		} else {
			host += net->layers[l].host;
		}
	}
	for (uint32_t v = 0; v < p->nr_values; v++) {
		const struct nn_value *value = &p->values[v];
		bool made_on_card = false, made = false, read[2] = { false, false };
		double bytes = value->plain ? (double)nn_count(&value->dims) : (double)value->h * value->w * value->channels;

		for (uint32_t l = 0; l < p->nr_layers; l++) {
			const struct nn_layer *layer = &p->layers[l];
			bool piece = layer->kind == NN_LAYER_GRAPH;

			if (v == (piece ? layer->graph.out[0] : layer->out)) {
				made = true;
				made_on_card = place[l];
			}
			if (v == (piece ? layer->graph.in[0] : layer->in[0]) || (!piece && v == layer->in[1]))
				read[place[l] ? 1 : 0] = true;
		}
		for (uint32_t i = 0; i < p->nr_outputs; i++)
			read[0] = read[0] || p->outputs[i] == v;
		if (!made) {
			flash += (read[1] ? bytes / m->flash_bytes_s : 0) + (read[0] ? bytes / m->host_read_bytes_s : 0);
			link += read[0] ? bytes / m->host_read_bytes_s : 0;
			shared += read[0] ? bytes : 0;
		} else if (made_on_card && read[0]) {
			link += bytes / m->card_to_host_bytes_s;
			shared += bytes;
		} else if (!made_on_card && read[1]) {
			link += bytes / m->host_to_card_bytes_s;
			shared += bytes;
		}
	}
	*latency = card + host + link + flash;
	return fmax(fmax(fmax(card, link), flash) / cards, fmax(host, shared / m->host_link_bytes_s));
}

struct brute {
	double seconds, latency;
	bool agrees;
};

static struct brute brute_places(struct nn_program *p, struct plan_net *net, uint32_t cards)
{
	struct brute b = { INFINITY, INFINITY, true };
	uint8_t place[32];

	for (uint32_t bits = 0; bits < 1u << net->nr; bits++) {
		struct plan_use use;
		struct nn_total t;
		double seconds, latency;
		bool lawful = true;

		for (uint32_t l = 0; l < net->nr; l++) {
			place[l] = bits >> l & 1;
			lawful = lawful && (place[l] ? net->layers[l].can_card : net->layers[l].can_host);
		}
		if (!lawful)
			continue;
		plan_use(net, place, UINT32_MAX, &use);
		plan_total(net, &use, cards, false, &t);
		seconds = plain_seconds(p, net, place, cards, &latency);
		b.agrees = b.agrees && fabs(seconds - t.seconds) <= 1e-9 * seconds && fabs(latency - t.latency) <= 1e-9 * latency;
		if (t.card_bytes > net->machine->card_bytes)
			continue;
		if (seconds < b.seconds * (1 - 1e-9) || (seconds <= b.seconds * (1 + 1e-9) && latency < b.latency)) {
			b.seconds = seconds;
			b.latency = latency;
		}
	}
	return b;
}

/* Of each layer that could be in the other place: does its sentence say why it is not? */
static bool right_reasons(struct nn_program *p, const struct nn_machine *m, uint32_t cards)
{
	struct smartssd_error err = { "" };
	struct plan_net net;
	struct plan_use use;
	struct nn_total now, other;
	uint8_t place[256];
	bool right = true;
	int ret = nn_plan(p, cards, m, &err);

	if (ret)
		return ret == -E2BIG;
	if (p->spread || plan_net_open(&net, p, m))
		return true;
	plan_places(p, place);
	plan_use(&net, place, UINT32_MAX, &use);
	plan_total(&net, &use, cards, false, &now);
	for (uint32_t l = 0; l < net.nr; l++) {
		const char *why = p->layers[l].why;
		double mine = place[l] ? net.layers[l].card : net.layers[l].host, its = place[l] ? net.layers[l].host : net.layers[l].card;
		bool says = true;

		if (!net.layers[l].can_card || !net.layers[l].can_host)
			continue;
		place[l] = !place[l];
		plan_use(&net, place, UINT32_MAX, &use);
		plan_total(&net, &use, cards, false, &other);
		place[l] = !place[l];
		if (strstr(why, "does not fit"))
			says = other.card_bytes > m->card_bytes && !place[l];
		else if (strstr(why, "no more images"))
			says = its < mine && other.seconds <= now.seconds * (1 + 1e-9) && other.latency >= now.latency * (1 - 1e-9);
		else if (strstr(why, "instead of"))
			says = its < mine && other.seconds > now.seconds;
		else
			says = mine <= its * (1 + 1e-9);
		if (!says || strncmp(why, place[l] ? "card" : "host", 4)) {
			printf("# layer %u: '%s': mine %g s, there %g; image %g, then %g; job %g, then %g; memory then %llu of %llu\n", l, why, mine, its, now.seconds,
			       other.seconds, now.latency, other.latency, (unsigned long long)other.card_bytes, (unsigned long long)m->card_bytes);
			right = false;
		}
	}
	plan_net_close(&net);
	return right;
}

static void test_places(void)
{
	uint32_t nets = SLOW ? 20 : 150, wrong = 0, mixed = 0, card = 0, host = 0, full = 0, unreasoned = 0;

	for (uint32_t i = 0; i < nets; i++) {
		uint32_t layers = (uint32_t)random_in(2, SLOW ? 8 : i % 10 ? 10 : 12), cards = random_in(0, 1) ? 1 : (uint32_t)random_in(1, 8), on = 0;
		struct nn_program *p = shape_net_random(layers, random_in(0, 2) == 0, random_in(0, 2) == 0);
		struct nn_machine m = random_machine();
		struct smartssd_error err = { "" };
		struct plan_net net;
		struct nn_total t;
		struct brute b;
		double bound;
		uint8_t place[32];
		int ret;

		if (nn_plan(p, 1, &m, &err) || plan_net_open(&net, p, &m)) { /* tiles */
			wrong++;
			continue;
		}
		if (random_in(0, 3) == 0) /* not all weights fit */
			m.card_bytes = NN_SLOTS * net.slot_bytes + random_u64() % (p->weights_bytes + 1);
		b = brute_places(p, &net, cards);
		ret = plan_place(&net, cards, place, &t, &bound);
		for (uint32_t l = 0; l < net.nr && !ret; l++)
			on += place[l] > 0;
		mixed += on && on < net.nr;
		card += on == net.nr;
		host += !on;
		full += m.card_bytes < 4ull << 30;
		if (!b.agrees || (ret ? isfinite(b.seconds) : fabs(t.seconds - b.seconds) > 1e-8 * b.seconds || t.latency > b.latency * (1 + 1e-8)) ||
		    (!ret && bound > t.seconds * (1 + 1e-9))) {
			printf("# SEED=%llu: network %u of %u layers, %u cards: %s; plan %.9g s (latency %.9g, bound %.9g), best %.9g s (%.9g)\n", seed(), i, net.nr, cards,
			       b.agrees ? "totals agree" : "totals differ", t.seconds, t.latency, bound, b.seconds, b.latency);
			wrong++;
		}
		plan_net_close(&net);
		unreasoned += !right_reasons(p, &m, cards);
		nn_program_free(p);
	}
	for (uint32_t i = 0; i < nets; i++) { /* larger than what the search is exact for */
		struct nn_program *p = shape_net_random((uint32_t)random_in(13, 50), random_in(0, 2) == 0, random_in(0, 2) == 0);
		struct nn_machine m = random_machine();

		unreasoned += !right_reasons(p, &m, 1);
		nn_program_free(p);
	}
	tap_ok(!unreasoned, "SEED=%llu: each layer's sentence is true of what it would be in the other place", seed());
	tap_ok(!wrong,
	       "SEED=%llu: %u random networks of 2 to 12 layers: placed as the best of all 2^n placements (%u all on the card, %u all on the host, %u mixed; "
	       "%u with a small card)",
	       seed(), nets, card, host, mixed, full);
	if (!SLOW)
		tap_ok(mixed > nets / 10 && card && host, "the random machines make all kinds of plans");
}

/* Larger networks than the search is exact for: how far from the best can the result be? */
static void test_bound(void)
{
	static const double gmacs[] = { 20, 70, 200, 600, 2000, 20000 };

	for (size_t n = 0; n < ARRAY_SIZE(networks); n++) {
		double worst = 1, longest = 0;

		for (size_t i = 0; i < (SLOW ? 1 : ARRAY_SIZE(gmacs)); i++)
			for (uint32_t cards = 1; cards <= 4; cards += 3) {
				struct nn_program *p = shape_net(networks[n], NN_SHELL_FLAT);
				struct smartssd_error err = { "" };
				struct plan_net net;
				struct nn_total t;
				struct nn_machine m;
				uint8_t place[256];
				double bound = 0, start = now();

				nn_machine_default(&m);
				m.host_macs_s = gmacs[i] * 1e9;
				if (nn_plan(p, cards, &m, &err) || plan_net_open(&net, p, &m)) {
					tap_ok(false, "%s: %s", networks[n], err.text);
					continue;
				}
				longest = fmax(longest, now() - start);
				if (!plan_place(&net, cards, place, &t, &bound))
					worst = fmax(worst, t.seconds / bound);
				else
					worst = INFINITY;
				worst = right_reasons(p, &m, cards) ? worst : INFINITY;
				if (cards == 1)
					printf("# %s, %g GMAC/s: %s\n", networks[n], gmacs[i], p->decision);
				plan_net_close(&net);
				nn_program_free(p);
			}
		tap_ok(worst < 1.10, "%s with hosts of 20 to 20000 GMAC/s: at most %.2f times the least that any placement can take; planned in %.3f s", networks[n], worst,
		       longest);
	}
}

/* ---- what it says of extreme machines ---- */

static uint32_t count_card(const struct nn_program *p)
{
	uint32_t n = 0;

	for (uint32_t l = 0; l < p->nr_layers; l++)
		n += p->layers[l].place == NN_ON_CARD;
	return n;
}

static bool count_is_all(const struct nn_program *p)
{
	return count_card(p) == p->nr_layers;
}

static bool count_is_most(const struct nn_program *p)
{
	return count_card(p) > p->nr_layers * 3 / 4;
}

static bool count_is_none(const struct nn_program *p)
{
	return !count_card(p);
}

static bool count_is_some(const struct nn_program *p)
{
	return !p->spread && count_card(p) && !count_is_all(p);
}

static void answer(struct nn_program *p, const struct nn_machine *m, uint32_t cards, bool (*right)(const struct nn_program *p), const char *says, const char *what)
{
	struct smartssd_error err = { "" };
	int ret = nn_plan(p, cards, m, &err);

	tap_ok(!ret && right(p) && strstr(p->decision, says), "%s: %s", what, ret ? err.text : p->decision);
}

/* Is the plan as fast as the best of all placements? */
static bool is_best(struct nn_program *p, const struct nn_machine *m)
{
	struct brute b = { 0 };
	struct plan_net net;
	struct nn_total t;

	if (plan_net_open(&net, p, m))
		return false;
	b = brute_places(p, &net, 1);
	plan_net_close(&net);
	return b.agrees && !nn_plan_total(p, 1, m, &t) && fabs(t.seconds - b.seconds) <= 1e-9 * b.seconds && t.latency <= b.latency * (1 + 1e-9);
}

static void test_answers(void)
{
	struct nn_program *p = shape_net("resnet50", NN_SHELL_FLAT);
	struct nn_machine m;
	struct nn_total t;
	double even, macs = 0;
	uint32_t k = 0;

	nn_machine_default(&m);
	answer(p, &m, 1, count_is_all, "everything on the card", "the host not considered");
	tap_ok(!nn_plan_total(p, 1, &m, &t) && t.moved.to_host == 1008 && t.moved.flash == 150528 && !t.moved.read && !t.moved.to_card && t.jobs == 1,
	       "an image moves 150528 bytes from flash, 1008 to the host, in one job");
	even = nn_plan_break_even(p, 1, &m);
	m.host_macs_s = even / 30;
	answer(p, &m, 1, count_is_most, "offload", "a slow host");
	m.host_macs_s = even * 1000;
	m.host_bytes_s = 1e13;
	answer(p, &m, 1, count_is_none, "do not offload", "a fast host");
	nn_program_free(p);

	/* A card that reads fast and a narrow way to the host: what the first layers make small is worth moving, what multiplies much is not. */
	p = shape_net_new("funnel", NN_SHELL_FLAT);
	{
		uint32_t x = shape_net_pack(p, shape_net_input(p, 3, 224, 224), 1, 1, 0);

		x = shape_net_conv(p, x, 16, 3, 2, NN_NONE_VALUE);
		x = shape_net_pool(p, x, 8, 8, false);
		for (int i = 0; i < 6; i++)
			x = shape_net_conv(p, x, 512, 3, 1, NN_NONE_VALUE);
		shape_net_output(p, x);
	}
	nn_machine_default(&m);
	m.host_macs_s = 20e12;
	m.host_read_bytes_s = 1e8;
	m.host_bytes_s = 1e12;
	answer(p, &m, 1, count_is_some, "offload only the first", "a fast host that reads slowly");
	{
		while (k < p->nr_layers && p->layers[k].place == NN_ON_CARD)
			k++;
		tap_ok(k && k < p->nr_layers && count_card(p) == k, "that is %u layers, and no more", k);
	}
	tap_ok(is_best(p, &m), "the best of all 2^%u placements", p->nr_layers);
	for (uint32_t l = 0; l < p->nr_layers; l++)
		macs += !p->layers[l].why[0];
	tap_ok(macs == 0, "each layer has a reason, the last one: %s", p->layers[p->nr_layers - 1].why);
	m.host_read_bytes_s = 1e11;
	answer(p, &m, 1, count_is_none, "do not offload", "the same host, reading fast");
	tap_ok(is_best(p, &m), "the best of all 2^%u placements", p->nr_layers);
	m.host_macs_s = m.host_bytes_s = 1e6;
	answer(p, &m, 1, count_is_all, "everything on the card", "a host that can do next to nothing");
	tap_ok(is_best(p, &m), "the best of all 2^%u placements", p->nr_layers);
	nn_program_free(p);
}

/* An output that is much larger than what it is made from is made where it is wanted, though the card computes it faster and the drive limits all anyhow. */
static void test_tie(void)
{
	struct nn_program *p = shape_net_new("last", NN_SHELL_FLAT);
	uint32_t x = shape_net_pack(p, shape_net_input(p, 3, 56, 56), 1, 1, 0);
	struct nn_machine m;

	x = shape_net_conv(p, x, 16, 3, 1, NN_NONE_VALUE);
	shape_net_output(p, shape_net_conv(p, x, 512, 1, 1, NN_NONE_VALUE));
	nn_machine_default(&m);
	m.flash_bytes_s = 1e6;
	m.host_read_bytes_s = 0.5e6;
	m.host_to_card_bytes_s = m.card_to_host_bytes_s = 1e9;
	m.host_bytes_s = 1e12;
	m.host_macs_s = 1e11;
	answer(p, &m, 1, count_is_some, "offload only the first", "a large output");
	tap_ok(strstr(p->layers[2].why, "no more images") && is_best(p, &m), "%s", p->layers[2].why);
	nn_program_free(p);
}

/* ---- several cards ---- */

/* All cuts of a network into at most @cards ranges. */
static void brute_ranges(struct plan_net *net, uint32_t cards, uint32_t l, uint32_t card, uint8_t *place, struct nn_total *best)
{
	struct plan_use use;
	struct nn_total t;

	if (l == net->nr) {
		plan_use(net, place, UINT32_MAX, &use);
		plan_total(net, &use, cards, true, &t);
		if (t.card_bytes <= net->machine->card_bytes && (!(best->seconds > 0) || t.seconds < best->seconds))
			*best = t;
		return;
	}
	place[l] = net->layers[l].can_card ? (uint8_t)PLAN_CARD(card) : PLAN_HOST;
	brute_ranges(net, cards, l + 1, card, place, best);
	if (card + 1 < cards) {
		place[l] = net->layers[l].can_card ? (uint8_t)PLAN_CARD(card + 1) : PLAN_HOST;
		brute_ranges(net, cards, l + 1, card + 1, place, best);
	}
}

static void test_ranges(void)
{
	uint32_t wrong = 0, many = 0, nets = SLOW ? 10 : 80;
	double worst = 1;

	for (uint32_t i = 0; i < nets; i++) {
		bool chain = i % 2 == 0;
		struct nn_program *p = shape_net_random((uint32_t)random_in(2, 9), chain, !chain);
		uint32_t cards = (uint32_t)random_in(2, 4);
		struct nn_machine m = random_machine();
		struct smartssd_error err = { "" };
		struct nn_total t = { 0 }, best = { 0 };
		struct plan_net net;
		uint8_t place[32];
		int ret;

		m.host_macs_s = 0;
		m.submit_seconds = 0; /* of the host, which all ranges share */
		m.host_link_bytes_s = 1e15;
		if (nn_plan(p, 1, &m, &err) || plan_net_open(&net, p, &m)) {
			wrong++;
			continue;
		}
		if (random_in(0, 1))
			m.card_bytes = (cards + 1) * net.slot_bytes + p->weights_bytes / 2;
		brute_ranges(&net, cards, 0, 0, place, &best);
		ret = plan_spread(&net, cards, place, &t);
		many += t.cards > 1;
		if (ret ? best.seconds > 0 : t.card_bytes > m.card_bytes || !(best.seconds > 0) || (chain && t.seconds > best.seconds * (1 + 1e-9))) {
			printf("# SEED=%llu: network %u, %u cards: %.9g s, best %.9g s\n", seed(), i, cards, t.seconds, best.seconds);
			wrong++;
		}
		if (!ret && best.seconds > 0)
			worst = fmax(worst, t.seconds / best.seconds);
		plan_net_close(&net);
		nn_program_free(p);
	}
	tap_ok(!wrong && worst < 4,
	       "SEED=%llu: %u random networks: ranges over 2 to 4 cards are the best of all for chains, at most %.2f times the best for others; %u use several",
	       seed(), nets, worst, many);
}

static void test_cards(void)
{
	struct nn_program *p = shape_net("vgg16", NN_SHELL_FLAT);
	struct smartssd_error err = { "" };
	struct nn_machine m;
	struct nn_total t;
	uint32_t last = 0;
	bool sorted = true;

	nn_machine_default(&m);
	answer(p, &m, 8, count_is_all, "images over 8 cards", "8 cards");
	tap_ok(!p->spread && p->cards == 8, "each with all layers");
	m.card_bytes = 145000000;
	tap_ok(nn_plan(p, 1, &m, &err) == -E2BIG && strstr(err.text, "plan it for 2 cards"), "a small card: %s", err.text);
	answer(p, &m, 4, count_is_all, "layers over", "4 of them");
	if (tap_ok(p->spread == 1, "spread")) {
		for (uint32_t l = 0; l < p->nr_layers; l++) {
			sorted = sorted && p->layers[l].card >= last && p->layers[l].card <= last + 1;
			last = p->layers[l].card;
		}
		sorted = sorted && !nn_plan_total(p, 4, &m, &t);
		tap_ok(sorted && last > 0 && t.cards == last + 1 && t.card_bytes > 100000000 && t.card_bytes <= m.card_bytes && t.moved.between > 0,
		       "%u ranges of layers; the fullest card has %llu of %llu bytes", last + 1, (unsigned long long)t.card_bytes, (unsigned long long)m.card_bytes);
	}
	m.host_macs_s = 50e9;
	answer(p, &m, 1, count_is_some, "offload", "one and the host");
	tap_ok(!nn_plan_total(p, 1, &m, &t) && t.card_bytes <= m.card_bytes, "what is on the card fits it");
	tap_ok(nn_plan(p, 49, &m, &err) == -EINVAL && nn_plan(p, 0, &m, &err) == -EINVAL, "no cards, or 49");
	m.card_bytes = 1000;
	m.host_macs_s = 0;
	tap_ok(nn_plan(p, 48, &m, &err) == -E2BIG && !strstr(err.text, "plan it for"), "a card for which nothing is small enough is refused");
	nn_program_free(p);
}

static void test_scale(void)
{
	struct nn_program *p = shape_net("resnet50", NN_SHELL_FLAT);
	struct smartssd_error err = { "" };
	struct nn_scale s = { 0 }, none = { 0 };
	struct nn_machine m;
	struct nn_total t;
	bool same = true;

	nn_machine_default(&m);
	m.submit_seconds = 500e-6;
	tap_ok(!nn_plan(p, 1, &m, &err) && !nn_plan_scale(p, &m, &s), "scaled to 48 cards %s", err.text);
	for (int i = 0; i < NN_SCALE_POINTS; i++) {
		same = same && !nn_plan_total(p, s.point[i].cards, &m, &t) && fabs(t.seconds * s.point[i].images_s - 1) < 1e-9 && t.limit == s.point[i].limit;
		same = same && s.point[i].cpu <= 1 + 1e-9 && s.point[i].link <= 1 + 1e-9;
	}
	tap_ok(same, "each number of cards as planned for it");
	tap_ok(s.saturated > 1 && s.by == NN_BUSY_HOST && s.saturated == (uint32_t)floor(s.own / s.cpu) + 1 && nn_scale_at(&s, s.saturated - 1).cpu <= 1 &&
	       nn_scale_at(&s, s.saturated).limit == NN_BUSY_HOST, "with 500 us for a job the %s is saturated from %u cards on", nn_busy_name(s.by), s.saturated);
	m.submit_seconds = 0;
	tap_ok(!nn_plan_scale(p, &m, &none) && none.saturated > 1000 && none.by == NN_BUSY_SHARED && fabs(none.point[7].images_s / none.point[0].images_s / 48 - 1) < 1e-9,
	       "with no host time 48 cards are 48 times one");
	nn_program_free(p);
}

/* Images of a job share its launches and submits, and weights that stay on the chip from one to the next. */
static void test_batch(void)
{
	struct nn_program *p = shape_net("resnet50", NN_SHELL_FLAT);
	struct smartssd_error err = { "" };
	struct nn_total one, eight = { 0 };
	struct nn_machine m;
	struct nn_cost a, b;
	uint32_t fewer = 0, wrong = 0;

	nn_machine_default(&m);
	tap_ok(!nn_plan(p, 1, &m, &err) && !nn_plan_total(p, 1, &m, &one) && one.batch == 1, "a plan for jobs of one image %s", err.text);
	for (uint32_t l = 0; l < p->nr_layers; l++) {
		m.batch = 1;
		wrong += !!nn_layer_cost(p, &p->layers[l], NN_ON_CARD, &m, &a);
		m.batch = 8;
		wrong += !!nn_layer_cost(p, &p->layers[l], NN_ON_CARD, &m, &b);
		fewer += b.ddr_bytes < a.ddr_bytes;
		/* At most the weights, and those at most once for all. */
		wrong += b.seconds > a.seconds || b.ddr_bytes > a.ddr_bytes || a.ddr_bytes - b.ddr_bytes > (p->layers[l].w_bytes + p->layers[l].coef_bytes) * 7 / 8 + 8;
		wrong += b.seconds < a.seconds * 0.01;
	}
	tap_ok(!wrong && fewer > 10, "in jobs of 8 no layer takes more of an image; %u of %u read their weights less often", fewer, p->nr_layers);
	wrong = nn_plan_total(p, 1, &m, &eight) != 0;
	tap_ok(!wrong && eight.batch == 8 && eight.seconds < 0.9 * one.seconds && eight.latency > 5 * one.latency &&
	       eight.card_bytes > one.card_bytes && eight.moved.flash == one.moved.flash && fabs(eight.busy[NN_BUSY_HOST] * 8 / one.busy[NN_BUSY_HOST] - 1) < 1e-9,
	       "%.0f images/s instead of %.0f; a job takes %.1f ms instead of %.1f", 1 / eight.seconds, 1 / one.seconds, eight.latency * 1e3, one.latency * 1e3);
	m.batch = UINT32_MAX;
	tap_ok(nn_plan_total(p, 1, &m, &eight) || eight.card_bytes > m.card_bytes, "a batch beyond all memory is seen as that");
	nn_program_free(p);
}

static void test_time(void)
{
	struct smartssd_error err = { "" };
	double longest = 0, shortest = 1e9;
	struct nn_machine m;

	nn_machine_default(&m);
	for (int i = 0; i < 6; i++) {
		struct nn_program *p = shape_net("resnet50", i % 2 ? NN_SHELL_DFX : NN_SHELL_FLAT);
		double start;

		m.host_macs_s = i < 2 ? 0 : 300e9;
		start = now();
		if (nn_plan(p, i < 4 ? 1 : 8, &m, &err))
			longest = INFINITY;
		start = now() - start;
		longest = fmax(longest, start);
		shortest = fmin(shortest, start);
		nn_program_free(p);
	}
	tap_ok(longest < (SLOW ? 10 : 0.2), "ResNet-50 planned in %.3f to %.3f s (at most 0.2)", shortest, longest);
}

int main(void)
{
	random_start();
	test_tiles();
	test_random_tiles();
	test_utilisation();
	test_places();
	test_bound();
	test_answers();
	test_tie();
	test_ranges();
	test_cards();
	test_scale();
	test_batch();
	test_time();
	return tap_done();
}
