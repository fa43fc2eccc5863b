// SPDX-License-Identifier: BSD-2-Clause
/*
 * nn_depthwise for the emulated card: same prototype, checks, status and result (to the bit) as the HLS kernel, fast on a CPU. This file:
 * dispatch, and plain loops.
 */
#include <string.h>

#include "../nn_fast.h"
#include "../simd.h"
#include "nn_depthwise_fast.h"

int nn_depthwise_place(const struct nn_depthwise_job *job, const uint8_t *x, uint32_t oh, uint32_t ow, uint32_t channel, const uint8_t **taps)
{
	const struct nn_depthwise_run *r = &job->r;
	int64_t row = nn_axis_start(&r->h, oh), first_col = nn_axis_start(&r->w, ow);
	int all = 1;

	for (uint32_t kh = 0; kh < r->h.kernel; kh++) {
		int64_t col = first_col;

		for (uint32_t kw = 0; kw < r->w.kernel; kw++) {
			if (row >= 0 && row < (int64_t)r->in_h && col >= 0 && col < (int64_t)r->in_w) {
				*taps++ = x + ((uint64_t)row * r->in_w + (uint64_t)col) * r->x_pitch + channel;
			} else {
				*taps++ = job->outside;
				all = 0;
			}
			col += r->w.dilation;
		}
		row += r->h.dilation;
	}
	return all;
}

static void portable_pixel(const struct nn_depthwise_job *job, const uint8_t *const *taps, uint32_t channel, uint8_t *y)
{
	const struct nn_depthwise_run *r = &job->r;
	float low = (float)(r->clip & 0xff) - (float)r->zero, high = (float)(r->clip >> 8) - (float)r->zero;
	int32_t sum[NN_LANES] = { 0 };

	for (uint32_t i = 0; i < r->taps; i++) {
		const int8_t *w = job->w + (uint64_t)i * r->channels + channel;
		const uint8_t *x = taps[i];

		for (uint32_t lane = 0; lane < NN_LANES; lane++)
			sum[lane] += (int16_t)x[lane] * (int16_t)w[lane];
	}
	for (uint32_t lane = 0; lane < NN_LANES; lane++) {
		const uint32_t *coef = job->coef + (uint64_t)(channel + lane) * NN_DEPTHWISE_COEF_WORDS;
		int64_t wide = (int64_t)sum[lane] + (int32_t)coef[NN_DEPTHWISE_COEF_BIAS];

		wide = wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : wide;
		y[lane] = nn_to_byte((float)(int32_t)wide * nn_float(coef[NN_DEPTHWISE_COEF_MULT]), low, high, (int32_t)r->zero);
	}
}

static void portable(const struct nn_depthwise_job *job)
{
	const struct nn_depthwise_run *r = &job->r;
	const uint8_t *taps[NN_DEPTHWISE_MAX_TAPS];

	for (uint32_t n = 0; n < r->images; n++) {
		for (uint32_t oh = r->first_row; oh < r->first_row + r->rows; oh++) {
			uint8_t *row = job->y + (uint64_t)n * r->y_image + (uint64_t)oh * r->out_w * r->y_pitch;

			for (uint32_t ow = 0; ow < r->out_w; ow++) {
				for (uint32_t c = 0; c < r->channels; c += NN_LANES) {
					nn_depthwise_place(job, job->x + (uint64_t)n * r->x_image, oh, ow, c, taps);
					portable_pixel(job, taps, c, row + (uint64_t)ow * r->y_pitch + c);
				}
			}
		}
	}
}

void nn_depthwise(const uint8_t *x, uint64_t x_bytes, const int8_t *w, uint64_t w_bytes, const uint32_t *coef, uint64_t coef_bytes, uint8_t *y,
		  uint64_t y_bytes, uint32_t *status, uint64_t status_bytes, uint32_t images, uint32_t in_h, uint32_t in_w, uint32_t channels,
		  uint32_t x_pitch, uint32_t x_image, uint32_t kernel, uint32_t stride, uint32_t dilation, uint32_t pad, uint32_t out_h,
		  uint32_t out_w, uint32_t y_pitch, uint32_t y_image, uint32_t x_zero, uint32_t zero, uint32_t clip, uint32_t first_row,
		  uint32_t rows, uint32_t tile_rows, uint32_t tile_channels)
{
	struct nn_depthwise_job job = { .r = NN_DEPTHWISE_RUN_OF_ARGUMENTS, .x = x, .w = w, .coef = coef, .y = y };
	uint32_t code, detail;

	if (status_bytes < KERNEL_STATUS_WORDS * 4)
		return; /* nowhere to report to */
	code = nn_depthwise_check(&job.r, x_bytes, w_bytes, coef_bytes, y_bytes, &detail);
	if (code == KERNEL_OK) {
		int avx2 = simd_avx2(), avx512 = simd_avx512();

		memset(job.outside, (int)x_zero, sizeof(job.outside));
#if defined(__x86_64__)
		if (avx512)
			nn_depthwise_run_avx512(&job);
		else if (avx2)
			nn_depthwise_run_avx2(&job);
#endif
		if (!avx2 && !avx512)
			portable(&job);
	}
	status[1] = detail;
	status[2] = 0;
	status[3] = 0;
	status[0] = code;
}
