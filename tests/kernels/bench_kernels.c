// SPDX-License-Identifier: BSD-2-Clause
/*
 * The fast kernels on one core, memory to memory. Clock: a chain of dependent additions, one cycle each. Peak of conv2d:
 * two vpmaddwd of 16 multiply-accumulates per cycle (Zen 2 and later, Skylake and later). embedding_bag is bound by memory:
 * compared with reading the table in order. bench_kernels [repetitions]; SMARTSSD_SIMD=portable for the portable loops
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conv2d_case.h"
#include "../../kernels/embedding_bag/embedding_bag.h"
#include "random.h"

__typeof__(embedding_bag) embedding_bag_fast;

/* Time that this thread had the core: other processes may want it, too. */
static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double measure_clock(void)
{
	double best = 0;

	for (int i = 0; i < 50; i++) {
		uint64_t n = 2000000, x = 0;
		double start = now(), hz;

		for (uint64_t k = 0; k < n; k++)
			__asm__ volatile("add $1, %0" : "+r"(x));
		hz = (double)n / (now() - start);
		best = hz > best ? hz : best;
	}
	return best;
}

struct bench_layer {
	const char *name;
	uint32_t channels, size, filters, kernel, stride, pad, group;
};

static const struct bench_layer layers[] = {
	{ "conv1   7x7/2    3->64   224", 3, 224, 64, 7, 2, 3, 1 },
	{ "conv2_x 1x1     64->64    56", 64, 56, 64, 1, 1, 0, 1 },
	{ "conv2_x 3x3     64->64    56", 64, 56, 64, 3, 1, 1, 1 },
	{ "conv2_x 1x1     64->256   56", 64, 56, 256, 1, 1, 0, 1 },
	{ "conv2_x 1x1    256->64    56", 256, 56, 64, 1, 1, 0, 1 },
	{ "conv3_x 3x3/2  128->128   56", 128, 56, 128, 3, 2, 1, 1 },
	{ "conv3_x 3x3    128->128   28", 128, 28, 128, 3, 1, 1, 1 },
	{ "conv3_x 1x1/2  256->512   56", 256, 56, 512, 1, 2, 0, 1 },
	{ "conv3_x 1x1    512->128   28", 512, 28, 128, 1, 1, 0, 1 },
	{ "conv4_x 3x3    256->256   14", 256, 14, 256, 3, 1, 1, 1 },
	{ "conv4_x 1x1   1024->256   14", 1024, 14, 256, 1, 1, 0, 1 },
	{ "conv5_x 3x3    512->512    7", 512, 7, 512, 3, 1, 1, 1 },
	{ "conv5_x 1x1    512->2048   7", 512, 7, 2048, 1, 1, 0, 1 },
	{ "conv5_x 1x1   2048->512    7", 2048, 7, 512, 1, 1, 0, 1 },
	{ "depthwise 3x3  128        56", 128, 56, 128, 3, 1, 1, 128 },
	{ "groups 3x3     32 x 4->4  56", 128, 56, 128, 3, 1, 1, 32 },
};

