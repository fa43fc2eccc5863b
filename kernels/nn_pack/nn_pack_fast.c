// SPDX-License-Identifier: BSD-2-Clause
/*
 * nn_pack for the emulated card: same prototype, checks, status and result (to the bit) as the HLS kernel, fast on a CPU. This file: dispatch, and
 * plain loops.
 *
 *   for each row: quantise it to a line [column][channel] with margins; a pixel's bytes follow each other in it
 */
#include <string.h>

#include "../nn_fast.h"
#include "../simd.h"
#include "nn_pack_fast.h"

static void quantise_bytes(const struct nn_pack_run *r, const uint8_t *x, const uint8_t *lut, uint8_t *to)
{
	for (uint32_t c = 0; c < r->channels; c++) {
		const uint8_t *from = x + (uint64_t)c * r->x_channel;

		for (uint32_t i = 0; i < r->in_w; i++)
			to[i * r->channels + c] = lut[c * 256 + from[i]];
	}
}

static void quantise_floats(const struct nn_pack_run *r, const uint8_t *x, uint8_t *to)
{
	float scale = nn_float(r->scale), low = 0.0f - (float)r->zero, high = 255.0f - (float)r->zero;

	for (uint32_t c = 0; c < r->channels; c++) {
		const uint8_t *from = x + (uint64_t)c * r->x_channel;

		for (uint32_t i = 0; i < r->in_w; i++) {
			float value;

			memcpy(&value, from + (uint64_t)i * sizeof(value), sizeof(value));
			to[i * r->channels + c] = nn_to_byte(value / scale, low, high, (int32_t)r->zero);
		}
	}
}

static void unfold(const struct nn_pack_run *r, const uint8_t *from, size_t step, uint32_t count, uint8_t *y)
{
	for (uint32_t j = 0; j < count; j++) {
		memcpy(y + (size_t)j * r->y_pitch, from + (size_t)j * step, r->used);
		memset(y + (size_t)j * r->y_pitch + r->used, 0, r->out_channels - r->used);
	}
}

/* Output columns [0, *first) and [*end, out_w) lie outside of the image altogether. */
static void touching(const struct nn_pack_run *r, uint32_t *first, uint32_t *end)
{
	uint64_t skip = r->pad >= r->kernel ? (r->pad - r->kernel) / r->stride + 1 : 0; /* j * stride + kernel <= pad */
	uint64_t last = ((uint64_t)r->in_w + r->pad - 1) / r->stride + 1;		  /* first j with j * stride >= in_w + pad */

	*end = last > r->out_w ? r->out_w : (uint32_t)last;
	*first = skip > *end ? *end : (uint32_t)skip;
}

static void fill_outside(const struct nn_pack_run *r, uint8_t *y, uint32_t count)
{
	for (uint32_t j = 0; j < count; j++) {
		memset(y + (size_t)j * r->y_pitch, (int)r->outside, r->used);
		memset(y + (size_t)j * r->y_pitch + r->used, 0, r->out_channels - r->used);
	}
}

/* @line: its margins are filled. */
static void pack_row(const struct nn_pack_run *r, const uint8_t *x, const uint8_t *lut, struct nn_pack_line *line, uint8_t *y, int avx2)
{
	uint8_t *to = line->bytes + (size_t)line->margin * r->channels;
	const uint8_t *from;
	uint32_t first, end;
	int64_t column;

	touching(r, &first, &end);
	fill_outside(r, y, first);
	fill_outside(r, y + (size_t)end * r->y_pitch, r->out_w - end);
	if (first == end)
		return;
	column = (int64_t)first * r->stride - r->pad; /* > -kernel */
	from = line->bytes + (size_t)(column + line->margin) * r->channels;
#if defined(__x86_64__)
	if (avx2) {
		nn_pack_row_avx2(r, x, lut, line, to);
		nn_pack_unfold_avx2(r, from, (size_t)r->stride * r->channels, end - first, y + (size_t)first * r->y_pitch);
		return;
	}
#endif
	(void)avx2;
	if (r->mode == NN_PACK_BYTES)
		quantise_bytes(r, x, lut, to);
	else
		quantise_floats(r, x, to);
	unfold(r, from, (size_t)r->stride * r->channels, end - first, y + (size_t)first * r->y_pitch);
}

