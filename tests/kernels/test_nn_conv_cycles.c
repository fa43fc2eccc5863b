// SPDX-License-Identifier: BSD-2-Clause
/*
 * nn_conv's cycle model over ResNet-50, with for each layer the best of all tiles that fit (every number of rows, blocks of filters, and divisors of
 * the channels): at least 60 % of what the shell's DSPs could multiply, launches included. And the model's bounds, which no tile may beat.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/nn_conv/nn_conv_cycles.h"
#include "random.h"
#include "suite.h"
#include "resnet50_convs.h"

static const struct resnet50_conv layers[] = RESNET50_CONVS;

/* DSPs of the shell that NN_PIXELS is for. */
#define SHELL_DSP (NN_PIXELS == 7 ? 1959.0 : 1341.0)

/* UG1382: 150,790 launches per second of an empty kernel, in cycles */
#define LAUNCH (NN_CLOCK_MHZ * 1e6 / 150790)

/* The first layer has the network's max pool behind it. */
static struct nn_conv_args arguments(const struct resnet50_conv *l, uint32_t residual)
{
	struct nn_conv_args a = { .images = 1,
				  .in_h = l->in_h,
				  .in_w = l->in_w,
				  .channels = l->channels,
				  .x_pitch = l->channels,
				  .x_image = l->in_h * l->in_w * l->channels,
				  .groups = 1,
				  .filters = l->filters,
				  .kernel = NN_PAIR(l->kernel_h, l->kernel_w),
				  .stride = NN_PAIR(l->stride_h, l->stride_w),
				  .dilation = NN_PAIR(1, 1),
				  .pad = NN_PAIR(l->kernel_h / 2, l->kernel_w / 2),
				  .out_h = l->in_h / l->stride_h,
				  .out_w = l->in_w / l->stride_w,
				  .y_pitch = l->filters,
				  .clip = 255 << 8 };

	a.rows = a.out_h;
	if (l->kernel_h == 7) {
		a.pool = NN_PAIR(3, 3);
		a.pool_stride = NN_PAIR(2, 2);
		a.pool_pad = NN_PAIR(1, 1);
		a.rows = a.pool_out_h = a.pool_out_w = a.out_h / 2;
	}
	a.y_image = a.rows * a.rows * l->filters;
	if (residual) {
		a.flags = NN_CONV_RESIDUAL;
		a.r_pitch = a.y_pitch;
		a.r_image = a.y_image;
		a.sum_clip = 255 << 8;
	}
	return a;
}

/* No model may promise more than the array, DDR and the layer's own bytes allow. */
static void check_bounds(const struct nn_conv_args *a, const struct nn_conv_cost *c)
{
	uint64_t filters = nn_divide_up(a->filters, NN_FILTERS) * NN_FILTERS;
	double products = (double)a->out_h * a->out_w * (double)filters * a->channels * a->taps;
	double bytes = (double)c->loaded + (double)c->stored;

	EXPECT(c->array <= c->cycles, "array %llu of %llu cycles", (unsigned long long)c->array, (unsigned long long)c->cycles);
	EXPECT((double)c->array * NN_PIXELS * NN_LANES * NN_FILTERS >= products, "%g products in %llu cycles", products,
	       (unsigned long long)c->array);
	EXPECT((double)c->cycles * NN_DDR_BYTES_5 / 5 >= bytes, "%g bytes in %llu cycles", bytes, (unsigned long long)c->cycles);
	EXPECT(c->loaded >= (uint64_t)a->filters * a->channels * a->taps, "weights are not even loaded once");
	EXPECT(c->stored == (uint64_t)a->images * a->rows * a->y_cols * a->filters, "stored %llu", (unsigned long long)c->stored);
}

static struct nn_conv_cost best_tile(const struct resnet50_conv *l, uint32_t residual)
{
	struct nn_conv_args a = arguments(l, residual);
	struct nn_conv_cost best = { .cycles = UINT64_MAX };

