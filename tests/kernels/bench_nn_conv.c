// SPDX-License-Identifier: BSD-2-Clause
/*
 * nn_conv's fast version on one core: every distinct convolution of ResNet-50, batch 1, with each instruction set that the processor has.
 *
 *   bench_nn_conv [rounds]    a table of medians
 *   bench_nn_conv --serve     for bench_nn_conv.py: first the layers, one a line, an empty line, then for each line "set layer" on stdin
 *                             (as "avx512 3") the seconds of one run
 * Peak: a loop of vpdpbusd on registers only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nn_conv_case.h"
#include "random.h"
#include "resnet50_convs.h"
#include "../../kernels/simd.h"

static const struct resnet50_conv layers[] = RESNET50_CONVS;
#define LAYERS (sizeof(layers) / sizeof(layers[0]))

/* Layers whose result a residual is added to, once more with it; in the table only. */
static const size_t with_residual[] = { 3, 14 };
#define RESIDUALS (sizeof(with_residual) / sizeof(with_residual[0]))
#define CASES	  (LAYERS + RESIDUALS)

static const struct resnet50_conv *layer_of(size_t i)
{
	return &layers[i < LAYERS ? i : with_residual[i - LAYERS]];
}

static const char *const sets[] = { "portable", "avx2", "avx512" };

/* Time that this thread had the core: other processes may want it, too. */
static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

#if defined(__x86_64__)
#define DP(i) "vpdpbusd %%zmm15, %%zmm15, %%zmm" #i "\n"
/* 15 chains of vpdpbusd, which is more than latency times throughput. Multiply-accumulates per second. */
static double peak_avx512(void)
{
	double best = 0;

	for (int repeat = 0; repeat < 30; repeat++) {
		uint64_t n = 200000;
		double start = now(), rate;

		__asm__ volatile("1:\n"
				 DP(0) DP(1) DP(2) DP(3) DP(4) DP(5) DP(6) DP(7) DP(8) DP(9) DP(10) DP(11) DP(12) DP(13) DP(14)
				 "dec %0\n"
				 "jnz 1b\n"
				 : "+r"(n)
				 :
				 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
				   "xmm13", "xmm14", "xmm15", "cc");
		rate = 200000.0 * 15 * 64 / (now() - start);
		best = rate > best ? rate : best;
	}
	return best;
}
#endif

static int have(int set)
{
	unsetenv("SMARTSSD_SIMD");
	return set == 0 || (set == 1 && simd_avx2()) || (set == 2 && simd_avx512());
}

static uint8_t *aligned_copy(const uint8_t *from, uint64_t bytes)
{
	uint8_t *to = aligned_alloc(4096, (bytes + 4095) & ~4095ul);

	memcpy(to, from, bytes);
	return to;
}

/* Padding as the network has it: half of the kernel, along the columns none where they are unfolded. */
static int make(struct nn_conv_case *c, const struct resnet50_conv *l, uint32_t residual)
{
	uint32_t h = l->kernel_h / 2, w = l->kernel_w / 2, bottom = l->stride_h == 2 && h ? h - 1 : h;
	struct nn_conv_sizes s = { 1, l->in_h, l->in_w, 1, l->channels, l->filters, { l->kernel_h, l->kernel_w }, { l->stride_h, l->stride_w }, { 1, 1 } };

	s.residual = residual;
	s.pad[0] = h;
	s.pad[1] = w;
	s.pad[2] = bottom;
	s.pad[3] = l->stride_w == 2 && w ? w - 1 : w;
	do { /* without gaps between the pixels, which the case may have */
		if (nn_conv_case_make(c, &s))
			return -1;
	} while (c->call.a.x_pitch != l->channels || c->call.a.y_pitch != l->filters || (residual && c->call.a.r_pitch != l->filters));
	for (uint32_t f = 0; f < l->filters; f++) { /* as a network has them: the case's may be there to saturate */
		c->bias[f] = (int32_t)f * 10 - 500;
		c->mult[f] = 0.001f;
	}
	nn_conv_case_coef(c);
	/* As they lie in buffers of a card. */
	c->call.x = aligned_copy(c->call.x, c->call.x_bytes);
	if (residual)
		c->call.r = aligned_copy(c->call.r, c->call.r_bytes);
	c->call.w = (int8_t *)aligned_copy((const uint8_t *)c->call.w, c->call.w_bytes);
	c->call.y = aligned_alloc(4096, (c->call.y_bytes + 4095) & ~4095ul);
	c->call.status = malloc(KERNEL_STATUS_WORDS * 4);
	c->call.status_bytes = KERNEL_STATUS_WORDS * 4;
	return 0;
}

