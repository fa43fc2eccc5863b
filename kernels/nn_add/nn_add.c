// SPDX-License-Identifier: BSD-2-Clause
/*
 * nn_add, the HLS source. nn_add.h says what it computes, nn_add_check.h what it refuses.
 *
 *   a term depends on nothing but a byte:  a_term[v] = (float)(v - a_zero) * a_mult, b_term likewise
 *   for each image, pixel, word of NN_LANES channels, one word per cycle:
 *     load     a, b
 *     compute  a_term[a] + b_term[b], quantised
 *     store    y
 *
 * Pitches are multiples of NN_LANES: with a, b and y aligned as card memory is handed out, the ports are 128 bits wide. Their indices are written
 * as words * NN_LANES + lane, which shows that a word begins at a multiple of its size. A word of y is written after that of a and b was read, so
 * that y may be one of them.
 */
#include "../nn_quantise.h"
#include "nn_add_check.h"

/* One table for each lane: a lane reads one word of it per cycle. */
static float a_term[NN_LANES][256];
static float b_term[NN_LANES][256];

static void fill_terms(const struct nn_add_run *r)
{
	float a_mult = nn_float(r->a_mult), b_mult = nn_float(r->b_mult);

TERMS:
	for (uint32_t v = 0; v < 256; v++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=256 max=256
#pragma HLS PIPELINE II=2
#endif
		float a = (float)((int32_t)v - (int32_t)r->a_zero) * a_mult;
		float b = r->flags & NN_ADD_B ? (float)((int32_t)v - (int32_t)r->b_zero) * b_mult : 0.0f;

		for (uint32_t lane = 0; lane < NN_LANES; lane++) {
			a_term[lane][v] = a;
			b_term[lane][v] = b;
		}
	}
}

/* The two loops are perfectly nested, so that they are flattened into one. */
static void add_image(const struct nn_add_run *r, const uint8_t *a, const uint8_t *b, uint8_t *y, uint64_t a_at, uint64_t b_at, uint64_t y_at)
{
	int32_t zero = (int32_t)r->zero, lo = (int32_t)(r->clip & 0xff), hi = (int32_t)(r->clip >> 8);

PIXELS:
	for (uint32_t p = 0; p < r->pixels; p++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=12544
#endif
WORDS:
		for (uint32_t c = 0; c < r->channels; c += NN_LANES) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=128
#pragma HLS PIPELINE II=1
#endif
			uint64_t a_from = (a_at + (uint64_t)p * r->a_pitch + c) / NN_LANES, b_from = (b_at + (uint64_t)p * r->b_pitch + c) / NN_LANES;
			uint64_t y_to = (y_at + (uint64_t)p * r->y_pitch + c) / NN_LANES;
			uint8_t a_word[NN_LANES], b_word[NN_LANES], y_word[NN_LANES];

			for (uint32_t lane = 0; lane < NN_LANES; lane++)
				a_word[lane] = a[a_from * NN_LANES + lane];
			for (uint32_t lane = 0; lane < NN_LANES; lane++)
				b_word[lane] = r->flags & NN_ADD_B ? b[b_from * NN_LANES + lane] : 0;
			for (uint32_t lane = 0; lane < NN_LANES; lane++) {
				float sum = a_term[lane][a_word[lane]] + b_term[lane][b_word[lane]];

#ifndef __BAMBU__
#pragma HLS BIND_OP variable=sum op=fadd impl=fabric
#endif
				y_word[lane] = nn_quantise(sum, zero, lo, hi);
			}
			for (uint32_t lane = 0; lane < NN_LANES; lane++)
				y[y_to * NN_LANES + lane] = y_word[lane];
		}
	}
}

