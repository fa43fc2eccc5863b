// SPDX-License-Identifier: BSD-2-Clause
/*
 * The fast versions of nn_depthwise, nn_pool, nn_add and nn_pack on one core, at shapes of ResNet-50 and MobileNetV2, next to a memcpy of as many
 * bytes as they read and write (half of them read, half written) and to what the card's cycle model says. Best of many runs, in the caches where
 * they fit, as in a network. bench_nn [repetitions]; SMARTSSD_SIMD=portable for the portable loops
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../kernels/nn_add/nn_add_cycles.h"
#include "../../kernels/nn_depthwise/nn_depthwise_cycles.h"
#include "../../kernels/nn_pack/nn_pack_cycles.h"
#include "../../kernels/nn_pool/nn_pool_cycles.h"
#include "random.h"

__typeof__(nn_depthwise) nn_depthwise_fast;
__typeof__(nn_pool) nn_pool_fast;
__typeof__(nn_add) nn_add_fast;
__typeof__(nn_pack) nn_pack_fast;

static int repetitions = 300;

/* Time that this thread had the core: other processes may want it, too. */
static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint8_t *buffer(size_t bytes)
{
	uint8_t *p = aligned_alloc(4096, (bytes + 4095) & ~(size_t)4095); /* as a BO is */

	for (size_t i = 0; i < bytes; i++)
		p[i] = (uint8_t)random_u64();
	return p;
}

/* A call that can be repeated, on buffers a to d. */
struct bench {
	uint8_t *a, *b, *c, *d;
	size_t a_bytes, b_bytes, c_bytes, d_bytes;
	uint32_t status[4];
	union {
		struct nn_depthwise_run depthwise;
		struct nn_pool_run pool;
		struct nn_add_run add;
		struct nn_pack_run pack;
	} r;
};

static double best_of(void (*run)(struct bench *b), struct bench *b)
{
	double best = 1e9;

	for (int i = 0; i < repetitions; i++) {
		double start = now(), seconds;

		run(b);
		seconds = now() - start;
		best = seconds < best ? seconds : best;
	}
	return best;
}

static void run_memcpy(struct bench *b)
{
	memcpy(b->d, b->a, b->d_bytes);
	__asm__ volatile("" : : "r"(b->d) : "memory");
}

static double memcpy_seconds(size_t bytes)
{
	struct bench b = { .a = buffer(bytes), .d = buffer(bytes), .d_bytes = bytes };
	double seconds = best_of(run_memcpy, &b);

	free(b.a);
	free(b.d);
	return seconds;
}

/* @bytes: read and written; @macs: 0, or what to count instead */
static void report(const char *name, void (*run)(struct bench *b), struct bench *b, double bytes, double macs, uint64_t cycles)
{
	double seconds = best_of(run, b), copy = memcpy_seconds((size_t)(bytes / 2));
	char rate[32];

	if (b->status[0] != KERNEL_OK) {
		fprintf(stderr, "%s: status %u %u\n", name, b->status[0], b->status[1]);
		exit(1);
	}
	if (macs > 0)
		snprintf(rate, sizeof(rate), "%6.1f GMAC/s", macs / seconds * 1e-9);
	else
		snprintf(rate, sizeof(rate), "%6.1f GB/s  ", bytes / seconds * 1e-9);
	printf("  %-44s %8.1f us  %s  memcpy %7.1f us, %4.2f of its speed; card %8.1f us\n", name, seconds * 1e6, rate, copy * 1e6, copy / seconds,
	       (double)cycles / NN_CLOCK_MHZ);
	free(b->a);
	free(b->b);
	free(b->c);
	free(b->d);
}

static void run_depthwise(struct bench *b)
{
	const struct nn_depthwise_run *r = &b->r.depthwise;

	nn_depthwise_fast(b->a, b->a_bytes, (int8_t *)b->b, b->b_bytes, (uint32_t *)b->c, b->c_bytes, b->d, b->d_bytes, b->status, 16, r->images,
			  r->in_h, r->in_w, r->channels, r->x_pitch, r->x_image, r->kernel, r->stride, r->dilation, r->pad, r->out_h, r->out_w,
			  r->y_pitch, r->y_image, r->x_zero, r->zero, r->clip, r->first_row, r->rows, r->tile_rows, r->tile_channels);
}

