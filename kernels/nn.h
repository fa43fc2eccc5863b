/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernels of the network overlay (nn_conv, nn_depthwise, nn_pool, nn_add, nn_pack) share.
 *
 * An activation is an array of unsigned bytes, [image][row][column][channel], with
 *   pitch   bytes from one pixel to the next: a multiple of NN_LANES, at least the channels
 *   image   bytes from one image to the next: a multiple of NN_LANES, at least rows * columns * pitch
 * and stands for (byte - zero) * scale. A tensor of ONNX type int8 is held with 128 added to its values and to its zero point, so
 * that kernels know one type only. What lies between the last channel and the pitch belongs to another tensor (channels of a
 * concatenation lie side by side) or to nobody. Rows and columns lie without gaps: row r begins at r * columns * pitch.
 *
 * Weights are signed bytes whose zero point is 0 (or was subtracted before), in the order of nn_weight_at().
 *
 * Requantisation, clip and rounding are those of kernels/reference/mac.h: mac_requantise(acc, mult, zero, lo, hi) =
 * clip(rint((float)acc * mult) + zero, lo, hi), NaN gives lo. No fused multiply-add anywhere.
 */
#ifndef KERNELS_NN_H
#define KERNELS_NN_H

#include <stdint.h>
#include "status.h"

/* Channels that the data path takes at once: one 128-bit word of DDR. */
#define NN_LANES 16u
/* Filters of a weight block. */
#define NN_BLOCK 16u
/* Terms of a sum: |x| <= 255, |w| <= 128, so that 2^15 of them stay below 2^31. */
#define NN_MAX_TERMS 32768u

/*
 * The card that is built for. Flat shell: 1,959 DSP, 618 BRAM36, 120 URAM; DFX shell: 1,341, 646, 104 (HARDWARE: UG1382).
 * NN_PIXELS output pixels x NN_LANES channels x NN_FILTERS filters are multiplied in each cycle, two products in a DSP.
 */
#define NN_FILTERS 32u
#ifndef NN_PIXELS
#define NN_PIXELS 7u /* 4 for the DFX shell */
#endif

/* Two 16-bit halves of an argument: rows (top, height) below, columns (left, width) above. */
#define NN_PAIR(rows, cols) ((uint32_t)(rows) | (uint32_t)(cols) << 16)

/*
 * Byte position of the weight of filter @f, tap @tap (= kh * kernel_w + kw), channel @c, in a group's weights: blocks of 16 filters; in each, for
 * each tap, for each four channels: 16 filters x 4 channels. @channels (of the group) is a multiple of NN_LANES.
 */
static inline uint64_t nn_weight_at(uint32_t taps, uint32_t channels, uint32_t f, uint32_t tap, uint32_t c)
{
	uint64_t quad = (uint64_t)(f / NN_BLOCK) * taps * (channels / 4) + (uint64_t)tap * (channels / 4) + c / 4;

	return quad * (4 * NN_BLOCK) + f % NN_BLOCK * 4 + c % 4;
}

#endif