#ifdef __BAMBU__
#pragma HLS interface mode=m_axi port=a offset=direct bundle=gmem0
#pragma HLS interface mode=m_axi port=b offset=direct bundle=gmem1
#pragma HLS interface mode=m_axi port=y offset=direct bundle=gmem2
#pragma HLS interface mode=m_axi port=status offset=direct bundle=gmem3
#endif
void nn_add(const uint8_t *a, uint64_t a_bytes, const uint8_t *b, uint64_t b_bytes, uint8_t *y, uint64_t y_bytes,
	    uint32_t *status, uint64_t status_bytes, uint32_t images, uint32_t pixels, uint32_t channels,
	    uint32_t a_pitch, uint32_t a_image, uint32_t b_pitch, uint32_t b_image, uint32_t y_pitch, uint32_t y_image,
	    uint32_t a_zero, uint32_t a_mult, uint32_t b_zero, uint32_t b_mult, uint32_t zero, uint32_t clip, uint32_t flags)
{
#ifndef __BAMBU__
#pragma HLS INTERFACE m_axi port=a offset=slave bundle=gmem0 max_widen_bitwidth=128
#pragma HLS INTERFACE m_axi port=b offset=slave bundle=gmem1 max_widen_bitwidth=128
#pragma HLS INTERFACE m_axi port=y offset=slave bundle=gmem2 max_widen_bitwidth=128
#pragma HLS INTERFACE m_axi port=status offset=slave bundle=gmem3
#pragma HLS INTERFACE s_axilite port=a
#pragma HLS INTERFACE s_axilite port=a_bytes
#pragma HLS INTERFACE s_axilite port=b
#pragma HLS INTERFACE s_axilite port=b_bytes
#pragma HLS INTERFACE s_axilite port=y
#pragma HLS INTERFACE s_axilite port=y_bytes
#pragma HLS INTERFACE s_axilite port=status
#pragma HLS INTERFACE s_axilite port=status_bytes
#pragma HLS INTERFACE s_axilite port=images
#pragma HLS INTERFACE s_axilite port=pixels
#pragma HLS INTERFACE s_axilite port=channels
#pragma HLS INTERFACE s_axilite port=a_pitch
#pragma HLS INTERFACE s_axilite port=a_image
#pragma HLS INTERFACE s_axilite port=b_pitch
#pragma HLS INTERFACE s_axilite port=b_image
#pragma HLS INTERFACE s_axilite port=y_pitch
#pragma HLS INTERFACE s_axilite port=y_image
#pragma HLS INTERFACE s_axilite port=a_zero
#pragma HLS INTERFACE s_axilite port=a_mult
#pragma HLS INTERFACE s_axilite port=b_zero
#pragma HLS INTERFACE s_axilite port=b_mult
#pragma HLS INTERFACE s_axilite port=zero
#pragma HLS INTERFACE s_axilite port=clip
#pragma HLS INTERFACE s_axilite port=flags
#pragma HLS INTERFACE s_axilite port=return
#pragma HLS ARRAY_PARTITION variable=a_term dim=1 complete
#pragma HLS BIND_STORAGE variable=a_term type=ram_1p impl=lutram
#pragma HLS ARRAY_PARTITION variable=b_term dim=1 complete
#pragma HLS BIND_STORAGE variable=b_term type=ram_1p impl=lutram
#endif
	struct nn_add_run run = NN_ADD_RUN_OF_ARGUMENTS;
	uint64_t a_at = 0, b_at = 0, y_at = 0;
	uint32_t code, detail;

	if (status_bytes < KERNEL_STATUS_WORDS * 4)
		return; /* nowhere to report to */
	code = nn_add_check(&run, a_bytes, b_bytes, y_bytes, &detail);
	if (code == KERNEL_OK) {
		fill_terms(&run);
IMAGES:
		for (uint32_t n = 0; n < run.images; n++) {
#ifndef __BAMBU__
#pragma HLS LOOP_TRIPCOUNT min=1 max=16
#endif
			add_image(&run, a, b, y, a_at, b_at, y_at);
			a_at += run.a_image;
			b_at += run.b_image;
			y_at += run.y_image;
		}
	}
	status[1] = detail;
	status[2] = 0;
	status[3] = 0;
	status[0] = code;
}