/* A layer in tiles as large as the on-chip buffers allow, filters first. Returns the best time of a whole layer. */
static double run_layer(const struct bench_layer *b, int repetitions)
{
	uint32_t out = (b->size + 2 * b->pad - b->kernel) / b->stride + 1, channels = b->channels / b->group,
		 group_filters = b->filters / b->group;
	uint32_t plane = b->size * b->size, filters = b->filters > CONV2D_FILTERS ? CONV2D_FILTERS : b->filters, rows;
	size_t x_bytes = (size_t)b->channels * plane, w_bytes = (size_t)b->filters * channels * b->kernel * b->kernel;
	size_t y_bytes = (size_t)b->filters * out * out;
	uint8_t *x = malloc(x_bytes), *w = malloc(w_bytes), *y = malloc(y_bytes);
	int32_t *coef = calloc(b->filters, 12);
	float mult = 0.0001f;
	double best = 1e9;

	while (filters * b->kernel * b->kernel > CONV2D_W_BYTES)
		filters = (filters + 1) / 2;
	rows = CONV2D_ACC_WORDS / (filters * out);
	rows = rows > out ? out : rows;
	rows = (out + (out + rows - 1) / rows - 1) / ((out + rows - 1) / rows);
	for (size_t i = 0; i < x_bytes; i++)
		x[i] = (uint8_t)random_u64();
	for (size_t i = 0; i < w_bytes; i++)
		w[i] = (uint8_t)random_u64();
	for (uint32_t m = 0; m < b->filters; m++)
		memcpy(&coef[m * 3 + CONV2D_COEF_MULT], &mult, 4);
	for (int i = 0; i < repetitions; i++) {
		double start = now();

		for (uint32_t f = 0; f < b->filters; f += filters) {
			uint32_t nf = b->filters - f < filters ? b->filters - f : filters;
			size_t x_at = (size_t)(f / group_filters) * channels * plane,
			       w_at = (size_t)f * channels * b->kernel * b->kernel;

			for (uint32_t r = 0; r < out; r += rows) {
				uint32_t nr = out - r < rows ? out - r : rows, status[4] = { 0 };
				size_t y_at = ((size_t)f * out + r) * out;

				conv2d_fast(x + x_at, x_bytes - x_at, w + w_at, w_bytes - w_at, coef + f * 3,
					    (b->filters - f) * 12ull, y + y_at, y_bytes - y_at, status, sizeof(status), f,
					    nf, group_filters, channels, b->size, b->size, 0, b->size, b->kernel, b->kernel,
					    b->stride | b->stride << 16, 1 | 1 << 16, b->pad, b->pad, out, r, nr, 0, out,
					    plane, 0, 0, 0, out * out, 128, 0, CONV2D_W_SIGNED | CONV2D_Y_SIGNED, -128,
					    127);
				if (status[0] != KERNEL_OK) {
					fprintf(stderr, "%s: status %u %u\n", b->name, status[0], status[1]);
					exit(1);
				}
			}
		}
		start = now() - start;
		best = start < best ? start : best;
	}
	free(x);
	free(w);
	free(y);
	free(coef);
	return best;
}

static void bench_conv2d(int repetitions, double hz)
{
	double peak = hz * 32, macs_all = 0, seconds_all = 0;

	printf("conv2d: clock %.2f GHz (dependent additions), peak 2 vpmaddwd x 16 MAC per cycle = %.0f GMAC/s\n",
	       hz * 1e-9, peak * 1e-9);
	for (uint32_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
		const struct bench_layer *b = &layers[i];
		uint32_t out = (b->size + 2 * b->pad - b->kernel) / b->stride + 1;
		double macs = (double)b->filters * out * out * (b->channels / b->group) * b->kernel * b->kernel;
		double seconds = run_layer(b, repetitions);

		printf("  %-32s %6.1f GMAC/s  %3.0f %% of peak\n", b->name, macs / seconds * 1e-9,
		       100 * macs / seconds / peak);
		if (b->group == 1) {
			macs_all += macs;
			seconds_all += seconds;
		}
	}
	printf("  %-32s %6.1f GMAC/s  %3.0f %% of peak\n", "all of ResNet-50's above", macs_all / seconds_all * 1e-9,
	       100 * macs_all / seconds_all / peak);
}

static double read_bandwidth(const uint8_t *p, size_t bytes)
{
	double best = 0;

	for (int i = 0; i < 3; i++) {
		const uint64_t *w = (const void *)p;
		uint64_t a = 0, b = 0, c = 0, d = 0;
		double start = now(), rate;

		for (size_t k = 0; k + 4 <= bytes / 8; k += 4) {
			a += w[k];
			b += w[k + 1];
			c += w[k + 2];
			d += w[k + 3];
		}
		__asm__ volatile("" : : "r"(a + b + c + d));
		rate = (double)bytes / (now() - start);
		best = rate > best ? rate : best;
	}
	return best;
}

