// SPDX-License-Identifier: BSD-2-Clause
/*
 * Conv, ConvInteger and QLinearConv of 1 to 3 spatial dimensions, as matrix products: filters x (channel, kernel position) times
 * (channel, kernel position) x output pixels. The second matrix is never whole: gemm.c asks for the parts that it works on.
 */
#include "../../kernels/reference/mac.h"
#include "graph_impl.h"

struct geometry {
	struct nn_window w;
	int64_t images, channels, filters, group; /* channels: of one group */
	int64_t terms;				  /* of one sum */
	bool plain;				  /* 1x1, one pixel after the other */
};

struct source {
	const struct geometry *g;
	const void *x; /* the group's first channel of an image */
	enum nn_type type;
	int32_t zero;
};

static void set_geometry(struct geometry *g, const struct nn_call *c, const struct nn_dims *x, const struct nn_dims *w, const struct nn_dims *y)
{
	*g = (struct geometry){ .images = x->d[0], .channels = w->d[1], .filters = w->d[0], .group = c->a->group, .terms = w->d[1], .plain = true };
	nn_set_window(&g->w, c->a, x, y);
	for (int i = 0; i < 3; i++) {
		g->terms *= g->w.k[i];
		g->plain &= g->w.k[i] == 1 && g->w.stride[i] == 1 && g->w.in[i] == g->w.out[i] && !g->w.begin[i];
	}
}

/* Where the windows of output pixels n0 .. n0 + nc - 1 begin. */
static void window_starts(const struct geometry *g, int64_t n0, int64_t nc, int64_t start[3][NN_NC])
{
	for (int64_t j = 0; j < nc; j++) {
		int64_t p = n0 + j;

		start[2][j] = p % g->w.out[2] * g->w.stride[2] - g->w.begin[2];
		p /= g->w.out[2];
		start[1][j] = p % g->w.out[1] * g->w.stride[1] - g->w.begin[1];
		start[0][j] = p / g->w.out[1] * g->w.stride[0] - g->w.begin[0];
	}
}

/* A term's channel and offsets in the window. */
static void split_term(const struct geometry *g, int64_t term, int64_t *channel, int64_t offset[3])
{
	for (int i = 2; i >= 0; i--) {
		offset[i] = term % g->w.k[i] * g->w.dilation[i];
		term /= g->w.k[i];
	}
	*channel = term;
}

/* Position in the plane, -1 in the padding. */
static inline int64_t position(const struct geometry *g, int64_t start[3][NN_NC], int64_t j, const int64_t offset[3])
{
	int64_t z = start[0][j] + offset[0], y = start[1][j] + offset[1], x = start[2][j] + offset[2];

	if ((uint64_t)z >= (uint64_t)g->w.in[0] || (uint64_t)y >= (uint64_t)g->w.in[1] || (uint64_t)x >= (uint64_t)g->w.in[2])
		return -1;
	return (z * g->w.in[1] + y) * g->w.in[2] + x;
}

static void pack_f4(const void *ctx, float *panel, int64_t k0, int64_t kc, int64_t n0, int64_t nc)
{
	const struct source *s = ctx;
	const struct geometry *g = s->g;
	int64_t start[3][NN_NC], offset[3], channel;

	if (!g->plain)
		window_starts(g, n0, nc, start);
	for (int64_t k = 0; k < kc; k++) {
		const float *x;

		split_term(g, k0 + k, &channel, offset);
		x = (const float *)s->x + channel * g->w.plane;
		for (int64_t j0 = 0; j0 < nc; j0 += NN_PANEL) {
			float *to = panel + j0 * kc + k * NN_PANEL;
			int64_t n = nc - j0 < NN_PANEL ? nc - j0 : NN_PANEL;

			if (g->plain) {
				memcpy(to, x + n0 + j0, (size_t)n * sizeof(*x));
				continue;
			}
			for (int64_t j = 0; j < n; j++) {
				int64_t at = position(g, start, j0 + j, offset);

				to[j] = at < 0 ? 0 : x[at];
			}
		}
	}
}

static void pack_i4(const void *ctx, int32_t *panel, int64_t k0, int64_t kc, int64_t n0, int64_t nc)
{
	const struct source *s = ctx;
	const struct geometry *g = s->g;
	int64_t start[3][NN_NC], offset[3], channel;

	window_starts(g, n0, nc, start);
	for (int64_t k = 0; k < kc; k++) {
		split_term(g, k0 + k, &channel, offset);
		for (int64_t j = 0; j < nc; j++) {
			int64_t at = position(g, start, j, offset);

			/* Padding is the zero point: it adds nothing. */
			panel[j / NN_PANEL * NN_PANEL * kc + k * NN_PANEL + j % NN_PANEL] =
				at < 0 ? 0 : nn_byte(s->x, channel * g->w.plane + at, s->type) - s->zero;
		}
	}
}