static void bench_depthwise(const char *name, uint32_t size, uint32_t channels, uint32_t stride, uint32_t tile_rows, uint32_t tile_channels)
{
	uint32_t out = (size - 1) / stride + 1;
	struct bench b = { 0 };
	struct nn_depthwise_run *r = &b.r.depthwise;

	*r = (struct nn_depthwise_run){ .images = 1, .in_h = size, .in_w = size, .channels = channels, .x_pitch = channels,
					.x_image = size * size * channels, .kernel = NN_PAIR(3, 3), .stride = NN_PAIR(stride, stride),
					.dilation = NN_PAIR(1, 1), .pad = NN_PAIR(1, 1), .out_h = out, .out_w = out, .y_pitch = channels,
					.y_image = out * out * channels, .zero = 128, .clip = 255 << 8, .rows = out, .tile_rows = tile_rows,
					.tile_channels = tile_channels };
	b.a = buffer(b.a_bytes = r->x_image);
	b.b = buffer(b.b_bytes = 9 * channels);
	b.c = buffer(b.c_bytes = 8 * channels);
	b.d = buffer(b.d_bytes = r->y_image);
	for (uint32_t c = 0; c < channels; c++)
		((uint32_t *)b.c)[2 * c] = 1000;
	if (nn_depthwise_check_shape(r)) {
		fprintf(stderr, "%s: check %u\n", name, nn_depthwise_check_shape(r));
		exit(1);
	}
	report(name, run_depthwise, &b, (double)r->x_image + r->y_image, 9.0 * r->y_image, nn_depthwise_cycles(r));
}

static void run_pool(struct bench *b)
{
	const struct nn_pool_run *r = &b->r.pool;

	nn_pool_fast(b->a, b->a_bytes, b->d, b->d_bytes, b->status, 16, r->images, r->in_h, r->in_w, r->channels, r->x_pitch, r->x_image, r->kernel,
		     r->stride, r->dilation, r->pad, r->pad_end, r->out_h, r->out_w, r->y_pitch, r->y_image, r->x_zero, r->zero, r->clip, r->mult,
		     r->mode, r->first_row, r->rows, r->tile_channels);
}

static void bench_pool(const char *name, uint32_t size, uint32_t channels, uint32_t kernel, uint32_t stride, uint32_t pad, uint32_t mode,
		       uint32_t tile_channels)
{
	uint32_t out = (size + 2 * pad - kernel) / stride + 1;
	struct bench b = { 0 };
	struct nn_pool_run *r = &b.r.pool;

	*r = (struct nn_pool_run){ .images = 1, .in_h = size, .in_w = size, .channels = channels, .x_pitch = channels,
				   .x_image = size * size * channels, .kernel = NN_PAIR(kernel, kernel), .stride = NN_PAIR(stride, stride),
				   .dilation = NN_PAIR(1, 1), .pad = NN_PAIR(pad, pad), .out_h = out, .out_w = out, .y_pitch = channels,
				   .y_image = out * out * channels, .zero = 128, .clip = 255 << 8, .mult = 0x3f800000, .mode = mode, .rows = out,
				   .tile_channels = tile_channels };
	b.a = buffer(b.a_bytes = r->x_image);
	b.d = buffer(b.d_bytes = r->y_image);
	if (nn_pool_check_shape(r)) {
		fprintf(stderr, "%s: check %u\n", name, nn_pool_check_shape(r));
		exit(1);
	}
	report(name, run_pool, &b, (double)r->x_image + r->y_image, 0, nn_pool_cycles(r));
}

static void run_add(struct bench *b)
{
	const struct nn_add_run *r = &b->r.add;

	nn_add_fast(b->a, b->a_bytes, b->b, b->b_bytes, b->d, b->d_bytes, b->status, 16, r->images, r->pixels, r->channels, r->a_pitch, r->a_image,
		    r->b_pitch, r->b_image, r->y_pitch, r->y_image, r->a_zero, r->a_mult, r->b_zero, r->b_mult, r->zero, r->clip, r->flags);
}

static void bench_add(const char *name, uint32_t pixels, uint32_t channels, uint32_t flags)
{
	uint32_t bytes = pixels * channels;
	struct bench b = { 0 };
	struct nn_add_run *r = &b.r.add;

	*r = (struct nn_add_run){ .images = 1, .pixels = pixels, .channels = channels, .a_pitch = channels, .a_image = bytes, .b_pitch = channels,
				  .b_image = bytes, .y_pitch = channels, .y_image = bytes, .a_zero = 128, .a_mult = 0x3f000000, .b_zero = 120,
				  .b_mult = 0x3f400000, .zero = 128, .clip = 255 << 8, .flags = flags };
	b.a = buffer(b.a_bytes = bytes);
	b.b = buffer(b.b_bytes = bytes);
	b.d = buffer(b.d_bytes = bytes);
	report(name, run_add, &b, (flags ? 3.0 : 2.0) * bytes, 0, nn_add_cycles(r));
}

