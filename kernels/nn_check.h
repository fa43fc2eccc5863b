/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks and derived numbers that the network kernels share: an activation's layout and extent, and windows along an axis. Arguments come
 * from whoever submits a run: any value at all, so nothing here may overflow, whatever it is given.
 */
#ifndef KERNELS_NN_CHECK_H
#define KERNELS_NN_CHECK_H

#include "nn.h"

static inline float nn_float(uint32_t bits)
{
	union {
		uint32_t i;
		float f;
	} u;

	u.i = bits;
	return u.f;
}

/* 1 unless rows * cols pixels of @channels (not 0) can lie at @pitch, and images at @image, as nn.h says. */
static inline uint32_t nn_bad_layout(uint32_t rows, uint32_t cols, uint32_t channels, uint32_t pitch, uint32_t image)
{
	uint64_t row = (uint64_t)cols * pitch;

	if (pitch % NN_LANES || image % NN_LANES || pitch < channels)
		return 1;
	return row > image || rows * row > image; /* the second product only when row < 2^32 */
}

/* Bytes from the first to behind the last of rows [0, rows) of all images; none of them 0, the layout checked: below 2^64 - 2^33. */
static inline uint64_t nn_extent(uint32_t images, uint32_t rows, uint32_t cols, uint32_t channels, uint32_t pitch, uint32_t image)
{
	return (uint64_t)(images - 1) * image + ((uint64_t)rows * cols - 1) * pitch + channels;
}

/* 1 unless a zero point and a clip (lo | hi << 8) are of bytes. */
static inline uint32_t nn_bad_range(uint32_t zero, uint32_t clip)
{
	return zero > 255 || clip > 0xffff || (clip & 0xff) > clip >> 8;
}

/* Rows or columns of a window: output o reads o * stride - pad + k * dilation for k in [0, kernel), as far as in [0, in). */
struct nn_axis {
	uint32_t in, kernel, stride, dilation, pad; /* 16 bits each, but for in */
};

/* Rows (@shift 0) or columns (16) of NN_PAIRs. */
static inline struct nn_axis nn_axis_of(uint32_t in, uint32_t kernel, uint32_t stride, uint32_t dilation, uint32_t pad, uint32_t shift)
{
	struct nn_axis a;

	a.in = in;
	a.kernel = kernel >> shift & 0xffff;
	a.stride = stride >> shift & 0xffff;
	a.dilation = dilation >> shift & 0xffff;
	a.pad = pad >> shift & 0xffff;
	return a;
}

/* 1 unless there are 1 to NN_MAX_TERMS taps, and steps between them. */
static inline uint32_t nn_bad_kernel(const struct nn_axis *h, const struct nn_axis *w)
{
	return !h->kernel || !w->kernel || !h->stride || !w->stride || !h->dilation || !w->dilation ||
	       (uint64_t)h->kernel * w->kernel > NN_MAX_TERMS;
}

/* First position of output @out's window: below 2^48 */
static inline int64_t nn_axis_start(const struct nn_axis *a, uint32_t out)
{
	return (int64_t)((uint64_t)out * a->stride) - a->pad;
}

/* How many positions of the image lie between the first and the last that outputs [first, first + count) read; *from: the first of them */
static inline uint32_t nn_axis_span(const struct nn_axis *a, uint32_t first, uint32_t count, uint32_t *from)
{
	int64_t lo = nn_axis_start(a, first);
	int64_t hi = nn_axis_start(a, first + count - 1) + (int64_t)((uint64_t)(a->kernel - 1) * a->dilation);

	lo = lo < 0 ? 0 : lo;
	hi = hi >= (int64_t)a->in ? (int64_t)a->in - 1 : hi;
	*from = 0;
	if (lo > hi)
		return 0;
	*from = (uint32_t)lo;
	return (uint32_t)(hi - lo) + 1;
}

/*
 * The largest span of tiles of @tile outputs that [first, first + count) is cut into. A full tile's span first grows with its position (while
 * padding shrinks), is constant or the whole image, then shrinks: the most is at the tile where windows begin to start inside of the image, or
 * next to it (the last tile may be shorter, so the one before counts, too).
 */
static inline uint32_t nn_axis_most(const struct nn_axis *a, uint32_t first, uint32_t count, uint32_t tile)
{
	uint32_t turn = (a->pad + a->stride - 1) / a->stride, last = (count - 1) / tile, most = 0;
	uint32_t at = turn > first ? (turn - first) / tile : 0;
	uint32_t from;

	at = at > last ? last : at;
	at = at > 0 ? at - 1 : 0;
	for (uint32_t i = 0; i < 3; i++) {
		if (at + i <= last) {
			uint32_t begin = (at + i) * tile;
			uint32_t n = nn_axis_span(a, first + begin, count - begin < tile ? count - begin : tile, &from);

			most = n > most ? n : most;
		}
	}
	return most;
}

/* 1 when each output of [first, first + count) reads at least one position of the image. At most 2^16 steps. */
static inline uint32_t nn_axis_covered(const struct nn_axis *a, uint32_t first, uint32_t count)
{
	int64_t start = nn_axis_start(a, first);

	if (nn_axis_start(a, first + count - 1) >= (int64_t)a->in)
		return 0;
	for (uint32_t i = 0; i < count && start < 0; i++) {
#if defined(__SYNTHESIS__) && !defined(__BAMBU__)
#pragma HLS LOOP_TRIPCOUNT min=0 max=4
#endif
		uint32_t skip = ((uint32_t)-start + a->dilation - 1) / a->dilation; /* -start is at most 65535 */

		if (skip >= a->kernel || start + (int64_t)((uint64_t)skip * a->dilation) >= (int64_t)a->in)
			return 0;
		start += a->stride;
	}
	return 1;
}

#endif
