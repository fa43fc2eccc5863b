// SPDX-License-Identifier: BSD-2-Clause
/*
 * conv2d, the HLS source: one tile of an int8 convolution. conv2d.h says what it computes, conv2d_check.h what it refuses.
 *
 *   load  coef -> coef_buf;  acc = 0
 *   for each group g of the tile, channel c of the group:
 *     load     the channel's input window -> x_buf, its weights of the group's filters -> w_buf
 *     compute  for filter f, tap (kh, kw), output (oh, ow):
 *                acc[f][oh][ow] += (x_buf[oh*stride + kh*dilation - lead][...] - x_zero) * (w_buf[f][kh][kw] - w_zero[f])
 *   store  y[f][oh][ow] = clip(rint((float)saturate(acc + bias) * mult) + y_zero)
 *
 * Sizes in bytes and elements (x, w, y: 1 byte each; coef: words). One multiply-accumulate per clock in compute.
 * The innermost loops visit each address once, and are not flattened into the loops around them: that is why they may
 * be pipelined although acc is read and written.
 */
#include "conv2d_check.h"

static uint8_t x_buf[CONV2D_X_BYTES];
static uint8_t w_buf[CONV2D_W_BYTES];
static int32_t acc[CONV2D_ACC_WORDS];
static int32_t coef_buf[CONV2D_FILTERS][CONV2D_COEF_WORDS];

static inline int32_t widen(uint8_t byte, uint32_t is_signed)
{
	return is_signed ? (int32_t)(int8_t)byte : (int32_t)byte;
}

static inline float float_of_bits(int32_t bits)
{
	union {
		int32_t i;
		float f;
	} u;

	u.i = bits;
	return u.f;
}

/* Returns the first filter whose weight zero point is out of range, or filters. */
static uint32_t load_coef(const struct conv2d_tile *t, const int32_t *coef)
{
	uint32_t at = 0, bad = t->filters;

LOAD_COEF:
	for (uint32_t f = 0; f < t->filters; f++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=1024
#pragma HLS PIPELINE II=3
#endif
		for (uint32_t k = 0; k < CONV2D_COEF_WORDS; k++)
			coef_buf[f][k] = coef[at++];
		if (bad == t->filters && !conv2d_check_zero(t, coef_buf[f][CONV2D_COEF_ZERO]))
			bad = f;
	}
	return bad;
}

static void clear_acc(uint32_t words)
{
CLEAR_ACC:
	for (uint32_t i = 0; i < words; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=131072
#pragma HLS PIPELINE II=1
#endif
		acc[i] = 0;
	}
}

/* @from: the window's first element */
static void load_x(const struct conv2d_tile *t, const uint8_t *x, uint64_t from)
{
	uint32_t to = 0;

LOAD_X_ROW:
	for (uint32_t r = 0; r < t->rows; r++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=224
#endif
LOAD_X:
		for (uint32_t i = 0; i < t->cols; i++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=224
#pragma HLS PIPELINE II=1
#endif
			x_buf[to + i] = x[from + i];
		}
		to += t->cols;
		from += t->in_w;
	}
}

/* Channel @c of the weights of filters [first, first + count), to the start of w_buf. */
static void load_w(const struct conv2d_tile *t, const uint8_t *w, uint32_t first, uint32_t count, uint32_t c)
{
	uint64_t filter_pitch = (uint64_t)t->channels * t->taps;
	uint64_t from = first * filter_pitch + (uint64_t)c * t->taps;
	uint32_t to = 0;

LOAD_W_FILTER:
	for (uint32_t f = 0; f < count; f++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=1024
#endif
LOAD_W:
		for (uint32_t k = 0; k < t->taps; k++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=49
#pragma HLS PIPELINE II=1
#endif
			w_buf[to + k] = w[from + k];
		}
		to += t->taps;
		from += filter_pitch;
	}
}

/* One tap of one filter over all outputs: acc[first_acc ..] */
static void compute_tap(const struct conv2d_tile *t, uint32_t first_acc, int32_t weight, int64_t first_row, int64_t first_col)
{
	uint32_t x_signed = t->flags & CONV2D_X_SIGNED;
	uint32_t out = first_acc;
	int64_t row = first_row;

COMPUTE_ROW:
	for (uint32_t oh = 0; oh < t->out_rows; oh++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=112
#pragma HLS LOOP_FLATTEN off
#endif
		if (row >= 0 && row < (int64_t)t->rows) {
			uint32_t line = (uint32_t)row * t->cols;
			int64_t col = first_col;

COMPUTE_COL:
			for (uint32_t ow = 0; ow < t->out_cols; ow++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=112
#pragma HLS PIPELINE II=1
#pragma HLS DEPENDENCE variable=acc inter false
#endif
				if (col >= 0 && col < (int64_t)t->cols)
					acc[out + ow] += (widen(x_buf[line + (uint32_t)col], x_signed) - t->x_zero) * weight;
				col += t->stride_w;
			}
		}
		out += t->out_cols;
		row += t->stride_h;
	}
}

