// SPDX-License-Identifier: BSD-2-Clause
#include <math.h>

#include "private.h"
#include "svg.h"
#include "whole.h"

double svg_nice_step(double most, int parts)
{
	double step = pow(10, floor(log10(most / parts)));

	while (most / step > parts)
		step *= most / (step * 2) <= parts ? 2 : most / (step * 5) <= parts ? 5 : 10;
	return step;
}

double svg_x(double x)
{
	return SVG_LEFT + SVG_WIDTH * x;
}

double svg_y(double y)
{
	return SVG_TOP + SVG_HEIGHT * (1 - y);
}

void svg_text(struct smartssd_svg *s, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '&':
			fputs("&amp;", s->f);
			break;
		case '<':
			fputs("&lt;", s->f);
			break;
		case '>':
			fputs("&gt;", s->f);
			break;
		default:
			/* Names from a file: what is not ASCII could be anything, and what is below a space is not allowed. */
			fputc(*text >= ' ' && *text < 127 ? *text : '?', s->f);
		}
}

int svg_begin(struct smartssd_svg *s, const char *title, double margin, struct smartssd_error *err)
{
	*s = (struct smartssd_svg){ 0 };
	s->f = open_memstream(&s->text, &s->bytes);
	if (!s->f)
		return smartssd_fail(err, -ENOMEM, "no memory for a plot");
	fprintf(s->f, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %g %g\" font-family=\"sans-serif\" font-size=\"13\">\n"
		      "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n<text x=\"%.1f\" y=\"28\" text-anchor=\"middle\" font-size=\"16\">",
		SVG_LEFT + SVG_WIDTH + margin, SVG_TOP + SVG_HEIGHT + 60, SVG_LEFT + SVG_WIDTH / 2);
	svg_text(s, title);
	fputs("</text>\n", s->f);
	return 0;
}

static int save(const struct smartssd_svg *s, const char *path, struct smartssd_error *err)
{
	struct smartssd_whole w;
	int ret = smartssd_whole_begin(&w, path, err);

	if (ret)
		return ret;
	ret = smartssd_whole_end(&w, smartssd_whole_write(&w, s->text, s->bytes));
	return ret ? smartssd_fail(err, ret, "%s: the plot cannot be written: %s", path, strerror(-ret)) : 0;
}

int svg_end(struct smartssd_svg *s, const char *path, struct smartssd_error *err)
{
	int ret;

	fputs("</svg>\n", s->f);
	ret = ferror(s->f) ? -ENOMEM : 0;
	if (fclose(s->f))
		ret = -ENOMEM;
	if (ret && path)
		smartssd_fail(err, ret, "no memory for a plot");
	else if (path)
		ret = save(s, path, err);
	free(s->text);
	return path ? ret : 0;
}

void svg_x_tick(struct smartssd_svg *s, double x, const char *label)
{
	fprintf(s->f, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", svg_x(x), SVG_TOP + SVG_HEIGHT + 18);
	svg_text(s, label);
	fputs("</text>\n", s->f);
}

void svg_y_tick(struct smartssd_svg *s, double y, const char *label)
{
	fprintf(s->f, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#dddddd\"/>\n", SVG_LEFT, svg_y(y), SVG_LEFT + SVG_WIDTH, svg_y(y));
	fprintf(s->f, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", SVG_LEFT - 8, svg_y(y) + 4);
	svg_text(s, label);
	fputs("</text>\n", s->f);
}

void svg_axes(struct smartssd_svg *s, const char *x_title, const char *y_title)
{
	fprintf(s->f, "<path d=\"M%.1f %.1fV%.1fH%.1f\" fill=\"none\" stroke=\"#333333\"/>\n", SVG_LEFT, SVG_TOP, SVG_TOP + SVG_HEIGHT, SVG_LEFT + SVG_WIDTH);
	fprintf(s->f, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", SVG_LEFT + SVG_WIDTH / 2, SVG_TOP + SVG_HEIGHT + 40);
	svg_text(s, x_title);
	fprintf(s->f, "</text>\n<text transform=\"translate(18 %.1f) rotate(-90)\" text-anchor=\"middle\">", SVG_TOP + SVG_HEIGHT / 2);
	svg_text(s, y_title);
	fputs("</text>\n", s->f);
}

static const char *dashes(bool dashed)
{
	return dashed ? " stroke-dasharray=\"5 4\"" : "";
}

void svg_curve(struct smartssd_svg *s, const char *colour, bool dashed, const double *x, const double *y, size_t nr)
{
	fprintf(s->f, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\"%s points=\"", colour, dashes(dashed));
	for (size_t i = 0; i < nr; i++)
		fprintf(s->f, "%s%.1f,%.1f", i ? " " : "", svg_x(x[i]), svg_y(y[i]));
	fputs("\"/>\n", s->f);
}

void svg_point(struct smartssd_svg *s, const char *colour, double x, double y, const char *title)
{
	fprintf(s->f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"><title>", svg_x(x), svg_y(y), colour);
	svg_text(s, title);
	fputs("</title></circle>\n", s->f);
}

void svg_legend(struct smartssd_svg *s, unsigned nr, const char *colour, bool dashed, const char *name)
{
	double x = SVG_LEFT + SVG_WIDTH + 14, y = SVG_TOP + 10 + 20.0 * nr;

	fprintf(s->f, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"2\"%s/>\n", x, y, x + 22, y, colour, dashes(dashed));
	fprintf(s->f, "<text x=\"%.1f\" y=\"%.1f\">", x + 28, y + 4);
	svg_text(s, name);
	fputs("</text>\n", s->f);
}
