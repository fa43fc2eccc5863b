/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a plan (program.h: nn_plan()) comes to, by the model. All of it is modelled, nothing measured.
 *
 * An image uses four things: its drive's flash link, its card, the host, and the drive's and card's link to the host. They work at the same time on
 * different images, so the throughput of a stream of images is one over the time of the busiest one; one job alone takes the sum of all times. A job
 * has nn_machine.batch images: each has its share of launches, submits, and weights that are read once for all.
 * With images over N cards there are N flash links, cards and links to the host, one host, and one way into the host that all links share.
 */
#ifndef SMARTSSD_RUNTIME_NN_PLAN_H
#define SMARTSSD_RUNTIME_NN_PLAN_H

#include "program.h"

/* NN_BUSY_SHARED: the way into the host, of all cards together */
enum nn_busy { NN_BUSY_FLASH, NN_BUSY_CARD, NN_BUSY_HOST, NN_BUSY_LINK, NN_BUSY_SHARED, NN_BUSY_KINDS };

/* Bytes of an image. */
struct nn_moved {
	uint64_t flash;	  /* flash -> card, peer to peer */
	uint64_t read;	  /* flash -> host */
	uint64_t to_card; /* host -> card */
	uint64_t to_host; /* card -> host */
	uint64_t between; /* card -> card */
};

struct nn_total {
	double busy[NN_BUSY_KINDS]; /* seconds of an image; of N cards of a kind: divided by N, layers over cards: of the busiest one */
	double seconds;		    /* the largest of them: images per second = 1 / seconds */
	double latency;		    /* of one job alone */
	enum nn_busy limit;	    /* which is the largest */
	uint32_t batch;		    /* images of a job */
	uint32_t jobs;		    /* of so many images: submitted to cards, waited for by the host */
	uint32_t cards;		    /* that have work */
	uint64_t card_bytes;	    /* DDR used, of the card that needs most: weights, and activations and input for the images in flight */
	struct nn_moved moved;
};

/* What the shell's DSPs could multiply in a second, two products each: what utilisation is measured against. */
double nn_peak_macs_s(enum nn_shell shell, const struct nn_machine *machine);

/* "flash link", "card", "orchestrating CPU", "card's host link", "shared host link" */
const char *nn_busy_name(enum nn_busy busy);

/* The program as it is placed, with images over @cards cards, or (program->spread) its layers over program->cards. 0, -ENOMEM, -EFBIG, -EINVAL. */
int nn_plan_total(const struct nn_program *program, uint32_t cards, const struct nn_machine *machine, struct nn_total *out);

/*
 * What moves because of layer @layer: what it reads that was not where it runs, the input included; the last layer to write an output that
 * the host must have also moves that.
 */
int nn_plan_moved(const struct nn_program *program, uint32_t layer, const struct nn_machine *machine, struct nn_moved *out);

/*
 * The host that would be as fast alone as @cards cards with this plan are: multiplications per second; infinite when no host is, because what it does
 * beside multiplying takes longer.
 */
double nn_plan_break_even(const struct nn_program *program, uint32_t cards, const struct nn_machine *machine);

/*
 * Modelled throughput for 1 to 48 cards, with the program as it is placed: images over cards, or over groups of as many cards as its layers are spread over.
 * A group's own flash links, cards and links take `own` seconds an image; beside them work the orchestrating CPU and the shared link, one for all groups.
 */
#define NN_SCALE_CARDS	48
#define NN_SCALE_POINTS 8
struct nn_scale {
	uint32_t group;	 /* cards of a group */
	double own, cpu, link;
	enum nn_busy own_limit;
	/* So many cards and more are not busy all the time, because `by` is; may be more than NN_SCALE_CARDS; 0: no number, or beyond 32 bits */
	uint32_t saturated;
	enum nn_busy by;
	struct nn_scale_point {
		uint32_t cards;
		double images_s;	/* 0: fewer cards than a group */
		enum nn_busy limit;
		double cpu, link;	/* busy share of the orchestrating CPU and of the shared link, 0 to 1 */
	} point[NN_SCALE_POINTS];	/* 1, 2, 4, 8, 16, 24, 32, 48 cards */
};
struct nn_scale_point nn_scale_at(const struct nn_scale *scale, uint32_t cards);
int nn_plan_scale(const struct nn_program *program, const struct nn_machine *machine, struct nn_scale *out);
/* As a plot: an SVG file, written whole or not at all. */
int nn_plan_scale_svg(const struct nn_program *program, const struct nn_scale *scale, const char *path, struct smartssd_error *err);

#endif