/* One channel for filters [first, first + count). */
static void compute(const struct conv2d_tile *t, uint32_t first, uint32_t count)
{
	uint32_t w_signed = t->flags & CONV2D_W_SIGNED;
	uint32_t pixels = t->out_rows * t->out_cols;
	uint32_t first_acc = first * pixels;
	uint32_t tap = 0;

COMPUTE_FILTER:
	for (uint32_t f = first; f < first + count; f++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=1024
#endif
		int64_t row = -(int64_t)t->lead_rows;

COMPUTE_KH:
		for (uint32_t kh = 0; kh < t->kernel_h; kh++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=7
#endif
			int64_t col = -(int64_t)t->lead_cols;

COMPUTE_KW:
			for (uint32_t kw = 0; kw < t->kernel_w; kw++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=7
#endif
				compute_tap(t, first_acc, widen(w_buf[tap], w_signed) - coef_buf[f][CONV2D_COEF_ZERO], row, col);
				tap++;
				col += t->dilation_w;
			}
			row += t->dilation_h;
		}
		first_acc += pixels;
	}
}

/* rint for |v| < 2^23, ties to even, without a library: truncate, then look at what was cut off (exact). */
static inline int32_t round_even(float v)
{
	int32_t whole = (int32_t)v;
	float rest = v - (float)whole;

	if (rest > 0.5f || (rest == 0.5f && (whole & 1)))
		whole++;
	else if (rest < -0.5f || (rest == -0.5f && (whole & 1)))
		whole--;
	return whole;
}

static inline int32_t requantise(const struct conv2d_tile *t, int32_t sum, int32_t bias, float mult)
{
	int64_t wide = (int64_t)sum + bias;
	/* Clipped before rounding: the bounds are integers, so the result is the same, and what is rounded is small. */
	float lo = (float)(t->clip_lo - t->y_zero), hi = (float)(t->clip_hi - t->y_zero);
	float v;

	if (wide > 2147483647)
		wide = 2147483647;
	if (wide < -2147483647 - 1)
		wide = -2147483647 - 1;
	v = (float)(int32_t)wide * mult;
	v = v > lo ? v : lo; /* also for NaN */
	v = v < hi ? v : hi;
	return round_even(v) + t->y_zero;
}

static void store(const struct conv2d_tile *t, uint8_t *y)
{
	uint64_t plane = t->out_col;
	uint32_t from = 0;

STORE_FILTER:
	for (uint32_t f = 0; f < t->filters; f++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=1024
#endif
		int32_t bias = coef_buf[f][CONV2D_COEF_BIAS];
		float mult = float_of_bits(coef_buf[f][CONV2D_COEF_MULT]);
		uint64_t to = plane;

STORE_ROW:
		for (uint32_t oh = 0; oh < t->out_rows; oh++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=112
#endif
STORE:
			for (uint32_t ow = 0; ow < t->out_cols; ow++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=112
#pragma HLS PIPELINE II=1
#endif
				y[to + ow] = (uint8_t)requantise(t, acc[from + ow], bias, mult);
			}
			from += t->out_cols;
			to += t->out_w;
		}
		plane += t->y_pitch;
	}
}

/* The tile of one group after the other; channels count through all of them. */
static void convolve(const struct conv2d_tile *t, const uint8_t *x, const uint8_t *w)
{
	uint32_t first = 0, channel = 0;
	uint32_t room = t->group_filters - t->first_in_group;

GROUPS:
	for (uint32_t g = 0; g < t->groups; g++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=1024
#endif
		uint32_t left = t->filters - first;
		uint32_t count = left < room ? left : room;

CHANNELS:
		for (uint32_t c = 0; c < t->channels; c++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=2048
#endif
			if (t->rows > 0) {
				load_x(t, x, conv2d_channel(t, channel) + t->window);
				load_w(t, w, first, count, c);
				compute(t, first, count);
			}
			channel++;
		}
		first += count;
		room = t->group_filters;
	}
}