/* Seconds of a run, the mean over about a millisecond of them. */
static double measure(const struct nn_conv_case *c, double macs, int set)
{
	int runs = 1 + (int)(3e8 / macs * (set == 2 ? 1 : set == 1 ? 0.3 : 0.03));
	double start;

	setenv("SMARTSSD_SIMD", sets[set], 1);
	nn_conv_call(&c->call, nn_conv_fast);
	if (c->call.status[0] != KERNEL_OK) {
		fprintf(stderr, "bench_nn_conv: status %u %u: %s\n", c->call.status[0], c->call.status[1], nn_conv_describe(c));
		exit(1);
	}
	start = now();
	for (int i = 0; i < runs; i++)
		nn_conv_call(&c->call, nn_conv_fast);
	return (now() - start) / runs;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void describe(const struct resnet50_conv *l, char text[64])
{
	snprintf(text, 64, "%ux%u/%ux%u %4u->%-4u %ux%u", l->kernel_h, l->kernel_w, l->stride_h, l->stride_w, l->channels, l->filters, l->in_h,
		 l->in_w);
}

static int table(struct nn_conv_case *cases, int rounds)
{
	double *times = calloc((size_t)rounds * CASES, sizeof(*times)), peak = 0;

#if defined(__x86_64__)
	if (have(2))
		peak = peak_avx512();
	if (peak > 0)
		printf("nn_conv, batch 1, one core; peak of vpdpbusd on registers: %.0f GMAC/s\n", peak * 1e-9);
#endif
	for (int set = 0; set < 3; set++) {
		double macs_all = 0, seconds_all = 0;

		if (!have(set))
			continue;
		for (int r = 0; r < rounds; r++)
			for (size_t i = 0; i < CASES; i++)
				times[i * (size_t)rounds + (size_t)r] = measure(&cases[i], resnet50_conv_macs(layer_of(i)), set);
		for (size_t i = 0; i < CASES; i++) {
			double *mine = times + i * (size_t)rounds, macs = resnet50_conv_macs(layer_of(i)), seconds;
			char text[64];

			qsort(mine, (size_t)rounds, sizeof(*mine), by_size);
			seconds = mine[rounds / 2];
			describe(layer_of(i), text);
			if (i >= LAYERS)
				strcat(text, " +res");
			printf("  %-9s %-32s %8.1f us %7.1f GMAC/s", sets[set], text, seconds * 1e6, macs / seconds * 1e-9);
			if (set == 2)
				printf("  %3.0f %% of peak", 100 * macs / seconds / peak);
			printf("\n");
			if (i < LAYERS) {
				macs_all += macs * layers[i].times;
				seconds_all += seconds * layers[i].times;
			}
		}
		printf("  %-9s all 53 convolutions: %.2f ms, %.1f GMAC/s\n", sets[set], seconds_all * 1e3, macs_all / seconds_all * 1e-9);
	}
	free(times);
	return 0;
}

static int serve(struct nn_conv_case *cases)
{
	char name[16];
	uint32_t layer;

	for (size_t i = 0; i < LAYERS; i++) {
		const struct resnet50_conv *l = &layers[i];

		printf("%u %u %u %u %u %u %u %u %u %.0f\n", l->channels, l->in_h, l->in_w, l->filters, l->kernel_h, l->kernel_w, l->stride_h,
		       l->stride_w, l->times, resnet50_conv_macs(l));
	}
	printf("\n");
	fflush(stdout);
	while (scanf("%15s %u", name, &layer) == 2) {
		int set = 0;

		while (set < 3 && strcmp(sets[set], name))
			set++;
		if (set == 3 || layer >= LAYERS || !have(set)) {
			fprintf(stderr, "bench_nn_conv: no %s %u here\n", name, layer);
			return 1;
		}
		printf("%.9f\n", measure(&cases[layer], resnet50_conv_macs(&layers[layer]), set));
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct nn_conv_case cases[CASES];
	int serving = argc > 1 && !strcmp(argv[1], "--serve"), rounds = argc > 1 ? atoi(argv[1]) : 5;

	setenv("SEED", "1", 0);
	if (!serving)
		random_start();
	for (size_t i = 0; i < (serving ? LAYERS : CASES); i++) {
		if (make(&cases[i], layer_of(i), i >= LAYERS)) {
			fprintf(stderr, "bench_nn_conv: layer %zu does not fit the card\n", i);
			return 1;
		}
	}
	return serving ? serve(cases) : table(cases, rounds > 0 ? rounds : 1);
}
