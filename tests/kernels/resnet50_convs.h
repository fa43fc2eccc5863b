/* SPDX-License-Identifier: BSD-2-Clause */
/* The distinct convolutions of ResNet-50 (batch 1, 224 x 224; strides in the 3x3 layers), and how often each occurs: 53 in all. */
#ifndef TESTS_KERNELS_RESNET50_CONVS_H
#define TESTS_KERNELS_RESNET50_CONVS_H

#include <stdint.h>

struct resnet50_conv {
	uint32_t channels, in_h, in_w, filters, kernel_h, kernel_w, stride_h, stride_w, times;
	uint32_t residual; /* how many of them have one added (the last of each block) */
};

/* The first one is unfolded along the columns by nn_pack: 7 x 3 channels of 32 are used. */
#define RESNET50_CONVS                                \
	{                                             \
		{ 32, 224, 112, 64, 7, 1, 2, 1, 1, 0 },     \
		{ 64, 56, 56, 64, 1, 1, 1, 1, 1, 0 },       \
		{ 64, 56, 56, 64, 3, 3, 1, 1, 3, 0 },       \
		{ 64, 56, 56, 256, 1, 1, 1, 1, 4, 3 },      \
		{ 256, 56, 56, 64, 1, 1, 1, 1, 2, 0 },      \
		{ 256, 56, 56, 128, 1, 1, 1, 1, 1, 0 },     \
		{ 128, 56, 56, 128, 3, 3, 2, 2, 1, 0 },     \
		{ 128, 28, 28, 128, 3, 3, 1, 1, 3, 0 },     \
		{ 128, 28, 28, 512, 1, 1, 1, 1, 4, 4 },     \
		{ 256, 56, 56, 512, 1, 1, 2, 2, 1, 0 },     \
		{ 512, 28, 28, 128, 1, 1, 1, 1, 3, 0 },     \
		{ 512, 28, 28, 256, 1, 1, 1, 1, 1, 0 },     \
		{ 256, 28, 28, 256, 3, 3, 2, 2, 1, 0 },     \
		{ 256, 14, 14, 256, 3, 3, 1, 1, 5, 0 },     \
		{ 256, 14, 14, 1024, 1, 1, 1, 1, 6, 6 },    \
		{ 512, 28, 28, 1024, 1, 1, 2, 2, 1, 0 },    \
		{ 1024, 14, 14, 256, 1, 1, 1, 1, 5, 0 },    \
		{ 1024, 14, 14, 512, 1, 1, 1, 1, 1, 0 },    \
		{ 512, 14, 14, 512, 3, 3, 2, 2, 1, 0 },     \
		{ 512, 7, 7, 512, 3, 3, 1, 1, 2, 0 },       \
		{ 512, 7, 7, 2048, 1, 1, 1, 1, 3, 3 },      \
		{ 1024, 14, 14, 2048, 1, 1, 2, 2, 1, 0 },   \
		{ 2048, 7, 7, 512, 1, 1, 1, 1, 2, 0 },      \
	}

/* Multiply-accumulates of one, as the network counts them: of the first layer, 7 x 7 x 3 per output. */
static inline double resnet50_conv_macs(const struct resnet50_conv *c)
{
	double out = (double)(c->in_h / c->stride_h) * (c->in_w / c->stride_w);

	return out * c->filters * (c->kernel_h == 7 ? 7 * 7 * 3 : (double)c->kernel_h * c->kernel_w * c->channels);
}

#endif
