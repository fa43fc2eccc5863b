/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A plot as SVG: a title, a frame with two axes, curves in it; nothing outside the file is referred to. Inside of this project only, the tools included; nothing here is exported.
 * Positions within the frame are 0 to 1: x from left to right, y from bottom to top. What they mean (linear, logarithmic) is the caller's.
 */
#ifndef SMARTSSD_RUNTIME_SVG_H
#define SMARTSSD_RUNTIME_SVG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct smartssd_error;

#define SVG_LEFT   80.0
#define SVG_TOP	   50.0
#define SVG_WIDTH  600.0
#define SVG_HEIGHT 320.0

struct smartssd_svg {
	FILE *f; /* write more elements here */
	char *text;
	size_t bytes;
};

/* @margin: room to the right of the frame, for a legend. -ENOMEM. After 0: svg_end(). */
int svg_begin(struct smartssd_svg *s, const char *title, double margin, struct smartssd_error *err);
/* Into the file @path, whole or not at all; -ENOMEM, -errno, with a text. @path NULL: away with it, 0. */
int svg_end(struct smartssd_svg *s, const char *path, struct smartssd_error *err);

double svg_x(double x);
double svg_y(double y);
/* What is no printable ASCII becomes a question mark. */
void svg_text(struct smartssd_svg *s, const char *text);
void svg_x_tick(struct smartssd_svg *s, double x, const char *label);
void svg_y_tick(struct smartssd_svg *s, double y, const char *label); /* with a line across the frame */
void svg_axes(struct smartssd_svg *s, const char *x_title, const char *y_title);
void svg_curve(struct smartssd_svg *s, const char *colour, bool dashed, const double *x, const double *y, size_t nr);
void svg_point(struct smartssd_svg *s, const char *colour, double x, double y, const char *title); /* @title: what a pointer on it shows */
/* Line @nr of a legend to the right of the frame. */
void svg_legend(struct smartssd_svg *s, unsigned nr, const char *colour, bool dashed, const char *name);

/* 1, 2 or 5 times a power of ten: at most @parts steps to @most. */
double svg_nice_step(double most, int parts);

#endif