static void run_pack(struct bench *b)
{
	const struct nn_pack_run *r = &b->r.pack;

	nn_pack_fast(b->a, b->a_bytes, b->b, b->b_bytes, b->d, b->d_bytes, b->status, 16, r->images, r->channels, r->in_h, r->in_w, r->x_skip,
		     r->x_row, r->x_channel, r->x_image_low, r->x_image_high, r->kernel, r->stride, r->pad, r->out_w, r->out_channels, r->y_pitch, r->y_image,
		     r->outside, r->scale, r->zero, r->mode);
}

static void bench_pack(const char *name, uint32_t kernel, uint32_t stride, uint32_t pad, uint32_t out_channels, uint32_t mode)
{
	uint32_t size = 224, out = (size + 2 * pad - kernel) / stride + 1, element = mode == NN_PACK_FLOAT ? 4 : 1;
	struct bench b = { 0 };
	struct nn_pack_run *r = &b.r.pack;

	*r = (struct nn_pack_run){ .images = 1, .channels = 3, .in_h = size, .in_w = size, .x_row = size * element,
				   .x_channel = size * size * element, .kernel = kernel, .stride = stride, .pad = pad, .out_w = out,
				   .out_channels = out_channels, .y_pitch = out_channels, .y_image = size * out * out_channels, .outside = 114,
				   .scale = 0x3c800000, .zero = 114, .mode = mode };
	b.a = buffer(b.a_bytes = 3 * size * size * element);
	b.b = buffer(b.b_bytes = 3 * 256);
	b.d = buffer(b.d_bytes = r->y_image);
	for (size_t i = 0; mode == NN_PACK_FLOAT && i < b.a_bytes; i += 4) {
		float value = random_float(-2, 2);

		memcpy(b.a + i, &value, 4);
	}
	if (nn_pack_check_shape(r)) {
		fprintf(stderr, "%s: check %u\n", name, nn_pack_check_shape(r));
		exit(1);
	}
	report(name, run_pack, &b, (double)b.a_bytes + b.d_bytes, 0, nn_pack_cycles(r));
}

int main(int argc, char **argv)
{
	repetitions = argc > 1 ? atoi(argv[1]) : repetitions;
	random_start();
	bench_depthwise("depthwise 3x3   112x112x32", 112, 32, 1, 32, 32);
	bench_depthwise("depthwise 3x3/2 112x112x96", 112, 96, 2, 4, 96);
	bench_depthwise("depthwise 3x3   112x112x96", 112, 96, 1, 8, 96);
	bench_depthwise("depthwise 3x3   56x56x144", 56, 144, 1, 14, 144);
	bench_depthwise("depthwise 3x3   14x14x576", 14, 576, 1, 14, 512);
	bench_depthwise("depthwise 3x3   7x7x960", 7, 960, 1, 7, 512);
	bench_pool("max pool 3x3/2  112x112x64", 112, 64, 3, 2, 1, NN_POOL_MAX, 64);
	bench_pool("max pool 2x2/2  224x224x64", 224, 64, 2, 2, 0, NN_POOL_MAX, 64);
	bench_pool("average pool 3x3 56x56x64", 56, 64, 3, 1, 1, NN_POOL_AVERAGE, 64);
	bench_pool("global average  7x7x2048", 7, 2048, 7, 1, 0, NN_POOL_AVERAGE, 1024);
	bench_add("add             56x56x256", 56 * 56, 256, NN_ADD_B);
	bench_add("add             14x14x1024", 14 * 14, 1024, NN_ADD_B);
	bench_add("add             7x7x2048", 7 * 7, 2048, NN_ADD_B);
	bench_add("requantise      56x56x256", 56 * 56, 256, 0);
	bench_pack("pack bytes      3x224x224, 7/2 unfolded", 7, 2, 3, 32, NN_PACK_BYTES);
	bench_pack("pack singles    3x224x224, 7/2 unfolded", 7, 2, 3, 32, NN_PACK_FLOAT);
	bench_pack("pack singles    3x224x224, 3/2 unfolded", 3, 2, 1, 16, NN_PACK_FLOAT);
	bench_pack("pack singles    3x224x224", 1, 1, 0, 16, NN_PACK_FLOAT);
	return 0;
}