int nn_op_conv(const struct nn_call *c)
{
	const float *x = c->in[0], *w = c->in[1], *bias = c->ti[2] ? c->in[2] : NULL;
	struct geometry g;
	float *y = c->out[0];
	int64_t filters;

	set_geometry(&g, c, &c->ti[0]->dims, &c->ti[1]->dims, &c->to[0]->dims);
	filters = g.filters / g.group;
	for (int64_t i = 0; i < g.images * g.filters; i++)
		for (int64_t p = 0; p < g.w.pixels; p++)
			y[i * g.w.pixels + p] = bias ? bias[i % g.filters] : 0;
	for (int64_t i = 0; i < g.images * g.group; i++) {
		struct source s = { &g, x + i * g.channels * g.w.plane, NN_F4, 0 };
		int ret = nn_gemm_f4(filters, g.w.pixels, g.terms, w + i % g.group * filters * g.terms, g.terms, pack_f4, &s,
				     y + i * filters * g.w.pixels, g.w.pixels);

		if (ret)
			return ret;
	}
	return 0;
}

/* Where the sums go: int32, or a requantised byte. */
struct sink {
	const struct nn_call *c;
	void *y; /* row m of the product is y + m * pixels elements */
	int64_t pixels, filter;
	const int32_t *bias;
	const float *w_scale;
	float x_scale, y_scale;
	bool scales;
	int32_t y_zero, lo, hi;
};

static void store(const void *ctx, int64_t m, int64_t n0, int64_t nc, const int64_t *sum)
{
	const struct sink *s = ctx;
	int64_t f = s->filter + m, at = m * s->pixels + n0;

	if (s->c->node->op == NN_CONV_INTEGER) {
		for (int64_t j = 0; j < nc; j++)
			((int32_t *)s->y)[at + j] = mac_saturate(sum[j]);
	} else {
		float mult = mac_multiplier(s->x_scale, s->w_scale[s->scales ? f : 0], s->y_scale);
		int64_t bias = s->bias ? s->bias[f] : 0;

		for (int64_t j = 0; j < nc; j++)
			((uint8_t *)s->y)[at + j] = (uint8_t)mac_requantise(mac_saturate(sum[j] + bias), mult, s->y_zero, s->lo, s->hi);
	}
}

int nn_op_conv_int(const struct nn_call *c)
{
	bool q = c->node->op == NN_QLINEAR_CONV;
	uint32_t wi = q ? 3 : 1, xz = 2, wz = q ? 5 : 3;
	const struct nn_tensor *tx = c->ti[0], *tw = c->ti[wi];
	const uint8_t *x = c->in[0];
	struct sink s = { .c = c };
	struct geometry g;
	int64_t filters, weights;
	int32_t *w, x_zero = c->ti[xz] ? nn_byte(c->in[xz], 0, tx->type) : 0;
	int ret = 0;

	set_geometry(&g, c, &tx->dims, &tw->dims, &c->to[0]->dims);
	filters = g.filters / g.group;
	weights = nn_count(&tw->dims);
	w = nn_alloc((uint64_t)weights * sizeof(*w));
	if (!w)
		return -ENOMEM;
	for (int64_t i = 0; i < weights; i++) {
		int64_t z = c->ti[wz] && nn_count(&c->ti[wz]->dims) > 1 ? i / g.terms : 0;

		w[i] = nn_byte(c->in[wi], i, tw->type) - (c->ti[wz] ? nn_byte(c->in[wz], z, tw->type) : 0);
	}
	s.pixels = g.w.pixels;
	if (q) {
		s.x_scale = *(const float *)c->in[1];
		s.w_scale = c->in[4];
		s.scales = nn_count(&c->ti[4]->dims) > 1;
		s.y_scale = *(const float *)c->in[6];
		s.y_zero = nn_byte(c->in[7], 0, c->to[0]->type);
		s.bias = c->ti[8] ? c->in[8] : NULL;
		nn_range(c->to[0]->type, &s.lo, &s.hi);
	}
	for (int64_t i = 0; i < g.images * g.group && !ret; i++) {
		struct source from = { &g, x + i * g.channels * g.w.plane, tx->type, x_zero };

		s.filter = i % g.group * filters;
		s.y = (uint8_t *)c->out[0] + i * filters * g.w.pixels * (q ? 1 : 4);
		ret = nn_gemm_i4(filters, g.w.pixels, g.terms, w + s.filter * g.terms, g.terms, pack_i4, &from, store, &s);
	}
	free(w);
	return ret;
}