#ifdef __BAMBU__
#pragma HLS interface mode=m_axi port=x offset=direct bundle=gmem0
#pragma HLS interface mode=m_axi port=w offset=direct bundle=gmem1
#pragma HLS interface mode=m_axi port=coef offset=direct bundle=gmem2
#pragma HLS interface mode=m_axi port=y offset=direct bundle=gmem3
#pragma HLS interface mode=m_axi port=status offset=direct bundle=gmem4
#endif
void conv2d(const uint8_t *x, uint64_t x_bytes, const uint8_t *w, uint64_t w_bytes, const int32_t *coef, uint64_t coef_bytes,
	    uint8_t *y, uint64_t y_bytes, uint32_t *status, uint64_t status_bytes,
	    uint32_t first_filter, uint32_t filters, uint32_t group_filters, uint32_t channels,
	    uint32_t in_h, uint32_t in_w, uint32_t band_row, uint32_t band_rows,
	    uint32_t kernel_h, uint32_t kernel_w, uint32_t stride, uint32_t dilation, uint32_t pad_top, uint32_t pad_left,
	    uint32_t out_w, uint32_t out_row, uint32_t out_rows, uint32_t out_col, uint32_t out_cols,
	    uint32_t x_pitch, uint32_t x_stride, uint32_t x_skew, uint32_t x_mask, uint32_t y_pitch,
	    int32_t x_zero, int32_t y_zero, uint32_t flags, int32_t clip_lo, int32_t clip_hi)
{
#ifndef __BAMBU__
#pragma HLS INTERFACE m_axi port=x offset=slave bundle=gmem0
#pragma HLS INTERFACE m_axi port=w offset=slave bundle=gmem1
#pragma HLS INTERFACE m_axi port=coef offset=slave bundle=gmem2
#pragma HLS INTERFACE m_axi port=y offset=slave bundle=gmem3
#pragma HLS INTERFACE m_axi port=status offset=slave bundle=gmem4
#pragma HLS INTERFACE s_axilite port=x
#pragma HLS INTERFACE s_axilite port=x_bytes
#pragma HLS INTERFACE s_axilite port=w
#pragma HLS INTERFACE s_axilite port=w_bytes
#pragma HLS INTERFACE s_axilite port=coef
#pragma HLS INTERFACE s_axilite port=coef_bytes
#pragma HLS INTERFACE s_axilite port=y
#pragma HLS INTERFACE s_axilite port=y_bytes
#pragma HLS INTERFACE s_axilite port=status
#pragma HLS INTERFACE s_axilite port=status_bytes
#pragma HLS INTERFACE s_axilite port=first_filter
#pragma HLS INTERFACE s_axilite port=filters
#pragma HLS INTERFACE s_axilite port=group_filters
#pragma HLS INTERFACE s_axilite port=channels
#pragma HLS INTERFACE s_axilite port=in_h
#pragma HLS INTERFACE s_axilite port=in_w
#pragma HLS INTERFACE s_axilite port=band_row
#pragma HLS INTERFACE s_axilite port=band_rows
#pragma HLS INTERFACE s_axilite port=kernel_h
#pragma HLS INTERFACE s_axilite port=kernel_w
#pragma HLS INTERFACE s_axilite port=stride
#pragma HLS INTERFACE s_axilite port=dilation
#pragma HLS INTERFACE s_axilite port=pad_top
#pragma HLS INTERFACE s_axilite port=pad_left
#pragma HLS INTERFACE s_axilite port=out_w
#pragma HLS INTERFACE s_axilite port=out_row
#pragma HLS INTERFACE s_axilite port=out_rows
#pragma HLS INTERFACE s_axilite port=out_col
#pragma HLS INTERFACE s_axilite port=out_cols
#pragma HLS INTERFACE s_axilite port=x_pitch
#pragma HLS INTERFACE s_axilite port=x_stride
#pragma HLS INTERFACE s_axilite port=x_skew
#pragma HLS INTERFACE s_axilite port=x_mask
#pragma HLS INTERFACE s_axilite port=y_pitch
#pragma HLS INTERFACE s_axilite port=x_zero
#pragma HLS INTERFACE s_axilite port=y_zero
#pragma HLS INTERFACE s_axilite port=flags
#pragma HLS INTERFACE s_axilite port=clip_lo
#pragma HLS INTERFACE s_axilite port=clip_hi
#pragma HLS INTERFACE s_axilite port=return
#pragma HLS BIND_STORAGE variable=x_buf type=ram_2p impl=bram
#pragma HLS BIND_STORAGE variable=acc type=ram_2p impl=uram
#pragma HLS BIND_STORAGE variable=w_buf type=ram_2p impl=bram
#endif
	struct conv2d_tile tile = CONV2D_TILE_OF_ARGUMENTS;
	uint32_t code, detail, filter = 0;

	if (status_bytes < KERNEL_STATUS_WORDS * 4)
		return; /* nowhere to report to */
	code = conv2d_check(&tile, x_bytes, w_bytes, coef_bytes, y_bytes, &detail);
	if (code == KERNEL_OK) {
		filter = load_coef(&tile, coef);
		if (filter < tile.filters) {
			code = KERNEL_BAD_SHAPE;
			detail = CONV2D_CHECK_W_ZERO;
		} else {
			filter = 0;
			clear_acc(tile.filters * tile.out_rows * tile.out_cols);
			convolve(&tile, x, w);
			store(&tile, y);
		}
	}
	status[1] = detail;
	status[2] = filter;
	status[3] = 0;
	status[0] = code;
}