	for (a.tile_rows = 1; a.tile_rows <= a.rows; a.tile_rows++) {
		for (a.tile_filters = NN_FILTERS; a.tile_filters < a.filters + NN_FILTERS; a.tile_filters += NN_FILTERS) {
			for (a.tile_channels = NN_LANES; a.tile_channels <= a.channels; a.tile_channels += NN_LANES) {
				for (int order = 0; order < 2; order++) {
					struct nn_conv_cost cost;

					a.flags = (residual ? NN_CONV_RESIDUAL : 0) | (order ? NN_CONV_W_STATIONARY : 0);
					if (a.channels % a.tile_channels)
						continue;
					EXPECT(nn_conv_check_shape(&a) == 0, "a layer of ResNet-50 is refused: %u", nn_conv_check_shape(&a));
					if (nn_conv_check_tiles(&a))
						continue;
					cost = nn_conv_cost(&a);
					check_bounds(&a, &cost);
					if (cost.cycles < best.cycles)
						best = cost;
				}
			}
		}
	}
	EXPECT(best.cycles < UINT64_MAX, "no tile of %u -> %u fits", l->channels, l->filters);
	return best;
}

START_TEST(resnet50)
{
	double macs = 0, cycles = 0, array = 0, share, launched;

	for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
		for (uint32_t residual = 0; residual < 2; residual++) {
			uint32_t times = residual ? layers[i].residual : layers[i].times - layers[i].residual;
			struct nn_conv_cost c;

			if (times == 0)
				continue;
			c = best_tile(&layers[i], residual);
			macs += resnet50_conv_macs(&layers[i]) * times;
			cycles += (double)c.cycles * times;
			array += (double)c.array * times;
		}
	}
	share = macs / (cycles * SHELL_DSP * 2);
	launched = macs / ((cycles + 53 * LAUNCH) * SHELL_DSP * 2);
	printf("# ResNet-50's 53 convolutions, %u pixels: %.2f ms at %u MHz, array busy %.0f %%, %.1f %% of the shell's %.0f DSPs, %.1f %% with launches\n", NN_PIXELS,
	       cycles / NN_CLOCK_MHZ * 1e-3, NN_CLOCK_MHZ, 100 * array / cycles, 100 * share, SHELL_DSP, 100 * launched);
	ck_assert(macs > 4.0e9 && macs < 4.2e9); /* the network as published */
	EXPECT(launched >= 0.6, "%.1f %% of the DSP peak", 100 * launched);
}
END_TEST

/* More images cost as much more, or less where weights stay; a stride of all in one bank costs NN_PIXELS times the steps. */
START_TEST(proportions)
{
	struct nn_conv_args a = arguments(&layers[2], 0);
	struct nn_conv_cost one, four;

	a.tile_rows = 28;
	a.tile_filters = a.tile_channels = 64;
	a.flags = NN_CONV_W_STATIONARY;
	ck_assert_uint_eq(nn_conv_check_shape(&a), 0);
	ck_assert_uint_eq(nn_conv_check_tiles(&a), 0);
	one = nn_conv_cost(&a);
	a.images = 4;
	four = nn_conv_cost(&a);
	ck_assert_uint_eq(four.array, 4 * one.array);
	ck_assert_uint_eq(four.stored, 4 * one.stored);
	ck_assert_uint_lt(four.loaded, 4 * one.loaded - 2 * 64 * 64 * 9);
	ck_assert_uint_lt(four.cycles, 4 * one.cycles);

	a.images = 1;
	a.stride = NN_PAIR(1, 7);
	a.out_w = 8;
	a.y_image = 56 * 8 * 64;
	ck_assert_uint_eq(nn_conv_check_shape(&a), 0);
	four = nn_conv_cost(&a);
	ck_assert_uint_eq(four.array, one.array / nn_divide_up(56, NN_PIXELS) * nn_divide_up(8, NN_PIXELS) * NN_PIXELS);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, resnet50);
	tcase_add_test(t, proportions);
}

int main(void)
{
	return suite_main("nn_conv cycles", add_tests);
}