/* @bags: of one run. @fresh: new indices each time, so that no row is left in the caches; else the same ones again. */
static void bench_embedding_bag(const char *name, uint32_t format, uint32_t dim, uint32_t flags, uint32_t bags, int fresh,
				int repetitions)
{
	enum { ROWS = 1000000, POOLING = 80 };
	uint32_t lookups = bags * POOLING;
	uint32_t row = format == EMB_FP32 ? dim * 4 : format == EMB_FP16 ? dim * 2 : dim + 8, status[4];
	size_t bytes = (size_t)ROWS * row;
	uint8_t *table = aligned_alloc(4096, (bytes + 4095) & ~(size_t)4095); /* as a BO is */
	uint32_t *index = malloc(lookups * 4), *offset = malloc((bags + 1) * 4);
	float *weight = malloc(lookups * 4), *y = malloc((size_t)bags * dim * 4);
	double best = 1e9, rate;

	memset(table, 0x3c, bytes); /* a small number in each format */
	for (uint32_t i = 0; i < lookups; i++)
		weight[i] = random_float(0, 1);
	for (uint32_t b = 0; b <= bags; b++)
		offset[b] = b * POOLING;
	for (int i = 0; i < repetitions; i++) {
		double start;

		for (uint32_t k = 0; k < lookups && (fresh || i == 0); k++)
			index[k] = random_below(ROWS);
		start = now();
		embedding_bag_fast(table, bytes, index, lookups * 4, offset, (bags + 1) * 4, weight, lookups * 4, y,
				   (size_t)bags * dim * 4, status, sizeof(status), format, dim, row, ROWS, bags, lookups,
				   EMB_SUM, flags);
		start = now() - start;
		best = start < best ? start : best;
		if (status[0] != KERNEL_OK) {
			fprintf(stderr, "%s: status %u %u\n", name, status[0], status[1]);
			exit(1);
		}
	}
	rate = read_bandwidth(table, bytes);
	printf("  %-32s %6.1f M rows/s  %5.1f GB/s, %3.0f %% of reading it from end to end\n", name, lookups / best * 1e-6,
	       lookups / best * row * 1e-9, 100 * lookups / best * row / rate);
	free(table);
	free(index);
	free(offset);
	free(weight);
	free(y);
}

int main(int argc, char **argv)
{
	int repetitions = argc > 1 ? atoi(argv[1]) : 10;

	random_start();
	bench_conv2d(repetitions, measure_clock());
	printf("embedding_bag: 1M rows, pooling 80, uniform indices; 4096 bags with new indices each time, so that rows "
	       "come from memory\n");
	bench_embedding_bag("fp32 x 64", EMB_FP32, 64, 0, 4096, 1, repetitions);
	bench_embedding_bag("fp32 x 64 weighted", EMB_FP32, 64, EMB_WEIGHTED, 4096, 1, repetitions);
	bench_embedding_bag("fp32 x 32", EMB_FP32, 32, 0, 4096, 1, repetitions);
	bench_embedding_bag("fp16 x 64", EMB_FP16, 64, 0, 4096, 1, repetitions);
	bench_embedding_bag("int8 row-wise x 64", EMB_INT8, 64, 0, 4096, 1, repetitions);
	bench_embedding_bag("int8 row-wise x 32 weighted", EMB_INT8, 32, EMB_WEIGHTED, 4096, 1, repetitions);
	printf("the same 256 bags again and again: rows come from the last-level cache\n");
	bench_embedding_bag("fp32 x 64", EMB_FP32, 64, 0, 256, 0, 4 * repetitions);
	bench_embedding_bag("int8 row-wise x 64", EMB_INT8, 64, 0, 256, 0, 4 * repetitions);
	return 0;
}