static uint8_t element(const struct nn_pack_run *r, const uint8_t *x, const uint8_t *lut, uint32_t c, uint64_t i)
{
	const uint8_t *at = x + (uint64_t)c * r->x_channel + i * r->x_element;
	float value;

	if (r->mode == NN_PACK_BYTES)
		return lut[c * 256 + *at];
	memcpy(&value, at, sizeof(value));
	return nn_to_byte(value / nn_float(r->scale), 0.0f - (float)r->zero, 255.0f - (float)r->zero, (int32_t)r->zero);
}

/* A row whose margins would be too large: a byte after the other. */
static void pack_row_slowly(const struct nn_pack_run *r, const uint8_t *x, const uint8_t *lut, uint8_t *y)
{
	for (uint32_t j = 0; j < r->out_w; j++) {
		uint8_t *out = y + (uint64_t)j * r->y_pitch;

		for (uint32_t kw = 0; kw < r->kernel; kw++) {
			int64_t i = (int64_t)((uint64_t)j * r->stride) + kw - r->pad;

			for (uint32_t c = 0; c < r->channels; c++)
				*out++ = i >= 0 && i < (int64_t)r->in_w ? element(r, x, lut, c, (uint64_t)i) : (uint8_t)r->outside;
		}
		memset(out, 0, r->out_channels - r->used);
	}
}

static void pack(const struct nn_pack_run *r, const uint8_t *x, const uint8_t *lut, uint8_t *y)
{
	struct nn_pack_line line; /* large: not cleared */
	uint64_t margin = (uint64_t)(r->kernel - 1) * r->channels;
	int avx2 = simd_avx2();

	line.margin = r->kernel - 1;
	if (margin <= NN_PACK_MARGIN_BYTES) {
		memset(line.bytes, (int)r->outside, margin);
		memset(line.bytes + margin + (size_t)r->in_w * r->channels, (int)r->outside, margin + NN_PACK_LINE_SLACK);
	}
	for (uint32_t n = 0; n < r->images; n++) {
		for (uint32_t h = 0; h < r->in_h; h++) {
			const uint8_t *from = x + n * r->x_image + (uint64_t)h * r->x_row;
			uint8_t *to = y + (uint64_t)n * r->y_image + (uint64_t)h * r->out_w * r->y_pitch;

			if (margin <= NN_PACK_MARGIN_BYTES)
				pack_row(r, from, lut, &line, to, avx2);
			else
				pack_row_slowly(r, from, lut, to);
		}
	}
}

void nn_pack(const uint8_t *x, uint64_t x_bytes, const uint8_t *lut, uint64_t lut_bytes, uint8_t *y, uint64_t y_bytes, uint32_t *status,
	     uint64_t status_bytes, uint32_t images, uint32_t channels, uint32_t in_h, uint32_t in_w, uint32_t x_skip, uint32_t x_row,
	     uint32_t x_channel, uint32_t x_image_low, uint32_t x_image_high, uint32_t kernel, uint32_t stride, uint32_t pad, uint32_t out_w,
	     uint32_t out_channels, uint32_t y_pitch, uint32_t y_image, uint32_t outside, uint32_t scale, uint32_t zero, uint32_t mode)
{
	struct nn_pack_run run = NN_PACK_RUN_OF_ARGUMENTS;
	uint32_t code, detail;

	if (status_bytes < KERNEL_STATUS_WORDS * 4)
		return; /* nowhere to report to */
	code = nn_pack_check(&run, x_bytes, lut_bytes, y_bytes, &detail);
	if (code == KERNEL_OK)
		pack(&run, x + x_skip, lut, y);
	status[1] = detail;
	status[2] = 0;
	status[3] = 0;
	status[0] = code;
}
