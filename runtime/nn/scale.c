// SPDX-License-Identifier: BSD-2-Clause
/* Modelled throughput over the number of cards, and its plot. */
#include <math.h>
#include <stdio.h>

#include "../whole.h"
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

#define LEFT   80.0
#define TOP    50.0
#define WIDTH  600.0
#define HEIGHT 320.0

/* 1, 2 or 5 times a power of ten: at most @parts steps to @most. */
static double nice_step(double most, int parts)
{
	double step = pow(10, floor(log10(most / parts)));

	while (most / step > parts)
		step *= most / (step * 2) <= parts ? 2 : most / (step * 5) <= parts ? 5 : 10;
	return step;
}

static void put_text(FILE *f, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '&':
			fputs("&amp;", f);
			break;
		case '<':
			fputs("&lt;", f);
			break;
		case '>':
			fputs("&gt;", f);
			break;
		default:
			/* Names from a file: what is not ASCII could be anything, and what is below a space is not allowed. */
			fputc(*text >= ' ' && *text < 127 ? *text : '?', f);
		}
}

static double x_of(double cards)
{
	return LEFT + WIDTH * cards / NN_SCALE_CARDS;
}

static double y_of(double images_s, double most)
{
	return TOP + HEIGHT * (1 - images_s / most);
}

static void axes(FILE *f, double most, double step)
{
	for (int i = 0; i * step <= most * (1 + 1e-9); i++) {
		double y = y_of(i * step, most);

		fprintf(f, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#dddddd\"/>\n", LEFT, y, LEFT + WIDTH, y);
		fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n", LEFT - 8, y + 4, i * step);
	}
	for (int cards = 0; cards <= NN_SCALE_CARDS; cards += 8)
		fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%d</text>\n", x_of(cards), TOP + HEIGHT + 18, cards);
	fprintf(f, "<path d=\"M%.1f %.1fV%.1fH%.1f\" fill=\"none\" stroke=\"#333333\"/>\n", LEFT, TOP, TOP + HEIGHT, LEFT + WIDTH);
	fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">cards</text>\n", LEFT + WIDTH / 2, TOP + HEIGHT + 40);
	fprintf(f, "<text transform=\"translate(18 %.1f) rotate(-90)\" text-anchor=\"middle\">images/s, modelled</text>\n", TOP + HEIGHT / 2);
}

static void curve(FILE *f, const struct nn_scale *s, double most)
{
	fputs("<polyline fill=\"none\" stroke=\"#1f5fa8\" stroke-width=\"2\" points=\"", f);
	for (uint32_t n = 1; n <= NN_SCALE_CARDS; n++)
		fprintf(f, "%s%.1f,%.1f", n > 1 ? " " : "", x_of(n), y_of(nn_scale_at(s, n).images_s, most));
	fputs("\"/>\n", f);
	for (int i = 0; i < NN_SCALE_POINTS; i++)
		fprintf(f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"#1f5fa8\"><title>%u card%s: %.4g images/s, limit: %s</title></circle>\n",
			x_of(s->point[i].cards), y_of(s->point[i].images_s, most), s->point[i].cards, s->point[i].cards == 1 ? "" : "s", s->point[i].images_s, nn_busy_name(s->point[i].limit));
	if (s->saturated > NN_SCALE_CARDS)
		fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" fill=\"#b03020\" text-anchor=\"end\">%s saturated from %u cards on, beyond this plot</text>\n", LEFT + WIDTH - 6,
			TOP + HEIGHT - 10, nn_busy_name(s->by), s->saturated);
	if (s->saturated && s->saturated <= NN_SCALE_CARDS) {
		double x = x_of(s->saturated);
		bool right = x > LEFT + WIDTH * 0.6;

		fprintf(f, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#b03020\" stroke-dasharray=\"5 4\"/>\n", x, TOP, x, TOP + HEIGHT);
		fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" fill=\"#b03020\" text-anchor=\"%s\">from %u cards: %s saturated</text>\n", x + (right ? -6 : 6),
			TOP + HEIGHT - 10, right ? "end" : "start", s->saturated, nn_busy_name(s->by));
	}
}

static void plot(FILE *f, const struct nn_program *program, const struct nn_scale *s)
{
	double most = nn_scale_at(s, NN_SCALE_CARDS).images_s, step;

	most = most > 0 ? most : 1;
	step = nice_step(most, 6);
	most = ceil(most / step) * step;
	fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %g %g\" font-family=\"sans-serif\" font-size=\"13\">\n"
		   "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n<text x=\"%.1f\" y=\"28\" text-anchor=\"middle\" font-size=\"16\">",
		LEFT + WIDTH + 30, TOP + HEIGHT + 60, LEFT + WIDTH / 2);
	put_text(f, program->name);
	fprintf(f, ", %s shell: modelled throughput</text>\n", program->shell == NN_SHELL_DFX ? "dfx" : "flat");
	axes(f, most, step);
	curve(f, s, most);
	fputs("</svg>\n", f);
}

int nn_plan_scale_svg(const struct nn_program *program, const struct nn_scale *scale, const char *path, struct smartssd_error *err)
{
	struct smartssd_whole w;
	char *text = NULL;
	size_t bytes = 0;
	FILE *f = open_memstream(&text, &bytes);
	int ret;

	if (!f)
		return smartssd_fail(err, -ENOMEM, "no memory for a plot");
	plot(f, program, scale);
	ret = ferror(f) ? -ENOMEM : 0;
	if (fclose(f) || ret) {
		free(text);
		return smartssd_fail(err, -ENOMEM, "no memory for a plot");
	}
	ret = smartssd_whole_begin(&w, path, err);
	if (!ret) {
		ret = smartssd_whole_end(&w, smartssd_whole_write(&w, text, bytes));
		if (ret)
			smartssd_fail(err, ret, "%s: the plot cannot be written: %s", path, strerror(-ret));
	}
	free(text);
	return ret;
}
