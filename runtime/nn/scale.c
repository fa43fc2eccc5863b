// SPDX-License-Identifier: BSD-2-Clause
/* Modelled throughput over the number of cards, and its plot. */
#include <math.h>
#include <stdio.h>

#include "../svg.h"
#include "plan_impl.h"

struct nn_scale_point nn_scale_at(const struct nn_scale *s, uint32_t cards)
{
	uint32_t groups = cards / s->group;
	struct nn_scale_point p = { .cards = cards, .limit = s->own_limit };
	double seconds = groups ? s->own / groups : INFINITY;

	if (!groups)
		return p;
	if (s->link > seconds) {
		seconds = s->link;
		p.limit = NN_BUSY_SHARED;
	}
	if (s->cpu > seconds) {
		seconds = s->cpu;
		p.limit = NN_BUSY_HOST;
	}
	p.images_s = 1 / seconds;
	p.cpu = s->cpu / seconds;
	p.link = s->link / seconds;
	return p;
}

int nn_plan_scale(const struct nn_program *program, const struct nn_machine *machine, struct nn_scale *out)
{
	static const uint32_t numbers[NN_SCALE_POINTS] = { 1, 2, 4, 8, 16, 24, 32, NN_SCALE_CARDS };
	static const enum nn_busy own[3] = { NN_BUSY_FLASH, NN_BUSY_CARD, NN_BUSY_LINK };
	struct nn_total t;
	double shared;
	int ret = nn_plan_total(program, 1, machine, &t);

	if (ret)
		return ret;
	*out = (struct nn_scale){ .group = program->spread && t.cards ? t.cards : 1, .own_limit = NN_BUSY_CARD };
	for (int k = 0; k < 3; k++)
		if (t.busy[own[k]] > out->own) {
			out->own = t.busy[own[k]];
			out->own_limit = own[k];
		}
	out->cpu = t.busy[NN_BUSY_HOST];
	out->link = t.busy[NN_BUSY_SHARED];
	shared = fmax(out->cpu, out->link);
	out->by = out->cpu >= out->link ? NN_BUSY_HOST : NN_BUSY_SHARED;
	if (shared > 0 && out->own / shared < UINT32_MAX / NN_MAX_CARDS - 1.0)
		out->saturated = out->group * ((uint32_t)floor(out->own / shared) + 1);
	for (int i = 0; i < NN_SCALE_POINTS; i++)
		out->point[i] = nn_scale_at(out, numbers[i]);
	return 0;
}

/* ---- SVG ---- */

static double x_of(double cards)
{
	return cards / NN_SCALE_CARDS;
}

static void axes(struct smartssd_svg *svg, double most, double step)
{
	char label[32];

	for (int i = 0; i * step <= most * (1 + 1e-9); i++) {
		snprintf(label, sizeof(label), "%g", i * step);
		svg_y_tick(svg, i * step / most, label);
	}
	for (int cards = 0; cards <= NN_SCALE_CARDS; cards += 8) {
		snprintf(label, sizeof(label), "%d", cards);
		svg_x_tick(svg, x_of(cards), label);
	}
	svg_axes(svg, "cards", "images/s, modelled");
}

static void saturation(FILE *f, const struct nn_scale *s)
{
	if (s->saturated > NN_SCALE_CARDS)
		fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" fill=\"#b03020\" text-anchor=\"end\">%s saturated from %u cards on, beyond this plot</text>\n", svg_x(1) - 6,
			svg_y(0) - 10, nn_busy_name(s->by), s->saturated);
	if (s->saturated && s->saturated <= NN_SCALE_CARDS) {
		double x = svg_x(x_of(s->saturated));
		bool right = x > svg_x(0.6);

		fprintf(f, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#b03020\" stroke-dasharray=\"5 4\"/>\n", x, svg_y(1), x, svg_y(0));
		fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" fill=\"#b03020\" text-anchor=\"%s\">from %u cards: %s saturated</text>\n", x + (right ? -6 : 6),
			svg_y(0) - 10, right ? "end" : "start", s->saturated, nn_busy_name(s->by));
	}
}

static void curve(struct smartssd_svg *svg, const struct nn_scale *s, double most)
{
	double x[NN_SCALE_CARDS], y[NN_SCALE_CARDS];
	char title[96];

	for (uint32_t n = 1; n <= NN_SCALE_CARDS; n++) {
		x[n - 1] = x_of(n);
		y[n - 1] = nn_scale_at(s, n).images_s / most;
	}
	svg_curve(svg, "#1f5fa8", false, x, y, NN_SCALE_CARDS);
	for (int i = 0; i < NN_SCALE_POINTS; i++) {
		const struct nn_scale_point *p = &s->point[i];

		snprintf(title, sizeof(title), "%u card%s: %.4g images/s, limit: %s", p->cards, p->cards == 1 ? "" : "s", p->images_s, nn_busy_name(p->limit));
		svg_point(svg, "#1f5fa8", x_of(p->cards), p->images_s / most, title);
	}
	saturation(svg->f, s);
}

int nn_plan_scale_svg(const struct nn_program *program, const struct nn_scale *scale, const char *path, struct smartssd_error *err)
{
	double most = nn_scale_at(scale, NN_SCALE_CARDS).images_s, step;
	struct smartssd_svg svg;
	char title[512];
	int ret;

	snprintf(title, sizeof(title), "%s, %s shell: modelled throughput", program->name, program->shell == NN_SHELL_DFX ? "dfx" : "flat");
	ret = svg_begin(&svg, title, 30, err);
	if (ret)
		return ret;
	most = most > 0 ? most : 1;
	step = svg_nice_step(most, 6);
	most = ceil(most / step) * step;
	axes(&svg, most, step);
	curve(&svg, scale, most);
	return svg_end(&svg, path, err);
}
